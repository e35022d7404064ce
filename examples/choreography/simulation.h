/* What the simulator does with the choreography, and what must be true when all has settled. Shared with choreography-naive. */
#ifndef CHOREOGRAPHY_SIMULATION_H
#define CHOREOGRAPHY_SIMULATION_H

#include "messages.h"

extern const struct edda_simulation choreography_simulation;

#endif
