/* The tables behind orders.h and order.h. An order is of no more products than a package holds. */
#include "orders/order.h"
#include "shipments/shipments.h"

#define EVENT(name) const struct edda_type name = EDDA_EVENT(name, orderId, .topic = ORDERS)
#define COMMAND(name) const struct edda_type name = EDDA_COMMAND(name, orderId, .topic = "orders.commands", .correlation = "orderId")

static const struct edda_field OrderFinalized_fields[] = {
    EDDA_FIELD(OrderFinalized, clientId),
    EDDA_FIELD(OrderFinalized, orderId),
    EDDA_FIELD(OrderFinalized, totalPrice),
    EDDA_FIELD_TIME(OrderFinalized, finalizedAt),
};
const struct edda_type OrderFinalized = EDDA_EVENT(OrderFinalized, clientId, .topic = ORDERS_EXTERNAL, .correlation = "orderId");

static const struct edda_field OrderInitialized_fields[] = {
    EDDA_FIELD(OrderInitialized, orderId),
    EDDA_FIELD(OrderInitialized, paymentId),
    EDDA_FIELD(OrderInitialized, clientId),
    EDDA_FIELD_LIST_OF(OrderInitialized, productItems, ProductItem),
    EDDA_FIELD(OrderInitialized, totalPrice),
    EDDA_FIELD_TIME(OrderInitialized, initializedAt),
};
EVENT(OrderInitialized);

static const struct edda_field OrderPaymentRecorded_fields[] = {
    EDDA_FIELD(OrderPaymentRecorded, orderId),
    EDDA_FIELD(OrderPaymentRecorded, paymentId),
    EDDA_FIELD_LIST_OF(OrderPaymentRecorded, productItems, ProductItem, .len_max = PACKAGE_ITEMS_MAX),
};
EVENT(OrderPaymentRecorded);

static const struct edda_field OrderCompleted_fields[] = {
    EDDA_FIELD(OrderCompleted, orderId), EDDA_FIELD_TIME(OrderCompleted, completedAt) };
EVENT(OrderCompleted);

static const struct edda_field OrderCancelled_fields[] = {
    EDDA_FIELD(OrderCancelled, orderId),
    EDDA_FIELD(OrderCancelled, paymentId, .optional = true),
    EDDA_FIELD(OrderCancelled, reason),
};
EVENT(OrderCancelled);

static const struct edda_field InitializeOrder_fields[] = {
    EDDA_FIELD(InitializeOrder, orderId),
    EDDA_FIELD(InitializeOrder, clientId),
    EDDA_FIELD_LIST_OF(InitializeOrder, productItems, ProductItem, .len_min = 1, .len_max = PACKAGE_ITEMS_MAX),
    EDDA_FIELD(InitializeOrder, totalPrice),
};
COMMAND(InitializeOrder);

static const struct edda_field RecordOrderPayment_fields[] = {
    EDDA_FIELD(RecordOrderPayment, orderId), EDDA_FIELD(RecordOrderPayment, paymentId) };
COMMAND(RecordOrderPayment);

static const struct edda_field CompleteOrder_fields[] = { EDDA_FIELD(CompleteOrder, orderId) };
COMMAND(CompleteOrder);

static const char *const reasons[] = { PAYMENT_REFUSED, PAYMENT_TIMED_OUT, OUT_OF_STOCK, BY_CLIENT, NULL };
static const struct edda_field CancelOrder_fields[] = {
    EDDA_FIELD(CancelOrder, orderId, .min = 1), EDDA_FIELD(CancelOrder, reason, .values = reasons) };
COMMAND(CancelOrder);
