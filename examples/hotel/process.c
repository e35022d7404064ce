/*
 * The process manager. It has the state: which accounts were asked, and which have answered, kept as a stream of its own. It ends the group. The group only
 * knows how it began and how it ended; the stay has not heard of either.
 */
#include "group.h"
#include "stay.h"

/* --- the process ----------------------------------------------------------------------------------------- */

EDDA_EVOLVE(asked, progress, AccountsAsked);
static void asked(struct progress *p, const struct AccountsAsked *e)
{
    progress_begin(p, &e->guestStayAccountIds);
}

EDDA_EVOLVE(answered, progress, AccountAnswered);
static void answered(struct progress *p, const struct AccountAnswered *e)
{
    progress_answered(p, e->guestStayAccountId, e->reason);
}

EDDA_HANDLER(ask_the_accounts, GroupCheckoutInitiated, progress);
static int ask_the_accounts(struct edda_step *step, const struct GroupCheckoutInitiated *e, const struct progress *p)
{
    (void)p;
    const int64_t *ids = e->guestStayAccountIds.items;
    edda_emit(step, AccountsAsked, .groupCheckoutId = e->groupCheckoutId, .guestStayAccountIds = e->guestStayAccountIds);
    for (uint32_t i = 0; i < e->guestStayAccountIds.count; i++)
        edda_send(step, CheckOutGuest, .guestStayAccountId = ids[i], .groupCheckoutId = e->groupCheckoutId);
    return 0;
}

static int note(struct edda_step *step, struct edda_text group_id, const struct progress *p, int64_t account_id, struct edda_text reason)
{
    if (!progress_waits_for(step, p, account_id))
        return 0;
    edda_emit(step, AccountAnswered, .groupCheckoutId = group_id, .guestStayAccountId = account_id, .reason = reason);
    return progress_end(step, group_id, p, account_id, reason);
}

EDDA_HANDLER(note_completion, GuestCheckedOut, progress);
static int note_completion(struct edda_step *step, const struct GuestCheckedOut *e, const struct progress *p)
{
    return note(step, e->groupCheckoutId, p, e->guestStayAccountId, EDDA_TEXT(""));
}

EDDA_HANDLER(note_failure, GuestCheckoutFailed, progress);
static int note_failure(struct edda_step *step, const struct GuestCheckoutFailed *e, const struct progress *p)
{
    return note(step, e->groupCheckoutId, p, e->guestStayAccountId, group_reason(e->reason));
}

static const struct edda_service process_service = {
    .name = "process",
    .description = "Asks the accounts of a group to check out, and ends the group when all have answered.",
    .entity = EDDA_ENTITY(progress, PROCESS_TOPIC),
    .evolve = (const struct edda_row[]){ EDDA_WHEN(AccountsAsked, asked), EDDA_WHEN(AccountAnswered, answered), EDDA_END },
    .on = (const struct edda_row[]){
        EDDA_ON(GroupCheckoutInitiated, ask_the_accounts, groupCheckoutId),
        EDDA_ON(GuestCheckedOut, note_completion, groupCheckoutId),
        EDDA_ON(GuestCheckoutFailed, note_failure, groupCheckoutId),
        EDDA_END },
};

/* --- the group ------------------------------------------------------------------------------------------- */

EDDA_HANDLER(initiate, InitiateGroupCheckout, group);
static int initiate(struct edda_step *step, const struct InitiateGroupCheckout *c, const struct group *g)
{
    return group_initiate(step, c, g);
}

const struct edda_service group_service = {
    .name = "group-checkout",
    .description = "Takes requests for group check-outs, and shows how they ended.",
    .entity = EDDA_ENTITY(group, GROUP_TOPIC),
    .evolve = group_evolve,
    .on = (const struct edda_row[]){ EDDA_ON(InitiateGroupCheckout, initiate, groupCheckoutId), EDDA_END },
    .view = &group_view,
    .routes = group_routes,
};

const char hotel_name[] = "hotel-process";
const char hotel_summary[] = "Checks groups of guests out of a hotel: a process manager, with the state in the process.";
const struct edda_service *const hotel_services[] = { &stay_service, &group_service, &process_service, NULL };
