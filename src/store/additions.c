/* additions: see additions.h. Slots are probed one after the other and never more than half in use. */
#include "store/additions.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

#define CAPACITY_MIN 64
#define SLOT_BITS_MIN 7

void additions_init(struct additions *a)
{
    *a = (struct additions){ .generation = 1 };
}

void additions_deinit(struct additions *a)
{
    free(a->items);
    free(a->previous);
    free(a->slots);
    additions_init(a);
}

static void slots_clear(struct additions *a)
{
    a->slots_used = 0;
    if (++a->generation == 0) {
        memset(a->slots, 0, sizeof(*a->slots) << a->slot_bits);
        a->generation = 1;
    }
}

void additions_clear(struct additions *a)
{
    a->count = 0;
    slots_clear(a);
}

static inline uint32_t tag_of(struct hash128 key)
{
    return (uint32_t)(key.hi >> 32);
}

/* Whether a slot that is in use is this key's. */
static inline bool slot_is(const struct additions *a, const struct additions_slot *slot, struct hash128 key)
{
    return slot->tag == tag_of(key) && hash128_eq(a->items[slot->last].key, key);
}

/* The slot of a key, or the free one where it belongs. */
static struct additions_slot *slot_find(const struct additions *a, struct hash128 key)
{
    uint32_t mask = (UINT32_C(1) << a->slot_bits) - 1;
    uint32_t at = (uint32_t)key.lo & mask;
    while (a->slots[at].generation == a->generation && !slot_is(a, &a->slots[at], key))
        at = (at + 1) & mask;
    return &a->slots[at];
}

static bool slots_grow(struct additions *a, uint32_t bits)
{
    struct additions_slot *slots = calloc((size_t)1 << bits, sizeof(*slots));
    if (!slots)
        return false;
    struct additions_slot *before = a->slots;
    size_t before_count = before ? (size_t)1 << a->slot_bits : 0;
    a->slots = slots;
    a->slot_bits = bits;
    a->slots_used = 0;
    for (size_t i = 0; i < before_count; i++) {
        if (before[i].generation != a->generation)
            continue;
        struct additions_slot *slot = slot_find(a, a->items[before[i].last].key);
        *slot = before[i];
        a->slots_used++;
    }
    free(before);
    return true;
}

bool additions_reserve(struct additions *a, uint32_t more)
{
    uint32_t needed = a->count + more;
    if (needed > a->capacity) {
        uint32_t capacity = a->capacity ? a->capacity : CAPACITY_MIN;
        while (capacity < needed)
            capacity *= 2;
        struct index_addition *items = realloc(a->items, capacity * sizeof(*items));
        if (items)
            a->items = items;
        uint32_t *previous = items ? realloc(a->previous, capacity * sizeof(*previous)) : NULL;
        if (!previous)
            return false;
        a->previous = previous;
        a->capacity = capacity;
    }
    uint32_t bits = a->slot_bits ? a->slot_bits : SLOT_BITS_MIN;
    while ((a->slots_used + more) * UINT64_C(2) > UINT64_C(1) << bits)
        bits++;
    return (a->slots && bits == a->slot_bits) || slots_grow(a, bits);
}

/* Makes an item the newest of its key. */
static void item_link(struct additions *a, uint32_t item)
{
    struct hash128 key = a->items[item].key;
    struct additions_slot *slot = slot_find(a, key);
    bool known = slot->generation == a->generation;
    a->slots_used += !known;
    a->previous[item] = known ? slot->last : ADDITIONS_NONE;
    *slot = (struct additions_slot){
        .tag = tag_of(key),
        .generation = a->generation,
        .last = item,
        .count = known ? slot->count + 1 : 1,
    };
}

void additions_put(struct additions *a, struct hash128 key, const struct index_entry *entry)
{
    ASSERT(a->count < a->capacity);
    a->items[a->count] = (struct index_addition){ .key = key, .entry = *entry };
    item_link(a, a->count++);
}

void additions_rewind(struct additions *a, uint32_t count)
{
    ASSERT(count <= a->count);
    a->count = count;
    slots_clear(a);
    for (uint32_t i = 0; i < count; i++)
        item_link(a, i);
}

uint32_t additions_find(const struct additions *a, struct hash128 key, uint32_t *ret_last)
{
    struct additions_slot *slot = a->count ? slot_find(a, key) : NULL;
    uint32_t count = slot && slot->generation == a->generation ? slot->count : 0;
    if (ret_last)
        *ret_last = count ? slot->last : ADDITIONS_NONE;
    return count;
}

void additions_read(const struct additions *a, struct hash128 key, uint32_t from, uint32_t count,
                    struct index_entry *ret_entries)
{
    uint32_t at;
    uint32_t ordinal = additions_find(a, key, &at);
    ASSERT(count > 0 && from + count <= ordinal);
    while (ordinal-- > from) {
        if (ordinal < from + count)
            ret_entries[ordinal - from] = a->items[at].entry;
        at = a->previous[at];
    }
}
