/* Handlers that fail: retried at once, retried later, quarantined alone; and the operator. All of it over restarts. */
#include "engine_rig.h"

#include <string.h>

#include "wire/json/json.h"

static int fails_of_a(struct edda_step *step, const void *message, const void *state)
{
    const struct Ask *ask = message;
    if (edda_text_is(ask->id, "a"))
        return EDDA_ETIMEOUT;
    return ask_done(step, message, state);
}

static uint32_t attempts_to_fail;

static int fails_at_first(struct edda_step *step, const void *message, const void *state)
{
    if (edda_message(step)->attempt < attempts_to_fail)
        return EDDA_ETIMEOUT;
    return ask_done(step, message, state);
}

static int setup(void **state)
{
    static struct rig rig;
    rig_new(&rig);
    rig_open(&rig);
    *state = &rig;
    return 0;
}

static int teardown(void **state)
{
    rig_free(*state);
    return 0;
}

static void a_failed_step_is_run_again_at_once(void **state)
{
    struct rig *rig = *state;
    attempts_to_fail = 1;
    script.on_ask = fails_at_first;
    ASK(rig, "a", 3);
    rig_run(rig);
    assert_int_equal(rig_total(rig, "a"), 3);
    assert_string_equal(rig_ran, "ask a 3; ask a 3; done a 3; ");
}

static void then_later_by_the_clock(void **state)
{
    struct rig *rig = *state;
    attempts_to_fail = 3;
    script.on_ask = fails_at_first;
    ASK(rig, "a", 3);
    int64_t from = rig_now(rig), wake = rig_run(rig);
    assert_int_equal(rig_runs, 2);
    assert_in_range(wake - from, 1000, 1201); /* a fifth of jitter at most */
    ASK(rig, "b", 4);
    rig_run(rig);
    assert_int_equal(rig_runs, 4); /* b fails by itself meanwhile */
    rig_pass(rig, 999 - (rig_now(rig) - from));
    assert_int_equal(rig_runs, 4);
    rig_pass(rig, 300);
    assert_int_equal(rig_runs, 6);
    wake = rig_run(rig);
    assert_in_range(wake - rig_now(rig), 1500, 2400); /* doubled */
    rig_pass(rig, 2500);
    assert_int_equal(rig_total(rig, "a"), 3);
    assert_int_equal(rig_total(rig, "b"), 4);
    assert_int_equal(rig_run(rig), INT64_MAX);
}

static void then_its_entity_alone_is_quarantined(void **state)
{
    struct rig *rig = *state;
    script.on_ask = fails_of_a;
    ASK(rig, "a", 1);
    rig_pass(rig, 10000);
    assert_int_equal(rig_runs, 4);
    ASK(rig, "b", 2);
    ASK(rig, "a", 3);
    rig_event(rig, &Tick, &(struct Tick){ .id = T("a"), .n = 4 }, NULL);
    rig_pass(rig, 10000);
    assert_int_equal(rig_total(rig, "a"), 0);
    assert_int_equal(rig_total(rig, "b"), 2);
    assert_int_equal(rig_held(rig, "a"), 3);
    assert_int_equal(rig_held(rig, "b"), 0);
    assert_true(engine_settled(rig->engine));
    assert_int_equal(DO(rig, "a", 1, NULL)->code, EDDA_EQUARANTINED);
    assert_int_equal(DO(rig, "b", 1, NULL)->code, 0);
    assert_int_equal(rig_count(rig, TOPIC_QUARANTINE, NULL), 3);
}

static void messages_behind_a_failing_one_wait_in_order(void **state)
{
    struct rig *rig = *state;
    attempts_to_fail = 2;
    script.on_ask = fails_at_first;
    ASK(rig, "a", 1);
    ASK(rig, "a", 2);
    ASK(rig, "a", 3);
    rig_pass(rig, 20000);
    const struct tally *t = rig_tally(rig, "a");
    assert_int_equal(t->count, 3);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(((const int64_t *)t->numbers.items)[i], i + 1);
}

