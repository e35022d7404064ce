/*
 * seal: the keys of a tail are brought into order by two passes of a radix sort over their first 22 bits and by sorting
 * what is equal in those, which is little, since keys are hashes. It costs less than reading the lists does.
 */
#include "store/seal.h"

#include <stdlib.h>

#include "base/assert.h"

#define DIGIT_BITS 11
#define DIGITS (1u << DIGIT_BITS)
#define TURN_ENTRIES 256
#define AHEAD 8 /* nodes that are fetched before they are needed */

struct ordered {
    uint64_t hi;
    const struct tail_node *node;
};

/* One pass: orders by the digit that begins at `shift`, keeping the order of equal ones. */
static void radix_pass(const struct ordered *from, struct ordered *to, size_t count, unsigned shift)
{
    size_t starts[DIGITS] = { 0 };
    size_t at = 0;

    for (size_t i = 0; i < count; i++)
        starts[from[i].hi >> shift & (DIGITS - 1)]++;
    for (size_t i = 0; i < DIGITS; i++) {
        size_t members = starts[i];

        starts[i] = at;
        at += members;
    }
    for (size_t i = 0; i < count; i++)
        to[starts[from[i].hi >> shift & (DIGITS - 1)]++] = from[i];
}

static int compare_ordered(const void *a, const void *b)
{
    const struct ordered *x = a;
    const struct ordered *y = b;

    return hash128_compare(x->node->key, y->node->key);
}

static void sort(struct ordered *keys, struct ordered *scratch, size_t count)
{
    size_t end;

    radix_pass(keys, scratch, count, 64 - 2 * DIGIT_BITS);
    radix_pass(scratch, keys, count, 64 - DIGIT_BITS);
    for (size_t i = 0; i < count; i = end) {
        end = i + 1;
        while (end < count && keys[end].hi >> (64 - 2 * DIGIT_BITS) == keys[i].hi >> (64 - 2 * DIGIT_BITS))
            end++;
        if (end - i > 1)
            qsort(keys + i, end - i, sizeof(*keys), compare_ordered);
    }
}

static int list_write(struct run_writer *w, const struct tail *tail, const struct tail_node *node)
{
    struct index_entry entries[TURN_ENTRIES];
    uint64_t count = tail_node_count(node);
    int r = run_writer_list(w, node->key, count);

    for (uint64_t at = 0; at < count && r == 0;) {
        uint64_t turn = count - at < TURN_ENTRIES ? count - at : TURN_ENTRIES;

        tail_read(tail, node, at, turn, entries);
        r = run_writer_entries(w, entries, (size_t)turn);
        at += turn;
    }
    return r;
}

static int lists_write(struct run_writer *w, const struct tail *tail, const struct ordered *keys, size_t count)
{
    int r = 0;

    for (size_t i = 0; i < count && r == 0; i++) {
        if (i + AHEAD < count)
            __builtin_prefetch(keys[i + AHEAD].node);
        r = list_write(w, tail, keys[i].node);
    }
    return r < 0 ? r : run_writer_end(w);
}

int seal_write(struct io *io, struct io_file *file, const struct tail *tail, const struct run_identity *identity)
{
    struct run_writer_options options = {
        .identity = *identity,
        .keys_estimate = tail->keys,
        .position_min = tail->position_min,
        .batch_min = tail->batch_min,
    };
    struct run_writer *w;
    struct ordered *keys;
    size_t count = 0;
    int r = run_writer_new(io, file, &options, &w);

    if (r < 0)
        return r;
    keys = malloc(2 * (size_t)tail->keys * sizeof(*keys));
    r = keys ? 0 : EDDA_ENOMEM;
    for (uint32_t number = 0; r == 0 && number < tail->node_count; number++) {
        const struct tail_node *node = tail_node(tail, number);

        if (tail_node_count(node))
            keys[count++] = (struct ordered){ node->key.hi, node };
    }
    if (r == 0) {
        ASSERT(count == tail->keys);
        sort(keys, keys + count, count);
        r = lists_write(w, tail, keys, count);
    }
    free(keys);
    run_writer_free(w);
    return r;
}
