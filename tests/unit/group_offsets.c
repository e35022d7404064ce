/* What groups commit: who may, what is kept, what others have written, when it expires, and what is told of groups. */
#include "group_rig.h"

#include <string.h>

#include "wire/kafka/group_record.h"

#define DAY INT64_C(86400000)
#define NOBODY(...) ACTOR(.generation = -1, __VA_ARGS__)
/* A ConsumerProtocolSubscription of version 1: topics, user data, owned partitions. */
#define SUBSCRIBED_TO_ORDERS "\0\1\0\0\0\1\0\6orders\377\377\377\377\0\0\0\0"

/* --- who may commit ----------------------------------------------------------------------------------- */

static void nobody_commits_to_a_group_without_members_only(void **state)
{
    struct actor nobody = NOBODY(.group = "g"), a = ACTOR(.client = "a"), stranger = ACTOR(.id = "c-1", .generation = 1);
    (void)state;
    assert_int_equal(commit(&stranger, "orders", 1), KAFKA_ILLEGAL_GENERATION); /* no such group */
    assert_int_equal(commit(&nobody, "orders", 5), KAFKA_NONE);
    assert_int_equal(committed("g", "orders"), 5);
    assert_int_equal(commit(&stranger, "orders", 1), KAFKA_UNKNOWN_MEMBER_ID);
    settle((struct actor *[]){ &a }, 1);
    assert_int_equal(commit(&nobody, "orders", 6), KAFKA_UNKNOWN_MEMBER_ID);
    assert_int_equal(commit(&a, "orders", 7), KAFKA_NONE);
    assert_int_equal(leave(&a), KAFKA_NONE);
    assert_int_equal(commit(&a, "orders", 8), KAFKA_UNKNOWN_MEMBER_ID);
    assert_int_equal(commit(&nobody, "orders", 9), KAFKA_NONE);
    assert_int_equal(committed("g", "orders"), 9);
}

static void members_commit_in_their_generation_until_the_next_is_told(void **state)
{
    struct actor a = ACTOR(.client = "a", .rebalance_ms = 60000), b = ACTOR(.client = "b", .rebalance_ms = 60000), stranger, old;
    (void)state;
    settle((struct actor *[]){ &a, &b }, 2);
    stranger = old = a;
    snprintf(stranger.id, sizeof(stranger.id), "c-1");
    old.generation--;
    assert_int_equal(commit(&stranger, "orders", 1), KAFKA_UNKNOWN_MEMBER_ID);
    assert_int_equal(commit(&old, "orders", 1), KAFKA_ILLEGAL_GENERATION);
    rig_pass(9000);
    assert_int_equal(commit(&a, "orders", 1), KAFKA_NONE); /* which is a sign of life */
    assert_int_equal(beat(&b), KAFKA_NONE);
    rig_pass(9000);
    assert_int_equal(join(&a), PARKED);
    assert_int_equal(commit(&b, "orders", 2), KAFKA_NONE); /* PREPARING: before it gives its partitions away */
    assert_int_equal(join(&b), KAFKA_NONE);
    assert_int_equal(commit(&b, "orders", 3), KAFKA_REBALANCE_IN_PROGRESS);
    assert_int_equal(committed("g", "orders"), 2);
}

static int16_t check(const char *member, const char *instance, int32_t generation)
{
    const struct group_caller caller = { SLICE("g"), slice_str(member), instance ? slice_str(instance) : slice_of(NULL, 0), generation, true };
    return group_commit_check(rig.groups, &caller, rig.now_ns);
}

static void transactions_are_checked_as_members_are(void **state)
{
    struct actor a = ACTOR(.client = "a", .instance = "i1");
    (void)state;
    assert_int_equal(check("", NULL, -1), KAFKA_NONE);
    assert_int_equal(check("x", NULL, 3), KAFKA_ILLEGAL_GENERATION);
    settle((struct actor *[]){ &a }, 1);
    assert_int_equal(check("", NULL, -1), KAFKA_NONE); /* an older client, which says nothing of its group */
    assert_int_equal(check(a.id, "i1", a.generation), KAFKA_NONE);
    assert_int_equal(check(a.id, "i1", a.generation + 1), KAFKA_ILLEGAL_GENERATION);
    assert_int_equal(check("x", NULL, a.generation), KAFKA_UNKNOWN_MEMBER_ID);
    assert_int_equal(check("x", "i1", a.generation), KAFKA_FENCED_INSTANCE_ID);
    assert_int_equal(check("x", "i2", a.generation), KAFKA_UNKNOWN_MEMBER_ID);
    assert_int_equal(join(&a), KAFKA_NONE);
    assert_int_equal(check(a.id, "i1", a.generation), KAFKA_NONE); /* COMPLETING */
}

