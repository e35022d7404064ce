/*
 * transaction: transactional ids and what belongs to their transactions while these are open; transaction_end.c ends them.
 *
 * A row of "_edda.producers" is due whenever this changes. A transaction that gets many partitions one after the other has its row written with the
 * first, and once more before the frame is closed: both are durable together, so that no more is needed.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/array.h"
#include "base/assert.h"
#include "base/put.h"
#include "store/producers.h"
#include "wire/kafka/group_record.h"

#define EPOCH_LAST (INT16_MAX - 1) /* then the producer gets another id */
#define RETRY_MS 1000
#define CONTROL_BATCH_BYTES 128

/* --- what is known -------------------------------------------------------------------------------------- */

struct transaction *transaction_find(const struct store *store, struct slice name)
{
    struct table_link *link = table_find(&store->producers->by_name, hash64(name, 0));
    while (link && !slice_eq(transaction_name(container_of(link, struct transaction, by_name)), name))
        link = table_find_next(link);
    return link ? container_of(link, struct transaction, by_name) : NULL;
}

struct transaction *transaction_of_producer(const struct store *store, int64_t id)
{
    struct table_link *link = table_find(&store->producers->by_producer, hash64_mix(0, (uint64_t)id));
    while (link && container_of(link, struct transaction, by_producer)->producer.id != id)
        link = table_find_next(link);
    return link ? container_of(link, struct transaction, by_producer) : NULL;
}

struct transaction *transaction_new(struct store *store, struct slice name)
{
    struct producers *p = store->producers;
    struct transaction *t = calloc(1, sizeof(*t) + name.len);
    if (!t)
        return NULL;
    memcpy(t->name, name.data, name.len);
    t->name_bytes = (uint32_t)name.len;
    t->producer = t->last = (struct producer_id){ -1, -1 };
    t->begun_ms = -1;
    bool named = table_insert(&p->by_name, &t->by_name, hash64(name, 0));
    if (!named || !table_insert(&p->by_producer, &t->by_producer, hash64_mix(0, UINT64_MAX))) {
        if (named)
            table_remove(&p->by_name, &t->by_name);
        free(t);
        return NULL;
    }
    list_push_back(&p->transactions, &t->link);
    list_init(&t->open);
    p->transaction_count++;
    return t;
}

/* The table was grown for the link when it was first inserted, so that this does not fail. */
void transaction_set_producer(struct store *store, struct transaction *t, struct producer_id producer)
{
    if (producer.id != t->producer.id) {
        table_remove(&store->producers->by_producer, &t->by_producer);
        bool inserted = table_insert(&store->producers->by_producer, &t->by_producer, hash64_mix(0, (uint64_t)producer.id));
        ASSERT(inserted);
    }
    t->producer = producer;
}

void transaction_set_state(struct store *store, struct transaction *t, enum transaction_state state)
{
    store->producers->ongoing += (uint32_t)(state == TRANSACTION_ONGOING) - (uint32_t)(t->state == TRANSACTION_ONGOING);
    t->state = state;
    list_remove(&t->open);
    if (state == TRANSACTION_ONGOING)
        list_push_back(&store->producers->open, &t->open);
}

void transaction_clear(struct transaction *t)
{
    t->partition_count = t->batch_count = t->record_count = t->offset_count = t->group_count = 0;
    buffer_clear(&t->groups);
    t->changed = false;
    t->begun_ms = -1;
    if (t->batch_capacity > 1024) {
        free(t->batches);
        t->batches = NULL;
        t->batch_capacity = 0;
    }
}

void transaction_remove(struct store *store, struct transaction *t)
{
    struct producers *p = store->producers;
    transaction_set_state(store, t, TRANSACTION_EMPTY);
    table_remove(&p->by_name, &t->by_name);
    table_remove(&p->by_producer, &t->by_producer);
    list_remove(&t->link);
    p->transaction_count--;
    buffer_deinit(&t->groups);
    free(t->partitions);
    free(t->batches);
    free(t->offsets);
    free(t);
}

