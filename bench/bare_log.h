/*
 * bare_log: the reference limit of a durable log behind TCP, in a process of its own: one thread, epoll; what has arrived on all connections is appended with one
 * write, 256 bytes for each request, into space that was zeroed before, then comes one fdatasync(), then the answers. It looks at nothing that it is
 * sent but lengths and correlation ids, so that whatever speaks in Kafka's frames can be its client.
 */
#ifndef BENCH_BARE_LOG_H
#define BENCH_BARE_LOG_H

#include <sys/types.h>

#define BARE_LOG_BYTES 256

/* Starts it on a port of 127.0.0.1 that it chooses, its file in `dir`. It dies with its parent. Ends the program when it cannot. */
pid_t bare_log_start(const char *dir, int *ret_port);

#endif
