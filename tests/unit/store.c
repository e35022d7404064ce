/*
 * The store: topics, streams and conditions, identities, reading, metadata, tables, and what is left after a close, a crash and
 * the loss of the index. All on the simulated io.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "io/simulated.h"
#include "store/store.h"

#define DIR "/data"
#define KEYED(k) .key = SLICE(k), .partition = -1
#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

struct world {
    struct io *io;
    struct store *store;
    struct store_options options;
    struct edda_error error;
};

static void world_open(struct world *w)
{
    int r = store_open(w->io, DIR, &w->options, &w->store, NULL, &w->error);
    if (r != 0)
        fail_msg("open: %d %s", r, w->error.message);
}

static int setup(void **state)
{
    static struct world w;
    w = (struct world){ .options = { .log = { .segment_bytes = UINT64_C(256) << 10 } } };
    w.io = io_simulated_new(&(struct io_simulated_options){ .seed = 1 });
    if (!w.io)
        return -1;
    world_open(&w);
    *state = &w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    store_close(w->store);
    io_simulated_free(w->io);
    return 0;
}

static void reopen(struct world *w)
{
    store_close(w->store);
    world_open(w);
}

static void crash(struct world *w)
{
    io_simulated_crash(w->io, false);
    store_abandon(w->store);
    world_open(w);
}

static int remove_entry(void *user, const char *name)
{
    char path[128];
    snprintf(path, sizeof(path), DIR "/index/%s", name);
    return io_file_remove(user, path);
}

static void lose_index(struct world *w)
{
    store_close(w->store);
    int r = io_dir_list(w->io, DIR "/index", remove_entry, w->io);
    assert_true(r == 0 || r == EDDA_ENOTFOUND);
    world_open(w);
}

static struct topic *topic_of(struct world *w, const char *name, uint32_t partitions)
{
    struct topic *topic = NULL;
    int r = store_topic_ensure(w->store, slice_str(name), partitions, &topic, &w->error);
    if (r != 0)
        fail_msg("topic %s: %d %s", name, r, w->error.message);
    return topic;
}

static struct store_appended put(struct world *w, struct topic *topic, const char *key, const char *value)
{
    struct store_appended appended;
    struct store_message m = { .topic = topic, .key = slice_str(key), .value = slice_str(value), .partition = -1 };
    int r = store_append(w->store, NULL, 0, &m, 1, true, &appended, &w->error);
    if (r != 0)
        fail_msg("append: %d %s", r, w->error.message);
    return appended;
}

static int put_expecting(struct world *w, struct topic *topic, const char *key, int64_t expected)
{
    struct store_message m = { .topic = topic, .key = slice_str(key), .value = SLICE("x"), .partition = -1 };
    struct store_condition c = { slice_str(topic->name), slice_str(key), expected };
    return store_append(w->store, &c, 1, &m, 1, false, NULL, &w->error);
}

static void flush(struct world *w)
{
    int r = store_flush(w->store, &w->error);
    if (r != 0)
        fail_msg("flush: %d %s", r, w->error.message);
}

/* Values as visited, each with its version, joined: "a@0 b@1". */
struct seen {
    char text[4096];
    size_t len;
};

static int see(void *user, const struct store_record *record, int64_t version)
{
    struct seen *s = user;
    const char *space = s->len ? " " : "";
    int n = version < 0 ? snprintf(s->text + s->len, sizeof(s->text) - s->len, "%s%.*s", space,
                                   (int)record->record.value.len, (const char *)record->record.value.data) :
                          snprintf(s->text + s->len, sizeof(s->text) - s->len, "%s%.*s@%lld", space,
                                   (int)record->record.value.len, (const char *)record->record.value.data, (long long)version);
    s->len += (size_t)n;
    assert_true(s->len < sizeof(s->text));
    return 0;
}

/* Appends a word to a text. */
static void join(char *text, size_t size, const char *word)
{
    size_t len = strlen(text);
    int n = snprintf(text + len, size - len, "%s%s", len ? " " : "", word);
    assert_true(n > 0 && len + (size_t)n < size);
}

static void expect_stream(struct world *w, const char *topic, const char *key, int64_t version, bool backward, uint64_t max,
                          const char *expected)
{
    struct seen s = { 0 };
    int64_t n = store_stream_read(w->store, slice_str(topic), slice_str(key), version, backward, max, see, &s);
    if (n < 0)
        fail_msg("stream %s/%s: %lld %s", topic, key, (long long)n, store_read_error(w->store)->message);
    assert_string_equal(s.text, expected);
}

static void expect_cursor(struct world *w, uint64_t position, struct topic *only, const char *expected)
{
    struct seen s = { 0 };
    struct store_cursor cursor;
    struct store_record record;
    int r;
    store_cursor_init(&cursor, position, only);
    while ((r = store_cursor_next(w->store, &cursor, &record, &w->error)) == 1)
        if (!record.topic->internal)
            see(&s, &record, -1);
    if (r != 0)
        fail_msg("cursor: %d %s", r, w->error.message);
    store_cursor_deinit(&cursor);
    assert_string_equal(s.text, expected);
}

static void expect_whole(struct world *w)
{
    int64_t found = store_verify(w->store, NULL, NULL, &w->error);
    if (found != 0)
        fail_msg("verify: %lld %s", (long long)found, w->error.message);
}

/* --- topics and streams ------------------------------------------------------------------------------- */

