/* See rows.h. */
#include "engine/rows.h"

#include <stdlib.h>

#include "base/hash.h"
#include "engine/value.h"
#include "wire/json/json.h"

/* What is known of one row. */
struct rows_entry {
    struct table_link link;
    struct rows_entry *next;
    const struct rows_table *table;
    struct slice key;
    const void *row; /* NULL: there is none */
    bool known;      /* whether there is one */
    bool changed;    /* the database does not know it yet */
};

struct rows_before {
    struct rows_before *next;
    struct rows_entry *entry;
    const void *row;
    bool known, changed;
};

void rows_init(struct edda_rows *rows)
{
    *rows = (struct edda_rows){ .session = NULL };
    arena_init(&rows->arena, UINT32_C(256) << 10, 0);
    table_init(&rows->entries);
    buffer_init(&rows->key, 0);
}

void rows_deinit(struct edda_rows *rows)
{
    arena_deinit(&rows->arena);
    table_deinit(&rows->entries);
    buffer_deinit(&rows->key);
}

void rows_begin(struct edda_rows *rows, struct session *session, const struct rows_table *tables, uint32_t count)
{
    arena_reset(&rows->arena);
    table_clear(&rows->entries);
    rows->session = session;
    rows->tables = tables;
    rows->table_count = count;
    rows->first = NULL;
    rows->last = &rows->first;
    rows->session_code = 0;
    rows_event(rows, &(struct edda_message_info){ .position = -1 });
}

void rows_event(struct edda_rows *rows, const struct edda_message_info *info)
{
    rows->info = *info;
    rows->before = NULL;
    rows->changes = 0;
    rows->code = 0;
    rows->error = (struct edda_error){ 0 };
}

void rows_undo(struct edda_rows *rows)
{
    for (struct rows_before *before = rows->before; before; before = before->next) {
        before->entry->row = before->row;
        before->entry->known = before->known;
        before->entry->changed = before->changed;
    }
    rows->before = NULL;
}

size_t rows_bytes(const struct edda_rows *rows)
{
    return rows->arena.used;
}

static int fail(struct edda_rows *rows, int code, const char *table, const char *what)
{
    if (rows->code == 0)
        rows->code = edda_fail_with(&rows->error, code, "table %s: %s", table, what);
    return code;
}

/* --- entries -------------------------------------------------------------------------------------------- */

/* The key as bytes, equal for equal keys: the lengths keep ("a", "bc") and ("ab", "c") apart. */
static void key_make(const struct rows_table *table, const void *row, struct buffer *out)
{
    buffer_clear(out);
    for (uint32_t i = 0; i < table->table->key_fields; i++) {
        const struct edda_field *field = &table->table->row->fields[i];
        const void *member = (const char *)row + field->offset;
        if (field->kind == EDDA_KIND_TEXT) {
            const struct edda_text *text = member;
            buffer_append(out, &text->len, sizeof text->len);
            buffer_append(out, text->data, text->len);
        } else if (field->kind == EDDA_KIND_BOOL) {
            buffer_append_byte(out, *(const bool *)member);
        } else {
            buffer_append(out, member, sizeof(int64_t));
        }
    }
}

static struct rows_entry *entry_of(struct edda_rows *rows, const struct rows_table *table, const void *row)
{
    key_make(table, row, &rows->key);
    struct slice key = buffer_slice(&rows->key);
    uint64_t hash = hash64(key, (uint64_t)(table - rows->tables));
    for (struct table_link *link = table_find(&rows->entries, hash); link; link = table_find_next(link)) {
        struct rows_entry *entry = container_of(link, struct rows_entry, link);
        if (entry->table == table && slice_eq(entry->key, key))
            return entry;
    }
    struct rows_entry *entry = buffer_ok(&rows->key) ? arena_alloc(&rows->arena, sizeof *entry) : NULL;
    if (!entry)
        return NULL;
    entry->table = table;
    entry->key = arena_copy(&rows->arena, key);
    if (!entry->key.data || !table_insert(&rows->entries, &entry->link, hash))
        return NULL;
    *rows->last = entry;
    rows->last = &entry->next;
    return entry;
}

static const struct rows_table *table_of(struct edda_rows *rows, const struct edda_table *table)
{
    for (uint32_t i = 0; i < rows->table_count; i++)
        if (rows->tables[i].table == table)
            return &rows->tables[i];
    fail(rows, EDDA_EINVAL, table && table->name ? table->name : "(none)", "it is none of the projection's");
    return NULL;
}

static bool has_zero_byte(const struct edda_type *type, const void *row, const char **ret_field)
{
    for (uint32_t i = 0; i < type->field_count; i++) {
        const struct edda_field *field = &type->fields[i];
        const struct edda_text *text = (const void *)((const char *)row + field->offset);
        *ret_field = field->name;
        if ((field->kind == EDDA_KIND_TEXT || field->kind == EDDA_KIND_JSON) && text->len && memchr(text->data, 0, text->len))
            return true;
    }
    return false;
}

/* Gives the entry another row, and remembers the one before. */
static int entry_set(struct edda_rows *rows, struct rows_entry *entry, const void *row)
{
    struct rows_before *before = arena_alloc(&rows->arena, sizeof *before);
    if (!before)
        return fail(rows, EDDA_ENOMEM, entry->table->table->name, "out of memory for a row");
    if (rows->changes++ == ROWS_CHANGES_MAX)
        return fail(rows, EDDA_ELIMIT, entry->table->table->name, "one event changes more than 65536 rows");
    *before = (struct rows_before){ .next = rows->before, .entry = entry, .row = entry->row, .known = entry->known, .changed = entry->changed };
    rows->before = before;
    entry->row = row;
    entry->known = entry->changed = true;
    return 0;
}

