/*
 * salvage: a new data directory with all of a damaged log that is whole, and a report of what was lost. The old one is only read.
 *
 * The log is walked twice: once to learn what is missing (edda_loss.h) and what of transactions has an end (edda_ends.h), once to copy. A frame is copied as it is, but for the
 * addresses that it names. What was lost becomes a gap, as what was removed is one. A frame of which a part is left out (a batch of a transaction without
 * an end; the positions of a batch that a commit names and that is lost) is written anew without it, as several frames if need be.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/array.h"
#include "base/put.h"
#include "cmd/edda_ends.h"
#include "cmd/edda_loss.h"
#include "cmd/edda_tool.h"
#include "store/front.h"
#include "store/internal.h"

#define FLUSH_BYTES (UINT64_C(8) << 20)

struct salvage_values {
    const char *dir, *to;
};

/* Positions of a batch that was lost, in the commit that names it. */
struct lacking {
    uint64_t first;
    uint32_t count, partition;
};

struct salvage {
    struct tool *tool;
    const struct salvage_values *v;
    struct log *from, *to;
    struct loss_plan plan;
    struct ends ends;
    struct frame *frame;       /* as read */
    struct frame *fresh;       /* written anew */
    struct frame_source source;
    struct placeless **pending; /* those in the frame that is written anew */
    size_t pending_count;
    uint32_t pending_capacity;
    struct lacking *lacking;
    size_t lacking_count;
    uint32_t lacking_capacity;
    struct buffer body;        /* a copy, in which addresses are changed */
    struct buffer places;      /* of records in a batch */
    struct buffer front;       /* what is left of the front that was removed */
    struct slice front_removed; /* the counts in it */
    uint32_t owed;             /* positions that are to be a gap, before the next record */
    size_t filled;             /* fillings written */
    size_t loss;               /* the next one */
    int64_t topics_offset;     /* the next in the table of topics */
    int64_t time_ms;           /* log time of the frame that is copied */
    uint64_t damaged, records, bad_frames;
};

static void tell(void *user, const char *segment, uint64_t from, uint64_t to, const char *reason)
{
    struct salvage *s = user;
    progress_end();
    s->damaged++;
    printf("damaged: %s, bytes %" PRIu64 " to %" PRIu64 ": %s\n", segment, from, to, reason);
}

static int out_of_memory(struct salvage *s)
{
    return edda_fail_with(&s->tool->error, EDDA_ENOMEM, "out of memory");
}

/* --- learning ----------------------------------------------------------------------------------------- */

/* The commits that name what is lost. */
static int lacking_learn(struct salvage *s)
{
    for (uint32_t i = 0; i < s->frame->remote_count; i++) {
        const struct frame_remote *remote = &s->frame->remotes[i];
        if (!remote->lost)
            continue;
        if (!array_reserve(&s->lacking, &s->lacking_capacity, s->lacking_count + 1, sizeof(struct lacking)))
            return out_of_memory(s);
        s->lacking[s->lacking_count++] = (struct lacking){ s->frame->first_position + remote->first, remote->record_count, remote->partition };
    }
    return 0;
}

static int learn(void *user, const struct log_frame *from)
{
    struct salvage *s = user;
    struct edda_error error;
    if (from->position_count == 0 || from->first_position < s->plan.next_position)
        return 0;
    if (from->removed)
        return loss_plan_gap(&s->plan, from->first_position, from->position_count, from->body.len);
    int r = frame_load(s->frame, from, &s->source, &error);
    if (r == EDDA_ENOMEM)
        return r;
    if (r < 0) {
        s->bad_frames++;
        printf("damaged: %s\n", error.message);
        return 0;
    }
    r = loss_plan_frame(&s->plan, s->frame, &s->source);
    if (r == 0)
        r = ends_frame(&s->ends, s->frame, &s->source, s->plan.producers, s->plan.loss_count);
    return r < 0 ? r : lacking_learn(s);
}

