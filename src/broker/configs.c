/*
 * configs: DescribeConfigs, AlterConfigs, IncrementalAlterConfigs, and the settings with which topics are made. What can be set, with its default, range and
 * documentation, is one table (store/settings.h). Settings of topics can be changed; those of the broker are its options, and are shown.
 */
#include <stdio.h>

#include "broker/internal.h"
#include "store/settings.h"

enum { RESOURCE_TOPIC = 2, RESOURCE_BROKER = 4 };
enum { SOURCE_TOPIC = 1, SOURCE_STATIC_BROKER = 4, SOURCE_DEFAULT = 5 };

#define CHANGES_MAX 1000 /* of one resource in one request: names are compared with each other */

/* What tools look at to know which release's features they may use. */
#define SPOKEN_RELEASE "3.9"

static struct slice setting_text(struct broker_call *call, const struct setting *setting, int64_t value)
{
    char text[SETTING_TEXT_MAX];
    setting_print(setting, value, text);
    return call_keep(call, slice_str(text));
}

/* --- DescribeConfigs ------------------------------------------------------------------------------------ */

static bool key_asked(const struct kafka_describe_configs_request_describe_configs_resource *asked, const char *name)
{
    for (int32_t i = 0; i < asked->configuration_keys_count; i++)
        if (slice_eq_str(asked->configuration_keys[i], name))
            return true;
    return asked->configuration_keys_count < 0;
}

/* One row, with where its value comes from; `initial` is told as a synonym beside one that was set. */
static void fill_row(struct broker_call *call, const struct setting *setting, int64_t value, int8_t source,
                     struct kafka_describe_configs_response_describe_configs_resource_result *row)
{
    const struct kafka_describe_configs_request *request = call->request;
    *row = kafka_describe_configs_response_describe_configs_resource_result_default;
    row->name = slice_str(setting->name);
    row->value = setting_text(call, setting, value);
    row->config_source = source;
    row->config_type = (int8_t)setting->kind;
    row->read_only = source == SOURCE_STATIC_BROKER;
    if (request->include_documentation)
        row->documentation = slice_str(setting->documentation);
    if (!request->include_synonyms || !(row->synonyms = call_rows(call, 2, sizeof *row->synonyms)))
        return;
    if (source != SOURCE_DEFAULT)
        row->synonyms[row->synonyms_count++] =
            (struct kafka_describe_configs_response_describe_configs_synonym){ .name = row->name, .value = row->value, .source = source };
    row->synonyms[row->synonyms_count++] = (struct kafka_describe_configs_response_describe_configs_synonym){
        .name = row->name, .value = setting_text(call, setting, setting->initial), .source = SOURCE_DEFAULT
    };
}

static void describe_topic(struct broker_call *call, const struct kafka_describe_configs_request_describe_configs_resource *asked,
                           struct kafka_describe_configs_response_describe_configs_result *answer)
{
    struct topic *topic;
    int16_t code = call_topic(call, BROKER_READ, asked->resource_name, &topic);
    if (code == KAFKA_TOPIC_AUTHORIZATION_FAILED && call_sees(call, asked->resource_name))
        code = (topic = store_topic(call->broker->store, asked->resource_name)) ? KAFKA_NONE : KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    answer->error_code = call_code(call, code);
    if (code != KAFKA_NONE || !(answer->configs = call_rows(call, TOPIC_SETTING_COUNT, sizeof *answer->configs)))
        return;
    for (size_t i = 0; i < TOPIC_SETTING_COUNT; i++) {
        enum topic_setting id = (enum topic_setting)i;
        if (key_asked(asked, topic_setting_table[i].name))
            fill_row(call, &topic_setting_table[i], topic_setting_get(topic, id), topic_setting_is_set(topic, id) ? SOURCE_TOPIC : SOURCE_DEFAULT,
                     &answer->configs[answer->configs_count++]);
    }
}

/* What the broker's options say; other rows are as the table has them. */
static int64_t broker_value(const struct broker *broker, const struct setting *setting)
{
    const struct {
        const char *name;
        int64_t value;
    } options[] = {
        { "auto.create.topics.enable", broker->options.auto_create_topics },
        { "num.partitions", broker->options.partitions_default },
        { "message.max.bytes", broker->options.message_bytes_max },
        { "group.initial.rebalance.delay.ms", broker->options.group_rebalance_delay_ms },
        { "fetch.max.bytes", BROKER_FETCH_BYTES_MAX },
    };
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
        if (strcmp(options[i].name, setting->name) == 0)
            return options[i].value;
    return setting->initial;
}

