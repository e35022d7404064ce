/*
 * fetch: Fetch. Whole batches as they lie, of what is durable. A fetch that finds too little waits: it is entered with each of its partitions, is looked at
 * again when one of them has more that is durable, and is answered with what there is when its time is over.
 *
 * What is not in memory is not given: the store asks the disk for it, and the fetch is looked at again a moment later. A consumer that reads an old part of the log would
 * else have all clients wait for the disk with it.
 *
 * What the store gives are slices of its mapping. The answer is encoded from there, which copies them once, and is good because an answer is encoded before
 * anything else happens.
 *
 * Partitions are looked at in a ring that begins elsewhere each time, or the first ones of a long list would use up the bytes of every answer.
 */
#include "base/hash.h"
#include "broker/internal.h"
#include "wire/kafka/batch.h"

#define NS_PER_MS INT64_C(1000000)
#define DISK_LOOK_NS NS_PER_MS
#define DISK_WAIT_NS (1000 * NS_PER_MS) /* then it is read as it is: it may leave the memory as fast as it comes */
#define ID_FROM 13 /* topics are named by id only */

struct fetch_waiter {
    struct table_link link; /* of the broker, by partition */
    struct broker_call *call;
};

struct fetch_part {
    const struct kafka_fetch_request_fetch_partition *asked;
    struct kafka_fetch_response_partition_data *answer;
    struct topic *topic; /* NULL: refused, with the answer's code */
    size_t first_slice, slice_count;
    struct fetch_waiter waiter;
};

struct fetch {
    struct fetch_part *parts;
    uint32_t part_count;
    int64_t end_ns; /* of waiting */
    int64_t disk_ns; /* since when the disk is waited for; 0: it is not */
    bool unloaded;   /* something that could be given is not in memory */
    bool waited;
};

static uint64_t waiter_hash(const struct topic *topic, uint32_t partition)
{
    return hash64_mix((uint64_t)(uintptr_t)topic, partition);
}

void fetch_on_durable(void *user, struct topic *topic, uint32_t partition)
{
    struct broker *broker = user;
    /* Of another partition with the same hash it is woken for nothing. */
    for (struct table_link *link = table_find(&broker->waiters, waiter_hash(topic, partition)); link; link = table_find_next(link))
        call_ready(container_of(link, struct fetch_waiter, link)->call);
}

/* --- looking ------------------------------------------------------------------------------------------- */

/* What the store gives of one partition, to the end of the broker's slices. */
static int take_slice(void *user, struct slice bytes)
{
    struct buffer *slices = user;
    struct slice *last = slices->len ? (struct slice *)(void *)(slices->data + slices->len - sizeof *last) : NULL;
    /* Batches that lie one behind the other are one piece; the empty slice parts partitions. */
    if (last && last->len > 0 && last->data + last->len == bytes.data)
        last->len += bytes.len;
    else
        buffer_append(slices, &bytes, sizeof bytes);
    return buffer_ok(slices) ? 0 : EDDA_ENOMEM;
}

static int16_t fetch_code(struct broker_call *call, int code)
{
    return code == EDDA_EOFFSET ? call_code(call, KAFKA_OFFSET_OUT_OF_RANGE) : call_failed(call, code);
}

