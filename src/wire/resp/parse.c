/* Commands. See resp.h. */
#include <stdlib.h>

#include "base/assert.h"
#include "wire/resp/resp.h"

#define NUMBER_LINE_BYTES_MAX 32 /* of "*123\r\n" */
#define PARTS_FIRST 16
#define PARTS_KEPT 64
#define TEXT_KEPT_BYTES 1024

void resp_parser_reset(struct resp_parser *parser)
{
    struct resp_part *parts = parser->parts;
    struct slice *args = parser->args;
    struct buffer text = parser->text;
    uint32_t capacity = parser->capacity;
    if (capacity > PARTS_KEPT) {
        free(parts);
        free(args);
        parts = NULL;
        args = NULL;
        capacity = 0;
    }
    if (text.capacity > TEXT_KEPT_BYTES)
        buffer_deinit(&text);
    else
        buffer_clear(&text);
    *parser = (struct resp_parser){ .args = args, .parts = parts, .capacity = capacity, .text = text, .bulk = -1 };
}

void resp_parser_deinit(struct resp_parser *parser)
{
    free(parser->parts);
    free(parser->args);
    buffer_deinit(&parser->text);
    *parser = (struct resp_parser){ .args = NULL };
}

/* Room for one more argument. */
static bool part_room(struct resp_parser *parser)
{
    if (parser->count < parser->capacity)
        return true;
    uint32_t capacity = parser->capacity ? parser->capacity * 2 : PARTS_FIRST;
    struct resp_part *parts = realloc(parser->parts, capacity * sizeof *parts);
    if (parts)
        parser->parts = parts;
    struct slice *args = parts ? realloc(parser->args, capacity * sizeof *args) : NULL;
    if (!args)
        return false;
    parser->args = args;
    parser->capacity = capacity;
    return true;
}

static int part_add(struct resp_parser *parser, size_t at, size_t len, const struct resp_limits *limits, struct edda_error *error)
{
    if (parser->count == limits->arguments_max)
        return edda_fail_with(error, EDDA_ETOOLARGE, "Protocol error: a command has at most %u arguments", limits->arguments_max);
    if (!part_room(parser))
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory for a command");
    parser->parts[parser->count++] = (struct resp_part){ (uint32_t)at, (uint32_t)len };
    return 0;
}

static void args_make(struct resp_parser *parser, const uint8_t *base)
{
    /* Of a line without anything but empty words there are no bytes at all. */
    for (uint32_t i = 0; i < parser->count; i++)
        parser->args[i] = parser->parts[i].len ? slice_of(base + parser->parts[i].at, parser->parts[i].len) : SLICE("");
}

/* --- arrays of bulk strings -------------------------------------------------------------------------------- */

/* The number between the type's byte at `parser->at` and the end of the line, behind which it then stands. 1, or 0 when more is needed. */
static int line_number(struct resp_parser *parser, struct slice bytes, const char *what, int64_t *ret_number, struct edda_error *error)
{
    const uint8_t *line = bytes.data + parser->at;
    size_t there = bytes.len - parser->at;
    size_t looked = there < NUMBER_LINE_BYTES_MAX ? there : NUMBER_LINE_BYTES_MAX;
    const uint8_t *end = memchr(line, '\n', looked);
    if (!end && there < NUMBER_LINE_BYTES_MAX) {
        parser->needed = bytes.len + 1;
        return 0;
    }
    bool negative = end && line[1] == '-';
    const uint8_t *digit = line + 1 + negative;
    bool right = end && end > digit + 1 && end[-1] == '\r' && end - digit <= 19;
    int64_t number = 0;
    for (; right && digit < end - 1; digit++) {
        right = *digit >= '0' && *digit <= '9';
        number = number * 10 + (*digit - '0');
    }
    if (!right)
        return edda_fail_with(error, EDDA_EMALFORMED, "Protocol error: invalid %s length", what);
    parser->at = (size_t)(end + 1 - bytes.data);
    *ret_number = negative ? -number : number;
    return 1;
}

/* The argument that arrives next: 1 when it is there. */
static int bulk_next(struct resp_parser *parser, struct slice bytes, const struct resp_limits *limits, struct edda_error *error)
{
    if (parser->bulk < 0) {
        if (parser->at == bytes.len) {
            parser->needed = bytes.len + 1;
            return 0;
        }
        uint8_t type = bytes.data[parser->at];
        if (type != '$')
            return edda_fail_with(error, EDDA_EMALFORMED, "Protocol error: expected '$', got '%c'", type > ' ' && type < 0x7f ? type : '?');
        int64_t bulk;
        int rc = line_number(parser, bytes, "bulk", &bulk, error);
        if (rc <= 0)
            return rc;
        if (bulk < 0)
            return edda_fail_with(error, EDDA_EMALFORMED, "Protocol error: invalid bulk length");
        if (bulk > limits->argument_bytes_max || parser->at + (uint64_t)bulk + 2 > limits->command_bytes_max)
            return edda_fail_with(error, EDDA_ETOOLARGE, "Protocol error: invalid bulk length, an argument has at most %u bytes, and a command %u",
                                  limits->argument_bytes_max, limits->command_bytes_max);
        parser->bulk = bulk;
    }
    size_t len = (size_t)parser->bulk;
    if (bytes.len - parser->at < len + 2) {
        parser->needed = parser->at + len + 2;
        return 0;
    }
    const uint8_t *end = bytes.data + parser->at + len;
    if (end[0] != '\r' || end[1] != '\n')
        return edda_fail_with(error, EDDA_EMALFORMED, "Protocol error: a bulk string does not end where its length says");
    int rc = part_add(parser, parser->at, len, limits, error);
    if (rc < 0)
        return rc;
    parser->at += len + 2;
    parser->bulk = -1;
    return 1;
}

