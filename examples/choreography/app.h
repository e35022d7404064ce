/* The application's table, for its main and for its benchmark. */
#ifndef CHOREOGRAPHY_APP_H
#define CHOREOGRAPHY_APP_H

#include "edda/edda.h"

extern const struct edda_app choreography_app;

#endif
