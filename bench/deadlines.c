/*
 * bench deadlines: what pending deadlines cost in memory, and how late they are when many are due.
 *
 * A million reminders far in the future, resident memory of the whole process before and after, and once more after a restart; baseline: the bytes that
 * an array of due times and keys would take. Then 10,000 spread over one second: how late each reached its handler, by the log's clock, and how
 * late what the handler recorded was durable; baseline: one bare write and fdatasync.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "journal/local.h"
#include "world.h"

#define PENDING 1000000
#define DUE 10000
#define SPREAD_MS 1000
#define LEAD_MS 2000
#define FAR_MS INT64_C(86400000)
#define BURST 1000

struct Remind { int64_t id; int64_t due; };
static const struct edda_field Remind_fields[] = { EDDA_FIELD(Remind, id), EDDA_FIELD_TIME(Remind, due) };
static const struct edda_type Remind = EDDA_COMMAND(Remind, id, .topic = "reminder.commands");

struct Reminded { int64_t id; int64_t due; };
static const struct edda_field Reminded_fields[] = { EDDA_FIELD(Reminded, id), EDDA_FIELD_TIME(Reminded, due) };
static const struct edda_type Reminded = EDDA_EVENT(Reminded, id, .topic = "reminders");

static struct log *measured_log;
static int64_t *handled_us, *due_us;
static size_t handled;

EDDA_SAGA(remind, Remind);
static int remind(struct edda_step *step, const struct Remind *c)
{
    return edda_deadline_set(step, "due", c->due, Reminded, .id = c->id, .due = c->due);
}

EDDA_SAGA(reminded, Reminded);
static int reminded(struct edda_step *step, const struct Reminded *e)
{
    if (handled_us && handled < DUE) {
        due_us[handled] = e->due * 1000;
        handled_us[handled++] = log_time_us(measured_log) - e->due * 1000;
    }
    return edda_skip(step, "noticed");
}

static const struct edda_service reminder = {
    .name = "reminder",
    .on = (const struct edda_row[]){ EDDA_ON(Remind, remind, id), EDDA_ON(Reminded, reminded, id), EDDA_END },
};
static const struct edda_service *const services[] = { &reminder, NULL };
static const struct edda_app app = { .name = "reminders", .services = services };

/* A line of /proc/self/status, in MB. */
static double status_mb(const char *name)
{
    char line[256];
    double kib = 0;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, name, strlen(name)) == 0)
            kib = strtod(line + strlen(name), NULL);
    if (file)
        (void)fclose(file);
    return kib * 1024 / 1e6;
}

static void set(struct world *w, int64_t id, int64_t due_ms)
{
    struct Remind command = { .id = id, .due = due_ms };
    world_call(w, &Remind, &command);
}

static void set_pending(const struct bench *b, struct world *w, size_t count)
{
    int64_t start = bench_now_ns(), due_ms = journal_time_ms(w->journal) + FAR_MS;
    for (size_t i = 0; i < count; i++) {
        set(w, (int64_t)i, due_ms + (int64_t)(i * 7919 % count));
        if (i % BURST == BURST - 1)
            world_settle(w);
    }
    world_settle(w);
    bench_figure(b, "deadlines set, durable, in bursts of 1000", (double)count / ((double)(bench_now_ns() - start) / 1e9), "deadlines/s", NULL);
}

static void show_memory(const struct bench *b, const struct world *w, const char *when, double before_mb)
{
    char what[100];
    struct store_stats stats;
    double count = (double)engine_deadline_count(w->engine, NULL);
    (void)snprintf(what, sizeof what, "%s: resident, %.0f deadlines", when, count);
    bench_figure(b, what, status_mb("VmRSS:"), "MB", b->scale >= 1 ? "<= 150" : NULL);
    (void)snprintf(what, sizeof what, "%s: of it the process's own, not files", when);
    bench_figure(b, what, status_mb("RssAnon:"), "MB", NULL);
    store_stats(journal_local_store(w->journal), &stats);
    (void)snprintf(what, sizeof what, "%s: of it the index's tails", when);
    bench_figure(b, what, (double)stats.index.tail_bytes / 1e6, "MB", NULL);
    (void)snprintf(what, sizeof what, "%s: each, beside the empty engine", when);
    bench_figure(b, what, (status_mb("RssAnon:") - before_mb) * 1e6 / count, "bytes", NULL);
}

