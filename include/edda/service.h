/*
 * edda/service.h: services, their handlers, and what a handler can do.
 *
 * A service is a table: the entity it acts on, how that entity's state is folded from its stream (`evolve`), and which message is
 * handled by which function (`on`). Deciders, sagas and process managers are all written so:
 *
 *   a decider          rows for commands; it decides by the state and emits events
 *   a saga             rows for events; no entity; it sends commands
 *   a process manager  rows for events; an entity whose stream is the process's own; it emits and sends
 *
 * One message to one entity is one step. A step is atomic: what it consumed, the events it emits, the commands it sends, the
 * deadlines it sets: all of it is recorded together, or nothing is. Steps of one entity of one service (a lane) are taken one
 * at a time, in the order of the messages' positions.
 *
 * A handler is a plain function. It returns 0 (or what edda_emit() and the like return), or a negative code:
 *   EDDA_EREJECTED, EDDA_ENOTFOUND, EDDA_EEXISTS
 *                     the answer is no. A command's caller is told, and nothing is recorded; an event or a command from the log is skipped, and
 *                     the reason recorded.
 *   EDDA_EREFUSED     what is outside said no (edda/effect.h): its entity is quarantined, without another try.
 *   any other         it failed. A command's caller is told; an event or a command from the log is tried again as its row's policy says, then its
 *                     entity is quarantined.
 * Message, state and whatever they point to live until the handler returns. A handler must not keep them, look at a clock, or touch
 * the world but by its step; then it gives the same when it is run again, and the simulator can run it.
 */
#ifndef EDDA_SERVICE_H
#define EDDA_SERVICE_H

#include "edda/type.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The step a handler is building. Opaque; good until the handler returns; of one thread. */
struct edda_step;
struct edda_route;
struct edda_effect;
struct edda_remote;

/* Decides by `message` and `state` (NULL for a service without entity; all zero when its stream is empty) what happens. */
typedef int edda_handle_fn(struct edda_step *step, const void *message, const void *state, void *user);
/* Folds one event into a state. Pure; it cannot fail. Texts and lists of the event may be assigned to the state. */
typedef void edda_evolve_fn(void *state, const void *event);
/* Whether a process may go over to this version: `before` is its state as its present version folds it, `after` as this one does. 0, or a
 * negative code with a sentence in `error` that says what does not fit. Pure. */
typedef int edda_fits_fn(const void *before, const void *after, struct edda_error *error);
/* Fills the row of a view from a state; false: the entity is not listed (now). Pure. */
typedef bool edda_row_fn(void *row, struct edda_text key, const void *state);

/* What happens to a step that failed. All zero: 3 times at once, then 5 times after 100 ms, 200 ms, 400 ms …, then quarantine. */
struct edda_retry {
    uint32_t immediate;      /* times at once */
    uint32_t delayed;        /* times after a delay */
    uint32_t delay_first_ms; /* before the first of them; doubled each time, with a fifth of jitter */
    uint32_t delay_max_ms;   /* 0: 60,000 */
    bool never;              /* do not retry: quarantine at the first failure */
};

/* A row of `on` or `evolve`. Written with EDDA_ON() and EDDA_WHEN(). */
struct edda_row {
    const struct edda_type *type;
    edda_handle_fn *handle;  /* of `on` */
    edda_evolve_fn *evolve;  /* of `evolve` */
    const char *key;         /* of `on`: the message's field that selects the entity; NULL: the record's key. A message in which the
                                field is empty is for no entity, and is passed over */
    uint32_t blocking;       /* 0: runs on the core thread and must not wait; n: on one of at most n threads (1 to 1024) */
    const struct edda_effect *effect; /* it acts on what is outside (edda/effect.h): begun when its message is durable; or NULL */
    bool late;               /* acts on expired messages as well */
    struct edda_retry retry;
    void *user;              /* given to the handler */
    uint32_t reserved;
};

/*
 * The entity of a service: a state, folded from the streams of a category.
 *
 * Of a long stream a snapshot of the state is kept, so that not all of it is read again when the state has left memory. One that was made
 * by another table of fields, other rows of `evolve`, other versions of their events or another `state_version` is ignored: raise that number
 * when an evolve function comes to mean something else. A state is kept only when its JSON gives back every byte of it: not one with a NaN, or with members that no field names.
 */
struct edda_entity {
    const struct edda_type *state;
    const char *category;    /* the topic; its stream is category/key */
    uint32_t snapshot_every; /* events of a stream from one snapshot to the next; 0: 1,000, UINT32_MAX: as good as never. The services of
                                one category share the least of theirs */
    uint32_t state_version;  /* of what `evolve` makes of events */
    uint32_t reserved;
};

