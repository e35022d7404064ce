/* The scavenger: what is gone gives its space back, and nothing else changes, whatever happens on the way. */
#include "store_rig.h"

#include <stdlib.h>
#include <string.h>

#include "store/keys.h"

#define FILL_BYTES 400
#define TURNS_MAX 100000

/* Turns until the scavenger rests; false when the disk is cut before. */
static bool scavenge(struct world *w, bool everything)
{
    store_scavenge_start(w->store, everything);
    for (int i = 0; i < TURNS_MAX; i++) {
        store_flush(w->store, NULL);
        store_maintain(w->store);
        io_simulated_advance(w->io, 10000000);
        io_jobs_finish(w->io);
        if (io_simulated_is_cut(w->io))
            return false;
        if (!store_scavenging(w->store))
            return true;
    }
    fail_msg("the scavenger does not come to rest");
    return false;
}

static struct store_scavenged scavenged(struct world *w)
{
    struct store_scavenged done;
    store_scavenged(w->store, &done);
    return done;
}

static void setting(struct world *w, struct topic *topic, const char *name, const char *value)
{
    struct setting_change change = { slice_str(name), slice_str(value), SETTING_SET };
    if (store_topic_settings_alter(w->store, topic, &change, 1, false, &w->error) != 0)
        fail_msg("%s", w->error.message);
}

/* A record of FILL_BYTES and more whose value begins with a word; a frame each. */
static void fill(struct world *w, struct topic *topic, const char *key, int number)
{
    char value[FILL_BYTES + 1];
    memset(value, '.', FILL_BYTES);
    value[FILL_BYTES] = '\0';
    int n = snprintf(value, sizeof(value), "%s-%d", key, number);
    value[n] = '.';
    put(w, topic, key, value);
    world_flush(w);
    store_maintain(w->store);
    io_simulated_advance(w->io, 1000000);
    io_jobs_finish(w->io);
}

static int count_visit(void *user, const struct store_record *record, int64_t version)
{
    (void)record;
    (void)version;
    ++*(int64_t *)user;
    return 0;
}

static int64_t count_in(struct world *w, const char *topic, const char *key, int64_t *ret_first)
{
    struct stream_info info;
    int64_t count = 0;
    assert_int_equal(store_stream_info(w->store, slice_str(topic), slice_str(key), &info), 0);
    *ret_first = info.first_version;
    int64_t n = store_stream_read(w->store, slice_str(topic), slice_str(key), 0, false, UINT64_MAX, count_visit, &count);
    if (n < 0)
        fail_msg("%s", store_read_error(w->store)->message);
    assert_int_equal(n, count);
    assert_true(count <= info.next_version - info.first_version);
    return info.next_version;
}

static void whole(struct world *w)
{
    assert_int_equal(store_verify(w->store, NULL, NULL, &w->error), 0);
    all_text(w);
}

static int world_setup_manual(void **state)
{
    int r = world_setup(state);
    struct world *w = *state;
    store_close(w->store);
    w->options.scavenge_interval_ms = -1;
    w->options.frame_bytes = 1024;
    world_open(w);
    return r;
}

