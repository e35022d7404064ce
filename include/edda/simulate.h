/*
 * edda/simulate.h: crash-tests an application's own process. All services, the log, timers, the disk and crashes run in one thread from a seed: messages
 * between services are delayed and interleaved in any legal order, external ones repeated, handlers slow, the process killed between any two writes.
 * Read models are in a database that outlives the process; its connection is lost now and then, also in the middle of a transaction and at its end.
 * What effects are done to is slow, away for a while, or has done what was asked and its answer is lost; each twice at most for one idempotency key.
 * When everything has settled the application's invariants are checked, and that nothing is quarantined.
 */
#ifndef EDDA_SIMULATE_H
#define EDDA_SIMULATE_H

#include "edda/app.h"
#include "edda/effect.h"

#ifdef __cplusplus
extern "C" {
#endif

struct edda_sim;

/* Plans what the outside does in one seed: at simulated times, calls of commands. Must draw all chance from edda_sim_random(). */
typedef void edda_sim_plan_fn(struct edda_sim *sim, void *user);
/* Checks the invariants when all has settled; reports each broken one with edda_sim_fail(). */
typedef void edda_sim_check_fn(struct edda_sim *sim, void *user);

/* Plans the calls of the n-th process of an endless load, each process distinct from all others; for `bench`. Number 0 comes first and alone, to prepare.
 * Calls planned at 0 are made at once; those planned later when all that came before has been handled, in the order of their times.
 * edda_sim_random() gives the same for the same n. */
typedef void edda_sim_load_fn(struct edda_sim *sim, uint64_t n, void *user);

struct edda_simulation {
    edda_sim_plan_fn *plan;
    edda_sim_check_fn *check;
    edda_sim_load_fn *load;      /* or NULL: `bench` has nothing to do */
    void *user;
    edda_outside_fn *outside;    /* plays what effects are done to, given `user`; its memory outlives crashes. NULL: everything works, and answers nothing */
};

/* In plan: a command is called at `at_ms` after the start. It may be lost in a crash before it is answered, and is then called again with the same
 * identity, as a careful client would. Returns its number. */
EDDA_PUBLIC int edda_sim_call_struct(struct edda_sim *sim, int64_t at_ms, const struct edda_type *command, const void *value);
/* In plan: a service is paused at `at_ms` and resumed `for_ms` later. */
EDDA_PUBLIC void edda_sim_pause(struct edda_sim *sim, const struct edda_service *service, int64_t at_ms, int64_t for_ms);
/* Evenly from 0 to below - 1. */
EDDA_PUBLIC uint64_t edda_sim_random(struct edda_sim *sim, uint64_t below);

/* In check: the state of an entity, NULL when it has none. Each entity of a service, in order of its first event: index from 0, false at the end. */
EDDA_PUBLIC const void *edda_sim_state(struct edda_sim *sim, const struct edda_service *service, struct edda_text key);
EDDA_PUBLIC bool edda_sim_entity(struct edda_sim *sim, const struct edda_service *service, size_t index,
                                 struct edda_text *ret_key, const void **ret_state);
/* In check: the rows of a read model, an array of the table's row structs in the order of their keys, good until the check returns; 0 when there are none. Asked
 * for once more, the array before is gone. */
EDDA_PUBLIC size_t edda_sim_rows(struct edda_sim *sim, const struct edda_table *table, const void **ret_rows);
/* In check: each effect that was asked for, by its idempotency key, in order of the first time: index from 0, false at the end. */
struct edda_sim_effect {
    struct edda_text idempotency_key;
    struct edda_text target;     /* of a mail: to; of a call: its URL; of a program: its name; of a step of a remote service: its name */
    struct edda_text content;    /* text, body or input of the first time */
    uint32_t done;               /* times it was done. A receiver that knows the key takes it for once; 0: it never was */
};
EDDA_PUBLIC bool edda_sim_effect(struct edda_sim *sim, size_t index, struct edda_sim_effect *ret_effect);
/* In check: each call that was made, in order of the plan: index from 0, false at the end. What was acknowledged must have come to something. */
struct edda_sim_answer {
    const struct edda_type *type;
    const void *command;
    int code;                /* of its last answer, which was durable: 0, or why it was refused */
};
EDDA_PUBLIC bool edda_sim_answer(struct edda_sim *sim, size_t index, struct edda_sim_answer *ret_answer);
/* In check: an invariant is broken; `correlation` names the process to draw (may be empty). */
EDDA_PUBLIC void edda_sim_fail(struct edda_sim *sim, struct edda_text correlation, const char *format, ...) EDDA_PRINTF(3, 4);

#if !defined(__cplusplus) && defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L
#define edda_sim_call(sim, at_ms, type_name, ...) \
    edda_sim_call_struct(sim, at_ms, &type_name, &(const struct type_name){ __VA_ARGS__ })
#endif

#ifdef __cplusplus
}
#endif
#endif
