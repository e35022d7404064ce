/*
 * database: what the engine needs of a transactional database of read models: typed rows in tables, changed in transactions. Implementations:
 * engine/database_memory.c for the simulator and for tests, outside/sqlite.c, outside/postgres.c.
 *
 * A table's rows are structs of its row type; in the database it goes by a `name` that need not be the one it was declared with. What is changed in a
 * transaction is kept when its commit has succeeded, and is not when it was rolled back; after a commit that failed nobody knows, until the row that
 * swap() has changed is looked at again.
 *
 * Reads see what is committed; of their own transaction they need not see anything.
 *
 * Codes: EDDA_EUNAVAILABLE: it could not be reached, or the connection is lost, or somebody else is in the way for too long: close the session, try again later.
 * EDDA_EREJECTED: the database does not take a value of a row (too long a key); the session goes on after a rollback. Any other: it will not work by trying again.
 *
 * Threads: a session belongs to one thread at a time; sessions of one database may be used by several threads at once.
 */
#ifndef EDDA_ENGINE_DATABASE_H
#define EDDA_ENGINE_DATABASE_H

#include "base/arena.h"
#include "edda/projection.h"

struct database;
struct session;

/* One changed row of a table: put, or deleted by its key. */
struct database_change {
    const void *row;
    bool deleted;
};

struct database_ops {
    int (*session_open)(struct database *, struct session **ret_session, struct edda_error *error);
    void (*close)(struct database *); /* its sessions are closed already */
};

struct database {
    const struct database_ops *ops;
    const char *description; /* "sqlite data/read-models.db" */
};

struct session_ops {
    void (*close)(struct session *); /* rolls back what is open */
    int (*begin)(struct session *, struct edda_error *error);
    int (*commit)(struct session *, struct edda_error *error);
    void (*rollback)(struct session *);
    int (*table_make)(struct session *, const struct edda_table *, const char *name, struct edda_error *error);
    int (*table_drop)(struct session *, const char *name, struct edda_error *error);
    int (*table_name)(struct session *, const char *from, const char *to, struct edda_error *error);
    int (*swap)(struct session *, const struct edda_table *, const char *name, const void *expected, const void *row, struct edda_error *error);
    int (*change)(struct session *, const struct edda_table *, const char *name, const struct database_change *changes, size_t count,
                  struct edda_error *error);
    int (*get)(struct session *, const struct edda_table *, const char *name, void *row, struct arena *arena, struct edda_error *error);
    int (*rows)(struct session *, const struct edda_table *, const char *name, const struct edda_query *query, struct arena *arena,
                void **ret_rows, size_t *ret_count, struct edda_error *error);
};

struct session {
    const struct session_ops *ops;
};

static inline int database_session(struct database *d, struct session **ret_session, struct edda_error *error)
{
    return d->ops->session_open(d, ret_session, error);
}

/* NULL is allowed. */
static inline void database_close(struct database *d)
{
    if (d)
        d->ops->close(d);
}

/* NULL is allowed. */
static inline void session_end(struct session *s)
{
    if (s)
        s->ops->close(s);
}

/* Begins a transaction that will write. Reads outside of one are allowed. */
static inline int session_begin(struct session *s, struct edda_error *error)
{
    return s->ops->begin(s, error);
}

static inline int session_commit(struct session *s, struct edda_error *error)
{
    return s->ops->commit(s, error);
}

/* Ends the transaction as if it had not been; none may be open. */
static inline void session_rollback(struct session *s)
{
    s->ops->rollback(s);
}

/* Makes a table and its indexes when there is none of that name; in or outside of a transaction. */
static inline int session_table_make(struct session *s, const struct edda_table *table, const char *name, struct edda_error *error)
{
    return s->ops->table_make(s, table, name, error);
}

/* Drops the table if it is there. */
static inline int session_table_drop(struct session *s, const char *name, struct edda_error *error)
{
    return s->ops->table_drop(s, name, error);
}

/* Gives the table another name; none may have it. */
static inline int session_table_name(struct session *s, const char *from, const char *to, struct edda_error *error)
{
    return s->ops->table_name(s, from, to, error);
}

/* Compare and swap: replaces the row that equals `expected` in every column by `row`, which has the same key: 1, or 0 when it is not (any more) so. `expected`
 * NULL: puts the row when there is none with its key. From then on until the end of the transaction nobody else changes it. */
