/*
 * A frame that stays, without the records that are gone: batches become shorter in their places (store/frame.h, thin batches), so that no address, position or offset changes.
 *
 * What is left of a batch, compressed as it was, and the counts of what was taken must fit its room. Uncompressed they always do, as a record takes more than its key. Compressed, what a few small records take
 * may be less than what tells of them: then they stay until more of the batch is gone.
 */
#include "base/array.h"
#include "base/put.h"
#include "store/scavenge.h"
#include "store/scavenge_parts.h"
#include "store/taken.h"
#include "wire/kafka/compression.h"

/* A batch that is made shorter. */
struct thinning {
    const struct frame_batch *from;
    const struct taken_batch *taken_of;
    int32_t kept, taken;
    int64_t max_timestamp_ms;  /* of what stays */
};

static bool taken_add(struct scavenger *s, struct hash128 stream, struct slice key, uint32_t count)
{
    uint32_t known = s->left_tally.count;
    if (!array_reserve(&s->left_keys, &s->left_capacity, (uint64_t)known + 1, sizeof(*s->left_keys)) || !tally_add(&s->left_tally, stream, count))
        return false;
    if (s->left_tally.count > known)
        s->left_keys[known] = key;
    return true;
}

/* What was taken from the batch before. */
static int taken_before(struct scavenger *s, const struct frame_batch *b, struct slice topic)
{
    struct cursor c = cursor_of(b->left);
    for (uint32_t streams = taken_begin(&c); streams > 0; streams--) {
        struct taken taken = taken_next(&c);
        if (!taken_add(s, taken_stream(&taken, s->store->seed, topic), taken.key, taken.count))
            return EDDA_ENOMEM;
    }
    return 0;
}

/* Collects the records that stay in s->records, and the others in s->left_tally. */
static int records_split(struct scavenger *s, struct thinning *t)
{
    const struct frame_batch *b = t->from;
    const uint8_t *goes = s->taken + t->taken_of->first;
    struct slice name = topic_name(&s->store->places[b->partition].entry->topic), plain;
    int r = plain_records(s->store->plain, b->plain_key, &b->batch, &plain, &s->done.error);
    buffer_clear(&s->records);
    tally_clear(&s->left_tally);
    t->max_timestamp_ms = -1;
    if (r == 0)
        r = taken_before(s, b, name);
    if (r < 0)
        return r;
    struct cursor c = cursor_of(plain);
    struct record record;
    for (const uint8_t *at = c.at; batch_next(&b->batch, &c, &record); at = c.at) {
        if (goes[record.offset - b->batch.base_offset]) {
            t->taken++;
            if (record.key.data && !t->taken_of->aborted && !taken_add(s, key_stream(s->store->seed, name, record.key), record.key, 1))
                return EDDA_ENOMEM;
            continue;
        }
        t->kept++;
        if (record.timestamp_ms > t->max_timestamp_ms)
            t->max_timestamp_ms = record.timestamp_ms;
        buffer_append(&s->records, at, (size_t)(c.at - at));
    }
    return !cursor_ok(&c) ? EDDA_ECORRUPT : buffer_ok(&s->records) ? 0 : EDDA_ENOMEM;
}

/* What is left of what was taken, with keys in the place of longer hashes if need be. */
static void left_put(struct scavenger *s, bool keys)
{
    const struct tally *tally = &s->left_tally;
    taken_put_count(&s->batch, tally->count);
    for (uint32_t i = 0; i < tally->count; i++) {
        struct slice key = keys && s->left_keys[i].len < sizeof(struct hash128) ? s->left_keys[i] : slice_of(NULL, 0);
        taken_put(&s->batch, &(struct taken){ tally->entries[i].count, tally->entries[i].stream, key });
    }
    buffer_append_zeros(&s->batch, (0 - s->batch.len) & (FRAME_ALIGNMENT - 1));
}

/* The batch anew in s->batch, with its tag and what is left; longer than the room when there is no way. */
static int batch_make(struct scavenger *s, const struct thinning *t)
{
    const struct batch *batch = &t->from->batch;
    enum compression compression = (enum compression)(batch->attributes & BATCH_COMPRESSION);
    struct slice records = buffer_slice(&s->records);
    uint8_t tag[FRAME_TAG_BYTES];
    int r = 0;
    if (compression != COMPRESSION_NONE && t->kept > 0) {
        buffer_clear(&s->packed);
        r = compression_compress(compression, records, &s->packed, &s->done.error);
        records = buffer_slice(&s->packed);
    }
    /* The time of the log is that of all records. */
    int64_t max_ms = t->kept == 0 || batch->attributes & BATCH_LOG_APPEND_TIME ? batch->max_timestamp_ms : t->max_timestamp_ms;
    buffer_clear(&s->batch);
    buffer_append_zeros(&s->batch, FRAME_TAG_BYTES);
    batch_thin_put(&s->batch, batch, records, t->kept, max_ms);
    if (r < 0 || !buffer_ok(&s->batch))
        return r < 0 ? r : EDDA_ENOMEM;
    put_le32(put_le32(tag, t->from->partition), frame_tag_check(t->from->partition, s->batch.data + FRAME_TAG_BYTES));
    memcpy(s->batch.data, tag, sizeof(tag));
    size_t len = s->batch.len;
    left_put(s, false);
    if (s->batch.len > t->from->room) {
        buffer_truncate(&s->batch, len);
        left_put(s, true);
    }
    return buffer_ok(&s->batch) ? 0 : EDDA_ENOMEM;
}

/* Puts a batch without the records that go into the body, and *ret_used, what it then needs of its room: 1, or 0 when it would need more. */
static int batch_thin(struct scavenger *s, struct thinning *t, size_t *ret_used)
{
    const struct frame_batch *b = t->from;
    int r = records_split(s, t);
    if (r == 0 && t->taken > 0)
        r = batch_make(s, t);
    if (r < 0 || t->taken == 0)
        return r;
    if (s->batch.len > b->room)
        return 0;
    uint8_t *room = s->body.data + b->at - FRAME_TAG_BYTES;
    memset(room, 0, b->room);
    memcpy(room, s->batch.data, s->batch.len);
    *ret_used = s->batch.len;
    return 1;
}

int scavenge_frame_thin(struct scavenger *s, const struct log_frame *from, uint64_t *ret_spare)
{
    const struct frame *frame = s->frame;
    bool any = false;
    uint64_t spare = 0;
    buffer_clear(&s->body);
    buffer_append_slice(&s->body, from->body);
    if (!buffer_ok(&s->body))
        return EDDA_ENOMEM;
    for (uint32_t i = 0; i < frame->batch_count; i++) {
        const struct frame_batch *b = &frame->batches[i];
        struct thinning t = { .from = b, .taken_of = &s->batches[i] };
        size_t used = batch_is_thin(&b->batch) ? frame_thin_bytes(b->batch.bytes.len, b->left.len) : b->room;
        int r = s->batches[i].any ? batch_thin(s, &t, &used) : 0;
        if (r < 0)
            return r;
        /* In a topic whose keys may lie in several partitions, what was taken elsewhere in the frame may count before what stays here only if this goes too. */
        if (r == 0 && t.taken > 0 && topic_entry_of(&s->store->places[b->partition].entry->topic)->mixed)
            return 0;
        any |= r == 1;
        spare += b->room - used;
    }
    *ret_spare = spare;
    return any;
}
