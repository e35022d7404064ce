/*
 * The rules of the shop, each as far as one service can show it: given what has happened, when a message comes, then what the service does.
 * What they give together is for the simulator (simulation.c).
 */
#include "carts/cart.h"
#include "clients/client.h"
#include "orders/order.h"
#include "payments/payment.h"
#include "shipments/shipment.h"
#include "shop.h"

#include <stdio.h>

#define START_MS INT64_C(1767225600000) /* 2026-01-01T00:00:00Z, where the clock of a test stands */
#define ADA EDDA_TEXT("ada")
#define BOUGHT EDDA_LIST(struct ProductItem, { 1, 2, 250 }, { 7, 1, 100 })
#define PACKAGE EDDA_LIST(struct PackageItem, { 1, 2 }, { 7, 1 })

/* --- carts ---------------------------------------------------------------------------------------------- */

static struct edda_test *given_cart(const struct edda_service *service)
{
    struct edda_test *t = edda_test_new(service);
    edda_given(t, ShoppingCartOpened, .cartId = 1, .clientId = ADA);
    edda_given(t, ProductAdded, .cartId = 1, .productId = 7, .quantity = 1, .unitPrice = 100);
    edda_given(t, ProductAdded, .cartId = 1, .productId = 1, .quantity = 2, .unitPrice = 250);
    return t;
}

static int a_cart_is_opened_once(void)
{
    struct edda_test *t = edda_test_new(&cart_service);
    edda_when(t, OpenCart, .cartId = 1, .clientId = ADA);
    edda_then(t, ShoppingCartOpened, .cartId = 1, .clientId = ADA);
    edda_when(t, OpenCart, .cartId = 1, .clientId = ADA);
    edda_then_rejected(t, "cartId: cart 1 exists");
    return edda_test_end(t);
}

static int more_of_a_product_is_added_up_at_its_last_price(void)
{
    struct edda_test *t = given_cart(&cart_service);
    edda_when(t, AddProduct, .cartId = 1, .productId = 7, .quantity = 3, .unitPrice = 90);
    edda_then(t, ProductAdded, .cartId = 1, .productId = 7, .quantity = 3, .unitPrice = 90);
    edda_then_nothing(t);
    edda_then_state(t, cart, .status = CART_OPEN, .clientId = ADA, .items = EDDA_LIST(struct ProductItem, { 1, 2, 250 }, { 7, 4, 90 }));
    return edda_test_end(t);
}

static int a_cart_has_limits(void)
{
    struct edda_test *t = given_cart(&cart_service);
    edda_when(t, AddProduct, .cartId = 1, .productId = 7, .quantity = QUANTITY_MAX, .unitPrice = 100);
    edda_then_rejected(t, "quantity: a cart holds at most 1000 of a product");
    for (int64_t product = 100; product < 100 + PRODUCTS_MAX - 2; product++)
        edda_given(t, ProductAdded, .cartId = 1, .productId = product, .quantity = 1, .unitPrice = 1);
    edda_when(t, AddProduct, .cartId = 1, .productId = 99, .quantity = 1, .unitPrice = 1);
    edda_then_rejected(t, "productId: a cart holds at most 100 products");
    edda_when(t, AddProduct, .cartId = 1, .productId = 7, .quantity = 0, .unitPrice = 1);
    edda_then_failed(t, "quantity");
    edda_then_nothing(t);
    return edda_test_end(t);
}

static int what_is_in_the_cart_can_be_taken_out(void)
{
    struct edda_test *t = given_cart(&cart_service);
    edda_when(t, RemoveProduct, .cartId = 1, .productId = 1, .quantity = 1);
    edda_then(t, ProductRemoved, .cartId = 1, .productId = 1, .quantity = 1);
    edda_when(t, RemoveProduct, .cartId = 1, .productId = 1, .quantity = 2);
    edda_then_rejected(t, "quantity: cart 1 holds 1 of product 1");
    edda_when(t, RemoveProduct, .cartId = 1, .productId = 1);
    edda_then(t, ProductRemoved, .cartId = 1, .productId = 1, .quantity = 1);
    edda_when(t, RemoveProduct, .cartId = 1, .productId = 1);
    edda_then_rejected(t, "productId: cart 1 holds 0 of product 1");
    return edda_test_end(t);
}

