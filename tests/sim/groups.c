/*
 * Groups under chance: members, dynamic and static, of the old way of joining and the new, join, lead, follow, beat, commit, change what they subscribe to, fall silent, lose their
 * connections and come back; the coordinator restarts or crashes between any two of their steps, and the time passes. Whatever happens:
 *
 *   - in a stable generation everybody was given exactly what its leader assigned to him;
 *   - a generation is given once, and generations grow, also over restarts;
 *   - of the duplicates of a static member at most one is not fenced;
 *   - nothing parked waits longer than the rebalance timeouts and sessions allow, and each is told once;
 *   - a committed offset neither goes back nor vanishes, once it is durable;
 *   - left alone, a group with members becomes stable, and one without becomes empty.
 *
 *   groups [--seeds N] [--seed S]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/prng.h"
#include "broker/group.h"
#include "io/simulated.h"
#include "wire/kafka/errors.h"
#include "seeds.h"

#define MS INT64_C(1000000)
#define GROUPS 2
#define CLIENTS 7          /* of each group */
#define INSTANCES 2
#define STEPS 1000
#define SESSION_MS 6000
#define REBALANCE_MS 9000
#define GENERATIONS_MAX 4096
/* A rebalance that gathers joins, one more for who does not sync, and sessions between them. */
#define PARKED_MAX_MS (2 * REBALANCE_MS + 2 * SESSION_MS)

enum doing { NOTHING, JOINING, SYNCING };

/* A process with one connection, and what it believes. */
struct client {
    int group, index, instance; /* instance -1: dynamic */
    bool alive, id_required, skip, member, hung;
    enum doing doing;          /* parked */
    int64_t parked_ns, hung_until_ns, beat_ns;
    char id[80], leader[80];
    int32_t generation;
    char others[CLIENTS * 2][80]; /* as the leader */
    unsigned other_count;
    unsigned subscription;
    bool leads, synced;
    char assignment[128];
};

static struct sim {
    uint64_t seed;
    struct prng prng;
    struct io *io;
    struct store *store;
    struct groups *groups;
    int64_t now_ns;
    int32_t delay_ms;
    struct client clients[GROUPS][CLIENTS];
    /* By generation: the leader to whom the members were told, and whether it was synced. */
    char leaders[GROUPS][GENERATIONS_MAX][80];
    int32_t newest[GROUPS];
    int64_t committed[GROUPS], durable[GROUPS];
    uint64_t joins, stables, restarts, fenced;
    struct edda_error error;
} s;

static void broken(const char *what)
{
    fprintf(stderr, "seed %" PRIu64 ": %s\n", s.seed, what);
    exit(1);
}

static void expect(bool so, const char *what)
{
    if (!so)
        broken(what);
}

static uint64_t below(uint64_t bound)
{
    return prng_below(&s.prng, bound);
}

static const char *const names[GROUPS] = { "one", "two" };
static const char *const instances[INSTANCES] = { "i0", "i1" };

static struct slice group_of(const struct client *c)
{
    return slice_str(names[c->group]);
}

static struct slice instance_of(const struct client *c)
{
    return c->instance < 0 ? slice_of(NULL, 0) : slice_str(instances[c->instance]);
}

static void text_of(char *to, size_t size, struct slice from)
{
    snprintf(to, size, "%.*s", (int)from.len, from.len ? (const char *)from.data : "");
}

/* --- answers ------------------------------------------------------------------------------------------ */

/* What an error tells a client to do: come as somebody new, or come again. */
static void refused(struct client *c, int error)
{
    c->synced = false;
    switch (error) {
    case KAFKA_FENCED_INSTANCE_ID: /* the process ends */
        s.fenced++;
        c->alive = false;
        break;
    case KAFKA_UNKNOWN_MEMBER_ID:
        c->id[0] = 0;
        break;
    case KAFKA_ILLEGAL_GENERATION:
    case KAFKA_REBALANCE_IN_PROGRESS:
    case KAFKA_COORDINATOR_NOT_AVAILABLE:
        break;
    default:
        fprintf(stderr, "error %d\n", error);
        broken("an answer that nothing explains");
    }
    c->member = false;
}

