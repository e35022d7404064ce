/*
 * Kafka's messages of any bytes. The first two choose the message and the version, the rest is the body: nothing is read outside of it, memory is taken in proportion to it,
 * and what can be decoded is, encoded and decoded again, the same. All of it is read as the head of a request as well.
 */
#include "base/assert.h"
#include "base/buffer.h"
#include "fuzz.h"
#include "kafka_values.h"

#define VALUE_BYTES_MAX 1024
/* Bytes of memory per byte of the body; the largest are arrays of structs of strings, which are lengths of one byte each. */
#define MEMORY_RATIO_MAX 32
#define MEMORY_BYTES_MIN 4096

static union {
    max_align_t align;
    uint8_t bytes[VALUE_BYTES_MAX];
} value, again;

static void body_run(const struct kafka_message *message, int version, struct slice body, struct arena *arena)
{
    struct edda_error error = { .message = "" };
    struct buffer out = BUFFER_EMPTY;
    int r = kafka_decode(message, version, body, arena, &value, &error);
    ASSERT(arena->used <= body.len * MEMORY_RATIO_MAX + MEMORY_BYTES_MIN);
    if (r < 0) {
        ASSERT(r == EDDA_EMALFORMED && error.code == r && error.message[0]);
        return;
    }
    ASSERT(kafka_encode(message, version, &value, &out, &error) == 0);
    ASSERT(kafka_decode(message, version, buffer_slice(&out), arena, &again, &error) == 0);
    ASSERT(value_same(message, &value, &again));
    buffer_deinit(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kafka_request_head head;
    struct slice rest;
    if (kafka_request_head(slice_of(data, size), &head, NULL) == 0) {
        ASSERT(head.client_id.len <= size);
        for (int flexible = 0; flexible <= 1; flexible++) {
            if (kafka_request_body(slice_of(data, size), flexible, &rest, NULL) == 0)
                ASSERT(rest.len <= size && (rest.len == 0 || rest.data + rest.len == data + size));
        }
    }
    if (size < 2)
        return 0;
    struct arena arena;
    const struct kafka_message *message = kafka_messages[data[0] % KAFKA_MESSAGE_COUNT];
    int version = message->first + data[1] % (message->last - message->first + 1);
    ASSERT(kafka_message_size(message) <= VALUE_BYTES_MAX);
    arena_init(&arena, 0, 0);
    body_run(message, version, slice_of(data + 2, size - 2), &arena);
    arena_deinit(&arena);
    return 0;
}
