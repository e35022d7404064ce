/* What the engine keeps in memory: views, sequences, entity states; the same live and after a restart. */
#include "engine_rig.h"

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

static int note_key(void *user, struct slice key, const void *row)
{
    const struct Row *r = row;
    char *text = user;
    size_t used = strlen(text);
    (void)snprintf(text + used, 2000 - used, "%.*s=%lld ", (int)key.len, (const char *)key.data, (long long)r->total);
    assert_int_equal(r->id.len, key.len);
    return 0;
}

static const char *listing(struct rig *rig, uint64_t from, uint64_t max)
{
    static char text[2000];
    text[0] = '\0';
    assert_int_equal(engine_view_rows(rig->engine, &worker, from, max, note_key, text), 0);
    return text;
}

static void done(struct rig *rig, const char *id, int64_t n)
{
    rig_event(rig, &Done, &(struct Done){ .id = edda_text_of(id), .n = n }, NULL);
    rig_run(rig);
}

static void a_view_is_in_the_order_of_first_events(void **state)
{
    struct rig *rig = *state;
    rig_open(rig);
    done(rig, "b", 1);
    done(rig, "x", -1); /* not listed yet */
    done(rig, "a", 2);
    done(rig, "c", 3);
    done(rig, "b", 4);
    assert_string_equal(listing(rig, 0, 10), "b=5 a=2 c=3 ");
    done(rig, "a", -2); /* no longer */
    assert_string_equal(listing(rig, 0, 10), "b=5 c=3 ");
    assert_int_equal(engine_view_count(rig->engine, &worker), 2);
    struct Row row;
    int64_t version;
    assert_false(engine_view_row(rig->engine, &worker, SLICE("a"), &row, &version));
    assert_false(engine_view_row(rig->engine, &worker, SLICE("nobody"), &row, &version));
    done(rig, "a", 7);
    done(rig, "x", 3);
    for (int round = 0; round < 3; round++) {
        assert_string_equal(listing(rig, 0, 10), "b=5 x=2 a=7 c=3 ");
        assert_string_equal(listing(rig, 1, 2), "x=2 a=7 ");
        assert_string_equal(listing(rig, 4, 2), "");
        assert_int_equal(engine_view_count(rig->engine, &worker), 4);
        assert_true(engine_view_row(rig->engine, &worker, SLICE("a"), &row, &version));
        assert_int_equal(row.total, 7);
        assert_int_equal(version, 2);
        if (round == 0) {
            rig_crash(rig, false);
        } else {
            rig_close(rig);
            rig_open(rig);
        }
    }
    assert_int_equal(engine_view_rows(rig->engine, &lifter, 0, 1, note_key, NULL), EDDA_ENOTFOUND);
}

static void pages_far_behind_are_found(void **state)
{
    struct rig *rig = *state;
    rig->state_bytes_max = 20000;
    rig_open(rig);
    char id[16], expected[64];
    for (int i = 0; i < 1500; i++) {
        (void)snprintf(id, sizeof id, "k%d", i);
        rig_event(rig, &Done, &(struct Done){ .id = edda_text_of(id), .n = i % 3 == 1 ? 0 : i + 1 }, NULL);
    }
    rig_run(rig);
    for (int round = 0; round < 2; round++) {
        assert_int_equal(engine_view_count(rig->engine, &worker), 1000);
        for (uint64_t from = 0; from < 1000; from += 83) {
            uint64_t i = from / 2 * 3 + from % 2 * 2;
            (void)snprintf(expected, sizeof expected, "k%llu=%llu ", (unsigned long long)i, (unsigned long long)i + 1);
            assert_string_equal(listing(rig, from, 1), expected);
        }
        rig_crash(rig, false);
    }
}

static void sequences_never_give_a_number_twice(void **state)
{
    struct rig *rig = *state;
    rig_open(rig);
    int64_t last = 0, other = 0;
    for (int round = 0; round < 8; round++) {
        for (int i = 0; i < 3; i++)
            assert_int_equal(engine_sequence(rig->engine, SLICE("orders")), ++last);
        if (round % 3 == 0)
            assert_int_equal(engine_sequence(rig->engine, SLICE("other")), ++other);
        DO(rig, "a", 1, NULL); /* what uses a number is flushed together with it */
        if (round % 2) {
            rig_crash(rig, false);
        } else {
            rig_close(rig);
            rig_open(rig);
        }
    }
    assert_true(engine_sequence(rig->engine, SLICE("")) < 0);
}

static void a_number_that_has_left_is_recorded(void **state)
{
    struct rig *rig = *state;
    rig_open(rig);
    rig_run(rig);
    assert_int_equal(engine_sequence(rig->engine, SLICE("orders")), 1);
    rig_run(rig); /* the answer with the number in it may leave after this */
    rig_crash(rig, false);
    assert_int_equal(engine_sequence(rig->engine, SLICE("orders")), 2);
}

static int counts_up(struct edda_step *step, const void *message, const void *state)
{
    const struct Do *m = message;
    const struct tally *t = state;
    if (t->count) {
        assert_int_equal(t->numbers.count, t->count);
        assert_int_equal(((const int64_t *)t->numbers.items)[t->count - 1], t->count);
        char expected[32];
        (void)snprintf(expected, sizeof expected, "note %lld", (long long)t->count);
        assert_true(edda_text_is(t->note, expected));
    }
    char note[32];
    (void)snprintf(note, sizeof note, "note %lld", (long long)t->count + 1);
    return edda_emit(step, Done, .id = m->id, .n = t->count + 1, .note = edda_text_of(note));
}

