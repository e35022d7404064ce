/* seeds: what every simulation takes: which stories it is to play. */
#ifndef EDDA_TESTS_SIM_SEEDS_H
#define EDDA_TESTS_SIM_SEEDS_H

#include <stdint.h>

struct seeds {
    uint64_t first, count;
};

/*
 * `--seeds N` stories from `--seed S` on; `--seed S` alone is that one. Without them there are `count` of them from `first` on, or, when that is 0, from one that the clock gives.
 * They are printed at once, so that they are known whatever happens. Any other word ends the program with 2.
 */
struct seeds seeds_take(int argc, char **argv, uint64_t first, uint64_t count);

#endif
