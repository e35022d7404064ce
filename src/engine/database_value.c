/* Columns: the fields of a table's rows as values of a database, and the checks of tables and queries that do not need one. */
#include "engine/database.h"

#include "base/assert.h"
#include "wire/json/field.h"
#include "wire/json/json.h"

#define TABLE_NAME_MAX 63
#define KEY_FIELDS_MAX 8
#define INDEXES_MAX 16
#define QUERY_ROWS_DEFAULT 1000
#define QUERY_ROWS_MAX 10000

/* --- checks --------------------------------------------------------------------------------------------- */

const struct edda_field *database_field(const struct edda_type *type, const char *name)
{
    for (uint32_t i = 0; i < type->field_count; i++)
        if (strcmp(type->fields[i].name, name) == 0)
            return &type->fields[i];
    return NULL;
}

bool database_is_scalar(const struct edda_field *field)
{
    return field->kind != EDDA_KIND_STRUCT && field->kind != EDDA_KIND_LIST && field->kind != EDDA_KIND_JSON;
}

uint32_t database_column_kind(const struct edda_field *field)
{
    return database_is_scalar(field) ? field->kind : (uint32_t)EDDA_KIND_JSON;
}

static bool table_name_is_good(const char *name)
{
    size_t len = name ? strlen(name) : 0;
    return len > 0 && len <= TABLE_NAME_MAX && name[0] >= 'a' && name[0] <= 'z' &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == len;
}

/* A column must be a name that every database takes as it is, and tells from the others without regard to case. */
static int columns_check(const struct edda_table *table, struct edda_error *error)
{
    const struct edda_type *row = table->row;
    for (uint32_t i = 0; i < row->field_count; i++) {
        const char *name = row->fields[i].name;
        size_t len = strlen(name);
        if (len > TABLE_NAME_MAX || strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != len)
            return edda_fail_field(error, EDDA_EINVAL, name, "table %s: %s is no name of a column", table->name, name);
        for (uint32_t j = 0; j < i; j++)
            if (strcasecmp(row->fields[j].name, name) == 0)
                return edda_fail_field(error, EDDA_EINVAL, name, "table %s has two columns %s", table->name, name);
        if (i < table->key_fields && (!database_is_scalar(&row->fields[i]) || row->fields[i].kind == EDDA_KIND_DOUBLE))
            return edda_fail_field(error, EDDA_EINVAL, name, "table %s: %s cannot be of the key; only BOOL, INT, TEXT and TIME can", table->name,
                                   name);
    }
    return 0;
}

int database_table_check(const struct edda_table *table, struct edda_error *error)
{
    if (!table_name_is_good(table->name))
        return edda_fail_with(error, EDDA_EINVAL,
                              "a table needs a name of a lower-case letter, then lower-case letters, digits and '_', at most 63, not %s",
                              table->name ? table->name : "(none)");
    int rc = edda_type_check(table->row, error);
    if (rc < 0)
        return rc;
    if (table->key_fields == 0 || table->key_fields > KEY_FIELDS_MAX || table->key_fields > table->row->field_count)
        return edda_fail_with(error, EDDA_EINVAL, "table %s: its first 1 to %d fields are its key, not %u", table->name, KEY_FIELDS_MAX,
                              table->key_fields);
    rc = columns_check(table, error);
    size_t count = 0;
    for (const char *const *index = table->indexes; rc == 0 && index && *index; index++) {
        const struct edda_field *field = database_field(table->row, *index);
        if (!field || !database_is_scalar(field))
            rc = edda_fail_field(error, EDDA_EINVAL, *index, "table %s has no column %s that can be indexed", table->name, *index);
        else if (++count > INDEXES_MAX)
            rc = edda_fail_with(error, EDDA_EINVAL, "table %s has more than %d indexes", table->name, INDEXES_MAX);
    }
    return rc;
}

int database_query_check(struct edda_query *query, struct edda_error *error)
{
    const struct edda_table *table = query->table;
    const struct edda_type *row = table->row;
    if (query->limit > QUERY_ROWS_MAX)
        return edda_fail_field(error, EDDA_EINVAL, "limit", "at most %d rows can be asked for", QUERY_ROWS_MAX);
    query->limit = query->limit ? query->limit : QUERY_ROWS_DEFAULT;
    if (query->equal_fields > row->field_count || (query->equal_fields && !query->equal))
        return edda_fail_field(error, EDDA_EINVAL, "equal_fields", "table %s has no %u fields to compare", table->name, query->equal_fields);
    if (!query->equal)
        query->equal_fields = 0;
    for (uint32_t i = 0; i < query->equal_fields; i++)
        if (!database_is_scalar(&row->fields[i]))
            return edda_fail_field(error, EDDA_EINVAL, row->fields[i].name, "table %s: %s cannot be compared", table->name, row->fields[i].name);
    if (!query->order_by)
        return 0;
    const struct edda_field *order = database_field(row, query->order_by);
    if (!order || !database_is_scalar(order))
        return edda_fail_field(error, EDDA_EINVAL, "order_by", "table %s has no column %s to order by", table->name, query->order_by);
    return 0;
}

/* --- comparing ------------------------------------------------------------------------------------------ */

