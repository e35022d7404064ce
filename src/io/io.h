/*
 * io: the world outside of the core, as an interface: files, clocks, randomness and jobs. The core
 * reaches the operating system through here and nowhere else, so that the whole of it also runs on
 * a simulated world (io/simulated.h), where a crash, a torn write and a year take no time.
 *
 * Failures are the codes of edda/error.h: EDDA_EIO, EDDA_EFULL, EDDA_ENOTFOUND, EDDA_EEXISTS,
 * EDDA_ELOCKED, EDDA_ENOMEM, EDDA_ECLOSED. The message names the path and what the system said.
 *
 * Threads: files may be read, written, synced, renamed, removed, mapped and closed by any thread, each range and each name by one at a time; jobs,
 * clocks and randomness belong to the thread that owns the io.
 */
#ifndef EDDA_IO_IO_H
#define EDDA_IO_IO_H

#include "base/list.h"
#include "base/slice.h"
#include "edda/error.h"

struct io;
struct io_file;
struct io_job;

enum io_open {
    IO_READ = 0,        /* the file must exist */
    IO_WRITE = 1,       /* reading and writing; it must exist */
    IO_CREATE = 2,      /* with IO_WRITE: make it when missing */
    IO_EXCLUSIVE = 4    /* with IO_CREATE: EDDA_EEXISTS when it is there */
};

/* Which threads a job runs on; each pool has its own. */
enum io_pool {
    IO_POOL_FLUSH,      /* one thread, in order: writes and syncs of the log */
    IO_POOL_BACKGROUND, /* one thread: sealing, merging, zeroing ahead, backup */
    IO_POOL_HANDLERS,   /* up to `handler_threads`: handlers that block */
    IO_POOL_COUNT
};

/*
 * A piece of immutable work for another thread, embedded in what it works on. `run` runs there;
 * `done` then runs on the owner's thread, from io_jobs_finish(). Every submitted job is finished,
 * also at close.
 */
struct io_job {
    void (*run)(struct io_job *job);
    void (*done)(struct io_job *job);
    struct list link;    /* the io's, while the job is under way */
    int64_t done_at_ns;  /* the simulated io's */
};

/* Called with each name in a directory; a result other than 0 ends the listing and is returned. */
typedef int io_dir_entry_fn(void *user, const char *name);

struct io_ops {
    int (*file_open)(struct io *io, const char *path, unsigned flags, struct io_file **ret_file, struct edda_error *error);
    void (*file_close)(struct io_file *file);
    int (*file_read)(struct io_file *file, void *data, size_t len, uint64_t offset, size_t *ret_len);
    int (*file_write)(struct io_file *file, const struct slice *parts, size_t count, uint64_t offset);
    int (*file_sync)(struct io_file *file);
    int (*file_allocate)(struct io_file *file, uint64_t len);
    int (*file_truncate)(struct io_file *file, uint64_t len);
    int (*file_size)(struct io_file *file, uint64_t *ret_len);
    int (*file_map)(struct io_file *file, uint64_t len, const uint8_t **ret_data);
    void (*file_unmap)(struct io_file *file, const uint8_t *data, uint64_t len);
    void (*file_map_rest)(struct io_file *file, const uint8_t *data, uint64_t len);
    bool (*file_map_is_loaded)(struct io_file *file, const uint8_t *data, uint64_t from, uint64_t len);
    void (*file_map_load)(struct io_file *file, const uint8_t *data, uint64_t from, uint64_t len);
    void (*file_map_in_order)(struct io_file *file, const uint8_t *data, uint64_t len);
    int (*file_lock)(struct io_file *file, struct edda_error *error);
    int (*file_rename)(struct io *io, const char *from, const char *to);
    int (*file_remove)(struct io *io, const char *path);
    int (*dir_make)(struct io *io, const char *path, struct edda_error *error);
    int (*dir_list)(struct io *io, const char *path, io_dir_entry_fn *entry, void *user);
    int (*dir_sync)(struct io *io, const char *path);
    int64_t (*clock_wall_ns)(struct io *io);
    int64_t (*clock_boot_ns)(struct io *io);
    void (*random_fill)(struct io *io, void *data, size_t len);
    void (*job_submit)(struct io *io, enum io_pool pool, struct io_job *job);
    size_t (*jobs_finish)(struct io *io);
    int (*jobs_wait)(struct io *io, int64_t timeout_ns);
    int (*wake_fd)(struct io *io);
    bool (*sleep)(struct io *io, int64_t duration_ns);
    void (*shutdown)(struct io *io);
};

struct io {
    const struct io_ops *ops;
};

/* Opens a file; `flags` are of enum io_open. */
static inline int io_file_open(struct io *io, const char *path, unsigned flags, struct io_file **ret_file, struct edda_error *error)
{
    return io->ops->file_open(io, path, flags, ret_file, error);
}

/* NULL is allowed. Needs the io for its operations, like all calls on files. */
static inline void io_file_close(struct io *io, struct io_file *file)
{
    if (file)
        io->ops->file_close(file);
}

/* Reads up to `len` bytes; fewer only at the end of the file. Interrupted reads are continued. */
static inline int io_file_read(struct io *io, struct io_file *file, void *data, size_t len, uint64_t offset, size_t *ret_len)
{
    return io->ops->file_read(file, data, len, offset, ret_len);
}

/* Writes all parts, one after the other, at `offset`, or fails; nothing is durable before
 * io_file_sync(). EDDA_EFULL when the disk is full. */
static inline int io_file_write(struct io *io, struct io_file *file, const struct slice *parts, size_t count, uint64_t offset)
{
    return io->ops->file_write(file, parts, count, offset);
}

