/*
 * What the engine's tests share: an engine over a local journal on the simulated io, and a tiny application whose handlers do what a test tells
 * them to. Handlers call the test's function and note that they ran, so that a test can look at order and number.
 *
 *   worker   entity `tally` in "work"; commands Do and Undo, events Ask and Tick (a deadline's)
 *   lifter   entity `load` in "loads"; event Lift, blocking on 2 threads
 *   watcher  no entity; event Done of the worker
 */
#ifndef EDDA_TESTS_UNIT_ENGINE_RIG_H
#define EDDA_TESTS_UNIT_ENGINE_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/engine.h"
#include "engine/records.h"
#include "io/simulated.h"
#include "journal/local.h"

struct Do { struct edda_text id; int64_t n; struct edda_text note; };
struct Undo { struct edda_text id; int64_t n; };
struct Ask { struct edda_text id; int64_t n; struct edda_text process; };
struct Tick { struct edda_text id; int64_t n; };
struct Lift { struct edda_text id; int64_t n; };
struct Done { struct edda_text id; int64_t n; struct edda_text note; };
struct Lifted { struct edda_text id; int64_t n; };
struct Told { struct edda_text id; int64_t n; };
struct tally { int64_t total; int64_t count; struct edda_text note; struct edda_list numbers; };
struct load { int64_t total; };
struct Row { struct edda_text id; int64_t total; };

extern const struct edda_type Do, Undo, Ask, Tick, Lift, Done, Lifted, Told, tally, load, Row;
extern const struct edda_service worker, lifter, watcher;

/* What the handlers of the application do. NULL: nothing, and returns 0. */
typedef int rig_handle_fn(struct edda_step *step, const void *message, const void *state);
struct rig_script {
    rig_handle_fn *on_do, *on_undo, *on_ask, *on_tick, *on_lift, *on_done;
    const struct edda_type *row_type; /* of calls */
};

struct rig {
    struct io *io;
    struct journal *journal;
    struct engine *engine;
    struct arena arena;
    const struct edda_service *services[4]; /* NULL-terminated; set before rig_open() */
    const struct edda_channel *channels;    /* NULL; set before rig_open() */
    const struct edda_topic *topics;        /* of the application; set before rig_open() */
    const char *name;       /* of the application; NULL: "tests" */
    const char *entity_word;
    const struct edda_projection *const *projections; /* with a database; set before rig_open() */
    struct database *database;
    struct edda_app app;
    struct store_options store;
    uint64_t state_bytes_max;
    uint32_t pending_max;
    uint64_t checkpoint_records, checkpoint_rows;
    uint64_t (*chance)(void *user, uint64_t below);
    edda_outside_fn *outside;
    int failed;         /* the negative code that a turn or a flush returned */
    int calls_done;
    char log[256];      /* the last event that the engine told of, */
    char said[512];     /* and its words */
};

/* The handlers' own memory; cleared by rig_new(). */
extern struct rig_script script;
extern char rig_ran[8192];  /* "worker Ask a 1; …" in order */
extern int rig_runs;

void rig_new(struct rig *rig);
void rig_free(struct rig *rig);
/* Opens store and engine; fails the test when that fails. */
void rig_open(struct rig *rig);
/* The code of opening, for tests in which it fails. */
int rig_try_open(struct rig *rig, struct edda_error *error);
void rig_close(struct rig *rig);
/* The machine dies and comes back; with `lose_nothing` only the process. Opens again. */
void rig_crash(struct rig *rig, bool lose_nothing);
/* Turns until nothing is left to do now; jobs of handlers are waited for. Returns when the engine wants to be called again. */
int64_t rig_run(struct rig *rig);
/* Moves the clock, stopping whenever the engine wants a turn, and runs. */
void rig_pass(struct rig *rig, int64_t ms);
int64_t rig_now(struct rig *rig);

/* Calls a command; `id` NULL: without identity. The result is good until rig_free(). */
struct engine_call *rig_call(struct rig *rig, const struct edda_type *type, const void *value, const char *id);
struct engine_call *rig_call_expected(struct rig *rig, const struct edda_type *type, const void *value, const char *id, int64_t expected);
/* The same, begun only: done later, by rig_run(). */
struct engine_call *rig_call_begin(struct rig *rig, const struct edda_type *type, const void *value, const char *id, int64_t expected);

/* Records a message from outside, as another program would. */
void rig_event(struct rig *rig, const struct edda_type *type, const void *value, const char *id);
void rig_event_expiring(struct rig *rig, const struct edda_type *type, const void *value, const char *id, int64_t expiry_ms);
void rig_raw(struct rig *rig, const char *topic, const char *key, const char *json, const struct cloudevent *event, const char *header,
             const char *header_value);

/* Records on a topic, of a type when it is given. */
uint64_t rig_count(struct rig *rig, const char *topic, const char *type);
/* The n-th of these, good until the next append; fails the test when there is none. */
struct journal_record rig_record(struct rig *rig, const char *topic, const char *type, uint64_t ordinal);
struct cloudevent rig_cloudevent(struct rig *rig, const char *topic, const char *type, uint64_t ordinal);
const struct tally *rig_tally(struct rig *rig, const char *key);
int64_t rig_total(struct rig *rig, const char *key);
int64_t rig_loaded(struct rig *rig, const char *key);
/* Messages held for an entity of the worker; 0: it is not quarantined. */
uint64_t rig_held(struct rig *rig, const char *key);

/* Handlers for scripts: emits Done or Lifted with the message's n; fails; rejects. */
int do_done(struct edda_step *step, const void *message, const void *state);
int ask_done(struct edda_step *step, const void *message, const void *state);
int tick_done(struct edda_step *step, const void *message, const void *state);
int lift_lifted(struct edda_step *step, const void *message, const void *state);
int do_fail(struct edda_step *step, const void *message, const void *state);
int do_reject(struct edda_step *step, const void *message, const void *state);

#define T(literal) EDDA_TEXT(literal)
#define DO(rig, its_id, number, call_id) rig_call(rig, &Do, &(struct Do){ .id = T(its_id), .n = (number) }, call_id)
#define ASK(rig, its_id, number) rig_event(rig, &Ask, &(struct Ask){ .id = T(its_id), .n = (number) }, NULL)
#define LIFT(rig, its_id, number) rig_event(rig, &Lift, &(struct Lift){ .id = T(its_id), .n = (number) }, NULL)

#endif
