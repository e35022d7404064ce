/*
 * Random documents, read by jansson too: what one accepts the other must, and declared fields must get the values that
 * jansson found. Documents are grown by a grammar that knows the sample type, then a few bytes of some are
 * broken.
 */
#include <stdio.h>
#include <string.h>

#include <jansson.h>
#undef JSON_REQUEST /* jansson has a flag of that name */

#include "base/prng.h"
#include "json_sample.h"
#include "json_tests.h"

#define DOCUMENTS 40000
#define DEPTH 4

static const char *const names[] = { "id",   "holder", "amount", "paid",     "at",    "home",   "lines",
                                     "tags", "rates",  "flags",  "times",    "extra", "colour", "work",
                                     "sku",  "count",  "price",  "marks",    "city",  "zip",    "\\u0069d",
                                     "",     "a\\\"b", "idx",    "h\xc3\xa5" };
static const char *const texts[] = { "\"\"",
                                     "\"red\"",
                                     "\"a longer text without anything\"",
                                     "\"\\n\\u00e5\"",
                                     "\"\xe2\x82\xac\"",
                                     "\"\\ud83d\\ude00\"",
                                     "\"12\"",
                                     "\"1970-01-01T00:00:00Z\"",
                                     "\"\\u0000\"",
                                     "\"\xf0\x9f\x98\x80\"" };
static const char *const numbers[] = { "0",
                                       "1",
                                       "-1",
                                       "5.0",
                                       "1e2",
                                       "0.1",
                                       "-0.0",
                                       "123456789",
                                       "9223372036854775807",
                                       "-9223372036854775808",
                                       "1e-3",
                                       "3.141592653589793",
                                       "1E+2",
                                       "500.25" };

static void put_space(struct prng *random, struct buffer *out)
{
    if (prng_one_in(random, 8))
        buffer_append_byte(out, (uint8_t) " \t\r\n"[prng_below(random, 4)]);
}

#define PICK(random, array) ((array)[prng_below(random, sizeof(array) / sizeof((array)[0]))])

static void put_value(struct prng *random, struct buffer *out, int depth);

static void put_object(struct prng *random, struct buffer *out, int depth)
{
    buffer_append_byte(out, '{');
    uint64_t count = prng_below(random, 8);
    for (uint64_t i = 0; i < count; i++) {
        if (i)
            buffer_append_byte(out, ',');
        put_space(random, out);
        buffer_printf(out, "\"%s\"", PICK(random, names));
        put_space(random, out);
        buffer_append_byte(out, ':');
        put_value(random, out, depth - 1);
    }
    put_space(random, out);
    buffer_append_byte(out, '}');
}

static void put_list(struct prng *random, struct buffer *out, int depth)
{
    buffer_append_byte(out, '[');
    uint64_t count = prng_below(random, 6);
    for (uint64_t i = 0; i < count; i++) {
        if (i)
            buffer_append_byte(out, ',');
        put_value(random, out, depth - 1);
    }
    buffer_append_byte(out, ']');
}

static void put_value(struct prng *random, struct buffer *out, int depth)
{
    put_space(random, out);
    switch (prng_below(random, depth > 0 ? 9 : 7)) {
    case 0:
    case 1:
        buffer_append_str(out, PICK(random, texts));
        break;
    case 2:
    case 3:
    case 4:
        buffer_append_str(out, PICK(random, numbers));
        break;
    case 5:
        buffer_append_str(out, prng_one_in(random, 2) ? "true" : "false");
        break;
    case 6:
        buffer_append_str(out, "null");
        break;
    case 7:
        put_object(random, out, depth);
        break;
    default:
        put_list(random, out, depth);
        break;
    }
    put_space(random, out);
}

/* Changes, drops or doubles a few bytes. */
static void break_bytes(struct prng *random, struct buffer *out)
{
    static const char likely[] = "{}[]\",:\\u0e-+. \x01\x80\xc3\xff";
    for (uint64_t n = 1 + prng_below(random, 3); n > 0 && out->len > 1; n--) {
        size_t at = (size_t)prng_below(random, out->len - 1);
        switch (prng_below(random, 3)) {
        case 0:
            out->data[at] = (uint8_t)PICK(random, likely);
            break;
        case 1:
            memmove(out->data + at, out->data + at + 1, out->len - at - 1);
            buffer_truncate(out, out->len - 1);
            break;
        default:
            buffer_truncate(out, at + 1);
            break;
        }
    }
}

