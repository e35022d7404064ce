/*
 * group_offsets: what groups have committed. The log is the truth: `__consumer_offsets` is folded into memory record by record, whoever has written them, so that
 * commits of transactions and of the store's own subscribers are seen like those made here. In memory is all but the metadata of an offset, which is looked up when it is asked for.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "broker/group_parts.h"

#define SWEEP_REMOVALS_MAX 1000          /* in one turn */
#define SWEEP_AGAIN_NS (INT64_C(20) * MS_NS)
#define SWEEP_FAILED_NS (INT64_C(1000) * MS_NS)

/* --- the fold ----------------------------------------------------------------------------------------- */

static uint64_t hash_of(const struct groups *groups, const struct group *group, struct slice topic, uint32_t partition)
{
    return hash64_mix(hash64_mix(hash64(topic, groups->seed), (uint64_t)(uintptr_t)group), partition);
}

static struct group_offset_entry *entry_find(struct groups *groups, struct group *group, struct slice topic, uint32_t partition)
{
    for (struct table_link *l = table_find(&groups->offsets, hash_of(groups, group, topic, partition)); l; l = table_find_next(l)) {
        struct group_offset_entry *entry = container_of(l, struct group_offset_entry, link);
        if (entry->group == group && entry->partition == partition && slice_eq(slice_of(entry->topic, entry->topic_len), topic))
            return entry;
    }
    return NULL;
}

static struct group_offset_entry *entry_new(struct groups *groups, struct group *group, struct slice topic, uint32_t partition)
{
    struct group_offset_entry *entry = calloc(1, sizeof(*entry) + topic.len);
    if (!entry)
        return NULL;
    entry->group = group;
    entry->partition = partition;
    entry->topic_len = (uint8_t)topic.len;
    memcpy(entry->topic, topic.data, topic.len);
    if (!table_insert(&groups->offsets, &entry->link, hash_of(groups, group, topic, partition))) {
        free(entry);
        return NULL;
    }
    list_push_back(&group->offsets, &entry->of_group);
    group->offset_count++;
    return entry;
}

void group_offset_free(struct groups *groups, struct group_offset_entry *entry)
{
    table_remove(&groups->offsets, &entry->link);
    list_remove(&entry->of_group);
    entry->group->offset_count--;
    free(entry);
}

static int fold_offset(struct groups *groups, const struct group_record_key *key, struct slice value)
{
    struct group_record_offset offset;
    struct group *group = group_find(groups, key->group);
    if (key->topic.len == 0 || key->topic.len > STORE_TOPIC_NAME_MAX)
        return 0;
    struct group_offset_entry *entry = group ? entry_find(groups, group, key->topic, key->partition) : NULL;
    if (!value.data) {
        if (entry)
            group_offset_free(groups, entry);
        return 0;
    }
    if (!group_record_offset_parse(value, &offset))
        return EDDA_EFORMAT;
    if (!group)
        group = group_new(groups, key->group);
    if (group && !entry)
        entry = entry_new(groups, group, key->topic, key->partition);
    if (!entry)
        return EDDA_ENOMEM;
    entry->offset = offset.offset;
    entry->leader_epoch = offset.leader_epoch;
    entry->commit_time_ms = offset.commit_time_ms;
    entry->has_metadata = offset.metadata.len > 0;
    return 0;
}

/* Records of groups are read at the start only: afterwards nobody else writes any. What has another key is not for us. */
static int fold_record(struct groups *groups, struct slice key, struct slice value)
{
    struct group_record_key parsed;
    if (!key.data || !group_record_key_parse(key, &parsed))
        return 0;
    if (parsed.topic.data)
        return fold_offset(groups, &parsed, value);
    return groups->loading ? group_record_load(groups, parsed.group, value) : 0;
}

