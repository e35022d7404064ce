/*
 * limits: what clients may make the server do and hold, as one table: for GET /metrics, and for docs/operating/limits.md. The numbers stand
 * where they are enforced; here is what they are called, what there is of each now, and what whoever passes one is told. A row that is missing here is a limit that no operator knows of.
 */
#include <inttypes.h>
#include <stdio.h>

#include "broker/competing.h"
#include "broker/group.h"
#include "server/collection.h"
#include "server/events.h"
#include "server/groups.h"
#include "server/kafka.h"
#include "server/parts.h"
#include "server/reference.h"
#include "server/resp.h"
#include "store/intake.h"
#include "store/plain.h"
#include "store/producers.h"
#include "store/settings.h"

/* --- how much there is now ------------------------------------------------------------------------------------------------ */

/* Looked up once for all rows. */
struct used {
    const struct server *server;
    struct store_stats store;
    struct broker_counts broker;
    struct resp_info resp;
    struct live_counts live;
    struct share_counts shares;
    uint64_t unsent, unparsed; /* of the connection that has most */
};

static void used_look(const struct server *server, struct used *ret_used)
{
    const struct broker *broker = server_host(server, &kafka_protocol);
    const struct http_host *http = server_host(server, &http_protocol);
    *ret_used = (struct used){ .server = server };
    if (server->options.store)
        store_stats(server->options.store, &ret_used->store);
    if (broker)
        broker_counts(broker, &ret_used->broker);
    resp_look(server, &ret_used->resp);
    if (http)
        live_counts(http->live, &ret_used->live);
    ret_used->shares = server->shares->counts;
    for (const struct list *link = server->connections.next; link != &server->connections; link = link->next) {
        const struct connection *connection = container_of(link, const struct connection, link);
        uint64_t unsent = connection_unsent(connection), unparsed = connection->in.len - connection->in_at;
        ret_used->unsent = unsent > ret_used->unsent ? unsent : ret_used->unsent;
        ret_used->unparsed = unparsed > ret_used->unparsed ? unparsed : ret_used->unparsed;
    }
}

#define USED(name, expression) \
    static uint64_t name(const struct used *used) \
    { \
        return (uint64_t)(expression); \
    }
USED(connections_now, used->server->connection_count)
USED(memory_now, used->server->held_bytes)
USED(unsent_now, used->unsent)
USED(unparsed_now, used->unparsed)
USED(unflushed_now, used->store.unflushed_bytes)
USED(topics_now, used->store.topics)
USED(topics_ever_now, used->store.topics_ever)
USED(partitions_now, used->store.partitions)
USED(partitions_of_topic_now, used->store.partitions_of_topic)
USED(producers_now, used->store.producers)
USED(transactional_ids_now, used->store.transactional_ids)
USED(transactions_now, used->store.transactions)
USED(kafka_waiting_now, used->broker.parked)
USED(groups_now, used->broker.groups)
USED(members_of_group_now, used->broker.members_of_group)
USED(members_bytes_now, used->broker.members_bytes)
USED(offsets_now, used->broker.offsets)
USED(group_lags_now, used->broker.offsets < BROKER_LAGS_MAX ? used->broker.offsets : BROKER_LAGS_MAX)
USED(subscriptions_now, used->resp.subscriptions_max)
USED(resp_waiting_now, used->resp.blocked)
USED(http_subscriptions_now, used->live.subscribers)
USED(http_groups_now, used->shares.groups)
USED(http_polls_now, used->shares.waiting)
USED(users_now, used->server->options.users ? users_count(used->server->options.users) : 0)

/* --- the table ------------------------------------------------------------------------------------------------------------ */

enum unit { COUNT, BYTES, MS };

struct limit {
    const char *section;  /* begins a section of the page; NULL: it is of the last one */
    const char *name;     /* label in /metrics */
    const char *what;
    enum unit unit;
    uint64_t value;       /* 0: one of the options */
    uint32_t (*of_options)(const struct server_limits *limits);
    uint64_t (*of_options_wide)(const struct server_limits *limits);
    uint64_t (*used)(const struct used *used);
    const char *told;     /* what whoever passes it gets */
};

