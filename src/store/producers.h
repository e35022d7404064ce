/*
 * producers: what the store knows of those that write with a producer id (KIP-98): of each in each partition its epoch, its last batches and
 * the begin of its open transaction; of each partition the transactions that are open in it, and those that were aborted; and of each transactional id
 * the state of its transaction.
 *
 * All of it follows from the log: from the headers of batches, from control batches, and from the rows of "_edda.producers". It is saved in the checkpoint
 * "producers", so that at a start only what lies behind that is read, by headers alone.
 *
 * Limits. A partition's producer is forgotten PRODUCER_EXPIRES_MS after its last batch, unless it has a transaction there; the one that has been
 * idle longest goes earlier when there are PRODUCERS_MAX. Then any sequence number is taken from it, as from one that was never seen.
 */
#ifndef EDDA_STORE_PRODUCERS_H
#define EDDA_STORE_PRODUCERS_H

#include "store/intake.h"
#include "store/transaction.h"

#define PRODUCERS_MAX 200000
#define PRODUCER_IDS_BLOCK 1000
#define TOPIC_PRODUCERS "_edda.producers"

#define TRANSACTIONAL_IDS_MAX 100000
#define TRANSACTIONAL_ID_BYTES_MAX 1000
#define TRANSACTION_PARTITIONS_MAX 900     /* each has a control batch in the frame that ends the transaction */
#define TRANSACTION_GROUPS_MAX 100
#define TRANSACTION_OFFSETS_MAX 10000
#define TRANSACTION_BATCHES_MAX (1u << 17)
#define TRANSACTION_RECORDS_MAX (1u << 20)

/* What the key of a control record says (KIP-98). */
#define CONTROL_ABORT 0
#define CONTROL_COMMIT 1

struct producer_batch {
    int32_t first_sequence, last_sequence;
    int64_t base_offset;       /* -1: its transaction was aborted */
};

/* A producer in one partition. */
struct producer {
    struct table_link link;    /* by partition and id */
    struct list age;           /* the longest idle first */
    int64_t id;
    int64_t last_time_ms;      /* log time */
    int64_t last_timestamp_ms; /* of its records */
    int64_t first_offset;      /* of its open transaction; -1 */
    uint32_t partition;        /* number in the log */
    int16_t epoch;
    uint8_t batch_count;
    struct producer_batch batches[PRODUCER_BATCHES_KEPT]; /* the newest last */
};

/* A transaction in one partition, from its first batch until its end is durable. */
struct span {
    struct span *next;         /* in the order of their first offsets */
    int64_t producer_id;
    int64_t first_offset;
    int64_t last_offset;       /* of its control batch; -1: it is open */
};

struct aborted {
    int64_t producer_id;
    int64_t first_offset;
    int64_t last_offset;
};

/* What a partition has had of transactions; NULL in most. */
struct partition_transactions {
    struct span *spans;
    struct aborted *aborted;   /* in the order of their ends */
    uint32_t aborted_count, aborted_capacity;
};

struct transaction_partition {
    uint32_t number;
    bool begun;                /* has a span */
};

/* A batch of an open transaction in a closed frame. */
struct transaction_batch {
    log_address address;
    uint32_t partition;
    uint32_t record_count;
};

/* The group offset that a transaction is about to commit, by the hash of its key. */
struct transaction_offset {
    uint64_t hash;
};

struct transaction {
    struct table_link by_name, by_producer;
    struct list link;          /* the store's */
    struct list open;          /* of those whose transaction is open */
    struct producer_id producer;
    struct producer_id last;   /* the one before, for repeated requests; id -1 */
    int32_t timeout_ms;
    enum transaction_state state;
    int64_t begun_ms;
    int64_t last_time_ms;      /* log time of the newest row */
    struct transaction_partition *partitions;
    uint32_t partition_count, partition_capacity;
    struct transaction_batch *batches;
    uint32_t batch_count, batch_capacity;
    uint32_t unclosed;         /* batches in the open frame: they have no address yet */
    uint32_t record_count;
    struct transaction_offset *offsets;
    uint32_t offset_count, offset_capacity;
    struct buffer groups;      /* each with its length before it, as u16 */
    uint32_t group_count;
    uint64_t noted;            /* the generation of the open frame that has a row of it */
    bool changed;              /* since that row: another one is due before the frame is closed */
    uint32_t name_bytes;
    uint8_t name[];
};

struct producers {
    struct table table;
    struct list age;
    uint32_t count;
    int64_t next_id, ids_end;  /* producer ids given, and noted */
    struct table by_name, by_producer;
    struct list transactions;
    struct list open;          /* those that are ongoing: they are looked at in every turn, and there may be many others */
    uint32_t transaction_count, ongoing;
    int64_t idle_due_ms;       /* log time before which none of the others expires */
    struct topic *topic;       /* "_edda.producers"; NULL until first needed */
    struct buffer scratch;     /* rows and control batches */
    /* The checkpoint. */
    struct buffer saved;       /* waits to be durable */
    uint64_t saved_position;
    uint64_t saved_end;        /* of the log, when it was last made */
    uint64_t saved_bytes;
};

