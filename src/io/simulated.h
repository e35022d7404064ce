/*
 * The simulated io: a disk, a clock and jobs in memory, driven by a seed. Equal seeds and equal
 * calls give equal results to the bit.
 *
 * The disk. A write is visible at once to reads and mappings. Until its file is synced it is kept
 * apart as unsynced sectors of 512 bytes; a crash decides for each unsynced sector, by the seed,
 * whether it keeps an old content (any of the contents it had since the last sync) or the new one. A
 * sector is atomic. Sizes and reservations are made durable by io_file_sync(), names (create, rename, remove)
 * by io_dir_sync(): a crash may undo any unsynced suffix of the name changes of a directory.
 *
 * The clock moves only by io_simulated_advance(); boot time restarts at 0 after a crash, wall time
 * goes on and may be set.
 *
 * Jobs run at once on submission, at the simulated time of the submitter, on one thread; io_sleep() inside a job adds to
 * the job's own duration; `done` becomes due a seeded latency plus that duration later, and is called by io_jobs_finish() when the clock has got there.
 * Jobs of the flush pool finish in order. After a crash, jobs that were under way are dropped: `done` is not called.
 *
 * A cut: io_simulated_cut_after(n) lets the n-th changing file operation (write, sync, allocate, truncate, rename,
 * remove, dir_make) from now fail, before it has any effect, and all operations after it, with EDDA_ECLOSED: the process is dead and the
 * caller must unwind and call io_simulated_crash(). A write that is cut may have landed in part (seeded).
 */
#ifndef EDDA_IO_SIMULATED_H
#define EDDA_IO_SIMULATED_H

#include "io/io.h"

struct io_simulated_options {
    uint64_t seed;
    int64_t wall_start_ns;         /* wall time at the start; 0 takes 2026-01-01T00:00:00Z */
    uint64_t disk_bytes;           /* capacity; 0: 64 MiB */
    int64_t sync_latency_min_ns;   /* of a flush-pool job; 0: 50 us */
    int64_t sync_latency_max_ns;   /* 0: 500 us */
    int64_t handler_latency_max_ns;/* chance added to a handler job; 0: 1 ms */
};

struct io *io_simulated_new(const struct io_simulated_options *options);
void io_simulated_free(struct io *io);
/* Back to an empty disk under another seed, keeping memory: cheap enough for thousands a second. All files must be
 * closed, all jobs finished or dropped. */
void io_simulated_reset(struct io *io, const struct io_simulated_options *options);

/* Moves the clock forward. */
void io_simulated_advance(struct io *io, int64_t duration_ns);
/* Steps the wall clock only, by any amount, as an administrator or NTP would. */
void io_simulated_wall_step(struct io *io, int64_t delta_ns);
/* When the next job's `done` is due (boot clock), or INT64_MAX. */
int64_t io_simulated_next_job_ns(struct io *io);

/* See above; 0 takes the cut back. */
void io_simulated_cut_after(struct io *io, uint64_t operations);
/* Whether a cut has struck. */
bool io_simulated_is_cut(struct io *io);
/* Changing file operations so far. */
uint64_t io_simulated_operations(struct io *io);
/* How often parts of mappings were asked for so far. */
uint64_t io_simulated_loads(struct io *io);
/* The machine dies and comes back: unsynced state is decided, locks and jobs are gone, open files are dead (their
 * owner still closes them). With `lose_nothing` only the process dies: everything written stays. */
void io_simulated_crash(struct io *io, bool lose_nothing);

/* Faults, each once unless said otherwise. */
void io_simulated_flip_bit(struct io *io, const char *path, uint64_t bit);
void io_simulated_fail_sync(struct io *io, uint64_t nth_sync);
void io_simulated_misdirect(struct io *io, uint64_t nth_write, int64_t by_bytes);
/* Sets the capacity of the disk from now on: less than is in use means every growth fails with EDDA_EFULL. */
void io_simulated_set_capacity(struct io *io, uint64_t disk_bytes);
/* From now on one in so many looks at a mapping finds it not in memory, by chance; 0: none, as at first, 1: all. */
void io_simulated_unload(struct io *io, uint32_t one_in);
/* A random number of the io's own generator, for the simulator to share its seed. */
uint64_t io_simulated_random(struct io *io);

#endif
