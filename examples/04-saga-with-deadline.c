/*
 * A process with a deadline and a compensation: an order is paid, then waits for its shipment. Shipped in time, it is done. If not, it
 * aborts, and the engine sends the command that the payment's own step declared to undo it. Kill it anywhere: it goes on where it was.
 *
 *     04-saga-with-deadline run --shipment 30s                   (and --test runs its tests)
 *     curl localhost:8080/orders -H 'Content-Type: application/json' -d '{"order":1,"cents":500}'
 *     curl localhost:8080/shipments -H 'Content-Type: application/json' -d '{"order":1}'      (or wait)
 */
#include "edda/edda.h"

static int64_t shipment_ms = 30000;
/* All messages look the same, and belong to the process of their order. */
#define MESSAGE(name, its_kind, its_topic) \
    struct name { int64_t order; int64_t cents; }; \
    static const struct edda_field name##_fields[] = { EDDA_FIELD(name, order), EDDA_FIELD(name, cents, .optional = true) }; \
    static const struct edda_type name = its_kind(name, order, .topic = its_topic, .correlation = "order")
MESSAGE(PlaceOrder, EDDA_COMMAND, "order.commands"); MESSAGE(ShipOrder, EDDA_COMMAND, "order.commands");
MESSAGE(OrderPlaced, EDDA_EVENT, "orders"); MESSAGE(ShipmentAsked, EDDA_EVENT, "orders");
MESSAGE(ShipmentOverdue, EDDA_EVENT, "orders"); MESSAGE(OrderShipped, EDDA_EVENT, "orders");
MESSAGE(TakePayment, EDDA_COMMAND, "payment.commands"); MESSAGE(RefundPayment, EDDA_COMMAND, "payment.commands");
MESSAGE(PaymentTaken, EDDA_EVENT, "payments"); MESSAGE(PaymentRefunded, EDDA_EVENT, "payments");

/* payment: a saga, which keeps no state */
EDDA_SAGA(take, TakePayment);
static int take(struct edda_step *step, const struct TakePayment *c)
{
    edda_compensate(step, RefundPayment, .order = c->order, .cents = c->cents);
    return edda_emit(step, PaymentTaken, .order = c->order, .cents = c->cents);
}

EDDA_SAGA(refund, RefundPayment);
static int refund(struct edda_step *step, const struct RefundPayment *c)
{
    return edda_emit(step, PaymentRefunded, .order = c->order, .cents = c->cents);
}

/* order: a process manager */
struct order { int64_t status; };
enum status { NONE, PLACED, ASKED, SHIPPED, OVERDUE };
static const struct edda_field order_fields[] = { EDDA_FIELD(order, status) };
static const struct edda_type order = EDDA_STATE(order);

EDDA_EVOLVE_SET(placed, order, OrderPlaced, status, PLACED);
EDDA_EVOLVE_SET(asked, order, ShipmentAsked, status, ASKED);
EDDA_EVOLVE_SET(overdue, order, ShipmentOverdue, status, OVERDUE);
EDDA_EVOLVE_SET(shipped, order, OrderShipped, status, SHIPPED);

EDDA_HANDLER(place, PlaceOrder, order);
static int place(struct edda_step *step, const struct PlaceOrder *c, const struct order *o)
{
    if (o->status != NONE)
        return edda_reject(step, "order", "there is an order %lld", (long long)c->order);
    edda_emit(step, OrderPlaced, .order = c->order, .cents = c->cents);
    return edda_send(step, TakePayment, .order = c->order, .cents = c->cents);
}

EDDA_HANDLER(ask, PaymentTaken, order);
static int ask(struct edda_step *step, const struct PaymentTaken *e, const struct order *o)
{
    (void)o;
    edda_deadline_set(step, "shipment", edda_now_ms(step) + shipment_ms, ShipmentOverdue, .order = e->order);
    return edda_emit(step, ShipmentAsked, .order = e->order);
}

EDDA_HANDLER(ship, ShipOrder, order);
static int ship(struct edda_step *step, const struct ShipOrder *c, const struct order *o)
{
    if (o->status != ASKED)
        return edda_reject(step, "order", "order %lld waits for no shipment", (long long)c->order);
    edda_deadline_cancel(step, "shipment");
    edda_emit(step, OrderShipped, .order = c->order);
    return edda_finish(step);
}

EDDA_HANDLER(give_up, ShipmentOverdue, order);
static int give_up(struct edda_step *step, const struct ShipmentOverdue *e, const struct order *o)
{
    (void)e, (void)o;
    return edda_abort(step, "not shipped in time");
}

static const struct edda_service payment_service = { .name = "payment",
    .on = (const struct edda_row[]){ EDDA_ON(TakePayment, take, order), EDDA_ON(RefundPayment, refund, order), EDDA_END } };
static const struct edda_service order_service = { .name = "order", .entity = EDDA_ENTITY(order, "orders"),
    .evolve = (const struct edda_row[]){ EDDA_WHEN(OrderPlaced, placed), EDDA_WHEN(ShipmentAsked, asked),
                                         EDDA_WHEN(ShipmentOverdue, overdue), EDDA_WHEN(OrderShipped, shipped), EDDA_END },
    .on = (const struct edda_row[]){ EDDA_ON(PlaceOrder, place, order), EDDA_ON(PaymentTaken, ask, order),
                                     EDDA_ON(ShipOrder, ship, order), EDDA_ON(ShipmentOverdue, give_up, order), EDDA_END },
    .routes = (const struct edda_route[]){ EDDA_ROUTE("POST", "/orders", PlaceOrder),
                                           EDDA_ROUTE("POST", "/shipments", ShipOrder), EDDA_ROUTES_END } };

static int test(void)
{
    struct edda_test *t = edda_test_new(&payment_service);
    edda_when(t, TakePayment, .order = 1, .cents = 500);
    edda_then_compensation(t, RefundPayment, .order = 1, .cents = 500);
    edda_then(t, PaymentTaken, .order = 1, .cents = 500);
    int mismatches = edda_test_end(t);
    t = edda_test_new(&order_service);
    edda_given(t, OrderPlaced, .order = 1, .cents = 500);
    edda_when(t, PaymentTaken, .order = 1, .cents = 500);
    edda_then_deadline(t, "shipment", shipment_ms, ShipmentOverdue, .order = 1);
    edda_then(t, ShipmentAsked, .order = 1);
    edda_when(t, ShipmentOverdue, .order = 1);
    edda_then_aborted(t, "not shipped in time");
    return mismatches + edda_test_end(t) ? 1 : 0;
}

int main(int argc, char **argv)
{
    static const struct edda_service *const services[] = { &order_service, &payment_service, NULL };
    static const struct edda_option options[] = { { "shipment", "30s", &shipment_ms, "What a shipment may take" }, { .name = NULL } };
    static const struct edda_app app = { "shipping", "1.0", "Orders, paid and shipped.", services, .options = options, .entity_word = "order" };
    return argc == 2 && edda_text_is(edda_text_of(argv[1]), "--test") ? test() : edda_main(&app, argc, argv);
}
