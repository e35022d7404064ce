/* Numbers: exact both ways, whatever the locale. The C library in its own locale is the oracle. */
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/prng.h"
#include "json_tests.h"
#include "wire/json/number.h"

#define ROUNDS 50000

static double double_of_bits(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

static const char *print_double(double value, char text[NUMBER_BYTES_MAX + 1])
{
    uint8_t *end = number_put_double((uint8_t *)text, value);
    assert_true(end - (uint8_t *)text <= NUMBER_BYTES_MAX);
    *end = '\0';
    return text;
}

static bool scan(const char *text, struct number *ret_number)
{
    const uint8_t *at = (const uint8_t *)text;
    const uint8_t *end = at + strlen(text);
    const uint8_t *wrong;
    return number_scan(at, end, ret_number, &wrong) == end;
}

static double read_double(const char *text)
{
    struct number number;
    double value;
    assert_true(scan(text, &number));
    return number_to_double(&number, &value) == NUMBER_FITS ? value : (double)INFINITY;
}

static void doubles_are_printed_as_people_would(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *text;
    } rows[] = {
        { 0, "0.0" },
        { -0.0, "-0.0" },
        { 1, "1.0" },
        { 500, "500.0" },
        { -500.25, "-500.25" },
        { 0.1, "0.1" },
        { 0.1 + 0.2, "0.30000000000000004" },
        { 1.0 / 3, "0.3333333333333333" },
        { 100.05, "100.05" },
        { 1e15, "1000000000000000.0" },
        { 9007199254740992, "9007199254740992.0" },
        { 9007199254740994, "9007199254740994.0" },
        { 12345678901234568, "12345678901234568.0" },
        { 1e17, "1e17" },
        { 1.5e300, "1.5e300" },
        { 1e-5, "0.00001" },
        { 1.25e-5, "0.0000125" },
        { 9.5e-6, "9.5e-6" },
        { 1e-7, "1e-7" },
        { 5e-324, "5e-324" },
        { 2.2250738585072014e-308, "2.2250738585072014e-308" },
        { 1.7976931348623157e308, "1.7976931348623157e308" },
        { 123456.789, "123456.789" },
        { 4.35, "4.35" },
        { 0.00001234567890123456, "0.00001234567890123456" },
        { 5.684341886080802e-14, "5.684341886080802e-14" },
        { (double)INFINITY, "null" },
        { (double)NAN, "null" },
    };
    char text[NUMBER_BYTES_MAX + 1];
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_string_equal(print_double(rows[i].value, text), rows[i].text);
}

/* How many digits are needed: the least precision at which the C library's own text reads back. */
static int digits_needed(double value)
{
    char text[64];
    for (int precision = 1; precision < 17; precision++) {
        snprintf(text, sizeof(text), "%.*e", precision - 1, value);
        if (strtod(text, NULL) == value)
            return precision;
    }
    return 17;
}

static int digits_used(const char *text)
{
    int count = 0;
    int zeros = 0; /* at the end, which do not count */
    for (; *text && *text != 'e'; text++) {
        if (*text >= '1' && *text <= '9') {
            count += zeros + 1;
            zeros = 0;
        } else if (*text == '0' && count) {
            zeros++;
        }
    }
    return count;
}

static void check_round_trip(double value)
{
    char text[NUMBER_BYTES_MAX + 1];
    print_double(value, text);
    double again = read_double(text);
    double oracle = strtod(text, NULL);
    if (memcmp(&value, &again, sizeof(value)) != 0 || memcmp(&value, &oracle, sizeof(value)) != 0)
        fail_msg("%.17g became %s, which reads as %.17g and should as %.17g", value, text, again, oracle);
    if (value != 0 && digits_used(text) > digits_needed(value))
        fail_msg("%.17g became %s, which is not the shortest", value, text);
}

