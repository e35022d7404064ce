/* What only the io of this machine has: other processes, threads, a descriptor to wait on. */
#include "io_world.h"

#include <poll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "base/prng.h"
#include "io/posix_parts.h"

static void test_posix_lock_names_the_process(void **state)
{
    struct world *w = *state;
    const char *path = path_of(w, "lock");
    struct edda_error error = { 0 };
    struct io_file *file;
    int to_parent[2], to_child[2], status;
    char byte = 'x', text[32];
    pid_t child;

    assert_int_equal(pipe(to_parent), 0);
    assert_int_equal(pipe(to_child), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (io_file_open(w->io, path, IO_WRITE | IO_CREATE, &file, NULL) < 0 || io_file_lock(w->io, file, NULL) < 0)
            _exit(1);
        close(to_child[1]);
        if (write(to_parent[1], &byte, 1) != 1)
            _exit(2);
        _exit(read(to_child[0], &byte, 1) == 0 ? 0 : 3); /* until the parent closes */
    }
    close(to_parent[1]);
    assert_int_equal(read(to_parent[0], &byte, 1), 1);

    file = open_file(w->io, path, IO_WRITE);
    assert_int_equal(io_file_lock(w->io, file, &error), EDDA_ELOCKED);
    snprintf(text, sizeof(text), "process %ld", (long)child);
    assert_non_null(strstr(error.message, text));
    assert_non_null(strstr(error.message, path));

    close(to_child[1]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(io_file_lock(w->io, file, &error), 0); /* died, and left no lock */
    io_file_close(w->io, file);
    close(to_child[0]);
    close(to_parent[0]);
}

/* Opening it to read would wait for a writer. */
static void test_posix_a_pipe_is_no_file(void **state)
{
    struct world *w = *state;
    const char *path = path_of(w, "pipe");
    struct edda_error error = { 0 };
    struct io_file *file;

    assert_int_equal(mkfifo(path, 0600), 0);
    alarm(10);
    assert_int_equal(io_file_open(w->io, path, IO_READ, &file, &error), EDDA_EIO);
    assert_non_null(strstr(error.message, "it is not a file"));
    assert_int_equal(io_file_open(w->io, path, IO_WRITE, &file, &error), EDDA_EIO);
    alarm(0);
    assert_int_equal(unlink(path), 0);
}

static void test_posix_full_disk(void **state)
{
    struct world *w = *state;
    struct io_file *file = open_file(w->io, "/dev/full", IO_WRITE);

    assert_int_equal(try_write(w->io, file, "x", 1, 0), EDDA_EFULL);
    io_file_close(w->io, file);
}

static bool readable(int fd, int timeout_ms)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };

    return poll(&p, 1, timeout_ms) == 1;
}

static void test_posix_wake_fd(void **state)
{
    struct world *w = *state;
    int fd = io_wake_fd(w->io);
    size_t finished = 0;
    struct test_job job = test_job_of(w, &finished);

    assert_true(fd >= 0);
    for (unsigned pool = 0; pool < IO_POOL_COUNT; pool++) {
        assert_false(readable(fd, 0));
        io_job_submit(w->io, (enum io_pool)pool, &job.job);
        assert_true(readable(fd, 10000));
        assert_true(readable(fd, 0));
        assert_int_equal(io_jobs_finish(w->io), 1);
    }
    assert_false(readable(fd, 0));
    assert_int_equal(finished, IO_POOL_COUNT);
}

static void test_posix_handlers_run_side_by_side(void **state)
{
    struct world *w = *state;
    struct test_job jobs[HANDLER_THREADS];
    pthread_barrier_t meet;
    size_t finished = 0;

    /* Each waits for the others, so that fewer threads would never end. */
    assert_int_equal(pthread_barrier_init(&meet, NULL, HANDLER_THREADS), 0);
    for (size_t i = 0; i < HANDLER_THREADS; i++) {
        jobs[i] = test_job_of(w, &finished);
        jobs[i].meet = &meet;
        io_job_submit(w->io, IO_POOL_HANDLERS, &jobs[i].job);
    }
    finish_all(w->io, &finished, HANDLER_THREADS);
    pthread_barrier_destroy(&meet);
}

