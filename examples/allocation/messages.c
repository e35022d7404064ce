/* The tables of the messages. See messages.h. */
#include "messages.h"

#define PRODUCTS "products" /* events of the product */
#define COMMANDS "product.commands"
#define WORD .len_min = 1, .len_max = 255
#define QTY .min = 1, .max = QTY_MAX
#define QTY_LEFT .min = 0, .max = QTY_MAX

/* `process` is the field that names the process, when nothing before it does: an order, or a batch that arrives or changes. */
/* clang-format off */
#define MESSAGE(name, its_kind, its_key, its_topic, process, ...) \
    static const struct edda_field name##_fields[] = { __VA_ARGS__ }; \
    const struct edda_type name = its_kind(name, its_key, .topic = its_topic, .correlation = #process)

MESSAGE(BatchAdded, EDDA_EVENT, sku, PRODUCTS, ref,
    EDDA_FIELD(BatchAdded, sku), EDDA_FIELD(BatchAdded, ref), EDDA_FIELD(BatchAdded, qty), EDDA_FIELD_TIME(BatchAdded, eta, .optional = true));
MESSAGE(BatchQuantityChanged, EDDA_EVENT, sku, PRODUCTS, batchref,
    EDDA_FIELD(BatchQuantityChanged, sku), EDDA_FIELD(BatchQuantityChanged, batchref), EDDA_FIELD(BatchQuantityChanged, qty));
MESSAGE(Allocated, EDDA_EVENT, sku, PRODUCTS, orderid,
    EDDA_FIELD(Allocated, orderid), EDDA_FIELD(Allocated, sku), EDDA_FIELD(Allocated, qty), EDDA_FIELD(Allocated, batchref));
MESSAGE(Deallocated, EDDA_EVENT, sku, PRODUCTS, orderid,
    EDDA_FIELD(Deallocated, orderid), EDDA_FIELD(Deallocated, sku), EDDA_FIELD(Deallocated, qty), EDDA_FIELD(Deallocated, batchref));
MESSAGE(OutOfStock, EDDA_EVENT, sku, PRODUCTS, orderid,
    EDDA_FIELD(OutOfStock, sku), EDDA_FIELD(OutOfStock, orderid), EDDA_FIELD(OutOfStock, qty));
MESSAGE(BatchNamed, EDDA_EVENT, ref, "batches", ref,
    EDDA_FIELD(BatchNamed, ref), EDDA_FIELD(BatchNamed, sku));

MESSAGE(AddBatch, EDDA_COMMAND, sku, COMMANDS, ref,
    EDDA_FIELD(AddBatch, ref, WORD), EDDA_FIELD(AddBatch, sku, WORD), EDDA_FIELD(AddBatch, qty, QTY), EDDA_FIELD_TIME(AddBatch, eta, .optional = true));
MESSAGE(Allocate, EDDA_COMMAND, sku, COMMANDS, orderid,
    EDDA_FIELD(Allocate, orderid, WORD), EDDA_FIELD(Allocate, sku, WORD), EDDA_FIELD(Allocate, qty, QTY));
MESSAGE(ChangeBatchQuantity, EDDA_COMMAND, batchref, "batch.commands", batchref,
    EDDA_FIELD(ChangeBatchQuantity, batchref, WORD), EDDA_FIELD(ChangeBatchQuantity, qty, QTY_LEFT));
MESSAGE(AdjustBatch, EDDA_COMMAND, sku, COMMANDS, batchref,
    EDDA_FIELD(AdjustBatch, sku), EDDA_FIELD(AdjustBatch, batchref), EDDA_FIELD(AdjustBatch, qty, QTY_LEFT));
MESSAGE(ShrinkBatch, EDDA_COMMAND, sku, COMMANDS, batchref,
    EDDA_FIELD(ShrinkBatch, sku), EDDA_FIELD(ShrinkBatch, batchref));
/* clang-format on */
