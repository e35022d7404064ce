/* Consumer groups: each rule of joining, synchronising, beating and leaving, in virtual time. */
#include "group_rig.h"

#include <string.h>

/* --- joining ------------------------------------------------------------------------------------------ */

static void somebody_new_is_told_his_id_and_has_a_session_to_come_with_it(void **state)
{
    struct actor a = ACTOR(.id_required = true), late = ACTOR(.id_required = true);
    (void)state;
    assert_int_equal(join(&a), KAFKA_MEMBER_ID_REQUIRED);
    assert_memory_equal(a.id, "c-", 2);
    assert_int_equal(strlen(a.id), 2 + 36);
    assert_int_equal(state_of("g"), GROUP_EMPTY);
    assert_int_equal(beat(&a), KAFKA_UNKNOWN_MEMBER_ID);
    assert_int_equal(join(&a), KAFKA_NONE);
    assert_int_equal(a.generation, 1);
    assert_string_equal(a.talk.leader, a.id);
    assert_int_equal(a.talk.member_count, 1);
    assert_int_equal(join(&late), KAFKA_MEMBER_ID_REQUIRED);
    rig_pass(10001);
    assert_int_equal(join(&late), KAFKA_UNKNOWN_MEMBER_ID);
}

static void an_older_client_is_a_member_at_once(void **state)
{
    struct actor a = ACTOR(.id = "");
    (void)state;
    assert_int_equal(join(&a), KAFKA_NONE);
    assert_memory_equal(a.id, "c-", 2);
}

static void who_is_expected_is_waited_for(void **state)
{
    struct actor a = ACTOR(.client = "a"), b = ACTOR(.client = "b"), c = ACTOR(.client = "c", .id_required = true);
    (void)state;
    settle((struct actor *[]){ &a }, 1);
    assert_int_equal(join(&c), KAFKA_MEMBER_ID_REQUIRED);
    assert_int_equal(state_of("g"), GROUP_STABLE);
    assert_int_equal(join(&b), PARKED);
    assert_int_equal(join(&a), PARKED);
    assert_int_equal(state_of("g"), GROUP_PREPARING);
    assert_int_equal(join(&c), KAFKA_NONE);
    assert_int_equal(a.talk.error, KAFKA_NONE);
    assert_int_equal(a.talk.member_count, 3);
    assert_int_equal(b.talk.member_count, 0);
}

static void what_cannot_be_a_join_is_refused(void **state)
{
    struct actor a = ACTOR(.group = ""), s = ACTOR(.session_ms = 5999), l = ACTOR(.session_ms = 1800001), t = ACTOR(.type = ""), p = ACTOR(.protocols = ""),
                 other = ACTOR(.type = "connect"), none = ACTOR(.protocols = "sticky:m"), ghost = ACTOR(.id = "c-1"), member = ACTOR(.client = "m");
    (void)state;
    assert_int_equal(join(&a), KAFKA_INVALID_GROUP_ID);
    assert_int_equal(join(&s), KAFKA_INVALID_SESSION_TIMEOUT);
    assert_int_equal(join(&l), KAFKA_INVALID_SESSION_TIMEOUT);
    assert_int_equal(join(&t), KAFKA_INCONSISTENT_GROUP_PROTOCOL);
    assert_int_equal(join(&p), KAFKA_INCONSISTENT_GROUP_PROTOCOL);
    assert_int_equal(join(&ghost), KAFKA_UNKNOWN_MEMBER_ID);
    assert_int_equal(state_of("g"), GROUP_DEAD);
    settle((struct actor *[]){ &member }, 1);
    assert_int_equal(join(&other), KAFKA_INCONSISTENT_GROUP_PROTOCOL);
    assert_int_equal(join(&none), KAFKA_INCONSISTENT_GROUP_PROTOCOL);
    assert_int_equal(join(&ghost), KAFKA_UNKNOWN_MEMBER_ID);
    assert_int_equal(state_of("g"), GROUP_STABLE);
}

static void the_protocol_is_the_one_that_most_prefer_of_those_that_all_have(void **state)
{
    struct actor a = ACTOR(.client = "a", .protocols = "only:1 range:2 sticky:3"), b = ACTOR(.client = "b", .protocols = "sticky:4 range:5"),
                 c = ACTOR(.client = "c", .protocols = "sticky:6 range:7");
    (void)state;
    settle((struct actor *[]){ &a, &b, &c }, 3);
    struct group_info info;
    assert_int_equal(group_get(rig.groups, SLICE("g"), &info), 0);
    assert_true(slice_eq_str(info.protocol, "sticky"));
}

