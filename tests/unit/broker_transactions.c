/* Idempotent and transactional producers through the broker: fencing, what consumers are given, offsets that count when the transaction commits. */
#include "broker_rig.h"

#define TX "tx"
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

static struct producer_id producer_begin(struct client *client, int16_t wanted)
{
    const struct kafka_init_producer_id_response *answer = ASK(client, init_producer_id, 4, .transactional_id = SLICE(TX), .transaction_timeout_ms = 60000,
                                                               .producer_id = -1, .producer_epoch = -1);
    assert_int_equal(answer->error_code, wanted);
    return (struct producer_id){ answer->producer_id, answer->producer_epoch };
}

static int16_t add(struct client *client, int version, struct producer_id producer, const char *topic, int32_t partition)
{
    struct kafka_add_partitions_to_txn_topic row = { .name = slice_str(topic), .partitions = &partition, .partitions_count = 1 };
    const struct kafka_add_partitions_to_txn_response *answer =
        ASK(client, add_partitions_to_txn, version, .v3_and_below_transactional_id = SLICE(TX), .v3_and_below_producer_id = producer.id,
            .v3_and_below_producer_epoch = producer.epoch, .v3_and_below_topics = &row, .v3_and_below_topics_count = 1);
    return answer->results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code;
}

static int16_t end(struct client *client, struct producer_id producer, bool commit)
{
    const struct kafka_end_txn_response *answer =
        ASK(client, end_txn, 3, .transactional_id = SLICE(TX), .producer_id = producer.id, .producer_epoch = producer.epoch, .committed = commit);
    return answer->error_code;
}

static struct kafka_produce_response_partition_produce_response produce(struct client *client, struct producer_id producer, int32_t sequence, const char *value)
{
    return rig_produce_in(client, TX, "t", 0, &(struct batch_spec){ .key = "k", .value = value, .idempotent = true, .producer = producer, .sequence = sequence, .attributes = BATCH_TRANSACTIONAL });
}

static void committed_records_are_given_and_aborted_ones_named(void **state)
{
    struct rig *rig = *state;
    struct client *client = &rig->clients[0];
    struct producer_id producer = producer_begin(client, 0);
    assert_int_equal(produce(client, producer, 0, "early").error_code, KAFKA_INVALID_TXN_STATE);
    assert_int_equal(add(client, 3, producer, "t", 0), 0);
    assert_int_equal(produce(client, producer, 0, "no").error_code, 0);
    rig_flush(rig);
    /* Open: who reads committed records is given nothing, others everything. */
    struct kafka_fetch_response_partition_data fetched = rig_fetch(client, "t", 0, 0, true);
    assert_int_equal(fetched.records.len, 0);
    assert_int_equal(fetched.last_stable_offset, 0);
    assert_int_equal(fetched.high_watermark, 1);
    fetched = rig_fetch(client, "t", 0, 0, false);
    assert_int_equal(rig_count(fetched.records, 0, "no"), 1);
    assert_int_equal(fetched.aborted_transactions_count, -1);
    struct stream_info info;
    assert_int_equal(store_stream_info(rig->store, SLICE("t"), SLICE("k"), &info), 0);
    assert_int_equal(info.next_version, 0);
    assert_int_equal(end(client, producer, false), 0);
    assert_int_equal(end(client, producer, false), 0);
    assert_int_equal(end(client, producer, true), KAFKA_INVALID_TXN_STATE);
    assert_int_equal(add(client, 3, producer, "t", 0), 0);
    assert_int_equal(produce(client, producer, 1, "yes").error_code, 0);
    assert_int_equal(end(client, producer, true), 0);
    rig_flush(rig);
    for (int again = 0; again < 2; again++) {
        fetched = rig_fetch(client, "t", 0, 0, true);
        /* no, the end of its transaction, yes, and its end. */
        assert_int_equal(fetched.high_watermark, 4);
        assert_int_equal(fetched.last_stable_offset, 4);
        assert_int_equal(rig_count(fetched.records, 0, NULL), 2);
        assert_int_equal(rig_count(fetched.records, 2, "yes"), 1);
        assert_int_equal(fetched.aborted_transactions_count, 1);
        assert_int_equal(fetched.aborted_transactions[0].producer_id, producer.id);
        assert_int_equal(fetched.aborted_transactions[0].first_offset, 0);
        assert_int_equal(rig_fetch(client, "t", 0, 2, true).aborted_transactions_count, 0);
        assert_int_equal(store_stream_info(rig->store, SLICE("t"), SLICE("k"), &info), 0);
        assert_int_equal(info.next_version, 1);
        rig_crash(rig, true);
    }
}

