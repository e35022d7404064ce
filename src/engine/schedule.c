/* See schedule.h. Days are counted from 1970-01-01; the calendar repeats itself after 400 years, which bounds every search. */
#include "engine/schedule.h"

#include <stdio.h>

#define MINUTES_A_DAY 1440
#define DAYS_OF_400_YEARS 146097
#define OFFSET_MIN (-720)
#define OFFSET_MAX 840

/* --- reading -------------------------------------------------------------------------------------------- */

struct field {
    const char *name;
    uint32_t least, most;
    const char *const *names; /* of `least` and on, in three letters; or NULL */
};

static const char *const month_names[] = { "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec", NULL };
static const char *const weekday_names[] = { "sun", "mon", "tue", "wed", "thu", "fri", "sat", NULL };
/* 7 is Sunday as well. */
static const struct field fields[] = {
    { "minute", 0, 59, NULL }, { "hour", 0, 23, NULL }, { "day", 1, 31, NULL }, { "month", 1, 12, month_names }, { "weekday", 0, 7, weekday_names },
};
#define FIELDS (sizeof fields / sizeof fields[0])

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

/* Takes decimal digits from the front; false when there are none or too many. */
static bool take_number(struct slice *text, uint32_t *ret_number)
{
    uint32_t number = 0;
    size_t at = 0;
    for (; at < text->len && at < 10 && is_digit(text->data[at]); at++)
        if (__builtin_mul_overflow(number, 10, &number) || __builtin_add_overflow(number, (uint32_t)(text->data[at] - '0'), &number))
            return false;
    *text = slice_from(*text, at);
    *ret_number = number;
    return at > 0;
}

static bool take_char(struct slice *text, char c)
{
    if (text->len == 0 || text->data[0] != (uint8_t)c)
        return false;
    *text = slice_from(*text, 1);
    return true;
}

/* The next word; empty at the end. */
static struct slice take_word(struct slice *text)
{
    while (take_char(text, ' ') || take_char(text, '\t'))
        ;
    size_t len = 0;
    while (len < text->len && text->data[len] != ' ' && text->data[len] != '\t')
        len++;
    struct slice word = slice_of(text->data, len);
    *text = slice_from(*text, len);
    return word;
}

static bool take_value(const struct field *field, struct slice *text, uint32_t *ret_value)
{
    for (uint32_t i = 0; field->names && field->names[i] && text->len >= 3; i++) {
        bool same = true;
        for (int k = 0; k < 3; k++)
            same = same && (text->data[k] | 0x20) == (uint8_t)field->names[i][k];
        if (!same)
            continue;
        *text = slice_from(*text, 3);
        *ret_value = field->least + i;
        return true;
    }
    return take_number(text, ret_value);
}

static int wrong(const struct field *field, struct slice word, struct edda_error *error)
{
    return edda_fail_field(error, EDDA_EINVAL, field->name, "%s: %.*s is not *, a list, a range or a step of %u to %u%s%s", field->name,
                           word.len > 64 ? 64 : (int)word.len, word.len ? (const char *)word.data : "", field->least, field->most,
                           field->names ? ", or of " : "", !field->names ? "" : field->least ? "jan to dec" : "sun to sat");
}

/* One item of a list: a value, a range or *, the latter two with a step. */
static bool take_item(const struct field *field, struct slice *text, uint64_t *bits)
{
    uint32_t first = field->least, last = field->most, step = 1;
    bool range = take_char(text, '*');
    if (range && field->names == weekday_names)
        last = 6;
    if (!range) {
        if (!take_value(field, text, &first))
            return false;
        last = first;
        range = take_char(text, '-');
        if (range && !take_value(field, text, &last))
            return false;
    }
    if (take_char(text, '/') && (!range || !take_number(text, &step) || step == 0))
        return false;
    if (first < field->least || last > field->most || first > last)
        return false;
    for (uint32_t value = first; value <= last; value += step) {
        *bits |= UINT64_C(1) << value;
        if (step > last)
            break;
    }
    return true;
}

