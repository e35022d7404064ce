/* cart: what a client puts together and confirms. Its events stay in the module; what others get to know is the forwarder's to say. */
#include "carts/cart.h"

static const struct edda_field cart_fields[] = {
    EDDA_FIELD(cart, status), EDDA_FIELD(cart, clientId), EDDA_FIELD_LIST_OF(cart, items, ProductItem) };
const struct edda_type cart = EDDA_STATE(cart);

/* --- what has happened to a cart ------------------------------------------------------------------------ */

EDDA_EVOLVE(opened, cart, ShoppingCartOpened);
static void opened(struct cart *c, const struct ShoppingCartOpened *e)
{
    c->status = CART_OPEN;
    c->clientId = e->clientId;
}

/* All of one product costs what it cost when it was last added. */
EDDA_EVOLVE(added, cart, ProductAdded);
static void added(struct cart *c, const struct ProductAdded *e)
{
    struct ProductItem *item = edda_list_put(&c->items, sizeof *item, e->productId);
    if (item)
        *item = (struct ProductItem){ e->productId, item->quantity + e->quantity, e->unitPrice };
}

EDDA_EVOLVE(removed, cart, ProductRemoved);
static void removed(struct cart *c, const struct ProductRemoved *e)
{
    struct ProductItem *item = edda_list_find(&c->items, sizeof *item, e->productId);
    if (item)
        item->quantity -= e->quantity;
    if (item && item->quantity == 0)
        edda_list_remove(&c->items, sizeof *item, (uint32_t)(item - (struct ProductItem *)c->items.items));
}

EDDA_EVOLVE_SET(confirmed, cart, ShoppingCartConfirmed, status, CART_CONFIRMED);

const struct edda_row cart_events[] = {
    EDDA_WHEN(ShoppingCartOpened, opened),
    EDDA_WHEN(ProductAdded, added),
    EDDA_WHEN(ProductRemoved, removed),
    EDDA_WHEN(ShoppingCartConfirmed, confirmed),
    EDDA_END,
};

int64_t cart_total(const struct cart *c)
{
    const struct ProductItem *items = c->items.items;
    int64_t total = 0;
    for (uint32_t i = 0; i < c->items.count; i++)
        total += items[i].quantity * items[i].unitPrice;
    return total;
}

/* --- how a cart looks to the outside -------------------------------------------------------------------- */

struct Cart { int64_t cartId; struct edda_text clientId; struct edda_text status; struct edda_list productItems; int64_t totalPrice; };
static const struct edda_field Cart_fields[] = {
    EDDA_FIELD(Cart, cartId),
    EDDA_FIELD(Cart, clientId),
    EDDA_FIELD(Cart, status),
    EDDA_FIELD_LIST_OF(Cart, productItems, ProductItem),
    EDDA_FIELD(Cart, totalPrice),
};
static const struct edda_type Cart = EDDA_VALUE(Cart);

EDDA_ROW(cart_row, Cart, cart);
static bool cart_row(struct Cart *row, struct edda_text key, const struct cart *c)
{
    *row = (struct Cart){ edda_text_int(key), c->clientId, edda_text_of(c->status == CART_CONFIRMED ? "CONFIRMED" : "OPEN"), c->items,
                          cart_total(c) };
    return c->status != CART_NONE;
}

static const struct edda_view carts = EDDA_VIEW("carts", Cart, cart_row, .path = "/carts", .item = "/carts/{cartId}");

/* --- decisions ------------------------------------------------------------------------------------------ */

EDDA_HANDLER(open, OpenCart, cart);
static int open(struct edda_step *step, const struct OpenCart *c, const struct cart *is)
{
    if (is->status != CART_NONE)
        return edda_fail(step, EDDA_EEXISTS, "cartId", "cart %lld exists", (long long)c->cartId);
    return edda_emit(step, ShoppingCartOpened, .cartId = c->cartId, .clientId = c->clientId);
}

static int not_open(struct edda_step *step, int64_t id, const struct cart *is)
{
    if (is->status == CART_NONE)
        return edda_fail(step, EDDA_ENOTFOUND, "cartId", "there is no cart %lld", (long long)id);
    return edda_reject(step, "cartId", "cart %lld is confirmed", (long long)id);
}

