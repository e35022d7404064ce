/*
 * group_join: JoinGroup. Somebody new (with an id of the group's making, KIP-394), one that was given its id just before, a member that comes again,
 * or a static one that takes its predecessor's place (KIP-345, KIP-814).
 */
#include <stdio.h>

#include "broker/group_parts.h"
#include "store/uuid.h"

struct joining {
    struct groups *groups;
    const struct group_join *join;
    struct group *group;
    struct waiting *waiting;
};

static void join_fail(struct joining *j, int16_t error)
{
    waiting_fail(j->groups, j->waiting, error);
}

/* `<client id>-<uuid>`, of a static one `<instance>-<uuid>`. Lies in the answer's arena; data NULL when out of memory. */
static struct slice id_new(struct joining *j)
{
    struct slice name = j->join->instance.len ? j->join->instance : j->join->client_id;
    uint8_t id[16];
    char text[UUID_TEXT_BYTES];
    uint8_t *at = arena_bytes(&j->waiting->arena, name.len + 1 + sizeof(text));
    if (!at)
        return slice_of(NULL, 0);
    uuid_random(j->groups->store, id);
    uuid_print(id, text);
    if (name.len)
        memcpy(at, name.data, name.len);
    at[name.len] = '-';
    memcpy(at + name.len + 1, text, sizeof(text));
    return slice_of(at, name.len + 1 + sizeof(text));
}

/* Whether one more may come. While a rebalance gathers joins, only those that have come count: the others may have been replaced. */
static bool room_for_one(const struct group *group)
{
    uint32_t count = group->state == GROUP_PREPARING ? group->joining_count : group->member_count;
    return count + group->expected_count < GROUP_MEMBERS_MAX && group->member_count < 2 * GROUP_MEMBERS_MAX;
}

/* Names as long as a record can hold. */
static bool names_fit(const struct group_join *join)
{
    size_t longest = GROUP_RECORD_STRING_MAX - 1 - UUID_TEXT_BYTES;
    return join->client_id.len <= longest && join->instance.len <= longest && join->client_host.len <= longest;
}

static struct group_member *member_made(struct joining *j, struct slice id, bool expected)
{
    struct group_member *member = member_new(j->join, id);
    if (!member) {
        join_fail(j, KAFKA_COORDINATOR_NOT_AVAILABLE);
        return NULL;
    }
    if (!group_bytes_allowed(j->groups, j->group, member_bytes(member))) {
        member_free(member);
        join_fail(j, KAFKA_GROUP_MAX_SIZE_REACHED);
        return NULL;
    }
    if (!member_add(j->groups, j->group, member, expected)) {
        member_free(member);
        join_fail(j, KAFKA_COORDINATOR_NOT_AVAILABLE);
        return NULL;
    }
    return member;
}

/* Whether there is room for what a member says anew. */
static bool change_allowed(const struct joining *j, const struct group_member *member, const struct group_member *news)
{
    size_t now = member_bytes(member) - member->assignment.len, then = member_bytes(news);
    return then <= now || group_bytes_allowed(j->groups, j->group, then - now);
}

static void park_and_rebalance(struct joining *j, struct group_member *member)
{
    struct group *group = j->group;
    waiting_park(j->groups, j->waiting, member);
    if (group->state == GROUP_PREPARING && group->initial)
        group->more_came = true;
    group_rebalance(j->groups, group);
}

/* Somebody of this id becomes a member. */
static void member_comes(struct joining *j, struct slice id, bool nameless)
{
    struct group *group = j->group;
    if (group->member_count == 0 && !owned_set(&group->protocol_type, j->join->protocol_type)) {
        join_fail(j, KAFKA_COORDINATOR_NOT_AVAILABLE);
        return;
    }
    struct group_member *member = member_made(j, id, false);
    if (!member)
        return;
    member->nameless = nameless;
    if (!group->leader)
        group->leader = member;
    park_and_rebalance(j, member);
}

