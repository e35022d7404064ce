/*
 * The rules of the library: those of its domain as plain functions, which know of no message; then what each service makes of a message. What the services give
 * together is for the simulator (simulation.c).
 */
#include <stdio.h>
#include <string.h>

#include "best_book/best_book.h"
#include "book/adapters/messages.h"
#include "member/adapters/messages.h"
#include "rental/adapters/messages.h"

#define JENNY EDDA_TEXT("jenny")
#define TOM EDDA_TEXT("tom")
#define NAME EDDA_TEXT("제니")
#define BELL EDDA_TEXT("누구를 위하여 종을 울리나?")
#define WHO { JENNY, NAME }
#define WHAT { 1, BELL }

/* --- the domain: nothing but structs and functions ------------------------------------------------------- */

/* Whether a rule gives this reason; NULL: none. */
static int gives(const char *reason, const char *wanted)
{
    bool same = reason && wanted ? strcmp(reason, wanted) == 0 : reason == wanted;
    if (!same)
        (void)fprintf(stderr, "found \"%s\", wanted \"%s\"\n", reason ? reason : "none", wanted ? wanted : "none");
    return same ? 0 : 1;
}

static int is(int64_t found, int64_t wanted)
{
    if (found != wanted)
        (void)fprintf(stderr, "found %lld, wanted %lld\n", (long long)found, (long long)wanted);
    return found == wanted ? 0 : 1;
}

static int a_card_takes_five_books(void)
{
    struct card c = { .name = NAME };
    int mismatches = 0;
    for (int64_t no = 1; no <= CARD_RENTALS_MAX; no++) {
        mismatches += gives(card_cannot_rent(&c, no), NULL);
        card_rent(&c, no, BELL, no);
        mismatches += gives(card_cannot_rent(&c, no), "the card has this book");
    }
    mismatches += gives(card_cannot_rent(&c, 6), "the card has as many books as it may");
    card_rent_cancelled(&c, 3);
    mismatches += gives(card_cannot_rent(&c, 6), NULL);
    edda_list_free(&c.rentals);
    return mismatches;
}

static int nothing_is_built_on_what_does_not_stand(void)
{
    struct card c = { .name = NAME };
    int mismatches = gives(card_cannot_return(&c, 1), "the card does not have this book");
    card_rent(&c, 1, BELL, 1);
    mismatches += gives(card_cannot_return(&c, 1), "the rent of this book is not confirmed yet");
    mismatches += gives(card_cannot_be_overdue(&c, 1), "the rent of this book is not confirmed yet");
    card_rent_confirmed(&c, 1);
    mismatches += gives(card_cannot_return(&c, 1), NULL);
    card_return(&c, 1, 0);
    mismatches += gives(card_cannot_return(&c, 1), "this book is on its way back");
    mismatches += gives(card_cannot_rent(&c, 1), "the card has this book");
    card_return_cancelled(&c, 1, BELL);
    mismatches += gives(card_cannot_return(&c, 1), NULL);
    edda_list_free(&c.rentals);
    return mismatches;
}

static int what_is_late_costs_by_the_day(void)
{
    struct card c = { .name = NAME };
    card_rent(&c, 1, BELL, 1);
    card_rent_confirmed(&c, 1);
    int mismatches = is(card_fee(&c, 1, 5, 100), 0) + is(card_is_suspended(&c), false);
    card_overdue(&c, 1, 1000);
    mismatches += gives(card_cannot_be_overdue(&c, 1), "this book is overdue already");
    mismatches += is(card_is_suspended(&c), true) + is(card_fee(&c, 1, 1099, 100), 10) + is(card_fee(&c, 1, 1100, 100), 20);
    mismatches += gives(card_cannot_clear(&c, 20), "the card has a book that is overdue");
    mismatches += gives(card_cannot_rent(&c, 2), "the card is suspended until what is overdue is back and the fee is paid");
    card_return(&c, 1, 20);
    card_return_confirmed(&c, 1);
    mismatches += is(c.lateFee, 20) + is(c.rentals.count, 0) + is(card_is_suspended(&c), true);
    edda_list_free(&c.rentals);
    return mismatches;
}

