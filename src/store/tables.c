/*
 * tables: topics of which the last value of a key is what counts. Group offsets are in the form of Kafka's own topic
 * (wire/kafka/group_record.h).
 */
#include "base/assert.h"
#include "base/put.h"
#include "store/internal.h"
#include "wire/kafka/group_record.h"

#define SNAPSHOT_HEADER_BYTES 8

struct table_scan {
    struct store *store;
    struct slice topic;
    store_visit_fn *visit;
    void *user;
    int64_t visited;
};

/* Calls the visitor when the record is the last one of its key. */
static int table_visit(struct table_scan *scan, const struct store_record *record)
{
    struct index_entry last;
    if (!record->record.key.data || !record->record.value.data)
        return 0;
    int r = lookup_last(scan->store, key_stream(scan->store->seed, scan->topic, record->record.key), &last);
    if (r < 0)
        return edda_fail_with(&scan->store->read_error, r, "the index cannot be read");
    if (last.position != record->position)
        return 0;
    scan->visited++;
    return scan->visit(scan->user, record, -1);
}

int64_t store_table_scan(struct store *store, struct topic *topic, store_visit_fn *visit, void *user)
{
    struct table_scan scan = { store, topic_name(topic), visit, user, 0 };
    struct store_cursor cursor;
    struct store_record record;
    int r;
    store_cursor_init(&cursor, 0, topic);
    while ((r = store_cursor_next(store, &cursor, &record, &store->read_error)) == 1) {
        r = table_visit(&scan, &record);
        if (r != 0)
            break;
    }
    store_cursor_deinit(&cursor);
    return r < 0 ? r : scan.visited;
}

int table_value(struct store *store, const char *topic, struct slice key, struct slice *ret_value)
{
    struct index_entry entry;
    struct store_record record;
    int r = lookup_last(store, key_stream(store->seed, slice_str(topic), key), &entry);
    if (r == 0)
        r = record_at(store, &entry, &record, &store->read_error);
    else if (r != EDDA_ENOTFOUND)
        return edda_fail_with(&store->read_error, r, "the index cannot be read");
    *ret_value = r == 0 ? record.record.value : slice_of(NULL, 0);
    return r == EDDA_ENOTFOUND ? 0 : r;
}

/* --- group offsets ------------------------------------------------------------------------------------ */

static void put_number(struct buffer *out, uint64_t value, size_t bytes)
{
    uint8_t number[8];
    put_be64(number, value);
    buffer_append(out, number + sizeof(number) - bytes, bytes);
}

int store_offset_commit(struct store *store, struct slice group, struct slice topic, uint32_t partition, int64_t offset,
                        struct slice metadata, struct edda_error *error)
{
    if (group.len == 0 || group.len + topic.len > STORE_KEY_MAX - 16)
        return edda_fail_field(error, EDDA_EINVAL, "group", "the name of a group has 1 to %zu bytes",
                               STORE_KEY_MAX - 16 - topic.len);
    if (metadata.len > GROUP_RECORD_STRING_MAX)
        return edda_fail_field(error, EDDA_ETOOLARGE, "metadata", "the metadata of an offset has at most %d bytes",
                               GROUP_RECORD_STRING_MAX);
    if (offset < 0)
        return edda_fail_field(error, EDDA_EINVAL, "offset", "an offset is not negative");
    int r = topic_internal(store, TOPIC_OFFSETS, &store->offsets_topic, error);
    if (r < 0)
        return r;
    struct buffer *out = scratch_take(store);
    group_record_offset_key(out, group, topic, partition);
    size_t key_bytes = out->len;
    group_record_offset_value(out, &(struct group_record_offset){ offset, -1, metadata, log_time_ms(store->log) });
    if (!buffer_ok(out))
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory for an offset");
    return append_row(store, store->offsets_topic, slice_of(out->data, key_bytes), slice_from(buffer_slice(out), key_bytes),
                      error);
}

int64_t store_offset_read(struct store *store, struct slice group, struct slice topic, uint32_t partition,
                          struct slice *ret_metadata)
{
    struct slice value;
    if (!store->offsets_topic)
        return -1;
    struct buffer *out = scratch_take(store);
    if (group.len + topic.len > STORE_KEY_MAX)
        return -1;
    group_record_offset_key(out, group, topic, partition);
    if (!buffer_ok(out) || table_value(store, TOPIC_OFFSETS, buffer_slice(out), &value) < 0 || !value.data)
        return -1;
    struct group_record_offset found;
    if (!group_record_offset_parse(value, &found))
        return -1;
    if (ret_metadata)
        *ret_metadata = found.metadata;
    return found.offset;
}

int64_t store_offset_fetch(struct store *store, struct slice group, struct slice topic, uint32_t partition)
{
    return store_offset_read(store, group, topic, partition, NULL);
}

struct forget {
    struct slice topic;
    struct buffer keys;        /* each behind its length: the table must not change while it is read */
};

static int forget_visit(void *user, const struct store_record *record, int64_t version)
{
    struct forget *forget = user;
    (void)version;
    struct group_record_key key;
    if (!group_record_key_parse(record->record.key, &key) || !key.topic.data || !slice_eq(key.topic, forget->topic))
        return 0;
    put_number(&forget->keys, record->record.key.len, 2);
    buffer_append_slice(&forget->keys, record->record.key);
    return buffer_ok(&forget->keys) ? 0 : EDDA_ENOMEM;
}

int offsets_forget(struct store *store, struct slice topic, struct edda_error *error)
{
    struct forget forget = { .topic = topic };
    if (!store->offsets_topic)
        return 0;
    int64_t n = store_table_scan(store, store->offsets_topic, forget_visit, &forget);
    int r = n < 0 ? edda_fail_with(error, (int)n, "the offsets of groups cannot be read") : 0;
    struct cursor keys = cursor_of(buffer_slice(&forget.keys));
    while (r == 0 && cursor_left(&keys) > 0) {
        struct slice key = cursor_bytes(&keys, cursor_be16(&keys));
        r = append_row(store, store->offsets_topic, key, slice_of(NULL, 0), error);
    }
    buffer_deinit(&forget.keys);
    return r;
}

/* --- snapshots ---------------------------------------------------------------------------------------- */

int store_snapshot_put(struct store *store, struct slice name, int64_t version, struct slice state,
                       struct edda_error *error)
{
    int r = topic_internal(store, TOPIC_SNAPSHOTS, &store->snapshots_topic, error);
    if (r < 0)
        return r;
    struct buffer *out = scratch_take(store);
    put_number(out, (uint64_t)version, SNAPSHOT_HEADER_BYTES);
    buffer_append_slice(out, state);
    if (!buffer_ok(out))
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory for a snapshot of %zu bytes", state.len);
    return append_row(store, store->snapshots_topic, name, buffer_slice(out), error);
}

int store_snapshot_get(struct store *store, struct slice name, int64_t *ret_version, struct slice *ret_state)
{
    struct slice value = { 0 };
    int r = store->snapshots_topic ? table_value(store, TOPIC_SNAPSHOTS, name, &value) : 0;
    if (r < 0)
        return r;
    struct cursor c = cursor_of(value);
    int64_t version = (int64_t)cursor_be64(&c);
    if (!cursor_ok(&c))
        return edda_fail_with(&store->read_error, EDDA_ENOTFOUND, "there is no such snapshot");
    *ret_version = version;
    *ret_state = slice_from(value, SNAPSHOT_HEADER_BYTES);
    return 0;
}