static void fill_text_row(struct broker_call *call, const struct kafka_describe_configs_request_describe_configs_resource *asked, const char *name,
                          struct slice value, const char *documentation, struct kafka_describe_configs_response_describe_configs_result *answer)
{
    const struct kafka_describe_configs_request *request = call->request;
    struct kafka_describe_configs_response_describe_configs_resource_result *row = &answer->configs[answer->configs_count];
    if (!key_asked(asked, name))
        return;
    *row = kafka_describe_configs_response_describe_configs_resource_result_default;
    row->name = slice_str(name);
    row->value = value;
    row->config_source = SOURCE_STATIC_BROKER;
    row->config_type = SETTING_WORD;
    row->read_only = true;
    if (request->include_documentation)
        row->documentation = slice_str(documentation);
    if (request->include_synonyms && (row->synonyms = call_rows(call, 1, sizeof *row->synonyms)))
        row->synonyms[row->synonyms_count++] =
            (struct kafka_describe_configs_response_describe_configs_synonym){ .name = row->name, .value = value, .source = SOURCE_STATIC_BROKER };
    answer->configs_count++;
}

static void describe_broker(struct broker_call *call, const struct kafka_describe_configs_request_describe_configs_resource *asked,
                            struct kafka_describe_configs_response_describe_configs_result *answer)
{
    /* Without a name it is the settings of all brokers that were changed while they ran: none can be. */
    if (asked->resource_name.len == 0)
        return;
    if (!slice_eq_str(asked->resource_name, "1")) {
        answer->error_code = call_code(call, KAFKA_INVALID_REQUEST);
        answer->error_message = call_text(call, "there is one broker, %d", BROKER_NODE_ID);
        return;
    }
    if (!(answer->configs = call_rows(call, (int64_t)broker_setting_count + 2, sizeof *answer->configs)))
        return;
    for (size_t i = 0; i < broker_setting_count; i++)
        if (key_asked(asked, broker_setting_table[i].name))
            fill_row(call, &broker_setting_table[i], broker_value(call->broker, &broker_setting_table[i]), SOURCE_STATIC_BROKER,
                     &answer->configs[answer->configs_count++]);
    fill_text_row(call, asked, "advertised.listeners", call_text(call, "PLAINTEXT://%s:%u", call->local_host ? call->local_host : "", call->local_port),
                  "The address by which this client has reached the broker.", answer);
    fill_text_row(call, asked, "inter.broker.protocol.version", SLICE(SPOKEN_RELEASE), "The release of Kafka whose features tools may expect.", answer);
}

void describe_configs_handle(struct broker *broker, struct broker_call *call)
{
    const struct kafka_describe_configs_request *request = call->request;
    struct kafka_describe_configs_response *response = call->response;
    (void)broker;
    if (!call_rows_into(call, &response->results, &response->results_count, request->resources_count, sizeof *response->results))
        return;
    for (int32_t i = 0; i < request->resources_count && !call->fatal; i++) {
        const struct kafka_describe_configs_request_describe_configs_resource *asked = &request->resources[i];
        struct kafka_describe_configs_response_describe_configs_result *answer = &response->results[i];
        *answer = kafka_describe_configs_response_describe_configs_result_default;
        answer->resource_type = asked->resource_type;
        answer->resource_name = asked->resource_name;
        if (asked->resource_type == RESOURCE_TOPIC) {
            describe_topic(call, asked, answer);
        } else if (asked->resource_type == RESOURCE_BROKER) {
            describe_broker(call, asked, answer);
        } else {
            answer->error_code = call_code(call, KAFKA_INVALID_REQUEST);
            answer->error_message = SLICE("topics and brokers have settings");
        }
    }
}

/* --- AlterConfigs, IncrementalAlterConfigs -------------------------------------------------------------- */

