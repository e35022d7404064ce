/*
 * group_waiting: joins and syncs that are under way. Each ends once, with a copy of its answer; whoever waits for it is told at the end of the call in which that
 * happened, when the groups are in order again, so that the callback may make calls of its own.
 */
#include <stdlib.h>

#include "broker/group_parts.h"

#define ARENA_BLOCK_BYTES 512

struct waiting *waiting_new(enum waiting_kind kind, void *waiter)
{
    struct waiting *waiting = calloc(1, sizeof(*waiting));
    if (!waiting)
        return NULL;
    list_init(&waiting->ended);
    arena_init(&waiting->arena, ARENA_BLOCK_BYTES, 0);
    waiting->kind = kind;
    waiting->waiter = waiter;
    waiting->own = true;
    return waiting;
}

void waiting_free(struct waiting *waiting)
{
    arena_deinit(&waiting->arena);
    free(waiting);
}

static uint64_t hash_of(const void *waiter)
{
    return hash64_mix(0, (uint64_t)(uintptr_t)waiter);
}

static struct waiting **place_of(struct waiting *waiting)
{
    return waiting->kind == WAITING_JOIN ? &waiting->member->joining : &waiting->member->syncing;
}

void waiting_park(struct groups *groups, struct waiting *waiting, struct group_member *member)
{
    struct waiting *older = waiting->kind == WAITING_JOIN ? member->joining : member->syncing;
    if (older)
        waiting_fail(groups, older, KAFKA_REBALANCE_IN_PROGRESS);
    if (!table_insert(&groups->waitings, &waiting->by_waiter, hash_of(waiting->waiter))) {
        waiting_fail(groups, waiting, KAFKA_COORDINATOR_NOT_AVAILABLE);
        session_renew(groups, member);
        return;
    }
    waiting->member = member;
    *place_of(waiting) = waiting;
    member->group->joining_count += waiting->kind == WAITING_JOIN;
    session_renew(groups, member);
}

void waiting_unpark(struct groups *groups, struct waiting *waiting)
{
    struct group_member *member = waiting->member;
    if (!member)
        return;
    ASSERT(*place_of(waiting) == waiting);
    *place_of(waiting) = NULL;
    member->group->joining_count -= waiting->kind == WAITING_JOIN;
    waiting->member = NULL;
    table_remove(&groups->waitings, &waiting->by_waiter);
    session_renew(groups, member);
}

static void waiting_end(struct groups *groups, struct waiting *waiting)
{
    ASSERT(!waiting->over);
    waiting_unpark(groups, waiting);
    waiting->over = true;
    if (!waiting->own)
        list_push_back(&groups->ended, &waiting->ended);
}

void waiting_fail(struct groups *groups, struct waiting *waiting, int16_t error)
{
    waiting->joined = (struct group_joined){ .error = error, .generation = -1, .member = waiting->joined.member };
    waiting->synced = (struct group_synced){ .error = error };
    waiting_end(groups, waiting);
}

/* False, and the failure is noted in *failed, when out of memory. Null stays null. */
static struct slice copy(struct waiting *waiting, struct slice s, bool *failed)
{
    if (!s.data)
        return s;
    struct slice copied = s.len ? arena_copy(&waiting->arena, s) : SLICE("");
    *failed = *failed || !copied.data;
    return copied;
}

static void members_copy(struct waiting *waiting, const struct group *group, bool *failed)
{
    struct group_member_metadata *rows = arena_alloc(&waiting->arena, group->member_count * sizeof(*rows));
    uint32_t count = 0;
    if (!rows) {
        *failed = true;
        return;
    }
    for (struct list *l = group->members.next; l != &group->members; l = l->next) {
        const struct group_member *member = container_of(l, struct group_member, link);
        const struct group_protocol *protocol = member_protocol(member, group->protocol);
        rows[count].member = copy(waiting, member->id, failed);
        rows[count].instance = copy(waiting, member->instance, failed);
        rows[count++].metadata = protocol ? copy(waiting, protocol->metadata, failed) : slice_of(NULL, 0);
    }
    waiting->joined.members = rows;
    waiting->joined.member_count = count;
}

