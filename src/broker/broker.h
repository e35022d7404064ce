/*
 * broker: what the clients of Kafka's protocol mean by a broker, over the store and without sockets: the APIs, one row of a table and one handler each;
 * consumer groups (broker/group.h); requests that wait for data, for members or for a lock on time. Handlers see decoded structs and know no encoding.
 *
 * A call belongs to one connection, which has at most one under way, so that its answers come in order. A handler answers at once, or parks the call, which
 * ends later in broker_turn(). Whatever is answered is stamped with the store's tail of that moment (the output gate), but for fetched records, which are durable.
 *
 * The broker does no I/O and reads no clock: the server gives it the time and its turns, so the simulator can. All calls belong to the owner's thread.
 */
#ifndef EDDA_BROKER_BROKER_H
#define EDDA_BROKER_BROKER_H

#include "base/arena.h"
#include "base/heap.h"
#include "base/list.h"
#include "edda/error.h"
#include "store/partition.h"
#include "store/transaction.h"
#include "wire/kafka/message.h"

#define BROKER_NODE_ID 1
#define BROKER_LEADER_EPOCH 0             /* one node leads for ever */
#define BROKER_COORDINATOR_EPOCH 0        /* ... and coordinates its transactions */
#define BROKER_PARTITIONS_DEFAULT 4       /* of topics that are made by being asked for */
#define BROKER_FETCH_BYTES_MAX (INT32_C(8) << 20) /* of one answer, but for a first batch that is larger */
#define BROKER_FETCH_WAIT_MAX_MS 60000
#define BROKER_PARTITIONS_ASKED_MAX 20000 /* of one Fetch */
#define BROKER_APIS_MAX 64
#define BROKER_LAGS_MAX 10000             /* rows of broker_lags_each() */
#define BROKER_CALL_BYTES_MAX (UINT32_C(256) << 20) /* memory of one request and its answer, but for the records */

struct broker;
struct broker_call;
struct groups;

enum broker_verb { BROKER_READ = 1, BROKER_WRITE = 2, BROKER_MANAGE = 4 };

/* What the server tells the broker of the world around it. */
struct broker_options {
    struct store *store;
    uint32_t partitions_default;      /* of topics that are made by being asked for; 0: BROKER_PARTITIONS_DEFAULT */
    bool auto_create_topics;
    int64_t message_bytes_max;        /* what is said to be the default of max.message.bytes; the store has it */
    int32_t group_rebalance_delay_ms; /* before the first generation of an empty group; 0: none */
    /* Whether who has sent the call may do this with the topic or group (data NULL: with the broker as a whole). NULL: everybody may. */
    bool (*allowed)(void *user, const struct broker_call *call, enum broker_verb verb, struct slice name);
    /* Whether there is anything at all that he may do this with. NULL: there is. */
    bool (*allowed_any)(void *user, const struct broker_call *call, enum broker_verb verb);
    /* SaslHandshake and SaslAuthenticate, which the session knows about: fills the response. NULL: they are not known, nor advertised. */
    void (*sasl)(void *user, struct broker_call *call);
    /* The call has been answered: response and gate are filled, and good until this returns: broker_response_put(). */
    void (*answered)(void *user, struct broker_call *call);
    /* Whether there is no memory for further answers at the moment: calls that could be answered in broker_turn() are answered in a later one. NULL: there always is. */
    bool (*full)(void *user);
    /* Told of log events: requests that do not parse, versions nobody knows. May be NULL. */
    void (*log)(void *user, const char *event, const char *text);
    void *user;
};

enum broker_call_state { BROKER_CALL_FREE, BROKER_CALL_RUNNING, BROKER_CALL_PARKED };

struct broker_api; /* a row of the table */

