/* Truncated partitions and deleted topics: what is gone is gone for every reader, versions and offsets go on, after every way of opening. */
#include "store_rig.h"

#include <string.h>

/* What is done to the store between looking twice. */
static void again(struct world *w, int round)
{
    if (round == 0)
        world_reopen(w);
    else if (round == 1)
        world_lose_index(w);
    else if (round == 2)
        world_crash(w);
}
#define ROUNDS 4

static struct stream_info info_of(struct world *w, const char *topic, const char *key)
{
    struct stream_info info;
    assert_int_equal(store_stream_info(w->store, slice_str(topic), slice_str(key), &info), 0);
    return info;
}

static void a_truncated_partition_begins_later(void **state)
{
    struct world *w = *state;
    struct topic *topic = topic_of(w, "orders", 1);
    struct store_record record;
    put(w, topic, "a", "a0");
    put(w, topic, "b", "b0");
    uint64_t third = put(w, topic, "a", "a1").position;
    world_flush(w);
    put(w, topic, "a", "a2");
    put(w, topic, "c", "c0");
    assert_int_equal(store_partition_truncate(w->store, topic, 0, 5, &w->error), EDDA_EOFFSET);
    assert_int_equal(store_partition_truncate(w->store, topic, 0, 3, &w->error), 0);
    assert_int_equal(store_partition_truncate(w->store, topic, 0, 2, &w->error), 0); /* later already */
    for (int round = 0; round < ROUNDS; round++) {
        if (round == 0)
            assert_string_equal(all_text(w), "a2 c0");
        world_flush(w);
        again(w, round);
        topic = store_topic(w->store, SLICE("orders"));
        assert_string_equal(all_text(w), "a2 c0");
        assert_string_equal(stream_text(w, "orders", "a"), "a2@2");
        assert_string_equal(stream_text(w, "orders", "b"), "");
        assert_string_equal(stream_text(w, "orders", "c"), "c0@0");
        assert_string_equal(partition_text(w, topic, 0, 0), "a2 c0");
        assert_int_equal(info_of(w, "orders", "a").first_version, 2);
        assert_int_equal(info_of(w, "orders", "a").next_version, 3);
        assert_int_equal(info_of(w, "orders", "b").first_version, 1);
        assert_int_equal(info_of(w, "orders", "b").next_version, 1);
        assert_false(info_of(w, "orders", "b").deleted);
        assert_int_equal(store_position_read(w->store, third, &record), EDDA_ENOTFOUND);
        assert_int_equal(store_stream_last(w->store, SLICE("orders"), SLICE("b"), &record), EDDA_ENOTFOUND);
        assert_int_equal(store_stream_last(w->store, SLICE("orders"), SLICE("a"), &record), 0);
    }
    assert_int_equal(put_expecting(w, topic, "b", 0), 0);
    assert_int_equal(info_of(w, "orders", "b").next_version, 2);
    /* -1 is what is durable. */
    world_flush(w);
    put(w, topic, "a", "a3");
    assert_int_equal(store_partition_truncate(w->store, topic, 0, -1, &w->error), 0);
    assert_string_equal(all_text(w), "a3");
}

static void an_offset_between_batches_of_many_frames(void **state)
{
    struct world *w = *state;
    struct topic *topic = topic_of(w, "orders", 2);
    char key[16];
    for (int i = 0; i < 300; i++) {
        snprintf(key, sizeof(key), "%d", i % 7);
        put(w, topic, key, "x");
        if (i % 3 == 0)
            world_flush(w);
    }
    world_flush(w);
    int64_t next = store_next_offset(topic, 0);
    for (int64_t offset = 0; offset <= next; offset += 13) {
        assert_int_equal(store_partition_truncate(w->store, topic, 0, offset, &w->error), 0);
        struct seen seen = { .len = 0 };
        assert_int_equal(store_partition_read(w->store, topic, 0, 0, UINT64_MAX, see, &seen), next - offset);
        assert_int_equal(store_partition_read(w->store, topic, 0, offset, 2, see, &seen), next - offset < 2 ? next - offset : 2);
    }
}

