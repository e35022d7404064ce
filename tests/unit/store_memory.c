/*
 * The store when memory runs out: the n-th allocation of an operation fails, for every n. The operation says EDDA_ENOMEM or has
 * not needed that memory; either way the store is whole, and the same operation succeeds afterwards.
 *
 * Linked with --wrap for the allocating functions.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "io/simulated.h"
#include "store/store.h"

#define DIR "/data"
#define ALLOCATIONS_MAX 2000

static unsigned fail_at; /* 0: none fails */
static unsigned allocations;
static bool failed;

static bool fails(void)
{
    allocations++;
    if (fail_at == 0 || --fail_at > 0)
        return false;
    failed = true;
    return true;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *pointer, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *pointer, size_t size);

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *pointer, size_t size)
{
    return fails() ? NULL : __real_realloc(pointer, size);
}

static struct world {
    struct io *io;
    struct store *store;
    struct edda_error error;
} w;

static void world_open(void)
{
    const struct store_options options = { .log = { .segment_bytes = UINT64_C(256) << 10 } };
    int r = store_open(w.io, DIR, &options, &w.store, NULL, &w.error);
    if (r != 0)
        fail_msg("open: %d %s", r, w.error.message);
}

/* A store with some streams, of which a part is durable, a part closed and a part in the open frame. */
static void world_make(void)
{
    struct topic *orders, *points;
    w.io = io_simulated_new(&(struct io_simulated_options){ .seed = 1 });
    assert_non_null(w.io);
    world_open();
    assert_int_equal(store_topic_ensure(w.store, SLICE("orders"), 3, &orders, &w.error), 0);
    assert_int_equal(store_topic_ensure(w.store, SLICE("points"), 1, &points, &w.error), 0);
    for (int i = 0; i < 9; i++) {
        const struct store_message m[] = {
            { .topic = orders, .key = slice_of(&"abc"[i % 3], 1), .value = SLICE("v"), .partition = -1,
              .event = { .type = SLICE("T"), .correlation = SLICE("c") } },
            { .topic = points, .key = slice_of(&"abc"[i % 3], 1), .value = SLICE("v"), .partition = -1 },
        };
        assert_int_equal(store_append(w.store, NULL, 0, m, 2, false, NULL, &w.error), 0);
        if (i % 3 == 0)
            assert_int_equal(i == 3 ? store_close_frame(w.store, &w.error) : store_flush(w.store, &w.error), 0);
    }
}

static void world_end(void)
{
    store_close(w.store);
    io_simulated_free(w.io);
}

/* --- operations ----------------------------------------------------------------------------------------- */

static int do_append(void)
{
    static struct store_message m[40];
    static char keys[40][16];
    struct topic *topics[] = { store_topic(w.store, SLICE("orders")), store_topic(w.store, SLICE("points")) };
    for (int i = 0; i < 40; i++) {
        int len = snprintf(keys[i], sizeof(keys[i]), "key%d", i);
        m[i] = (struct store_message){
            .topic = topics[i % 2], .key = slice_of(keys[i], (size_t)len), .value = SLICE("value"), .partition = i % 2 ? 0 : i % 3,
            .event = { .id = slice_of(keys[i], (size_t)len), .type = SLICE("T"), .correlation = SLICE("c"), .source = SLICE("s") },
            .identify = true,
        };
    }
    const struct store_condition c = { SLICE("orders"), SLICE("a"), STORE_EXISTS };
    uint64_t before = store_tail(w.store);
    int64_t offset = store_next_offset(topics[1], 0);
    struct store_appended appended;
    int r = store_append(w.store, &c, 1, m, 40, true, &appended, &w.error);
    /* All or nothing, but for the row that says that the topic is mixed. */
    if (r == 0)
        assert_true(appended.repeated || store_next_offset(topics[1], 0) == offset + 20);
    else
        assert_true(store_tail(w.store) <= before + 1 && store_next_offset(topics[1], 0) == offset);
    return r;
}

static int do_topic(void)
{
    struct topic *topic;
    return store_topic_ensure(w.store, SLICE("another"), 40, &topic, &w.error);
}

static int do_grow(void)
{
    struct topic *topic = store_topic(w.store, SLICE("orders"));
    int r = store_topic_grow(w.store, topic, 20, &w.error);
    assert_int_equal(topic->partition_count, r == 0 ? 20 : 3);
    return r;
}

static int do_delete(void)
{
    int r = store_stream_delete(w.store, SLICE("orders"), SLICE("a"), STORE_ANY, &w.error);
    return r == EDDA_ENOTFOUND ? 0 : r;
}

static int do_offset(void)
{
    int r = store_offset_commit(w.store, SLICE("g"), SLICE("orders"), 0, 7, SLICE("m"), &w.error);
    if (r == 0)
        assert_true(store_offset_fetch(w.store, SLICE("g"), SLICE("orders"), 0) == 7 || failed);
    return r;
}

