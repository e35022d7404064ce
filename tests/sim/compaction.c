/*
 * compaction: what of compacted topics is left, record by record. Batches of several keys, compressed and not, of plain, idempotent and transactional producers, nulls among them, and single records,
 * are written into a topic; then the scavenger runs, and the machine dies now and then while it does, or the index and the checkpoints are lost.
 *
 * Whatever happens, the newest record of each key is there, and what is of an open transaction; what is there has the offset, position and version that it always had; and what was
 * gone stays gone. After passes that nothing has disturbed, everything else is gone, but for the part of the log that is still written to.
 *
 * A failure prints the seed: compaction --seeds 1 --seed N runs it again.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/prng.h"
#include "base/put.h"
#include "io/simulated.h"
#include "store/internal.h"
#include "store/transaction.h"
#include "wire/kafka/compression.h"
#include "seeds.h"

#define DIR "/data"
#define PARTITIONS 2
#define KEYS 6
#define SLOTS_MAX 4000
#define BATCH_MAX 12
#define TIMEOUT_MS 900000
#define DISK_BYTES (UINT64_C(64) << 20)
#define POSITION_UNKNOWN UINT64_MAX

/* What an offset was given to. */
struct slot {
    int key;                   /* -1: a control record */
    int value;                 /* -1: null */
    int64_t time_ms;
    uint64_t tail;             /* of the log behind it: it lies before */
    uint64_t position;
    int64_t version;
    bool transactional, open, aborted;
    bool packed;               /* in a compressed batch */
    bool present, gone;        /* as it was last read; gone for good */
};

static struct {
    uint64_t seed;
    struct prng prng;
    struct io *io;
    struct store *store;
    struct store_options options;
    struct topic *topic;
    struct edda_error error;
    struct slot slots[PARTITIONS][SLOTS_MAX];
    int slot_count[PARTITIONS];
    int open[SLOTS_MAX][2], open_count; /* slots of the open transaction */
    bool added[PARTITIONS], ongoing;
    struct producer_id producer, idempotent;
    int sequence[PARTITIONS], idempotent_sequence[PARTITIONS];
    int values;
    int64_t time_ms;
    bool nulls_go, mixed, lagging;
    struct buffer batch, packed, plain;
    uint64_t taken, crashes, thinned;
} w;

static _Noreturn void fail(const char *what, int64_t code)
{
    printf("FAILED: seed %" PRIu64 ": %s (%" PRId64 ") %s\n", w.seed, what, code, w.error.message);
    fflush(stdout);
    abort();
}

