/*
 * lookup: the index and the additions of the open frame as one list per key, and records by their entries.
 *
 * A record is in memory or in the durable log (invariant 1), so its position is looked for in memory first. In the log its
 * batch is mapped and found by its address. Nothing has checked such a batch since it was written, as a frame's checksum is
 * checked by those who read whole frames; so its tag and its checksum are checked when it is first touched, and a bit
 * remembers that. A batch with its tag is longer than the 64 bytes that a bit stands for, so each has a bit of its own.
 *
 * The bits are kept until the store is closed, as the log is. They come in pages of 128 KiB, each for 64 MiB of log, the
 * first time that a batch there is read; so they take at most 1/512 of the log: 2 MiB for each GiB of it. The system
 * gives such a page its memory as it is written, 4 KiB for each 2 MiB of log with a batch that was read.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/assert.h"
#include "store/internal.h"

#define VERIFIED_PAGE_BITS 26
#define VERIFIED_GRANULE_BITS 6
#define VERIFIED_PAGE_WORDS ((1u << (VERIFIED_PAGE_BITS - VERIFIED_GRANULE_BITS)) / 64)

#define LINE_BYTES 64
#define RECORD_LINES 3 /* what is asked for ahead of a record; few are longer */

_Static_assert(FRAME_TAG_BYTES + BATCH_HEADER_BYTES > 1 << VERIFIED_GRANULE_BITS, "two batches would share a bit");

/* --- frames ------------------------------------------------------------------------------------------- */

/* The ring holds all positions from its first frame's to the open frame's without a hole. */
struct frame *frame_in_memory(struct store *store, uint64_t position)
{
    if (store->open && position >= store->open->first_position)
        return position < frame_end(store->open) ? store->open : NULL;
    uint32_t low = 0, high = store->ring_count;
    if (high == 0 || position < store->ring[store->ring_first & (store->ring_capacity - 1)]->first_position)
        return NULL;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        struct frame *frame = store->ring[(store->ring_first + middle) & (store->ring_capacity - 1)];
        if (position < frame->first_position)
            high = middle;
        else if (position >= frame_end(frame))
            low = middle + 1;
        else
            return frame;
    }
    return NULL;
}

/* The address of the frame that holds the position, or of the first behind it. */
static int frame_address(struct store *store, uint64_t position, log_address *ret_address)
{
    uint64_t ordinal;
    struct index_entry entries[2];
    int r = index_find_position(store->index, store->frames_key, position, &ordinal);
    if (r < 0)
        return r;
    uint64_t first = ordinal > 0 ? ordinal - 1 : 0;
    int64_t n = index_read(store->index, store->frames_key, first, false, entries, 2);
    if (n <= 0)
        return n < 0 ? (int)n : EDDA_ENOTFOUND;
    bool in_first = position < entries[0].position + entries[0].record;
    if (!in_first && n == 1)
        return EDDA_ENOTFOUND;
    *ret_address = entries[in_first ? 0 : 1].batch;
    return 0;
}

static int reader_load(struct store *store, struct frame_reader *reader, log_address address, struct edda_error *error)
{
    struct log_frame from;
    int r = log_read(store->log, address, &reader->scratch, &from, error);
    if (r == 0 && from.position_count == 0)
        return EDDA_ENOTFOUND;
    return r < 0 ? r : frame_load(reader->frame, &from, &store->source, error);
}

