/*
 * Read models in PostgreSQL, by libpq. A transaction takes few round trips, however many rows it changes: all changed rows of a table go in one statement, each
 * column as an array. Parameters and results are in PostgreSQL's binary format: integers and doubles with the most significant byte first, texts as they are.
 *
 * A connection that is lost, in the middle of anything, is EDDA_EUNAVAILABLE, and so is everything that another try may heal: a deadlock, a server that shuts down.
 */
#include "outside/postgres.h"

#include <errno.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/list.h"
#include "base/put.h"
#include "base/table.h"
#include "outside/sql.h"

#define COLUMNS_MAX 64
#define PARAMETERS_MAX (2 * COLUMNS_MAX + 2)
#define URL_BYTES 1024
#define CONNECT_TIMEOUT_S "5"
/* Nobody waits for ever for a process that has been stopped in the middle of its transaction, and that transaction ends without it. */
#define PATIENCE "-c lock_timeout=5s -c idle_in_transaction_session_timeout=30s"

/* So long a silence after a statement is a server that has been stopped, or is cut off; libpq itself would wait for ever. */
#define SILENCE_S 30

/* Numbers of PostgreSQL's types (pg_type.dat), and of their arrays. */
enum { OID_BOOL = 16, OID_INT8 = 20, OID_TEXT = 25, OID_JSON = 114, OID_FLOAT8 = 701 };

struct postgres {
    struct database database;
    char url[URL_BYTES];
    char description[URL_BYTES];
};

/* The text of a statement that the server has prepared, known there by its number. */
struct statement {
    struct table_link link;
    uint64_t number;
    char *text;
};

struct postgres_session {
    struct session session;
    PGconn *connection;
    struct table statements; /* by the text */
    uint64_t statement_count;
    struct buffer text;
    struct buffer values;    /* of one statement */
    struct arena arena;
    bool open;               /* in a transaction */
    bool silent;             /* the server has not answered, and is not asked any more */
    /* parameters, as offsets into `values` until all are there */
    size_t at[PARAMETERS_MAX], len[PARAMETERS_MAX];
    int count;
};

static struct postgres_session *session_of(struct session *session)
{
    return container_of(session, struct postgres_session, session);
}

/* --- failures ------------------------------------------------------------------------------------------- */

/* By the class of the SQLSTATE, its first two characters. */
static int code_of(const char *state)
{
    static const char *const transient[] = { "08", "25", "40", "53", "55", "57", "58" };
    for (size_t i = 0; state && i < sizeof transient / sizeof transient[0]; i++)
        if (strncmp(state, transient[i], 2) == 0)
            return EDDA_EUNAVAILABLE;
    /* 22: data exceptions; 23: constraints; 54: program limits, such as too long a key of an index. */
    if (state && (strncmp(state, "22", 2) == 0 || strncmp(state, "23", 2) == 0 || strncmp(state, "54", 2) == 0))
        return EDDA_EREJECTED;
    return EDDA_EIO;
}

/* Says it in the server's words, on one line. */
static int say(int code, const char *words, struct edda_error *error)
{
    char line[320];
    size_t len = 0;
    for (; words && words[len] && len + 1 < sizeof line; len++)
        line[len] = words[len] == '\n' ? ' ' : words[len];
    while (len && line[len - 1] == ' ')
        len--;
    line[len] = '\0';
    return edda_fail_with(error, code, "%s", line);
}

static int failed(struct postgres_session *session, PGresult *result, struct edda_error *error)
{
    const char *state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
    bool lost = session->silent || PQstatus(session->connection) != CONNECTION_OK || !state;
    const char *words = session->silent ? "the server does not answer" : state ? PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) : PQerrorMessage(session->connection);
    int code = say(lost ? EDDA_EUNAVAILABLE : code_of(state), words, error);
    PQclear(result);
    return code;
}

static int out_of_memory(struct edda_error *error)
{
    return edda_fail_with(error, EDDA_ENOMEM, "out of memory for a statement");
}

