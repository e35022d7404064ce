/*
 * A database in memory: sorted arrays of rows. A transaction gathers what it changes and what it expects, and happens at its commit, if what it expects still
 * holds then; until then nobody else sees it. So two transactions that swap the same row exclude each other as they do in a real one.
 *
 * For the simulator it fails as a server on a network does: not reached at all, or lost in the middle, or at the commit, whose fate then only the row
 * that was swapped tells: not happened, happened, or about to happen when the next transaction is about to commit.
 */
#include "engine/database.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/list.h"
#include "engine/value.h"
#include "io/thread.h"

#define TABLES_MAX 256
#define NAME_BYTES 64
#define FAILURES_ONE_IN 48

struct memory_row {
    struct arena arena;
    void *row;
};

struct memory_table {
    char name[NAME_BYTES];
    const struct edda_table *table; /* its columns */
    struct memory_row **rows;       /* sorted by their keys */
    size_t count, capacity;
};

enum memory_step_kind { STEP_SWAP, STEP_CHANGE, STEP_MAKE, STEP_DROP, STEP_NAME };

/* One statement of a transaction. */
struct memory_step {
    struct memory_step *next;
    enum memory_step_kind kind;
    const struct edda_table *table;
    char name[NAME_BYTES], to[NAME_BYTES];
    const void *expected, *row; /* copies */
    bool deleted;
};

struct transaction {
    struct arena arena;
    struct memory_step *first, **last;
};

struct memory {
    struct database database;
    struct database_memory_options options;
    struct lock lock;
    struct memory_table *tables[TABLES_MAX];
    size_t table_count;
    struct transaction *held; /* will still happen */
    bool hold_next, cut;
    void *listed;             /* by database_memory_rows() */
};

struct memory_session {
    struct session session;
    struct memory *memory;
    struct transaction *open;
    bool lost;
};

static struct memory *memory_of(struct database *database)
{
    return container_of(database, struct memory, database);
}

static struct memory_session *session_of(struct session *session)
{
    return container_of(session, struct memory_session, session);
}

static bool happens(struct memory *memory, uint64_t one_in)
{
    return memory->options.chance && memory->options.chance(memory->options.chance_user, one_in) == 0;
}

/* --- tables --------------------------------------------------------------------------------------------- */

static struct memory_table *table_find_named(struct memory *memory, const char *name, size_t *ret_index)
{
    for (size_t i = 0; i < memory->table_count; i++) {
        if (strcmp(memory->tables[i]->name, name) != 0)
            continue;
        if (ret_index)
            *ret_index = i;
        return memory->tables[i];
    }
    return NULL;
}

static void row_free(struct memory_row *row)
{
    arena_deinit(&row->arena);
    free(row);
}

static void table_remove_at(struct memory *memory, size_t index)
{
    struct memory_table *table = memory->tables[index];
    for (size_t i = 0; i < table->count; i++)
        row_free(table->rows[i]);
    free(table->rows);
    free(table);
    memory->tables[index] = memory->tables[--memory->table_count];
}

static bool table_add(struct memory *memory, const struct edda_table *of, const char *name)
{
    if (table_find_named(memory, name, NULL))
        return true;
    struct memory_table *table = memory->table_count < TABLES_MAX ? calloc(1, sizeof *table) : NULL;
    if (!table)
        return false;
    memcpy(table->name, name, strlen(name) + 1);
    table->table = of;
    memory->tables[memory->table_count++] = table;
    return true;
}

