/*
 * seal: writes a tail as a run. Any thread, as long as nothing changes the tail.
 */
#ifndef EDDA_STORE_SEAL_H
#define EDDA_STORE_SEAL_H

#include "store/run.h"
#include "store/tail.h"

/* Into an empty file; the tail has entries. Written and synced when it returns 0. */
int seal_write(struct io *io, struct io_file *file, const struct tail *tail, const struct run_identity *identity);

#endif
