/*
 * A log of small segments on this machine's disk, with whatever Kafka's producers leave in one, for scenarios of the tools: every line of standard input is done, and flushed.
 *
 *     transacted DIR
 *
 *     topic NAME PARTITIONS [SETTING=VALUE]
 *     plain TOPIC PARTITION CODEC KEY=VALUE…          a batch; CODEC is none, gzip, snappy, lz4 or zstd
 *     idempotent TOPIC PARTITION CODEC KEY=VALUE…     one of the idempotent producer, of which there is one
 *     send ID TOPIC PARTITION CODEC KEY=VALUE…        one of a transaction, begun when it is not open
 *     offset ID GROUP TOPIC PARTITION OFFSET          a group's offset, of the transaction
 *     commit ID, abort ID
 *     own TOPIC KEY VALUE                             a record of the store's
 *     truncate TOPIC PARTITION OFFSET, delete TOPIC
 *     fill TOPIC BYTES                                records of the store's, so many bytes of them
 *     scavenge                                        gives back what can be
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/put.h"
#include "io/posix.h"
#include "store/settings.h"
#include "store/transaction.h"
#include "wire/kafka/compression.h"

#define WORDS_MAX 40
#define PRODUCERS_MAX 16
#define PARTITIONS_MAX 16
#define TIMEOUT_MS 1 /* a broker aborts what is open as soon as it looks */
#define FILL_BYTES 4000

struct producer_state {
    char name[32];
    struct producer_id id;
    struct {
        const struct topic *topic;
        uint32_t partition;
        int32_t sequence;
    } next[PARTITIONS_MAX];
};

static struct {
    struct store *store;
    struct producer_state producers[PRODUCERS_MAX];
    struct buffer batch, packed;
    char *words[WORDS_MAX];
    int count;
    struct edda_error error;
} w;

static int number_of(const char *word)
{
    return (int)strtol(word, NULL, 10);
}

static struct topic *topic_of(const char *name)
{
    struct topic *topic = store_topic(w.store, slice_str(name));
    if (!topic)
        edda_fail_with(&w.error, EDDA_ENOTFOUND, "there is no topic %s", name);
    return topic;
}

/* The producer of this name; "" is the idempotent one. NULL and the error. */
static struct producer_state *producer_of(const char *name)
{
    struct producer_state *p = w.producers;
    while (p->name[0] && strcmp(p->name, name[0] ? name : "-") != 0)
        p++;
    if (p->name[0])
        return p;
    int r = name[0] ? transaction_begin_producer(w.store, slice_str(name), TIMEOUT_MS, (struct producer_id){ -1, -1 }, &p->id, &w.error) :
                      producer_new(w.store, &p->id, &w.error);
    snprintf(p->name, sizeof(p->name), "%s", name[0] ? name : "-");
    return r < 0 ? NULL : p;
}

static int32_t *sequence_of(struct producer_state *p, const struct topic *topic, uint32_t partition)
{
    size_t i = 0;
    while (p->next[i].topic && (p->next[i].topic != topic || p->next[i].partition != partition))
        i++;
    p->next[i].topic = topic;
    p->next[i].partition = partition;
    return &p->next[i].sequence;
}

/* A batch of the words KEY=VALUE from `at` on. */
static int batch_make(int at, const char *codec, const struct producer_state *p, int32_t sequence, int attributes)
{
    struct batch_builder builder;
    int compression = COMPRESSION_NONE;
    while (compression < COMPRESSION_COUNT && strcmp(compression_name((enum compression)compression), codec) != 0)
        compression++;
    buffer_clear(&w.batch);
    batch_builder_init(&builder, &w.batch);
    for (; at < w.count; at++) {
        char *value = strchr(w.words[at], '=');
        if (!value)
            return edda_fail_with(&w.error, EDDA_EINVAL, "%s is not KEY=VALUE", w.words[at]);
        batch_builder_add(&builder, store_time_ms(w.store), slice_of(w.words[at], (size_t)(value - w.words[at])), slice_str(value + 1), slice_of(NULL, 0), 0);
    }
    batch_builder_finish(&builder, 0, 0);
    if (compression) {
        buffer_clear(&w.packed);
        int r = compression_compress((enum compression)compression, slice_from(buffer_slice(&w.batch), BATCH_HEADER_BYTES), &w.packed, &w.error);
        if (r < 0)
            return r;
        buffer_truncate(&w.batch, BATCH_HEADER_BYTES);
        buffer_append_slice(&w.batch, buffer_slice(&w.packed));
        put_be32(w.batch.data + 8, (uint32_t)w.batch.len - 12);
    }
    put_be16(w.batch.data + 21, (uint16_t)(attributes | compression));
    batch_set_producer(w.batch.data, w.batch.len, p ? p->id.id : -1, p ? p->id.epoch : -1, p ? sequence : -1);
    return 0;
}

/* The words from `at` on: TOPIC PARTITION CODEC KEY=VALUE… */
static int produce(int at, struct producer_state *p, int attributes)
{
    struct store_batch_appended appended;
    struct store_batch batch = { .topic = topic_of(w.words[at]), .partition = (uint32_t)number_of(w.words[at + 1]), .zstd_allowed = true };
    if (!batch.topic)
        return w.error.code;
    int32_t *sequence = p ? sequence_of(p, batch.topic, batch.partition) : NULL;
    int r = attributes ? transaction_add_partition(w.store, slice_str(p->name), p->id, batch.topic, batch.partition, &w.error) : 0;
    if (r == 0)
        r = batch_make(at + 3, w.words[at + 2], p, sequence ? *sequence : -1, attributes);
    batch.bytes = buffer_slice(&w.batch);
    if (r == 0)
        r = store_batch_append(w.store, &batch, &appended, &w.error);
    if (r == 0 && sequence)
        *sequence += w.count - at - 3;
    return r;
}

