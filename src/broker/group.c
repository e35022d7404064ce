/* group: groups and members as objects; sessions; the turn. See group_parts.h for the rest. */
#include <inttypes.h>
#include <stdlib.h>

#include "broker/group_parts.h"

#define SWEEP_NS (INT64_C(600000) * MS_NS)

/* From which state to which. */
#define TO(state) (1u << (state))
static const unsigned legal[] = {
    [GROUP_EMPTY] = TO(GROUP_PREPARING) | TO(GROUP_DEAD),
    [GROUP_PREPARING] = TO(GROUP_COMPLETING) | TO(GROUP_EMPTY),
    [GROUP_COMPLETING] = TO(GROUP_STABLE) | TO(GROUP_PREPARING),
    [GROUP_STABLE] = TO(GROUP_PREPARING),
    [GROUP_DEAD] = 0,
};

void group_state_set(struct group *group, enum group_state state)
{
    ASSERT(legal[group->state] & TO(state));
    group->state = state;
}

const char *group_state_name(enum group_state state)
{
    static const char *const names[] = { "Empty", "PreparingRebalance", "CompletingRebalance", "Stable", "Dead" };
    ASSERT(state <= GROUP_DEAD);
    return names[state];
}

/* --- groups ------------------------------------------------------------------------------------------- */

static uint64_t hash_in(const struct groups *groups, const struct group *group, struct slice name)
{
    return hash64_mix(hash64(name, groups->seed), (uint64_t)(uintptr_t)group);
}

struct group *group_find(struct groups *groups, struct slice name)
{
    for (struct table_link *l = table_find(&groups->by_name, hash64(name, groups->seed)); l; l = table_find_next(l)) {
        struct group *group = container_of(l, struct group, link);
        if (slice_eq(group_name(group), name))
            return group;
    }
    return NULL;
}

struct group *group_new(struct groups *groups, struct slice name)
{
    struct group *group = calloc(1, sizeof(*group) + name.len);
    if (!group)
        return NULL;
    group->timer = HEAP_NODE_INIT;
    list_init(&group->members);
    list_init(&group->expected);
    list_init(&group->offsets);
    group->state_time_ms = -1;
    group->name_len = name.len;
    if (name.len)
        memcpy(group->name, name.data, name.len);
    bool listed = table_insert(&groups->by_name, &group->link, hash64(name, groups->seed));
    if (listed && heap_insert(&groups->timers, &group->timer, INT64_MAX, groups->order++))
        return group;
    if (listed)
        table_remove(&groups->by_name, &group->link);
    free(group);
    return NULL;
}

void group_free(struct groups *groups, struct group *group)
{
    ASSERT(group->member_count == 0);
    while (!list_empty(&group->expected))
        member_remove(groups, container_of(group->expected.next, struct group_member, link), KAFKA_UNKNOWN_MEMBER_ID);
    while (!list_empty(&group->offsets))
        group_offset_free(groups, container_of(group->offsets.next, struct group_offset_entry, of_group));
    group_state_set(group, GROUP_DEAD);
    heap_remove(&groups->timers, &group->timer);
    ASSERT(group->bytes == 0);
    table_remove(&groups->by_name, &group->link);
    owned_set(&group->protocol_type, slice_of(NULL, 0));
    owned_set(&group->protocol, slice_of(NULL, 0));
    free(group);
}

bool owned_set(struct slice *owned, struct slice value)
{
    uint8_t *copy = NULL;
    if (value.data) {
        copy = malloc(value.len + 1);
        if (!copy)
            return false;
        memcpy(copy, value.data, value.len);
    }
    free((void *)(uintptr_t)owned->data);
    *owned = slice_of(copy, copy ? value.len : 0);
    return true;
}

/* Timers stand in their heaps from the beginning, so that setting one cannot fail. */
static void timer_put(struct groups *groups, struct heap *heap, struct heap_node *node, int64_t delay_ms)
{
    int64_t due_ns = INT64_MAX;
    if (delay_ms < (INT64_MAX - groups->now_ns) / MS_NS)
        due_ns = groups->now_ns + delay_ms * MS_NS;
    heap_update(heap, node, due_ns);
}

void group_timer_set(struct groups *groups, struct group *group, enum group_timer kind, int64_t delay_ms)
{
    group->timer_kind = kind;
    timer_put(groups, &groups->timers, &group->timer, delay_ms);
}

