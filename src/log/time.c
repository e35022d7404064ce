/*
 * Log time: the clock that deadlines, expiry and retention go by. It starts at the wall clock when the log is opened, runs with
 * the boot clock, and never goes back: not behind the last frame, not when an administrator sets the wall clock back.
 * A wall clock that is ahead is followed at once; one that is behind is slewed to, by slowing down 1 part in
 * 2,000 until it has caught up.
 */
#include "log/parts.h"

#define SLEW_PARTS 2000
#define NS_PER_MS 1000000
#define NS_PER_US 1000

static int64_t wall_capped_ns(struct io *io)
{
    int64_t wall_ns = io_clock_wall_ns(io);

    return wall_ns < FRAME_TIME_MS_MAX * NS_PER_MS ? wall_ns : FRAME_TIME_MS_MAX * NS_PER_MS;
}

void log_clock_init(struct log_clock *c, struct io *io, int64_t at_least_ms)
{
    int64_t wall_ns = wall_capped_ns(io);
    int64_t least_ns;

    ASSERT(at_least_ms >= 0 && at_least_ms <= FRAME_TIME_MS_MAX);
    least_ns = at_least_ms * NS_PER_MS;
    *c = (struct log_clock){
        .log_ns = wall_ns > least_ns ? wall_ns : least_ns,
        .boot_ns = io_clock_boot_ns(io),
    };
}

int64_t log_clock_ns(struct log_clock *c, struct io *io)
{
    int64_t wall_ns = wall_capped_ns(io);
    int64_t boot_ns = io_clock_boot_ns(io);
    int64_t elapsed_ns = boot_ns > c->boot_ns ? boot_ns - c->boot_ns : 0;
    int64_t left_ns = FRAME_TIME_MS_MAX * NS_PER_MS - c->log_ns; /* until the end of time */
    int64_t free_ns = c->log_ns + (elapsed_ns < left_ns ? elapsed_ns : left_ns);
    int64_t slow_ns;

    c->boot_ns = boot_ns;
    if (wall_ns >= free_ns) {
        c->log_ns = wall_ns;
        c->slew_ns = 0;
        return wall_ns;
    }
    c->slew_ns += elapsed_ns;
    slow_ns = c->slew_ns / SLEW_PARTS;
    c->slew_ns -= slow_ns * SLEW_PARTS;
    if (slow_ns > free_ns - wall_ns)
        slow_ns = free_ns - wall_ns;
    c->log_ns = free_ns - slow_ns > c->log_ns ? free_ns - slow_ns : c->log_ns;
    return c->log_ns;
}

int64_t log_time_ms(struct log *log)
{
    return log_clock_ns(&log->clock, log->io) / NS_PER_MS;
}

int64_t log_time_us(struct log *log)
{
    return log_clock_ns(&log->clock, log->io) / NS_PER_US;
}
