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

/* The end of the frame that holds the category's last batch which begins before a position; 0 when there is none. */
static int previous_of_category(struct store *store, const struct topic *topic, uint64_t position, uint64_t *ret_position)
{
    uint64_t previous = UINT64_MAX;
    for (uint32_t i = 0; i < topic->partition_count; i++) {
        struct hash128 key = key_partition(store->seed, topic->partitions[i].number);
        struct index_entry entry;
        uint64_t ordinal;
        int r = lookup_find_position(store, key, position, &ordinal);
        if (r < 0)
            return r;
        int64_t n = ordinal ? lookup_read(store, key, ordinal - 1, false, &entry, 1) : 0;
        if (n < 0)
            return (int)n;
        if (n == 1 && (previous == UINT64_MAX || entry.position > previous))
            previous = entry.position;
    }
    *ret_position = 0;
    if (previous == UINT64_MAX)
        return 0;
    /* Its frame ends before `position`: the frame that holds that has nothing of the category. */
    struct index_entry frame;
    uint64_t ordinal;
    int r = lookup_find_position(store, store->frames_key, previous + 1, &ordinal);
    if (r < 0)
        return r;
    int64_t n = ordinal ? lookup_read(store, store->frames_key, ordinal - 1, false, &frame, 1) : 0;
    if (n == 1)
        *ret_position = frame.position + frame.record;
    return n == 1 ? 0 : n < 0 ? (int)n : EDDA_ECORRUPT;
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
        uint32_t number = frame_partition_of(frame, (uint32_t)(cursor->position - frame->first_position));
        if (number < store->place_count && store->places[number].entry == entry)
            return;
    }
}

/* Moves back to behind the last record of the category before the cursor, or to the frame's start. */
static void category_seek_back(const struct store *store, const struct frame *frame, struct store_cursor *cursor)
{
    const struct topic_entry *entry = topic_entry_of(cursor->only);
    for (; cursor->position > frame_begin(frame); cursor->position--) {
        uint32_t number = frame_partition_of(frame, (uint32_t)(cursor->position - 1 - frame->first_position));
        if (number < store->place_count && store->places[number].entry == entry)
            return;
    }
}

/* The frame in which the cursor stands, in memory or from the log. */
static int cursor_frame(struct store *store, struct store_cursor *cursor, uint64_t position, struct frame **ret_frame,
                        struct edda_error *error)
{
    *ret_frame = frame_in_memory(store, position);
    if (*ret_frame)
        return 0;
    if (!cursor->reader && !(cursor->reader = calloc(1, sizeof(*cursor->reader))))
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory for a cursor");
    return frame_at(store, position, cursor->reader, ret_frame, error);
}

int store_cursor_previous(struct store *store, struct store_cursor *cursor, struct store_record *ret_record,
                          struct edda_error *error)
{
    if (cursor->position > store_tail(store))
        cursor->position = store_tail(store);
    uint64_t floor = cursor->only ? topic_floor(topic_entry_of(cursor->only), NULL) : 0;
    while (cursor->position > floor) {
        struct frame *frame;
        int r = cursor_frame(store, cursor, cursor->position - 1, &frame, error);
        if (r < 0 && r != EDDA_ENOTFOUND)
            return r;
        if (r < 0 || cursor->position <= frame_begin(frame)) {
            cursor->position--; /* a hole */
            continue;
        }
        if (cursor->only && frame->address && !frame_has(store, frame, cursor->only)) {
            cursor->position = frame->first_position;
            if (cursor->only->partition_count <= SKIP_PARTITIONS_MAX)
                r = previous_of_category(store, cursor->only, cursor->position, &cursor->position);
            if (r < 0)
                return edda_fail_with(error, r, "the index cannot be read");
            continue;
        }
        if (cursor->only)
            category_seek_back(store, frame, cursor);
        if (cursor->position == frame_begin(frame))
            continue;
        r = frame_record_at(store, frame, cursor->position - 1, ret_record, error);
        if (r < 0 && r != EDDA_ENOTFOUND)
            return r;
        cursor->position--;
        if (r == 0)
            return 1;
    }
    return 0;
}

int store_cursor_next(struct store *store, struct store_cursor *cursor, struct store_record *ret_record,
                      struct edda_error *error)
{
    if (cursor->only && cursor->position < topic_floor(topic_entry_of(cursor->only), NULL))
        cursor->position = topic_floor(topic_entry_of(cursor->only), NULL);
    while (cursor->position < store_tail(store)) {
        struct frame *frame;
        int r = cursor_frame(store, cursor, cursor->position, &frame, error);
        if (r < 0)
            return r == EDDA_ENOTFOUND ? 0 : r;
        if (cursor->position < frame_begin(frame))
            cursor->position = frame_begin(frame);
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
        if (r < 0 && r != EDDA_ENOTFOUND)
            return r;
        cursor->position++;
        if (r == 0)
            return 1;
    }
    return 0;
}
