/*
 * The log under crashes, on the simulated disk. Each seed is a story of a few lives: a log is opened, frames of random
 * sizes are appended, flushes are begun, run and ended in any legal interleaving, the disk fills and empties, the clock jumps, and
 * the life ends by a close, the death of the process, the death of the machine (which tears and loses what was not synced), or in the
 * middle of any operation on the disk, recovery included.
 *
 * After each life a model says what must be there: every frame that was acknowledged, bit for bit, then perhaps some that were not, in
 * the order of their sequencing and without a hole.
 *
 * Segments are rewritten too: some of their frames are removed, in a life that may end in the middle. What was kept must be there and nowhere else, what was
 * removed is gone for good, and of what was being removed either is true.
 *
 * Some stories end with damage instead: a bit flips in what is durable, or a write lands elsewhere. Then the damage must be
 * refused or found, and nothing that is wrong may be served.
 *
 *     log_crash [--seeds N] [--seed S]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/prng.h"
#include "io/simulated.h"
#include "log/log.h"
#include "seeds.h"

#define FRAMES_MAX 4096
#define POOL_BYTES (UINT64_C(256) << 10)
#define ECHO_BYTES (UINT64_C(64) << 10)
#define PARTS_MAX 6
#define PATH "data"

enum state {
    KEPT,
    PERHAPS, /* it was being removed */
    GONE
};

/* A frame as it was sequenced. */
struct sent {
    enum state state;
    log_address address;
    uint64_t position;
    uint32_t positions;
    int64_t time_ms;
    struct slice body;
};

/* A flush that was begun. */
struct begun {
    struct log_flush *flush;
    size_t frames; /* sequenced when it was begun */
    bool ran;
};

struct story {
    uint64_t seed;
    struct io *io;
    struct prng prng;
    struct log_options options;
    struct log *log;
    struct sent sent[FRAMES_MAX];
    size_t count;
    size_t acknowledged;
    struct begun begun[LOG_FLUSHES_MAX];
    size_t begun_count;
    log_address proven;   /* what lies before it, later frames say to have been durable */
    bool failing;         /* a sync may fail in this life */
    size_t checked;       /* by the scan that is under way */
    size_t scanned_from;  /* the frame from whose place a scan goes */
    size_t told;          /* damage */
    uint8_t pool[POOL_BYTES];
    uint8_t echo[ECHO_BYTES]; /* copies of the log's own bytes, to be written as bodies */
    size_t echo_len;
};

static struct story story;

_Noreturn static void fail(const struct story *s, const char *what)
{
    printf("seed %" PRIu64 ": %s\n", s->seed, what);
    fflush(stdout);
    abort();
}

static void expect(const struct story *s, bool holds, const char *what)
{
    if (!holds)
        fail(s, what);
}

static uint64_t below(struct story *s, uint64_t bound)
{
    return prng_below(&s->prng, bound);
}

static bool one_in(struct story *s, uint64_t n)
{
    return prng_one_in(&s->prng, n);
}

/* --- checking ------------------------------------------------------------------------------------------- */

static void check_frame(struct story *s, const struct log_frame *f, const struct sent *m)
{
    expect(s, f->address == m->address, "a frame has moved");
    expect(s, f->first_position == m->position && f->position_count == m->positions, "a frame has other positions");
    expect(s, f->time_ms == m->time_ms, "a frame has another time");
    expect(s, slice_eq(f->body, m->body), "a frame has another body");
}

/* How many of the frames lie between two addresses, from the one with this ordinal on; their positions. */
static uint32_t frames_between(const struct story *s, size_t from, log_address to, uint32_t *ret_positions)
{
    uint32_t count = 0;

    for (*ret_positions = 0; from < s->count && s->sent[from].address < to; from++, count++)
        *ret_positions += s->sent[from].positions;
    return count;
}

static void check_gap(struct story *s, const struct log_frame *f)
{
    uint32_t positions, left;
    uint32_t count = frames_between(s, s->checked, f->next, &positions);

    expect(s, count > 0 && s->sent[s->checked].address == f->address, "a gap is where no frame was");
    expect(s, f->first_position == s->sent[s->checked].position && f->position_count == positions, "a gap has other positions");
    if (f->body.len) {
        expect(s, f->body.len == sizeof(left), "what was left in a gap has another length");
        memcpy(&left, f->body.data, sizeof(left));
        expect(s, left == count, "something else was left in a gap");
    }
    for (; count > 0; count--, s->checked++) {
        expect(s, s->sent[s->checked].state != KEPT, "a frame was removed that was to be kept");
        s->sent[s->checked].state = GONE;
    }
}

