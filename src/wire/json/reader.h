/*
 * reader: one pass over JSON text (RFC 8259), with a sticky failure. It gives the pieces from which
 * the decoder is made; what it has passed over is valid.
 */
#ifndef EDDA_WIRE_JSON_READER_H
#define EDDA_WIRE_JSON_READER_H

#include "wire/json/number.h"
#include "wire/json/text.h"

#define READER_DEPTH_MAX 64

struct reader {
    const uint8_t *begin;
    const uint8_t *at;
    const uint8_t *end;
    uint32_t depth;          /* objects and lists that are open */
    const char *wrong;       /* what is wrong, or NULL */
    const uint8_t *wrong_at; /* where */
};

static inline struct reader reader_of(struct slice json)
{
    const uint8_t *end = json.len ? json.data + json.len : json.data;
    return (struct reader){ .begin = json.data, .at = json.data, .end = end };
}

/* Fails at the place `at`, unless it has failed before. Always false. */
bool reader_fail_at(struct reader *r, const uint8_t *at, const char *wrong);

static inline bool reader_fail(struct reader *r, const char *wrong)
{
    return reader_fail_at(r, r->at, wrong);
}

static inline size_t reader_wrong_offset(const struct reader *r)
{
    return (size_t)(r->wrong_at - r->begin);
}

/* Passes white space; returns the byte there, still to be taken, or 0 at the end. */
static inline uint8_t reader_peek(struct reader *r)
{
    while (r->at < r->end) {
        uint8_t byte = *r->at;
        if (byte > ' ' || (byte != ' ' && byte != '\n' && byte != '\r' && byte != '\t'))
            return byte;
        r->at++;
    }
    return 0;
}

/* Takes a byte that must come next, white space aside. */
static inline bool reader_take(struct reader *r, uint8_t byte, const char *wrong)
{
    if (reader_peek(r) != byte || r->at == r->end)
        return reader_fail(r, wrong);
    r->at++;
    return true;
}

/* Enters the object or list whose bracket is next, which must have been peeked at. */
static inline bool reader_enter(struct reader *r)
{
    if (r->depth == READER_DEPTH_MAX)
        return reader_fail(r, "nested deeper than 64 levels");
    r->depth++;
    r->at++;
    return true;
}

static inline void reader_leave(struct reader *r)
{
    r->depth--;
    r->at++;
}

/* Behind a member or an item: true when another one follows. False also at a failure. */
static inline bool reader_more(struct reader *r, uint8_t close, const char *wrong)
{
    uint8_t byte = reader_peek(r);
    if (byte == ',') {
        r->at++;
        return true;
    }
    if (byte != close)
        return reader_fail(r, wrong);
    reader_leave(r);
    return false;
}

#define READER_WRONG_OBJECT "expected ',' or '}'"
#define READER_WRONG_LIST "expected ',' or ']'"
#define READER_WRONG_NAME "expected the name of a member"
#define READER_WRONG_COLON "expected ':'"

/* Takes the string whose quote is next; *ret_raw is its inside, still escaped when *ret_escaped. */
bool reader_string(struct reader *r, struct slice *ret_raw, bool *ret_escaped);
bool reader_number(struct reader *r, struct number *ret_number);
/* Takes "true", "false" or "null", whose first byte is next. */
bool reader_literal(struct reader *r, const char *literal);
/* Takes any value. */
bool reader_skip(struct reader *r);
/* Takes one value that is all there is. */
bool reader_whole(struct reader *r);

/* What begins with this byte, for messages: "a string"; NULL when no value does. */
const char *reader_value_name(uint8_t byte);

#endif
