/*
 * stay: the account of a guest's stay. It takes charges and payments while the guest is there, and lets the guest go when they add up to 0.
 *
 * There are two ways to say no, and both are here. A charge that comes too late is rejected: its caller waits for the answer, and nothing is recorded. A
 * check-out that fails is recorded as an event: whoever asked in the name of a group does not wait, and a group that is never answered never ends.
 */
#include "stay.h"

static const struct edda_field stay_fields[] = {
    EDDA_FIELD(stay, guest),    EDDA_FIELD(stay, room),      EDDA_FIELD(stay, status),          EDDA_FIELD(stay, charges),
    EDDA_FIELD(stay, payments), EDDA_FIELD(stay, checkOuts), EDDA_FIELD(stay, groupCheckoutId),
};
static const struct edda_type stay = EDDA_STATE(stay);

/* --- what has happened to it ----------------------------------------------------------------------------- */

EDDA_EVOLVE(checked_in, stay, GuestCheckedIn);
static void checked_in(struct stay *s, const struct GuestCheckedIn *e)
{
    *s = (struct stay){ .guest = e->guest, .room = e->room, .status = STAY_OPEN };
}

EDDA_EVOLVE(charged, stay, ChargeRecorded);
static void charged(struct stay *s, const struct ChargeRecorded *e)
{
    s->charges += e->amount;
}

EDDA_EVOLVE(paid, stay, PaymentRecorded);
static void paid(struct stay *s, const struct PaymentRecorded *e)
{
    s->payments += e->amount;
}

EDDA_EVOLVE(checked_out, stay, GuestCheckedOut);
static void checked_out(struct stay *s, const struct GuestCheckedOut *e)
{
    s->status = STAY_CHECKED_OUT;
    s->groupCheckoutId = e->groupCheckoutId;
    s->checkOuts++;
}

/* --- how it looks to the outside ------------------------------------------------------------------------- */

struct GuestStay {
    int64_t guestStayAccountId;
    struct edda_text guest;
    int64_t room;
    struct edda_text status;
    int64_t charges, payments, balance;
    struct edda_text groupCheckoutId;
};
static const struct edda_field GuestStay_fields[] = {
    EDDA_FIELD(GuestStay, guestStayAccountId), EDDA_FIELD(GuestStay, guest),   EDDA_FIELD(GuestStay, room),
    EDDA_FIELD(GuestStay, status),             EDDA_FIELD(GuestStay, charges), EDDA_FIELD(GuestStay, payments),
    EDDA_FIELD(GuestStay, balance),            EDDA_FIELD(GuestStay, groupCheckoutId, .optional = true),
};
static const struct edda_type GuestStay = EDDA_VALUE(GuestStay);

EDDA_ROW(stay_row, GuestStay, stay);
static bool stay_row(struct GuestStay *row, struct edda_text key, const struct stay *s)
{
    *row = (struct GuestStay){ edda_text_int(key), s->guest, s->room, edda_text_of(s->status == STAY_OPEN ? "open" : "checked out"),
                               s->charges, s->payments, s->charges - s->payments, s->groupCheckoutId };
    return s->status != STAY_NONE;
}

static const struct edda_view stays =
    EDDA_VIEW("guestStays", GuestStay, stay_row, .path = "/guest-stays", .item = "/guest-stays/{guestStayAccountId}");

static const struct edda_field CheckOut_fields[] = {
    EDDA_FIELD(CheckOut, guestStayAccountId), EDDA_FIELD(CheckOut, checkedOut), EDDA_FIELD(CheckOut, reason, .optional = true) };
const struct edda_type CheckOut = EDDA_VALUE(CheckOut);

/* --- decisions ------------------------------------------------------------------------------------------- */

EDDA_HANDLER(check_in, CheckInGuest, stay);
static int check_in(struct edda_step *step, const struct CheckInGuest *c, const struct stay *s)
{
    if (s->status != STAY_NONE)
        return edda_fail(step, EDDA_EEXISTS, "guestStayAccountId", "guest stay %lld exists", (long long)c->guestStayAccountId);
    return edda_emit(step, GuestCheckedIn, .guestStayAccountId = c->guestStayAccountId, .guest = c->guest, .room = c->room);
}

static int unknown(struct edda_step *step)
{
    struct edda_text id = edda_entity_key(step);
    return edda_fail(step, EDDA_ENOTFOUND, "guestStayAccountId", "there is no guest stay %.*s", (int)id.len, id.data);
}

static int fail_unless_open(struct edda_step *step, const struct stay *s)
{
    if (s->status == STAY_NONE)
        return unknown(step);
    return s->status == STAY_OPEN ? 0 : edda_reject(step, NULL, "the guest has checked out already");
}

