/* The saga, and the group that is told what the accounts answer. */
#include "tests.h"

static const struct edda_service *saga(void)
{
    return hotel_services[2];
}

static int each_account_is_asked(void)
{
    struct edda_test *t = edda_test_new(saga());
    edda_when(t, GroupCheckoutInitiated, .groupCheckoutId = TOUR, .clerkId = KIM, .guestStayAccountIds = ACCOUNTS(1, 2));
    edda_then(t, CheckOutGuest, .guestStayAccountId = 1, .groupCheckoutId = TOUR);
    edda_then(t, CheckOutGuest, .guestStayAccountId = 2, .groupCheckoutId = TOUR);
    edda_then(t, RecordGuestCheckoutsInitiation, .groupCheckoutId = TOUR);
    edda_then_nothing(t);
    return edda_test_end(t);
}

static int the_group_is_told_of_each_answer(void)
{
    struct edda_test *t = edda_test_new(saga());
    edda_when(t, GuestCheckedOut, .guestStayAccountId = 1, .groupCheckoutId = TOUR);
    edda_then(t, RecordGuestCheckoutCompletion, .groupCheckoutId = TOUR, .guestStayAccountId = 1);
    edda_when(t, GuestCheckoutFailed, .guestStayAccountId = 2, .groupCheckoutId = TOUR, .reason = NOT_SETTLED);
    edda_then(t, RecordGuestCheckoutFailure, .groupCheckoutId = TOUR, .guestStayAccountId = 2, .reason = NOT_SETTLED);
    edda_then_nothing(t);
    return edda_test_end(t);
}

static struct edda_test *given_group(void)
{
    struct edda_test *t = edda_test_new(&group_service);
    edda_given(t, GroupCheckoutInitiated, .groupCheckoutId = TOUR, .clerkId = KIM, .guestStayAccountIds = ACCOUNTS(1, 2));
    return t;
}

static int the_group_is_decided_by_the_last_answer(void)
{
    struct edda_test *t = given_group();
    edda_given(t, GuestCheckoutFailureRecorded, .groupCheckoutId = TOUR, .guestStayAccountId = 2, .reason = NOT_SETTLED);
    edda_when(t, RecordGuestCheckoutCompletion, .groupCheckoutId = TOUR, .guestStayAccountId = 1);
    edda_then(t, GuestCheckoutCompletionRecorded, .groupCheckoutId = TOUR, .guestStayAccountId = 1);
    edda_then(t, GroupCheckoutFailed, .groupCheckoutId = TOUR, .failed = FAILURES({ 2, NOT_SETTLED }));
    edda_then_nothing(t);
    return edda_test_end(t);
}

static int an_answer_counts_once(void)
{
    struct edda_test *t = given_group();
    for (int i = 0; i < 2; i++)
        edda_when(t, RecordGuestCheckoutCompletion, .groupCheckoutId = TOUR, .guestStayAccountId = 1);
    edda_then_skipped(t, "the group does not wait for account 1");
    edda_when(t, RecordGuestCheckoutCompletion, .groupCheckoutId = TOUR, .guestStayAccountId = 3);
    edda_then_skipped(t, "the group does not wait for account 3");
    edda_when(t, RecordGuestCheckoutFailure, .groupCheckoutId = TOUR, .guestStayAccountId = 2, .reason = GONE_ALREADY);
    edda_then(t, GuestCheckoutCompletionRecorded, .groupCheckoutId = TOUR, .guestStayAccountId = 2);
    edda_then(t, GroupCheckoutCompleted, .groupCheckoutId = TOUR);
    edda_then_nothing(t);
    return edda_test_end(t);
}

static int the_initiation_may_come_late(void)
{
    struct edda_test *t = given_group();
    edda_when(t, RecordGuestCheckoutsInitiation, .groupCheckoutId = TOUR);
    edda_then(t, GuestCheckoutsInitiated, .groupCheckoutId = TOUR);
    edda_given(t, GroupCheckoutCompleted, .groupCheckoutId = TOUR);
    edda_when(t, RecordGuestCheckoutsInitiation, .groupCheckoutId = TOUR);
    edda_then_skipped(t, "all accounts have answered");
    edda_then_nothing(t);
    return edda_test_end(t);
}

const struct hotel_test way_tests[] = {
    TEST(each_account_is_asked),
    TEST(the_group_is_told_of_each_answer),
    TEST(the_group_is_decided_by_the_last_answer),
    TEST(an_answer_counts_once),
    TEST(the_initiation_may_come_late),
    TESTS_END,
};
