/*
 * decode: from bytes straight into the struct, by the table. Members usually come in the order of
 * the table, because a table has written them, so the next field's name is compared first and
 * searched for only when it is another.
 *
 * A wrong value stops the pass. What follows it is then only checked for being JSON, since bytes
 * that are none are reported as such, whatever else is wrong. The path of the error is put together on the way
 * out, so that it costs nothing while all is well.
 */
#include "base/assert.h"
#include "wire/json/field.h"
#include "wire/json/json.h"
#include "wire/json/reader.h"

#define LIST_CAPACITY_FIRST 4

struct decoder {
    struct reader reader;
    enum json_mode mode;
    int code; /* what is wrong with a value; 0 when it is the reader that failed */
    struct arena *arena;
    struct edda_error *error;
    struct field_path path;
};

static bool decode_object(struct decoder *d, const struct edda_type *type, uint8_t *value);
static bool decode_list(struct decoder *d, const struct edda_field *field, struct edda_list *ret_list);

static bool is_number_start(uint8_t byte)
{
    return byte == '-' || (byte >= '0' && byte <= '9');
}

static bool out_of_memory(struct decoder *d)
{
    d->code = edda_fail_with(d->error, EDDA_ENOMEM, "out of memory, or past the limit of the request");
    return false;
}

/* The value that is next is of another kind than it must be. */
static bool wrong_kind(struct decoder *d, const char *expected)
{
    const char *found = reader_value_name(reader_peek(&d->reader));
    if (!found)
        return reader_fail(&d->reader, "expected a value");
    d->code = edda_fail_with(d->error, EDDA_EINVAL, "must be %s, is %s", expected, found);
    return false;
}

/* The value is of the right kind, and wrong. It is quoted. */
static bool wrong_value(struct decoder *d, const char *expected, struct slice found, bool quotes)
{
    struct slice cut = text_cut(found, FIELD_QUOTED_MAX);
    const char *quote = quotes ? "\"" : "";
    d->code = edda_fail_with(d->error, EDDA_EINVAL, "must be %s, is %s%.*s%s%s", expected, quote, (int)cut.len,
                             (const char *)cut.data, cut.len < found.len ? "..." : "", quote);
    return false;
}

/* Takes a string. Without escapes it borrows the input. */
static bool decode_string(struct decoder *d, struct slice *ret_text)
{
    bool escaped;
    if (!reader_string(&d->reader, ret_text, &escaped))
        return false;
    if (escaped) {
        uint8_t *copy = arena_bytes(d->arena, ret_text->len);
        if (!copy)
            return out_of_memory(d);
        *ret_text = slice_of(copy, text_unescape(*ret_text, copy));
    }
    return true;
}

/* Takes a number, or a string that holds one. */
static bool decode_number(struct decoder *d, uint8_t byte, const char *expected, struct number *ret_number)
{
    if (is_number_start(byte))
        return reader_number(&d->reader, ret_number);
    if (byte != '"')
        return wrong_kind(d, expected);
    struct slice text;
    const uint8_t *wrong;
    if (!decode_string(d, &text))
        return false;
    const uint8_t *end = text.data + text.len;
    if (number_scan(text.data, end, ret_number, &wrong) == end)
        return true;
    return wrong_value(d, expected, text, true);
}

static bool decode_int(struct decoder *d, uint8_t byte, int64_t *ret_value)
{
    struct number number;
    if (!decode_number(d, byte, "a number", &number))
        return false;
    enum number_fit fit = number_to_int(&number, ret_value);
    if (fit == NUMBER_FITS)
        return true;
    return wrong_value(d, fit == NUMBER_FRACTION ? "a whole number" : "a whole number of at most 64 bits", number.text,
                       false);
}

static bool decode_double(struct decoder *d, uint8_t byte, double *ret_value)
{
    struct number number;
    if (!decode_number(d, byte, "a number", &number))
        return false;
    if (number_to_double(&number, ret_value) == NUMBER_FITS)
        return true;
    return wrong_value(d, "between -1.7976931348623157e308 and 1.7976931348623157e308", number.text, false);
}

static bool decode_bool(struct decoder *d, uint8_t byte, bool *ret_value)
{
    if (byte != 't' && byte != 'f')
        return wrong_kind(d, "true or false");
    *ret_value = byte == 't';
    return reader_literal(&d->reader, byte == 't' ? "true" : "false");
}

static bool decode_text(struct decoder *d, uint8_t byte, struct edda_text *ret_text)
{
    struct slice text;
    struct number number;
    if (byte == '"') {
        if (!decode_string(d, &text))
            return false;
    } else if (is_number_start(byte)) {
        if (!reader_number(&d->reader, &number))
            return false;
        text = number.text;
    } else {
        return wrong_kind(d, "a string");
    }
    *ret_text = (struct edda_text){ (const char *)text.data, text.len };
    return true;
}

