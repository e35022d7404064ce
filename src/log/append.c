/*
 * Reserving and sequencing. Both are memory only, except that a reservation which the current segment cannot
 * give makes the next segment when no job has done so yet.
 *
 * A frame that does not fit seals the current segment: its footer is appended and the next segment, which is ready, becomes the
 * current one. What the frames are written with (checksums, the chain, the headers of segments) is worked
 * out when the flush runs, so that the sequencing thread does not pay for it.
 */
#include <stdlib.h>

#include "base/array.h"
#include "log/parts.h"

/* A frame needs slices for its header and padding beside its body; with it may come a footer, and a segment header of two. */
#define FLUSH_PARTS_SPARE (LOG_PARTS_MAX + 2 + 1 + 2)
#define FLUSH_FRAMES_SPARE 2
#define FLUSH_EXTENTS_SPARE 2

static const uint8_t zeros[LOG_SEGMENT_HEADER_BYTES];

int flush_reserve(struct log_flush *f)
{
    bool ok = array_reserve(&f->parts, &f->part_capacity, f->part_count + FLUSH_PARTS_SPARE, sizeof(*f->parts));

    ok = ok && array_reserve(&f->frames, &f->frame_capacity, f->frame_count + FLUSH_FRAMES_SPARE, sizeof(*f->frames));
    ok = ok && array_reserve(&f->extents, &f->extent_capacity, f->extent_count + FLUSH_EXTENTS_SPARE, sizeof(*f->extents));
    return ok ? 0 : EDDA_ENOMEM;
}

void flush_deinit(struct log_flush *f)
{
    free(f->parts);
    free(f->frames);
    free(f->extents);
}

static bool segment_fits(const struct segment *segment, uint64_t bytes)
{
    return segment->end + bytes + SEGMENT_RESERVED_BYTES <= segment->bytes;
}

int log_reserve(struct log *log, uint64_t body_bytes, struct edda_error *error)
{
    int r;

    if (log->read_only)
        return edda_fail_with(error, EDDA_EUNSUPPORTED, "the log is open for reading only");
    if (log->broken)
        return edda_fail_with(error, EDDA_EIO, "a write to the log has failed; it must be opened again");
    if (body_bytes > log->body_bytes_max)
        return edda_fail_with(error, EDDA_ETOOLARGE, "a frame of %llu bytes is over the limit of %llu",
                              (unsigned long long)body_bytes, (unsigned long long)log->body_bytes_max);
    r = flush_reserve(log->open);
    if (r < 0)
        return edda_fail_with(error, r, "out of memory");
    if (segment_fits(log->current, frame_bytes(body_bytes)) || log->spare)
        return 0;
    return ahead_spare(log, error);
}

static struct slice *part_push(struct log_flush *f)
{
    ASSERT(f->part_count < f->part_capacity);
    return &f->parts[f->part_count++];
}

/* The extent of the current segment, begun when the last one is of another. */
static struct extent *extent_of(struct log *log)
{
    struct log_flush *f = log->open;
    struct segment *segment = log->current;
    struct extent *e = f->extent_count ? &f->extents[f->extent_count - 1] : NULL;

    if (e && e->segment == segment)
        return e;
    ASSERT(f->extent_count < f->extent_capacity);
    e = &f->extents[f->extent_count++];
    e->segment = segment;
    e->with_header = segment->header_pending;
    e->from = e->with_header ? 0 : segment->end;
    e->bytes = segment->end - e->from;
    e->first_part = f->part_count;
    e->first_frame = f->frame_count;
    e->part_count = e->frame_count = 0;
    if (e->with_header) {
        ASSERT(segment->end == LOG_SEGMENT_HEADER_BYTES);
        *part_push(f) = slice_of(NULL, 0); /* encoded when the flush runs */
        *part_push(f) = slice_of(zeros, LOG_SEGMENT_HEADER_BYTES - SEGMENT_HEADER_USED_BYTES);
        segment->header_pending = false;
    }
    return e;
}