/* By position: a transaction's commits count from where it has ended, also against plain ones made while it was open, which have greater offsets. */
int groups_fold(struct groups *groups, struct edda_error *error)
{
    struct store_cursor cursor;
    struct store_record record;
    int r;
    if (!groups->topic)
        groups->topic = store_topic(groups->store, SLICE(OFFSETS_TOPIC));
    if (!groups->topic || groups->folded_offset == store_next_offset(groups->topic, 0))
        return 0;
    store_cursor_init(&cursor, groups->folded_position, groups->topic);
    while ((r = store_cursor_next(groups->store, &cursor, &record, error)) > 0) {
        r = fold_record(groups, record.record.key, record.record.value);
        if (r < 0) {
            edda_fail_with(error, r, "the record at offset %" PRId64 " of " OFFSETS_TOPIC " cannot be read: %s", record.record.offset,
                           r == EDDA_EFORMAT ? "its form is another" : "out of memory");
            break;
        }
        groups->folded_position = cursor.position;
    }
    store_cursor_deinit(&cursor);
    if (r < 0)
        return r;
    groups->folded_position = store_tail(groups->store);
    groups->folded_offset = store_next_offset(groups->topic, 0);
    return 0;
}

int groups_append(struct groups *groups, struct slice key, struct slice value, struct edda_error *error)
{
    struct store_appended appended;
    int r = groups->topic ? 0 : store_topic_ensure(groups->store, SLICE(OFFSETS_TOPIC), 1, &groups->topic, error);
    if (r < 0)
        return r;
    const struct store_message message = { .topic = groups->topic, .key = key, .value = value, .partition = 0 };
    r = store_append(groups->store, NULL, 0, &message, 1, false, &appended, error);
    /* Usually nobody else has written meanwhile, and it need not be read. */
    if (r == 0 && appended.offset == groups->folded_offset && fold_record(groups, key, value) == 0) {
        groups->folded_offset++;
        groups->folded_position = appended.position + 1;
    }
    return r;
}

/* --- commits ------------------------------------------------------------------------------------------ */

int16_t group_commit(struct groups *groups, const struct group_caller *caller, struct slice topic, uint32_t partition, int64_t offset, int32_t leader_epoch,
                     struct slice metadata)
{
    if (metadata.len > GROUP_OFFSET_METADATA_MAX)
        return KAFKA_OFFSET_METADATA_TOO_LARGE;
    if (caller->group.len == 0 || caller->group.len > GROUP_NAME_MAX)
        return KAFKA_INVALID_GROUP_ID;
    const struct topic *there = store_topic(groups->store, topic);
    if (!there || partition >= there->partition_count)
        return KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    if (offset < 0)
        return KAFKA_INVALID_REQUEST;
    struct group *group = group_find(groups, caller->group);
    if (!group && groups->by_name.count >= GROUPS_MAX)
        return KAFKA_POLICY_VIOLATION;
    if (groups->offsets.count >= GROUPS_OFFSETS_MAX && !(group && entry_find(groups, group, topic, partition)))
        return KAFKA_POLICY_VIOLATION;
    const struct group_record_offset value = { offset, leader_epoch, metadata, store_time_ms(groups->store) };
    buffer_clear(&groups->key);
    buffer_clear(&groups->value);
    group_record_offset_key(&groups->key, caller->group, topic, partition);
    group_record_offset_value(&groups->value, &value);
    if (!buffer_ok(&groups->key) || !buffer_ok(&groups->value))
        return group_append_error(EDDA_ENOMEM);
    return group_append_error(groups_append(groups, buffer_slice(&groups->key), buffer_slice(&groups->value), NULL));
}

/* --- look-ups ----------------------------------------------------------------------------------------- */