struct transaction_partition *transaction_partition_find(const struct transaction *t, uint32_t number)
{
    for (uint32_t i = 0; i < t->partition_count; i++)
        if (t->partitions[i].number == number)
            return &t->partitions[i];
    return NULL;
}

struct transaction_partition *transaction_partition_put(struct transaction *t, uint32_t number)
{
    struct transaction_partition *known = transaction_partition_find(t, number);
    if (known)
        return known;
    if (!array_reserve(&t->partitions, &t->partition_capacity, (uint64_t)t->partition_count + 1, sizeof(*t->partitions)))
        return NULL;
    t->partitions[t->partition_count] = (struct transaction_partition){ .number = number };
    return &t->partitions[t->partition_count++];
}

bool transaction_batches_reserve(struct transaction *t, uint32_t more)
{
    return array_reserve(&t->batches, &t->batch_capacity, (uint64_t)t->batch_count + more, sizeof(*t->batches));
}

bool transaction_offset_put(struct transaction *t, uint64_t hash)
{
    for (uint32_t i = 0; i < t->offset_count; i++)
        if (t->offsets[i].hash == hash)
            return true;
    if (!array_reserve(&t->offsets, &t->offset_capacity, (uint64_t)t->offset_count + 1, sizeof(*t->offsets)))
        return false;
    t->offsets[t->offset_count++].hash = hash;
    return true;
}

/* --- rows ----------------------------------------------------------------------------------------------- */

static void put_be(struct buffer *out, uint64_t value, size_t bytes)
{
    uint8_t number[8];
    put_be64(number, value);
    buffer_append(out, number + sizeof(number) - bytes, bytes);
}

void transaction_row_put(const struct transaction *t, enum transaction_state state, struct producer_id producer, struct producer_id last,
                         bool open, struct buffer *out)
{
    put_be(out, 0, 2);
    put_be(out, (uint64_t)producer.id, 8);
    put_be(out, (uint16_t)producer.epoch, 2);
    put_be(out, (uint64_t)last.id, 8);
    put_be(out, (uint16_t)last.epoch, 2);
    put_be(out, (uint32_t)t->timeout_ms, 4);
    put_be(out, (uint64_t)state, 1);
    put_be(out, (uint64_t)(open ? t->begun_ms : -1), 8);
    put_be(out, open ? t->partition_count : 0, 4);
    for (uint32_t i = 0; open && i < t->partition_count; i++)
        put_be(out, t->partitions[i].number, 4);
    put_be(out, open ? t->group_count : 0, 4);
    if (open)
        buffer_append_slice(out, buffer_slice(&t->groups));
}

static int row_append(struct store *store, struct transaction *t, enum transaction_state state, struct producer_id producer,
                      struct producer_id last, struct edda_error *error)
{
    struct buffer *out = scratch_take(store);
    transaction_row_put(t, state, producer, last, state == TRANSACTION_ONGOING, out);
    if (!buffer_ok(out))
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory for the row of a transaction");
    int r = append_row(store, store->producers->topic, transaction_name(t), buffer_slice(out), error);
    if (r == 0) {
        t->last_time_ms = log_time_ms(store->log);
        t->noted = store->generation;
        t->changed = false;
    }
    return r;
}

/* The transaction has got more: a row is due in the open frame. */
static int transaction_changed(struct store *store, struct transaction *t, struct edda_error *error)
{
    if (store->open && store->open->record_count > 0 && t->noted == store->generation) {
        t->changed = true;
        store->transactions_changed = true;
        return 0;
    }
    return row_append(store, t, TRANSACTION_ONGOING, t->producer, t->last, error);
}

int transactions_note(struct store *store, struct edda_error *error)
{
    if (!store->transactions_changed)
        return 0;
    for (struct list *link = store->producers->open.next; link != &store->producers->open; link = link->next) {
        struct transaction *t = container_of(link, struct transaction, open);
        int r = t->changed ? row_append(store, t, TRANSACTION_ONGOING, t->producer, t->last, error) : 0;
        if (r < 0)
            return r;
    }
    store->transactions_changed = false;
    return 0;
}

