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
#define READ_AHEAD 16 /* records whose memory is asked for before the first of them is read */

static int index_fail(struct store *store, int code)
{
    return edda_fail_with(&store->read_error, code, "the index cannot be read: %s", edda_code_info(code)->sentence);
}

/* Of a stream that has had `count` versions: the first from `from` on whose record was not removed; `count` when all were. */
static int first_kept(struct store *store, struct hash128 stream, uint64_t from, uint64_t count, uint64_t *ret_first)
{
    struct index_entry entries[READ_ENTRIES];
    while (from < count) {
        int64_t n = lookup_read(store, stream, from, false, entries, READ_ENTRIES);
        if (n <= 0)
            return index_fail(store, n < 0 ? (int)n : EDDA_ECORRUPT);
        for (int64_t i = 0; i < n; i++, from++) {
            struct store_record record;
            int r = record_at(store, &entries[i], &record, &store->read_error);
            if (r != EDDA_ENOTFOUND) {
                *ret_first = from;
                return r;
            }
        }
    }
    *ret_first = count;
    return 0;
}

/* The same of a stream whose topic has lost something, which begins at *first at the earliest; *ret_deleted: all of it went with its topic. */
static int first_of_truncated(struct store *store, const struct topic_entry *entry, struct slice key, uint64_t count,
                              uint64_t *first, bool *ret_deleted)
{
    struct hash128 stream = key_stream(store->seed, topic_name(&entry->topic), key);
    uint64_t from = 0;
    int r = lookup_find_position(store, stream, topic_floor(entry, &key), &from);
    if (r < 0)
        return index_fail(store, r);
    r = first_kept(store, stream, from > *first ? from : *first, count, first);
    struct index_entry last;
    if (r == 0 && *first == count && lookup_last(store, stream, &last) == 0)
        *ret_deleted = last.position < entry->emptied;
    return r;
}

/* Of a stream that has had `count` versions. */
static int info_of(struct store *store, struct slice topic, struct slice key, uint64_t count, struct stream_info *ret_info)
{
    struct stream_meta meta = { 0 };
    bool deleted = false;
    int r = count > 0 && store->streams_topic ? stream_meta_get(store, topic, key, &meta) : 0;
    if (r < 0)
        return r;
    uint64_t first = (uint64_t)(meta.truncate_before > meta.deleted_at ? meta.truncate_before : meta.deleted_at);
    const struct topic_entry *entry = count > first ? topic_entry_find(store, topic) : NULL;
    if (entry && entry->truncated)
        r = first_of_truncated(store, entry, key, count, &first, &deleted);
    if (r < 0)
        return r;
    *ret_info = (struct stream_info){
        .next_version = (int64_t)count,
        .first_version = (int64_t)first,
        .deleted = count > 0 && (meta.deleted_at == (int64_t)count || deleted),
    };
    return 0;
}

int store_stream_info(struct store *store, struct slice topic, struct slice key, struct stream_info *ret_info)
{
    uint64_t count;
    int r = lookup_count(store, key_stream(store->seed, topic, key), &count);
    return r < 0 ? index_fail(store, r) : info_of(store, topic, key, count, ret_info);
}

/* A record of a stream; one of another stream is a collision of 128-bit hashes, or damage. */
static int stream_record(struct store *store, const struct index_entry *entry, struct slice ahead, struct slice topic,
                         struct slice key, struct store_record *ret_record)
{
    struct store_record record;
    int r = record_read(store, entry, ahead, &record, &store->read_error);
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

/* The next piece; *ret_count is how many the key has. */
static int64_t list_next(struct store *store, const struct list_read *list, struct index_entry ret_entries[READ_ENTRIES],
                         uint64_t *ret_count)
{
    size_t max = list->max < READ_ENTRIES ? (size_t)list->max : READ_ENTRIES;
    int64_t n = lookup_read_counted(store, list->key, list->from, list->backward, ret_entries, max, ret_count);
    return n < 0 ? index_fail(store, (int)n) : n;
}

/* Visits a piece. 1 when the reading ends in it. */
static int piece_visit(struct store *store, const struct list_read *list, const struct index_entry *entries, size_t count,
                       store_visit_fn *visit, void *user, int64_t *visited)
{
    struct slice ahead[READ_AHEAD];
    size_t asked = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t ordinal = list->backward ? list->from - i : list->from + i;
        struct store_record record;
        if (ordinal < list->first)
            return 1;
        for (; asked < count && asked < i + READ_AHEAD; asked++)
            ahead[asked % READ_AHEAD] = record_ahead(store, &entries[asked]);
        struct slice bytes = ahead[i % READ_AHEAD];
        int r = list->is_stream ? stream_record(store, &entries[i], bytes, list->topic, list->stream_key, &record) :
                                  record_read(store, &entries[i], bytes, &record, &store->read_error);
        if (r == EDDA_ENOTFOUND)
            continue;
        if (r == 0) {
            (*visited)++;
            r = visit(user, &record, list->is_stream ? (int64_t)ordinal : -1);
        }
        if (r != 0)
            return r < 0 ? r : 1;
    }
    return 0;
}

