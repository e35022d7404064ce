/* tree: directories that a command makes for itself and removes again. */
#ifndef EDDA_CMD_TREE_H
#define EDDA_CMD_TREE_H

#include "io/io.h"

/* Removes a directory with all that is in it, as far as that can be; nothing when it is not there. */
void tree_remove(struct io *io, const char *path);

#endif
