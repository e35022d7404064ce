/* Settings of topics: texts and values, changes, what is refused and how it is said, and that they stay. */
#include "store_rig.h"

#include <string.h>

static int alter(struct world *w, struct topic *topic, enum setting_change_kind kind, const char *name, const char *value)
{
    struct setting_change change = { slice_str(name), slice_str(value), kind };
    return store_topic_settings_alter(w->store, topic, &change, 1, false, &w->error);
}

static void every_default_is_a_value_of_its_setting(void **state)
{
    (void)state;
    for (size_t i = 0; i < TOPIC_SETTING_COUNT + broker_setting_count; i++) {
        const struct setting *s = i < TOPIC_SETTING_COUNT ? &topic_setting_table[i] : &broker_setting_table[i - TOPIC_SETTING_COUNT];
        char text[SETTING_TEXT_MAX];
        struct edda_error error;
        int64_t value;
        assert_non_null(s->name);
        assert_true(strlen(s->documentation) > 10);
        setting_print(s, s->initial, text);
        if (setting_parse(s, slice_str(text), &value, &error) < 0)
            fail_msg("%s: %s", s->name, error.message);
        assert_int_equal(value, s->initial);
        if (i < TOPIC_SETTING_COUNT)
            assert_ptr_equal(topic_setting_find(slice_str(s->name)), s);
    }
}

static void what_is_set_stays(void **state)
{
    struct world *w = *state;
    struct topic *topic = topic_of(w, "orders", 2);
    assert_int_equal(topic_setting_get(topic, TOPIC_RETENTION_MS), -1);
    assert_int_equal(alter(w, topic, SETTING_SET, "retention.ms", " 1000 "), 0);
    assert_int_equal(alter(w, topic, SETTING_SET, "message.timestamp.type", "LogAppendTime"), 0);
    assert_int_equal(alter(w, topic, SETTING_APPEND, "cleanup.policy", "compact"), 0);
    for (int round = 0; round < 3; round++) {
        assert_int_equal(topic_setting_get(topic, TOPIC_RETENTION_MS), 1000);
        assert_true(topic_setting_is_set(topic, TOPIC_RETENTION_MS));
        assert_false(topic_setting_is_set(topic, TOPIC_RETENTION_BYTES));
        assert_int_equal(topic_setting_get(topic, TOPIC_TIMESTAMP_TYPE), TIMESTAMP_LOG_APPEND);
        assert_int_equal(topic_setting_get(topic, TOPIC_CLEANUP_POLICY), CLEANUP_DELETE | CLEANUP_COMPACT);
        if (round == 0)
            world_reopen(w);
        else
            world_lose_index(w);
        topic = store_topic(w->store, SLICE("orders"));
    }
    /* A row that is written for another reason keeps them. */
    assert_int_equal(store_topic_grow(w->store, topic, 3, &w->error), 0);
    assert_int_equal(topic_setting_get(topic, TOPIC_RETENTION_MS), 1000);
    assert_int_equal(alter(w, topic, SETTING_SUBTRACT, "cleanup.policy", "delete"), 0);
    assert_int_equal(topic_setting_get(topic, TOPIC_CLEANUP_POLICY), CLEANUP_COMPACT);
    assert_int_equal(alter(w, topic, SETTING_RESET, "retention.ms", ""), 0);
    assert_false(topic_setting_is_set(topic, TOPIC_RETENTION_MS));
    assert_int_equal(alter(w, topic, SETTING_RESET, "", ""), 0);
    assert_int_equal(topic_setting_get(topic, TOPIC_TIMESTAMP_TYPE), TIMESTAMP_CREATE);
    world_reopen(w);
    topic = store_topic(w->store, SLICE("orders"));
    assert_null(topic->settings);
    assert_int_equal(topic->partition_count, 3);
}

static void what_is_wrong_is_named(void **state)
{
    struct world *w = *state;
    struct topic *topic = topic_of(w, "orders", 1);
    static const struct {
        enum setting_change_kind kind;
        const char *name, *value, *message;
    } wrong[] = {
        { SETTING_SET, "retention.ms", "-2", "retention.ms is -1 to 9223372036854775807, not '-2'" },
        { SETTING_SET, "retention.ms", "9223372036854775808", "retention.ms is -1 to 9223372036854775807, not '9223372036854775808'" },
        { SETTING_SET, "retention.ms", "", "retention.ms is -1 to 9223372036854775807, not ''" },
        { SETTING_SET, "retention.ms", "1.5", "retention.ms is -1 to 9223372036854775807, not '1.5'" },
        { SETTING_SET, "cleanup.policy", "compress", "cleanup.policy is some of delete, compact, not 'compress'" },
        { SETTING_SET, "cleanup.policy", "", "cleanup.policy is some of delete, compact, not ''" },
        { SETTING_SUBTRACT, "cleanup.policy", "delete", "cleanup.policy is some of delete, compact, not ''" },
        { SETTING_SET, "message.timestamp.type", "Now", "message.timestamp.type is one of CreateTime, LogAppendTime, not 'Now'" },
        { SETTING_SET, "min.cleanable.dirty.ratio", "1.1", "min.cleanable.dirty.ratio is 0.0 to 1.0, not '1.1'" },
        { SETTING_SET, "remote.storage.enable", "true", "remote.storage.enable is false, not 'true'" },
        { SETTING_APPEND, "retention.ms", "1", "retention.ms is no list, so that nothing can be added to it or taken from it" },
        { SETTING_SET, "retention.hours", "1", "there is no setting 'retention.hours' of a topic" },
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(alter(w, topic, wrong[i].kind, wrong[i].name, wrong[i].value), EDDA_EINVAL);
        assert_string_equal(w->error.message, wrong[i].message);
    }
    assert_null(topic->settings);
    /* All or none, also when only asked. */
    struct setting_change two[] = { { SLICE("retention.ms"), SLICE("5"), SETTING_SET }, { SLICE("retention.bytes"), SLICE("x"), SETTING_SET } };
    assert_int_equal(store_topic_settings_alter(w->store, topic, two, 2, false, &w->error), EDDA_EINVAL);
    assert_int_equal(store_topic_settings_alter(w->store, NULL, two, 1, true, &w->error), 0);
    assert_int_equal(store_topic_settings_alter(w->store, topic, two, 1, true, &w->error), 0);
    assert_null(topic->settings);
}

static void events_of_deciders_and_tables_are_kept_as_they_are(void **state)
{
    struct world *w = *state;
    struct topic *topic = topic_of(w, "orders", 1);
    struct topic *table = store_topic(w->store, SLICE("_edda.topics"));
    topic->decided = true;
    assert_int_equal(alter(w, topic, SETTING_SET, "cleanup.policy", "compact"), EDDA_EINVAL);
    assert_non_null(strstr(w->error.message, "orders"));
    assert_int_equal(alter(w, topic, SETTING_SET, "retention.ms", "1"), 0);
    assert_int_equal(topic_setting_get(table, TOPIC_CLEANUP_POLICY), CLEANUP_COMPACT);
    assert_int_equal(alter(w, table, SETTING_SET, "retention.ms", "1"), EDDA_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_default_is_a_value_of_its_setting),
        cmocka_unit_test_setup_teardown(what_is_set_stays, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(what_is_wrong_is_named, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(events_of_deciders_and_tables_are_kept_as_they_are, world_setup, world_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
