/*
 * Partitions: producers' batches are checked, stored as they came and given as they lie; their records have positions and versions
 * like any others; and what is durable is told.
 */
#include "partition_rig.h"

#include <string.h>

#include "base/put.h"
#include "store/settings.h"
#include "wire/kafka/compression.h"

#define PLAIN_TOO_MANY ((size_t)65 << 20) /* more than a batch may hold decompressed */

#define PLAIN(v) &(struct made){ .value = v }

static void batches_are_given_as_they_came(void **state)
{
    struct world *w = *state;
    struct topic *t = topic_of(w, "orders", 1);
    struct store_bounds bounds;
    assert_int_equal(produced(w, t, 0, &(struct made){ .key = "7", .value = "a", .count = 3 }), 0);
    assert_int_equal(produced(w, t, 0, PLAIN("b")), 3);
    assert_int_equal(produced(w, t, 0, &(struct made){ .key = "7", .value = "c", .count = 2 }), 4);
    bounds = bounds_of(w, t, 0);
    assert_true(bounds.start == 0 && bounds.stable == 0 && bounds.durable == 0 && bounds.next == 6);
    assert_string_equal(fetched(w, t, 0, 0, false), "");
    assert_string_equal(stream_text(w, "orders", "7"), "0=a0 1=a1 2=a2 3=c0 4=c1");
    flush(w);
    bounds = bounds_of(w, t, 0);
    assert_true(bounds.stable == 6 && bounds.durable == 6 && bounds.next == 6);
    assert_string_equal(fetched(w, t, 0, 0, false), "|0:a0 1:a1 2:a2 |3:b0 |4:c0 5:c1");
    for (int round = 0; round < 3; round++) {
        assert_string_equal(fetched(w, t, 0, 2, false), "|0:a0 1:a1 2:a2 |3:b0 |4:c0 5:c1");
        assert_string_equal(fetched(w, t, 0, 3, true), "|3:b0 |4:c0 5:c1");
        assert_string_equal(fetched(w, t, 0, 6, false), "");
        assert_string_equal(stream_text(w, "orders", "7"), "0=a0 1=a1 2=a2 3=c0 4=c1");
        assert_string_equal(topic_text(w, t), "a0 a1 a2 b0 c0 c1");
        round == 0 ? reopen(w) : lose_index(w);
        t = topic_of(w, "orders", 1);
    }
}

static void offsets_outside_are_refused(void **state)
{
    struct world *w = *state;
    struct topic *t = topic_of(w, "orders", 1);
    struct store_fetch fetch = { .topic = t, .offset = 2, .bytes_max = 100 };
    produced(w, t, 0, PLAIN("a"));
    flush(w);
    assert_int_equal(store_fetch(w->store, &fetch, NULL, NULL, &w->error), EDDA_EOFFSET);
    fetch.offset = -1;
    assert_int_equal(store_fetch(w->store, &fetch, NULL, NULL, &w->error), EDDA_EOFFSET);
}

static int count_bytes(void *user, struct slice bytes)
{
    size_t *batches = user;
    (*batches)++;
    (void)bytes;
    return 0;
}

static void bytes_are_limited(void **state)
{
    struct world *w = *state;
    struct topic *t = topic_of(w, "orders", 1);
    struct store_fetch fetch = { .topic = t, .bytes_max = 10 };
    size_t batches = 0;
    for (int i = 0; i < 200; i++)
        produced(w, t, 0, PLAIN("a"));
    flush(w);
    assert_int_equal(store_fetch(w->store, &fetch, count_bytes, &batches, &w->error), 0);
    assert_int_equal(batches, 0);
    fetch.first_whole = true;
    int64_t one = store_fetch(w->store, &fetch, count_bytes, &batches, &w->error);
    assert_true(one > BATCH_HEADER_BYTES);
    assert_int_equal(batches, 1);
    fetch.bytes_max = (uint64_t)one * 150 + 1;
    batches = 0;
    assert_int_equal(store_fetch(w->store, &fetch, count_bytes, &batches, &w->error), one * 150);
    assert_int_equal(batches, 150);
    fetch.offset = 150;
    batches = 0;
    assert_int_equal(store_fetch(w->store, &fetch, count_bytes, &batches, &w->error), one * 50);
    assert_int_equal(batches, 50);
    assert_int_equal(store_partition_bytes(w->store, t, 0), one * 200);
}

