/*
 * Kafka's messages one by one: what a real client sends is read and written again; null, defaults, tagged fields, what a version does not have; and whatever is wrong is
 * refused with the place where it is. kafka_every.c goes through all messages.
 */
#include "../unit/support.h"
#include "base/buffer.h"
#include "base/put.h"
#include "wire/kafka/messages.h"

static struct arena arena;

static struct slice hex(const char *text)
{
    size_t len = strlen(text) / 2;
    uint8_t *bytes = arena_bytes(&arena, len);
    for (size_t i = 0; i < len; i++) {
        char digits[] = { text[2 * i], text[2 * i + 1], 0 };
        bytes[i] = (uint8_t)strtoul(digits, NULL, 16);
    }
    return slice_of(bytes, len);
}

static void assert_bytes(const struct buffer *out, const char *wanted)
{
    assert_true(buffer_ok(out));
    if (!slice_eq(buffer_slice(out), hex(wanted))) {
        for (size_t i = 0; i < out->len; i++)
            print_message("%02x", out->data[i]);
        fail_msg("\nwanted %s", wanted);
    }
}

/* Reads a request whole, writes it again and compares. */
static void request_again(const char *frame_hex, const struct kafka_message *message, void *ret_value)
{
    struct slice frame = hex(frame_hex), body;
    struct kafka_request_head head;
    struct edda_error error = { .message = "" };
    struct buffer out = BUFFER_EMPTY;
    assert_int_equal(kafka_request_head(frame, &head, &error), 0);
    assert_int_equal(head.api_key, kafka_message_key(message));
    assert_true(slice_eq_str(head.client_id, "rdkafka"));
    bool flexible = kafka_message_flexible(message, head.api_version);
    assert_int_equal(kafka_request_body(frame, flexible, &body, &error), 0);
    if (kafka_decode(message, head.api_version, body, &arena, ret_value, &error) < 0)
        fail_msg("%s", error.message);
    assert_int_equal(kafka_request_put(&out, &head, message, ret_value, &error), 0);
    assert_int_equal(out.len, frame.len + 4);
    uint8_t length[4];
    put_be32(length, (uint32_t)frame.len);
    assert_memory_equal(out.data, length, 4);
    assert_memory_equal(out.data + 4, frame.data, frame.len);
    buffer_deinit(&out);
}

/* From kcat 1.7.1 with librdkafka 2.0.2: the frames behind their length. */
static void real_client(void **state)
{
    (void)state;
    struct kafka_api_versions_request versions;
    request_again("0012000300000001000772646b61666b61000b6c696272646b61666b6106322e302e3200", &kafka_api_versions_request_message, &versions);
    assert_true(slice_eq_str(versions.client_software_name, "librdkafka"));
    assert_true(slice_eq_str(versions.client_software_version, "2.0.2"));

    struct kafka_metadata_request metadata;
    request_again("0003000400000002000772646b61666b610000000100066f726465727301", &kafka_metadata_request_message, &metadata);
    assert_int_equal(metadata.topics_count, 1);
    assert_true(slice_eq_str(metadata.topics[0].name, "orders"));
    assert_true(metadata.allow_auto_topic_creation);

    struct kafka_produce_request produce;
    request_again("0000000700000003000772646b61666b61ffffffff000075300000000100066f726465727300000001000000000000004b00000000000000000000003f000000000265a0e5"
                  "1a000000000000000001a1fefaf8b3000001a1fefaf8b3ffffffffffffffffffffffffffff000000011a000000046b310a68656c6c6f00",
                  &kafka_produce_request_message, &produce);
    assert_null(produce.transactional_id.data);
    assert_int_equal(produce.acks, -1);
    assert_int_equal(produce.timeout_ms, 30000);
    assert_int_equal(produce.topic_data[0].partition_data_count, 1);
    assert_int_equal(produce.topic_data[0].partition_data[0].records.len, 0x4b);

    struct kafka_list_offsets_request offsets;
    request_again("0002000200000004000772646b61666b61ffffffff010000000100066f72646572730000000100000000fffffffffffffffe",
                  &kafka_list_offsets_request_message, &offsets);
    assert_int_equal(offsets.topics[0].partitions[0].timestamp, -2);
    assert_int_equal(offsets.topics[0].partitions[0].current_leader_epoch, -1);
    assert_int_equal(offsets.isolation_level, 1);

    struct kafka_fetch_request fetch;
    request_again("0001000b00000005000772646b61666b61ffffffff000001f400000001032000000100000000ffffffff0000000100066f72646572730000000100000000ffffffff0000"
                  "000000000000ffffffffffffffff00100000000000000000",
                  &kafka_fetch_request_message, &fetch);
    assert_int_equal(fetch.session_epoch, -1);
    assert_int_equal(fetch.topics[0].partitions[0].partition_max_bytes, 0x100000);
    assert_int_equal(fetch.topics[0].partitions[0].high_watermark, INT64_MAX);
    assert_int_equal(fetch.forgotten_topics_data_count, 0);
}

