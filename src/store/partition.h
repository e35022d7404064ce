/*
 * partition: a topic as producers and consumers of Kafka's protocol see it: batches with offsets, fetched as they lie.
 *
 * A producer's batch is stored as it came, but for what the store assigns (base offset, leader epoch). Its records take positions,
 * versions and identities like any others, right away, or, in a transaction, when that commits (store/transaction.h).
 *
 * Offsets of a partition:
 *
 *     start <= stable <= durable <= next
 *
 * `start`: the first that can still be read (retention, store_partition_truncate()). `durable` is Kafka's high watermark: what is below is
 * on the disk, and only that is given to consumers. `stable` is the last stable offset: below it every transaction has ended. `next` is
 * what the next record gets. Offsets grow and are never used twice, also when a topic is deleted and made again.
 *
 * All calls belong to the owner's thread.
 */
#ifndef EDDA_STORE_PARTITION_H
#define EDDA_STORE_PARTITION_H

#include "store/store.h"

/* --- appending ---------------------------------------------------------------------------------------- */

struct store_batch {
    struct topic *topic;
    uint32_t partition;
    struct slice bytes;       /* one whole batch; copied */
    bool zstd_allowed;        /* the protocol version knows zstd */
};

struct store_batch_appended {
    int64_t base_offset;
    int64_t append_time_ms;   /* log time, when the topic's timestamps are those of the log; else -1 */
    bool repeated;            /* the producer's sequence numbers say that it is there: `base_offset` is of the first time */
    int32_t wrong_record;     /* EDDA_EINVAL or EDDA_EMALFORMED of one record: its index in the batch; else -1 */
};

/*
 * Checks everything a broker checks (magic, checksum, counts, offset deltas, every record, compression, size, timestamps, control bit, keys on
 * compacted topics, the producer's epoch and sequence: KIP-98, KIP-360) and sequences the batch. *ret_appended is written whatever is returned. Whoever
 * answers waits until store_tail() of that moment is durable, also for a repeat and for a batch of a transaction.
 *
 * `field` of the error is "timestamp" or "key" when that of a record is wrong, "topic" for one that was deleted (EDDA_ENOTFOUND) or is internal (EDDA_EFORBIDDEN).
 * Limits: 64 MiB of decompressed records (EDDA_ETOOLARGE), a million records (EDDA_ELIMIT); those of a transaction in store/transaction.h.
 *
 * EDDA_ECORRUPT (checksum), EDDA_EMALFORMED, EDDA_EINVAL, EDDA_ETOOLARGE (max.message.bytes), EDDA_EUNSUPPORTED (magic, compression), EDDA_EFENCED (old epoch),
 * EDDA_ESEQUENCE, EDDA_EPRODUCER (an id that cannot be, or what has the batch's sequence numbers was aborted), EDDA_ETRANSACTION (no transaction is open for a transactional batch, or one is for another), and those of store_append().
 */
int store_batch_append(struct store *store, const struct store_batch *batch, struct store_batch_appended *ret_appended,
                       struct edda_error *error);

/* --- reading ------------------------------------------------------------------------------------------ */

struct store_bounds {
    int64_t start, stable, durable, next;
};
void store_partition_bounds(struct store *store, const struct topic *topic, uint32_t partition, struct store_bounds *ret_bounds);

/*
 * Who reads a log that is larger than the memory waits for the disk, and the owner's thread must not: all others would wait with it. So a fetch can be told to give
 * only what is in memory. What else it would give, and what those who read on will want next, it asks the disk for; it is to be asked again a little later.
 */
struct store_fetch {
    struct topic *topic;
    uint32_t partition;
    int64_t offset;
    uint64_t bytes_max;       /* whole batches up to this; the first is given however large, if `first_whole` */
    bool first_whole;
    bool committed;           /* only what is below `stable` */
    bool loaded_only;         /* only what is in memory; else the disk is waited for */
};

/* Given the bytes of one batch or of several that lie one behind the other; borrowed from the mapping or from a frame in memory, good until the store is next changed. */
typedef int store_bytes_fn(void *user, struct slice bytes);

/* Gives whole batches, the first of which contains `offset`; only what is durable. Nothing at the end. Returns the bytes given. EDDA_EBUSY: nothing, because it is not in memory yet. EDDA_EOFFSET outside of
 * start to durable (to `stable` no failure: nothing), EDDA_ECORRUPT. */
int64_t store_fetch(struct store *store, const struct store_fetch *fetch, store_bytes_fn *visit, void *user, struct edda_error *error);

/* The transactions that were aborted among the records from `from` up to, not including, `to`, in the order of their ends. */
struct store_aborted {
    int64_t producer_id;
    int64_t first_offset;     /* of the transaction in this partition */
};
int store_aborted_each(struct store *store, const struct topic *topic, uint32_t partition, int64_t from, int64_t to,
                       int (*visit)(void *user, const struct store_aborted *aborted), void *user);

/* The first record, by offset, whose own timestamp is at least `time_ms`; EDDA_ENOTFOUND. */
int store_offset_at_time(struct store *store, struct topic *topic, uint32_t partition, int64_t time_ms, int64_t *ret_offset,
                         int64_t *ret_time_ms);
/* The record with the greatest timestamp, the first if there are several (KIP-734); EDDA_ENOTFOUND. */
int store_offset_of_latest(struct store *store, struct topic *topic, uint32_t partition, int64_t *ret_offset, int64_t *ret_time_ms);

/* Bytes of the partition's batches that are kept. */
uint64_t store_partition_bytes(struct store *store, const struct topic *topic, uint32_t partition);

/* Called in the owner's turn for each partition whose `durable` has grown, or whose `stable` has. */
typedef void store_durable_fn(void *user, struct topic *topic, uint32_t partition);
void store_on_durable(struct store *store, store_durable_fn *hook, void *user);

/* --- looking after it (store/scavenge.c) ---------------------------------------------------------------- */

/* Records below `offset` (-1: below `durable`) are read no more; durable with the frame. EDDA_EOFFSET beyond `durable`. */
int store_partition_truncate(struct store *store, struct topic *topic, uint32_t partition, int64_t offset, struct edda_error *error);

/* The topic is gone: its records are read no more, its name is free. A topic made again under the name has another id, and goes on with offsets and versions. */
int store_topic_delete(struct store *store, struct topic *topic, struct edda_error *error);

#endif