void group_timer_clear(struct groups *groups, struct group *group)
{
    group->timer_kind = TIMER_NONE;
    heap_update(&groups->timers, &group->timer, INT64_MAX);
}

/* --- members ------------------------------------------------------------------------------------------ */

static uint8_t *text_put(uint8_t *at, struct slice from, struct slice *ret_text)
{
    *ret_text = slice_of(from.data ? at : NULL, from.len);
    if (from.len)
        memcpy(at, from.data, from.len);
    return at + from.len;
}

/* The protocols in one block: the rows, then what they point to. NULL when out of memory. */
static struct group_protocol *protocols_copy(const struct group_protocol *protocols, uint32_t count)
{
    size_t bytes = count * sizeof(*protocols) + 1;
    for (uint32_t i = 0; i < count; i++)
        bytes += protocols[i].name.len + protocols[i].metadata.len;
    struct group_protocol *copy = malloc(bytes);
    if (!copy)
        return NULL;
    uint8_t *at = (uint8_t *)(copy + count);
    for (uint32_t i = 0; i < count; i++) {
        at = text_put(at, protocols[i].name, &copy[i].name);
        at = text_put(at, protocols[i].metadata, &copy[i].metadata);
    }
    return copy;
}

struct group_member *member_new(const struct group_join *join, struct slice id)
{
    struct group_member *member = calloc(1, sizeof(*member));
    if (!member)
        return NULL;
    member->session = HEAP_NODE_INIT;
    list_init(&member->link);
    member->texts = malloc(id.len + join->instance.len + join->client_id.len + join->client_host.len + 1);
    member->protocols = protocols_copy(join->protocols, join->protocol_count);
    if (!member->texts || !member->protocols) {
        member_free(member);
        return NULL;
    }
    uint8_t *at = text_put(member->texts, id, &member->id);
    at = text_put(at, join->instance.len ? join->instance : slice_of(NULL, 0), &member->instance);
    at = text_put(at, join->client_id, &member->client_id);
    text_put(at, join->client_host, &member->client_host);
    member->protocol_count = join->protocol_count;
    member->session_timeout_ms = join->session_timeout_ms;
    member->rebalance_timeout_ms = join->rebalance_timeout_ms < 0 ? join->session_timeout_ms : join->rebalance_timeout_ms;
    return member;
}

void member_free(struct group_member *member)
{
    free(member->texts);
    free(member->protocols);
    free(member->assigned);
    free(member);
}

size_t member_bytes(const struct group_member *member)
{
    size_t bytes = GROUP_MEMBER_BYTES + member->id.len + member->instance.len + member->client_id.len + member->client_host.len + member->assignment.len;
    for (uint32_t i = 0; i < member->protocol_count; i++)
        bytes += sizeof(member->protocols[i]) + member->protocols[i].name.len + member->protocols[i].metadata.len;
    return bytes;
}

bool group_bytes_allowed(const struct groups *groups, const struct group *group, size_t more)
{
    return group->bytes + more <= GROUP_BYTES_MAX && groups->bytes + more <= GROUPS_BYTES_MAX;
}

static void bytes_add(struct groups *groups, struct group *group, size_t bytes)
{
    group->bytes += bytes;
    groups->bytes += bytes;
}

static void bytes_take(struct groups *groups, struct group *group, size_t bytes)
{
    ASSERT(group->bytes >= bytes && groups->bytes >= bytes);
    group->bytes -= bytes;
    groups->bytes -= bytes;
}

static bool member_index(struct groups *groups, struct group_member *member)
{
    if (!table_insert(&groups->members, &member->by_id, hash_in(groups, member->group, member->id)))
        return false;
    if (!member->instance.data || member->expected)
        return true;
    if (table_insert(&groups->instances, &member->by_instance, hash_in(groups, member->group, member->instance)))
        return true;
    table_remove(&groups->members, &member->by_id);
    return false;
}

static void member_unindex(struct groups *groups, struct group_member *member)
{
    table_remove(&groups->members, &member->by_id);
    if (member->instance.data && !member->expected)
        table_remove(&groups->instances, &member->by_instance);
}

bool member_add(struct groups *groups, struct group *group, struct group_member *member, bool expected)
{
    member->group = group;
    member->expected = expected;
    if (!heap_insert(&groups->sessions, &member->session, INT64_MAX, groups->order++))
        return false;
    if (!member_index(groups, member)) {
        heap_remove(&groups->sessions, &member->session);
        return false;
    }
    list_push_back(expected ? &group->expected : &group->members, &member->link);
    *(expected ? &group->expected_count : &group->member_count) += 1;
    bytes_add(groups, group, member_bytes(member));
    return true;
}

