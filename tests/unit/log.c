/*
 * The log: what it promises on a real disk and on the simulated one, as tables of tests that are run on each; then
 * what needs the simulated one (full disks, failed syncs, clocks), and threads, which need the real one. Crashes are tests/sim/log_crash.c.
 */
#include "log_world.h"

#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "io/posix.h"

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
    /* The disk is asked again after a while only, and after a longer one when it was asked in vain. */
    io_simulated_set_capacity(w.io, UINT64_C(64) << 20);
    assert_int_equal(log_reserve(w.log, sizeof(body), &w.error), EDDA_EFULL);
    assert_non_null(strstr(w.error.message, "tried again"));
    io_simulated_set_capacity(w.io, 1);
    for (int64_t waited_ms = 50; waited_ms <= 1600; waited_ms *= 2) {
        int64_t wait_ms = waited_ms < 800 ? waited_ms : 800;
        io_simulated_advance(w.io, (wait_ms - 1) * 1000000);
        assert_int_equal(log_reserve(w.log, sizeof(body), &w.error), EDDA_EFULL);
        assert_non_null(strstr(w.error.message, "tried again"));
        io_simulated_advance(w.io, 1000000);
        assert_int_equal(log_reserve(w.log, sizeof(body), &w.error), EDDA_EFULL);
        assert_non_null(strstr(w.error.message, "no space"));
    }
    assert_int_equal(count_frames(), frames);
    close_log();
    open_log();
    assert_true(w.recovery.clean);
    assert_int_equal(log_reserve(w.log, sizeof(body), &w.error), EDDA_EFULL);
    io_simulated_set_capacity(w.io, UINT64_C(64) << 20);
    io_simulated_advance(w.io, 50000000);
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

struct opener {
    const char *dir;
    atomic_bool stop;
    size_t opened;
    struct edda_error error;
};

static void *opener_thread(void *user)
{
    struct opener *o = user;
    struct log_options options = { .read_only = true };
    struct io *io = io_posix_new(1);

    while (io && !atomic_load(&o->stop)) {
        size_t count = 0;
        struct log *log;

        if (log_open(io, o->dir, &options, &log, NULL, &o->error) < 0 ||
            log_scan(log, 0, count_frame, NULL, &count, &o->error) < 0)
            break;
        o->opened++;
        log_close(log);
    }
    io_posix_free(io);
    return NULL;
}

/* What is being written is neither taken for damage nor served half. */
static void a_reader_may_open_while_the_log_is_written(void **state)
{
    static const uint8_t body[3000] = { 5 };
    struct opener o = { .dir = w.dir };
    pthread_t opener;

    (void)state;
    open_log();
    put("there is always one");
    assert_int_equal(pthread_create(&opener, NULL, opener_thread, &o), 0);
    for (unsigned i = 0; i < 4000; i++) {
        append(slice_of(body, i % sizeof(body)), 1);
        flush_well();
    }
    atomic_store(&o.stop, true);
    assert_int_equal(pthread_join(opener, NULL), 0);
    assert_string_equal(o.error.message, "");
    assert_true(o.opened > 0);
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
        SIMULATED(a_full_disk_refuses_and_resumes),
        SIMULATED(a_failed_sync_is_final),
        SIMULATED(what_a_dead_process_left_is_written_again),
        SIMULATED(log_time_never_goes_back),
        SIMULATED(log_time_is_not_before_the_last_frame),
        SIMULATED(small_flushes_are_noted_and_zeroed_ahead),
        SIMULATED(opening_an_empty_log_is_cheap),
        POSIX(appending_allocates_nothing),
        POSIX(a_reader_may_open_while_the_log_is_written),
        POSIX(nothing_waits_for_a_job_that_has_not_begun),
        POSIX(flushes_run_and_frames_are_read_on_other_threads),
    };

    return cmocka_run_group_tests_name("log", tests, NULL, NULL) + log_damage_run();
}
