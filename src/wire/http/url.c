/*
 * url: percent-decoding of path segments and query parameters (RFC 3986 2.1; '+' as a space as HTML forms write it).
 */
#include "wire/http/field.h"
#include "wire/json/text.h"

/* Decodes the character at `*at`, moves behind it; -1 when it is malformed. */
static int decode_next(struct slice text, size_t *at, bool query)
{
    uint8_t byte = text.data[(*at)++];
    if (byte == '+' && query)
        return ' ';
    if (byte != '%')
        return byte;
    if (text.len - *at < 2)
        return -1;
    int high = http_hex(text.data[*at]);
    int low = http_hex(text.data[*at + 1]);
    *at += 2;
    return high < 0 || low < 0 ? -1 : high << 4 | low;
}

struct slice http_decode(struct slice text, bool query, struct arena *arena)
{
    struct slice malformed = slice_of(NULL, 0);
    if (text.len == 0)
        return SLICE("");
    bool encoded = memchr(text.data, '%', text.len) || (query && memchr(text.data, '+', text.len));
    if (!encoded)
        return text_utf8_valid(text) ? text : malformed;
    uint8_t *out = arena_bytes(arena, text.len);
    if (!out)
        return malformed;
    size_t len = 0;
    for (size_t at = 0; at < text.len;) {
        int byte = decode_next(text, &at, query);
        if (byte < 0)
            return malformed;
        out[len++] = (uint8_t)byte;
    }
    struct slice decoded = slice_of(out, len);
    return text_utf8_valid(decoded) ? decoded : malformed;
}

/* Compares a parameter's name, still encoded, with a plain one. */
static bool query_name_eq(struct slice encoded, struct slice name)
{
    size_t matched = 0;
    for (size_t at = 0; at < encoded.len;) {
        int byte = decode_next(encoded, &at, true);
        if (matched == name.len || byte != name.data[matched])
            return false;
        matched++;
    }
    return matched == name.len;
}

/* How many bytes stand before the first of these; all when there is none. */
static size_t length_before(struct slice text, uint8_t byte)
{
    size_t len = 0;
    while (len < text.len && text.data[len] != byte)
        len++;
    return len;
}

/* Takes the next pair off a query, those that are empty left out: its name, still encoded, and its value. */
static bool pair_next(struct slice *query, struct slice *ret_name, struct slice *ret_value)
{
    while (query->len) {
        struct slice pair = slice_of(query->data, length_before(*query, '&'));
        *query = slice_from(*query, pair.len + 1);
        if (pair.len == 0)
            continue;
        *ret_name = slice_of(pair.data, length_before(pair, '='));
        *ret_value = slice_from(pair, ret_name->len + 1);
        return true;
    }
    return false;
}

bool http_query_find(struct slice query, const char *name, struct arena *arena, struct slice *ret_value)
{
    struct slice wanted = slice_str(name), found, value;
    while (pair_next(&query, &found, &value))
        if (query_name_eq(found, wanted)) {
            *ret_value = http_decode(value, true, arena);
            return true;
        }
    return false;
}

bool http_query_next(struct slice *query, struct arena *arena, struct slice *ret_name)
{
    struct slice name, value;
    if (!pair_next(query, &name, &value))
        return false;
    *ret_name = http_decode(name, true, arena);
    return true;
}