static int visit_in_order(void *user, const struct log_frame *f)
{
    struct story *s = user;

    if (f->removed) {
        check_gap(s, f);
        return 0;
    }
    expect(s, s->checked < s->count, "there are more frames than were appended");
    expect(s, s->sent[s->checked].state != GONE, "a frame that was removed is back");
    s->sent[s->checked].state = KEPT;
    check_frame(s, f, &s->sent[s->checked++]);
    return 0;
}

static void tell(void *user, const char *segment, uint64_t from, uint64_t to, const char *reason)
{
    struct story *s = user;

    (void)segment;
    (void)to;
    (void)from;
    expect(s, reason[0] != '\0', "damage is told without a reason");
    s->told++;
}

/* The first frame or gap of a scan tells where it has begun. */
static int visit_from(void *user, const struct log_frame *f)
{
    struct story *s = user;

    if (s->checked == SIZE_MAX)
        for (s->checked = 0; s->checked < s->scanned_from && s->sent[s->checked].address < f->address;)
            s->checked++;
    return visit_in_order(user, f);
}

/* A scan from where a frame was begins there, or with the gap that it has become part of. */
static void check_scan(struct story *s, size_t i)
{
    struct edda_error error;

    s->scanned_from = i;
    s->checked = SIZE_MAX;
    expect(s, log_scan(s->log, s->sent[i].address, visit_from, NULL, s, &error) == 0, "a scan from where a frame was fails");
    expect(s, s->checked == s->count, "a scan from where a frame was ends early");
}

/* After a life without damage. */
static void check_recovered(struct story *s)
{
    struct edda_error error;
    uint64_t position = 0;

    s->checked = 0;
    expect(s, log_scan(s->log, 0, visit_in_order, NULL, s, &error) == 0, "the scan of a recovered log fails");
    expect(s, s->checked >= s->acknowledged, "an acknowledged frame is lost");
    s->count = s->acknowledged = s->checked;
    if (s->count)
        position = s->sent[s->count - 1].position + s->sent[s->count - 1].positions;
    expect(s, log_next_position(s->log) == position, "the next position is wrong");
    expect(s, log_durable_position(s->log) == position, "what was recovered is not durable");
    expect(s, log_unflushed_bytes(s->log) == 0, "what was recovered is not flushed");
    if (s->count)
        check_scan(s, below(s, s->count));
    if (one_in(s, 4))
        expect(s, log_verify(s->log, tell, s, &error) == 0, "verification finds damage where there is none");
}

static size_t kept_from(const struct story *s, size_t i)
{
    while (i < s->count && s->sent[i].state == GONE)
        i++;
    return i;
}

static void read_some(struct story *s)
{
    struct buffer scratch = BUFFER_EMPTY;
    struct edda_error error;
    struct log_frame frame;
    size_t i = s->count ? below(s, s->count) : 0;

    if (s->count == 0) {
        expect(s, log_read(s->log, 0, &scratch, &frame, &error) == EDDA_ENOTFOUND, "an empty log has a frame");
        return;
    }
    if (s->sent[i].state == PERHAPS)
        return;
    expect(s, log_removed(s->log, s->sent[i].address) == (s->sent[i].state == GONE), "the log does not know what was removed");
    size_t at = i;
    i = kept_from(s, i);
    if (i == s->count || s->sent[i].state == PERHAPS)
        return;
    expect(s, log_read(s->log, s->sent[at].address, &scratch, &frame, &error) == 0, "a frame cannot be read");
    check_frame(s, &frame, &s->sent[i]);
    at = kept_from(s, i + 1);
    if (at < s->count) {
        log_address next = frame.next;

        expect(s, log_read(s->log, next, &scratch, &frame, &error) == 0, "the next frame cannot be read");
        if (s->sent[at].state == KEPT)
            check_frame(s, &frame, &s->sent[at]);
    } else {
        expect(s, log_read(s->log, frame.next, &scratch, &frame, &error) == EDDA_ENOTFOUND, "there is one frame more");
    }
    if (s->sent[i].address < log_durable_end(s->log) && s->sent[i].body.len) {
        struct slice bytes = log_bytes(s->log, s->sent[i].address + LOG_FRAME_HEADER_BYTES);

        expect(s, bytes.len >= s->sent[i].body.len && memcmp(bytes.data, s->sent[i].body.data, s->sent[i].body.len) == 0,
               "the bytes of a body differ");
    }
    if (s->sent[i].positions)
        expect(s, log_find_segment(s->log, s->sent[i].position) <= s->sent[i].address, "a position is looked for behind it");
    buffer_deinit(&scratch);
}

