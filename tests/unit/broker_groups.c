/* Consumer groups through the broker: members that wait for each other, offsets in both forms of the request, listings. The rules themselves are in group.c. */
#include "broker_rig.h"

#define GROUP "g"

static int setup(void **state)
{
    if (rig_setup(state) < 0)
        return -1;
    struct rig *rig = *state;
    rig_topic(&rig->clients[0], "t", 2);
    rig_flush(rig);
    return 0;
}

static void join_send(struct client *client, const char *member)
{
    struct kafka_join_group_request_join_group_request_protocol protocol = { .name = SLICE("range"), .metadata = SLICE("topics") };
    SEND(client, join_group, 5, .group_id = SLICE(GROUP), .session_timeout_ms = 10000, .rebalance_timeout_ms = 20000, .member_id = slice_str(member),
         .protocol_type = SLICE("consumer"), .protocols = &protocol, .protocols_count = 1);
}

/* Joins as who is new does: it is told its id and comes back with it. */
static void join_begin(struct client *client, char member[64])
{
    join_send(client, "");
    const struct kafka_join_group_response *answer = rig_answer(client);
    assert_int_equal(answer->error_code, KAFKA_MEMBER_ID_REQUIRED);
    assert_true(answer->member_id.len > 0 && answer->member_id.len < 64);
    memcpy(member, answer->member_id.data, answer->member_id.len);
    member[answer->member_id.len] = '\0';
    join_send(client, member);
}

static void two_members_share_a_topic(void **state)
{
    struct rig *rig = *state;
    struct client *one = &rig->clients[0], *two = &rig->clients[1];
    char first[64], second[64];
    join_begin(one, first);
    rig_wait(rig, 0);
    const struct kafka_join_group_response *joined = rig_answer(one);
    assert_int_equal(joined->error_code, 0);
    assert_int_equal(joined->generation_id, 1);
    assert_true(slice_eq_str(joined->leader, first));
    assert_int_equal(joined->members_count, 1);
    struct kafka_sync_group_request_sync_group_request_assignment all = { .member_id = slice_str(first), .assignment = SLICE("both") };
    const struct kafka_sync_group_response *synced = ASK(one, sync_group, 3, .group_id = SLICE(GROUP), .generation_id = 1, .member_id = slice_str(first),
                                                         .assignments = &all, .assignments_count = 1);
    assert_int_equal(synced->error_code, 0);
    assert_true(slice_eq_str(synced->assignment, "both"));
    /* Another comes: it waits until the first has come again. */
    join_begin(two, second);
    rig_wait(rig, 0);
    assert_false(two->answered);
    const struct kafka_heartbeat_response *beat = ASK(one, heartbeat, 3, .group_id = SLICE(GROUP), .generation_id = 1, .member_id = slice_str(first));
    assert_int_equal(beat->error_code, KAFKA_REBALANCE_IN_PROGRESS);
    join_send(one, first);
    rig_wait(rig, 0);
    joined = rig_answer(one);
    assert_int_equal(joined->generation_id, 2);
    assert_int_equal(joined->members_count, 2);
    joined = rig_answer(two);
    assert_int_equal(joined->generation_id, 2);
    assert_int_equal(joined->members_count, 0);
    /* The follower waits for what the leader assigns. */
    SEND(two, sync_group, 5, .group_id = SLICE(GROUP), .generation_id = 2, .member_id = slice_str(second), .protocol_type = SLICE("consumer"), .protocol_name = SLICE("range"));
    rig_wait(rig, 0);
    assert_false(two->answered);
    struct kafka_sync_group_request_sync_group_request_assignment each[] = { { slice_str(first), SLICE("p0") }, { slice_str(second), SLICE("p1") } };
    synced = ASK(one, sync_group, 3, .group_id = SLICE(GROUP), .generation_id = 2, .member_id = slice_str(first), .assignments = each, .assignments_count = 2);
    assert_true(slice_eq_str(synced->assignment, "p0"));
    rig_wait(rig, 0);
    synced = rig_answer(two);
    assert_true(slice_eq_str(synced->assignment, "p1"));
    /* Its answer is not before the generation is durable. */
    assert_true(two->gate > store_durable_position(rig->store));
    struct slice name = SLICE(GROUP);
    const struct kafka_describe_groups_response *described = ASK(one, describe_groups, 5, .groups = &name, .groups_count = 1);
    assert_true(slice_eq_str(described->groups[0].group_state, "Stable"));
    assert_int_equal(described->groups[0].members_count, 2);
    assert_true(slice_eq_str(described->groups[0].members[0].client_host, "10.0.0.1") || described->groups[0].members[0].client_host.len > 0);
    const struct kafka_delete_groups_response *deleted = ASK(one, delete_groups, 2, .groups_names = &name, .groups_names_count = 1);
    assert_int_equal(deleted->results[0].error_code, KAFKA_NON_EMPTY_GROUP);
    struct kafka_leave_group_request_member_identity leavers[] = { { .member_id = slice_str(first) }, { .member_id = slice_str(second) }, { .member_id = SLICE("who") } };
    const struct kafka_leave_group_response *left = ASK(one, leave_group, 4, .group_id = SLICE(GROUP), .members = leavers, .members_count = 3);
    assert_int_equal(left->members[0].error_code, 0);
    assert_int_equal(left->members[1].error_code, 0);
    assert_int_equal(left->members[2].error_code, KAFKA_UNKNOWN_MEMBER_ID);
    deleted = ASK(one, delete_groups, 2, .groups_names = &name, .groups_names_count = 1);
    assert_int_equal(deleted->results[0].error_code, 0);
}

