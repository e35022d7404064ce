/* The application; its services are those of the way it is built with. */
#include "app.h"
#include "group.h"
#include "simulation.h"

const struct edda_app hotel_app = {
    .name = NAIVE ? "hotel-naive" : hotel_name,
    .version = "1.0",
    .summary = hotel_summary,
    .services = hotel_services,
    .simulation = &hotel_simulation,
    .entity_word = "group-checkout",
    .port = 8091,
};
