/*
 * Following a log that another process writes. A log opened read-only ends where it ended then; here the walk goes on through
 * what has been written since, into the next segments too.
 *
 * A frame that is being written is seen half: the walk stops before it and the next refresh tries again. Damage looks no
 * different from here. It is told by opening the log anew, which looks at what lies behind.
 */
#include "log/parts.h"

/* Moves the end behind all whole frames of the current segment. */
static int frames_take(struct log *log, struct edda_error *error)
{
    struct segment *segment = log->current;
    const struct segment_view *view;
    struct frame_header h;
    struct walk w;
    int r = segment_view(log, segment, &view, error);

    if (r < 0)
        return r;
    walk_init(&w, segment, view->data, segment->bytes < view->len ? segment->bytes : view->len);
    w.offset = segment->end;
    w.chained = true;
    w.chain = log->runner.chain;
    w.position = log->next_position;
    w.time_ms = log->last_time_ms;
    while (!(w.flags & FRAME_FOOTER) && !walk_next(&w, &h))
        continue;
    if (w.offset == segment->end)
        return 0;
    segment->end = w.offset;
    segment->sealed = w.flags & FRAME_FOOTER;
    log->runner.chain = w.chain;
    log->next_position = log->durable_position = w.position;
    log->last_time_ms = w.time_ms;
    log->ends_clean = w.flags & FRAME_CLEAN;
    return 0;
}

/* The header of the segment behind the last sealed one; EDDA_ENOTFOUND while there is none. */
static int next_head(const struct log *log, uint64_t number, struct segment_header *ret_header, struct edda_error *error)
{
    char name[SEGMENT_NAME_BYTES];
    char path[LOG_PATH_BYTES];
    struct io_file *file;
    enum head head;
    int r;

    segment_name(number, name);
    r = log_path(log, name, path, error);
    if (r == 0)
        r = io_file_open(log->io, path, IO_READ, &file, error);
    if (r < 0)
        return r;
    r = segment_head_read(log->io, file, &head, ret_header);
    io_file_close(log->io, file);
    if (r < 0)
        return edda_fail_with(error, r, "cannot read %s", path);
    return head == HEAD_WHOLE ? 0 : EDDA_ENOTFOUND;
}

/* Goes on to the next segment: 1, or 0 while it has not been begun. */
static int next_take(struct log *log, struct edda_error *error)
{
    bool known = log->current->header_pending; /* its file was seen, and no header in it */
    struct segment *segment = log->current;
    uint64_t number = known ? segment->number : segment->number + 1;
    uint64_t address = segment->first_address + (known ? 0 : segment->end);
    const struct segment_view *view;
    struct segment_header h;
    int r = next_head(log, number, &h, error);

    if (r == 0)
        r = segment_format_check(log, &h, number, error);
    if (r < 0)
        return r == EDDA_ENOTFOUND ? 0 : r;
    if (h.number != number || h.first_address != address || h.first_position != log->next_position ||
        h.previous != log->runner.chain || memcmp(h.id, log->id, sizeof(h.id)) != 0 || !segment_header_sound(&h))
        return edda_fail_with(error, EDDA_ECORRUPT, "%s/%016llu.seg does not follow the segment before it", log->dir,
                              (unsigned long long)number);
    if (!known) {
        segment = segments_reserve(log) == 0 ? segment_new(log, number, h.segment_bytes) : NULL;
        if (!segment)
            return edda_fail_with(error, EDDA_ENOMEM, "out of memory");
        segment->first_address = address;
        segments_add(log, segment);
    }
    segment->bytes = h.segment_bytes;
    segment->first_position = h.first_position;
    segment->created_ms = h.created_ms;
    segment->header_pending = false;
    log->current = segment;
    log->runner.chain = h.crc;
    log->last_time_ms = h.created_ms > log->last_time_ms ? h.created_ms : log->last_time_ms;
    r = segment_view(log, segment, &view, error);
    if (r == 0 && view->len < h.segment_bytes)
        r = edda_fail_with(error, EDDA_ECLOSED, "segment %llu has grown since the log was opened; open it again",
                           (unsigned long long)number);
    return r < 0 ? r : 1;
}

int log_refresh(struct log *log, struct edda_error *error)
{
    uint64_t before = log_end(log);
    int r = 0;

    if (!log->read_only || log->salvage)
        return edda_fail_with(error, EDDA_EUNSUPPORTED, "only a log that is opened read-only can be followed");
    do {
        if (!log->current->header_pending && !log->current->sealed)
            r = frames_take(log, error);
        if (r >= 0 && (log->current->header_pending || log->current->sealed))
            r = next_take(log, error);
        else
            break;
    } while (r > 0);
    atomic_store(&log->durable_end, log_end(log));
    return r < 0 ? r : log_end(log) > before;
}
