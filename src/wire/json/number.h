/*
 * number: the text of JSON numbers (RFC 8259, section 6) to and from the machine's, exactly, and whatever the
 * program's locale is.
 */
#ifndef EDDA_WIRE_JSON_NUMBER_H
#define EDDA_WIRE_JSON_NUMBER_H

#include "base/slice.h"

#define NUMBER_BYTES_MAX 32 /* of a printed one, no zero at the end */

/* A scanned number: its value is mantissa * 10^exponent, when `exact`. */
struct number {
    struct slice text;
    uint64_t mantissa; /* the first 19 significant digits */
    int64_t exponent;
    bool negative;
    bool exact; /* no digit other than zero was left out of the mantissa */
};

enum number_fit { NUMBER_FITS, NUMBER_FRACTION, NUMBER_RANGE };

/* Scans the number at `at`; returns the place behind it. NULL when there is none: then *ret_wrong is the first byte
 * that should be another, or `end`. */
const uint8_t *number_scan(const uint8_t *at, const uint8_t *end, struct number *ret_number, const uint8_t **ret_wrong);

enum number_fit number_to_int(const struct number *number, int64_t *ret_value);
/* The nearest double, ties to even; NUMBER_RANGE when there is no finite one. */
enum number_fit number_to_double(const struct number *number, double *ret_value);

/* Write at most NUMBER_BYTES_MAX bytes and return the place behind. A double is written with the fewest digits that
 * read back as the same double; with ".0" when it is integral, an exponent when it is below 1e-5 or from 1e17; what is
 * not finite becomes null. */
uint8_t *number_put_int(uint8_t *at, int64_t value);
uint8_t *number_put_double(uint8_t *at, double value);

#endif
