/*
 * bench read: streams read whole, and everything read in order, from a store whose log lies in the page cache.
 *
 * Streams of 10 events are written twice: each stream at once, and round robin, so that the events of one are far apart. They are read in a
 * random order. Baseline: 10 random reads of one cache line each in memory of the log's size, which is what a stream far apart cannot do
 * without. Everything: a cursor over all records; baseline: the checksum of as many bytes, which every frame's reading includes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/prng.h"
#include "io/posix.h"
#include "store/store.h"

#include "bench.h"

#define STREAMS 1000000
#define EVENTS 10
#define BATCH 1000
#define READS 500000
#define ROUNDS 3
#define CHECKSUM_BYTES (64 << 20)

struct reading {
    struct io *io;
    struct store *store;
    uint64_t streams;
    uint64_t records, bytes;
};

static void must(int64_t rc, const struct edda_error *error)
{
    if (rc >= 0)
        return;
    (void)fprintf(stderr, "bench read: %d %s\n", (int)rc, error->message);
    exit(1);
}

static double seconds_since(int64_t start_ns)
{
    return (double)(bench_now_ns() - start_ns) / 1e9;
}

static void turn(struct reading *r, bool wait)
{
    struct edda_error error = { 0 };
    if (wait)
        (void)io_jobs_wait(r->io, -1);
    io_jobs_finish(r->io);
    store_maintain(r->store);
    int rc = store_flush_start(r->store, &error);
    must(rc == EDDA_EBUSY ? 0 : rc, &error);
}

static void settle(struct reading *r)
{
    while (store_durable_position(r->store) < store_tail(r->store))
        turn(r, true);
}

/* Writes all streams of a category; event i of all is stream i / 10, or i mod the number of streams. */
static void write_streams(struct reading *r, const char *category, bool far)
{
    static const char value[] = "{\"id\":4711,\"holderId\":\"jjy\",\"currencyId\":1,\"amount\":500.0}";
    static struct store_message messages[BATCH];
    static char keys[BATCH][16];
    struct edda_error error = { 0 };
    struct topic *topic;
    must(store_topic_ensure(r->store, slice_str(category), 1, &topic, &error), &error);
    for (uint64_t i = 0; i < r->streams * EVENTS; i += BATCH) {
        for (size_t k = 0; k < BATCH; k++) {
            uint64_t stream = far ? (i + k) % r->streams : (i + k) / EVENTS;
            int len = snprintf(keys[k], sizeof keys[k], "%u", (unsigned)stream);
            messages[k] = (struct store_message){ .topic = topic, .key = slice_of(keys[k], (size_t)len), .value = SLICE(value), .partition = -1,
                                                  .event = { .type = SLICE("OrderPlaced") } };
        }
        int rc;
        while ((rc = store_append(r->store, NULL, 0, messages, BATCH, false, NULL, &error)) == EDDA_EBUSY)
            turn(r, true);
        must(rc, &error);
        turn(r, false);
    }
    settle(r);
}

static int visit(void *user, const struct store_record *record, int64_t version)
{
    struct reading *r = user;
    (void)version;
    r->records++;
    r->bytes += record->record.value.len;
    return 0;
}

/* Streams a second, all of them in a random order, the best of some rounds: the first warms. */
static double read_streams(struct reading *r, const char *category, uint64_t reads)
{
    double best = 0;
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct prng p;
        prng_init(&p, 1);
        int64_t start = bench_now_ns();
        for (uint64_t i = 0; i < reads; i++) {
            char key[16];
            int len = snprintf(key, sizeof key, "%u", (unsigned)prng_below(&p, r->streams));
            int64_t n = store_stream_read(r->store, slice_str(category), slice_of(key, (size_t)len), 0, false, EVENTS, visit, r);
            must(n, store_read_error(r->store));
            if (n != EVENTS)
                must(-1, &(struct edda_error){ .message = "a stream has not all of its events" });
        }
        double rate = (double)reads / seconds_since(start);
        best = rate > best ? rate : best;
    }
    return best;
}

static double read_all(struct reading *r)
{
    double best = 0;
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct edda_error error = { 0 };
        struct store_cursor cursor;
        struct store_record record;
        uint64_t count = 0;
        int rc;
        int64_t start = bench_now_ns();
        store_cursor_init(&cursor, 0, NULL);
        while ((rc = store_cursor_next(r->store, &cursor, &record, &error)) == 1)
            count++;
        must(rc, &error);
        store_cursor_deinit(&cursor);
        double rate = (double)count / seconds_since(start);
        best = rate > best ? rate : best;
    }
    return best;
}

/* Ten cache lines at random, times a second. */
static double random_lines(uint64_t bytes, uint64_t reads)
{
    struct prng p;
    uint64_t sum = 0;
    uint8_t *memory = malloc(bytes);
    if (!memory)
        return 0;
    memset(memory, 1, bytes);
    prng_init(&p, 1);
    int64_t start = bench_now_ns();
    for (uint64_t i = 0; i < reads * EVENTS; i++)
        sum += memory[prng_below(&p, bytes - 64)];
    double rate = (double)reads / seconds_since(start);
    free(memory);
    return sum == reads * EVENTS ? rate : 0;
}

static double checksum_bytes_per_second(void)
{
    uint8_t *memory = malloc(CHECKSUM_BYTES);
    if (!memory)
        return 0;
    memset(memory, 1, CHECKSUM_BYTES);
    int64_t start = bench_now_ns();
    uint32_t sum = crc32c(slice_of(memory, CHECKSUM_BYTES));
    double seconds = seconds_since(start);
    free(memory);
    return sum ? CHECKSUM_BYTES / seconds : 0;
}

int main(int argc, char **argv)
{
    struct bench b;
    struct edda_error error = { 0 };
    struct store_options options = { .frame_bytes = 0 };
    struct store_stats stats;
    struct reading r = { .io = io_posix_new(1) };
    char path[300];
    bench_begin(&b, "read", argc, argv);
    r.streams = (uint64_t)(STREAMS * b.scale) / BATCH * BATCH + BATCH;
    uint64_t reads = (uint64_t)(READS * b.scale) + 1;
    (void)snprintf(path, sizeof path, "%s/data", b.dir);
    must(store_open(r.io, path, &options, &r.store, NULL, &error), &error);
    write_streams(&r, "near", false);
    write_streams(&r, "far", true);
    store_stats(r.store, &stats);
    bench_figure(&b, "streams of 10 events, twice", (double)r.streams, "streams", "1000000 for the claim (--scale 1)");
    bench_figure(&b, "log", (double)stats.log_bytes / 1e6, "MB", NULL);
    bench_figure(&b, "index", (double)stats.index.run_bytes / 1e6, "MB", NULL);
    bench_figure(&b, "runs", (double)stats.index.runs, "runs", NULL);
    bench_figure(&b, "baseline: 10 cache lines at random", random_lines(stats.log_bytes / 2, reads), "times/s", NULL);
    bench_figure(&b, "streams read whole, events far apart", read_streams(&r, "far", reads), "streams/s", ">= 200000");
    bench_figure(&b, "streams read whole, events written at once", read_streams(&r, "near", reads), "streams/s", ">= 200000");
    bench_figure(&b, "baseline: checksum of the log, as records", checksum_bytes_per_second() * (double)stats.records / (double)stats.log_bytes,
                 "records/s", NULL);
    bench_figure(&b, "everything read by a cursor", read_all(&r), "records/s", ">= 2000000");
    store_close(r.store);
    io_posix_free(r.io);
    bench_end(&b);
    return 0;
}