/* The store's own records and producers' batches of one partition, in one frame: offsets stay in order. */
static void own_records_and_batches_mix(void **state)
{
    struct world *w = *state;
    struct topic *t = topic_of(w, "orders", 2);
    struct store_message m = { .topic = t, .key = SLICE("7"), .partition = 0 };
    struct store_appended appended;
    for (int i = 0; i < 3; i++) {
        m.value = SLICE("own");
        assert_int_equal(store_append(w->store, NULL, 0, &m, 1, false, &appended, &w->error), 0);
        assert_int_equal(appended.offset, 3 * i);
        assert_int_equal(produced(w, t, 0, &(struct made){ .key = "7", .value = "b", .count = 2 }), 3 * i + 1);
    }
    for (int round = 0; round < 3; round++) {
        assert_string_equal(stream_text(w, "orders", "7"), "0=own 1=b0 2=b1 3=own 4=b0 5=b1 6=own 7=b0 8=b1");
        flush(w);
        assert_string_equal(fetched(w, t, 0, 0, false), "|0:own |1:b0 2:b1 |3:own |4:b0 5:b1 |6:own |7:b0 8:b1");
        round == 0 ? reopen(w) : lose_index(w);
        t = topic_of(w, "orders", 2);
    }
    /* The key's hash may say another partition: what follows in the stream goes where its last record is. */
    m = (struct store_message){ .topic = t, .key = SLICE("7"), .value = SLICE("z"), .partition = -1 };
    assert_int_equal(store_append(w->store, NULL, 0, &m, 1, false, &appended, &w->error), 0);
    assert_int_equal(appended.offset, 9);
}

static int count_records(void *user, const struct store_record *record, int64_t version)
{
    (void)version;
    assert_true(record->record.value.data[0] == 'a');
    (*(int *)user)++;
    return 0;
}

static void a_correlation_is_found(void **state)
{
    struct world *w = *state;
    struct topic *t = topic_of(w, "orders", 1);
    struct buffer headers = BUFFER_EMPTY;
    record_headers_put(&headers, SLICE("ce_correlationid"), SLICE("c-1"));
    produced(w, t, 0, &(struct made){ .value = "a", .count = 2, .headers = buffer_slice(&headers), .header_count = 1 });
    produced(w, t, 0, PLAIN("b"));
    buffer_deinit(&headers);
    for (int round = 0; round < 3; round++) {
        int seen = 0;
        assert_int_equal(store_correlation_read(w->store, SLICE("c-1"), 10, count_records, &seen), 2);
        assert_int_equal(seen, 2);
        round == 0 ? reopen(w) : lose_index(w);
    }
}

struct told {
    char text[256];
};

static void tell(void *user, struct topic *topic, uint32_t partition)
{
    struct told *told = user;
    size_t len = strlen(told->text);
    snprintf(told->text + len, sizeof(told->text) - len, "%s/%u ", topic->name, (unsigned)partition);
}

static void what_is_durable_is_told(void **state)
{
    struct world *w = *state;
    struct topic *t = topic_of(w, "orders", 3);
    struct told told = { "" };
    flush(w);
    store_on_durable(w->store, tell, &told);
    produced(w, t, 2, PLAIN("a"));
    produced(w, t, 0, PLAIN("b"));
    produced(w, t, 2, PLAIN("c"));
    assert_string_equal(told.text, "");
    flush(w);
    assert_string_equal(told.text, "orders/2 orders/0 ");
    produced(w, t, 1, PLAIN("d"));
    assert_int_equal(store_flush_start(w->store, &w->error), 1);
    while (!strstr(told.text, "orders/1")) {
        assert_true(io_jobs_wait(w->io, -1) > 0);
        io_jobs_finish(w->io);
    }
    assert_string_equal(told.text, "orders/2 orders/0 orders/1 ");
}

