/*
 * Read models in the simulator: an account is paid into and drawn from, and its read model counts every event, so that one applied twice or not at all shows.
 * The database loses connections in the middle of transactions and at their ends, and lets some happen later; the process is killed between any two writes,
 * and the read model is built anew now and then. See seeds.h for its options.
 */
#include <inttypes.h>
#include <stdio.h>

#include "base/buffer.h"
#include "edda/edda.h"
#include "engine/simulator.h"
#include "seeds.h"

#define ACCOUNTS 5

struct Pay { struct edda_text account; int64_t amount; };
static const struct edda_field Pay_fields[] = { EDDA_FIELD(Pay, account), EDDA_FIELD(Pay, amount) };
static const struct edda_type Pay = EDDA_COMMAND(Pay, account, .topic = "account.commands");

struct Paid { struct edda_text account; int64_t amount; };
static const struct edda_field Paid_fields[] = { EDDA_FIELD(Paid, account), EDDA_FIELD(Paid, amount) };
static const struct edda_type Paid = EDDA_EVENT(Paid, account, .topic = "accounts");

struct account { int64_t balance, events; };
static const struct edda_field account_fields[] = { EDDA_FIELD(account, balance), EDDA_FIELD(account, events) };
static const struct edda_type account = EDDA_STATE(account);

EDDA_EVOLVE(paid, account, Paid);
static void paid(struct account *a, const struct Paid *e)
{
    a->balance += e->amount;
    a->events++;
}

EDDA_HANDLER(pay, Pay, account);
static int pay(struct edda_step *step, const struct Pay *m, const struct account *a)
{
    (void)a;
    return edda_emit(step, Paid, .account = m->account, .amount = m->amount);
}

static const struct edda_row account_evolve[] = { EDDA_WHEN(Paid, paid), EDDA_END };
static const struct edda_row account_on[] = { EDDA_ON(Pay, pay, account), EDDA_END };
static const struct edda_service account_service = {
    .name = "account", .entity = EDDA_ENTITY(account, "accounts"), .evolve = account_evolve, .on = account_on,
};
static const struct edda_service *const services[] = { &account_service, NULL };

/* --- the read model ------------------------------------------------------------------------------------------- */

struct Balance { struct edda_text account; int64_t balance, events; };
static const struct edda_field Balance_fields[] = { EDDA_FIELD(Balance, account), EDDA_FIELD(Balance, balance), EDDA_FIELD(Balance, events) };
static const struct edda_type Balance = EDDA_VALUE(Balance);
static const struct edda_table balances = EDDA_TABLE("balances", Balance, 1);

/* Big payments, by their position: rows that are only put. */
struct Big { int64_t position; struct edda_text account; };
static const struct edda_field Big_fields[] = { EDDA_FIELD(Big, position), EDDA_FIELD(Big, account) };
static const struct edda_type Big = EDDA_VALUE(Big);
static const struct edda_table bigs = EDDA_TABLE("bigs", Big, 1);

EDDA_PROJECT(count, Paid);
static int count(struct edda_rows *rows, const struct Paid *e)
{
    struct Balance row = { .account = e->account };
    (void)edda_get_struct(rows, &balances, &row);
    (void)edda_put(rows, balances, Balance, .account = e->account, .balance = row.balance + e->amount, .events = row.events + 1);
    if (e->amount < 90)
        return 0;
    return edda_put(rows, bigs, Big, .position = edda_rows_message(rows)->position, .account = e->account);
}

static const struct edda_table *const tables[] = { &balances, &bigs, NULL };
static const struct edda_projecting on[] = { EDDA_APPLY(Paid, count, account), EDDA_APPLY_END };
static const struct edda_projection accounts_projection = { .name = "balances", .tables = tables, .on = on, .version = 1 };
static const struct edda_projection *const projections[] = { &accounts_projection, NULL };

/* --- the simulation ------------------------------------------------------------------------------------------- */

static const char *const names[ACCOUNTS] = { "ann", "bob", "cid", "dora", "eve" };

static void plan(struct edda_sim *sim, void *user)
{
    (void)user;
    uint64_t calls = 5 + edda_sim_random(sim, 40);
    for (uint64_t i = 0; i < calls; i++)
        edda_sim_call(sim, (int64_t)edda_sim_random(sim, 20000), Pay, .account = edda_text_of(names[edda_sim_random(sim, ACCOUNTS)]),
                      .amount = 1 + (int64_t)edda_sim_random(sim, 100));
}

static void check(struct edda_sim *sim, void *user)
{
    const void *found;
    size_t found_count = edda_sim_rows(sim, &balances, &found);
    const struct Balance *rows = found;
    size_t seen = 0;
    (void)user;
    for (size_t i = 0; i < ACCOUNTS; i++) {
        const struct account *state = edda_sim_state(sim, &account_service, edda_text_of(names[i]));
        if (!state)
            continue;
        const struct Balance *row = NULL;
        for (size_t r = 0; r < found_count; r++)
            row = edda_text_is(rows[r].account, names[i]) ? &rows[r] : row;
        seen += row != NULL;
        if (!row || row->balance != state->balance || row->events != state->events)
            edda_sim_fail(sim, EDDA_TEXT(""), "%s has %" PRId64 " in %" PRId64 " events, and the read model says %" PRId64 " in %" PRId64,
                          names[i], state->balance, state->events, row ? row->balance : 0, row ? row->events : 0);
    }
    if (seen != found_count)
        edda_sim_fail(sim, EDDA_TEXT(""), "the read model has %zu rows of nobody", found_count - seen);
}

static const struct edda_simulation simulation = { .plan = plan, .check = check };
static const struct edda_app app = {
    .name = "bank", .services = services, .projections = projections, .simulation = &simulation,
};

int main(int argc, char **argv)
{
    struct seeds seeds = seeds_take(argc, argv, 1, 1000);
    struct simulator *simulator = simulator_new(&app);
    struct buffer report = BUFFER_EMPTY;
    int rc = simulator ? 0 : 1;
    for (uint64_t seed = seeds.first; rc == 0 && seed < seeds.first + seeds.count; seed++) {
        rc = simulator_run(simulator, seed, &report);
        if (rc != 0)
            printf("seed %" PRIu64 "\n%s", seed, buffer_cstr(&report));
    }
    buffer_deinit(&report);
    if (simulator)
        simulator_free(simulator);
    return rc != 0;
}
