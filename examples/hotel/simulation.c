/*
 * A few guests who are charged, pay and leave at random times; two groups that may share them, and that are run again later. Now and then a service is
 * stopped for a while. See simulation.h.
 */
#include "simulation.h"

#include <stdio.h>

#include "group.h"
#include "stay.h"

#define GUESTS 5
#define GROUPS 2
#define MEMBERS_MAX 3
#define NOBODY 99 /* an account that does not exist */
#define HORIZON_MS 10000

static const char *const groups[GROUPS] = { "tour-1", "tour-2" };

static int64_t some_time(struct edda_sim *sim)
{
    return 100 + (int64_t)edda_sim_random(sim, HORIZON_MS);
}

/* A guest is charged and pays at random times, mostly as much; some pay late, and some never. */
static void plan_guest(struct edda_sim *sim, int64_t id)
{
    int64_t room = edda_sim_random(sim, 16) == 0 ? ROOM_WITH_SILENT_LOCK : 100 + id;
    edda_sim_call(sim, 0, CheckInGuest, .guestStayAccountId = id, .guest = EDDA_TEXT("guest"), .room = room);
    for (uint64_t n = edda_sim_random(sim, 3); n > 0; n--) {
        int64_t amount = 100 * (1 + (int64_t)edda_sim_random(sim, 3));
        edda_sim_call(sim, some_time(sim), RecordCharge, .guestStayAccountId = id, .amount = amount);
        if (edda_sim_random(sim, 8) != 0)
            edda_sim_call(sim, some_time(sim), RecordPayment, .guestStayAccountId = id, .amount = amount);
    }
    if (edda_sim_random(sim, 4) == 0)
        edda_sim_call(sim, some_time(sim), CheckOutGuest, .guestStayAccountId = id);
}

/* A group is run up to three times; a run that comes while it is under way, or when it is completed, is rejected. */
static void plan_group(struct edda_sim *sim, const char *name)
{
    int64_t ids[MEMBERS_MAX];
    struct edda_list members = { .items = ids, .count = (uint32_t)edda_sim_random(sim, MEMBERS_MAX + 1) };
    for (uint32_t i = 0; i < members.count; i++)
        ids[i] = edda_sim_random(sim, 20) == 0 ? NOBODY : 1 + (int64_t)edda_sim_random(sim, GUESTS);
    for (uint64_t runs = 1 + edda_sim_random(sim, 3); runs > 0; runs--)
        edda_sim_call(sim, some_time(sim), InitiateGroupCheckout, .groupCheckoutId = edda_text_of(name), .clerkId = EDDA_TEXT("kim"),
                      .guestStayAccountIds = members);
}

static void plan(struct edda_sim *sim, void *user)
{
    (void)user;
    for (int64_t id = 1; id <= GUESTS; id++)
        plan_guest(sim, id);
    for (size_t i = 0; i < GROUPS; i++)
        plan_group(sim, groups[i]);
    if (edda_sim_random(sim, 4) == 0) {
        size_t services = 0;
        while (hotel_services[services])
            services++;
        edda_sim_pause(sim, hotel_services[edda_sim_random(sim, services)], some_time(sim), (int64_t)edda_sim_random(sim, 5000));
    }
}

/* --- invariants ------------------------------------------------------------------------------------------ */

/* The trace of a group is what shows how its accounts came to be as they are; else it is the stay's own. */
static void check_stay(struct edda_sim *sim, struct edda_text key, const struct stay *s)
{
    struct edda_text process = s->groupCheckoutId.len ? s->groupCheckoutId : key;
    if (s->status == STAY_CHECKED_OUT && s->charges != s->payments)
        edda_sim_fail(sim, process, "account %.*s is checked out with a balance of %lld", (int)key.len, key.data,
                      (long long)(s->charges - s->payments));
    if (s->checkOuts != (s->status == STAY_CHECKED_OUT))
        edda_sim_fail(sim, process, "account %.*s is checked out %lld times", (int)key.len, key.data, (long long)s->checkOuts);
}

static const struct stay *stay_of(struct edda_sim *sim, int64_t id)
{
    char digits[24];
    (void)snprintf(digits, sizeof digits, "%lld", (long long)id);
    return edda_sim_state(sim, &stay_service, edda_text_of(digits));
}

/* An account that a group names as failed may have left later, by itself or with another group; but not with this one. */
static void check_group(struct edda_sim *sim, struct edda_text key, const struct group *g)
{
    const struct account *accounts = g->progress.accounts.items;
    if (g->status != GROUP_COMPLETED && g->status != GROUP_FAILED)
        edda_sim_fail(sim, key, "group %.*s has not ended", (int)key.len, key.data);
    if (g->status == GROUP_FAILED && !g->progress.failed.count)
        edda_sim_fail(sim, key, "group %.*s failed, and no account did", (int)key.len, key.data);
    for (uint32_t i = 0; i < g->progress.accounts.count; i++) {
        int64_t id = accounts[i].guestStayAccountId;
        const struct stay *s = stay_of(sim, id);
        bool gone = s && s->status == STAY_CHECKED_OUT, with_it = gone && edda_text_equal(s->groupCheckoutId, key);
        bool named = g->status == GROUP_FAILED && edda_list_find(&g->progress.failed, sizeof(struct failure), id);
        if (!gone && !named)
            edda_sim_fail(sim, key, "group %.*s %s account %lld, which has not checked out", (int)key.len, key.data,
                          g->status == GROUP_COMPLETED ? "is completed with" : "does not name", (long long)id);
        if (with_it && named)
            edda_sim_fail(sim, key, "group %.*s failed for account %lld, which checked out with it", (int)key.len, key.data, (long long)id);
    }
}

static void check(struct edda_sim *sim, void *user)
{
    (void)user;
    struct edda_text key;
    const void *state;
    for (size_t i = 0; edda_sim_entity(sim, &stay_service, i, &key, &state); i++)
        check_stay(sim, key, state);
    for (size_t i = 0; edda_sim_entity(sim, &group_service, i, &key, &state); i++)
        check_group(sim, key, state);
}

/* --- load ------------------------------------------------------------------------------------------------ */

/* Some guests arrive, and leave together; now and then one has not paid, and the group fails. */
static void load(struct edda_sim *sim, uint64_t n, void *user)
{
    (void)user;
    char name[32];
    int64_t ids[GUESTS];
    struct edda_list members = { .items = ids, .count = 1 + (uint32_t)edda_sim_random(sim, GUESTS) };
    bool late = edda_sim_random(sim, 4) == 0;
    (void)snprintf(name, sizeof name, "tour-%llu", (unsigned long long)n);
    for (uint32_t i = 0; i < members.count; i++) {
        ids[i] = (int64_t)n * GUESTS + i + 1;
        edda_sim_call(sim, 0, CheckInGuest, .guestStayAccountId = ids[i], .guest = EDDA_TEXT("guest"), .room = 100);
    }
    if (late)
        edda_sim_call(sim, 0, RecordCharge, .guestStayAccountId = ids[0], .amount = 100);
    edda_sim_call(sim, 0, InitiateGroupCheckout, .groupCheckoutId = edda_text_of(name), .clerkId = EDDA_TEXT("kim"),
                  .guestStayAccountIds = members);
}

const struct edda_simulation hotel_simulation = { .plan = plan, .check = check, .load = load };
