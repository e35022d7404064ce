/*
 * What the files of the log share.
 *
 *   format.c    bytes on the disk from structs, and back
 *   log.c       open, close, and what is known of an open log
 *   segment.c   segments: names, files, mappings, finding one by address
 *   walk.c      frame after frame through a segment's bytes; what lies behind the last whole one
 *   recovery.c  finding the end of the log at open; torn tail or damage
 *   salvage.c   the same in spite of damage
 *   refresh.c   going on behind the end of a log that another process writes
 *   append.c    reserving and sequencing: memory only
 *   flush.c     writing and syncing what was sequenced
 *   ahead.c     the next segment and zeros, made ready by a background job
 *   note.c      the durable end, noted lazily beside the log
 *   read.c      frames by their address
 *   front.c     the oldest segments removed, and where the log begins since
 *   rewrite.c   a sealed segment written again without some of its frames; what is known of gaps
 *   scan.c      frames in order; verification
 *   time.c      log time
 *
 * Threads. The owner's thread sequences, begins and ends flushes. log_flush_run() may run on another: it uses its flush,
 * the files and fixed fields of the segments in it, and `runner`, nothing else. Readers on other threads use the table of
 * segments, which only grows, their fixed fields and views, and `durable_end`.
 */
#ifndef EDDA_LOG_PARTS_H
#define EDDA_LOG_PARTS_H

#include <stdatomic.h>

#include "base/assert.h"
#include "log/format.h"

#define LOG_PATH_BYTES 4096
#define LOG_PARTS_MAX 1024        /* of one body */
#define LOG_BODY_BYTES_MAX (UINT64_C(64) << 20)
#define SEGMENT_NAME_BYTES 21     /* "0000000000000001.seg" and its zero */
#define NOTE_NAME "durable"
#define FRONT_NAME "front"

/* A gap of a segment: bytes of its file from its header to its end. */
struct segment_gap {
    uint64_t from, to;
};

struct segment_gaps {
    size_t count;
    struct segment_gap items[];
};

/* A segment's file as it is mapped for reading. */
struct segment_view {
    struct io_file *file;
    const uint8_t *data;
    uint64_t len;
    struct segment_gaps *_Atomic gaps; /* NULL until they are first asked for */
};

struct segment {
    /* fixed before other threads see it */
    uint64_t number;
    uint64_t bytes;           /* of its file when it was made */
    uint64_t first_address;
    uint64_t first_position;
    int64_t created_ms;
    uint32_t seed;            /* frame_seed() */
    const char *damage;       /* in salvage: what is wrong with its header; NULL */
    /* the owner's */
    uint64_t end;             /* bytes from the file's start that are appended */
    uint64_t zeroed;          /* bytes from the file's start that are written, zeroed, or being zeroed */
    bool sealed;              /* its footer is appended */
    bool rewritten;
    bool thinned;             /* and bodies of its frames were replaced */
    uint32_t footer_was;      /* when it is rewritten: what the next header names */
    uint32_t footer_is;       /* once it is sealed, and was read or rewritten */
    uint32_t freed;           /* bytes that its gaps have freed */
    bool header_pending;      /* its header is still to be written, by the first flush into it */
    struct io_file *file;     /* for writing; NULL once it is sealed and durable */
    /* anybody's */
    struct segment_view *_Atomic view; /* NULL until it is first read */
};

/* Outgrown tables are kept for readers that may still look at them. */
struct segment_table {
    struct segment_table *older;
    size_t capacity;
    struct segment *segments[];
};

/* A frame that is sequenced and not yet durable. Its slices in the flush are header, body, padding. */
struct pending {
    struct frame_header header;
    size_t first_part;        /* the header's; the body's follow */
    size_t body_parts;
    uint8_t bytes[LOG_FRAME_HEADER_BYTES];
};

/* What a flush writes into one segment with one write and one sync. */
struct extent {
    struct segment *segment;
    uint64_t from;            /* byte in the file */
    uint64_t bytes;
    size_t first_part, part_count;
    size_t first_frame, frame_count;
    bool with_header;
    uint8_t header[SEGMENT_HEADER_USED_BYTES];
};

struct log_flush {
    struct log *log;
    struct slice *parts;
    size_t part_count;
    uint32_t part_capacity;
    struct pending *frames;
    size_t frame_count;
    uint32_t frame_capacity;
    struct extent *extents;
    size_t extent_count;
    uint32_t extent_capacity;
    uint64_t bytes;           /* of frames */
    uint64_t end;             /* address behind the last frame */
    uint64_t end_position;
    int64_t end_time_ms;
    uint64_t zeroing;         /* the job that still writes where this flush will; 0: none */
    int result;
};

/* Log time; see time.c. */
struct log_clock {
    int64_t log_ns;
    int64_t boot_ns;          /* when log_ns was right */
    int64_t slew_ns;          /* elapsed while ahead of the wall clock and not yet slowed for */
};

struct ahead;

struct log {
    struct io *io;
    uint64_t segment_bytes;
    uint64_t body_bytes_max;
    uint32_t contents;
    bool read_only, salvage, sync_off;
    struct io_file *lock_file;
    struct io_file *note_file;    /* NULL until the first note */
    uint8_t id[LOG_ID_BYTES];

