/*
 * payment: asks a client for money, and takes it once. All that can happen to a payment, its completion by the bank, its refusal, its deadline
 * and its being discarded, passes through here one after the other: whoever comes first decides, and the rest finds it decided.
 */
#include "payments/payment.h"

#include "shop.h"

int64_t payment_deadline_ms = INT64_C(15) * 60 * 1000;

static const struct edda_field payment_fields[] = {
    EDDA_FIELD(payment, orderId), EDDA_FIELD(payment, amount),   EDDA_FIELD(payment, status),
    EDDA_FIELD(payment, taken),   EDDA_FIELD(payment, returned),
};
const struct edda_type payment = EDDA_STATE(payment);

static const char *const status_words[] = { "unknown", "REQUESTED", "COMPLETED", "REFUSED", "TIMED OUT", "DISCARDED" };

/* --- what has happened to a payment --------------------------------------------------------------------- */

EDDA_EVOLVE(requested, payment, PaymentRequested);
static void requested(struct payment *p, const struct PaymentRequested *e)
{
    *p = (struct payment){ .orderId = e->orderId, .amount = e->amount, .status = PAYMENT_REQUESTED };
}

EDDA_EVOLVE(completed, payment, PaymentCompleted);
static void completed(struct payment *p, const struct PaymentCompleted *e)
{
    (void)e;
    p->status = PAYMENT_COMPLETED;
    p->taken += p->amount;
}

EDDA_EVOLVE_SET(refused, payment, PaymentRefused, status, PAYMENT_REFUSED_BY_BANK);
EDDA_EVOLVE_SET(timed_out, payment, PaymentTimedOut, status, PAYMENT_LATE);

EDDA_EVOLVE(discarded, payment, PaymentDiscarded);
static void discarded(struct payment *p, const struct PaymentDiscarded *e)
{
    p->status = PAYMENT_DISCARDED;
    p->returned += e->returned;
}

/* --- how a payment looks to the outside ----------------------------------------------------------------- */

struct Payment { int64_t paymentId; int64_t orderId; int64_t amount; struct edda_text status; int64_t taken; int64_t returned; };
static const struct edda_field Payment_fields[] = {
    EDDA_FIELD(Payment, paymentId), EDDA_FIELD(Payment, orderId), EDDA_FIELD(Payment, amount),
    EDDA_FIELD(Payment, status),    EDDA_FIELD(Payment, taken),   EDDA_FIELD(Payment, returned),
};
static const struct edda_type Payment = EDDA_VALUE(Payment);

EDDA_ROW(payment_row, Payment, payment);
static bool payment_row(struct Payment *row, struct edda_text key, const struct payment *p)
{
    *row = (struct Payment){ edda_text_int(key), p->orderId, p->amount, edda_text_of(status_words[p->status]), p->taken, p->returned };
    return p->status != PAYMENT_NONE;
}

static const struct edda_view payments = EDDA_VIEW("payments", Payment, payment_row, .path = "/payments", .item = "/payments/{paymentId}");

/* --- decisions ------------------------------------------------------------------------------------------ */

static int reject(struct edda_step *step, const struct payment *p)
{
    struct edda_text id = edda_entity_key(step);
    if (p->status == PAYMENT_NONE)
        return edda_fail(step, EDDA_ENOTFOUND, "paymentId", "there is no payment %.*s", (int)id.len, id.data);
    return edda_reject(step, "paymentId", "payment %.*s is %s", (int)id.len, id.data, status_words[p->status]);
}

EDDA_HANDLER(request, RequestPayment, payment);
static int request(struct edda_step *step, const struct RequestPayment *c, const struct payment *p)
{
    if (p->status != PAYMENT_NONE)
        return reject(step, p);
    edda_deadline_set(step, PAYMENT_DEADLINE, edda_now_ms(step) + payment_deadline_ms, TimeOutPayment, .paymentId = c->paymentId);
    return edda_emit(step, PaymentRequested, .paymentId = c->paymentId, .orderId = c->orderId, .amount = c->amount);
}