int frame_at(struct store *store, uint64_t position, struct frame_reader *reader, struct frame **ret_frame,
             struct edda_error *error)
{
    struct frame *frame = frame_in_memory(store, position);
    if (frame) {
        *ret_frame = frame;
        return 0;
    }
    if (position >= store_tail(store))
        return EDDA_ENOTFOUND;
    if (!reader->frame && !(reader->frame = frame_new()))
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory for a frame");
    frame = reader->frame;
    int r = EDDA_ENOTFOUND;
    if (reader->rewrites != log_rewrites(store->log))
        frame_reset(frame); /* what it borrows may be gone */
    reader->rewrites = log_rewrites(store->log);
    if (frame->record_count > 0 && position >= frame->first_position && position < frame_end(frame)) {
        *ret_frame = frame;
        return 0;
    }
    if (frame->record_count > 0 && position == frame_end(frame))
        r = reader_load(store, reader, frame->next, NULL);
    if (r < 0 || position >= frame_end(frame)) {
        log_address address = 0;
        r = frame_address(store, position, &address);
        if (r == 0)
            r = reader_load(store, reader, address, error);
        else if (r != EDDA_ENOTFOUND)
            edda_fail_with(error, r, "the index cannot be read");
    }
    if (r == 0)
        *ret_frame = frame;
    return r;
}

void frame_reader_deinit(struct frame_reader *reader)
{
    frame_free(reader->frame);
    reader->frame = NULL;
    buffer_deinit(&reader->scratch);
}

static int place_of(struct store *store, uint32_t number, struct store_record *record, struct edda_error *error)
{
    if (number >= store->place_count || !store->places[number].entry)
        return edda_fail_with(error, EDDA_ECORRUPT, "the record at position %" PRIu64 " is of the unknown partition %" PRIu32,
                              record->position, number);
    record->topic = &store->places[number].entry->topic;
    record->partition = store->places[number].partition;
    return 0;
}

static int removed_fail(const struct store_record *record, struct edda_error *error)
{
    return edda_fail_with(error, EDDA_ENOTFOUND, "the record at position %" PRIu64 " was removed", record->position);
}

int frame_record_at(struct store *store, const struct frame *frame, uint64_t position, struct store_record *ret_record,
                    struct edda_error *error)
{
    uint32_t ordinal = (uint32_t)(position - frame->first_position);
    struct store_record record = { .position = position };
    if (ordinal < frame->holes)
        return edda_fail_with(error, EDDA_ENOTFOUND, "there is no record at position %" PRIu64, position);
    uint32_t number = frame_partition_of(frame, ordinal);
    int r = frame_record(frame, ordinal, &store->source, &record.record, error);
    if (r == 0)
        r = place_of(store, number, &record, error);
    if (r == 0 && offset_gone(store, number, record.record.offset))
        return removed_fail(&record, error);
    if (r == 0)
        *ret_record = record;
    return r;
}

/* --- entries ------------------------------------------------------------------------------------------ */

int lookup_count(struct store *store, struct hash128 key, uint64_t *ret_count)
{
    int r = index_count(store->index, key, ret_count);
    if (r == 0)
        *ret_count += additions_find(&store->additions, key, NULL);
    return r;
}

static int64_t read_forward(struct store *store, struct hash128 key, uint64_t indexed, uint32_t added, uint64_t from,
                            struct index_entry *ret_entries, size_t max)
{
    int64_t n = 0;
    if (from < indexed)
        n = index_read(store->index, key, from, false, ret_entries, max);
    if (n < 0 || (from < indexed && (uint64_t)n < indexed - from) || (size_t)n == max)
        return n;
    uint64_t first = from > indexed ? from - indexed : 0;
    uint64_t count = max - (size_t)n;
    if (first >= added)
        return n;
    if (count > added - first)
        count = added - first;
    additions_read(&store->additions, key, (uint32_t)first, (uint32_t)count, ret_entries + n);
    return n + (int64_t)count;
}

static int64_t read_backward(struct store *store, struct hash128 key, uint64_t indexed, uint32_t added, uint64_t from,
                             struct index_entry *ret_entries, size_t max)
{
    uint64_t count = 0;
    if (from >= indexed) {
        uint64_t last = from - indexed;
        if (last >= added)
            last = added - 1;
        count = last + 1 < max ? last + 1 : max;
        additions_read(&store->additions, key, (uint32_t)(last + 1 - count), (uint32_t)count, ret_entries);
        for (uint64_t i = 0; i < count / 2; i++) {
            struct index_entry swap = ret_entries[i];
            ret_entries[i] = ret_entries[count - 1 - i];
            ret_entries[count - 1 - i] = swap;
        }
        if (count == max || indexed == 0)
            return (int64_t)count;
        from = indexed - 1;
    }
    int64_t n = index_read(store->index, key, from, true, ret_entries + count, max - count);
    return n < 0 ? n : n + (int64_t)count;
}