/* Looks the row up in the database. */
static int entry_load(struct edda_rows *rows, struct rows_entry *entry, const void *key)
{
    const struct edda_table *table = entry->table->table;
    void *row = arena_alloc(&rows->arena, table->row->size);
    if (!row)
        return fail(rows, EDDA_ENOMEM, table->name, "out of memory for a row");
    memcpy(row, key, table->row->size);
    int rc = session_get(rows->session, table, entry->table->name, row, &rows->arena, &rows->session_error);
    if (rc < 0) {
        rows->session_code = rc;
        return fail(rows, rc, table->name, edda_code_info(rc)->sentence);
    }
    entry->row = rc ? row : NULL;
    entry->known = true;
    return 0;
}

/* --- edda/projection.h ---------------------------------------------------------------------------------- */

int edda_put_struct(struct edda_rows *rows, const struct edda_table *of, const void *row)
{
    const struct rows_table *table = table_of(rows, of);
    struct edda_error error = { 0 };
    const char *field;
    if (!table)
        return EDDA_EINVAL;
    int rc = json_check(of->row, row, &error);
    if (rc == 0 && has_zero_byte(of->row, row, &field))
        rc = edda_fail_field(&error, EDDA_EINVAL, field, "must not have a zero byte");
    if (rc < 0) {
        if (rows->code == 0)
            rows->code = edda_fail_field(&rows->error, rc, error.field, "table %s, %s: %s", of->name, error.field, error.message);
        return rc;
    }
    struct rows_entry *entry = entry_of(rows, table, row);
    void *copy = entry ? value_copy(of->row, row, &rows->arena) : NULL;
    if (!copy)
        return fail(rows, EDDA_ENOMEM, of->name, "out of memory for a row");
    return entry_set(rows, entry, copy);
}

int edda_get_struct(struct edda_rows *rows, const struct edda_table *of, void *row)
{
    const struct rows_table *table = table_of(rows, of);
    if (!table)
        return EDDA_EINVAL;
    struct rows_entry *entry = entry_of(rows, table, row);
    if (!entry)
        return fail(rows, EDDA_ENOMEM, of->name, "out of memory for a row");
    int rc = entry->known ? 0 : entry_load(rows, entry, row);
    if (rc < 0 || !entry->row)
        return rc;
    memcpy(row, entry->row, of->row->size);
    return 1;
}

int edda_delete_struct(struct edda_rows *rows, const struct edda_table *of, const void *row)
{
    const struct rows_table *table = table_of(rows, of);
    if (!table)
        return EDDA_EINVAL;
    struct rows_entry *entry = entry_of(rows, table, row);
    if (!entry)
        return fail(rows, EDDA_ENOMEM, of->name, "out of memory for a row");
    int rc = entry->known ? 0 : entry_load(rows, entry, row);
    if (rc < 0 || !entry->row)
        return rc;
    /* Kept as the row to delete: its key says which. */
    rc = entry_set(rows, entry, NULL);
    return rc < 0 ? rc : 1;
}

const struct edda_message_info *edda_rows_message(const struct edda_rows *rows)
{
    return &rows->info;
}

/* --- writing -------------------------------------------------------------------------------------------- */

/* A row of which only the key is set, from the key's bytes. */
static void *row_of_key(struct edda_rows *rows, const struct rows_entry *entry)
{
    const struct edda_table *table = entry->table->table;
    char *row = arena_alloc(&rows->arena, table->row->size);
    const uint8_t *at = entry->key.data;
    for (uint32_t i = 0; row && i < table->key_fields; i++) {
        const struct edda_field *field = &table->row->fields[i];
        char *member = row + field->offset;
        if (field->kind == EDDA_KIND_TEXT) {
            size_t len;
            memcpy(&len, at, sizeof len);
            *(struct edda_text *)(void *)member = (struct edda_text){ (const char *)at + sizeof len, len };
            at += sizeof len + len;
        } else if (field->kind == EDDA_KIND_BOOL) {
            *(bool *)(void *)member = *at++ != 0;
        } else {
            memcpy(member, at, sizeof(int64_t));
            at += sizeof(int64_t);
        }
    }
    return row;
}

static int write_table(struct edda_rows *rows, const struct rows_table *table, struct database_change *changes, struct edda_error *error)
{
    size_t count = 0;
    for (struct rows_entry *entry = rows->first; entry; entry = entry->next) {
        if (entry->table != table || !entry->changed)
            continue;
        const void *row = entry->row ? entry->row : row_of_key(rows, entry);
        if (!row)
            return edda_fail_with(error, EDDA_ENOMEM, "out of memory for rows");
        changes[count++] = (struct database_change){ .row = row, .deleted = entry->row == NULL };
    }
    return count ? session_change(rows->session, table->table, table->name, changes, count, error) : 0;
}

int rows_write(struct edda_rows *rows, struct edda_error *error)
{
    if (rows->entries.count == 0)
        return 0;
    struct database_change *changes = arena_alloc(&rows->arena, rows->entries.count * sizeof *changes);
    if (!changes)
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory for rows");
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < rows->table_count; i++)
        rc = write_table(rows, &rows->tables[i], changes, error);
    return rc;
}
