/*
 * The log: what it promises on a real disk and on the simulated one, as one table of tests that is run on each; then
 * what needs the simulated one (full disks, failed syncs, clocks), and threads, which need the real one. Crashes are tests/sim/log_crash.c.
 */
#include "support.h"

#include <ftw.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "base/buffer.h"
#include "io/posix.h"
#include "io/simulated.h"
#include "log/format.h"
#include "log/log.h"

#define SEGMENT_BYTES (UINT64_C(64) << 10)
#define S_NS INT64_C(1000000000)
#define PATH_BYTES 256
#define NOTE_FILE "durable"
#define FIRST "0000000000000001.seg"
#define SECOND "0000000000000002.seg"

/* Laid down by format 1; they never change. */
#define GOLDEN_SEGMENT \
    "454444412d4c4f47e10adc300100000002000000000000000300000000000000" \
    "000102030405060708090a0b0c0d0e0f04000000000000000000000400000000" \
    "0000000c0000000040420f000000000000a8da769b010000efbeadde00000000" \
    "302e312e30000000000000000000000000000000000000000000000000000000"
#define GOLDEN_FRAME \
    "4546524dd70f76fe050000000403020100100000000000000700000000000000" \
    "001000000000000000a8da769b010000030000000df0feca0000000000000000"

static struct world {
    struct io *io;
    bool simulated;
    char dir[64];
    struct log_options options;
    struct log *log;
    struct log_recovery recovery;
    struct edda_error error;
} w;

/* --- the world ---------------------------------------------------------------------------------------------- */

static int setup_simulated(void **state)
{
    (void)state;
    w = (struct world){ .simulated = true, .dir = "data", .options = { .segment_bytes = SEGMENT_BYTES } };
    w.io = io_simulated_new(&(struct io_simulated_options){ .seed = 1 });
    return w.io ? 0 : -1;
}

static int setup_posix(void **state)
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

static int teardown(void **state)
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

static int try_open(void)
{
    memset(&w.error, 0, sizeof(w.error));
    return log_open(w.io, w.dir, &w.options, &w.log, &w.recovery, &w.error);
}

static void open_log(void)
{
    int r = try_open();

    if (r < 0)
        fail_msg("%s", w.error.message);
}

static void close_log(void)
{
    log_close(w.log);
    w.log = NULL;
}

/* As if the process had died. */
static void leave_log(void)
{
    log_abandon(w.log);
    w.log = NULL;
}

static void expect_refused(int code, const char *words)
{
    int r = try_open();

    if (r == 0)
        leave_log();
    assert_int_equal(r, code);
    if (!strstr(w.error.message, words))
        fail_msg("\"%s\" does not say \"%s\"", w.error.message, words);
}

static log_address append(struct slice body, uint32_t positions)
{
    log_address address;

    assert_int_equal(log_reserve(w.log, body.len, &w.error), 0);
    log_frame_append(w.log, &body, 1, positions, log_time_ms(w.log), &address);
    return address - LOG_FRAME_HEADER_BYTES;
}

static log_address append_text(const char *text)
{
    return append(slice_str(text), 1);
}

static int flush(void)
{
    struct log_flush *f = log_flush_begin(w.log);

    assert_non_null(f);
    log_flush_run(f);
    return log_flush_end(w.log, f, &w.error);
}

static void flush_well(void)
{
    assert_int_equal(flush(), 0);
    io_jobs_finish(w.io);
}

/* One frame, durable. */
static log_address put(const char *text)
{
    log_address address = append_text(text);

    flush_well();
    return address;
}

static struct log_frame read_at(log_address address, struct buffer *scratch)
{
    struct log_frame frame;

    if (log_read(w.log, address, scratch, &frame, &w.error) < 0)
        fail_msg("%s", w.error.message);
    return frame;
}

static void expect_text(log_address address, const char *text)
{
    struct buffer scratch = BUFFER_EMPTY;

    assert_true(slice_eq_str(read_at(address, &scratch).body, text));
    buffer_deinit(&scratch);
}

static int count_frame(void *user, const struct log_frame *frame)
{
    (void)frame;
    ++*(size_t *)user;
    return 0;
}

static size_t count_frames(void)
{
    size_t count = 0;

    assert_int_equal(log_scan(w.log, 0, count_frame, NULL, &count, &w.error), 0);
    return count;
}

static void count_damage(void *user, const char *segment, uint64_t from, uint64_t to, const char *reason)
{
    assert_true(strlen(segment) == 20 && from <= to && reason[0]);
    ++*(size_t *)user;
}

/* Bytes of a file of the log, below the api. */
static struct io_file *file_open(const char *name, unsigned flags)
{
    char path[PATH_BYTES];
    struct io_file *file;

    snprintf(path, sizeof(path), "%s/log/%s", w.dir, name);
    assert_int_equal(io_file_open(w.io, path, flags, &file, NULL), 0);
    return file;
}

static void file_get(const char *name, uint64_t offset, void *bytes, size_t len)
{
    struct io_file *file = file_open(name, IO_READ);
    size_t got;

    assert_int_equal(io_file_read(w.io, file, bytes, len, offset, &got), 0);
    assert_int_equal(got, len);
    io_file_close(w.io, file);
}

static void file_put(const char *name, uint64_t offset, const void *bytes, size_t len)
{
    struct io_file *file = file_open(name, IO_WRITE | IO_CREATE);
    struct slice part = slice_of(bytes, len);

    assert_int_equal(io_file_write(w.io, file, &part, 1, offset), 0);
    io_file_close(w.io, file);
}

