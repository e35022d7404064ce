/*
 * Idempotent producers (KIP-98, KIP-360): what repeats, what does not follow, what is fenced; before and after restarts.
 */
#include "partition_rig.h"

#include <string.h>

static int send(struct world *w, struct topic *t, struct producer_id producer, int32_t sequence, int32_t count, struct store_batch_appended *ret)
{
    struct made made = { .key = "k", .value = "v", .count = count, .idempotent = true, .producer = producer, .sequence = sequence };
    return produce(w, t, 0, &made, ret);
}

/* Appended at this offset; or a repeat, whose first offset it is. */
static void sent(struct world *w, struct topic *t, struct producer_id producer, int32_t sequence, int32_t count, int64_t offset, bool repeated)
{
    struct store_batch_appended appended;
    int r = send(w, t, producer, sequence, count, &appended);
    if (r != 0)
        fail_msg("sequence %d: %d %s", (int)sequence, r, w->error.message);
    assert_int_equal(appended.base_offset, offset);
    assert_int_equal(appended.repeated, repeated);
}

static void refused(struct world *w, struct topic *t, struct producer_id producer, int32_t sequence, int code)
{
    struct store_batch_appended appended;
    int64_t next = bounds_of(w, t, 0).next;
    assert_int_equal(send(w, t, producer, sequence, 1, &appended), code);
    assert_int_equal(bounds_of(w, t, 0).next, next);
}

static struct producer_id fresh(struct world *w)
{
    struct producer_id producer;
    assert_int_equal(producer_new(w->store, &producer, &w->error), 0);
    return producer;
}

typedef void again_fn(struct world *w);

static void stay(struct world *w)
{
    (void)w;
}

static void flush_and_crash(struct world *w)
{
    flush(w);
    crash(w);
}

static again_fn *const agains[] = { stay, flush, reopen, flush_and_crash, lose_index };
#define EACH_AGAIN(i) for (size_t i = 0; i < sizeof(agains) / sizeof(agains[0]); i++)

static void repeats_give_the_first_offset(void **state)
{
    struct world *w = *state;
    struct topic *t = topic_of(w, "orders", 1);
    struct producer_id p = fresh(w);
    for (int i = 0; i < 7; i++)
        sent(w, t, p, i * 2, 2, i * 2, false);
    EACH_AGAIN(i) {
        agains[i](w);
        t = topic_of(w, "orders", 1);
        /* The last five are known, the ones before are not. */
        for (int n = 2; n < 7; n++)
            sent(w, t, p, n * 2, 2, n * 2, true);
        refused(w, t, p, 2, EDDA_ESEQUENCE);
        refused(w, t, p, 15, EDDA_ESEQUENCE);
        /* The same numbers in another cut are no repeat. */
        refused(w, t, p, 12, EDDA_ESEQUENCE);
    }
    sent(w, t, p, 14, 3, 14, false);
}

static void a_producer_never_seen_begins_anywhere(void **state)
{
    struct world *w = *state;
    struct topic *t = topic_of(w, "orders", 1);
    struct producer_id p = fresh(w);
    sent(w, t, p, 77, 1, 0, false);
    sent(w, t, p, 78, 1, 1, false);
    /* One whose batch was refused is still one that was never seen. */
    struct store_batch_appended appended;
    struct producer_id q = fresh(w);
    struct made wrong = { .value = "v", .idempotent = true, .producer = q, .sequence = -1 };
    assert_true(produce(w, t, 0, &wrong, &appended) < 0);
    sent(w, t, q, 5, 1, 2, false);
}

static void epochs_fence(void **state)
{
    struct world *w = *state;
    struct topic *t = topic_of(w, "orders", 1);
    struct producer_id p = fresh(w), next = { p.id, 1 };
    sent(w, t, p, 0, 1, 0, false);
    refused(w, t, next, 1, EDDA_ESEQUENCE);
    sent(w, t, next, 0, 1, 1, false);
    EACH_AGAIN(i) {
        agains[i](w);
        t = topic_of(w, "orders", 1);
        refused(w, t, p, 1, EDDA_EFENCED);
        refused(w, t, p, 0, EDDA_EFENCED);
        sent(w, t, next, 0, 1, 1, true);
    }
    sent(w, t, next, 1, 1, 2, false);
}

static void sequences_go_round(void **state)
{
    struct world *w = *state;
    struct topic *t = topic_of(w, "orders", 1);
    struct producer_id p = fresh(w), q = fresh(w);
    sent(w, t, p, INT32_MAX - 1, 2, 0, false);
    sent(w, t, q, INT32_MAX - 1, 4, 2, false);
    EACH_AGAIN(i) {
        agains[i](w);
        t = topic_of(w, "orders", 1);
        sent(w, t, p, INT32_MAX - 1, 2, 0, true);
        refused(w, t, p, 1, EDDA_ESEQUENCE);
        sent(w, t, q, INT32_MAX - 1, 4, 2, true);
        refused(w, t, q, 1, EDDA_ESEQUENCE);
    }
    sent(w, t, p, 0, 1, 6, false);
    sent(w, t, q, 2, 1, 7, false);
}

