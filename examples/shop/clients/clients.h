/* clients: it publishes nothing. */
#ifndef SHOP_CLIENTS_H
#define SHOP_CLIENTS_H

#include "edda/edda.h"

extern const struct edda_service client_service, loyalty_service;

#endif
