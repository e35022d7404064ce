/*
 * salvage: a new data directory with all of a damaged log that is whole, and a report of what was lost. The old one is only read.
 *
 * The log is walked twice: once to learn what is missing and with what its place is filled (edda_loss.h), once to copy. A frame is
 * copied as it is, unless it comes behind lost offsets whose place could not be filled; then it is written anew with the next ones.
 *
 * Batches of transactions are named by their addresses when these commit, and the addresses are others in the new log: those of all of them are remembered.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/put.h"
#include "cmd/edda_loss.h"
#include "cmd/edda_tool.h"

#define FLUSH_BYTES (UINT64_C(8) << 20)
#define FILLING_RECORDS_MAX 10000

struct salvage_values {
    const char *dir, *to;
};

struct salvage {
    struct tool *tool;
    const struct salvage_values *v;
    struct log *from, *to;
    struct loss_plan plan;
    struct frame *frame;       /* as read */
    struct frame *fresh;       /* written anew */
    struct frame_source source;
    struct moved *moved;       /* all that are whole, by their old addresses */
    size_t moved_count, moved_capacity;
    struct moved *pending;     /* those in the frame that is written anew */
    size_t pending_count;
    struct buffer body;        /* a copy, in which addresses are changed */
    size_t filled;             /* fillings written */
    size_t loss;               /* the next one */
    int64_t *next_offsets;     /* of the new log, by partition number */
    uint64_t damaged, records, bad_frames;
};

/* A batch of a transaction: its old address and, once it is copied, its new one. While its frame is written anew, its ordinal there. */
struct moved {
    log_address from, to;
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

static int moved_add(struct salvage *s, log_address from)
{
    if (s->moved_count == s->moved_capacity) {
        size_t capacity = s->moved_capacity ? 2 * s->moved_capacity : 64;
        struct moved *moved = realloc(s->moved, capacity * sizeof(*moved));
        if (!moved)
            return out_of_memory(s);
        s->moved = moved;
        s->moved_capacity = capacity;
    }
    s->moved[s->moved_count++] = (struct moved){ .from = from };
    return 0;
}

/* NULL: it is not whole. */
static struct moved *moved_find(const struct salvage *s, log_address from)
{
    size_t low = 0, high = s->moved_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (s->moved[middle].from < from)
            low = middle + 1;
        else
            high = middle;
    }
    return low < s->moved_count && s->moved[low].from == from ? &s->moved[low] : NULL;
}

/* --- learning ----------------------------------------------------------------------------------------- */

static int learn(void *user, const struct log_frame *from)
{
    struct salvage *s = user;
    struct edda_error error;
    if (from->removed || from->position_count == 0 || from->first_position < s->plan.next_position)
        return 0;
    int r = frame_load(s->frame, from, &s->source, &error);
    if (r == EDDA_ENOMEM)
        return r;
    if (r < 0) {
        s->bad_frames++;
        printf("damaged: %s\n", error.message);
        return 0;
    }
    for (uint32_t i = 0; r == 0 && i < s->frame->batch_count; i++)
        if (batch_is_placeless(&s->frame->batches[i].batch))
            r = moved_add(s, s->frame->body + s->frame->batches[i].at);
    return r < 0 ? r : loss_plan_frame(&s->plan, s->frame, &s->source);
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
        log_frame_append(s->to, parts, count, positions, log_time_ms(s->to), ret_body);
    return r;
}

static int fresh_append(struct salvage *s)
{
    size_t count;
    log_address body = 0;
    uint32_t records = s->fresh->record_count;
    int r = records ? frame_close(s->fresh, &count) : 0;
    if (r < 0)
        return edda_fail_with(&s->tool->error, r, "out of memory");
    if (records)
        r = body_append(s, s->fresh->parts, count, s->fresh->body_bytes, records, &body);
    for (; r == 0 && s->pending_count > 0; s->pending_count--, s->pending++)
        s->pending->to = body + s->fresh->batches[s->pending->to].at;
    /* Its bytes are the log's until they are written. */
    if (r == 0)
        r = flush(s);
    frame_reset(s->fresh);
    return r;
}

/* The batch of a partition in the fresh frame, begun when there is none. */
static int fresh_batch(struct salvage *s, uint32_t partition, uint32_t *ret_batch)
{
    for (uint32_t i = s->fresh->batch_count; i > 0; i--)
        if (s->fresh->batches[i - 1].partition == partition) {
            if (s->fresh->batches[i - 1].whole)
                break;
            *ret_batch = i - 1;
            return 0;
        }
    return frame_batch_open(s->fresh, partition, s->next_offsets[partition], ret_batch);
}

static int fresh_add(struct salvage *s, uint32_t partition, int64_t timestamp_ms, const struct record *record, bool identified)
{
    uint32_t batch, at;
    int r = fresh_batch(s, partition, &batch);
    if (r == 0)
        r = frame_add(s->fresh, batch, timestamp_ms, record, identified, &at);
    if (r == 0)
        s->next_offsets[partition]++;
    return r < 0 ? edda_fail_with(&s->tool->error, r, "cannot write a frame: %s", edda_code_info(r)->sentence) : 0;
}