static void what_is_not_durable_is_not_given(void **state)
{
    struct world *w = *state;
    struct topic *t = topic_of(w, "orders", 1);
    produced(w, t, 0, PLAIN("a"));
    flush(w);
    produced(w, t, 0, PLAIN("b"));
    assert_int_equal(store_close_frame(w->store, &w->error), 0);
    assert_string_equal(fetched(w, t, 0, 0, false), "|0:a0");
    crash(w);
    t = topic_of(w, "orders", 1);
    assert_int_equal(bounds_of(w, t, 0).next, 1);
    assert_int_equal(produced(w, t, 0, PLAIN("c")), 1);
    flush(w);
    assert_string_equal(fetched(w, t, 0, 0, false), "|0:a0 |1:c0");
}

/* --- refusals ------------------------------------------------------------------------------------------- */

static int append_bytes(struct world *w, struct topic *t, struct slice bytes, int32_t *ret_wrong)
{
    struct store_batch batch = { .topic = t, .bytes = bytes };
    struct store_batch_appended appended;
    int r = store_batch_append(w->store, &batch, &appended, &w->error);
    *ret_wrong = appended.wrong_record;
    return r;
}

static void wrong_batches_are_refused(void **state)
{
    struct world *w = *state;
    struct topic *t = topic_of(w, "orders", 1);
    struct buffer bytes = BUFFER_EMPTY;
    const struct made made = { .value = "a", .count = 2 };
    int32_t wrong;
    uint64_t tail = store_tail(w->store);

    struct slice whole = batch_make(&bytes, &made);
    bytes.data[70] ^= 1;
    assert_int_equal(append_bytes(w, t, whole, &wrong), EDDA_ECORRUPT);
    whole = batch_make(&bytes, &made);
    bytes.data[16] = 1;
    assert_int_equal(append_bytes(w, t, whole, &wrong), EDDA_EUNSUPPORTED);
    whole = batch_make(&bytes, &made);
    assert_int_equal(append_bytes(w, t, slice_of(whole.data, whole.len - 1), &wrong), EDDA_EMALFORMED);
    buffer_append_byte(&bytes, 0);
    assert_int_equal(append_bytes(w, t, buffer_slice(&bytes), &wrong), EDDA_EMALFORMED);
    /* Counts: of the records, of the last offset. */
    whole = batch_make(&bytes, &made);
    put_be32(bytes.data + 57, 3);
    batch_seal(bytes.data, bytes.len);
    assert_int_equal(append_bytes(w, t, whole, &wrong), EDDA_EMALFORMED);
    put_be32(bytes.data + 23, 2);
    batch_seal(bytes.data, bytes.len);
    assert_int_equal(append_bytes(w, t, whole, &wrong), EDDA_EMALFORMED);
    put_be32(bytes.data + 57, 1);
    put_be32(bytes.data + 23, 0);
    batch_seal(bytes.data, bytes.len);
    assert_int_equal(append_bytes(w, t, whole, &wrong), EDDA_EMALFORMED);
    assert_int_equal(wrong, 1);
    put_be32(bytes.data + 57, 0x7fffffff);
    put_be32(bytes.data + 23, 0x7ffffffe);
    batch_seal(bytes.data, bytes.len);
    assert_true(append_bytes(w, t, whole, &wrong) < 0);
    /* A control batch. */
    whole = batch_make(&bytes, &made);
    bytes.data[22] = BATCH_CONTROL;
    batch_seal(bytes.data, bytes.len);
    assert_int_equal(append_bytes(w, t, whole, &wrong), EDDA_EINVAL);
    /* A producer without a sequence. */
    whole = batch_make(&bytes, &(struct made){ .value = "a", .idempotent = true, .producer = { 5, 0 }, .sequence = -1 });
    assert_int_equal(append_bytes(w, t, whole, &wrong), EDDA_EMALFORMED);
    /* The second record's offset. */
    whole = batch_make(&bytes, &made);
    bytes.data[BATCH_HEADER_BYTES + 9 + 3] = 4;
    batch_seal(bytes.data, bytes.len);
    assert_int_equal(append_bytes(w, t, whole, &wrong), EDDA_EMALFORMED);
    assert_int_equal(wrong, 1);

    assert_int_equal(append_bytes(w, topic_of(w, "_edda.streams", 1), batch_make(&bytes, &made), &wrong), EDDA_EFORBIDDEN);
    assert_int_equal(bounds_of(w, t, 0).next, 0);
    assert_int_equal(store_tail(w->store), tail + 1); /* the row of that topic */
    buffer_deinit(&bytes);
}

