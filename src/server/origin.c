/*
 * origin: a page of another site that somebody looks at must not act in his name: browsers let it send a POST, without asking. They also say where a request
 * comes from, in Sec-Fetch-Site (Fetch Metadata), older ones in Origin (RFC 6454) only. Clients that are no browsers send neither.
 * Sites that the operator names may do both: look at answers and ask for more (CORS, Fetch 3.2).
 */
#include "server/parts.h"

static bool only_looks(struct slice method)
{
    return slice_eq_str(method, "GET") || slice_eq_str(method, "HEAD") || slice_eq_str(method, "OPTIONS");
}

/* Whether an origin, "scheme://authority", is that of the host that was asked. Which scheme it was a proxy may have changed. */
static bool is_ours(struct slice origin, struct slice host)
{
    static const char *const schemes[] = { "http://", "https://" };
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        struct slice scheme = slice_str(schemes[i]);
        if (origin.len > scheme.len && memcmp(origin.data, scheme.data, scheme.len) == 0)
            return slice_eq(slice_from(origin, scheme.len), host);
    }
    return false;
}

/* Whether the list of those that are allowed has it. */
static bool is_allowed(const char *list, struct slice origin)
{
    for (const char *at = list; at && *at;) {
        size_t len = strcspn(at, ",");
        if (slice_eq_str(slice_of(at, len), "*") || slice_eq(slice_of(at, len), origin))
            return true;
        at += len + (at[len] == ',');
    }
    return false;
}

void origin_note(struct edda_request *request)
{
    struct slice origin;
    const char *list = request->server->options.cors_origins;
    if (list && http_header_find(&request->head, "origin", &origin) && origin.len && is_allowed(list, origin))
        request->cors = arena_copy(&request->arena, origin);
}

void origin_put(const struct edda_request *request, struct slice allow, struct buffer *lines)
{
    struct slice headers;
    if (request->server->options.cors_origins)
        buffer_append_str(lines, "Vary: Origin\r\n");
    if (!request->cors.len)
        return;
    buffer_append_str(lines, "Access-Control-Allow-Origin: ");
    buffer_append_slice(lines, request->cors);
    buffer_append_str(lines, "\r\nAccess-Control-Expose-Headers: *\r\n");
    if (!allow.len || !slice_eq_str(request->head.method, "OPTIONS"))
        return;
    buffer_append_str(lines, "Access-Control-Max-Age: 600\r\nAccess-Control-Allow-Methods: ");
    buffer_append_slice(lines, allow);
    if (http_header_find(&request->head, "access-control-request-headers", &headers)) {
        buffer_append_str(lines, "\r\nAccess-Control-Allow-Headers: ");
        buffer_append_slice(lines, headers);
    }
    buffer_append_str(lines, "\r\n");
}

int origin_check(struct edda_request *request)
{
    struct slice site, origin, host = { NULL, 0 };
    const struct http_request *head = &request->head;
    if (only_looks(head->method) || request->cors.len)
        return 0;
    if (http_header_find(head, "sec-fetch-site", &site)) {
        if (slice_eq_str(site, "same-origin") || slice_eq_str(site, "none"))
            return 0;
        return edda_fail_field(&request->error, EDDA_EFORBIDDEN, "Sec-Fetch-Site", "a page of another site cannot ask for this");
    }
    (void)http_header_find(head, "host", &host);
    if (!http_header_find(head, "origin", &origin) || is_ours(origin, host))
        return 0;
    return edda_fail_field(&request->error, EDDA_EFORBIDDEN, "Origin", "a page of another site cannot ask for this");
}
