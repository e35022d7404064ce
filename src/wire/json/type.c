/* type: what a table must be before anything trusts it (edda/type.h). */
#include <math.h>

#include "base/slice.h"
#include "wire/json/field.h"
#include "wire/json/text.h"

#define DEPTH_MAX 8
#define TYPE_NAME_MAX 127
#define FIELD_NAME_MAX 63  /* so that an error can name it */
#define VERSIONS_MAX 1000
#define TOPIC_NAME_MAX 249 /* Kafka's */

static bool name_valid(const char *name, size_t len_max)
{
    size_t len = name ? strlen(name) : 0;
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    return len > 0 && len <= len_max && strspn(name, allowed) == len;
}

/* Any text that stands for itself in JSON: nothing in it must be escaped. */
static bool field_name_valid(const char *name)
{
    struct slice text = slice_str(name);
    if (text.len == 0 || text.len > FIELD_NAME_MAX || !text_utf8_valid(text))
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < 0x80 && text_byte_special(text.data[i]))
            return false;
    }
    return true;
}

static size_t kind_alignment(uint32_t kind)
{
    return kind == EDDA_KIND_BOOL ? _Alignof(bool) : kind == EDDA_KIND_STRUCT ? 1 : _Alignof(int64_t);
}

static bool item_kind_valid(uint32_t kind)
{
    return kind >= EDDA_KIND_BOOL && kind <= EDDA_KIND_STRUCT;
}

static int check_place(const struct edda_type *type, const struct edda_field *field, struct edda_error *error)
{
    size_t size = field_size(field->kind, field->type);
    if (size == 0 || size > type->size || field->offset > type->size - size)
        return edda_fail_field(error, EDDA_EINVAL, field->name, "%s.%s: must lie within the %u bytes of its struct",
                               type->name, field->name, (unsigned)type->size);
    if (field->offset % kind_alignment(field->kind) != 0)
        return edda_fail_field(error, EDDA_EINVAL, field->name, "%s.%s: is not aligned, its offset is %u", type->name,
                               field->name, (unsigned)field->offset);
    for (const struct edda_field *other = type->fields; other < field; other++) {
        size_t other_size = field_size(other->kind, other->type);
        if (field->offset < other->offset + other_size && other->offset < field->offset + size)
            return edda_fail_field(error, EDDA_EINVAL, field->name, "%s.%s: lies over %s", type->name, field->name,
                                   other->name);
    }
    return 0;
}

static int check_limits(const struct edda_type *type, const struct edda_field *field, struct edda_error *error)
{
    if (isnan(field->min) || isnan(field->max))
        return edda_fail_field(error, EDDA_EINVAL, field->name, "%s.%s: min and max must be numbers", type->name,
                               field->name);
    if ((field->min != 0 || field->max != 0) && field->kind != EDDA_KIND_INT && field->kind != EDDA_KIND_DOUBLE)
        return edda_fail_field(error, EDDA_EINVAL, field->name, "%s.%s: min and max are for INT and DOUBLE", type->name,
                               field->name);
    if ((field->len_min || field->len_max) && field->kind != EDDA_KIND_TEXT && field->kind != EDDA_KIND_LIST)
        return edda_fail_field(error, EDDA_EINVAL, field->name, "%s.%s: len_min and len_max are for TEXT and LIST",
                               type->name, field->name);
    uint32_t len_max = field->kind == EDDA_KIND_TEXT ? FIELD_TEXT_LEN_MAX : FIELD_LIST_LEN_MAX;
    if (field->len_min > (field->len_max ? field->len_max : len_max))
        return edda_fail_field(error, EDDA_EINVAL, field->name, "%s.%s: len_min is more than len_max", type->name,
                               field->name);
    if (field->values && (field->kind != EDDA_KIND_TEXT || !field->values[0]))
        return edda_fail_field(error, EDDA_EINVAL, field->name, "%s.%s: values are for TEXT, and at least one",
                               type->name, field->name);
    return 0;
}

static int check_type(const struct edda_type *type, int depth, struct edda_error *error);

static int check_field(const struct edda_type *type, uint32_t index, int depth, struct edda_error *error)
{
    const struct edda_field *field = &type->fields[index];
    uint32_t inner_kind = field->kind == EDDA_KIND_LIST ? field->item_kind : field->kind;
    bool of_structs = inner_kind == EDDA_KIND_STRUCT;
    if (!field_name_valid(field->name))
        return edda_fail_with(error, EDDA_EINVAL,
                              "%s: field %u must have a name: 1 to %d bytes of UTF-8, no controls, quotes, backslashes",
                              type->name, (unsigned)index, FIELD_NAME_MAX);
    for (uint32_t i = 0; i < index; i++) {
        if (strcmp(type->fields[i].name, field->name) == 0)
            return edda_fail_field(error, EDDA_EINVAL, field->name, "%s.%s: is there twice", type->name, field->name);
    }
    if (field->kind < EDDA_KIND_BOOL || field->kind > EDDA_KIND_JSON)
        return edda_fail_field(error, EDDA_EINVAL, field->name, "%s.%s: has the unknown kind %u", type->name,
                               field->name, (unsigned)field->kind);
    if (field->kind == EDDA_KIND_LIST && !item_kind_valid(field->item_kind))
        return edda_fail_field(error, EDDA_EINVAL, field->name, "%s.%s: a list cannot have items of kind %u",
                               type->name, field->name, (unsigned)field->item_kind);
    if (of_structs && !field->type)
        return edda_fail_field(error, EDDA_EINVAL, field->name, "%s.%s: has no type", type->name, field->name);
    int code = of_structs ? check_type(field->type, depth + 1, error) : 0;
    if (code == 0)
        code = check_place(type, field, error);
    return code ? code : check_limits(type, field, error);
}

