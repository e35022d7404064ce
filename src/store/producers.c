/*
 * producers: the last batches of each producer in each partition, producer ids, and the transactions in a partition. The rules are those of
 * Kafka's ProducerAppendInfo and ProducerStateEntry.
 */
#include "store/producers.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/put.h"

#define IDS_AHEAD_MAX (INT64_C(1) << 62)

void producers_init(struct producers *producers)
{
    table_init(&producers->table);
    table_init(&producers->by_name);
    table_init(&producers->by_producer);
    list_init(&producers->age);
    list_init(&producers->transactions);
    list_init(&producers->open);
}

void producers_deinit(struct store *store)
{
    struct producers *p = store->producers;
    struct list *link;
    while ((link = list_pop_front(&p->age)))
        free(container_of(link, struct producer, age));
    while (!list_empty(&p->transactions))
        transaction_remove(store, container_of(p->transactions.next, struct transaction, link));
    table_deinit(&p->table);
    table_deinit(&p->by_name);
    table_deinit(&p->by_producer);
    buffer_deinit(&p->scratch);
    buffer_deinit(&p->saved);
}

/* --- a producer in a partition ------------------------------------------------------------------------- */

static uint64_t producer_hash(uint32_t partition, int64_t id)
{
    return hash64_mix(partition, (uint64_t)id);
}

struct producer *producer_find(const struct store *store, uint32_t partition, int64_t id)
{
    struct table_link *link = table_find(&store->producers->table, producer_hash(partition, id));
    for (; link; link = table_find_next(link)) {
        struct producer *p = container_of(link, struct producer, link);
        if (p->id == id && p->partition == partition)
            return p;
    }
    return NULL;
}

void producer_remove(struct store *store, struct producer *producer)
{
    table_remove(&store->producers->table, &producer->link);
    list_remove(&producer->age);
    store->producers->count--;
    free(producer);
}

/* The longest idle one that has no transaction; those that have are put behind. NULL when all have. */
static struct producer *producer_oldest(struct store *store)
{
    for (uint32_t i = 0; i < store->producers->count; i++) {
        struct producer *p = container_of(store->producers->age.next, struct producer, age);
        if (p->first_offset < 0)
            return p;
        list_remove(&p->age);
        list_push_back(&store->producers->age, &p->age);
    }
    return NULL;
}

void producers_expire(struct store *store, int64_t now_ms)
{
    struct producer *p;
    while (store->producers->count > 0 && (p = producer_oldest(store)) && now_ms - p->last_time_ms >= PRODUCER_EXPIRES_MS)
        producer_remove(store, p);
}

struct producer *producer_ensure(struct store *store, uint32_t partition, int64_t id)
{
    struct producer *p = producer_find(store, partition, id);
    if (p)
        return p;
    struct producer *oldest = store->producers->count >= PRODUCERS_MAX ? producer_oldest(store) : NULL;
    p = calloc(1, sizeof(*p));
    if (!p || !table_insert(&store->producers->table, &p->link, producer_hash(partition, id))) {
        free(p);
        return NULL;
    }
    p->id = id;
    p->partition = partition;
    p->epoch = -1;
    p->first_offset = -1;
    p->last_timestamp_ms = -1;
    list_push_back(&store->producers->age, &p->age);
    store->producers->count++;
    if (oldest)
        producer_remove(store, oldest);
    return p;
}

static int32_t sequence_after(int32_t sequence, int32_t count)
{
    return (int32_t)(((int64_t)sequence + count) & INT32_MAX);
}

static const struct producer_batch *batch_repeated(const struct producer *p, const struct batch *batch)
{
    int32_t last = sequence_after(batch->base_sequence, batch->last_offset_delta);
    for (int i = p->batch_count - 1; i >= 0; i--)
        if (p->batches[i].first_sequence == batch->base_sequence && p->batches[i].last_sequence == last)
            return &p->batches[i];
    return NULL;
}

