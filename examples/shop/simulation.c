/* A few clients who fill carts and confirm them, pay or do not, now and then cancel; and a service that is stopped for a while. See simulation.h. */
#include "simulation.h"

#include "carts/cart.h"
#include "clients/client.h"
#include "orders/order.h"
#include "payments/payment.h"
#include "shipments/shipment.h"
#include "shop.h"

static const char *const clients[] = { "ada", "bob" };
#define CLIENTS (sizeof clients / sizeof clients[0])
#define PRODUCTS 3
#define CARTS_MAX 5
#define HORIZON_MS 20000

static int64_t chance(struct edda_sim *sim, int64_t below)
{
    return (int64_t)edda_sim_random(sim, (uint64_t)below);
}

static void fill_cart(struct edda_sim *sim, int64_t id, int64_t at)
{
    edda_sim_call(sim, at, OpenCart, .cartId = id, .clientId = edda_text_of(clients[edda_sim_random(sim, CLIENTS)]));
    for (int64_t i = 1 + chance(sim, 3); i > 0; i--) {
        int64_t product = 1 + chance(sim, PRODUCTS);
        edda_sim_call(sim, at + 10 + i, AddProduct, .cartId = id, .productId = product, .quantity = 1 + chance(sim, 3), .unitPrice = product * 100);
    }
    if (chance(sim, 4) == 0)
        edda_sim_call(sim, at + 20, RemoveProduct, .cartId = id, .productId = 1 + chance(sim, PRODUCTS), .quantity = chance(sim, 2));
    edda_sim_call(sim, at + 30, ConfirmCart, .cartId = id);
}

/* When the bank and the client act: mostly at once, when everything is under way; sometimes about the deadline. */
static int64_t soon(struct edda_sim *sim)
{
    static const int64_t within_ms[] = { 10, 50, 200, 1000 };
    return 31 + chance(sim, within_ms[chance(sim, 4)]);
}

static void pay(struct edda_sim *sim, int64_t id, int64_t at)
{
    switch (chance(sim, 8)) {
    case 0:
        break;
    case 1:
        edda_sim_call(sim, at + soon(sim), RefusePayment, .paymentId = id);
        break;
    case 2:
        edda_sim_call(sim, at + payment_deadline_ms + soon(sim) - 50, CompletePayment, .paymentId = id);
        break;
    default:
        edda_sim_call(sim, at + soon(sim), CompletePayment, .paymentId = id);
    }
    if (chance(sim, 3) == 0)
        edda_sim_call(sim, at + soon(sim), CancelOrder, .orderId = id, .reason = EDDA_TEXT(BY_CLIENT));
}

static void plan(struct edda_sim *sim, void *user)
{
    (void)user;
    for (int64_t product = 1; product <= PRODUCTS; product++)
        edda_sim_call(sim, 0, AddStock, .productId = product, .quantity = 2 + chance(sim, 12));
    int64_t carts = 1 + chance(sim, CARTS_MAX);
    for (int64_t id = 1; id <= carts; id++) {
        int64_t at = 100 + chance(sim, HORIZON_MS);
        fill_cart(sim, id, at);
        pay(sim, id, at);
    }
    if (chance(sim, 4) == 0) {
        static const struct edda_service *const stoppable[] = { &cart_forwarder,   &order_service, &order_saga,     &payment_service,
                                                                &shipment_service, &stock_service, &loyalty_service };
        edda_sim_pause(sim, stoppable[chance(sim, 7)], chance(sim, HORIZON_MS), chance(sim, 10000));
    }
}

/* --- what must be true ---------------------------------------------------------------------------------- */

#define TEXT(text) (int)(text).len, (text).data

/* What a list of items is worth, by the prices that the plan has set, and how much of each product is in it. */
static int64_t worth(const struct edda_list *list, int64_t quantities[PRODUCTS + 1])
{
    const struct PackageItem *items = list->items;
    int64_t total = 0;
    for (uint32_t i = 0; i < list->count; i++) {
        total += items[i].quantity * items[i].productId * 100;
        quantities[items[i].productId] += items[i].quantity;
    }
    return total;
}

