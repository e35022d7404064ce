/* log_world: see log_world.h. */
#include "log_world.h"

#include <ftw.h>

#include "io/posix.h"

struct world w;

int setup_simulated(void **state)
{
    (void)state;
    w = (struct world){ .simulated = true, .dir = "data", .options = { .segment_bytes = SEGMENT_BYTES } };
    w.io = io_simulated_new(&(struct io_simulated_options){ .seed = 1 });
    return w.io ? 0 : -1;
}

int setup_posix(void **state)
{
    (void)state;
    w = (struct world){ .dir = "/tmp/edda-unit-log-XXXXXX", .options = { .segment_bytes = SEGMENT_BYTES } };
    w.io = io_posix_new(1);
    return w.io && mkdtemp(w.dir) ? 0 : -1;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

int teardown(void **state)
{
    (void)state;
    log_abandon(w.log);
    if (w.simulated) {
        io_simulated_free(w.io);
        return 0;
    }
    io_posix_free(w.io);
    return nftw(w.dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

int try_open(void)
{
    memset(&w.error, 0, sizeof(w.error));
    return log_open(w.io, w.dir, &w.options, &w.log, &w.recovery, &w.error);
}

void open_log(void)
{
    int r = try_open();

    if (r < 0)
        fail_msg("%s", w.error.message);
}

void close_log(void)
{
    log_close(w.log);
    w.log = NULL;
}

void leave_log(void)
{
    log_abandon(w.log);
    w.log = NULL;
}

void expect_refused(int code, const char *words)
{
    int r = try_open();

    if (r == 0)
        leave_log();
    assert_int_equal(r, code);
    if (!strstr(w.error.message, words))
        fail_msg("\"%s\" does not say \"%s\"", w.error.message, words);
}

log_address append(struct slice body, uint32_t positions)
{
    log_address address;

    assert_int_equal(log_reserve(w.log, body.len, &w.error), 0);
    log_frame_append(w.log, &body, 1, positions, log_time_ms(w.log), &address);
    return address - LOG_FRAME_HEADER_BYTES;
}

log_address append_text(const char *text)
{
    return append(slice_str(text), 1);
}

int flush(void)
{
    struct log_flush *f = log_flush_begin(w.log);

    assert_non_null(f);
    log_flush_run(f);
    return log_flush_end(w.log, f, &w.error);
}

void flush_well(void)
{
    assert_int_equal(flush(), 0);
    io_jobs_finish(w.io);
}

log_address put(const char *text)
{
    log_address address = append_text(text);

    flush_well();
    return address;
}

struct log_frame read_at(log_address address, struct buffer *scratch)
{
    struct log_frame frame;

    if (log_read(w.log, address, scratch, &frame, &w.error) < 0)
        fail_msg("%s", w.error.message);
    return frame;
}

void expect_text(log_address address, const char *text)
{
    struct buffer scratch = BUFFER_EMPTY;

    assert_true(slice_eq_str(read_at(address, &scratch).body, text));
    buffer_deinit(&scratch);
}

int count_frame(void *user, const struct log_frame *frame)
{
    (void)frame;
    ++*(size_t *)user;
    return 0;
}

size_t count_frames(void)
{
    size_t count = 0;

    assert_int_equal(log_scan(w.log, 0, count_frame, NULL, &count, &w.error), 0);
    return count;
}

void count_damage(void *user, const char *segment, uint64_t from, uint64_t to, const char *reason)
{
    assert_true(strlen(segment) == 20 && from <= to && reason[0]);
    ++*(size_t *)user;
}

struct io_file *file_open(const char *name, unsigned flags)
{
    char path[PATH_BYTES];
    struct io_file *file;

    snprintf(path, sizeof(path), "%s/log/%s", w.dir, name);
    assert_int_equal(io_file_open(w.io, path, flags, &file, NULL), 0);
    return file;
}

void file_get(const char *name, uint64_t offset, void *bytes, size_t len)
{
    struct io_file *file = file_open(name, IO_READ);
    size_t got;

    assert_int_equal(io_file_read(w.io, file, bytes, len, offset, &got), 0);
    assert_int_equal(got, len);
    io_file_close(w.io, file);
}

void file_put(const char *name, uint64_t offset, const void *bytes, size_t len)
{
    struct io_file *file = file_open(name, IO_WRITE | IO_CREATE);
    struct slice part = slice_of(bytes, len);

    assert_int_equal(io_file_write(w.io, file, &part, 1, offset), 0);
    io_file_close(w.io, file);
}

void file_flip(const char *name, uint64_t offset)
{
    uint8_t byte;

    file_get(name, offset, &byte, 1);
    byte ^= 4;
    file_put(name, offset, &byte, 1);
}

void file_remove(const char *name)
{
    char path[PATH_BYTES];

    snprintf(path, sizeof(path), "%s/log/%s", w.dir, name);
    assert_int_equal(io_file_remove(w.io, path), 0);
}

size_t fill_segments(size_t segments)
{
    static const uint8_t body[1000] = { 1, 2, 3 };
    struct log_segment_info info;
    size_t frames = 0;

    for (; !log_segment(w.log, segments - 1, &info) || info.used_bytes == 0; frames++) {
        append(slice_of(body, sizeof(body)), 2);
        flush_well();
    }
    return frames;
}
