/*
 * append: sequencing. Everything that can refuse an append comes first: arguments, identities, conditions, room. Then the
 * records are put into the open frame one by one; only memory can fail there, and then all of them are taken back.
 *
 * Reservation. The body of the open frame is known to fit what the log has reserved before a record is added to it,
 * with FRAME_SLACK more, so that what the hook adds when the frame is closed finds room too.
 */
#include <inttypes.h>

#include "base/assert.h"
#include "store/internal.h"
#include "store/uuid.h"

#define HEADER_OVERHEAD 8       /* most bytes of an encoded header beside name and value, within the limits of a record */
#define FRAME_SLACK (UINT64_C(4) << 10)
#define ADDITIONS_PER_RECORD 3
#define MIXED_ROW_BYTES 1024    /* what a row that says that a topic is mixed takes, as a rule */

int append_ready(struct store *store, struct edda_error *error)
{
    if (store->broken)
        return broken_fail(store, error);
    int r = additions_flush(store);
    if (r < 0)
        return edda_fail_with(error, r, "the index cannot take more before it has written what it holds");
    return 0;
}

static bool has_attributes(const struct cloudevent *e)
{
    return e->id.len || e->source.len || e->type.len || e->correlation.len || e->causation.len || e->traceparent.len ||
           e->reply_to.len || e->expiry_ms || e->data_version > 1;
}

static uint64_t header_bytes_max(size_t name_bytes, size_t value_bytes)
{
    return value_bytes ? HEADER_OVERHEAD + name_bytes + value_bytes : 0;
}

static uint64_t headers_bytes_max(const struct store_message *m)
{
    const struct cloudevent *e = &m->event;
    if (!has_attributes(e))
        return m->headers.len;
    return m->headers.len + header_bytes_max(strlen("ce_specversion"), strlen("1.0")) +
           header_bytes_max(strlen("ce_id"), e->id.len ? e->id.len : UUID_TEXT_BYTES) +
           header_bytes_max(strlen("ce_source"), e->source.len) + header_bytes_max(strlen("ce_type"), e->type.len) +
           header_bytes_max(strlen("ce_correlationid"), e->correlation.len) +
           header_bytes_max(strlen("ce_causationid"), e->causation.len) +
           header_bytes_max(strlen("ce_expirytime"), e->expiry_ms ? strlen("2026-01-31T23:59:59.123Z") : 0) +
           header_bytes_max(strlen("ce_dataversion"), e->data_version > 1 ? strlen("4294967295") : 0) +
           header_bytes_max(strlen("ce_replyto"), e->reply_to.len) + header_bytes_max(strlen("traceparent"), e->traceparent.len);
}

static uint64_t record_bytes_max(const struct store_message *m)
{
    return FRAME_RECORD_OVERHEAD + m->key.len + m->value.len + headers_bytes_max(m);
}

static int message_check(const struct store_message *m, struct edda_error *error)
{
    ASSERT(m->topic);
    if (m->key.len > STORE_KEY_MAX)
        return edda_fail_field(error, EDDA_ETOOLARGE, "key", "a key has at most %d bytes, not %zu", STORE_KEY_MAX, m->key.len);
    if (record_bytes_max(m) > STORE_RECORD_MAX)
        return edda_fail_field(error, EDDA_ETOOLARGE, "value", "a record of %" PRIu64 " bytes is over the limit of %" PRIu32,
                               record_bytes_max(m), STORE_RECORD_MAX);
    if (m->timestamp_ms < 0 || m->timestamp_ms > TIMESTAMP_MAX_MS)
        return edda_fail_field(error, EDDA_EINVAL, "timestamp", "the timestamp %" PRId64 " is out of range", m->timestamp_ms);
    if (m->event.expiry_ms < 0 || m->event.expiry_ms > TIMESTAMP_MAX_MS)
        return edda_fail_field(error, EDDA_EINVAL, "expiry", "the expiry %" PRId64 " is out of range", m->event.expiry_ms);
    if (m->partition < -1 || (m->partition >= 0 && (uint32_t)m->partition >= m->topic->partition_count))
        return edda_fail_field(error, EDDA_EINVAL, "partition", "topic %s has %" PRIu32 " partitions, and no %" PRId32,
                               m->topic->name, m->topic->partition_count, m->partition);
    if (m->identify && m->event.id.len == 0 && m->event.type.len == 0)
        return edda_fail_field(error, EDDA_EINVAL, "id", "a message without an id cannot be identified");
    if (m->topic->deleted)
        return edda_fail_field(error, EDDA_ENOTFOUND, "topic", "topic %s was deleted", m->topic->name);
    if (!m->key.data && m->topic->settings && !m->topic->internal && topic_setting_get(m->topic, TOPIC_CLEANUP_POLICY) & CLEANUP_COMPACT)
        return edda_fail_field(error, EDDA_EINVAL, "key", "topic %s is compacted, and takes no record without a key", m->topic->name);
    return 0;
}

