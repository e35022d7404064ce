/*
 * bench process: what a whole choreography costs, from the order to its approval, durable, without HTTP.
 *
 * One at a time: the time of a process beside that of one bare write and fdatasync, taken in turn so that both see the same disk. Many at once: how
 * many a second, with orders called in bursts as a busy listener would.
 */
#include <stdlib.h>

#include "choreography/app.h"
#include "world.h"

#define ONE_AT_A_TIME 2000
#define ROUNDS 10
#define AT_ONCE 200000
#define BURST 1000

static void one_at_a_time(const struct bench *b, struct world *w)
{
    size_t each = (size_t)(ONE_AT_A_TIME / ROUNDS * b->scale) + 1;
    int64_t *samples = calloc(each * ROUNDS, sizeof *samples);
    int64_t syncs_ns[ROUNDS];
    for (size_t round = 0, n = 0; samples && round < ROUNDS; round++) {
        syncs_ns[round] = (int64_t)(bench_sync_us(b, each) * 1000);
        for (size_t i = 0; i < each; i++) {
            int64_t start = bench_now_ns();
            world_order(w);
            world_settle(w);
            samples[n++] = bench_now_ns() - start;
        }
    }
    if (!samples)
        exit(1);
    double p50 = (double)bench_percentile(samples, each * ROUNDS, 0.5) / 1000, p99 = (double)bench_percentile(samples, each * ROUNDS, 0.99) / 1000;
    double sync_us = (double)bench_percentile(syncs_ns, ROUNDS, 0.5) / 1000;
    bench_figure(b, "baseline: bare 4 KiB write and fdatasync, p50", sync_us, "us", NULL);
    bench_figure(b, "a process, one at a time, durable, p50", p50, "us", NULL);
    bench_figure(b, "a process, one at a time, durable, p99", p99, "us", NULL);
    bench_figure(b, "a process to one sync, p50", p50 / sync_us, "ratio", "<= 2");
    free(samples);
}

static void at_once(const struct bench *b, struct world *w)
{
    size_t orders = (size_t)(AT_ONCE * b->scale) / BURST * BURST + BURST;
    int64_t start = bench_now_ns();
    for (size_t i = 0; i < orders; i += BURST) {
        for (size_t k = 0; k < BURST; k++)
            world_order(w);
        world_settle(w);
    }
    bench_figure(b, "processes at once, in bursts of 1000, durable", (double)orders / ((double)(bench_now_ns() - start) / 1e9), "processes/s",
                 ">= 20000");
}

int main(int argc, char **argv)
{
    struct bench b;
    struct world w;
    bench_begin(&b, "process", argc, argv);
    world_open_journal(&w, &b, "data");
    world_open_engine(&w, &choreography_app);
    world_deposit(&w);
    one_at_a_time(&b, &w);
    at_once(&b, &w);
    if (w.refused)
        bench_figure(&b, "orders refused", (double)w.refused, "orders", "0");
    world_close(&w, false);
    bench_end(&b);
    return 0;
}