/* KIP-511: the body of ApiVersions is flexible from 3 on, the head of its response never. */
static void responses(void **state)
{
    (void)state;
    struct buffer out = BUFFER_EMPTY;
    struct kafka_api_versions_response versions;
    struct kafka_api_versions_response_api_version keys[] = { { 18, 0, 4 }, { 3, 0, 12 } };
    kafka_message_init(&kafka_api_versions_response_message, &versions);
    versions.api_keys = keys;
    versions.api_keys_count = 2;
    assert_int_equal(kafka_response_put(&out, 7, false, &kafka_api_versions_response_message, 0, &versions, NULL, NULL), 0);
    assert_bytes(&out, "00000016" "00000007" "0000" "00000002" "0012" "0000" "0004" "0003" "0000" "000c");
    buffer_clear(&out);
    assert_int_equal(kafka_response_put(&out, 7, false, &kafka_api_versions_response_message, 3, &versions, NULL, NULL), 0);
    assert_bytes(&out, "0000001a" "00000007" "0000" "03" "00120000000400" "00030000000c00" "00000000" "00");
    versions.finalized_features_epoch = 5;
    versions.zk_migration_ready = true;
    buffer_clear(&out);
    assert_int_equal(kafka_response_put(&out, 7, false, &kafka_api_versions_response_message, 3, &versions, NULL, NULL), 0);
    assert_bytes(&out, "00000027" "00000007" "0000" "03" "00120000000400" "00030000000c00" "00000000" "02" "0108" "0000000000000005" "030101");

    struct kafka_heartbeat_response heartbeat = kafka_heartbeat_response_default;
    heartbeat.error_code = 27;
    buffer_clear(&out);
    assert_int_equal(kafka_response_put(&out, -2, true, &kafka_heartbeat_response_message, 4, &heartbeat, NULL, NULL), 0);
    assert_bytes(&out, "0000000c" "fffffffe" "00" "00000000" "001b" "00");
    buffer_deinit(&out);
}

static void tagged_fields(void **state)
{
    (void)state;
    struct edda_error error = { .message = "" };
    struct kafka_heartbeat_request heartbeat;
    /* Group "g", generation 1, member "m", no instance; two unknown fields of 2 and 0 bytes. */
    struct slice body = hex("0267" "00000001" "026d" "00" "02" "0502abcd" "c80100");
    assert_int_equal(kafka_decode(&kafka_heartbeat_request_message, 4, body, &arena, &heartbeat, &error), 0);
    assert_int_equal(heartbeat.generation_id, 1);
    assert_int_equal(kafka_decode(&kafka_heartbeat_request_message, 4, hex("026700000001026d0002" "0502abcd" "0500"), &arena, &heartbeat, &error), EDDA_EMALFORMED);
    assert_string_equal(error.message, "HeartbeatRequest: its tagged fields do not ascend: 5 at byte 14");
    assert_int_equal(kafka_decode(&kafka_heartbeat_request_message, 4, hex("026700000001026d0001" "0503abcd"), &arena, &heartbeat, &error), EDDA_EMALFORMED);
    assert_string_equal(error.message, "HeartbeatRequest: the bytes end within its tagged fields, at byte 10");

    /* A request of a client with a tagged field in its head. */
    struct slice frame = hex("000c0004" "00000001" "0001" "78" "01" "0302abcd" "0267" "00000001" "026d" "00" "00");
    assert_int_equal(kafka_request_body(frame, true, &body, &error), 0);
    assert_int_equal(kafka_decode(&kafka_heartbeat_request_message, 4, body, &arena, &heartbeat, &error), 0);
    for (size_t len = 0; len < 16; len++)
        assert_int_equal(kafka_request_body(slice_of(frame.data, len), true, &body, &error), EDDA_EMALFORMED);

    /* A known one must fill its bytes: version 15 of Fetch, a replica state of 12 bytes and its tags. */
    static const char *const states[] = { "010d" "00000002" "0000000000000003" "00", "010e" "00000002" "0000000000000003" "00" "00",
                                          "010c" "00000002" "0000000000000003" };
    for (size_t i = 0; i < COUNT(states); i++) {
        char text[200];
        struct kafka_fetch_request fetch;
        snprintf(text, sizeof(text), "000001f4" "00000001" "00001000" "00" "00000000" "ffffffff" "01" "01" "01" "01%s", states[i]);
        int r = kafka_decode(&kafka_fetch_request_message, 15, hex(text), &arena, &fetch, &error);
        assert_int_equal(r, i == 0 ? 0 : EDDA_EMALFORMED);
        if (i == 0)
            assert_int_equal(fetch.replica_state.replica_epoch, 3);
        else
            assert_non_null(strstr(error.message, "FetchRequest ReplicaState"));
    }
}