/* --- producers of a transactional id -------------------------------------------------------------------- */

static int begin_check(struct slice name, int32_t timeout_ms, struct edda_error *error)
{
    if (name.len == 0 || name.len > TRANSACTIONAL_ID_BYTES_MAX)
        return edda_fail_field(error, EDDA_EINVAL, "transactional_id", "a transactional id has 1 to %d bytes, not %zu", TRANSACTIONAL_ID_BYTES_MAX,
                               name.len);
    if (timeout_ms < 1 || timeout_ms > TRANSACTION_TIMEOUT_MAX_MS)
        return edda_fail_field(error, EDDA_EINVAL, "timeout", "the timeout of a transaction is 1 to %" PRId32 " ms, not %" PRId32,
                               TRANSACTION_TIMEOUT_MAX_MS, timeout_ms);
    return 0;
}

/* The next producer of a transactional id: another epoch or, after the last one, another id. */
static int producer_after(struct store *store, const struct transaction *t, struct producer_id *ret_next, struct edda_error *error)
{
    if (t->producer.id < 0 || t->producer.epoch >= EPOCH_LAST)
        return producer_new(store, ret_next, error);
    *ret_next = (struct producer_id){ t->producer.id, (int16_t)(t->producer.epoch + 1) };
    return 0;
}

/* Whether the instance may go on as the producer's next. 1: it has been told so before, in an answer that it did not get. */
static int expected_check(const struct transaction *t, struct producer_id expected, struct edda_error *error)
{
    if (expected.id < 0 || t->producer.id < 0 || (expected.id == t->producer.id && expected.epoch == t->producer.epoch))
        return 0;
    if (expected.id == t->last.id && expected.epoch == t->last.epoch && t->state != TRANSACTION_ONGOING)
        return 1;
    return edda_fail_with(error, EDDA_EFENCED, "the producer is %" PRId64 " with epoch %d now", t->producer.id, t->producer.epoch);
}

/* Only who has said what it was may ask again: one that a new instance has fenced may not. */
static int begin_next(struct store *store, struct transaction *t, int32_t timeout_ms, struct producer_id expected, struct producer_id *ret_producer,
                      struct edda_error *error)
{
    struct producer_id next, before = expected.id < 0 ? (struct producer_id){ -1, -1 } : expected;
    int32_t timeout_before = t->timeout_ms;
    int r = producer_after(store, t, &next, error);
    if (r < 0)
        return r;
    t->timeout_ms = timeout_ms;
    if (t->state == TRANSACTION_ONGOING) {
        r = transaction_finish(store, t, &(struct transaction_ending){ false, next, before }, error);
    } else {
        r = row_append(store, t, TRANSACTION_EMPTY, next, before, error);
        if (r == 0) {
            transaction_set_state(store, t, TRANSACTION_EMPTY);
            transaction_set_producer(store, t, next);
        }
    }
    if (r < 0) {
        t->timeout_ms = timeout_before;
        return r;
    }
    t->last = before;
    *ret_producer = next;
    return 0;
}

int transaction_begin_producer(struct store *store, struct slice transactional_id, int32_t timeout_ms, struct producer_id expected,
                               struct producer_id *ret_producer, struct edda_error *error)
{
    int r = begin_check(transactional_id, timeout_ms, error);
    if (r == 0)
        r = topic_internal(store, TOPIC_PRODUCERS, &store->producers->topic, error);
    if (r < 0)
        return r;
    struct transaction *t = transaction_find(store, transactional_id);
    bool fresh = !t;
    if (fresh && store->producers->transaction_count >= TRANSACTIONAL_IDS_MAX)
        return edda_fail_with(error, EDDA_ELIMIT, "there are %" PRIu32 " transactional ids, as many as there may be", store->producers->transaction_count);
    if (fresh && !(t = transaction_new(store, transactional_id)))
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory for a transactional id");
    r = expected_check(t, expected, error);
    if (r == 1) {
        *ret_producer = t->producer;
        return 0;
    }
    if (r == 0)
        r = begin_next(store, t, timeout_ms, expected, ret_producer, error);
    if (r < 0 && fresh)
        transaction_remove(store, t);
    return r;
}