/* What was removed from the front of the log. A file that says so and is damaged was told of; the front is then as if lost. */
static int front_learn(struct salvage *s)
{
    struct front_left left;
    uint64_t position = 0;
    int r = log_front_left(s->from, &s->front, &position, &s->tool->error);
    if (r == 0)
        r = front_left_parse(buffer_slice(&s->front), &left);
    if (r == EDDA_ECORRUPT) {
        s->bad_frames++;
        printf("damaged: what is left of the removed front of the log is malformed\n");
        return 0;
    }
    if (r < 0 || position == 0)
        return r;
    s->front_removed = left.removed;
    if (left.removed.len > s->plan.body_bytes_max)
        s->plan.body_bytes_max = left.removed.len;
    r = loss_plan_front(&s->plan, position, left.rows);
    return r < 0 ? out_of_memory(s) : 0;
}

/* --- writing ------------------------------------------------------------------------------------------ */

static int flush(struct salvage *s)
{
    struct log_flush *f;
    int r = 0;
    while (r == 0 && (f = log_flush_begin(s->to))) {
        log_flush_run(f);
        r = log_flush_end(s->to, f, &s->tool->error);
    }
    return r;
}

/* Appends what `parts` hold, which stay as they are until the next flush(). */
static int body_append(struct salvage *s, const struct slice *parts, size_t count, uint64_t bytes, uint32_t positions,
                       log_address *ret_body)
{
    int r = log_unflushed_bytes(s->to) >= FLUSH_BYTES ? flush(s) : 0;
    if (r == 0)
        r = log_reserve(s->to, bytes, &s->tool->error);
    if (r == 0)
        log_frame_append(s->to, parts, count, positions, s->time_ms, ret_body);
    return r;
}

/* Positions without records. */
static int gap_append(struct salvage *s, uint64_t positions, struct slice left)
{
    int r = 0;
    while (r == 0 && positions > 0) {
        uint32_t count = positions < UINT32_MAX ? (uint32_t)positions : UINT32_MAX;
        r = log_unflushed_bytes(s->to) >= FLUSH_BYTES ? flush(s) : 0;
        if (r == 0)
            r = log_reserve(s->to, left.len, &s->tool->error);
        if (r == 0)
            log_gap_append(s->to, left, count, s->time_ms);
        positions -= count;
        left = slice_of(NULL, 0);
    }
    return r;
}

static int fresh_append(struct salvage *s)
{
    size_t count;
    log_address body = 0;
    if (s->fresh->record_count == 0)
        return 0;
    int r = frame_close(s->fresh, &count);
    if (r < 0)
        return edda_fail_with(&s->tool->error, r, "out of memory");
    r = body_append(s, s->fresh->parts, count, s->fresh->body_bytes, s->fresh->record_count, &body);
    for (size_t i = 0; r == 0 && i < s->pending_count; i++)
        s->pending[i]->to = body + s->fresh->batches[s->pending[i]->to].at;
    s->pending_count = 0;
    /* Its bytes are the log's until they are written. */
    if (r == 0)
        r = flush(s);
    frame_reset(s->fresh);
    return r;
}

/* Opens the fresh frame if there is none, behind a gap of the positions that are owed, except for so many. */
static int fresh_open(struct salvage *s, uint32_t except)
{
    if (s->fresh->record_count > 0)
        return 0;
    int r = s->owed > except ? gap_append(s, s->owed - except, slice_of(NULL, 0)) : 0;
    s->owed = 0;
    if (r == 0)
        frame_open(s->fresh, log_next_position(s->to), 0);
    return r;
}

static int fresh_fail(struct salvage *s, int r)
{
    return r < 0 ? edda_fail_with(&s->tool->error, r, "cannot write a frame: %s", edda_code_info(r)->sentence) : 0;
}

/* The batch of a partition in the fresh frame whose next offset this is, begun when there is none. */
static int fresh_batch(struct salvage *s, uint32_t partition, int64_t offset, uint32_t *ret_batch)
{
    for (uint32_t i = s->fresh->batch_count; i > 0; i--) {
        const struct frame_batch *b = &s->fresh->batches[i - 1];
        if (b->partition != partition)
            continue;
        if (b->whole || b->batch.base_offset + b->builder.record_count != offset)
            break;
        *ret_batch = i - 1;
        return 0;
    }
    return frame_batch_open(s->fresh, partition, offset, ret_batch);
}

static int fresh_add(struct salvage *s, uint32_t partition, const struct record *record, bool identified)
{
    uint32_t batch, at;
    int r = fresh_open(s, 0);
    if (r == 0)
        r = fresh_batch(s, partition, record->offset, &batch);
    if (r == 0)
        r = frame_add(s->fresh, batch, record->timestamp_ms, record, identified, &at);
    return fresh_fail(s, r);
}

