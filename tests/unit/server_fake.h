/*
 * An engine and a journal that do what a test tells them to, behind the headers of the real ones, so that the server is tested alone.
 */
#ifndef EDDA_TESTS_SERVER_FAKE_H
#define EDDA_TESTS_SERVER_FAKE_H

#include "engine/engine.h"
#include "server/server.h"

struct engine {
    const struct edda_app *app;
    struct journal *journal;
    struct list calls; /* that wait, when `defer` */
    size_t call_count;
    bool defer;              /* calls are answered by fake_answer() */
    int refuse;              /* so many calls find the log too far behind */
    int fail;                /* a code for the next calls; 0: they succeed */
    int64_t expected;        /* of the last call */
    char source[64], id[64]; /* of the last call */
    int64_t amount;          /* of the last command */
    uint64_t rows;           /* of the view */
    uint64_t deadlines;
    bool deadlines_known; /* their messages are of a declared type */
    bool cancelled, paused;
    char moved_id[64];
    int64_t moved_ms;
    bool stopped;
};

/* How often GET /big was handled, which gives 300,000 bytes. */
extern unsigned fake_big_count;
#define FAKE_BIG_BYTES 300000

struct fake_journal {
    struct journal journal;
    uint64_t tail, durable;
    bool hold;               /* flushes do nothing: what is sequenced stays undurable */
    unsigned flushes, syncs; /* calls; those that had something to do */
};

struct PlaceOrder {
    struct edda_text holderId;
    int64_t amount;
};
struct Order {
    int64_t id;
    struct edda_text holderId;
    double amount;
};
extern const struct edda_app fake_app;

void fake_init(struct fake_journal *journal, struct engine *engine);
/* Answers the call that has waited longest; false when none waits. */
bool fake_answer(struct engine *engine);

#endif
