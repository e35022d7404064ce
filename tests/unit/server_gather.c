/* How long a flush waits for those who were just answered: by hand, and with clients that come back as real ones do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/prng.h"
#include "server/gather.h"

#define SYNC_NS INT64_C(100000)

static void returns(struct gather *gather, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        gather_return(gather, gather->round);
}

static void a_lone_client_is_never_waited_for(void **state)
{
    struct gather gather = { 0 };
    (void)state;
    assert_false(gather_waits(&gather, 0));
    gather_begin(&gather, 1, SYNC_NS, 0);
    assert_false(gather_waits(&gather, 1));
    assert_false(gather.waiting);
}

static void a_flush_waits_until_all_are_back(void **state)
{
    struct gather gather = { 0 };
    (void)state;
    gather_begin(&gather, 3, SYNC_NS, 0);
    for (uint32_t i = 0; i < 3; i++) {
        assert_true(gather_waits(&gather, 1000 * i));
        assert_true(gather.waiting);
        returns(&gather, 1);
    }
    assert_false(gather_waits(&gather, 3000));
    assert_false(gather.waiting);
    assert_int_equal(gather.vain, 0);
}

static void who_was_answered_earlier_is_none_of_them(void **state)
{
    struct gather gather = { 0 };
    (void)state;
    gather_begin(&gather, 2, SYNC_NS, 0);
    gather_begin(&gather, 2, SYNC_NS, 0);
    gather_return(&gather, gather.round - 1);
    gather_return(&gather, 0);
    assert_int_equal(gather.returned, 0);
    assert_true(gather_waits(&gather, 1));
}

static void a_pause_ends_the_wait(void **state)
{
    struct gather gather = { 0 };
    (void)state;
    gather_begin(&gather, 10, SYNC_NS, 0);
    returns(&gather, 5);
    assert_true(gather_waits(&gather, SYNC_NS / 8));
    assert_true(gather_waits(&gather, SYNC_NS / 8 + SYNC_NS / 4 - 1));
    assert_false(gather_waits(&gather, SYNC_NS / 8 + SYNC_NS / 4));
    /* Half of them had come: that was worth it. */
    assert_int_equal(gather.vain, 0);
}

static void it_is_no_longer_than_a_sync(void **state)
{
    struct gather gather = { 0 };
    int64_t now_ns = 0;
    (void)state;
    gather_begin(&gather, 1000, SYNC_NS, 0);
    while (gather_waits(&gather, now_ns)) {
        returns(&gather, 1);
        now_ns += SYNC_NS / 10;
        assert_true(now_ns <= SYNC_NS);
    }
    assert_int_equal(now_ns, SYNC_NS);
}

static void after_a_vain_wait_there_is_none_for_a_while(void **state)
{
    struct gather gather = { 0 };
    (void)state;
    gather_begin(&gather, 10, SYNC_NS, 0);
    returns(&gather, 4);
    assert_true(gather_waits(&gather, 0));
    assert_false(gather_waits(&gather, SYNC_NS));
    for (int i = 1; i < GATHER_VAIN_FLUSHES; i++) {
        gather_begin(&gather, 10, SYNC_NS, 0);
        assert_false(gather_waits(&gather, 0));
    }
    gather_begin(&gather, 10, SYNC_NS, 0);
    assert_true(gather_waits(&gather, 0));
}

static void what_another_thread_syncs_is_not_waited_with(void **state)
{
    struct gather gather = { 0 };
    (void)state;
    gather_begin(&gather, 10, SYNC_NS, 0);
    gather_begin(&gather, 10, 0, 0);
    assert_false(gather_waits(&gather, 0));
    gather_begin(&gather, 10, SYNC_NS, 0);
    assert_true(gather_waits(&gather, 0));
}

static void one_slow_sync_does_not_make_the_next_ones_wait(void **state)
{
    struct gather gather = { 0 };
    (void)state;
    gather_begin(&gather, 10, SYNC_NS, 0);
    gather_begin(&gather, 10, 1000 * SYNC_NS, 0);
    assert_true(gather.sync_ns <= 2 * SYNC_NS);
    for (int i = 0; i < 200; i++)
        gather_begin(&gather, 10, 3 * SYNC_NS, 0);
    assert_true(gather.sync_ns > 2 * SYNC_NS);
    assert_true(gather.sync_ns <= 3 * SYNC_NS);
}

/* Clients that each wait for their answer and need a little time of their own, one after the other on a core that they share. */
static void clients_in_a_loop_share_every_sync(void **state)
{
    enum { CLIENTS = 48, FLUSHES = 2000 };
    struct gather gather = { 0 };
    struct prng prng;
    int64_t back_ns[CLIENTS], now_ns = 0, served = 0;
    bool here[CLIENTS] = { 0 };
    uint32_t round[CLIENTS] = { 0 };
    uint64_t seed = 7;
    (void)state;
    prng_init(&prng, seed);
    for (int i = 0; i < CLIENTS; i++)
        back_ns[i] = (int64_t)prng_below(&prng, SYNC_NS);
    for (int flushes = 0; flushes < FLUSHES;) {
        int waiting = 0;
        for (int i = 0; i < CLIENTS; i++) {
            if (!here[i] && back_ns[i] <= now_ns) {
                here[i] = true;
                gather_return(&gather, round[i]);
            }
            waiting += here[i];
        }
        now_ns += 1000;
        if (waiting == 0 || gather_waits(&gather, now_ns))
            continue;
        now_ns += SYNC_NS;
        int64_t core_ns = now_ns;
        for (int i = 0; i < CLIENTS; i++) {
            if (!here[i])
                continue;
            core_ns += 1000 + (int64_t)prng_below(&prng, 2000);
            back_ns[i] = core_ns;
            round[i] = gather.round + 1;
            here[i] = false;
        }
        gather_begin(&gather, (uint32_t)waiting, SYNC_NS, now_ns);
        served += waiting;
        flushes++;
    }
    print_message("seed %llu: %.1f of %d in a flush\n", (unsigned long long)seed, (double)served / FLUSHES, CLIENTS);
    assert_true(served > (int64_t)FLUSHES * CLIENTS * 9 / 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lone_client_is_never_waited_for),
        cmocka_unit_test(a_flush_waits_until_all_are_back),
        cmocka_unit_test(who_was_answered_earlier_is_none_of_them),
        cmocka_unit_test(a_pause_ends_the_wait),
        cmocka_unit_test(it_is_no_longer_than_a_sync),
        cmocka_unit_test(after_a_vain_wait_there_is_none_for_a_while),
        cmocka_unit_test(what_another_thread_syncs_is_not_waited_with),
        cmocka_unit_test(one_slow_sync_does_not_make_the_next_ones_wait),
        cmocka_unit_test(clients_in_a_loop_share_every_sync),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
