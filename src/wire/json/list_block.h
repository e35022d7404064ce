/*
 * list_block: the memory of a list that grows (edda_list_add()). Pure functions cannot know what a state's list held before them, so a
 * block that is outgrown is not freed but remembered by the one that replaces it; whoever owns the state sweeps what is
 * no longer in it (engine/value.c).
 */
#ifndef EDDA_WIRE_JSON_LIST_BLOCK_H
#define EDDA_WIRE_JSON_LIST_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct list_index;

struct list_block {
    struct list_block *next;     /* the owner's */
    struct list_block *outgrown; /* what it replaced */
    struct list_index *index;    /* where each text is, once one has been looked for; or NULL */
    size_t bytes;
    bool owned;                  /* it is on its owner's list */
    bool live;                   /* met in the last sweep */
    _Alignas(16) unsigned char items[];
};

/* A block of `bytes` for items, uninitialised; NULL when out of memory. */
struct list_block *list_block_new(size_t bytes);
void list_block_free(struct list_block *block);
/* Memory it takes, its index included. */
size_t list_block_bytes(const struct list_block *block);

/* The block of items that edda_list_add() has grown (capacity is not 0). */
static inline struct list_block *list_block_of(void *items)
{
    return (struct list_block *)(void *)((unsigned char *)items - offsetof(struct list_block, items));
}

#endif
