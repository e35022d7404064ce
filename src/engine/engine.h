/*
 * engine: runs the services of an application over a journal. The engine opens no file or socket and reads no clock: engine_turn() does what there is to do and
 * says when it wants to be called again; the event loop drives it in production, the simulator in tests.
 *
 * How a message travels: a call (engine_call) or a record of the journal selects a row of a service and an entity (dispatch.c); its lane runs one step at a time
 * (lane.c); the handler builds a step (step.c); the step is recorded in one append (commit.c); what was recorded is folded into what is kept
 * in memory (fold.c): entity states (state.c), views (view.c), deadlines (deadline.c), quarantine (quarantine.c). Folding is the only way in, live and after a
 * restart alike.
 *
 * Threads: the owner's. Blocking handlers run on the io's pool, on copies.
 */
#ifndef EDDA_ENGINE_ENGINE_H
#define EDDA_ENGINE_ENGINE_H

#include "base/arena.h"
#include "base/buffer.h"
#include "base/table.h"
#include "edda/app.h"
#include "edda/remote.h"
#include "io/io.h"
#include "journal/journal.h"

struct database;
struct engine;
struct pool;

struct engine_options {
    const struct edda_app *app;
    struct io *io;
    struct journal *journal;
    uint64_t state_bytes_max; /* of cached entity states; 0: 64 MiB */
    uint64_t checkpoint_rows; /* of a view, gathered for it at once, while steps wait; 0: 16,384, half a millisecond */
    uint64_t checkpoint_records; /* folded after the last checkpoint, before another is written; 0: 2,000,000 */
    uint32_t pending_max;     /* messages taken and not yet done, of one service; 0: 10,000 */
    /* For the simulator: chance decides which service goes on, and by how much. NULL: all go on in step. */
    uint64_t (*chance)(void *user, uint64_t below);
    void *chance_user;
    struct database *database; /* of read models, the caller's; may be NULL when the application has no projections */
    /* Does effects; called on the threads of the io's pool. NULL: an application that has any is refused. */
    edda_outside_fn *outside;
    void *outside_user;
    /* Told of log events: services that fail, quarantine, pauses. May be NULL. */
    void (*log)(void *user, const char *event, const char *text);
    void *log_user;
};

/* Checks the application's tables and folds the journal up to its tail. The journal stays the caller's. EDDA_EINVAL names the wrong row. */
int engine_open(const struct engine_options *options, struct engine **ret_engine, struct edda_error *error);
/* Jobs of blocking handlers must have ended (io_shutdown(), io_jobs_finish()). Notes a checkpoint unless `abandon`. */
void engine_close(struct engine *engine, bool abandon);

/*
 * Does what there is to do: fires deadlines, retries, hands messages to handlers. Bounded: returns 0 when there is more to do at once, else the time to
 * be called again at the latest (milliseconds of log time; INT64_MAX: only when something comes), or a negative code when the journal has failed for good.
 */
int64_t engine_turn(struct engine *engine, struct edda_error *error);
/*
 * The same for a loop that owns its thread: finishes jobs first, and when blocking handlers have just been started waits a moment (at most 100 us) for the
 * quick ones among them, so that what they give still joins the frame at hand instead of costing a flush of its own.
 */
int64_t engine_drive(struct engine *engine, struct edda_error *error);
/* Whether no message waits, is being handled or is due now (deadlines and retries in the future do not count). */
bool engine_settled(const struct engine *engine);
/* Whether nothing is to come by itself but schedules, which never end: no other deadline is pending, and no retry. */
bool engine_only_repeats(const struct engine *engine);
/* How many schedules are pending, and how often one has happened since the start. */
uint64_t engine_repeats(const struct engine *engine, uint64_t *ret_fired);
/* Whether the last flush lets something go on at once: a turn is due, whatever the last one said. */
bool engine_flushed(const struct engine *engine);
/* Whether all that is durable is in the read models. */
bool engine_projected(const struct engine *engine);
/* What is under way on other threads: blocking handlers, transactions and queries of read models. */
size_t engine_running(const struct engine *engine);
/* No further steps are started; those under way end. */
void engine_stop(struct engine *engine);

/* --- calls -------------------------------------------------------------------------------------------- */

/* A command called from outside. The caller's memory until done() is called; `value` and the slices must live that long only when engine_call() returned before
 * done(): keep them in the caller's arena. */
struct engine_call {
    const struct edda_type *type;
    const void *value;
    struct slice source;      /* with `id`: its identity; empty: none is remembered */
    struct slice id;
    struct slice request;     /* what was asked, as the asker said it: a repeat of the id with another one is refused. Empty: the command itself */
    struct slice traceparent;
    int64_t expected;         /* of the entity's stream; JOURNAL_ANY … */
    const struct edda_type *row_type; /* a step that gives no reply is answered with its entity's row in the service's view, when it is of this type; or NULL */
    void (*done)(struct engine_call *call);
    void *user;
    struct arena *arena;      /* for the results */
    /* Results, filled before done(). */
    int code;                 /* 0 or what went wrong */
    struct edda_error error;
    const struct edda_type *reply_type; /* NULL: no reply */
    const void *reply;        /* a struct of that type, in the arena; NULL in a repeated one */
    struct slice reply_json;  /* the members without braces, in the arena */
    int64_t version;          /* of the entity's stream after the step; -1: none */
    uint64_t gate;            /* the answer may leave when journal_durable() has reached this */
    bool repeated;            /* the identity was known: this is the first result */
    bool accepted;            /* the command is recorded, and will be handled later: there is no result yet */
    struct list link;         /* the engine's, then the caller's */
    /* The engine's own, while the command is recorded and waits to be handled. */
    struct table_link awaited;
    uint64_t position;
    struct pool *pool;
};