/* --- what belongs to a transaction ---------------------------------------------------------------------- */

/* The transaction of a producer that is the newest of its id. */
static int transaction_of(struct store *store, struct slice name, struct producer_id producer, struct transaction **ret_transaction,
                          struct edda_error *error)
{
    struct transaction *t = transaction_find(store, name);
    if (!t || t->producer.id != producer.id)
        return edda_fail_with(error, EDDA_EPRODUCER, "transactional id %.*s has no producer %" PRId64, (int)(name.len < 128 ? name.len : 128),
                              (const char *)name.data, producer.id);
    /* The epoch behind the last one only fences the last one: nobody was given it. */
    if (t->producer.epoch != producer.epoch || producer.epoch > EPOCH_LAST)
        return edda_fail_with(error, EDDA_EFENCED, "producer %" PRId64 " has epoch %d now, not %d", producer.id, t->producer.epoch, producer.epoch);
    *ret_transaction = t;
    return 0;
}

/* Adds a partition and, when it is not empty, a group; with the first the transaction begins. */
static int transaction_grow(struct store *store, struct transaction *t, uint32_t number, struct slice group, struct edda_error *error)
{
    bool begins = t->state != TRANSACTION_ONGOING;
    bool has_partition = transaction_partition_find(t, number) != NULL;
    if ((!has_partition && t->partition_count >= TRANSACTION_PARTITIONS_MAX) || transaction_end_bytes(t, 1) > log_body_bytes_max(store->log))
        return edda_fail_with(error, EDDA_ELIMIT, "a transaction has at most %d partitions", TRANSACTION_PARTITIONS_MAX);
    uint32_t groups_before = t->group_count;
    size_t groups_bytes = t->groups.len;
    enum transaction_state before = t->state;
    if (group.len) {
        put_be(&t->groups, group.len, 2);
        buffer_append_slice(&t->groups, group);
        t->group_count++;
    }
    bool ok = buffer_ok(&t->groups) && transaction_partition_put(t, number);
    int r = ok ? 0 : edda_fail_with(error, EDDA_ENOMEM, "out of memory for a transaction");
    if (begins) {
        t->begun_ms = log_time_ms(store->log);
        transaction_set_state(store, t, TRANSACTION_ONGOING);
    }
    if (r == 0)
        r = transaction_changed(store, t, error);
    if (r == 0)
        return 0;
    /* As it was. */
    t->groups.failed = false;
    buffer_truncate(&t->groups, groups_bytes);
    t->group_count = groups_before;
    t->partition_count -= ok && !has_partition;
    if (begins) {
        t->begun_ms = -1;
        transaction_set_state(store, t, before);
    }
    return r;
}

int transaction_add_partition(struct store *store, struct slice transactional_id, struct producer_id producer, struct topic *topic,
                              uint32_t partition, struct edda_error *error)
{
    struct transaction *t;
    int r = transaction_of(store, transactional_id, producer, &t, error);
    if (r < 0)
        return r;
    ASSERT(partition < topic->partition_count);
    uint32_t number = topic->partitions[partition].number;
    if (t->state == TRANSACTION_ONGOING && transaction_partition_find(t, number))
        return 0;
    return transaction_grow(store, t, number, slice_of(NULL, 0), error);
}

static bool has_group(const struct transaction *t, struct slice group)
{
    struct cursor c = cursor_of(buffer_slice(&t->groups));
    while (cursor_left(&c) > 0)
        if (slice_eq(cursor_bytes(&c, cursor_be16(&c)), group))
            return true;
    return false;
}

