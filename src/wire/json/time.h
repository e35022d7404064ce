/* time: RFC 3339 to and from milliseconds since 1970. */
#ifndef EDDA_WIRE_JSON_TIME_H
#define EDDA_WIRE_JSON_TIME_H

#include "base/slice.h"

#define TIME_TEXT_BYTES 24                 /* 2026-01-31T23:59:59.123Z */
#define TIME_MS_MIN (-62167219200000)      /* 0000-01-01T00:00:00.000Z */
#define TIME_MS_MAX (253402300799999)      /* 9999-12-31T23:59:59.999Z */

/* Writes TIME_TEXT_BYTES bytes and returns the place behind. What RFC 3339 has no year for is written as the first
 * or last moment it has one for. */
uint8_t *time_put(uint8_t *at, int64_t ms);

#endif
