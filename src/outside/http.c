/* Calls over HTTP: the request's lines, and what the answer means. */
#include <string.h>

#include "outside/parts.h"

#define HEADERS_MAX 64

static const char *text_cstr(struct scratch *scratch, struct edda_text text)
{
    return arena_cstr(&scratch->arena, slice_of(text.data, text.len));
}

static const struct outside_remote *remote_of(const struct outside *outside, const struct edda_outside_call *call)
{
    for (size_t i = 0; call->remote && i < outside->options.remote_count; i++)
        if (outside->options.remotes[i].service == call->remote)
            return &outside->options.remotes[i];
    return NULL;
}

/* Edda-Signature: t=SECONDS,v1=HEX */
static const char *signature_line(struct outside *outside, struct scratch *scratch, const struct outside_remote *remote, struct edda_text body)
{
    char hex[65];
    int64_t now_s = io_clock_wall_ns(outside->options.io) / 1000000000;
    if (!sign(scratch, remote->secret, now_s, body, hex))
        return NULL;
    return arena_printf(&scratch->arena, "Edda-Signature: t=%lld,v1=%s", (long long)now_s, hex);
}

/* The request's header lines; NULL when there are too many or no memory. */
static const char *const *header_lines(struct outside *outside, struct scratch *scratch, const struct edda_outside_call *call,
                                       const struct outside_remote *remote)
{
    const struct edda_http_call *http = call->http;
    const char **lines = arena_alloc(&scratch->arena, (HEADERS_MAX + 1) * sizeof *lines);
    size_t count = 0;
    if (!lines)
        return NULL;
    lines[count++] = arena_printf(&scratch->arena, "Idempotency-Key: %.*s", (int)call->idempotency_key.len, call->idempotency_key.data);
    if (remote)
        lines[count++] = signature_line(outside, scratch, remote, http->body);
    if (http->body.len || http->content_type)
        lines[count++] = arena_printf(&scratch->arena, "Content-Type: %s", http->content_type ? http->content_type : "application/json");
    for (const char *const *header = http->headers; header && header[0]; header += 2) {
        if (count == HEADERS_MAX)
            return NULL;
        /* curl takes "Name;" for a header without value. */
        lines[count++] = header[1][0] ? arena_printf(&scratch->arena, "%s: %s", header[0], header[1]) : arena_printf(&scratch->arena, "%s;", header[0]);
    }
    for (size_t i = 0; i < count; i++)
        if (!lines[i])
            return NULL;
    lines[count] = NULL;
    return lines;
}

/* What a status says, as edda/effect.h has it. */
static int status_code(int status, struct edda_error *error)
{
    if (status >= 200 && status < 300)
        return 0;
    bool away = status == 408 || status == 425 || status == 429 || status >= 500 || status < 200;
    return edda_fail_with(error, away ? EDDA_EUNAVAILABLE : EDDA_EREFUSED, "it answered with status %d", status);
}

int http_do(struct outside *outside, struct scratch *scratch, const struct edda_outside_call *call)
{
    const struct edda_http_call *http = call->http;
    const struct outside_remote *remote = remote_of(outside, call);
    if (call->remote && !remote)
        return edda_fail_with(call->error, EDDA_EUNSUPPORTED, "nothing says where service %s is", call->remote->name);
    struct transfer transfer = {
        .outside = outside, .scratch = scratch, .call = call, .body = http->body,
        .url = remote ? remote->url : text_cstr(scratch, http->url),
        .method = http->method ? http->method : http->body.len ? "POST" : "GET",
        .headers = header_lines(outside, scratch, call, remote),
    };
    if (!transfer.url || !transfer.headers)
        return edda_fail_with(call->error, EDDA_ELIMIT, "out of memory for a call, or more than %d headers", HEADERS_MAX - 2);
    transfer.follow = strcmp(transfer.method, "GET") == 0;
    int rc = curl_http(&transfer);
    *call->http_answer = (struct edda_http_answer){ .status = (int)transfer.status };
    if (rc < 0)
        return rc;
    struct slice body = buffer_slice(&scratch->in);
    call->http_answer->body = (struct edda_text){ (const char *)body.data, body.len };
    call->http_answer->content_type = edda_text_of(transfer.content_type ? transfer.content_type : "");
    return status_code((int)transfer.status, call->error);
}