static void the_leader_gets_what_each_member_says_of_itself(void **state)
{
    struct actor a = ACTOR(.client = "a", .protocols = "range:one"), b = ACTOR(.client = "b", .protocols = "range:two");
    char expected[300];
    (void)state;
    join(&a);
    join(&b);
    assert_int_equal(join(&a), KAFKA_NONE);
    snprintf(expected, sizeof(expected), "%s:one %s:two", a.talk.member, b.talk.member);
    assert_string_equal(a.talk.members, expected);
    assert_string_equal(a.talk.protocol, "range");
    assert_string_equal(b.talk.leader, a.id);
    assert_int_equal(b.talk.told, 1);
}

static void the_first_generation_waits_for_more_members(void **state)
{
    struct actor a = ACTOR(.client = "a", .rebalance_ms = 7000), b = ACTOR(.client = "b", .rebalance_ms = 7000), c = ACTOR(.client = "c", .rebalance_ms = 7000);
    (void)state;
    rig.delay_ms = 3000;
    rig_restart(false);
    assert_int_equal(join(&a), PARKED);
    rig_pass(2000);
    assert_int_equal(join(&b), PARKED);
    rig_pass(1500); /* somebody has come: as long again */
    assert_int_equal(a.talk.error, PARKED);
    assert_int_equal(join(&c), PARKED);
    rig_pass(2499);
    assert_int_equal(a.talk.error, PARKED);
    rig_pass(1001); /* but no longer than the rebalance timeout */
    assert_int_equal(a.talk.error, KAFKA_NONE);
    assert_int_equal(a.talk.member_count, 3);
    /* The next generation does not wait. */
    sync_with(&b, NULL), sync_with(&c, NULL), sync_with(&a, "");
    assert_int_equal(leave(&c), KAFKA_NONE);
    assert_int_equal(join(&a), PARKED);
    assert_int_equal(join(&b), KAFKA_NONE);
}

/* --- coming again ------------------------------------------------------------------------------------- */

static void a_follower_that_says_nothing_new_gets_the_generation_back(void **state)
{
    struct actor a = ACTOR(.client = "a"), b = ACTOR(.client = "b");
    (void)state;
    settle((struct actor *[]){ &a, &b }, 2);
    assert_int_equal(join(&b), KAFKA_NONE);
    assert_int_equal(b.generation, a.generation);
    assert_int_equal(state_of("g"), GROUP_STABLE);
    b.protocols = "range:changed";
    assert_int_equal(join(&b), PARKED);
    assert_int_equal(state_of("g"), GROUP_PREPARING);
}

static void a_leader_that_comes_again_wants_a_rebalance(void **state)
{
    struct actor a = ACTOR(.client = "a"), b = ACTOR(.client = "b");
    (void)state;
    settle((struct actor *[]){ &a, &b }, 2);
    assert_int_equal(join(&a), PARKED);
    assert_int_equal(beat(&b), KAFKA_REBALANCE_IN_PROGRESS);
}

static void a_join_whose_answer_was_lost_is_answered_again(void **state)
{
    struct actor a = ACTOR(.client = "a"), b = ACTOR(.client = "b");
    (void)state;
    join(&a), join(&b), join(&a);
    int32_t generation = a.generation;
    assert_int_equal(state_of("g"), GROUP_COMPLETING);
    assert_int_equal(join(&a), KAFKA_NONE);
    assert_int_equal(a.generation, generation);
    assert_int_equal(a.talk.member_count, 2);
    a.protocols = "range:changed";
    assert_int_equal(join(&a), PARKED);
    assert_int_equal(state_of("g"), GROUP_PREPARING);
}

static void who_does_not_come_in_time_is_a_member_no_more(void **state)
{
    struct actor a = ACTOR(.client = "a", .session_ms = 30000), b = ACTOR(.client = "b", .session_ms = 30000), c = ACTOR(.client = "c", .session_ms = 30000);
    (void)state;
    settle((struct actor *[]){ &a, &b }, 2);
    assert_int_equal(join(&c), PARKED);
    assert_int_equal(join(&b), PARKED);
    rig_pass(19999);
    assert_int_equal(beat(&a), KAFKA_REBALANCE_IN_PROGRESS); /* alive, but it does not come */
    assert_int_equal(b.talk.error, PARKED);
    rig_pass(1);
    assert_int_equal(b.talk.error, KAFKA_NONE);
    assert_int_equal(b.talk.member_count, 2);
    assert_int_equal(beat(&a), KAFKA_UNKNOWN_MEMBER_ID);
}