void member_remove(struct groups *groups, struct group_member *member, int16_t error)
{
    struct group *group = member->group;
    if (member->joining)
        waiting_fail(groups, member->joining, error);
    if (member->syncing)
        waiting_fail(groups, member->syncing, error);
    heap_remove(&groups->sessions, &member->session);
    member_unindex(groups, member);
    bytes_take(groups, group, member_bytes(member));
    list_remove(&member->link);
    *(member->expected ? &group->expected_count : &group->member_count) -= 1;
    if (group->leader == member)
        group->leader = list_empty(&group->members) ? NULL : container_of(group->members.next, struct group_member, link);
    member_free(member);
}

void member_exchange(struct groups *groups, struct group_member *member, struct group_member *other)
{
    struct group_member was = *member;
    member_unindex(groups, member);
    bytes_take(groups, member->group, member_bytes(member));
#define EXCHANGE(field) (member->field = other->field, other->field = was.field)
    EXCHANGE(texts);
    EXCHANGE(id);
    EXCHANGE(instance);
    EXCHANGE(client_id);
    EXCHANGE(client_host);
    EXCHANGE(protocols);
    EXCHANGE(protocol_count);
    EXCHANGE(session_timeout_ms);
    EXCHANGE(rebalance_timeout_ms);
#undef EXCHANGE
    bytes_add(groups, member->group, member_bytes(member));
    /* The tables have held it before, so they need not grow. */
    bool there = member_index(groups, member);
    ASSERT(there);
}

void member_assign(struct groups *groups, struct group_member *member, uint8_t *owned, size_t len)
{
    bytes_take(groups, member->group, member->assignment.len);
    bytes_add(groups, member->group, len);
    free(member->assigned);
    member->assigned = owned;
    member->assignment = slice_of(owned, len);
}

struct group_member *member_find(struct groups *groups, struct group *group, struct slice id)
{
    for (struct table_link *l = table_find(&groups->members, hash_in(groups, group, id)); l; l = table_find_next(l)) {
        struct group_member *member = container_of(l, struct group_member, by_id);
        if (member->group == group && slice_eq(member->id, id))
            return member;
    }
    return NULL;
}

struct group_member *instance_find(struct groups *groups, struct group *group, struct slice instance)
{
    for (struct table_link *l = table_find(&groups->instances, hash_in(groups, group, instance)); l; l = table_find_next(l)) {
        struct group_member *member = container_of(l, struct group_member, by_instance);
        if (member->group == group && slice_eq(member->instance, instance))
            return member;
    }
    return NULL;
}

int16_t member_check(struct groups *groups, struct group *group, struct slice id, struct slice instance, struct group_member **ret_member)
{
    if (instance.len) {
        struct group_member *newest = instance_find(groups, group, instance);
        if (!newest)
            return KAFKA_UNKNOWN_MEMBER_ID;
        if (!slice_eq(newest->id, id))
            return KAFKA_FENCED_INSTANCE_ID;
        *ret_member = newest;
        return KAFKA_NONE;
    }
    struct group_member *member = member_find(groups, group, id);
    if (!member || member->expected)
        return KAFKA_UNKNOWN_MEMBER_ID;
    *ret_member = member;
    return KAFKA_NONE;
}

/* --- time --------------------------------------------------------------------------------------------- */

void session_renew(struct groups *groups, struct group_member *member)
{
    timer_put(groups, &groups->sessions, &member->session, member_parked(member) ? INT64_MAX : member->session_timeout_ms);
}

static void session_expire(struct groups *groups, struct group_member *member)
{
    struct group *group = member->group;
    bool expected = member->expected;
    ASSERT(!member_parked(member));
    member_remove(groups, member, KAFKA_UNKNOWN_MEMBER_ID);
    if (expected)
        group_rebalance_check(groups, group);
    else
        group_member_gone(groups, group);
}

