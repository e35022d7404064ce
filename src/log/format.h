/*
 * format: the bytes of the log on the disk. docs/internals/log-format.md says in prose what they mean, what a
 * crash may leave of them and how they are read; this file has their layout, and format.c turns them into structs and back.
 *
 * All integers are little-endian. Nothing here reads or writes a file.
 */
#ifndef EDDA_LOG_FORMAT_H
#define EDDA_LOG_FORMAT_H

#include "base/slice.h"
#include "log/log.h"

#define FORMAT_NUMBER 1
#define FORMAT_COMPATIBLE UINT64_C(0)   /* feature bits that older readers may ignore */
#define FORMAT_REWRITTEN UINT64_C(1)     /* of a segment: it was written again without some of its frames */
#define FORMAT_GAPS UINT64_C(2)          /* of a segment: frames that are gaps may have been appended to it */
#define FORMAT_THINNED UINT64_C(4)       /* of a segment: bodies of its frames were replaced by others that say less */
#define FORMAT_INCOMPATIBLE (FORMAT_REWRITTEN | FORMAT_GAPS | FORMAT_THINNED) /* feature bits that readers must know: those that this one does */

#define SEGMENT_MAGIC "EDDA-LOG"
#define NOTE_MAGIC "EDDA-DUR"
#define FRONT_MAGIC "EDDA-FRT"
#define FRAME_MAGIC UINT32_C(0x4d524645) /* the bytes "EFRM" */

#define LOG_ID_BYTES 16
#define FRAME_ALIGNMENT 8
#define SECTOR_ATOMIC_BYTES 512
#define SEGMENT_HEADER_USED_BYTES 132 /* the rest of LOG_SEGMENT_HEADER_BYTES is zero */
#define NOTE_BYTES 64
#define FRONT_BYTES 64 /* without what is left */
/* Kept free behind every frame that holds a body: a clean end and the footer always fit. */
#define SEGMENT_RESERVED_BYTES (2 * LOG_FRAME_HEADER_BYTES)

enum frame_flag {
    FRAME_FOOTER = 1, /* the last of its segment, which is sealed */
    FRAME_CLEAN = 2,  /* the log was closed; all before it had been synced */
    FRAME_GAP = 4     /* stands for frames that were removed */
};
#define FRAME_FLAGS_KNOWN ((uint32_t)(FRAME_FOOTER | FRAME_CLEAN | FRAME_GAP))

#define FRAME_TIME_MS_MAX INT64_C(9000000000000) /* in the year 2255; in nanoseconds it still fits */

/* The four layouts, as bytes, so that neither alignment nor byte order of the machine matters. */
struct segment_header_layout {
    uint8_t magic[8];
    uint8_t crc[4];            /* of all that follows, to the end of the 4,096 bytes */
    uint8_t format[4];
    uint8_t compatible[8];
    uint8_t incompatible[8];
    uint8_t id[LOG_ID_BYTES];
    uint8_t number[8];
    uint8_t segment_bytes[8];
    uint8_t first_address[8];
    uint8_t first_position[8];
    uint8_t created_ms[8];
    uint8_t previous[4];       /* the footer's checksum of the segment before; 0 in segment 1 */
    uint8_t footer_was[4];     /* the footer's checksum before the segment was first rewritten; 0 when it never was */
    uint8_t release[32];       /* of the writer, padded with zeros */
    uint8_t contents[4];       /* format of what is in the frames' bodies */
};

struct frame_header_layout {
    uint8_t magic[4];
    uint8_t crc[4];            /* of what follows in the header, begun with the segment's seed */
    uint8_t length[4];         /* of the body */
    uint8_t body_crc[4];
    uint8_t address[8];        /* of this header */
    uint8_t first_position[8];
    uint8_t durable[8];        /* all before this address had been synced when the frame was written */
    uint8_t time_ms[8];
    uint8_t position_count[4];
    uint8_t previous[4];       /* the header checksum of the frame before; of the segment header for a first frame */
    uint8_t flags[4];
    uint8_t stored[4];         /* of a gap: bytes of the body that are there; of a footer: bytes that gaps have freed; else 0 */
};