static void a_commit_that_cannot_be_is_refused_by_name(void **state)
{
    struct actor nobody = NOBODY(.group = "g"), nameless = NOBODY(.group = "");
    const struct group_caller caller = { .group = SLICE("g"), .generation = -1 };
    static char long_note[GROUP_OFFSET_METADATA_MAX + 1];
    (void)state;
    assert_int_equal(commit(&nameless, "orders", 1), KAFKA_INVALID_GROUP_ID);
    assert_int_equal(commit(&nobody, "nowhere", 1), KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(commit(&nobody, "orders", -2), KAFKA_INVALID_REQUEST);
    assert_int_equal(group_commit(rig.groups, &caller, SLICE("orders"), 4, 1, -1, SLICE("")), KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    memset(long_note, 'n', sizeof(long_note));
    assert_int_equal(group_commit(rig.groups, &caller, SLICE("orders"), 0, 1, -1, slice_of(long_note, sizeof(long_note))), KAFKA_OFFSET_METADATA_TOO_LARGE);
    assert_int_equal(group_commit(rig.groups, &caller, SLICE("orders"), 0, 1, -1, slice_of(long_note, sizeof(long_note) - 1)), KAFKA_NONE);
    assert_int_equal(state_of("g"), GROUP_EMPTY);
}

/* --- what is kept ------------------------------------------------------------------------------------- */

static int count_offsets(void *user, const struct group_offset *offset)
{
    char *all = user;
    size_t len = strlen(all);
    snprintf(all + len, 512 - len, "%.*s/%u=%d(%.*s) ", (int)offset->topic.len, (const char *)offset->topic.data, offset->partition, (int)offset->offset,
             (int)offset->metadata.len, (const char *)offset->metadata.data);
    return 0;
}

static void offsets_say(const char *group, const char *expected)
{
    char all[512] = "";
    assert_int_equal(group_offsets_each(rig.groups, slice_str(group), count_offsets, all), 0);
    assert_string_equal(all, expected);
}

static void all_of_an_offset_is_kept_over_a_restart(void **state)
{
    struct actor nobody = NOBODY(.group = "g");
    struct group_offset offset;
    (void)state;
    int64_t time_ms = store_time_ms(rig.store);
    assert_int_equal(commit(&nobody, "orders", 5), KAFKA_NONE);
    assert_int_equal(commit(&nobody, "points", 6), KAFKA_NONE);
    assert_int_equal(commit(&nobody, "orders", 7), KAFKA_NONE);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(group_offset(rig.groups, SLICE("g"), SLICE("orders"), 0, &offset), 0);
        assert_int_equal(offset.offset, 7);
        assert_int_equal(offset.leader_epoch, 3);
        assert_true(slice_eq_str(offset.metadata, "note"));
        assert_true(offset.commit_time_ms >= time_ms && offset.commit_time_ms < time_ms + 1000);
        assert_int_equal(group_offset(rig.groups, SLICE("g"), SLICE("orders"), 1, &offset), 0);
        assert_int_equal(offset.offset, -1);
        offsets_say("g", "orders/0=7(note) points/0=6(note) ");
        offsets_say("nowhere", "");
        assert_int_equal(store_flush(rig.store, &rig.error), 0);
        rig_restart(i == 0);
    }
}

static void offsets_that_others_have_recorded_are_seen_at_once(void **state)
{
    struct actor nobody = NOBODY(.group = "g");
    (void)state;
    assert_int_equal(commit(&nobody, "orders", 5), KAFKA_NONE);
    assert_int_equal(committed("g", "orders"), 5);
    /* As a transaction does that commits, or a service of this process. */
    assert_int_equal(store_offset_commit(rig.store, SLICE("g"), SLICE("orders"), 0, 8, SLICE(""), &rig.error), 0);
    assert_int_equal(committed("g", "orders"), 8);
    assert_int_equal(store_offset_commit(rig.store, SLICE("g"), SLICE("orders"), 0, 9, SLICE(""), &rig.error), 0);
    assert_int_equal(commit(&nobody, "points", 2), KAFKA_NONE);
    offsets_say("g", "orders/0=9() points/0=2(note) ");
    assert_int_equal(store_offset_fetch(rig.store, SLICE("g"), SLICE("points"), 0), 2);
    assert_int_equal(store_offset_commit(rig.store, SLICE("service"), SLICE("orders"), 0, 1, SLICE(""), &rig.error), 0);
    assert_int_equal(state_of("service"), GROUP_EMPTY);
}

/* --- removal ------------------------------------------------------------------------------------------ */

static void groups_without_members_can_be_deleted(void **state)
{
    struct actor nobody = NOBODY(.group = "simple"), a = ACTOR(.client = "a");
    (void)state;
    assert_int_equal(group_delete(rig.groups, SLICE(""), rig.now_ns), KAFKA_INVALID_GROUP_ID);
    assert_int_equal(group_delete(rig.groups, SLICE("simple"), rig.now_ns), KAFKA_GROUP_ID_NOT_FOUND);
    assert_int_equal(commit(&nobody, "orders", 5), KAFKA_NONE);
    settle((struct actor *[]){ &a }, 1);
    assert_int_equal(commit(&a, "orders", 5), KAFKA_NONE);
    assert_int_equal(group_delete(rig.groups, SLICE("g"), rig.now_ns), KAFKA_NON_EMPTY_GROUP);
    rig_pass(10000);
    assert_int_equal(group_delete(rig.groups, SLICE("g"), rig.now_ns), KAFKA_NONE);
    assert_int_equal(group_delete(rig.groups, SLICE("simple"), rig.now_ns), KAFKA_NONE);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(state_of("g"), GROUP_DEAD);
        assert_int_equal(state_of("simple"), GROUP_DEAD);
        assert_int_equal(committed("g", "orders"), -1);
        rig_restart(false);
    }
    assert_int_equal(join(&a), KAFKA_UNKNOWN_MEMBER_ID);
}

