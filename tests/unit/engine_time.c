/* Time: pauses, deadlines, expiry, over restarts. */
#include "engine_rig.h"

#include <stdio.h>
#include <string.h>

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

static const char *deadline_name = "d";

/* n: after so many milliseconds; 0: cancel. */
static int sets(struct edda_step *step, const void *message, const void *state)
{
    const struct Do *m = message;
    (void)state;
    if (m->n == 0)
        return edda_deadline_cancel(step, deadline_name);
    return edda_deadline_set(step, deadline_name, edda_now_ms(step) + m->n, Tick, .id = m->id, .n = m->n);
}

static void a_deadline_fires_once_at_its_time(void **state)
{
    struct rig *rig = *state;
    script.on_do = sets;
    int64_t from = rig_now(rig);
    assert_int_equal(DO(rig, "a", 500, NULL)->code, 0);
    assert_int_equal(engine_deadline_count(rig->engine, NULL), 1);
    assert_in_range(rig_run(rig), from + 500, from + 510);
    rig_pass(rig, 490);
    assert_int_equal(rig_total(rig, "a"), 0);
    rig_pass(rig, 20);
    assert_int_equal(rig_total(rig, "a"), 500);
    assert_int_equal(engine_deadline_count(rig->engine, &worker), 0);
    rig_crash(rig, false);
    rig_pass(rig, 5000);
    assert_int_equal(rig_total(rig, "a"), 500);
    assert_int_equal(rig_count(rig, "ticks", "Tick"), 1);
}

static void the_same_name_moves_it(void **state)
{
    struct rig *rig = *state;
    script.on_do = sets;
    assert_int_equal(DO(rig, "a", 500, NULL)->code, 0);
    assert_int_equal(DO(rig, "b", 400, NULL)->code, 0);
    assert_int_equal(DO(rig, "a", 900, NULL)->code, 0);
    deadline_name = "e";
    assert_int_equal(DO(rig, "a", 300, NULL)->code, 0);
    deadline_name = "d";
    assert_int_equal(engine_deadline_count(rig->engine, NULL), 3);
    rig_crash(rig, false);
    rig_pass(rig, 600);
    assert_int_equal(rig_total(rig, "a"), 300);
    assert_int_equal(rig_total(rig, "b"), 400);
    rig_pass(rig, 400);
    assert_int_equal(rig_total(rig, "a"), 1200);
}

static void it_can_be_cancelled(void **state)
{
    struct rig *rig = *state;
    script.on_do = sets;
    assert_int_equal(DO(rig, "a", 500, NULL)->code, 0);
    assert_int_equal(DO(rig, "a", 0, NULL)->code, 0);
    assert_int_equal(DO(rig, "a", 0, NULL)->code, 0); /* there is none: nothing happens */
    rig_pass(rig, 1000);
    assert_int_equal(rig_total(rig, "a"), 0);
    assert_int_equal(engine_deadline_count(rig->engine, NULL), 0);
}

static int sets_and_cancels(struct edda_step *step, const void *message, const void *state)
{
    const struct Do *m = message;
    (void)state;
    edda_deadline_set(step, "x", edda_now_ms(step) + 100, Tick, .id = m->id, .n = 1);
    edda_deadline_cancel(step, "x");
    edda_deadline_set(step, "y", edda_now_ms(step) + 100, Tick, .id = m->id, .n = 2);
    return edda_deadline_set(step, "y", edda_now_ms(step) + 200, Tick, .id = m->id, .n = 4);
}

static void in_one_step_the_last_word_counts(void **state)
{
    struct rig *rig = *state;
    script.on_do = sets_and_cancels;
    assert_int_equal(DO(rig, "a", 1, NULL)->code, 0);
    rig_pass(rig, 150);
    assert_int_equal(rig_total(rig, "a"), 0);
    rig_pass(rig, 100);
    assert_int_equal(rig_total(rig, "a"), 4);
}

struct listing {
    char text[512];
    int64_t due_ms[8], set_ms[8];
    int count;
};

