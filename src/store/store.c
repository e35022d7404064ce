/*
 * store: opening, closing, and what is known of an open store. internal.h tells what is where.
 *
 * Opening an empty directory writes what the log needs and nothing else: the table of topics is recorded with the first
 * topic, files of derived state when there is some.
 */
#include "store/producers.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "store/scavenge.h"

#define OPEN_ATTEMPTS_MAX 100 /* more than the index has runs */

static void store_free(struct store *store)
{
    frames_deinit(store);
    for (uint32_t i = 0; i < store->place_count; i++)
        if (store->places[i].entry)
            partition_transactions_free(&store->places[i].entry->topic.partitions[store->places[i].partition]);
    topics_deinit(store);
    verified_deinit(store);
    additions_deinit(&store->additions);
    frame_reader_deinit(&store->reader);
    frame_reader_deinit(&store->thin_reader);
    if (store->producers)
        producers_deinit(store);
    free(store->producers);
    plain_free(store->plain);
    if (store->intake)
        intake_deinit(store->intake);
    free(store->intake);
    buffer_deinit(&store->headers);
    buffer_deinit(&store->scratch[0]);
    buffer_deinit(&store->scratch[1]);
    free(store->path);
    free(store);
}

static struct store *store_new(struct io *io, const char *path, const struct store_options *options)
{
    struct store *store = calloc(1, sizeof(*store));
    if (!store)
        return NULL;
    store->io = io;
    if (options)
        store->options = *options;
    if (store->options.frame_bytes == 0)
        store->options.frame_bytes = FRAME_BYTES_DEFAULT;
    if (store->options.unflushed_bytes_max == 0)
        store->options.unflushed_bytes_max = STORE_UNFLUSHED_BYTES_DEFAULT;
    if (store->options.message_bytes_max == 0)
        store->options.message_bytes_max = STORE_BATCH_BYTES_DEFAULT;
    ASSERT(store->options.message_bytes_max <= STORE_BATCH_BYTES_MAX);
    if (store->options.frames_kept == 0)
        store->options.frames_kept = FRAMES_KEPT_DEFAULT;
    store->random_used = sizeof(store->random);
    additions_init(&store->additions);
    table_init(&store->topics_by_name);
    table_init(&store->topics_by_id);
    table_init(&store->verified);
    list_init(&store->free_frames);
    for (size_t i = 0; i < LOG_FLUSHES_MAX; i++)
        store->flushes[i].store = store;
    size_t len = strlen(path);
    store->path = malloc(len + 1);
    store->producers = calloc(1, sizeof(*store->producers));
    if (store->producers)
        producers_init(store->producers);
    store->plain = plain_new();
    store->intake = calloc(1, sizeof(*store->intake));
    store->source = (struct frame_source){ .plain = store->plain, .batch = batch_closed_at, .bytes = bytes_at, .user = store };
    if (!store->path || !store->producers || !store->plain || !store->intake || topics_init(store) < 0) {
        store_free(store);
        return NULL;
    }
    memcpy(store->path, path, len + 1);
    return store;
}

static int open_index(struct store *store, struct edda_error *error)
{
    struct index_options options = store->options.index;
    char path[4096];
    int len = snprintf(path, sizeof(path), "%s/index", store->path);
    if (len < 0 || (size_t)len >= sizeof(path))
        return edda_fail_with(error, EDDA_EINVAL, "the path of the store is too long");
    options.log_end = log_end(store->log);
    options.read_only |= store->options.log.read_only || store->options.log.salvage;
    return index_open(store->io, path, log_id(store->log), &options, &store->index, error);
}

static int open_once(struct io *io, const char *path, const struct store_options *options, struct store **ret_store,
                     struct log_recovery *ret_recovery, bool *ret_index_damaged, struct edda_error *error)
{
    struct store *store = store_new(io, path, options);
    if (!store)
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory opening %s", path);
    store->options.log.contents = STORE_FORMAT;
    int r = log_open(io, path, &store->options.log, &store->log, ret_recovery, error);
    if (r == 0)
        r = open_index(store, error);
    if (r == 0) {
        store->seed = index_seed(store->index);
        store->frames_key = key_frames(store->seed);
        store->flush_begun = log_end(store->log);
        r = store_recover(store, error);
        log_rest(store->log);
        *ret_index_damaged = r == EDDA_ECORRUPT && index_wait(store->index) == EDDA_ECORRUPT;
        if (r == 0 && !store->options.log.read_only && !store->options.log.salvage && !(store->scavenger = scavenger_new(store)))
            r = edda_fail_with(error, EDDA_ENOMEM, "out of memory opening %s", path);
    }
    if (r < 0) {
        store_abandon(store);
        return r;
    }
    *ret_store = store;
    return 0;
}

