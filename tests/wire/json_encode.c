/* What the encoder writes, what json_check() refuses before, and the schema. */
#include <math.h>
#include <string.h>

#include <jansson.h>
#undef JSON_REQUEST /* jansson has a flag of that name */

#include "json_sample.h"
#include "json_tests.h"

#define ITEMS(list, array) ((list) = (struct edda_list){ (array), sizeof(array) / sizeof((array)[0]), 0 })

static void assert_encodes(const struct sample *s, const char *expected)
{
    struct buffer out = BUFFER_EMPTY;
    json_encode(&sample, s, &out);
    assert_true(buffer_ok(&out));
    assert_string_equal(buffer_cstr(&out), expected);
    buffer_deinit(&out);
}

static void zero_is_written_unless_optional(void **state)
{
    (void)state;
    struct sample s = { .id = 0 };
    assert_encodes(&s, "{\"id\":0,\"holder\":\"\",\"amount\":0.0,\"paid\":false}");
}

static void every_kind_is_written(void **state)
{
    (void)state;
    int64_t marks[] = { INT64_MIN, INT64_MAX };
    struct line lines[] = { { .sku = EDDA_TEXT("a"), .count = 1 }, { .sku = EDDA_TEXT("b"), .price = 0.1 } };
    struct edda_text tags[] = { EDDA_TEXT("x"), EDDA_TEXT("") };
    double rates[] = { 500, 0.05, -1.5 };
    bool flags[] = { true, false };
    int64_t times[] = { 0, 1769903999123 };
    struct sample s = { .id = 7, .holder = EDDA_TEXT("h"), .amount = 500, .paid = true, .at = 5, .home.zip = 3 };
    ITEMS(s.lines, lines);
    ITEMS(lines[0].marks, marks);
    ITEMS(s.tags, tags);
    ITEMS(s.rates, rates);
    ITEMS(s.flags, flags);
    ITEMS(s.times, times);
    s.extra = EDDA_TEXT("{\"any\" : 1}");
    s.colour = EDDA_TEXT("red");
    assert_encodes(&s, "{\"id\":7,\"holder\":\"h\",\"amount\":500.0,\"paid\":true,\"at\":\"1970-01-01T00:00:00.005Z\","
                       "\"home\":{\"city\":\"\",\"zip\":3},"
                       "\"lines\":[{\"sku\":\"a\",\"count\":1,\"marks\":[-9223372036854775808,9223372036854775807]},"
                       "{\"sku\":\"b\",\"count\":0,\"price\":0.1}],"
                       "\"tags\":[\"x\",\"\"],\"rates\":[500.0,0.05,-1.5],\"flags\":[true,false],"
                       "\"times\":[\"1970-01-01T00:00:00.000Z\",\"2026-01-31T23:59:59.123Z\"],"
                       "\"extra\":{\"any\" : 1},\"colour\":\"red\"}");
}

static void strings_are_escaped(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *expected;
    } rows[] = {
        { "", "\"\"" },
        { "a\"b\\c/", "\"a\\\"b\\\\c/\"" },
        { "\b\t\n\f\r\v\x01\x1f\x7f", "\"\\b\\t\\n\\f\\r\\u000b\\u0001\\u001f\x7f\"" },
        { "åäö €😀 long enough for words", "\"åäö €😀 long enough for words\"" },
        { "a\x80"
          "b\xc3",
          "\"a\xef\xbf\xbd"
          "b\xef\xbf\xbd\"" },
        { "\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
        { "åä\nå", "\"åä\\nå\"" },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buffer out = BUFFER_EMPTY;
        json_put_string(&out, slice_str(rows[i].text));
        assert_string_equal(buffer_cstr(&out), rows[i].expected);
        buffer_deinit(&out);
    }
    struct buffer out = BUFFER_EMPTY;
    json_put_string(&out, slice_of("a\0b", 3));
    assert_string_equal(buffer_cstr(&out), "\"a\\u0000b\"");
    buffer_deinit(&out);
}

static void members_join_those_of_the_caller(void **state)
{
    (void)state;
    struct address a = { .city = EDDA_TEXT("x") };
    static const struct edda_type empty = { .name = "Empty", .kind = EDDA_TYPE_VALUE };
    struct buffer out = BUFFER_EMPTY;
    assert_true(json_encode_members(&address, &a, false, &out));
    assert_true(json_encode_members(&address, &a, true, &out));
    assert_false(json_encode_members(&empty, &a, true, &out));
    assert_string_equal(buffer_cstr(&out), "\"city\":\"x\",\"city\":\"x\"");
    buffer_deinit(&out);
}

