/*
 * additions: what the open frame will add to the index when it is closed. Until then its records are found here: the
 * additions of a key form a chain from the newest back, whose end and length are in a small hash table.
 *
 * A slot belongs to the frame whose generation it bears, so that a new frame starts by counting up and clears nothing.
 */
#ifndef EDDA_STORE_ADDITIONS_H
#define EDDA_STORE_ADDITIONS_H

#include "store/index.h"

struct additions_slot {
    uint32_t tag;        /* of the key's upper half */
    uint32_t generation;
    uint32_t last;       /* the key's newest addition */
    uint32_t count;
};

struct additions {
    struct index_addition *items;
    uint32_t *previous;  /* of each item: the one before it with the same key */
    uint32_t count;
    uint32_t capacity;
    struct additions_slot *slots;
    uint32_t slot_bits;  /* log2 of their number; 0 before the first */
    uint32_t slots_used;
    uint32_t generation;
};

#define ADDITIONS_NONE UINT32_MAX

void additions_init(struct additions *a);
void additions_deinit(struct additions *a);
/* Forgets all, keeps the memory. */
void additions_clear(struct additions *a);

/* Room for `more`, so that additions_put() cannot fail; false when out of memory. */
bool additions_reserve(struct additions *a, uint32_t more);
void additions_put(struct additions *a, struct hash128 key, const struct index_entry *entry);
/* Takes back all but the first `count`. */
void additions_rewind(struct additions *a, uint32_t count);

/* How many a key has; *ret_last (may be NULL) is the newest, or ADDITIONS_NONE. */
uint32_t additions_find(const struct additions *a, struct hash128 key, uint32_t *ret_last);

/* Copies the `count` additions of a key from ordinal `from` on, oldest first; they must be there. */
void additions_read(const struct additions *a, struct hash128 key, uint32_t from, uint32_t count,
                    struct index_entry *ret_entries);

#endif
