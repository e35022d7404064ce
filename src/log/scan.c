/*
 * Frames in order, and verification, which is a scan that looks at everything else too: headers,
 * footers, how segments join, and that nothing lies where nothing should.
 */
#include "log/parts.h"

struct scan {
    struct log *log;
    log_visit_fn *visit;      /* NULL in a verification */
    log_damage_fn *damage;    /* may be NULL */
    void *user;
    bool skip;                /* tell damage and go on */
    int64_t found;
    uint32_t chain;           /* of the segment before, when `chained`, as it was when the next one was begun */
    uint64_t position;
    bool chained;
    bool rewritten;           /* the segment that is being walked */
    uint32_t footer_was;
    struct edda_error *error;
};

/* Ends the scan with EDDA_ECORRUPT, or tells the damage and lets it go on. */
static int damage_found(struct scan *s, const struct segment *segment, uint64_t from, uint64_t to, const char *reason)
{
    char name[SEGMENT_NAME_BYTES];

    if (!s->skip)
        return segment_damaged(segment, from, reason, s->error);
    s->found++;
    segment_name(segment->number, name);
    if (s->damage)
        s->damage(s->user, name, from, to, reason);
    return 0;
}

/* In a verification: that nothing lies in a gap but what was left there. */
static int gap_verify(struct scan *s, const struct segment *segment, const struct walk *w, const struct frame_header *h)
{
    uint64_t left = h->address - w->first_address + LOG_FRAME_HEADER_BYTES + h->stored;

    if (zeros_at(w->data + left, h->length - h->stored) == h->length - h->stored)
        return 0;
    return damage_found(s, segment, left, w->offset, "something lies in a gap");
}

static int frame_visit(struct scan *s, const struct walk *w, const struct frame_header *h)
{
    uint64_t offset = h->address - w->first_address;
    struct log_frame frame = {
        .address = h->address,
        .next = w->first_address + w->offset,
        .first_position = h->first_position,
        .position_count = h->position_count,
        .time_ms = h->time_ms,
        .removed = h->flags & FRAME_GAP,
        .body = slice_of(w->data + offset + LOG_FRAME_HEADER_BYTES, h->flags & FRAME_GAP ? h->stored : h->length),
    };

    return s->visit && (!h->flags || h->flags & FRAME_GAP) ? s->visit(s->user, &frame) : 0;
}

/* The header of a segment whose frames are walked from the first. A walk behind a header that is not whole learns its chain. */
static int head_scan(struct scan *s, const struct segment *segment, struct walk *w)
{
    struct segment_header h;
    const char *reason = NULL;

    s->rewritten = false;
    if (segment->damage || w->len < LOG_SEGMENT_HEADER_BYTES || !segment_header_decode(w->data, &h))
        reason = segment->damage ? segment->damage : "its header is damaged";
    else if (h.number != segment->number || h.first_address != segment->first_address ||
             memcmp(h.id, s->log->id, sizeof(h.id)) != 0)
        reason = "its header is that of another segment";
    else if (s->chained && (h.previous != s->chain || h.first_position != s->position))
        reason = "it does not follow the segment before it";
    if (!reason) {
        s->rewritten = h.incompatible & FORMAT_REWRITTEN;
        s->footer_was = h.footer_was;
        w->chained = true;
        w->chain = h.crc;
        w->position = h.first_position;
        w->time_ms = h.created_ms;
        return 0;
    }
    return damage_found(s, segment, 0, LOG_SEGMENT_HEADER_BYTES, reason);
}

/* What follows the last frame of a segment behind which there is another. */
static int sealed_scan(struct scan *s, const struct segment *segment, const struct walk *w,
                       const struct segment_view *view)
{
    int r = 0;

    s->chained = w->flags & FRAME_FOOTER && w->chained;
    s->chain = s->rewritten ? s->footer_was : w->chain;
    s->position = w->position;
    if (!(w->flags & FRAME_FOOTER))
        return damage_found(s, segment, w->offset, w->offset, "its footer is missing");
    if (w->offset < view->len && zeros_at(view->data + w->offset, view->len - w->offset) < view->len - w->offset)
        r = damage_found(s, segment, w->offset, view->len, "something lies behind the footer");
    return r;
}

