/*
 * Recovery, salvage and verification of segments that hold anything. The input is a small program that lays segments out: frames that are
 * right, frames with one field changed and their checksums made anew (so that what a checksum would hide is reached), raw bytes, holes,
 * flipped bits, footers and further segments.
 *
 * Whatever lies there: nothing is read outside of it, damage is told by its code, and a log that does open goes
 * on: what it holds and what is appended is there when it is opened again.
 */
#include <stdlib.h>

#include "base/assert.h"
#include "base/crc32c.h"
#include "base/cursor.h"
#include "base/put.h"
#include "fuzz.h"
#include "io/simulated.h"
#include "log/format.h"
#include "log/log.h"

#define SEGMENT_BYTES ((size_t)64 << 10)
#define SEGMENTS_MAX 4
#define PATH "data"
#define INPUT_MAX 4096

enum op {
    OP_FRAME,
    OP_CHANGED,
    OP_BYTES,
    OP_HOLE,
    OP_CLEAN,
    OP_FOOTER,
    OP_SEGMENT,
    OP_HEADER,
    OP_FLIP,
    OP_NOTE,
    OP_FRONT,
    OP_COUNT
};

/* The log as it is laid out. */
struct layout {
    uint8_t bytes[SEGMENTS_MAX][SEGMENT_BYTES];
    struct segment_header headers[SEGMENTS_MAX];
    size_t count;           /* of segments */
    size_t at;              /* byte in the last one */
    uint32_t chain;
    uint64_t position;
    uint8_t note[NOTE_BYTES];
    bool has_note;
    uint8_t front[FRONT_BYTES + UINT8_MAX];
    size_t front_bytes;
};

static struct layout layout;

static void segment_begin(struct layout *l)
{
    struct segment_header *h;

    if (l->count == SEGMENTS_MAX)
        return;
    h = &l->headers[l->count];
    *h = (struct segment_header){
        .format = FORMAT_NUMBER, .number = l->count + 1, .segment_bytes = SEGMENT_BYTES, .previous = l->chain,
        .first_address = l->count ? l->headers[l->count - 1].first_address + l->at : 0, .first_position = l->position,
    };
    l->count++;
    segment_header_encode(l->bytes[l->count - 1], h);
    l->chain = h->crc;
    l->at = LOG_SEGMENT_HEADER_BYTES;
}

/* One field of a header becomes what the input says. */
static void change_field(struct frame_header *h, uint8_t which, uint64_t value)
{
    switch (which % 9) {
    case 0: h->length = (uint32_t)value; break;
    case 1: h->body_crc = (uint32_t)value; break;
    case 2: h->address = value; break;
    case 3: h->first_position = value; break;
    case 4: h->durable = value; break;
    case 5: h->time_ms = (int64_t)value; break;
    case 6: h->position_count = (uint32_t)value; break;
    case 7: h->previous = (uint32_t)value; break;
    default: h->flags = (uint32_t)value; break;
    }
}

static void frame_lay(struct layout *l, struct cursor *c, uint32_t flags, bool changed)
{
    struct segment_header *segment = &l->headers[l->count - 1];
    uint8_t *at = l->bytes[l->count - 1] + l->at;
    size_t len = flags ? 0 : cursor_u8(c);
    struct frame_header h = {
        .length = (uint32_t)len, .address = segment->first_address + l->at, .first_position = l->position,
        .durable = segment->first_address + l->at, .previous = l->chain, .flags = flags, .position_count = !flags,
    };

    if (l->at + frame_bytes(len) > SEGMENT_BYTES)
        return;
    memset(at, 0, frame_bytes(len));
    memset(at + LOG_FRAME_HEADER_BYTES, 'x', len);
    h.body_crc = crc32c(slice_of(at + LOG_FRAME_HEADER_BYTES, len));
    if (changed) {
        uint8_t which = cursor_u8(c);
        change_field(&h, which, cursor_le64(c));
    }
    frame_header_encode(at, frame_seed(segment->id, segment->number), &h);
    l->chain = h.crc;
    l->position += h.position_count;
    l->at += frame_bytes(len);
}

