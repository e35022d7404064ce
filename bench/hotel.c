/*
 * bench hotel: what a group check-out of 10,000 accounts costs, durable, without HTTP, in each of the three ways: when all of them go, and when none
 * does. The baseline are as many check-outs of guests who each come to the desk, called at once: what the same work costs without a group.
 */
#include <stdio.h>
#include <stdlib.h>

#include "hotel/app.h"
#include "hotel/group.h"
#include "hotel/stay.h"
#include "world.h"

#define ACCOUNTS 10000
#define BURST 1000
#define ROUNDS 5

static int64_t next_account = 1;

static void check_in(struct world *w, int64_t accounts, bool charged)
{
    for (int64_t i = 0; i < accounts; i++) {
        struct CheckInGuest in = { .guestStayAccountId = next_account + i, .guest = EDDA_TEXT("guest"), .room = 100 };
        struct RecordCharge charge = { .guestStayAccountId = next_account + i, .amount = 100 };
        world_call(w, &CheckInGuest, &in);
        if (charged)
            world_call(w, &RecordCharge, &charge);
        if (i % BURST == BURST - 1)
            world_settle(w);
    }
    world_settle(w);
}

static int64_t at_the_desk_ns(struct world *w, int64_t accounts)
{
    check_in(w, accounts, false);
    int64_t start = bench_now_ns();
    for (int64_t i = 0; i < accounts; i++) {
        struct CheckOutGuest out = { .guestStayAccountId = next_account + i };
        world_call(w, &CheckOutGuest, &out);
    }
    world_settle(w);
    next_account += accounts;
    return bench_now_ns() - start;
}

static int64_t group_ns(struct world *w, int64_t accounts, bool charged)
{
    char name[32];
    int64_t *ids = calloc((size_t)accounts, sizeof *ids);
    if (!ids)
        exit(1);
    check_in(w, accounts, charged);
    (void)snprintf(name, sizeof name, "tour-%lld", (long long)next_account);
    for (int64_t i = 0; i < accounts; i++)
        ids[i] = next_account++;
    struct InitiateGroupCheckout initiate = { .groupCheckoutId = edda_text_of(name), .clerkId = EDDA_TEXT("kim"),
                                              .guestStayAccountIds = { .items = ids, .count = (uint32_t)accounts } };
    int64_t start = bench_now_ns();
    world_call(w, &InitiateGroupCheckout, &initiate);
    world_settle(w);
    int64_t took = bench_now_ns() - start;
    struct edda_text key = initiate.groupCheckoutId;
    const struct group *g = engine_state(w->engine, &group_service, slice_of(key.data, key.len));
    if (!g || g->status != (charged ? GROUP_FAILED : GROUP_COMPLETED)) {
        (void)fprintf(stderr, "group %s has not ended as it should\n", name);
        exit(1);
    }
    free(ids);
    return took;
}

int main(int argc, char **argv)
{
    struct bench b;
    struct world w;
    char name[64];
    (void)snprintf(name, sizeof name, "%s", hotel_name);
    bench_begin(&b, name, argc, argv);
    int64_t accounts = (int64_t)(ACCOUNTS * b.scale);
    if (accounts < 1 || accounts > GROUP_MAX)
        accounts = accounts < 1 ? 1 : GROUP_MAX;
    world_open_journal(&w, &b, "data");
    world_open_engine(&w, &hotel_app);
    int64_t desk_ns[ROUNDS], all_ns[ROUNDS], none_ns[ROUNDS];
    for (size_t round = 0; round < ROUNDS; round++) {
        desk_ns[round] = at_the_desk_ns(&w, accounts);
        all_ns[round] = group_ns(&w, accounts, false);
        none_ns[round] = group_ns(&w, accounts, true);
    }
    double desk = (double)bench_percentile(desk_ns, ROUNDS, 0.5) / 1e6, all = (double)bench_percentile(all_ns, ROUNDS, 0.5) / 1e6,
           none = (double)bench_percentile(none_ns, ROUNDS, 0.5) / 1e6;
    bench_figure(&b, "accounts", (double)accounts, "accounts", NULL);
    bench_figure(&b, "baseline: as many check-outs at the desk, at once", desk, "ms", NULL);
    bench_figure(&b, "a group check-out, all go", all, "ms", "<= 1000");
    bench_figure(&b, "a group check-out, all fail", none, "ms", "<= 1000");
    bench_figure(&b, "a group check-out to as many at the desk, all go", all / desk, "ratio", "<= 4");
    bench_figure(&b, "a group check-out to as many at the desk, all fail", none / desk, "ratio", "<= 6");
    if (w.refused)
        bench_figure(&b, "calls refused", (double)w.refused, "calls", "0");
    world_close(&w, false);
    bench_end(&b);
    return 0;
}
