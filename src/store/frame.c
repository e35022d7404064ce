/*
 * frame: filling a frame and closing it; frame_load.c is the way back. The layout is in frame.h.
 *
 * A frame that is used again finds the buffers of its last life, batch by batch, so that a steady load allocates
 * nothing. What it may keep is bounded, since the batches of a frame with many partitions differ in size each time.
 */
#include "store/frame.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/array.h"
#include "base/assert.h"
#include "base/crc32c.h"
#include "base/put.h"

#define KEEP_BYTES_MAX ((size_t)1 << 20) /* memory of buffers that a free frame keeps */
#define RECORDS_AT (FRAME_TAG_BYTES + BATCH_HEADER_BYTES)
#define TAG_CHECKED_BYTES 21

struct frame *frame_new(void)
{
    struct frame *frame = calloc(1, sizeof(*frame));
    if (frame)
        list_init(&frame->link);
    return frame;
}

void frame_free(struct frame *frame)
{
    if (!frame)
        return;
    for (uint32_t i = 0; i < frame->batch_capacity; i++)
        buffer_deinit(&frame->batches[i].bytes);
    buffer_deinit(&frame->head);
    free(frame->batches);
    free(frame->remotes);
    free(frame->refs);
    free(frame->parts);
    free(frame);
}

void frame_reset(struct frame *frame)
{
    size_t kept = 0;
    for (uint32_t i = 0; i < frame->batch_capacity; i++) {
        struct buffer *bytes = &frame->batches[i].bytes;
        kept += bytes->capacity;
        if (kept > KEEP_BYTES_MAX) {
            kept -= bytes->capacity;
            buffer_deinit(bytes);
        }
    }
    frame->record_count = frame->batch_count = frame->remote_count = frame->holes = 0;
    frame->order_runs = frame->identified_runs = 0;
    frame->last_identified = frame->open = false;
    frame->address = frame->body = frame->next = frame->spare = 0;
}

void frame_open(struct frame *frame, uint64_t first_position, int64_t now_ns)
{
    ASSERT(frame->record_count == 0 && frame->batch_count == 0);
    frame->first_position = first_position;
    frame->opened_ns = now_ns;
    frame->time_ms = 0;
    frame->body_bytes = FRAME_HEADER_BYTES + FRAME_ALIGNMENT;
    frame->open = true;
}

bool frame_reserve(struct frame *frame, uint32_t batches, uint32_t remotes, uint32_t records)
{
    uint32_t before = frame->batch_capacity;
    if (!array_reserve(&frame->batches, &frame->batch_capacity, (uint64_t)frame->batch_count + batches, sizeof(*frame->batches)))
        return false;
    if (frame->batch_capacity > before)
        memset(frame->batches + before, 0, (frame->batch_capacity - before) * sizeof(*frame->batches));
    return array_reserve(&frame->remotes, &frame->remote_capacity, (uint64_t)frame->remote_count + remotes, sizeof(*frame->remotes)) &&
           array_reserve(&frame->refs, &frame->ref_capacity, (uint64_t)frame->record_count + records, sizeof(*frame->refs));
}

int frame_batch_open(struct frame *frame, uint32_t partition, int64_t base_offset, uint32_t *ret_batch)
{
    ASSERT(frame->open);
    if (frame->batch_count == FRAME_BATCHES_MAX)
        return EDDA_ELIMIT;
    if (!frame_reserve(frame, 1, 0, 0))
        return EDDA_ENOMEM;
    struct frame_batch *b = &frame->batches[frame->batch_count];
    b->whole = false;
    b->left = slice_of(NULL, 0);
    buffer_clear(&b->bytes);
    buffer_append_zeros(&b->bytes, FRAME_TAG_BYTES);
    batch_builder_init(&b->builder, &b->bytes);
    if (!buffer_ok(&b->bytes))
        return EDDA_ENOMEM;
    b->partition = partition;
    b->at = 0;
    b->first = frame->record_count;
    b->batch = (struct batch){ .base_offset = base_offset, .producer_id = -1, .producer_epoch = -1, .base_sequence = -1 };
    frame->body_bytes += FRAME_BATCH_COST;
    *ret_batch = frame->batch_count++;
    return 0;
}