/* Fills the place of what was lost before a frame: rows, and a gap. */
static int loss_fill(struct salvage *s)
{
    const struct loss_plan *plan = &s->plan;
    const struct loss *loss = &plan->losses[s->loss];
    int r = 0;
    for (; r == 0 && s->filled < plan->filling_count && plan->fillings[s->filled].loss == s->loss; s->filled++) {
        const struct filling *filling = &plan->fillings[s->filled];
        const struct record row = {
            .offset = s->topics_offset++, .timestamp_ms = s->time_ms, .key = filling->name, .value = filling->row
        };
        r = fresh_add(s, 0, &row, false);
    }
    s->loss++;
    if (r == 0)
        r = fresh_append(s);
    return r < 0 ? r : gap_append(s, loss->left, loss->removed ? s->front_removed : slice_of(NULL, 0));
}

/* --- frames anew -------------------------------------------------------------------------------------- */

/* Whether a part of the frame is left out. */
static bool frame_is_partial(const struct salvage *s)
{
    const struct frame *frame = s->frame;
    for (uint32_t i = 0; i < frame->remote_count; i++)
        if (frame->remotes[i].lost)
            return true;
    for (uint32_t i = 0; i < frame->batch_count; i++)
        if (batch_is_placeless(&frame->batches[i].batch) && ends_find(&s->ends, frame->body + frame->batches[i].at)->left_out)
            return true;
    return false;
}

/* A batch as it is, which takes no positions. */
static int placeless_add(struct salvage *s, const struct frame_batch *b)
{
    struct frame_whole whole = { .partition = b->partition, .batch = &b->batch, .base_offset = b->batch.base_offset, .left = b->left };
    struct placeless *item = ends_find(&s->ends, s->frame->body + b->at);
    uint32_t index;
    if (item->left_out)
        return 0;
    if (!array_reserve(&s->pending, &s->pending_capacity, s->pending_count + 1, sizeof(struct placeless *)))
        return out_of_memory(s);
    /* A frame that begins with it has a hole. */
    int r = fresh_open(s, 1);
    if (r == 0)
        r = frame_add_batch(s->fresh, &whole, &index);
    if (r < 0)
        return fresh_fail(s, r);
    item->to = index;
    s->pending[s->pending_count++] = item;
    return 0;
}

/* Where the records lie that have the positions from this one on. */
static const uint32_t *places_take(struct salvage *s, uint32_t ordinal, uint32_t count)
{
    buffer_clear(&s->places);
    for (uint32_t i = 0; i < count; i++)
        buffer_append(&s->places, &s->frame->refs[ordinal + i].record, sizeof(uint32_t));
    return buffer_ok(&s->places) ? (const uint32_t *)(const void *)s->places.data : NULL;
}

/* The positions that a commit gives to the records of a batch. */
static int remote_add(struct salvage *s, const struct frame_remote *remote)
{
    int r = remote->lost ? fresh_append(s) : fresh_open(s, 0);
    if (r == 0 && remote->lost)
        s->owed += remote->record_count;
    if (r < 0 || remote->lost)
        return r;
    const uint32_t *places = places_take(s, remote->first, remote->record_count);
    if (!places || !frame_reserve(s->fresh, 0, 1, remote->record_count))
        return out_of_memory(s);
    frame_add_remote(s->fresh, ends_find(&s->ends, remote->address)->to, remote->partition, places, remote->record_count);
    return 0;
}

/* A producer's batch, with the positions of its records. */
static int whole_add(struct salvage *s, const struct frame_batch *b)
{
    const uint32_t *places = places_take(s, b->first, batch_offset_count(&b->batch));
    struct frame_whole whole = { .partition = b->partition, .batch = &b->batch, .base_offset = b->batch.base_offset, .records = places, .left = b->left };
    if (!places)
        return out_of_memory(s);
    int r = fresh_open(s, 0);
    if (r == 0)
        r = frame_add_batch(s->fresh, &whole, NULL);
    return fresh_fail(s, r);
}

