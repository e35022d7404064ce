/*
 * HTTP requests and responses: what is served, what is refused and with which code, and that a request that arrives in
 * pieces is the same request.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "wire/http/http.h"

#define HEAD_MAX 16384
#define HOST "Host: localhost:2113\r\n"

/* Parses from memory of exactly the right size, so that a read past it is seen by a sanitizer. The request borrows
 * it, so it is freed by the next call and at exit. */
static uint8_t *exact_bytes;

static int64_t parse(struct slice text, struct http_request *request, struct edda_error *error)
{
    free(exact_bytes);
    exact_bytes = malloc(text.len + !text.len);
    if (text.len)
        memcpy(exact_bytes, text.data, text.len);
    return http_parse(slice_of(exact_bytes, text.len), HEAD_MAX, request, error);
}

static struct http_request parsed(const char *text)
{
    struct http_request request;
    struct edda_error error = { 0 };
    int64_t r = parse(slice_str(text), &request, &error);
    if (r != (int64_t)strlen(text))
        fail_msg("%s: %lld %s", text, (long long)r, error.message);
    return request;
}

static void refused(const char *text, int code)
{
    struct http_request request;
    struct edda_error error = { 0 };
    int64_t r = parse(slice_str(text), &request, &error);
    if (r != code || error.code != code || !error.message[0])
        fail_msg("%s: %lld, wanted %d", text, (long long)r, code);
}

static void a_request_is_read(void **state)
{
    (void)state;
    static const char text[] = "POST /streams/orders/7%2F8?from=3&limit=10 HTTP/1.1\r\n" HOST
                               "Content-Type: \t application/json \t\r\nIf-Match: \"4\"\r\nX-Empty:\r\n"
                               "Content-Length: 12\r\n\r\n";
    struct http_request request = parsed(text);
    assert_true(slice_eq_str(request.method, "POST"));
    assert_true(slice_eq_str(request.target, "/streams/orders/7%2F8?from=3&limit=10"));
    assert_true(slice_eq_str(request.path, "/streams/orders/7%2F8"));
    assert_true(slice_eq_str(request.query, "from=3&limit=10"));
    assert_int_equal(request.minor_version, 1);
    assert_true(request.keep_alive);
    assert_false(request.chunked);
    assert_false(request.expect_continue);
    assert_int_equal(request.content_length, 12);
    assert_int_equal(request.header_count, 5);
    struct slice value;
    assert_true(http_header_find(&request, "content-type", &value));
    assert_true(slice_eq_str(value, "application/json"));
    assert_true(http_header_find(&request, "x-empty", &value));
    assert_int_equal(value.len, 0);
    assert_false(http_header_find(&request, "if-none-match", &value));
    assert_true(http_name_eq(SLICE("IF-mAtCh"), "if-match"));
    assert_false(http_name_eq(SLICE("If-Matc\x0d"), "if-match"));
}

static void a_request_in_pieces_is_the_same_request(void **state)
{
    (void)state;
    static const char text[] =
        "\r\nPUT /a HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nExpect: 100-Continue\r\n\r\n5";
    size_t head = sizeof(text) - 2;
    struct http_request request;
    struct edda_error error = { 0 };
    for (size_t len = 0; len < sizeof(text) - 1; len++)
        assert_int_equal(parse(slice_of(text, len), &request, &error), len < head ? 0 : (int64_t)head);
    assert_true(request.chunked);
    assert_true(request.expect_continue);
}