static void offsets_of_a_subscribed_topic_cannot_be_deleted(void **state)
{
    struct actor a = ACTOR(.client = "a", .protocols = ""), other = ACTOR(.group = "other", .type = "connect");
    const struct group_protocol subscribed = { SLICE("range"), SLICE(SUBSCRIBED_TO_ORDERS) };
    const struct group_join join_it = { .group = SLICE("g"), .client_id = SLICE("c"), .session_timeout_ms = 10000, .rebalance_timeout_ms = 10000,
                                        .protocol_type = SLICE("consumer"), .protocols = &subscribed, .protocol_count = 1 };
    struct group_joined joined;
    (void)state;
    assert_int_equal(group_offset_delete(rig.groups, SLICE("g"), SLICE("orders"), 0), KAFKA_GROUP_ID_NOT_FOUND);
    assert_int_equal(group_join(rig.groups, &join_it, rig.now_ns, &a.talk, &joined), 1);
    snprintf(a.id, sizeof(a.id), "%.*s", (int)joined.member.len, (const char *)joined.member.data);
    a.generation = joined.generation;
    assert_int_equal(sync_with(&a, ""), KAFKA_NONE);
    assert_int_equal(commit(&a, "orders", 5), KAFKA_NONE);
    assert_int_equal(commit(&a, "points", 6), KAFKA_NONE);
    assert_int_equal(group_offset_delete(rig.groups, SLICE("g"), SLICE("orders"), 0), KAFKA_GROUP_SUBSCRIBED_TO_TOPIC);
    assert_int_equal(group_offset_delete(rig.groups, SLICE("g"), SLICE("points"), 0), KAFKA_NONE);
    offsets_say("g", "orders/0=5(note) ");
    settle((struct actor *[]){ &other }, 1);
    assert_int_equal(group_offset_delete(rig.groups, SLICE("other"), SLICE("orders"), 0), KAFKA_NON_EMPTY_GROUP);
    assert_int_equal(leave(&a), KAFKA_NONE);
    assert_int_equal(group_offset_delete(rig.groups, SLICE("g"), SLICE("orders"), 0), KAFKA_NONE);
    assert_int_equal(group_offset_delete(rig.groups, SLICE("g"), SLICE("orders"), 0), KAFKA_NONE);
    offsets_say("g", "");
    rig_restart(false);
    offsets_say("g", "");
}