int transaction_add_group(struct store *store, struct slice transactional_id, struct producer_id producer, struct slice group,
                          struct edda_error *error)
{
    struct transaction *t;
    int r = transaction_of(store, transactional_id, producer, &t, error);
    if (r == 0 && (group.len == 0 || group.len > STORE_KEY_MAX - 16))
        r = edda_fail_field(error, EDDA_EINVAL, "group", "the name of a group has 1 to %d bytes", STORE_KEY_MAX - 16);
    if (r < 0 || (t->state == TRANSACTION_ONGOING && has_group(t, group)))
        return r;
    if (t->group_count >= TRANSACTION_GROUPS_MAX)
        return edda_fail_with(error, EDDA_ELIMIT, "a transaction has at most %d groups", TRANSACTION_GROUPS_MAX);
    r = topic_internal(store, TOPIC_OFFSETS, &store->offsets_topic, error);
    return r < 0 ? r : transaction_grow(store, t, store->offsets_topic->partitions[0].number, group, error);
}

static uint64_t offset_hash(struct slice key)
{
    return hash64(key, 0);
}

/* A transactional batch with one record for the table of offsets. */
static int offset_batch(struct store *store, const struct transaction *t, struct slice key, struct slice value, struct edda_error *error)
{
    struct buffer *out = &store->producers->scratch;
    struct batch_builder builder;
    struct batch batch;
    buffer_clear(out);
    batch_builder_init(&builder, out);
    batch_builder_add(&builder, log_time_ms(store->log), key, value, slice_of(NULL, 0), 0);
    batch_builder_finish(&builder, 0, BATCH_TRANSACTIONAL);
    if (!buffer_ok(out))
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory for an offset");
    batch_set_producer(out->data, out->len, t->producer.id, t->producer.epoch, 0);
    batch_parse(buffer_slice(out), &batch, NULL);
    return transactional_batch_append(store, store->offsets_topic, 0, &batch, error);
}

int transaction_add_offset(struct store *store, struct slice transactional_id, struct producer_id producer, struct slice group,
                           struct slice topic, uint32_t partition, int64_t offset, int32_t leader_epoch, struct slice metadata,
                           struct edda_error *error)
{
    struct transaction *t;
    int r = transaction_of(store, transactional_id, producer, &t, error);
    if (r < 0)
        return r;
    if (t->state != TRANSACTION_ONGOING || !has_group(t, group))
        return edda_fail_with(error, EDDA_ETRANSACTION, "group %.*s was not added to the transaction", (int)(group.len < 128 ? group.len : 128),
                              (const char *)group.data);
    if (group.len + topic.len > STORE_KEY_MAX - 16)
        return edda_fail_field(error, EDDA_EINVAL, "topic", "the names of group and topic have at most %d bytes", STORE_KEY_MAX - 16);
    if (metadata.len > GROUP_RECORD_STRING_MAX)
        return edda_fail_field(error, EDDA_ETOOLARGE, "metadata", "the metadata of an offset has at most %d bytes", GROUP_RECORD_STRING_MAX);
    if (offset < 0)
        return edda_fail_field(error, EDDA_EINVAL, "offset", "an offset is not negative");
    if (t->offset_count >= TRANSACTION_OFFSETS_MAX || t->batch_count + t->unclosed >= TRANSACTION_BATCHES_MAX ||
        t->record_count >= TRANSACTION_RECORDS_MAX || transaction_end_bytes(t, 1) > log_body_bytes_max(store->log))
        return edda_fail_with(error, EDDA_ELIMIT, "a transaction commits at most %d offsets", TRANSACTION_OFFSETS_MAX);
    struct buffer row = BUFFER_EMPTY;
    group_record_offset_key(&row, group, topic, partition);
    size_t key_bytes = row.len;
    group_record_offset_value(&row, &(struct group_record_offset){ offset, leader_epoch, metadata, log_time_ms(store->log) });
    struct slice key = slice_of(row.data, key_bytes);
    if (!buffer_ok(&row))
        r = edda_fail_with(error, EDDA_ENOMEM, "out of memory for an offset");
    if (r == 0)
        r = offset_batch(store, t, key, slice_from(buffer_slice(&row), key_bytes), error);
    /* That it waits is only told: an offset that is not counted among those that wait still counts. */
    if (r == 0)
        transaction_offset_put(t, offset_hash(key));
    buffer_deinit(&row);
    return r;
}

