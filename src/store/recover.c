/*
 * recover: what opening a store reads. The table of topics first, from the part of the log that the index covers; then the rest
 * of the log, frame by frame, whose records are added to the index and whose rows of the table are applied
 * on the way: a row comes before the first record of its topic.
 *
 * Everything else (stream metadata, group offsets, snapshots) is looked up when it is asked for.
 */
#include "base/assert.h"
#include "store/front.h"
#include "store/producers.h"
#include "store/scavenge.h"
#include "store/taken.h"

#define TOPICS_PARTITION 0
#define READ_ENTRIES 64
#define REMOVED_RECORDS 65536 /* of the front, that the index takes in at once */
#define PROGRESS_BYTES (UINT64_C(16) << 20)
#define REMOVED_INDEX_DAMAGED 1 /* told apart from damage to what is left */

/* Applies the rows in a batch of the table of topics. */
static int topics_batch(struct store *store, const struct index_entry *entry, struct edda_error *error)
{
    struct batch batch;
    struct record record;
    uint32_t number;
    int r = batch_at(store, entry->batch, &number, &batch, error);
    if (r == EDDA_ENOTFOUND)
        return 0; /* its rows were carried on when it was removed from the front */
    if (r < 0)
        return r;
    struct cursor records = cursor_of(batch.records);
    while (r == 0 && batch_next(&batch, &records, &record))
        r = topics_apply(store, record.key, record.value, true, error);
    if (r == 0)
        store->topics_topic->partitions[0].next_offset = batch.base_offset + batch.last_offset_delta + 1;
    return r;
}

static int topics_covered(struct store *store, struct edda_error *error)
{
    struct index_entry entries[READ_ENTRIES];
    struct hash128 key = key_partition(store->seed, TOPICS_PARTITION);
    uint64_t from = 0;
    int64_t n;
    do {
        n = index_read(store->index, key, from, false, entries, READ_ENTRIES);
        if (n < 0)
            return edda_fail_with(error, (int)n, "the index cannot be read: %s", edda_code_info((int)n)->sentence);
        for (int64_t i = 0; i < n; i++) {
            int r = topics_batch(store, &entries[i], error);
            if (r < 0)
                return r;
        }
        from += (uint64_t)n;
    } while (n == READ_ENTRIES);
    return 0;
}

struct rebuild {
    struct store *store;
    struct frame *frame;
    struct additions additions;
    log_address from;
    uint64_t told;
    bool removed_given;              /* some of what is left in the stead of removed frames was added to the index already */
    uint64_t front_end;              /* while the front that was removed is taken in: the first position behind it */
    const struct log_frame *removed; /* what stands for removed frames, while it is taken in */
    struct edda_error *error;
};

/* At the first record that was taken from a thin batch: entries for all that were, which count, and lead nowhere. */
static int left_additions(struct store *store, const struct frame *frame, uint32_t ordinal, struct additions *a)
{
    const struct frame_ref *ref = &frame->refs[ordinal];
    const struct frame_next *next = ref->remote ? &frame->remotes[ref->batch].next : &frame->batches[ref->batch].next;
    struct cursor c = cursor_of(ref->remote ? frame->remotes[ref->batch].left : frame->batches[ref->batch].left);
    struct slice topic = topic_name(&store->places[frame_partition_of(frame, ordinal)].entry->topic);
    struct index_entry entry = { .position = frame->first_position + ordinal };
    if (next->taken != ordinal)
        return 0;
    for (uint32_t streams = taken_begin(&c); streams > 0; streams--) {
        struct taken taken = taken_next(&c);
        for (; taken.count > 0; taken.count--)
            additions_put(a, taken_stream(&taken, store->seed, topic), &entry);
    }
    return 0;
}

