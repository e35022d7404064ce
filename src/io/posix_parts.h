/*
 * What the files of the posix io share: the io itself, its files and its pools. How jobs get from
 * thread to thread is told in posix_jobs.c.
 */
#ifndef EDDA_IO_POSIX_PARTS_H
#define EDDA_IO_POSIX_PARTS_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/list.h"
#include "io/io.h"

#define CACHE_LINE_BYTES 64

struct io_posix;
struct posix_pool;

/* Jobs that any thread pushes and one takes all at once; linked by `next`, the newest first. */
struct posix_stack {
    char apart_before[CACHE_LINE_BYTES];
    _Atomic(struct list *) newest; /* NULL: empty; the mark: empty, and the one who pushes has to tell */
    char apart_after[CACHE_LINE_BYTES];
};

struct posix_worker {
    struct posix_pool *pool;
    struct list link;      /* in `idle` or `spare` of the pool, or alone */
    pthread_cond_t wake;   /* called, or the pool is ending */
    pthread_t thread;
    bool started;          /* there is a thread to join */
    bool called;           /* somebody woke it, and it has not looked yet */
    bool ran_long;         /* its last job did */
    int64_t now_ns;        /* when it last looked at the clock */
};

struct posix_pool {
    struct io_posix *io;
    const char *thread_name;
    struct posix_stack inbox;     /* submitted; the owner's thread pushes */
    pthread_mutex_t lock;         /* guards what follows; the workers' own, but for calls */
    struct list queue;            /* struct io_job, oldest first; all older than those of the inbox */
    struct posix_worker *drainer; /* takes the jobs, one by one; or NULL */
    struct posix_worker *watcher; /* looks whether the drainer gets on; or NULL */
    bool in_job;                  /* the drainer runs one */
    int64_t job_from_ns;          /* since when; monotonic */
    unsigned spins_vain;          /* in a row: the drainer has looked for more jobs, and none came */
    bool called;                  /* a worker is on its way, which will look what there is to do */
    bool ending;
    struct list idle;             /* struct posix_worker, the one that last worked first */
    struct list spare;            /* struct posix_worker without a thread that lives */
    unsigned live;                /* threads */
    struct posix_worker *workers; /* `worker_max` of them */
    unsigned worker_max;
};

struct io_posix {
    struct io io;
    struct posix_stack ran; /* the workers push, the owner takes */

    /* The owner's thread only. */
    int wake_fd;            /* an eventfd */
    bool polled;            /* somebody has asked for it */
    bool armed;             /* the mark was left in `ran`, and has not been missed yet */
    uint64_t signals_owed;  /* marks that were missed, and whose signal was not read from the descriptor yet */
    size_t under_way;       /* submitted and not finished */

    int64_t spin_ns;        /* how long a drainer without jobs looks for more before it sleeps, at most */
    int64_t surplus_ns;     /* how long an idle thread that is not the only one stays */
    pthread_mutex_t lock;   /* guards the two that follow */
    pthread_cond_t awake;   /* the shutdown has begun */
    bool shut_down;
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
void posix_file_map_rest(struct io_file *file, const uint8_t *data, uint64_t len);
bool posix_file_map_is_loaded(struct io_file *file, const uint8_t *data, uint64_t from, uint64_t len);
void posix_file_map_load(struct io_file *file, const uint8_t *data, uint64_t from, uint64_t len);
void posix_file_map_in_order(struct io_file *file, const uint8_t *data, uint64_t len);
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
