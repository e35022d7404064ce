/*
 * store: topics with partitions, and streams in them, over the log and the index.
 *
 * A record with topic `orders` and key `7` is the next event of stream `orders/7`, whoever wrote it. The store keeps one total order
 * of records: a record's position is its ordinal in it.
 *
 * Records are sequenced into the open frame (store/frame.h): one record batch per partition, and the order in which
 * records of different batches follow each other. store_close_frame() turns the open frame into a body of the log and its records into entries of the index;
 * store_flush_*() makes it durable. What is sequenced can be read at once, by store_cursor and by stream; whoever answers somebody outside waits until
 * store_durable_position() has passed the tail that he saw (the output gate).
 *
 * Everything here belongs to one thread, the owner's. include/edda/store.h is the door for other threads.
 *
 * How a frame's body lies in the log is in store/frame.h and docs/internals/store-format.md; internal.h tells what is where in the code.
 *
 * Internal topics start with "_edda." or "__": "_edda.topics" (key: topic, value: JSON of its row; partition number 0 of the log), "_edda.streams"
 * (key: category/key; value: JSON of stream metadata), "__consumer_offsets" (key: group, topic, partition). They
 * are tables: the last value of a key counts, a null value deletes.
 */
#ifndef EDDA_STORE_STORE_H
#define EDDA_STORE_STORE_H

#include "base/arena.h"
#include "base/hash.h"
#include "edda/error.h"
#include "io/io.h"
#include "log/log.h"
#include "store/index.h"
#include "wire/cloudevents/cloudevents.h"
#include "wire/kafka/batch.h"

/*
 * Of all that is kept in the log: bodies of frames, Edda's own topics, what the engine records (docs/internals). To be counted up with whatever a program of the count
 * before would not read, or not read so; 0 were those before it was counted.
 */
#define STORE_FORMAT 1
#define STORE_TOPIC_NAME_MAX 249      /* bytes; letters, digits, '.', '_', '-', as Kafka */
#define STORE_KEY_MAX 4096            /* bytes of the key of a record that is appended; those of producers' batches may have longer ones, and their streams are read like others */
#define STORE_RECORD_MAX (UINT32_C(1) << 20) /* default limit of one record, bytes; max.message.bytes */
#define STORE_APPEND_RECORDS_MAX 65536
#define STORE_PARTITIONS_MAX 10000    /* of one topic */
#define STORE_PARTITIONS_ALL_MAX 200000 /* of all topics, with those that were deleted, whose numbers are never given again */
#define STORE_HEADERS_MAX 1000        /* of one record of a producer */
#define STORE_TOPICS_MAX 10000
#define STORE_TOPICS_EVER_MAX 100000 /* with those that were deleted, whose offsets and versions are kept */
#define STORE_UNFLUSHED_BYTES_DEFAULT (UINT64_C(8) << 20)
#define STORE_PARTITIONS_DEFAULT 1

struct store;
struct frame;

struct store_options {
    struct log_options log;
    struct index_options index;
    uint32_t frame_bytes;      /* the open frame is closed when it reaches this; 0: 256 KiB */
    uint64_t unflushed_bytes_max; /* 0: 8 MiB; sequencing beyond gives EDDA_EBUSY */
    uint64_t message_bytes_max;   /* the default of max.message.bytes, at most 32 MiB; 0: 1,048,588 */
    int64_t scavenge_interval_ms; /* how often retention is looked after and space given back; 0: 5 minutes; negative: when asked only */
    uint64_t scavenge_bytes_per_second; /* at most so much is read and written for it; 0: 32 MiB */
    uint32_t frames_kept;      /* durable frames that stay in memory for cursors close behind, within 4 MiB; 0: 256 */
    /* Told about the rebuilding of the index: done and all bytes of log. May be NULL. */
    void (*progress)(void *user, uint64_t done_bytes, uint64_t all_bytes);
    void *progress_user;
};

struct topic {
    char name[STORE_TOPIC_NAME_MAX + 1];
    uint8_t id[16];            /* random UUID, stable */
    uint32_t partition_count;
    struct topic_settings *settings; /* store/settings.h; NULL: nothing is set */
    int64_t message_bytes_max; /* its max.message.bytes while that is not set: the store's default */
    uint32_t first_partition;  /* numbers in the log are not contiguous after partitions were added: see partitions */
    struct partition *partitions;
    bool internal;
    bool deleted;
    bool decided;              /* a service's entities are of this category, so that it is never compacted; the engine's to say */
    void *user;                /* the engine's; NULL at first */
};

/* A record as the store gives it: borrowed from the tail's memory, from the mapped log, or from the decompressed records of its batch; good until the store is
 * next changed (tail), closed (log), or until store_maintain() or 128 MiB of other decompressed records were read (compressed). Copy what must live longer. */
