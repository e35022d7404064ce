/*
 * edda/test.h: given events, when a message, then events: a service's decisions as tests, in memory, on a virtual clock.
 *
 *     struct edda_test *t = edda_test_new(&exchange_service);
 *     edda_when(t, OrderCreated, .id = 1, .currencyId = 1, .amount = 500, .holderId = EDDA_TEXT("jjy"));
 *     edda_then(t, ExchangeSucceed, .orderId = 1, .userId = EDDA_TEXT("jjy"), .point = 500);
 *     edda_then_nothing(t);
 *     return edda_test_end(t);
 *
 * A projection is tested alike; its rows are asked about:
 *
 *     struct edda_test *t = edda_test_projection(&allocations);
 *     edda_given(t, Allocated, .orderid = EDDA_TEXT("o1"), .sku = EDDA_TEXT("LAMP"), .batchref = EDDA_TEXT("b1"));
 *     edda_then_row(t, allocations_view, Allocation, .orderid = EDDA_TEXT("o1"), .sku = EDDA_TEXT("LAMP"), .batchref = EDDA_TEXT("b1"));
 *     return edda_test_end(t);
 *
 * An expectation that is not met is printed to standard error with its line in the test and with what happened instead, and edda_test_end()
 * returns how many there were. What one of them has told, those after it do not tell again. A step goes as it does in an application: an expired message is skipped, what a step emits is folded after it, a step that fails
 * gives nothing. A step is run once, though: there are no retries here but for edda_test_attempt().
 */
#ifndef EDDA_TEST_H
#define EDDA_TEST_H

#include "edda/projection.h"
#include "edda/remote.h"