static void truncated_records_give_their_space_back(void **state)
{
    struct world *w = *state;
    struct topic *old = topic_of(w, "old", 2), *kept = topic_of(w, "kept", 1);
    char key[8];
    int64_t first;
    for (int i = 0; i < 1500; i++) {
        snprintf(key, sizeof(key), "k%d", i % 5);
        fill(w, i % 50 == 49 ? kept : old, key, i);
    }
    assert_int_equal(store_partition_truncate(w->store, old, 0, -1, &w->error), 0);
    assert_int_equal(store_partition_truncate(w->store, old, 1, -1, &w->error), 0);
    fill(w, old, "k0", 9999);
    assert_true(scavenge(w, false));
    struct store_scavenged done = scavenged(w);
    assert_int_equal(done.failures, 0);
    assert_true(done.segments >= 8);
    assert_true(done.freed_bytes > 1200 * FILL_BYTES);
    assert_int_equal(done.gap_bytes, done.freed_bytes);
    /* Nothing more to be had, nor twice. */
    assert_true(scavenge(w, false));
    assert_int_equal(scavenged(w).segments, done.segments);
    for (int round = 0; round < 4; round++) {
        whole(w);
        assert_int_equal(count_in(w, "old", "k0", &first), 301);
        assert_int_equal(first, 300);
        assert_int_equal(count_in(w, "old", "k4", &first), 270);
        assert_int_equal(first, 270);
        assert_int_equal(count_in(w, "kept", "k4", &first), 30);
        assert_int_equal(first, 0);
        if (round == 0)
            world_reopen(w);
        else if (round == 1)
            world_lose_index(w);
        else
            world_crash(w);
        assert_int_equal(scavenged(w).gap_bytes, done.gap_bytes);
    }
    old = store_topic(w->store, SLICE("old"));
    assert_int_equal(put_expecting(w, old, "k4", 269), 0);
    assert_int_equal(store_next_offset(old, 0) + store_next_offset(old, 1), 1472);
}

static void retention_is_by_time_and_by_bytes(void **state)
{
    struct world *w = *state;
    struct topic *by_time = topic_of(w, "by_time", 1), *by_bytes = topic_of(w, "by_bytes", 1), *kept = topic_of(w, "kept", 1);
    int64_t first;
    setting(w, by_time, "retention.ms", "3600000");
    setting(w, by_bytes, "retention.bytes", "20000");
    setting(w, kept, "retention.ms", "1");
    setting(w, kept, "cleanup.policy", "compact");
    for (int i = 0; i < 900; i++) {
        if (i == 600)
            io_simulated_advance(w->io, INT64_C(7200) * 1000000000);
        fill(w, i % 3 == 0 ? by_time : i % 3 == 1 ? by_bytes : kept, i % 3 == 2 ? "same" : "k", i);
    }
    assert_true(scavenge(w, false));
    assert_int_equal(scavenged(w).failures, 0);
    for (int round = 0; round < 2; round++) {
        assert_int_equal(count_in(w, "by_time", "k", &first), 300);
        assert_int_equal(first, 200);
        assert_int_equal(count_in(w, "by_bytes", "k", &first), 300);
        assert_in_range(first, 240, 265);
        whole(w);
        world_lose_index(w);
    }
    struct store_bounds bounds;
    by_time = store_topic(w->store, SLICE("by_time"));
    store_partition_bounds(w->store, by_time, 0, &bounds);
    assert_int_equal(bounds.start, 200);
    assert_true(scavenged(w).gap_bytes > 0);
}

/* What was written late with old timestamps does not take what lies before it along. */
static void retention_takes_only_what_is_old_from_the_front(void **state)
{
    struct world *w = *state;
    struct topic *topic = topic_of(w, "orders", 1);
    setting(w, topic, "retention.ms", "1000000");
    int64_t now = store_time_ms(w->store);
    static const int ages[] = { 9000, 8000, 10, 7000, 20, 6000 }; /* seconds */
    for (size_t i = 0; i < sizeof(ages) / sizeof(ages[0]); i++) {
        char value[8];
        snprintf(value, sizeof(value), "r%zu", i);
        struct store_message m = { .topic = topic, .value = slice_str(value), .partition = 0, .timestamp_ms = now - ages[i] * 1000 };
        assert_int_equal(store_append(w->store, NULL, 0, &m, 1, false, NULL, &w->error), 0);
        world_flush(w);
    }
    assert_true(scavenge(w, false));
    assert_string_equal(partition_text(w, topic, 0, 0), "r2 r3 r4 r5");
}

