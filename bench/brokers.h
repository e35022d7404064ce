/*
 * brokers: what is measured beside each other, each a process of its own that ends with the bench: `edda serve` of this build, and real Kafka from its published
 * jars. Both can be bounded in what they may have of the machine's memory, the pages of their files among it, by a control group of their own.
 */
#ifndef BENCH_BROKERS_H
#define BENCH_BROKERS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "bench.h"

struct broker_process {
    pid_t pid;         /* 0: not there */
    int port;
    int input;         /* of Kafka: it ends at its end; else -1 */
    char group[400];   /* directory of its control group; empty: none */
    bool unified;      /* the group is of the second kind */
};

/* A port of 127.0.0.1 that nobody listens on. */
int broker_free_port(void);

/* Starts `edda serve` of the build that `program` (argv[0]) is in, with its data in a directory of the bench's, and waits until it listens. Ends the program when it does not.
 * The group of `broker`, if there is one, is the process's. */
void broker_start_edda(struct broker_process *broker, const struct bench *b, const char *program);

/* Starts Kafka with a heap of so many megabytes. False, after a line that says why, where it cannot be had. */
bool broker_start_kafka(struct broker_process *broker, const struct bench *b, unsigned heap_mb);

/* Ends it and removes its group. */
void broker_stop(struct broker_process *broker);

/* To be called before it is started: makes a control group in which it may be bounded. False, after a line that says why, where the machine does not allow it. */
bool broker_group_make(struct broker_process *broker, const char *name);

/* Bounds what is in the group from now on; what it has beyond that of the page cache is given back. Ends the program when that fails. */
void broker_group_limit(const struct broker_process *broker, uint64_t bytes);

/* What it and its children have used so far. */
struct broker_used {
    double cpu_s;
    uint64_t disk_bytes; /* read from the disk */
};
struct broker_used broker_used(const struct broker_process *broker);

#endif