static int visit_one(void *user, const struct engine_quarantine_info *info)
{
    (*(int *)user)++;
    assert_true(slice_eq_str(info->service, "worker"));
    assert_true(slice_eq_str(info->key, "a"));
    assert_true(slice_eq_str(info->type, "Ask"));
    assert_true(slice_eq_str(info->correlation, "p1"));
    assert_true(info->reason.len > 0);
    assert_int_equal(info->held, 2);
    assert_true(info->since_ms > 0);
    return 0;
}

static void the_quarantine_can_be_looked_at(void **state)
{
    struct rig *rig = *state;
    script.on_ask = fails_of_a;
    struct cloudevent event = { .type = SLICE("Ask"), .source = SLICE("outside"), .id = SLICE("q1"), .correlation = SLICE("p1") };
    rig_raw(rig, "inbox", "a", "{\"id\":\"a\",\"n\":1}", &event, NULL, NULL);
    ASK(rig, "a", 2);
    rig_pass(rig, 10000);
    for (int round = 0; round < 3; round++) {
        int count = 0;
        assert_int_equal(engine_quarantine_each(rig->engine, visit_one, &count), 0);
        assert_int_equal(count, 1);
        if (round == 0) {
            rig_crash(rig, false);
        } else {
            rig_close(rig);
            rig_open(rig);
        }
    }
}

static void quarantine(struct rig *rig)
{
    script.on_ask = fails_of_a;
    for (int64_t n = 1; n <= 3; n++)
        rig_event(rig, &Ask, &(struct Ask){ .id = T("a"), .n = n }, NULL);
    rig_pass(rig, 10000);
    assert_int_equal(rig_held(rig, "a"), 3);
}

static void a_retry_that_works_lets_all_through(void **state)
{
    struct rig *rig = *state;
    for (int restart = 0; restart < 2; restart++) {
        quarantine(rig);
        if (restart)
            rig_crash(rig, false);
        script.on_ask = ask_done;
        rig_ran[0] = '\0';
        assert_int_equal(engine_quarantine_retry(rig->engine, SLICE("worker"), SLICE("a"), NULL), 0);
        rig_run(rig);
        assert_int_equal(rig_total(rig, "a"), 6 * (restart + 1));
        assert_non_null(strstr(rig_ran, "ask a 1; ask a 2; ask a 3; "));
        assert_int_equal(rig_held(rig, "a"), 0);
        assert_true(engine_settled(rig->engine));
        assert_int_equal(engine_quarantine_retry(rig->engine, SLICE("worker"), SLICE("a"), NULL), EDDA_ENOTFOUND);
        rig_crash(rig, false);
        rig_pass(rig, 10000);
        assert_int_equal(rig_held(rig, "a"), 0);
        assert_int_equal(rig_total(rig, "a"), 6 * (restart + 1));
    }
}

static void a_retry_that_fails_quarantines_again(void **state)
{
    struct rig *rig = *state;
    quarantine(rig);
    for (int round = 0; round < 3; round++) {
        assert_int_equal(engine_quarantine_retry(rig->engine, SLICE("worker"), SLICE("a"), NULL), 0);
        rig_run(rig);
        ASK(rig, "a", 4); /* comes while it is tried */
        rig_pass(rig, 10000);
        assert_int_equal(rig_held(rig, "a"), 4 + (uint64_t)round);
        assert_true(engine_settled(rig->engine));
        if (round == 1)
            rig_crash(rig, false);
    }
    script.on_ask = ask_done;
    assert_int_equal(engine_quarantine_retry(rig->engine, SLICE("worker"), SLICE("a"), NULL), 0);
    rig_run(rig);
    assert_int_equal(rig_total(rig, "a"), 6 + 12);
    assert_true(engine_settled(rig->engine));
}

