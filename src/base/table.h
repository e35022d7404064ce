/*
 * table: a hash table of embedded links, keyed by a 64-bit hash that the caller computes. It stores
 * no keys: a look-up walks the links of one hash, and the caller compares. Open hashing with
 * incremental growth is not needed here: growth doubles and rehashes links in place.
 */
#ifndef EDDA_BASE_TABLE_H
#define EDDA_BASE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct table_link {
    struct table_link *next;
    uint64_t hash;
};

struct table {
    struct table_link **buckets;
    size_t bucket_count; /* a power of two, or 0 before the first insertion */
    size_t count;
};

void table_init(struct table *t);
/* Frees the buckets; what was listed is the caller's. */
void table_deinit(struct table *t);
/* Forgets all links, keeps the buckets. */
void table_clear(struct table *t);

/* False when out of memory, and then nothing has changed. */
bool table_insert(struct table *t, struct table_link *link, uint64_t hash);
void table_remove(struct table *t, struct table_link *link);

/* The first link with this hash, then the following ones; NULL at the end. */
struct table_link *table_find(const struct table *t, uint64_t hash);
struct table_link *table_find_next(const struct table_link *link);

/* Every link, in no order: start with NULL. Only the link just returned may be removed meanwhile,
 * and only after the next one has been asked for. */
struct table_link *table_each(const struct table *t, const struct table_link *previous);

#endif
