/* stock: how much there is of each product. All that takes from one passes through here one after the other, so that nothing is sold twice. */
#include "shipments/shipment.h"

static const struct edda_field stock_fields[] = { EDDA_FIELD(stock, added), EDDA_FIELD(stock, available) };
const struct edda_type stock = EDDA_STATE(stock);

EDDA_EVOLVE(added, stock, StockAdded);
static void added(struct stock *s, const struct StockAdded *e)
{
    s->added += e->quantity;
    s->available += e->quantity;
}

EDDA_EVOLVE(taken, stock, StockTaken);
static void taken(struct stock *s, const struct StockTaken *e)
{
    s->available -= e->quantity;
}

EDDA_EVOLVE(returned, stock, StockReturned);
static void returned(struct stock *s, const struct StockReturned *e)
{
    s->available += e->quantity;
}

struct Stock { int64_t productId; int64_t added; int64_t available; };
static const struct edda_field Stock_fields[] = { EDDA_FIELD(Stock, productId), EDDA_FIELD(Stock, added), EDDA_FIELD(Stock, available) };
static const struct edda_type Stock = EDDA_VALUE(Stock);

EDDA_ROW(stock_row, Stock, stock);
static bool stock_row(struct Stock *row, struct edda_text key, const struct stock *s)
{
    *row = (struct Stock){ edda_text_int(key), s->added, s->available };
    return s->added > 0;
}

static const struct edda_view stocks = EDDA_VIEW("stock", Stock, stock_row, .path = "/stock", .item = "/stock/{productId}");

EDDA_HANDLER(add, AddStock, stock);
static int add(struct edda_step *step, const struct AddStock *c, const struct stock *s)
{
    (void)s;
    return edda_emit(step, StockAdded, .productId = c->productId, .quantity = c->quantity);
}

/* What is taken and the answer to the shipment are one step: there is never one without the other. */
EDDA_HANDLER(take, TakeStock, stock);
static int take(struct edda_step *step, const struct TakeStock *c, const struct stock *s)
{
    if (s->available < c->quantity)
        return edda_emit(step, ProductLacked, .orderId = c->orderId, .productId = c->productId);
    edda_emit(step, StockTaken, .productId = c->productId, .orderId = c->orderId, .quantity = c->quantity);
    return edda_emit(step, ProductPicked, .orderId = c->orderId, .productId = c->productId, .quantity = c->quantity);
}

EDDA_HANDLER(give_back, ReturnStock, stock);
static int give_back(struct edda_step *step, const struct ReturnStock *c, const struct stock *s)
{
    (void)s;
    return edda_emit(step, StockReturned, .productId = c->productId, .orderId = c->orderId, .quantity = c->quantity);
}

const struct edda_service stock_service = {
    .name = "stock",
    .description = "How much there is of each product.",
    .entity = EDDA_ENTITY(stock, STOCK),
    .evolve = (const struct edda_row[]){
        EDDA_WHEN(StockAdded, added),
        EDDA_WHEN(StockTaken, taken),
        EDDA_WHEN(StockReturned, returned),
        EDDA_END },
    .on = (const struct edda_row[]){
        EDDA_ON(AddStock, add, productId),
        EDDA_ON(TakeStock, take, productId),
        EDDA_ON(ReturnStock, give_back, productId),
        EDDA_END },
    .view = &stocks,
    .routes = (const struct edda_route[]){
        EDDA_ROUTE("POST", "/stock", AddStock, .reply = &Stock, .location = "/stock/{productId}",
                   .description = "Puts more of a product on the shelf"),
        EDDA_ROUTES_END },
};
