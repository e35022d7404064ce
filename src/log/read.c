/* Reading by address, from the mapped segments or, for the owner, from what is not durable yet. */
#include "log/parts.h"

#define LOADED_BYTES 65536 /* asked about at once */
#define FRAME_NONE 1 /* a closing frame, or the end of a segment: go on behind it */

static int end_reached(struct edda_error *error)
{
    return edda_fail_with(error, EDDA_ENOTFOUND, "the log ends there");
}

static int pending_read(const struct log *log, log_address address, struct buffer *scratch, struct log_frame *ret_frame,
                        log_address *ret_next, struct edda_error *error)
{
    const struct log_flush *f;
    const struct pending *p = pending_find(log, address, &f);

    if (!p)
        return end_reached(error);
    *ret_next = p->header.address + frame_bytes(p->header.length);
    if (p->header.flags)
        return FRAME_NONE;
    buffer_clear(scratch);
    for (size_t i = 0; i < p->body_parts; i++)
        buffer_append_slice(scratch, f->parts[p->first_part + 1 + i]);
    if (!buffer_ok(scratch))
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory");
    *ret_frame = (struct log_frame){
        .address = p->header.address,
        .next = *ret_next,
        .first_position = p->header.first_position,
        .position_count = p->header.position_count,
        .time_ms = p->header.time_ms,
        .body = buffer_slice(scratch),
    };
    return 0;
}

static int durable_read(struct log *log, log_address address, struct log_frame *ret_frame, log_address *ret_next,
                        struct edda_error *error)
{
    size_t ordinal = segment_find(log, address);
    const struct segment_view *view;
    struct segment *segment;
    struct frame_header h;
    struct segment_gap gap;
    const char *reason;
    uint64_t offset, limit;
    struct walk w;
    int r;

    if (ordinal == SIZE_MAX) {
        *ret_next = log_start(log);
        return FRAME_NONE;
    }
    segment = segment_at(log, ordinal);
    limit = segment_durable_bytes(log, ordinal);
    offset = address - segment->first_address;
    if (offset == 0)
        offset = LOG_SEGMENT_HEADER_BYTES;
    *ret_next = segment->first_address + limit;
    if (offset >= limit)
        return FRAME_NONE;
    r = segment_view(log, segment, &view, error);
    if (r < 0)
        return r;
    walk_init(&w, segment, view->data, limit < view->len ? limit : view->len);
    w.offset = offset;
    if (offset + LOG_FRAME_HEADER_BYTES <= w.len && !frame_magic_at(view->data + offset) &&
        segment_gap_at(segment, view, offset, &gap)) {
        *ret_next = segment->first_address + gap.to;
        return FRAME_NONE;
    }
    reason = offset % FRAME_ALIGNMENT || offset < LOG_SEGMENT_HEADER_BYTES ? "no frame begins there" : walk_next(&w, &h);
    if (reason)
        return segment_damaged(segment, offset, reason, error);
    *ret_next = segment->first_address + w.offset;
    if (h.flags)
        return FRAME_NONE;
    *ret_frame = (struct log_frame){
        .address = h.address,
        .next = *ret_next,
        .first_position = h.first_position,
        .position_count = h.position_count,
        .time_ms = h.time_ms,
        .body = slice_of(view->data + offset + LOG_FRAME_HEADER_BYTES, h.length),
    };
    return 0;
}

int log_read(struct log *log, log_address address, struct buffer *scratch, struct log_frame *ret_frame,
             struct edda_error *error)
{
    for (;;) {
        log_address next = address;
        int r;

        if (address < log_durable_end(log))
            r = durable_read(log, address, ret_frame, &next, error);
        else
            r = pending_read(log, address, scratch, ret_frame, &next, error);
        if (r != FRAME_NONE)
            return r;
        ASSERT(next > address);
        address = next;
    }
}

bool log_removed(struct log *log, log_address address)
{
    size_t ordinal = segment_find(log, address);
    const struct segment_view *view;
    struct segment_gap gap;

    if (ordinal == SIZE_MAX)
        return true;
    if (address >= log_durable_end(log) || segment_view(log, segment_at(log, ordinal), &view, NULL) < 0)
        return false;
    return segment_gap_at(segment_at(log, ordinal), view, address - segment_at(log, ordinal)->first_address, &gap);
}

struct slice log_bytes(struct log *log, log_address address)
{
    const struct segment_view *view;
    uint64_t offset, limit;
    size_t ordinal;

    if (address >= log_durable_end(log))
        return slice_of(NULL, 0);
    ordinal = segment_find(log, address);
    if (ordinal == SIZE_MAX || segment_view(log, segment_at(log, ordinal), &view, NULL) < 0)
        return slice_of(NULL, 0);
    offset = address - segment_at(log, ordinal)->first_address;
    limit = segment_durable_bytes(log, ordinal);
    if (limit > view->len)
        limit = view->len;
    if (offset >= limit)
        return slice_of(NULL, 0);
    return slice_of(view->data + offset, (size_t)(limit - offset));
}

/* Where durable bytes lie: their segment's mapping, the offset in it, and how many of them it has. */
static const struct segment_view *view_of(struct log *log, log_address address, uint64_t *ret_offset, uint64_t *ret_limit)
{
    const struct segment_view *view;
    size_t ordinal = address < log_durable_end(log) ? segment_find(log, address) : SIZE_MAX;

    if (ordinal == SIZE_MAX || segment_view(log, segment_at(log, ordinal), &view, NULL) < 0)
        return NULL;
    *ret_offset = address - segment_at(log, ordinal)->first_address;
    *ret_limit = segment_durable_bytes(log, ordinal);
    if (*ret_limit > view->len)
        *ret_limit = view->len;
    return *ret_offset < *ret_limit ? view : NULL;
}

bool log_is_loaded(struct log *log, log_address address, uint64_t len, struct log_range *known)
{
    uint64_t offset, limit, from, to;
    const struct segment_view *view;

    if (known->from <= address && address + len <= known->to)
        return true;
    view = view_of(log, address, &offset, &limit);
    if (!view)
        return true; /* whoever reads there is told so */
    len = len < limit - offset ? len : limit - offset;
    from = offset / LOADED_BYTES * LOADED_BYTES;
    to = (offset + len + LOADED_BYTES - 1) / LOADED_BYTES * LOADED_BYTES;
    to = to < limit ? to : limit;
    if (io_file_map_is_loaded(log->io, view->file, view->data, from, to - from)) {
        *known = (struct log_range){ address - offset + from, address - offset + to };
        return true;
    }
    return io_file_map_is_loaded(log->io, view->file, view->data, offset, len);
}

void log_load(struct log *log, log_address address, uint64_t len)
{
    uint64_t offset, limit;
    const struct segment_view *view = view_of(log, address, &offset, &limit);

    if (view)
        io_file_map_load(log->io, view->file, view->data, offset, len < limit - offset ? len : limit - offset);
}
