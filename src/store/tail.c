/*
 * tail: see tail.h. The chunks of a list double: the first two hold 2 entries each, then 4, 8, 16 and so on, so that
 * the chunk of an ordinal follows from its highest bit and a list of n entries has log2(n) chunks. Each knows the one
 * before and the one behind it; a rewind leaves a chunk where it is, to be filled again.
 *
 * References count words of 32 bits: the number of a slab of 64 KiB, then the word in it. A chunk that does not fit
 * into a quarter of a slab gets a span of several, which lie one behind the other in memory.
 */
#include "store/tail.h"

#include <stdlib.h>

#include "base/assert.h"

#define SLAB_BITS 14
#define SLAB_WORDS (UINT32_C(1) << SLAB_BITS)
#define SLABS_MAX (UINT32_C(1) << (32 - SLAB_BITS))
#define SLOT_BITS_MIN 8
#define SLOT_BITS_SMALL 14 /* beyond, slots grow to their expected number at once: moving many takes long */
#define SLOT_NODE_MASK UINT32_C(0xffffff)
#define LIST_COUNT_MAX (UINT32_C(1) << 30)
#define GROUP 32 /* additions whose memory is fetched together */

/* The words of a chunk: next, previous, then its entries. */
enum { CHUNK_NEXT, CHUNK_PREVIOUS, CHUNK_ENTRIES };

static uint64_t mix(struct hash128 key)
{
    return (key.hi ^ (key.lo << 32 | key.lo >> 32)) * UINT64_C(0x9e3779b97f4a7c15);
}

static uint32_t slot_of(const struct tail *t, uint64_t mixed)
{
    return (uint32_t)(mixed >> (64 - t->slot_bits));
}

/* The 8 bits of the key that a slot holds, in their place. They are not those that chose the slot. */
static uint32_t tag_of(uint64_t mixed)
{
    return (uint32_t)(mixed >> 8) & ~SLOT_NODE_MASK;
}

static struct tail_node *node_at(const struct tail *t, uint32_t number)
{
    return &t->blocks[number / TAIL_BLOCK_NODES][number % TAIL_BLOCK_NODES];
}

static uint32_t *words_at(const struct tail *t, uint32_t reference)
{
    return t->slabs[reference >> SLAB_BITS].words + (reference & (SLAB_WORDS - 1));
}

static void entry_load(const uint32_t *words, struct index_entry *ret_entry)
{
    memcpy(&ret_entry->position, words, 8);
    memcpy(&ret_entry->batch, words + 2, 8);
    ret_entry->record = words[4];
}

static void entry_store(uint32_t *words, const struct index_entry *entry)
{
    memcpy(words, &entry->position, 8);
    memcpy(words + 2, &entry->batch, 8);
    words[4] = entry->record;
}

/* The chunk of an ordinal, counted from 0, and its first ordinal. */
static uint32_t chunk_of(uint32_t ordinal)
{
    return ordinal < 2 ? 0 : 31 - (uint32_t)__builtin_clz(ordinal);
}

static uint32_t chunk_first(uint32_t chunk)
{
    return chunk == 0 ? 0 : UINT32_C(1) << chunk;
}

static uint32_t chunk_capacity(uint32_t chunk)
{
    return chunk == 0 ? 2 : UINT32_C(1) << chunk;
}

static void tail_forget(struct tail *t)
{
    t->node_count = 0;
    t->slab_at = 0;
    t->slab_words = SLAB_WORDS;
    t->entries = t->keys = 0;
    t->position_min = t->batch_min = UINT64_MAX;
    t->position_max = 0;
    t->ordered = true;
    t->recent_count = t->recent_at = 0;
}

struct tail *tail_new(uint64_t keys_expected)
{
    struct tail *t = malloc(sizeof(*t));

    if (!t)
        return NULL;
    memset(t, 0, offsetof(struct tail, recent));
    t->slab_count = t->slab_kept = 1;
    t->slot_bits_expected = SLOT_BITS_MIN;
    while (t->slot_bits_expected < 31 && UINT64_C(3) << t->slot_bits_expected < keys_expected * 4)
        t->slot_bits_expected++;
    tail_forget(t);
    return t;
}