    struct segment_table *_Atomic table;
    atomic_size_t segment_count;
    atomic_size_t removed;        /* of the segments at the start of the table: they were removed since the log was opened */
    struct front front;           /* its number is 0 when the log begins with segment 1 */
    bool front_damaged;           /* in salvage */
    bool front_unsure;            /* the file may say something else than this does */
    struct segment *current;      /* the last of the table */
    struct segment *spare;        /* ready to follow it; NULL */

    uint64_t next_position;
    int64_t last_time_ms;         /* of the last frame */
    bool ends_clean;              /* the last frame is a clean end, or there is none */
    _Atomic uint64_t durable_end;
    uint64_t durable_position;
    struct log_flush flushes[LOG_FLUSHES_MAX + 1];
    struct log_flush *open;       /* takes what is appended */
    struct log_flush *under_way[LOG_FLUSHES_MAX]; /* oldest first */
    size_t under_way_count;
    bool broken;
    bool closing;

    struct {                      /* whoever runs flushes */
        uint32_t chain;           /* checksum of the last header written */
        uint64_t durable;         /* the address up to which all is synced */
        bool failed;
    } runner;
    atomic_bool zeroing_failed;   /* a sync beside the flushes failed */

    struct ahead *ahead;          /* NULL until it is first needed */
    uint64_t flush_average;       /* bytes */
    bool spare_failed;
    int64_t full_until_ns;     /* no segment is made before: there was no room for one */
    int64_t full_wait_ns;      /* how long that was put off last; 0: there was room */

    uint64_t rewrites;            /* segments that were rewritten while the log is open */
    const struct log *rest_of;    /* gaps may be appended */
    bool has_gaps;                /* one of the segments may have some */

    int64_t noted_ms;             /* log time of the last note */
    uint64_t noted;               /* what it said; 0 when there is none */
    struct log_clock clock;
    char dir[];                   /* path/log */
};

/* --- segment.c --- */

/* The name of a segment's file, and the path of a file of the log; EDDA_EINVAL when it is too long. */
void segment_name(uint64_t number, char name[SEGMENT_NAME_BYTES]);
int log_path(const struct log *log, const char *name, char path[LOG_PATH_BYTES], struct edda_error *error);
/* A segment of this log, in no table yet; NULL when out of memory. */
struct segment *segment_new(const struct log *log, uint64_t number, uint64_t bytes);
/* Unmaps and closes it. NULL is allowed. */
void view_free(struct io *io, struct segment_view *view);
/* Unmaps and closes its files too. NULL is allowed. */
void segment_free(struct io *io, struct segment *segment);
/* Room in the table for one more; EDDA_ENOMEM. */
int segments_reserve(struct log *log);
void segments_add(struct log *log, struct segment *segment);
void segments_free(struct log *log);
static inline size_t segments_count(const struct log *log)
{
    return atomic_load_explicit(&log->segment_count, memory_order_acquire);
}
struct segment *segment_at(const struct log *log, size_t ordinal);
/* Those before this ordinal were removed. */
static inline size_t segments_first(const struct log *log)
{
    return atomic_load_explicit(&log->removed, memory_order_acquire);
}
/* The ordinal of the segment that holds the address; SIZE_MAX when it is before all that are there. */
size_t segment_find(const struct log *log, uint64_t address);
/* Maps the segment, once. Any thread. */
int segment_view(const struct log *log, struct segment *segment, const struct segment_view **ret_view,
                 struct edda_error *error);
/* Maps the file that has taken the place of the segment's, and no longer the old one. When that fails the old one goes on being read. */
int segment_view_renew(const struct log *log, struct segment *segment);
/* Bytes of the file of this segment, from its start, that are durable. */
uint64_t segment_durable_bytes(const struct log *log, size_t ordinal);
/* Opens or makes a segment's file, `bytes` long with space reserved; name and size are durable on return. Any
 * `zeros` bytes behind the header are written as well, so that writing there is cheap. Any thread. */
int segment_file_make(struct io *io, const char *dir, const char *path, uint64_t bytes, uint64_t zeros,
                      struct io_file **ret_file, struct edda_error *error);
/* Writes zeros from byte `from` to byte `to`; not synced. Any thread. */
int segment_file_zero(struct io *io, struct io_file *file, uint64_t from, uint64_t to);
/* What the header of a segment says, as it is written. */
struct segment_header segment_header_of(const struct log *log, const struct segment *segment, uint32_t previous);
/* "segment NAME, byte N: " before a reason: EDDA_ECORRUPT. */
int segment_damaged(const struct segment *segment, uint64_t byte, const char *reason, struct edda_error *error);

/* --- walk.c --- */

/*
 * A walk through the frames of a segment. With `chained` the next frame must follow the last one: its checksum, its
 * positions, its time. A walk that begins in the middle learns these from its first frame.
 */