static int list_one(void *user, const struct edda_deadline_info *d, struct slice type, struct slice json)
{
    struct listing *listing = user;
    assert_true(slice_eq_str(type, "Tick"));
    assert_int_equal(json.data[0], '{');
    strncat(listing->text, d->id.data, d->id.len);
    strncat(listing->text, " ", 2);
    assert_true(edda_text_is(d->service, "worker"));
    assert_ptr_equal(d->type, &Tick);
    assert_int_equal(d->key.len, 1);
    assert_true(edda_text_is(d->name, "d"));
    listing->due_ms[listing->count] = d->due_ms;
    listing->set_ms[listing->count++] = d->set_ms;
    return 0;
}

static void they_are_listed_moved_and_cancelled_by_an_operator(void **state)
{
    struct rig *rig = *state;
    script.on_do = sets;
    DO(rig, "a", 500, NULL);
    DO(rig, "b", 400, NULL);
    DO(rig, "c", 300, NULL);
    struct listing all = { .count = 0 };
    assert_int_equal(engine_deadlines(rig->engine, NULL, 0, 10, list_one, &all), 0);
    assert_string_equal(all.text, "worker/a/d worker/b/d worker/c/d ");
    int64_t due = rig_now(rig) + 2000;
    assert_int_equal(engine_deadline_move(rig->engine, SLICE("worker/a/d"), due, NULL), 0);
    assert_int_equal(engine_deadline_cancel(rig->engine, SLICE("worker/b/d"), NULL), 0);
    assert_int_equal(engine_deadline_cancel(rig->engine, SLICE("worker/b/d"), NULL), EDDA_ENOTFOUND);
    assert_int_equal(engine_deadline_move(rig->engine, SLICE("worker/x/d"), due, NULL), EDDA_ENOTFOUND);
    rig_run(rig);
    for (int round = 0; round < 2; round++) {
        struct listing moved = { .count = 0 };
        assert_int_equal(engine_deadlines(rig->engine, &worker, 0, 10, list_one, &moved), 0);
        assert_int_equal(moved.count, 2);
        int at = moved.due_ms[0] == due ? 0 : 1;
        assert_int_equal(moved.due_ms[at], due);
        assert_int_equal(moved.set_ms[at], all.set_ms[0]);
        rig_crash(rig, false);
    }
    rig_pass(rig, 1000);
    assert_int_equal(rig_total(rig, "a"), 0);
    assert_int_equal(rig_total(rig, "b"), 0);
    assert_int_equal(rig_total(rig, "c"), 300);
    rig_pass(rig, 1500);
    assert_int_equal(rig_total(rig, "a"), 500);
}

static void one_moved_to_before_1970_fires_at_once(void **state)
{
    struct rig *rig = *state;
    script.on_do = sets;
    for (int i = 0; i < 600; i++) {
        char key[8], id[24];
        int len = snprintf(key, sizeof key, "k%d", i);
        rig_call(rig, &Do, &(struct Do){ .id = { key, (size_t)len }, .n = 1000 }, NULL);
        len = snprintf(id, sizeof id, "worker/%s/d", key);
        int64_t due = i % 2 ? -1 - i : INT64_MIN + i;
        assert_int_equal(engine_deadline_move(rig->engine, slice_of(id, (size_t)len), due, NULL), 0);
    }
    rig_run(rig);
    assert_int_equal(rig->failed, 0);
    assert_int_equal(rig_count(rig, "ticks", "Tick"), 600);
    assert_int_equal(engine_deadline_count(rig->engine, NULL), 0);
}

static int list_unknown(void *user, const struct edda_deadline_info *d, struct slice type, struct slice json)
{
    assert_null(d->type);
    assert_null(d->message);
    assert_true(slice_eq_str(type, "Tick"));
    assert_true(slice_eq_str(json, "{\"id\":\"a\",\"n\":500}"));
    ++*(int *)user;
    return 0;
}

static void one_whose_message_is_no_longer_declared_is_listed(void **state)
{
    struct rig *rig = *state;
    int count = 0;
    script.on_do = sets;
    assert_int_equal(DO(rig, "a", 500, NULL)->code, 0);
    rig_close(rig);
    rig->services[0] = &lifter;
    rig->services[1] = NULL;
    rig_open(rig);
    assert_int_equal(engine_deadlines(rig->engine, NULL, 0, 10, list_unknown, &count), 0);
    assert_int_equal(count, 1);
    assert_int_equal(engine_deadline(rig->engine, SLICE("worker/a/d"), list_unknown, &count), 0);
    assert_int_equal(count, 2);
}

