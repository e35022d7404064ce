/*
 * The index of the store when things go wrong: its limits, a full disk, damage of each single byte, and a crash at each
 * single operation. Whatever remains is a prefix of the model's journal (index_rig.h), or is reported as damaged.
 */
#include "index_rig.h"
#include "store/run.h"

/* ---- limits and failures ---- */

static void a_tail_of_twice_its_size_is_busy_until_the_seal_has_ended(void **state)
{
    struct rig r;
    struct index_addition additions[600];

    (void)state;
    rig_init(&r, true, 1);
    rig_open(&r);
    for (unsigned i = 0; i < COUNT(additions); i++)
        additions[i] = (struct index_addition){ key_of(i), { i, i, i } };
    assert_int_equal(index_add_many(r.index, additions, 299), 0);
    assert_false(index_seal_wanted(r.index));
    assert_int_equal(index_add(r.index, additions[299].key, &additions[299].entry), 0);
    assert_true(index_seal_wanted(r.index));
    index_seal(r.index, UNIT);
    assert_false(index_seal_wanted(r.index));
    assert_int_equal(index_add_many(r.index, additions, 600), 0);
    assert_false(index_seal_wanted(r.index));
    assert_int_equal(index_add_many(r.index, additions, 1), EDDA_EBUSY);
    assert_int_equal(io_jobs_wait(r.io, -1), 1);
    io_jobs_finish(r.io);
    assert_int_equal(index_covered(r.index), UNIT);
    assert_int_equal(index_wait(r.index), 0);
    assert_true(index_seal_wanted(r.index));
    assert_int_equal(index_add_many(r.index, additions, 1), 0);
    rig_deinit(&r);
}

static void seals_wait_when_merges_are_far_behind(void **state)
{
    struct rig r;
    struct index_stats stats;
    int result;

    (void)state;
    rig_init(&r, true, 1);
    make_runs(&r, 5, 100);
    rig_close(&r);
    r.options = (struct index_options){ .tail_entries_max = 50, .runs_max = 1 };
    rig_open(&r);
    draw_additions(&r, 50);
    rig_catch_up(&r);
    /* The seal ends, which starts a merge of all. */
    assert_int_equal(io_jobs_wait(r.io, -1), 1);
    io_jobs_finish(r.io);
    index_stats(r.index, &stats);
    assert_int_equal(stats.runs, 6);
    draw_additions(&r, 300);
    result = rig_try_catch_up(&r);
    assert_int_equal(result, EDDA_EBUSY);
    assert_false(index_seal_wanted(r.index));
    index_seal(r.index, (uint64_t)r.indexed * UNIT);
    index_stats(r.index, &stats);
    assert_true(stats.tail_entries > 50);
    rig_catch_up(&r);
    assert_int_equal(index_wait(r.index), 0);
    check_all(&r);
    rig_deinit(&r);
}

static void a_full_disk_keeps_the_tail_and_is_tried_again(void **state)
{
    struct rig r;

    (void)state;
    rig_init(&r, true, 1);
    r.options.tail_entries_max = 1000;
    rig_open(&r);
    draw_additions(&r, 1100);
    io_simulated_set_capacity(r.io, 1000);
    rig_catch_up(&r);
    assert_int_equal(index_wait(r.index), EDDA_EFULL);
    assert_int_equal(index_wait(r.index), 0);
    assert_int_equal(index_covered(r.index), 0);
    check_all(&r);
    draw_additions(&r, 500);
    rig_catch_up(&r);
    assert_false(index_seal_wanted(r.index));
    io_simulated_advance(r.io, SECOND);
    assert_true(index_seal_wanted(r.index));
    io_simulated_set_capacity(r.io, 1 << 20);
    rig_seal(&r);
    check_all(&r);
    assert_int_equal(index_wait(r.index), 0);
    assert_true(index_covered(r.index) > 0 && index_covered(r.index) < 1600 * UNIT);
    check_all(&r);
    rig_close(&r);
    rig_open(&r);
    rig_catch_up(&r);
    check_all(&r);
    rig_deinit(&r);
}

