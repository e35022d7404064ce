/*
 * Rewriting: a sealed segment written again, into a file beside it, without the frames that are no longer wanted, and with other bodies for those that are to say less.
 *
 * Addresses, positions and lengths of what is kept stay. A stretch of removed frames becomes one gap: a frame header that covers them all, the few bytes
 * that are left in their stead, and a hole. Headers are chained anew, which changes the checksum of the footer; the segment's header therefore keeps what that
 * was, and the segment behind needs no change. Its first header and footer tell the rest: that it was rewritten, and how much that has freed.
 *
 * What a crash leaves:
 *   - before the rename: the old file, and a file "….seg.tmp" that the next opening removes;
 *   - after it, before the directory is synced: the one or the other under its name, both whole;
 *   - after that: the new file.
 * Nothing is changed in place. A segment is rewritten only when the header of the one behind it is durable, so that recovery,
 * which may write into the last two, never meets a rewritten one there.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/array.h"
#include "base/crc32c.h"
#include "log/parts.h"

#define LEFT_SUFFIX ".seg.tmp"
#define TOUCH_BYTES 4096
#define WRITE_PARTS 64

struct piece {
    uint64_t offset;
    struct slice bytes;
};

struct log_rewrite {
    struct log *log;
    struct segment *segment;
    const struct segment_view *view;
    uint64_t used;             /* behind the footer */
    struct walk walk;          /* over the old frames */
    struct frame_header frame; /* the last that was given */
    bool given;                /* and nothing was said of it yet */
    uint32_t chain;            /* of the new frames */
    struct frame_header gap;   /* the frames that are being removed; none while its length is 0 */
    bool in_gap;
    uint64_t freed;            /* by all gaps, and in bodies */
    bool thins;
    struct arena arena;        /* of the pieces */
    struct piece *pieces;
    size_t piece_count;
    uint32_t piece_capacity;
    struct io_file *file;
    bool begun;                /* there may be a file beside the old one */
    bool renamed;
    int result;
    uint8_t header[LOG_SEGMENT_HEADER_BYTES];
    char path[LOG_PATH_BYTES];
    char left_path[LOG_PATH_BYTES];
};

/* --- gaps ---------------------------------------------------------------------------------------------- */

/* Finds the gaps by the headers alone: what their bodies are is checked when they are read. */
static struct segment_gaps *gaps_find(const struct segment *segment, const struct segment_view *view)
{
    struct segment_gaps *gaps = malloc(sizeof(*gaps));
    size_t capacity = 0;
    struct frame_header h;
    struct walk w;

    if (!gaps)
        return NULL;
    gaps->count = 0;
    walk_init(&w, segment, view->data, view->len);
    while (!(w.flags & FRAME_FOOTER) && !walk_header(&w, &h)) {
        if (!(h.flags & FRAME_GAP))
            continue;
        if (gaps->count == capacity) {
            struct segment_gaps *grown;

            capacity = capacity ? 2 * capacity : 16;
            grown = realloc(gaps, sizeof(*gaps) + capacity * sizeof(gaps->items[0]));
            if (!grown) {
                free(gaps);
                return NULL;
            }
            gaps = grown;
        }
        gaps->items[gaps->count].from = w.offset - frame_bytes(h.length);
        gaps->items[gaps->count++].to = w.offset;
    }
    return gaps;
}

