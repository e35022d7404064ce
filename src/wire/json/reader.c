/* reader: scanning and validation. Nothing recurses: the nesting of a skipped value is a word of bits. */
#include "wire/json/reader.h"

#include "wire/json/json.h"

bool reader_fail_at(struct reader *r, const uint8_t *at, const char *wrong)
{
    if (!r->wrong) {
        r->wrong = wrong;
        r->wrong_at = at;
    }
    r->at = r->end;
    return false;
}

bool reader_string(struct reader *r, struct slice *ret_raw, bool *ret_escaped)
{
    const uint8_t *from = ++r->at;
    const uint8_t *at = from;
    bool escaped = false;
    for (;;) {
        at = text_special(at, r->end);
        if (at == r->end)
            return reader_fail_at(r, at, "a string without its end");
        if (*at == '"')
            break;
        size_t len = 0;
        if (*at == '\\') {
            escaped = true;
            len = text_escape_len(at, r->end);
            if (len == 0)
                return reader_fail_at(r, at, "a malformed escape");
        } else if (*at >= 0x80) {
            len = text_utf8_len(at, r->end);
            if (len == 0)
                return reader_fail_at(r, at, "malformed UTF-8");
        } else {
            return reader_fail_at(r, at, "a control character in a string");
        }
        at += len;
    }
    *ret_raw = slice_of(from, (size_t)(at - from));
    *ret_escaped = escaped;
    r->at = at + 1;
    return true;
}

bool reader_number(struct reader *r, struct number *ret_number)
{
    const uint8_t *wrong;
    const uint8_t *behind = number_scan(r->at, r->end, ret_number, &wrong);
    if (!behind)
        return reader_fail_at(r, wrong, "a malformed number");
    r->at = behind;
    return true;
}

bool reader_literal(struct reader *r, const char *literal)
{
    const uint8_t *at = r->at;
    for (; *literal; literal++, at++) {
        if (at == r->end || *at != (uint8_t)*literal)
            return reader_fail_at(r, at, "expected a value");
    }
    r->at = at;
    return true;
}

/* Takes a value that is no object and no list. */
static bool skip_scalar(struct reader *r, uint8_t byte)
{
    struct slice raw;
    struct number number;
    bool escaped;
    switch (byte) {
    case '"':
        return reader_string(r, &raw, &escaped);
    case 't':
        return reader_literal(r, "true");
    case 'f':
        return reader_literal(r, "false");
    case 'n':
        return reader_literal(r, "null");
    default:
        if (byte == '-' || (byte >= '0' && byte <= '9'))
            return reader_number(r, &number);
        return reader_fail(r, "expected a value");
    }
}

static bool skip_name(struct reader *r)
{
    struct slice raw;
    bool escaped;
    if (reader_peek(r) != '"')
        return reader_fail(r, READER_WRONG_NAME);
    return reader_string(r, &raw, &escaped) && reader_take(r, ':', READER_WRONG_COLON);
}

bool reader_skip(struct reader *r)
{
    uint32_t outside = r->depth;
    uint64_t objects = 0; /* bit n: whether the n-th open one is an object; the innermost is bit 0 */
    for (;;) {
        uint8_t byte = reader_peek(r);
        if (byte == '{' || byte == '[') {
            uint8_t close = byte == '{' ? '}' : ']';
            if (!reader_enter(r))
                return false;
            objects = objects << 1 | (byte == '{');
            if (reader_peek(r) != close) {
                if (byte == '{' && !skip_name(r))
                    return false;
                continue;
            }
            reader_leave(r);
            objects >>= 1;
        } else if (!skip_scalar(r, byte)) {
            return false;
        }
        for (;;) { /* behind a value: close what ends here */
            if (r->depth == outside)
                return true;
            bool object = objects & 1;
            if (reader_more(r, object ? '}' : ']', object ? READER_WRONG_OBJECT : READER_WRONG_LIST)) {
                if (object && !skip_name(r))
                    return false;
                break;
            }
            if (r->wrong)
                return false;
            objects >>= 1;
        }
    }
}

bool reader_whole(struct reader *r)
{
    if (!reader_skip(r))
        return false;
    reader_peek(r);
    return r->at == r->end || reader_fail(r, "more bytes behind the value");
}

const char *reader_value_name(uint8_t byte)
{
    switch (byte) {
    case '"':
        return "a string";
    case '{':
        return "an object";
    case '[':
        return "a list";
    case 't':
    case 'f':
        return "a boolean";
    case 'n':
        return "null";
    default:
        return byte == '-' || (byte >= '0' && byte <= '9') ? "a number" : NULL;
    }
}

bool json_valid(struct slice json, size_t *ret_offset)
{
    struct reader r = reader_of(json);
    if (reader_whole(&r))
        return true;
    *ret_offset = reader_wrong_offset(&r);
    return false;
}

bool json_find(struct slice json, const char *name, struct slice *ret_raw, bool *ret_is_string)
{
    struct reader r = reader_of(json);
    struct slice raw;
    bool escaped;
    if (reader_peek(&r) != '{' || !reader_enter(&r))
        return false;
    do {
        if (reader_peek(&r) != '"' || !reader_string(&r, &raw, &escaped) || !reader_take(&r, ':', READER_WRONG_COLON))
            return false;
        bool found = escaped ? text_unescaped_is(raw, name) : slice_eq_str(raw, name);
        bool is_string = reader_peek(&r) == '"';
        const uint8_t *from = r.at;
        if (!reader_skip(&r))
            return false;
        if (found) {
            raw = slice_of(from, (size_t)(r.at - from));
            *ret_raw = is_string ? slice_of(raw.data + 1, raw.len - 2) : raw;
            *ret_is_string = is_string;
            return true;
        }
    } while (reader_more(&r, '}', READER_WRONG_OBJECT));
    return false;
}
