/* Processes: compensations, unwound in reverse and one by one; finish and abort; over crashes. */
#include "engine_rig.h"

#include <stdio.h>
#include <string.h>

#include "wire/json/json.h"

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

/* 1 to 9: a step with a compensation; 10: fails the process; 11: ends it well; 12: one that declares and fails. */
static int takes_part(struct edda_step *step, const void *message, const void *state)
{
    const struct Ask *m = message;
    (void)state;
    if (m->n == 10)
        return edda_abort(step, "out of %s", "stock");
    if (m->n == 11)
        return edda_finish(step);
    edda_emit(step, Done, .id = m->id, .n = m->n);
    edda_compensate(step, Undo, .id = m->id, .n = m->n);
    return m->n == 12 ? edda_abort(step, "twelve") : 0;
}

static int undoes(struct edda_step *step, const void *message, const void *state)
{
    const struct Undo *m = message;
    (void)state;
    return edda_emit(step, Done, .id = m->id, .n = -m->n);
}

static void part(struct rig *rig, const char *id, int64_t n)
{
    rig_event(rig, &Ask, &(struct Ask){ .id = edda_text_of(id), .n = n, .process = T("p1") }, NULL);
}

static const char *process_state(struct rig *rig, uint64_t ordinal)
{
    static char text[200];
    struct journal_record record = rig_record(rig, TOPIC_PROCESSES, "edda.process", ordinal);
    (void)snprintf(text, sizeof text, "%.*s", (int)record.record.value.len, (const char *)record.record.value.data);
    return text;
}

static void begin(struct rig *rig)
{
    script.on_ask = takes_part;
    script.on_undo = undoes;
    part(rig, "a", 1);
    part(rig, "b", 2);
    part(rig, "a", 3);
    rig_run(rig);
    rig_ran[0] = '\0';
}

static void an_aborted_process_is_undone_in_reverse(void **state)
{
    struct rig *rig = *state;
    begin(rig);
    part(rig, "c", 10);
    rig_run(rig);
    assert_int_equal(rig_total(rig, "a"), 0);
    assert_int_equal(rig_total(rig, "b"), 0);
    assert_true(strstr(rig_ran, "undo a 3") < strstr(rig_ran, "undo b 2"));
    assert_true(strstr(rig_ran, "undo b 2") < strstr(rig_ran, "undo a 1"));
    assert_non_null(strstr(rig_ran, "undo a 1"));
    assert_int_equal(rig_count(rig, "work.commands", "Undo"), 3);
    assert_int_equal(rig_count(rig, TOPIC_PROCESSES, "edda.process"), 2);
    assert_string_equal(process_state(rig, 0), "{\"state\":\"failed\",\"reason\":\"out of stock\"}");
    assert_string_equal(process_state(rig, 1), "{\"state\":\"compensated\"}");
    for (uint64_t i = 0; i < 3; i++)
        assert_true(slice_eq_str(rig_cloudevent(rig, "work.commands", "Undo", i).correlation, "p1"));
}

static void the_step_that_aborts_is_undone_too(void **state)
{
    struct rig *rig = *state;
    begin(rig);
    part(rig, "c", 12);
    rig_run(rig);
    assert_int_equal(rig_total(rig, "c"), 0);
    assert_int_equal(rig_total(rig, "a"), 0);
    assert_int_equal(rig_count(rig, "work.commands", "Undo"), 4);
    assert_true(strstr(rig_ran, "undo c 12") < strstr(rig_ran, "undo a 3"));
}

static void the_first_ending_counts(void **state)
{
    struct rig *rig = *state;
    begin(rig);
    part(rig, "c", 11);
    part(rig, "d", 10);
    part(rig, "c", 11);
    rig_run(rig);
    assert_int_equal(rig_count(rig, TOPIC_PROCESSES, "edda.process"), 1);
    assert_string_equal(process_state(rig, 0), "{\"state\":\"finished\"}");
    assert_int_equal(rig_count(rig, "work.commands", NULL), 0);
    assert_int_equal(rig_total(rig, "a"), 4);
}