static int read_field(const struct field *field, struct slice word, uint64_t *ret_bits, struct edda_error *error)
{
    struct slice text = word;
    uint64_t bits = 0;
    if (word.len == 0)
        return edda_fail_field(error, EDDA_EINVAL, field->name, "%s: is missing; a schedule is minute, hour, day, month and weekday", field->name);
    do {
        if (!take_item(field, &text, &bits))
            return wrong(field, word, error);
    } while (take_char(&text, ','));
    if (text.len)
        return wrong(field, word, error);
    *ret_bits = bits;
    return 0;
}

static int read_offset(struct slice *text, struct schedule *schedule, struct edda_error *error)
{
    struct slice word = take_word(text), left = word;
    uint32_t number = 0;
    if (word.len == 0)
        return 0;
    bool west = take_char(&left, '-'), signed_ = west || take_char(&left, '+');
    bool ok = signed_ && take_number(&left, &number) && left.len == 0 && number <= OFFSET_MAX;
    int32_t offset = west ? -(int32_t)number : (int32_t)number;
    if (!ok || offset < OFFSET_MIN || take_word(text).len)
        return edda_fail_field(error, EDDA_EINVAL, "offset", "offset: what follows the weekday is the zone's minutes east of UTC, from %d to +%d",
                               OFFSET_MIN, OFFSET_MAX);
    schedule->offset_minutes = offset;
    return 0;
}

static int read_cron(struct slice text, struct schedule *schedule, struct edda_error *error)
{
    uint64_t *const bits[] = { &schedule->minutes, &schedule->hours, &schedule->days, &schedule->months, &schedule->weekdays };
    bool any[FIELDS];
    for (size_t i = 0; i < FIELDS; i++) {
        struct slice word = take_word(&text);
        any[i] = word.len && word.data[0] == '*';
        int rc = read_field(&fields[i], word, bits[i], error);
        if (rc < 0)
            return rc;
    }
    if (schedule->weekdays >> 7 & 1)
        schedule->weekdays |= 1;
    schedule->either_day = !any[2] && !any[4];
    int rc = read_offset(&text, schedule, error);
    if (rc == 0 && schedule_next(schedule, 0, 0) == INT64_MAX)
        rc = edda_fail_field(error, EDDA_EINVAL, "day", "day: no month that counts has such a day: it would never come");
    return rc;
}

static int read_every(struct slice text, struct schedule *schedule, struct edda_error *error)
{
    static const struct {
        const char *name;
        int64_t ms;
    } units[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 }, { "d", 86400000 } };
    struct slice word = take_word(&text);
    uint32_t number = 0;
    bool ok = take_number(&word, &number) && take_word(&text).len == 0;
    for (size_t i = 0; ok && i < sizeof units / sizeof units[0]; i++)
        if (slice_eq_str(word, units[i].name))
            schedule->every_ms = number * units[i].ms;
    if (schedule->every_ms <= 0 || schedule->every_ms > SCHEDULE_EVERY_MAX_MS)
        return edda_fail_field(error, EDDA_EINVAL, "every", "every: is followed by a duration like 250ms, 30s, 5m, 2h or 1d, at most 366d");
    return 0;
}

