/*
 * hash: the keyed hash is built from one step that takes 16 bytes into a state of 128 bits. The
 * step multiplies two halves of 64 bits to a product of 128 and keeps all of it, since keys of the
 * index must not meet at 2^32 keys, as they would if a step kept 64 bits. What went into the
 * product is added to what came out, so that a factor of zero loses nothing.
 *
 * Up to 16 bytes take one lane of such a state, up to 32 two, and more take four, which do not wait
 * for each other and are added up at the end. A last piece is read so that it ends with the key; it
 * may overlap the one before, but never leaves the key. Every lane starts from its own secret, made
 * of the seed and the length, because lanes whose secrets differ in a known way could swap their
 * contents unnoticed; for the same reason the length is in the secret and not among the words, where
 * a key could cancel it out.
 *
 * The words are read in the processor's byte order, and Edda runs on little-endian machines only.
 */
#include "base/hash.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "stored hashes are those of a little-endian machine");

__extension__ typedef unsigned __int128 uint128;

#define LANE_BYTES ((size_t)16)
#define STRIPE_BYTES (4 * LANE_BYTES)

/* The fractional parts of the square roots of the first primes, made odd. */
#define K0 UINT64_C(0x6a09e667f3bcc909)
#define K1 UINT64_C(0xbb67ae8584caa73b)
#define K2 UINT64_C(0x3c6ef372fe94f82b)
#define K3 UINT64_C(0xa54ff53a5f1d36f1)
#define K4 UINT64_C(0x510e527fade682d1)

struct lane {
    uint64_t a;
    uint64_t b;
};

static inline uint64_t load64(const uint8_t *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof(word));
    return word;
}

static inline uint64_t load32(const uint8_t *at)
{
    uint32_t word;
    memcpy(&word, at, sizeof(word));
    return word;
}

static inline uint64_t rotate_left(uint64_t value, unsigned bits)
{
    return value << bits | value >> (64 - bits);
}

