/* The tables behind messages.h. */
#include "messages.h"

#define NAME .len_min = 1, .len_max = 64
#define CENTS .min = 1, .max = 1e12, .description = "In cents"
#define ON_STAY .topic = "guest-stays", .correlation = "guestStayAccountId"
#define ON_GROUP .topic = GROUP_TOPIC, .correlation = "groupCheckoutId"

/* --- a stay ---------------------------------------------------------------------------------------------- */

static const struct edda_field GuestCheckedIn_fields[] = {
    EDDA_FIELD(GuestCheckedIn, guestStayAccountId),
    EDDA_FIELD(GuestCheckedIn, guest),
    EDDA_FIELD(GuestCheckedIn, room),
};
const struct edda_type GuestCheckedIn = EDDA_EVENT(GuestCheckedIn, guestStayAccountId, ON_STAY);

static const struct edda_field ChargeRecorded_fields[] = {
    EDDA_FIELD(ChargeRecorded, guestStayAccountId), EDDA_FIELD(ChargeRecorded, amount) };
const struct edda_type ChargeRecorded = EDDA_EVENT(ChargeRecorded, guestStayAccountId, ON_STAY);

static const struct edda_field PaymentRecorded_fields[] = {
    EDDA_FIELD(PaymentRecorded, guestStayAccountId), EDDA_FIELD(PaymentRecorded, amount) };
const struct edda_type PaymentRecorded = EDDA_EVENT(PaymentRecorded, guestStayAccountId, ON_STAY);

static const struct edda_field GuestCheckedOut_fields[] = {
    EDDA_FIELD(GuestCheckedOut, guestStayAccountId), EDDA_FIELD(GuestCheckedOut, groupCheckoutId, .optional = true) };
const struct edda_type GuestCheckedOut = EDDA_EVENT(GuestCheckedOut, guestStayAccountId, ON_STAY);

static const struct edda_field GuestCheckoutFailed_fields[] = {
    EDDA_FIELD(GuestCheckoutFailed, guestStayAccountId),
    EDDA_FIELD(GuestCheckoutFailed, groupCheckoutId, .optional = true),
    EDDA_FIELD(GuestCheckoutFailed, reason),
};
const struct edda_type GuestCheckoutFailed = EDDA_EVENT(GuestCheckoutFailed, guestStayAccountId, ON_STAY);

#define TO_STAY .topic = "guest-stays.commands", .correlation = "guestStayAccountId"

static const struct edda_field CheckInGuest_fields[] = {
    EDDA_FIELD(CheckInGuest, guestStayAccountId),
    EDDA_FIELD(CheckInGuest, guest, NAME),
    EDDA_FIELD(CheckInGuest, room, .min = 1, .max = 99999, .description = "The lock of room 13 does not answer when its guest checks out"),
};
const struct edda_type CheckInGuest = EDDA_COMMAND(CheckInGuest, guestStayAccountId, TO_STAY);

static const struct edda_field RecordCharge_fields[] = {
    EDDA_FIELD(RecordCharge, guestStayAccountId), EDDA_FIELD(RecordCharge, amount, CENTS) };
const struct edda_type RecordCharge = EDDA_COMMAND(RecordCharge, guestStayAccountId, TO_STAY);

static const struct edda_field RecordPayment_fields[] = {
    EDDA_FIELD(RecordPayment, guestStayAccountId), EDDA_FIELD(RecordPayment, amount, CENTS) };
const struct edda_type RecordPayment = EDDA_COMMAND(RecordPayment, guestStayAccountId, TO_STAY);

static const struct edda_field CheckOutGuest_fields[] = {
    EDDA_FIELD(CheckOutGuest, guestStayAccountId), EDDA_FIELD(CheckOutGuest, groupCheckoutId, .optional = true) };
const struct edda_type CheckOutGuest = EDDA_COMMAND(CheckOutGuest, guestStayAccountId, TO_STAY);

/* --- a group --------------------------------------------------------------------------------------------- */

static const struct edda_field failure_fields[] = { EDDA_FIELD(failure, guestStayAccountId), EDDA_FIELD(failure, reason) };
const struct edda_type failure = EDDA_VALUE(failure);

static const struct edda_field GroupCheckoutInitiated_fields[] = {
    EDDA_FIELD(GroupCheckoutInitiated, groupCheckoutId),
    EDDA_FIELD(GroupCheckoutInitiated, clerkId),
    EDDA_FIELD_LIST(GroupCheckoutInitiated, guestStayAccountIds, EDDA_KIND_INT),
};
const struct edda_type GroupCheckoutInitiated = EDDA_EVENT(GroupCheckoutInitiated, groupCheckoutId, ON_GROUP);

static const struct edda_field GroupCheckoutCompleted_fields[] = { EDDA_FIELD(GroupCheckoutCompleted, groupCheckoutId) };
const struct edda_type GroupCheckoutCompleted = EDDA_EVENT(GroupCheckoutCompleted, groupCheckoutId, ON_GROUP);

