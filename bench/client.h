/*
 * client: an application of this build as a process of its own, and clients of its HTTP interface: one connection that asks and waits, and many at once.
 */
#ifndef BENCH_CLIENT_H
#define BENCH_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "bench.h"

/* Ends the program, with `what` and errno in words. */
void client_die(const char *what);
double client_seconds_since(int64_t start_ns);

/* Starts examples/`name` beside `program` (argv[0]) on a port, with its data in the bench's directory, and waits until it listens. It dies with the
 * bench. client_stop() lets it end in order. */
pid_t client_start(const struct bench *b, const char *program, const char *name, int port);
void client_stop(pid_t pid);

/* A connection to that process; -1 when nobody listens. */
int client_connect(void);
/* Sends a request and waits for its answer, which is zero-terminated and good until the next one. */
const char *client_ask(int fd, const char *request);
bool client_has_status(const char *answer, const char *status);

/* Writes the n-th request, zero-terminated, into `out`; returns its length. */
typedef size_t client_request_fn(char *out, size_t size, uint64_t n, const void *user);
/* Copies the text that `user` is. */
client_request_fn client_same_request;

/* Over how many connections, at most 256, and with how many requests under way on each, at most 16, which is what it is at first. */
void client_shape(int connections, int pipelined);
/* Makes `count` requests over those connections, which are kept; returns the seconds until all were answered. *ret_refused: answers with
 * another status. */
double client_burst(client_request_fn *make, const void *user, const char *status, uint64_t count, uint64_t *ret_refused);

#endif