/* Whether a transactional batch is of an open transaction that the partition is part of. */
static int transaction_check(struct store *store, uint32_t number, const struct batch *batch, struct edda_error *error)
{
    const struct transaction *t = transaction_of_producer(store, batch->producer_id);
    if (t && batch->producer_epoch < t->producer.epoch)
        return edda_fail_with(error, EDDA_EFENCED, "producer %" PRId64 " has epoch %d now, not %d", batch->producer_id, t->producer.epoch,
                              batch->producer_epoch);
    if (!t || batch->producer_epoch != t->producer.epoch || t->state != TRANSACTION_ONGOING || !transaction_partition_find(t, number))
        return edda_fail_with(error, EDDA_ETRANSACTION, "producer %" PRId64 " has no open transaction with this partition", batch->producer_id);
    if (t->batch_count + t->unclosed >= TRANSACTION_BATCHES_MAX)
        return edda_fail_with(error, EDDA_ELIMIT, "a transaction has at most %u batches", TRANSACTION_BATCHES_MAX);
    if ((uint64_t)t->record_count + (uint64_t)batch->record_count > TRANSACTION_RECORDS_MAX)
        return edda_fail_with(error, EDDA_ELIMIT, "a transaction has at most %u records", TRANSACTION_RECORDS_MAX);
    if (transaction_end_bytes(t, 1) > log_body_bytes_max(store->log))
        return edda_fail_with(error, EDDA_ELIMIT, "the transaction has more batches than a frame can name");
    return 0;
}

static int sequence_check(const struct producer *p, const struct batch *batch, struct edda_error *error)
{
    if (p->epoch < 0)
        return 0; /* nothing of it was ever appended */
    if (batch->producer_epoch < p->epoch)
        return edda_fail_with(error, EDDA_EFENCED, "producer %" PRId64 " has epoch %d now, not %d", p->id, p->epoch, batch->producer_epoch);
    int32_t wanted = 0;
    if (batch->producer_epoch == p->epoch && p->batch_count > 0)
        wanted = sequence_after(p->batches[p->batch_count - 1].last_sequence, 1);
    if (batch->base_sequence != wanted)
        return edda_fail_with(error, EDDA_ESEQUENCE, "the batch of producer %" PRId64 " has sequence number %" PRId32 ", but %" PRId32 " is due", p->id,
                              batch->base_sequence, wanted);
    return 0;
}

/* What was aborted is not there, and no producer goes on sending it. A batch with its sequence numbers is another: librdkafka gives them again to what it sends in the next
 * transaction when the answer to the aborted one was lost. To say that it is there already, as Kafka does, would lose it. That nobody knows the producer is not so; but it has
 * librdkafka abort the transaction and take another epoch, where a sequence number that is not due has it give up. */
static int aborted_fail(const struct batch *batch, struct edda_error *error)
{
    return edda_fail_with(error, EDDA_EPRODUCER, "the batch of producer %" PRId64 " has the sequence number %" PRId32 " of one that was aborted", batch->producer_id,
                          batch->base_sequence);
}

int producer_check(struct store *store, const struct topic *topic, uint32_t partition, const struct batch *batch, int64_t *ret_base,
                   struct edda_error *error)
{
    uint32_t number = topic->partitions[partition].number;
    const struct producer *p = producer_find(store, number, batch->producer_id);
    bool transactional = batch->attributes & BATCH_TRANSACTIONAL;
    if (p && p->epoch == batch->producer_epoch) {
        const struct producer_batch *known = batch_repeated(p, batch);
        if (known && known->base_offset < 0)
            return aborted_fail(batch, error);
        if (known) {
            *ret_base = known->base_offset;
            return 1;
        }
    }
    if (transactional) {
        int r = transaction_check(store, number, batch, error);
        if (r < 0)
            return r;
    }
    int r = p ? sequence_check(p, batch, error) : 0;
    if (r < 0)
        return r;
    if (!transactional && p && p->first_offset >= 0)
        return edda_fail_with(error, EDDA_ETRANSACTION, "producer %" PRId64 " has a transaction open, and the batch is not of it", p->id);
    return 0;
}

