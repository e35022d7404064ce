/* transaction: lists the points used per order, as long as the use stands. It decides nothing. */
#include "messages.h"

struct transaction { struct edda_text userId; double pointUsed; bool stands; };
static const struct edda_field transaction_fields[] = {
    EDDA_FIELD(transaction, userId), EDDA_FIELD(transaction, pointUsed), EDDA_FIELD(transaction, stands) };
static const struct edda_type transaction = EDDA_STATE(transaction);

EDDA_EVOLVE(asked_for, transaction, ExchangeSucceed);
static void asked_for(struct transaction *t, const struct ExchangeSucceed *e)
{
    t->userId = e->userId;
    t->pointUsed = e->point;
}

EDDA_EVOLVE_SET(used, transaction, PointUsed, stands, true);
EDDA_EVOLVE_SET(compensated, transaction, PointUseCompensated, stands, false);

struct Transaction { int64_t orderId; struct edda_text userId; double pointUsed; };
static const struct edda_field Transaction_fields[] = {
    EDDA_FIELD(Transaction, orderId), EDDA_FIELD(Transaction, userId), EDDA_FIELD(Transaction, pointUsed) };
static const struct edda_type Transaction = EDDA_VALUE(Transaction);

EDDA_ROW(transaction_row, Transaction, transaction);
static bool transaction_row(struct Transaction *row, struct edda_text key, const struct transaction *t)
{
    *row = (struct Transaction){ edda_text_int(key), t->userId, t->pointUsed };
    return t->stands;
}

static const struct edda_view transactions =
    EDDA_VIEW("transactions", Transaction, transaction_row, .path = "/transactions", .item = "/transactions/{orderId}");

const struct edda_service transaction_service = {
    .name = "transaction",
    .description = "Lists the points used per order.",
    .entity = EDDA_ENTITY(transaction, TOPIC),
    .evolve = (const struct edda_row[]){
        EDDA_WHEN(ExchangeSucceed, asked_for),
        EDDA_WHEN(PointUsed, used),
        EDDA_WHEN(PointUseCompensated, compensated),
        EDDA_END },
    .view = &transactions,
};