/* Sends what is to be sent, and waits until there is something to take. */
static bool wait_for_answer(struct postgres_session *session)
{
    PGconn *connection = session->connection;
    int unsent = PQflush(connection), silence_s = 0;
    while (unsent > 0 || PQisBusy(connection)) {
        struct pollfd fd = { .fd = PQsocket(connection), .events = unsent > 0 ? POLLIN | POLLOUT : POLLIN };
        int events = poll(&fd, 1, 1000);
        session->silent = events == 0 && ++silence_s == SILENCE_S;
        if (session->silent || (events < 0 && errno != EINTR))
            return false;
        if (events <= 0)
            continue;
        silence_s = 0;
        if ((fd.revents & ~POLLOUT) && !PQconsumeInput(connection))
            return false;
        unsent = PQflush(connection);
    }
    return unsent == 0;
}

/* The last result of what has been sent; NULL when there is none. */
static PGresult *answer_of(struct postgres_session *session, int sent)
{
    PGresult *last = NULL, *result;
    while (sent && !session->silent) {
        /* What libpq has noticed itself, such as a connection that is lost, comes as a result too. */
        (void)wait_for_answer(session);
        result = session->silent ? NULL : PQgetResult(session->connection);
        if (!result)
            break;
        PQclear(last);
        last = result;
    }
    return last;
}

/* --- parameters ----------------------------------------------------------------------------------------- */

static void parameters_begin(struct postgres_session *session)
{
    buffer_clear(&session->text);
    buffer_clear(&session->values);
    arena_reset(&session->arena);
    session->count = 0;
}

static void parameter_end(struct postgres_session *session, size_t at)
{
    session->at[session->count] = at;
    session->len[session->count++] = session->values.len - at;
}

static void put_u32(struct buffer *out, uint32_t value)
{
    uint8_t *at = buffer_extend(out, 4);
    if (at)
        put_be32(at, value);
}

static void put_u64(struct buffer *out, uint64_t value)
{
    uint8_t *at = buffer_extend(out, 8);
    if (at)
        put_be64(at, value);
}

static void put_value(struct buffer *out, const struct database_value *value)
{
    uint64_t bits;
    switch ((enum edda_kind)value->kind) {
    case EDDA_KIND_BOOL:
        buffer_append_byte(out, value->number != 0);
        return;
    case EDDA_KIND_INT:
    case EDDA_KIND_TIME:
        put_u64(out, (uint64_t)value->number);
        return;
    case EDDA_KIND_DOUBLE:
        memcpy(&bits, &value->real, sizeof bits);
        put_u64(out, bits);
        return;
    case EDDA_KIND_TEXT:
    case EDDA_KIND_JSON:
    case EDDA_KIND_STRUCT:
    case EDDA_KIND_LIST:
        break;
    }
    buffer_append_slice(out, value->text);
}

static uint32_t oid_of(const struct edda_field *field)
{
    switch ((enum edda_kind)database_column_kind(field)) {
    case EDDA_KIND_BOOL:
        return OID_BOOL;
    case EDDA_KIND_INT:
    case EDDA_KIND_TIME:
        return OID_INT8;
    case EDDA_KIND_DOUBLE:
        return OID_FLOAT8;
    case EDDA_KIND_TEXT:
        return OID_TEXT;
    case EDDA_KIND_STRUCT:
    case EDDA_KIND_LIST:
    case EDDA_KIND_JSON:
        break;
    }
    return OID_JSON;
}

/* Adds the first `count` fields of a row. */
static bool put_fields(struct postgres_session *session, const struct edda_table *table, const void *row, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct database_value value;
        size_t at = session->values.len;
        if (!database_value_of(&table->row->fields[i], row, &session->arena, &value))
            return false;
        put_value(&session->values, &value);
        parameter_end(session, at);
    }
    return buffer_ok(&session->values);
}

