/*
 * http: HTTP/1.1 as a protocol of connections. A session has the request under way and the chunks of one that is arriving; arrival.c finds requests,
 * request.c runs them, response.c answers.
 */
#include "server/parts.h"

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
        http_part(session);
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
    if (!request || !last || request->answered)
        return;
    (void)edda_fail_with(&request->error, EDDA_ECLOSED, "the application is stopping");
    request_fail(request, 0, EDDA_ECLOSED);
    http_part(session);
}

static void http_refused(struct server *server, struct buffer *out)
{
    static const char content[] = "{\"type\":\"urn:edda:error:limit\",\"title\":\"a limit was reached\",\"status\":503,"
                                  "\"detail\":\"there are as many open connections as are allowed\"}\n";
    server->counts.responses[503]++;
    http_response_head(out, 503, "application/problem+json", sizeof content - 1, false, SLICE("Retry-After: 1\r\n"));
    buffer_append_str(out, content);
}

/* clang-format off */
const struct protocol http_protocol = {
    .name = "http", .session_bytes = sizeof(struct http_session),
    .take = http_take, .expired = http_expired, .stopping = http_stopping, .closed = http_closed, .refused = http_refused,
};
/* clang-format on */
