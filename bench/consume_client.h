/*
 * consume_client: what applications read and write with: librdkafka as it comes. The settings are its defaults, but for what is said here: nothing is committed,
 * and a producer's batches may be bounded, for other clients' defaults make smaller ones.
 */
#ifndef BENCH_CONSUME_CLIENT_H
#define BENCH_CONSUME_CLIENT_H

#include <stddef.h>
#include <stdint.h>

struct consumed {
    uint64_t records, bytes; /* bytes: of the values */
    double seconds;          /* from asking for the first record until the last one is there */
    double paused_s;         /* of those: waits of more than a tenth of a second, with nothing to read */
    double client_cpu_s;     /* what this process has used meanwhile, in all its threads */
};

/* Writes values of `value_bytes` until there are `bytes` of them, in batches of at most `batch_bytes` (0: the client's default), waits for all acknowledgements, and returns
 * how many there are. Whatever fails ends the program. */
uint64_t client_produce(int port, const char *topic, size_t value_bytes, size_t batch_bytes, uint64_t bytes);

/* Consumers made later have this setting (NAME=VALUE, borrowed), too. At most 8. */
void client_setting(const char *setting);

/* A new consumer reads all partitions from their beginnings to the ends of now. */
struct consumed client_consume(int port, const char *topic, int partitions);

/* Somebody who writes a record every few milliseconds, from a thread of its own, and notes how long each acknowledgement takes. */
struct client_writer;
struct client_writer *client_writer_start(int port, const char *topic);
/* Its samples in nanoseconds, in *ret_count of them, for the caller to free(). */
int64_t *client_writer_stop(struct client_writer *writer, size_t *ret_count);

#endif
