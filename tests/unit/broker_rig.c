#include "broker_rig.h"

#include "base/crc32c.h"
#include "base/put.h"

#define DIR "/data"
#define NS_PER_MS INT64_C(1000000)

static void on_answered(void *user, struct broker_call *call)
{
    struct client *client = call->user;
    (void)user;
    assert_false(client->answered);
    client->answered = true;
    client->silent = call->silent;
    client->fatal = call->fatal;
    client->gate = call->gate;
    buffer_clear(&client->out);
    struct edda_error error = { .code = 0 };
    if (!call->fatal && !call->silent && broker_response_put(call, &client->out, &error) < 0)
        fail_msg("an answer of %.*s cannot be encoded: %s", 30, kafka_message_name(client->response_message), error.message);
}

static bool on_allowed(void *user, const struct broker_call *call, enum broker_verb verb, struct slice name)
{
    const struct rig *rig = user;
    (void)call;
    return !rig->allowed || rig->allowed(verb, name);
}

static bool on_allowed_any(void *user, const struct broker_call *call, enum broker_verb verb)
{
    const struct rig *rig = user;
    (void)call;
    return !rig->allowed_any || rig->allowed_any(verb);
}

static void on_log(void *user, const char *event, const char *text)
{
    struct rig *rig = user;
    snprintf(rig->logged, sizeof rig->logged, "%s: %s", event, text);
}

static void rig_open(struct rig *rig)
{
    struct edda_error error;
    if (store_open(rig->io, DIR, &rig->store_options, &rig->store, NULL, &error) < 0)
        fail_msg("open: %s", error.message);
    rig->options.store = rig->store;
    rig->options.answered = on_answered;
    rig->options.allowed = on_allowed;
    rig->options.allowed_any = on_allowed_any;
    rig->options.log = on_log;
    rig->options.user = rig;
    if (broker_open(&rig->options, &rig->broker, &error) < 0)
        fail_msg("broker: %s", error.message);
    for (int i = 0; i < RIG_CLIENTS; i++) {
        struct client *client = &rig->clients[i];
        client->rig = rig;
        client->answered = client->fatal = false;
        broker_call_init(&client->call);
        client->call.user = client;
        client->call.host = "10.0.0.1";
        client->call.local_host = "127.0.0.1";
        client->call.local_port = 9092;
    }
}

static void clients_close(struct rig *rig)
{
    for (int i = 0; i < RIG_CLIENTS; i++) {
        rig_cut(&rig->clients[i]);
        broker_call_deinit(&rig->clients[i].call);
    }
}

int rig_setup(void **state)
{
    static struct rig rig;
    rig = (struct rig){ .options = { .auto_create_topics = true } };
    rig.io = io_simulated_new(&(struct io_simulated_options){ .seed = 1 });
    if (!rig.io)
        return -1;
    for (int i = 0; i < RIG_CLIENTS; i++)
        arena_init(&rig.clients[i].arena, 0, 0);
    rig_open(&rig);
    *state = &rig;
    return 0;
}

int rig_teardown(void **state)
{
    struct rig *rig = *state;
    if (rig->broker)
        clients_close(rig);
    broker_close(rig->broker);
    if (!rig->store)
        return 0; /* it did not open, and the test has failed */
    store_close(rig->store);
    io_simulated_free(rig->io);
    for (int i = 0; i < RIG_CLIENTS; i++) {
        arena_deinit(&rig->clients[i].arena);
        buffer_deinit(&rig->clients[i].frame);
        buffer_deinit(&rig->clients[i].out);
    }
    return 0;
}

void rig_crash(struct rig *rig, bool machine)
{
    clients_close(rig);
    io_simulated_crash(rig->io, !machine);
    broker_close(rig->broker);
    store_abandon(rig->store);
    rig->broker = NULL;
    rig->store = NULL;
    rig_open(rig);
}

void rig_reopen(struct rig *rig)
{
    clients_close(rig);
    broker_close(rig->broker);
    store_close(rig->store);
    rig->broker = NULL;
    rig->store = NULL;
    rig_open(rig);
}

