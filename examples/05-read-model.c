/*
 * A read model: for each order, which batch its line was taken from. The service `stock` records events; the projection `allocations` folds them into rows of a
 * database, each event once, whatever dies in between; GET /allocations/{orderid} reads what has been written a moment ago.
 *
 *     05-read-model run                      rows in ./data/stock-keeping/read-models.db, with SQLite
 *     05-read-model run --db postgres://…    the same in PostgreSQL
 *     05-read-model --test
 */
#include <string.h>

#include "edda/edda.h"

/* What happens. */
struct Allocate { struct edda_text orderid, sku; int64_t quantity; };
static const struct edda_field Allocate_fields[] = {
    EDDA_FIELD(Allocate, orderid, .len_min = 1), EDDA_FIELD(Allocate, sku, .len_min = 1), EDDA_FIELD(Allocate, quantity, .min = 1, .max = -1) };
static const struct edda_type Allocate = EDDA_COMMAND(Allocate, sku, .topic = "stock.commands", .correlation = "orderid");

struct Allocated { struct edda_text orderid, sku, batchref; int64_t quantity; };
static const struct edda_field Allocated_fields[] = {
    EDDA_FIELD(Allocated, orderid), EDDA_FIELD(Allocated, sku), EDDA_FIELD(Allocated, batchref), EDDA_FIELD(Allocated, quantity) };
static const struct edda_type Allocated = EDDA_EVENT(Allocated, sku, .topic = "stock", .correlation = "orderid");

struct stock { int64_t allocated; };
static const struct edda_field stock_fields[] = { EDDA_FIELD(stock, allocated) };
static const struct edda_type stock = EDDA_STATE(stock);

EDDA_EVOLVE(allocated, stock, Allocated);
static void allocated(struct stock *s, const struct Allocated *e)
{
    s->allocated += e->quantity;
}

/* A batch holds a hundred pieces. */
EDDA_HANDLER(allocate, Allocate, stock);
static int allocate(struct edda_step *step, const struct Allocate *m, const struct stock *s)
{
    struct edda_text batch = s->allocated + m->quantity <= 100 ? EDDA_TEXT("early") : EDDA_TEXT("late");
    return edda_emit(step, Allocated, .orderid = m->orderid, .sku = m->sku, .batchref = batch, .quantity = m->quantity);
}

/* The read model: its tables, and which rows change with an event. */
struct Allocation { struct edda_text orderid, sku, batchref; int64_t quantity; };
static const struct edda_field Allocation_fields[] = {
    EDDA_FIELD(Allocation, orderid), EDDA_FIELD(Allocation, sku), EDDA_FIELD(Allocation, batchref), EDDA_FIELD(Allocation, quantity) };
static const struct edda_type Allocation = EDDA_VALUE(Allocation);
static const char *const by_batch[] = { "batchref", NULL };
static const struct edda_table allocations_view = EDDA_TABLE("allocations_view", Allocation, 2, .indexes = by_batch);

EDDA_PROJECT(note, Allocated);
static int note(struct edda_rows *rows, const struct Allocated *e)
{
    struct Allocation row = { .orderid = e->orderid, .sku = e->sku };
    int rc = edda_get_struct(rows, &allocations_view, &row);
    if (rc < 0)
        return rc;
    return edda_put(rows, allocations_view, Allocation, .orderid = e->orderid, .sku = e->sku, .batchref = e->batchref,
                    .quantity = row.quantity + e->quantity);
}

static const struct edda_table *const tables[] = { &allocations_view, NULL };
static const struct edda_projecting applied[] = { EDDA_APPLY(Allocated, note, orderid), EDDA_APPLY_END };
static const struct edda_projection allocations = {
    .name = "allocations", .description = "Which batch each order's line was taken from", .tables = tables, .on = applied, .version = 1,
};

/* The interface. */
static int answer(struct edda_request *request, const void *rows, size_t count, void *user)
{
    (void)user;
    return edda_respond_list(request, 200, &Allocation, rows, count);
}

static int get_allocations(struct edda_request *request, const void *body, void *user)
{
    (void)body, (void)user;
    const struct Allocation of = { .orderid = edda_parameter(request, "orderid") };
    const struct edda_query query = { .table = &allocations_view, .equal = &of, .equal_fields = 1 };
    return edda_select(request, &query, answer, NULL);
}

static const struct edda_route routes[] = {
    EDDA_ROUTE("POST", "/allocate", Allocate, .status = 202, .text = "\"OK\""),
    { .method = "GET", .path = "/allocations/{orderid}", .handle = get_allocations },
    EDDA_ROUTES_END };
static const struct edda_row evolve[] = { EDDA_WHEN(Allocated, allocated), EDDA_END };
static const struct edda_row on[] = { EDDA_ON(Allocate, allocate, sku), EDDA_END };
static const struct edda_service stock_service = {
    .name = "stock", .entity = EDDA_ENTITY(stock, "stock"), .evolve = evolve, .on = on, .routes = routes };
static const struct edda_service *const services[] = { &stock_service, NULL };
static const struct edda_projection *const projections[] = { &allocations, NULL };
static const struct edda_app app = { .name = "stock-keeping", .services = services, .projections = projections };

static int test(void)
{
    struct edda_test *t = edda_test_projection(&allocations);
    edda_given(t, Allocated, .orderid = EDDA_TEXT("o1"), .sku = EDDA_TEXT("LAMP"), .batchref = EDDA_TEXT("early"), .quantity = 10);
    edda_when(t, Allocated, .orderid = EDDA_TEXT("o1"), .sku = EDDA_TEXT("LAMP"), .batchref = EDDA_TEXT("late"), .quantity = 5);
    edda_then_row(t, allocations_view, Allocation, .orderid = EDDA_TEXT("o1"), .sku = EDDA_TEXT("LAMP"), .batchref = EDDA_TEXT("late"), .quantity = 15);
    edda_then_no_row(t, allocations_view, Allocation, .orderid = EDDA_TEXT("o2"), .sku = EDDA_TEXT("LAMP"));
    return edda_test_end(t);
}

int main(int argc, char **argv)
{
    return argc > 1 && strcmp(argv[1], "--test") == 0 ? test() : edda_main(&app, argc, argv);
}