static void what_came_during_a_retry_waits_over_a_crash(void **state)
{
    struct rig *rig = *state;
    quarantine(rig);
    assert_int_equal(engine_quarantine_retry(rig->engine, SLICE("worker"), SLICE("a"), NULL), 0);
    rig_run(rig);
    ASK(rig, "a", 4);
    rig_run(rig);
    rig_crash(rig, false);
    rig_pass(rig, 10000);
    assert_int_equal(rig_held(rig, "a"), 4);
    assert_true(engine_settled(rig->engine));
    script.on_ask = ask_done;
    assert_int_equal(engine_quarantine_retry(rig->engine, SLICE("worker"), SLICE("a"), NULL), 0);
    rig_run(rig);
    const struct tally *t = rig_tally(rig, "a");
    assert_int_equal(t->count, 4);
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(((const int64_t *)t->numbers.items)[i], i + 1);
    assert_true(engine_settled(rig->engine));
}

static void a_skip_leaves_one_out(void **state)
{
    struct rig *rig = *state;
    quarantine(rig);
    assert_int_equal(engine_quarantine_skip(rig->engine, SLICE("worker"), SLICE("b"), NULL), EDDA_ENOTFOUND);
    script.on_ask = ask_done;
    assert_int_equal(engine_quarantine_skip(rig->engine, SLICE("worker"), SLICE("a"), NULL), 0);
    rig_run(rig);
    assert_int_equal(rig_total(rig, "a"), 5);
    assert_true(engine_settled(rig->engine));
    rig_crash(rig, false);
    rig_pass(rig, 10000);
    assert_int_equal(rig_total(rig, "a"), 5);
    assert_int_equal(rig_held(rig, "a"), 0);
}

static void a_retry_interrupted_by_a_crash_goes_on_in_order(void **state)
{
    struct rig *rig = *state;
    quarantine(rig);
    script.on_ask = ask_done;
    assert_int_equal(engine_quarantine_retry(rig->engine, SLICE("worker"), SLICE("a"), NULL), 0);
    /* Nothing of it is durable when the machine dies. */
    (void)engine_turn(rig->engine, NULL);
    assert_int_equal(rig_total(rig, "a"), 6);
    rig_crash(rig, false);
    rig_pass(rig, 10000);
    if (rig_held(rig, "a"))
        assert_int_equal(engine_quarantine_retry(rig->engine, SLICE("worker"), SLICE("a"), NULL), 0);
    rig_run(rig);
    const struct tally *t = rig_tally(rig, "a");
    assert_int_equal(t->count, 3);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(((const int64_t *)t->numbers.items)[i], i + 1);
}

static void a_crash_between_failures_loses_nothing(void **state)
{
    struct rig *rig = *state;
    for (uint64_t cut = 1; cut < 60; cut++) {
        rig_free(rig);
        rig_new(rig);
        rig_open(rig);
        script.on_ask = fails_of_a;
        ASK(rig, "a", 1);
        ASK(rig, "a", 2);
        ASK(rig, "b", 5);
        assert_int_equal(journal_flush(rig->journal, true, NULL), 0);
        io_simulated_cut_after(rig->io, cut);
        rig_pass(rig, 8000);
        rig_crash(rig, cut % 2);
        rig_pass(rig, 20000);
        assert_int_equal(rig_total(rig, "b"), 5);
        assert_int_equal(rig_held(rig, "a"), 2);
        script.on_ask = ask_done;
        assert_int_equal(engine_quarantine_retry(rig->engine, SLICE("worker"), SLICE("a"), NULL), 0);
        io_simulated_cut_after(rig->io, cut);
        rig_run(rig);
        rig_crash(rig, cut % 2);
        if (rig_held(rig, "a"))
            assert_int_equal(engine_quarantine_retry(rig->engine, SLICE("worker"), SLICE("a"), NULL), 0);
        rig_pass(rig, 20000);
        assert_int_equal(rig_total(rig, "a"), 3);
        assert_int_equal(rig_held(rig, "a"), 0);
    }
}

