/*
 * partition: appending producers' batches, and the offsets of partitions; fetch.c reads.
 *
 * An append first makes room, which may close the frame and run its hook; what refuses it comes before, and what it changes behind.
 */
#include <inttypes.h>

#include "base/assert.h"
#include "store/producers.h"

static int batch_of_topic(const struct store_batch *batch, struct edda_error *error)
{
    ASSERT(batch->topic && batch->partition < batch->topic->partition_count);
    if (batch->topic->deleted)
        return edda_fail_field(error, EDDA_ENOTFOUND, "topic", "topic %s was deleted", batch->topic->name);
    if (batch->topic->internal)
        return edda_fail_field(error, EDDA_EFORBIDDEN, "topic", "topic %s is the broker's own", batch->topic->name);
    return 0;
}

/* Begins the transaction in the partition when this is its first batch there; *ret_span is NULL when it is not. */
static int span_begin(const struct batch *batch, struct partition *partition, struct transaction *t, struct span **ret_span, struct edda_error *error)
{
    *ret_span = NULL;
    if (!t || transaction_partition_find(t, partition->number)->begun)
        return 0;
    *ret_span = span_add(partition, batch->producer_id, partition->next_offset);
    return *ret_span ? 0 : edda_fail_with(error, EDDA_ENOMEM, "out of memory for a transaction");
}

/* Puts a whole batch into the open frame, where there is room for it; `intake` is NULL for one of the store's own. */
static int batch_put(struct store *store, struct partition *partition, const struct batch *batch, const struct intake *intake,
                     struct edda_error *error)
{
    struct transaction *t = batch->attributes & BATCH_TRANSACTIONAL ? transaction_of_producer(store, batch->producer_id) : NULL;
    struct frame *frame = frame_current(store);
    struct span *span;
    uint32_t key_count = intake && !t ? intake->key_count : 0;
    bool append_time = intake && intake->rules.append_time;
    int64_t max_timestamp = append_time ? intake->time_ms : intake ? intake->max_timestamp_ms : batch->max_timestamp_ms;
    struct frame_whole whole = {
        .partition = partition->number,
        .batch = batch,
        .base_offset = partition->next_offset,
        .stamp = append_time || max_timestamp != batch->max_timestamp_ms,
        .append_time = append_time,
        .max_timestamp_ms = max_timestamp,
        .plain_key = intake ? intake->plain_key : 0,
        .records = intake ? intake->places : NULL,
    };
    if (!frame || !additions_reserve(&store->additions, key_count))
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory for a batch of %" PRId32 " records", batch->record_count);
    int r = span_begin(batch, partition, t, &span, error);
    if (r < 0)
        return r;
    uint64_t first = frame_end(frame);
    uint32_t index;
    r = frame_add_batch(frame, &whole, &index);
    if (r < 0) {
        if (span)
            span_cancel(partition, span);
        return edda_fail_with(error, r, "a batch of %" PRId32 " records cannot be put into the frame", batch->record_count);
    }
    for (uint32_t i = 0; i < key_count; i++) {
        const struct intake_key *k = &intake->keys[i];
        struct index_entry entry = { .position = first + k->ordinal, .batch = index, .record = intake->places[k->ordinal] };
        additions_put(&store->additions, k->key, &entry);
    }
    if (t) {
        transaction_partition_find(t, partition->number)->begun = true;
        t->unclosed++;
        t->record_count += (uint32_t)batch->record_count;
    }
    /* What the store itself appends to the partition comes behind, so in another batch. */
    partition->generation = 0;
    partition->next_offset += batch->record_count;
    frame->time_ms = log_time_ms(store->log);
    return 0;
}

int transactional_batch_append(struct store *store, struct topic *topic, uint32_t partition, const struct batch *batch, struct edda_error *error)
{
    struct transaction *t = transaction_of_producer(store, batch->producer_id);
    int r = append_ready(store, error);
    if (r == 0)
        r = append_room(store, frame_batch_bytes_max(batch->bytes.len), 1, error);
    if (r == 0 && !transaction_batches_reserve(t, t->unclosed + 1))
        r = edda_fail_with(error, EDDA_ENOMEM, "out of memory for a transaction");
    return r < 0 ? r : batch_put(store, &topic->partitions[partition], batch, NULL, error);
}

/* Makes room for the batch, and puts it there with all that is known of its producer. */
static int batch_append(struct store *store, const struct store_batch *from, const struct intake *intake, int64_t *ret_base, struct edda_error *error)
{
    struct batch batch = intake->batch;
    bool has_producer = batch.producer_id >= 0;
    int r = append_ready(store, error);
    if (r == 0 && has_producer)
        r = producer_ids_cover(store, batch.producer_id, error);
    if (r == 0 && intake->elsewhere && !batch_is_placeless(&batch))
        r = topic_mark_mixed(store, topic_entry_of(from->topic), error);
    if (r == 0)
        r = append_room(store, frame_batch_bytes_max(batch.bytes.len), 1, error);
    if (r < 0)
        return r;
    /* Only here, as the partitions may have moved and grown with the hook. */
    struct partition *partition = &from->topic->partitions[from->partition];
    if (has_producer)
        r = producer_reserve(store, partition->number, &batch, error);
    *ret_base = batch.base_offset = partition->next_offset;
    if (r == 0)
        r = batch_put(store, partition, &intake->batch, intake, error);
    if (r < 0)
        return r;
    if (has_producer)
        producer_note(store, partition->number, &batch, intake->time_ms);
    return 0;
}

int store_batch_append(struct store *store, const struct store_batch *batch, struct store_batch_appended *ret_appended,
                       struct edda_error *error)
{
    struct intake *intake = store->intake;
    *ret_appended = (struct store_batch_appended){ .base_offset = -1, .append_time_ms = -1, .wrong_record = -1 };
    int r = batch_of_topic(batch, error);
    if (r < 0)
        return r;
    r = intake_take(store, intake, batch, error);
    ret_appended->wrong_record = intake->wrong_record;
    if (r == 0 && intake->batch.producer_id >= 0)
        r = producer_check(store, batch->topic, batch->partition, &intake->batch, &ret_appended->base_offset, error);
    if (r < 0)
        return r;
    ret_appended->repeated = r == 1;
    if (r == 0)
        r = batch_append(store, batch, intake, &ret_appended->base_offset, error);
    if (r < 0)
        return r;
    if (intake->rules.append_time && !ret_appended->repeated)
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
        struct partition *partition = partition_of(store, b->partition);
        partition->durable_offset = b->batch.base_offset + b->batch.last_offset_delta + 1;
        if (b->batch.attributes & BATCH_CONTROL)
            spans_remove_ended(partition, partition->durable_offset);
    }
}

void frame_tell_durable(struct store *store, const struct frame *frame)
{
    for (uint32_t i = 0; store->durable_hook && i < frame->batch_count; i++) {
        const struct partition_place *place = &store->places[frame->batches[i].partition];
        struct topic *topic = &place->entry->topic;
        struct partition *partition = &topic->partitions[place->partition];
        int64_t stable = partition_stable(partition);
        if (partition->told_offset == partition->durable_offset && partition->told_stable == stable)
            continue;
        partition->told_offset = partition->durable_offset;
        partition->told_stable = stable;
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
    /* A transaction may have been truncated while it was open. */
    int64_t start = partition_start(topic, partition), stable = partition_stable(p);
    *ret_bounds = (struct store_bounds){
        .start = start, .stable = stable > start ? stable : start, .durable = p->durable_offset, .next = p->next_offset
    };
}