/* *ret_bytes is what the records take at most, in a body, with a row that they may ask for. */
static int messages_check(const struct store_message *messages, size_t count, uint64_t *ret_bytes, struct edda_error *error)
{
    uint64_t bytes = 0;
    bool placed = false;
    if (count == 0 || count > STORE_APPEND_RECORDS_MAX)
        return edda_fail_with(error, count ? EDDA_ELIMIT : EDDA_EINVAL, "an append is of 1 to %d messages, not %zu",
                              STORE_APPEND_RECORDS_MAX, count);
    for (size_t i = 0; i < count; i++) {
        int r = message_check(&messages[i], error);
        if (r < 0)
            return r;
        bytes += record_bytes_max(&messages[i]) + FRAME_RUN_COST;
        placed |= messages[i].partition >= 0;
    }
    *ret_bytes = bytes + (placed ? MIXED_ROW_BYTES : 0);
    return 0;
}

uint32_t partition_by_hash(const struct topic *topic, struct slice key)
{
    return (hash_murmur2(key) & INT32_MAX) % topic->partition_count;
}

/* A record that goes elsewhere than its key's hash says is the first of its topic only once: from then on the stream's
 * last record is looked up. */
static int mixed_check(struct store *store, const struct store_message *messages, size_t count, struct edda_error *error)
{
    for (size_t i = 0; i < count; i++) {
        const struct store_message *m = &messages[i];
        if (m->partition < 0 || m->topic->partition_count == 1 || !m->key.data || topic_entry_of(m->topic)->mixed)
            continue;
        if ((uint32_t)m->partition == partition_by_hash(m->topic, m->key))
            continue;
        int r = topic_mark_mixed(store, topic_entry_of(m->topic), error);
        if (r < 0)
            return r;
    }
    return 0;
}

int append_room(struct store *store, uint64_t bytes, size_t count, struct edda_error *error)
{
    uint64_t batches = count < FRAME_BATCHES_MAX ? count : FRAME_BATCHES_MAX;
    uint64_t more = bytes + batches * FRAME_BATCH_COST + FRAME_HEADER_BYTES + FRAME_ALIGNMENT;
    uint64_t open = store_open_frame_bytes(store);
    if (store->closing)
        return log_reserve(store->log, open + more, error);
    uint64_t unflushed = log_unflushed_bytes(store->log) + open;
    if (unflushed > 0 && unflushed + more > store->options.unflushed_bytes_max)
        return edda_fail_with(error, EDDA_EBUSY, "%" PRIu64 " bytes wait for the disk", unflushed);
    more += FRAME_SLACK;
    if (open > 0) {
        bool full = open + more > store->options.frame_bytes && !index_seal_wanted(store->index);
        bool crowded = store->open->batch_count + batches > FRAME_BATCHES_MAX;
        int r = full || crowded ? EDDA_ETOOLARGE : log_reserve(store->log, open + more, error);
        if (r != EDDA_ETOOLARGE)
            return r;
        r = store_close_frame(store, error);
        if (r == 0)
            r = append_ready(store, error);
        if (r < 0)
            return r;
    }
    return log_reserve(store->log, more, error);
}