void producers_init(struct producers *producers);
void producers_deinit(struct store *store);

/* --- producers.c ---------------------------------------------------------------------------------------- */

struct producer *producer_find(const struct store *store, uint32_t partition, int64_t id);
/* 1 when the batch is there already (its first offset in *ret_base), 0 when it may be appended; EDDA_EFENCED, EDDA_ESEQUENCE, EDDA_ETRANSACTION, EDDA_EPRODUCER. */
int producer_check(struct store *store, const struct topic *topic, uint32_t partition, const struct batch *batch, int64_t *ret_base,
                   struct edda_error *error);
/* Before the batch is put into the frame: so that noting it needs no memory. EDDA_ENOMEM. */
int producer_reserve(struct store *store, uint32_t partition, const struct batch *batch, struct edda_error *error);
/* Notes a batch with its offset. */
void producer_note(struct store *store, uint32_t partition, const struct batch *batch, int64_t time_ms);
/* Its transaction in the partition has ended; a greater epoch forgets its batches. */
void producer_end(struct store *store, uint32_t partition, struct producer_id id, bool commit);
/* Forgets what has expired. */
void producers_expire(struct store *store, int64_t now_ms);
void producer_remove(struct store *store, struct producer *producer);
/* One that is known to be needed. NULL when out of memory. */
struct producer *producer_ensure(struct store *store, uint32_t partition, int64_t id);
/* So that ids from `id` down are never given. */
int producer_ids_cover(struct store *store, int64_t id, struct edda_error *error);

/* Spans and aborted transactions of a partition. */
struct span *span_open(const struct partition *partition, int64_t producer_id);
/* NULL when out of memory. */
struct span *span_add(struct partition *partition, int64_t producer_id, int64_t first_offset);
/* Takes back the last one that was added. */
void span_cancel(struct partition *partition, struct span *span);
bool aborted_reserve(struct partition *partition);
void aborted_add(struct partition *partition, const struct span *span);
/* Those whose end is durable are no longer in the way. */
void spans_remove_ended(struct partition *partition, int64_t durable_offset);
/* The first offset of the oldest transaction that has not ended, at most what is durable; it may lie before the start. */
int64_t partition_stable(const struct partition *partition);
void partition_transactions_free(struct partition *partition);

/* --- transaction.c -------------------------------------------------------------------------------------- */

struct transaction *transaction_find(const struct store *store, struct slice name);
struct transaction *transaction_of_producer(const struct store *store, int64_t id);
/* NULL when out of memory. */
struct transaction *transaction_new(struct store *store, struct slice name);
void transaction_set_producer(struct store *store, struct transaction *t, struct producer_id producer);
void transaction_remove(struct store *store, struct transaction *t);
void transaction_set_state(struct store *store, struct transaction *t, enum transaction_state state);
/* Forgets partitions, batches, groups and offsets. */
void transaction_clear(struct transaction *t);
struct transaction_partition *transaction_partition_find(const struct transaction *t, uint32_t number);
struct transaction_partition *transaction_partition_put(struct transaction *t, uint32_t number);
bool transaction_batches_reserve(struct transaction *t, uint32_t more);
bool transaction_offset_put(struct transaction *t, uint64_t hash);
static inline struct slice transaction_name(const struct transaction *t)
{
    return slice_of(t->name, t->name_bytes);
}
/* The bytes of the frame that ends a transaction with `more` further batches. */
uint64_t transaction_end_bytes(const struct transaction *t, uint32_t more);

/* A frame was closed: the addresses of the batches in it are known now. */
void transactions_frame_closed(struct store *store, const struct frame *frame);
/* Rows that are due, before the frame is closed. */
int transactions_note(struct store *store, struct edda_error *error);
void transaction_row_put(const struct transaction *t, enum transaction_state state, struct producer_id producer, struct producer_id last,
                         bool open, struct buffer *out);

/* --- partition.c ---------------------------------------------------------------------------------------- */

/* Appends a transactional batch of the store's own: a group's offset. The partition is part of the transaction. */
int transactional_batch_append(struct store *store, struct topic *topic, uint32_t partition, const struct batch *batch, struct edda_error *error);

/* --- transaction_end.c ---------------------------------------------------------------------------------- */

struct transaction_ending {
    bool commit;
    struct producer_id producer; /* from then on: the same, or one that fences it */
    struct producer_id last;     /* and who may ask again to become that */
};
/* Ends an open transaction in one frame. Those of append_room(), EDDA_ENOMEM, EDDA_ECORRUPT: nothing has changed. */
int transaction_finish(struct store *store, struct transaction *t, const struct transaction_ending *ending, struct edda_error *error);

/* --- producers_recover.c -------------------------------------------------------------------------------- */

/* At the end of recovery. */
int producers_recover(struct store *store, struct edda_error *error);
/* After a frame was closed: makes the checkpoint when it is due. */
void producers_save(struct store *store);
/* Writes it once it is durable, in the background; with `now` on this thread, made anew. */
void producers_saved_write(struct store *store, bool now);

#endif