#define OPTION(name) \
    static uint32_t of_##name(const struct server_limits *limits) \
    { \
        return limits->name; \
    }
OPTION(connections_max)
OPTION(head_bytes_max)
OPTION(body_bytes_max)
OPTION(out_bytes_max)
OPTION(handshake_ms)
OPTION(idle_ms)
OPTION(linger_ms)
OPTION(stop_ms)
static uint64_t of_memory_bytes_max(const struct server_limits *limits)
{
    return limits->memory_bytes_max;
}

/* clang-format off */
static const struct limit table[] = {
    { "Connections, of any protocol", "connections", "connections (`--connections-max`), and the descriptors that the system allows", COUNT, .of_options = of_connections_max, .used = connections_now,
      .told = "HTTP 503, RESP `ERR max number of clients reached`, Kafka nothing; it is closed" },
    { NULL, "memory_bytes", "memory of all connections together (`--memory-max`): what clients have sent and is not done, what they have been answered and have not taken, what they are subscribed to", BYTES,
      .of_options_wide = of_memory_bytes_max, .used = memory_now, .told = "who holds most is told as above, if it can be, and closed, one after the other, until there is room; `connection.shed` is said" },
    { NULL, "unsent_bytes", "answers that one client has not taken", BYTES, .of_options = of_out_bytes_max, .used = unsent_now, .told = "no further request of the connection is read; `used` is that of the connection with most" },
    { NULL, "handshake_ms", "time for TLS to be agreed on", MS, .of_options = of_handshake_ms, .told = "the connection is closed" },
    { NULL, "idle_ms", "time in which a client sends nothing, or takes nothing; clients of Kafka, and those that are subscribed or wait for something, may keep still", MS, .of_options = of_idle_ms,
      .told = "HTTP 408, RESP an error, when a request was begun; the connection is closed" },
    { NULL, "linger_ms", "time for a client to close after its last answer", MS, .of_options = of_linger_ms, .told = "the connection is closed" },
    { NULL, "stop_ms", "time for clients to take their answers when the server stops", MS, .of_options = of_stop_ms, .told = "the connection is closed" },
    { NULL, "users", "users in the file of users, which has at most 16 MiB", COUNT, USERS_MAX, .used = users_now, .told = "`EDDA_ELIMIT`, `EDDA_ETOOLARGE`: the file is not taken" },

    { "Topics and records", "topics", "topics, but for Edda's own", COUNT, STORE_TOPICS_MAX, .used = topics_now, .told = "`EDDA_ELIMIT`, field `topic`; HTTP 429, RESP `LIMIT`, Kafka POLICY_VIOLATION" },
    { NULL, "topics_ever", "topics with those that were deleted, which keep their names", COUNT, STORE_TOPICS_EVER_MAX, .used = topics_ever_now, .told = "as above; one that was there before can be made again" },
    { NULL, "partitions_of_topic", "partitions of a topic; `used` is that of the topic with most", COUNT, STORE_PARTITIONS_MAX, .used = partitions_of_topic_now, .told = "`EDDA_ELIMIT`, field `partitions`; Kafka INVALID_PARTITIONS" },
    { NULL, "partitions", "partitions of all topics, with those of deleted ones", COUNT, STORE_PARTITIONS_ALL_MAX, .used = partitions_now, .told = "`EDDA_ELIMIT`, field `partitions`; Kafka POLICY_VIOLATION" },
    { NULL, "topic_name_bytes", "name of a topic: letters, digits, `.`, `_`, `-`", BYTES, STORE_TOPIC_NAME_MAX, .told = "`EDDA_EINVAL`; Kafka INVALID_TOPIC_EXCEPTION" },
    { NULL, "key_bytes", "key of an event that is appended over HTTP, RESP or by a service. A record of Kafka's producers may have a longer one, as its batch has room for it; its stream can be read, by whoever can name it in a request, "
      "and neither appended to otherwise, truncated nor deleted", BYTES, STORE_KEY_MAX, .told = "`EDDA_ETOOLARGE`, field `key`; HTTP 422" },
    { NULL, "record_bytes", "an event that is appended: key, body, headers", BYTES, STORE_RECORD_MAX, .told = "`EDDA_ETOOLARGE`, field `value`; HTTP 413" },
    { NULL, "record_headers", "headers of a producer's record", COUNT, STORE_HEADERS_MAX, .told = "Kafka INVALID_RECORD, which says which record" },
    { NULL, "append_records", "events of one append, and expected versions", COUNT, STORE_APPEND_RECORDS_MAX, .told = "`EDDA_ELIMIT`" },
    { NULL, "batch_bytes", "a producer's batch, as it is sent: the default of `max.message.bytes` is 1,048,588 (`--message-bytes-max`), which each topic can have its own of, up to this", BYTES, STORE_BATCH_BYTES_MAX,
      .told = "`EDDA_ETOOLARGE`; Kafka MESSAGE_TOO_LARGE" },
    { NULL, "batch_plain_bytes", "a producer's batch, decompressed", BYTES, PLAIN_BATCH_BYTES_MAX, .told = "`EDDA_ETOOLARGE`; Kafka MESSAGE_TOO_LARGE" },
    { NULL, "batch_records", "records of a producer's batch", COUNT, INTAKE_RECORDS_MAX, .told = "`EDDA_ELIMIT`; Kafka POLICY_VIOLATION" },
    { NULL, "unflushed_bytes", "what is sequenced and not yet durable", BYTES, STORE_UNFLUSHED_BYTES_DEFAULT, .used = unflushed_now, .told = "nobody: no client is read until the disk has caught up" },

    { "Producers and transactions", "producers", "producers remembered, one in each partition it writes to; each for 24 hours after its last batch", COUNT, PRODUCERS_MAX, .used = producers_now,
      .told = "nobody: the one idle longest is forgotten, and any sequence number is taken from it" },
    { NULL, "transactional_ids", "transactional ids, each for 7 days after its last use", COUNT, TRANSACTIONAL_IDS_MAX, .used = transactional_ids_now, .told = "`EDDA_ELIMIT`; Kafka POLICY_VIOLATION" },
    { NULL, "transactions", "open transactions: one of each transactional id", COUNT, TRANSACTIONAL_IDS_MAX, .used = transactions_now, .told = "as above" },
    { NULL, "transaction_ms", "a transaction", MS, TRANSACTION_TIMEOUT_MAX_MS, .told = "Kafka INVALID_TRANSACTION_TIMEOUT when it is asked for; one that takes longer than it said is aborted" },
    { NULL, "transaction_partitions", "partitions of a transaction", COUNT, TRANSACTION_PARTITIONS_MAX, .told = "`EDDA_ELIMIT`; Kafka POLICY_VIOLATION" },
    { NULL, "transaction_batches", "batches of a transaction", COUNT, TRANSACTION_BATCHES_MAX, .told = "as above" },
    { NULL, "transaction_records", "records of a transaction", COUNT, TRANSACTION_RECORDS_MAX, .told = "as above" },
    { NULL, "transaction_groups", "groups whose offsets are in a transaction", COUNT, TRANSACTION_GROUPS_MAX, .told = "as above" },
    { NULL, "transaction_offsets", "offsets in a transaction", COUNT, TRANSACTION_OFFSETS_MAX, .told = "as above" },

    { "Kafka's protocol", "kafka_request_bytes", "a request; `used` is what the connection with most has sent of one, of any protocol", BYTES, KAFKA_REQUEST_BYTES_MAX, .used = unparsed_now,
      .told = "the connection is closed, for nothing that is said would be understood; `kafka.malformed` is said" },
    { NULL, "kafka_stranger_bytes", "a request of who has not said yet who it is", BYTES, KAFKA_STRANGER_BYTES_MAX, .told = "as above" },
    { NULL, "kafka_call_bytes", "a request and its answer in memory, but for records", BYTES, BROKER_CALL_BYTES_MAX, .told = "the connection is closed; `kafka.memory` is said" },
    { NULL, "kafka_fetch_bytes", "records of one Fetch, but for a first batch that is larger", BYTES, BROKER_FETCH_BYTES_MAX, .told = "nobody: the next Fetch has the rest" },
    { NULL, "kafka_fetch_partitions", "partitions of one Fetch", COUNT, BROKER_PARTITIONS_ASKED_MAX, .told = "Kafka INVALID_REQUEST" },
    { NULL, "kafka_fetch_wait_ms", "wait of one Fetch", MS, BROKER_FETCH_WAIT_MAX_MS, .told = "nobody: it is answered" },
    { NULL, "kafka_waiting", "requests that wait, for records, for members, for the disk: one of each connection", COUNT, .of_options = of_connections_max, .used = kafka_waiting_now, .told = "as connections" },
    { NULL, "groups", "consumer groups", COUNT, GROUPS_MAX, .used = groups_now, .told = "Kafka GROUP_MAX_SIZE_REACHED, POLICY_VIOLATION of a commit" },
    { NULL, "group_members", "members of a group; `used` is that of the group with most", COUNT, GROUP_MEMBERS_MAX, .used = members_of_group_now, .told = "Kafka GROUP_MAX_SIZE_REACHED" },
    { NULL, "group_bytes", "names, metadata and assignments of a group's members", BYTES, GROUP_BYTES_MAX, .told = "Kafka GROUP_MAX_SIZE_REACHED" },
    { NULL, "groups_bytes", "the same of all groups", BYTES, GROUPS_BYTES_MAX, .used = members_bytes_now, .told = "Kafka GROUP_MAX_SIZE_REACHED" },
    { NULL, "group_protocols", "protocols of a member", COUNT, GROUP_PROTOCOLS_MAX, .told = "Kafka INCONSISTENT_GROUP_PROTOCOL" },
    { NULL, "group_session_ms", "session of a member, at least 6 s", MS, GROUP_SESSION_MAX_MS, .told = "Kafka INVALID_SESSION_TIMEOUT" },
    { NULL, "group_name_bytes", "name of a group", BYTES, GROUP_NAME_MAX, .told = "Kafka INVALID_GROUP_ID" },
    { NULL, "offsets", "committed offsets, each for 7 days after the last member has left", COUNT, GROUPS_OFFSETS_MAX, .used = offsets_now, .told = "Kafka POLICY_VIOLATION" },
    { NULL, "kafka_group_lags", "groups and partitions whose lag `/metrics` tells, in at most 4 MiB", COUNT, BROKER_LAGS_MAX, .used = group_lags_now, .told = "nobody: further ones are left out" },
    { NULL, "offset_metadata_bytes", "metadata of a committed offset", BYTES, GROUP_OFFSET_METADATA_MAX, .told = "Kafka OFFSET_METADATA_TOO_LARGE" },

    { "Redis's protocol", "resp_command_bytes", "a command", BYTES, RESP_COMMAND_BYTES_MAX, .told = "`ERR Protocol error`, and the connection is closed" },
    { NULL, "resp_arguments", "words of a command", COUNT, RESP_ARGUMENTS_MAX, .told = "as above" },
    { NULL, "resp_name_bytes", "a pattern of channels; what a channel is called, and what stands before the `/` of a stream, is the name of a topic", BYTES, RESP_NAME_BYTES_MAX, .told = "an error" },
    { NULL, "resp_subscriptions", "subscriptions of a connection; `used` is that of the connection with most", COUNT, RESP_SUBSCRIPTIONS_MAX, .used = subscriptions_now, .told = "`LIMIT`" },
    { NULL, "resp_unsent_bytes", "what a subscriber has not taken", BYTES, RESP_UNSENT_BYTES_MAX, .told = "it is closed; `resp.slow` is said" },
    { NULL, "resp_answer_bytes", "entries of one XRANGE; half of it for one XREAD", BYTES, RESP_ANSWER_BYTES_MAX, .told = "`ERR`, which advises COUNT; XREAD gives the rest to the next" },
    { NULL, "resp_group_consumers", "consumers of a group that have a name; its other limits are those over HTTP", COUNT, COMPETING_CONSUMERS_MAX, .told = "`LIMIT`" },
    { NULL, "resp_consumer_name_bytes", "name of a consumer", BYTES, COMPETING_CONSUMER_NAME_MAX, .told = "`ERR`" },
    { NULL, "resp_read_streams", "streams of one XREAD or XREADGROUP", COUNT, RESP_STREAMS_MAX, .told = "`LIMIT`" },
    { NULL, "resp_waiting", "clients that wait with XREAD or XREADGROUP BLOCK: one of each connection", COUNT, .of_options = of_connections_max, .used = resp_waiting_now, .told = "as connections" },

    { "HTTP", "http_head_bytes", "request line and headers", BYTES, .of_options = of_head_bytes_max, .told = "431" },
    { NULL, "http_headers", "headers", COUNT, HTTP_HEADERS_MAX, .told = "431" },
    { NULL, "http_body_bytes", "body", BYTES, .of_options = of_body_bytes_max, .told = "413" },
    { NULL, "http_answer_bytes", "one answer", BYTES, CONTENT_BYTES_MAX, .told = "503" },
    { NULL, "http_page_rows", "rows of one page of a list", COUNT, COLLECTION_SIZE_MAX, .told = "400, field `size`" },
    { NULL, "http_events", "events of one request, all or none", COUNT, EVENTS_BATCH_MAX, .told = "`EDDA_ELIMIT`" },
    { NULL, "http_page_events", "events of one page, 100 unless asked for", COUNT, EVENTS_LIMIT_MAX, .told = "`EDDA_EINVAL`, field `limit`" },
    { NULL, "http_page_bytes", "the same in bytes; a page ends with the event that reaches it", BYTES, EVENTS_PAGE_BYTES, .told = "nobody: the page says where to go on" },
    { NULL, "http_page_looked", "records looked at for one page, which is how far a stream is read at once", COUNT, EVENTS_LOOKED_MAX, .told = "nobody: the page says where to go on" },
    { NULL, "http_types", "types that are asked for at once", COUNT, EVENTS_TYPES_MAX, .told = "`EDDA_ELIMIT`, field `type`" },
    { NULL, "http_subscriptions", "subscriptions: one of each connection", COUNT, .of_options = of_connections_max, .used = http_subscriptions_now, .told = "as connections" },
    { NULL, "http_subscription_unsent_bytes", "what a subscriber has not taken, and one event", BYTES, EVENTS_UNSENT_BYTES_MAX, .told = "nobody: it is sent more when it has taken them" },
    { NULL, "http_groups", "groups of topics and streams, over HTTP and Redis's protocol, in use since the start", COUNT, SHARES_MAX, .used = http_groups_now, .told = "`EDDA_ELIMIT`" },
    { NULL, "http_group_name_bytes", "name of a group", BYTES, SHARE_NAME_MAX, .told = "`EDDA_EINVAL`, field `group`" },
    { NULL, "http_group_open", "records of a group and topic, or stream, that are open", COUNT, COMPETING_OPEN_MAX, .told = "nobody: further ones are given when some are done" },
    { NULL, "http_group_parked", "parked records of a group and topic, or stream", COUNT, COMPETING_PARKED_MAX, .told = "`EDDA_ELIMIT`" },
    { NULL, "http_polls", "polls that wait: one of each connection", COUNT, .of_options = of_connections_max, .used = http_polls_now, .told = "as connections" },
    { NULL, "http_poll_records", "records of one poll", COUNT, POLL_MAX, .told = "`EDDA_EINVAL`" },
    { NULL, "http_poll_wait_ms", "wait of one poll", MS, POLL_WAIT_MAX_MS, .told = "`EDDA_EINVAL`" },
    { NULL, "http_poll_timeout_ms", "time until a record that is not acknowledged is given again", MS, POLL_TIMEOUT_MAX_MS, .told = "`EDDA_EINVAL`" },
};
/* clang-format on */

