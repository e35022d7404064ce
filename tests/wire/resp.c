/* Commands and replies of Redis's protocol: what is read, what is refused with which words, and that a command that arrives in pieces is the same command. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "wire/resp/resp.h"

static const struct resp_limits limits = { .arguments_max = 8, .argument_bytes_max = 1000, .command_bytes_max = 2000 };

/* Parses from memory of exactly the right size, so that a read past it is seen by a sanitizer. */
static uint8_t *exact_bytes;

static struct slice exact(struct slice text)
{
    free(exact_bytes);
    exact_bytes = malloc(text.len + !text.len);
    if (text.len)
        memcpy(exact_bytes, text.data, text.len);
    return slice_of(exact_bytes, text.len);
}

static void is_command(struct slice text, size_t consumed, uint32_t count, const struct slice *args)
{
    struct resp_parser parser = { .args = NULL };
    struct edda_error error = { 0 };
    for (size_t len = 0; len <= text.len; len++) {
        int64_t r = resp_parse(&parser, exact(slice_of(text.data, len)), &limits, &error);
        if (r != (len >= consumed ? (int64_t)consumed : 0))
            fail_msg("%.*s at %zu: %lld %s", (int)text.len, (const char *)text.data, len, (long long)r, error.message);
        if (r == 0) {
            assert_in_range(parser.needed, len + 1, consumed);
            continue;
        }
        assert_int_equal(parser.count, count);
        for (uint32_t i = 0; i < count; i++)
            assert_true(slice_eq(parser.args[i], args[i]));
        resp_parser_reset(&parser);
        len = text.len;
    }
    /* At once, with what is behind it. */
    assert_int_equal(resp_parse(&parser, exact(text), &limits, &error), consumed);
    assert_int_equal(parser.count, count);
    resp_parser_deinit(&parser);
}
#define IS_COMMAND(text, consumed, ...) \
    is_command(SLICE(text), consumed, sizeof((const struct slice[]){ __VA_ARGS__ }) / sizeof(struct slice), (const struct slice[]){ __VA_ARGS__ })

static void refused(const char *text, int code, const char *words)
{
    struct resp_parser parser = { .args = NULL };
    struct edda_error error = { 0 };
    int64_t r = resp_parse(&parser, exact(slice_str(text)), &limits, &error);
    if (r != code || !strstr(error.message, words))
        fail_msg("%s: %lld %s, wanted %d %s", text, (long long)r, error.message, code, words);
    resp_parser_deinit(&parser);
}

static void commands_are_read(void **state)
{
    (void)state;
    IS_COMMAND("*1\r\n$4\r\nPING\r\n", 14, SLICE("PING"));
    IS_COMMAND("*3\r\n$3\r\nSET\r\n$0\r\n\r\n$5\r\na\r\nb\0\r\n*1", 30, SLICE("SET"), SLICE(""), SLICE("a\r\nb\0"));
    is_command(SLICE("*0\r\n"), 4, 0, NULL);
    is_command(SLICE("*-1\r\n"), 5, 0, NULL);
}

static void lines_are_read(void **state)
{
    (void)state;
    IS_COMMAND("PING\r\n", 6, SLICE("PING"));
    IS_COMMAND("  set \t a  b \nPING", 14, SLICE("set"), SLICE("a"), SLICE("b"));
    IS_COMMAND("a \"b c\" 'd e' \"\"\r\n", 18, SLICE("a"), SLICE("b c"), SLICE("d e"), SLICE(""));
    IS_COMMAND("\"\\x41\\n\\q\\\"\" '\\'\\n'\r\n", 21, SLICE("A\nq\""), SLICE("'\\n"));
    is_command(SLICE("\r\n"), 2, 0, NULL);
    is_command(SLICE("\n"), 1, 0, NULL);
}

static void what_is_no_command(void **state)
{
    (void)state;
    refused("*x\r\n", EDDA_EMALFORMED, "Protocol error: invalid multibulk length");
    refused("*\r\n", EDDA_EMALFORMED, "Protocol error: invalid multibulk length");
    refused("*1\n", EDDA_EMALFORMED, "Protocol error: invalid multibulk length");
    refused("*99999999999999999999999999999999999", EDDA_EMALFORMED, "Protocol error: invalid multibulk length");
    refused("*9\r\n", EDDA_ETOOLARGE, "at most 8 arguments");
    refused("*1000000000000\r\n", EDDA_ETOOLARGE, "Protocol error: invalid multibulk length");
    refused("*1\r\n*1\r\n", EDDA_EMALFORMED, "Protocol error: expected '$', got '*'");
    refused("*1\r\n\1", EDDA_EMALFORMED, "Protocol error: expected '$', got '?'");
    refused("*1\r\n$-1\r\n", EDDA_EMALFORMED, "Protocol error: invalid bulk length");
    refused("*1\r\n$-0x\r\n", EDDA_EMALFORMED, "Protocol error: invalid bulk length");
    refused("*1\r\n$1001\r\n", EDDA_ETOOLARGE, "at most 1000 bytes");
    refused("*1\r\n$9223372036854775807\r\n", EDDA_EMALFORMED, "Protocol error: invalid bulk length");
    refused("*1\r\n$1\r\nabc", EDDA_EMALFORMED, "does not end where its length says");
    refused("a \"b\r\n", EDDA_EMALFORMED, "Protocol error: unbalanced quotes");
    refused("a \"b\"c\r\n", EDDA_EMALFORMED, "Protocol error: unbalanced quotes");
    refused("a 'b\\'\r\n", EDDA_EMALFORMED, "Protocol error: unbalanced quotes");
    refused("1 2 3 4 5 6 7 8 9\r\n", EDDA_ETOOLARGE, "at most 8 arguments");
}

