/*
 * The choreography. Nobody coordinates: the front desk, which belongs to the stays, hears that a group was initiated and checks its guests out; the group hears
 * that they have gone, or not, and ends when it has heard of all. Each service knows the other's events, and there is no third one that knows the way.
 */
#include "group.h"
#include "stay.h"

/* --- the front desk -------------------------------------------------------------------------------------- */

EDDA_SAGA(check_out_the_group, GroupCheckoutInitiated);
static int check_out_the_group(struct edda_step *step, const struct GroupCheckoutInitiated *e)
{
    const int64_t *ids = e->guestStayAccountIds.items;
    for (uint32_t i = 0; i < e->guestStayAccountIds.count; i++)
        edda_send(step, CheckOutGuest, .guestStayAccountId = ids[i], .groupCheckoutId = e->groupCheckoutId);
    return 0;
}

static const struct edda_service desk_service = {
    .name = "front-desk",
    .description = "Checks out the guests of groups.",
    .on = (const struct edda_row[]){ EDDA_ON(GroupCheckoutInitiated, check_out_the_group, groupCheckoutId), EDDA_END },
};

/* --- the group ------------------------------------------------------------------------------------------- */

EDDA_HANDLER(initiate, InitiateGroupCheckout, group);
static int initiate(struct edda_step *step, const struct InitiateGroupCheckout *c, const struct group *g)
{
    return group_initiate(step, c, g);
}

EDDA_HANDLER(hear_of_completion, GuestCheckedOut, group);
static int hear_of_completion(struct edda_step *step, const struct GuestCheckedOut *e, const struct group *g)
{
    return group_record(step, e->groupCheckoutId, g, e->guestStayAccountId, EDDA_TEXT(""));
}

EDDA_HANDLER(hear_of_failure, GuestCheckoutFailed, group);
static int hear_of_failure(struct edda_step *step, const struct GuestCheckoutFailed *e, const struct group *g)
{
    return group_record(step, e->groupCheckoutId, g, e->guestStayAccountId, e->reason);
}

const struct edda_service group_service = {
    .name = "group-checkout",
    .description = "Listens for the guests of a group, and ends when it has heard of all.",
    .entity = EDDA_ENTITY(group, GROUP_TOPIC),
    .evolve = group_evolve,
    .on = (const struct edda_row[]){
        EDDA_ON(InitiateGroupCheckout, initiate, groupCheckoutId),
        EDDA_ON(GuestCheckedOut, hear_of_completion, groupCheckoutId),
        EDDA_ON(GuestCheckoutFailed, hear_of_failure, groupCheckoutId),
        EDDA_END },
    .view = &group_view,
    .routes = group_routes,
};

const char hotel_name[] = "hotel-choreography";
const char hotel_summary[] = "Checks groups of guests out of a hotel: a choreography, services that react to each other's events.";
const struct edda_service *const hotel_services[] = { &stay_service, &group_service, &desk_service, NULL };