static void a_commit_wakes_who_waits_for_it(void **state)
{
    struct rig *rig = *state;
    struct client *client = &rig->clients[0], *consumer = &rig->clients[1];
    struct producer_id producer = producer_begin(client, 0);
    assert_int_equal(add(client, 0, producer, "t", 0), 0);
    assert_int_equal(produce(client, producer, 0, "yes").error_code, 0);
    rig_flush(rig);
    struct kafka_fetch_request_fetch_partition part = kafka_fetch_request_fetch_partition_default;
    part.partition_max_bytes = 1000;
    struct kafka_fetch_request_fetch_topic row = { .topic = SLICE("t"), .partitions = &part, .partitions_count = 1 };
    SEND(consumer, fetch, 11, .replica_id = -1, .replica_state = { -1, -1 }, .max_wait_ms = 60000, .min_bytes = 1, .max_bytes = 1000, .isolation_level = 1, .session_epoch = -1,
         .topics = &row, .topics_count = 1);
    rig_flush(rig);
    assert_false(consumer->answered);
    assert_int_equal(end(client, producer, true), 0);
    rig_flush(rig);
    const struct kafka_fetch_response *answer = rig_answer(consumer);
    assert_int_equal(rig_count(answer->responses[0].partitions[0].records, 0, "yes"), 1);
}

static void an_older_instance_is_fenced(void **state)
{
    struct rig *rig = *state;
    struct client *client = &rig->clients[0];
    struct producer_id older = producer_begin(client, 0);
    assert_int_equal(add(client, 3, older, "t", 0), 0);
    assert_int_equal(produce(client, older, 0, "no").error_code, 0);
    struct producer_id newer = producer_begin(client, 0);
    assert_true(newer.epoch > older.epoch || newer.id != older.id);
    assert_int_equal(produce(client, older, 1, "no").error_code, KAFKA_INVALID_PRODUCER_EPOCH);
    assert_int_equal(add(client, 3, older, "t", 0), KAFKA_PRODUCER_FENCED);
    assert_int_equal(add(client, 1, older, "t", 0), KAFKA_INVALID_PRODUCER_EPOCH);
    assert_int_equal(end(client, older, true), KAFKA_PRODUCER_FENCED);
    const struct kafka_init_producer_id_response *answer = ASK(client, init_producer_id, 4, .transactional_id = SLICE(TX), .transaction_timeout_ms = 60000,
                                                               .producer_id = older.id, .producer_epoch = older.epoch);
    assert_int_equal(answer->error_code, KAFKA_PRODUCER_FENCED);
    rig_flush(rig);
    struct kafka_fetch_response_partition_data fetched = rig_fetch(client, "t", 0, 0, true);
    assert_int_equal(fetched.aborted_transactions_count, 1);
    assert_int_equal(fetched.last_stable_offset, fetched.high_watermark);
}

