/*
 * product: a product, its batches, and the lines of orders that are allocated to them. All that is decided about stock is decided here.
 */
#include "product.h"
#include "view.h"

static const struct edda_field line_fields[] = { EDDA_FIELD(line, orderid), EDDA_FIELD(line, qty) };
static const struct edda_type line = EDDA_VALUE(line);
static const struct edda_field batch_fields[] = {
    EDDA_FIELD(batch, ref), EDDA_FIELD(batch, added), EDDA_FIELD(batch, qty), EDDA_FIELD(batch, allocated),
    EDDA_FIELD_TIME(batch, eta, .optional = true), EDDA_FIELD_LIST_OF(batch, lines, line) };
static const struct edda_type batch = EDDA_VALUE(batch);
static const struct edda_field product_fields[] = {
    EDDA_FIELD_LIST_OF(product, batches, batch), EDDA_FIELD(product, shortages) };
const struct edda_type product = EDDA_STATE(product);

/* A line is known by what it says: an order may have two lines of one product, of different quantities. */
static const struct line *line_find(const struct batch *b, struct edda_text orderid, int64_t qty)
{
    const struct line *l = NULL;
    do
        l = edda_list_find_text(&b->lines, sizeof *l, orderid, l);
    while (l && l->qty != qty);
    return l;
}

static bool is_allocated(const struct product *p, struct edda_text orderid, int64_t qty)
{
    const struct batch *batches = p->batches.items;
    for (uint32_t i = 0; i < p->batches.count; i++)
        if (line_find(&batches[i], orderid, qty))
            return true;
    return false;
}

/* --- what has happened -------------------------------------------------------------------------------------- */

EDDA_EVOLVE(added, product, BatchAdded);
static void added(struct product *p, const struct BatchAdded *e)
{
    struct batch *b = edda_list_add(&p->batches, sizeof *b);
    if (b)
        *b = (struct batch){ .ref = e->ref, .added = e->qty, .qty = e->qty, .eta = e->eta };
}

EDDA_EVOLVE(changed, product, BatchQuantityChanged);
static void changed(struct product *p, const struct BatchQuantityChanged *e)
{
    struct batch *b = edda_list_find_text(&p->batches, sizeof *b, e->batchref, NULL);
    if (b)
        b->qty = e->qty;
}

EDDA_EVOLVE(allocated, product, Allocated);
static void allocated(struct product *p, const struct Allocated *e)
{
    struct batch *b = edda_list_find_text(&p->batches, sizeof *b, e->batchref, NULL);
    struct line *l = b ? edda_list_add(&b->lines, sizeof *l) : NULL;
    if (!l)
        return;
    *l = (struct line){ e->orderid, e->qty };
    b->allocated += e->qty;
}

EDDA_EVOLVE(deallocated, product, Deallocated);
static void deallocated(struct product *p, const struct Deallocated *e)
{
    struct batch *b = edda_list_find_text(&p->batches, sizeof *b, e->batchref, NULL);
    const struct line *l = b ? line_find(b, e->orderid, e->qty) : NULL;
    if (!l)
        return;
    edda_list_remove(&b->lines, sizeof *l, (uint32_t)(l - (const struct line *)b->lines.items));
    b->allocated -= e->qty;
}

EDDA_EVOLVE(ran_out, product, OutOfStock);
static void ran_out(struct product *p, const struct OutOfStock *e)
{
    (void)e;
    p->shortages++;
}

/* --- what is decided ---------------------------------------------------------------------------------------- */

EDDA_HANDLER(add_batch, AddBatch, product);
static int add_batch(struct edda_step *step, const struct AddBatch *c, const struct product *p)
{
    const struct batch *known = edda_list_find_text(&p->batches, sizeof *known, c->ref, NULL);
    if (known && known->added == c->qty && known->eta == c->eta)
        return edda_skip(step, "the batch is there already");
    if (known)
        return edda_reject(step, "ref", "batch %.*s is there already, with another qty or eta", (int)c->ref.len, c->ref.data);
    edda_emit(step, BatchAdded, .sku = c->sku, .ref = c->ref, .qty = c->qty, .eta = c->eta);
    return edda_emit(step, BatchNamed, .ref = c->ref, .sku = c->sku);
}

/* What is in stock goes before what is to come, and what comes early before what comes late. */
static bool comes_before(const struct batch *a, const struct batch *b)
{
    return b->eta != IN_STOCK && (a->eta == IN_STOCK || a->eta < b->eta);
}

static const struct batch *best_batch(const struct product *p, int64_t qty)
{
    const struct batch *batches = p->batches.items, *best = NULL;
    for (uint32_t i = 0; i < p->batches.count; i++)
        if (batches[i].qty - batches[i].allocated >= qty && (!best || comes_before(&batches[i], best)))
            best = &batches[i];
    return best;
}