/* Adds one field of many rows as an array: dimensions, whether there are nulls, the type, then length and lower bound of the dimension, then the items. */
static bool put_array(struct postgres_session *session, const struct edda_field *field, const struct database_change *changes, size_t count, bool deleted)
{
    struct buffer *out = &session->values;
    size_t at = out->len, items = 0;
    put_u32(out, 1);
    put_u32(out, 0);
    put_u32(out, oid_of(field));
    size_t count_at = out->len;
    put_u32(out, 0);
    put_u32(out, 1);
    for (size_t i = 0; i < count; i++) {
        struct database_value value;
        if (changes[i].deleted != deleted)
            continue;
        if (!database_value_of(field, changes[i].row, &session->arena, &value))
            return false;
        size_t len_at = out->len;
        put_u32(out, 0);
        put_value(out, &value);
        if (!buffer_ok(out))
            return false;
        put_be32(out->data + len_at, (uint32_t)(out->len - len_at - 4));
        items++;
    }
    if (!buffer_ok(out))
        return false;
    put_be32(out->data + count_at, (uint32_t)items);
    parameter_end(session, at);
    return true;
}

static void put_number(struct postgres_session *session, uint64_t number)
{
    size_t at = session->values.len;
    put_u64(&session->values, number);
    parameter_end(session, at);
}

/* --- statements ----------------------------------------------------------------------------------------- */

static void statements_forget(struct postgres_session *session)
{
    struct table_link *link = table_each(&session->statements, NULL);
    while (link) {
        struct statement *statement = container_of(link, struct statement, link);
        link = table_each(&session->statements, link);
        free(statement->text);
        free(statement);
    }
    table_clear(&session->statements);
}

/* Runs words without parameters or rows. */
static int run(struct postgres_session *session, const char *text, struct edda_error *error)
{
    PGresult *result = answer_of(session, PQsendQuery(session->connection, text));
    if (PQresultStatus(result) != PGRES_COMMAND_OK)
        return failed(session, result, error);
    PQclear(result);
    return 0;
}

static int run_text(struct postgres_session *session, struct edda_error *error)
{
    const char *text = buffer_cstr(&session->text);
    return buffer_ok(&session->text) ? run(session, text, error) : out_of_memory(error);
}

/* The number of the statement whose text has been put together; it is prepared when it is new. */
static int prepare(struct postgres_session *session, uint64_t *ret_number, struct edda_error *error)
{
    const char *text = buffer_cstr(&session->text);
    uint64_t hash = hash64(buffer_slice(&session->text), 0);
    for (struct table_link *link = table_find(&session->statements, hash); link; link = table_find_next(link)) {
        struct statement *statement = container_of(link, struct statement, link);
        if (strcmp(statement->text, text) == 0) {
            *ret_number = statement->number;
            return 0;
        }
    }
    struct statement *statement = calloc(1, sizeof *statement);
    if (statement)
        statement->text = strdup(text);
    if (!statement || !statement->text || !buffer_ok(&session->text)) {
        if (statement)
            free(statement->text);
        free(statement);
        return out_of_memory(error);
    }
    char name[24];
    statement->number = ++session->statement_count;
    (void)snprintf(name, sizeof name, "s%llu", (unsigned long long)statement->number);
    PGresult *result = answer_of(session, PQsendPrepare(session->connection, name, text, 0, NULL));
    bool good = PQresultStatus(result) == PGRES_COMMAND_OK;
    if (!good || !table_insert(&session->statements, &statement->link, hash)) {
        free(statement->text);
        free(statement);
        if (!good)
            return failed(session, result, error);
        PQclear(result);
        return out_of_memory(error);
    }
    PQclear(result);
    *ret_number = statement->number;
    return 0;
}

