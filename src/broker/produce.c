/*
 * produce: Produce. Each partition's batch goes from the client's bytes to store_batch_append() as it is; the answer waits at the gate until it is
 * durable, whatever `acks` says, and the connection's next request is handled meanwhile. With acks=0 there is no answer, and a failure ends the
 * connection, which is the only way to tell.
 *
 * When the log is too far behind its disk, or the index behind the log, the call waits, with the batches before the one that was refused already sequenced, and goes on with that
 * one when the log has caught up. What is still refused then is refused for good.
 */
#include "broker/internal.h"

#define BATCH_MAGIC_AT 16 /* where all versions of a batch, or message set, have their magic */
#define ZSTD_FROM 7       /* KIP-110: clients that ask in this version know zstd */

/* Where a call is among its partitions. */
struct produce {
    struct broker_call *call;
    struct list stalled; /* of the broker */
    int32_t topic, partition;
};

static int16_t produce_code(struct broker_call *call, int code, const struct edda_error *error)
{
    switch (code) {
    case EDDA_ECORRUPT:
        return call_code(call, KAFKA_CORRUPT_MESSAGE);
    case EDDA_EINVAL:
        return call_code(call, strcmp(error->field, "timestamp") == 0 ? KAFKA_INVALID_TIMESTAMP : KAFKA_INVALID_RECORD);
    case EDDA_EMALFORMED:
        return call_code(call, KAFKA_INVALID_RECORD);
    case EDDA_EUNSUPPORTED:
        return call_code(call, KAFKA_UNSUPPORTED_COMPRESSION_TYPE);
    case EDDA_EPRODUCER:
        return call_code(call, KAFKA_UNKNOWN_PRODUCER_ID);
    default:
        return call_failed(call, code);
    }
}

/* One record of the batch is wrong: KIP-467 tells which. */
static void tell_record(struct broker_call *call, int32_t record, struct slice words,
                        struct kafka_produce_response_partition_produce_response *answer)
{
    struct kafka_produce_response_batch_index_and_error_message *row = call_rows(call, 1, sizeof *row);
    if (!row)
        return;
    row->batch_index = record;
    row->batch_index_error_message = words;
    answer->record_errors = row;
    answer->record_errors_count = 1;
}

/* False when the call has to wait; else the answer is filled. */
static bool produce_batch(struct broker_call *call, struct slice name, const struct kafka_produce_request_partition_produce_data *data,
                          struct kafka_produce_response_partition_produce_response *answer)
{
    struct broker *broker = call->broker;
    struct edda_error error = { .code = 0 };
    struct topic *topic;
    *answer = kafka_produce_response_partition_produce_response_default;
    answer->index = data->index;
    answer->base_offset = -1;
    answer->error_code = call_partition(call, BROKER_WRITE, name, data->index, &topic);
    if (answer->error_code != KAFKA_NONE)
        return true;
    if (data->records.len <= BATCH_MAGIC_AT) {
        answer->error_code = call_code(call, KAFKA_INVALID_RECORD);
        answer->error_message = SLICE("there is no record batch");
        return true;
    }
    if (data->records.data[BATCH_MAGIC_AT] < 2) {
        answer->error_code = call_code(call, KAFKA_UNSUPPORTED_FOR_MESSAGE_FORMAT);
        answer->error_message = SLICE("message sets of the formats 0 and 1 are not taken: a client of Kafka 0.11 or later sends record batches");
        return true;
    }
    struct store_batch_appended appended;
    int rc = store_batch_append(broker->store,
                                &(struct store_batch){ .topic = topic, .partition = (uint32_t)data->index, .bytes = data->records,
                                                       .zstd_allowed = call->head.api_version >= ZSTD_FROM },
                                &appended, &error);
    if (rc == EDDA_EBUSY && store_is_behind(broker->store))
        return false;
    if (rc < 0) {
        answer->error_code = produce_code(call, rc, &error);
        answer->error_message = call_words(call, &error);
        if (appended.wrong_record >= 0)
            tell_record(call, appended.wrong_record, answer->error_message, answer);
        return true;
    }
    struct store_bounds bounds;
    store_partition_bounds(broker->store, topic, (uint32_t)data->index, &bounds);
    answer->base_offset = appended.base_offset;
    answer->log_append_time_ms = appended.append_time_ms;
    answer->log_start_offset = bounds.start;
    broker->counts.produced_bytes += data->records.len;
    return true;
}