static void generation_heard(struct client *c)
{
    expect(c->generation > 0 && c->generation < GENERATIONS_MAX, "a generation is counted from 1");
    char *leader = s.leaders[c->group][c->generation];
    if (c->generation > s.newest[c->group])
        s.newest[c->group] = c->generation;
    expect(c->generation == s.newest[c->group], "a join is told of the newest generation");
    /* A static leader is replaced within its generation. */
    if (!leader[0] || strncmp(leader, c->leader, 2) == 0)
        snprintf(leader, sizeof(s.leaders[0][0]), "%s", c->leader);
    expect(strcmp(leader, c->leader) == 0, "a generation is given once, and has one leader");
}

static void joined_with(struct client *c, const struct group_joined *j)
{
    c->doing = NOTHING;
    c->member = c->synced = c->leads = false;
    if (j->error == KAFKA_MEMBER_ID_REQUIRED) {
        expect(c->id_required && c->instance < 0, "only who can is asked to come with an id");
        text_of(c->id, sizeof(c->id), j->member);
        return;
    }
    if (j->error != KAFKA_NONE) {
        refused(c, j->error);
        return;
    }
    s.joins++;
    text_of(c->id, sizeof(c->id), j->member);
    text_of(c->leader, sizeof(c->leader), j->leader);
    c->generation = j->generation;
    c->member = true;
    c->leads = strcmp(c->id, c->leader) == 0;
    c->beat_ns = s.now_ns;
    generation_heard(c);
    expect(c->leads == (j->member_count > 0), "the leader is told of the members, and nobody else");
    c->other_count = 0;
    for (uint32_t i = 0; i < j->member_count && i < CLIENTS * 2; i++)
        text_of(c->others[c->other_count++], sizeof(c->others[0]), j->members[i].member);
}

static void synced_with(struct client *c, const struct group_synced *y)
{
    char expected[128];
    c->doing = NOTHING;
    if (y->error != KAFKA_NONE) {
        refused(c, y->error);
        return;
    }
    text_of(c->assignment, sizeof(c->assignment), y->assignment);
    /* What a leader assigns names the generation and the member, of a static one the instance. */
    snprintf(expected, sizeof(expected), "%d:%s", c->generation, c->instance < 0 ? c->id : instances[c->instance]);
    expect(strcmp(c->assignment, expected) == 0, "everybody gets what the leader assigned to him in this generation");
    c->synced = true;
    c->beat_ns = s.now_ns;
    s.stables++;
}

static void on_joined(void *user, void *waiter)
{
    struct client *c = waiter;
    struct group_joined j;
    (void)user;
    expect(c->doing == JOINING, "a parked join is told of once");
    group_join_result(s.groups, waiter, &j);
    joined_with(c, &j);
}

static void on_synced(void *user, void *waiter)
{
    struct client *c = waiter;
    struct group_synced y;
    (void)user;
    expect(c->doing == SYNCING, "a parked sync is told of once");
    group_sync_result(s.groups, waiter, &y);
    synced_with(c, &y);
}

/* --- what clients do ---------------------------------------------------------------------------------- */

static void client_join(struct client *c)
{
    char metadata[16], client_id[16];
    struct group_joined j;
    snprintf(metadata, sizeof(metadata), "topics %u", c->subscription);
    snprintf(client_id, sizeof(client_id), "c%d", c->index);
    const struct group_protocol protocols[] = { { SLICE("range"), slice_str(metadata) }, { SLICE("sticky"), SLICE("s") } };
    bool sticky = c->subscription % 3 == 0;
    const struct group_protocol turned[] = { protocols[1], protocols[0] };
    const struct group_join join = {
        .group = group_of(c), .member = slice_str(c->id), .instance = instance_of(c), .client_id = slice_str(client_id), .client_host = SLICE("/h"),
        .session_timeout_ms = SESSION_MS, .rebalance_timeout_ms = REBALANCE_MS, .protocol_type = SLICE("consumer"),
        .protocols = sticky ? turned : protocols, .protocol_count = 2, .member_id_required = c->id_required, .skip_assignment = c->skip,
    };
    c->doing = JOINING;
    c->parked_ns = s.now_ns;
    if (group_join(s.groups, &join, s.now_ns, c, &j))
        joined_with(c, &j);
}

