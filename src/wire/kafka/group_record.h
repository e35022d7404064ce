/*
 * group_record: the records of `__consumer_offsets`, as Kafka writes them (GroupMetadataManager), so that a tool for the one reads the other.
 *
 *     key    1: int16 version, string group, string topic, int32 partition          an offset (0 is the same)
 *            2: int16 version, string group                                         a group
 *     value  of an offset, 3: int16 version, int64 offset, int32 leader epoch, string metadata, int64 commit time
 *            of a group, 3: int16 version, string protocol type, int32 generation, nullable string protocol, nullable string leader, int64 time of the state,
 *            []{ string member, nullable string instance, string client id, string client host, int32 rebalance timeout, int32 session timeout,
 *            bytes subscription, bytes assignment }
 *
 * A null value deletes. A group that has members and no leader has begun the generation, and nothing has been assigned yet: that form is Edda's own, others never write it.
 * Integers are big-endian, times milliseconds since 1970; strings have an int16 length, bytes an int32 one, -1 is null. What is parsed borrows its input.
 */
#ifndef EDDA_WIRE_KAFKA_GROUP_RECORD_H
#define EDDA_WIRE_KAFKA_GROUP_RECORD_H

#include "base/buffer.h"
#include "base/cursor.h"

#define GROUP_RECORD_STRING_MAX 32767 /* bytes; longer ones must not be put */

struct group_record_key {
    struct slice group;
    struct slice topic;       /* data NULL: the record is of the group itself */
    uint32_t partition;
};
void group_record_offset_key(struct buffer *out, struct slice group, struct slice topic, uint32_t partition);
void group_record_group_key(struct buffer *out, struct slice group);
/* False: of another kind or version, or malformed. */
bool group_record_key_parse(struct slice key, struct group_record_key *ret_key);

struct group_record_offset {
    int64_t offset;
    int32_t leader_epoch;     /* -1: none */
    struct slice metadata;
    int64_t commit_time_ms;
};
void group_record_offset_value(struct buffer *out, const struct group_record_offset *offset);
bool group_record_offset_parse(struct slice value, struct group_record_offset *ret_offset);

struct group_record {
    struct slice protocol_type;
    int32_t generation;
    struct slice protocol;    /* data NULL: none; likewise the leader, and a member's instance */
    struct slice leader;
    int64_t state_time_ms;
    uint32_t member_count;    /* each follows, with group_record_member_put() and group_record_member_next() */
};
struct group_record_member {
    struct slice member, instance, client_id, client_host;
    int32_t rebalance_timeout_ms, session_timeout_ms;
    struct slice subscription, assignment;
};
void group_record_put(struct buffer *out, const struct group_record *group);
void group_record_member_put(struct buffer *out, const struct group_record_member *member);
/* *ret_members is left before the first member. */
bool group_record_parse(struct slice value, struct group_record *ret_group, struct cursor *ret_members);
bool group_record_member_next(struct cursor *members, struct group_record_member *ret_member);

#endif