/* --- a life --------------------------------------------------------------------------------------------- */

static size_t body_size(struct story *s)
{
    uint64_t body_max = s->options.segment_bytes - 4096 - 64 - 128;

    switch (below(s, 16)) {
    case 0:
        return 0;
    case 1:
    case 2:
        return (size_t)below(s, 4096);
    case 3:
        return (size_t)below(s, 20000);
    case 4:
        return one_in(s, 4) ? (size_t)(body_max - below(s, 16)) : 8;
    default:
        return (size_t)below(s, 400);
    }
}

/* A copy of bytes of the log itself: headers and frames that must not be taken for such. */
static struct slice echo_body(struct story *s)
{
    const struct sent *m = &s->sent[below(s, s->count)];
    struct slice bytes = log_bytes(s->log, m->address);
    size_t len = bytes.len < 600 ? bytes.len : 600;
    uint8_t *copy = s->echo + s->echo_len;

    if (len == 0 || s->echo_len + len > ECHO_BYTES)
        return slice_of(s->pool, 16);
    memcpy(copy, bytes.data, len);
    s->echo_len += len;
    return slice_of(copy, len);
}

static void append(struct story *s)
{
    struct slice parts[PARTS_MAX];
    size_t part_count = 1 + below(s, PARTS_MAX);
    struct edda_error error;
    struct sent m = { 0 };
    size_t size = body_size(s);
    log_address body;
    size_t done = 0;
    int r;

    if (s->count == FRAMES_MAX)
        return;
    m.body = s->count && one_in(s, 10) ? echo_body(s) : slice_of(s->pool + below(s, POOL_BYTES - size), size);
    r = log_reserve(s->log, m.body.len, &error);
    if (r < 0) {
        expect(s, r == EDDA_EFULL || io_simulated_is_cut(s->io) || r == EDDA_EIO, "a reservation fails for no reason");
        return;
    }
    m.time_ms = log_time_ms(s->log);
    m.position = log_next_position(s->log);
    m.positions = (uint32_t)below(s, 5);
    for (size_t i = 0; i < part_count; i++) {
        size_t len = i + 1 == part_count ? m.body.len - done : below(s, m.body.len - done + 1);

        parts[i] = slice_of(m.body.data + done, len);
        done += len;
    }
    log_frame_append(s->log, parts, part_count, m.positions, m.time_ms, &body);
    m.address = body - LOG_FRAME_HEADER_BYTES;
    if (s->count)
        expect(s, m.time_ms >= s->sent[s->count - 1].time_ms && m.address > s->sent[s->count - 1].address,
               "time or address goes back");
    s->sent[s->count++] = m;
}

static void flush_begin(struct story *s)
{
    bool wanted = log_flush_wanted(s->log);
    struct log_flush *flush = log_flush_begin(s->log);

    expect(s, wanted == (flush != NULL), "a flush is wanted and does not begin, or the other way round");
    if (flush)
        s->begun[s->begun_count++] = (struct begun){ .flush = flush, .frames = s->count };
}

static void flush_run(struct story *s)
{
    for (size_t i = 0; i < s->begun_count; i++) {
        if (s->begun[i].ran)
            continue;
        s->begun[i].ran = true;
        log_flush_run(s->begun[i].flush);
        return;
    }
}

/* False when the log is broken. */
static bool flush_end(struct story *s)
{
    struct edda_error error;
    int r;

    if (s->begun_count == 0 || !s->begun[0].ran)
        return true;
    s->proven = log_durable_end(s->log);
    r = log_flush_end(s->log, s->begun[0].flush, &error);
    if (r < 0) {
        expect(s, r == EDDA_EIO && log_reserve(s->log, 0, &error) == EDDA_EIO, "a failed flush is not final");
        return false;
    }
    s->acknowledged = s->begun[0].frames;
    s->begun[0] = s->begun[1];
    s->begun_count--;
    return true;
}

static bool flush_all(struct story *s)
{
    while (s->begun_count || log_flush_wanted(s->log)) {
        if (s->begun_count == 0)
            flush_begin(s);
        flush_run(s);
        if (!flush_end(s))
            return false;
    }
    return true;
}