/* An older release, started for a while, must not end what it does not know. */
static void one_whose_message_is_no_longer_declared_waits_for_who_knows_it(void **state)
{
    struct rig *rig = *state;
    script.on_do = sets;
    DO(rig, "a", 500, NULL);
    rig_close(rig);
    rig->services[0] = &lifter;
    rig->services[1] = NULL;
    rig_open(rig);
    rig_pass(rig, 2000);
    assert_string_equal(rig->log, "deadline.unknown");
    assert_int_equal(engine_deadline_count(rig->engine, NULL), 1);
    rig_close(rig);
    rig->services[0] = &worker;
    rig_open(rig);
    rig_pass(rig, 1000);
    assert_int_equal(rig_count(rig, "ticks", "Tick"), 1);
    assert_int_equal(engine_deadline_count(rig->engine, NULL), 0);
}

static void one_that_fell_due_while_nobody_ran_fires_late(void **state)
{
    struct rig *rig = *state;
    script.on_do = sets;
    DO(rig, "a", 500, NULL);
    for (int good = 0; good < 2; good++) {
        if (good)
            rig_close(rig);
        io_simulated_advance(rig->io, INT64_C(3600000000000));
        if (good)
            rig_open(rig);
        else
            rig_crash(rig, false);
        rig_run(rig);
        assert_int_equal(rig_total(rig, "a"), 500);
    }
}

static void deadlines_of_a_paused_service_wait(void **state)
{
    struct rig *rig = *state;
    script.on_do = sets;
    DO(rig, "a", 500, NULL);
    DO(rig, "b", 600, NULL);
    assert_int_equal(engine_pause(rig->engine, SLICE("worker"), true, NULL), 0);
    rig_pass(rig, 550);
    rig_crash(rig, false);
    rig_pass(rig, 550);
    assert_int_equal(rig_count(rig, "ticks", "Tick"), 0);
    assert_int_equal(rig_run(rig), INT64_MAX);
    assert_int_equal(engine_deadline_cancel(rig->engine, SLICE("worker/b/d"), NULL), 0);
    rig_close(rig);
    rig_open(rig);
    rig_pass(rig, 100);
    assert_int_equal(rig_count(rig, "ticks", "Tick"), 0);
    assert_int_equal(engine_pause(rig->engine, SLICE("worker"), false, NULL), 0);
    rig_run(rig);
    assert_int_equal(rig_total(rig, "a"), 500);
    assert_int_equal(rig_total(rig, "b"), 0);
}

static void a_paused_service_goes_on_where_it_was(void **state)
{
    struct rig *rig = *state;
    ASK(rig, "a", 1);
    rig_run(rig);
    assert_int_equal(engine_pause(rig->engine, SLICE("worker"), true, NULL), 0);
    ASK(rig, "a", 2);
    LIFT(rig, "a", 3);
    rig_run(rig);
    assert_int_equal(rig_total(rig, "a"), 1);
    assert_int_equal(rig_loaded(rig, "a"), 3); /* others go on */
    rig_crash(rig, false);
    ASK(rig, "a", 4);
    rig_run(rig);
    assert_int_equal(rig_total(rig, "a"), 1);
    assert_int_equal(engine_pause(rig->engine, SLICE("worker"), false, NULL), 0);
    rig_run(rig);
    assert_int_equal(rig_total(rig, "a"), 7);
    assert_true(engine_settled(rig->engine));
    rig_close(rig);
    rig_open(rig);
    rig_run(rig);
    assert_int_equal(rig_total(rig, "a"), 7);
}

static void paused_before_its_first_message_it_misses_none(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(engine_pause(rig->engine, SLICE("worker"), true, NULL), 0);
    ASK(rig, "a", 2);
    LIFT(rig, "a", 3);
    rig_run(rig);
    rig_crash(rig, false);
    rig_run(rig);
    rig_close(rig);
    rig_open(rig);
    assert_int_equal(engine_pause(rig->engine, SLICE("worker"), false, NULL), 0);
    rig_run(rig);
    assert_int_equal(rig_total(rig, "a"), 2);
    assert_int_equal(rig_loaded(rig, "a"), 3);
}

