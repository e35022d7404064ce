/*
 * slice: a borrowed run of bytes. It owns nothing; whoever makes one says how long the bytes
 * behind it live. `struct buffer` (buffer.h) is its owning counterpart; there is no third word.
 */
#ifndef EDDA_BASE_SLICE_H
#define EDDA_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
    const uint8_t *data; /* may be NULL when len is 0 */
    size_t len;          /* bytes */
};

/* A slice of a string literal, without its terminating zero. */
#define SLICE(literal) ((struct slice){ (const uint8_t *)(literal), sizeof(literal) - 1 })

static inline struct slice slice_of(const void *data, size_t len)
{
    return (struct slice){ (const uint8_t *)data, len };
}

/* A slice of a zero-terminated string; NULL gives the empty slice. */
static inline struct slice slice_str(const char *string)
{
    return slice_of(string, string ? strlen(string) : 0);
}

static inline bool slice_eq(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static inline bool slice_eq_str(struct slice a, const char *string)
{
    return slice_eq(a, slice_str(string));
}

/* memcmp order, a prefix before what it is a prefix of. */
static inline int slice_compare(struct slice a, struct slice b)
{
    size_t least = a.len < b.len ? a.len : b.len;
    int order = least ? memcmp(a.data, b.data, least) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

static inline bool slice_has_prefix(struct slice s, struct slice prefix)
{
    return s.len >= prefix.len && slice_eq(slice_of(s.data, prefix.len), prefix);
}

/* The part from `from` on; empty when `from` is past the end. */
static inline struct slice slice_from(struct slice s, size_t from)
{
    return from >= s.len ? slice_of(NULL, 0) : slice_of(s.data + from, s.len - from);
}

#endif
