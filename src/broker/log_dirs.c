/* log_dirs: what tools ask about where things lie: DescribeLogDirs, of the one log, and ListPartitionReassignments, of which there are none. */
#include "broker/internal.h"

#define LOG_DIR "log" /* within the data directory, whose place is nobody's business outside */

static bool partition_asked(const struct kafka_describe_log_dirs_request *request, struct slice topic, int32_t partition)
{
    for (int32_t t = 0; t < request->topics_count; t++)
        for (int32_t p = 0; p < request->topics[t].partitions_count; p++)
            if (request->topics[t].partitions[p] == partition && slice_eq(request->topics[t].topic, topic))
                return true;
    return request->topics_count < 0;
}

static bool topic_asked(const struct broker_call *call, const struct topic *topic)
{
    const struct kafka_describe_log_dirs_request *request = call->request;
    struct slice name = slice_str(topic->name);
    bool asked = request->topics_count < 0;
    for (int32_t t = 0; t < request->topics_count; t++)
        asked |= slice_eq(request->topics[t].topic, name);
    return asked && !topic->deleted && !topic_hidden(name) && call_sees(call, name);
}

static bool fill_dir_topic(struct broker_call *call, const struct topic *topic, struct kafka_describe_log_dirs_response_describe_log_dirs_topic *answer)
{
    answer->name = slice_str(topic->name);
    if (!(answer->partitions = call_rows(call, topic->partition_count, sizeof *answer->partitions)))
        return false;
    for (uint32_t p = 0; p < topic->partition_count; p++) {
        if (!partition_asked(call->request, answer->name, (int32_t)p))
            continue;
        answer->partitions[answer->partitions_count].partition_index = (int32_t)p;
        answer->partitions[answer->partitions_count++].partition_size = (int64_t)store_partition_bytes(call->broker->store, topic, p);
    }
    return true;
}

void describe_log_dirs_handle(struct broker *broker, struct broker_call *call)
{
    struct kafka_describe_log_dirs_response *response = call->response;
    int64_t count = 0;
    if (!call_may(call, BROKER_MANAGE, slice_of(NULL, 0))) {
        response->error_code = call_code(call, KAFKA_CLUSTER_AUTHORIZATION_FAILED);
        return;
    }
    for (struct topic *topic = NULL; (topic = store_topic_each(broker->store, topic));)
        count += topic_asked(call, topic);
    if (!call_rows_into(call, &response->results, &response->results_count, 1, sizeof *response->results))
        return;
    response->results[0] = kafka_describe_log_dirs_response_describe_log_dirs_result_default;
    response->results[0].log_dir = SLICE(LOG_DIR);
    if (!(response->results[0].topics = call_rows(call, count, sizeof *response->results[0].topics)))
        return;
    for (struct topic *topic = NULL; (topic = store_topic_each(broker->store, topic));)
        if (topic_asked(call, topic) && !fill_dir_topic(call, topic, &response->results[0].topics[response->results[0].topics_count++]))
            return;
}

void list_partition_reassignments_handle(struct broker *broker, struct broker_call *call)
{
    (void)broker, (void)call;
}
