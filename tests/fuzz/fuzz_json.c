/*
 * Any bytes into the codec of declared types, with jansson as the judge of what is JSON. What was read is
 * written and read again, and must be the same.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#undef JSON_REQUEST /* jansson has a flag of that name */

#include "fuzz.h"
#include "json_sample.h"
#include "wire/json/json.h"
#include "wire/json/number.h"

#define NESTING_MAX 64

static void expect(bool condition, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "broken: %s\n", what);
    abort();
}

/* The deepest that brackets outside of strings are nested, of a text that is JSON. */
static int bracket_depth(struct slice json)
{
    int depth = 0;
    int deepest = 0;
    bool inside = false;
    for (size_t i = 0; i < json.len; i++) {
        uint8_t byte = json.data[i];
        if (inside && byte == '\\')
            i++;
        else if (byte == '"')
            inside = !inside;
        else if (!inside && (byte == '{' || byte == '['))
            deepest = ++depth > deepest ? depth : deepest;
        else if (!inside && (byte == '}' || byte == ']'))
            depth--;
    }
    return deepest;
}

static bool check_syntax(struct slice json)
{
    json_error_t error;
    size_t offset = 0;
    json_t *tree = json_loadb((const char *)json.data, json.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    bool valid = json_valid(json, &offset);
    expect(valid || offset <= json.len, "the first wrong byte is behind the end");
    if (tree && !valid) /* jansson nests deeper, and overlooks a zero byte behind a number */
        expect(bracket_depth(json) > NESTING_MAX || memchr(json.data, 0, json.len), "JSON is refused");
    if (!tree && valid)
        expect(json_error_code(&error) == json_error_numeric_overflow ||
                   json_error_code(&error) == json_error_null_byte_in_key,
               "what is no JSON is accepted");
    json_decref(tree);
    return valid;
}

static void check_values(const struct sample *s, struct slice json)
{
    json_t *tree = json_loadb((const char *)json.data, json.len, JSON_ALLOW_NUL, NULL);
    const json_t *id = json_object_get(tree, "id");
    const json_t *holder = json_object_get(tree, "holder");
    const json_t *amount = json_object_get(tree, "amount");
    if (json_is_integer(id))
        expect(s->id == json_integer_value(id), "an int differs");
    if (json_is_number(amount))
        expect(s->amount == json_number_value(amount), "a double differs");
    if (json_is_string(holder))
        expect(s->holder.len == json_string_length(holder) &&
                   (s->holder.len == 0 || memcmp(s->holder.data, json_string_value(holder), s->holder.len) == 0),
               "a text differs");
    if (tree)
        expect(s->paid == json_is_true(json_object_get(tree, "paid")), "a bool differs");
    json_decref(tree);
}

static void check_round_trip(struct slice json, enum json_mode mode, bool valid, struct arena *arena)
{
    struct sample s, again;
    struct edda_error error = { .code = 0 };
    struct buffer first = BUFFER_EMPTY;
    struct buffer second = BUFFER_EMPTY;
    int code = json_decode(&sample, json, mode, arena, &s, &error);
    expect((code == EDDA_EMALFORMED) == !valid, "malformed to one and not to the other");
    expect(code == error.code, "the error is not the one returned");
    expect(code == 0 || code == EDDA_EMALFORMED || code == EDDA_EINVAL, "an unknown error");
    if (code)
        return;
    check_values(&s, json);
    if (mode == JSON_REQUEST)
        expect(json_check(&sample, &s, NULL) == 0, "what was read strictly does not pass the check");
    json_encode(&sample, &s, &first);
    expect(json_decode(&sample, buffer_slice(&first), mode, arena, &again, &error) == 0,
           "what was written is not read");
    json_encode(&sample, &again, &second);
    expect(slice_eq(buffer_slice(&first), buffer_slice(&second)), "what was written reads as something else");
    buffer_deinit(&first);
    buffer_deinit(&second);
}

static void check_find(struct slice json, struct arena *arena)
{
    struct slice raw;
    bool is_string;
    int64_t ms;
    size_t offset;
    if (json_find(json, "id", &raw, &is_string))
        expect(raw.data >= json.data && raw.data + raw.len <= json.data + json.len &&
                   (is_string || json_valid(raw, &offset)),
               "the bytes found are no value");
    (void)json_parse_time(json, &ms);
    struct sample s = { .holder = { (const char *)json.data, json.len } };
    struct buffer out = BUFFER_EMPTY;
    json_put_string(&out, json); /* any bytes at all become a string */
    expect(!buffer_ok(&out) || json_valid(buffer_slice(&out), &offset), "a string that is none");
    expect(json_field_text(&sample, &s, "holder", arena, &raw) && slice_eq(raw, json), "a key that differs");
    buffer_deinit(&out);
}

/* The first eight bytes as a double. */
static void check_double(struct slice bytes)
{
    double value, again;
    uint8_t text[NUMBER_BYTES_MAX];
    struct number number;
    const uint8_t *wrong;
    if (bytes.len < sizeof(value))
        return;
    memcpy(&value, bytes.data, sizeof(value));
    const uint8_t *end = number_put_double(text, value);
    if (*text == 'n')
        return;
    expect(number_scan(text, end, &number, &wrong) == end, "a printed number is none");
    expect(number_to_double(&number, &again) == NUMBER_FITS && memcmp(&value, &again, sizeof(value)) == 0,
           "a printed number reads as another");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice json = slice_of(data, size);
    struct arena arena;
    arena_init(&arena, 0, 0);
    bool valid = check_syntax(json);
    check_round_trip(json, JSON_REQUEST, valid, &arena);
    check_round_trip(json, JSON_STORED, valid, &arena);
    check_find(json, &arena);
    check_double(json);
    arena_deinit(&arena);
    return 0;
}
