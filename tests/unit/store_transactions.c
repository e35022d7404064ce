/*
 * Transactions (KIP-98, KIP-360, KIP-447): nobody sees their records before they commit; a crash leaves them whole or open; whoever is too late is fenced.
 * Each state is looked at again after a flush, a restart, a crash, and without index and checkpoint.
 */
#include "partition_rig.h"

#include <string.h>

#define NAME SLICE("tx-1")
#define NONE ((struct producer_id){ -1, -1 })
#define TIMEOUT_MS 60000

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

static struct producer_id begin_as(struct world *w, struct slice name)
{
    struct producer_id p;
    int r = transaction_begin_producer(w->store, name, TIMEOUT_MS, NONE, &p, &w->error);
    if (r != 0)
        fail_msg("begin: %d %s", r, w->error.message);
    return p;
}

static struct producer_id begin(struct world *w)
{
    return begin_as(w, NAME);
}

static void add(struct world *w, struct producer_id p, struct topic *t, uint32_t partition)
{
    int r = transaction_add_partition(w->store, NAME, p, t, partition, &w->error);
    if (r != 0)
        fail_msg("add: %d %s", r, w->error.message);
}

static int send(struct world *w, struct topic *t, uint32_t partition, struct producer_id p, int32_t sequence, const char *value, int32_t count)
{
    struct made made = { .key = "k", .value = value, .count = count, .transactional = true, .producer = p, .sequence = sequence };
    struct store_batch_appended appended;
    return produce(w, t, partition, &made, &appended);
}

static void sent(struct world *w, struct topic *t, uint32_t partition, struct producer_id p, int32_t sequence, const char *value, int32_t count)
{
    int r = send(w, t, partition, p, sequence, value, count);
    if (r != 0)
        fail_msg("send: %d %s", r, w->error.message);
}

static void end(struct world *w, struct producer_id p, bool commit)
{
    int r = transaction_end(w->store, NAME, p, commit, &w->error);
    if (r != 0)
        fail_msg("end: %d %s", r, w->error.message);
}

static int abort_see(void *user, const struct store_aborted *aborted)
{
    char *text = user;
    size_t len = strlen(text);
    snprintf(text + len, 128 - len, "%lld ", (long long)aborted->first_offset);
    return 0;
}

/* The first offsets of the transactions that were aborted in a range. */
static const char *aborted(struct world *w, struct topic *t, uint32_t partition, int64_t from, int64_t to)
{
    static char text[128];
    text[0] = '\0';
    store_aborted_each(w->store, t, partition, from, to, abort_see, text);
    return text;
}

static void a_commit_makes_records_seen(void **state)
{
    struct world *w = *state;
    struct topic *t = topic_of(w, "orders", 2);
    struct producer_id p = begin(w);
    produced(w, t, 0, &(struct made){ .key = "k", .value = "x" });
    add(w, p, t, 0);
    add(w, p, t, 1);
    sent(w, t, 0, p, 0, "a", 2);
    sent(w, t, 1, p, 0, "b", 1);
    sent(w, t, 0, p, 2, "c", 1);
    produced(w, t, 0, &(struct made){ .key = "k", .value = "y" });
    EACH_AGAIN(i) {
        agains[i](w);
        t = topic_of(w, "orders", 2);
        assert_string_equal(stream_text(w, "orders", "k"), "0=x0 1=y0");
        assert_string_equal(topic_text(w, t), "x0 y0");
        flush(w);
        struct store_bounds bounds = bounds_of(w, t, 0);
        assert_true(bounds.stable == 1 && bounds.durable == 5);
        assert_int_equal(bounds_of(w, t, 1).stable, 0);
        assert_string_equal(fetched(w, t, 0, 0, true), "|0:x0");
        assert_string_equal(fetched(w, t, 0, 0, false), "|0:x0 |1:a0 2:a1 |3:c0 |4:y0");
        verify(w);
    }
    end(w, p, true);
    produced(w, t, 0, &(struct made){ .key = "k", .value = "z" });
    EACH_AGAIN(i) {
        agains[i](w);
        t = topic_of(w, "orders", 2);
        assert_string_equal(stream_text(w, "orders", "k"), "0=x0 1=y0 2=a0 3=a1 4=b0 5=c0 6=z0");
        assert_string_equal(topic_text(w, t), "x0 y0 a0 a1 b0 c0 z0");
        /* A repeated end, and one that is too late. */
        assert_int_equal(transaction_end(w->store, NAME, p, true, &w->error), 0);
        assert_int_equal(transaction_end(w->store, NAME, p, false, &w->error), EDDA_ETRANSACTION);
        flush(w);
        struct store_bounds bounds = bounds_of(w, t, 0);
        assert_true(bounds.stable == 7 && bounds.durable == 7);
        assert_string_equal(fetched(w, t, 0, 0, true), "|0:x0 |1:a0 2:a1 |3:c0 |4:y0 |5:commit |6:z0");
        assert_string_equal(fetched(w, t, 1, 0, true), "|0:b0 |1:commit");
        assert_string_equal(aborted(w, t, 0, 0, 100), "");
        verify(w);
    }
}

