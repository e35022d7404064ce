/*
 * log: frames of opaque bodies, one after the other, durable in the order of their sequencing. What a body holds is the
 * store's (store/frame.h); the log knows positions, bytes, time and damage. The bytes on the disk are described in
 * docs/internals/log-format.md and laid out in log/format.h.
 *
 * Appending has two halves. log_frame_append() gives an already built body its place: memory only. log_flush_begin() hands out all
 * frames appended since the last time as one write, log_flush_run() writes and syncs it (on any thread), log_flush_end() makes
 * it durable in the books. At most LOG_FLUSHES_MAX flushes are under way; they run and end in order.
 *
 * A failed write or sync of an appended frame is final: the log is `broken`, every later call that would write fails with
 * EDDA_EIO, and the owner must end: memory is ahead of the disk.
 *
 * Threads: all calls belong to the owner's thread, except log_flush_run(), and log_read(), log_bytes() and log_scan() of what is
 * durable. The owner calls io_jobs_finish() now and then: the next segment and zeros ahead of small writes are made by background jobs.
 */
#ifndef EDDA_LOG_LOG_H
#define EDDA_LOG_LOG_H

#include "base/buffer.h"
#include "base/slice.h"
#include "edda/error.h"
#include "io/io.h"

#define LOG_FLUSHES_MAX 2
#define LOG_SEGMENT_BYTES_MIN (UINT64_C(64) << 10)
#define LOG_SEGMENT_BYTES_MAX (UINT64_C(1) << 30)
#define LOG_SEGMENT_BYTES_DEFAULT (UINT64_C(64) << 20)
#define LOG_FRAME_HEADER_BYTES 64
#define LOG_SEGMENT_HEADER_BYTES 4096

struct log;
struct log_flush;

/* Where a frame or a byte of a body lies: the segment's first address plus the byte in its file. The first address of a segment
 * is the end of the one before, so that segments may differ in size. Addresses grow along the log, are multiples of 8 for frames, and
 * one that was durable is never used again. */
typedef uint64_t log_address;

struct log_options {
    uint64_t segment_bytes;   /* size of fresh segments, rounded up to 4,096; 0 takes the default */
    uint64_t body_bytes_max;  /* of one frame; 0: 64 MiB or a segment less its headers (4,288 bytes), whichever is less */
    bool read_only;           /* no lock, no preallocation, no repair: for tools */
    bool salvage;             /* open in spite of damage: what is whole is served, the rest skipped; implies read_only */
    bool sync_off;            /* LOSES ACKNOWLEDGED RECORDS when the machine dies (not when the process does) */
};

/* What opening found; for the start-up line and for tools. */
struct log_recovery {
    uint64_t segments;
    uint64_t frames_scanned;    /* in the last segment */
    uint64_t torn_bytes;        /* cut from the tail; 0 after a clean close */
    bool clean;                 /* the last frame said so, or there is none */
};

/* One frame as read back. */
struct log_frame {
    log_address address;        /* of its header */
    log_address next;           /* of the frame behind it */
    uint64_t first_position;
    uint32_t position_count;
    int64_t time_ms;            /* log time at its sequencing */
    struct slice body;
};

/* Opens the log in the directory `path`, making both when missing (unless read_only: EDDA_ENOTFOUND). Scans the last segment, cuts a torn
 * tail, refuses damage with EDDA_ECORRUPT and the segment, byte and reason; EDDA_ELOCKED names the holder, EDDA_EFORMAT a
 * newer format. `ret_recovery` may be NULL. */
int log_open(struct io *io, const char *path, const struct log_options *options, struct log **ret_log,
             struct log_recovery *ret_recovery, struct edda_error *error);

/* Flushes what is appended, notes the clean end, and closes. Never fails visibly: an unclean end is recovered from. Flushes
 * under way must have ended. */
void log_close(struct log *log);

/* Closes without writing anything, as if the process had died; for tests and after a failure. No flush may be running; those
 * begun are forgotten. */
void log_abandon(struct log *log);

/*
 * Whether a body of `body_bytes` fits what is reserved on the disk, so that an append of it cannot fail, for lack of space or of memory.
 * EDDA_EFULL when the disk has none (asked again after a while of less than a second: appends resume when there is space), EDDA_ETOOLARGE over body_bytes_max, EDDA_EIO
 * when broken, EDDA_EUNSUPPORTED when read_only, EDDA_ENOMEM. To be called before sequencing; holds for the next append, of that
 * size or less. Usually a comparison; when the segment is full and no job has made the next one yet, it is made here.
 */
int log_reserve(struct log *log, uint64_t body_bytes, struct edda_error *error);

