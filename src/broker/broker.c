/*
 * broker: a call's way. A frame comes in, its head says which row of the table it is for, its body is decoded into the call's arena, the row's
 * handler fills the response; the call is answered when the handler returns, unless it has parked it. A parked call is resumed when what it waits for has
 * happened, or its time is over: always in broker_turn(), never in the middle of somebody else's call.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/put.h"
#include "broker/internal.h"
#include "store/settings.h"

#define NS_PER_MS INT64_C(1000000)
#define ARENA_BLOCK_BYTES 4096
#define ARENA_KEPT_BYTES 8192 /* a call that is free keeps no more memory than about this: there may be one for each of many connections */
#define SCRATCH_KEPT_BYTES (UINT32_C(1) << 20)

/* --- opening and closing ------------------------------------------------------------------------------- */

/* 16 bytes in base64 for URLs, as Kafka's clusters are named: made from the number of the log, so that it is the same for ever. */
static void cluster_id_make(struct broker *broker)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    uint8_t id[18] = { 0 }, number[8];
    put_be64(number, store_id(broker->store));
    struct hash128 hash = hash128(slice_of(number, sizeof number), 0);
    put_be64(put_be64(id, hash.hi), hash.lo);
    for (size_t i = 0; i < 22; i++) {
        size_t bit = i * 6;
        unsigned pair = (unsigned)id[bit / 8] << 8 | id[bit / 8 + 1];
        broker->cluster_id[i] = digits[pair >> (10 - bit % 8) & 63];
    }
}

int broker_open(const struct broker_options *options, struct broker **ret_broker, struct edda_error *error)
{
    struct broker *broker = calloc(1, sizeof *broker);
    if (!broker)
        return edda_fail_with(error, EDDA_ENOMEM, "no memory for the broker");
    broker->options = *options;
    broker->store = options->store;
    if (broker->options.partitions_default == 0)
        broker->options.partitions_default = BROKER_PARTITIONS_DEFAULT;
    if (broker->options.message_bytes_max == 0)
        broker->options.message_bytes_max = STORE_BATCH_BYTES_DEFAULT;
    cluster_id_make(broker);
    heap_init(&broker->due);
    list_init(&broker->ready);
    list_init(&broker->stalled);
    table_init(&broker->waiters);
    int rc = groups_open(&(struct groups_options){ .store = options->store, .rebalance_delay_ms = options->group_rebalance_delay_ms,
                                                   .joined = groups_on_joined, .synced = groups_on_synced, .user = broker },
                         &broker->groups, error);
    if (rc < 0) {
        broker_close(broker);
        return rc;
    }
    store_on_durable(broker->store, fetch_on_durable, broker);
    *ret_broker = broker;
    return 0;
}

void broker_close(struct broker *broker)
{
    if (!broker)
        return;
    ASSERT(broker->counts.parked == 0);
    if (broker->groups) {
        store_on_durable(broker->store, NULL, NULL);
        groups_close(broker->groups);
    }
    heap_deinit(&broker->due);
    table_deinit(&broker->waiters);
    buffer_deinit(&broker->slices);
    buffer_deinit(&broker->pieces);
    free(broker);
}

void broker_log(struct broker *broker, const char *event, const char *format, ...)
{
    char text[512];
    va_list arguments;
    if (!broker->options.log)
        return;
    va_start(arguments, format);
    int len = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    broker->options.log(broker->options.user, event, len < 0 ? "" : text);
}

/* --- calls ---------------------------------------------------------------------------------------------- */

void broker_call_init(struct broker_call *call)
{
    *call = (struct broker_call){ .state = BROKER_CALL_FREE, .due = HEAP_NODE_INIT };
    arena_init(&call->arena, ARENA_BLOCK_BYTES, BROKER_CALL_BYTES_MAX);
    list_init(&call->ready);
}

void broker_call_trim(struct broker_call *call)
{
    if (call->arena.used <= ARENA_KEPT_BYTES)
        return;
    arena_deinit(&call->arena);
    arena_init(&call->arena, ARENA_BLOCK_BYTES, BROKER_CALL_BYTES_MAX);
}

void broker_call_deinit(struct broker_call *call)
{
    ASSERT(call->state == BROKER_CALL_FREE);
    arena_deinit(&call->arena);
}

static void call_answer(struct broker_call *call)
{
    struct broker *broker = call->broker;
    call->state = BROKER_CALL_FREE;
    broker->options.answered(broker->options.user, call);
}

/* Runs a handler, or what it goes on with, and answers if that has ended the call. */
static void call_run(struct broker_call *call, void (*run)(struct broker *, struct broker_call *))
{
    call->state = BROKER_CALL_RUNNING;
    call->gate = UINT64_MAX;
    run(call->broker, call);
    if (call->state == BROKER_CALL_PARKED)
        return;
    if (call->gate == UINT64_MAX)
        call->gate = store_tail(call->broker->store);
    call_answer(call);
}

