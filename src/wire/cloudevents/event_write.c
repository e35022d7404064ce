/* event: writing; see event.h. Records that somebody else wrote may have anything in their headers: what is no attribute of CloudEvents stays behind. */
#include <inttypes.h>
#include <string.h>

#include "base/base64.h"
#include "wire/cloudevents/event.h"
#include "wire/json/json.h"
#include "wire/json/text.h"
#include "wire/json/time.h"

#define PREFIX_BYTES 3 /* "ce_" */
#define HEADERS_LOOKED_MAX 256 /* of a record: each is compared with those before it */

/* Where attributes go: members of an object, or lines of headers. */
struct writing {
    struct buffer *out;
    bool json;
    bool any;
};

/* Binary mode: space, quote, percent sign and all that is not printable ASCII are percent-encoded (HTTP protocol binding 3.1.3.2). */
static void put_header_text(struct buffer *out, struct slice text)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = text.data[i];
        if (byte > 0x20 && byte < 0x7f && byte != '"' && byte != '%') {
            buffer_append_byte(out, byte);
        } else {
            const char encoded[] = { '%', digits[byte >> 4], digits[byte & 15] };
            buffer_append(out, encoded, sizeof encoded);
        }
    }
}

static void put_attribute(struct writing *writing, struct slice name, struct slice text)
{
    struct buffer *out = writing->out;
    if (!writing->json) {
        buffer_append(out, "ce-", 3);
        buffer_append_slice(out, name);
        buffer_append(out, ": ", 2);
        put_header_text(out, text);
        buffer_append(out, "\r\n", 2);
        return;
    }
    buffer_append_byte(out, writing->any ? ',' : '{');
    writing->any = true;
    buffer_append_byte(out, '"');
    buffer_append_slice(out, name);
    buffer_append(out, "\":", 2);
    json_put_string(out, text);
}

static void put_number(struct writing *writing, struct slice name, uint64_t number)
{
    uint8_t digits[20];
    size_t at = sizeof digits;
    do
        digits[--at] = (uint8_t)('0' + number % 10);
    while ((number /= 10) > 0);
    put_attribute(writing, name, slice_of(digits + at, sizeof digits - at));
}

/* A value that an attribute can have: UTF-8 without control characters. */
static bool is_text(struct slice value)
{
    for (size_t i = 0; i < value.len; i++)
        if (value.data[i] < ' ' || value.data[i] == 0x7f)
            return false;
    return value.len > 0 && text_utf8_valid(value);
}

/* Whether a record header is an attribute that goes out as it is. Those that are written of their own accord are none. */
static bool is_extension(const struct record_header *header)
{
    static const char *const own[] = { "specversion", "id", "source", "type", "time", "subject", "datacontenttype", "data", "streamversion", "logposition" };
    struct slice name = header->key;
    if (slice_eq_str(name, "traceparent") || slice_eq_str(name, "tracestate"))
        return is_text(header->value);
    if (!slice_has_prefix(name, SLICE("ce_")) || name.len == PREFIX_BYTES || !is_text(header->value))
        return false;
    name = slice_from(name, PREFIX_BYTES);
    for (size_t i = 0; i < name.len; i++)
        if ((name.data[i] < 'a' || name.data[i] > 'z') && (name.data[i] < '0' || name.data[i] > '9'))
            return false;
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        if (slice_eq_str(name, own[i]))
            return false;
    return true;
}

static struct slice attribute_name(struct slice header)
{
    return slice_has_prefix(header, SLICE("ce_")) ? slice_from(header, PREFIX_BYTES) : header;
}

/* Whether an attribute of this name stood in an earlier header of the record, so that it is out already. */
static bool is_repeated(const struct record *record, struct slice key)
{
    struct cursor headers = cursor_of(record->headers);
    struct record_header header;
    while (record_header_next(&headers, &header) && header.key.data != key.data)
        if (is_extension(&header) && slice_eq(attribute_name(header.key), attribute_name(key)))
            return true;
    return false;
}

static struct slice header_text(const struct record *record, const char *name)
{
    struct slice value;
    return record_header_find(record, name, &value) && is_text(value) ? value : slice_of(NULL, 0);
}

struct slice event_type_of(const struct event_out *out)
{
    struct slice type = header_text(out->record, "ce_type");
    bool is_string;
    if (!type.len)
        type = header_text(out->record, "type");
    if (!type.len && out->record->value.len && json_find(out->record->value, "eventType", &type, &is_string) &&
        (!is_string || !is_text(type) || memchr(type.data, '\\', type.len)))
        type.len = 0;
    return type.len ? type : SLICE("record");
}

