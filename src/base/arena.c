/*
 * arena: a list of blocks, of which those up to `current` are in use and those after it are free.
 * A reset makes all of them free and gives none back, so that the second request of a kind finds
 * the memory of the first.
 *
 * What does not fit in an ordinary block gets a block of its own size. Such a block is put at the
 * front, among those in use, when the current block has more room left than it: a large value
 * must not end the use of a block that is mostly empty.
 */
#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"

#define BLOCK_BYTES_DEFAULT ((size_t)16 * 1024)
#define BLOCK_BYTES_MIN ((size_t)128)
#define ALIGNMENT ((size_t)16)

struct arena_block {
    struct arena_block *next;
    size_t capacity; /* bytes of data */
    size_t used;     /* of them in use; stale while the block is free */
    _Alignas(16) uint8_t data[];
};

_Static_assert(offsetof(struct arena_block, data) % 16 == 0, "block data must be aligned");

void arena_init(struct arena *a, size_t block_bytes, size_t used_max)
{
    if (block_bytes == 0)
        block_bytes = BLOCK_BYTES_DEFAULT;
    if (block_bytes < BLOCK_BYTES_MIN)
        block_bytes = BLOCK_BYTES_MIN;
    *a = (struct arena){ .block_bytes = block_bytes, .used_max = used_max };
}

void arena_deinit(struct arena *a)
{
    struct arena_block *block = a->first;
    while (block) {
        struct arena_block *next = block->next;
        free(block);
        block = next;
    }
    a->first = a->current = NULL;
    a->used = 0;
}

void arena_reset(struct arena *a)
{
    a->current = NULL;
    a->used = 0;
}

static size_t block_left(const struct arena_block *block)
{
    return block->capacity - block->used;
}

static size_t ordinary_capacity(const struct arena *a)
{
    return a->block_bytes - sizeof(struct arena_block);
}

static struct arena_block *block_new(const struct arena *a, size_t size)
{
    size_t capacity = ordinary_capacity(a);
    if (size > capacity)
        capacity = size;
    if (capacity > SIZE_MAX - sizeof(struct arena_block))
        return NULL;
    struct arena_block *block = malloc(sizeof(struct arena_block) + capacity);
    if (block)
        *block = (struct arena_block){ .capacity = capacity };
    return block;
}

/* Takes the least free block with room for `size` off the list; NULL when there is none. No block
 * is smaller than an ordinary one, which therefore ends the search. */
static struct arena_block *block_reuse(struct arena *a, size_t size)
{
    struct arena_block **place = a->current ? &a->current->next : &a->first;
    struct arena_block **best = NULL;
    for (; *place; place = &(*place)->next) {
        size_t capacity = (*place)->capacity;
        if (capacity < size)
            continue;
        if (!best || capacity < (*best)->capacity)
            best = place;
        if (capacity == ordinary_capacity(a))
            break;
    }
    if (!best)
        return NULL;
    struct arena_block *block = *best;
    *best = block->next;
    return block;
}

/* A block in use with room for `size`; it has become the current one unless it will soon be full. */
static struct arena_block *block_add(struct arena *a, size_t size)
{
    struct arena_block *block = block_reuse(a, size);
    if (!block)
        block = block_new(a, size);
    if (!block)
        return NULL;
    block->used = 0;

    struct arena_block **place = &a->first;
    if (!a->current) {
        a->current = block;
    } else if (block->capacity - size > block_left(a->current)) {
        place = &a->current->next;
        a->current = block;
    }
    block->next = *place;
    *place = block;
    return block;
}

/* Memory aligned to `alignment`, a power of two of at most 16. */
static void *arena_take(struct arena *a, size_t size, size_t alignment)
{
    if (a->used_max && size > a->used_max - a->used)
        return NULL;
    struct arena_block *block = a->current;
    size_t padding = block ? (0 - block->used) & (alignment - 1) : 0;
    if (!block || padding > block_left(block) || size > block_left(block) - padding) {
        block = block_add(a, size);
        if (!block)
            return NULL;
        padding = 0;
    }
    void *at = block->data + block->used + padding;
    block->used += padding + size;
    a->used += size;
    ASSERT(block->used <= block->capacity);
    return at;
}

void *arena_alloc(struct arena *a, size_t size)
{
    void *at = arena_take(a, size, ALIGNMENT);
    if (at)
        memset(at, 0, size);
    return at;
}

uint8_t *arena_bytes(struct arena *a, size_t size)
{
    return arena_take(a, size, 1);
}

struct slice arena_copy(struct arena *a, struct slice s)
{
    uint8_t *copy = arena_bytes(a, s.len);
    if (!copy)
        return slice_of(NULL, 0);
    if (s.len)
        memcpy(copy, s.data, s.len);
    return slice_of(copy, s.len);
}

char *arena_cstr(struct arena *a, struct slice s)
{
    if (s.len == SIZE_MAX)
        return NULL;
    char *copy = arena_take(a, s.len + 1, 1);
    if (!copy)
        return NULL;
    if (s.len)
        memcpy(copy, s.data, s.len);
    copy[s.len] = '\0';
    return copy;
}

char *arena_printf(struct arena *a, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (len < 0)
        return NULL;
    size_t size = (size_t)len + 1;
    char *text = arena_take(a, size, 1);
    if (!text)
        return NULL;
    va_start(arguments, format);
    int written = vsnprintf(text, size, format, arguments);
    va_end(arguments);
    ASSERT(written == len);
    return text;
}