static void file_flip(const char *name, uint64_t offset)
{
    uint8_t byte;

    file_get(name, offset, &byte, 1);
    byte ^= 4;
    file_put(name, offset, &byte, 1);
}

static void file_remove(const char *name)
{
    char path[PATH_BYTES];

    snprintf(path, sizeof(path), "%s/log/%s", w.dir, name);
    assert_int_equal(io_file_remove(w.io, path), 0);
}

/* Fills the log with frames of 1,000 bytes, each a flush, until it has so many segments. */
static size_t fill_segments(size_t segments)
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

/* --- on both disks ------------------------------------------------------------------------------------------- */

static void what_is_flushed_is_read_after_reopening(void **state)
{
    log_address first, second;
    struct buffer scratch = BUFFER_EMPTY;
    struct log_frame frame;

    (void)state;
    open_log();
    assert_int_equal(log_next_position(w.log), 0);
    first = append(slice_str("one"), 3);
    second = append(slice_str("and two"), 2);
    assert_int_equal(log_next_position(w.log), 5);
    assert_int_equal(log_durable_position(w.log), 0);
    flush_well();
    assert_int_equal(log_durable_position(w.log), 5);
    assert_int_equal(log_unflushed_bytes(w.log), 0);
    close_log();

    open_log();
    assert_int_equal(log_next_position(w.log), 5);
    frame = read_at(first, &scratch);
    assert_true(slice_eq_str(frame.body, "one"));
    assert_int_equal(frame.first_position, 0);
    assert_int_equal(frame.position_count, 3);
    assert_int_equal(frame.next, second);
    frame = read_at(frame.next, &scratch);
    assert_true(slice_eq_str(frame.body, "and two"));
    assert_int_equal(frame.first_position, 3);
    assert_int_equal(log_read(w.log, frame.next, &scratch, &frame, &w.error), EDDA_ENOTFOUND);
    assert_memory_equal(log_bytes(w.log, second + LOG_FRAME_HEADER_BYTES).data, "and two", 7);
    assert_null(log_bytes(w.log, log_end(w.log)).data);
    assert_int_equal(count_frames(), 2);
    buffer_deinit(&scratch);
}

static void what_is_not_flushed_is_read_by_its_owner(void **state)
{
    struct log_flush *f;
    log_address first, second, third;

    (void)state;
    open_log();
    first = append_text("durable soon");
    f = log_flush_begin(w.log);
    second = append_text("under way");
    expect_text(first, "durable soon");
    expect_text(second, "under way");
    assert_int_equal(count_frames(), 0);
    log_flush_run(f);
    third = append_text("open");
    assert_int_equal(log_flush_end(w.log, f, &w.error), 0);
    expect_text(first, "durable soon");
    expect_text(second, "under way");
    expect_text(third, "open");
    assert_int_equal(count_frames(), 1);
    assert_null(log_bytes(w.log, second).data);
}

static void two_flushes_are_under_way_at_most(void **state)
{
    struct log_flush *a, *b;

    (void)state;
    open_log();
    assert_false(log_flush_wanted(w.log));
    assert_null(log_flush_begin(w.log));
    append_text("a");
    a = log_flush_begin(w.log);
    append_text("b");
    b = log_flush_begin(w.log);
    append_text("c");
    assert_false(log_flush_wanted(w.log));
    assert_null(log_flush_begin(w.log));
    log_flush_run(a);
    log_flush_run(b);
    assert_int_equal(log_flush_end(w.log, a, NULL), 0);
    assert_int_equal(log_durable_position(w.log), 1);
    assert_int_equal(log_flush_end(w.log, b, NULL), 0);
    assert_int_equal(log_durable_position(w.log), 2);
    assert_true(log_flush_wanted(w.log));
}

static void a_body_is_gathered_from_parts_up_to_the_limit(void **state)
{
    struct slice parts[1024];
    uint8_t bytes[1024];
    struct buffer scratch = BUFFER_EMPTY;
    log_address many, none, largest;
    uint64_t max = SEGMENT_BYTES - 4096 - 64 - 128;
    uint8_t *body = calloc(1, max);

    (void)state;
    assert_non_null(body);
    for (size_t i = 0; i < 1024; i++) {
        bytes[i] = (uint8_t)i;
        parts[i] = slice_of(bytes + i, 1);
    }
    open_log();
    assert_int_equal(log_reserve(w.log, 1024, NULL), 0);
    log_frame_append(w.log, parts, 1024, 1, log_time_ms(w.log), &many);
    none = append(slice_of(NULL, 0), 0);
    assert_int_equal(log_reserve(w.log, max + 1, &w.error), EDDA_ETOOLARGE);
    largest = append(slice_of(body, max), 1);
    flush_well();
    assert_memory_equal(read_at(many - LOG_FRAME_HEADER_BYTES, &scratch).body.data, bytes, sizeof(bytes));
    assert_int_equal(read_at(none, &scratch).body.len, 0);
    assert_int_equal(read_at(largest, &scratch).body.len, max);
    close_log();
    open_log();
    assert_int_equal(count_frames(), 3);
    free(body);
    buffer_deinit(&scratch);
}