static void a_newer_request_of_a_member_takes_the_older_ones_place(void **state)
{
    struct actor a = ACTOR(.client = "a"), b = ACTOR(.client = "b"), again;
    (void)state;
    settle((struct actor *[]){ &a, &b }, 2);
    b.protocols = "range:changed";
    assert_int_equal(join(&b), PARKED);
    again = b;
    assert_int_equal(join(&again), PARKED);
    assert_int_equal(b.talk.error, KAFKA_REBALANCE_IN_PROGRESS);
    assert_int_equal(join(&a), KAFKA_NONE);
    assert_int_equal(again.talk.error, KAFKA_NONE);
}

/* --- synchronising ------------------------------------------------------------------------------------ */

static void everybody_gets_what_the_leader_gave_him_and_later_askers_too(void **state)
{
    struct actor a = ACTOR(.client = "a"), b = ACTOR(.client = "b"), c = ACTOR(.client = "c");
    char parts[400];
    (void)state;
    join(&a), join(&b), join(&c), join(&a);
    assert_int_equal(sync_with(&b, NULL), PARKED);
    snprintf(parts, sizeof(parts), "%s=A %s=B stranger=S", a.id, b.id);
    assert_int_equal(sync_with(&a, parts), KAFKA_NONE);
    assert_string_equal(a.talk.assignment, "A");
    assert_string_equal(b.talk.assignment, "B");
    assert_int_equal(sync_with(&c, NULL), KAFKA_NONE);
    assert_string_equal(c.talk.assignment, "");
}

static void a_sync_that_does_not_belong_is_refused(void **state)
{
    struct actor a = ACTOR(.client = "a"), b = ACTOR(.client = "b");
    struct group_synced s;
    (void)state;
    assert_int_equal(sync_with(&a, NULL), KAFKA_UNKNOWN_MEMBER_ID);
    join(&a);
    a.generation++;
    a.talk.member[0] = 0;
    assert_int_equal(sync_with(&a, NULL), KAFKA_ILLEGAL_GENERATION);
    a.generation--;
    struct group_sync sync = { .group = SLICE("g"), .member = slice_str(a.id), .generation = 1, .protocol_type = SLICE("consumer"), .protocol = SLICE("sticky") };
    assert_int_equal(group_sync(rig.groups, &sync, rig.now_ns, &a.talk, &s), 1);
    assert_int_equal(s.error, KAFKA_INCONSISTENT_GROUP_PROTOCOL);
    sync.protocol = SLICE("range");
    sync.protocol_type = SLICE("connect");
    assert_int_equal(group_sync(rig.groups, &sync, rig.now_ns, &a.talk, &s), 1);
    assert_int_equal(s.error, KAFKA_INCONSISTENT_GROUP_PROTOCOL);
    assert_int_equal(join(&b), PARKED);
    assert_int_equal(sync_with(&a, NULL), KAFKA_REBALANCE_IN_PROGRESS);
}

static void who_waits_for_the_leader_hears_of_the_next_rebalance(void **state)
{
    struct actor a = ACTOR(.client = "a"), b = ACTOR(.client = "b"), c = ACTOR(.client = "c");
    (void)state;
    join(&a), join(&b), join(&a);
    assert_int_equal(sync_with(&b, NULL), PARKED);
    assert_int_equal(join(&c), PARKED);
    assert_int_equal(b.talk.error, KAFKA_REBALANCE_IN_PROGRESS);
    assert_int_equal(b.talk.told, 1);
}

static void who_does_not_ask_for_his_part_in_time_is_a_member_no_more(void **state)
{
    struct actor a = ACTOR(.client = "a", .session_ms = 60000), b = ACTOR(.client = "b", .session_ms = 60000);
    (void)state;
    join(&a), join(&b), join(&a);
    assert_int_equal(sync_with(&b, NULL), PARKED);
    rig_pass(20000); /* the leader is silent */
    assert_int_equal(b.talk.error, KAFKA_REBALANCE_IN_PROGRESS);
    assert_int_equal(beat(&a), KAFKA_UNKNOWN_MEMBER_ID);
    assert_int_equal(join(&b), KAFKA_NONE);
    assert_string_equal(b.talk.leader, b.id);
}

static void a_follower_that_never_asks_for_his_part_of_a_stable_group_goes_too(void **state)
{
    struct actor a = ACTOR(.client = "a", .session_ms = 60000), b = ACTOR(.client = "b", .session_ms = 60000);
    (void)state;
    join(&a), join(&b), join(&a);
    assert_int_equal(sync_with(&a, ""), KAFKA_NONE);
    rig_pass(19999);
    assert_int_equal(state_of("g"), GROUP_STABLE);
    rig_pass(1);
    assert_int_equal(beat(&b), KAFKA_UNKNOWN_MEMBER_ID);
    assert_int_equal(beat(&a), KAFKA_REBALANCE_IN_PROGRESS);
}

/* --- heartbeats and sessions -------------------------------------------------------------------------- */

