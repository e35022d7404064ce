/* What a crash of the simulated machine, or of its process alone, may leave on the disk. */
#include "io_world.h"

static void test_crash_keeps_what_is_synced(void **state)
{
    struct world *w = *state;

    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct io_file *file;

        restart(w, seed);
        file = durable_file(w, "file", 8, 'a');
        write_letter(w->io, file, 2, 3, 'b');
        assert_int_equal(io_file_sync(w->io, file), 0);
        file = crash_and_open(w, file, "file");
        expect_size(w->io, file, (uint64_t)8 * SECTOR);
        for (unsigned i = 0; i < 8; i++)
            assert_int_equal(sector_letter(w->io, file, i), i >= 2 && i < 5 ? 'b' : 'a');
        io_file_close(w->io, file);
    }
}

static void test_crash_keeps_any_subset(void **state)
{
    struct world *w = *state;
    unsigned seen[256] = { 0 }, distinct = 0;

    for (uint64_t seed = 1; seed <= 20000; seed++) {
        struct io_file *file;
        unsigned mask = 0;

        restart(w, seed);
        file = durable_file(w, "file", 10, 'a');
        write_letter(w->io, file, 1, 8, 'b');
        file = crash_and_open(w, file, "file");
        for (unsigned i = 0; i < 10; i++) {
            char letter = sector_letter(w->io, file, i);

            assert_true(letter == 'a' || (letter == 'b' && i >= 1 && i <= 8));
            mask |= i >= 1 && i <= 8 && letter == 'b' ? 1u << (i - 1) : 0;
        }
        distinct += seen[mask]++ == 0;
        io_file_close(w->io, file);
    }
    assert_int_equal(distinct, 256);
}

static void test_crash_gives_any_content_since_the_sync(void **state)
{
    struct world *w = *state;
    bool seen[128] = { false };

    for (uint64_t seed = 1; seed <= 500; seed++) {
        struct io_file *file;

        restart(w, seed);
        file = durable_file(w, "file", 1, 'x');
        write_letter(w->io, file, 0, 1, 'a');
        assert_int_equal(io_file_sync(w->io, file), 0);
        for (char letter = 'b'; letter <= 'd'; letter++)
            write_letter(w->io, file, 0, 1, letter);
        assert_int_equal(sector_letter(w->io, file, 0), 'd');
        file = crash_and_open(w, file, "file");
        seen[(unsigned char)sector_letter(w->io, file, 0)] = true;
        io_file_close(w->io, file);
    }
    assert_true(seen['a'] && seen['b'] && seen['c'] && seen['d']);
    assert_false(seen['x']); /* from before the sync */
}

/*
 * A random walk against a model: per sector the stamps it may have after a crash. Each write has a
 * stamp of its own. Writes are synced or fail to be; a crash may come at any time.
 */
#define WALK_SECTORS 24
#define WALK_STAMPS_MAX 400

struct walk {
    bool allowed[WALK_SECTORS][WALK_STAMPS_MAX];
    bool owed[WALK_SECTORS]; /* a failed sync covered it: only a new write and its sync settle it */
    bool fresh[WALK_SECTORS];  /* written since the last sync of either outcome */
    uint16_t now[WALK_SECTORS];
    uint16_t stamp;
};

static void walk_write(struct world *w, struct walk *k, struct io_file *file)
{
    uint16_t data[8 * SECTOR / sizeof(uint16_t)];
    unsigned from = (unsigned)(io_simulated_random(w->io) % WALK_SECTORS);
    unsigned count = 1 + (unsigned)(io_simulated_random(w->io) % 8);

    if (count > WALK_SECTORS - from)
        count = WALK_SECTORS - from;
    k->stamp++;
    for (size_t i = 0; i < COUNT_OF(data); i++)
        data[i] = k->stamp;
    assert_int_equal(try_write(w->io, file, data, (size_t)count * SECTOR, (uint64_t)from * SECTOR), 0);
    for (unsigned i = from; i < from + count; i++) {
        k->now[i] = k->stamp;
        k->allowed[i][k->stamp] = true;
        k->fresh[i] = true;
    }
}

static void walk_sync(struct world *w, struct walk *k, struct io_file *file, bool fails)
{
    if (fails)
        io_simulated_fail_sync(w->io, 1);
    assert_int_equal(io_file_sync(w->io, file), fails ? EDDA_EIO : 0);
    for (unsigned i = 0; i < WALK_SECTORS; i++) {
        if (fails) {
            k->owed[i] = k->owed[i] || k->fresh[i];
        } else if (k->fresh[i] || !k->owed[i]) {
            memset(k->allowed[i], 0, sizeof(k->allowed[i]));
            k->allowed[i][k->now[i]] = true;
            k->owed[i] = false;
        }
        k->fresh[i] = false;
    }
}