struct store_record {
    uint64_t position;
    struct topic *topic;
    uint32_t partition;        /* within the topic */
    struct record record;      /* offset, timestamp, key, value, headers */
};

/* --- opening ------------------------------------------------------------------------------------------ */

/* Opens the data directory: log/ and index/ in it. What the index lacks is added from the log, with progress. */
int store_open(struct io *io, const char *path, const struct store_options *options, struct store **ret_store,
               struct log_recovery *ret_recovery, struct edda_error *error);
/* Flushes, seals nothing, closes. */
void store_close(struct store *store);
/* A random number that the log was given when it was made. */
uint64_t store_id(const struct store *store);
/* Takes in what another process has written since this store was opened read-only or last refreshed: 1 when there was something, else 0 (log_refresh()).
 * What it adds stays in memory until the store is closed; after a failure the store must be opened again. */
int store_refresh(struct store *store, struct edda_error *error);
/* Closes as if the process had died. */
void store_abandon(struct store *store);
struct log *store_log(struct store *store);
struct index *store_index(struct store *store);
struct io *store_io(struct store *store);

/* --- topics ------------------------------------------------------------------------------------------- */

/* NULL when there is none, or it is deleted. */
struct topic *store_topic(struct store *store, struct slice name);
/* The same, by the id that it has had since it was made. */
struct topic *store_topic_by_id(struct store *store, const uint8_t id[16]);
/* EDDA_EINVAL for a name that no topic can have. */
int store_topic_name_check(struct slice name, struct edda_error *error);
/* The topic, made with `partitions` (0: the default) when missing. EDDA_EINVAL for a bad name, EDDA_ELIMIT. */
int store_topic_ensure(struct store *store, struct slice name, uint32_t partitions, struct topic **ret_topic, struct edda_error *error);
/* Gives a topic more partitions: EDDA_EINVAL for fewer than it has, EDDA_ELIMIT. Streams stay where they are. */
int store_topic_grow(struct store *store, struct topic *topic, uint32_t partitions, struct edda_error *error);
/* Each topic, in order of creation; start with NULL. */
struct topic *store_topic_each(struct store *store, const struct topic *previous);
/* The next offset of a partition. */
int64_t store_next_offset(const struct topic *topic, uint32_t partition);

/* --- appending ---------------------------------------------------------------------------------------- */

enum store_expected {
    STORE_ANY = -1,     /* whatever the version is */
    STORE_NONE = -2,    /* the stream has no events, or was deleted */
    STORE_EXISTS = -3   /* it has at least one; 0 and more: exactly this version */
};

struct store_condition {
    struct slice topic;
    struct slice key;
    int64_t expected;
};

/* A message to append. */
struct store_message {
    struct topic *topic;
    struct slice key;          /* data NULL: none, the record is in no stream */
    struct slice value;        /* data NULL: null */
    int64_t timestamp_ms;      /* 0: log time */
    struct cloudevent event;   /* its attributes; an empty id is given a UUIDv7 when `event.type` is set */
    struct slice headers;      /* further headers, encoded */
    uint32_t header_count;
    int32_t partition;         /* -1: the stream's, else murmur2(key) mod count, else 0 */
    bool identify;             /* its source and id are remembered, and a repeat recognised */
};

struct store_appended {
    uint64_t position;         /* of the first message */
    int64_t offset;            /* of the first message */
    int64_t version;           /* of the last message in its stream; -1 when unkeyed. Filled when asked for */
    bool repeated;             /* all messages were there already: nothing was appended; the rest tells of the first time */
};

/*
 * Sequences messages, all or nothing, in one frame and at positions one after the other: checks identities and conditions, then puts them
 * into the open frame. `want_version` costs a look-up for the last message; `ret_appended` may be NULL. What the messages borrow must
 * not lie in the open frame, whose memory moves: copy what was read from the tail.
 *
 * A repeat gives the first result, whatever has become of the conditions since: every message that is to be identified was recorded before, and all
 * messages, also the others, lie at positions one after the other with the same topic, key, type and value. Anything between a repeat and a fresh append
 * is EDDA_EDUPLICATE. On EDDA_EVERSION the message names both versions; a deleted stream meets STORE_ANY and STORE_NONE only.
 *
 * EDDA_EFULL, EDDA_EBUSY (too much is unflushed, or the index is behind: wait for a job, call store_maintain()), EDDA_ETOOLARGE, EDDA_ELIMIT
 * (messages, or more than 1,000 partitions), EDDA_ENOMEM, EDDA_EINVAL: nothing was sequenced, though the frame may have been closed for it.
 */
int store_append(struct store *store, const struct store_condition *conditions, size_t condition_count,
                 const struct store_message *messages, size_t count, bool want_version,
                 struct store_appended *ret_appended, struct edda_error *error);

