/* data: the data directories that commands are given to read. */
#ifndef EDDA_CMD_DATA_H
#define EDDA_CMD_DATA_H

#include "io/io.h"

/* How many names a directory has; 0 when it is missing, or a negative code. */
int64_t data_names(struct io *io, const char *dir);

/* Whether there is no log to read in `dir`: then `error` says so, EDDA_ENOTFOUND, and why. */
bool data_missing(struct io *io, const char *dir, struct edda_error *error);

#endif
