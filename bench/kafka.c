/*
 * What Kafka's producers and consumers get: records written with acks=all and read again, from `edda serve` and, in the same run and with the same client, from
 * what stands beside it: real Kafka, as it comes and synced at every append, and a bare log behind TCP, which is what a durable append can cost at least.
 *
 *     bench/kafka_peer.py                              says where it listens
 *     bench_kafka --peer PORT [--broker PORT] [--seconds 2] [--row N] [--json] [--dir PARENT]
 *
 * Without --broker it starts `edda serve` of this build, with its data in a directory of its own; without --peer there is no peer. With --row there is only
 * that row of the table below, counted from 1, and what is read is what it has written.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bare_log.h"
#include "bench.h"
#include "brokers.h"
#include "kafka_load.h"

#define PARTITIONS 4

/* Targets as multiples of what is beside; 0: none. */
static const struct row {
    struct kafka_case load;
    double of_bare, of_peer, of_synced;
} rows[] = {
    { { "1 connection, 256 B", 1, 1, 1, 256, false }, 0.75, 1.0, 3 },
    { { "16 connections, 256 B", 16, 1, 1, 256, false }, 0.75, 1.0, 7 },
    { { "64 connections, 256 B", 64, 1, 1, 256, false }, 0.75, 1.35, 15 },
    { { "16 x 5 x 100 of 100 B, keyed", 16, 5, 100, 100, true }, 0, 1.0, 5 },
    { { "4 x 5 x 1000 of 100 B, keyed", 4, 5, 1000, 100, true }, 0, 1.0, 0 },
    { { "16 x 5 x 16 of 1 KB", 16, 5, 16, 1024, false }, 0, 1.0, 0 },
};

struct places {
    int broker, peer, bare; /* ports; 0: none */
    double seconds;
    size_t first, end; /* rows */
};

#define ROW_READ 3 /* the one whose topic is read again, if it is among those that are run */

static void figures(const struct bench *b, const struct row *row, const char *who, struct kafka_rate rate)
{
    char what[128];
    (void)snprintf(what, sizeof what, "produce, %s, %s", row->load.what, who);
    bench_figure(b, what, rate.records_per_s, "records/s", NULL);
    (void)snprintf(what, sizeof what, "  p50 of %s, %s", row->load.what, who);
    bench_figure(b, what, rate.p50_us, "us", NULL);
    (void)snprintf(what, sizeof what, "  p99 of %s, %s", row->load.what, who);
    bench_figure(b, what, rate.p99_us, "us", NULL);
}

static void ratio(const struct bench *b, const struct row *row, const char *to, double ours, double theirs,
                  double wanted)
{
    char what[128], target[32];
    (void)snprintf(what, sizeof what, "  ratio to %s, %s", to, row->load.what);
    (void)snprintf(target, sizeof target, ">= %.2f", wanted);
    bench_figure(b, what, ours / theirs, "x", wanted > 0 ? target : NULL);
}

static struct kafka_rate produce(int port, const char *kind, int number, bool synced, const struct row *row,
                                 double seconds)
{
    char topic[16];
    (void)snprintf(topic, sizeof topic, "%s-%04d", kind, number);
    kafka_topic_make(port, topic, PARTITIONS, synced);
    return kafka_produce(port, topic, PARTITIONS, &row->load, seconds);
}

