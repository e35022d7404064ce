/*
 * scavenge: see scavenge.h.
 *
 * A pass: RETAIN moves starts on, partition after partition. SETTLE waits until all that is known is durable, and takes over the starts that count. Then, segment
 * after segment: COUNT marks the frames that can go, and WRITE writes the segment without them when that is worth it. WRITE repeats no decision: what is gone stays gone.
 *
 * Which segments. When starts have moved, those that hold positions between the old and the new ones. Everything (a deep pass) when the log has grown by half
 * since the last one, so that what compaction reads is in proportion to what was appended; after a restart the last one is taken to have ended with the last rewritten segment.
 *
 * What is left of removed frames: u32 number of streams, u32 0, and per stream the hash of its key (u64 low, u64 high) and u32 how many of its records
 * there were; little-endian. Records without a key are not counted. A frame whose streams would not fit where it lay stays.
 */
#include "store/scavenge.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/cursor.h"
#include "base/put.h"
#include "store/internal.h"
#include "store/partition.h"
#include "store/tally.h"

#define INTERVAL_MS_DEFAULT INT64_C(300000)
#define RATE_DEFAULT (UINT64_C(32) << 20) /* bytes per second */
#define SLICE_BYTES (UINT64_C(128) << 10)
#define SLICE_BYTES_MIN (UINT64_C(4) << 10)
#define SLICES_PER_SECOND 100 /* at least, so that a job never keeps others waiting for long */
#define SLICE_BATCHES 64
#define SLICE_PARTITIONS 16
#define END_LOOKS_MAX 16384 /* records of a stream that are looked at to find where a transaction's ended */
#define OLDER_MAX 64 /* records of a key that are looked at before its null goes */
#define TOUCH_BYTES 4096
#define GAP_RECORDS_MAX 65536 /* that one gap stands for, so that the index takes them in at once */
#define WORTH_PART 16 /* a segment is rewritten when at least this part of it goes */

enum state {
    IDLE,
    RETAIN,
    SETTLE,
    COUNT,
    WRITE,
    FINISH
};

enum walk {
    WALK_NONE,
    WALK_TIME,
    WALK_BYTES
};

struct scavenger {
    struct store *store;
    enum state state;
    bool asked;                /* by store_scavenge_start() */
    bool asked_deep;
    bool deep;
    int64_t next_ms;           /* log time of the next pass */
    int64_t now_ms;            /* log time when this one began */
    uint64_t rate;             /* bytes per second */
    uint64_t slice;            /* bytes of one turn */

    uint32_t topic, partition; /* RETAIN: where it stands */
    enum walk walk;            /* within the partition: */
    uint64_t ordinal;          /* of its batch, */
    int64_t start;             /* where it is to begin, as far as is known, */
    uint64_t bytes;            /* and what would be kept */

    uint64_t settled;          /* all before this position is durable and counts */
    uint64_t from, to;         /* positions whose segments are looked through */
    size_t segment;            /* ordinal of the one at hand */
    struct log_segment_info info;
    log_address end;           /* of it */
    log_address at;            /* COUNT: the next frame */
    uint8_t *dead;             /* a bit for each of its frames */
    size_t frames, dead_capacity;
    uint64_t dead_bytes;
    log_address deep_end;      /* where the last deep pass ended */

    struct log_rewrite *rewrite;
    size_t frame_at;           /* WRITE: which frame is next */
    struct tally tally;        /* of the gap that is being made */
    bool in_gap;
    uint64_t gap_records;
    struct buffer left;
    struct frame *frame;

    struct io_job job;
    bool busy;                 /* the job is under way */
    struct slice touch;
    int64_t pause_ns;
    int result;                /* why the last pass ended early; 0 */
    struct store_scavenged done;
};

