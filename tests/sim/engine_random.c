/*
 * A random application in the simulator: accounts pass tokens to each other, by events, deadlines, sleeping handlers and processes that may fail and
 * be undone; handlers fail at random, services are paused, states are read from snapshots, the machine dies between any two writes. Whatever happens, no token is made or lost, each transfer is
 * done once or undone once, and nothing is left half-way.
 *
 *   engine_random [--seeds N] [--seed S]
 */
#include <inttypes.h>
#include <stdio.h>

#include "engine/simulator.h"
#include "seeds.h"

#define ACCOUNTS 4
#define TOKENS 100
#define TRANSFERS_MAX 6
#define POKES 3
#define CHIME_MS 400

struct Open { int64_t account; int64_t tokens; };
struct Opened { int64_t account; int64_t tokens; };
struct Send { int64_t transfer; int64_t from; int64_t to; int64_t tokens; int64_t fate; };
struct Take { int64_t account; int64_t transfer; int64_t to; int64_t tokens; int64_t fate; };
struct Taken { int64_t account; int64_t transfer; int64_t to; int64_t tokens; int64_t fate; };
struct GiveBack { int64_t account; int64_t transfer; int64_t tokens; };
struct GivenBack { int64_t account; int64_t transfer; int64_t tokens; };
struct Cancel { int64_t transfer; };
struct Carried { int64_t transfer; int64_t to; int64_t tokens; int64_t fate; };
struct Late { int64_t transfer; int64_t to; int64_t tokens; int64_t fate; };
struct Received { int64_t account; int64_t transfer; int64_t tokens; };
struct Began { int64_t transfer; int64_t tokens; };
struct Ended { int64_t transfer; int64_t how; };
struct Poke { int64_t account; };
struct Poked { int64_t account; };
struct Chime { int64_t clock; };
struct Chimed { int64_t clock; int64_t at; };
struct TakeAnswered { int64_t transfer; };
struct Noted { int64_t transfer; };
struct note { int64_t answers; };
struct account { int64_t pokes; int64_t tokens; int64_t in; int64_t out; struct edda_list transfers; };
struct transfer { int64_t tokens; int64_t began; int64_t ended; int64_t how; };
struct carrier { int64_t carried; };
struct clock { int64_t count; int64_t first; int64_t last; };

/* What becomes of a transfer. */
enum { FATE_DIRECT, FATE_SLOW, FATE_LATE, FATE_FAILS, FATE_FAILS_LATE, FATE_COUNT };
enum { ENDED_WELL = 1, ENDED_UNDONE = 2 };