void tail_free(struct tail *t)
{
    if (!t)
        return;
    for (uint32_t i = 0; i < t->block_count; i++)
        free(t->blocks[i]);
    for (uint32_t i = 0; i < t->slab_count; i++) {
        if (t->slabs && t->slabs[i].owned)
            free(t->slabs[i].words);
    }
    free(t->blocks);
    free(t->slabs);
    free(t->slots);
    free(t);
}

void tail_clear(struct tail *t)
{
    uint32_t kept = 1;

    for (uint32_t i = 1; i < t->slab_count; i++) {
        if (!t->slabs[i].span)
            t->slabs[kept++] = t->slabs[i];
        else if (t->slabs[i].owned)
            free(t->slabs[i].words);
    }
    t->slab_count = t->slab_kept = kept;
    t->span_bytes = 0;
    if (t->slots)
        memset(t->slots, 0, sizeof(*t->slots) << t->slot_bits);
    tail_forget(t);
}

uint64_t tail_bytes(const struct tail *t)
{
    uint64_t slabs = 0;

    for (uint32_t i = 1; i < t->slab_count; i++)
        slabs += !t->slabs[i].span;
    return sizeof(*t) + (t->slots ? sizeof(*t->slots) << t->slot_bits : 0) +
           (uint64_t)t->block_count * TAIL_BLOCK_NODES * sizeof(struct tail_node) +
           slabs * SLAB_WORDS * sizeof(uint32_t) + t->span_bytes;
}

/* Adds `slabs` numbers for one stretch of memory; false when out of memory. */
static bool slabs_add(struct tail *t, uint32_t slabs, bool span)
{
    uint32_t *words;

    if (slabs > SLABS_MAX - t->slab_count)
        return false;
    if (t->slab_count + slabs > t->slab_capacity) {
        uint32_t capacity = 2 * t->slab_count + slabs + 6;
        struct tail_slab *grown = realloc(t->slabs, capacity * sizeof(*grown));

        if (!grown)
            return false;
        t->slabs = grown;
        t->slab_capacity = capacity;
        grown[0] = (struct tail_slab){ 0 };
    }
    words = malloc((size_t)slabs * SLAB_WORDS * sizeof(*words));
    if (!words)
        return false;
    for (uint32_t i = 0; i < slabs; i++)
        t->slabs[t->slab_count + i] = (struct tail_slab){ words + (size_t)i * SLAB_WORDS, i == 0, span };
    t->slab_count += slabs;
    return true;
}

/* A reference to fresh words, or 0 when out of memory. */
static uint32_t words_alloc(struct tail *t, uint64_t words)
{
    uint32_t at;

    if (words > SLAB_WORDS / 4) {
        uint32_t slabs = (uint32_t)((words + SLAB_WORDS - 1) / SLAB_WORDS);

        if (!slabs_add(t, slabs, true))
            return 0;
        t->span_bytes += (uint64_t)slabs * SLAB_WORDS * sizeof(uint32_t);
        return (t->slab_count - slabs) << SLAB_BITS;
    }
    if (words > SLAB_WORDS - t->slab_words) {
        if (t->slab_at + 1 < t->slab_kept) {
            t->slab_at++;
        } else {
            if (!slabs_add(t, 1, false))
                return 0;
            t->slab_at = t->slab_count - 1;
        }
        t->slab_words = 0;
    }
    at = t->slab_words;
    t->slab_words += (uint32_t)words;
    return t->slab_at << SLAB_BITS | at;
}

/* A fresh chunk behind `previous` (0: none), or 0. */
static uint32_t chunk_new(struct tail *t, uint32_t chunk, uint32_t previous)
{
    uint32_t reference = words_alloc(t, CHUNK_ENTRIES + (uint64_t)chunk_capacity(chunk) * TAIL_ENTRY_WORDS);

    if (!reference)
        return 0;
    words_at(t, reference)[CHUNK_NEXT] = 0;
    words_at(t, reference)[CHUNK_PREVIOUS] = previous;
    if (previous)
        words_at(t, previous)[CHUNK_NEXT] = reference;
    return reference;
}