static void check_validity(struct slice json)
{
    size_t offset = SIZE_MAX;
    json_error_t error;
    json_t *tree = json_loadb((const char *)json.data, json.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    bool valid = json_valid(json, &offset);
    /* Two things that jansson cannot hold, though they are JSON; and it overlooks a zero byte behind a number. */
    bool differs = tree ? memchr(json.data, 0, json.len) != NULL
                        : json_error_code(&error) == json_error_numeric_overflow ||
                              json_error_code(&error) == json_error_null_byte_in_key;
    if (valid != (tree != NULL) && !differs)
        fail_msg("%.*s\nis %s, jansson: %s", TEXT_LEN(json), valid ? "valid" : "not valid",
                 tree ? "valid" : error.text);
    if (!valid && offset > json.len)
        fail_msg("%.*s\nis wrong behind its end", TEXT_LEN(json));
    json_decref(tree);
}

static void check_field(const struct sample *s, const json_t *tree, struct slice json)
{
    const json_t *id = json_object_get(tree, "id");
    const json_t *holder = json_object_get(tree, "holder");
    const json_t *amount = json_object_get(tree, "amount");
    const json_t *zip = json_object_get(json_object_get(tree, "home"), "zip");
    const json_t *tags = json_object_get(tree, "tags");
    const json_t *rates = json_object_get(tree, "rates");
    bool same = true;
    if (json_is_integer(id))
        same = same && s->id == json_integer_value(id);
    if (json_is_string(holder))
        same = same && slice_eq(slice_of(s->holder.data, s->holder.len),
                                slice_of(json_string_value(holder), json_string_length(holder)));
    if (json_is_number(amount))
        same = same && s->amount == json_number_value(amount);
    if (json_is_integer(zip))
        same = same && s->home.zip == json_integer_value(zip);
    same = same && s->paid == json_is_true(json_object_get(tree, "paid"));
    same = same && s->tags.count == json_array_size(tags) && s->rates.count == json_array_size(rates);
    for (uint32_t i = 0; same && i < s->rates.count; i++) {
        if (json_is_number(json_array_get(rates, i)))
            same = ((const double *)s->rates.items)[i] == json_number_value(json_array_get(rates, i));
    }
    if (!same)
        fail_msg("%.*s\nwas decoded to other values than jansson's", TEXT_LEN(json));
}

/* Decodes as both kinds of readers do; true when at least the lenient one accepted. What it accepted must come back. */
static bool check_decoding(struct slice json, struct arena *arena)
{
    struct sample s;
    struct sample again;
    struct edda_error error;
    size_t offset;
    struct buffer first = BUFFER_EMPTY;
    struct buffer second = BUFFER_EMPTY;
    int strict = json_decode(&sample, json, JSON_REQUEST, arena, &s, &error);
    int stored = json_decode(&sample, json, JSON_STORED, arena, &s, &error);
    if ((strict == EDDA_EMALFORMED) == json_valid(json, &offset) ||
        (stored == EDDA_EMALFORMED) == json_valid(json, &offset))
        fail_msg("%.*s\nis malformed to one and not to the other: %s", TEXT_LEN(json), error.message);
    if (strict == 0 && stored != 0)
        fail_msg("%.*s\nis a request and not an event: %s", TEXT_LEN(json), error.message);
    if (stored)
        return false;
    json_encode(&sample, &s, &first);
    assert_int_equal(json_decode(&sample, buffer_slice(&first), JSON_STORED, arena, &again, &error), 0);
    json_encode(&sample, &again, &second);
    if (!slice_eq(buffer_slice(&first), buffer_slice(&second)))
        fail_msg("%.*s\nbecame %s\nand then %s", TEXT_LEN(json), buffer_cstr(&first), buffer_cstr(&second));
    assert_int_equal(json_check(&sample, &s, NULL) == 0, json_check(&sample, &again, NULL) == 0);
    if (strict == 0)
        assert_int_equal(json_check(&sample, &s, NULL), 0);
    json_t *tree = json_loadb((const char *)json.data, json.len, JSON_ALLOW_NUL, NULL);
    if (tree)
        check_field(&s, tree, json);
    json_decref(tree);
    buffer_deinit(&first);
    buffer_deinit(&second);
    return true;
}

static void random_documents_agree_with_jansson(void **state)
{
    (void)state;
    struct prng random;
    struct arena arena;
    struct buffer out = BUFFER_EMPTY;
    int decoded = 0;
    int valid = 0;
    prng_init(&random, test_seed() + 5);
    arena_init(&arena, 0, 0);
    for (int i = 0; i < DOCUMENTS; i++) {
        size_t offset;
        buffer_clear(&out);
        arena_reset(&arena);
        if (prng_one_in(&random, 4))
            put_value(&random, &out, DEPTH);
        else
            put_object(&random, &out, DEPTH);
        if (prng_one_in(&random, 2))
            break_bytes(&random, &out);
        valid += json_valid(buffer_slice(&out), &offset);
        check_validity(buffer_slice(&out));
        decoded += check_decoding(buffer_slice(&out), &arena);
    }
    assert_true(valid > DOCUMENTS / 4 && valid < DOCUMENTS); /* or nothing was tested */
    assert_true(decoded > DOCUMENTS / 100);
    buffer_deinit(&out);
    arena_deinit(&arena);
}

/* Every text of up to four bytes out of those that mean something. */
static void short_documents_agree_with_jansson(void **state)
{
    (void)state;
    static const char bytes[] = "{}[]\":,1-.e \\u0tn\xc3\xa5";
    uint8_t text[4];
    size_t count = sizeof(bytes) - 1;
    for (size_t len = 0; len <= 4; len++) {
        size_t total = 1;
        for (size_t i = 0; i < len; i++)
            total *= count;
        for (size_t n = 0; n < total; n++) {
            size_t rest = n;
            for (size_t i = 0; i < len; i++, rest /= count)
                text[i] = (uint8_t)bytes[rest % count];
            check_validity(slice_of(text, len));
        }
    }
}

int json_oracle_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(short_documents_agree_with_jansson),
        cmocka_unit_test(random_documents_agree_with_jansson),
    };
    return cmocka_run_group_tests_name("oracle", tests, NULL, NULL);
}
