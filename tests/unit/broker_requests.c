/* The way of a request through the broker: what is advertised, what is unknown, malformed or not permitted, who is told what of topics. */
#include "broker_rig.h"

#include "base/put.h"

static void the_table_is_advertised(void **state)
{
    struct rig *rig = *state;
    const struct kafka_api_versions_response *answer = ASK(&rig->clients[0], api_versions, 3, .client_software_name = SLICE("test"),
                                                           .client_software_version = SLICE("1"));
    int16_t before = -1;
    bool produce = false;
    assert_int_equal(answer->error_code, 0);
    assert_true(answer->api_keys_count > 30);
    for (int32_t i = 0; i < answer->api_keys_count; i++) {
        assert_true(answer->api_keys[i].api_key > before);
        before = answer->api_keys[i].api_key;
        assert_true(answer->api_keys[i].min_version <= answer->api_keys[i].max_version);
        /* Without users there is no way to authenticate, and none is offered. */
        assert_true(before != 17 && before != 36);
        produce |= before == 0 && answer->api_keys[i].min_version == 0 && answer->api_keys[i].max_version == 11;
    }
    assert_true(produce);
    assert_int_equal(answer->finalized_features_count, 0);
    assert_int_equal(answer->finalized_features_epoch, -1);
}

/* Every version that is offered can be asked and answered: an empty request of each is decoded, handled and encoded. */
static void every_version_offered_is_served(void **state)
{
    struct rig *rig = *state;
    const struct kafka_api_versions_response *offered = ASK(&rig->clients[0], api_versions, 0, .client_software_name = SLICE(""));
    for (int32_t i = 0; i < offered->api_keys_count; i++)
        for (size_t m = 0; m < KAFKA_MESSAGE_COUNT; m += 2) {
            const struct kafka_message *request_message = kafka_messages[m];
            if (kafka_message_key(request_message) != offered->api_keys[i].api_key)
                continue;
            for (int version = offered->api_keys[i].min_version; version <= offered->api_keys[i].max_version; version++) {
                struct client *client = &rig->clients[1];
                void *request = test_malloc(kafka_message_size(request_message));
                kafka_message_init(request_message, request);
                rig_send(client, request_message, kafka_messages[m + 1], version, request);
                rig_wait(rig, 0);
                if (client->answered && !client->silent)
                    (void)rig_answer(client);
                else
                    rig_cut(client);
                test_free(request);
            }
        }
}

/* A frame with a head of the first or second kind, and a body of these bytes. */
static struct slice frame(int16_t key, int16_t version, struct slice body)
{
    static uint8_t bytes[256];
    uint8_t *at = put_be16(bytes, (uint16_t)key);
    at = put_be16(at, (uint16_t)version);
    at = put_be32(at, 77);
    at = put_be16(at, 1);
    at = put_u8(at, 'c');
    at = put_slice(at, body);
    return slice_of(bytes, (size_t)(at - bytes));
}

static void an_unknown_version_of_api_versions_is_told_the_known_ones(void **state)
{
    struct rig *rig = *state;
    struct client *client = &rig->clients[0];
    client->response_message = &kafka_api_versions_response_message;
    client->version = 0;
    rig_send_frame(client, frame(18, 5, SLICE("whatever it holds")));
    const struct kafka_api_versions_response *answer = rig_answer(client);
    assert_int_equal(answer->error_code, KAFKA_UNSUPPORTED_VERSION);
    assert_true(answer->api_keys_count > 30);
    /* The length, and the correlation id: the head is never a flexible one. */
    assert_int_equal(client->out.data[7], 77);
}

