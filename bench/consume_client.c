/* See consume_client.h. */
#include "consume_client.h"

#include <errno.h>
#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "bench.h"
#include "kafka_load.h"

#define WAIT_MS 10000
#define PAUSE_NS 100000000
#define SETTINGS_MAX 8
#define MESSAGES_AT_ONCE 1000
#define WRITER_PAUSE_NS 5000000
#define WRITER_BYTES 256
#define WRITER_SAMPLES_MAX 1000000

static void set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char why[200];
    errno = 0;
    if (rd_kafka_conf_set(conf, name, value, why, sizeof why) != RD_KAFKA_CONF_OK)
        kafka_die(why);
}

static rd_kafka_t *client_new(rd_kafka_type_t type, int port, rd_kafka_conf_t *conf)
{
    char at[64], why[200];
    (void)snprintf(at, sizeof at, "127.0.0.1:%d", port);
    set(conf, "bootstrap.servers", at);
    rd_kafka_t *client = rd_kafka_new(type, conf, why, sizeof why);
    errno = 0;
    if (!client)
        kafka_die(why);
    return client;
}

static void check(rd_kafka_resp_err_t code)
{
    errno = 0;
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        kafka_die(rd_kafka_err2str(code));
}

/* --- producing ------------------------------------------------------------------------------------------------- */

static void on_delivered(rd_kafka_t *client, const rd_kafka_message_t *message, void *user)
{
    (void)client, (void)user;
    check(message->err);
}

uint64_t client_produce(int port, const char *topic, size_t value_bytes, size_t batch_bytes, uint64_t bytes)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char text[32], value[4096];
    uint64_t count = bytes / value_bytes;
    if (batch_bytes) {
        (void)snprintf(text, sizeof text, "%zu", batch_bytes);
        set(conf, "batch.size", text);
    }
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivered);
    rd_kafka_t *client = client_new(RD_KAFKA_PRODUCER, port, conf);
    rd_kafka_topic_t *to = rd_kafka_topic_new(client, topic, NULL);
    for (size_t i = 0; i < sizeof value; i++)
        value[i] = (char)('a' + i * 7 % 26);
    for (uint64_t i = 0; i < count; i++) {
        memcpy(value, &i, sizeof i);
        while (rd_kafka_produce(to, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY, value, value_bytes, NULL, 0, NULL) !=
               0) {
            if (rd_kafka_last_error() != RD_KAFKA_RESP_ERR__QUEUE_FULL)
                check(rd_kafka_last_error());
            (void)rd_kafka_poll(client, 10);
        }
        if (i % MESSAGES_AT_ONCE == 0)
            (void)rd_kafka_poll(client, 0);
    }
    check(rd_kafka_flush(client, WAIT_MS * 6));
    rd_kafka_topic_destroy(to);
    rd_kafka_destroy(client);
    return count;
}

/* --- consuming ------------------------------------------------------------------------------------------------- */

