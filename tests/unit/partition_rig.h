/*
 * partition_rig: a store on the simulated io, and producers' batches for it.
 */
#ifndef EDDA_TESTS_UNIT_PARTITION_RIG_H
#define EDDA_TESTS_UNIT_PARTITION_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "io/simulated.h"
#include "store/transaction.h"

#define DIR "/data"

struct world {
    struct io *io;
    struct store *store;
    struct store_options options;
    struct edda_error error;
};

int setup(void **state);
int teardown(void **state);
void world_open(struct world *w);
void reopen(struct world *w);
void crash(struct world *w);
/* Opens again without index and checkpoints. */
void lose_index(struct world *w);
void flush(struct world *w);
/* Fails when store_verify() finds anything. */
void verify(struct world *w);
struct topic *topic_of(struct world *w, const char *name, uint32_t partitions);

/* A batch to be made. Its records have the keys KEY, or none when it is NULL, and the values VALUE0, VALUE1, … */
struct made {
    const char *key, *value;
    int32_t count;             /* 0: 1 */
    int64_t time_ms;           /* of the first record; 0: 1000; each next one is a millisecond later */
    struct producer_id producer;
    int32_t sequence;
    bool idempotent;           /* it has a producer, a sequence and an epoch */
    bool transactional;
    int compression;
    struct slice headers;      /* of each record */
    uint32_t header_count;
};
/* The batch is the buffer's. */
struct slice batch_make(struct buffer *out, const struct made *made);
/* Changes bytes of a batch and makes its checksum right again. */
void batch_seal(uint8_t *bytes, size_t len);
int produce(struct world *w, struct topic *topic, uint32_t partition, const struct made *made, struct store_batch_appended *ret_appended);
/* Appended, and its base offset; fails the test when it was refused. */
int64_t produced(struct world *w, struct topic *topic, uint32_t partition, const struct made *made);

struct text {
    char bytes[8192];
    size_t len;
};
/* What a fetch gives: "0:a0 1:a1 2:commit": offsets with values, kinds of control records, and a bar before each batch. */
const char *fetched(struct world *w, struct topic *topic, uint32_t partition, int64_t offset, bool committed);
/* The values of a stream with their versions, and of all records of a topic in the order of their positions. */
const char *stream_text(struct world *w, const char *topic, const char *key);
const char *topic_text(struct world *w, struct topic *topic);
struct store_bounds bounds_of(struct world *w, struct topic *topic, uint32_t partition);

#endif