/* The end of a transaction moves the stable offset when it is durable, not before. */
static void an_end_counts_when_it_is_durable(void **state)
{
    struct world *w = *state;
    struct topic *t = topic_of(w, "orders", 1);
    struct producer_id p = begin(w);
    add(w, p, t, 0);
    sent(w, t, 0, p, 0, "a", 1);
    flush(w);
    end(w, p, true);
    assert_int_equal(bounds_of(w, t, 0).stable, 0);
    assert_int_equal(store_close_frame(w->store, &w->error), 0);
    assert_int_equal(bounds_of(w, t, 0).stable, 0);
    crash(w);
    t = topic_of(w, "orders", 1);
    assert_string_equal(topic_text(w, t), "");
    assert_int_equal(bounds_of(w, t, 0).stable, 0);
    end(w, p, false);
    flush(w);
    assert_int_equal(bounds_of(w, t, 0).stable, 2);
    assert_string_equal(topic_text(w, t), "");
    assert_string_equal(aborted(w, t, 0, 0, 2), "0 ");
}

static void an_abort_leaves_nothing_but_offsets(void **state)
{
    struct world *w = *state;
    struct topic *t = topic_of(w, "orders", 1);
    struct producer_id p = begin(w);
    for (int i = 0; i < 3; i++) {
        add(w, p, t, 0);
        sent(w, t, 0, p, i, "a", 1);
        end(w, p, i == 1);
    }
    EACH_AGAIN(i) {
        agains[i](w);
        t = topic_of(w, "orders", 1);
        assert_string_equal(stream_text(w, "orders", "k"), "0=a0");
        flush(w);
        assert_string_equal(fetched(w, t, 0, 0, true), "|0:a0 |1:abort |2:a0 |3:commit |4:a0 |5:abort");
        assert_string_equal(aborted(w, t, 0, 0, 6), "0 4 ");
        assert_string_equal(aborted(w, t, 0, 1, 4), "0 ");
        assert_string_equal(aborted(w, t, 0, 2, 4), "");
        assert_string_equal(aborted(w, t, 0, 2, 5), "4 ");
        verify(w);
    }
}