int frame_add(struct frame *frame, uint32_t batch, int64_t timestamp_ms, const struct record *record, bool identified,
              uint32_t *ret_record)
{
    ASSERT(frame->open && batch < frame->batch_count);
    struct frame_batch *b = &frame->batches[batch];
    if (!frame_reserve(frame, 0, 0, 1))
        return EDDA_ENOMEM;
    /* The array of batches may have moved, and the buffer with it. */
    b->builder.out = &b->bytes;
    size_t before = b->bytes.len;
    uint32_t at = batch_builder_add(&b->builder, timestamp_ms, record->key, record->value, record->headers,
                                    record->header_count);
    if (!buffer_ok(&b->bytes)) {
        b->bytes.failed = false;
        buffer_truncate(&b->bytes, before);
        return EDDA_ENOMEM;
    }
    uint32_t count = frame->record_count;
    bool same_batch = count > 0 && frame->refs[count - 1].batch == batch && !frame->refs[count - 1].remote;
    frame->order_runs += !same_batch;
    frame->identified_runs += identified && !frame->last_identified;
    frame->body_bytes += b->bytes.len - before + (same_batch && identified == frame->last_identified ? 0 : FRAME_RUN_COST);
    frame->last_identified = identified;
    frame->refs[count] = (struct frame_ref){ .batch = batch & FRAME_REF_MAX, .identified = identified, .record = at };
    frame->record_count = count + 1;
    b->batch.base_timestamp_ms = b->builder.base_timestamp_ms;
    b->batch.record_count = b->builder.record_count;
    *ret_record = at;
    return 0;
}

/* Positions for records that follow each other in one batch. */
static void refs_put(struct frame *frame, uint32_t batch, bool remote, const uint32_t *records, uint32_t count)
{
    struct frame_ref *refs = frame->refs + frame->record_count;
    for (uint32_t i = 0; i < count; i++)
        refs[i] = (struct frame_ref){ .batch = batch & FRAME_REF_MAX, .remote = remote, .record = records[i] };
    frame->record_count += count;
    frame->order_runs++;
    frame->last_identified = false;
    frame->body_bytes += FRAME_RUN_COST;
}

int frame_add_batch(struct frame *frame, const struct frame_whole *whole, uint32_t *ret_batch)
{
    const struct batch *batch = whole->batch;
    bool placeless = batch_is_placeless(batch);
    ASSERT(frame->open && batch_is_thin(batch) == (whole->left.len > 0));
    if (frame->batch_count == FRAME_BATCHES_MAX)
        return EDDA_ELIMIT;
    if (!frame_reserve(frame, 1, 0, placeless ? 1 : batch_offset_count(batch)))
        return EDDA_ENOMEM;
    struct frame_batch *b = &frame->batches[frame->batch_count];
    buffer_clear(&b->bytes);
    buffer_reserve(&b->bytes, FRAME_TAG_BYTES + batch->bytes.len + whole->left.len + FRAME_ALIGNMENT);
    buffer_append_zeros(&b->bytes, FRAME_TAG_BYTES);
    buffer_append_slice(&b->bytes, batch->bytes);
    buffer_append_slice(&b->bytes, whole->left);
    if (!buffer_ok(&b->bytes))
        return EDDA_ENOMEM;
    b->partition = whole->partition;
    b->at = 0;
    b->first = frame->record_count;
    b->whole = true;
    b->plain_key = whole->plain_key;
    batch_assign(b->bytes.data + FRAME_TAG_BYTES, whole->base_offset, 0);
    if (whole->stamp)
        batch_stamp(b->bytes.data + FRAME_TAG_BYTES, batch->bytes.len, whole->max_timestamp_ms, whole->append_time);
    batch_parse(slice_from(buffer_slice(&b->bytes), FRAME_TAG_BYTES), &b->batch, NULL);
    b->left = slice_from(buffer_slice(&b->bytes), FRAME_TAG_BYTES + batch->bytes.len);
    frame->body_bytes += FRAME_BATCH_COST + batch->bytes.len + whole->left.len;
    if (!placeless) {
        refs_put(frame, frame->batch_count, false, whole->records, batch_offset_count(batch));
    } else if (frame->record_count == 0) {
        frame->refs[frame->record_count++] = FRAME_REF_HOLE;
        frame->holes = 1;
    }
    if (ret_batch)
        *ret_batch = frame->batch_count;
    frame->batch_count++;
    return 0;
}

void frame_add_remote(struct frame *frame, log_address address, uint32_t partition, const uint32_t *records, uint32_t count)
{
    ASSERT(frame->open && frame->remote_count < frame->remote_capacity && count <= frame->ref_capacity - frame->record_count);
    frame->remotes[frame->remote_count] = (struct frame_remote){
        .address = address, .partition = partition, .record_count = count, .first = frame->record_count
    };
    frame->body_bytes += FRAME_REMOTE_BYTES;
    refs_put(frame, frame->remote_count++, true, records, count);
}

