/*
 * group_rebalance: from one generation to the next. A rebalance gathers the joins of all members (PREPARING), tells them of the new generation at once
 * (COMPLETING), and is over when the leader has sent what he assigned (STABLE). Those that do not come in time are no members any more;
 * of static ones only the end of their session says so (KIP-345).
 */
#include "broker/group_parts.h"

const struct group_protocol *member_protocol(const struct group_member *member, struct slice name)
{
    for (uint32_t i = 0; i < member->protocol_count; i++)
        if (slice_eq(member->protocols[i].name, name))
            return &member->protocols[i];
    return NULL;
}

static bool all_have(const struct group *group, struct slice protocol)
{
    for (struct list *l = group->members.next; l != &group->members; l = l->next)
        if (!member_protocol(container_of(l, struct group_member, link), protocol))
            return false;
    return true;
}

bool group_protocols_fit(const struct group *group, const struct group_join *join)
{
    if (join->protocol_count == 0 || join->protocol_count > GROUP_PROTOCOLS_MAX || join->protocol_type.len == 0 ||
        join->protocol_type.len > GROUP_PROTOCOL_TYPE_MAX)
        return false;
    if (!group || group->member_count == 0)
        return true;
    if (!slice_eq(group->protocol_type, join->protocol_type))
        return false;
    for (uint32_t i = 0; i < join->protocol_count; i++)
        if (all_have(group, join->protocols[i].name))
            return true;
    return false;
}

/* A member's vote is the first of its protocols that all have. */
static uint32_t votes_for(const struct group *group, struct slice protocol)
{
    uint32_t votes = 0;
    for (struct list *l = group->members.next; l != &group->members; l = l->next) {
        const struct group_member *member = container_of(l, struct group_member, link);
        uint32_t i = 0;
        while (i < member->protocol_count && !all_have(group, member->protocols[i].name))
            i++;
        votes += i < member->protocol_count && slice_eq(member->protocols[i].name, protocol);
    }
    return votes;
}

struct slice group_protocol_choose(const struct group *group)
{
    const struct group_member *judge = group->leader;
    struct slice best = { 0 };
    uint32_t most = 0;
    if (!judge && !list_empty(&group->members))
        judge = container_of(group->members.next, struct group_member, link);
    for (uint32_t i = 0; judge && i < judge->protocol_count; i++) {
        uint32_t votes = all_have(group, judge->protocols[i].name) ? votes_for(group, judge->protocols[i].name) : 0;
        if (votes > most) {
            most = votes;
            best = judge->protocols[i].name;
        }
    }
    return best;
}

static int64_t rebalance_timeout_ms(const struct group *group)
{
    int32_t longest = 0;
    for (struct list *l = group->members.next; l != &group->members; l = l->next) {
        const struct group_member *member = container_of(l, struct group_member, link);
        longest = member->rebalance_timeout_ms > longest ? member->rebalance_timeout_ms : longest;
    }
    return longest;
}

/* --- a rebalance ends --------------------------------------------------------------------------------- */

static void become_empty(struct groups *groups, struct group *group)
{
    group->generation++;
    group->leader = NULL;
    group->initial = false;
    owned_set(&group->protocol, slice_of(NULL, 0));
    group->state_time_ms = store_time_ms(groups->store);
    group_state_set(group, GROUP_EMPTY);
    group_timer_clear(groups, group);
    /* When it cannot be recorded, a restart finds its former members, whose sessions end soon; nobody was told of this generation. */
    (void)group_record_write(groups, group, false);
}

static bool leader_elect(struct group *group)
{
    if (group->leader && group->leader->joining)
        return true;
    for (struct list *l = group->members.next; l != &group->members; l = l->next) {
        struct group_member *member = container_of(l, struct group_member, link);
        if (member->joining) {
            group->leader = member;
            return true;
        }
    }
    return false;
}

/* Dynamic members that have not come, when `only_nameless` those that could not come again. */
static void members_drop(struct groups *groups, struct group *group, bool only_nameless)
{
    struct list *next;
    for (struct list *l = group->members.next; l != &group->members; l = next) {
        struct group_member *member = container_of(l, struct group_member, link);
        next = l->next;
        if (!member->joining && (only_nameless ? member->nameless : !member->instance.data))
            member_remove(groups, member, KAFKA_UNKNOWN_MEMBER_ID);
    }
}

/* The generation cannot be recorded, so nobody may hear of it: the members are told to ask again. */
static void joins_refuse(struct groups *groups, struct group *group, int16_t error)
{
    for (struct list *l = group->members.next; l != &group->members; l = l->next) {
        struct group_member *member = container_of(l, struct group_member, link);
        if (member->joining)
            waiting_fail(groups, member->joining, error);
    }
    members_drop(groups, group, true);
    if (group->member_count == 0)
        become_empty(groups, group);
    else
        group_timer_set(groups, group, TIMER_REBALANCE, rebalance_timeout_ms(group));
}

