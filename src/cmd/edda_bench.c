/*
 * bench: what this machine does with a store, through the door that programs use (edda/store.h). Every append is durable before it
 * counts: alone, where each waits for its own sync, and many at a time, where one sync serves all that wait.
 */
#include <inttypes.h>
#include <stdatomic.h>

#include "cmd/edda_tool.h"
#include "cmd/tree.h"
#include "edda/store.h"

#define STREAMS 1000
#define FIGURES_MAX 16
#define READ_ALL_MAX UINT64_C(1000000)
#define SIZE_MAX_BYTES (UINT32_C(512) << 10)

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
    struct edda_store *store;
    struct buffer value;
    struct figure figures[FIGURES_MAX];
    size_t figure_count;
    uint64_t sum;              /* of what was read, so that reading is not left out */
    uint64_t next;             /* the next stream */
    char key[24];
    atomic_uint_fast64_t durable;
    atomic_int failed;         /* the code of the first append that failed */
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

static struct edda_append_message message_next(struct bench *b)
{
    int len = snprintf(b->key, sizeof(b->key), "%" PRIu64, b->next++ % STREAMS);
    return (struct edda_append_message){
        .category = EDDA_TEXT("bench"),
        .key = { b->key, (size_t)len },
        .type = EDDA_TEXT("Measured"),
        .source = EDDA_TEXT("edda/bench"),
        .body = { (const char *)b->value.data, b->value.len },
    };
}

/* Each event alone: recorded, synced, then the next. */
static int append_alone(struct bench *b)
{
    int64_t from = now_ns(b), until = from + b->v->for_ms * 1000000;
    uint64_t count = 0;
    int r = 0;
    for (; r == 0 && now_ns(b) < until; count++) {
        struct edda_append_message message = message_next(b);
        r = edda_append(b->store, &(struct edda_append_request){ .messages = &message, .count = 1 }, NULL, &b->tool->error);
    }
    figure_add(b, "append, one at a time", count, from);
    return r;
}

static void appended(void *user, int code, const struct edda_appended *result, const struct edda_error *error)
{
    struct bench *b = user;
    int none = 0;
    (void)result;
    (void)error;
    if (code < 0)
        atomic_compare_exchange_strong(&b->failed, &none, code);
    atomic_fetch_add(&b->durable, 1);
}

/* As many at a time as the store takes. */
static int append_many(struct bench *b)
{
    int64_t from = now_ns(b), until = from + b->v->for_ms * 1000000;
    uint64_t sent = 0;
    int r = 0;
    while (r == 0 && (sent % 16 || now_ns(b) < until)) {
        struct edda_append_message message = message_next(b);
        const struct edda_append_request request = { .messages = &message, .count = 1 };
        r = edda_append_async(b->store, &request, appended, b, &b->tool->error);
        if (r == 0)
            sent++;
        /* Too much is under way: an append that waits makes room. */
        if (r == EDDA_EBUSY) {
            r = edda_append(b->store, &request, NULL, &b->tool->error);
            atomic_fetch_add(&b->durable, 1);
            sent++;
        }
    }
    while (atomic_load(&b->durable) < sent)
        tool_wait(b->tool, 1);
    figure_add(b, "append, many at a time", sent, from);
    if (r == 0 && atomic_load(&b->failed))
        r = edda_fail_with(&b->tool->error, atomic_load(&b->failed), "an append failed: %s", edda_code_info(atomic_load(&b->failed))->sentence);
    return r;
}

static int visit(void *user, const struct edda_record *record)
{
    struct bench *b = user;
    b->sum += record->body.len;
    return 0;
}

static int read_streams(struct bench *b)
{
    const struct edda_read_options last = { .from = EDDA_FROM_END, .backward = true, .max = 10 };
    int64_t from = now_ns(b), until = from + b->v->for_ms * 1000000;
    uint64_t count = 0;
    int64_t r = 0;
    while (r >= 0 && now_ns(b) < until) {
        struct edda_append_message message = message_next(b);
        r = edda_read_stream(b->store, message.category, message.key, &last, visit, b, &b->tool->error);
        count += r > 0 ? (uint64_t)r : 0;
    }
    figure_add(b, "read, the last 10 of a stream", count, from);
    return r < 0 ? (int)r : 0;
}

static int read_all(struct bench *b)
{
    const struct edda_read_options all = { .max = READ_ALL_MAX };
    int64_t from = now_ns(b);
    int64_t r = edda_read_all(b->store, &all, visit, b, &b->tool->error);
    figure_add(b, "read, all in order", r > 0 ? (uint64_t)r : 0, from);
    return r < 0 ? (int)r : 0;
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
            buffer_printf(&out, "%-30s %10.0f/s  %8.1f MB/s  %8.2f us each\n", f->name, rate, rate * (double)f->value_bytes / 1e6,
                          f->count ? seconds * 1e6 / (double)f->count : 0.0);
    }
    print_buffer(&out);
    buffer_deinit(&out);
}

static int bench(struct bench *b, const char *dir)
{
    static int (*const parts[])(struct bench *) = { append_alone, append_many, read_streams, read_all };
    int r = edda_store_open(dir, NULL, &b->store, &b->tool->error);
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
    if (v->size < 2 || v->size > SIZE_MAX_BYTES)
        status = tool_usage(&tool, "--size is from 2 to %u bytes", SIZE_MAX_BYTES);
    else if (bench(&b, v->dir ? v->dir : fresh) < 0)
        status = tool_fail(&tool);
    else
        figures_print(&b);
    edda_store_close(b.store);
    if (!v->dir && status != EXIT_USAGE)
        tree_remove(tool.io, fresh);
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
