/*
 * text: the bytes of JSON strings: which of them stand for themselves, which are UTF-8, and what
 * escapes mean. Used by the reader and by the encoder; nothing here knows types.
 */
#ifndef EDDA_WIRE_JSON_TEXT_H
#define EDDA_WIRE_JSON_TEXT_H

#include "base/slice.h"

#define TEXT_EACH_BYTE(byte) (0x0101010101010101u * (uint64_t)(byte))

/* Whether one of the eight bytes is a control character, a quote, a backslash or not ASCII. */
static inline bool text_word_special(uint64_t word)
{
    uint64_t quote = word ^ TEXT_EACH_BYTE('"');
    uint64_t backslash = word ^ TEXT_EACH_BYTE('\\');
    uint64_t found = ((quote - TEXT_EACH_BYTE(1)) & ~quote) | ((backslash - TEXT_EACH_BYTE(1)) & ~backslash) |
                     ((word - TEXT_EACH_BYTE(0x20)) & ~word) | word;
    return (found & TEXT_EACH_BYTE(0x80)) != 0;
}

static inline bool text_byte_special(uint8_t byte)
{
    return byte < 0x20 || byte >= 0x80 || byte == '"' || byte == '\\';
}

/* The first byte from `at` on that does not simply stand for itself within a JSON string, or `end`. */
static inline const uint8_t *text_special(const uint8_t *at, const uint8_t *end)
{
    while (end - at >= 8) {
        uint64_t word;
        memcpy(&word, at, sizeof(word));
        if (text_word_special(word))
            break;
        at += 8;
    }
    while (at < end && !text_byte_special(*at))
        at++;
    return at;
}

/* The length of the UTF-8 sequence (RFC 3629) at `at`, which must be before `end`; 0 when there is none: a stray or
 * missing continuation, an overlong form, a surrogate, past U+10FFFF. */
static inline size_t text_utf8_len(const uint8_t *at, const uint8_t *end)
{
    uint8_t lead = at[0];
    if (lead < 0x80)
        return 1;
    size_t len = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || (size_t)(end - at) < len)
        return 0;
    uint8_t least = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    uint8_t most = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    if (at[1] < least || at[1] > most)
        return 0;
    for (size_t i = 2; i < len; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    }
    return len;
}

bool text_utf8_valid(struct slice text);

/* The length of the escape at `at`, where a backslash stands: 2, 6, or 12 for a surrogate pair. 0 when it is none,
 * or half a pair. */
size_t text_escape_len(const uint8_t *at, const uint8_t *end);

/* Decodes the inside of a valid JSON string to `out`, which has room for text.len bytes, and returns
 * the length. It never grows. */
size_t text_unescape(struct slice text, uint8_t *out);

/* Whether the inside of a valid JSON string, decoded, equals `string`. */
bool text_unescaped_is(struct slice text, const char *string);

/* At most `len_max` bytes of the text, cut between characters, for messages. */
struct slice text_cut(struct slice text, size_t len_max);

#endif