static int a_cart_is_confirmed_once_and_not_empty(void)
{
    struct edda_test *t = edda_test_new(&cart_service);
    edda_when(t, ConfirmCart, .cartId = 1);
    edda_then_rejected(t, "cartId: there is no cart 1");
    edda_given(t, ShoppingCartOpened, .cartId = 1, .clientId = ADA);
    edda_when(t, ConfirmCart, .cartId = 1);
    edda_then_rejected(t, "cartId: cart 1 is empty");
    int mismatches = edda_test_end(t);

    t = given_cart(&cart_service);
    edda_when(t, ConfirmCart, .cartId = 1);
    edda_then(t, ShoppingCartConfirmed, .cartId = 1, .confirmedAt = START_MS);
    edda_then_nothing(t);
    edda_when(t, ConfirmCart, .cartId = 1);
    edda_then_rejected(t, "cartId: cart 1 is confirmed");
    edda_when(t, AddProduct, .cartId = 1, .productId = 7, .quantity = 1, .unitPrice = 100);
    edda_then_rejected(t, "cartId: cart 1 is confirmed");
    return mismatches + edda_test_end(t);
}

static int others_get_to_know_all_of_a_confirmed_cart(void)
{
    struct edda_test *t = given_cart(&cart_forwarder);
    edda_when(t, ShoppingCartConfirmed, .cartId = 1, .confirmedAt = START_MS);
    edda_then(t, ShoppingCartFinalized, .cartId = 1, .clientId = ADA, .productItems = BOUGHT, .totalPrice = 600, .finalizedAt = START_MS);
    edda_then_nothing(t);
    return edda_test_end(t);
}

/* --- orders --------------------------------------------------------------------------------------------- */

static struct edda_test *given_order(bool paid)
{
    struct edda_test *t = edda_test_new(&order_service);
    edda_given(t, OrderInitialized, .orderId = 1, .paymentId = 1, .clientId = ADA, .productItems = BOUGHT, .totalPrice = 600);
    if (paid)
        edda_given(t, OrderPaymentRecorded, .orderId = 1, .paymentId = 1, .productItems = BOUGHT);
    return t;
}

static int a_finalized_cart_becomes_one_order(void)
{
    struct edda_test *t = edda_test_new(&order_saga);
    edda_when(t, ShoppingCartFinalized, .cartId = 1, .clientId = ADA, .productItems = BOUGHT, .totalPrice = 600);
    edda_then(t, InitializeOrder, .orderId = 1, .clientId = ADA, .productItems = BOUGHT, .totalPrice = 600);
    edda_then_nothing(t);
    int mismatches = edda_test_end(t);

    t = edda_test_new(&order_service);
    edda_when(t, InitializeOrder, .orderId = 1, .clientId = ADA, .productItems = BOUGHT, .totalPrice = 600);
    edda_then(t, OrderInitialized, .orderId = 1, .paymentId = 1, .clientId = ADA, .productItems = BOUGHT, .totalPrice = 600,
              .initializedAt = START_MS);
    edda_then_nothing(t);
    edda_when(t, InitializeOrder, .orderId = 1, .clientId = ADA, .productItems = BOUGHT, .totalPrice = 600);
    edda_then_rejected(t, "orderId: order 1 is INITIALIZED");
    return mismatches + edda_test_end(t);
}