/* Runs the statement whose text and parameters have been put together. The result is the caller's. */
static int execute(struct postgres_session *session, PGresult **ret_result, struct edda_error *error)
{
    const char *values[PARAMETERS_MAX];
    int lens[PARAMETERS_MAX], formats[PARAMETERS_MAX];
    uint64_t number = 0;
    if (!buffer_ok(&session->values) || !buffer_ok(&session->text) || session->values.len > INT32_MAX)
        return out_of_memory(error);
    int rc = prepare(session, &number, error);
    if (rc < 0)
        return rc;
    for (int i = 0; i < session->count; i++) {
        values[i] = session->values.data ? (const char *)session->values.data + session->at[i] : "";
        lens[i] = (int)session->len[i];
        formats[i] = 1;
    }
    char name[24];
    (void)snprintf(name, sizeof name, "s%llu", (unsigned long long)number);
    PGresult *result = answer_of(session, PQsendQueryPrepared(session->connection, name, session->count, values, lens, formats, 1));
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        return failed(session, result, error);
    *ret_result = result;
    return 0;
}

/* A row of a result. */
static bool read_row(PGresult *result, int at, const struct edda_table *table, struct arena *arena, void *row)
{
    for (uint32_t i = 0; i < table->row->field_count; i++) {
        const struct edda_field *field = &table->row->fields[i];
        struct database_value value = { .kind = database_column_kind(field) };
        const uint8_t *bytes = (const uint8_t *)PQgetvalue(result, at, (int)i);
        size_t len = (size_t)PQgetlength(result, at, (int)i);
        uint64_t bits = 0;
        for (size_t b = 0; b < len && b < 8; b++)
            bits = bits << 8 | bytes[b];
        if (value.kind == EDDA_KIND_TEXT || value.kind == EDDA_KIND_JSON) {
            value.text = len ? arena_copy(arena, slice_of(bytes, len)) : slice_of(NULL, 0);
            if (len && !value.text.data)
                return false;
        } else if (value.kind == EDDA_KIND_DOUBLE) {
            memcpy(&value.real, &bits, sizeof bits);
        } else {
            value.number = (int64_t)bits;
        }
        if (!database_value_set(field, row, &value, arena))
            return false;
    }
    return true;
}

/* --- operations ----------------------------------------------------------------------------------------- */

static int postgres_begin(struct session *s, struct edda_error *error)
{
    struct postgres_session *session = session_of(s);
    int rc = run(session, "BEGIN", error);
    session->open = rc == 0;
    return rc;
}

static int postgres_commit(struct session *s, struct edda_error *error)
{
    struct postgres_session *session = session_of(s);
    PGresult *result = answer_of(session, PQsendQuery(session->connection, "COMMIT"));
    session->open = false;
    if (PQresultStatus(result) != PGRES_COMMAND_OK) {
        int rc = failed(session, result, error);
        /* Whether it has happened is not known, whatever the reason. */
        return rc == EDDA_EREJECTED ? EDDA_EUNAVAILABLE : rc;
    }
    /* After a failed statement the server answers a COMMIT with a ROLLBACK. */
    bool committed = strcmp(PQcmdStatus(result), "COMMIT") == 0;
    PQclear(result);
    return committed ? 0 : edda_fail_with(error, EDDA_EUNAVAILABLE, "the transaction was rolled back");
}

static void postgres_rollback(struct session *s)
{
    struct postgres_session *session = session_of(s);
    if (session->open)
        (void)run(session, "ROLLBACK", NULL);
    session->open = false;
}

static int postgres_table_make(struct session *s, const struct edda_table *table, const char *name, struct edda_error *error)
{
    struct postgres_session *session = session_of(s);
    buffer_clear(&session->text);
    sql_create_table(&session->text, SQL_POSTGRES, table, name);
    int rc = run_text(session, error);
    for (size_t i = 0; rc == 0 && table->indexes && table->indexes[i]; i++) {
        buffer_clear(&session->text);
        sql_create_index(&session->text, table, name, i);
        rc = run_text(session, error);
    }
    return rc;
}

static int postgres_table_drop(struct session *s, const char *name, struct edda_error *error)
{
    struct postgres_session *session = session_of(s);
    statements_forget(session);
    buffer_clear(&session->text);
    sql_drop_table(&session->text, name);
    return run_text(session, error);
}

