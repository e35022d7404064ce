/*
 * bench resp: Redis's protocol, the same client against Edda and against redis-server in the same run: with appendfsync always and no, the latter being what Redis does when it
 * is asked for speed. Edda is always synced.
 *
 * XADD: 64 connections, one command under way on each; entries/s and the 99th percentile.
 * PUBLISH: one publisher with up to 64 messages under way, 10 subscribers; messages delivered per second, until the last subscriber has the last.
 *
 *     bench_resp EDDA [--json] [--scale N] [--dir PARENT]
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

#define WRITERS 64
#define ENTRIES 100000
#define SUBSCRIBERS 10
#define MESSAGES 100000
#define UNDER_WAY 64
#define VALUE_BYTES 256
#define WAIT_MS 10000
#define ROUNDS 3

struct peer {
    const char *name;
    int port;
    const char *fsync; /* of redis-server; NULL: Edda */
};

static void fail(const char *what)
{
    (void)fprintf(stderr, "bench resp: %s: %s\n", what, errno ? strerror(errno) : "not as it should be");
    exit(1);
}

/* --- the servers ------------------------------------------------------------------------------------------ */

static int connect_to(int port)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = { htonl(INADDR_LOOPBACK) } };
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

static pid_t start(const struct bench *b, const char *edda, const struct peer *peer)
{
    char port[16], listen[40], data[300];
    (void)snprintf(port, sizeof port, "%d", peer->port);
    (void)snprintf(listen, sizeof listen, "127.0.0.1:%d", peer->port);
    (void)snprintf(data, sizeof data, "%s/%s", b->dir, peer->name);
    pid_t pid = fork();
    if (pid == 0) {
        if (!freopen("/dev/null", "w", stdout))
            _exit(1);
        if (!peer->fsync)
            (void)execl(edda, edda, "serve", "--data", data, "--resp", listen, "--http", "off", "--kafka", "off", (char *)NULL);
        else
            (void)execlp("redis-server", "redis-server", "--port", port, "--bind", "127.0.0.1", "--dir", b->dir, "--appendonly", "yes", "--appenddirname",
                         peer->name, "--appendfsync", peer->fsync, "--save", "", (char *)NULL);
        _exit(1);
    }
    for (int tries = 0; tries < WAIT_MS / 10; tries++) {
        int fd = connect_to(peer->port);
        if (fd >= 0) {
            (void)close(fd);
            return pid;
        }
        (void)usleep(10000);
    }
    fail(peer->name);
    return -1;
}

static void stop(pid_t pid)
{
    (void)kill(pid, SIGTERM);
    (void)waitpid(pid, NULL, 0);
}

/* --- XADD ---------------------------------------------------------------------------------------------------- */

struct writer {
    int fd;
    int64_t sent_ns;
    size_t there;     /* bytes of the answer so far */
    char answer[128];
};

static size_t make_command(char *out, size_t size, const char *const *words, size_t count)
{
    size_t len = (size_t)snprintf(out, size, "*%zu\r\n", count);
    for (size_t i = 0; i < count; i++)
        len += (size_t)snprintf(out + len, size - len, "$%zu\r\n%s\r\n", strlen(words[i]), words[i]);
    return len;
}

static void write_all(int fd, const char *bytes, size_t len)
{
    while (len) {
        ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);
        if (n <= 0)
            fail("sending");
        bytes += n;
        len -= (size_t)n;
    }
}

/* An id is "$15\r\n…\r\n": whole when its second line has ended. */
static int answered(struct writer *writer)
{
    ssize_t n = recv(writer->fd, writer->answer + writer->there, sizeof writer->answer - writer->there - 1, 0);
    if (n <= 0 || writer->answer[0] != '$')
        fail("an entry was refused");
    writer->there += (size_t)n;
    writer->answer[writer->there] = '\0';
    const char *first = strchr(writer->answer, '\n');
    if (!first || !strchr(first + 1, '\n'))
        return 0;
    writer->there = 0;
    return 1;
}

