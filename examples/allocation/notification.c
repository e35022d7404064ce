/* notification: tells those who buy what is out of stock. Mails of one product go out in order; those of others do not wait for them. */
#include <stdio.h>

#include "messages.h"

EDDA_SAGA(notify, OutOfStock);
static int notify(struct edda_step *step, const struct OutOfStock *e)
{
    char text[700];
    int len = snprintf(text, sizeof text, "Out of stock for %.*s: order %.*s wants %lld", (int)e->sku.len, e->sku.data, (int)e->orderid.len,
                       e->orderid.data, (long long)e->qty);
    return edda_mail(step, &(const struct edda_mail){
        .to = EDDA_TEXT(STOCK_MAIL), .subject = EDDA_TEXT("Out of stock"), .text = { text, (size_t)len } });
}

const struct edda_service notification_service = {
    .name = "notification",
    .description = "Mails what is out of stock.",
    .on = (const struct edda_row[]){
        EDDA_ON(OutOfStock, notify, sku, .effect = &(const struct edda_effect){ .threads = 4 }),
        EDDA_END },
};
