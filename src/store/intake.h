/*
 * intake: what a broker checks of a producer's batch before it is stored, and what the store must know of its records: where they begin, and under
 * which keys the index will have them. One pass over the records; the batch itself is not changed.
 */
#ifndef EDDA_STORE_INTAKE_H
#define EDDA_STORE_INTAKE_H

#include "store/internal.h"

#define INTAKE_RECORDS_MAX 1000000 /* of one batch */

struct intake_key {
    struct hash128 key;
    uint32_t ordinal;          /* of the record's place */
};

/* What the settings of a topic ask of a batch. */
struct intake_rules {
    uint64_t bytes_max;        /* max.message.bytes */
    bool append_time;          /* message.timestamp.type */
    bool key_needed;           /* cleanup.policy */
    int64_t before_max_ms, after_max_ms; /* message.timestamp.before.max.ms, message.timestamp.after.max.ms */
};

struct intake {
    struct batch batch;        /* borrows the bytes */
    struct intake_rules rules;
    uint32_t *places;          /* the byte of each record in the decompressed records */
    uint32_t place_count, place_capacity;
    struct intake_key *keys;
    uint32_t key_count, key_capacity;
    uint64_t plain_key;
    int64_t time_ms;           /* log time */
    int64_t max_timestamp_ms;
    bool elsewhere;            /* a stream has a record where its key's hash does not say */
    int32_t wrong_record;
};

void intake_deinit(struct intake *intake);

/* Takes the batch apart. The errors of store_batch_append() that are of the batch alone; `field` of the error is "timestamp" or "key" when a record's is wrong. */
int intake_take(struct store *store, struct intake *intake, const struct store_batch *from, struct edda_error *error);

/* For the end of a transaction: places and keys of batches that were taken before, one behind the other. EDDA_ENOMEM, EDDA_ECORRUPT. */
void intake_clear(struct intake *intake);
int intake_again(struct store *store, struct intake *intake, const struct topic *topic, const struct batch *batch, struct slice plain,
                 struct edda_error *error);

#endif
