/*
 * The rules of the choreography, each as far as one service can show it: given what has happened, when a message comes, then what
 * the service does. What they give together is for the simulator (simulation.c).
 */
#include "messages.h"

#include <stdio.h>

#define JJY EDDA_TEXT("jjy")
#define DECISION "decision"

/* --- order ---------------------------------------------------------------------------------------------- */

static struct edda_test *given_order(void)
{
    struct edda_test *t = edda_test_new(&order_service);
    edda_given(t, OrderCreated, .id = 1, .currencyId = 1, .amount = 500, .holderId = JJY);
    return t;
}

static void then_rejected(struct edda_test *t)
{
    edda_then(t, OrderRejected, .id = 1, .currencyId = 1, .amount = 500, .holderId = JJY);
    edda_then_expires(t, 0);
    edda_then_nothing(t);
}

static int an_order_expires_at_its_deadline(void)
{
    struct edda_test *t = edda_test_new(&order_service);
    edda_when(t, CreateOrder, .id = 1, .holderId = JJY, .currencyId = 1, .amount = 500);
    edda_then(t, OrderCreated, .id = 1, .currencyId = 1, .amount = 500, .holderId = JJY);
    edda_then_expires(t, deadline_ms);
    return edda_test_end(t);
}

static int an_order_is_created_once(void)
{
    struct edda_test *t = given_order();
    edda_when(t, CreateOrder, .id = 1, .holderId = JJY, .currencyId = 1, .amount = 500);
    edda_then_rejected(t, "id: order 1 exists");
    edda_when(t, CreateOrder, .id = 2, .holderId = JJY, .currencyId = 1, .amount = 0);
    edda_then_failed(t, "amount");
    edda_then_nothing(t);
    return edda_test_end(t);
}

static int used_points_approve(void)
{
    struct edda_test *t = given_order();
    edda_when(t, PointUsed, .userId = JJY, .point = 9500, .orderId = 1);
    edda_then(t, OrderPlaced, .id = 1, .holderId = JJY);
    edda_then_nothing(t);
    return edda_test_end(t);
}

static int any_failure_rejects(void)
{
    struct edda_test *t = given_order();
    edda_when(t, PointUseFailed, .orderId = 1, .reason = EDDA_TEXT("not enough points"));
    then_rejected(t);
    int mismatches = edda_test_end(t);
    t = given_order();
    edda_when(t, ExchangeFailed, .orderId = 1);
    then_rejected(t);
    return mismatches + edda_test_end(t);
}

static int a_deadline_rejects_what_is_not_decided(void)
{
    struct edda_test *t = given_order();
    edda_test_advance(t, deadline_ms);
    edda_when(t, DeadlineReached, .id = 1, .orderId = 1);
    then_rejected(t);
    return edda_test_end(t);
}

static int an_order_decides_once(void)
{
    struct edda_test *t = given_order();
    edda_when(t, DeadlineReached, .id = 1, .orderId = 1);
    then_rejected(t);
    edda_when(t, PointUsed, .userId = JJY, .point = 9500, .orderId = 1);
    edda_then_skipped(t, "the order is rejected");
    edda_when(t, PointUseFailed, .orderId = 1, .reason = EDDA_TEXT("not enough points"));
    edda_then_skipped(t, "the order is rejected");
    edda_then_nothing(t);
    int mismatches = edda_test_end(t);

    t = given_order();
    edda_given(t, OrderPlaced, .id = 1, .holderId = JJY);
    edda_when(t, DeadlineReached, .id = 1, .orderId = 1);
    edda_then_skipped(t, "the order is approved");
    edda_when(t, PointUsed, .userId = JJY, .point = 9500, .orderId = 1);
    edda_then_skipped(t, "the order is approved");
    edda_then_nothing(t);
    return mismatches + edda_test_end(t);
}

/* --- exchange ------------------------------------------------------------------------------------------- */