static inline int session_swap(struct session *s, const struct edda_table *table, const char *name, const void *expected, const void *row,
                               struct edda_error *error)
{
    return s->ops->swap(s, table, name, expected, row, error);
}

/* Puts and deletes rows; each key is at most once among them. */
static inline int session_change(struct session *s, const struct edda_table *table, const char *name, const struct database_change *changes,
                                 size_t count, struct edda_error *error)
{
    return s->ops->change(s, table, name, changes, count, error);
}

/* Fills the rest of a row of which the key is given: 1, or 0 when there is none. What it points to is in the arena. */
static inline int session_get(struct session *s, const struct edda_table *table, const char *name, void *row, struct arena *arena,
                              struct edda_error *error)
{
    return s->ops->get(s, table, name, row, arena, error);
}

/* The rows that a query asks for, as an array in the arena; its limit is applied as it is given, `stale` is not looked at. */
static inline int session_rows(struct session *s, const struct edda_table *table, const char *name, const struct edda_query *query,
                               struct arena *arena, void **ret_rows, size_t *ret_count, struct edda_error *error)
{
    return s->ops->rows(s, table, name, query, arena, ret_rows, ret_count, error);
}

/* --- database_value.c: the columns of rows ------------------------------------------------------------------- */

/* A table's description by itself: names, kinds, keys, indexes. EDDA_EINVAL says what is wrong. */
int database_table_check(const struct edda_table *table, struct edda_error *error);
/* Whether rows can be asked for or ordered by a field of this kind. */
bool database_is_scalar(const struct edda_field *field);
/* The field of this name, or NULL. */
const struct edda_field *database_field(const struct edda_type *type, const char *name);
/* Checks a query against its table, and fills in its limit when it is 0. EDDA_EINVAL names the field. */
int database_query_check(struct edda_query *query, struct edda_error *error);
/* Compares two rows by their first fields / by one field: below 0, 0, above 0; texts by their bytes. */
int database_compare(const struct edda_type *type, uint32_t fields, const void *a, const void *b);
int database_compare_field(const struct edda_field *field, const void *a, const void *b);

/* The value of a column: what a nested struct, a list or a JSON value is as JSON, and anything else as itself. */
struct database_value {
    uint32_t kind;       /* BOOL, INT, TIME (in `number`), DOUBLE, TEXT, or JSON (in `text`) */
    int64_t number;
    double real;
    struct slice text;
};
/* What is encoded is in the arena; false when out of memory. */
bool database_value_of(const struct edda_field *field, const void *row, struct arena *arena, struct database_value *ret_value);
/* Sets the field of a row; texts are borrowed. False when out of memory, or the JSON does not decode. */
bool database_value_set(const struct edda_field *field, void *row, const struct database_value *value, struct arena *arena);
/* The kind of a column: enum edda_kind, of which STRUCT, LIST and JSON are JSON. */
uint32_t database_column_kind(const struct edda_field *field);

/* --- database_memory.c ------------------------------------------------------------------------------------- */

struct database_memory_options {
    /* For the simulator: chance decides when the database cannot be reached, when a connection is lost in the middle of a transaction, at its commit before or
     * after it has happened, or so that the transaction still happens later, when nobody thinks of it any more. NULL: none of this happens. */
    uint64_t (*chance)(void *user, uint64_t below);
    void *chance_user;
};

/* A database that is gone when it is closed. NULL when out of memory. */
struct database *database_memory_new(const struct database_memory_options *options);
/* The rows of a table as of now, sorted by their keys, in memory that lives until the next change; 0 when there is no such table. */
size_t database_memory_rows(struct database *database, const struct edda_table *table, const void **ret_rows);
/* Empties it; all sessions must be closed. */
void database_memory_reset(struct database *database);
/* The next commit is answered with EDDA_EUNAVAILABLE, and happens when database_memory_land() is called, if what it swaps is still as it expects. */
void database_memory_hold_next(struct database *database);
/* Lets what is held happen: 1, or 0 when it failed, as the rows had changed. */
int database_memory_land(struct database *database);
/* From now on nobody reaches it, or everybody again. */
void database_memory_cut(struct database *database, bool cut);

#endif
