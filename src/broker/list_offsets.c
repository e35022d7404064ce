/* list_offsets: ListOffsets and OffsetForLeaderEpoch: which offsets a partition has. One node has led from the beginning, so there is one epoch. */
#include "broker/internal.h"

enum { OFFSET_LATEST = -1, OFFSET_EARLIEST = -2, OFFSET_MAX_TIMESTAMP = -3, OFFSET_EARLIEST_LOCAL = -4, OFFSET_LATEST_TIERED = -5 };

#define EPOCH_FROM 4 /* of ListOffsets: the answer has a leader epoch */

/* `end`: what this caller may see is below. */
static void by_record(struct broker_call *call, int found, int64_t offset, int64_t time_ms, int64_t end,
                      struct kafka_list_offsets_response_list_offsets_partition_response *answer)
{
    if (found < 0 && found != EDDA_ENOTFOUND) {
        answer->error_code = call_failed(call, found);
    } else if (found == 0 && offset < end) {
        answer->offset = offset;
        answer->timestamp = time_ms;
    }
}

static void list_offset(struct broker_call *call, struct slice name, const struct kafka_list_offsets_request_list_offsets_partition *asked,
                        struct kafka_list_offsets_response_list_offsets_partition_response *answer)
{
    const struct kafka_list_offsets_request *request = call->request;
    struct store *store = call->broker->store;
    struct topic *topic;
    struct store_bounds bounds;
    int64_t offset = -1, time_ms = -1;
    int found;
    uint32_t partition = (uint32_t)asked->partition_index;
    *answer = kafka_list_offsets_response_list_offsets_partition_response_default;
    answer->partition_index = asked->partition_index;
    answer->error_code = call_partition(call, BROKER_READ, name, asked->partition_index, &topic);
    if (answer->error_code == KAFKA_NONE && asked->current_leader_epoch > BROKER_LEADER_EPOCH)
        answer->error_code = call_code(call, KAFKA_UNKNOWN_LEADER_EPOCH);
    if (answer->error_code != KAFKA_NONE)
        return;
    store_partition_bounds(store, topic, partition, &bounds);
    int64_t end = request->isolation_level == 1 ? bounds.stable : bounds.durable;
    switch (asked->timestamp) {
    case OFFSET_LATEST:
        answer->offset = end;
        break;
    case OFFSET_EARLIEST:
    case OFFSET_EARLIEST_LOCAL:
        answer->offset = bounds.start;
        break;
    case OFFSET_MAX_TIMESTAMP:
        found = store_offset_of_latest(store, topic, partition, &offset, &time_ms);
        by_record(call, found, offset, time_ms, end, answer);
        break;
    case OFFSET_LATEST_TIERED:
        break;
    default:
        if (asked->timestamp < 0) {
            answer->error_code = call_code(call, KAFKA_UNSUPPORTED_VERSION);
            break;
        }
        found = store_offset_at_time(store, topic, partition, asked->timestamp, &offset, &time_ms);
        by_record(call, found, offset, time_ms, end, answer);
    }
    if (answer->error_code == KAFKA_NONE && answer->offset >= 0 && call->head.api_version >= EPOCH_FROM)
        answer->leader_epoch = BROKER_LEADER_EPOCH;
}

void list_offsets_handle(struct broker *broker, struct broker_call *call)
{
    const struct kafka_list_offsets_request *request = call->request;
    struct kafka_list_offsets_response *response = call->response;
    (void)broker;
    if (!call_rows_into(call, &response->topics, &response->topics_count, request->topics_count, sizeof *response->topics))
        return;
    for (int32_t t = 0; t < request->topics_count; t++) {
        int32_t count = request->topics[t].partitions_count;
        response->topics[t].name = request->topics[t].name;
        if (!call_rows_into(call, &response->topics[t].partitions, &response->topics[t].partitions_count, count, sizeof *response->topics[t].partitions))
            return;
        for (int32_t p = 0; p < count; p++)
            list_offset(call, request->topics[t].name, &request->topics[t].partitions[p], &response->topics[t].partitions[p]);
    }
}

static void epoch_end(struct broker_call *call, struct slice name, const struct kafka_offset_for_leader_epoch_request_offset_for_leader_partition *asked,
                      struct kafka_offset_for_leader_epoch_response_epoch_end_offset *answer)
{
    struct topic *topic;
    struct store_bounds bounds;
    *answer = kafka_offset_for_leader_epoch_response_epoch_end_offset_default;
    answer->partition = asked->partition;
    answer->error_code = call_partition(call, BROKER_READ, name, asked->partition, &topic);
    if (answer->error_code == KAFKA_NONE && asked->current_leader_epoch > BROKER_LEADER_EPOCH)
        answer->error_code = call_code(call, KAFKA_UNKNOWN_LEADER_EPOCH);
    if (answer->error_code != KAFKA_NONE || asked->leader_epoch != BROKER_LEADER_EPOCH)
        return;
    store_partition_bounds(call->broker->store, topic, (uint32_t)asked->partition, &bounds);
    answer->leader_epoch = BROKER_LEADER_EPOCH;
    answer->end_offset = bounds.durable;
}

void offset_for_leader_epoch_handle(struct broker *broker, struct broker_call *call)
{
    const struct kafka_offset_for_leader_epoch_request *request = call->request;
    struct kafka_offset_for_leader_epoch_response *response = call->response;
    (void)broker;
    if (!call_rows_into(call, &response->topics, &response->topics_count, request->topics_count, sizeof *response->topics))
        return;
    for (int32_t t = 0; t < request->topics_count; t++) {
        int32_t count = request->topics[t].partitions_count;
        response->topics[t].topic = request->topics[t].topic;
        if (!call_rows_into(call, &response->topics[t].partitions, &response->topics[t].partitions_count, count, sizeof *response->topics[t].partitions))
            return;
        for (int32_t p = 0; p < count; p++)
            epoch_end(call, request->topics[t].topic, &request->topics[t].partitions[p], &response->topics[t].partitions[p]);
    }
}