void waiting_join_end(struct groups *groups, struct waiting *waiting, const struct group_member *member, struct slice leader, bool with_members,
                      bool skip_assignment)
{
    const struct group *group = member->group;
    bool failed = false;
    waiting->joined = (struct group_joined){ .error = KAFKA_NONE, .generation = group->generation, .skip_assignment = skip_assignment };
    waiting->joined.protocol_type = copy(waiting, group->protocol_type, &failed);
    waiting->joined.protocol = copy(waiting, group->protocol, &failed);
    waiting->joined.leader = copy(waiting, leader, &failed);
    waiting->joined.member = copy(waiting, member->id, &failed);
    if (with_members)
        members_copy(waiting, group, &failed);
    if (failed)
        waiting_fail(groups, waiting, KAFKA_COORDINATOR_NOT_AVAILABLE);
    else
        waiting_end(groups, waiting);
}

void waiting_sync_end(struct groups *groups, struct waiting *waiting, const struct group_member *member)
{
    const struct group *group = member->group;
    bool failed = false;
    waiting->synced = (struct group_synced){ .error = KAFKA_NONE };
    waiting->synced.protocol_type = copy(waiting, group->protocol_type, &failed);
    waiting->synced.protocol = copy(waiting, group->protocol, &failed);
    waiting->synced.assignment = copy(waiting, member->assignment, &failed);
    if (failed)
        waiting_fail(groups, waiting, KAFKA_COORDINATOR_NOT_AVAILABLE);
    else
        waiting_end(groups, waiting);
}

void waitings_tell(struct groups *groups)
{
    struct list *first;
    if (groups->telling)
        return;
    groups->telling = true;
    while ((first = list_pop_front(&groups->ended)) != NULL) {
        struct waiting *waiting = container_of(first, struct waiting, ended);
        groups->telling_of = waiting;
        if (waiting->kind == WAITING_JOIN)
            groups->options.joined(groups->options.user, waiting->waiter);
        else
            groups->options.synced(groups->options.user, waiting->waiter);
        waiting_free(waiting);
    }
    groups->telling_of = NULL;
    groups->telling = false;
}

int group_call_end(struct groups *groups, struct waiting *waiting, struct group_joined *ret_joined, struct group_synced *ret_synced)
{
    /* A callback may end it too: then it is no news to tell, but the result of this call. */
    waitings_tell(groups);
    waiting->own = false;
    if (!waiting->over)
        return 0;
    list_push_back(&groups->told, &waiting->ended);
    if (ret_joined)
        *ret_joined = waiting->joined;
    else
        *ret_synced = waiting->synced;
    return 1;
}

void group_join_result(struct groups *groups, void *waiter, struct group_joined *ret_joined)
{
    ASSERT(groups->telling_of && groups->telling_of->waiter == waiter && groups->telling_of->kind == WAITING_JOIN);
    *ret_joined = groups->telling_of->joined;
}

void group_sync_result(struct groups *groups, void *waiter, struct group_synced *ret_synced)
{
    ASSERT(groups->telling_of && groups->telling_of->waiter == waiter && groups->telling_of->kind == WAITING_SYNC);
    *ret_synced = groups->telling_of->synced;
}

static void forget_parked(struct groups *groups, struct waiting *waiting)
{
    struct group_member *member = waiting->member;
    struct group *group = member->group;
    if (waiting->own) {
        waiting_fail(groups, waiting, KAFKA_UNKNOWN_MEMBER_ID);
    } else {
        waiting_unpark(groups, waiting);
        waiting_free(waiting);
    }
    if (member->nameless) {
        member_remove(groups, member, KAFKA_UNKNOWN_MEMBER_ID);
        group_member_gone(groups, group);
    }
}

void group_forget(struct groups *groups, void *waiter)
{
    for (struct table_link *l = table_find(&groups->waitings, hash_of(waiter)); l; l = table_find_next(l)) {
        struct waiting *waiting = container_of(l, struct waiting, by_waiter);
        if (waiting->waiter == waiter) {
            forget_parked(groups, waiting);
            waitings_tell(groups);
            return;
        }
    }
    for (struct list *l = groups->ended.next; l != &groups->ended; l = l->next) {
        struct waiting *waiting = container_of(l, struct waiting, ended);
        if (waiting->waiter == waiter) {
            list_remove(l);
            waiting_free(waiting);
            return;
        }
    }
}