/* Money is taken exactly for what is sent, and the order says so. */
static void check_order(struct edda_sim *sim, struct edda_text key, int64_t sent[PRODUCTS + 1], int64_t completed[CLIENTS])
{
    const struct order *o = edda_sim_state(sim, &order_service, key);
    const struct payment *p = edda_sim_state(sim, &payment_service, key);
    const struct shipment *s = edda_sim_state(sim, &shipment_service, key);
    int64_t kept = p ? p->taken - p->returned : 0;
    int64_t package = s && s->status == SHIPMENT_SENT ? worth(&s->picked, sent) : 0;
    if (!o || (o->status != ORDER_COMPLETED && o->status != ORDER_CANCELLED)) {
        edda_sim_fail(sim, key, "order %.*s is neither completed nor cancelled", TEXT(key));
        return;
    }
    if (kept != package || (o->status == ORDER_COMPLETED) != (package > 0) || (package && package != o->totalPrice))
        edda_sim_fail(sim, key, "order %.*s of %lld cents is %s: %lld were taken, %lld given back, and a package worth %lld was sent", TEXT(key),
                      (long long)o->totalPrice, o->status == ORDER_COMPLETED ? "completed" : "cancelled", p ? (long long)p->taken : 0LL,
                      p ? (long long)p->returned : 0LL, (long long)package);
    if (p && (p->taken > p->amount || p->returned > p->taken || p->status == PAYMENT_REQUESTED))
        edda_sim_fail(sim, key, "payment %.*s of %lld cents: %lld were taken, %lld given back, and it is %s", TEXT(key), (long long)p->amount,
                      (long long)p->taken, (long long)p->returned, p->status == PAYMENT_REQUESTED ? "still open" : "closed");
    for (size_t i = 0; i < CLIENTS; i++)
        completed[i] += o->status == ORDER_COMPLETED && edda_text_is(o->clientId, clients[i]);
}

static void check(struct edda_sim *sim, void *user)
{
    (void)user;
    struct edda_text key;
    const void *state;
    int64_t sent[PRODUCTS + 1] = { 0 }, completed[CLIENTS] = { 0 };
    for (size_t i = 0; edda_sim_entity(sim, &cart_service, i, &key, &state); i++)
        if (((const struct cart *)state)->status == CART_CONFIRMED)
            check_order(sim, key, sent, completed);
    for (size_t i = 0; edda_sim_entity(sim, &stock_service, i, &key, &state); i++) {
        const struct stock *s = state;
        int64_t gone = sent[edda_text_int(key)];
        if (s->available < 0 || s->available + gone != s->added)
            edda_sim_fail(sim, (struct edda_text){ NULL, 0 }, "of product %.*s %lld are there and %lld were sent; %lld were added", TEXT(key),
                          (long long)s->available, (long long)gone, (long long)s->added);
    }
    for (size_t i = 0; i < CLIENTS; i++) {
        const struct loyalty *l = edda_sim_state(sim, &loyalty_service, edda_text_of(clients[i]));
        const struct client *c = edda_sim_state(sim, &client_service, edda_text_of(clients[i]));
        if ((l ? l->completed : 0) != completed[i] || (c && c->vip) != (completed[i] >= ORDERS_OF_A_VIP))
            edda_sim_fail(sim, (struct edda_text){ NULL, 0 }, "client %s has %lld completed orders, %lld are counted, and is %s VIP", clients[i],
                          (long long)completed[i], l ? (long long)l->completed : 0LL, c && c->vip ? "a" : "no");
    }
}

/* One order after the other: a cart, and its payment as soon as it is asked for. */
static void load(struct edda_sim *sim, uint64_t n, void *user)
{
    (void)user;
    int64_t id = (int64_t)n;
    if (n == 0) {
        edda_sim_call(sim, 0, AddStock, .productId = 1, .quantity = 1000000000);
        return;
    }
    edda_sim_call(sim, 0, OpenCart, .cartId = id, .clientId = edda_text_of(clients[n % CLIENTS]));
    edda_sim_call(sim, 0, AddProduct, .cartId = id, .productId = 1, .quantity = 1, .unitPrice = 100);
    edda_sim_call(sim, 0, ConfirmCart, .cartId = id);
    edda_sim_call(sim, 1, CompletePayment, .paymentId = id);
}

const struct edda_simulation shop_simulation = { .plan = plan, .check = check, .load = load };
