/*
 * offsets: OffsetCommit, OffsetFetch, OffsetDelete. OffsetFetch has two forms, of one group and of several; the first is handled as the second, of
 * one, and its answer turned back.
 */
#include <stdlib.h>

#include "broker/internal.h"

/* --- OffsetCommit --------------------------------------------------------------------------------------- */

void offset_commit_handle(struct broker *broker, struct broker_call *call)
{
    const struct kafka_offset_commit_request *request = call->request;
    struct kafka_offset_commit_response *response = call->response;
    struct group_caller caller = { .group = request->group_id, .member = request->member_id, .instance = request->group_instance_id,
                                   .generation = request->generation_id_or_member_epoch };
    if (!call_rows_into(call, &response->topics, &response->topics_count, request->topics_count, sizeof *response->topics))
        return;
    int16_t refused = KAFKA_GROUP_AUTHORIZATION_FAILED;
    if (call_may(call, BROKER_READ, request->group_id))
        refused = group_commit_check(broker->groups, &caller, broker->now_ns);
    for (int32_t t = 0; t < request->topics_count; t++) {
        int32_t count = request->topics[t].partitions_count;
        response->topics[t].name = request->topics[t].name;
        if (!call_rows_into(call, &response->topics[t].partitions, &response->topics[t].partitions_count, count, sizeof *response->topics[t].partitions))
            return;
        for (int32_t p = 0; p < count; p++) {
            const struct kafka_offset_commit_request_offset_commit_request_partition *asked = &request->topics[t].partitions[p];
            struct topic *topic;
            int16_t code = call_code(call, refused);
            if (code == KAFKA_NONE)
                code = call_partition(call, BROKER_READ, request->topics[t].name, asked->partition_index, &topic);
            if (code == KAFKA_NONE)
                code = call_code(call, group_commit(broker->groups, &caller, request->topics[t].name, (uint32_t)asked->partition_index,
                                                    asked->committed_offset, asked->committed_leader_epoch, asked->committed_metadata));
            response->topics[t].partitions[p].partition_index = asked->partition_index;
            response->topics[t].partitions[p].error_code = code;
        }
    }
}

/* --- OffsetFetch ---------------------------------------------------------------------------------------- */

static void fetch_offset(struct broker_call *call, struct slice group, struct slice topic,
                         struct kafka_offset_fetch_response_offset_fetch_response_partitions *answer)
{
    const struct kafka_offset_fetch_request *request = call->request;
    struct broker *broker = call->broker;
    struct group_offset offset;
    uint32_t partition = (uint32_t)answer->partition_index;
    answer->committed_offset = -1;
    answer->committed_leader_epoch = -1;
    answer->metadata = SLICE("");
    if (answer->partition_index < 0)
        return;
    /* KIP-447: what a transaction may still change is not told to whoever goes on from it. */
    if (request->require_stable && transaction_offset_pending(broker->store, group, topic, partition)) {
        answer->error_code = call_code(call, KAFKA_UNSTABLE_OFFSET_COMMIT);
        return;
    }
    /* That it cannot be read is not that there is none: who is told so begins anew. */
    int rc = group_offset(broker->groups, group, topic, partition, &offset);
    if (rc < 0)
        answer->error_code = call_failed(call, rc);
    if (rc < 0 || offset.offset < 0)
        return;
    answer->committed_offset = offset.offset;
    answer->committed_leader_epoch = offset.leader_epoch;
    answer->metadata = call_keep(call, offset.metadata);
}

struct offset_place {
    struct slice topic;
    uint32_t partition;
};

struct offset_places {
    struct broker_call *call;
    struct offset_place *rows;
    int64_t count, capacity;
};

