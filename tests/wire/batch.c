/*
 * Record batches: what a Kafka client writes is read, what is written is what a Kafka client would have written, and
 * whatever a broker must refuse is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/crc32c.h"
#include "base/put.h"
#include "wire/kafka/batch.h"

#define TIME_MS INT64_C(1700000000000)
#define CRC_AT 17
#define CHECKED_AT 21

/* clang-format off */
/* From kafka-python 3.0.12, DefaultRecordBatchBuilder: four records of (timestamp, key, value, headers):
 * (T, "order-7", {"n":1}, ce_id "01", ce_type "Placed", note null), (T + 5000, null, "", none),
 * (T - 3, "", null, "" = ""), (T + 100, "order-8", 70 times "v", none). */
static const uint8_t plain[] = {
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xcc, 0x00, 0x00, 0x00, 0x00,
    0x02, 0xea, 0x42, 0xa3, 0x1b, 0x00, 0x00, 0x00, 0x00, 0x00, 0x03, 0x00, 0x00, 0x01, 0x8b, 0xcf,
    0xe5, 0x68, 0x00, 0x00, 0x00, 0x01, 0x8b, 0xcf, 0xe5, 0x7b, 0x88, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x04, 0x64, 0x00, 0x00,
    0x00, 0x0e, 0x6f, 0x72, 0x64, 0x65, 0x72, 0x2d, 0x37, 0x0e, 0x7b, 0x22, 0x6e, 0x22, 0x3a, 0x31,
    0x7d, 0x06, 0x0a, 0x63, 0x65, 0x5f, 0x69, 0x64, 0x04, 0x30, 0x31, 0x0e, 0x63, 0x65, 0x5f, 0x74,
    0x79, 0x70, 0x65, 0x0c, 0x50, 0x6c, 0x61, 0x63, 0x65, 0x64, 0x08, 0x6e, 0x6f, 0x74, 0x65, 0x01,
    0x0e, 0x00, 0x90, 0x4e, 0x02, 0x01, 0x00, 0x00, 0x10, 0x00, 0x05, 0x04, 0x00, 0x01, 0x02, 0x00,
    0x00, 0xaa, 0x01, 0x00, 0xc8, 0x01, 0x06, 0x0e, 0x6f, 0x72, 0x64, 0x65, 0x72, 0x2d, 0x38, 0x8c,
    0x01, 0x76, 0x76, 0x76, 0x76, 0x76, 0x76, 0x76, 0x76, 0x76, 0x76, 0x76, 0x76, 0x76, 0x76, 0x76,
    0x76, 0x76, 0x76, 0x76, 0x76, 0x76, 0x76, 0x76, 0x76, 0x76, 0x76, 0x76, 0x76, 0x76, 0x76, 0x76,
    0x76, 0x76, 0x76, 0x76, 0x76, 0x76, 0x76, 0x76, 0x76, 0x76, 0x76, 0x76, 0x76, 0x76, 0x76, 0x76,
    0x76, 0x76, 0x76, 0x76, 0x76, 0x76, 0x76, 0x76, 0x76, 0x76, 0x76, 0x76, 0x76, 0x76, 0x76, 0x76,
    0x76, 0x76, 0x76, 0x76, 0x76, 0x76, 0x76, 0x00,
};

/* From kafka-python 3.0.12: producer id 4711, epoch 3, sequence 42, two records. */
static const uint8_t transactional[] = {
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x43, 0x00, 0x00, 0x00, 0x00,
    0x02, 0x50, 0x92, 0x3f, 0x32, 0x00, 0x10, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x01, 0x8b, 0xcf,
    0xe5, 0x68, 0x00, 0x00, 0x00, 0x01, 0x8b, 0xcf, 0xe5, 0x68, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x12, 0x67, 0x00, 0x03, 0x00, 0x00, 0x00, 0x2a, 0x00, 0x00, 0x00, 0x02, 0x10, 0x00, 0x00,
    0x00, 0x02, 0x6b, 0x02, 0x61, 0x00, 0x10, 0x00, 0x02, 0x02, 0x02, 0x6b, 0x02, 0x62, 0x00,
};