int frame_additions(struct store *store, const struct frame *frame, struct additions *a)
{
    struct record record;
    struct cloudevent event;
    if (!additions_reserve(a, frame->record_count * 3 + frame->batch_count + 1))
        return EDDA_ENOMEM;
    for (uint32_t i = frame->holes; i < frame->record_count; i++) {
        const struct frame_ref *ref = &frame->refs[i];
        uint32_t number = frame_partition_of(frame, i);
        struct index_entry entry = {
            .position = frame->first_position + i,
            .batch = ref->remote ? frame->remotes[ref->batch].address : frame->body + frame->batches[ref->batch].at,
            .record = ref->record,
        };
        if (number >= store->place_count || !store->places[number].entry)
            return EDDA_ECORRUPT;
        int r = ref->record == FRAME_REF_TAKEN ? left_additions(store, frame, i, a) : frame_record(frame, i, &store->source, &record, NULL);
        if (r < 0)
            return r;
        if (ref->record == FRAME_REF_TAKEN)
            continue;
        cloudevent_get(&record, &event);
        if (record.key.data) {
            const struct topic *topic = &store->places[number].entry->topic;
            additions_put(a, key_stream(store->seed, topic_name(topic), record.key), &entry);
        }
        if (event.correlation.len)
            additions_put(a, key_correlation(store->seed, event.correlation), &entry);
        if (ref->identified)
            additions_put(a, key_identity(store->seed, event.source, event.id), &entry);
    }
    frame_additions_close(store, frame, a);
    return 0;
}

/* Applies what the frame has of the table of topics, and moves the offsets of its partitions on. */
static int frame_apply(struct rebuild *rebuild)
{
    struct store *store = rebuild->store;
    const struct frame *frame = rebuild->frame;
    for (uint32_t i = 0; i < frame->batch_count; i++) {
        const struct frame_batch *b = &frame->batches[i];
        struct cursor records = cursor_of(b->batch.records);
        struct record record;
        while (b->partition == TOPICS_PARTITION && batch_next(&b->batch, &records, &record)) {
            int r = topics_apply(store, record.key, record.value, false, rebuild->error);
            if (r < 0)
                return r;
        }
    }
    for (uint32_t i = 0; i < frame->batch_count; i++) {
        const struct frame_batch *b = &frame->batches[i];
        if (b->partition >= store->place_count || !store->places[b->partition].entry)
            return edda_fail_with(rebuild->error, EDDA_ECORRUPT, "the frame at position %llu is of an unknown partition",
                                  (unsigned long long)frame->first_position);
        const struct partition_place *place = &store->places[b->partition];
        struct partition *partition = &place->entry->topic.partitions[place->partition];
        int64_t next = b->batch.base_offset + b->batch.last_offset_delta + 1;
        /* Salvage serves what is left, and there offsets may be missing, as they are where something was removed. */
        if (b->batch.base_offset != partition->next_offset && !store->options.log.salvage &&
            !(b->batch.base_offset > partition->next_offset && log_has_removed(store->log)))
            return edda_fail_with(rebuild->error, EDDA_ECORRUPT,
                                  "the frame at position %llu begins topic %s partition %u at offset %lld, not %lld",
                                  (unsigned long long)frame->first_position, place->entry->topic.name, place->partition,
                                  (long long)b->batch.base_offset, (long long)partition->next_offset);
        partition->next_offset = next;
    }
    return 0;
}

static int additions_give(struct rebuild *rebuild, log_address from)
{
    struct store *store = rebuild->store;
    for (;;) {
        /* Everything before this frame is durable and added. */
        if (index_seal_wanted(store->index) && from > index_covered(store->index))
            index_seal(store->index, from);
        int r = index_add_many(store->index, rebuild->additions.items, rebuild->additions.count);
        if (r != EDDA_EBUSY)
            return r < 0 ? edda_fail_with(rebuild->error, r, "the index cannot be added to") : 0;
        if (io_jobs_wait(store->io, -1) == 0)
            return edda_fail_with(rebuild->error, EDDA_ECLOSED, "the index waits for a job that will not end");
        io_jobs_finish(store->io);
    }
}

/*
 * How many of a stream's records that were removed the index lacks. What it covers may end where a frame was that has become part of a gap
 * since: then it has what lay before. One that has more than there was is of no use.
 */