static int the_saga_goes_forward(void)
{
    struct edda_test *t = edda_test_new(&order_saga);
    edda_when(t, OrderInitialized, .orderId = 1, .paymentId = 1, .clientId = ADA, .productItems = BOUGHT, .totalPrice = 600);
    edda_then(t, RequestPayment, .paymentId = 1, .orderId = 1, .amount = 600);
    edda_when(t, PaymentFinalized, .paymentId = 1, .orderId = 1, .amount = 600);
    edda_then(t, RecordOrderPayment, .orderId = 1, .paymentId = 1);
    edda_when(t, OrderPaymentRecorded, .orderId = 1, .paymentId = 1, .productItems = BOUGHT);
    edda_then(t, SendPackage, .orderId = 1, .productItems = PACKAGE);
    edda_when(t, PackageWasSent, .orderId = 1, .productItems = PACKAGE);
    edda_then(t, CompleteOrder, .orderId = 1);
    edda_then_nothing(t);
    return edda_test_end(t);
}

static int the_saga_goes_back(void)
{
    struct edda_test *t = edda_test_new(&order_saga);
    edda_when(t, PaymentFailed, .paymentId = 1, .orderId = 1, .reason = EDDA_TEXT(PAYMENT_REFUSED));
    edda_then(t, CancelOrder, .orderId = 1, .reason = EDDA_TEXT(PAYMENT_REFUSED));
    edda_when(t, ProductWasOutOfStock, .orderId = 1, .productId = 7);
    edda_then(t, CancelOrder, .orderId = 1, .reason = EDDA_TEXT(OUT_OF_STOCK));
    edda_when(t, OrderCancelled, .orderId = 1, .paymentId = 1, .reason = EDDA_TEXT(OUT_OF_STOCK));
    edda_then(t, DiscardPayment, .paymentId = 1);
    edda_when(t, OrderCancelled, .orderId = 1, .reason = EDDA_TEXT(PAYMENT_REFUSED));
    edda_then_skipped(t, "no payment to discard");
    edda_then_nothing(t);
    return edda_test_end(t);
}

static int an_order_completes_when_its_package_is_sent(void)
{
    struct edda_test *t = given_order(false);
    edda_when(t, CompleteOrder, .orderId = 1);
    edda_then_rejected(t, "order 1 is INITIALIZED");
    edda_when(t, RecordOrderPayment, .orderId = 1, .paymentId = 1);
    edda_then(t, OrderPaymentRecorded, .orderId = 1, .paymentId = 1, .productItems = BOUGHT);
    edda_when(t, CompleteOrder, .orderId = 1);
    edda_then(t, OrderCompleted, .orderId = 1, .completedAt = START_MS);
    edda_then(t, OrderFinalized, .clientId = ADA, .orderId = 1, .totalPrice = 600, .finalizedAt = START_MS);
    edda_then_nothing(t);
    edda_when(t, CancelOrder, .orderId = 1, .reason = EDDA_TEXT(OUT_OF_STOCK));
    edda_then_rejected(t, "order 1 is COMPLETED");
    return edda_test_end(t);
}

static int out_of_stock_cancels_what_is_paid(void)
{
    struct edda_test *t = given_order(true);
    edda_when(t, CancelOrder, .orderId = 1, .reason = EDDA_TEXT(OUT_OF_STOCK));
    edda_then(t, OrderCancelled, .orderId = 1, .paymentId = 1, .reason = EDDA_TEXT(OUT_OF_STOCK));
    edda_then_nothing(t);
    return edda_test_end(t);
}

static int a_failed_payment_leaves_nothing_to_discard(void)
{
    struct edda_test *t = given_order(false);
    edda_when(t, CancelOrder, .orderId = 1, .reason = EDDA_TEXT(PAYMENT_TIMED_OUT));
    edda_then(t, OrderCancelled, .orderId = 1, .reason = EDDA_TEXT(PAYMENT_TIMED_OUT));
    edda_then_nothing(t);
    return edda_test_end(t);
}

