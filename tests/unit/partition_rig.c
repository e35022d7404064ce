/* partition_rig: see partition_rig.h. */
#include "partition_rig.h"

#include <string.h>

#include "base/crc32c.h"
#include "base/put.h"
#include "wire/kafka/compression.h"

void world_open(struct world *w)
{
    int r = store_open(w->io, DIR, &w->options, &w->store, NULL, &w->error);
    if (r != 0)
        fail_msg("open: %d %s", r, w->error.message);
}

int setup(void **state)
{
    static struct world w;
    w = (struct world){ .options = { .log = { .segment_bytes = UINT64_C(4) << 20 } } };
    w.io = io_simulated_new(&(struct io_simulated_options){ .seed = 1 });
    if (!w.io)
        return -1;
    world_open(&w);
    *state = &w;
    return 0;
}

int teardown(void **state)
{
    struct world *w = *state;
    verify(w);
    store_close(w->store);
    io_simulated_free(w->io);
    return 0;
}

void reopen(struct world *w)
{
    store_close(w->store);
    world_open(w);
}

void crash(struct world *w)
{
    io_simulated_crash(w->io, false);
    store_abandon(w->store);
    world_open(w);
}

static int remove_run(void *user, const char *name)
{
    char path[128];
    snprintf(path, sizeof(path), DIR "/index/%s", name);
    return io_file_remove(user, path);
}

static int remove_checkpoint(void *user, const char *name)
{
    char path[128];
    snprintf(path, sizeof(path), DIR "/checkpoint/%s", name);
    return io_file_remove(user, path);
}

void lose_index(struct world *w)
{
    store_close(w->store);
    int r = io_dir_list(w->io, DIR "/index", remove_run, w->io);
    assert_true(r == 0 || r == EDDA_ENOTFOUND);
    r = io_dir_list(w->io, DIR "/checkpoint", remove_checkpoint, w->io);
    assert_true(r == 0 || r == EDDA_ENOTFOUND);
    world_open(w);
}

void flush(struct world *w)
{
    int r = store_flush(w->store, &w->error);
    if (r != 0)
        fail_msg("flush: %d %s", r, w->error.message);
}

static void damage(void *user, const char *segment, uint64_t from, uint64_t to, const char *reason)
{
    (void)user;
    print_message("%s %llu-%llu: %s\n", segment, (unsigned long long)from, (unsigned long long)to, reason);
}

void verify(struct world *w)
{
    int64_t found = store_verify(w->store, damage, NULL, &w->error);
    if (found != 0)
        fail_msg("verify: %lld", (long long)found);
}

struct topic *topic_of(struct world *w, const char *name, uint32_t partitions)
{
    struct topic *topic = NULL;
    int r = store_topic_ensure(w->store, slice_str(name), partitions, &topic, &w->error);
    if (r != 0)
        fail_msg("topic %s: %d %s", name, r, w->error.message);
    return topic;
}

void batch_seal(uint8_t *bytes, size_t len)
{
    put_be32(bytes + 17, crc32c(slice_of(bytes + 21, len - 21)));
}

/* Puts the compressed records in the place of the plain ones. */
static void batch_compress(struct buffer *out, int compression)
{
    struct buffer packed = BUFFER_EMPTY;
    struct edda_error error;
    int r = compression_compress((enum compression)compression, slice_from(buffer_slice(out), BATCH_HEADER_BYTES), &packed, &error);
    if (r != 0)
        fail_msg("compress: %s", error.message);
    buffer_truncate(out, BATCH_HEADER_BYTES);
    buffer_append_slice(out, buffer_slice(&packed));
    buffer_deinit(&packed);
    put_be32(out->data + 8, (uint32_t)out->len - 12);
}

struct slice batch_make(struct buffer *out, const struct made *made)
{
    struct batch_builder builder;
    int32_t count = made->count ? made->count : 1;
    buffer_clear(out);
    batch_builder_init(&builder, out);
    for (int32_t i = 0; i < count; i++) {
        char value[64];
        struct slice key = { 0 };
        snprintf(value, sizeof(value), "%s%d", made->value, i);
        if (made->key)
            key = slice_str(made->key);
        batch_builder_add(&builder, (made->time_ms ? made->time_ms : 1000) + i, key, slice_str(value), made->headers, made->header_count);
    }
    batch_builder_finish(&builder, 0, 0);
    if (made->compression)
        batch_compress(out, made->compression);
    put_be16(out->data + 21, (uint16_t)(made->compression | (made->transactional ? BATCH_TRANSACTIONAL : 0)));
    if (made->idempotent || made->transactional) {
        put_be64(out->data + 43, (uint64_t)made->producer.id);
        put_be16(out->data + 51, (uint16_t)made->producer.epoch);
        put_be32(out->data + 53, (uint32_t)made->sequence);
    }
    batch_seal(out->data, out->len);
    return buffer_slice(out);
}

