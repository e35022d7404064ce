/*
 * sql: the statements for the tables of read models, as text. Both databases understand the same but for the types of columns, the marks of parameters and how
 * many rows one statement takes. Nothing of a user gets into a text: names are those of the application's tables, checked when the engine opened and quoted
 * here; values are parameters.
 */
#ifndef EDDA_OUTSIDE_SQL_H
#define EDDA_OUTSIDE_SQL_H

#include "base/buffer.h"
#include "engine/database.h"

enum sql_dialect { SQL_SQLITE, SQL_POSTGRES };

/* "CREATE TABLE IF NOT EXISTS …"; the `ordinal`-th index of it, which is named after the table's name of now. */
void sql_create_table(struct buffer *out, enum sql_dialect dialect, const struct edda_table *table, const char *name);
void sql_create_index(struct buffer *out, const struct edda_table *table, const char *name, size_t ordinal);
void sql_drop_table(struct buffer *out, const char *name);
void sql_rename_table(struct buffer *out, const char *from, const char *to);

/* Puts rows: for SQLite one, its columns the parameters; for PostgreSQL any number, each column an array. */
void sql_put(struct buffer *out, enum sql_dialect dialect, const struct edda_table *table, const char *name);
/* Deletes rows by their keys, in the same ways. */
void sql_delete(struct buffer *out, enum sql_dialect dialect, const struct edda_table *table, const char *name);
/* Puts one row if there is none with its key. */
void sql_put_new(struct buffer *out, enum sql_dialect dialect, const struct edda_table *table, const char *name);
/* Replaces one row: parameters are the columns of the new one, then all columns of the one expected. */
void sql_swap(struct buffer *out, enum sql_dialect dialect, const struct edda_table *table, const char *name);
/* The columns of the row with a key. */
void sql_get(struct buffer *out, enum sql_dialect dialect, const struct edda_table *table, const char *name);
/* Rows: parameters are the fields to be equal, then limit and offset. */
void sql_rows(struct buffer *out, enum sql_dialect dialect, const struct edda_table *table, const char *name, const struct edda_query *query);

/* What PostgreSQL calls the type of a column. */
const char *sql_postgres_type(const struct edda_field *field);

#endif
