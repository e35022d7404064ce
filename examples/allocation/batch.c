/* batch: knows which product a batch is of. Who reports a changed quantity names the batch only. */
#include "messages.h"

struct named { struct edda_text sku; };
static const struct edda_field named_fields[] = { EDDA_FIELD(named, sku) };
static const struct edda_type named = EDDA_STATE(named);

EDDA_EVOLVE(naming, named, BatchNamed);
static void naming(struct named *n, const struct BatchNamed *e)
{
    if (n->sku.len == 0)
        n->sku = e->sku;
}

EDDA_HANDLER(change_quantity, ChangeBatchQuantity, named);
static int change_quantity(struct edda_step *step, const struct ChangeBatchQuantity *c, const struct named *n)
{
    if (n->sku.len == 0)
        return edda_reject(step, "batchref", "there is no batch %.*s", (int)c->batchref.len, c->batchref.data);
    return edda_send(step, AdjustBatch, .sku = n->sku, .batchref = c->batchref, .qty = c->qty);
}

const struct edda_service batch_service = {
    .name = "batch",
    .description = "Knows which product a batch is of.",
    .entity = EDDA_ENTITY(named, "batches"),
    .evolve = (const struct edda_row[]){ EDDA_WHEN(BatchNamed, naming), EDDA_END },
    .on = (const struct edda_row[]){ EDDA_ON(ChangeBatchQuantity, change_quantity, batchref), EDDA_END },
};
