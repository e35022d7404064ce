/*
 * scavenge: gives back the space of what is gone. Retention moves the starts of partitions on; then segments that are sealed are looked through, frame by
 * frame, and those of which enough is gone are written again without that (log/log.h, rewriting). Gone is a record
 *
 *   - before the start of its partition: past its retention, truncated, or of a deleted topic;
 *   - before the first version of a stream that was truncated or deleted;
 *   - of a topic that is compacted (internal tables are, all but that of topics), when its key has a later one, or when it is a null that has stood for delete.retention.ms and nothing older of its key is left.
 *
 * A frame goes when all its records are gone; from one that stays, batches lose those that are. What is not durable never decides anything.
 *
 * It works in slices of the owner's turn (store_maintain()), a fraction of a millisecond to a few each; reading ahead, writing and syncing are jobs. It can stop
 * anywhere: the next pass does again what was not finished.
 */
#ifndef EDDA_STORE_SCAVENGE_H
#define EDDA_STORE_SCAVENGE_H

#include "base/hash.h"
#include "base/slice.h"
#include "edda/error.h"

struct store;
struct scavenger;
struct additions;

/* NULL when out of memory. */
struct scavenger *scavenger_new(struct store *store);
/* Gives up what it is at, and waits for its job. NULL is allowed. */
void scavenger_free(struct scavenger *scavenger);
/* A slice of what is due; nothing as a rule. */
void scavenger_turn(struct scavenger *scavenger);

/* What is left where frames were removed: how many records of which streams, so that versions go on when the index is made again from
 * the log. Calls `visit` for each; EDDA_ECORRUPT. */
int removed_each(struct slice left, int (*visit)(void *user, struct hash128 stream, uint32_t count), void *user);

#endif
