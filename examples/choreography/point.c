/*
 * point: keeps the points of users. An account is an entity of its own, in the private category `points`: all that takes or gives back points
 * of one user passes through here one after the other, so that no update is lost and nothing is overdrawn.
 */
#include "messages.h"

struct PointsSet { struct edda_text userId; double point; };
struct PointsTaken { struct edda_text userId; int64_t orderId; double point; };
struct PointsReturned { struct edda_text userId; int64_t orderId; double point; };

static const struct edda_field PointsSet_fields[] = { EDDA_FIELD(PointsSet, userId), EDDA_FIELD(PointsSet, point) };
static const struct edda_type PointsSet = EDDA_EVENT(PointsSet, userId, .topic = "points");
static const struct edda_field PointsTaken_fields[] = {
    EDDA_FIELD(PointsTaken, userId), EDDA_FIELD(PointsTaken, orderId), EDDA_FIELD(PointsTaken, point) };
static const struct edda_type PointsTaken = EDDA_EVENT(PointsTaken, userId, .topic = "points");
static const struct edda_field PointsReturned_fields[] = {
    EDDA_FIELD(PointsReturned, userId), EDDA_FIELD(PointsReturned, orderId), EDDA_FIELD(PointsReturned, point) };
static const struct edda_type PointsReturned = EDDA_EVENT(PointsReturned, userId, .topic = "points");

struct use { int64_t orderId; double point; };
static const struct edda_field use_fields[] = { EDDA_FIELD(use, orderId), EDDA_FIELD(use, point) };
static const struct edda_type use = EDDA_VALUE(use);

struct account { bool open; double point; struct edda_list uses; /* standing, in order of orderId */ };
static const struct edda_field account_fields[] = {
    EDDA_FIELD(account, open), EDDA_FIELD(account, point), EDDA_FIELD_LIST_OF(account, uses, use) };
static const struct edda_type account = EDDA_STATE(account);

EDDA_EVOLVE(set, account, PointsSet);
static void set(struct account *a, const struct PointsSet *e)
{
    a->open = true;
    a->point = e->point;
}

EDDA_EVOLVE(taken, account, PointsTaken);
static void taken(struct account *a, const struct PointsTaken *e)
{
    struct use *u = edda_list_put(&a->uses, sizeof *u, e->orderId);
    a->point -= e->point;
    if (u)
        u->point = e->point;
}

EDDA_EVOLVE(returned, account, PointsReturned);
static void returned(struct account *a, const struct PointsReturned *e)
{
    const struct use *u = edda_list_find(&a->uses, sizeof *u, e->orderId);
    a->point += e->point;
    if (u)
        edda_list_remove(&a->uses, sizeof *u, (uint32_t)(u - (const struct use *)a->uses.items));
}

struct Point { struct edda_text userId; double point; };
static const struct edda_field Point_fields[] = { EDDA_FIELD(Point, userId), EDDA_FIELD(Point, point) };
static const struct edda_type Point = EDDA_VALUE(Point);

EDDA_ROW(point_row, Point, account);
static bool point_row(struct Point *row, struct edda_text key, const struct account *a)
{
    *row = (struct Point){ key, a->point };
    return a->open;
}

static const struct edda_view points =
    EDDA_VIEW("points", Point, point_row, .path = "/points", .item = "/points/{userId}");

EDDA_HANDLER(set_points, SetPoints, account);
static int set_points(struct edda_step *step, const struct SetPoints *c, const struct account *a)
{
    (void)a;
    return edda_emit(step, PointsSet, .userId = c->userId, .point = c->point);
}

EDDA_HANDLER(use_points, ExchangeSucceed, account);
static int use_points(struct edda_step *step, const struct ExchangeSucceed *e, const struct account *a)
{
    if (edda_list_find(&a->uses, sizeof(struct use), e->orderId))
        return edda_skip(step, "the points of this order are used already");
    if (!a->open)
        return edda_emit(step, PointUseFailed, .orderId = e->orderId, .reason = EDDA_TEXT("unknown user"));
    if (a->point < e->point)
        return edda_emit(step, PointUseFailed, .orderId = e->orderId, .reason = EDDA_TEXT("not enough points"));
    edda_emit(step, PointsTaken, .userId = e->userId, .orderId = e->orderId, .point = e->point);
    return edda_emit(step, PointUsed, .userId = e->userId, .point = a->point - e->point, .orderId = e->orderId);
}

/* What is not used is not given back, so that a compensation that happens twice refunds once. */
static int give_back(struct edda_step *step, int64_t order, struct edda_text user, const struct account *a)
{
    const struct use *u = edda_list_find(&a->uses, sizeof *u, order);
    if (!u)
        return edda_skip(step, "no points are used by this order");
    edda_emit(step, PointsReturned, .userId = user, .orderId = order, .point = u->point);
    return edda_emit(step, PointUseCompensated, .orderId = order, .userId = user, .point = a->point + u->point);
}

#if NAIVE
/* The exchange may still be at work on the order that is rejected: its points are then used after this. */
EDDA_HANDLER(return_points, OrderRejected, account);
static int return_points(struct edda_step *step, const struct OrderRejected *e, const struct account *a)
{
    return give_back(step, e->id, e->holderId, a);
}
#else
EDDA_HANDLER(return_points, ExchangeCompensated, account);
static int return_points(struct edda_step *step, const struct ExchangeCompensated *e, const struct account *a)
{
    return give_back(step, e->orderId, e->userId, a);
}
#endif

const struct edda_service point_service = {
    .name = "point",
    .description = "Keeps the points of users.",
    .entity = EDDA_ENTITY(account, "points"),
    .evolve = (const struct edda_row[]){
        EDDA_WHEN(PointsSet, set),
        EDDA_WHEN(PointsTaken, taken),
        EDDA_WHEN(PointsReturned, returned),
        EDDA_END },
    .on = (const struct edda_row[]){
        EDDA_ON(SetPoints, set_points, userId),
        EDDA_ON(ExchangeSucceed, use_points, userId, .late = NAIVE),
#if NAIVE
        EDDA_ON(OrderRejected, return_points, holderId),
#else
        EDDA_ON(ExchangeCompensated, return_points, userId),
#endif
        EDDA_END },
    .view = &points,
    .routes = (const struct edda_route[]){
        EDDA_ROUTE("POST", "/points", SetPoints, .reply = &Point, .location = "/points/{userId}",
                   .description = "Opens an account, or sets the balance of one"),
        EDDA_ROUTES_END },
};
