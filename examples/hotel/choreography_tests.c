/* The front desk hears of a group, and the group hears of its guests. */
#include "tests.h"

static int the_desk_checks_out_each_guest(void)
{
    struct edda_test *t = edda_test_new(hotel_services[2]);
    edda_when(t, GroupCheckoutInitiated, .groupCheckoutId = TOUR, .clerkId = KIM, .guestStayAccountIds = ACCOUNTS(1, 2));
    edda_then(t, CheckOutGuest, .guestStayAccountId = 1, .groupCheckoutId = TOUR);
    edda_then(t, CheckOutGuest, .guestStayAccountId = 2, .groupCheckoutId = TOUR);
    edda_then_nothing(t);
    return edda_test_end(t);
}

static struct edda_test *given_group(void)
{
    struct edda_test *t = edda_test_new(&group_service);
    edda_given(t, GroupCheckoutInitiated, .groupCheckoutId = TOUR, .clerkId = KIM, .guestStayAccountIds = ACCOUNTS(1, 2));
    return t;
}

static int the_group_ends_when_it_has_heard_of_all(void)
{
    struct edda_test *t = given_group();
    edda_when(t, GuestCheckoutFailed, .guestStayAccountId = 2, .groupCheckoutId = TOUR, .reason = NOT_SETTLED);
    edda_then(t, GuestCheckoutFailureRecorded, .groupCheckoutId = TOUR, .guestStayAccountId = 2, .reason = NOT_SETTLED);
    edda_then_nothing(t);
    edda_when(t, GuestCheckedOut, .guestStayAccountId = 1, .groupCheckoutId = TOUR);
    edda_then(t, GuestCheckoutCompletionRecorded, .groupCheckoutId = TOUR, .guestStayAccountId = 1);
    edda_then(t, GroupCheckoutFailed, .groupCheckoutId = TOUR, .failed = FAILURES({ 2, NOT_SETTLED }));
    edda_then_nothing(t);
    return edda_test_end(t);
}

static int an_answer_counts_once(void)
{
    struct edda_test *t = given_group();
    for (int i = 0; i < 2; i++)
        edda_when(t, GuestCheckedOut, .guestStayAccountId = 1, .groupCheckoutId = TOUR);
    edda_then_skipped(t, "the group does not wait for account 1");
    edda_when(t, GuestCheckoutFailed, .guestStayAccountId = 2, .groupCheckoutId = TOUR, .reason = GONE_ALREADY);
    edda_then(t, GuestCheckoutCompletionRecorded, .groupCheckoutId = TOUR, .guestStayAccountId = 2);
    edda_then(t, GroupCheckoutCompleted, .groupCheckoutId = TOUR);
    edda_then_nothing(t);
    return edda_test_end(t);
}

const struct hotel_test way_tests[] = {
    TEST(the_desk_checks_out_each_guest),
    TEST(the_group_ends_when_it_has_heard_of_all),
    TEST(an_answer_counts_once),
    TESTS_END,
};
