/* Cuts at any operation, and disks that fail: bits, syncs, misdirected writes, no space. */
#include "io_world.h"

/*
 * Replaces the contents of "file": a new file, synced, renamed over the old one, the directory
 * synced. With `careless` the new file is not synced. Stops at the first failure.
 */
static int replace_file(struct world *w, char letter, bool careless)
{
    char data[4 * SECTOR];
    struct io_file *file;
    int r = io_file_open(w->io, path_of(w, "file.new"), IO_WRITE | IO_CREATE, &file, NULL);

    if (r < 0)
        return r;
    memset(data, letter, sizeof(data));
    r = io_file_truncate(w->io, file, 0);
    if (r == 0)
        r = io_file_allocate(w->io, file, sizeof(data));
    if (r == 0)
        r = try_write(w->io, file, data, sizeof(data), 0);
    if (r == 0 && !careless)
        r = io_file_sync(w->io, file);
    io_file_close(w->io, file);
    if (r == 0)
        r = io_file_rename(w->io, path_of(w, "file.new"), path_of(w, "file"));
    if (r == 0)
        r = io_dir_sync(w->io, w->dir);
    return r;
}

/* The letter that fills the whole file; 0 when it is mixed or has another size. */
static char whole_file_letter(struct world *w)
{
    struct io_file *file = open_file(w->io, path_of(w, "file"), IO_READ);
    uint64_t size = 0;
    char letter;

    assert_int_equal(io_file_size(w->io, file, &size), 0);
    letter = size == 4 * SECTOR ? sector_letter(w->io, file, 0) : 0;
    for (unsigned i = 1; letter && i < 4; i++)
        if (sector_letter(w->io, file, i) != letter)
            letter = 0;
    io_file_close(w->io, file);
    return letter;
}

static void expect_dead(struct world *w)
{
    struct gathered g = { .text = "" };
    struct io_file *file;

    assert_int_equal(io_file_open(w->io, path_of(w, "file"), IO_READ, &file, NULL), EDDA_ECLOSED);
    assert_int_equal(io_file_remove(w->io, path_of(w, "file")), EDDA_ECLOSED);
    assert_int_equal(io_file_rename(w->io, path_of(w, "file"), path_of(w, "x")), EDDA_ECLOSED);
    assert_int_equal(io_dir_make(w->io, path_of(w, "x"), NULL), EDDA_ECLOSED);
    assert_int_equal(io_dir_sync(w->io, w->dir), EDDA_ECLOSED);
    assert_int_equal(io_dir_list(w->io, w->dir, gather, &g), EDDA_ECLOSED);
}

/* How often a cut at each operation of replace_file() left a file that is neither old nor new. */
static unsigned cut_everywhere(struct world *w, bool careless, bool lose_nothing, uint64_t *ret_cuts)
{
    unsigned broken = 0;
    uint64_t cuts = 0;

    for (uint64_t seed = 1; seed <= 200; seed++) {
        for (uint64_t cut = 1;; cut++) {
            uint64_t before;
            bool was_cut;
            char letter;
            int r;

            restart(w, seed);
            assert_int_equal(replace_file(w, 'a', false), 0);
            before = io_simulated_operations(w->io);
            io_simulated_cut_after(w->io, cut);
            r = replace_file(w, 'b', careless);
            was_cut = io_simulated_is_cut(w->io);
            assert_int_equal(r, was_cut ? EDDA_ECLOSED : 0);
            assert_int_equal(io_simulated_operations(w->io) - before, was_cut ? cut : cut - 1);
            if (was_cut)
                expect_dead(w);
            io_simulated_crash(w->io, lose_nothing);
            assert_false(io_simulated_is_cut(w->io));
            letter = whole_file_letter(w);
            if (letter != 'b' && (letter != 'a' || !was_cut))
                broken++;
            if (!was_cut) {
                cuts = cut - 1;
                break;
            }
        }
    }
    *ret_cuts = cuts;
    return broken;
}

