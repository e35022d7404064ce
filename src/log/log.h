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
    uint32_t contents;        /* format of what is in the frames, as their owner counts; kept in each segment, and a log that has another one is refused. 0: none */
    bool read_only;           /* no lock, no preallocation, no repair: for tools */
    bool salvage;             /* open in spite of damage: what is whole is served, the rest skipped; implies read_only */
    const struct log *rest_of; /* it is made of what is left of this one: it has its log_id() and begins at its time, and gaps may be appended. NULL as a rule */
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
    bool removed;               /* it stands for frames that were removed; the body is what was left in their stead */
    struct slice body;
};

/* Opens the log in the directory `path`, making both when missing (unless read_only: EDDA_ENOTFOUND). Scans the last segment, cuts a torn
 * tail, refuses damage with EDDA_ECORRUPT and the segment, byte and reason; EDDA_ELOCKED names the holder, EDDA_EFORMAT
 * another format, of its own or of its contents, with who wrote it. `ret_recovery` may be NULL. */
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

/* Appends what stands for frames that another log has had removed, or has lost: `position_count` positions without records, and what is `left` in their stead (borrowed,
 * and reserved, as a body). The log was opened with `rest_of`. */
void log_gap_append(struct log *log, struct slice left, uint32_t position_count, int64_t time_ms);

/* The next position to be given, and the first that is not durable yet: all below it are. */
uint64_t log_next_position(const struct log *log);
uint64_t log_durable_position(const struct log *log);
/* The most bytes that a frame's body may have. */
uint64_t log_body_bytes_max(const struct log *log);
/* Bytes of frames appended and not yet durable. */
uint64_t log_unflushed_bytes(const struct log *log);
/* The end of what is appended / durable; the start of the oldest segment. */
log_address log_end(const struct log *log);
log_address log_durable_end(const struct log *log);
log_address log_start(const struct log *log);
/* What was read so far will hardly be read again soon: it counts to the process's memory no more until it is. Slices into it stay good. */
void log_rest(struct log *log);
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
 * Reads the frame at `address`, or, where the log itself has put something (the beginning or end of a segment, a clean close) or the frame was removed, the next one
 * behind it; so the `next` of a frame can always be read on from. Durable or still in memory: *ret_frame borrows the mapping (good until log_close() or
 * log_rewrite_end()) or, for a frame not yet durable, the appender's parts gathered into `scratch`. Checks the header and checksum
 * of what is durable. EDDA_ENOTFOUND at the end of the log, EDDA_ECORRUPT for damage and for an address where no frame begins. What is not
 * durable yet only the owner's thread may read.
 */
int log_read(struct log *log, log_address address, struct buffer *scratch, struct log_frame *ret_frame, struct edda_error *error);
/* The bytes at an address inside a durable body, borrowed from the mapping, without any check: for what the index points at.
 * At most up to the end of the durable log or segment; data NULL when the address is not in the durable log. */
struct slice log_bytes(struct log *log, log_address address);

/* Whether so many bytes of the durable log are in memory, as far as the segment goes, so that reading them does not wait for the disk. What is found to be there around them is
 * kept in *known, which is empty at first, for the next question soon after. */
struct log_range {
    log_address from, to;
};
bool log_is_loaded(struct log *log, log_address address, uint64_t len, struct log_range *known);
/* Asks the disk for them, and does not wait. */
void log_load(struct log *log, log_address address, uint64_t len);

/* Whether the address lies in a part of the durable log that was removed; log_bytes() gives zeros there. */
bool log_removed(struct log *log, log_address address);

/* Calls `visit` for each durable frame, and each stretch of removed ones, from the address `from` on (0: the start; a segment's first address: its first frame). A stretch
 * that `from` has come to lie in comes first, whole. Ends when it returns other than 0, and returns that. Progress is the
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
    bool rewritten;
    bool thinned;               /* bodies of frames may have been replaced */
    uint32_t rewriting;         /* another number for each time that it is rewritten; 0: never */
    uint64_t freed_bytes;       /* of the used ones: holes in the file */
};
/* The segment with this ordinal among those present, 0 the oldest; false past the last. */
bool log_segment(struct log *log, size_t ordinal, struct log_segment_info *ret_info);

/*
 * Rewriting: a sealed segment is written again without some of its frames, and with others whose bodies say less. What is kept stays at its address and position; frames that follow one another and
 * are removed become one gap, which takes no space but for what is left in their stead. The new file replaces the old one whole, or, after a crash, not at all.
 *
 * The owner goes through the frames with log_rewrite_next() and says what becomes of each. Now and then the job of another thread writes what was
 * said with log_rewrite_write(), and the rest with log_rewrite_finish(), which syncs and renames; in between the owner keeps away. log_rewrite_end() makes the log read the
 * new file, and log_rewrite_abort() gives up. One segment at a time.
 */