/* Whatever the limit of the buffer is, what fits exactly is written, and what does not marks it as failed. */
static void a_full_buffer_fails_and_no_sooner(void **state)
{
    (void)state;
    struct sample s = { .id = 123456, .holder = EDDA_TEXT("a\nb"), .amount = 0.1, .at = 1 };
    struct buffer whole = BUFFER_EMPTY;
    json_encode(&sample, &s, &whole);
    for (size_t limit = 1; limit <= whole.len + 40; limit++) {
        struct buffer out;
        buffer_init(&out, limit);
        json_encode(&sample, &s, &out);
        assert_int_equal(buffer_ok(&out), limit >= whole.len);
        assert_true(out.len <= limit);
        if (buffer_ok(&out))
            assert_true(slice_eq(buffer_slice(&out), buffer_slice(&whole)));
        buffer_deinit(&out);
    }
    buffer_deinit(&whole);
}

static void assert_refused(const struct sample *s, const char *field, const char *message)
{
    struct edda_error error = { .code = 0 };
    assert_int_equal(json_check(&sample, s, &error), EDDA_EINVAL);
    assert_string_equal(error.field, field);
    assert_string_equal(error.message, message);
    assert_int_equal(json_check(&sample, s, NULL), EDDA_EINVAL);
}

static void check_refuses_what_strict_reading_would(void **state)
{
    (void)state;
    const struct sample good = { .id = 1, .holder = EDDA_TEXT("å") };
    struct line lines[] = { { .sku = EDDA_TEXT("a"), .count = 1 }, { .sku = EDDA_TEXT("b"), .count = 0 } };
    double rates[] = { 1, INFINITY };
    struct sample s = good;
    struct edda_text tags[] = { EDDA_TEXT("longer than eight") };
    struct edda_error untouched = { .code = 77 };
    ITEMS(s.tags, tags);
    assert_int_equal(json_check(&sample, &s, &untouched), 0);
    assert_int_equal(untouched.code, 77);
    s.id = 0;
    assert_refused(&s, "id", "must be at least 1, is 0");
    s = good;
    s.amount = (double)NAN;
    assert_refused(&s, "amount", "must be a finite number");
    s = good;
    s.holder = EDDA_TEXT("\xff");
    assert_refused(&s, "holder", "must be UTF-8");
    s = good;
    s.at = INT64_MAX;
    assert_refused(&s, "at", "must be a time of the years 0 to 9999");
    s = good;
    s.extra = EDDA_TEXT("{]");
    assert_refused(&s, "extra", "must be JSON, is malformed at its byte 1");
    s = good;
    s.colour = EDDA_TEXT("grey");
    assert_refused(&s, "colour", "must be one of \"red\", \"green\", \"blå\", is \"grey\"");
    s = good;
    ITEMS(s.lines, lines);
    assert_refused(&s, "lines[1].count", "must be at least 1, is 0");
    lines[1].count = 2;
    assert_int_equal(json_check(&sample, &s, NULL), 0);
    lines[1].marks = (struct edda_list){ (int64_t[4]){ 0 }, 4, 0 };
    assert_refused(&s, "lines[1].marks", "must have at most 3 items, has 4");
    s = good;
    ITEMS(s.rates, rates);
    assert_refused(&s, "rates[1]", "must be a finite number");
    s = good;
    s.home.zip = -1; /* an optional struct that is there: its text may be empty */
    assert_int_equal(json_check(&sample, &s, NULL), 0);
}

struct bounds {
    int64_t low;
    int64_t high;
};

/* 2^53 and 2^53 + 1 are the same double; they are not the same number. */
static void bounds_are_exact(void **state)
{
    (void)state;
    const struct edda_field fields[] = { EDDA_FIELD(bounds, low, .min = 0.5, .max = -1),
                                         EDDA_FIELD(bounds, high, .min = -1e300, .max = 9007199254740992.0) };
    const struct edda_type type = {
        .name = "bounds", .kind = EDDA_TYPE_VALUE, .size = sizeof(struct bounds), .fields = fields, .field_count = 2
    };
    struct bounds b = { 1, INT64_MIN };
    struct edda_error error;
    assert_int_equal(json_check(&type, &b, NULL), 0);
    b.low = 0;
    assert_int_equal(json_check(&type, &b, &error), EDDA_EINVAL);
    assert_string_equal(error.message, "must be at least 0.5, is 0");
    b = (struct bounds){ INT64_MAX, 9007199254740992 };
    assert_int_equal(json_check(&type, &b, NULL), 0);
    b.high = 9007199254740993;
    assert_int_equal(json_check(&type, &b, &error), EDDA_EINVAL);
    assert_string_equal(error.message, "must be at most 9007199254740992, is 9007199254740993");
}