static void frames_roll_over_many_segments(void **state)
{
    struct log_segment_info info, next;
    struct buffer scratch = BUFFER_EMPTY;
    struct log_frame frame;
    log_address address = 0;
    size_t frames, seen = 0;

    (void)state;
    open_log();
    frames = fill_segments(9);
    assert_int_equal(count_frames(), frames);
    close_log();
    open_log();
    assert_int_equal(w.recovery.segments, 9);
    assert_int_equal(count_frames(), frames);
    for (size_t i = 0; log_segment(w.log, i + 1, &next); i++) {
        log_segment(w.log, i, &info);
        assert_int_equal(info.number, i + 1);
        assert_int_equal(info.first_address + info.used_bytes, next.first_address);
        assert_int_equal(log_find_segment(w.log, info.first_position), info.first_address);
        assert_int_equal(log_find_segment(w.log, next.first_position - 1), info.first_address);
        assert_true(info.sealed && !next.sealed == (i + 2 == 9));
    }
    while (log_read(w.log, address, &scratch, &frame, &w.error) == 0) {
        assert_int_equal(frame.first_position, 2 * seen);
        address = frame.next;
        seen++;
    }
    assert_int_equal(seen, frames);
    assert_int_equal(log_verify(w.log, count_damage, &seen, &w.error), 0);
    buffer_deinit(&scratch);
}

static void one_flush_may_roll_over_segments(void **state)
{
    static const uint8_t body[20000] = { 9 };

    (void)state;
    open_log();
    for (size_t i = 0; i < 20; i++)
        append(slice_of(body, sizeof(body)), 1);
    flush_well();
    assert_int_equal(log_durable_position(w.log), 20);
    leave_log();
    open_log();
    assert_int_equal(count_frames(), 20);
    assert_int_equal(log_next_position(w.log), 20);
}

static int stop_at_three(void *user, const struct log_frame *frame)
{
    (void)frame;
    return ++*(size_t *)user == 3 ? 42 : 0;
}

static void a_scan_begins_anywhere_and_ends_when_told(void **state)
{
    struct log_segment_info info;
    size_t count = 0;
    log_address address;

    (void)state;
    open_log();
    fill_segments(3);
    address = put("here");
    put("there");
    assert_int_equal(log_scan(w.log, address, count_frame, NULL, &count, &w.error), 0);
    assert_int_equal(count, 2);
    count = 0;
    assert_int_equal(log_scan(w.log, 0, stop_at_three, NULL, &count, &w.error), 42);
    log_segment(w.log, 2, &info);
    count = 0;
    assert_int_equal(log_scan(w.log, info.first_address, count_frame, NULL, &count, &w.error), 0);
    assert_in_range(count, 3, 60);
}

static void a_log_is_open_once(void **state)
{
    struct log *second;

    (void)state;
    open_log();
    assert_int_equal(log_open(w.io, w.dir, &w.options, &second, NULL, &w.error), EDDA_ELOCKED);
    assert_non_null(strstr(w.error.message, "lock"));
    close_log();
    open_log();
}

static void the_last_frame_says_whether_the_end_was_clean(void **state)
{
    uint64_t end;

    (void)state;
    open_log();
    assert_true(w.recovery.clean);
    put("a");
    leave_log();
    open_log();
    assert_false(w.recovery.clean);
    close_log();
    open_log();
    assert_true(w.recovery.clean);
    end = log_end(w.log);
    close_log();
    open_log();
    assert_true(w.recovery.clean);
    assert_int_equal(log_end(w.log), end);
    append_text("flushed by closing");
    close_log();
    open_log();
    assert_true(w.recovery.clean);
    assert_int_equal(count_frames(), 2);
}

static void a_reader_takes_no_lock_and_writes_nothing(void **state)
{
    struct log_options options = w.options;
    uint8_t before[64], after[64];
    struct log *reader;
    size_t count = 0;
    log_address torn;

    (void)state;
    options.read_only = true;
    assert_int_equal(log_open(w.io, w.dir, &options, &reader, NULL, &w.error), EDDA_ENOTFOUND);
    open_log();
    put("a");
    torn = append_text("b");
    flush_well();
    assert_int_equal(log_open(w.io, w.dir, &options, &reader, NULL, &w.error), 0);
    assert_int_equal(log_scan(reader, 0, count_frame, NULL, &count, &w.error), 0);
    assert_int_equal(count, 2);
    assert_int_equal(log_reserve(reader, 1, &w.error), EDDA_EUNSUPPORTED);
    log_close(reader);
    leave_log();
    file_flip(FIRST, torn + 64);
    file_get(FIRST, torn, before, sizeof(before));
    assert_int_equal(log_open(w.io, w.dir, &options, &reader, &w.recovery, &w.error), 0);
    assert_true(w.recovery.torn_bytes > 0);
    assert_int_equal(log_next_position(reader), 1);
    log_close(reader);
    file_get(FIRST, torn, after, sizeof(after));
    assert_memory_equal(before, after, sizeof(after));
}

static void options_have_limits(void **state)
{
    (void)state;
    w.options.segment_bytes = LOG_SEGMENT_BYTES_MIN - 1;
    expect_refused(EDDA_EINVAL, "segment");
    w.options.segment_bytes = LOG_SEGMENT_BYTES_MAX + 1;
    expect_refused(EDDA_EINVAL, "segment");
    w.options.segment_bytes = SEGMENT_BYTES;
    w.options.body_bytes_max = SEGMENT_BYTES;
    expect_refused(EDDA_EINVAL, "body");
    assert_string_equal(w.error.field, "body_bytes_max");
    w.options.body_bytes_max = 10;
    open_log();
    assert_int_equal(log_reserve(w.log, 10, NULL), 0);
    assert_int_equal(log_reserve(w.log, 11, NULL), EDDA_ETOOLARGE);
}

