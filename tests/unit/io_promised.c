/* What both implementations of the io promise; run against each. */
#include "io_world.h"

static void test_open_flags(void **state)
{
    struct world *w = *state;
    const char *path = path_of(w, "file");
    struct edda_error error = { 0 };
    struct io_file *file = NULL;

    assert_int_equal(io_file_open(w->io, path, IO_READ, &file, &error), EDDA_ENOTFOUND);
    assert_int_equal(error.code, EDDA_ENOTFOUND);
    assert_non_null(strstr(error.message, w->simulated ? "data/file" : path));
    assert_null(file);
    assert_int_equal(io_file_open(w->io, path, IO_WRITE, &file, NULL), EDDA_ENOTFOUND);

    file = open_file(w->io, path, IO_WRITE | IO_CREATE | IO_EXCLUSIVE);
    write_at(w->io, file, "x", 0);
    io_file_close(w->io, file);

    file = NULL;
    assert_int_equal(io_file_open(w->io, path, IO_WRITE | IO_CREATE | IO_EXCLUSIVE, &file, &error), EDDA_EEXISTS);
    assert_null(file);

    file = open_file(w->io, path, IO_WRITE | IO_CREATE); /* keeps what is there */
    expect_size(w->io, file, 1);
    io_file_close(w->io, file);

    file = open_file(w->io, path, IO_READ);
    assert_int_equal(try_write(w->io, file, "y", 1, 0), EDDA_EIO);
    expect_bytes(w->io, file, 0, "x", 1);
    io_file_close(w->io, file);

    assert_int_equal(io_file_open(w->io, w->dir, IO_READ, &file, &error), EDDA_EIO);
    assert_int_equal(io_file_open(w->io, path_of(w, "no/file"), IO_WRITE | IO_CREATE, &file, &error),
                     EDDA_ENOTFOUND);
    io_file_close(w->io, NULL);
}

static void test_read_write_at_offsets(void **state)
{
    struct world *w = *state;
    struct io_file *file = create(w->io, path_of(w, "file"));
    char data[32];
    size_t len = 99;

    assert_int_equal(io_file_read(w->io, file, data, sizeof(data), 0, &len), 0);
    assert_int_equal(len, 0);
    write_at(w->io, file, "hello", 0);
    write_at(w->io, file, "world", 7);
    expect_size(w->io, file, 12);
    expect_bytes(w->io, file, 0, "hello\0\0world", 12);
    write_at(w->io, file, "LLO, ", 2);
    expect_bytes(w->io, file, 0, "heLLO, world", 12);

    /* Fewer bytes at the end only, none past it. */
    assert_int_equal(io_file_read(w->io, file, data, sizeof(data), 8, &len), 0);
    assert_int_equal(len, 4);
    assert_memory_equal(data, "orld", 4);
    assert_int_equal(io_file_read(w->io, file, data, sizeof(data), 500, &len), 0);
    assert_int_equal(len, 0);

    /* A hole reads as zero, over sectors and pages. */
    write_at(w->io, file, "far", 10000);
    expect_size(w->io, file, 10003);
    expect_bytes(w->io, file, 9997, "\0\0\0far", 6);
    assert_int_equal(io_file_sync(w->io, file), 0);
    io_file_close(w->io, file);

    file = open_file(w->io, path_of(w, "file"), IO_READ);
    expect_bytes(w->io, file, 0, "heLLO, world\0\0", 14);
    io_file_close(w->io, file);
}

static void test_vectored_write(void **state)
{
    struct world *w = *state;
    struct io_file *file = create(w->io, path_of(w, "file"));
    struct slice parts[201];
    uint8_t bytes[4 * 201];
    size_t len = 0;

    /* More parts than one system call takes, of 0 to 3 bytes. */
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        parts[i] = slice_of(i % 4 ? bytes + len : NULL, i % 4);
        for (size_t k = 0; k < i % 4; k++)
            bytes[len++] = (uint8_t)(i + k);
    }
    assert_int_equal(io_file_write(w->io, file, parts, COUNT_OF(parts), 1000), 0);
    expect_size(w->io, file, 1000 + len);
    expect_bytes(w->io, file, 1000, bytes, len);
    assert_int_equal(io_file_write(w->io, file, parts, 0, 5000), 0);
    assert_int_equal(io_file_write(w->io, file, parts, 1, 5000), 0); /* an empty part */
    expect_size(w->io, file, 1000 + len);
    io_file_close(w->io, file);
}

