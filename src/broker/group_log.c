/*
 * group_log: the records of groups in `__consumer_offsets`. A group is recorded when a generation begins (its members, no leader: nothing is assigned yet), when it is
 * stable, when a static member is replaced, and when it has become empty; so a generation that somebody was told of is never given again, and members find the group as they left it.
 */
#include <stdlib.h>

#include "broker/group_parts.h"

int16_t group_append_error(int code)
{
    switch (code) {
    case 0:
        return KAFKA_NONE;
    case EDDA_EBUSY:
        return KAFKA_COORDINATOR_LOAD_IN_PROGRESS;
    case EDDA_ETOOLARGE:
        return KAFKA_UNKNOWN_SERVER_ERROR;
    default:
        return KAFKA_COORDINATOR_NOT_AVAILABLE;
    }
}

/* --- writing ------------------------------------------------------------------------------------------ */

int group_record_write(struct groups *groups, const struct group *group, bool stable)
{
    struct buffer *key = &groups->key, *value = &groups->value;
    const struct group_record record = {
        .protocol_type = group->protocol_type, .generation = group->generation, .protocol = group->protocol,
        .leader = stable ? group->leader->id : slice_of(NULL, 0), .state_time_ms = group->state_time_ms, .member_count = group->member_count,
    };
    buffer_clear(key);
    buffer_clear(value);
    group_record_group_key(key, group_name(group));
    group_record_put(value, &record);
    for (struct list *l = group->members.next; l != &group->members; l = l->next) {
        const struct group_member *member = container_of(l, struct group_member, link);
        const struct group_protocol *protocol = member_protocol(member, group->protocol);
        const struct group_record_member row = {
            .member = member->id, .instance = member->instance, .client_id = member->client_id, .client_host = member->client_host,
            .rebalance_timeout_ms = member->rebalance_timeout_ms, .session_timeout_ms = member->session_timeout_ms,
            .subscription = protocol ? protocol->metadata : slice_of(NULL, 0), .assignment = member->assignment,
        };
        group_record_member_put(value, &row);
    }
    if (!buffer_ok(key) || !buffer_ok(value))
        return EDDA_ENOMEM;
    return groups_append(groups, buffer_slice(key), buffer_slice(value), NULL);
}

int group_record_delete(struct groups *groups, const struct group *group)
{
    struct list *next;
    int r = 0;
    for (struct list *l = group->offsets.next; l != &group->offsets && r == 0; l = next) {
        const struct group_offset_entry *entry = container_of(l, struct group_offset_entry, of_group);
        next = l->next;
        buffer_clear(&groups->key);
        group_record_offset_key(&groups->key, group_name(group), slice_of(entry->topic, entry->topic_len), entry->partition);
        r = buffer_ok(&groups->key) ? groups_append(groups, buffer_slice(&groups->key), slice_of(NULL, 0), NULL) : EDDA_ENOMEM;
    }
    if (r < 0 || group->generation == 0) /* then there never was a record of the group itself */
        return r;
    buffer_clear(&groups->key);
    group_record_group_key(&groups->key, group_name(group));
    return buffer_ok(&groups->key) ? groups_append(groups, buffer_slice(&groups->key), slice_of(NULL, 0), NULL) : EDDA_ENOMEM;
}

/* --- reading ------------------------------------------------------------------------------------------ */

static int member_load(struct groups *groups, struct group *group, const struct group_record_member *row)
{
    const struct group_protocol protocol = { group->protocol, row->subscription };
    const struct group_join join = {
        .instance = row->instance, .client_id = row->client_id, .client_host = row->client_host, .session_timeout_ms = row->session_timeout_ms,
        .rebalance_timeout_ms = row->rebalance_timeout_ms, .protocols = &protocol, .protocol_count = 1,
    };
    uint8_t *assignment = malloc(row->assignment.len + 1);
    struct group_member *member = assignment ? member_new(&join, row->member) : NULL;
    if (!member || !member_add(groups, group, member, false)) {
        free(assignment);
        if (member)
            member_free(member);
        return EDDA_ENOMEM;
    }
    if (row->assignment.len)
        memcpy(assignment, row->assignment.data, row->assignment.len);
    member_assign(groups, member, assignment, row->assignment.len);
    return 0;
}

static void members_clear(struct groups *groups, struct group *group)
{
    while (!list_empty(&group->members))
        member_remove(groups, container_of(group->members.next, struct group_member, link), KAFKA_UNKNOWN_MEMBER_ID);
    group->leader = NULL;
}

int group_record_load(struct groups *groups, struct slice name, struct slice value)
{
    struct group_record record = { 0 };
    struct cursor members;
    struct group *group = group_find(groups, name);
    if (value.data && !group_record_parse(value, &record, &members))
        return EDDA_EFORMAT;
    if (!group && !value.data)
        return 0;
    if (!group)
        group = group_new(groups, name);
    if (!group)
        return EDDA_ENOMEM;
    members_clear(groups, group);
    /* What was loaded is no transition: the group is as the record says. */
    group->state = GROUP_EMPTY;
    group->generation = record.generation;
    group->state_time_ms = value.data ? record.state_time_ms : -1;
    if (!owned_set(&group->protocol_type, record.protocol_type) || !owned_set(&group->protocol, record.protocol))
        return EDDA_ENOMEM;
    for (uint32_t i = 0; i < record.member_count; i++) {
        struct group_record_member row;
        if (!group->protocol.data || !group_record_member_next(&members, &row))
            return EDDA_EFORMAT;
        int r = member_load(groups, group, &row);
        if (r < 0)
            return r;
    }
    if (group->member_count > 0) {
        group->leader = record.leader.data ? member_find(groups, group, record.leader) : NULL;
        group->state = group->leader ? GROUP_STABLE : GROUP_PREPARING;
    }
    return 0;
}
