/* What the simulator does with the library, and what must be true when all has settled. Shared with library-naive. */
#ifndef LIBRARY_SIMULATION_H
#define LIBRARY_SIMULATION_H

#include "edda/edda.h"

extern const struct edda_simulation library_simulation;

#endif
