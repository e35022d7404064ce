/*
 * starts: where a partition begins that does not begin at 0 any more, because retention or truncation have taken from its front. Kept in "_edda.starts" (key: the partition's number in the log; value: JSON of the offset, and of a position before which the partition has
 * nothing), and in memory in the partition. (That a topic was deleted stands in its own row, store/topics.c, with where its partitions ended.)
 *
 * A start is what is true; the bytes behind it go later (store/scavenge.c), and whoever reads a record asks the start first. So what was
 * removed is gone at once, for all readers, and stays so whether the scavenger has come by or not.
 */
#include <inttypes.h>
#include <stdio.h>

#include "base/assert.h"
#include "store/internal.h"
#include "store/partition.h"
#include "wire/json/json.h"

struct start_row {
    int64_t offset;
    int64_t position;
};
static const struct edda_field start_row_fields[] = {
    EDDA_FIELD(start_row, offset, .min = 0),
    EDDA_FIELD(start_row, position, .min = 0),
};
static const struct edda_type start_row_type = EDDA_VALUE(start_row);

#define START_KEY_BYTES 12

static struct slice start_key(const struct partition *partition, char text[START_KEY_BYTES])
{
    int len = snprintf(text, START_KEY_BYTES, "%" PRIu32, partition->number);
    return slice_of(text, (size_t)len);
}

void start_apply(struct topic_entry *entry, struct partition *partition, int64_t offset, uint64_t position, uint64_t tail)
{
    if (offset <= partition->start_offset)
        return;
    partition->start_offset = offset;
    partition->start_position = position;
    partition->start_recorded = tail;
    entry->recorded = tail > entry->recorded ? tail : entry->recorded;
    entry->truncated = true;
}

static int partition_load(struct store *store, struct topic_entry *entry, struct partition *partition, struct arena *arena,
                          struct edda_error *error)
{
    char text[START_KEY_BYTES];
    struct slice value;
    struct start_row row;
    int r = table_value(store, TOPIC_STARTS, start_key(partition, text), &value);
    if (r == 0 && value.data)
        r = json_decode(&start_row_type, value, JSON_STORED, arena, &row, &store->read_error);
    if (r < 0)
        return edda_fail_with(error, r, "the start of topic %s cannot be read: %s", entry->topic.name, store->read_error.message);
    if (value.data)
        start_apply(entry, partition, row.offset, (uint64_t)row.position, 0);
    return 0;
}

int starts_load(struct store *store, struct edda_error *error)
{
    struct arena arena;
    int r = 0;
    arena_init(&arena, 0, 0);
    for (uint32_t i = 0; r == 0 && i < store->topic_count; i++) {
        struct topic_entry *entry = store->topics[i];
        for (uint32_t n = 0; r == 0 && !entry->topic.internal && n < entry->partitions_known; n++) {
            struct partition *partition = &entry->topic.partitions[n];
            r = store->starts_topic ? partition_load(store, entry, partition, &arena, error) : 0;
            /* When nothing that was read tells how far the partition went. */
            if (partition->next_offset < partition->start_offset)
                partition->next_offset = partition->start_offset;
        }
        arena_reset(&arena);
    }
    arena_deinit(&arena);
    return r;
}

int start_put(struct store *store, struct topic_entry *entry, struct partition *partition, int64_t offset, uint64_t position,
              struct edda_error *error)
{
    char text[START_KEY_BYTES];
    struct start_row row = { .offset = offset, .position = (int64_t)position };
    if (offset <= partition->start_offset)
        return 0;
    int r = topic_internal(store, TOPIC_STARTS, &store->starts_topic, error);
    if (r < 0)
        return r;
    uint32_t index = (uint32_t)(partition - entry->topic.partitions);
    struct buffer *json = scratch_take(store);
    json_encode(&start_row_type, &row, json);
    if (!buffer_ok(json))
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory for the start of a partition");
    r = append_row(store, store->starts_topic, start_key(partition, text), buffer_slice(json), error);
    /* The array may have moved, when the hook has made the topic larger. */
    if (r == 0)
        start_apply(entry, &entry->topic.partitions[index], offset, position, store_tail(store));
    return r;
}

uint64_t topic_floor(const struct topic_entry *entry, const struct slice *key)
{
    const struct topic *topic = &entry->topic;
    uint64_t floor = UINT64_MAX;
    if (!entry->truncated)
        return 0;
    if (key && !entry->mixed)
        return topic->partitions[partition_by_hash(topic, *key)].start_position;
    for (uint32_t i = 0; i < entry->partitions_known; i++)
        if (topic->partitions[i].start_position < floor)
            floor = topic->partitions[i].start_position;
    return floor;
}

/* --- the interface ------------------------------------------------------------------------------------- */

/* The offset behind what is durable of a partition. */
static int durable_offset(struct store *store, const struct partition *partition, int64_t *ret_offset)
{
    struct hash128 key = key_partition(store->seed, partition->number);
    struct index_entry entry;
    uint64_t ordinal;
    int r = lookup_find_position(store, key, log_durable_position(store->log), &ordinal);
    *ret_offset = partition->start_offset;
    if (r < 0 || ordinal == 0)
        return r;
    int64_t n = lookup_read(store, key, ordinal - 1, false, &entry, 1);
    if (n != 1)
        return n < 0 ? (int)n : EDDA_ECORRUPT;
    int64_t base = 0, end = 0;
    r = batch_offsets(store, &entry, &base, &end);
    if (r == 0 && end > *ret_offset)
        *ret_offset = end;
    return r == EDDA_ENOTFOUND ? 0 : r;
}

int store_partition_truncate(struct store *store, struct topic *topic, uint32_t index, int64_t offset, struct edda_error *error)
{
    ASSERT(index < topic->partition_count);
    struct partition *partition = &topic->partitions[index];
    int64_t durable = 0;
    uint64_t position = 0;
    if (topic->internal)
        return edda_fail_field(error, EDDA_EINVAL, "topic", "topic %s is a table of Edda's own, which is not cut", topic->name);
    int r = durable_offset(store, partition, &durable);
    if (r < 0)
        return edda_fail_with(error, r, "the index cannot be read");
    if (offset == -1)
        offset = durable;
    if (offset < 0 || offset > durable)
        return edda_fail_field(error, EDDA_EOFFSET, "offset", "topic %s partition %" PRIu32 " ends at offset %" PRId64 ", not %" PRId64,
                               topic->name, index, durable, offset);
    r = partition_position(store, partition, offset, &position);
    return r < 0 ? edda_fail_with(error, r, "%s", store->read_error.message) :
                   start_put(store, topic_entry_of(topic), partition, offset, position, error);
}

int store_topic_delete(struct store *store, struct topic *topic, struct edda_error *error)
{
    if (topic->internal)
        return edda_fail_field(error, EDDA_EINVAL, "topic", "topic %s is a table of Edda's own, which is not deleted", topic->name);
    if (topic->deleted)
        return edda_fail_field(error, EDDA_ENOTFOUND, "topic", "topic %s was deleted", topic->name);
    int r = offsets_forget(store, topic_name(topic), error);
    return r < 0 ? r : topic_delete_row(store, topic_entry_of(topic), error);
}
