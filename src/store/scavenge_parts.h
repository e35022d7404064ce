/*
 * What the files of the scavenger share.
 *
 *   scavenge.c         passes: which segments, counting, writing, jobs
 *   scavenge_retain.c  retention: where partitions begin
 *   scavenge_gone.c    of which frames nothing is left
 */
#ifndef EDDA_STORE_SCAVENGE_PARTS_H
#define EDDA_STORE_SCAVENGE_PARTS_H

#include "store/internal.h"
#include "store/tally.h"

#define SLICE_BATCHES 64 /* that are looked at in one turn */

enum scavenge_state {
    SCAVENGE_IDLE,
    SCAVENGE_RETAIN,
    SCAVENGE_SETTLE,
    SCAVENGE_COUNT,
    SCAVENGE_WRITE,
    SCAVENGE_FINISH
};

enum scavenge_walk {
    WALK_NONE,
    WALK_TIME,
    WALK_BYTES
};

struct scavenger {
    struct store *store;
    enum scavenge_state state;
    bool asked;                /* by store_scavenge_start() */
    bool asked_deep;
    bool deep;
    int64_t next_ms;           /* log time of the next pass */
    int64_t now_ms;            /* log time when this one began */
    uint64_t rate;             /* bytes per second */
    uint64_t slice;            /* bytes of one turn */

    uint32_t topic, partition; /* RETAIN: where it stands */
    enum scavenge_walk walk;            /* within the partition: */
    uint64_t ordinal;          /* of its batch, */
    int64_t start;             /* where it is to begin, as far as is known, */
    uint64_t bytes;            /* and what would be kept */

    uint64_t settled;          /* all before this position is durable and counts */
    uint64_t from, to;         /* positions whose segments are looked through */
    size_t segment;            /* ordinal of the one at hand */
    struct log_segment_info info;
    log_address end;           /* of it */
    log_address at;            /* COUNT: the next frame */
    uint8_t *dead;             /* a bit for each of its frames */
    size_t frames, dead_capacity;
    uint64_t dead_bytes;
    log_address deep_end;      /* where the last deep pass ended */

    struct log_rewrite *rewrite;
    size_t frame_at;           /* WRITE: which frame is next */
    struct tally tally;        /* of the gap that is being made */
    bool in_gap;
    uint64_t gap_records;
    struct buffer left;
    struct frame *frame;

    struct io_job job;
    bool busy;                 /* the job is under way */
    struct slice touch;
    int64_t pause_ns;
    int result;                /* why the last pass ended early; 0 */
    struct store_scavenged done;
};

/* Hands work for so many bytes to a job, whose end also wakes the owner for the next slice. It takes as long as the rate says. */
void scavenge_job_start(struct scavenger *s, uint64_t bytes);

/* A slice of moving starts on; the state is SCAVENGE_SETTLE when all are. */
int scavenge_retain_slice(struct scavenger *s);

/* Whether nothing of a frame is left: 1 or 0. */
int scavenge_frame_is_dead(struct scavenger *s, const struct frame *frame);

#endif
