/* Schedules: messages again and again, from a table or from a handler, over restarts, never twice for one time and never later and later. */
#include "engine_rig.h"

#include <stdio.h>
#include <string.h>

#include "edda/test.h"

static struct edda_service timed;
static struct edda_schedule table[4];

static int setup(void **state)
{
    static struct rig rig;
    rig_new(&rig);
    timed = worker;
    memset(table, 0, sizeof table);
    memcpy(rig.services, (const struct edda_service *[4]){ &timed, NULL }, sizeof rig.services);
    *state = &rig;
    return 0;
}

static int teardown(void **state)
{
    rig_free(*state);
    return 0;
}

static void use_table(const struct edda_schedule *a, const struct edda_schedule *b)
{
    memset(table, 0, sizeof table);
    if (a)
        table[0] = *a;
    if (b)
        table[1] = *b;
    timed.schedules = table;
}

static const struct edda_schedule every_second = EDDA_SCHEDULE("beat", "every 1s", Tick, .id = EDDA_STATIC_TEXT("a"), .n = 1);
static const struct edda_schedule hourly = EDDA_SCHEDULE("bell", "0 * * * *", Tick, .id = EDDA_STATIC_TEXT("b"), .n = 1);
static const struct edda_schedule slower = EDDA_SCHEDULE("beat", "every 10s", Tick, .id = EDDA_STATIC_TEXT("a"), .n = 1);
static const struct edda_schedule other = EDDA_SCHEDULE("beat", "every 10s", Tick, .id = EDDA_STATIC_TEXT("a"), .n = 100);

static int64_t total(struct rig *rig, const char *key)
{
    const struct tally *t = engine_state(rig->engine, &timed, slice_str(key));
    return t ? t->total : 0;
}

struct listing {
    int count;
    int64_t due_ms, set_ms;
    char id[64], repeats[64];
};

static int list_one(void *user, const struct edda_deadline_info *d, struct slice type, struct slice json)
{
    struct listing *listing = user;
    (void)type, (void)json;
    listing->count++;
    listing->due_ms = d->due_ms;
    listing->set_ms = d->set_ms;
    (void)snprintf(listing->id, sizeof listing->id, "%.*s", (int)d->id.len, d->id.data);
    (void)snprintf(listing->repeats, sizeof listing->repeats, "%.*s", (int)d->repeats.len, d->repeats.data);
    return 0;
}

static struct listing the_deadline(struct rig *rig)
{
    struct listing listing = { 0 };
    assert_int_equal(engine_deadlines(rig->engine, NULL, 0, 10, list_one, &listing), 0);
    return listing;
}

static void one_of_a_table_happens_from_the_start_on(void **state)
{
    struct rig *rig = *state;
    use_table(&every_second, &hourly);
    rig_open(rig);
    int64_t from = rig_now(rig);
    assert_in_range(rig_run(rig), from + 1000, from + 1010);
    assert_int_equal(engine_deadline_count(rig->engine, &timed), 2);
    rig_pass(rig, 5500);
    assert_int_equal(total(rig, "a"), 5);
    assert_int_equal(total(rig, "b"), 0);
    rig_pass(rig, 3600000);
    assert_int_equal(total(rig, "b"), 1);
    assert_int_equal(engine_deadline_count(rig->engine, &timed), 2);
    assert_true(engine_only_repeats(rig->engine));
}

/* The machine dies at any time: each time happens once. */
static void over_restarts_no_time_is_doubled_or_lost(void **state)
{
    struct rig *rig = *state;
    use_table(&every_second, NULL);
    rig_open(rig);
    rig_run(rig);
    int64_t first = the_deadline(rig).due_ms;
    for (int i = 0; i < 20; i++) {
        rig_pass(rig, 777);
        rig_crash(rig, i % 2 == 0);
    }
    rig_run(rig);
    int64_t now = rig_now(rig);
    assert_int_equal(total(rig, "a"), (now - first) / 1000 + 1);
    assert_int_equal(the_deadline(rig).due_ms, first + total(rig, "a") * 1000);
    assert_int_equal(rig_count(rig, "ticks", "Tick"), total(rig, "a"));
}

static void what_was_missed_happens_once_then_in_time(void **state)
{
    struct rig *rig = *state;
    use_table(&every_second, NULL);
    rig_open(rig);
    rig_run(rig);
    int64_t first = the_deadline(rig).due_ms;
    rig_pass(rig, 2100);
    assert_int_equal(total(rig, "a"), 2);
    for (int good = 0; good < 2; good++) {
        if (good)
            rig_close(rig);
        io_simulated_advance(rig->io, INT64_C(3600400000000));
        if (good)
            rig_open(rig);
        else
            rig_crash(rig, false);
        rig_run(rig);
        assert_int_equal(total(rig, "a"), 3 + good);
    }
    int64_t due = the_deadline(rig).due_ms;
    assert_int_equal((due - first) % 1000, 0);
    assert_in_range(due, rig_now(rig) + 1, rig_now(rig) + 1000);
    rig_pass(rig, due - rig_now(rig));
    assert_int_equal(total(rig, "a"), 5);
}