/* The payment is under way, and the order has not heard of it: it is discarded all the same. */
static int a_client_cancels_while_the_payment_is_under_way(void)
{
    struct edda_test *t = given_order(false);
    edda_when(t, CancelOrder, .orderId = 1, .reason = EDDA_TEXT(BY_CLIENT));
    edda_then(t, OrderCancelled, .orderId = 1, .paymentId = 1, .reason = EDDA_TEXT(BY_CLIENT));
    edda_then_nothing(t);
    edda_when(t, RecordOrderPayment, .orderId = 1, .paymentId = 1);
    edda_then_rejected(t, "order 1 is CANCELLED");
    int mismatches = edda_test_end(t);

    t = given_order(true);
    edda_when(t, CancelOrder, .orderId = 1, .reason = EDDA_TEXT(BY_CLIENT));
    edda_then_rejected(t, "order 1 is PAID");
    return mismatches + edda_test_end(t);
}

/* --- payments ------------------------------------------------------------------------------------------- */

static struct edda_test *given_payment(void)
{
    struct edda_test *t = edda_test_new(&payment_service);
    edda_when(t, RequestPayment, .paymentId = 1, .orderId = 1, .amount = 600);
    edda_then_deadline(t, PAYMENT_DEADLINE, payment_deadline_ms, TimeOutPayment, .paymentId = 1);
    edda_then(t, PaymentRequested, .paymentId = 1, .orderId = 1, .amount = 600);
    edda_then_nothing(t);
    return t;
}

static void when_completed(struct edda_test *t)
{
    edda_when(t, CompletePayment, .paymentId = 1);
    edda_then_deadline_cancelled(t, PAYMENT_DEADLINE);
    edda_then(t, PaymentCompleted, .paymentId = 1);
    edda_then(t, PaymentFinalized, .paymentId = 1, .orderId = 1, .amount = 600, .finalizedAt = START_MS);
    edda_then_nothing(t);
}

static int a_payment_is_taken_once(void)
{
    struct edda_test *t = given_payment();
    when_completed(t);
    edda_when(t, CompletePayment, .paymentId = 1);
    edda_then_skipped(t, "completed already");
    edda_when(t, TimeOutPayment, .paymentId = 1);
    edda_then_rejected(t, "payment 1 is COMPLETED");
    edda_when(t, RefusePayment, .paymentId = 1);
    edda_then_rejected(t, "payment 1 is COMPLETED");
    return edda_test_end(t);
}

static int a_refused_payment_fails(void)
{
    struct edda_test *t = given_payment();
    edda_when(t, RefusePayment, .paymentId = 1);
    edda_then_deadline_cancelled(t, PAYMENT_DEADLINE);
    edda_then(t, PaymentRefused, .paymentId = 1);
    edda_then(t, PaymentFailed, .paymentId = 1, .orderId = 1, .reason = EDDA_TEXT(PAYMENT_REFUSED), .failedAt = START_MS);
    edda_then_nothing(t);
    edda_when(t, RefusePayment, .paymentId = 1);
    edda_then_skipped(t, "refused already");
    edda_when(t, CompletePayment, .paymentId = 1);
    edda_then_rejected(t, "payment 1 is REFUSED");
    return edda_test_end(t);
}

static int a_payment_has_its_time(void)
{
    struct edda_test *t = given_payment();
    edda_test_advance(t, payment_deadline_ms);
    edda_when(t, TimeOutPayment, .paymentId = 1);
    edda_then(t, PaymentTimedOut, .paymentId = 1);
    edda_then(t, PaymentFailed, .paymentId = 1, .orderId = 1, .reason = EDDA_TEXT(PAYMENT_TIMED_OUT),
              .failedAt = START_MS + payment_deadline_ms);
    edda_then_nothing(t);
    edda_when(t, CompletePayment, .paymentId = 1);
    edda_then_rejected(t, "payment 1 is TIMED OUT");
    return edda_test_end(t);
}

static int money_is_given_back_once(void)
{
    struct edda_test *t = given_payment();
    when_completed(t);
    edda_when(t, DiscardPayment, .paymentId = 1);
    edda_then_deadline_cancelled(t, PAYMENT_DEADLINE);
    edda_then(t, PaymentDiscarded, .paymentId = 1, .returned = 600);
    edda_then_nothing(t);
    edda_when(t, DiscardPayment, .paymentId = 1);
    edda_then_rejected(t, "payment 1 is DISCARDED");
    return edda_test_end(t);
}

