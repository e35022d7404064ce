/* Following a log that is written elsewhere: what log_refresh() takes in, and what it leaves for the next time. */
#include "log_world.h"

static struct log *reader;

static void reader_open(void)
{
    const struct log_options options = { .read_only = true };
    assert_int_equal(log_open(w.io, w.dir, &options, &reader, NULL, &w.error), 0);
}

static int reader_refresh(void)
{
    int r = log_refresh(reader, &w.error);
    if (r < 0)
        fail_msg("%s", w.error.message);
    return r;
}

static size_t reader_frames(void)
{
    size_t count = 0;
    assert_int_equal(log_scan(reader, 0, count_frame, NULL, &count, &w.error), 0);
    return count;
}

static int reader_teardown(void **state)
{
    log_close(reader);
    reader = NULL;
    return teardown(state);
}

static void what_was_written_is_taken_in(void **state)
{
    struct buffer scratch = BUFFER_EMPTY;
    struct log_frame frame;
    log_address second;
    (void)state;
    open_log();
    put("one");
    reader_open();
    assert_int_equal(reader_frames(), 1);
    assert_int_equal(reader_refresh(), 0);
    second = put("two");
    append_text("not flushed");
    assert_int_equal(reader_refresh(), 1);
    assert_int_equal(reader_refresh(), 0);
    assert_int_equal(reader_frames(), 2);
    assert_int_equal(log_next_position(reader), 2);
    assert_int_equal(log_durable_position(reader), 2);
    assert_int_equal(log_durable_end(reader), log_durable_end(w.log));
    assert_int_equal(log_read(reader, second, &scratch, &frame, &w.error), 0);
    assert_true(slice_eq_str(frame.body, "two"));
    assert_int_equal(log_read(reader, frame.next, &scratch, &frame, &w.error), EDDA_ENOTFOUND);
    buffer_deinit(&scratch);
}

static void it_goes_on_in_the_next_segments(void **state)
{
    size_t frames;
    (void)state;
    open_log();
    reader_open();
    frames = fill_segments(2);
    assert_int_equal(reader_refresh(), 1);
    assert_int_equal(reader_frames(), frames);
    frames += fill_segments(6);
    assert_int_equal(reader_refresh(), 1);
    assert_int_equal(reader_frames(), frames);
    assert_int_equal(log_end(reader), log_durable_end(w.log));
    assert_int_equal(log_verify(reader, NULL, NULL, &w.error), 0);
}

/* Step by step, so that every state between two segments is met. */
static void no_frame_is_missed(void **state)
{
    struct log_segment_info info;
    size_t frames = 0;
    (void)state;
    open_log();
    reader_open();
    while (!log_segment(w.log, 3, &info)) {
        put("a body of some length, so that a segment of 64 KiB is soon full of them ........................................"
            "..................................................................................................................");
        frames++;
        assert_int_equal(reader_refresh(), 1);
        assert_int_equal(log_next_position(reader), frames);
    }
    assert_int_equal(reader_frames(), frames);
}

static void it_follows_from_one_writer_to_the_next(void **state)
{
    (void)state;
    open_log();
    put("one");
    reader_open();
    put("two");
    close_log();
    assert_int_equal(reader_refresh(), 1);
    assert_int_equal(reader_frames(), 2);
    open_log();
    put("three");
    assert_int_equal(reader_refresh(), 1);
    assert_int_equal(reader_frames(), 3);
    put("four");
    leave_log();
    assert_int_equal(reader_refresh(), 1);
    assert_int_equal(reader_frames(), 4);
}

/* A header that is there before its body: the frame is taken when it is whole. */
static void a_frame_that_is_half_there_is_left(void **state)
{
    uint8_t body[5], other[5] = "?????";
    log_address address;
    (void)state;
    open_log();
    put("one");
    reader_open();
    address = put("whole");
    file_get(FIRST, address + LOG_FRAME_HEADER_BYTES, body, sizeof(body));
    file_put(FIRST, address + LOG_FRAME_HEADER_BYTES, other, sizeof(other));
    assert_int_equal(reader_refresh(), 0);
    assert_int_equal(reader_frames(), 1);
    file_put(FIRST, address + LOG_FRAME_HEADER_BYTES, body, sizeof(body));
    assert_int_equal(reader_refresh(), 1);
    assert_int_equal(reader_frames(), 2);
}

static void only_a_reader_follows(void **state)
{
    const struct log_options options = { .salvage = true };
    (void)state;
    open_log();
    put("one");
    assert_int_equal(log_refresh(w.log, &w.error), EDDA_EUNSUPPORTED);
    assert_int_equal(log_open(w.io, w.dir, &options, &reader, NULL, &w.error), 0);
    assert_int_equal(log_refresh(reader, &w.error), EDDA_EUNSUPPORTED);
}

#define BOTH_WORLDS(test) \
    cmocka_unit_test_setup_teardown(test, setup_simulated, reader_teardown), \
    { #test " (posix)", test, setup_posix, reader_teardown, NULL }

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH_WORLDS(what_was_written_is_taken_in),
        BOTH_WORLDS(it_goes_on_in_the_next_segments),
        BOTH_WORLDS(no_frame_is_missed),
        BOTH_WORLDS(it_follows_from_one_writer_to_the_next),
        BOTH_WORLDS(a_frame_that_is_half_there_is_left),
        BOTH_WORLDS(only_a_reader_follows),
    };
    return cmocka_run_group_tests_name("log refresh", tests, NULL, NULL);
}