static void a_failed_sync_fails_the_seal(void **state)
{
    struct rig r;

    (void)state;
    for (unsigned nth = 1; nth < 5; nth++) {
        rig_init(&r, true, nth);
        rig_open(&r);
        draw_additions(&r, 200);
        rig_catch_up(&r);
        io_simulated_fail_sync(r.io, nth);
        rig_seal(&r);
        /* The first is the file's, the second its parent directory's, which does not matter. */
        assert_int_equal(index_wait(r.index), nth == 2 || nth == 4 ? 0 : EDDA_EIO);
        check_all(&r);
        rig_seal(&r);
        assert_int_equal(index_wait(r.index), 0);
        assert_int_equal(index_covered(r.index), 200 * UNIT);
        check_all(&r);
        rig_deinit(&r);
    }
}

static void a_full_disk_fails_a_merge_and_leaves_the_runs(void **state)
{
    struct rig r;
    struct index_stats stats;

    (void)state;
    rig_init(&r, true, 1);
    make_runs(&r, 4, 500);
    rig_close(&r);
    r.options.runs_max = 1;
    rig_open(&r);
    draw_additions(&r, 20);
    rig_catch_up(&r);
    index_stats(r.index, &stats);
    io_simulated_set_capacity(r.io, stats.run_bytes + 30000);
    rig_seal(&r);
    assert_int_equal(index_wait(r.index), EDDA_EFULL);
    index_stats(r.index, &stats);
    assert_int_equal(stats.runs, 5);
    check_all(&r);
    assert_int_equal(list_names(&r).count, 5);
    io_simulated_set_capacity(r.io, 1 << 22);
    draw_additions(&r, 20);
    rig_catch_up(&r);
    rig_seal(&r);
    assert_int_equal(index_wait(r.index), 0);
    check_all(&r);
    assert_int_equal(list_names(&r).count, 1);
    rig_deinit(&r);
}

/* ---- damage ---- */

/* Whatever bit of a run is wrong, it is left out or index_verify() says so, and no look-up lies. */
static void every_damaged_byte_is_noticed(void **state)
{
    struct rig r;
    struct names names;
    struct io_file *file;
    uint64_t bytes, left_out = 0;
    char name[400];

    (void)state;
    rig_init(&r, true, random_seed("damage"));
    make_runs(&r, 1, 1500);
    rig_close(&r);
    names = list_names(&r);
    assert_int_equal(names.count, 1);
    snprintf(name, sizeof(name), "%s", file_path(&r, names.all[0]));
    assert_int_equal(io_file_open(r.io, name, IO_READ, &file, NULL), 0);
    assert_int_equal(io_file_size(r.io, file, &bytes), 0);
    io_file_close(r.io, file);
    assert_true(bytes > 6 * RUN_BLOCK_BYTES);
    r.options.read_only = true;
    for (uint64_t byte = 0; byte < bytes; byte++) {
        uint64_t bit = byte * 8 + prng_below(&r.prng, 8);

        io_simulated_flip_bit(r.io, name, bit);
        rig_open(&r);
        if (r.indexed == 0) {
            left_out++;
        } else {
            for (unsigned i = 0; i < 5; i++)
                check_key(&r, draw_key(&r.prng), EDDA_ECORRUPT);
            if (byte % 64 == 0) {
                unsigned failed = 0;

                for (uint32_t key = 0; key < KEYS; key++)
                    failed += check_key(&r, key, EDDA_ECORRUPT) < 0;
                assert_true(failed < KEYS || byte < 2 * RUN_BLOCK_BYTES);
            }
            assert_int_equal(index_verify(r.index, NULL), EDDA_ECORRUPT);
        }
        rig_close(&r);
        io_simulated_flip_bit(r.io, name, bit);
    }
    /* The header's block and the sums. */
    assert_true(left_out > RUN_BLOCK_BYTES && left_out < RUN_BLOCK_BYTES + 100);
    rig_open(&r);
    rig_catch_up(&r);
    check_all(&r);
    rig_deinit(&r);
}

static void a_cut_or_longer_run_is_left_out(void **state)
{
    static const int64_t changes[] = { -1, 1, -4096, 4096, -1000000 };

    (void)state;
    for (unsigned i = 0; i < COUNT(changes); i++) {
        struct rig r;
        struct io_file *file;
        uint64_t bytes;

        rig_init(&r, true, i + 1);
        make_runs(&r, 2, 300);
        rig_close(&r);
        assert_int_equal(io_file_open(r.io, file_path(&r, list_names(&r).all[1]), IO_WRITE, &file, NULL), 0);
        assert_int_equal(io_file_size(r.io, file, &bytes), 0);
        bytes = changes[i] < 0 && (uint64_t)-changes[i] > bytes ? 0 : bytes + (uint64_t)changes[i];
        assert_int_equal(io_file_truncate(r.io, file, bytes), 0);
        io_file_close(r.io, file);
        rig_open(&r);
        assert_int_equal(r.indexed, 300);
        assert_int_equal(list_names(&r).count, 1);
        rig_deinit(&r);
    }
}

