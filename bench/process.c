/*
 * bench process: what a whole choreography costs, from the order to its approval, durable, without HTTP.
 *
 * One at a time: the time of a process beside that of one bare write and fdatasync, taken in turn so that both see the same disk. Many at once: how
 * many a second, with orders called in bursts as a busy listener would.
 */
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"
#include "choreography/app.h"
#include "choreography/messages.h"
#include "engine/engine.h"
#include "io/posix.h"
#include "journal/local.h"

#define ONE_AT_A_TIME 2000
#define ROUNDS 10
#define AT_ONCE 200000
#define BURST 1000

struct world {
    struct io *io;
    struct journal *journal;
    struct engine *engine;
    struct arena arena;
    int64_t next_order;
    uint64_t refused;
};

static void die(const char *what, const struct edda_error *error)
{
    (void)fprintf(stderr, "bench process: %s: %s\n", what, error->message);
    exit(1);
}

static void answered(struct engine_call *call)
{
    struct world *w = call->user;
    w->refused += call->code < 0;
}

static void world_open(struct world *w, const struct bench *b)
{
    struct edda_error error = { 0 };
    char path[300];
    (void)snprintf(path, sizeof path, "%s/data", b->dir);
    w->io = io_posix_new(64);
    arena_init(&w->arena, 0, 0);
    struct store_options options = { .index = { 0 } };
    if (journal_local_open(w->io, path, &options, &w->journal, NULL, &error) < 0)
        die("cannot open", &error);
    struct engine_options engine_options = { .app = &choreography_app, .io = w->io, .journal = w->journal };
    if (engine_open(&engine_options, &w->engine, &error) < 0)
        die("cannot open", &error);
}

static void world_close(struct world *w)
{
    engine_close(w->engine, false);
    journal_close(w->journal, false);
    io_posix_free(w->io);
    arena_deinit(&w->arena);
}

static void call(struct world *w, const struct edda_type *type, const void *value)
{
    struct engine_call call = {
        .type = type, .value = value, .expected = JOURNAL_ANY, .done = answered, .user = w, .arena = &w->arena,
    };
    engine_call(w->engine, &call);
    arena_reset(&w->arena);
}

static void order(struct world *w)
{
    struct CreateOrder command = { .id = ++w->next_order, .holderId = EDDA_TEXT("jjy"), .currencyId = 1, .amount = 1 };
    call(w, &CreateOrder, &command);
}

/* Turns until everything is handled and durable. */
static void settle(struct world *w)
{
    struct edda_error error = { 0 };
    for (;;) {
        int64_t next = engine_drive(w->engine, &error);
        if (next < 0 || journal_flush(w->journal, next != 0, &error) < 0)
            die("the engine failed", &error);
        if (engine_settled(w->engine) && !journal_flushing(w->journal))
            return;
        if (next != 0)
            (void)io_jobs_wait(w->io, 1000000);
    }
}

int main(int argc, char **argv)
{
    struct bench b;
    struct world w = { 0 };
    bench_begin(&b, "process", argc, argv);
    world_open(&w, &b);
    struct SetPoints points = { .userId = EDDA_TEXT("jjy"), .point = 1e12 };
    call(&w, &SetPoints, &points);
    settle(&w);

    size_t each = (size_t)(ONE_AT_A_TIME / ROUNDS * b.scale) + 1;
    int64_t *samples = calloc(each * ROUNDS, sizeof *samples);
    int64_t syncs_ns[ROUNDS];
    for (size_t round = 0, n = 0; samples && round < ROUNDS; round++) {
        syncs_ns[round] = (int64_t)(bench_sync_us(&b, each) * 1000);
        for (size_t i = 0; i < each; i++) {
            int64_t start = bench_now_ns();
            order(&w);
            settle(&w);
            samples[n++] = bench_now_ns() - start;
        }
    }
    double p50 = (double)bench_percentile(samples, each * ROUNDS, 0.5) / 1000, p99 = (double)bench_percentile(samples, each * ROUNDS, 0.99) / 1000;
    double sync_us = (double)bench_percentile(syncs_ns, ROUNDS, 0.5) / 1000;
    bench_figure(&b, "baseline: bare 4 KiB write and fdatasync, p50", sync_us, "us", NULL);
    bench_figure(&b, "a process, one at a time, durable, p50", p50, "us", NULL);
    bench_figure(&b, "a process, one at a time, durable, p99", p99, "us", NULL);
    bench_figure(&b, "a process to one sync, p50", p50 / sync_us, "ratio", "<= 2");

    size_t orders = (size_t)(AT_ONCE * b.scale) / BURST * BURST + BURST;
    int64_t start = bench_now_ns();
    for (size_t i = 0; i < orders; i += BURST) {
        for (size_t k = 0; k < BURST; k++)
            order(&w);
        settle(&w);
    }
    bench_figure(&b, "processes at once, in bursts of 1000, durable", (double)orders / ((double)(bench_now_ns() - start) / 1e9), "processes/s",
                 ">= 20000");
    if (w.refused)
        bench_figure(&b, "orders refused", (double)w.refused, "orders", "0");
    free(samples);
    world_close(&w);
    bench_end(&b);
    return 0;
}
