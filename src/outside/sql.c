/* See sql.h. */
#include "outside/sql.h"

static const char *sqlite_type(const struct edda_field *field)
{
    uint32_t kind = database_column_kind(field);
    return kind == EDDA_KIND_TEXT || kind == EDDA_KIND_JSON ? "TEXT" : kind == EDDA_KIND_DOUBLE ? "REAL" : "INTEGER";
}

const char *sql_postgres_type(const struct edda_field *field)
{
    switch ((enum edda_kind)database_column_kind(field)) {
    case EDDA_KIND_BOOL:
        return "boolean";
    case EDDA_KIND_INT:
    case EDDA_KIND_TIME:
        return "bigint";
    case EDDA_KIND_DOUBLE:
        return "double precision";
    case EDDA_KIND_TEXT:
        return "text";
    case EDDA_KIND_STRUCT:
    case EDDA_KIND_LIST:
    case EDDA_KIND_JSON:
        break;
    }
    return "json";
}

static void put_name(struct buffer *out, const char *name)
{
    buffer_append_byte(out, '"');
    buffer_append_str(out, name);
    buffer_append_byte(out, '"');
}

static void put_parameter(struct buffer *out, enum sql_dialect dialect, uint32_t number)
{
    buffer_printf(out, dialect == SQL_SQLITE ? "?%u" : "$%u", number);
}

/* "a", "b", "c": the first `count` columns. */
static void put_columns(struct buffer *out, const struct edda_table *table, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (i)
            buffer_append_str(out, ", ");
        put_name(out, table->row->fields[i].name);
    }
}

/* "a" = $1 AND "b" = $2: the first `count` columns, from parameter `first` on. */
static void put_equal(struct buffer *out, enum sql_dialect dialect, const struct edda_table *table, uint32_t count, uint32_t first)
{
    for (uint32_t i = 0; i < count; i++) {
        if (i)
            buffer_append_str(out, " AND ");
        put_name(out, table->row->fields[i].name);
        buffer_append_str(out, " = ");
        put_parameter(out, dialect, first + i);
    }
}

static void put_parameters(struct buffer *out, enum sql_dialect dialect, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (i)
            buffer_append_str(out, ", ");
        put_parameter(out, dialect, i + 1);
    }
}

/* $1::bigint[], $2::text[] … */
static void put_arrays(struct buffer *out, const struct edda_table *table, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        buffer_printf(out, "%s$%u::%s[]", i ? ", " : "", i + 1, sql_postgres_type(&table->row->fields[i]));
}

void sql_create_table(struct buffer *out, enum sql_dialect dialect, const struct edda_table *table, const char *name)
{
    buffer_append_str(out, "CREATE TABLE IF NOT EXISTS ");
    put_name(out, name);
    buffer_append_str(out, " (");
    for (uint32_t i = 0; i < table->row->field_count; i++) {
        const struct edda_field *field = &table->row->fields[i];
        put_name(out, field->name);
        bool bytewise = dialect == SQL_POSTGRES && field->kind == EDDA_KIND_TEXT;
        buffer_printf(out, " %s%s NOT NULL, ", dialect == SQL_SQLITE ? sqlite_type(field) : sql_postgres_type(field),
                      bytewise ? " COLLATE \"C\"" : "");
    }
    buffer_append_str(out, "PRIMARY KEY (");
    put_columns(out, table, table->key_fields);
    buffer_append_str(out, dialect == SQL_SQLITE ? ")) WITHOUT ROWID" : "))");
}

void sql_create_index(struct buffer *out, const struct edda_table *table, const char *name, size_t ordinal)
{
    /* Named after what the table is called while it is built: the name stays with the index when the table takes its place, and no other has it. */
    buffer_printf(out, "CREATE INDEX IF NOT EXISTS \"%s_%zu\" ON \"%s\" (\"%s\")", name, ordinal, name, table->indexes[ordinal]);
}

void sql_drop_table(struct buffer *out, const char *name)
{
    buffer_printf(out, "DROP TABLE IF EXISTS \"%s\"", name);
}

void sql_rename_table(struct buffer *out, const char *from, const char *to)
{
    buffer_printf(out, "ALTER TABLE \"%s\" RENAME TO \"%s\"", from, to);
}

