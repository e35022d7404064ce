/*
 * cursor: all records in the order of their positions. In memory a record is one look at its frame; from the log whole
 * frames are read, each once.
 *
 * A cursor over one category passes frames of the log that hold nothing of it by asking the index where the category's next
 * batch is, unless the category has so many partitions that asking costs more than looking.
 */
#include <stdlib.h>

#include "base/assert.h"
#include "store/internal.h"

#define SKIP_PARTITIONS_MAX 16

void store_cursor_init(struct store_cursor *cursor, uint64_t position, struct topic *only)
{
    *cursor = (struct store_cursor){ .position = position, .only = only };
}

void store_cursor_deinit(struct store_cursor *cursor)
{
    if (cursor->reader) {
        frame_reader_deinit(cursor->reader);
        free(cursor->reader);
        cursor->reader = NULL;
    }
}

/* Where the next batch of the category begins, at or behind the start of a frame. */
static int next_of_category(struct store *store, const struct topic *topic, uint64_t position, uint64_t *ret_position)
{
    uint64_t next = store->open ? store->open->first_position : store_tail(store);
    for (uint32_t i = 0; i < topic->partition_count; i++) {
        struct hash128 key = key_partition(store->seed, topic->partitions[i].number);
        struct index_entry entry;
        uint64_t ordinal;
        int r = lookup_find_position(store, key, position, &ordinal);
        if (r < 0)
            return r;
        int64_t n = lookup_read(store, key, ordinal, false, &entry, 1);
        if (n < 0)
            return (int)n;
        if (n == 1 && entry.position < next)
            next = entry.position;
    }
    *ret_position = next;
    return 0;
}

static bool frame_has(const struct store *store, const struct frame *frame, const struct topic *topic)
{
    for (uint32_t i = 0; i < frame->batch_count; i++) {
        uint32_t number = frame->batches[i].partition;
        if (number < store->place_count && store->places[number].entry == topic_entry_of(topic))
            return true;
    }
    return false;
}

/* Moves to the next record of the category in the frame, or to the frame's end. */
static void category_seek(const struct store *store, const struct frame *frame, struct store_cursor *cursor)
{
    const struct topic_entry *entry = topic_entry_of(cursor->only);
    for (; cursor->position < frame_end(frame); cursor->position++) {
        uint32_t number = frame_batch_of(frame, (uint32_t)(cursor->position - frame->first_position))->partition;
        if (number < store->place_count && store->places[number].entry == entry)
            return;
    }
}

int store_cursor_next(struct store *store, struct store_cursor *cursor, struct store_record *ret_record,
                      struct edda_error *error)
{
    while (cursor->position < store_tail(store)) {
        struct frame *frame = frame_in_memory(store, cursor->position);
        int r = 0;
        if (!frame) {
            if (!cursor->reader && !(cursor->reader = calloc(1, sizeof(*cursor->reader))))
                return edda_fail_with(error, EDDA_ENOMEM, "out of memory for a cursor");
            r = frame_at(store, cursor->position, cursor->reader, &frame, error);
        }
        if (r < 0)
            return r == EDDA_ENOTFOUND ? 0 : r;
        if (cursor->position < frame->first_position)
            cursor->position = frame->first_position;
        if (cursor->only && frame->address && !frame_has(store, frame, cursor->only)) {
            cursor->position = frame_end(frame);
            if (cursor->only->partition_count <= SKIP_PARTITIONS_MAX)
                r = next_of_category(store, cursor->only, cursor->position, &cursor->position);
            if (r < 0)
                return edda_fail_with(error, r, "the index cannot be read");
            continue;
        }
        if (cursor->only)
            category_seek(store, frame, cursor);
        if (cursor->position >= frame_end(frame))
            continue;
        r = frame_record_at(store, frame, cursor->position, ret_record, error);
        if (r < 0)
            return r;
        cursor->position++;
        return 1;
    }
    return 0;
}