int64_t lookup_read_counted(struct store *store, struct hash128 key, uint64_t from, bool backward,
                            struct index_entry *ret_entries, size_t max, uint64_t *ret_count)
{
    uint32_t added = additions_find(&store->additions, key, NULL);
    uint64_t indexed;
    if (added == 0)
        return index_read_counted(store->index, key, from, backward, ret_entries, max, ret_count);
    int64_t n = index_count(store->index, key, &indexed);
    if (n == 0 && max > 0)
        n = backward ? read_backward(store, key, indexed, added, from, ret_entries, max) :
                       read_forward(store, key, indexed, added, from, ret_entries, max);
    if (n >= 0)
        *ret_count = indexed + added;
    return n;
}

int64_t lookup_read(struct store *store, struct hash128 key, uint64_t from, bool backward,
                    struct index_entry *ret_entries, size_t max)
{
    uint64_t count;
    return max == 0 ? 0 : lookup_read_counted(store, key, from, backward, ret_entries, max, &count);
}

int lookup_last(struct store *store, struct hash128 key, struct index_entry *ret_entry)
{
    uint32_t last;
    if (additions_find(&store->additions, key, &last) == 0)
        return index_last(store->index, key, ret_entry);
    *ret_entry = store->additions.items[last].entry;
    return 0;
}

int lookup_find_position(struct store *store, struct hash128 key, uint64_t position, uint64_t *ret_ordinal)
{
    uint64_t indexed;
    uint64_t ordinal;
    uint32_t at;
    uint32_t added = additions_find(&store->additions, key, &at);
    int r = index_find_position(store->index, key, position, &ordinal);
    if (r == 0 && added > 0)
        r = index_count(store->index, key, &indexed);
    if (r < 0)
        return r;
    if (added > 0 && ordinal == indexed) {
        ordinal += added;
        for (; at != ADDITIONS_NONE && store->additions.items[at].entry.position >= position; at = store->additions.previous[at])
            ordinal--;
    }
    *ret_ordinal = ordinal;
    return 0;
}

/* --- records in the durable log ----------------------------------------------------------------------- */

/* The bit of a batch in its page. */
static uint64_t verified_bit(uint64_t address)
{
    return (address >> VERIFIED_GRANULE_BITS) & (VERIFIED_PAGE_WORDS * 64 - 1);
}

static struct verified_page *page_find(struct store *store, uint64_t number)
{
    uint64_t hash = hash64_mix(0, number);
    struct table_link *link = table_find(&store->verified, hash);
    while (link && container_of(link, struct verified_page, link)->number != number)
        link = table_find_next(link);
    return link ? container_of(link, struct verified_page, link) : NULL;
}

void verified_forget(struct store *store, uint64_t from, uint64_t to)
{
    for (uint64_t number = from >> VERIFIED_PAGE_BITS; number <= (to - 1) >> VERIFIED_PAGE_BITS; number++) {
        struct verified_page *page = page_find(store, number);
        if (page)
            memset(page->bits, 0, VERIFIED_PAGE_WORDS * sizeof(page->bits[0]));
    }
}

void verified_deinit(struct store *store)
{
    struct table_link *link = table_each(&store->verified, NULL);
    while (link) {
        struct table_link *next = table_each(&store->verified, link);
        free(container_of(link, struct verified_page, link));
        link = next;
    }
    table_deinit(&store->verified);
}