/* The partition in which a keyed record of a mixed topic follows the last one of its stream. */
static int partition_of_stream(struct store *store, const struct store_message *m, struct hash128 stream,
                               uint32_t *ret_partition, struct edda_error *error)
{
    struct index_entry entry;
    struct store_record last;
    int r = lookup_last(store, stream, &entry);
    if (r == 0)
        r = record_at(store, &entry, &last, error);
    if (r == 0)
        *ret_partition = last.partition;
    /* There is none, it was removed, or it lies in a partition that the topic had before it was deleted. */
    if (r == EDDA_ENOTFOUND || (r == 0 && last.partition >= m->topic->partition_count)) {
        *ret_partition = partition_by_hash(m->topic, m->key);
        r = 0;
    }
    return r;
}

static int partition_choose(struct store *store, const struct store_message *m, struct hash128 stream,
                            uint32_t *ret_partition, struct edda_error *error)
{
    if (m->partition >= 0)
        *ret_partition = (uint32_t)m->partition;
    else if (!m->key.data || m->topic->partition_count == 1)
        *ret_partition = 0;
    else if (topic_entry_of(m->topic)->mixed)
        return partition_of_stream(store, m, stream, ret_partition, error);
    else
        *ret_partition = partition_by_hash(m->topic, m->key);
    return 0;
}

/* Encodes the attributes and further headers of a message; *event is completed. */
static int headers_put(struct store *store, const struct store_message *m, int64_t time_ms, char id[UUID_TEXT_BYTES],
                       struct cloudevent *event, struct record *record)
{
    *event = m->event;
    if (event->id.len == 0 && event->type.len > 0) {
        uuid_of_time(store, time_ms, id);
        event->id = slice_of(id, UUID_TEXT_BYTES);
    }
    struct buffer *headers = &store->headers;
    buffer_clear(headers);
    record->header_count = m->header_count;
    if (has_attributes(event))
        record->header_count += cloudevent_put(event, headers);
    buffer_append_slice(headers, m->headers);
    if (!buffer_ok(headers))
        return EDDA_ENOMEM;
    record->headers = buffer_slice(headers);
    /* Attributes may also have come as encoded headers. The index must be told what it would be told again from the log. */
    if (m->headers.len)
        cloudevent_get(record, event);
    return 0;
}

static void record_additions(struct store *store, const struct store_message *m, const struct cloudevent *event,
                             struct hash128 stream, const struct index_entry *entry)
{
    struct additions *a = &store->additions;
    if (m->key.data)
        additions_put(a, stream, entry);
    if (event->correlation.len)
        additions_put(a, key_correlation(store->seed, event->correlation), entry);
    if (m->identify)
        additions_put(a, key_identity(store->seed, event->source, event->id), entry);
}

/* Puts one message into the open frame. */
static int message_put(struct store *store, struct frame *frame, const struct store_message *m, int64_t time_ms,
                       int64_t *ret_offset, struct edda_error *error)
{
    struct hash128 stream = { 0, 0 };
    struct cloudevent event;
    struct record record = { .key = m->key, .value = m->value };
    char id[UUID_TEXT_BYTES];
    uint32_t index = 0;
    if (m->key.data)
        stream = key_stream(store->seed, topic_name(m->topic), m->key);
    int r = partition_choose(store, m, stream, &index, error);
    if (r == 0)
        r = headers_put(store, m, time_ms, id, &event, &record);
    if (r < 0)
        return r;
    struct partition *partition = &m->topic->partitions[index];
    if (partition->generation != store->generation) {
        r = frame_batch_open(frame, partition->number, partition->next_offset, &partition->batch);
        if (r < 0)
            return r;
        partition->generation = store->generation;
    }
    struct index_entry entry = { .position = frame_end(frame), .batch = partition->batch };
    r = frame_add(frame, partition->batch, m->timestamp_ms ? m->timestamp_ms : time_ms, &record, m->identify, &entry.record);
    if (r < 0)
        return r;
    record_additions(store, m, &event, stream, &entry);
    *ret_offset = partition->next_offset++;
    return 0;
}