static void frame_push(struct log *log, const struct slice *parts, size_t part_count, struct frame_header h)
{
    struct log_flush *f = log->open;
    struct segment *segment = log->current;
    struct extent *e = extent_of(log);
    uint64_t bytes = frame_bytes(h.length);
    struct pending *p;

    ASSERT(f->frame_count < f->frame_capacity);
    p = &f->frames[f->frame_count++];
    h.address = segment->first_address + segment->end;
    h.first_position = log->next_position;
    p->header = h;
    p->first_part = f->part_count;
    *part_push(f) = slice_of(NULL, 0); /* encoded when the flush runs */
    for (size_t i = 0; i < part_count; i++)
        if (parts[i].len)
            *part_push(f) = parts[i];
    p->body_parts = f->part_count - p->first_part - 1;
    if (bytes > LOG_FRAME_HEADER_BYTES + h.length)
        *part_push(f) = slice_of(zeros, (size_t)(bytes - LOG_FRAME_HEADER_BYTES - h.length));

    segment->end += bytes;
    ASSERT(segment->end <= segment->bytes);
    e->bytes += bytes;
    e->frame_count++;
    e->part_count = f->part_count - e->first_part;
    log->next_position += h.position_count;
    log->last_time_ms = h.time_ms;
    log->ends_clean = h.flags & FRAME_CLEAN;
    f->bytes += bytes;
    f->end = log_end(log);
    f->end_position = log->next_position;
    f->end_time_ms = h.time_ms;
}

void log_append_closing(struct log *log, uint32_t flags)
{
    frame_push(log, NULL, 0, (struct frame_header){ .time_ms = log->last_time_ms, .flags = flags });
    if (flags & FRAME_FOOTER)
        log->current->sealed = true;
}

/* Seals the current segment and goes on in the spare one. */
static void segment_roll(struct log *log, int64_t time_ms)
{
    struct segment *next = log->spare;

    ASSERT(next && !log->current->sealed && next->number == log->current->number + 1);
    log_append_closing(log, FRAME_FOOTER);
    next->first_address = log_end(log);
    next->first_position = log->next_position;
    next->created_ms = time_ms;
    next->header_pending = true;
    log->spare = NULL;
    log->current = next;
    segments_add(log, next);
}

void log_frame_append(struct log *log, const struct slice *parts, size_t part_count, uint32_t position_count,
                      int64_t time_ms, log_address *ret_body)
{
    uint64_t length = 0;

    ASSERT(!log->read_only && !log->broken);
    ASSERT(part_count <= LOG_PARTS_MAX);
    ASSERT(time_ms >= log->last_time_ms && time_ms <= FRAME_TIME_MS_MAX);
    for (size_t i = 0; i < part_count; i++)
        length += parts[i].len;
    ASSERT(length <= log->body_bytes_max);
    if (!segment_fits(log->current, frame_bytes(length)))
        segment_roll(log, time_ms);
    ASSERT(segment_fits(log->current, frame_bytes(length)));
    *ret_body = log->current->first_address + log->current->end + LOG_FRAME_HEADER_BYTES;
    frame_push(log, parts, part_count, (struct frame_header){
        .length = (uint32_t)length,
        .time_ms = time_ms,
        .position_count = position_count,
    });
}

void log_gap_append(struct log *log, struct slice left, uint32_t position_count, int64_t time_ms)
{
    uint64_t length = frame_bytes(left.len) - LOG_FRAME_HEADER_BYTES;
    const struct slice parts[] = { left, slice_of(zeros, (size_t)(length - left.len)) };

    ASSERT(log->rest_of && !log->broken);
    ASSERT(time_ms >= log->last_time_ms && time_ms <= FRAME_TIME_MS_MAX);
    if (!segment_fits(log->current, frame_bytes(length)))
        segment_roll(log, time_ms);
    frame_push(log, parts, 2, (struct frame_header){
        .length = (uint32_t)length,
        .time_ms = time_ms,
        .position_count = position_count,
        .flags = FRAME_GAP,
        .stored = (uint32_t)left.len,
    });
    /* The checksum covers what is left, not the zeros behind it. */
    log->open->frames[log->open->frame_count - 1].body_parts = left.len > 0;
}

static const struct pending *flush_find(const struct log_flush *f, uint64_t address)
{
    size_t low = 0;
    size_t high = f->frame_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (f->frames[middle].header.address < address)
            low = middle + 1;
        else
            high = middle;
    }
    return low < f->frame_count ? &f->frames[low] : NULL;
}

const struct pending *pending_find(const struct log *log, uint64_t address, const struct log_flush **ret_flush)
{
    for (size_t i = 0; i <= log->under_way_count; i++) {
        const struct log_flush *f = i < log->under_way_count ? log->under_way[i] : log->open;
        const struct pending *p = flush_find(f, address);

        if (p) {
            *ret_flush = f;
            return p;
        }
    }
    return NULL;
}
