/*
 * Read models in a file of SQLite, with a write-ahead log, so that readers do not wait for writers.
 *
 * `synchronous` is NORMAL: a commit is not synced, and a power failure may lose the last ones; but it loses them whole and from the end. That cannot hurt here: with the
 * rows a lost transaction takes the checkpoint with it, and what it had applied is applied again. The log, which is truth, is synced by itself.
 */
#include "outside/sqlite.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/list.h"
#include "base/hash.h"
#include "base/table.h"
#include "outside/sql.h"

#define BUSY_MS 5000
#define PATH_MAX_BYTES 1024

struct sqlite {
    struct database database;
    char path[PATH_MAX_BYTES];
    char description[PATH_MAX_BYTES + 16];
};

/* A prepared statement, kept. */
struct statement {
    struct table_link link;
    sqlite3_stmt *prepared;
};

struct sqlite_session {
    struct session session;
    sqlite3 *handle;
    struct table statements; /* by the text */
    struct buffer text;
    struct arena arena;      /* of one statement's values */
    bool open;               /* in a transaction */
};

static struct sqlite_session *session_of(struct session *session)
{
    return container_of(session, struct sqlite_session, session);
}

/* What went wrong, in SQLite's words. */
static int failed(struct sqlite_session *session, const char *doing, struct edda_error *error)
{
    int code = sqlite3_errcode(session->handle) & 0xff;
    bool busy = code == SQLITE_BUSY || code == SQLITE_LOCKED;
    bool value = code == SQLITE_CONSTRAINT || code == SQLITE_TOOBIG || code == SQLITE_MISMATCH || code == SQLITE_RANGE;
    int as = busy ? EDDA_EUNAVAILABLE : value ? EDDA_EREJECTED : code == SQLITE_FULL ? EDDA_EUNAVAILABLE : EDDA_EIO;
    return edda_fail_with(error, as, "%s: %s", doing, sqlite3_errmsg(session->handle));
}

/* What is written into a file that has another name now, or none, nobody reads. */
static int check_place(struct sqlite_session *session, struct edda_error *error)
{
    int moved = 0;
    if (sqlite3_file_control(session->handle, "main", SQLITE_FCNTL_HAS_MOVED, &moved) != SQLITE_OK || !moved)
        return 0;
    return edda_fail_with(error, EDDA_EUNAVAILABLE, "the file was deleted or has been moved");
}

/* --- statements ----------------------------------------------------------------------------------------- */

static void statements_forget(struct sqlite_session *session)
{
    struct table_link *link = table_each(&session->statements, NULL);
    while (link) {
        struct statement *statement = container_of(link, struct statement, link);
        link = table_each(&session->statements, link);
        (void)sqlite3_finalize(statement->prepared);
        free(statement);
    }
    table_clear(&session->statements);
}

/* The statement whose text has been put together, ready for its parameters. */
static int prepare(struct sqlite_session *session, sqlite3_stmt **ret_prepared, struct edda_error *error)
{
    const char *text = buffer_cstr(&session->text);
    uint64_t hash = hash64(buffer_slice(&session->text), 0);
    for (struct table_link *link = table_find(&session->statements, hash); link; link = table_find_next(link)) {
        struct statement *statement = container_of(link, struct statement, link);
        if (strcmp(sqlite3_sql(statement->prepared), text) == 0) {
            *ret_prepared = statement->prepared;
            return 0;
        }
    }
    struct statement *statement = calloc(1, sizeof *statement);
    if (!statement || !buffer_ok(&session->text)) {
        free(statement);
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory for a statement");
    }
    if (sqlite3_prepare_v3(session->handle, text, -1, SQLITE_PREPARE_PERSISTENT, &statement->prepared, NULL) != SQLITE_OK) {
        free(statement);
        return failed(session, text, error);
    }
    if (!table_insert(&session->statements, &statement->link, hash)) {
        (void)sqlite3_finalize(statement->prepared);
        free(statement);
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory for a statement");
    }
    *ret_prepared = statement->prepared;
    return 0;
}