static void the_last_of_each_key_is_kept(void **state)
{
    struct world *w = *state;
    struct topic *topic = topic_of(w, "prices", 1);
    char key[8];
    int64_t first;
    setting(w, topic, "cleanup.policy", "compact");
    setting(w, topic, "delete.retention.ms", "1000");
    fill(w, topic, "rare", 1);
    for (int i = 0; i < 60; i++) {
        snprintf(key, sizeof(key), "gone%d", i);
        fill(w, topic, key, 1);
        put(w, topic, key, NULL);
        world_flush(w);
    }
    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof(key), "k%d", i % 7);
        fill(w, topic, key, i);
    }
    io_simulated_advance(w->io, INT64_C(10) * 1000000000);
    struct store_record null;
    assert_true(scavenge(w, true));
    assert_int_equal(store_stream_last(w->store, SLICE("prices"), SLICE("gone7"), &null), 0);
    assert_true(scavenge(w, true)); /* the nulls go when nothing older is left */
    assert_int_equal(scavenged(w).failures, 0);
    assert_true(scavenged(w).freed_bytes > 600 * FILL_BYTES);
    for (int round = 0; round < 3; round++) {
        struct store_record record;
        char text[16];
        whole(w);
        for (int k = 0; k < 7; k++) {
            snprintf(key, sizeof(key), "k%d", k);
            snprintf(text, sizeof(text), "k%d-%d.", k, k <= 5 ? 994 + k : 993);
            assert_int_equal(store_stream_last(w->store, SLICE("prices"), slice_str(key), &record), 0);
            assert_true(slice_has_prefix(record.record.value, slice_str(text)));
        }
        assert_int_equal(store_stream_last(w->store, SLICE("prices"), SLICE("rare"), &record), 0);
        assert_int_equal(count_in(w, "prices", "rare", &first), 1);
        assert_int_equal(store_stream_last(w->store, SLICE("prices"), SLICE("gone7"), &record), EDDA_ENOTFOUND);
        assert_int_equal(count_in(w, "prices", "gone7", &first), 2);
        assert_int_equal(count_in(w, "prices", "k0", &first), 143);
        world_lose_index(w);
    }
}

static void streams_that_were_cut_or_deleted_go_in_a_deep_pass(void **state)
{
    struct world *w = *state;
    struct topic *topic = topic_of(w, "orders", 1);
    int64_t first;
    for (int i = 0; i < 600; i++)
        fill(w, topic, i % 3 == 0 ? "cut" : i % 3 == 1 ? "deleted" : "kept", i);
    assert_int_equal(store_stream_truncate(w->store, SLICE("orders"), SLICE("cut"), 150, &w->error), 0);
    assert_int_equal(store_stream_delete(w->store, SLICE("orders"), SLICE("deleted"), STORE_ANY, &w->error), 0);
    assert_true(scavenge(w, false));
    assert_int_equal(scavenged(w).freed_bytes, 0);
    assert_true(scavenge(w, true));
    assert_true(scavenged(w).freed_bytes > 250 * FILL_BYTES);
    for (int round = 0; round < 2; round++) {
        whole(w);
        assert_int_equal(count_in(w, "orders", "cut", &first), 200);
        assert_int_equal(first, 150);
        assert_int_equal(count_in(w, "orders", "deleted", &first), 200);
        assert_int_equal(count_in(w, "orders", "kept", &first), 200);
        assert_int_equal(first, 0);
        world_lose_index(w);
    }
    topic = store_topic(w->store, SLICE("orders"));
    assert_int_equal(put_expecting(w, topic, "deleted", STORE_NONE), 0);
    assert_int_equal(count_in(w, "orders", "deleted", &first), 201);
    assert_int_equal(first, 200);
}

static void a_deleted_topic_gives_its_space_back(void **state)
{
    struct world *w = *state;
    struct topic *topic = topic_of(w, "orders", 3);
    int64_t first;
    for (int i = 0; i < 600; i++)
        fill(w, topic, "k", i);
    assert_int_equal(store_topic_delete(w->store, topic, &w->error), 0);
    assert_true(scavenge(w, false));
    assert_true(scavenged(w).freed_bytes > 300 * FILL_BYTES);
    world_lose_index(w);
    whole(w);
    topic = topic_of(w, "orders", 2);
    assert_int_equal(put_expecting(w, topic, "k", STORE_NONE), 0);
    assert_int_equal(count_in(w, "orders", "k", &first), 601);
    assert_int_equal(first, 600);
}