EDDA_HANDLER(allocate, Allocate, product);
static int allocate(struct edda_step *step, const struct Allocate *c, const struct product *p)
{
    if (p->batches.count == 0)
        return edda_reject(step, "sku", "Invalid sku %.*s", (int)c->sku.len, c->sku.data);
    if (!NAIVE && is_allocated(p, c->orderid, c->qty))
        return edda_skip(step, "the line is allocated already");
    const struct batch *b = best_batch(p, c->qty);
    if (!b)
        return edda_emit(step, OutOfStock, .sku = c->sku, .orderid = c->orderid, .qty = c->qty);
    return edda_emit(step, Allocated, .orderid = c->orderid, .sku = c->sku, .qty = c->qty, .batchref = b->ref);
}

/* The lines that a batch of this quantity cannot hold, the latest first, are allocated anew, elsewhere. What is too much for one step goes on in the next. */
static int let_go(struct edda_step *step, struct edda_text sku, const struct batch *b, int64_t qty)
{
    const struct line *first = b->lines.items, *l = first + b->lines.count, *last = b->lines.count > STEP_LINES_MAX ? l - STEP_LINES_MAX : first;
    for (int64_t over = b->allocated - qty; over > 0; over -= l->qty) {
        if (l-- == last)
            return edda_send(step, ShrinkBatch, .sku = sku, .batchref = b->ref);
        edda_emit(step, Deallocated, .orderid = l->orderid, .sku = sku, .qty = l->qty, .batchref = b->ref);
        edda_send(step, Allocate, .orderid = l->orderid, .sku = sku, .qty = l->qty);
    }
    return 0;
}

EDDA_HANDLER(adjust, AdjustBatch, product);
static int adjust(struct edda_step *step, const struct AdjustBatch *c, const struct product *p)
{
    const struct batch *b = edda_list_find_text(&p->batches, sizeof *b, c->batchref, NULL);
    if (!b || b->qty == c->qty)
        return edda_skip(step, b ? "the batch has this quantity" : "there is no such batch");
    edda_emit(step, BatchQuantityChanged, .sku = c->sku, .batchref = c->batchref, .qty = c->qty);
    return let_go(step, c->sku, b, c->qty);
}

EDDA_HANDLER(shrink, ShrinkBatch, product);
static int shrink(struct edda_step *step, const struct ShrinkBatch *c, const struct product *p)
{
    const struct batch *b = edda_list_find_text(&p->batches, sizeof *b, c->batchref, NULL);
    return b ? let_go(step, c->sku, b, b->qty) : 0;
}

/* --- over HTTP ---------------------------------------------------------------------------------------------- */

/* What is in stock, without the lines. */
static const struct edda_field Batch_fields[] = {
    EDDA_FIELD(batch, ref), EDDA_FIELD(batch, qty), EDDA_FIELD(batch, allocated), EDDA_FIELD_TIME(batch, eta, .optional = true) };
static const struct edda_type Batch = { .name = "Batch", .kind = EDDA_TYPE_VALUE, .size = sizeof(struct batch), .fields = Batch_fields,
                                        .field_count = sizeof Batch_fields / sizeof Batch_fields[0] };
struct Product { struct edda_text sku; struct edda_list batches; };
static const struct edda_field Product_fields[] = { EDDA_FIELD(Product, sku), EDDA_FIELD_LIST_OF(Product, batches, Batch) };
static const struct edda_type Product = EDDA_VALUE(Product);

EDDA_ROW(product_row, Product, product);
static bool product_row(struct Product *row, struct edda_text key, const struct product *p)
{
    *row = (struct Product){ key, p->batches };
    return true;
}

static const struct edda_view products = EDDA_VIEW("products", Product, product_row, .path = "/products", .item = "/products/{sku}");

struct Message { struct edda_text message; };
static const struct edda_field Message_fields[] = { EDDA_FIELD(Message, message) };
static const struct edda_type Message = EDDA_VALUE(Message);

static int rejected(struct edda_request *request, const struct edda_error *error, void *user)
{
    (void)user;
    return edda_respond(request, 400, Message, .message = edda_text_of(error->message));
}

#define OK .text = "OK", .text_type = "text/plain", .rejected = rejected

const struct edda_service product_service = {
    .name = "product",
    .description = "Allocates the lines of orders to batches of stock.",
    .entity = EDDA_ENTITY(product, "products"),
    .evolve = (const struct edda_row[]){
        EDDA_WHEN(BatchAdded, added),
        EDDA_WHEN(BatchQuantityChanged, changed),
        EDDA_WHEN(Allocated, allocated),
        EDDA_WHEN(Deallocated, deallocated),
        EDDA_WHEN(OutOfStock, ran_out),
        EDDA_END },
    .on = (const struct edda_row[]){
        EDDA_ON(AddBatch, add_batch, sku),
        EDDA_ON(Allocate, allocate, sku),
        EDDA_ON(AdjustBatch, adjust, sku),
        EDDA_ON(ShrinkBatch, shrink, sku),
        EDDA_END },
    .view = &products,
    .routes = (const struct edda_route[]){
        EDDA_ROUTE("POST", "/add_batch", AddBatch, .status = 201, OK, .description = "Adds a batch of a product"),
        EDDA_ROUTE("POST", "/allocate", Allocate, .status = 202, OK, .description = "Allocates a line of an order"),
        { .method = "GET", .path = "/allocations/{orderid}", .handle = get_allocations, .description = "Where the lines of an order are allocated" },
        EDDA_ROUTES_END },
};