/* Runs the text that has been put together, which gives no rows. */
static int run_text(struct sqlite_session *session, struct edda_error *error)
{
    const char *text = buffer_cstr(&session->text);
    if (!buffer_ok(&session->text))
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory for a statement");
    return sqlite3_exec(session->handle, text, NULL, NULL, NULL) == SQLITE_OK ? 0 : failed(session, text, error);
}

static int run(struct sqlite_session *session, const char *text, struct edda_error *error)
{
    buffer_clear(&session->text);
    buffer_append_str(&session->text, text);
    return run_text(session, error);
}

/* Binds the first `count` fields of a row from parameter `first` on. What is bound lives until the statement is reset. */
static bool bind_fields(struct sqlite_session *session, sqlite3_stmt *prepared, const struct edda_table *table, const void *row, uint32_t count, int first)
{
    for (uint32_t i = 0; i < count; i++) {
        struct database_value value;
        int at = first + (int)i, rc;
        if (!database_value_of(&table->row->fields[i], row, &session->arena, &value))
            return false;
        if (value.kind == EDDA_KIND_DOUBLE)
            rc = sqlite3_bind_double(prepared, at, value.real);
        else if (value.kind == EDDA_KIND_TEXT || value.kind == EDDA_KIND_JSON)
            rc = sqlite3_bind_text64(prepared, at, value.text.data ? (const char *)value.text.data : "", value.text.len, SQLITE_STATIC, SQLITE_UTF8);
        else
            rc = sqlite3_bind_int64(prepared, at, value.number);
        if (rc != SQLITE_OK)
            return false;
    }
    return true;
}

/* Runs a statement that gives no rows. */
static int step_done(struct sqlite_session *session, sqlite3_stmt *prepared, struct edda_error *error)
{
    int rc = sqlite3_step(prepared) == SQLITE_DONE ? 0 : failed(session, sqlite3_sql(prepared), error);
    (void)sqlite3_reset(prepared);
    return rc;
}

static int out_of_memory(struct edda_error *error)
{
    return edda_fail_with(error, EDDA_ENOMEM, "out of memory for the values of a row");
}

/* The row that a statement stands at. */
static bool read_row(sqlite3_stmt *prepared, const struct edda_table *table, struct arena *arena, void *row)
{
    for (uint32_t i = 0; i < table->row->field_count; i++) {
        const struct edda_field *field = &table->row->fields[i];
        struct database_value value = { .kind = database_column_kind(field) };
        if (value.kind == EDDA_KIND_DOUBLE) {
            value.real = sqlite3_column_double(prepared, (int)i);
        } else if (value.kind == EDDA_KIND_TEXT || value.kind == EDDA_KIND_JSON) {
            const void *text = sqlite3_column_text(prepared, (int)i);
            size_t len = (size_t)sqlite3_column_bytes(prepared, (int)i);
            value.text = len ? arena_copy(arena, slice_of(text, len)) : slice_of(NULL, 0);
            if (len && !value.text.data)
                return false;
        } else {
            value.number = sqlite3_column_int64(prepared, (int)i);
        }
        if (!database_value_set(field, row, &value, arena))
            return false;
    }
    return true;
}

/* --- operations ----------------------------------------------------------------------------------------- */

static int sqlite_begin(struct session *s, struct edda_error *error)
{
    struct sqlite_session *session = session_of(s);
    /* IMMEDIATE: the right to write is taken now, not in the middle, where two could wait for each other. */
    int rc = check_place(session, error);
    rc = rc < 0 ? rc : run(session, "BEGIN IMMEDIATE", error);
    session->open = rc == 0;
    return rc;
}

static int sqlite_commit(struct session *s, struct edda_error *error)
{
    struct sqlite_session *session = session_of(s);
    int rc = run(session, "COMMIT", error);
    session->open = rc != 0;
    return rc;
}

static void sqlite_rollback(struct session *s)
{
    struct sqlite_session *session = session_of(s);
    if (session->open)
        (void)run(session, "ROLLBACK", NULL);
    session->open = false;
}

static int sqlite_table_make(struct session *s, const struct edda_table *table, const char *name, struct edda_error *error)
{
    struct sqlite_session *session = session_of(s);
    buffer_clear(&session->text);
    sql_create_table(&session->text, SQL_SQLITE, table, name);
    int rc = run_text(session, error);
    for (size_t i = 0; rc == 0 && table->indexes && table->indexes[i]; i++) {
        buffer_clear(&session->text);
        sql_create_index(&session->text, table, name, i);
        rc = run_text(session, error);
    }
    return rc;
}

