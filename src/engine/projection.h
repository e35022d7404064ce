/*
 * projection: what the files of projections share. A projection goes along the journal by a cursor of its own, over what is durable; what it wants is copied
 * into a batch (projection.c), which a job on the handlers' threads applies in one transaction (projection_work.c) together with the checkpoint.
 *
 * The database holds, beside the tables of the read models, two of the engine's:
 *
 *   _edda_projections  one row for each projection: the checkpoint. Each transaction swaps it against what it is believed to be; so of two that would apply the same
 *                      events only one happens. It names the log, and the generation of the tables in use and of those being built.
 *   _edda_held         the events that wait, quarantined with their key.
 *
 * Each building of the tables is a generation; they are built under names of their own and take their places when they have caught up, in one transaction.
 * So there are up to two tracks: the tables in use, and those being built.
 */
#ifndef EDDA_ENGINE_PROJECTION_H
#define EDDA_ENGINE_PROJECTION_H

#include "engine/internal.h"
#include "engine/rows.h"

#define PROJECTIONS_MAX 64
#define PROJECTION_TABLES_MAX 16
#define BATCH_EVENTS_MAX 4096
#define BATCH_BYTES_MAX (UINT32_C(1) << 20)
#define BATCH_ROWS_BYTES_MAX (UINT32_C(32) << 20) /* of what its functions change */
#define QUIET_RECORDS_MAX 65536 /* passed over before the checkpoint moves without an event */
#define HELD_MAX 100000         /* quarantined events of one projection */
#define TABLE_PROJECTIONS "_edda_projections"
#define TABLE_HELD "_edda_held"

/* The checkpoint. All up to `position` is applied. */
struct projection_checkpoint {
    struct edda_text name;        /* of the projection */
    struct edda_text log;
    int64_t changes;              /* counts transactions: no row is twice the same */
    int64_t position;             /* of the tables in use */
    int64_t mark, marked;         /* the mark of the last event applied, and its position; 0: none was */
    int64_t generation;           /* 0: there are none yet */
    int64_t version;
    struct edda_text fingerprint;
    struct edda_text tables;      /* names, each with a space behind it */
    int64_t build_position;       /* of those being built */
    int64_t build_mark, build_marked;
    int64_t build_generation;     /* 0: none are */
    int64_t build_version;
    struct edda_text build_fingerprint;
    struct edda_text build_tables;
};
extern const struct edda_table checkpoint_table;

/* An event that waits. */
struct held {
    struct edda_text projection;
    int64_t generation;
    int64_t position;
    struct edda_text key;
    struct edda_text type;
    struct edda_text correlation;
    struct edda_text reason;      /* empty: it waits behind another */
    int64_t since;
};
extern const struct edda_table held_table;

/* A quarantined key. */
struct held_key {
    struct table_link link;
    struct slice key;             /* behind the struct */
    struct buffer text;           /* type, correlation and reason of the event that failed */
    size_t type_len, correlation_len;
    int64_t since_ms;
    uint64_t *positions;          /* in order */
    size_t count, capacity;
    enum { REPAIR_NONE, REPAIR_RETRY, REPAIR_SKIP } repair;
};

struct track {
    bool active;
    bool build;
    struct rows_table tables[PROJECTION_TABLES_MAX];
    uint64_t applied;             /* everything before it is, and is so in the database but for quiet records */
    uint64_t seen;                /* the cursor is here */
    struct journal_cursor *cursor;/* NULL: to be opened at `seen` */
    struct table held;            /* by key */
    uint64_t held_count;          /* events */
    uint64_t failing;             /* position of the event that failed last; UINT64_MAX: none */
    uint32_t attempts;            /* at it */
    struct edda_error why;
};

/* A type of event that a projection wants. */
struct projecting {
    const struct edda_projecting *row;
    struct projection *projection;
    struct projecting *next;      /* of the same type, in another projection */
};

enum work_kind { WORK_LOAD, WORK_APPLY, WORK_REPAIR, WORK_BUILD, WORK_FINISH };

/* One event of a batch, copied. */
struct work_event {
    const struct edda_projecting *row; /* NULL: it is not wanted any more */
    struct journal_record record;
    const char *topic;
};