int producer_reserve(struct store *store, uint32_t partition, const struct batch *batch, struct edda_error *error)
{
    bool known = producer_find(store, partition, batch->producer_id) != NULL;
    struct transaction *t = batch->attributes & BATCH_TRANSACTIONAL ? transaction_of_producer(store, batch->producer_id) : NULL;
    struct producer *p = producer_ensure(store, partition, batch->producer_id);
    if (p && (!t || transaction_batches_reserve(t, t->unclosed + 1)))
        return 0;
    if (p && !known)
        producer_remove(store, p);
    return edda_fail_with(error, EDDA_ENOMEM, "out of memory for producer %" PRId64, batch->producer_id);
}

void producer_note(struct store *store, uint32_t partition, const struct batch *batch, int64_t time_ms)
{
    struct producer *p = producer_find(store, partition, batch->producer_id);
    ASSERT(p);
    if (batch->producer_epoch != p->epoch)
        p->batch_count = 0;
    p->epoch = batch->producer_epoch;
    if (p->batch_count == PRODUCER_BATCHES_KEPT) {
        memmove(p->batches, p->batches + 1, (PRODUCER_BATCHES_KEPT - 1) * sizeof(p->batches[0]));
        p->batch_count--;
    }
    p->batches[p->batch_count++] = (struct producer_batch){
        .first_sequence = batch->base_sequence,
        .last_sequence = sequence_after(batch->base_sequence, batch->last_offset_delta),
        .base_offset = batch->base_offset,
    };
    p->last_time_ms = time_ms;
    p->last_timestamp_ms = batch->max_timestamp_ms;
    if (batch->attributes & BATCH_TRANSACTIONAL && p->first_offset < 0)
        p->first_offset = batch->base_offset;
    list_remove(&p->age);
    list_push_back(&store->producers->age, &p->age);
}

void producer_end(struct store *store, uint32_t partition, struct producer_id id, bool commit)
{
    struct producer *p = producer_find(store, partition, id.id);
    if (!p)
        return;
    for (int i = 0; !commit && p->first_offset >= 0 && i < p->batch_count; i++)
        if (p->batches[i].base_offset >= p->first_offset)
            p->batches[i].base_offset = -1;
    p->first_offset = -1;
    if (id.epoch > p->epoch) {
        p->epoch = id.epoch;
        p->batch_count = 0;
    }
}

/* --- ids ------------------------------------------------------------------------------------------------ */

/* Notes that ids below `end` were given. */
static int ids_note(struct store *store, int64_t end, struct edda_error *error)
{
    uint8_t value[8];
    int r = topic_internal(store, TOPIC_PRODUCERS, &store->producers->topic, error);
    if (r < 0)
        return r;
    put_be64(value, (uint64_t)end);
    r = append_row(store, store->producers->topic, slice_of("", 0), slice_of(value, sizeof(value)), error);
    if (r == 0)
        store->producers->ids_end = end;
    return r;
}

int producer_ids_cover(struct store *store, int64_t id, struct edda_error *error)
{
    if (id < store->producers->ids_end)
        return 0;
    if (id >= IDS_AHEAD_MAX)
        return edda_fail_with(error, EDDA_EPRODUCER, "the producer id %" PRId64 " was never given", id);
    int64_t end = (id / PRODUCER_IDS_BLOCK + 1) * PRODUCER_IDS_BLOCK;
    int r = ids_note(store, end, error);
    if (r == 0)
        store->producers->next_id = end;
    return r;
}

int producer_new(struct store *store, struct producer_id *ret_producer, struct edda_error *error)
{
    struct producers *p = store->producers;
    if (p->next_id >= p->ids_end) {
        p->next_id = p->ids_end;
        int r = ids_note(store, p->next_id + PRODUCER_IDS_BLOCK, error);
        if (r < 0)
            return r;
    }
    *ret_producer = (struct producer_id){ .id = p->next_id++, .epoch = 0 };
    return 0;
}

int producers_each(struct store *store, const struct topic *topic, uint32_t partition,
                   int (*visit)(void *user, const struct producer_info *info), void *user)
{
    uint32_t number = topic->partitions[partition].number;
    int r = 0;
    for (struct list *link = store->producers->age.next; r == 0 && link != &store->producers->age; link = link->next) {
        const struct producer *p = container_of(link, struct producer, age);
        if (p->partition != number)
            continue;
        struct producer_info info = {
            .producer = { p->id, p->epoch },
            .last_sequence = p->batch_count ? p->batches[p->batch_count - 1].last_sequence : -1,
            .last_timestamp_ms = p->last_timestamp_ms,
            .transaction_first_offset = p->first_offset,
        };
        r = visit(user, &info);
    }
    return r;
}

