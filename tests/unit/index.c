/*
 * The index of the store against a naive model (index_rig.h). Additions, seals, merges, rewinds and reopenings are
 * drawn from a seed that is printed; the same program runs on files and on the simulated io. Then lists and keys of
 * unusual shape, and what opening does.
 */
#include "index_rig.h"
#include "store/tail.h"

/* ---- random programs ---- */

static void rewind_some(struct rig *r)
{
    size_t unsealed = r->model.count - r->sealed;
    size_t count;
    uint64_t position;

    if (unsealed == 0 || r->indexed < r->model.count)
        return;
    count = r->model.count - prng_below(&r->prng, unsealed < 40 || prng_one_in(&r->prng, 10) ? unsealed : 40) - 1;
    position = r->model.rows[count].entry.position;
    while (count > 0 && r->model.rows[count - 1].entry.position == position)
        count--;
    if (count < r->sealed)
        return;
    index_rewind(r->index, position);
    model_cut(&r->model, count);
    r->indexed = count;
    r->position = position;
}

static void program(struct rig *r, unsigned steps)
{
    rig_open(r);
    for (unsigned i = 0; i < steps; i++) {
        switch (prng_below(&r->prng, 16)) {
        case 0:
            rig_seal(r);
            break;
        case 1:
            rig_close(r);
            rig_open(r);
            break;
        case 2:
        case 3:
            rewind_some(r);
            check_some(r);
            break;
        case 4:
            assert_int_equal(index_wait(r->index), 0);
            break;
        default:
            draw_additions(r, prng_below(&r->prng, 120));
            break;
        }
        rig_catch_up(r);
        rig_finish_jobs(r);
        check_some(r);
    }
    check_all(r);
    assert_int_equal(index_wait(r->index), 0);
    check_all(r);
    rig_close(r);
    rig_open(r);
    rig_catch_up(r);
    check_all(r);
}

static void random_programs_equal_the_model_simulated(void **state)
{
    uint64_t seed = random_seed("index, simulated");

    (void)state;
    for (unsigned i = 0; i < 12; i++) {
        struct rig r;

        rig_init(&r, true, seed + i);
        program(&r, 300);
        rig_deinit(&r);
    }
}

static void random_programs_equal_the_model_on_files(void **state)
{
    uint64_t seed = random_seed("index, files");

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct rig r;

        rig_init(&r, false, seed + i);
        program(&r, 300);
        rig_deinit(&r);
    }
}

/* ---- lists and keys of unusual shape ---- */

/* Of 3 keys, one has 70,000 entries, in pieces over several runs that become one. */
static void long_lists_go_over_chunks_pieces_and_merges(void **state)
{
    struct rig r;
    struct index_stats stats;

    (void)state;
    rig_init(&r, true, random_seed("long lists"));
    r.options = (struct index_options){ .tail_entries_max = 20000, .runs_max = 1 };
    rig_open(&r);
    for (unsigned i = 0; i < 100000; i++)
        model_add(&r.model, prng_below(&r.prng, 10) < 7 ? 0 : 1 + (uint32_t)prng_below(&r.prng, 2), draw_entry(&r));
    rig_catch_up(&r);
    assert_int_equal(index_wait(r.index), 0);
    rig_seal(&r);
    for (unsigned i = 0; i < 300; i++)
        check_key(&r, (uint32_t)prng_below(&r.prng, 4), 0);
    assert_int_equal(index_wait(r.index), 0);
    index_stats(r.index, &stats);
    assert_int_equal(stats.runs, 1);
    assert_int_equal(stats.tail_entries, 0);
    for (unsigned i = 0; i < 300; i++)
        check_key(&r, (uint32_t)prng_below(&r.prng, 4), 0);
    check_all(&r);
    rig_deinit(&r);
}

/* More keys than a merge looks at before it decides on the number of buckets, and several steps of it. */
static void merges_of_many_keys_lose_none(void **state)
{
    enum { RUNS = 3, KEYS_EACH = 60000, SHARED = 20000 };
    struct rig r;
    struct index_stats stats;

    (void)state;
    rig_init(&r, false, 1);
    r.options = (struct index_options){ .tail_entries_max = 1000000, .runs_max = RUNS - 1 };
    assert_int_equal(index_open(r.io, r.path, LOG_ID, &r.options, &r.index, NULL), 0);
    for (uint32_t run = 0; run < RUNS; run++) {
        for (uint32_t i = 0; i < KEYS_EACH; i++) {
            uint32_t number = i < SHARED ? i : run * KEYS_EACH + i;

            assert_int_equal(index_add(r.index, key_of(number), &(struct index_entry){ run, i, run }), 0);
            if (i % 3 == 0)
                assert_int_equal(index_add(r.index, key_of(number), &(struct index_entry){ run, i, 9 }), 0);
        }
        index_seal(r.index, (run + 1) * UNIT);
        assert_int_equal(index_wait(r.index), 0);
    }
    index_stats(r.index, &stats);
    assert_int_equal(stats.runs, 1);
    assert_int_equal(stats.keys_estimate, SHARED + RUNS * (KEYS_EACH - SHARED));
    assert_int_equal(stats.entries, RUNS * (KEYS_EACH + KEYS_EACH / 3));
    assert_int_equal(index_verify(r.index, NULL), 0);
    for (uint32_t number = 0; number < RUNS * KEYS_EACH; number++) {
        uint32_t i = number % KEYS_EACH;
        uint64_t expected = 1 + (i % 3 == 0);
        uint64_t count;

        if (number < SHARED)
            expected *= RUNS;
        else if (i < SHARED)
            expected = 0;
        assert_int_equal(index_count(r.index, key_of(number), &count), 0);
        assert_int_equal(count, expected);
    }
    rig_deinit(&r);
}

