/*
 * list_index: a hash table with a chain of places in each slot. What is added goes before what was there, so the last place is always the first of
 * its chain, and taking it out takes no search.
 */
#include "wire/json/list_index.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/hash.h"

#define PLACES_FIRST 32

struct place {
    uint32_t hash;
    uint32_t next;
};

struct list_index {
    uint32_t count;
    uint32_t capacity;     /* of places, and number of slots: a power of two */
    uint32_t *slots;
    struct place *places;
};

struct list_index *list_index_new(void)
{
    return calloc(1, sizeof(struct list_index));
}

void list_index_free(struct list_index *index)
{
    if (!index)
        return;
    free(index->slots);
    free(index->places);
    free(index);
}

size_t list_index_bytes(const struct list_index *index)
{
    return index ? sizeof *index + index->capacity * (sizeof *index->slots + sizeof *index->places) : 0;
}

uint32_t list_index_count(const struct list_index *index)
{
    return index->count;
}

/* The seed is not for others to know: texts that all fall into one slot are not easily found. */
static uint32_t hash_of(const struct list_index *index, struct edda_text text)
{
    return (uint32_t)hash64(slice_of(text.data, text.len), (uint64_t)(uintptr_t)index);
}

static uint32_t *slot_of(const struct list_index *index, uint32_t hash)
{
    return &index->slots[hash & (index->capacity - 1)];
}

static bool index_grow(struct list_index *index)
{
    if (index->capacity > UINT32_MAX / 4)
        return false;
    uint32_t capacity = index->capacity ? index->capacity * 2 : PLACES_FIRST;
    struct place *places = realloc(index->places, capacity * sizeof *places);
    if (!places)
        return false;
    index->places = places;
    uint32_t *slots = malloc(capacity * sizeof *slots);
    if (!slots)
        return false;
    free(index->slots);
    index->slots = slots;
    index->capacity = capacity;
    for (uint32_t i = 0; i < capacity; i++)
        slots[i] = LIST_INDEX_END;
    for (uint32_t i = 0; i < index->count; i++) {
        uint32_t *slot = slot_of(index, places[i].hash);
        places[i].next = *slot;
        *slot = i;
    }
    return true;
}

bool list_index_add(struct list_index *index, struct edda_text text)
{
    if (index->count == index->capacity && !index_grow(index))
        return false;
    uint32_t hash = hash_of(index, text), *slot = slot_of(index, hash);
    index->places[index->count] = (struct place){ hash, *slot };
    *slot = index->count++;
    return true;
}

void list_index_truncate(struct list_index *index, uint32_t count)
{
    while (index->count > count) {
        const struct place *last = &index->places[--index->count];
        uint32_t *slot = slot_of(index, last->hash);
        ASSERT(*slot == index->count);
        *slot = last->next;
    }
}

uint32_t list_index_first(const struct list_index *index, struct edda_text text)
{
    return index->count ? *slot_of(index, hash_of(index, text)) : LIST_INDEX_END;
}

uint32_t list_index_next(const struct list_index *index, uint32_t place)
{
    ASSERT(place < index->count);
    return index->places[place].next;
}
