/*
 * Two products with a few batches; lines of a few orders at random times, some of them asked for twice; batches whose quantity changes. Now and then a
 * service is stopped for a while. See simulation.h.
 */
#include "simulation.h"

#include <stdio.h>
#include <string.h>

#include "product.h"
#include "view.h"

#define BATCHES_MAX 3
#define LINES_MAX 8
#define CHANGES_MAX 3
#define HORIZON_MS 10000
#define DAY_MS INT64_C(86400000)

static const char *const skus[] = { "LAMP", "CHAIR" };
static const char *const batches[][BATCHES_MAX] = { { "lamps-1", "lamps-2", "lamps-3" }, { "chairs-1", "chairs-2", "chairs-3" } };
static const char *const orders[] = { "o1", "o2", "o3", "o4" };
#define PRODUCTS (sizeof skus / sizeof skus[0])
#define ORDERS (sizeof orders / sizeof orders[0])

static int64_t below(struct edda_sim *sim, uint64_t limit)
{
    return (int64_t)edda_sim_random(sim, limit);
}

static void plan_change(struct edda_sim *sim, int64_t at)
{
    edda_sim_call(sim, at, ChangeBatchQuantity, .batchref = edda_text_of(batches[below(sim, PRODUCTS)][below(sim, BATCHES_MAX)]), .qty = below(sim, 15));
}

/* Who is not sure that a click has worked clicks again; and a batch becomes smaller while he does. */
static void plan_line(struct edda_sim *sim)
{
    const struct Allocate line = { .orderid = edda_text_of(orders[below(sim, ORDERS)]), .sku = edda_text_of(skus[below(sim, PRODUCTS)]),
                                   .qty = 1 + below(sim, 5) };
    int64_t at = 100 + below(sim, HORIZON_MS), again = at + below(sim, HORIZON_MS);
    (void)edda_sim_call_struct(sim, at, &Allocate, &line);
    if (below(sim, 3) > 0)
        return;
    (void)edda_sim_call_struct(sim, again, &Allocate, &line);
    if (below(sim, 2) == 0)
        plan_change(sim, again - below(sim, 50));
}

static void plan(struct edda_sim *sim, void *user)
{
    (void)user;
    for (size_t p = 0; p < PRODUCTS; p++)
        for (int64_t b = 0, count = 1 + below(sim, BATCHES_MAX); b < count; b++)
            edda_sim_call(sim, b == 0 ? 0 : below(sim, HORIZON_MS), AddBatch, .ref = edda_text_of(batches[p][b]), .sku = edda_text_of(skus[p]),
                          .qty = 1 + below(sim, 15), .eta = below(sim, 3) * DAY_MS);
    for (int64_t i = 1 + below(sim, LINES_MAX); i > 0; i--)
        plan_line(sim);
    for (int64_t i = below(sim, CHANGES_MAX + 1); i > 0; i--)
        plan_change(sim, 100 + below(sim, HORIZON_MS));
    if (below(sim, 4) == 0) {
        static const struct edda_service *const stoppable[] = { &product_service, &batch_service, &notification_service };
        edda_sim_pause(sim, stoppable[below(sim, 3)], below(sim, HORIZON_MS), below(sim, 5000));
    }
}

/* --- invariants ------------------------------------------------------------------------------------------ */

static const struct AllocationRow *row_of(struct edda_sim *sim, struct edda_text sku, const struct line *l)
{
    const void *found;
    size_t count = edda_sim_rows(sim, &allocations_view, &found);
    for (const struct AllocationRow *row = found; count > 0; row++, count--)
        if (row->qty == l->qty && edda_text_equal(row->orderid, l->orderid) && edda_text_equal(row->sku, sku))
            return row;
    return NULL;
}

static bool stands(const struct product *p, struct edda_text orderid, int64_t qty, const struct line *but)
{
    const struct batch *all = p->batches.items;
    for (uint32_t b = 0; b < p->batches.count; b++)
        for (uint32_t i = 0; i < all[b].lines.count; i++) {
            const struct line *l = (const struct line *)all[b].lines.items + i;
            if (l != but && l->qty == qty && edda_text_equal(l->orderid, orderid))
                return true;
        }
    return false;
}

