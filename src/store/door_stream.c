/* door_stream: the calls that are one call of the store: streams, groups, snapshots, figures. */
#include <stdlib.h>

#include "store/door.h"

static int entered(struct edda_store *door, struct edda_error *error)
{
    lock_take(&door->lock);
    return door->closing ? edda_fail_with(error, EDDA_ECLOSED, "the store is being closed") : 0;
}

/* What a look-up has failed with. */
static int look_up_fail(struct edda_store *door, int code, struct edda_error *error)
{
    return edda_fail_with(error, code, "%s", store_read_error(door->store)->message);
}

int edda_category_ensure(struct edda_store *door, struct edda_text name, uint32_t partitions, struct edda_error *error)
{
    struct topic *topic;
    int r = entered(door, error);
    if (r == 0)
        r = store_topic_ensure(door->store, slice_of_text(name), partitions, &topic, error);
    return door_leave(door, r, error);
}

int edda_stream_info(struct edda_store *door, struct edda_text category, struct edda_text key,
                     struct edda_stream_info *ret_info, struct edda_error *error)
{
    struct stream_info info = { 0 };
    int r = entered(door, error);
    if (r == 0) {
        r = store_stream_info(door->store, slice_of_text(category), slice_of_text(key), &info);
        if (r < 0)
            look_up_fail(door, r, error);
    }
    r = door_leave(door, r, error);
    if (r == 0)
        *ret_info = (struct edda_stream_info){ info.next_version, info.first_version, info.deleted };
    return r;
}

int edda_stream_truncate(struct edda_store *door, struct edda_text category, struct edda_text key, int64_t before_version,
                         struct edda_error *error)
{
    int r = entered(door, error);
    if (r == 0)
        r = store_stream_truncate(door->store, slice_of_text(category), slice_of_text(key), before_version, error);
    return door_leave(door, r, error);
}

int edda_stream_delete(struct edda_store *door, struct edda_text category, struct edda_text key, int64_t expected,
                       struct edda_error *error)
{
    int r = entered(door, error);
    if (r == 0)
        r = store_stream_delete(door->store, slice_of_text(category), slice_of_text(key), expected, error);
    return door_leave(door, r, error);
}

int edda_offset_commit(struct edda_store *door, struct edda_text group, struct edda_text category, uint32_t partition,
                       int64_t offset, struct edda_error *error)
{
    int r = entered(door, error);
    if (r == 0)
        r = store_offset_commit(door->store, slice_of_text(group), slice_of_text(category), partition, offset, SLICE(""), error);
    return door_leave(door, r, error);
}

int64_t edda_offset_fetch(struct edda_store *door, struct edda_text group, struct edda_text category, uint32_t partition)
{
    lock_take(&door->lock);
    int64_t offset = store_offset_fetch(door->store, slice_of_text(group), slice_of_text(category), partition);
    return door_leave(door, 0, NULL) < 0 ? -1 : offset;
}

int edda_snapshot_put(struct edda_store *door, struct edda_text name, int64_t version, struct edda_text state,
                      struct edda_error *error)
{
    int r = entered(door, error);
    if (r == 0)
        r = store_snapshot_put(door->store, slice_of_text(name), version, slice_of_text(state), error);
    return door_leave(door, r, error);
}

int edda_snapshot_get(struct edda_store *door, struct edda_text name, edda_snapshot_fn *visit, void *user,
                      struct edda_error *error)
{
    int64_t version;
    struct slice state;
    struct buffer copy = BUFFER_EMPTY;
    int r = entered(door, error);
    if (r == 0) {
        r = store_snapshot_get(door->store, slice_of_text(name), &version, &state);
        if (r < 0)
            look_up_fail(door, r, error);
        else
            buffer_append_slice(&copy, state);
    }
    if (r == 0 && !buffer_ok(&copy))
        r = edda_fail_with(error, EDDA_ENOMEM, "out of memory for a snapshot");
    r = door_leave(door, r, error);
    if (r == 0)
        visit(user, version, text_of_slice(buffer_slice(&copy)));
    buffer_deinit(&copy);
    return r;
}

void edda_store_stats(struct edda_store *door, struct edda_store_stats *ret_stats)
{
    struct store_stats stats;
    lock_take(&door->lock);
    store_stats(door->store, &stats);
    *ret_stats = (struct edda_store_stats){
        .tail = store_durable_position(door->store),
        .log_bytes = stats.log_bytes,
        .index_bytes = stats.index.run_bytes,
        .index_memory_bytes = stats.index.tail_bytes,
        .subscriptions = door->subscription_count,
    };
    for (struct topic *t = store_topic_each(door->store, NULL); t; t = store_topic_each(door->store, t))
        ret_stats->categories += !t->internal;
    lock_give(&door->lock);
}

int64_t edda_store_verify(struct edda_store *door, edda_damage_fn *damage, void *user, struct edda_error *error)
{
    int64_t found = entered(door, error);
    if (found == 0)
        found = door_settle_all(door, error);
    /* Another thread's flush, which leads all that has come since, must end first. */
    while (door->flushing)
        condition_wait(&door->changed, &door->lock);
    if (found == 0)
        found = store_verify(door->store, damage, user, error);
    lock_give(&door->lock);
    return found;
}