#define FIELDS(name, ...) static const struct edda_field name##_fields[] = { __VA_ARGS__ }
FIELDS(Open, EDDA_FIELD(Open, account), EDDA_FIELD(Open, tokens, .min = 1, .max = 1000));
static const struct edda_type Open = EDDA_COMMAND(Open, account, .topic = "commands");
FIELDS(Opened, EDDA_FIELD(Opened, account), EDDA_FIELD(Opened, tokens));
static const struct edda_type Opened = EDDA_EVENT(Opened, account, .topic = "accounts");
FIELDS(Send, EDDA_FIELD(Send, transfer), EDDA_FIELD(Send, from), EDDA_FIELD(Send, to), EDDA_FIELD(Send, tokens), EDDA_FIELD(Send, fate));
static const struct edda_type Send = EDDA_COMMAND(Send, transfer, .topic = "commands", .correlation = "transfer");
FIELDS(Take, EDDA_FIELD(Take, account), EDDA_FIELD(Take, transfer), EDDA_FIELD(Take, to), EDDA_FIELD(Take, tokens), EDDA_FIELD(Take, fate));
static const struct edda_type Take = EDDA_COMMAND(Take, account, .topic = "commands", .reply_to = "answers");
FIELDS(Taken, EDDA_FIELD(Taken, account), EDDA_FIELD(Taken, transfer), EDDA_FIELD(Taken, to), EDDA_FIELD(Taken, tokens), EDDA_FIELD(Taken, fate));
static const struct edda_type Taken = EDDA_EVENT(Taken, account, .topic = "accounts");
FIELDS(GiveBack, EDDA_FIELD(GiveBack, account), EDDA_FIELD(GiveBack, transfer), EDDA_FIELD(GiveBack, tokens));
static const struct edda_type GiveBack = EDDA_COMMAND(GiveBack, account, .topic = "commands");
FIELDS(GivenBack, EDDA_FIELD(GivenBack, account), EDDA_FIELD(GivenBack, transfer), EDDA_FIELD(GivenBack, tokens));
static const struct edda_type GivenBack = EDDA_EVENT(GivenBack, account, .topic = "accounts");
FIELDS(Cancel, EDDA_FIELD(Cancel, transfer));
static const struct edda_type Cancel = EDDA_COMMAND(Cancel, transfer, .topic = "commands");
FIELDS(Carried, EDDA_FIELD(Carried, transfer), EDDA_FIELD(Carried, to), EDDA_FIELD(Carried, tokens), EDDA_FIELD(Carried, fate));
static const struct edda_type Carried = EDDA_EVENT(Carried, transfer, .topic = "carriers");
FIELDS(Late, EDDA_FIELD(Late, transfer), EDDA_FIELD(Late, to), EDDA_FIELD(Late, tokens), EDDA_FIELD(Late, fate));
EDDA_UPCAST(late_2, Late, Late);
static void late_2(struct Late *newer, const struct Late *older)
{
    *newer = (struct Late){ .transfer = older->transfer, .tokens = -1 }; /* none of version 1 is in any log here */
}
static const struct edda_older late_older[] = { { 1, NULL, &(const struct edda_type)EDDA_VALUE(Late), late_2_row }, EDDA_OLDER_END };
static const struct edda_type Late = EDDA_EVENT(Late, transfer, .topic = "late", .version = 2, .older = late_older);
FIELDS(Received, EDDA_FIELD(Received, account), EDDA_FIELD(Received, transfer), EDDA_FIELD(Received, tokens));
static const struct edda_type Received = EDDA_EVENT(Received, account, .topic = "accounts");
FIELDS(Began, EDDA_FIELD(Began, transfer), EDDA_FIELD(Began, tokens));
static const struct edda_type Began = EDDA_EVENT(Began, transfer, .topic = "transfers");
FIELDS(Ended, EDDA_FIELD(Ended, transfer), EDDA_FIELD(Ended, how));
static const struct edda_type Ended = EDDA_EVENT(Ended, transfer, .topic = "transfers");
FIELDS(TakeAnswered, EDDA_FIELD(TakeAnswered, transfer));
static const struct edda_type TakeAnswered = EDDA_EVENT(TakeAnswered, transfer, .topic = "answers");
FIELDS(Noted, EDDA_FIELD(Noted, transfer));
static const struct edda_type Noted = EDDA_EVENT(Noted, transfer, .topic = "notes");
FIELDS(note, EDDA_FIELD(note, answers));
static const struct edda_type note = EDDA_STATE(note);
FIELDS(Poke, EDDA_FIELD(Poke, account));
static const struct edda_type Poke = EDDA_COMMAND(Poke, account, .topic = "commands");
FIELDS(Poked, EDDA_FIELD(Poked, account));
static const struct edda_type Poked = EDDA_EVENT(Poked, account, .topic = "accounts");
FIELDS(Chime, EDDA_FIELD(Chime, clock));
static const struct edda_type Chime = EDDA_COMMAND(Chime, clock, .topic = "commands");
FIELDS(Chimed, EDDA_FIELD(Chimed, clock), EDDA_FIELD(Chimed, at));
static const struct edda_type Chimed = EDDA_EVENT(Chimed, clock, .topic = "clocks");
FIELDS(clock, EDDA_FIELD(clock, count), EDDA_FIELD(clock, first), EDDA_FIELD(clock, last));
static const struct edda_type clock = EDDA_STATE(clock);
FIELDS(account, EDDA_FIELD(account, pokes), EDDA_FIELD(account, tokens), EDDA_FIELD(account, in), EDDA_FIELD(account, out),
       EDDA_FIELD_LIST(account, transfers, EDDA_KIND_INT));
