/* order: takes orders, and decides each once: approved when the points are used, rejected when something fails or the deadline passes. */
#include "messages.h"

enum status { NONE, PENDING, APPROVED, REJECTED };
enum reason { NO_REASON, POINT_LIMIT, DEADLINE, EXCHANGE_ERROR };

struct order { int64_t id; struct edda_text holderId; int64_t currencyId; double amount; int64_t status; int64_t reason; };
static const struct edda_field order_fields[] = {
    EDDA_FIELD(order, id),     EDDA_FIELD(order, holderId), EDDA_FIELD(order, currencyId),
    EDDA_FIELD(order, amount), EDDA_FIELD(order, status),   EDDA_FIELD(order, reason),
};
static const struct edda_type order = EDDA_STATE(order);

/* --- what has happened to an order ---------------------------------------------------------------------- */

EDDA_EVOLVE(created, order, OrderCreated);
static void created(struct order *o, const struct OrderCreated *e)
{
    *o = (struct order){ e->id, e->holderId, e->currencyId, e->amount, PENDING, NO_REASON };
}

EDDA_EVOLVE_SET(placed, order, OrderPlaced, status, APPROVED);
EDDA_EVOLVE_SET(rejected, order, OrderRejected, status, REJECTED);

/* The first failure while the order is pending is why it is going to be rejected. */
static void failed(struct order *o, enum reason reason)
{
    if (o->status == PENDING && o->reason == NO_REASON)
        o->reason = reason;
}

EDDA_EVOLVE(points_lacked, order, PointUseFailed);
static void points_lacked(struct order *o, const struct PointUseFailed *e)
{
    (void)e;
    failed(o, POINT_LIMIT);
}

EDDA_EVOLVE(exchange_lacked, order, ExchangeFailed);
static void exchange_lacked(struct order *o, const struct ExchangeFailed *e)
{
    (void)e;
    failed(o, EXCHANGE_ERROR);
}

EDDA_EVOLVE(time_ran_out, order, DeadlineReached);
static void time_ran_out(struct order *o, const struct DeadlineReached *e)
{
    (void)e;
    failed(o, DEADLINE);
}

/* --- how an order looks to the outside ------------------------------------------------------------------ */

struct Order { int64_t id; struct edda_text holderId; int64_t currencyId; double amount; struct edda_text status; };
static const struct edda_field Order_fields[] = {
    EDDA_FIELD(Order, id),     EDDA_FIELD(Order, holderId), EDDA_FIELD(Order, currencyId),
    EDDA_FIELD(Order, amount), EDDA_FIELD(Order, status),
};
static const struct edda_type Order = EDDA_VALUE(Order);

static struct edda_text status_text(const struct order *o)
{
    static const char *const rejections[] = { "REJECTED", "REJECTED DUE TO POINT LIMIT", "REJECTED DUE TO DEADLINE",
                                              "REJECTED DUE TO EXCHANGE ERROR" };
    if (o->status == REJECTED)
        return edda_text_of(rejections[o->reason]);
    return edda_text_of(o->status == APPROVED ? "APPROVED" : "PENDING");
}

EDDA_ROW(order_row, Order, order);
static bool order_row(struct Order *row, struct edda_text key, const struct order *o)
{
    (void)key;
    *row = (struct Order){ o->id, o->holderId, o->currencyId, o->amount, status_text(o) };
    return o->status != NONE;
}

static const struct edda_view orders = EDDA_VIEW("orders", Order, order_row, .path = "/orders", .item = "/orders/{id}");

/* --- decisions ------------------------------------------------------------------------------------------ */

EDDA_HANDLER(create, CreateOrder, order);
static int create(struct edda_step *step, const struct CreateOrder *c, const struct order *o)
{
    if (o->status != NONE)
        return edda_reject(step, "id", "order %lld exists", (long long)c->id);
    edda_expire_at(step, edda_now_ms(step) + deadline_ms);
    return edda_emit(step, OrderCreated, .id = c->id, .currencyId = c->currencyId, .amount = c->amount, .holderId = c->holderId);
}