static int what_is_discarded_cannot_be_paid(void)
{
    struct edda_test *t = given_payment();
    edda_when(t, DiscardPayment, .paymentId = 1);
    edda_then_deadline_cancelled(t, PAYMENT_DEADLINE);
    edda_then(t, PaymentDiscarded, .paymentId = 1, .returned = 0);
    edda_then_nothing(t);
    edda_when(t, CompletePayment, .paymentId = 1);
    edda_then_rejected(t, "payment 1 is DISCARDED");
    return edda_test_end(t);
}

/* --- shipments ------------------------------------------------------------------------------------------ */

static struct edda_test *given_shipment(void)
{
    struct edda_test *t = edda_test_new(&shipment_service);
    edda_when(t, SendPackage, .orderId = 1, .productItems = PACKAGE);
    edda_then(t, PackageRequested, .orderId = 1, .productItems = PACKAGE);
    edda_then(t, TakeStock, .productId = 1, .orderId = 1, .quantity = 2);
    edda_then(t, TakeStock, .productId = 7, .orderId = 1, .quantity = 1);
    edda_then_nothing(t);
    return t;
}

static int a_package_waits_for_all_products(void)
{
    struct edda_test *t = given_shipment();
    edda_when(t, ProductPicked, .orderId = 1, .productId = 7, .quantity = 1);
    edda_then_nothing(t);
    edda_when(t, ProductPicked, .orderId = 1, .productId = 1, .quantity = 2);
    edda_then(t, PackageSent, .orderId = 1);
    edda_then(t, PackageWasSent, .orderId = 1, .productItems = PACKAGE, .sentAt = START_MS);
    edda_then_nothing(t);
    edda_when(t, SendPackage, .orderId = 1, .productItems = PACKAGE);
    edda_then_skipped(t, "the package is SENT");
    return edda_test_end(t);
}

/* Both answers are there before the first of them is handled. */
static int a_package_is_sent_once(void)
{
    struct edda_test *t = given_shipment();
    edda_given(t, ProductPicked, .orderId = 1, .productId = 1, .quantity = 2);
    edda_when(t, ProductPicked, .orderId = 1, .productId = 7, .quantity = 1);
    edda_then(t, PackageSent, .orderId = 1);
    edda_then(t, PackageWasSent, .orderId = 1, .productItems = PACKAGE, .sentAt = START_MS);
    edda_when(t, ProductPicked, .orderId = 1, .productId = 1, .quantity = 2);
    edda_then_skipped(t, "the package is SENT");
    edda_then_nothing(t);
    return edda_test_end(t);
}

static int what_lacks_gives_back_what_was_there(void)
{
    struct edda_test *t = given_shipment();
    edda_when(t, ProductLacked, .orderId = 1, .productId = 7);
    edda_then_nothing(t);
    edda_when(t, ProductPicked, .orderId = 1, .productId = 1, .quantity = 2);
    edda_then(t, ReturnStock, .productId = 1, .orderId = 1, .quantity = 2);
    edda_then(t, PackageDropped, .orderId = 1);
    edda_then(t, ProductWasOutOfStock, .orderId = 1, .productId = 7, .checkedAt = START_MS);
    edda_then_nothing(t);
    return edda_test_end(t);
}

