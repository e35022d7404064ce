/*
 * http: HTTP/1.1 (RFC 9110, RFC 9112) requests as a pure function of their bytes: a parser's contract is bytes consumed,
 * "more" or malformed. Limits are the caller's; nothing is allocated.
 */
#ifndef EDDA_WIRE_HTTP_H
#define EDDA_WIRE_HTTP_H

#include "base/arena.h"
#include "base/buffer.h"
#include "base/cursor.h"
#include "edda/error.h"

#define HTTP_HEADERS_MAX 64

struct http_header {
    struct slice name; /* as sent; compare with http_name_eq() */
    struct slice value; /* without surrounding white space */
};

struct http_request {
    struct slice method;
    struct slice target; /* as sent */
    struct slice path;   /* still percent-encoded, without the query */
    struct slice query;  /* after the '?', or empty */
    int minor_version;   /* 0 or 1 */
    bool keep_alive;
    bool expect_continue;
    bool chunked;
    uint64_t content_length; /* 0 when chunked or absent */
    struct http_header headers[HTTP_HEADERS_MAX];
    uint32_t header_count;
};

/*
 * Parses the request line and headers at the start of `bytes`. Returns the bytes consumed (the body starts there), 0 when
 * more are needed, or: EDDA_EMALFORMED (answer 400 and close), EDDA_ETOOLARGE when the head is longer than `head_max` or
 * has more than HTTP_HEADERS_MAX headers (431), EDDA_EUNSUPPORTED for another major version (505) or a transfer coding other than
 * chunked (501). Rejects what invites request smuggling: both Content-Length and Transfer-Encoding, differing Content-Lengths, obs-fold, white space before the
 * colon, bare CR, control characters; a 1.1 request without exactly one Host.
 */
int64_t http_parse(struct slice bytes, size_t head_max, struct http_request *ret_request, struct edda_error *error);

/* Decodes a chunked body in place of a stream: appends the data of the chunks that are whole in `bytes` to `body` and returns the bytes
 * consumed; *ret_done says that the last chunk and its trailer were read. EDDA_EMALFORMED; EDDA_ETOOLARGE when the body
 * would exceed `body_max`. */
int64_t http_chunks(struct slice bytes, size_t body_max, struct buffer *body, bool *ret_done, struct edda_error *error);

/* Header names compare without case. */
bool http_name_eq(struct slice name, const char *lower_case_name);
/* The value of a header, false when it is not there. */
bool http_header_find(const struct http_request *request, const char *lower_case_name, struct slice *ret_value);

/* Percent-decodes one path segment or query value ('+' stays '+' in a path and is a space in a query); data NULL when malformed
 * or not UTF-8. */
struct slice http_decode(struct slice text, bool query, struct arena *arena);
/* The first value of a query parameter, decoded; false when it is not there. */
bool http_query_find(struct slice query, const char *name, struct arena *arena, struct slice *ret_value);

/* Takes the first parameter off a query: its name, decoded, with data NULL when it is malformed. False when there is none left. */
bool http_query_next(struct slice *query, struct arena *arena, struct slice *ret_name);

/* "Created" for 201; "Unknown" for what has none. */
const char *http_reason(int status);
/* Appends status line, Content-Length, Content-Type (when not NULL), Date is left to the caller, `extra` header lines as they are, Connection: close unless
 * `keep_alive`, and the blank line. */
void http_response_head(struct buffer *out, int status, const char *content_type, uint64_t content_length,
                        bool keep_alive, struct slice extra);

#endif