/* Changes one topic. `changes` are all that the request says of it. */
static int16_t alter_topic(struct broker_call *call, int8_t type, struct slice name, const struct setting_change *changes, size_t count, bool validate_only,
                           struct slice *ret_words)
{
    struct edda_error error = { .code = 0 };
    struct topic *topic;
    if (type == RESOURCE_BROKER && !call_may(call, BROKER_MANAGE, slice_of(NULL, 0)))
        return call_code(call, KAFKA_CLUSTER_AUTHORIZATION_FAILED);
    if (type != RESOURCE_TOPIC) {
        *ret_words = SLICE("settings of topics can be changed; those of the broker are its options");
        return call_code(call, KAFKA_INVALID_REQUEST);
    }
    int16_t code = call_topic(call, BROKER_MANAGE, name, &topic);
    if (code != KAFKA_NONE)
        return call_code(call, code);
    int rc = store_topic_settings_alter(call->broker->store, topic, changes, count, validate_only, &error);
    if (rc < 0)
        *ret_words = call_words(call, &error);
    return rc == EDDA_EINVAL ? call_code(call, KAFKA_INVALID_CONFIG) : call_failed(call, rc);
}

static int16_t value_missing(struct broker_call *call, struct slice name, struct slice *ret_words)
{
    *ret_words = call_text(call, "%.*s has no value", (int)(name.len < 200 ? name.len : 200), (const char *)name.data);
    return call_code(call, KAFKA_INVALID_REQUEST);
}

void alter_configs_handle(struct broker *broker, struct broker_call *call)
{
    const struct kafka_alter_configs_request *request = call->request;
    struct kafka_alter_configs_response *response = call->response;
    (void)broker;
    if (!call_rows_into(call, &response->responses, &response->responses_count, request->resources_count, sizeof *response->responses))
        return;
    for (int32_t i = 0; i < request->resources_count; i++) {
        const struct kafka_alter_configs_request_alter_configs_resource *asked = &request->resources[i];
        struct kafka_alter_configs_response_alter_configs_resource_response *answer = &response->responses[i];
        *answer = kafka_alter_configs_response_alter_configs_resource_response_default;
        answer->resource_type = asked->resource_type;
        answer->resource_name = asked->resource_name;
        /* What is not named goes back to its default. */
        struct setting_change *changes = call_rows(call, (int64_t)asked->configs_count + 1, sizeof *changes);
        if (!changes)
            return;
        changes[0].kind = SETTING_RESET;
        for (int32_t k = 0; k < asked->configs_count; k++) {
            changes[k + 1] = (struct setting_change){ .name = asked->configs[k].name, .value = asked->configs[k].value, .kind = SETTING_SET };
            if (!asked->configs[k].value.data)
                answer->error_code = value_missing(call, asked->configs[k].name, &answer->error_message);
        }
        if (answer->error_code == KAFKA_NONE)
            answer->error_code = alter_topic(call, asked->resource_type, asked->resource_name, changes, (size_t)asked->configs_count + 1,
                                             request->validate_only, &answer->error_message);
    }
}

static int16_t incremental_changes(struct broker_call *call, const struct kafka_incremental_alter_configs_request_alter_configs_resource *asked,
                                   struct setting_change *changes, struct slice *ret_words)
{
    if (asked->configs_count > CHANGES_MAX) {
        *ret_words = call_text(call, "a topic has %d settings, and %d are to be changed", TOPIC_SETTING_COUNT, asked->configs_count);
        return call_code(call, KAFKA_INVALID_REQUEST);
    }
    for (int32_t k = 0; k < asked->configs_count; k++) {
        int8_t operation = asked->configs[k].config_operation;
        if (operation < SETTING_SET || operation > SETTING_SUBTRACT) {
            *ret_words = call_text(call, "operation %d is none of set, delete, append and subtract: 0 to 3", operation);
            return call_code(call, KAFKA_INVALID_REQUEST);
        }
        if (operation != SETTING_RESET && !asked->configs[k].value.data)
            return value_missing(call, asked->configs[k].name, ret_words);
        for (int32_t before = 0; before < k; before++)
            if (slice_eq(asked->configs[before].name, asked->configs[k].name)) {
                *ret_words = SLICE("the request names a setting twice");
                return call_code(call, KAFKA_INVALID_REQUEST);
            }
        changes[k] = (struct setting_change){ .name = asked->configs[k].name, .value = asked->configs[k].value, .kind = (enum setting_change_kind)operation };
        /* Without a name everything would be reset. */
        if (changes[k].name.len == 0) {
            *ret_words = SLICE("a setting has no name");
            return call_code(call, KAFKA_INVALID_CONFIG);
        }
    }
    return KAFKA_NONE;
}