/* Also across restarts, and when a producer brings one that was never given here. */
static void ids_are_never_given_twice(void **state)
{
    struct world *w = *state;
    struct topic *t = topic_of(w, "orders", 1);
    int64_t last = -1;
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < 1500; i++) {
            struct producer_id p = fresh(w);
            assert_true(p.id > last && p.epoch == 0);
            last = p.id;
        }
        round % 2 ? flush_and_crash(w) : reopen(w);
    }
    t = topic_of(w, "orders", 1);
    struct store_batch_appended appended;
    struct producer_id foreign = { last + 50000, 0 };
    sent(w, t, foreign, 0, 1, 0, false);
    assert_true(fresh(w).id > foreign.id);
    reopen(w);
    t = topic_of(w, "orders", 1);
    assert_true(fresh(w).id > foreign.id);
    assert_int_equal(send(w, t, (struct producer_id){ INT64_MAX, 0 }, 0, 1, &appended), EDDA_EPRODUCER);
}

/* After a day without a batch nothing is known of it. */
static void producers_expire(void **state)
{
    struct world *w = *state;
    struct topic *t = topic_of(w, "orders", 1);
    struct producer_id p = fresh(w), q = fresh(w);
    sent(w, t, p, 0, 1, 0, false);
    io_simulated_advance(w->io, PRODUCER_EXPIRES_MS * 500000);
    sent(w, t, q, 0, 1, 1, false);
    io_simulated_advance(w->io, PRODUCER_EXPIRES_MS * 500000);
    transactions_expire(w->store);
    refused(w, t, q, 7, EDDA_ESEQUENCE);
    sent(w, t, p, 0, 1, 2, false);
}

static int see_name(void *user, const char *name)
{
    *(bool *)user |= strcmp(name, "producers") == 0;
    return 0;
}

/* Under load the checkpoint is made while the store is open, and written when what it stands for is durable. */
static void a_checkpoint_is_made_under_load(void **state)
{
    struct world *w = *state;
    struct topic *t = topic_of(w, "orders", 1);
    struct producer_id p = fresh(w);
    struct buffer value = BUFFER_EMPTY, bytes = BUFFER_EMPTY;
    bool written = false;
    buffer_append_zeros(&value, 1000000);
    for (int i = 0; i < 20; i++) {
        struct batch_builder builder;
        struct store_batch batch = { .topic = t };
        struct store_batch_appended appended;
        buffer_clear(&bytes);
        batch_builder_init(&builder, &bytes);
        batch_builder_add(&builder, 1, slice_of(NULL, 0), buffer_slice(&value), slice_of(NULL, 0), 0);
        batch_builder_finish(&builder, 0, 0);
        batch_set_producer(bytes.data, bytes.len, p.id, p.epoch, i);
        batch.bytes = buffer_slice(&bytes);
        assert_int_equal(store_batch_append(w->store, &batch, &appended, &w->error), 0);
        flush(w);
        store_maintain(w->store);
        while (io_jobs_wait(w->io, 0))
            io_jobs_finish(w->io);
    }
    io_simulated_advance(w->io, 1000000000);
    io_jobs_finish(w->io);
    assert_int_equal(io_dir_list(w->io, DIR "/checkpoint", see_name, &written), 0);
    assert_true(written);
    sent(w, t, p, 20, 2, 20, false);
    flush_and_crash(w);
    t = topic_of(w, "orders", 1);
    sent(w, t, p, 20, 2, 20, true);
    sent(w, t, p, 22, 1, 22, false);
    buffer_deinit(&value);
    buffer_deinit(&bytes);
}

static int see_producer(void *user, const struct producer_info *info)
{
    struct producer_info *seen = user;
    assert_int_equal(seen->producer.id, -1);
    *seen = *info;
    return 0;
}

static void producers_are_listed(void **state)
{
    struct world *w = *state;
    struct topic *t = topic_of(w, "orders", 2);
    struct producer_id p = fresh(w);
    sent(w, t, p, 5, 3, 0, false);
    EACH_AGAIN(i) {
        agains[i](w);
        t = topic_of(w, "orders", 2);
        struct producer_info seen = { .producer = { -1, -1 } };
        assert_int_equal(producers_each(w->store, t, 1, see_producer, &seen), 0);
        assert_int_equal(producers_each(w->store, t, 0, see_producer, &seen), 0);
        assert_int_equal(seen.producer.id, p.id);
        assert_int_equal(seen.last_sequence, 7);
        assert_int_equal(seen.last_timestamp_ms, 1002);
        assert_int_equal(seen.transaction_first_offset, -1);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(repeats_give_the_first_offset),
        TEST(a_producer_never_seen_begins_anywhere),
        TEST(epochs_fence),
        TEST(sequences_go_round),
        TEST(ids_are_never_given_twice),
        TEST(producers_expire),
        TEST(a_checkpoint_is_made_under_load),
        TEST(producers_are_listed),
    };
    return cmocka_run_group_tests_name("producers", tests, NULL, NULL);
}
