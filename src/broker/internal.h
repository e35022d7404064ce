/*
 * What the files of the broker share.
 *
 *   api.c            the table of APIs; ApiVersions
 *   broker.c         a call's way: decode, handle, park, resume, answer
 *   call.c           what handlers need of a call: memory, permissions, topics
 *   produce.c fetch.c list_offsets.c metadata.c topics.c configs.c groups.c offsets.c transactions.c producers.c log_dirs.c
 *                    handlers, a family each
 *   group*.c         consumer groups
 */
#ifndef EDDA_BROKER_INTERNAL_H
#define EDDA_BROKER_INTERNAL_H

#include "base/assert.h"
#include "base/buffer.h"
#include "base/table.h"
#include "broker/broker.h"
#include "broker/group.h"
#include "wire/kafka/errors.h"
#include "wire/kafka/messages.h"

/* Fills the response. The call is answered when it returns, unless it was parked. */
typedef void broker_handler_fn(struct broker *broker, struct broker_call *call);

enum broker_api_flags {
    API_OPEN = 1,  /* may be asked before anybody has said who he is */
    API_SASL = 2,  /* there only if the server knows about users */
    API_WAITS = 4  /* may wait for long: its frame is copied, so that the connection can be read meanwhile, and its end be noticed */
};

struct broker_api {
    int16_t key;
    int16_t min, max;       /* advertised */
    int16_t many_from;      /* from this version on a request is about several things where it was about one; 0: always */
    int16_t fenced_from;    /* from this version on clients know PRODUCER_FENCED (KIP-588), and INVALID_PRODUCER_EPOCH before; 0: never */
    int flags;
    const struct kafka_message *request, *response;
    broker_handler_fn *handle;
    const char *remark;     /* of the documentation; may be NULL */
};

#define API_VERSIONS_KEY 18

extern const struct broker_api broker_apis[];
extern const size_t broker_api_count;
const struct broker_api *broker_api_find(int16_t key);

struct broker {
    struct broker_options options;
    struct store *store;
    struct groups *groups;
    int64_t now_ns;          /* of this turn */
    char cluster_id[23];
    struct heap due;         /* parked calls that have an end */
    uint64_t due_order;
    struct list ready;       /* parked calls that are to be looked at */
    struct list stalled;     /* Produce calls that wait for the disk */
    struct table waiters;    /* struct fetch_waiter, by partition */
    uint64_t fetch_turn;     /* where a fetch begins among its partitions */
    struct buffer slices;    /* of one fetch: what the store has given */
    struct buffer pieces;    /* ... in the order of the answer */
    struct broker_api_counts api_counts[BROKER_APIS_MAX];
    struct broker_counts counts;
};

/* --- broker.c ----------------------------------------------------------------------------------------- */

/* Called by a handler: the call waits. `due_ns`: when it is resumed at the latest, INT64_MAX: when it is ready. */
void call_park(struct broker_call *call, int64_t due_ns, void (*resume)(struct broker *, struct broker_call *),
               void (*forget)(struct broker *, struct broker_call *));
/* A parked call is to be resumed in the next turn. */
void call_ready(struct broker_call *call);
void broker_log(struct broker *broker, const char *event, const char *format, ...) EDDA_PRINTF(3, 4);

/* --- call.c ------------------------------------------------------------------------------------------- */

/* Zeroed memory for `count` rows of the response; NULL when there is none, and then the call ends its connection: the handler just returns. */
void *call_rows(struct broker_call *call, int64_t count, size_t row_bytes);
/* The same for an array of the response and its count, which are written to the pointer at `ret_rows` and to *ret_count. False when there is no memory. */
bool call_rows_into(struct broker_call *call, void *ret_rows, int32_t *ret_count, int32_t count, size_t row_bytes);
/* Whether this version of the request is about several things. */
bool call_has_many(const struct broker_call *call);
/* Counts a code that is put into an answer, and returns it. */
int16_t call_code(struct broker_call *call, int code);
/* The Kafka code of ours, counted. */
int16_t call_failed(struct broker_call *call, int code);
/* A copy of what is borrowed from elsewhere, in the call's arena; null stays null. Without memory the call ends its connection. */
struct slice call_keep(struct broker_call *call, struct slice s);
/* A copy of an error's words in the call's arena. */
struct slice call_words(struct broker_call *call, const struct edda_error *error);
struct slice call_text(struct broker_call *call, const char *format, ...) EDDA_PRINTF(2, 3);