static void walk_check(struct world *w, struct walk *k, struct io_file *file, bool crashed, uint64_t seed)
{
    for (unsigned i = 0; i < WALK_SECTORS; i++) {
        uint16_t data[SECTOR / sizeof(uint16_t)];
        size_t len;

        assert_int_equal(io_file_read(w->io, file, data, SECTOR, (uint64_t)i * SECTOR, &len), 0);
        assert_int_equal(len, SECTOR);
        for (size_t j = 1; j < COUNT_OF(data); j++)
            assert_int_equal(data[j], data[0]);
        if (crashed ? !k->allowed[i][data[0]] : data[0] != k->now[i])
            fail_msg("seed %llu: sector %u has stamp %u", (unsigned long long)seed, i, data[0]);
        k->now[i] = data[0];
        memset(k->allowed[i], 0, sizeof(k->allowed[i]));
        k->allowed[i][data[0]] = true;
        k->owed[i] = k->fresh[i] = false;
    }
}

static void test_crash_random_walk(void **state)
{
    struct world *w = *state;

    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct walk k = { .stamp = 0 };
        struct io_file *file;

        restart(w, seed);
        file = create(w->io, path_of(w, "file"));
        assert_int_equal(io_file_allocate(w->io, file, (uint64_t)WALK_SECTORS * SECTOR), 0);
        assert_int_equal(io_file_sync(w->io, file), 0);
        assert_int_equal(io_dir_sync(w->io, w->dir), 0);
        for (unsigned i = 0; i < WALK_SECTORS; i++)
            k.allowed[i][0] = true;
        while (k.stamp < WALK_STAMPS_MAX - 1) {
            uint64_t choice = io_simulated_random(w->io) % 16;

            if (choice < 11) {
                walk_write(w, &k, file);
            } else if (choice < 15) {
                walk_sync(w, &k, file, choice == 11);
            } else {
                bool machine = io_simulated_random(w->io) % 4 > 0;

                if (machine) {
                    file = crash_and_open(w, file, "file");
                    walk_check(w, &k, file, true, seed);
                } else {
                    io_simulated_crash(w->io, true);
                    io_file_close(w->io, file);
                    file = open_file(w->io, path_of(w, "file"), IO_WRITE);
                }
            }
        }
        io_file_close(w->io, file);
    }
}

static void test_crash_of_sizes(void **state)
{
    struct world *w = *state;
    bool grown[6] = { false }, cut_undone = false, cut_stays = false;

    for (uint64_t seed = 1; seed <= 500; seed++) {
        struct io_file *file;
        uint64_t size = 0;

        /* Growth: any of the sizes it had, and nothing but zeros or what was written. */
        restart(w, seed);
        file = durable_file(w, "file", 1, 'a');
        for (unsigned i = 1; i < 6; i++)
            write_letter(w->io, file, i, 1, 'b');
        file = crash_and_open(w, file, "file");
        assert_int_equal(io_file_size(w->io, file, &size), 0);
        assert_true(size >= SECTOR && size <= 6 * SECTOR && size % SECTOR == 0);
        grown[size / SECTOR - 1] = true;
        for (unsigned i = 0; i < size / SECTOR; i++)
            assert_true(strchr(i ? "b." : "a", sector_letter(w->io, file, i)) != NULL);
        /* What was beyond the end is not found again. */
        assert_int_equal(io_file_allocate(w->io, file, (uint64_t)8 * SECTOR), 0);
        for (unsigned i = (unsigned)(size / SECTOR); i < 8; i++)
            assert_int_equal(sector_letter(w->io, file, i), '.');
        io_file_close(w->io, file);

        /* A cut: all of it or none. */
        restart(w, seed);
        file = durable_file(w, "file", 6, 'a');
        assert_int_equal(io_file_truncate(w->io, file, SECTOR), 0);
        file = crash_and_open(w, file, "file");
        assert_int_equal(io_file_size(w->io, file, &size), 0);
        if (size == SECTOR) {
            cut_stays = true;
        } else {
            expect_size(w->io, file, (uint64_t)6 * SECTOR);
            for (unsigned i = 0; i < 6; i++)
                assert_int_equal(sector_letter(w->io, file, i), 'a');
            cut_undone = true;
        }
        io_file_close(w->io, file);
    }
    for (size_t i = 0; i < COUNT_OF(grown); i++)
        assert_true(grown[i]);
    assert_true(cut_undone && cut_stays);
}