static void test_posix_shutdown_ends_a_sleep(void **state)
{
    struct world *w = *state;
    struct test_job job;
    pthread_barrier_t meet;
    size_t finished = 0;

    assert_int_equal(pthread_barrier_init(&meet, NULL, 2), 0);
    job = test_job_of(w, &finished);
    job.meet = &meet;
    job.sleep_ns = INT64_MAX;
    io_job_submit(w->io, IO_POOL_HANDLERS, &job.job);
    pthread_barrier_wait(&meet); /* it runs */
    assert_int_equal(io_jobs_wait(w->io, 2 * MS), 0);
    io_shutdown(w->io);
    finish_all(w->io, &finished, 1);
    assert_false(job.slept);
    pthread_barrier_destroy(&meet);
}

static void test_posix_free_finishes_jobs(void **state)
{
    struct world w = { .io = io_posix_new(2) };
    struct test_job jobs[40];
    size_t finished = 0;

    (void)state;
    assert_non_null(w.io);
    for (size_t i = 0; i < COUNT_OF(jobs); i++) {
        jobs[i] = test_job_of(&w, &finished);
        jobs[i].sleep_ns = i % 8 ? 0 : 3600 * S;
        io_job_submit(w.io, (enum io_pool)(i % IO_POOL_COUNT), &jobs[i].job);
    }
    io_posix_free(w.io);
    assert_int_equal(finished, COUNT_OF(jobs));
}

static int64_t cpu_ns(void)
{
    struct timespec used;

    assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used), 0);
    return (int64_t)used.tv_sec * S + used.tv_nsec;
}

static void test_posix_idle_threads_use_no_cpu(void **state)
{
    struct world *w = *state;
    struct test_job jobs[64];
    struct rusage before, after;
    size_t finished = 0;
    int64_t used;

    for (size_t i = 0; i < COUNT_OF(jobs); i++) {
        jobs[i] = test_job_of(w, &finished);
        jobs[i].sleep_ns = i % 8 ? 0 : MS;
        io_job_submit(w->io, (enum io_pool)(i % IO_POOL_COUNT), &jobs[i].job);
    }
    finish_all(w->io, &finished, COUNT_OF(jobs));
    assert_int_equal(io_jobs_wait(w->io, 50 * MS), 0); /* workers look for more, watch, and rest */
    used = cpu_ns();
    assert_int_equal(getrusage(RUSAGE_SELF, &before), 0);
    assert_int_equal(io_jobs_wait(w->io, 200 * MS), 0);
    assert_int_equal(getrusage(RUSAGE_SELF, &after), 0);
    assert_true(cpu_ns() - used < 2 * MS);
    assert_true(after.ru_nvcsw - before.ru_nvcsw <= 4); /* and not one of them has woken */
}

/* A job that blocks as a system call does: until a byte comes. */
struct blocked_job {
    struct io_job job;
    int fd;
    bool *done;
};

static void blocked_run(struct io_job *job)
{
    char byte;

    if (read(container_of(job, struct blocked_job, job)->fd, &byte, 1) != 1)
        abort();
}

static void blocked_done(struct io_job *job)
{
    *container_of(job, struct blocked_job, job)->done = true;
}

static void test_posix_blocked_handlers_hold_up_none(void **state)
{
    struct world *w = *state;
    struct blocked_job blocked[HANDLER_THREADS - 1];
    struct test_job jobs[200];
    bool done[COUNT_OF(blocked)] = { false };
    size_t finished = 0;
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    for (size_t i = 0; i < COUNT_OF(blocked); i++) {
        blocked[i] = (struct blocked_job){ { .run = blocked_run, .done = blocked_done }, ends[0], &done[i] };
        io_job_submit(w->io, IO_POOL_HANDLERS, &blocked[i].job);
    }
    /* All that come at once, and then, with all threads but one still blocked, one at a time. */
    for (size_t i = 0; i < COUNT_OF(jobs); i++) {
        jobs[i] = test_job_of(w, &finished);
        io_job_submit(w->io, IO_POOL_HANDLERS, &jobs[i].job);
        while (i >= COUNT_OF(jobs) / 2 && finished <= i) {
            assert_int_equal(io_jobs_wait(w->io, 10 * S), 1);
            io_jobs_finish(w->io);
        }
    }
    for (size_t i = 0; i < COUNT_OF(blocked); i++) {
        assert_false(done[i]);
        assert_int_equal(write(ends[1], "x", 1), 1);
    }
    while (!(done[0] && done[1] && done[2])) {
        assert_int_equal(io_jobs_wait(w->io, 10 * S), 1);
        io_jobs_finish(w->io);
    }
    close(ends[0]);
    close(ends[1]);
}

