/*
 * number: reading. Most numbers have few digits: they fit a 64-bit mantissa, and where mantissa and
 * power of ten are both exact doubles one multiplication or division rounds correctly (Clinger
 * 1990). The others go to strtod(), as digits and an exponent without a decimal point, because the
 * point that strtod() expects depends on the locale.
 */
#include "wire/json/number.h"

#include <stdio.h>
#include <stdlib.h>

#define MANTISSA_DIGITS_MAX 19
#define EXPONENT_MAX 1000000000 /* larger ones mean the same: zero, or too large */
/* A double lies halfway between two others after at most 767 digits; what follows matters only by being there. */
#define STRTOD_DIGITS_MAX 770
#define POWER_EXACT_MAX 22
#define MANTISSA_EXACT_MAX ((uint64_t)1 << 53)

static const double powers[POWER_EXACT_MAX + 1] = { 1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                                    1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                                    1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22 };

static inline bool is_digit(uint8_t byte)
{
    return (uint8_t)(byte - '0') < 10;
}

/* Takes a run of digits into the mantissa; `scale` is what each of them does to the exponent: -1 behind the point. */
static const uint8_t *digits_scan(const uint8_t *at, const uint8_t *end, struct number *n, int *digits, int scale)
{
    for (; at < end && is_digit(*at); at++) {
        if (*digits < MANTISSA_DIGITS_MAX) {
            n->mantissa = n->mantissa * 10 + (uint64_t)(*at - '0');
            *digits += n->mantissa != 0;
            n->exponent += scale;
        } else {
            n->exact = n->exact && *at == '0';
            n->exponent += scale + 1;
        }
    }
    return at;
}

static const uint8_t *exponent_scan(const uint8_t *at, const uint8_t *end, struct number *n)
{
    bool negative = at < end && *at == '-';
    if (at < end && (*at == '-' || *at == '+'))
        at++;
    int64_t exponent = 0;
    for (; at < end && is_digit(*at); at++) {
        if (exponent < EXPONENT_MAX)
            exponent = exponent * 10 + (*at - '0');
    }
    n->exponent += negative ? -exponent : exponent;
    return at;
}

const uint8_t *number_scan(const uint8_t *at, const uint8_t *end, struct number *ret_number, const uint8_t **ret_wrong)
{
    struct number n = { .text.data = at, .exact = true };
    int digits = 0;
    const uint8_t *from;
    if (at < end && *at == '-') {
        n.negative = true;
        at++;
    }
    from = at;
    if (at < end && *at == '0')
        at++;
    else
        at = digits_scan(at, end, &n, &digits, 0);
    if (at == from)
        goto wrong;
    if (at < end && *at == '.') {
        from = ++at;
        at = digits_scan(at, end, &n, &digits, -1);
        if (at == from)
            goto wrong;
    }
    if (at < end && (*at | 0x20) == 'e') {
        at = exponent_scan(at + 1, end, &n);
        if (!is_digit(at[-1]))
            goto wrong;
    }
    n.text.len = (size_t)(at - n.text.data);
    *ret_number = n;
    return at;
wrong:
    *ret_wrong = at;
    return NULL;
}

enum number_fit number_to_int(const struct number *number, int64_t *ret_value)
{
    uint64_t mantissa = number->mantissa;
    int64_t exponent = number->exponent;
    if (!number->exact) /* more than 19 significant digits: too large unless some are behind the point */
        return exponent > 0 ? NUMBER_RANGE : NUMBER_FRACTION;
    for (; exponent < 0 && mantissa != 0; exponent++) {
        if (mantissa % 10 != 0)
            return NUMBER_FRACTION;
        mantissa /= 10;
    }
    for (; exponent > 0 && mantissa != 0; exponent--) {
        if (__builtin_mul_overflow(mantissa, 10u, &mantissa))
            return NUMBER_RANGE;
    }
    if (mantissa > (uint64_t)INT64_MAX + number->negative)
        return NUMBER_RANGE;
    *ret_value = number->negative ? (int64_t)(0 - mantissa) : (int64_t)mantissa;
    return NUMBER_FITS;
}

/* What strtod() is to read: significant digits, one more for what was cut off, and the exponent. */
static void strtod_text(const struct number *number, char *out, size_t size)
{
    int64_t exponent = number->exponent;
    size_t digits = 0;
    bool rest = false;
    for (size_t i = 0; i < number->text.len && (number->text.data[i] | 0x20) != 'e'; i++) {
        uint8_t byte = number->text.data[i];
        if (!is_digit(byte) || (byte == '0' && digits == 0))
            continue;
        if (digits < STRTOD_DIGITS_MAX)
            out[digits++] = (char)byte;
        else
            rest = rest || byte != '0';
    }
    if (rest)
        out[digits++] = '1';
    if (digits > MANTISSA_DIGITS_MAX)
        exponent -= (int64_t)(digits - MANTISSA_DIGITS_MAX);
    snprintf(out + digits, size - digits, "e%lld", (long long)exponent);
}

enum number_fit number_to_double(const struct number *number, double *ret_value)
{
    double value;
    int64_t exponent = number->exponent;
    if (number->mantissa == 0) {
        value = 0;
    } else if (number->exact && number->mantissa <= MANTISSA_EXACT_MAX && exponent >= -POWER_EXACT_MAX &&
               exponent <= POWER_EXACT_MAX) {
        value = (double)number->mantissa;
        value = exponent < 0 ? value / powers[-exponent] : value * powers[exponent];
    } else {
        char text[STRTOD_DIGITS_MAX + 32];
        strtod_text(number, text, sizeof(text));
        value = strtod(text, NULL);
        if (value > 1.7976931348623157e308)
            return NUMBER_RANGE;
    }
    *ret_value = number->negative ? -value : value;
    return NUMBER_FITS;
}