static void nothing(void **state)
{
    (void)state;
    struct edda_error error = { .message = "" };
    struct buffer out = BUFFER_EMPTY;
    struct kafka_metadata_request request;
    assert_int_equal(kafka_decode(&kafka_metadata_request_message, 1, hex("ffffffff"), &arena, &request, &error), 0);
    assert_int_equal(request.topics_count, -1);
    assert_int_equal(kafka_decode(&kafka_metadata_request_message, 0, hex("ffffffff"), &arena, &request, &error), EDDA_EMALFORMED);
    assert_string_equal(error.message, "MetadataRequest Topics: is null, which it may not be in version 0, at byte 0");
    assert_string_equal(error.field, "Topics");
    request = kafka_metadata_request_default;
    request.topics_count = -1;
    assert_int_equal(kafka_encode(&kafka_metadata_request_message, 0, &request, &out, &error), EDDA_EINVAL);
    assert_int_equal(out.len, 0);

    /* A string that may not be null. */
    struct kafka_heartbeat_request heartbeat;
    assert_int_equal(kafka_decode(&kafka_heartbeat_request_message, 0, hex("0000" "00000001" "ffff"), &arena, &heartbeat, &error), EDDA_EMALFORMED);
    assert_string_equal(error.message, "HeartbeatRequest MemberId: is null, which it may not be in version 0, at byte 6");
    /* Encoded, what is not set and may not be null is empty. */
    heartbeat = (struct kafka_heartbeat_request){ .generation_id = 1 };
    assert_int_equal(kafka_encode(&kafka_heartbeat_request_message, 3, &heartbeat, &out, &error), 0);
    assert_bytes(&out, "0000" "00000001" "0000" "ffff");

    struct kafka_describe_topic_partitions_request partitions = kafka_describe_topic_partitions_request_default;
    struct kafka_cursor cursor = { .topic_name = SLICE("t"), .partition_index = 9 };
    buffer_clear(&out);
    assert_int_equal(kafka_encode(&kafka_describe_topic_partitions_request_message, 0, &partitions, &out, &error), 0);
    assert_bytes(&out, "01" "000007d0" "ff" "00");
    buffer_clear(&out);
    partitions.cursor = &cursor;
    assert_int_equal(kafka_encode(&kafka_describe_topic_partitions_request_message, 0, &partitions, &out, &error), 0);
    assert_bytes(&out, "01" "000007d0" "01" "0274" "00000009" "00" "00");
    assert_int_equal(kafka_decode(&kafka_describe_topic_partitions_request_message, 0, buffer_slice(&out), &arena, &partitions, &error), 0);
    assert_int_equal(partitions.cursor->partition_index, 9);
    buffer_deinit(&out);
}

static void defaults(void **state)
{
    (void)state;
    struct edda_error error = { .message = "" };
    struct kafka_metadata_request metadata;
    memset(&metadata, 0x5a, sizeof(metadata));
    assert_int_equal(kafka_decode(&kafka_metadata_request_message, 0, hex("00000000"), &arena, &metadata, &error), 0);
    assert_true(metadata.allow_auto_topic_creation);
    assert_int_equal(metadata.topics_count, 0);
    assert_false(metadata.include_topic_authorized_operations);

    struct kafka_join_group_request join;
    memset(&join, 0x5a, sizeof(join));
    assert_int_equal(kafka_decode(&kafka_join_group_request_message, 0, hex("0001" "67" "00000bb8" "0000" "0000" "00000000"), &arena, &join, &error), 0);
    assert_int_equal(join.rebalance_timeout_ms, -1);
    assert_null(join.group_instance_id.data);
    assert_null(join.reason.data);

    struct kafka_fetch_response_partition_data partition = kafka_fetch_response_partition_data_default;
    assert_int_equal(partition.last_stable_offset, -1);
    assert_int_equal(partition.diverging_epoch.end_offset, -1);
    assert_int_equal(partition.aborted_transactions_count, -1);
    assert_non_null(partition.records.data);
    assert_int_equal(partition.records.len, 0);
}