/* A listing of a service's entities, kept up to date: GET `path`?page=&size=, and GET `item`, with the version of the entity's stream as its ETag
 * (for If-Match of a call, and If-None-Match: 304). Written with EDDA_VIEW(). */
struct edda_view {
    const char *name;        /* of the rows in the collection: "orders" */
    const char *path;        /* "/orders"; NULL: not on HTTP */
    const char *item;        /* "/orders/{id}"; the parameter is the entity's key; or NULL */
    const struct edda_type *row;
    edda_row_fn *fill;
    uint32_t reserved;
};

/*
 * A message that is recorded again and again, as edda_schedule_set() says; written with EDDA_SCHEDULE(). It is set at the first start, and goes on over
 * restarts; a row that has changed begins anew at the next start, one that is gone is cancelled, and one that an operator has cancelled comes back. It is
 * pending as "service/key/name", so its name is to be another than those of the entity's own deadlines.
 */
struct edda_schedule {
    const char *name;        /* 1 to 128 bytes, no '/' */
    const char *repeats;     /* "every 5m", "0 3 * * *" … */
    const struct edda_type *type;
    const void *value;       /* a struct of that type */
    const char *key;         /* the entity under which it is listed, and may cancel it; NULL: the message's own key */
};

/*
 * A long-lived process must not be changed under way: what it did by yesterday's rules would be continued by today's. A service that gives a version may stand
 * in the application's table several times, under one name: an entity belongs to the version that took its first step, for good; new ones begin with the
 * highest. The versions share name, category and progress; each has rows and a state of its own, the same field selects the entity, and routes, schedules and the paths of a
 * view are those of the highest. `migrate` moves entities to another version, or says why they do not fit.
 */
struct edda_service {
    const char *name;        /* "exchange"; letters, digits, '-', '_' */
    uint32_t version;        /* 1, 2, 3 …; 0: there is one, and nothing is recorded of it */
    const char *description;
    struct edda_entity entity;
    const struct edda_row *evolve;   /* ends with EDDA_END */
    const struct edda_row *on;       /* ends with EDDA_END */
    const struct edda_view *view;    /* or NULL */
    const struct edda_schedule *schedules; /* ends with EDDA_END_SCHEDULES; or NULL */
    const struct edda_route *routes; /* its HTTP interface (edda/http.h), ends with EDDA_ROUTES_END; or NULL */
    const struct edda_remote *remote; /* rows of `on` without a function are handled over HTTP (edda/remote.h); or NULL */
    const struct edda_type *const *emits; /* of a remote service: message and reply types that it may name besides those of the rows, NULL-terminated; or NULL */
    edda_fits_fn *fits;      /* asked before an entity migrates to this version; or NULL */
};

/* --- what a handler can do ------------------------------------------------------------------------------------------- */

/* Adds an event or command to the step: recorded on its type's topic under its key. Encoded at once. EDDA_EINVAL names a field out of
 * its range; EDDA_ELIMIT past 65,536 messages or 32 MiB in one step. The first failure is also remembered by the step, which then fails: results may be ignored. */
EDDA_PUBLIC int edda_emit_struct(struct edda_step *step, const struct edda_type *type, const void *value);
/* The same from JSON, for messages whose struct is not at hand. */
EDDA_PUBLIC int edda_emit_json(struct edda_step *step, const struct edda_type *type, const char *json, size_t len);

/* Adds a message that is recorded only when log time reaches `due_ms` (milliseconds since 1970), under a name of this
 * entity's: the same name set again moves it, edda_deadline_cancel() takes it back. It survives restarts and happens once. */
EDDA_PUBLIC int edda_deadline_set_struct(struct edda_step *step, const char *name, int64_t due_ms,
                                         const struct edda_type *type, const void *value);
/*
 * The same again and again, from the first time that `repeats` gives after now; edda_deadline_cancel() ends it. In words:
 *   "every 250ms", 30s, 5m, 2h, 1d           so long after each other
 *   "MINUTE HOUR DAY MONTH WEEKDAY"          as cron has it: *, lists, ranges, steps, and names of months and weekdays ("0 3 * * mon-fri"); UTC, or
 *                                            behind it the minutes of a zone east or west of it: "0 3 * * * +120"
 *   "@hourly", @daily, @weekly, @monthly, @yearly
 * Each time is computed from the one before as it should have been, so it never drifts. Times that were missed while the program was stopped, or its
 * service paused, happen once, then it goes on at the next one. The step fails with EDDA_EINVAL, naming the field that is wrong.
 */
EDDA_PUBLIC int edda_schedule_set_struct(struct edda_step *step, const char *name, const char *repeats, const struct edda_type *type,
                                         const void *value);