/* Remembers that a batch is whole. Without memory for that it will be checked again. */
static void verified_set(struct store *store, struct verified_page *page, uint64_t address)
{
    if (!page) {
        page = calloc(1, sizeof(*page) + VERIFIED_PAGE_WORDS * sizeof(uint64_t));
        if (!page)
            return;
        page->number = address >> VERIFIED_PAGE_BITS;
        if (!table_insert(&store->verified, &page->link, hash64_mix(0, page->number))) {
            free(page);
            return;
        }
    }
    uint64_t bit = verified_bit(address);
    page->bits[bit / 64] |= UINT64_C(1) << bit % 64;
}

static bool verified_get(const struct verified_page *page, uint64_t address)
{
    uint64_t bit = verified_bit(address);
    return page && page->bits[bit / 64] >> bit % 64 & 1;
}

static int batch_corrupt(const struct store *store, uint64_t address, uint32_t number, const char *what,
                         struct edda_error *error)
{
    const char *topic = number < store->place_count && store->places[number].entry ?
                            store->places[number].entry->topic.name : "(unknown)";
    return edda_fail_with(error, EDDA_ECORRUPT, "the batch of topic %s at address %" PRIu64 " %s", topic, address, what);
}

/* The batch whose tag begins `bytes`; these are what log_bytes() gives. */
static int batch_in(struct store *store, struct slice bytes, uint64_t address, uint32_t *ret_number,
                    struct batch *ret_batch, struct edda_error *error)
{
    struct cursor c = cursor_of(bytes);
    uint32_t number = cursor_le32(&c);
    uint32_t check = cursor_le32(&c);
    struct batch batch;
    if (!bytes.data && address < log_start(store->log))
        return edda_fail_with(error, EDDA_ENOTFOUND, "the batch at address %" PRIu64 " was removed", address);
    if (!bytes.data && address >= FRAME_TAG_BYTES && address < log_durable_end(store->log) && address >= log_start(store->log))
        return edda_fail_with(error, EDDA_EIO, "the segment of the log with the batch at address %" PRIu64 " cannot be opened", address);
    if (!bytes.data || !cursor_ok(&c))
        return batch_corrupt(store, address, UINT32_MAX, "is not in the durable log", error);
    int64_t len = batch_parse(slice_from(bytes, FRAME_TAG_BYTES), &batch, NULL);
    struct verified_page *page = page_find(store, address >> VERIFIED_PAGE_BITS);
    bool known = len > 0 && verified_get(page, address);
    if (!known && (len <= 0 || check != frame_tag_check(number, batch.bytes.data)) && log_removed(store->log, address))
        return edda_fail_with(error, EDDA_ENOTFOUND, "the batch at address %" PRIu64 " was removed", address);
    if (len <= 0)
        return batch_corrupt(store, address, number, "is malformed", error);
    if (!known) {
        if (check != frame_tag_check(number, batch.bytes.data))
            return batch_corrupt(store, address, number, "has a wrong tag", error);
        if (batch_check_stored(&batch, NULL) < 0)
            return batch_corrupt(store, address, number, "fails its checksum", error);
        verified_set(store, page, address);
    }
    *ret_number = number;
    *ret_batch = batch;
    return 0;
}

int batch_at(struct store *store, uint64_t address, uint32_t *ret_number, struct batch *ret_batch, struct edda_error *error)
{
    return batch_in(store, log_bytes(store->log, address - FRAME_TAG_BYTES), address, ret_number, ret_batch, error);
}

/* The closed frame in memory in whose body an address lies, or NULL. */
static const struct frame *frame_of_address(const struct store *store, uint64_t address)
{
    uint32_t low = 0, high = store->ring_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const struct frame *frame = store->ring[(store->ring_first + middle) & (store->ring_capacity - 1)];
        if (address < frame->body)
            high = middle;
        else if (address >= frame->body + frame->body_bytes)
            low = middle + 1;
        else
            return frame;
    }
    return NULL;
}

