/*
 * Record batches of any bytes: nothing is read outside of them, what passes the check can be read to its end, and
 * what was read, written again, gives the same records.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/crc32c.h"
#include "base/put.h"
#include "wire/cloudevents/cloudevents.h"

#define CRC_AT 17
#define CHECKED_AT 21

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool same(struct slice a, struct slice b)
{
    return slice_eq(a, b) && !a.data == !b.data;
}

/* Headers are read by three: each must stop where the bytes do. */
static void read_headers(const struct record *record)
{
    struct cursor headers = cursor_of(record->headers);
    struct record_header header;
    while (record_header_next(&headers, &header)) {
        ASSERT(header.key.len <= record->headers.len);
        ASSERT(header.value.len <= record->headers.len);
    }
    struct slice value;
    (void)record_header_find(record, "ce_id", &value);
    struct cloudevent event;
    if (cloudevent_get(record, &event)) {
        struct buffer written = BUFFER_EMPTY;
        struct record again = { .header_count = cloudevent_put(&event, &written) };
        again.headers = buffer_slice(&written);
        struct cloudevent read;
        ASSERT(cloudevent_get(&again, &read));
        ASSERT(slice_eq(read.id, event.id) && slice_eq(read.type, event.type) && read.expiry_ms == event.expiry_ms);
        buffer_deinit(&written);
    }
}

/* Writes the records of a good batch into another and compares. */
static void write_again(const struct batch *batch)
{
    struct buffer out = BUFFER_EMPTY;
    struct batch_builder builder;
    batch_builder_init(&builder, &out);
    struct cursor records = cursor_of(batch->records);
    struct record record;
    while (batch_next(batch, &records, &record))
        batch_builder_add(&builder, record.timestamp_ms, record.key, record.value, record.headers, record.header_count);
    batch_builder_finish(&builder, batch->base_offset, 0);

    struct batch copy;
    ASSERT(batch_parse(buffer_slice(&out), &copy, NULL) == (int64_t)out.len);
    ASSERT(batch_check(&copy, NULL) == 0);
    ASSERT(copy.record_count == batch->record_count);
    records = cursor_of(batch->records);
    struct cursor copied = cursor_of(copy.records);
    struct record other;
    while (batch_next(batch, &records, &record)) {
        ASSERT(batch_next(&copy, &copied, &other));
        ASSERT(other.offset == record.offset && other.timestamp_ms == record.timestamp_ms);
        ASSERT(same(other.key, record.key) && same(other.value, record.value));
        ASSERT(slice_eq(other.headers, record.headers) && other.header_count == record.header_count);
    }
    buffer_deinit(&out);
}

static void read_batch(struct slice bytes)
{
    struct batch batch;
    struct edda_error error;
    int64_t len = batch_parse(bytes, &batch, &error);
    if (len <= 0) {
        ASSERT(len == 0 || len == EDDA_EMALFORMED);
        return;
    }
    ASSERT((uint64_t)len <= bytes.len);
    int r = batch_check(&batch, &error);
    struct cursor records = cursor_of(batch.records);
    struct record record;
    int64_t count = 0;
    while (batch_next(&batch, &records, &record)) {
        read_headers(&record);
        count++;
    }
    if (r == 0 && !(batch.attributes & BATCH_COMPRESSION)) {
        ASSERT(cursor_ok(&records) && count == batch.record_count);
        write_again(&batch);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    read_batch(slice_of(data, size));

    /* Once more with a checksum that is right, or nothing random would ever come past it. */
    struct batch batch;
    int64_t len = batch_parse(slice_of(data, size), &batch, NULL);
    if (len <= 0)
        return 0;
    uint8_t *sealed = malloc((size_t)len);
    ASSERT(sealed);
    memcpy(sealed, data, (size_t)len);
    put_be32(sealed + CRC_AT, crc32c(slice_of(sealed + CHECKED_AT, (size_t)len - CHECKED_AT)));
    read_batch(slice_of(sealed, (size_t)len));
    free(sealed);
    return 0;
}
