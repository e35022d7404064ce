/*
 * field: see field.h. Values are most of a head's bytes, so they are looked at eight at a time.
 */
#include "wire/http/field.h"

#define TTH (HTTP_TOKEN | HTTP_TARGET | HTTP_HOST)
#define TT (HTTP_TOKEN | HTTP_TARGET)
#define TH (HTTP_TARGET | HTTP_HOST)
#define T HTTP_TARGET

const uint8_t http_classes[256] = {
    /* clang-format off */
    ['!'] = TTH, ['"'] = T, ['#'] = HTTP_TOKEN, ['$'] = TTH, ['%'] = TTH, ['&'] = TTH, ['\''] = TTH,
    ['('] = TH, [')'] = TH, ['*'] = TTH, ['+'] = TTH, [','] = TH, ['-'] = TTH, ['.'] = TTH, ['/'] = T,
    ['0'] = TTH, ['1'] = TTH, ['2'] = TTH, ['3'] = TTH, ['4'] = TTH, ['5'] = TTH, ['6'] = TTH, ['7'] = TTH,
    ['8'] = TTH, ['9'] = TTH, [':'] = TH, [';'] = TH, ['<'] = T, ['='] = TH, ['>'] = T, ['?'] = T, ['@'] = T,
    ['A'] = TTH, ['B'] = TTH, ['C'] = TTH, ['D'] = TTH, ['E'] = TTH, ['F'] = TTH, ['G'] = TTH, ['H'] = TTH,
    ['I'] = TTH, ['J'] = TTH, ['K'] = TTH, ['L'] = TTH, ['M'] = TTH, ['N'] = TTH, ['O'] = TTH, ['P'] = TTH,
    ['Q'] = TTH, ['R'] = TTH, ['S'] = TTH, ['T'] = TTH, ['U'] = TTH, ['V'] = TTH, ['W'] = TTH, ['X'] = TTH,
    ['Y'] = TTH, ['Z'] = TTH, ['['] = TH, ['\\'] = T, [']'] = TH, ['^'] = TT, ['_'] = TTH, ['`'] = TT,
    ['a'] = TTH, ['b'] = TTH, ['c'] = TTH, ['d'] = TTH, ['e'] = TTH, ['f'] = TTH, ['g'] = TTH, ['h'] = TTH,
    ['i'] = TTH, ['j'] = TTH, ['k'] = TTH, ['l'] = TTH, ['m'] = TTH, ['n'] = TTH, ['o'] = TTH, ['p'] = TTH,
    ['q'] = TTH, ['r'] = TTH, ['s'] = TTH, ['t'] = TTH, ['u'] = TTH, ['v'] = TTH, ['w'] = TTH, ['x'] = TTH,
    ['y'] = TTH, ['z'] = TTH, ['{'] = T, ['|'] = TT, ['}'] = T, ['~'] = TTH,
    /* clang-format on */
};

/* Whether one of eight bytes is below 0x20 or is 0x7f. A borrow between bytes can only follow such a byte. */
static inline bool any_control(uint64_t word)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    const uint64_t tops = ones << 7;
    uint64_t deletes = word ^ ones * 0x7f;
    return ((word - ones * 0x20) & ~word & tops) | ((deletes - ones) & ~deletes & tops);
}

const uint8_t *http_skip_value(const uint8_t *at, const uint8_t *end)
{
    uint64_t word;
    while ((size_t)(end - at) >= sizeof(word)) {
        memcpy(&word, at, sizeof(word));
        if (any_control(word))
            break;
        at += sizeof(word);
    }
    while (at < end && ((*at >= 0x20 && *at != 0x7f) || *at == '\t'))
        at++;
    return at;
}

static int64_t field_fail(const char *problem, size_t at, const char **ret_problem, size_t *ret_at)
{
    *ret_problem = problem;
    *ret_at = at;
    return EDDA_EMALFORMED;
}

int64_t http_field_parse(struct slice bytes, struct http_header *ret_field, const char **ret_problem, size_t *ret_at)
{
    const uint8_t *begin = bytes.data;
    const uint8_t *end = begin + bytes.len;
    const uint8_t *name_end = http_skip(begin, end, HTTP_TOKEN);
    if (name_end == end)
        return 0;
    if (*name_end != ':' || name_end == begin) {
        const char *problem = *name_end != ' ' && *name_end != '\t' ? "a header name has a character that none may have"
                              : name_end == begin                   ? "a header line begins with white space"
                                                                    : "white space stands before a header's colon";
        return field_fail(problem, (size_t)(name_end - begin), ret_problem, ret_at);
    }

    const uint8_t *value = name_end + 1;
    while (value < end && (*value == ' ' || *value == '\t'))
        value++;
    const uint8_t *line_end = http_skip_value(value, end);
    if (line_end == end)
        return 0;
    if (*line_end != '\r')
        return field_fail("a header value has a control character", (size_t)(line_end - begin), ret_problem, ret_at);
    if (line_end + 1 == end)
        return 0;
    if (line_end[1] != '\n')
        return field_fail("a carriage return stands alone", (size_t)(line_end - begin), ret_problem, ret_at);

    const uint8_t *value_end = line_end;
    while (value_end > value && (value_end[-1] == ' ' || value_end[-1] == '\t'))
        value_end--;
    ret_field->name = slice_of(begin, (size_t)(name_end - begin));
    ret_field->value = slice_of(value, (size_t)(value_end - value));
    return line_end + 2 - begin;
}
