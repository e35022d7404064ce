/* See io_world.h. */
#include "io_world.h"

const char *path_of(const struct world *w, const char *name)
{
    static char paths[4][128];
    static unsigned next;
    char *path = paths[next++ % COUNT_OF(paths)];

    snprintf(path, sizeof(paths[0]), "%s/%s", w->dir, name);
    return path;
}

struct io_file *open_file(struct io *io, const char *path, unsigned flags)
{
    struct edda_error error = { 0 };
    struct io_file *file = NULL;
    int r = io_file_open(io, path, flags, &file, &error);

    if (r != 0)
        fail_msg("open %s: %d %s", path, r, error.message);
    return file;
}

struct io_file *create(struct io *io, const char *path)
{
    return open_file(io, path, IO_WRITE | IO_CREATE);
}

int try_write(struct io *io, struct io_file *file, const void *data, size_t len, uint64_t offset)
{
    struct slice part = slice_of(data, len);

    return io_file_write(io, file, &part, 1, offset);
}

void write_at(struct io *io, struct io_file *file, const char *text, uint64_t offset)
{
    assert_int_equal(try_write(io, file, text, strlen(text), offset), 0);
}

void expect_bytes(struct io *io, struct io_file *file, uint64_t offset, const void *bytes, size_t len)
{
    uint8_t data[8192];
    size_t there = 0;

    assert_true(len <= sizeof(data));
    assert_int_equal(io_file_read(io, file, data, len, offset, &there), 0);
    assert_int_equal(there, len);
    assert_memory_equal(data, bytes, len);
}

void expect_size(struct io *io, struct io_file *file, uint64_t expected)
{
    uint64_t size = UINT64_MAX;

    assert_int_equal(io_file_size(io, file, &size), 0);
    assert_int_equal(size, expected);
}

void put_file(struct world *w, const char *name, const char *text)
{
    struct io_file *file = create(w->io, path_of(w, name));

    write_at(w->io, file, text, 0);
    io_file_close(w->io, file);
}

void expect_file(struct world *w, const char *name, const char *text)
{
    struct io_file *file = open_file(w->io, path_of(w, name), IO_READ);

    expect_size(w->io, file, strlen(text));
    expect_bytes(w->io, file, 0, text, strlen(text));
    io_file_close(w->io, file);
}

bool exists(struct io *io, const char *path)
{
    struct io_file *file;

    if (io_file_open(io, path, IO_READ, &file, NULL) < 0)
        return false;
    io_file_close(io, file);
    return true;
}

int gather(void *user, const char *name)
{
    struct gathered *g = user;
    size_t len = strlen(g->text);

    snprintf(g->text + len, sizeof(g->text) - len, "%s ", name);
    g->count++;
    if (g->remove_in)
        assert_int_equal(io_file_remove(g->remove_in->io, path_of(g->remove_in, name)), 0);
    return g->result;
}

static void test_job_run(struct io_job *job)
{
    struct test_job *t = container_of(job, struct test_job, job);
    int64_t from = io_clock_boot_ns(t->io);

    if (t->ran)
        t->ran_as = (*t->ran)++;
    if (t->meet)
        pthread_barrier_wait(t->meet);
    if (t->sleep_ns)
        t->slept = io_sleep(t->io, t->sleep_ns);
    t->took_ns = io_clock_boot_ns(t->io) - from;
}

static void test_job_done(struct io_job *job)
{
    struct test_job *t = container_of(job, struct test_job, job);

    assert_true(pthread_equal(t->owner, pthread_self()));
    if (t->ran) {
        assert_int_equal(t->ran_as, t->number);
        assert_int_equal(*t->finished, t->number);
    }
    (*t->finished)++;
    if (t->again) {
        t->again--;
        io_job_submit(t->io, IO_POOL_BACKGROUND, job);
    }
}

struct test_job test_job_of(struct world *w, size_t *finished)
{
    return (struct test_job){
        .job = { .run = test_job_run, .done = test_job_done },
        .io = w->io,
        .owner = pthread_self(),
        .finished = finished,
    };
}

void finish_all(struct io *io, const size_t *finished, size_t expected)
{
    while (*finished < expected) {
        assert_int_equal(io_jobs_wait(io, -1), 1);
        assert_true(io_jobs_finish(io) > 0);
    }
    assert_int_equal(*finished, expected);
    assert_int_equal(io_jobs_wait(io, -1), 0); /* none under way: does not hang */
    assert_int_equal(io_jobs_finish(io), 0);
}

void restart(struct world *w, uint64_t seed)
{
    w->seed = seed;
    io_simulated_reset(w->io, &(struct io_simulated_options){ .seed = seed });
    assert_int_equal(io_dir_make(w->io, w->dir, NULL), 0);
    assert_int_equal(io_dir_sync(w->io, "/"), 0);
}

void write_letter(struct io *io, struct io_file *file, unsigned from, unsigned count, char letter)
{
    char data[16 * SECTOR];

    assert_true(count <= 16);
    memset(data, letter, sizeof(data));
    assert_int_equal(try_write(io, file, data, (size_t)count * SECTOR, (uint64_t)from * SECTOR), 0);
}

char sector_letter(struct io *io, struct io_file *file, unsigned sector)
{
    char data[SECTOR];
    size_t len = 0;

    assert_int_equal(io_file_read(io, file, data, SECTOR, (uint64_t)sector * SECTOR, &len), 0);
    assert_int_equal(len, SECTOR);
    for (size_t i = 1; i < SECTOR; i++)
        assert_int_equal(data[i], data[0]);
    return data[0] ? data[0] : '.';
}

struct io_file *durable_file(struct world *w, const char *name, unsigned sectors, char letter)
{
    struct io_file *file = create(w->io, path_of(w, name));

    write_letter(w->io, file, 0, sectors, letter);
    assert_int_equal(io_file_sync(w->io, file), 0);
    assert_int_equal(io_dir_sync(w->io, w->dir), 0);
    return file;
}

struct io_file *crash_and_open(struct world *w, struct io_file *file, const char *name)
{
    char data[1];
    size_t len;

    io_simulated_crash(w->io, false);
    assert_int_equal(io_file_read(w->io, file, data, 1, 0, &len), EDDA_ECLOSED);
    io_file_close(w->io, file);
    return open_file(w->io, path_of(w, name), IO_WRITE);
}
