/*
 * CloudEvents of any bytes, as a structured event, a batch, and headers with a body: nothing is read outside of them, what is refused is told why, and what was taken and written
 * is taken again, and written to the same.
 */
#include <stdlib.h>

#include "base/assert.h"
#include "fuzz.h"
#include "wire/cloudevents/event.h"
#include "wire/json/json.h"

#define INPUT_MAX 4096
#define EVENTS_MAX 16

static void record_make(const struct event_in *event, struct buffer *headers, struct record *ret_record)
{
    buffer_clear(headers);
    uint32_t count = cloudevent_put(&event->event, headers);
    buffer_append_slice(headers, event->headers);
    *ret_record = (struct record){ .timestamp_ms = event->time_ms, .key = event->subject, .value = event->data, .headers = buffer_slice(headers),
                                   .header_count = count + event->header_count };
}

static void write_and_read(const struct event_in *event, struct arena *arena)
{
    struct buffer headers = BUFFER_EMPTY, first = BUFFER_EMPTY, second = BUFFER_EMPTY, lines = BUFFER_EMPTY;
    struct event_in again;
    struct record record;
    const char *type;
    size_t wrong;
    struct event_out out = { .record = &record, .topic = SLICE("t"), .version = 1, .position = 2 };
    record_make(event, &headers, &record);
    event_put_structured(&out, &first);
    event_put_binary(&out, &lines, arena, &type);
    ASSERT(json_valid(buffer_slice(&first), &wrong));
    ASSERT(!memchr(first.data, '\n', first.len));
    ASSERT(event_read_structured(buffer_slice(&first), arena, &again, NULL) == 0);
    /* A value that turned into text is text from then on; so the second time is what the third would be. */
    record_make(&again, &headers, &record);
    event_put_structured(&out, &second);
    ASSERT(slice_eq(buffer_slice(&first), buffer_slice(&second)));
    buffer_deinit(&headers);
    buffer_deinit(&first);
    buffer_deinit(&second);
    buffer_deinit(&lines);
}

static void read_headers(struct slice bytes, struct arena *arena)
{
    struct http_request head;
    struct event_in event;
    struct edda_error error = { .code = 0 };
    int64_t len = http_parse(bytes, INPUT_MAX, &head, NULL);
    if (len <= 0)
        return;
    if (event_read_binary(&head, slice_from(bytes, (size_t)len), arena, &event, &error) == 0)
        write_and_read(&event, arena);
    else
        ASSERT(error.code < 0 && error.message[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct event_in event, *events;
    struct edda_error error = { .code = 0 };
    uint32_t count;
    if (size == 0 || size > INPUT_MAX)
        return 0;
    uint8_t *copy = malloc(size);
    ASSERT(copy);
    memcpy(copy, data, size);
    struct slice bytes = slice_of(copy, size);
    arena_init(&arena, 0, 0);
    if (event_read_structured(bytes, &arena, &event, &error) == 0)
        write_and_read(&event, &arena);
    else
        ASSERT(error.code < 0 && error.message[0]);
    if (event_read_batch(bytes, EVENTS_MAX, &arena, &events, &count, &error) == 0)
        for (uint32_t i = 0; i < count; i++)
            write_and_read(&events[i], &arena);
    read_headers(bytes, &arena);
    arena_deinit(&arena);
    free(copy);
    return 0;
}
