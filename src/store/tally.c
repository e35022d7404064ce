/* See tally.h. Open addressing, without removal but of what was added last. */
#include "store/tally.h"

#include <stdlib.h>

#include "base/put.h"

#define CAPACITY_MIN 64

void tally_init(struct tally *t)
{
    *t = (struct tally){ .count = 0 };
}

void tally_deinit(struct tally *t)
{
    free(t->entries);
    free(t->slots);
    free(t->added);
    free(t->added_counts);
}

/* Where the stream's entry is told of, or is to be. The hash is even, so its bits serve as they are. */
static uint32_t *slot_of(const struct tally *t, struct hash128 stream)
{
    uint32_t mask = 2 * t->capacity - 1;
    uint32_t at = (uint32_t)stream.lo & mask;
    while (t->slots[at] && (t->entries[t->slots[at] - 1].stream.lo != stream.lo || t->entries[t->slots[at] - 1].stream.hi != stream.hi))
        at = (at + 1) & mask;
    return &t->slots[at];
}

void tally_clear(struct tally *t)
{
    for (uint32_t i = t->count; i > 0; i--)
        *slot_of(t, t->entries[i - 1].stream) = 0;
    t->count = t->added_count = t->marked = 0;
}

static bool grow(struct tally *t)
{
    uint32_t capacity = t->capacity ? 2 * t->capacity : CAPACITY_MIN;
    struct tally_entry *entries = realloc(t->entries, capacity * sizeof(*entries));
    if (!entries)
        return false;
    t->entries = entries;
    uint32_t *slots = calloc(2 * (size_t)capacity, sizeof(*slots));
    if (!slots)
        return false;
    free(t->slots);
    t->slots = slots;
    t->capacity = capacity;
    for (uint32_t i = 0; i < t->count; i++)
        *slot_of(t, t->entries[i].stream) = i + 1;
    return true;
}

static bool remember(struct tally *t, uint32_t ordinal, uint32_t count)
{
    if (t->added_count == t->added_capacity) {
        uint32_t capacity = t->added_capacity ? 2 * t->added_capacity : CAPACITY_MIN;
        uint32_t *added = realloc(t->added, capacity * sizeof(*added));
        if (!added)
            return false;
        t->added = added;
        uint32_t *counts = realloc(t->added_counts, capacity * sizeof(*counts));
        if (!counts)
            return false;
        t->added_counts = counts;
        t->added_capacity = capacity;
    }
    t->added[t->added_count] = ordinal;
    t->added_counts[t->added_count++] = count;
    return true;
}

bool tally_add(struct tally *t, struct hash128 stream, uint32_t count)
{
    if (t->count == t->capacity && !grow(t))
        return false;
    uint32_t *slot = slot_of(t, stream);
    if (*slot && t->entries[*slot - 1].count > UINT32_MAX - count)
        return false;
    if (!remember(t, *slot ? *slot - 1 : t->count, count))
        return false;
    if (!*slot) {
        t->entries[t->count++] = (struct tally_entry){ .stream = stream };
        *slot = t->count;
    }
    t->entries[*slot - 1].count += count;
    return true;
}

bool tally_has(struct tally *t, struct hash128 stream)
{
    return t->count > 0 && *slot_of(t, stream) != 0;
}

void tally_mark(struct tally *t)
{
    t->marked = t->count;
    t->added_count = 0;
}

void tally_rewind(struct tally *t)
{
    for (uint32_t i = 0; i < t->added_count; i++)
        t->entries[t->added[i]].count -= t->added_counts[i];
    /* The last of a chain goes first, so that no chain is cut. */
    for (; t->count > t->marked; t->count--)
        *slot_of(t, t->entries[t->count - 1].stream) = 0;
    t->added_count = 0;
}

uint64_t tally_bytes(const struct tally *t)
{
    return t->count ? TALLY_HEAD_BYTES + (uint64_t)t->count * TALLY_ENTRY_BYTES : 0;
}

void tally_put(const struct tally *t, struct buffer *out)
{
    uint8_t bytes[TALLY_ENTRY_BYTES];
    if (t->count == 0)
        return;
    put_le32(put_le32(bytes, t->count), 0);
    buffer_append(out, bytes, TALLY_HEAD_BYTES);
    for (uint32_t i = 0; i < t->count; i++) {
        put_le32(put_le64(put_le64(bytes, t->entries[i].stream.lo), t->entries[i].stream.hi), t->entries[i].count);
        buffer_append(out, bytes, sizeof(bytes));
    }
}