/* Runs the command through the service whose table handles it. done() is called before this returns, or later from engine_turn(). */
void engine_call(struct engine *engine, struct engine_call *call);

/* Answers a call whose identity has an answer already (done() is called, with the first result or EDDA_EDUPLICATE); false when it has none. For a caller who
 * must know before it makes the command; needs `source`, `id`, `request`, `done` and `arena` only. */
bool engine_call_repeated(struct engine *engine, struct engine_call *call);

/* The next number of a sequence, 1, 2, 3 …; recorded with the next flush. Negative: a code. */
int64_t engine_sequence(struct engine *engine, struct slice name);

/* --- looking ------------------------------------------------------------------------------------------ */

/* The state of an entity, NULL when its stream is empty or there is no such service. Good until the next turn. */
const void *engine_state(struct engine *engine, const struct edda_service *service, struct slice key);

/* Rows of a view: `visit` gets those from ordinal `from` (0 the first) on, in the order of their first event; ends at a result other than 0. */
typedef int engine_row_fn(void *user, struct slice key, const void *row);
uint64_t engine_view_count(struct engine *engine, const struct edda_service *service);
int engine_view_rows(struct engine *engine, const struct edda_service *service, uint64_t from, uint64_t max, engine_row_fn *visit, void *user);
/* The row of one entity, into `ret_row` (row type's size bytes, texts good until the next turn), and the version of its stream that the row is made of;
 * false when it is not listed. */
bool engine_view_row(struct engine *engine, const struct edda_service *service, struct slice key, void *ret_row, int64_t *ret_version);

/* Pending deadlines of a service (NULL: all), in the order in which they were set. `type` and `json` are the message as it is recorded: the
 * application may no longer know it, and then the deadline's own `type` and `message` are NULL. */
typedef int engine_deadline_fn(void *user, const struct edda_deadline_info *deadline, struct slice type, struct slice json);
uint64_t engine_deadline_count(const struct engine *engine, const struct edda_service *service);
int engine_deadlines(struct engine *engine, const struct edda_service *service, uint64_t from, uint64_t max, engine_deadline_fn *visit, void *user);
/* Visits the one with this id, "service/key/name"; EDDA_ENOTFOUND, else what `visit` returned. */
int engine_deadline(struct engine *engine, struct slice id, engine_deadline_fn *visit, void *user);
/* Moves or cancels one by its id "service/key/name"; EDDA_ENOTFOUND. */
int engine_deadline_move(struct engine *engine, struct slice id, int64_t due_ms, struct edda_error *error);
int engine_deadline_cancel(struct engine *engine, struct slice id, struct edda_error *error);

/* Quarantined entities; each holds the messages that wait, in order. */
struct engine_quarantine_info {
    struct slice service;
    struct slice key;
    uint64_t position;  /* of the message that failed */
    struct slice type;
    struct slice correlation;
    struct slice reason;
    uint64_t held;      /* messages waiting, with the failed one */
    int64_t since_ms;
};
typedef int engine_quarantine_fn(void *user, const struct engine_quarantine_info *quarantined);
int engine_quarantine_each(struct engine *engine, engine_quarantine_fn *visit, void *user);
/* Tries the failed message again / leaves it out, and goes on with those behind it. EDDA_ENOTFOUND. */
int engine_quarantine_retry(struct engine *engine, struct slice service, struct slice key, struct edda_error *error);
int engine_quarantine_skip(struct engine *engine, struct slice service, struct slice key, struct edda_error *error);

/* A paused service takes no messages and no calls, and its deadlines wait; it stays so over restarts. EDDA_ENOTFOUND. */
int engine_pause(struct engine *engine, struct slice service, bool pause, struct edda_error *error);

/*
 * Moves the entities that belong to version `from` of a service, and whose process has not ended, to version `to`; with `dry_run` nothing is moved, and it is only said what would
 * be. An entity does not fit while it is at work or in quarantine, when an event of its stream or a deadline it has set is of a type that `to` has no row for, and when `to`
 * itself says so (edda_service.fits). EDDA_ENOTFOUND: no such service or version; EDDA_EINVAL: it has none, or they are the same. Services wait meanwhile: about 10 us an entity.
 */
struct engine_migration {
    struct slice service;
    int64_t from, to;
    bool dry_run;
    /* Told of each that does not fit. May be NULL. */
    void (*unfit)(void *user, struct slice key, const char *reason);
    void *user;
    uint64_t fits; /* results */
    uint64_t unfits;
};
int engine_migrate(struct engine *engine, struct engine_migration *migration, struct edda_error *error);