static void produce_forget(struct broker *broker, struct broker_call *call)
{
    struct produce *produce = call->waiting;
    (void)broker;
    list_remove(&produce->stalled);
}

/* Goes on from where it is. */
static void produce_run(struct broker *broker, struct broker_call *call)
{
    struct produce *produce = call->waiting;
    const struct kafka_produce_request *request = call->request;
    struct kafka_produce_response *response = call->response;
    for (; produce->topic < request->topic_data_count; produce->topic++, produce->partition = 0) {
        int32_t t = produce->topic;
        for (; produce->partition < request->topic_data[t].partition_data_count; produce->partition++) {
            int32_t p = produce->partition;
            if (!produce_batch(call, request->topic_data[t].name, &request->topic_data[t].partition_data[p],
                               &response->responses[t].partition_responses[p])) {
                broker->counts.stalled++;
                call_park(call, INT64_MAX, produce_run, produce_forget);
                list_push_back(&broker->stalled, &produce->stalled);
                return;
            }
            if (call->silent && response->responses[t].partition_responses[p].error_code != KAFKA_NONE)
                call->fatal = true;
        }
    }
}

void produce_unstall(struct broker *broker)
{
    if (list_empty(&broker->stalled) || store_is_behind(broker->store))
        return;
    for (struct list *link = broker->stalled.next; link != &broker->stalled; link = link->next)
        call_ready(container_of(link, struct produce, stalled)->call);
}

/* The same code for every partition. */
static void produce_refuse(struct broker_call *call, int code)
{
    const struct kafka_produce_request *request = call->request;
    struct kafka_produce_response *response = call->response;
    for (int32_t t = 0; t < request->topic_data_count; t++)
        for (int32_t p = 0; p < request->topic_data[t].partition_data_count; p++) {
            struct kafka_produce_response_partition_produce_response *answer = &response->responses[t].partition_responses[p];
            *answer = kafka_produce_response_partition_produce_response_default;
            answer->index = request->topic_data[t].partition_data[p].index;
            answer->base_offset = -1;
            answer->error_code = call_code(call, code);
        }
}

void produce_handle(struct broker *broker, struct broker_call *call)
{
    const struct kafka_produce_request *request = call->request;
    struct kafka_produce_response *response = call->response;
    struct produce *produce = call_rows(call, 1, sizeof *produce);
    response->responses = call_rows(call, request->topic_data_count, sizeof *response->responses);
    if (!produce || !response->responses)
        return;
    response->responses_count = request->topic_data_count;
    for (int32_t t = 0; t < request->topic_data_count; t++) {
        int32_t count = request->topic_data[t].partition_data_count;
        response->responses[t].name = request->topic_data[t].name;
        response->responses[t].partition_responses = call_rows(call, count, sizeof *response->responses[t].partition_responses);
        if (!response->responses[t].partition_responses)
            return;
        response->responses[t].partition_responses_count = count;
    }
    *produce = (struct produce){ .call = call };
    list_init(&produce->stalled);
    call->waiting = produce;
    call->silent = request->acks == 0;
    if (request->acks < -1 || request->acks > 1)
        produce_refuse(call, KAFKA_INVALID_REQUIRED_ACKS);
    else if (request->transactional_id.data && !call_may(call, BROKER_WRITE, request->transactional_id))
        produce_refuse(call, KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    else
        produce_run(broker, call);
}