/* Where the row with this key is, or belongs. */
static size_t row_place(const struct memory_table *table, const void *key, bool *ret_found)
{
    size_t low = 0, high = table->count;
    *ret_found = false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = database_compare(table->table->row, table->table->key_fields, table->rows[middle]->row, key);
        if (order == 0)
            *ret_found = true;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool row_put(struct memory_table *table, const void *row)
{
    bool found;
    size_t place = row_place(table, row, &found);
    struct memory_row *copy = calloc(1, sizeof *copy);
    if (!copy)
        return false;
    arena_init(&copy->arena, 256, 0);
    copy->row = value_copy(table->table->row, row, &copy->arena);
    if (!found && copy->row && table->count == table->capacity) {
        size_t capacity = table->capacity ? table->capacity * 2 : 16;
        struct memory_row **grown = realloc(table->rows, capacity * sizeof *grown);
        if (grown) {
            table->rows = grown;
            table->capacity = capacity;
        }
    }
    if (!copy->row || (!found && table->count == table->capacity)) {
        row_free(copy);
        return false;
    }
    if (found) {
        row_free(table->rows[place]);
    } else {
        memmove(table->rows + place + 1, table->rows + place, (table->count - place) * sizeof *table->rows);
        table->count++;
    }
    table->rows[place] = copy;
    return true;
}

static void row_remove(struct memory_table *table, const void *row)
{
    bool found;
    size_t place = row_place(table, row, &found);
    if (!found)
        return;
    row_free(table->rows[place]);
    table->count--;
    memmove(table->rows + place, table->rows + place + 1, (table->count - place) * sizeof *table->rows);
}

/* --- transactions --------------------------------------------------------------------------------------- */

static struct transaction *transaction_new(void)
{
    struct transaction *transaction = calloc(1, sizeof *transaction);
    if (!transaction)
        return NULL;
    arena_init(&transaction->arena, 0, 0);
    transaction->last = &transaction->first;
    return transaction;
}

static void transaction_free(struct transaction *transaction)
{
    if (!transaction)
        return;
    arena_deinit(&transaction->arena);
    free(transaction);
}

/* Whether the row with the key of `row` is as `expected` (NULL: not there). The simulator and a test fail when this says yes to everything. */
static bool is_as_expected(struct memory *memory, const struct memory_step *step)
{
    struct memory_table *table = table_find_named(memory, step->name, NULL);
    bool found = false;
    size_t place = table ? row_place(table, step->row, &found) : 0;
    if (!step->expected || !found)
        return !step->expected && !found;
    return database_compare(step->table->row, step->table->row->field_count, table->rows[place]->row, step->expected) == 0;
}

static bool step_do(struct memory *memory, const struct memory_step *step)
{
    size_t index;
    struct memory_table *table = table_find_named(memory, step->name, &index);
    switch (step->kind) {
    case STEP_SWAP:
    case STEP_CHANGE:
        if (step->deleted && table)
            row_remove(table, step->row);
        return step->deleted || (table && row_put(table, step->row));
    case STEP_MAKE:
        return table_add(memory, step->table, step->name);
    case STEP_DROP:
        if (table)
            table_remove_at(memory, index);
        return true;
    case STEP_NAME:
        if (table)
            memcpy(table->name, step->to, sizeof table->name);
        return table != NULL;
    }
    UNREACHABLE();
}

/* All of it, or, when it expects what is not so, nothing. */
static int transaction_do(struct memory *memory, const struct transaction *transaction)
{
    for (const struct memory_step *step = transaction->first; step; step = step->next) {
        bool own = false; /* swapped before in this transaction */
        for (const struct memory_step *other = transaction->first; other != step; other = other->next)
            own = own || (other->kind == STEP_SWAP && step->kind == STEP_SWAP && strcmp(other->name, step->name) == 0 &&
                          database_compare(step->table->row, step->table->key_fields, other->row, step->row) == 0);
        if (step->kind == STEP_SWAP && !own && !is_as_expected(memory, step))
            return 0;
    }
    bool good = true;
    for (const struct memory_step *step = transaction->first; step; step = step->next)
        good = step_do(memory, step) && good;
    return good ? 1 : EDDA_ENOMEM;
}

static void land(struct memory *memory)
{
    struct transaction *held = memory->held;
    memory->held = NULL;
    if (held)
        (void)transaction_do(memory, held);
    transaction_free(held);
}

static int lose(struct memory_session *session, struct edda_error *error)
{
    transaction_free(session->open);
    session->open = NULL;
    session->lost = true;
    return edda_fail_with(error, EDDA_EUNAVAILABLE, "the connection to the database in memory is lost");
}

static bool is_lost(struct memory_session *session)
{
    return session->lost || session->memory->cut || happens(session->memory, FAILURES_ONE_IN * 4);
}

static struct memory_step *step_add(struct memory_session *session, enum memory_step_kind kind, const struct edda_table *table, const char *name)
{
    struct transaction *open = session->open;
    ASSERT(open);
    struct memory_step *step = arena_alloc(&open->arena, sizeof *step);
    if (!step)
        return NULL;
    step->kind = kind;
    step->table = table;
    ASSERT(strlen(name) < NAME_BYTES);
    memcpy(step->name, name, strlen(name) + 1);
    *open->last = step;
    open->last = &step->next;
    return step;
}

static int memory_begin(struct session *s, struct edda_error *error)
{
    struct memory_session *session = session_of(s);
    if (is_lost(session))
        return lose(session, error);
    session->open = transaction_new();
    return session->open ? 0 : edda_fail_with(error, EDDA_ENOMEM, "out of memory for a transaction");
}

static int memory_commit_locked(struct memory_session *session, struct edda_error *error)
{
    struct memory *memory = session->memory;
    if (is_lost(session))
        return lose(session, error);
    if (memory->hold_next || happens(memory, FAILURES_ONE_IN)) {
        land(memory);
        memory->hold_next = false;
        memory->held = session->open;
        session->open = NULL;
        return lose(session, error);
    }
    int rc = transaction_do(memory, session->open);
    bool answer_lost = happens(memory, FAILURES_ONE_IN);
    transaction_free(session->open);
    session->open = NULL;
    if (rc < 0)
        return edda_fail_with(error, rc, "out of memory for rows");
    return rc == 0 || answer_lost ? lose(session, error) : 0;
}

static int memory_commit(struct session *s, struct edda_error *error)
{
    struct memory_session *session = session_of(s);
    lock_take(&session->memory->lock);
    int rc = memory_commit_locked(session, error);
    lock_give(&session->memory->lock);
    return rc;
}

static void memory_rollback(struct session *s)
{
    struct memory_session *session = session_of(s);
    transaction_free(session->open);
    session->open = NULL;
}

/* --- statements ----------------------------------------------------------------------------------------- */

static int out_of_memory(struct edda_error *error)
{
    return edda_fail_with(error, EDDA_ENOMEM, "out of memory for a statement");
}

static int ddl(struct session *s, enum memory_step_kind kind, const struct edda_table *table, const char *name, const char *to,
               struct edda_error *error)
{
    struct memory_session *session = session_of(s);
    if (is_lost(session))
        return lose(session, error);
    bool alone = session->open == NULL;
    int rc = alone ? memory_begin(s, error) : 0;
    struct memory_step *step = rc == 0 ? step_add(session, kind, table, name) : NULL;
    if (rc == 0 && !step)
        rc = out_of_memory(error);
    if (rc == 0 && to)
        memcpy(step->to, to, strlen(to) + 1);
    if (rc == 0 && alone)
        rc = memory_commit(s, error);
    return rc;
}

static int memory_table_make(struct session *s, const struct edda_table *table, const char *name, struct edda_error *error)
{
    return ddl(s, STEP_MAKE, table, name, NULL, error);
}

static int memory_table_drop(struct session *s, const char *name, struct edda_error *error)
{
    return ddl(s, STEP_DROP, NULL, name, NULL, error);
}

static int memory_table_name(struct session *s, const char *from, const char *to, struct edda_error *error)
{
    return ddl(s, STEP_NAME, NULL, from, to, error);
}

static int memory_swap(struct session *s, const struct edda_table *table, const char *name, const void *expected, const void *row,
                       struct edda_error *error)
{
    struct memory_session *session = session_of(s);
    struct memory *memory = session->memory;
    if (is_lost(session))
        return lose(session, error);
    const struct memory_step *before = session->open->first;
    struct memory_step *step = step_add(session, STEP_SWAP, table, name);
    if (!step)
        return out_of_memory(error);
    step->row = value_copy(table->row, row, &session->open->arena);
    step->expected = expected ? value_copy(table->row, expected, &session->open->arena) : NULL;
    if (!step->row || (expected && !step->expected))
        return out_of_memory(error);
    if (before)
        return 1; /* its own swap came before */
    lock_take(&memory->lock);
    land(memory); /* whoever has swapped the row before is waited for */
    bool as_expected = is_as_expected(memory, step);
    lock_give(&memory->lock);
    return as_expected;
}

static int memory_change(struct session *s, const struct edda_table *table, const char *name, const struct database_change *changes, size_t count,
                         struct edda_error *error)
{
    struct memory_session *session = session_of(s);
    if (is_lost(session))
        return lose(session, error);
    for (size_t i = 0; i < count; i++) {
        struct memory_step *step = step_add(session, STEP_CHANGE, table, name);
        if (step)
            step->row = value_copy(table->row, changes[i].row, &session->open->arena);
        if (!step || !step->row)
            return out_of_memory(error);
        step->deleted = changes[i].deleted;
    }
    return 0;
}

static int memory_get(struct session *s, const struct edda_table *table, const char *name, void *row, struct arena *arena, struct edda_error *error)
{
    struct memory_session *session = session_of(s);
    struct memory *memory = session->memory;
    if (is_lost(session))
        return lose(session, error);
    lock_take(&memory->lock);
    struct memory_table *found_table = table_find_named(memory, name, NULL);
    bool found = false;
    size_t place = found_table ? row_place(found_table, row, &found) : 0;
    void *copy = found ? value_copy(table->row, found_table->rows[place]->row, arena) : NULL;
    lock_give(&memory->lock);
    if (found && !copy)
        return out_of_memory(error);
    if (found)
        memcpy(row, copy, table->row->size);
    return found;
}

/* --- queries -------------------------------------------------------------------------------------------- */

struct ordering {
    const struct edda_field *field;
    const struct edda_table *table;
    bool descending;
};

static bool goes_before(const struct ordering *by, const void *a, const void *b)
{
    int order = by->field ? database_compare_field(by->field, a, b) : 0;
    if (order == 0)
        order = database_compare(by->table->row, by->table->key_fields, a, b);
    return by->descending ? order > 0 : order < 0;
}

/* Merge sort: nothing in the library of C passes on by what to order. */
static void sort(const void **rows, const void **spare, size_t count, const struct ordering *by)
{
    if (count < 2)
        return;
    size_t half = count / 2, left = 0, right = half;
    sort(rows, spare, half, by);
    sort(rows + half, spare, count - half, by);
    memcpy(spare, rows, count * sizeof *rows);
    for (size_t i = 0; i < count; i++)
        rows[i] = right == count || (left < half && !goes_before(by, spare[right], spare[left])) ? spare[left++] : spare[right++];
}

static int rows_locked(struct memory *memory, const struct edda_table *table, const char *name, const struct edda_query *query, struct arena *arena,
                       void **ret_rows, size_t *ret_count, struct edda_error *error)
{
    struct memory_table *found = table_find_named(memory, name, NULL);
    if (!found)
        return edda_fail_with(error, EDDA_ENOTFOUND, "there is no table %s", name);
    const void **all = arena_alloc(arena, (found->count + 1) * 2 * sizeof *all);
    if (!all)
        return out_of_memory(error);
    size_t count = 0;
    for (size_t i = 0; i < found->count; i++)
        if (database_compare(table->row, query->equal_fields, found->rows[i]->row, query->equal) == 0)
            all[count++] = found->rows[i]->row;
    struct ordering by = { query->order_by ? database_field(table->row, query->order_by) : NULL, table, query->descending };
    sort(all, all + count, count, &by);
    size_t from = query->offset < count ? query->offset : count;
    count = count - from < query->limit ? count - from : query->limit;
    char *rows = arena_alloc(arena, count * table->row->size + 1);
    for (size_t i = 0; rows && i < count; i++) {
        void *copy = value_copy(table->row, all[from + i], arena);
        if (!copy)
            return out_of_memory(error);
        memcpy(rows + i * table->row->size, copy, table->row->size);
    }
    if (!rows)
        return out_of_memory(error);
    *ret_rows = rows;
    *ret_count = count;
    return 0;
}

static int memory_rows(struct session *s, const struct edda_table *table, const char *name, const struct edda_query *query, struct arena *arena,
                       void **ret_rows, size_t *ret_count, struct edda_error *error)
{
    struct memory_session *session = session_of(s);
    if (is_lost(session))
        return lose(session, error);
    lock_take(&session->memory->lock);
    int rc = rows_locked(session->memory, table, name, query, arena, ret_rows, ret_count, error);
    lock_give(&session->memory->lock);
    return rc;
}

static void memory_session_close(struct session *s)
{
    struct memory_session *session = session_of(s);
    transaction_free(session->open);
    free(session);
}

static const struct session_ops memory_session_ops = {
    .close = memory_session_close, .begin = memory_begin, .commit = memory_commit, .rollback = memory_rollback,
    .table_make = memory_table_make, .table_drop = memory_table_drop, .table_name = memory_table_name,
    .swap = memory_swap, .change = memory_change, .get = memory_get, .rows = memory_rows,
};

/* --- the database --------------------------------------------------------------------------------------- */

static int memory_session_open(struct database *database, struct session **ret_session, struct edda_error *error)
{
    struct memory *memory = memory_of(database);
    if (memory->cut || happens(memory, FAILURES_ONE_IN))
        return edda_fail_with(error, EDDA_EUNAVAILABLE, "the database in memory cannot be reached");
    struct memory_session *session = calloc(1, sizeof *session);
    if (!session)
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory for a connection");
    session->session.ops = &memory_session_ops;
    session->memory = memory;
    *ret_session = &session->session;
    return 0;
}

void database_memory_reset(struct database *database)
{
    struct memory *memory = memory_of(database);
    while (memory->table_count)
        table_remove_at(memory, memory->table_count - 1);
    transaction_free(memory->held);
    memory->held = NULL;
    memory->hold_next = memory->cut = false;
}

static void memory_close(struct database *database)
{
    struct memory *memory = memory_of(database);
    database_memory_reset(database);
    lock_deinit(&memory->lock);
    free(memory->listed);
    free(memory);
}

static const struct database_ops memory_ops = { .session_open = memory_session_open, .close = memory_close };

struct database *database_memory_new(const struct database_memory_options *options)
{
    struct memory *memory = calloc(1, sizeof *memory);
    if (!memory)
        return NULL;
    memory->database.ops = &memory_ops;
    memory->database.description = "in memory";
    if (options)
        memory->options = *options;
    lock_init(&memory->lock);
    return &memory->database;
}

size_t database_memory_rows(struct database *database, const struct edda_table *table, const void **ret_rows)
{
    struct memory *memory = memory_of(database);
    struct memory_table *found = table_find_named(memory, table->name, NULL);
    free(memory->listed);
    memory->listed = NULL;
    if (!found || found->count == 0)
        return 0;
    char *rows = malloc(found->count * table->row->size);
    if (!rows)
        return 0;
    for (size_t i = 0; i < found->count; i++)
        memcpy(rows + i * table->row->size, found->rows[i]->row, table->row->size);
    memory->listed = rows;
    *ret_rows = rows;
    return found->count;
}

void database_memory_hold_next(struct database *database)
{
    memory_of(database)->hold_next = true;
}

int database_memory_land(struct database *database)
{
    struct memory *memory = memory_of(database);
    if (!memory->held)
        return EDDA_ENOTFOUND;
    int rc = transaction_do(memory, memory->held);
    transaction_free(memory->held);
    memory->held = NULL;
    return rc;
}

void database_memory_cut(struct database *database, bool cut)
{
    memory_of(database)->cut = cut;
}
