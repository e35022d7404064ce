/*
 * kafka_load: a client that loads a broker through Kafka's protocol, always the same for whatever is measured beside each other: Produce and Fetch in version 3
 * and 4 over plain sockets, one thread. Its requests are made before the clock starts, so that it costs little of the machine that the broker is on.
 */
#ifndef BENCH_KAFKA_LOAD_H
#define BENCH_KAFKA_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kafka_case {
    const char *what;
    int connections;
    int in_flight; /* requests under way on each connection */
    int records;   /* a request */
    int value_bytes;
    bool keyed; /* keys of 10 bytes, as good as all different */
};

struct kafka_rate {
    double records_per_s;
    double p50_us, p99_us; /* from sending a request to its answer */
};

/* Ends the program with a sentence. */
void kafka_die(const char *what) __attribute__((noreturn));

/* Makes a topic, on 127.0.0.1; `synced`: with flush.messages=1, which makes Kafka sync every append. The name must have 9 letters. */
void kafka_topic_make(int port, const char *topic, int partitions, bool synced);

/* Produces with acks=all for `seconds`, after a tenth of that to warm up. Connection i writes to partition i modulo `partitions`. An answer with an error
 * ends the program. */
struct kafka_rate kafka_produce(int port, const char *topic, int partitions, const struct kafka_case *kafka_case,
                                double seconds);

/* Reads partitions from their beginnings to their ends, one after the other over one connection; bytes of batches per second in *ret_mb_per_s. Returns the records per second. */
double kafka_consume(int port, const char *topic, int partitions, double *ret_mb_per_s);

#endif
