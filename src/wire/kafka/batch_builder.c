/*
 * batch_builder: writes one uncompressed record batch straight into its place in the buffer. The size of a
 * record is known before its first byte is written, so the buffer is asked once per record and a buffer
 * with a limit is filled to its last byte.
 */
#include "base/assert.h"
#include "base/crc32c.h"
#include "base/put.h"
#include "wire/kafka/batch.h"

#define BATCH_CHECKED_AT 21
#define BATCH_LENGTH_AT 8
#define BATCH_LENGTH_FROM 12 /* the length counts from here */
#define BATCH_CHECKSUM_AT 17
#define BATCH_MAX_TIMESTAMP_AT 35
#define BATCH_COUNT_AT 57
#define BATCH_MAGIC 2
#define BATCH_RECORDS_MAX ((size_t)INT32_MAX - BATCH_HEADER_BYTES)

/* Zigzag: small magnitudes of either sign become small unsigned numbers. */
static inline uint64_t zigzag(int64_t value)
{
    return (uint64_t)value << 1 ^ (value < 0 ? UINT64_MAX : 0);
}

static inline size_t varint_size(int64_t value)
{
    uint64_t bits = zigzag(value);
    if (bits < 1u << 7)
        return 1;
    if (bits < 1u << 14)
        return 2;
    return bits < 1u << 21 ? 3 : uvarint64_size(bits);
}

static inline uint8_t *put_varint(uint8_t *at, int64_t value)
{
    uint64_t bits = zigzag(value);
    while (bits >= 0x80) {
        *at++ = (uint8_t)(bits | 0x80);
        bits >>= 7;
    }
    *at++ = (uint8_t)bits;
    return at;
}

/* Bytes with their length before them, -1 for null. */
static inline size_t sized_bytes_size(struct slice s)
{
    return s.data ? varint_size((int64_t)s.len) + s.len : 1;
}

static inline uint8_t *put_bytes(uint8_t *at, struct slice s)
{
    if (s.len)
        memcpy(at, s.data, s.len);
    return at + s.len;
}

static inline uint8_t *put_sized_bytes(uint8_t *at, struct slice s)
{
    return put_bytes(put_varint(at, s.data ? (int64_t)s.len : -1), s);
}

void batch_builder_init(struct batch_builder *builder, struct buffer *out)
{
    *builder = (struct batch_builder){ .out = out, .start = out->len };
    buffer_append_zeros(out, BATCH_HEADER_BYTES);
}

uint32_t batch_builder_add(struct batch_builder *builder, int64_t timestamp_ms, struct slice key, struct slice value,
                           struct slice headers, uint32_t header_count)
{
    struct buffer *out = builder->out;
    if (!buffer_ok(out))
        return 0;
    size_t record = out->len - builder->start - BATCH_HEADER_BYTES;
    if (builder->record_count == 0)
        builder->base_timestamp_ms = builder->max_timestamp_ms = timestamp_ms;
    int64_t timestamp_delta;
    bool overflow = __builtin_sub_overflow(timestamp_ms, builder->base_timestamp_ms, &timestamp_delta);
    ASSERT(!overflow);
    ASSERT(header_count <= headers.len && (headers.len == 0 || header_count > 0));

    /* Checked one by one, so that their sum cannot overflow. */
    bool too_large = key.len > BATCH_RECORDS_MAX || value.len > BATCH_RECORDS_MAX || headers.len > BATCH_RECORDS_MAX;
    size_t body = 1 + varint_size(timestamp_delta) + varint_size(builder->record_count) + sized_bytes_size(key) +
                  sized_bytes_size(value) + varint_size((int64_t)header_count) + headers.len;
    size_t size = varint_size((int64_t)body) + body;
    if (too_large || size > BATCH_RECORDS_MAX - record || builder->record_count == INT32_MAX) {
        out->failed = true;
        return 0;
    }
    uint8_t *at = buffer_extend(out, size);
    if (!at)
        return 0;
    const uint8_t *end = at + size;
    at = put_varint(at, (int64_t)body);
    *at++ = 0; /* attributes */
    at = put_varint(at, timestamp_delta);
    at = put_varint(at, builder->record_count);
    at = put_sized_bytes(at, key);
    at = put_sized_bytes(at, value);
    at = put_varint(at, (int64_t)header_count);
    at = put_bytes(at, headers);
    ASSERT(at == end);