static int removed_lacking(struct rebuild *rebuild, struct hash128 stream, uint32_t *count)
{
    struct index *index = rebuild->store->index;
    uint64_t before, all;
    int r = index_find_position(index, stream, rebuild->removed->first_position, &before);
    if (r == 0)
        r = index_count(index, stream, &all);
    if (r == 0 && all - before > *count)
        r = index_refuse(index);
    if (r == 0)
        *count -= (uint32_t)(all - before);
    return r;
}

/* Entries that count, and lead nowhere, for records of a stream that were removed: any number. */
static int removed_put(struct rebuild *rebuild, struct hash128 stream, uint32_t count, uint64_t position)
{
    struct index_entry entry = { .position = position };
    int r = 0;
    for (; r == 0 && count > 0; count--) {
        if (!additions_reserve(&rebuild->additions, 1))
            return edda_fail_with(rebuild->error, EDDA_ENOMEM, "out of memory for what was removed");
        additions_put(&rebuild->additions, stream, &entry);
        if (rebuild->additions.count == REMOVED_RECORDS) {
            /* No run ends here, which would be in the midst of what is left. */
            r = additions_give(rebuild, 0);
            rebuild->removed_given = true;
            additions_clear(&rebuild->additions);
        }
    }
    return r;
}

static int removed_visit(void *user, struct hash128 stream, uint32_t count)
{
    struct rebuild *rebuild = user;
    const struct log_frame *removed = rebuild->removed;
    uint64_t position = removed->first_position;
    int r = 0;
    if (removed->address < rebuild->from) {
        /* Behind those that it has. */
        position += removed->position_count - 1;
        r = removed_lacking(rebuild, stream, &count);
    }
    if (r < 0) {
        edda_fail_with(rebuild->error, r, "the index of the records removed at position %llu is damaged",
                       (unsigned long long)removed->first_position);
        return REMOVED_INDEX_DAMAGED;
    }
    return removed_put(rebuild, stream, count, position);
}

/* Frames that were removed: their records are still versions of their streams. */
static int removed_take(struct rebuild *rebuild, const struct log_frame *from)
{
    rebuild->removed = from;
    rebuild->removed_given = false;
    additions_clear(&rebuild->additions);
    int r = removed_each(from->body, removed_visit, rebuild);
    if (r == REMOVED_INDEX_DAMAGED)
        return EDDA_ECORRUPT;
    if (r == EDDA_ECORRUPT)
        return edda_fail_with(rebuild->error, r, "what is left of the records removed at position %llu is malformed",
                              (unsigned long long)from->first_position);
    return r < 0 || rebuild->additions.count == 0 ? r : additions_give(rebuild, rebuild->removed_given ? 0 : from->address);
}

static int rebuild_visit(void *user, const struct log_frame *from)
{
    struct rebuild *rebuild = user;
    struct store *store = rebuild->store;
    if (from->removed)
        return removed_take(rebuild, from);
    if (from->position_count == 0)
        return 0;
    int r = frame_load(rebuild->frame, from, &store->source, rebuild->error);
    if (r == 0)
        r = frame_apply(rebuild);
    if (r == 0) {
        additions_clear(&rebuild->additions);
        r = frame_additions(store, rebuild->frame, &rebuild->additions);
        if (r < 0)
            edda_fail_with(rebuild->error, r, "the frame at position %llu cannot be indexed: %s",
                           (unsigned long long)from->first_position, edda_code_info(r)->sentence);
    }
    if (r == 0)
        r = additions_give(rebuild, from->address);
    /* In salvage what cannot be made sense of is left out. */
    if (r == EDDA_ECORRUPT && store->options.log.salvage)
        r = 0;
    uint64_t done = from->next - rebuild->from;
    if (store->options.progress && done - rebuild->told >= PROGRESS_BYTES) {
        rebuild->told = done;
        store->options.progress(store->options.progress_user, done, log_durable_end(store->log) - rebuild->from);
    }
    io_jobs_finish(store->io);
    return r;
}

/* The same of the segments that were removed from the front. */
static int front_visit(void *user, struct hash128 stream, uint32_t count)
{
    struct rebuild *rebuild = user;
    int r = rebuild->from ? removed_lacking(rebuild, stream, &count) : 0;
    if (r < 0) {
        edda_fail_with(rebuild->error, r, "the index of the records that were removed from the front is damaged");
        return REMOVED_INDEX_DAMAGED;
    }
    return removed_put(rebuild, stream, count, rebuild->from ? rebuild->front_end - 1 : 0);
}