static void test_allocate_and_truncate(void **state)
{
    struct world *w = *state;
    struct io_file *file = create(w->io, path_of(w, "file"));
    uint8_t zeros[600] = { 0 };

    write_at(w->io, file, "abcdef", 0);
    assert_int_equal(io_file_allocate(w->io, file, 8192), 0);
    expect_size(w->io, file, 8192);
    expect_bytes(w->io, file, 0, "abcdef\0", 7);
    expect_bytes(w->io, file, 7592, zeros, sizeof(zeros));
    assert_int_equal(io_file_allocate(w->io, file, 100), 0); /* never cuts */
    assert_int_equal(io_file_allocate(w->io, file, 0), 0);
    expect_size(w->io, file, 8192);

    write_at(w->io, file, "tail", 4000);
    assert_int_equal(io_file_truncate(w->io, file, 3), 0);
    expect_size(w->io, file, 3);
    assert_int_equal(io_file_truncate(w->io, file, 4096), 0);
    expect_size(w->io, file, 4096);
    expect_bytes(w->io, file, 0, "abc\0\0\0", 6); /* what was cut does not come back */
    expect_bytes(w->io, file, 3496, zeros, sizeof(zeros));
    assert_int_equal(io_file_truncate(w->io, file, 0), 0);
    expect_size(w->io, file, 0);
    io_file_close(w->io, file);
}

static void test_map_sees_later_writes(void **state)
{
    struct world *w = *state;
    struct io_file *file = create(w->io, path_of(w, "file"));
    struct io_file *reader;
    const uint8_t *whole = NULL, *first = NULL, *none = NULL;

    assert_int_equal(io_file_allocate(w->io, file, 65536), 0);
    assert_int_equal(io_file_map(w->io, file, 65537, &whole), EDDA_EIO);
    assert_int_equal(io_file_map(w->io, file, 0, &none), 0);
    io_file_unmap(w->io, file, none, 0);

    assert_int_equal(io_file_map(w->io, file, 65536, &whole), 0);
    reader = open_file(w->io, path_of(w, "file"), IO_READ);
    assert_int_equal(io_file_map(w->io, reader, 4096, &first), 0);
    assert_int_equal(whole[70], 0);
    write_at(w->io, file, "seen", 70);
    assert_memory_equal(whole + 70, "seen", 4);
    assert_memory_equal(first + 70, "seen", 4);

    /* A mapped file can grow. */
    assert_int_equal(io_file_allocate(w->io, file, 1024 * 1024), 0);
    write_at(w->io, file, "last", 65532);
    write_at(w->io, file, "past", 1000000);
    assert_memory_equal(whole + 65532, "last", 4);
    io_file_unmap(w->io, file, whole, 65536);
    assert_memory_equal(first + 70, "seen", 4);
    io_file_unmap(w->io, reader, first, 4096);
    io_file_close(w->io, reader);
    io_file_close(w->io, file);
}

static void test_lock_excludes_a_second_open(void **state)
{
    struct world *w = *state;
    struct edda_error error = { 0 };
    struct io_file *first = create(w->io, path_of(w, "lock"));
    struct io_file *second = create(w->io, path_of(w, "lock"));

    assert_int_equal(io_file_lock(w->io, first, &error), 0);
    assert_int_equal(io_file_lock(w->io, first, &error), 0); /* has it already */
    assert_int_equal(error.code, 0);
    assert_int_equal(io_file_lock(w->io, second, NULL), EDDA_ELOCKED);
    assert_int_equal(io_file_lock(w->io, second, &error), EDDA_ELOCKED);
    assert_non_null(strstr(error.message, "this process"));
    if (!w->simulated) {
        char pid[24];

        snprintf(pid, sizeof(pid), "%ld", (long)getpid());
        assert_non_null(strstr(error.message, pid));
    }
    io_file_close(w->io, second); /* does not release the other's lock */
    second = create(w->io, path_of(w, "lock"));
    assert_int_equal(io_file_lock(w->io, second, NULL), EDDA_ELOCKED);
    io_file_close(w->io, first);
    assert_int_equal(io_file_lock(w->io, second, &error), 0);
    io_file_close(w->io, second);

    first = open_file(w->io, path_of(w, "lock"), IO_READ);
    assert_int_equal(io_file_lock(w->io, first, &error), EDDA_EIO);
    io_file_close(w->io, first);
}