static int64_t array_parse(struct resp_parser *parser, struct slice bytes, const struct resp_limits *limits, struct edda_error *error)
{
    if (!parser->begun) {
        int rc = line_number(parser, bytes, "multibulk", &parser->left, error);
        if (rc <= 0)
            return rc;
        if (parser->left > limits->arguments_max)
            return edda_fail_with(error, EDDA_ETOOLARGE, "Protocol error: invalid multibulk length, a command has at most %u arguments",
                                  limits->arguments_max);
        parser->begun = true;
        parser->bulk = -1;
    }
    while (parser->left > 0) {
        int rc = bulk_next(parser, bytes, limits, error);
        if (rc <= 0)
            return rc;
        parser->left--;
    }
    args_make(parser, bytes.data);
    return (int64_t)parser->at;
}

/* --- lines --------------------------------------------------------------------------------------------------- */

static int hex_digit(uint8_t byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    if ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'f')
        return (byte | 0x20) - 'a' + 10;
    return -1;
}

/* What stands behind a backslash in double quotes; returns the bytes it takes. */
static size_t escape(const uint8_t *at, const uint8_t *end, struct buffer *text)
{
    static const char letters[] = "nrtba", meant[] = "\n\r\t\b\a";
    if (at[0] == 'x' && end - at >= 3 && hex_digit(at[1]) >= 0 && hex_digit(at[2]) >= 0) {
        buffer_append_byte(text, (uint8_t)(hex_digit(at[1]) * 16 + hex_digit(at[2])));
        return 3;
    }
    const char *letter = at[0] ? strchr(letters, at[0]) : NULL;
    buffer_append_byte(text, letter ? (uint8_t)meant[letter - letters] : at[0]);
    return 1;
}

/* Copies what is in quotes, which are at `at`; returns what is behind them, NULL when they do not end. */
static const uint8_t *quoted(const uint8_t *at, const uint8_t *end, struct buffer *text)
{
    uint8_t quote = *at++;
    while (at < end && *at != quote) {
        if (*at == '\\' && end - at >= 2 && (quote == '"' || at[1] == '\'')) {
            at++;
            at += quote == '"' ? escape(at, end, text) : 1;
            if (quote == '\'')
                buffer_append_byte(text, '\'');
        } else {
            buffer_append_byte(text, *at++);
        }
    }
    if (at == end)
        return NULL;
    at++;
    return at == end || *at == ' ' || *at == '\t' ? at : NULL;
}

static int words(struct resp_parser *parser, struct slice line, const struct resp_limits *limits, struct edda_error *error)
{
    const uint8_t *at = line.data, *end = line.data + line.len;
    for (;;) {
        while (at < end && (*at == ' ' || *at == '\t' || *at == '\r' || *at == '\0'))
            at++;
        if (at == end)
            return 0;
        size_t begin = parser->text.len;
        while (at && at < end && *at != ' ' && *at != '\t') {
            if (*at == '"' || *at == '\'')
                at = quoted(at, end, &parser->text);
            else
                buffer_append_byte(&parser->text, *at++);
        }
        if (!buffer_ok(&parser->text))
            return edda_fail_with(error, EDDA_ENOMEM, "out of memory for a command");
        if (!at)
            return edda_fail_with(error, EDDA_EMALFORMED, "Protocol error: unbalanced quotes in request");
        int rc = part_add(parser, begin, parser->text.len - begin, limits, error);
        if (rc < 0)
            return rc;
    }
}

static int64_t inline_parse(struct resp_parser *parser, struct slice bytes, const struct resp_limits *limits, struct edda_error *error)
{
    size_t looked = bytes.len < RESP_INLINE_BYTES_MAX ? bytes.len : RESP_INLINE_BYTES_MAX;
    const uint8_t *end = memchr(bytes.data + parser->at, '\n', looked - parser->at);
    if (!end && bytes.len >= RESP_INLINE_BYTES_MAX)
        return edda_fail_with(error, EDDA_ETOOLARGE, "Protocol error: too big inline request");
    if (!end) {
        parser->at = bytes.len;
        parser->needed = bytes.len + 1;
        return 0;
    }
    size_t len = (size_t)(end - bytes.data);
    bool cr = len && end[-1] == '\r';
    int rc = words(parser, slice_of(bytes.data, len - cr), limits, error);
    if (rc < 0)
        return rc;
    args_make(parser, parser->text.data);
    return (int64_t)len + 1;
}

int64_t resp_parse(struct resp_parser *parser, struct slice bytes, const struct resp_limits *limits, struct edda_error *error)
{
    ASSERT(limits->arguments_max > 0 && limits->command_bytes_max <= (1u << 30));
    parser->needed = 1;
    if (bytes.len == 0)
        return 0;
    return bytes.data[0] == '*' ? array_parse(parser, bytes, limits, error) : inline_parse(parser, bytes, limits, error);
}
