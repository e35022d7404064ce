/* The tables behind payments.h and payment.h. A payment has the number of its order, and so belongs to its process. */
#include "payments/payment.h"

#define EVENT(name) const struct edda_type name = EDDA_EVENT(name, paymentId, .topic = "payments")
#define EXTERNAL(name) const struct edda_type name = EDDA_EVENT(name, paymentId, .topic = PAYMENTS_EXTERNAL)
#define COMMAND(name) const struct edda_type name = EDDA_COMMAND(name, paymentId, .topic = "payments.commands", .correlation = "paymentId")

static const struct edda_field RequestPayment_fields[] = {
    EDDA_FIELD(RequestPayment, paymentId), EDDA_FIELD(RequestPayment, orderId), EDDA_FIELD(RequestPayment, amount) };
COMMAND(RequestPayment);

static const struct edda_field DiscardPayment_fields[] = { EDDA_FIELD(DiscardPayment, paymentId) };
COMMAND(DiscardPayment);

static const struct edda_field PaymentFinalized_fields[] = {
    EDDA_FIELD(PaymentFinalized, paymentId),
    EDDA_FIELD(PaymentFinalized, orderId),
    EDDA_FIELD(PaymentFinalized, amount),
    EDDA_FIELD_TIME(PaymentFinalized, finalizedAt),
};
EXTERNAL(PaymentFinalized);

static const struct edda_field PaymentFailed_fields[] = {
    EDDA_FIELD(PaymentFailed, paymentId),
    EDDA_FIELD(PaymentFailed, orderId),
    EDDA_FIELD(PaymentFailed, reason),
    EDDA_FIELD_TIME(PaymentFailed, failedAt),
};
EXTERNAL(PaymentFailed);

static const struct edda_field PaymentRequested_fields[] = {
    EDDA_FIELD(PaymentRequested, paymentId), EDDA_FIELD(PaymentRequested, orderId), EDDA_FIELD(PaymentRequested, amount) };
EVENT(PaymentRequested);

static const struct edda_field PaymentCompleted_fields[] = { EDDA_FIELD(PaymentCompleted, paymentId) };
EVENT(PaymentCompleted);

static const struct edda_field PaymentRefused_fields[] = { EDDA_FIELD(PaymentRefused, paymentId) };
EVENT(PaymentRefused);

static const struct edda_field PaymentTimedOut_fields[] = { EDDA_FIELD(PaymentTimedOut, paymentId) };
EVENT(PaymentTimedOut);

static const struct edda_field PaymentDiscarded_fields[] = {
    EDDA_FIELD(PaymentDiscarded, paymentId), EDDA_FIELD(PaymentDiscarded, returned) };
EVENT(PaymentDiscarded);

static const struct edda_field CompletePayment_fields[] = { EDDA_FIELD(CompletePayment, paymentId, .min = 1) };
COMMAND(CompletePayment);

static const struct edda_field RefusePayment_fields[] = { EDDA_FIELD(RefusePayment, paymentId, .min = 1) };
COMMAND(RefusePayment);

static const struct edda_field TimeOutPayment_fields[] = { EDDA_FIELD(TimeOutPayment, paymentId) };
COMMAND(TimeOutPayment);