static int a_fee_is_paid_as_a_whole_and_once(void)
{
    struct card c = { .name = NAME };
    int mismatches = gives(card_cannot_clear(&c, 10), "there is no fee to pay");
    c.lateFee = 20;
    mismatches += gives(card_cannot_clear(&c, 10), "the fee is another one") + gives(card_cannot_clear(&c, 20), NULL);
    card_clear(&c, 20, 1);
    mismatches += gives(card_cannot_clear(&c, 20), "the fee is being paid");
    card_clear_cancelled(&c);
    mismatches += is(c.lateFee, 20) + gives(card_cannot_clear(&c, 20), NULL);
    card_clear(&c, 20, 2);
    card_clear_confirmed(&c);
    return mismatches + is(c.lateFee, 0) + is(card_is_suspended(&c), false);
}

static int a_copy_is_with_one_member(void)
{
    struct copy c = { 0 };
    int mismatches = gives(copy_cannot_be_lent(&c), "there is no such book");
    c.title = BELL;
    mismatches += gives(copy_cannot_be_lent(&c), NULL) + gives(copy_cannot_come_back(&c, JENNY), "the book is not lent to this member");
    copy_lent(&c, JENNY);
    mismatches += gives(copy_cannot_be_lent(&c), "the book is lent") + gives(copy_cannot_come_back(&c, TOM), "the book is not lent to this member");
    mismatches += gives(copy_cannot_come_back(&c, JENNY), NULL);
    c.lost = true;
    mismatches += gives(copy_cannot_come_back(&c, JENNY), "the book is lost");
    c.lost = false;
    copy_came_back(&c);
    return mismatches + gives(copy_cannot_be_lent(&c), NULL);
}

static int exactly_the_points_suffice(void)
{
    struct account a = { 0 };
    account_save(&a, NAME, 20);
    int mismatches = is(account_can_pay(&a, 20), true) + is(account_can_pay(&a, 21), false);
    account_use(&a, 30);
    return mismatches + is(a.point, -10) + is(account_can_pay(&a, 1), false);
}

/* --- rental ---------------------------------------------------------------------------------------------- */

static struct edda_test *given_card(void)
{
    struct edda_test *t = edda_test_new(&rental_service);
    edda_given(t, CardCreated, .userId = JENNY, .userName = NAME);
    return t;
}

static struct edda_test *given_rent(void)
{
    struct edda_test *t = given_card();
    edda_given(t, RentRequested, .userId = JENNY, .request = 1, .item = WHAT);
    return t;
}

static struct edda_test *given_return(void)
{
    struct edda_test *t = given_rent();
    edda_given(t, RentConfirmed, .userId = JENNY, .no = 1);
    edda_given(t, ReturnRequested, .userId = JENNY, .no = 1);
    return t;
}

static void answered(struct edda_test *t, const char *type, bool success)
{
    edda_when(t, EventResult, .eventType = edda_text_of(type), .success = success, .idName = WHO, .item = WHAT, .point = 10);
}

static int a_rent_is_told(void)
{
    struct edda_test *t = given_card();
    edda_when(t, RentItem, .userId = JENNY, .request = 1, .item = WHAT);
    edda_then(t, RentRequested, .userId = JENNY, .request = 1, .item = WHAT);
    edda_then(t, ItemRented, .idName = WHO, .item = WHAT, .point = 10);
    edda_then_reply(t, Accepted, .userId = JENNY, .request = 1);
    edda_then_nothing(t);
    edda_when(t, RentItem, .userId = TOM, .request = 2, .item = WHAT);
    edda_then_rejected(t, "userId: there is no such card");
    return edda_test_end(t);
}