/* Keys that are no hashes are slow and right: all in one bucket, then all with one high half. */
static void keys_that_do_not_spread_are_found(void **state)
{
    struct rig r;

    (void)state;
    rig_init(&r, true, 1);
    r.options.tail_entries_max = 100000;
    for (unsigned kind = 0; kind < 2; kind++) {
        struct hash128 absent = { kind == 0 ? 0 : 9, kind == 0 ? 1 : 99999 };
        uint64_t count;

        r.model.count = 100000;
        rig_open(&r);
        for (uint64_t i = 0; i < 1000; i++) {
            struct hash128 key = kind == 0 ? (struct hash128){ i, 0 } : (struct hash128){ 9, i };

            assert_int_equal(index_add(r.index, key, &(struct index_entry){ i, i, 0 }), 0);
        }
        index_seal(r.index, index_covered(r.index) + UNIT);
        assert_int_equal(index_wait(r.index), 0);
        for (uint64_t i = 0; i < 1000; i++) {
            struct hash128 key = kind == 0 ? (struct hash128){ i, 0 } : (struct hash128){ 9, i };
            struct index_entry entry;

            assert_int_equal(index_last(r.index, key, &entry), 0);
            assert_int_equal(entry.position, i);
        }
        assert_int_equal(index_count(r.index, absent, &count), 0);
        assert_int_equal(count, 0);
        assert_int_equal(index_verify(r.index, NULL), 0);
        rig_close(&r);
    }
    r.model.count = 0;
    rig_deinit(&r);
}

/* A rewind over more than is remembered, and one where positions of different keys do not come in order. */
static void a_rewind_of_everything_leaves_nothing_behind(void **state)
{
    struct tail *t = tail_new(0);
    struct index_addition a = { .entry.batch = 1 };

    (void)state;
    assert_non_null(t);
    for (unsigned round = 0; round < 4; round++) {
        for (uint32_t i = 0; i < 3 * TAIL_RECENT; i++) {
            a.key = key_of(i % 1000);
            a.entry.position = round % 2 ? i / 1000 * 10 + i % 3 : i;
            assert_int_equal(tail_add(t, &a, 1), 0);
        }
        if (round == 3)
            tail_clear(t);
        else if (round == 2)
            tail_rewind(t, 5);
        tail_rewind(t, 0);
        assert_int_equal(t->entries, 0);
        assert_int_equal(t->keys, 0);
        assert_null(tail_find(t, key_of(1)));
    }
    /* The memory is used again. */
    assert_true(tail_bytes(t) < 1000 * 1000);
    tail_free(t);
}

/* An early position that was added late does not hide a late one that was added early. */
static void a_rewind_finds_positions_out_of_order(void **state)
{
    static const uint64_t positions[] = { 100, 50, 70, 20, 90, 10 };
    struct tail *t = tail_new(0);

    (void)state;
    assert_non_null(t);
    for (uint32_t i = 0; i < COUNT(positions); i++)
        assert_int_equal(tail_add(t, &(struct index_addition){ key_of(i), { positions[i], 0, 0 } }, 1), 0);
    tail_rewind(t, 60);
    for (uint32_t i = 0; i < COUNT(positions); i++)
        assert_int_equal(tail_find(t, key_of(i)) != NULL, positions[i] < 60);
    assert_int_equal(t->entries, 3);
    tail_free(t);
}

static void a_tail_stays_within_its_memory(void **state)
{
    static const unsigned lengths[] = { 1, 2, 3, 4, 5, 8, 9, 16 };
    struct index_addition a = { .entry.batch = 1 };

    (void)state;
    for (unsigned l = 0; l < COUNT(lengths); l++) {
        struct tail *t = tail_new(0);

        assert_non_null(t);
        for (unsigned round = 0; round < lengths[l]; round++) {
            for (uint32_t i = 0; i < 130000; i++) {
                a.key = key_of(i);
                a.entry.position = round;
                assert_int_equal(tail_add(t, &a, 1), 0);
            }
        }
        assert_int_equal(t->entries, 130000 * lengths[l]);
        assert_true(tail_bytes(t) <= t->entries * 50 + 200000);
        tail_free(t);
    }
}

/* ---- opening ---- */

