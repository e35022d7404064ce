/* See bare_log.h. */
#include "bare_log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS_MAX 1024
#define FILE_BYTES (64u << 20)
#define GROUP_MAX 4096
#define INPUT_BYTES (1u << 20)
/* As long as the answer of a broker to a request for a topic with a name of 9 letters: length, correlation id, and zeros, which mean no error. */
#define ANSWER_BYTES 57

struct connection {
    uint8_t *input;
    size_t input_len;
};

struct waiting {
    int fd;
    uint8_t correlation[4];
};

struct bare_log {
    struct connection connections[CONNECTIONS_MAX]; /* by descriptor */
    struct waiting group[GROUP_MAX];
    uint8_t batch[GROUP_MAX * BARE_LOG_BYTES];
    size_t group_count;
    off_t at;
    int file;
};

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void group_write(struct bare_log *log)
{
    static uint8_t answers[GROUP_MAX * ANSWER_BYTES];
    size_t len = log->group_count * BARE_LOG_BYTES;
    if (log->at + (off_t)len > (off_t)FILE_BYTES)
        log->at = 0;
    if (pwrite(log->file, log->batch, len, log->at) != (ssize_t)len || fdatasync(log->file) != 0)
        die("bare log");
    log->at += (off_t)len;
    for (size_t i = 0, end; i < log->group_count; i = end) {
        size_t used = 0;
        /* Those of one connection stand together, for each was read as a whole. */
        for (end = i; end < log->group_count && log->group[end].fd == log->group[i].fd; end++) {
            uint8_t *answer = answers + used;
            memset(answer, 0, ANSWER_BYTES);
            answer[3] = ANSWER_BYTES - 4;
            memcpy(answer + 4, log->group[end].correlation, 4);
            used += ANSWER_BYTES;
        }
        (void)!send(log->group[i].fd, answers, used, MSG_NOSIGNAL);
    }
    log->group_count = 0;
}

/* Takes the whole requests of a connection's input into the group. */
static void requests_take(struct bare_log *log, int fd)
{
    struct connection *c = &log->connections[fd];
    size_t at = 0;
    while (c->input_len - at >= 12) {
        uint8_t *frame = c->input + at;
        size_t len = 4 + (((size_t)frame[0] << 24) | ((size_t)frame[1] << 16) | ((size_t)frame[2] << 8) | frame[3]);
        if (len > INPUT_BYTES)
            die("bare log: a request that is too long");
        if (c->input_len - at < len)
            break;
        if (log->group_count == GROUP_MAX)
            group_write(log);
        size_t some = len < BARE_LOG_BYTES ? len : BARE_LOG_BYTES;
        memcpy(log->batch + log->group_count * BARE_LOG_BYTES, frame + len - some, some);
        log->group[log->group_count].fd = fd;
        memcpy(log->group[log->group_count++].correlation, frame + 8, 4);
        at += len;
    }
    memmove(c->input, c->input + at, c->input_len - at);
    c->input_len -= at;
}

static void connection_read(struct bare_log *log, int fd)
{
    struct connection *c = &log->connections[fd];
    ssize_t got = recv(fd, c->input + c->input_len, INPUT_BYTES - c->input_len, MSG_DONTWAIT);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
        (void)close(fd);
        c->input_len = 0;
    } else if (got > 0) {
        c->input_len += (size_t)got;
        requests_take(log, fd);
    }
}

static void connection_accept(struct bare_log *log, int epoll, int listener)
{
    int on = 1;
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    if (fd >= CONNECTIONS_MAX)
        die("bare log: too many connections");
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct connection *c = &log->connections[fd];
    if (!c->input)
        c->input = malloc(INPUT_BYTES);
    c->input_len = 0;
    struct epoll_event event = { .events = EPOLLIN, .data = { .fd = fd } };
    if (!c->input || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0)
        die("bare log");
}

static _Noreturn void serve(struct bare_log *log, int listener)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = { .events = EPOLLIN, .data = { .fd = listener } };
    if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) != 0)
        die("bare log");
    for (;;) {
        struct epoll_event events[256];
        int count = epoll_wait(epoll, events, 256, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.fd == listener)
                connection_accept(log, epoll, listener);
            else
                connection_read(log, events[i].data.fd);
        }
        if (log->group_count > 0)
            group_write(log);
    }
}

static int file_open(const char *dir)
{
    static const char zeros[1 << 20];
    char path[512];
    (void)snprintf(path, sizeof path, "%s/bare-log", dir);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        die(path);
    for (size_t written = 0; written < FILE_BYTES; written += sizeof zeros)
        if (pwrite(fd, zeros, sizeof zeros, (off_t)written) != (ssize_t)sizeof zeros)
            die(path);
    if (fsync(fd) != 0)
        die(path);
    return fd;
}

pid_t bare_log_start(const char *dir, int *ret_port)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t len = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, len) != 0 || listen(listener, 256) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &len) != 0)
        die("bare log");
    *ret_port = ntohs(address.sin_port);
    pid_t pid = fork();
    if (pid < 0)
        die("fork");
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        struct bare_log *log = calloc(1, sizeof *log);
        if (!log)
            die("bare log");
        log->file = file_open(dir);
        serve(log, listener);
    }
    (void)close(listener);
    return pid;
}
