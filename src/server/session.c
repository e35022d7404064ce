/*
 * session: one connection. Its requests are handled one after the other; while one is under way, or while the client
 * does not take its answers, the socket is not read, so that what a client can make the server hold is bounded. A client that sends many
 * requests at once has some of them handled in each turn of the loop, or all others would wait for the last of them.
 *
 * A session ends in order: no further request is taken, what is answered is sent, the sending side is shut, and what still arrives is
 * dropped until the peer closes or its time is over. Without that, unread bytes would make the kernel send a reset, which can
 * overtake the last answer.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/parts.h"

#define READ_BYTES_MIN (UINT32_C(16) << 10)
#define READ_BYTES_MAX (UINT32_C(256) << 10)
#define REQUESTS_AT_ONCE 32
#define INPUT_KEPT_BYTES (UINT32_C(64) << 10)

static void await_readable(struct session *session, bool await)
{
    if (session->reading == await)
        return;
    session->reading = await;
    if (await)
        (void)event_add(&session->readable, NULL);
    else
        (void)event_del(&session->readable);
}

void session_touch(struct session *session)
{
    int patience = session->state == SESSION_LINGERING ? PATIENCE_LINGER : PATIENCE_IDLE;
    session->since_ns = session->server->now_ns;
    list_remove(&session->patience);
    list_push_back(&session->server->patience[patience], &session->patience);
}

void session_resume(struct session *session)
{
    if (!list_linked(&session->resumed))
        list_push_back(&session->server->resumed, &session->resumed);
}

void session_close(struct session *session)
{
    struct server *server = session->server;
    await_readable(session, false);
    if (session->writing)
        (void)event_del(&session->writable);
    (void)close(session->fd);
    if (session->request) {
        session->request->session = NULL;
        if (!session->request->calling)
            request_free(session->request);
    }
    list_remove(&session->link);
    list_remove(&session->patience);
    list_remove(&session->resumed);
    buffer_deinit(&session->in);
    buffer_deinit(&session->body);
    output_deinit(&session->output);
    free(session);
    server->session_count--;
    listener_resume(server);
}

void session_end(struct session *session)
{
    if (session->state == SESSION_OPEN)
        session->state = SESSION_ENDING;
}

/* Gives the memory of an input that is empty to the next session; else moves what is left to its front. */
static void input_trim(struct session *session)
{
    struct buffer *in = &session->in;
    if (session->request || session->in_at == 0)
        return;
    size_t left = in->len - session->in_at;
    if (left) {
        memmove(in->data, in->data + session->in_at, left);
        buffer_truncate(in, left);
    } else if (!session->server->spare_in.data && in->capacity <= INPUT_KEPT_BYTES) {
        buffer_clear(in);
        session->server->spare_in = *in;
        *in = BUFFER_EMPTY;
    } else {
        buffer_deinit(in);
    }
    session->in_at = 0;
}

/* All is sent. */
static void session_finish(struct session *session)
{
    if (session->peer_ended || session->server->stopping || shutdown(session->fd, SHUT_WR) < 0) {
        session_close(session);
        return;
    }
    session->state = SESSION_LINGERING;
    session_touch(session);
    await_readable(session, true);
}

void session_flush(struct session *session)
{
    if (output_send(session) < 0) {
        session_close(session);
        return;
    }
    size_t unsent = output_unsent(&session->output);
    if (session->blocked && unsent < session->server->limits.out_bytes_max / 2) {
        session->blocked = false;
        session_resume(session);
    }
    if (session->state == SESSION_ENDING && !session->request && unsent == 0)
        session_finish(session);
    else if (session->state != SESSION_LINGERING)
        await_readable(session, session->state == SESSION_OPEN && !session->request && !session->blocked &&
                                    !session->peer_ended && !list_linked(&session->resumed));
}

