/*
 * databases: where the read models of an application are kept.
 *
 * Which of them a build can do is an option of the build; what it cannot is refused by name.
 */
#ifndef EDDA_OUTSIDE_DATABASES_H
#define EDDA_OUTSIDE_DATABASES_H

#include "engine/database.h"

/* The database of `run --db`: "memory", "sqlite:PATH" or "postgres://…" (what libpq takes); NULL: read-models.db in the directory `data`. Connects to nothing
 * yet. EDDA_EINVAL names what is wrong, EDDA_EUNSUPPORTED what this build has not. */
int databases_open(const char *url, const char *data, struct database **ret_database, struct edda_error *error);

#endif