#ifdef __cplusplus
extern "C" {
#endif

struct edda_test;

/* NULL when out of memory or the service's tables are wrong (said on standard error); all of the below do nothing with NULL, and edda_test_end()
 * counts it. The clock stands at 2026-01-01T00:00:00Z. */
EDDA_PUBLIC struct edda_test *edda_test_new(const struct edda_service *service);
/* The same for a projection, over a database in memory. Events are given and `when` they are applied: edda_given(), edda_when(), edda_then_failed(), and rows below. */
EDDA_PUBLIC struct edda_test *edda_test_projection(const struct edda_projection *projection);
/* Where in its own text the test has got to, for what is printed. All that follows is also a macro that says so itself; a program in another language says it
 * before each call. Returns `test`. */
EDDA_PUBLIC struct edda_test *edda_test_at(struct edda_test *test, const char *file, int line);

/* An event that has happened to the entity that its key names. Here and in edda_when() it may be one of an older version, of a type in the
 * `.older` table of one that the service or the projection has a row for: it is lifted, as one from the log would be. */
EDDA_PUBLIC void edda_given_struct(struct edda_test *test, const struct edda_type *event, const void *value);
/* What the outside answers to effects that follow, one answer each, in order; to those for which none is given it answers that it worked. `code`: 0,
 * EDDA_EUNAVAILABLE or EDDA_EREFUSED; `status` and `body` are those of the HTTP answer, or exit status and output of the program. */
EDDA_PUBLIC void edda_given_answer(struct edda_test *test, int code, int status, const char *body);
/* The message that is handled now, one step. An event of the entity's category is folded before it is handled, as it is in a log. Forgets what the
 * step before gave and was not asked about; but a step that was rejected or failed must be asked about. */
EDDA_PUBLIC void edda_when_struct(struct edda_test *test, const struct edda_type *message, const void *value);

/* The next thing the step gave is this message. Events, commands, deadlines and compensations are in one order, the handler's. */
EDDA_PUBLIC void edda_then_struct(struct edda_test *test, const struct edda_type *message, const void *value);
/* The same for a type that is not at hand: by its name, and its fields as JSON. */
EDDA_PUBLIC void edda_then_json(struct edda_test *test, const char *name, const char *json);
/* The message asked about last expires so long from now; 0: never. */
EDDA_PUBLIC void edda_then_expires(struct edda_test *test, int64_t after_ms);
/* The next thing the step gave is a deadline of this name, due `after_ms` from now, with this message. */
EDDA_PUBLIC void edda_then_deadline_struct(struct edda_test *test, const char *name, int64_t after_ms, const struct edda_type *message,
                                           const void *value);
/* … is a schedule of this name, with this message, that repeats so: by edda_schedule_set(). */
EDDA_PUBLIC void edda_then_schedule_struct(struct edda_test *test, const char *name, const char *repeats, const struct edda_type *message,
                                           const void *value);
/* … is the end of a deadline, whether or not one of this name was pending. */
EDDA_PUBLIC void edda_then_deadline_cancelled(struct edda_test *test, const char *name);
/* … is the declaration of a command that undoes it. */
EDDA_PUBLIC void edda_then_compensation_struct(struct edda_test *test, const struct edda_type *command, const void *value);
/* The next thing the step did outside, in order, apart from what it emitted: `target` is "mail ADDRESSES", "METHOD URL", "program NAME" or "remote SERVICE"; a mail's subject
 * and text, a body, or a program's further arguments and input contain `part` (NULL: anything). Effects are done also by a step that fails afterwards. */
EDDA_PUBLIC void edda_then_effect(struct edda_test *test, const char *target, const char *part);
/* The step replied with this; the process ended well, or badly for a reason that contains `part`. In no order with the above. */
EDDA_PUBLIC void edda_then_reply_struct(struct edda_test *test, const struct edda_type *reply, const void *value);
EDDA_PUBLIC void edda_then_finished(struct edda_test *test);
EDDA_PUBLIC void edda_then_aborted(struct edda_test *test, const char *part);
/* The step gave nothing, or nothing but what was asked about. A reply counts, and so does an end of the process: ask about them before. */
EDDA_PUBLIC void edda_then_nothing(struct edda_test *test);
/* The step was skipped / rejected / failed for a reason that contains `part`; where a field is to blame the reason is "field: sentence". */
EDDA_PUBLIC void edda_then_skipped(struct edda_test *test, const char *part);
EDDA_PUBLIC void edda_then_rejected(struct edda_test *test, const char *part);
EDDA_PUBLIC void edda_then_failed(struct edda_test *test, const char *part);

/* The table has a row with the key of this one, and it is like it. */
EDDA_PUBLIC void edda_then_row_struct(struct edda_test *test, const struct edda_table *table, const void *row);
/* The table has no row with this key. */
EDDA_PUBLIC void edda_then_no_row_struct(struct edda_test *test, const struct edda_table *table, const void *row);

/* The state of the entity that was given or acted on last is this, after all of it; in no order with the above. */
EDDA_PUBLIC void edda_then_state_struct(struct edda_test *test, const struct edda_type *type, const void *value);
/* That state: all zero when nothing happened to it, NULL without entity.
 * Good until the next call. */
EDDA_PUBLIC const void *edda_test_state(struct edda_test *test);
/* Moves the virtual clock; edda_sleep() in handlers moves it too. */
EDDA_PUBLIC void edda_test_advance(struct edda_test *test, int64_t duration_ms);
/* The next message handled expires this long from now; 0: never. */
EDDA_PUBLIC void edda_test_expiry(struct edda_test *test, int64_t after_ms);
/* The next message handled comes from the log, and has failed so often before: edda_message()->attempt. */
EDDA_PUBLIC void edda_test_attempt(struct edda_test *test, uint32_t attempt);
/* Frees it; returns the number of expectations that were not met. */
EDDA_PUBLIC int edda_test_end(struct edda_test *test);

/* What has no message to write: the function of the same name, which is told file and line. */
#define edda_then_json(test, name, json) (edda_then_json)(edda_test_at(test, __FILE__, __LINE__), name, json)
#define edda_then_expires(test, after_ms) (edda_then_expires)(edda_test_at(test, __FILE__, __LINE__), after_ms)
#define edda_then_deadline_cancelled(test, name) (edda_then_deadline_cancelled)(edda_test_at(test, __FILE__, __LINE__), name)
#define edda_then_effect(test, target, part) (edda_then_effect)(edda_test_at(test, __FILE__, __LINE__), target, part)
#define edda_then_finished(test) (edda_then_finished)(edda_test_at(test, __FILE__, __LINE__))
#define edda_then_aborted(test, part) (edda_then_aborted)(edda_test_at(test, __FILE__, __LINE__), part)
#define edda_then_nothing(test) (edda_then_nothing)(edda_test_at(test, __FILE__, __LINE__))
#define edda_then_skipped(test, part) (edda_then_skipped)(edda_test_at(test, __FILE__, __LINE__), part)
#define edda_then_rejected(test, part) (edda_then_rejected)(edda_test_at(test, __FILE__, __LINE__), part)
#define edda_then_failed(test, part) (edda_then_failed)(edda_test_at(test, __FILE__, __LINE__), part)

#if !defined(__cplusplus) && defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L
#define edda_given(test, type_name, ...) \
    edda_given_struct(edda_test_at(test, __FILE__, __LINE__), &type_name, &(const struct type_name){ __VA_ARGS__ })
#define edda_when(test, type_name, ...) \
    edda_when_struct(edda_test_at(test, __FILE__, __LINE__), &type_name, &(const struct type_name){ __VA_ARGS__ })
#define edda_then(test, type_name, ...) \
    edda_then_struct(edda_test_at(test, __FILE__, __LINE__), &type_name, &(const struct type_name){ __VA_ARGS__ })
#define edda_then_deadline(test, name, after_ms, type_name, ...) \
    edda_then_deadline_struct(edda_test_at(test, __FILE__, __LINE__), name, after_ms, &type_name, \
                              &(const struct type_name){ __VA_ARGS__ })
#define edda_then_schedule(test, name, repeats, type_name, ...) \
    edda_then_schedule_struct(edda_test_at(test, __FILE__, __LINE__), name, repeats, &type_name, &(const struct type_name){ __VA_ARGS__ })
#define edda_then_compensation(test, type_name, ...) \
    edda_then_compensation_struct(edda_test_at(test, __FILE__, __LINE__), &type_name, &(const struct type_name){ __VA_ARGS__ })
#define edda_then_row(test, table, row_name, ...) \
    edda_then_row_struct(edda_test_at(test, __FILE__, __LINE__), &table, &(const struct row_name){ __VA_ARGS__ })
#define edda_then_no_row(test, table, row_name, ...) \
    edda_then_no_row_struct(edda_test_at(test, __FILE__, __LINE__), &table, &(const struct row_name){ __VA_ARGS__ })
#define edda_then_reply(test, type_name, ...) \
    edda_then_reply_struct(edda_test_at(test, __FILE__, __LINE__), &type_name, &(const struct type_name){ __VA_ARGS__ })
#define edda_then_state(test, type_name, ...) \
    edda_then_state_struct(edda_test_at(test, __FILE__, __LINE__), &type_name, &(const struct type_name){ __VA_ARGS__ })
#endif

#ifdef __cplusplus
}
#endif
#endif