static void large_batches(void **state)
{
    struct world *w = *state;
    struct topic *t = topic_of(w, "orders", 1);
    struct buffer value = BUFFER_EMPTY, bytes = BUFFER_EMPTY;
    struct batch_builder builder;
    int32_t wrong;
    buffer_append_zeros(&value, 1048588);
    for (size_t cut = 0; cut < 2; cut++) {
        buffer_clear(&bytes);
        batch_builder_init(&builder, &bytes);
        batch_builder_add(&builder, 1, slice_of(NULL, 0), slice_of(value.data, value.len - 74 - cut), slice_of(NULL, 0), 0);
        batch_builder_finish(&builder, 0, 0);
        if (cut == 0) {
            while (bytes.len <= 1048588) {
                buffer_append_byte(&value, 0);
                buffer_clear(&bytes);
                batch_builder_init(&builder, &bytes);
                batch_builder_add(&builder, 1, slice_of(NULL, 0), slice_of(value.data, value.len - 74), slice_of(NULL, 0), 0);
                batch_builder_finish(&builder, 0, 0);
            }
            assert_int_equal(append_bytes(w, t, buffer_slice(&bytes), &wrong), EDDA_ETOOLARGE);
            continue;
        }
        assert_int_equal(bytes.len, 1048588);
        for (int i = 0; i < 5; i++) {
            assert_int_equal(append_bytes(w, t, buffer_slice(&bytes), &wrong), 0);
            produced(w, t, 0, PLAIN("a"));
        }
    }
    flush(w);
    reopen(w);
    t = topic_of(w, "orders", 1);
    assert_int_equal(bounds_of(w, t, 0).durable, 10);
    assert_string_equal(fetched(w, t, 0, 9, false), "|9:a0");
    buffer_deinit(&value);
    buffer_deinit(&bytes);
}

/* More small batches than a frame takes. */
static void many_small_batches(void **state)
{
    struct world *w = *state;
    struct topic *t = topic_of(w, "orders", 1);
    for (int i = 0; i < 3000; i++)
        assert_int_equal(produced(w, t, 0, &(struct made){ .key = "k", .value = "a" }), i);
    flush(w);
    struct store_record last;
    assert_int_equal(store_stream_last(w->store, SLICE("orders"), SLICE("k"), &last), 0);
    assert_int_equal(last.record.offset, 2999);
    assert_string_equal(fetched(w, t, 0, 2999, false), "|2999:a0");
}

/* --- compression ---------------------------------------------------------------------------------------- */

/* Compressed batches stay as they are on the disk, and their records are read like any others, in memory, from the log, and when the
 * index is made again. */
static void compressed_batches(void **state)
{
    struct world *w = *state;
    struct topic *t = topic_of(w, "orders", 1);
    char stream[512] = "", fetch[512] = "";
    int offset = 0;
    for (int c = COMPRESSION_NONE; c < COMPRESSION_COUNT; c++) {
        if (!compression_supported((enum compression)c))
            continue;
        char value[2] = { (char)('a' + c), '\0' };
        assert_int_equal(produced(w, t, 0, &(struct made){ .key = "7", .value = value, .count = 3, .compression = c, .time_ms = 1000 * (c + 1) }), offset);
        snprintf(fetch + strlen(fetch), 2, "|");
        for (int i = 0; i < 3; i++, offset++) {
            snprintf(stream + strlen(stream), 32, "%d=%s%d ", offset, value, i);
            snprintf(fetch + strlen(fetch), 32, "%d:%s%d ", offset, value, i);
        }
    }
    stream[strlen(stream) - 1] = fetch[strlen(fetch) - 1] = '\0';
    assert_true(offset > 3);
    for (int round = 0; round < 4; round++) {
        int64_t found, time;
        assert_string_equal(stream_text(w, "orders", "7"), stream);
        flush(w);
        assert_string_equal(fetched(w, t, 0, 0, false), fetch);
        assert_int_equal(store_offset_at_time(w->store, t, 0, 2001, &found, &time), 0);
        assert_true(found == 4 && time == 2001);
        verify(w);
        if (round == 0)
            store_maintain(w->store);
        else if (round == 1)
            reopen(w);
        else
            lose_index(w);
        t = topic_of(w, "orders", 1);
    }
}