/* Says what becomes of all frames of a segment. The ordinal of the first is found by its address. */
static bool rewrite_decide(struct story *s, struct log_rewrite *rewrite)
{
    struct edda_error error;
    struct log_frame f;
    size_t i = 0, first = 0;
    uint64_t eagerness = 1 + below(s, 4);
    bool in_gap = false;
    int r;

    while ((r = log_rewrite_next(rewrite, &f, &error)) == 1) {
        bool remove = f.removed || one_in(s, eagerness);
        uint32_t positions;

        while (s->sent[i].address < f.address)
            i++;
        if (in_gap && !remove) {
            uint32_t left = frames_between(s, first, f.address, &positions);

            r = log_rewrite_left(rewrite, slice_of(&left, log_rewrite_room(rewrite) >= sizeof(left) ? sizeof(left) : 0));
        } else if (!in_gap && remove) {
            first = i;
        }
        in_gap = remove;
        r = r < 0 ? r : remove ? log_rewrite_remove(rewrite) : one_in(s, 3) ? log_rewrite_replace(rewrite, f.body, 0) : log_rewrite_keep(rewrite, 0);
        for (size_t n = i; remove && n < s->count && s->sent[n].address < f.next; n++)
            s->sent[n].state = s->sent[n].state == GONE ? GONE : PERHAPS;
        if (!remove && s->sent[i].state == PERHAPS) /* since a rewriting that was given up */
            s->sent[i].state = KEPT;
        if (one_in(s, 10))
            log_rewrite_write(rewrite, below(s, 10000));
        if (r < 0 || log_rewrite_result(rewrite) < 0)
            return false;
    }
    expect(s, r == 0, "a whole segment cannot be gone through");
    if (in_gap) {
        uint32_t positions, left = frames_between(s, first, f.next, &positions);

        r = log_rewrite_left(rewrite, slice_of(&left, log_rewrite_room(rewrite) >= sizeof(left) ? sizeof(left) : 0));
    }
    return r == 0;
}

/* Rewrites a segment, unless something stands in the way. */
static bool rewrite(struct story *s)
{
    struct log_rewrite *rewrite;
    struct log_segment_info info, next;
    struct edda_error error;
    size_t segments = 0;
    uint64_t freed;
    size_t which;

    while (log_segment(s->log, segments, &info))
        segments++;
    which = below(s, segments);
    log_segment(s->log, which, &info);
    int r = log_rewrite_begin(s->log, which, true, &rewrite, &error);
    if (r < 0) {
        expect(s, r == EDDA_EBUSY, "a segment cannot be rewritten");
        return true;
    }
    log_segment(s->log, which + 1, &next);
    bool decided = rewrite_decide(s, rewrite);
    if (decided && !one_in(s, 6))
        log_rewrite_finish(rewrite);
    else
        decided = false;
    r = log_rewrite_result(rewrite);
    if (r < 0 || !decided) {
        expect(s, !decided || io_simulated_is_cut(s->io) || r == EDDA_EIO || r == EDDA_EFULL, "a segment is not rewritten, for no reason");
        log_rewrite_abort(rewrite);
        return !io_simulated_is_cut(s->io);
    }
    log_rewrite_end(rewrite, &freed);
    for (size_t i = 0; i < s->count && s->sent[i].address < next.first_address && !s->failing && !io_simulated_is_cut(s->io); i++)
        if (s->sent[i].state == PERHAPS && s->sent[i].address >= info.first_address)
            s->sent[i].state = GONE;
    log_segment(s->log, which, &info);
    expect(s, info.rewritten, "a rewritten segment does not say so");
    return true;
}

/* False when the life is over. */
static bool live_once(struct story *s)
{
    switch (below(s, 13)) {
    case 12:
        return one_in(s, 3) ? rewrite(s) : true;
    case 0:
    case 1:
        flush_begin(s);
        return true;
    case 2:
    case 3:
        flush_run(s);
        return true;
    case 4:
    case 5:
        return flush_end(s);
    case 6:
        read_some(s);
        return true;
    case 7:
        io_simulated_advance(s->io, (int64_t)below(s, 1000000000));
        if (one_in(s, 10))
            io_simulated_wall_step(s->io, (int64_t)below(s, 20000000000) - 10000000000);
        io_jobs_finish(s->io);
        return true;
    case 8:
        if (one_in(s, 12))
            io_simulated_set_capacity(s->io, one_in(s, 2) ? 1 : UINT64_C(64) << 20);
        return true;
    default:
        append(s);
        return !io_simulated_is_cut(s->io);
    }
}

