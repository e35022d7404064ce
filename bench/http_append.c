/*
 * bench http_append: events appended over HTTP, each its own durable request, on 64 kept connections with one request under way on each: to streams of their own, and to one hot stream
 * with expected versions, of which nothing may be lost. Baseline: GET /health on the same connections, which waits for no disk.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client.h"

#define PORT 21141
#define CONNECTIONS 64
#define EVENTS 200000
#define CONDITIONAL 20000
#define STREAMS 10000

static const char get_health[] = "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";

#define BODY "{\"orderId\":1234567,\"userId\":\"somebody\",\"point\":1000.0,\"note\":\"a body of some hundred bytes, as events have\"}"

static size_t append_make(char *out, size_t size, uint64_t n, const void *user)
{
    (void)user;
    return (size_t)snprintf(out, size,
                            "POST /edda/streams/bench/%u HTTP/1.1\r\nHost: localhost\r\nce-type: Noted\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                            (unsigned)(n * 2654435761u % STREAMS), sizeof BODY - 1, BODY);
}

/* Each believes that it is the n-th: those that are early or late are refused. */
static size_t conditional_make(char *out, size_t size, uint64_t n, const void *user)
{
    char expected[48];
    (void)user;
    if (n == 0)
        (void)snprintf(expected, sizeof expected, "If-None-Match: *");
    else
        (void)snprintf(expected, sizeof expected, "If-Match: \"%u\"", (unsigned)n - 1);
    return (size_t)snprintf(out, size,
                            "POST /edda/streams/hot/1 HTTP/1.1\r\nHost: localhost\r\n%s\r\nce-type: Noted\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                            expected, sizeof BODY - 1, BODY);
}

/* How many events the hot stream has, by the ETag of its end. */
static uint64_t hot_events(void)
{
    int fd = client_connect();
    const char *answer = client_ask(fd, "GET /edda/streams/hot/1?direction=backward&limit=1 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    const char *etag = strstr(answer, "ETag: \"");
    uint64_t events = etag ? strtoull(etag + 7, NULL, 10) + 1 : 0;
    (void)close(fd);
    return events;
}

int main(int argc, char **argv)
{
    struct bench b;
    uint64_t refused;
    bench_begin(&b, "http_append", argc, argv);
    uint64_t events = (uint64_t)(EVENTS * b.scale) + 1, conditional = (uint64_t)(CONDITIONAL * b.scale) + 1;
    pid_t pid = client_start(&b, argv[0], "choreography", PORT);
    client_shape(CONNECTIONS, 1);
    double health = client_burst(client_same_request, get_health, "200", events, &refused);
    bench_figure(&b, "baseline: GET /health on the same connections", (double)events / health, "requests/s", NULL);
    double seconds = client_burst(append_make, NULL, "201", events, &refused);
    bench_figure(&b, "appends of one event each, durable, 64 connections", (double)events / seconds, "appends/s", ">= 40000");
    bench_figure(&b, "of them refused", (double)refused, "appends", "0");
    seconds = client_burst(conditional_make, NULL, "201", conditional, &refused);
    bench_figure(&b, "appends to one stream, each at its version", (double)conditional / seconds, "appends/s", NULL);
    bench_figure(&b, "of them refused", (double)refused, "appends", NULL);
    bench_figure(&b, "acknowledged, but not in the stream", (double)(conditional - refused) - (double)hot_events(), "events", "0");
    client_stop(pid);
    bench_end(&b);
    return 0;
}