static void fire(const struct bench *b, struct world *w)
{
    int64_t *durable_us = calloc(DUE, sizeof *durable_us);
    size_t durable = 0;
    due_us = calloc(DUE, sizeof *due_us);
    handled_us = calloc(DUE, sizeof *handled_us);
    if (!durable_us || !due_us || !handled_us)
        exit(1);
    double sync_us = bench_sync_us(b, 500);
    int64_t first_ms = journal_time_ms(w->journal) + LEAD_MS;
    for (int64_t i = 0; i < DUE; i++) {
        set(w, PENDING + i, first_ms + i * SPREAD_MS / DUE);
        if (i % BURST == BURST - 1)
            world_settle(w);
    }
    while (durable < DUE) {
        if (!world_turn(w, 1000000)) {
            int64_t next_ms = engine_turn(w->engine, &(struct edda_error){ 0 }) - journal_time_ms(w->journal);
            (void)io_jobs_wait(w->io, (next_ms < 1 ? 1 : next_ms > 10 ? 10 : next_ms) * 1000000);
        }
        if (journal_durable(w->journal) == journal_tail(w->journal))
            for (int64_t now_us = log_time_us(measured_log); durable < handled; durable++)
                durable_us[durable] = now_us - due_us[durable];
    }
    bench_figure(b, "baseline: bare 4 KiB write and fdatasync, p50", sync_us, "us", NULL);
    bench_figure(b, "10,000 due within a second: handled late, p50", (double)bench_percentile(handled_us, DUE, 0.5) / 1000, "ms", NULL);
    bench_figure(b, "10,000 due within a second: handled late, p99", (double)bench_percentile(handled_us, DUE, 0.99) / 1000, "ms", "<= 20");
    bench_figure(b, "10,000 due within a second: handled late, most", (double)bench_percentile(handled_us, DUE, 1) / 1000, "ms", NULL);
    bench_figure(b, "10,000 due within a second: durable late, p99", (double)bench_percentile(durable_us, DUE, 0.99) / 1000, "ms", NULL);
    free(durable_us);
    free(handled_us);
    free(due_us);
    handled_us = NULL;
}

int main(int argc, char **argv)
{
    struct bench b;
    struct world w;
    bench_begin(&b, "deadlines", argc, argv);
    size_t pending = (size_t)(PENDING * b.scale) + 1;
    world_open_journal(&w, &b, "data");
    world_open_engine(&w, &app);
    double before_mb = status_mb("RssAnon:");
    bench_figure(&b, "an engine with nothing to do, resident", status_mb("VmRSS:"), "MB", NULL);
    bench_figure(&b, "baseline: an array of due times and ids", (double)pending * 16 / 1e6, "MB", NULL);
    set_pending(&b, &w, pending);
    show_memory(&b, &w, "just set", before_mb);
    measured_log = store_log(journal_local_store(w.journal));
    fire(&b, &w);
    if (w.refused)
        bench_figure(&b, "calls refused", (double)w.refused, "calls", "0");
    world_close(&w, false);

    int64_t start = bench_now_ns();
    world_open_journal(&w, &b, "data");
    world_open_engine(&w, &app);
    bench_figure(&b, "opened again", (double)(bench_now_ns() - start) / 1e6, "ms", NULL);
    show_memory(&b, &w, "opened again", before_mb);
    measured_log = store_log(journal_local_store(w.journal));
    handled = 0;
    fire(&b, &w);
    world_close(&w, false);
    bench_end(&b);
    return 0;
}