static void targets_have_four_forms(void **state)
{
    (void)state;
    struct http_request request = parsed("GET http://localhost:2113/all?type=A HTTP/1.1\r\n" HOST "\r\n");
    assert_true(slice_eq_str(request.path, "/all"));
    assert_true(slice_eq_str(request.query, "type=A"));
    request = parsed("GET HTTP://localhost?type=A HTTP/1.1\r\n" HOST "\r\n");
    assert_true(slice_eq_str(request.path, "/"));
    assert_true(slice_eq_str(request.query, "type=A"));
    request = parsed("OPTIONS * HTTP/1.1\r\n" HOST "\r\n");
    assert_true(slice_eq_str(request.path, "*"));
    request = parsed("CONNECT localhost:1 HTTP/1.1\r\n" HOST "\r\n");
    assert_true(slice_eq_str(request.path, "localhost:1"));
    request = parsed("GET /? HTTP/1.1\r\n" HOST "\r\n");
    assert_true(slice_eq_str(request.path, "/"));
    assert_int_equal(request.query.len, 0);
}

static void connections_are_kept_or_not(void **state)
{
    (void)state;
    assert_true(parsed("GET / HTTP/1.1\r\n" HOST "\r\n").keep_alive);
    assert_false(parsed("GET / HTTP/1.1\r\n" HOST "Connection: upgrade, Close\r\n\r\n").keep_alive);
    assert_true(parsed("GET / HTTP/1.1\r\n" HOST "Connection: closed\r\n\r\n").keep_alive);
    assert_false(parsed("GET / HTTP/1.0\r\n\r\n").keep_alive);
    assert_true(parsed("GET / HTTP/1.0\r\nConnection: ,Keep-Alive ,\r\n\r\n").keep_alive);
    assert_false(parsed("GET / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n").expect_continue);
    assert_int_equal(parsed("GET / HTTP/1.7\r\n" HOST "\r\n").minor_version, 1);
    assert_int_equal(parsed("GET / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nContent-Length: 05\r\n\r\n").content_length,
                     5);
}

static void what_does_not_parse_is_malformed(void **state)
{
    (void)state;
    static const char *const texts[] = {
        " GET / HTTP/1.1\r\n",
        "GET  / HTTP/1.1\r\n",
        "GET /  HTTP/1.1\r\n",
        "GET / HTTP/1.1 \r\n",
        "GET /\r\n",
        "GET / http/1.1\r\n",
        "GET / HTTP/11\r\n",
        "GET / HTTP/1.1\n",
        "GET / HTTP/1.1\rX",
        "GET /\x7f HTTP/1.1\r\n",
        "GET /\xc3\xa4 HTTP/1.1\r\n",
        "GET /#a HTTP/1.1\r\n",
        "GET streams HTTP/1.1\r\n",
        "GET http:///a HTTP/1.1\r\n",
        "\x16\x03\x01",
        "\nGET / HTTP/1.1\r\n",
        "\r\n\r\nGET / HTTP/1.1\r\n",
        "G\tT / HTTP/1.1\r\n",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        refused(texts[i], EDDA_EMALFORMED);
}

static void what_invites_smuggling_is_malformed(void **state)
{
    (void)state;
    static const char *const headers[] = {
        HOST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        HOST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
        HOST "Content-Length: 5\r\nContent-Length: 6\r\n\r\n",
        HOST "Content-Length: 5, 5\r\n\r\n",
        HOST "Content-Length: +5\r\n\r\n",
        HOST "Content-Length: 0x5\r\n\r\n",
        HOST "Content-Length:\r\n\r\n",
        HOST "Content-Length: 9223372036854775808\r\n\r\n",
        HOST "Content-Length: 18446744073709551621\r\n\r\n",
        HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
        HOST "X: a\r\n b\r\n\r\n",
        HOST "X: a\r\n\tb\r\n\r\n",
        " X: a\r\n" HOST "\r\n",
        HOST "X : a\r\n\r\n",
        HOST "Content-Length\t: 5\r\n\r\n",
        HOST "X: a\rb\r\n\r\n",
        HOST "X: a\nY: b\r\n\r\n",
        HOST "X: a\x01\r\n\r\n",
        HOST "X: a\x7f\r\n\r\n",
        HOST ": a\r\n\r\n",
        HOST "X\r\n\r\n",
        HOST "\rX",
        HOST HOST "\r\n",
        "X: a\r\n\r\n",
        "\r\n",
        "Host: a b\r\n\r\n",
        "Host: a/b\r\n\r\n",
        "Host: user@a\r\n\r\n",
    };
    char text[512];
    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        snprintf(text, sizeof(text), "POST / HTTP/1.1\r\n%s", headers[i]);
        refused(text, EDDA_EMALFORMED);
    }
    refused("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", EDDA_EMALFORMED);
    refused("POST / HTTP/1.0\r\n" HOST HOST "\r\n", EDDA_EMALFORMED);
    struct http_request request;
    assert_int_equal(parse(SLICE("GET / HTTP/1.1\r\n" HOST "X: a\0b\r\n\r\n"), &request, NULL), EDDA_EMALFORMED);
}