#define CHECK(condition) \
    do { \
        if (!(condition)) \
            fail(#condition, __LINE__); \
    } while (0)

static uint64_t below(uint64_t bound)
{
    return prng_below(&w.prng, bound);
}

static bool one_in(uint64_t n)
{
    return prng_one_in(&w.prng, n);
}

static struct slice key_of(int key)
{
    static const char *const names[KEYS] = { "a", "bb", "ccc", "dddd", "eeeee", "the longest of all keys" };
    return slice_str(names[key]);
}

/* A text that compresses to no less than what is left of a record takes. */
static struct slice value_of(int value, char text[96])
{
    int len = snprintf(text, 96, "%d-", value);
    for (uint64_t i = 0; i < 5; i++)
        len += snprintf(text + len, 96 - (size_t)len, "%016" PRIx64, hash64_mix((uint64_t)value, i));
    return slice_of(text, (size_t)len);
}

/* --- writing -------------------------------------------------------------------------------------------- */

/* Where records of a key go: in a topic that is not mixed, all to one partition. */
static int partition_choose(void)
{
    return (int)below(PARTITIONS);
}

static int key_choose(int partition)
{
    int key = (int)below(KEYS);
    return w.mixed || (int)partition_by_hash(w.topic, key_of(key)) == partition ? key : -1;
}

static struct slot *slot_put(int partition, int key, int value, bool open)
{
    CHECK(w.slot_count[partition] < SLOTS_MAX);
    if (open) {
        w.open[w.open_count][0] = partition;
        w.open[w.open_count++][1] = w.slot_count[partition];
    }
    struct slot *s = &w.slots[partition][w.slot_count[partition]++];
    *s = (struct slot){
        .key = key, .value = value, .time_ms = w.time_ms, .tail = store_tail(w.store), .position = POSITION_UNKNOWN, .version = -1, 
        .open = open, .transactional = open, .present = true
    };
    return s;
}

static int batch_fill(int partition, int (*records)[2])
{
    struct batch_builder builder;
    int count = 0, wanted = 1 + (int)below(BATCH_MAX);
    buffer_clear(&w.batch);
    batch_builder_init(&builder, &w.batch);
    while (count < wanted) {
        char text[96];
        int key = key_choose(partition);
        if (key < 0)
            continue;
        records[count][0] = key;
        records[count][1] = one_in(8) ? -1 : w.values++;
        batch_builder_add(&builder, w.time_ms + count, key_of(key), records[count][1] < 0 ? slice_of(NULL, 0) : value_of(records[count][1], text), slice_of(NULL, 0), 0);
        count++;
    }
    batch_builder_finish(&builder, 0, 0);
    return count;
}

static bool batch_pack(struct producer_id producer, int sequence, int attributes)
{
    static const enum compression forms[] = { COMPRESSION_NONE, COMPRESSION_GZIP, COMPRESSION_LZ4, COMPRESSION_ZSTD, COMPRESSION_SNAPPY };
    enum compression form = forms[below(sizeof(forms) / sizeof(forms[0]))];
    if (!compression_supported(form))
        form = COMPRESSION_NONE;
    if (form != COMPRESSION_NONE) {
        buffer_clear(&w.packed);
        if (compression_compress(form, slice_from(buffer_slice(&w.batch), BATCH_HEADER_BYTES), &w.packed, NULL) < 0)
            fail("a batch cannot be compressed", 0);
        buffer_truncate(&w.batch, BATCH_HEADER_BYTES);
        buffer_append_slice(&w.batch, buffer_slice(&w.packed));
        put_be32(w.batch.data + 8, (uint32_t)w.batch.len - 12);
    }
    put_be16(w.batch.data + 21, (uint16_t)(attributes | (int)form));
    batch_set_producer(w.batch.data, w.batch.len, producer.id, producer.epoch, producer.id < 0 ? -1 : sequence);
    return form != COMPRESSION_NONE;
}

static int append(int partition, struct store_batch_appended *ret)
{
    struct store_batch batch = { .topic = w.topic, .partition = (uint32_t)partition, .bytes = buffer_slice(&w.batch), .zstd_allowed = true };
    return store_batch_append(w.store, &batch, ret, &w.error);
}

static const struct producer_id nobody = { -1, -1 };

static void do_batch(void)
{
    int partition = partition_choose(), records[BATCH_MAX][2], kind = (int)below(w.ongoing ? 4 : 2);
    struct store_batch_appended appended;
    if (kind >= 2 && !w.added[partition]) {
        CHECK(transaction_add_partition(w.store, SLICE("tx"), w.producer, w.topic, (uint32_t)partition, &w.error) == 0);
        w.added[partition] = true;
    }
    int count = batch_fill(partition, records);
    int *sequence = kind == 1 ? &w.idempotent_sequence[partition] : &w.sequence[partition];
    bool packed = batch_pack(kind == 0 ? nobody : kind == 1 ? w.idempotent : w.producer, *sequence, kind >= 2 ? BATCH_TRANSACTIONAL : 0);
    int r = append(partition, &appended);
    CHECK(r == 0 && !appended.repeated && appended.base_offset == w.slot_count[partition]);
    /* Again: its numbers are known, whatever became of its records. */
    if (kind != 0 && one_in(4)) {
        CHECK(append(partition, &appended) == 0 && appended.repeated);
    }
    if (kind != 0)
        *sequence += count;
    for (int i = 0; i < count; i++, w.time_ms++)
        slot_put(partition, records[i][0], records[i][1], kind >= 2)->packed = packed;
}

static void do_own(void)
{
    int partition = partition_choose(), key = key_choose(partition), value = one_in(6) ? -1 : w.values++;
    char text[96];
    if (key < 0)
        return;
    struct store_message m = { .topic = w.topic, .key = key_of(key), .value = value < 0 ? slice_of(NULL, 0) : value_of(value, text), .partition = partition };
    CHECK(store_append(w.store, NULL, 0, &m, 1, false, NULL, &w.error) == 0);
    slot_put(partition, key, value, false)->time_ms = -1; /* the log's */
    /* A topic that is compacted takes none without a key. */
    m.key = slice_of(NULL, 0);
    CHECK(store_append(w.store, NULL, 0, &m, 1, false, NULL, &w.error) == EDDA_EINVAL);
}

static void do_transaction(void)
{
    if (!w.ongoing) {
        memset(w.added, 0, sizeof(w.added));
        w.ongoing = true;
        return;
    }
    bool commit = !one_in(3), any = w.added[0] || w.added[1];
    if (any) {
        CHECK(transaction_end(w.store, SLICE("tx"), w.producer, commit, &w.error) == 0);
    }
    for (int i = 0; i < w.open_count; i++) {
        struct slot *s = &w.slots[w.open[i][0]][w.open[i][1]];
        s->open = false;
        s->aborted = !commit;
    }
    w.open_count = 0;
    w.ongoing = false;
    for (int p = 0; p < PARTITIONS; p++)
        if (w.added[p])
            slot_put(p, -1, -1, false);
}

/* What else the log holds, so that the topic's frames are not alone in their segments. */
static void do_other(void)
{
    struct topic *other;
    CHECK(store_topic_ensure(w.store, SLICE("other"), 1, &other, &w.error) == 0);
    uint8_t filler[2000];
    memset(filler, 'x', sizeof(filler));
    struct store_message m = { .topic = other, .key = SLICE("k"), .value = slice_of(filler, below(sizeof(filler))), .partition = -1 };
    CHECK(store_append(w.store, NULL, 0, &m, 1, false, NULL, &w.error) == 0);
}

static void do_write(void)
{
    uint64_t choice = below(20);
    if (choice < 11)
        do_batch();
    else if (choice < 14)
        do_own();
    else if (choice < 15)
        do_transaction();
    else if (choice < 17)
        do_other();
    else
        CHECK(store_flush(w.store, &w.error) == 0);
    io_simulated_advance(w.io, (int64_t)below(3000000));
    io_jobs_finish(w.io);
    store_maintain(w.store);
}

/* --- reading -------------------------------------------------------------------------------------------- */

struct reading {
    int partition;
    int64_t next;              /* offset */
    uint64_t position;
};

static void slot_read(struct slot *s, const struct record *record)
{
    char text[96];
    CHECK(!s->gone && s->key >= 0 && slice_eq(record->key, key_of(s->key)));
    CHECK(s->value < 0 ? !record->value.data : slice_eq(record->value, value_of(s->value, text)));
    CHECK(s->time_ms < 0 || record->timestamp_ms == s->time_ms);
    s->present = true;
}

static int visit_batch(void *user, struct slice bytes)
{
    struct reading *reading = user;
    struct batch batch;
    struct record record;
    CHECK(batch_parse(bytes, &batch, NULL) == (int64_t)bytes.len && batch_check_stored(&batch, &w.error) == 0);
    CHECK(batch.base_offset + batch.last_offset_delta >= reading->next);
    buffer_clear(&w.plain);
    CHECK(compression_decompress((enum compression)(batch.attributes & BATCH_COMPRESSION), batch.records, 1 << 20, &w.plain, &w.error) == 0);
    struct cursor records = cursor_of(buffer_slice(&w.plain));
    int64_t max_ms = -1;
    int count = 0;
    for (; batch_next(&batch, &records, &record); count++) {
        CHECK(record.offset < w.slot_count[reading->partition] && record.offset >= batch.base_offset && record.offset <= batch.base_offset + batch.last_offset_delta);
        struct slot *s = &w.slots[reading->partition][record.offset];
        if (batch.attributes & BATCH_CONTROL) {
            CHECK(s->key < 0);
            s->present = true;
        } else {
            slot_read(s, &record);
        }
        if (record.timestamp_ms > max_ms)
            max_ms = record.timestamp_ms;
    }
    CHECK(count == batch.record_count && (count == 0 || max_ms == batch.max_timestamp_ms));
    reading->next = batch.base_offset + batch.last_offset_delta + 1;
    return 0;
}

/* All batches, from any offset on: what is not met is not there. */
static void partition_read(int partition)
{
    struct store_bounds bounds;
    struct reading reading = { .partition = partition };
    store_partition_bounds(w.store, w.topic, (uint32_t)partition, &bounds);
    CHECK(bounds.durable == w.slot_count[partition] && bounds.start == 0);
    for (int i = 0; i < w.slot_count[partition]; i++)
        w.slots[partition][i].present = false;
    struct store_fetch fetch = { .topic = w.topic, .partition = (uint32_t)partition, .bytes_max = 300 + below(20000), .first_whole = true };
    while (fetch.offset < bounds.durable) {
        CHECK(store_fetch(w.store, &fetch, visit_batch, &reading, &w.error) > 0);
        fetch.offset = reading.next;
    }
    /* In the middle of a gap, the next batch is given. */
    fetch.offset = (int64_t)below((uint64_t)bounds.durable + 1);
    reading.next = fetch.offset;
    CHECK(fetch.offset == bounds.durable || store_fetch(w.store, &fetch, visit_batch, &reading, &w.error) > 0);
}

static int visit_version(void *user, const struct store_record *record, int64_t version)
{
    struct reading *reading = user;
    struct slot *s = &w.slots[record->partition][record->record.offset];
    slot_read(s, &record->record);
    CHECK(record->position > reading->position || reading->position == POSITION_UNKNOWN);
    reading->position = record->position;
    if (s->version < 0)
        s->version = version;
    CHECK(s->version == version && record->position == s->position);
    reading->next++;
    return 0;
}

/* The records as a cursor gives them, and the streams. What is read for the first time tells its position and version. */
static void records_read(void)
{
    struct store_cursor cursor;
    struct store_record record;
    int64_t present = 0, seen = 0, streams = 0;
    for (int p = 0; p < PARTITIONS; p++)
        for (int i = 0; i < w.slot_count[p]; i++)
            present += w.slots[p][i].present && w.slots[p][i].key >= 0 && !w.slots[p][i].open && !w.slots[p][i].aborted;
    store_cursor_init(&cursor, 0, w.topic);
    int r;
    while ((r = store_cursor_next(w.store, &cursor, &record, &w.error)) == 1) {
        struct slot *s = &w.slots[record.partition][record.record.offset];
        CHECK(s->present && !s->open && !s->aborted && (s->position == POSITION_UNKNOWN || s->position == record.position));
        slot_read(s, &record.record);
        s->position = record.position;
        seen++;
        struct store_record again;
        CHECK(store_position_read(w.store, record.position, &again) == 0 && again.record.offset == record.record.offset);
    }
    store_cursor_deinit(&cursor);
    CHECK(r == 0 && seen == present);
    for (int key = 0; key < KEYS; key++) {
        struct reading reading = { .position = POSITION_UNKNOWN };
        CHECK(store_stream_read(w.store, SLICE("t"), key_of(key), 0, false, UINT64_MAX, visit_version, &reading) == reading.next);
        streams += reading.next;
    }
    CHECK(streams == present);
}

/* The first record with a time, by the model of what is there. */
static void times_read(int partition)
{
    int64_t time_ms = (int64_t)below((uint64_t)w.time_ms + 10), offset = -1, found_ms;
    int wanted = -1;
    for (int i = 0; i < w.slot_count[partition] && wanted < 0; i++) {
        const struct slot *s = &w.slots[partition][i];
        if (s->present && s->key >= 0 && (s->time_ms < 0 || s->time_ms >= time_ms))
            wanted = i;
    }
    int r = store_offset_at_time(w.store, w.topic, (uint32_t)partition, time_ms, &offset, &found_ms);
    CHECK(wanted < 0 ? r == EDDA_ENOTFOUND : r == 0 && offset == wanted);
}

static bool is_last(const struct slot *s)
{
    for (int p = 0; p < PARTITIONS; p++)
        for (int i = 0; i < w.slot_count[p]; i++) {
            const struct slot *o = &w.slots[p][i];
            if (o->key == s->key && !o->open && !o->aborted && o->position != POSITION_UNKNOWN && o->position > s->position)
                return false;
        }
    return true;
}

/* Before this position, the scavenger may touch the log. */
static uint64_t active_position(void)
{
    struct log *log = store_log(w.store);
    struct log_segment_info next;
    uint64_t position = 0;
    for (size_t i = 1; log_segment(log, i, &next) && log_durable_end(log) > next.first_address + LOG_SEGMENT_HEADER_BYTES; i++)
        if (w.store->ring_count == 0 || next.first_position <= w.store->ring[w.store->ring_first & (w.store->ring_capacity - 1)]->first_position)
            position = next.first_position;
    return position;
}

static bool has_older(const struct slot *s)
{
    for (int p = 0; p < PARTITIONS; p++)
        for (int i = 0; i < w.slot_count[p]; i++)
            if (w.slots[p][i].key == s->key && w.slots[p][i].present && !w.slots[p][i].aborted && w.slots[p][i].position < s->position)
                return true;
    return false;
}

struct aborted_look {
    int partition;
    int64_t offset;
    bool found;
};

/* A transaction reaches up to the next control record. */
static int visit_aborted(void *user, const struct store_aborted *aborted)
{
    struct aborted_look *look = user;
    bool reaches = aborted->producer_id == w.producer.id && aborted->first_offset <= look->offset;
    for (int64_t i = aborted->first_offset; reaches && i < look->offset; i++)
        reaches = w.slots[look->partition][i].key >= 0;
    look->found |= reaches;
    return 0;
}

/* Whether a reader of committed records is told to leave it out. */
static bool is_told_aborted(int partition, int64_t offset)
{
    struct aborted_look look = { partition, offset, false };
    store_aborted_each(w.store, w.topic, (uint32_t)partition, 0, INT64_MAX, visit_aborted, &look);
    return look.found;
}

/* `done`: passes have ended since the last write. */
static void check(bool done)
{
    uint64_t active = active_position();
    for (int p = 0; p < PARTITIONS; p++) {
        partition_read(p);
        times_read(p);
    }
    records_read();
    for (int p = 0; p < PARTITIONS; p++)
        for (int i = 0; i < w.slot_count[p]; i++) {
            struct slot *s = &w.slots[p][i];
            bool last = s->key >= 0 && !s->aborted && !s->open && is_last(s);
            bool null = last && s->value < 0 && w.nulls_go;
            /* Of a transaction's batches it is told where they lie at the latest. */
            bool touched = (s->transactional ? s->tail <= active : s->position < active) && i + 1 < w.slot_count[p];
            bool sealed = touched && (s->aborted || s->position < active);
            if (s->open || (last && !null) || !touched || s->key < 0 || w.lagging)
                CHECK(s->present);
            else if (done && sealed && !w.mixed && !(null && has_older(s)) && !(s->value < 0 && s->packed)) /* a null may take less than what tells of it */
                CHECK(!s->present);
            if (s->present && s->aborted)
                CHECK(is_told_aborted(p, i));
            w.taken += !s->present && !s->gone;
            s->gone |= !s->present;
        }
    if (one_in(3)) {
        int64_t found = store_verify(w.store, NULL, NULL, &w.error);
        if (found != 0)
            fail("verification finds damage", found);
    }
}

/* --- the world ------------------------------------------------------------------------------------------ */

static int remove_entry(void *user, const char *name)
{
    char path[160];
    snprintf(path, sizeof(path), "%s/%s", (const char *)user, name);
    return io_file_remove(w.io, path);
}

static void open_store(void)
{
    for (;;) {
        int r = store_open(w.io, DIR, &w.options, &w.store, NULL, &w.error);
        if (r == 0)
            break;
        if (!io_simulated_is_cut(w.io))
            fail("the store cannot be opened", r);
        io_simulated_crash(w.io, one_in(4));
        io_simulated_cut_after(w.io, 0);
    }
    w.topic = store_topic(w.store, SLICE("t"));
    CHECK(w.topic);
}

static void reopen(bool clean)
{
    if (clean) {
        store_close(w.store);
    } else {
        w.crashes++;
        io_simulated_crash(w.io, one_in(4));
        store_abandon(w.store);
        io_simulated_cut_after(w.io, 0);
    }
    if (one_in(3))
        (void)io_dir_list(w.io, DIR "/index", remove_entry, (void *)(uintptr_t)(DIR "/index"));
    if (one_in(3))
        (void)io_dir_list(w.io, DIR "/checkpoint", remove_entry, (void *)(uintptr_t)(DIR "/checkpoint"));
    open_store();
}

/* Lets the scavenger work; true when it has ended. */
static bool scavenge(uint64_t turns)
{
    struct store_scavenged done;
    while (turns-- > 0 && store_scavenging(w.store) && !io_simulated_is_cut(w.io) && !store_broken(w.store)) {
        store_maintain(w.store);
        (void)store_flush_start(w.store, &w.error);
        io_simulated_advance(w.io, (int64_t)below(20000000));
        io_jobs_finish(w.io);
    }
    store_scavenged(w.store, &done);
    if (!io_simulated_is_cut(w.io) && done.failures > 0)
        fail(done.error.message, done.error.code);
    w.thinned += done.thinned_frames;
    return !store_scavenging(w.store);
}

static void round_run(void)
{
    for (uint64_t n = 20 + below(150); n > 0; n--)
        do_write();
    CHECK(store_flush(w.store, &w.error) == 0);
    check(false);
    for (uint64_t n = below(4); n > 0; n--) {
        store_scavenge_start(w.store, true);
        if (one_in(2))
            io_simulated_cut_after(w.io, 1 + below(30));
        scavenge(1 + below(400));
        bool cut = io_simulated_is_cut(w.io) || store_broken(w.store);
        io_simulated_cut_after(w.io, cut ? 1 : 0);
        if (!cut && one_in(2)) {
            CHECK(store_flush(w.store, &w.error) == 0);
            check(false);
            continue;
        }
        reopen(!cut && one_in(2));
        check(false);
    }
    /* Nulls go in the pass behind that in which what is older goes, and the first may have been begun before the last write. */
    for (int pass = 0; pass < 3; pass++) {
        store_scavenge_start(w.store, true);
        CHECK(scavenge(UINT64_MAX));
    }
    CHECK(store_flush(w.store, &w.error) == 0);
    check(true);
}

static void topic_make(void)
{
    const struct setting_change changes[] = {
        { SLICE("cleanup.policy"), SLICE("compact"), SETTING_SET },
        { SLICE("delete.retention.ms"), w.nulls_go ? SLICE("0") : SLICE("100000000000"), SETTING_SET },
        { SLICE("min.compaction.lag.ms"), w.lagging ? SLICE("100000000000") : SLICE("0"), SETTING_SET },
    };
    if (store_topic_ensure(w.store, SLICE("t"), PARTITIONS, &w.topic, &w.error) < 0 ||
        store_topic_settings_alter(w.store, w.topic, changes, sizeof(changes) / sizeof(changes[0]), false, &w.error) < 0)
        fail("the topic", 0);
    CHECK(transaction_begin_producer(w.store, SLICE("tx"), TIMEOUT_MS, nobody, &w.producer, &w.error) == 0);
    CHECK(producer_new(w.store, &w.idempotent, &w.error) == 0);
}

static void run(uint64_t seed)
{
    w.seed = seed;
    prng_init(&w.prng, seed);
    w.options = (struct store_options){
        .log = { .segment_bytes = LOG_SEGMENT_BYTES_MIN },
        .index = { .tail_entries_max = (uint32_t)(one_in(3) ? 100000 : 64 + below(400)), .runs_max = (uint32_t)(2 + below(3)) },
        .frame_bytes = (uint32_t)(600 + below(one_in(3) ? 60000 : 6000)),
        .frames_kept = (uint32_t)below(6),
        .scavenge_interval_ms = -1,
        .scavenge_bytes_per_second = UINT64_C(1) << (20 + below(10)),
    };
    memset(w.slot_count, 0, sizeof(w.slot_count));
    memset(w.sequence, 0, sizeof(w.sequence));
    memset(w.idempotent_sequence, 0, sizeof(w.idempotent_sequence));
    w.values = w.open_count = 0;
    w.time_ms = 1000;
    w.ongoing = false;
    w.nulls_go = one_in(2);
    w.mixed = one_in(3);
    w.lagging = one_in(12);
    io_simulated_reset(w.io, &(struct io_simulated_options){ .seed = seed, .disk_bytes = DISK_BYTES });
    CHECK(store_open(w.io, DIR, &w.options, &w.store, NULL, &w.error) == 0);
    topic_make();
    for (uint64_t rounds = 1 + below(3); rounds > 0; rounds--)
        round_run();
    io_simulated_crash(w.io, true);
    store_abandon(w.store);
}

int main(int argc, char **argv)
{
    struct seeds seeds = seeds_take(argc, argv, 0, 100);
    w.io = io_simulated_new(&(struct io_simulated_options){ .seed = seeds.first, .disk_bytes = DISK_BYTES });
    for (uint64_t i = 0; i < seeds.count; i++)
        run(seeds.first + i);
    io_simulated_free(w.io);
    buffer_deinit(&w.batch);
    buffer_deinit(&w.packed);
    buffer_deinit(&w.plain);
    printf("%" PRIu64 " records went, %" PRIu64 " frames lost some, %" PRIu64 " crashes\n", w.taken, w.thinned, w.crashes);
    if (seeds.count >= 20 && (w.taken == 0 || w.thinned == 0 || w.crashes == 0)) {
        printf("FAILED: nothing went, no frame lost a part, or there was no crash\n");
        return 1;
    }
    return 0;
}
