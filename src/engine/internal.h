/* What the files of the engine share. The way through them is told in engine.h. */
#ifndef EDDA_ENGINE_INTERNAL_H
#define EDDA_ENGINE_INTERNAL_H

#include "base/assert.h"
#include "base/cursor.h"
#include "base/hash.h"
#include "base/heap.h"
#include "base/table.h"
#include "edda/effect.h"
#include "engine/engine.h"
#include "engine/records.h"
#include "engine/upcast.h"
#include "engine/value.h"
#include "wire/json/json.h"

struct category;
struct channels;
struct lane;
struct lost;
struct service;
struct version;
struct message_type;
struct projecting;
struct projection;
struct pool;

/* Most services and rows of an application. */
#define ENGINE_SERVICES_MAX 64
#define ENGINE_STEP_MESSAGES_MAX 65536
#define ENGINE_STEP_BYTES_MAX (UINT32_C(32) << 20)
#define ENGINE_PENDING_DEFAULT 10000
#define CHECKPOINT_RECORDS_DEFAULT 2000000
#define CHECKPOINT_ROWS_DEFAULT 16384
#define ENGINE_STATE_BYTES_DEFAULT (UINT64_C(64) << 20)
#define ENGINE_TURN_STEPS 512 /* steps of one turn, before the caller's loop gets its turn */
#define SNAPSHOT_EVERY_DEFAULT 1000
#define DEADLINE_NAME_MAX 128
#define ENGINE_KEY_MAX 3840    /* bytes of an entity's key: "service/key/name" must be a record's key too */

/* --- registry.c: the application's tables as they are looked up ------------------------------------------ */

/* A row of a service's `on`, at run time. */
struct handler {
    struct service *service;
    const struct version *version;
    const struct edda_row *row;
    struct message_type *type;
    struct handler *next;     /* of the same message type, in another service */
    struct handler *older;    /* of the same message type, in another version of this service */
    struct lost *lost;        /* stands for versions that the application does not have */
    struct pool *pool;        /* of threads that its steps run on; NULL: they run on the core thread */
    uint64_t id_seed;         /* of emitted ids: (service, message type) */
};

/* A row of a service's `evolve`, at run time. */
struct evolver {
    const struct edda_row *row;
    uint32_t slot;            /* of the version among those of the category */
    struct evolver *next;
};

/* A name of a message type on its topic: its own, or one that it had in an older version. */
struct type_name {
    struct table_link link;        /* of the category */
    const char *name;
    struct message_type *type;
};

/* A message type on its topic. */
struct message_type {
    const struct edda_type *type;
    struct category *category;
    const struct edda_topic *look; /* how its records look to others; NULL: plain */
    struct handler *handlers;
    struct evolver *evolvers;
    struct projecting *projectings;
    struct buffer headers;         /* constant further headers of its records, encoded */
    uint32_t header_count;
    struct type_name own;
};

/* What the engine knows of a topic; journal_topic.user. */
struct category {
    struct journal_topic *topic;
    const struct edda_topic *look; /* how its records look to others; NULL: plain */
    struct table types;            /* struct type_name */
    const struct version *entities[ENGINE_SERVICES_MAX]; /* services, by version, whose entity's category this is */
    uint32_t entity_count;
    bool viewed;                   /* one of them has a view */
    uint32_t snapshot_every;       /* events of a stream; the least of its services' */
    bool projected;                /* some projection wants events of it */
    int (*fold)(struct engine *engine, const struct journal_record *record); /* of internal topics */
};

/* One of the tables of a service; most have but one. */
struct version {
    struct service *service;
    const struct edda_service *def;
    struct version *older;
    uint32_t slot;                 /* of its state, in the category */
    struct handler *handlers;      /* array */
    uint32_t handler_count;
    void *zero_state;
};

struct service {
    struct engine *engine;
    const struct edda_service *def; /* of the highest version */
    struct version *versions;      /* the highest first */
    struct category *category;     /* of its entity, or NULL */
    char source[160];              /* "application/service" */
    /* progress.c */
    bool in_step;                  /* goes on with the others at engine->hot; else by its own cursor */
    uint64_t position;             /* everything before it was taken (when not in step) */
    struct journal_cursor *cursor;
    struct list pending;           /* tasks taken from the journal and not done, in order of position */
    uint32_t pending_count;
    bool paused;
    /* lane.c */
    struct table lanes;
    /* view.c */
    struct view *view;
    uint64_t steps, skips, failures, quarantined;
};

