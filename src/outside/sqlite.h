/* Read models in a file of SQLite. */
#ifndef EDDA_OUTSIDE_SQLITE_H
#define EDDA_OUTSIDE_SQLITE_H

#include "engine/database.h"

/* The file is made when a connection is first needed. NULL when out of memory. */
struct database *sqlite_database_new(const char *path);

#endif
