/* orders: what other modules may know of it: its external event, keyed by client. */
#ifndef SHOP_ORDERS_H
#define SHOP_ORDERS_H

#include "edda/edda.h"

#define ORDERS_EXTERNAL "orders__external-events"

struct OrderFinalized { struct edda_text clientId; int64_t orderId; int64_t totalPrice; int64_t finalizedAt; };

extern const struct edda_type OrderFinalized;
extern const struct edda_service order_service, order_saga;

#endif
