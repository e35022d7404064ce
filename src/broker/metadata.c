/*
 * metadata: Metadata, DescribeCluster, DescribeTopicPartitions: who is there, and which topics. There is one broker, at the address by which the client
 * has reached it, and it leads everything.
 *
 * Metadata is also how clients make topics: one that is asked for by name and missing is made, if the client allows it and may.
 */
#include <stdlib.h>

#include "broker/internal.h"

/* The one replica of everything. Responses have arrays of their own type, which nobody changes. */
static int32_t this_node[] = { BROKER_NODE_ID };

/* --- Metadata ------------------------------------------------------------------------------------------- */

static bool fill_partitions(struct broker_call *call, const struct topic *topic, struct kafka_metadata_response_metadata_response_topic *answer)
{
    answer->partitions = call_rows(call, topic->partition_count, sizeof *answer->partitions);
    if (!answer->partitions)
        return false;
    answer->partitions_count = (int32_t)topic->partition_count;
    for (uint32_t i = 0; i < topic->partition_count; i++) {
        answer->partitions[i] = kafka_metadata_response_metadata_response_partition_default;
        answer->partitions[i].partition_index = (int32_t)i;
        answer->partitions[i].leader_id = BROKER_NODE_ID;
        answer->partitions[i].leader_epoch = BROKER_LEADER_EPOCH;
        answer->partitions[i].replica_nodes = answer->partitions[i].isr_nodes = this_node;
        answer->partitions[i].replica_nodes_count = answer->partitions[i].isr_nodes_count = 1;
    }
    return true;
}

static bool fill_topic(struct broker_call *call, const struct topic *topic, struct kafka_metadata_response_metadata_response_topic *answer)
{
    const struct kafka_metadata_request *request = call->request;
    answer->name = slice_str(topic->name);
    answer->topic_id = topic_uuid(topic);
    answer->is_internal = topic_reserved(answer->name);
    if (request->include_topic_authorized_operations)
        answer->topic_authorized_operations = call_topic_operations(call, answer->name);
    return fill_partitions(call, topic, answer);
}

/* The topic of this name, made if it is missing and that is wanted. */
static int16_t topic_found_or_made(struct broker_call *call, struct slice name, struct topic **ret_topic)
{
    const struct kafka_metadata_request *request = call->request;
    struct broker *broker = call->broker;
    struct edda_error error = { .code = 0 };
    if (!call_sees(call, name))
        return KAFKA_TOPIC_AUTHORIZATION_FAILED;
    struct topic *topic = topic_hidden(name) ? NULL : store_topic(broker->store, name);
    if (topic) {
        *ret_topic = topic;
        return KAFKA_NONE;
    }
    bool make = request->allow_auto_topic_creation && broker->options.auto_create_topics && !topic_reserved(name);
    if (!make)
        return KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    if (!call_may(call, BROKER_WRITE, name) && !call_may(call, BROKER_MANAGE, name))
        return KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    int rc = store_topic_ensure(broker->store, name, broker->options.partitions_default, ret_topic, &error);
    if (rc == EDDA_EINVAL)
        return KAFKA_INVALID_TOPIC_EXCEPTION;
    if (rc == EDDA_EBUSY)
        return KAFKA_LEADER_NOT_AVAILABLE; /* clients ask again at once */
    return (int16_t)edda_code_info(rc < 0 ? rc : 0)->kafka_code;
}

static bool fill_asked(struct broker_call *call, const struct kafka_metadata_request_metadata_request_topic *asked,
                       struct kafka_metadata_response_metadata_response_topic *answer)
{
    struct topic *topic = NULL;
    *answer = kafka_metadata_response_metadata_response_topic_default;
    answer->name = asked->name;
    answer->topic_id = asked->topic_id;
    if (asked->name.data) {
        answer->error_code = call_code(call, topic_found_or_made(call, asked->name, &topic));
    } else {
        topic = broker_topic_by_id(call->broker, &asked->topic_id);
        if (!topic || !call_sees(call, slice_str(topic->name)))
            answer->error_code = call_code(call, KAFKA_UNKNOWN_TOPIC_ID);
    }
    return answer->error_code != KAFKA_NONE || fill_topic(call, topic, answer);
}

static bool topic_listed(const struct broker_call *call, const struct topic *topic)
{
    struct slice name = slice_str(topic->name);
    return !topic->deleted && !topic_hidden(name) && call_sees(call, name);
}