static void heartbeats_are_answered_by_the_groups_state(void **state)
{
    struct actor a = ACTOR(.client = "a"), b = ACTOR(.client = "b"), old;
    (void)state;
    assert_int_equal(beat(&a), KAFKA_UNKNOWN_MEMBER_ID);
    join(&a);
    assert_int_equal(beat(&a), KAFKA_NONE); /* COMPLETING */
    assert_int_equal(sync_with(&a, ""), KAFKA_NONE);
    assert_int_equal(beat(&a), KAFKA_NONE);
    old = a;
    old.generation--;
    assert_int_equal(beat(&old), KAFKA_ILLEGAL_GENERATION);
    assert_int_equal(join(&b), PARKED);
    assert_int_equal(beat(&a), KAFKA_REBALANCE_IN_PROGRESS);
    assert_int_equal(group_heartbeat(rig.groups, SLICE(""), SLICE("x"), slice_of(NULL, 0), 1, rig.now_ns), KAFKA_INVALID_GROUP_ID);
}

static void a_heartbeat_keeps_the_session_also_during_a_rebalance(void **state)
{
    struct actor a = ACTOR(.client = "a", .rebalance_ms = 60000), b = ACTOR(.client = "b", .rebalance_ms = 60000);
    (void)state;
    settle((struct actor *[]){ &a }, 1);
    for (int i = 0; i < 3; i++) {
        rig_pass(9999);
        assert_int_equal(beat(&a), KAFKA_NONE);
    }
    join(&b);
    for (int i = 0; i < 3; i++) {
        rig_pass(9999);
        assert_int_equal(beat(&a), KAFKA_REBALANCE_IN_PROGRESS);
    }
    rig_pass(10000);
    assert_int_equal(beat(&a), KAFKA_UNKNOWN_MEMBER_ID);
    assert_int_equal(b.talk.error, KAFKA_NONE);
}

static void who_is_parked_does_not_expire(void **state)
{
    struct actor a = ACTOR(.client = "a", .rebalance_ms = 60000), b = ACTOR(.client = "b", .rebalance_ms = 60000);
    (void)state;
    settle((struct actor *[]){ &a }, 1);
    assert_int_equal(join(&b), PARKED);
    for (int i = 0; i < 5; i++) {
        rig_pass(9000);
        assert_int_equal(beat(&a), KAFKA_REBALANCE_IN_PROGRESS);
    }
    assert_int_equal(b.talk.error, PARKED);
    assert_int_equal(join(&a), KAFKA_NONE);
    assert_int_equal(sync_with(&b, NULL), PARKED);
    for (int i = 0; i < 5; i++) {
        rig_pass(9000);
        assert_int_equal(beat(&a), KAFKA_NONE);
    }
    assert_int_equal(sync_with(&a, ""), KAFKA_NONE);
    assert_int_equal(b.talk.error, KAFKA_NONE);
    rig_pass(9999);
    assert_int_equal(beat(&b), KAFKA_NONE); /* its session began when it was told */
}

static void a_member_that_falls_silent_is_gone_and_the_others_share_anew(void **state)
{
    struct actor a = ACTOR(.client = "a"), b = ACTOR(.client = "b");
    (void)state;
    settle((struct actor *[]){ &a, &b }, 2);
    rig_pass(6000);
    assert_int_equal(beat(&b), KAFKA_NONE);
    rig_pass(4000);
    assert_int_equal(beat(&b), KAFKA_REBALANCE_IN_PROGRESS);
    assert_int_equal(beat(&a), KAFKA_UNKNOWN_MEMBER_ID);
    assert_int_equal(join(&b), KAFKA_NONE);
    assert_string_equal(b.talk.leader, b.id);
    rig_pass(10000);
    assert_int_equal(state_of("g"), GROUP_EMPTY);
}

static void a_connection_that_is_gone_does_not_wait(void **state)
{
    struct actor a = ACTOR(.client = "a", .rebalance_ms = 60000), b = ACTOR(.client = "b", .rebalance_ms = 60000), c = ACTOR(.client = "c", .id_required = true);
    (void)state;
    settle((struct actor *[]){ &a }, 1);
    assert_int_equal(join(&b), PARKED);
    group_forget(rig.groups, &b.talk); /* nobody knows its id: it is no member */
    assert_int_equal(join(&a), KAFKA_NONE);
    assert_int_equal(a.talk.member_count, 1);
    assert_int_equal(join(&c), KAFKA_MEMBER_ID_REQUIRED);
    assert_int_equal(join(&c), PARKED);
    group_forget(rig.groups, &c.talk); /* it can come back, but has not */
    assert_int_equal(join(&a), PARKED);
    assert_int_equal(join(&c), KAFKA_NONE);
    assert_int_equal(sync_with(&c, NULL), PARKED);
    group_forget(rig.groups, &c.talk);
    sync_with(&a, "");
    rig_pass(9999);
    beat(&a);
    rig_pass(1);
    assert_int_equal(beat(&c), KAFKA_UNKNOWN_MEMBER_ID);
    assert_int_equal(c.talk.told, 0);
}

