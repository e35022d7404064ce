/*
 * What src/base promises: memory, containers and assertions.
 * The random tests print their seed first; run again with EDDA_SEED=<seed> to replay one.
 */
#include "support.h"

#include "base/arena.h"
#include "base/array.h"
#include "base/assert.h"
#include "base/buffer.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/slice.h"
#include "base/table.h"

/* No allocator has this much, and asking for it must not end a run under the address sanitizer. */
#define TOO_MUCH (SIZE_MAX / 4)
__attribute__((visibility("default"))) const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

/* ---- array.h ---- */

static void an_array_grows_and_keeps_what_it_has(void **state)
{
    uint64_t *items = NULL;
    uint32_t capacity = 0;
    (void)state;
    for (uint64_t i = 0; i < 5000; i++) {
        uint32_t before = capacity;
        assert_true(array_reserve(&items, &capacity, i + 1, sizeof(*items)));
        assert_true(capacity > i);
        assert_true(capacity == before || capacity >= 2 * before);
        items[i] = i;
    }
    for (uint64_t i = 0; i < 5000; i++)
        assert_int_equal(items[i], i);
    free(items);
}

static void an_array_that_cannot_grow_stays_as_it_is(void **state)
{
    uint32_t *items = NULL;
    uint32_t capacity = 0;
    (void)state;
    assert_true(array_reserve(&items, &capacity, 100, sizeof(*items)));
    uint32_t *before = items;
    uint32_t room = capacity;
    assert_true(room >= 100);
    assert_false(array_reserve(&items, &capacity, (UINT64_C(1) << 31) + 1, 1));
    assert_false(array_reserve(&items, &capacity, UINT64_MAX, sizeof(*items)));
    assert_false(array_reserve(&items, &capacity, UINT64_C(1) << 31, TOO_MUCH >> 31));
    assert_ptr_equal(items, before);
    assert_int_equal(capacity, room);
    free(items);
}

/* ---- assert.h ---- */

static void misuse_assert(void)
{
    int one = 1;
    ASSERT(one == 2);
}

static void misuse_unreachable(void)
{
    UNREACHABLE();
}

static void assertions_name_the_condition_and_abort(void **state)
{
    (void)state;
    ASSERT(1 + 1 == 2);
    assert_dies(misuse_assert, "one == 2");
    assert_dies(misuse_unreachable, "unreachable");
    assert_dies(misuse_unreachable, "base.c:");
}

/* ---- slice.h ---- */

static void slices_compare_by_bytes_then_length(void **state)
{
    (void)state;
    assert_true(slice_eq(SLICE("abc"), slice_str("abc")));
    assert_false(slice_eq(SLICE("abc"), SLICE("abd")));
    assert_false(slice_eq(SLICE("abc"), SLICE("ab")));
    assert_true(slice_eq(slice_of(NULL, 0), SLICE("")));
    assert_true(slice_eq_str(SLICE("abc"), "abc"));
    assert_true(slice_eq_str(slice_of(NULL, 0), NULL));
    assert_true(slice_compare(SLICE("ab"), SLICE("abc")) < 0);
    assert_true(slice_compare(SLICE("abc"), SLICE("ab")) > 0);
    assert_true(slice_compare(SLICE("b"), SLICE("abc")) > 0);
    assert_true(slice_compare(SLICE("\xff"), SLICE("a")) > 0);
    assert_int_equal(slice_compare(slice_of(NULL, 0), SLICE("")), 0);
}

static void slices_have_prefixes_and_rests(void **state)
{
    (void)state;
    assert_true(slice_has_prefix(SLICE("orders"), SLICE("ord")));
    assert_true(slice_has_prefix(SLICE("orders"), SLICE("")));
    assert_false(slice_has_prefix(SLICE("or"), SLICE("ord")));
    assert_false(slice_has_prefix(SLICE("orders"), SLICE("odr")));
    assert_true(slice_eq_str(slice_from(SLICE("orders"), 4), "rs"));
    assert_int_equal(slice_from(SLICE("orders"), 6).len, 0);
    assert_int_equal(slice_from(SLICE("orders"), 100).len, 0);
}

/* ---- list.h ---- */

struct listed {
    int number;
    struct list link;
};