static void test_cut_at_every_operation(void **state)
{
    struct world *w = *state;
    uint64_t cuts = 0;

    /* Open, truncate, allocate, write, sync, rename, sync of the directory. */
    assert_int_equal(cut_everywhere(w, false, false, &cuts), 0);
    assert_int_equal(cuts, 7);
    assert_int_equal(cut_everywhere(w, false, true, &cuts), 0);
    /* The mistake that the simulator is there to find. */
    assert_true(cut_everywhere(w, true, false, &cuts) > 0);
    assert_int_equal(cuts, 6);
    assert_int_equal(cut_everywhere(w, true, true, &cuts), 0);
}

static void test_cut_can_be_taken_back(void **state)
{
    struct world *w = *state;

    restart(w, 3);
    io_simulated_cut_after(w->io, 2);
    io_simulated_cut_after(w->io, 0);
    assert_int_equal(replace_file(w, 'a', false), 0);
    assert_false(io_simulated_is_cut(w->io));
}

static void test_cut_write_lands_in_part(void **state)
{
    struct world *w = *state;
    bool seen[5] = { false };

    for (uint64_t seed = 1; seed <= 200; seed++) {
        char data[4 * SECTOR];
        struct io_file *file;
        unsigned landed = 0;

        restart(w, seed);
        file = durable_file(w, "file", 4, 'a');
        memset(data, 'b', sizeof(data));
        io_simulated_cut_after(w->io, 1);
        assert_int_equal(try_write(w->io, file, data, sizeof(data), 0), EDDA_ECLOSED);
        io_simulated_crash(w->io, true);
        io_file_close(w->io, file);
        file = open_file(w->io, path_of(w, "file"), IO_READ);
        while (landed < 4 && sector_letter(w->io, file, landed) == 'b')
            landed++;
        for (unsigned i = landed; i < 4; i++)
            assert_int_equal(sector_letter(w->io, file, i), 'a');
        seen[landed] = true;
        io_file_close(w->io, file);
    }
    for (size_t i = 0; i < COUNT_OF(seen); i++)
        assert_true(seen[i]);
}

static void test_flip_bit(void **state)
{
    struct world *w = *state;
    struct io_file *file;
    uint8_t byte;
    size_t len;

    restart(w, 1);
    file = durable_file(w, "file", 2, 'a');
    assert_int_equal(io_file_allocate(w->io, file, 8192), 0);
    assert_int_equal(io_file_sync(w->io, file), 0);
    io_simulated_flip_bit(w->io, path_of(w, "file"), 600 * 8 + 1);
    io_simulated_flip_bit(w->io, path_of(w, "file"), 8191 * 8 + 7);
    file = crash_and_open(w, file, "file");
    assert_int_equal(io_file_read(w->io, file, &byte, 1, 600, &len), 0);
    assert_int_equal(byte, 'a' ^ 2);
    assert_int_equal(io_file_read(w->io, file, &byte, 1, 8191, &len), 0);
    assert_int_equal(byte, 128);
    io_file_close(w->io, file);
}

static void test_failed_sync_is_never_made_good(void **state)
{
    struct world *w = *state;
    bool lost = false, kept = false;

    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct io_file *file;
        char letter;

        restart(w, seed);
        file = durable_file(w, "file", 2, 'a');
        write_letter(w->io, file, 0, 3, 'b');
        io_simulated_fail_sync(w->io, 2);
        assert_int_equal(io_dir_sync(w->io, w->dir), 0);
        assert_int_equal(io_file_sync(w->io, file), EDDA_EIO);
        write_letter(w->io, file, 1, 1, 'c');
        assert_int_equal(io_file_sync(w->io, file), 0); /* the fault was for once */
        file = crash_and_open(w, file, "file");
        letter = sector_letter(w->io, file, 0);
        assert_true(letter == 'a' || letter == 'b');
        lost = lost || letter == 'a';
        kept = kept || letter == 'b';
        assert_int_equal(sector_letter(w->io, file, 1), 'c'); /* written again and synced */
        expect_size(w->io, file, 3 * SECTOR); /* metadata is not forgotten */
        io_file_close(w->io, file);
    }
    assert_true(lost && kept);

    io_simulated_fail_sync(w->io, 1);
    assert_int_equal(io_dir_sync(w->io, w->dir), EDDA_EIO);
    assert_int_equal(io_dir_sync(w->io, w->dir), 0);
}