static const struct edda_type account = EDDA_STATE(account);
FIELDS(transfer, EDDA_FIELD(transfer, tokens), EDDA_FIELD(transfer, began), EDDA_FIELD(transfer, ended), EDDA_FIELD(transfer, how));
static const struct edda_type transfer = EDDA_STATE(transfer);
FIELDS(carrier, EDDA_FIELD(carrier, carried));
static const struct edda_type carrier = EDDA_STATE(carrier);

/* Handlers fail now and then, as the outside world would let them: not by the step's content, but by chance. It restarts with each seed. */
static uint64_t luck;

static bool fails(unsigned one_in)
{
    luck = luck * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (luck >> 33) % one_in == 0;
}

/* --- accounts ----------------------------------------------------------------------------------------------------- */

EDDA_EVOLVE(opened, account, Opened);
static void opened(struct account *a, const struct Opened *e)
{
    a->tokens += e->tokens;
}

EDDA_EVOLVE(taken, account, Taken);
static void taken(struct account *a, const struct Taken *e)
{
    a->tokens -= e->tokens;
    a->out += e->tokens;
    (void)edda_list_put(&a->transfers, sizeof(int64_t), e->transfer);
}

EDDA_EVOLVE(given_back, account, GivenBack);
static void given_back(struct account *a, const struct GivenBack *e)
{
    a->tokens += e->tokens;
    a->out -= e->tokens;
}

EDDA_EVOLVE(received, account, Received);
static void received(struct account *a, const struct Received *e)
{
    a->tokens += e->tokens;
    a->in += e->tokens;
}

EDDA_HANDLER(open_account, Open, account);
static int open_account(struct edda_step *step, const struct Open *m, const struct account *a)
{
    if (a->tokens || a->in || a->out)
        return edda_reject(step, "account", "is open");
    edda_schedule_set(step, "poke", "every 250ms", Poke, .account = m->account);
    return edda_emit(step, Opened, .account = m->account, .tokens = m->tokens);
}

EDDA_EVOLVE(poked, account, Poked);
static void poked(struct account *a, const struct Poked *e)
{
    (void)e;
    a->pokes++;
}

/* An account is poked until it has had enough. One more may be on its way by then. */
EDDA_HANDLER(poke, Poke, account);
static int poke(struct edda_step *step, const struct Poke *m, const struct account *a)
{
    if (fails(8))
        return EDDA_EIO;
    if (a->pokes >= POKES)
        return edda_skip(step, "has had enough");
    if (a->pokes == POKES - 1)
        edda_deadline_cancel(step, "poke");
    return edda_emit(step, Poked, .account = m->account);
}

/* --- answers ------------------------------------------------------------------------------------------------------ */

EDDA_EVOLVE(noted, note, Noted);
static void noted(struct note *n, const struct Noted *e)
{
    (void)e;
    n->answers++;
}

EDDA_HANDLER(take_answered, TakeAnswered, note);
static int take_answered(struct edda_step *step, const struct TakeAnswered *m, const struct note *n)
{
    (void)n;
    return edda_emit(step, Noted, .transfer = m->transfer);
}

/* --- the clock ---------------------------------------------------------------------------------------------------- */

EDDA_EVOLVE(chimed, clock, Chimed);
static void chimed(struct clock *c, const struct Chimed *e)
{
    if (!c->count++)
        c->first = e->at;
    c->last = e->at;
}

EDDA_HANDLER(chime, Chime, clock);
static int chime(struct edda_step *step, const struct Chime *m, const struct clock *c)
{
    (void)c;
    return edda_emit(step, Chimed, .clock = m->clock, .at = edda_message(step)->time_ms);
}

EDDA_HANDLER(take, Take, account);
static int take(struct edda_step *step, const struct Take *m, const struct account *a)
{
    if (fails(4))
        return EDDA_EIO;
    edda_reply(step, TakeAnswered, .transfer = m->transfer);
    if (a->tokens < m->tokens)
        return edda_abort(step, "account %lld has too little", (long long)m->account);
    edda_compensate(step, GiveBack, .account = m->account, .transfer = m->transfer, .tokens = m->tokens);
    edda_emit(step, Taken, .account = m->account, .transfer = m->transfer, .to = m->to, .tokens = m->tokens, .fate = m->fate);
    return 0;
}