EDDA_HANDLER(complete, CompletePayment, payment);
static int complete(struct edda_step *step, const struct CompletePayment *c, const struct payment *p)
{
    if (p->status == PAYMENT_COMPLETED)
        return edda_skip(step, "completed already");
    if (p->status != PAYMENT_REQUESTED)
        return reject(step, p);
    edda_deadline_cancel(step, PAYMENT_DEADLINE);
    edda_emit(step, PaymentCompleted, .paymentId = c->paymentId);
    return edda_emit(step, PaymentFinalized, .paymentId = c->paymentId, .orderId = p->orderId, .amount = p->amount,
                     .finalizedAt = edda_now_ms(step));
}

static int fail(struct edda_step *step, int64_t id, const struct payment *p, const char *reason)
{
    return edda_emit(step, PaymentFailed, .paymentId = id, .orderId = p->orderId, .reason = edda_text_of(reason), .failedAt = edda_now_ms(step));
}

EDDA_HANDLER(refuse, RefusePayment, payment);
static int refuse(struct edda_step *step, const struct RefusePayment *c, const struct payment *p)
{
    if (p->status == PAYMENT_REFUSED_BY_BANK)
        return edda_skip(step, "refused already");
    if (p->status != PAYMENT_REQUESTED)
        return reject(step, p);
    edda_deadline_cancel(step, PAYMENT_DEADLINE);
    edda_emit(step, PaymentRefused, .paymentId = c->paymentId);
    return fail(step, c->paymentId, p, PAYMENT_REFUSED);
}

EDDA_HANDLER(time_out, TimeOutPayment, payment);
static int time_out(struct edda_step *step, const struct TimeOutPayment *c, const struct payment *p)
{
    if (p->status != PAYMENT_REQUESTED)
        return reject(step, p);
    edda_emit(step, PaymentTimedOut, .paymentId = c->paymentId);
    return fail(step, c->paymentId, p, PAYMENT_TIMED_OUT);
}

/* Only the payment itself knows what was taken, so it is asked whatever the order believes; and gives back once. */
EDDA_HANDLER(discard, DiscardPayment, payment);
static int discard(struct edda_step *step, const struct DiscardPayment *c, const struct payment *p)
{
    if (p->status != PAYMENT_REQUESTED && p->status != PAYMENT_COMPLETED)
        return reject(step, p);
    edda_deadline_cancel(step, PAYMENT_DEADLINE);
    return edda_emit(step, PaymentDiscarded, .paymentId = c->paymentId, .returned = p->taken - p->returned);
}

const struct edda_service payment_service = {
    .name = "payment",
    .description = "Asks clients for money, takes it once, and gives it back once.",
    .entity = EDDA_ENTITY(payment, "payments"),
    .evolve = (const struct edda_row[]){
        EDDA_WHEN(PaymentRequested, requested),
        EDDA_WHEN(PaymentCompleted, completed),
        EDDA_WHEN(PaymentRefused, refused),
        EDDA_WHEN(PaymentTimedOut, timed_out),
        EDDA_WHEN(PaymentDiscarded, discarded),
        EDDA_END },
    .on = (const struct edda_row[]){
        EDDA_ON(RequestPayment, request, paymentId),
        EDDA_ON(CompletePayment, complete, paymentId),
        EDDA_ON(RefusePayment, refuse, paymentId),
        EDDA_ON(TimeOutPayment, time_out, paymentId),
        EDDA_ON(DiscardPayment, discard, paymentId),
        EDDA_END },
    .view = &payments,
    .routes = (const struct edda_route[]){
        EDDA_ROUTE("POST", "/payments/{paymentId}/complete", CompletePayment, .reply = &Payment, .description = "The bank has the money"),
        EDDA_ROUTE("POST", "/payments/{paymentId}/refuse", RefusePayment, .reply = &Payment, .description = "The bank gives no money"),
        EDDA_ROUTES_END },
};
