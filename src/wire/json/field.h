/*
 * field: what the kinds of fields have in common for reader, writer and checks: sizes, what counts as
 * zero, the limits of a value, and the path by which an error names it.
 */
#ifndef EDDA_WIRE_JSON_FIELD_H
#define EDDA_WIRE_JSON_FIELD_H

#include "base/slice.h"
#include "edda/type.h"

#define FIELD_COUNT_MAX 64
#define FIELD_PATH_MAX 256
#define FIELD_QUOTED_MAX 40 /* bytes of a wrong value that a message repeats */
#define FIELD_TEXT_LEN_MAX 65536
#define FIELD_LIST_LEN_MAX 1000000

/* A path is put together from its end while an error travels outward. What does not fit is left out, from the front. */
struct field_path {
    size_t from; /* the path is text[from] up to the zero */
    char text[FIELD_PATH_MAX];
};

void field_path_init(struct field_path *path);
void field_path_name(struct field_path *path, const char *name);
void field_path_index(struct field_path *path, uint32_t index);

static inline const char *field_path_text(const struct field_path *path)
{
    return path->text + path->from;
}

/* Bytes of a value in its struct; 0 for an unknown kind, or a missing type. */
size_t field_size(uint32_t kind, const struct edda_type *type);

static inline struct slice field_slice(struct edda_text text)
{
    return slice_of(text.data, text.len);
}

/* Whether a value is what a missing field decodes to. */
bool field_is_zero(uint32_t kind, const struct edda_type *type, const void *at);

/* Checks the range, length or choice that the row of a field sets; for an item of a list `field` is FIELD_ITEM.
 * Fills the message, not the field, of `error`. */
int field_limits(const struct edda_field *field, uint32_t kind, const void *at, struct edda_error *error);

extern const struct edda_field field_item;
#define FIELD_ITEM (&field_item)

/* Whether the int is less than a bound, exactly: most bounds above 2^53 are not what they look like. */
bool field_int_less(int64_t value, double bound);
bool field_int_more(int64_t value, double bound);

/* The bound of an int or a double as text, for messages and schemas: 5 and not 5.0. Zero-terminated. */
#define FIELD_BOUND_BYTES 48
void field_bound_text(double bound, char text[FIELD_BOUND_BYTES]);

#endif