/* From kafka-python 3.0.12: one record of 200 bytes, compressed with gzip. */
static const uint8_t gzip_compressed[] = {
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x52, 0x00, 0x00, 0x00, 0x00,
    0x02, 0xb9, 0xfa, 0x11, 0x44, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x8b, 0xcf,
    0xe5, 0x68, 0x00, 0x00, 0x00, 0x01, 0x8b, 0xcf, 0xe5, 0x68, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x01, 0x1f, 0x8b, 0x08,
    0x00, 0x21, 0x71, 0x01, 0x6b, 0x02, 0xff, 0x5b, 0xc0, 0xcc, 0xc0, 0xc0, 0xc0, 0x94, 0x3d, 0x81,
    0xb9, 0x6a, 0x98, 0x00, 0x06, 0x00, 0xc5, 0x29, 0x9e, 0xef, 0xd2, 0x00, 0x00, 0x00,
};
/* clang-format on */

static struct batch parsed(struct slice bytes)
{
    struct batch batch;
    struct edda_error error = { 0 };
    assert_int_equal(batch_parse(bytes, &batch, &error), (int64_t)bytes.len);
    return batch;
}

static bool text_is(struct slice s, const char *text)
{
    return s.data && slice_eq_str(s, text);
}

/* A copy of a batch that a test may spoil; seal() makes its checksum right again. */
struct copy {
    uint8_t bytes[512];
    size_t len;
};

static struct copy copy_of(const uint8_t *bytes, size_t len)
{
    struct copy copy = { .len = len };
    assert_true(len <= sizeof(copy.bytes));
    memcpy(copy.bytes, bytes, len);
    return copy;
}

static void seal(struct copy *copy)
{
    put_be32(copy->bytes + CRC_AT, crc32c(slice_of(copy->bytes + CHECKED_AT, copy->len - CHECKED_AT)));
}

static int checked(const struct copy *copy)
{
    struct batch batch = parsed(slice_of(copy->bytes, copy->len));
    struct edda_error error = { 0 };
    int r = batch_check(&batch, &error);
    assert_int_equal(error.code, r);
    return r;
}

static void header_of_a_client_is_read(void **state)
{
    (void)state;
    struct batch batch = parsed(slice_of(plain, sizeof(plain)));
    assert_int_equal(batch.base_offset, 0);
    assert_int_equal(batch.base_timestamp_ms, TIME_MS);
    assert_int_equal(batch.max_timestamp_ms, TIME_MS + 5000);
    assert_int_equal(batch.last_offset_delta, 3);
    assert_int_equal(batch.record_count, 4);
    assert_int_equal(batch.producer_id, -1);
    assert_int_equal(batch.producer_epoch, -1);
    assert_int_equal(batch.base_sequence, -1);
    assert_int_equal(batch.attributes, 0);
    assert_int_equal(batch.records.len, sizeof(plain) - BATCH_HEADER_BYTES);
    assert_int_equal(batch_check(&batch, NULL), 0);

    batch = parsed(slice_of(transactional, sizeof(transactional)));
    assert_int_equal(batch.producer_id, 4711);
    assert_int_equal(batch.producer_epoch, 3);
    assert_int_equal(batch.base_sequence, 42);
    assert_int_equal(batch.attributes, BATCH_TRANSACTIONAL);
    assert_int_equal(batch_check(&batch, NULL), 0);

    batch = parsed(slice_of(gzip_compressed, sizeof(gzip_compressed)));
    assert_int_equal(batch.attributes & BATCH_COMPRESSION, 1);
    assert_int_equal(batch_check(&batch, NULL), 0);
}

static void records_of_a_client_are_read(void **state)
{
    (void)state;
    struct batch batch = parsed(slice_of(plain, sizeof(plain)));
    struct cursor records = cursor_of(batch.records);
    struct record record;

    assert_true(batch_next(&batch, &records, &record));
    assert_int_equal(record.offset, 0);
    assert_int_equal(record.timestamp_ms, TIME_MS);
    assert_true(text_is(record.key, "order-7"));
    assert_true(text_is(record.value, "{\"n\":1}"));
    assert_int_equal(record.header_count, 3);
    struct slice value;
    assert_true(record_header_find(&record, "ce_type", &value));
    assert_true(text_is(value, "Placed"));
    assert_true(record_header_find(&record, "note", &value));
    assert_null(value.data);
    assert_false(record_header_find(&record, "ce_source", &value));

    assert_true(batch_next(&batch, &records, &record));
    assert_int_equal(record.offset, 1);
    assert_int_equal(record.timestamp_ms, TIME_MS + 5000);
    assert_null(record.key.data);
    assert_true(text_is(record.value, ""));
    assert_int_equal(record.header_count, 0);

    assert_true(batch_next(&batch, &records, &record));
    assert_int_equal(record.timestamp_ms, TIME_MS - 3);
    assert_true(text_is(record.key, ""));
    assert_null(record.value.data);
    struct cursor headers = cursor_of(record.headers);
    struct record_header header;
    assert_true(record_header_next(&headers, &header));
    assert_true(text_is(header.key, ""));
    assert_true(text_is(header.value, ""));
    assert_false(record_header_next(&headers, &header));
    assert_true(cursor_ok(&headers));

    assert_true(batch_next(&batch, &records, &record));
    assert_int_equal(record.offset, 3);
    assert_int_equal(record.value.len, 70);
    assert_false(batch_next(&batch, &records, &record));
    assert_true(cursor_ok(&records));
}