    builder->record_count++;
    if (timestamp_ms > builder->max_timestamp_ms)
        builder->max_timestamp_ms = timestamp_ms;
    return (uint32_t)record;
}

void batch_builder_rewind(struct batch_builder *builder, uint32_t record, int32_t count, int64_t max_timestamp_ms)
{
    ASSERT(count >= 0 && count <= builder->record_count);
    if (!buffer_ok(builder->out))
        return;
    buffer_truncate(builder->out, builder->start + BATCH_HEADER_BYTES + record);
    builder->record_count = count;
    builder->max_timestamp_ms = max_timestamp_ms;
}

void batch_builder_finish(struct batch_builder *builder, int64_t base_offset, int16_t attributes)
{
    struct buffer *out = builder->out;
    if (!buffer_ok(out))
        return;
    ASSERT(builder->record_count > 0);
    size_t len = out->len - builder->start;
    uint8_t *head = out->data + builder->start;
    uint8_t *at = put_be64(head, (uint64_t)base_offset);
    at = put_be32(at, (uint32_t)(len - BATCH_LENGTH_FROM));
    at = put_be32(at, 0); /* leader epoch */
    at = put_u8(at, BATCH_MAGIC);
    uint8_t *crc = at;
    at = put_be32(at, 0);
    at = put_be16(at, (uint16_t)attributes);
    at = put_be32(at, (uint32_t)builder->record_count - 1);
    at = put_be64(at, (uint64_t)builder->base_timestamp_ms);
    at = put_be64(at, (uint64_t)builder->max_timestamp_ms);
    at = put_be64(at, UINT64_MAX); /* producer id: none */
    at = put_be16(at, UINT16_MAX); /* producer epoch */
    at = put_be32(at, UINT32_MAX); /* base sequence */
    at = put_be32(at, (uint32_t)builder->record_count);
    ASSERT(at == head + BATCH_HEADER_BYTES);
    put_be32(crc, crc32c(slice_of(head + BATCH_CHECKED_AT, len - BATCH_CHECKED_AT)));
}

void record_headers_put(struct buffer *out, struct slice key, struct slice value)
{
    size_t key_size = varint_size((int64_t)key.len) + key.len;
    size_t value_size = sized_bytes_size(value);
    uint8_t *at = buffer_extend(out, key_size + value_size);
    if (!at)
        return;
    at = put_bytes(put_varint(at, (int64_t)key.len), key); /* a key is never null, not even an empty one */
    put_sized_bytes(at, value);
}

void batch_thin_put(struct buffer *out, const struct batch *from, struct slice records, int32_t record_count, int64_t max_timestamp_ms)
{
    size_t start = out->len, len = BATCH_HEADER_BYTES + records.len;
    buffer_append_slice(out, slice_of(from->bytes.data, BATCH_HEADER_BYTES));
    buffer_append_slice(out, records);
    if (!buffer_ok(out))
        return;
    uint8_t *head = out->data + start;
    put_be32(head + BATCH_LENGTH_AT, (uint32_t)(len - BATCH_LENGTH_FROM));
    if (record_count == 0)
        put_be16(head + BATCH_CHECKED_AT, (uint16_t)(from->attributes & ~BATCH_COMPRESSION));
    put_be64(head + BATCH_MAX_TIMESTAMP_AT, (uint64_t)max_timestamp_ms);
    put_be32(head + BATCH_COUNT_AT, (uint32_t)record_count);
    put_be32(head + BATCH_CHECKSUM_AT, crc32c(slice_of(head + BATCH_CHECKED_AT, len - BATCH_CHECKED_AT)));
}