int removed_each(struct slice left, int (*visit)(void *user, struct hash128 stream, uint32_t count), void *user)
{
    struct cursor c = cursor_of(left);
    uint32_t count = left.len ? cursor_le32(&c) : 0;
    int r = 0;
    cursor_skip(&c, left.len ? sizeof(uint32_t) : 0);
    for (; r == 0 && count > 0; count--) {
        struct hash128 stream = { .lo = cursor_le64(&c) };
        stream.hi = cursor_le64(&c);
        uint32_t records = cursor_le32(&c);
        if (!cursor_ok(&c))
            return EDDA_ECORRUPT;
        r = visit(user, stream, records);
    }
    return r == 0 && (!cursor_ok(&c) || cursor_left(&c) > 0) ? EDDA_ECORRUPT : r;
}

/* --- jobs ---------------------------------------------------------------------------------------------- */

static void job_run(struct io_job *job)
{
    struct scavenger *s = container_of(job, struct scavenger, job);
    if (s->state == FINISH)
        log_rewrite_finish(s->rewrite);
    else if (s->state == WRITE)
        log_rewrite_write(s->rewrite, s->slice);
    else
        for (size_t at = 0; at < s->touch.len; at += TOUCH_BYTES)
            (void)*(const volatile uint8_t *)(s->touch.data + at);
    io_sleep(s->store->io, s->pause_ns);
}

static void job_done(struct io_job *job)
{
    container_of(job, struct scavenger, job)->busy = false;
}

/* Hands work for so many bytes to a job, whose end also wakes the owner for the next slice. It takes as long as the rate says. */
static void job_start(struct scavenger *s, uint64_t bytes)
{
    s->job = (struct io_job){ .run = job_run, .done = job_done };
    s->busy = true;
    s->pause_ns = (int64_t)(bytes * 1000000000 / s->rate);
    io_job_submit(s->store->io, IO_POOL_BACKGROUND, &s->job);
}

/* --- retention ------------------------------------------------------------------------------------------ */

/* The header of a durable batch; false when it was removed or is not durable. */
static bool batch_head(const struct scavenger *s, const struct index_entry *entry, struct batch *ret_batch)
{
    struct slice bytes = entry->position < store_durable_position(s->store) ? log_bytes(s->store->log, entry->batch) : slice_of(NULL, 0);
    return bytes.data && batch_parse(bytes, ret_batch, NULL) > 0;
}

static bool retains(const struct topic *topic)
{
    return !topic->internal && !topic->deleted && topic_setting_get(topic, TOPIC_CLEANUP_POLICY) & CLEANUP_DELETE &&
           (topic_setting_get(topic, TOPIC_RETENTION_MS) >= 0 || topic_setting_get(topic, TOPIC_RETENTION_BYTES) >= 0);
}

/* Forward from the start: batches that are too old, as long as they follow one another. 1 at the first that is not. */
static int walk_by_time(struct scavenger *s, struct hash128 key, int64_t retention_ms)
{
    struct index_entry entries[SLICE_BATCHES];
    struct batch batch;
    int64_t n = lookup_read(s->store, key, s->ordinal, false, entries, SLICE_BATCHES);
    for (int64_t i = 0; i < n; i++, s->ordinal++) {
        if (!batch_head(s, &entries[i], &batch)) {
            if (entries[i].position < store_durable_position(s->store))
                continue; /* it was removed */
            return 1;
        }
        int64_t end = batch.base_offset + batch.last_offset_delta + 1;
        if (end <= s->start)
            continue;
        if (batch.max_timestamp_ms < 0 || batch.max_timestamp_ms >= s->now_ms - retention_ms)
            return 1;
        s->start = end;
    }
    return n < 0 ? (int)n : n < SLICE_BATCHES;
}

/* Backward from the newest, until what would be kept is too much. 1 at the end. */
static int walk_by_bytes(struct scavenger *s, struct hash128 key, uint64_t retention_bytes)
{
    struct index_entry entries[SLICE_BATCHES];
    struct batch batch;
    int64_t n = s->ordinal ? lookup_read(s->store, key, s->ordinal - 1, true, entries, SLICE_BATCHES) : 0;
    for (int64_t i = 0; i < n; i++, s->ordinal--) {
        if (!batch_head(s, &entries[i], &batch))
            continue;
        int64_t end = batch.base_offset + batch.last_offset_delta + 1;
        if (end <= s->start)
            return 1;
        s->bytes += batch.bytes.len;
        if (s->bytes > retention_bytes) {
            s->start = end;
            return 1;
        }
    }
    return n < 0 ? (int)n : s->ordinal == 0 || n == 0;
}

