/*
 * partition: appending producers' batches, and the offsets of partitions; fetch.c reads.
 *
 * An append first makes room, which may close the frame and run its hook; what refuses it comes before, and what it changes behind.
 */
#include <inttypes.h>

#include "base/assert.h"
#include "store/intake.h"

static int batch_of_topic(const struct store_batch *batch, struct edda_error *error)
{
    ASSERT(batch->topic && batch->partition < batch->topic->partition_count);
    if (batch->topic->deleted)
        return edda_fail_field(error, EDDA_ENOTFOUND, "topic", "topic %s was deleted", batch->topic->name);
    if (batch->topic->internal)
        return edda_fail_field(error, EDDA_EFORBIDDEN, "topic", "topic %s is the broker's own", batch->topic->name);
    return 0;
}

/* Puts the batch into the open frame, where there is room for it. */
static int intake_put(struct store *store, const struct intake *intake, struct partition *partition, struct edda_error *error)
{
    const struct batch *batch = &intake->batch;
    struct frame *frame = frame_current(store);
    if (!frame || !additions_reserve(&store->additions, intake->key_count))
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory for a batch of %" PRId32 " records", batch->record_count);
    bool append_time = intake->rules.append_time;
    int64_t max_timestamp = append_time ? intake->time_ms : intake->max_timestamp_ms;
    struct frame_whole whole = {
        .partition = partition->number,
        .batch = batch,
        .base_offset = partition->next_offset,
        .stamp = append_time || max_timestamp != batch->max_timestamp_ms,
        .append_time = append_time,
        .max_timestamp_ms = max_timestamp,
        .plain_key = intake->plain_key,
        .records = intake->places,
    };
    uint64_t first = frame_end(frame);
    uint32_t index;
    int r = frame_add_batch(frame, &whole, &index);
    if (r < 0)
        return edda_fail_with(error, r, "a batch of %" PRId32 " records cannot be put into the frame", batch->record_count);
    for (uint32_t i = 0; i < intake->key_count && !batch_is_placeless(batch); i++) {
        const struct intake_key *k = &intake->keys[i];
        struct index_entry entry = { .position = first + k->ordinal, .batch = index, .record = intake->places[k->ordinal] };
        additions_put(&store->additions, k->key, &entry);
    }
    /* What the store itself appends to the partition comes behind, so in another batch. */
    partition->generation = 0;
    partition->next_offset += batch->record_count;
    frame->time_ms = log_time_ms(store->log);
    return 0;
}

int store_batch_append(struct store *store, const struct store_batch *batch, struct store_batch_appended *ret_appended,
                       struct edda_error *error)
{
    struct intake *intake = store->intake;
    struct partition *partition = &batch->topic->partitions[batch->partition];
    *ret_appended = (struct store_batch_appended){ .base_offset = -1, .append_time_ms = -1, .wrong_record = -1 };
    int r = batch_of_topic(batch, error);
    if (r == 0)
        r = intake_take(store, intake, batch, error);
    ret_appended->wrong_record = intake->wrong_record;
    if (r == 0 && intake->batch.attributes & BATCH_TRANSACTIONAL)
        return edda_fail_with(error, EDDA_ETRANSACTION, "producer %" PRId64 " has no transaction", intake->batch.producer_id);
    if (r == 0)
        r = append_ready(store, error);
    if (r == 0 && intake->elsewhere)
        r = topic_mark_mixed(store, topic_entry_of(batch->topic), error);
    if (r == 0)
        r = append_room(store, batch->bytes.len + FRAME_RUN_COST, 1, error);
    if (r < 0)
        return r;
    /* The partitions may have moved, when the hook made some. */
    partition = &batch->topic->partitions[batch->partition];
    int64_t base_offset = partition->next_offset;
    r = intake_put(store, intake, partition, error);
    if (r < 0)
        return r;
    ret_appended->base_offset = base_offset;
    if (intake->rules.append_time)
        ret_appended->append_time_ms = intake->time_ms;
    return 0;
}

/* --- what is durable ------------------------------------------------------------------------------------ */

static struct partition *partition_of(const struct store *store, uint32_t number)
{
    const struct partition_place *place = &store->places[number];
    return &place->entry->topic.partitions[place->partition];
}

void partitions_all_durable(struct store *store)
{
    for (uint32_t i = 0; i < store->place_count; i++)
        if (store->places[i].entry)
            partition_of(store, i)->durable_offset = partition_of(store, i)->next_offset;
}

void frame_is_durable(struct store *store, const struct frame *frame)
{
    for (uint32_t i = 0; i < frame->batch_count; i++) {
        const struct frame_batch *b = &frame->batches[i];
        partition_of(store, b->partition)->durable_offset = b->batch.base_offset + b->batch.last_offset_delta + 1;
    }
}

void frame_tell_durable(struct store *store, const struct frame *frame)
{
    for (uint32_t i = 0; store->durable_hook && i < frame->batch_count; i++) {
        const struct partition_place *place = &store->places[frame->batches[i].partition];
        struct topic *topic = &place->entry->topic;
        struct partition *partition = &topic->partitions[place->partition];
        if (partition->told_offset == partition->durable_offset)
            continue;
        partition->told_offset = partition->durable_offset;
        store->durable_hook(store->durable_user, topic, place->partition);
    }
}

void store_on_durable(struct store *store, store_durable_fn *hook, void *user)
{
    store->durable_hook = hook;
    store->durable_user = user;
}

void store_partition_bounds(struct store *store, const struct topic *topic, uint32_t partition, struct store_bounds *ret_bounds)
{
    (void)store;
    ASSERT(partition < topic->partition_count);
    const struct partition *p = &topic->partitions[partition];
    *ret_bounds = (struct store_bounds){
        .start = partition_start(topic, partition), .stable = p->durable_offset, .durable = p->durable_offset, .next = p->next_offset
    };
}