static void lists_keep_order_and_let_go(void **state)
{
    (void)state;
    struct list head;
    struct listed items[3] = { { .number = 0 }, { .number = 1 }, { .number = 2 } };
    list_init(&head);
    assert_true(list_empty(&head));
    assert_null(list_pop_front(&head));
    for (size_t i = 0; i < COUNT(items); i++)
        list_init(&items[i].link);
    assert_false(list_linked(&items[1].link));

    list_push_back(&head, &items[1].link);
    list_push_back(&head, &items[2].link);
    list_push_front(&head, &items[0].link);
    assert_true(list_linked(&items[1].link));
    list_remove(&items[1].link);
    assert_false(list_linked(&items[1].link));
    list_insert_before(&items[2].link, &items[1].link);
    for (int i = 0; i < 3; i++) {
        struct list *link = list_pop_front(&head);
        assert_non_null(link);
        assert_int_equal(container_of(link, struct listed, link)->number, i);
        assert_false(list_linked(link));
    }
    assert_true(list_empty(&head));
}

/* ---- arena.h ---- */

static void arena_memory_is_zeroed_aligned_and_apart(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 256, 0);
    uint8_t *at[200];
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < COUNT(at); i++) {
            size_t size = i * 7 % 500;
            at[i] = arena_alloc(&a, size);
            assert_non_null(at[i]);
            assert_int_equal((uintptr_t)at[i] % 16, 0);
            for (size_t k = 0; k < size; k++)
                assert_int_equal(at[i][k], 0);
            memset(at[i], (int)(i + 1), size);
            assert_non_null(arena_bytes(&a, i % 3));
        }
        for (size_t i = 0; i < COUNT(at); i++) {
            for (size_t k = 0; k < i * 7 % 500; k++)
                assert_int_equal(at[i][k], (uint8_t)(i + 1));
        }
        arena_reset(&a);
    }
    arena_deinit(&a);
}

static size_t arena_block_count(const struct arena *a)
{
    /* A block begins with the pointer to the next one. */
    size_t count = 0;
    for (const void *block = a->first; block; memcpy(&block, block, sizeof(block)))
        count++;
    return count;
}

static void a_warm_arena_takes_no_further_blocks(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 256, 0);
    assert_null(a.first);
    size_t blocks = 0;
    for (int round = 0; round < 5; round++) {
        for (size_t i = 0; i < 50; i++) {
            assert_non_null(arena_bytes(&a, 100));
            assert_non_null(arena_alloc(&a, i % 10 == 3 ? 1000 + i : 8));
        }
        if (round == 0)
            blocks = arena_block_count(&a);
        assert_int_equal(arena_block_count(&a), blocks);
        arena_reset(&a);
        assert_int_equal(a.used, 0);
    }
    assert_true(blocks > 10);
    arena_deinit(&a);
    assert_null(a.first);
}

static void a_large_value_does_not_end_an_empty_block(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 1024, 0);
    uint8_t *before = arena_bytes(&a, 10);
    assert_non_null(arena_bytes(&a, 5000));
    assert_ptr_equal(arena_bytes(&a, 10), before + 10);
    arena_deinit(&a);
}

static void arena_limits_hold_and_failure_changes_nothing(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 0, 100);
    assert_int_equal(a.block_bytes, 16 * 1024);
    assert_non_null(arena_bytes(&a, 60));
    assert_null(arena_alloc(&a, 41));
    assert_null(arena_bytes(&a, SIZE_MAX));
    assert_int_equal(a.used, 60);
    assert_non_null(arena_alloc(&a, 40));
    assert_null(arena_bytes(&a, 1));
    assert_non_null(arena_alloc(&a, 0));
    arena_reset(&a);
    assert_non_null(arena_bytes(&a, 100));
    arena_deinit(&a);

    arena_init(&a, 1, 0);
    assert_null(arena_alloc(&a, SIZE_MAX));
    assert_null(arena_alloc(&a, TOO_MUCH));
    assert_int_equal(a.used, 0);
    assert_non_null(arena_alloc(&a, 16));
    arena_deinit(&a);
}