void incremental_alter_configs_handle(struct broker *broker, struct broker_call *call)
{
    const struct kafka_incremental_alter_configs_request *request = call->request;
    struct kafka_incremental_alter_configs_response *response = call->response;
    (void)broker;
    if (!call_rows_into(call, &response->responses, &response->responses_count, request->resources_count, sizeof *response->responses))
        return;
    for (int32_t i = 0; i < request->resources_count; i++) {
        const struct kafka_incremental_alter_configs_request_alter_configs_resource *asked = &request->resources[i];
        struct kafka_incremental_alter_configs_response_alter_configs_resource_response *answer = &response->responses[i];
        *answer = kafka_incremental_alter_configs_response_alter_configs_resource_response_default;
        answer->resource_type = asked->resource_type;
        answer->resource_name = asked->resource_name;
        struct setting_change *changes = call_rows(call, asked->configs_count, sizeof *changes);
        if (!changes)
            return;
        answer->error_code = incremental_changes(call, asked, changes, &answer->error_message);
        if (answer->error_code == KAFKA_NONE)
            answer->error_code = alter_topic(call, asked->resource_type, asked->resource_name, changes, (size_t)asked->configs_count,
                                             request->validate_only, &answer->error_message);
    }
}

/* --- CreateTopics --------------------------------------------------------------------------------------- */

static int16_t create_with(struct broker_call *call, const struct kafka_create_topics_request_creatable_topic *asked, struct topic *topic,
                           bool validate_only, struct slice *ret_words)
{
    struct edda_error error = { .code = 0 };
    struct setting_change *changes = call_rows(call, asked->configs_count, sizeof *changes);
    if (!changes)
        return KAFKA_NONE;
    for (int32_t i = 0; i < asked->configs_count; i++) {
        changes[i] = (struct setting_change){ .name = asked->configs[i].name, .value = asked->configs[i].value, .kind = SETTING_SET };
        if (!asked->configs[i].value.data) {
            (void)value_missing(call, asked->configs[i].name, ret_words);
            return call_code(call, KAFKA_INVALID_CONFIG);
        }
    }
    int rc = asked->configs_count == 0 ? 0 : store_topic_settings_alter(call->broker->store, topic, changes, (size_t)asked->configs_count, validate_only, &error);
    if (rc < 0)
        *ret_words = call_words(call, &error);
    return rc == EDDA_EINVAL ? call_code(call, KAFKA_INVALID_CONFIG) : call_failed(call, rc);
}

int16_t configs_check(struct broker_call *call, const struct kafka_create_topics_request_creatable_topic *asked, struct slice *ret_words)
{
    return create_with(call, asked, NULL, true, ret_words);
}

/* The value that is asked for, as its setting writes it, or the default. */
static struct slice value_asked(struct broker_call *call, const struct kafka_create_topics_request_creatable_topic *asked, const struct setting *setting,
                                int8_t *ret_source)
{
    int64_t value = setting->initial;
    *ret_source = SOURCE_DEFAULT;
    for (int32_t i = 0; i < asked->configs_count; i++)
        if (slice_eq_str(asked->configs[i].name, setting->name) && setting_parse(setting, asked->configs[i].value, &value, NULL) == 0)
            *ret_source = SOURCE_TOPIC;
    return setting_text(call, setting, value);
}

int16_t configs_create(struct broker_call *call, const struct kafka_create_topics_request_creatable_topic *asked, struct topic *topic,
                       struct kafka_create_topics_response_creatable_topic_result *answer)
{
    int16_t code = topic ? create_with(call, asked, topic, false, &answer->error_message) : KAFKA_NONE;
    if (code != KAFKA_NONE || !(answer->configs = call_rows(call, TOPIC_SETTING_COUNT, sizeof *answer->configs)))
        return code;
    answer->configs_count = TOPIC_SETTING_COUNT;
    for (size_t i = 0; i < TOPIC_SETTING_COUNT; i++) {
        answer->configs[i].name = slice_str(topic_setting_table[i].name);
        answer->configs[i].value = value_asked(call, asked, &topic_setting_table[i], &answer->configs[i].config_source);
    }
    return KAFKA_NONE;
}
