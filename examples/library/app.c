/* The application: its services, and how its topics look to others. */
#include "app.h"

#include "best_book/best_book.h"
#include "book/book.h"
#include "member/member.h"
#include "naive.h"
#include "rental/rental.h"
#include "simulation.h"

static const struct edda_service *const services[] = { &rental_service, &book_service, &member_service, NULL };
static const struct edda_projection *const projections[] = { &best_book_projection, NULL };

/* One kind of message each: that of a record of others is known by its topic. An EventResult has an eventType, which is not its type. */
static const struct edda_topic topics[] = {
    { .name = "rental_rent", .partitions = 4, .type = "ItemRented" },
    { .name = "rental_return", .partitions = 4, .type = "ItemReturned" },
    { .name = "overdue_clear", .partitions = 4, .type = "OverdueCleared" },
    { .name = "point_use", .partitions = 4, .type = "UsePoints" },
    { .name = "rental_result", .partitions = 4, .type = "EventResult" },
    { .name = NULL },
};

static const struct edda_option options[] = {
    { "late-day", "24h", &late_day_ms, "The late fee of a book that is overdue grows by 10 points with every one of these" },
    { .name = NULL },
};

const struct edda_app library_app = {
    .name = NAIVE ? "library-naive" : "library",
    .version = "1.0",
    .summary = "A library: rental, book, member and best-book, which tell each other what happens over a topic for each kind of event.",
    .services = services,
    .projections = projections,
    .topics = topics,
    .options = options,
    .simulation = &library_simulation,
    .entity_word = "request",
    .port = 8090,
};
