/* client: see client.h. */
#include "client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define CONNECTIONS 256
#define PIPELINED 16
#define REQUEST_BYTES 512
#define ANSWER_BYTES (1 << 20)
#define WAIT_SECONDS 60

static const char *client_name;
static int client_port;
static size_t shape_connections = CONNECTIONS, shape_pipelined = PIPELINED;

void client_shape(int connections, int pipelined)
{
    shape_connections = (size_t)connections;
    shape_pipelined = (size_t)pipelined;
}

void client_die(const char *what)
{
    (void)fprintf(stderr, "bench %s: %s: %s\n", client_name, what, strerror(errno));
    exit(1);
}

double client_seconds_since(int64_t start_ns)
{
    return (double)(bench_now_ns() - start_ns) / 1e9;
}

/* --- the application ------------------------------------------------------------------------------------ */

pid_t client_start(const struct bench *b, const char *program, const char *name, int port)
{
    char path[4200], data[300], port_text[8];
    char *run[] = { path, "run", "--data", data, "--port", port_text, NULL };
    client_name = b->name;
    client_port = port;
    (void)snprintf(path, sizeof path, "%s", program);
    char *slash = strrchr(path, '/');
    (void)snprintf(slash ? slash + 1 : path, 64, "../examples/%s", name);
    (void)snprintf(data, sizeof data, "%s/data", b->dir);
    (void)snprintf(port_text, sizeof port_text, "%d", port);
    if (client_connect() >= 0)
        client_die("the port is taken");
    pid_t pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_RDWR);
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)dup2(null, 1);
        (void)execv(path, run);
        _exit(127);
    }
    for (int fd; (fd = client_connect()) < 0 || close(fd) != 0;)
        if (usleep(1000) != 0 || waitpid(pid, NULL, WNOHANG) != 0)
            client_die(path);
    return pid;
}

void client_stop(pid_t pid)
{
    (void)kill(pid, SIGTERM);
    (void)waitpid(pid, NULL, 0);
}

/* --- one connection ------------------------------------------------------------------------------------- */

int client_connect(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)client_port), .sin_addr = { htonl(INADDR_LOOPBACK) } };
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        (void)close(fd);
        return -1;
    }
    if (fd >= 0)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

/* Bytes of the first whole answer in a zero-terminated text, 0 when there is none yet. Every answer of the server has a Content-Length. */
static size_t answer_len(const char *text, size_t len)
{
    const char *end = strstr(text, "\r\n\r\n");
    const char *length = end ? strcasestr(text, "content-length:") : NULL;
    size_t head = end ? (size_t)(end - text) + 4 : 0, body = 0;
    if (!end)
        return 0;
    if (length && length < end)
        body = strtoul(length + 15, NULL, 10);
    return len >= head + body ? head + body : 0;
}

const char *client_ask(int fd, const char *request)
{
    static char answer[ANSWER_BYTES + 1];
    size_t have = 0, len = strlen(request);
    if (send(fd, request, len, MSG_NOSIGNAL) != (ssize_t)len)
        client_die("send");
    do {
        ssize_t n = recv(fd, answer + have, ANSWER_BYTES - have, 0);
        if (n <= 0)
            client_die("no answer");
        have += (size_t)n;
        answer[have] = 0;
    } while (answer_len(answer, have) == 0);
    return answer;
}

bool client_has_status(const char *answer, const char *status)
{
    return strncmp(answer + 9, status, 3) == 0;
}

/* --- many ----------------------------------------------------------------------------------------------- */

struct connection {
    int fd;
    bool to_write;       /* it is told when it can send on */
    unsigned under_way;  /* requests begun and not answered */
    size_t sent, len;    /* of `out` */
    size_t have;
    char out[PIPELINED * REQUEST_BYTES];
    char in[16384];
};

struct burst {
    client_request_fn *make;
    const void *user;
    const char *status;  /* of a good answer */
    uint64_t begun, all, answered, refused;
    int epoll;
    struct connection connections[CONNECTIONS];
};

