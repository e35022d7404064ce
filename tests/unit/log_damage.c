/*
 * What the log says of bytes that it did not write so: torn tails, damage, formats of other releases, and the golden bytes of its own.
 */
#include "log_world.h"

/* Laid down by format 1; they never change. */
#define GOLDEN_SEGMENT \
    "454444412d4c4f47e10adc300100000002000000000000000300000000000000" \
    "000102030405060708090a0b0c0d0e0f04000000000000000000000400000000" \
    "0000000c0000000040420f000000000000a8da769b010000efbeadde00000000" \
    "302e312e30000000000000000000000000000000000000000000000000000000" \
    "00000000"
#define GOLDEN_FRAME \
    "4546524dd70f76fe050000000403020100100000000000000700000000000000" \
    "001000000000000000a8da769b010000030000000df0feca0000000000000000"

#define GOLDEN_FRONT \
    "454444412d4652548105aace00000000000102030405060708090a0b0c0d0e0f" \
    "0300000000000000001000000000000040420f0000000000efbeadde04000000"

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

/* Cut where a frame begins, the file looks like that of a log which ended there. */
static void a_closed_log_that_lost_its_end_is_refused(void **state)
{
    log_address address;
    struct io_file *file;

    (void)state;
    open_log();
    put("stays");
    address = put("is lost");
    close_log();
    file = file_open(FIRST, IO_WRITE);
    assert_int_equal(io_file_truncate(w.io, file, address), 0);
    io_file_close(w.io, file);
    expect_refused(EDDA_ECORRUPT, "the file durable");
    file_remove(FIRST);
    expect_refused(EDDA_ECORRUPT, "the segments in");
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
    assert_int_equal(io_dir_make(w.io, path, NULL), 0);
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

/* What is in the frames has a format of its own, which the log keeps for whoever owns it. */
static void contents_of_another_format_are_refused(void **state)
{
    (void)state;
    w.options.contents = 2;
    open_log();
    put("hello");
    close_log();
    open_log();
    expect_text(LOG_SEGMENT_HEADER_BYTES, "hello");
    close_log();
    w.options.contents = 1;
    expect_refused(EDDA_EFORMAT, "with records in format 2; this release, ");
    w.options.contents = 3;
    expect_refused(EDDA_EFORMAT, ", reads format 3: use the build that wrote it, or take another directory");
    w.options.salvage = true;
    expect_refused(EDDA_EFORMAT, "with records in format 2");
    w.options = (struct log_options){ .contents = 2, .read_only = true };
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

static void a_front_is_these_bytes(void **state)
{
    struct front f = { .number = 3, .address = 4096, .position = 1000000, .previous = 0xdeadbeef }, back;
    uint8_t bytes[FRONT_BYTES + 4];
    struct slice left = slice_of(bytes + FRONT_BYTES, 4);

    (void)state;
    memcpy(f.id, golden_id, sizeof(f.id));
    memcpy(bytes + FRONT_BYTES, "left", 4);
    front_encode(bytes, &f, left);
    expect_hex(bytes, FRONT_BYTES, GOLDEN_FRONT);
    assert_true(front_decode(bytes, left, &back));
    assert_memory_equal(back.id, golden_id, sizeof(golden_id));
    assert_int_equal(back.number, 3);
    assert_int_equal(back.previous, 0xdeadbeef);
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] ^= 0x10;
        assert_false(front_decode(bytes, left, &back));
        bytes[i] ^= 0x10;
    }
    /* None says that the log begins with segment 1, or where no segment begins. */
    f.number = 1;
    front_encode(bytes, &f, left);
    assert_false(front_decode(bytes, left, &back));
    f.number = 3;
    f.address = 4097;
    front_encode(bytes, &f, left);
    assert_false(front_decode(bytes, left, &back));
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
    assert_int_equal(io_dir_make(w.io, path, NULL), 0);
    file_put(FIRST, 0, bytes, sizeof(bytes));
    open_log();
    expect_text(4096, "hello");
    assert_int_equal(log_id(w.log), UINT64_C(0x0706050403020100));
}