static void test_misdirected_write(void **state)
{
    struct world *w = *state;
    struct io_file *file;

    restart(w, 1);
    file = durable_file(w, "file", 4, 'a');
    io_simulated_misdirect(w->io, 2, 2 * SECTOR);
    write_letter(w->io, file, 0, 1, 'b');
    write_letter(w->io, file, 1, 1, 'c'); /* lands on 3 */
    assert_int_equal(sector_letter(w->io, file, 0), 'b');
    assert_int_equal(sector_letter(w->io, file, 1), 'a');
    assert_int_equal(sector_letter(w->io, file, 3), 'c');

    io_simulated_misdirect(w->io, 1, -SECTOR);
    write_letter(w->io, file, 4, 1, 'd'); /* lands on 3, the file grows nonetheless */
    expect_size(w->io, file, 5 * SECTOR);
    assert_int_equal(sector_letter(w->io, file, 3), 'd');
    assert_int_equal(sector_letter(w->io, file, 4), '.');

    io_simulated_misdirect(w->io, 1, 100 * SECTOR);
    write_letter(w->io, file, 0, 1, 'e'); /* lands nowhere */
    expect_size(w->io, file, 5 * SECTOR);
    assert_int_equal(sector_letter(w->io, file, 0), 'b');
    io_file_close(w->io, file);
}

static void test_full_disk(void **state)
{
    struct world *w = *state;
    struct io_file *file;
    char data[SECTOR] = "x";

    io_simulated_reset(w->io, &(struct io_simulated_options){ .seed = 1, .disk_bytes = 10000 });
    file = create(w->io, "a");
    assert_int_equal(io_file_allocate(w->io, file, 10001), EDDA_EFULL);
    expect_size(w->io, file, 0);
    assert_int_equal(io_file_allocate(w->io, file, 8000), 0);
    io_file_close(w->io, file);

    file = create(w->io, "b");
    assert_int_equal(io_file_allocate(w->io, file, 2001), EDDA_EFULL);
    expect_size(w->io, file, 0);
    write_letter(w->io, file, 0, 3, 'a');
    assert_int_equal(try_write(w->io, file, data, sizeof(data), 3 * SECTOR), EDDA_EFULL);
    expect_size(w->io, file, 2000); /* what fitted */
    write_letter(w->io, file, 0, 3, 'b'); /* needs no space */

    io_simulated_set_capacity(w->io, 5000);
    assert_int_equal(io_file_allocate(w->io, file, 2001), EDDA_EFULL);
    assert_int_equal(io_file_remove(w->io, "a"), 0);
    assert_int_equal(io_dir_sync(w->io, "/"), 0);
    assert_int_equal(io_file_allocate(w->io, file, 5000), 0);
    io_simulated_set_capacity(w->io, UINT64_C(200) * 1024 * 1024);
    assert_int_equal(io_file_allocate(w->io, file, UINT64_C(100) * 1024 * 1024), 0);
    write_at(w->io, file, "end", 100 * 1024 * 1024 - 3);
    assert_int_equal(sector_letter(w->io, file, 2), 'b');
    io_file_close(w->io, file);

    /* The memory of so large a file is used again as if it were new. */
    restart(w, 2);
    file = create(w->io, path_of(w, "file"));
    assert_int_equal(io_file_allocate(w->io, file, UINT64_C(4) * 1024 * 1024), 0);
    assert_int_equal(sector_letter(w->io, file, 2), '.');
    io_file_close(w->io, file);
}

const struct test io_faults_tests[] = {
    { "a cut at every operation", test_cut_at_every_operation },
    { "a cut can be taken back", test_cut_can_be_taken_back },
    { "a cut write lands in part", test_cut_write_lands_in_part },
    { "a flipped bit", test_flip_bit },
    { "a failed sync is never made good", test_failed_sync_is_never_made_good },
    { "a misdirected write", test_misdirected_write },
    { "a full disk", test_full_disk },
    { NULL, NULL },
};
