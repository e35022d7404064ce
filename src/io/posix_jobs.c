/*
 * Jobs on threads. A job waits in its pool's queue, runs on a thread of the pool, and then lies on
 * the list of those that have run until the owner's thread calls its `done`. An eventfd is readable
 * exactly while that list is not empty; it is written and drained under the mutex, so that an event
 * loop never sleeps over a job that has run, nor wakes for none.
 *
 * Threads are started when a job finds none idle, and stay. They block all signals, which are the
 * owner's. A machine that cannot start even the first thread of a pool gets the job run on the
 * submitter's: slow, and right.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "io/posix_parts.h"

#define NS_PER_S 1000000000

static struct io_posix *posix_of(struct io *io)
{
    return container_of(io, struct io_posix, io);
}

static void lock(struct io_posix *p)
{
    ASSERT(pthread_mutex_lock(&p->lock) == 0);
}

static void unlock(struct io_posix *p)
{
    ASSERT(pthread_mutex_unlock(&p->lock) == 0);
}

/* With the mutex held. */
static void job_has_run(struct io_posix *p, struct io_job *job)
{
    uint64_t one = 1;
    bool first = list_empty(&p->ran);

    list_push_back(&p->ran, &job->link);
    if (first)
        ASSERT(write(p->wake_fd, &one, sizeof(one)) == (ssize_t)sizeof(one));
}

static void *pool_thread(void *user)
{
    struct posix_pool *pool = user;
    struct io_posix *p = pool->io;

    pthread_setname_np(pthread_self(), pool->thread_name);
    lock(p);
    for (;;) {
        struct list *link = list_pop_front(&pool->queue);

        if (link) {
            struct io_job *job = container_of(link, struct io_job, link);

            pool->queued--;
            unlock(p);
            job->run(job);
            lock(p);
            job_has_run(p, job);
        } else if (p->ending) {
            break;
        } else {
            pool->idle++;
            ASSERT(pthread_cond_wait(&pool->work, &p->lock) == 0);
            pool->idle--;
        }
    }
    unlock(p);
    return NULL;
}

