/*
 * http: HTTP/1.1 as a protocol of connections. A session has the request under way and the chunks of one that is arriving; arrival.c finds requests,
 * request.c runs them, response.c answers.
 */
#include "server/groups.h"

#include <stdio.h>
#include <stdlib.h>

static struct http_session *session_of(struct connection *connection)
{
    return container_of(connection, struct http_session, connection);
}

void http_begin(struct http_session *session, struct edda_request *request)
{
    request->session = session;
    session->request = request;
    session->connection.busy = true;
}

void http_part(struct http_session *session)
{
    session->request->session = NULL;
    session->request = NULL;
    session->connection.busy = false;
}

static void http_closed(struct connection *connection)
{
    struct http_session *session = session_of(connection);
    struct edda_request *request = session->request;
    if (request) {
        struct hold *hold = request->hold;
        http_part(session);
        request->hold = NULL;
        if (hold)
            hold->forget(hold);
        if (!request->calling)
            request_free(request);
    }
    buffer_deinit(&session->body);
}

static void http_expired(struct connection *connection)
{
    struct server *server = connection->server;
    struct edda_request *request = request_new(server);
    if (!request)
        return;
    http_begin(session_of(connection), request);
    (void)edda_fail_with(&request->error, EDDA_ETIMEOUT, "the request did not arrive within %u ms", server->limits.idle_ms);
    request_fail(request, 408, EDDA_ETIMEOUT);
    request_free(request);
}

/* Calls that no step will answer any more are refused. The engine still knows the call: the request lives on without its connection. */
static void http_stopping(struct connection *connection, bool last)
{
    struct http_session *session = session_of(connection);
    struct edda_request *request = session->request;
    if (request)
        request->keep_alive = false;
    if (request && request->hold) {
        request->hold->stopping(request->hold);
        return;
    }
    if (!request || !last || request->answered)
        return;
    (void)edda_fail_with(&request->error, EDDA_ECLOSED, "the application is stopping");
    request_fail(request, 0, EDDA_ECLOSED);
    http_part(session);
}

static void http_refused(struct server *server, const char *why, struct buffer *out)
{
    char content[300];
    int len = snprintf(content, sizeof content, "{\"type\":\"urn:edda:error:limit\",\"title\":\"a limit was reached\",\"status\":503,\"detail\":\"%s\"}\n", why);
    ASSERT(len > 0 && (size_t)len < sizeof content);
    server->counts.responses[503]++;
    http_response_head(out, 503, "application/problem+json", (size_t)len, false, SLICE("Retry-After: 1\r\n"));
    buffer_append(out, content, (size_t)len);
}

static size_t http_held(const struct connection *connection)
{
    const struct http_session *session = container_of(connection, const struct http_session, connection);
    return session->body.capacity + (session->request ? session->request->arena.used : 0);
}

static void http_drained(struct connection *connection)
{
    struct edda_request *request = session_of(connection)->request;
    if (request && request->hold && request->hold->drained)
        request->hold->drained(request->hold);
}

/* --- what all sessions share ---------------------------------------------------------------------------------------- */

static void http_host_close(void *of)
{
    struct http_host *host = of;
    if (!host)
        return;
    live_close(host->live);
    free(host);
}

static int http_host_open(struct server *server, void **ret_host, struct edda_error *error)
{
    struct http_host *host = calloc(1, sizeof *host);
    int rc = host ? live_open(server, &host->live, error) : edda_fail_with(error, EDDA_ENOMEM, "out of memory for HTTP");
    if (rc < 0) {
        http_host_close(host);
        return rc;
    }
    host->server = server;
    *ret_host = host;
    return 0;
}

static int64_t http_host_turn(void *of, int64_t now_ns)
{
    struct http_host *host = of;
    int64_t live_ns = live_turn(host->live, now_ns), shares_ns = shares_turn(host->server->shares, now_ns);
    return live_ns < shares_ns ? live_ns : shares_ns;
}

/* clang-format off */
const struct protocol http_protocol = {
    .name = "http", .authenticates = true, .session_bytes = sizeof(struct http_session),
    .take = http_take, .expired = http_expired, .drained = http_drained, .stopping = http_stopping, .closed = http_closed, .refused = http_refused,
    .host_open = http_host_open, .host_turn = http_host_turn, .host_close = http_host_close,
    .held = http_held,
};
/* clang-format on */