static void a_changed_row_begins_anew_and_one_that_is_gone_ends(void **state)
{
    struct rig *rig = *state;
    use_table(&every_second, &hourly);
    rig_open(rig);
    rig_pass(rig, 1100);
    assert_int_equal(total(rig, "a"), 1);
    /* The same table: nothing is recorded. */
    uint64_t records = rig_count(rig, TOPIC_DEADLINES, NULL);
    rig_close(rig);
    rig_open(rig);
    rig_run(rig);
    assert_int_equal(rig_count(rig, TOPIC_DEADLINES, NULL), records);
    rig_close(rig);
    use_table(&slower, NULL);
    rig_open(rig);
    rig_run(rig);
    assert_int_equal(engine_deadline_count(rig->engine, NULL), 1);
    assert_string_equal(the_deadline(rig).repeats, "every 10s");
    rig_pass(rig, 9900);
    assert_int_equal(total(rig, "a"), 1);
    rig_pass(rig, 200);
    assert_int_equal(total(rig, "a"), 2);
    rig_close(rig);
    use_table(&other, NULL);
    rig_open(rig);
    rig_pass(rig, 10100);
    assert_int_equal(total(rig, "a"), 102);
    rig_close(rig);
    timed.schedules = NULL;
    rig_open(rig);
    rig_pass(rig, 60000);
    assert_int_equal(engine_deadline_count(rig->engine, NULL), 0);
    assert_int_equal(total(rig, "a"), 102);
}

static void an_operator_moves_and_cancels(void **state)
{
    struct rig *rig = *state;
    use_table(&hourly, NULL);
    rig_open(rig);
    rig_run(rig);
    struct listing before = the_deadline(rig);
    assert_string_equal(before.id, "worker/b/bell");
    assert_string_equal(before.repeats, "0 * * * *");
    assert_int_equal(before.due_ms % 3600000, 0);
    /* Earlier: its regular time is not a second time. */
    assert_int_equal(engine_deadline_move(rig->engine, SLICE("worker/b/bell"), before.due_ms - 60000, NULL), 0);
    rig_run(rig);
    rig_crash(rig, false);
    rig_pass(rig, before.due_ms - 30000 - rig_now(rig));
    assert_int_equal(total(rig, "b"), 1);
    struct listing after = the_deadline(rig);
    assert_int_equal(after.due_ms, before.due_ms + 3600000);
    assert_int_equal(after.set_ms, before.set_ms);
    assert_string_equal(after.repeats, "0 * * * *");
    /* Later: it goes on at the next regular time after that. */
    assert_int_equal(engine_deadline_move(rig->engine, SLICE("worker/b/bell"), after.due_ms + 3600000 + 60000, NULL), 0);
    assert_int_equal(engine_deadline_move(rig->engine, SLICE("worker/b/bell"), after.due_ms + 3600000 + 120000, NULL), 0);
    rig_pass(rig, after.due_ms + 3600000 + 120500 - rig_now(rig));
    assert_int_equal(total(rig, "b"), 2);
    assert_int_equal(the_deadline(rig).due_ms, after.due_ms + 2 * 3600000);
    /* A row from the table is not set again because it was moved, and comes back when it was cancelled. */
    rig_close(rig);
    rig_open(rig);
    rig_run(rig);
    assert_int_equal(the_deadline(rig).due_ms, after.due_ms + 2 * 3600000);
    assert_int_equal(engine_deadline_cancel(rig->engine, SLICE("worker/b/bell"), NULL), 0);
    rig_run(rig);
    assert_int_equal(engine_deadline_count(rig->engine, NULL), 0);
    rig_close(rig);
    rig_open(rig);
    rig_run(rig);
    assert_int_equal(engine_deadline_count(rig->engine, NULL), 1);
}

static const char *words = "every 500ms";

/* n: 1 sets, 2 cancels, 3 sets a deadline of the same name. */
static int schedules(struct edda_step *step, const void *message, const void *state)
{
    const struct Do *m = message;
    (void)state;
    if (m->n == 2)
        return edda_deadline_cancel(step, "again");
    if (m->n == 3)
        return edda_deadline_set(step, "again", edda_now_ms(step) + 500, Tick, .id = m->id, .n = 1);
    return edda_schedule_set(step, "again", words, Tick, .id = m->id, .n = 1);
}

