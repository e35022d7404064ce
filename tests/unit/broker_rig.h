/*
 * broker_rig: a broker over a store on the simulated io, and clients of it. What a client asks is encoded as clients do, and what it is answered decoded, so
 * that the whole way through the broker is in each test.
 */
#ifndef EDDA_TESTS_UNIT_BROKER_RIG_H
#define EDDA_TESTS_UNIT_BROKER_RIG_H

#include "support.h"

#include "broker/broker.h"
#include "io/simulated.h"
#include "store/store.h"
#include "wire/kafka/batch.h"
#include "wire/kafka/errors.h"
#include "wire/kafka/messages.h"

#define RIG_CLIENTS 8

struct rig;

struct client {
    struct rig *rig;
    struct broker_call call;
    struct buffer frame; /* of the request under way */
    struct buffer out;   /* the answer, with its length */
    const struct kafka_message *response_message;
    int16_t version;
    bool answered, silent, fatal;
    uint64_t gate;
    struct arena arena; /* of decoded answers, until the next request */
};

struct rig {
    struct io *io;
    struct store *store;
    struct broker *broker;
    struct store_options store_options;
    struct broker_options options;
    struct client clients[RIG_CLIENTS];
    bool (*allowed)(enum broker_verb verb, struct slice name); /* NULL: everything */
    bool (*allowed_any)(enum broker_verb verb); /* NULL: there is something for every verb */
    char logged[600];                                          /* the last log event */
    int32_t correlation_id;
};

/* For cmocka; `*state` is the rig. */
int rig_setup(void **state);
int rig_teardown(void **state);
/* The process dies, or with `machine` the machine, and everything is opened again; clients lose their connections. */
void rig_crash(struct rig *rig, bool machine);
/* Closes and opens the broker and the store. */
void rig_reopen(struct rig *rig);

/* Sends; the answer may come later. */
void rig_send(struct client *client, const struct kafka_message *request_message, const struct kafka_message *response_message, int version,
              const void *request);
/* The same with a frame of any bytes. */
void rig_send_frame(struct client *client, struct slice frame);
/* The answer to what was sent, decoded; fails when there is none. */
void *rig_answer(struct client *client);
void *rig_ask(struct client *client, const struct kafka_message *request_message, const struct kafka_message *response_message, int version,
              const void *request);
/* The connection is gone. */
void rig_cut(struct client *client);

/* ASK(client, metadata, 9, .topics = ...): asks, and returns the answer. */
#define ASK(client_, name_, version_, ...)                                                                                 \
    ((struct kafka_##name_##_response *)rig_ask((client_), &kafka_##name_##_request_message, &kafka_##name_##_response_message, \
                                                (version_), &(struct kafka_##name_##_request){ __VA_ARGS__ }))
#define SEND(client_, name_, version_, ...)                                                                                \
    rig_send((client_), &kafka_##name_##_request_message, &kafka_##name_##_response_message, (version_),                   \
             &(struct kafka_##name_##_request){ __VA_ARGS__ })

/* Flushes everything and gives the broker its turn. */
void rig_flush(struct rig *rig);
/* Time passes, and the broker has its turn. */
void rig_wait(struct rig *rig, int64_t ms);

/* One batch in memory of the test's own, until the next call: records of key and value text; NULL key: none. */
struct batch_spec {
    const char *key, *value;
    int count;               /* of equal records; 0: 1 */
    int64_t timestamp_ms;    /* 0: 1,000 */
    bool idempotent;         /* of this producer */
    struct producer_id producer;
    int32_t sequence;
    int16_t attributes;
};
struct slice rig_batch(const struct batch_spec *spec);

/* Produces one batch with acks=all; the answer to its partition. */
struct kafka_produce_response_partition_produce_response rig_produce(struct client *client, const char *topic, int32_t partition, const struct batch_spec *spec);
/* ... of a transaction. */
struct kafka_produce_response_partition_produce_response rig_produce_in(struct client *client, const char *transactional_id, const char *topic, int32_t partition,
                                                                        const struct batch_spec *spec);
/* Fetches at once what is there of one partition. */
struct kafka_fetch_response_partition_data rig_fetch(struct client *client, const char *topic, int32_t partition, int64_t offset, bool committed);
/* How many records, control records apart, batches hold from an offset on; values are compared with `value` unless it is NULL. */
int rig_count(struct slice records, int64_t from, const char *value);
/* Makes a topic. */
void rig_topic(struct client *client, const char *name, int32_t partitions);

#endif
