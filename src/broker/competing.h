/*
 * competing: consumers that share a topic and acknowledge each record on its own: what one group has got of one topic. It knows positions, and nothing of records, sockets or clocks:
 * whoever uses it reads the log, keeps the state (competing_write()) and gives the time.
 *
 * Everything before `next` has been taken from the log once. Of that, a record is open while it is not acknowledged: it may be delivered when it is due, and is then due again after
 * the time-out of that delivery, unless it is acknowledged or put back before. A record is done when it is not open, so the progress is a place and the list of what is open before it.
 * Parked records are put aside until somebody retries or discards them; they hold up nothing.
 *
 *     log ──next──▶ open ⇄ delivered ──▶ done
 *                    ▲        │
 *                    └─ parked ◀
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

struct competing_record {
    struct table_link by_position;
    struct list link;              /* of those open or parked, by position */
    struct heap_node due;          /* of an open one: when it may be delivered; log time, ms */
    uint64_t position;
    uint32_t deliveries;           /* so far */
    bool parked;
    uint16_t reason_len;
    char *reason;                  /* of a parked one */
};

struct competing {
    uint64_t next;                 /* the position from which on nothing was taken from the log */
    struct list open, parked;
    uint32_t open_count, parked_count;
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

/* A record of the log, at or behind `next`; it is due at once. EDDA_ELIMIT when too many are open; EDDA_ENOMEM. */
int competing_add(struct competing *competing, uint64_t position);
/* The log has nothing for the group before `position`. */
void competing_pass(struct competing *competing, uint64_t position);

/* Delivers the record that is due for the longest time: 1, and it is due again at `again_ms`; 0 when there is none. */
int competing_take(struct competing *competing, int64_t now_ms, int64_t again_ms, uint64_t *ret_position, uint32_t *ret_deliveries);
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

/* Each record, open or parked, by position; start with NULL. */
const struct competing_record *competing_each(const struct competing *competing, bool parked, const struct competing_record *previous);

#endif
