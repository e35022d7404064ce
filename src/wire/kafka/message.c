/*
 * message: what is known of a message without walking it, the heads of requests and responses, and errors that say where in a message they are.
 * message_decode.c and message_encode.c walk.
 */
#include "wire/kafka/message.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/cursor.h"
#include "base/put.h"
#include "wire/kafka/message_table.h"

#define LENGTH_BYTES 4
#define HEAD_FIXED_BYTES 10 /* of a request: key, version, correlation id, length of the client id */
#define STRING_BYTES_MAX INT16_MAX

int kafka_message_key(const struct kafka_message *message)
{
    return message->key;
}

const char *kafka_message_name(const struct kafka_message *message)
{
    return message->name;
}

size_t kafka_message_size(const struct kafka_message *message)
{
    return message->type->size;
}

bool kafka_message_flexible(const struct kafka_message *message, int version)
{
    return version >= message->flexible;
}

void kafka_message_init(const struct kafka_message *message, void *ret_value)
{
    memcpy(ret_value, message->type->initial, message->type->size);
}

int message_version_check(const struct kafka_message *message, int version, struct edda_error *error)
{
    if (version >= message->first && version <= message->last)
        return 0;
    return edda_fail_with(error, EDDA_EUNSUPPORTED, "%s has versions %d to %d, not %d", message->name, message->first, message->last, version);
}

/* "Topics[0].Partitions[3].Records"; what does not fit is left off. */
static void path_text(const struct message_path *path, const struct kafka_field *field, char *text, size_t size)
{
    size_t len = 0;
    text[0] = 0;
    for (int i = 0; i < path->depth && len < size; i++) {
        const char *dot = i ? "." : "";
        if (path->at[i].index < 0)
            len += (size_t)snprintf(text + len, size - len, "%s%s", dot, path->at[i].field->name);
        else
            len += (size_t)snprintf(text + len, size - len, "%s%s[%d]", dot, path->at[i].field->name, (int)path->at[i].index);
    }
    if (field && len < size)
        snprintf(text + len, size - len, "%s%s", path->depth ? "." : "", field->name);
}

int message_path_fail(const struct message_path *path, const struct kafka_field *field, int code, const char *format, ...)
{
    char where[160];
    char what[200];
    va_list args;
    path_text(path, field, where, sizeof(where));
    va_start(args, format);
    vsnprintf(what, sizeof(what), format, args);
    va_end(args);
    return edda_fail_field(path->error, code, where, "%s%s%s: %s", path->message->name, where[0] ? " " : "", where, what);
}

/* Reads the head and leaves the cursor behind it. */
static int head_read(struct cursor *c, struct kafka_request_head *head, struct edda_error *error)
{
    size_t bytes = cursor_left(c);
    head->api_key = (int16_t)cursor_be16(c);
    head->api_version = (int16_t)cursor_be16(c);
    head->correlation_id = (int32_t)cursor_be32(c);
    int16_t client_len = (int16_t)cursor_be16(c);
    if (!cursor_ok(c))
        return edda_fail_with(error, EDDA_EMALFORMED, "the head of a request has at least %d bytes, not %zu", HEAD_FIXED_BYTES, bytes);
    if (client_len < -1 || (client_len > 0 && (size_t)client_len > cursor_left(c)))
        return edda_fail_field(error, EDDA_EMALFORMED, "client_id", "client_id of the head of a request: %d bytes at byte %d, with %zu left",
                               (int)client_len, HEAD_FIXED_BYTES, cursor_left(c));
    head->client_id = client_len < 0 ? slice_of(NULL, 0) : slice_of(c->at, (size_t)client_len);
    cursor_skip(c, head->client_id.len);
    return 0;
}

int kafka_request_head(struct slice frame, struct kafka_request_head *ret_head, struct edda_error *error)
{
    struct cursor c = cursor_of(frame);
    struct kafka_request_head head;
    int r = head_read(&c, &head, error);
    if (r == 0)
        *ret_head = head;
    return r;
}

int kafka_request_body(struct slice frame, bool flexible, struct slice *ret_body, struct edda_error *error)
{
    struct cursor c = cursor_of(frame);
    struct kafka_request_head head;
    int r = head_read(&c, &head, error);
    if (r < 0)
        return r;
    const uint8_t *tags = c.at;
    for (uint32_t count = flexible ? cursor_uvarint32(&c) : 0; count > 0 && cursor_ok(&c); count--) {
        (void)cursor_uvarint32(&c);
        uint32_t len = cursor_uvarint32(&c);
        cursor_skip(&c, len);
    }
    if (!cursor_ok(&c))
        return edda_fail_with(error, EDDA_EMALFORMED, "the tagged fields of the head of a request, from byte %zu on, go past its end",
                              (size_t)(tags - frame.data));
    *ret_body = slice_of(c.at, cursor_left(&c));
    return 0;
}

/* Writes the length before what was appended since `start`; on failure takes it all back. */
static int frame_finish(struct buffer *out, size_t start, int r, const struct kafka_message *message, struct edda_error *error)
{
    if (!buffer_ok(out))
        return r;
    size_t len = out->len - start - LENGTH_BYTES;
    if (r == 0 && len > INT32_MAX)
        r = edda_fail_with(error, EDDA_ETOOLARGE, "%s of %zu bytes; a frame has at most %d", message->name, len, INT32_MAX);
    if (r < 0)
        buffer_truncate(out, start);
    else
        put_be32(out->data + start, (uint32_t)len);
    return r;
}

int kafka_response_put(struct buffer *out, int32_t correlation_id, bool flexible, const struct kafka_message *message, int version,
                       const void *value, const struct slice *pieces, struct edda_error *error)
{
    size_t start = out->len;
    uint8_t *at = buffer_extend(out, LENGTH_BYTES + 4 + (flexible ? 1 : 0));
    if (at) {
        at = put_be32(put_be32(at, 0), (uint32_t)correlation_id);
        if (flexible)
            put_u8(at, 0); /* no tagged fields */
    }
    return frame_finish(out, start, kafka_encode_pieces(message, version, value, pieces, out, error), message, error);
}

int kafka_request_put(struct buffer *out, const struct kafka_request_head *head, const struct kafka_message *message, const void *value,
                      struct edda_error *error)
{
    size_t start = out->len;
    bool flexible = kafka_message_flexible(message, head->api_version);
    bool named = head->client_id.data != NULL;
    if (head->client_id.len > STRING_BYTES_MAX)
        return edda_fail_field(error, EDDA_ETOOLARGE, "client_id", "client_id of %zu bytes; at most %d", head->client_id.len, STRING_BYTES_MAX);
    uint8_t *at = buffer_extend(out, LENGTH_BYTES + HEAD_FIXED_BYTES + head->client_id.len + (flexible ? 1 : 0));
    if (at) {
        at = put_be16(put_be32(at, 0), (uint16_t)head->api_key);
        at = put_be32(put_be16(at, (uint16_t)head->api_version), (uint32_t)head->correlation_id);
        at = put_be16(at, named ? (uint16_t)head->client_id.len : UINT16_MAX);
        at = put_slice(at, head->client_id);
        if (flexible)
            put_u8(at, 0);
    }
    return frame_finish(out, start, kafka_encode(message, head->api_version, value, out, error), message, error);
}
