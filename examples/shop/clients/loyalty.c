/*
 * loyalty: a projection that asks for something. It records nothing of its own: its entity is the client, folded from the external events of the
 * orders module, which are keyed by client. The third completed order makes the client a VIP.
 */
#include "clients/client.h"
#include "orders/orders.h"

static const struct edda_field loyalty_fields[] = {
    EDDA_FIELD(loyalty, completed), EDDA_FIELD(loyalty, spent), EDDA_FIELD(loyalty, vipOrder) };
const struct edda_type loyalty = EDDA_STATE(loyalty);

EDDA_EVOLVE(count, loyalty, OrderFinalized);
static void count(struct loyalty *l, const struct OrderFinalized *e)
{
    l->spent += e->totalPrice;
    if (++l->completed == ORDERS_OF_A_VIP)
        l->vipOrder = e->orderId;
}

struct Loyalty { struct edda_text clientId; int64_t completedOrders; int64_t spent; };
static const struct edda_field Loyalty_fields[] = {
    EDDA_FIELD(Loyalty, clientId), EDDA_FIELD(Loyalty, completedOrders), EDDA_FIELD(Loyalty, spent) };
static const struct edda_type Loyalty = EDDA_VALUE(Loyalty);

EDDA_ROW(loyalty_row, Loyalty, loyalty);
static bool loyalty_row(struct Loyalty *row, struct edda_text key, const struct loyalty *l)
{
    *row = (struct Loyalty){ key, l->completed, l->spent };
    return l->completed > 0;
}

static const struct edda_view loyalties = EDDA_VIEW("loyalty", Loyalty, loyalty_row, .path = "/loyalty", .item = "/loyalty/{clientId}");

/* The state may be ahead of the event that is handled, so it remembers which order was the third. */
EDDA_HANDLER(order_completed, OrderFinalized, loyalty);
static int order_completed(struct edda_step *step, const struct OrderFinalized *e, const struct loyalty *l)
{
    return e->orderId == l->vipOrder ? edda_send(step, MakeClientVip, .clientId = e->clientId) : 0;
}

const struct edda_service loyalty_service = {
    .name = "loyalty",
    .description = "Counts the completed orders of each client, and makes the faithful VIPs.",
    .entity = EDDA_ENTITY(loyalty, ORDERS_EXTERNAL),
    .evolve = (const struct edda_row[]){ EDDA_WHEN(OrderFinalized, count), EDDA_END },
    .on = (const struct edda_row[]){ EDDA_ON(OrderFinalized, order_completed, clientId), EDDA_END },
    .view = &loyalties,
};
