/*
 * What the files of the groups share.
 *
 *   group.c             the groups and their members as objects, sessions, the turn
 *   group_waiting.c     joins and syncs that are under way, and how they end
 *   group_rebalance.c   from one generation to the next
 *   group_join.c        JoinGroup
 *   group_member.c      SyncGroup, Heartbeat, LeaveGroup, and who may commit
 *   group_offsets.c     offsets: the fold of the log, commits, expiry, deletion
 *   group_log.c         the records of groups in the log: written, and read at the start
 *   group_info.c        listings, and which topics a group is subscribed to
 *
 * Invariants:
 *   1. A member's session runs exactly while none of its requests is parked.
 *   2. A group in PREPARING or COMPLETING has a timer, so nothing parked waits for ever.
 *   3. A generation that was told to anybody is in the log before the answer is (which is stamped with the log's tail).
 *   4. Callbacks are made at the end of a call, from a list of what has ended, each with a copy of its answer: they may call back.
 */
#ifndef EDDA_BROKER_GROUP_PARTS_H
#define EDDA_BROKER_GROUP_PARTS_H

#include "base/arena.h"
#include "base/assert.h"
#include "base/buffer.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/table.h"
#include "broker/group.h"
#include "wire/kafka/errors.h"
#include "wire/kafka/group_record.h"

#define MS_NS INT64_C(1000000)
#define OFFSETS_TOPIC "__consumer_offsets"

struct group_member {
    struct list link;          /* of the group: its members in the order in which they came, or those it expects */
    struct table_link by_id;
    struct table_link by_instance; /* when it is static */
    struct heap_node session;
    struct group *group;
    /* One block of memory each: the names, and the protocols with theirs. */
    uint8_t *texts;
    struct slice id, instance, client_id, client_host; /* instance data NULL: dynamic */
    struct group_protocol *protocols; /* by preference; metadata as the client gave it */
    uint32_t protocol_count;
    uint8_t *assigned;         /* its part of the generation's assignment */
    struct slice assignment;
    int32_t session_timeout_ms, rebalance_timeout_ms;
    struct waiting *joining, *syncing; /* parked, or NULL */
    bool expected;             /* it was given an id, and has not come with it yet */
    bool nameless;             /* a dynamic one that has not been told its id: nobody can come back as it */
    bool owes_sync;            /* it was told of the generation, and has not asked for its assignment */
};

enum group_timer { TIMER_NONE, TIMER_INITIAL, TIMER_REBALANCE, TIMER_SYNC };

struct group {
    struct table_link link;
    struct heap_node timer;
    enum group_timer timer_kind;
    enum group_state state;
    int32_t generation;
    struct slice protocol_type, protocol; /* owned; data NULL: none */
    struct group_member *leader;
    struct list members, expected;
    uint32_t member_count, expected_count, joining_count;
    bool initial;              /* PREPARING the first generation: more members are waited for */
    bool more_came;            /* ... and there were some since the timer was set */
    int64_t initial_left_ms;
    int64_t state_time_ms;     /* log time at which it became STABLE or EMPTY; -1: it never had members */
    struct list offsets;
    uint32_t offset_count;
    size_t bytes;              /* of its members, see member_bytes() */
    size_t name_len;
    uint8_t name[];
};

struct group_offset_entry {
    struct table_link link;
    struct list of_group;
    struct group *group;
    int64_t offset, commit_time_ms;
    int32_t leader_epoch;
    uint32_t partition;
    bool has_metadata;         /* which is looked up when it is asked for */
    uint8_t topic_len;
    uint8_t topic[];
};

enum waiting_kind { WAITING_JOIN, WAITING_SYNC };

/* A join or sync that is under way: parked with a member, or ended and about to be told. */
struct waiting {
    struct list ended;
    struct table_link by_waiter;
    enum waiting_kind kind;
    void *waiter;
    struct group_member *member; /* NULL: not parked */
    bool own;                  /* of the call that is being made: its caller gets the answer as a result */
    bool over;
    struct arena arena;        /* of the answer */
    struct group_joined joined;
    struct group_synced synced;
};

struct groups {
    struct groups_options options;
    struct store *store;
    uint64_t seed;
    struct table by_name, members, instances, offsets, waitings;
    struct heap sessions, timers;
    uint64_t order;            /* of timers that are due at once */
    struct list ended;         /* to be told */
    bool telling;
    struct waiting *telling_of;
    struct list told;          /* whose answers are borrowed until the next call */
    struct topic *topic;       /* NULL until it is there */
    uint64_t folded_position;  /* up to which it was read */
    int64_t folded_offset;     /* ... what its next offset was then: while it still is, nobody has written */
    bool loading;
    bool started;              /* the sessions of the members that were loaded run */
    int64_t now_ns;
    int64_t sweep_ns;          /* when offsets and groups are next looked through for what has expired */
    size_t bytes;              /* of all members */
    struct buffer key, value;  /* of a record that is being written */
    struct buffer metadata;    /* of an offset that was asked for */
};

static inline struct slice group_name(const struct group *group)
{
    return slice_of(group->name, group->name_len);
}

static inline bool member_parked(const struct group_member *member)
{
    return member->joining || member->syncing;
}

/* --- group.c ------------------------------------------------------------------------------------------ */

/* Every call begins with it. */
void groups_enter(struct groups *groups, int64_t now_ns);

