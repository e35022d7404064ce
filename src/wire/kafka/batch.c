/*
 * batch: reading and checking record batches; batch_builder.c writes them. The layout is in batch.h.
 *
 * Varints of one and two bytes are read here without a call, because nearly all varints of a record
 * are that short and a fetch or a replay reads several of them per record; longer ones go to cursor.h,
 * which also knows every way in which a varint can be wrong.
 */
#include "wire/kafka/batch.h"

#include <inttypes.h>

#include "base/crc32c.h"
#include "base/put.h"

#define BATCH_LENGTH_AT 8
#define BATCH_LEADER_EPOCH_AT 12
#define BATCH_MAGIC_AT 16
#define BATCH_CHECKSUM_AT 17
#define BATCH_CHECKED_AT 21 /* the checksum covers everything from here on */
#define BATCH_MAX_TIMESTAMP_AT 35
#define BATCH_PRODUCER_AT 43
#define BATCH_MAGIC 2
#define BATCH_PREFIX_BYTES 12 /* base offset and length, which the length does not count */
#define BATCH_COMPRESSION_MAX 4
/* Timestamps go from here down to -1, which is none, so that the difference of any two has 64 bits. */
#define TIMESTAMP_MS_MAX (INT64_MAX - 1)
#define HEADER_BYTES_MIN 2 /* two lengths of one byte */

_Static_assert(BATCH_HEADER_BYTES == BATCH_CHECKED_AT + 2 + 4 + 8 + 8 + 8 + 2 + 4 + 4, "layout of the header");

static inline int64_t zigzag(uint64_t value)
{
    return (int64_t)(value >> 1 ^ (0 - (value & 1)));
}

static inline bool varint_short(struct cursor *c, int64_t *ret_value)
{
    size_t left = cursor_left(c);
    if (left >= 1 && c->at[0] < 0x80) {
        *ret_value = zigzag(c->at[0]);
        c->at += 1;
        return true;
    }
    if (left >= 2 && c->at[1] < 0x80) {
        *ret_value = zigzag((uint64_t)(c->at[0] & 0x7f) | (uint64_t)c->at[1] << 7);
        c->at += 2;
        return true;
    }
    return false;
}

static inline int32_t varint32(struct cursor *c)
{
    int64_t value;
    return varint_short(c, &value) ? (int32_t)value : cursor_varint32(c);
}

static inline int64_t varint64(struct cursor *c)
{
    int64_t value;
    return varint_short(c, &value) ? value : cursor_varint64(c);
}

/* Bytes with their length before them; -1 is null, where that is allowed. */
static inline struct slice sized_bytes(struct cursor *c, bool nullable)
{
    int32_t len = varint32(c);
    if (len == -1 && nullable)
        return slice_of(NULL, 0);
    if (len < 0 || (size_t)len > cursor_left(c)) {
        cursor_fail(c);
        return slice_of(NULL, 0);
    }
    struct slice bytes = slice_of(c->at, (size_t)len);
    c->at += len;
    return bytes;
}

static inline uint16_t load_be16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

static inline uint32_t load_be32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static inline uint64_t load_be64(const uint8_t *at)
{
    return (uint64_t)load_be32(at) << 32 | load_be32(at + 4);
}

int64_t batch_parse(struct slice bytes, struct batch *ret_batch, struct edda_error *error)
{
    if (bytes.len > BATCH_MAGIC_AT && bytes.data[BATCH_MAGIC_AT] != BATCH_MAGIC)
        return edda_fail_with(error, EDDA_EMALFORMED, "record batch has magic %u, only %d is known",
                              (unsigned)bytes.data[BATCH_MAGIC_AT], BATCH_MAGIC);
    if (bytes.len < BATCH_PREFIX_BYTES)
        return 0;
    const uint8_t *at = bytes.data;
    int64_t length = (int64_t)(int32_t)load_be32(at + BATCH_LENGTH_AT) + BATCH_PREFIX_BYTES;
    if (length < BATCH_HEADER_BYTES)
        return edda_fail_with(error, EDDA_EMALFORMED, "record batch of %" PRId64 " bytes is shorter than its header",
                              length);
    if ((uint64_t)length > bytes.len)
        return 0;

    struct batch batch = {
        .bytes = slice_of(at, (size_t)length),
        .records = slice_of(at + BATCH_HEADER_BYTES, (size_t)length - BATCH_HEADER_BYTES),
        .base_offset = (int64_t)load_be64(at),
        .base_timestamp_ms = (int64_t)load_be64(at + 27),
        .max_timestamp_ms = (int64_t)load_be64(at + BATCH_MAX_TIMESTAMP_AT),
        .producer_id = (int64_t)load_be64(at + BATCH_PRODUCER_AT),
        .last_offset_delta = (int32_t)load_be32(at + 23),
        .base_sequence = (int32_t)load_be32(at + 53),
        .record_count = (int32_t)load_be32(at + 57),
        .leader_epoch = (int32_t)load_be32(at + BATCH_LEADER_EPOCH_AT),
        .crc = load_be32(at + BATCH_CHECKSUM_AT),
        .attributes = (int16_t)load_be16(at + BATCH_CHECKED_AT),
        .producer_epoch = (int16_t)load_be16(at + 51),
    };
    *ret_batch = batch;
    return length;
}

