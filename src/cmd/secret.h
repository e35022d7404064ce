/* secret: passwords and tokens come from the first line of a file, so that no list of processes shows them. */
#ifndef EDDA_CMD_SECRET_H
#define EDDA_CMD_SECRET_H

#include <stdbool.h>
#include <stdio.h>

#include "edda/error.h"

/* The next line of a file without its end, which is "\n" or "\r\n". False at the end of the file, when the line is empty, and when it does not fit into `size` bytes with the
 * zero behind it. */
bool secret_line(FILE *in, char *ret_secret, size_t size);
/* The first line of the file `path`, which --flag names. EDDA_ENOTFOUND: it cannot be read, and why; EDDA_EINVAL: its first line is empty or too long. */
int secret_read(const char *flag, const char *path, char *ret_secret, size_t size, struct edda_error *error);

#endif
