/* carts: what other modules may know of it: its external event, published on a topic of its own. */
#ifndef SHOP_CARTS_H
#define SHOP_CARTS_H

#include "edda/edda.h"

#define CARTS_EXTERNAL "shopping_carts__external-events"

/* All money is in cents. */
struct ProductItem { int64_t productId; int64_t quantity; int64_t unitPrice; };
struct ShoppingCartFinalized {
    int64_t cartId;
    struct edda_text clientId;
    struct edda_list productItems; /* of struct ProductItem, in order of productId */
    int64_t totalPrice;
    int64_t finalizedAt;
};

extern const struct edda_type ProductItem, ShoppingCartFinalized;
extern const struct edda_service cart_service, cart_forwarder, price_service;

#endif