/* What is left of a gap that a scan comes to. */
static int gap_take(void *user, const struct log_frame *frame)
{
    struct log_frame *gap = user;
    if (frame->removed)
        *gap = *frame;
    return 0;
}

static void rest_flush(struct log *rest)
{
    struct log_flush *flush = log_flush_begin(rest);
    log_flush_run(flush);
    assert_int_equal(log_flush_end(rest, flush, &w.error), 0);
}

/* What is made of the rest of a log has its number and time, but no frame of the one is one of the other; gaps are appended to it, in any segment. */
static void the_rest_of_a_log_has_gaps(void **state)
{
    struct log_options options = w.options;
    struct log_frame gap = { .removed = false };
    char dir[PATH_BYTES], body[1000] = "x";
    const struct slice part = slice_of(body, sizeof(body));
    log_address address;
    struct log *rest;
    size_t frames = 0;
    (void)state;
    open_log();
    put("one");
    snprintf(dir, sizeof(dir), "%s/rest", w.dir);
    options.rest_of = w.log;
    assert_int_equal(log_open(w.io, dir, &options, &rest, NULL, &w.error), 0);
    for (uint32_t i = 0; i < 100; i++) {
        assert_int_equal(log_reserve(rest, sizeof(body), &w.error), 0);
        log_gap_append(rest, slice_of("left", i % 2 ? 4 : 0), 5, log_time_ms(rest));
        rest_flush(rest);
        assert_int_equal(log_reserve(rest, sizeof(body), &w.error), 0);
        log_frame_append(rest, &part, 1, 1, log_time_ms(rest), &address);
        rest_flush(rest);
    }
    log_close(rest);
    options.rest_of = NULL;
    assert_int_equal(log_open(w.io, dir, &options, &rest, NULL, &w.error), 0);
    assert_true(log_find_segment(rest, 599) > 0);
    assert_int_equal(log_id(rest), log_id(w.log));
    assert_int_equal(log_next_position(rest), 600);
    assert_true(log_has_removed(rest) && !log_has_removed(w.log));
    assert_int_equal(log_scan(rest, 0, gap_take, NULL, &gap, &w.error), 0);
    assert_int_equal(gap.first_position, 594);
    assert_int_equal(gap.position_count, 5);
    assert_true(slice_eq_str(gap.body, "left"));
    assert_int_equal(log_scan(rest, 0, count_frame, NULL, &frames, &w.error), 0);
    assert_int_equal(frames, 200);
    assert_int_equal(log_verify(rest, NULL, NULL, &w.error), 0);
    log_close(rest);
}

int log_damage_run(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(a_tail_that_nothing_proves_is_cut),
        BOTH(a_later_frame_proves_damage),
        BOTH(a_clean_end_proves_damage),
        BOTH(a_closed_log_that_lost_its_end_is_refused),
        BOTH(the_note_proves_damage),
        BOTH(a_frame_of_another_history_is_none),
        BOTH(a_footer_is_the_one_that_the_next_segment_follows),
        BOTH(a_missing_segment_is_missed),
        BOTH(headers_of_sealed_segments_are_checked_at_open),
        BOTH(damage_in_a_sealed_segment_is_found_and_skipped),
        BOTH(a_log_without_its_first_header_is_salvaged),
        BOTH(a_copy_of_the_used_bytes_is_a_log),
        BOTH(the_rest_of_a_log_has_gaps),
        BOTH(newer_formats_are_refused_by_name),
        BOTH(contents_of_another_format_are_refused),
        BOTH(a_log_of_format_1_is_read),
        SIMULATED(a_segment_header_is_these_bytes),
        SIMULATED(a_frame_header_is_these_bytes),
        SIMULATED(a_front_is_these_bytes),
    };

    return cmocka_run_group_tests_name("log damage", tests, NULL, NULL);
}