/* Looks at one partition; returns the bytes that it gives. */
static uint64_t fetch_look(struct broker_call *call, struct fetch_part *part, uint64_t bytes_max, bool first)
{
    const struct kafka_fetch_request *request = call->request;
    struct broker *broker = call->broker;
    struct edda_error error;
    struct store_bounds bounds;
    static const struct slice nothing = { 0 };
    uint32_t partition = (uint32_t)part->asked->partition;
    if (part->topic->deleted) {
        part->answer->error_code = call_code(call, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
        return 0;
    }
    /* What the client may do can have changed while it waited. */
    struct fetch *fetch = call->waiting;
    if (fetch->waited && !call_may(call, BROKER_READ, slice_str(part->topic->name))) {
        part->answer->error_code = call_code(call, KAFKA_TOPIC_AUTHORIZATION_FAILED);
        return 0;
    }
    store_partition_bounds(broker->store, part->topic, partition, &bounds);
    part->answer->high_watermark = bounds.durable;
    part->answer->last_stable_offset = bounds.stable;
    part->answer->log_start_offset = bounds.start;
    buffer_append(&broker->slices, &nothing, sizeof nothing);
    part->first_slice = broker->slices.len / sizeof(struct slice);
    uint64_t most = part->asked->partition_max_bytes > 0 ? (uint64_t)part->asked->partition_max_bytes : 0;
    int64_t given = store_fetch(broker->store,
                                &(struct store_fetch){ .topic = part->topic, .partition = partition, .offset = part->asked->fetch_offset,
                                                       .bytes_max = most < bytes_max ? most : bytes_max, .first_whole = first,
                                                       .committed = request->isolation_level == 1,
                                                       .loaded_only = !fetch->disk_ns || broker->now_ns - fetch->disk_ns < DISK_WAIT_NS },
                                take_slice, &broker->slices, &error);
    part->slice_count = broker->slices.len / sizeof(struct slice) - part->first_slice;
    fetch->unloaded |= given == EDDA_EBUSY;
    if (given < 0 && given != EDDA_EBUSY)
        part->answer->error_code = fetch_code(call, (int)given);
    return given < 0 ? 0 : (uint64_t)given;
}

/* All of them; *ret_refused tells whether one has failed. Returns the bytes of all. */
static uint64_t fetch_look_all(struct broker_call *call, struct fetch *fetch, bool *ret_refused)
{
    const struct kafka_fetch_request *request = call->request;
    struct broker *broker = call->broker;
    uint64_t bytes_max = request->max_bytes < 0 ? 0 : (uint64_t)request->max_bytes;
    uint64_t given = 0;
    if (bytes_max > BROKER_FETCH_BYTES_MAX)
        bytes_max = BROKER_FETCH_BYTES_MAX;
    buffer_clear(&broker->slices);
    *ret_refused = false;
    uint64_t start = fetch->part_count ? broker->fetch_turn++ % fetch->part_count : 0;
    for (uint32_t i = 0; i < fetch->part_count; i++) {
        struct fetch_part *part = &fetch->parts[(start + i) % fetch->part_count];
        part->slice_count = 0;
        if (part->topic)
            given += fetch_look(call, part, given < bytes_max ? bytes_max - given : 0, given == 0);
        *ret_refused |= part->answer->error_code != KAFKA_NONE;
    }
    if (!buffer_ok(&broker->slices))
        call->fatal = true;
    return given;
}

/* --- answering ------------------------------------------------------------------------------------------ */

/* The offset behind the last batch of those given. */
static int64_t end_of(struct slice bytes, int64_t end)
{
    struct batch batch;
    int64_t len;
    while (bytes.len > 0 && (len = batch_parse(bytes, &batch, NULL)) > 0) {
        end = batch.base_offset + batch.last_offset_delta + 1;
        bytes = slice_from(bytes, (size_t)len);
    }
    return end;
}

/* NULL: no partition gives anything. */
static const struct slice *slices_of(const struct broker *broker, const struct fetch_part *part)
{
    return broker->slices.len ? (const struct slice *)(const void *)broker->slices.data + part->first_slice : NULL;
}

struct aborted_list {
    struct broker_call *call;
    struct kafka_fetch_response_aborted_transaction *rows;
    int32_t count, capacity;
};

static int take_aborted(void *user, const struct store_aborted *aborted)
{
    struct aborted_list *list = user;
    if (list->count == list->capacity) {
        int32_t capacity = list->capacity ? list->capacity * 2 : 8;
        struct kafka_fetch_response_aborted_transaction *rows = call_rows(list->call, capacity, sizeof *rows);
        if (!rows)
            return EDDA_ENOMEM;
        if (list->count)
            memcpy(rows, list->rows, (size_t)list->count * sizeof *rows);
        list->rows = rows;
        list->capacity = capacity;
    }
    list->rows[list->count].producer_id = aborted->producer_id;
    list->rows[list->count++].first_offset = aborted->first_offset;
    return 0;
}

/* Consumers of committed records drop the records of these; others must not be told, or they would too. */
static void fill_aborted(struct broker_call *call, struct fetch_part *part)
{
    struct aborted_list list = { .call = call };
    const struct slice *slices = slices_of(call->broker, part);
    int64_t end = part->asked->fetch_offset;
    for (size_t i = 0; i < part->slice_count; i++)
        end = end_of(slices[i], end);
    if (part->slice_count > 0)
        (void)store_aborted_each(call->broker->store, part->topic, (uint32_t)part->asked->partition, part->asked->fetch_offset, end,
                                 take_aborted, &list);
    part->answer->aborted_transactions = list.rows;
    part->answer->aborted_transactions_count = list.count;
}

static void fetch_fill(struct broker_call *call, struct fetch *fetch)
{
    const struct kafka_fetch_request *request = call->request;
    struct broker *broker = call->broker;
    buffer_clear(&broker->pieces);
    for (uint32_t i = 0; i < fetch->part_count; i++) {
        struct fetch_part *part = &fetch->parts[i];
        const struct slice *slices = slices_of(broker, part);
        if (part->slice_count > 0)
            part->answer->records.data = slices[0].data;
        for (size_t k = 0; k < part->slice_count; k++)
            part->answer->records.len += slices[k].len;
        buffer_append(&broker->pieces, slices, part->slice_count * sizeof *slices);
        if (part->topic && request->isolation_level == 1)
            fill_aborted(call, part);
        call->records_bytes += part->answer->records.len;
    }
    broker->counts.fetched_bytes += call->records_bytes;
    call->pieces = (const struct slice *)(const void *)broker->pieces.data;
    if (!buffer_ok(&broker->pieces))
        call->fatal = true;
}

/* --- waiting -------------------------------------------------------------------------------------------- */

static void fetch_run(struct broker *broker, struct broker_call *call);

static void fetch_forget(struct broker *broker, struct broker_call *call)
{
    struct fetch *fetch = call->waiting;
    for (uint32_t i = 0; i < fetch->part_count; i++)
        if (fetch->parts[i].waiter.call)
            table_remove(&broker->waiters, &fetch->parts[i].waiter.link);
    for (uint32_t i = 0; i < fetch->part_count; i++)
        fetch->parts[i].waiter.call = NULL;
}

/* False when there is no memory to wait. */
static bool fetch_wait(struct broker_call *call, struct fetch *fetch)
{
    struct broker *broker = call->broker;
    for (uint32_t i = 0; i < fetch->part_count; i++) {
        struct fetch_part *part = &fetch->parts[i];
        if (!table_insert(&broker->waiters, &part->waiter.link, waiter_hash(part->topic, (uint32_t)part->asked->partition))) {
            fetch_forget(broker, call);
            return false;
        }
        part->waiter.call = call;
    }
    fetch->waited = true;
    call_park(call, fetch->end_ns, fetch_run, fetch_forget);
    return true;
}

static void fetch_run(struct broker *broker, struct broker_call *call)
{
    const struct kafka_fetch_request *request = call->request;
    struct fetch *fetch = call->waiting;
    bool refused;
    fetch->unloaded = false;
    uint64_t given = fetch_look_all(call, fetch, &refused);
    bool enough = refused || fetch->part_count == 0 || given >= (uint64_t)(request->min_bytes > 0 ? request->min_bytes : 0);
    if (!enough && !call->fatal && fetch->unloaded) {
        fetch->disk_ns = fetch->disk_ns ? fetch->disk_ns : broker->now_ns;
        fetch->waited = true;
        call_park(call, broker->now_ns + DISK_LOOK_NS, fetch_run, NULL);
        return;
    }
    if (!enough && !call->fatal && broker->now_ns < fetch->end_ns && fetch_wait(call, fetch))
        return;
    fetch_fill(call, fetch);
    /* What was fetched is durable; a refusal may tell of what is not yet. */
    if (!refused)
        call->gate = store_durable_position(broker->store);
}

/* --- beginning ------------------------------------------------------------------------------------------ */

static void part_begin(struct broker_call *call, struct fetch_part *part, struct slice name)
{
    const struct kafka_fetch_request_fetch_partition *asked = part->asked;
    struct kafka_fetch_response_partition_data *answer = part->answer;
    *answer = kafka_fetch_response_partition_data_default;
    answer->partition_index = asked->partition;
    answer->high_watermark = -1;
    answer->records = SLICE("");
    answer->aborted_transactions_count = -1;
    if (answer->error_code == KAFKA_NONE)
        answer->error_code = call_partition(call, BROKER_READ, name, asked->partition, &part->topic);
    if (answer->error_code == KAFKA_NONE && asked->current_leader_epoch > BROKER_LEADER_EPOCH) {
        answer->error_code = call_code(call, KAFKA_UNKNOWN_LEADER_EPOCH);
        part->topic = NULL;
    }
}

/* The name of what is asked for, in the version's way; data NULL: nothing has this id. */
static struct slice fetch_name(struct broker_call *call, const struct kafka_fetch_request_fetch_topic *asked)
{
    if (call->head.api_version < ID_FROM)
        return asked->topic;
    const struct topic *topic = broker_topic_by_id(call->broker, &asked->topic_id);
    return topic ? slice_str(topic->name) : slice_of(NULL, 0);
}

static bool fetch_begin(struct broker_call *call, struct fetch *fetch)
{
    const struct kafka_fetch_request *request = call->request;
    struct kafka_fetch_response *response = call->response;
    uint32_t n = 0;
    for (int32_t t = 0; t < request->topics_count; t++) {
        const struct kafka_fetch_request_fetch_topic *asked = &request->topics[t];
        struct kafka_fetch_response_fetchable_topic_response *answer = &response->responses[t];
        struct slice name = fetch_name(call, asked);
        answer->topic = asked->topic;
        answer->topic_id = asked->topic_id;
        answer->partitions = call_rows(call, asked->partitions_count, sizeof *answer->partitions);
        if (!answer->partitions)
            return false;
        answer->partitions_count = asked->partitions_count;
        for (int32_t p = 0; p < asked->partitions_count; p++, n++) {
            fetch->parts[n].asked = &asked->partitions[p];
            fetch->parts[n].answer = &answer->partitions[p];
            part_begin(call, &fetch->parts[n], name);
            if (!name.data)
                answer->partitions[p].error_code = KAFKA_UNKNOWN_TOPIC_ID;
        }
    }
    return true;
}

void fetch_handle(struct broker *broker, struct broker_call *call)
{
    const struct kafka_fetch_request *request = call->request;
    struct kafka_fetch_response *response = call->response;
    int64_t count = 0;
    for (int32_t t = 0; t < request->topics_count; t++)
        count += request->topics[t].partitions_count;
    /* A session was declined before: whoever goes on with one is to begin anew, with all of its partitions. */
    if (request->session_id != 0) {
        response->error_code = call_code(call, KAFKA_FETCH_SESSION_ID_NOT_FOUND);
        return;
    }
    if (count > BROKER_PARTITIONS_ASKED_MAX) {
        response->error_code = call_code(call, KAFKA_INVALID_REQUEST);
        return;
    }
    struct fetch *fetch = call_rows(call, 1, sizeof *fetch);
    response->responses = call_rows(call, request->topics_count, sizeof *response->responses);
    if (!fetch || !response->responses || !(fetch->parts = call_rows(call, count, sizeof *fetch->parts)))
        return;
    response->responses_count = request->topics_count;
    fetch->part_count = (uint32_t)count;
    int64_t wait_ms = request->max_wait_ms < 0 ? 0 : request->max_wait_ms > BROKER_FETCH_WAIT_MAX_MS ? BROKER_FETCH_WAIT_MAX_MS : request->max_wait_ms;
    fetch->end_ns = broker->now_ns + wait_ms * NS_PER_MS;
    call->waiting = fetch;
    if (fetch_begin(call, fetch))
        fetch_run(broker, call);
}
