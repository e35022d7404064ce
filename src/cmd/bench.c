/*
 * bench: measures the application on this machine: processes of its load (edda/simulate.h), on a real log in a directory of its own, every answer
 * durable. One at a time, beside the time of a bare write and sync on the same disk; then many at once.
 */
#include "cmd/cmd.h"
#include "cmd/tree.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/database.h"
#include "engine/engine.h"
#include "engine/simulator.h"
#include "engine/value.h"
#include "io/posix.h"
#include "journal/local.h"

#define ROUNDS 10
#define BURST 1000
#define BARE_BYTES 4096
#define DIR_BYTES 1024

struct bench {
    const char *data;
    uint64_t processes;
    uint64_t singles;
    bool json;
    int64_t durations_ms[APP_OPTIONS_MAX];
};

static const struct option_row bench_options[] = {
    { "data", OPTION_TEXT, offsetof(struct bench, data), "DIR", "/tmp", "Where to make the directory that is measured on, and removed" },
    { "processes", OPTION_NUMBER, offsetof(struct bench, processes), "N", "100000", "How many processes at once, in bursts of 1000" },
    { "singles", OPTION_NUMBER, offsetof(struct bench, singles), "N", "1000", "How many processes one at a time" },
    { "json", OPTION_FLAG, offsetof(struct bench, json), NULL, NULL, "Print the figures as one JSON object" },
    { .name = NULL },
};

static const struct command_row bench_command = {
    .name = "bench",
    .summary = "Measures the application's processes on this machine, every answer durable",
    .options = bench_options,
    .values_size = sizeof(struct bench),
};

/* A call that waits until all that came before it has been handled. */
struct later {
    struct list link;
    int64_t at_ms;
    const struct edda_type *command;
    const void *value;
};

struct world {
    struct io *io;
    struct journal *journal;
    struct engine *engine;
    struct database *database;  /* of read models */
    struct simulator *load;
    struct arena arena;
    struct list later; /* of struct later */
    struct edda_error error;
    uint64_t next;
    uint64_t refused;
};

static void answered(struct engine_call *call)
{
    struct world *w = call->user;
    w->refused += call->code < 0;
}

static void call(struct world *w, const struct edda_type *command, const void *value)
{
    struct engine_call *c = arena_alloc(&w->arena, sizeof *c);
    if (!c)
        return;
    *c = (struct engine_call){
        .type = command, .value = value, .expected = JOURNAL_ANY, .done = answered, .user = w, .arena = &w->arena,
    };
    engine_call(w->engine, c);
}

static void plan_call(void *user, int64_t at_ms, const struct edda_type *command, const void *value)
{
    struct world *w = user;
    if (at_ms <= 0) {
        call(w, command, value);
        return;
    }
    struct later *later = arena_alloc(&w->arena, sizeof *later);
    const void *copy = value_copy(command, value, &w->arena);
    if (!later || !copy) {
        w->refused++;
        return;
    }
    *later = (struct later){ .at_ms = at_ms, .command = command, .value = copy };
    list_push_back(&w->later, &later->link);
}

/* Makes the earliest of the calls that wait; false when there are none. */
static bool call_later(struct world *w)
{
    int64_t at_ms = INT64_MAX;
    for (struct list *link = w->later.next; link != &w->later; link = link->next) {
        const struct later *later = container_of(link, struct later, link);
        at_ms = later->at_ms < at_ms ? later->at_ms : at_ms;
    }
    bool any = !list_empty(&w->later);
    for (struct list *link = w->later.next, *next; link != &w->later; link = next) {
        const struct later *later = container_of(link, struct later, link);
        next = link->next;
        if (later->at_ms != at_ms)
            continue;
        list_remove(link);
        call(w, later->command, later->value);
    }
    return any;
}

/* Begins the next process. */
static void begin(struct world *w)
{
    simulator_load(w->load, w->next++, plan_call, w);
}

