/*
 * Walking through the frames of a segment, over its bytes in memory. A frame is whole when its header stands alone (magic, checksum, the
 * address where it lies), its body lies within the segment and matches its checksum, the padding is zero, and it
 * follows the frame before it.
 */
#include "log/parts.h"

#include "base/crc32c.h"

#define BLOCK_BYTES 64

void walk_init(struct walk *w, const struct segment *segment, const uint8_t *data, uint64_t len)
{
    *w = (struct walk){
        .data = data,
        .len = len,
        .seed = segment->seed,
        .first_address = segment->first_address,
        .offset = LOG_SEGMENT_HEADER_BYTES,
    };
}

static uint64_t word_at(const uint8_t *at)
{
    uint64_t word;

    memcpy(&word, at, sizeof(word));
    return word;
}

uint64_t zeros_at(const uint8_t *data, uint64_t len)
{
    uint64_t at = 0;

    for (; len - at >= BLOCK_BYTES; at += BLOCK_BYTES) {
        uint64_t any = 0;

        for (size_t i = 0; i < BLOCK_BYTES; i += sizeof(uint64_t))
            any |= word_at(data + at + i);
        if (any)
            break;
    }
    for (; len - at >= sizeof(uint64_t); at += sizeof(uint64_t))
        if (word_at(data + at))
            return at;
    for (uint64_t i = at; i < len; i++)
        if (data[i])
            return at;
    return len;
}

/* The header at an offset, as far as it can be judged alone. */
static const char *header_at(const struct walk *w, uint64_t offset, struct frame_header *ret_frame)
{
    struct frame_header h;
    const char *reason;

    if (offset > w->len || w->len - offset < LOG_FRAME_HEADER_BYTES)
        return "no frame begins there";
    reason = frame_header_decode(w->data + offset, w->seed, &h);
    if (reason)
        return reason;
    if (h.address != w->first_address + offset)
        return "a frame of another address lies there";
    *ret_frame = h;
    return NULL;
}

static const char *body_at(const struct walk *w, uint64_t offset, const struct frame_header *h)
{
    const uint8_t *body = w->data + offset + LOG_FRAME_HEADER_BYTES;
    uint64_t bytes = frame_bytes(h->length);

    if (bytes > w->len - offset)
        return "a frame runs past the end of its segment";
    if (crc32c(slice_of(body, h->flags & FRAME_GAP ? h->stored : h->length)) != h->body_crc)
        return "the checksum of a frame's body does not match";
    for (uint64_t i = h->length; i < bytes - LOG_FRAME_HEADER_BYTES; i++)
        if (body[i])
            return "the bytes between two frames are not zero";
    return NULL;
}

static const char *chain_check(const struct walk *w, const struct frame_header *h)
{
    if (w->flags & FRAME_FOOTER)
        return "a frame lies behind the footer";
    if (!w->chained)
        return NULL;
    if (h->previous != w->chain)
        return "a frame does not follow the one before it";
    if (h->first_position != w->position || h->durable < w->durable)
        return "the positions of a frame do not follow those before it";
    if (h->time_ms < w->time_ms)
        return "a frame is older than the one before it";
    return NULL;
}

/* What both moves over a frame have in common. */
static const char *frame_pass(struct walk *w, bool with_body, struct frame_header *ret_frame)
{
    struct frame_header h;
    const char *reason = header_at(w, w->offset, &h);

    if (!reason)
        reason = chain_check(w, &h);
    if (!reason && with_body)
        reason = body_at(w, w->offset, &h);
    if (!reason && frame_bytes(h.length) > w->len - w->offset)
        reason = "a frame runs past the end of its segment";
    if (reason)
        return reason;
    w->offset += frame_bytes(h.length);
    w->chained = true;
    w->chain = h.crc;
    w->position = h.first_position + h.position_count;
    w->time_ms = h.time_ms;
    w->durable = h.durable;
    w->flags = h.flags;
    *ret_frame = h;
    return NULL;
}

const char *walk_next(struct walk *w, struct frame_header *ret_frame)
{
    return frame_pass(w, true, ret_frame);
}

const char *walk_header(struct walk *w, struct frame_header *ret_frame)
{
    return frame_pass(w, false, ret_frame);
}

bool walk_skip(struct walk *w)
{
    struct frame_header h;

    for (uint64_t at = w->offset + FRAME_ALIGNMENT; at < w->len; at += FRAME_ALIGNMENT) {
        at += zeros_at(w->data + at, w->len - at) / FRAME_ALIGNMENT * FRAME_ALIGNMENT;
        if (w->len - at < LOG_FRAME_HEADER_BYTES)
            break;
        if (header_at(w, at, &h) || body_at(w, at, &h))
            continue;
        w->offset = at;
        w->chained = false;
        w->flags = 0;
        return true;
    }
    return false;
}

struct tail walk_tail(const struct walk *w)
{
    struct tail tail = { .used = w->offset };
    struct frame_header h;

    for (uint64_t at = w->offset; at < w->len; at += FRAME_ALIGNMENT) {
        at += zeros_at(w->data + at, w->len - at);
        if (at >= w->len)
            break;
        tail.used = at + FRAME_ALIGNMENT < w->len ? at + FRAME_ALIGNMENT : w->len;
        /* Where the walk stopped a header may be whole and only its body torn: what it says counts. */
        if (frame_magic_at(w->data + at) && !header_at(w, at, &h) && h.durable > tail.durable)
            tail.durable = h.durable;
    }
    return tail;
}