static void arena_copies_text(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 0, 64);
    struct slice copy = arena_copy(&a, SLICE("orders"));
    assert_true(slice_eq_str(copy, "orders"));
    copy = arena_copy(&a, slice_of(NULL, 0));
    assert_non_null(copy.data);
    assert_int_equal(copy.len, 0);
    assert_string_equal(arena_cstr(&a, slice_of("orders", 3)), "ord");
    assert_string_equal(arena_cstr(&a, slice_of(NULL, 0)), "");
    assert_string_equal(arena_printf(&a, "%s-%d", "order", 4711), "order-4711");

    copy = arena_copy(&a, slice_of("", TOO_MUCH));
    assert_null(copy.data);
    assert_int_equal(copy.len, 0);
    assert_null(arena_cstr(&a, slice_of("", SIZE_MAX)));
    assert_null(arena_cstr(&a, slice_of("", TOO_MUCH)));
    assert_null(arena_printf(&a, "%*d", 64, 1));
    arena_deinit(&a);
}

/* ---- buffer.h ---- */

static void buffers_append_and_grow_by_doubling(void **state)
{
    (void)state;
    struct buffer b = BUFFER_EMPTY;
    assert_string_equal(buffer_cstr(&b), "");
    buffer_append(&b, "ab", 2);
    buffer_append_slice(&b, SLICE("cd"));
    buffer_append_slice(&b, slice_of(NULL, 0));
    buffer_append_str(&b, "ef");
    buffer_append_str(&b, NULL);
    buffer_append_byte(&b, 'g');
    buffer_printf(&b, "%d%s", 42, "!");
    assert_string_equal(buffer_cstr(&b), "abcdefg42!");
    buffer_append_zeros(&b, 3);
    assert_true(buffer_ok(&b));
    assert_true(slice_eq(buffer_slice(&b), slice_of("abcdefg42!\0\0\0", 13)));
    buffer_truncate(&b, 3);
    assert_string_equal(buffer_cstr(&b), "abc");

    size_t growths = 0;
    for (int i = 0; i < 100000; i++) {
        size_t before = b.capacity;
        buffer_append_byte(&b, (uint8_t)i);
        growths += b.capacity != before;
    }
    assert_int_equal(b.len, 100003);
    assert_true(growths <= 12);
    for (int i = 0; i < 100000; i++)
        assert_int_equal(b.data[i + 3], (uint8_t)i);
    buffer_clear(&b);
    assert_int_equal(b.len, 0);
    assert_true(b.capacity >= 100003);
    buffer_deinit(&b);
    assert_null(b.data);
}

static void buffer_printf_takes_any_length(void **state)
{
    (void)state;
    for (int width = 1; width < 300; width++) {
        struct buffer b;
        buffer_init(&b, (size_t)width);
        buffer_printf(&b, "%*d", width, 7);
        assert_true(buffer_ok(&b));
        assert_int_equal(b.len, width);
        assert_int_equal(b.data[width - 1], '7');
        assert_int_equal(strlen(buffer_cstr(&b)), width);
        buffer_printf(&b, "%s", "");
        assert_true(buffer_ok(&b));
        buffer_printf(&b, "x");
        assert_false(buffer_ok(&b));
        buffer_deinit(&b);
    }
}

static void a_full_buffer_fails_and_stays_failed(void **state)
{
    (void)state;
    struct buffer b;
    buffer_init(&b, 100);
    buffer_append_zeros(&b, 90);
    assert_true(buffer_reserve(&b, 10));
    assert_true(b.capacity <= 100);
    buffer_append(&b, "0123456789A", 11);
    assert_false(buffer_ok(&b));
    assert_int_equal(b.len, 90);
    buffer_append_byte(&b, 'x');
    buffer_append_str(&b, "x");
    buffer_append_zeros(&b, 1);
    buffer_printf(&b, "x");
    assert_null(buffer_extend(&b, 1));
    assert_null(buffer_extend(&b, 0));
    assert_false(buffer_reserve(&b, 0));
    assert_int_equal(b.len, 90);
    assert_string_equal(buffer_cstr(&b), "");

    buffer_clear(&b);
    assert_true(buffer_ok(&b));
    uint8_t *at = buffer_extend(&b, 100);
    assert_non_null(at);
    memset(at, 'y', 100);
    assert_int_equal(strlen(buffer_cstr(&b)), 100);
    buffer_deinit(&b);
    assert_int_equal(b.len_max, 100);
}

static void a_buffer_out_of_memory_fails_and_keeps_its_contents(void **state)
{
    (void)state;
    struct buffer b = BUFFER_EMPTY;
    assert_non_null(buffer_extend(&b, 0));
    buffer_append_str(&b, "kept");
    assert_false(buffer_reserve(&b, TOO_MUCH));
    assert_false(buffer_ok(&b));
    assert_true(slice_eq_str(buffer_slice(&b), "kept"));
    buffer_clear(&b);
    buffer_append_str(&b, "kept");
    assert_false(buffer_reserve(&b, SIZE_MAX));
    buffer_clear(&b);
    assert_false(buffer_reserve(&b, SIZE_MAX / 2 + 2));
    buffer_deinit(&b);
}