static void doubles_round_trip(void **state)
{
    (void)state;
    struct prng random;
    prng_init(&random, test_seed());
    for (int i = 0; i < ROUNDS; i++) {
        double value = double_of_bits(prng_u64(&random)); /* any bits */
        if (isfinite(value))
            check_round_trip(value);
        double scale = (double[]){ 1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e9, 1e-3, 1e-9 }[prng_below(&random, 10)];
        check_round_trip((double)(int64_t)prng_below(&random, 1000000000000) / scale); /* amounts */
        check_round_trip((double)(int64_t)(prng_u64(&random) >> prng_below(&random, 64)));
    }
    for (int exponent = 0; exponent < 2047; exponent++) { /* powers of two and their neighbours */
        uint64_t bits = (uint64_t)exponent << 52;
        check_round_trip(double_of_bits(bits));
        check_round_trip(double_of_bits(bits + 1));
        check_round_trip(double_of_bits(bits ? bits - 1 : 2));
    }
}

static size_t random_digits(struct prng *random, char *out, size_t count)
{
    for (size_t i = 0; i < count; i++)
        out[i] = (char)('0' + (prng_one_in(random, 3) ? 0 : prng_below(random, 10)));
    return count;
}

/* A number of any form and length, valid. */
static void random_number(struct prng *random, char *out)
{
    size_t at = 0;
    size_t longest = prng_one_in(random, 50) ? 900 : 25;
    if (prng_one_in(random, 2))
        out[at++] = '-';
    if (prng_one_in(random, 3)) {
        out[at++] = '0';
    } else {
        out[at++] = (char)('1' + prng_below(random, 9));
        at += random_digits(random, out + at, prng_below(random, longest));
    }
    if (prng_one_in(random, 2)) {
        out[at++] = '.';
        at += random_digits(random, out + at, 1 + prng_below(random, longest));
    }
    if (prng_one_in(random, 2))
        at += (size_t)snprintf(out + at, 32, "%c%s%u", prng_one_in(random, 2) ? 'e' : 'E',
                               (const char *[]){ "", "+", "-" }[prng_below(random, 3)],
                               (unsigned)prng_below(random, prng_one_in(random, 4) ? 400 : 25));
    out[at] = '\0';
}

static void numbers_read_as_the_library_reads_them(void **state)
{
    (void)state;
    static char text[4096];
    struct prng random;
    prng_init(&random, test_seed() + 1);
    for (int i = 0; i < ROUNDS; i++) {
        random_number(&random, text);
        double value = read_double(text);
        double oracle = strtod(text, NULL);
        if (isinf(oracle) ? !isinf(value) : memcmp(&value, &oracle, sizeof(value)) != 0)
            fail_msg("%s reads as %.17g and should as %.17g", text, value, oracle);
    }
}

/* Just below, at and above the point halfway between two doubles: all digits matter, however many. */
static void halfway_cases_round_to_even(void **state)
{
    (void)state;
    static char text[2200];
    assert_true(read_double("9007199254740993") == 9007199254740992.0);
    assert_true(read_double("9007199254740993.0000000000000000000000000000000000001") == 9007199254740994.0);
    assert_true(read_double("9007199254740992.9999999999999999999999999999999999999") == 9007199254740992.0);
    assert_true(read_double("0.500000000000000166533453693773481063544750213623046875") == 0.5000000000000002);
    int len = snprintf(text, sizeof(text), "9007199254740993.");
    memset(text + len, '0', 2000);
    memcpy(text + len + 2000, "1", 2);
    assert_true(read_double(text) == 9007199254740994.0);
    text[len + 2000] = '0';
    assert_true(read_double(text) == 9007199254740992.0);
    assert_true(read_double("1e99999999999999999999") == (double)INFINITY);
    assert_true(read_double("1e-99999999999999999999") == 0);
    assert_true(read_double("0e99999999999999999999") == 0);
    assert_true(read_double("0.0000000000000000000000000000000000000000001e43") == 1);
}