static void when_created(struct edda_test *t, int64_t currency_id, int64_t expires_after_ms)
{
    edda_test_expiry(t, expires_after_ms);
    edda_when(t, OrderCreated, .id = 1, .currencyId = currency_id, .amount = 500, .holderId = JJY);
}

static int an_exchange_happens_once(void)
{
    struct edda_test *t = edda_test_new(&exchange_service);
    when_created(t, 1, deadline_ms);
    edda_then(t, ExchangeSucceed, .orderId = 1, .userId = JJY, .point = 500);
    edda_then_expires(t, deadline_ms);
    edda_then_nothing(t);
    when_created(t, 1, deadline_ms);
    edda_then_skipped(t, "already exchanged");
    edda_then_nothing(t);
    return edda_test_end(t);
}

static int an_expired_order_is_not_exchanged(void)
{
    struct edda_test *t = edda_test_new(&exchange_service);
    edda_test_expiry(t, deadline_ms);
    edda_test_advance(t, deadline_ms);
    edda_when(t, OrderCreated, .id = 1, .currencyId = 1, .amount = 500, .holderId = JJY);
    edda_then_skipped(t, "expired");
    edda_then_nothing(t);
    return edda_test_end(t);
}

static int an_order_that_expires_before_the_check_is_not_exchanged(void)
{
    struct edda_test *t = edda_test_new(&exchange_service);
    when_created(t, 100, deadline_ms);
    edda_then_skipped(t, "expired");
    when_created(t, 100, injected_delay_ms + 1);
    edda_then(t, ExchangeSucceed, .orderId = 1, .userId = JJY, .point = 500);
    return edda_test_end(t);
}

static int an_order_that_expires_after_the_check_is_not_exchanged(void)
{
    struct edda_test *t = edda_test_new(&exchange_service);
    when_created(t, 200, deadline_ms);
    edda_then_skipped(t, "expired while it was handled");
    edda_when(t, OrderRejected, .id = 1, .currencyId = 200, .amount = 500, .holderId = JJY);
    edda_then_skipped(t, "nothing was exchanged");
    edda_then_nothing(t);
    return edda_test_end(t);
}

static int an_unknown_currency_fails(void)
{
    struct edda_test *t = edda_test_new(&exchange_service);
    when_created(t, 0, deadline_ms);
    edda_then(t, ExchangeFailed, .orderId = 1);
    edda_then_nothing(t);
    return edda_test_end(t);
}

static int an_exchange_is_undone_once(void)
{
    struct edda_test *t = edda_test_new(&exchange_service);
    edda_given(t, ExchangeSucceed, .orderId = 1, .userId = JJY, .point = 500);
    edda_when(t, OrderRejected, .id = 1, .currencyId = 1, .amount = 500, .holderId = JJY);
    edda_then(t, ExchangeCompensated, .orderId = 1, .userId = JJY, .point = 500);
    edda_then_nothing(t);
    edda_when(t, OrderRejected, .id = 1, .currencyId = 1, .amount = 500, .holderId = JJY);
    edda_then_skipped(t, "nothing was exchanged");
    return edda_test_end(t);
}

/* --- point ---------------------------------------------------------------------------------------------- */

static struct edda_test *given_points(void)
{
    struct edda_test *t = edda_test_new(&point_service);
    edda_when(t, SetPoints, .userId = JJY, .point = 10000);
    edda_then_json(t, "PointsSet", "{\"userId\":\"jjy\",\"point\":\"10000\"}");
    return t;
}

static int points_are_used_once(void)
{
    struct edda_test *t = given_points();
    edda_when(t, ExchangeSucceed, .orderId = 1, .userId = JJY, .point = 500);
    edda_then_json(t, "PointsTaken", "{\"userId\":\"jjy\",\"orderId\":1,\"point\":500}");
    edda_then(t, PointUsed, .userId = JJY, .point = 9500, .orderId = 1);
    edda_then_nothing(t);
    edda_when(t, ExchangeSucceed, .orderId = 1, .userId = JJY, .point = 500);
    edda_then_skipped(t, "used already");
    edda_then_nothing(t);
    return edda_test_end(t);
}

