/* The simulated io apart from its disk: equal seeds, the clock, jobs, reset. */
#include "io_world.h"

/* Some work with a crash in it, folded into one number. */
static uint64_t history(struct world *w, uint64_t seed)
{
    uint64_t fold = UINT64_C(0xcbf29ce484222325);
    struct io_file *file;
    uint8_t data[4096];
    size_t len = 0;

    restart(w, seed);
    for (unsigned i = 0; i < 8; i++) {
        file = create(w->io, path_of(w, i % 2 ? "odd" : "even"));
        io_random_fill(w->io, data, sizeof(data));
        assert_int_equal(try_write(w->io, file, data, sizeof(data), (uint64_t)i * 1000), 0);
        if (i == 3)
            assert_int_equal(io_file_sync(w->io, file), 0);
        if (i == 4)
            assert_int_equal(io_dir_sync(w->io, w->dir), 0);
        io_file_close(w->io, file);
    }
    io_simulated_crash(w->io, false);
    for (unsigned i = 0; i < 2; i++) {
        if (io_file_open(w->io, path_of(w, i ? "odd" : "even"), IO_READ, &file, NULL) < 0)
            continue;
        for (uint64_t at = 0;; at += len) {
            assert_int_equal(io_file_read(w->io, file, data, sizeof(data), at, &len), 0);
            if (len == 0)
                break;
            for (size_t k = 0; k < len; k++)
                fold = (fold ^ data[k]) * UINT64_C(0x100000001b3);
        }
        io_file_close(w->io, file);
    }
    return fold ^ io_simulated_random(w->io);
}

static void test_equal_seeds_equal_histories(void **state)
{
    struct world *w = *state;
    struct world other = *w;
    uint64_t previous = 0;

    other.io = io_simulated_new(&(struct io_simulated_options){ .seed = 99 });
    for (uint64_t seed = 1; seed <= 50; seed++) {
        uint64_t first = history(w, seed);

        assert_true(first == history(w, seed));      /* in used memory */
        assert_true(first == history(&other, seed)); /* in another io */
        assert_true(first != previous);
        previous = first;
    }
    io_simulated_free(other.io);
}

static void test_simulated_clock(void **state)
{
    struct world *w = *state;
    int64_t wall;

    restart(w, 1);
    wall = io_clock_wall_ns(w->io);
    assert_int_equal(wall, INT64_C(1767225600) * S);
    assert_int_equal(io_clock_boot_ns(w->io), 0);
    io_simulated_advance(w->io, 10 * S);
    assert_int_equal(io_clock_wall_ns(w->io), wall + 10 * S);
    assert_int_equal(io_clock_boot_ns(w->io), 10 * S);
    io_simulated_wall_step(w->io, -3600 * S);
    assert_int_equal(io_clock_wall_ns(w->io), wall - 3590 * S);
    assert_int_equal(io_clock_boot_ns(w->io), 10 * S);
    io_simulated_crash(w->io, false);
    assert_int_equal(io_clock_wall_ns(w->io), wall - 3590 * S);
    assert_int_equal(io_clock_boot_ns(w->io), 0);
    io_simulated_advance(w->io, 1);
    assert_int_equal(io_clock_boot_ns(w->io), 1);

    io_simulated_reset(w->io, &(struct io_simulated_options){ .seed = 1, .wall_start_ns = 5 });
    assert_int_equal(io_clock_wall_ns(w->io), 5);
}

static void test_simulated_job_latencies(void **state)
{
    struct world *w = *state;
    size_t finished = 0;
    bool out_of_order = false;

    for (uint64_t seed = 1; seed <= 100; seed++) {
        struct test_job jobs[4];

        restart(w, seed);
        assert_int_equal(io_simulated_next_job_ns(w->io), INT64_MAX);
        assert_int_equal(io_wake_fd(w->io), -1);

        /* A flush: 50 to 500 us, and not a nanosecond before it is due. */
        finished = 0;
        jobs[0] = test_job_of(w, &finished);
        io_job_submit(w->io, IO_POOL_FLUSH, &jobs[0].job);
        assert_int_equal(io_jobs_finish(w->io), 0);
        assert_true(io_simulated_next_job_ns(w->io) >= 50000 && io_simulated_next_job_ns(w->io) <= 500000);
        io_simulated_advance(w->io, io_simulated_next_job_ns(w->io) - 1);
        assert_int_equal(io_jobs_finish(w->io), 0);
        io_simulated_advance(w->io, 1);
        assert_int_equal(io_jobs_finish(w->io), 1);

        /* Handlers sleep on clocks of their own, and end in the order of their ends. */
        for (unsigned i = 0; i < 4; i++) {
            jobs[i] = test_job_of(w, &finished);
            jobs[i].sleep_ns = (int64_t)(4 - i) * MS / 2;
            io_job_submit(w->io, IO_POOL_HANDLERS, &jobs[i].job);
            assert_int_equal(jobs[i].took_ns, jobs[i].sleep_ns);
            assert_true(jobs[i].job.done_at_ns > io_clock_boot_ns(w->io) + jobs[i].sleep_ns);
            assert_true(jobs[i].job.done_at_ns <= io_clock_boot_ns(w->io) + jobs[i].sleep_ns + MS);
            if (i && jobs[i].job.done_at_ns < jobs[i - 1].job.done_at_ns)
                out_of_order = true;
        }
        finish_all(w->io, &finished, 5);
    }
    assert_true(out_of_order);
}