struct frame_mark frame_mark(const struct frame *frame)
{
    return (struct frame_mark){
        .record_count = frame->record_count,
        .batch_count = frame->batch_count,
        .order_runs = frame->order_runs,
        .identified_runs = frame->identified_runs,
        .last_identified = frame->last_identified,
        .body_bytes = frame->body_bytes,
    };
}

/* A batch's greatest timestamp is left as it is: an upper bound is what it means to a reader. */
void frame_rewind(struct frame *frame, const struct frame_mark *mark)
{
    ASSERT(frame->open && mark->record_count <= frame->record_count && mark->batch_count <= frame->batch_count);
    while (frame->record_count > mark->record_count) {
        const struct frame_ref *ref = &frame->refs[--frame->record_count];
        struct frame_batch *b = &frame->batches[ref->batch];
        b->builder.out = &b->bytes;
        batch_builder_rewind(&b->builder, ref->record, b->builder.record_count - 1, b->builder.max_timestamp_ms);
        b->batch.record_count = b->builder.record_count;
    }
    frame->batch_count = mark->batch_count;
    frame->order_runs = mark->order_runs;
    frame->identified_runs = mark->identified_runs;
    frame->last_identified = mark->last_identified;
    frame->body_bytes = mark->body_bytes;
}

uint32_t frame_tag_check(uint32_t partition, const uint8_t *batch_bytes)
{
    uint8_t number[4];
    put_le32(number, partition);
    return crc32c_extend(crc32c(slice_of(number, sizeof(number))), slice_of(batch_bytes, TAG_CHECKED_BYTES));
}

static size_t padding_of(size_t len)
{
    return (0 - len) & (FRAME_ALIGNMENT - 1);
}

static void put_run(struct buffer *head, uint64_t first, uint64_t second)
{
    uint8_t run[2 * VARINT64_BYTES_MAX];
    uint8_t *end = put_uvarint64(put_uvarint64(run, first), second);
    buffer_append(head, run, (size_t)(end - run));
}

static void put_order(const struct frame *frame, struct buffer *head)
{
    for (uint32_t i = frame->holes; i < frame->record_count;) {
        const struct frame_ref *ref = &frame->refs[i];
        uint32_t run = 1;
        while (i + run < frame->record_count && ref[run].batch == ref->batch && ref[run].remote == ref->remote)
            run++;
        put_run(head, ref->remote ? frame->batch_count + ref->batch : ref->batch, run);
        i += run;
    }
}

/* How many batches have positions in the frame, and the ordinals of the others. */
static uint32_t batches_place(struct frame *frame)
{
    uint32_t placed = 0, first = 0;
    for (uint32_t i = 0; i < frame->batch_count; i++) {
        struct frame_batch *b = &frame->batches[i];
        if (batch_is_placeless(&b->batch)) {
            b->first = first;
        } else {
            first = b->first;
            placed++;
        }
    }
    return placed;
}

static void put_identified(const struct frame *frame, struct buffer *head)
{
    for (uint32_t i = frame->holes; i < frame->record_count;) {
        uint32_t pass = 0, run = 0;
        while (i + pass < frame->record_count && !frame->refs[i + pass].identified)
            pass++;
        while (i + pass + run < frame->record_count && frame->refs[i + pass + run].identified)
            run++;
        if (run)
            put_run(head, pass, run);
        i += pass + run;
    }
}

/* Writes the head, for which there is room; the batches' lengths must be final. */
static void put_head(struct frame *frame)
{
    struct buffer *head = &frame->head;
    uint8_t *at = buffer_extend(head, FRAME_HEADER_BYTES + (size_t)frame->batch_count * FRAME_ROW_BYTES +
                                          (size_t)frame->remote_count * FRAME_REMOTE_BYTES);
    at = put_le32(at, frame->batch_count);
    at = put_le32(at, frame->remote_count);
    at = put_le32(at, frame->holes);
    at += 3 * sizeof(uint32_t);
    for (uint32_t i = 0; i < frame->batch_count; i++) {
        at = put_le32(at, frame->batches[i].partition);
        at = put_le32(at, (uint32_t)(frame->batches[i].batch.bytes.len + frame->batches[i].left.len));
        at = put_le32(at, batch_offset_count(&frame->batches[i].batch));
    }
    for (uint32_t i = 0; i < frame->remote_count; i++) {
        at = put_le64(at, frame->remotes[i].address);
        at = put_le32(at, frame->remotes[i].partition);
        at = put_le32(at, frame->remotes[i].record_count);
    }
    size_t order_at = head->len;
    uint32_t placed = batches_place(frame);
    if (frame->order_runs > placed || frame->remote_count > 0)
        put_order(frame, head);
    size_t identified_at = head->len;
    if (frame->identified_runs)
        put_identified(frame, head);
    size_t end = head->len;
    buffer_append_zeros(head, padding_of(end));
    ASSERT(buffer_ok(head));
    at = put_le32(head->data + offsetof(struct frame_body_layout, order_bytes), (uint32_t)(identified_at - order_at));
    at = put_le32(at, (uint32_t)(end - identified_at));
    put_le32(at, 0);
}