/* With the mutex held. */
static void pool_start_thread(struct posix_pool *pool)
{
    sigset_t all, before;

    sigfillset(&all);
    ASSERT(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
    if (pthread_create(&pool->threads[pool->thread_count], NULL, pool_thread, pool) == 0)
        pool->thread_count++;
    ASSERT(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
}

void posix_job_submit(struct io *io, enum io_pool which, struct io_job *job)
{
    struct io_posix *p = posix_of(io);
    struct posix_pool *pool = &p->pools[which];

    p->under_way++;
    lock(p);
    ASSERT(!p->ending);
    if (pool->queued >= pool->idle && pool->thread_count < pool->thread_max)
        pool_start_thread(pool);
    if (pool->thread_count > 0) {
        list_push_back(&pool->queue, &job->link);
        pool->queued++;
        ASSERT(pthread_cond_signal(&pool->work) == 0);
        unlock(p);
        return;
    }
    unlock(p);
    job->run(job);
    lock(p);
    job_has_run(p, job);
    unlock(p);
}

size_t posix_jobs_finish(struct io *io)
{
    struct io_posix *p = posix_of(io);
    struct list ran, *link;
    size_t count = 0;

    if (p->under_way == 0)
        return 0;
    list_init(&ran);
    lock(p);
    if (!list_empty(&p->ran)) {
        uint64_t value;

        ASSERT(read(p->wake_fd, &value, sizeof(value)) == (ssize_t)sizeof(value));
        list_insert_before(&p->ran, &ran);
        list_remove(&p->ran);
    }
    unlock(p);
    while ((link = list_pop_front(&ran))) {
        struct io_job *job = container_of(link, struct io_job, link);

        p->under_way--;
        count++;
        job->done(job);
    }
    return count;
}

static struct timespec timespec_of(int64_t ns)
{
    return (struct timespec){ .tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S) };
}

static int64_t monotonic_ns(void)
{
    struct timespec now;

    ASSERT(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

/* A time so far ahead that it is for ever is capped, so that the sum cannot overflow. */
static int64_t deadline_after(int64_t duration_ns)
{
    int64_t now = monotonic_ns();

    return duration_ns > INT64_MAX - now ? INT64_MAX : now + duration_ns;
}

int posix_jobs_wait(struct io *io, int64_t timeout_ns)
{
    struct io_posix *p = posix_of(io);
    struct pollfd ready = { .fd = p->wake_fd, .events = POLLIN };
    int64_t deadline = timeout_ns < 0 ? INT64_MAX : deadline_after(timeout_ns);

    /* Nothing can run, so that there is nothing to wait for. */
    if (timeout_ns < 0 && p->under_way == 0)
        return 0;
    for (;;) {
        int64_t left = timeout_ns < 0 ? 0 : deadline - monotonic_ns();
        struct timespec limit = timespec_of(left > 0 ? left : 0);
        int r = ppoll(&ready, 1, timeout_ns < 0 ? NULL : &limit, NULL);

        if (r >= 0)
            return r > 0;
        ASSERT(errno == EINTR);
    }
}

int posix_wake_fd(struct io *io)
{
    return posix_of(io)->wake_fd;
}

bool posix_sleep(struct io *io, int64_t duration_ns)
{
    struct io_posix *p = posix_of(io);
    struct timespec until = timespec_of(deadline_after(duration_ns > 0 ? duration_ns : 0));
    bool slept;
    int r = 0;

    lock(p);
    while (!p->shut_down && r != ETIMEDOUT) {
        r = pthread_cond_timedwait(&p->awake, &p->lock, &until);
        ASSERT(r == 0 || r == ETIMEDOUT);
    }
    slept = !p->shut_down;
    unlock(p);
    return slept;
}

void posix_shutdown(struct io *io)
{
    struct io_posix *p = posix_of(io);

    lock(p);
    p->shut_down = true;
    ASSERT(pthread_cond_broadcast(&p->awake) == 0);
    unlock(p);
}

bool posix_jobs_init(struct io_posix *p, unsigned handler_threads)
{
    static const char *const thread_names[IO_POOL_COUNT] = {
        [IO_POOL_FLUSH] = "edda-flush",
        [IO_POOL_BACKGROUND] = "edda-background",
        [IO_POOL_HANDLERS] = "edda-handler",
    };
    pthread_condattr_t monotonic;
    pthread_t *threads = calloc(IO_POOL_COUNT - 1 + handler_threads, sizeof(*threads));

    if (!threads)
        return false;
    p->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (p->wake_fd < 0) {
        free(threads);
        return false;
    }
    list_init(&p->ran);
    ASSERT(pthread_mutex_init(&p->lock, NULL) == 0);
    ASSERT(pthread_condattr_init(&monotonic) == 0);
    ASSERT(pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0);
    ASSERT(pthread_cond_init(&p->awake, &monotonic) == 0);
    pthread_condattr_destroy(&monotonic);
    for (unsigned i = 0; i < IO_POOL_COUNT; i++) {
        struct posix_pool *pool = &p->pools[i];

        pool->io = p;
        pool->thread_name = thread_names[i];
        pool->threads = threads + i;
        pool->thread_max = i == IO_POOL_HANDLERS ? handler_threads : 1;
        list_init(&pool->queue);
        ASSERT(pthread_cond_init(&pool->work, NULL) == 0);
    }
    return true;
}

/* The pools' threads lie in one array, the handlers' last. */
_Static_assert(IO_POOL_HANDLERS == IO_POOL_COUNT - 1, "the pool of many threads is the last");

void posix_jobs_deinit(struct io_posix *p)
{
    posix_shutdown(&p->io);
    while (p->under_way > 0) {
        posix_jobs_wait(&p->io, -1);
        posix_jobs_finish(&p->io);
    }
    lock(p);
    p->ending = true;
    for (unsigned i = 0; i < IO_POOL_COUNT; i++)
        ASSERT(pthread_cond_broadcast(&p->pools[i].work) == 0);
    unlock(p);
    for (unsigned i = 0; i < IO_POOL_COUNT; i++) {
        struct posix_pool *pool = &p->pools[i];

        ASSERT(list_empty(&pool->queue));
        for (unsigned t = 0; t < pool->thread_count; t++)
            ASSERT(pthread_join(pool->threads[t], NULL) == 0);
        pthread_cond_destroy(&pool->work);
    }
    free(p->pools[0].threads);
    pthread_cond_destroy(&p->awake);
    pthread_mutex_destroy(&p->lock);
    close(p->wake_fd);
}