/* The disk is cut at each operation of a pass in turn. Old file or new file: what is kept is there, what is gone stays gone. */
static void a_crash_anywhere_leaves_one_file_or_the_other(void **state)
{
    struct world *w = *state;
    struct topic *topic = topic_of(w, "orders", 1), *kept = topic_of(w, "kept", 1);
    int64_t first;
    int total = 0;
    for (uint64_t cut = 1;; cut++) {
        bool ended;
        for (int i = 0; i < 40; i++, total++)
            fill(w, i % 10 == 0 ? kept : topic, "k", total);
        assert_int_equal(store_partition_truncate(w->store, topic, 0, -1, &w->error), 0);
        int64_t version = count_in(w, "orders", "k", &first);
        int64_t kept_version = count_in(w, "kept", "k", &first);
        world_flush(w);
        io_simulated_cut_after(w->io, cut);
        ended = scavenge(w, false);
        io_simulated_crash(w->io, cut % 3 == 0);
        store_abandon(w->store);
        io_simulated_cut_after(w->io, 0);
        world_open(w);
        if (cut % 5 == 0)
            world_lose_index(w);
        topic = store_topic(w->store, SLICE("orders"));
        kept = store_topic(w->store, SLICE("kept"));
        assert_int_equal(count_in(w, "orders", "k", &first), version);
        assert_int_equal(first, version);
        assert_int_equal(count_in(w, "kept", "k", &first), kept_version);
        assert_int_equal(first, 0);
        whole(w);
        if (ended && cut > 60)
            break;
    }
    assert_true(scavenge(w, false));
    assert_true(scavenged(w).gap_bytes > 0);
}

/* Whoever stands in a frame that is then removed goes on behind it. */
static void a_reader_goes_on(void **state)
{
    struct world *w = *state;
    struct topic *topic = topic_of(w, "orders", 1);
    struct store_cursor cursor;
    struct store_record record;
    for (int i = 0; i < 500; i++)
        fill(w, topic, "k", i);
    store_cursor_init(&cursor, 0, topic);
    for (int i = 0; i < 10; i++)
        assert_int_equal(store_cursor_next(w->store, &cursor, &record, &w->error), 1);
    assert_int_equal(store_partition_truncate(w->store, topic, 0, 400, &w->error), 0);
    assert_true(scavenge(w, false));
    assert_true(scavenged(w).segments > 0);
    assert_int_equal(store_cursor_next(w->store, &cursor, &record, &w->error), 1);
    assert_int_equal(record.record.offset, 400);
    store_cursor_deinit(&cursor);
    store_cursor_init(&cursor, UINT64_MAX, NULL);
    int n = 0;
    while (store_cursor_previous(w->store, &cursor, &record, &w->error) == 1)
        n += !record.topic->internal;
    assert_int_equal(n, 100);
    store_cursor_deinit(&cursor);
}

/* A pass, in one turn of which the caller does something that is not durable when the machine dies after it. */
static void scavenge_and_crash(struct world *w, int turn, void (*act)(struct world *w, struct topic *topic), struct topic *topic)
{
    store_scavenge_start(w->store, true);
    /* One that begins behind the act waits for it to become durable. */
    for (int i = 0; store_scavenging(w->store) && i < 500; i++) {
        if (i == turn)
            act(w, topic);
        store_maintain(w->store);
        io_simulated_advance(w->io, 10000000);
        io_jobs_finish(w->io);
    }
    world_crash(w);
}

static void act_put(struct world *w, struct topic *topic)
{
    put(w, topic, "lost", "value");
}

static void act_truncate(struct world *w, struct topic *topic)
{
    assert_int_equal(store_partition_truncate(w->store, topic, 0, -1, &w->error), 0);
}