/* --- pool.c: the threads of a row, and what else its steps wait for --------------------------------------- */

enum breaker { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_TRYING };

struct pool {
    struct engine *engine;
    const struct service *service;
    const struct edda_service *def;
    const char *name;              /* of the message type; "*" for all of a remote service */
    uint32_t threads;              /* at most so many steps at once */
    uint32_t running;
    struct list waiting;           /* lanes that wait for their turn */
    bool outside;                  /* of an effect: the rest is in use */
    struct edda_effect effect;     /* with its defaults filled in */
    int64_t paid_until_ns;         /* of log time: what the rate allows is used up until then */
    enum breaker breaker;
    uint32_t failures_in_row;
    int64_t open_until_ms;
    struct effect_counts counts;
};

/* --- state.c: entity states, one entry per stream -------------------------------------------------------- */

struct entity {
    struct table_link link;
    struct list lru;
    struct category *category;
    uint64_t position;             /* of the last event folded, + 1 */
    int64_t version;               /* of the next event */
    int64_t snapshotted;           /* the version from which events are counted to the next snapshot: that of the last */
    struct list snapshot;          /* of the engine, while a snapshot is due */
    size_t bytes;
    struct slice key;              /* behind the struct */
    struct state *states[];        /* one per service of the category; NULL: all zero */
};

/* --- step.c: what a handler builds ------------------------------------------------------------------------- */

enum emission_kind { EMIT_MESSAGE, EMIT_DEADLINE, EMIT_DEADLINE_CANCEL, EMIT_COMPENSATION };

struct emission {
    enum emission_kind kind;
    const struct edda_type *type;
    struct slice key;         /* of the record */
    struct slice value;       /* JSON */
    struct slice name;        /* of a deadline */
    struct slice repeats;     /* of a schedule; data NULL: it is none */
    struct slice correlation; /* by its type's own field; empty: none */
    int64_t due_ms;
};

struct edda_step {
    struct engine *engine;
    struct service *service;
    struct handler *handler;
    struct edda_message_info info;
    struct slice key;              /* of the entity */
    struct slice lane_key;         /* the same, but of a message that was quarantined unread: where it waited */
    const void *message;           /* decoded, in the arena; NULL: it cannot be read, and `error` says why */
    const void *state;
    struct arena arena;
    struct buffer encoded;         /* scratch of one encoding */
    struct emission *emissions;
    uint32_t emission_count;
    uint32_t emission_capacity;
    size_t emitted_bytes;
    int64_t now_ms;
    int64_t expiry_ms;             /* of emissions whose type expires */
    int code;                      /* sticky failure */
    struct edda_error error;
    bool skipped;
    char reason[256];              /* of a skip, an abort */
    bool finished;
    bool aborted;
    bool blocking;                 /* runs on a copy, on another thread */
    bool interrupted;              /* a sleep or an effect ended early: the application is stopping */
    const struct edda_type *reply_type;
    const void *reply;             /* a copy in the arena */
    struct slice reply_json;
    struct slice reply_to;         /* the topic for the answer; empty: none is wanted */
    /* blocking */
    struct io_job job;
    struct lane *lane;
    uint64_t state_version;
    struct list link;              /* of the pool of free steps */
    int32_t undo_left;             /* it is a compensation, and so many were declared before it; -1: it is none */
    int32_t undo_first;            /* those from this ordinal on are undone after it */
    bool quarantined;              /* the message is in quarantine, which the step's recording ends */
    /* outside.c */
    struct effect_counts effects;  /* done by this step */
    struct edda_error outside_error; /* of the last of them */
    bool unavailable;              /* one of them met EDDA_EUNAVAILABLE */
    bool trial;                    /* its outcome opens or closes the breaker */
    bool awaits_record;            /* it has run, and only its recording must be tried again */
    struct slice request;          /* hash of the request whose call is answered when this is recorded (await.c); empty: none */
    int64_t *test_clock_ms;        /* the test kit's clock, which edda_sleep() moves; NULL otherwise */
};

