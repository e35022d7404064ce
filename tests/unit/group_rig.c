/* group_rig: see group_rig.h. */
#include "group_rig.h"

#include <string.h>

struct rig rig;

static struct slice text(const char *s)
{
    return slice_of(s, s ? strlen(s) : 0);
}

static void copy_to(char *to, size_t size, struct slice s)
{
    snprintf(to, size, "%.*s", (int)s.len, s.len ? (const char *)s.data : "");
}

static void heard_join(struct talk *talk, const struct group_joined *j)
{
    talk->error = j->error;
    talk->generation = j->generation;
    talk->skip = j->skip_assignment;
    talk->member_count = j->member_count;
    copy_to(talk->member, sizeof(talk->member), j->member);
    copy_to(talk->leader, sizeof(talk->leader), j->leader);
    copy_to(talk->protocol, sizeof(talk->protocol), j->protocol);
    talk->members[0] = 0;
    for (uint32_t i = 0; i < j->member_count; i++) {
        size_t len = strlen(talk->members);
        snprintf(talk->members + len, sizeof(talk->members) - len, "%s%.*s:%.*s", i ? " " : "", (int)j->members[i].member.len,
                 (const char *)j->members[i].member.data, (int)j->members[i].metadata.len, (const char *)j->members[i].metadata.data);
    }
}

static void heard_sync(struct talk *talk, const struct group_synced *s)
{
    talk->error = s->error;
    copy_to(talk->assignment, sizeof(talk->assignment), s->assignment);
}

static void joined(void *user, void *waiter)
{
    struct talk *talk = waiter;
    struct group_joined j;
    (void)user;
    assert_int_equal(talk->error, PARKED);
    group_join_result(rig.groups, waiter, &j);
    heard_join(talk, &j);
    talk->told++;
    if (talk->then)
        talk->then(talk);
}

static void synced(void *user, void *waiter)
{
    struct talk *talk = waiter;
    struct group_synced s;
    (void)user;
    assert_int_equal(talk->error, PARKED);
    group_sync_result(rig.groups, waiter, &s);
    heard_sync(talk, &s);
    talk->told++;
    if (talk->then)
        talk->then(talk);
}

static void rig_open(void)
{
    const struct store_options options = { .log = { .segment_bytes = UINT64_C(4) << 20 } };
    int r = store_open(rig.io, "/data", &options, &rig.store, NULL, &rig.error);
    if (r != 0)
        fail_msg("store: %d %s", r, rig.error.message);
    const struct groups_options groups = { rig.store, rig.delay_ms, joined, synced, NULL };
    r = groups_open(&groups, &rig.groups, &rig.error);
    if (r != 0)
        fail_msg("groups: %d %s", r, rig.error.message);
}

int rig_setup(void **state)
{
    struct topic *topic;
    (void)state;
    rig = (struct rig){ .io = io_simulated_new(&(struct io_simulated_options){ .seed = 1 }) };
    if (!rig.io)
        return -1;
    rig_open();
    return store_topic_ensure(rig.store, SLICE("orders"), 4, &topic, &rig.error) ||
           store_topic_ensure(rig.store, SLICE("points"), 4, &topic, &rig.error) || store_flush(rig.store, &rig.error);
}

int rig_teardown(void **state)
{
    (void)state;
    groups_close(rig.groups);
    store_close(rig.store);
    io_simulated_free(rig.io);
    return 0;
}

void rig_restart(bool lost)
{
    groups_close(rig.groups);
    if (lost) {
        io_simulated_crash(rig.io, false);
        store_abandon(rig.store);
    } else {
        store_close(rig.store);
    }
    rig_open();
}

void rig_pass(int64_t ms)
{
    int64_t end_ns = rig.now_ns + ms * MS;
    for (;;) {
        int64_t due_ns = groups_turn(rig.groups, rig.now_ns);
        assert_true(due_ns > rig.now_ns);
        int64_t next_ns = due_ns < end_ns ? due_ns : end_ns;
        if (next_ns == rig.now_ns)
            return;
        io_simulated_advance(rig.io, next_ns - rig.now_ns);
        rig.now_ns = next_ns;
        if (store_open_frame_bytes(rig.store) > 100000)
            assert_int_equal(store_flush(rig.store, &rig.error), 0);
    }
}

struct actor actor_of(struct actor said)
{
    said.group = said.group ? said.group : "g";
    said.client = said.client ? said.client : "c";
    said.session_ms = said.session_ms ? said.session_ms : 10000;
    said.rebalance_ms = said.rebalance_ms ? said.rebalance_ms : 20000;
    said.type = said.type ? said.type : "consumer";
    said.protocols = said.protocols ? said.protocols : "range:m";
    return said;
}

static uint32_t protocols_parse(const char *s, struct group_protocol *protocols)
{
    uint32_t n = 0;
    while (*s && n < 8) {
        size_t name = strcspn(s, ":"), rest = strcspn(s + name + 1, " ");
        protocols[n++] = (struct group_protocol){ slice_of(s, name), slice_of(s + name + 1, rest) };
        s += name + 1 + rest;
        s += *s == ' ';
    }
    return n;
}

