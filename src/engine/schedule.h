/*
 * schedule: when something happens again and again, read from words, and computed. Pure.
 *
 *   every 250ms | 30s | 5m | 2h | 1d              so long after the time before, from when it was set
 *   MINUTE HOUR DAY MONTH WEEKDAY [+MINUTES]      cron: *, lists (1,15), ranges (1-5), steps of a range (0-30/10) or of *; months and weekdays
 *                                                 also by name
 *   @hourly @daily @weekly @monthly @yearly [+MINUTES]
 *
 * When both DAY and WEEKDAY are given, and neither begins with '*', a day of either counts, as cron has it. Times are UTC; with +120 or -300 those of a
 * zone that many minutes east or west of it, all the year (there is no summer time).
 */
#ifndef EDDA_ENGINE_SCHEDULE_H
#define EDDA_ENGINE_SCHEDULE_H

#include "base/slice.h"
#include "edda/error.h"

#define SCHEDULE_TEXT_MAX 255
#define SCHEDULE_EVERY_MAX_MS (INT64_C(366) * 86400000)

struct schedule {
    int64_t every_ms;       /* 0: by the fields below, one bit for each minute, hour … that counts */
    uint64_t minutes;
    uint64_t hours;
    uint64_t days;          /* of the month, bits 1 to 31 */
    uint64_t months;        /* bits 1 to 12 */
    uint64_t weekdays;      /* bits 0, Sunday, to 6 */
    bool either_day;        /* a day of the month or a weekday; else both */
    int32_t offset_minutes; /* east of UTC */
};

/* EDDA_EINVAL names the field that is wrong ("minute", "hour", "day", "month", "weekday", "offset", "every" or "schedule"), and says what it may be. */
int schedule_parse(struct slice text, struct schedule *ret_schedule, struct edda_error *error);

/* The first time after `after_ms`, milliseconds since 1970; for `every` one of anchor_ms, anchor_ms + every … INT64_MAX: there is none. */
int64_t schedule_next(const struct schedule *schedule, int64_t anchor_ms, int64_t after_ms);

#endif