static int stock_is_never_negative(void)
{
    struct edda_test *t = edda_test_new(&stock_service);
    edda_when(t, TakeStock, .productId = 1, .orderId = 1, .quantity = 1);
    edda_then(t, ProductLacked, .orderId = 1, .productId = 1);
    edda_then_nothing(t);
    edda_given(t, StockAdded, .productId = 1, .quantity = 3);
    edda_when(t, TakeStock, .productId = 1, .orderId = 2, .quantity = 3);
    edda_then(t, StockTaken, .productId = 1, .orderId = 2, .quantity = 3);
    edda_then(t, ProductPicked, .orderId = 2, .productId = 1, .quantity = 3);
    edda_then_nothing(t);
    edda_when(t, TakeStock, .productId = 1, .orderId = 3, .quantity = 1);
    edda_then(t, ProductLacked, .orderId = 3, .productId = 1);
    edda_when(t, ReturnStock, .productId = 1, .orderId = 2, .quantity = 3);
    edda_then(t, StockReturned, .productId = 1, .orderId = 2, .quantity = 3);
    edda_when(t, TakeStock, .productId = 1, .orderId = 3, .quantity = 1);
    edda_then(t, StockTaken, .productId = 1, .orderId = 3, .quantity = 1);
    return edda_test_end(t);
}

/* --- clients -------------------------------------------------------------------------------------------- */

static int the_third_order_makes_a_vip(void)
{
    struct edda_test *t = edda_test_new(&loyalty_service);
    for (int64_t id = 1; id <= 4; id++) {
        edda_when(t, OrderFinalized, .clientId = ADA, .orderId = id, .totalPrice = 600);
        if (id == ORDERS_OF_A_VIP)
            edda_then(t, MakeClientVip, .clientId = ADA);
        edda_then_nothing(t);
    }
    edda_when(t, OrderFinalized, .clientId = EDDA_TEXT("bob"), .orderId = 5, .totalPrice = 600);
    edda_then_nothing(t);
    return edda_test_end(t);
}

static int a_client_becomes_a_vip_once(void)
{
    struct edda_test *t = edda_test_new(&client_service);
    edda_when(t, MakeClientVip, .clientId = ADA);
    edda_then(t, ClientBecameVip, .clientId = ADA, .since = START_MS);
    edda_then_nothing(t);
    edda_when(t, MakeClientVip, .clientId = ADA);
    edda_then_skipped(t, "a VIP already");
    edda_then_nothing(t);
    return edda_test_end(t);
}

/* --- all of them ---------------------------------------------------------------------------------------- */

#define TEST(module, name) { module, #name, name }

static const struct { const char *module, *name; int (*run)(void); } tests[] = {
    TEST("carts", a_cart_is_opened_once),
    TEST("carts", more_of_a_product_is_added_up_at_its_last_price),
    TEST("carts", a_cart_has_limits),
    TEST("carts", what_is_in_the_cart_can_be_taken_out),
    TEST("carts", a_cart_is_confirmed_once_and_not_empty),
    TEST("carts", others_get_to_know_all_of_a_confirmed_cart),
    TEST("orders", a_finalized_cart_becomes_one_order),
    TEST("orders", the_saga_goes_forward),
    TEST("orders", the_saga_goes_back),
    TEST("orders", an_order_completes_when_its_package_is_sent),
    TEST("orders", out_of_stock_cancels_what_is_paid),
    TEST("orders", a_failed_payment_leaves_nothing_to_discard),
    TEST("orders", a_client_cancels_while_the_payment_is_under_way),
    TEST("payments", a_payment_is_taken_once),
    TEST("payments", a_refused_payment_fails),
    TEST("payments", a_payment_has_its_time),
    TEST("payments", money_is_given_back_once),
    TEST("payments", what_is_discarded_cannot_be_paid),
    TEST("shipments", a_package_waits_for_all_products),
    TEST("shipments", a_package_is_sent_once),
    TEST("shipments", what_lacks_gives_back_what_was_there),
    TEST("shipments", stock_is_never_negative),
    TEST("clients", the_third_order_makes_a_vip),
    TEST("clients", a_client_becomes_a_vip_once),
};

int main(void)
{
    int failed = 0;
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) {
        int mismatches = tests[i].run();
        printf("%s  %s: %s\n", mismatches ? "FAIL" : "ok  ", tests[i].module, tests[i].name);
        failed += mismatches != 0;
    }
    return failed ? 1 : 0;
}