static void what_was_never_offered_ends_the_connection(void **state)
{
    struct rig *rig = *state;
    struct client *client = &rig->clients[0];
    static const struct {
        int16_t key, version;
        const char *logged;
    } cases[] = {
        { 0, 13, "kafka.unsupported" }, { 1, 3, "kafka.unsupported" }, { 4, 0, "kafka.unsupported" },  { 17, 1, "kafka.unsupported" },
        { 1000, 0, "kafka.unsupported" }, { -1, 0, "kafka.unsupported" }, { 3, -1, "kafka.unsupported" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        rig->logged[0] = '\0';
        rig_send_frame(client, frame(cases[i].key, cases[i].version, SLICE("\0\0\0\0")));
        assert_true(client->fatal);
        assert_non_null(strstr(rig->logged, cases[i].logged));
    }
}

static void what_does_not_parse_ends_the_connection(void **state)
{
    struct rig *rig = *state;
    struct client *client = &rig->clients[0];
    static const struct slice frames[] = { { (const uint8_t *)"", 0 }, { (const uint8_t *)"\0", 1 }, { (const uint8_t *)"\0\3\0\0\0\0", 6 } };
    for (size_t i = 0; i < COUNT(frames); i++) {
        rig_send_frame(client, frames[i]);
        assert_true(client->fatal);
    }
    /* A count of two thousand million topics, which are not there. */
    rig_send_frame(client, frame(3, 0, SLICE("\x7f\xff\xff\xff")));
    assert_true(client->fatal);
    assert_non_null(strstr(rig->logged, "kafka.malformed: 10.0.0.1: request of API 3, version 0, client c"));
    struct broker_counts counts;
    broker_counts(rig->broker, &counts);
    assert_int_equal(counts.malformed, 4);
}

/* --- Metadata --------------------------------------------------------------------------------------------- */

static const struct kafka_metadata_response *metadata_of(struct client *client, int version, const char *name, bool create)
{
    struct kafka_metadata_request_metadata_request_topic topic = { .name = slice_str(name) };
    return ASK(client, metadata, version, .topics = &topic, .topics_count = 1, .allow_auto_topic_creation = create || version < 4);
}

static void a_topic_is_made_by_being_asked_for(void **state)
{
    struct rig *rig = *state;
    struct client *client = &rig->clients[0];
    const struct kafka_metadata_response *answer = metadata_of(client, 9, "fresh", false);
    assert_int_equal(answer->topics[0].error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    answer = metadata_of(client, 10, "fresh", true);
    assert_int_equal(answer->brokers_count, 1);
    assert_int_equal(answer->brokers[0].node_id, 1);
    assert_true(slice_eq_str(answer->brokers[0].host, "127.0.0.1"));
    assert_int_equal(answer->brokers[0].port, 9092);
    assert_int_equal(answer->cluster_id.len, 22);
    assert_int_equal(answer->controller_id, 1);
    assert_int_equal(answer->topics[0].error_code, 0);
    assert_int_equal(answer->topics[0].partitions_count, 4);
    for (int32_t i = 0; i < 4; i++) {
        assert_int_equal(answer->topics[0].partitions[i].partition_index, i);
        assert_int_equal(answer->topics[0].partitions[i].leader_id, 1);
        assert_int_equal(answer->topics[0].partitions[i].isr_nodes_count, 1);
    }
    /* It may leave when the topic is durable. */
    assert_true(client->gate > store_durable_position(rig->store));
    struct kafka_uuid id = answer->topics[0].topic_id;
    static const struct kafka_uuid zero;
    assert_memory_not_equal(&id, &zero, sizeof id);
    struct kafka_metadata_request_metadata_request_topic by_id = { .topic_id = id };
    answer = ASK(client, metadata, 12, .topics = &by_id, .topics_count = 1);
    assert_true(slice_eq_str(answer->topics[0].name, "fresh"));
    rig_reopen(rig);
    answer = metadata_of(client, 10, "fresh", false);
    assert_memory_equal(&answer->topics[0].topic_id, &id, sizeof id);
    by_id.topic_id.bytes[3] ^= 1;
    answer = ASK(client, metadata, 12, .topics = &by_id, .topics_count = 1);
    assert_int_equal(answer->topics[0].error_code, KAFKA_UNKNOWN_TOPIC_ID);
    answer = metadata_of(client, 9, "no good", true);
    assert_int_equal(answer->topics[0].error_code, KAFKA_INVALID_TOPIC_EXCEPTION);
    answer = metadata_of(client, 9, "__mine", true);
    assert_int_equal(answer->topics[0].error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
}

static bool lists(const struct kafka_metadata_response *answer, const char *name)
{
    for (int32_t i = 0; i < answer->topics_count; i++)
        if (slice_eq_str(answer->topics[i].name, name))
            return true;
    return false;
}

static void all_topics_but_eddas_own_are_listed(void **state)
{
    struct rig *rig = *state;
    struct client *client = &rig->clients[0];
    rig_topic(client, "a", 1);
    rig_topic(client, "b", 3);
    const struct kafka_metadata_response *answer = ASK(client, metadata, 9, .topics_count = -1);
    assert_true(lists(answer, "a") && lists(answer, "b"));
    assert_false(lists(answer, "_edda.topics"));
    answer = ASK(client, metadata, 9, .topics_count = 0);
    assert_int_equal(answer->topics_count, 0);
    answer = ASK(client, metadata, 0, .topics_count = 0, .allow_auto_topic_creation = true);
    assert_true(lists(answer, "a") && lists(answer, "b"));
    answer = metadata_of(client, 9, "_edda.topics", true);
    assert_int_equal(answer->topics[0].error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    struct batch_spec spec = { .key = "k", .value = "v" };
    assert_int_equal(rig_produce(client, "_edda.topics", 0, &spec).error_code, KAFKA_INVALID_TOPIC_EXCEPTION);
    assert_int_equal(rig_produce(client, "__consumer_offsets", 0, &spec).error_code, KAFKA_INVALID_TOPIC_EXCEPTION);
}

static void partitions_are_described_in_pages(void **state)
{
    struct rig *rig = *state;
    struct client *client = &rig->clients[0];
    rig_topic(client, "b", 3);
    rig_topic(client, "a", 2);
    const struct kafka_describe_topic_partitions_response *answer = ASK(client, describe_topic_partitions, 0, .response_partition_limit = 4);
    /* The Java client reads these as lists, and fails when they are null. */
    assert_int_equal(answer->topics[0].partitions[0].eligible_leader_replicas_count, 0);
    assert_int_equal(answer->topics[0].partitions[0].last_known_elr_count, 0);
    assert_int_equal(answer->topics_count, 2);
    assert_true(slice_eq_str(answer->topics[0].name, "a"));
    assert_int_equal(answer->topics[1].partitions_count, 2);
    assert_int_equal(answer->topics[1].partitions[0].eligible_leader_replicas_count, 0);
    assert_int_equal(answer->topics[1].partitions[0].last_known_elr_count, 0);
    assert_non_null(answer->next_cursor);
    assert_int_equal(answer->next_cursor->partition_index, 2);
    struct kafka_cursor cursor = *answer->next_cursor;
    answer = ASK(client, describe_topic_partitions, 0, .response_partition_limit = 4, .cursor = &cursor);
    assert_int_equal(answer->topics_count, 1);
    assert_int_equal(answer->topics[0].partitions_count, 1);
    assert_int_equal(answer->topics[0].partitions[0].partition_index, 2);
    assert_null(answer->next_cursor);
    struct kafka_describe_topic_partitions_request_topic_request asked[] = { { SLICE("c") }, { SLICE("a") }, { SLICE("a") } };
    answer = ASK(client, describe_topic_partitions, 0, .topics = asked, .topics_count = 3, .response_partition_limit = 2000);
    assert_int_equal(answer->topics_count, 2);
    assert_int_equal(answer->topics[1].error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
}

/* --- permissions ------------------------------------------------------------------------------------------ */

static bool reads_mine(enum broker_verb verb, struct slice name)
{
    return verb == BROKER_READ && name.data && slice_has_prefix(name, SLICE("mine"));
}

static bool reads_any(enum broker_verb verb)
{
    return verb == BROKER_READ;
}

static void who_may_not_is_told_so(void **state)
{
    struct rig *rig = *state;
    struct client *client = &rig->clients[0];
    struct batch_spec spec = { .value = "v" };
    rig_topic(client, "mine", 1);
    rig_topic(client, "theirs", 1);
    rig->allowed = reads_mine;
    assert_int_equal(rig_produce(client, "mine", 0, &spec).error_code, KAFKA_TOPIC_AUTHORIZATION_FAILED);
    assert_int_equal(rig_fetch(client, "mine", 0, 0, false).error_code, 0);
    assert_int_equal(rig_fetch(client, "theirs", 0, 0, false).error_code, KAFKA_TOPIC_AUTHORIZATION_FAILED);
    const struct kafka_metadata_response *answer = ASK(client, metadata, 8, .topics_count = -1, .include_topic_authorized_operations = true);
    assert_int_equal(answer->topics_count, 1);
    assert_true(slice_eq_str(answer->topics[0].name, "mine"));
    assert_int_equal(answer->topics[0].topic_authorized_operations, 1 << 3 | 1 << 8 | 1 << 10);
    answer = metadata_of(client, 9, "theirs", false);
    assert_int_equal(answer->topics[0].error_code, KAFKA_TOPIC_AUTHORIZATION_FAILED);
    answer = metadata_of(client, 9, "mine.too", true);
    assert_int_equal(answer->topics[0].error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    struct kafka_create_topics_request_creatable_topic topic = { .name = SLICE("mine.too"), .num_partitions = 1, .replication_factor = 1 };
    const struct kafka_create_topics_response *created = ASK(client, create_topics, 5, .topics = &topic, .topics_count = 1);
    assert_int_equal(created->topics[0].error_code, KAFKA_TOPIC_AUTHORIZATION_FAILED);
    struct kafka_incremental_alter_configs_request_alter_configs_resource settings = { .resource_type = 4, .resource_name = SLICE("1") };
    const struct kafka_incremental_alter_configs_response *altered = ASK(client, incremental_alter_configs, 1, .resources = &settings, .resources_count = 1);
    assert_int_equal(altered->responses[0].error_code, KAFKA_CLUSTER_AUTHORIZATION_FAILED);
    const struct kafka_find_coordinator_response *found = ASK(client, find_coordinator, 2, .key = SLICE("their-group"));
    assert_int_equal(found->error_code, KAFKA_GROUP_AUTHORIZATION_FAILED);
    found = ASK(client, find_coordinator, 2, .key = SLICE("mine-group"));
    assert_int_equal(found->error_code, 0);
    assert_int_equal(found->port, 9092);
    const struct kafka_init_producer_id_response *producer =
        ASK(client, init_producer_id, 4, .transactional_id = SLICE("tx"), .transaction_timeout_ms = 1000, .producer_id = -1, .producer_epoch = -1);
    assert_int_equal(producer->error_code, KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    /* An id without transactions is for whoever may write something, whatever that is. */
    producer = ASK(client, init_producer_id, 4, .transactional_id = { NULL, 0 }, .producer_id = -1, .producer_epoch = -1);
    assert_int_equal(producer->error_code, 0);
    rig->allowed_any = reads_any;
    producer = ASK(client, init_producer_id, 4, .transactional_id = { NULL, 0 }, .producer_id = -1, .producer_epoch = -1);
    assert_int_equal(producer->error_code, KAFKA_CLUSTER_AUTHORIZATION_FAILED);
    assert_int_equal(producer->producer_id, -1);
    int32_t partition = 0;
    struct kafka_write_txn_markers_request_writable_txn_marker_topic hanging = { .name = SLICE("mine"), .partition_indexes = &partition, .partition_indexes_count = 1 };
    struct kafka_write_txn_markers_request_writable_txn_marker marker = { .producer_id = 1, .topics = &hanging, .topics_count = 1 };
    const struct kafka_write_txn_markers_response *marked = ASK(client, write_txn_markers, 1, .markers = &marker, .markers_count = 1);
    assert_int_equal(marked->markers[0].topics[0].partitions[0].error_code, KAFKA_CLUSTER_AUTHORIZATION_FAILED);
}

/* Settings of the broker, asked for so often that the answer would take gigabytes. */
static void an_answer_has_a_limit(void **state)
{
    enum { RESOURCES = 99000 };
    struct rig *rig = *state;
    struct client *client = &rig->clients[0];
    struct kafka_describe_configs_request_describe_configs_resource *resources = test_calloc(RESOURCES, sizeof *resources);
    for (int i = 0; i < RESOURCES; i++)
        resources[i] = (struct kafka_describe_configs_request_describe_configs_resource){ .resource_type = 4, .resource_name = SLICE("1"), .configuration_keys_count = -1 };
    SEND(client, describe_configs, 4, .resources = resources, .resources_count = RESOURCES, .include_synonyms = true);
    assert_true(client->answered && client->fatal);
    assert_non_null(strstr(rig->logged, "kafka.memory: 10.0.0.1: what API 32 asks for takes more than 268435456 bytes"));
    assert_true(client->call.arena.used <= BROKER_CALL_BYTES_MAX);
    broker_call_trim(&client->call);
    assert_int_equal(client->call.arena.used, 0);
    test_free(resources);
    client->fatal = client->answered = false;
    assert_int_equal(ASK(client, api_versions, 0, .client_software_name = SLICE(""))->error_code, 0);
}

/* What is compared with each other is limited, or one request would hold up everybody. */
static void long_lists_are_refused(void **state)
{
    enum { TOPICS = STORE_TOPICS_MAX + 1 };
    struct rig *rig = *state;
    struct client *client = &rig->clients[0];
    struct kafka_create_topics_request_creatable_topic *topics = test_calloc(TOPICS, sizeof *topics);
    struct kafka_incremental_alter_configs_request_alterable_config *changes = test_calloc(TOPICS, sizeof *changes);
    for (int i = 0; i < TOPICS; i++) {
        topics[i] = (struct kafka_create_topics_request_creatable_topic){ .name = SLICE("t"), .num_partitions = 1, .replication_factor = 1 };
        changes[i] = (struct kafka_incremental_alter_configs_request_alterable_config){ .name = SLICE("retention.ms"), .value = SLICE("1") };
    }
    const struct kafka_create_topics_response *created = ASK(client, create_topics, 5, .topics = topics, .topics_count = TOPICS);
    assert_int_equal(created->topics[0].error_code, KAFKA_INVALID_REQUEST);
    assert_true(slice_eq_str(created->topics[TOPICS - 1].error_message, "there are at most 10000 topics"));
    rig_topic(client, "t", 1);
    struct kafka_incremental_alter_configs_request_alter_configs_resource row = { .resource_type = 2, .resource_name = SLICE("t"), .configs = changes, .configs_count = TOPICS };
    const struct kafka_incremental_alter_configs_response *altered = ASK(client, incremental_alter_configs, 1, .resources = &row, .resources_count = 1);
    assert_int_equal(altered->responses[0].error_code, KAFKA_INVALID_REQUEST);
    test_free(topics);
    test_free(changes);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_table_is_advertised),
        TEST(every_version_offered_is_served),
        TEST(an_unknown_version_of_api_versions_is_told_the_known_ones),
        TEST(what_was_never_offered_ends_the_connection),
        TEST(what_does_not_parse_ends_the_connection),
        TEST(a_topic_is_made_by_being_asked_for),
        TEST(all_topics_but_eddas_own_are_listed),
        TEST(partitions_are_described_in_pages),
        TEST(who_may_not_is_told_so),
        TEST(an_answer_has_a_limit),
        TEST(long_lists_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