static void test_rename_and_remove(void **state)
{
    struct world *w = *state;
    struct io_file *file;

    put_file(w, "a", "first");
    put_file(w, "b", "second");
    file = open_file(w->io, path_of(w, "b"), IO_READ);
    assert_int_equal(io_file_rename(w->io, path_of(w, "a"), path_of(w, "b")), 0);
    assert_false(exists(w->io, path_of(w, "a")));
    expect_file(w, "b", "first");
    expect_bytes(w->io, file, 0, "second", 6); /* an open file outlives its name */
    io_file_close(w->io, file);

    assert_int_equal(io_file_rename(w->io, path_of(w, "a"), path_of(w, "c")), EDDA_ENOTFOUND);
    assert_int_equal(io_file_rename(w->io, path_of(w, "b"), path_of(w, "no/b")), EDDA_ENOTFOUND);
    assert_int_equal(io_file_rename(w->io, path_of(w, "b"), path_of(w, "b")), 0);
    expect_file(w, "b", "first");
    assert_int_equal(io_dir_sync(w->io, w->dir), 0);

    file = open_file(w->io, path_of(w, "b"), IO_READ);
    assert_int_equal(io_file_remove(w->io, path_of(w, "b")), 0);
    assert_int_equal(io_file_remove(w->io, path_of(w, "b")), EDDA_ENOTFOUND);
    expect_bytes(w->io, file, 0, "first", 5);
    io_file_close(w->io, file);
    put_file(w, "b", "third");
    expect_file(w, "b", "third");
    assert_int_equal(io_file_remove(w->io, w->dir), EDDA_EIO);
    assert_int_equal(io_dir_sync(w->io, path_of(w, "none")), EDDA_ENOTFOUND);
}

static void test_dir_make_and_list(void **state)
{
    struct world *w = *state;
    struct gathered g = { .text = "" };

    assert_int_equal(io_dir_list(w->io, w->dir, gather, &g), 0);
    assert_int_equal(g.count, 0);
    put_file(w, "b", "");
    put_file(w, "a-10", "");
    put_file(w, "a-9", "");
    put_file(w, "B", "");
    assert_int_equal(io_dir_make(w->io, path_of(w, "c/d/e/"), NULL), 0);
    assert_int_equal(io_dir_make(w->io, path_of(w, "c/d"), NULL), 0); /* is there already */
    struct edda_error error;
    assert_int_equal(io_dir_make(w->io, path_of(w, "b"), &error), EDDA_EEXISTS);
    assert_non_null(strstr(error.message, "/b"));
    put_file(w, "c/inner", "");

    assert_int_equal(io_dir_list(w->io, w->dir, gather, &g), 0);
    assert_string_equal(g.text, "B a-10 a-9 b c ");
    g = (struct gathered){ .text = "" };
    assert_int_equal(io_dir_list(w->io, path_of(w, "c"), gather, &g), 0);
    assert_string_equal(g.text, "d inner ");
    g = (struct gathered){ .result = 7 };
    assert_int_equal(io_dir_list(w->io, w->dir, gather, &g), 7);
    assert_int_equal(g.count, 1);
    assert_int_equal(io_dir_list(w->io, path_of(w, "none"), gather, &g), EDDA_ENOTFOUND);
}

static void test_list_while_removing(void **state)
{
    struct world *w = *state;
    struct gathered g = { .remove_in = w };

    put_file(w, "1", "");
    put_file(w, "2", "");
    put_file(w, "3", "");
    assert_int_equal(io_dir_list(w->io, w->dir, gather, &g), 0);
    assert_string_equal(g.text, "1 2 3 ");
    g = (struct gathered){ .text = "" };
    assert_int_equal(io_dir_list(w->io, w->dir, gather, &g), 0);
    assert_int_equal(g.count, 0);
}

static void test_clock_and_random(void **state)
{
    struct world *w = *state;
    int64_t boot = io_clock_boot_ns(w->io);
    uint8_t first[33] = { 0 }, second[33] = { 0 };

    assert_true(io_clock_wall_ns(w->io) > INT64_C(1700000000) * S);
    assert_true(io_jobs_wait(w->io, 2 * MS) == 0); /* nothing runs, time passes */
    assert_true(io_clock_boot_ns(w->io) >= boot + 2 * MS);

    io_random_fill(w->io, first, 32);
    io_random_fill(w->io, second, 32);
    assert_memory_not_equal(first, second, 32);
    assert_int_equal(first[32], 0);
}