static const void *member_of(const struct edda_field *field, const void *row)
{
    return (const char *)row + field->offset;
}

int database_compare_field(const struct edda_field *field, const void *a, const void *b)
{
    const void *x = member_of(field, a), *y = member_of(field, b);
    switch ((enum edda_kind)field->kind) {
    case EDDA_KIND_BOOL:
        return (int)*(const bool *)x - (int)*(const bool *)y;
    case EDDA_KIND_INT:
    case EDDA_KIND_TIME:
        return (*(const int64_t *)x > *(const int64_t *)y) - (*(const int64_t *)x < *(const int64_t *)y);
    case EDDA_KIND_DOUBLE:
        return (*(const double *)x > *(const double *)y) - (*(const double *)x < *(const double *)y);
    case EDDA_KIND_TEXT:
    case EDDA_KIND_JSON: {
        const struct edda_text *s = x, *t = y;
        return slice_compare(slice_of(s->data, s->len), slice_of(t->data, t->len));
    }
    case EDDA_KIND_STRUCT:
    case EDDA_KIND_LIST:
        break;
    }
    return 0;
}

int database_compare(const struct edda_type *type, uint32_t fields, const void *a, const void *b)
{
    int order = 0;
    for (uint32_t i = 0; i < fields && order == 0; i++)
        order = database_compare_field(&type->fields[i], a, b);
    return order;
}

/* --- values --------------------------------------------------------------------------------------------- */

/* A struct of this one field, for the codec: always written, and at the beginning. */
static struct edda_field alone(const struct edda_field *field)
{
    struct edda_field only = *field;
    only.offset = 0;
    only.optional = false;
    only.len_max = UINT32_MAX;
    return only;
}

static struct edda_type type_of(const struct edda_field *only)
{
    return (struct edda_type){
        .name = "column", .kind = EDDA_TYPE_VALUE, .size = (uint32_t)field_size(only->kind, only->type), .fields = only, .field_count = 1,
    };
}

/* The JSON of a nested struct or a list. */
static bool json_of(const struct edda_field *field, const void *member, struct arena *arena, struct slice *ret_json)
{
    struct edda_field only = alone(field);
    struct edda_type type = type_of(&only);
    struct buffer out = BUFFER_EMPTY;
    json_encode_members(&type, member, false, &out);
    size_t name = strlen(field->name) + 3; /* "name": */
    bool good = buffer_ok(&out) && out.len > name;
    if (good)
        *ret_json = arena_copy(arena, slice_from(buffer_slice(&out), name));
    buffer_deinit(&out);
    return good && ret_json->data;
}

bool database_value_of(const struct edda_field *field, const void *row, struct arena *arena, struct database_value *ret_value)
{
    const void *member = member_of(field, row);
    struct database_value value = { .kind = database_column_kind(field) };
    switch ((enum edda_kind)field->kind) {
    case EDDA_KIND_BOOL:
        value.number = *(const bool *)member;
        break;
    case EDDA_KIND_INT:
    case EDDA_KIND_TIME:
        value.number = *(const int64_t *)member;
        break;
    case EDDA_KIND_DOUBLE:
        value.real = *(const double *)member;
        break;
    case EDDA_KIND_TEXT:
    case EDDA_KIND_JSON: {
        const struct edda_text *text = member;
        value.text = text->len ? slice_of(text->data, text->len) : field->kind == EDDA_KIND_JSON ? SLICE("null") : SLICE("");
        break;
    }
    case EDDA_KIND_STRUCT:
    case EDDA_KIND_LIST:
        if (!json_of(field, member, arena, &value.text))
            return false;
        break;
    }
    *ret_value = value;
    return true;
}

static bool json_set(const struct edda_field *field, void *member, struct slice json, struct arena *arena)
{
    struct edda_field only = alone(field);
    struct edda_type type = type_of(&only);
    char *whole = arena_printf(arena, "{\"%s\":%.*s}", field->name, (int)json.len, (const char *)json.data);
    return whole && json_decode(&type, slice_str(whole), JSON_STORED, arena, member, NULL) == 0;
}

bool database_value_set(const struct edda_field *field, void *row, const struct database_value *value, struct arena *arena)
{
    void *member = (char *)row + field->offset;
    switch ((enum edda_kind)field->kind) {
    case EDDA_KIND_BOOL:
        *(bool *)member = value->number != 0;
        break;
    case EDDA_KIND_INT:
    case EDDA_KIND_TIME:
        *(int64_t *)member = value->number;
        break;
    case EDDA_KIND_DOUBLE:
        *(double *)member = value->real;
        break;
    case EDDA_KIND_JSON:
        *(struct edda_text *)member = slice_eq_str(value->text, "null") ? (struct edda_text){ NULL, 0 }
                                                                       : (struct edda_text){ (const char *)value->text.data, value->text.len };
        break;
    case EDDA_KIND_TEXT:
        *(struct edda_text *)member = (struct edda_text){ (const char *)value->text.data, value->text.len };
        break;
    case EDDA_KIND_STRUCT:
    case EDDA_KIND_LIST:
        return json_set(field, member, value->text, arena);
    }
    return true;
}
