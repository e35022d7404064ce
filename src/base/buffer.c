/*
 * buffer: see buffer.h. The limit is on the contents; the memory may be one byte more, for the
 * zero of buffer_cstr().
 */
#include "base/buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"

#define CAPACITY_MIN ((size_t)64)

void buffer_init(struct buffer *b, size_t len_max)
{
    *b = (struct buffer){ .len_max = len_max };
}

void buffer_deinit(struct buffer *b)
{
    free(b->data);
    *b = (struct buffer){ .len_max = b->len_max };
}

void buffer_clear(struct buffer *b)
{
    b->len = 0;
    b->failed = false;
}

/* Doubles the memory until it holds `needed` bytes, but takes no more than the limit asks for. */
static bool buffer_grow(struct buffer *b, size_t needed)
{
    size_t capacity = b->capacity > CAPACITY_MIN ? b->capacity : CAPACITY_MIN;
    while (capacity < needed)
        capacity = capacity > SIZE_MAX / 2 ? needed : capacity * 2;
    if (b->len_max && capacity > b->len_max)
        capacity = needed > b->len_max ? needed : b->len_max;
    uint8_t *data = realloc(b->data, capacity);
    if (!data) {
        b->failed = true;
        return false;
    }
    b->data = data;
    b->capacity = capacity;
    return true;
}

bool buffer_reserve(struct buffer *b, size_t more)
{
    if (b->failed)
        return false;
    if (more > SIZE_MAX - b->len || (b->len_max && b->len + more > b->len_max)) {
        b->failed = true;
        return false;
    }
    return b->len + more <= b->capacity || buffer_grow(b, b->len + more);
}

uint8_t *buffer_extend(struct buffer *b, size_t len)
{
    if (!buffer_reserve(b, len))
        return NULL;
    /* NULL means failure only, so nothing at the end of an empty buffer needs a place too. */
    if (!b->data && !buffer_grow(b, 1))
        return NULL;
    uint8_t *at = b->data + b->len;
    b->len += len;
    ASSERT(b->len <= b->capacity);
    return at;
}

void buffer_append(struct buffer *b, const void *data, size_t len)
{
    if (len == 0)
        return;
    uint8_t *at = buffer_extend(b, len);
    if (at)
        memcpy(at, data, len);
}

void buffer_append_slice(struct buffer *b, struct slice s)
{
    buffer_append(b, s.data, s.len);
}

void buffer_append_str(struct buffer *b, const char *string)
{
    buffer_append_slice(b, slice_str(string));
}

void buffer_append_byte(struct buffer *b, uint8_t byte)
{
    uint8_t *at = buffer_extend(b, 1);
    if (at)
        *at = byte;
}

void buffer_append_zeros(struct buffer *b, size_t len)
{
    uint8_t *at = buffer_extend(b, len);
    if (at)
        memset(at, 0, len);
}

void buffer_printf(struct buffer *b, const char *format, ...)
{
    if (b->failed)
        return;
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (len < 0) {
        b->failed = true;
        return;
    }
    /* vsnprintf() also writes a zero, which is no part of the contents. */
    size_t size = (size_t)len + 1;
    if (!buffer_reserve(b, (size_t)len))
        return;
    if (b->capacity - b->len < size && !buffer_grow(b, b->len + size))
        return;
    va_start(arguments, format);
    int written = vsnprintf((char *)b->data + b->len, size, format, arguments);
    va_end(arguments);
    ASSERT(written == len);
    b->len += (size_t)len;
}

void buffer_truncate(struct buffer *b, size_t len)
{
    ASSERT(len <= b->len);
    b->len = len;
}

const char *buffer_cstr(struct buffer *b)
{
    if (b->failed || b->len == 0)
        return "";
    if (b->len == b->capacity && (b->len == SIZE_MAX || !buffer_grow(b, b->len + 1)))
        return "";
    b->data[b->len] = '\0';
    return (const char *)b->data;
}
