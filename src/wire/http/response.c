/*
 * response: the head of a response (RFC 9112 4, RFC 9110 15).
 */
#include "base/assert.h"
#include "wire/http/http.h"

#define STATUS_MAX 600

static const char *const reasons[STATUS_MAX] = {
    [100] = "Continue",
    [101] = "Switching Protocols",
    [200] = "OK",
    [201] = "Created",
    [202] = "Accepted",
    [203] = "Non-Authoritative Information",
    [204] = "No Content",
    [205] = "Reset Content",
    [206] = "Partial Content",
    [300] = "Multiple Choices",
    [301] = "Moved Permanently",
    [302] = "Found",
    [303] = "See Other",
    [304] = "Not Modified",
    [307] = "Temporary Redirect",
    [308] = "Permanent Redirect",
    [400] = "Bad Request",
    [401] = "Unauthorized",
    [402] = "Payment Required",
    [403] = "Forbidden",
    [404] = "Not Found",
    [405] = "Method Not Allowed",
    [406] = "Not Acceptable",
    [407] = "Proxy Authentication Required",
    [408] = "Request Timeout",
    [409] = "Conflict",
    [410] = "Gone",
    [411] = "Length Required",
    [412] = "Precondition Failed",
    [413] = "Content Too Large",
    [414] = "URI Too Long",
    [415] = "Unsupported Media Type",
    [416] = "Range Not Satisfiable",
    [417] = "Expectation Failed",
    [421] = "Misdirected Request",
    [422] = "Unprocessable Content",
    [423] = "Locked",
    [425] = "Too Early",
    [426] = "Upgrade Required",
    [428] = "Precondition Required",
    [429] = "Too Many Requests",
    [431] = "Request Header Fields Too Large",
    [500] = "Internal Server Error",
    [501] = "Not Implemented",
    [502] = "Bad Gateway",
    [503] = "Service Unavailable",
    [504] = "Gateway Timeout",
    [505] = "HTTP Version Not Supported",
    [507] = "Insufficient Storage",
};

const char *http_reason(int status)
{
    const char *reason = status >= 0 && status < STATUS_MAX ? reasons[status] : NULL;
    return reason ? reason : "Unknown";
}

static void append_decimal(struct buffer *out, uint64_t value)
{
    uint8_t digits[20];
    size_t at = sizeof(digits);
    do {
        digits[--at] = (uint8_t)('0' + value % 10);
        value /= 10;
    } while (value);
    buffer_append(out, digits + at, sizeof(digits) - at);
}

/* RFC 9110 8.6: a length must not be told for 1xx and 204, and for 304 it would be that of what is not sent. */
static bool status_has_length(int status)
{
    return status >= 200 && status != 204 && status != 304;
}

void http_response_head(struct buffer *out, int status, const char *content_type, uint64_t content_length,
                        bool keep_alive, struct slice extra)
{
    ASSERT(status >= 100 && status <= 999);
    buffer_append_slice(out, SLICE("HTTP/1.1 "));
    append_decimal(out, (uint64_t)status);
    buffer_append_byte(out, ' ');
    buffer_append_str(out, http_reason(status));
    if (status_has_length(status)) {
        buffer_append_slice(out, SLICE("\r\nContent-Length: "));
        append_decimal(out, content_length);
    }
    if (content_type) {
        buffer_append_slice(out, SLICE("\r\nContent-Type: "));
        buffer_append_str(out, content_type);
    }
    buffer_append_slice(out, SLICE("\r\n"));
    buffer_append_slice(out, extra);
    if (!keep_alive)
        buffer_append_slice(out, SLICE("Connection: close\r\n"));
    buffer_append_slice(out, SLICE("\r\n"));
}