/* Works out where the partition is to begin, SLICE_BATCHES at a time. 1 when that is known. */
static int retention_walk(struct scavenger *s, const struct topic *topic, const struct partition *p)
{
    struct hash128 key = key_partition(s->store->seed, p->number);
    int64_t retention_ms = topic_setting_get(topic, TOPIC_RETENTION_MS);
    int64_t retention_bytes = topic_setting_get(topic, TOPIC_RETENTION_BYTES);
    int r = 0;
    if (s->walk == WALK_NONE) {
        s->start = p->start_offset;
        s->bytes = 0;
        s->walk = WALK_TIME;
        r = lookup_find_position(s->store, key, p->start_position, &s->ordinal);
    }
    if (r == 0 && s->walk == WALK_TIME) {
        r = retention_ms >= 0 ? walk_by_time(s, key, retention_ms) : 1;
        if (r <= 0 || retention_bytes < 0)
            return r;
        s->walk = WALK_BYTES;
        r = lookup_count(s->store, key, &s->ordinal);
    }
    return r < 0 ? r : walk_by_bytes(s, key, (uint64_t)retention_bytes);
}

static void retain_next(struct scavenger *s)
{
    s->walk = WALK_NONE;
    s->partition++;
}

static int retain_slice(struct scavenger *s)
{
    struct store *store = s->store;
    unsigned looked_at = 0;
    while (s->topic < store->topic_count) {
        if (looked_at == SLICE_PARTITIONS) {
            s->touch = slice_of(NULL, 0);
            job_start(s, 0);
            return 0;
        }
        struct topic_entry *entry = store->topics[s->topic];
        if (!retains(&entry->topic) || s->partition >= entry->topic.partition_count) {
            s->topic++;
            s->partition = 0;
            s->walk = WALK_NONE;
            continue;
        }
        struct partition *p = &entry->topic.partitions[s->partition];
        uint64_t position = 0;
        int r = retention_walk(s, &entry->topic, p);
        looked_at = r == 0 ? SLICE_PARTITIONS : looked_at + 1;
        if (r == 0)
            continue;
        struct store_bounds bounds;
        store_partition_bounds(store, &entry->topic, s->partition, &bounds);
        if (s->start > bounds.stable)
            s->start = bounds.stable; /* an open transaction keeps what it has, and all behind it */
        if (r == 1 && s->start > p->start_offset) {
            r = partition_position(store, p, s->start, &position);
            if (r == 0)
                r = start_put(store, entry, p, s->start, position, NULL);
        }
        if (r < 0)
            return r;
        retain_next(s);
    }
    s->settled = store_tail(store);
    s->state = SETTLE;
    return 0;
}

/* --- what can go ---------------------------------------------------------------------------------------- */

/* Whether all records of the key before the one with this ordinal are gone. */
static int older_are_gone(struct scavenger *s, struct hash128 stream, uint64_t ordinal)
{
    struct index_entry entries[OLDER_MAX];
    struct store_record record;
    if (ordinal == 0)
        return 1;
    if (ordinal > OLDER_MAX)
        return 0;
    int64_t n = lookup_read(s->store, stream, ordinal - 1, true, entries, OLDER_MAX);
    for (int64_t i = 0; i < n; i++) {
        int r = record_at(s->store, &entries[i], &record, NULL);
        if (r != EDDA_ENOTFOUND)
            return r < 0 ? r : 0;
    }
    return n < 0 ? (int)n : 1;
}

