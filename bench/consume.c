/*
 * What consumers get, with librdkafka as the client, from `edda serve` and from real Kafka in the same run: a topic of several partitions is written to each of them
 * and read again, by a new consumer each time and by turns.
 *
 *     bench_consume [--mb 1024] [--rounds 5] [--row N] [--limit MB] [--no-peer] [--set NAME=VALUE …] [--json] [--dir PARENT]
 *
 * By itself what is read lies in the page cache. With --limit neither broker may have more than so many megabytes of memory, its heap and the pages of its files
 * together, which is to be far less than --mb, so that most of it comes from the disk; Kafka's heap is 256 MB of it then. Last, a record is written every
 * five milliseconds while a consumer reads, for those who write must not wait for those who read.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "brokers.h"
#include "consume_client.h"
#include "kafka_load.h"

#define PARTITIONS 4
#define ROUNDS_MAX 50
#define HEAP_MB 1024
#define HEAP_LIMITED_MB 256
#define BESIDE_PASSES 2
#define IDLE_S 3
#define JAVA_BATCH_BYTES 16384 /* the default of the Java client */

static const struct row {
    const char *what;
    size_t value_bytes, batch_bytes;
} rows[] = {
    { "100 B", 100, 0 },
    { "1 KB", 1024, 0 },
    { "100 B in batches of 16 KB", 100, JAVA_BATCH_BYTES },
    { "1 KB in batches of 16 KB", 1024, JAVA_BATCH_BYTES },
};

struct side {
    const char *who;
    struct broker_process broker;
    double mb_per_s[ROUNDS_MAX], records_per_s[ROUNDS_MAX], server_s_per_gb[ROUNDS_MAX], client_s_per_gb[ROUNDS_MAX],
        paused[ROUNDS_MAX], disk_share[ROUNDS_MAX];
};

static struct side sides[] = { { .who = "edda" }, { .who = "kafka" } };

struct settings {
    uint64_t mb, limit_mb;
    size_t rounds, first, end;
    bool no_peer;
};

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The one in the middle; `values` are sorted by it. */
static double median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, compare);
    return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

static void pass(struct side *side, const char *topic, size_t round)
{
    struct broker_used before = broker_used(&side->broker);
    struct consumed consumed = client_consume(side->broker.port, topic, PARTITIONS);
    struct broker_used after = broker_used(&side->broker);
    double gb = (double)consumed.bytes / 1e9;
    side->mb_per_s[round] = gb * 1000 / consumed.seconds;
    side->records_per_s[round] = (double)consumed.records / consumed.seconds;
    side->server_s_per_gb[round] = (after.cpu_s - before.cpu_s) / gb;
    side->disk_share[round] = (double)(after.disk_bytes - before.disk_bytes) / (double)consumed.bytes * 100;
    side->paused[round] = consumed.paused_s / consumed.seconds * 100;
    side->client_s_per_gb[round] = consumed.client_cpu_s / gb;
}

/* The figures of one side; returns its median rate. */
static double side_report(const struct bench *b, const struct row *row, struct side *side, size_t rounds)
{
    char what[128];
    double rate = median(side->mb_per_s, rounds);
    (void)snprintf(what, sizeof what, "consume, %s, %s", row->what, side->who);
    bench_figure(b, what, rate, "MB/s", NULL);
    (void)snprintf(what, sizeof what, "  from %.0f to %.0f in %zu rounds", side->mb_per_s[0],
                   side->mb_per_s[rounds - 1], rounds);
    bench_figure(b, what, median(side->records_per_s, rounds), "records/s", NULL);
    bench_figure(b, "  read from the disk, of what was consumed", median(side->disk_share, rounds), "%", NULL);
    bench_figure(b, "  the server's processor time", median(side->server_s_per_gb, rounds), "s/GB", NULL);
    bench_figure(b, "  share of the time in which the client asks for nothing", median(side->paused, rounds), "%",
                 NULL);
    bench_figure(b, "  the client's", median(side->client_s_per_gb, rounds), "s/GB", NULL);
    return rate;
}

/* A record now and then, while the topic is read as often as is said; 0: for as long as an idle broker is to be looked at. */
static void write_beside(const struct bench *b, const struct side *side, const char *topic, const char *beside,
                         int passes)
{
    char what[128];
    size_t count;
    struct client_writer *writer = client_writer_start(side->broker.port, "written-1");
    if (passes == 0)
        (void)nanosleep(&(struct timespec){ .tv_sec = IDLE_S }, NULL);
    for (int i = 0; i < passes; i++)
        (void)client_consume(side->broker.port, topic, PARTITIONS);
    int64_t *samples = client_writer_stop(writer, &count);
    if (count) {
        (void)snprintf(what, sizeof what, "produce beside %s, %s, p50 of %zu", beside, side->who, count);
        bench_figure(b, what, (double)bench_percentile(samples, count, 0.5) / 1000, "us", NULL);
        bench_figure(b, "  p99", (double)bench_percentile(samples, count, 0.99) / 1000, "us", NULL);
        bench_figure(b, "  the longest", (double)bench_percentile(samples, count, 1) / 1000, "us", NULL);
    }
    free(samples);
}

