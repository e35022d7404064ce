/* What was in transactions gives its space back: the ends first, then what they gave positions to. */
#include "partition_rig.h"

#include <string.h>

#define NAME SLICE("tx-1")
#define NONE ((struct producer_id){ -1, -1 })
#define PAD_BYTES 7900
#define TRANSACTIONS 900 /* the first segment is large */

static void scavenge(struct world *w)
{
    store_scavenge_start(w->store, true);
    for (int i = 0; i < 100000 && store_scavenging(w->store); i++) {
        store_flush(w->store, NULL);
        store_maintain(w->store);
        io_simulated_advance(w->io, 10000000);
        io_jobs_finish(w->io);
    }
    assert_false(store_scavenging(w->store));
}

static void transactions_give_their_space_back(void **state)
{
    struct world *w = *state;
    struct producer_id p;
    struct store_scavenged done;
    struct stream_info info;
    char filler[PAD_BYTES];
    struct buffer pad = BUFFER_EMPTY;
    int32_t sequence = 0;
    int64_t committed = 0;
    memset(filler, 'x', sizeof(filler));
    record_headers_put(&pad, SLICE("pad"), slice_of(filler, sizeof(filler)));
    store_close(w->store);
    w->options.log.segment_bytes = UINT64_C(64) << 10;
    w->options.frames_kept = 4;
    w->options.scavenge_interval_ms = -1;
    world_open(w);
    struct topic *t = topic_of(w, "orders", 1);
    assert_int_equal(transaction_begin_producer(w->store, NAME, 60000, NONE, &p, &w->error), 0);
    for (int i = 0; i < TRANSACTIONS; i++) {
        struct store_batch_appended appended;
        struct made made = { .key = "k", .value = "v", .headers = buffer_slice(&pad), .header_count = 1, .count = 2, .transactional = true,
                             .producer = p, .sequence = sequence };
        assert_int_equal(transaction_add_partition(w->store, NAME, p, t, 0, &w->error), 0);
        int r = produce(w, t, 0, &made, &appended);
        if (r != 0)
            fail_msg("%d %s", r, w->error.message);
        sequence += 2;
        flush(w);
        r = transaction_end(w->store, NAME, p, i % 3 != 0, &w->error);
        if (r != 0)
            fail_msg("%d %s", r, w->error.message);
        committed += i % 3 != 0 ? 2 : 0;
        flush(w);
        store_maintain(w->store);
        io_jobs_finish(w->io);
    }
    for (int i = 0; i < 3; i++)
        produced(w, t, 0, &(struct made){ .key = "k", .value = "last" });
    flush(w);
    int64_t cut = bounds_of(w, t, 0).stable - 1;
    assert_int_equal(store_partition_truncate(w->store, t, 0, cut, &w->error), 0);
    for (int i = 0; i < 3; i++) {
        scavenge(w);
        store_scavenged(w->store, &done);
        assert_int_equal(done.failures, 0);
        verify(w);
    }
    assert_true(done.freed_bytes > (uint64_t)TRANSACTIONS * PAD_BYTES * 2 * 9 / 10);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(store_stream_info(w->store, SLICE("orders"), SLICE("k"), &info), 0);
        assert_int_equal(info.next_version, committed + 3);
        assert_int_equal(info.first_version, committed + 2);
        t = store_topic(w->store, SLICE("orders"));
        assert_string_equal(topic_text(w, t), "last0");
        verify(w);
        if (i == 0)
            lose_index(w);
        else
            reopen(w);
    }
    /* The producer goes on. */
    struct store_batch_appended appended;
    t = store_topic(w->store, SLICE("orders"));
    assert_int_equal(transaction_add_partition(w->store, NAME, p, t, 0, &w->error), 0);
    struct made made = { .key = "k", .value = "more", .count = 1, .transactional = true, .producer = p, .sequence = sequence };
    assert_int_equal(produce(w, t, 0, &made, &appended), 0);
    assert_int_equal(transaction_end(w->store, NAME, p, true, &w->error), 0);
    assert_string_equal(topic_text(w, t), "last0 more0");
    buffer_deinit(&pad);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(transactions_give_their_space_back, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
