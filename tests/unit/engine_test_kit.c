/*
 * The test kit (edda/test.h) itself: that expectations which are met say nothing, and above all that those which are not are counted
 * and printed, each with what happened instead. The service is a till: it takes coins of users, with everything a handler can do.
 */
#include "support.h"

#include <fcntl.h>

#include "edda/test.h"

#define ANN EDDA_TEXT("ann")
#define TOPIC "tills"

struct Paid { struct edda_text user; int64_t coins; struct edda_text note; };
static const struct edda_field Paid_fields[] = { EDDA_FIELD(Paid, user), EDDA_FIELD(Paid, coins, .min = 1, .max = 100),
                                                 EDDA_FIELD(Paid, note, .optional = true) };
static const struct edda_type Paid = EDDA_EVENT(Paid, user, .topic = TOPIC, .correlation = "user", .expires = true);
struct Pay { struct edda_text user; int64_t coins; struct edda_text note; };
static const struct edda_field Pay_fields[] = { EDDA_FIELD(Pay, user), EDDA_FIELD(Pay, coins, .min = -100, .max = 1000),
                                                EDDA_FIELD(Pay, note, .optional = true) };
static const struct edda_type Pay = EDDA_COMMAND(Pay, user, .topic = "till.commands", .correlation = "user");
struct Refund { struct edda_text user; int64_t coins; };
static const struct edda_field Refund_fields[] = { EDDA_FIELD(Refund, user), EDDA_FIELD(Refund, coins) };
static const struct edda_type Refund = EDDA_COMMAND(Refund, user, .topic = "till.commands");
struct Closed { struct edda_text user; };
static const struct edda_field Closed_fields[] = { EDDA_FIELD(Closed, user) };
static const struct edda_type Closed = EDDA_EVENT(Closed, user, .topic = TOPIC);
struct Elsewhere { struct edda_text user; };
static const struct edda_field Elsewhere_fields[] = { EDDA_FIELD(Elsewhere, user) };
static const struct edda_type Elsewhere = EDDA_EVENT(Elsewhere, user, .topic = "elsewhere");
struct Sum { int64_t coins; };
static const struct edda_field Sum_fields[] = { EDDA_FIELD(Sum, coins) };
static const struct edda_type Sum = EDDA_VALUE(Sum);

struct till { int64_t coins; struct edda_text last; bool closed; };
static const struct edda_field till_fields[] = { EDDA_FIELD(till, coins), EDDA_FIELD(till, last), EDDA_FIELD(till, closed) };
static const struct edda_type till = EDDA_STATE(till);

EDDA_EVOLVE(paid, till, Paid);
static void paid(struct till *t, const struct Paid *e)
{
    t->coins += e->coins;
    t->last = e->note;
}

EDDA_EVOLVE_SET(closed, till, Closed, closed, true);

EDDA_HANDLER(pay, Pay, till);
static int pay(struct edda_step *step, const struct Pay *c, const struct till *t)
{
    if (t->closed)
        return edda_skip(step, "the till of %.*s is closed", (int)edda_entity_key(step).len, edda_entity_key(step).data);
    if (c->coins < 0)
        return edda_reject(step, "coins", "are owed: %lld", (long long)c->coins);
    if (edda_text_is(c->note, "broken") && edda_message(step)->attempt < 2)
        return EDDA_EIO;
    edda_emit(step, Paid, .user = c->user, .coins = c->coins, .note = c->note);
    if (edda_text_is(c->note, "all")) {
        edda_deadline_set(step, "close", edda_now_ms(step) + 1000, Closed, .user = c->user);
        edda_compensate(step, Refund, .user = c->user, .coins = c->coins);
        edda_finish(step);
    }
    return edda_reply(step, Sum, .coins = t->coins + c->coins);
}

/* Sleeps a second for every coin, and does not look at its expiry. */
EDDA_HANDLER(count, Paid, till);
static int count(struct edda_step *step, const struct Paid *e, const struct till *t)
{
    edda_sleep(step, e->coins * 1000);
    if (t->coins > 50)
        return edda_abort(step, "too rich");
    edda_deadline_cancel(step, "close");
    return edda_send(step, Refund, .user = e->user, .coins = t->coins);
}

EDDA_HANDLER(refund, Refund, till);
static int refund(struct edda_step *step, const struct Refund *c, const struct till *t)
{
    (void)t;
    return c->coins ? edda_emit(step, Closed, .user = c->user) : 0;
}

static const struct edda_row evolve_rows[] = { EDDA_WHEN(Paid, paid), EDDA_WHEN(Closed, closed), EDDA_END };
static const struct edda_service till_service = {
    .name = "till",
    .entity = EDDA_ENTITY(till, TOPIC),
    .evolve = evolve_rows,
    .on = (const struct edda_row[]){ EDDA_ON(Pay, pay, user), EDDA_ON(Paid, count, user, .blocking = 1),
                                     EDDA_ON(Refund, refund, user, .late = true), EDDA_END },
};