/* The trace of the order is what shows how a line came to be where it is. */
static void check_batch(struct edda_sim *sim, struct edda_text sku, const struct product *p, const struct batch *b)
{
    int64_t sum = 0;
    for (uint32_t i = 0; i < b->lines.count; i++) {
        const struct line *l = (const struct line *)b->lines.items + i;
        const struct AllocationRow *row = row_of(sim, sku, l);
        sum += l->qty;
        if (stands(p, l->orderid, l->qty, l))
            edda_sim_fail(sim, l->orderid, "%lld %.*s of order %.*s are allocated twice", (long long)l->qty, (int)sku.len, sku.data, (int)l->orderid.len,
                          l->orderid.data);
        else if (!row || !edda_text_equal(row->batchref, b->ref))
            edda_sim_fail(sim, l->orderid, "%lld %.*s of order %.*s are allocated to %.*s, and the read model does not say so", (long long)l->qty, (int)sku.len,
                          sku.data, (int)l->orderid.len, l->orderid.data, (int)b->ref.len, b->ref.data);
    }
    if (sum != b->allocated || sum > b->qty)
        edda_sim_fail(sim, b->ref, "batch %.*s of %lld has %lld allocated, and lines of %lld", (int)b->ref.len, b->ref.data, (long long)b->qty,
                      (long long)b->allocated, (long long)sum);
}

static bool mailed(struct edda_sim *sim, struct edda_text orderid)
{
    struct edda_sim_effect effect;
    char words[64];
    (void)snprintf(words, sizeof words, "order %.*s ", (int)orderid.len, orderid.data);
    for (size_t i = 0; edda_sim_effect(sim, i, &effect); i++)
        if (memmem(effect.content.data, effect.content.len, words, strlen(words)))
            return true;
    return false;
}

/* What was accepted is allocated, or somebody was told why not. */
static void check_line(struct edda_sim *sim, const struct Allocate *c)
{
    const struct product *p = edda_sim_state(sim, &product_service, c->sku);
    if (!stands(p, c->orderid, c->qty, NULL) && !mailed(sim, c->orderid))
        edda_sim_fail(sim, c->orderid, "%lld %.*s of order %.*s are not allocated, and nobody was told", (long long)c->qty, (int)c->sku.len, c->sku.data,
                      (int)c->orderid.len, c->orderid.data);
}

static void check(struct edda_sim *sim, void *user)
{
    (void)user;
    struct edda_text sku, none = { NULL, 0 };
    const void *state, *rows;
    struct edda_sim_answer answer;
    struct edda_sim_effect effect;
    size_t lines = 0, shortages = 0, mails = 0;
    for (size_t i = 0; edda_sim_entity(sim, &product_service, i, &sku, &state); i++) {
        const struct product *p = state;
        const struct batch *all = p->batches.items;
        for (uint32_t b = 0; b < p->batches.count; lines += all[b++].lines.count)
            check_batch(sim, sku, p, &all[b]);
        shortages += (size_t)p->shortages;
    }
    for (size_t i = 0; edda_sim_answer(sim, i, &answer); i++)
        if (answer.type == &Allocate && answer.code == 0)
            check_line(sim, answer.command);
    for (; edda_sim_effect(sim, mails, &effect); mails++)
        if (effect.done == 0)
            edda_sim_fail(sim, none, "a mail was never sent: %.*s", (int)effect.content.len, effect.content.data);
    if (mails != shortages)
        edda_sim_fail(sim, none, "%zu mails for %zu times that a product was out of stock", mails, shortages);
    size_t count = edda_sim_rows(sim, &allocations_view, &rows);
    if (count != lines)
        edda_sim_fail(sim, none, "%zu rows of the read model for %zu lines", count, lines);
}

/* --- load ------------------------------------------------------------------------------------------------ */

/* One line after the other, of a product that has enough. */
static void load(struct edda_sim *sim, uint64_t n, void *user)
{
    (void)user;
    char orderid[32];
    (void)snprintf(orderid, sizeof orderid, "o%llu", (unsigned long long)n);
    if (n == 0)
        edda_sim_call(sim, 0, AddBatch, .ref = edda_text_of(batches[0][0]), .sku = edda_text_of(skus[0]), .qty = QTY_MAX);
    else
        edda_sim_call(sim, 0, Allocate, .orderid = edda_text_of(orderid), .sku = edda_text_of(skus[0]), .qty = 1);
}

const struct edda_simulation allocation_simulation = { .plan = plan, .check = check, .load = load };
