/*
 * request: the head of an HTTP/1.1 request. The syntax is checked from left to right, each line at its own place; what
 * the headers mean together (one Host, one way of framing the body) is checked at the blank line.
 */
#include <inttypes.h>

#include "wire/http/field.h"

/* What is known of the head so far, and where a failure is to be told. */
struct head {
    const uint8_t *begin;
    const uint8_t *at;
    const uint8_t *end;
    struct http_request *request;
    struct edda_error *error;
    uint32_t hosts;
    uint32_t lengths;
    uint32_t codings;
    bool coding_unknown;
    bool connection_close;
    bool connection_keep_alive;
};

/* The steps below return 1 when done, 0 when more bytes are needed, or a code. */

static int head_malformed(struct head *h, const uint8_t *where, const char *problem)
{
    return edda_fail_with(h->error, EDDA_EMALFORMED, "%s, at byte %zu of the request", problem,
                          (size_t)(where - h->begin));
}

static int head_field_malformed(struct head *h, const char *field, const char *problem)
{
    return edda_fail_field(h->error, EDDA_EMALFORMED, field, "%s", problem);
}

static int parse_line_end(struct head *h)
{
    if (h->at == h->end)
        return 0;
    if (*h->at != '\r')
        return head_malformed(h, h->at, "a line does not end where it must");
    if (h->at + 1 == h->end)
        return 0;
    if (h->at[1] != '\n')
        return head_malformed(h, h->at, "a carriage return stands alone");
    h->at += 2;
    return 1;
}

/* One or more characters of a class, and the space behind them. */
static int parse_word(struct head *h, enum http_class class, const char *problem, struct slice *ret_word)
{
    const uint8_t *begin = h->at;
    const uint8_t *end = http_skip(begin, h->end, class);
    if (end == h->end)
        return 0;
    if (end == begin || *end != ' ')
        return head_malformed(h, end, problem);
    *ret_word = slice_of(begin, (size_t)(end - begin));
    h->at = end + 1;
    return 1;
}

static int parse_version(struct head *h)
{
    static const char form[] = "HTTP/d.d";
    for (size_t i = 0; i < sizeof(form) - 1; i++) {
        if (h->at + i == h->end)
            return 0;
        uint8_t byte = h->at[i];
        if (form[i] == 'd' ? byte < '0' || byte > '9' : byte != form[i])
            return head_malformed(h, h->at + i, "the HTTP version is malformed");
    }
    if (h->at[5] != '1')
        return edda_fail_with(h->error, EDDA_EUNSUPPORTED, "HTTP/%c.%c is not served, HTTP/1.1 is", h->at[5], h->at[7]);
    h->request->minor_version = h->at[7] != '0'; /* a later minor version is served as the last known one */
    h->at += sizeof(form) - 1;
    return parse_line_end(h);
}

/* RFC 9112 3.2: the four forms of a target. Only origin-form and absolute-form have a path of their own. */
static int split_target(struct head *h)
{
    struct http_request *request = h->request;
    struct slice rest = request->target;
    bool whole = slice_eq(rest, SLICE("*")) || slice_eq(request->method, SLICE("CONNECT"));
    if (whole) {
        request->path = rest;
        request->query = slice_of(NULL, 0);
        return 1;
    }
    if (rest.data[0] != '/') {
        if (rest.len >= 7 && http_eq(slice_of(rest.data, 7), SLICE("http://")))
            rest = slice_from(rest, 7);
        else if (rest.len >= 8 && http_eq(slice_of(rest.data, 8), SLICE("https://")))
            rest = slice_from(rest, 8);
        else
            return head_malformed(h, rest.data, "the target is neither a path nor a URL");
        size_t authority = 0;
        while (authority < rest.len && rest.data[authority] != '/' && rest.data[authority] != '?')
            authority++;
        if (authority == 0)
            return head_malformed(h, request->target.data, "the target is a URL without a host");
        rest = slice_from(rest, authority);
    }
    const uint8_t *mark = rest.len ? memchr(rest.data, '?', rest.len) : NULL;
    size_t path_len = mark ? (size_t)(mark - rest.data) : rest.len;
    request->path = path_len ? slice_of(rest.data, path_len) : SLICE("/");
    request->query = mark ? slice_from(rest, path_len + 1) : slice_of(NULL, 0);
    return 1;
}

static int parse_request_line(struct head *h)
{
    /* RFC 9112 2.2: an empty line before a request is forgiven. */
    if (h->at < h->end && *h->at == '\r') {
        int r = parse_line_end(h);
        if (r <= 0)
            return r;
    }
    int r = parse_word(h, HTTP_TOKEN, "the method is malformed", &h->request->method);
    if (r <= 0)
        return r;
    r = parse_word(h, HTTP_TARGET, "the target is empty or has a character that must be percent-encoded",
                   &h->request->target);
    if (r <= 0)
        return r;
    r = split_target(h);
    return r <= 0 ? r : parse_version(h);
}

static int take_content_length(struct head *h, struct slice value)
{
    uint64_t length = 0;
    if (value.len == 0)
        return head_field_malformed(h, "Content-Length", "Content-Length is empty");
    for (size_t i = 0; i < value.len; i++) {
        if (value.data[i] < '0' || value.data[i] > '9')
            return head_field_malformed(h, "Content-Length", "Content-Length is not a number");
        uint64_t digit = (uint64_t)(value.data[i] - '0');
        if (length > ((uint64_t)INT64_MAX - digit) / 10)
            return head_field_malformed(h, "Content-Length", "Content-Length is out of range");
        length = length * 10 + digit;
    }
    if (h->lengths && length != h->request->content_length)
        return head_field_malformed(h, "Content-Length", "two Content-Lengths differ");
    h->lengths++;
    h->request->content_length = length;
    return 1;
}

