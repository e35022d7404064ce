/*
 * Ahead of the appends, on a background thread: the next segment, and zeros behind the end of the current one.
 *
 * A small write with its sync into space that was written before is a good deal cheaper than into space that is
 * only allocated, since the file system then has nothing to note about it. So while flushes are small, zeros are kept ahead of
 * them; large flushes would only pay twice.
 *
 * There is one job at a time. The owner never waits for it, unless it needs the segment that the job is making this moment, or a flush
 * has caught up with the zeros being written. A job that has not begun is simply cancelled.
 *
 *   idle -> submitted -> running -> ran -> idle
 *               |-> cancelled -> idle
 *
 * The owner submits and cancels, the job's thread runs, io_jobs_finish() makes it idle. A log that is
 * closed before that leaves the job behind, which then frees itself.
 *
 * Zeros are written and synced through a handle of their own: a failed sync is told once per handle, and the
 * flush must not miss that its own bytes were lost.
 */
#include <sched.h>
#include <stdlib.h>

#include "log/parts.h"

#define PAGE_BYTES 4096
#define FLUSH_SMALL_BYTES (UINT64_C(64) << 10)
#define ZERO_BYTES_MIN (UINT64_C(16) << 10)
#define ZERO_BYTES_MAX (UINT64_C(1) << 20)
#define ZERO_SEGMENT_PARTS 64
#define FULL_WAIT_NS_MIN INT64_C(50000000)
#define FULL_WAIT_NS_MAX INT64_C(800000000)

enum ahead_state {
    AHEAD_IDLE,
    AHEAD_SUBMITTED,
    AHEAD_RUNNING,
    AHEAD_RAN,
    AHEAD_CANCELLED
};

struct ahead {
    struct io_job job;
    struct log *log;            /* NULL when it has been closed */
    atomic_int state;
    _Atomic uint64_t ran;       /* number of the last job that has run */
    uint64_t number;            /* of the last job submitted */
    bool zeroing;               /* else: making a segment */
    struct segment *segment;    /* the one to zero, or the one being made, which is owned until it is taken */
    uint64_t from, to;          /* bytes to zero */
    struct io_file *zero_file;
    uint64_t zero_number;       /* of the segment that zero_file is */
    struct io_file *file;       /* of the segment made */
    int result;
    char path[LOG_PATH_BYTES];
};

static bool state_move(struct ahead *a, int from, int to)
{
    return atomic_compare_exchange_strong(&a->state, &from, to);
}

static bool under_way(const struct ahead *a)
{
    return atomic_load(&a->state) != AHEAD_IDLE;
}

static void zero_run(struct ahead *a)
{
    struct log *log = a->log;

    if (a->zero_file && a->zero_number != a->segment->number) {
        io_file_close(log->io, a->zero_file);
        a->zero_file = NULL;
    }
    a->result = 0;
    if (!a->zero_file)
        a->result = io_file_open(log->io, a->path, IO_WRITE, &a->zero_file, NULL);
    a->zero_number = a->segment->number;
    if (a->result == 0)
        a->result = segment_file_zero(log->io, a->zero_file, a->from, a->to);
    if (a->result == 0) {
        a->result = io_file_sync(log->io, a->zero_file);
        if (a->result < 0)
            atomic_store(&log->zeroing_failed, true);
    }
}

static void ahead_run(struct io_job *job)
{
    struct ahead *a = container_of(job, struct ahead, job);

    if (!state_move(a, AHEAD_SUBMITTED, AHEAD_RUNNING))
        return;
    if (a->zeroing)
        zero_run(a);
    else
        a->result = segment_file_make(a->log->io, a->log->dir, a->path, a->segment->bytes, a->to, &a->file, NULL);
    atomic_store(&a->ran, a->number);
    ASSERT(state_move(a, AHEAD_RUNNING, AHEAD_RAN));
}

/* Makes the segment of a job that has run the log's, if that has not happened yet. */
static void spare_take(struct log *log, struct ahead *a)
{
    struct segment *segment = a->segment;

    if (a->zeroing || !segment || atomic_load(&a->state) == AHEAD_SUBMITTED)
        return;
    a->segment = NULL;
    if (atomic_load(&a->state) == AHEAD_RAN && a->result == 0) {
        segment->file = a->file;
        segment->zeroed = LOG_SEGMENT_HEADER_BYTES + a->to;
        log->spare = segment;
        return;
    }
    log->spare_failed = true;
    segment_free(log->io, segment);
}

static void ahead_done(struct io_job *job)
{
    struct ahead *a = container_of(job, struct ahead, job);

    if (!a->log) {
        free(a);
        return;
    }
    spare_take(a->log, a);
    atomic_store(&a->state, AHEAD_IDLE);
}

static void ahead_submit(struct log *log, struct ahead *a, struct segment *segment)
{
    char name[SEGMENT_NAME_BYTES];

    a->segment = segment;
    segment_name(segment->number, name);
    /* The log is open, so its paths fit. */
    ASSERT(log_path(log, name, a->path, NULL) == 0);
    a->number++;
    ASSERT(state_move(a, AHEAD_IDLE, AHEAD_SUBMITTED));
    io_job_submit(log->io, IO_POOL_BACKGROUND, &a->job);
}

static struct ahead *ahead_of(struct log *log)
{
    struct ahead *a = log->ahead;

    if (a)
        return a;
    a = malloc(sizeof(*a));
    if (!a)
        return NULL;
    memset(a, 0, offsetof(struct ahead, path));
    a->job.run = ahead_run;
    a->job.done = ahead_done;
    list_init(&a->job.link);
    a->log = log;
    atomic_init(&a->state, AHEAD_IDLE);
    atomic_init(&a->ran, 0);
    log->ahead = a;
    return a;
}

