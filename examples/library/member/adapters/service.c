/* member, where messages come in and go out: points come with rents and returns, pay late fees, and are taken back. */
#include "member/adapters/messages.h"

EDDA_EVOLVE(saved, account, PointsSaved);
static void saved(struct account *a, const struct PointsSaved *e)
{
    account_save(a, e->name, e->point);
}

EDDA_EVOLVE(used, account, PointsUsed);
static void used(struct account *a, const struct PointsUsed *e)
{
    account_use(a, e->point);
}

EDDA_HANDLER(enrol, RegisterMember, account);
static int enrol(struct edda_step *step, const struct RegisterMember *m, const struct account *a)
{
    if (a->name.len)
        return edda_reject(step, "id", "member %.*s exists", (int)m->id.len, m->id.data);
    edda_emit(step, PointsSaved, .id = m->id, .name = m->name, .point = 0);
    return edda_reply(step, Member, .id = m->id, .name = m->name, .point = a->point);
}

EDDA_HANDLER(buy, BuyPoints, account);
static int buy(struct edda_step *step, const struct BuyPoints *m, const struct account *a)
{
    if (!a->name.len)
        return edda_reject(step, "id", "there is no such member");
    edda_emit(step, PointsSaved, .id = m->id, .name = a->name, .point = m->point);
    return edda_reply(step, Member, .id = m->id, .name = a->name, .point = a->point + m->point);
}

EDDA_HANDLER(save_for_rent, ItemRented, account);
static int save_for_rent(struct edda_step *step, const struct ItemRented *e, const struct account *a)
{
    (void)a;
    return edda_emit(step, PointsSaved, .id = e->idName.id, .name = e->idName.name, .point = e->point);
}

EDDA_HANDLER(save_for_return, ItemReturned, account);
static int save_for_return(struct edda_step *step, const struct ItemReturned *e, const struct account *a)
{
    (void)a;
    return edda_emit(step, PointsSaved, .id = e->idName.id, .name = e->idName.name, .point = e->point);
}

EDDA_HANDLER(pay, OverdueCleared, account);
static int pay(struct edda_step *step, const struct OverdueCleared *e, const struct account *a)
{
    bool paid = account_can_pay(a, e->point);
    if (paid)
        edda_emit(step, PointsUsed, .id = e->idName.id, .point = e->point);
    else
        edda_emit(step, PointsLacked, .id = e->idName.id, .point = e->point);
    return edda_emit(step, EventResult, .eventType = EDDA_TEXT(OVERDUE), .success = paid, .idName = e->idName, .point = e->point);
}

EDDA_HANDLER(take_back, UsePoints, account);
static int take_back(struct edda_step *step, const struct UsePoints *m, const struct account *a)
{
    (void)a;
    return edda_emit(step, PointsUsed, .id = m->idName.id, .point = m->point);
}

const struct edda_service member_service = {
    .name = "member",
    .description = "Keeps the points of members.",
    .entity = EDDA_ENTITY(account, "members"),
    .evolve = (const struct edda_row[]){
        EDDA_WHEN(PointsSaved, saved),
        EDDA_WHEN(PointsUsed, used),
        EDDA_END },
    .on = (const struct edda_row[]){
        EDDA_ON(RegisterMember, enrol, id),
        EDDA_ON(BuyPoints, buy, id),
        EDDA_ON(ItemRented, save_for_rent, idName.id),
        EDDA_ON(ItemReturned, save_for_return, idName.id),
        EDDA_ON(OverdueCleared, pay, idName.id),
        EDDA_ON(UsePoints, take_back, idName.id),
        EDDA_END },
    .view = &members,
    .routes = member_routes,
};
