/*
 * producers_recover: producers and transactions after opening: from their checkpoint, and from the headers of the batches behind it.
 *
 * The checkpoint holds, in little-endian integers:
 *
 *     u32 format, 1; u64 address of the log up to which it stands; u64 producer ids noted
 *     u32 producers: u32 partition, u64 id, u16 epoch, u64 log time, u64 timestamp, u64 first offset, u8 batches: u32, u32 sequences, u64 offset
 *     u32 transactional ids: u32 bytes and row as in the table, u64 log time, u32 bytes and name, and of an open transaction
 *         u32 partitions begun: u32 number; u32 batches: u64 address, u32 partition, u32 records; u32 offsets: u64 hash
 *     u32 partitions: u32 number; u32 open transactions: u64 producer id, u64 first offset; u32 aborted ones: u64 id, u64 first, u64 last offset
 *
 * It is made when a frame has just been closed, as then all that is known is of closed frames, and written when that frame is durable.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/put.h"
#include "store/producers.h"
#include "wire/kafka/group_record.h"

#define CHECKPOINT "producers"
#define SAVED_FORMAT 1
#define SAVE_EVERY_BYTES (UINT64_C(16) << 20) /* of log; more when the checkpoint itself is large */
#define SAVE_FACTOR 4
#define ROW_VERSION 0

static struct partition *partition_of(const struct store *store, uint32_t number)
{
    const struct partition_place *place = &store->places[number];
    return &place->entry->topic.partitions[place->partition];
}

static bool partition_is_known(const struct store *store, uint32_t number)
{
    return number < store->place_count && store->places[number].entry;
}

/* --- rows ----------------------------------------------------------------------------------------------- */

/* What a row says of a transactional id. False when it is malformed or memory is lacking. */
static bool row_take(struct store *store, struct transaction *t, struct slice row)
{
    struct cursor c = cursor_of(row);
    struct producer_id producer, last;
    uint16_t version = cursor_be16(&c);
    producer.id = (int64_t)cursor_be64(&c);
    producer.epoch = (int16_t)cursor_be16(&c);
    last.id = (int64_t)cursor_be64(&c);
    last.epoch = (int16_t)cursor_be16(&c);
    t->timeout_ms = (int32_t)cursor_be32(&c);
    struct slice state_byte = cursor_bytes(&c, 1);
    enum transaction_state state = state_byte.len == 1 ? (enum transaction_state)state_byte.data[0] : TRANSACTION_EMPTY;
    int64_t begun_ms = (int64_t)cursor_be64(&c);
    if (!cursor_ok(&c) || version != ROW_VERSION || state > TRANSACTION_COMPLETE_ABORT)
        return false;
    if (state != TRANSACTION_ONGOING)
        transaction_clear(t);
    transaction_set_state(store, t, state);
    transaction_set_producer(store, t, producer);
    t->last = last;
    t->begun_ms = begun_ms;
    for (uint32_t n = cursor_be32(&c); n > 0 && cursor_ok(&c); n--) {
        uint32_t number = cursor_be32(&c);
        if (!cursor_ok(&c) || !partition_is_known(store, number) || !transaction_partition_put(t, number))
            return false;
    }
    t->group_count = cursor_be32(&c);
    buffer_clear(&t->groups);
    buffer_append_slice(&t->groups, slice_from(row, row.len - cursor_left(&c)));
    return cursor_ok(&c) && buffer_ok(&t->groups);
}

static int row_apply(struct store *store, const struct record *record)
{
    struct producers *p = store->producers;
    if (!record->key.data)
        return 0; /* salvage has put it in the place of a lost one */
    if (record->key.len == 0) {
        struct cursor c = cursor_of(record->value);
        p->ids_end = p->next_id = (int64_t)cursor_be64(&c);
        return cursor_ok(&c) ? 0 : EDDA_ECORRUPT;
    }
    struct transaction *t = transaction_find(store, record->key);
    if (!record->value.data) {
        if (t)
            transaction_remove(store, t);
        return 0;
    }
    if (!t && !(t = transaction_new(store, record->key)))
        return EDDA_ENOMEM;
    t->last_time_ms = record->timestamp_ms;
    return row_take(store, t, record->value) ? 0 : EDDA_ECORRUPT;
}

