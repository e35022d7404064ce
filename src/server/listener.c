/*
 * listener: the listening sockets. Connections over the limit are told so and closed at once; when the process has no descriptors left, accepting
 * pauses until a connection ends, for an event loop would otherwise find the same connection waiting again and again.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/parts.h"

#define BACKLOG 1024
#define ACCEPTS_PER_EVENT 64
#define LOOPBACK "127.0.0.1"

static void pause_accepting(struct listener *listener)
{
    if (listener->accepting)
        (void)event_del(&listener->acceptable);
    listener->accepting = false;
}

void listeners_resume(struct server *server)
{
    for (size_t i = 0; i < server->listener_count && !server->stopping; i++) {
        struct listener *listener = &server->listeners[i];
        if (listener->fd >= 0 && !listener->accepting)
            listener->accepting = event_add(&listener->acceptable, NULL) == 0;
    }
}

/* Best effort: a socket that has just been accepted takes this at once. */
static void refuse_connection(struct listener *listener, int fd)
{
    const struct protocol *protocol = listener->spoken->protocol;
    struct buffer answer = BUFFER_EMPTY;
    listener->spoken->counts.refused++;
    if (protocol->refused)
        protocol->refused(listener->server, "there are as many open connections as are allowed", &answer);
    /* In TLS the words would take a handshake first. */
    if (buffer_ok(&answer) && answer.len && !listener->tls)
        (void)send(fd, answer.data, answer.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    buffer_deinit(&answer);
    (void)shutdown(fd, SHUT_WR);
    (void)close(fd);
}

static void accept_one(struct listener *listener, int fd)
{
    struct server *server = listener->server;
    int one = 1;
    listener->spoken->counts.accepted++;
    if (server->connection_count >= server->limits.connections_max) {
        refuse_connection(listener, fd);
        return;
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    connection_open(server, listener, fd);
}

static void on_acceptable(evutil_socket_t listening, short what, void *user)
{
    struct listener *listener = user;
    (void)what;
    for (int i = 0; i < ACCEPTS_PER_EVENT; i++) {
        int fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            accept_one(listener, fd);
            continue;
        }
        bool exhausted = errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
        if (exhausted && listener->server->connection_count)
            pause_accepting(listener);
        if (exhausted || errno == EAGAIN || errno == EWOULDBLOCK)
            return;
    }
}

static int listener_fail(const struct listener *listener, const char *what, struct edda_error *error)
{
    int code = errno == EADDRINUSE ? EDDA_EEXISTS : EDDA_EIO;
    if (code == EDDA_EEXISTS)
        return edda_fail_field(error, code, listener->spoken->protocol->name, "port %u of %s is taken: another process listens there", (unsigned)listener->port, listener->address);
    return edda_fail_field(error, code, listener->spoken->protocol->name, "%s port %u of %s: %s", what, (unsigned)listener->port, listener->address, strerror(errno));
}

/* The address in binary, of either family. */
static int address_parse(const char *address, uint16_t port, struct sockaddr_storage *ret_address, socklen_t *ret_len)
{
    struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(port) };
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
    if (inet_pton(AF_INET, address, &v4.sin_addr) == 1) {
        memcpy(ret_address, &v4, sizeof v4);
        *ret_len = sizeof v4;
        return AF_INET;
    }
    if (inet_pton(AF_INET6, address, &v6.sin6_addr) == 1) {
        memcpy(ret_address, &v6, sizeof v6);
        *ret_len = sizeof v6;
        return AF_INET6;
    }
    return EDDA_EINVAL;
}

static bool is_loopback(const struct sockaddr_storage *address)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;
    return address->ss_family == AF_INET ? ntohl(v4->sin_addr.s_addr) >> 24 == 127 : IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

bool server_is_safe(bool is_loopback_address, bool has_tls, bool has_users, bool insecure)
{
    return is_loopback_address || insecure || (has_tls && has_users);
}

int server_check(const struct server_options *options, struct edda_error *error)
{
    for (size_t i = 0; i < SERVER_LISTENERS_MAX && options->listeners[i].protocol; i++) {
        const struct server_listener *row = &options->listeners[i];
        const char *name = row->protocol->name, *text = row->address ? row->address : LOOPBACK;
        struct sockaddr_storage address;
        socklen_t len;
        if (address_parse(text, row->port, &address, &len) < 0)
            return edda_fail_field(error, EDDA_EINVAL, name, "--%s: %s is no IP address; names are not looked up", name, text);
        if (row->tls && !(options->tls_certificate && options->tls_key))
            return edda_fail_field(error, EDDA_EINVAL, name, "TLS needs a certificate and its key");
        bool has_users = options->users && row->protocol->authenticates;
        if (!server_is_safe(is_loopback(&address), row->tls, has_users, options->insecure))
            return edda_fail_field(error, EDDA_EINVAL, name, "others can reach %s on %s: that takes TLS and users%s, or --insecure", name, text,
                                   row->protocol->authenticates ? "" : ", for whom this protocol does not ask");
    }
    return 0;
}