/* Whether compaction removes a record: 1 or 0. */
static int compacted(struct scavenger *s, const struct store_record *record, int64_t frame_ms)
{
    struct store *store = s->store;
    const struct topic *topic = record->topic;
    struct hash128 stream = key_stream(store->seed, topic_name(topic), record->record.key);
    struct index_entry last;
    uint64_t ordinal;
    if (topic == store->topics_topic || !(topic_setting_get(topic, TOPIC_CLEANUP_POLICY) & CLEANUP_COMPACT) || topic->decided ||
        frame_ms > s->now_ms - topic_setting_get(topic, TOPIC_MIN_COMPACTION_LAG_MS))
        return 0;
    int r = lookup_last(store, stream, &last);
    if (r < 0)
        return r == EDDA_ENOTFOUND ? EDDA_ECORRUPT : r;
    if (last.position > record->position && last.position < s->settled)
        return 1;
    if (last.position != record->position || record->record.value.data ||
        frame_ms > s->now_ms - topic_setting_get(topic, TOPIC_DELETE_RETENTION_MS))
        return 0;
    r = lookup_find_position(store, stream, record->position, &ordinal);
    return r < 0 ? r : older_are_gone(s, stream, ordinal);
}

/* Whether a record lies before the first version of its stream. */
static int cut_off(struct scavenger *s, const struct store_record *record)
{
    struct store *store = s->store;
    struct slice topic = topic_name(record->topic);
    struct stream_meta meta;
    uint64_t version;
    if (!store->streams_topic || record->topic->internal)
        return 0;
    int r = stream_meta_get(store, topic, record->record.key, &meta);
    if (r < 0 || (meta.truncate_before == 0 && meta.deleted_at == 0) || meta.position >= s->settled)
        return r < 0 ? r : 0;
    r = lookup_find_position(store, key_stream(store->seed, topic, record->record.key), record->position, &version);
    return r < 0 ? r : (int64_t)version < meta.truncate_before || (int64_t)version < meta.deleted_at;
}

/* Whether all of a batch lies before the start that counts. */
static bool batch_is_gone(const struct scavenger *s, uint32_t number, int64_t last_offset)
{
    const struct partition_place *place = &s->store->places[number];
    return last_offset < place->entry->topic.partitions[place->partition].settled_start;
}

/* A batch that must stay so that its partition's next offset is known when the index is made again. */
static bool batch_is_last(const struct scavenger *s, uint32_t number, int64_t last_offset)
{
    const struct partition_place *place = &s->store->places[number];
    return last_offset + 1 == place->entry->topic.partitions[place->partition].next_offset;
}

/* Whether the frame that gave a position to a record is still there: 1 or 0. */
static int frame_stands(struct scavenger *s, uint64_t position)
{
    struct store *store = s->store;
    struct index_entry frame;
    uint64_t ordinal;
    int r = lookup_find_position(store, store->frames_key, position + 1, &ordinal);
    if (r < 0 || ordinal == 0)
        return r;
    int64_t n = lookup_read(store, store->frames_key, ordinal - 1, false, &frame, 1);
    return n != 1 ? (n < 0 ? (int)n : 0) : !log_removed(store->log, frame.batch);
}

/* Whether the end of its transaction, by which a batch was given positions, is still there: 1 or 0. The index tells, as it leads from the positions to the batch; a
 * batch that it does not know was aborted, or outlives its end. */
static int end_stands(struct scavenger *s, const struct frame *frame, const struct frame_batch *b)
{
    struct store *store = s->store;
    const struct topic *topic = &store->places[b->partition].entry->topic;
    struct index_entry entries[SLICE_BATCHES];
    struct record record = { .key = { 0 } };
    struct slice plain;
    uint64_t ordinal = 0;
    int r = plain_records(store->plain, frame->body + b->at, &b->batch, &plain, NULL);
    struct cursor records = cursor_of(plain);
    while (r == 0 && !record.key.data && batch_next(&b->batch, &records, &record))
        continue;
    if (r < 0 || !record.key.data)
        return r < 0 ? r : 1; /* without a key nothing leads there */
    struct hash128 stream = key_stream(store->seed, topic_name(topic), record.key);
    r = lookup_find_position(store, stream, frame->first_position, &ordinal);
    for (unsigned looked_at = 0; r == 0 && looked_at < END_LOOKS_MAX; looked_at += SLICE_BATCHES, ordinal += SLICE_BATCHES) {
        int64_t n = lookup_read(store, stream, ordinal, false, entries, SLICE_BATCHES);
        for (int64_t i = 0; i < n; i++)
            if (entries[i].batch == frame->body + b->at)
                return frame_stands(s, entries[i].position);
        if (n < SLICE_BATCHES)
            return n < 0 ? (int)n : 0;
    }
    return r < 0 ? r : 1;
}

