/* group_member: what members do between joins: SyncGroup, Heartbeat, LeaveGroup; and whether somebody may commit. */
#include <stdlib.h>

#include "broker/group_parts.h"

/* --- SyncGroup ---------------------------------------------------------------------------------------- */

/* Gives every member its part; who has none gets the empty one. KAFKA_NONE, or nothing is to be relied on. */
static int16_t assign(struct groups *groups, struct group *group, const struct group_sync *sync)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < sync->assignment_count; i++)
        bytes += sync->assignments[i].assignment.len;
    if (!group_bytes_allowed(groups, group, bytes))
        return KAFKA_GROUP_MAX_SIZE_REACHED;
    for (uint32_t i = 0; i < sync->assignment_count; i++) {
        struct slice part = sync->assignments[i].assignment;
        struct group_member *member = member_find(groups, group, sync->assignments[i].member);
        if (!member || member->expected)
            continue;
        uint8_t *owned = malloc(part.len + 1);
        if (!owned)
            return KAFKA_COORDINATOR_NOT_AVAILABLE;
        if (part.len)
            memcpy(owned, part.data, part.len);
        member_assign(groups, member, owned, part.len);
    }
    group->state_time_ms = store_time_ms(groups->store);
    return group_append_error(group_record_write(groups, group, true));
}

static void leader_syncs(struct groups *groups, struct group *group, const struct group_sync *sync, struct waiting *waiting)
{
    int16_t error = assign(groups, group, sync);
    if (error != KAFKA_NONE) {
        for (struct list *l = group->members.next; l != &group->members; l = l->next)
            member_assign(groups, container_of(l, struct group_member, link), NULL, 0);
        waiting_fail(groups, waiting, error);
        group_rebalance(groups, group);
        return;
    }
    group_state_set(group, GROUP_STABLE);
    waiting_sync_end(groups, waiting, group->leader);
    for (struct list *l = group->members.next; l != &group->members; l = l->next) {
        struct group_member *member = container_of(l, struct group_member, link);
        if (member->syncing)
            waiting_sync_end(groups, member->syncing, member);
    }
}

static int16_t sync_check(struct groups *groups, const struct group_sync *sync, struct group_member **ret_member)
{
    struct group *group = group_find(groups, sync->group);
    if (sync->group.len == 0)
        return KAFKA_INVALID_GROUP_ID;
    if (!group)
        return KAFKA_UNKNOWN_MEMBER_ID;
    int16_t error = member_check(groups, group, sync->member, sync->instance, ret_member);
    if (error != KAFKA_NONE)
        return error;
    if (sync->generation != group->generation)
        return KAFKA_ILLEGAL_GENERATION;
    if ((sync->protocol_type.data && !slice_eq(sync->protocol_type, group->protocol_type)) ||
        (sync->protocol.data && !slice_eq(sync->protocol, group->protocol)))
        return KAFKA_INCONSISTENT_GROUP_PROTOCOL;
    return group->state == GROUP_PREPARING ? KAFKA_REBALANCE_IN_PROGRESS : KAFKA_NONE;
}

int group_sync(struct groups *groups, const struct group_sync *sync, int64_t now_ns, void *waiter, struct group_synced *ret_synced)
{
    struct group_member *member;
    groups_enter(groups, now_ns);
    struct waiting *waiting = waiting_new(WAITING_SYNC, waiter);
    if (!waiting) {
        *ret_synced = (struct group_synced){ .error = KAFKA_COORDINATOR_NOT_AVAILABLE };
        return 1;
    }
    int16_t error = sync_check(groups, sync, &member);
    if (error != KAFKA_NONE) {
        waiting_fail(groups, waiting, error);
        return group_call_end(groups, waiting, NULL, ret_synced);
    }
    struct group *group = member->group;
    member->owes_sync = false;
    session_renew(groups, member);
    if (group->state == GROUP_STABLE) {
        waiting_sync_end(groups, waiting, member);
    } else {
        ASSERT(group->state == GROUP_COMPLETING);
        if (member == group->leader)
            leader_syncs(groups, group, sync, waiting);
        else
            waiting_park(groups, waiting, member);
    }
    return group_call_end(groups, waiting, NULL, ret_synced);
}

