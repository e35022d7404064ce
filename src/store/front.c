/* See front.h. */
#include "store/front.h"

#include "base/put.h"
#include "edda/error.h"

#define VALUE_NULL UINT32_MAX
#define HEAD_BYTES 16
#define ROW_HEAD_BYTES 8

bool front_row_next(struct cursor *rows, struct slice *ret_key, struct slice *ret_value)
{
    if (cursor_left(rows) == 0)
        return false;
    uint32_t key = cursor_le32(rows);
    uint32_t value = cursor_le32(rows);
    *ret_key = cursor_bytes(rows, key);
    *ret_value = value == VALUE_NULL ? slice_of(NULL, 0) : cursor_bytes(rows, value);
    return cursor_ok(rows);
}

int front_left_parse(struct slice left, struct front_left *ret_left)
{
    struct cursor c = cursor_of(left);
    struct slice key, value;
    uint32_t count = 0;
    *ret_left = (struct front_left){ .topics_end = 0 };
    if (left.len == 0)
        return 0;
    ret_left->topics_end = (int64_t)cursor_le64(&c);
    ret_left->row_count = cursor_le32(&c);
    ret_left->rows = cursor_bytes(&c, cursor_le32(&c));
    if (!cursor_ok(&c) || ret_left->topics_end < 0)
        return EDDA_ECORRUPT;
    ret_left->removed = slice_from(left, left.len - cursor_left(&c));
    struct cursor rows = cursor_of(ret_left->rows);
    while (front_row_next(&rows, &key, &value))
        count++;
    return cursor_ok(&rows) && count == ret_left->row_count ? 0 : EDDA_ECORRUPT;
}

void front_row_put(struct buffer *rows, struct slice key, struct slice value)
{
    uint8_t head[ROW_HEAD_BYTES];
    put_le32(put_le32(head, (uint32_t)key.len), value.data ? (uint32_t)value.len : VALUE_NULL);
    buffer_append(rows, head, sizeof(head));
    buffer_append_slice(rows, key);
    buffer_append_slice(rows, value);
}

void front_left_put(struct buffer *out, int64_t topics_end, uint32_t row_count, size_t row_bytes)
{
    uint8_t head[HEAD_BYTES];
    put_le32(put_le32(put_le64(head, (uint64_t)topics_end), row_count), (uint32_t)row_bytes);
    buffer_append(out, head, sizeof(head));
}
