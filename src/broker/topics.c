/*
 * topics: CreateTopics, DeleteTopics, CreatePartitions, DeleteRecords. There is one replica of everything: whoever asks for more gets one, and is told so.
 */
#include "broker/internal.h"

/* --- CreateTopics --------------------------------------------------------------------------------------- */

/* Explicit assignments say how many partitions there are to be; all of them are here. */
static int16_t assignments_check(struct broker_call *call, const struct kafka_create_topics_request_creatable_topic *asked, struct slice *ret_words)
{
    if (asked->num_partitions != -1 || asked->replication_factor != -1) {
        *ret_words = SLICE("with assignments the numbers of partitions and replicas are both -1");
        return call_code(call, KAFKA_INVALID_REQUEST);
    }
    bool *found = call_rows(call, asked->assignments_count, sizeof *found);
    if (!found)
        return KAFKA_INVALID_REQUEST; /* which nobody is told: the connection ends */
    for (int32_t i = 0; i < asked->assignments_count; i++) {
        int32_t partition = asked->assignments[i].partition_index;
        if (partition >= 0 && partition < asked->assignments_count && asked->assignments[i].broker_ids_count > 0)
            found[partition] = true;
    }
    for (int32_t i = 0; i < asked->assignments_count; i++) {
        if (!found[i]) {
            *ret_words = call_text(call, "partition %d is assigned to nobody", i);
            return call_code(call, KAFKA_INVALID_REPLICA_ASSIGNMENT);
        }
    }
    return KAFKA_NONE;
}

/* What is asked for, without the topic's name: NONE and the number of partitions. */
static int16_t shape_check(struct broker_call *call, const struct kafka_create_topics_request_creatable_topic *asked, uint32_t *ret_partitions,
                           struct slice *ret_words)
{
    if (asked->assignments_count > STORE_PARTITIONS_MAX || asked->num_partitions > STORE_PARTITIONS_MAX) {
        *ret_words = call_text(call, "a topic has at most %d partitions", STORE_PARTITIONS_MAX);
        return call_code(call, KAFKA_INVALID_PARTITIONS);
    }
    *ret_partitions = call->broker->options.partitions_default;
    if (asked->assignments_count > 0) {
        *ret_partitions = (uint32_t)asked->assignments_count;
        return assignments_check(call, asked, ret_words);
    }
    if (asked->num_partitions < 1 && asked->num_partitions != -1) {
        *ret_words = SLICE("the number of partitions is at least 1, or -1 for the default");
        return call_code(call, KAFKA_INVALID_PARTITIONS);
    }
    if (asked->replication_factor < 1 && asked->replication_factor != -1) {
        *ret_words = SLICE("the replication factor is at least 1, or -1 for the default");
        return call_code(call, KAFKA_INVALID_REPLICATION_FACTOR);
    }
    if (asked->num_partitions > 0)
        *ret_partitions = (uint32_t)asked->num_partitions;
    return KAFKA_NONE;
}

static int16_t name_check(struct broker_call *call, const struct kafka_create_topics_request *request, int32_t at, struct slice *ret_words)
{
    struct slice name = request->topics[at].name;
    if (!call_may(call, BROKER_MANAGE, name))
        return call_code(call, KAFKA_TOPIC_AUTHORIZATION_FAILED);
    if (request->topics_count > STORE_TOPICS_MAX) {
        *ret_words = call_text(call, "there are at most %d topics", STORE_TOPICS_MAX);
        return call_code(call, KAFKA_INVALID_REQUEST);
    }
    for (int32_t i = 0; i < request->topics_count; i++)
        if (i != at && slice_eq(request->topics[i].name, name)) {
            *ret_words = SLICE("the request names the topic twice");
            return call_code(call, KAFKA_INVALID_REQUEST);
        }
    if (topic_reserved(name)) {
        *ret_words = SLICE("names that begin with __ or _edda. are internal");
        return call_code(call, KAFKA_INVALID_TOPIC_EXCEPTION);
    }
    if (store_topic(call->broker->store, name)) {
        *ret_words = call_text(call, "topic '%s' already exists", store_topic(call->broker->store, name)->name);
        return call_code(call, KAFKA_TOPIC_ALREADY_EXISTS);
    }
    return KAFKA_NONE;
}