EDDA_HANDLER(add, AddProduct, cart);
static int add(struct edda_step *step, const struct AddProduct *c, const struct cart *is)
{
    const struct ProductItem *item = edda_list_find(&is->items, sizeof *item, c->productId);
    if (is->status != CART_OPEN)
        return not_open(step, c->cartId, is);
    if (!item && is->items.count == PRODUCTS_MAX)
        return edda_reject(step, "productId", "a cart holds at most %d products", PRODUCTS_MAX);
    if (item && item->quantity + c->quantity > QUANTITY_MAX)
        return edda_reject(step, "quantity", "a cart holds at most %d of a product", QUANTITY_MAX);
    return edda_emit(step, ProductAdded, .cartId = c->cartId, .productId = c->productId, .quantity = c->quantity, .unitPrice = c->unitPrice);
}

EDDA_HANDLER(take_out, RemoveProduct, cart);
static int take_out(struct edda_step *step, const struct RemoveProduct *c, const struct cart *is)
{
    const struct ProductItem *item = edda_list_find(&is->items, sizeof *item, c->productId);
    if (is->status != CART_OPEN)
        return not_open(step, c->cartId, is);
    if (!item || item->quantity < c->quantity)
        return edda_reject(step, item ? "quantity" : "productId", "cart %lld holds %lld of product %lld", (long long)c->cartId,
                           item ? (long long)item->quantity : 0LL, (long long)c->productId);
    return edda_emit(step, ProductRemoved, .cartId = c->cartId, .productId = c->productId,
                     .quantity = c->quantity ? c->quantity : item->quantity);
}

EDDA_HANDLER(confirm, ConfirmCart, cart);
static int confirm(struct edda_step *step, const struct ConfirmCart *c, const struct cart *is)
{
    if (is->status != CART_OPEN)
        return not_open(step, c->cartId, is);
    if (is->items.count == 0)
        return edda_reject(step, "cartId", "cart %lld is empty", (long long)c->cartId);
    return edda_emit(step, ShoppingCartConfirmed, .cartId = c->cartId, .confirmedAt = edda_now_ms(step));
}

/* --- HTTP ----------------------------------------------------------------------------------------------- */

/* What a product costs is not the client's to say. */
struct Wanted { int64_t cartId; int64_t productId; int64_t quantity; };
static const struct edda_field Wanted_fields[] = {
    EDDA_FIELD(Wanted, cartId), EDDA_FIELD(Wanted, productId), EDDA_FIELD(Wanted, quantity, .min = 1, .max = QUANTITY_MAX) };
static const struct edda_type Wanted = EDDA_VALUE(Wanted);

EDDA_REQUEST(post_product, Wanted);
static int post_product(struct edda_request *request, const struct Wanted *w)
{
    const struct Price *price = edda_state(request, &price_service, edda_parameter(request, "productId"));
    if (!price)
        return edda_fail_field(edda_request_error(request), EDDA_ENOTFOUND, "productId", "product %lld has no price", (long long)w->productId);
    return edda_call(request, AddProduct, .cartId = w->cartId, .productId = w->productId, .quantity = w->quantity,
                     .unitPrice = price->unitPrice);
}

const struct edda_service cart_service = {
    .name = "cart",
    .description = "What clients put together and confirm.",
    .entity = EDDA_ENTITY(cart, CARTS),
    .evolve = cart_events,
    .on = (const struct edda_row[]){
        EDDA_ON(OpenCart, open, cartId),
        EDDA_ON(AddProduct, add, cartId),
        EDDA_ON(RemoveProduct, take_out, cartId),
        EDDA_ON(ConfirmCart, confirm, cartId),
        EDDA_END },
    .view = &carts,
    .routes = (const struct edda_route[]){
        EDDA_ROUTE("POST", "/carts", OpenCart, .sequence = "carts", .reply = &Cart, .location = "/carts/{cartId}", .description = "Opens a cart"),
        EDDA_POST("/carts/{cartId}/products/{productId}", Wanted, post_product, .reply = &Cart, .description = "Adds some of a product"),
        EDDA_ROUTE("DELETE", "/carts/{cartId}/products/{productId}", RemoveProduct, .reply = &Cart,
                   .description = "Takes a product out again; with ?quantity= only so many"),
        EDDA_ROUTE("POST", "/carts/{cartId}/confirm", ConfirmCart, .reply = &Cart, .description = "Orders what is in the cart"),
        EDDA_ROUTES_END },
};
