/*
 * broker: what the clients of Kafka's protocol mean by a broker, over the store and without sockets: the APIs, one row of a table and one handler each;
 * consumer groups (broker/group.h); requests that wait for data, for members or for a lock on time. Handlers see decoded structs and know no version.
 *
 * A call belongs to one connection, which has at most one under way, so that its answers come in order. A handler answers at once, or parks the call
 * and ends it later with broker_answer(). Whatever is answered is stamped with the store's tail of that moment (the output gate).
 *
 * The broker does no I/O and reads no clock: the server gives it the time and its turns, so the simulator can. All calls belong to the owner's thread.
 */
#ifndef EDDA_BROKER_BROKER_H
#define EDDA_BROKER_BROKER_H

#include "base/arena.h"
#include "base/list.h"
#include "edda/error.h"
#include "store/partition.h"
#include "store/transaction.h"
#include "wire/kafka/message.h"

struct broker;
struct broker_call;

enum broker_verb { BROKER_READ = 1, BROKER_WRITE = 2, BROKER_MANAGE = 4 };

/* What the server tells the broker of the world around it. */
struct broker_options {
    struct store *store;
    uint32_t partitions_default;      /* of topics that are made by being asked for; 0: 4 */
    bool auto_create_topics;
    int32_t group_rebalance_delay_ms; /* before the first generation of an empty group; 0: none */
    /* Whether who has sent the call may do this with the topic or group (data NULL: with the broker as a whole). NULL: everybody may. */
    bool (*allowed)(void *user, const struct broker_call *call, enum broker_verb verb, struct slice name);
    /* The call has been answered: response and gate are filled. */
    void (*answered)(void *user, struct broker_call *call);
    void *user;
};

enum broker_call_state { BROKER_CALL_FREE, BROKER_CALL_RUNNING, BROKER_CALL_PARKED, BROKER_CALL_ANSWERED };

struct broker_api; /* a row of the table */

struct broker_call {
    const struct broker_api *api;
    struct kafka_request_head head;
    struct arena arena;               /* of request and response */
    const void *request;              /* as its API has it */
    void *response;
    const void *principal;            /* the server's */
    const char *host;                 /* the client's address and the one it has reached, for groups and Metadata */
    const char *local_host;
    uint16_t local_port;
    bool silent;                      /* Produce with acks=0: no answer is sent */
    bool fatal;                       /* the connection ends without an answer */
    uint64_t gate;
    int64_t due_ns;                   /* of a parked call: boot clock */
    enum broker_call_state state;
    struct list parked;               /* of the broker, or of what it waits for */
    void *waiting;                    /* a handler's own, while it is parked */
    void *user;                       /* the server's session */
};

int broker_open(const struct broker_options *options, struct broker **ret_broker, struct edda_error *error);
void broker_close(struct broker *broker);

/* Handles a request: decodes `body` into the call's arena, runs the handler. The call is answered (`answered` has been called) or parked when this returns. */
void broker_handle(struct broker *broker, struct broker_call *call, struct slice body, int64_t now_ns);
/* Its connection is gone. */
void broker_cancel(struct broker *broker, struct broker_call *call);
/* What is due; returns the boot clock time at which there is something again, INT64_MAX: never. */
int64_t broker_turn(struct broker *broker, int64_t now_ns);

#endif
