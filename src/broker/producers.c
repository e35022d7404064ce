/* producers: what tools ask about producers and their transactions: DescribeProducers, DescribeTransactions, ListTransactions. */
#include "broker/internal.h"

/* --- DescribeProducers ---------------------------------------------------------------------------------- */

struct producer_listing {
    struct broker_call *call;
    struct kafka_describe_producers_response_partition_response *answer;
    int32_t capacity;
};

static int list_producer(void *user, const struct producer_info *info)
{
    struct producer_listing *listing = user;
    struct kafka_describe_producers_response_partition_response *answer = listing->answer;
    if (answer->active_producers_count == listing->capacity) {
        listing->capacity = listing->capacity ? listing->capacity * 2 : 8;
        struct kafka_describe_producers_response_producer_state *rows = call_rows(listing->call, listing->capacity, sizeof *rows);
        if (!rows)
            return EDDA_ENOMEM;
        if (answer->active_producers_count)
            memcpy(rows, answer->active_producers, (size_t)answer->active_producers_count * sizeof *rows);
        answer->active_producers = rows;
    }
    answer->active_producers[answer->active_producers_count++] = (struct kafka_describe_producers_response_producer_state){
        .producer_id = info->producer.id, .producer_epoch = info->producer.epoch, .last_sequence = info->last_sequence,
        .last_timestamp = info->last_timestamp_ms, .current_txn_start_offset = info->transaction_first_offset
    };
    return 0;
}

void describe_producers_handle(struct broker *broker, struct broker_call *call)
{
    const struct kafka_describe_producers_request *request = call->request;
    struct kafka_describe_producers_response *response = call->response;
    if (!call_rows_into(call, &response->topics, &response->topics_count, request->topics_count, sizeof *response->topics))
        return;
    for (int32_t t = 0; t < request->topics_count; t++) {
        int32_t count = request->topics[t].partition_indexes_count;
        response->topics[t].name = request->topics[t].name;
        if (!call_rows_into(call, &response->topics[t].partitions, &response->topics[t].partitions_count, count, sizeof *response->topics[t].partitions))
            return;
        for (int32_t p = 0; p < count; p++) {
            struct kafka_describe_producers_response_partition_response *answer = &response->topics[t].partitions[p];
            struct producer_listing listing = { .call = call, .answer = answer };
            struct topic *topic;
            *answer = kafka_describe_producers_response_partition_response_default;
            answer->partition_index = request->topics[t].partition_indexes[p];
            answer->error_code = call_partition(call, BROKER_READ, request->topics[t].name, answer->partition_index, &topic);
            if (answer->error_code == KAFKA_NONE)
                (void)producers_each(broker->store, topic, (uint32_t)answer->partition_index, list_producer, &listing);
        }
    }
}

/* --- transactions --------------------------------------------------------------------------------------- */

static const char *const state_names[] = {
    [TRANSACTION_EMPTY] = "Empty", [TRANSACTION_ONGOING] = "Ongoing", [TRANSACTION_COMPLETE_COMMIT] = "CompleteCommit", [TRANSACTION_COMPLETE_ABORT] = "CompleteAbort"
};
/* Kafka's further states, in which no transaction is ever seen here. */
static const char *const unseen_states[] = { "PrepareCommit", "PrepareAbort", "Dead", "PrepareEpochFence" };

struct partition_listing {
    struct broker_call *call;
    struct kafka_describe_transactions_response_transaction_state *answer;
    uint32_t capacity; /* of topics, and of partitions of each */
};

static int list_partition(void *user, struct topic *topic, uint32_t partition)
{
    struct partition_listing *listing = user;
    struct kafka_describe_transactions_response_transaction_state *answer = listing->answer;
    struct slice name = slice_str(topic->name);
    int32_t t = 0;
    if (!call_sees(listing->call, name) || topic_reserved(name))
        return 0;
    while (t < answer->topics_count && !slice_eq(answer->topics[t].topic, name))
        t++;
    if (t == answer->topics_count) {
        if ((uint32_t)t == listing->capacity)
            return 1;
        if (!(answer->topics[t].partitions = call_rows(listing->call, topic->partition_count, sizeof(int32_t))))
            return EDDA_ENOMEM;
        answer->topics[t].topic = name;
        answer->topics_count++;
    }
    if (answer->topics[t].partitions_count < (int32_t)topic->partition_count)
        answer->topics[t].partitions[answer->topics[t].partitions_count++] = (int32_t)partition;
    return 0;
}