/* --- lane.c ---------------------------------------------------------------------------------------------------- */

/* A message that an entity of a service is to handle. */
struct task {
    struct list link;              /* of its lane */
    struct list pending;           /* of its service, when it came from the journal */
    struct handler *handler;
    struct engine_call *call;      /* or NULL: it is the record at `position` */
    uint64_t position;
    uint32_t attempt;
    bool quarantined;              /* recorded in TOPIC_QUARANTINE, so no longer among the service's pending */
};

enum lane_state {
    LANE_READY,
    LANE_RUNNING,
    LANE_WAITING_DURABLE,
    LANE_WAITING_TURN,
    LANE_WAITING_RETRY,
    LANE_QUARANTINED
};

struct lane {
    struct table_link link;        /* of its service */
    struct service *service;
    enum lane_state state;
    struct list tasks;             /* the first is the one at work */
    struct list ready;             /* of the engine, when LANE_READY and it has tasks; of a pool while waiting for a turn */
    struct heap_node retry;        /* of the engine: by time, or by position while waiting until that is durable */
    struct edda_step *step;        /* under way, or run and not yet recorded */
    /* quarantine.c */
    int64_t quarantined_ms;
    char reason[256];
    struct slice key;              /* behind the struct */
};

/* --- deadline.c ------------------------------------------------------------------------------------------------ */

/* A million of them are to fit in 150 MB. The id is the hash of the record's key: its lower half is the link's hash. */
struct deadline {
    struct heap_node due;          /* out of the heap while its service is paused and it is overdue */
    struct table_link link;
    uint64_t id_hi;
    uint64_t position;             /* of its record */
    uint32_t service;              /* ordinal; the count of services: of one that is no more */
    uint32_t flags;                /* enum deadline_flag */
};
enum deadline_flag { DEADLINE_REPEATS = 1, DEADLINE_OF_TABLE = 2 };
_Static_assert(sizeof(struct deadline) == 64, "a deadline takes one cache line");

struct sequence {
    struct table_link link;
    int64_t last;
    int64_t noted;                 /* the last that is recorded */
    bool dirty;                    /* numbers were given since the last flush */
    struct slice name;             /* behind the struct */
};

enum checkpoint_state { CHECKPOINT_NONE, CHECKPOINT_GATHERING, CHECKPOINT_GATHERED, CHECKPOINT_WRITING };

/* checkpoint.c: the one that is being made. */
struct checkpoint {
    enum checkpoint_state state;
    struct buffer out;
    uint64_t position;             /* what is folded after it is folded again at a start */
    uint64_t durable;              /* it may be written when this is */
    uint32_t service;              /* whose view is gathered, from this row on, of so many */
    uint64_t row, rows;
    bool view_begun;
};

struct moved {
    const struct version *from, *to;
    uint64_t count;
};