static int16_t topic_make(struct broker_call *call, const struct kafka_create_topics_request_creatable_topic *asked, uint32_t partitions,
                          struct kafka_create_topics_response_creatable_topic_result *answer)
{
    const struct kafka_create_topics_request *request = call->request;
    struct edda_error error = { .code = 0 };
    struct topic *topic = NULL;
    int rc = request->validate_only ? store_topic_name_check(asked->name, &error)
                                    : store_topic_ensure(call->broker->store, asked->name, partitions, &topic, &error);
    if (rc < 0) {
        answer->error_message = call_words(call, &error);
        return rc == EDDA_EINVAL ? call_code(call, KAFKA_INVALID_TOPIC_EXCEPTION) : call_failed(call, rc);
    }
    if (topic)
        answer->topic_id = topic_uuid(topic);
    answer->num_partitions = (int32_t)partitions;
    answer->replication_factor = 1;
    return configs_create(call, asked, topic, answer);
}

void create_topics_handle(struct broker *broker, struct broker_call *call)
{
    const struct kafka_create_topics_request *request = call->request;
    struct kafka_create_topics_response *response = call->response;
    (void)broker;
    if (!call_rows_into(call, &response->topics, &response->topics_count, request->topics_count, sizeof *response->topics))
        return;
    for (int32_t i = 0; i < request->topics_count; i++) {
        const struct kafka_create_topics_request_creatable_topic *asked = &request->topics[i];
        struct kafka_create_topics_response_creatable_topic_result *answer = &response->topics[i];
        uint32_t partitions = 0;
        *answer = kafka_create_topics_response_creatable_topic_result_default;
        answer->name = asked->name;
        answer->error_code = name_check(call, request, i, &answer->error_message);
        if (answer->error_code == KAFKA_NONE)
            answer->error_code = shape_check(call, asked, &partitions, &answer->error_message);
        if (answer->error_code == KAFKA_NONE)
            answer->error_code = configs_check(call, asked, &answer->error_message);
        if (answer->error_code == KAFKA_NONE)
            answer->error_code = topic_make(call, asked, partitions, answer);
        if (call->fatal)
            return;
    }
}

/* --- DeleteTopics --------------------------------------------------------------------------------------- */

static void topic_delete(struct broker_call *call, struct topic *topic, struct kafka_delete_topics_response_deletable_topic_result *answer)
{
    struct edda_error error = { .code = 0 };
    answer->topic_id = topic_uuid(topic);
    int rc = store_topic_delete(call->broker->store, topic, &error);
    answer->error_code = call_failed(call, rc);
    if (rc < 0)
        answer->error_message = call_words(call, &error);
}

void delete_topics_handle(struct broker *broker, struct broker_call *call)
{
    const struct kafka_delete_topics_request *request = call->request;
    struct kafka_delete_topics_response *response = call->response;
    bool states = call_has_many(call);
    int32_t count = states ? request->topics_count : request->topic_names_count;
    if (!call_rows_into(call, &response->responses, &response->responses_count, count, sizeof *response->responses))
        return;
    for (int32_t i = 0; i < count; i++) {
        struct kafka_delete_topics_response_deletable_topic_result *answer = &response->responses[i];
        struct topic *topic = NULL;
        *answer = kafka_delete_topics_response_deletable_topic_result_default;
        answer->name = states ? request->topics[i].name : request->topic_names[i];
        if (!answer->name.data) {
            answer->topic_id = request->topics[i].topic_id;
            topic = broker_topic_by_id(broker, &answer->topic_id);
            if (!topic || !call_sees(call, slice_str(topic->name))) {
                answer->error_code = call_code(call, KAFKA_UNKNOWN_TOPIC_ID);
                continue;
            }
            answer->name = slice_str(topic->name);
        }
        answer->error_code = call_code(call, call_topic(call, BROKER_MANAGE, answer->name, &topic));
        if (answer->error_code == KAFKA_NONE)
            topic_delete(call, topic, answer);
    }
}