static int add_place(void *user, const struct group_offset *offset)
{
    struct offset_places *places = user;
    if (places->count == places->capacity) {
        int64_t capacity = places->capacity ? places->capacity * 2 : 32;
        struct offset_place *rows = call_rows(places->call, capacity, sizeof *rows);
        if (!rows)
            return EDDA_ENOMEM;
        if (places->count)
            memcpy(rows, places->rows, (size_t)places->count * sizeof *rows);
        places->rows = rows;
        places->capacity = capacity;
    }
    places->rows[places->count++] = (struct offset_place){ .topic = call_keep(places->call, offset->topic), .partition = offset->partition };
    return 0;
}

static int place_compare(const void *a, const void *b)
{
    const struct offset_place *x = a, *y = b;
    int order = slice_compare(x->topic, y->topic);
    return order ? order : (x->partition > y->partition) - (x->partition < y->partition);
}

/* All that the group has committed, as if it had been asked for. */
static bool ask_for_all(struct broker_call *call, struct kafka_offset_fetch_request_offset_fetch_request_group *asked)
{
    struct offset_places places = { .call = call };
    (void)group_offsets_each(call->broker->groups, asked->group_id, add_place, &places);
    if (call->fatal)
        return false;
    if (places.count)
        qsort(places.rows, (size_t)places.count, sizeof *places.rows, place_compare);
    int32_t *partitions = call_rows(call, places.count, sizeof *partitions);
    asked->topics = call_rows(call, places.count, sizeof *asked->topics);
    if (!partitions || !asked->topics)
        return false;
    asked->topics_count = 0;
    for (int64_t i = 0; i < places.count; i++) {
        partitions[i] = (int32_t)places.rows[i].partition;
        if (!call_may(call, BROKER_READ, places.rows[i].topic))
            continue;
        bool same = asked->topics_count && slice_eq(asked->topics[asked->topics_count - 1].name, places.rows[i].topic);
        if (!same) {
            asked->topics[asked->topics_count].name = places.rows[i].topic;
            asked->topics[asked->topics_count++].partition_indexes = &partitions[i];
        }
        asked->topics[asked->topics_count - 1].partition_indexes_count++;
    }
    return true;
}

/* `asked` is changed: all becomes a list. */
static void fetch_group(struct broker_call *call, struct kafka_offset_fetch_request_offset_fetch_request_group *asked,
                        struct kafka_offset_fetch_response_offset_fetch_response_group *answer)
{
    answer->group_id = asked->group_id;
    answer->error_code = call_code(call, call_sees(call, asked->group_id) ? KAFKA_NONE : KAFKA_GROUP_AUTHORIZATION_FAILED);
    if (answer->error_code != KAFKA_NONE || (asked->topics_count < 0 && !ask_for_all(call, asked)))
        return;
    if (!call_rows_into(call, &answer->topics, &answer->topics_count, asked->topics_count, sizeof *answer->topics))
        return;
    for (int32_t t = 0; t < asked->topics_count; t++) {
        int32_t count = asked->topics[t].partition_indexes_count;
        struct slice name = asked->topics[t].name;
        bool permitted = call_may(call, BROKER_READ, name);
        answer->topics[t].name = name;
        if (!call_rows_into(call, &answer->topics[t].partitions, &answer->topics[t].partitions_count, count, sizeof *answer->topics[t].partitions))
            return;
        for (int32_t p = 0; p < count; p++) {
            struct kafka_offset_fetch_response_offset_fetch_response_partitions *row = &answer->topics[t].partitions[p];
            *row = kafka_offset_fetch_response_offset_fetch_response_partitions_default;
            row->partition_index = asked->topics[t].partition_indexes[p];
            row->committed_offset = -1;
            if (permitted)
                fetch_offset(call, asked->group_id, name, row);
            else
                row->error_code = call_code(call, KAFKA_TOPIC_AUTHORIZATION_FAILED);
        }
    }
}