static void many_choices_are_cut(void **state)
{
    (void)state;
    struct one {
        struct edda_text t;
    };
    static const char *const values[] = { "ååååååååååååååååååååååååååååååååååååååååååååååååååå",
                                          "ääääääääääääääääääääääääääääääääääääääää",
                                          "öööööööööööööööööööööööööööööööö", NULL };
    const struct edda_field fields[] = { EDDA_FIELD(one, t, .values = values) };
    const struct edda_type type = {
        .name = "one", .kind = EDDA_TYPE_VALUE, .size = sizeof(struct one), .fields = fields, .field_count = 1
    };
    struct one o = { EDDA_TEXT("xååååååååååååååååååååååååååååååååååååååå") };
    struct edda_error error;
    assert_int_equal(json_check(&type, &o, &error), EDDA_EINVAL);
    assert_non_null(strstr(error.message, " ..., is \"xååååååååååååååååååå...\""));
    struct buffer out = BUFFER_EMPTY;
    json_put_string(&out, slice_str(error.message));
    assert_null(strstr(buffer_cstr(&out), "\xef\xbf\xbd")); /* no character was cut in two */
    buffer_deinit(&out);
}

static void field_text_gives_keys(void **state)
{
    (void)state;
    struct arena arena;
    struct slice text;
    struct sample s = { .id = -42, .holder = EDDA_TEXT("h"), .amount = 2, .home = { EDDA_TEXT("x"), 5 }, .at = 1 };
    static const char *const rows[][2] = { { "id", "-42" },
                                           { "holder", "h" },
                                           { "amount", "2.0" },
                                           { "paid", "false" },
                                           { "home.city", "x" },
                                           { "home.zip", "5" },
                                           { "at", "1970-01-01T00:00:00.001Z" } };
    arena_init(&arena, 0, 0);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_true(json_field_text(&sample, &s, rows[i][0], &arena, &text));
        assert_true(slice_eq_str(text, rows[i][1]));
    }
    static const char *const none[] = {
        NULL, "", "x", "home", "home.x", "home.", "lines", "idx", "colour", "work.zip"
    };
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
        assert_false(json_field_text(&sample, &s, none[i], &arena, &text));
    arena_deinit(&arena);
}

static json_t *member(const json_t *schema, const char *name, const char *key)
{
    return json_object_get(json_object_get(json_object_get(schema, "properties"), name), key);
}

static void schema_says_what_the_table_says(void **state)
{
    (void)state;
    struct buffer out = BUFFER_EMPTY;
    json_schema(&sample, &out);
    json_t *schema = json_loads(buffer_cstr(&out), JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(schema);
    assert_string_equal(json_string_value(json_object_get(schema, "title")), "sample");
    assert_int_equal(json_array_size(json_object_get(schema, "required")), 4);
    assert_string_equal(json_string_value(member(schema, "id", "type")), "integer");
    assert_int_equal(json_integer_value(member(schema, "id", "minimum")), 1);
    assert_null(member(schema, "id", "maximum"));
    assert_string_equal(json_string_value(member(schema, "id", "description")), "Who it is.");
    assert_true(json_real_value(member(schema, "amount", "maximum")) == 1000000.5);
    assert_int_equal(json_integer_value(member(schema, "holder", "maxLength")), 64);
    assert_int_equal(json_array_size(member(schema, "colour", "enum")), 3);
    assert_string_equal(json_string_value(member(schema, "at", "format")), "date-time");
    assert_null(member(schema, "extra", "type"));
    const json_t *items = member(schema, "lines", "items");
    assert_string_equal(json_string_value(member(items, "sku", "type")), "string");
    assert_int_equal(json_integer_value(member(items, "sku", "minLength")), 1);
    assert_int_equal(json_integer_value(member(items, "marks", "maxItems")), 3);
    assert_int_equal(json_integer_value(member(items, "price", "minimum")), 0);
    json_decref(schema);
    buffer_deinit(&out);
}

int json_encode_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zero_is_written_unless_optional),
        cmocka_unit_test(every_kind_is_written),
        cmocka_unit_test(strings_are_escaped),
        cmocka_unit_test(members_join_those_of_the_caller),
        cmocka_unit_test(a_full_buffer_fails_and_no_sooner),
        cmocka_unit_test(check_refuses_what_strict_reading_would),
        cmocka_unit_test(bounds_are_exact),
        cmocka_unit_test(many_choices_are_cut),
        cmocka_unit_test(field_text_gives_keys),
        cmocka_unit_test(schema_says_what_the_table_says),
    };
    return cmocka_run_group_tests_name("encode", tests, NULL, NULL);
}