/* To the letter as the services of the original write and read it. */
static int a_rent_is_told_as_others_read_it(void)
{
    struct edda_test *t = given_card();
    edda_when(t, RentItem, .userId = JENNY, .request = 1, .item = WHAT);
    edda_then_json(t, "RentRequested", "{\"userId\":\"jenny\",\"request\":1,\"item\":{\"no\":1,\"title\":\"누구를 위하여 종을 울리나?\"}}");
    edda_then_json(t, "ItemRented", "{\"idName\":{\"id\":\"jenny\",\"name\":\"제니\"},\"item\":{\"no\":1,\"title\":\"누구를 위하여 종을 울리나?\"},\"point\":10}");
    return edda_test_end(t);
}

static int a_yes_confirms_once(void)
{
    struct edda_test *t = given_rent();
    answered(t, RENT, true);
    edda_then(t, RentConfirmed, .userId = JENNY, .no = 1);
    edda_then_nothing(t);
    answered(t, RENT, true);
    edda_then_skipped(t, "no rent of this book waits for an answer");
    answered(t, RENT, false);
    edda_then_skipped(t, "no rent of this book waits for an answer");
    return edda_test_end(t);
}

static int a_no_cancels_a_rent_and_takes_the_points_once(void)
{
    struct edda_test *t = given_rent();
    answered(t, RENT, false);
    edda_then(t, RentCancelled, .userId = JENNY, .no = 1);
    edda_then(t, UsePoints, .idName = WHO, .point = 10);
    edda_then_nothing(t);
    const struct card *c = edda_test_state(t);
    int mismatches = is(c->rentals.count, 0) + is(c->rents, 0);
    answered(t, RENT, false);
    edda_then_skipped(t, "no rent of this book waits for an answer");
    return mismatches + edda_test_end(t);
}

static int a_no_cancels_a_return_and_takes_the_points_once(void)
{
    struct edda_test *t = given_return();
    answered(t, RETURN, false);
    edda_then(t, ReturnCancelled, .userId = JENNY, .item = WHAT);
    edda_then(t, UsePoints, .idName = WHO, .point = 10);
    edda_then_nothing(t);
    answered(t, RETURN, false);
    edda_then_skipped(t, "no return of this book waits for an answer");
    edda_when(t, ReturnItem, .userId = JENNY, .request = 1, .no = 1);
    edda_then(t, ReturnRequested, .userId = JENNY, .no = 1);
    edda_then(t, ItemReturned, .idName = WHO, .item = WHAT, .point = 10);
    return edda_test_end(t);
}

static int what_was_overdue_leaves_a_fee_when_it_is_back(void)
{
    struct edda_test *t = given_rent();
    edda_given(t, RentConfirmed, .userId = JENNY, .no = 1);
    edda_when(t, MarkOverdue, .userId = JENNY, .no = 1);
    edda_then(t, BecameOverdue, .userId = JENNY, .no = 1, .since = INT64_C(1767225600000));
    edda_test_advance(t, 2 * late_day_ms);
    edda_when(t, ReturnItem, .userId = JENNY, .request = 1, .no = 1);
    edda_then(t, ReturnRequested, .userId = JENNY, .no = 1, .fee = 30);
    edda_then(t, ItemReturned, .idName = WHO, .item = WHAT, .point = 10);
    answered(t, RETURN, true);
    edda_then(t, ReturnConfirmed, .userId = JENNY, .no = 1);
    edda_when(t, ClearOverdue, .userId = JENNY, .request = 2, .point = 20);
    edda_then_rejected(t, "the fee is another one");
    edda_when(t, ClearOverdue, .userId = JENNY, .request = 3, .point = 30);
    edda_then(t, ClearRequested, .userId = JENNY, .request = 3, .point = 30);
    edda_then(t, OverdueCleared, .idName = WHO, .point = 30);
    edda_then_reply(t, Accepted, .userId = JENNY, .request = 3);
    edda_then_nothing(t);
    return edda_test_end(t);
}

static int a_no_leaves_the_fee(void)
{
    struct edda_test *t = given_card();
    edda_given(t, ClearRequested, .userId = JENNY, .request = 1, .point = 30);
    edda_when(t, EventResult, .eventType = EDDA_TEXT(OVERDUE), .idName = WHO, .point = 30);
    edda_then(t, ClearCancelled, .userId = JENNY);
    edda_then_nothing(t); /* nothing was given for it */
    edda_when(t, EventResult, .eventType = EDDA_TEXT(OVERDUE), .success = true, .idName = WHO, .point = 30);
    edda_then_skipped(t, "no fee waits for an answer");
    return edda_test_end(t);
}