/* --- leaving ------------------------------------------------------------------------------------------ */

static void who_leaves_is_gone_at_once(void **state)
{
    struct actor a = ACTOR(.client = "a"), b = ACTOR(.client = "b"), c = ACTOR(.client = "c", .id_required = true);
    (void)state;
    assert_int_equal(leave(&a), KAFKA_UNKNOWN_MEMBER_ID);
    settle((struct actor *[]){ &a, &b }, 2);
    assert_int_equal(leave(&a), KAFKA_NONE);
    assert_int_equal(leave(&a), KAFKA_UNKNOWN_MEMBER_ID);
    assert_int_equal(beat(&b), KAFKA_REBALANCE_IN_PROGRESS);
    assert_int_equal(join(&c), KAFKA_MEMBER_ID_REQUIRED);
    assert_int_equal(join(&b), PARKED);
    assert_int_equal(leave(&c), KAFKA_NONE); /* one that was only expected */
    assert_int_equal(b.talk.error, KAFKA_NONE);
    assert_int_equal(leave(&b), KAFKA_NONE);
    assert_int_equal(state_of("g"), GROUP_EMPTY);
}

static void who_leaves_while_parked_is_told(void **state)
{
    struct actor a = ACTOR(.client = "a"), b = ACTOR(.client = "b", .id_required = true), leaver;
    (void)state;
    settle((struct actor *[]){ &a }, 1);
    join(&b);
    assert_int_equal(join(&b), PARKED);
    leaver = b;
    assert_int_equal(leave(&leaver), KAFKA_NONE);
    assert_int_equal(b.talk.error, KAFKA_UNKNOWN_MEMBER_ID);
    assert_int_equal(b.talk.told, 1);
}

/* --- static members ----------------------------------------------------------------------------------- */

static void a_static_member_takes_its_predecessors_place_without_a_rebalance(void **state)
{
    struct actor a = ACTOR(.client = "a"), b = ACTOR(.client = "b", .instance = "i1", .id_required = true), next = ACTOR(.client = "b", .instance = "i1", .id_required = true);
    (void)state;
    assert_int_equal(join(&b), KAFKA_NONE); /* no id is asked for first */
    assert_memory_equal(b.id, "i1-", 3);
    settle((struct actor *[]){ &a, &b }, 2);
    assert_string_equal(a.talk.leader, "");
    assert_int_equal(join(&next), KAFKA_NONE);
    assert_string_not_equal(next.id, b.id);
    assert_int_equal(next.generation, a.generation);
    assert_int_equal(sync_with(&next, NULL), KAFKA_NONE);
    assert_string_equal(next.talk.assignment, "b");
    assert_int_equal(beat(&a), KAFKA_NONE);
    /* The older one is fenced, whatever it does. */
    assert_int_equal(beat(&b), KAFKA_FENCED_INSTANCE_ID);
    assert_int_equal(sync_with(&b, NULL), KAFKA_FENCED_INSTANCE_ID);
    assert_int_equal(commit(&b, "orders", 1), KAFKA_FENCED_INSTANCE_ID);
    assert_int_equal(leave(&b), KAFKA_FENCED_INSTANCE_ID);
    assert_int_equal(join(&b), KAFKA_FENCED_INSTANCE_ID);
    b.instance = NULL;
    assert_int_equal(beat(&b), KAFKA_UNKNOWN_MEMBER_ID);
}

static void a_static_leader_comes_back(void **state)
{
    struct actor a = ACTOR(.client = "a", .instance = "i1"), b = ACTOR(.client = "b"), old = ACTOR(.client = "a", .instance = "i1"),
                 next = ACTOR(.client = "a", .instance = "i1", .skip = true);
    (void)state;
    settle((struct actor *[]){ &a, &b }, 2);
    /* One that cannot skip the assignment is not told that it leads. */
    assert_int_equal(join(&old), KAFKA_NONE);
    assert_string_equal(old.talk.leader, a.id);
    assert_int_equal(old.talk.member_count, 0);
    assert_false(old.talk.skip);
    /* One that can is, with all members, so that it sees to their subscriptions. */
    assert_int_equal(join(&next), KAFKA_NONE);
    assert_string_equal(next.talk.leader, next.id);
    assert_int_equal(next.talk.member_count, 2);
    assert_true(next.talk.skip);
    assert_int_equal(state_of("g"), GROUP_STABLE);
    assert_int_equal(sync_with(&next, NULL), KAFKA_NONE);
    assert_string_equal(next.talk.assignment, "a");
}

