/*
 * What consumers and readers of streams find in batches from which compaction has taken records: tests/sim/compaction.c does all of it at random.
 */
#include "base/put.h"
#include "partition_rig.h"
#include "store/internal.h"
#include "wire/kafka/compression.h"

static struct topic *compacted_topic(struct world *w)
{
    const struct setting_change changes[] = { { SLICE("cleanup.policy"), SLICE("compact"), SETTING_SET }, { SLICE("delete.retention.ms"), SLICE("0"), SETTING_SET } };
    store_close(w->store);
    io_simulated_reset(w->io, &(struct io_simulated_options){ .seed = 1 });
    w->options.log.segment_bytes = LOG_SEGMENT_BYTES_MIN;
    w->options.frames_kept = 1;
    w->options.scavenge_interval_ms = -1;
    w->options.scavenge_bytes_per_second = UINT64_C(1) << 30;
    world_open(w);
    struct topic *topic = topic_of(w, "t", 1);
    assert_int_equal(store_topic_settings_alter(w->store, topic, changes, 2, false, &w->error), 0);
    return topic;
}

/* A batch of keys "a", "b", "c", … one for each letter, with the values that are told; the n-th has the time 1000 + n. */
static void batch(struct world *w, struct topic *topic, const char *keys, int compression)
{
    static int number;
    struct buffer out = BUFFER_EMPTY, packed = BUFFER_EMPTY;
    struct batch_builder builder;
    struct store_batch_appended appended;
    batch_builder_init(&builder, &out);
    for (size_t i = 0; keys[i]; i++) {
        char value[120];
        snprintf(value, sizeof(value), "%c%zu of batch %d, and so much that what is left of it finds room", keys[i], i, number);
        batch_builder_add(&builder, 1000 + (int64_t)i, slice_of(&keys[i], 1), slice_str(value), slice_of(NULL, 0), 0);
    }
    number++;
    batch_builder_finish(&builder, 0, 0);
    if (compression) {
        assert_int_equal(compression_compress((enum compression)compression, slice_from(buffer_slice(&out), BATCH_HEADER_BYTES), &packed, &w->error), 0);
        buffer_truncate(&out, BATCH_HEADER_BYTES);
        buffer_append_slice(&out, buffer_slice(&packed));
        put_be32(out.data + 8, (uint32_t)out.len - 12);
        put_be16(out.data + 21, (uint16_t)compression);
        batch_seal(out.data, out.len);
    }
    const struct store_batch given = { .topic = topic, .bytes = buffer_slice(&out), .zstd_allowed = true };
    assert_int_equal(store_batch_append(w->store, &given, &appended, &w->error), 0);
    flush(w);
    buffer_deinit(&out);
    buffer_deinit(&packed);
}

/* So that what was written lies in a segment that is full; then everything that can go goes. */
static void compact(struct world *w)
{
    struct topic *other = topic_of(w, "other", 1);
    uint8_t filler[8192] = { 1 };
    for (int i = 0; i < 20; i++) {
        struct store_message m = { .topic = other, .key = SLICE("k"), .value = slice_of(filler, sizeof(filler)), .partition = -1 };
        assert_int_equal(store_append(w->store, NULL, 0, &m, 1, false, NULL, &w->error), 0);
        flush(w);
    }
    store_scavenge_start(w->store, true);
    while (store_scavenging(w->store)) {
        store_maintain(w->store);
        io_simulated_advance(w->io, 1000000);
        io_jobs_finish(w->io);
    }
}