struct broker_call {
    struct broker *broker;
    const struct broker_api *api;
    struct kafka_request_head head;
    int16_t version;                  /* of the response's body: that of the request, but for ApiVersions of a version nobody knows */
    struct arena arena;               /* of request and response */
    const void *request;              /* as its API has it */
    void *response;
    const struct slice *pieces;       /* of the records in the response; NULL: they lie where it says */
    uint64_t records_bytes;           /* of the records in the response, as good as all of a large one */
    const void *principal;            /* the server's */
    const char *host;                 /* the client's address and the one it has reached, for groups and Metadata */
    const char *local_host;
    uint16_t local_port;
    bool silent;                      /* Produce with acks=0: no answer is sent */
    bool fatal;                       /* the connection ends without an answer */
    uint64_t gate;
    enum broker_call_state state;
    struct heap_node due;             /* of a parked call: boot clock */
    struct list ready;                /* of the broker: to be looked at in the next turn */
    void (*resume)(struct broker *broker, struct broker_call *call); /* of a parked call: goes on; parks it again or ends it by returning */
    void (*forget)(struct broker *broker, struct broker_call *call); /* of a parked call: takes it out of what it waits for */
    void *waiting;                    /* a handler's own, while it is parked */
    void *user;                       /* the server's session */
};

int broker_open(const struct broker_options *options, struct broker **ret_broker, struct edda_error *error);
/* No call may be under way. */
void broker_close(struct broker *broker);

void broker_call_init(struct broker_call *call);
/* Not while it is under way. */
void broker_call_deinit(struct broker_call *call);

/* Handles a request: a frame without its length. The call is answered (`answered` has been called, and the call is free) or parked when this returns. What
 * does not parse is told to the log, and fatal. The frame is borrowed until this returns; until the call is answered if broker_call_borrows(). */
void broker_handle(struct broker *broker, struct broker_call *call, struct slice frame, int64_t now_ns);
/* Whether a parked call still looks at its frame: a Produce, which waits for the disk, does; those that wait for others do not. */
bool broker_call_borrows(const struct broker_call *call);
/* Its connection is gone: a parked call is free afterwards, and not answered. */
void broker_cancel(struct broker *broker, struct broker_call *call);
/* What is due, and calls that have got what they waited for; to be called after every flush. Returns the boot clock time at which there is something
 * again, INT64_MAX: never. */
int64_t broker_turn(struct broker *broker, int64_t now_ns);

/* Appends the response of an answered call, with its length and head. EDDA_ENOMEM. */
int broker_response_put(const struct broker_call *call, struct buffer *out, struct edda_error *error);
/* After that: gives back what a large request or answer took, for its client may not come again for long. */
void broker_call_trim(struct broker_call *call);

/* Whether the API may be asked before anybody has said who he is. */
bool broker_api_is_open(int16_t api_key);

/* For metrics: 0 and the counts of the n-th API; EDDA_ENOTFOUND. */
struct broker_api_counts {
    struct slice name;                /* "Produce" */
    uint64_t requests, errors;        /* errors: codes given in answers, of topics, partitions, groups … each */
};
int broker_api_counts(const struct broker *broker, size_t ordinal, struct broker_api_counts *ret_counts);
struct broker_counts {
    uint64_t bytes_in, bytes_out;     /* of requests, of answers */
    uint64_t produced_bytes, fetched_bytes; /* of record batches */
    uint64_t malformed;               /* requests that ended their connection */
    uint64_t parked;                  /* calls that wait now */
    uint64_t stalled;                 /* times that a Produce waited because the log was too far behind its disk */
    uint64_t groups, members_of_group, members_bytes, offsets; /* members_of_group: of the one that has most; members_bytes: of all groups */
};
void broker_counts(const struct broker *broker, struct broker_counts *ret_counts);

/* How many offsets lie between what a consumer group has committed in a partition and the durable end of it. */
struct broker_lag {
    struct slice group, topic;
    uint32_t partition;
    uint64_t offsets;
};
/* Of each group and partition of a topic that is there, but for those beyond BROKER_LAGS_MAX; always in the same order as long as no group comes or goes. `visit` returns false to end it. */
void broker_lags_each(const struct broker *broker, bool (*visit)(void *user, const struct broker_lag *lag), void *user);

/* docs/reference/kafka.md. */
void broker_document(struct buffer *out);

#endif
