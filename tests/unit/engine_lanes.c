/* Lanes: order within an entity, independence between entities, blocking handlers, limits of what waits. */
#include "engine_rig.h"
#include "store/partition.h"

#include <stdio.h>
#include <string.h>

static int setup(void **state)
{
    static struct rig rig;
    rig_new(&rig);
    *state = &rig;
    return 0;
}

static int teardown(void **state)
{
    rig_free(*state);
    return 0;
}

static int sleeps(struct edda_step *step, const void *message, const void *state)
{
    if (!edda_sleep(step, 1000))
        return 0; /* the step is dropped whatever is returned */
    return lift_lifted(step, message, state);
}

static void a_row_uses_no_more_threads_than_it_says(void **state)
{
    struct rig *rig = *state;
    rig_open(rig);
    script.on_lift = sleeps;
    for (int i = 0; i < 5; i++)
        rig_event(rig, &Lift, &(struct Lift){ .id = edda_text_of((const char *[]){ "a", "b", "c", "d", "e" }[i]), .n = 1 }, NULL);
    assert_int_equal(engine_turn(rig->engine, NULL) >= 0, 1);
    while (engine_turn(rig->engine, NULL) == 0)
        ;
    assert_int_equal(engine_running(rig->engine), 2);
    assert_false(engine_settled(rig->engine));
    int64_t from = rig_now(rig);
    rig_run(rig);
    assert_in_range(rig_now(rig) - from, 3000, 3100);
    assert_int_equal(rig_runs, 5);
}

static void a_message_that_was_removed_while_it_waited_is_over(void **state)
{
    struct rig *rig = *state;
    rig_open(rig);
    script.on_lift = sleeps;
    for (int64_t n = 1; n <= 3; n++)
        LIFT(rig, "a", n);
    LIFT(rig, "b", 4);
    while (engine_turn(rig->engine, NULL) == 0)
        ;
    assert_int_equal(journal_flush(rig->journal, false, NULL) >= 0, 1);
    while (io_jobs_wait(rig->io, 0) && io_jobs_finish(rig->io))
        ;
    struct store *store = journal_local_store(rig->journal);
    assert_int_equal(store_flush(store, NULL), 0);
    struct topic *topic = store_topic(store, slice_str(Lift.topic));
    for (uint32_t i = 0; i < topic->partition_count; i++)
        assert_int_equal(store_partition_truncate(store, topic, i, -1, NULL), 0);
    rig_run(rig);
    assert_int_equal(rig->failed, 0);
    assert_null(strstr(rig_ran, "lift a 2"));
    assert_null(strstr(rig_ran, "lift a 3"));
    LIFT(rig, "a", 5);
    rig_run(rig);
    assert_non_null(strstr(rig_ran, "lift a 5"));
}

static int sleeps_for_ever(struct edda_step *step, const void *message, const void *state)
{
    (void)message, (void)state;
    return edda_sleep(step, INT64_MAX) ? 0 : 1;
}

static void the_longest_sleep_is_long(void **state)
{
    struct rig *rig = *state;
    rig_open(rig);
    script.on_lift = sleeps_for_ever;
    LIFT(rig, "a", 1);
    while (engine_turn(rig->engine, NULL) == 0)
        ;
    assert_int_equal(engine_running(rig->engine), 1);
    int64_t sleep_ns = io_simulated_next_job_ns(rig->io) - io_clock_boot_ns(rig->io);
    assert_true(sleep_ns > INT64_C(9) * 365 * 24 * 3600 * 1000000000);
}

static void lanes_do_not_starve_each_other_of_threads(void **state)
{
    struct rig *rig = *state;
    rig_open(rig);
    script.on_lift = sleeps;
    for (int64_t n = 1; n <= 3; n++) {
        LIFT(rig, "a", n);
        LIFT(rig, "b", n);
    }
    LIFT(rig, "c", 9);
    rig_run(rig);
    const char *c = strstr(rig_ran, "lift c 9"), *last = strstr(rig_ran, "lift a 3");
    assert_non_null(c);
    assert_true(c < last);
    assert_true(strstr(rig_ran, "lift a 1") < strstr(rig_ran, "lift a 2"));
    assert_true(strstr(rig_ran, "lift a 2") < strstr(rig_ran, "lift a 3"));
    assert_int_equal(rig_loaded(rig, "a"), 6);
}

/* Lanes that wait for a thread, and then do not need one, give their turn to the next. */
static void one_that_expires_while_it_waits_lets_others_on(void **state)
{
    struct rig *rig = *state;
    rig_open(rig);
    script.on_lift = sleeps;
    LIFT(rig, "a", 1);
    LIFT(rig, "b", 1);
    int64_t soon = rig_now(rig) + 500;
    const char *const keys[] = { "c", "d", "e", "f", "g", "h" };
    for (int i = 0; i < 6; i++)
        rig_event_expiring(rig, &Lift, &(struct Lift){ .id = edda_text_of(keys[i]), .n = 1 }, NULL, i % 2 ? 0 : soon);
    rig_run(rig);
    assert_true(engine_settled(rig->engine));
    assert_int_equal(rig_runs, 2 + 3);
    assert_int_equal(rig_loaded(rig, "h"), 1);
}


static int lifts_what_it_sees(struct edda_step *step, const void *message, const void *state)
{
    const struct Lift *m = message;
    const struct load *l = state;
    int64_t before = l->total;
    edda_sleep(step, 100);
    assert_int_equal(l->total, before); /* a copy */
    return edda_emit(step, Lifted, .id = m->id, .n = before + 1);
}

