/* The inside of the payments module. No other module includes this. */
#ifndef SHOP_PAYMENT_H
#define SHOP_PAYMENT_H

#include "payments/payments.h"

#define PAYMENT_DEADLINE "payment"

struct PaymentRequested { int64_t paymentId; int64_t orderId; int64_t amount; };
struct PaymentCompleted { int64_t paymentId; };
struct PaymentRefused { int64_t paymentId; };
struct PaymentTimedOut { int64_t paymentId; };
struct PaymentDiscarded { int64_t paymentId; int64_t returned; };

/* What the bank tells, and the deadline. */
struct CompletePayment { int64_t paymentId; };
struct RefusePayment { int64_t paymentId; };
struct TimeOutPayment { int64_t paymentId; };

extern const struct edda_type PaymentRequested, PaymentCompleted, PaymentRefused, PaymentTimedOut, PaymentDiscarded, CompletePayment,
    RefusePayment, TimeOutPayment;

enum payment_status { PAYMENT_NONE, PAYMENT_REQUESTED, PAYMENT_COMPLETED, PAYMENT_REFUSED_BY_BANK, PAYMENT_LATE, PAYMENT_DISCARDED };
/* taken, returned: the sums of what was taken from the client, and given back. */
struct payment { int64_t orderId; int64_t amount; int64_t status; int64_t taken; int64_t returned; };
extern const struct edda_type payment;

#endif
