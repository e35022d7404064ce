/*
 * The messages of the choreography: what each looks like in C and in JSON, and on which topic it travels. All events of all services share one
 * topic and are keyed by order, so that the stream of an order is the whole story of its process.
 */
#ifndef CHOREOGRAPHY_MESSAGES_H
#define CHOREOGRAPHY_MESSAGES_H

#include "edda/edda.h"

#define TOPIC "choreography.deadline"

/*
 * choreography-naive is the same code built with NAIVE=1: wired as the original was when it was published. Points are given back on the rejection itself,
 * what expires while it is handled is not noticed, and an order is approved whatever it was before. The simulator finds what comes of it.
 */
#ifndef NAIVE
#define NAIVE 0
#endif

struct OrderCreated { int64_t id; int64_t currencyId; double amount; struct edda_text holderId; };
struct OrderPlaced { int64_t id; struct edda_text holderId; };
struct OrderRejected { int64_t id; int64_t currencyId; double amount; struct edda_text holderId; };
struct ExchangeSucceed { int64_t orderId; struct edda_text userId; double point; };
struct ExchangeFailed { int64_t orderId; };
struct ExchangeCompensated { int64_t orderId; struct edda_text userId; double point; };
struct PointUsed { struct edda_text userId; double point; int64_t orderId; }; /* point: what is left */
struct PointUseFailed { int64_t orderId; struct edda_text reason; };
struct PointUseCompensated { int64_t orderId; struct edda_text userId; double point; };
struct DeadlineReached { int64_t id; int64_t deadline; int64_t orderId; };

/* Commands, each to one service. */
struct CreateOrder { int64_t id; struct edda_text holderId; int64_t currencyId; double amount; };
struct SetPoints { struct edda_text userId; double point; };

extern const struct edda_type OrderCreated, OrderPlaced, OrderRejected, ExchangeSucceed, ExchangeFailed, ExchangeCompensated,
    PointUsed, PointUseFailed, PointUseCompensated, DeadlineReached, CreateOrder, SetPoints;

/* The services, one file each. */
extern const struct edda_service order_service, exchange_service, point_service, deadline_service, transaction_service;

/* An order that is not decided this long after its creation is rejected. */
extern int64_t deadline_ms;
/* What currencies 100 and 200 make the exchange sleep. */
extern int64_t injected_delay_ms;

#endif
