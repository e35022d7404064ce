/*
 * Records of `__consumer_offsets` of any bytes, as a key, an offset and a group: nothing is read outside of them, and what was taken and put is taken again, and put to the same.
 */
#include <stdlib.h>

#include "base/assert.h"
#include "fuzz.h"
#include "wire/kafka/group_record.h"

#define INPUT_MAX 4096

static bool inside(struct slice part, struct slice whole)
{
    return part.len == 0 || (part.data >= whole.data && part.data + part.len <= whole.data + whole.len);
}

static bool key_again(struct slice bytes, struct buffer *out)
{
    struct group_record_key key;
    if (!group_record_key_parse(bytes, &key))
        return false;
    ASSERT(inside(key.group, bytes) && inside(key.topic, bytes));
    if (key.topic.data)
        group_record_offset_key(out, key.group, key.topic, key.partition);
    else
        group_record_group_key(out, key.group);
    return true;
}

static bool offset_again(struct slice bytes, struct buffer *out)
{
    struct group_record_offset offset;
    if (!group_record_offset_parse(bytes, &offset))
        return false;
    ASSERT(inside(offset.metadata, bytes));
    group_record_offset_value(out, &offset);
    return true;
}

static bool group_again(struct slice bytes, struct buffer *out)
{
    struct group_record group;
    struct group_record_member member;
    struct cursor members;
    if (!group_record_parse(bytes, &group, &members))
        return false;
    ASSERT(inside(group.protocol_type, bytes) && inside(group.protocol, bytes) && inside(group.leader, bytes));
    ASSERT(group.generation >= 0);
    group_record_put(out, &group);
    for (uint32_t i = 0; i < group.member_count; i++) {
        if (!group_record_member_next(&members, &member))
            return false;
        ASSERT(inside(member.member, bytes) && inside(member.instance, bytes) && inside(member.subscription, bytes) && inside(member.assignment, bytes));
        group_record_member_put(out, &member);
    }
    return true;
}

static void check(struct slice bytes, bool (*again)(struct slice bytes, struct buffer *out))
{
    struct buffer first = BUFFER_EMPTY, second = BUFFER_EMPTY;
    if (again(bytes, &first)) {
        bool taken = again(buffer_slice(&first), &second);
        ASSERT(taken && slice_eq(buffer_slice(&first), buffer_slice(&second)));
    }
    buffer_deinit(&first);
    buffer_deinit(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice bytes = slice_of(data, size);
    if (size == 0 || size > INPUT_MAX)
        return 0;
    check(bytes, key_again);
    check(bytes, offset_again);
    check(bytes, group_again);
    return 0;
}
