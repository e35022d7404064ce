/*
 * simulator: runs an application in a simulated world, seed by seed (edda/simulate.h says what for). One thread; everything that happens
 * follows from the seed.
 *
 * In one seed the application is opened on an empty disk, called as its plan says, and killed between any two writes, several times; a
 * client that got no answer calls again with the same identity. When nothing is left to do the invariants are checked.
 */
#ifndef EDDA_ENGINE_SIMULATOR_H
#define EDDA_ENGINE_SIMULATOR_H

#include "base/buffer.h"
#include "edda/simulate.h"

struct simulator;

struct simulator_stats {
    uint64_t seeds;
    uint64_t calls;      /* answered */
    uint64_t restarts;
    uint64_t records;
    int64_t simulated_ms;
};

/* NULL when out of memory. */
struct simulator *simulator_new(const struct edda_app *app);
void simulator_free(struct simulator *simulator);

/* Runs one seed. 0: all invariants held; 1: one did not, and `report` (may be NULL) has what was broken, the fewest steps that show it, and the
 * diagram of the process; a negative code when the run itself failed, with `report` saying why. */
int simulator_run(struct simulator *simulator, uint64_t seed, struct buffer *report);
/* Visits the calls of the n-th process of the application's load. The values are good until the next call. */
typedef void simulator_call_fn(void *user, int64_t at_ms, const struct edda_type *command, const void *value);
void simulator_load(struct simulator *simulator, uint64_t n, simulator_call_fn *visit, void *user);

void simulator_stats(const struct simulator *simulator, struct simulator_stats *ret_stats);

#endif