void rig_cut(struct client *client)
{
    broker_cancel(client->rig->broker, &client->call);
    client->answered = false;
}

/* --- asking ----------------------------------------------------------------------------------------------- */

void rig_send_frame(struct client *client, struct slice frame)
{
    assert_int_equal(client->call.state, BROKER_CALL_FREE);
    client->answered = false;
    broker_handle(client->rig->broker, &client->call, frame, io_clock_boot_ns(client->rig->io));
    assert_true(client->answered || client->call.state == BROKER_CALL_PARKED);
}

void rig_send(struct client *client, const struct kafka_message *request_message, const struct kafka_message *response_message, int version,
              const void *request)
{
    struct edda_error error = { .code = 0 };
    struct kafka_request_head head = { .api_key = (int16_t)kafka_message_key(request_message), .api_version = (int16_t)version,
                                       .correlation_id = ++client->rig->correlation_id, .client_id = SLICE("test") };
    buffer_clear(&client->frame);
    if (kafka_request_put(&client->frame, &head, request_message, request, &error) < 0)
        fail_msg("%s version %d: %s", kafka_message_name(request_message), version, error.message);
    client->response_message = response_message;
    client->version = (int16_t)version;
    rig_send_frame(client, slice_from(buffer_slice(&client->frame), 4));
}

void *rig_answer(struct client *client)
{
    struct edda_error error = { .code = 0 };
    if (!client->answered)
        fail_msg("there is no answer");
    if (client->fatal)
        fail_msg("the connection has ended: %s", client->rig->logged);
    assert_false(client->silent);
    struct slice answer = buffer_slice(&client->out);
    size_t head = 8;
    if (kafka_message_flexible(client->response_message, client->version) && kafka_message_key(client->response_message) != 18)
        head++;
    assert_true(answer.len >= head);
    void *value = arena_alloc(&client->arena, kafka_message_size(client->response_message));
    assert_non_null(value);
    if (kafka_decode(client->response_message, client->version, slice_from(answer, head), &client->arena, value, &error) < 0)
        fail_msg("%s: %s", kafka_message_name(client->response_message), error.message);
    return value;
}

void *rig_ask(struct client *client, const struct kafka_message *request_message, const struct kafka_message *response_message, int version,
              const void *request)
{
    rig_send(client, request_message, response_message, version, request);
    return rig_answer(client);
}

/* --- time ------------------------------------------------------------------------------------------------- */

void rig_flush(struct rig *rig)
{
    struct edda_error error;
    if (store_flush(rig->store, &error) < 0)
        fail_msg("flush: %s", error.message);
    (void)broker_turn(rig->broker, io_clock_boot_ns(rig->io));
}

void rig_wait(struct rig *rig, int64_t ms)
{
    io_simulated_advance(rig->io, ms * NS_PER_MS);
    (void)broker_turn(rig->broker, io_clock_boot_ns(rig->io));
}

/* --- batches ---------------------------------------------------------------------------------------------- */

struct slice rig_batch(const struct batch_spec *spec)
{
    static struct buffer bytes;
    struct batch_builder builder;
    buffer_clear(&bytes);
    batch_builder_init(&builder, &bytes);
    for (int i = 0; i < (spec->count ? spec->count : 1); i++)
        (void)batch_builder_add(&builder, spec->timestamp_ms ? spec->timestamp_ms : 1000, spec->key ? slice_str(spec->key) : slice_of(NULL, 0),
                                spec->value ? slice_str(spec->value) : SLICE(""), slice_of(NULL, 0), 0);
    batch_builder_finish(&builder, 0, spec->attributes);
    if (spec->idempotent) {
        put_be64(bytes.data + 43, (uint64_t)spec->producer.id);
        put_be16(bytes.data + 51, (uint16_t)spec->producer.epoch);
        put_be32(bytes.data + 53, (uint32_t)spec->sequence);
        put_be32(bytes.data + 17, crc32c(slice_of(bytes.data + 21, bytes.len - 21)));
    }
    assert_true(buffer_ok(&bytes));
    return buffer_slice(&bytes);
}

