/*
 * fetch: the batches of a partition as they lie. The index lists a partition's batches in the order of their offsets; a fetch finds the first one by
 * halving, or, as those who read on ask again where the last answer ended, in the few places that are remembered, and then takes the list in pieces.
 *
 * Only what is durable is given, so all of it lies in the mapping of the log; whether it lies in memory is another matter, see load.c.
 */
#include <inttypes.h>

#include "base/assert.h"
#include "store/internal.h"

/* Stands in the list of a partition's batches. */
struct walk {
    struct store *store;
    struct hash128 key;
    uint64_t ordinal;          /* of the next entry */
    struct index_entry entries[64];
    size_t count, at;
};

#define AHEAD_BYTES_MIN (UINT64_C(256) << 10)
#define AHEAD_BYTES_MAX (UINT64_C(8) << 20)
#define WALK_FIRST 8 /* entries in the first piece: most readers want few batches */

static struct walk walk_of(struct store *store, const struct partition *partition, uint64_t ordinal)
{
    return (struct walk){ .store = store, .key = key_partition(store->seed, partition->number), .ordinal = ordinal };
}

static int index_fail(struct edda_error *error, int code)
{
    return edda_fail_with(error, code, "the index cannot be read: %s", edda_code_info(code)->sentence);
}

/* 1 and the next batch that is durable, 0 at the end. */
static int walk_next(struct walk *w, struct index_entry *ret_entry, struct edda_error *error)
{
    if (w->at == w->count) {
        size_t max = w->count ? sizeof(w->entries) / sizeof(w->entries[0]) : WALK_FIRST;
        int64_t n = lookup_read(w->store, w->key, w->ordinal, false, w->entries, max);
        if (n < 0)
            return index_fail(error, (int)n);
        w->count = (size_t)n;
        w->at = 0;
    }
    if (w->at == w->count || w->entries[w->at].batch >= log_durable_end(w->store->log))
        return 0;
    *ret_entry = w->entries[w->at++];
    w->ordinal++;
    return 1;
}

static int64_t batch_end(const struct batch *batch)
{
    return batch->base_offset + batch->last_offset_delta + 1;
}

/* The header of the batch with this ordinal. EDDA_EOFFSET when there is none that is durable, EDDA_ENOTFOUND when it was removed; EDDA_EBUSY: it is
 * asked for, with `loaded_only`. */
static int batch_with_ordinal(struct store *store, const struct partition *partition, uint64_t ordinal, bool loaded_only, struct batch *ret_batch,
                              struct edda_error *error)
{
    struct log_range known = { 0 };
    struct index_entry entry;
    uint32_t number;
    int64_t n = lookup_read(store, key_partition(store->seed, partition->number), ordinal, false, &entry, 1);
    if (n < 0)
        return index_fail(error, (int)n);
    if (n == 0 || entry.batch >= log_durable_end(store->log))
        return EDDA_EOFFSET;
    if (loaded_only && !batch_is_loaded(store, entry.batch, true, &known))
        return EDDA_EBUSY;
    return batch_at(store, entry.batch, &number, ret_batch, error);
}

static struct fetch_place *place_for(struct store *store, const struct partition *partition, int64_t offset)
{
    uint64_t hash = hash64_mix(partition->number, (uint64_t)offset);
    return &store->fetch_places[hash % (sizeof(store->fetch_places) / sizeof(store->fetch_places[0]))];
}

static void place_remember(struct store *store, const struct partition *partition, int64_t offset, uint64_t ordinal)
{
    *place_for(store, partition, offset) = (struct fetch_place){ partition->number, offset, ordinal };
}

