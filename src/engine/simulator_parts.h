/* What the simulator's files share: simulate.c runs a seed, simulate_report.c finds the fewest steps and tells. */
#ifndef EDDA_ENGINE_SIMULATOR_PARTS_H
#define EDDA_ENGINE_SIMULATOR_PARTS_H

#include "base/prng.h"
#include "engine/database.h"
#include "engine/engine.h"
#include "engine/simulator.h"
#include "engine/value.h"

#define SIM_ACTIONS_MAX 256
#define SIM_TURNS_MAX 200000
#define SIM_RESTARTS_MAX 6

enum sim_action_kind { SIM_CALL, SIM_PAUSE };

/* Something the outside does. */
struct sim_action {
    enum sim_action_kind kind;
    int64_t planned_ms;
    int64_t at_ms;                  /* when it is due; a call that is to be tried again is due later */
    const struct edda_type *type;   /* of a call */
    const void *value;
    const struct edda_service *service; /* of a pause */
    int64_t until_ms;
    bool disabled;                  /* left out, to find the fewest that matter */
    /* as it runs */
    bool begun;
    bool done;
    uint64_t repeats;
    struct engine_call call;
    bool under_way;                 /* the call has not been answered durably */
    bool decided;                   /* its done() was called; the answer waits for the gate */
};

/* What may go wrong with the machine. */
enum sim_fault { SIM_CRASH = 1, SIM_SYNC_FAILURE = 2, SIM_REPEAT = 4, SIM_DELAY = 8, SIM_DATABASE = 16, SIM_OUTSIDE = 32, SIM_FAULTS_ALL = 63 };

/* What was asked of the outside, by idempotency key. */
struct sim_effect {
    struct slice key, target, content;
    uint32_t done;
    uint32_t failures;              /* injected */
};

struct edda_sim {
    const struct edda_app *app;
    struct io *io;
    struct journal *journal;
    struct engine *engine;
    struct database *database;      /* of read models; it outlives the process, as a server does. NULL without projections */
    uint64_t seed;
    struct prng plan, world;
    struct arena arena;             /* of the plan */
    struct arena call_arena;        /* of calls' results */
    struct sim_action actions[SIM_ACTIONS_MAX];
    size_t action_count;
    unsigned faults;
    int64_t start_ms;
    uint32_t restarts;
    int64_t held_until_ms[64];      /* chance holds a service up until then */
    /* failures of this run */
    uint32_t failures;
    struct buffer failure;          /* in words */
    struct edda_text correlation;   /* of the first one, in the arena */
    struct edda_error error;        /* when the run itself failed */
    int code;
    /* the entities of all services, for edda_sim_entity() */
    struct journal_record *keys;
    size_t key_count, key_capacity;
    bool keys_known;
    uint64_t repeats_left;          /* how often schedules may still happen when there is nothing else to come; UINT64_MAX: not known yet */
    uint64_t repeats_seen;          /* of the engine's count */
    struct sim_effect *effects;
    size_t effect_count, effect_capacity;
    struct simulator_stats stats;
};

struct simulator {
    struct edda_sim sim;
};

/* Runs the seed with the actions and faults that are not left out. Returns as simulator_run(), and leaves the world as it was at the end. */
int simulate(struct edda_sim *sim, uint64_t seed, unsigned faults, const bool *disabled);
/* The outside of the simulated world. */
edda_outside_fn sim_outside;
/* Closes what a run left open. */
void simulate_end(struct edda_sim *sim);
void simulate_report(struct edda_sim *sim, uint64_t seed, struct buffer *out);

#endif
