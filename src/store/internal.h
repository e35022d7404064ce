/*
 * What the files of the store share.
 *
 *   frame.c, frame_load.c    a frame in memory, from records and from the log
 *   plain.c                  decompressed records of compressed batches
 *   additions.c, keys.c      what the open frame will add to the index, and under which keys
 *   store.c                  open, close, small accessors
 *   recover.c                what opening reads: topics, offsets, the part of the log that the index lacks
 *   topics.c, settings.c     topics and partitions; what is set for a topic
 *   starts.c                 what was taken from the front of partitions; deleting topics
 *   append.c, condition.c    sequencing; conditions and identities
 *   intake.c, partition.c    producers' batches: checking, appending; offsets
 *   producers.h, producers.c producers in partitions; producer ids
 *   transaction.c, transaction_end.c, producers_recover.c
 *                            transactions; what opening finds of them
 *   fetch.c                  the batches of a partition as they lie, and by time
 *   flush.c                  closing frames, flushing, sealing, forgetting
 *   lookup.c                 the index and the open frame as one; records by their entries
 *   read.c                   streams, correlations, identities, partitions
 *   cursor.c                 records in the order of their positions
 *   scavenge*.c, tally.c     giving back the space of what is gone
 *   stream_meta.c, tables.c  truncation and deletion; offsets, snapshots, tables
 *   checkpoint.c, verify.c   files of derived state; checking everything
 *   uuid.c                   ids
 *   door.h and what it names the public interface, for many threads
 *
 * Invariants:
 *   1. A frame stays in memory until it is durable, so every record is either in memory or in the durable log.
 *   2. A record of a closed frame is in the index, but for the newest closed frame while `unindexed`; the additions
 *      hold what is not in the index, and nothing else.
 *   3. The index is sealed only while every closed frame is durable and indexed.
 */
#ifndef EDDA_STORE_INTERNAL_H
#define EDDA_STORE_INTERNAL_H

#include "base/table.h"
#include "store/additions.h"
#include "store/frame.h"
#include "store/keys.h"
#include "store/partition.h"
#include "store/settings.h"

#define FRAME_BYTES_DEFAULT (UINT32_C(256) << 10)
#define FRAMES_KEPT_BYTES (UINT64_C(4) << 20) /* of durable frames that stay in memory for cursors close behind */
#define FRAMES_KEPT_DEFAULT 256
#define FRAMES_FREE_MAX 4
#define TIMESTAMP_MAX_MS INT64_C(253402300799999) /* the end of the year 9999 */

#define TOPIC_TOPICS "_edda.topics"
#define TOPIC_STREAMS "_edda.streams"
#define TOPIC_SNAPSHOTS "_edda.snapshots"
#define TOPIC_OFFSETS "__consumer_offsets"
#define TOPIC_STARTS "_edda.starts"

struct partition {
    uint32_t number;           /* in the log */
    uint32_t batch;            /* its batch in the open frame, when `generation` is the open frame's */
    uint64_t generation;
    int64_t next_offset;
    int64_t durable_offset;    /* what is below is in durable frames */
    int64_t told_offset, told_stable; /* of which the hook was told */
    struct partition_transactions *transactions; /* NULL: it never had any; store/producers.h */
    int64_t start_offset;      /* the first that is still read; what lies below was truncated or is past its retention */
    uint64_t start_position;   /* before it the partition has nothing that is still read */
    uint64_t start_recorded;   /* the tail when the start was recorded: it is durable when that is */
    int64_t settled_start;     /* the scavenger's: the start that is durable and that it goes by, */
    uint64_t settled_position; /* and its position */
};

static inline int64_t partition_start(const struct topic *topic, uint32_t partition)
{
    return topic->partitions[partition].start_offset;
}

