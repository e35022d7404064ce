/*
 * cursor: a reader that cannot leave its bytes. The first read past the end, or of something
 * malformed, marks it as failed; from then on every read gives zero or the empty slice, and a
 * decoder checks once, at its end, with cursor_ok().
 *
 * Integers named be are big-endian (Kafka's), le little-endian (Edda's own formats). Varints are
 * Kafka's: little-endian groups of 7 bits, zigzag where signed.
 */
#ifndef EDDA_BASE_CURSOR_H
#define EDDA_BASE_CURSOR_H

#include "base/slice.h"

struct cursor {
    const uint8_t *at;
    const uint8_t *end;
    bool failed;
};

static inline struct cursor cursor_of(struct slice s)
{
    return (struct cursor){ s.data, s.data ? s.data + s.len : NULL, false };
}

static inline size_t cursor_left(const struct cursor *c)
{
    return (size_t)(c->end - c->at);
}

static inline bool cursor_ok(const struct cursor *c)
{
    return !c->failed;
}

/* Marks the cursor as failed and moves it to its end. */
void cursor_fail(struct cursor *c);

uint8_t cursor_u8(struct cursor *c);
uint16_t cursor_be16(struct cursor *c);
uint32_t cursor_be32(struct cursor *c);
uint64_t cursor_be64(struct cursor *c);
uint32_t cursor_le32(struct cursor *c);
uint64_t cursor_le64(struct cursor *c);
/* Unsigned and zigzag varints; more than 5 or 10 bytes, or bits past the width, fail. */
uint32_t cursor_uvarint32(struct cursor *c);
uint64_t cursor_uvarint64(struct cursor *c);
int32_t cursor_varint32(struct cursor *c);
int64_t cursor_varint64(struct cursor *c);
struct slice cursor_bytes(struct cursor *c, size_t len);
void cursor_skip(struct cursor *c, size_t len);

#endif