/* Visits `count` entries that are read already, and what follows them. */
static int64_t list_visit(struct store *store, struct list_read *list, struct index_entry entries[READ_ENTRIES], int64_t count,
                          store_visit_fn *visit, void *user)
{
    int64_t visited = 0;
    while (count > 0) {
        uint64_t n = (uint64_t)count, all;
        uint64_t wanted = list->max < READ_ENTRIES ? list->max : READ_ENTRIES;
        int64_t before = visited;
        int r = piece_visit(store, list, entries, (size_t)n, visit, user, &visited);
        if (r != 0)
            return r < 0 ? r : visited;
        list->max -= (uint64_t)(visited - before); /* what was removed does not count */
        if (n < wanted || list->max == 0 || (list->backward && n > list->from))
            break;
        list->from = list->backward ? list->from - n : list->from + n;
        count = list_next(store, list, entries, &all);
        if (count < 0)
            return count;
    }
    return visited;
}

int64_t store_stream_read(struct store *store, struct slice topic, struct slice key, int64_t version, bool backward,
                          uint64_t max, store_visit_fn *visit, void *user)
{
    struct index_entry entries[READ_ENTRIES];
    struct stream_info info = { 0 };
    struct list_read list = {
        .key = key_stream(store->seed, topic, key),
        .from = version >= 0 ? (uint64_t)version : backward ? UINT64_MAX : 0,
        .max = max,
        .backward = backward,
        .is_stream = true,
        .topic = topic,
        .stream_key = key,
    };
    /* Most streams begin at 0 and have not been deleted, so one look-up gives both their count and what is visited. */
    uint64_t count = 0;
    int64_t n = list_next(store, &list, entries, &count);
    if (n < 0)
        return n;
    int r = info_of(store, topic, key, count, &info);
    if (r < 0)
        return r;
    list.first = (uint64_t)info.first_version;
    if (info.deleted || count <= list.first)
        return 0;
    if (backward && list.from >= count)
        list.from = count - 1;
    if (!backward && list.from < list.first) {
        list.from = list.first;
        n = list_next(store, &list, entries, &count);
    }
    return n < 0 ? n : list_visit(store, &list, entries, n, visit, user);
}

int store_stream_last(struct store *store, struct slice topic, struct slice key, struct store_record *ret_record)
{
    struct stream_info info = { 0 };
    struct index_entry entry;
    uint64_t count = 0;
    int64_t n = lookup_read_counted(store, key_stream(store->seed, topic, key), UINT64_MAX, true, &entry, 1, &count);
    if (n < 0)
        return index_fail(store, (int)n);
    int r = info_of(store, topic, key, count, &info);
    if (r < 0)
        return r;
    r = info.next_version > info.first_version ?
            stream_record(store, &entry, record_ahead(store, &entry), topic, key, ret_record) : EDDA_ENOTFOUND;
    /* The newest of a stream that lies in several partitions may be gone, and an older one not. */
    for (uint64_t at = count; r == EDDA_ENOTFOUND && at > (uint64_t)info.first_version; at--) {
        n = lookup_read(store, key_stream(store->seed, topic, key), at - 1, false, &entry, 1);
        r = n != 1 ? index_fail(store, n < 0 ? (int)n : EDDA_ECORRUPT) :
                     stream_record(store, &entry, record_ahead(store, &entry), topic, key, ret_record);
    }
    return r == EDDA_ENOTFOUND ? edda_fail_with(&store->read_error, EDDA_ENOTFOUND, "the stream is empty") : r;
}

int64_t correlation_read(struct store *store, struct slice correlation, uint64_t from, bool backward, uint64_t max,
                         store_visit_fn *visit, void *user)
{
    struct index_entry entries[READ_ENTRIES];
    struct list_read list = { .key = key_correlation(store->seed, correlation), .from = from, .max = max, .backward = backward };
    uint64_t count = 0;
    int64_t n = list_next(store, &list, entries, &count);
    if (n <= 0)
        return n;
    if (backward && from >= count)
        list.from = count - 1;
    return list_visit(store, &list, entries, n, visit, user);
}

int64_t store_correlation_read(struct store *store, struct slice correlation, uint64_t max, store_visit_fn *visit,
                               void *user)
{
    return correlation_read(store, correlation, 0, false, max, visit, user);
}

