/*
 * HTTP requests and chunked bodies of any bytes: nothing is read outside of them, and bytes that come one by one
 * give what they give when they come at once.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/assert.h"
#include "wire/http/http.h"

#define HEAD_MAX 2048
#define BODY_MAX 1024
#define INPUT_MAX 4096 /* prefixes are parsed one by one: longer inputs would only be slow */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool inside(struct slice part, struct slice whole)
{
    return part.len == 0 || (part.data >= whole.data && part.data + part.len <= whole.data + whole.len);
}

static bool same_request(const struct http_request *a, const struct http_request *b)
{
    bool same = slice_eq(a->method, b->method) && slice_eq(a->path, b->path) && slice_eq(a->query, b->query) &&
                a->minor_version == b->minor_version && a->keep_alive == b->keep_alive && a->chunked == b->chunked &&
                a->expect_continue == b->expect_continue && a->content_length == b->content_length &&
                a->header_count == b->header_count;
    for (uint32_t i = 0; same && i < a->header_count; i++)
        same = slice_eq(a->headers[i].name, b->headers[i].name) && slice_eq(a->headers[i].value, b->headers[i].value);
    return same;
}

/* What every accepted request keeps to, whatever its bytes. */
static void check_request(struct slice bytes, int64_t head, const struct http_request *request)
{
    struct slice whole = slice_of(bytes.data, (size_t)head);
    ASSERT(head <= HEAD_MAX && (size_t)head <= bytes.len);
    ASSERT(inside(request->method, whole) && request->method.len > 0);
    ASSERT(inside(request->target, whole) && request->target.len > 0 && request->path.len > 0);
    ASSERT(inside(request->query, whole));
    ASSERT(request->header_count <= HTTP_HEADERS_MAX);
    ASSERT(!request->chunked || request->content_length == 0);
    for (uint32_t i = 0; i < request->header_count; i++) {
        ASSERT(inside(request->headers[i].name, whole) && request->headers[i].name.len > 0);
        ASSERT(inside(request->headers[i].value, whole));
    }
    struct arena arena;
    arena_init(&arena, 0, 0);
    struct slice value;
    (void)http_decode(request->path, false, &arena);
    (void)http_query_find(request->query, "from", &arena, &value);
    arena_deinit(&arena);
}

/* A prefix in memory of its own size, so that a sanitizer sees a read past it. */
static uint8_t *prefix_of(struct slice bytes, size_t len)
{
    uint8_t *copy = malloc(len + !len);
    ASSERT(copy);
    if (len)
        memcpy(copy, bytes.data, len);
    return copy;
}

/* Returns where the body starts, or what was returned instead. */
static int64_t request_in_pieces(struct slice bytes, struct http_request *request)
{
    int64_t whole = http_parse(bytes, HEAD_MAX, request, NULL);
    if (whole > 0)
        check_request(bytes, whole, request);
    bool decided = false;
    for (size_t len = 0; len <= bytes.len; len++) {
        uint8_t *prefix = prefix_of(bytes, len);
        struct http_request other;
        int64_t r = http_parse(slice_of(prefix, len), HEAD_MAX, &other, NULL);
        /* Undecided until it is decided, and then for good; a head is whole at its last byte and not before. */
        ASSERT(r == whole || (r == 0 && !decided));
        ASSERT(whole <= 0 || (r == whole) == (len >= (size_t)whole));
        decided = r != 0;
        ASSERT(r <= 0 || same_request(&other, request));
        free(prefix);
    }
    return whole;
}

static void chunks_in_pieces(struct slice bytes)
{
    struct buffer whole = BUFFER_EMPTY;
    struct buffer pieces = BUFFER_EMPTY;
    bool whole_done = false;
    bool done = false;
    int64_t expected = http_chunks(bytes, BODY_MAX, &whole, &whole_done, NULL);
    ASSERT(expected < 0 ? whole.len == 0 : (uint64_t)expected <= bytes.len);

    size_t consumed = 0;
    int64_t r = 0;
    for (size_t len = 0; len <= bytes.len && !done && r >= 0; len++) {
        uint8_t *arrived = prefix_of(slice_of(bytes.data + consumed, len - consumed), len - consumed);
        r = http_chunks(slice_of(arrived, len - consumed), BODY_MAX, &pieces, &done, NULL);
        consumed += r > 0 ? (size_t)r : 0;
        free(arrived);
    }
    if (r < 0) {
        ASSERT(r == expected);
    } else {
        ASSERT((int64_t)consumed == expected && done == whole_done);
        ASSERT(slice_eq(buffer_slice(&pieces), buffer_slice(&whole)));
        ASSERT(whole.len <= BODY_MAX);
    }
    buffer_deinit(&whole);
    buffer_deinit(&pieces);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t nothing[1];
    struct slice bytes = size ? slice_of(data, size < INPUT_MAX ? size : INPUT_MAX) : slice_of(nothing, 0);
    struct http_request request;
    int64_t head = request_in_pieces(bytes, &request);
    if (head > 0 && request.chunked)
        chunks_in_pieces(slice_of(bytes.data + head, bytes.len - (size_t)head));
    if (head < 0)
        chunks_in_pieces(bytes);
    return 0;
}