/* Entries per second. */
static double xadd(const struct peer *peer, size_t entries, int64_t *times)
{
    static struct writer writers[WRITERS];
    char value[VALUE_BYTES + 1], command[VALUE_BYTES + 200];
    int poller = epoll_create1(0);
    size_t sent = 0, done = 0;
    memset(value, 'x', VALUE_BYTES);
    value[VALUE_BYTES] = '\0';
    size_t len = make_command(command, sizeof command, (const char *const[]){ "XADD", "bench", "*", "value", value }, 5);
    int64_t begun = bench_now_ns();
    for (size_t i = 0; i < WRITERS; i++, sent++) {
        writers[i] = (struct writer){ .fd = connect_to(peer->port), .sent_ns = bench_now_ns() };
        struct epoll_event event = { .events = EPOLLIN, .data.ptr = &writers[i] };
        (void)epoll_ctl(poller, EPOLL_CTL_ADD, writers[i].fd, &event);
        write_all(writers[i].fd, command, len);
    }
    while (done < entries) {
        struct epoll_event events[WRITERS];
        int n = epoll_wait(poller, events, WRITERS, WAIT_MS);
        if (n <= 0)
            fail("no entry is answered");
        for (int i = 0; i < n; i++) {
            struct writer *writer = events[i].data.ptr;
            if (!answered(writer))
                continue;
            int64_t now = bench_now_ns();
            times[done++] = now - writer->sent_ns;
            if (done == entries)
                break;
            if (sent < entries + WRITERS) {
                writer->sent_ns = now;
                write_all(writer->fd, command, len);
                sent++;
            }
        }
    }
    double seconds = (double)(bench_now_ns() - begun) / 1e9;
    for (size_t i = 0; i < WRITERS; i++)
        (void)close(writers[i].fd);
    (void)close(poller);
    return (double)entries / seconds;
}

/* --- PUBLISH ------------------------------------------------------------------------------------------------- */

static void ask(int fd, const char *command, size_t len)
{
    char answer[256];
    write_all(fd, command, len);
    if (recv(fd, answer, sizeof answer, 0) <= 0 || answer[0] == '-')
        fail("a command was refused");
}

/* Messages delivered per second, to all subscribers together. */
static double publish(const struct peer *peer, size_t messages)
{
    static char in[1 << 16], command[(VALUE_BYTES + 100) * UNDER_WAY];
    struct pollfd polled[SUBSCRIBERS + 1];
    char value[VALUE_BYTES + 1], one[VALUE_BYTES + 100];
    size_t got[SUBSCRIBERS] = { 0 }, replies = 0, sent = 0, delivered = 0, wanted, message_bytes;
    memset(value, 'x', VALUE_BYTES);
    value[VALUE_BYTES] = '\0';
    size_t len = make_command(one, sizeof one, (const char *const[]){ "SUBSCRIBE", "bench.news" }, 2);
    for (size_t i = 0; i < SUBSCRIBERS; i++) {
        polled[i] = (struct pollfd){ .fd = connect_to(peer->port), .events = POLLIN };
        ask(polled[i].fd, one, len);
    }
    polled[SUBSCRIBERS] = (struct pollfd){ .fd = connect_to(peer->port), .events = POLLIN };
    len = make_command(one, sizeof one, (const char *const[]){ "PUBLISH", "bench.news", value }, 3);
    message_bytes = make_command(in, sizeof in, (const char *const[]){ "message", "bench.news", value }, 3);
    wanted = messages * message_bytes;
    for (size_t i = 0; i < UNDER_WAY; i++)
        memcpy(command + i * len, one, len);
    int64_t begun = bench_now_ns();
    while (delivered < SUBSCRIBERS || replies < messages) {
        size_t more = messages - sent < UNDER_WAY - (sent - replies) ? messages - sent : UNDER_WAY - (sent - replies);
        write_all(polled[SUBSCRIBERS].fd, command, more * len);
        sent += more;
        if (poll(polled, SUBSCRIBERS + 1, WAIT_MS) <= 0)
            fail("messages do not come");
        for (size_t i = 0; i <= SUBSCRIBERS; i++) {
            if (!(polled[i].revents & POLLIN))
                continue;
            ssize_t n = recv(polled[i].fd, in, sizeof in, 0);
            if (n <= 0)
                fail("a connection was closed");
            if (i < SUBSCRIBERS) {
                got[i] += (size_t)n;
                delivered += got[i] == wanted;
                continue;
            }
            for (ssize_t k = 0; k < n; k++)
                replies += in[k] == '\n';
        }
    }
    double seconds = (double)(bench_now_ns() - begun) / 1e9;
    for (size_t i = 0; i <= SUBSCRIBERS; i++)
        (void)close(polled[i].fd);
    return (double)(messages * SUBSCRIBERS) / seconds;
}