/* --- what is printed ------------------------------------------------------------------------------------ */

static int saved_stderr = -1, captured = -1;
static char printed[16384];

static void capture(void)
{
    char path[] = "/tmp/edda-kit-XXXXXX";
    captured = mkstemp(path);
    assert_true(captured >= 0);
    unlink(path);
    fflush(stderr);
    saved_stderr = dup(STDERR_FILENO);
    assert_true(dup2(captured, STDERR_FILENO) >= 0);
}

static void release(void)
{
    fflush(stderr);
    assert_true(dup2(saved_stderr, STDERR_FILENO) >= 0);
    close(saved_stderr);
    ssize_t len = pread(captured, printed, sizeof printed - 1, 0);
    assert_true(len >= 0);
    printed[len] = '\0';
    close(captured);
}

#define assert_printed(part) \
    do { \
        if (!strstr(printed, part)) \
            fail_msg("not printed: %s\nbut: %s", part, printed); \
    } while (0)

static struct edda_test *begin(void)
{
    capture();
    struct edda_test *t = edda_test_new(&till_service);
    assert_non_null(t);
    return t;
}

static void end(struct edda_test *t, int mismatches)
{
    int counted = edda_test_end(t);
    release();
    if (counted != mismatches)
        fail_msg("%d mismatches, not %d: %s", counted, mismatches, printed);
    assert_int_equal(printed[0] == '\0', mismatches == 0);
}

/* --- expectations that are met -------------------------------------------------------------------------- */

static void test_everything_a_step_can_give(void **state)
{
    (void)state;
    struct edda_test *t = begin();
    edda_given(t, Paid, .user = ANN, .coins = 5);
    edda_when(t, Pay, .user = ANN, .coins = 7, .note = EDDA_TEXT("all"));
    edda_then(t, Paid, .user = ANN, .coins = 7, .note = EDDA_TEXT("all"));
    edda_then_deadline(t, "close", 1000, Closed, .user = ANN);
    edda_then_compensation(t, Refund, .user = ANN, .coins = 7);
    edda_then_reply(t, Sum, .coins = 12);
    edda_then_finished(t);
    edda_then_nothing(t);
    edda_when(t, Paid, .user = ANN, .coins = 1);
    edda_then_deadline_cancelled(t, "close");
    edda_then_json(t, "Refund", " { \"coins\" : \"13\" , \"user\" : \"ann\" } ");
    edda_then_nothing(t);
    edda_when(t, Paid, .user = ANN, .coins = 100);
    edda_then_aborted(t, "rich");
    edda_then_nothing(t);
    edda_when(t, Refund, .user = ANN, .coins = 0);
    edda_then_nothing(t);
    end(t, 0);
}

static void test_refusals(void **state)
{
    (void)state;
    struct edda_test *t = begin();
    edda_when(t, Pay, .user = ANN, .coins = -3);
    edda_then_rejected(t, "coins: are owed: -3");
    edda_then_nothing(t);
    edda_when(t, Pay, .user = ANN, .coins = 1, .note = EDDA_TEXT("broken"));
    edda_then_failed(t, "handler of Pay");
    edda_then_nothing(t);
    edda_when(t, Pay, .user = ANN, .coins = 500); /* more than an event may hold */
    edda_then_failed(t, "coins");
    edda_when(t, Pay, .user = ANN, .coins = 5000); /* more than the command may hold */
    edda_then_failed(t, "coins");
    edda_when(t, Pay, .coins = 5);
    edda_then_failed(t, "user: must not be empty");
    edda_given(t, Closed, .user = ANN);
    edda_when(t, Pay, .user = ANN, .coins = 5);
    edda_then_skipped(t, "the till of ann is closed");
    edda_then_nothing(t);
    end(t, 0);
}

static void test_states_are_kept_per_key(void **state)
{
    (void)state;
    struct edda_test *t = begin();
    assert_int_equal(((const struct till *)edda_test_state(t))->coins, 0);
    char note[] = "borrowed";
    edda_given(t, Paid, .user = ANN, .coins = 5, .note = edda_text_of(note));
    memset(note, 'x', sizeof note - 1);
    edda_given(t, Paid, .user = EDDA_TEXT("bob"), .coins = 50);
    edda_when(t, Refund, .user = ANN, .coins = 0);
    const struct till *ann = edda_test_state(t);
    assert_int_equal(ann->coins, 5);
    assert_true(edda_text_is(ann->last, "borrowed"));
    edda_when(t, Pay, .user = ANN, .coins = 2);
    ann = edda_test_state(t);
    assert_int_equal(ann->coins, 7);
    assert_int_equal(ann->last.len, 0);
    edda_when(t, Refund, .user = EDDA_TEXT("bob"), .coins = 1);
    const struct till *bob = edda_test_state(t);
    assert_int_equal(bob->coins, 50);
    assert_true(bob->closed);
    end(t, 0);
}

