/* The application's table, for its main and for its benchmark. */
#ifndef LIBRARY_APP_H
#define LIBRARY_APP_H

#include "edda/edda.h"

extern const struct edda_app library_app;

#endif
