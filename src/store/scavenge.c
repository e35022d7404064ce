/*
 * scavenge: see scavenge.h.
 *
 * A pass: RETAIN moves starts on, partition after partition. SETTLE waits until all that is known is durable, and takes over the starts that count. Then, segment
 * after segment: COUNT marks the frames that can go, and those that can lose records, and WRITE writes the segment without them when that is worth it. What is gone stays gone: WRITE asks again only which records of
 * a frame go.
 *
 * Which segments. When starts have moved, those that hold positions between the old and the new ones. Everything (a deep pass) when the log has grown by half
 * since the last one, so that what compaction reads is in proportion to what was appended; after a restart the last one is taken to have ended with the last rewritten segment.
 *
 * What is left of removed frames: u32 number of streams, u32 0, and per stream the hash of its key (u64 low, u64 high) and u32 how many of its records
 * there were; little-endian. Records without a key are not counted. A frame whose streams would not fit where it lay stays.
 */
#include "store/scavenge.h"

#include <stdlib.h>

#include "base/array.h"
#include "base/assert.h"
#include "base/cursor.h"
#include "base/put.h"
#include "store/scavenge_parts.h"
#include "store/taken.h"

#define INTERVAL_MS_DEFAULT INT64_C(300000)
#define RATE_DEFAULT (UINT64_C(32) << 20) /* bytes per second */
#define SLICE_BYTES (UINT64_C(128) << 10)
#define SLICE_BYTES_MIN (UINT64_C(4) << 10)
#define SLICES_PER_SECOND 100 /* at least, so that a job never keeps others waiting for long */
#define TOUCH_BYTES 4096
#define GAP_RECORDS_MAX 65536 /* that one gap stands for, so that the index takes them in at once */
#define WORTH_PART 16 /* a segment is rewritten when at least this part of it goes */

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
    if (s->state == SCAVENGE_FINISH)
        log_rewrite_finish(s->rewrite);
    else if (s->state == SCAVENGE_FRONT_WRITE)
        log_front_write(s->removal);
    else if (s->state == SCAVENGE_FRONT_REMOVE)
        log_front_remove(s->removal);
    else if (s->state == SCAVENGE_WRITE)
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

void scavenge_job_start(struct scavenger *s, uint64_t bytes)
{
    s->job = (struct io_job){ .run = job_run, .done = job_done };
    s->busy = true;
    s->pause_ns = (int64_t)(bytes * 1000000000 / s->rate);
    io_job_submit(s->store->io, IO_POOL_BACKGROUND, &s->job);
}

/* --- counting ------------------------------------------------------------------------------------------- */

static bool fate_put(struct scavenger *s, enum frame_fate fate)
{
    if (!array_reserve(&s->fates, &s->fate_capacity, (uint64_t)s->frames + 1, sizeof(*s->fates)))
        return false;
    s->fates[s->frames++] = (uint8_t)fate;
    return true;
}

static void touch_start(struct scavenger *s)
{
    uint64_t bytes = s->end - s->at < s->slice ? s->end - s->at : s->slice;
    s->touch = log_bytes(s->store->log, s->at);
    if (s->touch.len > bytes)
        s->touch.len = bytes;
    scavenge_job_start(s, bytes);
}

uint64_t scavenge_memory_begin(const struct store *store)
{
    return store->ring_count ? store->ring[store->ring_first & (store->ring_capacity - 1)]->first_position : UINT64_MAX;
}

/* The next segment of the pass that can be rewritten, or the end of the pass. */
static int segment_next(struct scavenger *s)
{
    struct log *log = s->store->log;
    struct log_segment_info next;
    for (;; s->segment++) {
        if (!log_segment(log, s->segment, &s->info) || !log_segment(log, s->segment + 1, &next) ||
            log_durable_end(log) <= next.first_address + LOG_SEGMENT_HEADER_BYTES || s->info.first_position >= s->to) {
            if (s->deep)
                s->deep_end = s->info.first_address;
            return scavenge_front_begin(s);
        }
        if (next.first_position > s->from && next.first_position <= s->settled && next.first_position <= scavenge_memory_begin(s->store))
            break;
    }
    s->at = s->info.first_address;
    s->end = next.first_address;
    s->frames = 0;
    s->dead_bytes = s->taken_bytes = 0;
    s->thins = false;
    s->state = SCAVENGE_COUNT;
    touch_start(s);
    return 0;
}

static bool is_worth_it(const struct scavenger *s)
{
    uint64_t kept = s->info.used_bytes - s->info.freed_bytes;
    uint64_t goes = s->dead_bytes + s->taken_bytes;
    return goes > 0 && (s->thorough || goes >= kept / WORTH_PART);
}