static void a_step_is_run_again_when_its_state_moved(void **state)
{
    struct rig *rig = *state;
    rig_open(rig);
    script.on_lift = lifts_what_it_sees;
    for (int turned = 0; turned < 2; turned++) {
        rig_runs = 0;
        LIFT(rig, "a", 1);
        while (engine_turn(rig->engine, NULL) == 0)
            ;
        assert_int_equal(engine_running(rig->engine), 1);
        rig_event(rig, &Lifted, &(struct Lifted){ .id = T("a"), .n = 10 }, NULL);
        if (turned) /* else the engine has not yet seen it when the handler comes back */
            (void)engine_turn(rig->engine, NULL);
        else
            io_simulated_advance(rig->io, 200000000);
        rig_run(rig);
        assert_int_equal(rig_runs, 2);
    }
    assert_int_equal(rig_loaded(rig, "a"), (10 + 11) + 10 + 32);
}

static void a_stop_drops_sleeping_steps_for_the_next_start(void **state)
{
    struct rig *rig = *state;
    rig_open(rig);
    script.on_lift = sleeps;
    LIFT(rig, "a", 1);
    LIFT(rig, "a", 2);
    assert_int_equal(journal_flush(rig->journal, true, NULL), 0);
    io_shutdown(rig->io);
    rig_run(rig);
    engine_stop(rig->engine);
    rig_crash(rig, true);
    rig_run(rig);
    assert_int_equal(rig_loaded(rig, "a"), 3);
    assert_int_equal(rig_count(rig, "loads", "Lifted"), 2);
}

static int says_closed(struct edda_step *step, const void *message, const void *state)
{
    (void)step, (void)message, (void)state;
    return EDDA_ECLOSED;
}

static void a_handler_that_says_closed_has_failed(void **state)
{
    struct rig *rig = *state;
    rig_open(rig);
    script.on_do = script.on_ask = says_closed;
    assert_int_equal(DO(rig, "a", 1, NULL)->code, EDDA_ECLOSED);
    ASK(rig, "b", 1);
    rig_pass(rig, 20000);
    assert_int_equal(rig_held(rig, "b"), 1);
    assert_true(engine_settled(rig->engine));
}

static int sleeps_inline(struct edda_step *step, const void *message, const void *state)
{
    (void)edda_sleep(step, 10);
    return ask_done(step, message, state);
}

static void a_handler_that_is_not_blocking_must_not_sleep(void **state)
{
    struct rig *rig = *state;
    rig_open(rig);
    script.on_ask = sleeps_inline;
    ASK(rig, "a", 1);
    rig_pass(rig, 20000);
    assert_int_equal(rig_held(rig, "a"), 1);
    assert_int_equal(rig_count(rig, "work", NULL), 0);
}

static void what_waits_is_limited(void **state)
{
    struct rig *rig = *state;
    rig->pending_max = 4;
    rig_open(rig);
    script.on_lift = sleeps;
    for (int64_t n = 0; n < 20; n++)
        LIFT(rig, "a", 1);
    for (int64_t n = 0; n < 20; n++)
        ASK(rig, "a", 1);
    while (engine_turn(rig->engine, NULL) == 0)
        ;
    struct engine_service_info info;
    assert_true(engine_service(rig->engine, 1, &info));
    assert_int_equal(info.pending, 4);
    assert_true(info.lag > 0);
    assert_int_equal(rig_total(rig, "a"), 20); /* others do not wait for it */
    journal_flush(rig->journal, true, NULL);
    rig_crash(rig, false);
    rig_run(rig);
    assert_int_equal(rig_loaded(rig, "a"), 20);
    assert_true(engine_settled(rig->engine));
    assert_true(engine_service(rig->engine, 1, &info));
    assert_int_equal(info.pending, 0);
    assert_int_equal(info.lag, 0);
    LIFT(rig, "a", 1); /* it is in step again */
    rig_run(rig);
    assert_int_equal(rig_loaded(rig, "a"), 21);
}

static void messages_of_one_entity_are_handled_in_order_over_crashes(void **state)
{
    struct rig *rig = *state;
    for (uint64_t cut = 1; cut < 40; cut++) {
        rig_open(rig);
        rig_ran[0] = '\0';
        for (int64_t n = 1; n <= 6; n++) {
            ASK(rig, "a", n);
            LIFT(rig, "a", n);
        }
        assert_int_equal(journal_flush(rig->journal, true, NULL), 0);
        io_simulated_cut_after(rig->io, cut);
        rig_run(rig);
        rig_crash(rig, cut % 3 == 0);
        rig_run(rig);
        const struct tally *t = rig_tally(rig, "a");
        assert_int_equal(t->count, 6);
        for (uint32_t i = 0; i < 6; i++)
            assert_int_equal(((const int64_t *)t->numbers.items)[i], i + 1);
        assert_int_equal(rig_loaded(rig, "a"), 21);
        rig_free(rig);
        rig_new(rig);
    }
    rig_open(rig);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_row_uses_no_more_threads_than_it_says),
        TEST(a_message_that_was_removed_while_it_waited_is_over),
        TEST(the_longest_sleep_is_long),
        TEST(lanes_do_not_starve_each_other_of_threads),
        TEST(one_that_expires_while_it_waits_lets_others_on),
        TEST(a_step_is_run_again_when_its_state_moved),
        TEST(a_stop_drops_sleeping_steps_for_the_next_start),
        TEST(a_handler_that_says_closed_has_failed),
        TEST(a_handler_that_is_not_blocking_must_not_sleep),
        TEST(what_waits_is_limited),
        TEST(messages_of_one_entity_are_handled_in_order_over_crashes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
