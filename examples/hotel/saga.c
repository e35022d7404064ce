/*
 * The saga. It has no state: it turns an event into commands and forgets it. The group is an aggregate like the stay: it takes commands, keeps the answers in
 * its own stream, and knows by them when it ends. Neither has heard of the other; whoever wants to know how a group goes reads this file.
 */
#include "group.h"
#include "stay.h"

/* --- the saga -------------------------------------------------------------------------------------------- */

EDDA_SAGA(ask_the_accounts, GroupCheckoutInitiated);
static int ask_the_accounts(struct edda_step *step, const struct GroupCheckoutInitiated *e)
{
    const int64_t *ids = e->guestStayAccountIds.items;
    for (uint32_t i = 0; i < e->guestStayAccountIds.count; i++)
        edda_send(step, CheckOutGuest, .guestStayAccountId = ids[i], .groupCheckoutId = e->groupCheckoutId);
    return edda_send(step, RecordGuestCheckoutsInitiation, .groupCheckoutId = e->groupCheckoutId);
}

EDDA_SAGA(tell_of_completion, GuestCheckedOut);
static int tell_of_completion(struct edda_step *step, const struct GuestCheckedOut *e)
{
    return edda_send(step, RecordGuestCheckoutCompletion, .groupCheckoutId = e->groupCheckoutId, .guestStayAccountId = e->guestStayAccountId);
}

EDDA_SAGA(tell_of_failure, GuestCheckoutFailed);
static int tell_of_failure(struct edda_step *step, const struct GuestCheckoutFailed *e)
{
    return edda_send(step, RecordGuestCheckoutFailure, .groupCheckoutId = e->groupCheckoutId, .guestStayAccountId = e->guestStayAccountId,
                     .reason = e->reason);
}

static const struct edda_service saga_service = {
    .name = "saga",
    .description = "Asks the accounts of a group to check out, and tells the group what they answer.",
    .on = (const struct edda_row[]){
        EDDA_ON(GroupCheckoutInitiated, ask_the_accounts, groupCheckoutId),
        EDDA_ON(GuestCheckedOut, tell_of_completion, groupCheckoutId),
        EDDA_ON(GuestCheckoutFailed, tell_of_failure, groupCheckoutId),
        EDDA_END },
};

/* --- the group ------------------------------------------------------------------------------------------- */

EDDA_HANDLER(initiate, InitiateGroupCheckout, group);
static int initiate(struct edda_step *step, const struct InitiateGroupCheckout *c, const struct group *g)
{
    return group_initiate(step, c, g);
}

EDDA_HANDLER(record_initiation, RecordGuestCheckoutsInitiation, group);
static int record_initiation(struct edda_step *step, const struct RecordGuestCheckoutsInitiation *c, const struct group *g)
{
    if (g->status != GROUP_UNDER_WAY)
        return edda_skip(step, "all accounts have answered");
    return edda_emit(step, GuestCheckoutsInitiated, .groupCheckoutId = c->groupCheckoutId);
}

EDDA_HANDLER(record_completion, RecordGuestCheckoutCompletion, group);
static int record_completion(struct edda_step *step, const struct RecordGuestCheckoutCompletion *c, const struct group *g)
{
    return group_record(step, c->groupCheckoutId, g, c->guestStayAccountId, EDDA_TEXT(""));
}

EDDA_HANDLER(record_failure, RecordGuestCheckoutFailure, group);
static int record_failure(struct edda_step *step, const struct RecordGuestCheckoutFailure *c, const struct group *g)
{
    return group_record(step, c->groupCheckoutId, g, c->guestStayAccountId, c->reason);
}

const struct edda_service group_service = {
    .name = "group-checkout",
    .description = "Keeps what the accounts of a group have answered, and ends when all have.",
    .entity = EDDA_ENTITY(group, GROUP_TOPIC),
    .evolve = group_evolve,
    .on = (const struct edda_row[]){
        EDDA_ON(InitiateGroupCheckout, initiate, groupCheckoutId),
        EDDA_ON(RecordGuestCheckoutsInitiation, record_initiation, groupCheckoutId),
        EDDA_ON(RecordGuestCheckoutCompletion, record_completion, groupCheckoutId),
        EDDA_ON(RecordGuestCheckoutFailure, record_failure, groupCheckoutId),
        EDDA_END },
    .view = &group_view,
    .routes = group_routes,
};

const char hotel_name[] = "hotel-saga";
const char hotel_summary[] = "Checks groups of guests out of a hotel: a saga, with the state in the group.";
const struct edda_service *const hotel_services[] = { &stay_service, &group_service, &saga_service, NULL };
