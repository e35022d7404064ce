/* Topics made, described, changed and deleted; their settings; records deleted; the cluster; what tools ask besides. */
#include "broker_rig.h"

static const struct kafka_create_topics_response_creatable_topic_result *create(struct client *client, struct kafka_create_topics_request_creatable_topic topic,
                                                                                bool validate_only)
{
    const struct kafka_create_topics_response *answer =
        ASK(client, create_topics, 7, .topics = &topic, .topics_count = 1, .timeout_ms = 1000, .validate_only = validate_only);
    assert_int_equal(answer->topics_count, 1);
    return &answer->topics[0];
}

static void topics_are_made_with_defaults_resolved(void **state)
{
    struct rig *rig = *state;
    struct client *client = &rig->clients[0];
    struct kafka_create_topics_request_creatable_topic topic = { .name = SLICE("t"), .num_partitions = -1, .replication_factor = -1 };
    const struct kafka_create_topics_response_creatable_topic_result *made = create(client, topic, true);
    assert_int_equal(made->error_code, 0);
    assert_int_equal(made->num_partitions, 4);
    assert_null(store_topic(rig->store, SLICE("t")));
    made = create(client, topic, false);
    assert_int_equal(made->error_code, 0);
    assert_int_equal(made->num_partitions, 4);
    assert_int_equal(made->replication_factor, 1);
    assert_true(made->configs_count > 20);
    assert_int_equal(store_topic(rig->store, SLICE("t"))->partition_count, 4);
    made = create(client, topic, false);
    assert_int_equal(made->error_code, KAFKA_TOPIC_ALREADY_EXISTS);
    assert_non_null(made->error_message.data);
}