static int offsets_visit(void *user, struct slice bytes)
{
    struct text *text = user;
    struct batch b;
    struct record record;
    struct buffer plain = BUFFER_EMPTY;
    assert_int_equal(batch_parse(bytes, &b, NULL), bytes.len);
    assert_int_equal(batch_check_stored(&b, NULL), 0);
    assert_int_equal(compression_decompress((enum compression)(b.attributes & BATCH_COMPRESSION), b.records, 1 << 20, &plain, NULL), 0);
    text->len += (size_t)snprintf(text->bytes + text->len, sizeof(text->bytes) - text->len, "%lld-%lld:", (long long)b.base_offset, (long long)(b.base_offset + b.last_offset_delta));
    for (struct cursor c = cursor_of(buffer_slice(&plain)); batch_next(&b, &c, &record);)
        text->len += (size_t)snprintf(text->bytes + text->len, sizeof(text->bytes) - text->len, " %lld%.2s", (long long)record.offset, (const char *)record.value.data);
    text->len += (size_t)snprintf(text->bytes + text->len, sizeof(text->bytes) - text->len, "; ");
    buffer_deinit(&plain);
    return 0;
}

static void fetch_is(struct world *w, struct topic *topic, int64_t offset, const char *wanted)
{
    struct text text = { .len = 0 };
    const struct store_fetch fetch = { .topic = topic, .offset = offset, .bytes_max = 100000, .first_whole = true };
    assert_true(store_fetch(w->store, &fetch, offsets_visit, &text, &w->error) >= 0);
    assert_string_equal(text.bytes, wanted);
}

static void time_is(struct world *w, struct topic *topic, int64_t time_ms, int64_t wanted)
{
    int64_t offset, found_ms;
    assert_int_equal(store_offset_at_time(w->store, topic, 0, time_ms, &offset, &found_ms), 0);
    assert_int_equal(offset, wanted);
}

/* Each batch as it lies, gaps by offset, times, versions; also when all but the log is lost. */
static void batches_are_thin(struct world *w, int compression)
{
    struct topic *topic = compacted_topic(w);
    batch(w, topic, "abcab", compression);
    batch(w, topic, "aaa", compression);
    batch(w, topic, "dba", compression);
    batch(w, topic, "ab", compression);
    compact(w);
    for (int round = 0; round < 3; round++) {
        topic = store_topic(w->store, SLICE("t"));
        fetch_is(w, topic, 0, "0-4: 2c2; 8-10: 8d0; 11-12: 11a0 12b1; ");
        /* In a gap of a batch, the batch is given, as Kafka does; in a batch without records, the next one. */
        fetch_is(w, topic, 3, "0-4: 2c2; 8-10: 8d0; 11-12: 11a0 12b1; ");
        fetch_is(w, topic, 6, "8-10: 8d0; 11-12: 11a0 12b1; ");
        fetch_is(w, topic, 13, "");
        time_is(w, topic, 0, 2);
        time_is(w, topic, 1002, 2);
        struct stream_info info;
        assert_int_equal(store_stream_info(w->store, SLICE("t"), SLICE("a"), &info), 0);
        assert_int_equal(info.next_version, 7);
        verify(w);
        if (round == 0)
            crash(w);
        else
            lose_index(w);
    }
}

static void a_batch_loses_what_is_superseded(void **state)
{
    batches_are_thin(*state, COMPRESSION_NONE);
}

static void a_compressed_batch_is_compressed_again(void **state)
{
    if (compression_supported(COMPRESSION_GZIP))
        batches_are_thin(*state, COMPRESSION_GZIP);
}

static void a_compacted_topic_takes_no_record_without_a_key(void **state)
{
    struct world *w = *state;
    struct topic *topic = compacted_topic(w);
    struct store_message m = { .topic = topic, .value = SLICE("v"), .partition = -1 };
    struct store_batch_appended appended;
    assert_int_equal(store_append(w->store, NULL, 0, &m, 1, false, NULL, &w->error), EDDA_EINVAL);
    assert_string_equal(w->error.field, "key");
    assert_int_equal(produce(w, topic, 0, &(struct made){ .value = "v" }, &appended), EDDA_EINVAL);
    assert_int_equal(store_next_offset(topic, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_batch_loses_what_is_superseded, setup, teardown),
        cmocka_unit_test_setup_teardown(a_compressed_batch_is_compressed_again, setup, teardown),
        cmocka_unit_test_setup_teardown(a_compacted_topic_takes_no_record_without_a_key, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