static void a_deleted_topic_comes_back_empty(void **state)
{
    struct world *w = *state;
    struct topic *topic = topic_of(w, "orders", 3);
    struct topic *other = topic_of(w, "others", 1);
    uint8_t id[16];
    memcpy(id, topic->id, sizeof(id));
    put(w, topic, "a", "a0");
    put(w, topic, "a", "a1");
    put(w, other, "o", "o0");
    assert_int_equal(store_offset_commit(w->store, SLICE("g"), SLICE("orders"), 0, 1, SLICE(""), &w->error), 0);
    assert_int_equal(store_offset_commit(w->store, SLICE("g"), SLICE("others"), 0, 1, SLICE(""), &w->error), 0);
    assert_ptr_equal(store_topic_by_id(w->store, id), topic);
    assert_int_equal(store_topic_delete(w->store, topic, &w->error), 0);
    for (int round = 0; round < ROUNDS; round++) {
        assert_null(store_topic(w->store, SLICE("orders")));
        assert_null(store_topic_by_id(w->store, id));
        assert_string_equal(all_text(w), "o0");
        assert_string_equal(stream_text(w, "orders", "a"), "");
        assert_true(info_of(w, "orders", "a").deleted);
        assert_int_equal(info_of(w, "orders", "a").next_version, 2);
        assert_int_equal(store_offset_fetch(w->store, SLICE("g"), SLICE("orders"), 0), -1);
        assert_int_equal(store_offset_fetch(w->store, SLICE("g"), SLICE("others"), 0), 1);
        world_flush(w);
        again(w, round);
    }
    /* It has the partitions that are asked for now, and another id; offsets and versions go on. */
    topic = topic_of(w, "orders", 1);
    assert_int_equal(topic->partition_count, 1);
    assert_memory_not_equal(topic->id, id, sizeof(id));
    assert_null(store_topic_by_id(w->store, id));
    memcpy(id, topic->id, sizeof(id));
    assert_int_equal(put_expecting(w, topic, "a", 1), EDDA_EVERSION);
    assert_int_equal(put_expecting(w, topic, "a", STORE_NONE), 0);
    assert_int_equal(put_expecting(w, topic, "a", 2), 0);
    for (int round = 0; round < ROUNDS; round++) {
        topic = store_topic(w->store, SLICE("orders"));
        assert_ptr_equal(store_topic_by_id(w->store, id), topic);
        assert_int_equal(topic->partition_count, 1);
        assert_string_equal(stream_text(w, "orders", "a"), "x@2 x@3");
        assert_false(info_of(w, "orders", "a").deleted);
        assert_int_equal(info_of(w, "orders", "a").first_version, 2);
        world_flush(w);
        again(w, round);
    }
    /* The partitions it had come back first, when it is to have more. */
    topic = store_topic(w->store, SLICE("orders"));
    struct store_stats before, after;
    store_stats(w->store, &before);
    assert_int_equal(store_topic_grow(w->store, topic, 4, &w->error), 0);
    store_stats(w->store, &after);
    assert_int_equal(after.partitions, before.partitions + 1);
    assert_int_equal(topic->partition_count, 4);
    assert_int_equal(store_topic_delete(w->store, topic, &w->error), 0);
    assert_int_equal(store_topic_delete(w->store, topic, &w->error), EDDA_ENOTFOUND);
    assert_string_equal(all_text(w), "o0");
    assert_int_equal(store_verify(w->store, NULL, NULL, &w->error), 0);
}

static void an_identity_goes_with_its_record(void **state)
{
    struct world *w = *state;
    struct topic *topic = topic_of(w, "orders", 1);
    struct store_appended appended;
    uint64_t position;
    struct store_message m = { .topic = topic, .key = SLICE("a"), .value = SLICE("v"), .partition = 0, .identify = true,
                               .event = { .id = SLICE("1"), .source = SLICE("s"), .type = SLICE("T") } };
    for (int round = 0; round < 3; round++) {
        assert_int_equal(store_append(w->store, NULL, 0, &m, 1, true, &appended, &w->error), 0);
        assert_false(appended.repeated);
        assert_int_equal(store_append(w->store, NULL, 0, &m, 1, true, &appended, &w->error), 0);
        assert_true(appended.repeated);
        assert_int_equal(appended.offset, round);
        assert_int_equal(store_identity(w->store, SLICE("s"), SLICE("1"), &position), 0);
        assert_int_equal(position, appended.position);
        world_flush(w);
        assert_int_equal(store_partition_truncate(w->store, topic, 0, -1, &w->error), 0);
        assert_int_equal(store_identity(w->store, SLICE("s"), SLICE("1"), &position), EDDA_ENOTFOUND);
    }
}

static int topic_make(struct world *w, unsigned number)
{
    char name[16];
    struct topic *topic;
    snprintf(name, sizeof(name), "t%u", number);
    int r = store_topic_ensure(w->store, slice_str(name), 1, &topic, &w->error);
    if (r == EDDA_EBUSY) {
        world_flush(w);
        r = store_topic_ensure(w->store, slice_str(name), 1, &topic, &w->error);
    }
    return r;
}

/* Who has as many topics as there may be deletes some, and has room again; Edda's own tables always have. */
static void deleted_topics_make_room(void **state)
{
    struct world *w = *state;
    unsigned count = 0;
    while (count < STORE_TOPICS_MAX)
        assert_int_equal(topic_make(w, count++), 0);
    assert_int_equal(topic_make(w, count), EDDA_ELIMIT);
    assert_string_equal(w->error.field, "topic");
    assert_int_equal(store_offset_commit(w->store, SLICE("g"), SLICE("t1"), 0, 1, SLICE(""), &w->error), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(store_topic_delete(w->store, store_topic(w->store, SLICE("t7")), &w->error), 0);
        assert_int_equal(topic_make(w, i ? count : 7), 0);
        assert_int_equal(topic_make(w, count + 1), EDDA_ELIMIT);
    }
    world_flush(w);
    world_reopen(w);
    assert_int_equal(topic_make(w, 7), EDDA_ELIMIT);
    assert_int_equal(store_topic_delete(w->store, store_topic(w->store, SLICE("t8")), &w->error), 0);
    assert_int_equal(topic_make(w, 7), 0);
}

static void tables_are_not_cut(void **state)
{
    struct world *w = *state;
    struct topic *table = store_topic(w->store, SLICE("_edda.topics"));
    assert_int_equal(store_partition_truncate(w->store, table, 0, 0, &w->error), EDDA_EINVAL);
    assert_int_equal(store_topic_delete(w->store, table, &w->error), EDDA_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_truncated_partition_begins_later, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(an_offset_between_batches_of_many_frames, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(a_deleted_topic_comes_back_empty, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(an_identity_goes_with_its_record, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(deleted_topics_make_room, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(tables_are_not_cut, world_setup, world_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