static void put_insert(struct buffer *out, enum sql_dialect dialect, const struct edda_table *table, const char *name, bool arrays)
{
    uint32_t count = table->row->field_count;
    buffer_append_str(out, "INSERT INTO ");
    put_name(out, name);
    buffer_append_str(out, " (");
    put_columns(out, table, count);
    buffer_append_str(out, arrays ? ") SELECT * FROM unnest(" : ") VALUES (");
    if (arrays)
        put_arrays(out, table, count);
    else
        put_parameters(out, dialect, count);
    buffer_append_str(out, ") ON CONFLICT (");
    put_columns(out, table, table->key_fields);
    buffer_append_str(out, ") DO ");
}

void sql_put(struct buffer *out, enum sql_dialect dialect, const struct edda_table *table, const char *name)
{
    put_insert(out, dialect, table, name, dialect == SQL_POSTGRES);
    bool any = table->row->field_count > table->key_fields;
    buffer_append_str(out, any ? "UPDATE SET " : "NOTHING");
    for (uint32_t i = table->key_fields; i < table->row->field_count; i++) {
        const char *column = table->row->fields[i].name;
        buffer_printf(out, "%s\"%s\" = excluded.\"%s\"", i > table->key_fields ? ", " : "", column, column);
    }
}

void sql_put_new(struct buffer *out, enum sql_dialect dialect, const struct edda_table *table, const char *name)
{
    put_insert(out, dialect, table, name, false);
    buffer_append_str(out, "NOTHING");
}

void sql_delete(struct buffer *out, enum sql_dialect dialect, const struct edda_table *table, const char *name)
{
    buffer_append_str(out, "DELETE FROM ");
    put_name(out, name);
    if (dialect == SQL_SQLITE) {
        buffer_append_str(out, " WHERE ");
        put_equal(out, dialect, table, table->key_fields, 1);
        return;
    }
    buffer_append_str(out, " AS t USING unnest(");
    put_arrays(out, table, table->key_fields);
    buffer_append_str(out, ") AS k(");
    put_columns(out, table, table->key_fields);
    buffer_append_str(out, ") WHERE ");
    for (uint32_t i = 0; i < table->key_fields; i++) {
        const char *column = table->row->fields[i].name;
        buffer_printf(out, "%st.\"%s\" = k.\"%s\"", i ? " AND " : "", column, column);
    }
}

void sql_swap(struct buffer *out, enum sql_dialect dialect, const struct edda_table *table, const char *name)
{
    uint32_t count = table->row->field_count;
    buffer_append_str(out, "UPDATE ");
    put_name(out, name);
    buffer_append_str(out, " SET ");
    for (uint32_t i = 0; i < count; i++) {
        if (i)
            buffer_append_str(out, ", ");
        put_name(out, table->row->fields[i].name);
        buffer_append_str(out, " = ");
        put_parameter(out, dialect, i + 1);
    }
    buffer_append_str(out, " WHERE ");
    put_equal(out, dialect, table, count, count + 1);
}

void sql_get(struct buffer *out, enum sql_dialect dialect, const struct edda_table *table, const char *name)
{
    buffer_append_str(out, "SELECT ");
    put_columns(out, table, table->row->field_count);
    buffer_append_str(out, " FROM ");
    put_name(out, name);
    buffer_append_str(out, " WHERE ");
    put_equal(out, dialect, table, table->key_fields, 1);
}

void sql_rows(struct buffer *out, enum sql_dialect dialect, const struct edda_table *table, const char *name, const struct edda_query *query)
{
    const char *direction = query->descending ? " DESC" : "";
    buffer_append_str(out, "SELECT ");
    put_columns(out, table, table->row->field_count);
    buffer_append_str(out, " FROM ");
    put_name(out, name);
    if (query->equal_fields) {
        buffer_append_str(out, " WHERE ");
        put_equal(out, dialect, table, query->equal_fields, 1);
    }
    buffer_append_str(out, " ORDER BY ");
    if (query->order_by)
        buffer_printf(out, "\"%s\"%s, ", query->order_by, direction);
    for (uint32_t i = 0; i < table->key_fields; i++)
        buffer_printf(out, "%s\"%s\"%s", i ? ", " : "", table->row->fields[i].name, direction);
    buffer_append_str(out, " LIMIT ");
    put_parameter(out, dialect, query->equal_fields + 1);
    buffer_append_str(out, " OFFSET ");
    put_parameter(out, dialect, query->equal_fields + 2);
}
