/*
 * plain: the records of batches as they are uncompressed. A compressed batch is kept as it came; what it holds is decompressed when a
 * record of it is first wanted, and kept for the next ones: PLAIN_BYTES_MAX in all, the least recently wanted go first.
 *
 * Whoever has been given records may hold on to them until plain_release(), which the store calls when it is changed; so what has
 * to go is only retired until then, unless that is more than PLAIN_RETIRED_BYTES_MAX.
 */
#ifndef EDDA_STORE_PLAIN_H
#define EDDA_STORE_PLAIN_H

#include "wire/kafka/batch.h"

#define PLAIN_BATCH_BYTES_MAX ((size_t)64 << 20) /* of one batch, decompressed */
#define PLAIN_BYTES_MAX ((size_t)8 << 20)
#define PLAIN_RETIRED_BYTES_MAX ((size_t)128 << 20)

struct plain;

/* NULL when out of memory. */
struct plain *plain_new(void);
void plain_free(struct plain *plain);

/* The records of a batch, which borrow it when it is not compressed. `key` is the batch's own: its address, or plain_key(). EDDA_EMALFORMED,
 * EDDA_ETOOLARGE (PLAIN_BATCH_BYTES_MAX), EDDA_EUNSUPPORTED, EDDA_ENOMEM. */
int plain_records(struct plain *plain, uint64_t key, const struct batch *batch, struct slice *ret_records, struct edda_error *error);

/* A key for a batch that has no address yet; never the same twice, and no address. */
uint64_t plain_key(struct plain *plain);

/* The batches with these keys, from one up to another, are others now. */
void plain_forget(struct plain *plain, uint64_t from, uint64_t to);

/* Nobody holds on to records any more. */
void plain_release(struct plain *plain);

#endif