/* Opens the log; false when the process died over it, or a sync failed. */
static bool open_log(struct story *s)
{
    struct log_recovery recovery;
    struct edda_error error = { 0 };
    int r;

    s->begun_count = 0;
    r = log_open(s->io, PATH, &s->options, &s->log, &recovery, &error);
    if (r == 0)
        return true;
    s->log = NULL;
    if (!io_simulated_is_cut(s->io) && r != EDDA_EIO && r != EDDA_EFULL) {
        printf("%s\n", error.message);
        fail(s, "the log does not open");
    }
    return false;
}

static void die(struct story *s)
{
    bool machine = !one_in(s, 3);

    /* In either order: a process is gone at once with its machine. */
    if (one_in(s, 2)) {
        log_abandon(s->log);
        io_simulated_crash(s->io, !machine);
    } else {
        io_simulated_crash(s->io, !machine);
        log_abandon(s->log);
    }
    s->log = NULL;
    s->begun_count = 0;
    io_simulated_cut_after(s->io, 0);
    io_simulated_fail_sync(s->io, 0);
    io_simulated_set_capacity(s->io, UINT64_C(64) << 20);
}

static void life(struct story *s)
{
    uint64_t steps = 5 + below(s, 60);
    bool failing = one_in(s, 8);

    s->failing = failing;
    if (failing)
        io_simulated_fail_sync(s->io, 1 + below(s, 12));
    else if (one_in(s, 2))
        io_simulated_cut_after(s->io, 1 + below(s, 40));
    if (!open_log(s)) {
        die(s);
        return;
    }
    check_recovered(s);
    while (steps > 0 && !io_simulated_is_cut(s->io) && live_once(s))
        steps--;
    if (steps > 0 || !one_in(s, 3)) {
        die(s);
        return;
    }
    while (s->begun_count && (flush_run(s), flush_end(s)))
        continue;
    if (s->begun_count || (one_in(s, 2) && !flush_all(s))) {
        die(s);
        return;
    }
    log_close(s->log);
    s->log = NULL;
    /* A close cannot say that it failed. */
    if (!failing && !io_simulated_is_cut(s->io))
        s->acknowledged = s->count;
    die(s);
}

/* --- damage ---------------------------------------------------------------------------------------------- */

/* In salvage frames are missing, but those that are there are right. */
static int visit_salvaged(void *user, const struct log_frame *f)
{
    struct story *s = user;

    if (f->removed)
        return 0;
    while (s->checked < s->count && s->sent[s->checked].address < f->address)
        s->checked++;
    expect(s, s->checked < s->count, "salvage gives a frame that was never appended");
    check_frame(s, f, &s->sent[s->checked++]);
    return 0;
}

static void check_salvage(struct story *s, bool damaged)
{
    struct log_options options = s->options;
    struct edda_error error = { 0 };
    int64_t found;
    int r;

    options.salvage = true;
    r = log_open(s->io, PATH, &options, &s->log, NULL, &error);
    if (r < 0) {
        expect(s, damaged && (r == EDDA_ECORRUPT || r == EDDA_EFORMAT), "a whole log cannot be salvaged");
        return;
    }
    s->checked = s->told = 0;
    expect(s, log_scan(s->log, 0, visit_salvaged, tell, s, &error) == 0, "a scan for salvage ends");
    found = log_verify(s->log, tell, s, &error);
    expect(s, found >= 0, "verification cannot be done");
    log_abandon(s->log);
    s->log = NULL;
}

/*
 * A log in which something that lies at `address` is wrong. When that is behind what later frames prove to have been durable it may
 * have been taken for a torn tail; else it has to be found.
 */