bool call_may(const struct broker_call *call, enum broker_verb verb, struct slice name);
bool call_may_any(const struct broker_call *call, enum broker_verb verb);
/* Whoever may do anything with it may know of it. */
bool call_sees(const struct broker_call *call, struct slice name);

/* Whether Kafka's clients are not to know of the topic: it holds what Edda keeps for itself. */
bool topic_hidden(struct slice name);
/* Internal: it can be read, not written. */
bool topic_reserved(struct slice name);
/* The topic, if the caller may do this with it: NONE, TOPIC_AUTHORIZATION_FAILED, UNKNOWN_TOPIC_OR_PARTITION, INVALID_TOPIC_EXCEPTION (writing to an internal one). Not counted. */
int16_t call_topic(const struct broker_call *call, enum broker_verb verb, struct slice name, struct topic **ret_topic);
/* The same with a partition; counted. */
int16_t call_partition(struct broker_call *call, enum broker_verb verb, struct slice name, int32_t partition, struct topic **ret_topic);
/* By id; NULL. */
struct topic *broker_topic_by_id(struct broker *broker, const struct kafka_uuid *id);
struct kafka_uuid topic_uuid(const struct topic *topic);

/* The bits of Kafka's operations that the caller may do with a topic (acl.AclOperation); for a group or the broker likewise. */
int32_t call_topic_operations(const struct broker_call *call, struct slice name);
int32_t call_group_operations(const struct broker_call *call, struct slice name);
int32_t call_cluster_operations(const struct broker_call *call);
#define OPERATIONS_UNASKED INT32_MIN

/* --- fetch.c ------------------------------------------------------------------------------------------ */

/* store_on_durable(): wakes who waits for the partition. */
void fetch_on_durable(void *user, struct topic *topic, uint32_t partition);

/* --- produce.c ---------------------------------------------------------------------------------------- */

/* Goes on with what found the log too far behind its disk. */
void produce_unstall(struct broker *broker);

/* --- groups.c ----------------------------------------------------------------------------------------- */

void groups_on_joined(void *user, void *waiter);
void groups_on_synced(void *user, void *waiter);

/* --- configs.c ---------------------------------------------------------------------------------------- */

/* Whether a topic could be made with these settings. */
int16_t configs_check(struct broker_call *call, const struct kafka_create_topics_request_creatable_topic *asked, struct slice *ret_words);
/* Gives them to the topic that was made (NULL: it is only asked for), and fills in all that it has. */
int16_t configs_create(struct broker_call *call, const struct kafka_create_topics_request_creatable_topic *asked, struct topic *topic,
                       struct kafka_create_topics_response_creatable_topic_result *answer);

/* --- handlers ----------------------------------------------------------------------------------------- */

broker_handler_fn produce_handle, fetch_handle, list_offsets_handle, offset_for_leader_epoch_handle;
broker_handler_fn metadata_handle, describe_cluster_handle, describe_topic_partitions_handle;
broker_handler_fn create_topics_handle, delete_topics_handle, create_partitions_handle, delete_records_handle;
broker_handler_fn describe_configs_handle, alter_configs_handle, incremental_alter_configs_handle;
broker_handler_fn join_group_handle, sync_group_handle, heartbeat_handle, leave_group_handle, find_coordinator_handle;
broker_handler_fn offset_commit_handle, offset_fetch_handle, offset_delete_handle;
broker_handler_fn list_groups_handle, describe_groups_handle, delete_groups_handle;
broker_handler_fn init_producer_id_handle, add_partitions_to_txn_handle, add_offsets_to_txn_handle, txn_offset_commit_handle,
    end_txn_handle, write_txn_markers_handle, describe_producers_handle, describe_transactions_handle, list_transactions_handle;
broker_handler_fn describe_log_dirs_handle, list_partition_reassignments_handle;

#endif
