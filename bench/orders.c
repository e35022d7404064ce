/* See world.h: the choreography's load. */
#include "choreography/messages.h"
#include "world.h"

void world_deposit(struct world *w)
{
    struct SetPoints points = { .userId = EDDA_TEXT("jjy"), .point = 1e12 };
    world_call(w, &SetPoints, &points);
    world_settle(w);
}

void world_order(struct world *w)
{
    struct CreateOrder command = { .id = ++w->next_order, .holderId = EDDA_TEXT("jjy"), .currencyId = 1, .amount = 1 };
    world_call(w, &CreateOrder, &command);
}