/* A command may be as long as each of its arguments together, which have a limit too. */
static void a_command_has_a_limit(void **state)
{
    (void)state;
    static char text[RESP_INLINE_BYTES_MAX + 1];
    struct buffer bytes = BUFFER_EMPTY;
    struct resp_parser parser = { .args = NULL };
    struct edda_error error = { 0 };
    buffer_append_str(&bytes, "*3\r\n");
    for (int i = 0; i < 2; i++) {
        buffer_append_str(&bytes, "$999\r\n");
        buffer_append_zeros(&bytes, 999);
        buffer_append_str(&bytes, "\r\n");
    }
    assert_int_equal(resp_parse(&parser, buffer_slice(&bytes), &limits, &error), EDDA_ETOOLARGE);
    resp_parser_reset(&parser);
    memset(text, 'x', sizeof text);
    assert_int_equal(resp_parse(&parser, slice_of(text, sizeof text - 2), &limits, &error), 0);
    assert_int_equal(resp_parse(&parser, slice_of(text, sizeof text), &limits, &error), EDDA_ETOOLARGE);
    assert_string_equal(error.message, "Protocol error: too big inline request");
    resp_parser_deinit(&parser);
    buffer_deinit(&bytes);
}

/* What is announced costs nothing; what is missing is known. */
static void lying_lengths_cost_nothing(void **state)
{
    (void)state;
    const struct resp_limits wide = { .arguments_max = 1000000, .argument_bytes_max = 1 << 29, .command_bytes_max = 1 << 30 };
    struct resp_parser parser = { .args = NULL };
    struct slice text = SLICE("*1000000\r\n$536870912\r\nabc");
    assert_int_equal(resp_parse(&parser, exact(text), &wide, NULL), 0);
    assert_int_equal(parser.capacity, 0);
    assert_int_equal(parser.needed, text.len - 3 + (1 << 29) + 2);
    resp_parser_deinit(&parser);
}

static void writes_are(int version, const char *wanted)
{
    struct buffer out = BUFFER_EMPTY;
    struct resp_writer w = { &out, version };
    resp_simple(w, "OK");
    resp_error(w, "ERR", "no\r\n%s", "way");
    resp_int(w, INT64_MIN);
    resp_int(w, 0);
    resp_bulk(w, SLICE("a\r\n"));
    resp_double(w, 0.1);
    resp_double(w, -INFINITY);
    resp_bool(w, true);
    resp_verbatim(w, "txt", SLICE("hi"));
    resp_null(w);
    resp_null_array(w);
    resp_array(w, 2);
    resp_map(w, 2);
    resp_set(w, 12);
    resp_push(w, 3);
    assert_string_equal(buffer_cstr(&out), wanted);
    buffer_deinit(&out);
}

static void replies_of_each_version(void **state)
{
    (void)state;
    writes_are(2, "+OK\r\n-ERR no  way\r\n:-9223372036854775808\r\n:0\r\n$3\r\na\r\n\r\n$3\r\n0.1\r\n$4\r\n-inf\r\n:1\r\n$2\r\nhi\r\n"
                  "$-1\r\n*-1\r\n*2\r\n*4\r\n*12\r\n*3\r\n");
    writes_are(3, "+OK\r\n-ERR no  way\r\n:-9223372036854775808\r\n:0\r\n$3\r\na\r\n\r\n,0.1\r\n,-inf\r\n#t\r\n=6\r\ntxt:hi\r\n"
                  "_\r\n_\r\n*2\r\n%2\r\n~12\r\n>3\r\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_are_read), cmocka_unit_test(lines_are_read), cmocka_unit_test(what_is_no_command),
        cmocka_unit_test(a_command_has_a_limit), cmocka_unit_test(lying_lengths_cost_nothing), cmocka_unit_test(replies_of_each_version),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(exact_bytes);
    return failed;
}