struct engine {
    struct edda_app const *app;
    struct io *io;
    struct journal *journal;
    struct engine_options options;
    struct service *services;
    uint32_t service_count;
    struct version *versions;      /* array of those of all services */
    uint32_t version_count;
    struct category *categories;   /* array of all known topics */
    uint32_t category_count;
    struct moved moved;            /* by a migration that is not done, since the log was behind */
    struct journal_topic *deadlines, *skips, *quarantine, *processes, *progress, *sequences, *service_table, *replies, *version_table,
        *channel_table, *snapshots;
    /* fold.c, dispatch.c */
    struct journal_cursor *fold_cursor;
    uint64_t folded;               /* everything before it is in memory */
    uint64_t checkpointed;         /* everything before it is in the last checkpoint that was begun */
    struct checkpoint checkpoint;
    struct journal_cursor *hot_cursor;
    uint64_t hot;                  /* services in step have taken everything before it */
    struct arena fold_arena;       /* of one record's decoding */
    struct arena load_arena;       /* the same, while a stream is read */
    struct arena take_arena;
    /* state.c */
    struct table entities;
    struct list lru;
    uint64_t state_bytes, state_bytes_max;
    struct list snapshots_due;     /* entities */
    /* lane.c */
    struct list ready;
    struct heap retries;
    struct heap undurable;         /* lanes whose message is not durable yet */
    int64_t pools_wake_ms;         /* when the first lane that waits for a time in a pool may go on; INT64_MAX: none does */
    struct pool *pools;            /* array */
    uint32_t pool_count;
    const struct edda_type **types; /* all that the application's services speak of; for remote ones */
    uint32_t type_count;
    struct table awaited;          /* calls whose command is recorded and waits to be handled, by position */
    struct list free_steps;
    struct list free_tasks;
    size_t running;                /* blocking steps under way */
    uint64_t started;              /* blocking steps ever */
    uint64_t pending;              /* tasks of all lanes, but those quarantined */
    /* deadline.c */
    struct heap deadlines_due;
    struct table deadlines_by_id;
    struct deadline *free_deadlines;
    struct list deadline_slabs;
    uint64_t deadline_count;
    uint64_t repeating;            /* deadlines among them that are schedules */
    uint64_t repeats_fired;        /* since the start */
    bool schedules_armed;          /* those of the services' tables */
    /* projection.c */
    struct projection *projections;
    uint32_t projection_count;
    uint32_t projecting;           /* their transactions under way */
    struct list readers;           /* connections of queries, those in use too */
    uint32_t reading;              /* queries under way */
    /* sequences, progress */
    struct table sequence_table;
    bool sequences_dirty;
    bool progress_dirty;
    bool stalled;                  /* the journal has no room: nothing is started until `stalled_until_ms` */
    bool full;                     /* the disk is full, as far as the last append said */
    int64_t stalled_until_ms;
    bool opening;                  /* the journal is being folded after a start */
    bool stopping;
    int broken;
    struct edda_error broken_error;
    uint64_t jitter;
    struct channels *channels;     /* channel.c; NULL: the application has none */
    struct buffer scratch;
    struct buffer note;            /* the progress record */
    struct buffer absent;          /* rows of it that are of services that this application does not have */
};

/* What a message says of its type: name, version, and where it is answered. */
static inline void event_of_type(struct cloudevent *event, const struct edda_type *type)
{
    event->type = slice_str(type->name);
    event->data_version = type_version(type);
    event->reply_to = slice_str(type->reply_to);
}
/* projection.c */
/* Makes their types known; EDDA_EINVAL names what is wrong with a table or a row. */
int projections_init(struct engine *engine, struct edda_error *error);
/* Asks the database where they are. A database that is wrong is a failure, one that cannot be reached is waited for. */
int projections_load(struct engine *engine, struct edda_error *error);
/* What they and the queries can do now; returns how much was done, or a negative code. */
int64_t projections_turn(struct engine *engine, struct edda_error *error);
int64_t projections_next_ms(const struct engine *engine);
/* Whether one has something to apply now, that has become durable. */
bool projections_can_go_on(const struct engine *engine);
void projections_close(struct engine *engine);

/* registry.c */
int registry_init(struct engine *engine, struct edda_error *error);
/* Tells the log hook what in the tables is most likely a mistake. */
void registry_look_over(struct engine *engine);
void registry_deinit(struct engine *engine);
struct service *registry_service(const struct engine *engine, struct slice name);
/* By one of its tables. */
struct service *registry_service_of(const struct engine *engine, const struct edda_service *def);
const struct version *registry_version_of(const struct engine *engine, const struct edda_service *def);
/* The row of a service for a type, in the highest version that has one; NULL: none has. */
struct handler *registry_handler(const struct message_type *type, const struct service *service);
/* Letters, digits, '-' and '_'; at most 63. */
bool registry_name_is_good(const char *name);
/* The message type of a record, by its type's name on its topic; NULL when no row speaks of it. */
struct message_type *registry_type(const struct category *category, struct slice name);
struct message_type *registry_type_of(const struct engine *engine, const struct edda_type *type);
/* The one by this name on this topic, which may be of another table. */
struct message_type *registry_type_named(const struct engine *engine, const struct edda_type *type);
/* The same, made known when it is not yet: a type that only is emitted. */
int registry_type_ensure(struct engine *engine, const struct edda_type *type, struct message_type **ret_type, struct edda_error *error);
/* Whether a type has a field of this name or dotted path that a key can be taken from. */
bool registry_has_key(const struct edda_type *type, const char *field);
/* How records of a topic look to others; NULL: plain. Any thread. */
const struct edda_topic *registry_look(const struct edda_app *app, const char *topic);
/* The type's name of a record: by ce_type, else by the header or the field of its topic's look, else by the header "type" or the field "eventType". */
struct slice registry_type_name(const struct category *category, const struct journal_record *record, const struct cloudevent *event);

