/*
 * Every message of Kafka's protocol in every version: encoded, it has the bytes that another implementation gives it, and these decoded are the same value; and no
 * part of it, nor one byte more, passes for the whole.
 *
 * golden/kafka_messages.txt is from kafka-python 3.0.12, which goes by the definitions of Apache Kafka themselves: name, version, VALUE_FULL or VALUE_NULL of kafka_values.h,
 * and the bytes. That client has no ProduceRequest and ProduceResponse before version 3; those are the shortest and derived by hand from the ones it has.
 */
#include "../unit/support.h"
#include "base/buffer.h"
#include "kafka_values.h"

#define ROUNDS 20
#define VALUE_BYTES_MAX 1024

static union {
    max_align_t align;
    uint8_t bytes[VALUE_BYTES_MAX];
} made, read_back;

static struct arena arena;

static const struct kafka_message *message_named(const char *name)
{
    for (size_t i = 0; i < KAFKA_MESSAGE_COUNT; i++) {
        if (strcmp(kafka_message_name(kafka_messages[i]), name) == 0)
            return kafka_messages[i];
    }
    fail_msg("no message %s", name);
    return NULL;
}

/* Exactly as many bytes as there are, so that a sanitizer sees a read behind them. */
static int decode(const struct kafka_message *message, int version, struct slice body, struct edda_error *error)
{
    uint8_t *copy = malloc(body.len ? body.len : 1);
    assert_non_null(copy);
    if (body.len)
        memcpy(copy, body.data, body.len);
    memset(&read_back, 0x5a, sizeof(read_back));
    int r = kafka_decode(message, version, slice_of(copy, body.len), &arena, &read_back, error);
    bool same = r == 0 && value_same(message, &made, &read_back);
    free(copy);
    return r < 0 ? r : same;
}

/* No beginning of it is a message; what is behind its end is left alone. */
static void assert_only_whole(const struct kafka_message *message, int version, struct buffer *out)
{
    struct edda_error error = { 0 };
    size_t len = out->len;
    for (size_t i = 0; i < len; i++) {
        int r = decode(message, version, slice_of(out->data, i), &error);
        if (r != EDDA_EMALFORMED)
            fail_msg("%s %d: %zu of %zu bytes gave %d", kafka_message_name(message), version, i, len, r);
        assert_string_not_equal(error.message, "");
    }
    buffer_append_byte(out, 0);
    assert_int_equal(decode(message, version, buffer_slice(out), &error), 1);
    buffer_truncate(out, len);
}

static size_t hex_read(const char *text, uint8_t *bytes, size_t size)
{
    size_t len = 0;
    for (; text[0] && text[1] && text[0] != '\n'; text += 2) {
        char digits[] = { text[0], text[1], 0 };
        assert_true(len < size);
        bytes[len++] = (uint8_t)strtoul(digits, NULL, 16);
    }
    return len;
}

static void golden_line(const char *line, struct buffer *out)
{
    char name[64], rule[8];
    static char hex[8192];
    static uint8_t wanted[sizeof(hex) / 2];
    int version;
    struct edda_error error = { .message = "" };
    assert_int_equal(sscanf(line, "%63s %d %7s %8191s", name, &version, rule, hex), 4);
    size_t len = hex_read(hex, wanted, sizeof(wanted));
    const struct kafka_message *message = message_named(name);
    value_make(message, version, strcmp(rule, "null") == 0 ? VALUE_NULL : VALUE_FULL, NULL, &arena, &made);
    buffer_clear(out);
    if (kafka_encode(message, version, &made, out, &error) < 0)
        fail_msg("%s %d: %s", name, version, error.message);
    if (!slice_eq(buffer_slice(out), slice_of(wanted, len))) {
        for (size_t i = 0; i < out->len; i++)
            print_message("%02x", out->data[i]);
        fail_msg("\n%s %d %s: wanted %s", name, version, rule, hex);
    }
    int r = decode(message, version, slice_of(wanted, len), &error);
    if (r != 1)
        fail_msg("%s %d %s: decoded %d %s", name, version, rule, r, r < 0 ? error.message : "not the same");
    assert_only_whole(message, version, out);
    arena_reset(&arena);
}

static void other_implementation(void **state)
{
    (void)state;
    static char line[16384];
    struct buffer out = BUFFER_EMPTY;
    int lines = 0;
    FILE *file = fopen(GOLDEN, "r");
    assert_non_null(file);
    for (; fgets(line, sizeof(line), file); lines++)
        golden_line(line, &out);
    fclose(file);
    assert_true(lines > 600);
    buffer_deinit(&out);
}

static void random_values(void **state)
{
    (void)state;
    struct prng random;
    struct buffer out = BUFFER_EMPTY;
    struct edda_error error = { .message = "" };
    prng_init(&random, random_seed("random values"));
    for (size_t i = 0; i < KAFKA_MESSAGE_COUNT; i++) {
        const struct kafka_message *message = kafka_messages[i];
        assert_true(kafka_message_size(message) <= VALUE_BYTES_MAX);
        for (int version = message->first; version <= message->last; version++) {
            for (int round = 0; round < ROUNDS; round++) {
                value_make(message, version, VALUE_RANDOM, &random, &arena, &made);
                buffer_clear(&out);
                if (kafka_encode(message, version, &made, &out, &error) < 0)
                    fail_msg("%s %d: %s", kafka_message_name(message), version, error.message);
                assert_true(buffer_ok(&out));
                int r = decode(message, version, buffer_slice(&out), &error);
                if (r != 1)
                    fail_msg("%s %d: decoded %d %s", kafka_message_name(message), version, r, r < 0 ? error.message : "not the same");
                if (round == 0)
                    assert_only_whole(message, version, &out);
                arena_reset(&arena);
            }
        }
    }
    buffer_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(other_implementation),
        cmocka_unit_test(random_values),
    };
    arena_init(&arena, 0, 0);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    arena_deinit(&arena);
    return failed;
}
