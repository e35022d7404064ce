/*
 * competing: consumers that share a topic, or one stream, and acknowledge each record on its own: what one group has got of it. It knows places, and nothing of records, sockets or
 * clocks: whoever uses it reads the log, keeps the state (competing_write()) and gives the time. A place is a position in the log for a group of a topic, and a version for one of a stream.
 *
 * Everything before `next` has been taken from the log once. Of that, a record is open while it is not acknowledged: it may be delivered when it is due, and is then due again after
 * the time-out of that delivery, unless it is acknowledged or put back before. A record is done when it is not open, so the progress is a place and the list of what is open before it.
 * Parked records are put aside until somebody retries or discards them; they hold up nothing.
 *
 *     log ──next──▶ open ⇄ delivered ──▶ done
 *                    ▲        │
 *                    └─ parked ◀
 *
 * A consumer may have a name; then it is known who has what, and what one has can be claimed by another before its time is over.
 *
 * At least once: a delivery whose time is over goes to another consumer, while the first may still be at work; who acknowledges first is right, later acknowledgements are no
 * failure. There is no order between consumers. What is not written is delivered again after a restart.
 */
#ifndef EDDA_BROKER_COMPETING_H
#define EDDA_BROKER_COMPETING_H

#include "base/buffer.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/table.h"
#include "edda/error.h"

#define COMPETING_OPEN_MAX 10000   /* then nothing further is taken from the log */
#define COMPETING_PARKED_MAX 1000
#define COMPETING_REASON_MAX 256   /* bytes */
#define COMPETING_CONSUMERS_MAX 1000
#define COMPETING_CONSUMER_NAME_MAX 255 /* bytes */
#define COMPETING_NEVER INT64_MAX  /* a delivery whose time is never over: it is acknowledged, put back or claimed */

struct competing_consumer {
    struct list link;              /* by name */
    uint32_t pending;              /* open records that were delivered to it last */
    uint32_t ordinal;              /* of competing_write() */
    int64_t seen_ms, active_ms;    /* log time: when it last asked, and when it last got something; -1: never */
    uint16_t name_len;
    uint8_t name[];
};

struct competing_record {
    struct table_link by_position;
    struct list link;              /* of those open or parked, by position */
    struct heap_node due;          /* of an open one: when it may be delivered; log time, ms */
    uint64_t position;
    struct competing_consumer *consumer; /* of an open one: to whom it was delivered last; NULL: to one without a name */
    int64_t delivered_ms;          /* ... and when */
    uint32_t deliveries;           /* so far */
    bool parked;
    uint16_t reason_len;
    char *reason;                  /* of a parked one */
};

struct competing {
    uint64_t next;                 /* the position from which on nothing was taken from the log */
    struct list open, parked, consumers;
    uint32_t open_count, parked_count, consumer_count;
    struct table records;
    struct heap due;
};

/* Begins at `position`. */
void competing_init(struct competing *competing, uint64_t position);
void competing_deinit(struct competing *competing);

/* The state as bytes, and back into one that is fresh. EDDA_ECORRUPT, EDDA_ENOMEM. */
void competing_write(const struct competing *competing, struct buffer *out);
int competing_read(struct competing *competing, struct slice bytes);

/* Everything before it is done, or parked. */
uint64_t competing_watermark(const struct competing *competing);

/* A record of the log, at or behind `next`; it is due at once, as if it had never been delivered, unless it is parked. EDDA_ELIMIT when too many are open; EDDA_ENOMEM. */
int competing_add(struct competing *competing, uint64_t position);
/* The log has nothing for the group before `position`. */
void competing_pass(struct competing *competing, uint64_t position);
/* Records are taken from here on, also those that were taken before. What is open stays open. */
void competing_seek(struct competing *competing, uint64_t position);

/* Delivers the record that is due for the longest time: 1, and it is due again at `again_ms`; 0 when there is none. `consumer` may be NULL. */
int competing_take(struct competing *competing, struct competing_consumer *consumer, int64_t now_ms, int64_t again_ms, uint64_t *ret_position,
                   uint32_t *ret_deliveries);
/* When the next one is due; INT64_MAX: none is open. */
int64_t competing_due(const struct competing *competing);

/* Done: 1; 0 when it was before. EDDA_ENOTFOUND: it was never delivered, or is parked. */
int competing_ack(struct competing *competing, uint64_t position);
/* It may be delivered again at `due_ms`. EDDA_ENOTFOUND: it is not open. */
int competing_nack(struct competing *competing, uint64_t position, int64_t due_ms);
/* Puts an open record aside; 0 also when it is. EDDA_ENOTFOUND, EDDA_ELIMIT, EDDA_ENOMEM. */
int competing_park(struct competing *competing, uint64_t position, struct slice reason);
/* A parked record is open again, as if it had never been delivered, and due at once; or done. EDDA_ENOTFOUND, EDDA_ELIMIT. */
int competing_retry(struct competing *competing, uint64_t position);
int competing_discard(struct competing *competing, uint64_t position);

/* An open record that was delivered; or NULL. Good until it is changed. */
const struct competing_record *competing_find(const struct competing *competing, uint64_t position);
/* It is the consumer's now, as if delivered at `delivered_ms` for the `deliveries`-th time, and is not due by itself any more. EDDA_ENOTFOUND: it is not open. */
int competing_claim(struct competing *competing, uint64_t position, struct competing_consumer *consumer, int64_t delivered_ms, uint32_t deliveries);
/* A record that is done is open again, for a claim; 0 also when it is open. EDDA_ENOTFOUND: it is parked; EDDA_ELIMIT, EDDA_ENOMEM. */
int competing_reopen(struct competing *competing, uint64_t position);

/* A consumer by its name; NULL. */
struct competing_consumer *competing_consumer(const struct competing *competing, struct slice name);
/* The same, made when it is not there: 1. EDDA_EINVAL: a name has 1 to COMPETING_CONSUMER_NAME_MAX bytes; EDDA_ELIMIT, EDDA_ENOMEM. */
int competing_consumer_make(struct competing *competing, struct slice name, int64_t now_ms, struct competing_consumer **ret_consumer);
/* Forgets it; what it has is done. Returns how many records that were. */
uint32_t competing_consumer_drop(struct competing *competing, struct competing_consumer *consumer);
/* By name; start with NULL. */
struct competing_consumer *competing_consumer_each(const struct competing *competing, const struct competing_consumer *previous);

/* Each record, open or parked, by position; start with NULL. */
const struct competing_record *competing_each(const struct competing *competing, bool parked, const struct competing_record *previous);

#endif
