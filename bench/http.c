/*
 * bench http: the choreography of this build as a process of its own, over HTTP, from the order to its approval.
 *
 * One at a time: POST /orders, then GET of the order until it says APPROVED. An answer leaves when what it tells of is durable, so that is the time until the
 * approval is durable. Baseline: one bare write and fdatasync, taken in turn. At once: all orders as fast as bounded keep-alive
 * connections, with pipelining, take them; then every order is looked at: none may have been refused, or have missed its deadline. Baseline:
 * GET /health on the same connections.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client.h"

#define PORT 21140
#define ROUNDS 20
#define ROUND_ORDERS 25
#define ORDERS 100000
#define PAGE_ROWS 1000
#define WAIT_SECONDS 60

static const char post_order[] = "POST /orders HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 48\r\n\r\n"
                                 "{\"holderId\":\"jjy\", \"currencyId\":1, \"amount\":1.0}";
static const char get_health[] = "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";
static const char post_points[] = "POST /points HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 41\r\n\r\n"
                                  "{\"userId\":\"jjy\", \"point\":1000000000000.0}";

/* --- one at a time -------------------------------------------------------------------------------------- */

/* Nanoseconds until an order is approved and that is durable; `gets` counts how often it was asked. */
static int64_t order_once(int fd, uint64_t *gets)
{
    char request[400], location[200] = "";
    int64_t start = bench_now_ns();
    const char *answer = client_ask(fd, post_order);
    const char *at = strcasestr(answer, "location:");
    if (!client_has_status(answer, "201") || !at || sscanf(at + 9, " %*[^/]//%*[^/]%199[^\r]", location) != 1) {
        (void)fprintf(stderr, "bench http: an order was refused:\n%s\n", answer);
        exit(1);
    }
    (void)snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", location);
    do {
        answer = client_ask(fd, request);
        ++*gets;
    } while (!strstr(answer, "\"APPROVED\""));
    return bench_now_ns() - start;
}

static void one_at_a_time(const struct bench *b)
{
    static int64_t syncs[ROUNDS], orders[ROUNDS * ROUND_ORDERS], ratios[ROUNDS];
    uint64_t gets = 0;
    int fd = client_connect();
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
    int fd = client_connect();
    int64_t start = bench_now_ns();
    uint64_t pending;
    do {
        uint64_t pages = 1;
        *ret_approved = *ret_rejected = pending = 0;
        for (uint64_t page = 0; page < pages; page++) {
            char request[200];
            (void)snprintf(request, sizeof request, "GET /orders?size=%d&page=%u HTTP/1.1\r\nHost: localhost\r\n\r\n", PAGE_ROWS, (unsigned)page);
            const char *answer = client_ask(fd, request), *total = strstr(answer, "\"totalPages\":");
            if (!total)
                client_die(answer);
            pages = strtoul(total + 13, NULL, 10);
            *ret_approved += count_in(answer, "\"APPROVED\"");
            *ret_rejected += count_in(answer, "\"REJECTED");
            pending += count_in(answer, "\"PENDING\"");
        }
    } while (pending > 0 && client_seconds_since(start) < WAIT_SECONDS);
    (void)close(fd);
}

static void at_once(const struct bench *b)
{
    uint64_t orders = (uint64_t)(ORDERS * b->scale) + 1, before, approved, rejected, refused;
    count_orders(&before, &rejected);
    double health = client_burst(client_same_request, get_health, "200", orders, &refused);
    double seconds = client_burst(client_same_request, post_order, "201", orders, &refused);
    int64_t start = bench_now_ns();
    count_orders(&approved, &rejected);
    bench_figure(b, "baseline: GET /health on the same connections", (double)orders / health, "requests/s", NULL);
    bench_figure(b, "orders at once", (double)orders, "orders", "100000 for the claim (--scale 1)");
    bench_figure(b, "orders answered, durable", (double)orders / seconds, "orders/s", NULL);
    bench_figure(b, "until all were answered", seconds, "s", NULL);
    bench_figure(b, "then, until every one was seen as decided", client_seconds_since(start), "s", NULL);
    bench_figure(b, "orders approved", (double)(approved - before), "orders", "all");
    bench_figure(b, "orders refused", (double)refused, "orders", "0");
    bench_figure(b, "orders that missed their deadline of 5 s", (double)rejected, "orders", "0");
}

int main(int argc, char **argv)
{
    struct bench b;
    bench_begin(&b, "http", argc, argv);
    pid_t pid = client_start(&b, argv[0], "choreography", PORT);
    int fd = client_connect();
    if (!client_has_status(client_ask(fd, post_points), "201"))
        client_die("the points could not be set");
    (void)close(fd);
    one_at_a_time(&b);
    at_once(&b);
    client_stop(pid);
    bench_end(&b);
    return 0;
}