static int postgres_table_name(struct session *s, const char *from, const char *to, struct edda_error *error)
{
    struct postgres_session *session = session_of(s);
    statements_forget(session);
    buffer_clear(&session->text);
    sql_rename_table(&session->text, from, to);
    return run_text(session, error);
}

/* One row as values, not as arrays: PostgreSQL has no equality of JSON, so tables that are swapped have none. */
static int postgres_swap(struct session *s, const struct edda_table *table, const char *name, const void *expected, const void *row,
                         struct edda_error *error)
{
    struct postgres_session *session = session_of(s);
    uint32_t count = table->row->field_count;
    PGresult *result;
    parameters_begin(session);
    if (expected)
        sql_swap(&session->text, SQL_POSTGRES, table, name);
    else
        sql_put_new(&session->text, SQL_POSTGRES, table, name);
    if (!put_fields(session, table, row, count) || (expected && !put_fields(session, table, expected, count)))
        return out_of_memory(error);
    int rc = execute(session, &result, error);
    if (rc < 0)
        return rc;
    rc = strcmp(PQcmdTuples(result), "1") == 0;
    PQclear(result);
    return rc;
}

static int change_all(struct postgres_session *session, const struct edda_table *table, const char *name, const struct database_change *changes,
                      size_t count, bool deleted, struct edda_error *error)
{
    uint32_t columns = deleted ? table->key_fields : table->row->field_count;
    PGresult *result;
    parameters_begin(session);
    if (deleted)
        sql_delete(&session->text, SQL_POSTGRES, table, name);
    else
        sql_put(&session->text, SQL_POSTGRES, table, name);
    for (uint32_t i = 0; i < columns; i++)
        if (!put_array(session, &table->row->fields[i], changes, count, deleted))
            return out_of_memory(error);
    int rc = execute(session, &result, error);
    if (rc == 0)
        PQclear(result);
    return rc;
}

static int postgres_change(struct session *s, const struct edda_table *table, const char *name, const struct database_change *changes, size_t count,
                           struct edda_error *error)
{
    struct postgres_session *session = session_of(s);
    size_t deleted = 0;
    for (size_t i = 0; i < count; i++)
        deleted += changes[i].deleted;
    int rc = deleted ? change_all(session, table, name, changes, count, true, error) : 0;
    return rc == 0 && deleted < count ? change_all(session, table, name, changes, count, false, error) : rc;
}

static int postgres_get(struct session *s, const struct edda_table *table, const char *name, void *row, struct arena *arena, struct edda_error *error)
{
    struct postgres_session *session = session_of(s);
    PGresult *result;
    parameters_begin(session);
    sql_get(&session->text, SQL_POSTGRES, table, name);
    if (!put_fields(session, table, row, table->key_fields))
        return out_of_memory(error);
    int rc = execute(session, &result, error);
    if (rc < 0)
        return rc;
    int found = PQntuples(result);
    if (found > 0 && !read_row(result, 0, table, arena, row))
        rc = out_of_memory(error);
    PQclear(result);
    return rc < 0 ? rc : found > 0;
}

static int postgres_rows(struct session *s, const struct edda_table *table, const char *name, const struct edda_query *query, struct arena *arena,
                         void **ret_rows, size_t *ret_count, struct edda_error *error)
{
    struct postgres_session *session = session_of(s);
    PGresult *result;
    parameters_begin(session);
    sql_rows(&session->text, SQL_POSTGRES, table, name, query);
    if (!put_fields(session, table, query->equal, query->equal_fields))
        return out_of_memory(error);
    put_number(session, query->limit);
    put_number(session, query->offset);
    int rc = execute(session, &result, error);
    if (rc < 0)
        return rc;
    int count = PQntuples(result);
    char *rows = arena_alloc(arena, (size_t)count * table->row->size + 1);
    for (int i = 0; rows && i < count; i++)
        if (!read_row(result, i, table, arena, rows + (size_t)i * table->row->size))
            rows = NULL;
    PQclear(result);
    if (!rows)
        return out_of_memory(error);
    *ret_rows = rows;
    *ret_count = (size_t)count;
    return 0;
}