static int sqlite_table_drop(struct session *s, const char *name, struct edda_error *error)
{
    struct sqlite_session *session = session_of(s);
    statements_forget(session);
    buffer_clear(&session->text);
    sql_drop_table(&session->text, name);
    return run_text(session, error);
}

static int sqlite_table_name(struct session *s, const char *from, const char *to, struct edda_error *error)
{
    struct sqlite_session *session = session_of(s);
    statements_forget(session);
    buffer_clear(&session->text);
    sql_rename_table(&session->text, from, to);
    return run_text(session, error);
}

static int sqlite_swap(struct session *s, const struct edda_table *table, const char *name, const void *expected, const void *row,
                       struct edda_error *error)
{
    struct sqlite_session *session = session_of(s);
    uint32_t count = table->row->field_count;
    sqlite3_stmt *prepared;
    buffer_clear(&session->text);
    arena_reset(&session->arena);
    if (expected)
        sql_swap(&session->text, SQL_SQLITE, table, name);
    else
        sql_put_new(&session->text, SQL_SQLITE, table, name);
    int rc = prepare(session, &prepared, error);
    if (rc < 0)
        return rc;
    if (!bind_fields(session, prepared, table, row, count, 1) || (expected && !bind_fields(session, prepared, table, expected, count, 1 + (int)count)))
        return out_of_memory(error);
    rc = step_done(session, prepared, error);
    return rc < 0 ? rc : sqlite3_changes(session->handle);
}

static int sqlite_change(struct session *s, const struct edda_table *table, const char *name, const struct database_change *changes, size_t count,
                         struct edda_error *error)
{
    struct sqlite_session *session = session_of(s);
    sqlite3_stmt *prepared[2] = { NULL, NULL };
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < count; i++) {
        bool deleted = changes[i].deleted;
        if (!prepared[deleted]) {
            buffer_clear(&session->text);
            if (deleted)
                sql_delete(&session->text, SQL_SQLITE, table, name);
            else
                sql_put(&session->text, SQL_SQLITE, table, name);
            rc = prepare(session, &prepared[deleted], error);
            if (rc < 0)
                return rc;
        }
        arena_reset(&session->arena);
        if (!bind_fields(session, prepared[deleted], table, changes[i].row, deleted ? table->key_fields : table->row->field_count, 1))
            return out_of_memory(error);
        rc = step_done(session, prepared[deleted], error);
    }
    return rc;
}

static int sqlite_get(struct session *s, const struct edda_table *table, const char *name, void *row, struct arena *arena, struct edda_error *error)
{
    struct sqlite_session *session = session_of(s);
    sqlite3_stmt *prepared;
    buffer_clear(&session->text);
    arena_reset(&session->arena);
    sql_get(&session->text, SQL_SQLITE, table, name);
    int rc = prepare(session, &prepared, error);
    if (rc < 0)
        return rc;
    if (!bind_fields(session, prepared, table, row, table->key_fields, 1))
        return out_of_memory(error);
    int step = sqlite3_step(prepared);
    if (step == SQLITE_ROW)
        rc = read_row(prepared, table, arena, row) ? 1 : out_of_memory(error);
    else if (step != SQLITE_DONE)
        rc = failed(session, "reading a row", error);
    (void)sqlite3_reset(prepared);
    return rc;
}

/* Makes room for one more row. */
static char *grow(const struct edda_table *table, char *rows, size_t count, size_t *capacity, struct arena *arena)
{
    if (count < *capacity)
        return rows;
    size_t wanted = *capacity ? *capacity * 2 : 16;
    char *grown = arena_alloc(arena, wanted * table->row->size);
    if (grown && count)
        memcpy(grown, rows, count * table->row->size);
    *capacity = wanted;
    return grown;
}