static void a_damaged_run_goes_with_all_behind_it_and_is_made_again(void **state)
{
    struct rig r;
    struct names names;
    int result = 0;

    (void)state;
    rig_init(&r, true, random_seed("damaged run"));
    make_runs(&r, 4, 400);
    rig_close(&r);
    names = list_names(&r);
    io_simulated_flip_bit(r.io, file_path(&r, names.all[2]), (2 * RUN_BLOCK_BYTES + 100) * 8 + 3);
    rig_open(&r);
    assert_int_equal(r.indexed, 1600);
    for (uint32_t key = 0; key < KEYS && result == 0; key++)
        result = check_key(&r, key, EDDA_ECORRUPT);
    assert_int_equal(result, EDDA_ECORRUPT);
    assert_int_equal(list_names(&r).count, 3);
    rig_close(&r);
    rig_open(&r);
    assert_int_equal(r.indexed, 800);
    assert_int_equal(list_names(&r).count, 2);
    rig_catch_up(&r);
    rig_seal(&r);
    assert_int_equal(index_wait(r.index), 0);
    check_all(&r);
    rig_deinit(&r);
}

static void a_merge_does_not_copy_damage(void **state)
{
    struct rig r;
    struct names names;

    (void)state;
    for (unsigned place = 0; place < 3; place++) {
        rig_init(&r, true, random_seed("merge of damage"));
        make_runs(&r, 3, 400);
        rig_close(&r);
        names = list_names(&r);
        io_simulated_flip_bit(r.io, file_path(&r, names.all[1]), ((1 + place) * RUN_BLOCK_BYTES + 500) * 8 + 3);
        r.options.runs_max = 1;
        rig_open(&r);
        assert_int_equal(r.indexed, 1200);
        draw_additions(&r, 10);
        rig_catch_up(&r);
        rig_seal(&r);
        assert_int_equal(index_wait(r.index), EDDA_ECORRUPT);
        rig_close(&r);
        rig_open(&r);
        assert_int_equal(r.indexed, 400);
        rig_catch_up(&r);
        rig_seal(&r);
        assert_int_equal(index_wait(r.index), 0);
        check_all(&r);
        rig_deinit(&r);
    }
}

/* A merged run that turns out to be damaged while those it was made of are still there: they are taken. */
static void runs_that_a_damaged_one_replaced_are_used_if_present(void **state)
{
    struct rig r;
    struct names names;
    char merged[400];

    (void)state;
    rig_init(&r, true, 1);
    make_runs(&r, 3, 200);
    rig_close(&r);
    names = list_names(&r);
    snprintf(merged, sizeof(merged), "%s", file_path(&r, "0000000000000000-00000000000025b0.run"));
    assert_int_equal(io_file_rename(r.io, file_path(&r, names.all[2]), merged), 0);
    rig_open(&r);
    assert_int_equal(r.indexed, 400);
    assert_int_equal(list_names(&r).count, 2);
    rig_catch_up(&r);
    check_all(&r);
    rig_deinit(&r);
}

/* ---- crashes ---- */

#define CRASH_ADDITIONS 520

static void crash_rig_init(struct rig *r, uint64_t seed)
{
    rig_init(r, true, seed);
    r->options = (struct index_options){ .tail_entries_max = 25, .runs_max = 2 };
    draw_additions(r, CRASH_ADDITIONS);
    /* The seed of the catching up is the same whatever was drawn. */
    prng_init(&r->prng, seed);
}

