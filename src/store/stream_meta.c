/*
 * stream_meta: truncation and deletion of streams, recorded in "_edda.streams" under category/key. The last value of a
 * key is what counts, and the last record of a stream is one look-up; so nothing of it is kept in memory.
 */
#include <inttypes.h>

#include "base/assert.h"
#include "store/internal.h"
#include "wire/json/json.h"

struct stream_row {
    int64_t truncate_before;
    int64_t deleted_at;
};
static const struct edda_field stream_row_fields[] = {
    EDDA_FIELD(stream_row, truncate_before, .optional = true),
    EDDA_FIELD(stream_row, deleted_at, .optional = true),
};
static const struct edda_type stream_row_type = EDDA_VALUE(stream_row);

#define META_KEY_MAX (STORE_TOPIC_NAME_MAX + 1 + STORE_KEY_MAX)

static struct slice meta_key(uint8_t bytes[META_KEY_MAX], struct slice topic, struct slice key)
{
    memcpy(bytes, topic.data, topic.len);
    bytes[topic.len] = '/';
    if (key.len)
        memcpy(bytes + topic.len + 1, key.data, key.len);
    return slice_of(bytes, topic.len + 1 + key.len);
}

int stream_meta_get(struct store *store, struct slice topic, struct slice key, struct stream_meta *ret_meta)
{
    uint8_t bytes[META_KEY_MAX];
    struct index_entry entry;
    struct store_record record;
    struct stream_row row = { 0 };
    struct arena arena;
    *ret_meta = (struct stream_meta){ 0 };
    if (!store->streams_topic || topic.len > STORE_TOPIC_NAME_MAX || key.len > STORE_KEY_MAX)
        return 0;
    struct slice meta = meta_key(bytes, topic, key);
    int r = lookup_last(store, key_stream(store->seed, SLICE(TOPIC_STREAMS), meta), &entry);
    if (r == EDDA_ENOTFOUND)
        return 0;
    r = r < 0 ? edda_fail_with(&store->read_error, r, "the index cannot be read") :
                record_at(store, &entry, &record, &store->read_error);
    if (r == EDDA_ENOTFOUND)
        return 0; /* its row was removed, which happens to a null only */
    arena_init(&arena, 0, 0);
    if (r == 0 && record.record.value.data)
        r = json_decode(&stream_row_type, record.record.value, JSON_STORED, &arena, &row, &store->read_error);
    arena_deinit(&arena);
    if (r == 0)
        *ret_meta = (struct stream_meta){ entry.position, row.truncate_before, row.deleted_at };
    return r;
}

static int meta_put(struct store *store, struct slice topic, struct slice key, const struct stream_row *row,
                    const struct store_condition *condition, struct edda_error *error)
{
    uint8_t bytes[META_KEY_MAX];
    int r = topic_internal(store, TOPIC_STREAMS, &store->streams_topic, error);
    if (r < 0)
        return r;
    struct buffer *json = scratch_take(store);
    json_encode(&stream_row_type, row, json);
    if (!buffer_ok(json))
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory for the metadata of a stream");
    struct store_message message = {
        .topic = store->streams_topic,
        .key = meta_key(bytes, topic, key),
        .value = buffer_slice(json),
        .partition = -1,
    };
    return store_append(store, condition, condition ? 1 : 0, &message, 1, false, NULL, error);
}

/* What is known of a stream that is to be changed; one that has no versions cannot be. */
static int stream_known(struct store *store, struct slice topic, struct slice key, struct stream_info *ret_info,
                        struct edda_error *error)
{
    struct topic *known = store_topic(store, topic);
    if (key.len > STORE_KEY_MAX)
        return edda_fail_field(error, EDDA_ETOOLARGE, "key", "a key has at most %d bytes", STORE_KEY_MAX);
    if (known && known->internal)
        return edda_fail_field(error, EDDA_EINVAL, "topic", "the streams of the internal topic %s are kept", known->name);
    int r = store_stream_info(store, topic, key, ret_info);
    if (r < 0)
        return edda_fail_with(error, r, "%s", store->read_error.message);
    if (ret_info->next_version == 0 || ret_info->deleted)
        return edda_fail_with(error, EDDA_ENOTFOUND, "stream %.*s/%.*s has no events", (int)topic.len, (const char *)topic.data,
                              (int)key.len, (const char *)key.data);
    return 0;
}

int store_stream_truncate(struct store *store, struct slice topic, struct slice key, int64_t before_version,
                          struct edda_error *error)
{
    struct stream_info info = { 0 };
    int r = stream_known(store, topic, key, &info, error);
    if (r < 0)
        return r;
    if (before_version < 0 || before_version > info.next_version)
        return edda_fail_field(error, EDDA_EINVAL, "before", "the stream has the versions up to %" PRId64 ", not %" PRId64,
                               info.next_version - 1, before_version);
    if (before_version <= info.first_version)
        return 0;
    /* What was deleted before lies before the new beginning too. */
    struct stream_row row = { .truncate_before = before_version };
    return meta_put(store, topic, key, &row, NULL, error);
}

int store_stream_delete(struct store *store, struct slice topic, struct slice key, int64_t expected,
                        struct edda_error *error)
{
    struct stream_info info = { 0 };
    struct store_condition condition = { topic, key, expected };
    int r = stream_known(store, topic, key, &info, error);
    if (r < 0)
        return r;
    struct stream_row row = { .deleted_at = info.next_version };
    return meta_put(store, topic, key, &row, expected == STORE_ANY ? NULL : &condition, error);
}