bool transaction_offset_pending(struct store *store, struct slice group, struct slice topic, uint32_t partition)
{
    struct buffer row = BUFFER_EMPTY;
    bool pending = false;
    if (store->producers->ongoing == 0 || group.len + topic.len > STORE_KEY_MAX)
        return false;
    group_record_offset_key(&row, group, topic, partition);
    uint64_t hash = offset_hash(buffer_slice(&row));
    for (struct list *link = store->producers->open.next; !pending && link != &store->producers->open; link = link->next) {
        const struct transaction *t = container_of(link, struct transaction, open);
        for (uint32_t i = 0; !pending && i < t->offset_count; i++)
            pending = t->offsets[i].hash == hash;
    }
    pending = pending && buffer_ok(&row);
    buffer_deinit(&row);
    return pending;
}

uint64_t transaction_end_bytes(const struct transaction *t, uint32_t more)
{
    uint64_t batches = (uint64_t)t->batch_count + t->unclosed + more;
    return append_row_bytes(transaction_name(t), slice_of(NULL, 128)) + batches * (FRAME_REMOTE_BYTES + FRAME_RUN_COST) +
           (t->partition_count + 2) * (FRAME_BATCH_COST + frame_batch_bytes_max(CONTROL_BATCH_BYTES)) + FRAME_HEADER_BYTES + UINT64_C(8192);
}

void transactions_frame_closed(struct store *store, const struct frame *frame)
{
    for (uint32_t i = 0; store->producers->ongoing > 0 && i < frame->batch_count; i++) {
        const struct frame_batch *b = &frame->batches[i];
        if (!batch_is_placeless(&b->batch) || b->batch.attributes & BATCH_CONTROL)
            continue;
        struct transaction *t = transaction_of_producer(store, b->batch.producer_id);
        ASSERT(t && t->unclosed > 0 && t->batch_count < t->batch_capacity);
        t->unclosed--;
        t->batches[t->batch_count++] = (struct transaction_batch){ frame->body + b->at, b->partition, (uint32_t)b->batch.record_count };
    }
}

/* --- ends ----------------------------------------------------------------------------------------------- */

int transaction_end(struct store *store, struct slice transactional_id, struct producer_id producer, bool commit, struct edda_error *error)
{
    struct transaction *t;
    int r = transaction_of(store, transactional_id, producer, &t, error);
    if (r < 0)
        return r;
    if (t->state == (commit ? TRANSACTION_COMPLETE_COMMIT : TRANSACTION_COMPLETE_ABORT))
        return 0;
    if (t->state != TRANSACTION_ONGOING)
        return edda_fail_with(error, EDDA_ETRANSACTION, "producer %" PRId64 " has no open transaction to be %s", producer.id,
                              commit ? "committed" : "aborted");
    return transaction_finish(store, t, &(struct transaction_ending){ commit, t->producer, t->last }, error);
}

/* What is aborted for its producer fences it: whoever has the epoch before may not go on. */
static int transaction_fence(struct store *store, struct transaction *t, struct edda_error *error)
{
    struct producer_id fenced = { t->producer.id, (int16_t)(t->producer.epoch + 1) };
    return transaction_finish(store, t, &(struct transaction_ending){ false, fenced, { -1, -1 } }, error);
}

int transaction_abort(struct store *store, struct producer_id producer, const struct topic *topic, uint32_t partition, struct edda_error *error)
{
    struct transaction *t = producer.id < 0 ? NULL : transaction_of_producer(store, producer.id);
    ASSERT(partition < topic->partition_count);
    if (t && t->state == TRANSACTION_COMPLETE_ABORT && t->producer.epoch - 1 == producer.epoch)
        return 0;
    if (t && t->producer.epoch != producer.epoch)
        return edda_fail_with(error, EDDA_EFENCED, "producer %" PRId64 " has epoch %d now, not %d", producer.id, t->producer.epoch, producer.epoch);
    if (!t || t->state != TRANSACTION_ONGOING || !transaction_partition_find(t, topic->partitions[partition].number))
        return edda_fail_with(error, EDDA_ETRANSACTION, "producer %" PRId64 " has no open transaction in partition %" PRIu32 " of %s", producer.id, partition,
                              topic->name);
    return transaction_fence(store, t, error);
}

