/* The application's table, for its main and for its benchmark. */
#ifndef SHOP_APP_H
#define SHOP_APP_H

#include "edda/edda.h"

extern const struct edda_app shop_app;

#endif