/* Header, tag and padding of one batch, for which there is room. */
static void batch_close(struct frame_batch *b)
{
    struct slice bytes = slice_from(buffer_slice(&b->bytes), FRAME_TAG_BYTES);
    if (!b->whole) {
        b->builder.out = &b->bytes;
        batch_builder_finish(&b->builder, b->batch.base_offset, 0);
        int64_t len = batch_parse(bytes, &b->batch, NULL);
        ASSERT(len == (int64_t)bytes.len && b->batch.record_count == b->builder.record_count);
    }
    put_le32(put_le32(b->bytes.data, b->partition), frame_tag_check(b->partition, bytes.data));
    buffer_append_zeros(&b->bytes, padding_of(b->bytes.len));
    ASSERT(buffer_ok(&b->bytes));
}

/* All that closing needs from the system, so that it cannot fail half-way. */
static bool close_reserve(struct frame *frame)
{
    uint32_t part_count = frame->batch_count + 1;
    if (part_count > frame->part_capacity) {
        struct slice *parts = realloc(frame->parts, part_count * sizeof(*parts));
        if (!parts)
            return false;
        frame->parts = parts;
        frame->part_capacity = part_count;
    }
    buffer_clear(&frame->head);
    size_t runs = (size_t)frame->order_runs + frame->identified_runs;
    if (!buffer_reserve(&frame->head, FRAME_HEADER_BYTES + (size_t)frame->batch_count * FRAME_ROW_BYTES +
                                          (size_t)frame->remote_count * FRAME_REMOTE_BYTES + runs * 2 * VARINT32_BYTES_MAX + FRAME_ALIGNMENT))
        return false;
    for (uint32_t i = 0; i < frame->batch_count; i++) {
        struct buffer *bytes = &frame->batches[i].bytes;
        if (!buffer_reserve(bytes, FRAME_ALIGNMENT)) {
            bytes->failed = false;
            return false;
        }
    }
    return true;
}

int frame_close(struct frame *frame, size_t *ret_count)
{
    ASSERT(frame->open && frame->record_count > 0);
    if (!close_reserve(frame))
        return EDDA_ENOMEM;
    for (uint32_t i = 0; i < frame->batch_count; i++)
        batch_close(&frame->batches[i]);
    put_head(frame);
    frame->parts[0] = buffer_slice(&frame->head);
    size_t at = frame->head.len;
    for (uint32_t i = 0; i < frame->batch_count; i++) {
        frame->parts[i + 1] = buffer_slice(&frame->batches[i].bytes);
        frame->batches[i].at = (uint32_t)(at + FRAME_TAG_BYTES);
        at += frame->batches[i].bytes.len;
    }
    ASSERT(at <= frame->body_bytes);
    frame->body_bytes = at;
    frame->open = false;
    *ret_count = frame->batch_count + 1;
    return 0;
}

int frame_record(const struct frame *frame, uint32_t ordinal, const struct frame_source *source, struct record *ret_record,
                 struct edda_error *error)
{
    ASSERT(ordinal >= frame->holes && ordinal < frame->record_count);
    const struct frame_ref *ref = &frame->refs[ordinal];
    if (ref->record == FRAME_REF_TAKEN)
        return edda_fail_with(error, EDDA_ENOTFOUND, "the record at position %" PRIu64 " was removed", frame->first_position + ordinal);
    struct batch batch;
    struct slice records;
    int r = 0;
    if (ref->remote) {
        uint32_t partition;
        log_address address = frame->remotes[ref->batch].address;
        r = source->batch(source->user, address, &partition, &batch, error);
        if (r == 0)
            r = plain_records(source->plain, address, &batch, &records, error);
    } else {
        const struct frame_batch *b = &frame->batches[ref->batch];
        batch = b->batch;
        if (frame->open && !b->whole)
            records = slice_from(buffer_slice(&b->bytes), RECORDS_AT);
        else
            r = plain_records(source->plain, b->plain_key, &batch, &records, error);
    }
    if (r < 0)
        return r;
    struct cursor at = cursor_of(slice_from(records, ref->record));
    return batch_next(&batch, &at, ret_record) ? 0 : edda_fail_with(error, EDDA_ECORRUPT, "the record at position %" PRIu64 " is malformed",
                                                                    frame->first_position + ordinal);
}
