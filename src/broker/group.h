/*
 * group: classic consumer groups (Kafka's JoinGroup, SyncGroup, Heartbeat, LeaveGroup; KIP-62, 134, 345, 394, 559, 800, 814): who is a member, which generation it is,
 * who leads it and what he has assigned; and the offsets that a group has committed.
 *
 *     EMPTY -> PREPARING -> COMPLETING -> STABLE -> PREPARING ...   -> EMPTY -> DEAD
 *
 * A pure state machine: it is told the time, and tells by callbacks when a join or a sync that had to wait is over. What must outlive a restart is recorded in
 * `__consumer_offsets` as Kafka does: offsets, and of a group its generation, members and assignment, so that members that come back within their session go on without a rebalance.
 *
 * Session timeouts 6 s to 30 min; at most GROUPS_MAX groups, GROUP_MEMBERS_MAX members of one. All calls belong to the owner's thread; times are nanoseconds of the boot clock.
 */
#ifndef EDDA_BROKER_GROUP_H
#define EDDA_BROKER_GROUP_H

#include "store/store.h"

#define GROUPS_MAX 10000
#define GROUP_MEMBERS_MAX 1000
#define GROUP_PROTOCOLS_MAX 64
#define GROUP_SESSION_MIN_MS 6000
#define GROUP_SESSION_MAX_MS 1800000
#define GROUP_NAME_MAX 2048                        /* bytes */
#define GROUP_PROTOCOL_TYPE_MAX 255
#define GROUP_MEMBER_BYTES 64                      /* what a member counts for besides its names, its protocols with their metadata, and its assignment */
#define GROUP_BYTES_MAX ((UINT32_C(1) << 20) - 16384) /* of the members of one group, which are recorded together */
#define GROUPS_BYTES_MAX (UINT64_C(64) << 20)      /* of the members of all groups */
#define GROUPS_OFFSETS_MAX 500000                  /* of all groups, but for what transactions and services have committed */
#define GROUP_OFFSET_METADATA_MAX 4096
#define GROUP_OFFSETS_EXPIRE_MS INT64_C(604800000)

struct groups;

struct groups_options {
    struct store *store;
    int32_t rebalance_delay_ms;
    /* A join or sync that was parked is over: group_join_result() or group_sync_result() has its answer, during this call only. These may make further calls. */
    void (*joined)(void *user, void *waiter);
    void (*synced)(void *user, void *waiter);
    void *user;
};

/* Reads `__consumer_offsets`. What is recorded from now on, also by others (transactions, the store's own commits), is read when it is asked for. Negative: it cannot be read; EDDA_ENOMEM. */
int groups_open(const struct groups_options *options, struct groups **ret_groups, struct edda_error *error);
/* What is parked is forgotten, without callbacks. */
void groups_close(struct groups *groups);
/* What is due; returns the time at which there is something again, INT64_MAX: never. */
int64_t groups_turn(struct groups *groups, int64_t now_ns);

struct group_protocol {
    struct slice name;
    struct slice metadata;
};

struct group_join {
    struct slice group, member, instance;  /* member empty: a new one; instance data NULL: dynamic */
    struct slice client_id, client_host;
    int32_t session_timeout_ms, rebalance_timeout_ms;
    struct slice protocol_type;
    const struct group_protocol *protocols;
    uint32_t protocol_count;
    bool member_id_required;               /* the protocol version has MEMBER_ID_REQUIRED (4 and more) */
    bool skip_assignment;                  /* ... and SkipAssignment (9) */
};

struct group_member_metadata {
    struct slice member, instance, metadata;
};

/* Slices are borrowed from the group: copy them before the next call. Kafka's error codes, since they have no others of ours. */
struct group_joined {
    int16_t error;
    int32_t generation;
    struct slice protocol_type, protocol, leader, member;
    bool skip_assignment;
    const struct group_member_metadata *members;
    uint32_t member_count;
};

/*
 * 1: answered in *ret_joined. 0: parked; `joined` is called with `waiter`, which is not NULL and names no other parked request, when group_join_result() has the answer.
 * Beyond a limit: GROUP_MAX_SIZE_REACHED. A request of a member that is parked already takes the older one's place, which is told REBALANCE_IN_PROGRESS.
 */
int group_join(struct groups *groups, const struct group_join *join, int64_t now_ns, void *waiter, struct group_joined *ret_joined);

