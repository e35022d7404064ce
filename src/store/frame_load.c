/*
 * frame_load: a frame read back from the log. The log has checked its checksum, so what is wrong here was written wrong or
 * is of a form that this release does not know; all of it is checked all the same, because every later access relies on it.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "store/frame.h"
#include "store/taken.h"

/* Where loading stands. */
struct load {
    struct frame *frame;
    struct slice body;
    const struct log_frame *from;
    const struct frame_source *source;
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

/* What lies behind a thin batch in its room. */
static int load_thin(const struct load *load, struct frame_batch *b, struct slice room)
{
    struct slice behind = slice_from(room, FRAME_TAG_BYTES + b->batch.bytes.len);
    size_t left;
    uint64_t taken;
    if (!taken_measure(behind, &left, &taken) || taken > batch_offset_count(&b->batch) - (uint32_t)b->batch.record_count)
        return load_fail(load, "has a thin batch that contradicts what was taken from it");
    if (!all_zero(slice_from(behind, left)))
        return load_fail(load, "has something behind a thin batch");
    b->left = slice_of(behind.data, left);
    load->frame->spare += room.len - frame_thin_bytes(b->batch.bytes.len, left);
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
    struct slice behind = cursor_bytes(&c, padding);
    if (!cursor_ok(&c))
        return load_fail(load, "is shorter than its batches");
    int64_t len = batch_parse(batch, &b->batch, NULL);
    bool thin = len > 0 && batch_is_thin(&b->batch) && b->batch.record_count >= 0;
    if (len <= 0 || (thin ? len > (int64_t)bytes || batch_offset_count(&b->batch) != records : len != (int64_t)bytes || b->batch.record_count != (int64_t)records ||
                             batch_offset_count(&b->batch) != records))
        return load_fail(load, "has a row that its batch contradicts");
    if (tag_partition != partition || tag_check != frame_tag_check(partition, batch.data))
        return load_fail(load, "has a batch with a wrong tag");
    b->room = (uint32_t)(FRAME_TAG_BYTES + bytes + padding);
    b->left = slice_of(NULL, 0);
    int r = thin ? load_thin(load, b, slice_of(load->body.data + *at, b->room)) : all_zero(behind) ? 0 : load_fail(load, "has something behind a batch");
    if (r < 0)
        return r;
    b->partition = partition;
    b->at = (uint32_t)(*at + FRAME_TAG_BYTES);
    b->first = UINT32_MAX;
    b->next = (struct frame_next){ .taken = UINT32_MAX };
    b->whole = true;
    b->plain_key = load->from->address + LOG_FRAME_HEADER_BYTES + b->at;
    *at += b->room;
    return 0;
}

/* Takes in a row that names a batch of an earlier frame. */
static int load_remote(const struct load *load, struct frame_remote *remote, struct cursor *rows)
{
    struct batch batch;
    uint32_t partition;
    *remote = (struct frame_remote){ .first = UINT32_MAX, .next.taken = UINT32_MAX };
    remote->address = cursor_le64(rows);
    remote->partition = cursor_le32(rows);
    remote->record_count = cursor_le32(rows);
    if (remote->address >= load->from->address)
        return load_fail(load, "names a batch that is not before it");
    int r = load->source->batch(load->source->user, remote->address, &partition, &batch, load->error);
    if (r == EDDA_ECORRUPT && load->source->lacking) {
        remote->lost = true;
        return 0;
    }
    if (r < 0)
        return r;
    if (partition != remote->partition || batch_offset_count(&batch) != remote->record_count || batch.record_count > (int64_t)remote->record_count ||
        !batch_is_placeless(&batch))
        return load_fail(load, "has a row that the batch it names contradicts");
    if (!batch_is_thin(&batch))
        return 0;
    struct slice behind = load->source->bytes(load->source->user, remote->address + batch.bytes.len);
    size_t left;
    uint64_t taken;
    if (!taken_measure(behind, &left, &taken) || taken > remote->record_count - (uint32_t)batch.record_count)
        return load_fail(load, "names a thin batch that contradicts what was taken from it");
    remote->left = slice_of(behind.data, left);
    return 0;
}

/* Where the next records of a batch lie, whose index in the order is `index`. */
struct load_place {
    struct batch batch;
    struct slice records;
    uint32_t *first;
    struct frame_next *next;
};

static int place_find(const struct load *load, uint32_t index, struct load_place *ret_place)
{
    struct frame *frame = load->frame;
    const struct frame_source *source = load->source;
    if (index < frame->batch_count) {
        struct frame_batch *b = &frame->batches[index];
        *ret_place = (struct load_place){ .batch = b->batch, .first = &b->first, .next = &b->next };
        if (batch_is_placeless(&b->batch))
            return load_fail(load, "gives positions to a transaction that has not ended");
        return plain_records(source->plain, b->plain_key, &b->batch, &ret_place->records, load->error);
    }
    if (index - frame->batch_count >= frame->remote_count)
        return load_fail(load, "has a malformed order");
    struct frame_remote *remote = &frame->remotes[index - frame->batch_count];
    uint32_t partition;
    *ret_place = (struct load_place){ .first = &remote->first, .next = &remote->next };
    int r = source->batch(source->user, remote->address, &partition, &ret_place->batch, load->error);
    return r < 0 ? r : plain_records(source->plain, remote->address, &ret_place->batch, &ret_place->records, load->error);
}

/* Positions of a batch that is lost. They follow one another, as those of every remote batch do. */
static int load_lost(const struct load *load, uint32_t remote, uint64_t run, uint32_t *ordinal)
{
    struct frame_remote *lost = &load->frame->remotes[remote];
    if (run != lost->record_count || lost->first != UINT32_MAX)
        return load_fail(load, "has a malformed order");
    lost->first = *ordinal;
    for (; run > 0; run--)
        load->frame->refs[(*ordinal)++] = (struct frame_ref){ .batch = remote & FRAME_REF_MAX, .remote = 1 };
    return 0;
}

/* The same for a thin batch. Which records were taken is told by the deltas of the others. */
static int load_thin_run(const struct load *load, const struct load_place *place, struct frame_ref ref, uint64_t run, uint32_t *ordinal)
{
    struct frame_next *next = place->next;
    struct cursor c = cursor_of(slice_from(place->records, next->record));
    struct record record;
    uint32_t at = next->record;
    bool more = batch_next(&place->batch, &c, &record);
    for (; run > 0; run--, next->delta++) {
        bool here = more && record.offset - place->batch.base_offset == next->delta;
        ref.record = here ? at : FRAME_REF_TAKEN;
        if (!here && next->taken == UINT32_MAX)
            next->taken = *ordinal;
        load->frame->refs[(*ordinal)++] = ref;
        if (!here)
            continue;
        next->count++;
        at = next->record = (uint32_t)(place->records.len - cursor_left(&c));
        more = batch_next(&place->batch, &c, &record);
    }
    return cursor_ok(&c) ? 0 : load_fail(load, "has a malformed record");
}

/* Gives the next `run` positions to the next records of a batch. */
static int load_run(const struct load *load, uint32_t index, uint64_t run, uint32_t *ordinal)
{
    struct frame *frame = load->frame;
    struct load_place place;
    if (run == 0 || run > load->from->position_count - *ordinal)
        return load_fail(load, "has a malformed order");
    bool remote = index >= frame->batch_count;
    uint32_t batch = remote ? index - frame->batch_count : index;
    if (remote && batch < frame->remote_count && frame->remotes[batch].lost)
        return load_lost(load, batch, run, ordinal);
    int r = place_find(load, index, &place);
    if (r < 0)
        return r;
    struct cursor c = cursor_of(slice_from(place.records, place.next->record));
    if (*place.first == UINT32_MAX)
        *place.first = *ordinal;
    if (batch_is_thin(&place.batch))
        return load_thin_run(load, &place, (struct frame_ref){ .batch = batch & FRAME_REF_MAX, .remote = remote }, run, ordinal);
    for (; run > 0; run--) {
        uint32_t record = (uint32_t)(place.records.len - cursor_left(&c));
        int32_t len = cursor_varint32(&c);
        if (!cursor_ok(&c) || len <= 0)
            return load_fail(load, "has a malformed record");
        cursor_skip(&c, (size_t)len);
        if (!cursor_ok(&c))
            return load_fail(load, "has a malformed record");
        frame->refs[(*ordinal)++] = (struct frame_ref){ .batch = batch & FRAME_REF_MAX, .remote = remote, .record = record };
    }
    place.next->record = (uint32_t)(place.records.len - cursor_left(&c));
    return 0;
}

/* That every record of the frame's batches has got a position, and the place of the batches without. */
static int load_placed(const struct load *load)
{
    struct frame *frame = load->frame;
    struct load_place place;
    uint32_t first = 0;
    for (uint32_t i = 0; i < frame->batch_count + frame->remote_count; i++) {
        struct frame_batch *b = i < frame->batch_count ? &frame->batches[i] : NULL;
        if (b && batch_is_placeless(&b->batch)) {
            b->first = first;
            continue;
        }
        if (!b && frame->remotes[i - frame->batch_count].lost) {
            if (frame->remotes[i - frame->batch_count].first == UINT32_MAX)
                return load_fail(load, "has records that have no position");
            continue;
        }
        int r = place_find(load, i, &place);
        if (r < 0)
            return r;
        if (place.next->record != place.records.len ||
            (batch_is_thin(&place.batch) && (place.next->delta != batch_offset_count(&place.batch) || place.next->count != (uint32_t)place.batch.record_count)))
            return load_fail(load, "has records that have no position");
        first = *place.first;
    }
    return 0;
}

static int load_order(const struct load *load, struct slice order)
{
    struct frame *frame = load->frame;
    struct cursor c = cursor_of(order);
    uint32_t ordinal = frame->holes;
    int r = 0;
    if (ordinal)
        frame->refs[0] = FRAME_REF_HOLE;
    if (order.len == 0)
        for (uint32_t i = 0; i < frame->batch_count && r == 0; i++)
            if (!batch_is_placeless(&frame->batches[i].batch))
                r = load_run(load, i, batch_offset_count(&frame->batches[i].batch), &ordinal);
    while (r == 0 && cursor_left(&c) > 0) {
        uint32_t batch = cursor_uvarint32(&c);
        uint64_t run = cursor_uvarint64(&c);
        r = cursor_ok(&c) ? load_run(load, batch, run, &ordinal) : load_fail(load, "has a malformed order");
    }
    if (r == 0)
        r = load_placed(load);
    if (r < 0)
        return r;
    return ordinal == load->from->position_count ? 0 : load_fail(load, "has positions without a record");
}

static int load_identified(const struct load *load, struct slice identified)
{
    struct frame *frame = load->frame;
    struct cursor c = cursor_of(identified);
    uint64_t ordinal = frame->holes;
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

/* The head of a body as it is read. */
struct load_head {
    uint32_t batch_count, remote_count, holes;
    struct cursor rows, remotes;
    struct slice order, identified;
    size_t end;
};

static int load_head(const struct load *load, struct load_head *ret_head)
{
    const struct log_frame *from = load->from;
    struct cursor c = cursor_of(from->body);
    struct load_head h = { .batch_count = cursor_le32(&c), .remote_count = 0 };
    h.remote_count = cursor_le32(&c);
    h.holes = cursor_le32(&c);
    uint32_t order_bytes = cursor_le32(&c);
    uint32_t identified_bytes = cursor_le32(&c);
    uint32_t reserved = cursor_le32(&c);
    size_t left = cursor_left(&c);
    if (!cursor_ok(&c) || reserved != 0 || h.holes > 1 || h.holes > from->position_count || h.batch_count == 0 ||
        h.batch_count > left / FRAME_ROW_BYTES || h.remote_count > left / FRAME_REMOTE_BYTES)
        return load_fail(load, "has a malformed head");
    h.rows = cursor_of(cursor_bytes(&c, (size_t)h.batch_count * FRAME_ROW_BYTES));
    h.remotes = cursor_of(cursor_bytes(&c, (size_t)h.remote_count * FRAME_REMOTE_BYTES));
    h.order = cursor_bytes(&c, order_bytes);
    h.identified = cursor_bytes(&c, identified_bytes);
    size_t at = from->body.len - cursor_left(&c);
    size_t padding = (0 - at) & (FRAME_ALIGNMENT - 1);
    if (!all_zero(cursor_bytes(&c, padding)) || !cursor_ok(&c))
        return load_fail(load, "has a malformed head");
    h.end = at + padding;
    *ret_head = h;
    return 0;
}

static int load_body(const struct load *load, struct load_head *h)
{
    struct frame *frame = load->frame;
    size_t at = h->end;
    int r = 0;
    if (!frame_reserve(frame, h->batch_count, h->remote_count, load->from->position_count))
        return edda_fail_with(load->error, EDDA_ENOMEM, "out of memory for a frame of %" PRIu32 " records", load->from->position_count);
    frame->batch_count = h->batch_count;
    frame->remote_count = h->remote_count;
    frame->holes = h->holes;
    for (uint32_t i = 0; i < h->batch_count && r == 0; i++)
        r = load_batch(load, &frame->batches[i], &h->rows, &at);
    for (uint32_t i = 0; i < h->remote_count && r == 0; i++)
        r = load_remote(load, &frame->remotes[i], &h->remotes);
    if (r == 0 && at != load->from->body.len)
        r = load_fail(load, "is longer than its batches");
    if (r == 0)
        r = load_order(load, h->order);
    return r < 0 ? r : load_identified(load, h->identified);
}

int frame_load(struct frame *frame, const struct log_frame *from, const struct frame_source *source, struct edda_error *error)
{
    struct load load = { .frame = frame, .body = from->body, .from = from, .source = source, .error = error };
    struct load_head head;
    frame_reset(frame);
    int r = load_head(&load, &head);
    if (r == 0)
        r = load_body(&load, &head);
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

int frame_rows_each(const struct log_frame *from, int (*visit)(void *user, uint32_t partition, log_address address, const struct batch *batch),
                    void *user)
{
    struct frame frame = { 0 };
    struct edda_error error;
    struct load load = { .frame = &frame, .body = from->body, .from = from, .error = &error };
    struct load_head head = { 0 };
    int r = load_head(&load, &head);
    size_t at = r == 0 ? head.end : 0;
    for (uint32_t i = 0; r == 0 && i < head.batch_count; i++) {
        struct frame_batch b;
        r = load_batch(&load, &b, &head.rows, &at);
        if (r == 0)
            r = visit(user, b.partition, from->address + LOG_FRAME_HEADER_BYTES + b.at, &b.batch);
    }
    return r;
}