/* Where the entry behind the newest of a list in chunks goes; NULL when out of memory. */
static uint32_t *list_extend(struct tail *t, struct tail_node *node)
{
    uint32_t count = node->list >> 1;
    uint32_t chunk = chunk_of(count);

    if (count == chunk_first(chunk) && count > 0) {
        uint32_t next = words_at(t, node->words[1])[CHUNK_NEXT];

        if (!next)
            next = chunk_new(t, chunk, node->words[1]);
        if (!next)
            return NULL;
        node->words[1] = next;
    }
    return words_at(t, node->words[1]) + CHUNK_ENTRIES + (count - chunk_first(chunk)) * TAIL_ENTRY_WORDS;
}

static int node_append(struct tail *t, struct tail_node *node, const struct index_entry *entry)
{
    uint32_t *words = node->words;

    if (node->list >> 1 >= LIST_COUNT_MAX)
        return EDDA_EBUSY;
    if (node->list == 2) {
        uint32_t first = chunk_new(t, 0, 0);

        if (!first)
            return EDDA_ENOMEM;
        memcpy(words_at(t, first) + CHUNK_ENTRIES, words, sizeof(node->words));
        words[0] = words[1] = first;
        node->list |= 1;
    }
    if (node->list & 1)
        words = list_extend(t, node);
    if (!words)
        return EDDA_ENOMEM;
    entry_store(words, entry);
    t->keys += node->list < 2;
    node->list += 2;
    return 0;
}

/* Takes the newest entry off a list. */
static void node_drop(struct tail *t, struct tail_node *node)
{
    uint32_t count = node->list >> 1;

    ASSERT(count > 0);
    count--;
    if (node->list & 1 && count > 0 && count == chunk_first(chunk_of(count)) && count >= 2)
        node->words[1] = words_at(t, node->words[1])[CHUNK_PREVIOUS];
    node->list -= 2;
    t->keys -= node->list < 2;
    t->entries--;
}

static void node_newest(const struct tail *t, const struct tail_node *node, struct index_entry *ret_entry)
{
    tail_read(t, node, tail_node_count(node) - 1, 1, ret_entry);
}

/* Room for `more` keys in slots that are at most three quarters full; false when out of memory. */
static bool slots_reserve(struct tail *t, uint32_t more)
{
    uint32_t bits = t->slots ? t->slot_bits : SLOT_BITS_MIN;
    uint32_t *slots;

    while (((uint64_t)t->node_count + more) * 4 > UINT64_C(3) << bits)
        bits++;
    if (t->slots && bits == t->slot_bits)
        return true;
    if (bits > SLOT_BITS_SMALL && bits < t->slot_bits_expected)
        bits = t->slot_bits_expected;
    slots = calloc((size_t)1 << bits, sizeof(*slots));
    if (!slots)
        return false;
    free(t->slots);
    t->slots = slots;
    t->slot_bits = bits;
    for (uint32_t number = 0; number < t->node_count; number++) {
        uint64_t mixed = mix(node_at(t, number)->key);
        uint32_t slot = slot_of(t, mixed);

        while (slots[slot])
            slot = (slot + 1) & ((UINT32_C(1) << bits) - 1);
        slots[slot] = tag_of(mixed) | (number + 1);
    }
    return true;
}

/* Room for one more node; false when out of memory. */
static bool blocks_reserve(struct tail *t)
{
    if (t->node_count < t->block_count * TAIL_BLOCK_NODES)
        return true;
    if (t->block_count == t->block_capacity) {
        uint32_t capacity = t->block_capacity ? 2 * t->block_capacity : 8;
        struct tail_node **blocks = realloc(t->blocks, capacity * sizeof(*blocks));

        if (!blocks)
            return false;
        t->blocks = blocks;
        t->block_capacity = capacity;
    }
    t->blocks[t->block_count] = malloc(TAIL_BLOCK_NODES * sizeof(**t->blocks));
    if (!t->blocks[t->block_count])
        return false;
    t->block_count++;
    return true;
}