/* A produce of a transaction moves the tail, so that whoever answers waits for its frame. */
static void batches_of_a_transaction_wait_for_the_disk(void **state)
{
    struct world *w = *state;
    struct topic *t = topic_of(w, "orders", 1);
    struct producer_id p = begin(w);
    add(w, p, t, 0);
    flush(w);
    uint64_t durable = store_durable_position(w->store);
    sent(w, t, 0, p, 0, "a", 1);
    assert_true(store_tail(w->store) > durable);
    uint64_t tail = store_tail(w->store);
    sent(w, t, 0, p, 1, "b", 1);
    assert_int_equal(store_tail(w->store), tail);
    flush(w);
    assert_int_equal(store_durable_position(w->store), tail);
    struct store_record record;
    assert_int_equal(store_position_read(w->store, tail - 1, &record), EDDA_ENOTFOUND);
    end(w, p, true);
    EACH_AGAIN(i) {
        agains[i](w);
        t = topic_of(w, "orders", 1);
        assert_string_equal(topic_text(w, t), "a0 b0");
        struct store_cursor cursor;
        uint64_t forward = 0, backward = 0;
        store_cursor_init(&cursor, 0, NULL);
        while (store_cursor_next(w->store, &cursor, &record, &w->error) == 1)
            forward++;
        while (store_cursor_previous(w->store, &cursor, &record, &w->error) == 1)
            backward++;
        store_cursor_deinit(&cursor);
        assert_int_equal(forward, backward);
    }
}

static void what_does_not_belong_is_refused(void **state)
{
    struct world *w = *state;
    struct topic *t = topic_of(w, "orders", 2);
    struct producer_id p = begin(w), stranger = { p.id + 1, 0 };
    assert_int_equal(send(w, t, 0, p, 0, "a", 1), EDDA_ETRANSACTION);
    assert_int_equal(transaction_end(w->store, NAME, p, true, &w->error), EDDA_ETRANSACTION);
    assert_int_equal(transaction_add_partition(w->store, SLICE("tx-2"), p, t, 0, &w->error), EDDA_EPRODUCER);
    assert_int_equal(transaction_add_partition(w->store, NAME, stranger, t, 0, &w->error), EDDA_EPRODUCER);
    add(w, p, t, 0);
    add(w, p, t, 0);
    assert_int_equal(send(w, t, 1, p, 0, "a", 1), EDDA_ETRANSACTION);
    sent(w, t, 0, p, 0, "a", 1);
    struct store_batch_appended appended;
    struct made plain = { .value = "a", .idempotent = true, .producer = p, .sequence = 1 };
    assert_int_equal(produce(w, t, 0, &plain, &appended), EDDA_ETRANSACTION);
    assert_int_equal(send(w, t, 0, p, 2, "a", 1), EDDA_ESEQUENCE);
    sent(w, t, 0, p, 0, "a", 1); /* a repeat */
    struct producer_id ret;
    assert_int_equal(transaction_begin_producer(w->store, SLICE(""), 1, NONE, &ret, &w->error), EDDA_EINVAL);
    assert_int_equal(transaction_begin_producer(w->store, NAME, 0, NONE, &ret, &w->error), EDDA_EINVAL);
    assert_int_equal(transaction_begin_producer(w->store, NAME, TRANSACTION_TIMEOUT_MAX_MS + 1, NONE, &ret, &w->error), EDDA_EINVAL);
    end(w, p, true);
    flush(w);
    assert_string_equal(fetched(w, t, 0, 0, true), "|0:a0 |1:commit");
    /* The repeat of a batch whose transaction has ended is still a repeat. */
    sent(w, t, 0, p, 0, "a", 1);
}

/* A client whose batch was aborted before it got the answer may give its sequence numbers to what it sends next, which must not be taken for it: that would be told to be there,
 * and would be nowhere. */