static int do_close(void)
{
    return store_close_frame(w.store, &w.error);
}

static int count_up(void *user, const struct store_record *record, int64_t version)
{
    (void)record;
    (void)version;
    ++*(int *)user;
    return 0;
}

/* From the log, where nothing is in memory yet. */
static int do_read(void)
{
    struct store_cursor cursor;
    struct store_record record;
    int count = 0, r;
    unsigned later = fail_at;
    fail_at = 0;
    store_close(w.store);
    world_open();
    fail_at = later;
    int64_t n = store_stream_read(w.store, SLICE("orders"), SLICE("b"), 0, false, 100, count_up, &count);
    if (n < 0)
        return (int)n;
    assert_true(n >= 3);
    store_cursor_init(&cursor, 0, NULL);
    for (count = 0; (r = store_cursor_next(w.store, &cursor, &record, &w.error)) == 1; count++)
        continue;
    store_cursor_deinit(&cursor);
    if (r == 0)
        assert_int_equal(count, store_tail(w.store));
    return r;
}

/* A store that cannot be opened for lack of memory is opened afterwards. */
static int do_reopen(void)
{
    unsigned later = fail_at;
    fail_at = 0;
    store_close(w.store);
    const struct store_options options = { .log = { .segment_bytes = UINT64_C(256) << 10 } };
    fail_at = later;
    int r = store_open(w.io, DIR, &options, &w.store, NULL, &w.error);
    fail_at = 0;
    if (r < 0)
        world_open();
    return r;
}

static void survives(int (*operation)(void))
{
    for (unsigned n = 1;; n++) {
        assert_true(n < ALLOCATIONS_MAX);
        world_make();
        failed = false;
        fail_at = n;
        int r = operation();
        fail_at = 0;
        bool enough = !failed;
        if (r != 0 && r != EDDA_ENOMEM)
            fail_msg("allocation %u: %d %s", n, r, w.error.message);
        assert_true(r == 0 || failed);
        failed = false;
        r = operation();
        if (r != 0)
            fail_msg("after allocation %u: %d %s", n, r, w.error.message);
        int64_t found = store_verify(w.store, NULL, NULL, &w.error);
        if (found != 0)
            fail_msg("allocation %u: verification finds %d: %s", n, (int)found, w.error.message);
        world_end();
        if (enough) {
            print_message("%u allocations\n", n - 1);
            return;
        }
    }
}

#define SURVIVES(operation) \
    static void operation##_survives(void **state) \
    { \
        (void)state; \
        survives(operation); \
    }
SURVIVES(do_append)
SURVIVES(do_topic)
SURVIVES(do_grow)
SURVIVES(do_delete)
SURVIVES(do_offset)
SURVIVES(do_close)
SURVIVES(do_read)
SURVIVES(do_reopen)

static void append_many(struct topic *topic, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        char key[16];
        int len = snprintf(key, sizeof(key), "%u", i % 100);
        const struct store_message m = {
            .topic = topic, .key = slice_of(key, (size_t)len), .value = SLICE("a value of some length"), .partition = -1,
            .event = { .type = SLICE("T"), .source = SLICE("s"), .correlation = slice_of(key, (size_t)len) },
        };
        assert_int_equal(store_append(w.store, NULL, 0, &m, 1, true, NULL, &w.error), 0);
        if (i % 50 == 0) {
            assert_int_equal(store_flush(w.store, &w.error), 0);
            store_maintain(w.store);
        }
    }
}

/* Once buffers have their size, appends find what they need: what is left is the growth of the index. */
static void a_steady_load_hardly_allocates(void **state)
{
    (void)state;
    struct topic *topic;
    w.io = io_simulated_new(&(struct io_simulated_options){ .seed = 1 });
    const struct store_options options = { .log = { .segment_bytes = UINT64_C(16) << 20 }, .frames_kept = 4 };
    assert_int_equal(store_open(w.io, DIR, &options, &w.store, NULL, &w.error), 0);
    assert_int_equal(store_topic_ensure(w.store, SLICE("orders"), 4, &topic, &w.error), 0);
    append_many(topic, 5000);
    allocations = 0;
    append_many(topic, 5000);
    print_message("%u allocations for 5000 appends and 100 flushes\n", allocations);
    assert_true(allocations < 250);
    world_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_steady_load_hardly_allocates),
        cmocka_unit_test(do_append_survives), cmocka_unit_test(do_topic_survives),  cmocka_unit_test(do_grow_survives),
        cmocka_unit_test(do_delete_survives), cmocka_unit_test(do_offset_survives), cmocka_unit_test(do_close_survives),
        cmocka_unit_test(do_read_survives),   cmocka_unit_test(do_reopen_survives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
