/*
 * message_decode: from bytes to the structs, by the tables. Both encodings differ in three things only: how a length or a count is written, that it is
 * one more in the flexible one, and that there each struct ends with its tagged fields (KIP-482).
 *
 * Every struct begins as its defaults, so that what a version does not have needs no work. Nothing is believed: a length is compared with the bytes that are left
 * before they are lent, a count with the least bytes that so many items take, in this version, before memory is taken. So a message takes memory in proportion to its bytes,
 * and the work that it makes for whoever answers it is bounded by the number of items in it.
 * How deep the structs go is a matter of the tables, not of the bytes.
 */
#include "base/assert.h"
#include "base/cursor.h"
#include "wire/kafka/message_table.h"

#define STRING_BYTES_MAX INT16_MAX

struct decoder {
    struct cursor c;
    const uint8_t *begin;
    struct arena *arena;
    struct message_path path;
    int version;
    bool flexible;
    uint32_t items; /* of all arrays so far */
};

/* Bytes of a field whose size is always the same; 0: of a length of its own. */
static const uint8_t fixed_bytes[] = {
    [KAFKA_BOOL] = 1, [KAFKA_INT8] = 1, [KAFKA_INT16] = 2, [KAFKA_INT32] = 4, [KAFKA_INT64] = 8, [KAFKA_FLOAT64] = 8,
    [KAFKA_UUID] = 16, [KAFKA_STRING] = 0, [KAFKA_BYTES] = 0, [KAFKA_RECORDS] = 0, [KAFKA_STRUCT] = 0,
};

static int decode_struct(struct decoder *d, const struct kafka_type *type, uint8_t *into);

static inline size_t left(const struct decoder *d)
{
    return (size_t)(d->c.end - d->c.at);
}

static inline uint32_t load_be32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static inline uint64_t load_be64(const uint8_t *at)
{
    return (uint64_t)load_be32(at) << 32 | load_be32(at + 4);
}

static size_t byte_at(const struct decoder *d, const uint8_t *at)
{
    return (size_t)(at - d->begin);
}

static int ends_within(const struct decoder *d, const struct kafka_field *field, const uint8_t *from)
{
    return message_path_fail(&d->path, field, EDDA_EMALFORMED, "the bytes end within it, at byte %zu", byte_at(d, from));
}

/* Of the common length, one byte, without a call. False: the bytes end, or it is none. */
static inline bool read_uvarint(struct decoder *d, uint32_t *ret_value)
{
    if (d->c.at < d->c.end && *d->c.at < 0x80)
        *ret_value = *d->c.at++;
    else
        *ret_value = cursor_uvarint32(&d->c);
    return cursor_ok(&d->c);
}

/* A length or a count; -1 is null. */
static inline bool read_length(struct decoder *d, bool wide, int64_t *ret_length)
{
    uint32_t value;
    if (d->flexible) {
        if (!read_uvarint(d, &value))
            return false;
        *ret_length = (int64_t)value - 1;
        return true;
    }
    size_t bytes = wide ? 4 : 2;
    if (left(d) < bytes)
        return false;
    *ret_length = wide ? (int64_t)(int32_t)load_be32(d->c.at) : (int64_t)(int16_t)(d->c.at[0] << 8 | d->c.at[1]);
    d->c.at += bytes;
    return true;
}

static int decode_slice(struct decoder *d, const struct kafka_field *field, bool nullable, struct slice *into)
{
    const uint8_t *from = d->c.at;
    int64_t len;
    if (!read_length(d, field->kind != KAFKA_STRING, &len))
        return ends_within(d, field, from);
    if (len == -1 && nullable) {
        *into = slice_of(NULL, 0);
        return 0;
    }
    if (len == -1)
        return message_path_fail(&d->path, field, EDDA_EMALFORMED, "is null, which it may not be in version %d, at byte %zu", d->version,
                                 byte_at(d, from));
    if (len < 0 || (uint64_t)len > left(d) || (field->kind == KAFKA_STRING && len > STRING_BYTES_MAX))
        return message_path_fail(&d->path, field, EDDA_EMALFORMED, "has a length of %lld bytes at byte %zu, with %zu left", (long long)len,
                                 byte_at(d, from), left(d));
    *into = slice_of(d->c.at, (size_t)len);
    d->c.at += len;
    return 0;
}

