/* What the simulator does with the shop, and what must be true when all has settled. Shared with shop-naive. */
#ifndef SHOP_SIMULATION_H
#define SHOP_SIMULATION_H

#include "edda/edda.h"

extern const struct edda_simulation shop_simulation;

#endif
