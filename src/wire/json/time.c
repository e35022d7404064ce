/* time: RFC 3339, section 5.6. Digits behind the millisecond are cut off, not rounded. */
#include "wire/json/time.h"

#include "wire/json/json.h"

#define MS_PER_DAY 86400000
#define DAYS_PER_400_YEARS 146097

/* Days since 1970-01-01 of a date of the Gregorian calendar. Years start in March here, so that the
 * leap day is the last one. */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
    int64_t shifted = month <= 2 ? year + 399 : year + 400; /* 400 years more: never negative */
    int64_t era = shifted / 400;
    int64_t year_of_era = shifted % 400;
    int64_t day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return (era - 1) * DAYS_PER_400_YEARS + day_of_era - 719468;
}

static uint8_t *pair_put(uint8_t *at, int64_t value, uint8_t then)
{
    at[0] = (uint8_t)('0' + value / 10);
    at[1] = (uint8_t)('0' + value % 10);
    at[2] = then;
    return at + 3;
}

uint8_t *time_put(uint8_t *at, int64_t ms)
{
    ms = ms < TIME_MS_MIN ? TIME_MS_MIN : ms > TIME_MS_MAX ? TIME_MS_MAX : ms;
    int64_t of_day = (ms % MS_PER_DAY + MS_PER_DAY) % MS_PER_DAY;
    int64_t days = (ms - of_day) / MS_PER_DAY + 719468 + DAYS_PER_400_YEARS;
    int64_t era = days / DAYS_PER_400_YEARS;
    int64_t day_of_era = days % DAYS_PER_400_YEARS;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month_from_march = (5 * day_of_year + 2) / 153;
    int64_t month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
    int64_t year = year_of_era + (era - 1) * 400 + (month <= 2);
    int64_t second = of_day / 1000;

    at = pair_put(at, year / 100, '0') - 1;
    at = pair_put(at, year % 100, '-');
    at = pair_put(at, month, '-');
    at = pair_put(at, day_of_year - (153 * month_from_march + 2) / 5 + 1, 'T');
    at = pair_put(at, second / 3600, ':');
    at = pair_put(at, second / 60 % 60, ':');
    at = pair_put(at, second % 60, '.');
    *at++ = (uint8_t)('0' + of_day % 1000 / 100);
    return pair_put(at, of_day % 100, 'Z');
}

/* The number of `count` digits, or -1. Moves *at behind them. */
static int64_t digits_take(const uint8_t **at, const uint8_t *end, int count)
{
    int64_t value = 0;
    if (end - *at < count)
        return -1;
    for (; count > 0; count--, (*at)++) {
        if (**at < '0' || **at > '9')
            return -1;
        value = value * 10 + (**at - '0');
    }
    return value;
}

/* A number of `count` digits within bounds, behind the byte `before` (0: none). */
static bool part_take(const uint8_t **at, const uint8_t *end, char before, int count, int64_t least, int64_t most,
                      int64_t *ret_value)
{
    if (before) {
        if (*at == end || **at != (uint8_t)before)
            return false;
        (*at)++;
    }
    int64_t value = digits_take(at, end, count);
    *ret_value = value;
    return value >= least && value <= most;
}

/* Milliseconds of ".123", which may be missing; -1 when there is a point and no digit. */
static int64_t fraction_take(const uint8_t **at, const uint8_t *end)
{
    int64_t ms = 0;
    if (*at == end || **at != '.')
        return 0;
    const uint8_t *from = ++*at;
    for (int64_t worth = 100; *at < end && **at >= '0' && **at <= '9'; (*at)++, worth /= 10)
        ms += worth * (**at - '0');
    return *at == from ? -1 : ms;
}

/* The offset from UTC in minutes. */
static bool offset_take(const uint8_t **at, const uint8_t *end, int64_t *ret_minutes)
{
    int64_t hours;
    int64_t minutes;
    if (*at == end)
        return false;
    uint8_t sign = *(*at)++;
    if (sign == 'Z' || sign == 'z') {
        *ret_minutes = 0;
        return true;
    }
    if ((sign != '+' && sign != '-') || !part_take(at, end, 0, 2, 0, 23, &hours) ||
        !part_take(at, end, ':', 2, 0, 59, &minutes))
        return false;
    *ret_minutes = (sign == '-' ? -1 : 1) * (hours * 60 + minutes);
    return true;
}

static int64_t month_days(int64_t year, int64_t month)
{
    static const uint8_t days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap);
}

/* Days since 1970. */
static bool date_take(const uint8_t **at, const uint8_t *end, int64_t *ret_days)
{
    int64_t year, month, day;
    if (!part_take(at, end, 0, 4, 0, 9999, &year) || !part_take(at, end, '-', 2, 1, 12, &month) ||
        !part_take(at, end, '-', 2, 1, month_days(year, month), &day))
        return false;
    *ret_days = days_of(year, month, day);
    return true;
}

bool json_parse_date(struct slice text, int64_t *ret_ms)
{
    const uint8_t *at = text.data;
    const uint8_t *end = text.len ? text.data + text.len : text.data;
    int64_t days;
    if (!date_take(&at, end, &days) || at != end)
        return false;
    *ret_ms = days * MS_PER_DAY;
    return true;
}

bool json_parse_time(struct slice text, int64_t *ret_ms)
{
    const uint8_t *at = text.data;
    const uint8_t *end = text.len ? text.data + text.len : text.data;
    int64_t days, hour, minute, second, offset;
    if (!date_take(&at, end, &days))
        return false;
    if (at == end || (*at != 'T' && *at != 't' && *at != ' '))
        return false;
    at++;
    if (!part_take(&at, end, 0, 2, 0, 23, &hour) || !part_take(&at, end, ':', 2, 0, 59, &minute) ||
        !part_take(&at, end, ':', 2, 0, 60, &second))
        return false;
    int64_t fraction = fraction_take(&at, end);
    if (fraction < 0 || !offset_take(&at, end, &offset) || at != end)
        return false;
    int64_t whole = ((days * 24 + hour) * 60 + minute - offset) * 60 + second;
    /* A leap second is the 61st of a UTC day's last minute; it counts as the first of the next day. */
    if (second == 60 && whole % 86400 != 0)
        return false;
    int64_t ms = whole * 1000 + fraction;
    if (ms < TIME_MS_MIN || ms > TIME_MS_MAX)
        return false;
    *ret_ms = ms;
    return true;
}
