/*
 * field: one header or trailer line, and the classes of characters that HTTP's grammar is made of. May be used by
 * the files of this folder only.
 *
 * Scanning goes from left to right and decides at the first byte that can decide, so what a prefix of the bytes gives
 * is either "more" or what the whole gives.
 */
#ifndef EDDA_WIRE_HTTP_FIELD_H
#define EDDA_WIRE_HTTP_FIELD_H

#include "wire/http/http.h"

enum http_class {
    HTTP_TOKEN = 0x01,  /* RFC 9110 5.6.2 tchar */
    HTTP_TARGET = 0x02, /* visible ASCII but '#': what a request target may be sent with */
    HTTP_HOST = 0x04    /* what a host, a port and an IPv6 literal are written with (RFC 3986 3.2) */
};

extern const uint8_t http_classes[256];

static inline const uint8_t *http_skip(const uint8_t *at, const uint8_t *end, enum http_class class)
{
    while (at < end && http_classes[*at] & class)
        at++;
    return at;
}

static inline uint8_t http_lower(uint8_t byte)
{
    return byte >= 'A' && byte <= 'Z' ? byte | 0x20 : byte;
}

/* The value of a hexadecimal digit, or -1. */
static inline int http_hex(uint8_t byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    byte = http_lower(byte);
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* Compares without case. */
static inline bool http_eq(struct slice text, struct slice lower_case)
{
    if (text.len != lower_case.len)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (http_lower(text.data[i]) != lower_case.data[i])
            return false;
    }
    return true;
}

/* The first byte that may not stand in a field value: a control character other than tab. */
const uint8_t *http_skip_value(const uint8_t *at, const uint8_t *end);

/*
 * Parses `name: value CRLF`. Returns the bytes consumed, 0 when more are needed, EDDA_EMALFORMED with what is wrong in
 * *ret_problem and where in *ret_at.
 */
int64_t http_field_parse(struct slice bytes, struct http_header *ret_field, const char **ret_problem, size_t *ret_at);

#endif