/* Whether a batch of a transaction, or a mark of its end, can go: 1 or 0. It goes after the end that gave it positions. */
static int placeless_is_dead(struct scavenger *s, const struct frame *frame, const struct frame_batch *b)
{
    const struct partition_place *place = &s->store->places[b->partition];
    int64_t last = b->batch.base_offset + b->batch.last_offset_delta;
    struct store_bounds bounds;
    if (!batch_is_gone(s, b->partition, last))
        return 0;
    if (b->batch.attributes & BATCH_CONTROL)
        return 1;
    if (place->partition < place->entry->topic.partition_count) {
        store_partition_bounds(s->store, &place->entry->topic, place->partition, &bounds);
        if (last >= bounds.stable)
            return 0; /* it may still be committed */
    }
    int r = end_stands(s, frame, b);
    return r < 0 ? r : !r;
}

/* Whether all that a frame has given positions to in batches of earlier frames is gone: 1 or 0. */
static int remotes_are_gone(struct scavenger *s, const struct frame *frame)
{
    for (uint32_t i = 0; i < frame->remote_count; i++) {
        struct batch batch;
        uint32_t number;
        int r = batch_at(s->store, frame->remotes[i].address, &number, &batch, NULL);
        if (r == EDDA_ENOTFOUND)
            continue;
        if (r < 0 || !batch_is_gone(s, number, batch.base_offset + batch.last_offset_delta))
            return r;
    }
    return 1;
}

/* Whether nothing of a frame is left: 1 or 0. */
static int frame_is_dead(struct scavenger *s, const struct frame *frame)
{
    struct store *store = s->store;
    bool all = true;
    int gone = remotes_are_gone(s, frame);
    if (gone != 1)
        return gone;
    for (uint32_t i = 0; i < frame->batch_count; i++) {
        const struct frame_batch *b = &frame->batches[i];
        int64_t last = b->batch.base_offset + b->batch.last_offset_delta;
        if (b->partition >= store->place_count || !store->places[b->partition].entry)
            return 0;
        if (batch_is_placeless(&b->batch)) {
            int r = placeless_is_dead(s, frame, b);
            if (r != 1)
                return r;
            continue;
        }
        if (batch_is_gone(s, b->partition, last))
            continue;
        const struct topic *topic = &store->places[b->partition].entry->topic;
        bool may = topic_setting_get(topic, TOPIC_CLEANUP_POLICY) & CLEANUP_COMPACT || (s->deep && store->streams_topic);
        if (!may || batch_is_last(s, b->partition, last))
            return 0;
        all = false;
    }
    for (uint64_t position = frame_begin(frame); !all && position < frame_end(frame); position++) {
        struct store_record record;
        int r = frame_record_at(store, frame, position, &record, NULL);
        if (r == EDDA_ENOTFOUND)
            continue; /* before a start; one that does not count yet keeps its batch alive, above */
        if (r == 0 && !record.record.key.data)
            return 0;
        if (r == 0)
            r = compacted(s, &record, frame->time_ms);
        if (r == 0 && s->deep)
            r = cut_off(s, &record);
        if (r != 1)
            return r;
    }
    return 1;
}

/* --- counting ------------------------------------------------------------------------------------------- */

static bool dead_put(struct scavenger *s, bool dead)
{
    if (s->frames / 8 >= s->dead_capacity) {
        size_t capacity = s->dead_capacity ? 2 * s->dead_capacity : 1024;
        uint8_t *grown = realloc(s->dead, capacity);
        if (!grown)
            return false;
        s->dead = grown;
        s->dead_capacity = capacity;
    }
    if (s->frames % 8 == 0)
        s->dead[s->frames / 8] = 0;
    s->dead[s->frames / 8] |= (uint8_t)(dead << s->frames % 8);
    s->frames++;
    return true;
}