/* --- sessions ------------------------------------------------------------------------------------------- */

static void postgres_session_close(struct session *s)
{
    struct postgres_session *session = session_of(s);
    PQfinish(session->connection); /* the server rolls back what is open */
    statements_forget(session);
    table_deinit(&session->statements);
    buffer_deinit(&session->text);
    buffer_deinit(&session->values);
    arena_deinit(&session->arena);
    free(session);
}

static const struct session_ops postgres_session_ops = {
    .close = postgres_session_close, .begin = postgres_begin, .commit = postgres_commit, .rollback = postgres_rollback,
    .table_make = postgres_table_make, .table_drop = postgres_table_drop, .table_name = postgres_table_name,
    .swap = postgres_swap, .change = postgres_change, .get = postgres_get, .rows = postgres_rows,
};

/* "relation already exists, skipping" is nothing to tell anybody. */
static void ignore_notice(void *user, const PGresult *result)
{
    (void)user, (void)result;
}

static int postgres_session_open(struct database *database, struct session **ret_session, struct edda_error *error)
{
    const struct postgres *postgres = container_of(database, struct postgres, database);
    /* What the URL says goes before these, which come before it. */
    const char *const names[] = { "connect_timeout", "application_name", "client_encoding", "options", "dbname", NULL };
    const char *const values[] = { CONNECT_TIMEOUT_S, "edda", "UTF8", PATIENCE, postgres->url, NULL };
    struct postgres_session *session = calloc(1, sizeof *session);
    if (!session)
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory for a connection");
    session->session.ops = &postgres_session_ops;
    buffer_init(&session->text, 0);
    buffer_init(&session->values, 0);
    arena_init(&session->arena, 0, 0);
    table_init(&session->statements);
    session->connection = PQconnectdbParams(names, values, 1);
    if (PQstatus(session->connection) != CONNECTION_OK) {
        int rc = say(EDDA_EUNAVAILABLE, PQerrorMessage(session->connection), error);
        postgres_session_close(&session->session);
        return rc;
    }
    if (PQsetnonblocking(session->connection, 1) != 0) {
        postgres_session_close(&session->session);
        return out_of_memory(error);
    }
    (void)PQsetNoticeReceiver(session->connection, ignore_notice, NULL);
    *ret_session = &session->session;
    return 0;
}

static void postgres_close(struct database *database)
{
    free(container_of(database, struct postgres, database));
}

static const struct database_ops postgres_ops = { .session_open = postgres_session_open, .close = postgres_close };

/* Where it is, without the password that the URL may hold. */
static void describe(struct postgres *postgres, const PQconninfoOption *options)
{
    const char *host = "", *name = "";
    for (const PQconninfoOption *option = options; option->keyword; option++) {
        if (strcmp(option->keyword, "host") == 0 && option->val)
            host = option->val;
        if (strcmp(option->keyword, "dbname") == 0 && option->val)
            name = option->val;
    }
    (void)snprintf(postgres->description, sizeof postgres->description, "postgres %.200s/%.200s", host, name);
}

int postgres_database_new(const char *url, struct database **ret_database, struct edda_error *error)
{
    char *words = NULL;
    if (strlen(url) >= URL_BYTES)
        return edda_fail_field(error, EDDA_EINVAL, "db", "the URL of a database has at most %d bytes", URL_BYTES - 1);
    PQconninfoOption *options = PQconninfoParse(url, &words);
    if (!options) {
        int rc = say(EDDA_EINVAL, words, error);
        PQfreemem(words);
        return rc;
    }
    struct postgres *postgres = calloc(1, sizeof *postgres);
    if (postgres) {
        postgres->database.ops = &postgres_ops;
        postgres->database.description = postgres->description;
        (void)snprintf(postgres->url, sizeof postgres->url, "%s", url);
        describe(postgres, options);
    }
    PQconninfoFree(options);
    if (!postgres)
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory for a database");
    *ret_database = &postgres->database;
    return 0;
}