struct topic_entry {
    struct topic topic;
    struct table_link link;    /* by name */
    struct table_link by_id;
    uint32_t ordinal;          /* in order of creation */
    bool mixed;                /* streams may lie in other partitions than their key's hash says */
    uint32_t partitions_known; /* with those of before the topic was deleted and made again with fewer: they hold nothing */
    bool table;                /* internal, and of each key only the last record counts: it is compacted */
    bool truncated;            /* one of its partitions does not begin at 0 any more */
    uint64_t recorded;         /* the tail when its row or one of its starts was recorded last: they are durable when that is */
    uint64_t emptied;          /* what lies before this position was deleted with the topic; 0: it never was */
};

/* Whose a partition number is. */
struct partition_place {
    struct topic_entry *entry;
    uint32_t partition;
};

struct flush_slot {
    struct io_job job;
    struct store *store;
    struct log_flush *flush;   /* NULL: free */
};

/* Which batches of the durable log have had their checksum checked; see lookup.c. */
struct verified_page {
    struct table_link link;
    uint64_t number;           /* address >> VERIFIED_PAGE_BITS */
    uint64_t bits[];
};

/* Where in a partition's list of batches an offset was. */
struct fetch_place {
    uint32_t partition;        /* number in the log */
    int64_t offset;
    uint64_t ordinal;
};

/* A frame read from the log, kept for the next record that is wanted from it. */
struct frame_reader {
    struct frame *frame;
    uint64_t rewrites;         /* log_rewrites() when it was read */
    struct buffer scratch;
};

struct intake;
struct producers;

struct store {
    struct io *io;
    struct log *log;
    struct index *index;
    uint64_t seed;             /* of the index's keys */
    struct hash128 frames_key;
    char *path;
    struct store_options options;
    int broken;                /* the code of a failed flush */
    struct edda_error read_error;

    struct table topics_by_name;
    struct table topics_by_id;
    struct topic_entry **topics;
    uint32_t topic_count, topic_capacity;
    struct partition_place *places; /* by partition number */
    uint32_t place_count, place_capacity;
    struct topic *topics_topic; /* the table of topics: always there */
    struct topic *streams_topic, *snapshots_topic, *offsets_topic, *starts_topic; /* NULL until first needed */

    struct frame *open;        /* NULL, or the frame that takes records */
    uint64_t generation;       /* of the open frame */
    struct additions additions;
    bool unindexed;            /* the additions are those of the last closed frame: the index would not take them */
    bool closing;              /* the hook is being called */
    store_close_fn *close_hook;
    void *close_hook_user;

    /* Closed frames in memory, oldest first: a ring of a power of two. */
    struct frame **ring;
    uint32_t ring_first, ring_count, ring_capacity;
    uint64_t ring_number;      /* how many frames have left the ring */
    uint64_t durable_bytes;    /* bodies of the durable frames in it */
    uint32_t durable_count;    /* how many of the oldest are known to be durable */
    struct list free_frames;
    uint32_t free_count;

    struct flush_slot flushes[LOG_FLUSHES_MAX];
    unsigned flushes_under_way;
    log_address flush_begun;   /* the end of what has been handed to a flush */

    struct buffer headers;     /* of the record that is being appended */
    struct buffer scratch[2];  /* keys and values of internal tables: outside of the hook and inside */
    struct frame_reader reader;
    struct frame_reader thin_reader; /* for records of thin batches */
    struct plain *plain;
    struct frame_source source; /* for frames that are read */
    struct table verified;
    struct scavenger *scavenger; /* NULL: of a store that is only read */
    struct producers *producers;
    bool transactions_changed; /* a row of one is due before the frame is closed */
    struct intake *intake;     /* of the batch that is being appended */
    struct fetch_place fetch_places[64];
    store_durable_fn *durable_hook;
    void *durable_user;
    bool checkpoint_dir;       /* the directory is there; of whoever writes a checkpoint */
    struct checkpoint_writing *checkpoint; /* by a job; or NULL */
    uint8_t random[240];       /* for ids */
    uint32_t random_used;
};

