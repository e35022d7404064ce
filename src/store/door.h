/*
 * door: what the files behind include/edda/store.h share.
 *
 *   door.c           open, close, waiting for durability
 *   door_append.c    appends, with and without waiting
 *   door_read.c      copying records out, readings
 *   door_stream.c    streams, groups, snapshots, figures
 *   subscription.c   subscriptions
 *
 * One lock makes whoever holds it the owner of the store. It is never held while the disk is waited for or a callback
 * runs. The output gate stands here: no call returns what it has seen before the tail it saw is durable.
 *
 * Flushing. Whoever waits for durability and finds nobody flushing flushes everything that has been appended, for all who
 * wait; the others wait for that, and one of them leads the next. Appends without waiting have a thread that
 * waits for them.
 */
#ifndef EDDA_STORE_DOOR_H
#define EDDA_STORE_DOOR_H

#include "edda/store.h"
#include "io/thread.h"
#include "store/internal.h"

#define DOOR_ASYNC_MAX 100000       /* appends without waiting under way */
#define DOOR_SUBSCRIPTIONS_MAX 1000
#define GATHER_RECORDS_MAX 128
#define GATHER_BYTES_MAX ((size_t)256 << 10)
#define GATHER_LOOKS_MAX 4096       /* records looked at under one hold of the lock */

struct edda_store {
    struct lock lock;
    struct condition changed;    /* more is durable, a flush has ended, something is to be done, or the store closes */
    struct io *io;
    struct store *store;
    uint32_t partitions;
    bool flushing;               /* a thread is writing */
    bool closing;
    struct thread flusher;       /* of the appends without waiting */
    bool flusher_started;
    struct list waiting;         /* struct async, in order */
    struct list free_asyncs;
    uint32_t async_count;
    struct list subscriptions;
    uint32_t subscription_count;
};

static inline struct slice slice_of_text(struct edda_text text)
{
    return slice_of(text.data, text.len);
}

static inline struct edda_text text_of_slice(struct slice s)
{
    return (struct edda_text){ (const char *)s.data, s.len };
}

/* Waits, with the lock held but given up meanwhile, until everything before `position` is durable. */
int door_settle(struct edda_store *door, uint64_t position, struct edda_error *error);
/* The same for everything that can be seen now. */
int door_settle_all(struct edda_store *door, struct edda_error *error);
/* What a call ends with that computed `code` under the lock: settles, gives the lock up, and returns the code. */
int door_leave(struct edda_store *door, int code, struct edda_error *error);

/* --- door_append.c --- */

void asyncs_run(void *door);
void asyncs_deinit(struct edda_store *door);

/* --- door_read.c --- */

/* What a reading looks for. */
struct filter {
    const struct edda_text *types;
    size_t type_count;
    bool internal;
};

/* Records copied out of the store, to be given to a callback without the lock. */
struct gather {
    struct arena arena;
    struct edda_record records[GATHER_RECORDS_MAX];
    size_t count;
    size_t limit;          /* so many, at most, are copied at a time */
    uint64_t looked;       /* records looked at */
};

void gather_init(struct gather *gather);
void gather_deinit(struct gather *gather);
void gather_clear(struct gather *gather);
bool gather_full(const struct gather *gather);
/* Copies a record if the filter lets it pass; EDDA_ENOMEM. */
int gather_add(struct gather *gather, const struct filter *filter, const struct store_record *record, int64_t version);
/* Gives up to `max` of the records to a callback; returns what it returned, when not 0. *ret_given counts them. */
int gather_give(const struct gather *gather, edda_record_fn *visit, void *user, uint64_t max, uint64_t *ret_given);

/* --- subscription.c --- */

void subscriptions_end(struct edda_store *door);

#endif
