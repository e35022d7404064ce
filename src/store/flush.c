/*
 * flush: the way of a frame from open to durable to forgotten, and the moments at which the index is sealed.
 *
 * Closing gives the frame its place in the log and its records theirs in the index; it does no I/O. If the index
 * cannot take them just then, they stay in the additions, where reads find them as before, and appends are refused until it
 * can.
 *
 * Sealing. A run must cover durable records only, and index_seal() writes everything that was added. So it is begun at a
 * moment when all closed frames are durable: after a flush, or right before a frame is closed. Under load there might be no
 * such moment, since a second flush usually begins before the first has ended, and frames are closed when they are full.
 * While a seal is wanted, therefore, only one flush is under way at a time, and a frame is closed only to be flushed: when
 * that flush ends, all that is closed is durable. The open frame meanwhile grows to at most what may be unflushed at all.
 * Reads never close a frame, so they do not come in between.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/assert.h"
#include "store/producers.h"
#include "store/scavenge.h"

struct frame *frame_current(struct store *store)
{
    if (store->open && (store->open->record_count > 0 || store->open->batch_count > 0))
        return store->open;
    ASSERT(!store->unindexed);
    if (!store->open) {
        struct list *link = list_pop_front(&store->free_frames);
        store->free_count -= link != NULL;
        store->open = link ? container_of(link, struct frame, link) : frame_new();
        if (!store->open)
            return NULL;
    }
    store->generation++;
    frame_open(store->open, log_next_position(store->log), io_clock_boot_ns(store->io));
    return store->open;
}

static bool everything_closed_is_durable(const struct store *store)
{
    return log_durable_end(store->log) == log_end(store->log);
}

void seal_if_due(struct store *store)
{
    /* One that is tried again covers what it did before, whatever has come since; and what has come may wait for it to be indexed. */
    if (index_seal_wanted(store->index) &&
        (index_seal_failed(store->index) || (!store->unindexed && everything_closed_is_durable(store))))
        index_seal(store->index, log_durable_end(store->log));
}

static bool ring_push(struct store *store, struct frame *frame)
{
    if (store->ring_count == store->ring_capacity) {
        uint32_t capacity = store->ring_capacity ? store->ring_capacity * 2 : 16;
        struct frame **ring = malloc(capacity * sizeof(struct frame *));
        if (!ring)
            return false;
        for (uint32_t i = 0; i < store->ring_count; i++)
            ring[i] = store->ring[(store->ring_first + i) & (store->ring_capacity - 1)];
        free(store->ring);
        store->ring = ring;
        store->ring_first = 0;
        store->ring_capacity = capacity;
    }
    if (frame)
        store->ring[(store->ring_first + store->ring_count++) & (store->ring_capacity - 1)] = frame;
    return true;
}

static struct frame *ring_frame(const struct store *store, uint32_t ordinal)
{
    return store->ring[(store->ring_first + ordinal) & (store->ring_capacity - 1)];
}

static void frame_give_back(struct store *store, struct frame *frame)
{
    if (store->free_count == FRAMES_FREE_MAX) {
        frame_free(frame);
        return;
    }
    frame_reset(frame);
    list_push_front(&store->free_frames, &frame->link);
    store->free_count++;
}

/* Takes note of the frames that have become durable. */
static void frames_durable(struct store *store)
{
    uint64_t durable = log_durable_position(store->log);
    uint64_t number = store->ring_number + store->durable_count;
    while (store->durable_count < store->ring_count && frame_end(ring_frame(store, store->durable_count)) <= durable) {
        const struct frame *frame = ring_frame(store, store->durable_count++);
        store->durable_bytes += frame->body_bytes;
        frame_is_durable(store, frame);
    }
    /* The hook may have frames forgotten. */
    for (; number < store->ring_number + store->durable_count; number++)
        if (number >= store->ring_number)
            frame_tell_durable(store, ring_frame(store, (uint32_t)(number - store->ring_number)));
}

static void frames_forget(struct store *store)
{
    while (store->durable_bytes > FRAMES_KEPT_BYTES || store->durable_count > store->options.frames_kept) {
        struct frame *frame = ring_frame(store, 0);
        store->ring_first = (store->ring_first + 1) & (store->ring_capacity - 1);
        store->ring_count--;
        store->ring_number++;
        store->durable_count--;
        store->durable_bytes -= frame->body_bytes;
        frame_give_back(store, frame);
    }
}

void frames_deinit(struct store *store)
{
    struct list *link;
    for (uint32_t i = 0; i < store->ring_count; i++)
        frame_free(ring_frame(store, i));
    free(store->ring);
    while ((link = list_pop_front(&store->free_frames)))
        frame_free(container_of(link, struct frame, link));
    frame_free(store->open);
}

int additions_flush(struct store *store)
{
    if (!store->unindexed)
        return 0;
    int r = index_add_many(store->index, store->additions.items, store->additions.count);
    if (r < 0)
        return r;
    store->unindexed = false;
    additions_clear(&store->additions);
    return 0;
}