static void not_in_the_version(void **state)
{
    (void)state;
    struct edda_error error = { .message = "" };
    struct buffer out = BUFFER_EMPTY;
    struct kafka_metadata_request metadata = kafka_metadata_request_default;
    buffer_append_str(&out, "before");
    metadata.allow_auto_topic_creation = false;
    assert_int_equal(kafka_encode(&kafka_metadata_request_message, 3, &metadata, &out, &error), EDDA_EUNSUPPORTED);
    assert_string_equal(error.message, "MetadataRequest AllowAutoTopicCreation: is set, and version 3 does not have it");
    struct kafka_request_head head = { .api_key = 3, .api_version = 3 };
    assert_int_equal(kafka_request_put(&out, &head, &kafka_metadata_request_message, &metadata, &error), EDDA_EUNSUPPORTED);
    assert_int_equal(kafka_response_put(&out, 1, true, &kafka_metadata_request_message, 3, &metadata, NULL, &error), EDDA_EUNSUPPORTED);
    assert_true(slice_eq_str(buffer_slice(&out), "before"));

    struct kafka_heartbeat_response heartbeat = { .throttle_time_ms = 5, .error_code = 2 };
    buffer_clear(&out);
    assert_int_equal(kafka_encode(&kafka_heartbeat_response_message, 0, &heartbeat, &out, &error), 0);
    assert_bytes(&out, "0002");

    assert_int_equal(kafka_encode(&kafka_heartbeat_response_message, 5, &heartbeat, &out, &error), EDDA_EUNSUPPORTED);
    assert_string_equal(error.message, "HeartbeatResponse has versions 0 to 4, not 5");
    assert_int_equal(kafka_decode(&kafka_fetch_request_message, 3, hex("00"), &arena, &heartbeat, &error), EDDA_EUNSUPPORTED);
    assert_int_equal(kafka_decode(&kafka_fetch_request_message, -1, hex("00"), &arena, &heartbeat, &error), EDDA_EUNSUPPORTED);
    buffer_deinit(&out);
}

/* A count or a length costs nothing before it is known to be possible. */
static void counts(void **state)
{
    (void)state;
    struct edda_error error = { .message = "" };
    struct arena small;
    struct kafka_produce_request produce;
    struct kafka_metadata_request metadata;
    arena_init(&small, 0, 0);
    struct slice body = hex("ffff" "0001" "00000000" "00000001" "0001" "74" "7fffffff" "00000000");
    assert_int_equal(kafka_decode(&kafka_produce_request_message, 3, body, &small, &produce, &error), EDDA_EMALFORMED);
    assert_string_equal(error.message, "ProduceRequest TopicData[0].PartitionData: has a count of 2147483647 at byte 15, with 4 bytes left");
    assert_string_equal(error.field, "TopicData[0].PartitionData");
    assert_true(small.used < 1024);
    /* A partition has at least 8 bytes, so that one more than there can be is refused. */
    body = hex("ffff" "0001" "00000000" "00000001" "0001" "74" "00000002" "00000000" "00000000" "00000000" "000000");
    assert_int_equal(kafka_decode(&kafka_produce_request_message, 3, body, &small, &produce, &error), EDDA_EMALFORMED);
    assert_string_equal(error.message, "ProduceRequest TopicData[0].PartitionData: has a count of 2 at byte 15, with 15 bytes left");
    assert_int_equal(kafka_decode(&kafka_metadata_request_message, 9, hex("ffffffff0f" "000000"), &small, &metadata, &error), EDDA_EMALFORMED);
    assert_int_equal(kafka_decode(&kafka_metadata_request_message, 9, hex("ffffffff1f" "000000"), &small, &metadata, &error), EDDA_EMALFORMED);
    assert_int_equal(kafka_decode(&kafka_metadata_request_message, 4, hex("fffffffe" "00"), &small, &metadata, &error), EDDA_EMALFORMED);
    assert_int_equal(kafka_decode(&kafka_metadata_request_message, 4, hex("00000001" "fffe" "00"), &small, &metadata, &error), EDDA_EMALFORMED);
    assert_string_equal(error.message, "MetadataRequest Topics[0].Name: has a length of -2 bytes at byte 4, with 1 left");
    /* What librdkafka 2.16 asks for: all topics, and three bytes behind the end. */
    assert_int_equal(kafka_decode(&kafka_metadata_request_message, 12, hex("00000000" "010000"), &small, &metadata, &error), 0);
    assert_int_equal(metadata.topics_count, -1);
    assert_true(small.used < 1024);
    arena_deinit(&small);

    arena_init(&small, 0, 8);
    assert_int_equal(kafka_decode(&kafka_metadata_request_message, 4, hex("00000001" "0001" "74" "01"), &small, &metadata, &error), EDDA_ENOMEM);
    assert_string_equal(error.field, "Topics");
    arena_deinit(&small);
}