static const struct edda_field GroupCheckoutFailed_fields[] = {
    EDDA_FIELD(GroupCheckoutFailed, groupCheckoutId), EDDA_FIELD_LIST_OF(GroupCheckoutFailed, failed, failure) };
const struct edda_type GroupCheckoutFailed = EDDA_EVENT(GroupCheckoutFailed, groupCheckoutId, ON_GROUP);

static const struct edda_field GuestCheckoutsInitiated_fields[] = { EDDA_FIELD(GuestCheckoutsInitiated, groupCheckoutId) };
const struct edda_type GuestCheckoutsInitiated = EDDA_EVENT(GuestCheckoutsInitiated, groupCheckoutId, ON_GROUP);

static const struct edda_field GuestCheckoutCompletionRecorded_fields[] = {
    EDDA_FIELD(GuestCheckoutCompletionRecorded, groupCheckoutId),
    EDDA_FIELD(GuestCheckoutCompletionRecorded, guestStayAccountId),
};
const struct edda_type GuestCheckoutCompletionRecorded = EDDA_EVENT(GuestCheckoutCompletionRecorded, groupCheckoutId, ON_GROUP);

static const struct edda_field GuestCheckoutFailureRecorded_fields[] = {
    EDDA_FIELD(GuestCheckoutFailureRecorded, groupCheckoutId),
    EDDA_FIELD(GuestCheckoutFailureRecorded, guestStayAccountId),
    EDDA_FIELD(GuestCheckoutFailureRecorded, reason),
};
const struct edda_type GuestCheckoutFailureRecorded = EDDA_EVENT(GuestCheckoutFailureRecorded, groupCheckoutId, ON_GROUP);

#define TO_GROUP .topic = "group-checkouts.commands"

static const struct edda_field InitiateGroupCheckout_fields[] = {
    EDDA_FIELD(InitiateGroupCheckout, groupCheckoutId, NAME, .description = "Given by the clerk; the same again runs the rest of a failed group"),
    EDDA_FIELD(InitiateGroupCheckout, clerkId, NAME),
    EDDA_FIELD_LIST(InitiateGroupCheckout, guestStayAccountIds, EDDA_KIND_INT, .optional = true, .len_max = GROUP_MAX,
                    .description = "May be left out when the group is run again"),
};
const struct edda_type InitiateGroupCheckout =
    EDDA_COMMAND(InitiateGroupCheckout, groupCheckoutId, TO_GROUP, .correlation = "groupCheckoutId");

/* --- of the saga alone ----------------------------------------------------------------------------------- */

static const struct edda_field RecordGuestCheckoutsInitiation_fields[] = { EDDA_FIELD(RecordGuestCheckoutsInitiation, groupCheckoutId) };
const struct edda_type RecordGuestCheckoutsInitiation = EDDA_COMMAND(RecordGuestCheckoutsInitiation, groupCheckoutId, TO_GROUP);

static const struct edda_field RecordGuestCheckoutCompletion_fields[] = {
    EDDA_FIELD(RecordGuestCheckoutCompletion, groupCheckoutId),
    EDDA_FIELD(RecordGuestCheckoutCompletion, guestStayAccountId),
};
const struct edda_type RecordGuestCheckoutCompletion = EDDA_COMMAND(RecordGuestCheckoutCompletion, groupCheckoutId, TO_GROUP);

static const struct edda_field RecordGuestCheckoutFailure_fields[] = {
    EDDA_FIELD(RecordGuestCheckoutFailure, groupCheckoutId),
    EDDA_FIELD(RecordGuestCheckoutFailure, guestStayAccountId),
    EDDA_FIELD(RecordGuestCheckoutFailure, reason),
};
const struct edda_type RecordGuestCheckoutFailure = EDDA_COMMAND(RecordGuestCheckoutFailure, groupCheckoutId, TO_GROUP);

/* --- of the process manager alone ------------------------------------------------------------------------ */

static const struct edda_field AccountsAsked_fields[] = {
    EDDA_FIELD(AccountsAsked, groupCheckoutId), EDDA_FIELD_LIST(AccountsAsked, guestStayAccountIds, EDDA_KIND_INT) };
const struct edda_type AccountsAsked = EDDA_EVENT(AccountsAsked, groupCheckoutId, .topic = PROCESS_TOPIC);

static const struct edda_field AccountAnswered_fields[] = {
    EDDA_FIELD(AccountAnswered, groupCheckoutId),
    EDDA_FIELD(AccountAnswered, guestStayAccountId),
    EDDA_FIELD(AccountAnswered, reason, .optional = true),
};
const struct edda_type AccountAnswered = EDDA_EVENT(AccountAnswered, groupCheckoutId, .topic = PROCESS_TOPIC);
