/*
 * frame_load: a frame read back from the log. The log has checked its checksum, so what is wrong here was written wrong or
 * is of a form that this release does not know; all of it is checked all the same, because every later access relies on it.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "store/frame.h"

/* Where loading stands. */
struct load {
    struct frame *frame;
    struct slice body;
    const struct log_frame *from;
    struct edda_error *error;
};

static int load_fail(const struct load *load, const char *what)
{
    return edda_fail_with(load->error, EDDA_ECORRUPT, "the frame at address %" PRIu64 " %s", load->from->address, what);
}

static bool all_zero(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.data[i])
            return false;
    return true;
}

static int capacity_ensure(struct frame *frame, uint32_t batches, uint32_t records)
{
    if (batches > frame->batch_capacity) {
        struct frame_batch *grown = realloc(frame->batches, batches * sizeof(*grown));
        if (!grown)
            return EDDA_ENOMEM;
        memset(grown + frame->batch_capacity, 0, (batches - frame->batch_capacity) * sizeof(*grown));
        frame->batches = grown;
        frame->batch_capacity = batches;
    }
    if (records > frame->ref_capacity) {
        struct frame_ref *grown = realloc(frame->refs, records * sizeof(*grown));
        if (!grown)
            return EDDA_ENOMEM;
        frame->refs = grown;
        frame->ref_capacity = records;
    }
    return 0;
}

/* Reads the batch that `row` tells of, with its tag and padding, at the byte *at of the body. */
static int load_batch(const struct load *load, struct frame_batch *b, struct cursor *rows, size_t *at)
{
    uint32_t partition = cursor_le32(rows);
    uint32_t bytes = cursor_le32(rows);
    uint32_t records = cursor_le32(rows);
    struct cursor c = cursor_of(slice_from(load->body, *at));
    uint32_t tag_partition = cursor_le32(&c);
    uint32_t tag_check = cursor_le32(&c);
    struct slice batch = cursor_bytes(&c, bytes);
    size_t padding = (0 - (size_t)FRAME_TAG_BYTES - bytes) & (FRAME_ALIGNMENT - 1);
    if (!cursor_ok(&c) || !all_zero(cursor_bytes(&c, padding)) || !cursor_ok(&c))
        return load_fail(load, "is shorter than its batches");
    if (batch_parse(batch, &b->batch, NULL) != (int64_t)bytes || b->batch.record_count != (int64_t)records)
        return load_fail(load, "has a row that its batch contradicts");
    if (tag_partition != partition || tag_check != frame_tag_check(partition, batch.data))
        return load_fail(load, "has a batch with a wrong tag");
    if (b->batch.attributes & BATCH_COMPRESSION)
        return edda_fail_with(load->error, EDDA_EUNSUPPORTED, "the frame at address %" PRIu64 " has a compressed batch",
                              load->from->address);
    b->partition = partition;
    b->at = (uint32_t)(*at + FRAME_TAG_BYTES);
    b->first = UINT32_MAX;
    b->next_record = 0;
    *at += FRAME_TAG_BYTES + bytes + padding;
    return 0;
}

/* Gives the next `run` positions to the next records of a batch. */
static int load_run(const struct load *load, uint32_t batch, uint64_t run, uint32_t *ordinal)
{
    struct frame *frame = load->frame;
    if (batch >= frame->batch_count || run == 0 || run > load->from->position_count - *ordinal)
        return load_fail(load, "has a malformed order");
    struct frame_batch *b = &frame->batches[batch];
    struct cursor c = cursor_of(slice_from(b->batch.records, b->next_record));
    if (b->first == UINT32_MAX)
        b->first = *ordinal;
    for (; run > 0; run--) {
        uint32_t record = (uint32_t)(b->batch.records.len - cursor_left(&c));
        int32_t len = cursor_varint32(&c);
        if (!cursor_ok(&c) || len <= 0)
            return load_fail(load, "has a malformed record");
        cursor_skip(&c, (size_t)len);
        if (!cursor_ok(&c))
            return load_fail(load, "has a malformed record");
        frame->refs[(*ordinal)++] = (struct frame_ref){ .batch = batch & INT32_MAX, .record = record };
    }
    b->next_record = (uint32_t)(b->batch.records.len - cursor_left(&c));
    return 0;
}