bool segment_gap_at(struct segment *segment, const struct segment_view *view, uint64_t offset, struct segment_gap *ret_gap)
{
    struct segment_view *known = atomic_load_explicit(&segment->view, memory_order_acquire);
    struct segment_gaps *gaps, *expected = NULL;
    size_t low = 0, high;

    ASSERT(known == view);
    gaps = atomic_load_explicit(&known->gaps, memory_order_acquire);
    if (!gaps) {
        gaps = gaps_find(segment, view);
        if (!gaps)
            return false;
        if (!atomic_compare_exchange_strong(&known->gaps, &expected, gaps)) {
            free(gaps);
            gaps = expected;
        }
    }
    /* All before `low` begin at or before the offset. */
    for (high = gaps->count; low < high;) {
        size_t middle = low + (high - low) / 2;

        if (gaps->items[middle].from <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0 || offset >= gaps->items[low - 1].to)
        return false;
    *ret_gap = gaps->items[low - 1];
    return true;
}

void rewrite_left_remove(const struct log *log, const char *name)
{
    size_t len = strlen(name), suffix = strlen(LEFT_SUFFIX);
    char path[LOG_PATH_BYTES];

    /* It may stay when it cannot be removed: the next rewriting of the segment writes over it. */
    if (((len > suffix && strcmp(name + len - suffix, LEFT_SUFFIX) == 0) || strcmp(name, FRONT_NAME ".tmp") == 0) && log_path(log, name, path, NULL) == 0)
        (void)io_file_remove(log->io, path);
}

/* --- beginning ------------------------------------------------------------------------------------------ */

static int paths_make(struct log_rewrite *rw, struct edda_error *error)
{
    char name[SEGMENT_NAME_BYTES + sizeof(".tmp")];
    int r;

    segment_name(rw->segment->number, name);
    r = log_path(rw->log, name, rw->path, error);
    if (r < 0)
        return r;
    memcpy(name + SEGMENT_NAME_BYTES - 1, ".tmp", sizeof(".tmp"));
    return log_path(rw->log, name, rw->left_path, error);
}

/* The new header, and where the old frames begin. */
static int header_make(struct log_rewrite *rw, struct edda_error *error)
{
    uint64_t footer_at = rw->used - LOG_FRAME_HEADER_BYTES;
    struct segment_header h;
    struct frame_header footer;

    if (rw->view->len < rw->used || !segment_header_decode(rw->view->data, &h))
        return segment_damaged(rw->segment, 0, "its header is damaged", error);
    if (frame_header_decode(rw->view->data + footer_at, rw->segment->seed, &footer) || !(footer.flags & FRAME_FOOTER))
        return segment_damaged(rw->segment, footer_at, "its footer is damaged", error);
    walk_init(&rw->walk, rw->segment, rw->view->data, rw->used);
    rw->walk.chained = true;
    rw->walk.chain = h.crc;
    rw->walk.position = h.first_position;
    rw->walk.time_ms = h.created_ms;
    if (!(h.incompatible & FORMAT_REWRITTEN))
        h.footer_was = footer.crc;
    h.incompatible |= FORMAT_REWRITTEN | (rw->thins ? FORMAT_THINNED : 0);
    h.format = FORMAT_NUMBER;
    segment_header_encode(rw->header, &h);
    rw->chain = h.crc;
    return 0;
}

int log_rewrite_begin(struct log *log, size_t ordinal, bool thins, struct log_rewrite **ret_rewrite, struct edda_error *error)
{
    struct log_rewrite *rw;
    int r;

    if (log->read_only)
        return edda_fail_with(error, EDDA_EUNSUPPORTED, "a log that is opened read-only is not rewritten");
    ordinal += segments_first(log);
    if (ordinal + 1 >= segments_count(log) ||
        log_durable_end(log) <= segment_at(log, ordinal + 1)->first_address + LOG_SEGMENT_HEADER_BYTES)
        return edda_fail_with(error, EDDA_EBUSY, "the segment is not sealed, or the next one not begun");
    rw = calloc(1, sizeof(*rw));
    if (!rw)
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory");
    rw->log = log;
    rw->thins = thins;
    rw->segment = segment_at(log, ordinal);
    rw->used = segment_at(log, ordinal + 1)->first_address - rw->segment->first_address;
    arena_init(&rw->arena, 0, 0);
    r = segment_view(log, rw->segment, &rw->view, error);
    if (r == 0)
        r = paths_make(rw, error);
    if (r == 0)
        r = header_make(rw, error);
    if (r < 0) {
        log_rewrite_abort(rw);
        return r;
    }
    *ret_rewrite = rw;
    return 0;
}

/* --- going through the frames ---------------------------------------------------------------------------- */

static int piece_add(struct log_rewrite *rw, uint64_t offset, struct slice bytes)
{
    if (!array_reserve(&rw->pieces, &rw->piece_capacity, (uint64_t)rw->piece_count + 1, sizeof(*rw->pieces)))
        return EDDA_ENOMEM;
    if (bytes.len)
        rw->pieces[rw->piece_count++] = (struct piece){ offset, bytes };
    return 0;
}

/* Puts a frame's header where it was, chained to what is before it now. */
static int header_add(struct log_rewrite *rw, struct frame_header *h)
{
    uint8_t *bytes = arena_bytes(&rw->arena, LOG_FRAME_HEADER_BYTES);

    if (!bytes)
        return EDDA_ENOMEM;
    h->previous = rw->chain;
    frame_header_encode(bytes, rw->segment->seed, h);
    rw->chain = h->crc;
    return piece_add(rw, h->address - rw->segment->first_address, slice_of(bytes, LOG_FRAME_HEADER_BYTES));
}

int log_rewrite_next(struct log_rewrite *rw, struct log_frame *ret_frame, struct edda_error *error)
{
    ASSERT(!rw->given && rw->result == 0);
    for (;;) {
        uint64_t at = rw->walk.offset;
        const char *reason;

        if (rw->walk.flags & FRAME_FOOTER)
            return 0;
        reason = walk_next(&rw->walk, &rw->frame);
        if (reason)
            return segment_damaged(rw->segment, at, reason, error);
        if (rw->frame.flags & FRAME_FOOTER && rw->walk.offset != rw->used)
            return segment_damaged(rw->segment, at, "its footer is not where it ends", error);
        if (rw->frame.flags & FRAME_FOOTER)
            return 0;
        rw->given = true;
        /* A clean end says what was synced when, which no one asks any more; but it must not stand inside of a gap's stretch alone. */
        if (rw->frame.flags & FRAME_CLEAN) {
            int r = rw->in_gap ? log_rewrite_remove(rw) : log_rewrite_keep(rw, 0);

            if (r < 0)
                return edda_fail_with(error, r, "out of memory");
            continue;
        }
        *ret_frame = (struct log_frame){
            .address = rw->frame.address,
            .next = rw->segment->first_address + rw->walk.offset,
            .first_position = rw->frame.first_position,
            .position_count = rw->frame.position_count,
            .time_ms = rw->frame.time_ms,
            .removed = rw->frame.flags & FRAME_GAP,
            .body = slice_of(rw->view->data + at + LOG_FRAME_HEADER_BYTES,
                             rw->frame.flags & FRAME_GAP ? rw->frame.stored : rw->frame.length),
        };
        return 1;
    }
}

/* Puts a body where it was, but for the whole blocks of the file in which it is zero: what is not written is a hole. */
static int body_add_sparse(struct log_rewrite *rw, uint64_t offset, struct slice body)
{
    size_t from = 0, at = 0;
    int r = 0;

    while (r == 0 && at < body.len) {
        size_t to_block = (size_t)((0 - (offset + at)) & (TOUCH_BYTES - 1));
        size_t zeros;

        at += to_block;
        zeros = at < body.len ? (size_t)zeros_at(body.data + at, body.len - at) / TOUCH_BYTES * TOUCH_BYTES : 0;
        if (zeros == 0) {
            at += TOUCH_BYTES;
            continue;
        }
        r = piece_add(rw, offset + from, slice_of(body.data + from, at - from));
        at += zeros;
        from = at;
    }
    if (r == 0 && from < body.len)
        r = piece_add(rw, offset + from, slice_of(body.data + from, body.len - from));
    return r;
}

/* Keeps the frame with these bytes as its body and padding. */
static int frame_keep(struct log_rewrite *rw, struct frame_header *h, struct slice body, uint64_t spare)
{
    uint64_t offset = h->address - rw->segment->first_address + LOG_FRAME_HEADER_BYTES;

    ASSERT(rw->given && !rw->in_gap && !(h->flags & FRAME_GAP) && spare <= body.len);
    rw->given = false;
    rw->freed += spare;
    if (header_add(rw, h) < 0)
        return EDDA_ENOMEM;
    return spare < TOUCH_BYTES ? piece_add(rw, offset, body) : body_add_sparse(rw, offset, body);
}

int log_rewrite_keep(struct log_rewrite *rw, uint64_t spare)
{
    struct frame_header h = rw->frame;
    uint64_t body = h.address - rw->segment->first_address + LOG_FRAME_HEADER_BYTES;

    return frame_keep(rw, &h, slice_of(rw->view->data + body, frame_bytes(h.length) - LOG_FRAME_HEADER_BYTES), spare);
}

int log_rewrite_replace(struct log_rewrite *rw, struct slice body, uint64_t spare)
{
    struct frame_header h = rw->frame;
    size_t bytes = (size_t)(frame_bytes(h.length) - LOG_FRAME_HEADER_BYTES);
    uint8_t *copy = arena_bytes(&rw->arena, bytes);

    ASSERT(rw->thins && body.len == h.length);
    if (!copy)
        return EDDA_ENOMEM;
    memcpy(copy, body.data, body.len);
    memset(copy + body.len, 0, bytes - body.len);
    h.body_crc = crc32c(body);
    return frame_keep(rw, &h, slice_of(copy, bytes), spare);
}

int log_rewrite_remove(struct log_rewrite *rw)
{
    const struct frame_header *h = &rw->frame;

    ASSERT(rw->given);
    rw->given = false;
    if (!rw->in_gap) {
        rw->gap = *h;
        rw->gap.flags = FRAME_GAP;
        rw->gap.length = (uint32_t)(frame_bytes(h->length) - LOG_FRAME_HEADER_BYTES);
        rw->in_gap = true;
        return 0;
    }
    rw->gap.length += (uint32_t)frame_bytes(h->length);
    rw->gap.position_count += h->position_count;
    rw->gap.durable = h->durable;
    rw->gap.time_ms = h->time_ms;
    return 0;
}

uint64_t log_rewrite_room(const struct log_rewrite *rw)
{
    return rw->in_gap ? rw->gap.length : 0;
}

int log_rewrite_left(struct log_rewrite *rw, struct slice left)
{
    uint64_t body = rw->gap.address - rw->segment->first_address + LOG_FRAME_HEADER_BYTES;
    struct slice copy;

    if (!rw->in_gap)
        return 0;
    ASSERT(left.len <= rw->gap.length);
    copy = arena_copy(&rw->arena, left);
    if (left.len && !copy.data)
        return EDDA_ENOMEM;
    rw->gap.stored = (uint32_t)left.len;
    rw->gap.body_crc = crc32c(left);
    /* `durable` may not say more than the address of the frame that says it. */
    if (rw->gap.durable > rw->gap.address)
        rw->gap.durable = rw->gap.address;
    rw->freed += rw->gap.length - left.len;
    rw->in_gap = false;
    if (header_add(rw, &rw->gap) < 0)
        return EDDA_ENOMEM;
    return piece_add(rw, body, copy);
}

/* --- writing --------------------------------------------------------------------------------------------- */

static int file_open(struct log_rewrite *rw)
{
    struct slice header = slice_of(rw->header, sizeof(rw->header));
    int r;

    if (rw->file)
        return 0;
    (void)io_file_remove(rw->log->io, rw->left_path);
    rw->begun = true;
    r = io_file_open(rw->log->io, rw->left_path, IO_WRITE | IO_CREATE | IO_EXCLUSIVE, &rw->file, NULL);
    return r < 0 ? r : io_file_write(rw->log->io, rw->file, &header, 1, 0);
}

static int pieces_write(struct log_rewrite *rw)
{
    struct slice parts[WRITE_PARTS];
    int r = 0;

    for (size_t i = 0; r == 0 && i < rw->piece_count;) {
        uint64_t from = rw->pieces[i].offset, to = from;
        size_t count = 0;

        for (; i < rw->piece_count && count < WRITE_PARTS && rw->pieces[i].offset == to; i++) {
            parts[count++] = rw->pieces[i].bytes;
            to += rw->pieces[i].bytes.len;
        }
        r = io_file_write(rw->log->io, rw->file, parts, count, from);
    }
    rw->piece_count = 0;
    arena_reset(&rw->arena);
    return r;
}

void log_rewrite_write(struct log_rewrite *rw, uint64_t ahead)
{
    uint64_t end = rw->walk.offset + ahead < rw->used ? rw->walk.offset + ahead : rw->used;

    if (rw->result == 0 && rw->piece_count)
        rw->result = file_open(rw);
    if (rw->result == 0 && rw->piece_count)
        rw->result = pieces_write(rw);
    for (uint64_t at = rw->walk.offset; at < end; at += TOUCH_BYTES)
        (void)*(const volatile uint8_t *)(rw->view->data + at);
}

void log_rewrite_finish(struct log_rewrite *rw)
{
    struct frame_header footer = rw->frame;
    struct io *io = rw->log->io;
    int r = rw->result;

    ASSERT(rw->walk.flags & FRAME_FOOTER && !rw->in_gap);
    footer.stored = (uint32_t)rw->freed;
    if (r == 0)
        r = header_add(rw, &footer);
    if (r == 0)
        r = file_open(rw);
    if (r == 0)
        r = pieces_write(rw);
    if (r == 0)
        r = io_file_sync(io, rw->file);
    io_file_close(io, rw->file);
    rw->file = NULL;
    if (r == 0) {
        r = io_file_rename(io, rw->left_path, rw->path);
        rw->renamed = r == 0;
    }
    /* When the directory cannot be synced, a crash may bring the old file back, which is as good. */
    if (r == 0)
        (void)io_dir_sync(io, rw->log->dir);
    rw->result = r;
}

int log_rewrite_result(const struct log_rewrite *rw)
{
    return rw->result;
}

static void rewrite_free(struct log_rewrite *rw)
{
    arena_deinit(&rw->arena);
    free(rw->pieces);
    free(rw);
}

void log_rewrite_end(struct log_rewrite *rw, uint64_t *ret_freed)
{
    struct segment *segment = rw->segment;
    struct segment_header h;
    bool whole = segment_header_decode(rw->header, &h);

    ASSERT(rw->renamed && whole);
    if (ret_freed)
        *ret_freed = rw->freed > segment->freed ? rw->freed - segment->freed : 0;
    segment->rewritten = true;
    segment->thinned = h.incompatible & FORMAT_THINNED;
    segment->footer_was = h.footer_was;
    segment->footer_is = rw->chain;
    segment->freed = (uint32_t)rw->freed;
    (void)segment_view_renew(rw->log, segment);
    rw->log->rewrites++;
    rw->log->has_gaps = true;
    rewrite_free(rw);
}

void log_rewrite_abort(struct log_rewrite *rw)
{
    if (!rw)
        return;
    io_file_close(rw->log->io, rw->file);
    if (rw->begun && !rw->renamed)
        (void)io_file_remove(rw->log->io, rw->left_path);
    rewrite_free(rw);
}