struct kafka_produce_response_partition_produce_response rig_produce_in(struct client *client, const char *transactional_id, const char *topic, int32_t partition,
                                                                        const struct batch_spec *spec)
{
    struct kafka_produce_request_partition_produce_data data = { .index = partition, .records = rig_batch(spec) };
    struct kafka_produce_request_topic_produce_data row = { .name = slice_str(topic), .partition_data = &data, .partition_data_count = 1 };
    arena_reset(&client->arena);
    const struct kafka_produce_response *answer =
        ASK(client, produce, 9, .transactional_id = transactional_id ? slice_str(transactional_id) : slice_of(NULL, 0), .acks = -1, .timeout_ms = 1000,
            .topic_data = &row, .topic_data_count = 1);
    assert_int_equal(answer->responses_count, 1);
    assert_int_equal(answer->responses[0].partition_responses_count, 1);
    assert_int_equal(answer->responses[0].partition_responses[0].index, partition);
    return answer->responses[0].partition_responses[0];
}

struct kafka_produce_response_partition_produce_response rig_produce(struct client *client, const char *topic, int32_t partition, const struct batch_spec *spec)
{
    return rig_produce_in(client, NULL, topic, partition, spec);
}

struct kafka_fetch_response_partition_data rig_fetch(struct client *client, const char *topic, int32_t partition, int64_t offset, bool committed)
{
    struct kafka_fetch_request_fetch_partition part = kafka_fetch_request_fetch_partition_default;
    part.partition = partition;
    part.fetch_offset = offset;
    part.partition_max_bytes = 1 << 20;
    struct kafka_fetch_request_fetch_topic row = { .topic = slice_str(topic), .partitions = &part, .partitions_count = 1 };
    arena_reset(&client->arena);
    const struct kafka_fetch_response *answer = ASK(client, fetch, 12, .replica_id = -1, .replica_state = { -1, -1 }, .max_bytes = 1 << 20, .min_bytes = 0,
                                                    .session_epoch = -1, .isolation_level = committed, .topics = &row, .topics_count = 1);
    assert_int_equal(answer->error_code, 0);
    assert_int_equal(answer->responses_count, 1);
    assert_int_equal(answer->responses[0].partitions_count, 1);
    assert_true(answer->responses[0].partitions[0].records.data != NULL || answer->responses[0].partitions[0].error_code != 0);
    return answer->responses[0].partitions[0];
}

int rig_count(struct slice records, int64_t from, const char *value)
{
    struct batch batch;
    struct record record;
    int count = 0;
    int64_t len;
    while (records.len > 0 && (len = batch_parse(records, &batch, NULL)) > 0) {
        struct cursor cursor = cursor_of(batch.records);
        assert_int_equal(batch_check(&batch, NULL), 0);
        while (!(batch.attributes & BATCH_CONTROL) && batch_next(&batch, &cursor, &record)) {
            if (record.offset < from)
                continue;
            if (value)
                assert_true(slice_eq_str(record.value, value));
            count++;
        }
        records = slice_from(records, (size_t)len);
    }
    assert_int_equal(records.len, 0);
    return count;
}

void rig_topic(struct client *client, const char *name, int32_t partitions)
{
    struct kafka_create_topics_request_creatable_topic topic = { .name = slice_str(name), .num_partitions = partitions, .replication_factor = -1 };
    const struct kafka_create_topics_response *answer = ASK(client, create_topics, 7, .topics = &topic, .topics_count = 1, .timeout_ms = 1000);
    assert_int_equal(answer->topics_count, 1);
    assert_int_equal(answer->topics[0].error_code, 0);
    assert_int_equal(answer->topics[0].num_partitions, partitions);
    assert_int_equal(answer->topics[0].replication_factor, 1);
}
