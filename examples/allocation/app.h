/* The application's table, for its main and for its benchmark. */
#ifndef ALLOCATION_APP_H
#define ALLOCATION_APP_H

#include "edda/edda.h"

extern const struct edda_app allocation_app;

#endif