static void row_run(const struct bench *b, const struct row *row, const struct places *places, int number)
{
    struct kafka_rate ours = produce(places->broker, "edda", number, false, row, places->seconds);
    figures(b, row, "edda", ours);
    if (row->of_bare > 0) {
        struct kafka_rate bare = kafka_produce(places->bare, "bare-0000", PARTITIONS, &row->load, places->seconds);
        figures(b, row, "bare log", bare);
        ratio(b, row, "the bare log", ours.records_per_s, bare.records_per_s, row->of_bare);
    }
    if (places->peer) {
        struct kafka_rate theirs = produce(places->peer, "peer", number, false, row, places->seconds);
        figures(b, row, "kafka", theirs);
        struct kafka_rate synced = produce(places->peer, "sync", number, true, row, places->seconds);
        figures(b, row, "kafka synced", synced);
        ratio(b, row, "kafka", ours.records_per_s, theirs.records_per_s, row->of_peer);
        ratio(b, row, "kafka synced", ours.records_per_s, synced.records_per_s, row->of_synced);
        if (row->load.connections == 64)
            bench_figure(b, "  p99 to that of kafka, 64 connections", ours.p99_us / theirs.p99_us, "x", "< 1");
    }
}

/* The topics of one row, just written, so from the page cache. */
static void consume(const struct bench *b, const struct places *places, int number)
{
    char topic[16];
    double mb, theirs_mb, ours, theirs;
    (void)snprintf(topic, sizeof topic, "edda-%04d", number);
    ours = kafka_consume(places->broker, topic, PARTITIONS, &mb);
    bench_figure(b, "consume, 1 connection, 4 MB a fetch, edda", ours, "records/s", NULL);
    bench_figure(b, "  the same", mb, "MB/s", NULL);
    if (!places->peer)
        return;
    (void)snprintf(topic, sizeof topic, "peer-%04d", number);
    theirs = kafka_consume(places->peer, topic, PARTITIONS, &theirs_mb);
    bench_figure(b, "consume, 1 connection, 4 MB a fetch, kafka", theirs, "records/s", NULL);
    bench_figure(b, "  the same", theirs_mb, "MB/s", NULL);
    bench_figure(b, "  ratio of MB/s to kafka", mb / theirs_mb, "x", ">= 1");
}

/* Takes our options out of the command line and leaves those of every bench. */
static struct places options_take(int *argc, char **argv)
{
    const size_t count = sizeof rows / sizeof rows[0];
    struct places places = { .seconds = 2, .end = count };
    int kept = 1;
    for (int i = 1; i < *argc; i++) {
        char *colon = i + 1 < *argc ? strrchr(argv[i + 1], ':') : NULL;
        const char *value = colon ? colon + 1 : i + 1 < *argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--broker") == 0)
            places.broker = (int)strtol(value, NULL, 10), i++;
        else if (strcmp(argv[i], "--peer") == 0)
            places.peer = (int)strtol(value, NULL, 10), i++;
        else if (strcmp(argv[i], "--seconds") == 0)
            places.seconds = strtod(value, NULL), i++;
        else if (strcmp(argv[i], "--row") == 0)
            places.end = (size_t)strtoul(value, NULL, 10), places.first = places.end - 1, i++;
        else
            argv[kept++] = argv[i];
    }
    *argc = kept;
    errno = 0;
    if (places.broker < 0 || places.peer < 0 || places.seconds <= 0)
        kafka_die("--broker and --peer are followed by a port, --seconds by a number");
    if (places.first >= places.end || places.end > count)
        kafka_die("--row is followed by the number of a row, the first is 1");
    return places;
}

int main(int argc, char **argv)
{
    struct bench b;
    struct places places = options_take(&argc, argv);
    bench_begin(&b, "kafka", argc, argv);
    struct broker_process edda = { 0 };
    pid_t bare = bare_log_start(b.dir, &places.bare);
    if (!places.broker) {
        broker_start_edda(&edda, &b, argv[0]);
        places.broker = edda.port;
    }
    /* So that topics of a run before are no trouble, where a broker is older than the bench. */
    int number = (int)(getpid() % 900) * 10;
    for (size_t i = places.first; i < places.end; i++)
        row_run(&b, &rows[i], &places, number + (int)i);
    bool has_read = places.first <= ROW_READ && ROW_READ < places.end;
    consume(&b, &places, number + (has_read ? ROW_READ : (int)places.first));
    (void)kill(bare, SIGKILL);
    broker_stop(&edda);
    bench_end(&b);
    return 0;
}