EDDA_PUBLIC int edda_deadline_cancel(struct edda_step *step, const char *name);

/* Declares the command that undoes what this step does. When the process fails (edda_abort()) the commands declared in it are sent, the
 * last one first, each when the one before has been handled. A step that is recorded after that is undone at once, by itself. What a compensation
 * declares while it undoes is left out. */
EDDA_PUBLIC int edda_compensate_struct(struct edda_step *step, const struct edda_type *command, const void *value);
/* The process of this step's correlation id has ended: well, or badly with a reason. The first of the two counts. */
EDDA_PUBLIC int edda_finish(struct edda_step *step);
EDDA_PUBLIC int edda_abort(struct edda_step *step, const char *format, ...) EDDA_PRINTF(2, 3);

/*
 * The answer to whoever sent this command; at most one a step. A caller (edda_call()) gets it at once. A command from the log gets it recorded, with its step, on
 * the topic that it names for that (ce_replyto, or `.reply_to` of its type): as a message of the reply's type, whose key is the command's id. Such a command is
 * answered exactly once, whatever becomes of it: by edda.done {"command"} when its handler does not reply, and by edda.rejected {"command","outcome","field","message"},
 * with the outcome "rejected" or "skipped", when it is rejected, skipped, expired, cannot be read, or left out of quarantine by an operator. The topic
 * must not begin with '_' nor be the category of an entity: else `reply.refused` is said, and the command handled all the same.
 * A route whose reply is the row of the service's view (edda/http.h) needs none.
 */
EDDA_PUBLIC int edda_reply_struct(struct edda_step *step, const struct edda_type *type, const void *value);
/* The step does not succeed, and why in words: for the caller, with the HTTP status of the code, for the trace and for whoever looks after what is in
 * quarantine. `field` may be NULL. Returns the code, for the handler to return; the first of a step counts. EDDA_EINVAL when it is none of enum edda_code's. */
EDDA_PUBLIC int edda_fail(struct edda_step *step, int code, const char *field, const char *format, ...) EDDA_PRINTF(4, 5);
/* A rule says no: edda_reject(step, "amount", "the balance is %lld", balance). */
#define edda_reject(step, ...) edda_fail(step, EDDA_EREJECTED, __VA_ARGS__)
/* The step does nothing, for this reason, which the trace shows. Returns 0. */
EDDA_PUBLIC int edda_skip(struct edda_step *step, const char *format, ...) EDDA_PRINTF(2, 3);

/* Log time, milliseconds since 1970: the only clock of a handler. */
EDDA_PUBLIC int64_t edda_now_ms(const struct edda_step *step);
/* Whether the message has expired by now. The engine checks again when the step is sequenced: what has expired meanwhile is skipped. */
EDDA_PUBLIC bool edda_expired(const struct edda_step *step);
/* Gives this step's emissions whose type `.expires` another expiry than that of the message. */
EDDA_PUBLIC void edda_expire_at(struct edda_step *step, int64_t expiry_ms);
/* Waits, in a blocking handler, ten years at most. False when the application is stopping: return at once, the step is dropped and run again at the
 * next start. In a handler that is not blocking it fails the step. */
EDDA_PUBLIC bool edda_sleep(struct edda_step *step, int64_t duration_ms);

/* What a step consumes. Texts live as long as the step. */
struct edda_message_info {
    struct edda_text id;          /* of the message, unique together with its source */
    struct edda_text source;
    struct edda_text type;
    struct edda_text topic;
    struct edda_text key;
    struct edda_text correlation; /* the process */
    struct edda_text causation;   /* the id of the message that caused it; empty when none did */
    int64_t position;             /* in the log; -1: a command on its way, recorded with its step */
    int64_t time_ms;
    int64_t expiry_ms;            /* 0: never */
    uint32_t attempt;             /* 0 the first time */
};
EDDA_PUBLIC const struct edda_message_info *edda_message(const struct edda_step *step);
/* The key of the entity the step acts on. */
EDDA_PUBLIC struct edda_text edda_entity_key(const struct edda_step *step);

/* --- the idiom ------------------------------------------------------------------------------------------------------- */

#if !defined(__cplusplus) && defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L
/* edda_emit(step, PointUsed, .userId = user, .point = left) */
#define edda_emit(step, type_name, ...) \
    edda_emit_struct(step, &type_name, &(const struct type_name){ __VA_ARGS__ })
/* The same words for a command. */
#define edda_send(step, type_name, ...) edda_emit(step, type_name, __VA_ARGS__)
#define edda_deadline_set(step, name, due_ms, type_name, ...) \
    edda_deadline_set_struct(step, name, due_ms, &type_name, &(const struct type_name){ __VA_ARGS__ })
