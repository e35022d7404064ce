/* The application: its services, its read model, the channels it listens to and speaks on. */
#include "app.h"
#include "simulation.h"

const struct edda_app allocation_app = {
    .name = NAIVE ? "allocation-naive" : "allocation",
    .version = "1.0",
    .summary = "Allocates lines of orders to batches of stock.",
    .services = (const struct edda_service *const[]){ &product_service, &batch_service, &notification_service, NULL },
    .projections = (const struct edda_projection *const[]){ &allocations_projection, NULL },
    .channels = (const struct edda_channel[]){
        { "change_batch_quantity", &ChangeBatchQuantity, EDDA_CHANNEL_IN },
        { "line_allocated", &Allocated, EDDA_CHANNEL_OUT },
        { .name = NULL } },
    .simulation = &allocation_simulation,
    .entity_word = "order",
    .port = 5005,
};
