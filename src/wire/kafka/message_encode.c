/*
 * message_encode: from the structs to bytes, by the same tables as message_decode.c. What a version does not have must be as it would be decoded from that version, or be
 * of no consequence there, or else the other side would act on something that was never said.
 */
#include "base/assert.h"
#include "base/put.h"
#include "wire/kafka/message_table.h"

#define STRING_BYTES_MAX INT16_MAX

struct encoder {
    struct buffer *out;
    struct message_path path;
    const struct slice *pieces; /* of records, the next first; NULL: they lie where the fields say */
    int version;
    bool flexible;
};

static int encode_struct(struct encoder *e, const struct kafka_type *type, const uint8_t *from);

static inline struct slice slice_at(const void *from)
{
    return *(const struct slice *)from;
}

static bool struct_is_default(const struct kafka_type *type, const uint8_t *value, const uint8_t *initial);

/* Whether nothing is lost when the field is left out. Empty and null are the same here unless `exact`. */
static bool field_is_default(const struct kafka_field *field, const uint8_t *value, const uint8_t *initial, bool exact)
{
    const uint8_t *a = value + field->offset;
    const uint8_t *b = initial + field->offset;
    if (field->array) {
        int32_t count = *(const int32_t *)(value + field->count_offset);
        return count <= 0 && (!exact || count == *(const int32_t *)(initial + field->count_offset));
    }
    switch (field->kind) {
    case KAFKA_BOOL:
    case KAFKA_INT8:
        return *a == *b;
    case KAFKA_INT16:
        return memcmp(a, b, sizeof(int16_t)) == 0;
    case KAFKA_INT32:
        return memcmp(a, b, sizeof(int32_t)) == 0;
    case KAFKA_INT64:
    case KAFKA_FLOAT64:
        return memcmp(a, b, sizeof(int64_t)) == 0;
    case KAFKA_UUID:
        return memcmp(a, b, sizeof(struct kafka_uuid)) == 0;
    case KAFKA_STRUCT:
        return field->pointer ? *(void *const *)a == NULL : struct_is_default(field->type, a, b);
    default:
        return slice_at(a).len == 0 && (!exact || !slice_at(a).data == !slice_at(b).data);
    }
}

static bool struct_is_default(const struct kafka_type *type, const uint8_t *value, const uint8_t *initial)
{
    for (const struct kafka_field *field = type->fields; field < type->fields + type->field_count; field++) {
        if (!field_is_default(field, value, initial, false))
            return false;
    }
    return true;
}

static void write_uvarint(struct encoder *e, uint64_t value)
{
    uint8_t *at = buffer_extend(e->out, uvarint64_size(value));
    if (at)
        put_uvarint64(at, value);
}

/* A length or a count; -1 is null. */
static void write_length(struct encoder *e, bool wide, int64_t length)
{
    if (e->flexible) {
        write_uvarint(e, (uint64_t)(length + 1));
        return;
    }
    uint8_t *at = buffer_extend(e->out, wide ? 4 : 2);
    if (at && wide)
        put_be32(at, (uint32_t)length);
    else if (at)
        put_be16(at, (uint16_t)length);
}

static void write_pieces(struct encoder *e, size_t len)
{
    while (len > 0) {
        ASSERT(e->pieces->len <= len);
        len -= e->pieces->len;
        buffer_append_slice(e->out, *e->pieces++);
    }
}

static int encode_slice(struct encoder *e, const struct kafka_field *field, bool nullable, struct slice value)
{
    size_t bytes_max = field->kind == KAFKA_STRING ? STRING_BYTES_MAX : INT32_MAX;
    if (value.len > bytes_max)
        return message_path_fail(&e->path, field, EDDA_ETOOLARGE, "has %zu bytes; at most %zu", value.len, bytes_max);
    bool null = !value.data && nullable;
    write_length(e, field->kind != KAFKA_STRING, null ? -1 : (int64_t)value.len);
    if (value.len > 0 && field->kind == KAFKA_RECORDS && e->pieces)
        write_pieces(e, value.len);
    else if (value.len > 0)
        buffer_append_slice(e->out, value);
    return 0;
}

/* Anything but an array or a struct. */
static inline int encode_value(struct encoder *e, const struct kafka_field *field, bool nullable, const void *value)
{
    uint8_t *at;
    switch (field->kind) {
    case KAFKA_BOOL:
    case KAFKA_INT8:
        at = buffer_extend(e->out, 1);
        if (at)
            *at = *(const uint8_t *)value;
        return 0;
    case KAFKA_INT16:
        at = buffer_extend(e->out, 2);
        if (at)
            put_be16(at, *(const uint16_t *)value);
        return 0;
    case KAFKA_INT32:
        at = buffer_extend(e->out, 4);
        if (at)
            put_be32(at, *(const uint32_t *)value);
        return 0;
    case KAFKA_INT64:
    case KAFKA_FLOAT64:
        at = buffer_extend(e->out, 8);
        if (at)
            put_be64(at, *(const uint64_t *)value);
        return 0;
    case KAFKA_UUID:
        buffer_append(e->out, value, sizeof(struct kafka_uuid));
        return 0;
    default:
        return encode_slice(e, field, nullable, slice_at(value));
    }
}