static inline struct topic_entry *topic_entry_of(const struct topic *topic)
{
    return (struct topic_entry *)(void *)((char *)(uintptr_t)topic - offsetof(struct topic_entry, topic));
}

static inline struct slice topic_name(const struct topic *topic)
{
    return slice_str(topic->name);
}

/* For the row of an internal table, until it is appended: the append may call the hook, which may append rows too. */
static inline struct buffer *scratch_take(struct store *store)
{
    struct buffer *scratch = &store->scratch[store->closing];
    buffer_clear(scratch);
    return scratch;
}

/* --- recover.c ---------------------------------------------------------------------------------------- */

/* Reads topics and offsets, and gives the index what it lacks. */
int store_recover(struct store *store, struct edda_error *error);

/* Puts into `a` what the index is to hold of a frame that has its addresses. EDDA_ENOMEM, EDDA_ECORRUPT. */
int frame_additions(struct store *store, const struct frame *frame, struct additions *a);

/* --- topics.c ----------------------------------------------------------------------------------------- */

/* Makes the table of topics, which has no row that would come before it. */
int topics_init(struct store *store);
void topics_deinit(struct store *store);
/* Applies a row of the table as it was recorded; with `offsets` its partitions take theirs from the index. */
int topics_apply(struct store *store, struct slice name, struct slice row, bool offsets, struct edda_error *error);
/* Records that streams of the topic may lie anywhere. */
int topic_mark_mixed(struct store *store, struct topic_entry *entry, struct edda_error *error);
/* Records what the topic has set. */
int topic_settings_put(struct store *store, struct topic_entry *entry, const struct topic_settings *settings,
                       struct edda_error *error);
/* One of the internal tables, made when missing. */
int topic_internal(struct store *store, const char *name, struct topic **topic, struct edda_error *error);

/* The row that says that the topic is deleted, and where its partitions end. */
int topic_delete_row(struct store *store, struct topic_entry *entry, struct edda_error *error);
/* Also one that is deleted; NULL. */
struct topic_entry *topic_entry_find(const struct store *store, struct slice name);

/* --- load.c ------------------------------------------------------------------------------------------- */

/* Whether the batch at a durable address is in memory as a whole; `known` as of log_is_loaded(). One that does not parse counts as there, and fails when it is read. If not, and
 * `ask`, the disk is asked for it, as far as is known how long it is. */
bool batch_is_loaded(struct store *store, uint64_t address, bool ask, struct log_range *known);
/* Asks the disk for the batches of a partition, from an ordinal on, that make up `bytes`, each of about `mean` (0: nobody knows). */
void batches_load(struct store *store, const struct partition *partition, uint64_t ordinal, uint64_t bytes, uint64_t mean);

/* --- starts.c ----------------------------------------------------------------------------------------- */

/* At the end of recovery: the starts that were recorded. */
int starts_load(struct store *store, struct edda_error *error);
/* `tail`: where the log ends behind what says so; 0: before what was read. */
void start_apply(struct topic_entry *entry, struct partition *partition, int64_t offset, uint64_t position, uint64_t tail);
/* Records that a partition begins at `offset` now, and has nothing that is read before `position`. Nothing when it begins later already. */
int start_put(struct store *store, struct topic_entry *entry, struct partition *partition, int64_t offset, uint64_t position,
              struct edda_error *error);
/* A position before which the topic has nothing that is still read; with a key, before which its stream has nothing. */
uint64_t topic_floor(const struct topic_entry *entry, const struct slice *key);
/* Whether what lay at this offset is gone. */
static inline bool offset_gone(const struct store *store, uint32_t number, int64_t offset)
{
    const struct partition_place *place = &store->places[number];
    return offset < place->entry->topic.partitions[place->partition].start_offset;
}

/* --- settings.c --------------------------------------------------------------------------------------- */

void topic_settings_default(struct topic_settings *ret_settings);
/* Those of a topic; of NULL the defaults. */
void topic_settings_of(const struct topic *topic, struct topic_settings *ret_settings);

