/*
 * bench: what this machine does with this store, through the layer that everything else goes through. Every append is durable before it
 * counts: alone, where each waits for its own sync, and gathered, where a frame is synced while the next one fills.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "cmd/edda_tool.h"
#include "wire/json/json.h"

#define STREAMS 1000
#define FIGURES_MAX 16
#define SCAN_TAKES_MAX UINT64_C(1000000)

struct bench_values {
    const char *dir;
    uint64_t size;
    int64_t for_ms;
    bool json;
};

struct figure {
    const char *name;
    uint64_t count;            /* records */
    int64_t ns;
    uint64_t value_bytes;
};

struct bench {
    struct tool *tool;
    const struct bench_values *v;
    struct topic *topic;
    struct buffer value;
    struct figure figures[FIGURES_MAX];
    size_t figure_count;
    uint64_t sum;              /* of what was read, so that reading is not left out */
    uint64_t next;             /* the next stream */
};

static int64_t now_ns(const struct bench *b)
{
    return io_clock_boot_ns(b->tool->io);
}

static void figure_add(struct bench *b, const char *name, uint64_t count, int64_t from_ns)
{
    if (b->figure_count < FIGURES_MAX)
        b->figures[b->figure_count++] = (struct figure){ name, count, now_ns(b) - from_ns, b->v->size };
}

static struct store_message message_next(struct bench *b, char key[24])
{
    int len = snprintf(key, 24, "%" PRIu64, b->next++ % STREAMS);
    return (struct store_message){
        .topic = b->topic,
        .key = slice_of(key, (size_t)len),
        .value = buffer_slice(&b->value),
        .event = { .type = SLICE("Measured"), .source = SLICE("edda/bench") },
        .partition = -1,
    };
}

/* Each event alone: recorded, synced, then the next. */
static int append_alone(struct bench *b)
{
    int64_t from = now_ns(b), until = from + b->v->for_ms * 1000000;
    uint64_t count = 0;
    int r = 0;
    for (; r == 0 && now_ns(b) < until; count++) {
        char key[24];
        struct store_message message = message_next(b, key);
        r = store_append(b->tool->store, NULL, 0, &message, 1, false, NULL, &b->tool->error);
        if (r == 0)
            r = store_flush(b->tool->store, &b->tool->error);
        store_maintain(b->tool->store);
        io_jobs_finish(b->tool->io);
    }
    figure_add(b, "append, a sync each", count, from);
    return r;
}

/* What to do when the store has no room before a flush or the index has made some. */
static int give_way(struct bench *b)
{
    int r = store_flush_start(b->tool->store, &b->tool->error);
    if (r < 0 && r != EDDA_EBUSY)
        return r;
    io_jobs_wait(b->tool->io, 1000000);
    io_jobs_finish(b->tool->io);
    store_maintain(b->tool->store);
    return 0;
}

/* As many as there is room for; frames are synced in the background. */
static int append_gathered(struct bench *b)
{
    int64_t from = now_ns(b), until = from + b->v->for_ms * 1000000;
    uint64_t count = 0;
    int r = 0;
    while (r == 0 && now_ns(b) < until) {
        char key[24];
        struct store_message message = message_next(b, key);
        r = store_append(b->tool->store, NULL, 0, &message, 1, false, NULL, &b->tool->error);
        if (r == EDDA_EBUSY)
            r = give_way(b);
        else if (r == 0)
            count++;
        if (count % 256 == 0 && r == 0) {
            r = store_flush_start(b->tool->store, &b->tool->error);
            r = r == EDDA_EBUSY || r > 0 ? 0 : r;
            io_jobs_finish(b->tool->io);
            store_maintain(b->tool->store);
        }
    }
    if (r == 0)
        r = store_flush(b->tool->store, &b->tool->error);
    figure_add(b, "append, gathered", count, from);
    return r;
}

static int visit(void *user, const struct store_record *record, int64_t version)
{
    struct bench *b = user;
    b->sum += record->record.value.len + (uint64_t)version;
    return 0;
}

static int read_streams(struct bench *b)
{
    int64_t from = now_ns(b), until = from + b->v->for_ms * 1000000;
    uint64_t count = 0;
    int64_t r = 0;
    while (r >= 0 && now_ns(b) < until) {
        char key[24];
        struct store_message message = message_next(b, key);
        r = store_stream_read(b->tool->store, slice_str(b->topic->name), message.key, -1, true, 10, visit, b);
        count += r > 0 ? (uint64_t)r : 0;
    }
    figure_add(b, "read, the last 10 of a stream", count, from);
    return r < 0 ? edda_fail_with(&b->tool->error, (int)r, "%s", store_read_error(b->tool->store)->message) : 0;
}

