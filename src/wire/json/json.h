/*
 * json: the table-driven codec of declared types (edda/type.h) and a small reader for the rest.
 *
 * Declared messages go straight from bytes to their struct and back: no tree, and no allocation
 * but texts with escapes and lists, which go to the caller's arena. Texts without escapes borrow
 * the input, so the input must outlive the struct.
 *
 * Reading follows RFC 8259, UTF-8 checked, nesting at most 64. Members may come in any order;
 * unknown ones are skipped, of repeated ones the last counts. A number may come as a string holding one ("500"), a
 * number for a text field is taken as its own text, and null is as good as missing. An INT takes 5, 5.0 and 5e2 but no
 * fraction and nothing outside of int64_t.
 */
#ifndef EDDA_WIRE_JSON_H
#define EDDA_WIRE_JSON_H

#include "base/arena.h"
#include "base/buffer.h"
#include "edda/type.h"

enum json_mode {
    JSON_REQUEST, /* a request: a missing field that is not optional, and a value out of its range, is an error */
    JSON_STORED  /* an event as recorded: what is missing is zero, ranges were checked when it was written */
};

/* Decodes one object into `ret_value` (type->size bytes, zeroed first). EDDA_EMALFORMED when the bytes are
 * no JSON (the message gives the byte), EDDA_EINVAL with the field's path ("items[2].price") when a value is wrong;
 * EDDA_ENOMEM. On failure *ret_value is zero. */
int json_decode(const struct edda_type *type, struct slice json, enum json_mode mode, struct arena *arena,
                void *ret_value, struct edda_error *error);

/* Appends the object. Doubles are written shortest-round-trip, integral ones with ".0" (500.0), INTs
 * plainly, TIMEs as RFC 3339 UTC with milliseconds. Optional zero fields are left out. */
void json_encode(const struct edda_type *type, const void *value, struct buffer *out);
/* The same without the braces, for callers that put members of their own around it; a comma is
 * written before the first member when `comma`. Returns whether any member was written. */
bool json_encode_members(const struct edda_type *type, const void *value, bool comma, struct buffer *out);

/* Checks the ranges of a struct that a program filled: as JSON_REQUEST does. */
int json_check(const struct edda_type *type, const void *value, struct edda_error *error);

/* Appends the JSON Schema (2020-12) of a type. */
void json_schema(const struct edda_type *type, struct buffer *out);
/* That of one field, to stand in another. */
void json_schema_field(const struct edda_field *field, struct buffer *out);

/* Appends a string with its quotes, escaping what must be; invalid UTF-8 becomes U+FFFD. */
void json_put_string(struct buffer *out, struct slice text);
void json_put_int(struct buffer *out, int64_t value);
void json_put_double(struct buffer *out, double value);
/* RFC 3339, UTC, milliseconds, with quotes. */
void json_put_time(struct buffer *out, int64_t ms);

/* The raw bytes of the member `name` of the object at the top of `json`, which need not be valid behind
 * it; false when there is none. *ret_is_string says whether it is a string (then without its quotes, and
 * still escaped). */
bool json_find(struct slice json, const char *name, struct slice *ret_raw, bool *ret_is_string);

/* Whether the object has a member, at any depth, that the type does not have: *ret_path names it ("items[2].prize"). `json` should be what
 * json_decode() has taken. */
bool json_unknown(const struct edda_type *type, struct slice json, char *ret_path, size_t size);

/* Whether all of `json` is one JSON value. On failure *ret_offset is the first wrong byte. */
bool json_valid(struct slice json, size_t *ret_offset);

/* The value of a member of a decoded struct as text: INTs in decimal, TEXT as it is, a nested path with dots
 * ("idName.id"). NULL field: false. Written to the arena where it must be. */
bool json_field_text(const struct edda_type *type, const void *value, const char *path, struct arena *arena,
                     struct slice *ret_text);

/* Parses RFC 3339 into milliseconds since 1970; false when it is none. */
bool json_parse_time(struct slice text, int64_t *ret_ms);
/* Parses a date alone, "2026-01-31": its midnight UTC. */
bool json_parse_date(struct slice text, int64_t *ret_ms);

#endif
