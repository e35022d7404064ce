/* field: sizes, zeros, limits, paths. */
#include "wire/json/field.h"

#include <stdio.h>

#include "wire/json/number.h"
#include "wire/json/text.h"

#define TWO_TO_63 9223372036854775808.0

const struct edda_field field_item = { .name = "" };

void field_path_init(struct field_path *path)
{
    path->from = FIELD_PATH_MAX - 1;
    path->text[path->from] = '\0';
}

static void path_prepend(struct field_path *path, const char *text, size_t len)
{
    if (len > path->from)
        return;
    path->from -= len;
    memcpy(path->text + path->from, text, len);
}

void field_path_name(struct field_path *path, const char *name)
{
    char first = path->text[path->from];
    if (first != '\0' && first != '[')
        path_prepend(path, ".", 1);
    path_prepend(path, name, strlen(name));
}

void field_path_index(struct field_path *path, uint32_t index)
{
    char text[16];
    char first = path->text[path->from];
    if (first != '\0' && first != '[')
        path_prepend(path, ".", 1);
    int len = snprintf(text, sizeof(text), "[%u]", (unsigned)index);
    path_prepend(path, text, (size_t)len);
}

size_t field_size(uint32_t kind, const struct edda_type *type)
{
    switch ((enum edda_kind)kind) {
    case EDDA_KIND_BOOL:
        return sizeof(bool);
    case EDDA_KIND_INT:
    case EDDA_KIND_TIME:
        return sizeof(int64_t);
    case EDDA_KIND_DOUBLE:
        return sizeof(double);
    case EDDA_KIND_TEXT:
    case EDDA_KIND_JSON:
        return sizeof(struct edda_text);
    case EDDA_KIND_STRUCT:
        return type ? type->size : 0;
    case EDDA_KIND_LIST:
        return sizeof(struct edda_list);
    }
    return 0;
}

bool field_is_zero(uint32_t kind, const struct edda_type *type, const void *at)
{
    switch ((enum edda_kind)kind) {
    case EDDA_KIND_BOOL:
        return !*(const bool *)at;
    case EDDA_KIND_INT:
    case EDDA_KIND_TIME:
        return *(const int64_t *)at == 0;
    case EDDA_KIND_DOUBLE:
        return *(const double *)at == 0;
    case EDDA_KIND_TEXT:
    case EDDA_KIND_JSON:
        return ((const struct edda_text *)at)->len == 0;
    case EDDA_KIND_LIST:
        return ((const struct edda_list *)at)->count == 0;
    case EDDA_KIND_STRUCT:
        for (uint32_t i = 0; i < type->field_count; i++) {
            const struct edda_field *field = &type->fields[i];
            if (!field_is_zero(field->kind, field->type, (const uint8_t *)at + field->offset))
                return false;
        }
        return true;
    }
    return true;
}

bool field_int_less(int64_t value, double bound)
{
    if (bound >= TWO_TO_63)
        return true;
    if (bound <= -TWO_TO_63)
        return false;
    int64_t whole = (int64_t)bound; /* cut towards zero */
    return value < whole || (value == whole && (double)whole < bound);
}

bool field_int_more(int64_t value, double bound)
{
    if (bound >= TWO_TO_63)
        return false;
    if (bound < -TWO_TO_63)
        return true;
    int64_t whole = (int64_t)bound;
    return value > whole || (value == whole && (double)whole > bound);
}

void field_bound_text(double bound, char text[FIELD_BOUND_BYTES])
{
    bool integral = bound > -TWO_TO_63 && bound < TWO_TO_63 && (double)(int64_t)bound == bound;
    uint8_t *at = (uint8_t *)text;
    *(integral ? number_put_int(at, (int64_t)bound) : number_put_double(at, bound)) = '\0';
}

/* min and max both 0 allow everything; a max below min sets no upper bound. */
static int range_check(const struct edda_field *field, bool is_int, const void *at, struct edda_error *error)
{
    if (field->min == 0 && field->max == 0)
        return 0;
    bool less, more;
    if (is_int) {
        less = field_int_less(*(const int64_t *)at, field->min);
        more = field_int_more(*(const int64_t *)at, field->max);
    } else {
        less = *(const double *)at < field->min;
        more = *(const double *)at > field->max;
    }
    if (!less && (!more || field->max < field->min))
        return 0;
    char bound[FIELD_BOUND_BYTES];
    char value[FIELD_BOUND_BYTES];
    field_bound_text(less ? field->min : field->max, bound);
    if (is_int)
        *number_put_int((uint8_t *)value, *(const int64_t *)at) = '\0';
    else
        field_bound_text(*(const double *)at, value);
    return edda_fail_with(error, EDDA_EINVAL, "must be at %s %s, is %s", less ? "least" : "most", bound, value);
}

static int len_check(const struct edda_field *field, size_t len, size_t len_max, const char *unit,
                     struct edda_error *error)
{
    if (field->len_max)
        len_max = field->len_max;
    if (len >= field->len_min && len <= len_max)
        return 0;
    bool less = len < field->len_min;
    size_t bound = less ? field->len_min : len_max;
    return edda_fail_with(error, EDDA_EINVAL, "must have at %s %zu %s%s, has %zu", less ? "least" : "most", bound, unit,
                          bound == 1 ? "" : "s", len);
}

static int choice_check(const struct edda_field *field, struct edda_text text, struct edda_error *error)
{
    char list[200];
    size_t used = 0;
    for (const char *const *value = field->values; *value; value++) {
        if (edda_text_is(text, *value))
            return 0;
    }
    list[0] = '\0';
    for (const char *const *value = field->values; *value && used < sizeof(list); value++) {
        int len = snprintf(list + used, sizeof(list) - used, "%s\"%s\"", used ? ", " : "", *value);
        used += len > 0 ? (size_t)len : 0;
    }
    if (used >= sizeof(list)) /* too many to name them all */
        memcpy(list + text_cut(slice_of(list, sizeof(list) - 1), sizeof(list) - 6).len, " ...", 5);
    struct slice cut = text_cut(field_slice(text), FIELD_QUOTED_MAX);
    return edda_fail_with(error, EDDA_EINVAL, "must be one of %s, is \"%.*s%s\"", list, (int)cut.len,
                          cut.data ? (const char *)cut.data : "", cut.len < text.len ? "..." : "");
}

int field_limits(const struct edda_field *field, uint32_t kind, const void *at, struct edda_error *error)
{
    int code;
    switch ((enum edda_kind)kind) {
    case EDDA_KIND_INT:
    case EDDA_KIND_DOUBLE:
        return range_check(field, kind == EDDA_KIND_INT, at, error);
    case EDDA_KIND_TEXT:
        code = len_check(field, ((const struct edda_text *)at)->len, FIELD_TEXT_LEN_MAX, "byte", error);
        return code || !field->values ? code : choice_check(field, *(const struct edda_text *)at, error);
    case EDDA_KIND_LIST:
        return len_check(field, ((const struct edda_list *)at)->count, FIELD_LIST_LEN_MAX, "item", error);
    case EDDA_KIND_BOOL:
    case EDDA_KIND_TIME:
    case EDDA_KIND_JSON:
    case EDDA_KIND_STRUCT:
        return 0;
    }
    return 0;
}
