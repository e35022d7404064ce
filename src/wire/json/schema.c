/*
 * schema: JSON Schema (2020-12) from a table. It never refuses what the decoder takes in a field's own
 * kind: lengths of texts are bytes here and characters there, so a least length is divided by the four
 * bytes that a character may have.
 */
#include "wire/json/field.h"
#include "wire/json/json.h"

#define UTF8_BYTES_MAX 4

static void put_member(struct buffer *out, const char *name, const char *text)
{
    buffer_append_str(out, ",\"");
    buffer_append_str(out, name);
    buffer_append_str(out, "\":");
    json_put_string(out, slice_str(text));
}

static void put_bound(struct buffer *out, const char *name, double bound)
{
    char text[FIELD_BOUND_BYTES];
    field_bound_text(bound, text);
    buffer_printf(out, ",\"%s\":%s", name, text);
}

static void put_count(struct buffer *out, const char *name, uint32_t count)
{
    if (count)
        buffer_printf(out, ",\"%s\":%u", name, (unsigned)count);
}

static void put_range(struct buffer *out, const struct edda_field *field)
{
    if (field->min == 0 && field->max == 0)
        return;
    put_bound(out, "minimum", field->min);
    if (field->max >= field->min)
        put_bound(out, "maximum", field->max);
}

static void put_text_limits(struct buffer *out, const struct edda_field *field)
{
    put_count(out, "minLength", field->len_min / UTF8_BYTES_MAX + (field->len_min % UTF8_BYTES_MAX != 0));
    put_count(out, "maxLength", field->len_max);
    if (!field->values)
        return;
    buffer_append_str(out, ",\"enum\":[");
    for (const char *const *value = field->values; *value; value++) {
        if (value != field->values)
            buffer_append_byte(out, ',');
        json_put_string(out, slice_str(*value));
    }
    buffer_append_byte(out, ']');
}

static void put_object(struct buffer *out, const struct edda_type *type);

static void put_kind(struct buffer *out, const struct edda_field *field, uint32_t kind)
{
    switch ((enum edda_kind)kind) {
    case EDDA_KIND_BOOL:
        buffer_append_str(out, "\"type\":\"boolean\"");
        return;
    case EDDA_KIND_INT:
        buffer_append_str(out, "\"type\":\"integer\"");
        return;
    case EDDA_KIND_DOUBLE:
        buffer_append_str(out, "\"type\":\"number\"");
        return;
    case EDDA_KIND_TEXT:
        buffer_append_str(out, "\"type\":\"string\"");
        return;
    case EDDA_KIND_TIME:
        buffer_append_str(out, "\"type\":\"string\",\"format\":\"date-time\"");
        return;
    case EDDA_KIND_STRUCT:
        put_object(out, field->type);
        return;
    case EDDA_KIND_LIST:
        buffer_append_str(out, "\"type\":\"array\",\"items\":{");
        put_kind(out, field, field->item_kind);
        buffer_append_byte(out, '}');
        put_count(out, "minItems", field->len_min);
        put_count(out, "maxItems", field->len_max);
        return;
    case EDDA_KIND_JSON: /* anything; a member that is always true keeps the commas right */
        buffer_append_str(out, "\"$comment\":\"any JSON value\"");
        return;
    }
}

void json_schema_field(const struct edda_field *field, struct buffer *out)
{
    buffer_append_byte(out, '{');
    put_kind(out, field, field->kind);
    if (field->kind == EDDA_KIND_INT || field->kind == EDDA_KIND_DOUBLE)
        put_range(out, field);
    if (field->kind == EDDA_KIND_TEXT)
        put_text_limits(out, field);
    if (field->description)
        put_member(out, "description", field->description);
    buffer_append_byte(out, '}');
}

/* The members of an object's schema, without the braces. */
static void put_object(struct buffer *out, const struct edda_type *type)
{
    buffer_append_str(out, "\"type\":\"object\"");
    put_member(out, "title", type->name);
    buffer_append_str(out, ",\"properties\":{");
    for (uint32_t i = 0; i < type->field_count; i++) {
        if (i)
            buffer_append_byte(out, ',');
        json_put_string(out, slice_str(type->fields[i].name));
        buffer_append_byte(out, ':');
        json_schema_field(&type->fields[i], out);
    }
    buffer_append_str(out, "},\"required\":[");
    bool any = false;
    for (uint32_t i = 0; i < type->field_count; i++) {
        if (type->fields[i].optional)
            continue;
        if (any)
            buffer_append_byte(out, ',');
        json_put_string(out, slice_str(type->fields[i].name));
        any = true;
    }
    buffer_append_byte(out, ']');
}

void json_schema(const struct edda_type *type, struct buffer *out)
{
    buffer_append_str(out, "{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\",");
    put_object(out, type);
    if (type->description)
        put_member(out, "description", type->description);
    buffer_append_byte(out, '}');
}