/* What has the position with this ordinal, and *ret_count further ones. */
static int position_add(struct salvage *s, uint32_t ordinal, uint32_t *ret_count)
{
    const struct frame *frame = s->frame;
    const struct frame_ref *ref = &frame->refs[ordinal];
    struct record record;
    *ret_count = 1;
    if (ref->remote) {
        *ret_count = frame->remotes[ref->batch].record_count;
        return remote_add(s, &frame->remotes[ref->batch]);
    }
    const struct frame_batch *b = &frame->batches[ref->batch];
    if (b->batch.producer_id >= 0 || b->batch.attributes & BATCH_COMPRESSION) {
        *ret_count = batch_offset_count(&b->batch);
        return whole_add(s, b);
    }
    if (ref->record == FRAME_REF_TAKEN) {
        /* Records of several batches may take turns, and so this is given up, with what is left of it. */
        int taken = fresh_append(s);
        s->owed++;
        return taken;
    }
    int r = frame_record(frame, ordinal, &s->source, &record, &s->tool->error);
    return r < 0 ? r : fresh_add(s, b->partition, &record, ref->identified);
}

static int frame_anew(struct salvage *s)
{
    const struct frame *frame = s->frame;
    uint32_t done = 0, count = 0; /* batches without positions up to here are written */
    int r = 0;
    s->owed = frame->holes;
    for (uint32_t i = frame->holes; r == 0 && i <= frame->record_count; i += count) {
        const struct frame_ref *ref = i < frame->record_count ? &frame->refs[i] : NULL;
        uint32_t before = !ref ? frame->batch_count : ref->remote ? done : ref->batch;
        for (; r == 0 && done < before; done++)
            if (batch_is_placeless(&frame->batches[done].batch))
                r = placeless_add(s, &frame->batches[done]);
        if (r < 0 || !ref)
            break;
        r = position_add(s, i, &count);
    }
    if (r == 0)
        r = fresh_append(s);
    if (r == 0)
        r = gap_append(s, s->owed, slice_of(NULL, 0));
    s->owed = 0;
    return r;
}

/* Copies a frame as it is, but for the addresses that it names. */
static int frame_copy(struct salvage *s, const struct log_frame *from)
{
    const struct frame *frame = s->frame;
    struct slice body = from->body;
    log_address to = 0;
    int r = 0;
    if (frame->remote_count > 0) {
        /* The log borrows what it is given until it is written. */
        r = flush(s);
        buffer_clear(&s->body);
        buffer_append_slice(&s->body, from->body);
        if (!buffer_ok(&s->body))
            return out_of_memory(s);
        uint8_t *row = s->body.data + FRAME_HEADER_BYTES + (size_t)frame->batch_count * FRAME_ROW_BYTES;
        for (uint32_t i = 0; i < frame->remote_count; i++, row += FRAME_REMOTE_BYTES)
            put_le64(row, ends_find(&s->ends, frame->remotes[i].address)->to);
        body = buffer_slice(&s->body);
    }
    if (r == 0)
        r = body_append(s, &body, 1, body.len, from->position_count, &to);
    if (r == 0 && frame->remote_count > 0)
        r = flush(s);
    for (uint32_t i = 0; r == 0 && i < frame->batch_count; i++) {
        const struct frame_batch *b = &frame->batches[i];
        if (batch_is_placeless(&b->batch))
            ends_find(&s->ends, frame->body + b->at)->to = to + b->at;
    }
    return r;
}

static int copy(void *user, const struct log_frame *from)
{
    struct salvage *s = user;
    if (from->position_count == 0 || from->first_position < log_next_position(s->to) ||
        (!from->removed && frame_load(s->frame, from, &s->source, NULL) < 0))
        return 0;
    progress_say("copying", from->next - log_start(s->from), log_durable_end(s->from) - log_start(s->from));
    s->time_ms = from->time_ms > s->time_ms ? from->time_ms : s->time_ms;
    int r = from->first_position > log_next_position(s->to) ? loss_fill(s) : 0;
    if (r < 0)
        return r;
    if (log_next_position(s->to) != from->first_position)
        return edda_fail_with(&s->tool->error, EDDA_ECORRUPT, "positions before %" PRIu64 " could not be filled", from->first_position);
    if (from->removed) {
        r = gap_append(s, from->position_count, from->body);
        return r < 0 ? r : flush(s); /* what is left is borrowed */
    }
    s->records += from->position_count;
    r = frame_is_partial(s) ? frame_anew(s) : frame_copy(s, from);
    for (uint32_t i = 0; i < s->frame->batch_count; i++)
        if (s->frame->batches[i].partition == 0)
            s->topics_offset = s->frame->batches[i].batch.base_offset + s->frame->batches[i].batch.last_offset_delta + 1;
    return r;
}