static void header_change(struct layout *l, struct cursor *c)
{
    size_t which = cursor_u8(c) % l->count;
    struct segment_header *h = &l->headers[which];
    struct segment_header changed = *h;
    uint8_t field = cursor_u8(c);
    uint64_t value = cursor_le64(c);

    switch (field % 8) {
    case 0: changed.format = (uint32_t)value; break;
    case 1: changed.incompatible = value; break;
    case 2: changed.number = value; break;
    case 3: changed.segment_bytes = value; break;
    case 4: changed.first_address = value; break;
    case 5: changed.first_position = value; break;
    case 6: changed.created_ms = (int64_t)value; break;
    default: changed.id[0] = (uint8_t)value; break;
    }
    segment_header_encode(l->bytes[which], &changed);
}

/* The log begins with a later segment; one field is perhaps not that segment's. */
static void front_lay(struct layout *l, struct cursor *c)
{
    const struct segment_header *h = &l->headers[cursor_u8(c) % l->count];
    struct front f = { .number = h->number, .address = h->first_address, .position = h->first_position, .previous = h->previous };
    struct slice left;

    memcpy(f.id, h->id, sizeof(f.id));
    switch (cursor_u8(c) % 8) {
    case 0: f.number = cursor_le64(c); break;
    case 1: f.address = cursor_le64(c); break;
    case 2: f.position = cursor_le64(c); break;
    case 3: f.previous = cursor_le32(c); break;
    case 4: f.id[0] = cursor_u8(c); break;
    default: break;
    }
    left = cursor_bytes(c, cursor_u8(c));
    front_encode(l->front, &f, left);
    if (left.len)
        memcpy(l->front + FRONT_BYTES, left.data, left.len);
    l->front_bytes = FRONT_BYTES + left.len;
}

static void op_run(struct layout *l, struct cursor *c)
{
    size_t room = SEGMENT_BYTES - l->at;
    struct slice bytes;
    uint32_t where;

    switch ((enum op)(cursor_u8(c) % OP_COUNT)) {
    case OP_FRAME: frame_lay(l, c, 0, false); break;
    case OP_CHANGED: frame_lay(l, c, 0, true); break;
    case OP_CLEAN: frame_lay(l, c, FRAME_CLEAN, false); break;
    case OP_FOOTER: frame_lay(l, c, FRAME_FOOTER, false); break;
    case OP_SEGMENT: segment_begin(l); break;
    case OP_HEADER: header_change(l, c); break;
    case OP_BYTES:
        bytes = cursor_bytes(c, cursor_u8(c));
        if (bytes.len <= room && bytes.len)
            memcpy(l->bytes[l->count - 1] + l->at, bytes.data, bytes.len);
        l->at += bytes.len <= room ? bytes.len / FRAME_ALIGNMENT * FRAME_ALIGNMENT : 0;
        break;
    case OP_HOLE:
        l->at += cursor_u8(c) * (size_t)FRAME_ALIGNMENT;
        if (l->at > SEGMENT_BYTES)
            l->at = SEGMENT_BYTES;
        break;
    case OP_FLIP:
        where = cursor_le32(c);
        l->bytes[where >> 24 & (SEGMENTS_MAX - 1)][where % SEGMENT_BYTES] ^= (uint8_t)(1u << (where >> 16 & 7));
        break;
    case OP_NOTE:
        note_encode(l->note, &(struct note){ .durable = cursor_le32(c) });
        l->has_note = true;
        break;
    case OP_FRONT: front_lay(l, c); break;
    case OP_COUNT:
        break;
    }
}