static double cpu_s(void)
{
    struct rusage used;
    (void)getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

static const char *settings[SETTINGS_MAX];
static size_t setting_count;

void client_setting(const char *setting)
{
    errno = 0;
    if (setting_count == SETTINGS_MAX || !strchr(setting, '='))
        kafka_die("a setting of the client is NAME=VALUE, and there are at most 8");
    settings[setting_count++] = setting;
}

static void set_more(rd_kafka_conf_t *conf)
{
    for (size_t i = 0; i < setting_count; i++) {
        char name[100];
        const char *equals = strchr(settings[i], '=');
        (void)snprintf(name, sizeof name, "%.*s", (int)(equals - settings[i]), settings[i]);
        set(conf, name, equals + 1);
    }
}

/* How many records there are, all of which are to be read. */
static uint64_t count_all(rd_kafka_t *client, const char *topic, int partitions)
{
    uint64_t count = 0;
    for (int i = 0; i < partitions; i++) {
        int64_t low, high;
        check(rd_kafka_query_watermark_offsets(client, topic, i, &low, &high, WAIT_MS));
        count += (uint64_t)(high - low);
    }
    return count;
}

struct consumed client_consume(int port, const char *topic, int partitions)
{
    static rd_kafka_message_t *messages[MESSAGES_AT_ONCE];
    struct consumed consumed = { 0 };
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "group.id", "bench");
    set(conf, "enable.auto.commit", "false");
    set(conf, "queued.min.messages", "1000000");
    set(conf, "queued.max.messages.kbytes", "2000000");
    set_more(conf);
    rd_kafka_t *client = client_new(RD_KAFKA_CONSUMER, port, conf);
    uint64_t wanted = count_all(client, topic, partitions);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(partitions);
    for (int i = 0; i < partitions; i++)
        rd_kafka_topic_partition_list_add(list, topic, i)->offset = RD_KAFKA_OFFSET_BEGINNING;
    rd_kafka_queue_t *queue = rd_kafka_queue_get_consumer(client);
    double cpu_before_s = cpu_s();
    int64_t start_ns = bench_now_ns();
    check(rd_kafka_assign(client, list));
    while (consumed.records < wanted) {
        int64_t from_ns = bench_now_ns();
        /* It waits for as many as are asked for. */
        size_t left = wanted - consumed.records < MESSAGES_AT_ONCE ? wanted - consumed.records : MESSAGES_AT_ONCE;
        ssize_t n = rd_kafka_consume_batch_queue(queue, WAIT_MS, messages, left);
        int64_t waited_ns = bench_now_ns() - from_ns;
        consumed.paused_s += waited_ns > PAUSE_NS ? (double)waited_ns / 1e9 : 0;
        errno = 0;
        if (n <= 0)
            kafka_die("nothing to be consumed for ten seconds");
        for (ssize_t i = 0; i < n; i++) {
            check(messages[i]->err);
            consumed.bytes += messages[i]->len;
            rd_kafka_message_destroy(messages[i]);
        }
        consumed.records += (uint64_t)n;
    }
    consumed.seconds = (double)(bench_now_ns() - start_ns) / 1e9;
    consumed.client_cpu_s = cpu_s() - cpu_before_s;
    errno = 0;
    if (consumed.records != wanted)
        kafka_die("more was consumed than is there");
    rd_kafka_queue_destroy(queue);
    rd_kafka_topic_partition_list_destroy(list);
    (void)rd_kafka_consumer_close(client);
    rd_kafka_destroy(client);
    return consumed;
}

/* --- a writer beside -------------------------------------------------------------------------------------------- */

struct client_writer {
    pthread_t thread;
    rd_kafka_t *client;
    rd_kafka_topic_t *topic;
    int64_t *samples;
    size_t count;
    bool delivered;
    atomic_bool ended;
};

static void on_written(rd_kafka_t *client, const rd_kafka_message_t *message, void *user)
{
    struct client_writer *writer = user;
    (void)client;
    check(message->err);
    writer->delivered = true;
}

static void *writer_run(void *user)
{
    struct client_writer *writer = user;
    char value[WRITER_BYTES] = "";
    while (!atomic_load(&writer->ended) && writer->count < WRITER_SAMPLES_MAX) {
        int64_t start_ns = bench_now_ns();
        writer->delivered = false;
        errno = 0;
        if (rd_kafka_produce(writer->topic, 0, RD_KAFKA_MSG_F_COPY, value, sizeof value, NULL, 0, NULL) != 0)
            check(rd_kafka_last_error());
        while (!writer->delivered)
            (void)rd_kafka_poll(writer->client, WAIT_MS);
        writer->samples[writer->count++] = bench_now_ns() - start_ns;
        (void)nanosleep(&(struct timespec){ .tv_nsec = WRITER_PAUSE_NS }, NULL);
    }
    return NULL;
}

struct client_writer *client_writer_start(int port, const char *topic)
{
    struct client_writer *writer = calloc(1, sizeof *writer);
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    if (!writer || !(writer->samples = calloc(WRITER_SAMPLES_MAX, sizeof *writer->samples)))
        kafka_die("out of memory");
    set(conf, "linger.ms", "0");
    rd_kafka_conf_set_dr_msg_cb(conf, on_written);
    rd_kafka_conf_set_opaque(conf, writer);
    writer->client = client_new(RD_KAFKA_PRODUCER, port, conf);
    writer->topic = rd_kafka_topic_new(writer->client, topic, NULL);
    if (pthread_create(&writer->thread, NULL, writer_run, writer) != 0)
        kafka_die("no thread");
    return writer;
}

int64_t *client_writer_stop(struct client_writer *writer, size_t *ret_count)
{
    int64_t *samples = writer->samples;
    atomic_store(&writer->ended, true);
    (void)pthread_join(writer->thread, NULL);
    *ret_count = writer->count;
    rd_kafka_topic_destroy(writer->topic);
    rd_kafka_destroy(writer->client);
    free(writer);
    return samples;
}