/* step.c */
struct edda_step *step_new(struct engine *engine);
void step_free(struct edda_step *step);
void step_reset(struct edda_step *step);
/* Encodes a message as it is recorded: with the look of its topic. */
void step_encode(const struct edda_type *type, const struct edda_topic *look, const void *value, int64_t time_ms, struct buffer *out);
/* Calls the handler. */
int step_run(struct edda_step *step);
/* Whether its handler decided against the message, which is not tried again. */
bool step_says_no(const struct edda_step *step);
/* Whether it has done something outside that can not be taken back: it is recorded as it is. */
bool step_is_bound(const struct edda_step *step);

/* pool.c */
/* The pool of a row that runs on threads; NULL and EDDA_OK when it does not. EDDA_EINVAL names what is wrong with it. */
int pool_of_row(struct service *service, const struct edda_service *def, const struct edda_row *row, struct pool **ret_pool, struct edda_error *error);
/* Whether a step may begin now. */
bool pool_may_begin(const struct pool *pool, int64_t now_ms);
void pool_begin(struct pool *pool, struct edda_step *step);
/* The step has run: its thread is free, and its outcome counts for the breaker. */
void pool_end(struct pool *pool, const struct edda_step *step);
/* The lane waits for its turn. */
void pool_wait(struct pool *pool, struct lane *lane);
/* Lets the lane that has waited longest try, when one may begin; else sees to it that it is done in time. */
void pool_wake(struct pool *pool);
/* The same for those whose time has come. */
void pools_wake(struct engine *engine, int64_t now_ms);
/* Whether a failure with this code is the outside's, which is known to be away: then it does not count for who met it. */
bool pool_holds(const struct pool *pool, int code);

/* outside.c */
/* What all ids of one step have in common: service, handler, and the cause's source and id. */
struct hash128 step_cause(const struct edda_step *step);
struct slice hex_id(struct arena *arena, struct hash128 hash);
/* Does one call, of a step whose row is an effect. */
int outside_do(struct edda_step *step, struct edda_outside_call *call);

/* remote.c */
/* Has the message of the step handled by its remote service, and makes the step of the answer. */
int remote_run(struct edda_step *step);

/* await.c */
/* Records a called command, to be handled when it is durable; the call is answered then. */
void await_call(struct handler *handler, struct slice key, struct engine_call *call);
/* The record of a step that was `await`ed is made: answers the calls of the message at this position. `step` NULL: code and error are the answer. */
void await_answer(struct engine *engine, uint64_t position, struct edda_step *step, int code, const struct edda_error *error);
/* Tells the calls of a lane that it will take longer: their commands are accepted. */
void await_accept_lane(struct lane *lane);
/* The same for all of a pool. */
void await_accept_pool(struct pool *pool);
void await_free_all(struct engine *engine);

/* commit.c */
/* Records what a step did, with `call`'s command when there is one, and folds it. EDDA_ERETRY: the entity's state moved meanwhile; EDDA_EVERSION,
 * EDDA_EFULL, EDDA_EBUSY …: nothing was recorded. */
int commit_step(struct edda_step *step, struct engine_call *call, struct edda_error *error);
/* Records instead that the step did nothing, and why. */
int commit_skip(struct edda_step *step, struct engine_call *call, const char *reason, struct edda_error *error);
/* "service/entity", or with a name "service/entity/name": the key of records about an entity; data NULL when out of memory. */
struct slice record_key(const struct service *service, struct slice entity, struct slice name, struct arena *arena);
/* Appends records of the engine's own, and folds them. */
int commit_records(struct engine *engine, const struct journal_message *messages, size_t count, struct edda_error *error);
/* Adds one more record to those a commit is gathering; NULL when it has failed. */
struct commit {
    struct edda_step *step;
    struct journal_message *messages;
    size_t count;
    size_t capacity;
    struct hash128 cause;
    int code;
};
struct journal_message *commit_add(struct commit *commit, struct journal_topic *topic, struct slice key, struct slice value,
                                   struct slice type);
