/* call: what handlers need of a call: memory of its answer, what its client may do, the topics it names. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "broker/internal.h"

void *call_rows(struct broker_call *call, int64_t count, size_t row_bytes)
{
    void *rows = NULL;
    ASSERT(count >= 0);
    if ((uint64_t)count <= SIZE_MAX / row_bytes)
        rows = arena_alloc(&call->arena, (size_t)count * row_bytes);
    if (!rows && !call->fatal)
        broker_log(call->broker, "kafka.memory", "%s: what API %d asks for takes more than %" PRIu32 " bytes, or more than there are", call->host ? call->host : "?",
                   call->head.api_key, BROKER_CALL_BYTES_MAX);
    call->fatal |= !rows;
    return rows;
}

bool call_rows_into(struct broker_call *call, void *ret_rows, int32_t *ret_count, int32_t count, size_t row_bytes)
{
    void *rows = call_rows(call, count, row_bytes);
    memcpy(ret_rows, &rows, sizeof(rows));
    if (rows)
        *ret_count = count;
    return rows;
}

bool call_has_many(const struct broker_call *call)
{
    return call->head.api_version >= call->api->many_from;
}

int16_t call_code(struct broker_call *call, int code)
{
    if (code != KAFKA_NONE)
        call->broker->api_counts[call->api - broker_apis].errors++;
    return (int16_t)code;
}

int16_t call_failed(struct broker_call *call, int code)
{
    return call_code(call, edda_code_info(code < 0 ? code : EDDA_OK)->kafka_code);
}

struct slice call_keep(struct broker_call *call, struct slice s)
{
    if (!s.data)
        return s;
    struct slice copy = s.len ? arena_copy(&call->arena, s) : SLICE("");
    if (!copy.data)
        call->fatal = true;
    return copy;
}

struct slice call_words(struct broker_call *call, const struct edda_error *error)
{
    return arena_copy(&call->arena, slice_str(error->message[0] ? error->message : edda_code_info(error->code)->sentence));
}

struct slice call_text(struct broker_call *call, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return len < 0 ? slice_of(NULL, 0) : arena_copy(&call->arena, slice_str(text));
}

/* --- permissions -------------------------------------------------------------------------------------- */

bool call_may(const struct broker_call *call, enum broker_verb verb, struct slice name)
{
    const struct broker_options *options = &call->broker->options;
    return !options->allowed || options->allowed(options->user, call, verb, name);
}

bool call_may_any(const struct broker_call *call, enum broker_verb verb)
{
    const struct broker_options *options = &call->broker->options;
    return !options->allowed_any || options->allowed_any(options->user, call, verb);
}

bool call_sees(const struct broker_call *call, struct slice name)
{
    return call_may(call, BROKER_READ, name) || call_may(call, BROKER_WRITE, name) || call_may(call, BROKER_MANAGE, name);
}

/* acl.AclOperation; as a bit of the answer each. */
enum operation {
    OPERATION_READ = 1 << 3,
    OPERATION_WRITE = 1 << 4,
    OPERATION_CREATE = 1 << 5,
    OPERATION_DELETE = 1 << 6,
    OPERATION_ALTER = 1 << 7,
    OPERATION_DESCRIBE = 1 << 8,
    OPERATION_CLUSTER_ACTION = 1 << 9,
    OPERATION_DESCRIBE_CONFIGS = 1 << 10,
    OPERATION_ALTER_CONFIGS = 1 << 11,
    OPERATION_IDEMPOTENT_WRITE = 1 << 12
};

int32_t call_topic_operations(const struct broker_call *call, struct slice name)
{
    int32_t operations = 0;
    if (call_may(call, BROKER_READ, name))
        operations |= OPERATION_READ | OPERATION_DESCRIBE | OPERATION_DESCRIBE_CONFIGS;
    if (call_may(call, BROKER_WRITE, name))
        operations |= OPERATION_WRITE | OPERATION_CREATE | OPERATION_DESCRIBE | OPERATION_DESCRIBE_CONFIGS;
    if (call_may(call, BROKER_MANAGE, name))
        operations |= OPERATION_CREATE | OPERATION_DELETE | OPERATION_ALTER | OPERATION_DESCRIBE | OPERATION_DESCRIBE_CONFIGS |
                      OPERATION_ALTER_CONFIGS;
    return operations;
}

int32_t call_group_operations(const struct broker_call *call, struct slice name)
{
    int32_t operations = 0;
    if (call_may(call, BROKER_READ, name))
        operations |= OPERATION_READ | OPERATION_DESCRIBE;
    if (call_may(call, BROKER_MANAGE, name))
        operations |= OPERATION_DELETE | OPERATION_DESCRIBE;
    return operations;
}

int32_t call_cluster_operations(const struct broker_call *call)
{
    int32_t operations = OPERATION_DESCRIBE | OPERATION_DESCRIBE_CONFIGS;
    if (call_may_any(call, BROKER_WRITE))
        operations |= OPERATION_IDEMPOTENT_WRITE;
    if (call_may(call, BROKER_MANAGE, slice_of(NULL, 0)))
        operations |= OPERATION_CREATE | OPERATION_ALTER;
    return operations;
}

/* --- topics ------------------------------------------------------------------------------------------- */

bool topic_hidden(struct slice name)
{
    return slice_has_prefix(name, SLICE("_edda."));
}

bool topic_reserved(struct slice name)
{
    return topic_hidden(name) || slice_has_prefix(name, SLICE("__"));
}

int16_t call_topic(const struct broker_call *call, enum broker_verb verb, struct slice name, struct topic **ret_topic)
{
    if (!call_may(call, verb, name))
        return KAFKA_TOPIC_AUTHORIZATION_FAILED;
    struct topic *topic = topic_hidden(name) ? NULL : store_topic(call->broker->store, name);
    if (verb != BROKER_READ && topic_reserved(name))
        return KAFKA_INVALID_TOPIC_EXCEPTION;
    if (!topic)
        return KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    *ret_topic = topic;
    return KAFKA_NONE;
}

int16_t call_partition(struct broker_call *call, enum broker_verb verb, struct slice name, int32_t partition, struct topic **ret_topic)
{
    struct topic *topic;
    int16_t code = call_topic(call, verb, name, &topic);
    if (code == KAFKA_NONE && (partition < 0 || (uint32_t)partition >= topic->partition_count))
        code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    if (code == KAFKA_NONE)
        *ret_topic = topic;
    return call_code(call, code);
}

struct topic *broker_topic_by_id(struct broker *broker, const struct kafka_uuid *id)
{
    struct topic *topic = store_topic_by_id(broker->store, id->bytes);
    return topic && !topic_hidden(slice_str(topic->name)) ? topic : NULL;
}

struct kafka_uuid topic_uuid(const struct topic *topic)
{
    struct kafka_uuid uuid;
    memcpy(uuid.bytes, topic->id, sizeof uuid.bytes);
    return uuid;
}
