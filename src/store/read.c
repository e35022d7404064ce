/*
 * read: streams, correlations, identities, positions and partitions. What is asked for is a list of entries; it is read
 * in pieces of READ_ENTRIES, so that a long stream needs no memory.
 *
 * None of these changes the store, so a visitor may hold on to a record until somebody appends.
 */
#include <inttypes.h>

#include "base/assert.h"
#include "store/internal.h"

#define READ_ENTRIES 64

static int index_fail(struct store *store, int code)
{
    return edda_fail_with(&store->read_error, code, "the index cannot be read: %s", edda_code_info(code)->sentence);
}

int store_stream_info(struct store *store, struct slice topic, struct slice key, struct stream_info *ret_info)
{
    uint64_t count;
    struct stream_meta meta = { 0 };
    int r = lookup_count(store, key_stream(store->seed, topic, key), &count);
    if (r < 0)
        return index_fail(store, r);
    if (count > 0)
        r = stream_meta_get(store, topic, key, &meta);
    if (r < 0)
        return r;
    int64_t first = meta.truncate_before > meta.deleted_at ? meta.truncate_before : meta.deleted_at;
    *ret_info = (struct stream_info){
        .next_version = (int64_t)count,
        .first_version = first,
        .deleted = count > 0 && meta.deleted_at == (int64_t)count,
    };
    return 0;
}

/* A record of a stream; one of another stream is a collision of 128-bit hashes, or damage. */
static int stream_record(struct store *store, const struct index_entry *entry, struct slice topic, struct slice key,
                         struct store_record *ret_record)
{
    struct store_record record;
    int r = record_at(store, entry, &record, &store->read_error);
    if (r < 0)
        return r;
    if (!slice_eq(topic_name(record.topic), topic) || !slice_eq(record.record.key, key))
        return edda_fail_with(&store->read_error, EDDA_ECORRUPT,
                              "the index names the record at position %" PRIu64 " for another stream", entry->position);
    *ret_record = record;
    return 0;
}

/* The entries of a key from an ordinal on, down to `first` or up to the end. */
struct list_read {
    struct hash128 key;
    uint64_t from;
    uint64_t first;
    uint64_t max;
    bool backward;
    bool is_stream;
    struct slice topic;
    struct slice stream_key;
};

static int64_t list_visit(struct store *store, struct list_read *list, store_visit_fn *visit, void *user)
{
    struct index_entry entries[READ_ENTRIES];
    int64_t visited = 0;
    while (list->max > 0) {
        int64_t n = lookup_read(store, list->key, list->from, list->backward, entries,
                                list->max < READ_ENTRIES ? (size_t)list->max : READ_ENTRIES);
        if (n < 0)
            return index_fail(store, (int)n);
        for (int64_t i = 0; i < n; i++) {
            uint64_t ordinal = list->backward ? list->from - (uint64_t)i : list->from + (uint64_t)i;
            struct store_record record;
            if (ordinal < list->first)
                return visited;
            int r = list->is_stream ? stream_record(store, &entries[i], list->topic, list->stream_key, &record) :
                                      record_at(store, &entries[i], &record, &store->read_error);
            if (r == 0) {
                visited++;
                r = visit(user, &record, list->is_stream ? (int64_t)ordinal : -1);
            }
            if (r != 0)
                return r < 0 ? r : visited;
        }
        if (n == 0 || (list->backward && (uint64_t)n > list->from))
            break;
        list->from = list->backward ? list->from - (uint64_t)n : list->from + (uint64_t)n;
        list->max -= (uint64_t)n;
    }
    return visited;
}

int64_t store_stream_read(struct store *store, struct slice topic, struct slice key, int64_t version, bool backward,
                          uint64_t max, store_visit_fn *visit, void *user)
{
    struct stream_info info = { 0 };
    int r = store_stream_info(store, topic, key, &info);
    if (r < 0)
        return r;
    int64_t last = info.next_version - 1;
    int64_t from = version < 0 && backward ? last : version;
    if (backward && from > last)
        from = last;
    if (!backward && from < info.first_version)
        from = info.first_version;
    if (info.deleted || from < info.first_version || from > last)
        return 0;
    struct list_read list = {
        .key = key_stream(store->seed, topic, key),
        .from = (uint64_t)from,
        .first = (uint64_t)info.first_version,
        .max = max,
        .backward = backward,
        .is_stream = true,
        .topic = topic,
        .stream_key = key,
    };
    return list_visit(store, &list, visit, user);
}

int store_stream_last(struct store *store, struct slice topic, struct slice key, struct store_record *ret_record)
{
    struct stream_info info = { 0 };
    struct index_entry entry;
    int r = store_stream_info(store, topic, key, &info);
    if (r < 0)
        return r;
    if (info.next_version <= info.first_version)
        return edda_fail_with(&store->read_error, EDDA_ENOTFOUND, "the stream is empty");
    r = lookup_last(store, key_stream(store->seed, topic, key), &entry);
    return r < 0 ? index_fail(store, r) : stream_record(store, &entry, topic, key, ret_record);
}