static void build_plain(struct buffer *out)
{
    struct buffer headers = BUFFER_EMPTY;
    record_headers_put(&headers, SLICE("ce_id"), SLICE("01"));
    record_headers_put(&headers, SLICE("ce_type"), SLICE("Placed"));
    record_headers_put(&headers, SLICE("note"), slice_of(NULL, 0));
    struct batch_builder builder;
    batch_builder_init(&builder, out);
    struct slice none = slice_of(NULL, 0);
    assert_int_equal(batch_builder_add(&builder, TIME_MS, SLICE("order-7"), SLICE("{\"n\":1}"), buffer_slice(&headers),
                                       3),
                     0);
    assert_int_equal(batch_builder_add(&builder, TIME_MS + 5000, none, SLICE(""), none, 0), 51);
    buffer_clear(&headers);
    record_headers_put(&headers, none, SLICE(""));
    batch_builder_add(&builder, TIME_MS - 3, SLICE(""), none, buffer_slice(&headers), 1);

    /* A record that is taken back leaves nothing, not even its timestamp. */
    int64_t max_timestamp_ms = builder.max_timestamp_ms;
    uint32_t taken_back = batch_builder_add(&builder, TIME_MS + 9999, SLICE("k"), SLICE("v"), none, 0);
    batch_builder_rewind(&builder, taken_back, 3, max_timestamp_ms);

    char value[70];
    memset(value, 'v', sizeof(value));
    batch_builder_add(&builder, TIME_MS + 100, SLICE("order-8"), slice_of(value, sizeof(value)), none, 0);
    batch_builder_finish(&builder, 0, 0);
    buffer_deinit(&headers);
}

static void what_is_built_is_what_a_client_builds(void **state)
{
    (void)state;
    struct buffer out = BUFFER_EMPTY;
    buffer_append_str(&out, "before");
    build_plain(&out);
    build_plain(&out);
    assert_true(buffer_ok(&out));
    assert_int_equal(out.len, 6 + 2 * sizeof(plain));
    assert_memory_equal(out.data + 6, plain, sizeof(plain));
    assert_memory_equal(out.data + 6 + sizeof(plain), plain, sizeof(plain));
    buffer_deinit(&out);
}

static void rewinding_to_nothing_forgets_the_base_timestamp(void **state)
{
    (void)state;
    struct buffer out = BUFFER_EMPTY;
    struct batch_builder builder;
    struct slice none = slice_of(NULL, 0);
    batch_builder_init(&builder, &out);
    uint32_t record = batch_builder_add(&builder, 5, none, none, none, 0);
    batch_builder_rewind(&builder, record, 0, 0);
    batch_builder_add(&builder, TIME_MS, none, SLICE("v"), none, 0);
    batch_builder_finish(&builder, 17, 0);
    struct batch batch = parsed(buffer_slice(&out));
    assert_int_equal(batch.base_offset, 17);
    assert_int_equal(batch.base_timestamp_ms, TIME_MS);
    assert_int_equal(batch.max_timestamp_ms, TIME_MS);
    assert_int_equal(batch_check(&batch, NULL), 0);
    buffer_deinit(&out);
}

static void a_full_buffer_fails_once_and_for_all(void **state)
{
    (void)state;
    struct buffer out;
    struct slice none = slice_of(NULL, 0);
    size_t record_bytes = 8; /* length, attributes, two deltas, no key, a value of one byte, no headers */
    for (int missing = 0; missing <= 1; missing++) {
        buffer_init(&out, BATCH_HEADER_BYTES + record_bytes - (size_t)missing);
        struct batch_builder builder;
        batch_builder_init(&builder, &out);
        batch_builder_add(&builder, 0, none, SLICE("v"), none, 0);
        assert_int_equal(buffer_ok(&out), !missing);
        batch_builder_finish(&builder, 0, 0);
        assert_int_equal(buffer_ok(&out), !missing);
        buffer_deinit(&out);
    }
}

