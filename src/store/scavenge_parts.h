/*
 * What the files of the scavenger share.
 *
 *   scavenge.c         passes: which segments, counting, writing, jobs
 *   scavenge_retain.c  retention: where partitions begin
 *   scavenge_gone.c    of which frames nothing is left
 *   scavenge_front.c   the first segment, when nothing is left in it
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
    SCAVENGE_FINISH,
    SCAVENGE_FRONT,        /* looks through the first segment, */
    SCAVENGE_FRONT_WRITE,  /* notes that it goes, */
    SCAVENGE_FRONT_REMOVE  /* and removes it */
};

enum scavenge_walk {
    WALK_NONE,
    WALK_TIME,
    WALK_BYTES
};

struct log_front;

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

    bool front;                /* the frame that is looked at lies in the first segment, and the rows of the table of topics are kept elsewhere */
    struct log_front *removal;
    struct tally front_tally;  /* of all that was ever removed from the front */
    struct buffer front_rows;  /* of the table of topics, there */
    uint32_t front_row_count;
    uint64_t front_moved;      /* bytes of rows that were appended anew, so that the segment can go in the next pass */
    int64_t front_topics_end;  /* the next offset of that table, as far as these tell */

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

/* At the end of a pass: begins with the first segment, or ends the pass. */
int scavenge_front_begin(struct scavenger *s);
int scavenge_front_slice(struct scavenger *s);
/* What the jobs of the two last states have done. */
int scavenge_front_written(struct scavenger *s);
int scavenge_front_removed(struct scavenger *s);

/* The frame that was read, loaded: s->frame. */
int scavenge_frame_get(struct scavenger *s, const struct log_frame *from);
/* Adds the records of s->frame to a tally. */
int scavenge_frame_tally(struct scavenger *s, struct tally *tally);
/* A visitor for removed_each(); `user` is the tally. */
int scavenge_tally_visit(void *user, struct hash128 stream, uint32_t count);

/* Whether nothing of a frame is left: 1 or 0. */
int scavenge_frame_is_dead(struct scavenger *s, const struct frame *frame);

#endif
