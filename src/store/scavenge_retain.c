/*
 * Retention: where each partition is to begin, by how old its batches are and how many bytes it has. The new starts are records of "_edda.starts" (store/starts.c); their
 * bytes go later.
 */
#include "store/partition.h"
#include "store/scavenge_parts.h"

#define SLICE_PARTITIONS 16

/* The header of a durable batch; false when it was removed or is not durable. */
static bool batch_head(const struct scavenger *s, const struct index_entry *entry, struct batch *ret_batch)
{
    struct slice bytes = entry->position < store_durable_position(s->store) ? log_bytes(s->store->log, entry->batch) : slice_of(NULL, 0);
    return bytes.data && batch_parse(bytes, ret_batch, NULL) > 0;
}

static bool retains(const struct topic *topic)
{
    return !topic->internal && !topic->deleted && topic_setting_get(topic, TOPIC_CLEANUP_POLICY) & CLEANUP_DELETE &&
           (topic_setting_get(topic, TOPIC_RETENTION_MS) >= 0 || topic_setting_get(topic, TOPIC_RETENTION_BYTES) >= 0);
}

/* Forward from the start: batches that are too old, as long as they follow one another. 1 at the first that is not. */
static int walk_by_time(struct scavenger *s, struct hash128 key, int64_t retention_ms)
{
    struct index_entry entries[SLICE_BATCHES];
    struct batch batch;
    int64_t n = lookup_read(s->store, key, s->ordinal, false, entries, SLICE_BATCHES);
    for (int64_t i = 0; i < n; i++, s->ordinal++) {
        if (!batch_head(s, &entries[i], &batch)) {
            if (entries[i].position < store_durable_position(s->store))
                continue; /* it was removed */
            return 1;
        }
        int64_t end = batch.base_offset + batch.last_offset_delta + 1;
        if (end <= s->start)
            continue;
        if (batch.max_timestamp_ms < 0 || batch.max_timestamp_ms >= s->now_ms - retention_ms)
            return 1;
        s->start = end;
    }
    return n < 0 ? (int)n : n < SLICE_BATCHES;
}

/* Backward from the newest, until what would be kept is too much. 1 at the end. */
static int walk_by_bytes(struct scavenger *s, struct hash128 key, uint64_t retention_bytes)
{
    struct index_entry entries[SLICE_BATCHES];
    struct batch batch;
    int64_t n = s->ordinal ? lookup_read(s->store, key, s->ordinal - 1, true, entries, SLICE_BATCHES) : 0;
    for (int64_t i = 0; i < n; i++, s->ordinal--) {
        if (!batch_head(s, &entries[i], &batch))
            continue;
        int64_t end = batch.base_offset + batch.last_offset_delta + 1;
        if (end <= s->start)
            return 1;
        s->bytes += batch.bytes.len;
        if (s->bytes > retention_bytes) {
            s->start = end;
            return 1;
        }
    }
    return n < 0 ? (int)n : s->ordinal == 0 || n == 0;
}

/* Works out where the partition is to begin, SLICE_BATCHES at a time. 1 when that is known. */
static int retention_walk(struct scavenger *s, const struct topic *topic, const struct partition *p)
{
    struct hash128 key = key_partition(s->store->seed, p->number);
    int64_t retention_ms = topic_setting_get(topic, TOPIC_RETENTION_MS);
    int64_t retention_bytes = topic_setting_get(topic, TOPIC_RETENTION_BYTES);
    int r = 0;
    if (s->walk == WALK_NONE) {
        s->start = p->start_offset;
        s->bytes = 0;
        s->walk = WALK_TIME;
        r = lookup_find_position(s->store, key, p->start_position, &s->ordinal);
    }
    if (r == 0 && s->walk == WALK_TIME) {
        r = retention_ms >= 0 ? walk_by_time(s, key, retention_ms) : 1;
        if (r <= 0 || retention_bytes < 0)
            return r;
        s->walk = WALK_BYTES;
        r = lookup_count(s->store, key, &s->ordinal);
    }
    return r < 0 ? r : walk_by_bytes(s, key, (uint64_t)retention_bytes);
}

static void retain_next(struct scavenger *s)
{
    s->walk = WALK_NONE;
    s->partition++;
}

int scavenge_retain_slice(struct scavenger *s)
{
    struct store *store = s->store;
    unsigned looked_at = 0;
    while (s->topic < store->topic_count) {
        if (looked_at == SLICE_PARTITIONS) {
            s->touch = slice_of(NULL, 0);
            scavenge_job_start(s, 0);
            return 0;
        }
        struct topic_entry *entry = store->topics[s->topic];
        if (!retains(&entry->topic) || s->partition >= entry->topic.partition_count) {
            s->topic++;
            s->partition = 0;
            s->walk = WALK_NONE;
            continue;
        }
        struct partition *p = &entry->topic.partitions[s->partition];
        uint64_t position = 0;
        int r = retention_walk(s, &entry->topic, p);
        looked_at = r == 0 ? SLICE_PARTITIONS : looked_at + 1;
        if (r == 0)
            continue;
        struct store_bounds bounds;
        store_partition_bounds(store, &entry->topic, s->partition, &bounds);
        if (s->start > bounds.stable)
            s->start = bounds.stable; /* an open transaction keeps what it has, and all behind it */
        if (r == 1 && s->start > p->start_offset) {
            r = partition_position(store, p, s->start, &position);
            if (r == 0)
                r = start_put(store, entry, p, s->start, position, NULL);
        }
        if (r < 0)
            return r;
        retain_next(s);
    }
    s->settled = store_tail(store);
    s->state = SCAVENGE_SETTLE;
    return 0;
}
