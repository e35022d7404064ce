/*
 * bench http: the choreography of this build as a process of its own, over HTTP, from the order to its approval.
 *
 * One at a time: POST /orders, then GET of the order until it says APPROVED. An answer leaves when what it tells of is durable, so that is the time until the
 * approval is durable. Baseline: one bare write and fdatasync, taken in turn. At once: all orders as fast as bounded keep-alive
 * connections, with pipelining, take them; then every order is looked at: none may have been refused, or have missed its deadline. Baseline:
 * GET /health on the same connections.
 */
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

#include "bench.h"

#define PORT 21140
#define ROUNDS 20
#define ROUND_ORDERS 25
#define ORDERS 100000
#define CONNECTIONS 256
#define PIPELINED 16
#define ANSWER_BYTES (1 << 20)
#define PAGE_ROWS 1000
#define WAIT_SECONDS 60

static const char post_order[] = "POST /orders HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 48\r\n\r\n"
                                 "{\"holderId\":\"jjy\", \"currencyId\":1, \"amount\":1.0}";
static const char get_health[] = "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";
static const char post_points[] = "POST /points HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 41\r\n\r\n"
                                  "{\"userId\":\"jjy\", \"point\":1000000000000.0}";

static void die(const char *what)
{
    (void)fprintf(stderr, "bench http: %s: %s\n", what, strerror(errno));
    exit(1);
}

static double seconds_since(int64_t start_ns)
{
    return (double)(bench_now_ns() - start_ns) / 1e9;
}

/* --- one connection ------------------------------------------------------------------------------------- */

static int connect_server(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(PORT), .sin_addr = { htonl(INADDR_LOOPBACK) } };
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

/* Sends a request and waits for its answer, which is zero-terminated. */
static const char *ask(int fd, const char *request)
{
    static char answer[ANSWER_BYTES + 1];
    size_t have = 0, len = strlen(request);
    if (send(fd, request, len, MSG_NOSIGNAL) != (ssize_t)len)
        die("send");
    do {
        ssize_t n = recv(fd, answer + have, ANSWER_BYTES - have, 0);
        if (n <= 0)
            die("no answer");
        have += (size_t)n;
        answer[have] = 0;
    } while (answer_len(answer, have) == 0);
    return answer;
}

static bool has_status(const char *answer, const char *status)
{
    return strncmp(answer + 9, status, 3) == 0;
}

/* --- one at a time -------------------------------------------------------------------------------------- */

/* Nanoseconds until an order is approved and that is durable; `gets` counts how often it was asked. */
static int64_t order_once(int fd, uint64_t *gets)
{
    char request[400], location[200] = "";
    int64_t start = bench_now_ns();
    const char *answer = ask(fd, post_order);
    const char *at = strcasestr(answer, "location:");
    if (!has_status(answer, "201") || !at || sscanf(at + 9, " %*[^/]//%*[^/]%199[^\r]", location) != 1) {
        (void)fprintf(stderr, "bench http: an order was refused:\n%s\n", answer);
        exit(1);
    }
    (void)snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", location);
    do {
        answer = ask(fd, request);
        ++*gets;
    } while (!strstr(answer, "\"APPROVED\""));
    return bench_now_ns() - start;
}

static void one_at_a_time(const struct bench *b)
{
    static int64_t syncs[ROUNDS], orders[ROUNDS * ROUND_ORDERS], ratios[ROUNDS];
    uint64_t gets = 0;
    int fd = connect_server();
    for (size_t i = 0; i < ROUNDS; i++) {
        int64_t round[ROUND_ORDERS];
        syncs[i] = (int64_t)(bench_sync_us(b, ROUND_ORDERS) * 1000);
        for (size_t k = 0; k < ROUND_ORDERS; k++)
            round[k] = orders[i * ROUND_ORDERS + k] = order_once(fd, &gets);
        ratios[i] = bench_percentile(round, ROUND_ORDERS, 0.5) * 1000 / syncs[i];
    }
    (void)close(fd);
    bench_figure(b, "baseline: bare 4 KiB write and fdatasync, p50", (double)bench_percentile(syncs, ROUNDS, 0.5) / 1e3, "us", NULL);
    bench_figure(b, "order to approved, durable, one at a time, p50", (double)bench_percentile(orders, ROUNDS * ROUND_ORDERS, 0.5) / 1e3, "us", NULL);
    bench_figure(b, "order to approved, durable, one at a time, p99", (double)bench_percentile(orders, ROUNDS * ROUND_ORDERS, 0.99) / 1e3, "us", NULL);
    bench_figure(b, "order to approved, to one sync", (double)bench_percentile(ratios, ROUNDS, 0.5) / 1e3, "ratio", "<= 3");
    bench_figure(b, "GETs until it was approved, on average", (double)gets / (ROUNDS * ROUND_ORDERS), "GETs", NULL);
}

