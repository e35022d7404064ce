/*
 * The messages of the hotel: what each looks like in C and in JSON. A guest's stay is an account that charges and payments go to. A group check-out
 * asks many accounts to check out, and ends when each of them has answered. Money is in whole cents, so that a settled balance is exactly 0.
 */
#ifndef HOTEL_MESSAGES_H
#define HOTEL_MESSAGES_H

#include "edda/edda.h"

/* hotel-naive is the saga built with NAIVE=1: it counts the answers and does not look whose they are. The simulator finds what comes of it. */
#ifndef NAIVE
#define NAIVE 0
#endif

/* The account of a stay. groupCheckoutId is empty when the guest checks out on his own. */
struct GuestCheckedIn { int64_t guestStayAccountId; struct edda_text guest; int64_t room; };
struct ChargeRecorded { int64_t guestStayAccountId; int64_t amount; };
struct PaymentRecorded { int64_t guestStayAccountId; int64_t amount; };
struct GuestCheckedOut { int64_t guestStayAccountId; struct edda_text groupCheckoutId; };
struct GuestCheckoutFailed { int64_t guestStayAccountId; struct edda_text groupCheckoutId; struct edda_text reason; };

/* The group. The accounts of an initiation are those that are asked now: when a group is run again, the rest. */
struct failure { int64_t guestStayAccountId; struct edda_text reason; };
struct GroupCheckoutInitiated { struct edda_text groupCheckoutId, clerkId; struct edda_list guestStayAccountIds; };
struct GroupCheckoutCompleted { struct edda_text groupCheckoutId; };
struct GroupCheckoutFailed { struct edda_text groupCheckoutId; struct edda_list failed; /* failure */ };
/* What the group has been told of its accounts, where the group keeps that itself: in the saga and in the choreography. */
struct GuestCheckoutsInitiated { struct edda_text groupCheckoutId; };
struct GuestCheckoutCompletionRecorded { struct edda_text groupCheckoutId; int64_t guestStayAccountId; };
struct GuestCheckoutFailureRecorded { struct edda_text groupCheckoutId; int64_t guestStayAccountId; struct edda_text reason; };

/* Commands, each to one service. */
struct CheckInGuest { int64_t guestStayAccountId; struct edda_text guest; int64_t room; };
struct RecordCharge { int64_t guestStayAccountId; int64_t amount; };
struct RecordPayment { int64_t guestStayAccountId; int64_t amount; };
struct CheckOutGuest { int64_t guestStayAccountId; struct edda_text groupCheckoutId; };
struct InitiateGroupCheckout { struct edda_text groupCheckoutId, clerkId; struct edda_list guestStayAccountIds; };

/* Of the saga alone: what it tells the group. */
struct RecordGuestCheckoutsInitiation { struct edda_text groupCheckoutId; };
struct RecordGuestCheckoutCompletion { struct edda_text groupCheckoutId; int64_t guestStayAccountId; };
struct RecordGuestCheckoutFailure { struct edda_text groupCheckoutId; int64_t guestStayAccountId; struct edda_text reason; };

/* Of the process manager alone: what it remembers. */
struct AccountsAsked { struct edda_text groupCheckoutId; struct edda_list guestStayAccountIds; };
struct AccountAnswered { struct edda_text groupCheckoutId; int64_t guestStayAccountId; struct edda_text reason; };

extern const struct edda_type GuestCheckedIn, ChargeRecorded, PaymentRecorded, GuestCheckedOut, GuestCheckoutFailed, failure,
    GroupCheckoutInitiated, GroupCheckoutCompleted, GroupCheckoutFailed, GuestCheckoutsInitiated, GuestCheckoutCompletionRecorded,
    GuestCheckoutFailureRecorded, CheckInGuest, RecordCharge, RecordPayment, CheckOutGuest, InitiateGroupCheckout, RecordGuestCheckoutsInitiation,
    RecordGuestCheckoutCompletion, RecordGuestCheckoutFailure, AccountsAsked, AccountAnswered;

/* Why an account does not check out. */
#define NO_SUCH_ACCOUNT EDDA_TEXT("there is no such account")
#define NOT_SETTLED EDDA_TEXT("the balance is not settled")
#define GONE_ALREADY EDDA_TEXT("the guest has checked out already")
#define LOCK_IS_SILENT EDDA_TEXT("the lock of the room does not answer")

/* Most accounts of a group: so many failures with their reasons fit one record. */
#define GROUP_MAX 10000
#define GROUP_TOPIC "group-checkouts"
#define PROCESS_TOPIC "group-checkout-processes"

#endif