int produce(struct world *w, struct topic *topic, uint32_t partition, const struct made *made, struct store_batch_appended *ret_appended)
{
    struct buffer bytes = BUFFER_EMPTY;
    struct store_batch batch = { .topic = topic, .partition = partition, .bytes = batch_make(&bytes, made), .zstd_allowed = true };
    int r = store_batch_append(w->store, &batch, ret_appended, &w->error);
    buffer_deinit(&bytes);
    return r;
}

int64_t produced(struct world *w, struct topic *topic, uint32_t partition, const struct made *made)
{
    struct store_batch_appended appended;
    int r = produce(w, topic, partition, made, &appended);
    if (r != 0)
        fail_msg("produce %s: %d %s", made->value, r, w->error.message);
    return appended.base_offset;
}

__attribute__((format(printf, 2, 3))) static void say(struct text *t, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(t->bytes + t->len, sizeof(t->bytes) - t->len, format, arguments);
    va_end(arguments);
    assert_true(n >= 0 && t->len + (size_t)n < sizeof(t->bytes));
    t->len += (size_t)n;
}

static void record_say(struct text *t, const struct batch *batch, const struct record *record)
{
    say(t, "%lld:", (long long)record->offset);
    if (batch->attributes & BATCH_CONTROL)
        say(t, "%s ", record->key.len == 4 && record->key.data[3] == 1 ? "commit" : "abort");
    else
        say(t, "%.*s ", (int)record->value.len, (const char *)record->value.data);
}

static int fetch_visit(void *user, struct slice bytes)
{
    struct text *t = user;
    while (bytes.len > 0) {
        struct batch batch;
        struct record record;
        struct buffer plain = BUFFER_EMPTY;
        int64_t len = batch_parse(bytes, &batch, NULL);
        assert_true(len > 0);
        assert_int_equal(batch_check(&batch, NULL), 0);
        if (batch.attributes & BATCH_COMPRESSION)
            assert_int_equal(compression_decompress((enum compression)(batch.attributes & BATCH_COMPRESSION), batch.records, 1 << 20, &plain, NULL), 0);
        else
            buffer_append_slice(&plain, batch.records);
        struct cursor records = cursor_of(buffer_slice(&plain));
        say(t, "|");
        while (batch_next(&batch, &records, &record))
            record_say(t, &batch, &record);
        buffer_deinit(&plain);
        bytes = slice_from(bytes, (size_t)len);
    }
    return 0;
}

const char *fetched(struct world *w, struct topic *topic, uint32_t partition, int64_t offset, bool committed)
{
    static struct text t;
    struct store_fetch fetch = {
        .topic = topic, .partition = partition, .offset = offset, .bytes_max = 1 << 20, .first_whole = true, .committed = committed
    };
    t.len = 0;
    t.bytes[0] = '\0';
    int64_t r = store_fetch(w->store, &fetch, fetch_visit, &t, &w->error);
    if (r < 0)
        fail_msg("fetch: %lld %s", (long long)r, w->error.message);
    if (t.len)
        t.bytes[t.len - 1] = '\0';
    return t.bytes;
}

static int record_see(void *user, const struct store_record *record, int64_t version)
{
    struct text *t = user;
    if (version >= 0)
        say(t, "%lld=", (long long)version);
    say(t, "%.*s ", (int)record->record.value.len, (const char *)record->record.value.data);
    return 0;
}

const char *stream_text(struct world *w, const char *topic, const char *key)
{
    static struct text t;
    t.len = 0;
    t.bytes[0] = '\0';
    assert_true(store_stream_read(w->store, slice_str(topic), slice_str(key), 0, false, 1000, record_see, &t) >= 0);
    if (t.len)
        t.bytes[t.len - 1] = '\0';
    return t.bytes;
}

const char *topic_text(struct world *w, struct topic *topic)
{
    static struct text t;
    struct store_cursor cursor;
    struct store_record record;
    int r;
    t.len = 0;
    t.bytes[0] = '\0';
    store_cursor_init(&cursor, 0, topic);
    while ((r = store_cursor_next(w->store, &cursor, &record, &w->error)) == 1)
        record_see(&t, &record, -1);
    assert_int_equal(r, 0);
    store_cursor_deinit(&cursor);
    if (t.len)
        t.bytes[t.len - 1] = '\0';
    return t.bytes;
}

struct store_bounds bounds_of(struct world *w, struct topic *topic, uint32_t partition)
{
    struct store_bounds bounds;
    store_partition_bounds(w->store, topic, partition, &bounds);
    return bounds;
}
