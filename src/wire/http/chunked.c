/*
 * chunked: the chunked transfer coding (RFC 9112 7.1). A chunk is taken when all of it is there; until then its bytes
 * stay with the caller. A size line and a trailer have limits of their own, so that a peer cannot make the caller wait
 * for the end of either for ever. Extensions and trailers are checked and dropped.
 */
#include "wire/http/field.h"

#define CHUNK_LINE_MAX ((size_t)256)
#define TRAILER_MAX ((size_t)8192)
#define SIZE_DIGITS_MAX 15 /* hexadecimal; fits 64 bits with room for sums */

static int chunk_malformed(struct edda_error *error, const char *problem, size_t at)
{
    return edda_fail_with(error, EDDA_EMALFORMED, "%s, at byte %zu of the body's bytes", problem, at);
}

/* The line before a chunk's data. Returns its length, 0 when more bytes are needed, or a code; `from` is where it
 * stands, for the message. */
static int64_t parse_size_line(struct slice bytes, size_t from, uint64_t *ret_size, struct edda_error *error)
{
    struct slice line = slice_of(bytes.data, bytes.len < CHUNK_LINE_MAX ? bytes.len : CHUNK_LINE_MAX);
    uint64_t size = 0;
    size_t i = 0;
    for (; i < line.len && http_hex(line.data[i]) >= 0; i++) {
        if (i == SIZE_DIGITS_MAX)
            return edda_fail_with(error, EDDA_ETOOLARGE, "a chunk's size has more than %d digits", SIZE_DIGITS_MAX);
        size = size << 4 | (uint64_t)http_hex(line.data[i]);
    }
    if (i < line.len && i == 0)
        return chunk_malformed(error, "a chunk has no size", from);
    if (i < line.len && line.data[i] != '\r') {
        while (i < line.len && (line.data[i] == ' ' || line.data[i] == '\t'))
            i++;
        if (i < line.len && line.data[i] != ';')
            return chunk_malformed(error, "a chunk's size is malformed", from + i);
        if (i < line.len)
            i = (size_t)(http_skip_value(line.data + i, line.data + line.len) - line.data);
    }
    if (i < line.len && line.data[i] != '\r')
        return chunk_malformed(error, "a chunk's extension has a control character", from + i);
    if (i + 1 < line.len && line.data[i + 1] != '\n')
        return chunk_malformed(error, "a carriage return stands alone", from + i);
    if (i + 1 < line.len) {
        *ret_size = size;
        return (int64_t)i + 2;
    }
    if (line.len == CHUNK_LINE_MAX)
        return edda_fail_with(error, EDDA_ETOOLARGE, "a chunk's first line is longer than %zu bytes", CHUNK_LINE_MAX);
    return 0;
}

/* The trailer's lines and the blank one; as parse_size_line(). */
static int64_t parse_trailer(struct slice bytes, size_t from, struct edda_error *error)
{
    struct slice trailer = slice_of(bytes.data, bytes.len < TRAILER_MAX ? bytes.len : TRAILER_MAX);
    size_t at = 0;
    while (at < trailer.len) {
        struct slice rest = slice_of(trailer.data + at, trailer.len - at);
        if (rest.data[0] == '\r') {
            if (rest.len == 1)
                break;
            if (rest.data[1] != '\n')
                return chunk_malformed(error, "a carriage return stands alone", from + at);
            return (int64_t)at + 2;
        }
        struct http_header field;
        const char *problem;
        size_t where;
        int64_t len = http_field_parse(rest, &field, &problem, &where);
        if (len < 0)
            return chunk_malformed(error, problem, from + at + where);
        if (len == 0)
            break;
        at += (size_t)len;
    }
    if (trailer.len == TRAILER_MAX)
        return edda_fail_with(error, EDDA_ETOOLARGE, "the trailer is longer than %zu bytes", TRAILER_MAX);
    return 0;
}

/* The data of a chunk and the line end behind it; as parse_size_line(). */
static int64_t parse_data(struct slice bytes, size_t from, size_t size, struct edda_error *error)
{
    if (bytes.len > size && bytes.data[size] != '\r')
        return chunk_malformed(error, "a chunk is longer than its size", from + size);
    if (bytes.len < size + 2)
        return 0;
    if (bytes.data[size + 1] != '\n')
        return chunk_malformed(error, "a carriage return stands alone", from + size);
    return (int64_t)size + 2;
}

int64_t http_chunks(struct slice bytes, size_t body_max, struct buffer *body, bool *ret_done, struct edda_error *error)
{
    size_t before = body->len;
    size_t consumed = 0;
    bool done = false;
    int64_t r = 0;
    while (!done && consumed < bytes.len) {
        uint64_t size = 0;
        r = parse_size_line(slice_from(bytes, consumed), consumed, &size, error);
        if (r <= 0)
            break;
        size_t at = consumed + (size_t)r;
        struct slice rest = slice_of(bytes.data + at, bytes.len - at);
        if (size > body_max || body->len > body_max - (size_t)size) {
            r = edda_fail_with(error, EDDA_ETOOLARGE, "the body is longer than %zu bytes", body_max);
            break;
        }
        r = size ? parse_data(rest, at, (size_t)size, error) : parse_trailer(rest, at, error);
        if (r <= 0)
            break;
        buffer_append(body, rest.data, (size_t)size);
        if (!buffer_ok(body)) {
            r = edda_fail_with(error, EDDA_ENOMEM, "no memory for a body of %zu bytes", body->len + (size_t)size);
            break;
        }
        consumed = at + (size_t)r;
        done = size == 0;
    }
    if (r < 0) {
        buffer_truncate(body, before);
        return r;
    }
    *ret_done = done;
    return (int64_t)consumed;
}