/* A handler may do something else the last time; then the message is one of the log, and after it there is a first time again. */
static void test_attempts(void **state)
{
    (void)state;
    struct edda_test *t = begin();
    edda_test_attempt(t, 1);
    edda_when(t, Pay, .user = ANN, .coins = 2, .note = EDDA_TEXT("broken"));
    edda_then_failed(t, "");
    edda_test_attempt(t, 2);
    edda_when(t, Pay, .user = ANN, .coins = 2, .note = EDDA_TEXT("broken"));
    edda_then(t, Paid, .user = ANN, .coins = 2, .note = EDDA_TEXT("broken"));
    edda_when(t, Pay, .user = ANN, .coins = 2, .note = EDDA_TEXT("broken"));
    edda_then_failed(t, "");
    edda_then_nothing(t);
    end(t, 0);
}

static void test_expiry(void **state)
{
    (void)state;
    struct edda_test *t = begin();
    edda_test_expiry(t, 1000);
    edda_when(t, Pay, .user = ANN, .coins = 2);
    edda_then(t, Paid, .user = ANN, .coins = 2);
    edda_then_expires(t, 1000);
    edda_when(t, Pay, .user = ANN, .coins = 2);
    edda_then(t, Paid, .user = ANN, .coins = 2);
    edda_then_expires(t, 0);
    edda_test_expiry(t, 1000);
    edda_test_advance(t, 1000);
    edda_when(t, Pay, .user = ANN, .coins = 2);
    edda_then_skipped(t, "expired");
    edda_then_nothing(t);
    assert_int_equal(((const struct till *)edda_test_state(t))->coins, 4);
    edda_test_expiry(t, 3000);
    edda_when(t, Paid, .user = ANN, .coins = 3);
    edda_then_skipped(t, "expired while it was handled");
    edda_then_nothing(t);
    edda_test_expiry(t, 3001);
    edda_when(t, Paid, .user = ANN, .coins = 3);
    edda_then_deadline_cancelled(t, "close");
    edda_test_expiry(t, 1);
    edda_test_advance(t, 100);
    edda_when(t, Refund, .user = ANN, .coins = 1); /* a late row */
    edda_then(t, Closed, .user = ANN);
    end(t, 0);
}

/* --- expectations that are not met ---------------------------------------------------------------------- */

static void test_a_field_that_differs_is_named(void **state)
{
    (void)state;
    struct edda_test *t = begin();
    edda_when(t, Pay, .user = ANN, .coins = 7);
    edda_then(t, Paid, .user = ANN, .coins = 8, .note = EDDA_TEXT("7"));
    end(t, 1);
    assert_printed("engine_test_kit.c:");
    assert_printed("service till, when Pay {\"user\":\"ann\",\"coins\":7}\n");
    assert_printed("\n  expected  Paid {\"user\":\"ann\",\"coins\":8,\"note\":\"7\"}\n");
    assert_printed("\n  got       Paid {\"user\":\"ann\",\"coins\":7}\n");
    assert_printed("\n  differs   coins: expected 8, got 7\n");
    assert_printed("\n  differs   note: expected \"7\", got none\n");
    assert_null(strstr(printed, "differs   user"));
}

static void test_another_message_in_its_place(void **state)
{
    (void)state;
    struct edda_test *t = begin();
    edda_when(t, Pay, .user = ANN, .coins = 7, .note = EDDA_TEXT("all"));
    edda_then(t, Closed, .user = ANN);                                /* Paid */
    edda_then_deadline(t, "shut", 1000, Closed, .user = ANN);         /* its name is another */
    edda_then(t, Refund, .user = ANN, .coins = 7);                    /* it is a compensation */
    edda_then(t, Closed, .user = ANN);                                /* nothing more */
    end(t, 4);
    assert_printed("expected  Closed {\"user\":\"ann\"}\n  got       Paid {");
    assert_printed("expected  deadline shut in 1000 ms: Closed {\"user\":\"ann\"}\n  got       deadline close in 1000 ms: Closed");
    assert_printed("expected  Refund {\"user\":\"ann\",\"coins\":7}\n  got       compensation Refund {");
    assert_printed("expected  Closed {\"user\":\"ann\"}\n  got       the process finished\n");
}