static void segments_of_several_sizes_make_one_log(void **state)
{
    size_t frames;

    (void)state;
    open_log();
    frames = fill_segments(2);
    close_log();
    w.options.segment_bytes = 3 * SEGMENT_BYTES;
    open_log();
    frames += fill_segments(4);
    close_log();
    w.options.segment_bytes = SEGMENT_BYTES;
    open_log();
    frames += fill_segments(6);
    close_log();
    open_log();
    assert_int_equal(count_frames(), frames);
}

/* --- torn or damaged --------------------------------------------------------------------------------------------- */

static void a_tail_that_nothing_proves_is_cut(void **state)
{
    log_address address;

    (void)state;
    open_log();
    put("stays");
    address = append_text("torn");
    append_text("whole, and flushed together with it");
    flush_well();
    leave_log();
    file_flip(FIRST, address + LOG_FRAME_HEADER_BYTES);
    open_log();
    assert_true(w.recovery.torn_bytes > 0);
    assert_int_equal(count_frames(), 1);
    assert_int_equal(log_next_position(w.log), 1);
    assert_int_equal(put("goes on there"), address);
    leave_log();
    open_log();
    assert_int_equal(w.recovery.torn_bytes, 0);
    assert_int_equal(count_frames(), 2);
    expect_text(address, "goes on there");
}

static void a_later_frame_proves_damage(void **state)
{
    log_address address;
    char where[32];

    (void)state;
    open_log();
    put("stays");
    address = put("rots");
    put("proves it");
    leave_log();
    file_flip(FIRST, address + LOG_FRAME_HEADER_BYTES);
    snprintf(where, sizeof(where), FIRST ", byte %d: ", (int)address);
    expect_refused(EDDA_ECORRUPT, where);
    file_flip(FIRST, address + LOG_FRAME_HEADER_BYTES);
    file_flip(FIRST, address + 20);
    expect_refused(EDDA_ECORRUPT, where);
    file_flip(FIRST, address + 20);
    open_log();
}

static void a_clean_end_proves_damage(void **state)
{
    log_address address;

    (void)state;
    open_log();
    address = put("rots");
    close_log();
    file_flip(FIRST, address + LOG_FRAME_HEADER_BYTES);
    expect_refused(EDDA_ECORRUPT, "the checksum of a frame's body does not match");
}

static void the_note_proves_damage(void **state)
{
    struct note note = { .durable = 4096 };
    struct segment_header h;
    uint8_t bytes[LOG_SEGMENT_HEADER_BYTES];
    log_address address;

    (void)state;
    open_log();
    put("stays");
    address = put("rots");
    note.durable = log_durable_end(w.log);
    leave_log();
    file_get(FIRST, 0, bytes, sizeof(bytes));
    assert_true(segment_header_decode(bytes, &h));
    memcpy(note.id, h.id, sizeof(note.id));
    file_flip(FIRST, address + LOG_FRAME_HEADER_BYTES);
    note_encode(bytes, &note);
    file_put(NOTE_FILE, 0, bytes, NOTE_BYTES);
    expect_refused(EDDA_ECORRUPT, "the file durable");
    /* That of another log, or a torn one, says nothing. */
    note.id[0] ^= 1;
    note_encode(bytes, &note);
    file_put(NOTE_FILE, 0, bytes, NOTE_BYTES);
    open_log();
    assert_int_equal(count_frames(), 1);
}

static void a_frame_of_another_history_is_none(void **state)
{
    uint8_t bytes[LOG_FRAME_HEADER_BYTES], head[LOG_SEGMENT_HEADER_BYTES];
    struct segment_header segment;
    struct frame_header h;
    log_address address;
    uint32_t seed;

    (void)state;
    open_log();
    put("a");
    address = put("b");
    leave_log();
    file_get(FIRST, 0, head, sizeof(head));
    assert_true(segment_header_decode(head, &segment));
    seed = frame_seed(segment.id, 1);
    file_get(FIRST, address, bytes, sizeof(bytes));
    assert_null(frame_header_decode(bytes, seed, &h));
    h.previous ^= 1;
    frame_header_encode(bytes, seed, &h);
    file_put(FIRST, address, bytes, sizeof(bytes));
    open_log();
    assert_int_equal(count_frames(), 1);
}

static void a_footer_is_the_one_that_the_next_segment_follows(void **state)
{
    uint8_t bytes[LOG_FRAME_HEADER_BYTES], head[LOG_SEGMENT_HEADER_BYTES];
    struct log_segment_info info;
    struct segment_header segment;
    struct frame_header h;

    (void)state;
    open_log();
    fill_segments(2);
    log_segment(w.log, 0, &info);
    close_log();
    file_get(FIRST, 0, head, sizeof(head));
    assert_true(segment_header_decode(head, &segment));
    file_get(FIRST, info.used_bytes - LOG_FRAME_HEADER_BYTES, bytes, sizeof(bytes));
    assert_null(frame_header_decode(bytes, frame_seed(segment.id, 1), &h));
    assert_true(h.flags & FRAME_FOOTER);
    h.time_ms++;
    frame_header_encode(bytes, frame_seed(segment.id, 1), &h);
    file_put(FIRST, info.used_bytes - LOG_FRAME_HEADER_BYTES, bytes, sizeof(bytes));
    expect_refused(EDDA_ECORRUPT, "footer");
}