/* Encodes one header with a decimal number, or a text, into the step's arena and adds it to the message. */
void commit_header(struct commit *commit, struct journal_message *message, const char *name, struct slice value);
void commit_header_int(struct commit *commit, struct journal_message *message, const char *name, int64_t value);

/* answer.c */
/* Adds the answer to a command that wants one on a topic; last, so that it takes the id of nothing else. `reason`: why it was skipped; NULL: it was
 * done. */
void answer_add(struct commit *commit, const char *reason);

/* channel.c */
int channels_open(struct engine *engine, struct edda_error *error);
void channels_close(struct engine *engine);

/* version.c */
/* The row of the version that the entity belongs to, of those that stand behind `head`; NULL when that version has none. A failure to read is kept as the
 * engine's end. */
struct handler *version_handler(struct handler *head, struct slice key);
/* The version an entity belongs to; the highest while it belongs to none. */
const struct version *version_of(struct service *service, struct slice key);
/* Adds what is to be recorded of the entity's version with a step. */
void version_add(struct commit *commit);
/* The number of the version that an entity belongs to, 0: none yet, or a negative code. */
int64_t version_number(struct service *service, struct slice key, bool *ret_ended);
/* What is recorded of an entity's version: its row of the view is that version's from now on. */
int versions_fold(struct engine *engine, const struct journal_record *record);
/* The record that lets it belong to another. EDDA_ENOMEM. */
int version_record(struct service *service, struct slice key, uint32_t number, struct arena *arena, struct journal_message *ret_message);

/* process.c */
/* Adds what an abort, a finish, the end of a compensating command or a compensation that is declared too late wants recorded. */
void process_add(struct commit *commit);

/* fold.c */
/* Folds everything sequenced since the last time. */
int fold_catch_up(struct engine *engine, struct edda_error *error);

/* dispatch.c */
/* Hands records of the journal to services; at most `max` records. Returns how many, 0 when there are none, or a negative code. */
int64_t dispatch_run(struct engine *engine, uint64_t max, struct edda_error *error);
/* Whether some service that may go on has records before it. */
bool dispatch_waiting(const struct engine *engine);
/* Takes a service out of step, to go on from `position` by itself. */
void dispatch_leave(struct service *service, uint64_t position);

/* Whether a message from outside was there before. */
bool dispatch_is_repeat(struct engine *engine, const struct journal_record *record, const struct cloudevent *event);

/* A message as a step needs it: copied, so that it outlives the appends of other steps. */
struct taken {
    struct journal_record record;
    struct cloudevent event;
    const void *message; /* decoded; NULL: it cannot be read, it is of a version newer than this application */
    const struct edda_error *unread; /* why */
};
/* Copies and decodes a record; 1, 0 when its type is not known or it does not decode, or a negative code. */
int take_copy(struct engine *engine, const struct message_type *type, const struct journal_record *record, struct arena *arena,
              struct taken *ret_taken);

/* The entity that a row selects by a field of the message, or the record's key; empty: the message is for none of them. */
struct slice entity_key_of(const struct handler *handler, const struct taken *taken, struct arena *arena);
/* The lane in which it is handled. A command that is for no entity, or for one that cannot be, has one too when it wants an answer. */
struct slice lane_key_of(const struct handler *handler, const struct taken *taken, struct arena *arena);
/* Whether it is a command that is to be answered on a topic. */
bool wants_answer(const struct handler *handler, const struct taken *taken);

