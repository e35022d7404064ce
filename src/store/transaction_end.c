/*
 * transaction_end: the one frame in which a transaction ends: the row of its producer, a control batch in each of its partitions and, when it
 * commits, the batches it is made of. All that can fail comes first; then it is put into the frame, and what is known is changed.
 */
#include <inttypes.h>

#include "base/assert.h"
#include "base/put.h"
#include "store/producers.h"


static struct partition *partition_of(const struct store *store, uint32_t number)
{
    const struct partition_place *place = &store->places[number];
    return &place->entry->topic.partitions[place->partition];
}

/* Reads the batches again: where their records begin, and under which keys the index is to have them. */
static int batches_take(struct store *store, const struct transaction *t, struct intake *intake, struct edda_error *error)
{
    intake_clear(intake);
    for (uint32_t i = 0; i < t->batch_count; i++) {
        const struct transaction_batch *b = &t->batches[i];
        struct batch batch;
        struct slice plain;
        uint32_t number;
        int r = batch_closed_at(store, b->address, &number, &batch, error);
        if (r == 0)
            r = plain_records(store->plain, b->address, &batch, &plain, error);
        if (r == 0)
            r = intake_again(store, intake, &store->places[number].entry->topic, &batch, plain, error);
        if (r < 0)
            return r;
    }
    return 0;
}

/* All that ending needs from the system. */
static int end_reserve(struct store *store, const struct transaction *t, const struct intake *intake, bool commit, struct edda_error *error)
{
    struct frame *frame = frame_current(store);
    bool ok = frame && frame_reserve(frame, t->partition_count + 1, t->batch_count, intake->place_count + 2) &&
              additions_reserve(&store->additions, intake->key_count + 1);
    for (uint32_t i = 0; ok && !commit && i < t->partition_count; i++)
        ok = !t->partitions[i].begun || aborted_reserve(partition_of(store, t->partitions[i].number));
    return ok ? 0 : edda_fail_with(error, EDDA_ENOMEM, "out of memory for the end of a transaction");
}

/* A control batch (KIP-98): one record, whose key says how the transaction has ended. */
static int control_put(struct store *store, struct partition *partition, struct producer_id producer, bool commit)
{
    struct buffer *out = &store->producers->scratch;
    struct batch_builder builder;
    struct batch batch;
    uint8_t key[4], value[6];
    put_be16(put_be16(key, 0), commit ? CONTROL_COMMIT : CONTROL_ABORT);
    put_be32(put_be16(value, 0), 0);
    buffer_clear(out);
    batch_builder_init(&builder, out);
    batch_builder_add(&builder, log_time_ms(store->log), slice_of(key, sizeof(key)), slice_of(value, sizeof(value)), slice_of(NULL, 0), 0);
    batch_builder_finish(&builder, 0, BATCH_TRANSACTIONAL | BATCH_CONTROL);
    if (!buffer_ok(out))
        return EDDA_ENOMEM;
    batch_set_producer(out->data, out->len, producer.id, producer.epoch, -1);
    batch_parse(buffer_slice(out), &batch, NULL);
    struct frame_whole whole = { .partition = partition->number, .batch = &batch, .base_offset = partition->next_offset };
    return frame_add_batch(store->open, &whole, NULL);
}

static int controls_put(struct store *store, const struct transaction *t, struct producer_id marker, bool commit)
{
    uint32_t done = 0;
    int r = 0;
    for (; done < t->partition_count; done++) {
        struct partition *partition = partition_of(store, t->partitions[done].number);
        r = control_put(store, partition, marker, commit);
        if (r < 0)
            break;
        partition->next_offset++;
        partition->generation = 0;
    }
    for (uint32_t i = 0; r < 0 && i < done; i++)
        partition_of(store, t->partitions[i].number)->next_offset--;
    return r;
}

