/*
 * What is gone: whether anything of a frame is left that a reader could still be given, or that is needed to make the index again. Only what is durable decides.
 */
#include "store/producers.h"
#include "store/scavenge_parts.h"

#define END_LOOKS_MAX 16384 /* records of a stream that are looked at to find where a transaction's ended */
#define OLDER_MAX 65536 /* records of a key that are looked at before its null goes, */
#define OLDER_LOADS_MAX 64 /* and of them those for which a frame is loaded */
#define OLDER_PIECE 64

/* Whether it is known without a frame that the record is gone: with its frame, or with all of its batch. */
static bool entry_is_gone(struct store *store, const struct index_entry *entry)
{
    struct batch batch;
    uint32_t number;
    if (entry->batch == 0 || log_removed(store->log, entry->batch))
        return true;
    return batch_at(store, entry->batch, &number, &batch, NULL) == 0 && batch.record_count == 0;
}

/* Whether all records of the key before the one with this ordinal are gone. */
static int older_are_gone(struct scavenger *s, struct hash128 stream, uint64_t ordinal)
{
    struct index_entry entries[OLDER_PIECE];
    struct store_record record;
    unsigned loads = 0;
    if (ordinal > OLDER_MAX)
        return 0;
    while (ordinal > 0) {
        int64_t n = lookup_read(s->store, stream, ordinal - 1, true, entries, OLDER_PIECE);
        if (n <= 0)
            return n < 0 ? (int)n : EDDA_ECORRUPT;
        for (int64_t i = 0; i < n; i++) {
            if (entry_is_gone(s->store, &entries[i]))
                continue;
            int r = loads++ < OLDER_LOADS_MAX ? record_at(s->store, &entries[i], &record, NULL) : 0;
            if (r != EDDA_ENOTFOUND)
                return r < 0 ? r : 0;
        }
        ordinal -= (uint64_t)n;
    }
    return 1;
}

/* Whether a row of the table of producers is of an open transaction: its batches, which lie among its rows, are told by these. */
static bool row_is_of_open(const struct store *store, const struct store_record *record)
{
    const struct transaction *t = record->topic == store->producers->topic && record->record.key.len ? transaction_find(store, record->record.key) : NULL;
    return t && t->state == TRANSACTION_ONGOING;
}

int scavenge_compacted(struct scavenger *s, const struct store_record *record, int64_t frame_ms)
{
    struct store *store = s->store;
    const struct topic *topic = record->topic;
    struct hash128 stream = key_stream(store->seed, topic_name(topic), record->record.key);
    struct index_entry last;
    uint64_t ordinal;
    if (topic == store->topics_topic || !(topic_setting_get(topic, TOPIC_CLEANUP_POLICY) & CLEANUP_COMPACT) || topic->decided ||
        frame_ms > s->now_ms - topic_setting_get(topic, TOPIC_MIN_COMPACTION_LAG_MS) || row_is_of_open(store, record))
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

int scavenge_cut_off(struct scavenger *s, const struct store_record *record)
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

bool scavenge_is_gone(const struct scavenger *s, uint32_t number, int64_t last_offset)
{
    const struct partition_place *place = &s->store->places[number];
    return last_offset < place->entry->topic.partitions[place->partition].settled_start;
}

bool scavenge_is_last(const struct scavenger *s, uint32_t number, int64_t last_offset)
{
    const struct partition_place *place = &s->store->places[number];
    return last_offset + 1 == place->entry->topic.partitions[place->partition].durable_offset;
}

/* The last batch of a producer in its partition, as long as it is known: its sequence numbers tell what comes next. */
static bool batch_is_of_producer(const struct scavenger *s, const struct frame_batch *b)
{
    const struct producer *p = b->batch.producer_id >= 0 ? producer_find(s->store, b->partition, b->batch.producer_id) : NULL;
    const struct partition_place *place = &s->store->places[b->partition];
    int64_t durable = place->entry->topic.partitions[place->partition].durable_offset;
    /* Those behind the durable ones may be lost. */
    for (int i = p ? p->batch_count : 0; i > 0; i--)
        if (p->batches[i - 1].base_offset < durable)
            return p->batches[i - 1].base_offset == b->batch.base_offset;
    return p && p->batch_count > 0;
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
    struct scavenge_end end;
    if (batch_is_thin(&b->batch) && b->batch.record_count == 0)
        return (r = scavenge_end_find(s, frame, b, &end)) < 0 ? r : r == SCAVENGE_COMMITTED;
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
    if (!scavenge_is_gone(s, b->partition, last))
        return 0;
    if (b->batch.attributes & BATCH_CONTROL)
        return 1;
    if (last >= partition_stable(&place->entry->topic.partitions[place->partition]))
        return 0; /* it may still be committed, although it was truncated */
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
        if (r < 0 || !scavenge_is_gone(s, number, batch.base_offset + batch.last_offset_delta))
            return r;
    }
    return 1;
}

int scavenge_frame_is_dead(struct scavenger *s, const struct frame *frame)
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
        if (scavenge_is_gone(s, b->partition, last))
            continue;
        if (s->front && b->partition == store->topics_topic->partitions[0].number) {
            all = false;
            continue;
        }
        const struct topic_entry *entry = store->places[b->partition].entry;
        bool may = topic_setting_get(&entry->topic, TOPIC_CLEANUP_POLICY) & CLEANUP_COMPACT || (s->deep && store->streams_topic);
        /* Settings and starts that are not durable may yet be lost, and what they take away would be missed. */
        if (!may || entry->recorded > s->settled || scavenge_is_last(s, b->partition, last) || batch_is_of_producer(s, b))
            return 0;
        all = false;
    }
    for (uint64_t position = frame_begin(frame); !all && position < frame_end(frame); position++) {
        struct store_record record;
        int r = frame_record_at(store, frame, position, &record, NULL);
        if (r == EDDA_ENOTFOUND)
            continue; /* before a start, which counts: else the frame stays, above */
        if (r == 0 && s->front && record.topic == store->topics_topic)
            continue; /* it is carried on */
        if (r == 0 && !record.record.key.data)
            return 0;
        if (r == 0)
            r = scavenge_compacted(s, &record, frame->time_ms);
        if (r == 0 && s->deep)
            r = scavenge_cut_off(s, &record);
        if (r != 1)
            return r;
    }
    return 1;
}
