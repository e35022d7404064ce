/* text: UTF-8 and escapes (RFC 8259, section 7). */
#include "wire/json/text.h"

#include "base/assert.h"

#define ESCAPE_BYTES_MAX 4 /* of one decoded escape */

bool text_utf8_valid(struct slice text)
{
    const uint8_t *at = text.data;
    const uint8_t *end = text.len ? text.data + text.len : text.data;
    while (at < end) {
        uint64_t word;
        if (end - at >= 8 && (memcpy(&word, at, sizeof(word)), (word & TEXT_EACH_BYTE(0x80)) == 0)) {
            at += 8;
            continue;
        }
        size_t len = text_utf8_len(at, end);
        if (len == 0)
            return false;
        at += len;
    }
    return true;
}

static int hex_digit(uint8_t byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    byte |= 0x20;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* The code unit of the \uXXXX at `at`, or -1. */
static int32_t escape_unit(const uint8_t *at, const uint8_t *end)
{
    if (end - at < 6 || at[0] != '\\' || at[1] != 'u')
        return -1;
    int32_t unit = 0;
    for (int i = 2; i < 6; i++) {
        int digit = hex_digit(at[i]);
        if (digit < 0)
            return -1;
        unit = unit * 16 + digit;
    }
    return unit;
}

size_t text_escape_len(const uint8_t *at, const uint8_t *end)
{
    if (end - at < 2)
        return 0;
    if (at[1] != 'u')
        return at[1] != '\0' && strchr("\"\\/bfnrt", at[1]) ? 2 : 0;
    int32_t unit = escape_unit(at, end);
    if (unit < 0 || (unit >= 0xdc00 && unit <= 0xdfff))
        return 0;
    if (unit < 0xd800 || unit > 0xdbff)
        return 6;
    int32_t low = escape_unit(at + 6, end);
    return low >= 0xdc00 && low <= 0xdfff ? 12 : 0;
}

static size_t utf8_put(uint32_t code, uint8_t *out)
{
    if (code < 0x80) {
        out[0] = (uint8_t)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (uint8_t)(0xc0 | code >> 6);
        out[1] = (uint8_t)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (uint8_t)(0xe0 | code >> 12);
        out[1] = (uint8_t)(0x80 | (code >> 6 & 0x3f));
        out[2] = (uint8_t)(0x80 | (code & 0x3f));
        return 3;
    }
    out[0] = (uint8_t)(0xf0 | code >> 18);
    out[1] = (uint8_t)(0x80 | (code >> 12 & 0x3f));
    out[2] = (uint8_t)(0x80 | (code >> 6 & 0x3f));
    out[3] = (uint8_t)(0x80 | (code & 0x3f));
    return 4;
}

/* Decodes the escape at *at, moves behind it, and returns the bytes written. */
static size_t escape_decode(const uint8_t **at, const uint8_t *end, uint8_t *out)
{
    size_t len = text_escape_len(*at, end);
    ASSERT(len != 0);
    uint8_t kind = (*at)[1];
    uint32_t code = kind;
    if (kind == 'u') {
        code = (uint32_t)escape_unit(*at, end);
        if (len == 12)
            code = 0x10000 + ((code - 0xd800) << 10) + ((uint32_t)escape_unit(*at + 6, end) - 0xdc00);
    } else {
        const char *letters = "bfnrt";
        const char *letter = strchr(letters, kind);
        if (letter)
            code = (uint8_t) "\b\f\n\r\t"[letter - letters];
    }
    *at += len;
    return utf8_put(code, out);
}

size_t text_unescape(struct slice text, uint8_t *out)
{
    const uint8_t *at = text.data;
    const uint8_t *end = text.data + text.len;
    uint8_t *put = out;
    while (at < end) {
        const uint8_t *escape = memchr(at, '\\', (size_t)(end - at));
        size_t plain = (size_t)((escape ? escape : end) - at);
        memcpy(put, at, plain);
        put += plain;
        at += plain;
        if (escape)
            put += escape_decode(&at, end, put);
    }
    ASSERT((size_t)(put - out) <= text.len);
    return (size_t)(put - out);
}

bool text_unescaped_is(struct slice text, const char *string)
{
    const uint8_t *at = text.data;
    const uint8_t *end = text.data + text.len;
    while (at < end) {
        uint8_t bytes[ESCAPE_BYTES_MAX] = { *at };
        size_t len = 1;
        if (*at == '\\')
            len = escape_decode(&at, end, bytes);
        else
            at++;
        for (size_t i = 0; i < len; i++, string++) {
            if (*string == '\0' || (uint8_t)*string != bytes[i])
                return false;
        }
    }
    return *string == '\0';
}

struct slice text_cut(struct slice text, size_t len_max)
{
    if (text.len <= len_max)
        return text;
    while (len_max > 0 && (text.data[len_max] & 0xc0) == 0x80)
        len_max--;
    return slice_of(text.data, len_max);
}