/* Called with the frame still open, right before it is closed, so that the engine's progress can join it (it may call store_append()). When it fails the frame
 * stays open, and what is in it not durable, until it succeeds: a frame must not leave without what the hook adds. */
typedef int store_close_fn(void *user, struct edda_error *error);
void store_on_close_frame(struct store *store, store_close_fn *hook, void *user);

/* Closes the open frame if it holds anything. */
int store_close_frame(struct store *store, struct edda_error *error);
/* Bytes and age of the open frame: 0 when there is none; the boot-clock time in nanoseconds at which it was opened. */
uint64_t store_open_frame_bytes(const struct store *store);
int64_t store_open_frame_since_ns(const struct store *store);

/* Whether frames that were closed are not synced yet: a flush is under way, or is to come. */
bool store_frames_unflushed(const struct store *store);

/* Closes the frame and writes and syncs everything, on this thread. Waits for flushes under way, in io_jobs_finish(). */
int store_flush(struct store *store, struct edda_error *error);
/* Closes the frame and submits a job of IO_POOL_FLUSH; `io_jobs_finish()` ends it. 0 when nothing is to be done, 1 when started, EDDA_EBUSY when as many as
 * allowed are under way: LOG_FLUSHES_MAX, or one while the index waits to be sealed (store/flush.c); then the frame stays open. */
int store_flush_start(struct store *store, struct edda_error *error);
/* Not 0 once a flush has failed: the store must be abandoned. */
int store_broken(const struct store *store);

/* The next position to be given; everything below the second is durable. */
uint64_t store_tail(const struct store *store);
uint64_t store_durable_position(const struct store *store);
/* Whether an append that was refused with EDDA_EBUSY may be taken when what is under way has ended: a flush, or a job of the index that has to come before it takes more. */
bool store_is_behind(const struct store *store);
int64_t store_time_ms(struct store *store);

/* Work that is due between turns: sealing the index, forgetting frames that are durable, a slice of scavenging. Cheap when there is none. What was borrowed from the
 * log is no longer good. */
void store_maintain(struct store *store);

/* --- reading ------------------------------------------------------------------------------------------ */

/* What was wrong, in words, when a call of this section or a look-up further down last returned a negative code. */
const struct edda_error *store_read_error(const struct store *store);

/* Number of versions ever (next version), the first that is still there (after truncation), and whether it was deleted. */
struct stream_info {
    int64_t next_version;
    int64_t first_version;
    bool deleted;
};
int store_stream_info(struct store *store, struct slice topic, struct slice key, struct stream_info *ret_info);

/* Reads a stream from `version` forward, or backward (-1: from the end). `visit` gets each record with its version; it ends at a result other than
 * 0. At most `max` records. Returns how many were visited, or what visit returned when negative. */
typedef int store_visit_fn(void *user, const struct store_record *record, int64_t version);
int64_t store_stream_read(struct store *store, struct slice topic, struct slice key, int64_t version, bool backward,
                          uint64_t max, store_visit_fn *visit, void *user);
/* The newest record of a stream; EDDA_ENOTFOUND. The record is good until the store is next changed. */
int store_stream_last(struct store *store, struct slice topic, struct slice key, struct store_record *ret_record);

/* Everything of one correlation id, in order of position. */
int64_t store_correlation_read(struct store *store, struct slice correlation, uint64_t max, store_visit_fn *visit, void *user);
/* The position at which a source and id were first recorded; EDDA_ENOTFOUND. */
int store_identity(struct store *store, struct slice source, struct slice id, uint64_t *ret_position);
/* One record by its position; EDDA_ENOTFOUND. */
int store_position_read(struct store *store, uint64_t position, struct store_record *ret_record);
/* The records of a partition from an offset on, in the order of their positions; those of transactions that have committed among them. */
int64_t store_partition_read(struct store *store, struct topic *topic, uint32_t partition, int64_t offset, uint64_t max,
                             store_visit_fn *visit, void *user);

/*
 * A cursor walks all records in the order of their positions, from the log into the frames still in memory and up to the tail. Records it stands before stay
 * readable. It is plain memory: no closing, but store_cursor_deinit() gives its scratch back.
 */
struct store_cursor {
    uint64_t position;         /* of the next record */
    struct topic *only;        /* a category; NULL: everything */
    struct frame_reader *reader;
};
void store_cursor_init(struct store_cursor *cursor, uint64_t position, struct topic *only);
void store_cursor_deinit(struct store_cursor *cursor);
/* 1 and the next record, 0 at the tail, or a negative code (EDDA_ECORRUPT …). */
int store_cursor_next(struct store *store, struct store_cursor *cursor, struct store_record *ret_record, struct edda_error *error);