static void touch_start(struct scavenger *s)
{
    uint64_t bytes = s->end - s->at < s->slice ? s->end - s->at : s->slice;
    s->touch = log_bytes(s->store->log, s->at);
    if (s->touch.len > bytes)
        s->touch.len = bytes;
    job_start(s, bytes);
}

/* The next segment of the pass that can be rewritten, or the end of the pass. */
static void segment_next(struct scavenger *s)
{
    struct log *log = s->store->log;
    struct log_segment_info next;
    for (;; s->segment++) {
        if (!log_segment(log, s->segment, &s->info) || !log_segment(log, s->segment + 1, &next) ||
            log_durable_end(log) <= next.first_address + LOG_SEGMENT_HEADER_BYTES || s->info.first_position >= s->to) {
            if (s->deep)
                s->deep_end = s->info.first_address;
            s->done.passes++;
            s->state = IDLE;
            return;
        }
        if (next.first_position > s->from && next.first_position <= s->settled)
            break;
    }
    s->at = s->info.first_address;
    s->end = next.first_address;
    s->frames = 0;
    s->dead_bytes = 0;
    s->state = COUNT;
    touch_start(s);
}

static bool is_worth_it(const struct scavenger *s)
{
    uint64_t kept = s->info.used_bytes - s->info.freed_bytes;
    return s->dead_bytes > 0 && (s->dead_bytes >= kept / WORTH_PART);
}

static int frame_get(struct scavenger *s, const struct log_frame *from)
{
    if (!s->frame && !(s->frame = frame_new()))
        return EDDA_ENOMEM;
    return frame_load(s->frame, from, &s->store->source, &s->done.error);
}

static int count_slice(struct scavenger *s)
{
    log_address slice_end = s->at + s->slice;
    struct buffer scratch = BUFFER_EMPTY;
    while (s->at < slice_end) {
        struct log_frame from;
        int r = log_read(s->store->log, s->at, &scratch, &from, &s->done.error);
        if (r < 0)
            return r;
        if (from.address >= s->end) {
            s->at = s->end;
            break;
        }
        r = from.position_count ? frame_get(s, &from) : 1;
        if (r == 0)
            r = frame_is_dead(s, s->frame);
        if (r < 0)
            return r;
        if (!dead_put(s, r == 1))
            return EDDA_ENOMEM;
        s->dead_bytes += r == 1 ? from.next - from.address : 0;
        s->at = from.next;
    }
    if (s->at < s->end) {
        touch_start(s);
        return 0;
    }
    if (!is_worth_it(s)) {
        s->segment++;
        segment_next(s);
        return 0;
    }
    int r = log_rewrite_begin(s->store->log, s->segment, &s->rewrite, &s->done.error);
    if (r < 0)
        return r;
    s->state = WRITE;
    s->frame_at = 0;
    s->in_gap = false;
    s->gap_records = 0;
    tally_clear(&s->tally);
    return 0;
}

/* --- writing -------------------------------------------------------------------------------------------- */

static int left_give(struct scavenger *s)
{
    if (!s->in_gap)
        return 0;
    s->in_gap = false;
    buffer_clear(&s->left);
    tally_put(&s->tally, &s->left);
    tally_clear(&s->tally);
    s->gap_records = 0;
    return buffer_ok(&s->left) ? log_rewrite_left(s->rewrite, buffer_slice(&s->left)) : EDDA_ENOMEM;
}

static int tally_visit(void *user, struct hash128 stream, uint32_t count)
{
    return tally_add(user, stream, count) ? 0 : EDDA_ENOMEM;
}

