/* put: see put.h. The varints are Kafka's, shortest form. */
#include "base/put.h"

static uint8_t *store_be(uint8_t *at, uint64_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        at[i] = (uint8_t)(value >> (8 * (bytes - 1 - i)));
    return at + bytes;
}

static uint8_t *store_le(uint8_t *at, uint64_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        at[i] = (uint8_t)(value >> (8 * i));
    return at + bytes;
}

/* Small magnitudes of either sign become small numbers: 0, -1, 1, -2 become 0, 1, 2, 3. */
static uint64_t zigzag(int64_t value)
{
    uint64_t sign = value < 0 ? UINT64_MAX : 0;
    return (uint64_t)value << 1 ^ sign;
}

uint8_t *put_u8(uint8_t *at, uint8_t value)
{
    *at = value;
    return at + 1;
}

uint8_t *put_be16(uint8_t *at, uint16_t value)
{
    return store_be(at, value, 2);
}

uint8_t *put_be32(uint8_t *at, uint32_t value)
{
    return store_be(at, value, 4);
}

uint8_t *put_be64(uint8_t *at, uint64_t value)
{
    return store_be(at, value, 8);
}

uint8_t *put_le32(uint8_t *at, uint32_t value)
{
    return store_le(at, value, 4);
}

uint8_t *put_le64(uint8_t *at, uint64_t value)
{
    return store_le(at, value, 8);
}

uint8_t *put_uvarint64(uint8_t *at, uint64_t value)
{
    while (value >= 0x80) {
        *at++ = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    *at++ = (uint8_t)value;
    return at;
}

uint8_t *put_varint64(uint8_t *at, int64_t value)
{
    return put_uvarint64(at, zigzag(value));
}

uint8_t *put_slice(uint8_t *at, struct slice s)
{
    if (s.len == 0)
        return at;
    memcpy(at, s.data, s.len);
    return at + s.len;
}

size_t uvarint64_size(uint64_t value)
{
    size_t size = 1;
    while (value >>= 7)
        size++;
    return size;
}

size_t varint64_size(int64_t value)
{
    return uvarint64_size(zigzag(value));
}
