/*
 * connection: see connection.h. Its requests are handled one after the other; while one is under way, or while the client
 * does not take its answers, the socket is not read, so that what a client can make the server hold is bounded. A client that sends many
 * requests at once has some of them handled in each turn of the loop, or all others would wait for the last of them.
 *
 * A connection ends in order: no further request is taken, what is answered is sent, the sending side is shut, and what still arrives is
 * dropped until the peer closes or its time is over. Without that, unread bytes would make the kernel send a reset, which can
 * overtake the last answer.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/parts.h"

#define READ_BYTES_MIN (UINT32_C(16) << 10)
#define READ_BYTES_MAX (UINT32_C(256) << 10)
#define REQUESTS_AT_ONCE 32
#define INPUT_KEPT_BYTES (UINT32_C(64) << 10)
#define WATCHED_BYTES_MAX (UINT32_C(64) << 10) /* a client that sends on while its request is under way is read so far */

static void await_readable(struct connection *connection, bool await)
{
    if (connection->reading == await)
        return;
    connection->reading = await;
    if (await)
        (void)event_add(&connection->readable, NULL);
    else
        (void)event_del(&connection->readable);
}

void connection_weigh(struct connection *connection)
{
    const struct protocol *protocol = connection->protocol;
    size_t held = connection->in.capacity + connection->out.capacity + (protocol->held ? protocol->held(connection) : 0);
    connection->server->held_bytes += held - connection->held;
    connection->spoken->counts.held += held - connection->held;
    connection->held = held;
}

bool server_is_full(const struct server *server)
{
    return server->held_bytes > server->limits.memory_bytes_max;
}

void connection_touch(struct connection *connection)
{
    int patience = connection->state == CONNECTION_LINGERING                   ? PATIENCE_LINGER
                   : connection->tls && !tls_is_ready(connection->tls) ? PATIENCE_HANDSHAKE
                                                                               : PATIENCE_IDLE;
    connection->since_ns = connection->server->now_ns;
    list_remove(&connection->patience);
    list_push_back(&connection->server->patience[patience], &connection->patience);
}

/* It is run in the next turn. */
static void run_later(struct connection *connection)
{
    if (!list_linked(&connection->resumed))
        list_push_back(&connection->server->resumed, &connection->resumed);
}

void connection_resume(struct connection *connection)
{
    connection->busy = false;
    run_later(connection);
}

void connection_close(struct connection *connection)
{
    struct server *server = connection->server;
    await_readable(connection, false);
    if (connection->writing)
        (void)event_del(&connection->writable);
    if (connection->tls)
        tls_free(connection->tls);
    (void)close(connection->fd);
    if (connection->protocol->closed)
        connection->protocol->closed(connection);
    list_remove(&connection->link);
    list_remove(&connection->patience);
    list_remove(&connection->resumed);
    list_remove(&connection->waiting);
    buffer_deinit(&connection->in);
    buffer_deinit(&connection->out);
    server->held_bytes -= connection->held;
    connection->spoken->counts.held -= connection->held;
    connection->spoken->counts.open--;
    server->connection_count--;
    free(connection);
    listeners_resume(server);
}

bool connection_is_tls(const struct connection *connection)
{
    return connection->tls != NULL;
}

void connection_end(struct connection *connection)
{
    if (connection->state == CONNECTION_OPEN)
        connection->state = CONNECTION_ENDING;
}

/* Gives the memory of an input that is empty to the next connection; else moves what is left to its front. */
static void input_trim(struct connection *connection)
{
    struct buffer *in = &connection->in;
    size_t left = in->len - connection->in_at;
    if (connection->busy || (left && connection->in_at == 0))
        return;
    if (left) {
        memmove(in->data, in->data + connection->in_at, left);
        buffer_truncate(in, left);
    } else if (!connection->server->spare_in.data && in->capacity <= INPUT_KEPT_BYTES) {
        buffer_clear(in);
        connection->server->spare_in = *in;
        *in = BUFFER_EMPTY;
    } else {
        buffer_deinit(in);
    }
    connection->in_at = 0;
}

/* All is sent. */
static void finish(struct connection *connection)
{
    if (connection->tls)
        tls_end(connection->tls);
    if (connection->peer_ended || connection->server->stopping || shutdown(connection->fd, SHUT_WR) < 0) {
        connection_close(connection);
        return;
    }
    connection->state = CONNECTION_LINGERING;
    connection_touch(connection);
    await_readable(connection, true);
}

static bool wants_input(const struct connection *connection)
{
    if (connection->state != CONNECTION_OPEN || connection->blocked || connection->peer_ended || list_linked(&connection->resumed))
        return false;
    return !connection->busy || (connection->watched && connection->in.len < WATCHED_BYTES_MAX);
}

/* What TLS has decrypted already, the socket does not tell of. */
static void await_input(struct connection *connection, bool await)
{
    await_readable(connection, await);
    if (await && connection->tls && tls_has_more(connection->tls))
        event_active(&connection->readable, EV_READ, 0);
}