static void fill_all(struct broker_call *call)
{
    struct kafka_metadata_response *response = call->response;
    struct store *store = call->broker->store;
    int64_t count = 0;
    for (struct topic *topic = NULL; (topic = store_topic_each(store, topic));)
        count += topic_listed(call, topic);
    if (!(response->topics = call_rows(call, count, sizeof *response->topics)))
        return;
    for (struct topic *topic = NULL; (topic = store_topic_each(store, topic));) {
        struct kafka_metadata_response_metadata_response_topic *answer = &response->topics[response->topics_count];
        if (!topic_listed(call, topic))
            continue;
        *answer = kafka_metadata_response_metadata_response_topic_default;
        if (!fill_topic(call, topic, answer))
            return;
        response->topics_count++;
    }
}

void metadata_handle(struct broker *broker, struct broker_call *call)
{
    const struct kafka_metadata_request *request = call->request;
    struct kafka_metadata_response *response = call->response;
    if (!call_rows_into(call, &response->brokers, &response->brokers_count, 1, sizeof *response->brokers))
        return;
    response->brokers[0] = kafka_metadata_response_metadata_response_broker_default;
    response->brokers[0].node_id = BROKER_NODE_ID;
    response->brokers[0].host = slice_str(call->local_host);
    response->brokers[0].port = call->local_port;
    response->cluster_id = slice_str(broker->cluster_id);
    response->controller_id = BROKER_NODE_ID;
    if (request->include_cluster_authorized_operations)
        response->cluster_authorized_operations = call_cluster_operations(call);
    /* In the oldest version, which has no null, an empty list asks for all. */
    if (request->topics_count < 0 || (request->topics_count == 0 && call->head.api_version == 0)) {
        fill_all(call);
        return;
    }
    if (!call_rows_into(call, &response->topics, &response->topics_count, request->topics_count, sizeof *response->topics))
        return;
    for (int32_t i = 0; i < request->topics_count; i++)
        if (!fill_asked(call, &request->topics[i], &response->topics[i]))
            return;
}

/* --- DescribeCluster ------------------------------------------------------------------------------------ */

void describe_cluster_handle(struct broker *broker, struct broker_call *call)
{
    const struct kafka_describe_cluster_request *request = call->request;
    struct kafka_describe_cluster_response *response = call->response;
    response->cluster_id = slice_str(broker->cluster_id);
    response->endpoint_type = request->endpoint_type;
    /* KIP-919: the other type is controllers, of which there are none to be talked to. */
    if (request->endpoint_type != 1) {
        response->error_code = call_code(call, KAFKA_INVALID_REQUEST);
        response->error_message = SLICE("this is a broker: the endpoint type is 1");
        return;
    }
    if (!call_rows_into(call, &response->brokers, &response->brokers_count, 1, sizeof *response->brokers))
        return;
    response->brokers[0] = kafka_describe_cluster_response_describe_cluster_broker_default;
    response->brokers[0].broker_id = BROKER_NODE_ID;
    response->brokers[0].host = slice_str(call->local_host);
    response->brokers[0].port = call->local_port;
    response->controller_id = BROKER_NODE_ID;
    if (request->include_cluster_authorized_operations)
        response->cluster_authorized_operations = call_cluster_operations(call);
}

/* --- DescribeTopicPartitions ---------------------------------------------------------------------------- */

struct wanted {
    struct slice name;
    const struct topic *topic; /* NULL: there is none, or it is not to be seen */
};

static int wanted_compare(const void *a, const void *b)
{
    const struct wanted *x = a, *y = b;
    return slice_compare(x->name, y->name);
}

/* The topics asked for, or all, in the order of their names and each once. */
static struct wanted *wanted_list(struct broker_call *call, int64_t *ret_count)
{
    const struct kafka_describe_topic_partitions_request *request = call->request;
    struct store *store = call->broker->store;
    int64_t count = request->topics_count, n = 0;
    for (struct topic *topic = NULL; request->topics_count == 0 && (topic = store_topic_each(store, topic));)
        count += topic_listed(call, topic);
    struct wanted *wanted = call_rows(call, count, sizeof *wanted);
    if (!wanted)
        return NULL;
    for (struct topic *topic = NULL; request->topics_count == 0 && (topic = store_topic_each(store, topic));)
        if (topic_listed(call, topic))
            wanted[n++] = (struct wanted){ slice_str(topic->name), topic };
    for (int32_t i = 0; i < request->topics_count; i++) {
        const struct topic *topic = store_topic(store, request->topics[i].name);
        wanted[n++] = (struct wanted){ request->topics[i].name, topic && topic_listed(call, topic) ? topic : NULL };
    }
    if (n > 0)
        qsort(wanted, (size_t)n, sizeof *wanted, wanted_compare);
    *ret_count = 0;
    for (int64_t i = 0; i < n; i++)
        if (i == 0 || !slice_eq(wanted[i].name, wanted[i - 1].name))
            wanted[(*ret_count)++] = wanted[i];
    return wanted;
}

