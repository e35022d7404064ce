/*
 * bench snapshot: what it takes to have the state of an entity with a long stream back in memory. An account gets 100,000 bookings; then its state is
 * read again and again after it was dropped: from its last snapshot on, and, by a table that takes no snapshots, from its beginning.
 */
#include <stdio.h>
#include <stdlib.h>

#include "world.h"

#define EVENTS 100000
#define BURST 1000
#define WITH_ROUNDS 200
#define WITHOUT_ROUNDS 5
#define MARKS_MAX 20

struct Book { int64_t account; int64_t amount; };
static const struct edda_field Book_fields[] = { EDDA_FIELD(Book, account), EDDA_FIELD(Book, amount) };
static const struct edda_type Book = EDDA_COMMAND(Book, account, .topic = "account.commands");

struct Booked { int64_t account; int64_t amount; struct edda_text note; };
static const struct edda_field Booked_fields[] = { EDDA_FIELD(Booked, account), EDDA_FIELD(Booked, amount), EDDA_FIELD(Booked, note) };
static const struct edda_type Booked = EDDA_EVENT(Booked, account, .topic = "accounts");

struct account { int64_t balance; int64_t bookings; struct edda_text note; struct edda_list last; };
static const struct edda_field account_fields[] = { EDDA_FIELD(account, balance), EDDA_FIELD(account, bookings), EDDA_FIELD(account, note),
                                                    EDDA_FIELD_LIST(account, last, EDDA_KIND_INT) };
static const struct edda_type account = EDDA_STATE(account);

EDDA_EVOLVE(booked, account, Booked);
static void booked(struct account *a, const struct Booked *e)
{
    a->balance += e->amount;
    a->bookings++;
    a->note = e->note;
    if (a->last.count == MARKS_MAX)
        edda_list_remove(&a->last, sizeof(int64_t), 0);
    int64_t *mark = edda_list_add(&a->last, sizeof *mark);
    if (mark)
        *mark = e->amount;
}

EDDA_HANDLER(book, Book, account);
static int book(struct edda_step *step, const struct Book *c, const struct account *a)
{
    (void)a;
    return edda_emit(step, Booked, .account = c->account, .amount = c->amount, .note = EDDA_TEXT("booked at the counter"));
}

static const struct edda_row rows[] = { EDDA_WHEN(Booked, booked), EDDA_END };
static const struct edda_row on[] = { EDDA_ON(Book, book, account), EDDA_END };
static const struct edda_service with = { .name = "accounts", .entity = EDDA_ENTITY(account, "accounts"), .evolve = rows, .on = on };
static const struct edda_service without = {
    .name = "accounts", .entity = EDDA_ENTITY(account, "accounts", .snapshot_every = UINT32_MAX), .evolve = rows, .on = on,
};
static const struct edda_app app_with = { .name = "bank", .services = (const struct edda_service *const[]){ &with, NULL } };
static const struct edda_app app_without = { .name = "bank", .services = (const struct edda_service *const[]){ &without, NULL } };

static void book_many(struct world *w, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        world_call(w, &Book, &(struct Book){ .account = 7, .amount = (int64_t)i % 100 });
        if (i % BURST == BURST - 1)
            world_settle(w);
    }
    world_settle(w);
}

/* Microseconds at the median to read the state of an engine that has just dropped it. */
static double load_us(struct world *w, const struct edda_app *app, size_t rounds, int64_t expected)
{
    struct edda_error error = { 0 };
    struct engine_options options = { .app = app, .io = w->io, .journal = w->journal, .state_bytes_max = 1 };
    int64_t *samples = calloc(rounds, sizeof *samples);
    if (!samples || engine_open(&options, &w->engine, &error) < 0)
        world_die("the engine cannot be opened", &error);
    for (size_t i = 0; i < rounds; i++) {
        (void)engine_turn(w->engine, &error); /* drops every state */
        int64_t start = bench_now_ns();
        const struct account *a = engine_state(w->engine, app->services[0], SLICE("7"));
        samples[i] = bench_now_ns() - start;
        if (!a || a->bookings != expected)
            world_die("the state is wrong", &error);
    }
    engine_close(w->engine, true);
    w->engine = NULL;
    double us = (double)bench_percentile(samples, rounds, 0.5) / 1000;
    free(samples);
    return us;
}

int main(int argc, char **argv)
{
    struct bench b;
    struct world w;
    bench_begin(&b, "snapshot", argc, argv);
    size_t events = (size_t)(EVENTS * b.scale) / BURST * BURST + BURST;
    world_open_journal(&w, &b, "data");
    world_open_engine(&w, &app_with);
    book_many(&w, events);
    engine_close(w.engine, true);
    double at_us = load_us(&w, &app_with, WITH_ROUNDS, (int64_t)events);
    world_open_engine(&w, &app_with);
    book_many(&w, 900);
    engine_close(w.engine, true);
    w.engine = NULL;
    double behind_us = load_us(&w, &app_with, WITH_ROUNDS, (int64_t)events + 900);
    double whole_us = load_us(&w, &app_without, WITHOUT_ROUNDS, (int64_t)events + 900);
    bench_figure(&b, "events of the stream", (double)events, "events", NULL);
    bench_figure(&b, "baseline: its state read from the beginning, p50", whole_us, "us", NULL);
    bench_figure(&b, "read from a snapshot of its last events, p50", at_us, "us", "<= 1000");
    bench_figure(&b, "read from a snapshot and 900 events after it, p50", behind_us, "us", "<= 1000");
    bench_figure(&b, "from the beginning to from the snapshot and 900 events", whole_us / behind_us, "ratio", NULL);
    world_close(&w, true);
    bench_end(&b);
    return 0;
}