EDDA_HANDLER(give_back, GiveBack, account);
static int give_back(struct edda_step *step, const struct GiveBack *m, const struct account *a)
{
    (void)a;
    if (fails(3))
        return EDDA_EIO;
    return edda_emit(step, GivenBack, .account = m->account, .transfer = m->transfer, .tokens = m->tokens);
}

EDDA_HANDLER(receive, Carried, account);
static int receive(struct edda_step *step, const struct Carried *m, const struct account *a)
{
    (void)a;
    if (fails(5))
        return EDDA_EIO;
    edda_emit(step, Received, .account = m->to, .transfer = m->transfer, .tokens = m->tokens);
    edda_emit(step, Ended, .transfer = m->transfer, .how = ENDED_WELL);
    return edda_finish(step);
}

/* --- transfers, carriers ------------------------------------------------------------------------------------------ */

EDDA_EVOLVE(began, transfer, Began);
static void began(struct transfer *t, const struct Began *e)
{
    t->tokens = e->tokens;
    t->began++;
}

EDDA_EVOLVE(ended, transfer, Ended);
static void ended(struct transfer *t, const struct Ended *e)
{
    t->ended++;
    t->how = e->how;
}

EDDA_HANDLER(send_tokens, Send, transfer);
static int send_tokens(struct edda_step *step, const struct Send *m, const struct transfer *t)
{
    if (t->began)
        return edda_reject(step, "transfer", "has begun");
    edda_compensate(step, Cancel, .transfer = m->transfer);
    edda_emit(step, Began, .transfer = m->transfer, .tokens = m->tokens);
    return edda_emit(step, Take, .account = m->from, .transfer = m->transfer, .to = m->to, .tokens = m->tokens, .fate = m->fate);
}

EDDA_HANDLER(cancel, Cancel, transfer);
static int cancel(struct edda_step *step, const struct Cancel *m, const struct transfer *t)
{
    (void)t;
    if (fails(6))
        return EDDA_EIO;
    return edda_emit(step, Ended, .transfer = m->transfer, .how = ENDED_UNDONE);
}

EDDA_EVOLVE(carried, carrier, Carried);
static void carried(struct carrier *c, const struct Carried *e)
{
    c->carried += e->tokens;
}

EDDA_HANDLER(carry, Taken, carrier);
static int carry(struct edda_step *step, const struct Taken *m, const struct carrier *c)
{
    (void)c;
    if (m->fate == FATE_SLOW && !edda_sleep(step, 1 + m->transfer * 40))
        return 0;
    if (fails(6))
        return EDDA_EIO;
    if (m->fate == FATE_FAILS)
        return edda_abort(step, "the cart broke");
    if (m->fate == FATE_LATE || m->fate == FATE_FAILS_LATE) {
        edda_deadline_set(step, "never", edda_now_ms(step) + 50, Late, .transfer = m->transfer, .tokens = 1000000);
        edda_deadline_cancel(step, "never");
        edda_deadline_set(step, "late", edda_now_ms(step) + 5000, Late, .transfer = m->transfer, .tokens = 1000000);
        return edda_deadline_set(step, "late", edda_now_ms(step) + 100 + m->transfer * 300, Late, .transfer = m->transfer, .to = m->to,
                                 .tokens = m->tokens, .fate = m->fate);
    }
    return edda_emit(step, Carried, .transfer = m->transfer, .to = m->to, .tokens = m->tokens, .fate = m->fate);
}

EDDA_HANDLER(carry_late, Late, carrier);
static int carry_late(struct edda_step *step, const struct Late *m, const struct carrier *c)
{
    (void)c;
    if (m->fate == FATE_FAILS_LATE)
        return edda_abort(step, "too late");
    return edda_emit(step, Carried, .transfer = m->transfer, .to = m->to, .tokens = m->tokens, .fate = m->fate);
}