static uint64_t value_of(const struct limit *limit, const struct server_limits *limits)
{
    if (limit->of_options_wide)
        return limit->of_options_wide(limits);
    return limit->of_options ? limit->of_options(limits) : limit->value;
}

/* --- the options ---------------------------------------------------------------------------------------------------------- */

static void take_over(uint32_t *limit, uint32_t fallback)
{
    if (*limit == 0)
        *limit = fallback;
}

void limits_init(struct server_limits *limits)
{
    take_over(&limits->connections_max, 10000);
    take_over(&limits->head_bytes_max, UINT32_C(16) << 10);
    take_over(&limits->body_bytes_max, UINT32_C(1) << 20);
    take_over(&limits->out_bytes_max, UINT32_C(1) << 20);
    if (limits->memory_bytes_max == 0)
        limits->memory_bytes_max = UINT64_C(1) << 30;
    take_over(&limits->handshake_ms, 10000);
    take_over(&limits->idle_ms, 60000);
    take_over(&limits->linger_ms, 2000);
    take_over(&limits->stop_ms, 5000);
    take_over(&limits->partitions_default, BROKER_PARTITIONS_DEFAULT);
    take_over(&limits->message_bytes_max, STORE_BATCH_BYTES_DEFAULT);
}

/* --- shown ---------------------------------------------------------------------------------------------------------------- */

