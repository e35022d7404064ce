/* view: where the lines of an order are allocated, as rows of a database, for whoever asks there or here. */
#include "view.h"

static const struct edda_field AllocationRow_fields[] = {
    EDDA_FIELD(AllocationRow, orderid), EDDA_FIELD(AllocationRow, sku), EDDA_FIELD(AllocationRow, qty),
    EDDA_FIELD(AllocationRow, batchref), EDDA_FIELD(AllocationRow, position) };
static const struct edda_type AllocationRow = EDDA_VALUE(AllocationRow);
const struct edda_table allocations_view = EDDA_TABLE("allocations_view", AllocationRow, 3);

EDDA_PROJECT(allocated, Allocated);
static int allocated(struct edda_rows *rows, const struct Allocated *e)
{
    return edda_put(rows, allocations_view, AllocationRow, .orderid = e->orderid, .sku = e->sku, .qty = e->qty, .batchref = e->batchref,
                    .position = edda_rows_message(rows)->position);
}

EDDA_PROJECT(deallocated, Deallocated);
static int deallocated(struct edda_rows *rows, const struct Deallocated *e)
{
    return edda_delete(rows, allocations_view, AllocationRow, .orderid = e->orderid, .sku = e->sku, .qty = e->qty);
}

const struct edda_projection allocations_projection = {
    .name = "allocations",
    .description = "Where the lines of orders are allocated.",
    .tables = (const struct edda_table *const[]){ &allocations_view, NULL },
    .on = (const struct edda_projecting[]){ EDDA_APPLY(Allocated, allocated, orderid), EDDA_APPLY(Deallocated, deallocated, orderid), EDDA_APPLY_END },
    .version = 1,
};

/* --- over HTTP ---------------------------------------------------------------------------------------------- */

struct Allocation { struct edda_text sku, batchref; };
static const struct edda_field Allocation_fields[] = { EDDA_FIELD(Allocation, sku), EDDA_FIELD(Allocation, batchref) };
static const struct edda_type Allocation = EDDA_VALUE(Allocation);

static int show(struct edda_request *request, const void *found, size_t count, void *user)
{
    (void)user;
    const struct AllocationRow *rows = found;
    struct Allocation *list = edda_request_alloc(request, count * sizeof *list);
    if (count == 0)
        return edda_respond_text(request, 404, "text/plain", EDDA_TEXT("not found"));
    if (!list)
        return EDDA_ENOMEM;
    for (size_t i = 0; i < count; i++)
        list[i] = (struct Allocation){ rows[i].sku, rows[i].batchref };
    return edda_respond_list(request, 200, &Allocation, list, count);
}

int get_allocations(struct edda_request *request, const void *body, void *user)
{
    (void)body, (void)user;
    const struct AllocationRow of_order = { .orderid = edda_parameter(request, "orderid") };
    return edda_select(request, &(const struct edda_query){ .table = &allocations_view, .equal = &of_order, .equal_fields = 1,
                                                            .order_by = "position", .limit = ALLOCATIONS_MAX }, show, NULL);
}