/* Line by line: every failure is at its own expectation's, and one that nobody asked about at its message's. */
static void test_each_failure_names_its_line(void **state)
{
    (void)state;
    struct edda_test *t = begin();
    int first = __LINE__ + 1;
    edda_when(t, Pay, .user = ANN, .coins = -1);     /* nobody asks */
    edda_when(t, Pay, .user = ANN, .coins = 7);

    edda_then_json(t, "Payed", "{\"user\":\"ann\"}");
    edda_then_finished(t);
    edda_then_aborted(t, "");
    edda_then_deadline_cancelled(t, "close");
    edda_then_nothing(t);                            /* the reply */
    edda_when(t, Pay, .user = ANN, .coins = 2);
    edda_then(t, Paid, .user = ANN, .coins = 2);
    edda_then_expires(t, 5);
    edda_when(t, Refund, .user = ANN, .coins = 0);
    edda_then_skipped(t, "a");
    edda_then_rejected(t, "b");
    edda_then_failed(t, "c");
    end(t, 10);
    static const struct { int line; const char *what; } failures[] = {
        { 0, "Pay {\"user\":\"ann\",\"coins\":-1}\n  nobody asked" }, { 3, "Pay {\"user\":\"ann\",\"coins\":7}\n  expected  Payed" },
        { 4, "Pay {\"user\":\"ann\",\"coins\":7}\n  expected  the process finished\n  got       no end of it\n" },
        { 5, "Pay {\"user\":\"ann\",\"coins\":7}\n  expected  the process aborted" },
        { 6, "Pay {\"user\":\"ann\",\"coins\":7}\n  expected  deadline close cancelled" },
        { 7, "Pay {\"user\":\"ann\",\"coins\":7}\n  expected  nothing more\n  got       the reply Sum {\"coins\":7}\n" },
        { 10, "Pay {\"user\":\"ann\",\"coins\":2}\n  expected  Paid expires in 5 ms" },
        { 12, "Refund {\"user\":\"ann\",\"coins\":0}\n  expected  skipped" },
        { 13, "Refund {\"user\":\"ann\",\"coins\":0}\n  expected  rejected" },
        { 14, "Refund {\"user\":\"ann\",\"coins\":0}\n  expected  failed" },
    };
    for (size_t i = 0; i < sizeof failures / sizeof failures[0]; i++) {
        char head[256];
        (void)snprintf(head, sizeof head, "engine_test_kit.c:%d: service till, when %s", first + failures[i].line, failures[i].what);
        assert_printed(head);
    }
}

static unsigned times_printed(const char *part)
{
    unsigned times = 0;
    for (const char *at = printed; (at = strstr(at, part)) != NULL; at++)
        times++;
    return times;
}

static void test_nothing_is_told_twice(void **state)
{
    (void)state;
    struct edda_test *t = begin();
    edda_when(t, Pay, .user = ANN, .coins = 7, .note = EDDA_TEXT("all"));
    edda_then_rejected(t, "why"); /* tells everything */
    edda_then_nothing(t);
    edda_then_nothing(t);
    end(t, 1);
    assert_int_equal(times_printed("got       Paid {"), 1);
    assert_int_equal(times_printed("got       deadline close"), 1);
    assert_int_equal(times_printed("got       compensation"), 1);
    assert_int_equal(times_printed("got       the process finished"), 1);
    assert_int_equal(times_printed("got       the reply"), 1);
    /* The end, in the place of a message. */
    t = begin();
    edda_when(t, Paid, .user = ANN, .coins = 90);
    edda_then(t, Closed, .user = ANN);
    edda_then_expires(t, 50);
    edda_then_nothing(t);
    end(t, 1);
    assert_int_equal(times_printed("the process aborted"), 1);
    /* There is no step to ask about. */
    t = begin();
    edda_when(t, Closed, .user = ANN);
    edda_then(t, Paid, .user = ANN, .coins = 1);
    edda_then_expires(t, 50);
    edda_then_reply(t, Sum, .coins = 1);
    edda_then_finished(t);
    edda_then_skipped(t, "");
    edda_then_nothing(t);
    edda_when(t, Refund, .user = ANN, .coins = 0);
    edda_then_finished(t);
    end(t, 2);
    assert_printed("the service has no handler for it");
}

static void test_a_deadline_at_another_time_or_with_another_message(void **state)
{
    (void)state;
    struct edda_test *t = begin();
    edda_when(t, Pay, .user = ANN, .coins = 7, .note = EDDA_TEXT("all"));
    edda_then(t, Paid, .user = ANN, .coins = 7, .note = EDDA_TEXT("all"));
    edda_then_deadline(t, "close", 999, Closed, .user = ANN);
    edda_when(t, Pay, .user = ANN, .coins = 7, .note = EDDA_TEXT("all"));
    edda_then(t, Paid, .user = ANN, .coins = 7, .note = EDDA_TEXT("all"));
    edda_then_deadline(t, "close", 1000, Closed, .user = EDDA_TEXT("bob"));
    edda_when(t, Paid, .user = ANN, .coins = 1);
    edda_then_deadline_cancelled(t, "shut");
    end(t, 3);
    assert_printed("expected  deadline close in 999 ms: Closed");
    assert_printed("differs   user: expected \"bob\", got \"ann\"");
    assert_printed("expected  deadline shut cancelled\n  got       deadline close cancelled");
}

