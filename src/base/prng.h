/* prng: a small deterministic generator (xoshiro256**), for simulation, jitter and tests. */
#ifndef EDDA_BASE_PRNG_H
#define EDDA_BASE_PRNG_H

#include <stdbool.h>
#include <stdint.h>

struct prng {
    uint64_t state[4];
};

/* Equal seeds give equal sequences, on every machine and release. */
void prng_init(struct prng *p, uint64_t seed);
uint64_t prng_u64(struct prng *p);
/* Evenly from 0 to bound - 1; bound must not be 0. */
uint64_t prng_below(struct prng *p, uint64_t bound);
/* True once in `n` on average; n 0 means never. */
bool prng_one_in(struct prng *p, uint64_t n);

#endif