static void what_is_not_known_is_unsupported(void **state)
{
    (void)state;
    refused("GET / HTTP/2.0\r\n", EDDA_EUNSUPPORTED);
    refused("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", EDDA_EUNSUPPORTED);
    refused("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n", EDDA_EUNSUPPORTED);
    refused("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: identity\r\n\r\n", EDDA_EUNSUPPORTED);
}

static void heads_have_limits(void **state)
{
    (void)state;
    static const char text[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    struct slice bytes = slice_str(text);
    struct http_request request;
    assert_int_equal(http_parse(bytes, bytes.len, &request, NULL), bytes.len);
    assert_int_equal(http_parse(bytes, bytes.len - 1, &request, NULL), EDDA_ETOOLARGE);
    assert_int_equal(http_parse(slice_of(text, 10), 10, &request, NULL), EDDA_ETOOLARGE);
    assert_int_equal(http_parse(slice_of(text, 9), 10, &request, NULL), 0);
    assert_int_equal(http_parse(slice_of(NULL, 0), 10, &request, NULL), 0);

    struct buffer out = BUFFER_EMPTY;
    for (int count = HTTP_HEADERS_MAX - 1; count <= HTTP_HEADERS_MAX; count++) {
        buffer_clear(&out);
        buffer_append_str(&out, "GET / HTTP/1.1\r\nHost: a\r\n");
        for (int i = 0; i < count; i++)
            buffer_printf(&out, "X-%d: %d\r\n", i, i);
        buffer_append_str(&out, "\r\n");
        int64_t r = http_parse(buffer_slice(&out), HEAD_MAX, &request, NULL);
        assert_int_equal(r, count < HTTP_HEADERS_MAX ? (int64_t)out.len : EDDA_ETOOLARGE);
    }
    assert_int_equal(request.header_count, HTTP_HEADERS_MAX);
    buffer_deinit(&out);
}

static void a_failure_leaves_the_request_alone(void **state)
{
    (void)state;
    struct http_request request;
    struct http_request before;
    memset(&request, 0x5a, sizeof(request));
    memcpy(&before, &request, sizeof(request));
    assert_int_equal(http_parse(SLICE("GET / HTTP/1.1\r\n" HOST "X: a\x01\r\n\r\n"), HEAD_MAX, &request, NULL),
                     EDDA_EMALFORMED);
    assert_int_equal(http_parse(SLICE("GET / HTTP/1.1\r\n" HOST "X: a\r\n"), HEAD_MAX, &request, NULL), 0);
    assert_memory_equal(&request, &before, sizeof(request));
}

static void chunks_are_joined(void **state)
{
    (void)state;
    static const char text[] = "5\r\nhello\r\n006;name=\"v\" ; x\r\n world\r\n0 ;last\r\nTrailer: a\r\n\r\nGET";
    size_t whole = sizeof(text) - 1 - 3;
    for (size_t step = 1; step <= whole; step++) {
        struct buffer body = BUFFER_EMPTY;
        size_t consumed = 0;
        bool done = false;
        for (size_t len = step; !done; len += step) {
            size_t end = len < sizeof(text) - 1 ? len : sizeof(text) - 1;
            int64_t r = http_chunks(slice_of(text + consumed, end - consumed), 11, &body, &done, NULL);
            assert_true(r >= 0);
            consumed += (size_t)r;
            assert_int_equal(done, end >= whole);
        }
        assert_int_equal(consumed, whole);
        assert_true(slice_eq_str(buffer_slice(&body), "hello world"));
        buffer_deinit(&body);
    }
}

static void chunks_refused(const char *text, size_t body_max, int code)
{
    struct buffer body = BUFFER_EMPTY;
    buffer_append_str(&body, "old");
    bool done = true;
    struct edda_error error = { 0 };
    int64_t r = http_chunks(slice_str(text), body_max, &body, &done, &error);
    if (r != code || error.code != code)
        fail_msg("%s: %lld, wanted %d", text, (long long)r, code);
    assert_true(done);
    assert_true(slice_eq_str(buffer_slice(&body), "old"));
    buffer_deinit(&body);
}

static void chunks_that_do_not_parse_are_malformed(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "\r\n",
        "x\r\n",
        "-1\r\n",
        "0x5\r\nhello\r\n",
        "5\nhello\r\n",
        "5 \r\nhello\r\n",
        "5\r\nhello!\r\n",
        "5\r\nhello\rX",
        "5\r\nhello\n",
        "5\rX",
        "5;a\x01\r\n",
        "5;a\nhello\r\n",
        "0\r\n x: a\r\n\r\n",
        "0\r\nx : a\r\n",
        "0\r\n\rX",
        "5\r\nhello\r\n;\r\n",
        "1;a\r\nb\r\nz",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        chunks_refused(texts[i], 100, EDDA_EMALFORMED);
}

static void bodies_have_limits(void **state)
{
    (void)state;
    chunks_refused("3\r\nabc\r\n0\r\n\r\n", 5, EDDA_ETOOLARGE);
    chunks_refused("3\r\n", 5, EDDA_ETOOLARGE); /* told by the size, before the data */
    chunks_refused("fffffffffffffff\r\n", 100, EDDA_ETOOLARGE);
    chunks_refused("0000000000000001\r\n", 100, EDDA_ETOOLARGE);
    chunks_refused("10000000000000001\r\n", 100, EDDA_ETOOLARGE);

    struct buffer text = BUFFER_EMPTY;
    buffer_append_str(&text, "5;");
    while (text.len < 300)
        buffer_append_byte(&text, 'x');
    chunks_refused(buffer_cstr(&text), 100, EDDA_ETOOLARGE);
    buffer_clear(&text);
    buffer_append_str(&text, "0\r\n");
    while (text.len < 9000)
        buffer_append_str(&text, "name: value\r\n");
    chunks_refused(buffer_cstr(&text), 100, EDDA_ETOOLARGE);
    buffer_deinit(&text);

    struct buffer body;
    buffer_init(&body, 2);
    bool done;
    assert_int_equal(http_chunks(SLICE("3\r\nabc\r\n"), 5, &body, &done, NULL), EDDA_ENOMEM);
    buffer_deinit(&body);
}

static void percent_decoding_is_strict(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool query;
        const char *wanted; /* NULL: malformed */
    } cases[] = {
        { "", false, "" },
        { "orders", false, "orders" },
        { "a%20b%2Fc%2f", false, "a b/c/" },
        { "a+b", false, "a+b" },
        { "a+b%2B", true, "a b+" },
        { "K%C3%A4se", false, "K\xc3\xa4se" },
        { "K\xc3\xa4se", false, "K\xc3\xa4se" },
        { "%", false, NULL },
        { "%4", false, NULL },
        { "%4g", false, NULL },
        { "%g4", false, NULL },
        { "%C3", false, NULL },
        { "\xc3", false, NULL },
        { "%C0%AF", false, NULL },
        { "%ED%A0%80", false, NULL },
        { "%F4%90%80%80", false, NULL },
    };
    struct arena arena;
    arena_init(&arena, 0, 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct slice decoded = http_decode(slice_str(cases[i].text), cases[i].query, &arena);
        bool ok = cases[i].wanted ? decoded.data && slice_eq_str(decoded, cases[i].wanted) : !decoded.data;
        if (!ok)
            fail_msg("%s", cases[i].text);
    }
    arena_deinit(&arena);
}