static void test_something_where_nothing_is_expected(void **state)
{
    (void)state;
    struct edda_test *t = begin();
    edda_then_nothing(t);
    edda_when(t, Pay, .user = ANN, .coins = 7, .note = EDDA_TEXT("all"));
    edda_then_nothing(t);
    edda_when(t, Paid, .user = ANN, .coins = 90);
    edda_then_nothing(t);
    end(t, 3);
    assert_printed("expected  nothing more\n  got       no step: nothing was handled\n");
    assert_printed("got       Paid {\"user\":\"ann\",\"coins\":7,\"note\":\"all\"}\n  got       deadline close in 1000 ms");
    assert_printed("got       compensation Refund {\"user\":\"ann\",\"coins\":7}\n  got       the process finished\n");
    assert_printed("got       the reply Sum {\"coins\":7}\n");
    assert_printed("got       the process aborted: too rich\n");
}

static void test_a_refusal_that_nobody_asked_about(void **state)
{
    (void)state;
    struct edda_test *t = begin();
    edda_when(t, Pay, .user = ANN, .coins = -1);
    edda_when(t, Pay, .user = ANN, .coins = -1);
    edda_then_nothing(t);
    edda_when(t, Pay, .user = ANN, .coins = -1);
    edda_then(t, Paid, .user = ANN, .coins = -1);
    edda_when(t, Pay, .user = ANN, .coins = 1, .note = EDDA_TEXT("broken"));
    end(t, 4);
    assert_printed("nobody asked, and it was rejected: coins: are owed: -1");
    assert_printed("expected  nothing more\n  got       rejected: coins");
    assert_printed("expected  Paid {\"user\":\"ann\",\"coins\":-1}\n  got       rejected: coins");
    assert_printed("nobody asked, and it was failed: handler of Pay in service till: the operating system failed");
}

static void test_another_outcome(void **state)
{
    (void)state;
    struct edda_test *t = begin();
    edda_when(t, Pay, .user = ANN, .coins = -1);
    edda_then_skipped(t, "owed");
    edda_when(t, Pay, .user = ANN, .coins = -1);
    edda_then_rejected(t, "something else");
    edda_when(t, Pay, .user = ANN, .coins = 1);
    edda_then_failed(t, "");
    edda_when(t, Refund, .user = ANN, .coins = 0);
    edda_then_rejected(t, "");
    end(t, 4);
    assert_printed("expected  skipped: …owed…\n  got       rejected: coins: are owed: -1\n");
    assert_printed("expected  rejected: …something else…\n  got       rejected: coins");
    assert_printed("expected  failed: ……\n  got       Paid {\"user\":\"ann\",\"coins\":1}\n");
    assert_printed("expected  rejected: ……\n  got       nothing more\n");
}

static void test_another_state(void **state)
{
    (void)state;
    struct edda_test *t = begin();
    edda_then_state(t, till, .coins = 0);
    edda_given(t, Paid, .user = ANN, .coins = 5, .note = EDDA_TEXT("x"));
    edda_then_state(t, till, .coins = 5, .last = EDDA_TEXT("x"));
    edda_when(t, Pay, .user = ANN, .coins = -1);
    edda_then_rejected(t, "owed");
    edda_then_state(t, till, .coins = 5, .last = EDDA_TEXT("x"));
    edda_when(t, Pay, .user = ANN, .coins = 7);
    edda_then(t, Paid, .user = ANN, .coins = 7);
    edda_then_state(t, till, .coins = 11);
    edda_then_state(t, Sum, .coins = 12);
    edda_then_state(NULL, till, .coins = 11);
    end(t, 2);
    assert_printed("\n  expected  the state till {\"coins\":11,\"last\":\"\",\"closed\":false}\n  got       {\"coins\":12");
    assert_printed("\n  differs   coins: expected 11, got 12\n");
    assert_printed("Sum is not the state of its entity");
}