/* The same backward: the record before the cursor, which then stands before it. UINT64_MAX as the position is the tail. */
int store_cursor_previous(struct store *store, struct store_cursor *cursor, struct store_record *ret_record, struct edda_error *error);

/* --- tables and metadata ------------------------------------------------------------------------------ */

/* Calls `visit` with the last record of each key of a topic (internal ones as a rule) whose value is not null, in order of position; scans the topic. */
int64_t store_table_scan(struct store *store, struct topic *topic, store_visit_fn *visit, void *user);

/* Versions before this one are read no more. EDDA_ENOTFOUND for a stream that has none or was deleted, EDDA_EINVAL beyond its end and for internal
 * topics; 0 when it begins later already. */
int store_stream_truncate(struct store *store, struct slice topic, struct slice key, int64_t before_version, struct edda_error *error);
/* The stream reads as empty from now on; its versions go on. EDDA_ENOTFOUND likewise, EDDA_EVERSION. */
int store_stream_delete(struct store *store, struct slice topic, struct slice key, int64_t expected, struct edda_error *error);

int store_offset_commit(struct store *store, struct slice group, struct slice topic, uint32_t partition, int64_t offset, struct slice metadata, struct edda_error *error);
/* -1 when there is none. */
int64_t store_offset_fetch(struct store *store, struct slice group, struct slice topic, uint32_t partition);
/* The same with the metadata, which may be NULL; good until the store is next changed. */
int64_t store_offset_read(struct store *store, struct slice group, struct slice topic, uint32_t partition,
                          struct slice *ret_metadata);

/* Snapshots: the newest state of a stream, kept in "_edda.snapshots" under `name`. */
int store_snapshot_put(struct store *store, struct slice name, int64_t version, struct slice state, struct edda_error *error);
int store_snapshot_get(struct store *store, struct slice name, int64_t *ret_version, struct slice *ret_state);

/* A checkpoint of something derived (the engine's views and deadlines), in a file of its own under checkpoint/: not truth, rebuilt when missing or damaged.
 * Written and synced on this thread, after a flush when `position` is not durable yet. Names are of letters, digits, '.', '_', '-', at most 64. */
int store_checkpoint_put(struct store *store, const char *name, uint64_t position, struct slice bytes, struct edda_error *error);
/* The same in the background, one at a time: takes over the bytes, and leaves `bytes` empty, when it returns 0. EDDA_EBUSY while another is under way, or
 * `position` is not durable. */
int store_checkpoint_start(struct store *store, const char *name, uint64_t position, struct buffer *bytes, struct edda_error *error);
/* What became of it: 1 while it is under way, then once 0 or a negative code. */
int store_checkpoint_ended(struct store *store, struct edda_error *error);
/* EDDA_ENOTFOUND when there is none, it is damaged, of another log, or of a tail that this log has lost. */
int store_checkpoint_get(struct store *store, const char *name, uint64_t *ret_position, struct buffer *bytes);

/* Checks frames, batches and the index against each other, after a flush; calls `damage` for each thing wrong. Returns how many. */
int64_t store_verify(struct store *store, log_damage_fn *damage, void *user, struct edda_error *error);

/* Looks after retention, and gives back the space of what is gone (store/scavenge.h), in slices of store_maintain(); with `everything` also what compaction and the
 * deletion of streams have left, for which the whole log is looked through. Nothing for a store that is only read. */
void store_scavenge_start(struct store *store, bool everything);
bool store_scavenging(const struct store *store);

struct store_scavenged {
    uint64_t passes, segments, freed_bytes; /* since the store was opened; segments that were rewritten, */
    uint64_t thinned_frames;   /* frames that lost some of their records, */
    uint64_t moved_rows;       /* of the store's tables, that were appended anew for that */
    uint64_t removed_segments; /* and that were removed from the front of the log */
    uint64_t failures;         /* passes that ended early; the next one does it again */
    struct edda_error error;   /* of the last of them; its code is 0 when there was none */
    uint64_t gap_bytes;        /* of the log: freed at any time */
};
void store_scavenged(const struct store *store, struct store_scavenged *ret_done);

struct store_stats {
    uint64_t records, log_bytes, frames_in_memory, unflushed_bytes;
    uint64_t topics;                  /* there are, but for Edda's own */
    uint64_t topics_ever, partitions; /* with those that were deleted, which keep their names and numbers, and Edda's own */
    uint64_t partitions_of_topic;     /* of the one that has most */
    uint64_t producers, transactional_ids, transactions; /* transactions: those that are open */
    uint64_t freed_bytes;      /* of the log's: what was removed, and takes no space */
    struct index_stats index;
};
void store_stats(struct store *store, struct store_stats *ret_stats);

#endif