static bool decode_time(struct decoder *d, uint8_t byte, int64_t *ret_ms)
{
    struct slice text;
    if (byte != '"')
        return wrong_kind(d, "a time such as \"2026-01-31T23:59:59.123Z\"");
    if (!decode_string(d, &text))
        return false;
    if (d->mode == JSON_REQUEST && json_parse_date(text, ret_ms))
        return true;
    return json_parse_time(text, ret_ms) || wrong_value(d, "a time such as \"2026-01-31T23:59:59.123Z\"", text, true);
}

static bool decode_json(struct decoder *d, struct edda_text *ret_text)
{
    const uint8_t *from = d->reader.at;
    if (!reader_skip(&d->reader))
        return false;
    *ret_text = (struct edda_text){ (const char *)from, (size_t)(d->reader.at - from) };
    return true;
}

/* Takes the value that begins with `byte` and is not null. */
static bool decode_value(struct decoder *d, const struct edda_field *field, uint32_t kind, uint8_t byte, void *at)
{
    bool taken = false;
    switch ((enum edda_kind)kind) {
    case EDDA_KIND_BOOL:
        taken = decode_bool(d, byte, at);
        break;
    case EDDA_KIND_INT:
        taken = decode_int(d, byte, at);
        break;
    case EDDA_KIND_DOUBLE:
        taken = decode_double(d, byte, at);
        break;
    case EDDA_KIND_TEXT:
        taken = decode_text(d, byte, at);
        break;
    case EDDA_KIND_TIME:
        taken = decode_time(d, byte, at);
        break;
    case EDDA_KIND_JSON:
        taken = decode_json(d, at);
        break;
    case EDDA_KIND_STRUCT:
        taken = byte == '{' ? decode_object(d, field->type, at) : wrong_kind(d, "an object");
        break;
    case EDDA_KIND_LIST:
        taken = byte == '[' ? decode_list(d, field, at) : wrong_kind(d, "a list");
        break;
    }
    if (!taken || d->mode == JSON_STORED)
        return taken;
    d->code = field_limits(kind == field->kind ? field : FIELD_ITEM, kind, at, d->error);
    return d->code == 0;
}

/* A zeroed item behind the others. Lists grow by doubling in the arena; what they grew out of stays there. */
static void *list_item(struct decoder *d, struct edda_list *list, uint32_t *capacity, size_t item_size)
{
    if (list->count == *capacity) {
        uint32_t more = *capacity ? *capacity * 2 : LIST_CAPACITY_FIRST;
        void *items = more > *capacity ? arena_alloc(d->arena, more * item_size) : NULL;
        if (!items) {
            out_of_memory(d);
            return NULL;
        }
        if (list->count)
            memcpy(items, list->items, list->count * item_size);
        list->items = items;
        *capacity = more;
    }
    return (uint8_t *)list->items + item_size * list->count++;
}

static bool decode_item(struct decoder *d, const struct edda_field *field, void *at)
{
    uint8_t byte = reader_peek(&d->reader);
    if (byte != 'n')
        return decode_value(d, field, field->item_kind, byte, at);
    if (!reader_literal(&d->reader, "null"))
        return false;
    if (d->mode == JSON_REQUEST)
        d->code = edda_fail_with(d->error, EDDA_EINVAL, "is missing");
    return d->mode == JSON_STORED;
}

static bool decode_list(struct decoder *d, const struct edda_field *field, struct edda_list *ret_list)
{
    struct edda_list list = { NULL, 0, 0 };
    uint32_t capacity = 0;
    uint32_t count_max = field->len_max ? field->len_max : FIELD_LIST_LEN_MAX;
    size_t item_size = field_size(field->item_kind, field->type);
    if (!reader_enter(&d->reader))
        return false;
    if (reader_peek(&d->reader) == ']') {
        reader_leave(&d->reader);
        *ret_list = list;
        return true;
    }
    do {
        void *at = list_item(d, &list, &capacity, item_size);
        if (!at)
            return false;
        if (d->mode == JSON_REQUEST && list.count > count_max) { /* not counted to its end: it may be long */
            d->code = edda_fail_with(d->error, EDDA_EINVAL, "must have at most %u item%s, has more",
                                     (unsigned)count_max, count_max == 1 ? "" : "s");
            return false;
        }
        if (!decode_item(d, field, at)) {
            field_path_index(&d->path, list.count - 1);
            return false;
        }
    } while (reader_more(&d->reader, ']', READER_WRONG_LIST));
    *ret_list = list;
    return !d->reader.wrong;
}