static void misuse_truncate(void)
{
    struct buffer b = BUFFER_EMPTY;
    buffer_truncate(&b, 1);
}

static void buffers_cannot_be_truncated_to_more(void **state)
{
    (void)state;
    assert_dies(misuse_truncate, "len <= b->len");
}

/* ---- heap.h ---- */

#define HEAP_NODES 300

static struct heap_node *naive_first(struct heap_node *nodes)
{
    struct heap_node *least = NULL;
    for (size_t i = 0; i < HEAP_NODES; i++) {
        struct heap_node *n = &nodes[i];
        if (heap_contains(n) && (!least || n->key < least->key || (n->key == least->key && n->order < least->order)))
            least = n;
    }
    return least;
}

static void a_heap_behaves_like_a_search_for_the_least(void **state)
{
    (void)state;
    struct prng p;
    prng_init(&p, random_seed("heap"));
    struct heap h;
    heap_init(&h);
    struct heap_node nodes[HEAP_NODES];
    for (size_t i = 0; i < HEAP_NODES; i++)
        nodes[i] = HEAP_NODE_INIT;
    size_t count = 0;
    uint64_t order = 0;
    for (int step = 0; step < 50000; step++) {
        struct heap_node *node = &nodes[prng_below(&p, HEAP_NODES)];
        int64_t key = (int64_t)prng_below(&p, 100) - 50;
        if (!heap_contains(node)) {
            assert_true(heap_insert(&h, node, key, order++));
            count++;
        } else if (prng_one_in(&p, 2)) {
            heap_update(&h, node, key);
            assert_true(node->key == key);
        } else {
            heap_remove(&h, node);
            assert_false(heap_contains(node));
            count--;
        }
        assert_int_equal(h.count, count);
        assert_ptr_equal(heap_first(&h), naive_first(nodes));
    }
    while (heap_first(&h)) {
        assert_ptr_equal(heap_first(&h), naive_first(nodes));
        heap_remove(&h, heap_first(&h));
    }
    assert_int_equal(h.count, 0);
    heap_deinit(&h);
}

static void equal_keys_leave_in_their_order(void **state)
{
    (void)state;
    struct heap h;
    heap_init(&h);
    assert_null(heap_first(&h));
    struct heap_node nodes[100];
    for (size_t i = 0; i < COUNT(nodes); i++) {
        nodes[i] = HEAP_NODE_INIT;
        assert_true(heap_insert(&h, &nodes[i], i % 2 ? INT64_MIN : INT64_MAX, 100 - i));
    }
    for (size_t left = COUNT(nodes); left > 0; left--) {
        size_t expected = left > 50 ? 2 * (left - 51) + 1 : 2 * (left - 1);
        assert_ptr_equal(heap_first(&h), &nodes[expected]);
        heap_remove(&h, heap_first(&h));
    }
    heap_deinit(&h);
}

static void a_heap_that_cannot_grow_refuses_and_stays_as_it_is(void **state)
{
    (void)state;
    const size_t impossible[] = { SIZE_MAX / 2 + 1, SIZE_MAX / 16 + 1, TOO_MUCH / 16 };
    for (size_t i = 0; i < COUNT(impossible); i++) {
        struct heap h = { .count = impossible[i], .capacity = impossible[i] };
        struct heap_node node = HEAP_NODE_INIT;
        assert_false(heap_insert(&h, &node, 1, 1));
        assert_false(heap_contains(&node));
        assert_true(h.count == impossible[i] && h.capacity == impossible[i]);
    }
}

static void misuse_heap_insert(void)
{
    struct heap h;
    heap_init(&h);
    struct heap_node node = HEAP_NODE_INIT;
    (void)heap_insert(&h, &node, 1, 1);
    (void)heap_insert(&h, &node, 1, 1);
}

static void misuse_heap_remove(void)
{
    struct heap h;
    heap_init(&h);
    struct heap_node node = HEAP_NODE_INIT;
    heap_remove(&h, &node);
}

