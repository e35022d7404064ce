/*
 * heap: see heap.h. Four children per node halve the depth of a binary heap, and the four pointers
 * that are compared lie side by side.
 */
#include "base/heap.h"

#include <stdlib.h>

#include "base/assert.h"

#define ARITY ((size_t)4)
#define CAPACITY_MIN ((size_t)32)

void heap_init(struct heap *h)
{
    *h = (struct heap){ 0 };
}

void heap_deinit(struct heap *h)
{
    free(h->nodes);
    *h = (struct heap){ 0 };
}

static bool node_before(const struct heap_node *a, const struct heap_node *b)
{
    return a->key != b->key ? a->key < b->key : a->order < b->order;
}

static void heap_place(struct heap *h, struct heap_node *node, size_t index)
{
    h->nodes[index] = node;
    node->index = index;
}

/* Puts `node` into the free place `index`, or above it. */
static void heap_sift_up(struct heap *h, struct heap_node *node, size_t index)
{
    while (index > 0) {
        size_t parent = (index - 1) / ARITY;
        if (!node_before(node, h->nodes[parent]))
            break;
        heap_place(h, h->nodes[parent], index);
        index = parent;
    }
    heap_place(h, node, index);
}

/* Puts `node` into the free place `index`, or below it. */
static void heap_sift_down(struct heap *h, struct heap_node *node, size_t index)
{
    for (;;) {
        size_t child = index * ARITY + 1;
        if (child >= h->count)
            break;
        size_t end = h->count - child < ARITY ? h->count : child + ARITY;
        size_t least = child;
        while (++child < end) {
            if (node_before(h->nodes[child], h->nodes[least]))
                least = child;
        }
        if (!node_before(h->nodes[least], node))
            break;
        heap_place(h, h->nodes[least], index);
        index = least;
    }
    heap_place(h, node, index);
}

/* Puts `node` into the free place `index`, or wherever it belongs above or below it. */
static void heap_sift(struct heap *h, struct heap_node *node, size_t index)
{
    if (index > 0 && node_before(node, h->nodes[(index - 1) / ARITY]))
        heap_sift_up(h, node, index);
    else
        heap_sift_down(h, node, index);
}

static bool heap_grow(struct heap *h)
{
    size_t capacity = CAPACITY_MIN;
    size_t bytes;
    if (h->capacity && __builtin_mul_overflow(h->capacity, (size_t)2, &capacity))
        return false;
    if (__builtin_mul_overflow(capacity, sizeof(struct heap_node *), &bytes))
        return false;
    struct heap_node **nodes = realloc(h->nodes, bytes);
    if (!nodes)
        return false;
    h->nodes = nodes;
    h->capacity = capacity;
    return true;
}

bool heap_insert(struct heap *h, struct heap_node *node, int64_t key, uint64_t order)
{
    ASSERT(!heap_contains(node));
    if (h->count == h->capacity && !heap_grow(h))
        return false;
    node->key = key;
    node->order = order;
    heap_sift_up(h, node, h->count++);
    return true;
}

void heap_remove(struct heap *h, struct heap_node *node)
{
    size_t index = node->index;
    ASSERT(index < h->count && h->nodes[index] == node);
    struct heap_node *last = h->nodes[--h->count];
    if (last != node)
        heap_sift(h, last, index);
    node->index = SIZE_MAX;
}

void heap_update(struct heap *h, struct heap_node *node, int64_t key)
{
    ASSERT(node->index < h->count && h->nodes[node->index] == node);
    node->key = key;
    heap_sift(h, node, node->index);
}

struct heap_node *heap_first(const struct heap *h)
{
    return h->count ? h->nodes[0] : NULL;
}