static void a_member_that_waits_goes_with_its_connection(void **state)
{
    struct rig *rig = *state;
    struct broker_counts counts;
    char members[2][64];
    join_begin(&rig->clients[0], members[0]);
    rig_wait(rig, 0);
    (void)rig_answer(&rig->clients[0]);
    join_begin(&rig->clients[1], members[1]);
    rig_wait(rig, 0);
    assert_false(rig->clients[1].answered);
    rig_cut(&rig->clients[1]);
    broker_counts(rig->broker, &counts);
    assert_int_equal(counts.parked, 0);
    rig_wait(rig, 60000);
}

/* --- offsets ---------------------------------------------------------------------------------------------- */

static int16_t commit(struct client *client, int version, const char *topic, int32_t partition, int64_t offset, const char *metadata)
{
    struct kafka_offset_commit_request_offset_commit_request_partition part = { .partition_index = partition, .committed_offset = offset, .committed_leader_epoch = -1,
                                                                                .committed_metadata = metadata ? slice_str(metadata) : slice_of(NULL, 0) };
    struct kafka_offset_commit_request_offset_commit_request_topic row = { .name = slice_str(topic), .partitions = &part, .partitions_count = 1 };
    const struct kafka_offset_commit_response *answer = ASK(client, offset_commit, version, .group_id = SLICE(GROUP), .generation_id_or_member_epoch = -1,
                                                            .retention_time_ms = -1, .topics = &row, .topics_count = 1);
    return answer->topics[0].partitions[0].error_code;
}