/* Turns until everything is handled and durable. */
static int settle(struct world *w)
{
    for (;;) {
        int64_t next = engine_drive(w->engine, &w->error);
        int rc = next < 0 ? (int)next : journal_flush(w->journal, next != 0, &w->error);
        if (rc < 0)
            return rc;
        if (engine_settled(w->engine) && !journal_flushing(w->journal)) {
            if (!call_later(w))
                break;
            continue;
        }
        if (engine_running(w->engine) || (next != 0 && journal_flushing(w->journal)))
            (void)io_jobs_wait(w->io, 1000000);
    }
    arena_reset(&w->arena);
    return 0;
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static double share_us(int64_t *samples, size_t count, size_t percent)
{
    qsort(samples, count, sizeof *samples, compare);
    return (double)samples[(count - 1) * percent / 100] / 1000;
}

/* Bare writes and syncs into zeroed space; one round's worth. */
static int bare(struct world *w, const char *path, int64_t *samples, size_t count)
{
    static const uint8_t zeros[BARE_BYTES];
    struct slice part = slice_of(zeros, sizeof zeros);
    struct io_file *file;
    int rc = io_file_open(w->io, path, IO_WRITE | IO_CREATE, &file, &w->error);
    if (rc < 0)
        return rc;
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = io_file_write(w->io, file, &part, 1, i * BARE_BYTES);
    if (rc == 0)
        rc = io_file_sync(w->io, file);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        int64_t start_ns = io_clock_boot_ns(w->io);
        rc = io_file_write(w->io, file, &part, 1, i * BARE_BYTES);
        if (rc == 0)
            rc = io_file_sync(w->io, file);
        samples[i] = io_clock_boot_ns(w->io) - start_ns;
    }
    io_file_close(w->io, file);
    (void)io_file_remove(w->io, path);
    return rc < 0 ? edda_fail_with(&w->error, rc, "%s cannot be written and synced", path) : 0;
}

struct figures {
    double bare_us, p50_us, p99_us, per_second;
};

/* The two in turn, so that both see the same disk. */
static int one_at_a_time(struct world *w, const struct bench *values, const char dir[DIR_BYTES], struct figures *figures)
{
    size_t each = (size_t)values->singles / ROUNDS + 1, all = each * ROUNDS;
    int64_t *samples = calloc(all, sizeof *samples), *syncs = calloc(all, sizeof *syncs);
    char path[DIR_BYTES + 8];
    (void)snprintf(path, sizeof path, "%s/bare", dir);
    int rc = samples && syncs ? 0 : edda_fail_with(&w->error, EDDA_ENOMEM, "out of memory");
    for (size_t round = 0; rc == 0 && round < ROUNDS; round++) {
        rc = bare(w, path, syncs + round * each, each);
        for (size_t i = 0; rc == 0 && i < each; i++) {
            int64_t start_ns = io_clock_boot_ns(w->io);
            begin(w);
            rc = settle(w);
            samples[round * each + i] = io_clock_boot_ns(w->io) - start_ns;
        }
    }
    if (rc == 0) {
        figures->bare_us = share_us(syncs, all, 50);
        figures->p50_us = share_us(samples, all, 50);
        figures->p99_us = share_us(samples, all, 99);
    }
    free(samples);
    free(syncs);
    return rc;
}

static int at_once(struct world *w, const struct bench *values, struct figures *figures)
{
    uint64_t bursts = values->processes / BURST + 1;
    int64_t start_ns = io_clock_boot_ns(w->io);
    int rc = 0;
    for (uint64_t i = 0; rc == 0 && i < bursts; i++) {
        for (int k = 0; k < BURST; k++)
            begin(w);
        rc = settle(w);
    }
    figures->per_second = (double)(bursts * BURST) / ((double)(io_clock_boot_ns(w->io) - start_ns) / 1e9);
    return rc;
}

