/* payments: what other modules may know of it: two commands, and its external events. */
#ifndef SHOP_PAYMENTS_H
#define SHOP_PAYMENTS_H

#include "edda/edda.h"

#define PAYMENTS_EXTERNAL "payments__external-events"
/* Why a payment has failed. */
#define PAYMENT_REFUSED "PaymentRefused"
#define PAYMENT_TIMED_OUT "PaymentTimedOut"

struct RequestPayment { int64_t paymentId; int64_t orderId; int64_t amount; };
struct DiscardPayment { int64_t paymentId; }; /* closes it; what was paid is given back */

struct PaymentFinalized { int64_t paymentId; int64_t orderId; int64_t amount; int64_t finalizedAt; };
struct PaymentFailed { int64_t paymentId; int64_t orderId; struct edda_text reason; int64_t failedAt; };

extern const struct edda_type RequestPayment, DiscardPayment, PaymentFinalized, PaymentFailed;
extern const struct edda_service payment_service;

#endif
