/*
 * world: an application's engine over a journal on the disk of this machine, driven by the program itself: no network, no other process.
 */
#ifndef BENCH_WORLD_H
#define BENCH_WORLD_H

#include "base/arena.h"
#include "engine/engine.h"
#include "journal/journal.h"

#include "bench.h"

struct world {
    struct io *io;
    struct journal *journal;
    struct engine *engine;
    struct arena arena;
    int64_t next_order;
    uint64_t refused;   /* calls */
};

/* Ends the program, with what went wrong in words. */
void world_die(const char *what, const struct edda_error *error);

/* Opens an application's data in `name` below the bench's directory; the two halves apart, to be timed. */
void world_open_journal(struct world *w, const struct bench *b, const char *name);
void world_open_engine(struct world *w, const struct edda_app *app);
/* `abandon`: the engine notes no checkpoint. */
void world_close(struct world *w, bool abandon);

void world_call(struct world *w, const struct edda_type *type, const void *value);
/* orders.c, of the choreography: an account with points for many orders, and an order that will be approved. */
void world_deposit(struct world *w);
void world_order(struct world *w);

/* One turn of the loop that a server has: the engine, a flush, and a wait when there is nothing to do, at most `wait_ns`. False when all is handled and durable. */
bool world_turn(struct world *w, int64_t wait_ns);
/* Turns until everything is handled and durable. */
void world_settle(struct world *w);

#endif
