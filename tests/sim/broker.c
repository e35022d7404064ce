/*
 * The broker under crashes, on the simulated disk: clients in the style of Kafka's own, which survive the broker and go on as those do.
 *
 *   producers      idempotent; they send a batch again, with the same sequence, until it is acknowledged
 *   transformers   copy a partition to another topic, consume-transform-produce in transactions with their offsets in it; they die at any moment, and their
 *                  next instance fences them and goes on from the committed offset
 *   a committer    commits one offset after the other, outside of any group
 *   members        of a group, which join, assign, beat and leave
 *
 * An answer counts as received when what it is stamped with is durable; whatever is under way is lost with the process. In the end every batch that was acknowledged
 * is there once, in order, whatever is left of a transaction is whole, the copy is exact, offsets never went back, and no member was
 * ever given what its leader had assigned to another.
 *
 *     broker [--seeds N] [--seed S]
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/prng.h"
#include "base/put.h"
#include "broker/broker.h"
#include "io/simulated.h"
#include "wire/kafka/batch.h"
#include "wire/kafka/errors.h"
#include "wire/kafka/messages.h"
#include "seeds.h"

#define DIR "/data"
#define PARTITIONS 2
#define PRODUCERS 3
#define MEMBERS 2
#define ACTORS (PRODUCERS + PARTITIONS + 1 + MEMBERS)
#define TARGET 40 /* records of each producer */
#define MS INT64_C(1000000)

struct story;

struct actor {
    struct story *story;
    const char *kind;
    void (*send)(struct actor *actor);                 /* idle: asks for something, or nothing */
    void (*answer)(struct actor *actor, const void *response);
    void (*lost)(struct actor *actor);                 /* the connection, and the answer if one was awaited */
    int number;
    struct broker_call call;
    struct buffer frame, out;
    struct arena arena;
    const struct kafka_message *response_message;
    int16_t version;
    bool waiting, answered;
    /* Its own state. */
    int state;
    struct producer_id producer;
    int32_t sequence, sending, generation, beats;
    int64_t position, next, acked, count;
    char member[80], transactional_id[16];
    bool commits, leads;
    struct buffer values; /* that a transformer has read: each a length and its bytes */
};

struct story {
    uint64_t seed;
    struct prng prng;
    struct io *io;
    struct store *store;
    struct broker *broker;
    struct actor actors[ACTORS];
    bool settling, dead;
    unsigned lives;
};

static struct story story;

static void failed(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
static void failed(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "seed %" PRIu64 ", life %u: ", story.seed, story.lives);
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n");
    va_end(arguments);
    exit(1);
}

#define CHECK(condition, ...) ((condition) ? (void)0 : failed(__VA_ARGS__))

static uint64_t chance(uint64_t below)
{
    return prng_u64(&story.prng) % below;
}

/* --- the broker and its lives ----------------------------------------------------------------------------- */

static void on_answered(void *user, struct broker_call *call)
{
    struct actor *actor = call->user;
    (void)user;
    CHECK(!call->fatal, "%s %d: the broker has ended the connection", actor->kind, actor->number);
    buffer_clear(&actor->out);
    CHECK(broker_response_put(call, &actor->out, NULL) == 0, "an answer cannot be encoded");
    actor->answered = true;
}

static void life_begin(void)
{
    static const struct store_options small = { .log = { .segment_bytes = UINT64_C(256) << 10 } };
    struct edda_error error;
    int rc = store_open(story.io, DIR, &small, &story.store, NULL, &error);
    CHECK(rc == 0, "the store does not open: %s", error.message);
    rc = broker_open(&(struct broker_options){ .store = story.store, .answered = on_answered }, &story.broker, &error);
    CHECK(rc == 0, "the broker does not open: %s", error.message);
    story.lives++;
}

