/*
 * rental, where messages come in and go out: commands are put to the card, what it allows is told to the others on a topic each, and their answers are put to
 * the card again. An answer that is a no takes back what was asked for, and the points that the member got for it.
 */
#include "member/member.h"
#include "rental/adapters/messages.h"

int64_t late_day_ms = 86400000;

/* --- what has happened to a card ------------------------------------------------------------------------- */

EDDA_EVOLVE(created, card, CardCreated);
static void created(struct card *c, const struct CardCreated *e)
{
    c->name = e->userName;
}

EDDA_EVOLVE(rent_requested, card, RentRequested);
static void rent_requested(struct card *c, const struct RentRequested *e)
{
    card_rent(c, e->item.no, e->item.title, e->request);
}

EDDA_EVOLVE(rent_confirmed, card, RentConfirmed);
static void rent_confirmed(struct card *c, const struct RentConfirmed *e)
{
    card_rent_confirmed(c, e->no);
}

EDDA_EVOLVE(rent_cancelled, card, RentCancelled);
static void rent_cancelled(struct card *c, const struct RentCancelled *e)
{
    card_rent_cancelled(c, e->no);
}

EDDA_EVOLVE(return_requested, card, ReturnRequested);
static void return_requested(struct card *c, const struct ReturnRequested *e)
{
    card_return(c, e->no, e->fee);
}

EDDA_EVOLVE(return_confirmed, card, ReturnConfirmed);
static void return_confirmed(struct card *c, const struct ReturnConfirmed *e)
{
    card_return_confirmed(c, e->no);
}

EDDA_EVOLVE(return_cancelled, card, ReturnCancelled);
static void return_cancelled(struct card *c, const struct ReturnCancelled *e)
{
    card_return_cancelled(c, e->item.no, e->item.title);
}

EDDA_EVOLVE(became_overdue, card, BecameOverdue);
static void became_overdue(struct card *c, const struct BecameOverdue *e)
{
    card_overdue(c, e->no, e->since);
}

EDDA_EVOLVE(clear_requested, card, ClearRequested);
static void clear_requested(struct card *c, const struct ClearRequested *e)
{
    card_clear(c, e->point, e->request);
}

EDDA_EVOLVE(clear_confirmed, card, ClearConfirmed);
static void clear_confirmed(struct card *c, const struct ClearConfirmed *e)
{
    (void)e;
    card_clear_confirmed(c);
}

EDDA_EVOLVE(clear_cancelled, card, ClearCancelled);
static void clear_cancelled(struct card *c, const struct ClearCancelled *e)
{
    (void)e;
    card_clear_cancelled(c);
}

/* --- what is asked of it --------------------------------------------------------------------------------- */

EDDA_HANDLER(create, CreateCard, card);
static int create(struct edda_step *step, const struct CreateCard *m, const struct card *c)
{
    if (c->name.len)
        return edda_reject(step, "userId", "member %.*s has a card", (int)m->userId.len, m->userId.data);
    edda_emit(step, CardCreated, .userId = m->userId, .userName = m->userName);
    return edda_reply(step, RentalCard, .userId = m->userId, .userName = m->userName, .rentStatus = EDDA_TEXT(AVAILABLE));
}

/* Not for a card that does not exist, and not for a reason that the card gives. */
static int refuse(struct edda_step *step, const struct card *c, const char *reason)
{
    if (!c->name.len)
        return edda_reject(step, "userId", "there is no such card");
    return reason ? edda_reject(step, NULL, "%s", reason) : 0;
}

EDDA_HANDLER(rent, RentItem, card);
static int rent(struct edda_step *step, const struct RentItem *m, const struct card *c)
{
    int rc = refuse(step, c, card_cannot_rent(c, m->item.no));
    if (rc < 0)
        return rc;
    edda_emit(step, RentRequested, .userId = m->userId, .request = m->request, .item = m->item);
    edda_emit(step, ItemRented, .idName = { m->userId, c->name }, .item = m->item, .point = POINTS_A_RENT);
    return edda_reply(step, Accepted, .userId = m->userId, .request = m->request);
}

static struct Item item_of(const struct card *c, int64_t no)
{
    const struct rental *r = edda_list_find(&c->rentals, sizeof *r, no);
    return (struct Item){ no, r ? r->title : (struct edda_text){ NULL, 0 } };
}

EDDA_HANDLER(give_back, ReturnItem, card);
static int give_back(struct edda_step *step, const struct ReturnItem *m, const struct card *c)
{
    int rc = refuse(step, c, card_cannot_return(c, m->no));
    if (rc < 0)
        return rc;
    edda_emit(step, ReturnRequested, .userId = m->userId, .no = m->no,
              .fee = card_fee(c, m->no, edda_now_ms(step), late_day_ms));
    edda_emit(step, ItemReturned, .idName = { m->userId, c->name }, .item = item_of(c, m->no), .point = POINTS_A_RETURN);
    return edda_reply(step, Accepted, .userId = m->userId, .request = m->request);
}