static void expired_messages_are_not_handled(void **state)
{
    struct rig *rig = *state;
    int64_t now = rig_now(rig);
    rig_event_expiring(rig, &Ask, &(struct Ask){ .id = T("a"), .n = 1 }, NULL, now - 1);
    rig_event_expiring(rig, &Ask, &(struct Ask){ .id = T("a"), .n = 2 }, NULL, now + 100000);
    rig_event_expiring(rig, &Tick, &(struct Tick){ .id = T("a"), .n = 4 }, NULL, now - 1); /* its row is .late */
    rig_run(rig);
    assert_int_equal(rig_total(rig, "a"), 6);
    assert_int_equal(rig_runs, 2 + 2);
    assert_int_equal(rig_count(rig, TOPIC_SKIPS, "Ask"), 1);
    assert_int_equal(rig_cloudevent(rig, "work", "Done", 0).expiry_ms, 0); /* Done does not expire */
}

static int passes_on(struct edda_step *step, const void *message, const void *state)
{
    const struct Do *m = message;
    (void)state;
    edda_expire_at(step, edda_now_ms(step) + 50);
    return edda_emit(step, Ask, .id = m->id, .n = m->n);
}

static int ask_again(struct edda_step *step, const void *message, const void *state)
{
    const struct Ask *m = message;
    (void)state;
    return m->n == 1 ? edda_emit(step, Ask, .id = m->id, .n = 2) : edda_emit(step, Done, .id = m->id, .n = m->n);
}

static void an_expiry_is_passed_on_to_what_expires(void **state)
{
    struct rig *rig = *state;
    script.on_do = passes_on;
    script.on_ask = ask_again;
    assert_int_equal(DO(rig, "a", 1, NULL)->code, 0);
    int64_t expiry = rig_cloudevent(rig, "inbox", "Ask", 0).expiry_ms;
    assert_true(expiry > 0);
    assert_int_equal(rig_cloudevent(rig, "inbox", "Ask", 1).expiry_ms, expiry);
    assert_int_equal(rig_total(rig, "a"), 2);
}

static int sleeps_100(struct edda_step *step, const void *message, const void *state)
{
    if (!edda_sleep(step, 100))
        return EDDA_ECLOSED;
    return lift_lifted(step, message, state);
}

static void what_expires_while_it_is_handled_is_skipped_at_the_end(void **state)
{
    struct rig *rig = *state;
    script.on_lift = sleeps_100;
    rig_event_expiring(rig, &Lift, &(struct Lift){ .id = T("a"), .n = 1 }, NULL, rig_now(rig) + 50);
    rig_event_expiring(rig, &Lift, &(struct Lift){ .id = T("b"), .n = 2 }, NULL, rig_now(rig) + 5000);
    rig_run(rig);
    assert_int_equal(rig_runs, 2);
    assert_int_equal(rig_loaded(rig, "a"), 0);
    assert_int_equal(rig_loaded(rig, "b"), 2);
    assert_int_equal(rig_count(rig, TOPIC_SKIPS, "Lift"), 1);
}

static void a_failed_step_that_has_expired_meanwhile_is_skipped(void **state)
{
    struct rig *rig = *state;
    script.on_ask = do_fail;
    rig_event_expiring(rig, &Ask, &(struct Ask){ .id = T("a"), .n = 1 }, NULL, rig_now(rig) + 500);
    rig_pass(rig, 10000);
    assert_int_equal(rig_held(rig, "a"), 0);
    assert_int_equal(rig_count(rig, TOPIC_SKIPS, "Ask"), 1);
    assert_int_equal(rig_runs, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_deadline_fires_once_at_its_time),
        TEST(the_same_name_moves_it),
        TEST(it_can_be_cancelled),
        TEST(in_one_step_the_last_word_counts),
        TEST(they_are_listed_moved_and_cancelled_by_an_operator),
        TEST(one_moved_to_before_1970_fires_at_once),
        TEST(one_whose_message_is_no_longer_declared_is_listed),
        TEST(one_whose_message_is_no_longer_declared_waits_for_who_knows_it),
        TEST(one_that_fell_due_while_nobody_ran_fires_late),
        TEST(deadlines_of_a_paused_service_wait),
        TEST(a_paused_service_goes_on_where_it_was),
        TEST(paused_before_its_first_message_it_misses_none),
        TEST(expired_messages_are_not_handled),
        TEST(an_expiry_is_passed_on_to_what_expires),
        TEST(what_expires_while_it_is_handled_is_skipped_at_the_end),
        TEST(a_failed_step_that_has_expired_meanwhile_is_skipped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