/* The partitions from `from` on, at most `max`; returns how many, -1 without memory. */
static int32_t describe_partitions(struct broker_call *call, const struct topic *topic, int32_t from, int32_t max,
                                   struct kafka_describe_topic_partitions_response_describe_topic_partitions_response_topic *answer)
{
    int32_t count = (int32_t)topic->partition_count > from ? (int32_t)topic->partition_count - from : 0;
    count = count < max ? count : max;
    if (!(answer->partitions = call_rows(call, count, sizeof *answer->partitions)))
        return -1;
    answer->partitions_count = count;
    for (int32_t i = 0; i < count; i++) {
        answer->partitions[i] = kafka_describe_topic_partitions_response_describe_topic_partitions_response_partition_default;
        answer->partitions[i].partition_index = from + i;
        answer->partitions[i].leader_id = BROKER_NODE_ID;
        answer->partitions[i].leader_epoch = BROKER_LEADER_EPOCH;
        answer->partitions[i].replica_nodes = answer->partitions[i].isr_nodes = this_node;
        answer->partitions[i].replica_nodes_count = answer->partitions[i].isr_nodes_count = 1;
        /* None, but not null: the Java client reads them as lists. */
        answer->partitions[i].eligible_leader_replicas_count = answer->partitions[i].last_known_elr_count = 0;
    }
    return count;
}

static int16_t unseen_code(const struct broker_call *call, struct slice name)
{
    return call_sees(call, name) ? KAFKA_UNKNOWN_TOPIC_OR_PARTITION : KAFKA_TOPIC_AUTHORIZATION_FAILED;
}

void describe_topic_partitions_handle(struct broker *broker, struct broker_call *call)
{
    const struct kafka_describe_topic_partitions_request *request = call->request;
    struct kafka_describe_topic_partitions_response *response = call->response;
    const struct kafka_cursor *cursor = request->cursor;
    int64_t count;
    int32_t left = request->response_partition_limit > 2000 || request->response_partition_limit < 1 ? 2000 : request->response_partition_limit;
    struct wanted *wanted = wanted_list(call, &count);
    (void)broker;
    if (!wanted || !(response->topics = call_rows(call, count, sizeof *response->topics)))
        return;
    for (int64_t i = 0; i < count; i++) {
        int order = cursor ? slice_compare(wanted[i].name, cursor->topic_name) : 1;
        int32_t from = order == 0 && cursor->partition_index > 0 ? cursor->partition_index : 0;
        if (order < 0)
            continue;
        if (left == 0) {
            if ((response->next_cursor = call_rows(call, 1, sizeof *response->next_cursor)))
                *response->next_cursor = (struct kafka_cursor){ .topic_name = wanted[i].name };
            return;
        }
        struct kafka_describe_topic_partitions_response_describe_topic_partitions_response_topic *answer = &response->topics[response->topics_count];
        *answer = kafka_describe_topic_partitions_response_describe_topic_partitions_response_topic_default;
        answer->name = wanted[i].name;
        if (!wanted[i].topic) {
            answer->error_code = call_code(call, unseen_code(call, wanted[i].name));
            response->topics_count++;
            continue;
        }
        answer->topic_id = topic_uuid(wanted[i].topic);
        answer->is_internal = topic_reserved(wanted[i].name);
        answer->topic_authorized_operations = call_topic_operations(call, wanted[i].name);
        int32_t given = describe_partitions(call, wanted[i].topic, from, left, answer);
        if (given < 0)
            return;
        response->topics_count++;
        left -= given;
        if (from + given < (int32_t)wanted[i].topic->partition_count) {
            if ((response->next_cursor = call_rows(call, 1, sizeof *response->next_cursor)))
                *response->next_cursor = (struct kafka_cursor){ .topic_name = wanted[i].name, .partition_index = from + given };
            return;
        }
    }
}