/* --- CreatePartitions ----------------------------------------------------------------------------------- */

static int16_t partitions_add(struct broker_call *call, const struct kafka_create_partitions_request_create_partitions_topic *asked, struct slice *ret_words)
{
    const struct kafka_create_partitions_request *request = call->request;
    struct edda_error error = { .code = 0 };
    struct topic *topic;
    int16_t code = call_topic(call, BROKER_MANAGE, asked->name, &topic);
    if (code != KAFKA_NONE)
        return call_code(call, code);
    if (asked->count <= (int32_t)topic->partition_count || asked->count > STORE_PARTITIONS_MAX) {
        *ret_words = call_text(call, "the topic has %u partitions, and can have more, at most %d", topic->partition_count, STORE_PARTITIONS_MAX);
        return call_code(call, KAFKA_INVALID_PARTITIONS);
    }
    if (asked->assignments_count >= 0 && asked->assignments_count != asked->count - (int32_t)topic->partition_count) {
        *ret_words = SLICE("there is to be an assignment for each new partition, or none");
        return call_code(call, KAFKA_INVALID_REPLICA_ASSIGNMENT);
    }
    if (request->validate_only)
        return KAFKA_NONE;
    int rc = store_topic_grow(call->broker->store, topic, (uint32_t)asked->count, &error);
    if (rc < 0)
        *ret_words = call_words(call, &error);
    return call_failed(call, rc);
}

void create_partitions_handle(struct broker *broker, struct broker_call *call)
{
    const struct kafka_create_partitions_request *request = call->request;
    struct kafka_create_partitions_response *response = call->response;
    (void)broker;
    if (!call_rows_into(call, &response->results, &response->results_count, request->topics_count, sizeof *response->results))
        return;
    for (int32_t i = 0; i < request->topics_count; i++) {
        response->results[i] = kafka_create_partitions_response_create_partitions_topic_result_default;
        response->results[i].name = request->topics[i].name;
        response->results[i].error_code = partitions_add(call, &request->topics[i], &response->results[i].error_message);
    }
}

/* --- DeleteRecords -------------------------------------------------------------------------------------- */

static void records_delete(struct broker_call *call, struct slice name, const struct kafka_delete_records_request_delete_records_partition *asked,
                           struct kafka_delete_records_response_delete_records_partition_result *answer)
{
    struct store *store = call->broker->store;
    struct edda_error error;
    struct store_bounds bounds;
    struct topic *topic;
    answer->partition_index = asked->partition_index;
    answer->low_watermark = -1;
    answer->error_code = call_partition(call, BROKER_MANAGE, name, asked->partition_index, &topic);
    if (answer->error_code != KAFKA_NONE)
        return;
    int rc = asked->offset < -1 ? EDDA_EOFFSET : store_partition_truncate(store, topic, (uint32_t)asked->partition_index, asked->offset, &error);
    answer->error_code = call_failed(call, rc);
    if (rc < 0)
        return;
    store_partition_bounds(store, topic, (uint32_t)asked->partition_index, &bounds);
    answer->low_watermark = bounds.start;
}

void delete_records_handle(struct broker *broker, struct broker_call *call)
{
    const struct kafka_delete_records_request *request = call->request;
    struct kafka_delete_records_response *response = call->response;
    (void)broker;
    if (!call_rows_into(call, &response->topics, &response->topics_count, request->topics_count, sizeof *response->topics))
        return;
    for (int32_t t = 0; t < request->topics_count; t++) {
        int32_t count = request->topics[t].partitions_count;
        response->topics[t].name = request->topics[t].name;
        if (!call_rows_into(call, &response->topics[t].partitions, &response->topics[t].partitions_count, count, sizeof *response->topics[t].partitions))
            return;
        for (int32_t p = 0; p < count; p++)
            records_delete(call, request->topics[t].name, &request->topics[t].partitions[p], &response->topics[t].partitions[p]);
    }
}