static void test_another_reply_end_or_expiry(void **state)
{
    (void)state;
    struct edda_test *t = begin();
    edda_when(t, Pay, .user = ANN, .coins = 1);
    edda_then_reply(t, Sum, .coins = 2);
    edda_then_finished(t);
    edda_when(t, Refund, .user = ANN, .coins = 1);
    edda_then_reply(t, Sum, .coins = 2);
    edda_then_aborted(t, "reason");
    edda_then(t, Closed, .user = ANN);
    edda_then_expires(t, 50);
    edda_test_expiry(t, 1000);
    edda_when(t, Pay, .user = EDDA_TEXT("bob"), .coins = 1);
    edda_then_expires(t, 1000);
    edda_then(t, Paid, .user = EDDA_TEXT("bob"), .coins = 1);
    edda_then_expires(t, 0);
    end(t, 7);
    assert_printed("expected  the reply Sum {\"coins\":2}\n  got       the reply Sum {\"coins\":1}\n  differs   coins: expected 2, got 1\n");
    assert_printed("expected  the process finished\n  got       no end of it\n");
    assert_printed("expected  the reply Sum {\"coins\":2}\n  got       no reply\n");
    assert_printed("expected  the process aborted: …reason\n  got       no end of it\n");
    assert_printed("expected  Closed expires in 50 ms\n  got       never: its type does not expire\n");
    assert_printed("what was asked about last is no message");
    assert_printed("expected  Paid expires never\n  got       in 1000 ms\n");
}

/* --- tests that are wrong themselves -------------------------------------------------------------------- */

static void test_wrong_tests_are_told(void **state)
{
    (void)state;
    struct edda_test *t = begin();
    edda_given(t, Elsewhere, .user = ANN);
    edda_given(t, Paid, .user = ANN, .coins = 101);
    edda_given(t, Paid, .coins = 1);
    edda_when(t, Closed, .user = ANN);
    struct edda_type another = Paid;
    edda_given_struct(t, &another, &(struct Paid){ .user = ANN, .coins = 1 });
    edda_when(t, Pay, .user = ANN, .coins = 1);
    edda_then_json(t, "Paid", "{\"user\":\"ann\"}");
    edda_when(t, Pay, .user = ANN, .coins = 1);
    edda_then_json(t, "Payed", "{\"user\":\"ann\"}");
    end(t, 7);
    assert_printed("given Elsewhere {\"user\":\"ann\"}\n  it is not of the entity's category tills\n");
    assert_printed("given Paid {\"user\":\"ann\",\"coins\":101}\n  coins: ");
    assert_printed("given Paid {\"user\":\"\",\"coins\":1}\n  its key user is empty\n");
    assert_printed("when Closed {\"user\":\"ann\"}\n  the service has no handler for it\n");
    assert_printed("the service means another table by that name");
    assert_printed("what is expected of Paid cannot be read: ");
    assert_printed("expected  Payed {\"user\":\"ann\"}\n  got       Paid {");
}

static void refuse(const struct edda_service *service, const char *why)
{
    capture();
    struct edda_test *t = edda_test_new(service);
    edda_given(t, Paid, .user = ANN, .coins = 1);
    edda_when(t, Pay, .user = ANN, .coins = 1);
    edda_then(t, Paid, .user = ANN, .coins = 1);
    edda_then_nothing(t);
    const void *none = edda_test_state(t);
    int mismatches = edda_test_end(t);
    release();
    assert_null(t);
    assert_null(none);
    assert_int_equal(mismatches, 1);
    assert_printed(why);
}

static void test_wrong_tables_are_refused(void **state)
{
    (void)state;
    struct edda_service service = till_service;
    service.name = "";
    refuse(&service, "a service needs a name");
    service = till_service;
    service.entity = (struct edda_entity){ .state = NULL };
    refuse(&service, "has evolve rows or a view but no entity");
    service = till_service;
    service.entity.category = "elsewhere";
    refuse(&service, "cannot fold Paid");
    const struct edda_row no_key[] = { { .type = &Pay, .handle = pay_row, .key = "name" }, EDDA_END };
    service = till_service;
    service.on = no_key;
    refuse(&service, "selects its entity by field name, which Pay has not");
    const struct edda_row twice[] = { EDDA_ON(Pay, pay, user), EDDA_ON(Pay, pay, user), EDDA_END };
    service.on = twice;
    refuse(&service, "handles Pay twice");
    const struct edda_row no_handler[] = { { .type = &Pay, .key = "user" }, EDDA_END };
    service.on = no_handler;
    refuse(&service, "has no handler for Pay");
    const struct edda_row value[] = { { .type = &Sum, .handle = pay_row }, EDDA_END };
    service.on = value;
    refuse(&service, "message type Sum names no topic");
    struct edda_type another = Paid;
    const struct edda_row same_name[] = { { .type = &another, .handle = count_row, .key = "user" }, EDDA_END };
    service.on = same_name;
    refuse(&service, "two message types are named Paid on topic tills");
}

