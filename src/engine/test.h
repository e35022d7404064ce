/* What the files of the test kit (edda/test.h) share: test.c runs steps, test_then.c compares what they gave with what was expected. */
#ifndef EDDA_ENGINE_TEST_H
#define EDDA_ENGINE_TEST_H

#include "edda/test.h"
#include "engine/internal.h"
#include "engine/rows.h"

#define TEST_TABLES_MAX 16

enum test_outcome { TEST_DONE, TEST_SKIPPED, TEST_REJECTED, TEST_FAILED };

/* The state of one entity. */
struct test_entity {
    struct list link;
    struct state *state;
    struct slice key;         /* behind the struct */
};

struct edda_test {
    const struct edda_service *def;
    /* A world with one service and no journal: of the engine only what a step looks at. */
    const struct edda_service *services[2];
    struct edda_app app;
    struct engine engine;
    struct service service;
    struct handler handler;
    /* Of a projection; else NULL. `services` then holds nothing that runs. */
    const struct edda_projection *projection;
    struct edda_service stand_in; /* named as the projection */
    struct database *database;
    struct session *session;
    struct edda_rows rows;
    struct rows_table tables[TEST_TABLES_MAX];
    uint32_t table_count;
    struct version version;
    struct pool pool;           /* of a row with effects */
    struct list entities;
    struct test_entity *entity; /* given or acted on last, or NULL */
    void *zero_state;
    int64_t clock_ms;
    int64_t expiry_ms;          /* of the next message; 0: never */
    uint32_t attempt;           /* of the next message */
    uint64_t messages;          /* given and handled so far */
    /* The step that was taken last. */
    struct edda_step *step;     /* NULL before the first */
    enum test_outcome outcome;
    char reason[512];           /* of an outcome other than DONE */
    uint32_t next;              /* emission to be asked about */
    bool asked_reply, asked_end, asked_outcome;
    bool unmet;                 /* what was asked about last is not what the step gave */
    bool muted;                 /* there is no step, and that was told: what is asked about it is not told again */
    /* test_outside.c */
    struct list effects;        /* of the last step, not asked about */
    struct list answers;        /* to those to come */
    struct test_answer *answer; /* the last that was given, or NULL */
    /* test_then.c */
    int mismatches;
    const char *file;
    int line;
    const char *when_file;      /* of the message that was handled last */
    int when_line;
    struct arena lift_arena;    /* of the message handled last, when it was of an older version */
    struct buffer when;         /* what the step handled, for what is printed */
    struct buffer text;         /* scratch */
};

/* Counts and prints something that is wrong with the test itself, or with the tables of its service. */
void test_wrong(struct edda_test *test, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The row of `newest`'s older versions that `type` is; NULL when it is none. */
const struct edda_older *test_older(const struct edda_type *newest, const struct edda_type *type);
/* Makes of *value, an older version, one of `newest`, in the arena. What is wrong with it is said; negative then. */
int test_lift(struct edda_test *test, const struct edda_type *newest, const struct edda_older *older, const void **value, struct arena *arena);
/* test_rows.c: applies an event to the rows of a projection; `given`: it must not fail. */
void test_apply(struct edda_test *test, const struct edda_type *event, const void *value, bool given);
void test_rows_end(struct edda_test *test);
/* Counts and prints that something else is so than was expected. */
void test_differs(struct edda_test *test, const char *expected, const struct edda_type *type, const void *want, const void *got);
/* Counts and prints a rejection or a failure of the last step that nobody asked about. */
void test_ask_outcome(struct edda_test *test);

/* Plays the outside for the steps of a test. */
edda_outside_fn test_outside;
/* The first effect that was not asked about, in words; NULL: none. */
const char *test_effect_unasked(const struct edda_test *test);
void test_effects_forget(struct edda_test *test);
void test_outside_free(struct edda_test *test);

/* test.c: an empty one, or NULL. */
struct edda_test *test_alloc(void);

#endif
