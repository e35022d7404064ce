/* check: what a program has put into a struct, before it is encoded: all that JSON_REQUEST would refuse to read. */
#include <math.h>

#include "wire/json/field.h"
#include "wire/json/json.h"
#include "wire/json/number.h"
#include "wire/json/text.h"
#include "wire/json/time.h"

static int check_struct(const struct edda_type *type, const void *value, struct field_path *path,
                        struct edda_error *error);
static int check_list(const struct edda_field *field, const struct edda_list *list, struct field_path *path,
                      struct edda_error *error);

static int check_json(struct edda_text text, struct edda_error *error)
{
    size_t offset;
    if (text.len == 0)
        return edda_fail_with(error, EDDA_EINVAL, "is missing");
    if (!json_valid(field_slice(text), &offset))
        return edda_fail_with(error, EDDA_EINVAL, "must be JSON, is malformed at its byte %zu", offset);
    return 0;
}

static int check_value(const struct edda_field *field, uint32_t kind, const void *at, struct field_path *path,
                       struct edda_error *error)
{
    int code = 0;
    switch ((enum edda_kind)kind) {
    case EDDA_KIND_BOOL:
    case EDDA_KIND_INT:
        break;
    case EDDA_KIND_DOUBLE:
        if (!isfinite(*(const double *)at))
            code = edda_fail_with(error, EDDA_EINVAL, "must be a finite number");
        break;
    case EDDA_KIND_TEXT:
        if (!text_utf8_valid(field_slice(*(const struct edda_text *)at)))
            code = edda_fail_with(error, EDDA_EINVAL, "must be UTF-8");
        break;
    case EDDA_KIND_TIME:
        if (*(const int64_t *)at < TIME_MS_MIN || *(const int64_t *)at > TIME_MS_MAX)
            code = edda_fail_with(error, EDDA_EINVAL, "must be a time of the years 0 to 9999");
        break;
    case EDDA_KIND_JSON:
        code = check_json(*(const struct edda_text *)at, error);
        break;
    case EDDA_KIND_STRUCT:
        return check_struct(field->type, at, path, error);
    case EDDA_KIND_LIST:
        code = check_list(field, at, path, error);
        break;
    }
    return code ? code : field_limits(kind == field->kind ? field : FIELD_ITEM, kind, at, error);
}

static int check_list(const struct edda_field *field, const struct edda_list *list, struct field_path *path,
                      struct edda_error *error)
{
    size_t item_size = field_size(field->item_kind, field->type);
    for (uint32_t i = 0; i < list->count; i++) {
        int code = check_value(field, field->item_kind, (const uint8_t *)list->items + i * item_size, path, error);
        if (code) {
            field_path_index(path, i);
            return code;
        }
    }
    return 0;
}

static int check_struct(const struct edda_type *type, const void *value, struct field_path *path,
                        struct edda_error *error)
{
    for (uint32_t i = 0; i < type->field_count; i++) {
        const struct edda_field *field = &type->fields[i];
        const uint8_t *at = (const uint8_t *)value + field->offset;
        if (field->optional && field_is_zero(field->kind, field->type, at))
            continue; /* it will not be written */
        int code = check_value(field, field->kind, at, path, error);
        if (code) {
            field_path_name(path, field->name);
            return code;
        }
    }
    return 0;
}

int json_check(const struct edda_type *type, const void *value, struct edda_error *error)
{
    struct field_path path;
    field_path_init(&path);
    int code = check_struct(type, value, &path, error);
    if (code == 0)
        return 0;
    return edda_fail_field(error, code, field_path_text(&path), "%s", error ? error->message : "");
}

/* The field that a path leads to, and its place: a name, or names with dots. A name may itself have dots. */
static const struct edda_field *path_find(const struct edda_type *type, const void *value, const char *path,
                                          const void **ret_at)
{
    for (uint32_t i = 0; i < type->field_count; i++) {
        const struct edda_field *field = &type->fields[i];
        const uint8_t *at = (const uint8_t *)value + field->offset;
        size_t len = strlen(field->name);
        if (strncmp(path, field->name, len) != 0)
            continue;
        if (path[len] == '\0') {
            *ret_at = at;
            return field;
        }
        if (path[len] == '.' && field->kind == EDDA_KIND_STRUCT) {
            const struct edda_field *inner = path_find(field->type, at, path + len + 1, ret_at);
            if (inner)
                return inner;
        }
    }
    return NULL;
}

static bool value_text(const struct edda_field *field, const void *at, struct arena *arena, struct slice *ret_text)
{
    uint8_t text[NUMBER_BYTES_MAX];
    uint8_t *end = text;
    switch ((enum edda_kind)field->kind) {
    case EDDA_KIND_TEXT:
    case EDDA_KIND_JSON:
        *ret_text = field_slice(*(const struct edda_text *)at);
        return true;
    case EDDA_KIND_BOOL:
        *ret_text = *(const bool *)at ? SLICE("true") : SLICE("false");
        return true;
    case EDDA_KIND_INT:
        end = number_put_int(text, *(const int64_t *)at);
        break;
    case EDDA_KIND_DOUBLE:
        end = number_put_double(text, *(const double *)at);
        break;
    case EDDA_KIND_TIME:
        end = time_put(text, *(const int64_t *)at);
        break;
    case EDDA_KIND_STRUCT:
    case EDDA_KIND_LIST:
        return false;
    }
    struct slice copy = arena_copy(arena, slice_of(text, (size_t)(end - text)));
    if (!copy.data)
        return false;
    *ret_text = copy;
    return true;
}

bool json_field_text(const struct edda_type *type, const void *value, const char *path, struct arena *arena,
                     struct slice *ret_text)
{
    const void *at;
    const struct edda_field *field = path ? path_find(type, value, path, &at) : NULL;
    if (!field || (field->optional && field_is_zero(field->kind, field->type, at)))
        return false;
    return value_text(field, at, arena, ret_text);
}