int64_t correlation_read(struct store *store, struct slice correlation, uint64_t from, bool backward, uint64_t max,
                         store_visit_fn *visit, void *user)
{
    struct list_read list = { .key = key_correlation(store->seed, correlation), .from = from, .max = max, .backward = backward };
    uint64_t count;
    int r = backward ? lookup_count(store, list.key, &count) : 0;
    if (r < 0)
        return index_fail(store, r);
    if (backward && count == 0)
        return 0;
    if (backward && from >= count)
        list.from = count - 1;
    return list_visit(store, &list, visit, user);
}

int64_t store_correlation_read(struct store *store, struct slice correlation, uint64_t max, store_visit_fn *visit,
                               void *user)
{
    return correlation_read(store, correlation, 0, false, max, visit, user);
}

int store_identity(struct store *store, struct slice source, struct slice id, uint64_t *ret_position)
{
    struct index_entry entry;
    int64_t n = lookup_read(store, key_identity(store->seed, source, id), 0, false, &entry, 1);
    if (n < 0)
        return index_fail(store, (int)n);
    if (n == 0)
        return edda_fail_with(&store->read_error, EDDA_ENOTFOUND, "no record has this source and id");
    *ret_position = entry.position;
    return 0;
}

int store_position_read(struct store *store, uint64_t position, struct store_record *ret_record)
{
    struct frame *frame;
    int r = frame_at(store, position, &store->reader, &frame, &store->read_error);
    if (r == EDDA_ENOTFOUND || (r == 0 && position < frame->first_position))
        return edda_fail_with(&store->read_error, EDDA_ENOTFOUND, "there is no record at position %" PRIu64, position);
    return r < 0 ? r : frame_record_at(store, frame, position, ret_record, &store->read_error);
}

/* --- partitions --------------------------------------------------------------------------------------- */

/* The base offset of the batch of a partition that an entry tells of. */
static int batch_offset(struct store *store, const struct index_entry *entry, int64_t *ret_offset)
{
    struct frame *frame = frame_in_memory(store, entry->position);
    struct batch batch;
    uint32_t number;
    if (frame) {
        *ret_offset = frame_batch_of(frame, (uint32_t)(entry->position - frame->first_position))->batch.base_offset;
        return 0;
    }
    int r = batch_at(store, entry->batch, &number, &batch, &store->read_error);
    if (r == 0)
        *ret_offset = batch.base_offset;
    return r;
}

/* The ordinal of the last of a partition's closed batches that begins at or before an offset. */
static int batch_find(struct store *store, struct hash128 key, uint64_t count, int64_t offset, uint64_t *ret_ordinal)
{
    uint64_t low = 0, high = count; /* the answer is in [low, high) */
    while (high - low > 1) {
        uint64_t middle = low + (high - low) / 2;
        struct index_entry entry;
        int64_t base = 0;
        int64_t n = lookup_read(store, key, middle, false, &entry, 1);
        if (n != 1)
            return index_fail(store, n < 0 ? (int)n : EDDA_ECORRUPT);
        int r = batch_offset(store, &entry, &base);
        if (r < 0)
            return r;
        if (base <= offset)
            low = middle;
        else
            high = middle;
    }
    *ret_ordinal = low;
    return 0;
}

struct partition_visit {
    struct store *store;
    uint32_t number;
    int64_t offset;
    uint64_t max;
    store_visit_fn *visit;
    void *user;
    int64_t visited;
};

/* The records of the partition in a frame, from one of its positions on. Not 0 ends the reading. */
static int frame_visit(struct partition_visit *v, const struct frame *frame, uint64_t position)
{
    for (; position < frame_end(frame) && v->max > 0; position++) {
        const struct frame_batch *b = frame_batch_of(frame, (uint32_t)(position - frame->first_position));
        struct store_record record;
        if (b->partition != v->number)
            continue;
        int r = frame_record_at(v->store, frame, position, &record, &v->store->read_error);
        if (r == 0 && record.record.offset >= v->offset) {
            v->max--;
            v->visited++;
            r = v->visit(v->user, &record, -1);
        }
        if (r != 0)
            return r;
    }
    return v->max == 0;
}

int64_t store_partition_read(struct store *store, struct topic *topic, uint32_t partition, int64_t offset, uint64_t max,
                             store_visit_fn *visit, void *user)
{
    ASSERT(partition < topic->partition_count);
    struct partition_visit v = { store, topic->partitions[partition].number, offset, max, visit, user, 0 };
    struct hash128 key = key_partition(store->seed, v.number);
    uint64_t count, ordinal = 0;
    if (offset >= topic->partitions[partition].next_offset || max == 0)
        return 0;
    int r = lookup_count(store, key, &count);
    r = r < 0 ? index_fail(store, r) : batch_find(store, key, count, offset, &ordinal);
    uint64_t frame_of_last = UINT64_MAX;
    for (; r == 0 && ordinal < count; ordinal++) {
        struct index_entry entry;
        struct frame *frame;
        int64_t n = lookup_read(store, key, ordinal, false, &entry, 1);
        if (n != 1)
            return index_fail(store, n < 0 ? (int)n : EDDA_ECORRUPT);
        r = frame_at(store, entry.position, &store->reader, &frame, &store->read_error);
        if (r == 0 && frame->first_position != frame_of_last) {
            frame_of_last = frame->first_position;
            r = frame_visit(&v, frame, entry.position);
        }
    }
    if (r == 0 && store->open)
        r = frame_visit(&v, store->open, store->open->first_position);
    return r < 0 ? r : v.visited;
}
