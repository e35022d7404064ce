/*
 * number: printing. Integral doubles and those of few decimals (nearly all amounts, points, rates) are
 * found by exact arithmetic: below 10^15 the quotient of an integer and a power of ten is the double nearest to that
 * decimal, so if it equals the value, the decimal reads back as the value. The others try 15, 16 and 17
 * digits with the C library, which is correct and slow.
 */
#include "wire/json/number.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"

#define DECIMALS_FAST_MAX 8
#define FAST_LIMIT 1e15
#define INTEGRAL_LIMIT 9007199254740992.0 /* 2^53 */
#define PLAIN_LEAST 1e-5
#define PLAIN_LIMIT 1e17
#define NORMAL_LEAST 2.2250738585072014e-308
#define DIGITS_CERTAIN 15 /* a decimal of so many digits is the only one of them that reads as its double */
#define DIGITS_MAX 17     /* so many always read back */

/* digits * 10^exponent */
struct decimal {
    uint64_t digits;
    int exponent;
};

static const char digit_pairs[] = "00010203040506070809101112131415161718192021222324"
                                  "25262728293031323334353637383940414243444546474849"
                                  "50515253545556575859606162636465666768697071727374"
                                  "75767778798081828384858687888990919293949596979899";

/* Writes exactly `count` digits, which must be enough. */
static uint8_t *digits_put(uint8_t *at, uint64_t value, size_t count)
{
    uint8_t *end = at + count;
    uint8_t *put = end;
    for (; count >= 2; count -= 2, value /= 100) {
        put -= 2;
        memcpy(put, digit_pairs + value % 100 * 2, 2);
    }
    if (count == 1)
        *--put = (uint8_t)('0' + value % 10);
    return end;
}

static size_t digits_count(uint64_t value)
{
    size_t count = 1;
    for (; value >= 10000; value /= 10000)
        count += 4;
    return count + (value >= 10) + (value >= 100) + (value >= 1000);
}

static uint8_t *zeros_put(uint8_t *at, int count)
{
    for (; count > 0; count--)
        *at++ = '0';
    return at;
}

uint8_t *number_put_int(uint8_t *at, int64_t value)
{
    uint64_t magnitude = (uint64_t)value;
    if (value < 0) {
        *at++ = '-';
        magnitude = 0 - magnitude;
    }
    return digits_put(at, magnitude, digits_count(magnitude));
}

/* What "%e" printed. The decimal point is whatever the locale says, so every byte that is no digit is passed over. */
static struct decimal decimal_of(const char *text, int precision)
{
    struct decimal d = { 0, 0 };
    for (; *text != 'e'; text++) {
        if (*text >= '0' && *text <= '9')
            d.digits = d.digits * 10 + (uint64_t)(*text - '0');
    }
    d.exponent = (int)strtol(text + 1, NULL, 10) - (precision - 1);
    return d;
}

static bool decimal_try(double value, int precision, struct decimal *ret_decimal)
{
    char text[64];
    snprintf(text, sizeof(text), "%.*e", precision - 1, value);
    struct decimal d = decimal_of(text, precision);
    if (strtod(text, NULL) != value) {
        /* Above a power of two doubles lie twice as far apart as below, so that the decimal after the nearest one may
         * read back although the nearest does not. */
        int exponent;
        if (precision != DIGITS_MAX - 1 || frexp(value, &exponent) != 0.5)
            return false;
        d.digits++;
        snprintf(text, sizeof(text), "%llue%d", (unsigned long long)d.digits, d.exponent);
        if (strtod(text, NULL) != value)
            return false;
    }
    *ret_decimal = d;
    return true;
}

/* The shortest decimal that reads back as `value`, which is positive. */
static struct decimal decimal_shortest(double value)
{
    struct decimal d;
    int precision = value < NORMAL_LEAST ? 1 : DIGITS_CERTAIN;
    while (!decimal_try(value, precision, &d)) {
        precision++;
        ASSERT(precision <= DIGITS_MAX);
    }
    for (; d.digits % 10 == 0; d.digits /= 10)
        d.exponent++;
    return d;
}

static uint8_t *decimal_put_plain(uint8_t *at, struct decimal d)
{
    int count = (int)digits_count(d.digits);
    if (d.exponent >= 0) {
        at = digits_put(at, d.digits, (size_t)count);
        at = zeros_put(at, d.exponent);
        return (uint8_t *)memcpy(at, ".0", 2) + 2;
    }
    if (count + d.exponent <= 0) {
        at = (uint8_t *)memcpy(at, "0.", 2) + 2;
        at = zeros_put(at, -(count + d.exponent));
        return digits_put(at, d.digits, (size_t)count);
    }
    /* Written one place to the right, then the digits before the point are moved back. */
    digits_put(at + 1, d.digits, (size_t)count);
    memmove(at, at + 1, (size_t)(count + d.exponent));
    at[count + d.exponent] = '.';
    return at + count + 1;
}

static uint8_t *decimal_put_exponent(uint8_t *at, struct decimal d)
{
    int count = (int)digits_count(d.digits);
    int64_t exponent = d.exponent + count - 1;
    digits_put(at + 1, d.digits, (size_t)count);
    at[0] = at[1];
    at[1] = '.';
    at += count == 1 ? 1 : count + 1;
    *at++ = 'e';
    return number_put_int(at, exponent);
}

/* A decimal of few places, found without the C library. */
static bool decimal_fast(double value, struct decimal *ret_decimal)
{
    static const double powers[DECIMALS_FAST_MAX + 1] = { 1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8 };
    if (value < INTEGRAL_LIMIT && (double)(uint64_t)value == value) {
        *ret_decimal = (struct decimal){ (uint64_t)value, 0 };
        return true;
    }
    if (value < PLAIN_LEAST)
        return false;
    for (int places = 1; places <= DECIMALS_FAST_MAX && value * powers[places] < FAST_LIMIT; places++) {
        uint64_t digits = (uint64_t)(value * powers[places] + 0.5);
        if ((double)digits / powers[places] == value) {
            *ret_decimal = (struct decimal){ digits, -places };
            return true;
        }
    }
    return false;
}

uint8_t *number_put_double(uint8_t *at, double value)
{
    struct decimal d;
    if (!isfinite(value))
        return (uint8_t *)memcpy(at, "null", 4) + 4;
    if (signbit(value)) {
        *at++ = '-';
        value = -value;
    }
    if (!decimal_fast(value, &d))
        d = decimal_shortest(value);
    bool plain = value == 0 || (value >= PLAIN_LEAST && value < PLAIN_LIMIT);
    return plain ? decimal_put_plain(at, d) : decimal_put_exponent(at, d);
}
