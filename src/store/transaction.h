/*
 * transaction: producers that are known by an id, and their transactions (KIP-98, KIP-360, KIP-447; transactions of version 1).
 *
 * A transaction's batches are appended as they arrive, and take offsets; their records have no position, no version and no identity
 * yet, and nobody but a consumer that reads uncommitted records sees them. The end of a transaction is one frame: a control record in
 * each of its partitions (which takes one offset), the group offsets that belong to it, the state of the producer, and, when it commits, the batches it
 * is made of, whose records take their positions there, in the order in which they were appended. Whatever a crash leaves, a transaction has ended wholly or is open.
 *
 * What is durable of it: `_edda.producers` (key: transactional id; value: producer id, epoch, timeout, the state), and the batches' own headers, from which open transactions and
 * the last sequence numbers are found again. Both are checkpointed ("producers"), so that little has to be read at a start.
 *
 * Ends are synchronous: no state between open and ended is ever seen. A producer that is fenced by a timeout asks again without `expected`.
 *
 * Limits, EDDA_ELIMIT beyond: 100,000 transactional ids of at most 1,000 bytes; of one transaction 900 partitions, 131,072 batches, 1,048,576 records, 100 groups, 10,000
 * offsets, and no more batches than a frame can name (36 bytes each). A batch that would go beyond is refused when it is appended, so that a commit never is.
 * 200,000 producers in partitions: the one that was idle longest is forgotten first, as all are after PRODUCER_EXPIRES_MS.
 *
 * Time is the log's. All calls belong to the owner's thread.
 */
#ifndef EDDA_STORE_TRANSACTION_H
#define EDDA_STORE_TRANSACTION_H

#include "store/partition.h"

#define TRANSACTION_TIMEOUT_MAX_MS INT32_C(900000)
#define PRODUCER_BATCHES_KEPT 5           /* whose repetition is recognised */
#define PRODUCER_EXPIRES_MS INT64_C(86400000)
#define TRANSACTIONAL_ID_EXPIRES_MS INT64_C(604800000)

struct producer_id {
    int64_t id;                           /* -1: none */
    int16_t epoch;
};

/* A producer without a transactional id: a fresh id, never given before. */
int producer_new(struct store *store, struct producer_id *ret_producer, struct edda_error *error);

/*
 * The producer of a transactional id: fences its older instances. A transaction it has left open is aborted. `expected`: what the instance believes
 * itself to be (id -1: nothing). EDDA_EINVAL for an empty id, or a timeout (milliseconds) outside of 1 to TRANSACTION_TIMEOUT_MAX_MS; EDDA_EFENCED when `expected` is
 * not the newest. Who was the newest before, and has not got the answer, gets it again.
 */
int transaction_begin_producer(struct store *store, struct slice transactional_id, int32_t timeout_ms, struct producer_id expected,
                               struct producer_id *ret_producer, struct edda_error *error);

/* The partition takes part in the producer's transaction, which is begun with the first. EDDA_EPRODUCER, EDDA_EFENCED. */
int transaction_add_partition(struct store *store, struct slice transactional_id, struct producer_id producer, struct topic *topic,
                              uint32_t partition, struct edda_error *error);
/* Offsets of the group may follow. */
int transaction_add_group(struct store *store, struct slice transactional_id, struct producer_id producer, struct slice group,
                          struct edda_error *error);
/* An offset that counts when the transaction commits. EDDA_ETRANSACTION when the group was not added. */
int transaction_add_offset(struct store *store, struct slice transactional_id, struct producer_id producer, struct slice group,
                           struct slice topic, uint32_t partition, int64_t offset, int32_t leader_epoch, struct slice metadata,
                           struct edda_error *error);
/* Whether an offset of the group's partition waits for a transaction to end. */
bool transaction_offset_pending(struct store *store, struct slice group, struct slice topic, uint32_t partition);

/* Ends it. A repetition of the same end is no failure. EDDA_ETRANSACTION when there is none, or it ended the other way. */
int transaction_end(struct store *store, struct slice transactional_id, struct producer_id producer, bool commit, struct edda_error *error);

/*
 * Aborts, for an operator who knows a producer only by its id, the transaction that is open in the partition. It ends as one that took too long: wholly, and its
 * producer is fenced, for an instance that went on would commit half of what it meant to. A repetition is no failure. EDDA_ETRANSACTION when the producer
 * has no transaction open in the partition, EDDA_EFENCED when its epoch is another one.
 */
int transaction_abort(struct store *store, struct producer_id producer, const struct topic *topic, uint32_t partition, struct edda_error *error);

/* Aborts transactions that have taken longer than their timeout, fencing their producers, and forgets what has expired. Returns the log time
 * at which it has something to do again, INT64_MAX: never. */
int64_t transactions_expire(struct store *store);

enum transaction_state {
    TRANSACTION_EMPTY,
    TRANSACTION_ONGOING,
    TRANSACTION_COMPLETE_COMMIT,
    TRANSACTION_COMPLETE_ABORT
};

struct transaction_info {
    struct slice transactional_id;
    struct producer_id producer;
    enum transaction_state state;
    int32_t timeout_ms;
    int64_t begun_ms;                     /* log time; -1 when none is open */
    uint32_t partition_count;
};
/* One of them, EDDA_ENOTFOUND; all of them, first those that are open, in the order in which they would be aborted; the partitions of an open one. What is given is borrowed for the call. */
int transaction_get(struct store *store, struct slice transactional_id, struct transaction_info *ret_info);
int transactions_each(struct store *store, int (*visit)(void *user, const struct transaction_info *info), void *user);
int transaction_partitions_each(struct store *store, struct slice transactional_id,
                                int (*visit)(void *user, struct topic *topic, uint32_t partition), void *user);

/* The producers that a partition remembers (DescribeProducers). */
struct producer_info {
    struct producer_id producer;
    int32_t last_sequence;
    int64_t last_timestamp_ms;
    int64_t transaction_first_offset;     /* -1: none is open */
};
int producers_each(struct store *store, const struct topic *topic, uint32_t partition,
                   int (*visit)(void *user, const struct producer_info *info), void *user);

#endif
