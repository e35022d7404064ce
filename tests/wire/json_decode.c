/* What the decoder reads, and what it says when it does not. */
#include <stdio.h>
#include <string.h>

#include "json_sample.h"
#include "json_tests.h"

#define LEAST "\"id\":1,\"holder\":\"a\",\"amount\":1,\"paid\":true"

static struct arena arena;

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, 0, 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_deinit(&arena);
    return 0;
}

static void decode_ok(const char *json, enum json_mode mode, struct sample *ret_sample)
{
    struct edda_error error = { .message = "" };
    int code = json_decode(&sample, slice_str(json), mode, &arena, ret_sample, &error);
    if (code)
        fail_msg("%s\n%s: %s", json, error.field, error.message);
}

static void assert_text(struct edda_text text, const char *expected)
{
    if (!edda_text_is(text, expected))
        fail_msg("\"%.*s\" is not \"%s\"", TEXT_LEN(text), expected);
}

static void reads_every_kind(void **state)
{
    (void)state;
    struct sample s;
    decode_ok(" {\"id\":-0,\"holder\":\"\",\"amount\":-0.5,\"paid\":false}\r\n\t", JSON_STORED, &s);
    assert_int_equal(s.id, 0);
    decode_ok("{\"id\" : 7 , \"holder\":\"jjy\",\"amount\":2.5e3,\"paid\":true,\"at\":\"1970-01-01T00:00:01Z\","
              "\"home\":{\"city\":\"Ume\xc3\xa5\",\"zip\":90},"
              "\"lines\":[{\"sku\":\"x\",\"count\":2,\"marks\":[1,2,3]},{\"sku\":\"y\",\"count\":1,\"price\":9}],"
              "\"tags\":[\"longer than eight\",\"\\n\"],\"rates\":[1,2.5],\"flags\":[true,false,true,true,false],"
              "\"times\":[\"1970-01-01T00:00:00.005Z\"],\"extra\":[1, {\"a\" :null}],\"colour\":\"red\"}",
              JSON_REQUEST, &s);
    assert_int_equal(s.id, 7);
    assert_text(s.holder, "jjy");
    assert_true(s.amount == 2500);
    assert_true(s.paid);
    assert_int_equal(s.at, 1000);
    assert_text(s.home.city, "Umeå");
    assert_int_equal(s.home.zip, 90);
    const struct line *lines = s.lines.items;
    assert_int_equal(s.lines.count, 2);
    assert_int_equal(s.lines.capacity, 0); /* borrowed from the arena */
    assert_int_equal(lines[0].marks.count, 3);
    assert_int_equal(((const int64_t *)lines[0].marks.items)[2], 3);
    assert_text(lines[1].sku, "y");
    assert_true(lines[1].price == 9);
    assert_text(((const struct edda_text *)s.tags.items)[1], "\n");
    assert_true(((const double *)s.rates.items)[1] == 2.5);
    assert_int_equal(s.flags.count, 5);
    assert_true(((const bool *)s.flags.items)[3]);
    assert_int_equal(((const int64_t *)s.times.items)[0], 5);
    assert_text(s.extra, "[1, {\"a\" :null}]");
    assert_text(s.colour, "red");
}

static void members_come_in_any_order(void **state)
{
    (void)state;
    struct sample s;
    decode_ok("{\"colour\":\"green\",\"paid\":true,\"unknown\":{\"a\":[1,{\"b\":[]},[]],\"id\":9},\"amount\":4,"
              "\"holder\":\"h\",\"\":0,\"i\":5,\"idx\":6,\"id\":3,\"later\":null}",
              JSON_REQUEST, &s);
    assert_int_equal(s.id, 3);
    assert_text(s.colour, "green");
    assert_true(s.amount == 4);
}