static void query_parameters_are_found(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 0, 0);
    struct slice query = SLICE("&fro=1&from=a+b&from=2&%66lag&x%79=%3D=&bad=%zz&");
    struct slice value;
    assert_true(http_query_find(query, "from", &arena, &value));
    assert_true(slice_eq_str(value, "a b"));
    assert_true(http_query_find(query, "flag", &arena, &value));
    assert_true(value.data && value.len == 0);
    assert_true(http_query_find(query, "xy", &arena, &value));
    assert_true(slice_eq_str(value, "=="));
    assert_true(http_query_find(query, "bad", &arena, &value));
    assert_null(value.data);
    assert_false(http_query_find(query, "fromm", &arena, &value));
    assert_false(http_query_find(query, "", &arena, &value));
    assert_false(http_query_find(slice_of(NULL, 0), "from", &arena, &value));
    arena_deinit(&arena);
}

static void response_heads_are_written(void **state)
{
    (void)state;
    struct buffer out = BUFFER_EMPTY;
    http_response_head(&out, 201, "application/json", 18446744073709551615u, true, SLICE("ETag: \"4\"\r\n"));
    assert_string_equal(buffer_cstr(&out), "HTTP/1.1 201 Created\r\nContent-Length: 18446744073709551615\r\n"
                                           "Content-Type: application/json\r\nETag: \"4\"\r\n\r\n");
    buffer_clear(&out);
    http_response_head(&out, 404, NULL, 0, false, slice_of(NULL, 0));
    assert_string_equal(buffer_cstr(&out), "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    buffer_clear(&out);
    http_response_head(&out, 204, NULL, 0, true, slice_of(NULL, 0));
    assert_string_equal(buffer_cstr(&out), "HTTP/1.1 204 No Content\r\n\r\n");
    buffer_clear(&out);
    http_response_head(&out, 100, NULL, 0, true, slice_of(NULL, 0));
    assert_string_equal(buffer_cstr(&out), "HTTP/1.1 100 Continue\r\n\r\n");
    buffer_deinit(&out);
    assert_string_equal(http_reason(299), "Unknown");
    assert_string_equal(http_reason(-1), "Unknown");
    assert_string_equal(http_reason(1000), "Unknown");
}

/* Every code that a request can be refused with has a status with a reason. */
static void codes_have_reasons(void **state)
{
    (void)state;
    for (int code = EDDA_EREFUSED; code <= 0; code++)
        assert_string_not_equal(http_reason(edda_code_info(code)->http_status), "Unknown");
}

static int free_bytes(void **state)
{
    (void)state;
    free(exact_bytes);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_read),
        cmocka_unit_test(a_request_in_pieces_is_the_same_request),
        cmocka_unit_test(targets_have_four_forms),
        cmocka_unit_test(connections_are_kept_or_not),
        cmocka_unit_test(what_does_not_parse_is_malformed),
        cmocka_unit_test(what_invites_smuggling_is_malformed),
        cmocka_unit_test(what_is_not_known_is_unsupported),
        cmocka_unit_test(heads_have_limits),
        cmocka_unit_test(a_failure_leaves_the_request_alone),
        cmocka_unit_test(chunks_are_joined),
        cmocka_unit_test(chunks_that_do_not_parse_are_malformed),
        cmocka_unit_test(bodies_have_limits),
        cmocka_unit_test(percent_decoding_is_strict),
        cmocka_unit_test(query_parameters_are_found),
        cmocka_unit_test(response_heads_are_written),
        cmocka_unit_test(codes_have_reasons),
    };
    return cmocka_run_group_tests(tests, NULL, free_bytes);
}
