/*
 * arrival: finds the next request of HTTP in the bytes of a connection. A request is handled when all of it is there. Until then its head is
 * parsed again whenever more has arrived, which costs less than remembering it for ten thousand connections; chunks
 * are taken out of the input as they become whole.
 */
#include "server/parts.h"

/* Answers what is no request, and ends the session: where the next one would begin is not known. */
static int refuse(struct http_session *session, struct edda_request *request, int64_t code, int status)
{
    connection_end(&session->connection);
    http_begin(session, request);
    request->keep_alive = false;
    request_fail(request, status, (int)code);
    request_free(request);
    return 1;
}

/* What is not supported is the version, or else names its header. */
static int refuse_head(struct http_session *session, struct edda_request *request, int64_t code)
{
    int unsupported = request->error.field[0] ? 501 : 505;
    return refuse(session, request, code, code == EDDA_ETOOLARGE ? 431 : code == EDDA_EUNSUPPORTED ? unsupported : 400);
}

/* Moves whole chunks from behind the head to the session's body. 1: all are there; 0: not yet; or a code. */
static int64_t take_chunks(struct http_session *session, size_t head_bytes, struct edda_request *request)
{
    struct buffer *in = &session->connection.in;
    size_t from = session->connection.in_at + head_bytes;
    bool done = false;
    int64_t consumed = http_chunks(slice_of(in->data + from, in->len - from), session->connection.server->limits.body_bytes_max,
                                   &session->body, &done, &request->error);
    if (consumed < 0)
        return consumed;
    size_t left = in->len - from - (size_t)consumed;
    if (consumed)
        memmove(in->data + from, in->data + from + consumed, left);
    buffer_truncate(in, from + left);
    return done;
}

/* Whether the body is there: 1, with the bytes of `in` it takes; 0; or a code. */
static int64_t take_body(struct http_session *session, size_t head_bytes, struct edda_request *request, size_t *ret_bytes)
{
    const struct http_request *head = &request->head;
    size_t body_max = session->connection.server->limits.body_bytes_max;
    if (head->content_length > body_max)
        return edda_fail_with(&request->error, EDDA_ETOOLARGE, "the body has %llu bytes; at most %zu are taken",
                              (unsigned long long)head->content_length, body_max);
    if (head->chunked) {
        int64_t done = take_chunks(session, head_bytes, request);
        if (done == 1) {
            *ret_bytes = 0;
            request->body = arena_copy(&request->arena, buffer_slice(&session->body));
            if (session->body.len && !request->body.data)
                return edda_fail_with(&request->error, EDDA_ENOMEM, "out of memory for a body of %zu bytes",
                                      session->body.len);
            buffer_deinit(&session->body);
        }
        return done;
    }
    size_t from = session->connection.in_at + head_bytes;
    if (session->connection.in.len - from < head->content_length) {
        session->connection.in_needed = head_bytes + (size_t)head->content_length;
        return 0;
    }
    *ret_bytes = (size_t)head->content_length;
    request->body = slice_of(session->connection.in.data + from, *ret_bytes);
    return 1;
}

int http_take(struct connection *connection)
{
    struct http_session *session = container_of(connection, struct http_session, connection);
    struct server *server = connection->server;
    struct slice bytes = connection_in(connection);
    struct edda_request *request = request_new(server);
    if (!request) {
        connection_end(connection);
        return 1;
    }
    int64_t head_bytes = http_parse(bytes, server->limits.head_bytes_max, &request->head, &request->error);
    if (head_bytes < 0) {
        request->head = (struct http_request){ .minor_version = 1 };
        return refuse_head(session, request, head_bytes);
    }
    size_t body_bytes = 0;
    int64_t whole = head_bytes == 0 ? 0 : take_body(session, (size_t)head_bytes, request, &body_bytes);
    if (whole < 0) {
        buffer_deinit(&session->body);
        return refuse(session, request, whole, 0);
    }
    if (whole == 0) {
        if (head_bytes && request->head.expect_continue && !session->continued) {
            session->continued = true;
            response_continue(session);
        }
        request_free(request);
        return 0;
    }
    connection->in_at += (size_t)head_bytes + body_bytes;
    session->continued = false;
    http_begin(session, request);
    request->keep_alive = request->head.keep_alive && !server->stopping;
    if (!request->keep_alive)
        connection_end(&session->connection);
    request_run(request);
    return 1;
}