static void opening_nothing_changes_nothing(void **state)
{
    struct rig r;
    uint64_t operations;
    uint64_t count = 9;
    struct index_entry entry;

    (void)state;
    rig_init(&r, true, 1);
    operations = io_simulated_operations(r.io);
    rig_open(&r);
    assert_int_equal(index_covered(r.index), 0);
    assert_false(index_seal_wanted(r.index));
    index_seal(r.index, UNIT);
    assert_int_equal(index_count(r.index, key_of(1), &count), 0);
    assert_int_equal(count, 0);
    assert_int_equal(index_last(r.index, key_of(1), &entry), EDDA_ENOTFOUND);
    assert_int_equal(index_wait(r.index), 0);
    index_rewind(r.index, 0);
    rig_close(&r);
    assert_int_equal(io_simulated_operations(r.io), operations);
    rig_deinit(&r);
}

static void options_over_their_limits_are_refused(void **state)
{
    struct rig r;
    struct edda_error error;

    (void)state;
    rig_init(&r, true, 1);
    r.options = (struct index_options){ .tail_entries_max = INDEX_TAIL_ENTRIES_LIMIT + 1 };
    assert_int_equal(index_open(r.io, r.path, 1, &r.options, &r.index, &error), EDDA_EINVAL);
    assert_string_equal(error.field, "tail_entries_max");
    r.options = (struct index_options){ .runs_max = 65 };
    assert_int_equal(index_open(r.io, r.path, 1, &r.options, &r.index, &error), EDDA_EINVAL);
    assert_string_equal(error.field, "runs_max");
    rig_deinit(&r);
}

static void runs_of_another_log_are_removed(void **state)
{
    struct rig r;
    struct index *other;
    uint64_t seed;

    (void)state;
    rig_init(&r, true, 1);
    make_runs(&r, 2, 100);
    seed = index_seed(r.index);
    rig_close(&r);
    assert_int_equal(index_open(r.io, r.path, LOG_ID + 1, &r.options, &other, NULL), 0);
    assert_int_equal(index_covered(other), 0);
    assert_true(index_seed(other) != seed);
    index_close(other);
    assert_int_equal(list_names(&r).count, 0);
    rig_open(&r);
    assert_int_equal(index_seed(r.index), seed);
    rig_catch_up(&r);
    check_all(&r);
    rig_deinit(&r);
}

static void runs_past_the_end_of_the_log_are_left_out(void **state)
{
    struct rig r;

    (void)state;
    rig_init(&r, true, 1);
    make_runs(&r, 3, 100);
    rig_close(&r);
    r.options.log_end = 250 * UNIT;
    r.options.read_only = true;
    rig_open(&r);
    assert_int_equal(r.indexed, 200);
    rig_close(&r);
    assert_int_equal(list_names(&r).count, 3);
    r.options.read_only = false;
    rig_open(&r);
    assert_int_equal(r.indexed, 200);
    assert_int_equal(list_names(&r).count, 2);
    rig_deinit(&r);
}

static void a_missing_run_ends_the_prefix(void **state)
{
    struct rig r;
    struct names names;

    (void)state;
    rig_init(&r, true, 1);
    make_runs(&r, 4, 150);
    rig_close(&r);
    names = list_names(&r);
    assert_int_equal(names.count, 4);
    assert_int_equal(io_file_remove(r.io, file_path(&r, names.all[1])), 0);
    rig_open(&r);
    assert_int_equal(r.indexed, 150);
    assert_int_equal(list_names(&r).count, 1);
    rig_catch_up(&r);
    check_all(&r);
    rig_deinit(&r);
}

static void foreign_names_are_left_alone(void **state)
{
    static const char *const names[] = { "readme", "0000000000000000-00000000000000zz.run", "x.run" };
    struct rig r;
    struct io_file *file;

    (void)state;
    rig_init(&r, true, 1);
    assert_int_equal(io_dir_make(r.io, r.path, NULL), 0);
    for (unsigned i = 0; i < COUNT(names); i++) {
        assert_int_equal(io_file_open(r.io, file_path(&r, names[i]), IO_WRITE | IO_CREATE, &file, NULL), 0);
        io_file_close(r.io, file);
    }
    rig_open(&r);
    assert_int_equal(list_names(&r).count, COUNT(names));
    rig_deinit(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_programs_equal_the_model_simulated),
        cmocka_unit_test(random_programs_equal_the_model_on_files),
        cmocka_unit_test(long_lists_go_over_chunks_pieces_and_merges),
        cmocka_unit_test(merges_of_many_keys_lose_none),
        cmocka_unit_test(keys_that_do_not_spread_are_found),
        cmocka_unit_test(a_rewind_of_everything_leaves_nothing_behind),
        cmocka_unit_test(a_rewind_finds_positions_out_of_order),
        cmocka_unit_test(a_tail_stays_within_its_memory),
        cmocka_unit_test(opening_nothing_changes_nothing),
        cmocka_unit_test(options_over_their_limits_are_refused),
        cmocka_unit_test(runs_of_another_log_are_removed),
        cmocka_unit_test(runs_past_the_end_of_the_log_are_left_out),
        cmocka_unit_test(a_missing_run_ends_the_prefix),
        cmocka_unit_test(foreign_names_are_left_alone),
    };

    return cmocka_run_group_tests_name("index", tests, NULL, NULL);
}