int store_identity(struct store *store, struct slice source, struct slice id, uint64_t *ret_position)
{
    struct index_entry entry;
    struct store_record record;
    int r = lookup_last(store, key_identity(store->seed, source, id), &entry);
    if (r < 0 && r != EDDA_ENOTFOUND)
        return index_fail(store, r);
    if (r == 0)
        r = record_at(store, &entry, &record, &store->read_error);
    if (r == EDDA_ENOTFOUND)
        return edda_fail_with(&store->read_error, EDDA_ENOTFOUND, "no record has this source and id");
    if (r == 0)
        *ret_position = entry.position;
    return r;
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

int batch_offsets(struct store *store, const struct index_entry *entry, int64_t *ret_base, int64_t *ret_end)
{
    struct batch batch;
    uint32_t number;
    int r = batch_closed_at(store, entry->batch, &number, &batch, &store->read_error);
    if (r < 0)
        return r;
    *ret_base = batch.base_offset;
    *ret_end = batch.base_offset + batch.last_offset_delta + 1;
    return 0;
}

/* Whether the batch with this ordinal begins at or before an offset: 1 or 0. Of one that was removed nothing is known: EDDA_ENOTFOUND. */
static int batch_is_before(struct store *store, struct hash128 key, uint64_t ordinal, int64_t offset, struct index_entry *ret_entry)
{
    int64_t base, end;
    int64_t n = lookup_read(store, key, ordinal, false, ret_entry, 1);
    if (n != 1)
        return index_fail(store, n < 0 ? (int)n : EDDA_ECORRUPT);
    int r = batch_offsets(store, ret_entry, &base, &end);
    return r < 0 ? r : base <= offset;
}

/* The ordinal of a batch before which all were removed, most of them at least; a failure only makes the search longer. */
static uint64_t first_batch(struct store *store, const struct partition *partition)
{
    uint64_t ordinal = 0;
    if (partition->start_offset == 0 ||
        lookup_find_position(store, key_partition(store->seed, partition->number), partition->start_position, &ordinal) < 0)
        return 0;
    return ordinal;
}

/* The ordinal of the last of a partition's closed batches from `first` on that begins at or before an offset, or `first`. */
static int batch_find(struct store *store, struct hash128 key, uint64_t first, uint64_t count, int64_t offset, uint64_t *ret_ordinal)
{
    struct index_entry entry;
    uint64_t low = first < count ? first : 0, high = count; /* from `high` on all begin behind the offset */
    while (high - low > 1) {
        uint64_t middle = low + (high - low) / 2;
        int r = batch_is_before(store, key, middle, offset, &entry);
        if (r < 0 && r != EDDA_ENOTFOUND)
            return r;
        if (r == 0)
            high = middle;
        else
            low = middle;
    }
    /* Among those that were removed the search went upward, which may have been too far. */
    while (low > first) {
        int r = batch_is_before(store, key, low, offset, &entry);
        if (r == 1)
            break;
        if (r < 0 && r != EDDA_ENOTFOUND)
            return r;
        low--;
    }
    *ret_ordinal = low;
    return 0;
}

int partition_position(struct store *store, const struct partition *partition, int64_t offset, uint64_t *ret_position)
{
    struct hash128 key = key_partition(store->seed, partition->number);
    struct index_entry entry;
    uint64_t count, ordinal = 0;
    int r = lookup_count(store, key, &count);
    if (r < 0)
        return index_fail(store, r);
    *ret_position = store->open ? store->open->first_position : store_tail(store);
    if (offset >= partition->next_offset) {
        *ret_position = store_tail(store);
        return 0;
    }
    if (count == 0)
        return 0;
    r = batch_find(store, key, first_batch(store, partition), count, offset, &ordinal);
    if (r < 0)
        return r;
    int64_t n = lookup_read(store, key, ordinal, false, &entry, 1);
    if (n == 1)
        *ret_position = entry.position;
    return n == 1 ? 0 : index_fail(store, n < 0 ? (int)n : EDDA_ECORRUPT);
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
    if (position < frame_begin(frame))
        position = frame_begin(frame);
    for (; position < frame_end(frame) && v->max > 0; position++) {
        struct store_record record;
        if (frame_partition_of(frame, (uint32_t)(position - frame->first_position)) != v->number)
            continue;
        int r = frame_record_at(v->store, frame, position, &record, &v->store->read_error);
        if (r == EDDA_ENOTFOUND)
            continue;
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
    r = r < 0 ? index_fail(store, r) : batch_find(store, key, first_batch(store, &topic->partitions[partition]), count, offset, &ordinal);
    uint64_t frame_of_last = UINT64_MAX;
    for (; r == 0 && ordinal < count; ordinal++) {
        struct index_entry entry;
        struct frame *frame;
        int64_t n = lookup_read(store, key, ordinal, false, &entry, 1);
        if (n != 1)
            return index_fail(store, n < 0 ? (int)n : EDDA_ECORRUPT);
        r = frame_at(store, entry.position, &store->reader, &frame, &store->read_error);
        if (r == EDDA_ENOTFOUND || (r == 0 && entry.position < frame->first_position)) {
            r = 0; /* all of its frame was removed */
            continue;
        }
        if (r == 0 && frame->first_position != frame_of_last) {
            frame_of_last = frame->first_position;
            r = frame_visit(&v, frame, entry.position);
        }
    }
    if (r == 0 && store->open)
        r = frame_visit(&v, store->open, store->open->first_position);
    return r < 0 ? r : v.visited;
}
