/* exchange: exchanges currency for an order that has not expired, and takes the exchange back when the order is rejected. */
#include "messages.h"

#define RATE 1.0
#define SLEEPS_BEFORE_CHECK 100
#define SLEEPS_AFTER_CHECK 200

struct exchange { int64_t currencyId; double amount; struct edda_text userId; double point; bool stands; };
static const struct edda_field exchange_fields[] = {
    EDDA_FIELD(exchange, currencyId), EDDA_FIELD(exchange, amount), EDDA_FIELD(exchange, userId),
    EDDA_FIELD(exchange, point),      EDDA_FIELD(exchange, stands),
};
static const struct edda_type exchange = EDDA_STATE(exchange);

EDDA_EVOLVE(asked_for, exchange, OrderCreated);
static void asked_for(struct exchange *x, const struct OrderCreated *e)
{
    x->currencyId = e->currencyId;
    x->amount = e->amount;
}

EDDA_EVOLVE(exchanged, exchange, ExchangeSucceed);
static void exchanged(struct exchange *x, const struct ExchangeSucceed *e)
{
    x->userId = e->userId;
    x->point = e->point;
    x->stands = true;
}

EDDA_EVOLVE_SET(compensated, exchange, ExchangeCompensated, stands, false);

EDDA_HANDLER(exchange_order, OrderCreated, exchange);
static int exchange_order(struct edda_step *step, const struct OrderCreated *order, const struct exchange *x)
{
    if (x->stands)
        return edda_skip(step, "already exchanged");
    if (order->currencyId == SLEEPS_BEFORE_CHECK)
        edda_sleep(step, injected_delay_ms);
    if (edda_expired(step))
        return edda_skip(step, "expired");
    if (order->currencyId == SLEEPS_AFTER_CHECK)
        edda_sleep(step, injected_delay_ms); /* what expires meanwhile is caught when the step is sequenced */
    if (order->currencyId <= 0)
        return edda_emit(step, ExchangeFailed, .orderId = order->id);
    return edda_emit(step, ExchangeSucceed, .orderId = order->id, .userId = order->holderId, .point = order->amount * RATE);
}

EDDA_HANDLER(undo_exchange, OrderRejected, exchange);
static int undo_exchange(struct edda_step *step, const struct OrderRejected *order, const struct exchange *x)
{
    if (!x->stands)
        return edda_skip(step, "nothing was exchanged");
    return edda_emit(step, ExchangeCompensated, .orderId = order->id, .userId = x->userId, .point = x->point);
}

struct Exchange { int64_t orderId; int64_t currencyId; double amount; double rate; double point; };
static const struct edda_field Exchange_fields[] = {
    EDDA_FIELD(Exchange, orderId), EDDA_FIELD(Exchange, currencyId), EDDA_FIELD(Exchange, amount),
    EDDA_FIELD(Exchange, rate),    EDDA_FIELD(Exchange, point),
};
static const struct edda_type Exchange = EDDA_VALUE(Exchange);

EDDA_ROW(exchange_row, Exchange, exchange);
static bool exchange_row(struct Exchange *row, struct edda_text key, const struct exchange *x)
{
    *row = (struct Exchange){ edda_text_int(key), x->currencyId, x->amount, RATE, x->point };
    return x->stands;
}

static const struct edda_view exchanges =
    EDDA_VIEW("exchanges", Exchange, exchange_row, .path = "/exchanges", .item = "/exchanges/{orderId}");

const struct edda_service exchange_service = {
    .name = "exchange",
    .description = "Exchanges currency for orders.",
    .entity = EDDA_ENTITY(exchange, TOPIC),
    .evolve = (const struct edda_row[]){
        EDDA_WHEN(OrderCreated, asked_for),
        EDDA_WHEN(ExchangeSucceed, exchanged),
        EDDA_WHEN(ExchangeCompensated, compensated),
        EDDA_END },
    .on = (const struct edda_row[]){
        EDDA_ON(OrderCreated, exchange_order, id, .blocking = 64, .late = NAIVE),
        EDDA_ON(OrderRejected, undo_exchange, id),
        EDDA_END },
    .view = &exchanges,
};
