/* order: one per confirmed cart, with its number. It is decided once: completed when its package was sent, or cancelled. */
#include "orders/order.h"

#include "shop.h"

static const struct edda_field order_fields[] = {
    EDDA_FIELD(order, status),     EDDA_FIELD(order, clientId),  EDDA_FIELD_LIST_OF(order, productItems, ProductItem),
    EDDA_FIELD(order, totalPrice), EDDA_FIELD(order, paymentId), EDDA_FIELD(order, reason),
};
const struct edda_type order = EDDA_STATE(order);

static const char *const status_words[] = { "unknown", "INITIALIZED", "PAID", "COMPLETED", "CANCELLED" };

/* --- what has happened to an order ---------------------------------------------------------------------- */

/* An order knows from the beginning which payment is its own, and need not be told before it can be cancelled. */
EDDA_EVOLVE(initialized, order, OrderInitialized);
static void initialized(struct order *o, const struct OrderInitialized *e)
{
    *o = (struct order){ ORDER_INITIALIZED, e->clientId, e->productItems, e->totalPrice, NAIVE ? 0 : e->paymentId, { NULL, 0 } };
}

EDDA_EVOLVE(paid, order, OrderPaymentRecorded);
static void paid(struct order *o, const struct OrderPaymentRecorded *e)
{
    o->status = ORDER_PAID;
    o->paymentId = e->paymentId;
}

EDDA_EVOLVE_SET(completed, order, OrderCompleted, status, ORDER_COMPLETED);

EDDA_EVOLVE(cancelled, order, OrderCancelled);
static void cancelled(struct order *o, const struct OrderCancelled *e)
{
    o->status = ORDER_CANCELLED;
    o->reason = e->reason;
}

/* --- how an order looks to the outside ------------------------------------------------------------------ */

struct Order {
    int64_t orderId;
    struct edda_text clientId;
    struct edda_text status;
    struct edda_text reason;
    struct edda_list productItems;
    int64_t totalPrice;
};
static const struct edda_field Order_fields[] = {
    EDDA_FIELD(Order, orderId), EDDA_FIELD(Order, clientId),
    EDDA_FIELD(Order, status),  EDDA_FIELD(Order, reason, .optional = true, .description = "why it is cancelled"),
    EDDA_FIELD_LIST_OF(Order, productItems, ProductItem), EDDA_FIELD(Order, totalPrice),
};
static const struct edda_type Order = EDDA_VALUE(Order);

EDDA_ROW(order_row, Order, order);
static bool order_row(struct Order *row, struct edda_text key, const struct order *o)
{
    *row = (struct Order){ edda_text_int(key), o->clientId, edda_text_of(status_words[o->status]), o->reason, o->productItems, o->totalPrice };
    return o->status != ORDER_NONE;
}

static const struct edda_view orders = EDDA_VIEW("orders", Order, order_row, .path = "/orders", .item = "/orders/{orderId}");

/* --- decisions ------------------------------------------------------------------------------------------ */

/* What comes from the log and is rejected is skipped, with the reason in the trace; a client is told. */
static int reject(struct edda_step *step, const struct order *o)
{
    struct edda_text id = edda_entity_key(step);
    if (o->status == ORDER_NONE)
        return edda_fail(step, EDDA_ENOTFOUND, "orderId", "there is no order %.*s", (int)id.len, id.data);
    return edda_reject(step, "orderId", "order %.*s is %s", (int)id.len, id.data, status_words[o->status]);
}

EDDA_HANDLER(initialize, InitializeOrder, order);
static int initialize(struct edda_step *step, const struct InitializeOrder *c, const struct order *o)
{
    if (o->status != ORDER_NONE)
        return reject(step, o);
    return edda_emit(step, OrderInitialized, .orderId = c->orderId, .paymentId = c->orderId, .clientId = c->clientId,
                     .productItems = c->productItems, .totalPrice = c->totalPrice, .initializedAt = edda_now_ms(step));
}

EDDA_HANDLER(record_payment, RecordOrderPayment, order);
static int record_payment(struct edda_step *step, const struct RecordOrderPayment *c, const struct order *o)
{
    if (o->status != ORDER_INITIALIZED)
        return reject(step, o);
    return edda_emit(step, OrderPaymentRecorded, .orderId = c->orderId, .paymentId = c->paymentId, .productItems = o->productItems);
}

EDDA_HANDLER(complete, CompleteOrder, order);
static int complete(struct edda_step *step, const struct CompleteOrder *c, const struct order *o)
{
    if (o->status != ORDER_PAID)
        return reject(step, o);
    int64_t now = edda_now_ms(step);
    edda_emit(step, OrderCompleted, .orderId = c->orderId, .completedAt = now);
    return edda_emit(step, OrderFinalized, .clientId = o->clientId, .orderId = c->orderId, .totalPrice = o->totalPrice, .finalizedAt = now);
}

/* A client can cancel until the order is paid: from then on its package may be on its way. */
EDDA_HANDLER(cancel, CancelOrder, order);
static int cancel(struct edda_step *step, const struct CancelOrder *c, const struct order *o)
{
    if (o->status != ORDER_INITIALIZED && !(o->status == ORDER_PAID && !edda_text_is(c->reason, BY_CLIENT)))
        return reject(step, o);
    bool payment_failed = edda_text_is(c->reason, PAYMENT_REFUSED) || edda_text_is(c->reason, PAYMENT_TIMED_OUT);
    return edda_emit(step, OrderCancelled, .orderId = c->orderId, .paymentId = payment_failed ? 0 : o->paymentId, .reason = c->reason);
}

/* A client does not say why; the reasons of the others are not for it to use. */
struct Cancel { int64_t orderId; };
static const struct edda_field Cancel_fields[] = { EDDA_FIELD(Cancel, orderId, .min = 1) };
static const struct edda_type Cancel = EDDA_VALUE(Cancel);

EDDA_REQUEST(post_cancel, Cancel);
static int post_cancel(struct edda_request *request, const struct Cancel *body)
{
    return edda_call(request, CancelOrder, .orderId = body->orderId, .reason = EDDA_TEXT(BY_CLIENT));
}

const struct edda_service order_service = {
    .name = "order",
    .description = "Keeps orders, and decides each of them once.",
    .entity = EDDA_ENTITY(order, ORDERS),
    .evolve = (const struct edda_row[]){
        EDDA_WHEN(OrderInitialized, initialized),
        EDDA_WHEN(OrderPaymentRecorded, paid),
        EDDA_WHEN(OrderCompleted, completed),
        EDDA_WHEN(OrderCancelled, cancelled),
        EDDA_END },
    .on = (const struct edda_row[]){
        EDDA_ON(InitializeOrder, initialize, orderId),
        EDDA_ON(RecordOrderPayment, record_payment, orderId),
        EDDA_ON(CompleteOrder, complete, orderId),
        EDDA_ON(CancelOrder, cancel, orderId),
        EDDA_END },
    .view = &orders,
    .routes = (const struct edda_route[]){
        EDDA_POST("/orders/{orderId}/cancel", Cancel, post_cancel, .reply = &Order, .description = "Cancels an order that is not paid yet"),
        EDDA_ROUTES_END },
};
