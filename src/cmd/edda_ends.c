/* ends: see edda_ends.h. */
#include "cmd/edda_ends.h"

#include <stdlib.h>

#include "base/array.h"
#include "base/cursor.h"
#include "store/producers.h"

#define CONTROL_COMMIT 1

struct producer_row {
    struct table_link link;
    int64_t id;
    int64_t begun_ms;
    bool ongoing;
};

void ends_init(struct ends *ends)
{
    *ends = (struct ends){ 0 };
    table_init(&ends->rows);
}

void ends_deinit(struct ends *ends)
{
    for (struct table_link *link = table_each(&ends->rows, NULL), *next; link; link = next) {
        next = table_each(&ends->rows, link);
        free(container_of(link, struct producer_row, link));
    }
    table_deinit(&ends->rows);
    free(ends->items);
    free(ends->open);
}

struct placeless *ends_find(const struct ends *ends, log_address from)
{
    size_t low = 0, high = ends->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (ends->items[middle].from < from)
            low = middle + 1;
        else
            high = middle;
    }
    return low < ends->count && ends->items[low].from == from ? &ends->items[low] : NULL;
}

/* Producer ids are hashes good enough: they count up. */
static struct producer_row *row_find(const struct ends *ends, int64_t id)
{
    struct table_link *link = table_find(&ends->rows, (uint64_t)id);
    return link ? container_of(link, struct producer_row, link) : NULL;
}

static struct producer_row *row_get(struct ends *ends, int64_t id)
{
    struct producer_row *row = row_find(ends, id);
    if (row || !(row = calloc(1, sizeof(*row))))
        return row;
    row->id = id;
    if (table_insert(&ends->rows, &row->link, (uint64_t)id))
        return row;
    free(row);
    return NULL;
}

/* Which of the open batches are taken from them. */
typedef bool taken_fn(struct ends *ends, struct placeless *item, const void *what);

static void open_take(struct ends *ends, taken_fn *taken, const void *what)
{
    size_t kept = 0;
    for (size_t i = 0; i < ends->open_count; i++)
        if (!taken(ends, &ends->items[ends->open[i]], what))
            ends->open[kept++] = ends->open[i];
    ends->open_count = kept;
}

struct control {
    int64_t producer;
    uint32_t partition;
    size_t losses;
    bool commit;
};

/* What a commit has named is no longer open when its control batches are looked at. */
static bool control_takes(struct ends *ends, struct placeless *item, const void *what)
{
    const struct control *control = what;
    const struct producer_row *row = row_find(ends, item->producer);
    if (item->producer != control->producer || item->partition != control->partition)
        return false;
    /* Without the row that began it, an abort is none to whoever opens the log. */
    if (control->commit)
        item->left_out = control->losses > item->losses;
    else
        item->left_out = control->losses > 0 && (!row || !row->ongoing || row->begun_ms > item->time_ms);
    return true;
}

struct begin {
    int64_t producer, begun_ms;
    size_t losses;
};

static bool begin_takes(struct ends *ends, struct placeless *item, const void *what)
{
    const struct begin *begin = what;
    (void)ends;
    if (item->producer != begin->producer || item->time_ms >= begin->begun_ms || begin->losses == item->losses)
        return false;
    item->left_out = true;
    return true;
}

static bool named_takes(struct ends *ends, struct placeless *item, const void *what)
{
    const struct frame *frame = what;
    (void)ends;
    for (uint32_t i = 0; i < frame->remote_count; i++)
        if (frame->remotes[i].address == item->from)
            return true;
    return false;
}

static bool end_takes(struct ends *ends, struct placeless *item, const void *what)
{
    const struct producer_row *row = row_find(ends, item->producer);
    const size_t *losses = what;
    if ((row && row->ongoing && row->begun_ms <= item->time_ms) || *losses == item->losses)
        return false;
    item->left_out = true;
    return true;
}

static void control_take(struct ends *ends, const struct frame_batch *b, size_t losses)
{
    struct control control = { .producer = b->batch.producer_id, .partition = b->partition, .losses = losses };
    struct cursor records = cursor_of(b->batch.records);
    struct record record;
    control.commit = batch_next(&b->batch, &records, &record) && record.key.len == 4 && record.key.data[3] == CONTROL_COMMIT;
    open_take(ends, control_takes, &control);
}

static int row_take(struct ends *ends, const struct record *record, size_t losses)
{
    struct cursor c = cursor_of(record->value);
    if (record->key.len == 0 || !record->value.data || cursor_be16(&c) != 0)
        return 0;
    struct begin begin = { .producer = (int64_t)cursor_be64(&c), .losses = losses };
    cursor_skip(&c, 2);
    int64_t last = (int64_t)cursor_be64(&c);
    cursor_skip(&c, 2 + 4);
    struct slice state = cursor_bytes(&c, 1);
    begin.begun_ms = (int64_t)cursor_be64(&c);
    if (!cursor_ok(&c))
        return 0;
    struct producer_row *row = row_get(ends, begin.producer), *before = last != begin.producer ? row_find(ends, last) : NULL;
    if (!row)
        return EDDA_ENOMEM;
    row->ongoing = state.data[0] == TRANSACTION_ONGOING;
    row->begun_ms = begin.begun_ms;
    if (before)
        before->ongoing = false;
    if (row->ongoing)
        open_take(ends, begin_takes, &begin);
    return 0;
}

static int batch_take(struct ends *ends, const struct frame *frame, const struct frame_batch *b, size_t losses)
{
    bool control = b->batch.attributes & BATCH_CONTROL;
    if (!array_reserve(&ends->items, &ends->capacity, ends->count + 1, sizeof(struct placeless)) ||
        !array_reserve(&ends->open, &ends->open_capacity, ends->open_count + 1, sizeof(size_t)))
        return EDDA_ENOMEM;
    if (!control)
        ends->open[ends->open_count++] = ends->count;
    ends->items[ends->count++] = (struct placeless){
        .from = frame->body + b->at, .producer = b->batch.producer_id, .base_offset = b->batch.base_offset, .time_ms = frame->time_ms,
        .losses = losses, .partition = b->partition, .records = (uint32_t)b->batch.record_count, .control = control,
    };
    return 0;
}

int ends_frame(struct ends *ends, const struct frame *frame, const struct frame_source *source, uint32_t producers, size_t losses)
{
    struct record record;
    int r = 0;
    if (frame->remote_count > 0)
        open_take(ends, named_takes, frame);
    for (uint32_t i = 0; i < frame->batch_count; i++)
        if (frame->batches[i].batch.attributes & BATCH_CONTROL)
            control_take(ends, &frame->batches[i], losses);
    for (uint32_t i = frame->holes; r == 0 && producers && i < frame->record_count; i++)
        if (frame_partition_of(frame, i) == producers && frame_record(frame, i, source, &record, NULL) == 0)
            r = row_take(ends, &record, losses);
    for (uint32_t i = 0; r == 0 && i < frame->batch_count; i++)
        if (batch_is_placeless(&frame->batches[i].batch))
            r = batch_take(ends, frame, &frame->batches[i], losses);
    return r;
}

void ends_end(struct ends *ends, size_t losses)
{
    open_take(ends, end_takes, &losses);
}
