/* group_info: what DescribeGroups and ListGroups tell, and which topics the members of a group are subscribed to. */
#include "broker/group_parts.h"

static void info_of(const struct group *group, struct group_info *ret_info)
{
    bool stable = group->state == GROUP_STABLE;
    *ret_info = (struct group_info){
        .group = group_name(group), .protocol_type = group->protocol_type, .protocol = stable ? group->protocol : SLICE(""),
        .state = group->state, .generation = group->generation, .member_count = group->member_count,
    };
}

int group_get(struct groups *groups, struct slice name, struct group_info *ret_info)
{
    int r = groups_fold(groups, NULL);
    if (r < 0)
        return r;
    const struct group *group = group_find(groups, name);
    if (!group)
        return EDDA_ENOTFOUND;
    info_of(group, ret_info);
    return 0;
}

/* Metadata and assignments are those of a generation, so there are none to tell of before it is stable. */
int group_members_each(struct groups *groups, struct slice name, int (*visit)(void *user, const struct group_member_info *member), void *user)
{
    const struct group *group = group_find(groups, name);
    int r = 0;
    if (!group)
        return EDDA_ENOTFOUND;
    for (struct list *l = group->members.next; l != &group->members && r == 0; l = l->next) {
        const struct group_member *member = container_of(l, struct group_member, link);
        struct group_member_info info = {
            .member = member->id, .instance = member->instance, .client_id = member->client_id, .client_host = member->client_host,
            .metadata = SLICE(""), .assignment = SLICE(""),
        };
        if (group->state == GROUP_STABLE) {
            const struct group_protocol *protocol = member_protocol(member, group->protocol);
            info.metadata = protocol ? protocol->metadata : SLICE("");
            info.assignment = member->assignment;
        }
        r = visit(user, &info);
    }
    return r;
}

int groups_each(struct groups *groups, int (*visit)(void *user, const struct group_info *group), void *user)
{
    int r = groups_fold(groups, NULL);
    for (struct table_link *l = table_each(&groups->by_name, NULL); l && r == 0; l = table_each(&groups->by_name, l)) {
        struct group_info info;
        info_of(container_of(l, struct group, link), &info);
        r = visit(user, &info);
    }
    return r;
}

/* --- subscriptions -------------------------------------------------------------------------------------- */

/* Kafka's ConsumerProtocolSubscription begins in all versions with int16 version, []string topics. What does not parse may mean any topic. */
static bool subscription_has(struct slice metadata, struct slice topic)
{
    struct cursor c = cursor_of(metadata);
    int16_t version = (int16_t)cursor_be16(&c);
    uint32_t count = cursor_be32(&c);
    if (!cursor_ok(&c) || version < 0 || count > INT32_MAX)
        return true;
    for (uint32_t i = 0; i < count && cursor_ok(&c); i++) {
        struct slice name = cursor_bytes(&c, cursor_be16(&c));
        if (cursor_ok(&c) && slice_eq(name, topic))
            return true;
    }
    return !cursor_ok(&c);
}

bool group_subscribed(const struct group *group, struct slice topic)
{
    for (struct list *l = group->members.next; l != &group->members; l = l->next) {
        const struct group_member *member = container_of(l, struct group_member, link);
        for (uint32_t i = 0; i < member->protocol_count; i++)
            if (subscription_has(member->protocols[i].metadata, topic))
                return true;
    }
    return false;
}

void groups_sizes(const struct groups *groups, uint64_t *ret_bytes, uint64_t *ret_offsets)
{
    *ret_bytes = groups->bytes;
    *ret_offsets = groups->offsets.count;
}