/* Adds what a frame has to what is left of the gap. 0 when it would not fit, and then nothing is added. */
static int frame_tally(struct scavenger *s, const struct log_frame *from)
{
    uint64_t bytes = from->next - from->address;
    uint64_t room = log_rewrite_room(s->rewrite) + bytes - (s->in_gap ? 0 : LOG_FRAME_HEADER_BYTES);
    int r = from->position_count ? frame_get(s, from) : 0;
    if (r < 0)
        return r;
    tally_mark(&s->tally);
    for (uint32_t i = s->frame ? s->frame->holes : 0; from->position_count && i < s->frame->record_count; i++) {
        struct record record;
        r = frame_record(s->frame, i, &s->store->source, &record, &s->done.error);
        if (r < 0)
            return r;
        const struct topic *topic = &s->store->places[frame_partition_of(s->frame, i)].entry->topic;
        if (record.key.data && !tally_add(&s->tally, key_stream(s->store->seed, topic_name(topic), record.key), 1))
            return EDDA_ENOMEM;
    }
    if (tally_bytes(&s->tally) <= room)
        return 1;
    tally_rewind(&s->tally);
    return 0;
}

static int frame_write(struct scavenger *s, const struct log_frame *from)
{
    int r = s->gap_records + from->position_count > GAP_RECORDS_MAX ? left_give(s) : 0;
    if (r < 0)
        return r;
    if (from->removed) {
        s->gap_records += from->position_count;
        r = removed_each(from->body, tally_visit, &s->tally);
        s->in_gap = true;
        return r < 0 ? r : log_rewrite_remove(s->rewrite);
    }
    size_t at = s->frame_at++;
    if (s->dead[at / 8] >> at % 8 & 1)
        r = frame_tally(s, from);
    else
        r = 0;
    if (r == 1) {
        s->in_gap = true;
        s->gap_records += from->position_count;
        return log_rewrite_remove(s->rewrite);
    }
    if (r == 0)
        r = left_give(s);
    return r < 0 ? r : log_rewrite_keep(s->rewrite);
}

static int write_slice(struct scavenger *s)
{
    struct log_frame from;
    uint64_t bytes = 0;
    int r = log_rewrite_result(s->rewrite);
    while (r == 0 && bytes < s->slice) {
        r = log_rewrite_next(s->rewrite, &from, &s->done.error);
        if (r == 0) {
            r = left_give(s);
            if (r == 0)
                s->state = FINISH;
            break;
        }
        if (r == 1)
            r = frame_write(s, &from);
        bytes += from.next - from.address;
    }
    if (r == 0)
        job_start(s, bytes);
    return r;
}

static int finish(struct scavenger *s)
{
    uint64_t freed;
    int r = log_rewrite_result(s->rewrite);
    if (r < 0)
        return r;
    log_rewrite_end(s->rewrite, &freed);
    s->rewrite = NULL;
    verified_forget(s->store, s->info.first_address, s->end);
    s->done.segments++;
    s->done.freed_bytes += freed;
    s->segment++;
    segment_next(s);
    return 0;
}

/* --- passes --------------------------------------------------------------------------------------------- */

/* Whether the log has grown by half since all of it was looked through. */
static bool deep_is_due(const struct scavenger *s)
{
    struct log_segment_info info;
    log_address end = log_durable_end(s->store->log);
    uint64_t freed = 0;
    for (size_t i = 0; log_segment(s->store->log, i, &info); i++)
        freed += info.freed_bytes;
    uint64_t kept = s->deep_end > freed ? s->deep_end - freed : 0;
    return end - s->deep_end >= 2 * LOG_SEGMENT_BYTES_DEFAULT && end - s->deep_end >= kept / 2;
}

static void pass_begin(struct scavenger *s)
{
    struct store *store = s->store;
    int64_t interval = store->options.scavenge_interval_ms ? store->options.scavenge_interval_ms : INTERVAL_MS_DEFAULT;
    int64_t now_ms = log_time_ms(store->log);
    bool due = interval > 0 && now_ms >= s->next_ms;
    if (!s->asked && !due)
        return;
    s->next_ms = now_ms + interval;
    s->now_ms = now_ms;
    s->deep = s->asked_deep || deep_is_due(s);
    s->asked = s->asked_deep = false;
    s->result = 0;
    s->topic = s->partition = 0;
    s->walk = WALK_NONE;
    s->state = RETAIN;
}