static int read_all(struct bench *b)
{
    struct store_cursor cursor;
    struct store_record record;
    int64_t from = now_ns(b);
    uint64_t count = 0;
    int r;
    store_cursor_init(&cursor, 0, NULL);
    while ((r = store_cursor_next(b->tool->store, &cursor, &record, &b->tool->error)) > 0 && count < SCAN_TAKES_MAX) {
        b->sum += record.record.value.len;
        count++;
    }
    store_cursor_deinit(&cursor);
    figure_add(b, "read, all in order", count, from);
    return r < 0 ? r : 0;
}

static void figures_print(const struct bench *b)
{
    struct buffer out = BUFFER_EMPTY;
    for (size_t i = 0; i < b->figure_count; i++) {
        const struct figure *f = &b->figures[i];
        double seconds = (double)(f->ns > 0 ? f->ns : 1) / 1e9;
        double rate = (double)f->count / seconds;
        if (b->v->json)
            buffer_printf(&out, "{\"name\":\"%s\",\"records\":%" PRIu64 ",\"seconds\":%.6f,\"perSecond\":%.0f,\"valueBytes\":%" PRIu64 "}\n", f->name,
                          f->count, seconds, rate, f->value_bytes);
        else
            buffer_printf(&out, "%-30s %9.0f/s  %8.1f MB/s  %8.2f us each\n", f->name, rate, rate * (double)f->value_bytes / 1e6,
                          f->count ? seconds * 1e6 / (double)f->count : 0.0);
    }
    print_buffer(&out);
    buffer_deinit(&out);
}

static int bench(struct bench *b, const char *dir)
{
    static int (*const parts[])(struct bench *) = { append_alone, append_gathered, read_streams, read_all };
    int r = tool_open_writing(b->tool, dir);
    if (r == 0)
        r = store_topic_ensure(b->tool->store, SLICE("bench"), 1, &b->topic, &b->tool->error);
    /* A JSON text of the wanted size. */
    buffer_append_byte(&b->value, '"');
    while (b->value.len + 1 < b->v->size)
        buffer_append_byte(&b->value, (uint8_t)('a' + b->value.len % 26));
    buffer_append_byte(&b->value, '"');
    if (r == 0 && !buffer_ok(&b->value))
        r = edda_fail_with(&b->tool->error, EDDA_ENOMEM, "out of memory");
    for (size_t i = 0; r == 0 && i < sizeof(parts) / sizeof(parts[0]); i++)
        r = parts[i](b);
    return r;
}

struct removal {
    struct io *io;
    const char *dir;
};

/* Removes a file, or a directory and what is in it: the data directory has two levels of them. */
static int name_remove(void *user, const char *name)
{
    const struct removal *removal = user;
    char path[TOOL_PATH_BYTES];
    if (!path_join(path, removal->dir, name))
        return 0;
    if (io_file_remove(removal->io, path) < 0) {
        struct removal below = { removal->io, path };
        io_dir_list(removal->io, path, name_remove, &below);
        (void)rmdir(path);
    }
    return 0;
}

static int bench_run(const void *values)
{
    const struct bench_values *v = values;
    struct tool tool;
    char fresh[64];
    uint64_t number;
    if (!tool_init(&tool, "bench"))
        return EXIT_FAILED;
    struct bench b = { .tool = &tool, .v = v, .value = BUFFER_EMPTY };
    int status = EXIT_DONE;
    io_random_fill(tool.io, &number, sizeof(number));
    snprintf(fresh, sizeof(fresh), "/tmp/edda-bench-%016" PRIx64, number);
    if (v->size < 2 || v->size > STORE_RECORD_MAX / 2)
        status = tool_usage(&tool, "--size is from 2 to %u bytes", STORE_RECORD_MAX / 2);
    else if (v->for_ms <= 0)
        status = tool_usage(&tool, "--for is longer than nothing");
    else if (bench(&b, v->dir ? v->dir : fresh) < 0)
        status = tool_fail(&tool);
    else
        figures_print(&b);
    tool_close(&tool);
    if (!v->dir && status != EXIT_USAGE) {
        struct removal removal = { tool.io, fresh };
        io_dir_list(tool.io, fresh, name_remove, &removal);
        (void)rmdir(fresh);
    }
    buffer_deinit(&b.value);
    tool_deinit(&tool);
    return status;
}

#define AT(member) offsetof(struct bench_values, member)
const struct command_row tool_bench = {
    .name = "bench",
    .summary = "Measures appending and reading, with every append synced",
    .notes = "Without DIR a directory of its own in /tmp is measured and removed. With DIR the records stay, in the topic \"bench\".",
    .values_size = sizeof(struct bench_values),
    .run = bench_run,
    .arguments = (const struct argument_row[]){
        { "DIR", AT(dir), true, "The data directory, made when it is missing" },
        { .name = NULL } },
    .options = (const struct option_row[]){
        { "size", OPTION_SIZE, AT(size), "SIZE", "100", "Of an event's value" },
        { "for", OPTION_DURATION, AT(for_ms), "TIME", "2s", "How long each figure is measured" },
        { "json", OPTION_FLAG, AT(json), NULL, NULL, "Each figure is a JSON object on a line" },
        { .name = NULL } },
};