/* --- the application ---------------------------------------------------------------------------------------------- */

#define PATIENT .retry = { .immediate = 1, .delayed = 60, .delay_first_ms = 10, .delay_max_ms = 200 }

static const struct edda_service accounts_service = {
    .name = "accounts",
    .entity = EDDA_ENTITY(account, "accounts", .snapshot_every = 2),
    .evolve = (const struct edda_row[]){ EDDA_WHEN(Opened, opened), EDDA_WHEN(Taken, taken), EDDA_WHEN(GivenBack, given_back),
                                         EDDA_WHEN(Received, received), EDDA_WHEN(Poked, poked), EDDA_END },
    .on = (const struct edda_row[]){ EDDA_ON(Open, open_account, account), EDDA_ON(Poke, poke, account, PATIENT), EDDA_ON(Take, take, account, PATIENT),
                                     EDDA_ON(GiveBack, give_back, account, PATIENT), EDDA_ON(Carried, receive, to, PATIENT), EDDA_END },
};
static const struct edda_service transfers_service = {
    .name = "transfers",
    .entity = EDDA_ENTITY(transfer, "transfers", .snapshot_every = 1),
    .evolve = (const struct edda_row[]){ EDDA_WHEN(Began, began), EDDA_WHEN(Ended, ended), EDDA_END },
    .on = (const struct edda_row[]){ EDDA_ON(Send, send_tokens, transfer), EDDA_ON(Cancel, cancel, transfer, PATIENT), EDDA_END },
};
static const struct edda_service carriers_service = {
    .name = "carriers",
    .entity = EDDA_ENTITY(carrier, "carriers"),
    .evolve = (const struct edda_row[]){ EDDA_WHEN(Carried, carried), EDDA_END },
    .on = (const struct edda_row[]){ EDDA_ON(Taken, carry, transfer, .blocking = 2, PATIENT), EDDA_ON(Late, carry_late, transfer), EDDA_END },
};
static const struct edda_service clocks_service = {
    .name = "clocks",
    .entity = EDDA_ENTITY(clock, "clocks", .snapshot_every = 4),
    .evolve = (const struct edda_row[]){ EDDA_WHEN(Chimed, chimed), EDDA_END },
    .on = (const struct edda_row[]){ EDDA_ON(Chime, chime, clock), EDDA_END },
    .schedules = (const struct edda_schedule[]){ EDDA_SCHEDULE("chime", "every 400ms", Chime, .clock = 1), EDDA_END_SCHEDULES },
};
static const struct edda_service notes_service = {
    .name = "notes",
    .entity = EDDA_ENTITY(note, "notes"),
    .evolve = (const struct edda_row[]){ EDDA_WHEN(Noted, noted), EDDA_END },
    .on = (const struct edda_row[]){ EDDA_ON(TakeAnswered, take_answered, transfer), EDDA_END },
};
static const struct edda_service *const services[] = { &accounts_service, &transfers_service, &carriers_service, &clocks_service, &notes_service, NULL };

static int64_t transfers_planned;

static void plan(struct edda_sim *sim, void *user)
{
    (void)user;
    luck = edda_sim_random(sim, UINT32_MAX);
    for (int64_t i = 1; i <= ACCOUNTS; i++)
        edda_sim_call(sim, 0, Open, .account = i, .tokens = TOKENS);
    transfers_planned = 1 + (int64_t)edda_sim_random(sim, TRANSFERS_MAX);
    for (int64_t i = 1; i <= transfers_planned; i++)
        edda_sim_call(sim, 50 + (int64_t)edda_sim_random(sim, 1500), Send, .transfer = 100 + i, .from = 1 + (int64_t)edda_sim_random(sim, ACCOUNTS),
                      .to = 1 + (int64_t)edda_sim_random(sim, ACCOUNTS), .tokens = 10 + (int64_t)edda_sim_random(sim, 80),
                      .fate = (int64_t)edda_sim_random(sim, FATE_COUNT));
    if (edda_sim_random(sim, 3) == 0)
        edda_sim_pause(sim, services[edda_sim_random(sim, 3)], (int64_t)edda_sim_random(sim, 1500), (int64_t)edda_sim_random(sim, 3000));
}

