/*
 * heap: a 4-ary minimum heap of embedded nodes, each of which knows its index, so that it can be
 * moved or taken out in O(log n). Ties are broken by `order`, so that equal keys leave in a
 * defined order.
 */
#ifndef EDDA_BASE_HEAP_H
#define EDDA_BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heap_node {
    int64_t key;
    uint64_t order;
    size_t index; /* SIZE_MAX while outside of the heap */
};

struct heap {
    struct heap_node **nodes;
    size_t count;
    size_t capacity;
};

#define HEAP_NODE_INIT ((struct heap_node){ 0, 0, SIZE_MAX })

void heap_init(struct heap *h);
void heap_deinit(struct heap *h);

/* False when out of memory. The node must be outside of any heap. */
bool heap_insert(struct heap *h, struct heap_node *node, int64_t key, uint64_t order);
void heap_remove(struct heap *h, struct heap_node *node);
/* Gives a node of the heap another key. */
void heap_update(struct heap *h, struct heap_node *node, int64_t key);
/* The least node, still in the heap, or NULL. */
struct heap_node *heap_first(const struct heap *h);

static inline bool heap_contains(const struct heap_node *node)
{
    return node->index != SIZE_MAX;
}

#endif