/* Members that were loaded have a whole session from now on, and a rebalance that was interrupted begins again. */
static void groups_start(struct groups *groups)
{
    groups->started = true;
    groups->sweep_ns = groups->now_ns + SWEEP_NS;
    for (struct table_link *l = table_each(&groups->by_name, NULL); l; l = table_each(&groups->by_name, l)) {
        struct group *group = container_of(l, struct group, link);
        int32_t timeout_ms = 0;
        for (struct list *m = group->members.next; m != &group->members; m = m->next) {
            struct group_member *member = container_of(m, struct group_member, link);
            timeout_ms = member->rebalance_timeout_ms > timeout_ms ? member->rebalance_timeout_ms : timeout_ms;
            session_renew(groups, member);
        }
        if (group->state == GROUP_PREPARING)
            group_timer_set(groups, group, TIMER_REBALANCE, timeout_ms);
    }
}

static void told_free(struct groups *groups)
{
    for (struct list *w; (w = list_pop_front(&groups->told)) != NULL;)
        waiting_free(container_of(w, struct waiting, ended));
}

void groups_enter(struct groups *groups, int64_t now_ns)
{
    if (!groups->telling)
        told_free(groups);
    groups->now_ns = now_ns;
    if (!groups->started)
        groups_start(groups);
}

int64_t groups_turn(struct groups *groups, int64_t now_ns)
{
    struct heap_node *first;
    groups_enter(groups, now_ns);
    /* Sessions first: a rebalance that is over at the same moment need not wait for who is gone. */
    while ((first = heap_first(&groups->sessions)) && first->key <= now_ns)
        session_expire(groups, container_of(first, struct group_member, session));
    while ((first = heap_first(&groups->timers)) && first->key <= now_ns)
        group_timer_due(groups, container_of(first, struct group, timer));
    if (groups->sweep_ns <= now_ns) {
        groups->sweep_ns = now_ns + SWEEP_NS;
        groups_sweep(groups);
    }
    waitings_tell(groups);
    int64_t next = groups->sweep_ns;
    first = heap_first(&groups->sessions);
    next = first && first->key < next ? first->key : next;
    first = heap_first(&groups->timers);
    return first && first->key < next ? first->key : next;
}

/* --- opening and closing ------------------------------------------------------------------------------ */

/* Of groups that were deleted the log's older records have left a trace in memory. */
static void groups_forget_deleted(struct groups *groups)
{
    struct table_link *next;
    for (struct table_link *l = table_each(&groups->by_name, NULL); l; l = next) {
        struct group *group = container_of(l, struct group, link);
        next = table_each(&groups->by_name, l);
        if (group->generation == 0 && group->offset_count == 0 && group->member_count == 0)
            group_free(groups, group);
    }
}

int groups_open(const struct groups_options *options, struct groups **ret_groups, struct edda_error *error)
{
    struct groups *groups = calloc(1, sizeof(*groups));
    if (!groups)
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory for the consumer groups");
    groups->options = *options;
    groups->store = options->store;
    groups->seed = store_id(options->store);
    list_init(&groups->ended);
    list_init(&groups->told);
    groups->loading = true;
    struct edda_error why = { .code = 0 };
    int r = groups_fold(groups, &why);
    if (r < 0) {
        edda_fail_with(error, r, "the consumer groups cannot be read: %s", why.message);
        groups_close(groups);
        return r;
    }
    groups->loading = false;
    groups_forget_deleted(groups);
    *ret_groups = groups;
    return 0;
}

static void group_close(struct groups *groups, struct group *group)
{
    while (!list_empty(&group->members))
        member_remove(groups, container_of(group->members.next, struct group_member, link), KAFKA_COORDINATOR_NOT_AVAILABLE);
    group->state = GROUP_EMPTY;
    group_free(groups, group);
}

void groups_close(struct groups *groups)
{
    struct table_link *next;
    if (!groups)
        return;
    ASSERT(!groups->telling);
    for (struct table_link *l = table_each(&groups->by_name, NULL); l; l = next) {
        next = table_each(&groups->by_name, l);
        group_close(groups, container_of(l, struct group, link));
    }
    for (struct list *w; (w = list_pop_front(&groups->ended)) != NULL;)
        waiting_free(container_of(w, struct waiting, ended));
    told_free(groups);
    ASSERT(groups->waitings.count == 0 && groups->members.count == 0 && groups->offsets.count == 0 && groups->bytes == 0);
    table_deinit(&groups->by_name);
    table_deinit(&groups->members);
    table_deinit(&groups->instances);
    table_deinit(&groups->offsets);
    table_deinit(&groups->waitings);
    heap_deinit(&groups->sessions);
    heap_deinit(&groups->timers);
    buffer_deinit(&groups->key);
    buffer_deinit(&groups->value);
    buffer_deinit(&groups->metadata);
    free(groups);
}