static void offset_and_epoch_are_assigned_under_the_checksum(void **state)
{
    (void)state;
    struct copy copy = copy_of(plain, sizeof(plain));
    batch_assign(copy.bytes, INT64_C(0x123456789a), 7);
    assert_int_equal(checked(&copy), 0);
    struct batch batch = parsed(slice_of(copy.bytes, copy.len));
    assert_int_equal(batch.base_offset, INT64_C(0x123456789a));
    assert_int_equal(batch.leader_epoch, 7);
    struct cursor records = cursor_of(batch.records);
    struct record record = { 0 };
    while (batch_next(&batch, &records, &record)) {
    }
    assert_int_equal(record.offset, INT64_C(0x123456789a) + 3);
}

static void log_append_time_is_the_time_of_every_record(void **state)
{
    (void)state;
    struct copy copy = copy_of(plain, sizeof(plain));
    copy.bytes[22] |= BATCH_LOG_APPEND_TIME;
    seal(&copy);
    assert_int_equal(checked(&copy), 0);
    struct batch batch = parsed(slice_of(copy.bytes, copy.len));
    struct cursor records = cursor_of(batch.records);
    struct record record;
    while (batch_next(&batch, &records, &record))
        assert_int_equal(record.timestamp_ms, TIME_MS + 5000);
}

static void every_prefix_asks_for_more(void **state)
{
    (void)state;
    for (size_t len = 0; len < sizeof(plain); len++) {
        /* Memory of exactly that size, so that a read past it is seen by a sanitizer. */
        uint8_t *bytes = malloc(len + !len);
        memcpy(bytes, plain, len);
        struct batch batch;
        assert_int_equal(batch_parse(slice_of(bytes, len), &batch, NULL), 0);
        free(bytes);
    }
    struct copy copy = copy_of(plain, sizeof(plain));
    copy.len += 10; /* the next batch, begun */
    struct batch batch;
    assert_int_equal(batch_parse(slice_of(copy.bytes, copy.len), &batch, NULL), sizeof(plain));
    assert_int_equal(batch.bytes.len, sizeof(plain));
}

static void impossible_lengths_and_magics_are_malformed(void **state)
{
    (void)state;
    struct edda_error error = { 0 };
    struct batch batch;
    struct copy copy = copy_of(plain, sizeof(plain));
    put_be32(copy.bytes + 8, BATCH_HEADER_BYTES - 12 - 1);
    assert_int_equal(batch_parse(slice_of(copy.bytes, 12), &batch, &error), EDDA_EMALFORMED);
    put_be32(copy.bytes + 8, UINT32_MAX);
    assert_int_equal(batch_parse(slice_of(copy.bytes, 12), &batch, &error), EDDA_EMALFORMED);
    for (int magic = 0; magic <= 3; magic++) {
        copy = copy_of(plain, sizeof(plain));
        copy.bytes[16] = (uint8_t)magic;
        assert_int_equal(batch_parse(slice_of(copy.bytes, 17), &batch, &error), magic == 2 ? 0 : EDDA_EMALFORMED);
    }
}

static void any_changed_bit_under_the_checksum_is_corrupt(void **state)
{
    (void)state;
    for (size_t bit = CRC_AT * 8; bit < sizeof(plain) * 8; bit++) {
        struct copy copy = copy_of(plain, sizeof(plain));
        copy.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(checked(&copy), EDDA_ECORRUPT);
    }
}

/* One byte of a good batch, changed and sealed again, and what it then is. */
struct spoiled {
    const char *what;
    size_t at;
    uint8_t byte;
};

