/* The application's table, for its main and for its benchmark. */
#ifndef HOTEL_APP_H
#define HOTEL_APP_H

#include "edda/edda.h"

extern const struct edda_app hotel_app;

#endif