/* What is refused inside: more than a batch may hold, bytes that do not decompress, counts that are wrong. */
static void wrong_compressed_batches_are_refused(void **state)
{
    struct world *w = *state;
    struct topic *t = topic_of(w, "orders", 1);
    struct buffer bytes = BUFFER_EMPTY, plain = BUFFER_EMPTY, packed = BUFFER_EMPTY;
    const struct made made = { .value = "a", .count = 2, .compression = COMPRESSION_GZIP };
    int32_t wrong;
    struct slice whole = batch_make(&bytes, &made);
    bytes.data[BATCH_HEADER_BYTES + 12] ^= 0x55;
    batch_seal(bytes.data, bytes.len);
    assert_true(append_bytes(w, t, whole, &wrong) < 0);
    whole = batch_make(&bytes, &made);
    put_be32(bytes.data + 57, 3);
    put_be32(bytes.data + 23, 2);
    batch_seal(bytes.data, bytes.len);
    assert_int_equal(append_bytes(w, t, whole, &wrong), EDDA_EMALFORMED);
    batch_make(&bytes, &made);
    buffer_append_zeros(&plain, PLAIN_TOO_MANY);
    assert_int_equal(compression_compress(COMPRESSION_GZIP, buffer_slice(&plain), &packed, NULL), 0);
    buffer_truncate(&bytes, BATCH_HEADER_BYTES);
    buffer_append_slice(&bytes, buffer_slice(&packed));
    put_be32(bytes.data + 8, (uint32_t)bytes.len - 12);
    batch_seal(bytes.data, bytes.len);
    assert_int_equal(append_bytes(w, t, buffer_slice(&bytes), &wrong), EDDA_ETOOLARGE);
    assert_int_equal(bounds_of(w, t, 0).next, 0);
    /* zstd, by a version of the protocol that does not know it. */
    if (compression_supported(COMPRESSION_ZSTD)) {
        whole = batch_make(&bytes, &(struct made){ .value = "a", .compression = COMPRESSION_ZSTD });
        assert_int_equal(append_bytes(w, t, whole, &wrong), EDDA_EUNSUPPORTED);
    }
    buffer_deinit(&bytes);
    buffer_deinit(&plain);
    buffer_deinit(&packed);
}

/* More decompressed records than are kept. */
static void many_compressed_batches_are_read(void **state)
{
    struct world *w = *state;
    struct topic *t = topic_of(w, "orders", 1);
    struct buffer value = BUFFER_EMPTY, bytes = BUFFER_EMPTY, packed = BUFFER_EMPTY;
    buffer_append_zeros(&value, 2 << 20);
    int32_t wrong;
    for (int i = 0; i < 8; i++) {
        struct batch_builder builder;
        buffer_clear(&bytes);
        buffer_clear(&packed);
        value.data[0] = (uint8_t)('0' + i);
        batch_builder_init(&builder, &bytes);
        batch_builder_add(&builder, 1, SLICE("k"), buffer_slice(&value), slice_of(NULL, 0), 0);
        batch_builder_finish(&builder, 0, 0);
        assert_int_equal(compression_compress(COMPRESSION_GZIP, slice_from(buffer_slice(&bytes), BATCH_HEADER_BYTES), &packed, NULL), 0);
        buffer_truncate(&bytes, BATCH_HEADER_BYTES);
        buffer_append_slice(&bytes, buffer_slice(&packed));
        put_be32(bytes.data + 8, (uint32_t)bytes.len - 12);
        bytes.data[22] = COMPRESSION_GZIP;
        batch_seal(bytes.data, bytes.len);
        assert_int_equal(append_bytes(w, t, buffer_slice(&bytes), &wrong), 0);
    }
    for (int round = 0; round < 2; round++) {
        struct store_record records[8];
        for (uint64_t i = 0; i < 8; i++)
            assert_int_equal(store_position_read(w->store, i + 1, &records[i]), 0);
        /* All are good until the store is looked after. */
        for (int i = 0; i < 8; i++)
            assert_int_equal(records[i].record.value.data[0], '0' + i);
        store_maintain(w->store);
        reopen(w);
    }
    buffer_deinit(&value);
    buffer_deinit(&bytes);
    buffer_deinit(&packed);
}

