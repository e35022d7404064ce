/*
 * loss: what is missing in a damaged log, and with what its place is filled in a new one.
 *
 * Positions are remembered in many places (by services, groups, those who read on later), and so are offsets. So a salvaged log
 * gives every record the position it had, and its offset: the positions that were lost are taken by records without key and value.
 * How many of them were of which partition the offsets tell that are missing in it; what cannot be told so goes to a topic of its own.
 * Versions cannot be kept: nothing tells of which streams the lost records were, so the later versions of these move down.
 *
 * A row of the table of topics may be lost. When a later row of the topic is whole, it takes the lost one's place; else the partitions
 * that nobody names any more become one topic.
 */
#ifndef EDDA_CMD_EDDA_LOSS_H
#define EDDA_CMD_EDDA_LOSS_H

#include "base/arena.h"
#include "base/buffer.h"
#include "edda/error.h"
#include "io/io.h"
#include "store/frame.h"

#define LOSS_POSITIONS_TOPIC "_edda.lost"
#define LOSS_PARTITIONS_TOPIC "_edda.lost-partitions"

/* A run of positions of which nothing is whole. */
struct loss {
    uint64_t first, count;
    uint64_t left;             /* not yet given to a filling */
};

/* Records that take lost positions: `count` empty ones of a partition, or a row of the table of topics. */
struct filling {
    size_t loss;               /* ordinal */
    uint32_t partition;
    uint64_t count;
    struct slice name, row;    /* of a row: its key and value */
};

struct loss_place {
    bool seen;
    bool named;                /* a row has named it before it was used, or a filling will */
    size_t losses_seen;        /* how many losses there were when it last had a batch */
    int64_t next_offset;
};

struct loss_plan {
    struct io *io;             /* for randomness */
    struct arena arena;
    struct loss *losses;
    size_t loss_count, loss_capacity;
    struct filling *fillings;  /* in the order in which they are to be written */
    size_t filling_count, filling_capacity;
    struct loss_place *places; /* by partition number */
    uint32_t place_count, place_capacity;
    uint64_t next_position;
    uint64_t body_bytes_max;   /* of the frames seen */
    bool anonymous;            /* a position is kept for naming partitions without a name */
    size_t anonymous_loss;
    uint64_t shifted;          /* offsets that no lost position was left for */
};

void loss_plan_init(struct loss_plan *plan, struct io *io);
void loss_plan_deinit(struct loss_plan *plan);
/* Takes in the next whole frame, read with `source`. EDDA_ENOMEM, or EDDA_ELIMIT for a partition number that cannot be. */
int loss_plan_frame(struct loss_plan *plan, const struct frame *frame, const struct frame_source *source);
/* After the last: what is still without filling gets one, and the fillings are put in order. */
int loss_plan_end(struct loss_plan *plan);

#endif