#define edda_schedule_set(step, name, repeats, type_name, ...) \
    edda_schedule_set_struct(step, name, repeats, &type_name, &(const struct type_name){ __VA_ARGS__ })
#define edda_compensate(step, type_name, ...) \
    edda_compensate_struct(step, &type_name, &(const struct type_name){ __VA_ARGS__ })
#define edda_reply(step, type_name, ...) \
    edda_reply_struct(step, &type_name, &(const struct type_name){ __VA_ARGS__ })

/* Declares handler `name` for message `type_name` of entities with state `state_name`, and the row that calls it. The function
 * itself follows, as an ordinary static one; another signature does not compile. */
#define EDDA_HANDLER(name, type_name, state_name) \
    static int name(struct edda_step *step, const struct type_name *message, const struct state_name *state); \
    static int name##_row(struct edda_step *step, const void *message, const void *state, void *user) \
    { \
        (void)user; \
        return name(step, (const struct type_name *)message, (const struct state_name *)state); \
    } \
    extern int edda_declared
/* The same for a service without entity: int name(struct edda_step *, const struct type_name *). */
#define EDDA_SAGA(name, type_name) \
    static int name(struct edda_step *step, const struct type_name *message); \
    static int name##_row(struct edda_step *step, const void *message, const void *state, void *user) \
    { \
        (void)user, (void)state; \
        return name(step, (const struct type_name *)message); \
    } \
    extern int edda_declared
/* Declares static void name(struct state_name *, const struct type_name *), which folds an event. */
#define EDDA_EVOLVE(name, state_name, type_name) \
    static void name(struct state_name *state, const struct type_name *event); \
    static void name##_row(void *state, const void *event) \
    { \
        name((struct state_name *)state, (const struct type_name *)event); \
    } \
    extern int edda_declared
/* The same in one line for an event that sets a member of the state and has nothing else to say: EDDA_EVOLVE_SET(paid, order, OrderPaid, status, PAID). */
#define EDDA_EVOLVE_SET(name, state_name, type_name, member, its_value) \
    static void name##_row(void *state, const void *event) \
    { \
        (void)(const struct type_name *)event; \
        ((struct state_name *)state)->member = (its_value); \
    } \
    extern int edda_declared
/* Declares static bool name(struct row_name *, struct edda_text key, const struct state_name *), which fills a view's row. */
#define EDDA_ROW(name, row_name, state_name) \
    static bool name(struct row_name *row, struct edda_text key, const struct state_name *state); \
    static bool name##_row(void *row, struct edda_text key, const void *state) \
    { \
        return name((struct row_name *)row, key, (const struct state_name *)state); \
    } \
    extern int edda_declared

/* EDDA_ON(OrderCreated, exchange_order, id) or with options: EDDA_ON(OrderCreated, exchange_order, id, .blocking = 64) */
#define EDDA_ON(type_name, handler, ...) EDDA_ON_(type_name, handler, __VA_ARGS__, .reserved = 0)
#define EDDA_ON_(type_name, handler, key_member, ...) \
    { .type = &type_name, .handle = handler##_row, .key = #key_member, __VA_ARGS__ }
#define EDDA_WHEN(type_name, evolver) { .type = &type_name, .evolve = evolver##_row }
/* EDDA_VIEW("orders", Order, order_row, .path = "/orders", .item = "/orders/{id}"): rows of type Order, filled by what EDDA_ROW() has declared. */
#define EDDA_VIEW(its_name, row_name, ...) EDDA_VIEW_(its_name, row_name, __VA_ARGS__, .reserved = 0)
#define EDDA_VIEW_(its_name, row_name, filler, ...) { .name = its_name, .row = &row_name, .fill = filler##_row, __VA_ARGS__ }
#define EDDA_END { .type = NULL }
/* EDDA_SCHEDULE("nightly", "0 3 * * *", Sweep, .shop = EDDA_STATIC_TEXT("main")) */
#define EDDA_SCHEDULE(its_name, its_repeats, type_name, ...) \
    { .name = its_name, .repeats = its_repeats, .type = &type_name, .value = &(const struct type_name){ __VA_ARGS__ } }
#define EDDA_END_SCHEDULES { .name = NULL }
/* EDDA_ENTITY(order, "orders") or with options: EDDA_ENTITY(order, "orders", .state_version = 2) */
#define EDDA_ENTITY(state_name, ...) EDDA_ENTITY_(state_name, __VA_ARGS__, .reserved = 0)
#define EDDA_ENTITY_(state_name, its_category, ...) { .state = &state_name, .category = its_category, __VA_ARGS__ }
#endif

#ifdef __cplusplus
}
#endif
#endif