static void a_static_member_that_would_change_the_protocol_makes_a_rebalance(void **state)
{
    struct actor a = ACTOR(.client = "a", .instance = "i1", .protocols = "range:1 sticky:1"), next = ACTOR(.client = "a", .instance = "i1", .protocols = "sticky:1 range:1");
    (void)state;
    settle((struct actor *[]){ &a }, 1);
    assert_int_equal(join(&next), KAFKA_NONE);
    assert_int_equal(next.generation, a.generation + 1);
    assert_string_equal(next.talk.protocol, "sticky");
}

static void a_parked_duplicate_is_fenced(void **state)
{
    struct actor a = ACTOR(.client = "a"), b = ACTOR(.client = "b", .instance = "i1"), next = ACTOR(.client = "b", .instance = "i1");
    (void)state;
    settle((struct actor *[]){ &a }, 1);
    assert_int_equal(join(&b), PARKED);
    assert_int_equal(join(&next), PARKED);
    assert_int_equal(b.talk.error, KAFKA_FENCED_INSTANCE_ID);
    assert_int_equal(join(&a), KAFKA_NONE);
    assert_int_equal(next.talk.error, KAFKA_NONE);
    assert_int_equal(a.talk.member_count, 2);
    /* And while it waits for its assignment: the group assigns anew. */
    struct actor third = ACTOR(.client = "b", .instance = "i1");
    assert_int_equal(sync_with(&next, NULL), PARKED);
    assert_int_equal(join(&third), PARKED);
    assert_int_equal(next.talk.error, KAFKA_FENCED_INSTANCE_ID);
    assert_int_equal(state_of("g"), GROUP_PREPARING);
}

static void a_static_member_that_does_not_come_stays_until_its_session_ends(void **state)
{
    struct actor a = ACTOR(.client = "a", .session_ms = 60000), b = ACTOR(.client = "b", .instance = "i1", .session_ms = 60000), c = ACTOR(.client = "c");
    (void)state;
    settle((struct actor *[]){ &a, &b }, 2);
    assert_int_equal(join(&c), PARKED);
    assert_int_equal(join(&a), PARKED);
    rig_pass(20000);
    assert_int_equal(a.talk.error, KAFKA_NONE);
    assert_int_equal(a.talk.member_count, 3);
    sync_with(&c, NULL);
    assert_int_equal(sync_with(&a, ""), KAFKA_NONE);
    for (int i = 0; i < 5; i++) {
        rig_pass(8000 - (i == 4) * 1);
        beat(&a), beat(&c);
    }
    assert_int_equal(state_of("g"), GROUP_STABLE);
    rig_pass(1);
    assert_int_equal(state_of("g"), GROUP_PREPARING);
    assert_int_equal(beat(&b), KAFKA_UNKNOWN_MEMBER_ID);
}

static void an_administrator_removes_a_static_member_by_its_instance(void **state)
{
    struct actor a = ACTOR(.client = "a", .instance = "i1"), nobody = ACTOR(.instance = "i2");
    (void)state;
    settle((struct actor *[]){ &a }, 1);
    assert_int_equal(leave(&nobody), KAFKA_UNKNOWN_MEMBER_ID);
    assert_int_equal(group_leave(rig.groups, SLICE("g"), SLICE(""), SLICE("i1"), rig.now_ns), KAFKA_NONE);
    assert_int_equal(state_of("g"), GROUP_EMPTY);
    assert_int_equal(beat(&a), KAFKA_UNKNOWN_MEMBER_ID);
}

/* --- restarts ----------------------------------------------------------------------------------------- */

static void after_a_restart_members_go_on_in_their_generation(void **state)
{
    struct actor a = ACTOR(.client = "a"), b = ACTOR(.client = "b", .instance = "i1"), next = ACTOR(.client = "b", .instance = "i1");
    (void)state;
    settle((struct actor *[]){ &a, &b }, 2);
    assert_int_equal(store_flush(rig.store, &rig.error), 0);
    rig_restart(true);
    assert_int_equal(state_of("g"), GROUP_STABLE);
    assert_int_equal(beat(&a), KAFKA_NONE);
    assert_int_equal(sync_with(&a, NULL), KAFKA_NONE);
    assert_string_equal(a.talk.assignment, "a");
    assert_int_equal(join(&next), KAFKA_NONE);
    assert_int_equal(next.generation, a.generation);
    assert_int_equal(beat(&b), KAFKA_FENCED_INSTANCE_ID);
    rig_restart(false); /* and the replacement is recorded */
    assert_int_equal(beat(&b), KAFKA_FENCED_INSTANCE_ID);
    assert_int_equal(beat(&next), KAFKA_NONE);
    rig_pass(9999);
    assert_int_equal(beat(&next), KAFKA_NONE);
    rig_pass(1); /* who does not come back within his session is gone */
    assert_int_equal(beat(&a), KAFKA_UNKNOWN_MEMBER_ID);
}