/* The metadata of an offset, from the log. */
static int metadata_read(struct groups *groups, const struct group_offset_entry *entry, struct slice *ret_metadata)
{
    struct store_record record;
    struct group_record_offset offset;
    *ret_metadata = SLICE("");
    if (!entry->has_metadata)
        return 0;
    buffer_clear(&groups->key);
    group_record_offset_key(&groups->key, group_name(entry->group), slice_of(entry->topic, entry->topic_len), entry->partition);
    if (!buffer_ok(&groups->key))
        return EDDA_ENOMEM;
    int r = store_stream_last(groups->store, SLICE(OFFSETS_TOPIC), buffer_slice(&groups->key), &record);
    if (r < 0)
        return r;
    if (!record.record.value.data || !group_record_offset_parse(record.record.value, &offset))
        return EDDA_ECORRUPT;
    buffer_clear(&groups->metadata);
    buffer_append_slice(&groups->metadata, offset.metadata);
    *ret_metadata = buffer_slice(&groups->metadata);
    return buffer_ok(&groups->metadata) ? 0 : EDDA_ENOMEM;
}

static int offset_of(struct groups *groups, const struct group_offset_entry *entry, struct group_offset *ret_offset)
{
    struct group_offset found = {
        .topic = slice_of(entry->topic, entry->topic_len), .partition = entry->partition, .offset = entry->offset,
        .leader_epoch = entry->leader_epoch, .commit_time_ms = entry->commit_time_ms,
    };
    int r = metadata_read(groups, entry, &found.metadata);
    if (r == 0)
        *ret_offset = found;
    return r;
}

int group_offset(struct groups *groups, struct slice name, struct slice topic, uint32_t partition, struct group_offset *ret_offset)
{
    int r = groups_fold(groups, NULL);
    if (r < 0)
        return r;
    struct group *group = group_find(groups, name);
    const struct group_offset_entry *entry = group ? entry_find(groups, group, topic, partition) : NULL;
    if (entry)
        return offset_of(groups, entry, ret_offset);
    *ret_offset = (struct group_offset){ .topic = topic, .partition = partition, .offset = -1, .leader_epoch = -1, .metadata = SLICE(""), .commit_time_ms = -1 };
    return 0;
}

int group_offsets_each(struct groups *groups, struct slice name, int (*visit)(void *user, const struct group_offset *offset), void *user)
{
    int r = groups_fold(groups, NULL);
    const struct group *group = r == 0 ? group_find(groups, name) : NULL;
    if (!group)
        return r;
    for (struct list *l = group->offsets.next; l != &group->offsets && r == 0; l = l->next) {
        struct group_offset offset;
        r = offset_of(groups, container_of(l, struct group_offset_entry, of_group), &offset);
        if (r == 0)
            r = visit(user, &offset);
    }
    return r;
}

int groups_offsets_each(struct groups *groups, int (*visit)(void *user, struct slice group, const struct group_offset *offset), void *user)
{
    int r = groups_fold(groups, NULL);
    for (struct table_link *l = table_each(&groups->by_name, NULL); l && r == 0; l = table_each(&groups->by_name, l)) {
        const struct group *group = container_of(l, struct group, link);
        for (struct list *each = group->offsets.next; each != &group->offsets && r == 0; each = each->next) {
            const struct group_offset_entry *entry = container_of(each, struct group_offset_entry, of_group);
            const struct group_offset offset = { .topic = slice_of(entry->topic, entry->topic_len), .partition = entry->partition, .offset = entry->offset,
                                                 .leader_epoch = entry->leader_epoch, .metadata = SLICE(""), .commit_time_ms = entry->commit_time_ms };
            r = visit(user, group_name(group), &offset);
        }
    }
    return r;
}

/* --- removal ------------------------------------------------------------------------------------------ */

static int entry_remove(struct groups *groups, const struct group_offset_entry *entry)
{
    buffer_clear(&groups->key);
    group_record_offset_key(&groups->key, group_name(entry->group), slice_of(entry->topic, entry->topic_len), entry->partition);
    return buffer_ok(&groups->key) ? groups_append(groups, buffer_slice(&groups->key), slice_of(NULL, 0), NULL) : EDDA_ENOMEM;
}