int store_open(struct io *io, const char *path, const struct store_options *options, struct store **ret_store,
               struct log_recovery *ret_recovery, struct edda_error *error)
{
    bool index_damaged;
    int r, attempts = 0;
    /* The index has removed a run that is damaged, and what it held is made again now. Each time there is one run less. */
    do {
        index_damaged = false;
        r = open_once(io, path, options, ret_store, ret_recovery, &index_damaged, error);
    } while (index_damaged && ++attempts < OPEN_ATTEMPTS_MAX);
    return r;
}

void store_close(struct store *store)
{
    if (!store)
        return;
    if (!store->options.log.read_only && !store->options.log.salvage && !store->broken)
        store_flush(store, NULL);
    if (store->broken || flushes_wait(store) < 0) {
        store_abandon(store);
        return;
    }
    scavenger_free(store->scavenger);
    store->scavenger = NULL;
    if (!store->options.log.read_only && !store->options.log.salvage)
        producers_saved_write(store, true);
    checkpoint_wait(store);
    index_close(store->index);
    log_close(store->log);
    store_free(store);
}

/* After a simulated crash the jobs are gone, and there is nothing to wait for. */
void store_abandon(struct store *store)
{
    if (!store)
        return;
    flushes_wait(store);
    scavenger_free(store->scavenger);
    checkpoint_wait(store);
    if (store->index)
        index_close(store->index);
    if (store->log)
        log_abandon(store->log);
    store_free(store);
}

struct log *store_log(struct store *store)
{
    return store->log;
}

struct index *store_index(struct store *store)
{
    return store->index;
}

struct io *store_io(struct store *store)
{
    return store->io;
}

int store_broken(const struct store *store)
{
    return store->broken;
}

const struct edda_error *store_read_error(const struct store *store)
{
    return &store->read_error;
}

uint64_t store_tail(const struct store *store)
{
    return store->open ? frame_end(store->open) : log_next_position(store->log);
}

uint64_t store_durable_position(const struct store *store)
{
    return log_durable_position(store->log);
}

uint64_t store_id(const struct store *store)
{
    return log_id(store->log);
}

int64_t store_time_ms(struct store *store)
{
    return log_time_ms(store->log);
}

void store_on_close_frame(struct store *store, store_close_fn *hook, void *user)
{
    store->close_hook = hook;
    store->close_hook_user = user;
}

uint64_t store_open_frame_bytes(const struct store *store)
{
    return store->open && store->open->record_count > 0 ? store->open->body_bytes : 0;
}

bool store_is_behind(const struct store *store)
{
    return store_durable_position(store) < store_tail(store) || (store->unindexed && index_is_working(store->index));
}

bool store_frames_unflushed(const struct store *store)
{
    return log_unflushed_bytes(store->log) > 0;
}

int64_t store_open_frame_since_ns(const struct store *store)
{
    return store->open && store->open->record_count > 0 ? store->open->opened_ns : 0;
}

void store_stats(struct store *store, struct store_stats *ret_stats)
{
    struct store_stats stats = { .records = store_tail(store), .topics_ever = store->topic_count, .partitions = store->place_count };
    for (struct topic *topic = store_topic_each(store, NULL); topic; topic = store_topic_each(store, topic)) {
        stats.topics += !topic->internal;
        stats.partitions_of_topic = topic->partition_count > stats.partitions_of_topic ? topic->partition_count : stats.partitions_of_topic;
    }
    stats.producers = store->producers->count;
    stats.transactional_ids = store->producers->transaction_count;
    stats.transactions = store->producers->ongoing;
    struct log_segment_info info;
    stats.log_bytes = log_end(store->log) - log_start(store->log);
    for (size_t i = 0; log_segment(store->log, i, &info); i++)
        stats.freed_bytes += info.freed_bytes;
    stats.frames_in_memory = store->ring_count + (store->open != NULL);
    stats.unflushed_bytes = log_unflushed_bytes(store->log) + store_open_frame_bytes(store);
    index_stats(store->index, &stats.index);
    *ret_stats = stats;
}
