/*
 * cart-forwarder: tells the world of a confirmed cart. What the module records for itself is small; what others need is all there is to know,
 * in words that everybody understands, so that nobody has to ask back.
 */
#include "carts/cart.h"

EDDA_HANDLER(finalize, ShoppingCartConfirmed, cart);
static int finalize(struct edda_step *step, const struct ShoppingCartConfirmed *e, const struct cart *c)
{
    return edda_emit(step, ShoppingCartFinalized, .cartId = e->cartId, .clientId = c->clientId, .productItems = c->items,
                     .totalPrice = cart_total(c), .finalizedAt = e->confirmedAt);
}

const struct edda_service cart_forwarder = {
    .name = "cart-forwarder",
    .description = "Publishes confirmed carts, with all that is in them.",
    .entity = EDDA_ENTITY(cart, CARTS),
    .evolve = cart_events,
    .on = (const struct edda_row[]){ EDDA_ON(ShoppingCartConfirmed, finalize, cartId), EDDA_END },
};
