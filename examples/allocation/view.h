/* A row of the read model, for the invariants of the simulator. */
#ifndef ALLOCATION_VIEW_H
#define ALLOCATION_VIEW_H

#include "messages.h"

#define ALLOCATIONS_MAX 10000 /* lines of one order that are shown */

/* The line is its key. position: of its event, which gives the order of allocation. */
struct AllocationRow { struct edda_text orderid, sku; int64_t qty; struct edda_text batchref; int64_t position; };
extern const struct edda_table allocations_view;

/* Responds with the lines of the order that the path names. */
int get_allocations(struct edda_request *request, const void *body, void *user);

#endif