static void test_a_service_without_entity(void **state)
{
    (void)state;
    static const struct edda_row on[] = { EDDA_ON(Refund, refund, user), EDDA_END };
    static const struct edda_service saga = { .name = "saga", .on = on };
    capture();
    struct edda_test *t = edda_test_new(&saga);
    edda_when(t, Refund, .user = ANN, .coins = 1);
    edda_then(t, Closed, .user = ANN);
    edda_then_nothing(t);
    assert_null(edda_test_state(t));
    edda_given(t, Paid, .user = ANN, .coins = 1);
    end(t, 1);
    assert_printed("it is not of the entity's category (none)");
}

/* --- projections ---------------------------------------------------------------------------------------- */

struct Line { struct edda_text user; int64_t coins; };
static const struct edda_field Line_fields[] = { EDDA_FIELD(Line, user), EDDA_FIELD(Line, coins, .max = 100) };
static const struct edda_type Line = EDDA_VALUE(Line);
static const struct edda_table lines = EDDA_TABLE("lines", Line, 1);

EDDA_PROJECT(add_line, Paid);
static int add_line(struct edda_rows *rows, const struct Paid *e)
{
    struct Line line = { .user = e->user };
    if (edda_get_struct(rows, &lines, &line) < 0)
        return EDDA_EIO;
    return edda_put(rows, lines, Line, .user = e->user, .coins = line.coins + e->coins);
}

EDDA_PROJECT(drop_line, Closed);
static int drop_line(struct edda_rows *rows, const struct Closed *e)
{
    return edda_delete(rows, lines, Line, .user = e->user);
}

static const struct edda_table *const lines_tables[] = { &lines, NULL };
static const struct edda_projecting lines_on[] = { EDDA_APPLY(Paid, add_line, user), EDDA_APPLY(Closed, drop_line, user), EDDA_APPLY_END };
static const struct edda_projection lines_projection = { .name = "lines", .tables = lines_tables, .on = lines_on, .version = 1 };

static void test_rows_of_a_projection(void **state)
{
    (void)state;
    capture();
    struct edda_test *t = edda_test_projection(&lines_projection);
    edda_given(t, Paid, .user = ANN, .coins = 40);
    edda_when(t, Paid, .user = ANN, .coins = 50);
    edda_then_row(t, lines, Line, .user = ANN, .coins = 90);
    edda_when(t, Paid, .user = ANN, .coins = 50);
    edda_then_failed(t, "coins");
    edda_then_row(t, lines, Line, .user = ANN, .coins = 90);
    edda_when(t, Closed, .user = ANN);
    edda_then_no_row(t, lines, Line, .user = ANN);
    end(t, 0);
}

static void test_rows_that_differ(void **state)
{
    (void)state;
    capture();
    struct edda_test *t = edda_test_projection(&lines_projection);
    edda_given(t, Paid, .user = ANN, .coins = 40);
    edda_then_row(t, lines, Line, .user = ANN, .coins = 41);
    edda_then_row(t, lines, Line, .user = EDDA_TEXT("bob"), .coins = 1);
    edda_then_no_row(t, lines, Line, .user = ANN);
    edda_given(t, Paid, .user = ANN, .coins = 90);
    edda_when(t, Paid, .user = ANN, .coins = 90);
    end(t, 5);
    assert_printed("projection lines, given Paid");
    assert_printed("coins: expected 41, got 40");
    assert_printed("it failed: ");
    assert_printed("nobody asked, and it was failed");
}

/* --- effects and remote services ------------------------------------------------------------------------ */

static int send_letter(struct edda_step *step, const void *message, const void *state, void *user)
{
    (void)state, (void)user;
    return edda_mail(step, &(struct edda_mail){ .to = ((const struct Refund *)message)->user, .subject = EDDA_TEXT("money back") });
}

static void test_effects(void **state)
{
    (void)state;
    static const struct edda_effect effect = { .threads = 1 };
    static const struct edda_row on[] = { { .type = &Refund, .handle = send_letter, .key = "user", .effect = &effect }, EDDA_END };
    static const struct edda_service letters = { .name = "letters", .on = on };
    capture();
    struct edda_test *t = edda_test_new(&letters);
    edda_when(t, Refund, .user = EDDA_TEXT("a@b"), .coins = 1);
    edda_then_effect(t, "mail a@b", "money");
    edda_then_nothing(t);
    edda_given_answer(t, EDDA_EREFUSED, 0, NULL);
    edda_when(t, Refund, .user = EDDA_TEXT("a@b"), .coins = 1);
    edda_then_failed(t, "said no");
    edda_when(t, Refund, .user = EDDA_TEXT("a@b"), .coins = 1); /* an answer is given once */
    end(t, 0);
    capture();
    t = edda_test_new(&letters);
    edda_when(t, Refund, .user = EDDA_TEXT("a@b"), .coins = 1);
    edda_then_nothing(t);
    edda_then_effect(t, "mail a@b", "flowers");
    edda_then_effect(t, "mail a@b", "money");
    end(t, 3);
    assert_printed("got       mail a@b");
    assert_printed("flowers");
    assert_printed("nothing more outside");
}

