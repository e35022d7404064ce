/* The state of a product, for those who look at it: its tests, and the invariants of the simulator. */
#ifndef ALLOCATION_PRODUCT_H
#define ALLOCATION_PRODUCT_H

#include "messages.h"

struct line { struct edda_text orderid; int64_t qty; };
/* added: the quantity it came with; qty: what it has now, which may be less than is allocated until it has let go of lines. */
struct batch { struct edda_text ref; int64_t added, qty, allocated, eta; struct edda_list lines; /* line, in order of allocation */ };
struct product { struct edda_list batches; /* batch */ int64_t shortages; /* times it was out of stock */ };
extern const struct edda_type product;

#endif