void connection_flush(struct connection *connection)
{
    if (!buffer_ok(&connection->out) || output_send(connection) < 0) {
        connection_close(connection);
        return;
    }
    size_t unsent = connection_unsent(connection);
    if ((connection->blocked || connection->full) && unsent < output_max(connection) / 2) {
        connection->drained |= connection->full;
        connection->blocked = connection->full = false;
        run_later(connection);
    }
    connection_weigh(connection);
    if (connection->state == CONNECTION_ENDING && !connection->busy && unsent == 0)
        finish(connection);
    else if (connection->state != CONNECTION_LINGERING)
        await_input(connection, wants_input(connection));
}

/* The next request: 1 when there was one, 0, or a negative code: the connection is to be closed. */
static int take(struct connection *connection)
{
    size_t there = connection->in.len - connection->in_at, max = connection->protocol->in_bytes_max;
    int rc = 0;
    if (there && there >= connection->in_needed) {
        connection->in_needed = 0;
        rc = connection->protocol->take(connection);
    }
    if (rc > 0)
        connection_touch(connection);
    return rc == 0 && max && connection->in.len - connection->in_at >= max ? EDDA_ETOOLARGE : rc;
}

void connection_run(struct connection *connection)
{
    if (connection->drained) {
        connection->drained = false;
        if (connection->state == CONNECTION_OPEN && connection->protocol->drained)
            connection->protocol->drained(connection);
    }
    for (int taken = 0; connection->state == CONNECTION_OPEN && !connection->busy && !connection->blocked; taken++) {
        if (taken == REQUESTS_AT_ONCE || server_is_full(connection->server)) {
            run_later(connection);
            break;
        }
        if (connection_unsent(connection) >= output_max(connection)) {
            connection->blocked = true;
            break;
        }
        int rc = take(connection);
        if (rc < 0) {
            connection_close(connection);
            return;
        }
        if (rc == 0) {
            if (connection->peer_ended)
                connection_end(connection);
            break;
        }
    }
    input_trim(connection);
    connection_flush(connection);
}

/* What arrives after the last answer is dropped. */
static void drop(struct connection *connection)
{
    uint8_t dropped[4096];
    ssize_t n = recv(connection->fd, dropped, sizeof dropped, 0);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR))
        connection_close(connection);
}

/* TLS's waiting as that of a socket. */
static ssize_t as_of_socket(ssize_t n)
{
    if (n >= 0)
        return n;
    errno = n == TLS_BROKEN ? ECONNRESET : EAGAIN;
    return -1;
}

ssize_t connection_receive(struct connection *connection, void *bytes, size_t size)
{
    if (!connection->tls)
        return recv(connection->fd, bytes, size, 0);
    bool was_ready = tls_is_ready(connection->tls);
    ssize_t n = tls_receive(connection->tls, bytes, size);
    connection->turned = n == TLS_WANTS_WRITE;
    if (!was_ready && tls_is_ready(connection->tls))
        connection_touch(connection);
    return as_of_socket(n);
}

ssize_t connection_send(struct connection *connection, const void *bytes, size_t size)
{
    if (!connection->tls)
        return send(connection->fd, bytes, size, MSG_NOSIGNAL);
    return as_of_socket(tls_send(connection->tls, bytes, size));
}

/* Room for what arrives: the spare memory at first, and never much more than the protocol takes. */
static size_t input_room(struct connection *connection)
{
    struct buffer *in = &connection->in;
    size_t max = connection->protocol->in_bytes_max;
    if (!in->data) {
        *in = connection->server->spare_in;
        connection->server->spare_in = BUFFER_EMPTY;
    }
    if (!buffer_reserve(in, READ_BYTES_MIN))
        return 0;
    size_t room = in->capacity - in->len < READ_BYTES_MAX ? in->capacity - in->len : READ_BYTES_MAX;
    if (max && in->len < max && room > max - in->len)
        room = max - in->len;
    return room;
}

static void on_readable(evutil_socket_t fd, short what, void *user)
{
    struct connection *connection = user;
    struct server *server = connection->server;
    struct buffer *in = &connection->in;
    (void)fd, (void)what;
    if (connection->state == CONNECTION_LINGERING) {
        drop(connection);
        return;
    }
    /* The log catches up first, and memory is made; the socket stays readable. */
    if (!list_empty(&server->stalled) || server_is_full(server)) {
        if (connection->tls && tls_has_more(connection->tls))
            run_later(connection); /* of what is decrypted already the socket would not tell again */
        return;
    }
    size_t room = input_room(connection);
    ssize_t n = room ? connection_receive(connection, in->data + in->len, room) : -1;
    if (room && n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
        input_trim(connection); /* of TLS the socket may have bytes, and none for us */
        connection_flush(connection);
        return;
    }
    if (n < 0 || (n == 0 && connection->busy)) {
        connection_close(connection);
        return;
    }
    if (n > 0 && in->len == connection->in_at)
        connection_touch(connection);
    in->len += (size_t)n;
    connection->spoken->counts.bytes_in += (size_t)n;
    connection->peer_ended = n == 0;
    connection_run(connection);
}

static void on_writable(evutil_socket_t fd, short what, void *user)
{
    struct connection *connection = user;
    bool turned = connection->turned;
    connection->turned = false;
    if (turned)
        on_readable(fd, what, user);
    else
        connection_flush(connection);
}