static const char *status_word(const struct order *o)
{
    return o->status == APPROVED ? "approved" : o->status == REJECTED ? "rejected" : "unknown";
}

static int reject(struct edda_step *step, const struct order *o)
{
    if (o->status != PENDING)
        return edda_skip(step, "the order is %s", status_word(o));
    return edda_emit(step, OrderRejected, .id = o->id, .currencyId = o->currencyId, .amount = o->amount, .holderId = o->holderId);
}

EDDA_HANDLER(approve, PointUsed, order);
static int approve(struct edda_step *step, const struct PointUsed *e, const struct order *o)
{
    (void)e;
    if (o->status != PENDING && !NAIVE)
        return edda_skip(step, "the order is %s", status_word(o));
    return edda_emit(step, OrderPlaced, .id = o->id, .holderId = o->holderId);
}

EDDA_HANDLER(reject_for_points, PointUseFailed, order);
static int reject_for_points(struct edda_step *step, const struct PointUseFailed *e, const struct order *o)
{
    (void)e;
    return reject(step, o);
}

EDDA_HANDLER(reject_for_exchange, ExchangeFailed, order);
static int reject_for_exchange(struct edda_step *step, const struct ExchangeFailed *e, const struct order *o)
{
    (void)e;
    return reject(step, o);
}

EDDA_HANDLER(reject_for_deadline, DeadlineReached, order);
static int reject_for_deadline(struct edda_step *step, const struct DeadlineReached *e, const struct order *o)
{
    (void)e;
    return reject(step, o);
}

/* --- HTTP ----------------------------------------------------------------------------------------------- */

struct NewOrder { struct edda_text holderId; int64_t currencyId; double amount; };
static const struct edda_field NewOrder_fields[] = {
    EDDA_FIELD(NewOrder, holderId, .len_min = 1, .len_max = 64, .description = "Whose points pay"),
    EDDA_FIELD(NewOrder, currencyId, .description = "100 and 200 make the exchange sleep, before and after its expiry check"),
    EDDA_FIELD(NewOrder, amount, .min = 0.01, .max = 1e12),
};
static const struct edda_type NewOrder = EDDA_VALUE(NewOrder);

EDDA_REQUEST(post_order, NewOrder);
static int post_order(struct edda_request *request, const struct NewOrder *body)
{
    if (!edda_state(request, &point_service, body->holderId))
        return edda_fail_field(edda_request_error(request), EDDA_EINVAL, "holderId", "user %.*s has no points account",
                               (int)body->holderId.len, body->holderId.data);
    int64_t id = edda_sequence(request, "orders");
    if (id < 0)
        return (int)id;
    return edda_call(request, CreateOrder, .id = id, .holderId = body->holderId, .currencyId = body->currencyId,
                     .amount = body->amount);
}

const struct edda_service order_service = {
    .name = "order",
    .description = "Takes orders and decides each of them once.",
    .entity = EDDA_ENTITY(order, TOPIC),
    .evolve = (const struct edda_row[]){
        EDDA_WHEN(OrderCreated, created),
        EDDA_WHEN(OrderPlaced, placed),
        EDDA_WHEN(OrderRejected, rejected),
        EDDA_WHEN(PointUseFailed, points_lacked),
        EDDA_WHEN(ExchangeFailed, exchange_lacked),
        EDDA_WHEN(DeadlineReached, time_ran_out),
        EDDA_END },
    .on = (const struct edda_row[]){
        EDDA_ON(CreateOrder, create, id),
        EDDA_ON(PointUsed, approve, orderId),
        EDDA_ON(PointUseFailed, reject_for_points, orderId),
        EDDA_ON(ExchangeFailed, reject_for_exchange, orderId),
        EDDA_ON(DeadlineReached, reject_for_deadline, orderId),
        EDDA_END },
    .view = &orders,
    .routes = (const struct edda_route[]){
        EDDA_POST("/orders", NewOrder, post_order, .reply = &Order, .location = "/orders/{id}",
                  .description = "Exchanges points for currency; the order is decided within the deadline"),
        EDDA_ROUTES_END },
};
