/*
 * order-saga: the way of an order through the modules, forward and back. It decides nothing and remembers nothing: what an event asks for is
 * sent as a command, and whoever gets it decides.
 */
#include "orders/order.h"
#include "shipments/shipments.h"

EDDA_SAGA(cart_finalized, ShoppingCartFinalized);
static int cart_finalized(struct edda_step *step, const struct ShoppingCartFinalized *e)
{
    return edda_send(step, InitializeOrder, .orderId = e->cartId, .clientId = e->clientId, .productItems = e->productItems,
                     .totalPrice = e->totalPrice);
}

EDDA_SAGA(order_initialized, OrderInitialized);
static int order_initialized(struct edda_step *step, const struct OrderInitialized *e)
{
    return edda_send(step, RequestPayment, .paymentId = e->paymentId, .orderId = e->orderId, .amount = e->totalPrice);
}

EDDA_SAGA(payment_finalized, PaymentFinalized);
static int payment_finalized(struct edda_step *step, const struct PaymentFinalized *e)
{
    return edda_send(step, RecordOrderPayment, .orderId = e->orderId, .paymentId = e->paymentId);
}

EDDA_SAGA(payment_recorded, OrderPaymentRecorded);
static int payment_recorded(struct edda_step *step, const struct OrderPaymentRecorded *e)
{
    const struct ProductItem *items = e->productItems.items;
    struct PackageItem package[PACKAGE_ITEMS_MAX];
    uint32_t count = e->productItems.count;
    for (uint32_t i = 0; i < count; i++)
        package[i] = (struct PackageItem){ items[i].productId, items[i].quantity };
    return edda_send(step, SendPackage, .orderId = e->orderId, .productItems = { .items = package, .count = count });
}

EDDA_SAGA(package_sent, PackageWasSent);
static int package_sent(struct edda_step *step, const struct PackageWasSent *e)
{
    return edda_send(step, CompleteOrder, .orderId = e->orderId);
}

/* --- and back ------------------------------------------------------------------------------------------- */

EDDA_SAGA(payment_failed, PaymentFailed);
static int payment_failed(struct edda_step *step, const struct PaymentFailed *e)
{
    return edda_send(step, CancelOrder, .orderId = e->orderId, .reason = e->reason);
}

EDDA_SAGA(out_of_stock, ProductWasOutOfStock);
static int out_of_stock(struct edda_step *step, const struct ProductWasOutOfStock *e)
{
    return edda_send(step, CancelOrder, .orderId = e->orderId, .reason = EDDA_TEXT(OUT_OF_STOCK));
}

EDDA_SAGA(order_cancelled, OrderCancelled);
static int order_cancelled(struct edda_step *step, const struct OrderCancelled *e)
{
    if (!e->paymentId)
        return edda_skip(step, "there is no payment to discard");
    return edda_send(step, DiscardPayment, .paymentId = e->paymentId);
}

const struct edda_service order_saga = {
    .name = "order-saga",
    .description = "Leads an order through the modules, and back when it fails.",
    .on = (const struct edda_row[]){
        EDDA_ON(ShoppingCartFinalized, cart_finalized, cartId),
        EDDA_ON(OrderInitialized, order_initialized, orderId),
        EDDA_ON(PaymentFinalized, payment_finalized, orderId),
        EDDA_ON(OrderPaymentRecorded, payment_recorded, orderId),
        EDDA_ON(PackageWasSent, package_sent, orderId),
        EDDA_ON(PaymentFailed, payment_failed, orderId),
        EDDA_ON(ProductWasOutOfStock, out_of_stock, orderId),
        EDDA_ON(OrderCancelled, order_cancelled, orderId),
        EDDA_END },
};
