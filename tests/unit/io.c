/*
 * The io layer: what both implementations promise, as one table of tests that is run against each;
 * then what only the real one has, and what only the simulated one has. The simulated tests go
 * through fixed seeds, and a failure prints the seed it was found with.
 */
#include <ftw.h>

#include "io_world.h"

#define TESTS_MAX 32

static struct world posix = { .name = "posix" };
static struct world simulated = { .name = "simulated", .simulated = true };

static int world_setup(void **state)
{
    struct world *w = *state;

    w->test = w->next++;
    w->passed = false;
    w->seed = 1;
    if (w->simulated) {
        w->io = io_simulated_new(&(struct io_simulated_options){ .seed = w->seed });
        snprintf(w->dir, sizeof(w->dir), "/data");
        return w->io ? io_dir_make(w->io, w->dir, NULL) : -1;
    }
    w->io = io_posix_new(HANDLER_THREADS);
    snprintf(w->dir, sizeof(w->dir), "/tmp/edda-unit-io-XXXXXX");
    return w->io && mkdtemp(w->dir) ? 0 : -1;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static int world_teardown(void **state)
{
    struct world *w = *state;

    /* A test that failed midway has left files and jobs open, which the io would not stand. */
    if (!w->passed) {
        if (w->simulated)
            print_message("failed with seed %llu\n", (unsigned long long)w->seed);
        return 0;
    }
    if (w->simulated) {
        io_simulated_free(w->io);
        return 0;
    }
    io_posix_free(w->io);
    return nftw(w->dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static void world_run(void **state)
{
    struct world *w = *state;

    w->test->run(state);
    w->passed = true;
}

static int run_group(struct world *w, const char *group, const struct test *tests)
{
    struct CMUnitTest units[TESTS_MAX];
    char names[TESTS_MAX][128];
    size_t count = 0;

    for (; tests[count].says; count++) {
        assert_true(count < TESTS_MAX);
        snprintf(names[count], sizeof(names[count]), "%s: %s", w->name, tests[count].says);
        units[count] = (struct CMUnitTest){ names[count], world_run, world_setup, world_teardown, w };
    }
    w->next = tests;
    return _cmocka_run_group_tests(group, units, count, NULL, NULL);
}

int main(void)
{
    int failed = 0;

    failed += run_group(&posix, "posix, promised", io_promised_tests);
    failed += run_group(&posix, "posix", io_posix_tests);
    failed += run_group(&simulated, "simulated, promised", io_promised_tests);
    failed += run_group(&simulated, "simulated, crashes", io_crashes_tests);
    failed += run_group(&simulated, "simulated, faults", io_faults_tests);
    failed += run_group(&simulated, "simulated", io_simulated_tests);
    return failed != 0;
}