struct group_assignment {
    struct slice member, assignment;
};
struct group_sync {
    struct slice group, member, instance, protocol_type, protocol;
    int32_t generation;
    const struct group_assignment *assignments;
    uint32_t assignment_count;
};
struct group_synced {
    int16_t error;
    struct slice protocol_type, protocol, assignment;
};
int group_sync(struct groups *groups, const struct group_sync *sync, int64_t now_ns, void *waiter, struct group_synced *ret_synced);

/* Of a waiter, in its callback. */
void group_join_result(struct groups *groups, void *waiter, struct group_joined *ret_joined);
void group_sync_result(struct groups *groups, void *waiter, struct group_synced *ret_synced);
/* The waiter's connection is gone: its member has its session to come back, or is gone too when nobody knows its id. */
void group_forget(struct groups *groups, void *waiter);

/* These return Kafka's error code. */
int16_t group_heartbeat(struct groups *groups, struct slice group, struct slice member, struct slice instance, int32_t generation, int64_t now_ns);
int16_t group_leave(struct groups *groups, struct slice group, struct slice member, struct slice instance, int64_t now_ns);

/* Who commits or asks: generation -1 and no member: nobody of the group. */
struct group_caller {
    struct slice group, member, instance;
    int32_t generation;
    bool transactional;                    /* TxnOffsetCommit: checked likewise (KIP-447), but nobody may commit to a group that has members, too; and no rebalance is in its way */
};
int16_t group_commit_check(struct groups *groups, const struct group_caller *caller, int64_t now_ns);
/* After group_commit_check(): records one offset. NONE, OFFSET_METADATA_TOO_LARGE, UNKNOWN_TOPIC_OR_PARTITION, INVALID_REQUEST (a negative offset), POLICY_VIOLATION (a limit), COORDINATOR_LOAD_IN_PROGRESS
 * (the store is busy), COORDINATOR_NOT_AVAILABLE (it cannot record it now). */
int16_t group_commit(struct groups *groups, const struct group_caller *caller, struct slice topic, uint32_t partition, int64_t offset, int32_t leader_epoch,
                     struct slice metadata);
struct group_offset {
    struct slice topic;
    uint32_t partition;
    int64_t offset;                        /* -1: none */
    int32_t leader_epoch;
    struct slice metadata;
    int64_t commit_time_ms;
};
/* 0, or negative: it cannot be read. Metadata is borrowed until the next call. */
int group_offset(struct groups *groups, struct slice group, struct slice topic, uint32_t partition, struct group_offset *ret_offset);
/* `visit` must make no call here; a result other than 0 ends it and is returned. Likewise below. */
int group_offsets_each(struct groups *groups, struct slice group, int (*visit)(void *user, const struct group_offset *offset), void *user);

/* Every offset of every group, without its metadata. */
int groups_offsets_each(struct groups *groups, int (*visit)(void *user, struct slice group, const struct group_offset *offset), void *user);

enum group_state { GROUP_EMPTY, GROUP_PREPARING, GROUP_COMPLETING, GROUP_STABLE, GROUP_DEAD };
/* "Empty", "PreparingRebalance", "CompletingRebalance", "Stable", "Dead". */
const char *group_state_name(enum group_state state);

struct group_member_info {
    struct slice member, instance, client_id, client_host, metadata, assignment;
};
struct group_info {
    struct slice group, protocol_type, protocol;
    enum group_state state;
    int32_t generation;
    uint32_t member_count;
};
/* EDDA_ENOTFOUND. The protocol is that of a stable group, and so are the members' metadata and assignments; else they are empty. */
int group_get(struct groups *groups, struct slice group, struct group_info *ret_info);
int group_members_each(struct groups *groups, struct slice group, int (*visit)(void *user, const struct group_member_info *member), void *user);
int groups_each(struct groups *groups, int (*visit)(void *user, const struct group_info *group), void *user);
/* Bytes of the members of all groups, and how many offsets are committed. */
void groups_sizes(const struct groups *groups, uint64_t *ret_bytes, uint64_t *ret_offsets);

/* Kafka's codes: NON_EMPTY_GROUP, GROUP_ID_NOT_FOUND, GROUP_SUBSCRIBED_TO_TOPIC ... */
int16_t group_delete(struct groups *groups, struct slice group, int64_t now_ns);
int16_t group_offset_delete(struct groups *groups, struct slice group, struct slice topic, uint32_t partition);

#endif