static void life_end(bool machine)
{
    for (int i = 0; i < ACTORS; i++) {
        struct actor *actor = &story.actors[i];
        broker_cancel(story.broker, &actor->call);
        if (actor->waiting)
            actor->lost(actor);
        actor->waiting = actor->answered = false;
    }
    io_simulated_cut_after(story.io, 0);
    io_simulated_crash(story.io, !machine);
    broker_close(story.broker);
    store_abandon(story.store);
    story.dead = false;
    life_begin();
}

/* --- asking ----------------------------------------------------------------------------------------------- */

static void ask(struct actor *actor, const struct kafka_message *request_message, const struct kafka_message *response_message, int version, const void *request)
{
    static int32_t correlation_id;
    struct edda_error error = { .code = 0 };
    struct kafka_request_head head = { .api_key = (int16_t)kafka_message_key(request_message), .api_version = (int16_t)version, .correlation_id = ++correlation_id,
                                       .client_id = SLICE("sim") };
    buffer_clear(&actor->frame);
    CHECK(kafka_request_put(&actor->frame, &head, request_message, request, &error) == 0, "%s", error.message);
    actor->response_message = response_message;
    actor->version = (int16_t)version;
    actor->waiting = true;
    actor->answered = false;
    broker_handle(story.broker, &actor->call, slice_from(buffer_slice(&actor->frame), 4), io_clock_boot_ns(story.io));
}

