/*
 * buffer: an owned, growing run of bytes. Appending either succeeds wholly or marks the buffer as
 * failed (out of memory, or past its limit); a failed buffer ignores further appends, so that a
 * writer checks once, at the end, with buffer_ok().
 */
#ifndef EDDA_BASE_BUFFER_H
#define EDDA_BASE_BUFFER_H

#include "base/slice.h"

struct buffer {
    uint8_t *data;
    size_t len;      /* bytes in use */
    size_t capacity; /* bytes allocated */
    size_t len_max;  /* 0: no limit */
    bool failed;     /* sticky */
};

#define BUFFER_EMPTY ((struct buffer){ 0 })

void buffer_init(struct buffer *b, size_t len_max);
void buffer_deinit(struct buffer *b);

/* Forgets the contents and the failure, keeps the memory. */
void buffer_clear(struct buffer *b);

/* Room for `more` further bytes; false (and failed) when there is none to be had. */
bool buffer_reserve(struct buffer *b, size_t more);

/* `len` fresh bytes at the end, for the caller to fill; NULL when the buffer has failed. The
 * pointer is good until the next call on the buffer. */
uint8_t *buffer_extend(struct buffer *b, size_t len);

void buffer_append(struct buffer *b, const void *data, size_t len);
void buffer_append_slice(struct buffer *b, struct slice s);
void buffer_append_str(struct buffer *b, const char *string);
void buffer_append_byte(struct buffer *b, uint8_t byte);
void buffer_append_zeros(struct buffer *b, size_t len);
void buffer_printf(struct buffer *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Cuts the contents to `len` bytes, which must not be more than there are. */
void buffer_truncate(struct buffer *b, size_t len);

static inline bool buffer_ok(const struct buffer *b)
{
    return !b->failed;
}

static inline struct slice buffer_slice(const struct buffer *b)
{
    return slice_of(b->data, b->len);
}

/* The contents as a zero-terminated string (the zero is not counted); "" when empty or failed. */
const char *buffer_cstr(struct buffer *b);

#endif
