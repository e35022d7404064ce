/*
 * prng: xoshiro256** 1.0 by Blackman and Vigna, its state filled by splitmix64 as they advise. Both
 * are in the public domain: https://prng.di.unimi.it
 */
#include "base/prng.h"

#include "base/assert.h"

static uint64_t rotate_left(uint64_t value, unsigned bits)
{
    return value << bits | value >> (64 - bits);
}

void prng_init(struct prng *p, uint64_t seed)
{
    for (unsigned i = 0; i < 4; i++) {
        seed += 0x9e3779b97f4a7c15;
        uint64_t z = seed;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
        z = (z ^ z >> 27) * 0x94d049bb133111eb;
        p->state[i] = z ^ z >> 31;
    }
}

uint64_t prng_u64(struct prng *p)
{
    uint64_t *s = p->state;
    uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}

uint64_t prng_below(struct prng *p, uint64_t bound)
{
    ASSERT(bound != 0);
    /* The lowest 2^64 mod bound values are thrown away, so that every remainder is equally likely. */
    uint64_t least = (0 - bound) % bound;
    uint64_t value = prng_u64(p);
    while (value < least)
        value = prng_u64(p);
    return value % bound;
}

bool prng_one_in(struct prng *p, uint64_t n)
{
    return n != 0 && prng_below(p, n) == 0;
}
