/*
 * api: the one table of what is served: which versions are advertised, and who handles them. ApiVersions and docs/reference/kafka.md are made from it.
 *
 * The least versions advertised are those that the clients in use test for, one by one: librdkafka before 2.11.1 turns features off whose single version it does not
 * find in the range. The greatest stop before what is not here: transactions of version 2, groups whose assignor is the broker.
 * No features are advertised, so that every client uses transactions of version 1.
 */
#include "broker/internal.h"

static broker_handler_fn api_versions_handle, sasl_handshake_handle, sasl_authenticate_handle;

/* API(key, message, versions and further fields): it is handled by MESSAGE_handle(). */
#define API(key_, message_, ...)                                                                                        \
    {                                                                                                                   \
        .key = (key_), .request = &kafka_##message_##_request_message, .response = &kafka_##message_##_response_message, \
        .handle = message_##_handle, __VA_ARGS__                                                                        \
    }

/* clang-format off */
const struct broker_api broker_apis[] = {
    API(0, produce, .min = 0, .max = 11, .remark = "record batches only: message sets of old clients are refused; `acks` 1 is as good as all"),
    API(1, fetch, .min = 4, .max = 17, .flags = API_WAITS, .remark = "sessions are declined; from 13 on topics are named by id"),
    API(2, list_offsets, .min = 1, .max = 9, .remark = "by time it is exact"),
    API(3, metadata, .min = 0, .max = 12, .remark = "topic ids are stable"),
    API(8, offset_commit, .min = 2, .max = 9),
    API(9, offset_fetch, .min = 1, .max = 9, .many_from = 8),
    API(10, find_coordinator, .min = 0, .max = 4, .many_from = 4),
    API(11, join_group, .min = 0, .max = 9, .flags = API_WAITS),
    API(12, heartbeat, .min = 0, .max = 4),
    API(13, leave_group, .min = 0, .max = 5, .many_from = 3),
    API(14, sync_group, .min = 0, .max = 5, .flags = API_WAITS),
    API(15, describe_groups, .min = 0, .max = 5),
    API(16, list_groups, .min = 0, .max = 5),
    API(17, sasl_handshake, .min = 0, .max = 1, .flags = API_OPEN | API_SASL, .remark = "when users are configured"),
    API(18, api_versions, .min = 0, .max = 4, .flags = API_OPEN, .remark = "another version is answered as version 0, with the range"),
    API(19, create_topics, .min = 2, .max = 7, .remark = "one replica, whatever is asked for"),
    API(20, delete_topics, .min = 1, .max = 6, .many_from = 6, .remark = "from 6 on topics may be named by id"),
    API(21, delete_records, .min = 0, .max = 2),
    API(22, init_producer_id, .min = 0, .max = 4, .fenced_from = 4),
    API(23, offset_for_leader_epoch, .min = 2, .max = 4, .remark = "the epoch is 0 for ever"),
    API(24, add_partitions_to_txn, .min = 0, .max = 3, .fenced_from = 2),
    API(25, add_offsets_to_txn, .min = 0, .max = 3, .fenced_from = 2),
    API(26, end_txn, .min = 0, .max = 3, .fenced_from = 2, .remark = "a batch that was aborted is not taken for sent already when it comes again"),
    API(27, write_txn_markers, .min = 0, .max = 1, .remark = "an operator aborts a transaction, which fences its producer; commits are refused"),
    API(28, txn_offset_commit, .min = 0, .max = 3),
    API(32, describe_configs, .min = 1, .max = 4),
    API(33, alter_configs, .min = 0, .max = 2, .remark = "of topics"),
    API(35, describe_log_dirs, .min = 1, .max = 4),
    API(36, sasl_authenticate, .min = 0, .max = 2, .flags = API_OPEN | API_SASL, .remark = "PLAIN, SCRAM-SHA-256, SCRAM-SHA-512"),
    API(37, create_partitions, .min = 0, .max = 3),
    API(42, delete_groups, .min = 0, .max = 2),
    API(44, incremental_alter_configs, .min = 0, .max = 1, .remark = "of topics"),
    API(46, list_partition_reassignments, .min = 0, .max = 0, .remark = "there are none"),
    API(47, offset_delete, .min = 0, .max = 0),
    API(60, describe_cluster, .min = 0, .max = 1),
    API(61, describe_producers, .min = 0, .max = 0),
    API(65, describe_transactions, .min = 0, .max = 0),
    API(66, list_transactions, .min = 0, .max = 1),
    API(75, describe_topic_partitions, .min = 0, .max = 0),
};
/* clang-format on */
const size_t broker_api_count = sizeof broker_apis / sizeof broker_apis[0];
_Static_assert(sizeof broker_apis / sizeof broker_apis[0] <= BROKER_APIS_MAX, "room for the counts of each");

const struct broker_api *broker_api_find(int16_t key)
{
    for (size_t i = 0; i < broker_api_count; i++)
        if (broker_apis[i].key == key)
            return &broker_apis[i];
    return NULL;
}

bool broker_api_is_open(int16_t api_key)
{
    const struct broker_api *api = broker_api_find(api_key);
    return api && (api->flags & API_OPEN);
}

/* "Produce": the message's name without "Request". */
static struct slice api_name(const struct broker_api *api)
{
    struct slice name = slice_str(kafka_message_name(api->request));
    name.len -= sizeof "Request" - 1;
    return name;
}

int broker_api_counts(const struct broker *broker, size_t ordinal, struct broker_api_counts *ret_counts)
{
    if (ordinal >= broker_api_count)
        return EDDA_ENOTFOUND;
    *ret_counts = broker->api_counts[ordinal];
    ret_counts->name = api_name(&broker_apis[ordinal]);
    return 0;
}

static void api_versions_handle(struct broker *broker, struct broker_call *call)
{
    struct kafka_api_versions_response *response = call->response;
    struct kafka_api_versions_response_api_version *row = call_rows(call, (int64_t)broker_api_count, sizeof *row);
    if (!row)
        return;
    if (call->head.api_version != call->version)
        response->error_code = call_code(call, KAFKA_UNSUPPORTED_VERSION);
    response->api_keys = row;
    for (size_t i = 0; i < broker_api_count; i++) {
        const struct broker_api *api = &broker_apis[i];
        if ((api->flags & API_SASL) && !broker->options.sasl)
            continue;
        row[response->api_keys_count].api_key = api->key;
        row[response->api_keys_count].min_version = api->min;
        row[response->api_keys_count++].max_version = api->max;
    }
}

static void sasl_handshake_handle(struct broker *broker, struct broker_call *call)
{
    broker->options.sasl(broker->options.user, call);
}

static void sasl_authenticate_handle(struct broker *broker, struct broker_call *call)
{
    broker->options.sasl(broker->options.user, call);
}

void broker_document(struct buffer *out)
{
    buffer_append_str(out, "# Kafka's protocol\n\nWhat is served of it, and in which versions; clients learn the same from ApiVersions. Groups are classic ones, transactions of version 1.\n\n"
                           "| key | API | versions | |\n|---|---|---|---|\n");
    for (size_t i = 0; i < broker_api_count; i++) {
        const struct broker_api *api = &broker_apis[i];
        struct slice name = api_name(api);
        buffer_printf(out, "| %d | %.*s | %d–%d | %s |\n", api->key, (int)name.len, (const char *)name.data, api->min, api->max, api->remark ? api->remark : "");
    }
    buffer_append_str(out, "\nIts limits are among [all of them](../operating/limits.md).\n");
}
