/*
 * Jobs on threads. A job is pushed on its pool's inbox, runs on a worker of the pool, and is pushed
 * on the stack of those that have run, which the owner's thread takes to call their `done`.
 *
 * A hand-off costs a system call only when the other side sleeps. The side about to sleep leaves a
 * mark in the empty stack it takes from; whoever pushes in place of the mark tells. So a push and
 * the question whether to tell are one atomic step, no wake-up is lost, and a burst tells once.
 *
 * A pool has at most one drainer, the worker that takes jobs; more of them would only contend for
 * short jobs. What keeps a job that waits from holding up those behind it:
 *   - a drainer in io_sleep() is none, and calls another worker when jobs wait;
 *   - while jobs wait, a second worker watches, and takes over when the drainer's job lasts longer
 *     than WATCH_NS, a system call presumably;
 *   - a worker back from a job that lasted longer than LONG_NS takes over as soon as the drainer is
 *     in a job itself, so that all threads are in use when all jobs block.
 * A worker that was replaced while it ran a job puts itself to rest afterwards.
 *
 * Invariant: when no worker will look at the inbox without being told (no drainer, or one that is
 * in a job and nobody watching it), the mark is in it, or a worker is called, or all threads are in
 * jobs and will look at their end.
 *
 * Threads are started when a job finds none idle; of those that stay idle all but one end. They
 * block all signals, which are the owner's. A machine that cannot start even the first thread of a
 * pool gets the job run on the submitter's: slow, and right.
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
#define SPIN_NS 10000
#define SPIN_HALVED_MAX 4 /* times, once for each in vain */
#define SPINS_VAIN_MAX 64
#define LONG_NS 50000
#define WATCH_NS 500000
#define WATCH_QUIET_MAX 8 /* looks without anything new before the watcher goes */
#define SURPLUS_NS (INT64_C(10) * NS_PER_S)
#define FINISH_ROUNDS_MAX 4 /* so that an owner whose jobs are very short gets to its other work */

static _Thread_local struct posix_worker *worker_self;

static struct io_posix *posix_of(struct io *io)
{
    return container_of(io, struct io_posix, io);
}

static void lock(pthread_mutex_t *mutex)
{
    ASSERT(pthread_mutex_lock(mutex) == 0);
}

