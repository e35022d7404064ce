/* Produce, Fetch, ListOffsets, OffsetForLeaderEpoch: what producers and consumers rely on. */
#include "broker_rig.h"

#include "base/put.h"

#define TOPIC "t"

static int setup(void **state)
{
    if (rig_setup(state) < 0)
        return -1;
    struct rig *rig = *state;
    rig_topic(&rig->clients[0], TOPIC, 2);
    rig_flush(rig);
    return 0;
}

/* --- Produce ---------------------------------------------------------------------------------------------- */

static void a_batch_is_appended_and_answered_when_durable(void **state)
{
    struct rig *rig = *state;
    struct client *client = &rig->clients[0];
    struct kafka_produce_response_partition_produce_response answer = rig_produce(client, TOPIC, 1, &(struct batch_spec){ .key = "k", .value = "v", .count = 3 });
    assert_int_equal(answer.error_code, 0);
    assert_int_equal(answer.base_offset, 0);
    assert_int_equal(answer.log_append_time_ms, -1);
    assert_int_equal(answer.log_start_offset, 0);
    assert_int_equal(answer.current_leader.leader_id, -1);
    assert_true(client->gate > store_durable_position(rig->store));
    /* It is the stream's next event. */
    struct stream_info info;
    assert_int_equal(store_stream_info(rig->store, SLICE(TOPIC), SLICE("k"), &info), 0);
    assert_int_equal(info.next_version, 3);
    /* Nobody is given it before it is durable. */
    assert_int_equal(rig_fetch(client, TOPIC, 1, 0, false).records.len, 0);
    rig_flush(rig);
    struct kafka_fetch_response_partition_data fetched = rig_fetch(client, TOPIC, 1, 0, false);
    assert_int_equal(rig_count(fetched.records, 0, "v"), 3);
    assert_int_equal(fetched.high_watermark, 3);
    assert_int_equal(rig_produce(client, TOPIC, 1, &(struct batch_spec){ .value = "w" }).base_offset, 3);
}

/* Kafka sets no limit to a key but that of its batch. Such a record is one like others, and the next of its stream, which is read only. */
static void a_key_may_be_as_long_as_its_batch_has_room_for(void **state)
{
    struct rig *rig = *state;
    struct client *client = &rig->clients[0];
    static char key[60001];
    struct edda_error error;
    struct stream_info info;
    for (size_t len = 5000; len <= 60000; len += 55000) {
        memset(key, 'k', len);
        for (int i = 0; i < 2; i++)
            assert_int_equal(rig_produce(client, TOPIC, 0, &(struct batch_spec){ .key = key, .value = "v" }).error_code, 0);
    }
    rig_flush(rig);
    for (int again = 0; again < 2; again++) {
        assert_int_equal(rig_count(rig_fetch(client, TOPIC, 0, 0, false).records, 0, "v"), 4);
        for (size_t len = 5000; len <= 60000; len += 55000) {
            struct store_record last;
            assert_int_equal(store_stream_info(rig->store, SLICE(TOPIC), slice_of(key, len), &info), 0);
            assert_int_equal(info.next_version, 2);
            assert_int_equal(store_stream_last(rig->store, SLICE(TOPIC), slice_of(key, len), &last), 0);
            assert_true(slice_eq(last.record.key, slice_of(key, len)));
            assert_int_equal(store_stream_truncate(rig->store, SLICE(TOPIC), slice_of(key, len), 1, &error), EDDA_ETOOLARGE);
            assert_int_equal(store_stream_delete(rig->store, SLICE(TOPIC), slice_of(key, len), STORE_ANY, &error), EDDA_ETOOLARGE);
        }
        assert_int_equal(store_verify(rig->store, NULL, NULL, &error), 0);
        rig_crash(rig, true);
    }
}