/* Takes back the records behind the mark, whose partitions are known from the frame. */
void messages_take_back(struct store *store, struct frame *frame, const struct frame_mark *mark, uint32_t additions)
{
    for (uint32_t i = frame->record_count; i > mark->record_count; i--) {
        const struct partition_place *place = &store->places[frame_partition_of(frame, i - 1)];
        place->entry->topic.partitions[place->partition].next_offset--;
    }
    for (uint32_t i = mark->batch_count; i < frame->batch_count; i++) {
        const struct partition_place *place = &store->places[frame->batches[i].partition];
        place->entry->topic.partitions[place->partition].generation = 0;
    }
    frame_rewind(frame, mark);
    additions_rewind(&store->additions, additions);
}

int messages_put(struct store *store, const struct store_message *messages, size_t count, struct store_appended *ret_appended,
                 struct edda_error *error)
{
    struct frame *frame = frame_current(store);
    if (!frame || !additions_reserve(&store->additions, (uint32_t)count * ADDITIONS_PER_RECORD))
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory for %zu messages", count);
    struct frame_mark mark = frame_mark(frame);
    uint32_t additions = store->additions.count;
    int64_t time_ms = log_time_ms(store->log);
    int64_t offset;
    ret_appended->position = frame_end(frame);
    for (size_t i = 0; i < count; i++) {
        int r = message_put(store, frame, &messages[i], time_ms, &offset, error);
        if (r < 0) {
            messages_take_back(store, frame, &mark, additions);
            if (r == EDDA_ELIMIT)
                return edda_fail_with(error, r, "an append touches more than %d partitions", FRAME_BATCHES_MAX);
            return r == EDDA_ENOMEM ? edda_fail_with(error, r, "out of memory for %zu messages", count) : r;
        }
        if (i == 0)
            ret_appended->offset = offset;
    }
    frame->time_ms = time_ms;
    return 0;
}

/* Checks and sequences messages that are in order by themselves and take `bytes`. */
static int messages_append(struct store *store, const struct store_condition *conditions, size_t condition_count,
                           const struct store_message *messages, size_t count, uint64_t bytes,
                           struct store_appended *ret_appended, struct edda_error *error)
{
    /* Making room may close the frame, and with that run the hook, which may append: so it comes before all that looks at the
     * state. But want of room is no answer to a repeat, nor to an append whose condition fails. */
    struct edda_error room_error;
    int room = append_room(store, bytes, count, &room_error);
    int r = identities_check(store, messages, count, ret_appended, error);
    if (r != 0)
        return r < 0 ? r : 0;
    r = conditions_check(store, conditions, condition_count, error);
    if (r < 0)
        return r;
    if (room < 0)
        return edda_fail_field(error, room, room_error.field, "%s", room_error.message);
    r = mixed_check(store, messages, count, error);
    return r < 0 ? r : messages_put(store, messages, count, ret_appended, error);
}

int store_append(struct store *store, const struct store_condition *conditions, size_t condition_count,
                 const struct store_message *messages, size_t count, bool want_version,
                 struct store_appended *ret_appended, struct edda_error *error)
{
    struct store_appended appended = { .version = -1 };
    uint64_t bytes = 0;
    int r = messages_check(messages, count, &bytes, error);
    if (r == 0)
        r = append_ready(store, error);
    if (r == 0)
        r = messages_append(store, conditions, condition_count, messages, count, bytes, &appended, error);
    if (r < 0)
        return r;
    const struct store_message *last = &messages[count - 1];
    if (want_version && last->key.data && !appended.repeated) {
        uint64_t versions;
        /* The records are sequenced: a version that cannot be read does not undo that. */
        if (lookup_count(store, key_stream(store->seed, topic_name(last->topic), last->key), &versions) == 0)
            appended.version = (int64_t)versions - 1;
    }
    if (ret_appended)
        *ret_appended = appended;
    return 0;
}

uint64_t append_row_bytes(struct slice key, struct slice value)
{
    struct store_message message = { .key = key, .value = value };
    return record_bytes_max(&message) + FRAME_RUN_COST;
}

int append_row(struct store *store, struct topic *topic, struct slice key, struct slice value, struct edda_error *error)
{
    struct store_message message = { .topic = topic, .key = key, .value = value, .partition = -1 };
    return store_append(store, NULL, 0, &message, 1, false, NULL, error);
}
