/*
 * What the files of the scavenger share.
 *
 *   scavenge.c         passes: which segments, counting, writing, jobs
 *   scavenge_retain.c  retention: where partitions begin
 *   scavenge_gone.c    what is gone, and of which frames nothing is left
 *   scavenge_taken.c   which records of the others go
 *   scavenge_thin.c    frames that stay, without the records that are gone
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

/* What becomes of a frame. */
enum frame_fate {
    FRAME_STAYS,
    FRAME_STAYS_THIN,      /* some of it was taken before */
    FRAME_GOES,
    FRAME_THINS            /* some of it goes */
};

enum scavenge_walk {
    WALK_NONE,
    WALK_TIME,
    WALK_BYTES
};

struct log_front;

/* A batch of the frame that is looked at. */
struct taken_batch {
    size_t first;              /* in `taken` */
    uint32_t last;             /* ordinal of its last record in the frame */
    int fate;                  /* enum batch_fate */
    bool any;                  /* some of its records go, */
    bool aborted;              /* and never counted */
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
    uint8_t *fates;            /* of each of its frames: enum frame_fate */
    size_t frames;
    uint32_t fate_capacity;
    uint64_t dead_bytes;
    log_address deep_end;      /* where the last deep pass ended */

    struct log_rewrite *rewrite;
    size_t frame_at;           /* WRITE: which frame is next */
    struct tally tally;        /* of the gap that is being made */
    bool in_gap;
    uint64_t gap_records;
    struct buffer left;
    struct frame *frame;
    bool thorough;             /* whatever can go goes, however little it is */
    bool thins;                /* in the segment there are frames that lose records, or have */
    uint64_t taken_bytes;      /* that frames would lose, of which the rest stays; an estimate */
    uint8_t *taken;            /* by the offsets of the batches of s->frame, batch after batch: whether the record goes */
    uint32_t taken_capacity;
    struct taken_batch *batches; /* of s->frame */
    uint32_t batch_capacity;
    struct tally kept;         /* streams of records that stay, in s->frame */
    struct tally kept_own;     /* and in a batch of it */
    struct frame_reader end_reader;
    struct tally left_tally;   /* of a batch, and */
    struct slice *left_keys;   /* for each of its streams the key, where it is known */
    uint32_t left_capacity;
    struct buffer body, batch, records, packed;

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

/* Frames from this position on are in memory too, where nobody would see that they, or batches that they name, have lost something. */
uint64_t scavenge_memory_begin(const struct store *store);
/* The frame that was read, loaded: s->frame. */
int scavenge_frame_get(struct scavenger *s, const struct log_frame *from);
/* Adds what was taken from a batch of a partition to a tally. False when out of memory. */
bool scavenge_taken_tally(struct scavenger *s, uint32_t partition, struct slice left, struct tally *tally);
/* Adds the records of s->frame to a tally. */
int scavenge_frame_tally(struct scavenger *s, struct tally *tally);
/* A visitor for removed_each(); `user` is the tally. */
int scavenge_tally_visit(void *user, struct hash128 stream, uint32_t count);

/* Whether compaction removes a record, whose frame is of this time: 1 or 0. */
int scavenge_compacted(struct scavenger *s, const struct store_record *record, int64_t frame_ms);
/* Whether a record lies before the first version of its stream: 1 or 0. */
int scavenge_cut_off(struct scavenger *s, const struct store_record *record);
/* Whether an offset, and all before it, lies before the start of its partition that counts. */
bool scavenge_is_gone(const struct scavenger *s, uint32_t number, int64_t offset);
/* Whether it is the last durable one of its partition: its batch must stay so that the next offset is known when the index is made again, since those behind it may be lost. */
bool scavenge_is_last(const struct scavenger *s, uint32_t number, int64_t offset);

/* What became of the transaction of a batch. */
enum scavenge_end_kind {
    SCAVENGE_ENDLESS,      /* not known, or its end is gone */
    SCAVENGE_ABORTED,
    SCAVENGE_COMMITTED
};
struct scavenge_end {
    uint64_t position;     /* of the batch's first offset, */
    int64_t time_ms;       /* and of the frame that gave it, when it was committed */
};
/* Returns the kind, or a negative code. All transactions that were open at the batch must have ended. */
int scavenge_end_find(struct scavenger *s, const struct frame *frame, const struct frame_batch *b, struct scavenge_end *ret_end);

/* Which records of s->frame go, though the frame stays: s->taken. *ret_bytes: about what that frees, 0 when there are none. */
int scavenge_frame_taken(struct scavenger *s, uint64_t *ret_bytes);
/* The body of s->frame, `from`, without the records in s->taken, in s->body, and how much of it is spare. 1, or 0 when nothing fits. */
int scavenge_frame_thin(struct scavenger *s, const struct log_frame *from, uint64_t *ret_spare);

/* Whether nothing of a frame is left: 1 or 0. */
int scavenge_frame_is_dead(struct scavenger *s, const struct frame *frame);

#endif