static uint64_t zero_bytes(const struct segment *segment)
{
    uint64_t bytes = segment->bytes / ZERO_SEGMENT_PARTS;

    if (bytes < ZERO_BYTES_MIN)
        return ZERO_BYTES_MIN;
    return bytes < ZERO_BYTES_MAX ? bytes / PAGE_BYTES * PAGE_BYTES : ZERO_BYTES_MAX;
}

/* True when it asked for zeros behind the end of the current segment. */
static bool zero_want(struct log *log, struct ahead *a)
{
    struct segment *segment = log->current;
    uint64_t chunk = zero_bytes(segment);
    uint64_t end = (segment->end + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
    uint64_t from = segment->zeroed > end ? segment->zeroed : end;

    if (from >= segment->end + chunk || from >= segment->bytes)
        return false;
    a->zeroing = true;
    a->from = from;
    a->to = segment->bytes - from < chunk ? segment->bytes : from + chunk;
    segment->zeroed = a->to;
    ahead_submit(log, a, segment);
    return true;
}

static void spare_want(struct log *log, struct ahead *a, bool small)
{
    struct segment *segment;

    if (log->spare || log->spare_failed || log->current->end < log->current->bytes / 2)
        return;
    if (segments_reserve(log) < 0)
        return;
    segment = segment_new(log, log->current->number + 1, log->segment_bytes);
    if (!segment)
        return;
    a->zeroing = false;
    a->to = small ? zero_bytes(segment) : 0;
    a->file = NULL;
    ahead_submit(log, a, segment);
}

void ahead_want(struct log *log)
{
    bool small = log->flush_average < FLUSH_SMALL_BYTES;
    struct ahead *a = log->closing ? NULL : ahead_of(log);

    if (!a || under_way(a))
        return;
    if (small && zero_want(log, a))
        return;
    spare_want(log, a, small);
}

/* Waits for a job that is being run now. */
static void ahead_settle(struct ahead *a)
{
    while (atomic_load(&a->state) == AHEAD_RUNNING)
        sched_yield();
}

/*
 * Asking a full disk for a segment costs as much as making one, and whoever has something to append asks at every turn. So it is asked
 * again after a while only, and after twice as long each time that there is still no room; never longer than clients are told to wait.
 */
static void full_again(struct log *log)
{
    int64_t twice_ns = 2 * log->full_wait_ns;

    log->full_wait_ns = twice_ns == 0 ? FULL_WAIT_NS_MIN : twice_ns < FULL_WAIT_NS_MAX ? twice_ns : FULL_WAIT_NS_MAX;
    log->full_until_ns = io_clock_boot_ns(log->io) + log->full_wait_ns;
}

int ahead_spare(struct log *log, struct edda_error *error)
{
    struct ahead *a = log->ahead;
    char name[SEGMENT_NAME_BYTES];
    char path[LOG_PATH_BYTES];
    struct segment *segment;
    int r;

    ASSERT(!log->spare);
    if (a && under_way(a) && !a->zeroing) {
        if (!state_move(a, AHEAD_SUBMITTED, AHEAD_CANCELLED))
            ahead_settle(a);
        spare_take(log, a);
        if (log->spare)
            return 0;
    }
    if (log->full_wait_ns > 0 && io_clock_boot_ns(log->io) < log->full_until_ns)
        return edda_fail_with(error, EDDA_EFULL, "there was no room for another segment of the log, which is tried again in a moment");
    segment_name(log->current->number + 1, name);
    r = log_path(log, name, path, error);
    if (r < 0)
        return r;
    segment = segment_new(log, log->current->number + 1, log->segment_bytes);
    if (!segment || segments_reserve(log) < 0) {
        segment_free(log->io, segment);
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory");
    }
    r = segment_file_make(log->io, log->dir, path, segment->bytes, 0, &segment->file, error);
    if (r < 0) {
        segment_free(log->io, segment);
        if (r == EDDA_EFULL)
            full_again(log);
        return r;
    }
    log->spare = segment;
    log->spare_failed = false;
    log->full_wait_ns = 0;
    return 0;
}

void ahead_yield(struct log_flush *f)
{
    struct ahead *a = f->log->ahead;

    f->zeroing = 0;
    if (!a || !under_way(a) || !a->zeroing)
        return;
    for (size_t i = 0; i < f->extent_count; i++) {
        const struct extent *e = &f->extents[i];

        if (e->segment != a->segment || e->from >= a->to || e->from + e->bytes <= a->from)
            continue;
        /* One that an earlier flush has cancelled will not run. */
        if (!state_move(a, AHEAD_SUBMITTED, AHEAD_CANCELLED) && atomic_load(&a->state) != AHEAD_CANCELLED)
            f->zeroing = a->number;
        return;
    }
}

void ahead_wait(struct log_flush *f)
{
    if (!f->zeroing)
        return;
    while (atomic_load(&f->log->ahead->ran) < f->zeroing)
        sched_yield();
}

void ahead_end(struct log *log)
{
    struct ahead *a = log->ahead;

    if (!a)
        return;
    log->ahead = NULL;
    if (!state_move(a, AHEAD_SUBMITTED, AHEAD_CANCELLED))
        ahead_settle(a);
    if (!a->zeroing)
        spare_take(log, a);
    io_file_close(log->io, a->zero_file);
    a->log = NULL;
    /* An io without threads has none that could hold the job, so it can be taken back. */
    if (under_way(a) && io_wake_fd(log->io) >= 0)
        return;
    list_remove(&a->job.link);
    free(a);
}
