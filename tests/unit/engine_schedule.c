/* Schedules: what is read, which field is blamed, and that the next time is the one that a calendar gives, minute by minute. */
#include "engine/schedule.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/prng.h"
#include "wire/json/json.h"

static int64_t ms_of(const char *text)
{
    int64_t ms = 0;
    assert_true(json_parse_time(slice_str(text), &ms));
    return ms;
}

static struct schedule good(const char *text)
{
    struct schedule schedule;
    struct edda_error error = { 0 };
    if (schedule_parse(slice_str(text), &schedule, &error) < 0)
        fail_msg("%s: %s", text, error.message);
    return schedule;
}

static void the_next_time_is_right(void **state)
{
    (void)state;
    static const struct { const char *text, *after, *next; } cases[] = {
        { "* * * * *", "2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z" },
        { "* * * * *", "2026-01-01T00:00:59.999Z", "2026-01-01T00:01:00Z" },
        { "0 3 * * *", "2026-01-01T03:00:00Z", "2026-01-02T03:00:00Z" },
        { "0 3 * * *", "2026-01-01T02:59:59.999Z", "2026-01-01T03:00:00Z" },
        { "*/15 9-17 * * mon-fri", "2026-01-02T17:45:00Z", "2026-01-05T09:00:00Z" },
        { "0 0 29 2 *", "2026-01-01T00:00:00Z", "2028-02-29T00:00:00Z" },
        { "0 0 29 2 *", "2096-03-01T00:00:00Z", "2104-02-29T00:00:00Z" },
        { "0 0 31 * *", "2026-03-31T00:00:00Z", "2026-05-31T00:00:00Z" },
        { "0 0 13 * fri", "2026-02-01T00:00:00Z", "2026-02-06T00:00:00Z" },   /* a 13th or a Friday */
        { "0 0 */31 2 mon", "2026-01-01T00:00:00Z", "2027-02-01T00:00:00Z" },  /* begins with '*': the 1st and a Monday */
        { "0 0 * * 7", "2026-01-01T00:00:00Z", "2026-01-04T00:00:00Z" },
        { "0 0 * * 5-7", "2026-01-03T00:00:00Z", "2026-01-04T00:00:00Z" },
        { "5,35 0 1,15 JAN,jul *", "2026-01-15T00:05:00Z", "2026-01-15T00:35:00Z" },
        { "0 10-20/4 * * *", "2026-01-01T10:00:00Z", "2026-01-01T14:00:00Z" },
        { "0 3 * * * +120", "2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z" },
        { "0 0 1 1 * -300", "2026-01-01T00:00:00Z", "2026-01-01T05:00:00Z" },
        { "30 23 31 12 * +840", "2026-01-01T00:00:00Z", "2026-12-31T09:30:00Z" },
        { "@hourly", "2026-01-01T00:30:00Z", "2026-01-01T01:00:00Z" },
        { "@daily +60", "2026-01-01T00:00:00Z", "2026-01-01T23:00:00Z" },
        { "@weekly", "2026-01-01T00:00:00Z", "2026-01-04T00:00:00Z" },
        { "@monthly", "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z" },
        { "@yearly", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z" },
        { " 0  3\t* * * ", "2026-01-01T00:00:00Z", "2026-01-01T03:00:00Z" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct schedule schedule = good(cases[i].text);
        int64_t next = schedule_next(&schedule, 0, ms_of(cases[i].after));
        if (next != ms_of(cases[i].next))
            fail_msg("%s after %s: %lld, not %s", cases[i].text, cases[i].after, (long long)next, cases[i].next);
    }
}

static void every_so_often_never_drifts(void **state)
{
    (void)state;
    struct schedule schedule = good("every 250ms");
    assert_int_equal(schedule.every_ms, 250);
    assert_int_equal(schedule_next(&schedule, 1000, 1000), 1250);
    assert_int_equal(schedule_next(&schedule, 1000, 1249), 1250);
    assert_int_equal(schedule_next(&schedule, 1000, 1250), 1500);
    assert_int_equal(schedule_next(&schedule, 1000, 9999), 10000);
    assert_int_equal(schedule_next(&schedule, 1000, 0), 1000);
    assert_int_equal(good("every 5m").every_ms, 300000);
    assert_int_equal(good("every 2h").every_ms, 7200000);
    assert_int_equal(good("every 366d").every_ms, SCHEDULE_EVERY_MAX_MS);
}

static void what_is_wrong_is_named(void **state)
{
    (void)state;
    static const struct { const char *text, *field; } cases[] = {
        { "", "minute" }, { "60 * * * *", "minute" }, { "-1 * * * *", "minute" }, { "1, * * * *", "minute" }, { "*/0 * * * *", "minute" },
        { "5-1 * * * *", "minute" }, { "1/2 * * * *", "minute" }, { "* 24 * * *", "hour" }, { "* *x * * *", "hour" }, { "* * 0 * *", "day" },
        { "* * 32 * *", "day" }, { "0 0 30 2 *", "day" }, { "0 0 31 4,6,9,11 *", "day" }, { "* * * 0 *", "month" }, { "* * * 13 *", "month" },
        { "* * * foo *", "month" }, { "* * * * 8", "weekday" }, { "* * * * monday", "weekday" }, { "* * *", "month" }, { "* * * *", "weekday" },
        { "* * * * * *", "offset" }, { "* * * * * +841", "offset" }, { "* * * * * -721", "offset" }, { "* * * * * 60", "offset" },
        { "* * * * * +60 x", "offset" }, { "@noon", "schedule" }, { "@daily x", "offset" }, { "every", "every" }, { "every 0s", "every" },
        { "every 5", "every" }, { "every -5s", "every" }, { "every 1.5h", "every" }, { "every 367d", "every" }, { "every 5m 3", "every" },
        { "every 99999999999d", "every" }, { "4294967296 * * * *", "minute" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct schedule schedule;
        struct edda_error error = { 0 };
        if (schedule_parse(slice_str(cases[i].text), &schedule, &error) != EDDA_EINVAL)
            fail_msg("%s is taken", cases[i].text);
        if (strcmp(error.field, cases[i].field) != 0 || strncmp(error.message, cases[i].field, strlen(cases[i].field)) != 0)
            fail_msg("%s: %s: %s", cases[i].text, error.field, error.message);
    }
    char longer[400];
    memset(longer, ' ', sizeof longer);
    assert_int_equal(schedule_parse(slice_of(longer, sizeof longer), &(struct schedule){ 0 }, NULL), EDDA_EINVAL);
}

/* A field, and by its words which of its values count. */
static void random_field(struct prng *prng, int64_t least, int64_t most, char *out, size_t size, bool counts[64])
{
    size_t len = 0;
    memset(counts, 0, 64);
    for (uint64_t items = 1 + prng_below(prng, 3); items > 0; items--) {
        int64_t first = least, last = most, step = 1;
        char word[32] = "*";
        uint64_t how = prng_below(prng, 4);
        if (how > 0) {
            first = least + (int64_t)prng_below(prng, (uint64_t)(most - least + 1));
            last = how == 1 ? first : first + (int64_t)prng_below(prng, (uint64_t)(most - first + 1));
            (void)(how == 1 ? snprintf(word, sizeof word, "%d", (int)first) : snprintf(word, sizeof word, "%d-%d", (int)first, (int)last));
        }
        if (how != 1 && prng_below(prng, 2)) {
            step = 1 + (int64_t)prng_below(prng, 20);
            size_t end = strlen(word);
            (void)snprintf(word + end, sizeof word - end, "/%d", (int)step);
        }
        for (int64_t v = first; v <= last; v += step)
            counts[v] = true;
        len += (size_t)snprintf(out + len, size - len, "%s%s", len ? "," : "", word);
    }
}

static void it_agrees_with_a_walk_through_the_calendar(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 400; seed++) {
        struct prng prng;
        char words[5][128], text[700];
        bool counts[5][64];
        static const int64_t limits[5][2] = { { 0, 59 }, { 0, 23 }, { 1, 31 }, { 1, 12 }, { 0, 6 } };
        prng_init(&prng, seed);
        for (int i = 0; i < 5; i++)
            random_field(&prng, limits[i][0], limits[i][1], words[i], sizeof words[i], counts[i]);
        int offset = (int)prng_below(&prng, 1500) - 720;
        (void)snprintf(text, sizeof text, "%s %s %s %s %s %+d", words[0], words[1], words[2], words[3], words[4], offset);
        struct schedule schedule;
        struct edda_error error = { 0 };
        bool ok = schedule_parse(slice_str(text), &schedule, &error) == 0;
        bool either = words[2][0] != '*' && words[4][0] != '*';
        int64_t after_ms = (int64_t)prng_below(&prng, UINT64_C(4102444800000)), found = INT64_MAX;
        time_t from = (time_t)(after_ms / 60000 * 60 + 60);
        /* Two years of minutes, by whole days where the day does not count; what is rarer is only compared as far. */
        time_t until = from + 2 * 366 * 86400;
        for (time_t at = from; at < until && found == INT64_MAX;) {
            time_t local = at + offset * 60;
            struct tm tm;
            gmtime_r(&local, &tm);
            bool day = counts[2][tm.tm_mday], weekday = counts[4][tm.tm_wday];
            bool today = counts[3][tm.tm_mon + 1] && (either ? day || weekday : day && weekday);
            if (today && counts[1][tm.tm_hour] && counts[0][tm.tm_min])
                found = (int64_t)at * 1000;
            at += today ? 60 : (24 * 60 - tm.tm_hour * 60 - tm.tm_min) * 60;
        }
        int64_t next = ok ? schedule_next(&schedule, 0, after_ms) : INT64_MAX;
        bool agrees = found == INT64_MAX ? next >= (int64_t)until * 1000 : next == found;
        if (!agrees)
            fail_msg("seed %d: %s after %lld: %lld, not %lld; %s", (int)seed, text, (long long)after_ms, (long long)next, (long long)found, error.message);
    }
}

/* Any bytes are read or refused, and what is read comes after the time asked for. */
static void any_bytes_are_read_or_refused(void **state)
{
    (void)state;
    static const char alphabet[] = "0123456789*/-,+@ \tevrymsdhjanfbtuo";
    for (uint64_t seed = 1; seed <= 200000; seed++) {
        struct prng prng;
        char text[64];
        size_t len = 0;
        prng_init(&prng, seed);
        const char *begin = seed % 3 == 0 ? "every " : seed % 3 == 1 ? "* * * " : "";
        while (begin[len])
            text[len] = begin[len], len++;
        for (uint64_t more = prng_below(&prng, 24); more > 0; more--)
            text[len++] = prng_below(&prng, 50) ? alphabet[prng_below(&prng, sizeof alphabet - 1)] : (char)prng_below(&prng, 256);
        struct schedule schedule;
        struct edda_error error = { 0 };
        int rc = schedule_parse(slice_of(text, len), &schedule, &error);
        if (rc < 0) {
            if (error.code != EDDA_EINVAL || !error.field[0])
                fail_msg("seed %d: no field is named", (int)seed);
            continue;
        }
        int64_t after = (int64_t)prng_below(&prng, UINT64_C(1) << 42);
        if (schedule_next(&schedule, 0, after) <= after)
            fail_msg("seed %d: %.*s does not go on", (int)seed, (int)len, text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_next_time_is_right),
        cmocka_unit_test(every_so_often_never_drifts),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(it_agrees_with_a_walk_through_the_calendar),
        cmocka_unit_test(any_bytes_are_read_or_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
