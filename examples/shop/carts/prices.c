/* price: the price list. A product is what has a price. */
#include "carts/cart.h"

static const struct edda_field Price_fields[] = { EDDA_FIELD(Price, productId), EDDA_FIELD(Price, unitPrice) };
static const struct edda_type Price = EDDA_STATE(Price);

EDDA_EVOLVE(set, Price, PriceSet);
static void set(struct Price *p, const struct PriceSet *e)
{
    *p = (struct Price){ e->productId, e->unitPrice };
}

EDDA_ROW(price_row, Price, Price);
static bool price_row(struct Price *row, struct edda_text key, const struct Price *p)
{
    (void)key;
    *row = *p;
    return p->unitPrice > 0;
}

static const struct edda_view prices = EDDA_VIEW("prices", Price, price_row, .path = "/prices", .item = "/prices/{productId}");

EDDA_HANDLER(set_price, SetPrice, Price);
static int set_price(struct edda_step *step, const struct SetPrice *c, const struct Price *p)
{
    (void)p;
    return edda_emit(step, PriceSet, .productId = c->productId, .unitPrice = c->unitPrice);
}

const struct edda_service price_service = {
    .name = "price",
    .description = "The price list.",
    .entity = EDDA_ENTITY(Price, "prices"),
    .evolve = (const struct edda_row[]){ EDDA_WHEN(PriceSet, set), EDDA_END },
    .on = (const struct edda_row[]){ EDDA_ON(SetPrice, set_price, productId), EDDA_END },
    .view = &prices,
    .routes = (const struct edda_route[]){
        EDDA_ROUTE("POST", "/prices", SetPrice, .reply = &Price, .location = "/prices/{productId}",
                   .description = "Sets what one of a product costs, in cents"),
        EDDA_ROUTES_END },
};