/*
 * Appends a frame: `parts` (at most 1024) make up the body. Their bytes are borrowed until its flush has ended, and must not change; the
 * array is copied. `position_count` positions from log_next_position() on are used up; may be 0. `time_ms` never goes backward:
 * the caller passes log_time_ms() of the sequencing. The body must have been reserved. Returns the address of the body's first byte in *ret_body.
 */
void log_frame_append(struct log *log, const struct slice *parts, size_t part_count, uint32_t position_count,
                      int64_t time_ms, log_address *ret_body);

/* The next position to be given, and the first that is not durable yet: all below it are. */
uint64_t log_next_position(const struct log *log);
uint64_t log_durable_position(const struct log *log);
/* Bytes of frames appended and not yet durable. */
uint64_t log_unflushed_bytes(const struct log *log);
/* The end of what is appended / durable; the start of the oldest segment. */
log_address log_end(const struct log *log);
log_address log_durable_end(const struct log *log);
log_address log_start(const struct log *log);
/* Whether frames wait for a flush that can begin now. */
bool log_flush_wanted(const struct log *log);
/* A random number that the log was given when it was made: ties to it what is derived from it. */
uint64_t log_id(const struct log *log);

/* Takes all frames appended since the last flush, of as many segments as they lie in; NULL when there are none or LOG_FLUSHES_MAX are
 * under way. */
struct log_flush *log_flush_begin(struct log *log);
/* Checksums, writes and syncs, segment after segment. Any thread; one flush at a time, in order. */
void log_flush_run(struct log_flush *flush);
/* Ends it: durable, or the log is broken (EDDA_EIO). The flush is given back. */
int log_flush_end(struct log *log, struct log_flush *flush, struct edda_error *error);

/* Log time in milliseconds: wall clock at open plus boot time since, never less than the last frame's; reads the
 * clocks of the io. A wall clock that is ahead is followed at once, one behind is slewed to (at most 1 part in 2000). */
int64_t log_time_ms(struct log *log);
/* The same in microseconds, for measuring lateness. */
int64_t log_time_us(struct log *log);

/*
 * Reads the frame at `address`, or, where the log itself has put something (the beginning or end of a segment, a clean close), the next one
 * behind it; so the `next` of a frame can always be read on from. Durable or still in memory: *ret_frame borrows the mapping (good until log_close() or the removal of
 * the segment) or, for a frame not yet durable, the appender's parts gathered into `scratch`. Checks the header and checksum
 * of what is durable. EDDA_ENOTFOUND at the end of the log, EDDA_ECORRUPT for damage and for an address where no frame begins. What is not
 * durable yet only the owner's thread may read.
 */
int log_read(struct log *log, log_address address, struct buffer *scratch, struct log_frame *ret_frame, struct edda_error *error);
/* The bytes at an address inside a durable body, borrowed from the mapping, without any check: for what the index points at.
 * At most up to the end of the durable log or segment; data NULL when the address is not in the durable log. */
struct slice log_bytes(struct log *log, log_address address);

/* Calls `visit` for each durable frame from the address `from` on (0: the start; a segment's first address: its first frame). Ends when it returns other than 0, and returns that. Progress is the
 * visitor's to show. In salvage, frames that fail their checks are told by `damage` (may be NULL) and skipped to the next whole one. */
typedef int log_visit_fn(void *user, const struct log_frame *frame);
typedef void log_damage_fn(void *user, const char *segment, uint64_t from_byte, uint64_t to_byte, const char *reason);
int log_scan(struct log *log, log_address from, log_visit_fn *visit, log_damage_fn *damage, void *user, struct edda_error *error);

/* The first address of the last segment that begins at or before `position`: where to start a scan for it. */
log_address log_find_segment(struct log *log, uint64_t position);

/*
 * Takes in what another process has written since this log was opened read-only (EDDA_EUNSUPPORTED else) or last refreshed. Returns 1 when
 * there was something, else 0. Its frames are whole, and count as durable here, though the writer's sync may still be under way. After
 * a failure the log must be opened again.
 */
int log_refresh(struct log *log, struct edda_error *error);

/* A segment as tools and the backup see it. */
struct log_segment_info {
    uint64_t number;
    char name[32];              /* of its file in the directory */
    log_address first_address;
    uint64_t first_position;
    uint64_t used_bytes;        /* durable bytes from the file's start; a copy of these is a whole segment */
    bool sealed;
};
/* The segment with this ordinal among those present, 0 the oldest; false past the last. */
bool log_segment(struct log *log, size_t ordinal, struct log_segment_info *ret_info);

/* Checks every byte of every durable frame, headers, footers and how they join, of a log opened in any way; one that
 * log_open() refuses is opened in salvage first. Calls `damage` for each thing wrong. Returns how many
 * were found, or a negative code. */
int64_t log_verify(struct log *log, log_damage_fn *damage, void *user, struct edda_error *error);

#endif