static void offsets_expire_seven_days_after_the_group_became_empty(void **state)
{
    struct actor a = ACTOR(.client = "a", .session_ms = 1800000), nobody = NOBODY(.group = "simple");
    (void)state;
    settle((struct actor *[]){ &a }, 1);
    assert_int_equal(commit(&a, "orders", 5), KAFKA_NONE);
    assert_int_equal(commit(&nobody, "orders", 6), KAFKA_NONE);
    for (int i = 0; i < 8 * 48 + 1; i++) {
        assert_int_equal(beat(&a), KAFKA_NONE);
        rig_pass(1799000);
    }
    assert_int_equal(committed("g", "orders"), 5); /* it has members, though the commit is old */
    assert_int_equal(committed("simple", "orders"), -1);
    assert_int_equal(state_of("simple"), GROUP_DEAD);
    assert_int_equal(beat(&a), KAFKA_NONE);
    assert_int_equal(leave(&a), KAFKA_NONE);
    rig_pass(7 * DAY - 700000);
    assert_int_equal(committed("g", "orders"), 5);
    rig_restart(false); /* the time goes on */
    rig.now_ns = 0;
    rig_pass(1400000);
    assert_int_equal(committed("g", "orders"), -1);
    assert_int_equal(state_of("g"), GROUP_DEAD);
    rig_restart(false);
    assert_int_equal(state_of("g"), GROUP_DEAD);
}

/* --- listings ----------------------------------------------------------------------------------------- */

static int list_group(void *user, const struct group_info *info)
{
    char *all = user;
    size_t len = strlen(all);
    snprintf(all + len, 512 - len, "%.*s:%s:%.*s:%u ", (int)info->group.len, (const char *)info->group.data, group_state_name(info->state),
             (int)info->protocol.len, (const char *)info->protocol.data, info->member_count);
    return 0;
}

static int list_member(void *user, const struct group_member_info *info)
{
    char *all = user;
    size_t len = strlen(all);
    snprintf(all + len, 512 - len, "%.*s@%.*s:%.*s:%.*s ", (int)info->client_id.len, (const char *)info->client_id.data, (int)info->client_host.len,
             (const char *)info->client_host.data, (int)info->metadata.len, (const char *)info->metadata.data, (int)info->assignment.len,
             (const char *)info->assignment.data);
    return 0;
}

static void groups_and_their_members_are_told_of(void **state)
{
    struct actor a = ACTOR(.client = "a"), b = ACTOR(.client = "b"), nobody = NOBODY(.group = "simple");
    char all[512] = "";
    (void)state;
    settle((struct actor *[]){ &a }, 1);
    assert_int_equal(group_members_each(rig.groups, SLICE("g"), list_member, all), 0);
    assert_string_equal(all, "a@/127.0.0.1:m:a ");
    assert_int_equal(commit(&nobody, "orders", 1), KAFKA_NONE);
    join(&b);
    all[0] = 0;
    assert_int_equal(group_members_each(rig.groups, SLICE("g"), list_member, all), 0);
    assert_string_equal(all, "a@/127.0.0.1:: b@/127.0.0.1:: ");
    assert_int_equal(group_members_each(rig.groups, SLICE("nowhere"), list_member, all), EDDA_ENOTFOUND);
    all[0] = 0;
    assert_int_equal(groups_each(rig.groups, list_group, all), 0);
    assert_non_null(strstr(all, "g:PreparingRebalance::2 "));
    assert_non_null(strstr(all, "simple:Empty::0 "));
}

/* --- the records -------------------------------------------------------------------------------------- */