static void test_a_remote_service(void **state)
{
    (void)state;
    static const struct edda_remote remote = { .url = "http://nowhere/" };
    static const struct edda_row on[] = { EDDA_ON_REMOTE(Refund, user), EDDA_END };
    static const struct edda_type *const emits[] = { &Closed, &Sum, NULL };
    static const struct edda_service far = { .name = "far", .on = on, .remote = &remote, .emits = emits };
    capture();
    struct edda_test *t = edda_test_new(&far);
    edda_given_answer(t, 0, 200, "{\"messages\":[{\"type\":\"Closed\",\"data\":{\"user\":\"ann\"}}],\"finish\":true}");
    edda_when(t, Refund, .user = ANN, .coins = 1);
    edda_then_effect(t, "remote far", "\"data\":{\"user\":\"ann\",\"coins\":1}");
    edda_then(t, Closed, .user = ANN);
    edda_then_finished(t);
    edda_then_nothing(t);
    static const struct { int code, status; const char *body, *part; } failures[] = {
        { 0, 200, "[]", "answer of service far is wrong" },
        { 0, 200, "{\"messages\":[{\"type\":\"Opened\",\"data\":{}}]}", "messages[0].type: there is no message type Opened" },
        { 0, 200, "{\"messages\":[{\"type\":\"Closed\",\"data\":{\"user\":\"ann\",\"x\":[{\"y\":1}]}}]}", "messages[0].data.x: there is no such field" },
        { 0, 200, "{\"deadlines\":[{\"name\":\"a/b\",\"cancel\":true}]}", "deadlines[0]: " },
        { EDDA_EREFUSED, 422, "", "said no" },
        { EDDA_EREFUSED, 404, "", "said no" },
    };
    for (size_t i = 0; i < sizeof failures / sizeof failures[0]; i++) {
        edda_given_answer(t, failures[i].code, failures[i].status, failures[i].body);
        edda_when(t, Refund, .user = ANN, .coins = 1);
        edda_then_failed(t, failures[i].part);
    }
    edda_given_answer(t, 0, 200, "{\"reject\":{\"field\":\"coins\",\"message\":\"too few\"}}");
    edda_when(t, Refund, .user = ANN, .coins = 1);
    edda_then_rejected(t, "coins: too few");
    edda_given_answer(t, 0, 204, "");
    edda_when(t, Refund, .user = ANN, .coins = 1);
    edda_then_effect(t, "remote far", NULL);
    edda_then_nothing(t);
    end(t, 0);
}

static void test_arguments_of_effects_are_checked(void **state)
{
    (void)state;
    static const struct edda_effect effect = { .threads = 1 };
    static const struct edda_row on[] = { { .type = &Refund, .handle = send_letter, .key = "user", .effect = &effect }, EDDA_END };
    static const struct edda_service letters = { .name = "letters", .on = on };
    static const char *const wrong[] = { "nobody", "a@b\r\nBcc: c@d", "\xc3\xa4@b" };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        capture();
        struct edda_test *t = edda_test_new(&letters);
        edda_when(t, Refund, .user = edda_text_of(wrong[i]), .coins = 1);
        edda_then_failed(t, "to: to must be addresses");
        edda_then_nothing(t);
        end(t, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything_a_step_can_give),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_states_are_kept_per_key),
        cmocka_unit_test(test_expiry),
        cmocka_unit_test(test_attempts),
        cmocka_unit_test(test_a_field_that_differs_is_named),
        cmocka_unit_test(test_another_message_in_its_place),
        cmocka_unit_test(test_each_failure_names_its_line),
        cmocka_unit_test(test_nothing_is_told_twice),
        cmocka_unit_test(test_a_deadline_at_another_time_or_with_another_message),
        cmocka_unit_test(test_something_where_nothing_is_expected),
        cmocka_unit_test(test_a_refusal_that_nobody_asked_about),
        cmocka_unit_test(test_another_outcome),
        cmocka_unit_test(test_another_state),
        cmocka_unit_test(test_another_reply_end_or_expiry),
        cmocka_unit_test(test_wrong_tests_are_told),
        cmocka_unit_test(test_wrong_tables_are_refused),
        cmocka_unit_test(test_a_service_without_entity),
        cmocka_unit_test(test_rows_of_a_projection),
        cmocka_unit_test(test_rows_that_differ),
        cmocka_unit_test(test_effects),
        cmocka_unit_test(test_a_remote_service),
        cmocka_unit_test(test_arguments_of_effects_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