/* The ordinal of the batch that holds the offset, or of the first behind it. */
static int ordinal_find(struct store *store, const struct partition *partition, int64_t offset, bool loaded_only, uint64_t *ret_ordinal, struct edda_error *error)
{
    const struct fetch_place *place = place_for(store, partition, offset);
    struct batch batch;
    uint64_t low = 0, high;
    int r;
    if (place->partition == partition->number && place->offset == offset) {
        r = batch_with_ordinal(store, partition, place->ordinal, loaded_only, &batch, error);
        if (r == EDDA_EBUSY)
            return r;
        if (r == 0 && batch.base_offset <= offset && offset < batch_end(&batch)) {
            *ret_ordinal = place->ordinal;
            return 0;
        }
    }
    r = lookup_count(store, key_partition(store->seed, partition->number), &high);
    /* Most of what was removed lies before the start, and need not be looked at. */
    if (r == 0 && partition->start_offset > 0)
        r = lookup_find_position(store, key_partition(store->seed, partition->number), partition->start_position, &low);
    if (r < 0)
        return index_fail(error, r);
    while (low < high) {
        uint64_t middle = low + (high - low) / 2, probe = middle;
        while ((r = batch_with_ordinal(store, partition, probe, loaded_only, &batch, error)) == EDDA_ENOTFOUND && probe + 1 < high)
            probe++;
        if (r < 0 && r != EDDA_ENOTFOUND && r != EDDA_EOFFSET)
            return r;
        if (r == 0 && batch_end(&batch) <= offset)
            low = probe + 1;
        else
            high = middle;
    }
    *ret_ordinal = low;
    return 0;
}

static uint64_t ahead_bytes(uint64_t bytes)
{
    return bytes < AHEAD_BYTES_MIN ? AHEAD_BYTES_MIN : bytes < AHEAD_BYTES_MAX ? bytes : AHEAD_BYTES_MAX;
}

int64_t store_fetch(struct store *store, const struct store_fetch *fetch, store_bytes_fn *visit, void *user, struct edda_error *error)
{
    struct store_bounds bounds;
    store_partition_bounds(store, fetch->topic, fetch->partition, &bounds);
    const struct partition *partition = &fetch->topic->partitions[fetch->partition];
    int64_t end = fetch->committed ? bounds.stable : bounds.durable;
    uint64_t given = 0, count = 0, ordinal;
    struct log_range known = { 0 };
    bool missing = false;
    if (fetch->offset < bounds.start || fetch->offset > bounds.durable)
        return edda_fail_field(error, EDDA_EOFFSET, "offset", "offset %" PRId64 " is outside of %" PRId64 " to %" PRId64, fetch->offset,
                               bounds.start, bounds.durable);
    if (fetch->offset >= end)
        return 0;
    int r = ordinal_find(store, partition, fetch->offset, fetch->loaded_only, &ordinal, error);
    if (r < 0)
        return r;
    struct walk walk = walk_of(store, partition, ordinal);
    struct index_entry entry;
    int64_t next = fetch->offset;
    while ((r = walk_next(&walk, &entry, error)) == 1) {
        struct batch batch;
        uint32_t number;
        missing = fetch->loaded_only && !batch_is_loaded(store, entry.batch, true, &known);
        if (missing) {
            walk.ordinal--;
            break;
        }
        r = batch_at(store, entry.batch, &number, &batch, error);
        if (r == EDDA_ENOTFOUND)
            continue; /* it was removed */
        if (r < 0)
            return r;
        if (batch_end(&batch) <= fetch->offset)
            continue; /* among those that were removed, the search ends too early */
        if (batch.record_count == 0 && batch_end(&batch) < end)
            continue; /* at the end, the reader must learn that there is no more */
        bool fits = given + batch.bytes.len <= fetch->bytes_max || (given == 0 && fetch->first_whole);
        if (batch.base_offset >= end || !fits) {
            walk.ordinal--;
            break;
        }
        r = visit(user, batch.bytes);
        if (r != 0)
            return r < 0 ? r : (int64_t)(given + batch.bytes.len);
        given += batch.bytes.len;
        count++;
        next = batch_end(&batch);
    }
    place_remember(store, partition, next, walk.ordinal);
    /* What is asked for next is on its way from the disk while this is on its way to the client. */
    if (fetch->loaded_only && (count > 0 || missing))
        batches_load(store, partition, walk.ordinal, ahead_bytes(count ? 8 * given : fetch->bytes_max), count ? given / count : 0);
    if (r >= 0 && missing && given == 0)
        return EDDA_EBUSY;
    return r < 0 ? r : (int64_t)given;
}

