/*
 * bench shop: what an order of the shop costs, from its cart to the package, durable, without HTTP: 18 steps of nine services, and 36 records.
 *
 * One at a time: its time beside that of one bare write and fdatasync, taken in turn so that both see the same disk. It waits twice, once for the
 * client to confirm and once for the bank. Many at once: how many are completed in a second; the baseline are as many calls of one command, the
 * smallest thing a service does, in the same bursts.
 */
#include <stdio.h>
#include <stdlib.h>

#include "world.h"

#include "shop/app.h"
#include "shop/carts/cart.h"
#include "shop/orders/order.h"
#include "shop/payments/payment.h"
#include "shop/shipments/shipment.h"

#define ONE_AT_A_TIME 1000
#define ROUNDS 10
#define AT_ONCE 100000
#define BURST 1000

static void add_stock(struct world *w, int64_t quantity)
{
    struct AddStock stock_added = { .productId = 1, .quantity = quantity };
    world_call(w, &AddStock, &stock_added);
}

static void confirm_cart(struct world *w, int64_t id)
{
    struct OpenCart open = { .cartId = id, .clientId = id % 2 ? EDDA_TEXT("ada") : EDDA_TEXT("bob") };
    struct AddProduct add = { .cartId = id, .productId = 1, .quantity = 1, .unitPrice = 250 };
    struct ConfirmCart confirm = { .cartId = id };
    world_call(w, &OpenCart, &open);
    world_call(w, &AddProduct, &add);
    world_call(w, &ConfirmCart, &confirm);
}

static void pay(struct world *w, int64_t id)
{
    struct CompletePayment complete = { .paymentId = id };
    world_call(w, &CompletePayment, &complete);
}

/* The orders of `count` carts, all at once. */
static void orders(struct world *w, int64_t count)
{
    int64_t first = w->next_order + 1;
    w->next_order += count;
    for (int64_t i = 0; i < count; i++)
        confirm_cart(w, first + i);
    world_settle(w);
    for (int64_t i = 0; i < count; i++)
        pay(w, first + i);
    world_settle(w);
}

static void one_at_a_time(const struct bench *b, struct world *w)
{
    size_t each = (size_t)(ONE_AT_A_TIME / ROUNDS * b->scale) + 1;
    int64_t *samples = calloc(each * ROUNDS, sizeof *samples);
    int64_t syncs_ns[ROUNDS];
    for (size_t round = 0, n = 0; samples && round < ROUNDS; round++) {
        syncs_ns[round] = (int64_t)(bench_sync_us(b, each) * 1000);
        for (size_t i = 0; i < each; i++) {
            int64_t start = bench_now_ns();
            orders(w, 1);
            samples[n++] = bench_now_ns() - start;
        }
    }
    if (!samples)
        exit(1);
    double p50 = (double)bench_percentile(samples, each * ROUNDS, 0.5) / 1000, p99 = (double)bench_percentile(samples, each * ROUNDS, 0.99) / 1000;
    double sync_us = (double)bench_percentile(syncs_ns, ROUNDS, 0.5) / 1000;
    bench_figure(b, "baseline: bare 4 KiB write and fdatasync, p50", sync_us, "us", NULL);
    bench_figure(b, "an order, one at a time, durable, p50", p50, "us", NULL);
    bench_figure(b, "an order, one at a time, durable, p99", p99, "us", NULL);
    bench_figure(b, "an order to one sync, p50", p50 / sync_us, "ratio", "<= 4");
    free(samples);
}

static double per_second(size_t count, int64_t start_ns)
{
    return (double)count / ((double)(bench_now_ns() - start_ns) / 1e9);
}

static void at_once(const struct bench *b, struct world *w)
{
    size_t bursts = (size_t)(AT_ONCE * b->scale) / BURST + 1;
    int64_t start = bench_now_ns();
    for (size_t i = 0; i < bursts; i++) {
        for (size_t k = 0; k < BURST; k++)
            add_stock(w, 1);
        world_settle(w);
    }
    double calls = per_second(bursts * BURST, start);
    start = bench_now_ns();
    for (size_t i = 0; i < bursts; i++)
        orders(w, BURST);
    double completed = per_second(bursts * BURST, start);
    bench_figure(b, "baseline: calls of one command, in bursts of 1000, durable", calls, "calls/s", NULL);
    bench_figure(b, "completed orders, in bursts of 1000, durable", completed, "orders/s", ">= 10000");
    bench_figure(b, "an order to one call", calls / completed, "ratio", "<= 20");
}

/* Every order must have come to its end, or the figures are of something else. */
static uint64_t not_completed(struct world *w)
{
    uint64_t missing = (uint64_t)w->next_order;
    for (int64_t id = 1; id <= w->next_order; id++) {
        char key[24];
        int len = snprintf(key, sizeof key, "%lld", (long long)id);
        const struct order *o = engine_state(w->engine, &order_service, slice_of(key, (size_t)len));
        missing -= o && o->status == ORDER_COMPLETED;
    }
    return missing;
}

int main(int argc, char **argv)
{
    struct bench b;
    struct world w;
    bench_begin(&b, "shop", argc, argv);
    world_open_journal(&w, &b, "data");
    world_open_engine(&w, &shop_app);
    add_stock(&w, 1000000000);
    world_settle(&w);
    one_at_a_time(&b, &w);
    at_once(&b, &w);
    uint64_t missing = not_completed(&w);
    bench_figure(&b, "orders that were not completed", (double)missing, "orders", "0");
    if (w.refused)
        bench_figure(&b, "calls refused", (double)w.refused, "calls", "0");
    world_close(&w, false);
    bench_end(&b);
    return missing || w.refused ? 1 : 0;
}