/* --- append.c, condition.c ---------------------------------------------------------------------------- */

/* Whether the store takes an append now; EDDA_EIO when broken, EDDA_EBUSY. */
int append_ready(struct store *store, struct edda_error *error);

/* The partition that a key's hash says. */
uint32_t partition_by_hash(const struct topic *topic, struct slice key);
int conditions_check(struct store *store, const struct store_condition *conditions, size_t count,
                     struct edda_error *error);
/* 1 when all messages that are to be identified were recorded before (*ret_appended tells of the first time), 0 when
 * none was. */
int identities_check(struct store *store, const struct store_message *messages, size_t count,
                     struct store_appended *ret_appended, struct edda_error *error);

/* Makes room for records of `bytes` in the frame, on the disk and among what may be unflushed; a frame that would grow too
 * large is closed, which may run the hook. Asking again for as much right afterwards changes nothing. EDDA_EFULL, EDDA_EBUSY,
 * EDDA_ETOOLARGE. */
int append_room(struct store *store, uint64_t bytes, size_t count, struct edda_error *error);
struct frame_mark;
/* Puts messages into the open frame, where append_room() has made room for them. On a failure the frame is as before. */
int messages_put(struct store *store, const struct store_message *messages, size_t count, struct store_appended *ret_appended,
                 struct edda_error *error);
/* Takes back all records and batches of the store's own behind the mark, and the additions but for the first so many. */
void messages_take_back(struct store *store, struct frame *frame, const struct frame_mark *mark, uint32_t additions);
/* What append_row() takes of it. */
uint64_t append_row_bytes(struct slice key, struct slice value);
/* A record without attributes or conditions for an internal table. */
int append_row(struct store *store, struct topic *topic, struct slice key, struct slice value, struct edda_error *error);

/* --- flush.c ------------------------------------------------------------------------------------------ */

/* The open frame, opened when there is none. NULL when out of memory. */
struct frame *frame_current(struct store *store);
/* Puts into `a`, which has room, what the index is to hold of the frame's batches and of itself. */
void frame_additions_close(struct store *store, const struct frame *frame, struct additions *a);
/* In an addition of the open frame: `batch` is the address of a batch in an earlier frame, and not the index of one in this. */
#define ADDITION_REMOTE (UINT64_C(1) << 63)
/* Tries again to give the index what it would not take. */
int additions_flush(struct store *store);
void frames_deinit(struct store *store);
/* Seals the index if that is due and possible now. */
void seal_if_due(struct store *store);
/* A flush for whoever runs it with log_flush_run() and then ends it: all closed frames; NULL when there are none, or too
 * many flushes are under way. */
struct log_flush *flush_begin(struct store *store);
int flush_end(struct store *store, struct log_flush *flush, struct edda_error *error);
/* The error of a store whose flush has failed. */
int broken_fail(const struct store *store, struct edda_error *error);
/* Waits for the flushes under way; EDDA_ECLOSED when they will never end. */
int flushes_wait(struct store *store);

/* checkpoint.c */
/* As store_checkpoint_start(), for one of the store's own: store_checkpoint_ended() does not tell of it. */
int checkpoint_start_own(struct store *store, const char *name, uint64_t position, struct buffer *bytes);
/* Until no job writes one; what became of it is forgotten. */
void checkpoint_wait(struct store *store);

/* --- partition.c -------------------------------------------------------------------------------------- */

/* Notes what a frame that has become durable holds of its partitions, and then, once all that have are noted, tells the hook. */
void frame_is_durable(struct store *store, const struct frame *frame);
void frame_tell_durable(struct store *store, const struct frame *frame);
/* After opening: all there is. */
void partitions_all_durable(struct store *store);

/* --- lookup.c ----------------------------------------------------------------------------------------- */

/* The frame in memory that holds a position, or NULL. */
struct frame *frame_in_memory(struct store *store, uint64_t position);
/* The same, else read from the log with `reader`; *ret_frame holds the first position at or behind `position` that is not
 * a hole. EDDA_ENOTFOUND at the tail. */
