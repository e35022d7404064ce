/* The tables behind messages.h. */
#include "messages.h"

int64_t deadline_ms = 5000;
int64_t injected_delay_ms = 10000;

#define USER .len_min = 1, .len_max = 64
#define AMOUNT .min = 0.01, .max = 1e12
#define ON_TOPIC(id_field) .topic = TOPIC, .correlation = #id_field

static const struct edda_field OrderCreated_fields[] = {
    EDDA_FIELD(OrderCreated, id),
    EDDA_FIELD(OrderCreated, currencyId),
    EDDA_FIELD(OrderCreated, amount, AMOUNT),
    EDDA_FIELD(OrderCreated, holderId, USER),
};
const struct edda_type OrderCreated = EDDA_EVENT(OrderCreated, id, ON_TOPIC(id), .expires = true);

static const struct edda_field OrderPlaced_fields[] = { EDDA_FIELD(OrderPlaced, id), EDDA_FIELD(OrderPlaced, holderId) };
const struct edda_type OrderPlaced = EDDA_EVENT(OrderPlaced, id, ON_TOPIC(id));

static const struct edda_field OrderRejected_fields[] = {
    EDDA_FIELD(OrderRejected, id),
    EDDA_FIELD(OrderRejected, currencyId),
    EDDA_FIELD(OrderRejected, amount),
    EDDA_FIELD(OrderRejected, holderId),
};
const struct edda_type OrderRejected = EDDA_EVENT(OrderRejected, id, ON_TOPIC(id));

static const struct edda_field ExchangeSucceed_fields[] = {
    EDDA_FIELD(ExchangeSucceed, orderId),
    EDDA_FIELD(ExchangeSucceed, userId),
    EDDA_FIELD(ExchangeSucceed, point),
};
const struct edda_type ExchangeSucceed = EDDA_EVENT(ExchangeSucceed, orderId, ON_TOPIC(orderId), .expires = true);

static const struct edda_field ExchangeFailed_fields[] = { EDDA_FIELD(ExchangeFailed, orderId) };
const struct edda_type ExchangeFailed = EDDA_EVENT(ExchangeFailed, orderId, ON_TOPIC(orderId));

static const struct edda_field ExchangeCompensated_fields[] = {
    EDDA_FIELD(ExchangeCompensated, orderId),
    EDDA_FIELD(ExchangeCompensated, userId),
    EDDA_FIELD(ExchangeCompensated, point),
};
const struct edda_type ExchangeCompensated = EDDA_EVENT(ExchangeCompensated, orderId, ON_TOPIC(orderId));

static const struct edda_field PointUsed_fields[] = {
    EDDA_FIELD(PointUsed, userId),
    EDDA_FIELD(PointUsed, point),
    EDDA_FIELD(PointUsed, orderId),
};
const struct edda_type PointUsed = EDDA_EVENT(PointUsed, orderId, ON_TOPIC(orderId));

static const struct edda_field PointUseFailed_fields[] = {
    EDDA_FIELD(PointUseFailed, orderId),
    EDDA_FIELD(PointUseFailed, reason),
};
const struct edda_type PointUseFailed = EDDA_EVENT(PointUseFailed, orderId, ON_TOPIC(orderId));

static const struct edda_field PointUseCompensated_fields[] = {
    EDDA_FIELD(PointUseCompensated, orderId),
    EDDA_FIELD(PointUseCompensated, userId),
    EDDA_FIELD(PointUseCompensated, point),
};
const struct edda_type PointUseCompensated = EDDA_EVENT(PointUseCompensated, orderId, ON_TOPIC(orderId));

static const struct edda_field DeadlineReached_fields[] = {
    EDDA_FIELD(DeadlineReached, id),
    EDDA_FIELD_TIME(DeadlineReached, deadline),
    EDDA_FIELD(DeadlineReached, orderId),
};
const struct edda_type DeadlineReached = EDDA_EVENT(DeadlineReached, orderId, ON_TOPIC(orderId));

static const struct edda_field CreateOrder_fields[] = {
    EDDA_FIELD(CreateOrder, id),
    EDDA_FIELD(CreateOrder, holderId, USER),
    EDDA_FIELD(CreateOrder, currencyId),
    EDDA_FIELD(CreateOrder, amount, AMOUNT),
};
const struct edda_type CreateOrder = EDDA_COMMAND(CreateOrder, id, .topic = "order.commands", .correlation = "id");

static const struct edda_field SetPoints_fields[] = {
    EDDA_FIELD(SetPoints, userId, USER),
    EDDA_FIELD(SetPoints, point, .min = 0, .max = 1e12),
};
const struct edda_type SetPoints = EDDA_COMMAND(SetPoints, userId, .topic = "point.commands");
