/*
 * bench append: what a durable append costs and how many there are a second, through include/edda/store.h, indexed, of events of 256 bytes.
 *
 * One writer: the time of an append beside that of one bare write and fdatasync. 64 appends outstanding, each called by the outcome of another or by
 * 8 threads, beside the one writer. These are taken in turn, in short rounds, and the ratios are medians over the rounds, so that all of them
 * see the same disk. Batches of 100: events a second for as long as is asked for (--scale 6 is a minute), beside what the disk takes when it is
 * given nothing but bytes; and the same on the one thread that an engine has, without the door.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "edda/store.h"
#include "io/posix.h"
#include "store/store.h"

#include "bench.h"

#define EVENT_BYTES 256
#define ROUNDS 40
#define ROUND_APPENDS 50
#define ROUND_SECONDS 0.1
#define OUTSTANDING 64
#define THREADS 8
#define BATCH 100
#define BATCHES_OUTSTANDING 64
#define SUSTAINED_SECONDS 10
#define STREAMS 100000
#define RAW_FILE_BYTES (INT64_C(1) << 30)

static char body[EVENT_BYTES];

static void must(int rc, const struct edda_error *error)
{
    if (rc >= 0)
        return;
    (void)fprintf(stderr, "bench append: %d %s\n", rc, error->message);
    exit(1);
}

static double seconds_since(int64_t start_ns)
{
    return (double)(bench_now_ns() - start_ns) / 1e9;
}

static struct edda_store *open_store(const struct bench *b, const char *name)
{
    struct edda_error error = { 0 };
    struct edda_store *store = NULL;
    char path[300];
    (void)snprintf(path, sizeof path, "%s/%s", b->dir, name);
    must(edda_store_open(path, NULL, &store, &error), &error);
    return store;
}

/* The event with this number; `key` has 16 bytes for its key. */
static struct edda_append_message event_of(uint64_t number, char *key)
{
    int len = snprintf(key, 16, "%u", (unsigned)(number % STREAMS));
    return (struct edda_append_message){ .category = EDDA_TEXT("orders"), .key = { key, (size_t)len },
                                         .type = EDDA_TEXT("OrderPlaced"), .body = { body, sizeof body } };
}

/* --- outstanding appends -------------------------------------------------------------------------------- */

struct load {
    struct edda_store *store;
    size_t batch;
    atomic_ullong number;    /* events given out */
    atomic_ullong durable;   /* events */
    atomic_ullong waits;     /* times that the store had too much under way */
    atomic_bool stop;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    size_t under_way;        /* by `mutex` */
};

struct writer {
    struct load *load;
    size_t under_way_max;
    size_t under_way;        /* by the load's mutex */
};

static int load_append(struct load *load, edda_append_fn *done, void *user)
{
    struct edda_append_message events[BATCH];
    char keys[BATCH][16];
    struct edda_error error = { 0 };
    uint64_t number = atomic_fetch_add(&load->number, load->batch);
    for (size_t i = 0; i < load->batch; i++)
        events[i] = event_of(number + i, keys[i]);
    int rc = edda_append_async(load->store, &(struct edda_append_request){ .messages = events, .count = load->batch }, done, user, &error);
    must(rc == EDDA_EBUSY ? 0 : rc, &error);
    return rc;
}

static void writer_done(void *user, int code, const struct edda_appended *appended, const struct edda_error *error)
{
    struct writer *w = user;
    (void)appended;
    must(code, error);
    atomic_fetch_add(&w->load->durable, w->load->batch);
    (void)pthread_mutex_lock(&w->load->mutex);
    /* A writer is woken when half of its appends are over, so that it is not woken for each. */
    if (--w->under_way <= w->under_way_max / 2)
        (void)pthread_cond_broadcast(&w->load->changed);
    (void)pthread_mutex_unlock(&w->load->mutex);
}

