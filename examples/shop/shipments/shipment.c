/*
 * shipment: packs what an order asks for. A process manager: it asks the stock of each product, waits for all answers, and sends the package when
 * everything is there; else it gives back what was.
 */
#include "shipments/shipment.h"

static const struct edda_field shipment_fields[] = {
    EDDA_FIELD(shipment, status),  EDDA_FIELD_LIST_OF(shipment, items, PackageItem), EDDA_FIELD_LIST_OF(shipment, picked, PackageItem),
    EDDA_FIELD(shipment, lacking), EDDA_FIELD(shipment, lackingProduct),
};
const struct edda_type shipment = EDDA_STATE(shipment);

static const char *const status_words[] = { "unknown", "PICKING", "SENT", "OUT OF STOCK" };

EDDA_EVOLVE(requested, shipment, PackageRequested);
static void requested(struct shipment *s, const struct PackageRequested *e)
{
    *s = (struct shipment){ .status = SHIPMENT_PICKING, .items = e->productItems };
}

EDDA_EVOLVE(picked, shipment, ProductPicked);
static void picked(struct shipment *s, const struct ProductPicked *e)
{
    struct PackageItem *item = edda_list_put(&s->picked, sizeof *item, e->productId);
    if (item)
        item->quantity = e->quantity;
}

EDDA_EVOLVE(lacked, shipment, ProductLacked);
static void lacked(struct shipment *s, const struct ProductLacked *e)
{
    if (s->lacking++ == 0)
        s->lackingProduct = e->productId;
}

EDDA_EVOLVE_SET(sent, shipment, PackageSent, status, SHIPMENT_SENT);
EDDA_EVOLVE_SET(dropped, shipment, PackageDropped, status, SHIPMENT_DROPPED);

struct Shipment { int64_t orderId; struct edda_text status; struct edda_list productItems; };
static const struct edda_field Shipment_fields[] = {
    EDDA_FIELD(Shipment, orderId), EDDA_FIELD(Shipment, status), EDDA_FIELD_LIST_OF(Shipment, productItems, PackageItem) };
static const struct edda_type Shipment = EDDA_VALUE(Shipment);

EDDA_ROW(shipment_row, Shipment, shipment);
static bool shipment_row(struct Shipment *row, struct edda_text key, const struct shipment *s)
{
    *row = (struct Shipment){ edda_text_int(key), edda_text_of(status_words[s->status]), s->items };
    return s->status != SHIPMENT_NONE;
}

static const struct edda_view shipments = EDDA_VIEW("shipments", Shipment, shipment_row, .path = "/shipments", .item = "/shipments/{orderId}");

EDDA_HANDLER(send, SendPackage, shipment);
static int send(struct edda_step *step, const struct SendPackage *c, const struct shipment *s)
{
    const struct PackageItem *items = c->productItems.items;
    if (s->status != SHIPMENT_NONE)
        return edda_skip(step, "the package is %s", status_words[s->status]);
    edda_emit(step, PackageRequested, .orderId = c->orderId, .productItems = c->productItems);
    for (uint32_t i = 0; i < c->productItems.count; i++)
        edda_send(step, TakeStock, .productId = items[i].productId, .orderId = c->orderId, .quantity = items[i].quantity);
    return 0;
}

/* The state may be ahead of the answer that is handled, so whoever finds all of them there decides, and the others find it decided. */
static int decide(struct edda_step *step, int64_t order, const struct shipment *s)
{
    const struct PackageItem *items = s->picked.items;
    if (s->status != SHIPMENT_PICKING)
        return edda_skip(step, "the package is %s", status_words[s->status]);
    if (s->picked.count + s->lacking < s->items.count)
        return 0;
    if (!s->lacking) {
        edda_emit(step, PackageSent, .orderId = order);
        return edda_emit(step, PackageWasSent, .orderId = order, .productItems = s->picked, .sentAt = edda_now_ms(step));
    }
    for (uint32_t i = 0; i < s->picked.count; i++)
        edda_send(step, ReturnStock, .productId = items[i].productId, .orderId = order, .quantity = items[i].quantity);
    edda_emit(step, PackageDropped, .orderId = order);
    return edda_emit(step, ProductWasOutOfStock, .orderId = order, .productId = s->lackingProduct, .checkedAt = edda_now_ms(step));
}

EDDA_HANDLER(decide_picked, ProductPicked, shipment);
static int decide_picked(struct edda_step *step, const struct ProductPicked *e, const struct shipment *s)
{
    return decide(step, e->orderId, s);
}

EDDA_HANDLER(decide_lacked, ProductLacked, shipment);
static int decide_lacked(struct edda_step *step, const struct ProductLacked *e, const struct shipment *s)
{
    return decide(step, e->orderId, s);
}

const struct edda_service shipment_service = {
    .name = "shipment",
    .description = "Packs what orders ask for, or gives it back.",
    .entity = EDDA_ENTITY(shipment, SHIPMENTS),
    .evolve = (const struct edda_row[]){
        EDDA_WHEN(PackageRequested, requested),
        EDDA_WHEN(ProductPicked, picked),
        EDDA_WHEN(ProductLacked, lacked),
        EDDA_WHEN(PackageSent, sent),
        EDDA_WHEN(PackageDropped, dropped),
        EDDA_END },
    .on = (const struct edda_row[]){
        EDDA_ON(SendPackage, send, orderId),
        EDDA_ON(ProductPicked, decide_picked, orderId),
        EDDA_ON(ProductLacked, decide_lacked, orderId),
        EDDA_END },
    .view = &shipments,
};
