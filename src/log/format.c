/* format: see format.h. */
#include "log/format.h"

#include "base/crc32c.h"
#include "base/put.h"

#define OFFSET(type, member) offsetof(struct type##_layout, member)

static uint32_t le32(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static uint64_t le64(const uint8_t *at)
{
    return le32(at) | (uint64_t)le32(at + 4) << 32;
}

void segment_header_encode(uint8_t *at, struct segment_header *h)
{
    static const uint8_t zeros[LOG_SEGMENT_HEADER_BYTES - SEGMENT_HEADER_USED_BYTES];
    size_t from = OFFSET(segment_header, format);
    uint8_t *p = at;

    p = put_slice(p, SLICE(SEGMENT_MAGIC));
    p = put_le32(p, 0);
    p = put_le32(p, h->format);
    p = put_le64(p, h->compatible);
    p = put_le64(p, h->incompatible);
    p = put_slice(p, slice_of(h->id, sizeof(h->id)));
    p = put_le64(p, h->number);
    p = put_le64(p, h->segment_bytes);
    p = put_le64(p, h->first_address);
    p = put_le64(p, h->first_position);
    p = put_le64(p, (uint64_t)h->created_ms);
    p = put_le32(p, h->previous);
    p = put_le32(p, h->footer_was);
    memset(p, 0, sizeof(h->release) - 1);
    memcpy(p, h->release, strnlen(h->release, sizeof(h->release) - 1));
    put_le32(at + OFFSET(segment_header, contents), h->contents);
    h->crc = crc32c(slice_of(at + from, SEGMENT_HEADER_USED_BYTES - from));
    h->crc = crc32c_extend(h->crc, slice_of(zeros, sizeof(zeros)));
    put_le32(at + OFFSET(segment_header, crc), h->crc);
}

bool segment_header_decode(const uint8_t *at, struct segment_header *ret_header)
{
    size_t from = OFFSET(segment_header, format);
    struct segment_header h = { .crc = le32(at + OFFSET(segment_header, crc)) };

    if (memcmp(at, SEGMENT_MAGIC, sizeof(SEGMENT_MAGIC) - 1) != 0)
        return false;
    if (crc32c(slice_of(at + from, LOG_SEGMENT_HEADER_BYTES - from)) != h.crc)
        return false;
    h.format = le32(at + from);
    h.compatible = le64(at + OFFSET(segment_header, compatible));
    h.incompatible = le64(at + OFFSET(segment_header, incompatible));
    memcpy(h.id, at + OFFSET(segment_header, id), sizeof(h.id));
    h.number = le64(at + OFFSET(segment_header, number));
    h.segment_bytes = le64(at + OFFSET(segment_header, segment_bytes));
    h.first_address = le64(at + OFFSET(segment_header, first_address));
    h.first_position = le64(at + OFFSET(segment_header, first_position));
    h.created_ms = (int64_t)le64(at + OFFSET(segment_header, created_ms));
    h.previous = le32(at + OFFSET(segment_header, previous));
    h.footer_was = le32(at + OFFSET(segment_header, footer_was));
    memcpy(h.release, at + OFFSET(segment_header, release), sizeof(h.release) - 1);
    h.contents = le32(at + OFFSET(segment_header, contents));
    *ret_header = h;
    return true;
}

uint32_t frame_seed(const uint8_t *id, uint64_t segment_number)
{
    uint8_t bytes[LOG_ID_BYTES + 8];

    memcpy(bytes, id, LOG_ID_BYTES);
    put_le64(bytes + LOG_ID_BYTES, segment_number);
    return crc32c(slice_of(bytes, sizeof(bytes)));
}

void frame_header_encode(uint8_t *at, uint32_t seed, struct frame_header *h)
{
    size_t from = OFFSET(frame_header, length);
    uint8_t *p = at;

    p = put_le32(p, FRAME_MAGIC);
    p = put_le32(p, 0);
    p = put_le32(p, h->length);
    p = put_le32(p, h->body_crc);
    p = put_le64(p, h->address);
    p = put_le64(p, h->first_position);
    p = put_le64(p, h->durable);
    p = put_le64(p, (uint64_t)h->time_ms);
    p = put_le32(p, h->position_count);
    p = put_le32(p, h->previous);
    p = put_le32(p, h->flags);
    put_le32(p, h->stored);
    h->crc = crc32c_extend(seed, slice_of(at + from, LOG_FRAME_HEADER_BYTES - from));
    put_le32(at + OFFSET(frame_header, crc), h->crc);
}

bool frame_magic_at(const uint8_t *at)
{
    return le32(at) == FRAME_MAGIC;
}

const char *frame_header_decode(const uint8_t *at, uint32_t seed, struct frame_header *ret_header)
{
    size_t from = OFFSET(frame_header, length);
    struct frame_header h = { .crc = le32(at + OFFSET(frame_header, crc)) };

    if (!frame_magic_at(at))
        return "no frame begins there";
    if (crc32c_extend(seed, slice_of(at + from, LOG_FRAME_HEADER_BYTES - from)) != h.crc)
        return "the checksum of a frame header does not match";
    h.length = le32(at + from);
    h.body_crc = le32(at + OFFSET(frame_header, body_crc));
    h.address = le64(at + OFFSET(frame_header, address));
    h.first_position = le64(at + OFFSET(frame_header, first_position));
    h.durable = le64(at + OFFSET(frame_header, durable));
    h.time_ms = (int64_t)le64(at + OFFSET(frame_header, time_ms));
    h.position_count = le32(at + OFFSET(frame_header, position_count));
    h.previous = le32(at + OFFSET(frame_header, previous));
    h.flags = le32(at + OFFSET(frame_header, flags));
    h.stored = le32(at + OFFSET(frame_header, stored));
    if ((h.flags & ~FRAME_FLAGS_KNOWN) || (h.stored && !(h.flags & (FRAME_GAP | FRAME_FOOTER))))
        return "a frame header has flags that this release does not know";
    if (h.address > UINT64_MAX / 2 || h.first_position > UINT64_MAX / 2)
        return "a frame has an impossible address or position";
    if (h.durable > h.address)
        return "a frame claims to have been durable before it was written";
    if (h.time_ms < 0 || h.time_ms > FRAME_TIME_MS_MAX)
        return "a frame has an impossible time";
    if (h.flags & FRAME_GAP ? h.flags != FRAME_GAP || h.stored > h.length || h.length % FRAME_ALIGNMENT : h.flags && (h.length || h.position_count))
        return h.flags & FRAME_GAP ? "a gap has an impossible size" : "a closing frame has a body";
    *ret_header = h;
    return NULL;
}

void note_encode(uint8_t *at, const struct note *note)
{
    size_t from = OFFSET(note, reserved);
    uint8_t *p = at;

    p = put_slice(p, SLICE(NOTE_MAGIC));
    p = put_le32(p, 0);
    p = put_le32(p, 0);
    p = put_slice(p, slice_of(note->id, sizeof(note->id)));
    p = put_le64(p, note->durable);
    p = put_le64(p, note->position);
    p = put_le64(p, (uint64_t)note->time_ms);
    put_le64(p, 0);
    put_le32(at + OFFSET(note, crc), crc32c(slice_of(at + from, NOTE_BYTES - from)));
}

bool note_decode(const uint8_t *at, struct note *ret_note)
{
    size_t from = OFFSET(note, reserved);
    struct note n;

    if (memcmp(at, NOTE_MAGIC, sizeof(NOTE_MAGIC) - 1) != 0)
        return false;
    if (crc32c(slice_of(at + from, NOTE_BYTES - from)) != le32(at + OFFSET(note, crc)))
        return false;
    memcpy(n.id, at + OFFSET(note, id), sizeof(n.id));
    n.durable = le64(at + OFFSET(note, durable));
    n.position = le64(at + OFFSET(note, position));
    n.time_ms = (int64_t)le64(at + OFFSET(note, time_ms));
    *ret_note = n;
    return true;
}

/* The checksum of all behind its field. */
static uint32_t front_crc(const uint8_t *at, struct slice left)
{
    size_t from = OFFSET(front, reserved);

    return crc32c_extend(crc32c(slice_of(at + from, FRONT_BYTES - from)), left);
}

void front_encode(uint8_t *at, const struct front *front, struct slice left)
{
    uint8_t *p = at;

    p = put_slice(p, SLICE(FRONT_MAGIC));
    p = put_le32(p, 0);
    p = put_le32(p, 0);
    p = put_slice(p, slice_of(front->id, sizeof(front->id)));
    p = put_le64(p, front->number);
    p = put_le64(p, front->address);
    p = put_le64(p, front->position);
    p = put_le32(p, front->previous);
    put_le32(p, (uint32_t)left.len);
    put_le32(at + OFFSET(front, crc), front_crc(at, left));
}

bool front_decode(const uint8_t *at, struct slice left, struct front *ret_front)
{
    struct front f;

    if (memcmp(at, FRONT_MAGIC, sizeof(FRONT_MAGIC) - 1) != 0 || le32(at + OFFSET(front, crc)) != front_crc(at, left))
        return false;
    memcpy(f.id, at + OFFSET(front, id), sizeof(f.id));
    f.number = le64(at + OFFSET(front, number));
    f.address = le64(at + OFFSET(front, address));
    f.position = le64(at + OFFSET(front, position));
    f.previous = le32(at + OFFSET(front, previous));
    if (f.number < 2 || f.address % FRAME_ALIGNMENT || f.address > UINT64_MAX / 2 || f.position > UINT64_MAX / 2 ||
        le32(at + OFFSET(front, left)) != left.len)
        return false;
    *ret_front = f;
    return true;
}