int batch_closed_at(void *user, uint64_t address, uint32_t *ret_number, struct batch *ret_batch, struct edda_error *error)
{
    struct store *store = user;
    const struct frame *frame = address >= log_durable_end(store->log) ? frame_of_address(store, address) : NULL;
    if (!frame)
        return batch_at(store, address, ret_number, ret_batch, error);
    uint32_t low = 0, high = frame->batch_count;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (frame->body + frame->batches[middle].at <= address)
            low = middle;
        else
            high = middle;
    }
    if (frame->body + frame->batches[low].at != address)
        return batch_corrupt(store, address, UINT32_MAX, "is not where it should be", error);
    *ret_number = frame->batches[low].partition;
    *ret_batch = frame->batches[low].batch;
    return 0;
}

struct slice bytes_at(void *user, uint64_t address)
{
    const struct store *store = user;
    return log_bytes(store->log, address);
}

struct slice record_ahead(struct store *store, const struct index_entry *entry)
{
    if (frame_in_memory(store, entry->position))
        return slice_of(NULL, 0);
    struct slice bytes = log_bytes(store->log, entry->batch - FRAME_TAG_BYTES);
    uint64_t record = FRAME_TAG_BYTES + BATCH_HEADER_BYTES + (uint64_t)entry->record;
    if (bytes.len < record)
        return bytes;
    __builtin_prefetch(bytes.data);
    __builtin_prefetch(bytes.data + FRAME_TAG_BYTES + BATCH_HEADER_BYTES - 1);
    for (uint64_t at = record; at < bytes.len && at < record + (uint64_t)RECORD_LINES * LINE_BYTES; at += LINE_BYTES)
        __builtin_prefetch(bytes.data + at);
    struct verified_page *page = page_find(store, entry->batch >> VERIFIED_PAGE_BITS);
    if (page)
        __builtin_prefetch(&page->bits[verified_bit(entry->batch) / 64]);
    return bytes;
}

/* A record of a thin batch, of which the index does not tell any more where it is in there: its position does. */
static int thin_record_read(struct store *store, uint64_t position, struct store_record *ret_record, struct edda_error *error)
{
    struct frame *frame;
    int r = frame_at(store, position, &store->thin_reader, &frame, error);
    if (r == EDDA_ENOTFOUND || (r == 0 && (position < frame->first_position || position >= frame_end(frame))))
        return removed_fail(&(struct store_record){ .position = position }, error);
    return r < 0 ? r : frame_record_at(store, frame, position, ret_record, error);
}

int record_read(struct store *store, const struct index_entry *entry, struct slice ahead, struct store_record *ret_record,
                struct edda_error *error)
{
    const struct frame *frame = ahead.data ? NULL : frame_in_memory(store, entry->position);
    if (frame)
        return frame_record_at(store, frame, entry->position, ret_record, error);
    if (entry->batch == 0)
        return removed_fail(&(struct store_record){ .position = entry->position }, error);
    if (!ahead.data)
        ahead = log_bytes(store->log, entry->batch - FRAME_TAG_BYTES);
    struct store_record record = { .position = entry->position };
    struct batch batch;
    struct slice plain = { 0 };
    uint32_t number;
    int r = batch_in(store, ahead, entry->batch, &number, &batch, error);
    if (r == 0)
        r = place_of(store, number, &record, error);
    if (r == 0 && batch_is_thin(&batch))
        return thin_record_read(store, entry->position, ret_record, error);
    if (r == 0)
        r = plain_records(store->plain, entry->batch, &batch, &plain, error);
    if (r < 0)
        return r;
    struct cursor records = cursor_of(slice_from(plain, entry->record));
    if (!batch_next(&batch, &records, &record.record))
        return batch_corrupt(store, entry->batch, number, "has no record where the index says", error);
    if (offset_gone(store, number, record.record.offset))
        return removed_fail(&record, error);
    *ret_record = record;
    return 0;
}

int record_at(struct store *store, const struct index_entry *entry, struct store_record *ret_record, struct edda_error *error)
{
    return record_read(store, entry, record_ahead(store, entry), ret_record, error);
}