static void what_a_broker_refuses_is_malformed(void **state)
{
    (void)state;
    static const struct spoiled cases[] = {
        { "last offset delta", 26, 4 },
        { "record count less", 60, 3 },
        { "record count more", 60, 5 },
        { "unknown compression", 22, 5 },
        { "transactional without a producer", 22, BATCH_TRANSACTIONAL },
        { "producer id without an epoch", 43, 0 },
        { "record length one less", 61, 0x62 },
        { "record length negative", 61, 0x01 },
        { "record length zero", 61, 0x00 },
        { "record length past the end", 61, 0x7e },
        { "offset delta out of sequence", 64, 0x02 },
        { "offset delta negative", 64, 0x01 },
        { "timestamp before 1970", 27, 0xff },
        { "key length past the record", 65, 0x7e },
        { "key length below null", 65, 0x03 },
        { "header count more", 81, 0x08 },
        { "header count less", 81, 0x04 },
        { "header count none", 81, 0x00 },
        { "header count negative", 81, 0x01 },
        { "header key null", 82, 0x01 },
        { "header value past the record", 88, 0x7e },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct copy copy = copy_of(plain, sizeof(plain));
        assert_int_not_equal(copy.bytes[cases[i].at], cases[i].byte);
        copy.bytes[cases[i].at] = cases[i].byte;
        seal(&copy);
        int r = checked(&copy);
        if (r != EDDA_EMALFORMED)
            fail_msg("%s: %d", cases[i].what, r);
    }
}

static void timestamps_out_of_range_are_malformed(void **state)
{
    (void)state;
    struct copy copy = copy_of(plain, sizeof(plain));
    for (int64_t over = -1; over <= 2; over++) {
        put_be64(copy.bytes + 27, (uint64_t)(INT64_MAX - 1 - 5000 + over)); /* the second record is 5000 later */
        seal(&copy);
        assert_int_equal(checked(&copy), over <= 0 ? 0 : EDDA_EMALFORMED);
    }
}

/* Sarama left it at -1 until 2025 (IBM/sarama#3108); Kafka corrects it and does not refuse. */
static void a_maximal_timestamp_that_is_not_set_is_accepted(void **state)
{
    (void)state;
    struct copy copy = copy_of(plain, sizeof(plain));
    put_be64(copy.bytes + 35, UINT64_MAX);
    seal(&copy);
    assert_int_equal(checked(&copy), 0);
}

/* Lengths around the places where a varint grows by a byte survive the way there and back. */
static void varints_of_every_length_survive(void **state)
{
    (void)state;
    static const size_t lengths[] = { 0, 1, 63, 64, 8191, 8192, 1048575, 1048576 };
    static const int64_t deltas[] = { 0, 63, 64, -64, -65, 1 << 20, -(1 << 20) - 1, INT64_C(1) << 40, -TIME_MS };
    uint8_t *value = calloc(1, 1048576);
    struct buffer out = BUFFER_EMPTY;
    struct batch_builder builder;
    batch_builder_init(&builder, &out);
    size_t count = sizeof(deltas) / sizeof(deltas[0]);
    for (size_t i = 0; i < count; i++)
        batch_builder_add(&builder, TIME_MS + deltas[i], slice_of(NULL, 0), slice_of(value, lengths[i % 8]),
                          slice_of(NULL, 0), 0);
    batch_builder_finish(&builder, 0, 0);
    struct batch batch = parsed(buffer_slice(&out));
    assert_int_equal(batch_check(&batch, NULL), 0);
    struct cursor records = cursor_of(batch.records);
    struct record record;
    for (size_t i = 0; i < count; i++) {
        assert_true(batch_next(&batch, &records, &record));
        assert_int_equal(record.timestamp_ms, TIME_MS + deltas[i]);
        assert_int_equal(record.value.len, lengths[i % 8]);
    }
    assert_false(batch_next(&batch, &records, &record));
    buffer_deinit(&out);
    free(value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(header_of_a_client_is_read),
        cmocka_unit_test(records_of_a_client_are_read),
        cmocka_unit_test(what_is_built_is_what_a_client_builds),
        cmocka_unit_test(rewinding_to_nothing_forgets_the_base_timestamp),
        cmocka_unit_test(a_full_buffer_fails_once_and_for_all),
        cmocka_unit_test(offset_and_epoch_are_assigned_under_the_checksum),
        cmocka_unit_test(log_append_time_is_the_time_of_every_record),
        cmocka_unit_test(every_prefix_asks_for_more),
        cmocka_unit_test(impossible_lengths_and_magics_are_malformed),
        cmocka_unit_test(any_changed_bit_under_the_checksum_is_corrupt),
        cmocka_unit_test(what_a_broker_refuses_is_malformed),
        cmocka_unit_test(timestamps_out_of_range_are_malformed),
        cmocka_unit_test(a_maximal_timestamp_that_is_not_set_is_accepted),
        cmocka_unit_test(varints_of_every_length_survive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