static int encode_array(struct encoder *e, const struct kafka_field *field, const uint8_t *from)
{
    const uint8_t *items = *(const uint8_t *const *)(from + field->offset);
    int32_t count = *(const int32_t *)(from + field->count_offset);
    if (count < -1 || (count == -1 && !field_nullable(field, e->version)))
        return message_path_fail(&e->path, field, EDDA_EINVAL, "has a count of %d, which it may not in version %d", (int)count, e->version);
    ASSERT(items || count <= 0);
    write_length(e, true, count);
    int r = 0;
    message_path_enter(&e->path, field);
    for (int32_t i = 0; i < count && r == 0; i++, items += field->item_size) {
        e->path.at[e->path.depth - 1].index = i;
        r = field->kind == KAFKA_STRUCT ? encode_struct(e, field->type, items) : encode_value(e, field, false, items);
    }
    e->path.depth--;
    return r;
}

static int encode_field(struct encoder *e, const struct kafka_field *field, const uint8_t *from)
{
    const uint8_t *value = from + field->offset;
    if (field->array)
        return encode_array(e, field, from);
    if (field->kind != KAFKA_STRUCT)
        return encode_value(e, field, field_nullable(field, e->version), value);
    if (field->pointer) {
        value = *(const uint8_t *const *)value;
        buffer_append_byte(e->out, value ? 1 : UINT8_MAX);
        if (!value)
            return 0;
    }
    message_path_enter(&e->path, field);
    int r = encode_struct(e, field->type, value);
    e->path.depth--;
    return r;
}

/* The length of a tagged field stands before it and is known behind it: the field, which is short, is moved up by as many bytes as its length takes. */
static int encode_tagged(struct encoder *e, const struct kafka_field *field, const uint8_t *from)
{
    write_uvarint(e, field->tag);
    size_t start = e->out->len;
    int r = encode_field(e, field, from);
    if (r < 0 || !buffer_ok(e->out))
        return r;
    size_t len = e->out->len - start;
    size_t bytes = uvarint64_size(len);
    if (buffer_extend(e->out, bytes)) {
        memmove(e->out->data + start + bytes, e->out->data + start, len);
        put_uvarint64(e->out->data + start, len);
    }
    return 0;
}

static inline bool tagged_to_write(const struct encoder *e, const struct kafka_type *type, const struct kafka_field *field, const uint8_t *from)
{
    return field_tagged(field, e->version) && !field_is_default(field, from, type->initial, field_nullable(field, e->version));
}

static int encode_tags(struct encoder *e, const struct kafka_type *type, const uint8_t *from)
{
    uint32_t count = 0;
    const struct kafka_field *end = type->fields + type->field_count;
    for (const struct kafka_field *field = type->fields; type->tagged && field < end; field++)
        count += tagged_to_write(e, type, field, from);
    write_uvarint(e, count);
    for (const struct kafka_field *field = type->fields; count > 0 && field < end; field++) {
        int r = tagged_to_write(e, type, field, from) ? encode_tagged(e, field, from) : 0;
        if (r < 0)
            return r;
    }
    return 0;
}

static int encode_struct(struct encoder *e, const struct kafka_type *type, const uint8_t *from)
{
    for (const struct kafka_field *field = type->fields, *end = field + type->field_count; field < end; field++) {
        int r = 0;
        if (!field_in(field, e->version)) {
            if (!field->ignorable && !field_is_default(field, from, type->initial, false))
                return message_path_fail(&e->path, field, EDDA_EUNSUPPORTED, "is set, and version %d does not have it", e->version);
        } else if (!field_tagged(field, e->version)) {
            r = encode_field(e, field, from);
        }
        if (r < 0)
            return r;
    }
    return e->flexible ? encode_tags(e, type, from) : 0;
}

int kafka_encode(const struct kafka_message *message, int version, const void *value, struct buffer *out, struct edda_error *error)
{
    return kafka_encode_pieces(message, version, value, NULL, out, error);
}

int kafka_encode_pieces(const struct kafka_message *message, int version, const void *value, const struct slice *pieces, struct buffer *out,
                        struct edda_error *error)
{
    struct encoder e = {
        .out = out, .path.message = message, .path.error = error, .pieces = pieces, .version = version,
    };
    int r = message_version_check(message, version, error);
    if (r < 0)
        return r;
    size_t start = out->len;
    e.flexible = kafka_message_flexible(message, version);
    r = encode_struct(&e, message->type, value);
    if (r < 0 && buffer_ok(out))
        buffer_truncate(out, start);
    return r;
}