static int exactly_the_points_asked_for_suffice(void)
{
    struct edda_test *t = given_points();
    edda_when(t, ExchangeSucceed, .orderId = 1, .userId = JJY, .point = 10000);
    edda_then_json(t, "PointsTaken", "{\"userId\":\"jjy\",\"orderId\":1,\"point\":10000}");
    edda_then(t, PointUsed, .userId = JJY, .point = 0, .orderId = 1);
    edda_when(t, ExchangeSucceed, .orderId = 2, .userId = JJY, .point = 0.01);
    edda_then(t, PointUseFailed, .orderId = 2, .reason = EDDA_TEXT("not enough points"));
    edda_then_nothing(t);
    return edda_test_end(t);
}

static int fewer_points_fail_and_stay(void)
{
    struct edda_test *t = given_points();
    edda_when(t, ExchangeSucceed, .orderId = 1, .userId = JJY, .point = 50000);
    edda_then(t, PointUseFailed, .orderId = 1, .reason = EDDA_TEXT("not enough points"));
    edda_then_nothing(t);
    edda_when(t, ExchangeSucceed, .orderId = 2, .userId = JJY, .point = 500);
    edda_then_json(t, "PointsTaken", "{\"userId\":\"jjy\",\"orderId\":2,\"point\":500}");
    edda_then(t, PointUsed, .userId = JJY, .point = 9500, .orderId = 2);
    return edda_test_end(t);
}

static int orders_of_one_user_see_each_other(void)
{
    struct edda_test *t = given_points();
    for (int64_t order = 1; order <= 3; order++) {
        edda_when(t, ExchangeSucceed, .orderId = order, .userId = JJY, .point = 4000);
        if (order < 3) {
            edda_then_json(t, "PointsTaken", order == 1 ? "{\"userId\":\"jjy\",\"orderId\":1,\"point\":4000}"
                                                        : "{\"userId\":\"jjy\",\"orderId\":2,\"point\":4000}");
            edda_then(t, PointUsed, .userId = JJY, .point = 10000 - (double)order * 4000, .orderId = order);
        } else {
            edda_then(t, PointUseFailed, .orderId = 3, .reason = EDDA_TEXT("not enough points"));
        }
        edda_then_nothing(t);
    }
    return edda_test_end(t);
}

static int an_unknown_user_fails(void)
{
    struct edda_test *t = given_points();
    edda_when(t, ExchangeSucceed, .orderId = 1, .userId = EDDA_TEXT("kim"), .point = 1);
    edda_then(t, PointUseFailed, .orderId = 1, .reason = EDDA_TEXT("unknown user"));
    edda_then_nothing(t);
    return edda_test_end(t);
}

static int an_expired_exchange_takes_no_points(void)
{
    struct edda_test *t = given_points();
    edda_test_expiry(t, deadline_ms);
    edda_test_advance(t, deadline_ms);
    edda_when(t, ExchangeSucceed, .orderId = 1, .userId = JJY, .point = 500);
    edda_then_skipped(t, "expired");
    edda_then_nothing(t);
    return edda_test_end(t);
}

static int points_are_given_back_once(void)
{
    struct edda_test *t = given_points();
    edda_when(t, ExchangeSucceed, .orderId = 1, .userId = JJY, .point = 500);
    edda_when(t, ExchangeCompensated, .orderId = 1, .userId = JJY, .point = 500);
    edda_then_json(t, "PointsReturned", "{\"userId\":\"jjy\",\"orderId\":1,\"point\":500}");
    edda_then(t, PointUseCompensated, .orderId = 1, .userId = JJY, .point = 10000);
    edda_then_nothing(t);
    edda_when(t, ExchangeCompensated, .orderId = 1, .userId = JJY, .point = 500);
    edda_then_skipped(t, "no points are used by this order");
    edda_then_nothing(t);
    return edda_test_end(t);
}