/* --- all of it ---------------------------------------------------------------------------------------- */

static int target_open(struct salvage *s)
{
    struct tool *tool = s->tool;
    uint64_t wanted = s->plan.body_bytes_max + LOG_SEGMENT_BYTES_MIN;
    const struct log_options options = {
        .segment_bytes = wanted > LOG_SEGMENT_BYTES_DEFAULT ? 2 * LOG_SEGMENT_BYTES_DEFAULT : LOG_SEGMENT_BYTES_DEFAULT,
        .contents = STORE_FORMAT,
        .rest_of = s->from,
    };
    if (data_names(tool->io, s->v->to) != 0)
        return edda_fail_with(&tool->error, EDDA_EEXISTS, "%.300s is not an empty directory", s->v->to);
    return log_open(tool->io, s->v->to, &options, &s->to, NULL, &tool->error);
}

/* A batch of the damaged log by its address, for commits. */
static int batch_read(void *user, log_address address, uint32_t *ret_partition, struct batch *ret_batch, struct edda_error *error)
{
    struct salvage *s = user;
    struct slice bytes = log_bytes(s->from, address - FRAME_TAG_BYTES);
    struct cursor c = cursor_of(bytes);
    uint32_t partition = cursor_le32(&c), check = cursor_le32(&c);
    struct batch batch;
    if (!ends_find(&s->ends, address) || !bytes.data || !cursor_ok(&c) || batch_parse(slice_from(bytes, FRAME_TAG_BYTES), &batch, NULL) <= 0 ||
        check != frame_tag_check(partition, batch.bytes.data) || batch_check_stored(&batch, NULL) < 0)
        return edda_fail_with(error, EDDA_ECORRUPT, "the batch at address %" PRIu64 ", which a commit names, is not whole", address);
    *ret_partition = partition;
    *ret_batch = batch;
    return 0;
}

static struct slice bytes_read(void *user, log_address address)
{
    struct salvage *s = user;
    return log_bytes(s->from, address);
}

static int salvage(struct salvage *s)
{
    const struct log_options options = { .contents = STORE_FORMAT, .salvage = true };
    struct tool *tool = s->tool;
    s->frame = frame_new();
    s->fresh = frame_new();
    s->source = (struct frame_source){ .plain = plain_new(), .batch = batch_read, .bytes = bytes_read, .user = s, .lacking = true };
    if (!s->frame || !s->fresh || !s->source.plain)
        return edda_fail_with(&tool->error, EDDA_ENOMEM, "out of memory");
    /* Before the long part. */
    if (data_names(tool->io, s->v->to) != 0)
        return edda_fail_with(&tool->error, EDDA_EEXISTS, "%.300s is not an empty directory", s->v->to);
    int r = log_open(tool->io, s->v->dir, &options, &s->from, NULL, &tool->error);
    if (r < 0)
        return r;
    tool->error = (struct edda_error){ .message = "out of memory" };
    int64_t damaged = log_verify(s->from, tell, s, &tool->error);
    if (damaged < 0)
        return (int)damaged;
    r = front_learn(s);
    if (r == 0)
        r = log_scan(s->from, 0, learn, NULL, s, &tool->error);
    if (r == 0)
        ends_end(&s->ends, s->plan.loss_count);
    if (r == 0)
        r = loss_plan_end(&s->plan, &tool->error);
    if (r == 0)
        r = target_open(s);
    if (r == 0)
        r = log_scan(s->from, 0, copy, NULL, s, &tool->error);
    progress_end();
    if (r == 0)
        r = flush(s);
    log_close(s->to);
    s->to = NULL;
    return r < 0 ? r : tool_open_writing(tool, s->v->to);
}

/* "orders partition 2", as the salvaged log names it. */
static void partition_say(const struct salvage *s, uint32_t number)
{
    for (const struct topic *t = store_topic_each(s->tool->store, NULL); t; t = store_topic_each(s->tool->store, t))
        for (uint32_t i = 0; i < t->partition_count; i++)
            if (t->partitions[i].number == number) {
                printf("%s partition %" PRIu32, t->name, i);
                return;
            }
    printf("partition number %" PRIu32, number);
}

