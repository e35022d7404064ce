/* group_record: see group_record.h. */
#include "wire/kafka/group_record.h"

#include "base/assert.h"
#include "base/put.h"

#define OFFSET_KEY_VERSION 1
#define GROUP_KEY_VERSION 2
#define OFFSET_VALUE_VERSION 3
#define GROUP_VALUE_VERSION 3
#define NULL_LENGTH_16 UINT16_MAX
#define NULL_LENGTH_32 UINT32_MAX

static void number_put(struct buffer *out, uint64_t value, size_t bytes)
{
    uint8_t number[8];
    put_be64(number, value);
    buffer_append(out, number + sizeof(number) - bytes, bytes);
}

static void string_put(struct buffer *out, struct slice s)
{
    ASSERT(s.len <= GROUP_RECORD_STRING_MAX);
    number_put(out, s.len, 2);
    buffer_append_slice(out, s);
}

static void nullable_put(struct buffer *out, struct slice s)
{
    if (s.data)
        string_put(out, s);
    else
        number_put(out, NULL_LENGTH_16, 2);
}

static void bytes_put(struct buffer *out, struct slice s)
{
    ASSERT(s.len <= INT32_MAX);
    number_put(out, s.len, 4);
    buffer_append_slice(out, s);
}

static struct slice string_get(struct cursor *c)
{
    uint16_t len = cursor_be16(c);
    if (len > GROUP_RECORD_STRING_MAX)
        cursor_fail(c);
    return cursor_bytes(c, cursor_ok(c) ? len : 0);
}

/* Null has no data; the empty string has. */
static struct slice nullable_get(struct cursor *c)
{
    struct cursor ahead = *c;
    if (cursor_be16(&ahead) == NULL_LENGTH_16 && cursor_ok(&ahead)) {
        *c = ahead;
        return slice_of(NULL, 0);
    }
    return string_get(c);
}

static struct slice bytes_get(struct cursor *c)
{
    uint32_t len = cursor_be32(c);
    return len == NULL_LENGTH_32 && cursor_ok(c) ? slice_of(NULL, 0) : cursor_bytes(c, len);
}

void group_record_offset_key(struct buffer *out, struct slice group, struct slice topic, uint32_t partition)
{
    number_put(out, OFFSET_KEY_VERSION, 2);
    string_put(out, group);
    string_put(out, topic);
    number_put(out, partition, 4);
}

void group_record_group_key(struct buffer *out, struct slice group)
{
    number_put(out, GROUP_KEY_VERSION, 2);
    string_put(out, group);
}

bool group_record_key_parse(struct slice key, struct group_record_key *ret_key)
{
    struct cursor c = cursor_of(key);
    struct group_record_key found = { 0 };
    uint16_t version = cursor_be16(&c);
    if (version > GROUP_KEY_VERSION)
        return false;
    found.group = string_get(&c);
    if (version <= OFFSET_KEY_VERSION) {
        found.topic = string_get(&c);
        found.partition = cursor_be32(&c);
    }
    if (!cursor_ok(&c) || cursor_left(&c) != 0)
        return false;
    *ret_key = found;
    return true;
}

void group_record_offset_value(struct buffer *out, const struct group_record_offset *offset)
{
    number_put(out, OFFSET_VALUE_VERSION, 2);
    number_put(out, (uint64_t)offset->offset, 8);
    number_put(out, (uint32_t)offset->leader_epoch, 4);
    string_put(out, offset->metadata);
    number_put(out, (uint64_t)offset->commit_time_ms, 8);
}

bool group_record_offset_parse(struct slice value, struct group_record_offset *ret_offset)
{
    struct cursor c = cursor_of(value);
    uint16_t version = cursor_be16(&c);
    struct group_record_offset found = { .offset = (int64_t)cursor_be64(&c) };
    found.leader_epoch = (int32_t)cursor_be32(&c);
    found.metadata = string_get(&c);
    found.commit_time_ms = (int64_t)cursor_be64(&c);
    if (!cursor_ok(&c) || version != OFFSET_VALUE_VERSION)
        return false;
    *ret_offset = found;
    return true;
}

void group_record_put(struct buffer *out, const struct group_record *group)
{
    number_put(out, GROUP_VALUE_VERSION, 2);
    string_put(out, group->protocol_type);
    number_put(out, (uint32_t)group->generation, 4);
    nullable_put(out, group->protocol);
    nullable_put(out, group->leader);
    number_put(out, (uint64_t)group->state_time_ms, 8);
    number_put(out, group->member_count, 4);
}

void group_record_member_put(struct buffer *out, const struct group_record_member *member)
{
    string_put(out, member->member);
    nullable_put(out, member->instance);
    string_put(out, member->client_id);
    string_put(out, member->client_host);
    number_put(out, (uint32_t)member->rebalance_timeout_ms, 4);
    number_put(out, (uint32_t)member->session_timeout_ms, 4);
    bytes_put(out, member->subscription);
    bytes_put(out, member->assignment);
}

bool group_record_parse(struct slice value, struct group_record *ret_group, struct cursor *ret_members)
{
    struct cursor c = cursor_of(value);
    uint16_t version = cursor_be16(&c);
    struct group_record found = { .protocol_type = string_get(&c) };
    found.generation = (int32_t)cursor_be32(&c);
    found.protocol = nullable_get(&c);
    found.leader = nullable_get(&c);
    found.state_time_ms = (int64_t)cursor_be64(&c);
    found.member_count = cursor_be32(&c);
    if (!cursor_ok(&c) || version != GROUP_VALUE_VERSION || found.generation < 0)
        return false;
    *ret_group = found;
    *ret_members = c;
    return true;
}

bool group_record_member_next(struct cursor *members, struct group_record_member *ret_member)
{
    struct group_record_member found = { .member = string_get(members) };
    found.instance = nullable_get(members);
    found.client_id = string_get(members);
    found.client_host = string_get(members);
    found.rebalance_timeout_ms = (int32_t)cursor_be32(members);
    found.session_timeout_ms = (int32_t)cursor_be32(members);
    found.subscription = bytes_get(members);
    found.assignment = bytes_get(members);
    if (!cursor_ok(members))
        return false;
    *ret_member = found;
    return true;
}