/* --- times ---------------------------------------------------------------------------------------------- */

static void offsets_by_time(void **state)
{
    struct world *w = *state;
    struct topic *t = topic_of(w, "orders", 1);
    int64_t offset, time;
    assert_int_equal(store_offset_of_latest(w->store, t, 0, &offset, &time), EDDA_ENOTFOUND);
    produced(w, t, 0, &(struct made){ .value = "a", .count = 3, .time_ms = 100 });
    produced(w, t, 0, &(struct made){ .value = "b", .count = 2, .time_ms = 500 });
    produced(w, t, 0, &(struct made){ .value = "c", .count = 3, .time_ms = 300 });
    assert_int_equal(store_offset_at_time(w->store, t, 0, 0, &offset, &time), EDDA_ENOTFOUND);
    flush(w);
    produced(w, t, 0, &(struct made){ .value = "d", .time_ms = 900 });
    static const int64_t cases[][3] = { { 0, 0, 100 }, { 101, 1, 101 }, { 103, 3, 500 }, { 500, 3, 500 }, { 501, 4, 501 } };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(store_offset_at_time(w->store, t, 0, cases[i][0], &offset, &time), 0);
        assert_int_equal(offset, cases[i][1]);
        assert_int_equal(time, cases[i][2]);
    }
    assert_int_equal(store_offset_at_time(w->store, t, 0, 502, &offset, &time), EDDA_ENOTFOUND);
    assert_int_equal(store_offset_of_latest(w->store, t, 0, &offset, &time), 0);
    assert_true(offset == 4 && time == 501);
}

/* The greatest timestamp is what the records say, not what the header claims. */
static void a_wrong_greatest_timestamp_is_put_right(void **state)
{
    struct world *w = *state;
    struct topic *t = topic_of(w, "orders", 1);
    struct buffer bytes = BUFFER_EMPTY;
    int64_t offset, time;
    int32_t wrong;
    struct slice whole = batch_make(&bytes, &(struct made){ .value = "a", .count = 2, .time_ms = 100 });
    put_be64(bytes.data + 35, 5000);
    batch_seal(bytes.data, bytes.len);
    assert_int_equal(append_bytes(w, t, whole, &wrong), 0);
    flush(w);
    assert_int_equal(store_offset_of_latest(w->store, t, 0, &offset, &time), 0);
    assert_true(offset == 1 && time == 101);
    assert_string_equal(fetched(w, t, 0, 0, false), "|0:a0 1:a1");
    buffer_deinit(&bytes);
}

static void set(struct world *w, struct topic *t, const char *name, const char *value)
{
    struct setting_change change = { slice_str(name), slice_str(value), SETTING_SET };
    int r = store_topic_settings_alter(w->store, t, &change, 1, false, &w->error);
    if (r != 0)
        fail_msg("setting: %d %s", r, w->error.message);
}

/* What a topic has set: whose timestamps, how far from now, whether a key is needed, how large a batch may be. */
static void settings_of_the_topic_hold(void **state)
{
    struct world *w = *state;
    struct topic *t = topic_of(w, "orders", 1);
    struct store_batch_appended appended;
    int64_t offset, time, now = store_time_ms(w->store);

    assert_int_equal(produce(w, t, 0, &(struct made){ .value = "a", .count = 2, .time_ms = now + 3600000 }, &appended), EDDA_EINVAL);
    assert_int_equal(appended.wrong_record, 1);
    assert_string_equal(w->error.field, "timestamp");
    set(w, t, "message.timestamp.before.max.ms", "1000");
    assert_int_equal(produce(w, t, 0, &(struct made){ .value = "a", .count = 2, .time_ms = now - 1001 }, &appended), EDDA_EINVAL);
    assert_int_equal(appended.wrong_record, 0);
    assert_int_equal(produce(w, t, 0, &(struct made){ .value = "a", .count = 2, .time_ms = now - 1000 }, &appended), 0);
    assert_int_equal(appended.append_time_ms, -1);

    set(w, t, "message.timestamp.type", "LogAppendTime");
    assert_int_equal(produce(w, t, 0, &(struct made){ .value = "b", .count = 2, .time_ms = 5 }, &appended), 0);
    assert_true(appended.append_time_ms >= now);
    flush(w);
    assert_int_equal(store_offset_at_time(w->store, t, 0, appended.append_time_ms, &offset, &time), 0);
    assert_true(offset == 2 && time == appended.append_time_ms);
    assert_string_equal(fetched(w, t, 0, 0, false), "|0:a0 1:a1 |2:b0 3:b1");

    set(w, t, "cleanup.policy", "compact");
    assert_int_equal(produce(w, t, 0, PLAIN("c"), &appended), EDDA_EINVAL);
    assert_string_equal(w->error.field, "key");
    assert_int_equal(appended.wrong_record, 0);
    assert_int_equal(produced(w, t, 0, &(struct made){ .key = "k", .value = "c" }), 4);
    set(w, t, "max.message.bytes", "70");
    assert_int_equal(produce(w, t, 0, &(struct made){ .key = "k", .value = "c" }, &appended), EDDA_ETOOLARGE);
}