/* Keeps its number of appends under way until the load stops, and leaves none behind. */
static void *writer_run(void *user)
{
    struct writer *w = user;
    (void)pthread_mutex_lock(&w->load->mutex);
    for (;;) {
        bool stop = atomic_load(&w->load->stop);
        while (w->under_way > (stop ? 0 : w->under_way_max / 2))
            (void)pthread_cond_wait(&w->load->changed, &w->load->mutex);
        if (stop)
            break;
        while (w->under_way < w->under_way_max) {
            w->under_way++;
            (void)pthread_mutex_unlock(&w->load->mutex);
            int rc = load_append(w->load, writer_done, w);
            (void)pthread_mutex_lock(&w->load->mutex);
            if (rc != EDDA_EBUSY)
                continue;
            atomic_fetch_add(&w->load->waits, 1);
            if (--w->under_way > 0)
                (void)pthread_cond_wait(&w->load->changed, &w->load->mutex);
        }
    }
    (void)pthread_mutex_unlock(&w->load->mutex);
    return NULL;
}

/* Events a second. */
static double load_by_threads(struct load *load, size_t threads, size_t outstanding, double seconds)
{
    struct writer writers[THREADS];
    pthread_t ids[THREADS];
    int64_t start = bench_now_ns();
    for (size_t i = 0; i < threads; i++) {
        writers[i] = (struct writer){ .load = load, .under_way_max = outstanding / threads };
        if (pthread_create(&ids[i], NULL, writer_run, &writers[i]) != 0)
            exit(1);
    }
    while (seconds_since(start) < seconds)
        (void)usleep(10000);
    atomic_store(&load->stop, true);
    for (size_t i = 0; i < threads; i++)
        (void)pthread_join(ids[i], NULL);
    return (double)atomic_load(&load->durable) / seconds_since(start);
}

/* The outcome of an append calls the next. */
static void chain_done(void *user, int code, const struct edda_appended *appended, const struct edda_error *error)
{
    struct load *load = user;
    (void)appended;
    must(code, error);
    atomic_fetch_add(&load->durable, load->batch);
    if (!atomic_load(&load->stop) && load_append(load, chain_done, load) == 0)
        return;
    (void)pthread_mutex_lock(&load->mutex);
    load->under_way--;
    (void)pthread_cond_broadcast(&load->changed);
    (void)pthread_mutex_unlock(&load->mutex);
}

static double load_by_outcomes(struct load *load, size_t outstanding, double seconds)
{
    int64_t start = bench_now_ns();
    load->under_way = outstanding;
    for (size_t i = 0; i < outstanding; i++)
        must(load_append(load, chain_done, load), &(struct edda_error){ .message = "too much is under way" });
    while (seconds_since(start) < seconds)
        (void)usleep(10000);
    atomic_store(&load->stop, true);
    (void)pthread_mutex_lock(&load->mutex);
    while (load->under_way > 0)
        (void)pthread_cond_wait(&load->changed, &load->mutex);
    (void)pthread_mutex_unlock(&load->mutex);
    return (double)atomic_load(&load->durable) / seconds_since(start);
}

static void load_init(struct load *load, struct edda_store *store, size_t batch)
{
    memset(load, 0, sizeof *load);
    load->store = store;
    load->batch = batch;
    (void)pthread_mutex_init(&load->mutex, NULL);
    (void)pthread_cond_init(&load->changed, NULL);
}

/* --- in turn -------------------------------------------------------------------------------------------- */

/* What each round gave: microseconds, events a second, and thousandths. */
struct rounds {
    int64_t sync_ns[ROUNDS], one_ns[ROUNDS], one_ratio[ROUNDS];
    int64_t outcomes[ROUNDS], outcomes_ratio[ROUNDS], threads[ROUNDS], threads_ratio[ROUNDS];
};

/* Nanoseconds of an append, at the median. */
static int64_t one_writer(struct edda_store *store)
{
    static uint64_t number;
    struct edda_error error = { 0 };
    int64_t samples[ROUND_APPENDS];
    char key[16];
    for (size_t i = 0; i < ROUND_APPENDS; i++) {
        struct edda_append_message event = event_of(number++, key);
        int64_t start = bench_now_ns();
        must(edda_append(store, &(struct edda_append_request){ .messages = &event, .count = 1 }, NULL, &error), &error);
        samples[i] = bench_now_ns() - start;
    }
    return bench_percentile(samples, ROUND_APPENDS, 0.5);
}

