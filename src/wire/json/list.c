/* list: the texts and lists of a program's own structs (edda/type.h). */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "edda/type.h"
#include "wire/json/list_block.h"
#include "wire/json/list_index.h"

#define CAPACITY_FIRST 4
#define INDEXED_FROM 16 /* fewer items are looked through as quickly */

bool edda_text_is(struct edda_text text, const char *string)
{
    return edda_text_equal(text, edda_text_of(string));
}

bool edda_text_equal(struct edda_text a, struct edda_text b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

struct edda_text edda_text_of(const char *string)
{
    return (struct edda_text){ string, string ? strlen(string) : 0 };
}

int64_t edda_text_int(struct edda_text text)
{
    bool negative = text.len > 0 && text.data[0] == '-';
    int64_t value = 0;
    for (size_t i = negative; i < text.len; i++) {
        int digit = text.data[i] - '0';
        if (digit < 0 || digit > 9 || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, negative ? -digit : digit, &value))
            return 0;
    }
    return value;
}

struct list_block *list_block_new(size_t bytes)
{
    struct list_block *block = malloc(sizeof *block + bytes);
    if (block)
        *block = (struct list_block){ .bytes = bytes };
    return block;
}

void list_block_free(struct list_block *block)
{
    list_index_free(block->index);
    free(block);
}

size_t list_block_bytes(const struct list_block *block)
{
    return block->bytes + list_index_bytes(block->index);
}

void edda_list_free(struct edda_list *list)
{
    struct list_block *block = list->capacity ? list_block_of(list->items) : NULL;
    while (block) {
        struct list_block *outgrown = block->outgrown;
        list_block_free(block);
        block = outgrown;
    }
    *list = (struct edda_list){ 0 };
}

static uint8_t *item_at(const struct edda_list *list, size_t item_size, uint32_t index)
{
    return (uint8_t *)list->items + item_size * index;
}

/* Makes room for one more item. Borrowed items are copied, so that from now on they are the list's own. */
static bool list_grow(struct edda_list *list, size_t item_size)
{
    uint32_t capacity = CAPACITY_FIRST;
    size_t bytes;
    if (list->count < list->capacity)
        return true;
    if (list->count >= CAPACITY_FIRST && __builtin_mul_overflow(list->count, 2u, &capacity))
        return false;
    if (__builtin_mul_overflow((size_t)capacity, item_size, &bytes))
        return false;
    struct list_block *block = list_block_new(bytes);
    if (!block)
        return false;
    if (list->count)
        memcpy(block->items, list->items, list->count * item_size);
    if (list->capacity) {
        block->outgrown = list_block_of(list->items);
        block->index = block->outgrown->index;
        block->outgrown->index = NULL;
    }
    list->items = block->items;
    list->capacity = capacity;
    return true;
}

/* Items from `index` on are about to move, or to be others. */
static void list_moves(const struct edda_list *list, uint32_t index)
{
    struct list_block *block = list->capacity ? list_block_of(list->items) : NULL;
    if (block && block->index)
        list_index_truncate(block->index, index);
}

/* A zeroed item at `index`; those from there on move up. */
static void *list_insert(struct edda_list *list, size_t item_size, uint32_t index)
{
    ASSERT(index <= list->count);
    if (item_size == 0 || !list_grow(list, item_size))
        return NULL;
    list_moves(list, index);
    uint8_t *at = item_at(list, item_size, index);
    memmove(at + item_size, at, (size_t)(list->count - index) * item_size);
    memset(at, 0, item_size);
    list->count++;
    ASSERT(list->count <= list->capacity);
    return at;
}

void *edda_list_add(struct edda_list *list, size_t item_size)
{
    return list_insert(list, item_size, list->count);
}

static int64_t item_id(const struct edda_list *list, size_t item_size, uint32_t index)
{
    int64_t id;
    memcpy(&id, item_at(list, item_size, index), sizeof(id));
    return id;
}

/* The first index whose item's id is not below `id`. */
static uint32_t lower_bound(const struct edda_list *list, size_t item_size, int64_t id)
{
    uint32_t low = 0;
    uint32_t high = list->count;
    if (high && item_id(list, item_size, high - 1) < id) /* ids mostly grow */
        return high;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (item_id(list, item_size, middle) < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void *(edda_list_find)(const struct edda_list *list, size_t item_size, int64_t id)
{
    if (item_size < sizeof(int64_t))
        return NULL;
    uint32_t index = lower_bound(list, item_size, id);
    if (index == list->count || item_id(list, item_size, index) != id)
        return NULL;
    return item_at(list, item_size, index);
}

void *edda_list_put(struct edda_list *list, size_t item_size, int64_t id)
{
    if (item_size < sizeof(int64_t))
        return NULL;
    uint32_t index = lower_bound(list, item_size, id);
    if (index < list->count && item_id(list, item_size, index) == id)
        return item_at(list, item_size, index);
    void *at = list_insert(list, item_size, index);
    if (at)
        memcpy(at, &id, sizeof(id));
    return at;
}

static struct edda_text item_text(const struct edda_list *list, size_t item_size, uint32_t index)
{
    struct edda_text text;
    memcpy(&text, item_at(list, item_size, index), sizeof(text));
    return text;
}

/* The index of a list of its own, with all its items in it; NULL when it has none, and its items must be looked through. */
static struct list_index *list_index(const struct edda_list *list, size_t item_size)
{
    struct list_block *block = list->capacity ? list_block_of(list->items) : NULL;
    if (!block || list->count < INDEXED_FROM)
        return NULL;
    if (!block->index)
        block->index = list_index_new();
    struct list_index *index = block->index;
    if (!index)
        return NULL;
    if (list_index_count(index) > list->count)
        list_index_truncate(index, list->count);
    while (list_index_count(index) < list->count)
        if (!list_index_add(index, item_text(list, item_size, list_index_count(index))))
            return NULL;
    return index;
}

void *(edda_list_find_text)(const struct edda_list *list, size_t item_size, struct edda_text text, const void *after)
{
    if (item_size < sizeof(struct edda_text) || list->count == 0)
        return NULL;
    uint32_t before = after ? (uint32_t)((size_t)((const uint8_t *)after - (const uint8_t *)list->items) / item_size) : list->count;
    struct list_index *index = list_index(list, item_size);
    if (index) {
        uint32_t at = after ? list_index_next(index, before) : list_index_first(index, text);
        while (at != LIST_INDEX_END && !edda_text_equal(item_text(list, item_size, at), text))
            at = list_index_next(index, at);
        return at == LIST_INDEX_END ? NULL : item_at(list, item_size, at);
    }
    while (before-- > 0)
        if (edda_text_equal(item_text(list, item_size, before), text))
            return item_at(list, item_size, before);
    return NULL;
}

/* Borrowed items belong to someone who may read them again, so they are copied before one of them is taken out; only
 * when there is no memory for that, they are moved where they are. */
void edda_list_remove(struct edda_list *list, size_t item_size, uint32_t index)
{
    if (index >= list->count)
        return;
    if (list->capacity == 0)
        (void)list_grow(list, item_size);
    list_moves(list, index);
    uint8_t *at = item_at(list, item_size, index);
    memmove(at, at + item_size, (size_t)(list->count - index - 1) * item_size);
    list->count--;
}