/* The records of the transaction take their positions. */
static void remotes_put(struct store *store, const struct transaction *t, const struct intake *intake)
{
    struct frame *frame = store->open;
    uint32_t place = 0, key = 0;
    for (uint32_t i = 0; i < t->batch_count; i++) {
        const struct transaction_batch *b = &t->batches[i];
        uint64_t first = frame_end(frame);
        frame_add_remote(frame, b->address, b->partition, intake->places + place, b->record_count);
        for (; key < intake->key_count && intake->keys[key].ordinal < place + b->record_count; key++) {
            uint32_t ordinal = intake->keys[key].ordinal;
            struct index_entry entry = {
                .position = first + ordinal - place, .batch = ADDITION_REMOTE | b->address, .record = intake->places[ordinal]
            };
            additions_put(&store->additions, intake->keys[key].key, &entry);
        }
        place += b->record_count;
    }
    ASSERT(place == intake->place_count && key == intake->key_count);
}

/* What is known of the partitions: in each, the control batch is the last one. */
static void partitions_end(struct store *store, const struct transaction *t, struct producer_id marker, bool commit)
{
    for (uint32_t i = 0; i < t->partition_count; i++) {
        struct partition *partition = partition_of(store, t->partitions[i].number);
        struct span *span = t->partitions[i].begun ? span_open(partition, marker.id) : NULL;
        producer_end(store, partition->number, marker, commit);
        if (!span)
            continue;
        span->last_offset = partition->next_offset - 1;
        if (!commit)
            aborted_add(partition, span);
    }
}

static int end_put(struct store *store, struct transaction *t, const struct transaction_ending *ending, struct producer_id marker,
                   const struct intake *intake, struct edda_error *error)
{
    enum transaction_state state = ending->commit ? TRANSACTION_COMPLETE_COMMIT : TRANSACTION_COMPLETE_ABORT;
    struct buffer *row = scratch_take(store);
    transaction_row_put(t, state, ending->producer, ending->last, false, row);
    if (!buffer_ok(row))
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory for the end of a transaction");
    struct store_message message = {
        .topic = store->producers->topic, .key = transaction_name(t), .value = buffer_slice(row), .partition = -1
    };
    struct store_appended appended;
    struct frame_mark mark = frame_mark(store->open);
    uint32_t additions = store->additions.count;
    int r = messages_put(store, &message, 1, &appended, error);
    if (r < 0)
        return r;
    r = controls_put(store, t, marker, ending->commit);
    if (r < 0) {
        messages_take_back(store, store->open, &mark, additions);
        return edda_fail_with(error, r, "the control batches of a transaction cannot be put into the frame");
    }
    if (ending->commit)
        remotes_put(store, t, intake);
    partitions_end(store, t, marker, ending->commit);
    transaction_set_state(store, t, state);
    transaction_set_producer(store, t, ending->producer);
    t->last = ending->last;
    t->last_time_ms = log_time_ms(store->log);
    transaction_clear(t);
    return 0;
}

int transaction_finish(struct store *store, struct transaction *t, const struct transaction_ending *ending, struct edda_error *error)
{
    struct intake *intake = store->intake;
    ASSERT(t->state == TRANSACTION_ONGOING);
    int r = append_ready(store, error);
    /* The addresses of its batches must be known. */
    if (r == 0 && t->unclosed > 0)
        r = store_close_frame(store, error);
    if (r == 0 && t->unclosed > 0)
        r = edda_fail_with(error, EDDA_EBUSY, "a transaction cannot end while its frame is being closed");
    if (r == 0)
        r = append_ready(store, error);
    if (r == 0)
        r = append_room(store, transaction_end_bytes(t, 0), t->partition_count + 1, error);
    intake_clear(intake);
    if (r == 0 && ending->commit)
        r = batches_take(store, t, intake, error);
    if (r == 0)
        r = end_reserve(store, t, intake, ending->commit, error);
    if (r < 0)
        return r;
    /* The epoch that fences is the marker's too. */
    struct producer_id marker = ending->producer;
    if (marker.id != t->producer.id)
        marker = (struct producer_id){ t->producer.id, (int16_t)(t->producer.epoch + 1) };
    return end_put(store, t, ending, marker, intake, error);
}