/* Makes what was written, and the size, durable (fdatasync). After a failure nothing may be assumed about what
 * was written since the last success; a later success proves nothing (the kernel forgets). */
static inline int io_file_sync(struct io *io, struct io_file *file)
{
    return io->ops->file_sync(file);
}

/* Reserves space up to `len` bytes and sets the size to at least that; fresh bytes read as zero.
 * EDDA_EFULL leaves the file as it was. */
static inline int io_file_allocate(struct io *io, struct io_file *file, uint64_t len)
{
    return io->ops->file_allocate(file, len);
}

static inline int io_file_truncate(struct io *io, struct io_file *file, uint64_t len)
{
    return io->ops->file_truncate(file, len);
}

static inline int io_file_size(struct io *io, struct io_file *file, uint64_t *ret_len)
{
    return io->ops->file_size(file, ret_len);
}

/* Maps the first `len` bytes for reading; what is written later is seen through the mapping. The
 * file must be at least that long and not be cut while it is mapped. */
static inline int io_file_map(struct io *io, struct io_file *file, uint64_t len, const uint8_t **ret_data)
{
    return io->ops->file_map(file, len, ret_data);
}

/* Gives the pages of a mapping back that were read; they are read again from the file, or its cache, when they are touched. */
static inline void io_file_map_rest(struct io *io, struct io_file *file, const uint8_t *data, uint64_t len)
{
    if (len)
        io->ops->file_map_rest(file, data, len);
}

/* Whether these bytes of a mapping are in memory, so that whoever touches them does not wait for the disk. Where that cannot be told they are. */
static inline bool io_file_map_is_loaded(struct io *io, struct io_file *file, const uint8_t *data, uint64_t from, uint64_t len)
{
    return len == 0 || io->ops->file_map_is_loaded(file, data, from, len);
}

/* Asks the disk for these bytes of a mapping, and does not wait: soon they are in memory, and some time later not any more. */
static inline void io_file_map_load(struct io *io, struct io_file *file, const uint8_t *data, uint64_t from, uint64_t len)
{
    if (len)
        io->ops->file_map_load(file, data, from, len);
}

/* Says of a mapping that it is read forward, and hardly ever again soon: so the system reads ahead and not around, and gives up its pages first. */
static inline void io_file_map_in_order(struct io *io, struct io_file *file, const uint8_t *data, uint64_t len)
{
    if (len)
        io->ops->file_map_in_order(file, data, len);
}

static inline void io_file_unmap(struct io *io, struct io_file *file, const uint8_t *data, uint64_t len)
{
    if (data)
        io->ops->file_unmap(file, data, len);
}

/* Takes the file for this process until it is closed; EDDA_ELOCKED names the holder's process id. */
static inline int io_file_lock(struct io *io, struct io_file *file, struct edda_error *error)
{
    return io->ops->file_lock(file, error);
}

/* Replaces `to` atomically; durable after io_dir_sync() of the directory. */
static inline int io_file_rename(struct io *io, const char *from, const char *to)
{
    return io->ops->file_rename(io, from, to);
}

static inline int io_file_remove(struct io *io, const char *path)
{
    return io->ops->file_remove(io, path);
}

/* Makes a directory and its parents; 0 when it is there already. EDDA_EEXISTS: a file is in the way. `error` may be NULL. */
static inline int io_dir_make(struct io *io, const char *path, struct edda_error *error)
{
    return io->ops->dir_make(io, path, error);
}

/* The names in a directory, sorted, without "." and "..". */
static inline int io_dir_list(struct io *io, const char *path, io_dir_entry_fn *entry, void *user)
{
    return io->ops->dir_list(io, path, entry, user);
}

static inline int io_dir_sync(struct io *io, const char *path)
{
    return io->ops->dir_sync(io, path);
}

/* Nanoseconds since 1970, as the system believes; may jump. */
static inline int64_t io_clock_wall_ns(struct io *io)
{
    return io->ops->clock_wall_ns(io);
}

/* Nanoseconds since some start, never backward, counting suspended time (CLOCK_BOOTTIME). */
static inline int64_t io_clock_boot_ns(struct io *io)
{
    return io->ops->clock_boot_ns(io);
}

static inline void io_random_fill(struct io *io, void *data, size_t len)
{
    io->ops->random_fill(io, data, len);
}

/* Hands a job to a pool. Threads are started when first needed. */
static inline void io_job_submit(struct io *io, enum io_pool pool, struct io_job *job)
{
    io->ops->job_submit(io, pool, job);
}

/* Calls `done` of the jobs that have run; returns how many. Never waits. */
static inline size_t io_jobs_finish(struct io *io)
{
    return io->ops->jobs_finish(io);
}

/* Waits until a job has run or the time is over (negative: no limit). Returns 1 or 0. */
static inline int io_jobs_wait(struct io *io, int64_t timeout_ns)
{
    return io->ops->jobs_wait(io, timeout_ns);
}

/* A descriptor that becomes readable when a job has run (it is drained by io_jobs_finish()), for
 * an event loop to wait on; -1 where there is none. */
static inline int io_wake_fd(struct io *io)
{
    return io->ops->wake_fd(io);
}

/* Waits inside a job; false when io_shutdown() ended the wait early. */
static inline bool io_sleep(struct io *io, int64_t duration_ns)
{
    return io->ops->sleep(io, duration_ns);
}

/* Ends all present and later io_sleep() calls. Jobs still run and finish. */
static inline void io_shutdown(struct io *io)
{
    io->ops->shutdown(io);
}

#endif