static void test_crash_of_the_process_loses_nothing(void **state)
{
    struct world *w = *state;
    bool lost_later = false;

    for (uint64_t seed = 1; seed <= 100; seed++) {
        struct io_file *file, *lock, *dead_lock;

        restart(w, seed);
        io_simulated_advance(w->io, 5 * S);
        file = durable_file(w, "file", 2, 'a');
        lock = create(w->io, path_of(w, "lock"));
        assert_int_equal(io_file_lock(w->io, lock, NULL), 0);
        write_letter(w->io, file, 0, 2, 'b');
        io_simulated_crash(w->io, true);
        io_file_close(w->io, file);
        assert_int_equal(io_clock_boot_ns(w->io), 5 * S); /* the machine did not stop */
        dead_lock = lock;
        lock = open_file(w->io, path_of(w, "lock"), IO_WRITE);
        assert_int_equal(io_file_lock(w->io, lock, NULL), 0);
        io_file_close(w->io, dead_lock);
        io_file_close(w->io, lock);
        file = open_file(w->io, path_of(w, "file"), IO_WRITE);
        assert_int_equal(sector_letter(w->io, file, 0), 'b');
        assert_int_equal(sector_letter(w->io, file, 1), 'b');
        /* Yet it was never synced: the machine may still lose it. */
        file = crash_and_open(w, file, "file");
        lost_later = lost_later || sector_letter(w->io, file, 0) == 'a';
        io_file_close(w->io, file);
    }
    assert_true(lost_later);
}

static void test_names_are_durable_after_dir_sync(void **state)
{
    struct world *w = *state;
    bool seen[4] = { false };

    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct io_file *file;
        bool a, b, c;

        restart(w, seed);
        put_file(w, "a", "a");
        assert_int_equal(io_dir_sync(w->io, w->dir), 0);
        put_file(w, "b", "b");                                                           /* 1 */
        assert_int_equal(io_file_rename(w->io, path_of(w, "a"), path_of(w, "c")), 0);    /* 2 */
        assert_int_equal(io_file_remove(w->io, path_of(w, "b")), 0);                     /* 3 */
        file = create(w->io, path_of(w, "b"));                                           /* 4 */
        assert_int_equal(io_file_sync(w->io, file), 0); /* of no help to the name */
        io_file_close(w->io, file);
        io_simulated_crash(w->io, false);

        a = exists(w->io, path_of(w, "a"));
        b = exists(w->io, path_of(w, "b"));
        c = exists(w->io, path_of(w, "c"));
        assert_true(a != c);
        if (a)
            seen[b ? 1 : 0] = true;
        else
            seen[b ? 2 : 3] = true;

        /* Decided once: a second crash changes nothing. */
        io_simulated_crash(w->io, false);
        assert_int_equal(a, exists(w->io, path_of(w, "a")));
        assert_int_equal(b, exists(w->io, path_of(w, "b")));
    }
    assert_true(seen[0] && seen[1] && seen[2] && seen[3]);
}

static void test_a_lost_directory_takes_its_files(void **state)
{
    struct world *w = *state;
    bool lost = false, kept = false;

    for (uint64_t seed = 1; seed <= 100; seed++) {
        struct io_file *file;

        restart(w, seed);
        assert_int_equal(io_dir_make(w->io, path_of(w, "d/e"), NULL), 0);
        file = create(w->io, path_of(w, "d/e/file"));
        write_at(w->io, file, "x", 0);
        assert_int_equal(io_file_sync(w->io, file), 0);
        io_file_close(w->io, file);
        assert_int_equal(io_dir_sync(w->io, path_of(w, "d/e")), 0);
        assert_int_equal(io_dir_sync(w->io, path_of(w, "d")), 0);
        io_simulated_crash(w->io, false); /* only the name d is not durable */
        if (io_dir_sync(w->io, path_of(w, "d")) == 0) {
            expect_file(w, "d/e/file", "x");
            kept = true;
        } else {
            assert_false(exists(w->io, path_of(w, "d/e/file")));
            assert_int_equal(io_dir_make(w->io, path_of(w, "d/e"), NULL), 0);
            assert_false(exists(w->io, path_of(w, "d/e/file")));
            lost = true;
        }
    }
    assert_true(lost && kept);
}

const struct test io_crashes_tests[] = {
    { "a crash keeps what is synced", test_crash_keeps_what_is_synced },
    { "a crash keeps any subset of unsynced sectors", test_crash_keeps_any_subset },
    { "a crash gives any content since the sync", test_crash_gives_any_content_since_the_sync },
    { "writes, syncs, failures and crashes against a model", test_crash_random_walk },
    { "a crash of sizes", test_crash_of_sizes },
    { "a crash of the process loses nothing", test_crash_of_the_process_loses_nothing },
    { "names are durable after a sync of the directory", test_names_are_durable_after_dir_sync },
    { "a lost directory takes its files", test_a_lost_directory_takes_its_files },
    { NULL, NULL },
};
