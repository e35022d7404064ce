/*
 * origin: a page of another site that somebody looks at must not act in his name: browsers let it send a POST, without asking. They also say where a request
 * comes from, in Sec-Fetch-Site (Fetch Metadata), older ones in Origin (RFC 6454) only. Clients that are no browsers send neither.
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

int origin_check(struct edda_request *request)
{
    struct slice site, origin, host = { NULL, 0 };
    const struct http_request *head = &request->head;
    if (only_looks(head->method))
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