/* --- batches -------------------------------------------------------------------------------------------- */

struct replay {
    struct store *store;
    int64_t time_ms;           /* of the frame */
    struct edda_error *error;
};

static int rows_replay(struct replay *replay, const struct batch *batch)
{
    struct cursor records = cursor_of(batch->records);
    struct record record;
    int r = 0;
    while (r == 0 && batch_next(batch, &records, &record))
        r = row_apply(replay->store, &record);
    return r;
}

/* The group offsets in a batch wait for its transaction. */
static int offsets_replay(struct transaction *t, const struct batch *batch)
{
    struct cursor records = cursor_of(batch->records);
    struct record record;
    while (batch_next(batch, &records, &record))
        if (!transaction_offset_put(t, hash64(record.key, 0)))
            return EDDA_ENOMEM;
    return 0;
}

/* A batch of a transaction without a row. Compaction has left only this when the transaction has ended, which the mark behind it tells; salvage may leave it without an end, when it counts as nothing. */
static int rowless_replay(struct replay *replay, uint32_t number, const struct batch *batch)
{
    struct partition *partition = partition_of(replay->store, number);
    return span_open(partition, batch->producer_id) || span_add(partition, batch->producer_id, batch->base_offset) ? 0 : EDDA_ENOMEM;
}

/* What of that has no end. */
static void rowless_forget(struct store *store)
{
    for (uint32_t i = 0; i < store->place_count; i++) {
        struct partition *partition = store->places[i].entry ? partition_of(store, i) : NULL;
        for (struct span *span = partition && partition->transactions ? partition->transactions->spans : NULL; span; span = span->next) {
            const struct transaction *t = transaction_of_producer(store, span->producer_id);
            if (span->last_offset < 0 && (!t || t->state != TRANSACTION_ONGOING))
                span->last_offset = span->first_offset;
        }
        if (partition)
            spans_remove_ended(partition, INT64_MAX);
    }
}

/* A batch of a transaction. */
static int transactional_replay(struct replay *replay, uint32_t number, log_address address, const struct batch *batch)
{
    struct store *store = replay->store;
    struct transaction *t = transaction_of_producer(store, batch->producer_id);
    if (!t || t->state != TRANSACTION_ONGOING)
        return rowless_replay(replay, number, batch);
    struct transaction_partition *tp = transaction_partition_put(t, number);
    if (!tp || !transaction_batches_reserve(t, 1))
        return EDDA_ENOMEM;
    if (!tp->begun && rowless_replay(replay, number, batch) < 0)
        return EDDA_ENOMEM;
    tp->begun = true;
    t->batches[t->batch_count++] = (struct transaction_batch){ address, number, batch_offset_count(batch) };
    t->record_count += batch_offset_count(batch);
    return &store->places[number].entry->topic == store->offsets_topic ? offsets_replay(t, batch) : 0;
}

static int control_replay(struct replay *replay, uint32_t number, const struct batch *batch)
{
    struct partition *partition = partition_of(replay->store, number);
    struct cursor records = cursor_of(batch->records);
    struct record record;
    if (!batch_next(batch, &records, &record) || record.key.len != 4)
        return EDDA_ECORRUPT;
    bool commit = record.key.data[3] == CONTROL_COMMIT;
    producer_end(replay->store, number, (struct producer_id){ batch->producer_id, batch->producer_epoch }, commit);
    struct span *span = span_open(partition, batch->producer_id);
    if (!span)
        return 0;
    span->last_offset = batch->base_offset;
    if (!commit) {
        if (!aborted_reserve(partition))
            return EDDA_ENOMEM;
        aborted_add(partition, span);
    }
    spans_remove_ended(partition, INT64_MAX);
    return 0;
}

static int batch_replay(void *user, uint32_t number, log_address address, const struct batch *batch)
{
    struct replay *replay = user;
    struct store *store = replay->store;
    if (!partition_is_known(store, number))
        return EDDA_ECORRUPT;
    if (&store->places[number].entry->topic == store->producers->topic)
        return rows_replay(replay, batch);
    if (batch->attributes & BATCH_CONTROL)
        return control_replay(replay, number, batch);
    if (batch->producer_id < 0)
        return 0;
    int r = batch->attributes & BATCH_TRANSACTIONAL ? transactional_replay(replay, number, address, batch) : 0;
    if (r < 0 || store->places[number].entry->topic.internal)
        return r;
    if (!producer_ensure(store, number, batch->producer_id))
        return EDDA_ENOMEM;
    producer_note(store, number, batch, replay->time_ms);
    return 0;
}

