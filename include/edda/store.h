/*
 * edda/store.h: the event store for a program that wants events and nothing else: no services, no server.
 *
 *     struct edda_store *store;
 *     edda_store_open("data", NULL, &store, &error);
 *
 *     struct edda_append_message placed = { .category = EDDA_TEXT("orders"), .key = EDDA_TEXT("7"),
 *         .type = EDDA_TEXT("OrderPlaced"), .body = EDDA_TEXT("{\"amount\":500}") };
 *     edda_append(store, &(struct edda_append_request){ .messages = &placed, .count = 1 }, NULL, &error);
 *
 *     edda_read_stream(store, EDDA_TEXT("orders"), EDDA_TEXT("7"), NULL, print, NULL, &error);
 *     edda_store_close(store);
 *
 * A message with category `orders` and key `7` is the next event of the stream `orders/7`: its version is 0, 1, 2 … All messages of
 * a store have one order, and a position in it: positions grow and are never used twice, but not every number is used.
 *
 * Threads. Every call may be made by any thread, at the same time as others. Appends of several threads are made durable
 * together: one of those that wait does it for all. Callbacks may call anything but edda_store_close() and, for their own
 * subscription, edda_unsubscribe().
 *
 * Durability. What a call says has happened, or has been read, is on the disk (fdatasync) when it says so, refusals
 * included. The one exception has to be asked for: edda_store_options.lose_on_power_failure.
 *
 * Memory. Texts given to a call are borrowed until it returns. Records given to a callback are good until the
 * callback returns.
 *
 * Failures. Every call that returns an int returns 0 or more, or a negative code of edda/error.h, with words in the struct
 * edda_error that you may pass. Any call may return EDDA_ENOMEM; EDDA_EIO when the disk has failed, after which the store must
 * be closed and opened again; EDDA_ECORRUPT when what is stored fails its checksum, with the place.
 */
#ifndef EDDA_STORE_PUBLIC_H
#define EDDA_STORE_PUBLIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "edda/error.h"
#include "edda/type.h"