/* lane.c */
struct lane *lane_find(struct service *service, struct slice key);
struct lane *lane_make(struct service *service, struct slice key);
/* Nothing is started for a while: the journal has said EDDA_EFULL or EDDA_EBUSY. `error` may be NULL. */
void engine_stall(struct engine *engine, int code, const struct edda_error *error);
/* Gives an entity a message, taken from the journal: it is run at once when nothing is before it, else it waits in the lane. */
int lane_take(struct handler *handler, struct slice key, const struct taken *taken, struct edda_error *error);
/* The same for a call. */
void lane_call(struct handler *handler, struct slice key, struct engine_call *call);
/* Runs ready lanes and due retries, at most `max` steps. Returns how many or a negative code. */
int64_t lane_run_ready(struct engine *engine, uint64_t max, struct edda_error *error);
/* Adds a task at the lane's end; NULL when out of memory. */
struct task *lane_push(struct lane *lane, struct handler *handler, uint64_t position, struct engine_call *call);
/* Takes the task off its lane and the service's pending. */
void lane_task_done(struct lane *lane, struct task *task);
/* Lets a lane go on with its first task, or frees it when it has none. */
void lane_go_on(struct lane *lane);
void lane_free_all(struct service *service);
/* Records that the lane's first task, which is not at work, is left out, and why; then it is done. */
int lane_leave_out(struct lane *lane, const char *reason, struct edda_error *error);

/* state.c */
struct entity *entity_find(struct engine *engine, struct category *category, struct slice key);
/* Folds it from its stream when it is not cached. NULL when out of memory or the read failed (then *ret_code says). */
struct entity *entity_load(struct engine *engine, struct category *category, struct slice key, int *ret_code);
/* A fresh entity whose stream had no event before; NULL when out of memory. */
struct entity *entity_new(struct engine *engine, struct category *category, struct slice key);
/* Folds a decoded event into the states of all services that fold its type. `arena` is that of the event. */
int entity_evolve(struct engine *engine, struct entity *entity, const struct message_type *type, const void *event, uint64_t position,
                  struct arena *arena);
/* As if nothing had been folded yet. */
void entity_clear(struct engine *engine, struct entity *entity);
const void *entity_state(const struct entity *entity, const struct version *version);
/* How many events were folded into it. */
uint64_t entity_state_version(const struct entity *entity, const struct version *version);
/* Frees the least recently used above the limit. No state given out before is good afterwards. */
void entity_trim(struct engine *engine);
void entity_free_all(struct engine *engine);

/* snapshot.c */
/* What a snapshot stands for: everything before `version`, the last of it at `position`. */
struct snapshot_base {
    int64_t version; /* 0: there is none */
    uint64_t position;
};
/* Fills a fresh entity's states from the newest snapshots of its services. *ret_base says up to where; when they do not fit, or not together,
 * that is nowhere and the entity is as it was. EDDA_ENOMEM. */
int snapshot_read(struct engine *engine, struct entity *entity, struct snapshot_base *ret_base);
/* Whether the beginning of the entity's stream is where it was deleted, and not where it was truncated: then what was before counts no more.
 * Negative: a code. */
int snapshot_outlived(struct engine *engine, const struct entity *entity);
/* The entity's stream is longer by what was folded: notes it down when a snapshot has become due. */
void snapshot_consider(struct engine *engine, struct entity *entity);
/* Records snapshots that are due, of at most `max` entities. Returns how many, or a negative code when the journal has failed for good. */
int64_t snapshot_write(struct engine *engine, uint64_t max, struct edda_error *error);

/* view.c */
int view_open(struct service *service);
void view_close(struct service *service);
/* The entity's state may have changed. */
int view_update(const struct version *version, struct slice key, const void *state);
/* Whether the entity has a place in the service's view, listed or not. */
bool view_has(const struct service *service, struct slice key);
/* For the checkpoint: how many rows there are, then these. A row keeps its place. */
uint64_t view_save_begin(const struct service *service, struct buffer *out);
void view_save_rows(const struct service *service, uint64_t from, uint64_t to, struct buffer *out);
bool view_load(struct service *service, struct cursor *in);

/* deadline.c */
int deadline_fold(struct engine *engine, const struct journal_record *record);
/* Whether a deadline is pending under the key of its record. */
bool deadline_pending(const struct engine *engine, struct slice key);
/* Fires what is due, at most `max`; returns how many, or a negative code. */
int64_t deadline_fire(struct engine *engine, uint64_t max, struct edda_error *error);
/* When the next one is due; INT64_MAX: none is. */
int64_t deadline_next_ms(const struct engine *engine);
/* The service was resumed: what fell due meanwhile is due now. */
void deadline_release(struct service *service);
void deadline_free_all(struct engine *engine);
/* For the checkpoint: a section 'D' for each. */
void deadline_save(const struct engine *engine, struct buffer *out);
bool deadline_load(struct engine *engine, struct cursor *in);

