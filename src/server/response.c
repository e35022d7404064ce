/*
 * response: writes an answer to the output of its session, with the headers that every answer has, and stamps it.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "server/parts.h"

#define NS_PER_S INT64_C(1000000000)
#define RETRY_AFTER_S 1

/* The date as RFC 9110 5.6.7 wants it, from the days since 1970 (proleptic Gregorian calendar, in 400-year eras from 1 March 0000). */
static void date_make(char *out, size_t size, int64_t s)
{
    static const char *const days[] = { "Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed" };
    static const char *const months[] = { "Mar", "Apr", "May", "Jun", "Jul", "Aug",
                                          "Sep", "Oct", "Nov", "Dec", "Jan", "Feb" };
    int64_t day = s / 86400, second = s % 86400;
    int64_t z = day + 719468, era = z / 146097, of_era = z % 146097;
    int64_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month = (5 * of_year + 2) / 153;
    int64_t of_month = of_year - (153 * month + 2) / 5 + 1;
    int64_t year = year_of_era + era * 400 + (month >= 10);
    (void)snprintf(out, size, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[day % 7], (int)of_month, months[month],
                   (int)year, (int)(second / 3600), (int)(second / 60 % 60), (int)(second % 60));
}

static const char *date_now(struct server *server)
{
    int64_t s = io_clock_wall_ns(server->io) / NS_PER_S;
    if (s != server->date_s && s >= 0) {
        date_make(server->date, sizeof server->date, s);
        server->date_s = s;
    }
    return server->date;
}

static void header_put(struct buffer *out, const char *name, struct slice value)
{
    buffer_append_str(out, name);
    buffer_append_slice(out, value);
    buffer_append_str(out, "\r\n");
}

static struct slice extra_make(const struct edda_request *request, const struct response *response)
{
    struct server *server = request->server;
    struct buffer *extra = &server->extra;
    buffer_clear(extra);
    header_put(extra, "Date: ", slice_str(date_now(server)));
    if (response->location.len)
        header_put(extra, "Location: ", response->location);
    if (response->allow.len)
        header_put(extra, "Allow: ", response->allow);
    if (response->version >= 0)
        buffer_printf(extra, "ETag: \"%lld\"\r\n", (long long)response->version);
    buffer_append_slice(extra, response->headers);
    origin_put(request, response->allow, extra);
    if (response->retriable)
        buffer_printf(extra, "Retry-After: %d\r\n", RETRY_AFTER_S);
    return buffer_slice(extra);
}

static void response_too_long(struct edda_request *request, uint64_t gate)
{
    struct edda_error error = { 0 };
    (void)edda_fail_with(&error, EDDA_ENOMEM, "out of memory for the answer, or it is longer than %d MiB",
                         CONTENT_BYTES_MAX >> 20);
    response_problem(request, 0, &error, slice_of(NULL, 0), gate);
}

/* JSON ends with a line feed, which is no part of its value: on a terminal the next prompt has a line of its own. */
static bool lacks_line_end(const struct response *response)
{
    struct slice content = response->content;
    size_t len = response->content_type ? strlen(response->content_type) : 0;
    return len >= 4 && memcmp(response->content_type + len - 4, "json", 4) == 0 && content.len && content.data[content.len - 1] != '\n';
}

void response_put(struct edda_request *request, const struct response *response)
{
    struct server *server = request->server;
    struct http_session *session = request->session;
    if (request->answered)
        return;
    if (!buffer_ok(&server->content)) {
        response_too_long(request, response->gate);
        return;
    }
    request->answered = true;
    ASSERT(response->status >= 100 && response->status < STATUS_MAX);
    server->counts.responses[response->status]++;
    if (!session)
        return;
    struct buffer *out = &session->connection.out;
    size_t before = out->len;
    bool head_only = slice_eq_str(request->head.method, "HEAD");
    bool lacking = !response->exact && lacks_line_end(response);
    http_response_head(out, response->status, response->content_type, response->content.len + lacking, request->keep_alive,
                       extra_make(request, response));
    if (!head_only)
        buffer_append_slice(out, response->content);
    if (!head_only && lacking)
        buffer_append_byte(out, '\n');
    if (!buffer_ok(out)) {
        /* Half an answer must not be sent: the client sees the connection end instead. */
        out->failed = false;
        buffer_truncate(out, before);
        connection_end(&session->connection);
        return;
    }
    connection_stamp(&session->connection, response->gate);
}

void response_content(struct edda_request *request, int status, const char *content_type, struct slice content)
{
    const struct response response = { .status = status,
                                       .content_type = content_type,
                                       .content = content,
                                       .version = -1,
                                       .gate = journal_tail(request->server->journal) };
    response_put(request, &response);
}

/* "urn:edda:error:notfound" of EDDA_ENOTFOUND. */
static void put_type(struct buffer *out, const struct edda_code_info *info)
{
    static const char prefix[] = "EDDA_E";
    buffer_append_str(out, "{\"type\":\"urn:edda:error:");
    for (const char *at = info->name + sizeof prefix - 1; *at; at++)
        buffer_append_byte(out, (uint8_t)tolower((unsigned char)*at));
    buffer_append_byte(out, '"');
}

static void put_member(struct buffer *out, const char *name, struct slice text)
{
    buffer_append_str(out, ",\"");
    buffer_append_str(out, name);
    buffer_append_str(out, "\":");
    json_put_string(out, text);
}

void response_problem(struct edda_request *request, int status, const struct edda_error *error, struct slice allow,
                      uint64_t gate)
{
    const struct edda_code_info *info = edda_code_info(error->code);
    struct buffer *content = &request->server->content;
    status = status ? status : info->http_status;
    buffer_clear(content);
    put_type(content, info);
    /* The sentence of the code, unless the answer says something more particular. */
    put_member(content, "title", slice_str(status == info->http_status ? info->sentence : http_reason(status)));
    buffer_printf(content, ",\"status\":%d", status);
    put_member(content, "detail", slice_str(error->message[0] ? error->message : info->sentence));
    if (error->field[0])
        put_member(content, "field", slice_str(error->field));
    if (request->head.path.len)
        put_member(content, "instance", request->head.path);
    buffer_append_byte(content, '}');
    const struct response response = { .status = status,
                                       .content_type = "application/problem+json",
                                       .content = buffer_slice(content),
                                       .allow = allow,
                                       .version = -1,
                                       .gate = gate,
                                       .headers = status == 401 ? SLICE("WWW-Authenticate: Basic realm=\"edda\", charset=\"UTF-8\"\r\nWWW-Authenticate: Bearer realm=\"edda\"\r\n")
                                                                : slice_of(NULL, 0),
                                       .retriable = info->retriable && (status == 503 || status == 507) };
    response_put(request, &response);
}

void response_endless(struct edda_request *request, const char *content_type)
{
    struct buffer *out = &request->session->connection.out;
    const struct response response = { .headers = SLICE("Cache-Control: no-store\r\nX-Accel-Buffering: no\r\n"), .version = -1 };
    request->answered = true;
    request->keep_alive = false;
    request->server->counts.responses[200]++;
    buffer_printf(out, "HTTP/1.1 200 OK\r\nContent-Type: %s\r\n", content_type);
    buffer_append_slice(out, extra_make(request, &response));
    buffer_append_str(out, "Connection: close\r\n\r\n");
}

void response_continue(struct http_session *session)
{
    buffer_append_str(&session->connection.out, "HTTP/1.1 100 Continue\r\n\r\n");
    connection_stamp(&session->connection, 0);
}
