/*
 * CloudEvents attributes as record headers: there and back, in the names and the forms of the Kafka protocol binding.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "wire/cloudevents/cloudevents.h"

#define EXPIRY_MS INT64_C(1709210096789) /* 2024-02-29T12:34:56.789Z */

static struct record record_of(const struct buffer *headers, uint32_t count)
{
    return (struct record){ .headers = buffer_slice(headers), .header_count = count };
}

static void attributes_survive(void **state)
{
    (void)state;
    const struct cloudevent event = {
        .id = SLICE("0190-1"),
        .source = SLICE("/orders"),
        .type = SLICE("OrderPlaced"),
        .correlation = SLICE("c-1"),
        .causation = SLICE("0190-0"),
        .traceparent = SLICE("00-4bf9-00f0-01"),
        .expiry_ms = EXPIRY_MS,
    };
    struct buffer headers = BUFFER_EMPTY;
    uint32_t count = cloudevent_put(&event, &headers);
    assert_int_equal(count, 8);
    struct record record = record_of(&headers, count);

    struct slice value;
    assert_true(record_header_find(&record, "ce_specversion", &value));
    assert_true(slice_eq_str(value, "1.0"));
    assert_true(record_header_find(&record, "ce_expirytime", &value));
    assert_true(slice_eq_str(value, "2024-02-29T12:34:56.789Z"));
    assert_true(record_header_find(&record, "traceparent", &value));

    struct cloudevent read;
    assert_true(cloudevent_get(&record, &read));
    assert_true(slice_eq(read.id, event.id));
    assert_true(slice_eq(read.source, event.source));
    assert_true(slice_eq(read.type, event.type));
    assert_true(slice_eq(read.correlation, event.correlation));
    assert_true(slice_eq(read.causation, event.causation));
    assert_true(slice_eq(read.traceparent, event.traceparent));
    assert_int_equal(read.expiry_ms, EXPIRY_MS);
    buffer_deinit(&headers);
}

static void a_version_and_a_topic_for_the_answer_survive(void **state)
{
    (void)state;
    static const struct {
        uint32_t written;
        const char *text;
        uint32_t read;
    } cases[] = { { 2, "2", 2 }, { 4294967294u, "4294967294", 4294967294u }, { 1, NULL, 0 }, { 0, NULL, 0 } };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct cloudevent event = { .id = SLICE("1"), .type = SLICE("T"), .reply_to = SLICE("answers"), .data_version = cases[i].written };
        struct buffer headers = BUFFER_EMPTY;
        uint32_t count = cloudevent_put(&event, &headers);
        struct record record = record_of(&headers, count);
        struct slice value;
        struct cloudevent read;
        assert_int_equal(record_header_find(&record, "ce_dataversion", &value), cases[i].text != NULL);
        assert_true(!cases[i].text || slice_eq_str(value, cases[i].text));
        assert_true(cloudevent_get(&record, &read));
        assert_int_equal(read.data_version, cases[i].read);
        assert_true(slice_eq_str(read.reply_to, "answers"));
        buffer_deinit(&headers);
    }
    static const char *const wrong[] = { "two", "-1", "4294967296", "1.0", " 1" };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct buffer headers = BUFFER_EMPTY;
        struct cloudevent read;
        record_headers_put(&headers, SLICE("ce_dataversion"), slice_str(wrong[i]));
        struct record record = record_of(&headers, 1);
        (void)cloudevent_get(&record, &read);
        assert_int_equal(read.data_version, UINT32_MAX);
        buffer_deinit(&headers);
    }
}

static void what_is_not_set_is_not_written(void **state)
{
    (void)state;
    const struct cloudevent event = { .id = SLICE("1"), .source = SLICE("/s"), .type = SLICE("T") };
    struct buffer headers = BUFFER_EMPTY;
    uint32_t count = cloudevent_put(&event, &headers);
    assert_int_equal(count, 4);
    struct record record = record_of(&headers, count);
    struct cloudevent read;
    assert_true(cloudevent_get(&record, &read));
    assert_int_equal(read.correlation.len, 0);
    assert_int_equal(read.expiry_ms, 0);
    buffer_deinit(&headers);
}