static void of_repeated_members_the_last_counts(void **state)
{
    (void)state;
    struct sample s;
    decode_ok("{" LEAST ",\"home\":{\"city\":\"a\",\"zip\":5},\"home\":{\"city\":\"b\"},\"tags\":[1,2],\"tags\":[],"
              "\"id\":8,\"at\":\"1970-01-01T00:00:01Z\",\"at\":null}",
              JSON_REQUEST, &s);
    assert_int_equal(s.id, 8);
    assert_text(s.home.city, "b");
    assert_int_equal(s.home.zip, 0);
    assert_int_equal(s.tags.count, 0);
    assert_int_equal(s.at, 0);
    decode_ok("{\"id\":null," LEAST "}", JSON_REQUEST, &s);
    assert_int_equal(s.id, 1);
}

static void numbers_and_texts_stand_for_each_other(void **state)
{
    (void)state;
    struct sample s;
    decode_ok("{\"id\":\"500\",\"holder\":1.50e1,\"amount\":\"-2.5\",\"paid\":true,\"tags\":[7,\"x\"],"
              "\"rates\":[\"1e2\",\"\\u0031\"]}",
              JSON_REQUEST, &s);
    assert_int_equal(s.id, 500);
    assert_text(s.holder, "1.50e1");
    assert_true(s.amount == -2.5);
    assert_text(((const struct edda_text *)s.tags.items)[0], "7");
    assert_true(((const double *)s.rates.items)[0] == 100);
    assert_true(((const double *)s.rates.items)[1] == 1);
}

static void escapes_are_decoded(void **state)
{
    (void)state;
    struct sample s;
    decode_ok(
        "{\"\\u0069d\":4,\"holder\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e5\\u20AC\\ud83d\\uDE00z\",\"amount\":0,\"paid\":true}",
        JSON_REQUEST, &s);
    assert_int_equal(s.id, 4);
    assert_text(s.holder, "\"\\/\b\f\n\r\tå€😀z");
    decode_ok("{\"id\":4,\"holder\":\"a\\u0000b\",\"amount\":0,\"paid\":true}", JSON_REQUEST, &s);
    assert_int_equal(s.holder.len, 3);
    assert_memory_equal(s.holder.data, "a\0b", 3);
}

static void texts_without_escapes_borrow_the_input(void **state)
{
    (void)state;
    struct sample s;
    const char *json = "{\"id\":4,\"holder\":\"abcdefghijkl\xc3\xa5\",\"amount\":0,\"paid\":true}";
    size_t used = arena.used;
    decode_ok(json, JSON_REQUEST, &s);
    assert_ptr_equal(s.holder.data, strstr(json, "abc"));
    assert_int_equal(arena.used, used);
}

static void stored_events_are_not_judged(void **state)
{
    (void)state;
    struct sample s;
    decode_ok("{\"id\":-5,\"colour\":\"mauve\",\"lines\":[{},null,{\"count\":0,\"marks\":[1,2,3,4]}]}", JSON_STORED,
              &s);
    assert_int_equal(s.id, -5);
    assert_text(s.colour, "mauve");
    assert_int_equal(s.lines.count, 3);
    assert_int_equal(s.holder.len, 0);
}

struct refusal {
    const char *json;
    enum json_mode mode;
    int code;
    const char *field;
    const char *message;
};

#define QUOTED_40 "1234567890123456789012345678901234567890"

