/*
 * transactions: what transactional and idempotent producers ask for, over store/transaction.h. Transactions of version 1: a producer says which partitions
 * take part before it writes to them. An end is one frame of the log, so no client ever sees one that is half done.
 */
#include "broker/internal.h"

/* EDDA_EFENCED has two names, of which older clients know one. */
static int16_t producer_failed(struct broker_call *call, int code)
{
    bool fenced = code == EDDA_EFENCED && call->api->fenced_from && call->head.api_version >= call->api->fenced_from;
    return fenced ? call_code(call, KAFKA_PRODUCER_FENCED) : call_failed(call, code);
}

static int16_t transaction_permitted(struct broker_call *call, struct slice transactional_id)
{
    return call_code(call, call_may(call, BROKER_WRITE, transactional_id) ? KAFKA_NONE : KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
}

/* --- InitProducerId ------------------------------------------------------------------------------------- */

void init_producer_id_handle(struct broker *broker, struct broker_call *call)
{
    const struct kafka_init_producer_id_request *request = call->request;
    struct kafka_init_producer_id_response *response = call->response;
    struct producer_id producer = { .id = -1 };
    struct producer_id expected = { .id = request->producer_id, .epoch = request->producer_epoch };
    int rc;
    /* Ids are given for ever, so who may write nothing gets none (KIP-679). */
    if (!request->transactional_id.data && !call_may_any(call, BROKER_WRITE)) {
        response->error_code = call_code(call, KAFKA_CLUSTER_AUTHORIZATION_FAILED);
        return;
    }
    if (!request->transactional_id.data) {
        rc = producer_new(broker->store, &producer, NULL);
    } else {
        response->error_code = transaction_permitted(call, request->transactional_id);
        bool timely = request->transaction_timeout_ms >= 1 && request->transaction_timeout_ms <= TRANSACTION_TIMEOUT_MAX_MS;
        if (response->error_code == KAFKA_NONE && request->transactional_id.len > 0 && !timely)
            response->error_code = call_code(call, KAFKA_INVALID_TRANSACTION_TIMEOUT);
        if (response->error_code != KAFKA_NONE)
            return;
        rc = transaction_begin_producer(broker->store, request->transactional_id, request->transaction_timeout_ms, expected, &producer, NULL);
    }
    response->error_code = producer_failed(call, rc);
    if (rc < 0)
        return;
    response->producer_id = producer.id;
    response->producer_epoch = producer.epoch;
}

/* --- AddPartitionsToTxn --------------------------------------------------------------------------------- */

static bool rows_make(struct broker_call *call)
{
    const struct kafka_add_partitions_to_txn_request *request = call->request;
    struct kafka_add_partitions_to_txn_response *response = call->response;
    int32_t topics = request->v3_and_below_topics_count;
    struct kafka_add_partitions_to_txn_topic_result *rows = call_rows(call, topics, sizeof *rows);
    response->results_by_topic_v3_and_below = rows;
    for (int32_t t = 0; rows && t < topics; t++) {
        rows[t].name = request->v3_and_below_topics[t].name;
        rows[t].results_by_partition = call_rows(call, request->v3_and_below_topics[t].partitions_count, sizeof *rows[t].results_by_partition);
        rows[t].results_by_partition_count = request->v3_and_below_topics[t].partitions_count;
        for (int32_t p = 0; rows[t].results_by_partition && p < rows[t].results_by_partition_count; p++)
            rows[t].results_by_partition[p].partition_index = request->v3_and_below_topics[t].partitions[p];
    }
    response->results_by_topic_v3_and_below_count = topics;
    return !call->fatal;
}

/* All or none: with one partition that cannot be, the others are not attempted. */
void add_partitions_to_txn_handle(struct broker *broker, struct broker_call *call)
{
    const struct kafka_add_partitions_to_txn_request *request = call->request;
    struct kafka_add_partitions_to_txn_response *response = call->response;
    struct producer_id producer = { .id = request->v3_and_below_producer_id, .epoch = request->v3_and_below_producer_epoch };
    if (!rows_make(call))
        return;
    int16_t permitted = transaction_permitted(call, request->v3_and_below_transactional_id);
    struct topic *topic;
    bool refused = false;
    int rc = 0;
    for (int32_t t = 0; t < response->results_by_topic_v3_and_below_count; t++) {
        struct kafka_add_partitions_to_txn_topic_result *row = &response->results_by_topic_v3_and_below[t];
        for (int32_t p = 0; p < row->results_by_partition_count; p++) {
            int16_t code = permitted;
            if (code == KAFKA_NONE)
                code = call_partition(call, BROKER_WRITE, row->name, row->results_by_partition[p].partition_index, &topic);
            row->results_by_partition[p].partition_error_code = code;
            refused |= code != KAFKA_NONE;
        }
    }
    for (int32_t t = 0; t < response->results_by_topic_v3_and_below_count; t++) {
        struct kafka_add_partitions_to_txn_topic_result *row = &response->results_by_topic_v3_and_below[t];
        for (int32_t p = 0; p < row->results_by_partition_count; p++) {
            int16_t *code = &row->results_by_partition[p].partition_error_code;
            if (refused) {
                *code = *code == KAFKA_NONE ? KAFKA_OPERATION_NOT_ATTEMPTED : *code;
                continue;
            }
            if (rc == 0)
                rc = transaction_add_partition(broker->store, request->v3_and_below_transactional_id, producer, store_topic(broker->store, row->name),
                                               (uint32_t)row->results_by_partition[p].partition_index, NULL);
            *code = producer_failed(call, rc);
        }
    }
}

/* --- AddOffsetsToTxn, TxnOffsetCommit ------------------------------------------------------------------- */

void add_offsets_to_txn_handle(struct broker *broker, struct broker_call *call)
{
    const struct kafka_add_offsets_to_txn_request *request = call->request;
    struct kafka_add_offsets_to_txn_response *response = call->response;
    struct producer_id producer = { .id = request->producer_id, .epoch = request->producer_epoch };
    response->error_code = transaction_permitted(call, request->transactional_id);
    if (response->error_code == KAFKA_NONE && !call_may(call, BROKER_READ, request->group_id))
        response->error_code = call_code(call, KAFKA_GROUP_AUTHORIZATION_FAILED);
    if (response->error_code == KAFKA_NONE)
        response->error_code = producer_failed(call, transaction_add_group(broker->store, request->transactional_id, producer, request->group_id, NULL));
}

static int16_t offset_add(struct broker_call *call, struct slice topic, const struct kafka_txn_offset_commit_request_txn_offset_commit_request_partition *asked)
{
    const struct kafka_txn_offset_commit_request *request = call->request;
    struct producer_id producer = { .id = request->producer_id, .epoch = request->producer_epoch };
    struct topic *found;
    int16_t code = call_partition(call, BROKER_READ, topic, asked->partition_index, &found);
    if (code != KAFKA_NONE)
        return code;
    if (asked->committed_metadata.len > GROUP_OFFSET_METADATA_MAX)
        return call_code(call, KAFKA_OFFSET_METADATA_TOO_LARGE);
    return producer_failed(call, transaction_add_offset(call->broker->store, request->transactional_id, producer, request->group_id, topic,
                                                        (uint32_t)asked->partition_index, asked->committed_offset, asked->committed_leader_epoch,
                                                        asked->committed_metadata, NULL));
}

void txn_offset_commit_handle(struct broker *broker, struct broker_call *call)
{
    const struct kafka_txn_offset_commit_request *request = call->request;
    struct kafka_txn_offset_commit_response *response = call->response;
    struct group_caller caller = { .group = request->group_id, .member = request->member_id, .instance = request->group_instance_id,
                                   .generation = request->generation_id, .transactional = true };
    int16_t refused = transaction_permitted(call, request->transactional_id);
    if (refused == KAFKA_NONE && !call_may(call, BROKER_READ, request->group_id))
        refused = KAFKA_GROUP_AUTHORIZATION_FAILED;
    if (refused == KAFKA_NONE)
        refused = group_commit_check(broker->groups, &caller, broker->now_ns);
    if (!call_rows_into(call, &response->topics, &response->topics_count, request->topics_count, sizeof *response->topics))
        return;
    for (int32_t t = 0; t < request->topics_count; t++) {
        int32_t count = request->topics[t].partitions_count;
        response->topics[t].name = request->topics[t].name;
        if (!call_rows_into(call, &response->topics[t].partitions, &response->topics[t].partitions_count, count, sizeof *response->topics[t].partitions))
            return;
        for (int32_t p = 0; p < count; p++) {
            response->topics[t].partitions[p].partition_index = request->topics[t].partitions[p].partition_index;
            response->topics[t].partitions[p].error_code =
                refused != KAFKA_NONE ? call_code(call, refused) : offset_add(call, request->topics[t].name, &request->topics[t].partitions[p]);
        }
    }
}

/* --- EndTxn --------------------------------------------------------------------------------------------- */

void end_txn_handle(struct broker *broker, struct broker_call *call)
{
    const struct kafka_end_txn_request *request = call->request;
    struct kafka_end_txn_response *response = call->response;
    struct producer_id producer = { .id = request->producer_id, .epoch = request->producer_epoch };
    response->error_code = transaction_permitted(call, request->transactional_id);
    if (response->error_code == KAFKA_NONE)
        response->error_code = producer_failed(call, transaction_end(broker->store, request->transactional_id, producer, request->committed, NULL));
}

/* --- WriteTxnMarkers ------------------------------------------------------------------------------------ */

/* Kafka's coordinators tell its partitions by this how a transaction has ended; here nobody but an operator does, who has found one that hangs. */
static int16_t marker_write(struct broker_call *call, const struct kafka_write_txn_markers_request_writable_txn_marker *marker, struct slice name, int32_t partition)
{
    struct producer_id producer = { .id = marker->producer_id, .epoch = marker->producer_epoch };
    struct topic *topic = topic_hidden(name) ? NULL : store_topic(call->broker->store, name);
    if (!call_may(call, BROKER_MANAGE, slice_of(NULL, 0)))
        return call_code(call, KAFKA_CLUSTER_AUTHORIZATION_FAILED);
    if (marker->transaction_result)
        return call_code(call, KAFKA_INVALID_REQUEST);
    if (!topic || partition < 0 || (uint32_t)partition >= topic->partition_count)
        return call_code(call, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    if (marker->coordinator_epoch < BROKER_COORDINATOR_EPOCH)
        return call_code(call, KAFKA_TRANSACTION_COORDINATOR_FENCED);
    return call_failed(call, transaction_abort(call->broker->store, producer, topic, (uint32_t)partition, NULL));
}

static bool marker_answer(struct broker_call *call, const struct kafka_write_txn_markers_request_writable_txn_marker *marker,
                          struct kafka_write_txn_markers_response_writable_txn_marker_result *answer)
{
    answer->producer_id = marker->producer_id;
    if (!call_rows_into(call, &answer->topics, &answer->topics_count, marker->topics_count, sizeof *answer->topics))
        return false;
    for (int32_t t = 0; t < marker->topics_count; t++) {
        struct kafka_write_txn_markers_response_writable_txn_marker_topic_result *row = &answer->topics[t];
        int32_t count = marker->topics[t].partition_indexes_count;
        row->name = marker->topics[t].name;
        if (!call_rows_into(call, &row->partitions, &row->partitions_count, count, sizeof *row->partitions))
            return false;
        for (int32_t p = 0; p < count; p++) {
            row->partitions[p].partition_index = marker->topics[t].partition_indexes[p];
            row->partitions[p].error_code = marker_write(call, marker, row->name, row->partitions[p].partition_index);
        }
    }
    return true;
}

void write_txn_markers_handle(struct broker *broker, struct broker_call *call)
{
    const struct kafka_write_txn_markers_request *request = call->request;
    struct kafka_write_txn_markers_response *response = call->response;
    (void)broker;
    if (!call_rows_into(call, &response->markers, &response->markers_count, request->markers_count, sizeof *response->markers))
        return;
    for (int32_t i = 0; i < request->markers_count; i++)
        if (!marker_answer(call, &request->markers[i], &response->markers[i]))
            return;
}
