/*
 * The front: when nothing is left in the first segment, it is removed, and the log begins with the next.
 *
 * It is looked at when a pass has rewritten it so far that little is kept. What may still be there are the rows of the table of topics, which are never compacted, since
 * the log must tell of a topic before its first record: they are carried in what is left of the front, together with how many records of which streams there
 * were (store/front.h). The index must reach behind the segment, so that it is not made again from there after each crash.
 *
 * Nor may rows of the store's other tables keep it there for ever, of a group that is idle, say: they are appended anew as they are, up to MOVED_BYTES_MAX in a pass, and the
 * older ones go in the next. Rows of the engine's tables are not, as their versions tell it who else has written.
 *
 * Each segment that goes costs that what is left of all the front is written once, which is at most as much as a segment has, and at most LOG_FRONT_LEFT_MAX; a front of
 * more streams than fit stays.
 */
#include <stdlib.h>

#include "store/front.h"
#include "store/producers.h"
#include "store/scavenge.h"
#include "store/scavenge_parts.h"

#define KEPT_PART 4 /* at most this part of the segment may be kept when it is looked at */
#define MOVED_BYTES_MAX (UINT64_C(1) << 20)
#define PRODUCER_STATE_AT 26 /* the byte of a row of a transactional id that says its state */
#define PRODUCER_ONGOING 1
#define OFFSET_KEY_VERSION_MAX 1 /* of the keys of "__consumer_offsets" that are of an offset */

enum front_visit_result {
    FRONT_MORE = 1, /* in the next slice */
    FRONT_STAYS,
    FRONT_END
};

struct front_visit {
    struct scavenger *s;
    uint64_t bytes;
};

static int pass_end(struct scavenger *s)
{
    tally_deinit(&s->front_tally);
    tally_init(&s->front_tally);
    buffer_deinit(&s->front_rows);
    s->done.passes++;
    s->state = SCAVENGE_IDLE;
    return 0;
}

/* Takes over what is left of what was removed before. */
static int left_take(struct scavenger *s)
{
    struct front_left left;
    int r = log_front_left(s->store->log, &s->left, NULL, &s->done.error);
    if (r == 0)
        r = front_left_parse(buffer_slice(&s->left), &left);
    if (r < 0)
        return r;
    tally_clear(&s->front_tally);
    tally_mark(&s->front_tally);
    buffer_clear(&s->front_rows);
    buffer_append_slice(&s->front_rows, left.rows);
    s->front_topics_end = left.topics_end;
    if (!buffer_ok(&s->front_rows))
        return EDDA_ENOMEM;
    return removed_each(left.removed, scavenge_tally_visit, &s->front_tally);
}

static void slice_start(struct scavenger *s)
{
    uint64_t bytes = s->end - s->at < s->slice ? s->end - s->at : s->slice;
    s->touch = slice_of(NULL, 0);
    scavenge_job_start(s, bytes);
}

int scavenge_front_begin(struct scavenger *s)
{
    struct log *log = s->store->log;
    struct log_segment_info next;
    if (!log_segment(log, 0, &s->info) || !log_segment(log, 1, &next) || !s->info.rewritten || next.first_position > s->settled ||
        log_durable_end(log) <= next.first_address + LOG_SEGMENT_HEADER_BYTES || next.first_address > index_covered(s->store->index) ||
        s->info.used_bytes - s->info.freed_bytes > s->info.used_bytes / KEPT_PART)
        return pass_end(s);
    int r = left_take(s);
    if (r < 0)
        return r;
    s->at = s->info.first_address;
    s->end = next.first_address;
    s->front_moved = 0;
    s->state = SCAVENGE_FRONT;
    slice_start(s);
    return 0;
}

