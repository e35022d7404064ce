/*
 * A full disk, with a progress record too large for what room is left: steps must not become durable without the record that tells of them, or
 * they are run again after a crash.
 */
#include "engine_rig.h"

#include <stdio.h>

#define PENDING 1500
#define ASKS_MAX 5000
#define VARIANTS 60

static int sleeps(struct edda_step *step, const void *message, const void *state)
{
    return edda_sleep(step, 100000000) ? lift_lifted(step, message, state) : 0;
}

static void flush_some(struct rig *rig)
{
    for (int i = 0; i < 3; i++) {
        (void)journal_flush(rig->journal, true, NULL);
        io_simulated_advance(rig->io, 2000000);
        (void)io_jobs_finish(rig->io);
    }
}

static void turn_to_rest(struct rig *rig)
{
    while (engine_turn(rig->engine, NULL) == 0)
        ;
}

/* An event from outside, as small as may be; false when the journal takes no more. */
static bool ask(struct rig *rig)
{
    struct journal_message m = { .key = SLICE("b"), .value = SLICE("{\"id\":\"b\",\"n\":1}") };
    uint64_t position;
    m.event = (struct cloudevent){ .type = SLICE("Ask"), .source = SLICE("o") };
    assert_int_equal(journal_topic(rig->journal, "inbox", 0, &m.topic, NULL), 0);
    return journal_append(rig->journal, NULL, &m, 1, &position, NULL) == 0;
}

static void a_full_disk_runs_nothing_twice(void **state)
{
    (void)state;
    static struct rig rig;
    for (int variant = 0; variant < VARIANTS; variant++) {
        rig_new(&rig);
        rig.store.log.segment_bytes = UINT64_C(64) << 10;
        rig_open(&rig);
        script.on_lift = sleeps;
        for (int i = 0; i < PENDING; i++)
            LIFT(&rig, "a", 1);
        for (int i = 0; i < 50; i++) {
            turn_to_rest(&rig);
            flush_some(&rig);
        }
        io_simulated_set_capacity(rig.io, 1);
        for (int i = 0; i < ASKS_MAX && ask(&rig); i++) {
            turn_to_rest(&rig);
            if (i % (1 + variant) == 0)
                flush_some(&rig);
        }
        flush_some(&rig);
        io_simulated_set_capacity(rig.io, UINT64_C(64) << 20);
        script.on_lift = lift_lifted;
        rig_crash(&rig, false);
        rig_run(&rig);
        assert_int_equal(rig_total(&rig, "b"), (int64_t)rig_count(&rig, "inbox", "Ask"));
        rig_free(&rig);
    }
}

static int sets(struct edda_step *step, const void *message, const void *state)
{
    const struct Do *m = message;
    (void)state;
    return edda_deadline_set(step, "d", edda_now_ms(step) + 1000, Tick, .id = m->id, .n = 1);
}

/* The time when the engine wants its turn is no code, however long ago that is. */
static void a_deadline_of_before_1970_waits_for_room(void **state)
{
    (void)state;
    static struct rig rig;
    rig_new(&rig);
    rig.store.log.segment_bytes = UINT64_C(64) << 10;
    rig_open(&rig);
    script.on_do = sets;
    DO(&rig, "a", 1, NULL);
    assert_int_equal(engine_deadline_move(rig.engine, SLICE("worker/a/d"), -5, NULL), 0);
    io_simulated_set_capacity(rig.io, 1);
    while (ask(&rig))
        flush_some(&rig);
    for (int i = 0; i < 3; i++)
        assert_true(engine_turn(rig.engine, NULL) >= 0);
    assert_int_equal(rig_count(&rig, "ticks", "Tick"), 0);
    io_simulated_set_capacity(rig.io, UINT64_C(64) << 20);
    rig_pass(&rig, 1000);
    assert_int_equal(rig.failed, 0);
    assert_int_equal(rig_count(&rig, "ticks", "Tick"), 1);
    rig_free(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_disk_runs_nothing_twice),
        cmocka_unit_test(a_deadline_of_before_1970_waits_for_room),
    };
    return cmocka_run_group_tests_name("engine full disk", tests, NULL, NULL);
}