/* --- at once -------------------------------------------------------------------------------------------- */

struct connection {
    int fd;
    size_t to_send;      /* bytes of the last request that are not sent yet */
    bool to_write;       /* it is told when it can send on */
    unsigned under_way;  /* requests begun and not answered */
    size_t have;
    char in[16384];
};

struct burst {
    const char *request;
    size_t request_len;
    const char *status;  /* of a good answer */
    uint64_t begun, all, answered, refused;
    int epoll;
    struct connection connections[CONNECTIONS];
};

static void connection_watch(struct burst *burst, struct connection *c, int how, bool to_write)
{
    c->to_write = to_write;
    struct epoll_event event = { .events = EPOLLIN | (to_write ? EPOLLOUT : 0u), .data.ptr = c };
    if (epoll_ctl(burst->epoll, how, c->fd, &event) != 0)
        die("epoll");
}

/* Begins as many requests as may be under way. */
static void connection_send(struct burst *burst, struct connection *c)
{
    char out[PIPELINED * sizeof post_order];
    size_t len = c->to_send;
    memcpy(out, burst->request + burst->request_len - c->to_send, c->to_send);
    while (c->under_way < PIPELINED && burst->begun < burst->all && len + burst->request_len <= sizeof out) {
        memcpy(out + len, burst->request, burst->request_len);
        len += burst->request_len;
        c->under_way++;
        burst->begun++;
    }
    ssize_t n = len ? send(c->fd, out, len, MSG_NOSIGNAL) : 0;
    if (n < 0 && errno != EAGAIN)
        die("send");
    size_t left = len - (n > 0 ? (size_t)n : 0), whole = left / burst->request_len;
    /* Requests of which no byte has been sent are taken back. */
    c->under_way -= (unsigned)whole;
    burst->begun -= whole;
    c->to_send = left % burst->request_len;
    if (c->to_write != (left > 0))
        connection_watch(burst, c, EPOLL_CTL_MOD, left > 0);
}

static void connection_receive(struct burst *burst, struct connection *c)
{
    ssize_t n = recv(c->fd, c->in + c->have, sizeof c->in - 1 - c->have, 0);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0)
        die("a connection was closed");
    c->have += (size_t)n;
    c->in[c->have] = 0;
    size_t at = 0;
    for (size_t len; (len = answer_len(c->in + at, c->have - at)) > 0; at += len) {
        if (!has_status(c->in + at, burst->status) && burst->refused++ == 0)
            (void)fprintf(stderr, "bench http: refused:\n%.*s\n", (int)len, c->in + at);
        burst->answered++;
        c->under_way--;
    }
    memmove(c->in, c->in + at, c->have - at);
    c->have -= at;
}

/* Seconds until all requests were answered. */
static double burst_run(struct burst *burst, const char *request, const char *status, uint64_t count)
{
    struct epoll_event events[CONNECTIONS];
    burst->request = request;
    burst->request_len = strlen(request);
    burst->status = status;
    burst->all = count;
    burst->begun = burst->answered = burst->refused = 0;
    int64_t start = bench_now_ns();
    for (size_t i = 0; i < CONNECTIONS; i++)
        connection_send(burst, &burst->connections[i]);
    while (burst->answered < burst->all) {
        int n = epoll_wait(burst->epoll, events, CONNECTIONS, 1000);
        if ((n < 0 && errno != EINTR) || seconds_since(start) > WAIT_SECONDS)
            die("the answers do not come");
        for (int i = 0; i < n; i++) {
            if (events[i].events & (EPOLLIN | EPOLLERR | EPOLLHUP))
                connection_receive(burst, events[i].data.ptr);
            connection_send(burst, events[i].data.ptr);
        }
    }
    return seconds_since(start);
}

