/* What the simulator does with the hotel, and what must be true when all has settled. Shared by the three ways, and by hotel-naive. */
#ifndef HOTEL_SIMULATION_H
#define HOTEL_SIMULATION_H

#include "edda/edda.h"

extern const struct edda_simulation hotel_simulation;

#endif