static void a_tiny_cache_gives_the_same(void **state)
{
    struct rig *rig = *state;
    rig->state_bytes_max = 1;
    rig_open(rig);
    script.on_do = counts_up;
    static const char *const ids[] = { "a", "b", "c" };
    for (int i = 0; i < 90; i++) {
        struct Do value = { .id = edda_text_of(ids[i % 3]) };
        assert_int_equal(rig_call(rig, &Do, &value, NULL)->version, i / 3);
        if (i == 40)
            rig_crash(rig, false);
    }
    for (int i = 0; i < 3; i++)
        assert_int_equal(rig_total(rig, ids[i]), 465);
}

/* The core only puts it together; a job writes it, while steps go on and the process may die. */
static void a_checkpoint_is_written_behind_the_steps(void **state)
{
    struct rig *rig = *state;
    for (uint64_t cut = 1; cut < 40; cut++) {
        uint64_t position = 0, before;
        struct buffer bytes = BUFFER_EMPTY;
        rig->checkpoint_records = 20;
        rig_open(rig);
        for (int i = 0; i < 30; i++)
            done(rig, i % 2 ? "a" : "b", 1);
        rig_run(rig);
        assert_int_equal(journal_checkpoint_get(rig->journal, "tests", &before, &bytes), 0);
        assert_true(before >= 20);
        io_simulated_cut_after(rig->io, cut);
        for (int i = 0; i < 30 && !io_simulated_is_cut(rig->io); i++) {
            struct Done value = { .id = T("c"), .n = 1 };
            rig_event(rig, &Done, &value, NULL);
            if (engine_turn(rig->engine, NULL) < 0 || journal_flush(rig->journal, true, NULL) < 0)
                break;
            io_simulated_advance(rig->io, 1000000);
            io_jobs_finish(rig->io);
        }
        rig_crash(rig, cut % 2);
        assert_int_equal(journal_checkpoint_get(rig->journal, "tests", &position, &bytes), 0);
        assert_true(position >= before);
        assert_int_equal(rig_total(rig, "a"), 15);
        assert_int_equal(rig_total(rig, "b"), 15);
        assert_int_equal(memcmp(listing(rig, 0, 10), "b=15 a=15 ", 10), 0);
        buffer_deinit(&bytes);
        rig_free(rig);
        rig_new(rig);
    }
}

/* Rows change while they are gathered: what a start makes of them is what folding everything gives. */
static void a_checkpoint_of_changing_rows_is_right(void **state)
{
    struct rig *rig = *state;
    char ids[8][2] = { "h", "g", "f", "e", "d", "c", "b", "a" }, after[256];
    unsigned written = 0;
    for (int turns = 1; turns < 60; turns++) {
        struct buffer bytes = BUFFER_EMPTY;
        uint64_t position;
        rig->checkpoint_records = 20;
        rig->checkpoint_rows = 1;
        rig_open(rig);
        for (int i = 0; i < 24; i++)
            rig_event(rig, &Done, &(struct Done){ .id = edda_text_of(ids[i % 6]), .n = i < 6 }, NULL);
        for (int i = 0; i < turns; i++) {
            assert_true(engine_turn(rig->engine, NULL) >= 0);
            if (i == 3 || (i % 4 == 3 && turns % 3)) /* else what the rows tell of is lost */
                assert_int_equal(journal_flush(rig->journal, true, NULL), 0);
            io_simulated_advance(rig->io, 100000);
            io_jobs_finish(rig->io);
            if (i < 40) /* now listed, now not; and two that come late */
                rig_event(rig, &Done, &(struct Done){ .id = edda_text_of(ids[i * 5 % 8]), .n = i / 8 % 2 ? 1 : -1 }, NULL);
        }
        rig_crash(rig, turns % 2);
        written += journal_checkpoint_get(rig->journal, "tests", &position, &bytes) == 0;
        (void)snprintf(after, sizeof after, "%s", listing(rig, 0, 10));
        (void)io_file_remove(rig->io, "data/checkpoint/tests");
        rig_crash(rig, true);
        assert_string_equal(after, listing(rig, 0, 10));
        buffer_deinit(&bytes);
        rig_free(rig);
        rig_new(rig);
    }
    assert_in_range(written, 10, 40);
}

static void what_is_checkpointed_is_what_was_folded(void **state)
{
    struct rig *rig = *state;
    rig_open(rig);
    done(rig, "a", 1);
    rig_close(rig);
    rig_open(rig);
    done(rig, "b", 2);
    assert_int_equal(engine_pause(rig->engine, SLICE("lifter"), true, NULL), 0);
    rig_run(rig);
    rig_crash(rig, false); /* the checkpoint of the good close, and what came after it */
    assert_string_equal(listing(rig, 0, 10), "a=1 b=2 ");
    struct engine_service_info info;
    assert_true(engine_service(rig->engine, 1, &info));
    assert_true(info.paused);
    rig_close(rig);
    rig_open(rig);
    assert_true(engine_service(rig->engine, 1, &info));
    assert_true(info.paused);
    assert_int_equal(engine_pause(rig->engine, SLICE("lifter"), false, NULL), 0);
    LIFT(rig, "a", 1);
    rig_run(rig);
    assert_int_equal(rig_loaded(rig, "a"), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_view_is_in_the_order_of_first_events),
        TEST(pages_far_behind_are_found),
        TEST(sequences_never_give_a_number_twice),
        TEST(a_number_that_has_left_is_recorded),
        TEST(a_tiny_cache_gives_the_same),
        TEST(what_is_checkpointed_is_what_was_folded),
        TEST(a_checkpoint_of_changing_rows_is_right),
        TEST(a_checkpoint_is_written_behind_the_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