/* --- deadline ------------------------------------------------------------------------------------------- */

#define START_MS INT64_C(1767225600000) /* 2026-01-01T00:00:00Z, where the clock of a test stands */

static int an_order_gets_its_time(void)
{
    struct edda_test *t = edda_test_new(&deadline_service);
    when_created(t, 1, 7000);
    edda_then_deadline(t, DECISION, 7000, DeadlineReached, .id = 1, .deadline = START_MS + 7000, .orderId = 1);
    edda_then_nothing(t);
    when_created(t, 1, 0);
    edda_then_deadline(t, DECISION, deadline_ms, DeadlineReached, .id = 1, .deadline = START_MS + deadline_ms, .orderId = 1);
    edda_then_nothing(t);
    return edda_test_end(t);
}

static int an_order_seen_too_late_has_its_deadline_behind_it(void)
{
    struct edda_test *t = edda_test_new(&deadline_service);
    edda_test_expiry(t, deadline_ms);
    edda_test_advance(t, deadline_ms + 1000);
    edda_when(t, OrderCreated, .id = 1, .currencyId = 1, .amount = 500, .holderId = JJY);
    edda_then_deadline(t, DECISION, -1000, DeadlineReached, .id = 1, .deadline = START_MS + deadline_ms, .orderId = 1);
    edda_then_nothing(t);
    return edda_test_end(t);
}

static int a_decided_order_needs_no_deadline(void)
{
    struct edda_test *t = edda_test_new(&deadline_service);
    edda_when(t, OrderPlaced, .id = 1, .holderId = JJY);
    edda_then_deadline_cancelled(t, DECISION);
    edda_then_nothing(t);
    edda_when(t, OrderRejected, .id = 1, .currencyId = 1, .amount = 500, .holderId = JJY);
    edda_then_deadline_cancelled(t, DECISION);
    edda_then_nothing(t);
    return edda_test_end(t);
}

/* --- all of them ---------------------------------------------------------------------------------------- */

#define TEST(rule, name) { rule, #name, name }

static const struct { int rule; const char *name; int (*run)(void); } tests[] = {
    TEST(1, an_order_expires_at_its_deadline),
    TEST(1, a_deadline_rejects_what_is_not_decided),
    TEST(1, an_order_gets_its_time),
    TEST(1, an_order_seen_too_late_has_its_deadline_behind_it),
    TEST(1, a_decided_order_needs_no_deadline),
    TEST(2, an_expired_order_is_not_exchanged),
    TEST(2, an_expired_exchange_takes_no_points),
    TEST(3, an_order_is_created_once),
    TEST(3, an_exchange_happens_once),
    TEST(3, an_exchange_is_undone_once),
    TEST(3, points_are_used_once),
    TEST(3, points_are_given_back_once),
    TEST(4, used_points_approve),
    TEST(4, any_failure_rejects),
    TEST(4, an_order_decides_once),
    TEST(5, exactly_the_points_asked_for_suffice),
    TEST(5, fewer_points_fail_and_stay),
    TEST(5, an_unknown_user_fails),
    TEST(6, orders_of_one_user_see_each_other),
    TEST(7, an_unknown_currency_fails),
    TEST(7, an_order_that_expires_before_the_check_is_not_exchanged),
    TEST(7, an_order_that_expires_after_the_check_is_not_exchanged),
};

int main(void)
{
    int failed = 0;
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) {
        int mismatches = tests[i].run();
        printf("%s  rule %d: %s\n", mismatches ? "FAIL" : "ok  ", tests[i].rule, tests[i].name);
        failed += mismatches != 0;
    }
    return failed ? 1 : 0;
}
