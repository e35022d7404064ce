/* Names of Redis and names of topics. See resp.h. */
#include "server/resp.h"

static bool stands_for_itself(uint8_t byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') || byte == '.' || byte == '_' || byte == '-';
}

static int digit_of(uint8_t byte)
{
    return byte >= '0' && byte <= '9' ? byte - '0' : byte >= 'A' && byte <= 'F' ? byte - 'A' + 10 : -1;
}

/* The byte of "x3A" at `at`, or -1. */
static int byte_at(struct slice text, size_t at)
{
    if (at > text.len || text.len - at < 3 || text.data[at] != 'x')
        return -1;
    int high = digit_of(text.data[at + 1]), low = digit_of(text.data[at + 2]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

/* The byte that is escaped at `at`, or -1. One that needs none is never escaped, but for an '_' before what would look like an escape behind it. */
static int escaped_at(struct slice text, size_t at)
{
    if (text.data[at] != '_')
        return -1;
    int byte = byte_at(text, at + 1), last = byte;
    for (size_t next = at + 4; last == '_'; next += 3)
        last = byte_at(text, next);
    return last < 0 || stands_for_itself((uint8_t)last) ? -1 : byte;
}

int resp_topic_name(struct slice name, struct buffer *ret_topic, struct edda_error *error)
{
    static const char digits[] = "0123456789ABCDEF";
    buffer_clear(ret_topic);
    if (name.len == 0 || name.len > STORE_TOPIC_NAME_MAX)
        return edda_fail_with(error, EDDA_EINVAL, "a name has 1 to %d bytes here, for it is the name of a topic", STORE_TOPIC_NAME_MAX);
    for (size_t i = 0; i < name.len; i++) {
        uint8_t byte = name.data[i];
        if (stands_for_itself(byte) && escaped_at(name, i) < 0) {
            buffer_append_byte(ret_topic, byte);
        } else {
            const char escape[] = { '_', 'x', digits[byte >> 4], digits[byte & 15] };
            buffer_append(ret_topic, escape, sizeof escape);
        }
    }
    if (!buffer_ok(ret_topic))
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory for a name");
    struct slice topic = buffer_slice(ret_topic);
    if (topic.len > STORE_TOPIC_NAME_MAX)
        return edda_fail_with(error, EDDA_EINVAL, "the name is too long: as that of a topic, in which ':' is written _x3A, it has %zu bytes of at most %d",
                              topic.len, STORE_TOPIC_NAME_MAX);
    if (slice_has_prefix(topic, SLICE("__")) || slice_has_prefix(topic, SLICE("_edda.")))
        return edda_fail_with(error, EDDA_EINVAL, "names that begin with '__' or '_edda.' are the server's own");
    if (slice_eq(topic, SLICE(".")) || slice_eq(topic, SLICE("..")))
        return edda_fail_with(error, EDDA_EINVAL, "'.' and '..' are no names of topics");
    return 0;
}

void resp_name_of_topic(struct slice topic, struct buffer *ret_name)
{
    buffer_clear(ret_name);
    for (size_t i = 0; i < topic.len; i++) {
        int byte = escaped_at(topic, i);
        buffer_append_byte(ret_name, byte < 0 ? topic.data[i] : (uint8_t)byte);
        i += byte < 0 ? 0 : 3;
    }
}

/* A class of bytes, whose '[' is at `*at`; moves to its last byte. What is not closed ends with the pattern. */
static bool class_has(struct slice pattern, size_t *at, uint8_t byte)
{
    size_t i = *at + 1;
    bool negated = i < pattern.len && pattern.data[i] == '^', found = false;
    for (i += negated; i < pattern.len && pattern.data[i] != ']'; i++) {
        if (pattern.data[i] == '\\' && i + 1 < pattern.len)
            i++;
        uint8_t low = pattern.data[i], high = low;
        if (i + 2 < pattern.len && pattern.data[i + 1] == '-' && pattern.data[i + 2] != ']') {
            high = pattern.data[i + 2];
            i += 2;
        }
        found |= low <= high ? byte >= low && byte <= high : byte >= high && byte <= low;
    }
    *at = i < pattern.len ? i : pattern.len - 1;
    return found != negated;
}

/* Goes back to the last '*' only, so it takes at most as many steps as the product of both lengths. */
bool resp_matches(struct slice pattern, struct slice name)
{
    size_t p = 0, n = 0, star = SIZE_MAX, starred = 0;
    while (n < name.len) {
        size_t here = p;
        bool fits = false;
        if (p < pattern.len && pattern.data[p] == '*') {
            star = p++;
            starred = n;
            continue;
        }
        if (p < pattern.len && pattern.data[p] == '[')
            fits = class_has(pattern, &here, name.data[n]);
        else if (p < pattern.len && pattern.data[p] == '?')
            fits = true;
        else if (p < pattern.len) {
            here += pattern.data[p] == '\\' && p + 1 < pattern.len;
            fits = pattern.data[here] == name.data[n];
        }
        if (fits) {
            p = here + 1;
            n++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            n = ++starred;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.data[p] == '*')
        p++;
    return p == pattern.len;
}