static void a_generation_that_was_told_is_not_given_again(void **state)
{
    struct actor a = ACTOR(.client = "a"), b = ACTOR(.client = "b");
    (void)state;
    settle((struct actor *[]){ &a, &b }, 2);
    join(&a);
    assert_int_equal(join(&b), KAFKA_NONE);
    int32_t told = b.generation;
    rig_restart(false);
    assert_int_equal(state_of("g"), GROUP_PREPARING); /* nobody has assigned anything yet */
    assert_int_equal(beat(&b), KAFKA_REBALANCE_IN_PROGRESS);
    assert_int_equal(join(&a), PARKED);
    assert_int_equal(join(&b), KAFKA_NONE);
    assert_int_equal(b.generation, told + 1);
    rig_restart(false);
    rig_pass(20000);
    assert_int_equal(state_of("g"), GROUP_EMPTY);
    rig_restart(false);
    struct actor c = ACTOR(.client = "c");
    assert_int_equal(join(&c), KAFKA_NONE);
    assert_true(c.generation > told + 1);
}

/* --- calls within callbacks --------------------------------------------------------------------------- */

static struct actor chain[3];

static void join_the_next(struct talk *talk)
{
    for (int i = 0; i < 2; i++)
        if (talk == &chain[i].talk)
            join(&chain[i + 1]);
}

static void a_callback_may_join_the_next_group(void **state)
{
    static const char *const names[] = { "g0", "g1", "g2" };
    struct actor first[3];
    (void)state;
    for (int i = 0; i < 3; i++) {
        first[i] = ACTOR(.group = names[i], .client = "first");
        chain[i] = ACTOR(.group = names[i], .client = "chained");
        chain[i].talk.then = join_the_next;
        settle((struct actor *[]){ &first[i] }, 1);
    }
    assert_int_equal(join(&chain[0]), PARKED);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(join(&first[i]), KAFKA_NONE);
        assert_int_equal(first[i].talk.member_count, 2);
        assert_int_equal(chain[i].talk.error, KAFKA_NONE);
        assert_int_equal(chain[i].talk.told, 1);
    }
}

/* --- limits ------------------------------------------------------------------------------------------- */

static void a_group_has_so_many_members(void **state)
{
    static struct actor many[GROUP_MEMBERS_MAX + 1];
    (void)state;
    rig.delay_ms = 3000;
    rig_restart(false);
    for (int i = 0; i < GROUP_MEMBERS_MAX + 1; i++) {
        many[i] = ACTOR(.client = "m");
        assert_int_equal(join(&many[i]), i < GROUP_MEMBERS_MAX ? PARKED : KAFKA_GROUP_MAX_SIZE_REACHED);
    }
    rig_pass(6000);
    assert_int_equal(many[0].talk.error, KAFKA_NONE);
    assert_int_equal(many[0].talk.member_count, GROUP_MEMBERS_MAX);
    assert_int_equal(many[GROUP_MEMBERS_MAX - 1].talk.error, KAFKA_NONE);
}

static void members_of_a_group_are_so_large(void **state)
{
    static char metadata[GROUP_BYTES_MAX / 2 + 64];
    struct actor a = ACTOR(.client = "a", .protocols = metadata), b = ACTOR(.client = "b", .protocols = metadata);
    (void)state;
    memset(metadata, 'x', sizeof(metadata) - 1);
    memmove(metadata, "range:", 6);
    assert_int_equal(join(&a), KAFKA_NONE);
    assert_int_equal(join(&b), KAFKA_GROUP_MAX_SIZE_REACHED);
    /* Nor may what the leader assigns be larger; then nobody relies on it. */
    static char parts[GROUP_BYTES_MAX / 2 + 256];
    snprintf(parts, sizeof(parts), "%s=%s", a.id, metadata);
    assert_int_equal(sync_with(&a, parts), KAFKA_GROUP_MAX_SIZE_REACHED);
    assert_int_equal(state_of("g"), GROUP_PREPARING);
    assert_int_equal(join(&a), KAFKA_NONE);
    assert_int_equal(sync_with(&a, ""), KAFKA_NONE);
}

