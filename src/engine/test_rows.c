/* The test kit for projections: events are applied one by one to rows in memory, as a projection of an application does (projection_work.c). */
#include "engine/test.h"

#include <stdio.h>
#include <stdlib.h>

#include "engine/database.h"

static bool tables_are_good(struct edda_test *test)
{
    struct edda_error error = { 0 };
    for (const struct edda_table *const *table = test->projection->tables; table && *table; table++) {
        if (test->table_count == TEST_TABLES_MAX || database_table_check(*table, &error) < 0) {
            test_wrong(test, "%s", error.code ? error.message : "it has too many tables");
            return false;
        }
        struct rows_table *own = &test->tables[test->table_count++];
        own->table = *table;
        (void)snprintf(own->name, sizeof own->name, "%s", (*table)->name);
        if (session_table_make(test->session, *table, own->name, &error) < 0) {
            test_wrong(test, "%s", error.message);
            return false;
        }
    }
    for (const struct edda_projecting *row = test->projection->on; row && row->type; row++) {
        if (edda_type_check(row->type, &error) < 0 || !row->project || (row->key && !registry_has_key(row->type, row->key))) {
            test_wrong(test, "%s cannot be applied: %s", row->type->name, error.code ? error.message : "it has no function, or not the field of its key");
            return false;
        }
    }
    return true;
}

struct edda_test *edda_test_projection(const struct edda_projection *projection)
{
    struct edda_test *test = test_alloc();
    if (!test)
        return NULL;
    test->projection = projection;
    test->stand_in.name = projection->name;
    test->def = &test->stand_in;
    rows_init(&test->rows);
    test->database = database_memory_new(NULL);
    if (test->database && database_session(test->database, &test->session, NULL) == 0 && tables_are_good(test))
        return test;
    (void)edda_test_end(test);
    return NULL;
}

void test_rows_end(struct edda_test *test)
{
    if (!test->projection)
        return;
    rows_deinit(&test->rows);
    session_end(test->session);
    database_close(test->database);
}

static const struct edda_projecting *row_of(const struct edda_test *test, const struct edda_type *event)
{
    const struct edda_projecting *row = test->projection->on;
    while (row && row->type && row->type != event && !test_older(row->type, event))
        row++;
    return row && row->type ? row : NULL;
}

/* One event, one transaction. The reason of a failure is as its quarantine would say it. */
static int apply(struct edda_test *test, const struct edda_projecting *row, const void *value)
{
    struct edda_rows *rows = &test->rows;
    struct edda_error error = { 0 };
    struct slice key = { 0 };
    rows_begin(rows, test->session, test->tables, test->table_count);
    (void)json_field_text(row->type, value, row->type->key, &rows->arena, &key);
    const struct edda_message_info info = {
        .id = EDDA_TEXT("test"), .source = EDDA_TEXT("test"), .type = edda_text_of(row->type->name), .topic = edda_text_of(row->type->topic),
        .key = { (const char *)key.data, key.len }, .correlation = EDDA_TEXT("test"), .position = (int64_t)test->messages,
        .time_ms = INT64_C(1767225600000) + (int64_t)test->messages,
    };
    rows_event(rows, &info);
    int rc = row->project(rows, value, row->user);
    if (rows->code < 0) {
        (void)snprintf(test->reason, sizeof test->reason, "%s", rows->error.message);
        return rows->code;
    }
    if (rc < 0) {
        (void)snprintf(test->reason, sizeof test->reason, "its function gave %s", edda_code_info(rc)->name);
        return rc;
    }
    rc = session_begin(test->session, &error);
    if (rc == 0)
        rc = rows_write(rows, &error);
    if (rc == 0)
        rc = session_commit(test->session, &error);
    (void)snprintf(test->reason, sizeof test->reason, "%s", error.message);
    return rc;
}

void test_apply(struct edda_test *test, const struct edda_type *event, const void *value, bool given)
{
    const struct edda_projecting *row = row_of(test, event);
    const struct edda_older *older = row ? test_older(row->type, event) : NULL;
    struct edda_error error = { 0 };
    struct arena arena;
    buffer_clear(&test->when);
    buffer_printf(&test->when, "%s %s ", given ? "given" : "when", event->name);
    json_encode(event, value, &test->when);
    test->messages++;
    if (!row) {
        test_wrong(test, "the projection has no function for it");
        return;
    }
    arena_init(&arena, 0, 0);
    if (older && test_lift(test, row->type, older, &value, &arena) < 0)
        ; /* said already */
    else if (json_check(row->type, value, &error) < 0)
        test_wrong(test, "%s: %s", error.field, error.message);
    else {
        test->outcome = apply(test, row, value) < 0 ? TEST_FAILED : TEST_DONE;
        if (given && test->outcome == TEST_FAILED)
            test_wrong(test, "it failed: %s", test->reason);
        test->asked_outcome = given;
    }
    arena_deinit(&arena);
}

/* --- rows ----------------------------------------------------------------------------------------------- */

/* The row with the key of `row`, in the arena: 1, 0, or a negative code that has been said. */
static int find(struct edda_test *test, const struct edda_table *table, const void *row, struct arena *arena, void **ret_found)
{
    bool own = false;
    for (uint32_t i = 0; i < test->table_count; i++)
        own = own || test->tables[i].table == table;
    if (!test->projection || !own) {
        test_wrong(test, "the table %s is none of its own", table->name);
        return EDDA_EINVAL;
    }
    *ret_found = arena_alloc(arena, table->row->size);
    if (!*ret_found)
        return EDDA_ENOMEM;
    memcpy(*ret_found, row, table->row->size);
    return session_get(test->session, table, table->name, *ret_found, arena, NULL);
}

void edda_then_row_struct(struct edda_test *test, const struct edda_table *table, const void *row)
{
    struct arena arena;
    void *found;
    if (!test)
        return;
    arena_init(&arena, 0, 0);
    int rc = find(test, table, row, &arena, &found);
    struct buffer want = BUFFER_EMPTY, got = BUFFER_EMPTY;
    json_encode(table->row, row, &want);
    if (rc == 1)
        json_encode(table->row, found, &got);
    if (rc >= 0 && !slice_eq(buffer_slice(&want), buffer_slice(&got)))
        test_differs(test, "the row", table->row, row, rc == 1 ? found : NULL);
    buffer_deinit(&want);
    buffer_deinit(&got);
    arena_deinit(&arena);
}

void edda_then_no_row_struct(struct edda_test *test, const struct edda_table *table, const void *row)
{
    struct arena arena;
    void *found;
    if (!test)
        return;
    arena_init(&arena, 0, 0);
    if (find(test, table, row, &arena, &found) == 1)
        test_differs(test, "no row with the key of", table->row, row, found);
    arena_deinit(&arena);
}