int scavenge_frame_get(struct scavenger *s, const struct log_frame *from)
{
    if (!s->frame && !(s->frame = frame_new()))
        return EDDA_ENOMEM;
    return frame_load(s->frame, from, &s->store->source, &s->done.error);
}

/* What becomes of a frame, as far as can be told before it is tried. */
static int frame_count(struct scavenger *s, const struct log_frame *from)
{
    enum frame_fate fate = FRAME_GOES;
    uint64_t bytes = 0;
    int r = from->position_count ? scavenge_frame_get(s, from) : 1;
    if (r == 0)
        r = scavenge_frame_is_dead(s, s->frame);
    if (r == 0) {
        r = scavenge_frame_taken(s, &bytes);
        fate = bytes > 0 ? FRAME_THINS : s->frame->spare > 0 ? FRAME_STAYS_THIN : FRAME_STAYS;
        s->thins |= fate != FRAME_STAYS;
        s->taken_bytes += bytes;
    } else if (r == 1) {
        s->dead_bytes += from->next - from->address;
    }
    if (r < 0)
        return r;
    return fate_put(s, fate) ? 0 : EDDA_ENOMEM;
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
        r = frame_count(s, &from);
        if (r < 0)
            return r;
        s->at = from.next;
    }
    if (s->at < s->end) {
        touch_start(s);
        return 0;
    }
    if (!is_worth_it(s)) {
        s->segment++;
        return segment_next(s);
    }
    int r = log_rewrite_begin(s->store->log, s->segment, s->thins, &s->rewrite, &s->done.error);
    if (r < 0)
        return r;
    s->state = SCAVENGE_WRITE;
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

int scavenge_tally_visit(void *user, struct hash128 stream, uint32_t count)
{
    return tally_add(user, stream, count) ? 0 : EDDA_ENOMEM;
}

bool scavenge_taken_tally(struct scavenger *s, uint32_t partition, struct slice left, struct tally *tally)
{
    struct cursor c = cursor_of(left);
    for (uint32_t streams = taken_begin(&c); streams > 0; streams--) {
        struct taken taken = taken_next(&c);
        if (!tally_add(tally, taken_stream(&taken, s->store->seed, topic_name(&s->store->places[partition].entry->topic)), taken.count))
            return false;
    }
    return true;
}

int scavenge_frame_tally(struct scavenger *s, struct tally *tally)
{
    for (uint32_t i = s->frame->holes; i < s->frame->record_count; i++) {
        struct record record;
        int r = frame_record(s->frame, i, &s->store->source, &record, &s->done.error);
        if (r < 0 && r != EDDA_ENOTFOUND)
            return r;
        const struct topic *topic = &s->store->places[frame_partition_of(s->frame, i)].entry->topic;
        if (r == 0 && record.key.data && !tally_add(tally, key_stream(s->store->seed, topic_name(topic), record.key), 1))
            return EDDA_ENOMEM;
    }
    for (uint32_t i = 0; i < s->frame->batch_count; i++)
        if (!batch_is_placeless(&s->frame->batches[i].batch) && !scavenge_taken_tally(s, s->frame->batches[i].partition, s->frame->batches[i].left, tally))
            return EDDA_ENOMEM;
    for (uint32_t i = 0; i < s->frame->remote_count; i++)
        if (!scavenge_taken_tally(s, s->frame->remotes[i].partition, s->frame->remotes[i].left, tally))
            return EDDA_ENOMEM;
    return 0;
}

/* Adds what a frame has to what is left of the gap. 0 when it would not fit, and then nothing is added. */
static int frame_tally(struct scavenger *s, const struct log_frame *from)
{
    uint64_t bytes = from->next - from->address;
    uint64_t room = log_rewrite_room(s->rewrite) + bytes - (s->in_gap ? 0 : LOG_FRAME_HEADER_BYTES);
    int r = from->position_count ? scavenge_frame_get(s, from) : 0;
    if (r < 0)
        return r;
    tally_mark(&s->tally);
    r = from->position_count ? scavenge_frame_tally(s, &s->tally) : 0;
    if (r < 0)
        return r;
    if (tally_bytes(&s->tally) <= room)
        return 1;
    tally_rewind(&s->tally);
    return 0;
}

/* A frame that stays, with or without all of its records. */
static int frame_stays(struct scavenger *s, const struct log_frame *from, enum frame_fate fate)
{
    uint64_t bytes, spare = 0;
    int r = left_give(s);
    if (r == 0 && s->thins && from->position_count)
        r = scavenge_frame_get(s, from);
    if (r == 0 && fate == FRAME_THINS)
        r = scavenge_frame_taken(s, &bytes);
    if (r == 0 && fate == FRAME_THINS)
        r = scavenge_frame_thin(s, from, &spare);
    if (r < 0)
        return r;
    s->done.thinned_frames += r == 1;
    return r == 1 ? log_rewrite_replace(s->rewrite, buffer_slice(&s->body), spare) : log_rewrite_keep(s->rewrite, s->thins && from->position_count ? s->frame->spare : 0);
}