/* clang-format off */
static const struct refusal refusals[] = {
    /* a value is wrong */
    { "{\"id\":-5}", JSON_REQUEST, EDDA_EINVAL, "id", "must be at least 1, is -5" },
    { "{\"amount\":1000000.75}", JSON_REQUEST, EDDA_EINVAL, "amount", "must be at most 1000000.5, is 1000000.75" },
    { "{\"amount\":-1e7}", JSON_REQUEST, EDDA_EINVAL, "amount", "must be at least -1000000.5, is -10000000" },
    { "{\"id\":1,\"holder\":\"a\",\"amount\":1}", JSON_REQUEST, EDDA_EINVAL, "paid", "is missing" },
    { "{\"id\":null,\"holder\":\"a\",\"amount\":1,\"paid\":true}", JSON_REQUEST, EDDA_EINVAL, "id", "is missing" },
    { "{" LEAST ",\"id\":null}", JSON_REQUEST, EDDA_EINVAL, "id", "is missing" },
    { "{}", JSON_REQUEST, EDDA_EINVAL, "id", "is missing" },
    { "{\"id\":\"abc\"}", JSON_STORED, EDDA_EINVAL, "id", "must be a number, is \"abc\"" },
    { "{\"id\":\"\"}", JSON_STORED, EDDA_EINVAL, "id", "must be a number, is \"\"" },
    { "{\"id\":\"12 \"}", JSON_STORED, EDDA_EINVAL, "id", "must be a number, is \"12 \"" },
    { "{\"id\":\"012\"}", JSON_STORED, EDDA_EINVAL, "id", "must be a number, is \"012\"" },
    { "{\"id\":true}", JSON_STORED, EDDA_EINVAL, "id", "must be a number, is a boolean" },
    { "{\"amount\":[]}", JSON_STORED, EDDA_EINVAL, "amount", "must be a number, is a list" },
    { "{\"id\":5.5}", JSON_STORED, EDDA_EINVAL, "id", "must be a whole number, is 5.5" },
    { "{\"id\":9223372036854775808}", JSON_STORED, EDDA_EINVAL, "id",
      "must be a whole number of at most 64 bits, is 9223372036854775808" },
    { "{\"amount\":1e309}", JSON_STORED, EDDA_EINVAL, "amount",
      "must be between -1.7976931348623157e308 and 1.7976931348623157e308, is 1e309" },
    { "{\"holder\":false}", JSON_STORED, EDDA_EINVAL, "holder", "must be a string, is a boolean" },
    { "{\"holder\":{}}", JSON_STORED, EDDA_EINVAL, "holder", "must be a string, is an object" },
    { "{\"holder\":\"" QUOTED_40 QUOTED_40 "\"}", JSON_REQUEST, EDDA_EINVAL, "holder", "must have at most 64 bytes, has 80" },
    { "{\"id\":\"x" QUOTED_40 "\"}", JSON_REQUEST, EDDA_EINVAL, "id",
      "must be a number, is \"x123456789012345678901234567890123456789...\"" },
    { "{\"paid\":1}", JSON_STORED, EDDA_EINVAL, "paid", "must be true or false, is a number" },
    { "{\"paid\":\"true\"}", JSON_STORED, EDDA_EINVAL, "paid", "must be true or false, is a string" },
    { "{\"at\":5}", JSON_STORED, EDDA_EINVAL, "at", "must be a time such as \"2026-01-31T23:59:59.123Z\", is a number" },
    { "{\"at\":\"today\"}", JSON_STORED, EDDA_EINVAL, "at",
      "must be a time such as \"2026-01-31T23:59:59.123Z\", is \"today\"" },
    { "{\"home\":[]}", JSON_STORED, EDDA_EINVAL, "home", "must be an object, is a list" },
    { "{\"home\":{\"zip\":true}}", JSON_STORED, EDDA_EINVAL, "home.zip", "must be a number, is a boolean" },
    { "{\"home\":{\"zip\":5}}", JSON_REQUEST, EDDA_EINVAL, "home.city", "is missing" },
    { "{\"lines\":{}}", JSON_STORED, EDDA_EINVAL, "lines", "must be a list, is an object" },
    { "{\"lines\":[{\"sku\":\"a\",\"count\":1},{\"sku\":\"b\",\"count\":0}]}", JSON_REQUEST, EDDA_EINVAL, "lines[1].count",
      "must be at least 1, is 0" },
    { "{\"lines\":[{\"sku\":\"a\",\"count\":1001}]}", JSON_REQUEST, EDDA_EINVAL, "lines[0].count",
      "must be at most 1000, is 1001" },
    { "{\"lines\":[{\"sku\":\"\"}]}", JSON_REQUEST, EDDA_EINVAL, "lines[0].sku", "must have at least 1 byte, has 0" },
    { "{\"lines\":[{\"price\":-0.25}]}", JSON_REQUEST, EDDA_EINVAL, "lines[0].price", "must be at least 0, is -0.25" },
    { "{\"lines\":[{\"marks\":[1,2,3,4,5]}]}", JSON_REQUEST, EDDA_EINVAL, "lines[0].marks",
      "must have at most 3 items, has more" },
    { "{\"lines\":[{\"marks\":[1,\"x\"]}]}", JSON_STORED, EDDA_EINVAL, "lines[0].marks[1]", "must be a number, is \"x\"" },
    { "{\"lines\":[null]}", JSON_REQUEST, EDDA_EINVAL, "lines[0]", "is missing" },
    { "{\"colour\":\"mauve\"}", JSON_REQUEST, EDDA_EINVAL, "colour", "must be one of \"red\", \"green\", \"blå\", is \"mauve\"" },
    { "[1]", JSON_STORED, EDDA_EINVAL, "", "must be an object, is a list" },
    { "null", JSON_STORED, EDDA_EINVAL, "", "must be an object, is null" },
    /* the bytes are no JSON */
    { "", JSON_STORED, EDDA_EMALFORMED, "", "expected a value at byte 0" },
    { "  ", JSON_STORED, EDDA_EMALFORMED, "", "expected a value at byte 2" },
    { "\xef\xbb\xbf{}", JSON_STORED, EDDA_EMALFORMED, "", "expected a value at byte 0" },
    { "{", JSON_STORED, EDDA_EMALFORMED, "", "expected the name of a member at byte 1" },
    { "{\"id\"", JSON_STORED, EDDA_EMALFORMED, "", "expected ':' at byte 5" },
    { "{\"id", JSON_STORED, EDDA_EMALFORMED, "", "a string without its end at byte 4" },
    { "{\"id\":", JSON_STORED, EDDA_EMALFORMED, "id", "expected a value at byte 6" },
    { "{\"id\":1", JSON_STORED, EDDA_EMALFORMED, "", "expected ',' or '}' at byte 7" },
    { "{\"id\":1,}", JSON_STORED, EDDA_EMALFORMED, "", "expected the name of a member at byte 8" },
    { "{,\"id\":1}", JSON_STORED, EDDA_EMALFORMED, "", "expected the name of a member at byte 1" },
    { "{\"id\":1]", JSON_STORED, EDDA_EMALFORMED, "", "expected ',' or '}' at byte 7" },
    { "{\"id\":1} x", JSON_STORED, EDDA_EMALFORMED, "", "more bytes behind the object at byte 9" },
    { "{\"id\":01}", JSON_STORED, EDDA_EMALFORMED, "", "expected ',' or '}' at byte 7" },
    { "{\"id\":1.}", JSON_STORED, EDDA_EMALFORMED, "id", "a malformed number at byte 8" },
    { "{\"id\":-}", JSON_STORED, EDDA_EMALFORMED, "id", "a malformed number at byte 7" },
    { "{\"id\":1e+}", JSON_STORED, EDDA_EMALFORMED, "id", "a malformed number at byte 9" },
    { "{\"id\":+1}", JSON_STORED, EDDA_EMALFORMED, "id", "expected a value at byte 6" },
    { "{\"id\":.5}", JSON_STORED, EDDA_EMALFORMED, "id", "expected a value at byte 6" },
    { "{\"id\":nul}", JSON_STORED, EDDA_EMALFORMED, "id", "expected a value at byte 9" },
    { "{\"paid\":tru", JSON_STORED, EDDA_EMALFORMED, "paid", "expected a value at byte 11" },
    { "{\"id\":NaN}", JSON_STORED, EDDA_EMALFORMED, "id", "expected a value at byte 6" },
    { "{'id':1}", JSON_STORED, EDDA_EMALFORMED, "", "expected the name of a member at byte 1" },
    { "{\"holder\":\"\x01\"}", JSON_STORED, EDDA_EMALFORMED, "holder", "a control character in a string at byte 11" },
    { "{\"holder\":\"\\x\"}", JSON_STORED, EDDA_EMALFORMED, "holder", "a malformed escape at byte 11" },
    { "{\"holder\":\"\\u12g4\"}", JSON_STORED, EDDA_EMALFORMED, "holder", "a malformed escape at byte 11" },
    { "{\"holder\":\"\\ud83d\"}", JSON_STORED, EDDA_EMALFORMED, "holder", "a malformed escape at byte 11" },
    { "{\"holder\":\"\\ud83d\\u0041\"}", JSON_STORED, EDDA_EMALFORMED, "holder", "a malformed escape at byte 11" },
    { "{\"holder\":\"\\ud83d\\ud83d\"}", JSON_STORED, EDDA_EMALFORMED, "holder", "a malformed escape at byte 11" },
    { "{\"holder\":\"\\ude00\"}", JSON_STORED, EDDA_EMALFORMED, "holder", "a malformed escape at byte 11" },
    { "{\"holder\":\"\xc0\x80\"}", JSON_STORED, EDDA_EMALFORMED, "holder", "malformed UTF-8 at byte 11" },
    { "{\"holder\":\"\xe0\x9f\xbf\"}", JSON_STORED, EDDA_EMALFORMED, "holder", "malformed UTF-8 at byte 11" },
    { "{\"holder\":\"\xed\xa0\x80\"}", JSON_STORED, EDDA_EMALFORMED, "holder", "malformed UTF-8 at byte 11" },
    { "{\"holder\":\"\xf0\x8f\xbf\xbf\"}", JSON_STORED, EDDA_EMALFORMED, "holder", "malformed UTF-8 at byte 11" },
    { "{\"holder\":\"\xf4\x90\x80\x80\"}", JSON_STORED, EDDA_EMALFORMED, "holder", "malformed UTF-8 at byte 11" },
    { "{\"holder\":\"\x80\"}", JSON_STORED, EDDA_EMALFORMED, "holder", "malformed UTF-8 at byte 11" },
    { "{\"holder\":\"\xc3\"}", JSON_STORED, EDDA_EMALFORMED, "holder", "malformed UTF-8 at byte 11" },
    { "{\"x\":[1 2]}", JSON_STORED, EDDA_EMALFORMED, "", "expected ',' or ']' at byte 8" },
    { "{\"x\":{\"a\" 1}}", JSON_STORED, EDDA_EMALFORMED, "", "expected ':' at byte 10" },
    { "{\"x\":{1}}", JSON_STORED, EDDA_EMALFORMED, "", "expected the name of a member at byte 6" },
    { "{\"tags\":[\"a\",]}", JSON_STORED, EDDA_EMALFORMED, "tags[1]", "expected a value at byte 13" },
    { "{\"tags\":[\"a\"", JSON_STORED, EDDA_EMALFORMED, "tags", "expected ',' or ']' at byte 12" },
    /* both, of which being no JSON is the worse */
    { "{\"id\":true,\"x\":[1 2]}", JSON_STORED, EDDA_EMALFORMED, "", "expected ',' or ']' at byte 18" },
};
/* clang-format on */

