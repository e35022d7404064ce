/* What an account decides, and how a group begins: the same in all three ways. */
#include "tests.h"

#include <stdio.h>

/* --- stay ------------------------------------------------------------------------------------------------ */

static struct edda_test *given_guest(int64_t room, int64_t charged, int64_t paid)
{
    struct edda_test *t = edda_test_new(&stay_service);
    edda_given(t, GuestCheckedIn, .guestStayAccountId = 1, .guest = EDDA_TEXT("Ada"), .room = room);
    if (charged)
        edda_given(t, ChargeRecorded, .guestStayAccountId = 1, .amount = charged);
    if (paid)
        edda_given(t, PaymentRecorded, .guestStayAccountId = 1, .amount = paid);
    return t;
}

static void when_the_group_checks_out(struct edda_test *t)
{
    edda_when(t, CheckOutGuest, .guestStayAccountId = 1, .groupCheckoutId = TOUR);
}

static void then_failed(struct edda_test *t, struct edda_text reason)
{
    edda_then(t, GuestCheckoutFailed, .guestStayAccountId = 1, .groupCheckoutId = TOUR, .reason = reason);
    edda_then_reply(t, CheckOut, .guestStayAccountId = 1, .reason = reason);
    edda_then_nothing(t);
}

static int a_settled_account_checks_out(void)
{
    struct edda_test *t = given_guest(7, 1250, 1250);
    edda_when(t, CheckOutGuest, .guestStayAccountId = 1);
    edda_then(t, GuestCheckedOut, .guestStayAccountId = 1);
    edda_then_reply(t, CheckOut, .guestStayAccountId = 1, .checkedOut = true);
    edda_then_nothing(t);
    return edda_test_end(t);
}

static int the_group_is_named_in_the_answer(void)
{
    struct edda_test *t = given_guest(7, 0, 0);
    when_the_group_checks_out(t);
    edda_then(t, GuestCheckedOut, .guestStayAccountId = 1, .groupCheckoutId = TOUR);
    edda_then_reply(t, CheckOut, .guestStayAccountId = 1, .checkedOut = true);
    edda_then_nothing(t);
    return edda_test_end(t);
}

static int a_cent_too_few_or_too_many_fails(void)
{
    int mismatches = 0;
    for (int64_t paid = 1249; paid <= 1251; paid += 2) {
        struct edda_test *t = given_guest(7, 1250, paid);
        when_the_group_checks_out(t);
        then_failed(t, NOT_SETTLED);
        mismatches += edda_test_end(t);
    }
    return mismatches;
}

static int a_check_out_happens_once(void)
{
    struct edda_test *t = given_guest(7, 0, 0);
    edda_given(t, GuestCheckedOut, .guestStayAccountId = 1);
    when_the_group_checks_out(t);
    then_failed(t, GONE_ALREADY);
    return edda_test_end(t);
}

static int an_unknown_account_answers_too(void)
{
    struct edda_test *t = edda_test_new(&stay_service);
    when_the_group_checks_out(t);
    then_failed(t, NO_SUCH_ACCOUNT);
    return edda_test_end(t);
}

static int what_is_late_is_rejected(void)
{
    struct edda_test *t = given_guest(7, 0, 0);
    edda_given(t, GuestCheckedOut, .guestStayAccountId = 1);
    edda_when(t, RecordCharge, .guestStayAccountId = 1, .amount = 100);
    edda_then_rejected(t, "the guest has checked out already");
    edda_when(t, RecordPayment, .guestStayAccountId = 1, .amount = 100);
    edda_then_rejected(t, "the guest has checked out already");
    edda_when(t, CheckInGuest, .guestStayAccountId = 1, .guest = EDDA_TEXT("Bob"), .room = 8);
    edda_then_rejected(t, "guestStayAccountId: guest stay 1 exists");
    edda_when(t, RecordCharge, .guestStayAccountId = 2, .amount = 100);
    edda_then_rejected(t, "guestStayAccountId: there is no guest stay 2");
    edda_when(t, CheckOutGuest, .guestStayAccountId = 2);
    edda_then_rejected(t, "guestStayAccountId: there is no guest stay 2");
    edda_then_nothing(t);
    return edda_test_end(t);
}

static int what_fails_without_a_rule_is_tried_again_and_then_recorded(void)
{
    struct edda_test *t = given_guest(ROOM_WITH_SILENT_LOCK, 0, 0);
    edda_when(t, CheckOutGuest, .guestStayAccountId = 1);
    edda_then_failed(t, "lock");
    for (uint32_t attempt = 0; attempt + 1 < CHECK_OUT_TRIES; attempt++) {
        edda_test_attempt(t, attempt);
        when_the_group_checks_out(t);
        edda_then_failed(t, "lock");
    }
    edda_test_attempt(t, CHECK_OUT_TRIES - 1);
    when_the_group_checks_out(t);
    then_failed(t, LOCK_IS_SILENT);
    return edda_test_end(t);
}

/* --- group ----------------------------------------------------------------------------------------------- */