/* So that a job behind it does not even wait for the watcher. */
static void test_posix_sleeper_takes_no_jobs(void **state)
{
    struct world *w = *state;
    struct posix_pool *pool = &container_of(w->io, struct io_posix, io)->pools[IO_POOL_HANDLERS];
    size_t finished = 0;
    pthread_barrier_t meet;
    struct test_job job = test_job_of(w, &finished);
    bool drained = true;

    assert_int_equal(pthread_barrier_init(&meet, NULL, 2), 0);
    job.meet = &meet;
    job.sleep_ns = 3600 * S;
    io_job_submit(w->io, IO_POOL_HANDLERS, &job.job);
    pthread_barrier_wait(&meet); /* it runs */
    for (unsigned tries = 0; drained && tries < 10000; tries++) {
        assert_int_equal(io_jobs_wait(w->io, MS), 0);
        assert_int_equal(pthread_mutex_lock(&pool->lock), 0);
        drained = pool->drainer != NULL;
        assert_int_equal(pthread_mutex_unlock(&pool->lock), 0);
    }
    assert_false(drained);
    io_shutdown(w->io);
    finish_all(w->io, &finished, 1);
    pthread_barrier_destroy(&meet);
}

static void test_posix_surplus_threads_end(void **state)
{
    struct world *w = *state;
    struct io_posix *p = container_of(w->io, struct io_posix, io);
    struct posix_pool *pool = &p->pools[IO_POOL_HANDLERS];
    unsigned live = HANDLER_THREADS;

    p->surplus_ns = MS;
    for (unsigned round = 0; round < 2; round++) {
        test_posix_handlers_run_side_by_side(state);
        for (unsigned tries = 0; live > 1 && tries < 10000; tries++) {
            assert_int_equal(io_jobs_wait(w->io, MS), 0);
            assert_int_equal(pthread_mutex_lock(&pool->lock), 0);
            live = pool->live;
            assert_int_equal(pthread_mutex_unlock(&pool->lock), 0);
        }
        assert_int_equal(live, 1);
        live = HANDLER_THREADS;
    }
}

/* ---- jobs at random ---- */

#define STRESS_JOBS 64
#define STRESS_ROUNDS 40

struct stress;

struct stress_job {
    struct io_job job;
    struct stress *stress;
    enum io_pool pool;
    enum { STRESS_SHORT, STRESS_SLEEPS, STRESS_BLOCKS, STRESS_COMPUTES } kind;
    int64_t duration_ns;
    size_t number;      /* within the pool */
    _Atomic unsigned ran;
    unsigned finished;
};

struct stress {
    struct io *io;
    struct prng prng;
    struct stress_job jobs[STRESS_JOBS];
    _Atomic size_t ran_in_order[IO_POOL_COUNT];
    size_t submitted[IO_POOL_COUNT];
    size_t finished_in_order[IO_POOL_COUNT];
    size_t under_way;
};

static void stress_run(struct io_job *job)
{
    struct stress_job *j = container_of(job, struct stress_job, job);
    struct timespec duration = { .tv_nsec = (long)j->duration_ns };
    int64_t from = io_clock_boot_ns(j->stress->io);

    if (j->pool != IO_POOL_HANDLERS && j->stress->ran_in_order[j->pool]++ != j->number)
        abort();
    j->ran++;
    switch (j->kind) {
    case STRESS_SHORT:
        break;
    case STRESS_SLEEPS:
        (void)io_sleep(j->stress->io, j->duration_ns);
        break;
    case STRESS_BLOCKS:
        nanosleep(&duration, NULL);
        break;
    case STRESS_COMPUTES:
        while (io_clock_boot_ns(j->stress->io) - from < j->duration_ns / 4)
            ;
        break;
    }
}

static void stress_done(struct io_job *job)
{
    struct stress_job *j = container_of(job, struct stress_job, job);

    assert_int_equal(j->ran, 1);
    assert_int_equal(j->finished++, 0);
    if (j->pool != IO_POOL_HANDLERS)
        assert_int_equal(j->stress->finished_in_order[j->pool]++, j->number);
    j->stress->under_way--;
}