static int filling_write(struct salvage *s, const struct filling *filling)
{
    const struct record empty = { .timestamp_ms = log_time_ms(s->to) };
    const struct record row = { .timestamp_ms = empty.timestamp_ms, .key = filling->name, .value = filling->row };
    const struct record *record = filling->name.data ? &row : &empty;
    int r = 0;
    for (uint64_t i = 0; r == 0 && i < filling->count; i++) {
        if (s->fresh->record_count == 0)
            frame_open(s->fresh, log_next_position(s->to), 0);
        r = fresh_add(s, filling->partition, empty.timestamp_ms, record, false);
        if (r == 0 && s->fresh->record_count == FILLING_RECORDS_MAX)
            r = fresh_append(s);
    }
    /* Few batches in a frame, so that their number has no limit. */
    if (r == 0 && s->fresh->batch_count >= 100)
        r = fresh_append(s);
    return r;
}

/* Fills the place of what was lost before a frame. */
static int loss_fill(struct salvage *s)
{
    const struct loss_plan *plan = &s->plan;
    int r = 0;
    for (; r == 0 && s->filled < plan->filling_count && plan->fillings[s->filled].loss == s->loss; s->filled++)
        r = filling_write(s, &plan->fillings[s->filled]);
    s->loss++;
    return r < 0 ? r : fresh_append(s);
}

static bool offsets_fit(const struct salvage *s)
{
    for (uint32_t i = 0; i < s->frame->batch_count; i++)
        if (s->frame->batches[i].batch.base_offset != s->next_offsets[s->frame->batches[i].partition])
            return false;
    return true;
}

/* Writes a batch of a transaction with its partition's next offset. */
static int placeless_add(struct salvage *s, const struct frame_batch *b)
{
    struct frame_whole whole = {
        .partition = b->partition, .batch = &b->batch, .base_offset = s->next_offsets[b->partition]
    };
    uint32_t index;
    int r = frame_add_batch(s->fresh, &whole, &index);
    if (r < 0)
        return edda_fail_with(&s->tool->error, r, "cannot write a frame: %s", edda_code_info(r)->sentence);
    s->next_offsets[b->partition] += b->batch.record_count;
    struct moved *moved = moved_find(s, s->frame->body + b->at);
    moved->to = index;
    s->pending = s->pending_count++ ? s->pending : moved;
    return 0;
}

/* The positions that a commit gives to the records of a batch. */
static int remote_add(struct salvage *s, const struct frame_remote *remote)
{
    buffer_clear(&s->body);
    for (uint32_t i = 0; i < remote->record_count; i++)
        buffer_append(&s->body, &s->frame->refs[remote->first + i].record, sizeof(uint32_t));
    if (!buffer_ok(&s->body) || !frame_reserve(s->fresh, 0, 1, remote->record_count))
        return out_of_memory(s);
    frame_add_remote(s->fresh, moved_find(s, remote->address)->to, remote->partition, (const uint32_t *)(const void *)s->body.data, remote->record_count);
    return 0;
}

static int frame_anew(struct salvage *s)
{
    const struct frame *frame = s->frame;
    struct record record;
    uint32_t done = 0; /* batches without positions up to here are written */
    int r = 0;
    frame_open(s->fresh, frame->first_position, 0);
    for (uint32_t i = frame->holes; r == 0 && i <= frame->record_count; i++) {
        const struct frame_ref *ref = i < frame->record_count ? &frame->refs[i] : NULL;
        uint32_t before = ref ? ref->batch : frame->batch_count;
        for (; r == 0 && (!ref || !ref->remote) && done < before; done++)
            if (batch_is_placeless(&frame->batches[done].batch))
                r = placeless_add(s, &frame->batches[done]);
        if (r < 0 || !ref)
            continue;
        if (ref->remote) {
            r = remote_add(s, &frame->remotes[ref->batch]);
            i += frame->remotes[ref->batch].record_count - 1;
            continue;
        }
        r = frame_record(frame, i, &s->source, &record, &s->tool->error);
        if (r == 0)
            r = fresh_add(s, frame_partition_of(frame, i), record.timestamp_ms, &record, ref->identified);
    }
    return r < 0 ? r : fresh_append(s);
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
            put_le64(row, moved_find(s, frame->remotes[i].address)->to);
        body = buffer_slice(&s->body);
    }
    if (r == 0)
        r = body_append(s, &body, 1, body.len, from->position_count, &to);
    if (r == 0 && frame->remote_count > 0)
        r = flush(s);
    for (uint32_t i = 0; r == 0 && i < frame->batch_count; i++) {
        const struct frame_batch *b = &frame->batches[i];
        s->next_offsets[b->partition] = b->batch.base_offset + b->batch.last_offset_delta + 1;
        if (batch_is_placeless(&b->batch))
            moved_find(s, frame->body + b->at)->to = to + b->at;
    }
    return r;
}