/* A record without both id and type is foreign; what it does have is still told. */
static void foreign_records_are_told_apart(void **state)
{
    (void)state;
    struct buffer headers = BUFFER_EMPTY;
    struct cloudevent read;
    struct record record = record_of(&headers, 0);
    assert_false(cloudevent_get(&record, &read));
    assert_int_equal(read.type.len, 0);

    record_headers_put(&headers, SLICE("ce_type"), SLICE("T"));
    record_headers_put(&headers, SLICE("type"), SLICE("other"));
    record_headers_put(&headers, SLICE("CE_ID"), SLICE("names keep their case"));
    record = record_of(&headers, 3);
    assert_false(cloudevent_get(&record, &read));
    assert_true(slice_eq_str(read.type, "T"));
    assert_int_equal(read.id.len, 0);

    record_headers_put(&headers, SLICE("ce_id"), SLICE(""));
    record = record_of(&headers, 4);
    assert_false(cloudevent_get(&record, &read));
    buffer_deinit(&headers);
}

static void the_first_of_two_counts(void **state)
{
    (void)state;
    struct buffer headers = BUFFER_EMPTY;
    record_headers_put(&headers, SLICE("ce_id"), SLICE("first"));
    record_headers_put(&headers, SLICE("ce_type"), SLICE("T"));
    record_headers_put(&headers, SLICE("ce_id"), SLICE("second"));
    struct record record = record_of(&headers, 3);
    struct cloudevent read;
    assert_true(cloudevent_get(&record, &read));
    assert_true(slice_eq_str(read.id, "first"));
    buffer_deinit(&headers);
}

static void names_of_the_same_length_are_not_mistaken(void **state)
{
    (void)state;
    static const char *const names[] = { "ce_ib",          "ce_typo",          "ce_sourc_",     "ce_specversion",
                                         "ce_causatione_", "ce_correlationix", "ce_expirytimf", "traceparens" };
    struct buffer headers = BUFFER_EMPTY;
    for (size_t i = 0; i < 8; i++)
        record_headers_put(&headers, slice_str(names[i]), SLICE("x"));
    struct record record = record_of(&headers, 8);
    struct cloudevent read;
    assert_false(cloudevent_get(&record, &read));
    const struct cloudevent nothing = { 0 };
    assert_memory_equal(&read, &nothing, sizeof(read));
    buffer_deinit(&headers);
}

static int64_t expiry_read(const char *text)
{
    struct buffer headers = BUFFER_EMPTY;
    record_headers_put(&headers, SLICE("ce_expirytime"), slice_str(text));
    struct record record = record_of(&headers, 1);
    struct cloudevent read;
    cloudevent_get(&record, &read);
    buffer_deinit(&headers);
    return read.expiry_ms;
}

static void expiry_is_rfc_3339(void **state)
{
    (void)state;
    assert_int_equal(expiry_read("2024-02-29T12:34:56.789Z"), EXPIRY_MS);
    assert_int_equal(expiry_read("2024-02-29t12:34:56.789123z"), EXPIRY_MS);
    assert_int_equal(expiry_read("2024-02-29T14:04:56.789+01:30"), EXPIRY_MS);
    assert_int_equal(expiry_read("2024-02-29T12:34:56Z"), EXPIRY_MS - 789);
    assert_int_equal(expiry_read("1969-12-31T23:59:59.999Z"), -1);
    /* What does not parse is as good as missing. */
    static const char *const wrong[] = { "",
                                         "soon",
                                         "2024-02-29",
                                         "2023-02-29T12:34:56Z",
                                         "2024-02-29T12:34:56",
                                         "2024-02-29T24:00:00Z",
                                         "2024-02-29T12:34:56.Z",
                                         "2024-02-29T12:34:56Z " };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_int_equal(expiry_read(wrong[i]), 0);
}

static void malformed_headers_end_the_reading(void **state)
{
    (void)state;
    struct buffer headers = BUFFER_EMPTY;
    record_headers_put(&headers, SLICE("ce_id"), SLICE("1"));
    record_headers_put(&headers, SLICE("ce_type"), SLICE("T"));
    struct record record = record_of(&headers, 2);
    struct cloudevent read;
    for (size_t len = 0; len < headers.len; len++) {
        record.headers.len = len;
        assert_false(cloudevent_get(&record, &read));
    }
    buffer_deinit(&headers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attributes_survive),
        cmocka_unit_test(a_version_and_a_topic_for_the_answer_survive),
        cmocka_unit_test(what_is_not_set_is_not_written),
        cmocka_unit_test(foreign_records_are_told_apart),
        cmocka_unit_test(the_first_of_two_counts),
        cmocka_unit_test(names_of_the_same_length_are_not_mistaken),
        cmocka_unit_test(expiry_is_rfc_3339),
        cmocka_unit_test(malformed_headers_end_the_reading),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