void call_park(struct broker_call *call, int64_t due_ns, void (*resume)(struct broker *, struct broker_call *),
               void (*forget)(struct broker *, struct broker_call *))
{
    struct broker *broker = call->broker;
    ASSERT(call->state == BROKER_CALL_RUNNING);
    call->resume = resume;
    call->forget = forget;
    call->state = BROKER_CALL_PARKED;
    broker->counts.parked++;
    /* Without memory for its alarm it is looked at in every turn instead. */
    if (due_ns != INT64_MAX && !heap_insert(&broker->due, &call->due, due_ns, broker->due_order++))
        call_ready(call);
}

void call_ready(struct broker_call *call)
{
    if (!list_linked(&call->ready))
        list_push_back(&call->broker->ready, &call->ready);
}

/* It is parked no more. */
static void call_take(struct broker_call *call)
{
    struct broker *broker = call->broker;
    ASSERT(call->state == BROKER_CALL_PARKED);
    broker->counts.parked--;
    list_remove(&call->ready);
    if (heap_contains(&call->due))
        heap_remove(&broker->due, &call->due);
    call->state = BROKER_CALL_RUNNING;
    if (call->forget)
        call->forget(broker, call);
}

void broker_cancel(struct broker *broker, struct broker_call *call)
{
    (void)broker;
    if (call->state != BROKER_CALL_PARKED)
        return;
    call_take(call);
    call->state = BROKER_CALL_FREE;
    broker_call_trim(call);
}

/* --- requests ------------------------------------------------------------------------------------------- */

/* The connection ends: whoever sends this speaks another protocol, or a version that was never offered. */
static void call_break(struct broker_call *call, const char *event, const char *words)
{
    struct broker *broker = call->broker;
    broker->counts.malformed++;
    broker_log(broker, event, "%s: request of API %d, version %d, client %.*s: %s", call->host ? call->host : "?", call->head.api_key,
               call->head.api_version, (int)(call->head.client_id.len < 100 ? call->head.client_id.len : 100),
               call->head.client_id.data ? (const char *)call->head.client_id.data : "", words);
    call->fatal = true;
    call_answer(call);
}

static bool api_has_version(const struct broker_api *api, int version)
{
    return version >= api->min && version <= api->max;
}

/* Decodes the body and runs the handler. */
static void call_begin(struct broker_call *call, struct slice frame)
{
    struct edda_error error = { .code = 0 };
    const struct broker_api *api = call->api;
    struct slice body;
    void *request = arena_alloc(&call->arena, kafka_message_size(api->request));
    call->response = arena_alloc(&call->arena, kafka_message_size(api->response));
    call->request = request;
    if (!request || !call->response) {
        call_break(call, "kafka.memory", "there is no memory for it");
        return;
    }
    kafka_message_init(api->response, call->response);
    bool known = api_has_version(api, call->head.api_version);
    call->version = known ? call->head.api_version : 0;
    /* KIP-511: of ApiVersions in a version that is not known only the head can be read; the answer says what is. */
    if (known) {
        int rc = kafka_request_body(frame, kafka_message_flexible(api->request, call->head.api_version), &body, &error);
        if (rc == 0)
            rc = kafka_decode(api->request, call->head.api_version, body, &call->arena, request, &error);
        if (rc < 0) {
            call_break(call, rc == EDDA_ENOMEM ? "kafka.memory" : "kafka.malformed", error.message);
            return;
        }
    } else {
        kafka_message_init(api->request, request);
    }
    call->broker->api_counts[api - broker_apis].requests++;
    call_run(call, api->handle);
}

void broker_handle(struct broker *broker, struct broker_call *call, struct slice frame, int64_t now_ns)
{
    struct edda_error error = { .code = 0 };
    ASSERT(call->state == BROKER_CALL_FREE);
    broker->now_ns = now_ns;
    broker->counts.bytes_in += frame.len;
    arena_reset(&call->arena);
    call->broker = broker;
    call->api = NULL;
    call->silent = call->fatal = false;
    call->waiting = NULL;
    call->pieces = NULL;
    call->records_bytes = 0;
    call->head = (struct kafka_request_head){ .api_key = -1, .api_version = -1 };
    call->state = BROKER_CALL_RUNNING;
    if (kafka_request_head(frame, &call->head, &error) < 0) {
        call_break(call, "kafka.malformed", error.message);
        return;
    }
    call->api = broker_api_find(call->head.api_key);
    bool known = call->api && (!(call->api->flags & API_SASL) || broker->options.sasl);
    if (!known || (!api_has_version(call->api, call->head.api_version) && call->head.api_key != API_VERSIONS_KEY)) {
        call_break(call, "kafka.unsupported", "it is not served, and was not offered");
        return;
    }
    if ((call->api->flags & API_WAITS) && !(frame = arena_copy(&call->arena, frame)).data) {
        call_break(call, "kafka.memory", "there is no memory for it");
        return;
    }
    call_begin(call, frame);
}