/* What Kafka's LogValidator.validateBatch() asks of a header; control batches come from a coordinator, which
 * numbers nothing. */
static int header_check(const struct batch *batch, bool stored, struct edda_error *error)
{
    bool thin = stored && batch->record_count >= 0 && batch_is_thin(batch) && !(batch->attributes & BATCH_CONTROL);
    if (!thin && (batch->record_count <= 0 || batch->last_offset_delta != batch->record_count - 1))
        return edda_fail_with(error, EDDA_EMALFORMED,
                              "record batch counts %" PRId32 " records, but its last offset delta is %" PRId32,
                              batch->record_count, batch->last_offset_delta);
    if ((batch->attributes & BATCH_COMPRESSION) > BATCH_COMPRESSION_MAX)
        return edda_fail_with(error, EDDA_EMALFORMED, "record batch has the unknown compression %d",
                              batch->attributes & BATCH_COMPRESSION);
    if (batch->producer_id < 0 && batch->attributes & BATCH_TRANSACTIONAL)
        return edda_fail_with(error, EDDA_EMALFORMED, "transactional record batch has no producer id");
    if (batch->producer_id >= 0 && !(batch->attributes & BATCH_CONTROL) &&
        (batch->producer_epoch < 0 || batch->base_sequence < 0))
        return edda_fail_with(error, EDDA_EMALFORMED,
                              "record batch of producer %" PRId64 " has epoch %d and sequence %" PRId32,
                              batch->producer_id, batch->producer_epoch, batch->base_sequence);
    return 0;
}

static bool record_headers_ok(const struct record *record)
{
    struct cursor headers = cursor_of(record->headers);
    struct record_header header;
    uint32_t count = 0;
    while (record_header_next(&headers, &header))
        count++;
    return cursor_ok(&headers) && count == record->header_count;
}

const char *batch_check_record(const struct batch *batch, const struct record *record, int32_t ordinal)
{
    if (record->offset - batch->base_offset != ordinal)
        return "is out of sequence";
    if (record->timestamp_ms < -1 || record->timestamp_ms > TIMESTAMP_MS_MAX)
        return "has a timestamp out of range";
    return record_headers_ok(record) ? NULL : "has malformed headers";
}

static int checksum_check(const struct batch *batch, struct edda_error *error)
{
    uint32_t crc = crc32c(slice_from(batch->bytes, BATCH_CHECKED_AT));
    if (crc != batch->crc)
        return edda_fail_with(error, EDDA_ECORRUPT,
                              "record batch has the checksum %08" PRIx32 ", its bytes give %08" PRIx32, batch->crc,
                              crc);
    return 0;
}

int batch_check_header(const struct batch *batch, struct edda_error *error)
{
    int r = checksum_check(batch, error);
    return r < 0 ? r : header_check(batch, false, error);
}

static int records_check(const struct batch *batch, struct edda_error *error)
{
    struct cursor records = cursor_of(batch->records);
    struct record record;
    int32_t count = 0, ordinal = 0;
    const uint8_t *at = records.at;
    while (batch_next(batch, &records, &record)) {
        /* Of a thin batch, the deltas rise. */
        int64_t delta = record.offset - batch->base_offset;
        if (batch_is_thin(batch) && delta > ordinal && delta <= batch->last_offset_delta)
            ordinal = (int32_t)delta;
        const char *wrong = batch_check_record(batch, &record, ordinal++);
        if (wrong)
            return edda_fail_with(error, EDDA_EMALFORMED, "record %" PRId32 " at byte %zu of its batch %s", count,
                                  (size_t)(at - batch->bytes.data), wrong);
        count++;
        at = records.at;
    }
    if (!cursor_ok(&records))
        return edda_fail_with(error, EDDA_EMALFORMED, "record %" PRId32 " at byte %zu of its batch is malformed", count,
                              (size_t)(at - batch->bytes.data));
    if (count != batch->record_count)
        return edda_fail_with(error, EDDA_EMALFORMED, "record batch counts %" PRId32 " records, but holds %" PRId32,
                              batch->record_count, count);
    return 0;
}

