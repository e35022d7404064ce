/* See store_rig.h. */
#include "store_rig.h"

#include <string.h>

void world_open(struct world *w)
{
    int r = store_open(w->io, DIR, &w->options, &w->store, NULL, &w->error);
    if (r != 0)
        fail_msg("open: %d %s", r, w->error.message);
}

int world_setup(void **state)
{
    static struct world w;
    w = (struct world){ .options = { .log = { .segment_bytes = UINT64_C(64) << 10 }, .frame_bytes = 4096, .frames_kept = 4 } };
    w.io = io_simulated_new(&(struct io_simulated_options){ .seed = 1 });
    if (!w.io)
        return -1;
    world_open(&w);
    *state = &w;
    return 0;
}

int world_teardown(void **state)
{
    struct world *w = *state;
    store_close(w->store);
    io_simulated_free(w->io);
    return 0;
}

void world_reopen(struct world *w)
{
    store_close(w->store);
    world_open(w);
}

void world_crash(struct world *w)
{
    io_simulated_crash(w->io, false);
    store_abandon(w->store);
    world_open(w);
}

static int remove_entry(void *user, const char *name)
{
    char path[128];
    snprintf(path, sizeof(path), DIR "/index/%s", name);
    return io_file_remove(user, path);
}

void world_lose_index(struct world *w)
{
    store_close(w->store);
    int r = io_dir_list(w->io, DIR "/index", remove_entry, w->io);
    assert_true(r == 0 || r == EDDA_ENOTFOUND);
    world_open(w);
}

struct topic *topic_of(struct world *w, const char *name, uint32_t partitions)
{
    struct topic *topic = NULL;
    int r = store_topic_ensure(w->store, slice_str(name), partitions, &topic, &w->error);
    if (r != 0)
        fail_msg("topic %s: %d %s", name, r, w->error.message);
    return topic;
}

struct store_appended put(struct world *w, struct topic *topic, const char *key, const char *value)
{
    struct store_appended appended;
    struct store_message m = { .topic = topic, .key = slice_str(key), .partition = -1 };
    if (value)
        m.value = slice_str(value);
    int r = store_append(w->store, NULL, 0, &m, 1, true, &appended, &w->error);
    if (r != 0)
        fail_msg("append: %d %s", r, w->error.message);
    return appended;
}

int put_expecting(struct world *w, struct topic *topic, const char *key, int64_t expected)
{
    struct store_message m = { .topic = topic, .key = slice_str(key), .value = SLICE("x"), .partition = -1 };
    struct store_condition c = { slice_str(topic->name), slice_str(key), expected };
    return store_append(w->store, &c, 1, &m, 1, false, NULL, &w->error);
}

void world_flush(struct world *w)
{
    int r = store_flush(w->store, &w->error);
    if (r != 0)
        fail_msg("flush: %d %s", r, w->error.message);
}

int see(void *user, const struct store_record *record, int64_t version)
{
    struct seen *s = user;
    char at[32] = "";
    if (record->topic->internal)
        return 0;
    if (version >= 0)
        snprintf(at, sizeof(at), "@%lld", (long long)version);
    int n = snprintf(s->text + s->len, sizeof(s->text) - s->len, "%s%.*s%s", s->len ? " " : "", (int)record->record.value.len,
                     record->record.value.data ? (const char *)record->record.value.data : "", at);
    s->len += (size_t)n;
    assert_true(s->len < sizeof(s->text));
    return 0;
}

static struct seen seen;

const char *stream_text(struct world *w, const char *topic, const char *key)
{
    memset(&seen, 0, sizeof(seen));
    int64_t n = store_stream_read(w->store, slice_str(topic), slice_str(key), 0, false, UINT64_MAX, see, &seen);
    if (n < 0)
        fail_msg("stream: %d %s", (int)n, store_read_error(w->store)->message);
    return seen.text;
}

const char *partition_text(struct world *w, struct topic *topic, uint32_t partition, int64_t offset)
{
    memset(&seen, 0, sizeof(seen));
    int64_t n = store_partition_read(w->store, topic, partition, offset, UINT64_MAX, see, &seen);
    if (n < 0)
        fail_msg("partition: %d %s", (int)n, store_read_error(w->store)->message);
    return seen.text;
}

const char *all_text(struct world *w)
{
    struct store_cursor cursor;
    struct store_record record;
    int r;
    memset(&seen, 0, sizeof(seen));
    store_cursor_init(&cursor, 0, NULL);
    while ((r = store_cursor_next(w->store, &cursor, &record, &w->error)) == 1)
        see(&seen, &record, -1);
    if (r < 0)
        fail_msg("cursor: %d %s", r, w->error.message);
    store_cursor_deinit(&cursor);
    return seen.text;
}
