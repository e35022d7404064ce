/* deadline: gives each order its time, and takes it back once the order is decided. The engine keeps the time. */
#include "messages.h"

#define DECISION "decision"

EDDA_SAGA(schedule, OrderCreated);
static int schedule(struct edda_step *step, const struct OrderCreated *order)
{
    const struct edda_message_info *message = edda_message(step);
    int64_t due = message->expiry_ms ? message->expiry_ms : message->time_ms + deadline_ms;
    return edda_deadline_set(step, DECISION, due, DeadlineReached, .id = order->id, .deadline = due, .orderId = order->id);
}

EDDA_SAGA(drop_when_placed, OrderPlaced);
static int drop_when_placed(struct edda_step *step, const struct OrderPlaced *order)
{
    (void)order;
    return edda_deadline_cancel(step, DECISION);
}

EDDA_SAGA(drop_when_rejected, OrderRejected);
static int drop_when_rejected(struct edda_step *step, const struct OrderRejected *order)
{
    (void)order;
    return edda_deadline_cancel(step, DECISION);
}

struct Deadline { int64_t id; int64_t orderId; int64_t startedTime; int64_t deadline; };
static const struct edda_field Deadline_fields[] = {
    EDDA_FIELD(Deadline, id),
    EDDA_FIELD(Deadline, orderId),
    EDDA_FIELD_TIME(Deadline, startedTime),
    EDDA_FIELD_TIME(Deadline, deadline),
};
static const struct edda_type Deadline = EDDA_VALUE(Deadline);

static bool deadline_row(void *row, const struct edda_deadline_info *info)
{
    const struct DeadlineReached *reached = info->message;
    *(struct Deadline *)row = (struct Deadline){ reached->id, reached->orderId, info->set_ms, info->due_ms };
    return true;
}

static int get_deadlines(struct edda_request *request, const void *body, void *user)
{
    (void)body, (void)user;
    return edda_respond_deadlines(request, &deadline_service, "deadlines", "/deadlines/{id}", &Deadline, deadline_row);
}

static int get_deadline(struct edda_request *request, const void *body, void *user)
{
    (void)body, (void)user;
    return edda_respond_deadline(request, &deadline_service, edda_parameter(request, "id"), DECISION, "/deadlines/{id}", &Deadline,
                                 deadline_row);
}

const struct edda_service deadline_service = {
    .name = "deadline",
    .description = "Rejects what is not decided in time.",
    .on = (const struct edda_row[]){
        EDDA_ON(OrderCreated, schedule, id, .late = true),
        EDDA_ON(OrderPlaced, drop_when_placed, id),
        EDDA_ON(OrderRejected, drop_when_rejected, id),
        EDDA_END },
    .routes = (const struct edda_route[]){
        { .method = "GET", .path = "/deadlines", .handle = get_deadlines, .reply = &Deadline, .description = "Deadlines still pending" },
        { .method = "GET", .path = "/deadlines/{id}", .handle = get_deadline, .reply = &Deadline, .description = "One of them" },
        EDDA_ROUTES_END },
};