static int segment_scan(struct scan *s, size_t ordinal, uint64_t offset)
{
    struct segment *segment = segment_at(s->log, ordinal);
    uint64_t limit = segment_durable_bytes(s->log, ordinal);
    bool verify = !s->visit;
    const struct segment_view *view;
    struct frame_header h;
    struct walk w;
    int r = segment_view(s->log, segment, &view, s->error);

    if (r < 0)
        return r;
    walk_init(&w, segment, view->data, limit < view->len ? limit : view->len);
    if (verify && limit > 0)
        r = head_scan(s, segment, &w);
    w.offset = offset;
    while (r == 0 && w.offset < limit && !(w.flags & FRAME_FOOTER)) {
        uint64_t at = w.offset;
        const char *reason = walk_next(&w, &h);

        if (!reason) {
            r = verify && h.flags & FRAME_GAP ? gap_verify(s, segment, &w, &h) : frame_visit(s, &w, &h);
            continue;
        }
        if (s->skip && walk_skip(&w)) {
            r = damage_found(s, segment, at, w.offset, reason);
            continue;
        }
        r = damage_found(s, segment, at, limit, reason);
        break;
    }
    if (r == 0 && verify && ordinal + 1 < segments_count(s->log) && limit > 0)
        r = sealed_scan(s, segment, &w, view);
    return r;
}

/* In salvage, segments may have been left out: the first of them is named. */
static int gap_scan(struct scan *s, size_t ordinal)
{
    uint64_t expected = ordinal > segments_first(s->log) ? segment_at(s->log, ordinal - 1)->number + 1 : front_number(s->log);
    struct segment missing = { .number = expected };

    if (segment_at(s->log, ordinal)->number == expected)
        return 0;
    s->chained = false;
    return damage_found(s, &missing, 0, 0,
                        "it is missing or nothing in it is whole, and so for all up to the next segment there is");
}

static int scan_from(struct scan *s, size_t ordinal, uint64_t offset)
{
    int r = 0;

    for (; r == 0 && ordinal < segments_count(s->log); ordinal++) {
        r = gap_scan(s, ordinal);
        if (r == 0)
            r = segment_scan(s, ordinal, offset);
        offset = LOG_SEGMENT_HEADER_BYTES;
    }
    /* In salvage the end of the log is what was found whole. */
    if (r == 0 && s->skip && s->log->noted > log_durable_end(s->log)) {
        struct segment *last = s->log->current;

        r = damage_found(s, last, last->end, s->log->noted - last->first_address,
                         "frames that had been synced are missing");
    }
    return r;
}

/* The byte of the segment at which a scan from `offset` begins: a frame that was there may have become part of a gap since. */
static int begin_find(struct log *log, size_t ordinal, uint64_t *offset, struct edda_error *error)
{
    struct segment *segment = segment_at(log, ordinal);
    const struct segment_view *view;
    struct segment_gap gap;
    struct frame_header h;
    struct walk w;
    int r;

    if (*offset < LOG_SEGMENT_HEADER_BYTES)
        *offset = LOG_SEGMENT_HEADER_BYTES;
    if (*offset >= segment_durable_bytes(log, ordinal))
        return 0;
    r = segment_view(log, segment, &view, error);
    if (r < 0)
        return r;
    walk_init(&w, segment, view->data, view->len);
    w.offset = *offset;
    if (walk_header(&w, &h) && segment_gap_at(segment, view, *offset, &gap))
        *offset = gap.from;
    return 0;
}

int log_scan(struct log *log, log_address from, log_visit_fn *visit, log_damage_fn *damage, void *user,
             struct edda_error *error)
{
    struct scan s = {
        .log = log, .visit = visit, .damage = damage, .user = user, .skip = log->salvage, .error = error,
    };
    size_t ordinal = from ? segment_find(log, from) : segments_first(log);
    uint64_t offset;
    int r;

    if (ordinal == SIZE_MAX)
        return edda_fail_with(error, EDDA_ENOTFOUND, "the log begins behind that address");
    offset = from ? from - segment_at(log, ordinal)->first_address : LOG_SEGMENT_HEADER_BYTES;
    r = from ? begin_find(log, ordinal, &offset, error) : 0;
    return r < 0 ? r : scan_from(&s, ordinal, offset);
}

/* What stands for removed segments, which is read when the log is opened only. */
static int front_verify(struct scan *s)
{
    struct edda_error error;
    struct front front;
    int r = front_read(s->log, &front, NULL, &error);

    if (r == EDDA_ENOMEM || (r < 0 && r != EDDA_ECORRUPT))
        return edda_fail_with(s->error, r, "%s", error.message);
    if (r >= 0 && (r == 1) == (s->log->front.number != 0))
        return 0;
    s->found++;
    if (s->damage)
        s->damage(s->user, FRONT_NAME, 0, 0, r < 0 ? error.message : "it is not what it was when the log was opened");
    return 0;
}

int64_t log_verify(struct log *log, log_damage_fn *damage, void *user, struct edda_error *error)
{
    struct scan s = { .log = log, .damage = damage, .user = user, .skip = true, .error = error };
    int r = front_verify(&s);

    if (r == 0)
        r = scan_from(&s, segments_first(log), LOG_SEGMENT_HEADER_BYTES);
    return r < 0 ? r : s.found;
}
