/*
 * Groups when memory runs out: the n-th allocation of a story fails, for every n. Whoever asked is told to ask again or has not needed that memory; nothing is lost or leaks,
 * and afterwards the group can be joined as ever.
 *
 * Linked with --wrap for the allocating functions.
 */
#include "group_rig.h"

#include <stdlib.h>

#define ALLOCATIONS_MAX 1000

static unsigned fail_at; /* 0: none fails */
static bool failed;

static bool fails(void)
{
    if (fail_at == 0 || --fail_at > 0)
        return false;
    failed = true;
    return true;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *pointer, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *pointer, size_t size);

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *pointer, size_t size)
{
    return fails() ? NULL : __real_realloc(pointer, size);
}

/* What follows from a request that was refused for want of memory is refused in its turn; nothing else may be. */
static void told(int error)
{
    switch (error) {
    case KAFKA_NONE:
    case PARKED:
    case KAFKA_MEMBER_ID_REQUIRED:
        return;
    case KAFKA_COORDINATOR_NOT_AVAILABLE:
    case KAFKA_UNKNOWN_MEMBER_ID:
    case KAFKA_FENCED_INSTANCE_ID: /* its id was not told to who goes on all the same */
    case KAFKA_ILLEGAL_GENERATION:
    case KAFKA_REBALANCE_IN_PROGRESS:
        assert_true(failed);
        return;
    default:
        fail_msg("error %d", error);
    }
}

/* A connection has one request under way; one that still waits is given up. */
static void give_up(struct actor *a)
{
    if (a->talk.error == PARKED)
        group_forget(rig.groups, &a->talk);
    a->talk.error = KAFKA_NONE;
}

static int offset_seen(void *user, const struct group_offset *offset)
{
    *(int64_t *)user = offset->offset;
    return 0;
}

static int16_t commit_as_nobody(void)
{
    const struct group_caller caller = { .group = SLICE("simple"), .generation = -1 };
    int16_t error = group_commit_check(rig.groups, &caller, rig.now_ns);
    return error ? error : group_commit(rig.groups, &caller, SLICE("orders"), 1, 9, 0, SLICE("note"));
}

static void tell_story(void)
{
    struct actor a = ACTOR(.client = "a", .id_required = true), b = ACTOR(.client = "b", .instance = "i1"), again = ACTOR(.client = "b", .instance = "i1");
    char parts[300];
    told(join(&a));
    told(join(&a));
    told(join(&b));
    give_up(&a);
    told(join(&a));
    give_up(&b);
    told(sync_with(&b, NULL));
    snprintf(parts, sizeof(parts), "%s=A %s=B", a.id[0] ? a.id : "x", b.id[0] ? b.id : "x");
    give_up(&a);
    told(sync_with(&a, parts));
    told(commit(&a, "orders", 7));
    told(join(&again));
    told(beat(&again));
    told(commit_as_nobody());
    int64_t seen = -1;
    int r = group_offsets_each(rig.groups, SLICE("simple"), offset_seen, &seen);
    assert_true((r == 0 && seen == 9) || failed);
    int16_t error = group_delete(rig.groups, SLICE("simple"), rig.now_ns);
    assert_true(error == KAFKA_NONE || failed);
    give_up(&a);
    give_up(&b);
    give_up(&again);
}

static void whichever_allocation_fails(void **state)
{
    unsigned n = 1;
    do {
        assert_int_equal(rig_setup(state), 0);
        failed = false;
        fail_at = n++;
        tell_story();
        fail_at = 0;
        rig_pass(60000);
        assert_true(state_of("g") == GROUP_EMPTY || state_of("g") == GROUP_DEAD);
        struct actor c = ACTOR(.client = "c", .id_required = true), d = ACTOR(.client = "d");
        settle((struct actor *[]){ &c, &d }, 2);
        assert_int_equal(commit(&c, "orders", 8), KAFKA_NONE);
        rig_restart(false);
        assert_int_equal(committed("g", "orders"), 8);
        assert_int_equal(beat(&c), KAFKA_NONE);
        rig_teardown(state);
    } while (failed && n < ALLOCATIONS_MAX);
    assert_true(n > 30 && n < ALLOCATIONS_MAX);
}

/* The process starts with too little: it says so, and nothing is left of the attempt. */
static void opening_fails_whole(void **state)
{
    struct actor a = ACTOR(.client = "a"), b = ACTOR(.client = "b", .instance = "i1");
    struct groups *groups = NULL;
    unsigned n = 1;
    int r;
    (void)state;
    settle((struct actor *[]){ &a, &b }, 2);
    assert_int_equal(commit(&a, "orders", 7), KAFKA_NONE);
    do {
        failed = false;
        fail_at = n++;
        r = groups_open(&(struct groups_options){ .store = rig.store }, &groups, &rig.error);
        fail_at = 0;
        assert_int_equal(r, failed ? EDDA_ENOMEM : 0);
    } while (r != 0 && n < ALLOCATIONS_MAX);
    assert_true(n > 10);
    groups_close(groups);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whichever_allocation_fails),
        cmocka_unit_test_setup_teardown(opening_fails_whole, rig_setup, rig_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