struct note_layout {
    uint8_t magic[8];
    uint8_t crc[4];            /* of all that follows */
    uint8_t reserved[4];
    uint8_t id[LOG_ID_BYTES];
    uint8_t durable[8];        /* all before this address has been synced */
    uint8_t position[8];       /* the first that is not in it */
    uint8_t time_ms[8];
    uint8_t rest[8];
};

struct front_layout {
    uint8_t magic[8];
    uint8_t crc[4];            /* of all that follows, to the end of the file */
    uint8_t reserved[4];
    uint8_t id[LOG_ID_BYTES];
    uint8_t number[8];         /* of the first segment, */
    uint8_t address[8];        /* its first address, */
    uint8_t position[8];       /* its first position, */
    uint8_t previous[4];       /* and the checksum of the footer of the one before, as its header has it */
    uint8_t left[4];           /* bytes that follow: what is left in the stead of all before it */
};

#define LAYOUT_AT(type, member, offset) \
    _Static_assert(offsetof(struct type, member) == (offset), #type "." #member)
LAYOUT_AT(segment_header_layout, magic, 0);
LAYOUT_AT(segment_header_layout, crc, 8);
LAYOUT_AT(segment_header_layout, format, 12);
LAYOUT_AT(segment_header_layout, compatible, 16);
LAYOUT_AT(segment_header_layout, incompatible, 24);
LAYOUT_AT(segment_header_layout, id, 32);
LAYOUT_AT(segment_header_layout, number, 48);
LAYOUT_AT(segment_header_layout, segment_bytes, 56);
LAYOUT_AT(segment_header_layout, first_address, 64);
LAYOUT_AT(segment_header_layout, first_position, 72);
LAYOUT_AT(segment_header_layout, created_ms, 80);
LAYOUT_AT(segment_header_layout, previous, 88);
LAYOUT_AT(segment_header_layout, footer_was, 92);
LAYOUT_AT(segment_header_layout, release, 96);
LAYOUT_AT(segment_header_layout, contents, 128);
_Static_assert(sizeof(struct segment_header_layout) == SEGMENT_HEADER_USED_BYTES, "segment header");
_Static_assert(SEGMENT_HEADER_USED_BYTES <= SECTOR_ATOMIC_BYTES, "a segment header is written whole or not at all");
LAYOUT_AT(frame_header_layout, magic, 0);
LAYOUT_AT(frame_header_layout, crc, 4);
LAYOUT_AT(frame_header_layout, length, 8);
LAYOUT_AT(frame_header_layout, body_crc, 12);
LAYOUT_AT(frame_header_layout, address, 16);
LAYOUT_AT(frame_header_layout, first_position, 24);
LAYOUT_AT(frame_header_layout, durable, 32);
LAYOUT_AT(frame_header_layout, time_ms, 40);
LAYOUT_AT(frame_header_layout, position_count, 48);
LAYOUT_AT(frame_header_layout, previous, 52);
LAYOUT_AT(frame_header_layout, flags, 56);
LAYOUT_AT(frame_header_layout, stored, 60);
_Static_assert(sizeof(struct frame_header_layout) == LOG_FRAME_HEADER_BYTES, "frame header");
LAYOUT_AT(front_layout, magic, 0);
LAYOUT_AT(front_layout, crc, 8);
LAYOUT_AT(front_layout, reserved, 12);
LAYOUT_AT(front_layout, id, 16);
LAYOUT_AT(front_layout, number, 32);
LAYOUT_AT(front_layout, address, 40);
LAYOUT_AT(front_layout, position, 48);
LAYOUT_AT(front_layout, previous, 56);
LAYOUT_AT(front_layout, left, 60);
_Static_assert(sizeof(struct front_layout) == FRONT_BYTES, "front");
LAYOUT_AT(note_layout, magic, 0);
LAYOUT_AT(note_layout, crc, 8);
LAYOUT_AT(note_layout, reserved, 12);
LAYOUT_AT(note_layout, id, 16);
LAYOUT_AT(note_layout, durable, 32);
LAYOUT_AT(note_layout, position, 40);
LAYOUT_AT(note_layout, time_ms, 48);
LAYOUT_AT(note_layout, rest, 56);
_Static_assert(sizeof(struct note_layout) == NOTE_BYTES && NOTE_BYTES <= SECTOR_ATOMIC_BYTES, "note");
_Static_assert(LOG_SEGMENT_HEADER_BYTES % FRAME_ALIGNMENT == 0 && LOG_FRAME_HEADER_BYTES % FRAME_ALIGNMENT == 0,
               "frames are aligned");
_Static_assert(LOG_SEGMENT_BYTES_MIN > LOG_SEGMENT_HEADER_BYTES + LOG_FRAME_HEADER_BYTES + SEGMENT_RESERVED_BYTES,
               "the smallest segment holds a frame");

struct segment_header {
    uint32_t crc; /* decoded or encoded, never an input */
    uint32_t format;
    uint64_t compatible;
    uint64_t incompatible;
    uint8_t id[LOG_ID_BYTES];
    uint64_t number;
    uint64_t segment_bytes;
    uint64_t first_address;
    uint64_t first_position;
    int64_t created_ms;
    uint32_t previous;
    uint32_t footer_was;
    char release[33];
    uint32_t contents;
};

struct frame_header {
    uint32_t crc; /* decoded or encoded, never an input */
    uint32_t length;
    uint32_t body_crc;
    uint64_t address;
    uint64_t first_position;
    uint64_t durable;
    int64_t time_ms;
    uint32_t position_count;
    uint32_t previous;
    uint32_t flags;
    uint32_t stored;
};

struct note {
    uint8_t id[LOG_ID_BYTES];
    uint64_t durable;
    uint64_t position;
    int64_t time_ms;
};

/* Where the log begins, when segments were removed. */
struct front {
    uint8_t id[LOG_ID_BYTES];
    uint64_t number;           /* 0: none were */
    uint64_t address;
    uint64_t position;
    uint32_t previous;
};

/* What a frame takes of a segment: header, body, zeros up to the next multiple of 8. */
static inline uint64_t frame_bytes(uint64_t body_bytes)
{
    return LOG_FRAME_HEADER_BYTES + (body_bytes + FRAME_ALIGNMENT - 1) / FRAME_ALIGNMENT * FRAME_ALIGNMENT;
}

/* Writes the SEGMENT_HEADER_USED_BYTES at `at`; the zeros behind them are the caller's. Sets h->crc. */
void segment_header_encode(uint8_t *at, struct segment_header *h);
/*
 * Reads the 4,096 bytes at `at`. True when magic and checksum are right. Neither the format nor any
 * other field is judged; that the checksum covers the same bytes is promised for every format to come.
 */
bool segment_header_decode(const uint8_t *at, struct segment_header *ret_header);

/* What the header checksums of a segment's frames begin with: a frame of another log, of another
 * segment, or one that a client put into a body, is none here. */
uint32_t frame_seed(const uint8_t *id, uint64_t segment_number);
/* Writes the LOG_FRAME_HEADER_BYTES at `at`. Sets h->crc. */
void frame_header_encode(uint8_t *at, uint32_t seed, struct frame_header *h);
/* Reads a header of LOG_FRAME_HEADER_BYTES. NULL when magic, checksum and the fields that stand alone are right,
 * else the reason. */
const char *frame_header_decode(const uint8_t *at, uint32_t seed, struct frame_header *ret_header);
/* Whether the magic of a frame stands at `at`: a quick look before the rest. */
bool frame_magic_at(const uint8_t *at);

void note_encode(uint8_t *at, const struct note *note);
/* False when it is not whole. */
bool note_decode(const uint8_t *at, struct note *ret_note);

/* Writes the FRONT_BYTES at `at`, which `left` follows. */
void front_encode(uint8_t *at, const struct front *front, struct slice left);
/* False when the two are not whole, or say what cannot be. */
bool front_decode(const uint8_t *at, struct slice left, struct front *ret_front);

#endif