static void what_was_aborted_is_not_repeated(void **state)
{
    struct world *w = *state;
    struct topic *t = topic_of(w, "orders", 1);
    struct producer_id p = begin(w);
    add(w, p, t, 0);
    sent(w, t, 0, p, 0, "a", 2);
    end(w, p, true);
    add(w, p, t, 0);
    sent(w, t, 0, p, 2, "b", 2);
    sent(w, t, 0, p, 2, "b", 2); /* a repeat, as yet */
    flush_and_crash(w);
    t = topic_of(w, "orders", 1);
    sent(w, t, 0, p, 2, "b", 2);
    end(w, p, false);
    EACH_AGAIN(i) {
        agains[i](w);
        t = topic_of(w, "orders", 1);
        add(w, p, t, 0);
        assert_int_equal(send(w, t, 0, p, 2, "c", 2), EDDA_EPRODUCER);
        sent(w, t, 0, p, 0, "a", 2); /* the repeat of what was committed */
        end(w, p, false);
    }
    add(w, p, t, 0);
    sent(w, t, 0, p, 4, "c", 2);
    end(w, p, true);
    flush(w);
    assert_string_equal(fetched(w, t, 0, 0, true), "|0:a0 1:a1 |2:commit |3:b0 4:b1 |5:abort |6:abort |7:abort |8:abort |9:abort |10:abort |11:c0 12:c1 |13:commit");
}

/* A new instance takes over: what the older one left open is aborted, and the older one is fenced. */
static void a_new_instance_fences_the_old_one(void **state)
{
    struct world *w = *state;
    struct topic *t = topic_of(w, "orders", 1);
    struct producer_id old = begin(w), p;
    add(w, old, t, 0);
    sent(w, t, 0, old, 0, "a", 1);
    p = begin(w);
    assert_true(p.id == old.id && p.epoch == old.epoch + 1);
    EACH_AGAIN(i) {
        agains[i](w);
        t = topic_of(w, "orders", 1);
        assert_int_equal(send(w, t, 0, old, 1, "b", 1), EDDA_EFENCED);
        assert_int_equal(transaction_end(w->store, NAME, old, true, &w->error), EDDA_EFENCED);
        assert_int_equal(transaction_add_partition(w->store, NAME, old, t, 0, &w->error), EDDA_EFENCED);
        struct producer_id same;
        /* Who is fenced does not become the newest by saying what he was. */
        assert_int_equal(transaction_begin_producer(w->store, NAME, TIMEOUT_MS, old, &same, &w->error), EDDA_EFENCED);
        assert_int_equal(transaction_begin_producer(w->store, NAME, TIMEOUT_MS, (struct producer_id){ p.id, 7 }, &same, &w->error), EDDA_EFENCED);
        flush(w);
        assert_string_equal(fetched(w, t, 0, 0, true), "|0:a0 |1:abort");
    }
    add(w, p, t, 0);
    sent(w, t, 0, p, 0, "c", 1);
    end(w, p, true);
    assert_string_equal(topic_text(w, t), "c0");
    struct producer_id next;
    assert_int_equal(transaction_begin_producer(w->store, NAME, TIMEOUT_MS, p, &next, &w->error), 0);
    assert_true(next.id == p.id && next.epoch == p.epoch + 1);
    /* Whoever got no answer asks again as what he was. */
    EACH_AGAIN(i) {
        struct producer_id same;
        agains[i](w);
        assert_int_equal(transaction_begin_producer(w->store, NAME, TIMEOUT_MS, p, &same, &w->error), 0);
        assert_true(same.id == next.id && same.epoch == next.epoch);
    }
}

static void epochs_run_out(void **state)
{
    struct world *w = *state;
    struct topic *t = topic_of(w, "orders", 1);
    struct producer_id p = begin(w), q = p;
    for (int i = 0; i < 32766; i++)
        q = begin(w);
    assert_true(q.id == p.id && q.epoch == 32766);
    add(w, q, t, 0);
    sent(w, t, 0, q, 0, "a", 1);
    struct producer_id next;
    assert_int_equal(transaction_begin_producer(w->store, NAME, TIMEOUT_MS, q, &next, &w->error), 0);
    assert_true(next.id != p.id && next.epoch == 0);
    EACH_AGAIN(i) {
        agains[i](w);
        t = topic_of(w, "orders", 1);
        assert_true(send(w, t, 0, q, 1, "b", 1) < 0);
        struct producer_id same;
        assert_int_equal(transaction_begin_producer(w->store, NAME, TIMEOUT_MS, q, &same, &w->error), 0);
        assert_true(same.id == next.id && same.epoch == 0);
    }
    flush(w);
    assert_string_equal(fetched(w, t, 0, 0, true), "|0:a0 |1:abort");
}

