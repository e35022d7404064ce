/* What the simulator does with the allocation, and what must be true when all has settled. Shared with allocation-naive. */
#ifndef ALLOCATION_SIMULATION_H
#define ALLOCATION_SIMULATION_H

#include "messages.h"

extern const struct edda_simulation allocation_simulation;

#endif