#ifdef __cplusplus
extern "C" {
#endif

struct edda_store;
struct edda_subscription;

/* --- opening -------------------------------------------------------------------------------------------- */

struct edda_store_options {
    uint64_t segment_bytes;      /* size of the files of the log; 0: 64 MiB. 64 KiB to 1 GiB */
    uint32_t partitions;         /* of a category that an append makes; 0: 1 */
    bool lose_on_power_failure;  /* do not sync: what was acknowledged survives the process, not the machine */
    /* Told while the index is made again from the log, which a lost index or a crash asks for; may be NULL. */
    void (*progress)(void *user, uint64_t done_bytes, uint64_t all_bytes);
    void *progress_user;
};

/* Opens the store in the directory `path`, making it when missing. `options` may be NULL. EDDA_ELOCKED when another process has it
 * open; EDDA_EFORMAT when a newer release wrote it; EDDA_ECORRUPT names what is damaged. A tail that a crash has torn
 * off is cut: nothing of it had been acknowledged. */
EDDA_PUBLIC int edda_store_open(const char *path, const struct edda_store_options *options, struct edda_store **ret_store,
                                struct edda_error *error);

/* Ends all subscriptions, finishes all appends under way, and closes. No other call may be under way or follow, but for those
 * of callbacks, which may get EDDA_ECLOSED. NULL is allowed. */
EDDA_PUBLIC void edda_store_close(struct edda_store *store);

/* Makes a category with a number of partitions, which matters to Kafka clients only; 0 when it is there already. Appends make
 * categories by themselves. EDDA_EINVAL for a name: 1 to 249 letters, digits, '.', '_' and '-'. */
EDDA_PUBLIC int edda_category_ensure(struct edda_store *store, struct edda_text name, uint32_t partitions, struct edda_error *error);

/* --- appending ------------------------------------------------------------------------------------------ */

struct edda_append_message {
    struct edda_text category;
    struct edda_text key;         /* data NULL: none, and the message is in no stream. At most 4,096 bytes */
    struct edda_text type;        /* "OrderPlaced" */
    struct edda_text body;        /* any bytes; data NULL: null. A message has at most 1 MiB in all */
    /* An id makes the append repeatable: see edda_append(). Without one, a message with a type is given a UUIDv7. */
    struct edda_text id;
    struct edda_text source;      /* who gives ids: `source` and `id` together are unique */
    struct edda_text correlation; /* the process it belongs to */
    struct edda_text causation;   /* the id of the message that caused it */
    struct edda_text traceparent; /* W3C trace context */
    int64_t time_ms;              /* since 1970; 0: now */
    int64_t expiry_ms;            /* since 1970; 0: never */
    uint32_t data_version;        /* of the type, where it has several (edda/type.h); 0 and 1 are the same */
    struct edda_text reply_to;    /* of a command: the topic on which it is answered (edda/service.h) */
};

/* What the version of a stream may be expected to be, beside a version itself. */
enum edda_expect {
    EDDA_EXPECT_ANY = -1,
    EDDA_EXPECT_NONE = -2,  /* it has no events, or was deleted */
    EDDA_EXPECT_EXISTS = -3
};

struct edda_expected {
    struct edda_text category;
    struct edda_text key;
    int64_t version;        /* of its newest event, or one of enum edda_expect */
};

struct edda_append_request {
    const struct edda_append_message *messages;
    size_t count;                           /* 1 to 65,536 */
    const struct edda_expected *expected;   /* of any streams, also of those that are not appended to */
    size_t expected_count;
};

struct edda_appended {
    uint64_t position;      /* of the first message; the others follow without a gap */
    int64_t version;        /* of the last message in its stream; -1 when it has no key */
    int64_t offset;         /* of the first message, in its partition */
    bool repeated;          /* all of it was there already, and nothing was appended: the rest tells of the first time */
};

/*
 * Appends all messages or none, and returns when they are durable. `ret_appended` may be NULL.
 *
 * EDDA_EVERSION when a stream is not at its expected version: read it again, decide again. EDDA_EDUPLICATE when an id was
 * used before, with another body or another append around it; the same append again is no failure but `repeated`, however much
 * later it comes, and is not held to its expected versions. EDDA_EFULL when the disk is full; reads go on.
 * EDDA_EINVAL, EDDA_ETOOLARGE and EDDA_ELIMIT name what is wrong.
 */
EDDA_PUBLIC int edda_append(struct edda_store *store, const struct edda_append_request *request,
                            struct edda_appended *ret_appended, struct edda_error *error);

/* The outcome of an append: `code` is 0, or what edda_append() would have returned, with its words in `error`. */
typedef void edda_append_fn(void *user, int code, const struct edda_appended *appended, const struct edda_error *error);

/*
 * The same without waiting: `done` is called once, by a thread of the store, when the append is durable or refused; outcomes come
 * in the order of the appends. The texts are copied before it returns. EDDA_EBUSY when too much is under way: wait for some `done`,
 * or use edda_append(). When it returns a negative code, `done` is not called.
 */
EDDA_PUBLIC int edda_append_async(struct edda_store *store, const struct edda_append_request *request, edda_append_fn *done,
                                  void *user, struct edda_error *error);

/* --- reading -------------------------------------------------------------------------------------------- */

struct edda_record {
    uint64_t position;
    struct edda_text category;
    struct edda_text key;         /* data NULL: none */
    int64_t version;              /* in its stream, when a stream is read; else -1 */
    uint32_t partition;
    int64_t offset;
    int64_t time_ms;
    int64_t expiry_ms;            /* 0: never */
    struct edda_text type, id, source, correlation, causation, traceparent;
    struct edda_text body;        /* data NULL: null */
    struct edda_text headers;     /* as stored; see edda_record_header() */
};

/* The header of this name of a record; false when there is none. A header may be null: data NULL. */
EDDA_PUBLIC bool edda_record_header(const struct edda_record *record, const char *name, struct edda_text *ret_value);

/* Given each record. Returning other than 0 ends the reading or the subscription. */
typedef int edda_record_fn(void *user, const struct edda_record *record);

struct edda_read_options {
    /* Where to begin: a version of a stream, a position elsewhere. Forward it is the first that may be given,
     * backward the last. 0 forward and EDDA_FROM_END backward give everything. */
    int64_t from;
    bool backward;
    uint64_t max;                      /* records given; 0: all */
    struct edda_text category;         /* of edda_read_all(): only this one; data NULL: every one */
    const struct edda_text *types;     /* only these; NULL: all */
    size_t type_count;
    bool internal;                     /* of edda_read_all(): also the store's own tables */
};
#define EDDA_FROM_END INT64_MAX

/*
 * The events of a stream, of everything (or of a category), of a process by its correlation id. `options` may be NULL: all of it,
 * forward. A read gives what was there when it began, and possibly some of what came later. Returns how many records were
 * given, or a negative code; what `visit` returned, if that was negative. A stream or category that does not exist is empty.
 */
EDDA_PUBLIC int64_t edda_read_stream(struct edda_store *store, struct edda_text category, struct edda_text key,
                                     const struct edda_read_options *options, edda_record_fn *visit, void *user,
                                     struct edda_error *error);
EDDA_PUBLIC int64_t edda_read_all(struct edda_store *store, const struct edda_read_options *options, edda_record_fn *visit,
                                  void *user, struct edda_error *error);
/* `from` does not apply. */
EDDA_PUBLIC int64_t edda_read_correlation(struct edda_store *store, struct edda_text correlation,
                                          const struct edda_read_options *options, edda_record_fn *visit, void *user,
                                          struct edda_error *error);

/* The position behind all that is durable: where a reading or subscription "from now on" begins. */
EDDA_PUBLIC uint64_t edda_store_tail(struct edda_store *store);

/* --- subscribing ---------------------------------------------------------------------------------------- */

struct edda_subscribe_options {
    int64_t from;                      /* the first position, or version when `key` is set; EDDA_FROM_END: from now on */
    struct edda_text category;         /* only this one, which need not exist yet; data NULL: every one */
    struct edda_text key;              /* only this stream of the category; data NULL: all */
    const struct edda_text *types;     /* only these; NULL: all */
    size_t type_count;
    edda_record_fn *record;            /* called with each record, in order */
    void (*live)(void *user);          /* called once, when all that was there has been given; may be NULL */
    void (*ended)(void *user, int code, const struct edda_error *error); /* called when it ends by itself; may be NULL */
    void *user;
};

/*
 * Gives all records from a place on and then, without gap or repetition, each further one when it is durable. Callbacks are
 * called by a thread of the subscription's own, so a slow one holds up nobody else. A subscription ends by
 * edda_unsubscribe(), by edda_store_close(), or by itself, when `record` returns other than 0 (then `code` is that) or
 * reading fails; it has to be unsubscribed also then. To go on after a restart, keep the position of the last record you have
 * dealt with (edda_offset_commit() is one place for it) and begin one further. EDDA_ELIMIT beyond 1,000 subscriptions.
 */
EDDA_PUBLIC int edda_subscribe(struct edda_store *store, const struct edda_subscribe_options *options,
                               struct edda_subscription **ret_subscription, struct edda_error *error);

/* Ends it: no callback runs when this returns. Not from its own callbacks: return other than 0 there. NULL is allowed. */
EDDA_PUBLIC void edda_unsubscribe(struct edda_subscription *subscription);

/* --- streams, groups, snapshots ------------------------------------------------------------------------- */

struct edda_stream_info {
    int64_t next_version;   /* how many events it has ever had */
    int64_t first_version;  /* the first that can be read */
    bool deleted;
};

EDDA_PUBLIC int edda_stream_info(struct edda_store *store, struct edda_text category, struct edda_text key,
                                 struct edda_stream_info *ret_info, struct edda_error *error);
/* Events before a version are read no more. EDDA_ENOTFOUND, EDDA_EINVAL beyond its end. */
EDDA_PUBLIC int edda_stream_truncate(struct edda_store *store, struct edda_text category, struct edda_text key, int64_t before_version,
                                     struct edda_error *error);
/* The stream reads as empty, and EDDA_EXPECT_NONE accepts it; its next event takes up its versions where they were.
 * `expected` as in an append. EDDA_ENOTFOUND, EDDA_EVERSION. */
EDDA_PUBLIC int edda_stream_delete(struct edda_store *store, struct edda_text category, struct edda_text key, int64_t expected,
                                   struct edda_error *error);

/* How far a consumer has got, under a name of its own: a position, or an offset of a partition as Kafka clients commit it. */
EDDA_PUBLIC int edda_offset_commit(struct edda_store *store, struct edda_text group, struct edda_text category, uint32_t partition,
                                   int64_t offset, struct edda_error *error);
/* -1 when there is none. */
EDDA_PUBLIC int64_t edda_offset_fetch(struct edda_store *store, struct edda_text group, struct edda_text category, uint32_t partition);

/* A state folded from a stream up to a version, so that not all of it need be read again. The newest one under a name counts. */
EDDA_PUBLIC int edda_snapshot_put(struct edda_store *store, struct edda_text name, int64_t version, struct edda_text state,
                                  struct edda_error *error);
typedef void edda_snapshot_fn(void *user, int64_t version, struct edda_text state);
/* Calls `visit` with it; EDDA_ENOTFOUND. */
EDDA_PUBLIC int edda_snapshot_get(struct edda_store *store, struct edda_text name, edda_snapshot_fn *visit, void *user,
                                  struct edda_error *error);

/* --- looking after it ----------------------------------------------------------------------------------- */

struct edda_store_stats {
    uint64_t tail;              /* the next position */
    uint64_t categories;
    uint64_t log_bytes;
    uint64_t index_bytes;       /* on the disk */
    uint64_t index_memory_bytes;
    uint64_t subscriptions;
};
EDDA_PUBLIC void edda_store_stats(struct edda_store *store, struct edda_store_stats *ret_stats);

/* Told of each thing that is wrong: the file, from which byte to which, and what. */
typedef void edda_damage_fn(void *user, const char *file, uint64_t from_byte, uint64_t to_byte, const char *reason);
/* Checks everything that is stored against its checksums and against each other; returns how many things are wrong. Other
 * calls wait meanwhile. `damage` may be NULL. */
EDDA_PUBLIC int64_t edda_store_verify(struct edda_store *store, edda_damage_fn *damage, void *user, struct edda_error *error);

#ifdef __cplusplus
}
#endif
#endif