/* Opens, catches up, seals and waits; ends early when the process dies. */
static void crash_life(struct rig *r)
{
    int result = rig_try_open(r);

    while (result == 0 && (result = rig_try_catch_up(r)) == EDDA_EBUSY) {
        io_jobs_wait(r->io, -1);
        io_jobs_finish(r->io);
        result = io_simulated_is_cut(r->io) ? EDDA_ECLOSED : 0;
    }
    if (result == 0 && !io_simulated_is_cut(r->io)) {
        index_seal(r->index, (uint64_t)r->indexed * UNIT);
        result = index_wait(r->index);
    }
    assert_true(result == 0 || io_simulated_is_cut(r->io));
}

/* What covers the log must be all of it; what is behind it is added again. */
static void crash_check(struct rig *r)
{
    struct model *whole = malloc(sizeof(*whole));

    assert_non_null(whole);
    *whole = r->model;
    rig_open(r);
    memset(&r->model, 0, sizeof(r->model));
    for (size_t i = 0; i < r->indexed; i++)
        model_add(&r->model, whole->rows[i].key, whole->rows[i].entry);
    for (uint32_t key = 0; key < 330; key++)
        check_key(r, key, 0);
    for (size_t i = 0; i < r->indexed; i++)
        check_key(r, r->model.rows[i].key, 0);
    assert_int_equal(index_verify(r->index, NULL), 0);
    model_deinit(&r->model);
    r->model = *whole;
    free(whole);
    rig_catch_up(r);
    for (size_t i = 0; i < r->model.count; i++)
        check_key(r, r->model.rows[i].key, 0);
}

static void a_crash_at_any_operation_leaves_a_whole_prefix(void **state)
{
    uint64_t seed = random_seed("crashes");
    uint64_t operations = 0;

    (void)state;
    for (uint64_t cut = 0; cut == 0 || cut <= operations; cut++) {
        struct rig r;
        bool lose_nothing = cut % 3 == 0;

        crash_rig_init(&r, seed);
        io_simulated_cut_after(r.io, cut);
        crash_life(&r);
        if (cut == 0) {
            rig_close(&r);
            operations = io_simulated_operations(r.io);
            assert_true(operations > 60);
        } else if (cut % 2 == 0) {
            rig_close(&r);
        }
        io_simulated_crash(r.io, lose_nothing);
        rig_close(&r);
        /* And once more while it recovers. */
        if (cut % 4 == 1) {
            io_simulated_cut_after(r.io, 1 + prng_below(&r.prng, 30));
            crash_life(&r);
            io_simulated_crash(r.io, false);
            rig_close(&r);
        }
        io_simulated_cut_after(r.io, 0);
        crash_check(&r);
        rig_deinit(&r);
    }
    print_message("crashed at each of %llu operations\n", (unsigned long long)operations);
}

/* Closing in the middle of seals and merges, and crashing without a cut. */
static void a_crash_between_jobs_leaves_a_whole_prefix(void **state)
{
    uint64_t seed = random_seed("crashes between jobs");

    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        struct rig r;
        int result = EDDA_EBUSY;

        crash_rig_init(&r, seed + i);
        rig_open(&r);
        for (uint64_t turn = prng_below(&r.prng, 30); turn > 0 && result == EDDA_EBUSY; turn--) {
            result = rig_try_catch_up(&r);
            rig_finish_jobs(&r);
        }
        if (i % 2)
            rig_close(&r);
        io_simulated_crash(r.io, i % 3 == 0);
        rig_close(&r);
        crash_check(&r);
        rig_deinit(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tail_of_twice_its_size_is_busy_until_the_seal_has_ended),
        cmocka_unit_test(seals_wait_when_merges_are_far_behind),
        cmocka_unit_test(a_full_disk_keeps_the_tail_and_is_tried_again),
        cmocka_unit_test(a_failed_sync_fails_the_seal),
        cmocka_unit_test(a_full_disk_fails_a_merge_and_leaves_the_runs),
        cmocka_unit_test(every_damaged_byte_is_noticed),
        cmocka_unit_test(a_cut_or_longer_run_is_left_out),
        cmocka_unit_test(a_damaged_run_goes_with_all_behind_it_and_is_made_again),
        cmocka_unit_test(a_merge_does_not_copy_damage),
        cmocka_unit_test(runs_that_a_damaged_one_replaced_are_used_if_present),
        cmocka_unit_test(a_crash_at_any_operation_leaves_a_whole_prefix),
        cmocka_unit_test(a_crash_between_jobs_leaves_a_whole_prefix),
    };

    return cmocka_run_group_tests_name("index faults", tests, NULL, NULL);
}
