/*
 * What the engine asks of a database of read models (engine/database.h), asked of each in turn. Usage: databases URL, as `run --db` takes it. A server must be
 * there and its database empty.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/database.h"
#include "outside/databases.h"

struct Inner { int64_t n; struct edda_text word; };
static const struct edda_field Inner_fields[] = { EDDA_FIELD(Inner, n), EDDA_FIELD(Inner, word, .optional = true) };
static const struct edda_type Inner = EDDA_VALUE(Inner);

struct Thing {
    struct edda_text id;
    int64_t part;
    bool good;
    double weight;
    struct edda_text name;
    int64_t seen;
    struct Inner inner;
    struct edda_list numbers;
    struct edda_text any;
};
static const struct edda_field Thing_fields[] = {
    EDDA_FIELD(Thing, id), EDDA_FIELD(Thing, part), EDDA_FIELD(Thing, good), EDDA_FIELD(Thing, weight), EDDA_FIELD(Thing, name, .optional = true),
    EDDA_FIELD_TIME(Thing, seen), EDDA_FIELD_STRUCT(Thing, inner, Inner), EDDA_FIELD_LIST(Thing, numbers, EDDA_KIND_INT), EDDA_FIELD_JSON(Thing, any),
};
static const struct edda_type Thing = EDDA_VALUE(Thing);
static const char *const thing_indexes[] = { "weight", "name", NULL };
static const struct edda_table things = EDDA_TABLE("things", Thing, 2, .indexes = thing_indexes);

/* Words of SQL, capitals and quotes in names and values do no harm. */
struct Count { struct edda_text Select; int64_t order; bool group; };
static const struct edda_field Count_fields[] = { EDDA_FIELD(Count, Select), EDDA_FIELD(Count, order), EDDA_FIELD(Count, group) };
static const struct edda_type Count = EDDA_VALUE(Count);
static const struct edda_table counts = EDDA_TABLE("user", Count, 1);

static struct database *database;
static struct session *session;
static struct arena arena;

static int set_up(void **state)
{
    (void)state;
    arena_init(&arena, 0, 0);
    return database_session(database, &session, NULL);
}

static int tear_down(void **state)
{
    (void)state;
    assert_int_equal(session_table_drop(session, "things", NULL), 0);
    assert_int_equal(session_table_drop(session, "user", NULL), 0);
    session_end(session);
    arena_deinit(&arena);
    return 0;
}

#define ID(literal) EDDA_TEXT(literal)

static void put(const struct edda_table *table, const void *row)
{
    struct edda_error error = { 0 };
    const struct database_change change = { .row = row };
    if (session_begin(session, &error) < 0 || session_change(session, table, table->name, &change, 1, &error) < 0 ||
        session_commit(session, &error) < 0)
        fail_msg("%s", error.message);
}

static int get(const struct edda_table *table, void *row)
{
    struct edda_error error = { 0 };
    int rc = session_get(session, table, table->name, row, &arena, &error);
    if (rc < 0)
        fail_msg("%s", error.message);
    return rc;
}

static void make(const struct edda_table *table)
{
    struct edda_error error = { 0 };
    if (session_table_make(session, table, table->name, &error) < 0)
        fail_msg("%s", error.message);
}

static void test_every_kind_comes_back(void **state)
{
    (void)state;
    int64_t numbers[] = { 1, -2, INT64_MAX };
    const struct Thing row = {
        .id = ID("'; DROP TABLE things; --"), .part = INT64_MIN, .good = true, .weight = 0.1, .name = ID("\xc3\xa4\"\\"), .seen = 1767225600123,
        .inner = { .n = 7, .word = ID("w\n") }, .numbers = { .items = numbers, .count = 3 }, .any = ID("{\"b\": [1, 2.50], \"a\":null}"),
    };
    make(&things);
    make(&things); /* it is there */
    put(&things, &row);
    struct Thing found = { .id = row.id, .part = row.part };
    assert_int_equal(get(&things, &found), 1);
    assert_true(found.good);
    assert_true(found.weight == 0.1);
    assert_true(edda_text_equal(found.name, row.name));
    assert_int_equal(found.seen, row.seen);
    assert_int_equal(found.inner.n, 7);
    assert_true(edda_text_is(found.inner.word, "w\n"));
    assert_int_equal(found.numbers.count, 3);
    assert_true(((const int64_t *)found.numbers.items)[2] == INT64_MAX);
    assert_true(edda_text_equal(found.any, row.any));
    /* All zero is not NULL. */
    put(&things, &(struct Thing){ .id = ID("zero") });
    found = (struct Thing){ .id = ID("zero"), .weight = 9, .any = ID("x") };
    assert_int_equal(get(&things, &found), 1);
    assert_true(!found.good && found.weight == 0 && found.name.len == 0 && found.numbers.count == 0 && found.any.len == 0);
    found = (struct Thing){ .id = ID("none") };
    assert_int_equal(get(&things, &found), 0);
}

static void test_put_replaces_and_delete_deletes(void **state)
{
    (void)state;
    make(&counts);
    const struct Count rows[] = { { ID("a"), 1, true }, { ID("b"), 2, false }, { ID("c"), 3, true } };
    const struct database_change changes[] = { { .row = &rows[0] }, { .row = &rows[1] }, { .row = &rows[2] } };
    assert_int_equal(session_begin(session, NULL), 0);
    assert_int_equal(session_change(session, &counts, "user", changes, 3, NULL), 0);
    assert_int_equal(session_commit(session, NULL), 0);
    const struct Count other = { ID("b"), 20, true };
    const struct database_change more[] = { { .row = &rows[0], .deleted = true }, { .row = &other }, { .row = &(struct Count){ ID("x"), 0, 0 }, .deleted = true } };
    assert_int_equal(session_begin(session, NULL), 0);
    assert_int_equal(session_change(session, &counts, "user", more, 3, NULL), 0);
    assert_int_equal(session_commit(session, NULL), 0);
    struct Count found = { .Select = ID("b") };
    assert_int_equal(get(&counts, &found), 1);
    assert_int_equal(found.order, 20);
    found = (struct Count){ .Select = ID("a") };
    assert_int_equal(get(&counts, &found), 0);
    /* What is rolled back has not been. */
    assert_int_equal(session_begin(session, NULL), 0);
    assert_int_equal(session_change(session, &counts, "user", changes, 3, NULL), 0);
    session_rollback(session);
    assert_int_equal(get(&counts, &found), 0);
}