static int copy(void *user, const struct log_frame *from)
{
    struct salvage *s = user;
    if (from->removed || from->position_count == 0 || from->first_position < log_next_position(s->to) ||
        frame_load(s->frame, from, &s->source, NULL) < 0)
        return 0;
    progress_say("copying", from->next - log_start(s->from), log_durable_end(s->from) - log_start(s->from));
    int r = from->first_position > log_next_position(s->to) ? loss_fill(s) : 0;
    if (r < 0)
        return r;
    s->records += from->position_count;
    if (log_next_position(s->to) != from->first_position)
        return edda_fail_with(&s->tool->error, EDDA_ECORRUPT, "positions before %" PRIu64 " could not be filled", from->first_position);
    return offsets_fit(s) ? frame_copy(s, from) : frame_anew(s);
}

/* --- all of it ---------------------------------------------------------------------------------------- */

static int target_open(struct salvage *s)
{
    struct tool *tool = s->tool;
    uint64_t wanted = s->plan.body_bytes_max + LOG_SEGMENT_BYTES_MIN;
    const struct log_options options = {
        .segment_bytes = wanted > LOG_SEGMENT_BYTES_DEFAULT ? 2 * LOG_SEGMENT_BYTES_DEFAULT : LOG_SEGMENT_BYTES_DEFAULT,
    };
    if (data_names(tool->io, s->v->to) != 0)
        return edda_fail_with(&tool->error, EDDA_EEXISTS, "%.300s is not an empty directory", s->v->to);
    s->next_offsets = calloc((size_t)s->plan.place_count + 2, sizeof(*s->next_offsets));
    if (!s->next_offsets)
        return edda_fail_with(&tool->error, EDDA_ENOMEM, "out of memory");
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
    if (!moved_find(s, address) || !bytes.data || !cursor_ok(&c) || batch_parse(slice_from(bytes, FRAME_TAG_BYTES), &batch, NULL) <= 0 ||
        check != frame_tag_check(partition, batch.bytes.data) || batch_check(&batch, NULL) < 0)
        return edda_fail_with(error, EDDA_ECORRUPT, "the batch at address %" PRIu64 ", which a commit names, is not whole", address);
    *ret_partition = partition;
    *ret_batch = batch;
    return 0;
}

static int salvage(struct salvage *s)
{
    const struct log_options options = { .salvage = true };
    struct tool *tool = s->tool;
    s->frame = frame_new();
    s->fresh = frame_new();
    s->source = (struct frame_source){ plain_new(), batch_read, s };
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
    r = log_scan(s->from, 0, learn, NULL, s, &tool->error);
    if (r == 0)
        r = loss_plan_end(&s->plan);
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

static void report(const struct salvage *s)
{
    uint64_t lost = 0;
    for (size_t i = 0; i < s->plan.loss_count; i++) {
        const struct loss *loss = &s->plan.losses[i];
        printf("lost: positions %" PRIu64 " to %" PRIu64 "\n", loss->first, loss->first + loss->count - 1);
        lost += loss->count;
    }
    for (size_t i = 0; i < s->plan.filling_count; i++) {
        const struct filling *f = &s->plan.fillings[i];
        const struct loss *loss = &s->plan.losses[f->loss];
        if (f->name.data)
            printf("filled: behind position %" PRIu64 ": a row for topic %.*s\n", loss->first, (int)f->name.len, (const char *)f->name.data);
        else
            printf("filled: behind position %" PRIu64 ": %" PRIu64 " empty records in partition %" PRIu32 "\n", loss->first, f->count, f->partition);
    }
    if (s->plan.shifted)
        printf("shifted: %" PRIu64 " lost offsets have no place, and later ones of their partitions are less by so many\n", s->plan.shifted);
    if (s->damaged + s->bad_frames == 0)
        printf("nothing was damaged\n");
    printf("%s has %" PRIu64 " records; %" PRIu64 " before them were lost\n", s->v->to, s->records, lost);
}

static int salvage_run(const void *values)
{
    struct tool tool;
    if (!tool_init(&tool, "salvage"))
        return EXIT_FAILED;
    struct salvage s = { .tool = &tool, .v = values };
    int status = EXIT_DONE;
    loss_plan_init(&s.plan, tool.io);
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
    frame_free(s.frame);
    frame_free(s.fresh);
    plain_free(s.source.plain);
    buffer_deinit(&s.body);
    free(s.moved);
    free(s.next_offsets);
    tool_deinit(&tool);
    return status;
}

#define AT(member) offsetof(struct salvage_values, member)
const struct command_row tool_salvage = {
    .name = "salvage",
    .summary = "Copies what is whole of a damaged data directory, and says what was lost",
    .notes = "Every record keeps its position and offset: empty records stand for lost ones. Versions of streams that lost events move down.\n"
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