/* The instance of a static member is what its id begins with. */
static void part_of(int32_t generation, const char *id, char *part, size_t size)
{
    bool is_static = id[0] == 'i';
    snprintf(part, size, "%d:%.*s", generation, is_static ? 2 : 79, id);
}

static void client_sync(struct client *c)
{
    static char parts[CLIENTS * 2][128];
    struct group_assignment rows[CLIENTS * 2];
    struct group_synced y;
    for (unsigned i = 0; c->leads && i < c->other_count; i++) {
        part_of(c->generation, c->others[i], parts[i], sizeof(parts[i]));
        rows[i] = (struct group_assignment){ slice_str(c->others[i]), slice_str(parts[i]) };
    }
    const struct group_sync sync = {
        .group = group_of(c), .member = slice_str(c->id), .instance = instance_of(c), .generation = c->generation,
        .assignments = rows, .assignment_count = c->leads ? c->other_count : 0,
    };
    c->doing = SYNCING;
    c->parked_ns = s.now_ns;
    if (group_sync(s.groups, &sync, s.now_ns, c, &y))
        synced_with(c, &y);
}

static void client_beat(struct client *c)
{
    int16_t error = group_heartbeat(s.groups, group_of(c), slice_str(c->id), instance_of(c), c->generation, s.now_ns);
    bool slept = s.now_ns - c->beat_ns >= SESSION_MS * MS;
    expect(error != KAFKA_UNKNOWN_MEMBER_ID || slept || c->hung || !c->synced, "who is heard of within his session stays a member");
    c->beat_ns = s.now_ns;
    if (error != KAFKA_NONE)
        refused(c, error);
    else
        expect(c->generation == s.newest[c->group], "only the newest generation's heart beats");
}

static void client_commit(struct client *c)
{
    const struct group_caller caller = { group_of(c), slice_str(c->id), instance_of(c), c->generation, false };
    int16_t error = group_commit_check(s.groups, &caller, s.now_ns);
    if (error != KAFKA_NONE) {
        refused(c, error);
        return;
    }
    expect(c->generation == s.newest[c->group], "only the newest generation commits");
    /* It keeps the session, but does not tell of a rebalance that others wait in: so it is not counted as having heard. */
    error = group_commit(s.groups, &caller, SLICE("orders"), (uint32_t)c->group, s.committed[c->group] + 1, 0, SLICE(""));
    expect(error == KAFKA_NONE, "a commit that was allowed is recorded");
    s.committed[c->group]++;
}

static void client_stop(struct client *c, bool says_so)
{
    if (c->doing != NOTHING)
        group_forget(s.groups, c);
    else if (says_so && c->instance < 0 && c->id[0])
        group_leave(s.groups, group_of(c), slice_str(c->id), instance_of(c), s.now_ns);
    c->alive = c->member = c->synced = false;
    c->doing = NOTHING;
    c->id[0] = 0;
}

static void client_start(struct client *c)
{
    c->alive = true;
    c->id[0] = 0;
    c->member = c->synced = c->hung = false;
    c->subscription = (unsigned)below(4);
    client_join(c);
}

/* One thing that a client does by itself when it is its turn. */
static void client_step(struct client *c)
{
    if (c->doing != NOTHING)
        return;
    if (!c->member)
        client_join(c);
    else if (!c->synced)
        client_sync(c);
    else if (below(3) == 0)
        client_commit(c);
    else
        client_beat(c);
}