static int frame_replay(void *user, const struct log_frame *from)
{
    struct replay *replay = user;
    replay->time_ms = from->time_ms;
    if (from->removed || from->position_count == 0)
        return 0;
    int r = frame_rows_each(from, batch_replay, replay);
    return r < 0 ? edda_fail_with(replay->error, r, "the producers in the frame at address %" PRIu64 " cannot be read: %s", from->address,
                                  edda_code_info(r)->sentence) : 0;
}

/* --- the checkpoint: writing ---------------------------------------------------------------------------- */

static void put_u32(struct buffer *out, uint32_t value)
{
    uint8_t bytes[4];
    put_le32(bytes, value);
    buffer_append(out, bytes, sizeof(bytes));
}

static void put_u64(struct buffer *out, uint64_t value)
{
    uint8_t bytes[8];
    put_le64(bytes, value);
    buffer_append(out, bytes, sizeof(bytes));
}

static void save_producers(const struct producers *p, struct buffer *out)
{
    put_u32(out, p->count);
    for (struct list *link = p->age.next; link != &p->age; link = link->next) {
        const struct producer *e = container_of(link, struct producer, age);
        put_u32(out, e->partition);
        put_u64(out, (uint64_t)e->id);
        put_u32(out, (uint16_t)e->epoch);
        put_u64(out, (uint64_t)e->last_time_ms);
        put_u64(out, (uint64_t)e->last_timestamp_ms);
        put_u64(out, (uint64_t)e->first_offset);
        put_u32(out, e->batch_count);
        for (int i = 0; i < e->batch_count; i++) {
            put_u32(out, (uint32_t)e->batches[i].first_sequence);
            put_u32(out, (uint32_t)e->batches[i].last_sequence);
            put_u64(out, (uint64_t)e->batches[i].base_offset);
        }
    }
}

static void save_transaction(const struct transaction *t, struct buffer *row, struct buffer *out)
{
    uint32_t begun = 0;
    buffer_clear(row);
    transaction_row_put(t, t->state, t->producer, t->last, t->state == TRANSACTION_ONGOING, row);
    put_u32(out, t->name_bytes);
    buffer_append_slice(out, transaction_name(t));
    put_u32(out, (uint32_t)row->len);
    buffer_append_slice(out, buffer_slice(row));
    put_u64(out, (uint64_t)t->last_time_ms);
    for (uint32_t i = 0; i < t->partition_count; i++)
        begun += t->partitions[i].begun;
    put_u32(out, begun);
    for (uint32_t i = 0; i < t->partition_count; i++)
        if (t->partitions[i].begun)
            put_u32(out, t->partitions[i].number);
    put_u32(out, t->batch_count);
    for (uint32_t i = 0; i < t->batch_count; i++) {
        put_u64(out, t->batches[i].address);
        put_u32(out, t->batches[i].partition);
        put_u32(out, t->batches[i].record_count);
    }
    put_u32(out, t->offset_count);
    for (uint32_t i = 0; i < t->offset_count; i++)
        put_u64(out, t->offsets[i].hash);
}

static void save_partition(const struct partition *partition, struct buffer *out)
{
    const struct partition_transactions *t = partition->transactions;
    uint32_t open = 0, first = 0;
    for (const struct span *span = t->spans; span; span = span->next)
        open += span->last_offset < 0;
    put_u32(out, partition->number);
    put_u32(out, open);
    for (const struct span *span = t->spans; span; span = span->next) {
        if (span->last_offset >= 0)
            continue;
        put_u64(out, (uint64_t)span->producer_id);
        put_u64(out, (uint64_t)span->first_offset);
    }
    /* Those before the start are asked for no more. */
    while (first < t->aborted_count && t->aborted[first].last_offset < partition->start_offset)
        first++;
    put_u32(out, t->aborted_count - first);
    for (; first < t->aborted_count; first++) {
        put_u64(out, (uint64_t)t->aborted[first].producer_id);
        put_u64(out, (uint64_t)t->aborted[first].first_offset);
        put_u64(out, (uint64_t)t->aborted[first].last_offset);
    }
}

