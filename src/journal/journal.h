/*
 * journal: what the engine needs of a log, and nothing more: messages in order, an atomic step, streams, tables. Implementations:
 * journal/local.c, over the store in the same process.
 *
 * A record is borrowed: good until the next call that appends or turns. All calls belong to the owner's thread. What a call
 * returns is sequenced, not necessarily durable: whoever answers somebody outside waits for journal_durable() to reach the
 * journal_tail() that he saw.
 */
#ifndef EDDA_JOURNAL_JOURNAL_H
#define EDDA_JOURNAL_JOURNAL_H

#include "base/buffer.h"
#include "edda/error.h"
#include "wire/cloudevents/cloudevents.h"
#include "wire/kafka/batch.h"

struct journal;

/* A topic as the engine sees it; lives as long as the journal. */
struct journal_topic {
    const char *name;
    void *user; /* the engine's; NULL at first */
};

struct journal_record {
    uint64_t position;
    struct journal_topic *topic;
    struct record record; /* timestamp, key, value, headers */
};

struct journal_message {
    struct journal_topic *topic;
    struct slice key;
    struct slice value; /* data NULL: null, which deletes in a table */
    struct cloudevent event;
    struct slice headers; /* further ones, encoded */
    uint32_t header_count;
    bool identify; /* source and id are remembered */
};

enum { JOURNAL_ANY = -1, JOURNAL_NONE = -2, JOURNAL_EXISTS = -3 };

/* What one stream must be like for a step to be recorded. */
struct journal_condition {
    struct journal_topic *topic;
    struct slice key;
    int64_t expected; /* a version, or one of the above */
};

typedef int journal_visit_fn(void *user, const struct journal_record *record, int64_t version);

typedef int journal_hook_fn(void *user, struct edda_error *error);

/* Walks every record in order; starts at the position it was opened with. */
struct journal_cursor;

struct journal_ops {
    int (*topic)(struct journal *, const char *name, uint32_t partitions, struct journal_topic **ret_topic, struct edda_error *error);
    void (*decided)(struct journal *, struct journal_topic *topic);
    int (*append)(struct journal *, const struct journal_condition *condition, const struct journal_message *messages, size_t count,
                  uint64_t *ret_position, struct edda_error *error);
    int (*cursor_open)(struct journal *, uint64_t position, struct journal_cursor **ret_cursor);
    void (*cursor_close)(struct journal_cursor *cursor);
    int (*cursor_next)(struct journal *, struct journal_cursor *cursor, struct journal_record *ret_record, struct edda_error *error);
    int64_t (*stream_next_version)(struct journal *, struct journal_topic *topic, struct slice key);
    int64_t (*stream_read)(struct journal *, struct journal_topic *topic, struct slice key, int64_t version, journal_visit_fn *visit, void *user);
    int (*stream_last)(struct journal *, struct journal_topic *topic, struct slice key, struct journal_record *ret_record);
    int (*record_at)(struct journal *, uint64_t position, struct journal_record *ret_record);
    int64_t (*correlation_read)(struct journal *, struct slice correlation, uint64_t max, journal_visit_fn *visit, void *user);
    int (*identity)(struct journal *, struct slice source, struct slice id, uint64_t *ret_position);
    int64_t (*table_scan)(struct journal *, struct journal_topic *topic, journal_visit_fn *visit, void *user);
    int (*checkpoint_put)(struct journal *, const char *name, uint64_t position, struct slice bytes, struct edda_error *error);
    int (*checkpoint_start)(struct journal *, const char *name, uint64_t position, struct buffer *bytes, struct edda_error *error);
    int (*checkpoint_ended)(struct journal *, struct edda_error *error);
    int (*checkpoint_get)(struct journal *, const char *name, uint64_t *ret_position, struct buffer *bytes);
    void (*before_flush)(struct journal *, journal_hook_fn *hook, void *user);
    int (*flush)(struct journal *, bool idle, struct edda_error *error);
    bool (*flushing)(struct journal *);
    uint64_t (*tail)(struct journal *);
    uint64_t (*durable)(struct journal *);
    int64_t (*time_ms)(struct journal *);
    uint64_t (*id)(struct journal *);
    void (*close)(struct journal *, bool abandon);
};

struct journal {
    const struct journal_ops *ops;
};

/* The topic, made when missing; partitions 0: the default. */
static inline int journal_topic(struct journal *j, const char *name, uint32_t partitions, struct journal_topic **ret_topic, struct edda_error *error)
{
    return j->ops->topic(j, name, partitions, ret_topic, error);
}

/* The topic holds the events of entities, all of which make up their state: it must never be compacted. */
static inline void journal_decided(struct journal *j, struct journal_topic *topic)
{
    j->ops->decided(j, topic);
}

/* Records a step: all messages or none; `condition` may be NULL. *ret_position is the first one's. EDDA_EVERSION, EDDA_EFULL (no space:
 * pause and try again), EDDA_EBUSY (too much is not durable yet: flush and try again), EDDA_ETOOLARGE, EDDA_ELIMIT, EDDA_EIO (final). */