/* Keeps the rows of the table of topics that a frame has. */
static int rows_take(struct scavenger *s, const struct frame *frame)
{
    for (uint32_t i = 0; i < frame->batch_count; i++) {
        const struct frame_batch *b = &frame->batches[i];
        struct cursor records = cursor_of(b->batch.records);
        struct record record;
        if (b->partition != s->store->topics_topic->partitions[0].number)
            continue;
        while (batch_next(&b->batch, &records, &record))
            front_row_put(&s->front_rows, record.key, record.value);
        s->front_topics_end = b->batch.base_offset + b->batch.last_offset_delta + 1;
    }
    return buffer_ok(&s->front_rows) ? 0 : EDDA_ENOMEM;
}

/* Whether a record is a row that can be appended anew. */
static bool is_movable(const struct scavenger *s, const struct store_record *record)
{
    const struct store *store = s->store;
    const struct topic *topic = record->topic;
    struct slice value = record->record.value;
    if (!value.data || !record->record.key.data)
        return false;
    if (topic == store->producers->topic) /* an open transaction has more than its row */
        return record->record.key.len == 0 || (value.len > PRODUCER_STATE_AT && value.data[PRODUCER_STATE_AT] != PRODUCER_ONGOING);
    if (topic == store->offsets_topic) /* what it has of a group's members may be behind what the broker knows of them */
        return record->record.key.len > 2 && record->record.key.data[0] == 0 && record->record.key.data[1] <= OFFSET_KEY_VERSION_MAX;
    return topic == store->starts_topic || topic == store->streams_topic || topic == store->snapshots_topic;
}

/* Appends a row anew when it is the last of its key: 1, or 0 when it is not. */
static int row_move(struct scavenger *s, const struct store_record *record)
{
    struct store *store = s->store;
    struct topic *topic = &store->topics[topic_entry_of(record->topic)->ordinal]->topic;
    struct index_entry last;
    int r = lookup_last(store, key_stream(store->seed, topic_name(topic), record->record.key), &last);
    if (r < 0 || last.position != record->position)
        return r == EDDA_ENOTFOUND ? EDDA_ECORRUPT : r;
    size_t key_bytes = record->record.key.len;
    buffer_clear(&s->left);
    buffer_append_slice(&s->left, record->record.key);
    buffer_append_slice(&s->left, record->record.value);
    if (!buffer_ok(&s->left))
        return EDDA_ENOMEM;
    struct slice key = slice_of(s->left.data ? s->left.data : (const uint8_t *)"", key_bytes);
    r = append_row(store, topic, key, slice_from(buffer_slice(&s->left), key_bytes), &s->done.error);
    if (r < 0)
        return r;
    s->done.moved_rows++;
    s->front_moved += append_row_bytes(key, slice_from(buffer_slice(&s->left), key_bytes));
    return 1;
}

/* Appends anew what of a frame can be. FRONT_STAYS when there is nothing, or more than is to be moved in a pass. */
static int frame_move(struct scavenger *s)
{
    struct frame *frame = s->frame;
    bool any = false;
    for (uint64_t position = frame_begin(frame); position < frame_end(frame); position++) {
        struct store_record record;
        int r = frame_record_at(s->store, frame, position, &record, NULL);
        if (r == EDDA_ENOTFOUND)
            continue;
        if (r == 0 && is_movable(s, &record))
            r = s->front_moved < MOVED_BYTES_MAX ? row_move(s, &record) : EDDA_EBUSY;
        if (r < 0)
            return r == EDDA_EBUSY ? FRONT_STAYS : r; /* the next pass goes on */
        any |= r == 1;
    }
    return any ? 0 : FRONT_STAYS;
}

static int frame_look(struct scavenger *s, const struct log_frame *from)
{
    int r = scavenge_frame_get(s, from);
    if (r == 0) {
        s->front = true;
        r = scavenge_frame_is_dead(s, s->frame);
        s->front = false;
        if (r == 0)
            return frame_move(s);
        r = r == 1 ? 0 : r;
    }
    if (r == 0)
        r = scavenge_frame_tally(s, &s->front_tally);
    return r == 0 ? rows_take(s, s->frame) : r;
}