static int load_order(const struct load *load, struct slice order)
{
    struct frame *frame = load->frame;
    struct cursor c = cursor_of(order);
    uint32_t ordinal = 0;
    int r = 0;
    if (order.len == 0)
        for (uint32_t i = 0; i < frame->batch_count && r == 0; i++)
            r = load_run(load, i, (uint32_t)frame->batches[i].batch.record_count, &ordinal);
    while (r == 0 && cursor_left(&c) > 0) {
        uint32_t batch = cursor_uvarint32(&c);
        uint64_t run = cursor_uvarint64(&c);
        r = cursor_ok(&c) ? load_run(load, batch, run, &ordinal) : load_fail(load, "has a malformed order");
    }
    if (r < 0)
        return r;
    for (uint32_t i = 0; i < frame->batch_count; i++)
        if (frame->batches[i].next_record != frame->batches[i].batch.records.len)
            return load_fail(load, "has records that have no position");
    if (ordinal != load->from->position_count)
        return load_fail(load, "has positions without a record");
    return 0;
}

static int load_identified(const struct load *load, struct slice identified)
{
    struct frame *frame = load->frame;
    struct cursor c = cursor_of(identified);
    uint64_t ordinal = 0;
    while (cursor_left(&c) > 0) {
        ordinal += cursor_uvarint32(&c);
        uint32_t run = cursor_uvarint32(&c);
        if (!cursor_ok(&c) || ordinal + run > load->from->position_count)
            return load_fail(load, "has malformed identities");
        for (; run > 0; run--)
            frame->refs[ordinal++].identified = 1;
    }
    return 0;
}

int frame_load(struct frame *frame, const struct log_frame *from, struct edda_error *error)
{
    struct load load = { .frame = frame, .body = from->body, .from = from, .error = error };
    frame_reset(frame);
    struct cursor c = cursor_of(from->body);
    uint32_t batch_count = cursor_le32(&c);
    uint32_t order_bytes = cursor_le32(&c);
    uint32_t identified_bytes = cursor_le32(&c);
    uint32_t reserved = cursor_le32(&c);
    if (!cursor_ok(&c) || reserved != 0 || batch_count == 0 || batch_count > cursor_left(&c) / FRAME_ROW_BYTES ||
        from->position_count > from->body.len)
        return load_fail(&load, "has a malformed head");
    struct cursor rows = cursor_of(cursor_bytes(&c, (size_t)batch_count * FRAME_ROW_BYTES));
    struct slice order = cursor_bytes(&c, order_bytes);
    struct slice identified = cursor_bytes(&c, identified_bytes);
    size_t at = from->body.len - cursor_left(&c);
    size_t padding = (0 - at) & (FRAME_ALIGNMENT - 1);
    if (!all_zero(cursor_bytes(&c, padding)) || !cursor_ok(&c))
        return load_fail(&load, "has a malformed head");
    at += padding;

    int r = capacity_ensure(frame, batch_count, from->position_count);
    if (r < 0)
        return edda_fail_with(error, r, "out of memory for a frame of %" PRIu32 " records", from->position_count);
    frame->batch_count = batch_count;
    for (uint32_t i = 0; i < batch_count && r == 0; i++)
        r = load_batch(&load, &frame->batches[i], &rows, &at);
    if (r == 0 && at != from->body.len)
        r = load_fail(&load, "is longer than its batches");
    if (r == 0)
        r = load_order(&load, order);
    if (r == 0)
        r = load_identified(&load, identified);
    if (r < 0) {
        frame_reset(frame);
        return r;
    }
    frame->first_position = from->first_position;
    frame->record_count = from->position_count;
    frame->time_ms = from->time_ms;
    frame->body_bytes = from->body.len;
    frame->address = from->address;
    frame->body = from->address + LOG_FRAME_HEADER_BYTES;
    frame->next = from->next;
    return 0;
}