static void offsets_are_committed_and_fetched_in_both_forms(void **state)
{
    struct rig *rig = *state;
    struct client *client = &rig->clients[0];
    assert_int_equal(commit(client, 2, "t", 1, 7, "where I was"), 0);
    assert_int_equal(commit(client, 8, "t", 0, 3, NULL), 0);
    assert_int_equal(commit(client, 8, "t", 9, 3, NULL), KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(commit(client, 8, "nowhere", 0, 3, NULL), KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    rig_flush(rig);
    rig_crash(rig, true);
    int32_t partitions[] = { 1, 0, 5 };
    struct kafka_offset_fetch_request_offset_fetch_request_topic row = { .name = SLICE("t"), .partition_indexes = partitions, .partition_indexes_count = 3 };
    const struct kafka_offset_fetch_response *answer = ASK(client, offset_fetch, 5, .group_id = SLICE(GROUP), .topics = &row, .topics_count = 1);
    assert_int_equal(answer->error_code, 0);
    assert_int_equal(answer->topics[0].partitions_count, 3);
    assert_int_equal(answer->topics[0].partitions[0].committed_offset, 7);
    assert_true(slice_eq_str(answer->topics[0].partitions[0].metadata, "where I was"));
    assert_int_equal(answer->topics[0].partitions[1].committed_offset, 3);
    assert_int_equal(answer->topics[0].partitions[2].committed_offset, -1);
    /* All that there is. */
    answer = ASK(client, offset_fetch, 2, .group_id = SLICE(GROUP), .topics_count = -1);
    assert_int_equal(answer->topics_count, 1);
    assert_int_equal(answer->topics[0].partitions_count, 2);
    struct kafka_offset_fetch_request_offset_fetch_request_group groups[] = { { .group_id = SLICE(GROUP), .member_epoch = -1, .topics_count = -1 },
                                                                              { .group_id = SLICE("other"), .member_epoch = -1, .topics_count = -1 } };
    answer = ASK(client, offset_fetch, 8, .groups = groups, .groups_count = 2);
    assert_int_equal(answer->groups_count, 2);
    assert_int_equal(answer->groups[0].topics[0].partitions_count, 2);
    assert_int_equal(answer->groups[0].topics[0].partitions[1].committed_offset, 7);
    assert_int_equal(answer->groups[1].topics_count, 0);
    const struct kafka_list_groups_response *listed = ASK(client, list_groups, 4, .states_filter_count = 0);
    assert_int_equal(listed->groups_count, 1);
    assert_true(slice_eq_str(listed->groups[0].group_state, "Empty"));
    struct slice filter = SLICE("stable");
    listed = ASK(client, list_groups, 4, .states_filter = &filter, .states_filter_count = 1);
    assert_int_equal(listed->groups_count, 0);
    struct kafka_offset_delete_request_offset_delete_request_partition part = { .partition_index = 1 };
    struct kafka_offset_delete_request_offset_delete_request_topic deleted = { .name = SLICE("t"), .partitions = &part, .partitions_count = 1 };
    const struct kafka_offset_delete_response *gone = ASK(client, offset_delete, 0, .group_id = SLICE(GROUP), .topics = &deleted, .topics_count = 1);
    assert_int_equal(gone->error_code, 0);
    assert_int_equal(gone->topics[0].partitions[0].error_code, 0);
    answer = ASK(client, offset_fetch, 5, .group_id = SLICE(GROUP), .topics = &row, .topics_count = 1);
    assert_int_equal(answer->topics[0].partitions[0].committed_offset, -1);
    gone = ASK(client, offset_delete, 0, .group_id = SLICE("nobody"), .topics = &deleted, .topics_count = 1);
    assert_int_equal(gone->error_code, KAFKA_GROUP_ID_NOT_FOUND);
}

static void the_coordinator_is_here(void **state)
{
    struct rig *rig = *state;
    struct client *client = &rig->clients[0];
    struct slice keys[] = { SLICE("a"), SLICE("b") };
    for (int8_t type = 0; type < 3; type++) {
        const struct kafka_find_coordinator_response *answer = ASK(client, find_coordinator, 4, .key_type = type, .coordinator_keys = keys, .coordinator_keys_count = 2);
        assert_int_equal(answer->coordinators_count, 2);
        assert_int_equal(answer->coordinators[1].error_code, type == 2 ? KAFKA_INVALID_REQUEST : 0);
        assert_int_equal(answer->coordinators[1].node_id, type == 2 ? -1 : 1);
    }
    const struct kafka_find_coordinator_response *answer = ASK(client, find_coordinator, 0, .key = SLICE("a"));
    assert_true(slice_eq_str(answer->host, "127.0.0.1"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        TEST(two_members_share_a_topic),
        TEST(a_member_that_waits_goes_with_its_connection),
        TEST(offsets_are_committed_and_fetched_in_both_forms),
        TEST(the_coordinator_is_here),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