static int front_visit(void *user, const struct log_frame *from)
{
    struct front_visit *visit = user;
    struct scavenger *s = visit->s;
    int r = 0;
    if (from->address >= s->end)
        return FRONT_END;
    if (from->removed)
        r = removed_each(from->body, scavenge_tally_visit, &s->front_tally);
    else if (from->position_count)
        r = frame_look(s, from);
    if (r != 0)
        return r;
    tally_mark(&s->front_tally);
    s->at = from->next;
    visit->bytes += from->removed ? from->body.len + LOG_FRAME_HEADER_BYTES : from->next - from->address;
    if (tally_bytes(&s->front_tally) + s->front_rows.len > LOG_FRONT_LEFT_MAX)
        return FRONT_STAYS;
    return visit->bytes >= s->slice ? FRONT_MORE : 0;
}

/* Leaves the last row of each topic. The rows are of topics that the store has. */
static int rows_settle(struct scavenger *s)
{
    struct store *store = s->store;
    struct cursor rows = cursor_of(buffer_slice(&s->front_rows));
    struct buffer kept = BUFFER_EMPTY;
    struct slice key, value;
    size_t *last = calloc((size_t)store->topic_count + 1, sizeof(*last));
    s->front_row_count = 0;
    while (last && front_row_next(&rows, &key, &value))
        last[topic_entry_find(store, key)->ordinal] = s->front_rows.len - cursor_left(&rows);
    for (rows = cursor_of(buffer_slice(&s->front_rows)); last && front_row_next(&rows, &key, &value);)
        if (last[topic_entry_find(store, key)->ordinal] == s->front_rows.len - cursor_left(&rows)) {
            front_row_put(&kept, key, value);
            s->front_row_count++;
        }
    bool ok = last && buffer_ok(&kept);
    free(last);
    buffer_deinit(&s->front_rows);
    s->front_rows = kept;
    return ok ? 0 : EDDA_ENOMEM;
}

static int removal_start(struct scavenger *s)
{
    int r = rows_settle(s);
    if (r < 0)
        return r;
    buffer_clear(&s->left);
    front_left_put(&s->left, s->front_topics_end, s->front_row_count, s->front_rows.len);
    buffer_append_slice(&s->left, buffer_slice(&s->front_rows));
    tally_put(&s->front_tally, &s->left);
    if (!buffer_ok(&s->left))
        return EDDA_ENOMEM;
    r = log_front_begin(s->store->log, 1, buffer_slice(&s->left), &s->removal, &s->done.error);
    if (r == EDDA_EBUSY || r == EDDA_ETOOLARGE)
        return pass_end(s);
    if (r < 0)
        return r;
    s->state = SCAVENGE_FRONT_WRITE;
    scavenge_job_start(s, s->left.len);
    return 0;
}

int scavenge_front_slice(struct scavenger *s)
{
    struct front_visit visit = { .s = s };
    int r = s->at < s->end ? log_scan(s->store->log, s->at, front_visit, NULL, &visit, &s->done.error) : FRONT_END;
    if (r == FRONT_STAYS)
        return pass_end(s);
    if (r == FRONT_END)
        return s->front_moved ? pass_end(s) : removal_start(s);
    if (r == FRONT_MORE)
        slice_start(s);
    return r == 0 ? EDDA_ECORRUPT : r < 0 ? r : 0;
}

int scavenge_front_written(struct scavenger *s)
{
    int r = log_front_take(s->removal);
    if (r < 0)
        return r;
    verified_forget(s->store, s->info.first_address, s->end);
    s->done.removed_segments++;
    s->done.freed_bytes += s->info.used_bytes - s->info.freed_bytes;
    s->state = SCAVENGE_FRONT_REMOVE;
    scavenge_job_start(s, 0);
    return 0;
}

int scavenge_front_removed(struct scavenger *s)
{
    log_front_end(s->removal);
    s->removal = NULL;
    return scavenge_front_begin(s);
}