static void ints_are_exact(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum number_fit fit;
        int64_t value;
    } rows[] = {
        { "5", NUMBER_FITS, 5 },
        { "5.0", NUMBER_FITS, 5 },
        { "5e2", NUMBER_FITS, 500 },
        { "-0", NUMBER_FITS, 0 },
        { "0e999999999999999999999", NUMBER_FITS, 0 },
        { "0.000", NUMBER_FITS, 0 },
        { "1.5e1", NUMBER_FITS, 15 },
        { "1500e-2", NUMBER_FITS, 15 },
        { "9223372036854775807", NUMBER_FITS, INT64_MAX },
        { "-9223372036854775808", NUMBER_FITS, INT64_MIN },
        { "9223372036854775807.000", NUMBER_FITS, INT64_MAX },
        { "9.223372036854775807e18", NUMBER_FITS, INT64_MAX },
        { "9007199254740993", NUMBER_FITS, 9007199254740993 },
        { "92233720368547758070000000000e-10", NUMBER_FITS, INT64_MAX },
        { "9223372036854775808", NUMBER_RANGE, 0 },
        { "-9223372036854775809", NUMBER_RANGE, 0 },
        { "99999999999999999999", NUMBER_RANGE, 0 },
        { "123456789012345678901234", NUMBER_RANGE, 0 },
        { "1e19", NUMBER_RANGE, 0 },
        { "1e99999999999", NUMBER_RANGE, 0 },
        { "0.5", NUMBER_FRACTION, 0 },
        { "15e-1", NUMBER_FRACTION, 0 },
        { "1e-99999999999", NUMBER_FRACTION, 0 },
        { "9223372036854775807.0000000000000000001", NUMBER_FRACTION, 0 },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct number number;
        int64_t value = 0;
        assert_true(scan(rows[i].text, &number));
        if (number_to_int(&number, &value) != rows[i].fit || value != rows[i].value)
            fail_msg("%s gave %lld", rows[i].text, (long long)value);
    }
}

static void ints_round_trip(void **state)
{
    (void)state;
    struct prng random;
    prng_init(&random, test_seed() + 2);
    for (int i = 0; i < ROUNDS; i++) {
        char text[NUMBER_BYTES_MAX + 1];
        char expected[32];
        struct number number;
        int64_t again;
        int64_t value = (int64_t)(prng_u64(&random) >> prng_below(&random, 64));
        value = prng_one_in(&random, 2) ? -value : value;
        *number_put_int((uint8_t *)text, value) = '\0';
        snprintf(expected, sizeof(expected), "%lld", (long long)value);
        assert_string_equal(text, expected);
        assert_true(scan(text, &number) && number_to_int(&number, &again) == NUMBER_FITS && again == value);
    }
}

static void the_locale_does_not_matter(void **state)
{
    (void)state;
    static const char *const names[] = { "de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "sv_SE.UTF-8" };
    char text[NUMBER_BYTES_MAX + 1];
    const char *set = NULL;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && !set; i++)
        set = setlocale(LC_ALL, names[i]);
    if (!set)
        skip(); /* none with a decimal comma is installed */
    print_double(0.1 + 0.2, text);
    double value = read_double("0.30000000000000004441");
    setlocale(LC_ALL, "C");
    assert_string_equal(text, "0.30000000000000004");
    assert_true(value == 0.1 + 0.2);
}

int json_number_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(doubles_are_printed_as_people_would),
        cmocka_unit_test(doubles_round_trip),
        cmocka_unit_test(numbers_read_as_the_library_reads_them),
        cmocka_unit_test(halfway_cases_round_to_even),
        cmocka_unit_test(ints_are_exact),
        cmocka_unit_test(ints_round_trip),
        cmocka_unit_test(the_locale_does_not_matter),
    };
    return cmocka_run_group_tests_name("numbers", tests, NULL, NULL);
}