static void a_handler_sets_moves_and_ends_one(void **state)
{
    struct rig *rig = *state;
    script.on_do = schedules;
    rig_open(rig);
    assert_int_equal(DO(rig, "a", 1, "process")->code, 0);
    assert_string_equal(the_deadline(rig).repeats, "every 500ms");
    rig_pass(rig, 1250);
    assert_int_equal(total(rig, "a"), 2);
    rig_crash(rig, false);
    rig_pass(rig, 300);
    assert_int_equal(total(rig, "a"), 3);
    struct cloudevent first = rig_cloudevent(rig, "ticks", "Tick", 0), second = rig_cloudevent(rig, "ticks", "Tick", 1);
    assert_false(slice_eq(first.id, second.id));
    assert_true(slice_eq_str(second.correlation, "process"));
    assert_int_equal(DO(rig, "a", 3, NULL)->code, 0);
    rig_pass(rig, 5000);
    assert_int_equal(total(rig, "a"), 4);
    assert_int_equal(engine_deadline_count(rig->engine, NULL), 0);
    assert_int_equal(DO(rig, "a", 1, NULL)->code, 0);
    rig_pass(rig, 600);
    assert_int_equal(DO(rig, "a", 2, NULL)->code, 0);
    rig_pass(rig, 5000);
    assert_int_equal(total(rig, "a"), 5);
    words = "every 5x";
    struct engine_call *call = DO(rig, "a", 1, NULL);
    words = "every 500ms";
    assert_int_equal(call->code, EDDA_EINVAL);
    assert_non_null(strstr(call->error.message, "every: is followed by a duration"));
}

static void the_times_of_a_paused_service_wait_and_happen_once(void **state)
{
    struct rig *rig = *state;
    use_table(&every_second, NULL);
    rig_open(rig);
    rig_pass(rig, 1100);
    assert_int_equal(engine_pause(rig->engine, SLICE("worker"), true, NULL), 0);
    rig_pass(rig, 10000);
    assert_int_equal(rig_count(rig, "ticks", "Tick"), 1);
    assert_int_equal(engine_pause(rig->engine, SLICE("worker"), false, NULL), 0);
    rig_run(rig);
    assert_int_equal(rig_count(rig, "ticks", "Tick"), 2);
    rig_pass(rig, 1000);
    assert_int_equal(rig_count(rig, "ticks", "Tick"), 3);
}

static void wrong_tables_are_refused(void **state)
{
    struct rig *rig = *state;
    static const struct Tick good = { .id = EDDA_STATIC_TEXT("a"), .n = 1 }, empty = { .n = 1 };
    static const struct Do ranged = { .id = EDDA_STATIC_TEXT("a"), .n = 5000 };
    static const struct { struct edda_schedule rows[3]; const char *says; } cases[] = {
        { { { "x", "61 * * * *", &Tick, &good, NULL } }, "schedule x of service worker: minute: 61 is not" },
        { { { "x", NULL, &Tick, &good, NULL } }, "schedule x of service worker: says not how it repeats" },
        { { { "x/y", "every 1s", &Tick, &good, NULL } }, "whose name is not of 1 to 128 bytes without '/': x/y" },
        { { { "x", "every 1s", &Tick, &good, NULL }, { "x", "every 2s", &Tick, &good, NULL } }, "two schedules named x" },
        { { { "x", "every 1s", NULL, &good, NULL } }, "schedule x of service worker has no message" },
        { { { "x", "every 1s", &Tick, NULL, NULL } }, "schedule x of service worker has no message" },
        { { { "x", "every 1s", &Told, &good, NULL } }, "message type Told names no topic" },
        { { { "x", "every 1s", &Tick, &empty, NULL } }, "schedule x of service worker has a key of 0" },
        { { { "x", "every 1s", &Do, &ranged, NULL } }, "schedule x of service worker: n: " },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct edda_error error = { 0 };
        timed.schedules = cases[i].rows;
        assert_int_equal(rig_try_open(rig, &error), EDDA_EINVAL);
        if (!strstr(error.message, cases[i].says))
            fail_msg("%s", error.message);
        journal_close(rig->journal, true);
        rig->journal = NULL;
    }
}

static void the_test_kit_knows_them(void **state)
{
    (void)state;
    script.on_do = schedules;
    struct edda_test *t = edda_test_new(&worker);
    edda_when(t, Do, .id = T("a"), .n = 1);
    edda_then_schedule(t, "again", "every 500ms", Tick, .id = T("a"), .n = 1);
    edda_then_nothing(t);
    edda_when(t, Do, .id = T("a"), .n = 3);
    edda_then_deadline(t, "again", 500, Tick, .id = T("a"), .n = 1);
    edda_when(t, Do, .id = T("a"), .n = 1);
    edda_then_deadline(t, "again", 500, Tick, .id = T("a"), .n = 1); /* it is none */
    assert_int_equal(edda_test_end(t), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_of_a_table_happens_from_the_start_on),
        TEST(over_restarts_no_time_is_doubled_or_lost),
        TEST(what_was_missed_happens_once_then_in_time),
        TEST(a_changed_row_begins_anew_and_one_that_is_gone_ends),
        TEST(an_operator_moves_and_cancels),
        TEST(a_handler_sets_moves_and_ends_one),
        TEST(the_times_of_a_paused_service_wait_and_happen_once),
        TEST(wrong_tables_are_refused),
        TEST(the_test_kit_knows_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