/* An address as text, without its port, which is returned. */
static uint16_t address_text(const struct sockaddr_storage *address, char ret_host[ADDRESS_TEXT_BYTES])
{
    const void *at = address->ss_family == AF_INET6 ? (const void *)&((const struct sockaddr_in6 *)address)->sin6_addr
                                                    : (const void *)&((const struct sockaddr_in *)address)->sin_addr;
    if (!inet_ntop(address->ss_family, at, ret_host, ADDRESS_TEXT_BYTES))
        ret_host[0] = '\0';
    return ntohs(address->ss_family == AF_INET6 ? ((const struct sockaddr_in6 *)address)->sin6_port
                                                : ((const struct sockaddr_in *)address)->sin_port);
}

/* The port that was given when one was to be picked. */
static uint16_t local_address(int fd, char ret_host[ADDRESS_TEXT_BYTES])
{
    struct sockaddr_storage address = { .ss_family = AF_UNSPEC };
    socklen_t len = sizeof address;
    ret_host[0] = '\0';
    return getsockname(fd, (struct sockaddr *)&address, &len) < 0 ? 0 : address_text(&address, ret_host);
}

uint16_t connection_local_address(const struct connection *connection, char ret_host[ADDRESS_TEXT_BYTES])
{
    return local_address(connection->fd, ret_host);
}

uint16_t connection_peer_address(const struct connection *connection, char ret_host[ADDRESS_TEXT_BYTES])
{
    struct sockaddr_storage address = { .ss_family = AF_UNSPEC };
    socklen_t len = sizeof address;
    ret_host[0] = '\0';
    return getpeername(connection->fd, (struct sockaddr *)&address, &len) < 0 ? 0 : address_text(&address, ret_host);
}

const char *connection_peer(const struct connection *connection)
{
    char host[ADDRESS_TEXT_BYTES], *peer = connection->server->peer;
    uint16_t port = connection_peer_address(connection, host);
    (void)snprintf(peer, sizeof connection->server->peer, strchr(host, ':') ? "[%s]:%u" : "%s:%u", host, (unsigned)port);
    return peer;
}

/* --- opening and closing ------------------------------------------------------------------------------------------ */

static int listener_open(struct listener *listener, struct edda_error *error)
{
    struct sockaddr_storage address;
    socklen_t len = 0;
    int on = 1, keep_after_s = (int)(listener->server->limits.idle_ms / 1000);
    int family = address_parse(listener->address, listener->port, &address, &len);
    ASSERT(family >= 0);
    listener->fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (listener->fd < 0)
        return listener_fail(listener, "making a socket for", error);
    (void)setsockopt(listener->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    /* Connections inherit these: who waits for something of ours, and is gone without a word, is found out by the kernel. */
    (void)setsockopt(listener->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    if (keep_after_s > 0)
        (void)setsockopt(listener->fd, IPPROTO_TCP, TCP_KEEPIDLE, &keep_after_s, sizeof keep_after_s);
    if (bind(listener->fd, (struct sockaddr *)&address, len) < 0 || listen(listener->fd, BACKLOG) < 0)
        return listener_fail(listener, "listening on", error);
    char host[ADDRESS_TEXT_BYTES];
    listener->port = local_address(listener->fd, host);
    (void)event_assign(&listener->acceptable, listener->server->base, listener->fd, EV_READ | EV_PERSIST, on_acceptable, listener);
    return 0;
}

static int spoken_find(struct server *server, const struct protocol *protocol, struct spoken **ret_spoken, struct edda_error *error)
{
    for (size_t i = 0; i < server->spoken_count; i++)
        if (server->spoken[i].protocol == protocol) {
            *ret_spoken = &server->spoken[i];
            return 0;
        }
    struct spoken *spoken = &server->spoken[server->spoken_count];
    int rc = protocol->host_open ? protocol->host_open(server, &spoken->host, error) : 0;
    if (rc < 0)
        return rc;
    spoken->protocol = protocol;
    server->spoken_count++;
    *ret_spoken = spoken;
    return 0;
}

int listeners_open(struct server *server, struct edda_error *error)
{
    static const struct server_listener alone = { .protocol = &http_protocol };
    int checked = server_check(&server->options, error);
    if (checked < 0)
        return checked;
    for (size_t i = 0; i < SERVER_LISTENERS_MAX; i++) {
        const struct server_listener *row = &server->options.listeners[i];
        if (!row->protocol && i > 0)
            break;
        if (!row->protocol)
            row = &alone;
        struct listener *listener = &server->listeners[server->listener_count++];
        *listener = (struct listener){ .server = server, .fd = -1, .port = row->port, .address = row->address ? row->address : LOOPBACK, .tls = row->tls };
        int rc = spoken_find(server, row->protocol, &listener->spoken, error);
        if (rc == 0 && row->tls && !server->tls)
            rc = tls_open(server->options.tls_certificate, server->options.tls_key, &server->tls, error);
        if (rc == 0)
            rc = listener_open(listener, error);
        if (rc < 0)
            return rc;
        if (row->protocol == &http_protocol && !server->authority[0])
            (void)snprintf(server->authority, sizeof server->authority, strchr(listener->address, ':') ? "[%s]:%u" : "%s:%u",
                           listener->address, (unsigned)listener->port);
    }
    listeners_resume(server);
    return 0;
}

void listeners_close(struct server *server)
{
    for (size_t i = 0; i < server->listener_count; i++) {
        struct listener *listener = &server->listeners[i];
        pause_accepting(listener);
        if (listener->fd >= 0)
            (void)close(listener->fd);
        listener->fd = -1;
    }
}