struct group *group_find(struct groups *groups, struct slice name);
/* NULL when out of memory. EMPTY, of generation 0. */
struct group *group_new(struct groups *groups, struct slice name);
/* It has no members left; its offsets in memory go with it. */
void group_free(struct groups *groups, struct group *group);
/* The only way to change it; asserts that the change is a legal one. */
void group_state_set(struct group *group, enum group_state state);
/* Sets an owned slice of the group; data NULL: none. False when out of memory. */
bool owned_set(struct slice *owned, struct slice value);

/* A member outside of any group, with all the join says and this id. NULL when out of memory. */
struct group_member *member_new(const struct group_join *join, struct slice id);
void member_free(struct group_member *member);
/* What it counts as against the limits. */
size_t member_bytes(const struct group_member *member);
/* Whether the group may take so many bytes more. */
bool group_bytes_allowed(const struct groups *groups, const struct group *group, size_t more);
/* Puts it into the group, as a member or as one that is expected. False when out of memory. */
bool member_add(struct groups *groups, struct group *group, struct group_member *member, bool expected);
/* Takes it out of the group and frees it; its parked requests end with `error`. The group's state is the caller's concern. */
void member_remove(struct groups *groups, struct group_member *member, int16_t error);
/* Exchanges everything that a join says of the one in the group and of `other`, which is in none. */
void member_exchange(struct groups *groups, struct group_member *member, struct group_member *other);
/* Also finds those that are expected. */
struct group_member *member_find(struct groups *groups, struct group *group, struct slice id);
struct group_member *instance_find(struct groups *groups, struct group *group, struct slice instance);
/* KAFKA_NONE and the member, UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID. */
int16_t member_check(struct groups *groups, struct group *group, struct slice id, struct slice instance, struct group_member **ret_member);
void member_assign(struct groups *groups, struct group_member *member, uint8_t *owned, size_t len);
/* A sign of life: its session begins anew, unless it is parked. */
void session_renew(struct groups *groups, struct group_member *member);

void group_timer_set(struct groups *groups, struct group *group, enum group_timer kind, int64_t delay_ms);
void group_timer_clear(struct groups *groups, struct group *group);

/* --- group_waiting.c ---------------------------------------------------------------------------------- */

/* NULL when out of memory. */
struct waiting *waiting_new(enum waiting_kind kind, void *waiter);
void waiting_free(struct waiting *waiting);
/* Parks it with the member; an older one of its kind is over. */
void waiting_park(struct groups *groups, struct waiting *waiting, struct group_member *member);
/* Takes it from its member, unanswered. */
void waiting_unpark(struct groups *groups, struct waiting *waiting);
/* Ends it, parked or not: with an error; with what a member is to know of the generation (`leader`: whom it takes for that); with its assignment. */
void waiting_fail(struct groups *groups, struct waiting *waiting, int16_t error);
void waiting_join_end(struct groups *groups, struct waiting *waiting, const struct group_member *member, struct slice leader, bool with_members,
                      bool skip_assignment);
void waiting_sync_end(struct groups *groups, struct waiting *waiting, const struct group_member *member);
/* The end of a join or sync: 1 and its answer, or 0 when it is parked. */
int group_call_end(struct groups *groups, struct waiting *waiting, struct group_joined *ret_joined, struct group_synced *ret_synced);
/* Every call that changes something ends with it: makes the callbacks that are due. */
void waitings_tell(struct groups *groups);

/* --- group_rebalance.c -------------------------------------------------------------------------------- */

/* Something has changed: a rebalance begins, or one that is under way may be complete. */
void group_rebalance(struct groups *groups, struct group *group);
/* A rebalance that is under way may be complete, now that somebody came or went. */
void group_rebalance_check(struct groups *groups, struct group *group);
/* After a member has gone. */
void group_member_gone(struct groups *groups, struct group *group);
void group_timer_due(struct groups *groups, struct group *group);
/* Of the protocols that every member has, the one that most prefer, of equals the one that the leader prefers; data NULL when there is none. */
struct slice group_protocol_choose(const struct group *group);
/* Whether a member with these protocols could be one of the group (NULL: of a new one). */
bool group_protocols_fit(const struct group *group, const struct group_join *join);
const struct group_protocol *member_protocol(const struct group_member *member, struct slice name);

/* --- group_offsets.c ---------------------------------------------------------------------------------- */

/* Takes in what was appended to the topic since the last time. Negative: it cannot be read. */
int groups_fold(struct groups *groups, struct edda_error *error);
/* Removes offsets and groups that have expired. */
void groups_sweep(struct groups *groups);
void group_offset_free(struct groups *groups, struct group_offset_entry *entry);

/* --- group_log.c -------------------------------------------------------------------------------------- */

/* What a failure to append means to a client. */
int16_t group_append_error(int code);
int groups_append(struct groups *groups, struct slice key, struct slice value, struct edda_error *error);
/* Writes the group as it is: its members with the assignments, and the leader only if `stable`. */
int group_record_write(struct groups *groups, const struct group *group, bool stable);
/* Null values for the group and all its offsets. */
int group_record_delete(struct groups *groups, const struct group *group);
/* A group as its record says, while loading; value data NULL: there is none any more. */
int group_record_load(struct groups *groups, struct slice name, struct slice value);

/* --- group_info.c ------------------------------------------------------------------------------------- */

/* Whether members of the group are, or must be taken to be, subscribed to the topic. */
bool group_subscribed(const struct group *group, struct slice topic);

#endif