struct log_rewrite;
/* `thins`: bodies may be replaced. EDDA_EBUSY: the segment is not sealed, or the next one not durably begun. EDDA_EUNSUPPORTED for a log that is read only. */
int log_rewrite_begin(struct log *log, size_t ordinal, bool thins, struct log_rewrite **ret_rewrite, struct edda_error *error);
/* The next frame, or stretch of removed ones: 1; 0 at the end; EDDA_ECORRUPT. What came before must have been kept or removed. */
int log_rewrite_next(struct log_rewrite *rewrite, struct log_frame *ret_frame, struct edda_error *error);
/* What becomes of it. EDDA_ENOMEM. `spare`: bytes of its body that are zero and are nothing, which count as freed; where they fill whole blocks of the file they take no space. */
int log_rewrite_keep(struct log_rewrite *rewrite, uint64_t spare);
int log_rewrite_remove(struct log_rewrite *rewrite);
/* Keeps a frame, but with another body of as many bytes, which is copied. */
int log_rewrite_replace(struct log_rewrite *rewrite, struct slice body, uint64_t spare);
/* Ends a stretch of removed frames; `left`, which is copied, is given to whoever scans the log in their stead. Comes before a frame is kept behind one that was removed, and
 * at the end. `left` must fit log_rewrite_room(). */
int log_rewrite_left(struct log_rewrite *rewrite, struct slice left);
/* What fits where the frames lay that were removed last. */
uint64_t log_rewrite_room(const struct log_rewrite *rewrite);
/* Any thread: writes what waits, and looks ahead at `ahead` bytes of what is to be read next, so that the owner need not wait for the disk. */
void log_rewrite_write(struct log_rewrite *rewrite, uint64_t ahead);
/* Any thread, after log_rewrite_next() has given 0: writes the rest, syncs, and puts the file in the place of the old one. */
void log_rewrite_finish(struct log_rewrite *rewrite);
/* 0, or what has failed on another thread. */
int log_rewrite_result(const struct log_rewrite *rewrite);
/* After log_rewrite_finish(): what was borrowed from the segment is no longer good. *ret_freed, which may be NULL: bytes freed beyond those of before. */
void log_rewrite_end(struct log_rewrite *rewrite, uint64_t *ret_freed);
/* NULL is allowed. After log_rewrite_finish() only when the log is about to be closed. */
void log_rewrite_abort(struct log_rewrite *rewrite);
/* Counts the rewritten segments, so that whoever keeps what he has borrowed can tell. */
uint64_t log_rewrites(const struct log *log);
/* Whether anything may have been removed from the log. */
bool log_has_removed(const struct log *log);

/*
 * Removing the oldest segments, as a job of another thread between calls of the owner: begin; on any thread log_front_write(), which makes durable that they are
 * removed; log_front_take(), after which the log begins behind them; on any thread log_front_remove(), which removes the files; end. What lies before log_start()
 * is answered as what was removed elsewhere is.
 */
#define LOG_FRONT_LEFT_MAX ((size_t)64 << 20)
struct log_front;
/* `left`, borrowed until the end, stands for all that was ever removed from the front; its meaning is the caller's. EDDA_EBUSY: the segment behind is not durably begun, or it is not
 * known what an earlier attempt has done. EDDA_ETOOLARGE. */
int log_front_begin(struct log *log, size_t count, struct slice left, struct log_front **ret_front, struct edda_error *error);
void log_front_write(struct log_front *front);
/* What was borrowed from the segments is no longer good. Negative, and nothing was removed: writing has failed. */
int log_front_take(struct log_front *front);
void log_front_remove(struct log_front *front);
/* NULL is allowed. */
void log_front_end(struct log_front *front);
/* What was left when the front was last removed, and, unless NULL, the first position behind it; empty and 0 when the log begins with its first segment. EDDA_ECORRUPT; EDDA_EBUSY for a
 * reader, when a writer has removed more since. */
int log_front_left(const struct log *log, struct buffer *ret_left, uint64_t *ret_position, struct edda_error *error);

/* The file that says so, as it is on the disk, for a copy; empty likewise. */
int log_front_bytes(const struct log *log, struct buffer *ret_bytes, struct edda_error *error);

/* Checks every byte of every durable frame, headers, footers and how they join, of a log opened in any way; one that
 * log_open() refuses is opened in salvage first. Calls `damage` for each thing wrong. Returns how many
 * were found, or a negative code. */
int64_t log_verify(struct log *log, log_damage_fn *damage, void *user, struct edda_error *error);

#endif
