/* The inside of the carts module: its own events and commands, and what a cart is. No other module includes this. */
#ifndef SHOP_CART_H
#define SHOP_CART_H

#include "carts/carts.h"

#define CARTS "shopping_carts"
#define PRODUCTS_MAX 100
#define QUANTITY_MAX 1000

struct ShoppingCartOpened { int64_t cartId; struct edda_text clientId; };
struct ProductAdded { int64_t cartId; int64_t productId; int64_t quantity; int64_t unitPrice; };
struct ProductRemoved { int64_t cartId; int64_t productId; int64_t quantity; };
struct ShoppingCartConfirmed { int64_t cartId; int64_t confirmedAt; };
struct PriceSet { int64_t productId; int64_t unitPrice; };

struct OpenCart { int64_t cartId; struct edda_text clientId; };
struct AddProduct { int64_t cartId; int64_t productId; int64_t quantity; int64_t unitPrice; };
struct RemoveProduct { int64_t cartId; int64_t productId; int64_t quantity; }; /* quantity 0: all there are */
struct ConfirmCart { int64_t cartId; };
struct SetPrice { int64_t productId; int64_t unitPrice; };

extern const struct edda_type ShoppingCartOpened, ProductAdded, ProductRemoved, ShoppingCartConfirmed, PriceSet, OpenCart, AddProduct,
    RemoveProduct, ConfirmCart, SetPrice;

enum cart_status { CART_NONE, CART_OPEN, CART_CONFIRMED };
struct cart { int64_t status; struct edda_text clientId; struct edda_list items; /* of struct ProductItem */ };
extern const struct edda_type cart;
/* How a cart comes from its events: for the cart itself, and for the forwarder, which reads it. */
extern const struct edda_row cart_events[];

/* What all of it costs. */
int64_t cart_total(const struct cart *c);

/* The state of a price, and its row as well. */
struct Price { int64_t productId; int64_t unitPrice; };

#endif