static void test_simulated_flushes_end_in_order(void **state)
{
    struct world *w = *state;

    for (uint64_t seed = 1; seed <= 100; seed++) {
        struct test_job jobs[20];
        size_t ran = 0, finished = 0;

        restart(w, seed);
        for (size_t i = 0; i < COUNT_OF(jobs); i++) {
            jobs[i] = test_job_of(w, &finished);
            jobs[i].number = i;
            jobs[i].ran = &ran;
            io_job_submit(w->io, IO_POOL_FLUSH, &jobs[i].job);
        }
        finish_all(w->io, &finished, COUNT_OF(jobs));
    }
}

static void test_crash_drops_jobs(void **state)
{
    struct world *w = *state;
    size_t finished = 0;
    struct test_job job = test_job_of(w, &finished);

    for (int lose_nothing = 0; lose_nothing < 2; lose_nothing++) {
        restart(w, 1);
        io_job_submit(w->io, IO_POOL_BACKGROUND, &job.job);
        io_shutdown(w->io);
        io_simulated_crash(w->io, lose_nothing);
        assert_int_equal(io_simulated_next_job_ns(w->io), INT64_MAX);
        io_simulated_advance(w->io, 10 * S);
        assert_int_equal(io_jobs_finish(w->io), 0);
        assert_int_equal(finished, 0);

        /* The next process is not shutting down. */
        job.sleep_ns = 1;
        io_job_submit(w->io, IO_POOL_HANDLERS, &job.job);
        assert_true(job.slept);
        finish_all(w->io, &finished, 1);
        finished = 0;
    }
}

static void test_mapping_outlives_a_crash(void **state)
{
    struct world *w = *state;

    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct io_file *file;
        const uint8_t *data = NULL;

        restart(w, seed);
        file = create(w->io, path_of(w, "file"));
        write_letter(w->io, file, 0, 4, 'a');
        assert_int_equal(io_file_map(w->io, file, 4 * SECTOR, &data), 0);
        io_simulated_crash(w->io, false);
        assert_true(data[0] == 'a' || data[0] == 0);
        io_file_unmap(w->io, file, data, 4 * SECTOR);
        io_file_close(w->io, file);
    }
}

static void test_reset_is_a_new_disk(void **state)
{
    struct world *w = *state;
    struct gathered g = { .text = "" };
    struct io_file *file;

    for (uint64_t seed = 1; seed <= 3; seed++) {
        restart(w, seed);
        file = create(w->io, path_of(w, "file"));
        expect_size(w->io, file, 0);
        assert_int_equal(io_file_allocate(w->io, file, 65536), 0);
        assert_int_equal(sector_letter(w->io, file, 100), '.');
        write_letter(w->io, file, 100, 16, 'a');
        io_file_close(w->io, file);
        put_file(w, "other", "text");
        io_simulated_cut_after(w->io, 1);
        assert_int_equal(io_file_remove(w->io, path_of(w, "other")), EDDA_ECLOSED);
    }
    io_simulated_reset(w->io, &(struct io_simulated_options){ .seed = 1 });
    assert_int_equal(io_simulated_operations(w->io), 0);
    assert_int_equal(io_dir_list(w->io, "/", gather, &g), 0);
    assert_int_equal(g.count, 0);
}

const struct test io_simulated_tests[] = {
    { "equal seeds, equal histories", test_equal_seeds_equal_histories },
    { "the clock", test_simulated_clock },
    { "latencies of jobs", test_simulated_job_latencies },
    { "flushes end in order", test_simulated_flushes_end_in_order },
    { "a crash drops jobs", test_crash_drops_jobs },
    { "a mapping outlives a crash", test_mapping_outlives_a_crash },
    { "a reset is a new disk", test_reset_is_a_new_disk },
    { NULL, NULL },
};