/* A request of so many topics, each without a name, and without partitions but for the first, which has the others: all of them count. */
static int items_decode(uint32_t topics, uint32_t partitions, struct edda_error *error)
{
    struct kafka_list_offsets_request request;
    struct buffer body = BUFFER_EMPTY;
    uint8_t number[4];
    buffer_append_zeros(&body, 4);
    put_be32(number, topics);
    buffer_append(&body, number, 4);
    put_be32(number, partitions);
    buffer_append_zeros(&body, 2);
    buffer_append(&body, number, 4);
    buffer_append_zeros(&body, partitions * 12 + (topics - 1) * 6);
    int r = kafka_decode(&kafka_list_offsets_request_message, 1, buffer_slice(&body), &arena, &request, error);
    buffer_deinit(&body);
    return r;
}

static void a_message_has_so_many_items_in_all(void **state)
{
    (void)state;
    struct edda_error error = { .message = "" };
    assert_int_equal(items_decode(1000, KAFKA_ITEMS_MAX - 1000, &error), 0);
    assert_int_equal(items_decode(1000, KAFKA_ITEMS_MAX - 999, &error), EDDA_ELIMIT);
    assert_string_equal(error.message, "ListOffsetsRequest Topics[0].Partitions: has a count of 99001 at byte 10, and a message has at most 100000 items in all");
    assert_int_equal(items_decode(KAFKA_ITEMS_MAX + 1, 0, &error), EDDA_ELIMIT);
}

static void long_strings(void **state)
{
    (void)state;
    struct edda_error error = { .message = "" };
    struct buffer out = BUFFER_EMPTY, text = BUFFER_EMPTY;
    struct kafka_list_groups_response_listed_group group = kafka_list_groups_response_listed_group_default;
    struct kafka_list_groups_response groups = kafka_list_groups_response_default, again;
    buffer_append_zeros(&text, 32768);
    groups.groups = &group;
    groups.groups_count = 1;
    for (int version = 2; version <= 3; version++) {
        buffer_clear(&out);
        group.protocol_type = slice_of(text.data, 32767);
        assert_int_equal(kafka_encode(&kafka_list_groups_response_message, version, &groups, &out, &error), 0);
        assert_int_equal(kafka_decode(&kafka_list_groups_response_message, version, buffer_slice(&out), &arena, &again, &error), 0);
        assert_int_equal(again.groups[0].protocol_type.len, 32767);
        group.protocol_type = buffer_slice(&text);
        assert_int_equal(kafka_encode(&kafka_list_groups_response_message, version, &groups, &out, &error), EDDA_ETOOLARGE);
        assert_string_equal(error.message, "ListGroupsResponse Groups[0].ProtocolType: has 32768 bytes; at most 32767");
    }
    /* The flexible encoding has room for more, which is as wrong: 32768 and one, as a varint. */
    struct kafka_heartbeat_request heartbeat;
    buffer_clear(&out);
    buffer_append_slice(&out, hex("818002"));
    buffer_append_slice(&out, buffer_slice(&text));
    buffer_append_slice(&out, hex("00000001" "01" "00" "00"));
    assert_int_equal(kafka_decode(&kafka_heartbeat_request_message, 4, buffer_slice(&out), &arena, &heartbeat, &error), EDDA_EMALFORMED);
    assert_string_equal(error.field, "GroupId");
    buffer_deinit(&text);

    /* A buffer without room for it all says so itself. */
    struct buffer little;
    buffer_init(&little, 10);
    group.protocol_type = SLICE("consumer");
    assert_int_equal(kafka_response_put(&little, 1, true, &kafka_list_groups_response_message, 4, &groups, NULL, &error), 0);
    assert_false(buffer_ok(&little));
    buffer_deinit(&little);
    buffer_deinit(&out);
}

