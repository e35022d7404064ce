/*
 * cursor: see cursor.h. A failed cursor stands at its end, so that every further read fails by
 * itself and no function has to ask first.
 */
#include "base/cursor.h"

void cursor_fail(struct cursor *c)
{
    c->failed = true;
    c->at = c->end;
}

/* The next `len` bytes, which must not be 0, or NULL. */
static const uint8_t *cursor_take(struct cursor *c, size_t len)
{
    if (len > cursor_left(c)) {
        cursor_fail(c);
        return NULL;
    }
    const uint8_t *at = c->at;
    c->at += len;
    return at;
}

static uint64_t load_be(const uint8_t *at, unsigned bytes)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes; i++)
        value = value << 8 | at[i];
    return value;
}

static uint64_t load_le(const uint8_t *at, unsigned bytes)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes; i++)
        value |= (uint64_t)at[i] << (8 * i);
    return value;
}

uint8_t cursor_u8(struct cursor *c)
{
    const uint8_t *at = cursor_take(c, 1);
    return at ? *at : 0;
}

uint16_t cursor_be16(struct cursor *c)
{
    const uint8_t *at = cursor_take(c, 2);
    return at ? (uint16_t)load_be(at, 2) : 0;
}

uint32_t cursor_be32(struct cursor *c)
{
    const uint8_t *at = cursor_take(c, 4);
    return at ? (uint32_t)load_be(at, 4) : 0;
}

uint64_t cursor_be64(struct cursor *c)
{
    const uint8_t *at = cursor_take(c, 8);
    return at ? load_be(at, 8) : 0;
}

uint32_t cursor_le32(struct cursor *c)
{
    const uint8_t *at = cursor_take(c, 4);
    return at ? (uint32_t)load_le(at, 4) : 0;
}

uint64_t cursor_le64(struct cursor *c)
{
    const uint8_t *at = cursor_take(c, 8);
    return at ? load_le(at, 8) : 0;
}

/* A varint of at most `bits` bits. Zeros in front (0x80 0x00) are read, as Kafka reads them. */
static uint64_t cursor_uvarint(struct cursor *c, unsigned bits)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < bits; shift += 7) {
        if (c->at == c->end)
            break;
        uint8_t byte = *c->at++;
        uint64_t part = byte & 0x7f;
        if (bits - shift < 7 && part >> (bits - shift))
            break;
        value |= part << shift;
        if (byte < 0x80)
            return value;
    }
    cursor_fail(c);
    return 0;
}

uint32_t cursor_uvarint32(struct cursor *c)
{
    return (uint32_t)cursor_uvarint(c, 32);
}

uint64_t cursor_uvarint64(struct cursor *c)
{
    return cursor_uvarint(c, 64);
}

int32_t cursor_varint32(struct cursor *c)
{
    uint32_t value = cursor_uvarint32(c);
    return (int32_t)(value >> 1 ^ (0 - (value & 1)));
}

int64_t cursor_varint64(struct cursor *c)
{
    uint64_t value = cursor_uvarint64(c);
    return (int64_t)(value >> 1 ^ (0 - (value & 1)));
}

struct slice cursor_bytes(struct cursor *c, size_t len)
{
    if (len == 0)
        return slice_of(c->failed ? NULL : c->at, 0);
    const uint8_t *at = cursor_take(c, len);
    return at ? slice_of(at, len) : slice_of(NULL, 0);
}

void cursor_skip(struct cursor *c, size_t len)
{
    (void)cursor_bytes(c, len);
}
