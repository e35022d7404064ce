/*
 * What the files of the posix io share: the io itself, its files and its pools.
 *
 * One mutex guards queues, the list of jobs that have run, and the shutdown flag; it is held for a
 * few list operations only, never while a job runs.
 */
#ifndef EDDA_IO_POSIX_PARTS_H
#define EDDA_IO_POSIX_PARTS_H

#include <pthread.h>

#include "base/list.h"
#include "io/io.h"

struct io_posix;

struct posix_pool {
    struct io_posix *io;
    const char *thread_name;
    struct list queue;     /* struct io_job, oldest first */
    size_t queued;
    pthread_cond_t work;   /* a job was queued, or the pool is ending */
    pthread_t *threads;
    unsigned thread_count;
    unsigned thread_max;
    unsigned idle;         /* threads that wait for `work` */
};

struct io_posix {
    struct io io;
    int wake_fd;           /* an eventfd; readable exactly while `ran` is not empty */
    pthread_mutex_t lock;  /* guards what follows, and the pools */
    struct list ran;       /* struct io_job, in the order they ended */
    pthread_cond_t awake;  /* the shutdown has begun */
    bool shut_down;
    bool ending;
    size_t under_way;      /* submitted and not finished; the owner's thread only */
    struct posix_pool pools[IO_POOL_COUNT];
};

struct io_file {
    int fd;
    char path[]; /* for messages */
};

/* The code that stands for an errno. */
int posix_code(int system_error);

int posix_file_open(struct io *io, const char *path, unsigned flags, struct io_file **ret_file,
                    struct edda_error *error);
void posix_file_close(struct io_file *file);
int posix_file_read(struct io_file *file, void *data, size_t len, uint64_t offset, size_t *ret_len);
int posix_file_write(struct io_file *file, const struct slice *parts, size_t count, uint64_t offset);
int posix_file_sync(struct io_file *file);
int posix_file_allocate(struct io_file *file, uint64_t len);
int posix_file_truncate(struct io_file *file, uint64_t len);
int posix_file_size(struct io_file *file, uint64_t *ret_len);
int posix_file_map(struct io_file *file, uint64_t len, const uint8_t **ret_data);
void posix_file_unmap(struct io_file *file, const uint8_t *data, uint64_t len);
int posix_file_lock(struct io_file *file, struct edda_error *error);

/* Sets up pools without threads; false when out of memory or descriptors, and then nothing is held. */
bool posix_jobs_init(struct io_posix *p, unsigned handler_threads);
/* Ends all sleeps, finishes every job, joins the threads. */
void posix_jobs_deinit(struct io_posix *p);
void posix_job_submit(struct io *io, enum io_pool pool, struct io_job *job);
size_t posix_jobs_finish(struct io *io);
int posix_jobs_wait(struct io *io, int64_t timeout_ns);
int posix_wake_fd(struct io *io);
bool posix_sleep(struct io *io, int64_t duration_ns);
void posix_shutdown(struct io *io);

#endif