static uint64_t report_lost(const struct salvage *s)
{
    uint64_t lost = 0;
    for (size_t i = 0; i < s->plan.loss_count; i++) {
        const struct loss *loss = &s->plan.losses[i];
        if (loss->removed)
            continue;
        printf("lost: positions %" PRIu64 " to %" PRIu64 "\n", loss->first, loss->first + loss->count - 1);
        lost += loss->count;
    }
    for (size_t i = 0; i < s->plan.filling_count; i++) {
        const struct filling *f = &s->plan.fillings[i];
        if (s->plan.losses[f->loss].removed)
            continue; /* it was known */
        printf("filled: behind position %" PRIu64 ": a row for topic %.*s\n", s->plan.losses[f->loss].first, (int)f->name.len, (const char *)f->name.data);
    }
    for (size_t i = 0; i < s->lacking_count; i++) {
        const struct lacking *l = &s->lacking[i];
        printf("incomplete: a transaction lacks the %" PRIu32 " records that it had in ", l->count);
        partition_say(s, l->partition);
        printf(": positions %" PRIu64 " to %" PRIu64 " are lost\n", l->first, l->first + l->count - 1);
        lost += l->count;
    }
    return lost;
}

static void report(const struct salvage *s)
{
    uint64_t lost = report_lost(s), lacking = 0;
    for (size_t i = 0; i < s->ends.count; i++) {
        const struct placeless *item = &s->ends.items[i];
        if (!item->left_out)
            continue;
        printf("left out: %" PRIu32 " records of ", item->records);
        partition_say(s, item->partition);
        printf(" from offset %" PRId64 " on: what became of their transaction is lost\n", item->base_offset);
    }
    for (size_t i = 0; lost > 0 && i < s->ends.open_count; i++) {
        const struct placeless *item = &s->ends.items[s->ends.open[i]];
        printf("open: %" PRIu32 " records of ", item->records);
        partition_say(s, item->partition);
        printf(" from offset %" PRId64 " on: their transaction has no end, and is aborted by its time-out\n", item->base_offset);
    }
    for (size_t i = 0; i < s->lacking_count; i++)
        lacking += s->lacking[i].count;
    if (s->damaged + s->bad_frames == 0)
        printf("nothing was damaged\n");
    printf("%s has %" PRIu64 " records; %" PRIu64 " before them were lost\n", s->v->to, s->records - lacking, lost);
}

static int salvage_run(const void *values)
{
    struct tool tool;
    if (!tool_init(&tool, "salvage"))
        return EXIT_FAILED;
    struct salvage s = { .tool = &tool, .v = values };
    int status = EXIT_DONE;
    loss_plan_init(&s.plan, tool.io);
    ends_init(&s.ends);
    if (salvage(&s) < 0)
        status = tool_fail(&tool);
    else
        report(&s);
    tool_close(&tool);
    if (s.to)
        log_abandon(s.to);
    if (s.from)
        log_close(s.from);
    loss_plan_deinit(&s.plan);
    ends_deinit(&s.ends);
    frame_free(s.frame);
    frame_free(s.fresh);
    plain_free(s.source.plain);
    buffer_deinit(&s.body);
    buffer_deinit(&s.places);
    buffer_deinit(&s.front);
    free(s.pending);
    free(s.lacking);
    tool_deinit(&tool);
    return status;
}

#define AT(member) offsetof(struct salvage_values, member)
const struct command_row tool_salvage = {
    .name = "salvage",
    .summary = "Copies what is whole of a damaged data directory, and says what was lost",
    .notes = "Every record keeps its position and offset. Versions of streams that lost events move down.\n"
             "What was lost at the end of the log leaves nothing that tells of it.",
    .values_size = sizeof(struct salvage_values),
    .run = salvage_run,
    .arguments = (const struct argument_row[]){
        { "DIR", AT(dir), false, "The damaged data directory; no process may have it open" },
        { .name = NULL } },
    .options = (const struct option_row[]){
        { "to", OPTION_NEEDED, AT(to), "DIR", NULL, "The new data directory: new or empty" },
        { .name = NULL } },
};