static void client_chance(struct client *c)
{
    if (!c->alive) {
        if (below(4) == 0)
            client_start(c);
        return;
    }
    if (c->hung && s.now_ns < c->hung_until_ns)
        return;
    switch (below(40)) {
    case 0:
        client_stop(c, true);
        break;
    case 1:
        client_stop(c, false);
        break;
    case 2: /* slow: nothing is heard of it for a while, which may be longer than its session */
        c->hung = true;
        c->hung_until_ns = s.now_ns + (int64_t)below(2 * SESSION_MS) * MS;
        break;
    case 3: /* the connection is lost, not the process */
        if (c->doing != NOTHING) {
            group_forget(s.groups, c);
            c->doing = NOTHING;
            c->member = c->synced = false;
        }
        break;
    case 4:
        c->subscription = (unsigned)below(4);
        c->member = c->member && c->doing != NOTHING;
        c->synced = false;
        break;
    default:
        client_step(c);
        c->hung = false;
    }
}

/* --- the coordinator ---------------------------------------------------------------------------------- */

static void coordinator_open(void)
{
    const struct store_options options = { .log = { .segment_bytes = UINT64_C(1) << 20 } };
    const struct groups_options groups = { NULL, s.delay_ms, on_joined, on_synced, NULL };
    struct groups_options with = groups;
    expect(store_open(s.io, "/data", &options, &s.store, NULL, &s.error) == 0, s.error.message);
    with.store = s.store;
    expect(groups_open(&with, &s.groups, &s.error) == 0, s.error.message);
}

static int64_t committed_of(int group)
{
    struct group_offset offset;
    expect(group_offset(s.groups, slice_str(names[group]), SLICE("orders"), (uint32_t)group, &offset) == 0, "offsets can be read");
    return offset.offset < 0 ? 0 : offset.offset;
}

/* The gate: what was answered leaves when it is durable, so a crash forgets only what nobody has heard; here each step is followed by a flush, or by a crash that may
 * take what was not flushed, together with the clients that would have heard. */
static void durable(void)
{
    expect(store_flush(s.store, &s.error) == 0, s.error.message);
    for (int g = 0; g < GROUPS; g++)
        s.durable[g] = s.committed[g];
}

static void coordinator_restart(bool crash)
{
    s.restarts++;
    durable();
    for (int g = 0; g < GROUPS; g++)
        for (int i = 0; i < CLIENTS; i++) {
            struct client *c = &s.clients[g][i];
            if (c->doing != NOTHING) {
                c->doing = NOTHING;
                c->member = c->synced = false;
            }
        }
    struct group_info before[GROUPS] = { 0 };
    for (int g = 0; g < GROUPS; g++)
        if (group_get(s.groups, slice_str(names[g]), &before[g]) != 0)
            before[g].state = GROUP_DEAD;
    groups_close(s.groups);
    if (crash) {
        io_simulated_crash(s.io, false);
        store_abandon(s.store);
    } else {
        store_close(s.store);
    }
    coordinator_open();
    for (int g = 0; g < GROUPS; g++) {
        struct group_info info = { 0 };
        expect(committed_of(g) == s.durable[g], "what was committed is there after a restart");
        if (group_get(s.groups, slice_str(names[g]), &info) == 0)
            expect(info.generation >= s.newest[g], "generations are not forgotten");
        if (before[g].state == GROUP_STABLE)
            expect(info.state == GROUP_STABLE && info.generation == before[g].generation && info.member_count == before[g].member_count,
                   "a stable group is found as it was");
    }
}

static void pass(int64_t ms)
{
    int64_t end_ns = s.now_ns + ms * MS;
    do {
        int64_t due_ns = groups_turn(s.groups, s.now_ns);
        int64_t next_ns = due_ns < end_ns ? due_ns : end_ns;
        expect(next_ns >= s.now_ns, "a turn leaves nothing that is due");
        io_simulated_advance(s.io, next_ns - s.now_ns);
        s.now_ns = next_ns;
    } while (s.now_ns < end_ns);
    groups_turn(s.groups, s.now_ns);
}