static void check_damaged(struct story *s, log_address address)
{
    struct edda_error error = { 0 };
    size_t before = 0;
    bool found;
    int r;

    check_salvage(s, true);
    while (before < s->count && s->sent[before].address + LOG_FRAME_HEADER_BYTES + (s->sent[before].body.len + 7) / 8 * 8 <= address)
        before++;
    r = log_open(s->io, PATH, &s->options, &s->log, NULL, &error);
    if (r < 0) {
        expect(s, r == EDDA_ECORRUPT || r == EDDA_EFORMAT, "damage is refused with another code");
        expect(s, error.message[0] != '\0', "damage is refused without a word");
        return;
    }
    s->checked = 0;
    r = log_scan(s->log, 0, visit_in_order, NULL, s, &error);
    expect(s, r == 0 || r == EDDA_ECORRUPT, "damage ends a scan with another code");
    found = r == EDDA_ECORRUPT;
    expect(s, s->checked >= before || found, "frames before the damage are lost");
    found = log_verify(s->log, tell, s, &error) > 0 || found;
    expect(s, found || address >= s->proven, "damage is not found");
    log_abandon(s->log);
    s->log = NULL;
}

/* All is durable; the log is closed or just left. */
static bool settle(struct story *s)
{
    if (!open_log(s))
        return false;
    check_recovered(s);
    for (uint64_t n = 1 + below(s, 20); n > 0; n--) {
        append(s);
        if (one_in(s, 3))
            flush_all(s);
    }
    expect(s, flush_all(s) && s->acknowledged == s->count, "nothing stands in the way, and a flush fails");
    return true;
}

static void story_of_a_bit(struct story *s)
{
    struct log_segment_info info, next;
    bool close = one_in(s, 2);
    log_address end;
    char path[128];
    uint64_t byte;
    size_t segments = 0;
    size_t which;

    if (!settle(s))
        return;
    if (close && one_in(s, 2))
        append(s); /* closing flushes it */
    while (log_segment(s->log, segments, &info))
        segments++;
    which = below(s, segments);
    log_segment(s->log, which, &info);
    end = log_segment(s->log, which + 1, &next) ? next.first_address : log_end(s->log);
    byte = below(s, one_in(s, 8) ? 128 : end - info.first_address);
    if (close) {
        s->proven = log_end(s->log);
        log_close(s->log);
        s->acknowledged = s->count;
    } else {
        log_abandon(s->log);
    }
    s->log = NULL;
    io_simulated_crash(s->io, true);
    snprintf(path, sizeof(path), PATH "/log/%s", info.name);
    io_simulated_flip_bit(s->io, path, byte * 8 + below(s, 8));
    check_damaged(s, info.first_address + byte);
}

static void story_of_a_lost_way(struct story *s)
{
    int64_t by = (int64_t)(below(s, 60000) + 1);
    log_address address;

    if (!settle(s))
        return;
    append(s);
    address = log_durable_end(s->log);
    if (!log_flush_wanted(s->log))
        return;
    flush_begin(s);
    io_simulated_misdirect(s->io, 1, one_in(s, 2) ? by : -by);
    flush_run(s);
    io_simulated_misdirect(s->io, 0, 0);
    expect(s, flush_end(s), "a write that lands elsewhere is noticed at once");
    append(s);
    flush_all(s);
    s->proven = log_durable_end(s->log);
    log_close(s->log);
    s->log = NULL;
    io_simulated_crash(s->io, true);
    /* It may have landed on anything before it, in the same segment. */
    check_damaged(s, address > 70000 ? address - 70000 : 0);
}

static void story_run(struct story *s, uint64_t seed)
{
    struct io_simulated_options options = { .seed = seed };

    s->seed = seed;
    prng_init(&s->prng, seed);
    io_simulated_reset(s->io, &options);
    s->options = (struct log_options){ .segment_bytes = one_in(s, 4) ? UINT64_C(96) << 10 : UINT64_C(64) << 10 };
    s->count = s->acknowledged = s->echo_len = 0;
    s->proven = 0;
    for (uint64_t lives = 1 + below(s, 5); lives > 0; lives--)
        life(s);
    if (one_in(s, 3))
        story_of_a_bit(s);
    else if (one_in(s, 4))
        story_of_a_lost_way(s);
    else if (open_log(s))
        check_recovered(s);
    log_abandon(s->log);
    s->log = NULL;
    io_simulated_crash(s->io, true);
}

int main(int argc, char **argv)
{
    struct seeds seeds = seeds_take(argc, argv, 0, 2000);
    struct prng prng;

    story.io = io_simulated_new(&(struct io_simulated_options){ .seed = seeds.first });
    prng_init(&prng, 1);
    for (size_t i = 0; i < POOL_BYTES; i++)
        story.pool[i] = (uint8_t)prng_u64(&prng);
    for (uint64_t i = 0; i < seeds.count; i++)
        story_run(&story, seeds.first + i);
    io_simulated_free(story.io);
    return 0;
}