static void unlock(pthread_mutex_t *mutex)
{
    ASSERT(pthread_mutex_unlock(mutex) == 0);
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

/* Returns false when the time is over. */
static bool wait_until(pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t deadline_ns)
{
    struct timespec until = timespec_of(deadline_ns);
    int r = pthread_cond_timedwait(cond, mutex, &until);

    ASSERT(r == 0 || r == ETIMEDOUT);
    return r == 0;
}

/* ---- stacks ---- */

static struct list mark;

/* Whether the mark was there. */
static bool stack_push(struct posix_stack *stack, struct io_job *job)
{
    struct list *newest = atomic_load_explicit(&stack->newest, memory_order_relaxed);

    do {
        job->link.next = newest == &mark ? NULL : newest;
    } while (!atomic_compare_exchange_weak_explicit(&stack->newest, &newest, &job->link, memory_order_acq_rel,
                                                    memory_order_relaxed));
    return newest == &mark;
}

static bool stack_has_jobs(struct posix_stack *stack)
{
    struct list *newest = atomic_load_explicit(&stack->newest, memory_order_acquire);

    return newest && newest != &mark;
}

/* Leaves the mark; false when there are jobs, and then it does not. */
static bool stack_mark(struct posix_stack *stack)
{
    struct list *newest = NULL;

    return atomic_compare_exchange_strong_explicit(&stack->newest, &newest, &mark, memory_order_acq_rel,
                                                   memory_order_acquire) ||
           newest == &mark;
}

/* Moves all jobs to the end of a list, oldest first. The mark goes, too. */
static void stack_take(struct posix_stack *stack, struct list *list)
{
    struct list *link, *next, *place = list;

    if (!atomic_load_explicit(&stack->newest, memory_order_relaxed))
        return;
    link = atomic_exchange_explicit(&stack->newest, NULL, memory_order_acq_rel);
    if (link == &mark)
        return;
    for (; link; link = next) {
        next = link->next;
        list_insert_before(place, link);
        place = link;
    }
}

/* ---- workers; everything here with the pool's mutex held ---- */

static void *worker_thread(void *user);

static bool jobs_wait_in(struct posix_pool *pool)
{
    return !list_empty(&pool->queue) || stack_has_jobs(&pool->inbox);
}

static void worker_call(struct posix_worker *worker)
{
    worker->called = true;
    worker->pool->called = true;
    ASSERT(pthread_cond_signal(&worker->wake) == 0);
}

static bool worker_start(struct posix_pool *pool)
{
    struct list *link = list_pop_front(&pool->spare);
    struct posix_worker *worker;
    sigset_t all, before;

    if (!link)
        return false;
    worker = container_of(link, struct posix_worker, link);
    if (worker->started)
        ASSERT(pthread_join(worker->thread, NULL) == 0);
    sigfillset(&all);
    ASSERT(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
    worker->started = pthread_create(&worker->thread, NULL, worker_thread, worker) == 0;
    ASSERT(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
    if (!worker->started) {
        list_push_front(&pool->spare, &worker->link);
        return false;
    }
    pool->live++;
    worker->called = true;
    pool->called = true;
    return true;
}

/* Has one more worker look what there is to do, unless one is on its way. When there is none, those in jobs will. */
static void pool_call(struct posix_pool *pool)
{
    struct list *link;

    if (pool->called)
        return;
    link = list_pop_front(&pool->idle);
    if (link)
        worker_call(container_of(link, struct posix_worker, link));
    else if (!worker_start(pool) && !pool->drainer && pool->watcher)
        worker_call(pool->watcher);
}

/* Whether somebody looks at the inbox unasked; else the mark must be in it, or a worker called. */
static bool pool_attended(const struct posix_pool *pool)
{
    return pool->drainer && (!pool->in_job || pool->watcher || pool->worker_max == 1);
}

static void pool_attend(struct posix_pool *pool)
{
    if (!pool_attended(pool) && (!list_empty(&pool->queue) || !stack_mark(&pool->inbox)))
        pool_call(pool);
}

/* Returns whether it was called. */
static bool worker_arrived(struct posix_worker *worker)
{
    bool called = worker->called;

    if (called) {
        worker->called = false;
        worker->pool->called = false;
    }
    worker->ran_long = false;
    worker->now_ns = monotonic_ns();
    return called;
}

/* Makes the worker the drainer if that serves the jobs that wait. */
static bool worker_takes_over(struct posix_worker *worker)
{
    struct posix_pool *pool = worker->pool;

    if (!jobs_wait_in(pool) || (pool->drainer && !(pool->in_job && worker->ran_long)))
        return false;
    pool->drainer = worker;
    pool->in_job = false;
    return true;
}

/* Waits until called. False when the thread is to end. */
static bool worker_rest(struct posix_worker *worker)
{
    struct posix_pool *pool = worker->pool;
    int64_t until_ns = deadline_after(pool->io->surplus_ns);

    list_push_front(&pool->idle, &worker->link);
    while (!worker->called && !pool->ending) {
        if (wait_until(&worker->wake, &pool->lock, until_ns) || worker->called)
            continue;
        if (pool->idle.next != pool->idle.prev)
            break;
        until_ns = INT64_MAX;
    }
    list_remove(&worker->link);
    return worker_arrived(worker);
}

/* Looks after the drainer until it is stuck, or nothing has been going on for a while, or called. */
static void worker_watch(struct posix_worker *worker)
{
    struct posix_pool *pool = worker->pool;
    int64_t job_from_ns = pool->job_from_ns;
    unsigned quiet = 0;

    pool->watcher = worker;
    worker->now_ns = monotonic_ns();
    while (!worker->called && !pool->ending) {
        bool waiting = jobs_wait_in(pool);

        if (waiting && pool->drainer && pool->in_job && worker->now_ns - pool->job_from_ns >= WATCH_NS) {
            pool->drainer = worker;
            pool->in_job = false;
            break;
        }
        quiet = waiting || job_from_ns != pool->job_from_ns ? 0 : quiet + 1;
        if (quiet > WATCH_QUIET_MAX && stack_mark(&pool->inbox))
            break;
        job_from_ns = pool->job_from_ns;
        (void)wait_until(&worker->wake, &pool->lock, worker->now_ns + WATCH_NS);
        worker->now_ns = monotonic_ns();
    }
    pool->watcher = NULL;
    (void)worker_arrived(worker);
}

static void job_has_run(struct io_posix *p, struct io_job *job)
{
    uint64_t one = 1;

    if (stack_push(&p->ran, job))
        ASSERT(write(p->wake_fd, &one, sizeof(one)) == (ssize_t)sizeof(one));
}

/*
 * Looks for a few microseconds for a job, without the mutex. Less long when that has been in vain: the submitter may
 * wait for this very processor. Now and then it is tried anew.
 */
static void worker_spin(struct posix_worker *worker)
{
    struct posix_pool *pool = worker->pool;
    unsigned vain = pool->spins_vain % SPINS_VAIN_MAX;
    int64_t until_ns = worker->now_ns + (pool->io->spin_ns >> (vain < SPIN_HALVED_MAX ? vain : SPIN_HALVED_MAX));

    unlock(&pool->lock);
    while (worker->now_ns < until_ns && !stack_has_jobs(&pool->inbox))
        worker->now_ns = monotonic_ns();
    lock(&pool->lock);
    pool->spins_vain = stack_has_jobs(&pool->inbox) ? 0 : vain + 1;
}

/* The drainer runs a job, or looks for one and then is drainer no more. */
static void worker_drain(struct posix_worker *worker)
{
    struct posix_pool *pool = worker->pool;
    struct list *link;
    struct io_job *job;
    int64_t from_ns = worker->now_ns;

    if (list_empty(&pool->queue))
        stack_take(&pool->inbox, &pool->queue);
    link = list_pop_front(&pool->queue);
    if (!link) {
        worker_spin(worker);
        if (stack_mark(&pool->inbox))
            pool->drainer = NULL;
        return;
    }
    job = container_of(link, struct io_job, link);
    pool->in_job = true;
    pool->job_from_ns = from_ns;
    pool_attend(pool);
    unlock(&pool->lock);
    job->run(job);
    job_has_run(pool->io, job);
    worker->now_ns = monotonic_ns();
    worker->ran_long = worker->now_ns - from_ns >= LONG_NS;
    lock(&pool->lock);
    if (pool->drainer == worker)
        pool->in_job = false;
}

static void *worker_thread(void *user)
{
    struct posix_worker *worker = user;
    struct posix_pool *pool = worker->pool;
    bool called;

    worker_self = worker;
    pthread_setname_np(pthread_self(), pool->thread_name);
    lock(&pool->lock);
    called = worker_arrived(worker);
    for (;;) {
        if (pool->drainer == worker || worker_takes_over(worker)) {
            worker_drain(worker);
            called = false;
        } else if (pool->drainer && !pool->watcher && (called || jobs_wait_in(pool))) {
            /* Where there was a need to watch a moment ago, there will be one in a moment. */
            worker_watch(worker);
            called = false;
        } else if (pool_attended(pool) || stack_mark(&pool->inbox)) {
            called = worker_rest(worker);
            if (!called)
                break;
        }
    }
    pool->live--;
    list_push_back(&pool->spare, &worker->link);
    unlock(&pool->lock);
    return NULL;
}

/* ---- the owner's side ---- */

/* For a pool without any thread. */
static void pool_run_here(struct posix_pool *pool)
{
    struct list jobs, *link;

    list_init(&jobs);
    stack_take(&pool->inbox, &jobs);
    ASSERT(stack_mark(&pool->inbox));
    while ((link = list_pop_front(&jobs))) {
        struct io_job *job = container_of(link, struct io_job, link);

        job->run(job);
        job_has_run(pool->io, job);
    }
}

void posix_job_submit(struct io *io, enum io_pool which, struct io_job *job)
{
    struct io_posix *p = posix_of(io);
    struct posix_pool *pool = &p->pools[which];
    bool stranded;

    p->under_way++;
    if (!stack_push(&pool->inbox, job))
        return;
    lock(&pool->lock);
    ASSERT(!pool->ending);
    pool_attend(pool);
    stranded = pool->live == 0;
    unlock(&pool->lock);
    if (stranded)
        pool_run_here(pool);
}

/* Whether jobs have run. Notes when the mark is gone, whose remover signals. */
static bool ran_look(struct io_posix *p)
{
    bool some = stack_has_jobs(&p->ran);

    if (some && p->armed) {
        p->armed = false;
        p->signals_owed++;
    }
    return some;
}

/* Sees to it that the next job that has run signals; false when one has run already. */
static bool ran_arm(struct io_posix *p)
{
    if (ran_look(p) || !stack_mark(&p->ran))
        return false;
    p->armed = true;
    return true;
}

/* A signal may come after its job was taken; then it is read later, and has woken the owner for nothing. */
static void signals_read(struct io_posix *p)
{
    uint64_t count;
    ssize_t r;

    if (p->signals_owed == 0)
        return;
    r = read(p->wake_fd, &count, sizeof(count));
    ASSERT(r == (ssize_t)sizeof(count) || (r < 0 && errno == EAGAIN));
    if (r < 0)
        return;
    (void)ran_look(p); /* what was read may be of a mark that has gone just now */
    ASSERT(count <= p->signals_owed);
    p->signals_owed -= count;
}

/* The descriptor becomes readable with the next job that has run, or now if one has. */
static void ran_promise(struct io_posix *p)
{
    uint64_t one = 1;

    if (ran_arm(p) || p->signals_owed > 0)
        return;
    p->signals_owed++;
    ASSERT(write(p->wake_fd, &one, sizeof(one)) == (ssize_t)sizeof(one));
}

size_t posix_jobs_finish(struct io *io)
{
    struct io_posix *p = posix_of(io);
    struct list ran, *link;
    size_t count = 0;

    if (p->under_way == 0 && p->signals_owed == 0)
        return 0;
    list_init(&ran);
    for (unsigned round = 0; round < FINISH_ROUNDS_MAX && ran_look(p); round++) {
        stack_take(&p->ran, &ran);
        while ((link = list_pop_front(&ran))) {
            struct io_job *job = container_of(link, struct io_job, link);

            p->under_way--;
            count++;
            job->done(job);
        }
    }
    signals_read(p);
    if (p->polled)
        ran_promise(p);
    return count;
}

int posix_jobs_wait(struct io *io, int64_t timeout_ns)
{
    struct io_posix *p = posix_of(io);
    struct pollfd ready = { .fd = p->wake_fd, .events = POLLIN };
    int64_t deadline = timeout_ns < 0 ? INT64_MAX : deadline_after(timeout_ns);

    /* Nothing can run, so that there is nothing to wait for. */
    if (timeout_ns < 0 && p->under_way == 0)
        return 0;
    while (ran_arm(p)) {
        int64_t left = timeout_ns < 0 ? 0 : deadline - monotonic_ns();
        struct timespec limit = timespec_of(left > 0 ? left : 0);
        int r = ppoll(&ready, 1, timeout_ns < 0 ? NULL : &limit, NULL);

        ASSERT(r >= 0 || errno == EINTR);
        if (r == 0)
            return ran_look(p);
        if (r > 0 && !ran_look(p))
            signals_read(p);
    }
    return 1;
}

int posix_wake_fd(struct io *io)
{
    struct io_posix *p = posix_of(io);

    if (!p->polled) {
        p->polled = true;
        ran_promise(p);
    }
    return p->wake_fd;
}

/* The worker is about to wait: another one may go on. */
static void worker_leave(struct posix_worker *worker)
{
    struct posix_pool *pool = worker->pool;

    lock(&pool->lock);
    if (pool->drainer == worker && pool->worker_max > 1) {
        pool->drainer = NULL;
        pool->in_job = false;
        pool_attend(pool);
    }
    unlock(&pool->lock);
}

bool posix_sleep(struct io *io, int64_t duration_ns)
{
    struct io_posix *p = posix_of(io);
    int64_t until_ns = deadline_after(duration_ns > 0 ? duration_ns : 0);
    bool slept;

    if (worker_self && duration_ns > 0)
        worker_leave(worker_self);
    lock(&p->lock);
    while (!p->shut_down && wait_until(&p->awake, &p->lock, until_ns))
        ;
    slept = !p->shut_down;
    unlock(&p->lock);
    return slept;
}

void posix_shutdown(struct io *io)
{
    struct io_posix *p = posix_of(io);

    lock(&p->lock);
    p->shut_down = true;
    ASSERT(pthread_cond_broadcast(&p->awake) == 0);
    unlock(&p->lock);
}

/* ---- beginning and end ---- */

static void pool_init(struct posix_pool *pool, struct io_posix *p, struct posix_worker *workers, unsigned worker_max,
                      const pthread_condattr_t *monotonic)
{
    pool->io = p;
    pool->workers = workers;
    pool->worker_max = worker_max;
    list_init(&pool->queue);
    list_init(&pool->idle);
    list_init(&pool->spare);
    ASSERT(pthread_mutex_init(&pool->lock, NULL) == 0);
    ASSERT(stack_mark(&pool->inbox));
    for (unsigned i = 0; i < worker_max; i++) {
        workers[i].pool = pool;
        list_push_back(&pool->spare, &workers[i].link);
        ASSERT(pthread_cond_init(&workers[i].wake, monotonic) == 0);
    }
}

/* Of a pool without jobs. */
static void pool_deinit(struct posix_pool *pool)
{
    lock(&pool->lock);
    ASSERT(!jobs_wait_in(pool));
    pool->ending = true;
    for (unsigned i = 0; i < pool->worker_max; i++)
        ASSERT(pthread_cond_signal(&pool->workers[i].wake) == 0);
    unlock(&pool->lock);
    for (unsigned i = 0; i < pool->worker_max; i++) {
        if (pool->workers[i].started)
            ASSERT(pthread_join(pool->workers[i].thread, NULL) == 0);
        pthread_cond_destroy(&pool->workers[i].wake);
    }
    ASSERT(pool->live == 0);
    pthread_mutex_destroy(&pool->lock);
}

bool posix_jobs_init(struct io_posix *p, unsigned handler_threads)
{
    static const char *const thread_names[IO_POOL_COUNT] = {
        [IO_POOL_FLUSH] = "edda-flush",
        [IO_POOL_BACKGROUND] = "edda-background",
        [IO_POOL_HANDLERS] = "edda-handler",
    };
    pthread_condattr_t monotonic;
    struct posix_worker *workers = calloc(IO_POOL_COUNT - 1 + handler_threads, sizeof(*workers));

    if (!workers)
        return false;
    p->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (p->wake_fd < 0) {
        free(workers);
        return false;
    }
    /* With one processor nothing comes while it is looked for. */
    p->spin_ns = sysconf(_SC_NPROCESSORS_ONLN) > 1 ? SPIN_NS : 0;
    p->surplus_ns = SURPLUS_NS;
    ASSERT(pthread_mutex_init(&p->lock, NULL) == 0);
    ASSERT(pthread_condattr_init(&monotonic) == 0);
    ASSERT(pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0);
    ASSERT(pthread_cond_init(&p->awake, &monotonic) == 0);
    for (unsigned i = 0; i < IO_POOL_COUNT; i++) {
        p->pools[i].thread_name = thread_names[i];
        pool_init(&p->pools[i], p, workers + i, i == IO_POOL_HANDLERS ? handler_threads : 1, &monotonic);
    }
    pthread_condattr_destroy(&monotonic);
    return true;
}

/* The pools' workers lie in one array, the handlers' last. */
_Static_assert(IO_POOL_HANDLERS == IO_POOL_COUNT - 1, "the pool of many threads is the last");

void posix_jobs_deinit(struct io_posix *p)
{
    posix_shutdown(&p->io);
    while (p->under_way > 0) {
        posix_jobs_wait(&p->io, -1);
        posix_jobs_finish(&p->io);
    }
    for (unsigned i = 0; i < IO_POOL_COUNT; i++)
        pool_deinit(&p->pools[i]);
    free(p->pools[0].workers);
    pthread_cond_destroy(&p->awake);
    pthread_mutex_destroy(&p->lock);
    close(p->wake_fd);
}
