/* intake: see intake.h. The checks are those of Kafka's ProduceRequest.validateRecords() and LogValidator. */
#include "store/intake.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/array.h"
#include "wire/kafka/compression.h"

#define MAGIC_AT 16
#define MAGIC 2
#define RECORD_BYTES_MIN 7
#define AS_TEXT(number) #number
#define NUMBER_TEXT(number) AS_TEXT(number)
#define HEADERS_MAX_TEXT NUMBER_TEXT(STORE_HEADERS_MAX)
#define KEYS_PER_RECORD 2
#define ATTRIBUTES_FOREIGN (BATCH_CONTROL | 0x40) /* what only a broker writes: control batches, and a time of deletion */

void intake_deinit(struct intake *intake)
{
    free(intake->places);
    free(intake->keys);
}

static struct intake_rules rules_of(const struct topic *topic)
{
    return (struct intake_rules){
        .bytes_max = (uint64_t)topic_setting_get(topic, TOPIC_MAX_MESSAGE_BYTES),
        .append_time = topic_setting_get(topic, TOPIC_TIMESTAMP_TYPE) == TIMESTAMP_LOG_APPEND,
        .key_needed = topic_setting_get(topic, TOPIC_CLEANUP_POLICY) & CLEANUP_COMPACT,
        .before_max_ms = topic_setting_get(topic, TOPIC_TIMESTAMP_BEFORE_MAX_MS),
        .after_max_ms = topic_setting_get(topic, TOPIC_TIMESTAMP_AFTER_MAX_MS),
    };
}

static int header_take(struct intake *intake, const struct store_batch *from, struct edda_error *error)
{
    struct batch *batch = &intake->batch;
    if (from->bytes.len > MAGIC_AT && from->bytes.data[MAGIC_AT] != MAGIC)
        return edda_fail_with(error, EDDA_EUNSUPPORTED, "a record batch of magic %u is not taken, only %d", from->bytes.data[MAGIC_AT], MAGIC);
    int64_t len = batch_parse(from->bytes, batch, error);
    if (len < 0)
        return (int)len;
    if (len == 0 || (uint64_t)len != from->bytes.len)
        return edda_fail_with(error, EDDA_EMALFORMED, "the %zu bytes are not one record batch", from->bytes.len);
    if (from->bytes.len > intake->rules.bytes_max)
        return edda_fail_with(error, EDDA_ETOOLARGE, "a batch of %zu bytes is over the limit of topic %s, %" PRIu64, from->bytes.len,
                              from->topic->name, intake->rules.bytes_max);
    int r = batch_check_header(batch, error);
    if (r < 0)
        return r;
    if (batch->attributes & ATTRIBUTES_FOREIGN)
        return edda_fail_with(error, EDDA_EINVAL, "a producer's batch has the attributes of a broker's own: 0x%x", (unsigned)batch->attributes);
    if ((batch->attributes & BATCH_COMPRESSION) == COMPRESSION_ZSTD && !from->zstd_allowed)
        return edda_fail_with(error, EDDA_EUNSUPPORTED, "this version of the protocol has no zstd");
    if (batch->attributes & BATCH_LOG_APPEND_TIME && !intake->rules.append_time)
        return edda_fail_field(error, EDDA_EINVAL, "timestamp", "a producer's timestamps are not those of the log");
    if (batch->record_count > INTAKE_RECORDS_MAX)
        return edda_fail_with(error, EDDA_ELIMIT, "a batch has at most %d records, not %" PRId32, INTAKE_RECORDS_MAX, batch->record_count);
    return 0;
}

static void key_put(struct intake *intake, struct hash128 key)
{
    intake->keys[intake->key_count++] = (struct intake_key){ key, intake->place_count };
}

/* What the index is to hold of the next record: the same that frame_additions() finds, but no identity. False when out of memory. */
static bool record_keys(struct store *store, struct intake *intake, const struct topic *topic, const struct record *record)
{
    if (!record->key.data && record->header_count == 0)
        return true;
    if (!array_reserve(&intake->keys, &intake->key_capacity, (uint64_t)intake->key_count + KEYS_PER_RECORD, sizeof(*intake->keys)))
        return false;
    if (record->key.data)
        key_put(intake, key_stream(store->seed, topic_name(topic), record->key));
    if (record->header_count > 0) {
        struct cloudevent event;
        cloudevent_get(record, &event);
        if (event.correlation.len)
            key_put(intake, key_correlation(store->seed, event.correlation));
    }
    return true;
}

static int record_fail(struct intake *intake, int32_t ordinal, int code, const char *field, const char *what, struct edda_error *error)
{
    intake->wrong_record = ordinal;
    return edda_fail_field(error, code, field, "record %" PRId32 " of the batch %s", ordinal, what);
}