#define ASK(actor_, name_, version_, ...)                                                                                  \
    ask((actor_), &kafka_##name_##_request_message, &kafka_##name_##_response_message, (version_),                         \
        &(struct kafka_##name_##_request){ __VA_ARGS__ })

static void receive(struct actor *actor)
{
    struct edda_error error = { .code = 0 };
    size_t head = kafka_message_flexible(actor->response_message, actor->version) ? 9 : 8;
    arena_reset(&actor->arena);
    void *value = arena_alloc(&actor->arena, kafka_message_size(actor->response_message));
    int rc = value ? kafka_decode(actor->response_message, actor->version, slice_from(buffer_slice(&actor->out), head), &actor->arena, value, &error) : EDDA_ENOMEM;
    CHECK(rc == 0, "an answer does not parse: %s", error.message);
    actor->waiting = actor->answered = false;
    actor->answer(actor, value);
}

/* --- batches ---------------------------------------------------------------------------------------------- */

static struct slice batch_of(const struct actor *actor, struct slice values, int16_t attributes, int32_t *ret_count)
{
    static struct buffer bytes;
    struct batch_builder builder;
    struct cursor cursor = cursor_of(values);
    int32_t count = 0;
    buffer_clear(&bytes);
    batch_builder_init(&builder, &bytes);
    while (cursor_left(&cursor) > 0) {
        struct slice value = cursor_bytes(&cursor, cursor_u8(&cursor));
        (void)batch_builder_add(&builder, 1000, SLICE("key"), value, slice_of(NULL, 0), 0);
        count++;
    }
    batch_builder_finish(&builder, 0, attributes);
    put_be64(bytes.data + 43, (uint64_t)actor->producer.id);
    put_be16(bytes.data + 51, (uint16_t)actor->producer.epoch);
    put_be32(bytes.data + 53, (uint32_t)actor->sequence);
    put_be32(bytes.data + 17, crc32c(slice_of(bytes.data + 21, bytes.len - 21)));
    *ret_count = count;
    return buffer_slice(&bytes);
}

static void produce(struct actor *actor, const char *topic, int32_t partition, struct slice values, int16_t attributes)
{
    struct kafka_produce_request_partition_produce_data data = { .index = partition, .records = batch_of(actor, values, attributes, &actor->sending) };
    struct kafka_produce_request_topic_produce_data row = { .name = slice_str(topic), .partition_data = &data, .partition_data_count = 1 };
    ASK(actor, produce, 9, .transactional_id = attributes ? slice_str(actor->transactional_id) : slice_of(NULL, 0), .acks = -1, .timeout_ms = 1000, .topic_data = &row,
        .topic_data_count = 1);
}

static int16_t produced_code(const void *response)
{
    const struct kafka_produce_response *answer = response;
    return answer->responses[0].partition_responses[0].error_code;
}

static void fetch(struct actor *actor, const char *topic, int32_t partition, int64_t offset, int32_t bytes_max)
{
    struct kafka_fetch_request_fetch_partition part = kafka_fetch_request_fetch_partition_default;
    part.partition = partition;
    part.fetch_offset = offset;
    part.partition_max_bytes = bytes_max;
    struct kafka_fetch_request_fetch_topic row = { .topic = slice_str(topic), .partitions = &part, .partitions_count = 1 };
    ASK(actor, fetch, 11, .replica_id = -1, .replica_state = { -1, -1 }, .max_wait_ms = (int32_t)chance(3) * 10, .min_bytes = 1, .max_bytes = bytes_max,
        .isolation_level = 1, .session_epoch = -1, .topics = &row, .topics_count = 1);
}

/*
 * The values of committed records from an offset on, each behind its length, as consumers find them: from the first offset of an aborted transaction on, up to the control
 * record that ends it, what its producer wrote is dropped. Returns the offset behind all of it.
 */
static int64_t take_committed(const struct kafka_fetch_response_partition_data *data, int64_t from, struct buffer *out)
{
    bool begun[64] = { false }, over[64] = { false };
    struct slice bytes = data->records;
    struct batch batch;
    struct record record;
    int64_t len, next = from;
    CHECK(data->aborted_transactions_count <= 64, "%d aborted transactions in one answer", data->aborted_transactions_count);
    while (bytes.len > 0 && (len = batch_parse(bytes, &batch, NULL)) > 0) {
        struct cursor cursor = cursor_of(batch.records);
        int32_t dropped = -1;
        for (int32_t i = 0; i < data->aborted_transactions_count; i++) {
            begun[i] |= data->aborted_transactions[i].first_offset <= batch.base_offset + batch.last_offset_delta;
            if (begun[i] && !over[i] && data->aborted_transactions[i].producer_id == batch.producer_id)
                dropped = i;
        }
        bool control = batch.attributes & BATCH_CONTROL, transactional = batch.attributes & BATCH_TRANSACTIONAL;
        if (control && dropped >= 0)
            over[dropped] = true;
        while (!control && !(transactional && dropped >= 0) && batch_next(&batch, &cursor, &record))
            if (record.offset >= from) {
                buffer_append_byte(out, (uint8_t)record.value.len);
                buffer_append_slice(out, record.value);
            }
        next = batch.base_offset + batch.last_offset_delta + 1;
        bytes = slice_from(bytes, (size_t)len);
    }
    return next;
}

/* --- producers -------------------------------------------------------------------------------------------- */

static void producer_send(struct actor *actor)
{
    if (actor->state == 0) {
        ASK(actor, init_producer_id, 3, .producer_id = -1, .producer_epoch = -1);
        return;
    }
    if (actor->acked >= TARGET)
        return;
    buffer_clear(&actor->values);
    /* The same batch as long as it is not acknowledged: how many are in it goes by where it begins. */
    for (int64_t i = actor->acked; i <= actor->acked + actor->acked % 3 && i < TARGET; i++) {
        char text[32];
        int len = snprintf(text, sizeof text, "%d:%" PRId64, actor->number, i);
        buffer_append_byte(&actor->values, (uint8_t)len);
        buffer_append(&actor->values, text, (size_t)len);
    }
    actor->sequence = (int32_t)actor->acked;
    produce(actor, "in", actor->number % PARTITIONS, buffer_slice(&actor->values), 0);
}

static void producer_answer(struct actor *actor, const void *response)
{
    if (actor->state == 0) {
        const struct kafka_init_producer_id_response *answer = response;
        CHECK(answer->error_code == 0, "no producer id: %d", answer->error_code);
        actor->producer = (struct producer_id){ answer->producer_id, answer->producer_epoch };
        actor->state = 1;
        return;
    }
    int16_t code = produced_code(response);
    CHECK(code == 0 || code == KAFKA_REQUEST_TIMED_OUT, "producer %d: %d at sequence %d", actor->number, code, actor->sequence);
    if (code == 0)
        actor->acked += actor->sending;
}

static void nothing_lost(struct actor *actor)
{
    (void)actor;
}

/* --- transformers ----------------------------------------------------------------------------------------- */

enum { T_INIT, T_POSITION, T_FETCH, T_ADD, T_PRODUCE, T_GROUP, T_OFFSETS, T_END };

static void transformer_send(struct actor *actor)
{
    struct slice id = slice_str(actor->transactional_id);
    int32_t partition = actor->number;
    struct producer_id producer = actor->producer;
    if (!story.settling && chance(60) == 0)
        actor->state = T_INIT; /* dies; its next instance begins */
    switch (actor->state) {
    case T_INIT:
        ASK(actor, init_producer_id, 4, .transactional_id = id, .transaction_timeout_ms = 60000, .producer_id = -1, .producer_epoch = -1);
        break;
    case T_POSITION: {
        struct kafka_offset_fetch_request_offset_fetch_request_topic row = { .name = SLICE("in"), .partition_indexes = &partition, .partition_indexes_count = 1 };
        ASK(actor, offset_fetch, 7, .group_id = SLICE("copy"), .topics = &row, .topics_count = 1, .require_stable = true);
        break;
    }
    case T_FETCH:
        fetch(actor, "in", partition, actor->position, 300);
        break;
    case T_ADD: {
        struct kafka_add_partitions_to_txn_topic row = { .name = SLICE("out"), .partitions = &partition, .partitions_count = 1 };
        ASK(actor, add_partitions_to_txn, 3, .v3_and_below_transactional_id = id, .v3_and_below_producer_id = producer.id,
            .v3_and_below_producer_epoch = producer.epoch, .v3_and_below_topics = &row, .v3_and_below_topics_count = 1);
        break;
    }
    case T_PRODUCE:
        produce(actor, "out", partition, buffer_slice(&actor->values), BATCH_TRANSACTIONAL);
        break;
    case T_GROUP:
        ASK(actor, add_offsets_to_txn, 3, .transactional_id = id, .producer_id = producer.id, .producer_epoch = producer.epoch, .group_id = SLICE("copy"));
        break;
    case T_OFFSETS: {
        struct kafka_txn_offset_commit_request_txn_offset_commit_request_partition part = { .partition_index = partition, .committed_offset = actor->next,
                                                                                            .committed_leader_epoch = -1 };
        struct kafka_txn_offset_commit_request_txn_offset_commit_request_topic row = { .name = SLICE("in"), .partitions = &part, .partitions_count = 1 };
        ASK(actor, txn_offset_commit, 3, .transactional_id = id, .group_id = SLICE("copy"), .producer_id = producer.id, .producer_epoch = producer.epoch, .generation_id = -1,
            .topics = &row, .topics_count = 1);
        break;
    }
    default:
        actor->commits = story.settling || chance(4) != 0;
        ASK(actor, end_txn, 3, .transactional_id = id, .producer_id = producer.id, .producer_epoch = producer.epoch, .committed = actor->commits);
    }
}

/* The code of what was asked, and what it has given. */
static int16_t transformer_take(struct actor *actor, const void *response)
{
    switch (actor->state) {
    case T_INIT: {
        const struct kafka_init_producer_id_response *answer = response;
        actor->producer = (struct producer_id){ answer->producer_id, answer->producer_epoch };
        actor->sequence = 0;
        return answer->error_code;
    }
    case T_POSITION: {
        const struct kafka_offset_fetch_response *answer = response;
        actor->position = answer->topics[0].partitions[0].committed_offset;
        actor->position = actor->position < 0 ? 0 : actor->position;
        return answer->topics[0].partitions[0].error_code;
    }
    case T_FETCH: {
        const struct kafka_fetch_response *answer = response;
        buffer_clear(&actor->values);
        actor->next = take_committed(&answer->responses[0].partitions[0], actor->position, &actor->values);
        return answer->responses[0].partitions[0].error_code;
    }
    case T_ADD:
        return ((const struct kafka_add_partitions_to_txn_response *)response)->results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code;
    case T_PRODUCE:
        return produced_code(response);
    case T_GROUP:
        return ((const struct kafka_add_offsets_to_txn_response *)response)->error_code;
    case T_OFFSETS:
        return ((const struct kafka_txn_offset_commit_response *)response)->topics[0].partitions[0].error_code;
    default:
        return ((const struct kafka_end_txn_response *)response)->error_code;
    }
}

static void transformer_answer(struct actor *actor, const void *response)
{
    int16_t code = transformer_take(actor, response);
    if (code == KAFKA_UNSTABLE_OFFSET_COMMIT || code == KAFKA_REQUEST_TIMED_OUT || code == KAFKA_COORDINATOR_LOAD_IN_PROGRESS) {
        actor->state = code == KAFKA_REQUEST_TIMED_OUT ? T_INIT : actor->state;
        return;
    }
    CHECK(code == 0, "transformer %d, state %d: %d", actor->number, actor->state, code);
    if (actor->state == T_FETCH && actor->values.len == 0) {
        actor->position = actor->next;
        return;
    }
    if (actor->state == T_PRODUCE)
        actor->sequence += actor->sending;
    if (actor->state == T_END && actor->commits)
        actor->position = actor->next;
    actor->state = actor->state == T_END ? T_FETCH : actor->state + 1;
}

static void transformer_lost(struct actor *actor)
{
    actor->state = T_INIT;
}

/* --- the committer ---------------------------------------------------------------------------------------- */

static void committer_send(struct actor *actor)
{
    int32_t partition = 0;
    if (actor->state == 0) {
        struct kafka_offset_fetch_request_offset_fetch_request_topic row = { .name = SLICE("in"), .partition_indexes = &partition, .partition_indexes_count = 1 };
        ASK(actor, offset_fetch, 6, .group_id = SLICE("alone"), .topics = &row, .topics_count = 1);
        return;
    }
    struct kafka_offset_commit_request_offset_commit_request_partition part = { .committed_offset = ++actor->count, .committed_leader_epoch = -1 };
    struct kafka_offset_commit_request_offset_commit_request_topic row = { .name = SLICE("in"), .partitions = &part, .partitions_count = 1 };
    ASK(actor, offset_commit, 6, .group_id = SLICE("alone"), .generation_id_or_member_epoch = -1, .retention_time_ms = -1, .topics = &row, .topics_count = 1);
}

static void committer_answer(struct actor *actor, const void *response)
{
    if (actor->state == 0) {
        int64_t offset = ((const struct kafka_offset_fetch_response *)response)->topics[0].partitions[0].committed_offset;
        CHECK((offset < 0 && actor->acked == 0) || (offset >= actor->acked && offset <= actor->count), "the offset %" PRId64 " was committed, and it is %" PRId64, actor->acked, offset);
        actor->state = 1;
        return;
    }
    int16_t code = ((const struct kafka_offset_commit_response *)response)->topics[0].partitions[0].error_code;
    CHECK(code == 0 || code == KAFKA_COORDINATOR_LOAD_IN_PROGRESS, "a commit: %d", code);
    if (code == 0)
        actor->acked = actor->count;
    actor->state = chance(5) != 0;
}

static void committer_lost(struct actor *actor)
{
    actor->state = 0;
}

/* --- members ---------------------------------------------------------------------------------------------- */

enum { M_JOIN, M_SYNC, M_BEAT };

static void member_sync(struct actor *actor)
{
    struct kafka_sync_group_request_sync_group_request_assignment *rows = NULL;
    int32_t count = 0;
    static char texts[MEMBERS * 2][120];
    static struct kafka_sync_group_request_sync_group_request_assignment all[MEMBERS * 2];
    struct cursor cursor = cursor_of(buffer_slice(&actor->values));
    rows = all;
    for (; actor->leads && cursor_left(&cursor) > 0 && count < MEMBERS * 2; count++) {
        struct slice member = cursor_bytes(&cursor, cursor_u8(&cursor));
        snprintf(texts[count], sizeof texts[count], "%" PRId32 " %.*s", actor->generation, (int)member.len, (const char *)member.data);
        rows[count].member_id = member;
        rows[count].assignment = slice_str(texts[count]);
    }
    ASK(actor, sync_group, 3, .group_id = SLICE("team"), .generation_id = actor->generation, .member_id = slice_str(actor->member), .assignments = rows,
        .assignments_count = count);
}

static void member_send(struct actor *actor)
{
    struct kafka_join_group_request_join_group_request_protocol protocol = { .name = SLICE("range"), .metadata = SLICE("m") };
    if (actor->state == M_JOIN)
        ASK(actor, join_group, 5, .group_id = SLICE("team"), .session_timeout_ms = 10000, .rebalance_timeout_ms = 10000, .member_id = slice_str(actor->member),
            .protocol_type = SLICE("consumer"), .protocols = &protocol, .protocols_count = 1);
    else if (actor->state == M_SYNC)
        member_sync(actor);
    else
        ASK(actor, heartbeat, 3, .group_id = SLICE("team"), .generation_id = actor->generation, .member_id = slice_str(actor->member));
}

static void member_again(struct actor *actor, int16_t code)
{
    actor->state = M_JOIN;
    if (code == KAFKA_UNKNOWN_MEMBER_ID)
        actor->member[0] = '\0';
}

static void member_answer(struct actor *actor, const void *response)
{
    int16_t code;
    if (actor->state == M_JOIN) {
        const struct kafka_join_group_response *answer = response;
        code = answer->error_code;
        if (code == KAFKA_MEMBER_ID_REQUIRED || code == 0)
            snprintf(actor->member, sizeof actor->member, "%.*s", (int)answer->member_id.len, (const char *)answer->member_id.data);
        if (code != 0) {
            member_again(actor, code);
            return;
        }
        CHECK(answer->generation_id > 0, "a generation is %d", answer->generation_id);
        actor->generation = answer->generation_id;
        actor->leads = slice_eq(answer->leader, answer->member_id);
        buffer_clear(&actor->values);
        for (int32_t i = 0; i < answer->members_count; i++) {
            buffer_append_byte(&actor->values, (uint8_t)answer->members[i].member_id.len);
            buffer_append_slice(&actor->values, answer->members[i].member_id);
        }
        actor->state = M_SYNC;
        return;
    }
    code = actor->state == M_SYNC ? ((const struct kafka_sync_group_response *)response)->error_code : ((const struct kafka_heartbeat_response *)response)->error_code;
    if (code != 0) {
        member_again(actor, code);
        return;
    }
    if (actor->state == M_SYNC) {
        char wanted[120];
        struct slice given = ((const struct kafka_sync_group_response *)response)->assignment;
        snprintf(wanted, sizeof wanted, "%" PRId32 " %s", actor->generation, actor->member);
        CHECK(slice_eq_str(given, wanted), "member %s of generation %d was given '%.*s'", actor->member, actor->generation, (int)given.len, (const char *)given.data);
        actor->state = M_BEAT;
    }
    if (chance(20) == 0)
        actor->state = M_JOIN;
}

static void member_lost(struct actor *actor)
{
    if (chance(3) == 0)
        actor->state = M_JOIN;
}

/* --- stories ---------------------------------------------------------------------------------------------- */

static void actor_init(struct actor *actor, const char *kind, int number, void (*send)(struct actor *), void (*answer)(struct actor *, const void *), void (*lost)(struct actor *))
{
    actor->kind = kind;
    actor->number = number;
    actor->send = send;
    actor->answer = answer;
    actor->lost = lost;
    actor->story = &story;
    actor->state = 0;
    actor->producer = (struct producer_id){ -1, -1 };
    actor->sequence = actor->sending = actor->generation = 0;
    actor->position = actor->next = actor->acked = actor->count = 0;
    actor->member[0] = '\0';
    actor->waiting = actor->answered = actor->leads = false;
    snprintf(actor->transactional_id, sizeof actor->transactional_id, "tx-%d", number);
    broker_call_init(&actor->call);
    actor->call.user = actor;
    actor->call.host = "10.0.0.1";
    actor->call.local_host = "127.0.0.1";
    arena_init(&actor->arena, 0, 0);
    buffer_clear(&actor->values);
}

static void flush_somehow(void)
{
    struct edda_error error;
    uint64_t how = chance(4);
    int rc = how == 0 ? store_flush(story.store, &error) : store_flush_start(story.store, &error);
    if (how > 1)
        io_simulated_advance(story.io, (int64_t)chance(1000) * 1000);
    (void)io_jobs_finish(story.io);
    if (rc < 0 && rc != EDDA_EBUSY)
        story.dead = true;
    if (store_broken(story.store) || io_simulated_is_cut(story.io))
        story.dead = true;
}

static void tick(void)
{
    struct actor *actor = &story.actors[chance(ACTORS)];
    if (actor->waiting && actor->answered && actor->call.gate <= store_durable_position(story.store))
        receive(actor);
    else if (!actor->waiting)
        actor->send(actor);
    if (chance(3) == 0)
        flush_somehow();
    if (chance(10) == 0)
        io_simulated_advance(story.io, (int64_t)chance(50) * MS);
    (void)broker_turn(story.broker, io_clock_boot_ns(story.io));
    if (story.dead || (!story.settling && chance(400) == 0))
        life_end(chance(2));
    else if (!story.settling && chance(300) == 0)
        io_simulated_cut_after(story.io, 1 + chance(20));
}

static bool settled(void)
{
    int64_t ends[PARTITIONS];
    for (int i = 0; i < PRODUCERS; i++)
        if (story.actors[i].acked < TARGET)
            return false;
    for (uint32_t p = 0; p < PARTITIONS; p++) {
        struct store_bounds bounds;
        store_partition_bounds(story.store, store_topic(story.store, SLICE("in")), p, &bounds);
        ends[p] = bounds.durable;
        const struct actor *actor = &story.actors[PRODUCERS + p];
        if (actor->position < ends[p] || actor->state != T_FETCH)
            return false;
    }
    return true;
}

/* All committed values of a partition. */
static void read_all(const char *topic, int32_t partition, struct buffer *out)
{
    struct actor reader = { .kind = "reader" };
    int64_t at = 0, next = 0;
    broker_call_init(&reader.call);
    reader.call.user = &reader;
    arena_init(&reader.arena, 0, 0);
    for (;;) {
        fetch(&reader, topic, partition, at, 200 + (int32_t)chance(2000));
        while (!reader.answered) {
            io_simulated_advance(story.io, 10 * MS);
            (void)broker_turn(story.broker, io_clock_boot_ns(story.io));
        }
        arena_reset(&reader.arena);
        struct kafka_fetch_response answer;
        int rc = kafka_decode(&kafka_fetch_response_message, 11, slice_from(buffer_slice(&reader.out), 8), &reader.arena, &answer, NULL);
        CHECK(rc == 0 && answer.responses[0].partitions[0].error_code == 0, "%s cannot be read", topic);
        next = take_committed(&answer.responses[0].partitions[0], at, out);
        if (next == at)
            break;
        at = next;
    }
    broker_call_deinit(&reader.call);
    arena_deinit(&reader.arena);
    buffer_deinit(&reader.frame);
    buffer_deinit(&reader.out);
}

/* Each producer's records are there once and in order. */
static void check_in(int32_t partition, struct slice values)
{
    int64_t next[PRODUCERS] = { 0 };
    struct cursor cursor = cursor_of(values);
    while (cursor_left(&cursor) > 0) {
        char text[64];
        int producer;
        int64_t number;
        struct slice value = cursor_bytes(&cursor, cursor_u8(&cursor));
        snprintf(text, sizeof text, "%.*s", (int)value.len, (const char *)value.data);
        CHECK(sscanf(text, "%d:%" SCNd64, &producer, &number) == 2 && producer >= 0 && producer < PRODUCERS, "a record is '%s'", text);
        CHECK(number == next[producer], "producer %d: %" PRId64 " instead of %" PRId64, producer, number, next[producer]);
        next[producer]++;
    }
    for (int i = 0; i < PRODUCERS; i++)
        CHECK(next[i] == (i % PARTITIONS == partition ? TARGET : 0), "producer %d: %" PRId64 " records of %d", i, next[i], TARGET);
}

static void story_check(void)
{
    for (int32_t p = 0; p < PARTITIONS; p++) {
        struct buffer in = BUFFER_EMPTY, out = BUFFER_EMPTY;
        read_all("in", p, &in);
        read_all("out", p, &out);
        check_in(p, buffer_slice(&in));
        CHECK(slice_eq(buffer_slice(&in), buffer_slice(&out)), "the copy of partition %d is not exact: %zu and %zu bytes", p, in.len, out.len);
        buffer_deinit(&in);
        buffer_deinit(&out);
    }
}

static void story_run(uint64_t seed)
{
    story = (struct story){ .seed = seed, .io = story.io };
    prng_init(&story.prng, seed);
    const struct io_simulated_options options = { .seed = seed };
    if (story.io)
        io_simulated_reset(story.io, &options);
    else
        story.io = io_simulated_new(&options);
    /* Half of the stories read from a log that is larger than the memory. */
    io_simulated_unload(story.io, seed % 2 ? 3 : 0);
    life_begin();
    struct topic *topic;
    int rc = store_topic_ensure(story.store, SLICE("in"), PARTITIONS, &topic, NULL);
    rc = rc == 0 ? store_topic_ensure(story.store, SLICE("out"), PARTITIONS, &topic, NULL) : rc;
    CHECK(rc == 0 && store_flush(story.store, NULL) == 0, "no topics");
    int n = 0;
    for (int i = 0; i < PRODUCERS; i++)
        actor_init(&story.actors[n++], "producer", i, producer_send, producer_answer, nothing_lost);
    for (int i = 0; i < PARTITIONS; i++)
        actor_init(&story.actors[n++], "transformer", i, transformer_send, transformer_answer, transformer_lost);
    actor_init(&story.actors[n++], "committer", 0, committer_send, committer_answer, committer_lost);
    for (int i = 0; i < MEMBERS; i++)
        actor_init(&story.actors[n++], "member", i, member_send, member_answer, member_lost);
    uint64_t ticks = 500 + chance(3000);
    for (uint64_t i = 0; i < ticks; i++)
        tick();
    io_simulated_cut_after(story.io, 0);
    story.settling = true;
    for (uint64_t i = 0; !settled(); i++) {
        CHECK(i < 200000, "it does not settle");
        tick();
    }
    story_check();
    /* And once more after the machine has died. */
    life_end(true);
    story_check();
    for (int i = 0; i < ACTORS; i++) {
        broker_cancel(story.broker, &story.actors[i].call);
        broker_call_deinit(&story.actors[i].call);
        arena_deinit(&story.actors[i].arena);
        buffer_deinit(&story.actors[i].frame);
        buffer_deinit(&story.actors[i].out);
        buffer_deinit(&story.actors[i].values);
    }
    broker_close(story.broker);
    store_close(story.store);
}

int main(int argc, char **argv)
{
    struct seeds seeds = seeds_take(argc, argv, 1, 100);
    for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; seed++)
        story_run(seed);
    printf("%" PRIu64 " stories\n", seeds.count);
    io_simulated_free(story.io);
    return 0;
}