static inline int journal_append(struct journal *j, const struct journal_condition *condition, const struct journal_message *messages,
                                 size_t count, uint64_t *ret_position, struct edda_error *error)
{
    return j->ops->append(j, condition, messages, count, ret_position, error);
}

static inline int journal_cursor_open(struct journal *j, uint64_t position, struct journal_cursor **ret_cursor)
{
    return j->ops->cursor_open(j, position, ret_cursor);
}

static inline void journal_cursor_close(struct journal *j, struct journal_cursor *cursor)
{
    if (cursor)
        j->ops->cursor_close(cursor);
}

/* 1 and a record, 0 at the tail, or a negative code. */
static inline int journal_cursor_next(struct journal *j, struct journal_cursor *cursor, struct journal_record *ret_record, struct edda_error *error)
{
    return j->ops->cursor_next(j, cursor, ret_record, error);
}

/* How many versions a stream has had: the next event's version. */
static inline int64_t journal_stream_next_version(struct journal *j, struct journal_topic *topic, struct slice key)
{
    return j->ops->stream_next_version(j, topic, key);
}

/* Visits a stream forward from a version; ends at a result other than 0. Returns how many were visited or a negative code. */
static inline int64_t journal_stream_read(struct journal *j, struct journal_topic *topic, struct slice key, int64_t version,
                                          journal_visit_fn *visit, void *user)
{
    return j->ops->stream_read(j, topic, key, version, visit, user);
}

/* The newest record of a stream or row of a table; EDDA_ENOTFOUND. */
static inline int journal_stream_last(struct journal *j, struct journal_topic *topic, struct slice key, struct journal_record *ret_record)
{
    return j->ops->stream_last(j, topic, key, ret_record);
}

static inline int journal_record_at(struct journal *j, uint64_t position, struct journal_record *ret_record)
{
    return j->ops->record_at(j, position, ret_record);
}

static inline int64_t journal_correlation_read(struct journal *j, struct slice correlation, uint64_t max, journal_visit_fn *visit, void *user)
{
    return j->ops->correlation_read(j, correlation, max, visit, user);
}

/* Where a source and id were first recorded; EDDA_ENOTFOUND. */
static inline int journal_identity(struct journal *j, struct slice source, struct slice id, uint64_t *ret_position)
{
    return j->ops->identity(j, source, id, ret_position);
}

/* The last record of each key whose value is not null. */
static inline int64_t journal_table_scan(struct journal *j, struct journal_topic *topic, journal_visit_fn *visit, void *user)
{
    return j->ops->table_scan(j, topic, visit, user);
}

static inline int journal_checkpoint_put(struct journal *j, const char *name, uint64_t position, struct slice bytes, struct edda_error *error)
{
    return j->ops->checkpoint_put(j, name, position, bytes, error);
}

/* The same in the background, one at a time; takes over the bytes when it returns 0. EDDA_EBUSY: not now. */
static inline int journal_checkpoint_start(struct journal *j, const char *name, uint64_t position, struct buffer *bytes, struct edda_error *error)
{
    return j->ops->checkpoint_start(j, name, position, bytes, error);
}

/* What became of it: 1 while it is under way, then once 0 or a negative code. */
static inline int journal_checkpoint_ended(struct journal *j, struct edda_error *error)
{
    return j->ops->checkpoint_ended(j, error);
}

static inline int journal_checkpoint_get(struct journal *j, const char *name, uint64_t *ret_position, struct buffer *bytes)
{
    return j->ops->checkpoint_get(j, name, ret_position, bytes);
}

/* `hook` may still append to what is about to be made durable together. When it fails nothing of that becomes durable, until it succeeds. */
static inline void journal_before_flush(struct journal *j, journal_hook_fn *hook, void *user)
{
    j->ops->before_flush(j, hook, user);
}

/* Makes durable what is sequenced: now and on this thread when `idle` (there is nothing else to do), else in the background once enough has gathered or
 * some time has passed. A failure is final; a full disk is none: what is sequenced
 * waits until there is room. */
static inline int journal_flush(struct journal *j, bool idle, struct edda_error *error)
{
    return j->ops->flush(j, idle, error);
}

/* Whether something sequenced is not durable yet, or what was refused with EDDA_EBUSY has something else to wait for. */
static inline bool journal_flushing(struct journal *j)
{
    return j->ops->flushing(j);
}

static inline uint64_t journal_tail(struct journal *j)
{
    return j->ops->tail(j);
}

static inline uint64_t journal_durable(struct journal *j)
{
    return j->ops->durable(j);
}

static inline int64_t journal_time_ms(struct journal *j)
{
    return j->ops->time_ms(j);
}

/* Which log it is: ties to it what is derived from it and kept elsewhere. A copy of a log has the same. */
static inline uint64_t journal_id(struct journal *j)
{
    return j->ops->id(j);
}

/* `abandon`: as if the process had died. */
static inline void journal_close(struct journal *j, bool abandon)
{
    if (j)
        j->ops->close(j, abandon);
}

#endif