static void print_figures(const struct edda_app *app, const struct bench *values, const struct figures *f, uint64_t refused)
{
    if (values->json) {
        (void)printf("{\"application\":\"%s\",\"bareSyncP50Us\":%.1f,\"processP50Us\":%.1f,\"processP99Us\":%.1f,\"ratio\":%.2f,"
                     "\"processesPerSecond\":%.0f,\"refused\":%" PRIu64 "}\n",
                     app->name, f->bare_us, f->p50_us, f->p99_us, f->p50_us / f->bare_us, f->per_second, refused);
        return;
    }
    (void)printf("a bare 4 KiB write and sync                %10.1f us (p50)\n", f->bare_us);
    (void)printf("a process, one at a time, durable          %10.1f us (p50)  %.1f us (p99)  %.2f x the bare sync\n", f->p50_us, f->p99_us,
                 f->p50_us / f->bare_us);
    (void)printf("processes at once, in bursts of %d, durable %7.0f /s\n", BURST, f->per_second);
    if (refused)
        (void)printf("calls refused                              %10" PRIu64 "\n", refused);
}

/* One is enough: the directory is there. */
static int name_seen(void *user, const char *name)
{
    (void)user, (void)name;
    return 1;
}

static int world_open(struct world *w, const struct edda_app *app, const char *parent, char ret_dir[DIR_BYTES])
{
    char data[DIR_BYTES + 8];
    uint64_t number;
    ret_dir[0] = '\0';
    arena_init(&w->arena, 0, 0);
    list_init(&w->later);
    w->load = simulator_new(app);
    w->io = io_posix_new(64);
    if (!w->load || !w->io)
        return edda_fail_with(&w->error, EDDA_ENOMEM, "out of memory");
    if (io_dir_list(w->io, parent, name_seen, NULL) < 0)
        return edda_fail_with(&w->error, EDDA_ENOTFOUND, "there is no directory %s to measure in; --data DIR chooses another", parent);
    io_random_fill(w->io, &number, sizeof number);
    (void)snprintf(ret_dir, DIR_BYTES, "%s/edda-bench-%016" PRIx64, parent, number);
    (void)snprintf(data, sizeof data, "%s/data", ret_dir);
    struct store_options options = { .frame_bytes = 0 };
    int rc = journal_local_open(w->io, data, &options, &w->journal, NULL, &w->error);
    w->database = database_memory_new(NULL);
    struct engine_options engine_options = { .app = app, .io = w->io, .journal = w->journal, .database = w->database, .outside = outside_pretend };
    return rc < 0 ? rc : engine_open(&engine_options, &w->engine, &w->error);
}

static void world_close(struct world *w, const char *dir)
{
    while (w->engine && engine_running(w->engine) > 0) {
        (void)io_jobs_wait(w->io, -1);
        (void)io_jobs_finish(w->io);
    }
    if (w->engine)
        engine_close(w->engine, true);
    database_close(w->database);
    journal_close(w->journal, false);
    if (w->io) {
        tree_remove(w->io, dir);
        io_posix_free(w->io);
    }
    if (w->load)
        simulator_free(w->load);
    arena_deinit(&w->arena);
}

int cmd_bench(const struct edda_app *app, int argc, char **argv)
{
    struct bench values;
    struct world w = { 0 };
    struct figures figures = { 0 };
    char dir[DIR_BYTES];
    int status;
    if (!cmd_parse_with_app(app, &bench_command, offsetof(struct bench, durations_ms), argc, argv, &values, &status))
        return status;
    if (!app->simulation || !app->simulation->load)
        return cmd_misused(app, "bench", "the application declares no load to measure");
    int rc = world_open(&w, app, values.data, dir);
    if (rc == 0) {
        begin(&w);
        rc = settle(&w);
    }
    if (rc == 0)
        rc = one_at_a_time(&w, &values, dir, &figures);
    if (rc == 0)
        rc = at_once(&w, &values, &figures);
    uint64_t refused = w.refused;
    world_close(&w, dir);
    if (rc < 0)
        return cmd_fail(app, "bench", &w.error);
    print_figures(app, &values, &figures, refused);
    return EXIT_DONE;
}