/* Anything but an array or a struct. */
static inline int decode_value(struct decoder *d, const struct kafka_field *field, bool nullable, void *into)
{
    const uint8_t *at = d->c.at;
    size_t bytes = fixed_bytes[field->kind];
    if (bytes == 0)
        return decode_slice(d, field, nullable, into);
    if (left(d) < bytes)
        return ends_within(d, field, at);
    d->c.at += bytes;
    switch (field->kind) {
    case KAFKA_BOOL:
        *(bool *)into = at[0] != 0;
        break;
    case KAFKA_INT8:
        *(int8_t *)into = (int8_t)at[0];
        break;
    case KAFKA_INT16:
        *(int16_t *)into = (int16_t)(at[0] << 8 | at[1]);
        break;
    case KAFKA_INT32:
        *(int32_t *)into = (int32_t)load_be32(at);
        break;
    case KAFKA_INT64:
    case KAFKA_FLOAT64:
        *(uint64_t *)into = load_be64(at);
        break;
    default:
        memcpy(into, at, bytes);
        break;
    }
    return 0;
}

static int decode_items(struct decoder *d, const struct kafka_field *field, uint8_t *items, int32_t count)
{
    int r = 0;
    int32_t *index = &d->path.at[d->path.depth].index;
    message_path_enter(&d->path, field);
    for (int32_t i = 0; i < count && r == 0; i++, items += field->item_size) {
        *index = i;
        r = field->kind == KAFKA_STRUCT ? decode_struct(d, field->type, items) : decode_value(d, field, false, items);
    }
    d->path.depth--;
    return r;
}

/* The least bytes of one item; 1 where there may be none at all, so that a count is always bounded. */
static size_t item_bytes_min(const struct decoder *d, const struct kafka_field *field)
{
    size_t bytes = fixed_bytes[field->kind];
    if (field->kind == KAFKA_STRUCT)
        bytes = field->type->bytes_min[d->version - d->path.message->first];
    else if (bytes == 0)
        bytes = d->flexible ? 1 : field->kind == KAFKA_STRING ? 2 : 4;
    return bytes ? bytes : 1;
}

static int decode_array(struct decoder *d, const struct kafka_field *field, uint8_t *into)
{
    const uint8_t *from = d->c.at;
    int64_t count;
    if (!read_length(d, true, &count))
        return ends_within(d, field, from);
    if (count == -1 && !field_nullable(field, d->version))
        return message_path_fail(&d->path, field, EDDA_EMALFORMED, "is null, which it may not be in version %d, at byte %zu", d->version,
                                 byte_at(d, from));
    if (count < -1 || (count > 0 && (uint64_t)count > left(d) / item_bytes_min(d, field)))
        return message_path_fail(&d->path, field, EDDA_EMALFORMED, "has a count of %lld at byte %zu, with %zu bytes left", (long long)count,
                                 byte_at(d, from), left(d));
    if (count > KAFKA_ITEMS_MAX - (int64_t)d->items)
        return message_path_fail(&d->path, field, EDDA_ELIMIT, "has a count of %lld at byte %zu, and a message has at most %d items in all", (long long)count,
                                 byte_at(d, from), KAFKA_ITEMS_MAX);
    d->items += count > 0 ? (uint32_t)count : 0;
    uint8_t *items = NULL;
    if (count > 0) {
        items = arena_alloc(d->arena, (size_t)count * field->item_size);
        if (!items)
            return message_path_fail(&d->path, field, EDDA_ENOMEM, "no memory for %lld items", (long long)count);
    }
    *(void **)(into + field->offset) = items;
    *(int32_t *)(into + field->count_offset) = (int32_t)count;
    return count > 0 ? decode_items(d, field, items, (int32_t)count) : 0;
}

