/*
 * Opening in spite of damage, for reading only. A segment whose header is damaged is placed by the first whole frame in it,
 * which says its own address and position; one without any is left out. The log ends behind the last whole frame. Nothing is written.
 *
 * The id of the log is needed to tell its frames from other bytes. It is taken from the first header that is whole, else from
 * the note; without either nothing can be salvaged.
 */
#include "log/parts.h"

static int head_read(struct log *log, uint64_t number, enum head *ret_head, struct segment_header *ret_header,
                     struct edda_error *error)
{
    char name[SEGMENT_NAME_BYTES];
    char path[LOG_PATH_BYTES];
    struct io_file *file;
    int r;

    segment_name(number, name);
    r = log_path(log, name, path, error);
    if (r == 0)
        r = io_file_open(log->io, path, IO_READ, &file, error);
    if (r < 0)
        return r;
    r = segment_head_read(log->io, file, ret_head, ret_header);
    io_file_close(log->io, file);
    return r < 0 ? edda_fail_with(error, r, "cannot read %s", path) : 0;
}

static int id_find(struct log *log, const struct log_listing *l, const struct note *note, struct edda_error *error)
{
    for (size_t i = 0; i < l->count; i++) {
        struct segment_header h;
        enum head head;
        int r = head_read(log, l->numbers[i], &head, &h, error);

        if (r < 0)
            return r;
        if (head != HEAD_WHOLE)
            continue;
        memcpy(log->id, h.id, sizeof(log->id));
        if (note && memcmp(note->id, log->id, sizeof(log->id)) == 0)
            log->noted = note->durable;
        return segment_format_check(log, &h, l->numbers[i], error);
    }
    if (note && l->count) {
        memcpy(log->id, note->id, sizeof(log->id));
        log->noted = note->durable;
        return 0;
    }
    if (log->front.number)
        return edda_fail_with(error, EDDA_ECORRUPT, "of the segments in %s from %llu on, with which the log begins, none has a whole header", log->dir,
                              (unsigned long long)log->front.number);
    return edda_fail_with(error, l->count ? EDDA_ECORRUPT : EDDA_ENOTFOUND,
                          l->count ? "no segment in %s has a whole header" : "there is no log in %s", log->dir);
}

/* Where the first whole frame says that the segment begins; false when there is none. */
static bool place_by_frame(struct segment *segment, const struct segment_view *view)
{
    for (uint64_t at = 0; at < view->len; at += FRAME_ALIGNMENT) {
        struct frame_header h;
        struct walk w;

        at += zeros_at(view->data + at, view->len - at) / FRAME_ALIGNMENT * FRAME_ALIGNMENT;
        if (view->len - at < LOG_FRAME_HEADER_BYTES)
            return false;
        if (!frame_magic_at(view->data + at) || frame_header_decode(view->data + at, segment->seed, &h) ||
            h.address < at)
            continue;
        segment->first_address = h.address - at;
        walk_init(&w, segment, view->data, view->len);
        w.offset = at;
        if (walk_next(&w, &h))
            continue;
        segment->first_position = h.first_position;
        segment->created_ms = h.time_ms;
        return true;
    }
    return false;
}

/* Whether a segment with this beginning can follow those already taken. */
static bool follows(const struct log *log, const struct segment *segment)
{
    const struct segment *last = segments_count(log) ? segment_at(log, segments_count(log) - 1) : NULL;

    return !last || (segment->first_address >= last->first_address + LOG_SEGMENT_HEADER_BYTES &&
                     segment->first_position >= last->first_position);
}

static int segment_salvage(struct log *log, uint64_t number, struct edda_error *error)
{
    struct segment *segment = segment_new(log, number, LOG_SEGMENT_BYTES_MAX);
    const struct segment_view *view;
    struct segment_header h;
    enum head head;
    bool placed;
    int r;

    if (!segment || segments_reserve(log) < 0) {
        segment_free(log->io, segment);
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory");
    }
    r = head_read(log, number, &head, &h, error);
    if (r == 0)
        r = segment_view(log, segment, &view, error);
    if (r < 0) {
        segment_free(log->io, segment);
        return r;
    }
    placed = head == HEAD_WHOLE && h.number == number && memcmp(h.id, log->id, sizeof(h.id)) == 0 &&
             segment_header_sound(&h);
    if (placed) {
        segment->first_address = h.first_address;
        segment->first_position = h.first_position;
        segment->created_ms = h.created_ms;
        segment->rewritten = h.incompatible & FORMAT_REWRITTEN;
        segment->thinned = h.incompatible & FORMAT_THINNED;
        segment->footer_was = h.footer_was;
        log->has_gaps |= (h.incompatible & (FORMAT_REWRITTEN | FORMAT_GAPS)) != 0;
    } else if (head != HEAD_ZERO || number == front_number(log)) {
        segment->damage = "its header is damaged";
        placed = place_by_frame(segment, view);
    } else {
        segment->damage = "its header is missing";
        placed = place_by_frame(segment, view);
    }
    if (placed && follows(log, segment))
        segments_add(log, segment);
    else
        segment_free(log->io, segment);
    return 0;
}

/* The byte behind the last whole frame of a segment. */
static uint64_t whole_end(struct log *log, const struct segment *segment, const struct segment_view *view,
                          struct log_recovery *recovery)
{
    uint64_t end = LOG_SEGMENT_HEADER_BYTES;
    struct frame_header h;
    struct walk w;

    walk_init(&w, segment, view->data, view->len);
    for (;;) {
        while (!walk_next(&w, &h)) {
            end = w.offset;
            log->next_position = w.position;
            log->last_time_ms = w.time_ms;
            log->ends_clean = w.flags & FRAME_CLEAN;
            recovery->frames_scanned++;
        }
        if (!walk_skip(&w))
            return end;
    }
}

int log_recover_salvage(struct log *log, const struct log_listing *listing, const struct note *note,
                        struct log_recovery *recovery, struct edda_error *error)
{
    const struct segment_view *view;
    struct segment *last;
    int r = id_find(log, listing, note, error);

    if (r == 0 && log->front.number && memcmp(log->front.id, log->id, sizeof(log->id)) != 0)
        log->front = (struct front){ .number = 0 };
    for (size_t i = 0; r == 0 && i < listing->count; i++)
        r = segment_salvage(log, listing->numbers[i], error);
    if (r < 0)
        return r;
    if (segments_count(log) == 0)
        return edda_fail_with(error, EDDA_ECORRUPT, "nothing in %s is whole", log->dir);
    last = segment_at(log, segments_count(log) - 1);
    r = segment_view(log, last, &view, error);
    if (r < 0)
        return r;
    log->next_position = last->first_position;
    last->end = whole_end(log, last, view, recovery);
    for (size_t i = 0; i + 1 < segments_count(log); i++)
        segment_at(log, i)->sealed = true;
    return 0;
}