static void records_are_those_of_kafka(void **state)
{
    static const char offset_key[] = "\0\1\0\1g\0\6orders\0\0\0\2", group_key[] = "\0\2\0\1g",
                      offset_value[] = "\0\3\0\0\0\0\0\0\0\7\377\377\377\377\0\1n\0\0\0\0\0\0\0\11",
                      group_value[] = "\0\3\0\10consumer\0\0\0\5\0\5range\0\3c-1\0\0\0\0\0\0\0\11\0\0\0\1"
                                      "\0\3c-1\377\377\0\1c\0\2/h\0\0\0\1\0\0\0\2\0\0\0\1s\0\0\0\1a";
    struct buffer out = BUFFER_EMPTY;
    struct group_record_key key;
    struct group_record_offset offset;
    struct group_record group;
    struct group_record_member member;
    struct cursor members;
    (void)state;
    group_record_offset_key(&out, SLICE("g"), SLICE("orders"), 2);
    assert_true(slice_eq(buffer_slice(&out), SLICE(offset_key)));
    assert_true(group_record_key_parse(buffer_slice(&out), &key) && key.partition == 2 && slice_eq_str(key.topic, "orders"));
    assert_false(group_record_key_parse(slice_of(out.data, out.len - 1), &key));
    buffer_clear(&out);
    group_record_group_key(&out, SLICE("g"));
    assert_true(slice_eq(buffer_slice(&out), SLICE(group_key)));
    assert_true(group_record_key_parse(buffer_slice(&out), &key) && !key.topic.data);
    buffer_clear(&out);
    group_record_offset_value(&out, &(struct group_record_offset){ 7, -1, SLICE("n"), 9 });
    assert_true(slice_eq(buffer_slice(&out), SLICE(offset_value)));
    assert_true(group_record_offset_parse(buffer_slice(&out), &offset) && offset.leader_epoch == -1 && offset.commit_time_ms == 9);
    assert_false(group_record_offset_parse(slice_of(out.data, out.len - 1), &offset));
    buffer_clear(&out);
    group_record_put(&out, &(struct group_record){ SLICE("consumer"), 5, SLICE("range"), SLICE("c-1"), 9, 1 });
    group_record_member_put(&out, &(struct group_record_member){ .member = SLICE("c-1"), .client_id = SLICE("c"), .client_host = SLICE("/h"),
                            .rebalance_timeout_ms = 1, .session_timeout_ms = 2, .subscription = SLICE("s"), .assignment = SLICE("a") });
    assert_true(slice_eq(buffer_slice(&out), SLICE(group_value)));
    assert_true(group_record_parse(buffer_slice(&out), &group, &members) && group.member_count == 1 && group.generation == 5);
    assert_true(group_record_member_next(&members, &member) && !member.instance.data && slice_eq_str(member.assignment, "a"));
    assert_false(group_record_member_next(&members, &member));
    buffer_deinit(&out);
}

static void a_record_of_another_form_is_refused_with_its_place(void **state)
{
    struct buffer key = BUFFER_EMPTY;
    struct groups *groups = NULL;
    (void)state;
    struct actor nobody = NOBODY(.group = "g");
    assert_int_equal(commit(&nobody, "orders", 1), KAFKA_NONE);
    group_record_offset_key(&key, SLICE("g"), SLICE("points"), 0);
    const struct store_message m = { .topic = store_topic(rig.store, SLICE("__consumer_offsets")), .key = buffer_slice(&key), .value = SLICE("\0\11"), .partition = 0 };
    assert_int_equal(store_append(rig.store, NULL, 0, &m, 1, false, NULL, &rig.error), 0);
    assert_int_equal(groups_open(&(struct groups_options){ .store = rig.store }, &groups, &rig.error), EDDA_EFORMAT);
    assert_non_null(strstr(rig.error.message, "at offset 1 of __consumer_offsets"));
    buffer_deinit(&key);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nobody_commits_to_a_group_without_members_only),
        TEST(members_commit_in_their_generation_until_the_next_is_told),
        TEST(transactions_are_checked_as_members_are),
        TEST(a_commit_that_cannot_be_is_refused_by_name),
        TEST(all_of_an_offset_is_kept_over_a_restart),
        TEST(offsets_that_others_have_recorded_are_seen_at_once),
        TEST(groups_without_members_can_be_deleted),
        TEST(offsets_of_a_subscribed_topic_cannot_be_deleted),
        TEST(offsets_expire_seven_days_after_the_group_became_empty),
        TEST(groups_and_their_members_are_told_of),
        cmocka_unit_test(records_are_those_of_kafka),
        TEST(a_record_of_another_form_is_refused_with_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