/* A struct behind a pointer has a byte before it, -1 for null. */
static int decode_pointer(struct decoder *d, const struct kafka_field *field, uint8_t **into)
{
    const uint8_t *from = d->c.at;
    if (left(d) < 1)
        return ends_within(d, field, from);
    int8_t there = (int8_t)*d->c.at++;
    *into = NULL;
    if (there < 0)
        return 0;
    *into = arena_alloc(d->arena, field->type->size);
    if (!*into)
        return message_path_fail(&d->path, field, EDDA_ENOMEM, "no memory for it");
    message_path_enter(&d->path, field);
    int r = decode_struct(d, field->type, *into);
    d->path.depth--;
    return r;
}

static inline int decode_field(struct decoder *d, const struct kafka_field *field, uint8_t *into)
{
    if (field->array)
        return decode_array(d, field, into);
    if (field->kind != KAFKA_STRUCT)
        return decode_value(d, field, field_nullable(field, d->version), into + field->offset);
    if (field->pointer)
        return decode_pointer(d, field, (uint8_t **)(into + field->offset));
    message_path_enter(&d->path, field);
    int r = decode_struct(d, field->type, into + field->offset);
    d->path.depth--;
    return r;
}

static const struct kafka_field *field_of_tag(const struct decoder *d, const struct kafka_type *type, uint32_t tag)
{
    for (const struct kafka_field *field = type->fields; type->tagged && field < type->fields + type->field_count; field++) {
        if (field->tag == tag && field_tagged(field, d->version))
            return field;
    }
    return NULL;
}

/* A known tagged field must fill its bytes exactly. */
static int decode_tagged(struct decoder *d, const struct kafka_field *field, uint32_t len, uint8_t *into)
{
    const uint8_t *end = d->c.end;
    d->c.end = d->c.at + len;
    int r = decode_field(d, field, into);
    if (r == 0 && d->c.at != d->c.end)
        r = message_path_fail(&d->path, field, EDDA_EMALFORMED, "as a tagged field has %zu bytes behind its end, at byte %zu", left(d),
                              byte_at(d, d->c.at));
    d->c.end = end;
    return r;
}

/* The tagged fields at the end of a struct, in ascending order; unknown ones are skipped. */
static int decode_tags(struct decoder *d, const struct kafka_type *type, uint8_t *into)
{
    const uint8_t *from = d->c.at;
    uint32_t count, tag, len;
    int64_t last = -1;
    if (!read_uvarint(d, &count))
        return message_path_fail(&d->path, NULL, EDDA_EMALFORMED, "the bytes end before the count of its tagged fields, at byte %zu",
                                 byte_at(d, from));
    for (; count > 0; count--) {
        from = d->c.at;
        if (!read_uvarint(d, &tag) || !read_uvarint(d, &len) || len > left(d))
            return message_path_fail(&d->path, NULL, EDDA_EMALFORMED, "the bytes end within its tagged fields, at byte %zu", byte_at(d, from));
        if (tag <= last)
            return message_path_fail(&d->path, NULL, EDDA_EMALFORMED, "its tagged fields do not ascend: %lu at byte %zu", (unsigned long)tag,
                                     byte_at(d, from));
        last = tag;
        const struct kafka_field *field = field_of_tag(d, type, tag);
        int r = field ? decode_tagged(d, field, len, into) : 0;
        if (r < 0)
            return r;
        if (!field)
            d->c.at += len;
    }
    return 0;
}

static int decode_struct(struct decoder *d, const struct kafka_type *type, uint8_t *into)
{
    memcpy(into, type->initial, type->size);
    for (const struct kafka_field *field = type->fields, *end = field + type->field_count; field < end; field++) {
        if (!field_in(field, d->version) || field_tagged(field, d->version))
            continue;
        int r = decode_field(d, field, into);
        if (r < 0)
            return r;
    }
    return d->flexible ? decode_tags(d, type, into) : 0;
}

int kafka_decode(const struct kafka_message *message, int version, struct slice body, struct arena *arena, void *ret_value,
                 struct edda_error *error)
{
    struct decoder d = {
        .c = cursor_of(body), .begin = body.data, .arena = arena, .path.message = message, .path.error = error, .version = version,
    };
    int r = message_version_check(message, version, error);
    if (r < 0)
        return r;
    d.flexible = kafka_message_flexible(message, version);
    return decode_struct(&d, message->type, ret_value);
}