/* The slot of a key, or the free one where it belongs. */
static uint32_t slot_find(const struct tail *t, struct hash128 key, uint64_t mixed)
{
    uint32_t mask = (UINT32_C(1) << t->slot_bits) - 1;
    uint32_t slot = slot_of(t, mixed);
    uint32_t tag = tag_of(mixed);

    for (;; slot = (slot + 1) & mask) {
        uint32_t value = t->slots[slot];

        if (!value)
            return slot;
        if (((value ^ tag) & ~SLOT_NODE_MASK) == 0 && hash128_eq(node_at(t, (value & SLOT_NODE_MASK) - 1)->key, key))
            return slot;
    }
}

/* One addition; the slots have room for it. */
static int add_one(struct tail *t, const struct index_addition *addition, uint64_t mixed)
{
    uint32_t slot = slot_find(t, addition->key, mixed);
    uint32_t number = (t->slots[slot] & SLOT_NODE_MASK) - 1;
    int r;

    if (!t->slots[slot]) {
        if (t->node_count >= TAIL_KEYS_MAX)
            return EDDA_EBUSY;
        if (!blocks_reserve(t))
            return EDDA_ENOMEM;
        number = t->node_count++;
        node_at(t, number)->key = addition->key;
        node_at(t, number)->list = 0;
        t->slots[slot] = tag_of(mixed) | (number + 1);
    }
    r = node_append(t, node_at(t, number), &addition->entry);
    if (r < 0)
        return r;
    t->entries++;
    t->ordered = t->ordered && addition->entry.position >= t->position_max;
    if (addition->entry.position > t->position_max)
        t->position_max = addition->entry.position;
    if (addition->entry.position < t->position_min)
        t->position_min = addition->entry.position;
    if (addition->entry.batch < t->batch_min)
        t->batch_min = addition->entry.batch;
    t->recent[t->recent_at] = number;
    t->recent_at = (t->recent_at + 1) % TAIL_RECENT;
    t->recent_count += t->recent_count < TAIL_RECENT;
    return 0;
}

/* Asks for the memory that a group of additions will touch, in steps that each need what the one before asked for. */
static void group_fetch(const struct tail *t, const struct index_addition *additions, size_t count, uint64_t *mixed)
{
    uint32_t numbers[GROUP];

    for (size_t i = 0; i < count; i++) {
        mixed[i] = mix(additions[i].key);
        __builtin_prefetch(&t->slots[slot_of(t, mixed[i])], 1);
    }
    for (size_t i = 0; i < count; i++) {
        uint32_t value = t->slots[slot_of(t, mixed[i])];

        numbers[i] = ((value ^ tag_of(mixed[i])) & ~SLOT_NODE_MASK) == 0 ? value & SLOT_NODE_MASK : 0;
        if (numbers[i]) {
            __builtin_prefetch(node_at(t, numbers[i] - 1), 1);
            __builtin_prefetch((const uint8_t *)node_at(t, numbers[i] - 1) + sizeof(struct tail_node) - 1, 1);
        }
    }
    for (size_t i = 0; i < count; i++) {
        const struct tail_node *node = numbers[i] ? node_at(t, numbers[i] - 1) : NULL;

        if (node && node->list & 1) {
            uint32_t last = node->list >= 4 ? (node->list >> 1) - 1 : 0;

            __builtin_prefetch(words_at(t, node->words[1]), 1);
            __builtin_prefetch(words_at(t, node->words[1]) + CHUNK_ENTRIES +
                                   (last - chunk_first(chunk_of(last))) * TAIL_ENTRY_WORDS,
                               1);
        }
    }
}

/* Takes back the first `count` additions, the newest first. */
static void take_back(struct tail *t, const struct index_addition *additions, size_t count)
{
    for (size_t i = count; i-- > 0;) {
        uint32_t slot = slot_find(t, additions[i].key, mix(additions[i].key));

        node_drop(t, node_at(t, (t->slots[slot] & SLOT_NODE_MASK) - 1));
    }
    t->recent_count = 0;
}

int tail_add(struct tail *t, const struct index_addition *additions, size_t count)
{
    uint64_t mixed[GROUP];
    int r = 0;

    for (size_t at = 0; at < count; at += GROUP) {
        size_t group = count - at < GROUP ? count - at : GROUP;

        if (!slots_reserve(t, (uint32_t)group)) {
            take_back(t, additions, at);
            return EDDA_ENOMEM;
        }
        group_fetch(t, additions + at, group, mixed);
        for (size_t i = 0; i < group; i++) {
            r = add_one(t, &additions[at + i], mixed[i]);
            if (r < 0) {
                take_back(t, additions, at + i);
                return r;
            }
        }
    }
    return 0;
}