static void a_row_may_refuse_retries(void **state)
{
    struct rig *rig = *state;
    script.on_done = do_fail;
    assert_int_equal(DO(rig, "a", 1, NULL)->code, 0);
    rig_run(rig);
    assert_int_equal(rig_runs, 2);
    assert_int_equal(rig_held(rig, "a"), 1);
    assert_int_equal(engine_quarantine_skip(rig->engine, SLICE("watcher"), SLICE("a"), NULL), 0);
    assert_int_equal(rig_held(rig, "a"), 0);
}

static void assert_skipped(struct rig *rig, uint64_t ordinal, const char *because)
{
    struct journal_record record = rig_record(rig, TOPIC_SKIPS, NULL, ordinal);
    struct slice reason;
    bool is_string;
    assert_true(json_find(record.record.value, "reason", &reason, &is_string));
    assert_true(slice_eq_str(reason, because));
}

static int code_of_no;

static int says_no(struct edda_step *step, const void *message, const void *state)
{
    (void)message, (void)state;
    return edda_fail(step, code_of_no, "id", "code %d", code_of_no);
}

static void rejected_events_are_skipped_with_their_reason(void **state)
{
    struct rig *rig = *state;
    script.on_ask = do_reject;
    ASK(rig, "a", 1);
    rig_run(rig);
    assert_int_equal(rig_runs, 1);
    assert_int_equal(rig_held(rig, "a"), 0);
    assert_skipped(rig, 0, "rejected: not today");
    script.on_ask = says_no;
    code_of_no = EDDA_ENOTFOUND;
    ASK(rig, "a", 2);
    rig_run(rig);
    code_of_no = EDDA_EEXISTS;
    ASK(rig, "a", 3);
    rig_run(rig);
    assert_int_equal(rig_runs, 3);
    assert_skipped(rig, 1, "rejected: code -2");
    assert_skipped(rig, 2, "rejected: code -4");
}

static int reason_is(void *user, const struct engine_quarantine_info *quarantined)
{
    assert_true(slice_eq_str(quarantined->reason, user));
    return 0;
}

/* What a handler says of its failure is what stands in the quarantine; what is no code of a failure is one of the handler. */
static void a_failure_is_told_in_the_words_of_its_handler(void **state)
{
    static const struct { int code; char *reason; } rows[] = {
        { EDDA_EIO, "code -17, field id" }, { 1, "edda_fail: is given what is no code of a failure" }, { -99, "edda_fail: is given what is no code of a failure" } };
    struct rig *rig = *state;
    script.on_done = says_no;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        code_of_no = rows[i].code;
        assert_int_equal(DO(rig, "a", 1, NULL)->code, 0);
        rig_run(rig);
        assert_int_equal(rig_held(rig, "a"), 1);
        assert_int_equal(engine_quarantine_each(rig->engine, reason_is, rows[i].reason), 0);
        assert_int_equal(engine_quarantine_skip(rig->engine, SLICE("watcher"), SLICE("a"), NULL), 0);
        rig_run(rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_failed_step_is_run_again_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(then_later_by_the_clock, setup, teardown),
        cmocka_unit_test_setup_teardown(then_its_entity_alone_is_quarantined, setup, teardown),
        cmocka_unit_test_setup_teardown(messages_behind_a_failing_one_wait_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(the_quarantine_can_be_looked_at, setup, teardown),
        cmocka_unit_test_setup_teardown(a_retry_that_works_lets_all_through, setup, teardown),
        cmocka_unit_test_setup_teardown(a_retry_that_fails_quarantines_again, setup, teardown),
        cmocka_unit_test_setup_teardown(what_came_during_a_retry_waits_over_a_crash, setup, teardown),
        cmocka_unit_test_setup_teardown(a_skip_leaves_one_out, setup, teardown),
        cmocka_unit_test_setup_teardown(a_retry_interrupted_by_a_crash_goes_on_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(a_crash_between_failures_loses_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(a_row_may_refuse_retries, setup, teardown),
        cmocka_unit_test_setup_teardown(rejected_events_are_skipped_with_their_reason, setup, teardown),
        cmocka_unit_test_setup_teardown(a_failure_is_told_in_the_words_of_its_handler, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