/* Takes the quoted name that is next when it is `name`, which has nothing to escape. */
static bool take_name(struct reader *r, const char *name)
{
    const uint8_t *at = r->at + 1;
    while (at < r->end && *name && *at == (uint8_t)*name) {
        at++;
        name++;
    }
    if (*name || at == r->end || *at != '"')
        return false;
    r->at = at + 1;
    return true;
}

/* Takes the name of a member and the colon. *ret_index is its field, or type->field_count when it has none;
 * `expected` is the field to try first. */
static bool decode_name(struct reader *r, const struct edda_type *type, uint32_t expected, uint32_t *ret_index)
{
    struct slice raw;
    bool escaped;
    uint32_t index = expected;
    if (reader_peek(r) != '"')
        return reader_fail(r, READER_WRONG_NAME);
    if (index >= type->field_count || !take_name(r, type->fields[index].name)) {
        if (!reader_string(r, &raw, &escaped))
            return false;
        for (index = 0; index < type->field_count; index++) {
            const char *name = type->fields[index].name;
            if (escaped ? text_unescaped_is(raw, name)
                        : strncmp(name, (const char *)raw.data, raw.len) == 0 && name[raw.len] == '\0')
                break;
        }
    }
    *ret_index = index;
    return reader_take(r, ':', READER_WRONG_COLON);
}

/* Takes the value of a member. `seen` has a bit for each field that is there and not null. */
static bool decode_member(struct decoder *d, const struct edda_field *field, uint64_t bit, uint64_t *seen,
                          uint8_t *value)
{
    uint8_t *at = value + field->offset;
    uint8_t byte = reader_peek(&d->reader);
    if (*seen & bit) /* of repeated ones the last counts, alone */
        memset(at, 0, field_size(field->kind, field->type));
    if (byte == 'n') {
        *seen &= ~bit;
        return reader_literal(&d->reader, "null");
    }
    *seen |= bit;
    return decode_value(d, field, field->kind, byte, at);
}

static bool check_missing(struct decoder *d, const struct edda_type *type, uint64_t seen)
{
    for (uint32_t i = 0; i < type->field_count; i++) {
        if (type->fields[i].optional || (seen >> i & 1))
            continue;
        d->code = edda_fail_with(d->error, EDDA_EINVAL, "is missing");
        field_path_name(&d->path, type->fields[i].name);
        return false;
    }
    return true;
}

/* Takes the object whose brace is next into `value`, which is zeroed. */
static bool decode_object(struct decoder *d, const struct edda_type *type, uint8_t *value)
{
    struct reader *r = &d->reader;
    uint64_t seen = 0;
    uint32_t index = UINT32_MAX;
    ASSERT(type->field_count <= FIELD_COUNT_MAX);
    if (!reader_enter(r))
        return false;
    if (reader_peek(r) == '}') {
        reader_leave(r);
    } else {
        do {
            if (!decode_name(r, type, index + 1, &index))
                return false;
            if (index == type->field_count) {
                if (!reader_skip(r))
                    return false;
            } else if (!decode_member(d, &type->fields[index], (uint64_t)1 << index, &seen, value)) {
                field_path_name(&d->path, type->fields[index].name);
                return false;
            }
        } while (reader_more(r, '}', READER_WRONG_OBJECT));
        if (r->wrong)
            return false;
    }
    return d->mode == JSON_STORED || check_missing(d, type, seen);
}

static bool decode_whole(struct decoder *d, const struct edda_type *type, void *value)
{
    struct reader *r = &d->reader;
    if (reader_peek(r) != '{')
        return wrong_kind(d, "an object");
    if (!decode_object(d, type, value))
        return false;
    reader_peek(r);
    return r->at == r->end || reader_fail(r, "more bytes behind the object");
}

static int decode_failed(struct decoder *d, struct slice json)
{
    if (d->code == EDDA_ENOMEM)
        return d->code;
    if (!d->reader.wrong) {
        d->reader = reader_of(json);
        if (reader_whole(&d->reader))
            return edda_fail_field(d->error, d->code, field_path_text(&d->path), "%s",
                                   d->error ? d->error->message : "");
        field_path_init(&d->path);
    }
    return edda_fail_field(d->error, EDDA_EMALFORMED, field_path_text(&d->path), "%s at byte %zu", d->reader.wrong,
                           reader_wrong_offset(&d->reader));
}

int json_decode(const struct edda_type *type, struct slice json, enum json_mode mode, struct arena *arena,
                void *ret_value, struct edda_error *error)
{
    struct decoder d;
    d.reader = reader_of(json);
    d.mode = mode;
    d.code = 0;
    d.arena = arena;
    d.error = error;
    field_path_init(&d.path);
    memset(ret_value, 0, type->size);
    if (decode_whole(&d, type, ret_value))
        return 0;
    memset(ret_value, 0, type->size);
    return decode_failed(&d, json);
}