static int record_check(struct intake *intake, const struct record *record, int32_t ordinal, struct edda_error *error)
{
    const struct intake_rules *rules = &intake->rules;
    const char *wrong = batch_check_record(&intake->batch, record, ordinal);
    if (wrong)
        return record_fail(intake, ordinal, EDDA_EMALFORMED, "", wrong, error);
    if (record->header_count > STORE_HEADERS_MAX)
        return record_fail(intake, ordinal, EDDA_EINVAL, "headers", "has more than " HEADERS_MAX_TEXT " headers", error);
    if (rules->key_needed && !record->key.data)
        return record_fail(intake, ordinal, EDDA_EINVAL, "key", "has no key, which a compacted topic needs", error);
    int64_t time = record->timestamp_ms;
    if (!rules->append_time && time >= 0 &&
        (time < intake->time_ms ? intake->time_ms - time > rules->before_max_ms : time - intake->time_ms > rules->after_max_ms))
        return record_fail(intake, ordinal, EDDA_EINVAL, "timestamp", "has a timestamp too far from now", error);
    if (time > intake->max_timestamp_ms)
        intake->max_timestamp_ms = time;
    return 0;
}

static int records_take(struct store *store, struct intake *intake, const struct store_batch *from, struct slice plain, struct edda_error *error)
{
    const struct batch *batch = &intake->batch;
    struct cursor records = cursor_of(plain);
    struct record record;
    int32_t ordinal = 0;
    bool placed = from->topic->partition_count > 1 && !topic_entry_of(from->topic)->mixed;
    if ((size_t)batch->record_count > plain.len / RECORD_BYTES_MIN)
        return edda_fail_with(error, EDDA_EMALFORMED, "record batch counts %" PRId32 " records in %zu bytes", batch->record_count, plain.len);
    if (!array_reserve(&intake->places, &intake->place_capacity, (uint64_t)batch->record_count, sizeof(*intake->places)))
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory for %" PRId32 " records", batch->record_count);
    for (;;) {
        uint32_t place = (uint32_t)(records.at - plain.data);
        if (!batch_next(batch, &records, &record))
            break;
        if (ordinal == batch->record_count)
            return record_fail(intake, ordinal, EDDA_EMALFORMED, "", "is one more than it counts", error);
        int r = record_check(intake, &record, ordinal, error);
        if (r < 0)
            return r;
        if (!record_keys(store, intake, from->topic, &record))
            return edda_fail_with(error, EDDA_ENOMEM, "out of memory for %" PRId32 " records", batch->record_count);
        intake->places[intake->place_count++] = place;
        if (placed && record.key.data && partition_by_hash(from->topic, record.key) != from->partition)
            intake->elsewhere = true;
        ordinal++;
    }
    if (!cursor_ok(&records))
        return record_fail(intake, ordinal, EDDA_EMALFORMED, "", "is malformed", error);
    if (ordinal != batch->record_count)
        return edda_fail_with(error, EDDA_EMALFORMED, "record batch counts %" PRId32 " records, but holds %" PRId32, batch->record_count, ordinal);
    return 0;
}

void intake_clear(struct intake *intake)
{
    intake->place_count = intake->key_count = 0;
}

int intake_again(struct store *store, struct intake *intake, const struct topic *topic, const struct batch *batch, struct slice plain,
                 struct edda_error *error)
{
    struct cursor records = cursor_of(plain);
    struct record record;
    uint64_t wanted = (uint64_t)intake->place_count + (uint64_t)batch->record_count;
    bool ok = array_reserve(&intake->places, &intake->place_capacity, wanted, sizeof(*intake->places));
    while (ok) {
        uint32_t place = (uint32_t)(records.at - plain.data);
        if (intake->place_count == wanted || !batch_next(batch, &records, &record))
            break;
        ok = record_keys(store, intake, topic, &record);
        intake->places[intake->place_count++] = place;
    }
    if (!ok)
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory for the records of a transaction");
    return intake->place_count == wanted ? 0 : edda_fail_with(error, EDDA_ECORRUPT, "a batch of the transaction is malformed");
}

int intake_take(struct store *store, struct intake *intake, const struct store_batch *from, struct edda_error *error)
{
    struct slice plain;
    intake_clear(intake);
    intake->rules = rules_of(from->topic);
    intake->elsewhere = false;
    intake->wrong_record = -1;
    intake->max_timestamp_ms = -1;
    intake->time_ms = log_time_ms(store->log);
    int r = header_take(intake, from, error);
    if (r < 0)
        return r;
    intake->plain_key = intake->batch.attributes & BATCH_COMPRESSION ? plain_key(store->plain) : 0;
    r = plain_records(store->plain, intake->plain_key, &intake->batch, &plain, error);
    return r < 0 ? r : records_take(store, intake, from, plain, error);
}