void limits_put(const struct server *server, const char *metric, struct buffer *out)
{
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        buffer_printf(out, "%s{limit=\"%s\"} %" PRIu64 "\n", metric, table[i].name, value_of(&table[i], &server->limits));
}

void limits_put_used(const struct server *server, const char *metric, struct buffer *out)
{
    struct used used;
    used_look(server, &used);
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (table[i].used)
            buffer_printf(out, "%s{limit=\"%s\"} %" PRIu64 "\n", metric, table[i].name, table[i].used(&used));
}

/* 10,000 or 4,096 bytes or 64 MiB or 10 s. */
static void put_value(uint64_t value, enum unit unit, struct buffer *out)
{
    static const char *const units[] = { "", " KiB", " MiB", " GiB" };
    size_t scale = 0;
    for (; unit == BYTES && value >= (scale ? 1024 : 4097) && value % 1024 == 0 && scale < 3; scale++)
        value /= 1024;
    bool seconds = unit == MS && value % 1000 == 0;
    value /= seconds ? 1000 : 1;
    char digits[32];
    int len = snprintf(digits, sizeof digits, "%" PRIu64, value);
    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0)
            buffer_append_byte(out, ',');
        buffer_append_byte(out, (uint8_t)digits[i]);
    }
    buffer_append_str(out, unit == BYTES ? scale ? units[scale] : " bytes" : unit == MS ? seconds ? " s" : " ms" : "");
}

void limits_document(struct buffer *out)
{
    struct server_limits defaults = { .connections_max = 0 };
    limits_init(&defaults);
    buffer_append_str(out, "## `edda serve`\n\n`GET /metrics` has each limit as `edda_limit{limit=\"NAME\"}`, and how much there is now of those with a ✓ as `edda_limit_used{limit=\"NAME\"}`. "
                           "Those with an option\ncan be changed ([running](running.md)); the others are fixed. The memory that connections have in common is what a hostile crowd can take of it; "
                           "the kernel's own buffers of sockets, and of TLS some 50 KiB a\nconnection, are not in it.\n");
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        const struct limit *limit = &table[i];
        if (limit->section)
            buffer_printf(out, "\n### %s\n\n| limit | of what | default | now | who passes it gets |\n|---|---|---|---|---|\n", limit->section);
        buffer_printf(out, "| `%s` | %s | ", limit->name, limit->what);
        put_value(value_of(limit, &defaults), limit->unit, out);
        buffer_printf(out, " | %s | %s |\n", limit->used ? "✓" : "", limit->told);
    }
}