static void a_missing_segment_is_missed(void **state)
{
    uint8_t zeros[LOG_SEGMENT_HEADER_BYTES] = { 0 };

    (void)state;
    open_log();
    fill_segments(3);
    close_log();
    file_remove("0000000000000003.seg");
    expect_refused(EDDA_ECORRUPT, "segment 3 is missing");
    file_put("0000000000000003.seg", 0, zeros, sizeof(zeros));
    file_remove(SECOND);
    expect_refused(EDDA_ECORRUPT, "segment 2 is missing");
    file_remove(FIRST);
    expect_refused(EDDA_ECORRUPT, "segment 1 is missing");
}

static void headers_of_sealed_segments_are_checked_at_open(void **state)
{
    (void)state;
    open_log();
    fill_segments(3);
    close_log();
    file_flip(SECOND, 3000);
    expect_refused(EDDA_ECORRUPT, SECOND ", byte 0");
}

static void damage_in_a_sealed_segment_is_found_and_skipped(void **state)
{
    struct buffer scratch = BUFFER_EMPTY;
    size_t frames, count = 0, told = 0;
    struct log_frame frame;
    log_address address;

    (void)state;
    open_log();
    address = put("rots");
    frames = 1 + fill_segments(2);
    close_log();
    file_flip(FIRST, address + LOG_FRAME_HEADER_BYTES);
    open_log();
    assert_int_equal(log_read(w.log, address, &scratch, &frame, &w.error), EDDA_ECORRUPT);
    assert_int_equal(log_scan(w.log, 0, count_frame, NULL, &count, &w.error), EDDA_ECORRUPT);
    assert_int_equal(log_verify(w.log, count_damage, &told, &w.error), 1);
    assert_int_equal(told, 1);
    close_log();
    w.options.salvage = true;
    open_log();
    count = told = 0;
    assert_int_equal(log_scan(w.log, 0, count_frame, count_damage, &told, &w.error), 0);
    assert_int_equal(told, frames - 1 + 1);
    buffer_deinit(&scratch);
}

static void a_log_without_its_first_header_is_salvaged(void **state)
{
    size_t frames, count = 0;

    (void)state;
    open_log();
    frames = fill_segments(3);
    close_log();
    file_flip(FIRST, 40);
    file_remove(SECOND);
    expect_refused(EDDA_ECORRUPT, "segment 2 is missing");
    w.options.salvage = true;
    open_log();
    assert_int_equal(log_scan(w.log, 0, count_frame, NULL, &count, &w.error), 0);
    assert_in_range(count, frames / 3, frames - 1);
    assert_true(log_verify(w.log, NULL, NULL, &w.error) >= 2);
    assert_int_equal(log_reserve(w.log, 1, NULL), EDDA_EUNSUPPORTED);
}

static void a_copy_of_the_used_bytes_is_a_log(void **state)
{
    struct log_segment_info info;
    char path[PATH_BYTES];
    size_t frames;

    (void)state;
    open_log();
    frames = fill_segments(3);
    snprintf(path, sizeof(path), "%s/copy/log", w.dir);
    assert_int_equal(io_dir_make(w.io, path), 0);
    for (size_t i = 0; log_segment(w.log, i, &info); i++) {
        uint8_t *bytes = malloc(info.used_bytes);
        struct slice part = slice_of(bytes, info.used_bytes);
        struct io_file *file;

        assert_non_null(bytes);
        file_get(info.name, 0, bytes, info.used_bytes);
        snprintf(path, sizeof(path), "%s/copy/log/%s", w.dir, info.name);
        assert_int_equal(io_file_open(w.io, path, IO_WRITE | IO_CREATE, &file, NULL), 0);
        assert_int_equal(io_file_write(w.io, file, &part, 1, 0), 0);
        io_file_close(w.io, file);
        free(bytes);
    }
    close_log();
    snprintf(w.dir + strlen(w.dir), sizeof(w.dir) - strlen(w.dir), "/copy");
    open_log();
    assert_int_equal(count_frames(), frames);
    put("the copy goes on");
    close_log();
    open_log();
    assert_int_equal(count_frames(), frames + 1);
    w.dir[strlen(w.dir) - strlen("/copy")] = '\0';
}

/* --- formats ------------------------------------------------------------------------------------------------------- */

static void patch_header(void (*patch)(struct segment_header *))
{
    uint8_t bytes[LOG_SEGMENT_HEADER_BYTES];
    struct segment_header h;

    file_get(FIRST, 0, bytes, sizeof(bytes));
    assert_true(segment_header_decode(bytes, &h));
    patch(&h);
    segment_header_encode(bytes, &h);
    file_put(FIRST, 0, bytes, sizeof(bytes));
}

static void patch_newer(struct segment_header *h)
{
    h->format = 7;
    memcpy(h->release, "9.8.7", sizeof("9.8.7"));
}

static void patch_incompatible(struct segment_header *h)
{
    h->format = FORMAT_NUMBER;
    h->incompatible = 0x20;
}

static void patch_compatible(struct segment_header *h)
{
    h->incompatible = 0;
    h->compatible = 0x40;
}

static void newer_formats_are_refused_by_name(void **state)
{
    (void)state;
    open_log();
    close_log();
    patch_header(patch_newer);
    expect_refused(EDDA_EFORMAT, "written by Edda 9.8.7 in format 7; this release, ");
    patch_header(patch_incompatible);
    expect_refused(EDDA_EFORMAT, "with features 0x20");
    patch_header(patch_compatible);
    open_log();
}

