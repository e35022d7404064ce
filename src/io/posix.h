/* The io of this machine: pread/pwritev, fdatasync, fallocate, CLOCK_BOOTTIME, getrandom, threads. */
#ifndef EDDA_IO_POSIX_H
#define EDDA_IO_POSIX_H

#include "io/io.h"

/* `handler_threads`: most threads of IO_POOL_HANDLERS, 1 to 1024. NULL when out of memory. */
struct io *io_posix_new(unsigned handler_threads);
/* Finishes all jobs, ends the threads and frees the io. Files must be closed by then. */
void io_posix_free(struct io *io);

#endif
