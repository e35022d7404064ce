/* tally: how many records of which streams were removed. Small, and forgotten as a whole. */
#ifndef EDDA_STORE_TALLY_H
#define EDDA_STORE_TALLY_H

#include "base/buffer.h"
#include "base/hash.h"

#define TALLY_HEAD_BYTES 8
#define TALLY_ENTRY_BYTES 20

struct tally_entry {
    struct hash128 stream;
    uint32_t count;
};

struct tally {
    struct tally_entry *entries;
    uint32_t count, capacity;
    uint32_t *slots;           /* twice the capacity: the ordinal of an entry and 1, or 0 */
    uint32_t *added;           /* since the mark: the entries that were added to, */
    uint32_t *added_counts;    /* and by how much */
    uint32_t added_count, added_capacity;
    uint32_t marked;           /* entries at the mark */
};

void tally_init(struct tally *tally);
void tally_deinit(struct tally *tally);
void tally_clear(struct tally *tally);
/* False when out of memory, or of the range of counts. */
bool tally_add(struct tally *tally, struct hash128 stream, uint32_t count);
bool tally_has(struct tally *tally, struct hash128 stream);
/* A place to which tally_rewind() goes back. */
void tally_mark(struct tally *tally);
void tally_rewind(struct tally *tally);
/* What tally_put() appends: nothing for an empty one. */
uint64_t tally_bytes(const struct tally *tally);
void tally_put(const struct tally *tally, struct buffer *out);

#endif