static void expect_hex(const uint8_t *bytes, size_t len, const char *hex)
{
    char text[2 * 160 + 1] = "";

    assert_true(len <= 160);
    for (size_t i = 0; i < len; i++)
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    assert_string_equal(text, hex);
}

static const uint8_t golden_id[LOG_ID_BYTES] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };

static void a_segment_header_is_these_bytes(void **state)
{
    struct segment_header h = {
        .format = 1, .compatible = 2, .incompatible = 3, .number = 4, .segment_bytes = 67108864,
        .first_address = 201326592, .first_position = 1000000, .created_ms = 1767225600000, .previous = 0xdeadbeef,
        .release = "0.1.0",
    };
    uint8_t bytes[LOG_SEGMENT_HEADER_BYTES] = { 0 };
    struct segment_header back;

    (void)state;
    memcpy(h.id, golden_id, sizeof(h.id));
    segment_header_encode(bytes, &h);
    expect_hex(bytes, SEGMENT_HEADER_USED_BYTES, GOLDEN_SEGMENT);
    assert_true(segment_header_decode(bytes, &back));
    assert_memory_equal(back.id, golden_id, sizeof(golden_id));
    assert_int_equal(back.previous, 0xdeadbeef);
    assert_string_equal(back.release, "0.1.0");
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] ^= 1;
        assert_false(segment_header_decode(bytes, &back));
        bytes[i] ^= 1;
    }
}

static void a_frame_header_is_these_bytes(void **state)
{
    struct frame_header h = {
        .length = 5, .body_crc = 0x01020304, .address = 4096, .first_position = 7, .durable = 4096,
        .time_ms = 1767225600000, .position_count = 3, .previous = 0xcafef00d,
    };
    uint8_t bytes[LOG_FRAME_HEADER_BYTES];
    uint32_t seed = frame_seed(golden_id, 1);
    struct frame_header back;

    (void)state;
    frame_header_encode(bytes, seed, &h);
    expect_hex(bytes, sizeof(bytes), GOLDEN_FRAME);
    assert_null(frame_header_decode(bytes, seed, &back));
    assert_int_equal(back.position_count, 3);
    assert_non_null(frame_header_decode(bytes, frame_seed(golden_id, 2), &back));
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] ^= 0x80;
        assert_non_null(frame_header_decode(bytes, seed, &back));
        bytes[i] ^= 0x80;
    }
}

/* A whole log of one frame, as any release must still read it. */
static void a_log_of_format_1_is_read(void **state)
{
    struct segment_header h = {
        .format = 1, .number = 1, .segment_bytes = SEGMENT_BYTES, .created_ms = 1767225600000, .release = "0.1.0",
    };
    struct frame_header frame = {
        .length = 5, .body_crc = 0x9a71bb4c, .address = 4096, .first_position = 0, .durable = 0,
        .time_ms = 1767225600000, .position_count = 1,
    };
    uint8_t bytes[LOG_SEGMENT_HEADER_BYTES + 72] = { 0 };
    char path[PATH_BYTES];

    (void)state;
    memcpy(h.id, golden_id, sizeof(h.id));
    segment_header_encode(bytes, &h);
    frame.previous = h.crc;
    frame_header_encode(bytes + 4096, frame_seed(golden_id, 1), &frame);
    memcpy(bytes + 4096 + 64, "hello", 5);
    snprintf(path, sizeof(path), "%s/log", w.dir);
    assert_int_equal(io_dir_make(w.io, path), 0);
    file_put(FIRST, 0, bytes, sizeof(bytes));
    open_log();
    expect_text(4096, "hello");
    assert_int_equal(log_id(w.log), UINT64_C(0x0706050403020100));
}

/* --- what the simulated world has ------------------------------------------------------------------------------------ */

static void a_full_disk_refuses_and_resumes(void **state)
{
    static const uint8_t body[1000];
    size_t frames = 0;
    int r;

    (void)state;
    open_log();
    io_simulated_set_capacity(w.io, 1);
    while ((r = log_reserve(w.log, sizeof(body), &w.error)) == 0) {
        append(slice_of(body, sizeof(body)), 1);
        flush_well();
        frames++;
        assert_true(frames < 100);
    }
    assert_int_equal(r, EDDA_EFULL);
    assert_non_null(strstr(w.error.message, "no space"));
    assert_int_equal(log_reserve(w.log, sizeof(body), &w.error), EDDA_EFULL);
    assert_int_equal(count_frames(), frames);
    close_log();
    open_log();
    assert_true(w.recovery.clean);
    assert_int_equal(log_reserve(w.log, sizeof(body), &w.error), EDDA_EFULL);
    io_simulated_set_capacity(w.io, UINT64_C(64) << 20);
    append(slice_of(body, sizeof(body)), 1);
    flush_well();
    assert_int_equal(count_frames(), frames + 1);
    close_log();
    open_log();
    assert_int_equal(count_frames(), frames + 1);
}

static void a_failed_sync_is_final(void **state)
{
    struct log_flush *a, *b;

    (void)state;
    open_log();
    put("stays");
    append_text("in doubt");
    a = log_flush_begin(w.log);
    append_text("behind it");
    b = log_flush_begin(w.log);
    append_text("never flushed");
    io_simulated_fail_sync(w.io, 1);
    log_flush_run(a);
    log_flush_run(b);
    assert_int_equal(log_flush_end(w.log, a, &w.error), EDDA_EIO);
    assert_int_equal(log_flush_end(w.log, b, &w.error), EDDA_EIO);
    assert_int_equal(log_reserve(w.log, 1, &w.error), EDDA_EIO);
    assert_false(log_flush_wanted(w.log));
    assert_int_equal(log_durable_position(w.log), 1);
    close_log();
    io_simulated_crash(w.io, false);
    open_log();
    assert_false(w.recovery.clean);
    assert_in_range(count_frames(), 1, 2);
}