/* Takes into an index that covers the log up to an address in the removed front what it lacks of that. */
static int front_removed_take(struct store *store, log_address covered, uint64_t front_end, struct slice removed, struct edda_error *error)
{
    static const struct log_frame front = { .first_position = 0 };
    struct rebuild rebuild = { .store = store, .from = covered, .front_end = front_end, .removed = &front, .error = error };
    additions_init(&rebuild.additions);
    int r = removed_each(removed, front_visit, &rebuild);
    if (r == 0 && rebuild.additions.count > 0)
        r = additions_give(&rebuild, 0);
    additions_deinit(&rebuild.additions);
    if (r == EDDA_ECORRUPT)
        return edda_fail_with(error, r, "what is left of the removed front of the log is malformed");
    return r == REMOVED_INDEX_DAMAGED ? EDDA_ECORRUPT : r;
}

/* What is left of the front that was removed: the table of topics as it was, and for an index that does not reach behind it how many records of which streams there were. */
static int front_take(struct store *store, log_address covered, struct edda_error *error)
{
    struct buffer bytes = BUFFER_EMPTY;
    struct front_left left;
    struct slice name, row;
    uint64_t end = 0;
    int r = log_front_left(store->log, &bytes, &end, error);
    if (r == 0 && (r = front_left_parse(buffer_slice(&bytes), &left)) < 0)
        edda_fail_with(error, r, "what is left of the removed front of the log is malformed");
    struct cursor rows = r == 0 ? cursor_of(left.rows) : cursor_of(slice_of(NULL, 0));
    while (r == 0 && front_row_next(&rows, &name, &row))
        r = topics_apply(store, name, row, covered > 0, error);
    if (r == 0)
        store->topics_topic->partitions[0].next_offset = left.topics_end;
    if (r == 0 && covered < log_start(store->log))
        r = front_removed_take(store, covered, end, left.removed, error);
    buffer_deinit(&bytes);
    return r;
}

/* Applies and indexes the log from an address on. */
static int log_take(struct store *store, log_address from, struct edda_error *error)
{
    struct rebuild rebuild = {
        .store = store,
        .frame = frame_new(),
        .from = from,
        .error = error,
    };
    additions_init(&rebuild.additions);
    int r = rebuild.frame ? log_scan(store->log, rebuild.from, rebuild_visit, NULL, &rebuild, error) :
                            edda_fail_with(error, EDDA_ENOMEM, "out of memory for a frame");
    if (r == 0 && rebuild.told > 0)
        store->options.progress(store->options.progress_user, log_end(store->log) - rebuild.from,
                                log_end(store->log) - rebuild.from);
    frame_free(rebuild.frame);
    additions_deinit(&rebuild.additions);
    return r;
}

int store_recover(struct store *store, struct edda_error *error)
{
    log_address covered = index_covered(store->index);
    int r = log_start(store->log) > 0 ? front_take(store, covered, error) : 0;
    if (r == 0 && covered)
        r = topics_covered(store, error);
    if (r == 0 && covered < log_end(store->log))
        r = log_take(store, covered > log_start(store->log) ? covered : log_start(store->log), error);
    if (r == 0)
        r = starts_load(store, error);
    if (r == 0)
        partitions_all_durable(store); /* up to the starts at least */
    return r < 0 ? r : producers_recover(store, error);
}

int store_refresh(struct store *store, struct edda_error *error)
{
    log_address end = log_end(store->log);
    int64_t starts = store->starts_topic ? store->starts_topic->partitions[0].next_offset : 0;
    int r = log_refresh(store->log, error);
    if (r > 0)
        r = log_take(store, end, error);
    if (r == 0 && store->starts_topic && store->starts_topic->partitions[0].next_offset > starts)
        r = starts_load(store, error);
    if (r == 0)
        partitions_all_durable(store);
    return r < 0 ? r : log_end(store->log) > end;
}