void frame_additions_close(struct store *store, const struct frame *frame, struct additions *a)
{
    for (uint32_t i = 0; i < frame->batch_count; i++) {
        const struct frame_batch *b = &frame->batches[i];
        struct index_entry entry = {
            .position = frame->first_position + b->first,
            .batch = frame->body + b->at,
            .record = batch_offset_count(&b->batch),
        };
        additions_put(a, key_partition(store->seed, b->partition), &entry);
    }
    struct index_entry entry = {
        .position = frame->first_position,
        .batch = frame->address,
        .record = frame->record_count,
    };
    additions_put(a, store->frames_key, &entry);
}

int store_close_frame(struct store *store, struct edda_error *error)
{
    struct frame *frame = store->open;
    size_t part_count;
    if (store->closing || !frame || frame->record_count == 0)
        return 0;
    if (store->close_hook || store->transactions_changed) {
        store->closing = true;
        int noted = transactions_note(store, error);
        if (noted == 0 && store->close_hook)
            noted = store->close_hook(store->close_hook_user, error);
        store->closing = false;
        if (noted < 0)
            return noted;
    }
    seal_if_due(store);
    /* The reservation of the last append is as good as before, unless a flush has begun since. */
    int r = log_reserve(store->log, frame->body_bytes, error);
    if (r < 0)
        return r;
    if (!additions_reserve(&store->additions, frame->batch_count + 1) || !ring_push(store, NULL) ||
        frame_close(frame, &part_count) < 0)
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory closing a frame of %" PRIu32 " records",
                              frame->record_count);
    log_frame_append(store->log, frame->parts, part_count, frame->record_count, frame->time_ms, &frame->body);
    frame->address = frame->body - LOG_FRAME_HEADER_BYTES;
    ring_push(store, frame);
    store->open = NULL;
    /* The additions were made with the batch's index where now its address is known. */
    struct additions *a = &store->additions;
    for (uint32_t i = 0; i < a->count; i++) {
        struct index_entry *entry = &a->items[i].entry;
        entry->batch = entry->batch & ADDITION_REMOTE ? entry->batch & ~ADDITION_REMOTE : frame->body + frame->batches[entry->batch].at;
    }
    frame_additions_close(store, frame, a);
    store->unindexed = true;
    additions_flush(store);
    transactions_frame_closed(store, frame);
    producers_save(store);
    return 0;
}

static void flush_run(struct io_job *job)
{
    log_flush_run(container_of(job, struct flush_slot, job)->flush);
}

struct log_flush *flush_begin(struct store *store)
{
    store->flush_begun = log_end(store->log);
    return log_flush_begin(store->log);
}

int flush_end(struct store *store, struct log_flush *flush, struct edda_error *error)
{
    int r = log_flush_end(store->log, flush, error);
    if (r < 0) {
        store->broken = r;
        return r;
    }
    seal_if_due(store);
    frames_durable(store);
    return 0;
}

static void flush_done(struct io_job *job)
{
    struct flush_slot *slot = container_of(job, struct flush_slot, job);
    struct log_flush *flush = slot->flush;
    slot->flush = NULL;
    slot->store->flushes_under_way--;
    flush_end(slot->store, flush, NULL);
}

int broken_fail(const struct store *store, struct edda_error *error)
{
    return edda_fail_with(error, store->broken, "a flush has failed: the store must be closed and opened again");
}

int flushes_wait(struct store *store)
{
    while (store->flushes_under_way > 0) {
        if (io_jobs_wait(store->io, -1) == 0)
            return EDDA_ECLOSED;
        io_jobs_finish(store->io);
    }
    return 0;
}

int store_flush(struct store *store, struct edda_error *error)
{
    if (store->broken)
        return broken_fail(store, error);
    /* What is closed becomes durable, also when the open frame cannot be closed just now. */
    int closed = store_close_frame(store, error);
    int r = flushes_wait(store);
    if (r < 0)
        return edda_fail_with(error, r, "a flush was under way and will not end");
    while (!store->broken && !everything_closed_is_durable(store)) {
        struct log_flush *flush = flush_begin(store);
        ASSERT(flush);
        log_flush_run(flush);
        r = flush_end(store, flush, error);
        if (r < 0)
            return r;
    }
    return store->broken ? broken_fail(store, error) : closed;
}

int store_flush_start(struct store *store, struct edda_error *error)
{
    if (store->broken)
        return broken_fail(store, error);
    if (store_open_frame_bytes(store) == 0 && log_end(store->log) == store->flush_begun)
        return 0;
    unsigned most = index_seal_wanted(store->index) ? 1 : LOG_FLUSHES_MAX;
    if (store->flushes_under_way >= most)
        return edda_fail_with(error, EDDA_EBUSY, "%u flushes are under way", store->flushes_under_way);
    int r = store_close_frame(store, error);
    if (r < 0 && log_end(store->log) == store->flush_begun)
        return r;
    struct flush_slot *slot = store->flushes;
    while (slot->flush)
        slot++;
    slot->flush = flush_begin(store);
    ASSERT(slot->flush);
    slot->job.run = flush_run;
    slot->job.done = flush_done;
    store->flushes_under_way++;
    io_job_submit(store->io, IO_POOL_FLUSH, &slot->job);
    return 1;
}

void store_maintain(struct store *store)
{
    plain_release(store->plain);
    additions_flush(store);
    seal_if_due(store);
    producers_saved_write(store, false);
    frames_forget(store);
    scavenger_turn(store->scavenger);
}