/* Drops what a node has from `position` on. */
static void node_rewind(struct tail *t, struct tail_node *node, uint64_t position)
{
    struct index_entry newest;

    while (node->list >= 2) {
        node_newest(t, node, &newest);
        if (newest.position < position)
            return;
        node_drop(t, node);
    }
}

/* Goes back over the additions that are remembered; false when that was not all. */
static bool rewind_recent(struct tail *t, uint64_t position)
{
    struct index_entry newest;

    while (t->recent_count > 0) {
        struct tail_node *node = node_at(t, t->recent[(t->recent_at + TAIL_RECENT - 1) % TAIL_RECENT]);

        ASSERT(node->list >= 2);
        node_newest(t, node, &newest);
        if (newest.position < position)
            return true;
        node_drop(t, node);
        t->recent_at = (t->recent_at + TAIL_RECENT - 1) % TAIL_RECENT;
        t->recent_count--;
    }
    return t->entries == 0;
}

void tail_rewind(struct tail *t, uint64_t position)
{
    if (t->entries == 0 || t->position_max < position)
        return;
    if (!t->ordered || !rewind_recent(t, position)) {
        for (uint32_t number = 0; number < t->node_count; number++)
            node_rewind(t, node_at(t, number), position);
        t->recent_count = 0;
    }
    t->position_max = position ? position - 1 : 0;
}

const struct tail_node *tail_find(const struct tail *t, struct hash128 key)
{
    const struct tail_node *node;
    uint32_t value;

    if (!t->slots)
        return NULL;
    value = t->slots[slot_find(t, key, mix(key))];
    node = value ? node_at(t, (value & SLOT_NODE_MASK) - 1) : NULL;
    return node && node->list >= 2 ? node : NULL;
}

void tail_prefetch(const struct tail *t, struct hash128 key)
{
    if (t->slots)
        __builtin_prefetch(&t->slots[slot_of(t, mix(key))]);
}

/* The chunk with this number of a list in chunks, found from whichever end is nearer by count. */
static const uint32_t *list_chunk(const struct tail *t, const struct tail_node *node, uint32_t chunk)
{
    uint32_t last = chunk_of((node->list >> 1) - 1);
    const uint32_t *words;

    if (chunk * 2 < last) {
        words = words_at(t, node->words[0]);
        for (uint32_t i = 0; i < chunk; i++)
            words = words_at(t, words[CHUNK_NEXT]);
    } else {
        words = words_at(t, node->words[1]);
        for (uint32_t i = last; i > chunk; i--)
            words = words_at(t, words[CHUNK_PREVIOUS]);
    }
    return words;
}

void tail_read(const struct tail *t, const struct tail_node *node, uint64_t from, uint64_t count,
               struct index_entry *ret_entries)
{
    uint32_t ordinal = (uint32_t)from;
    const uint32_t *words;

    ASSERT(count > 0 && from < tail_node_count(node) && count <= tail_node_count(node) - from);
    if (!(node->list & 1)) {
        entry_load(node->words, ret_entries);
        return;
    }
    words = list_chunk(t, node, chunk_of(ordinal));
    for (;;) {
        uint32_t chunk = chunk_of(ordinal);
        uint32_t end = chunk_first(chunk) + chunk_capacity(chunk);
        const uint32_t *at = words + CHUNK_ENTRIES + (ordinal - chunk_first(chunk)) * TAIL_ENTRY_WORDS;

        for (; ordinal < end && count > 0; ordinal++, count--, at += TAIL_ENTRY_WORDS)
            entry_load(at, ret_entries++);
        if (count == 0)
            return;
        words = words_at(t, words[CHUNK_NEXT]);
    }
}

uint64_t tail_find_position(const struct tail *t, const struct tail_node *node, uint64_t position)
{
    uint64_t low = 0;
    uint64_t high = tail_node_count(node);

    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        struct index_entry entry;

        tail_read(t, node, middle, 1, &entry);
        if (entry.position < position)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}