/* The position of the record of a pending deadline; false when none of this key is pending. */
bool deadline_position(const struct engine *engine, struct slice key, uint64_t *ret_position);
/* Calls `visit` with the position of each schedule from a table that is pending; ends at a result other than 0. */
int deadline_tables_each(struct engine *engine, int (*visit)(struct engine *engine, uint64_t position, struct edda_error *error),
                         struct edda_error *error);

/* schedules.c */
/* What is wrong with the services' tables is said at start. */
int schedules_check(struct engine *engine, struct edda_error *error);
/* Sets the schedules of the tables that are not pending, or changed; cancels those that are in no table any more. Bounded by the tables; called until
 * it has succeeded. EDDA_EBUSY, EDDA_EFULL: later. */
int schedules_arm(struct engine *engine, struct edda_error *error);

/* quarantine.c */
int quarantine_fold(struct engine *engine, const struct journal_record *record);
/* Records that the lane's first task has failed for good, and all that wait behind it. */
int quarantine_enter(struct lane *lane, const struct edda_error *why, struct edda_error *error);
/* Records one more message, the lane's last task, held behind it. */
int quarantine_hold(struct lane *lane, struct task *task, struct edda_error *error);
/* Puts a message that is in quarantine back into its lane, after a restart. False when no handler knows its type, or out of memory. */
bool quarantine_restore(struct lane *lane, struct slice type, uint64_t position);

/* progress.c */
/* Where each service stood at the last flush; sets positions, and puts pending messages into their lanes. */
int progress_load(struct engine *engine, struct edda_error *error);
/* The hook before a flush: progress and sequences join what is flushed. */
int progress_note(void *user, struct edda_error *error);
int services_fold(struct engine *engine, const struct journal_record *record);
int sequences_fold(struct engine *engine, const struct journal_record *record);
void sequences_free(struct engine *engine);
int sequence_restore(struct engine *engine, struct slice name, int64_t last);

/* checkpoint.c */
/* Writes what is folded; a failure is told to the log hook and does no harm. */
int checkpoint_write(struct engine *engine);
/* At a quiet moment: a part of making one, when enough was folded since the last. Views are gathered a slice a turn, and a job writes the file.
 * Returns whether there is more of it to do at once. */
bool checkpoint_turn(struct engine *engine);
/* Forgets the one that is being gathered. */
void checkpoint_drop(struct engine *engine);
/* Puts the last checkpoint into memory, and the position up to which it is folded. EDDA_ENOTFOUND: there is none that fits, and nothing was changed;
 * EDDA_ECORRUPT: it broke off in the middle, and the engine must begin anew without it. */
int checkpoint_read(struct engine *engine, uint64_t *ret_position);

/* reply.c */
/* Give the step of a call the reply that its handler did not give, when the call asks for it: before the step is recorded when the reply is to be recorded with it
 * (EDDA_ENOMEM), else after; what is recorded succeeds, with or without memory for a reply. */
int reply_before(struct edda_step *step, const struct engine_call *call);
void reply_after(struct edda_step *step, const struct engine_call *call);

/* call.c */
/* The reply record that lets a repeat be recognised: `request` is the hash of what was asked. A step that was rejected says so in it. */
void call_reply_add(struct commit *commit, struct slice request);
/* The hash of what was asked. */
struct slice call_request_hash(struct engine *engine, const struct engine_call *call, struct arena *arena);
/* Fills the results from a step that was recorded, and calls done(). */
void call_answer(struct edda_step *step, struct engine_call *call);
/* The correlation id of the process that a command begins when nothing else says: by its type's own field, or its id. */
struct edda_text call_correlation(const struct edda_type *type, const void *value, struct edda_text id, struct arena *arena);
void call_done(struct engine *engine, struct engine_call *call, int code, const struct edda_error *error);
/* A UUIDv7 (RFC 9562) as 36 characters in the arena; data NULL when out of memory. */
struct slice call_id_new(struct engine *engine, struct arena *arena);

/* Tells the log hook. */
void engine_log(struct engine *engine, const char *event, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
