/*
 * loss: what is missing in a damaged log, and which rows of the table of topics must take the place of lost ones in a new log.
 *
 * Positions are remembered in many places (by services, groups, those who read on later), and so are offsets. So a salvaged log
 * gives every record the position it had, and its offset: lost positions become gaps, as if their records had been removed.
 * Versions cannot be kept: nothing tells of which streams the lost records were, so the later versions of these move down.
 *
 * A row of the table of topics may be lost. When a later row of the topic is whole, it takes the lost one's place; else the partitions
 * that nobody names any more become one topic. A row takes a lost position before the first record of its partitions, and an offset that is missing
 * in the table: as many are missing as rows were lost, and the first that is used gets the first.
 */
#ifndef EDDA_CMD_EDDA_LOSS_H
#define EDDA_CMD_EDDA_LOSS_H

#include "base/arena.h"
#include "base/buffer.h"
#include "edda/error.h"
#include "io/io.h"
#include "store/frame.h"

#define LOSS_PARTITIONS_TOPIC "_edda.lost-partitions"

/* A run of positions of which nothing is whole. */
struct loss {
    uint64_t first, count;
    uint64_t left;             /* not yet given to a filling */
    bool removed;              /* it was removed from the front of the log, and is not lost */
};

/* A row of the table of topics that takes a lost position. */
struct filling {
    size_t loss;               /* ordinal */
    uint64_t used;             /* the position by which it is needed */
    struct slice name, row;    /* key and value */
};

/* Offsets that are missing in the table of topics, which were lost in one of the losses from `since` up to `until`. */
struct loss_slot {
    size_t since, until;
    uint64_t missing;
};

struct loss_place {
    bool seen;
    bool named;                /* a row has named it before it was used, or a filling will */
    size_t losses_seen;        /* how many losses there were when it last had a batch */
    uint64_t used;             /* the position at which it was first seen */
    int64_t next_offset;
};

struct loss_plan {
    struct io *io;             /* for randomness */
    struct arena arena;
    struct loss *losses;
    size_t loss_count;
    uint32_t loss_capacity;
    struct filling *fillings;  /* in the order in which they are to be written */
    size_t filling_count;
    uint32_t filling_capacity;
    struct loss_slot *slots;
    size_t slot_count;
    uint32_t slot_capacity;
    struct loss_place *places; /* by partition number */
    uint32_t place_count, place_capacity;
    uint64_t next_position;
    uint64_t body_bytes_max;   /* of the frames seen */
    uint32_t producers;        /* the partition of "_edda.producers"; 0: not known */
};

void loss_plan_init(struct loss_plan *plan, struct io *io);
void loss_plan_deinit(struct loss_plan *plan);
/* Before any frame: the front of the log, so many positions, was removed, and `rows` (store/front.h) are of the table of topics there: they become fillings. EDDA_ENOMEM. */
int loss_plan_front(struct loss_plan *plan, uint64_t position_count, struct slice rows);
/* Takes in the next whole frame, read with `source`. EDDA_ENOMEM, or EDDA_ELIMIT for a partition number that cannot be. */
int loss_plan_frame(struct loss_plan *plan, const struct frame *frame, const struct frame_source *source);
/* The same with positions of removed records, of which `left_bytes` are left. */
int loss_plan_gap(struct loss_plan *plan, uint64_t first_position, uint32_t position_count, size_t left_bytes);
/* After the last: the fillings get their places, and are put in order. EDDA_ECORRUPT when there is none for one. */
int loss_plan_end(struct loss_plan *plan, struct edda_error *error);

#endif