int frame_at(struct store *store, uint64_t position, struct frame_reader *reader, struct frame **ret_frame,
             struct edda_error *error);
void frame_reader_deinit(struct frame_reader *reader);
/* A record of a frame that is in memory or loaded. EDDA_ENOTFOUND when it was removed. */
int frame_record_at(struct store *store, const struct frame *frame, uint64_t position, struct store_record *ret_record,
                    struct edda_error *error);

int lookup_count(struct store *store, struct hash128 key, uint64_t *ret_count);
/* As index_read(), over the index and the additions. */
int64_t lookup_read(struct store *store, struct hash128 key, uint64_t from, bool backward,
                    struct index_entry *ret_entries, size_t max);
/* As index_read_counted(). */
int64_t lookup_read_counted(struct store *store, struct hash128 key, uint64_t from, bool backward,
                            struct index_entry *ret_entries, size_t max, uint64_t *ret_count);
int lookup_last(struct store *store, struct hash128 key, struct index_entry *ret_entry);
int lookup_find_position(struct store *store, struct hash128 key, uint64_t position, uint64_t *ret_ordinal);

/* The record that an entry tells of. EDDA_ENOTFOUND when it was removed, here and below. */
int record_at(struct store *store, const struct index_entry *entry, struct store_record *ret_record,
              struct edda_error *error);
/* The same in two steps, for many entries: the first asks for the memory that the second reads, without waiting for it.
 * What it gives is good until the store is next changed. */
struct slice record_ahead(struct store *store, const struct index_entry *entry);
int record_read(struct store *store, const struct index_entry *entry, struct slice ahead, struct store_record *ret_record,
                struct edda_error *error);
/* A batch of the durable log by its address; *ret_number is its partition's. Its checksum is checked once. */
int batch_at(struct store *store, uint64_t address, uint32_t *ret_number, struct batch *ret_batch,
             struct edda_error *error);
/* The same of the log or of a closed frame in memory. As a frame_source's, with the store as user. */
/* The durable log from an address on; of a frame that is not durable there are none. */
struct slice bytes_at(void *store, uint64_t address);
int batch_closed_at(void *store, uint64_t address, uint32_t *ret_number, struct batch *ret_batch, struct edda_error *error);
void verified_deinit(struct store *store);
/* What lies between two addresses was written anew, and is to be checked again. */
void verified_forget(struct store *store, uint64_t from, uint64_t to);

/* --- read.c ------------------------------------------------------------------------------------------- */

/* store_correlation_read() from an ordinal of its records on, or back from it. */
int64_t correlation_read(struct store *store, struct slice correlation, uint64_t from, bool backward, uint64_t max,
                         store_visit_fn *visit, void *user);

/* The offsets of the batch that an entry of a partition tells of: its first, and the one behind its last. EDDA_ENOTFOUND when it was removed. */
int batch_offsets(struct store *store, const struct index_entry *entry, int64_t *ret_base, int64_t *ret_end);
/* A position before which the partition has no record with this offset or a later one. */
int partition_position(struct store *store, const struct partition *partition, int64_t offset, uint64_t *ret_position);

/* --- tables.c ----------------------------------------------------------------------------------------- */

/* The last value of a key, whose data is NULL when there is none. */
int table_value(struct store *store, const char *topic, struct slice key, struct slice *ret_value);
/* Removes the group offsets of a topic. */
int offsets_forget(struct store *store, struct slice topic, struct edda_error *error);

/* --- stream_meta.c ------------------------------------------------------------------------------------ */

struct stream_meta {
    uint64_t position;         /* of the record that says so */
    int64_t truncate_before;
    int64_t deleted_at;        /* the next version when it was deleted; 0: never */
};
int stream_meta_get(struct store *store, struct slice topic, struct slice key, struct stream_meta *ret_meta);

#endif
