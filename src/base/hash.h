/*
 * hash: a fast keyed hash for tables and for the index (not for secrecy), and SHA-256 cut to 128
 * bits for ids that must be the same on every machine.
 */
#ifndef EDDA_BASE_HASH_H
#define EDDA_BASE_HASH_H

#include "base/slice.h"

struct hash128 {
    uint64_t hi;
    uint64_t lo;
};

/* Well mixed in all bits; the seed keeps foreign keys from being chosen to collide. Stable over
 * releases: it is stored in index runs. */
struct hash128 hash128(struct slice s, uint64_t seed);
uint64_t hash64(struct slice s, uint64_t seed);
/* Mixes a further value into a hash. */
uint64_t hash64_mix(uint64_t hash, uint64_t value);

static inline bool hash128_eq(struct hash128 a, struct hash128 b)
{
    return a.hi == b.hi && a.lo == b.lo;
}

static inline int hash128_compare(struct hash128 a, struct hash128 b)
{
    if (a.hi != b.hi)
        return a.hi < b.hi ? -1 : 1;
    return (a.lo > b.lo) - (a.lo < b.lo);
}

/* murmur2 as Kafka's Java client computes it over a record key (seed 0x9747b28c, masked positive
 * by the caller): which partition a stream starts in. */
uint32_t hash_murmur2(struct slice s);

#endif