static void misuse_heap_update(void)
{
    struct heap h;
    heap_init(&h);
    struct heap_node node = HEAP_NODE_INIT;
    heap_update(&h, &node, 1);
}

static void heap_nodes_are_in_one_heap_or_none(void **state)
{
    (void)state;
    assert_dies(misuse_heap_insert, "!heap_contains(node)");
    assert_dies(misuse_heap_remove, "nodes[index] == node");
    assert_dies(misuse_heap_update, "== node");
}

/* ---- table.h ---- */

#define TABLE_ITEMS 500

struct item {
    struct table_link link;
    bool inside;
    bool seen;
};

static struct item *item_of(struct table_link *link)
{
    return container_of(link, struct item, link);
}

/* The links found under `hash` are those inside that have it, each once. */
static void assert_finds_all(const struct table *t, struct item *items, uint64_t hash)
{
    size_t expected = 0;
    size_t found = 0;
    for (size_t i = 0; i < TABLE_ITEMS; i++) {
        expected += items[i].inside && items[i].link.hash == hash;
        items[i].seen = false;
    }
    for (struct table_link *link = table_find(t, hash); link; link = table_find_next(link)) {
        assert_true(link->hash == hash && item_of(link)->inside && !item_of(link)->seen);
        item_of(link)->seen = true;
        found++;
    }
    assert_int_equal(found, expected);
}

/* table_each() gives what is inside, each once. */
static void assert_walks_all(const struct table *t, struct item *items)
{
    size_t count = 0;
    for (size_t i = 0; i < TABLE_ITEMS; i++)
        items[i].seen = false;
    for (struct table_link *link = table_each(t, NULL); link; link = table_each(t, link)) {
        assert_true(item_of(link)->inside && !item_of(link)->seen);
        item_of(link)->seen = true;
        count++;
    }
    assert_int_equal(count, t->count);
}

static void a_table_behaves_like_a_search_through_everything(void **state)
{
    (void)state;
    struct prng p;
    prng_init(&p, random_seed("table"));
    struct table t;
    table_init(&t);
    struct item *items = calloc(TABLE_ITEMS, sizeof(*items));
    assert_non_null(items);
    assert_null(table_find(&t, 1));
    assert_null(table_each(&t, NULL));
    size_t count = 0;
    for (int step = 0; step < 20000; step++) {
        struct item *item = &items[prng_below(&p, TABLE_ITEMS)];
        /* Few hashes, so that some are equal and some differ in the upper half only. */
        uint64_t hash = prng_below(&p, 100) << (prng_one_in(&p, 2) ? 32 : 0);
        if (item->inside)
            table_remove(&t, &item->link);
        else
            assert_true(table_insert(&t, &item->link, hash));
        item->inside = !item->inside;
        count = item->inside ? count + 1 : count - 1;
        assert_int_equal(t.count, count);
        assert_true(t.count <= t.bucket_count);
        assert_finds_all(&t, items, hash);
        assert_finds_all(&t, items, item->link.hash);
        if (step % 100 == 0)
            assert_walks_all(&t, items);
    }
    size_t buckets = t.bucket_count;
    table_clear(&t);
    assert_int_equal(t.count, 0);
    assert_int_equal(t.bucket_count, buckets);
    assert_null(table_each(&t, NULL));
    table_deinit(&t);
    assert_null(t.buckets);
    table_clear(&t);
    free(items);
}

static void the_link_before_may_be_removed_during_a_walk(void **state)
{
    (void)state;
    struct table t;
    table_init(&t);
    struct table_link links[100];
    for (size_t i = 0; i < COUNT(links); i++)
        assert_true(table_insert(&t, &links[i], i / 3));
    size_t walked = 0;
    struct table_link *link = table_each(&t, NULL);
    while (link) {
        struct table_link *next = table_each(&t, link);
        table_remove(&t, link);
        walked++;
        link = next;
    }
    assert_int_equal(walked, COUNT(links));
    assert_int_equal(t.count, 0);
    table_deinit(&t);
}

static void hashes_that_differ_in_one_half_only_are_spread(void **state)
{
    (void)state;
    for (unsigned shift = 0; shift <= 32; shift += 32) {
        struct table t;
        table_init(&t);
        struct table_link links[1000];
        for (size_t i = 0; i < COUNT(links); i++)
            assert_true(table_insert(&t, &links[i], (uint64_t)i << shift));
        size_t taken = 0;
        for (size_t i = 0; i < t.bucket_count; i++)
            taken += t.buckets[i] != NULL;
        assert_true(taken > 500);
        table_deinit(&t);
    }
}

