/* The tables behind carts.h and cart.h. The process of an order begins with its cart and has its number: that is what `.correlation` says. */
#include "carts/cart.h"

#define ID .min = 1
#define QUANTITY .min = 1, .max = QUANTITY_MAX
#define PRICE .min = 1, .max = 1e9, .description = "in cents"
#define CLIENT .len_min = 1, .len_max = 64
#define EVENT(name) const struct edda_type name = EDDA_EVENT(name, cartId, .topic = CARTS)
#define COMMAND(name) const struct edda_type name = EDDA_COMMAND(name, cartId, .topic = "carts.commands", .correlation = "cartId")

static const struct edda_field ProductItem_fields[] = {
    EDDA_FIELD(ProductItem, productId), EDDA_FIELD(ProductItem, quantity), EDDA_FIELD(ProductItem, unitPrice) };
const struct edda_type ProductItem = EDDA_VALUE(ProductItem);

static const struct edda_field ShoppingCartFinalized_fields[] = {
    EDDA_FIELD(ShoppingCartFinalized, cartId),
    EDDA_FIELD(ShoppingCartFinalized, clientId),
    EDDA_FIELD_LIST_OF(ShoppingCartFinalized, productItems, ProductItem),
    EDDA_FIELD(ShoppingCartFinalized, totalPrice),
    EDDA_FIELD_TIME(ShoppingCartFinalized, finalizedAt),
};
const struct edda_type ShoppingCartFinalized = EDDA_EVENT(ShoppingCartFinalized, cartId, .topic = CARTS_EXTERNAL, .correlation = "cartId");

static const struct edda_field ShoppingCartOpened_fields[] = {
    EDDA_FIELD(ShoppingCartOpened, cartId), EDDA_FIELD(ShoppingCartOpened, clientId) };
EVENT(ShoppingCartOpened);

static const struct edda_field ProductAdded_fields[] = {
    EDDA_FIELD(ProductAdded, cartId),
    EDDA_FIELD(ProductAdded, productId),
    EDDA_FIELD(ProductAdded, quantity),
    EDDA_FIELD(ProductAdded, unitPrice),
};
EVENT(ProductAdded);

static const struct edda_field ProductRemoved_fields[] = {
    EDDA_FIELD(ProductRemoved, cartId), EDDA_FIELD(ProductRemoved, productId), EDDA_FIELD(ProductRemoved, quantity) };
EVENT(ProductRemoved);

static const struct edda_field ShoppingCartConfirmed_fields[] = {
    EDDA_FIELD(ShoppingCartConfirmed, cartId), EDDA_FIELD_TIME(ShoppingCartConfirmed, confirmedAt) };
EVENT(ShoppingCartConfirmed);

static const struct edda_field PriceSet_fields[] = { EDDA_FIELD(PriceSet, productId), EDDA_FIELD(PriceSet, unitPrice) };
const struct edda_type PriceSet = EDDA_EVENT(PriceSet, productId, .topic = "prices");

static const struct edda_field OpenCart_fields[] = { EDDA_FIELD(OpenCart, cartId, ID), EDDA_FIELD(OpenCart, clientId, CLIENT) };
COMMAND(OpenCart);

static const struct edda_field AddProduct_fields[] = {
    EDDA_FIELD(AddProduct, cartId, ID),
    EDDA_FIELD(AddProduct, productId, ID),
    EDDA_FIELD(AddProduct, quantity, QUANTITY),
    EDDA_FIELD(AddProduct, unitPrice, PRICE),
};
COMMAND(AddProduct);

static const struct edda_field RemoveProduct_fields[] = {
    EDDA_FIELD(RemoveProduct, cartId, ID),
    EDDA_FIELD(RemoveProduct, productId, ID),
    EDDA_FIELD(RemoveProduct, quantity, .optional = true, QUANTITY),
};
COMMAND(RemoveProduct);

static const struct edda_field ConfirmCart_fields[] = { EDDA_FIELD(ConfirmCart, cartId, ID) };
COMMAND(ConfirmCart);

static const struct edda_field SetPrice_fields[] = { EDDA_FIELD(SetPrice, productId, ID), EDDA_FIELD(SetPrice, unitPrice, PRICE) };
const struct edda_type SetPrice = EDDA_COMMAND(SetPrice, productId, .topic = "prices.commands");