/* --- channels to another broker (edda/app.h) --------------------------------------------------------- */

/* Something to publish; borrowed until the next call on the engine. */
struct engine_publication {
    uint64_t position;
    const char *channel;
    struct slice payload;
};
/*
 * Publishing goes on behind `position`, which the other side says it has, or behind what was noted here last, whichever is later; with `known` false
 * the other side knows of nothing. What it says of a position that this log does not have yet is of another history (the log is a copy that was restored),
 * and counts as nothing: `channel.behind` is said.
 */
void engine_publish_from(struct engine *engine, bool known, uint64_t position);
/* The next that is durable: 1, 0 when there is none now, ENGINE_PUBLISH_MORE when there was none in all that one call looks at, and more to look at; or a
 * negative code. */
enum { ENGINE_PUBLISH_MORE = 2 };
int engine_publish_next(struct engine *engine, struct engine_publication *ret_publication, struct edda_error *error);
/* The other side has everything up to this position. Noted in the log once a second. */
void engine_published(struct engine *engine, uint64_t position);
/* Notes now how far it has come: before the end. */
void engine_publish_note(struct engine *engine);
/* Records what was published on a channel by somebody else. EDDA_EMALFORMED, EDDA_EINVAL: it is not of the channel's type, and was counted; EDDA_EBUSY, EDDA_EFULL: try again. */
int engine_receive(struct engine *engine, struct slice channel, struct slice payload, struct edda_error *error);

struct engine_channels_info {
    uint64_t published, received, malformed;
    uint64_t connects;      /* connections that were made */
    bool connected_out, connected_in;
    uint64_t lag; /* records of the log not looked at for publishing yet */
};
/* For who looks at it: whether the other side is connected in this direction. */
void engine_channels_connected(struct engine *engine, enum edda_direction direction, bool connected);
/* False: the application has no channels. */
bool engine_channels(const struct engine *engine, struct engine_channels_info *ret_info);

struct engine_service_info {
    const struct edda_service *service;
    bool paused;
    uint64_t position; /* everything before it was taken */
    uint64_t lag;      /* records of the journal behind it */
    uint64_t pending;  /* taken, not done */
    uint64_t steps, skips, failures, quarantined;
};
bool engine_service(const struct engine *engine, size_t ordinal, struct engine_service_info *ret_info);
struct engine_projection_info {
    const struct edda_projection *projection;
    const char *state;      /* "starting", "running", "rebuilding", "retrying", "unreachable", "superseded", "diverged" */
    struct slice error;     /* what is wrong now; empty: nothing */
    uint64_t position;      /* everything before it is in the tables in use */
    uint64_t lag;           /* records of the journal behind it */
    uint64_t build_position;/* of the tables being built; 0 when none are */
    uint64_t applied;       /* events, since the start; so are those below */
    uint64_t transactions, conflicts, failures, quarantined, rebuilt;
    uint64_t held;          /* events that wait with their keys */
};
bool engine_projection(const struct engine *engine, size_t ordinal, struct engine_projection_info *ret_info);
/* Builds its tables anew beside those in use. EDDA_ENOTFOUND. */
int engine_rebuild(struct engine *engine, struct slice name, struct edda_error *error);

/* A query of a read model. The caller's memory until done() is called. */
struct engine_query {
    struct edda_query query;
    struct arena *arena;      /* for the copy of what is asked and for the rows; nobody else's until done() */
    void (*done)(struct engine_query *query);
    void *user;
    /* Results, filled before done(). */
    int code;                 /* 0 or what went wrong */
    struct edda_error error;
    void *rows;
    size_t count;
    /* The engine's. */
    struct list link;
    struct io_job job;
    struct engine *engine;
    struct reader *reader;
    uint64_t position;        /* the read model must have got here */
    int64_t until_ms;
};

/* Asks. A negative code says at once what is wrong with the query, and done() is not called; else it is, from engine_turn(). */
int engine_select(struct engine *engine, struct engine_query *query, struct edda_error *error);

/* What the effects of a row do; of a remote service all its rows together. */
struct effect_counts {
    uint64_t begun, succeeded, failed, refused;
};
struct engine_effect_info {
    const struct edda_service *service;
    const char *type;  /* of the message; "*" for all of a remote service */
    struct effect_counts counts;
    uint64_t running;  /* steps under way */
    uint64_t waiting;  /* entities whose next step waits for a thread, for the rate or for the breaker */
    bool breaker_open; /* it has stopped trying for a while */
};
/* The `ordinal`-th row with effects; false when there are no more. */
bool engine_effect(const struct engine *engine, size_t ordinal, struct engine_effect_info *ret_info);
/* The JSON Schema of what a remote service answers. */
void remote_answer_schema(struct buffer *out);

/* An outside that does nothing and says that it worked. */
edda_outside_fn outside_pretend;

struct journal *engine_journal(struct engine *engine);
const struct edda_app *engine_app(const struct engine *engine);

#endif
