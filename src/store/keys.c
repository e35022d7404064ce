/* keys: see keys.h. */
#include "store/keys.h"

#include "base/put.h"

static uint8_t *put_part(uint8_t *at, struct slice part, uint64_t seed)
{
    if (part.len <= KEY_PART_MAX)
        return put_slice(at, part);
    struct hash128 hash = hash128(part, seed);
    return put_le64(put_le64(at, hash.hi), hash.lo);
}

static struct hash128 key_of(uint64_t seed, uint8_t question, struct slice first, struct slice second)
{
    uint8_t bytes[1 + 2 * sizeof(uint32_t) + 2 * KEY_PART_MAX];
    uint8_t *at = put_u8(bytes, question);
    at = put_part(put_le32(at, (uint32_t)first.len), first, seed);
    at = put_part(put_le32(at, (uint32_t)second.len), second, seed);
    return hash128(slice_of(bytes, (size_t)(at - bytes)), seed);
}

struct hash128 key_stream(uint64_t seed, struct slice topic, struct slice key)
{
    return key_of(seed, 's', topic, key);
}

struct hash128 key_correlation(uint64_t seed, struct slice correlation)
{
    return key_of(seed, 'c', correlation, slice_of(NULL, 0));
}

struct hash128 key_identity(uint64_t seed, struct slice source, struct slice id)
{
    return key_of(seed, 'i', source, id);
}

struct hash128 key_partition(uint64_t seed, uint32_t partition)
{
    uint8_t number[sizeof(uint32_t)];
    put_le32(number, partition);
    return key_of(seed, 'p', slice_of(number, sizeof(number)), slice_of(NULL, 0));
}

struct hash128 key_frames(uint64_t seed)
{
    return key_of(seed, 'f', slice_of(NULL, 0), slice_of(NULL, 0));
}