/* The epoch behind the last one fences the last one; nobody is given it, so who comes with it is no producer. */
static void the_epoch_behind_the_last_is_nobodys(void **state)
{
    struct world *w = *state;
    struct topic *t = topic_of(w, "orders", 1);
    struct producer_id q = begin(w);
    for (int i = 0; i < 32766; i++)
        q = begin(w);
    add(w, q, t, 0);
    io_simulated_advance(w->io, TIMEOUT_MS * INT64_C(1000000));
    (void)transactions_expire(w->store);
    EACH_AGAIN(i) {
        agains[i](w);
        t = topic_of(w, "orders", 1);
        assert_int_equal(transaction_add_partition(w->store, NAME, q, t, 0, &w->error), EDDA_EFENCED);
        assert_int_equal(transaction_add_partition(w->store, NAME, (struct producer_id){ q.id, INT16_MAX }, t, 0, &w->error), EDDA_EFENCED);
    }
    struct producer_id next = begin(w);
    assert_true(next.id != q.id && next.epoch == 0);
}

static void a_transaction_times_out(void **state)
{
    struct world *w = *state;
    struct topic *t = topic_of(w, "orders", 1);
    struct producer_id p = begin(w);
    add(w, p, t, 0);
    sent(w, t, 0, p, 0, "a", 1);
    reopen(w);
    t = topic_of(w, "orders", 1);
    int64_t due = transactions_expire(w->store), now = store_time_ms(w->store);
    assert_true(due > now && due <= now + TIMEOUT_MS);
    io_simulated_advance(w->io, (due - now) * 1000000 + 1000000);
    assert_true(transactions_expire(w->store) > store_time_ms(w->store));
    EACH_AGAIN(i) {
        agains[i](w);
        t = topic_of(w, "orders", 1);
        assert_int_equal(transaction_end(w->store, NAME, p, true, &w->error), EDDA_EFENCED);
        assert_int_equal(send(w, t, 0, p, 1, "a", 1), EDDA_EFENCED);
        flush(w);
        assert_string_equal(fetched(w, t, 0, 0, true), "|0:a0 |1:abort");
    }
    io_simulated_advance(w->io, TRANSACTIONAL_ID_EXPIRES_MS * 1000000);
    assert_int_equal(transactions_expire(w->store), INT64_MAX);
    struct transaction_info info;
    assert_int_equal(transaction_get(w->store, NAME, &info), EDDA_ENOTFOUND);
    reopen(w);
    assert_int_equal(transaction_get(w->store, NAME, &info), EDDA_ENOTFOUND);
    assert_true(begin(w).id > p.id);
}