static void what_cannot_be_appended_is_told_and_nothing_is(void **state)
{
    struct rig *rig = *state;
    struct client *client = &rig->clients[0];
    struct batch_spec good = { .value = "v" };
    assert_int_equal(rig_produce(client, "nowhere", 0, &good).error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(rig_produce(client, TOPIC, 2, &good).error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(rig_produce(client, TOPIC, -1, &good).error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(rig_produce(client, TOPIC, 0, &(struct batch_spec){ .value = "v", .attributes = BATCH_CONTROL }).error_code, KAFKA_INVALID_RECORD);
    uint8_t bytes[200];
    struct slice batch = rig_batch(&good);
    const struct {
        size_t at;
        uint8_t flip;
        int len; /* more or less than the batch */
        int16_t code;
    } cases[] = {
        { 40, 1, 0, KAFKA_CORRUPT_MESSAGE },
        { 16, 3, 0, KAFKA_UNSUPPORTED_FOR_MESSAGE_FORMAT },
        { 0, 0, -1, KAFKA_INVALID_RECORD },
        { 0, 0, -60, KAFKA_INVALID_RECORD },
        { 0, 0, 5, KAFKA_INVALID_RECORD },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        memset(bytes, 0, sizeof bytes);
        memcpy(bytes, batch.data, batch.len);
        bytes[cases[i].at] ^= cases[i].flip;
        struct kafka_produce_request_partition_produce_data data = { .records = slice_of(bytes, batch.len + (size_t)cases[i].len) };
        struct kafka_produce_request_topic_produce_data row = { .name = SLICE(TOPIC), .partition_data = &data, .partition_data_count = 1 };
        const struct kafka_produce_response *answer = ASK(client, produce, 8, .acks = 1, .topic_data = &row, .topic_data_count = 1);
        if (answer->responses[0].partition_responses[0].error_code != cases[i].code)
            fail_msg("case %zu: %d", i, answer->responses[0].partition_responses[0].error_code);
        assert_non_null(answer->responses[0].partition_responses[0].error_message.data);
        answer = ASK(client, produce, 8, .acks = 3, .topic_data = &row, .topic_data_count = 1);
        assert_int_equal(answer->responses[0].partition_responses[0].error_code, KAFKA_INVALID_REQUIRED_ACKS);
    }
    rig_flush(rig);
    assert_int_equal(rig_fetch(client, TOPIC, 0, 0, false).high_watermark, 0);
}

static void without_acks_there_is_no_answer_but_an_end(void **state)
{
    struct rig *rig = *state;
    struct client *client = &rig->clients[0];
    struct kafka_produce_request_partition_produce_data data = { .records = rig_batch(&(struct batch_spec){ .value = "v" }) };
    struct kafka_produce_request_topic_produce_data row = { .name = SLICE(TOPIC), .partition_data = &data, .partition_data_count = 1 };
    SEND(client, produce, 7, .acks = 0, .topic_data = &row, .topic_data_count = 1);
    assert_true(client->answered && client->silent && !client->fatal);
    rig_flush(rig);
    assert_int_equal(rig_fetch(client, TOPIC, 0, 0, false).high_watermark, 1);
    data.index = 9;
    SEND(client, produce, 7, .acks = 0, .topic_data = &row, .topic_data_count = 1);
    assert_true(client->fatal);
}

static void a_repeated_batch_is_appended_once(void **state)
{
    struct rig *rig = *state;
    struct client *client = &rig->clients[0];
    const struct kafka_init_producer_id_response *got = ASK(client, init_producer_id, 3, .producer_id = -1, .producer_epoch = -1);
    assert_int_equal(got->error_code, 0);
    struct batch_spec spec = { .value = "v", .count = 2, .idempotent = true, .producer = { got->producer_id, got->producer_epoch } };
    assert_int_equal(rig_produce(client, TOPIC, 0, &spec).base_offset, 0);
    assert_int_equal(rig_produce(client, TOPIC, 0, &spec).base_offset, 0);
    rig_flush(rig);
    rig_crash(rig, true);
    assert_int_equal(rig_produce(client, TOPIC, 0, &spec).base_offset, 0);
    spec.sequence = 3;
    assert_int_equal(rig_produce(client, TOPIC, 0, &spec).error_code, KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER);
    spec.sequence = 2;
    assert_int_equal(rig_produce(client, TOPIC, 0, &spec).base_offset, 2);
    rig_flush(rig);
    assert_int_equal(rig_count(rig_fetch(client, TOPIC, 0, 0, false).records, 0, "v"), 4);
}

/* A log that is too far behind its disk: what does not fit waits, with what comes behind it in the same request, and is appended when the log has caught up. */
static void a_produce_waits_for_the_disk(void **state)
{
    struct rig *rig = *state;
    struct broker_counts counts;
    static char value[60000];
    struct kafka_produce_request_partition_produce_data parts[3];
    uint8_t *batches[3];
    memset(value, 'v', sizeof value - 1);
    rig->store_options.unflushed_bytes_max = 100000;
    rig_reopen(rig);
    struct client *client = &rig->clients[0];
    for (int i = 0; i < 3; i++) {
        struct slice batch = rig_batch(&(struct batch_spec){ .value = value });
        batches[i] = test_malloc(batch.len);
        memcpy(batches[i], batch.data, batch.len);
        parts[i] = (struct kafka_produce_request_partition_produce_data){ .index = i & 1, .records = slice_of(batches[i], batch.len) };
    }
    struct kafka_produce_request_topic_produce_data row = { .name = SLICE(TOPIC), .partition_data = parts, .partition_data_count = 3 };
    SEND(client, produce, 7, .acks = -1, .timeout_ms = 1000, .topic_data = &row, .topic_data_count = 1);
    assert_false(client->answered);
    assert_true(broker_call_borrows(&client->call));
    broker_counts(rig->broker, &counts);
    assert_int_equal(counts.stalled, 1);
    for (int i = 0; i < 3 && !client->answered; i++)
        rig_flush(rig);
    const struct kafka_produce_response *answer = rig_answer(client);
    for (int i = 0; i < 3; i++)
        assert_int_equal(answer->responses[0].partition_responses[i].error_code, 0);
    assert_int_equal(answer->responses[0].partition_responses[2].base_offset, 1);
    rig_flush(rig);
    assert_int_equal(rig_count(rig_fetch(client, TOPIC, 0, 0, false).records, 0, value), 2);
    assert_int_equal(rig_count(rig_fetch(client, TOPIC, 1, 0, false).records, 0, value), 1);
    /* Its connection may go meanwhile. */
    SEND(client, produce, 7, .acks = -1, .timeout_ms = 1000, .topic_data = &row, .topic_data_count = 1);
    assert_false(client->answered);
    rig_cut(client);
    rig_flush(rig);
    broker_counts(rig->broker, &counts);
    assert_int_equal(counts.parked, 0);
    for (int i = 0; i < 3; i++)
        test_free(batches[i]);
    rig->store_options.unflushed_bytes_max = 0;
}

/* An index that is being written and takes no more: all is durable, and still a Produce waits instead of being refused. */
static void a_produce_waits_for_the_index(void **state)
{
    struct rig *rig = *state;
    struct edda_error error;
    io_simulated_set_capacity(rig->io, UINT64_C(256) << 20); /* the index needs room beside the segment */
    rig->store_options.index.tail_entries_max = 16;
    rig_reopen(rig);
    struct client *client = &rig->clients[0];
    struct slice batch = rig_batch(&(struct batch_spec){ .value = "v" });
    struct kafka_produce_request_partition_produce_data part = { .index = 0, .records = batch };
    struct kafka_produce_request_topic_produce_data row = { .name = SLICE(TOPIC), .partition_data = &part, .partition_data_count = 1 };
    bool answered = true;
    for (int sent = 0; answered; sent++) {
        assert_true(sent < 100);
        SEND(client, produce, 7, .acks = -1, .timeout_ms = 1000, .topic_data = &row, .topic_data_count = 1);
        answered = client->answered;
        if (answered)
            assert_int_equal(((struct kafka_produce_response *)rig_answer(client))->responses[0].partition_responses[0].error_code, 0);
        /* On this thread, so that no job ends. */
        assert_int_equal(store_flush(rig->store, &error), 0);
        store_maintain(rig->store);
    }
    assert_int_equal(store_durable_position(rig->store), store_tail(rig->store));
    assert_true(store_is_behind(rig->store));
    broker_turn(rig->broker, io_clock_boot_ns(rig->io));
    assert_false(client->answered);
    while (store_is_behind(rig->store)) {
        assert_int_equal(io_jobs_wait(rig->io, -1), 1);
        io_jobs_finish(rig->io);
        store_maintain(rig->store);
    }
    broker_turn(rig->broker, io_clock_boot_ns(rig->io));
    const struct kafka_produce_response *answer = rig_answer(client);
    assert_int_equal(answer->responses[0].partition_responses[0].error_code, 0);
    rig->store_options.index.tail_entries_max = 0;
}

/* --- Fetch ------------------------------------------------------------------------------------------------ */

static void fetch_send(struct client *client, int32_t partition, int64_t offset, int32_t wait_ms, int32_t bytes_min, int32_t bytes_max)
{
    struct kafka_fetch_request_fetch_partition parts[2] = { kafka_fetch_request_fetch_partition_default, kafka_fetch_request_fetch_partition_default };
    parts[0].partition = partition;
    parts[0].fetch_offset = offset;
    parts[1].partition = 1 - partition;
    parts[0].partition_max_bytes = parts[1].partition_max_bytes = bytes_max;
    struct kafka_fetch_request_fetch_topic row = { .topic = SLICE(TOPIC), .partitions = parts, .partitions_count = 2 };
    SEND(client, fetch, 11, .replica_id = -1, .replica_state = { -1, -1 }, .max_wait_ms = wait_ms, .min_bytes = bytes_min, .max_bytes = bytes_max,
         .session_epoch = -1, .topics = &row, .topics_count = 1);
}

static bool writes_only(enum broker_verb verb, struct slice name)
{
    (void)name;
    return verb == BROKER_WRITE;
}

/* Permissions may change while a fetch waits. */
static void who_may_no_more_fetches_nothing(void **state)
{
    struct rig *rig = *state;
    struct client *client = &rig->clients[0], *producer = &rig->clients[1];
    fetch_send(client, 1, 0, 500, 1, 1000);
    assert_false(client->answered);
    rig->allowed = writes_only;
    assert_int_equal(rig_produce(producer, TOPIC, 1, &(struct batch_spec){ .value = "v" }).error_code, 0);
    rig_flush(rig);
    const struct kafka_fetch_response *answer = rig_answer(client);
    assert_int_equal(answer->responses[0].partitions[0].error_code, KAFKA_TOPIC_AUTHORIZATION_FAILED);
    assert_int_equal(answer->responses[0].partitions[0].records.len, 0);
}

static void a_fetch_waits_for_what_is_durable(void **state)
{
    struct rig *rig = *state;
    struct client *client = &rig->clients[0], *producer = &rig->clients[1];
    fetch_send(client, 1, 0, 500, 1, 1000);
    assert_false(client->answered);
    rig_wait(rig, 499);
    assert_false(client->answered);
    (void)rig_produce(producer, TOPIC, 1, &(struct batch_spec){ .value = "v" });
    rig_wait(rig, 0);
    assert_false(client->answered);
    rig_flush(rig);
    const struct kafka_fetch_response *answer = rig_answer(client);
    assert_int_equal(rig_count(answer->responses[0].partitions[0].records, 0, "v"), 1);
    assert_int_equal(answer->responses[0].partitions[1].records.len, 0);
    assert_non_null(answer->responses[0].partitions[1].records.data);
    assert_int_equal(answer->session_id, 0);
    /* What it tells of is durable. */
    assert_true(client->gate <= store_durable_position(rig->store));
    fetch_send(client, 1, 1, 500, 1, 1000);
    rig_wait(rig, 500);
    answer = rig_answer(client);
    assert_int_equal(answer->responses[0].partitions[0].records.len, 0);
    assert_int_equal(answer->responses[0].partitions[0].high_watermark, 1);
}

static void what_is_not_in_memory_comes_with_the_answer(void **state)
{
    struct rig *rig = *state;
    struct client *client = &rig->clients[0], *other = &rig->clients[1];
    (void)rig_produce(other, TOPIC, 1, &(struct batch_spec){ .value = "v", .count = 3 });
    rig_flush(rig);
    io_simulated_unload(rig->io, 1);
    fetch_send(client, 1, 0, 0, 1, 1000);
    assert_false(client->answered);
    assert_true(io_simulated_loads(rig->io) > 0);
    /* Others do not wait with it. */
    SEND(other, metadata, 9, .topics_count = 0);
    assert_true(other->answered);
    rig_wait(rig, 5);
    assert_false(client->answered);
    io_simulated_unload(rig->io, 0);
    rig_wait(rig, 5);
    const struct kafka_fetch_response *answer = rig_answer(client);
    assert_int_equal(rig_count(answer->responses[0].partitions[0].records, 0, "v"), 3);
    /* What leaves the memory again and again is read from the disk after all. */
    io_simulated_unload(rig->io, 1);
    fetch_send(client, 1, 0, 0, 1, 1000);
    for (int i = 0; i < 100; i++)
        rig_wait(rig, 9);
    assert_false(client->answered);
    rig_wait(rig, 101);
    answer = rig_answer(client);
    assert_int_equal(rig_count(answer->responses[0].partitions[0].records, 0, "v"), 3);
}

static void a_fetch_that_waits_for_the_disk_goes_with_its_connection(void **state)
{
    struct rig *rig = *state;
    struct client *client = &rig->clients[0];
    (void)rig_produce(&rig->clients[1], TOPIC, 1, &(struct batch_spec){ .value = "v" });
    rig_flush(rig);
    io_simulated_unload(rig->io, 1);
    fetch_send(client, 1, 0, 0, 1, 1000);
    assert_false(client->answered);
    rig_cut(client);
    rig_wait(rig, 2000);
    assert_false(client->answered);
}

static void a_fetch_waits_for_as_many_bytes_as_it_wants(void **state)
{
    struct rig *rig = *state;
    struct client *client = &rig->clients[0], *producer = &rig->clients[1];
    fetch_send(client, 0, 0, 60000, 150, 1000);
    for (int i = 0; i < 3; i++) {
        assert_false(client->answered);
        (void)rig_produce(producer, TOPIC, i & 1, &(struct batch_spec){ .value = "v" });
        rig_flush(rig);
    }
    const struct kafka_fetch_response *answer = rig_answer(client);
    assert_int_equal(rig_count(answer->responses[0].partitions[0].records, 0, "v"), 2);
    assert_int_equal(rig_count(answer->responses[0].partitions[1].records, 0, "v"), 1);
}

static void a_waiting_fetch_goes_with_its_connection(void **state)
{
    struct rig *rig = *state;
    struct broker_counts counts;
    for (int i = 0; i < 3; i++)
        fetch_send(&rig->clients[i], i & 1, 0, 1000, 1, 1000);
    broker_counts(rig->broker, &counts);
    assert_int_equal(counts.parked, 3);
    rig_cut(&rig->clients[0]);
    rig_cut(&rig->clients[1]);
    (void)rig_produce(&rig->clients[3], TOPIC, 0, &(struct batch_spec){ .value = "v" });
    rig_flush(rig);
    (void)rig_answer(&rig->clients[2]);
    broker_counts(rig->broker, &counts);
    assert_int_equal(counts.parked, 0);
}

static void whole_batches_are_given_and_at_least_one(void **state)
{
    struct rig *rig = *state;
    struct client *client = &rig->clients[0];
    for (int i = 0; i < 3; i++)
        (void)rig_produce(client, TOPIC, 0, &(struct batch_spec){ .value = "v", .count = 10 });
    rig_flush(rig);
    /* The batch that contains the offset, from its beginning. */
    fetch_send(client, 0, 15, 0, 1, 10);
    const struct kafka_fetch_response *answer = rig_answer(client);
    assert_int_equal(rig_count(answer->responses[0].partitions[0].records, 0, "v"), 10);
    assert_int_equal(rig_count(answer->responses[0].partitions[0].records, 15, "v"), 5);
    assert_int_equal(rig_count(rig_fetch(client, TOPIC, 0, 0, false).records, 0, "v"), 30);
    assert_int_equal(rig_fetch(client, TOPIC, 0, 31, false).error_code, KAFKA_OFFSET_OUT_OF_RANGE);
    assert_int_equal(rig_fetch(client, TOPIC, 0, -1, false).error_code, KAFKA_OFFSET_OUT_OF_RANGE);
    assert_int_equal(rig_fetch(client, TOPIC, 0, 30, false).error_code, 0);
}

static void no_partition_starves(void **state)
{
    struct rig *rig = *state;
    struct client *client = &rig->clients[0];
    int first = 0, second = 0;
    for (int32_t p = 0; p < 2; p++)
        (void)rig_produce(client, TOPIC, p, &(struct batch_spec){ .value = "v", .count = 10 });
    rig_flush(rig);
    for (int i = 0; i < 10; i++) {
        fetch_send(client, 0, 0, 0, 1, 20);
        const struct kafka_fetch_response *answer = rig_answer(client);
        first += answer->responses[0].partitions[0].records.len > 0;
        second += answer->responses[0].partitions[1].records.len > 0;
    }
    assert_int_equal(first, 5);
    assert_int_equal(second, 5);
}

static void topics_are_fetched_by_id(void **state)
{
    struct rig *rig = *state;
    struct client *client = &rig->clients[0];
    (void)rig_produce(client, TOPIC, 0, &(struct batch_spec){ .value = "v" });
    rig_flush(rig);
    struct kafka_fetch_request_fetch_partition part = kafka_fetch_request_fetch_partition_default;
    part.partition_max_bytes = 1000;
    struct kafka_fetch_request_fetch_topic row = { .partitions = &part, .partitions_count = 1 };
    memcpy(row.topic_id.bytes, store_topic(rig->store, SLICE(TOPIC))->id, sizeof row.topic_id.bytes);
    for (int i = 0; i < 2; i++, row.topic_id.bytes[0] ^= 1) {
        const struct kafka_fetch_response *answer = ASK(client, fetch, 17, .replica_id = -1, .replica_state = { -1, -1 }, .min_bytes = 1, .max_bytes = 1000,
                                                        .session_epoch = -1, .topics = &row, .topics_count = 1);
        assert_int_equal(answer->responses[0].partitions[0].error_code, i == 0 ? 0 : KAFKA_UNKNOWN_TOPIC_ID);
        assert_int_equal(rig_count(answer->responses[0].partitions[0].records, 0, NULL), i == 0 ? 1 : 0);
    }
}

static void sessions_are_declined(void **state)
{
    struct rig *rig = *state;
    const struct kafka_fetch_response *answer = ASK(&rig->clients[0], fetch, 11, .replica_id = -1, .replica_state = { -1, -1 }, .max_bytes = 1000, .session_id = 5,
                                                    .session_epoch = 1);
    assert_int_equal(answer->error_code, KAFKA_FETCH_SESSION_ID_NOT_FOUND);
    assert_int_equal(answer->session_id, 0);
}

/* --- ListOffsets ------------------------------------------------------------------------------------------ */

static struct kafka_list_offsets_response_list_offsets_partition_response offset_of(struct client *client, int version, int64_t time)
{
    struct kafka_list_offsets_request_list_offsets_partition part = { .current_leader_epoch = -1, .timestamp = time };
    struct kafka_list_offsets_request_list_offsets_topic row = { .name = SLICE(TOPIC), .partitions = &part, .partitions_count = 1 };
    const struct kafka_list_offsets_response *answer = ASK(client, list_offsets, version, .replica_id = -1, .topics = &row, .topics_count = 1);
    return answer->topics[0].partitions[0];
}

static void offsets_are_found_by_time(void **state)
{
    struct rig *rig = *state;
    struct client *client = &rig->clients[0];
    for (int version = 1; version <= 9; version += 4) {
        assert_int_equal(offset_of(client, version, -1).offset, 0);
        assert_int_equal(offset_of(client, version, 0).offset, -1);
    }
    const int64_t times[] = { 1000, 3000, 2000, 3000 };
    for (size_t i = 0; i < COUNT(times); i++)
        (void)rig_produce(client, TOPIC, 0, &(struct batch_spec){ .value = "v", .timestamp_ms = times[i] });
    assert_int_equal(offset_of(client, 1, -1).offset, 0);
    assert_int_equal(offset_of(client, 1, 1500).offset, -1);
    rig_flush(rig);
    assert_int_equal(offset_of(client, 1, -1).offset, 4);
    assert_int_equal(offset_of(client, 7, -2).offset, 0);
    assert_int_equal(offset_of(client, 7, 1000).offset, 0);
    assert_int_equal(offset_of(client, 7, 1001).offset, 1);
    assert_int_equal(offset_of(client, 7, 1001).timestamp, 3000);
    assert_int_equal(offset_of(client, 7, 3001).offset, -1);
    assert_int_equal(offset_of(client, 7, -3).offset, 1);
    assert_int_equal(offset_of(client, 8, -4).offset, 0);
    assert_int_equal(offset_of(client, 9, -5).offset, -1);
    assert_int_equal(offset_of(client, 9, -6).error_code, KAFKA_UNSUPPORTED_VERSION);
}

static void there_is_one_epoch(void **state)
{
    struct rig *rig = *state;
    struct client *client = &rig->clients[0];
    (void)rig_produce(client, TOPIC, 0, &(struct batch_spec){ .value = "v" });
    rig_flush(rig);
    struct kafka_offset_for_leader_epoch_request_offset_for_leader_partition part = { .current_leader_epoch = 0, .leader_epoch = 0 };
    struct kafka_offset_for_leader_epoch_request_offset_for_leader_topic row = { .topic = SLICE(TOPIC), .partitions = &part, .partitions_count = 1 };
    const struct kafka_offset_for_leader_epoch_response *answer = ASK(client, offset_for_leader_epoch, 3, .replica_id = -2, .topics = &row, .topics_count = 1);
    assert_int_equal(answer->topics[0].partitions[0].leader_epoch, 0);
    assert_int_equal(answer->topics[0].partitions[0].end_offset, 1);
    part.current_leader_epoch = 1;
    answer = ASK(client, offset_for_leader_epoch, 4, .replica_id = -2, .topics = &row, .topics_count = 1);
    assert_int_equal(answer->topics[0].partitions[0].error_code, KAFKA_UNKNOWN_LEADER_EPOCH);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_batch_is_appended_and_answered_when_durable),
        TEST(a_key_may_be_as_long_as_its_batch_has_room_for),
        TEST(what_cannot_be_appended_is_told_and_nothing_is),
        TEST(without_acks_there_is_no_answer_but_an_end),
        TEST(a_repeated_batch_is_appended_once),
        TEST(what_is_not_in_memory_comes_with_the_answer),
        TEST(a_fetch_that_waits_for_the_disk_goes_with_its_connection),
        TEST(a_produce_waits_for_the_disk),
        TEST(a_produce_waits_for_the_index),
        TEST(a_fetch_waits_for_what_is_durable),
        TEST(who_may_no_more_fetches_nothing),
        TEST(a_fetch_waits_for_as_many_bytes_as_it_wants),
        TEST(a_waiting_fetch_goes_with_its_connection),
        TEST(whole_batches_are_given_and_at_least_one),
        TEST(no_partition_starves),
        TEST(topics_are_fetched_by_id),
        TEST(sessions_are_declined),
        TEST(offsets_are_found_by_time),
        TEST(there_is_one_epoch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