int join(struct actor *a)
{
    struct group_protocol protocols[8];
    struct group_joined j;
    struct group_join join = {
        .group = text(a->group), .member = text(a->id), .instance = text(a->instance), .client_id = text(a->client), .client_host = SLICE("/127.0.0.1"),
        .session_timeout_ms = a->session_ms, .rebalance_timeout_ms = a->rebalance_ms, .protocol_type = text(a->type), .protocols = protocols,
        .protocol_count = protocols_parse(a->protocols, protocols), .member_id_required = a->id_required, .skip_assignment = a->skip,
    };
    a->talk = (struct talk){ .error = PARKED, .then = a->talk.then };
    if (group_join(rig.groups, &join, rig.now_ns, &a->talk, &j))
        heard_join(&a->talk, &j);
    if (a->talk.error == KAFKA_MEMBER_ID_REQUIRED || a->talk.error == KAFKA_NONE)
        snprintf(a->id, sizeof(a->id), "%s", a->talk.member);
    if (a->talk.error == KAFKA_NONE)
        a->generation = a->talk.generation;
    return a->talk.error;
}

/* What a join that was parked has brought. */
static void take(struct actor *a)
{
    if (a->talk.error == KAFKA_NONE && a->talk.member[0]) {
        snprintf(a->id, sizeof(a->id), "%s", a->talk.member);
        a->generation = a->talk.generation;
    }
}

int sync_with(struct actor *a, const char *assignments)
{
    struct group_protocol parts[64];
    struct group_assignment rows[64];
    struct group_synced s;
    take(a);
    uint32_t n = 0;
    for (const char *at = assignments ? assignments : ""; *at;) {
        size_t name = strcspn(at, "="), rest = strcspn(at + name + 1, " ");
        assert_true(n < 64);
        parts[n] = (struct group_protocol){ slice_of(at, name), slice_of(at + name + 1, rest) };
        rows[n] = (struct group_assignment){ parts[n].name, parts[n].metadata };
        n++;
        at += name + 1 + rest;
        at += *at == ' ';
    }
    struct group_sync sync = { .group = text(a->group), .member = text(a->id), .instance = text(a->instance), .generation = a->generation,
                               .assignments = rows, .assignment_count = n };
    a->talk = (struct talk){ .error = PARKED, .then = a->talk.then };
    if (group_sync(rig.groups, &sync, rig.now_ns, &a->talk, &s))
        heard_sync(&a->talk, &s);
    return a->talk.error;
}

int beat(struct actor *a)
{
    take(a);
    return group_heartbeat(rig.groups, text(a->group), text(a->id), text(a->instance), a->generation, rig.now_ns);
}

int leave(struct actor *a)
{
    take(a);
    return group_leave(rig.groups, text(a->group), text(a->id), text(a->instance), rig.now_ns);
}

int commit(struct actor *a, const char *topic, int64_t offset)
{
    const struct group_caller caller = { text(a->group), text(a->id), text(a->instance), a->generation, false };
    int16_t error = group_commit_check(rig.groups, &caller, rig.now_ns);
    return error ? error : group_commit(rig.groups, &caller, text(topic), 0, offset, 3, SLICE("note"));
}

int64_t committed(const char *group, const char *topic)
{
    struct group_offset offset;
    assert_int_equal(group_offset(rig.groups, text(group), text(topic), 0, &offset), 0);
    return offset.offset;
}

enum group_state state_of(const char *group)
{
    struct group_info info;
    return group_get(rig.groups, text(group), &info) == 0 ? info.state : GROUP_DEAD;
}

void settle(struct actor **actors, int count)
{
    char all[4096] = "";
    struct actor *leader = NULL;
    for (int i = 0; i < count; i++)
        if (join(actors[i]) == KAFKA_MEMBER_ID_REQUIRED)
            join(actors[i]);
    /* Members that came after the first generation make the others come again. */
    for (int i = 0; i < count; i++)
        if (actors[i]->talk.error != PARKED && state_of(actors[i]->group) == GROUP_PREPARING)
            join(actors[i]);
    for (int i = 0; i < count; i++) {
        take(actors[i]);
        assert_int_equal(actors[i]->talk.error, KAFKA_NONE);
        size_t len = strlen(all);
        snprintf(all + len, sizeof(all) - len, "%s%s=%s", i ? " " : "", actors[i]->id, actors[i]->client);
        if (strcmp(actors[i]->id, actors[i]->talk.leader) == 0)
            leader = actors[i];
    }
    assert_non_null(leader);
    for (int i = 0; i < count; i++)
        if (actors[i] != leader)
            assert_int_equal(sync_with(actors[i], NULL), PARKED);
    assert_int_equal(sync_with(leader, all), KAFKA_NONE);
    for (int i = 0; i < count; i++)
        assert_string_equal(actors[i]->talk.assignment, actors[i]->client);
    assert_int_equal(state_of(actors[0]->group), GROUP_STABLE);
}