/* --- the transactions in a partition -------------------------------------------------------------------- */

static struct partition_transactions *transactions_of(struct partition *partition)
{
    if (!partition->transactions)
        partition->transactions = calloc(1, sizeof(*partition->transactions));
    return partition->transactions;
}

struct span *span_open(const struct partition *partition, int64_t producer_id)
{
    struct span *span = partition->transactions ? partition->transactions->spans : NULL;
    while (span && (span->producer_id != producer_id || span->last_offset >= 0))
        span = span->next;
    return span;
}

struct span *span_add(struct partition *partition, int64_t producer_id, int64_t first_offset)
{
    struct partition_transactions *t = transactions_of(partition);
    struct span *span = t ? malloc(sizeof(*span)) : NULL;
    if (!span)
        return NULL;
    *span = (struct span){ .producer_id = producer_id, .first_offset = first_offset, .last_offset = -1 };
    struct span **place = &t->spans;
    while (*place)
        place = &(*place)->next;
    *place = span;
    return span;
}

void span_cancel(struct partition *partition, struct span *span)
{
    struct span **place = &partition->transactions->spans;
    while (*place != span)
        place = &(*place)->next;
    *place = span->next;
    free(span);
}

bool aborted_reserve(struct partition *partition)
{
    struct partition_transactions *t = transactions_of(partition);
    if (!t)
        return false;
    if (t->aborted_count < t->aborted_capacity)
        return true;
    uint32_t capacity = t->aborted_capacity ? 2 * t->aborted_capacity : 4;
    struct aborted *aborted = realloc(t->aborted, capacity * sizeof(*aborted));
    if (!aborted)
        return false;
    t->aborted = aborted;
    t->aborted_capacity = capacity;
    return true;
}

void aborted_add(struct partition *partition, const struct span *span)
{
    struct partition_transactions *t = partition->transactions;
    ASSERT(t->aborted_count < t->aborted_capacity);
    t->aborted[t->aborted_count++] = (struct aborted){ span->producer_id, span->first_offset, span->last_offset };
}

void spans_remove_ended(struct partition *partition, int64_t durable_offset)
{
    struct span **place = partition->transactions ? &partition->transactions->spans : NULL;
    while (place && *place) {
        struct span *span = *place;
        if (span->last_offset >= 0 && span->last_offset < durable_offset) {
            *place = span->next;
            free(span);
        } else {
            place = &span->next;
        }
    }
}

int64_t partition_stable(const struct partition *partition)
{
    const struct span *first = partition->transactions ? partition->transactions->spans : NULL;
    return first && first->first_offset < partition->durable_offset ? first->first_offset : partition->durable_offset;
}

void partition_transactions_free(struct partition *partition)
{
    struct partition_transactions *t = partition->transactions;
    if (!t)
        return;
    spans_remove_ended(partition, INT64_MAX);
    while (t->spans) {
        struct span *span = t->spans;
        t->spans = span->next;
        free(span);
    }
    free(t->aborted);
    free(t);
    partition->transactions = NULL;
}

int store_aborted_each(struct store *store, const struct topic *topic, uint32_t partition, int64_t from, int64_t to,
                       int (*visit)(void *user, const struct store_aborted *aborted), void *user)
{
    (void)store;
    const struct partition_transactions *t = topic->partitions[partition].transactions;
    uint32_t low = 0, high = t ? t->aborted_count : 0, count = high;
    int r = 0;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (t->aborted[middle].last_offset < from)
            low = middle + 1;
        else
            high = middle;
    }
    for (; r == 0 && low < count; low++) {
        const struct aborted *a = &t->aborted[low];
        struct store_aborted info = { a->producer_id, a->first_offset };
        if (a->first_offset < to)
            r = visit(user, &info);
    }
    return r;
}