/* The kernel takes what a failed sync did not write for written: opening must not believe it. */
static void what_a_dead_process_left_is_written_again(void **state)
{
    size_t frames;

    (void)state;
    open_log();
    put("stays");
    append_text("in memory of the system only");
    io_simulated_fail_sync(w.io, 1);
    assert_int_equal(flush(), EDDA_EIO);
    io_simulated_crash(w.io, true);
    leave_log();
    open_log();
    frames = count_frames();
    assert_int_equal(frames, 2);
    for (unsigned i = 0; i < 20; i++) {
        io_simulated_crash(w.io, false);
        leave_log();
        open_log();
        assert_int_equal(count_frames(), frames);
    }
}

static void log_time_never_goes_back(void **state)
{
    int64_t last, now;

    (void)state;
    open_log();
    last = log_time_us(w.log);
    io_simulated_advance(w.io, 5 * S_NS);
    now = log_time_us(w.log);
    assert_int_equal(now - last, 5000000);
    /* Forward at once. */
    io_simulated_wall_step(w.io, 60 * S_NS);
    last = now;
    now = log_time_us(w.log);
    assert_int_equal(now - last, 60000000);
    /* Backward by losing 1 part in 2,000, until it has caught up. */
    io_simulated_wall_step(w.io, -1 * S_NS);
    last = now;
    assert_int_equal(log_time_us(w.log), last);
    for (unsigned i = 0; i < 1000; i++) {
        io_simulated_advance(w.io, S_NS / 1000);
        log_time_us(w.log);
    }
    now = log_time_us(w.log);
    assert_int_equal(now - last, 1000000 - 500);
    io_simulated_advance(w.io, 3000 * S_NS);
    last = io_clock_wall_ns(w.io) / 1000;
    assert_int_equal(log_time_us(w.log), last);
}

static void log_time_is_not_before_the_last_frame(void **state)
{
    struct buffer scratch = BUFFER_EMPTY;
    log_address address;
    int64_t time_ms;

    (void)state;
    open_log();
    io_simulated_advance(w.io, 100 * S_NS);
    address = put("late");
    time_ms = read_at(address, &scratch).time_ms;
    close_log();
    io_simulated_wall_step(w.io, -50 * S_NS);
    open_log();
    assert_int_equal(log_time_ms(w.log), time_ms);
    buffer_deinit(&scratch);
}

static void small_flushes_are_noted_and_zeroed_ahead(void **state)
{
    struct note note;
    uint8_t bytes[NOTE_BYTES];
    uint64_t operations;

    (void)state;
    open_log();
    put("a");
    io_simulated_advance(w.io, 2 * S_NS);
    io_jobs_finish(w.io);
    put("b");
    file_get(NOTE_FILE, 0, bytes, sizeof(bytes));
    assert_true(note_decode(bytes, &note));
    assert_int_equal(note.durable, log_durable_end(w.log));
    assert_int_equal(note.position, 2);
    /* One write and one sync: nothing else is done for a flush. */
    io_simulated_advance(w.io, S_NS / 2);
    io_jobs_finish(w.io);
    operations = io_simulated_operations(w.io);
    put("c");
    assert_int_equal(io_simulated_operations(w.io) - operations, 2);
}

static void opening_an_empty_log_is_cheap(void **state)
{
    (void)state;
    open_log();
    /* Two directories and their two syncs, the lock, the segment: made, allocated, synced, named; its header: written, synced. */
    assert_in_range(io_simulated_operations(w.io), 1, 11);
}

static void appending_allocates_nothing(void **state)
{
    static const uint8_t body[300];
    struct mallinfo2 before, after;
    struct log_flush *f;

    (void)state;
    w.options.segment_bytes = UINT64_C(16) << 20;
    open_log();
    for (unsigned i = 0; i < 50; i++) {
        for (unsigned k = 0; k < 20; k++)
            append(slice_of(body, sizeof(body)), 1);
        flush_well();
    }
    before = mallinfo2();
    for (unsigned i = 0; i < 50; i++) {
        for (unsigned k = 0; k < 20; k++)
            append(slice_of(body, sizeof(body)), 1);
        f = log_flush_begin(w.log);
        after = mallinfo2();
        assert_int_equal(after.uordblks, before.uordblks);
        log_flush_run(f);
        assert_int_equal(log_flush_end(w.log, f, &w.error), 0);
    }
}

/* --- threads ----------------------------------------------------------------------------------------------------------- */

struct flush_job {
    struct io_job job;
    struct log_flush *flush;
    bool under_way;
};

static void flush_job_run(struct io_job *job)
{
    log_flush_run(container_of(job, struct flush_job, job)->flush);
}

static void flush_job_done(struct io_job *job)
{
    struct flush_job *f = container_of(job, struct flush_job, job);

    f->under_way = false;
    assert_int_equal(log_flush_end(w.log, f->flush, &w.error), 0);
}

static void *reader_thread(void *user)
{
    atomic_bool *stop = user;
    struct buffer scratch = BUFFER_EMPTY;
    size_t frames = 0;

    while (!atomic_load(stop)) {
        log_address address = 0;
        log_address end = log_durable_end(w.log);

        for (frames = 0; address < end; frames++) {
            struct log_frame frame;

            if (log_read(w.log, address, &scratch, &frame, NULL) < 0)
                return NULL;
            address = frame.next;
        }
    }
    buffer_deinit(&scratch);
    return user;
}