int batch_check(const struct batch *batch, struct edda_error *error)
{
    int r = batch_check_header(batch, error);
    return r < 0 || batch->attributes & BATCH_COMPRESSION ? r : records_check(batch, error);
}

int batch_check_stored(const struct batch *batch, struct edda_error *error)
{
    int r = checksum_check(batch, error);
    if (r == 0)
        r = header_check(batch, true, error);
    return r < 0 || batch->attributes & BATCH_COMPRESSION ? r : records_check(batch, error);
}

bool batch_next(const struct batch *batch, struct cursor *records, struct record *ret_record)
{
    if (records->at == records->end)
        return false;
    int32_t length = varint32(records);
    if (length <= 0 || (size_t)length > cursor_left(records)) {
        cursor_fail(records);
        return false;
    }
    /* A length of at least 1 has room for the attributes, which mean nothing yet and are skipped. */
    struct cursor body = { records->at + 1, records->at + length, false };
    struct record record;
    int64_t timestamp_delta = varint64(&body);
    int32_t offset_delta = varint32(&body);
    record.key = sized_bytes(&body, true);
    record.value = sized_bytes(&body, true);
    int32_t header_count = varint32(&body);
    size_t headers_len = cursor_left(&body);
    record.header_count = (uint32_t)header_count;
    record.headers = slice_of(body.at, headers_len);
    record.timestamp_ms = batch->max_timestamp_ms;

    bool ok = cursor_ok(&body) && offset_delta >= 0 && header_count >= 0;
    /* Too many headers for their bytes, or bytes without headers: caught here so that nobody who trusts the
     * count can be made to reserve for more than there is. */
    ok = ok && (header_count ? (size_t)header_count <= headers_len / HEADER_BYTES_MIN : headers_len == 0);
    ok = ok && !__builtin_add_overflow(batch->base_offset, (int64_t)offset_delta, &record.offset);
    /* Under log append time the deltas are those of the producer's clock, and void. */
    if (!(batch->attributes & BATCH_LOG_APPEND_TIME))
        ok = ok && !__builtin_add_overflow(batch->base_timestamp_ms, timestamp_delta, &record.timestamp_ms);
    if (!ok) {
        cursor_fail(records);
        return false;
    }
    records->at = body.end;
    *ret_record = record;
    return true;
}

bool record_header_next(struct cursor *headers, struct record_header *ret_header)
{
    if (headers->at == headers->end)
        return false;
    struct record_header header;
    header.key = sized_bytes(headers, false);
    header.value = sized_bytes(headers, true);
    if (!cursor_ok(headers))
        return false;
    *ret_header = header;
    return true;
}

bool record_header_find(const struct record *record, const char *key, struct slice *ret_value)
{
    struct slice wanted = slice_str(key);
    struct cursor headers = cursor_of(record->headers);
    struct record_header header;
    while (record_header_next(&headers, &header)) {
        if (slice_eq(header.key, wanted)) {
            *ret_value = header.value;
            return true;
        }
    }
    return false;
}

void batch_assign(uint8_t *batch_bytes, int64_t base_offset, int32_t leader_epoch)
{
    put_be64(batch_bytes, (uint64_t)base_offset);
    put_be32(batch_bytes + BATCH_LEADER_EPOCH_AT, (uint32_t)leader_epoch);
}

static void checksum_put(uint8_t *batch_bytes, size_t len)
{
    put_be32(batch_bytes + BATCH_CHECKSUM_AT, crc32c(slice_of(batch_bytes + BATCH_CHECKED_AT, len - BATCH_CHECKED_AT)));
}

void batch_stamp(uint8_t *batch_bytes, size_t len, int64_t max_timestamp_ms, bool append_time)
{
    if (append_time)
        batch_bytes[BATCH_CHECKED_AT + 1] |= BATCH_LOG_APPEND_TIME;
    put_be64(batch_bytes + BATCH_MAX_TIMESTAMP_AT, (uint64_t)max_timestamp_ms);
    checksum_put(batch_bytes, len);
}

void batch_set_producer(uint8_t *batch_bytes, size_t len, int64_t producer_id, int16_t epoch, int32_t base_sequence)
{
    uint8_t *at = put_be64(batch_bytes + BATCH_PRODUCER_AT, (uint64_t)producer_id);
    put_be32(put_be16(at, (uint16_t)epoch), (uint32_t)base_sequence);
    checksum_put(batch_bytes, len);
}