/* Whether a path ("id", "idName.id") leads to a field that has a text of its own (json_field_text()). */
static bool path_valid(const struct edda_type *type, const char *path)
{
    for (uint32_t i = 0; i < type->field_count; i++) {
        const struct edda_field *field = &type->fields[i];
        size_t len = strlen(field->name);
        if (strncmp(path, field->name, len) != 0)
            continue;
        if (path[len] == '\0')
            return field->kind != EDDA_KIND_STRUCT && field->kind != EDDA_KIND_LIST;
        if (path[len] == '.' && field->kind == EDDA_KIND_STRUCT && path_valid(field->type, path + len + 1))
            return true;
    }
    return false;
}

static int check_type(const struct edda_type *type, int depth, struct edda_error *error)
{
    if (depth > DEPTH_MAX)
        return edda_fail_with(error, EDDA_EINVAL, "types nested more than %d deep, or within themselves", DEPTH_MAX);
    if (!name_valid(type->name, TYPE_NAME_MAX))
        return edda_fail_with(error, EDDA_EINVAL, "a type's name must be 1 to %d letters, digits, '.', '_', '-'",
                              TYPE_NAME_MAX);
    if (type->kind < EDDA_TYPE_EVENT || type->kind > EDDA_TYPE_VALUE)
        return edda_fail_with(error, EDDA_EINVAL, "%s: has the unknown kind %u", type->name, (unsigned)type->kind);
    if (type->field_count > FIELD_COUNT_MAX)
        return edda_fail_with(error, EDDA_EINVAL, "%s: has %u fields, may have %d", type->name,
                              (unsigned)type->field_count, FIELD_COUNT_MAX);
    if (type->field_count > 0 && !type->fields)
        return edda_fail_with(error, EDDA_EINVAL, "%s: has no table of fields", type->name);
    for (uint32_t i = 0; i < type->field_count; i++) {
        int code = check_field(type, i, depth, error);
        if (code)
            return code;
    }
    if (type->topic && !name_valid(type->topic, TOPIC_NAME_MAX))
        return edda_fail_with(error, EDDA_EINVAL, "%s: its topic must be 1 to %d letters, digits, '.', '_', '-'",
                              type->name, TOPIC_NAME_MAX);
    if (type->key && !path_valid(type, type->key))
        return edda_fail_field(error, EDDA_EINVAL, type->key,
                               "%s: its key %s is no field of it, or none that can be one", type->name, type->key);
    if (type->correlation && !path_valid(type, type->correlation))
        return edda_fail_field(error, EDDA_EINVAL, type->correlation,
                               "%s: its correlation %s is no field of it, or none that can be one", type->name,
                               type->correlation);
    return 0;
}

static const struct edda_older *older_of(const struct edda_type *type, uint32_t version)
{
    for (const struct edda_older *row = type->older; row && row->type; row++)
        if (row->version == version)
            return row;
    return NULL;
}

/* Each older version is there once. */
static int check_older(const struct edda_type *type, struct edda_error *error)
{
    uint32_t newest = type->version ? type->version : 1;
    if (newest > VERSIONS_MAX)
        return edda_fail_with(error, EDDA_EINVAL, "%s: is of version %u; there are at most %d", type->name, newest, VERSIONS_MAX);
    if ((newest > 1 || type->older) && type->kind != EDDA_TYPE_EVENT && type->kind != EDDA_TYPE_COMMAND)
        return edda_fail_with(error, EDDA_EINVAL, "%s: only events and commands have versions", type->name);
    for (const struct edda_older *row = type->older; row && row->type; row++) {
        if (row->version == 0 || row->version >= newest)
            return edda_fail_with(error, EDDA_EINVAL, "%s: is of version %u, and has an older one of version %u", type->name, newest,
                                  row->version);
        if (older_of(type, row->version) != row)
            return edda_fail_with(error, EDDA_EINVAL, "%s: its older version %u is there twice", type->name, row->version);
        if (!row->upcast || (row->name && !name_valid(row->name, TYPE_NAME_MAX)))
            return edda_fail_with(error, EDDA_EINVAL, "%s: its older version %u has no function that lifts it, or no valid name", type->name,
                                  row->version);
        int code = check_type(row->type, 1, error);
        if (code)
            return code;
    }
    for (uint32_t version = 1; version < newest; version++)
        if (!older_of(type, version))
            return edda_fail_with(error, EDDA_EINVAL, "%s: is of version %u, and its older version %u is missing", type->name, newest, version);
    return 0;
}

int edda_type_check(const struct edda_type *type, struct edda_error *error)
{
    if (!type)
        return edda_fail_with(error, EDDA_EINVAL, "there is no type");
    int code = check_type(type, 1, error);
    if (code)
        return code;
    if (type->reply_to && (type->kind != EDDA_TYPE_COMMAND || !name_valid(type->reply_to, TOPIC_NAME_MAX) || type->reply_to[0] == '_'))
        return edda_fail_with(error, EDDA_EINVAL, "%s: only a command is answered, and on a topic of letters, digits, '.', '_', '-' that does not begin with '_'",
                              type->name);
    return check_older(type, error);
}