bool broker_call_borrows(const struct broker_call *call)
{
    return call->state == BROKER_CALL_PARKED && !(call->api->flags & API_WAITS);
}

int broker_response_put(const struct broker_call *call, struct buffer *out, struct edda_error *error)
{
    const struct broker_api *api = call->api;
    size_t before = out->len;
    /* KIP-511: the head of this one response is never flexible, since who asks may not know what was understood. */
    bool flexible = api->key != API_VERSIONS_KEY && kafka_message_flexible(api->response, call->version);
    int rc = kafka_response_put(out, call->head.correlation_id, flexible, api->response, call->version, call->response, call->pieces, error);
    if (rc == 0)
        call->broker->counts.bytes_out += out->len - before;
    return rc;
}

/* --- turns ---------------------------------------------------------------------------------------------- */

/* Transactions go by log time. */
static int64_t transactions_turn(struct broker *broker)
{
    int64_t due_ms = transactions_expire(broker->store);
    if (due_ms == INT64_MAX)
        return INT64_MAX;
    int64_t left_ms = due_ms - store_time_ms(broker->store);
    return left_ms > INT32_MAX ? INT64_MAX : broker->now_ns + (left_ms > 0 ? left_ms : 0) * NS_PER_MS;
}

static void scratch_trim(struct buffer *scratch)
{
    if (scratch->capacity > SCRATCH_KEPT_BYTES)
        buffer_deinit(scratch);
}

int64_t broker_turn(struct broker *broker, int64_t now_ns)
{
    struct heap_node *node;
    broker->now_ns = now_ns;
    int64_t next = groups_turn(broker->groups, now_ns);
    int64_t transactions = transactions_turn(broker);
    next = transactions < next ? transactions : next;
    produce_unstall(broker);
    while ((node = heap_first(&broker->due)) && node->key <= now_ns) {
        heap_remove(&broker->due, node);
        call_ready(container_of(node, struct broker_call, due));
    }
    /* What becomes ready meanwhile is for the next turn, or a call that nothing satisfies would keep this one going. */
    struct list ready, *link;
    list_init(&ready);
    list_insert_before(&broker->ready, &ready);
    list_remove(&broker->ready);
    while ((!broker->options.full || !broker->options.full(broker->options.user)) && (link = list_pop_front(&ready))) {
        struct broker_call *call = container_of(link, struct broker_call, ready);
        call_take(call);
        call_run(call, call->resume);
    }
    while ((link = list_pop_front(&ready)))
        list_push_back(&broker->ready, link);
    scratch_trim(&broker->slices);
    scratch_trim(&broker->pieces);
    if ((node = heap_first(&broker->due)) && node->key < next)
        next = node->key;
    return list_empty(&broker->ready) ? next : now_ns;
}

static int count_group(void *user, const struct group_info *group)
{
    struct broker_counts *counts = user;
    counts->groups++;
    counts->members_of_group = group->member_count > counts->members_of_group ? group->member_count : counts->members_of_group;
    return 0;
}

void broker_counts(const struct broker *broker, struct broker_counts *ret_counts)
{
    *ret_counts = broker->counts;
    (void)groups_each(broker->groups, count_group, ret_counts);
    groups_sizes(broker->groups, &ret_counts->members_bytes, &ret_counts->offsets);
}

struct lag_listing {
    const struct broker *broker;
    bool (*visit)(void *user, const struct broker_lag *lag);
    void *user;
    uint32_t left;
};

static int lag_visit(void *user, struct slice group, const struct group_offset *committed)
{
    struct lag_listing *listing = user;
    const struct topic *topic = store_topic(listing->broker->store, committed->topic);
    struct store_bounds bounds;
    if (!topic || topic_hidden(committed->topic) || committed->partition >= topic->partition_count)
        return 0;
    store_partition_bounds(listing->broker->store, topic, committed->partition, &bounds);
    const struct broker_lag lag = { .group = group, .topic = committed->topic, .partition = committed->partition,
                                    .offsets = bounds.durable > committed->offset ? (uint64_t)(bounds.durable - committed->offset) : 0 };
    return !listing->visit(listing->user, &lag) || --listing->left == 0;
}

void broker_lags_each(const struct broker *broker, bool (*visit)(void *user, const struct broker_lag *lag), void *user)
{
    struct lag_listing listing = { broker, visit, user, BROKER_LAGS_MAX };
    (void)groups_offsets_each(broker->groups, lag_visit, &listing);
}
