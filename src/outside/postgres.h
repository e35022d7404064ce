/* Read models in PostgreSQL. */
#ifndef EDDA_OUTSIDE_POSTGRES_H
#define EDDA_OUTSIDE_POSTGRES_H

#include "engine/database.h"

/* `url` is what libpq takes: postgres://user@host:port/database?options. EDDA_EINVAL says what is wrong with it. */
int postgres_database_new(const char *url, struct database **ret_database, struct edda_error *error);

#endif