static void an_abort_without_compensations_only_fails(void **state)
{
    struct rig *rig = *state;
    script.on_ask = takes_part;
    part(rig, "c", 10);
    part(rig, "c", 10);
    rig_run(rig);
    assert_int_equal(rig_count(rig, TOPIC_PROCESSES, NULL), 1);
}

static void a_rejected_compensation_does_not_end_the_unwinding(void **state)
{
    struct rig *rig = *state;
    begin(rig);
    script.on_undo = do_reject;
    part(rig, "c", 10);
    rig_run(rig);
    assert_int_equal(rig_count(rig, "work.commands", "Undo"), 3);
    assert_int_equal(rig_count(rig, TOPIC_SKIPS, "Undo"), 3);
    assert_int_equal(rig_count(rig, TOPIC_PROCESSES, "edda.process"), 2);
}

static void a_skipped_compensation_does_not_end_it_either(void **state)
{
    struct rig *rig = *state;
    begin(rig);
    script.on_undo = do_fail;
    part(rig, "c", 10);
    rig_pass(rig, 30000);
    assert_int_equal(rig_held(rig, "a"), 1);
    rig_crash(rig, false);
    rig_pass(rig, 30000);
    script.on_undo = undoes;
    assert_int_equal(engine_quarantine_skip(rig->engine, SLICE("worker"), SLICE("a"), NULL), 0);
    rig_run(rig);
    assert_int_equal(rig_total(rig, "a"), 3); /* what was left out stands */
    assert_int_equal(rig_total(rig, "b"), 0);
    assert_string_equal(process_state(rig, 1), "{\"state\":\"compensated\"}");
    assert_int_equal(rig_count(rig, TOPIC_SKIPS, "Undo"), 1);
    assert_true(engine_settled(rig->engine));
    rig_crash(rig, false);
    rig_pass(rig, 30000);
    assert_int_equal(rig_held(rig, "a"), 0);
    assert_int_equal(rig_count(rig, "work.commands", "Undo"), 3);
}

static void a_crash_while_it_is_undone_undoes_nothing_twice(void **state)
{
    struct rig *rig = *state;
    for (uint64_t cut = 1; cut < 50; cut++) {
        begin(rig);
        part(rig, "c", 10);
        part(rig, "d", 4); /* too late: a chain of its own */
        assert_int_equal(journal_flush(rig->journal, true, NULL), 0);
        io_simulated_cut_after(rig->io, cut);
        for (int i = 0; i < 3 && !io_simulated_is_cut(rig->io); i++) {
            (void)engine_turn(rig->engine, NULL);
            (void)journal_flush(rig->journal, true, NULL);
        }
        rig_crash(rig, cut % 2);
        rig_run(rig);
        assert_int_equal(rig_count(rig, "work.commands", "Undo"), 4);
        assert_int_equal(rig_total(rig, "a"), 0);
        assert_int_equal(rig_total(rig, "d"), 0);
        assert_int_equal(rig_total(rig, "b"), 0);
        assert_int_equal(rig_count(rig, TOPIC_PROCESSES, "edda.process"), 4);
        assert_string_equal(process_state(rig, 3), "{\"state\":\"compensated\"}");
        rig_free(rig);
        rig_new(rig);
        rig_open(rig);
    }
}

/* The other one's step is under way while the process fails. */
static int sleeps_and_takes_part(struct edda_step *step, const void *message, const void *state)
{
    const struct Lift *m = message;
    (void)state;
    edda_sleep(step, 1000);
    edda_compensate(step, Undo, .id = T("late"), .n = m->n);
    edda_compensate(step, Undo, .id = T("late"), .n = m->n + 1);
    return edda_emit(step, Lifted, .id = m->id, .n = m->n);
}

static void what_is_declared_after_the_failure_is_undone_at_once(void **state)
{
    struct rig *rig = *state;
    begin(rig);
    part(rig, "c", 10);
    rig_run(rig);
    assert_int_equal(rig_count(rig, "work.commands", "Undo"), 3);
    part(rig, "d", 4);
    part(rig, "e", 5);
    rig_run(rig);
    assert_int_equal(rig_count(rig, "work.commands", "Undo"), 5);
    assert_int_equal(rig_total(rig, "d"), 0);
    assert_int_equal(rig_total(rig, "e"), 0);
    uint64_t states = rig_count(rig, TOPIC_PROCESSES, "edda.process");
    assert_string_equal(process_state(rig, states - 1), "{\"state\":\"compensated\"}");
    rig_crash(rig, false);
    rig_pass(rig, 30000);
    assert_int_equal(rig_count(rig, "work.commands", "Undo"), 5);
}