static void in_turn(const struct bench *b)
{
    static struct rounds r;
    struct edda_store *one = open_store(b, "one"), *many = open_store(b, "many");
    struct load load;
    size_t rounds = b->scale < 1 ? (size_t)(ROUNDS * b->scale) + 1 : ROUNDS;
    for (size_t i = 0; i < rounds; i++) {
        r.sync_ns[i] = (int64_t)(bench_sync_us(b, ROUND_APPENDS) * 1000);
        r.one_ns[i] = one_writer(one);
        load_init(&load, many, 1);
        r.outcomes[i] = (int64_t)load_by_outcomes(&load, OUTSTANDING, ROUND_SECONDS);
        load_init(&load, many, 1);
        r.threads[i] = (int64_t)load_by_threads(&load, THREADS, OUTSTANDING, ROUND_SECONDS);
        r.one_ratio[i] = r.one_ns[i] * 1000 / r.sync_ns[i];
        r.outcomes_ratio[i] = r.outcomes[i] * r.one_ns[i] / 1000000;
        r.threads_ratio[i] = r.threads[i] * r.one_ns[i] / 1000000;
    }
    edda_store_close(one);
    edda_store_close(many);
    bench_figure(b, "baseline: bare 4 KiB write and fdatasync, p50", (double)bench_percentile(r.sync_ns, rounds, 0.5) / 1e3, "us", NULL);
    bench_figure(b, "one writer, one event, durable, p50", (double)bench_percentile(r.one_ns, rounds, 0.5) / 1e3, "us", NULL);
    bench_figure(b, "one writer to one sync", (double)bench_percentile(r.one_ratio, rounds, 0.5) / 1e3, "ratio", "<= 1.3");
    bench_figure(b, "64 outstanding, each called by the outcome of another", (double)bench_percentile(r.outcomes, rounds, 0.5), "events/s", NULL);
    bench_figure(b, "64 outstanding, called by 8 threads", (double)bench_percentile(r.threads, rounds, 0.5), "events/s", NULL);
    bench_figure(b, "64 outstanding by outcomes, to one writer", (double)bench_percentile(r.outcomes_ratio, rounds, 0.5) / 1e3, "times", ">= 15");
    bench_figure(b, "64 outstanding by 8 threads, to one writer", (double)bench_percentile(r.threads_ratio, rounds, 0.5) / 1e3, "times", ">= 15");
}

/* --- batches -------------------------------------------------------------------------------------------- */

/* What the disk takes: 1 MiB writes, one sync for 8 of them, into files of the size of a few segments. */
static double raw_bytes_per_second(const struct bench *b, double seconds)
{
    static char block[1 << 20];
    char path[300];
    double bytes = 0;
    (void)snprintf(path, sizeof path, "%s/raw", b->dir);
    int fd = open(path, O_RDWR | O_CREAT, 0600);
    int64_t start = bench_now_ns();
    for (off_t at = 0; seconds_since(start) < seconds; bytes += 8 * sizeof block) {
        for (size_t i = 0; i < 8; i++, at += (off_t)sizeof block)
            if (pwrite(fd, block, sizeof block, at) != (ssize_t)sizeof block)
                exit(1);
        if (fdatasync(fd) != 0 || (at >= RAW_FILE_BYTES && ftruncate(fd, at = 0) != 0))
            exit(1);
    }
    double rate = bytes / seconds_since(start);
    (void)close(fd);
    (void)unlink(path);
    return rate;
}