static int swap(const struct Count *expected, const struct Count *row)
{
    struct edda_error error = { 0 };
    assert_int_equal(session_begin(session, NULL), 0);
    int rc = session_swap(session, &counts, "user", expected, row, &error);
    if (rc < 0)
        fail_msg("%s", error.message);
    if (rc == 1)
        assert_int_equal(session_commit(session, NULL), 0);
    else
        session_rollback(session);
    return rc;
}

static void test_swap_compares_every_column(void **state)
{
    (void)state;
    const struct Count first = { ID("a"), 1, true }, second = { ID("a"), 2, true }, wrong = { ID("a"), 1, false };
    make(&counts);
    assert_int_equal(swap(&first, &second), 0);
    assert_int_equal(swap(NULL, &first), 1);
    assert_int_equal(swap(NULL, &second), 0);
    assert_int_equal(swap(&wrong, &second), 0);
    assert_int_equal(swap(&first, &second), 1);
    assert_int_equal(swap(&first, &second), 0);
    struct Count found = { .Select = ID("a") };
    assert_int_equal(get(&counts, &found), 1);
    assert_int_equal(found.order, 2);
    /* Twice in one transaction. */
    assert_int_equal(session_begin(session, NULL), 0);
    assert_int_equal(session_swap(session, &counts, "user", &second, &first, NULL), 1);
    assert_int_equal(session_swap(session, &counts, "user", &first, &wrong, NULL), 1);
    assert_int_equal(session_commit(session, NULL), 0);
    assert_int_equal(get(&counts, &found), 1);
    assert_false(found.group);
}

static void test_queries(void **state)
{
    (void)state;
    static const char *const names[] = { "b", "a", "B", "\xc3\xa4", "c" };
    void *rows;
    size_t count;
    make(&things);
    for (int i = 0; i < 5; i++)
        put(&things, &(struct Thing){ .id = ID("one"), .part = i, .name = edda_text_of(names[i]), .weight = i % 2, .any = ID("1") });
    put(&things, &(struct Thing){ .id = ID("two"), .part = 9, .name = ID("z") });
    const struct Thing one = { .id = ID("one") };
    struct edda_query query = { .table = &things, .equal = &one, .equal_fields = 1, .order_by = "name", .limit = 10 };
    assert_int_equal(session_rows(session, &things, "things", &query, &arena, &rows, &count, NULL), 0);
    assert_int_equal(count, 5);
    const struct Thing *found = rows;
    static const char *const by_bytes[] = { "B", "a", "b", "c", "\xc3\xa4" };
    for (int i = 0; i < 5; i++)
        assert_true(edda_text_is(found[i].name, by_bytes[i]));
    /* Equal ones in the order of their keys, also backward, and across pages. */
    query = (struct edda_query){ .table = &things, .order_by = "weight", .descending = true, .limit = 2, .offset = 1 };
    assert_int_equal(session_rows(session, &things, "things", &query, &arena, &rows, &count, NULL), 0);
    found = rows;
    assert_int_equal(count, 2);
    assert_true(found[0].part == 1 && edda_text_is(found[1].id, "two"));
    const struct Thing nobody = { .id = ID("three") };
    query = (struct edda_query){ .table = &things, .equal = &nobody, .equal_fields = 1, .limit = 2 };
    assert_int_equal(session_rows(session, &things, "things", &query, &arena, &rows, &count, NULL), 0);
    assert_int_equal(count, 0);
}

static void test_table_takes_the_place_of_another(void **state)
{
    struct Count found = { .Select = ID("a") };
    (void)state;
    make(&counts);
    put(&counts, &(struct Count){ ID("a"), 1, true });
    assert_int_equal(get(&counts, &found), 1);
    for (int64_t generation = 2; generation < 4; generation++) {
        const struct Count row = { ID("a"), generation, true };
        const struct database_change change = { .row = &row };
        assert_int_equal(session_begin(session, NULL), 0);
        assert_int_equal(session_table_make(session, &counts, "_edda_0_2", NULL), 0);
        assert_int_equal(session_change(session, &counts, "_edda_0_2", &change, 1, NULL), 0);
        assert_int_equal(session_commit(session, NULL), 0);
        assert_int_equal(session_begin(session, NULL), 0);
        assert_int_equal(session_table_drop(session, "user", NULL), 0);
        assert_int_equal(session_table_name(session, "_edda_0_2", "user", NULL), 0);
        assert_int_equal(session_commit(session, NULL), 0);
        assert_int_equal(get(&counts, &found), 1);
        assert_int_equal(found.order, generation);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_kind_comes_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_put_replaces_and_delete_deletes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_swap_compares_every_column, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_queries, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_table_takes_the_place_of_another, set_up, tear_down),
    };
    struct edda_error error = { 0 };
    if (argc != 2 || databases_open(argv[1], ".", &database, &error) < 0) {
        print_error("usage: databases URL: %s\n", error.message);
        return 2;
    }
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    database_close(database);
    return failed;
}