int16_t group_offset_delete(struct groups *groups, struct slice name, struct slice topic, uint32_t partition)
{
    if (name.len == 0)
        return KAFKA_INVALID_GROUP_ID;
    int r = groups_fold(groups, NULL);
    if (r < 0)
        return KAFKA_COORDINATOR_NOT_AVAILABLE;
    struct group *group = group_find(groups, name);
    if (!group)
        return KAFKA_GROUP_ID_NOT_FOUND;
    if (group->state != GROUP_EMPTY && !slice_eq_str(group->protocol_type, "consumer"))
        return KAFKA_NON_EMPTY_GROUP;
    if (group->state != GROUP_EMPTY && group_subscribed(group, topic))
        return KAFKA_GROUP_SUBSCRIBED_TO_TOPIC;
    const struct group_offset_entry *entry = entry_find(groups, group, topic, partition);
    return entry ? group_append_error(entry_remove(groups, entry)) : KAFKA_NONE;
}

int16_t group_delete(struct groups *groups, struct slice name, int64_t now_ns)
{
    groups_enter(groups, now_ns);
    if (name.len == 0)
        return KAFKA_INVALID_GROUP_ID;
    if (groups_fold(groups, NULL) < 0)
        return KAFKA_COORDINATOR_NOT_AVAILABLE;
    struct group *group = group_find(groups, name);
    if (!group)
        return KAFKA_GROUP_ID_NOT_FOUND;
    if (group->state != GROUP_EMPTY)
        return KAFKA_NON_EMPTY_GROUP;
    int r = group_record_delete(groups, group);
    if (r == 0)
        r = groups_fold(groups, NULL);
    if (r == 0)
        group_free(groups, group);
    return group_append_error(r);
}

/* Seven days after the group became empty, or after the commit where that is later or nobody was ever a member. Of a stable group of consumers what none of them
 * is subscribed to any more. */
static bool expired(const struct group *group, const struct group_offset_entry *entry, int64_t now_ms)
{
    int64_t since_ms = entry->commit_time_ms;
    if (now_ms - since_ms < GROUP_OFFSETS_EXPIRE_MS)
        return false;
    if (group->state == GROUP_EMPTY)
        return group->expected_count == 0 && now_ms - group->state_time_ms >= GROUP_OFFSETS_EXPIRE_MS;
    return group->state == GROUP_STABLE && slice_eq_str(group->protocol_type, "consumer") &&
           !group_subscribed(group, slice_of(entry->topic, entry->topic_len));
}

/* Removes what has expired of a group, as long as *left lasts. */
static int group_sweep(struct groups *groups, struct group *group, int64_t now_ms, unsigned *left)
{
    struct list *next;
    int r = 0;
    for (struct list *l = group->offsets.next; l != &group->offsets && r == 0 && *left > 0; l = next) {
        const struct group_offset_entry *entry = container_of(l, struct group_offset_entry, of_group);
        next = l->next;
        if (expired(group, entry, now_ms)) {
            r = entry_remove(groups, entry);
            --*left;
        }
    }
    if (r < 0 || *left == 0 || group->state != GROUP_EMPTY || group->expected_count > 0 || group->offset_count > 0)
        return r;
    --*left;
    r = group_record_delete(groups, group);
    if (r == 0)
        group_free(groups, group);
    return r;
}

void groups_sweep(struct groups *groups)
{
    unsigned left = SWEEP_REMOVALS_MAX;
    int64_t now_ms = store_time_ms(groups->store);
    struct table_link *next;
    int r = groups_fold(groups, NULL);
    for (struct table_link *l = table_each(&groups->by_name, NULL); l && r == 0 && left > 0; l = next) {
        next = table_each(&groups->by_name, l);
        r = group_sweep(groups, container_of(l, struct group, link), now_ms, &left);
    }
    if (r < 0)
        groups->sweep_ns = groups->now_ns + SWEEP_FAILED_NS;
    else if (left == 0)
        groups->sweep_ns = groups->now_ns + SWEEP_AGAIN_NS;
}