static void stress_submit(struct stress *s, struct stress_job *j)
{
    j->job = (struct io_job){ .run = stress_run, .done = stress_done };
    j->stress = s;
    j->pool = (enum io_pool)prng_below(&s->prng, 4);
    if (j->pool == IO_POOL_COUNT)
        j->pool = IO_POOL_HANDLERS;
    j->kind = prng_below(&s->prng, 3) ? STRESS_SHORT : 1 + (unsigned)prng_below(&s->prng, 3);
    j->duration_ns = (int64_t)prng_below(&s->prng, prng_below(&s->prng, 4) ? 30000 : 2 * (uint64_t)MS);
    j->number = s->submitted[j->pool]++;
    j->ran = 0;
    j->finished = 0;
    s->under_way++;
    io_job_submit(s->io, j->pool, &j->job);
}

/* In all the ways an owner may wait; none may last longer than the jobs do. */
static void stress_wait(struct stress *s, int fd)
{
    if (fd >= 0 && prng_below(&s->prng, 4))
        assert_true(readable(fd, 20000));
    else
        assert_int_equal(io_jobs_wait(s->io, prng_below(&s->prng, 2) ? -1 : 20 * S), 1);
}

/* `fd` is -1 for an owner that never asked for it. */
static void stress_round(struct stress *s, int fd)
{
    size_t count = 1 + prng_below(&s->prng, prng_below(&s->prng, 2) ? 4 : STRESS_JOBS);
    size_t next = 0;

    while (next < count || s->under_way > 0) {
        size_t burst = prng_below(&s->prng, 8);

        for (; burst > 0 && next < count; burst--)
            stress_submit(s, &s->jobs[next++]);
        if (s->under_way > 0 && prng_below(&s->prng, 2))
            stress_wait(s, fd);
        io_jobs_finish(s->io);
    }
    for (size_t i = 0; i < count; i++)
        assert_int_equal(s->jobs[i].finished, 1);
    assert_int_equal(io_jobs_finish(s->io), 0);
}

static void test_posix_jobs_at_random(void **state)
{
    const char *given = getenv("EDDA_SEED");
    uint64_t first = given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL);
    static struct stress s;

    (void)state;
    print_message("EDDA_SEED=%llu\n", (unsigned long long)first);
    for (uint64_t seed = first; seed < first + 6; seed++) {
        struct io_posix *p;
        int fd = -1;

        memset(&s, 0, sizeof(s));
        prng_init(&s.prng, seed);
        s.io = io_posix_new(1 + (unsigned)prng_below(&s.prng, 6));
        assert_non_null(s.io);
        p = container_of(s.io, struct io_posix, io);
        p->surplus_ns = 1 + (int64_t)prng_below(&s.prng, 2 * (uint64_t)MS);
        if (prng_below(&s.prng, 2))
            p->spin_ns = 0;
        for (unsigned round = 0; round < STRESS_ROUNDS; round++) {
            if (fd < 0 && round > 4 && prng_below(&s.prng, 2))
                fd = io_wake_fd(s.io);
            stress_round(&s, fd);
        }
        for (size_t i = 0; i < STRESS_JOBS; i++)
            stress_submit(&s, &s.jobs[i]);
        if (prng_below(&s.prng, 2))
            io_shutdown(s.io);
        io_posix_free(s.io);
        assert_int_equal(s.under_way, 0);
    }
}

const struct test io_posix_tests[] = {
    { "a lock names the process that has it", test_posix_lock_names_the_process },
    { "a pipe is no file", test_posix_a_pipe_is_no_file },
    { "a full disk", test_posix_full_disk },
    { "the wake descriptor is readable while a job has run", test_posix_wake_fd },
    { "handlers run side by side", test_posix_handlers_run_side_by_side },
    { "a shutdown ends a sleep", test_posix_shutdown_ends_a_sleep },
    { "free finishes all jobs", test_posix_free_finishes_jobs },
    { "idle threads use no processor time", test_posix_idle_threads_use_no_cpu },
    { "blocked handlers hold up none", test_posix_blocked_handlers_hold_up_none },
    { "a handler that sleeps takes no jobs", test_posix_sleeper_takes_no_jobs },
    { "surplus threads end", test_posix_surplus_threads_end },
    { "jobs at random run and are done once, in order, and wake", test_posix_jobs_at_random },
    { NULL, NULL },
};