static int frame_write(struct scavenger *s, const struct log_frame *from)
{
    int r = s->gap_records + from->position_count > GAP_RECORDS_MAX ? left_give(s) : 0;
    if (r < 0)
        return r;
    if (from->removed) {
        s->gap_records += from->position_count;
        r = removed_each(from->body, scavenge_tally_visit, &s->tally);
        s->in_gap = true;
        return r < 0 ? r : log_rewrite_remove(s->rewrite);
    }
    enum frame_fate fate = (enum frame_fate)s->fates[s->frame_at++];
    r = fate == FRAME_GOES ? frame_tally(s, from) : 0;
    if (r == 1) {
        s->in_gap = true;
        s->gap_records += from->position_count;
        return log_rewrite_remove(s->rewrite);
    }
    return r < 0 ? r : frame_stays(s, from, fate);
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
                s->state = SCAVENGE_FINISH;
            break;
        }
        if (r == 1)
            r = frame_write(s, &from);
        bytes += from.next - from.address;
    }
    if (r == 0)
        scavenge_job_start(s, bytes);
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
    plain_forget(s->store->plain, s->info.first_address, s->end);
    s->done.segments++;
    s->done.freed_bytes += freed;
    s->segment++;
    return segment_next(s);
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
    s->thorough = s->asked_deep;
    s->asked = s->asked_deep = false;
    s->result = 0;
    s->topic = s->partition = 0;
    s->walk = WALK_NONE;
    s->state = SCAVENGE_RETAIN;
}

/* Takes over the starts that are durable now. */
static int pass_settle(struct scavenger *s)
{
    struct store *store = s->store;
    if (store_durable_position(store) < s->settled)
        return 0;
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
    return segment_next(s);
}

static void pass_give_up(struct scavenger *s, int result)
{
    log_rewrite_abort(s->rewrite);
    s->rewrite = NULL;
    log_front_end(s->removal);
    s->removal = NULL;
    s->result = result;
    s->done.failures++;
    s->done.error.code = result;
    s->state = SCAVENGE_IDLE;
}

void scavenger_turn(struct scavenger *s)
{
    int r = 0;
    if (!s || s->busy || s->store->broken || s->store->closing)
        return;
    switch (s->state) {
    case SCAVENGE_IDLE:
        pass_begin(s);
        break;
    case SCAVENGE_RETAIN:
        r = scavenge_retain_slice(s);
        break;
    case SCAVENGE_SETTLE:
        r = pass_settle(s);
        break;
    case SCAVENGE_COUNT:
        r = count_slice(s);
        break;
    case SCAVENGE_WRITE:
        r = write_slice(s);
        break;
    case SCAVENGE_FINISH:
        r = finish(s);
        break;
    case SCAVENGE_FRONT:
        r = scavenge_front_slice(s);
        break;
    case SCAVENGE_FRONT_WRITE:
        r = scavenge_front_written(s);
        break;
    case SCAVENGE_FRONT_REMOVE:
        r = scavenge_front_removed(s);
        break;
    }
    /* Too much is unflushed, or the like: the same again in the next turn. */
    if (r < 0 && !(r == EDDA_EBUSY && s->state == SCAVENGE_RETAIN))
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
    tally_init(&s->front_tally);
    tally_init(&s->kept);
    tally_init(&s->kept_own);
    tally_init(&s->left_tally);
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
    log_front_end(s->removal);
    tally_deinit(&s->tally);
    tally_deinit(&s->front_tally);
    buffer_deinit(&s->front_rows);
    buffer_deinit(&s->left);
    tally_deinit(&s->kept);
    tally_deinit(&s->kept_own);
    frame_reader_deinit(&s->end_reader);
    tally_deinit(&s->left_tally);
    buffer_deinit(&s->body);
    buffer_deinit(&s->batch);
    buffer_deinit(&s->records);
    buffer_deinit(&s->packed);
    frame_free(s->frame);
    free(s->left_keys);
    free(s->fates);
    free(s->taken);
    free(s->batches);
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
    return store->scavenger && (store->scavenger->state != SCAVENGE_IDLE || store->scavenger->asked);
}

void store_scavenged(const struct store *store, struct store_scavenged *ret_done)
{
    struct log_segment_info info;
    *ret_done = store->scavenger ? store->scavenger->done : (struct store_scavenged){ .passes = 0 };
    ret_done->gap_bytes = 0;
    for (size_t i = 0; log_segment(store->log, i, &info); i++)
        ret_done->gap_bytes += info.freed_bytes;
}