/* A record that has no id of its own is told from all others by its place. */
static void put_identity(struct writing *writing, const struct event_out *out)
{
    struct slice id = header_text(out->record, "ce_id"), source = header_text(out->record, "ce_source");
    struct buffer place = BUFFER_EMPTY;
    if (!id.len) {
        buffer_append_slice(&place, out->topic);
        buffer_printf(&place, "-%u-%" PRId64, out->partition, out->record->offset);
        id = buffer_slice(&place);
    }
    put_attribute(writing, SLICE("id"), id);
    buffer_clear(&place);
    if (!source.len) {
        buffer_append_str(&place, "/topics/");
        buffer_append_slice(&place, out->topic);
        source = buffer_slice(&place);
    }
    put_attribute(writing, SLICE("source"), source);
    writing->out->failed |= place.failed;
    buffer_deinit(&place);
}

/* Everything but data and its type. */
static void put_attributes(struct writing *writing, const struct event_out *out)
{
    const struct record *record = out->record;
    struct slice subject = header_text(record, "ce_subject");
    struct cursor headers = cursor_of(record->headers);
    struct record_header header;
    uint8_t time[TIME_TEXT_BYTES];
    put_attribute(writing, SLICE("specversion"), SLICE("1.0"));
    put_identity(writing, out);
    put_attribute(writing, SLICE("type"), event_type_of(out));
    time_put(time, record->timestamp_ms);
    put_attribute(writing, SLICE("time"), slice_of(time, sizeof time));
    if (!subject.len && is_text(record->key))
        subject = record->key;
    if (subject.len)
        put_attribute(writing, SLICE("subject"), subject);
    for (uint32_t i = 0; i < HEADERS_LOOKED_MAX && record_header_next(&headers, &header); i++)
        if (is_extension(&header) && !is_repeated(record, header.key))
            put_attribute(writing, attribute_name(header.key), header.value);
    if (out->version >= 0)
        put_number(writing, SLICE("streamversion"), (uint64_t)out->version);
    if (out->position != UINT64_MAX)
        put_number(writing, SLICE("logposition"), out->position);
}

/* Of data: JSON, text, or bytes. */
enum data_kind { DATA_NONE, DATA_JSON, DATA_TEXT, DATA_BYTES };

static enum data_kind data_kind_of(const struct record *record, struct slice *ret_content_type)
{
    size_t wrong;
    *ret_content_type = header_text(record, "content-type");
    if (!record->value.data)
        return DATA_NONE;
    bool declared = ret_content_type->len > 0;
    bool json = event_type_is_json(*ret_content_type) && json_valid(record->value, &wrong);
    if (json && !declared)
        *ret_content_type = SLICE("application/json");
    if (json)
        return DATA_JSON;
    /* What says that it is JSON and is not, is given as it is. */
    bool text = text_utf8_valid(record->value) && !(declared && event_type_is_json(*ret_content_type));
    if (!declared)
        *ret_content_type = text ? SLICE("text/plain") : SLICE("application/octet-stream");
    return text ? DATA_TEXT : DATA_BYTES;
}

static bool is_space(uint8_t byte)
{
    return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
}

/* JSON on one line, without the white space around it: line ends are white space there, for they cannot stand in a string. */
static void put_line(struct buffer *out, struct slice json)
{
    while (json.len && is_space(json.data[0]))
        json = slice_from(json, 1);
    while (json.len && is_space(json.data[json.len - 1]))
        json.len--;
    size_t begin = out->len;
    buffer_append_slice(out, json);
    for (size_t i = begin; buffer_ok(out) && i < out->len; i++)
        if (out->data[i] == '\n' || out->data[i] == '\r')
            out->data[i] = ' ';
}

void event_put_structured(const struct event_out *out, struct buffer *json)
{
    struct writing writing = { .out = json, .json = true };
    struct slice content_type;
    enum data_kind kind = data_kind_of(out->record, &content_type);
    put_attributes(&writing, out);
    if (kind != DATA_NONE)
        put_attribute(&writing, SLICE("datacontenttype"), content_type);
    if (kind == DATA_JSON) {
        buffer_append_str(json, ",\"data\":");
        put_line(json, out->record->value);
    } else if (kind == DATA_TEXT) {
        buffer_append_str(json, ",\"data\":");
        json_put_string(json, out->record->value);
    } else if (kind == DATA_BYTES) {
        buffer_append_str(json, ",\"data_base64\":\"");
        base64_put(out->record->value, json);
        buffer_append_byte(json, '"');
    }
    buffer_append_byte(json, '}');
}

void event_put_binary(const struct event_out *out, struct buffer *headers, struct arena *arena, const char **ret_content_type)
{
    struct writing writing = { .out = headers };
    struct slice content_type;
    enum data_kind kind = data_kind_of(out->record, &content_type);
    put_attributes(&writing, out);
    *ret_content_type = kind == DATA_NONE ? NULL : arena_cstr(arena, content_type);
    headers->failed |= kind != DATA_NONE && !*ret_content_type;
}