/* The row of a transactional id that was not used for long is deleted. */
static int transaction_forget(struct store *store, struct transaction *t)
{
    int r = append_row(store, store->producers->topic, transaction_name(t), slice_of(NULL, 0), NULL);
    if (r == 0)
        transaction_remove(store, t);
    return r;
}

/* Looks at all that have no transaction open, and returns when that is to be done again: whoever ends a transaction meanwhile is used later than now. */
static int64_t idle_expire(struct store *store, int64_t now)
{
    int64_t next = now + TRANSACTIONAL_ID_EXPIRES_MS;
    for (struct list *link = store->producers->transactions.next, *following; link != &store->producers->transactions; link = following) {
        struct transaction *t = container_of(link, struct transaction, link);
        int64_t due = t->last_time_ms + TRANSACTIONAL_ID_EXPIRES_MS;
        following = link->next;
        if (t->state == TRANSACTION_ONGOING || (due <= now && transaction_forget(store, t) == 0))
            continue;
        due = due <= now ? now + RETRY_MS : due;
        next = due < next ? due : next;
    }
    return next;
}

int64_t transactions_expire(struct store *store)
{
    struct producers *p = store->producers;
    int64_t now = log_time_ms(store->log), next = INT64_MAX;
    producers_expire(store, now);
    for (struct list *link = p->open.next, *following; link != &p->open; link = following) {
        struct transaction *t = container_of(link, struct transaction, open);
        following = link->next;
        int64_t due = t->begun_ms + t->timeout_ms;
        if (due <= now && transaction_fence(store, t, NULL) == 0)
            continue;
        due = due <= now ? now + RETRY_MS : due;
        next = due < next ? due : next;
    }
    if (p->idle_due_ms <= now)
        p->idle_due_ms = idle_expire(store, now);
    return p->transaction_count > p->ongoing && p->idle_due_ms < next ? p->idle_due_ms : next;
}

/* --- for listings --------------------------------------------------------------------------------------- */

static struct transaction_info info_of(const struct transaction *t)
{
    return (struct transaction_info){
        .transactional_id = transaction_name(t),
        .producer = t->producer,
        .state = t->state,
        .timeout_ms = t->timeout_ms,
        .begun_ms = t->begun_ms,
        .partition_count = t->partition_count,
    };
}

int transaction_get(struct store *store, struct slice transactional_id, struct transaction_info *ret_info)
{
    const struct transaction *t = transaction_find(store, transactional_id);
    if (!t)
        return EDDA_ENOTFOUND;
    *ret_info = info_of(t);
    return 0;
}

int transactions_each(struct store *store, int (*visit)(void *user, const struct transaction_info *info), void *user)
{
    const struct producers *p = store->producers;
    int r = 0;
    for (struct list *link = p->open.next; r == 0 && link != &p->open; link = link->next) {
        struct transaction_info info = info_of(container_of(link, struct transaction, open));
        r = visit(user, &info);
    }
    for (struct list *link = p->transactions.next; r == 0 && link != &p->transactions; link = link->next) {
        struct transaction_info info = info_of(container_of(link, struct transaction, link));
        if (info.state != TRANSACTION_ONGOING)
            r = visit(user, &info);
    }
    return r;
}

int transaction_partitions_each(struct store *store, struct slice transactional_id,
                                int (*visit)(void *user, struct topic *topic, uint32_t partition), void *user)
{
    const struct transaction *t = transaction_find(store, transactional_id);
    int r = t ? 0 : EDDA_ENOTFOUND;
    for (uint32_t i = 0; r == 0 && i < t->partition_count; i++) {
        const struct partition_place *place = &store->places[t->partitions[i].number];
        r = visit(user, &place->entry->topic, place->partition);
    }
    return r;
}
