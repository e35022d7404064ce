/*
 * Which records go of a frame that stays: those that are gone, of batches from which some may be taken.
 *
 * What is taken from a batch is counted at the position of the first record that was taken from it (store/frame.h). So a record is not taken when one of its stream that stays lies between.
 *
 * A batch of a transaction that was aborted loses all; of one that was committed, the frame with the end tells the positions. One that is open is never touched.
 */
#include "base/array.h"
#include "store/producers.h"
#include "store/scavenge_parts.h"

#define END_LOOKS_MAX 16384 /* batches that are passed to find the end of a transaction */

enum batch_fate {
    BATCH_STAYS,
    BATCH_LOOK, /* its records are looked at one by one */
    BATCH_GOES  /* all of it is gone */
};

static enum batch_fate batch_fate(const struct scavenger *s, const struct frame_batch *b)
{
    const struct store *store = s->store;
    if (b->partition >= store->place_count || !store->places[b->partition].entry || b->batch.attributes & BATCH_CONTROL || b->batch.record_count == 0)
        return BATCH_STAYS;
    const struct topic_entry *entry = store->places[b->partition].entry;
    const struct partition *partition = &entry->topic.partitions[store->places[b->partition].partition];
    int64_t last = b->batch.base_offset + b->batch.last_offset_delta;
    /* Rows of topics must be there before the records of theirs, and those of producers tell of what became of the batches beside them. */
    if (entry->recorded > s->settled || &entry->topic == store->topics_topic || &entry->topic == store->producers->topic)
        return BATCH_STAYS;
    if (batch_is_placeless(&b->batch) && last >= partition_stable(partition))
        return BATCH_STAYS;
    if (scavenge_is_gone(s, b->partition, last))
        return BATCH_GOES;
    /* Records of streams that were truncated in other topics go with their frames alone: to look at each there is would take too long. */
    return topic_setting_get(&entry->topic, TOPIC_CLEANUP_POLICY) & CLEANUP_COMPACT && !entry->topic.decided ? BATCH_LOOK : BATCH_STAYS;
}

/* Whether a record goes, of a batch of which some may: 1 or 0. */
static int record_goes(struct scavenger *s, const struct frame_batch *b, enum batch_fate fate, const struct record *record, uint64_t position, int64_t frame_ms)
{
    const struct partition_place *place = &s->store->places[b->partition];
    const struct store_record full = { .position = position, .topic = &place->entry->topic, .partition = place->partition, .record = *record };
    /* The last record of a partition stays, so that a reader who has come so far is told where it ends. */
    if (scavenge_is_last(s, b->partition, record->offset))
        return 0;
    if (fate == BATCH_GOES || scavenge_is_gone(s, b->partition, record->offset))
        return 1;
    /* Before a start that does not count yet, nothing is known of it. */
    if (!record->key.data || offset_gone(s->store, b->partition, record->offset))
        return 0;
    int r = scavenge_compacted(s, &full, frame_ms);
    return r == 0 && s->deep ? scavenge_cut_off(s, &full) : r;
}

static struct hash128 stream_of(const struct scavenger *s, uint32_t partition, const struct record *record)
{
    return key_stream(s->store->seed, topic_name(&s->store->places[partition].entry->topic), record->key);
}

static void take(struct scavenger *s, const struct frame_batch *b, struct taken_batch *batch, const struct record *record, uint64_t *bytes)
{
    s->taken[batch->first + (size_t)(record->offset - b->batch.base_offset)] = 1;
    batch->any = true;
    *bytes += b->batch.records.len / (uint32_t)b->batch.record_count + 1;
}

/* --- batches of transactions ------------------------------------------------------------------------------ */

/* Where the frame that committed a transaction put a batch. */
static int end_position(struct scavenger *s, uint64_t position, log_address address, struct scavenge_end *ret_end)
{
    struct frame *frame;
    int r = frame_at(s->store, position, &s->end_reader, &frame, NULL);
    if (r < 0)
        return r == EDDA_ENOTFOUND ? SCAVENGE_ENDLESS : r;
    for (uint32_t i = 0; i < frame->remote_count; i++)
        if (frame->remotes[i].address == address) {
            *ret_end = (struct scavenge_end){ frame->first_position + frame->remotes[i].first, frame->time_ms };
            return SCAVENGE_COMMITTED;
        }
    return SCAVENGE_ENDLESS;
}

int scavenge_end_find(struct scavenger *s, const struct frame *frame, const struct frame_batch *b, struct scavenge_end *ret_end)
{
    struct hash128 key = key_partition(s->store->seed, b->partition);
    struct index_entry entries[SLICE_BATCHES];
    uint64_t ordinal;
    int r = lookup_find_position(s->store, key, frame->first_position, &ordinal);
    for (unsigned looked_at = 0; r == 0 && looked_at < END_LOOKS_MAX; looked_at += SLICE_BATCHES, ordinal += SLICE_BATCHES) {
        int64_t n = lookup_read(s->store, key, ordinal, false, entries, SLICE_BATCHES);
        for (int64_t i = 0; i < n; i++) {
            struct batch batch;
            uint32_t number;
            if (entries[i].batch <= frame->body + b->at)
                continue;
            r = batch_closed_at(s->store, entries[i].batch, &number, &batch, NULL);
            if (r < 0 && r != EDDA_ENOTFOUND)
                return r;
            if (r == 0 && batch.attributes & BATCH_CONTROL && batch.producer_id == b->batch.producer_id) {
                struct cursor c = cursor_of(batch.records);
                struct record record;
                if (!batch_next(&batch, &c, &record) || record.key.len != 4)
                    return EDDA_ECORRUPT;
                return record.key.data[3] == 0 ? SCAVENGE_ABORTED : end_position(s, entries[i].position, frame->body + b->at, ret_end);
            }
        }
        r = n < 0 ? (int)n : 0;
        if (n < SLICE_BATCHES)
            break;
    }
    return r < 0 ? r : SCAVENGE_ENDLESS;
}

