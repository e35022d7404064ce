/* Times: RFC 3339 both ways. The C library's calendar is the oracle. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/prng.h"
#include "json_tests.h"
#include "wire/json/time.h"

static void times_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
    } rows[] = {
        { "1970-01-01T00:00:00Z", 0 },
        { "2026-01-31T23:59:59.123Z", 1769903999123 },
        { "2026-01-31t23:59:59.123456789z", 1769903999123 },
        { "2026-01-31 23:59:59.1Z", 1769903999100 },
        { "2026-02-01T00:59:59.123+01:00", 1769903999123 },
        { "2026-01-31T18:29:59.123-05:30", 1769903999123 },
        { "1969-12-31T23:59:59.999Z", -1 },
        { "2000-02-29T00:00:00-00:00", 951782400000 },
        { "2016-12-31T23:59:60Z", 1483228800000 },
        { "2017-01-01T00:59:60.5+01:00", 1483228800500 },
        { "0000-01-01T00:00:00Z", TIME_MS_MIN },
        { "9999-12-31T23:59:59.999Z", TIME_MS_MAX },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int64_t ms = -77;
        if (!json_parse_time(slice_str(rows[i].text), &ms) || ms != rows[i].ms)
            fail_msg("%s gave %lld", rows[i].text, (long long)ms);
    }
}

static void what_is_no_time_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "2026",
        "2026-01-31",
        "2026-01-31T23:59:59",
        "2026-01-31T23:59Z",
        "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-02-29T00:00:00Z",
        "1900-02-29T00:00:00Z",
        "2026-01-32T00:00:00Z",
        "2026-01-00T00:00:00Z",
        "2026-01-31T24:00:00Z",
        "2026-01-31T23:60:00Z",
        "2026-01-31T23:59:61Z",
        "2026-01-31T12:00:60Z",
        "2026-01-31T23:59:59.Z",
        "2026-01-31T23:59:59,1Z",
        "2026-01-31T23:59:59+0100",
        "2026-01-31T23:59:59+24:00",
        "2026-01-31T23:59:59+01:60",
        "2026-01-31T23:59:59ZZ",
        "2026-01-31T23:59:59Z ",
        " 2026-01-31T23:59:59Z",
        "2026-1-31T23:59:59Z",
        "+026-01-31T23:59:59Z",
        "2026/01/31T23:59:59Z",
        "0000-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
        "2026-01-31_23:59:59Z",
        "2026-01-31T23:59:5",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        int64_t ms = 77;
        if (json_parse_time(slice_str(texts[i]), &ms))
            fail_msg("%s was read", texts[i]);
        assert_int_equal(ms, 77);
    }
}

static void times_round_trip(void **state)
{
    (void)state;
    struct prng random;
    prng_init(&random, test_seed() + 3);
    for (int i = 0; i < 50000; i++) {
        char text[TIME_TEXT_BYTES + 1] = "";
        char expected[80];
        int64_t ms = TIME_MS_MIN + (int64_t)prng_below(&random, (uint64_t)(TIME_MS_MAX - TIME_MS_MIN + 1));
        int64_t again = 0;
        int64_t of_second = ((ms % 1000) + 1000) % 1000;
        time_t seconds = (time_t)((ms - of_second) / 1000);
        struct tm tm;
        assert_non_null(gmtime_r(&seconds, &tm));
        snprintf(expected, sizeof(expected), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900, tm.tm_mon + 1,
                 tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int)of_second);
        assert_ptr_equal(time_put((uint8_t *)text, ms), text + TIME_TEXT_BYTES);
        assert_string_equal(text, expected);
        assert_true(json_parse_time(slice_str(text), &again) && again == ms);
    }
}

static void far_times_are_cut(void **state)
{
    (void)state;
    struct buffer out = BUFFER_EMPTY;
    json_put_time(&out, INT64_MIN);
    json_put_time(&out, INT64_MAX);
    assert_string_equal(buffer_cstr(&out), "\"0000-01-01T00:00:00.000Z\"\"9999-12-31T23:59:59.999Z\"");
    buffer_deinit(&out);
}

static void a_date_is_its_midnight(void **state)
{
    (void)state;
    static const char *const none[] = { "", "2026-02-29", "2026-1-31", "2026-01-31T", "2026-01-31T00:00:00Z", " 2026-01-31", "2026-01-31 ", "20260131", "today" };
    int64_t ms = 77;
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
        assert_false(json_parse_date(slice_str(none[i]), &ms));
    assert_int_equal(ms, 77);
    assert_true(json_parse_date(slice_str("1970-01-02"), &ms) && ms == 86400000);
    assert_true(json_parse_date(slice_str("2026-01-31"), &ms) && ms == 1769817600000);
    assert_true(json_parse_date(slice_str("0000-01-01"), &ms) && ms == TIME_MS_MIN);
}

int json_time_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_read),
        cmocka_unit_test(what_is_no_time_is_refused),
        cmocka_unit_test(times_round_trip),
        cmocka_unit_test(a_date_is_its_midnight),
        cmocka_unit_test(far_times_are_cut),
    };
    return cmocka_run_group_tests_name("times", tests, NULL, NULL);
}