EDDA_HANDLER(mark_overdue, MarkOverdue, card);
static int mark_overdue(struct edda_step *step, const struct MarkOverdue *m, const struct card *c)
{
    int rc = refuse(step, c, card_cannot_be_overdue(c, m->no));
    return rc < 0 ? rc : edda_emit(step, BecameOverdue, .userId = m->userId, .no = m->no, .since = edda_now_ms(step));
}

EDDA_HANDLER(clear, ClearOverdue, card);
static int clear(struct edda_step *step, const struct ClearOverdue *m, const struct card *c)
{
    int rc = refuse(step, c, card_cannot_clear(c, m->point));
    if (rc < 0)
        return rc;
    edda_emit(step, ClearRequested, .userId = m->userId, .request = m->request, .point = m->point);
    edda_emit(step, OverdueCleared, .idName = { m->userId, c->name }, .point = m->point);
    return edda_reply(step, Accepted, .userId = m->userId, .request = m->request);
}

/* --- what is answered ------------------------------------------------------------------------------------ */

/* The points came with the event, whatever became of it; they go as they came. */
static int take_points_back(struct edda_step *step, const struct EventResult *e)
{
    return edda_emit(step, UsePoints, .idName = e->idName, .point = e->point);
}

static int settle_rent(struct edda_step *step, const struct EventResult *e, const struct card *c)
{
    if (!card_awaits(c, e->item.no, RENTING))
        return edda_skip(step, "no rent of this book waits for an answer");
    if (e->success)
        return edda_emit(step, RentConfirmed, .userId = e->idName.id, .no = e->item.no);
    edda_emit(step, RentCancelled, .userId = e->idName.id, .no = e->item.no);
    return take_points_back(step, e);
}

static int settle_return(struct edda_step *step, const struct EventResult *e, const struct card *c)
{
    if (!card_awaits(c, e->item.no, RETURNING))
        return edda_skip(step, "no return of this book waits for an answer");
    if (e->success)
        return edda_emit(step, ReturnConfirmed, .userId = e->idName.id, .no = e->item.no);
    edda_emit(step, ReturnCancelled, .userId = e->idName.id, .item = e->item);
    return take_points_back(step, e);
}

static int settle_clearing(struct edda_step *step, const struct EventResult *e, const struct card *c)
{
    if (!card_awaits_clearing(c))
        return edda_skip(step, "no fee waits for an answer");
    return e->success ? edda_emit(step, ClearConfirmed, .userId = e->idName.id) : edda_emit(step, ClearCancelled, .userId = e->idName.id);
}

EDDA_HANDLER(settle, EventResult, card);
static int settle(struct edda_step *step, const struct EventResult *e, const struct card *c)
{
    if (edda_text_is(e->eventType, RENT))
        return settle_rent(step, e, c);
    return edda_text_is(e->eventType, RETURN) ? settle_return(step, e, c) : settle_clearing(step, e, c);
}

const struct edda_service rental_service = {
    .name = "rental",
    .description = "Keeps the rental cards of members.",
    .entity = EDDA_ENTITY(card, CARDS),
    .evolve = (const struct edda_row[]){
        EDDA_WHEN(CardCreated, created),
        EDDA_WHEN(RentRequested, rent_requested),
        EDDA_WHEN(RentConfirmed, rent_confirmed),
        EDDA_WHEN(RentCancelled, rent_cancelled),
        EDDA_WHEN(ReturnRequested, return_requested),
        EDDA_WHEN(ReturnConfirmed, return_confirmed),
        EDDA_WHEN(ReturnCancelled, return_cancelled),
        EDDA_WHEN(BecameOverdue, became_overdue),
        EDDA_WHEN(ClearRequested, clear_requested),
        EDDA_WHEN(ClearConfirmed, clear_confirmed),
        EDDA_WHEN(ClearCancelled, clear_cancelled),
        EDDA_END },
    .on = (const struct edda_row[]){
        EDDA_ON(CreateCard, create, userId),
        EDDA_ON(RentItem, rent, userId),
        EDDA_ON(ReturnItem, give_back, userId),
        EDDA_ON(MarkOverdue, mark_overdue, userId),
        EDDA_ON(ClearOverdue, clear, userId),
        EDDA_ON(EventResult, settle, idName.id),
        EDDA_END },
    .view = &rental_cards,
    .routes = rental_routes,
};