/* --- limits ---------------------------------------------------------------------------------------------------- */

static void a_record_has_so_many_headers_and_no_more(void **state)
{
    struct world *w = *state;
    struct topic *t = topic_of(w, "orders", 1);
    struct store_batch_appended appended;
    struct buffer headers = BUFFER_EMPTY;
    for (int i = 0; i < STORE_HEADERS_MAX; i++)
        record_headers_put(&headers, SLICE("h"), SLICE("1"));
    struct made made = { .value = "a", .count = 2, .headers = buffer_slice(&headers), .header_count = STORE_HEADERS_MAX };
    assert_int_equal(produced(w, t, 0, &made), 0);
    record_headers_put(&headers, SLICE("h"), SLICE("1"));
    made.headers = buffer_slice(&headers);
    made.header_count++;
    assert_int_equal(produce(w, t, 0, &made, &appended), EDDA_EINVAL);
    assert_string_equal(w->error.field, "headers");
    assert_int_equal(appended.wrong_record, 0);
    assert_int_equal(store_next_offset(t, 0), 2);
    buffer_deinit(&headers);
}

static void all_topics_have_so_many_partitions_and_no_more(void **state)
{
    struct world *w = *state;
    struct store_stats stats;
    struct topic *topic, *small = topic_of(w, "small", 1);
    char name[20];
    int r = 0, made = 0;
    for (; r == 0 && made < 100; made++) {
        (void)snprintf(name, sizeof name, "t%d", made);
        r = store_topic_ensure(w->store, slice_str(name), STORE_PARTITIONS_MAX, &topic, &w->error);
    }
    assert_int_equal(r, EDDA_ELIMIT);
    assert_string_equal(w->error.field, "partitions");
    store_stats(w->store, &stats);
    assert_true(stats.partitions <= STORE_PARTITIONS_ALL_MAX && stats.partitions > STORE_PARTITIONS_ALL_MAX - STORE_PARTITIONS_MAX);
    assert_int_equal(stats.partitions_of_topic, STORE_PARTITIONS_MAX);
    assert_null(store_topic(w->store, slice_str(name)));
    /* What is left can be had, to the last. */
    uint32_t left = (uint32_t)(STORE_PARTITIONS_ALL_MAX - stats.partitions);
    assert_int_equal(store_topic_grow(w->store, small, left + 2, &w->error), EDDA_ELIMIT);
    assert_int_equal(small->partition_count, 1);
    assert_int_equal(store_topic_grow(w->store, small, left + 1, &w->error), 0);
    assert_int_equal(store_topic_ensure(w->store, SLICE("more"), 1, &topic, &w->error), EDDA_ELIMIT);
}

static void the_largest_batch_is_the_stores_to_choose(void **state)
{
    struct world *w = *state;
    struct store_batch_appended appended;
    w->options.message_bytes_max = 70;
    reopen(w);
    struct topic *t = topic_of(w, "orders", 1), *own = topic_of(w, "own", 1);
    set(w, own, "max.message.bytes", "1000");
    for (int round = 0; round < 2; round++) {
        assert_int_equal(topic_setting_get(t, TOPIC_MAX_MESSAGE_BYTES), 70);
        assert_int_equal(topic_setting_get(own, TOPIC_MAX_MESSAGE_BYTES), 1000);
        assert_int_equal(produce(w, t, 0, &(struct made){ .key = "k", .value = "c" }, &appended), EDDA_ETOOLARGE);
        produced(w, own, 0, &(struct made){ .key = "k", .value = "c" });
        /* Another setting does not bring the old default back. */
        set(w, t, "retention.ms", "1000000");
        reopen(w);
        t = topic_of(w, "orders", 1), own = topic_of(w, "own", 1);
    }
}

