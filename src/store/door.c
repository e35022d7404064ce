/* door: opening, closing, and waiting for durability; see door.h. */
#include "store/door.h"

#include <stdlib.h>

#include "base/assert.h"
#include "io/posix.h"

int edda_store_open(const char *path, const struct edda_store_options *options, struct edda_store **ret_store,
                    struct edda_error *error)
{
    static const struct edda_store_options defaults;
    if (!path || !path[0])
        return edda_fail_field(error, EDDA_EINVAL, "path", "the path of a store is not empty");
    if (!options)
        options = &defaults;
    struct store_options store_options = {
        .log = { .segment_bytes = options->segment_bytes, .sync_off = options->lose_on_power_failure },
        .progress = options->progress,
        .progress_user = options->progress_user,
    };
    struct edda_store *door = calloc(1, sizeof(*door));
    if (door)
        door->io = io_posix_new(1);
    if (!door || !door->io) {
        free(door);
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory opening %s", path);
    }
    int r = store_open(door->io, path, &store_options, &door->store, NULL, error);
    if (r < 0) {
        io_posix_free(door->io);
        free(door);
        return r;
    }
    lock_init(&door->lock);
    condition_init(&door->changed);
    list_init(&door->waiting);
    list_init(&door->free_asyncs);
    list_init(&door->subscriptions);
    door->partitions = options->partitions;
    *ret_store = door;
    return 0;
}

void edda_store_close(struct edda_store *door)
{
    if (!door)
        return;
    subscriptions_end(door);
    lock_take(&door->lock);
    door->closing = true;
    condition_wake_all(&door->changed);
    lock_give(&door->lock);
    if (door->flusher_started)
        thread_join(&door->flusher);
    asyncs_deinit(door);
    store_close(door->store);
    io_posix_free(door->io);
    condition_deinit(&door->changed);
    lock_deinit(&door->lock);
    free(door);
}

/* Flushes what has been appended, without the lock while it writes. */
static int flush_lead(struct edda_store *door, struct edda_error *error)
{
    struct store *store = door->store;
    int r = store_close_frame(store, error);
    if (r < 0)
        return r;
    struct log_flush *flush = flush_begin(store);
    /* Frames are closed and nobody flushes, or there is nothing to wait for. */
    ASSERT(flush);
    door->flushing = true;
    lock_give(&door->lock);
    log_flush_run(flush);
    lock_take(&door->lock);
    door->flushing = false;
    r = flush_end(store, flush, error);
    io_jobs_finish(door->io);
    store_maintain(store);
    condition_wake_all(&door->changed);
    return r;
}

int door_settle(struct edda_store *door, uint64_t position, struct edda_error *error)
{
    int r = 0;
    while (r == 0 && store_durable_position(door->store) < position) {
        if (store_broken(door->store))
            return broken_fail(door->store, error);
        if (door->flushing)
            condition_wait(&door->changed, &door->lock);
        else
            r = flush_lead(door, error);
    }
    return r;
}

int door_settle_all(struct edda_store *door, struct edda_error *error)
{
    return door_settle(door, store_tail(door->store), error);
}

int door_leave(struct edda_store *door, int code, struct edda_error *error)
{
    int r = door_settle_all(door, code < 0 ? NULL : error);
    lock_give(&door->lock);
    /* A refusal that rests on what is lost is none; that the disk has failed is what matters then. */
    return r < 0 ? r : code;
}

uint64_t edda_store_tail(struct edda_store *door)
{
    lock_take(&door->lock);
    uint64_t tail = store_durable_position(door->store);
    lock_give(&door->lock);
    return tail;
}