static void file_write(struct io *io, const char *path, struct slice bytes)
{
    struct io_file *file;

    ASSERT(io_file_open(io, path, IO_WRITE | IO_CREATE, &file, NULL) == 0);
    ASSERT(io_file_write(io, file, &bytes, 1, 0) == 0);
    io_file_close(io, file);
}

static void layout_write(struct io *io, const struct layout *l)
{
    static const char *const paths[SEGMENTS_MAX] = {
        PATH "/log/0000000000000001.seg", PATH "/log/0000000000000002.seg",
        PATH "/log/0000000000000003.seg", PATH "/log/0000000000000004.seg",
    };

    ASSERT(io_dir_make(io, PATH "/log", NULL) == 0);
    for (size_t i = 0; i < l->count; i++)
        file_write(io, paths[i], slice_of(l->bytes[i], SEGMENT_BYTES));
    if (l->has_note)
        file_write(io, PATH "/log/durable", slice_of(l->note, sizeof(l->note)));
    if (l->front_bytes)
        file_write(io, PATH "/log/front", slice_of(l->front, l->front_bytes));
}

static int visit(void *user, const struct log_frame *frame)
{
    uint32_t crc = crc32c(frame->body);

    *(uint64_t *)user = *(uint64_t *)user * 31 + crc + frame->first_position;
    return 0;
}

static void salvage(struct io *io)
{
    struct log_options options = { .segment_bytes = SEGMENT_BYTES, .salvage = true };
    struct buffer scratch = BUFFER_EMPTY;
    log_address address = 0;
    struct log_frame frame;
    struct log *log;
    uint64_t sum = 0;
    int r = log_open(io, PATH, &options, &log, NULL, NULL);

    if (r < 0) {
        ASSERT(r == EDDA_ECORRUPT || r == EDDA_EFORMAT);
        return;
    }
    ASSERT(log_scan(log, 0, visit, NULL, &sum, NULL) == 0);
    ASSERT(log_verify(log, NULL, NULL, NULL) >= 0);
    while (log_read(log, address, &scratch, &frame, NULL) == 0)
        address = frame.next;
    buffer_deinit(&scratch);
    log_close(log);
}

/* Opens the log; what its frames sum up to, or -1 when it is refused. */
static int64_t open_and_sum(struct io *io, bool append)
{
    struct log_options options = { .segment_bytes = SEGMENT_BYTES };
    struct slice body = SLICE("appended");
    struct log *log;
    uint64_t sum = 1;
    log_address address;
    int r = log_open(io, PATH, &options, &log, NULL, NULL);

    if (r < 0) {
        /* A header may say that its segment is larger than the disk. */
        ASSERT(r == EDDA_ECORRUPT || r == EDDA_EFORMAT || r == EDDA_EFULL);
        return -1;
    }
    r = log_scan(log, 0, visit, NULL, &sum, NULL);
    ASSERT(r == 0 || r == EDDA_ECORRUPT);
    if (append) {
        ASSERT(log_reserve(log, body.len, NULL) == 0);
        log_frame_append(log, &body, 1, 1, log_time_ms(log), &address);
        sum = sum * 31 + crc32c(body) + log_next_position(log) - 1;
    }
    log_close(log);
    return r ? 0 : (int64_t)(sum >> 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct io_simulated_options options = { .seed = 1 };
    static struct io *io;
    struct cursor c = cursor_of(slice_of(data, size < INPUT_MAX ? size : INPUT_MAX));
    int64_t sum;

    if (!io)
        io = io_simulated_new(&options);
    ASSERT(io);
    io_simulated_reset(io, &options);
    memset(&layout, 0, sizeof(layout));
    segment_begin(&layout);
    while (cursor_left(&c) > 0)
        op_run(&layout, &c);
    layout_write(io, &layout);
    salvage(io);
    sum = open_and_sum(io, true);
    if (sum >= 0)
        ASSERT(open_and_sum(io, false) == sum);
    io_simulated_crash(io, true);
    return 0;
}