static void what_a_producer_asks_is_checked(void **state)
{
    struct rig *rig = *state;
    struct client *client = &rig->clients[0];
    const struct kafka_init_producer_id_response *answer = ASK(client, init_producer_id, 0, .transactional_id = SLICE(""), .transaction_timeout_ms = 1000, .producer_id = -1,
                                                               .producer_epoch = -1);
    assert_int_equal(answer->error_code, KAFKA_INVALID_REQUEST);
    answer = ASK(client, init_producer_id, 2, .transactional_id = SLICE(TX), .transaction_timeout_ms = 900001, .producer_id = -1, .producer_epoch = -1);
    assert_int_equal(answer->error_code, KAFKA_INVALID_TRANSACTION_TIMEOUT);
    answer = ASK(client, init_producer_id, 2, .transactional_id = { NULL, 0 }, .transaction_timeout_ms = 0, .producer_id = -1, .producer_epoch = -1);
    assert_int_equal(answer->error_code, 0);
    int64_t first = answer->producer_id;
    answer = ASK(client, init_producer_id, 2, .transactional_id = { NULL, 0 }, .transaction_timeout_ms = 0, .producer_id = -1, .producer_epoch = -1);
    assert_true(answer->producer_id != first);
    struct producer_id nobody = { 123456, 0 }, producer = producer_begin(client, 0);
    assert_int_equal(add(client, 3, nobody, "t", 0), KAFKA_INVALID_PRODUCER_ID_MAPPING);
    /* All or none. */
    int32_t partitions[] = { 0, 7 };
    struct kafka_add_partitions_to_txn_topic row = { .name = SLICE("t"), .partitions = partitions, .partitions_count = 2 };
    const struct kafka_add_partitions_to_txn_response *added =
        ASK(client, add_partitions_to_txn, 3, .v3_and_below_transactional_id = SLICE(TX), .v3_and_below_producer_id = producer.id,
            .v3_and_below_producer_epoch = producer.epoch, .v3_and_below_topics = &row, .v3_and_below_topics_count = 1);
    assert_int_equal(added->results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code, KAFKA_OPERATION_NOT_ATTEMPTED);
    assert_int_equal(added->results_by_topic_v3_and_below[0].results_by_partition[1].partition_error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(produce(client, producer, 0, "no").error_code, KAFKA_INVALID_TXN_STATE);
}

/* --- offsets ---------------------------------------------------------------------------------------------- */

static int16_t commit_in(struct client *client, struct producer_id producer, int64_t offset)
{
    struct kafka_txn_offset_commit_request_txn_offset_commit_request_partition part = { .committed_offset = offset, .committed_leader_epoch = -1 };
    struct kafka_txn_offset_commit_request_txn_offset_commit_request_topic row = { .name = SLICE("t"), .partitions = &part, .partitions_count = 1 };
    const struct kafka_txn_offset_commit_response *answer =
        ASK(client, txn_offset_commit, 3, .transactional_id = SLICE(TX), .group_id = SLICE(GROUP), .producer_id = producer.id, .producer_epoch = producer.epoch,
            .generation_id = -1, .topics = &row, .topics_count = 1);
    return answer->topics[0].partitions[0].error_code;
}

static struct kafka_offset_fetch_response_offset_fetch_response_partition offset_now(struct client *client, bool stable)
{
    int32_t partition = 0;
    struct kafka_offset_fetch_request_offset_fetch_request_topic row = { .name = SLICE("t"), .partition_indexes = &partition, .partition_indexes_count = 1 };
    const struct kafka_offset_fetch_response *answer = ASK(client, offset_fetch, 7, .group_id = SLICE(GROUP), .topics = &row, .topics_count = 1, .require_stable = stable);
    return answer->topics[0].partitions[0];
}

static void offsets_count_when_the_transaction_commits(void **state)
{
    struct rig *rig = *state;
    struct client *client = &rig->clients[0];
    struct producer_id producer = producer_begin(client, 0);
    assert_int_equal(commit_in(client, producer, 5), KAFKA_INVALID_TXN_STATE);
    for (int commit = 0; commit < 2; commit++) {
        const struct kafka_add_offsets_to_txn_response *added = ASK(client, add_offsets_to_txn, 3, .transactional_id = SLICE(TX), .producer_id = producer.id,
                                                                    .producer_epoch = producer.epoch, .group_id = SLICE(GROUP));
        assert_int_equal(added->error_code, 0);
        assert_int_equal(commit_in(client, producer, 7), 0);
        assert_int_equal(offset_now(client, true).error_code, KAFKA_UNSTABLE_OFFSET_COMMIT);
        assert_int_equal(offset_now(client, false).committed_offset, -1);
        assert_int_equal(end(client, producer, commit), 0);
        assert_int_equal(offset_now(client, true).error_code, 0);
        assert_int_equal(offset_now(client, true).committed_offset, commit ? 7 : -1);
    }
    rig_flush(rig);
    rig_crash(rig, true);
    assert_int_equal(offset_now(client, true).committed_offset, 7);
}

static int16_t commit_plain(struct client *client, int64_t offset)
{
    struct kafka_offset_commit_request_offset_commit_request_partition part = { .committed_offset = offset, .committed_leader_epoch = -1, .committed_metadata = SLICE("note") };
    struct kafka_offset_commit_request_offset_commit_request_topic row = { .name = SLICE("t"), .partitions = &part, .partitions_count = 1 };
    const struct kafka_offset_commit_response *answer =
        ASK(client, offset_commit, 7, .group_id = SLICE(GROUP), .generation_id_or_member_epoch = -1, .topics = &row, .topics_count = 1);
    return answer->topics[0].partitions[0].error_code;
}

/* What a transaction commits counts from its end, whatever was committed while it was open, and after a restart, too. */
static void plain_commits_and_those_of_transactions_count_in_the_order_of_their_ends(void **state)
{
    struct rig *rig = *state;
    struct client *client = &rig->clients[0];
    struct producer_id producer = producer_begin(client, 0);
    assert_int_equal(ASK(client, add_offsets_to_txn, 3, .transactional_id = SLICE(TX), .producer_id = producer.id, .producer_epoch = producer.epoch,
                         .group_id = SLICE(GROUP))->error_code, 0);
    assert_int_equal(commit_in(client, producer, 7), 0);
    assert_int_equal(commit_plain(client, 50), 0);
    assert_int_equal(offset_now(client, false).committed_offset, 50);
    rig_flush(rig);
    rig_crash(rig, true);
    assert_int_equal(offset_now(client, false).committed_offset, 50);
    assert_int_equal(end(client, producer, true), 0);
    for (int again = 0; again < 3; again++) {
        assert_int_equal(offset_now(client, true).committed_offset, 7);
        assert_true(slice_eq_str(offset_now(client, true).metadata, ""));
        rig_flush(rig);
        rig_crash(rig, again == 0);
    }
    assert_int_equal(commit_plain(client, 60), 0);
    for (int again = 0; again < 2; again++) {
        assert_int_equal(offset_now(client, true).committed_offset, 60);
        assert_true(slice_eq_str(offset_now(client, true).metadata, "note"));
        rig_flush(rig);
        rig_crash(rig, again == 0);
    }
}

static void tools_see_producers_and_transactions(void **state)
{
    struct rig *rig = *state;
    struct client *client = &rig->clients[0];
    struct producer_id producer = producer_begin(client, 0);
    assert_int_equal(add(client, 3, producer, "t", 0), 0);
    assert_int_equal(add(client, 3, producer, "t", 1), 0);
    assert_int_equal(produce(client, producer, 0, "v").error_code, 0);
    struct slice ids[] = { SLICE(TX), SLICE("nobody") };
    const struct kafka_describe_transactions_response *described = ASK(client, describe_transactions, 0, .transactional_ids = ids, .transactional_ids_count = 2);
    assert_true(slice_eq_str(described->transaction_states[0].transaction_state, "Ongoing"));
    assert_int_equal(described->transaction_states[0].topics_count, 1);
    assert_int_equal(described->transaction_states[0].topics[0].partitions_count, 2);
    assert_int_equal(described->transaction_states[0].transaction_timeout_ms, 60000);
    assert_int_equal(described->transaction_states[1].error_code, KAFKA_TRANSACTIONAL_ID_NOT_FOUND);
    struct slice filters[] = { SLICE("Ongoing"), SLICE("Asleep") };
    const struct kafka_list_transactions_response *listed = ASK(client, list_transactions, 1, .state_filters = filters, .state_filters_count = 2, .duration_filter = -1);
    assert_int_equal(listed->transaction_states_count, 1);
    assert_int_equal(listed->unknown_state_filters_count, 1);
    listed = ASK(client, list_transactions, 1, .duration_filter = 1000000);
    assert_int_equal(listed->transaction_states_count, 0);
    int32_t partition = 0;
    struct kafka_describe_producers_request_topic_request row = { .name = SLICE("t"), .partition_indexes = &partition, .partition_indexes_count = 1 };
    const struct kafka_describe_producers_response *producers = ASK(client, describe_producers, 0, .topics = &row, .topics_count = 1);
    assert_int_equal(producers->topics[0].partitions[0].active_producers_count, 1);
    assert_int_equal(producers->topics[0].partitions[0].active_producers[0].producer_id, producer.id);
    assert_int_equal(producers->topics[0].partitions[0].active_producers[0].current_txn_start_offset, 0);
    assert_int_equal(producers->topics[0].partitions[0].active_producers[0].last_sequence, 0);
}

static void a_transaction_that_takes_too_long_is_aborted(void **state)
{
    struct rig *rig = *state;
    struct client *client = &rig->clients[0];
    struct producer_id producer = producer_begin(client, 0);
    assert_int_equal(add(client, 3, producer, "t", 0), 0);
    assert_int_equal(produce(client, producer, 0, "no").error_code, 0);
    rig_wait(rig, 59000);
    rig_flush(rig);
    assert_int_equal(rig_fetch(client, "t", 0, 0, true).last_stable_offset, 0);
    rig_wait(rig, 2000);
    rig_flush(rig);
    struct kafka_fetch_response_partition_data fetched = rig_fetch(client, "t", 0, 0, true);
    assert_int_equal(fetched.last_stable_offset, 2);
    assert_int_equal(fetched.aborted_transactions_count, 1);
    assert_int_equal(end(client, producer, true), KAFKA_PRODUCER_FENCED);
}

/* --- by an operator --------------------------------------------------------------------------------------- */

static int16_t mark(struct client *client, int version, struct producer_id producer, const char *topic, int32_t partition, int32_t coordinator_epoch, bool commit)
{
    struct kafka_write_txn_markers_request_writable_txn_marker_topic row = { .name = slice_str(topic), .partition_indexes = &partition, .partition_indexes_count = 1 };
    struct kafka_write_txn_markers_request_writable_txn_marker marker = { .producer_id = producer.id, .producer_epoch = producer.epoch, .transaction_result = commit,
                                                                          .topics = &row, .topics_count = 1, .coordinator_epoch = coordinator_epoch };
    const struct kafka_write_txn_markers_response *answer = ASK(client, write_txn_markers, version, .markers = &marker, .markers_count = 1);
    assert_int_equal(answer->markers_count, 1);
    assert_int_equal(answer->markers[0].producer_id, producer.id);
    assert_int_equal(answer->markers[0].topics_count, 1);
    assert_int_equal(answer->markers[0].topics[0].partitions_count, 1);
    assert_int_equal(answer->markers[0].topics[0].partitions[0].partition_index, partition);
    return answer->markers[0].topics[0].partitions[0].error_code;
}

static void an_operator_aborts_what_hangs(void **state)
{
    struct rig *rig = *state;
    struct client *client = &rig->clients[0];
    struct producer_id producer = producer_begin(client, 0), older = { producer.id, (int16_t)(producer.epoch - 1) }, nobody = { 123456, 0 };
    assert_int_equal(mark(client, 1, producer, "t", 0, 0, false), KAFKA_INVALID_TXN_STATE);
    assert_int_equal(add(client, 3, producer, "t", 0), 0);
    assert_int_equal(produce(client, producer, 0, "no").error_code, 0);
    assert_int_equal(mark(client, 1, producer, "t", 0, 0, true), KAFKA_INVALID_REQUEST);
    assert_int_equal(mark(client, 1, producer, "t", 0, -1, false), KAFKA_TRANSACTION_COORDINATOR_FENCED);
    assert_int_equal(mark(client, 1, producer, "t", 1, 0, false), KAFKA_INVALID_TXN_STATE);
    assert_int_equal(mark(client, 1, producer, "t", 2, 0, false), KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(mark(client, 1, producer, "u", 0, 0, false), KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(mark(client, 1, older, "t", 0, 0, false), KAFKA_INVALID_PRODUCER_EPOCH);
    assert_int_equal(mark(client, 1, nobody, "t", 0, 0, false), KAFKA_INVALID_TXN_STATE);
    rig_flush(rig);
    assert_int_equal(rig_fetch(client, "t", 0, 0, true).last_stable_offset, 0);
    assert_int_equal(mark(client, 1, producer, "t", 0, 0, false), 0);
    rig_flush(rig);
    for (int again = 0; again < 2; again++) {
        struct kafka_fetch_response_partition_data fetched = rig_fetch(client, "t", 0, 0, true);
        assert_int_equal(fetched.last_stable_offset, 2);
        assert_int_equal(fetched.aborted_transactions_count, 1);
        /* The answer may have been lost; and who would go on with half of it is fenced. */
        assert_int_equal(mark(client, again, producer, "t", 0, 0, false), 0);
        assert_int_equal(end(client, producer, true), KAFKA_PRODUCER_FENCED);
        assert_int_equal(add(client, 3, producer, "t", 0), KAFKA_PRODUCER_FENCED);
        assert_int_equal(produce(client, producer, 1, "no").error_code, KAFKA_INVALID_PRODUCER_EPOCH);
        rig_flush(rig);
        rig_crash(rig, true);
    }
    producer = producer_begin(client, 0);
    assert_int_equal(add(client, 3, producer, "t", 0), 0);
    assert_int_equal(produce(client, producer, 0, "yes").error_code, 0);
    assert_int_equal(end(client, producer, true), 0);
    assert_int_equal(mark(client, 1, producer, "t", 0, 0, false), KAFKA_INVALID_TXN_STATE);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        TEST(committed_records_are_given_and_aborted_ones_named),
        TEST(a_commit_wakes_who_waits_for_it),
        TEST(an_older_instance_is_fenced),
        TEST(what_a_producer_asks_is_checked),
        TEST(offsets_count_when_the_transaction_commits),
        TEST(plain_commits_and_those_of_transactions_count_in_the_order_of_their_ends),
        TEST(tools_see_producers_and_transactions),
        TEST(a_transaction_that_takes_too_long_is_aborted),
        TEST(an_operator_aborts_what_hangs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
