/* The process manager. */
#include "tests.h"

static struct edda_test *given_asked(void)
{
    struct edda_test *t = edda_test_new(hotel_services[2]);
    edda_when(t, GroupCheckoutInitiated, .groupCheckoutId = TOUR, .clerkId = KIM, .guestStayAccountIds = ACCOUNTS(1, 2));
    return t;
}

static void when_gone(struct edda_test *t, int64_t account)
{
    edda_when(t, GuestCheckedOut, .guestStayAccountId = account, .groupCheckoutId = TOUR);
}

static int each_account_is_asked(void)
{
    struct edda_test *t = given_asked();
    edda_then(t, AccountsAsked, .groupCheckoutId = TOUR, .guestStayAccountIds = ACCOUNTS(1, 2));
    edda_then(t, CheckOutGuest, .guestStayAccountId = 1, .groupCheckoutId = TOUR);
    edda_then(t, CheckOutGuest, .guestStayAccountId = 2, .groupCheckoutId = TOUR);
    edda_then_nothing(t);
    return edda_test_end(t);
}

static int the_process_ends_the_group_with_the_last_answer(void)
{
    struct edda_test *t = given_asked();
    edda_when(t, GuestCheckoutFailed, .guestStayAccountId = 2, .groupCheckoutId = TOUR, .reason = NOT_SETTLED);
    edda_then(t, AccountAnswered, .groupCheckoutId = TOUR, .guestStayAccountId = 2, .reason = NOT_SETTLED);
    edda_then_nothing(t);
    when_gone(t, 1);
    edda_then(t, AccountAnswered, .groupCheckoutId = TOUR, .guestStayAccountId = 1);
    edda_then(t, GroupCheckoutFailed, .groupCheckoutId = TOUR, .failed = FAILURES({ 2, NOT_SETTLED }));
    edda_then_nothing(t);
    return edda_test_end(t);
}

static int an_answer_counts_once(void)
{
    struct edda_test *t = given_asked();
    when_gone(t, 1);
    when_gone(t, 1);
    edda_then_skipped(t, "the group does not wait for account 1");
    when_gone(t, 3);
    edda_then_skipped(t, "the group does not wait for account 3");
    edda_when(t, GuestCheckoutFailed, .guestStayAccountId = 2, .groupCheckoutId = TOUR, .reason = GONE_ALREADY);
    edda_then(t, AccountAnswered, .groupCheckoutId = TOUR, .guestStayAccountId = 2);
    edda_then(t, GroupCheckoutCompleted, .groupCheckoutId = TOUR);
    edda_then_nothing(t);
    return edda_test_end(t);
}

static int a_second_run_waits_for_the_rest_only(void)
{
    struct edda_test *t = given_asked();
    when_gone(t, 1);
    edda_when(t, GuestCheckoutFailed, .guestStayAccountId = 2, .groupCheckoutId = TOUR, .reason = NOT_SETTLED);
    edda_when(t, GroupCheckoutInitiated, .groupCheckoutId = TOUR, .clerkId = KIM, .guestStayAccountIds = ACCOUNTS(2));
    when_gone(t, 2);
    edda_then(t, AccountAnswered, .groupCheckoutId = TOUR, .guestStayAccountId = 2);
    edda_then(t, GroupCheckoutCompleted, .groupCheckoutId = TOUR);
    edda_then_nothing(t);
    return edda_test_end(t);
}

const struct hotel_test way_tests[] = {
    TEST(each_account_is_asked),
    TEST(the_process_ends_the_group_with_the_last_answer),
    TEST(an_answer_counts_once),
    TEST(a_second_run_waits_for_the_rest_only),
    TESTS_END,
};