static int own(const char *name, struct slice key, struct slice value)
{
    struct store_message m = { .topic = topic_of(name), .key = key, .value = value, .partition = -1 };
    return m.topic ? store_append(w.store, NULL, 0, &m, 1, false, NULL, &w.error) : w.error.code;
}

static int topic_make(void)
{
    struct topic *topic;
    int r = store_topic_ensure(w.store, slice_str(w.words[1]), (uint32_t)number_of(w.words[2]), &topic, &w.error);
    char *value = w.count > 3 ? strchr(w.words[3], '=') : NULL;
    if (r < 0 || !value)
        return r;
    struct setting_change change = { .name = slice_of(w.words[3], (size_t)(value - w.words[3])), .value = slice_str(value + 1) };
    return store_topic_settings_alter(w.store, topic, &change, 1, false, &w.error);
}

static int fill(void)
{
    char value[FILL_BYTES];
    int r = 0;
    memset(value, 'f', sizeof(value));
    for (int left = number_of(w.words[2]); r == 0 && left > 0; left -= FILL_BYTES) {
        r = own(w.words[1], SLICE("filling"), slice_of(value, sizeof(value)));
        if (r == 0)
            r = store_flush(w.store, &w.error);
    }
    return r;
}

static int scavenge(void)
{
    struct store_scavenged done;
    int r = 0;
    store_scavenge_start(w.store, false);
    while (r == 0 && store_scavenging(w.store)) {
        r = store_flush(w.store, &w.error);
        store_maintain(w.store);
        io_jobs_wait(store_io(w.store), 10000000);
        io_jobs_finish(store_io(w.store));
    }
    store_scavenged(w.store, &done);
    printf("%llu bytes freed\n", (unsigned long long)done.freed_bytes);
    return r == 0 && done.failures ? edda_fail_with(&w.error, done.error.code, "%s", done.error.message) : r;
}

static int transacted(const char *what)
{
    struct producer_state *p = producer_of(w.words[1]);
    int r = p ? 0 : w.error.code;
    if (r == 0 && strcmp(what, "send") == 0)
        return produce(2, p, BATCH_TRANSACTIONAL);
    if (r == 0 && strcmp(what, "offset") == 0) {
        r = transaction_add_group(w.store, slice_str(p->name), p->id, slice_str(w.words[2]), &w.error);
        return r < 0 ? r : transaction_add_offset(w.store, slice_str(p->name), p->id, slice_str(w.words[2]), slice_str(w.words[3]), (uint32_t)number_of(w.words[4]),
                                                  number_of(w.words[5]), -1, SLICE(""), &w.error);
    }
    return r < 0 ? r : transaction_end(w.store, slice_str(p->name), p->id, strcmp(what, "commit") == 0, &w.error);
}

static int line_do(void)
{
    const char *what = w.words[0];
    struct topic *topic;
    if (strcmp(what, "topic") == 0)
        return topic_make();
    if (strcmp(what, "plain") == 0)
        return produce(1, NULL, 0);
    if (strcmp(what, "idempotent") == 0)
        return produce(1, producer_of(""), 0);
    if (strcmp(what, "own") == 0)
        return own(w.words[1], slice_str(w.words[2]), slice_str(w.words[3]));
    if (strcmp(what, "fill") == 0)
        return fill();
    if (strcmp(what, "scavenge") == 0)
        return scavenge();
    if (strcmp(what, "truncate") == 0 || strcmp(what, "delete") == 0) {
        topic = topic_of(w.words[1]);
        return !topic ? w.error.code : what[0] == 'd' ? store_topic_delete(w.store, topic, &w.error) :
                                       store_partition_truncate(w.store, topic, (uint32_t)number_of(w.words[2]), number_of(w.words[3]), &w.error);
    }
    return transacted(what);
}

static int lines_do(void)
{
    char line[4096];
    int r = 0;
    while (r == 0 && fgets(line, sizeof(line), stdin)) {
        char *save;
        w.count = 0;
        for (char *word = strtok_r(line, " \n", &save); word && w.count < WORDS_MAX; word = strtok_r(NULL, " \n", &save))
            w.words[w.count++] = word;
        r = w.count ? line_do() : 0;
        if (r == 0)
            r = store_flush(w.store, &w.error);
        if (r < 0)
            fprintf(stderr, "%s: %s\n", w.words[0], w.error.message);
    }
    return r;
}

int main(int argc, char **argv)
{
    struct store_options options = { .log = { .segment_bytes = LOG_SEGMENT_BYTES_MIN }, .scavenge_interval_ms = -1,
                                     .scavenge_bytes_per_second = UINT64_C(1) << 30 };
    struct io *io = argc == 2 ? io_posix_new(1) : NULL;
    w.batch = w.packed = BUFFER_EMPTY;
    int r = io ? store_open(io, argv[1], &options, &w.store, NULL, &w.error) : EDDA_EINVAL;
    if (r < 0) {
        fprintf(stderr, "%s\n", argc == 2 ? w.error.message : "usage: transacted DIR");
    } else {
        r = lines_do();
        store_close(w.store);
    }
    buffer_deinit(&w.batch);
    buffer_deinit(&w.packed);
    if (io)
        io_posix_free(io);
    return r < 0;
}