static void refusals_name_field_and_byte(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        const struct refusal *r = &refusals[i];
        struct edda_error error = { .code = 0 };
        struct sample s;
        struct sample zero;
        memset(&s, 0xff, sizeof(s));
        memset(&zero, 0, sizeof(zero));
        int code = json_decode(&sample, slice_str(r->json), r->mode, &arena, &s, &error);
        if (code != r->code || error.code != r->code || strcmp(error.field, r->field) != 0 ||
            strcmp(error.message, r->message) != 0)
            fail_msg("%s\ngave %d, %s: %s\nnot  %d, %s: %s", r->json, code, error.field, error.message, r->code,
                     r->field, r->message);
        assert_memory_equal(&s, &zero, sizeof(s));
        assert_int_equal(json_decode(&sample, slice_str(r->json), r->mode, &arena, &s, NULL), r->code);
    }
}

static void nesting_ends_at_64(void **state)
{
    (void)state;
    char json[200];
    size_t offset;
    for (int depth = 63; depth <= 66; depth++) {
        int len = snprintf(json, sizeof(json), "%.*s%.*s", depth,
                           "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", depth,
                           "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]");
        bool valid = json_valid(slice_of(json, (size_t)len), &offset);
        assert_int_equal(valid, depth <= 64);
        if (!valid)
            assert_int_equal(offset, 64);
        char object[300];
        struct sample s;
        struct edda_error error;
        snprintf(object, sizeof(object), "{\"extra\":%s}", json);
        int code = json_decode(&sample, slice_str(object), JSON_STORED, &arena, &s, &error);
        assert_int_equal(code, depth <= 63 ? 0 : EDDA_EMALFORMED);
        if (code)
            assert_string_equal(error.message, "nested deeper than 64 levels at byte 72");
    }
}