static int an_answer_that_nobody_knows_fails(void)
{
    struct edda_test *t = given_rent();
    answered(t, "RENTED", true);
    edda_then_failed(t, "eventType");
    return edda_test_end(t);
}

/* --- book ------------------------------------------------------------------------------------------------ */

static int a_book_answers(void)
{
    struct edda_test *t = edda_test_new(&book_service);
    edda_given(t, BookAdded, .no = 1, .title = BELL);
    edda_when(t, ItemRented, .idName = WHO, .item = WHAT, .point = 10);
    edda_then(t, BookLent, .no = 1, .userId = JENNY);
    edda_then(t, EventResult, .eventType = EDDA_TEXT(RENT), .success = true, .idName = WHO, .item = WHAT, .point = 10);
    edda_then_nothing(t);
    edda_when(t, ItemRented, .idName = { TOM, TOM }, .item = WHAT, .point = 10);
    edda_then(t, BookRefused, .no = 1, .userId = TOM, .reason = EDDA_TEXT("the book is lent"));
    edda_then(t, EventResult, .eventType = EDDA_TEXT(RENT), .success = false, .idName = { TOM, TOM }, .item = WHAT, .point = 10);
    edda_then_nothing(t);
    edda_when(t, ItemReturned, .idName = WHO, .item = WHAT, .point = 10);
    edda_then(t, BookCameBack, .no = 1, .userId = JENNY);
    edda_then(t, EventResult, .eventType = EDDA_TEXT(RETURN), .success = true, .idName = WHO, .item = WHAT, .point = 10);
    edda_then_nothing(t);
    return edda_test_end(t);
}

static int a_lost_book_does_not_come_back(void)
{
    struct edda_test *t = edda_test_new(&book_service);
    edda_given(t, BookAdded, .no = 1, .title = BELL);
    edda_given(t, BookLent, .no = 1, .userId = JENNY);
    edda_when(t, ReportBook, .no = 1, .lost = true);
    edda_then(t, BookReported, .no = 1, .lost = true);
    edda_when(t, ItemReturned, .idName = WHO, .item = WHAT, .point = 10);
    edda_then(t, BookRefused, .no = 1, .userId = JENNY, .reason = EDDA_TEXT("the book is lost"));
    edda_then(t, EventResult, .eventType = EDDA_TEXT(RETURN), .success = false, .idName = WHO, .item = WHAT, .point = 10);
    edda_then_nothing(t);
    edda_when(t, ReportBook, .no = 1, .lost = true);
    edda_then_rejected(t, "lost already");
    return edda_test_end(t);
}

/* --- member ---------------------------------------------------------------------------------------------- */

static int points_pay_a_fee(void)
{
    struct edda_test *t = edda_test_new(&member_service);
    edda_when(t, ItemRented, .idName = WHO, .item = WHAT, .point = 10);
    edda_then(t, PointsSaved, .id = JENNY, .name = NAME, .point = 10);
    edda_then_nothing(t);
    edda_when(t, OverdueCleared, .idName = WHO, .point = 20);
    edda_then(t, PointsLacked, .id = JENNY, .point = 20);
    edda_then(t, EventResult, .eventType = EDDA_TEXT(OVERDUE), .success = false, .idName = WHO, .point = 20);
    edda_then_nothing(t);
    edda_when(t, ItemReturned, .idName = WHO, .item = WHAT, .point = 10);
    edda_then(t, PointsSaved, .id = JENNY, .name = NAME, .point = 10);
    edda_when(t, OverdueCleared, .idName = WHO, .point = 20);
    edda_then(t, PointsUsed, .id = JENNY, .point = 20);
    edda_then(t, EventResult, .eventType = EDDA_TEXT(OVERDUE), .success = true, .idName = WHO, .point = 20);
    edda_then_nothing(t);
    return edda_test_end(t);
}

