/*
 * table: see table.h. Buckets are chains; there are never fewer buckets than links, so a look-up
 * follows about one link. Growth extends the array of buckets in place: with twice as many, each
 * link either stays in its bucket or moves up by the old number of buckets.
 */
#include "base/table.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

#define BUCKET_COUNT_MIN ((size_t)16)

void table_init(struct table *t)
{
    *t = (struct table){ 0 };
}

void table_deinit(struct table *t)
{
    free(t->buckets);
    *t = (struct table){ 0 };
}

void table_clear(struct table *t)
{
    if (t->bucket_count)
        memset(t->buckets, 0, t->bucket_count * sizeof(*t->buckets));
    t->count = 0;
}

/* The upper half takes part, so that hashes which differ only there do not share a bucket. */
static size_t bucket_of(const struct table *t, uint64_t hash)
{
    return (size_t)(hash ^ hash >> 32) & (t->bucket_count - 1);
}

/* Moves the links of one bucket that belong into its new sibling, and keeps their order. */
static void bucket_split(struct table *t, size_t bucket, size_t sibling)
{
    struct table_link **stay = &t->buckets[bucket];
    struct table_link **move = &t->buckets[sibling];
    for (struct table_link *link = *stay; link; link = link->next) {
        if (bucket_of(t, link->hash) == bucket) {
            *stay = link;
            stay = &link->next;
        } else {
            *move = link;
            move = &link->next;
        }
    }
    *stay = NULL;
    *move = NULL;
}

static bool table_grow(struct table *t)
{
    size_t before = t->bucket_count;
    size_t after = BUCKET_COUNT_MIN;
    size_t bytes;
    if (before && __builtin_mul_overflow(before, (size_t)2, &after))
        return false;
    if (__builtin_mul_overflow(after, sizeof(*t->buckets), &bytes))
        return false;
    struct table_link **buckets = realloc(t->buckets, bytes);
    if (!buckets)
        return false;
    t->buckets = buckets;
    t->bucket_count = after;
    if (before == 0) {
        memset(buckets, 0, bytes);
        return true;
    }
    for (size_t i = 0; i < before; i++)
        bucket_split(t, i, before + i);
    return true;
}

bool table_insert(struct table *t, struct table_link *link, uint64_t hash)
{
    if (t->count >= t->bucket_count && !table_grow(t))
        return false;
    struct table_link **bucket = &t->buckets[bucket_of(t, hash)];
    link->hash = hash;
    link->next = *bucket;
    *bucket = link;
    t->count++;
    return true;
}

void table_remove(struct table *t, struct table_link *link)
{
    ASSERT(t->count > 0);
    struct table_link **place = &t->buckets[bucket_of(t, link->hash)];
    while (*place != link) {
        ASSERT(*place);
        place = &(*place)->next;
    }
    *place = link->next;
    link->next = NULL;
    t->count--;
}

static struct table_link *chain_find(struct table_link *link, uint64_t hash)
{
    while (link && link->hash != hash)
        link = link->next;
    return link;
}

struct table_link *table_find(const struct table *t, uint64_t hash)
{
    return t->bucket_count ? chain_find(t->buckets[bucket_of(t, hash)], hash) : NULL;
}

struct table_link *table_find_next(const struct table_link *link)
{
    return chain_find(link->next, link->hash);
}

struct table_link *table_each(const struct table *t, const struct table_link *previous)
{
    if (previous && previous->next)
        return previous->next;
    size_t bucket = previous ? bucket_of(t, previous->hash) + 1 : 0;
    for (; bucket < t->bucket_count; bucket++) {
        if (t->buckets[bucket])
            return t->buckets[bucket];
    }
    return NULL;
}