/* The two halves of a product, laid over each other. */
static inline uint64_t fold(uint64_t x, uint64_t y)
{
    uint128 product = (uint128)x * y;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline struct lane lane_step(struct lane lane, uint64_t first, uint64_t second)
{
    uint64_t x = lane.a ^ first;
    uint64_t y = lane.b ^ second;
    uint128 product = (uint128)x * y;
    return (struct lane){ (uint64_t)product + x, (uint64_t)(product >> 64) + y };
}

static inline struct lane lane_read(struct lane lane, const uint8_t *at)
{
    return lane_step(lane, load64(at), load64(at + 8));
}

static inline struct lane lane_sum(struct lane l, struct lane m)
{
    return (struct lane){ l.a + m.a, l.b + m.b };
}

/* The factor made of the length is odd, so that no seed loses a bit. */
static inline struct lane secret_of(uint64_t seed, size_t len)
{
    uint128 product = (uint128)(seed ^ K0) * (K1 + 2 * (uint64_t)len);
    return (struct lane){ (uint64_t)product ^ K2, (uint64_t)(product >> 64) ^ seed };
}

/* What a lane other than the first starts from. */
static inline struct lane lane_start(struct lane secret, unsigned bits)
{
    return (struct lane){ rotate_left(secret.a, bits), rotate_left(secret.b, bits) };
}

static inline struct lane read_short(struct lane lane, const uint8_t *at, size_t len)
{
    if (len > 8)
        return lane_step(lane, load64(at), load64(at + len - 8));
    if (len >= 4)
        return lane_step(lane, load32(at), load32(at + len - 4));
    if (len > 0)
        return lane_step(lane, (uint64_t)at[0] << 16 | (uint64_t)at[len / 2] << 8 | at[len - 1], 0);
    return lane_step(lane, 0, 0);
}

static inline struct lane read_two(struct lane secret, const uint8_t *at, size_t len)
{
    struct lane l0 = lane_read(secret, at);
    struct lane l1 = lane_read(lane_start(secret, 11), at + len - 16);
    return lane_sum(l0, l1);
}

static inline struct lane read_four(struct lane secret, const uint8_t *at, size_t len)
{
    struct lane l0 = lane_read(secret, at);
    struct lane l1 = lane_read(lane_start(secret, 11), at + 16);
    struct lane l2 = lane_read(lane_start(secret, 25), at + len - 32);
    struct lane l3 = lane_read(lane_start(secret, 41), at + len - 16);
    return lane_sum(lane_sum(l0, l1), lane_sum(l2, l3));
}

/* A key of more than one stripe. */
static __attribute__((noinline)) struct lane read_stripes(struct lane secret, const uint8_t *at, size_t len)
{
    struct lane l0 = secret;
    struct lane l1 = lane_start(secret, 11);
    struct lane l2 = lane_start(secret, 25);
    struct lane l3 = lane_start(secret, 41);
    const uint8_t *last = at + len - STRIPE_BYTES;
    for (; at < last; at += STRIPE_BYTES) {
        l0 = lane_read(l0, at);
        l1 = lane_read(l1, at + 16);
        l2 = lane_read(l2, at + 32);
        l3 = lane_read(l3, at + 48);
    }
    l0 = lane_read(l0, last);
    l1 = lane_read(l1, last + 16);
    l2 = lane_read(l2, last + 32);
    l3 = lane_read(l3, last + 48);
    return lane_sum(lane_sum(l0, l1), lane_sum(l2, l3));
}

/* The state after the whole key; only its finish is missing. */
static inline struct lane read_key(struct lane secret, struct slice s)
{
    if (s.len <= LANE_BYTES)
        return read_short(secret, s.data, s.len);
    if (s.len <= 2 * LANE_BYTES)
        return read_two(secret, s.data, s.len);
    if (s.len <= STRIPE_BYTES)
        return read_four(secret, s.data, s.len);
    return read_stripes(secret, s.data, s.len);
}

static inline uint64_t finish_low(struct lane lane, struct lane secret)
{
    return fold(lane.a ^ K4, lane.b ^ secret.a);
}

static inline uint64_t finish_high(struct lane lane, struct lane secret)
{
    return fold(rotate_left(lane.a, 32) ^ secret.b, lane.b ^ K3);
}

struct hash128 hash128(struct slice s, uint64_t seed)
{
    struct lane secret = secret_of(seed, s.len);
    struct lane lane = read_key(secret, s);
    return (struct hash128){ .hi = finish_high(lane, secret), .lo = finish_low(lane, secret) };
}

uint64_t hash64(struct slice s, uint64_t seed)
{
    struct lane secret = secret_of(seed, s.len);
    return finish_low(read_key(secret, s), secret);
}

uint64_t hash64_mix(uint64_t hash, uint64_t value)
{
    struct lane lane = lane_step((struct lane){ hash ^ K0, K2 }, 0, value);
    return fold(lane.a ^ K1, lane.b ^ hash);
}

/* MurmurHash2 by Austin Appleby, in the public domain, as org.apache.kafka.common.utils.Utils has it. */
uint32_t hash_murmur2(struct slice s)
{
    const uint32_t multiplier = 0x5bd1e995;
    const uint8_t *at = s.data;
    size_t left = s.len;
    uint32_t h = 0x9747b28c ^ (uint32_t)s.len;
    for (; left >= 4; at += 4, left -= 4) {
        uint32_t k = (uint32_t)load32(at) * multiplier;
        k ^= k >> 24;
        h = h * multiplier ^ k * multiplier;
    }
    if (left) {
        uint32_t k = 0;
        for (size_t i = 0; i < left; i++)
            k |= (uint32_t)at[i] << (8 * i);
        h = (h ^ k) * multiplier;
    }
    h = (h ^ h >> 13) * multiplier;
    return h ^ h >> 15;
}