/* --- loading ------------------------------------------------------------------------------------------------ */

static void what_is_not_in_memory_is_asked_for(void **state)
{
    struct world *w = *state;
    struct topic *t = topic_of(w, "orders", 1);
    struct store_fetch fetch = { .topic = t, .offset = 1, .bytes_max = 1000, .loaded_only = true };
    size_t batches = 0;
    for (int i = 0; i < 5; i++)
        produced(w, t, 0, PLAIN("a"));
    flush(w);
    io_simulated_unload(w->io, 1);
    assert_int_equal(store_fetch(w->store, &fetch, count_bytes, &batches, &w->error), EDDA_EBUSY);
    assert_int_equal(batches, 0);
    assert_true(io_simulated_loads(w->io) > 0);
    io_simulated_unload(w->io, 0);
    assert_true(store_fetch(w->store, &fetch, count_bytes, &batches, &w->error) > 0);
    assert_int_equal(batches, 4);
    /* Whoever waits for the disk is given it anyway, and at the end there is nothing to wait for. */
    io_simulated_unload(w->io, 1);
    batches = 0;
    fetch.loaded_only = false;
    assert_true(store_fetch(w->store, &fetch, count_bytes, &batches, &w->error) > 0);
    assert_int_equal(batches, 4);
    fetch = (struct store_fetch){ .topic = t, .offset = 5, .bytes_max = 1000, .loaded_only = true };
    assert_int_equal(store_fetch(w->store, &fetch, count_bytes, &batches, &w->error), 0);
}

static void what_comes_next_is_asked_for_too(void **state)
{
    struct world *w = *state;
    struct topic *t = topic_of(w, "orders", 1);
    struct store_fetch fetch = { .topic = t, .bytes_max = 10, .first_whole = true, .loaded_only = true };
    size_t batches = 0;
    uint64_t ahead = 0;
    for (int i = 0; i < 100; i++)
        produced(w, t, 0, PLAIN("a"));
    flush(w);
    assert_true(store_fetch(w->store, &fetch, count_bytes, &batches, &w->error) > 0);
    assert_int_equal(batches, 1);
    assert_int_equal(io_simulated_loads(w->io), 0);
    /* By chance what is asked for is in memory and what comes behind is not. */
    io_simulated_unload(w->io, 3);
    for (int i = 0; i < 200; i++) {
        uint64_t before = io_simulated_loads(w->io);
        batches = 0;
        int64_t given = store_fetch(w->store, &fetch, count_bytes, &batches, &w->error);
        assert_true(given == EDDA_EBUSY ? batches == 0 : given > 0 && batches == 1);
        ahead += given > 0 ? io_simulated_loads(w->io) - before : 0;
    }
    assert_true(ahead > 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(batches_are_given_as_they_came),
        TEST(offsets_outside_are_refused),
        TEST(bytes_are_limited),
        TEST(what_is_not_in_memory_is_asked_for),
        TEST(what_comes_next_is_asked_for_too),
        TEST(own_records_and_batches_mix),
        TEST(a_correlation_is_found),
        TEST(what_is_durable_is_told),
        TEST(what_is_not_durable_is_not_given),
        TEST(wrong_batches_are_refused),
        TEST(large_batches),
        TEST(many_small_batches),
        TEST(compressed_batches),
        TEST(wrong_compressed_batches_are_refused),
        TEST(many_compressed_batches_are_read),
        TEST(offsets_by_time),
        TEST(settings_of_the_topic_hold),
        TEST(a_wrong_greatest_timestamp_is_put_right),
        TEST(a_record_has_so_many_headers_and_no_more),
        TEST(all_topics_have_so_many_partitions_and_no_more),
        TEST(the_largest_batch_is_the_stores_to_choose),
    };
    return cmocka_run_group_tests_name("partitions", tests, NULL, NULL);
}