/* One transaction. The job's while it runs. */
struct work {
    struct io_job job;
    enum work_kind kind;
    struct track *track;
    struct arena arena;
    struct projection_checkpoint before, after;
    struct work_event *events;
    uint32_t count, capacity;
    size_t bytes;
    bool hold;                    /* the first event has failed for good: it is to be held */
    struct edda_error why;
    bool skip;                    /* the first event is left out (repair) */
    struct held_key *key;         /* of a repair */
    int64_t now_ms;
    /* what came of it */
    int code;
    struct edda_error error;
    bool conflict;
    bool stopped;                 /* at an event that failed; `error` says why */
    uint32_t done;                /* events before that */
    uint32_t applied, malformed;
    struct held *held;            /* added; of WORK_LOAD: all there are, of both tracks */
    size_t held_count, held_capacity;
    bool found;                   /* WORK_LOAD: the row is in `before` */
};

enum projection_state {
    PROJECTION_STARTING,    /* the checkpoint is not known yet, or no longer */
    PROJECTION_GOING,
    PROJECTION_SUPERSEDED,  /* the tables are of a newer version of the program */
    PROJECTION_DIVERGED     /* more was applied than this log has, or something else */
};

struct projection {
    struct engine *engine;
    const struct edda_projection *def;
    struct projecting *rows;
    uint32_t table_count;
    char fingerprint[20];
    char log[20];
    struct buffer table_names;
    struct projection_checkpoint checkpoint; /* as last known */
    struct arena checkpoint_arena;
    struct track live, build;
    enum projection_state state;
    bool may_build;               /* the program has just started: it brings its version */
    bool rebuild_wanted;          /* by an operator */
    bool building_next;           /* whose turn it is */
    bool gathering;               /* a batch is being gathered in `work` */
    bool running;
    struct work work;
    struct edda_rows transaction;
    struct session *session;      /* the job's */
    uint32_t batch_max;           /* events; less after the database has refused a row */
    /* trouble */
    bool unreachable;             /* the last transaction failed for a reason that is no event's */
    uint32_t failures_in_row;
    int64_t retry_ms;             /* nothing is begun before */
    struct edda_error error;      /* what is wrong now; empty: nothing */
    /* what was done since the start */
    uint64_t applied, transactions, conflicts, failures, quarantined, rebuilt;
    struct list waiting;          /* queries that wait for it to catch up */
};

/* projection.c */
struct projection *projection_named(const struct engine *engine, struct slice name);
struct projection *projection_of_table(const struct engine *engine, const struct edda_table *table);

/* projection_work.c */
/* Runs on any thread. */
void projection_work_run(struct io_job *job);
/* The name under which a table of a generation is built. */
void projection_build_name(const char *table, int64_t generation, char name[TABLE_NAME_BYTES]);

/* projection_turn.c */
/* Takes over what a job has done. */
void projection_work_done(struct projection *projection);
/* Does what the projection can do now: 1 when it has done something, 0, or a negative code when the journal has failed. */
int projection_step(struct projection *projection, struct edda_error *error);
/* Whether it could do something at once. */
bool projection_can_go_on(const struct projection *projection);
/* Moves the checkpoint of a track to a position, behind the event `last`; NULL: there was none on the way. */
void projection_set_position(struct projection_checkpoint *checkpoint, const struct track *track, uint64_t position, const struct journal_record *last);

/* projection_held.c */
struct held_key *held_find(const struct track *track, struct slice key);
/* Adds an event to the quarantine of a track; false when out of memory. */
bool held_add(struct track *track, const struct held *held);
/* The first `count` events of the key are out. Frees the key when it has no more. */
void held_remove(struct track *track, struct held_key *key, size_t count);
void held_free_all(struct track *track);
/* Calls the quarantined keys of all projections as lanes are called. */
int projections_held_each(struct engine *engine, engine_quarantine_fn *visit, void *user);
/* EDDA_ENOTFOUND. */
int projections_repair(struct engine *engine, struct slice name, struct slice key, bool skip, struct edda_error *error);

/* projection_query.c */
/* Begins queries whose time has come and gives up those whose time is over; returns how many. */
int queries_turn(struct engine *engine);
/* When the next one is to be given up; INT64_MAX. */
int64_t queries_next_ms(const struct engine *engine);
void queries_close(struct engine *engine);

#endif
