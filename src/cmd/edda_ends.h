/*
 * ends: the batches of a damaged log whose records have no positions in their frame, and what became of them.
 *
 * A commit names the batches of its transaction by their addresses, which are others in a salvaged log: those of all of them are remembered.
 *
 * When the end of a transaction is lost, or the row that began it, nothing says any more whether its batches counted. Left as they are, the next commit of the same producer would
 * make consumers of them believe that they do. So they are left out: those that no commit names, and behind which something was lost, when their producer
 * commits or begins another transaction, or has none open at the end of the log. One that is open there stays so, and is aborted by its time-out.
 */
#ifndef EDDA_CMD_EDDA_ENDS_H
#define EDDA_CMD_EDDA_ENDS_H

#include "base/table.h"
#include "store/frame.h"

struct placeless {
    log_address from, to;      /* its old address and, once it is copied, its new one; while its frame is written anew, its ordinal there */
    int64_t producer, base_offset;
    int64_t time_ms;           /* of its frame */
    size_t losses;             /* how many there were before it */
    uint32_t partition, records;
    bool control;
    bool left_out;
};

struct ends {
    struct placeless *items;   /* by their old addresses */
    size_t count;
    uint32_t capacity;
    size_t *open;              /* those whose end has not come */
    size_t open_count;
    uint32_t open_capacity;
    struct table rows;         /* what is known of producers with transactions */
};

void ends_init(struct ends *ends);
void ends_deinit(struct ends *ends);
/* Takes in the next whole frame, behind `losses` losses; `producers` is the partition of their table. EDDA_ENOMEM. */
int ends_frame(struct ends *ends, const struct frame *frame, const struct frame_source *source, uint32_t producers, size_t losses);
/* After the last: what is left out for want of an end. */
void ends_end(struct ends *ends, size_t losses);
/* NULL: it is not whole. */
struct placeless *ends_find(const struct ends *ends, log_address from);

#endif
