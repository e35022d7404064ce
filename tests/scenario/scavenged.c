/*
 * A log of small segments on this machine's disk, for scenarios of what the scavenger does to the files.
 *
 *     scavenged fill DIR    appends 1,000 records to two topics
 *     scavenged cut DIR     removes what topic "old" has, and gives its space back
 *     scavenged empty DIR   the same with both; then whole segments are removed from the front of the log
 *     scavenged begin DIR   begins a log whose first segment is small, for another process to go on with
 *     scavenged compact DIR removes what compaction takes away
 */
#include <stdio.h>
#include <string.h>

#include "io/posix.h"
#include "store/partition.h"
#include "store/store.h"

#define RECORDS 1000
#define VALUE_BYTES 500

static int fill(struct store *store, struct edda_error *error)
{
    struct topic *topics[2];
    char value[VALUE_BYTES], key[16];
    int r = store_topic_ensure(store, SLICE("old"), 1, &topics[0], error);
    if (r == 0)
        r = store_topic_ensure(store, SLICE("kept"), 1, &topics[1], error);
    for (int i = 0; r == 0 && i < RECORDS; i++) {
        memset(value, 'a' + i % 26, sizeof(value));
        snprintf(key, sizeof(key), "k%d", i % 10);
        struct store_message m = { .topic = topics[i % 20 == 0], .key = slice_str(key), .value = slice_of(value, sizeof(value)), .partition = -1 };
        r = store_append(store, NULL, 0, &m, 1, false, NULL, error);
        if (r == 0)
            r = store_flush(store, error);
        store_maintain(store);
        io_jobs_finish(store_io(store));
        /* So that the index reaches behind the first segments, which are removed only then. */
        if (r == 0 && i % 100 == 99 && (r = index_wait(store_index(store))) < 0)
            edda_fail_with(error, r, "the index cannot be written");
    }
    return r;
}

static int truncate_all(struct store *store, const char *name, struct edda_error *error)
{
    struct topic *topic = store_topic(store, slice_str(name));
    return topic ? store_partition_truncate(store, topic, 0, -1, error) : edda_fail_with(error, EDDA_ENOTFOUND, "there is no topic %s", name);
}

static int scavenge(struct store *store, bool everything, struct edda_error *error)
{
    struct store_scavenged done;
    int r = 0;
    store_scavenge_start(store, everything);
    while (r == 0 && store_scavenging(store)) {
        r = store_flush(store, error);
        store_maintain(store);
        io_jobs_wait(store_io(store), 10000000);
        io_jobs_finish(store_io(store));
    }
    store_scavenged(store, &done);
    if (r == 0 && done.failures)
        r = edda_fail_with(error, done.error.code, "%s", done.error.message);
    printf("%llu bytes freed, %llu frames thinned\n", (unsigned long long)done.freed_bytes, (unsigned long long)done.thinned_frames);
    return r;
}

static int cut(struct store *store, struct edda_error *error)
{
    int r = truncate_all(store, "old", error);
    return r < 0 ? r : scavenge(store, false, error);
}

static int empty(struct store *store, struct edda_error *error)
{
    int r = truncate_all(store, "kept", error);
    return r < 0 ? r : cut(store, error);
}

static int begin(struct store *store, struct edda_error *error)
{
    return store_flush(store, error);
}

/* Nulls go in the pass behind the one in which what is older goes. */
static int compact(struct store *store, struct edda_error *error)
{
    int r = scavenge(store, true, error);
    return r < 0 ? r : scavenge(store, true, error);
}

static const struct {
    const char *name;
    int (*run)(struct store *store, struct edda_error *error);
} modes[] = { { "fill", fill }, { "cut", cut }, { "empty", empty }, { "begin", begin }, { "compact", compact } };

int main(int argc, char **argv)
{
    struct store_options options = { .log = { .segment_bytes = LOG_SEGMENT_BYTES_MIN }, .scavenge_interval_ms = -1,
                                     .index = { .tail_entries_max = 400 }, .scavenge_bytes_per_second = UINT64_C(1) << 30 };
    struct edda_error error = { .message = "usage: scavenged fill|cut|empty|begin|compact DIR" };
    struct store *store;
    size_t mode = 0, count = sizeof(modes) / sizeof(modes[0]);
    while (argc == 3 && mode < count && strcmp(argv[1], modes[mode].name) != 0)
        mode++;
    int r = argc == 3 && mode < count ? 0 : EDDA_EINVAL;
    struct io *io = r == 0 ? io_posix_new(1) : NULL;
    if (io && (r = store_open(io, argv[2], &options, &store, NULL, &error)) == 0) {
        r = modes[mode].run(store, &error);
        store_close(store);
    }
    if (io)
        io_posix_free(io);
    if (r < 0)
        fprintf(stderr, "%s\n", error.message);
    return r < 0;
}