static void act_compact(struct world *w, struct topic *topic)
{
    setting(w, topic, "cleanup.policy", "compact");
}

static void act_delete(struct world *w, struct topic *topic)
{
    assert_int_equal(store_topic_delete(w->store, topic, &w->error), 0);
}

/* Whoever asked for records to be removed, and got no answer before the crash, finds all of them. */
static void what_is_not_durable_takes_no_records_away(void **state)
{
    struct world *w = *state;
    void (*const acts[])(struct world *w, struct topic *topic) = { act_truncate, act_compact, act_delete };
    fill(w, topic_of(w, "cut", 1), "k", 0);
    assert_int_equal(store_stream_truncate(w->store, SLICE("cut"), SLICE("k"), 1, &w->error), 0);
    for (size_t a = 0; a < sizeof(acts) / sizeof(acts[0]); a++) {
        for (int turn = 1; turn <= 8; turn++) {
            int64_t count = 0;
            char name[16];
            snprintf(name, sizeof(name), "t%zu-%d", a, turn);
            struct topic *topic = topic_of(w, name, 1);
            for (int i = 0; i < 250; i++)
                fill(w, topic, "k", i);
            scavenge_and_crash(w, turn, acts[a], topic);
            assert_int_equal(store_stream_read(w->store, slice_str(name), SLICE("k"), 0, false, UINT64_MAX, count_visit, &count), 250);
            assert_int_equal(store_verify(w->store, NULL, NULL, &w->error), 0);
        }
    }
}

/* A null that is the last durable record of its partition stays, though there is another behind it that a crash may take away. */
static void only_what_is_durable_lets_a_null_go(void **state)
{
    struct world *w = *state;
    struct topic *pad = topic_of(w, "pad", 1), *topic = topic_of(w, "prices", 1);
    char key[16];
    setting(w, topic, "cleanup.policy", "compact");
    setting(w, topic, "delete.retention.ms", "1000");
    for (int turn = 1; turn <= 12; turn++) {
        for (int i = 0; i < 200; i++)
            fill(w, pad, "k", i);
        for (int i = 0; i < 20; i++) {
            snprintf(key, sizeof(key), "%d-%d", turn, i % 10);
            put(w, topic, key, i < 10 ? "value" : NULL);
            world_flush(w);
        }
        for (int i = 0; i < 200; i++)
            fill(w, pad, "k", i);
        assert_int_equal(store_partition_truncate(w->store, pad, 0, -1, &w->error), 0);
        io_simulated_advance(w->io, INT64_C(10) * 1000000000);
        assert_true(scavenge(w, true));
        int64_t next = store_next_offset(topic, 0);
        scavenge_and_crash(w, turn, act_put, topic);
        pad = store_topic(w->store, SLICE("pad"));
        topic = store_topic(w->store, SLICE("prices"));
        assert_int_equal(store_next_offset(topic, 0), next);
        whole(w);
    }
}

/* Nothing is left in the log that tells how far it went but its start. */
static void an_emptied_partition_ends_at_its_start(void **state)
{
    struct world *w = *state;
    struct topic *topic = topic_of(w, "orders", 1), *kept = topic_of(w, "kept", 1);
    struct store_bounds bounds;
    for (int i = 0; i < 300; i++)
        fill(w, topic, "k", i);
    assert_int_equal(store_partition_truncate(w->store, topic, 0, -1, &w->error), 0);
    for (int i = 0; i < 300; i++)
        fill(w, kept, "k", i);
    assert_true(scavenge(w, false));
    for (int round = 0; round < 2; round++) {
        store_partition_bounds(w->store, store_topic(w->store, SLICE("orders")), 0, &bounds);
        assert_int_equal(bounds.start, 300);
        assert_int_equal(bounds.stable, 300);
        assert_int_equal(bounds.durable, 300);
        assert_int_equal(bounds.next, 300);
        world_lose_index(w);
    }
}