static void two_chains_are_undone_side_by_side(void **state)
{
    struct rig *rig = *state;
    begin(rig);
    script.on_lift = sleeps_and_takes_part;
    struct cloudevent lift = { .id = SLICE("l"), .source = SLICE("else"), .type = SLICE("Lift"), .correlation = SLICE("p1") };
    rig_raw(rig, "inbox", "x", "{\"id\":\"x\",\"n\":7}", &lift, NULL, NULL);
    script.on_undo = do_fail; /* the first chain stands still at its first command */
    part(rig, "c", 10);
    rig_pass(rig, 30000);
    assert_int_equal(rig_loaded(rig, "x"), 7);
    script.on_undo = undoes;
    assert_int_equal(engine_quarantine_retry(rig->engine, SLICE("worker"), SLICE("late"), NULL), 0);
    rig_run(rig);
    /* The step's own, the last first; and no further: the rest is the other chain's. */
    assert_int_equal(rig_total(rig, "late"), -15);
    assert_true(strstr(rig_ran, "undo late 8") < strstr(rig_ran, "undo late 7"));
    assert_int_equal(rig_count(rig, "work.commands", "Undo"), 3);
    assert_string_equal(process_state(rig, 0), "{\"state\":\"failed\",\"reason\":\"out of stock\"}");
    assert_string_equal(process_state(rig, 1), "{\"state\":\"compensating\",\"left\":2}");
    assert_string_equal(process_state(rig, 2), "{\"state\":\"compensating\",\"left\":1}");
    assert_int_equal(engine_quarantine_retry(rig->engine, SLICE("worker"), SLICE("a"), NULL), 0);
    rig_run(rig);
    assert_int_equal(rig_total(rig, "a"), 0);
    assert_int_equal(rig_total(rig, "b"), 0);
    assert_int_equal(rig_count(rig, "work.commands", "Undo"), 5);
    assert_string_equal(process_state(rig, 3), "{\"state\":\"compensated\"}");
    assert_int_equal(rig_count(rig, TOPIC_PROCESSES, "edda.process"), 4);
}

static void what_is_declared_after_a_good_end_is_not_undone(void **state)
{
    struct rig *rig = *state;
    begin(rig);
    part(rig, "c", 11);
    part(rig, "d", 4);
    part(rig, "e", 5);
    rig_run(rig);
    assert_int_equal(rig_count(rig, "work.commands", "Undo"), 0);
    assert_int_equal(rig_count(rig, TOPIC_PROCESSES, "edda.process"), 1);
}

static int undoes_and_declares(struct edda_step *step, const void *message, const void *state)
{
    const struct Undo *m = message;
    edda_compensate(step, Undo, .id = m->id, .n = 100 + m->n);
    return undoes(step, message, state);
}

static void what_undoes_is_not_undone(void **state)
{
    struct rig *rig = *state;
    begin(rig);
    script.on_undo = undoes_and_declares;
    part(rig, "c", 10);
    rig_run(rig);
    part(rig, "d", 4);
    rig_run(rig);
    assert_int_equal(rig_count(rig, "work.commands", "Undo"), 4);
    assert_int_equal(rig_total(rig, "a"), 0);
    assert_int_equal(rig_total(rig, "d"), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_aborted_process_is_undone_in_reverse),
        TEST(the_step_that_aborts_is_undone_too),
        TEST(the_first_ending_counts),
        TEST(an_abort_without_compensations_only_fails),
        TEST(a_rejected_compensation_does_not_end_the_unwinding),
        TEST(a_skipped_compensation_does_not_end_it_either),
        TEST(what_is_declared_after_the_failure_is_undone_at_once),
        TEST(two_chains_are_undone_side_by_side),
        TEST(what_is_declared_after_a_good_end_is_not_undone),
        TEST(what_undoes_is_not_undone),
        TEST(a_crash_while_it_is_undone_undoes_nothing_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