static void burst_open(struct burst *burst)
{
    burst->epoll = epoll_create1(EPOLL_CLOEXEC);
    for (size_t i = 0; i < CONNECTIONS; i++) {
        struct connection *c = &burst->connections[i];
        c->fd = connect_server();
        if (c->fd < 0 || fcntl(c->fd, F_SETFL, O_NONBLOCK) != 0)
            die("connect");
        connection_watch(burst, c, EPOLL_CTL_ADD, false);
    }
}

static uint64_t count_in(const char *text, const char *what)
{
    uint64_t count = 0;
    for (const char *at = text; (at = strstr(at, what)); at += strlen(what))
        count++;
    return count;
}

/* Looks at all orders until none is pending. */
static void count_orders(uint64_t *ret_approved, uint64_t *ret_rejected)
{
    int fd = connect_server();
    int64_t start = bench_now_ns();
    uint64_t pending;
    do {
        uint64_t pages = 1;
        *ret_approved = *ret_rejected = pending = 0;
        for (uint64_t page = 0; page < pages; page++) {
            char request[200];
            (void)snprintf(request, sizeof request, "GET /orders?size=%d&page=%u HTTP/1.1\r\nHost: localhost\r\n\r\n", PAGE_ROWS, (unsigned)page);
            const char *answer = ask(fd, request), *total = strstr(answer, "\"totalPages\":");
            if (!total)
                die(answer);
            pages = strtoul(total + 13, NULL, 10);
            *ret_approved += count_in(answer, "\"APPROVED\"");
            *ret_rejected += count_in(answer, "\"REJECTED");
            pending += count_in(answer, "\"PENDING\"");
        }
    } while (pending > 0 && seconds_since(start) < WAIT_SECONDS);
    (void)close(fd);
}

static void at_once(const struct bench *b)
{
    static struct burst burst;
    uint64_t orders = (uint64_t)(ORDERS * b->scale) + 1, before, approved, rejected;
    count_orders(&before, &rejected);
    burst_open(&burst);
    double health = burst_run(&burst, get_health, "200", orders);
    double seconds = burst_run(&burst, post_order, "201", orders);
    int64_t start = bench_now_ns();
    count_orders(&approved, &rejected);
    bench_figure(b, "baseline: GET /health on the same connections", (double)orders / health, "requests/s", NULL);
    bench_figure(b, "orders at once", (double)orders, "orders", "100000 for the claim (--scale 1)");
    bench_figure(b, "orders answered, durable", (double)orders / seconds, "orders/s", NULL);
    bench_figure(b, "until all were answered", seconds, "s", NULL);
    bench_figure(b, "then, until every one was seen as decided", seconds_since(start), "s", NULL);
    bench_figure(b, "orders approved", (double)(approved - before), "orders", "all");
    bench_figure(b, "orders refused", (double)burst.refused, "orders", "0");
    bench_figure(b, "orders that missed their deadline of 5 s", (double)rejected, "orders", "0");
}

/* --- the application ------------------------------------------------------------------------------------ */

static pid_t start_application(const struct bench *b, const char *program)
{
    char path[4200], data[300], port[8];
    char *run[] = { path, "run", "--data", data, "--port", port, NULL };
    (void)snprintf(path, sizeof path, "%s", program);
    char *slash = strrchr(path, '/');
    (void)snprintf(slash ? slash + 1 : path, 64, "../examples/choreography");
    (void)snprintf(data, sizeof data, "%s/data", b->dir);
    (void)snprintf(port, sizeof port, "%d", PORT);
    if (connect_server() >= 0)
        die("the port is taken");
    pid_t pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_RDWR);
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)dup2(null, 1);
        (void)execv(path, run);
        _exit(127);
    }
    for (int fd; (fd = connect_server()) < 0 || close(fd) != 0;)
        if (usleep(1000) != 0 || waitpid(pid, NULL, WNOHANG) != 0)
            die(path);
    return pid;
}

int main(int argc, char **argv)
{
    struct bench b;
    bench_begin(&b, "http", argc, argv);
    pid_t pid = start_application(&b, argv[0]);
    int fd = connect_server();
    if (!has_status(ask(fd, post_points), "201"))
        die("the points could not be set");
    (void)close(fd);
    one_at_a_time(&b);
    at_once(&b);
    (void)kill(pid, SIGTERM);
    (void)waitpid(pid, NULL, 0);
    bench_end(&b);
    return 0;
}