static void group_offsets_count_with_the_commit(void **state)
{
    struct world *w = *state;
    struct topic *t = topic_of(w, "orders", 1);
    struct producer_id p = begin(w);
    struct slice group = SLICE("g"), metadata = SLICE("m");
    assert_int_equal(transaction_add_offset(w->store, NAME, p, group, SLICE("orders"), 0, 5, -1, metadata, &w->error), EDDA_ETRANSACTION);
    assert_int_equal(store_offset_commit(w->store, group, SLICE("orders"), 0, 1, metadata, &w->error), 0);
    for (int64_t round = 0; round < 2; round++) {
        assert_int_equal(transaction_add_group(w->store, NAME, p, group, &w->error), 0);
        assert_int_equal(transaction_add_offset(w->store, NAME, p, group, SLICE("orders"), 0, 5 + round, -1, metadata, &w->error), 0);
        assert_int_equal(transaction_add_offset(w->store, NAME, p, group, SLICE("orders"), 0, 7 + round, -1, metadata, &w->error), 0);
        EACH_AGAIN(i) {
            agains[i](w);
            assert_int_equal(store_offset_fetch(w->store, group, SLICE("orders"), 0), 1);
            assert_true(transaction_offset_pending(w->store, group, SLICE("orders"), 0));
            assert_false(transaction_offset_pending(w->store, group, SLICE("orders"), 1));
            assert_false(transaction_offset_pending(w->store, SLICE("h"), SLICE("orders"), 0));
        }
        end(w, p, round == 1);
    }
    EACH_AGAIN(i) {
        agains[i](w);
        assert_int_equal(store_offset_fetch(w->store, group, SLICE("orders"), 0), 8);
        assert_false(transaction_offset_pending(w->store, group, SLICE("orders"), 0));
        verify(w);
    }
    assert_int_equal(store_offset_commit(w->store, group, SLICE("orders"), 0, 9, metadata, &w->error), 0);
    assert_int_equal(store_offset_fetch(w->store, group, SLICE("orders"), 0), 9);
    (void)t;
}

/* Partitions that were added are known after a crash, also when several were added to one frame. */
static void partitions_outlive_a_crash(void **state)
{
    struct world *w = *state;
    struct topic *t = topic_of(w, "orders", 50);
    struct producer_id p = begin(w);
    for (uint32_t i = 0; i < 50; i++)
        add(w, p, t, i);
    flush_and_crash(w);
    t = topic_of(w, "orders", 50);
    struct transaction_info info;
    assert_int_equal(transaction_get(w->store, NAME, &info), 0);
    assert_true(info.state == TRANSACTION_ONGOING && info.partition_count == 50 && info.producer.id == p.id);
    for (uint32_t i = 0; i < 50; i++)
        sent(w, t, i, p, 0, "a", 1);
    end(w, p, true);
    /* And the next one in the same frame. */
    add(w, p, t, 3);
    add(w, p, t, 4);
    sent(w, t, 4, p, 1, "b", 1);
    flush_and_crash(w);
    t = topic_of(w, "orders", 50);
    assert_int_equal(transaction_get(w->store, NAME, &info), 0);
    assert_true(info.state == TRANSACTION_ONGOING && info.partition_count == 2);
    sent(w, t, 3, p, 1, "c", 1);
    end(w, p, true);
    lose_index(w);
    struct store_record last;
    assert_int_equal(store_stream_last(w->store, SLICE("orders"), SLICE("k"), &last), 0);
    assert_true(slice_eq_str(last.record.value, "c0"));
    struct stream_info stream;
    assert_int_equal(store_stream_info(w->store, SLICE("orders"), SLICE("k"), &stream), 0);
    assert_int_equal(stream.next_version, 52);
}

/* Two transactions side by side, compressed batches among them: each has its place in the order of commits. */
static void transactions_side_by_side(void **state)
{
    struct world *w = *state;
    struct topic *t = topic_of(w, "orders", 1);
    struct producer_id p = begin(w), q = begin_as(w, SLICE("tx-2"));
    add(w, p, t, 0);
    assert_int_equal(transaction_add_partition(w->store, SLICE("tx-2"), q, t, 0, &w->error), 0);
    struct store_batch_appended appended;
    struct made a = { .key = "k", .value = "a", .count = 3, .transactional = true, .producer = p, .compression = 1 };
    struct made b = { .key = "k", .value = "b", .count = 2, .transactional = true, .producer = q, .compression = 1 };
    assert_int_equal(produce(w, t, 0, &a, &appended), 0);
    assert_int_equal(produce(w, t, 0, &b, &appended), 0);
    flush(w);
    assert_int_equal(bounds_of(w, t, 0).stable, 0);
    assert_int_equal(transaction_end(w->store, SLICE("tx-2"), q, true, &w->error), 0);
    flush(w);
    assert_int_equal(bounds_of(w, t, 0).stable, 0);
    end(w, p, true);
    EACH_AGAIN(i) {
        agains[i](w);
        t = topic_of(w, "orders", 1);
        assert_string_equal(stream_text(w, "orders", "k"), "0=b0 1=b1 2=a0 3=a1 4=a2");
        flush(w);
        assert_int_equal(bounds_of(w, t, 0).stable, 7);
        assert_string_equal(fetched(w, t, 0, 0, true), "|0:a0 1:a1 2:a2 |3:b0 4:b1 |5:commit |6:commit");
        verify(w);
    }
}