static void test_jobs_in_order(void **state)
{
    struct world *w = *state;
    struct test_job jobs[IO_POOL_HANDLERS][100];
    size_t ran[IO_POOL_HANDLERS] = { 0 }, finished[IO_POOL_HANDLERS] = { 0 };

    for (size_t i = 0; i < COUNT_OF(jobs[0]); i++) {
        for (unsigned pool = IO_POOL_FLUSH; pool < IO_POOL_HANDLERS; pool++) {
            jobs[pool][i] = test_job_of(w, &finished[pool]);
            jobs[pool][i].number = i;
            jobs[pool][i].ran = &ran[pool];
            io_job_submit(w->io, (enum io_pool)pool, &jobs[pool][i].job);
        }
    }
    while (finished[0] + finished[1] < 2 * COUNT_OF(jobs[0])) {
        assert_int_equal(io_jobs_wait(w->io, 10 * S), 1);
        assert_true(io_jobs_finish(w->io) > 0);
    }
    assert_int_equal(io_jobs_wait(w->io, 0), 0);
}

static void test_jobs_of_handlers(void **state)
{
    struct world *w = *state;
    struct test_job jobs[50];
    size_t finished = 0;

    for (size_t i = 0; i < COUNT_OF(jobs); i++) {
        jobs[i] = test_job_of(w, &finished);
        jobs[i].sleep_ns = 1 * MS;
        io_job_submit(w->io, IO_POOL_HANDLERS, &jobs[i].job);
    }
    finish_all(w->io, &finished, COUNT_OF(jobs));
    for (size_t i = 0; i < COUNT_OF(jobs); i++) {
        assert_true(jobs[i].slept);
        assert_true(jobs[i].took_ns >= 1 * MS);
    }
}

static void test_done_submits_again(void **state)
{
    struct world *w = *state;
    size_t finished = 0;
    struct test_job job = test_job_of(w, &finished);

    job.again = 20;
    io_job_submit(w->io, IO_POOL_BACKGROUND, &job.job);
    finish_all(w->io, &finished, 21);
}

static void test_sleep_after_shutdown(void **state)
{
    struct world *w = *state;
    size_t finished = 0;
    struct test_job job = test_job_of(w, &finished);

    job.sleep_ns = 3600 * S;
    io_shutdown(w->io);
    io_job_submit(w->io, IO_POOL_HANDLERS, &job.job);
    finish_all(w->io, &finished, 1);
    assert_false(job.slept);
    assert_true(job.took_ns < 60 * S);
}

struct file_job {
    struct io_job job;
    struct io *io;
    struct io_file *file;
    unsigned number;
    bool done;
};

static void file_job_run(struct io_job *job)
{
    struct file_job *f = container_of(job, struct file_job, job);
    char data[SECTOR];

    memset(data, (int)('a' + f->number), sizeof(data));
    assert_int_equal(try_write(f->io, f->file, data, sizeof(data), (uint64_t)f->number * SECTOR), 0);
    assert_int_equal(io_file_sync(f->io, f->file), 0);
}

static void file_job_done(struct io_job *job)
{
    container_of(job, struct file_job, job)->done = true;
}

static void test_files_from_a_job(void **state)
{
    struct world *w = *state;
    struct io_file *file = create(w->io, path_of(w, "file"));
    struct file_job jobs[8];

    assert_int_equal(io_file_allocate(w->io, file, 8 * SECTOR), 0);
    for (unsigned i = 0; i < COUNT_OF(jobs); i++) {
        jobs[i] = (struct file_job){ { .run = file_job_run, .done = file_job_done }, w->io, file, i, false };
        io_job_submit(w->io, IO_POOL_FLUSH, &jobs[i].job);
        while (!jobs[i].done) {
            expect_size(w->io, file, 8 * SECTOR);
            assert_int_equal(io_jobs_wait(w->io, 10 * S), 1);
            io_jobs_finish(w->io);
        }
        assert_int_equal(sector_letter(w->io, file, i), 'a' + (int)i);
    }
    io_file_close(w->io, file);
}

const struct test io_promised_tests[] = {
    { "open flags", test_open_flags },
    { "reads and writes at offsets", test_read_write_at_offsets },
    { "a write of many parts", test_vectored_write },
    { "allocate and truncate", test_allocate_and_truncate },
    { "a mapping sees later writes", test_map_sees_later_writes },
    { "a lock excludes a second open", test_lock_excludes_a_second_open },
    { "rename and remove", test_rename_and_remove },
    { "directories are made, and listed in order", test_dir_make_and_list },
    { "a listed directory may change meanwhile", test_list_while_removing },
    { "clocks and randomness", test_clock_and_random },
    { "jobs of one thread run and end in order, done on the owner's thread", test_jobs_in_order },
    { "handlers sleep", test_jobs_of_handlers },
    { "done submits again", test_done_submits_again },
    { "no sleep after a shutdown", test_sleep_after_shutdown },
    { "a job writes and syncs", test_files_from_a_job },
    { NULL, NULL },
};