static void row_run(const struct bench *b, const struct settings *settings, const struct row *row, size_t side_count)
{
    char topic[32], what[128];
    double ratios[ROUNDS_MAX];
    (void)snprintf(topic, sizeof topic, "consume-%d", (int)(row - rows) + 1);
    for (size_t s = 0; s < side_count; s++) {
        kafka_topic_make(sides[s].broker.port, topic, PARTITIONS, false);
        (void)client_produce(sides[s].broker.port, topic, row->value_bytes, row->batch_bytes, settings->mb * 1000000);
        if (settings->limit_mb)
            broker_group_limit(&sides[s].broker, settings->limit_mb << 20);
    }
    /* The first time of each does not count: a virtual machine compiles then, and an index is made. */
    for (size_t s = 0; s < side_count; s++)
        pass(&sides[s], topic, 0);
    for (size_t round = 0; round < settings->rounds; round++) {
        for (size_t s = 0; s < side_count; s++)
            pass(&sides[s], topic, round);
        ratios[round] = sides[0].mb_per_s[round] / sides[side_count - 1].mb_per_s[round];
    }
    double ours = side_report(b, row, &sides[0], settings->rounds);
    if (side_count < 2)
        return;
    double theirs = side_report(b, row, &sides[1], settings->rounds);
    (void)snprintf(what, sizeof what, "  ratio to kafka, %s", row->what);
    bench_figure(b, what, ours / theirs, "x", ">= 1");
    double middle = median(ratios, settings->rounds);
    (void)snprintf(what, sizeof what, "  of the rounds, from %.2f to %.2f", ratios[0], ratios[settings->rounds - 1]);
    bench_figure(b, what, middle, "x", NULL);
}

static void beside_run(const struct bench *b, const struct settings *settings, size_t side_count)
{
    char topic[32];
    (void)snprintf(topic, sizeof topic, "consume-%d", (int)settings->end);
    for (size_t s = 0; s < side_count; s++) {
        kafka_topic_make(sides[s].broker.port, "written-1", 1, false);
        write_beside(b, &sides[s], topic, "nothing", 0);
        write_beside(b, &sides[s], topic, "a consumer", BESIDE_PASSES);
    }
}

/* Takes our options out of the command line and leaves those of every bench. */
static struct settings options_take(int *argc, char **argv)
{
    const size_t count = sizeof rows / sizeof rows[0];
    struct settings settings = { .mb = 1024, .rounds = 5, .end = count };
    int kept = 1;
    for (int i = 1; i < *argc; i++) {
        const char *value = i + 1 < *argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--mb") == 0)
            settings.mb = strtoul(value, NULL, 10), i++;
        else if (strcmp(argv[i], "--rounds") == 0)
            settings.rounds = strtoul(value, NULL, 10), i++;
        else if (strcmp(argv[i], "--limit") == 0)
            settings.limit_mb = strtoul(value, NULL, 10), i++;
        else if (strcmp(argv[i], "--row") == 0)
            settings.end = strtoul(value, NULL, 10), settings.first = settings.end - 1, i++;
        else if (strcmp(argv[i], "--set") == 0)
            client_setting(value), i++;
        else if (strcmp(argv[i], "--no-peer") == 0)
            settings.no_peer = true;
        else
            argv[kept++] = argv[i];
    }
    *argc = kept;
    errno = 0;
    if (settings.mb == 0 || settings.rounds == 0 || settings.rounds > ROUNDS_MAX)
        kafka_die("--mb and --rounds are followed by a number; of rounds there are at most 50");
    if (settings.first >= settings.end || settings.end > count)
        kafka_die("--row is followed by the number of a row, the first is 1");
    return settings;
}

/* A control group would outlive the bench. */
static void on_signal(int number)
{
    for (size_t s = 0; s < 2; s++)
        broker_stop(&sides[s].broker);
    _exit(128 + number);
}

int main(int argc, char **argv)
{
    struct bench b;
    struct settings settings = options_take(&argc, argv);
    size_t side_count = 1;
    (void)signal(SIGTERM, on_signal);
    (void)signal(SIGINT, on_signal);
    (void)signal(SIGPIPE, on_signal);
    bench_begin(&b, "consume", argc, argv);
    bool bounded = !settings.limit_mb ||
                   (broker_group_make(&sides[0].broker, "edda") && broker_group_make(&sides[1].broker, "kafka"));
    if (bounded) {
        broker_start_edda(&sides[0].broker, &b, argv[0]);
        if (!settings.no_peer &&
            broker_start_kafka(&sides[1].broker, &b, settings.limit_mb ? HEAP_LIMITED_MB : HEAP_MB))
            side_count = 2;
        for (size_t i = settings.first; i < settings.end; i++)
            row_run(&b, &settings, &rows[i], side_count);
        beside_run(&b, &settings, side_count);
    }
    for (size_t s = 0; s < 2; s++)
        broker_stop(&sides[s].broker);
    bench_end(&b);
    return 0;
}
