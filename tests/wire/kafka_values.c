#include "kafka_values.h"

#include <ctype.h>

#include "base/assert.h"

struct maker {
    int version;
    enum value_rule rule;
    struct prng *random;
    struct arena *arena;
};

static void make_struct(const struct maker *m, const struct kafka_type *type, uint8_t *into);

static bool chance(const struct maker *m, uint64_t n)
{
    return m->rule == VALUE_RANDOM && prng_one_in(m->random, n);
}

static int64_t number_of(const struct kafka_field *field, int item)
{
    int64_t n = item;
    for (const char *c = field->name; *c; c++)
        n += tolower((unsigned char)*c);
    return n;
}

static struct slice text_of(const struct maker *m, const struct kafka_field *field)
{
    size_t len = m->rule == VALUE_RANDOM ? (size_t)prng_below(m->random, chance(m, 8) ? 300 : 12) : strlen(field->name);
    uint8_t *bytes = arena_bytes(m->arena, len + 1);
    ASSERT(bytes);
    for (size_t i = 0; i < len; i++)
        bytes[i] = m->rule == VALUE_RANDOM ? (uint8_t)prng_u64(m->random) : (uint8_t)tolower((unsigned char)field->name[i]);
    return slice_of(bytes, len);
}

static void make_value(const struct maker *m, const struct kafka_field *field, int item, bool nullable, void *into)
{
    int64_t n = number_of(field, item);
    int64_t some = m->rule == VALUE_RANDOM ? (int64_t)prng_u64(m->random) : 0;
    bool random = m->rule == VALUE_RANDOM;
    switch ((enum kafka_kind)field->kind) {
    case KAFKA_BOOL:
        *(bool *)into = random ? some & 1 : true;
        break;
    case KAFKA_INT8:
        *(int8_t *)into = (int8_t)(random ? some : n % 100);
        break;
    case KAFKA_INT16:
        *(int16_t *)into = (int16_t)(random ? some : n);
        break;
    case KAFKA_INT32:
        *(int32_t *)into = (int32_t)(random ? some : n * 1000);
        break;
    case KAFKA_INT64:
    case KAFKA_FLOAT64:
        *(int64_t *)into = random ? some : n * INT64_C(1000000000000);
        break;
    case KAFKA_UUID:
        for (int i = 0; i < 16; i++)
            ((struct kafka_uuid *)into)->bytes[i] = (uint8_t)(some + n + i);
        break;
    case KAFKA_STRING:
    case KAFKA_BYTES:
    case KAFKA_RECORDS:
        *(struct slice *)into = nullable && (m->rule == VALUE_NULL || chance(m, 3)) ? slice_of(NULL, 0) : text_of(m, field);
        break;
    case KAFKA_STRUCT:
        make_struct(m, field->type, into);
        break;
    }
}

static void make_array(const struct maker *m, const struct kafka_field *field, uint8_t *into)
{
    int32_t count = m->rule == VALUE_RANDOM ? (int32_t)prng_below(m->random, 4) : field->kind == KAFKA_STRUCT ? 1 : 2;
    bool nullable = field_nullable(field, m->version);
    if (nullable && (m->rule == VALUE_NULL || chance(m, 4)))
        count = -1;
    uint8_t *items = count > 0 ? arena_alloc(m->arena, (size_t)count * field->item_size) : NULL;
    ASSERT(items || count <= 0);
    *(void **)(into + field->offset) = items;
    *(int32_t *)(into + field->count_offset) = count;
    for (int32_t i = 0; i < count; i++)
        make_value(m, field, i, false, items + (size_t)i * field->item_size);
}

static void make_struct(const struct maker *m, const struct kafka_type *type, uint8_t *into)
{
    memcpy(into, type->initial, type->size);
    for (int i = 0; i < type->field_count; i++) {
        const struct kafka_field *field = &type->fields[i];
        uint8_t *at = into + field->offset;
        bool tagged = field_tagged(field, m->version);
        if (!field_in(field, m->version) || (tagged && (m->rule == VALUE_NULL || chance(m, 2))))
            continue;
        if (field->array) {
            make_array(m, field, into);
            continue;
        }
        if (field->pointer) {
            bool null = m->rule == VALUE_NULL || chance(m, 2);
            void *inside = null ? NULL : arena_alloc(m->arena, field->type->size);
            *(void **)at = inside;
            if (inside)
                make_struct(m, field->type, inside);
            continue;
        }
        make_value(m, field, 0, field_nullable(field, m->version), at);
    }
}

void value_make(const struct kafka_message *message, int version, enum value_rule rule, struct prng *random, struct arena *arena, void *ret_value)
{
    struct maker m = { version, rule, random, arena };
    make_struct(&m, message->type, ret_value);
}

static bool same_struct(const struct kafka_type *type, const uint8_t *a, const uint8_t *b);

static bool same_value(const struct kafka_field *field, const void *a, const void *b)
{
    static const uint8_t sizes[] = { [KAFKA_BOOL] = 1, [KAFKA_INT8] = 1, [KAFKA_INT16] = 2, [KAFKA_INT32] = 4, [KAFKA_INT64] = 8,
                                     [KAFKA_FLOAT64] = 8, [KAFKA_UUID] = 16 };
    if (field->kind == KAFKA_STRUCT)
        return same_struct(field->type, a, b);
    if (field->kind <= KAFKA_UUID)
        return memcmp(a, b, sizes[field->kind]) == 0;
    const struct slice *x = a, *y = b;
    return slice_eq(*x, *y) && !x->data == !y->data;
}

static bool same_field(const struct kafka_field *field, const uint8_t *a, const uint8_t *b)
{
    const uint8_t *x = a + field->offset, *y = b + field->offset;
    if (field->array) {
        int32_t count = *(const int32_t *)(a + field->count_offset);
        if (count != *(const int32_t *)(b + field->count_offset))
            return false;
        x = *(const uint8_t *const *)x;
        y = *(const uint8_t *const *)y;
        for (int32_t i = 0; i < count; i++, x += field->item_size, y += field->item_size) {
            if (!same_value(field, x, y))
                return false;
        }
        return true;
    }
    if (field->pointer) {
        x = *(const uint8_t *const *)x;
        y = *(const uint8_t *const *)y;
        return x && y ? same_struct(field->type, x, y) : x == y;
    }
    return same_value(field, x, y);
}

static bool same_struct(const struct kafka_type *type, const uint8_t *a, const uint8_t *b)
{
    for (int i = 0; i < type->field_count; i++) {
        if (!same_field(&type->fields[i], a, b))
            return false;
    }
    return true;
}

bool value_same(const struct kafka_message *message, const void *a, const void *b)
{
    return same_struct(message->type, a, b);
}
