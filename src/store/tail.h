/*
 * tail: the newest part of the index, in memory. A hash table of 32-bit slots points at nodes of 40 bytes, one for
 * each key, which hold a list of one entry themselves; longer lists lie in chunks that double in size. Nodes and
 * chunks come from blocks, so that an addition allocates nothing, but for one in a thousand.
 *
 * Per entry this takes at most 48 bytes and the unused part of the slots: 8 bytes of slots (at a load of one half),
 * 40 of the node, and for lists of two and more at most 36 of chunks.
 *
 * Threads: one at a time; a tail that is being sealed is read by its owner and by the job, and changed by neither.
 */
#ifndef EDDA_STORE_TAIL_H
#define EDDA_STORE_TAIL_H

#include "store/index.h"

/* A slot has 24 bits for the number of a node. */
#define TAIL_KEYS_MAX ((UINT32_C(1) << 24) - 1)
#define TAIL_ENTRY_WORDS 5
#define TAIL_BLOCK_NODES 1024
/* So many of the last additions are remembered, for a rewind that looks at nothing else. */
#define TAIL_RECENT 4096

/* A key and its list. */
struct tail_node {
    struct hash128 key;
    uint32_t list; /* twice the count of the entries; odd when they lie in chunks */
    /* The one entry, or the references of the first chunk and of the newest entry's. */
    uint32_t words[TAIL_ENTRY_WORDS];
};
_Static_assert(sizeof(struct tail_node) == 40, "a node takes 40 bytes");

static inline uint64_t tail_node_count(const struct tail_node *node)
{
    return node->list >> 1;
}

struct tail_slab {
    uint32_t *words;
    bool owned; /* false: inside of the span that begins at an earlier slab */
    bool span;  /* longer than a slab; given back by tail_clear() */
};

struct tail {
    uint32_t *slots; /* 0, or 8 bits of the key and the node's number plus one */
    uint32_t slot_bits;
    uint32_t slot_bits_expected;

    struct tail_node **blocks;
    uint32_t block_count;
    uint32_t block_capacity;
    uint32_t node_count;

    struct tail_slab *slabs; /* the first is never used, so that no reference is 0 */
    uint32_t slab_count;
    uint32_t slab_capacity;
    uint32_t slab_kept;  /* so many are left from before the last tail_clear() */
    uint32_t slab_at;    /* the one that is being used up */
    uint32_t slab_words; /* of it */
    uint64_t span_bytes;

    uint64_t entries;
    uint64_t keys;         /* nodes that are not empty */
    uint64_t position_min; /* bounds of all entries; they may be wider after a rewind */
    uint64_t position_max;
    uint64_t batch_min;

    bool ordered;          /* positions never fell, over all keys */
    uint32_t recent_count; /* how many of `recent` are good */
    uint32_t recent_at;
    uint32_t recent[TAIL_RECENT];
};

/* Once it has more than a few keys it makes room for `keys_expected`. NULL when out of memory. */
struct tail *tail_new(uint64_t keys_expected);
/* NULL is allowed. */
void tail_free(struct tail *tail);
/* Back to an empty one that keeps its memory. */
void tail_clear(struct tail *tail);

/* All of them or none: EDDA_ENOMEM, or EDDA_EBUSY at TAIL_KEYS_MAX keys. */
int tail_add(struct tail *tail, const struct index_addition *additions, size_t count);

/* Forgets all entries from `position` on. */
void tail_rewind(struct tail *tail, uint64_t position);

/* NULL when the key has no entries. */
const struct tail_node *tail_find(const struct tail *tail, struct hash128 key);
void tail_prefetch(const struct tail *tail, struct hash128 key);

/* Copies the `count` entries from ordinal `from` on, which must be there. */
void tail_read(const struct tail *tail, const struct tail_node *node, uint64_t from, uint64_t count,
               struct index_entry *ret_entries);
/* The ordinal of the first entry whose position is at least `position`, else the count. */
uint64_t tail_find_position(const struct tail *tail, const struct tail_node *node, uint64_t position);

/* Nodes have the numbers from 0 to node_count - 1; one may be empty. */
static inline const struct tail_node *tail_node(const struct tail *tail, uint32_t number)
{
    return &tail->blocks[number / TAIL_BLOCK_NODES][number % TAIL_BLOCK_NODES];
}

/* Memory that is held. */
uint64_t tail_bytes(const struct tail *tail);

#endif
