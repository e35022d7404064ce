/*
 * bench allocation: the allocation of this build as a process of its own, over HTTP, with its read model in SQLite. Every answer is durable.
 *
 * Lines of orders as fast as bounded keep-alive connections take them: first to 1,000 products in turn, then as many to one product, which has room for exactly
 * these. The product's own count and the read model's must both be all of them. Baselines: GET /health on the same connections, and for the one product
 * the lines to the many. That the second half of its lines is as quick as the first shows that a long list costs no more than a short one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client.h"

#define PORT 21141
#define PRODUCTS 1000
#define LINES 100000
#define HOT_BATCHES 10
#define WAIT_SECONDS 60

static const char get_health[] = "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";

struct lines {
    const char *orders;    /* prefix of their names */
    uint64_t first;        /* number */
    uint64_t products;     /* 0: the hot one */
};

static size_t post(char *out, size_t size, const char *path, const char *body)
{
    return (size_t)snprintf(out, size, "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s", path,
                            strlen(body), body);
}

static size_t add_batch(char *out, size_t size, uint64_t n, const void *user)
{
    char body[200];
    (void)user;
    (void)snprintf(body, sizeof body, "{\"ref\":\"b%u\",\"sku\":\"p%u\",\"qty\":1000000,\"eta\":null}", (unsigned)n, (unsigned)n);
    return post(out, size, "/add_batch", body);
}

static size_t add_hot_batch(char *out, size_t size, uint64_t n, const void *user)
{
    char body[200];
    (void)snprintf(body, sizeof body, "{\"ref\":\"hot-%u\",\"sku\":\"hot\",\"qty\":%u}", (unsigned)n, (unsigned)(*(const uint64_t *)user / HOT_BATCHES));
    return post(out, size, "/add_batch", body);
}

static size_t allocate(char *out, size_t size, uint64_t n, const void *user)
{
    const struct lines *lines = user;
    char body[200], sku[24] = "hot";
    if (lines->products)
        (void)snprintf(sku, sizeof sku, "p%u", (unsigned)(n % lines->products));
    (void)snprintf(body, sizeof body, "{\"orderid\":\"%s-%u\",\"sku\":\"%s\",\"qty\":1}", lines->orders, (unsigned)(lines->first + n), sku);
    return post(out, size, "/allocate", body);
}

static uint64_t number_after(const char *text, const char *name)
{
    const char *at = strstr(text, name);
    return at ? strtoul(at + strlen(name), NULL, 10) : 0;
}

/* Lines of a product, by its own count. */
static uint64_t allocated(int fd, const char *sku)
{
    char request[200];
    uint64_t sum = 0;
    (void)snprintf(request, sizeof request, "GET /products/%s HTTP/1.1\r\nHost: localhost\r\n\r\n", sku);
    for (const char *at = client_ask(fd, request); (at = strstr(at, "\"allocated\":")); at++)
        sum += number_after(at, "\"allocated\":");
    return sum;
}

/* Seconds until the read model has all that is recorded; events that it has applied. */
static double read_model(int fd, uint64_t *ret_applied)
{
    int64_t start = bench_now_ns();
    const char *answer;
    do
        answer = client_ask(fd, "GET /projections HTTP/1.1\r\nHost: localhost\r\n\r\n");
    while ((number_after(answer, "\"lag\":") > 0 || !strstr(answer, "\"running\"")) && client_seconds_since(start) < WAIT_SECONDS);
    *ret_applied = number_after(answer, "\"applied\":");
    return client_seconds_since(start);
}

static void must(uint64_t refused, const char *what)
{
    if (refused == 0)
        return;
    (void)fprintf(stderr, "bench allocation: %s: %u requests were refused\n", what, (unsigned)refused);
    exit(1);
}

int main(int argc, char **argv)
{
    struct bench b;
    uint64_t refused, refused_again, applied;
    bench_begin(&b, "allocation", argc, argv);
    uint64_t half = (uint64_t)(LINES * b.scale) / 2 / HOT_BATCHES * HOT_BATCHES + HOT_BATCHES, lines = 2 * half;
    pid_t pid = client_start(&b, argv[0], "allocation", PORT);
    int fd = client_connect();
    (void)client_burst(add_batch, NULL, "201", PRODUCTS, &refused);
    must(refused, "batches");
    (void)client_burst(add_hot_batch, &lines, "201", HOT_BATCHES, &refused);
    must(refused, "batches of the hot product");
    double health = client_burst(client_same_request, get_health, "200", lines, &refused);
    double many = client_burst(allocate, &(const struct lines){ "many", 0, PRODUCTS }, "202", lines, &refused);
    double first = client_burst(allocate, &(const struct lines){ "hot", 0, 0 }, "202", half, &refused_again);
    double second = client_burst(allocate, &(const struct lines){ "hot", half, 0 }, "202", half, &refused);
    double behind = read_model(fd, &applied), all = (double)lines;
    bench_figure(&b, "baseline: GET /health on the same connections", all / health, "requests/s", NULL);
    bench_figure(&b, "lines", all, "lines", "100020 for the claim (--scale 1), to 1,000 products, and to one");
    bench_figure(&b, "allocated to 1,000 products, durable", all / many, "lines/s", ">= 5000");
    bench_figure(&b, "allocated to one product, durable", all / (first + second), "lines/s", NULL);
    bench_figure(&b, "one product to 1,000 products", many / (first + second), "ratio", ">= 0.5");
    bench_figure(&b, "one product: its second half of lines to its first", first / second, "ratio", ">= 0.5");
    bench_figure(&b, "one product: lines allocated, by its own count", (double)allocated(fd, "hot"), "lines", "all");
    bench_figure(&b, "events applied to the read model", (double)applied, "events", "all lines, twice");
    bench_figure(&b, "then, until the read model has them", behind, "s", NULL);
    bench_figure(&b, "requests refused", (double)(refused + refused_again), "requests", "0");
    (void)close(fd);
    client_stop(pid);
    bench_end(&b);
    return 0;
}