/* --- Heartbeat, LeaveGroup ------------------------------------------------------------------------------ */

int16_t group_heartbeat(struct groups *groups, struct slice name, struct slice id, struct slice instance, int32_t generation, int64_t now_ns)
{
    struct group_member *member;
    groups_enter(groups, now_ns);
    if (name.len == 0)
        return KAFKA_INVALID_GROUP_ID;
    struct group *group = group_find(groups, name);
    if (!group)
        return KAFKA_UNKNOWN_MEMBER_ID;
    int16_t error = member_check(groups, group, id, instance, &member);
    if (error != KAFKA_NONE)
        return error;
    if (generation != group->generation)
        return KAFKA_ILLEGAL_GENERATION;
    session_renew(groups, member);
    return group->state == GROUP_PREPARING ? KAFKA_REBALANCE_IN_PROGRESS : KAFKA_NONE;
}

/* Whom a leave means: a static one may be named by its instance alone (an administrator does not know the id). */
static int16_t leaver_find(struct groups *groups, struct group *group, struct slice id, struct slice instance, struct group_member **ret_member)
{
    if (instance.len && id.len == 0) {
        *ret_member = instance_find(groups, group, instance);
        return *ret_member ? KAFKA_NONE : KAFKA_UNKNOWN_MEMBER_ID;
    }
    struct group_member *member = member_find(groups, group, id);
    if (member && member->expected && instance.len == 0) {
        *ret_member = member;
        return KAFKA_NONE;
    }
    return member_check(groups, group, id, instance, ret_member);
}

int16_t group_leave(struct groups *groups, struct slice name, struct slice id, struct slice instance, int64_t now_ns)
{
    struct group_member *member;
    groups_enter(groups, now_ns);
    if (name.len == 0)
        return KAFKA_INVALID_GROUP_ID;
    struct group *group = group_find(groups, name);
    if (!group)
        return KAFKA_UNKNOWN_MEMBER_ID;
    int16_t error = leaver_find(groups, group, id, instance, &member);
    if (error != KAFKA_NONE)
        return error;
    bool expected = member->expected;
    member_remove(groups, member, KAFKA_UNKNOWN_MEMBER_ID);
    if (expected)
        group_rebalance_check(groups, group);
    else
        group_member_gone(groups, group);
    waitings_tell(groups);
    return KAFKA_NONE;
}

/* --- who may commit ------------------------------------------------------------------------------------- */

static int16_t commit_check_member(struct groups *groups, struct group *group, const struct group_caller *caller)
{
    struct group_member *member;
    int16_t error = member_check(groups, group, caller->member, caller->instance, &member);
    if (error != KAFKA_NONE)
        return error;
    if (caller->generation != group->generation)
        return KAFKA_ILLEGAL_GENERATION;
    if (caller->transactional)
        return KAFKA_NONE;
    session_renew(groups, member);
    return group->state == GROUP_COMPLETING ? KAFKA_REBALANCE_IN_PROGRESS : KAFKA_NONE;
}

int16_t group_commit_check(struct groups *groups, const struct group_caller *caller, int64_t now_ns)
{
    groups_enter(groups, now_ns);
    bool nobody = caller->generation < 0 && caller->member.len == 0 && caller->instance.len == 0;
    if (caller->group.len == 0 || caller->group.len > GROUP_NAME_MAX)
        return KAFKA_INVALID_GROUP_ID;
    struct group *group = group_find(groups, caller->group);
    if (!group)
        return caller->generation < 0 ? KAFKA_NONE : KAFKA_ILLEGAL_GENERATION;
    if (caller->generation < 0 && group->state == GROUP_EMPTY)
        return KAFKA_NONE;
    if (!nobody)
        return commit_check_member(groups, group, caller);
    return caller->transactional ? KAFKA_NONE : KAFKA_UNKNOWN_MEMBER_ID;
}