/* --- the index, which ends where something was removed --------------------------------------------------------- */

#define RUNS_SEEN_MAX 64

struct runs {
    char names[RUNS_SEEN_MAX][64];
    size_t count;
};

static int run_seen(void *user, const char *name)
{
    struct runs *runs = user;
    assert_true(runs->count < RUNS_SEEN_MAX && strlen(name) < sizeof(runs->names[0]));
    memcpy(runs->names[runs->count++], name, strlen(name) + 1);
    return 0;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void runs_find(struct world *w, struct runs *ret_runs)
{
    ret_runs->count = 0;
    assert_int_equal(io_dir_list(w->io, DIR "/index", run_seen, ret_runs), 0);
    qsort(ret_runs->names, ret_runs->count, sizeof(ret_runs->names[0]), compare_names);
}

static void run_remove(struct world *w, const char *name)
{
    char path[128];
    snprintf(path, sizeof(path), DIR "/index/%s", name);
    assert_int_equal(io_file_remove(w->io, path), 0);
}

/* Two keys; the index in runs of some 60 records each, none of them merged. */
static struct topic *with_runs(struct world *w)
{
    store_close(w->store);
    w->options.index = (struct index_options){ .tail_entries_max = 200, .runs_max = 64 };
    world_open(w);
    return topic_of(w, "orders", 1);
}

static void fill_two(struct world *w, struct topic *topic, int from, int to)
{
    for (int i = from; i < to; i++)
        fill(w, topic, i % 3 ? "k" : "other", i);
}

/* The first 600 of 700 records go. */
static void cut_two(struct world *w, struct topic *topic)
{
    assert_int_equal(store_partition_truncate(w->store, topic, 0, 600, &w->error), 0);
    assert_true(scavenge(w, false));
    assert_true(scavenged(w).segments > 2);
}

static void versions_stand(struct world *w)
{
    int64_t first;
    assert_int_equal(count_in(w, "orders", "k", &first), 466);
    assert_int_equal(first, 400);
    assert_int_equal(count_in(w, "orders", "other", &first), 234);
    assert_int_equal(first, 200);
    whole(w);
}

/* Where the index ends, or did when a run of it is lost, there were frames that are now in the middle of a gap. */
static void the_index_may_end_in_a_gap(void **state)
{
    struct world *w = *state;
    struct runs runs;
    size_t in_gaps = 0;
    struct topic *topic = with_runs(w);
    fill_two(w, topic, 0, 700);
    cut_two(w, topic);
    store_close(w->store);
    runs_find(w, &runs);
    assert_true(runs.count > 5);
    for (size_t i = runs.count; i-- > 0;) {
        run_remove(w, runs.names[i]);
        world_open(w);
        in_gaps += log_removed(store_log(w->store), strtoull(runs.names[i], NULL, 16));
        versions_stand(w);
        store_close(w->store);
    }
    assert_true(in_gaps > 5);
    world_open(w);
}

/* It is the log that tells. */
static void an_index_with_more_than_was_removed_is_made_again(void **state)
{
    struct world *w = *state;
    struct runs runs;
    struct topic *topic = with_runs(w);
    fill_two(w, topic, 0, 300);
    struct index *index = store_index(w->store);
    struct index_entry entry = { .position = store_tail(w->store) - 1 };
    log_address before = index_covered(index);
    int i = 300;
    for (int n = 0; n < 500; n++)
        assert_int_equal(index_add(index, key_stream(index_seed(index), SLICE("orders"), SLICE("k")), &entry), 0);
    for (; index_covered(index) == before; i++)
        fill_two(w, topic, i, i + 1);
    log_address covered = index_covered(index);
    assert_in_range(i, 301, 400);
    fill_two(w, topic, i, 700);
    cut_two(w, topic);
    store_close(w->store);
    runs_find(w, &runs);
    for (size_t n = 0; n < runs.count; n++)
        if (strtoull(runs.names[n], NULL, 16) >= covered)
            run_remove(w, runs.names[n]);
    world_open(w);
    assert_true(log_removed(store_log(w->store), covered));
    versions_stand(w);
}

/* An index that reaches behind the first segments, and a topic of which nothing need stay. */
static struct topic *front_setup(struct world *w)
{
    store_close(w->store);
    w->options.index.tail_entries_max = 256;
    world_open(w);
    return topic_of(w, "orders", 1);
}

static log_address start_of(struct world *w)
{
    return log_start(store_log(w->store));
}

/* The log then begins with a later segment; topics, offsets and versions go on, also when nothing but the log is left. */
static void an_empty_front_is_removed(void **state)
{
    struct world *w = *state;
    struct topic *topic = front_setup(w);
    topic_of(w, "unused", 3);
    int64_t first;
    for (int i = 0; i < 800; i++)
        fill(w, topic, i % 4 ? "k" : "other", i);
    assert_int_equal(store_partition_truncate(w->store, topic, 0, 790, &w->error), 0);
    uint64_t tail = 0;
    for (int round = 0; round < 6; round++) {
        if (round == 0)
            assert_true(scavenge(w, false));
        else if (round % 2)
            world_lose_index(w);
        else
            world_crash(w);
        log_address start = start_of(w);
        assert_true(start > 3 * LOG_SEGMENT_BYTES_MIN);
        assert_true(tail == 0 || tail == store_tail(w->store));
        topic = store_topic(w->store, SLICE("orders"));
        assert_int_equal(count_in(w, "orders", "k", &first), 600 + round);
        assert_int_equal(first, 592);
        assert_int_equal(count_in(w, "orders", "other", &first), 200);
        assert_int_equal(first, 198);
        assert_int_equal(store_next_offset(topic, 0), 800 + round);
        assert_int_equal(store_topic(w->store, SLICE("unused"))->partition_count, 3);
        whole(w);
        fill(w, topic, "k", round);
        tail = store_tail(w->store);
    }
    /* A second time: what was left before is carried on. */
    log_address start = start_of(w);
    for (int i = 0; i < 600; i++)
        fill(w, topic_of(w, "later", 1), "k", i);
    assert_int_equal(store_partition_truncate(w->store, topic, 0, -1, &w->error), 0);
    assert_int_equal(store_partition_truncate(w->store, topic_of(w, "later", 1), 0, -1, &w->error), 0);
    fill(w, topic, "k", 1);
    assert_true(scavenge(w, false));
    assert_true(start_of(w) > start);
    world_lose_index(w);
    whole(w);
    assert_int_equal(count_in(w, "orders", "other", &first), 200);
    assert_int_equal(count_in(w, "orders", "k", &first), 607);
    assert_int_equal(count_in(w, "later", "k", &first), 600);
    /* Numbers of partitions are not given again. */
    put(w, topic_of(w, "new", 2), "k", "v");
    world_flush(w);
    whole(w);
    assert_int_equal(count_in(w, "new", "k", &first), 1);
}

/* A reader that began before goes on with what is there; one that stands at the start begins with it. */
static void a_reader_passes_the_removed_front(void **state)
{
    struct world *w = *state;
    struct topic *topic = front_setup(w);
    struct store_cursor cursor;
    struct store_record record;
    for (int i = 0; i < 800; i++)
        fill(w, topic, "k", i);
    store_cursor_init(&cursor, 0, topic);
    for (int i = 0; i < 10; i++)
        assert_int_equal(store_cursor_next(w->store, &cursor, &record, &w->error), 1);
    assert_int_equal(store_partition_truncate(w->store, topic, 0, 790, &w->error), 0);
    assert_true(scavenge(w, false));
    assert_true(scavenged(w).removed_segments > 0);
    for (int round = 0; round < 3; round++) {
        assert_int_equal(store_cursor_next(w->store, &cursor, &record, &w->error), 1);
        assert_int_equal(record.record.offset, 790);
        store_cursor_deinit(&cursor);
        if (round == 1)
            world_lose_index(w);
        topic = store_topic(w->store, SLICE("orders"));
        store_cursor_init(&cursor, 0, topic);
    }
    store_cursor_deinit(&cursor);
    int n = 0;
    store_cursor_init(&cursor, UINT64_MAX, NULL);
    while (store_cursor_previous(w->store, &cursor, &record, &w->error) == 1)
        n += !record.topic->internal;
    assert_int_equal(n, 10);
    store_cursor_deinit(&cursor);
}

/* The disk is cut at each operation in turn: the front is there or was removed, and what was counted there stays counted, once. */
static void a_crash_anywhere_leaves_the_front_or_not(void **state)
{
    struct world *w = *state;
    struct topic *topic = front_setup(w);
    log_address start = 0;
    int64_t first;
    int total = 0, moved = 0;
    for (uint64_t cut = 1; cut < 120; cut++) {
        for (int i = 0; i < 170; i++, total++)
            fill(w, topic, total % 3 ? "k" : "other", total);
        assert_int_equal(store_partition_truncate(w->store, topic, 0, -1, &w->error), 0);
        int64_t version = count_in(w, "orders", "k", &first), other = count_in(w, "orders", "other", &first);
        world_flush(w);
        io_simulated_cut_after(w->io, cut);
        scavenge(w, false);
        io_simulated_crash(w->io, cut % 3 == 0);
        store_abandon(w->store);
        io_simulated_cut_after(w->io, 0);
        world_open(w);
        if (cut % 5 == 0)
            world_lose_index(w);
        topic = store_topic(w->store, SLICE("orders"));
        assert_int_equal(count_in(w, "orders", "k", &first), version);
        assert_int_equal(first, version);
        assert_int_equal(count_in(w, "orders", "other", &first), other);
        assert_int_equal(store_next_offset(topic, 0), total);
        whole(w);
        moved += start_of(w) > start;
        start = start_of(w);
    }
    assert_true(moved > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(truncated_records_give_their_space_back, world_setup_manual, world_teardown),
        cmocka_unit_test_setup_teardown(retention_is_by_time_and_by_bytes, world_setup_manual, world_teardown),
        cmocka_unit_test_setup_teardown(retention_takes_only_what_is_old_from_the_front, world_setup_manual, world_teardown),
        cmocka_unit_test_setup_teardown(the_last_of_each_key_is_kept, world_setup_manual, world_teardown),
        cmocka_unit_test_setup_teardown(streams_that_were_cut_or_deleted_go_in_a_deep_pass, world_setup_manual, world_teardown),
        cmocka_unit_test_setup_teardown(a_deleted_topic_gives_its_space_back, world_setup_manual, world_teardown),
        cmocka_unit_test_setup_teardown(a_crash_anywhere_leaves_one_file_or_the_other, world_setup_manual, world_teardown),
        cmocka_unit_test_setup_teardown(a_reader_goes_on, world_setup_manual, world_teardown),
        cmocka_unit_test_setup_teardown(what_is_not_durable_takes_no_records_away, world_setup_manual, world_teardown),
        cmocka_unit_test_setup_teardown(only_what_is_durable_lets_a_null_go, world_setup_manual, world_teardown),
        cmocka_unit_test_setup_teardown(an_emptied_partition_ends_at_its_start, world_setup_manual, world_teardown),
        cmocka_unit_test_setup_teardown(the_index_may_end_in_a_gap, world_setup_manual, world_teardown),
        cmocka_unit_test_setup_teardown(an_index_with_more_than_was_removed_is_made_again, world_setup_manual, world_teardown),
        cmocka_unit_test_setup_teardown(an_empty_front_is_removed, world_setup_manual, world_teardown),
        cmocka_unit_test_setup_teardown(a_reader_passes_the_removed_front, world_setup_manual, world_teardown),
        cmocka_unit_test_setup_teardown(a_crash_anywhere_leaves_the_front_or_not, world_setup_manual, world_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