static void a_table_that_cannot_grow_refuses_and_stays_as_it_is(void **state)
{
    (void)state;
    const size_t impossible[] = { SIZE_MAX / 2 + 1, SIZE_MAX / 16 + 1, (TOO_MUCH + 1) / 16 };
    for (size_t i = 0; i < COUNT(impossible); i++) {
        struct table t = { .bucket_count = impossible[i], .count = impossible[i] };
        struct table_link link;
        assert_false(table_insert(&t, &link, 1));
        assert_null(t.buckets);
        assert_true(t.bucket_count == impossible[i] && t.count == impossible[i]);
    }
}

static void misuse_table_remove(void)
{
    struct table t;
    table_init(&t);
    struct table_link inside;
    struct table_link outside = { .hash = 1 };
    (void)table_insert(&t, &inside, 1);
    table_remove(&t, &outside);
}

static void only_what_is_in_a_table_can_be_removed(void **state)
{
    (void)state;
    assert_dies(misuse_table_remove, "*place");
}

static const struct CMUnitTest assert_tests[] = {
    cmocka_unit_test(assertions_name_the_condition_and_abort),
};

static const struct CMUnitTest slice_tests[] = {
    cmocka_unit_test(slices_compare_by_bytes_then_length),
    cmocka_unit_test(slices_have_prefixes_and_rests),
};

static const struct CMUnitTest list_tests[] = {
    cmocka_unit_test(lists_keep_order_and_let_go),
};

static const struct CMUnitTest arena_tests[] = {
    cmocka_unit_test(arena_memory_is_zeroed_aligned_and_apart),
    cmocka_unit_test(a_warm_arena_takes_no_further_blocks),
    cmocka_unit_test(a_large_value_does_not_end_an_empty_block),
    cmocka_unit_test(arena_limits_hold_and_failure_changes_nothing),
    cmocka_unit_test(arena_copies_text),
};

static const struct CMUnitTest buffer_tests[] = {
    cmocka_unit_test(buffers_append_and_grow_by_doubling),
    cmocka_unit_test(buffer_printf_takes_any_length),
    cmocka_unit_test(a_full_buffer_fails_and_stays_failed),
    cmocka_unit_test(a_buffer_out_of_memory_fails_and_keeps_its_contents),
    cmocka_unit_test(buffers_cannot_be_truncated_to_more),
};

static const struct CMUnitTest heap_tests[] = {
    cmocka_unit_test(a_heap_behaves_like_a_search_for_the_least),
    cmocka_unit_test(equal_keys_leave_in_their_order),
    cmocka_unit_test(a_heap_that_cannot_grow_refuses_and_stays_as_it_is),
    cmocka_unit_test(heap_nodes_are_in_one_heap_or_none),
};

static const struct CMUnitTest table_tests[] = {
    cmocka_unit_test(a_table_behaves_like_a_search_through_everything),
    cmocka_unit_test(the_link_before_may_be_removed_during_a_walk),
    cmocka_unit_test(hashes_that_differ_in_one_half_only_are_spread),
    cmocka_unit_test(a_table_that_cannot_grow_refuses_and_stays_as_it_is),
    cmocka_unit_test(only_what_is_in_a_table_can_be_removed),
};

static const struct CMUnitTest array_tests[] = {
    cmocka_unit_test(an_array_grows_and_keeps_what_it_has),
    cmocka_unit_test(an_array_that_cannot_grow_stays_as_it_is),
};

int main(void)
{
    int failed = 0;
    failed += cmocka_run_group_tests_name("assert", assert_tests, NULL, NULL);
    failed += cmocka_run_group_tests_name("slice", slice_tests, NULL, NULL);
    failed += cmocka_run_group_tests_name("list", list_tests, NULL, NULL);
    failed += cmocka_run_group_tests_name("arena", arena_tests, NULL, NULL);
    failed += cmocka_run_group_tests_name("buffer", buffer_tests, NULL, NULL);
    failed += cmocka_run_group_tests_name("heap", heap_tests, NULL, NULL);
    failed += cmocka_run_group_tests_name("array", array_tests, NULL, NULL);
    failed += cmocka_run_group_tests_name("table", table_tests, NULL, NULL);
    return failed != 0;
}