static void memory_has_a_limit(void **state)
{
    (void)state;
    struct sample s;
    struct edda_error error;
    const char *texts[] = { "{\"holder\":\"\\n\"}", "{\"tags\":[1]}", "{\"flags\":[true,true,true,true,true]}" };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct arena small;
        arena_init(&small, 0, i == 0 ? 1 : 8);
        assert_int_equal(json_decode(&sample, slice_str(texts[i]), JSON_STORED, &small, &s, &error), EDDA_ENOMEM);
        assert_int_equal(error.code, EDDA_ENOMEM);
        arena_deinit(&small);
    }
}

static void find_reads_one_member(void **state)
{
    (void)state;
    struct slice raw;
    bool is_string;
    struct slice json = SLICE(" {\"a\":{\"b\":1},\"b\" : \"x\\n\" ,\"\\u0063\":[1, 2],\"d\":-1.5e3,broken");
    assert_true(json_find(json, "a", &raw, &is_string));
    assert_true(slice_eq_str(raw, "{\"b\":1}") && !is_string);
    assert_true(json_find(json, "b", &raw, &is_string));
    assert_true(slice_eq_str(raw, "x\\n") && is_string);
    assert_true(json_find(json, "c", &raw, &is_string));
    assert_true(slice_eq_str(raw, "[1, 2]") && !is_string);
    assert_true(json_find(json, "d", &raw, &is_string));
    assert_true(slice_eq_str(raw, "-1.5e3"));
    assert_false(json_find(json, "e", &raw, &is_string));
    assert_false(json_find(SLICE("[\"a\"]"), "a", &raw, &is_string));
    assert_false(json_find(SLICE("{}"), "a", &raw, &is_string));
    assert_false(json_find(SLICE("{\"a\":tru}"), "a", &raw, &is_string));
    assert_false(json_find(slice_of(NULL, 0), "a", &raw, &is_string));
}

int json_decode_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_kind),
        cmocka_unit_test(members_come_in_any_order),
        cmocka_unit_test(of_repeated_members_the_last_counts),
        cmocka_unit_test(numbers_and_texts_stand_for_each_other),
        cmocka_unit_test(escapes_are_decoded),
        cmocka_unit_test(texts_without_escapes_borrow_the_input),
        cmocka_unit_test(stored_events_are_not_judged),
        cmocka_unit_test(refusals_name_field_and_byte),
        cmocka_unit_test(nesting_ends_at_64),
        cmocka_unit_test(memory_has_a_limit),
        cmocka_unit_test(find_reads_one_member),
    };
    return cmocka_run_group_tests_name("decode", tests, setup, teardown);
}
