/* What only the io of this machine has: other processes, threads, a descriptor to wait on. */
#include "io_world.h"

#include <poll.h>
#include <sys/wait.h>

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

const struct test io_posix_tests[] = {
    { "a lock names the process that has it", test_posix_lock_names_the_process },
    { "a full disk", test_posix_full_disk },
    { "the wake descriptor is readable while a job has run", test_posix_wake_fd },
    { "handlers run side by side", test_posix_handlers_run_side_by_side },
    { "a shutdown ends a sleep", test_posix_shutdown_ends_a_sleep },
    { "free finishes all jobs", test_posix_free_finishes_jobs },
    { NULL, NULL },
};