/* Which records go of a batch that has no positions in its own frame. */
static int placeless_take(struct scavenger *s, uint32_t index, enum batch_fate fate, uint64_t *bytes)
{
    const struct frame_batch *b = &s->frame->batches[index];
    const struct topic *topic = &s->store->places[b->partition].entry->topic;
    struct scavenge_end end = { .position = 0 };
    struct record record;
    struct slice plain;
    int kind = scavenge_end_find(s, s->frame, b, &end);
    if (kind <= SCAVENGE_ENDLESS)
        return kind;
    if (kind == SCAVENGE_COMMITTED && end.position >= scavenge_memory_begin(s->store))
        return 0;
    if (kind == SCAVENGE_ABORTED && fate == BATCH_LOOK && s->frame->time_ms > s->now_ms - topic_setting_get(topic, TOPIC_MIN_COMPACTION_LAG_MS))
        return 0;
    int r = plain_records(s->store->plain, b->plain_key, &b->batch, &plain, &s->done.error);
    if (r < 0)
        return r;
    s->batches[index].aborted = kind == SCAVENGE_ABORTED;
    tally_clear(&s->kept_own);
    for (struct cursor c = cursor_of(plain); batch_next(&b->batch, &c, &record);) {
        bool counts = kind == SCAVENGE_COMMITTED && record.key.data;
        r = kind == SCAVENGE_ABORTED ? !scavenge_is_last(s, b->partition, record.offset) :
            record_goes(s, b, fate, &record, end.position + (uint64_t)(record.offset - b->batch.base_offset), end.time_ms);
        if (r < 0)
            return r;
        if (r == 1 && !(counts && tally_has(&s->kept_own, stream_of(s, b->partition, &record))))
            take(s, b, &s->batches[index], &record, bytes);
        else if (counts && !tally_add(&s->kept_own, stream_of(s, b->partition, &record), 1))
            return EDDA_ENOMEM;
    }
    return 0;
}

/* --- frames ----------------------------------------------------------------------------------------------- */

static bool taken_reserve(struct scavenger *s)
{
    const struct frame *frame = s->frame;
    size_t count = 0;
    if (!array_reserve(&s->batches, &s->batch_capacity, frame->batch_count, sizeof(*s->batches)))
        return false;
    for (uint32_t i = 0; i < frame->batch_count; i++) {
        s->batches[i] = (struct taken_batch){ .first = count, .fate = (int)batch_fate(s, &frame->batches[i]) };
        count += batch_offset_count(&frame->batches[i].batch);
    }
    if (!array_reserve(&s->taken, &s->taken_capacity, count, sizeof(*s->taken)))
        return false;
    memset(s->taken, 0, count);
    for (uint32_t i = frame->holes; i < frame->record_count; i++)
        if (!frame->refs[i].remote)
            s->batches[frame->refs[i].batch].last = i;
    return true;
}

/* Whether the records of a batch have positions that follow one another, as those of producers do. */
static bool is_one_run(const struct scavenger *s, uint32_t index)
{
    const struct frame_batch *b = &s->frame->batches[index];
    return s->batches[index].last == (uint64_t)b->first + batch_offset_count(&b->batch) - 1;
}

/* Takes or keeps the record with a position in the frame. */
static int position_look(struct scavenger *s, uint32_t ordinal, uint64_t *bytes)
{
    const struct frame *frame = s->frame;
    const struct frame_ref *ref = &frame->refs[ordinal];
    const struct frame_batch *b = ref->remote ? NULL : &frame->batches[ref->batch];
    bool own = b && is_one_run(s, ref->batch);
    struct tally *between = own ? &s->kept_own : &s->kept;
    struct hash128 stream = { 0 };
    struct record record;
    if (b && ordinal == b->first)
        tally_clear(&s->kept_own);
    if (ref->record == FRAME_REF_TAKEN)
        return 0;
    int r = frame_record(frame, ordinal, &s->store->source, &record, &s->done.error);
    if (r < 0)
        return r;
    enum batch_fate fate = b ? (enum batch_fate)s->batches[ref->batch].fate : BATCH_STAYS;
    if (fate != BATCH_STAYS)
        r = record_goes(s, b, fate, &record, frame->first_position + ordinal, frame->time_ms);
    if (r < 0)
        return r;
    if (record.key.data)
        stream = stream_of(s, frame_partition_of(frame, ordinal), &record);
    if (r == 1 && !(record.key.data && tally_has(between, stream)))
        take(s, b, &s->batches[ref->batch], &record, bytes);
    else if (record.key.data && (!tally_add(&s->kept, stream, 1) || (own && !tally_add(&s->kept_own, stream, 1))))
        return EDDA_ENOMEM;
    return 0;
}

int scavenge_frame_taken(struct scavenger *s, uint64_t *ret_bytes)
{
    const struct frame *frame = s->frame;
    bool any = false;
    int r = 0;
    *ret_bytes = 0;
    if (!taken_reserve(s))
        return EDDA_ENOMEM;
    for (uint32_t i = 0; r == 0 && i < frame->batch_count; i++) {
        enum batch_fate fate = (enum batch_fate)s->batches[i].fate;
        if (fate != BATCH_STAYS && batch_is_placeless(&frame->batches[i].batch))
            r = placeless_take(s, i, fate, ret_bytes);
        else
            any |= fate != BATCH_STAYS;
    }
    tally_clear(&s->kept);
    for (uint32_t i = frame->holes; r == 0 && any && i < frame->record_count; i++)
        r = position_look(s, i, ret_bytes);
    return r;
}