static void generation_begin(struct groups *groups, struct group *group)
{
    struct slice protocol = group_protocol_choose(group);
    ASSERT(protocol.data);
    for (struct list *l = group->members.next; l != &group->members; l = l->next)
        member_assign(groups, container_of(l, struct group_member, link), NULL, 0);
    group->generation++;
    group->state_time_ms = store_time_ms(groups->store);
    int r = owned_set(&group->protocol, protocol) ? group_record_write(groups, group, false) : EDDA_ENOMEM;
    if (r < 0) {
        joins_refuse(groups, group, group_append_error(r));
        return;
    }
    group_state_set(group, GROUP_COMPLETING);
    group_timer_set(groups, group, TIMER_SYNC, rebalance_timeout_ms(group));
    for (struct list *l = group->members.next; l != &group->members; l = l->next) {
        struct group_member *member = container_of(l, struct group_member, link);
        member->owes_sync = member->joining != NULL;
        if (!member->joining)
            continue;
        member->nameless = false;
        waiting_join_end(groups, member->joining, member, group->leader->id, member == group->leader, false);
    }
}

static void rebalance_end(struct groups *groups, struct group *group)
{
    ASSERT(group->state == GROUP_PREPARING);
    group->initial = false;
    members_drop(groups, group, false);
    if (group->member_count == 0)
        become_empty(groups, group);
    else if (leader_elect(group))
        generation_begin(groups, group);
    else /* only static ones are left, and none has come: their sessions will end, or they come */
        group_timer_set(groups, group, TIMER_REBALANCE, rebalance_timeout_ms(group));
}

void group_rebalance_check(struct groups *groups, struct group *group)
{
    if (group->state == GROUP_PREPARING && !group->initial && group->joining_count == group->member_count && group->expected_count == 0)
        rebalance_end(groups, group);
}

/* --- a rebalance begins ------------------------------------------------------------------------------- */

static void rebalance_begin(struct groups *groups, struct group *group)
{
    for (struct list *l = group->members.next; l != &group->members; l = l->next) {
        struct group_member *member = container_of(l, struct group_member, link);
        member->owes_sync = false;
        if (member->syncing)
            waiting_fail(groups, member->syncing, KAFKA_REBALANCE_IN_PROGRESS);
    }
    int64_t delay_ms = groups->options.rebalance_delay_ms;
    group->initial = group->state == GROUP_EMPTY && delay_ms > 0;
    group_state_set(group, GROUP_PREPARING);
    int64_t timeout_ms = rebalance_timeout_ms(group);
    if (group->initial) {
        group->more_came = false;
        delay_ms = delay_ms < timeout_ms ? delay_ms : timeout_ms;
        group->initial_left_ms = timeout_ms - delay_ms;
        group_timer_set(groups, group, TIMER_INITIAL, delay_ms);
    } else {
        group_timer_set(groups, group, TIMER_REBALANCE, timeout_ms);
        group_rebalance_check(groups, group);
    }
}

void group_rebalance(struct groups *groups, struct group *group)
{
    if (group->state == GROUP_PREPARING)
        group_rebalance_check(groups, group);
    else
        rebalance_begin(groups, group);
}

void group_member_gone(struct groups *groups, struct group *group)
{
    if (group->state == GROUP_STABLE || group->state == GROUP_COMPLETING)
        rebalance_begin(groups, group);
    else
        group_rebalance_check(groups, group);
}

/* --- time --------------------------------------------------------------------------------------------- */

static void initial_due(struct groups *groups, struct group *group)
{
    int64_t delay_ms = groups->options.rebalance_delay_ms < group->initial_left_ms ? groups->options.rebalance_delay_ms : group->initial_left_ms;
    if (!group->more_came || delay_ms == 0) {
        rebalance_end(groups, group);
        return;
    }
    group->more_came = false;
    group->initial_left_ms -= delay_ms;
    group_timer_set(groups, group, TIMER_INITIAL, delay_ms);
}

/* Who was told of the generation and has not asked for his part is gone. */
static void sync_due(struct groups *groups, struct group *group)
{
    struct list *next;
    bool gone = false;
    group_timer_clear(groups, group);
    for (struct list *l = group->members.next; l != &group->members; l = next) {
        struct group_member *member = container_of(l, struct group_member, link);
        next = l->next;
        if (member->owes_sync) {
            gone = true;
            member_remove(groups, member, KAFKA_UNKNOWN_MEMBER_ID);
        }
    }
    /* A static leader may have been absent from the start of what he is to assign. */
    if (gone || group->state == GROUP_COMPLETING)
        rebalance_begin(groups, group);
}

void group_timer_due(struct groups *groups, struct group *group)
{
    switch (group->timer_kind) {
    case TIMER_INITIAL:
        initial_due(groups, group);
        break;
    case TIMER_REBALANCE:
        rebalance_end(groups, group);
        break;
    case TIMER_SYNC:
        sync_due(groups, group);
        break;
    case TIMER_NONE:
        UNREACHABLE();
    }
}
