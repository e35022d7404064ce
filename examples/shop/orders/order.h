/* The inside of the orders module. No other module includes this. */
#ifndef SHOP_ORDER_H
#define SHOP_ORDER_H

#include "carts/carts.h"
#include "orders/orders.h"
#include "payments/payments.h"

#define ORDERS "orders"

/* Why an order is cancelled, besides the reasons of PaymentFailed. */
#define OUT_OF_STOCK "ProductWasOutOfStock"
#define BY_CLIENT "CancelledByClient"

struct OrderInitialized {
    int64_t orderId;
    int64_t paymentId;
    struct edda_text clientId;
    struct edda_list productItems; /* of struct ProductItem */
    int64_t totalPrice;
    int64_t initializedAt;
};
struct OrderPaymentRecorded { int64_t orderId; int64_t paymentId; struct edda_list productItems; };
struct OrderCompleted { int64_t orderId; int64_t completedAt; };
struct OrderCancelled { int64_t orderId; int64_t paymentId; struct edda_text reason; }; /* paymentId 0: no payment to discard */

struct InitializeOrder { int64_t orderId; struct edda_text clientId; struct edda_list productItems; int64_t totalPrice; };
struct RecordOrderPayment { int64_t orderId; int64_t paymentId; };
struct CompleteOrder { int64_t orderId; };
struct CancelOrder { int64_t orderId; struct edda_text reason; };

extern const struct edda_type OrderInitialized, OrderPaymentRecorded, OrderCompleted, OrderCancelled, InitializeOrder, RecordOrderPayment,
    CompleteOrder, CancelOrder;

enum order_status { ORDER_NONE, ORDER_INITIALIZED, ORDER_PAID, ORDER_COMPLETED, ORDER_CANCELLED };
struct order {
    int64_t status;
    struct edda_text clientId;
    struct edda_list productItems; /* of struct ProductItem */
    int64_t totalPrice;
    int64_t paymentId;
    struct edda_text reason;
};
extern const struct edda_type order;

#endif
