/* See world.h. */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>

#include "io/posix.h"
#include "journal/local.h"

#define HANDLER_THREADS 64

void world_die(const char *what, const struct edda_error *error)
{
    (void)fprintf(stderr, "%s: %s\n", what, error->message);
    exit(1);
}

void world_open_journal(struct world *w, const struct bench *b, const char *name)
{
    struct edda_error error = { 0 };
    char path[300];
    *w = (struct world){ .io = io_posix_new(HANDLER_THREADS) };
    (void)snprintf(path, sizeof path, "%s/%s", b->dir, name);
    arena_init(&w->arena, 0, 0);
    struct store_options options = { .index = { 0 } };
    if (!w->io || journal_local_open(w->io, path, &options, &w->journal, NULL, &error) < 0)
        world_die("the journal cannot be opened", &error);
}

void world_open_engine(struct world *w, const struct edda_app *app)
{
    struct edda_error error = { 0 };
    struct engine_options options = { .app = app, .io = w->io, .journal = w->journal };
    if (engine_open(&options, &w->engine, &error) < 0)
        world_die("the engine cannot be opened", &error);
}

void world_close(struct world *w, bool abandon)
{
    if (w->engine)
        engine_close(w->engine, abandon);
    journal_close(w->journal, false);
    io_posix_free(w->io);
    arena_deinit(&w->arena);
}

static void answered(struct engine_call *call)
{
    struct world *w = call->user;
    w->refused += call->code < 0;
}

/* The call is over when engine_call() returns, as long as its lane is free: so it is on the stack. */
void world_call(struct world *w, const struct edda_type *type, const void *value)
{
    struct engine_call call = {
        .type = type, .value = value, .expected = JOURNAL_ANY, .done = answered, .user = w, .arena = &w->arena,
    };
    engine_call(w->engine, &call);
    arena_reset(&w->arena);
}

bool world_turn(struct world *w, int64_t wait_ns)
{
    struct edda_error error = { 0 };
    int64_t next = engine_drive(w->engine, &error);
    if (next < 0 || journal_flush(w->journal, next != 0, &error) < 0)
        world_die("the engine failed", &error);
    if (engine_settled(w->engine) && !journal_flushing(w->journal))
        return false;
    /* With neither under way there is something to do at once: a flush adds a record of the engine's own. */
    if (engine_running(w->engine) || (next != 0 && journal_flushing(w->journal)))
        (void)io_jobs_wait(w->io, wait_ns);
    return true;
}

void world_settle(struct world *w)
{
    while (world_turn(w, 1000000))
        ;
}