static void check(void)
{
    for (int g = 0; g < GROUPS; g++) {
        bool unfenced[INSTANCES] = { false };
        expect(committed_of(g) == s.committed[g], "what was committed is what is read");
        for (int i = 0; i < CLIENTS; i++) {
            struct client *c = &s.clients[g][i];
            expect(c->doing == NOTHING || s.now_ns - c->parked_ns <= PARKED_MAX_MS * MS, "nothing waits for ever");
            if (!c->alive || c->instance < 0 || !c->id[0] || !c->member)
                continue;
            /* Asked with a generation that cannot be: only who he is counts. */
            int16_t error = group_heartbeat(s.groups, group_of(c), slice_str(c->id), instance_of(c), INT32_MAX, s.now_ns);
            if (error == KAFKA_ILLEGAL_GENERATION) {
                expect(!unfenced[c->instance], "one of a static member's duplicates is not fenced");
                unfenced[c->instance] = true;
            }
        }
    }
}

/* Nobody comes or goes any more: each group is stable with all who live, or empty. */
static void settle(void)
{
    for (int i = 0; i < 200; i++) {
        for (int g = 0; g < GROUPS; g++)
            for (int k = 0; k < CLIENTS; k++)
                if (s.clients[g][k].alive) {
                    client_step(&s.clients[g][k]);
                    s.clients[g][k].hung = false;
                }
        pass(500);
        check();
    }
    for (int g = 0; g < GROUPS; g++) {
        struct group_info info = { .state = GROUP_EMPTY };
        uint32_t alive = 0;
        for (int k = 0; k < CLIENTS; k++) {
            const struct client *c = &s.clients[g][k];
            alive += c->alive;
            expect(!c->alive || (c->member && c->synced && c->generation == s.newest[g]), "left alone, all are members of one generation");
        }
        (void)group_get(s.groups, slice_str(names[g]), &info);
        expect(info.state == (alive ? GROUP_STABLE : GROUP_EMPTY), "left alone, a group is stable, or empty");
        expect(info.member_count == alive, "and has no other members");
    }
}

static void story(uint64_t seed)
{
    struct topic *topic;
    s = (struct sim){ .seed = seed, .io = s.io, .joins = s.joins, .stables = s.stables, .restarts = s.restarts, .fenced = s.fenced };
    prng_init(&s.prng, seed);
    io_simulated_reset(s.io, &(struct io_simulated_options){ .seed = seed });
    s.delay_ms = below(2) ? 3000 : 0;
    coordinator_open();
    expect(store_topic_ensure(s.store, SLICE("orders"), GROUPS, &topic, &s.error) == 0, s.error.message);
    for (int g = 0; g < GROUPS; g++)
        for (int i = 0; i < CLIENTS; i++)
            s.clients[g][i] = (struct client){ .group = g, .index = i, .instance = i < 3 ? i % INSTANCES : -1, .id_required = below(2), .skip = below(2) };
    for (int step = 0; step < STEPS; step++) {
        client_chance(&s.clients[below(GROUPS)][below(CLIENTS)]);
        if (below(3) == 0)
            pass((int64_t)below(below(10) == 0 ? 4000 : 200));
        if (below(150) == 0)
            coordinator_restart(below(2));
        check();
    }
    settle();
    groups_close(s.groups);
    store_close(s.store);
}

int main(int argc, char **argv)
{
    struct seeds seeds = seeds_take(argc, argv, 0, 300);
    struct io *io = io_simulated_new(&(struct io_simulated_options){ .seed = seeds.first });
    s.io = io;
    for (uint64_t i = 0; i < seeds.count; i++)
        story(seeds.first + i);
    printf("%" PRIu64 " joins, %" PRIu64 " assignments, %" PRIu64 " restarts, %" PRIu64 " fenced\n", s.joins, s.stables, s.restarts, s.fenced);
    io_simulated_free(io);
    return 0;
}