static void what_cannot_be_made_is_told_why(void **state)
{
    struct rig *rig = *state;
    struct client *client = &rig->clients[0];
    int32_t node = 1;
    struct kafka_create_topics_request_creatable_replica_assignment holes[] = { { 0, &node, 1 }, { 2, &node, 1 } }, whole[] = { { 1, &node, 1 }, { 0, &node, 1 } };
    struct kafka_create_topics_request_creatable_topic_config bad = { SLICE("retention.ms"), SLICE("soon") }, none = { SLICE("retention.ms"), { NULL, 0 } },
                                                              unknown = { SLICE("no.such.setting"), SLICE("1") };
    const struct {
        struct kafka_create_topics_request_creatable_topic topic;
        int16_t code;
    } cases[] = {
        { { .name = SLICE("bad name"), .num_partitions = 1, .replication_factor = 1 }, KAFKA_INVALID_TOPIC_EXCEPTION },
        { { .name = SLICE("__offsets"), .num_partitions = 1, .replication_factor = 1 }, KAFKA_INVALID_TOPIC_EXCEPTION },
        { { .name = SLICE("_edda.mine"), .num_partitions = 1, .replication_factor = 1 }, KAFKA_INVALID_TOPIC_EXCEPTION },
        { { .name = SLICE("t"), .num_partitions = 0, .replication_factor = 1 }, KAFKA_INVALID_PARTITIONS },
        { { .name = SLICE("t"), .num_partitions = 10001, .replication_factor = 1 }, KAFKA_INVALID_PARTITIONS },
        { { .name = SLICE("t"), .num_partitions = 1, .replication_factor = 0 }, KAFKA_INVALID_REPLICATION_FACTOR },
        { { .name = SLICE("t"), .num_partitions = 2, .replication_factor = -1, .assignments = whole, .assignments_count = 2 }, KAFKA_INVALID_REQUEST },
        { { .name = SLICE("t"), .num_partitions = -1, .replication_factor = -1, .assignments = holes, .assignments_count = 2 }, KAFKA_INVALID_REPLICA_ASSIGNMENT },
        { { .name = SLICE("t"), .num_partitions = 1, .replication_factor = 1, .configs = &bad, .configs_count = 1 }, KAFKA_INVALID_CONFIG },
        { { .name = SLICE("t"), .num_partitions = 1, .replication_factor = 1, .configs = &none, .configs_count = 1 }, KAFKA_INVALID_CONFIG },
        { { .name = SLICE("t"), .num_partitions = 1, .replication_factor = 1, .configs = &unknown, .configs_count = 1 }, KAFKA_INVALID_CONFIG },
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        for (int validate = 0; validate < 2; validate++) {
            int16_t code = create(client, cases[i].topic, validate)->error_code;
            if (code != cases[i].code)
                fail_msg("case %zu: %d", i, code);
        }
    assert_null(store_topic(rig->store, SLICE("t")));
    /* Three replicas are asked for by many, and one is given. */
    struct kafka_create_topics_request_creatable_topic good = { .name = SLICE("t"), .num_partitions = 1, .replication_factor = 3 };
    assert_int_equal(create(client, good, false)->replication_factor, 1);
    struct kafka_create_topics_request_creatable_topic assigned = { .name = SLICE("u"), .num_partitions = -1, .replication_factor = -1, .assignments = whole,
                                                                    .assignments_count = 2 };
    assert_int_equal(create(client, assigned, false)->num_partitions, 2);
    struct kafka_create_topics_request_creatable_topic twice[] = { { .name = SLICE("v"), .num_partitions = 1, .replication_factor = 1 },
                                                                   { .name = SLICE("v"), .num_partitions = 1, .replication_factor = 1 } };
    const struct kafka_create_topics_response *answer = ASK(client, create_topics, 7, .topics = twice, .topics_count = 2, .timeout_ms = 1000);
    assert_int_equal(answer->topics[0].error_code, KAFKA_INVALID_REQUEST);
    assert_int_equal(answer->topics[1].error_code, KAFKA_INVALID_REQUEST);
}

static void topics_are_deleted_by_name_and_by_id(void **state)
{
    struct rig *rig = *state;
    struct client *client = &rig->clients[0];
    rig_topic(client, "a", 1);
    rig_topic(client, "b", 1);
    rig_flush(rig);
    struct slice names[] = { SLICE("a"), SLICE("nowhere"), SLICE("__consumer_offsets") };
    const struct kafka_delete_topics_response *answer = ASK(client, delete_topics, 5, .topic_names = names, .topic_names_count = 3, .timeout_ms = 1000);
    assert_int_equal(answer->responses[0].error_code, 0);
    assert_int_equal(answer->responses[1].error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(answer->responses[2].error_code, KAFKA_INVALID_TOPIC_EXCEPTION);
    assert_null(store_topic(rig->store, SLICE("a")));
    struct kafka_delete_topics_request_delete_topic_state states[2] = { { .name = { NULL, 0 } }, { .name = { NULL, 0 } } };
    memcpy(states[0].topic_id.bytes, store_topic(rig->store, SLICE("b"))->id, 16);
    states[1].topic_id.bytes[0] = 1;
    answer = ASK(client, delete_topics, 6, .topics = states, .topics_count = 2, .timeout_ms = 1000);
    assert_int_equal(answer->responses[0].error_code, 0);
    assert_true(slice_eq_str(answer->responses[0].name, "b"));
    assert_int_equal(answer->responses[1].error_code, KAFKA_UNKNOWN_TOPIC_ID);
    rig_flush(rig);
    rig_crash(rig, true);
    assert_null(store_topic(rig->store, SLICE("b")));
    assert_int_equal(rig_fetch(client, "b", 0, 0, false).error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
}

static void a_waiting_fetch_hears_that_its_topic_is_gone(void **state)
{
    struct rig *rig = *state;
    struct client *client = &rig->clients[0];
    rig_topic(client, "a", 1);
    rig_flush(rig);
    struct kafka_fetch_request_fetch_partition part = kafka_fetch_request_fetch_partition_default;
    part.partition_max_bytes = 1000;
    struct kafka_fetch_request_fetch_topic row = { .topic = SLICE("a"), .partitions = &part, .partitions_count = 1 };
    SEND(client, fetch, 4, .replica_id = -1, .replica_state = { -1, -1 }, .max_wait_ms = 500, .min_bytes = 1, .max_bytes = 1000, .topics = &row, .topics_count = 1);
    assert_false(client->answered);
    struct slice name = SLICE("a");
    (void)ASK(&rig->clients[1], delete_topics, 1, .topic_names = &name, .topic_names_count = 1, .timeout_ms = 1000);
    rig_wait(rig, 500);
    const struct kafka_fetch_response *answer = rig_answer(client);
    assert_int_equal(answer->responses[0].partitions[0].error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
}

static int16_t grow(struct client *client, const char *topic, int32_t count, bool validate_only)
{
    struct kafka_create_partitions_request_create_partitions_topic row = { .name = slice_str(topic), .count = count, .assignments_count = -1 };
    const struct kafka_create_partitions_response *answer =
        ASK(client, create_partitions, 3, .topics = &row, .topics_count = 1, .timeout_ms = 1000, .validate_only = validate_only);
    return answer->results[0].error_code;
}

static void topics_grow(void **state)
{
    struct rig *rig = *state;
    struct client *client = &rig->clients[0];
    rig_topic(client, "t", 2);
    assert_int_equal(grow(client, "t", 2, false), KAFKA_INVALID_PARTITIONS);
    assert_int_equal(grow(client, "t", 1, false), KAFKA_INVALID_PARTITIONS);
    assert_int_equal(grow(client, "nowhere", 3, false), KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(grow(client, "t", 3, true), 0);
    assert_int_equal(store_topic(rig->store, SLICE("t"))->partition_count, 2);
    assert_int_equal(grow(client, "t", 3, false), 0);
    assert_int_equal(rig_produce(client, "t", 2, &(struct batch_spec){ .value = "v" }).error_code, 0);
}

static struct kafka_delete_records_response_delete_records_partition_result truncate_at(struct client *client, int64_t offset)
{
    struct kafka_delete_records_request_delete_records_partition part = { .offset = offset };
    struct kafka_delete_records_request_delete_records_topic row = { .name = SLICE("t"), .partitions = &part, .partitions_count = 1 };
    const struct kafka_delete_records_response *answer = ASK(client, delete_records, 2, .topics = &row, .topics_count = 1, .timeout_ms = 1000);
    return answer->topics[0].partitions[0];
}

static void records_are_deleted_from_the_front(void **state)
{
    struct rig *rig = *state;
    struct client *client = &rig->clients[0];
    rig_topic(client, "t", 1);
    for (int i = 0; i < 4; i++)
        (void)rig_produce(client, "t", 0, &(struct batch_spec){ .value = "v" });
    rig_flush(rig);
    assert_int_equal(truncate_at(client, 5).error_code, KAFKA_OFFSET_OUT_OF_RANGE);
    assert_int_equal(truncate_at(client, -2).error_code, KAFKA_OFFSET_OUT_OF_RANGE);
    assert_int_equal(truncate_at(client, 2).low_watermark, 2);
    assert_int_equal(rig_fetch(client, "t", 0, 1, false).error_code, KAFKA_OFFSET_OUT_OF_RANGE);
    assert_int_equal(rig_count(rig_fetch(client, "t", 0, 2, false).records, 2, "v"), 2);
    assert_int_equal(truncate_at(client, -1).low_watermark, 4);
    assert_int_equal(rig_fetch(client, "t", 0, 4, false).log_start_offset, 4);
}

/* --- settings --------------------------------------------------------------------------------------------- */

static const struct kafka_describe_configs_response_describe_configs_resource_result *config_of(struct client *client, int8_t type, const char *resource,
                                                                                                const char *name)
{
    struct slice key = slice_str(name);
    struct kafka_describe_configs_request_describe_configs_resource asked = { .resource_type = type, .resource_name = slice_str(resource), .configuration_keys = &key,
                                                                              .configuration_keys_count = 1 };
    const struct kafka_describe_configs_response *answer =
        ASK(client, describe_configs, 4, .resources = &asked, .resources_count = 1, .include_synonyms = true, .include_documentation = true);
    assert_int_equal(answer->results[0].error_code, 0);
    assert_int_equal(answer->results[0].configs_count, 1);
    return &answer->results[0].configs[0];
}

static int16_t alter(struct client *client, const char *topic, const char *name, const char *value, int8_t operation, bool validate_only)
{
    struct kafka_incremental_alter_configs_request_alterable_config config = { .name = slice_str(name), .config_operation = operation,
                                                                               .value = value ? slice_str(value) : slice_of(NULL, 0) };
    struct kafka_incremental_alter_configs_request_alter_configs_resource row = { .resource_type = 2, .resource_name = slice_str(topic), .configs = &config,
                                                                                  .configs_count = 1 };
    const struct kafka_incremental_alter_configs_response *answer =
        ASK(client, incremental_alter_configs, 1, .resources = &row, .resources_count = 1, .validate_only = validate_only);
    return answer->responses[0].error_code;
}

static void settings_are_shown_with_their_source(void **state)
{
    struct rig *rig = *state;
    struct client *client = &rig->clients[0];
    rig_topic(client, "t", 1);
    const struct kafka_describe_configs_response_describe_configs_resource_result *config = config_of(client, 2, "t", "max.message.bytes");
    assert_true(slice_eq_str(config->value, "1048588"));
    assert_int_equal(config->config_source, 5);
    assert_int_equal(config->synonyms_count, 1);
    assert_non_null(config->documentation.data);
    assert_int_equal(alter(client, "t", "max.message.bytes", "2000", 0, true), 0);
    assert_true(slice_eq_str(config_of(client, 2, "t", "max.message.bytes")->value, "1048588"));
    assert_int_equal(alter(client, "t", "max.message.bytes", "2000", 0, false), 0);
    rig_flush(rig);
    rig_crash(rig, true);
    config = config_of(client, 2, "t", "max.message.bytes");
    assert_true(slice_eq_str(config->value, "2000"));
    assert_int_equal(config->config_source, 1);
    assert_int_equal(config->synonyms_count, 2);
    assert_true(slice_eq_str(config->synonyms[1].value, "1048588"));
    assert_int_equal(rig_produce(client, "t", 0, &(struct batch_spec){ .value = "a long one", .count = 200 }).error_code, KAFKA_MESSAGE_TOO_LARGE);
    assert_int_equal(alter(client, "t", "max.message.bytes", NULL, 1, false), 0);
    assert_int_equal(config_of(client, 2, "t", "max.message.bytes")->config_source, 5);
    assert_int_equal(alter(client, "t", "max.message.bytes", "few", 0, false), KAFKA_INVALID_CONFIG);
    assert_int_equal(alter(client, "t", "max.message.bytes", NULL, 0, false), KAFKA_INVALID_REQUEST);
    assert_int_equal(alter(client, "t", "max.message.bytes", "1", 9, false), KAFKA_INVALID_REQUEST);
    assert_int_equal(alter(client, "t", "", NULL, 1, false), KAFKA_INVALID_CONFIG);
    assert_int_equal(alter(client, "u", "max.message.bytes", "1", 0, false), KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    config = config_of(client, 4, "1", "num.partitions");
    assert_true(config->read_only && slice_eq_str(config->value, "4"));
    assert_true(slice_eq_str(config_of(client, 4, "1", "advertised.listeners")->value, "PLAINTEXT://127.0.0.1:9092"));
}

static void older_tools_replace_all_settings(void **state)
{
    struct rig *rig = *state;
    struct client *client = &rig->clients[0];
    rig_topic(client, "t", 1);
    assert_int_equal(alter(client, "t", "retention.ms", "1000000", 0, false), 0);
    struct kafka_alter_configs_request_alterable_config config = { .name = SLICE("cleanup.policy"), .value = SLICE("compact") };
    struct kafka_alter_configs_request_alter_configs_resource row = { .resource_type = 2, .resource_name = SLICE("t"), .configs = &config, .configs_count = 1 };
    const struct kafka_alter_configs_response *answer = ASK(client, alter_configs, 1, .resources = &row, .resources_count = 1);
    assert_int_equal(answer->responses[0].error_code, 0);
    assert_int_equal(config_of(client, 2, "t", "retention.ms")->config_source, 5);
    assert_true(slice_eq_str(config_of(client, 2, "t", "cleanup.policy")->value, "compact"));
    /* Which wants keys from now on, and says which record has none. */
    struct kafka_produce_response_partition_produce_response produced = rig_produce(client, "t", 0, &(struct batch_spec){ .value = "v" });
    assert_int_equal(produced.error_code, KAFKA_INVALID_RECORD);
    assert_int_equal(produced.record_errors_count, 1);
    assert_int_equal(produced.record_errors[0].batch_index, 0);
    row.resource_type = 4;
    answer = ASK(client, alter_configs, 1, .resources = &row, .resources_count = 1);
    assert_int_equal(answer->responses[0].error_code, KAFKA_INVALID_REQUEST);
}

/* --- what tools ask besides ------------------------------------------------------------------------------- */

static void the_cluster_and_its_log_are_described(void **state)
{
    struct rig *rig = *state;
    struct client *client = &rig->clients[0];
    rig_topic(client, "t", 2);
    (void)rig_produce(client, "t", 1, &(struct batch_spec){ .value = "v" });
    rig_flush(rig);
    const struct kafka_describe_cluster_response *cluster = ASK(client, describe_cluster, 1, .endpoint_type = 1);
    assert_int_equal(cluster->brokers_count, 1);
    assert_int_equal(cluster->brokers[0].port, 9092);
    assert_int_equal(cluster->cluster_id.len, 22);
    const struct kafka_describe_log_dirs_response *dirs = ASK(client, describe_log_dirs, 4, .topics_count = -1);
    assert_int_equal(dirs->results_count, 1);
    assert_int_equal(dirs->results[0].topics_count, 1);
    assert_int_equal(dirs->results[0].topics[0].partitions_count, 2);
    assert_int_equal(dirs->results[0].topics[0].partitions[0].partition_size, 0);
    assert_true(dirs->results[0].topics[0].partitions[1].partition_size > 60);
    const struct kafka_list_partition_reassignments_response *none = ASK(client, list_partition_reassignments, 0, .timeout_ms = 60000, .topics_count = -1);
    assert_int_equal(none->topics_count, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        TEST(topics_are_made_with_defaults_resolved),
        TEST(what_cannot_be_made_is_told_why),
        TEST(topics_are_deleted_by_name_and_by_id),
        TEST(a_waiting_fetch_hears_that_its_topic_is_gone),
        TEST(topics_grow),
        TEST(records_are_deleted_from_the_front),
        TEST(settings_are_shown_with_their_source),
        TEST(older_tools_replace_all_settings),
        TEST(the_cluster_and_its_log_are_described),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