/* Takes over the starts that are durable now. */
static void pass_settle(struct scavenger *s)
{
    struct store *store = s->store;
    if (store_durable_position(store) < s->settled)
        return;
    s->from = s->deep ? 0 : UINT64_MAX;
    s->to = s->deep ? UINT64_MAX : 0;
    for (uint32_t i = 0; i < store->topic_count; i++) {
        struct topic_entry *entry = store->topics[i];
        for (uint32_t n = 0; n < entry->partitions_known; n++) {
            struct partition *p = &entry->topic.partitions[n];
            if (p->start_offset <= p->settled_start || p->start_recorded > s->settled)
                continue;
            if (p->settled_position < s->from)
                s->from = p->settled_position;
            if (p->start_position > s->to)
                s->to = p->start_position;
            p->settled_start = p->start_offset;
            p->settled_position = p->start_position;
        }
    }
    s->segment = 0;
    segment_next(s);
}

static void pass_give_up(struct scavenger *s, int result)
{
    log_rewrite_abort(s->rewrite);
    s->rewrite = NULL;
    s->result = result;
    s->done.failures++;
    s->done.error.code = result;
    s->state = IDLE;
}

void scavenger_turn(struct scavenger *s)
{
    int r = 0;
    if (!s || s->busy || s->store->broken || s->store->closing)
        return;
    switch (s->state) {
    case IDLE:
        pass_begin(s);
        break;
    case RETAIN:
        r = retain_slice(s);
        break;
    case SETTLE:
        pass_settle(s);
        break;
    case COUNT:
        r = count_slice(s);
        break;
    case WRITE:
        r = write_slice(s);
        break;
    case FINISH:
        r = finish(s);
        break;
    }
    /* Too much is unflushed, or the like: the same again in the next turn. */
    if (r < 0 && !(r == EDDA_EBUSY && s->state == RETAIN))
        pass_give_up(s, r);
}

struct scavenger *scavenger_new(struct store *store)
{
    struct scavenger *s = calloc(1, sizeof(*s));
    struct log_segment_info info;
    if (!s)
        return NULL;
    s->store = store;
    s->rate = store->options.scavenge_bytes_per_second ? store->options.scavenge_bytes_per_second : RATE_DEFAULT;
    s->slice = s->rate / SLICES_PER_SECOND < SLICE_BYTES ? s->rate / SLICES_PER_SECOND : SLICE_BYTES;
    s->slice = s->slice < SLICE_BYTES_MIN ? SLICE_BYTES_MIN : s->slice;
    tally_init(&s->tally);
    s->next_ms = log_time_ms(store->log) + (store->options.scavenge_interval_ms ? store->options.scavenge_interval_ms : INTERVAL_MS_DEFAULT);
    for (size_t i = 0; log_segment(store->log, i, &info); i++)
        if (info.rewritten)
            s->deep_end = info.first_address + info.used_bytes;
    return s;
}

void scavenger_free(struct scavenger *s)
{
    if (!s)
        return;
    /* After a simulated crash the job is gone. */
    while (s->busy && io_jobs_wait(s->store->io, -1) > 0)
        io_jobs_finish(s->store->io);
    log_rewrite_abort(s->rewrite);
    tally_deinit(&s->tally);
    buffer_deinit(&s->left);
    frame_free(s->frame);
    free(s->dead);
    free(s);
}

void store_scavenge_start(struct store *store, bool everything)
{
    if (!store->scavenger)
        return;
    store->scavenger->asked = true;
    store->scavenger->asked_deep |= everything;
}

bool store_scavenging(const struct store *store)
{
    return store->scavenger && (store->scavenger->state != IDLE || store->scavenger->asked);
}

void store_scavenged(const struct store *store, struct store_scavenged *ret_done)
{
    struct log_segment_info info;
    *ret_done = store->scavenger ? store->scavenger->done : (struct store_scavenged){ .passes = 0 };
    ret_done->gap_bytes = 0;
    for (size_t i = 0; log_segment(store->log, i, &info); i++)
        ret_done->gap_bytes += info.freed_bytes;
}
