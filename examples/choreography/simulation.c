/* A few users, a few orders at random times, now and then a service that is stopped for a while. See simulation.h. */
#include "simulation.h"

#include <math.h>

static const char *const users[] = { "jjy", "kim", "lee" };
#define USERS (sizeof users / sizeof users[0])
#define ORDERS_MAX 4
#define HORIZON_MS 20000

static void plan(struct edda_sim *sim, void *user)
{
    (void)user;
    static const int64_t currencies[] = { 1, 1, 1, 2, 100, 200, 200, 0 };
    for (size_t i = 0; i < USERS; i++)
        edda_sim_call(sim, 0, SetPoints, .userId = edda_text_of(users[i]), .point = 1000);
    uint64_t orders = 1 + edda_sim_random(sim, ORDERS_MAX);
    for (uint64_t i = 0; i < orders; i++) {
        int64_t at = 100 + (int64_t)edda_sim_random(sim, HORIZON_MS);
        edda_sim_call(sim, at, CreateOrder, .id = (int64_t)i + 1, .holderId = edda_text_of(users[edda_sim_random(sim, USERS)]),
                      .currencyId = currencies[edda_sim_random(sim, 8)], .amount = 100 + (double)edda_sim_random(sim, 12) * 100);
    }
    if (edda_sim_random(sim, 4) == 0) {
        static const struct edda_service *const stoppable[] = { &exchange_service, &point_service, &order_service, &deadline_service };
        edda_sim_pause(sim, stoppable[edda_sim_random(sim, 4)], (int64_t)edda_sim_random(sim, HORIZON_MS),
                       (int64_t)edda_sim_random(sim, 10000));
    }
}

/* The rows that the services show are what the invariants speak of. */
static const struct edda_field *field(const struct edda_type *type, const char *name)
{
    for (uint32_t i = 0; i < type->field_count; i++)
        if (edda_text_is(edda_text_of(type->fields[i].name), name))
            return &type->fields[i];
    return NULL;
}

static const void *member(const struct edda_service *service, const void *state, const char *name)
{
    return (const char *)state + field(service->entity.state, name)->offset;
}

static bool stands(struct edda_sim *sim, const struct edda_service *service, struct edda_text key)
{
    const void *state = edda_sim_state(sim, service, key);
    return state && *(const bool *)member(service, state, "stands");
}

static void check_order(struct edda_sim *sim, struct edda_text key, const void *state)
{
    int64_t status = *(const int64_t *)member(&order_service, state, "status");
    bool approved = status == 2, exchanged = stands(sim, &exchange_service, key), used = stands(sim, &transaction_service, key);
    if (status != 2 && status != 3)
        edda_sim_fail(sim, key, "order %.*s is not decided", (int)key.len, key.data);
    if (approved != exchanged || approved != used)
        edda_sim_fail(sim, key, "order %.*s is %s, its exchange %s, its points are %s", (int)key.len, key.data,
                      approved ? "approved" : "rejected", exchanged ? "stands" : "is gone", used ? "taken" : "not taken");
}

static void check(struct edda_sim *sim, void *user)
{
    (void)user;
    struct edda_text key;
    const void *state;
    double used[USERS] = { 0 };
    for (size_t i = 0; edda_sim_entity(sim, &order_service, i, &key, &state); i++)
        check_order(sim, key, state);
    for (size_t i = 0; edda_sim_entity(sim, &transaction_service, i, &key, &state); i++)
        for (size_t u = 0; u < USERS; u++)
            if (*(const bool *)member(&transaction_service, state, "stands") &&
                edda_text_is(*(const struct edda_text *)member(&transaction_service, state, "userId"), users[u]))
                used[u] += *(const double *)member(&transaction_service, state, "pointUsed");
    for (size_t u = 0; u < USERS; u++) {
        state = edda_sim_state(sim, &point_service, edda_text_of(users[u]));
        double left = state ? *(const double *)member(&point_service, state, "point") : 1000;
        if (left < 0 || fabs(left + used[u] - 1000) > 1e-6)
            edda_sim_fail(sim, (struct edda_text){ NULL, 0 }, "user %s has %.2f points and %.2f in standing transactions; 1000 were deposited",
                          users[u], left, used[u]);
    }
}

/* One order after the other, of a user who can pay them all. */
static void load(struct edda_sim *sim, uint64_t n, void *user)
{
    (void)user;
    if (n == 0)
        edda_sim_call(sim, 0, SetPoints, .userId = edda_text_of(users[0]), .point = 1e12);
    else
        edda_sim_call(sim, 0, CreateOrder, .id = (int64_t)n, .holderId = edda_text_of(users[0]), .currencyId = 1, .amount = 1);
}

const struct edda_simulation choreography_simulation = { .plan = plan, .check = check, .load = load };