static int points_can_be_bought(void)
{
    struct edda_test *t = edda_test_new(&member_service);
    edda_when(t, BuyPoints, .id = JENNY, .point = 10);
    edda_then_rejected(t, "there is no such member");
    edda_when(t, RegisterMember, .id = JENNY, .name = NAME);
    edda_then(t, PointsSaved, .id = JENNY, .name = NAME, .point = 0);
    edda_then_reply(t, Member, .id = JENNY, .name = NAME);
    edda_then_nothing(t);
    edda_when(t, BuyPoints, .id = JENNY, .point = 10);
    edda_then(t, PointsSaved, .id = JENNY, .name = NAME, .point = 10);
    edda_then_reply(t, Member, .id = JENNY, .name = NAME, .point = 10);
    edda_then_nothing(t);
    return edda_test_end(t);
}

static int points_are_taken_back_whenever_that_is_heard_of(void)
{
    struct edda_test *t = edda_test_new(&member_service);
    edda_when(t, UsePoints, .idName = WHO, .point = 10);
    edda_then(t, PointsUsed, .id = JENNY, .point = 10);
    edda_then_nothing(t);
    edda_when(t, ItemRented, .idName = WHO, .item = WHAT, .point = 10);
    const struct account *a = edda_test_state(t);
    int mismatches = is(a->point, 0);
    return mismatches + edda_test_end(t);
}

/* --- best-book ------------------------------------------------------------------------------------------- */

static int a_refused_rent_does_not_count(void)
{
    struct edda_test *t = edda_test_projection(&best_book_projection);
    edda_given(t, ItemRented, .idName = WHO, .item = WHAT, .point = 10);
    edda_given(t, ItemRented, .idName = { TOM, TOM }, .item = WHAT, .point = 10);
    answered(t, RENT, true);
    edda_then_row(t, best_books, BestBook, .no = 1, .title = BELL, .rentCount = 2);
    answered(t, RENT, false);
    edda_then_row(t, best_books, BestBook, .no = 1, .title = BELL, .rentCount = 1);
    answered(t, RETURN, false);
    edda_then_row(t, best_books, BestBook, .no = 1, .title = BELL, .rentCount = 1);
    answered(t, RENT, false);
    edda_then_no_row(t, best_books, BestBook, .no = 1);
    return edda_test_end(t);
}

/* --- all of them ----------------------------------------------------------------------------------------- */

#define TEST(service, name) { service, #name, name }

static const struct { const char *of; const char *name; int (*run)(void); } tests[] = {
    TEST("domain", a_card_takes_five_books),
    TEST("domain", nothing_is_built_on_what_does_not_stand),
    TEST("domain", what_is_late_costs_by_the_day),
    TEST("domain", a_fee_is_paid_as_a_whole_and_once),
    TEST("domain", a_copy_is_with_one_member),
    TEST("domain", exactly_the_points_suffice),
    TEST("rental", a_rent_is_told),
    TEST("rental", a_rent_is_told_as_others_read_it),
    TEST("rental", a_yes_confirms_once),
    TEST("rental", a_no_cancels_a_rent_and_takes_the_points_once),
    TEST("rental", a_no_cancels_a_return_and_takes_the_points_once),
    TEST("rental", what_was_overdue_leaves_a_fee_when_it_is_back),
    TEST("rental", a_no_leaves_the_fee),
    TEST("rental", an_answer_that_nobody_knows_fails),
    TEST("book", a_book_answers),
    TEST("book", a_lost_book_does_not_come_back),
    TEST("member", points_pay_a_fee),
    TEST("member", points_can_be_bought),
    TEST("member", points_are_taken_back_whenever_that_is_heard_of),
    TEST("best-book", a_refused_rent_does_not_count),
};

int main(void)
{
    int failed = 0;
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) {
        int mismatches = tests[i].run();
        printf("%s  %s: %s\n", mismatches ? "FAIL" : "ok  ", tests[i].of, tests[i].name);
        failed += mismatches != 0;
    }
    return failed ? 1 : 0;
}