/* --- static members ----------------------------------------------------------------------------------- */

/* The predecessor's requests are over; its name is worth nothing from now on. */
static void predecessor_fence(struct joining *j, struct group_member *member)
{
    if (member->joining)
        waiting_fail(j->groups, member->joining, KAFKA_FENCED_INSTANCE_ID);
    if (member->syncing)
        waiting_fail(j->groups, member->syncing, KAFKA_FENCED_INSTANCE_ID);
}

/* In a stable group nothing else changes, unless the choice of the protocol would. True when the join is over. */
static bool replaced_in_stable(struct joining *j, struct group_member *member, struct group_member *before)
{
    struct group *group = j->group;
    if (!slice_eq(group_protocol_choose(group), group->protocol))
        return false;
    int r = group_record_write(j->groups, group, true);
    if (r < 0) {
        member_exchange(j->groups, member, before);
        join_fail(j, group_append_error(r));
        return true;
    }
    predecessor_fence(j, member);
    session_renew(j->groups, member);
    /* A leader that does not know how to skip the assignment must not take itself for the leader: it would assign anew, and nobody would hear of it. */
    bool leads = member == group->leader && j->join->skip_assignment;
    struct slice leader = member == group->leader && !leads ? before->id : group->leader->id;
    waiting_join_end(j->groups, j->waiting, member, leader, leads, leads);
    return true;
}

static void static_replace(struct joining *j, struct group_member *member, struct slice id)
{
    struct group_member *before = member_new(j->join, id);
    if (!before) {
        join_fail(j, KAFKA_COORDINATOR_NOT_AVAILABLE);
        return;
    }
    if (!change_allowed(j, member, before)) {
        member_free(before);
        join_fail(j, KAFKA_GROUP_MAX_SIZE_REACHED);
        return;
    }
    member_exchange(j->groups, member, before);
    if (j->group->state != GROUP_STABLE || !replaced_in_stable(j, member, before)) {
        predecessor_fence(j, member);
        park_and_rebalance(j, member);
    }
    member_free(before);
}

/* --- somebody without an id ----------------------------------------------------------------------------- */

static void join_without_id(struct joining *j)
{
    struct slice id = id_new(j);
    if (!id.data) {
        join_fail(j, KAFKA_COORDINATOR_NOT_AVAILABLE);
        return;
    }
    struct group_member *predecessor = j->join->instance.len ? instance_find(j->groups, j->group, j->join->instance) : NULL;
    if (predecessor) {
        static_replace(j, predecessor, id);
    } else if (!room_for_one(j->group)) {
        join_fail(j, KAFKA_GROUP_MAX_SIZE_REACHED);
    } else if (j->join->instance.len || !j->join->member_id_required) {
        member_comes(j, id, j->join->instance.len == 0);
    } else {
        struct group_member *member = member_made(j, id, true);
        if (!member)
            return;
        session_renew(j->groups, member);
        j->waiting->joined.member = id;
        join_fail(j, KAFKA_MEMBER_ID_REQUIRED);
    }
}

/* --- somebody with an id -------------------------------------------------------------------------------- */

static bool protocols_same(const struct group_member *member, const struct group_join *join)
{
    if (member->protocol_count != join->protocol_count)
        return false;
    for (uint32_t i = 0; i < join->protocol_count; i++)
        if (!slice_eq(member->protocols[i].name, join->protocols[i].name) || !slice_eq(member->protocols[i].metadata, join->protocols[i].metadata))
            return false;
    return true;
}

/* The member says anew what it is, and the group rebalances. */
static void member_again(struct joining *j, struct group_member *member)
{
    struct group_join join = *j->join;
    join.instance = member->instance;
    struct group_member *news = member_new(&join, member->id);
    if (!news) {
        join_fail(j, KAFKA_COORDINATOR_NOT_AVAILABLE);
        return;
    }
    if (!change_allowed(j, member, news)) {
        join_fail(j, KAFKA_GROUP_MAX_SIZE_REACHED);
    } else {
        member_exchange(j->groups, member, news);
        park_and_rebalance(j, member);
    }
    member_free(news);
}