void session_run(struct session *session)
{
    for (int taken = 0; session->state == SESSION_OPEN && !session->request && !session->blocked; taken++) {
        if (taken == REQUESTS_AT_ONCE) {
            session_resume(session);
            break;
        }
        if (output_unsent(&session->output) >= session->server->limits.out_bytes_max)
            session->blocked = true;
        else if (session_take(session) == 0) {
            if (session->peer_ended)
                session_end(session);
            break;
        }
    }
    input_trim(session);
    session_flush(session);
}

/* What arrives after the last answer is dropped. */
static void session_drop(struct session *session)
{
    uint8_t dropped[4096];
    ssize_t n = recv(session->fd, dropped, sizeof dropped, 0);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR))
        session_close(session);
}

static void session_readable(evutil_socket_t fd, short what, void *user)
{
    struct session *session = user;
    struct server *server = session->server;
    struct buffer *in = &session->in;
    (void)what;
    if (session->state == SESSION_LINGERING) {
        session_drop(session);
        return;
    }
    /* The log catches up first; the socket stays readable. */
    if (!list_empty(&server->stalled))
        return;
    if (!in->data) {
        *in = server->spare_in;
        server->spare_in = BUFFER_EMPTY;
    }
    if (!buffer_reserve(in, READ_BYTES_MIN)) {
        session_close(session);
        return;
    }
    size_t room = in->capacity - in->len < READ_BYTES_MAX ? in->capacity - in->len : READ_BYTES_MAX;
    ssize_t n = recv(fd, in->data + in->len, room, 0);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return;
    if (n < 0) {
        session_close(session);
        return;
    }
    if (n > 0 && in->len == session->in_at)
        session_touch(session);
    in->len += (size_t)n;
    session->peer_ended = n == 0;
    session_run(session);
}

static void session_writable(evutil_socket_t fd, short what, void *user)
{
    (void)fd, (void)what;
    session_flush(user);
}

void session_open(struct server *server, int fd)
{
    struct session *session = calloc(1, sizeof *session);
    if (!session) {
        (void)close(fd);
        return;
    }
    session->server = server;
    session->fd = fd;
    session->state = SESSION_OPEN;
    list_init(&session->patience);
    list_init(&session->resumed);
    output_init(&session->output);
    list_push_back(&server->sessions, &session->link);
    server->session_count++;
    (void)event_assign(&session->readable, server->base, fd, EV_READ | EV_PERSIST, session_readable, session);
    (void)event_assign(&session->writable, server->base, fd, EV_WRITE | EV_PERSIST, session_writable, session);
    session_touch(session);
    await_readable(session, true);
}

/* An answer that waits for the disk, or for its handler, is not the client's fault. */
static bool session_is_ours(const struct session *session)
{
    return session->request || (session->output.mark_count && session->output.sent == session->output.open);
}

static void session_expire(struct session *session)
{
    struct server *server = session->server;
    if (session->state != SESSION_LINGERING && session_is_ours(session)) {
        session_touch(session);
        return;
    }
    server->counts.expired++;
    if (session->state != SESSION_OPEN || session->in.len == session->in_at || output_unsent(&session->output)) {
        session_close(session);
        return;
    }
    struct edda_request *request = request_new(server);
    if (!request) {
        session_close(session);
        return;
    }
    request->session = session;
    session->request = request;
    (void)edda_fail_with(&request->error, EDDA_ETIMEOUT, "the request did not arrive within %u ms",
                         server->limits.idle_ms);
    session_end(session);
    request_fail(request, 408, EDDA_ETIMEOUT);
    request_free(request);
    session_touch(session);
    session_flush(session);
}

void sessions_expire(struct server *server)
{
    const uint32_t limits_ms[PATIENCE_COUNT] = { server->limits.idle_ms, server->limits.linger_ms };
    for (int i = 0; i < PATIENCE_COUNT; i++) {
        int64_t before_ns = server->now_ns - (int64_t)limits_ms[i] * NS_PER_MS;
        struct list *head = &server->patience[i];
        while (!list_empty(head)) {
            struct session *session = container_of(head->next, struct session, patience);
            if (session->since_ns > before_ns)
                break;
            session_expire(session);
        }
    }
}
