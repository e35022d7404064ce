/* The application: the services of its modules, its options. */
#include "app.h"

#include "carts/carts.h"
#include "clients/clients.h"
#include "orders/orders.h"
#include "payments/payments.h"
#include "shipments/shipments.h"
#include "shop.h"
#include "simulation.h"

static const struct edda_service *const services[] = {
    &cart_service,     &cart_forwarder, &price_service,  &order_service,   &order_saga, &payment_service,
    &shipment_service, &stock_service,  &client_service, &loyalty_service, NULL,
};

static const struct edda_option options[] = {
    { "payment-deadline", "15m", &payment_deadline_ms, "A payment not completed this long after it was requested fails, and its order with it" },
    { .name = NULL },
};

const struct edda_app shop_app = {
    .name = NAIVE ? "shop-naive" : "shop",
    .version = "1.0",
    .summary = "A shop: cart, order, payment and shipment, four modules that know of each other only what is external.",
    .services = services,
    .options = options,
    .simulation = &shop_simulation,
    .entity_word = "order",
    .port = 8091,
};