static int sqlite_rows(struct session *s, const struct edda_table *table, const char *name, const struct edda_query *query, struct arena *arena,
                       void **ret_rows, size_t *ret_count, struct edda_error *error)
{
    struct sqlite_session *session = session_of(s);
    sqlite3_stmt *prepared;
    buffer_clear(&session->text);
    arena_reset(&session->arena);
    sql_rows(&session->text, SQL_SQLITE, table, name, query);
    int rc = check_place(session, error);
    rc = rc < 0 ? rc : prepare(session, &prepared, error);
    if (rc < 0)
        return rc;
    int limit_at = (int)query->equal_fields + 1, step = SQLITE_DONE;
    if (!bind_fields(session, prepared, table, query->equal, query->equal_fields, 1) ||
        sqlite3_bind_int64(prepared, limit_at, query->limit) != SQLITE_OK ||
        sqlite3_bind_int64(prepared, limit_at + 1, query->offset) != SQLITE_OK)
        return out_of_memory(error);
    size_t count = 0, capacity = 0;
    char *rows = grow(table, NULL, 0, &capacity, arena);
    while (rows && rc == 0 && (step = sqlite3_step(prepared)) == SQLITE_ROW) {
        rows = grow(table, rows, count, &capacity, arena);
        if (!rows || !read_row(prepared, table, arena, rows + count++ * table->row->size))
            rc = out_of_memory(error);
    }
    if (rc == 0 && step != SQLITE_DONE)
        rc = failed(session, "reading rows", error);
    (void)sqlite3_reset(prepared);
    if (!rows)
        return out_of_memory(error);
    *ret_rows = rows;
    *ret_count = count;
    return rc;
}

/* --- sessions ------------------------------------------------------------------------------------------- */

static void sqlite_session_close(struct session *s)
{
    struct sqlite_session *session = session_of(s);
    sqlite_rollback(s);
    statements_forget(session);
    table_deinit(&session->statements);
    (void)sqlite3_close(session->handle);
    buffer_deinit(&session->text);
    arena_deinit(&session->arena);
    free(session);
}

static const struct session_ops sqlite_session_ops = {
    .close = sqlite_session_close, .begin = sqlite_begin, .commit = sqlite_commit, .rollback = sqlite_rollback,
    .table_make = sqlite_table_make, .table_drop = sqlite_table_drop, .table_name = sqlite_table_name,
    .swap = sqlite_swap, .change = sqlite_change, .get = sqlite_get, .rows = sqlite_rows,
};

static int sqlite_session_open(struct database *database, struct session **ret_session, struct edda_error *error)
{
    struct sqlite *sqlite = container_of(database, struct sqlite, database);
    struct sqlite_session *session = calloc(1, sizeof *session);
    if (!session)
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory for a connection");
    session->session.ops = &sqlite_session_ops;
    buffer_init(&session->text, 0);
    arena_init(&session->arena, 0, 0);
    table_init(&session->statements);
    /* A session is of one thread at a time, so it needs no locks of its own. */
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    int rc = 0;
    if (sqlite3_open_v2(sqlite->path, &session->handle, flags, NULL) != SQLITE_OK)
        rc = session->handle ? failed(session, sqlite->path, error) : edda_fail_with(error, EDDA_ENOMEM, "out of memory for a connection");
    if (rc == 0)
        (void)sqlite3_busy_timeout(session->handle, BUSY_MS);
    if (rc == 0)
        rc = run(session, "PRAGMA journal_mode = WAL", error);
    if (rc == 0)
        rc = run(session, "PRAGMA synchronous = NORMAL", error);
    if (rc < 0) {
        sqlite_session_close(&session->session);
        return rc;
    }
    *ret_session = &session->session;
    return 0;
}

static void sqlite_close(struct database *database)
{
    free(container_of(database, struct sqlite, database));
}

static const struct database_ops sqlite_ops = { .session_open = sqlite_session_open, .close = sqlite_close };

struct database *sqlite_database_new(const char *path)
{
    struct sqlite *sqlite = calloc(1, sizeof *sqlite);
    if (!sqlite)
        return NULL;
    sqlite->database.ops = &sqlite_ops;
    sqlite->database.description = sqlite->description;
    (void)snprintf(sqlite->path, sizeof sqlite->path, "%s", path);
    (void)snprintf(sqlite->description, sizeof sqlite->description, "sqlite:%s", path);
    return &sqlite->database;
}
