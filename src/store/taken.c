/* taken: see taken.h. */
#include "store/taken.h"

#include "base/put.h"
#include "store/keys.h"

uint32_t taken_begin(struct cursor *c)
{
    return cursor_left(c) ? cursor_uvarint32(c) : 0;
}

struct taken taken_next(struct cursor *c)
{
    struct taken t = { .count = cursor_uvarint32(c) };
    uint32_t form = cursor_uvarint32(c);
    if (form > 0) {
        t.key = cursor_bytes(c, form - 1);
    } else {
        t.stream.lo = cursor_le64(c);
        t.stream.hi = cursor_le64(c);
    }
    if (t.count == 0)
        cursor_fail(c);
    return t;
}

static void put_number(struct buffer *out, uint64_t number)
{
    uint8_t bytes[VARINT64_BYTES_MAX];
    buffer_append(out, bytes, (size_t)(put_uvarint64(bytes, number) - bytes));
}

void taken_put_count(struct buffer *out, uint32_t streams)
{
    put_number(out, streams);
}

void taken_put(struct buffer *out, const struct taken *taken)
{
    uint8_t hash[16];
    put_number(out, taken->count);
    put_number(out, taken->key.data ? (uint64_t)taken->key.len + 1 : 0);
    put_le64(put_le64(hash, taken->stream.lo), taken->stream.hi);
    if (taken->key.data)
        buffer_append_slice(out, taken->key);
    else
        buffer_append(out, hash, sizeof(hash));
}

bool taken_measure(struct slice bytes, size_t *ret_bytes, uint64_t *ret_records)
{
    struct cursor c = cursor_of(bytes);
    uint64_t records = 0;
    uint32_t streams = taken_begin(&c);
    for (uint32_t i = 0; i < streams && cursor_ok(&c); i++)
        records += taken_next(&c).count;
    *ret_bytes = bytes.len - cursor_left(&c);
    *ret_records = records;
    return cursor_ok(&c);
}

struct hash128 taken_stream(const struct taken *taken, uint64_t seed, struct slice topic)
{
    return taken->key.data ? key_stream(seed, topic, taken->key) : taken->stream;
}