static void heads(void **state)
{
    (void)state;
    struct edda_error error = { .message = "" };
    struct kafka_request_head head;
    struct slice frame = hex("00030004" "00000002" "0002" "6162" "00000000" "01");
    for (size_t len = 0; len < 12; len++) {
        assert_int_equal(kafka_request_head(slice_of(frame.data, len), &head, &error), EDDA_EMALFORMED);
        assert_string_not_equal(error.message, "");
    }
    assert_int_equal(kafka_request_head(slice_of(NULL, 0), &head, &error), EDDA_EMALFORMED);
    assert_int_equal(kafka_request_head(frame, &head, &error), 0);
    assert_int_equal(head.api_version, 4);
    assert_int_equal(head.correlation_id, 2);
    assert_true(slice_eq_str(head.client_id, "ab"));
    assert_int_equal(kafka_request_head(hex("0003000400000002fffe"), &head, &error), EDDA_EMALFORMED);
    /* Nobody: null, which is written as null again; and the empty name, which is not null. */
    assert_int_equal(kafka_request_head(hex("0003000400000002ffff"), &head, &error), 0);
    assert_null(head.client_id.data);
    struct buffer out = BUFFER_EMPTY;
    struct kafka_metadata_request metadata = kafka_metadata_request_default;
    assert_int_equal(kafka_request_put(&out, &head, &kafka_metadata_request_message, &metadata, &error), 0);
    assert_bytes(&out, "0000000f" "00030004" "00000002" "ffff" "00000000" "01");
    assert_int_equal(kafka_request_head(hex("00030004000000020000"), &head, &error), 0);
    assert_non_null(head.client_id.data);
    buffer_deinit(&out);
}

/* Records in pieces are the same bytes as records in one, and a field without any takes none. */
static void pieces(void **state)
{
    (void)state;
    struct kafka_fetch_response_partition_data partitions[3];
    struct kafka_fetch_response_fetchable_topic_response topic = kafka_fetch_response_fetchable_topic_response_default;
    struct kafka_fetch_response response = kafka_fetch_response_default;
    const struct slice apart[] = { SLICE("ab"), SLICE("cde"), SLICE("f"), SLICE("gh") };
    struct slice none = SLICE("");
    for (size_t i = 0; i < 3; i++)
        partitions[i] = kafka_fetch_response_partition_data_default;
    partitions[0].records = SLICE("abcdef");
    partitions[1].records = none;
    partitions[2].records = SLICE("gh");
    topic.topic = SLICE("t");
    topic.partitions = partitions;
    topic.partitions_count = 3;
    response.responses = &topic;
    response.responses_count = 1;
    for (int version = 4; version <= 12; version += 8) {
        struct buffer whole = BUFFER_EMPTY, put = BUFFER_EMPTY;
        struct edda_error error;
        partitions[0].records = SLICE("abcdef");
        partitions[2].records = SLICE("gh");
        assert_int_equal(kafka_response_put(&whole, 1, version == 12, &kafka_fetch_response_message, version, &response, NULL, &error), 0);
        partitions[0].records.data = apart[0].data;
        partitions[2].records.data = apart[0].data;
        assert_int_equal(kafka_response_put(&put, 1, version == 12, &kafka_fetch_response_message, version, &response, apart, &error), 0);
        assert_int_equal(put.len, whole.len);
        assert_memory_equal(put.data, whole.data, whole.len);
        buffer_deinit(&whole);
        buffer_deinit(&put);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(real_client), cmocka_unit_test(responses),          cmocka_unit_test(tagged_fields), cmocka_unit_test(nothing),
        cmocka_unit_test(defaults),    cmocka_unit_test(not_in_the_version), cmocka_unit_test(counts),        cmocka_unit_test(long_strings),
        cmocka_unit_test(heads),       cmocka_unit_test(pieces),            cmocka_unit_test(a_message_has_so_many_items_in_all),
    };
    arena_init(&arena, 0, 0);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    arena_deinit(&arena);
    return failed;
}
