/*
 * What the store does alone, on the disk of this machine: messages appended in batches, flushed by a thread of their own, and
 * read back by a cursor and by stream. Beside the rate stands the time of the core thread alone, which others who
 * use the machine disturb less.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "io/posix.h"
#include "store/store.h"

#define STREAMS 20000
#define BATCH_MAX 1000

static struct store *store;
static struct io *io;
static struct edda_error error;

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Processor time of this thread: what a busy machine does not change much. */
static double cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void report(const char *what, uint64_t count, double seconds, double cpu_seconds)
{
    printf("%-38s %10.0f/s   %6.0f ns of the core thread\n", what, (double)count / seconds, cpu_seconds * 1e9 / (double)count);
}

static void must(int r)
{
    if (r < 0) {
        fprintf(stderr, "%d %s\n", r, error.message);
        exit(1);
    }
}

static void turn(bool wait)
{
    if (wait)
        io_jobs_wait(io, -1);
    io_jobs_finish(io);
    store_maintain(store);
    int r = store_flush_start(store, &error);
    must(r == EDDA_EBUSY ? 0 : r);
}

static void append(const char *what, struct topic *topic, uint64_t count, size_t batch, bool conditions, bool identify)
{
    static struct store_message messages[BATCH_MAX];
    static struct store_condition condition[BATCH_MAX];
    static char keys[BATCH_MAX][16], ids[BATCH_MAX][40], correlations[BATCH_MAX][24];
    static uint64_t next;
    static const char value[] = "{\"id\":4711,\"holderId\":\"jjy\",\"currencyId\":1,\"amount\":500.0,\"eventType\":\"OrderCreated\"}";
    double start = now_s(), cpu = cpu_s();
    for (uint64_t done = 0; done < count; done += batch) {
        for (size_t i = 0; i < batch; i++, next++) {
            int key = snprintf(keys[i], sizeof(keys[i]), "%" PRIu64, next * 7919 % STREAMS);
            int id = snprintf(ids[i], sizeof(ids[i]), "0190a6b2-1234-7abc-8def-%012" PRIx64, next);
            int correlation = snprintf(correlations[i], sizeof(correlations[i]), "p%" PRIu64, next / 8);
            messages[i] = (struct store_message){
                .topic = topic, .key = slice_of(keys[i], (size_t)key), .value = SLICE(value), .partition = -1,
                .event = { .id = slice_of(ids[i], (size_t)id), .source = SLICE("/orders"), .type = SLICE("OrderCreated"),
                           .correlation = slice_of(correlations[i], (size_t)correlation) },
                .identify = identify,
            };
            condition[i] = (struct store_condition){ SLICE("orders"), messages[i].key, next < STREAMS ? STORE_NONE : STORE_EXISTS };
        }
        int r;
        while ((r = store_append(store, condition, conditions ? batch : 0, messages, batch, false, NULL, &error)) == EDDA_EBUSY)
            turn(true);
        must(r);
        turn(false);
    }
    while (store_durable_position(store) < store_tail(store))
        turn(true);
    report(what, count, now_s() - start, cpu_s() - cpu);
}

static int count_visit(void *user, const struct store_record *record, int64_t version)
{
    (void)record;
    (void)version;
    ++*(uint64_t *)user;
    return 0;
}

static uint64_t cursor_all(void)
{
    struct store_cursor cursor;
    struct store_record record;
    double start = now_s(), cpu = cpu_s();
    uint64_t count = 0;
    int r;
    store_cursor_init(&cursor, 0, NULL);
    while ((r = store_cursor_next(store, &cursor, &record, &error)) == 1)
        count++;
    must(r);
    store_cursor_deinit(&cursor);
    report("cursor over everything", count, now_s() - start, cpu_s() - cpu);
    return count;
}

static void streams(uint64_t count)
{
    double start = now_s(), cpu = cpu_s();
    uint64_t records = 0;
    for (uint64_t i = 0; i < count; i++) {
        char key[16];
        snprintf(key, sizeof(key), "%" PRIu64, i * 104729 % STREAMS);
        int64_t n = store_stream_read(store, SLICE("orders"), slice_str(key), -1, true, 5, count_visit, &records);
        must(n < 0 ? (int)n : 0);
    }
    report("newest 5 of a stream", count, now_s() - start, cpu_s() - cpu);
}

int main(int argc, char **argv)
{
    const char *path = argc > 1 ? argv[1] : "/tmp/edda-bench-store";
    uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 10) : 2000000;
    struct store_options options = { .log = { .sync_off = argc > 3 } };
    struct log_recovery recovery;
    struct topic *topic;
    uint64_t read = 0;
    io = io_posix_new(1);
    must(store_open(io, path, &options, &store, &recovery, &error));
    must(store_topic_ensure(store, SLICE("orders"), 4, &topic, &error));
    append("every stream once", topic, STREAMS, 100, false, false);
    for (int i = 0; i < 3; i++)
        append("append, batches of 100", topic, count, 100, false, false);
    append("append, batches of 100, identified", topic, count, 100, false, true);
    append("append, batches of 100, with versions", topic, count, 100, true, false);
    append("append, batches of 1", topic, count / 4, 1, false, false);
    for (int i = 0; i < 3; i++)
        read = cursor_all();
    streams(200000);
    struct store_stats stats;
    store_stats(store, &stats);
    printf("%" PRIu64 " records, %.1f bytes of log each, %" PRIu64 " runs, %.1f bytes of index each\n", read,
           (double)stats.log_bytes / (double)read, stats.index.runs, (double)stats.index.run_bytes / (double)read);
    store_close(store);
    double start = now_s();
    must(store_open(io, path, &options, &store, &recovery, &error));
    printf("reopen: %.3f s\n", now_s() - start);
    store_close(store);
    io_posix_free(io);
    return 0;
}