static int a_group_asks_each_account_once(void)
{
    struct edda_test *t = edda_test_new(&group_service);
    edda_when(t, InitiateGroupCheckout, .groupCheckoutId = TOUR, .clerkId = KIM, .guestStayAccountIds = ACCOUNTS(3, 1, 3));
    edda_then(t, GroupCheckoutInitiated, .groupCheckoutId = TOUR, .clerkId = KIM, .guestStayAccountIds = ACCOUNTS(1, 3));
    edda_then_nothing(t);
    return edda_test_end(t);
}

static int a_group_has_accounts(void)
{
    struct edda_test *t = edda_test_new(&group_service);
    edda_when(t, InitiateGroupCheckout, .groupCheckoutId = TOUR, .clerkId = KIM);
    edda_then_rejected(t, "guestStayAccountIds: must name at least one account");
    edda_then_nothing(t);
    return edda_test_end(t);
}

static int a_group_is_not_run_twice_at_a_time_nor_when_it_is_completed(void)
{
    struct edda_test *t = edda_test_new(&group_service);
    edda_given(t, GroupCheckoutInitiated, .groupCheckoutId = TOUR, .clerkId = KIM, .guestStayAccountIds = ACCOUNTS(1));
    edda_when(t, InitiateGroupCheckout, .groupCheckoutId = TOUR, .clerkId = KIM, .guestStayAccountIds = ACCOUNTS(1));
    edda_then_rejected(t, "groupCheckoutId: group tour-1 is under way");
    edda_given(t, GroupCheckoutCompleted, .groupCheckoutId = TOUR);
    edda_when(t, InitiateGroupCheckout, .groupCheckoutId = TOUR, .clerkId = KIM, .guestStayAccountIds = ACCOUNTS(1));
    edda_then_rejected(t, "groupCheckoutId: group tour-1 is completed");
    edda_then_nothing(t);
    return edda_test_end(t);
}

static int what_failed_is_run_again_and_only_that(void)
{
    struct edda_test *t = edda_test_new(&group_service);
    edda_given(t, GroupCheckoutInitiated, .groupCheckoutId = TOUR, .clerkId = KIM, .guestStayAccountIds = ACCOUNTS(1, 2, 3));
    edda_given(t, GroupCheckoutFailed, .groupCheckoutId = TOUR, .failed = FAILURES({ 2, NOT_SETTLED }));
    edda_when(t, InitiateGroupCheckout, .groupCheckoutId = TOUR, .clerkId = KIM, .guestStayAccountIds = ACCOUNTS(1, 4));
    edda_then_rejected(t, "guestStayAccountIds: account 4 is not in group tour-1");
    edda_when(t, InitiateGroupCheckout, .groupCheckoutId = TOUR, .clerkId = EDDA_TEXT("lee"), .guestStayAccountIds = ACCOUNTS(1, 2, 3));
    edda_then(t, GroupCheckoutInitiated, .groupCheckoutId = TOUR, .clerkId = EDDA_TEXT("lee"), .guestStayAccountIds = ACCOUNTS(2));
    edda_then_state(t, group, .clerkId = EDDA_TEXT("lee"), .status = GROUP_UNDER_WAY, .progress = { .outstanding = 1, .accounts =
        EDDA_LIST(struct account, { 1, ACCOUNT_DONE }, { 2, ACCOUNT_WAITED_FOR }, { 3, ACCOUNT_DONE }) });
    edda_then_nothing(t);
    int mismatches = edda_test_end(t);

    t = edda_test_new(&group_service);
    edda_given(t, GroupCheckoutInitiated, .groupCheckoutId = TOUR, .clerkId = KIM, .guestStayAccountIds = ACCOUNTS(1, 2));
    edda_given(t, GroupCheckoutFailed, .groupCheckoutId = TOUR, .failed = FAILURES({ 1, NOT_SETTLED }, { 2, NO_SUCH_ACCOUNT }));
    edda_when(t, InitiateGroupCheckout, .groupCheckoutId = TOUR, .clerkId = KIM);
    edda_then(t, GroupCheckoutInitiated, .groupCheckoutId = TOUR, .clerkId = KIM, .guestStayAccountIds = ACCOUNTS(1, 2));
    edda_then_nothing(t);
    return mismatches + edda_test_end(t);
}

static const struct hotel_test shared_tests[] = {
    TEST(a_settled_account_checks_out),
    TEST(the_group_is_named_in_the_answer),
    TEST(a_cent_too_few_or_too_many_fails),
    TEST(a_check_out_happens_once),
    TEST(an_unknown_account_answers_too),
    TEST(what_is_late_is_rejected),
    TEST(what_fails_without_a_rule_is_tried_again_and_then_recorded),
    TEST(a_group_asks_each_account_once),
    TEST(a_group_has_accounts),
    TEST(a_group_is_not_run_twice_at_a_time_nor_when_it_is_completed),
    TEST(what_failed_is_run_again_and_only_that),
    TESTS_END,
};

static int run(const struct hotel_test *tests)
{
    int failed = 0;
    for (; tests->name; tests++) {
        int mismatches = tests->run();
        printf("%s  %s\n", mismatches ? "FAIL" : "ok  ", tests->name);
        failed += mismatches != 0;
    }
    return failed;
}

int main(void)
{
    return run(shared_tests) + run(way_tests) ? 1 : 0;
}