static void fetch_one_group(struct broker_call *call)
{
    const struct kafka_offset_fetch_request *request = call->request;
    struct kafka_offset_fetch_response *response = call->response;
    struct kafka_offset_fetch_request_offset_fetch_request_group asked = { .group_id = request->group_id, .topics_count = request->topics_count };
    struct kafka_offset_fetch_response_offset_fetch_response_group answer = { .topics_count = 0 };
    int32_t count = request->topics_count > 0 ? request->topics_count : 0;
    if (!(asked.topics = call_rows(call, count, sizeof *asked.topics)))
        return;
    for (int32_t t = 0; t < count; t++) {
        asked.topics[t].name = request->topics[t].name;
        asked.topics[t].partition_indexes = request->topics[t].partition_indexes;
        asked.topics[t].partition_indexes_count = request->topics[t].partition_indexes_count;
    }
    fetch_group(call, &asked, &answer);
    response->error_code = answer.error_code;
    if (call->fatal || !(response->topics = call_rows(call, answer.topics_count, sizeof *response->topics)))
        return;
    response->topics_count = answer.topics_count;
    for (int32_t t = 0; t < answer.topics_count; t++) {
        int32_t partitions = answer.topics[t].partitions_count;
        response->topics[t].name = answer.topics[t].name;
        if (!call_rows_into(call, &response->topics[t].partitions, &response->topics[t].partitions_count, partitions, sizeof *response->topics[t].partitions))
            return;
        for (int32_t p = 0; p < partitions; p++) {
            const struct kafka_offset_fetch_response_offset_fetch_response_partitions *from = &answer.topics[t].partitions[p];
            response->topics[t].partitions[p] = (struct kafka_offset_fetch_response_offset_fetch_response_partition){
                .partition_index = from->partition_index, .committed_offset = from->committed_offset,
                .committed_leader_epoch = from->committed_leader_epoch, .metadata = from->metadata, .error_code = from->error_code
            };
        }
    }
}

void offset_fetch_handle(struct broker *broker, struct broker_call *call)
{
    const struct kafka_offset_fetch_request *request = call->request;
    struct kafka_offset_fetch_response *response = call->response;
    (void)broker;
    if (!call_has_many(call)) {
        fetch_one_group(call);
        return;
    }
    if (!call_rows_into(call, &response->groups, &response->groups_count, request->groups_count, sizeof *response->groups))
        return;
    for (int32_t i = 0; i < request->groups_count && !call->fatal; i++) {
        struct kafka_offset_fetch_request_offset_fetch_request_group asked = request->groups[i];
        response->groups[i] = kafka_offset_fetch_response_offset_fetch_response_group_default;
        fetch_group(call, &asked, &response->groups[i]);
    }
}

/* --- OffsetDelete --------------------------------------------------------------------------------------- */

void offset_delete_handle(struct broker *broker, struct broker_call *call)
{
    const struct kafka_offset_delete_request *request = call->request;
    struct kafka_offset_delete_response *response = call->response;
    struct group_info info;
    if (!call_may(call, BROKER_MANAGE, request->group_id))
        response->error_code = call_code(call, KAFKA_GROUP_AUTHORIZATION_FAILED);
    else if (group_get(broker->groups, request->group_id, &info) < 0)
        response->error_code = call_code(call, KAFKA_GROUP_ID_NOT_FOUND);
    if (response->error_code != KAFKA_NONE)
        return;
    if (!call_rows_into(call, &response->topics, &response->topics_count, request->topics_count, sizeof *response->topics))
        return;
    for (int32_t t = 0; t < request->topics_count; t++) {
        int32_t count = request->topics[t].partitions_count;
        response->topics[t].name = request->topics[t].name;
        if (!call_rows_into(call, &response->topics[t].partitions, &response->topics[t].partitions_count, count, sizeof *response->topics[t].partitions))
            return;
        for (int32_t p = 0; p < count; p++) {
            int32_t partition = request->topics[t].partitions[p].partition_index;
            struct topic *topic;
            int16_t code = call_partition(call, BROKER_READ, request->topics[t].name, partition, &topic);
            if (code == KAFKA_NONE)
                code = call_code(call, group_offset_delete(broker->groups, request->group_id, request->topics[t].name, (uint32_t)partition));
            response->topics[t].partitions[p].partition_index = partition;
            response->topics[t].partitions[p].error_code = code;
        }
    }
}