static void save_all(struct store *store, struct buffer *out)
{
    struct producers *p = store->producers;
    struct buffer row = BUFFER_EMPTY;
    uint32_t partitions = 0;
    put_u32(out, SAVED_FORMAT);
    put_u64(out, log_end(store->log));
    put_u64(out, (uint64_t)p->ids_end);
    save_producers(p, out);
    put_u32(out, p->transaction_count);
    for (struct list *link = p->transactions.next; link != &p->transactions; link = link->next)
        save_transaction(container_of(link, struct transaction, link), &row, out);
    for (uint32_t i = 0; i < store->place_count; i++)
        partitions += store->places[i].entry && partition_of(store, i)->transactions;
    put_u32(out, partitions);
    for (uint32_t i = 0; i < store->place_count; i++)
        if (store->places[i].entry && partition_of(store, i)->transactions)
            save_partition(partition_of(store, i), out);
    if (!buffer_ok(&row))
        out->failed = true;
    buffer_deinit(&row);
}

/* Makes it. Without memory there is none. */
static bool saved_make(struct store *store)
{
    struct producers *p = store->producers;
    ASSERT(!store->open || store->open->record_count == 0);
    buffer_clear(&p->saved);
    save_all(store, &p->saved);
    if (!buffer_ok(&p->saved))
        buffer_deinit(&p->saved);
    p->saved_position = log_next_position(store->log);
    p->saved_end = log_end(store->log);
    p->saved_bytes = p->saved.len;
    return p->saved.len > 0;
}

void producers_save(struct store *store)
{
    struct producers *p = store->producers;
    uint64_t every = SAVE_EVERY_BYTES > SAVE_FACTOR * p->saved_bytes ? SAVE_EVERY_BYTES : SAVE_FACTOR * p->saved_bytes;
    if (p->topic && log_end(store->log) - p->saved_end >= every && p->saved.len == 0)
        saved_make(store);
}

void producers_saved_write(struct store *store, bool now)
{
    struct producers *p = store->producers;
    if (now && p->topic && p->saved_end != log_end(store->log) && saved_make(store))
        store_checkpoint_put(store, CHECKPOINT, p->saved_position, buffer_slice(&p->saved), NULL);
    else if (!now && p->saved.len > 0 && p->saved_position <= store_durable_position(store))
        checkpoint_start_own(store, CHECKPOINT, p->saved_position, &p->saved);
}

/* --- the checkpoint: reading ---------------------------------------------------------------------------- */

static bool load_producers(struct store *store, struct cursor *c)
{
    for (uint32_t n = cursor_le32(c); n > 0 && cursor_ok(c); n--) {
        uint32_t partition = cursor_le32(c);
        struct producer *e = producer_ensure(store, partition, (int64_t)cursor_le64(c));
        if (!e)
            return false;
        e->epoch = (int16_t)cursor_le32(c);
        e->last_time_ms = (int64_t)cursor_le64(c);
        e->last_timestamp_ms = (int64_t)cursor_le64(c);
        e->first_offset = (int64_t)cursor_le64(c);
        uint32_t batches = cursor_le32(c);
        if (batches > PRODUCER_BATCHES_KEPT)
            return false;
        e->batch_count = (uint8_t)batches;
        for (uint32_t i = 0; i < batches; i++) {
            e->batches[i].first_sequence = (int32_t)cursor_le32(c);
            e->batches[i].last_sequence = (int32_t)cursor_le32(c);
            e->batches[i].base_offset = (int64_t)cursor_le64(c);
        }
    }
    return cursor_ok(c);
}