/* Seconds of processor time of this thread, or of the whole process. */
static double cpu_seconds(clockid_t clock)
{
    struct timespec now;
    (void)clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* What a run of the owner's thread gave. */
struct alone {
    double rate;         /* events/s */
    double owner_us;     /* processor time for an event, of the owner's thread */
    double all_us;       /* of all threads */
    struct store_stats stats;
};

static void store_turn(struct io *io, struct store *store, bool wait)
{
    struct edda_error error = { 0 };
    if (wait)
        (void)io_jobs_wait(io, -1);
    io_jobs_finish(io);
    store_maintain(store);
    int rc = store_flush_start(store, &error);
    must(rc == EDDA_EBUSY ? 0 : rc, &error);
}

static void sustained_alone(const struct bench *b, double seconds, struct alone *ret_alone)
{
    static struct store_message events[BATCH];
    static char keys[BATCH][16];
    struct edda_error error = { 0 };
    struct store_options options = { .frame_bytes = 0 };
    struct store *store;
    struct topic *topic;
    struct io *io = io_posix_new(1);
    char path[300];
    uint64_t number = 0;
    (void)snprintf(path, sizeof path, "%s/alone", b->dir);
    must(store_open(io, path, &options, &store, NULL, &error), &error);
    must(store_topic_ensure(store, SLICE("orders"), 1, &topic, &error), &error);
    int64_t start = bench_now_ns();
    double owner = cpu_seconds(CLOCK_THREAD_CPUTIME_ID), all = cpu_seconds(CLOCK_PROCESS_CPUTIME_ID);
    while (seconds_since(start) < seconds) {
        for (size_t i = 0; i < BATCH; i++, number++) {
            int len = snprintf(keys[i], sizeof keys[i], "%u", (unsigned)(number % STREAMS));
            events[i] = (struct store_message){ .topic = topic, .key = slice_of(keys[i], (size_t)len), .value = slice_of(body, sizeof body),
                                                .partition = -1, .event = { .type = SLICE("OrderPlaced") } };
        }
        int rc;
        while ((rc = store_append(store, NULL, 0, events, BATCH, false, NULL, &error)) == EDDA_EBUSY)
            store_turn(io, store, true);
        must(rc, &error);
        store_turn(io, store, false);
    }
    while (store_durable_position(store) < store_tail(store))
        store_turn(io, store, true);
    ret_alone->rate = (double)number / seconds_since(start);
    ret_alone->owner_us = (cpu_seconds(CLOCK_THREAD_CPUTIME_ID) - owner) * 1e6 / (double)number;
    ret_alone->all_us = (cpu_seconds(CLOCK_PROCESS_CPUTIME_ID) - all) * 1e6 / (double)number;
    store_stats(store, &ret_alone->stats);
    store_close(store);
    io_posix_free(io);
}

static void batches(const struct bench *b)
{
    double seconds = SUSTAINED_SECONDS * b->scale;
    struct alone alone;
    double raw = raw_bytes_per_second(b, seconds / 4);
    sustained_alone(b, seconds, &alone);
    raw = (raw + raw_bytes_per_second(b, seconds / 4)) / 2;
    double bytes_each = (double)alone.stats.log_bytes / (double)alone.stats.records;
    bench_figure(b, "baseline: bytes that the disk takes, before and after, as events", raw / bytes_each, "events/s", NULL);
    bench_figure(b, "batches of 100, on the owner's thread, indexed", alone.rate, "events/s", ">= 1000000");
    bench_figure(b, "processor time for an event, of the owner's thread", alone.owner_us, "us", NULL);
    bench_figure(b, "processor time for an event, of all threads", alone.all_us, "us", NULL);
    bench_figure(b, "bytes of log for an event", bytes_each, "bytes", NULL);
    bench_figure(b, "bytes of index for an event", (double)alone.stats.index.run_bytes / (double)alone.stats.records, "bytes", NULL);
    bench_figure(b, "seconds of it", seconds, "s", "60 for the claim (--scale 6)");
    struct edda_store *store = open_store(b, "batches");
    struct load load;
    load_init(&load, store, BATCH);
    bench_figure(b, "batches of 100, through the door by 2 threads, indexed", load_by_threads(&load, 2, BATCHES_OUTSTANDING, seconds), "events/s",
                 NULL);
    bench_figure(b, "times that the door had too much under way", (double)atomic_load(&load.waits), "times", NULL);
    edda_store_close(store);
}

int main(int argc, char **argv)
{
    struct bench b;
    bench_begin(&b, "append", argc, argv);
    memset(body, 'x', sizeof body);
    in_turn(&b);
    batches(&b);
    bench_end(&b);
    return 0;
}