/* It was given the id, and comes with it now. */
static void expected_comes(struct joining *j, struct group_member *expected)
{
    struct slice id = arena_copy(&j->waiting->arena, expected->id);
    if (j->join->instance.len) {
        join_fail(j, KAFKA_UNKNOWN_MEMBER_ID);
    } else if (!id.data) {
        join_fail(j, KAFKA_COORDINATOR_NOT_AVAILABLE);
    } else {
        member_remove(j->groups, expected, KAFKA_UNKNOWN_MEMBER_ID);
        if (room_for_one(j->group))
            member_comes(j, id, false);
        else
            join_fail(j, KAFKA_GROUP_MAX_SIZE_REACHED);
        group_rebalance_check(j->groups, j->group);
    }
}

static void join_with_id(struct joining *j)
{
    struct group *group = j->group;
    struct group_member *member = member_find(j->groups, group, j->join->member);
    if (member && member->expected) {
        expected_comes(j, member);
        return;
    }
    int16_t error = member_check(j->groups, group, j->join->member, j->join->instance, &member);
    if (error != KAFKA_NONE) {
        join_fail(j, error);
        return;
    }
    bool leads = member == group->leader;
    bool same = protocols_same(member, j->join);
    /* The answer to its last join may have been lost. But a leader that joins in a stable group wants to assign anew. */
    if (same && (group->state == GROUP_COMPLETING || (group->state == GROUP_STABLE && !leads))) {
        session_renew(j->groups, member);
        waiting_join_end(j->groups, j->waiting, member, group->leader->id, leads, false);
    } else {
        ASSERT(group->state != GROUP_EMPTY);
        member_again(j, member);
    }
}

/* --- the call ------------------------------------------------------------------------------------------- */

static void join_run(struct joining *j)
{
    const struct group_join *join = j->join;
    if (join->group.len == 0 || join->group.len > GROUP_NAME_MAX) {
        join_fail(j, KAFKA_INVALID_GROUP_ID);
        return;
    }
    if (join->session_timeout_ms < GROUP_SESSION_MIN_MS || join->session_timeout_ms > GROUP_SESSION_MAX_MS) {
        join_fail(j, KAFKA_INVALID_SESSION_TIMEOUT);
        return;
    }
    j->group = group_find(j->groups, join->group);
    if (!j->group && join->member.len) {
        join_fail(j, KAFKA_UNKNOWN_MEMBER_ID);
        return;
    }
    if (!group_protocols_fit(j->group, join)) {
        join_fail(j, KAFKA_INCONSISTENT_GROUP_PROTOCOL);
        return;
    }
    if (!names_fit(join) || (!j->group && j->groups->by_name.count >= GROUPS_MAX)) {
        join_fail(j, KAFKA_GROUP_MAX_SIZE_REACHED);
        return;
    }
    if (!j->group)
        j->group = group_new(j->groups, join->group);
    if (!j->group)
        join_fail(j, KAFKA_COORDINATOR_NOT_AVAILABLE);
    else if (join->member.len)
        join_with_id(j);
    else
        join_without_id(j);
}

int group_join(struct groups *groups, const struct group_join *join, int64_t now_ns, void *waiter, struct group_joined *ret_joined)
{
    groups_enter(groups, now_ns);
    struct joining j = { groups, join, NULL, waiting_new(WAITING_JOIN, waiter) };
    if (!j.waiting) {
        *ret_joined = (struct group_joined){ .error = KAFKA_COORDINATOR_NOT_AVAILABLE, .generation = -1 };
        return 1;
    }
    join_run(&j);
    return group_call_end(groups, j.waiting, ret_joined, NULL);
}