int schedule_parse(struct slice text, struct schedule *ret_schedule, struct edda_error *error)
{
    static const char *const names[][2] = {
        { "@hourly", "0 * * * *" },  { "@daily", "0 0 * * *" },   { "@midnight", "0 0 * * *" }, { "@weekly", "0 0 * * 0" },
        { "@monthly", "0 0 1 * *" }, { "@yearly", "0 0 1 1 *" }, { "@annually", "0 0 1 1 *" },
    };
    struct schedule schedule = { 0 };
    struct slice rest = text;
    if (text.len > SCHEDULE_TEXT_MAX)
        return edda_fail_field(error, EDDA_EINVAL, "schedule", "schedule: has at most %d bytes", SCHEDULE_TEXT_MAX);
    struct slice first = take_word(&rest);
    int rc;
    if (slice_eq_str(first, "every")) {
        rc = read_every(rest, &schedule, error);
    } else if (first.len && first.data[0] == '@') {
        const char *cron = NULL;
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
            if (slice_eq_str(first, names[i][0]))
                cron = names[i][1];
        if (!cron)
            return edda_fail_field(error, EDDA_EINVAL, "schedule", "schedule: %.*s is none of @hourly, @daily, @weekly, @monthly, @yearly",
                                   first.len > 64 ? 64 : (int)first.len, (const char *)first.data);
        rc = read_cron(slice_str(cron), &schedule, error);
        if (rc == 0)
            rc = read_offset(&rest, &schedule, error);
    } else {
        rc = read_cron(text, &schedule, error);
    }
    if (rc == 0)
        *ret_schedule = schedule;
    return rc;
}

/* --- computing ------------------------------------------------------------------------------------------ */

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

struct date {
    int64_t year;
    uint32_t month, day; /* 1 and up */
};

/* The years are counted from March on, so that a leap day is the last of its year. */
static struct date date_of(int64_t days)
{
    int64_t shifted = days + 719468; /* from 0000-03-01 */
    int64_t era = floor_div(shifted, DAYS_OF_400_YEARS), of_era = shifted - era * DAYS_OF_400_YEARS;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
    int64_t month = (5 * of_year + 2) / 153; /* 0 is March */
    struct date date = { .year = era * 400 + year + (month >= 10), .month = (uint32_t)(month < 10 ? month + 3 : month - 9) };
    date.day = (uint32_t)(of_year - (153 * month + 2) / 5 + 1);
    return date;
}

static bool bit(uint64_t bits, int64_t at)
{
    return bits >> at & 1;
}

static bool day_counts(const struct schedule *s, int64_t days, const struct date *date)
{
    bool weekday = bit(s->weekdays, days + 4 - floor_div(days + 4, 7) * 7); /* 1970-01-01 was a Thursday */
    bool day = bit(s->days, date->day);
    return s->either_day ? day || weekday : day && weekday;
}

/* The first minute of a day that counts, from one on; negative: there is none. */
static int64_t minute_of_day(const struct schedule *s, int64_t from)
{
    for (int64_t hour = from / 60; hour < 24; hour++)
        for (int64_t minute = hour == from / 60 ? from % 60 : 0; bit(s->hours, hour) && minute < 60; minute++)
            if (bit(s->minutes, minute))
                return hour * 60 + minute;
    return -1;
}

static int64_t next_by_fields(const struct schedule *s, int64_t after_ms)
{
    int64_t minute = floor_div(after_ms + s->offset_minutes * INT64_C(60000), 60000) + 1; /* of the zone */
    int64_t first = floor_div(minute, MINUTES_A_DAY), from = minute - first * MINUTES_A_DAY;
    for (int64_t days = first; days <= first + DAYS_OF_400_YEARS; days++, from = 0) {
        struct date date = date_of(days);
        if (!bit(s->months, date.month)) {
            if (date.day < 28)
                days += 27 - date.day; /* no month is shorter */
            continue;
        }
        int64_t found = day_counts(s, days, &date) ? minute_of_day(s, from) : -1;
        if (found >= 0)
            return (days * MINUTES_A_DAY + found - s->offset_minutes) * 60000;
    }
    return INT64_MAX;
}

int64_t schedule_next(const struct schedule *s, int64_t anchor_ms, int64_t after_ms)
{
    if (s->every_ms == 0)
        return next_by_fields(s, after_ms);
    if (after_ms < anchor_ms)
        return anchor_ms;
    return anchor_ms + ((after_ms - anchor_ms) / s->every_ms + 1) * s->every_ms;
}