uint64_t store_partition_bytes(struct store *store, const struct topic *topic, uint32_t partition)
{
    const struct partition *p = &topic->partitions[partition];
    struct index_entry entry;
    uint64_t bytes = 0, ordinal = 0;
    if (ordinal_find(store, p, partition_start(topic, partition), false, &ordinal, &store->read_error) < 0)
        return 0;
    struct walk walk = walk_of(store, p, ordinal);
    while (walk_next(&walk, &entry, &store->read_error) == 1) {
        struct batch batch;
        if (batch_parse(log_bytes(store->log, entry.batch), &batch, NULL) > 0)
            bytes += batch.bytes.len;
    }
    return bytes;
}

/* --- times ---------------------------------------------------------------------------------------------- */

/* What is looked for, and what was found. */
struct time_search {
    int64_t start;             /* the first offset that counts */
    int64_t time_ms;           /* the least time that counts */
    bool latest;               /* the greatest time, not the first record */
    int64_t offset;            /* -1: nothing yet */
    int64_t found_ms;
};

/* Looks through a batch. */
static int batch_search(struct store *store, struct time_search *search, const struct index_entry *entry, struct edda_error *error)
{
    struct batch batch;
    struct slice plain;
    struct record record;
    uint32_t number;
    int r = batch_at(store, entry->batch, &number, &batch, error);
    if (r == EDDA_ENOTFOUND)
        return 0; /* it was removed */
    if (r == 0)
        r = plain_records(store->plain, entry->batch, &batch, &plain, error);
    if (r < 0)
        return r;
    struct cursor records = cursor_of(plain);
    while (batch_next(&batch, &records, &record)) {
        if (record.offset < search->start || record.timestamp_ms < search->time_ms)
            continue;
        search->offset = record.offset;
        search->found_ms = record.timestamp_ms;
        if (!search->latest)
            break;
        search->time_ms = record.timestamp_ms + 1;
    }
    return 0;
}

/* A batch's header gives an upper bound of its timestamps; most batches are passed by for it, and are not touched beyond that. */
static int time_search(struct store *store, struct topic *topic, uint32_t partition, struct time_search *search)
{
    const struct partition *p = &topic->partitions[partition];
    struct edda_error *error = &store->read_error;
    struct index_entry entry;
    uint64_t ordinal = 0;
    search->start = partition_start(topic, partition);
    search->offset = -1;
    int r = ordinal_find(store, p, search->start, false, &ordinal, error);
    struct walk walk = walk_of(store, p, ordinal);
    while (r == 0 && (search->latest || search->offset < 0) && (r = walk_next(&walk, &entry, error)) == 1) {
        struct batch batch;
        r = 0;
        if (batch_parse(log_bytes(store->log, entry.batch), &batch, NULL) <= 0 ||
            (batch.max_timestamp_ms >= search->time_ms && !(batch.attributes & BATCH_CONTROL)))
            r = batch_search(store, search, &entry, error);
    }
    if (r >= 0 && search->offset < 0)
        return edda_fail_with(error, EDDA_ENOTFOUND, "no record of topic %s has such a timestamp", topic->name);
    return r < 0 ? r : 0;
}

int store_offset_at_time(struct store *store, struct topic *topic, uint32_t partition, int64_t time_ms, int64_t *ret_offset, int64_t *ret_time_ms)
{
    ASSERT(partition < topic->partition_count);
    struct time_search search = { .time_ms = time_ms };
    int r = time_search(store, topic, partition, &search);
    if (r == 0) {
        *ret_offset = search.offset;
        *ret_time_ms = search.found_ms;
    }
    return r;
}

int store_offset_of_latest(struct store *store, struct topic *topic, uint32_t partition, int64_t *ret_offset, int64_t *ret_time_ms)
{
    ASSERT(partition < topic->partition_count);
    struct time_search search = { .latest = true };
    int r = time_search(store, topic, partition, &search);
    if (r == 0) {
        *ret_offset = search.offset;
        *ret_time_ms = search.found_ms;
    }
    return r;
}