static void describe_transaction(struct broker_call *call, struct kafka_describe_transactions_response_transaction_state *answer)
{
    struct store *store = call->broker->store;
    struct transaction_info info;
    if (!call_sees(call, answer->transactional_id)) {
        answer->error_code = call_code(call, KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
        return;
    }
    if (transaction_get(store, answer->transactional_id, &info) < 0) {
        answer->error_code = call_code(call, KAFKA_TRANSACTIONAL_ID_NOT_FOUND);
        return;
    }
    answer->transaction_state = slice_str(state_names[info.state]);
    answer->transaction_timeout_ms = info.timeout_ms;
    answer->transaction_start_time_ms = info.begun_ms;
    answer->producer_id = info.producer.id;
    answer->producer_epoch = info.producer.epoch;
    struct partition_listing listing = { .call = call, .answer = answer, .capacity = info.partition_count };
    if ((answer->topics = call_rows(call, info.partition_count, sizeof *answer->topics)))
        (void)transaction_partitions_each(store, answer->transactional_id, list_partition, &listing);
}

void describe_transactions_handle(struct broker *broker, struct broker_call *call)
{
    const struct kafka_describe_transactions_request *request = call->request;
    struct kafka_describe_transactions_response *response = call->response;
    (void)broker;
    if (!call_rows_into(call, &response->transaction_states, &response->transaction_states_count, request->transactional_ids_count, sizeof *response->transaction_states))
        return;
    for (int32_t i = 0; i < request->transactional_ids_count; i++) {
        response->transaction_states[i] = kafka_describe_transactions_response_transaction_state_default;
        response->transaction_states[i].transactional_id = request->transactional_ids[i];
        describe_transaction(call, &response->transaction_states[i]);
    }
}

struct transaction_listing {
    struct broker_call *call;
    int32_t capacity;
};

static bool transaction_wanted(const struct broker_call *call, const struct transaction_info *info)
{
    const struct kafka_list_transactions_request *request = call->request;
    bool state = request->state_filters_count == 0, producer = request->producer_id_filters_count == 0;
    for (int32_t i = 0; i < request->state_filters_count; i++)
        state |= slice_eq_str(request->state_filters[i], state_names[info->state]);
    for (int32_t i = 0; i < request->producer_id_filters_count; i++)
        producer |= request->producer_id_filters[i] == info->producer.id;
    bool long_enough = request->duration_filter < 0 ||
                       (info->begun_ms >= 0 && store_time_ms(call->broker->store) - info->begun_ms > request->duration_filter);
    return state && producer && long_enough && call_sees(call, info->transactional_id);
}

static int list_transaction(void *user, const struct transaction_info *info)
{
    struct transaction_listing *listing = user;
    struct broker_call *call = listing->call;
    struct kafka_list_transactions_response *response = call->response;
    if (!transaction_wanted(call, info))
        return 0;
    if (response->transaction_states_count == listing->capacity) {
        listing->capacity = listing->capacity ? listing->capacity * 2 : 16;
        struct kafka_list_transactions_response_transaction_state *rows = call_rows(call, listing->capacity, sizeof *rows);
        if (!rows)
            return EDDA_ENOMEM;
        if (response->transaction_states_count)
            memcpy(rows, response->transaction_states, (size_t)response->transaction_states_count * sizeof *rows);
        response->transaction_states = rows;
    }
    response->transaction_states[response->transaction_states_count++] = (struct kafka_list_transactions_response_transaction_state){
        .transactional_id = call_keep(call, info->transactional_id), .producer_id = info->producer.id, .transaction_state = slice_str(state_names[info->state])
    };
    return 0;
}

static bool state_known(struct slice name)
{
    for (size_t i = 0; i < sizeof state_names / sizeof state_names[0]; i++)
        if (slice_eq_str(name, state_names[i]))
            return true;
    for (size_t i = 0; i < sizeof unseen_states / sizeof unseen_states[0]; i++)
        if (slice_eq_str(name, unseen_states[i]))
            return true;
    return false;
}

void list_transactions_handle(struct broker *broker, struct broker_call *call)
{
    const struct kafka_list_transactions_request *request = call->request;
    struct kafka_list_transactions_response *response = call->response;
    struct transaction_listing listing = { .call = call };
    if (!(response->unknown_state_filters = call_rows(call, request->state_filters_count, sizeof *response->unknown_state_filters)))
        return;
    for (int32_t i = 0; i < request->state_filters_count; i++)
        if (!state_known(request->state_filters[i]))
            response->unknown_state_filters[response->unknown_state_filters_count++] = request->state_filters[i];
    (void)transactions_each(broker->store, list_transaction, &listing);
}