void connection_open(struct server *server, const struct listener *listener, int fd)
{
    struct spoken *spoken = listener->spoken;
    struct tls_channel *tls = listener->tls ? tls_accept(server->tls, fd) : NULL;
    ASSERT(spoken->protocol->session_bytes >= sizeof(struct connection));
    struct connection *connection = calloc(1, spoken->protocol->session_bytes);
    if (!connection || (listener->tls && !tls)) {
        if (tls)
            tls_free(tls);
        free(connection);
        (void)close(fd);
        return;
    }
    connection->server = server;
    connection->protocol = spoken->protocol;
    connection->spoken = spoken;
    connection->host = spoken->host;
    connection->fd = fd;
    connection->tls = tls;
    connection->state = CONNECTION_OPEN;
    list_init(&connection->patience);
    list_init(&connection->resumed);
    list_init(&connection->waiting);
    list_push_back(&server->connections, &connection->link);
    server->connection_count++;
    spoken->counts.open++;
    (void)event_assign(&connection->readable, server->base, fd, EV_READ | EV_PERSIST, on_readable, connection);
    (void)event_assign(&connection->writable, server->base, fd, EV_WRITE | EV_PERSIST, on_writable, connection);
    connection_touch(connection);
    if (connection->protocol->opened)
        connection->protocol->opened(connection);
    connection_flush(connection);
}

/* --- memory ------------------------------------------------------------------------------------------------------------- */

/* Told so, if words can reach it; then it is gone. */
static void shed(struct connection *connection)
{
    struct server *server = connection->server;
    struct buffer words = BUFFER_EMPTY;
    server_log(server, "connection.shed", "%s is closed: all clients together hold %" PRIu64 " bytes, over the limit of %" PRIu64 ", and it holds most of them, %zu",
               connection_peer(connection), server->held_bytes, server->limits.memory_bytes_max, connection->held);
    connection->spoken->counts.shed++;
    if (connection->protocol->refused && connection->state == CONNECTION_OPEN && connection_unsent(connection) == 0)
        connection->protocol->refused(server, "the server has no memory left for what its clients have sent, and for what they have not taken", &words);
    if (buffer_ok(&words) && words.len && (!connection->tls || tls_is_ready(connection->tls)))
        (void)connection_send(connection, words.data, words.len);
    buffer_deinit(&words);
    connection_close(connection);
}

/* Who holds most has got most, so one after the other is closed until there is room. It may have done nothing wrong; but it can come back, and all others are served. */
void connections_shed(struct server *server)
{
    if (!server_is_full(server))
        return;
    while (server_is_full(server)) {
        struct connection *largest = NULL;
        for (struct list *link = server->connections.next; link != &server->connections; link = link->next) {
            struct connection *connection = container_of(link, struct connection, link);
            if (!largest || connection->held > largest->held)
                largest = connection;
        }
        ASSERT(largest);
        shed(largest);
    }
    /* Those that found no room, while there was none for anybody. */
    for (struct list *link = server->connections.next; link != &server->connections; link = link->next) {
        struct connection *connection = container_of(link, struct connection, link);
        if (connection->full && connection_unsent(connection) < output_max(connection) / 2) {
            connection->drained = true;
            connection->full = false;
            run_later(connection);
        }
    }
}

/* --- the client's patience, and ours ---------------------------------------------------------------------------------- */

/* An answer that waits for the disk, or for its handler, is not the client's fault; and who has subscribed has nothing to say. */
static bool wait_is_ours(const struct connection *connection)
{
    bool all_sent = connection->sent == connection->open;
    if (connection->busy || (connection->mark_count && all_sent))
        return true;
    return connection->pushes && connection->state == CONNECTION_OPEN && all_sent && connection->in.len == connection->in_at;
}

static void expire(struct connection *connection)
{
    if (connection->state != CONNECTION_LINGERING && wait_is_ours(connection)) {
        connection_touch(connection);
        return;
    }
    connection->spoken->counts.expired++;
    bool arriving = connection->state == CONNECTION_OPEN && connection->in.len > connection->in_at && connection_unsent(connection) == 0;
    if (!arriving || !connection->protocol->expired) {
        connection_close(connection);
        return;
    }
    connection_end(connection);
    connection->protocol->expired(connection);
    connection_touch(connection);
    connection_flush(connection);
}

void connections_expire(struct server *server)
{
    const uint32_t limits_ms[PATIENCE_COUNT] = {
        [PATIENCE_IDLE] = server->limits.idle_ms, [PATIENCE_HANDSHAKE] = server->limits.handshake_ms, [PATIENCE_LINGER] = server->limits.linger_ms
    };
    for (int i = 0; i < PATIENCE_COUNT; i++) {
        int64_t before_ns = server->now_ns - (int64_t)limits_ms[i] * NS_PER_MS;
        struct list *head = &server->patience[i];
        while (!list_empty(head)) {
            struct connection *connection = container_of(head->next, struct connection, patience);
            if (connection->since_ns > before_ns)
                break;
            expire(connection);
        }
    }
}