static void flushes_run_and_frames_are_read_on_other_threads(void **state)
{
    static const uint8_t body[700] = { 5 };
    struct flush_job jobs[LOG_FLUSHES_MAX] = { 0 };
    atomic_bool stop = false;
    pthread_t reader;
    void *well;

    (void)state;
    open_log();
    put("there is always one");
    assert_int_equal(pthread_create(&reader, NULL, reader_thread, &stop), 0);
    for (unsigned i = 0; i < 3000; i++) {
        append(slice_of(body, sizeof(body)), 1);
        for (size_t k = 0; k < LOG_FLUSHES_MAX; k++) {
            if (jobs[k].under_way || !log_flush_wanted(w.log))
                continue;
            jobs[k] = (struct flush_job){ { .run = flush_job_run, .done = flush_job_done }, log_flush_begin(w.log), true };
            io_job_submit(w.io, IO_POOL_FLUSH, &jobs[k].job);
        }
        io_jobs_finish(w.io);
    }
    while (jobs[0].under_way || jobs[1].under_way) {
        io_jobs_wait(w.io, -1);
        io_jobs_finish(w.io);
    }
    atomic_store(&stop, true);
    assert_int_equal(pthread_join(reader, &well), 0);
    assert_ptr_equal(well, &stop);
    close_log();
    open_log();
    assert_int_equal(count_frames(), 3001);
    assert_int_equal(log_verify(w.log, NULL, NULL, &w.error), 0);
}

struct blocking_job {
    struct io_job job;
    atomic_bool go;
    bool under_way;
};

static void blocking_job_run(struct io_job *job)
{
    while (!atomic_load(&container_of(job, struct blocking_job, job)->go))
        sched_yield();
}

static void blocking_job_done(struct io_job *job)
{
    container_of(job, struct blocking_job, job)->under_way = false;
}

/* The background thread is busy with something else: what would be made ahead is made when it is needed, or not at all. */
static void nothing_waits_for_a_job_that_has_not_begun(void **state)
{
    struct blocking_job busy = { .job = { .run = blocking_job_run, .done = blocking_job_done }, .under_way = true };
    size_t frames;

    (void)state;
    io_job_submit(w.io, IO_POOL_BACKGROUND, &busy.job);
    open_log();
    frames = fill_segments(4);
    close_log();
    open_log();
    frames += fill_segments(6);
    atomic_store(&busy.go, true);
    while (busy.under_way) {
        io_jobs_wait(w.io, -1);
        io_jobs_finish(w.io);
    }
    frames += fill_segments(8);
    close_log();
    open_log();
    assert_int_equal(count_frames(), frames);
}

#define BOTH(test) \
    cmocka_unit_test_setup_teardown(test, setup_simulated, teardown), \
    { #test " (posix)", test, setup_posix, teardown, NULL }
#define SIMULATED(test) cmocka_unit_test_setup_teardown(test, setup_simulated, teardown)
#define POSIX(test) cmocka_unit_test_setup_teardown(test, setup_posix, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(what_is_flushed_is_read_after_reopening),
        BOTH(what_is_not_flushed_is_read_by_its_owner),
        BOTH(two_flushes_are_under_way_at_most),
        BOTH(a_body_is_gathered_from_parts_up_to_the_limit),
        BOTH(frames_roll_over_many_segments),
        BOTH(one_flush_may_roll_over_segments),
        BOTH(a_scan_begins_anywhere_and_ends_when_told),
        BOTH(a_log_is_open_once),
        BOTH(the_last_frame_says_whether_the_end_was_clean),
        BOTH(a_reader_takes_no_lock_and_writes_nothing),
        BOTH(options_have_limits),
        BOTH(segments_of_several_sizes_make_one_log),
        BOTH(a_tail_that_nothing_proves_is_cut),
        BOTH(a_later_frame_proves_damage),
        BOTH(a_clean_end_proves_damage),
        BOTH(the_note_proves_damage),
        BOTH(a_frame_of_another_history_is_none),
        BOTH(a_footer_is_the_one_that_the_next_segment_follows),
        BOTH(a_missing_segment_is_missed),
        BOTH(headers_of_sealed_segments_are_checked_at_open),
        BOTH(damage_in_a_sealed_segment_is_found_and_skipped),
        BOTH(a_log_without_its_first_header_is_salvaged),
        BOTH(a_copy_of_the_used_bytes_is_a_log),
        BOTH(newer_formats_are_refused_by_name),
        BOTH(a_log_of_format_1_is_read),
        SIMULATED(a_segment_header_is_these_bytes),
        SIMULATED(a_frame_header_is_these_bytes),
        SIMULATED(a_full_disk_refuses_and_resumes),
        SIMULATED(a_failed_sync_is_final),
        SIMULATED(what_a_dead_process_left_is_written_again),
        SIMULATED(log_time_never_goes_back),
        SIMULATED(log_time_is_not_before_the_last_frame),
        SIMULATED(small_flushes_are_noted_and_zeroed_ahead),
        SIMULATED(opening_an_empty_log_is_cheap),
        POSIX(appending_allocates_nothing),
        POSIX(nothing_waits_for_a_job_that_has_not_begun),
        POSIX(flushes_run_and_frames_are_read_on_other_threads),
    };

    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