static void take_connection(struct head *h, struct slice value)
{
    while (value.len) {
        const uint8_t *comma = memchr(value.data, ',', value.len);
        size_t len = comma ? (size_t)(comma - value.data) : value.len;
        struct slice option = slice_of(value.data, len);
        value = slice_from(value, len + 1);
        while (option.len && (option.data[0] == ' ' || option.data[0] == '\t'))
            option = slice_of(option.data + 1, option.len - 1);
        while (option.len && (option.data[option.len - 1] == ' ' || option.data[option.len - 1] == '\t'))
            option.len--;
        h->connection_close = h->connection_close || http_eq(option, SLICE("close"));
        h->connection_keep_alive = h->connection_keep_alive || http_eq(option, SLICE("keep-alive"));
    }
}

/* The headers that say how the request is framed; all others mean nothing here. */
static int take_header(struct head *h, const struct http_header *header)
{
    struct slice value = header->value;
    switch (header->name.len) {
    case sizeof("Host") - 1:
        if (http_eq(header->name, SLICE("host"))) {
            h->hosts++;
            const uint8_t *end = value.data + value.len;
            if (http_skip(value.data, end, HTTP_HOST) != end)
                return head_field_malformed(h, "Host", "Host is malformed");
        }
        return 1;
    case sizeof("Expect") - 1:
        if (http_eq(header->name, SLICE("expect")) && http_eq(value, SLICE("100-continue")))
            h->request->expect_continue = true;
        return 1;
    case sizeof("Connection") - 1:
        if (http_eq(header->name, SLICE("connection")))
            take_connection(h, value);
        return 1;
    case sizeof("Content-Length") - 1:
        return http_eq(header->name, SLICE("content-length")) ? take_content_length(h, value) : 1;
    case sizeof("Transfer-Encoding") - 1:
        if (http_eq(header->name, SLICE("transfer-encoding"))) {
            h->codings++;
            h->coding_unknown = h->coding_unknown || !http_eq(value, SLICE("chunked"));
        }
        return 1;
    default:
        return 1;
    }
}

/* What the headers must be together: RFC 9112 3.2 (Host), 6.1 and 6.3 (framing), 9.3 (persistence). */
static int head_finish(struct head *h)
{
    struct http_request *request = h->request;
    if (h->hosts > 1 || (h->hosts == 0 && request->minor_version >= 1))
        return head_field_malformed(h, "Host", h->hosts ? "more than one Host" : "Host is missing");
    if (h->codings && h->lengths)
        return head_field_malformed(h, "Transfer-Encoding", "both Transfer-Encoding and Content-Length");
    if (h->codings && request->minor_version == 0)
        return head_field_malformed(h, "Transfer-Encoding", "Transfer-Encoding in an HTTP/1.0 request");
    if (h->coding_unknown)
        return edda_fail_field(h->error, EDDA_EUNSUPPORTED, "Transfer-Encoding",
                               "no transfer coding but chunked is known");
    if (h->codings > 1)
        return head_field_malformed(h, "Transfer-Encoding", "chunked more than once");
    request->chunked = h->codings == 1;
    request->keep_alive = !h->connection_close && (request->minor_version >= 1 || h->connection_keep_alive);
    request->expect_continue = request->expect_continue && request->minor_version >= 1;
    return 1;
}

static int parse_headers(struct head *h)
{
    struct http_request *request = h->request;
    for (;;) {
        if (h->at == h->end)
            return 0;
        if (*h->at == '\r') {
            int r = parse_line_end(h);
            return r <= 0 ? r : head_finish(h);
        }
        if (request->header_count == HTTP_HEADERS_MAX)
            return edda_fail_with(h->error, EDDA_ETOOLARGE, "the request has more than %d headers", HTTP_HEADERS_MAX);
        struct http_header *header = &request->headers[request->header_count];
        const char *problem;
        size_t where;
        int64_t len = http_field_parse(slice_of(h->at, (size_t)(h->end - h->at)), header, &problem, &where);
        if (len <= 0)
            return len == 0 ? 0 : head_malformed(h, h->at + where, problem);
        h->at += len;
        request->header_count++;
        int r = take_header(h, header);
        if (r < 0)
            return r;
    }
}

int64_t http_parse(struct slice bytes, size_t head_max, struct http_request *ret_request, struct edda_error *error)
{
    if (bytes.len == 0)
        return 0;
    /* The headers are written before they are read, so that clearing 2 KiB per request is not needed. */
    struct http_request request;
    memset(&request, 0, offsetof(struct http_request, headers));
    request.header_count = 0;
    size_t len = bytes.len < head_max ? bytes.len : head_max;
    struct head h = {
        .begin = bytes.data, .at = bytes.data, .end = bytes.data + len, .request = &request, .error = error
    };
    int r = parse_request_line(&h);
    if (r > 0)
        r = parse_headers(&h);
    if (r == 0 && bytes.len >= head_max)
        return edda_fail_with(error, EDDA_ETOOLARGE, "the head of the request is longer than %zu bytes", head_max);
    if (r <= 0)
        return r;
    memcpy(ret_request, &request,
           offsetof(struct http_request, headers) + request.header_count * sizeof(request.headers[0]));
    ret_request->header_count = request.header_count;
    return h.at - h.begin;
}

bool http_name_eq(struct slice name, const char *lower_case_name)
{
    return http_eq(name, slice_str(lower_case_name));
}

bool http_header_find(const struct http_request *request, const char *lower_case_name, struct slice *ret_value)
{
    struct slice wanted = slice_str(lower_case_name);
    for (uint32_t i = 0; i < request->header_count; i++) {
        if (http_eq(request->headers[i].name, wanted)) {
            *ret_value = request->headers[i].value;
            return true;
        }
    }
    return false;
}