EDDA_HANDLER(charge, RecordCharge, stay);
static int charge(struct edda_step *step, const struct RecordCharge *c, const struct stay *s)
{
    int rc = fail_unless_open(step, s);
    return rc < 0 ? rc : edda_emit(step, ChargeRecorded, .guestStayAccountId = c->guestStayAccountId, .amount = c->amount);
}

EDDA_HANDLER(pay, RecordPayment, stay);
static int pay(struct edda_step *step, const struct RecordPayment *c, const struct stay *s)
{
    int rc = fail_unless_open(step, s);
    return rc < 0 ? rc : edda_emit(step, PaymentRecorded, .guestStayAccountId = c->guestStayAccountId, .amount = c->amount);
}

/* Why the guest cannot go; empty when nothing is in the way. */
static struct edda_text obstacle(const struct stay *s)
{
    if (s->status == STAY_NONE)
        return NO_SUCH_ACCOUNT;
    if (s->status == STAY_CHECKED_OUT)
        return GONE_ALREADY;
    return s->charges == s->payments ? EDDA_TEXT("") : NOT_SETTLED;
}

/*
 * What fails without a rule saying so (here a lock that does not answer) is for whoever is at the desk an error to be tried again. In a group
 * nobody is at the desk: the step is tried some times, and the last time the failure is caught, and recorded like any other.
 */
EDDA_HANDLER(check_out, CheckOutGuest, stay);
static int check_out(struct edda_step *step, const struct CheckOutGuest *c, const struct stay *s)
{
    struct edda_text reason = obstacle(s);
    if (s->status == STAY_NONE && !c->groupCheckoutId.len)
        return unknown(step);
    if (!reason.len && s->room == ROOM_WITH_SILENT_LOCK) {
        reason = LOCK_IS_SILENT;
        if (!c->groupCheckoutId.len || edda_message(step)->attempt + 1 < CHECK_OUT_TRIES)
            return edda_fail(step, EDDA_ETIMEOUT, NULL, "%.*s", (int)reason.len, reason.data);
    }
    if (reason.len)
        edda_emit(step, GuestCheckoutFailed, .guestStayAccountId = c->guestStayAccountId, .groupCheckoutId = c->groupCheckoutId,
                  .reason = reason);
    else
        edda_emit(step, GuestCheckedOut, .guestStayAccountId = c->guestStayAccountId, .groupCheckoutId = c->groupCheckoutId);
    return edda_reply(step, CheckOut, .guestStayAccountId = c->guestStayAccountId, .checkedOut = !reason.len, .reason = reason);
}

/* --- HTTP ------------------------------------------------------------------------------------------------ */

/* At the desk nobody but a guest checks out: which group asks is for the group to say. */
struct Leave { int64_t guestStayAccountId; };
static const struct edda_field Leave_fields[] = { EDDA_FIELD(Leave, guestStayAccountId) };
static const struct edda_type Leave = EDDA_VALUE(Leave);

EDDA_REQUEST(post_check_out, Leave);
static int post_check_out(struct edda_request *request, const struct Leave *guest)
{
    return edda_call(request, CheckOutGuest, .guestStayAccountId = guest->guestStayAccountId);
}

const struct edda_service stay_service = {
    .name = "guest-stay",
    .description = "Keeps the accounts of guests, and checks them out when they are settled.",
    .entity = EDDA_ENTITY(stay, "guest-stays"),
    .evolve = (const struct edda_row[]){
        EDDA_WHEN(GuestCheckedIn, checked_in),
        EDDA_WHEN(ChargeRecorded, charged),
        EDDA_WHEN(PaymentRecorded, paid),
        EDDA_WHEN(GuestCheckedOut, checked_out),
        EDDA_END },
    .on = (const struct edda_row[]){
        EDDA_ON(CheckInGuest, check_in, guestStayAccountId),
        EDDA_ON(RecordCharge, charge, guestStayAccountId),
        EDDA_ON(RecordPayment, pay, guestStayAccountId),
        EDDA_ON(CheckOutGuest, check_out, guestStayAccountId, .retry = { .immediate = CHECK_OUT_TRIES - 1 }),
        EDDA_END },
    .view = &stays,
    .routes = (const struct edda_route[]){
        EDDA_ROUTE("POST", "/guest-stays", CheckInGuest, .sequence = "guest-stays", .reply = &GuestStay,
                   .location = "/guest-stays/{guestStayAccountId}", .description = "Checks a guest in"),
        EDDA_ROUTE("POST", "/guest-stays/{guestStayAccountId}/charges", RecordCharge, .reply = &GuestStay, .description = "Charges an account"),
        EDDA_ROUTE("POST", "/guest-stays/{guestStayAccountId}/payments", RecordPayment, .reply = &GuestStay, .description = "Pays to an account"),
        EDDA_POST("/guest-stays/{guestStayAccountId}/check-out", Leave, post_check_out, .reply = &CheckOut,
                  .description = "Checks a guest out whose account is settled; else the failure is recorded, and said"),
        EDDA_ROUTES_END },
};