static void a_topic_has_its_partitions_after_a_reopen(void **state)
{
    struct world *w = *state;
    struct topic *orders = topic_of(w, "orders", 3);
    uint8_t id[16];
    memcpy(id, orders->id, sizeof(id));
    assert_ptr_equal(topic_of(w, "orders", 7), orders);
    topic_of(w, "points", 0);
    put(w, orders, "1", "a");
    reopen(w);
    orders = store_topic(w->store, SLICE("orders"));
    assert_non_null(orders);
    assert_int_equal(orders->partition_count, 3);
    assert_memory_equal(orders->id, id, sizeof(id));
    assert_int_equal(store_topic(w->store, SLICE("points"))->partition_count, 1);
    assert_null(store_topic(w->store, SLICE("nothing")));
    unsigned count = 0;
    for (struct topic *t = store_topic_each(w->store, NULL); t; t = store_topic_each(w->store, t))
        count += !t->internal;
    assert_int_equal(count, 2);
}

static void a_bad_topic_name_is_refused(void **state)
{
    struct world *w = *state;
    struct topic *topic;
    char longest[STORE_TOPIC_NAME_MAX + 2];
    memset(longest, 'a', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    const char *names[] = { "", ".", "..", "a/b", "a b", longest };
    for (size_t i = 0; i < COUNT_OF(names); i++)
        assert_int_equal(store_topic_ensure(w->store, slice_str(names[i]), 1, &topic, &w->error), EDDA_EINVAL);
    assert_int_equal(store_topic_ensure(w->store, SLICE("wide"), STORE_PARTITIONS_MAX + 1, &topic, &w->error), EDDA_ELIMIT);
    assert_int_equal(store_topic_ensure(w->store, slice_str(longest + 1), 1, &topic, &w->error), 0);
}

static void versions_count_per_stream_and_offsets_per_partition(void **state)
{
    struct world *w = *state;
    struct topic *orders = topic_of(w, "orders", 1);
    assert_int_equal(put(w, orders, "1", "a").version, 0);
    assert_int_equal(put(w, orders, "2", "b").version, 0);
    struct store_appended third = put(w, orders, "1", "c");
    assert_int_equal(third.version, 1);
    assert_int_equal(third.offset, 2);
    assert_int_equal(third.position, store_tail(w->store) - 1);
    assert_int_equal(store_next_offset(orders, 0), 3);
    expect_stream(w, "orders", "1", 0, false, 10, "a@0 c@1");
    expect_stream(w, "orders", "1", -1, true, 10, "c@1 a@0");
    expect_stream(w, "orders", "1", 1, false, 10, "c@1");
    expect_stream(w, "orders", "1", 0, true, 10, "a@0");
    expect_stream(w, "orders", "3", 0, false, 10, "");
    flush(w);
    put(w, orders, "1", "d");
    expect_stream(w, "orders", "1", 0, false, 10, "a@0 c@1 d@2");
    expect_stream(w, "orders", "1", -1, true, 2, "d@2 c@1");
    struct store_record last;
    assert_int_equal(store_stream_last(w->store, SLICE("orders"), SLICE("1"), &last), 0);
    assert_true(slice_eq_str(last.record.value, "d"));
    assert_int_equal(store_stream_last(w->store, SLICE("orders"), SLICE("9"), &last), EDDA_ENOTFOUND);
}

static void a_record_without_key_is_in_no_stream(void **state)
{
    struct world *w = *state;
    struct topic *orders = topic_of(w, "orders", 2);
    struct store_message m = { .topic = orders, .value = SLICE("a"), .partition = -1 };
    struct store_appended appended;
    assert_int_equal(store_append(w->store, NULL, 0, &m, 1, true, &appended, &w->error), 0);
    assert_int_equal(appended.version, -1);
    assert_int_equal(appended.offset, 0);
    struct stream_info info;
    assert_int_equal(store_stream_info(w->store, SLICE("orders"), SLICE(""), &info), 0);
    assert_int_equal(info.next_version, 0);
    /* The empty key is a key. */
    put(w, orders, "", "b");
    assert_int_equal(store_stream_info(w->store, SLICE("orders"), SLICE(""), &info), 0);
    assert_int_equal(info.next_version, 1);
    expect_cursor(w, 0, NULL, "a b");
}

static void expected_versions_are_held(void **state)
{
    struct world *w = *state;
    struct topic *orders = topic_of(w, "orders", 1);
    assert_int_equal(put_expecting(w, orders, "1", STORE_EXISTS), EDDA_EVERSION);
    assert_int_equal(put_expecting(w, orders, "1", 0), EDDA_EVERSION);
    assert_int_equal(put_expecting(w, orders, "1", STORE_NONE), 0);
    assert_int_equal(put_expecting(w, orders, "1", STORE_NONE), EDDA_EVERSION);
    assert_string_equal(w->error.message, "stream orders/1 is at version 0, expected new");
    assert_int_equal(put_expecting(w, orders, "1", 0), 0);
    flush(w);
    assert_int_equal(put_expecting(w, orders, "1", 0), EDDA_EVERSION);
    assert_string_equal(w->error.message, "stream orders/1 is at version 1, expected at version 0");
    assert_int_equal(put_expecting(w, orders, "1", STORE_EXISTS), 0);
    assert_int_equal(put_expecting(w, orders, "1", STORE_ANY), 0);
    assert_int_equal(put_expecting(w, orders, "1", -4), EDDA_EINVAL);
    /* One failed condition of several refuses everything. */
    uint64_t tail = store_tail(w->store);
    struct store_message m[] = { { .topic = orders, KEYED("1") }, { .topic = orders, KEYED("2") } };
    struct store_condition c[] = { { SLICE("orders"), SLICE("1"), 3 }, { SLICE("orders"), SLICE("2"), 0 } };
    assert_int_equal(store_append(w->store, c, 2, m, 2, false, NULL, &w->error), EDDA_EVERSION);
    assert_int_equal(store_tail(w->store), tail);
}

static void limits_are_errors_and_change_nothing(void **state)
{
    struct world *w = *state;
    struct topic *orders = topic_of(w, "orders", 2);
    static uint8_t large[STORE_RECORD_MAX];
    uint64_t tail = store_tail(w->store);
    struct store_message m = { .topic = orders, KEYED("1"), .value = slice_of(large, sizeof(large)) };
    assert_int_equal(store_append(w->store, NULL, 0, &m, 1, false, NULL, &w->error), EDDA_ETOOLARGE);
    m.value = SLICE("x");
    m.key = slice_of(large, STORE_KEY_MAX + 1);
    assert_int_equal(store_append(w->store, NULL, 0, &m, 1, false, NULL, &w->error), EDDA_ETOOLARGE);
    m.key = SLICE("1");
    m.partition = 2;
    assert_int_equal(store_append(w->store, NULL, 0, &m, 1, false, NULL, &w->error), EDDA_EINVAL);
    m.partition = -1;
    m.timestamp_ms = -2;
    assert_int_equal(store_append(w->store, NULL, 0, &m, 1, false, NULL, &w->error), EDDA_EINVAL);
    assert_int_equal(store_append(w->store, NULL, 0, &m, 0, false, NULL, &w->error), EDDA_EINVAL);
    static struct store_message many[STORE_APPEND_RECORDS_MAX + 1];
    assert_int_equal(store_append(w->store, NULL, 0, many, COUNT_OF(many), false, NULL, &w->error), EDDA_ELIMIT);
    assert_int_equal(store_tail(w->store), tail);
}

static void a_stream_stays_in_the_partition_of_its_last_record(void **state)
{
    struct world *w = *state;
    struct topic *orders = topic_of(w, "orders", 4);
    struct store_record last;
    put(w, orders, "k", "a");
    store_stream_last(w->store, SLICE("orders"), SLICE("k"), &last);
    uint32_t hashed = last.partition, other = (hashed + 1) % 4;
    assert_int_equal(hashed, (hash_murmur2(SLICE("k")) & INT32_MAX) % 4);
    struct store_message elsewhere = { .topic = orders, .key = SLICE("k"), .value = SLICE("b"), .partition = (int32_t)other };
    assert_int_equal(store_append(w->store, NULL, 0, &elsewhere, 1, false, NULL, &w->error), 0);
    put(w, orders, "k", "c");
    store_stream_last(w->store, SLICE("orders"), SLICE("k"), &last);
    assert_int_equal(last.partition, other);
    crash(w);
    assert_null(store_topic(w->store, SLICE("orders")));
    orders = topic_of(w, "orders", 2);
    put(w, orders, "k", "a");
    store_stream_last(w->store, SLICE("orders"), SLICE("k"), &last);
    hashed = last.partition;
    assert_int_equal(store_topic_grow(w->store, orders, 9, &w->error), 0);
    assert_int_equal(store_topic_grow(w->store, orders, 5, &w->error), EDDA_EINVAL);
    for (int i = 0; i < 2; i++) {
        put(w, orders, "k", "b");
        store_stream_last(w->store, SLICE("orders"), SLICE("k"), &last);
        assert_int_equal(last.partition, hashed);
        reopen(w);
        orders = store_topic(w->store, SLICE("orders"));
        assert_int_equal(orders->partition_count, 9);
    }
}

static void records_of_many_partitions_keep_their_order(void **state)
{
    struct world *w = *state;
    struct topic *a = topic_of(w, "a", 4), *b = topic_of(w, "b", 3);
    char expected[4096] = "", only_b[4096] = "";
    uint64_t from = store_tail(w->store);
    for (int i = 0; i < 60; i++) {
        char key[16], value[16];
        snprintf(key, sizeof(key), "k%d", i % 11);
        snprintf(value, sizeof(value), "%s%d", i % 3 ? "a" : "b", i);
        put(w, i % 3 ? a : b, key, value);
        join(expected, sizeof(expected), value);
        if (i % 3 == 0)
            join(only_b, sizeof(only_b), value);
        if (i % 17 == 0)
            flush(w);
    }
    for (int i = 0; i < 3; i++) {
        expect_cursor(w, from, NULL, expected);
        expect_cursor(w, 0, store_topic(w->store, SLICE("b")), only_b);
        expect_stream(w, "a", "k4", 0, false, 2, i < 9 ? "a4@0 a26@1" : "");
        if (i == 0)
            reopen(w);
        else
            lose_index(w);
        expect_whole(w);
    }
}

static void a_partition_is_read_from_any_offset(void **state)
{
    struct world *w = *state;
    struct topic *a = topic_of(w, "a", 1), *b = topic_of(w, "b", 1);
    char expected[512] = "";
    for (int i = 0; i < 30; i++) {
        char value[16];
        snprintf(value, sizeof(value), "%d", i);
        put(w, a, "k", value);
        put(w, b, "k", "x");
        if (i % 4 == 0)
            flush(w);
        if (i >= 13)
            join(expected, sizeof(expected), value);
    }
    for (int i = 0; i < 2; i++) {
        struct seen s = { 0 };
        a = store_topic(w->store, SLICE("a"));
        assert_int_equal(store_partition_read(w->store, a, 0, 13, 100, see, &s), 17);
        assert_string_equal(s.text, expected);
        s = (struct seen){ 0 };
        assert_int_equal(store_partition_read(w->store, a, 0, 3, 2, see, &s), 2);
        assert_string_equal(s.text, "3 4");
        assert_int_equal(store_partition_read(w->store, a, 0, 30, 2, see, &s), 0);
        reopen(w);
    }
}

/* --- identities and correlation ----------------------------------------------------------------------- */

static struct store_message identified(struct topic *topic, const char *key, const char *id, const char *value)
{
    return (struct store_message){
        .topic = topic,
        .key = slice_str(key),
        .value = slice_str(value),
        .partition = -1,
        .event = { .id = slice_str(id), .source = SLICE("/till"), .type = SLICE("Sold"), .correlation = SLICE("c1") },
        .identify = true,
    };
}

static void a_repeat_gets_the_first_result(void **state)
{
    struct world *w = *state;
    struct topic *orders = topic_of(w, "orders", 1);
    struct store_condition none = { SLICE("orders"), SLICE("1"), STORE_NONE };
    struct store_message m[] = { identified(orders, "1", "a", "A"), identified(orders, "1", "b", "B") };
    struct store_appended first, again;
    assert_int_equal(store_append(w->store, &none, 1, m, 2, true, &first, &w->error), 0);
    assert_false(first.repeated);
    for (int i = 0; i < 4; i++) {
        /* The condition has moved by the append itself: a repeat is not held to it. */
        uint64_t tail = store_tail(w->store);
        assert_int_equal(store_append(w->store, &none, 1, m, 2, true, &again, &w->error), 0);
        assert_true(again.repeated);
        assert_int_equal(again.position, first.position);
        assert_int_equal(again.offset, first.offset);
        assert_int_equal(again.version, 1);
        assert_int_equal(store_tail(w->store), tail);
        struct store_message other = identified(orders, "1", "a", "another");
        assert_int_equal(store_append(w->store, NULL, 0, &other, 1, true, &again, &w->error), EDDA_EDUPLICATE);
        struct store_message half[] = { m[0], identified(orders, "1", "new", "N") };
        assert_int_equal(store_append(w->store, NULL, 0, half, 2, true, &again, &w->error), EDDA_EDUPLICATE);
        uint64_t position;
        assert_int_equal(store_identity(w->store, SLICE("/till"), SLICE("b"), &position), 0);
        assert_int_equal(position, first.position + 1);
        assert_int_equal(store_identity(w->store, SLICE("/till"), SLICE("c"), &position), EDDA_ENOTFOUND);
        if (i == 0)
            flush(w);
        else if (i == 1)
            reopen(w);
        else
            lose_index(w);
        orders = store_topic(w->store, SLICE("orders"));
        m[0].topic = m[1].topic = orders;
    }
    struct store_message twins[] = { identified(orders, "1", "t", "T"), identified(orders, "1", "t", "T") };
    assert_int_equal(store_append(w->store, NULL, 0, twins, 2, true, &again, &w->error), EDDA_EDUPLICATE);
}

static void what_is_not_to_be_identified_is_not(void **state)
{
    struct world *w = *state;
    struct topic *orders = topic_of(w, "orders", 1);
    struct store_message m = identified(orders, "1", "a", "A");
    uint64_t position;
    m.identify = false;
    for (int i = 0; i < 3; i++) {
        m.topic = store_topic(w->store, SLICE("orders"));
        assert_int_equal(store_append(w->store, NULL, 0, &m, 1, false, NULL, &w->error), 0);
        assert_int_equal(store_identity(w->store, SLICE("/till"), SLICE("a"), &position), EDDA_ENOTFOUND);
        lose_index(w);
    }
}

static void a_message_with_a_type_gets_an_id(void **state)
{
    struct world *w = *state;
    struct topic *orders = topic_of(w, "orders", 1);
    struct store_message m = { .topic = orders, KEYED("1"), .event = { .type = SLICE("Sold") } };
    struct store_appended appended;
    struct store_record record;
    struct cloudevent event;
    assert_int_equal(store_append(w->store, NULL, 0, &m, 1, false, &appended, &w->error), 0);
    assert_int_equal(store_position_read(w->store, appended.position, &record), 0);
    assert_true(cloudevent_get(&record.record, &event));
    assert_int_equal(event.id.len, 36);
    assert_int_equal(event.id.data[14], '7');
    assert_null(record.record.value.data);
}

static void a_correlation_is_read_across_streams(void **state)
{
    struct world *w = *state;
    struct topic *orders = topic_of(w, "orders", 1), *points = topic_of(w, "points", 1);
    struct store_message m = identified(orders, "1", "a", "A");
    assert_int_equal(store_append(w->store, NULL, 0, &m, 1, false, NULL, &w->error), 0);
    put(w, orders, "1", "other");
    flush(w);
    /* It may also have come as an encoded header. */
    struct buffer headers = BUFFER_EMPTY;
    record_headers_put(&headers, SLICE("ce_correlationid"), SLICE("c1"));
    struct store_message encoded = { .topic = points, KEYED("x"), .value = SLICE("P"), .headers = buffer_slice(&headers), .header_count = 1 };
    assert_int_equal(store_append(w->store, NULL, 0, &encoded, 1, false, NULL, &w->error), 0);
    buffer_deinit(&headers);
    for (int i = 0; i < 3; i++) {
        struct seen s = { 0 };
        assert_int_equal(store_correlation_read(w->store, SLICE("c1"), 10, see, &s), 2);
        assert_string_equal(s.text, "A P");
        lose_index(w);
    }
}

/* --- metadata and tables ------------------------------------------------------------------------------ */

static void a_truncated_stream_begins_later(void **state)
{
    struct world *w = *state;
    struct topic *orders = topic_of(w, "orders", 1);
    for (const char *v = "a\0b\0c\0d\0"; *v; v += 2)
        put(w, orders, "1", v);
    assert_int_equal(store_stream_truncate(w->store, SLICE("orders"), SLICE("1"), 5, &w->error), EDDA_EINVAL);
    assert_int_equal(store_stream_truncate(w->store, SLICE("orders"), SLICE("9"), 0, &w->error), EDDA_ENOTFOUND);
    assert_int_equal(store_stream_truncate(w->store, SLICE("orders"), SLICE("1"), 2, &w->error), 0);
    for (int i = 0; i < 2; i++) {
        expect_stream(w, "orders", "1", 0, false, 10, "c@2 d@3");
        expect_stream(w, "orders", "1", -1, true, 10, "d@3 c@2");
        expect_stream(w, "orders", "1", 1, true, 10, "");
        reopen(w);
    }
    assert_int_equal(store_stream_truncate(w->store, SLICE("orders"), SLICE("1"), 4, &w->error), 0);
    expect_stream(w, "orders", "1", 0, false, 10, "");
    orders = store_topic(w->store, SLICE("orders"));
    assert_int_equal(put_expecting(w, orders, "1", STORE_NONE), EDDA_EVERSION);
    assert_int_equal(put(w, orders, "1", "e").version, 4);
    expect_stream(w, "orders", "1", 0, false, 10, "e@4");
}

static void a_deleted_stream_goes_on_with_its_versions(void **state)
{
    struct world *w = *state;
    struct topic *orders = topic_of(w, "orders", 1);
    struct stream_info info;
    put(w, orders, "1", "a");
    put(w, orders, "1", "b");
    assert_int_equal(store_stream_delete(w->store, SLICE("orders"), SLICE("1"), 0, &w->error), EDDA_EVERSION);
    assert_int_equal(store_stream_delete(w->store, SLICE("orders"), SLICE("1"), 1, &w->error), 0);
    assert_int_equal(store_stream_delete(w->store, SLICE("orders"), SLICE("1"), STORE_ANY, &w->error), EDDA_ENOTFOUND);
    reopen(w);
    orders = store_topic(w->store, SLICE("orders"));
    assert_int_equal(store_stream_info(w->store, SLICE("orders"), SLICE("1"), &info), 0);
    assert_true(info.deleted);
    assert_int_equal(info.next_version, 2);
    expect_stream(w, "orders", "1", 0, false, 10, "");
    expect_stream(w, "orders", "1", -1, true, 10, "");
    assert_int_equal(put_expecting(w, orders, "1", 1), EDDA_EVERSION);
    assert_string_equal(w->error.message, "stream orders/1 is deleted, expected at version 1");
    assert_int_equal(put_expecting(w, orders, "1", STORE_EXISTS), EDDA_EVERSION);
    assert_int_equal(put_expecting(w, orders, "1", STORE_NONE), 0);
    assert_int_equal(store_stream_info(w->store, SLICE("orders"), SLICE("1"), &info), 0);
    assert_false(info.deleted);
    assert_int_equal(info.first_version, 2);
    expect_stream(w, "orders", "1", 0, false, 10, "x@2");
}

static void group_offsets_are_kept(void **state)
{
    struct world *w = *state;
    assert_int_equal(store_offset_fetch(w->store, SLICE("g"), SLICE("orders"), 0), -1);
    assert_int_equal(store_offset_commit(w->store, SLICE("g"), SLICE("orders"), 0, 5, SLICE("m"), &w->error), 0);
    assert_int_equal(store_offset_commit(w->store, SLICE("g"), SLICE("orders"), 1, 6, SLICE(""), &w->error), 0);
    assert_int_equal(store_offset_commit(w->store, SLICE("g"), SLICE("orders"), 0, 7, SLICE("n"), &w->error), 0);
    assert_int_equal(store_offset_commit(w->store, SLICE(""), SLICE("orders"), 0, 7, SLICE("n"), &w->error), EDDA_EINVAL);
    for (int i = 0; i < 2; i++) {
        struct slice metadata;
        assert_int_equal(store_offset_read(w->store, SLICE("g"), SLICE("orders"), 0, &metadata), 7);
        assert_true(slice_eq_str(metadata, "n"));
        assert_int_equal(store_offset_fetch(w->store, SLICE("g"), SLICE("orders"), 1), 6);
        assert_int_equal(store_offset_fetch(w->store, SLICE("h"), SLICE("orders"), 1), -1);
        reopen(w);
    }
}

static void a_table_is_its_last_values(void **state)
{
    struct world *w = *state;
    struct topic *t = topic_of(w, "_edda.deadlines", 1);
    put(w, t, "a", "1");
    put(w, t, "b", "2");
    put(w, t, "a", "3");
    put(w, t, "c", "4");
    flush(w);
    struct store_message gone = { .topic = t, KEYED("b") };
    assert_int_equal(store_append(w->store, NULL, 0, &gone, 1, false, NULL, &w->error), 0);
    for (int i = 0; i < 2; i++) {
        struct seen s = { 0 };
        assert_int_equal(store_table_scan(w->store, store_topic(w->store, SLICE("_edda.deadlines")), see, &s), 2);
        assert_string_equal(s.text, "3 4");
        reopen(w);
    }
}

static void snapshots_and_checkpoints_come_back(void **state)
{
    struct world *w = *state;
    struct topic *orders = topic_of(w, "orders", 1);
    int64_t version;
    struct slice snapshot;
    uint64_t position;
    struct buffer bytes = BUFFER_EMPTY;
    assert_int_equal(store_snapshot_get(w->store, SLICE("orders/1"), &version, &snapshot), EDDA_ENOTFOUND);
    assert_int_equal(store_snapshot_put(w->store, SLICE("orders/1"), 41, SLICE("old"), &w->error), 0);
    assert_int_equal(store_snapshot_put(w->store, SLICE("orders/1"), 42, SLICE("state"), &w->error), 0);
    put(w, orders, "1", "a");
    uint64_t tail = store_tail(w->store);
    assert_int_equal(store_checkpoint_get(w->store, "views", &position, &bytes), EDDA_ENOTFOUND);
    assert_int_equal(store_checkpoint_put(w->store, "views", tail, SLICE("view bytes"), &w->error), 0);
    assert_int_equal(store_checkpoint_put(w->store, "../views", tail, SLICE("x"), &w->error), EDDA_EINVAL);
    assert_int_equal(store_checkpoint_put(w->store, "ahead", tail + 1, SLICE("x"), &w->error), EDDA_EINVAL);
    crash(w);
    assert_int_equal(store_snapshot_get(w->store, SLICE("orders/1"), &version, &snapshot), 0);
    assert_int_equal(version, 42);
    assert_true(slice_eq_str(snapshot, "state"));
    assert_int_equal(store_checkpoint_get(w->store, "views", &position, &bytes), 0);
    assert_int_equal(position, tail);
    assert_true(slice_eq_str(buffer_slice(&bytes), "view bytes"));
    io_simulated_flip_bit(w->io, DIR "/checkpoint/views", 8 * 50);
    assert_int_equal(store_checkpoint_get(w->store, "views", &position, &bytes), EDDA_ENOTFOUND);
    buffer_deinit(&bytes);
}

static void checkpoint_start(struct world *w, uint64_t position, const char *text)
{
    struct buffer bytes = BUFFER_EMPTY;
    buffer_append_str(&bytes, text);
    assert_int_equal(store_checkpoint_start(w->store, "views", position, &bytes, &w->error), 0);
    assert_int_equal(bytes.len, 0);
    assert_int_equal(store_checkpoint_ended(w->store, &w->error), 1);
}

static void expect_checkpoint(struct world *w, const char *text)
{
    uint64_t position;
    struct buffer bytes = BUFFER_EMPTY;
    assert_int_equal(store_checkpoint_get(w->store, "views", &position, &bytes), 0);
    assert_true(slice_eq_str(buffer_slice(&bytes), text));
    buffer_deinit(&bytes);
}

static void a_checkpoint_is_written_in_the_background(void **state)
{
    struct world *w = *state;
    struct topic *orders = topic_of(w, "orders", 1);
    struct buffer more = BUFFER_EMPTY;
    buffer_append_str(&more, "more");
    put(w, orders, "1", "a");
    uint64_t tail = store_tail(w->store);
    assert_int_equal(store_checkpoint_start(w->store, "views", tail, &more, &w->error), EDDA_EBUSY); /* not durable */
    assert_int_equal(store_flush(w->store, NULL), 0);
    checkpoint_start(w, tail, "first");
    assert_int_equal(store_checkpoint_start(w->store, "views", tail, &more, &w->error), EDDA_EBUSY); /* one at a time */
    assert_int_equal(more.len, 4);
    while (store_checkpoint_ended(w->store, &w->error) == 1) {
        assert_int_equal(io_jobs_wait(w->io, -1), 1);
        io_jobs_finish(w->io);
    }
    assert_int_equal(store_checkpoint_ended(w->store, &w->error), 0);
    expect_checkpoint(w, "first");
    /* One that is written at once comes after it; and a store that is closed or dies meanwhile waits for it, or forgets it. */
    checkpoint_start(w, tail, "second");
    assert_int_equal(store_checkpoint_put(w->store, "views", tail, SLICE("third"), &w->error), 0);
    expect_checkpoint(w, "third");
    checkpoint_start(w, tail, "fourth");
    crash(w);
    expect_checkpoint(w, "fourth");
    checkpoint_start(w, tail, "fifth");
    buffer_deinit(&more);
}

static void a_checkpoint_that_cannot_be_written_is_told(void **state)
{
    struct world *w = *state;
    struct topic *orders = topic_of(w, "orders", 1);
    put(w, orders, "1", "a");
    assert_int_equal(store_flush(w->store, NULL), 0);
    io_simulated_fail_sync(w->io, 1);
    checkpoint_start(w, store_tail(w->store), "lost");
    int rc = 1;
    while ((rc = store_checkpoint_ended(w->store, &w->error)) == 1) {
        assert_int_equal(io_jobs_wait(w->io, -1), 1);
        io_jobs_finish(w->io);
    }
    assert_int_equal(rc, EDDA_EIO);
    assert_non_null(strstr(w->error.message, "checkpoint"));
    assert_int_equal(store_checkpoint_ended(w->store, &w->error), 0);
}

/* --- frames, flushes, crashes ------------------------------------------------------------------------- */

static void flushing_in_the_background_makes_durable(void **state)
{
    struct world *w = *state;
    struct topic *orders = topic_of(w, "orders", 1);
    assert_int_equal(store_flush(w->store, NULL), 0);
    assert_int_equal(store_flush_start(w->store, NULL), 0);
    put(w, orders, "1", "a");
    assert_int_equal(store_flush_start(w->store, NULL), 1);
    put(w, orders, "1", "b");
    assert_int_equal(store_flush_start(w->store, NULL), 1);
    put(w, orders, "1", "c");
    assert_int_equal(store_flush_start(w->store, NULL), EDDA_EBUSY);
    assert_true(store_durable_position(w->store) < store_tail(w->store));
    while (store_durable_position(w->store) < store_tail(w->store)) {
        assert_int_equal(io_jobs_wait(w->io, -1), 1);
        io_jobs_finish(w->io);
        store_flush_start(w->store, NULL);
    }
    expect_stream(w, "orders", "1", 0, false, 10, "a@0 b@1 c@2");
    crash(w);
    expect_stream(w, "orders", "1", 0, false, 10, "a@0 b@1 c@2");
}

static void what_was_not_flushed_is_gone_together(void **state)
{
    struct world *w = *state;
    struct topic *orders = topic_of(w, "orders", 1);
    put(w, orders, "1", "a");
    flush(w);
    put(w, orders, "1", "b");
    put(w, orders, "2", "c");
    assert_int_equal(store_close_frame(w->store, &w->error), 0);
    put(w, orders, "1", "d");
    expect_stream(w, "orders", "1", 0, false, 10, "a@0 b@1 d@2");
    crash(w);
    expect_stream(w, "orders", "1", 0, false, 10, "a@0");
    expect_stream(w, "orders", "2", 0, false, 10, "");
    orders = store_topic(w->store, SLICE("orders"));
    assert_int_equal(store_next_offset(orders, 0), 1);
    assert_int_equal(put(w, orders, "1", "e").version, 1);
    expect_whole(w);
}

static struct world *hook_world;
static unsigned hook_calls;

static int hook(void *user, struct edda_error *error)
{
    (void)error;
    hook_calls++;
    put(hook_world, user, "progress", "p");
    return 0;
}

static void the_hook_joins_the_frame_that_is_closed(void **state)
{
    struct world *w = *state;
    struct topic *orders = topic_of(w, "orders", 1);
    flush(w);
    hook_world = w;
    hook_calls = 0;
    store_on_close_frame(w->store, hook, orders);
    assert_int_equal(store_close_frame(w->store, NULL), 0);
    assert_int_equal(hook_calls, 0);
    put(w, orders, "1", "a");
    assert_true(store_open_frame_bytes(w->store) > 0);
    flush(w);
    assert_int_equal(hook_calls, 1);
    assert_int_equal(store_open_frame_bytes(w->store), 0);
    assert_int_equal(store_durable_position(w->store), store_tail(w->store));
    expect_stream(w, "orders", "progress", 0, false, 10, "p@0");
    store_on_close_frame(w->store, NULL, NULL);
}

static void too_much_unflushed_is_busy(void **state)
{
    struct world *w = *state;
    store_close(w->store);
    w->options.unflushed_bytes_max = 20000;
    w->options.frame_bytes = 4096;
    world_open(w);
    struct topic *orders = topic_of(w, "orders", 1);
    struct store_message m = { .topic = orders, KEYED("1"), .value = slice_of((uint8_t[1000]){ 0 }, 1000) };
    int r, count = 0;
    while ((r = store_append(w->store, NULL, 0, &m, 1, false, NULL, &w->error)) == 0)
        count++;
    assert_int_equal(r, EDDA_EBUSY);
    assert_true(count > 5 && count < 20);
    flush(w);
    assert_int_equal(store_append(w->store, NULL, 0, &m, 1, false, NULL, &w->error), 0);
}

static void a_full_disk_refuses_appends_and_serves_reads(void **state)
{
    struct world *w = *state;
    struct topic *orders = topic_of(w, "orders", 1);
    struct store_message m = { .topic = orders, KEYED("1"), .value = slice_of((uint8_t[1000]){ 0 }, 1000) };
    int r = 0;
    flush(w);
    io_simulated_set_capacity(w->io, 1);
    for (int i = 0; i < 2000 && r == 0; i++) {
        r = store_append(w->store, NULL, 0, &m, 1, false, NULL, &w->error);
        if (i % 50 == 0)
            flush(w);
    }
    assert_int_equal(r, EDDA_EFULL);
    uint64_t tail = store_tail(w->store);
    flush(w);
    assert_int_equal(store_durable_position(w->store), tail);
    struct store_record last;
    assert_int_equal(store_stream_last(w->store, SLICE("orders"), SLICE("1"), &last), 0);
    io_simulated_set_capacity(w->io, UINT64_C(64) << 20);
    io_simulated_advance(w->io, 1000000000);
    assert_int_equal(store_append(w->store, NULL, 0, &m, 1, false, NULL, &w->error), 0);
}

static void an_append_of_too_many_partitions_is_taken_back(void **state)
{
    struct world *w = *state;
    store_close(w->store);
    w->options.log.segment_bytes = UINT64_C(2) << 20;
    world_open(w);
    struct topic *wide = topic_of(w, "wide", 3000), *orders = topic_of(w, "orders", 1);
    static struct store_message many[2000];
    put(w, orders, "1", "a");
    uint64_t tail = store_tail(w->store);
    for (size_t i = 0; i < COUNT_OF(many); i++) {
        many[i] = identified(i % 2 ? wide : orders, i % 2 ? "k" : "1", "", "x");
        many[i].key.data = i % 2 ? NULL : many[i].key.data;
        many[i].key.len = i % 2 ? 0 : 1;
        many[i].partition = i % 2 ? (int32_t)i : -1;
    }
    assert_int_equal(store_append(w->store, NULL, 0, many, COUNT_OF(many), false, NULL, &w->error), EDDA_ELIMIT);
    assert_int_equal(store_tail(w->store), tail);
    assert_int_equal(store_next_offset(orders, 0), 1);
    assert_int_equal(store_next_offset(wide, 1), 0);
    assert_int_equal(store_append(w->store, NULL, 0, many, 1900, false, NULL, &w->error), 0);
    assert_int_equal(put(w, orders, "1", "b").version, 951);
    reopen(w);
    assert_int_equal(store_next_offset(store_topic(w->store, SLICE("wide")), 1899), 1);
    assert_int_equal(store_next_offset(store_topic(w->store, SLICE("wide")), 1901), 0);
    assert_int_equal(put(w, store_topic(w->store, SLICE("orders")), "1", "b").version, 952);
    expect_whole(w);
}

static void a_failed_sync_breaks_the_store(void **state)
{
    struct world *w = *state;
    struct topic *orders = topic_of(w, "orders", 1);
    struct store_message m = { .topic = orders, KEYED("1"), .value = SLICE("b") };
    put(w, orders, "1", "a");
    flush(w);
    put(w, orders, "1", "lost");
    io_simulated_fail_sync(w->io, 1);
    assert_int_equal(store_flush(w->store, &w->error), EDDA_EIO);
    assert_int_equal(store_broken(w->store), EDDA_EIO);
    assert_int_equal(store_append(w->store, NULL, 0, &m, 1, false, NULL, &w->error), EDDA_EIO);
    assert_int_equal(store_flush(w->store, &w->error), EDDA_EIO);
    assert_int_equal(store_flush_start(w->store, &w->error), EDDA_EIO);
    io_simulated_crash(w->io, false);
    store_abandon(w->store);
    world_open(w);
    expect_stream(w, "orders", "1", 0, false, 1, "a@0");
}

static void the_index_is_sealed_and_found_again(void **state)
{
    struct world *w = *state;
    store_close(w->store);
    w->options.index.tail_entries_max = 100;
    w->options.frame_bytes = 2048;
    world_open(w);
    struct topic *orders = topic_of(w, "orders", 2);
    struct store_stats stats;
    for (int i = 0; i < 2000; i++) {
        char key[16];
        snprintf(key, sizeof(key), "%d", i % 40);
        int r;
        struct store_message m = { .topic = orders, .key = slice_str(key), .value = slice_str(key), .partition = -1 };
        while ((r = store_append(w->store, NULL, 0, &m, 1, false, NULL, &w->error)) == EDDA_EBUSY) {
            assert_int_equal(io_jobs_wait(w->io, -1), 1);
            io_jobs_finish(w->io);
            store_maintain(w->store);
        }
        assert_int_equal(r, 0);
        if (i % 7 == 0)
            store_flush_start(w->store, NULL);
        if (i % 3 == 0) {
            io_simulated_advance(w->io, 50000);
            io_jobs_finish(w->io);
            store_maintain(w->store);
        }
    }
    store_stats(w->store, &stats);
    assert_true(stats.index.runs > 0);
    assert_true(stats.index.tail_entries < 1000);
    for (int i = 0; i < 4; i++) {
        struct stream_info info;
        expect_whole(w);
        assert_int_equal(store_stream_info(w->store, SLICE("orders"), SLICE("7"), &info), 0);
        assert_int_equal(info.next_version, 50);
        assert_int_equal(store_next_offset(store_topic(w->store, SLICE("orders")), 0) +
                             store_next_offset(store_topic(w->store, SLICE("orders")), 1), 2000);
        if (i < 2)
            reopen(w);
        else
            lose_index(w);
    }
}

static void damage_is_told_with_its_place(void **state)
{
    struct world *w = *state;
    struct topic *orders = topic_of(w, "orders", 1);
    put(w, orders, "1", "first-value");
    flush(w);
    put(w, orders, "1", "second-value");
    flush(w);
    index_seal(store_index(w->store), log_durable_end(store_log(w->store)));
    assert_int_equal(index_wait(store_index(w->store)), 0);
    reopen(w);
    /* The byte of the first value, found in the segment. */
    struct slice all = log_bytes(store_log(w->store), log_start(store_log(w->store)) + LOG_SEGMENT_HEADER_BYTES);
    const uint8_t *at = memmem(all.data, all.len, "first-value", 11);
    assert_non_null(at);
    io_simulated_flip_bit(w->io, DIR "/log/0000000000000001.seg", 8 * (uint64_t)(LOG_SEGMENT_HEADER_BYTES + (at - all.data)));
    struct seen s = { 0 };
    assert_int_equal(store_stream_read(w->store, SLICE("orders"), SLICE("1"), 0, false, 10, see, &s), EDDA_ECORRUPT);
    assert_non_null(strstr(store_read_error(w->store)->message, "orders"));
    assert_true(store_verify(w->store, NULL, NULL, &w->error) > 0);
    store_abandon(w->store);
    /* Opening reads the last segment and refuses it. */
    struct store *store;
    assert_int_equal(store_open(w->io, DIR, &w->options, &store, NULL, &w->error), EDDA_ECORRUPT);
    io_simulated_flip_bit(w->io, DIR "/log/0000000000000001.seg", 8 * (uint64_t)(LOG_SEGMENT_HEADER_BYTES + (at - all.data)));
    world_open(w);
}

static void an_empty_store_is_cheap_and_reopens(void **state)
{
    struct world *w = *state;
    uint64_t before = io_simulated_operations(w->io);
    reopen(w);
    assert_true(io_simulated_operations(w->io) - before <= 8);
    assert_int_equal(store_tail(w->store), 0);
    expect_whole(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(a_topic_has_its_partitions_after_a_reopen),
        TEST(a_bad_topic_name_is_refused),
        TEST(versions_count_per_stream_and_offsets_per_partition),
        TEST(a_record_without_key_is_in_no_stream),
        TEST(expected_versions_are_held),
        TEST(limits_are_errors_and_change_nothing),
        TEST(a_stream_stays_in_the_partition_of_its_last_record),
        TEST(records_of_many_partitions_keep_their_order),
        TEST(a_partition_is_read_from_any_offset),
        TEST(a_repeat_gets_the_first_result),
        TEST(what_is_not_to_be_identified_is_not),
        TEST(a_message_with_a_type_gets_an_id),
        TEST(a_correlation_is_read_across_streams),
        TEST(a_truncated_stream_begins_later),
        TEST(a_deleted_stream_goes_on_with_its_versions),
        TEST(group_offsets_are_kept),
        TEST(a_table_is_its_last_values),
        TEST(snapshots_and_checkpoints_come_back),
        TEST(a_checkpoint_is_written_in_the_background),
        TEST(a_checkpoint_that_cannot_be_written_is_told),
        TEST(flushing_in_the_background_makes_durable),
        TEST(what_was_not_flushed_is_gone_together),
        TEST(the_hook_joins_the_frame_that_is_closed),
        TEST(too_much_unflushed_is_busy),
        TEST(a_full_disk_refuses_appends_and_serves_reads),
        TEST(an_append_of_too_many_partitions_is_taken_back),
        TEST(a_failed_sync_breaks_the_store),
        TEST(the_index_is_sealed_and_found_again),
        TEST(damage_is_told_with_its_place),
        TEST(an_empty_store_is_cheap_and_reopens),
#undef TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
