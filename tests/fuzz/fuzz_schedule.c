/*
 * Schedules in any words, and the times they give from any time on: the first eight bytes of the input. What is refused names a field; what is taken comes, later than what was asked
 * from, at the same time wherever before it is asked from, and on a minute when it is by the calendar.
 */
#include <stdlib.h>

#include "base/assert.h"
#include "base/cursor.h"
#include "engine/schedule.h"
#include "fuzz.h"

#define YEARS_9999_MS INT64_C(253402300800000)
#define TIMES 4

static void check_times(const struct schedule *schedule, int64_t anchor, int64_t after)
{
    for (int i = 0; i < TIMES; i++) {
        int64_t next = schedule_next(schedule, anchor, after);
        ASSERT(next > after && next < INT64_MAX);
        ASSERT(schedule_next(schedule, anchor, next - 1) == next);
        ASSERT(schedule_next(schedule, anchor, after + (next - 1 - after) / 2) == next);
        if (schedule->every_ms)
            ASSERT((next - anchor) % schedule->every_ms == 0);
        else
            ASSERT(next % 60000 == 0);
        after = next;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cursor cursor = cursor_of(slice_of(data, size));
    uint64_t from = cursor_le64(&cursor);
    struct slice words = cursor_bytes(&cursor, cursor_left(&cursor));
    struct schedule schedule;
    struct edda_error error = { .code = 0 };
    if (!cursor_ok(&cursor))
        return 0;
    int rc = schedule_parse(words, &schedule, &error);
    ASSERT(rc == 0 || (rc == EDDA_EINVAL && error.code == rc && error.message[0] && error.field[0]));
    if (rc == 0)
        check_times(&schedule, (int64_t)(from >> 32), (int64_t)(from % (uint64_t)YEARS_9999_MS));
    return 0;
}