static bool load_transaction(struct store *store, struct cursor *c)
{
    struct slice name = cursor_bytes(c, cursor_le32(c));
    struct slice row = cursor_bytes(c, cursor_le32(c));
    struct transaction *t = cursor_ok(c) && name.len ? transaction_new(store, name) : NULL;
    if (!t || !row_take(store, t, row))
        return false;
    t->last_time_ms = (int64_t)cursor_le64(c);
    for (uint32_t n = cursor_le32(c); n > 0 && cursor_ok(c); n--) {
        struct transaction_partition *tp = transaction_partition_put(t, cursor_le32(c));
        if (!tp)
            return false;
        tp->begun = true;
    }
    uint32_t batches = cursor_le32(c);
    if (batches > TRANSACTION_BATCHES_MAX || !transaction_batches_reserve(t, batches))
        return false;
    for (; t->batch_count < batches; t->batch_count++) {
        struct transaction_batch *b = &t->batches[t->batch_count];
        b->address = cursor_le64(c);
        b->partition = cursor_le32(c);
        b->record_count = cursor_le32(c);
        t->record_count += b->record_count;
    }
    for (uint32_t n = cursor_le32(c); n > 0 && cursor_ok(c); n--)
        if (!transaction_offset_put(t, cursor_le64(c)))
            return false;
    return cursor_ok(c);
}

static bool load_partition(struct store *store, struct cursor *c)
{
    uint32_t number = cursor_le32(c);
    if (!cursor_ok(c) || !partition_is_known(store, number))
        return false;
    struct partition *partition = partition_of(store, number);
    for (uint32_t n = cursor_le32(c); n > 0 && cursor_ok(c); n--) {
        int64_t id = (int64_t)cursor_le64(c);
        if (!span_add(partition, id, (int64_t)cursor_le64(c)))
            return false;
    }
    for (uint32_t n = cursor_le32(c); n > 0 && cursor_ok(c); n--) {
        struct span span = { .producer_id = (int64_t)cursor_le64(c) };
        span.first_offset = (int64_t)cursor_le64(c);
        span.last_offset = (int64_t)cursor_le64(c);
        if (!aborted_reserve(partition))
            return false;
        aborted_add(partition, &span);
    }
    return cursor_ok(c);
}

/* False when it is of no use: then nothing of it may stay. */
static bool load_all(struct store *store, struct slice bytes, log_address *ret_from)
{
    struct cursor c = cursor_of(bytes);
    bool ok = cursor_le32(&c) == SAVED_FORMAT;
    *ret_from = cursor_le64(&c);
    store->producers->ids_end = store->producers->next_id = (int64_t)cursor_le64(&c);
    ok = ok && cursor_ok(&c) && load_producers(store, &c);
    for (uint32_t n = ok ? cursor_le32(&c) : 0; ok && n > 0; n--)
        ok = load_transaction(store, &c);
    for (uint32_t n = ok ? cursor_le32(&c) : 0; ok && n > 0; n--)
        ok = load_partition(store, &c);
    return ok && cursor_ok(&c) && cursor_left(&c) == 0;
}

static void forget_all(struct store *store)
{
    struct buffer scratch = store->producers->scratch;
    struct topic *topic = store->producers->topic;
    store->producers->scratch = BUFFER_EMPTY;
    producers_deinit(store);
    *store->producers = (struct producers){ .scratch = scratch, .topic = topic };
    producers_init(store->producers);
    for (uint32_t i = 0; i < store->place_count; i++)
        if (store->places[i].entry)
            partition_transactions_free(partition_of(store, i));
}

int producers_recover(struct store *store, struct edda_error *error)
{
    struct replay replay = { .store = store, .error = error };
    struct buffer saved = BUFFER_EMPTY;
    uint64_t position;
    log_address from = 0;
    store->producers->topic = store_topic(store, SLICE(TOPIC_PRODUCERS));
    if (!store->producers->topic || store->options.log.read_only || store->options.log.salvage)
        return 0;
    if (store_checkpoint_get(store, CHECKPOINT, &position, &saved) == 0 && !load_all(store, buffer_slice(&saved), &from)) {
        forget_all(store);
        from = 0;
    }
    store->producers->saved_bytes = saved.len;
    store->producers->saved_end = from;
    buffer_deinit(&saved);
    int r = from < log_end(store->log) ? log_scan(store->log, from > log_start(store->log) ? from : 0, frame_replay, NULL, &replay, error) : 0;
    if (r == 0)
        rowless_forget(store);
    return r;
}
