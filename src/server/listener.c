/*
 * listener: the listening socket. Connections over the limit are told so and closed at once; when the process has no descriptors left, accepting
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

static void pause_accepting(struct server *server)
{
    if (server->accepting)
        (void)event_del(&server->acceptable);
    server->accepting = false;
}

void listener_resume(struct server *server)
{
    if (server->listener < 0 || server->accepting || server->stopping)
        return;
    server->accepting = event_add(&server->acceptable, NULL) == 0;
}

/* Best effort: a socket that has just been accepted takes this at once. */
static void refuse_connection(struct server *server, int fd)
{
    static const char content[] = "{\"type\":\"urn:edda:error:limit\",\"title\":\"a limit was reached\",\"status\":503,"
                                  "\"detail\":\"there are as many open connections as are allowed\"}\n";
    struct buffer answer = BUFFER_EMPTY;
    server->counts.refused++;
    server->counts.responses[503]++;
    http_response_head(&answer, 503, "application/problem+json", sizeof content - 1, false,
                       SLICE("Retry-After: 1\r\n"));
    buffer_append_str(&answer, content);
    if (buffer_ok(&answer))
        (void)send(fd, answer.data, answer.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    buffer_deinit(&answer);
    (void)shutdown(fd, SHUT_WR);
    (void)close(fd);
}

static void accept_one(struct server *server, int fd)
{
    int one = 1;
    server->counts.accepted++;
    if (server->session_count >= server->limits.connections_max) {
        refuse_connection(server, fd);
        return;
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    session_open(server, fd);
}

static void listener_acceptable(evutil_socket_t listener, short what, void *user)
{
    struct server *server = user;
    (void)what;
    for (int i = 0; i < ACCEPTS_PER_EVENT; i++) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            accept_one(server, fd);
            continue;
        }
        bool exhausted = errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
        if (exhausted && server->session_count)
            pause_accepting(server);
        if (exhausted || errno == EAGAIN || errno == EWOULDBLOCK)
            return;
    }
}

static int listener_fail(struct server *server, const char *what, const char *address, uint16_t port,
                         struct edda_error *error)
{
    int code = errno == EADDRINUSE ? EDDA_EEXISTS : EDDA_EIO;
    if (code == EDDA_EEXISTS)
        (void)edda_fail_field(error, code, "port", "port %u of %s is taken: another process listens there", (unsigned)port, address);
    else
        (void)edda_fail_field(error, code, "port", "%s port %u of %s: %s", what, (unsigned)port, address, strerror(errno));
    listener_close(server);
    return code;
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

/* The port that was given when one was to be picked. */
static uint16_t port_of(int fd)
{
    struct sockaddr_storage bound;
    socklen_t len = sizeof bound;
    if (getsockname(fd, (struct sockaddr *)&bound, &len) < 0)
        return 0;
    if (bound.ss_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, &bound, sizeof v6);
        return ntohs(v6.sin6_port);
    }
    struct sockaddr_in v4;
    memcpy(&v4, &bound, sizeof v4);
    return ntohs(v4.sin_port);
}

int listener_open(struct server *server, struct edda_error *error)
{
    const char *address = server->options.address ? server->options.address : "127.0.0.1";
    uint16_t port = server->options.port;
    struct sockaddr_storage bound;
    socklen_t len = 0;
    int one = 1;
    int family = address_parse(address, port, &bound, &len);
    if (family < 0)
        return edda_fail_field(error, EDDA_EINVAL, "address", "%s is no IP address", address);
    server->listener = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (server->listener < 0)
        return listener_fail(server, "making a socket for", address, port, error);
    (void)setsockopt(server->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(server->listener, (struct sockaddr *)&bound, len) < 0 || listen(server->listener, BACKLOG) < 0)
        return listener_fail(server, "listening on", address, port, error);
    server->options.port = port_of(server->listener);
    (void)snprintf(server->authority, sizeof server->authority, family == AF_INET6 ? "[%s]:%u" : "%s:%u", address,
                   (unsigned)server->options.port);
    (void)event_assign(&server->acceptable, server->base, server->listener, EV_READ | EV_PERSIST, listener_acceptable,
                       server);
    listener_resume(server);
    return 0;
}

void listener_close(struct server *server)
{
    pause_accepting(server);
    if (server->listener >= 0)
        (void)close(server->listener);
    server->listener = -1;
}
