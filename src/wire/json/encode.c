/*
 * encode: from the struct to its bytes, by the table. Where the buffer has room to spare, which is nearly
 * always, values are printed in place.
 *
 * A JSON text is copied as it is and a double that is not finite becomes null: json_check() finds
 * both, before anything is recorded.
 */
#include "wire/json/field.h"
#include "wire/json/json.h"
#include "wire/json/number.h"
#include "wire/json/text.h"
#include "wire/json/time.h"

#define PIECE_BYTES_MAX 32

_Static_assert(PIECE_BYTES_MAX >= NUMBER_BYTES_MAX && PIECE_BYTES_MAX >= TIME_TEXT_BYTES + 2, "a piece must fit");

/* Where the next PIECE_BYTES_MAX bytes may be printed: in the buffer, or in `aside` when it is nearly full. */
static uint8_t *piece_begin(const struct buffer *out, uint8_t aside[PIECE_BYTES_MAX])
{
    size_t limit = out->len_max && out->len_max < out->capacity ? out->len_max : out->capacity;
    return !out->failed && limit - out->len >= PIECE_BYTES_MAX ? out->data + out->len : aside;
}

static void piece_end(struct buffer *out, const uint8_t *begin, const uint8_t *end, const uint8_t *aside)
{
    if (begin == aside)
        buffer_append(out, begin, (size_t)(end - begin));
    else
        out->len += (size_t)(end - begin);
}

void json_put_int(struct buffer *out, int64_t value)
{
    uint8_t aside[PIECE_BYTES_MAX];
    uint8_t *at = piece_begin(out, aside);
    piece_end(out, at, number_put_int(at, value), aside);
}

void json_put_double(struct buffer *out, double value)
{
    uint8_t aside[PIECE_BYTES_MAX];
    uint8_t *at = piece_begin(out, aside);
    piece_end(out, at, number_put_double(at, value), aside);
}

void json_put_time(struct buffer *out, int64_t ms)
{
    uint8_t aside[PIECE_BYTES_MAX];
    uint8_t *at = piece_begin(out, aside);
    at[0] = '"';
    uint8_t *end = time_put(at + 1, ms);
    *end = '"';
    piece_end(out, at, end + 1, aside);
}

/* Appends what stands for a byte that cannot stand for itself. */
static void put_escape(struct buffer *out, uint8_t byte)
{
    static const char letters[] = "btn\0fr"; /* for 8 to 13 */
    static const char digits[] = "0123456789abcdef";
    char escape[] = "\\u0000";
    size_t len = 2;
    if (byte == '"' || byte == '\\') {
        escape[1] = (char)byte;
    } else if (byte >= 8 && byte <= 13 && letters[byte - 8]) {
        escape[1] = letters[byte - 8];
    } else {
        escape[4] = digits[byte >> 4];
        escape[5] = digits[byte & 15];
        len = 6;
    }
    buffer_append(out, escape, len);
}

/* Appends the rest of a string, from its first special byte on, and the closing quote. */
static void put_special(struct buffer *out, const uint8_t *at, const uint8_t *end)
{
    const uint8_t *from = at; /* what is behind it has not been appended yet */
    while ((at = text_special(at, end)) < end) {
        size_t len = *at >= 0x80 ? text_utf8_len(at, end) : 0;
        if (len) {
            at += len;
            continue;
        }
        buffer_append(out, from, (size_t)(at - from));
        if (*at >= 0x80)
            buffer_append(out, "\xef\xbf\xbd", 3); /* U+FFFD */
        else
            put_escape(out, *at);
        from = ++at;
    }
    buffer_append(out, from, (size_t)(end - from));
    buffer_append_byte(out, '"');
}

void json_put_string(struct buffer *out, struct slice text)
{
    const uint8_t *end = text.len ? text.data + text.len : text.data;
    const uint8_t *special = text.len ? text_special(text.data, end) : end;
    size_t plain = (size_t)(special - text.data);
    uint8_t *at = buffer_extend(out, plain + 1 + (special == end));
    if (!at)
        return;
    at[0] = '"';
    if (plain)
        memcpy(at + 1, text.data, plain);
    if (special == end)
        at[plain + 1] = '"';
    else
        put_special(out, special, end);
}

static void put_name(struct buffer *out, bool comma, const char *name)
{
    size_t len = strlen(name);
    uint8_t *at = buffer_extend(out, len + 3 + comma);
    if (!at)
        return;
    if (comma)
        *at++ = ',';
    at[0] = '"';
    memcpy(at + 1, name, len);
    memcpy(at + 1 + len, "\":", 2);
}

static void put_value(struct buffer *out, const struct edda_field *field, uint32_t kind, const void *at);

static void put_list(struct buffer *out, const struct edda_field *field, const struct edda_list *list)
{
    size_t item_size = field_size(field->item_kind, field->type);
    buffer_append_byte(out, '[');
    for (uint32_t i = 0; i < list->count; i++) {
        if (i)
            buffer_append_byte(out, ',');
        put_value(out, field, field->item_kind, (const uint8_t *)list->items + i * item_size);
    }
    buffer_append_byte(out, ']');
}

static void put_value(struct buffer *out, const struct edda_field *field, uint32_t kind, const void *at)
{
    const struct edda_text *text = at;
    switch ((enum edda_kind)kind) {
    case EDDA_KIND_BOOL:
        buffer_append_slice(out, *(const bool *)at ? SLICE("true") : SLICE("false"));
        return;
    case EDDA_KIND_INT:
        json_put_int(out, *(const int64_t *)at);
        return;
    case EDDA_KIND_DOUBLE:
        json_put_double(out, *(const double *)at);
        return;
    case EDDA_KIND_TEXT:
        json_put_string(out, field_slice(*text));
        return;
    case EDDA_KIND_TIME:
        json_put_time(out, *(const int64_t *)at);
        return;
    case EDDA_KIND_JSON:
        buffer_append_slice(out, text->len ? field_slice(*text) : SLICE("null"));
        return;
    case EDDA_KIND_STRUCT:
        json_encode(field->type, at, out);
        return;
    case EDDA_KIND_LIST:
        put_list(out, field, at);
        return;
    }
}

bool json_encode_members(const struct edda_type *type, const void *value, bool comma, struct buffer *out)
{
    bool any = false;
    for (uint32_t i = 0; i < type->field_count; i++) {
        const struct edda_field *field = &type->fields[i];
        const uint8_t *at = (const uint8_t *)value + field->offset;
        if (field->optional && field_is_zero(field->kind, field->type, at))
            continue;
        put_name(out, comma || any, field->name);
        put_value(out, field, field->kind, at);
        any = true;
    }
    return any;
}

void json_encode(const struct edda_type *type, const void *value, struct buffer *out)
{
    buffer_append_byte(out, '{');
    json_encode_members(type, value, false, out);
    buffer_append_byte(out, '}');
}