size_t client_same_request(char *out, size_t size, uint64_t n, const void *user)
{
    (void)n;
    return (size_t)snprintf(out, size, "%s", (const char *)user);
}

static void connection_watch(struct burst *burst, struct connection *c, int how, bool to_write)
{
    c->to_write = to_write;
    struct epoll_event event = { .events = EPOLLIN | (to_write ? EPOLLOUT : 0u), .data.ptr = c };
    if (epoll_ctl(burst->epoll, how, c->fd, &event) != 0)
        client_die("epoll");
}

/* Begins as many requests as may be under way, once those before have been sent. */
static void connection_send(struct burst *burst, struct connection *c)
{
    if (c->sent == c->len) {
        c->sent = c->len = 0;
        while (c->under_way < shape_pipelined && burst->begun < burst->all) {
            size_t len = burst->make(c->out + c->len, REQUEST_BYTES, burst->begun++, burst->user);
            if (len >= REQUEST_BYTES)
                client_die("a request is too long");
            c->len += len;
            c->under_way++;
        }
    }
    ssize_t n = c->sent < c->len ? send(c->fd, c->out + c->sent, c->len - c->sent, MSG_NOSIGNAL) : 0;
    if (n < 0 && errno != EAGAIN)
        client_die("send");
    c->sent += n > 0 ? (size_t)n : 0;
    if (c->to_write != (c->sent < c->len))
        connection_watch(burst, c, EPOLL_CTL_MOD, c->sent < c->len);
}

static void connection_receive(struct burst *burst, struct connection *c)
{
    ssize_t n = recv(c->fd, c->in + c->have, sizeof c->in - 1 - c->have, 0);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0)
        client_die("a connection was closed");
    c->have += (size_t)n;
    c->in[c->have] = 0;
    size_t at = 0;
    for (size_t len; (len = answer_len(c->in + at, c->have - at)) > 0; at += len) {
        if (!client_has_status(c->in + at, burst->status) && burst->refused++ == 0)
            (void)fprintf(stderr, "bench %s: refused:\n%.*s\n", client_name, (int)len, c->in + at);
        burst->answered++;
        c->under_way--;
    }
    memmove(c->in, c->in + at, c->have - at);
    c->have -= at;
}

/* They are kept from one burst to the next. */
static void connections_open(struct burst *burst)
{
    if (burst->epoll > 0)
        return;
    burst->epoll = epoll_create1(EPOLL_CLOEXEC);
    for (size_t i = 0; i < shape_connections; i++) {
        struct connection *c = &burst->connections[i];
        c->fd = client_connect();
        if (c->fd < 0 || fcntl(c->fd, F_SETFL, O_NONBLOCK) != 0)
            client_die("connect");
        connection_watch(burst, c, EPOLL_CTL_ADD, false);
    }
}

double client_burst(client_request_fn *make, const void *user, const char *status, uint64_t count, uint64_t *ret_refused)
{
    static struct burst burst;
    struct epoll_event events[CONNECTIONS];
    connections_open(&burst);
    burst.make = make;
    burst.user = user;
    burst.status = status;
    burst.all = count;
    burst.begun = burst.answered = burst.refused = 0;
    int64_t start = bench_now_ns();
    for (size_t i = 0; i < shape_connections; i++)
        connection_send(&burst, &burst.connections[i]);
    while (burst.answered < burst.all) {
        int n = epoll_wait(burst.epoll, events, CONNECTIONS, 1000);
        if ((n < 0 && errno != EINTR) || client_seconds_since(start) > WAIT_SECONDS)
            client_die("the answers do not come");
        for (int i = 0; i < n; i++) {
            if (events[i].events & (EPOLLIN | EPOLLERR | EPOLLHUP))
                connection_receive(&burst, events[i].data.ptr);
            connection_send(&burst, events[i].data.ptr);
        }
    }
    *ret_refused = burst.refused;
    return client_seconds_since(start);
}