static void check_transfer(struct edda_sim *sim, struct edda_text key, const struct transfer *t)
{
    const struct carrier *c = edda_sim_state(sim, &carriers_service, key);
    const struct note *n = edda_sim_state(sim, &notes_service, key);
    int64_t carried_tokens = c ? c->carried : 0;
    if (!n || n->answers != 1)
        edda_sim_fail(sim, key, "transfer %.*s was answered %lld times", (int)key.len, key.data, n ? (long long)n->answers : 0);
    if (t->began != 1 || t->ended != 1)
        edda_sim_fail(sim, key, "transfer %.*s began %lld times and ended %lld times", (int)key.len, key.data, (long long)t->began,
                      (long long)t->ended);
    if (carried_tokens != (t->how == ENDED_WELL ? t->tokens : 0))
        edda_sim_fail(sim, key, "transfer %.*s of %lld tokens, ended as %lld, carried %lld", (int)key.len, key.data, (long long)t->tokens,
                      (long long)t->how, (long long)carried_tokens);
}

static void check(struct edda_sim *sim, void *user)
{
    (void)user;
    struct edda_text key, none = { NULL, 0 };
    const void *state;
    int64_t tokens = 0, in = 0, out = 0, well = 0, count = 0;
    for (size_t i = 0; edda_sim_entity(sim, &transfers_service, i, &key, &state); i++) {
        const struct transfer *t = state;
        count++;
        well += t->how == ENDED_WELL ? t->tokens : 0;
        check_transfer(sim, key, t);
    }
    for (size_t i = 0; edda_sim_entity(sim, &accounts_service, i, &key, &state); i++) {
        const struct account *a = state;
        tokens += a->tokens;
        in += a->in;
        out += a->out;
        if (a->pokes != POKES)
            edda_sim_fail(sim, none, "account %.*s was poked %lld times", (int)key.len, key.data, (long long)a->pokes);
        if (a->tokens < 0)
            edda_sim_fail(sim, none, "account %.*s has %lld tokens", (int)key.len, key.data, (long long)a->tokens);
    }
    const struct clock *c = edda_sim_state(sim, &clocks_service, EDDA_TEXT("1"));
    if (!c || c->count < 1 || c->count > (c->last - c->first) / CHIME_MS + 2)
        edda_sim_fail(sim, none, "%lld chimes in %lld ms", c ? (long long)c->count : 0, c ? (long long)(c->last - c->first) : 0);
    if (tokens != ACCOUNTS * TOKENS || in != out || in != well)
        edda_sim_fail(sim, none, "%lld tokens, %lld received, %lld sent, %lld in transfers that ended well", (long long)tokens, (long long)in,
                      (long long)out, (long long)well);
    if (count != transfers_planned)
        edda_sim_fail(sim, none, "%lld transfers of %lld began", (long long)count, (long long)transfers_planned);
}

static const struct edda_simulation simulation = { .plan = plan, .check = check };
static const struct edda_app app = { .name = "random", .version = "1", .services = services, .simulation = &simulation };

int main(int argc, char **argv)
{
    struct seeds seeds = seeds_take(argc, argv, 1, 1000);
    struct simulator *simulator = simulator_new(&app);
    struct buffer report;
    if (!simulator)
        return 1;
    buffer_init(&report, 0);
    for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; seed++) {
        int rc = simulator_run(simulator, seed, &report);
        if (rc == 0)
            continue;
        printf("seed %" PRIu64 " failed (%d): replay with --seed %" PRIu64 "\n%.*s\n", seed, rc, seed, (int)report.len, (const char *)report.data);
        return 1;
    }
    struct simulator_stats stats;
    simulator_stats(simulator, &stats);
    printf("%" PRIu64 " seeds, %" PRIu64 " calls, %" PRIu64 " restarts, %" PRIu64 " records\n", stats.seeds, stats.calls, stats.restarts, stats.records);
    buffer_deinit(&report);
    simulator_free(simulator);
    return 0;
}