/* --- all ------------------------------------------------------------------------------------------------------ */

static double middle(double *values)
{
    for (size_t i = 1; i < ROUNDS; i++)
        for (size_t k = i; k && values[k] < values[k - 1]; k--) {
            double value = values[k];
            values[k] = values[k - 1];
            values[k - 1] = value;
        }
    return values[ROUNDS / 2];
}

int main(int argc, char **argv)
{
    static const struct peer peers[] = { { "edda", 21150, NULL }, { "redis_always", 21151, "always" }, { "redis_no", 21152, "no" } };
    enum { PEERS = sizeof peers / sizeof peers[0] };
    double adds[PEERS][ROUNDS], deliveries[PEERS][ROUNDS], of_adds[PEERS], of_deliveries[PEERS];
    struct bench b;
    char what[80];
    pid_t pids[PEERS];
    if (argc < 2 || argv[1][0] == '-') {
        (void)fprintf(stderr, "usage: bench_resp EDDA [--json] [--scale N] [--dir PARENT]\n");
        return 2;
    }
    bench_begin(&b, "resp", argc - 1, argv + 1);
    size_t entries = (size_t)(ENTRIES * b.scale), messages = (size_t)(MESSAGES * b.scale);
    int64_t *times = calloc(entries, sizeof *times);
    if (!times)
        fail("memory");
    for (size_t p = 0; p < PEERS; p++)
        pids[p] = start(&b, argv[1], &peers[p]);
    /* Each round has all of them, so that what the machine does meanwhile meets all alike. */
    for (size_t round = 0; round < ROUNDS; round++)
        for (size_t p = 0; p < PEERS; p++) {
            adds[p][round] = xadd(&peers[p], entries, times);
            deliveries[p][round] = publish(&peers[p], messages);
            if (round + 1 < ROUNDS)
                continue;
            (void)snprintf(what, sizeof what, "XADD, 64 connections, %s, p99", peers[p].name);
            bench_figure(&b, what, (double)bench_percentile(times, entries, 0.99) / 1000, "us", NULL);
        }
    for (size_t p = 0; p < PEERS; p++) {
        stop(pids[p]);
        of_adds[p] = middle(adds[p]);
        of_deliveries[p] = middle(deliveries[p]);
        (void)snprintf(what, sizeof what, "XADD, 64 connections, %s", peers[p].name);
        bench_figure(&b, what, of_adds[p], "entries/s", NULL);
        (void)snprintf(what, sizeof what, "PUBLISH, 10 subscribers, %s", peers[p].name);
        bench_figure(&b, what, of_deliveries[p], "deliveries/s", NULL);
    }
    bench_figure(&b, "XADD, of redis with appendfsync always", of_adds[0] / of_adds[1], "x", ">= 1.4");
    bench_figure(&b, "XADD, of redis with appendfsync no", of_adds[0] / of_adds[2], "x", NULL);
    bench_figure(&b, "PUBLISH, of redis, which keeps nothing", of_deliveries[0] / of_deliveries[2], "x", ">= 0.5");
    free(times);
    bench_end(&b);
    return 0;
}