struct walk {
    const uint8_t *data;      /* the segment from its start */
    uint64_t len;
    uint32_t seed;
    uint64_t first_address;
    uint64_t offset;          /* of the next frame */
    bool chained;
    uint32_t chain;
    uint64_t position;
    int64_t time_ms;
    uint64_t durable;         /* the last frame's */
    uint32_t flags;           /* the last frame's */
};

void walk_init(struct walk *w, const struct segment *segment, const uint8_t *data, uint64_t len);
/* Moves over the next frame. NULL, or what is wrong with it, and then the walk stays where it is. */
const char *walk_next(struct walk *w, struct frame_header *ret_frame);
/* The same without looking at the body. */
const char *walk_header(struct walk *w, struct frame_header *ret_frame);
/* Moves to the next whole frame behind where the walk is, and no longer knows the chain; false when there is none. */
bool walk_skip(struct walk *w);

/* What lies behind the end of a walk. */
struct tail {
    uint64_t used;            /* byte behind the last one that is not zero; the walk's offset when all are */
    uint64_t durable;         /* the most that a frame there says; 0 when there is none */
};
struct tail walk_tail(const struct walk *w);
/* The number of zero bytes at `data`, rounded down to a multiple of 8, or `len` when all are zero. */
uint64_t zeros_at(const uint8_t *data, uint64_t len);

/* --- rewrite.c --- */

/* Whether a byte of the segment lies in a gap, which is then *ret_gap. Any thread. */
bool segment_gap_at(struct segment *segment, const struct segment_view *view, uint64_t offset, struct segment_gap *ret_gap);
/* Removes a file that a rewriting has left behind: `name` is any name in the directory of the log. */
void rewrite_left_remove(const struct log *log, const char *name);

/* --- recovery.c, salvage.c --- */

/* The segments in the directory of the log. */
struct log_listing {
    const struct log *log;
    uint64_t *numbers;        /* in order */
    size_t count, capacity;
};
int log_list(struct log *log, struct log_listing *ret_listing, struct edda_error *error);
void log_listing_deinit(struct log_listing *listing);

/* What stands where a segment's header is expected. */
enum head {
    HEAD_WHOLE,
    HEAD_ZERO,
    HEAD_TORN
};
int segment_head_read(struct io *io, struct io_file *file, enum head *ret_head, struct segment_header *ret_header);
/* Whether its fields can be; the checksum was right, so that this fails only for what was made to deceive. */
bool segment_header_sound(const struct segment_header *h);
/* EDDA_EFORMAT, naming who wrote it, when this release cannot read it. */
int segment_format_check(const struct log *log, const struct segment_header *h, uint64_t number, struct edda_error *error);

/* Whether the header of the first segment there is can be that of the first. */
bool front_fits(const struct log *log, const struct segment_header *h);
/* What the file says of where the log begins, and what is left (NULL: not wanted): 1, or 0 when there is none. EDDA_ECORRUPT. */
int front_read(const struct log *log, struct front *ret_front, struct buffer *left, struct edda_error *error);
/* Takes it in, and out of the listing what lies before; a writer removes that. */
int front_take_listed(struct log *log, struct log_listing *listing, struct edda_error *error);
/* The number of the segment with which the log begins. */
static inline uint64_t front_number(const struct log *log)
{
    return log->front.number ? log->front.number : 1;
}

int log_recover(struct log *log, struct log_recovery *recovery, struct edda_error *error);
/* `note` is NULL when there is none. */
int log_recover_salvage(struct log *log, const struct log_listing *listing, const struct note *note,
                        struct log_recovery *recovery, struct edda_error *error);

/* --- append.c --- */

/* Sequences a frame without a body; there is room by SEGMENT_RESERVED_BYTES. */
void log_append_closing(struct log *log, uint32_t flags);
/* Room in the open flush for whatever the next frame needs; EDDA_ENOMEM. */
int flush_reserve(struct log_flush *flush);
void flush_deinit(struct log_flush *flush);
/* The pending frame at this address or the first behind it, NULL when there is none; *ret_flush is who has it. */
const struct pending *pending_find(const struct log *log, uint64_t address, const struct log_flush **ret_flush);

/* --- ahead.c --- */

/* Makes sure that a segment follows the current one, waiting for it if need be. */
int ahead_spare(struct log *log, struct edda_error *error);
/* After a flush: asks for what will be wanted next. */
void ahead_want(struct log *log);
/* Before a flush runs: keeps it out of the way of a job that writes zeros where it will write. */
void ahead_yield(struct log_flush *flush);
/* On the thread that runs the flush: waits for that job. */
void ahead_wait(struct log_flush *flush);
/* At close: no job touches the log any more. */
void ahead_end(struct log *log);

/* --- note.c --- */

/* Reads the note; false when it is missing or torn. Whose it is, the caller judges by its id. */
bool note_read(const struct log *log, struct note *ret_note);
/* Writes it, when the last one is a second old. It is not synced, and a failure is no harm. */
void note_write(struct log *log, int64_t time_ms);

/* --- time.c --- */

/* Starts log time at the wall clock, or at `at_least_ms` when that is later. */
void log_clock_init(struct log_clock *c, struct io *io, int64_t at_least_ms);
int64_t log_clock_ns(struct log_clock *c, struct io *io);

#endif
