/*
 * bench replay: folding a whole log into typed state: choreographies are run, what was derived from them is removed, and the engine is opened from
 * position 0. Baseline: the same records read by a cursor and not looked into.
 */
#include <stdio.h>
#include <stdlib.h>

#include "choreography/app.h"
#include "journal/local.h"
#include "world.h"

#define ORDERS 100000
#define BURST 1000
#define ROUNDS 3

static double seconds_since(int64_t start_ns)
{
    return (double)(bench_now_ns() - start_ns) / 1e9;
}

static double read_all(struct world *w, uint64_t *ret_records)
{
    struct store *store = journal_local_store(w->journal);
    struct edda_error error = { 0 };
    struct store_cursor cursor;
    struct store_record record;
    int64_t start = bench_now_ns();
    *ret_records = 0;
    store_cursor_init(&cursor, 0, NULL);
    while (store_cursor_next(store, &cursor, &record, &error) == 1)
        ++*ret_records;
    store_cursor_deinit(&cursor);
    return seconds_since(start);
}

int main(int argc, char **argv)
{
    struct bench b;
    struct world w;
    int64_t read_us[ROUNDS], fold_us[ROUNDS], again_us[ROUNDS];
    uint64_t records = 0;
    bench_begin(&b, "replay", argc, argv);
    size_t orders = (size_t)(ORDERS * b.scale) / BURST * BURST + BURST;
    world_open_journal(&w, &b, "data");
    world_open_engine(&w, &choreography_app);
    world_deposit(&w);
    for (size_t i = 0; i < orders; i += BURST) {
        for (size_t k = 0; k < BURST; k++)
            world_order(&w);
        world_settle(&w);
    }
    world_close(&w, true);
    for (size_t i = 0; i < ROUNDS; i++) {
        bench_remove(&b, "data/checkpoint"); /* so that everything is folded */
        world_open_journal(&w, &b, "data");
        read_us[i] = (int64_t)(read_all(&w, &records) * 1e6);
        int64_t start = bench_now_ns();
        world_open_engine(&w, &choreography_app);
        fold_us[i] = (int64_t)(seconds_since(start) * 1e6);
        world_close(&w, false);
        world_open_journal(&w, &b, "data");
        start = bench_now_ns();
        world_open_engine(&w, &choreography_app);
        again_us[i] = (int64_t)(seconds_since(start) * 1e6);
        world_close(&w, true);
    }
    double read_s = (double)bench_percentile(read_us, ROUNDS, 0.5) / 1e6, fold_s = (double)bench_percentile(fold_us, ROUNDS, 0.5) / 1e6;
    bench_figure(&b, "records of the choreography", (double)records, "records", NULL);
    bench_figure(&b, "baseline: the same records read by a cursor", (double)records / read_s, "records/s", NULL);
    bench_figure(&b, "replayed from position 0 into typed state", (double)records / fold_s, "records/s", ">= 1000000");
    bench_figure(&b, "the engine opened with its checkpoint", (double)bench_percentile(again_us, ROUNDS, 0.5) / 1000, "ms", NULL);
    bench_end(&b);
    return 0;
}