static void there_are_so_many_groups(void **state)
{
    struct actor a = ACTOR(.id_required = true);
    char name[32];
    (void)state;
    for (int i = 0; i <= GROUPS_MAX; i++) {
        snprintf(name, sizeof(name), "group %d", i);
        a.group = name;
        a.id[0] = 0;
        assert_int_equal(join(&a), i < GROUPS_MAX ? KAFKA_MEMBER_ID_REQUIRED : KAFKA_GROUP_MAX_SIZE_REACHED);
    }
    a.group = "group 1";
    a.id[0] = 0;
    struct actor nobody = ACTOR(.group = "another", .generation = -1);
    assert_int_equal(commit(&nobody, "orders", 1), KAFKA_POLICY_VIOLATION);
    rig_pass(700000); /* those that never came are forgotten */
    assert_int_equal(state_of("group 7"), GROUP_DEAD);
    assert_int_equal(join(&a), KAFKA_MEMBER_ID_REQUIRED);
}

static void a_generation_that_cannot_be_recorded_is_not_told(void **state)
{
    struct actor a = ACTOR(.client = "a");
    (void)state;
    settle((struct actor *[]){ &a }, 1);
    assert_int_equal(store_flush(rig.store, &rig.error), 0);
    io_simulated_set_capacity(rig.io, 1);
    struct topic *orders = store_topic(rig.store, SLICE("orders"));
    static uint8_t filler[100000];
    for (size_t bytes = sizeof(filler); bytes >= 10; bytes /= 10)
        for (int r = 0; r == 0;) {
            const struct store_message m = { .topic = orders, .value = slice_of(filler, bytes), .partition = 0 };
            r = store_append(rig.store, NULL, 0, &m, 1, false, NULL, &rig.error);
            assert_true(r == 0 || r == EDDA_EFULL);
            if (r == 0)
                assert_int_equal(store_flush(rig.store, &rig.error), 0);
        }
    int error = KAFKA_NONE;
    for (int i = 0; i < 1000 && error == KAFKA_NONE; i++)
        error = join(&a);
    assert_int_equal(error, KAFKA_COORDINATOR_NOT_AVAILABLE);
    assert_int_equal(state_of("g"), GROUP_PREPARING);
    io_simulated_set_capacity(rig.io, UINT64_C(64) << 20);
    rig_pass(2000); /* the log asks the disk again after a while */
    assert_int_equal(join(&a), KAFKA_NONE);
    assert_int_equal(sync_with(&a, ""), KAFKA_NONE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(somebody_new_is_told_his_id_and_has_a_session_to_come_with_it),
        TEST(an_older_client_is_a_member_at_once),
        TEST(who_is_expected_is_waited_for),
        TEST(what_cannot_be_a_join_is_refused),
        TEST(the_protocol_is_the_one_that_most_prefer_of_those_that_all_have),
        TEST(the_leader_gets_what_each_member_says_of_itself),
        TEST(the_first_generation_waits_for_more_members),
        TEST(a_follower_that_says_nothing_new_gets_the_generation_back),
        TEST(a_leader_that_comes_again_wants_a_rebalance),
        TEST(a_join_whose_answer_was_lost_is_answered_again),
        TEST(who_does_not_come_in_time_is_a_member_no_more),
        TEST(a_newer_request_of_a_member_takes_the_older_ones_place),
        TEST(everybody_gets_what_the_leader_gave_him_and_later_askers_too),
        TEST(a_sync_that_does_not_belong_is_refused),
        TEST(who_waits_for_the_leader_hears_of_the_next_rebalance),
        TEST(who_does_not_ask_for_his_part_in_time_is_a_member_no_more),
        TEST(a_follower_that_never_asks_for_his_part_of_a_stable_group_goes_too),
        TEST(heartbeats_are_answered_by_the_groups_state),
        TEST(a_heartbeat_keeps_the_session_also_during_a_rebalance),
        TEST(who_is_parked_does_not_expire),
        TEST(a_member_that_falls_silent_is_gone_and_the_others_share_anew),
        TEST(a_connection_that_is_gone_does_not_wait),
        TEST(who_leaves_is_gone_at_once),
        TEST(who_leaves_while_parked_is_told),
        TEST(a_static_member_takes_its_predecessors_place_without_a_rebalance),
        TEST(a_static_leader_comes_back),
        TEST(a_static_member_that_would_change_the_protocol_makes_a_rebalance),
        TEST(a_parked_duplicate_is_fenced),
        TEST(a_static_member_that_does_not_come_stays_until_its_session_ends),
        TEST(an_administrator_removes_a_static_member_by_its_instance),
        TEST(after_a_restart_members_go_on_in_their_generation),
        TEST(a_generation_that_was_told_is_not_given_again),
        TEST(a_callback_may_join_the_next_group),
        TEST(a_group_has_so_many_members),
        TEST(members_of_a_group_are_so_large),
        TEST(there_are_so_many_groups),
        TEST(a_generation_that_cannot_be_recorded_is_not_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