/* More batches than a frame has place for. */
static void a_long_transaction(void **state)
{
    struct world *w = *state;
    struct topic *t = topic_of(w, "orders", 1);
    struct producer_id p = begin(w);
    add(w, p, t, 0);
    for (int i = 0; i < 5000; i++) {
        sent(w, t, 0, p, i, "a", 1);
        if (i % 1700 == 0)
            flush(w);
    }
    end(w, p, true);
    EACH_AGAIN(i) {
        agains[i](w);
        struct stream_info stream;
        assert_int_equal(store_stream_info(w->store, SLICE("orders"), SLICE("k"), &stream), 0);
        assert_int_equal(stream.next_version, 5000);
        verify(w);
    }
}

struct told {
    int count;
};

static void tell(void *user, struct topic *topic, uint32_t partition)
{
    (void)topic;
    (void)partition;
    ((struct told *)user)->count++;
}

static void a_stable_offset_that_moves_is_told(void **state)
{
    struct world *w = *state;
    struct topic *t = topic_of(w, "orders", 1);
    struct told told = { 0 };
    struct producer_id p = begin(w);
    add(w, p, t, 0);
    sent(w, t, 0, p, 0, "a", 1);
    flush(w);
    store_on_durable(w->store, tell, &told);
    end(w, p, true);
    assert_int_equal(told.count, 0);
    flush(w);
    assert_int_equal(told.count, 2); /* and the table of producers */
}

/* The stable offset is never before the start. */
static void an_open_transaction_is_truncated(void **state)
{
    struct world *w = *state;
    struct topic *t = topic_of(w, "orders", 1);
    struct producer_id p = begin(w);
    add(w, p, t, 0);
    sent(w, t, 0, p, 0, "a", 2);
    produced(w, t, 0, &(struct made){ .key = "k", .value = "x" });
    flush(w);
    assert_int_equal(store_partition_truncate(w->store, t, 0, 2, &w->error), 0);
    assert_int_equal(bounds_of(w, t, 0).stable, 2);
    end(w, p, true);
    EACH_AGAIN(i) {
        agains[i](w);
        t = topic_of(w, "orders", 1);
        assert_string_equal(topic_text(w, t), "x0");
        flush(w);
        assert_string_equal(fetched(w, t, 0, 2, true), "|2:x0 |3:commit");
        verify(w);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_commit_makes_records_seen),
        TEST(an_end_counts_when_it_is_durable),
        TEST(an_abort_leaves_nothing_but_offsets),
        TEST(batches_of_a_transaction_wait_for_the_disk),
        TEST(what_does_not_belong_is_refused),
        TEST(what_was_aborted_is_not_repeated),
        TEST(a_new_instance_fences_the_old_one),
        TEST(epochs_run_out),
        TEST(the_epoch_behind_the_last_is_nobodys),
        TEST(a_transaction_times_out),
        TEST(group_offsets_count_with_the_commit),
        TEST(partitions_outlive_a_crash),
        TEST(transactions_side_by_side),
        TEST(a_long_transaction),
        TEST(a_stable_offset_that_moves_is_told),
        TEST(an_open_transaction_is_truncated),
    };
    return cmocka_run_group_tests_name("transactions", tests, NULL, NULL);
}
