/*
 * event: reading; see event.h. Attributes come by name and text, from headers or from members, into one function: what is wrong with one is told in the same words in all modes.
 */
#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "wire/cloudevents/event.h"
#include "wire/json/json.h"
#include "wire/json/reader.h"

#define PREFIX "ce-"
#define NAME_BYTES_MAX 64

/* An event under way. */
struct reading {
    struct event_in *event;
    struct arena *arena;
    struct edda_error *error;
    int code;                   /* of what is wrong with an attribute: that of the mode */
    const char *prefix;         /* of its name in words: "ce-", "[2]." */
    struct slice names[EVENT_EXTENSIONS_MAX], values[EVENT_EXTENSIONS_MAX];
    uint32_t extension_count;
    struct slice content_type;
    bool versioned;
};

static int attribute_fail(const struct reading *reading, struct slice name, const char *problem)
{
    char field[sizeof reading->error->field];
    int len = (int)(name.len < 40 ? name.len : 40);
    (void)snprintf(field, sizeof field, "%s%.*s", reading->prefix, len, (const char *)name.data);
    return edda_fail_field(reading->error, reading->code, field, "%s %s", field, problem);
}

static bool name_is_valid(struct slice name)
{
    for (size_t i = 0; i < name.len; i++)
        if ((name.data[i] < 'a' || name.data[i] > 'z') && (name.data[i] < '0' || name.data[i] > '9'))
            return false;
    return name.len > 0 && name.len <= NAME_BYTES_MAX;
}

static int extension_set(struct reading *reading, struct slice name, struct slice value)
{
    if (!name_is_valid(name))
        return attribute_fail(reading, name, "is no name of an attribute: 1 to 64 lower-case letters and digits");
    for (uint32_t i = 0; i < reading->extension_count; i++)
        if (slice_eq(reading->names[i], name))
            return attribute_fail(reading, name, "is there twice");
    if (reading->extension_count == EVENT_EXTENSIONS_MAX)
        return edda_fail_with(reading->error, EDDA_ELIMIT, "an event has at most %d extension attributes", EVENT_EXTENSIONS_MAX);
    reading->names[reading->extension_count] = name;
    reading->values[reading->extension_count++] = value;
    return 0;
}

static int data_version_set(struct reading *reading, struct slice name, struct slice value)
{
    uint32_t number = 0;
    for (size_t i = 0; i < value.len; i++)
        if (value.data[i] < '0' || value.data[i] > '9' || __builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, (uint32_t)(value.data[i] - '0'), &number))
            return attribute_fail(reading, name, "is no whole number that fits 32 bits");
    if (number == UINT32_MAX)
        return attribute_fail(reading, name, "is no whole number that fits 32 bits");
    reading->event->event.data_version = number;
    return 0;
}

static int time_set(struct reading *reading, struct slice name, struct slice value, int64_t *ret_ms)
{
    if (!json_parse_time(value, ret_ms))
        return attribute_fail(reading, name, "must be a time of RFC 3339, as 2026-01-31T12:00:00Z");
    return 0;
}

/* Attributes with a place of their own. */
static struct slice *place_of(struct reading *reading, struct slice name)
{
    struct event_in *event = reading->event;
    const struct {
        struct slice name;
        struct slice *place;
    } places[] = {
        { SLICE("id"), &event->event.id }, { SLICE("type"), &event->event.type }, { SLICE("source"), &event->event.source },
        { SLICE("subject"), &event->subject }, { SLICE("correlationid"), &event->event.correlation }, { SLICE("causationid"), &event->event.causation },
        { SLICE("traceparent"), &event->event.traceparent }, { SLICE("replyto"), &event->event.reply_to },
        { SLICE("datacontenttype"), &reading->content_type },
    };
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
        if (slice_eq(places[i].name, name))
            return places[i].place;
    return NULL;
}

static int attribute_set(struct reading *reading, struct slice name, struct slice value)
{
    struct event_in *event = reading->event;
    if (value.len == 0)
        return attribute_fail(reading, name, "is empty");
    for (size_t i = 0; i < value.len; i++)
        if (value.data[i] < ' ' || value.data[i] == 0x7f)
            return attribute_fail(reading, name, "has a control character");
    struct slice *place = place_of(reading, name);
    if (place && place->len)
        return attribute_fail(reading, name, "is there twice");
    if (place) {
        *place = value;
        return 0;
    }
    if (slice_eq_str(name, "specversion")) {
        reading->versioned = true;
        return slice_eq_str(value, "1.0") ? 0 : attribute_fail(reading, name, "must be 1.0");
    }
    if (slice_eq_str(name, "time"))
        return time_set(reading, name, value, &event->time_ms);
    if (slice_eq_str(name, "expirytime"))
        return time_set(reading, name, value, &event->event.expiry_ms);
    if (slice_eq_str(name, "dataversion"))
        return data_version_set(reading, name, value);
    if (slice_eq_str(name, "streamversion") || slice_eq_str(name, "logposition"))
        return 0;
    return extension_set(reading, name, value);
}

/* Encodes what has no place of its own. */
static int headers_make(struct reading *reading)
{
    struct event_in *event = reading->event;
    struct buffer headers = BUFFER_EMPTY;
    if (reading->content_type.len && !slice_eq_str(reading->content_type, "application/json")) {
        record_headers_put(&headers, SLICE("content-type"), reading->content_type);
        event->header_count++;
    }
    for (uint32_t i = 0; i < reading->extension_count; i++) {
        uint8_t name[NAME_BYTES_MAX + 3] = "ce_";
        memcpy(name + 3, reading->names[i].data, reading->names[i].len);
        record_headers_put(&headers, slice_of(name, reading->names[i].len + 3), reading->values[i]);
        event->header_count++;
    }
    event->headers = arena_copy(reading->arena, buffer_slice(&headers));
    bool good = buffer_ok(&headers) && (headers.len == 0 || event->headers.data);
    buffer_deinit(&headers);
    return good ? 0 : edda_fail_with(reading->error, EDDA_ENOMEM, "out of memory for an event");
}

/* --- what its type says of data ----------------------------------------------------------------------------- */

static struct slice media_type(struct slice content_type)
{
    size_t len = 0;
    while (len < content_type.len && content_type.data[len] != ';' && content_type.data[len] != ' ')
        len++;
    return slice_of(content_type.data, len);
}

enum event_mode event_mode_of(struct slice content_type)
{
    struct slice type = media_type(content_type);
    if (http_name_eq(type, EVENT_JSON))
        return EVENT_STRUCTURED;
    return http_name_eq(type, EVENT_BATCH_JSON) ? EVENT_BATCH : EVENT_BINARY;
}

bool event_type_is_json(struct slice content_type)
{
    struct slice type = media_type(content_type);
    if (type.len == 0 || http_name_eq(type, "application/json") || http_name_eq(type, "text/json"))
        return true;
    return type.len > 5 && http_name_eq(slice_from(type, type.len - 5), "+json");
}

/* --- binary ------------------------------------------------------------------------------------------------- */

static int hex(uint8_t byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    byte |= 0x20;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* HTTP protocol binding 3.1.3.2: a quoted string is unquoted first, then percent-encoded UTF-8 is decoded. Data NULL when it is malformed. */
static struct slice header_decode(struct slice value, struct arena *arena)
{
    bool quoted = value.len >= 2 && value.data[0] == '"' && value.data[value.len - 1] == '"';
    if (!quoted && (value.len == 0 || !memchr(value.data, '%', value.len)))
        return text_utf8_valid(value) ? value : slice_of(NULL, 0);
    struct slice text = quoted ? slice_of(value.data + 1, value.len - 2) : value;
    uint8_t *out = arena_bytes(arena, text.len + 1);
    size_t len = 0;
    for (size_t i = 0; out && i < text.len; i++) {
        uint8_t byte = text.data[i];
        if (quoted && byte == '\\' && i + 1 < text.len) {
            byte = text.data[++i];
        } else if (byte == '%') {
            int high = i + 2 < text.len ? hex(text.data[i + 1]) : -1, low = i + 2 < text.len ? hex(text.data[i + 2]) : -1;
            if (high < 0 || low < 0)
                return slice_of(NULL, 0);
            byte = (uint8_t)(high << 4 | low);
            i += 2;
        }
        out[len++] = byte;
    }
    struct slice decoded = slice_of(out, len);
    return out && text_utf8_valid(decoded) ? decoded : slice_of(NULL, 0);
}

static int header_read(struct reading *reading, const struct http_header *header)
{
    uint8_t *lower = arena_bytes(reading->arena, header->name.len);
    if (!lower)
        return edda_fail_with(reading->error, EDDA_ENOMEM, "out of memory for an event");
    for (size_t i = 0; i < header->name.len; i++) {
        uint8_t byte = header->name.data[i];
        lower[i] = byte >= 'A' && byte <= 'Z' ? byte | 0x20 : byte;
    }
    struct slice name = slice_of(lower, header->name.len);
    if (!slice_has_prefix(name, SLICE(PREFIX)))
        return 0;
    name = slice_from(name, sizeof PREFIX - 1);
    struct slice value = header_decode(header->value, reading->arena);
    if (header->value.len && !value.data)
        return attribute_fail(reading, name, "is not percent-encoded UTF-8");
    if (slice_eq_str(name, "datacontenttype") || slice_eq_str(name, "data"))
        return attribute_fail(reading, name, "is no header: it is the Content-Type, or the body");
    return attribute_set(reading, name, value);
}

static bool could_be_attribute(struct slice name)
{
    return name.len > 3 && (name.data[0] | 0x20) == 'c' && (name.data[1] | 0x20) == 'e' && name.data[2] == '-';
}

int event_read_binary(const struct http_request *head, struct slice body, struct arena *arena, struct event_in *ret_event, struct edda_error *error)
{
    struct event_in event = { .time_ms = 0 };
    struct reading reading;
    size_t wrong;
    int rc = 0;
    reading.event = &event;
    reading.arena = arena;
    reading.error = error;
    reading.code = EDDA_EMALFORMED;
    reading.prefix = PREFIX;
    reading.extension_count = 0;
    reading.content_type = slice_of(NULL, 0);
    (void)http_header_find(head, "content-type", &reading.content_type);
    for (uint32_t i = 0; rc == 0 && i < head->header_count; i++)
        if (could_be_attribute(head->headers[i].name))
            rc = header_read(&reading, &head->headers[i]);
    if (rc < 0)
        return rc;
    if (!event.event.traceparent.len)
        (void)http_header_find(head, "traceparent", &event.event.traceparent);
    if (body.len)
        event.data = body;
    if (body.len && reading.content_type.len && event_type_is_json(reading.content_type) && !json_valid(body, &wrong))
        return edda_fail_with(error, EDDA_EMALFORMED, "the body is no JSON at byte %zu", wrong);
    rc = headers_make(&reading);
    if (rc == 0)
        *ret_event = event;
    return rc;
}

/* --- structured ----------------------------------------------------------------------------------------------- */

static int json_fail(const struct reading *reading, const struct reader *reader)
{
    return edda_fail_with(reading->error, EDDA_EMALFORMED, "the body is no JSON at byte %zu: %s", reader_wrong_offset(reader), reader->wrong);
}

/* The text of a JSON string, of which `raw` is the inside. Data NULL: out of memory. */
static struct slice unescaped(struct slice raw, bool escaped, struct arena *arena)
{
    if (!escaped)
        return raw.data ? raw : SLICE("");
    uint8_t *out = arena_bytes(arena, raw.len + 1);
    return out ? slice_of(out, text_unescape(raw, out)) : slice_of(NULL, 0);
}

/* A value as it stands, and what it is when it is a string. */
struct value {
    struct slice raw;
    struct slice text; /* data NULL: no string */
};

static int value_read(struct reading *reading, struct reader *reader, struct value *ret_value)
{
    uint8_t first = reader_peek(reader);
    const uint8_t *begin = reader->at;
    struct slice inside;
    bool escaped;
    *ret_value = (struct value){ .text = { NULL, 0 } };
    if (first == '"') {
        if (!reader_string(reader, &inside, &escaped))
            return json_fail(reading, reader);
        ret_value->text = unescaped(inside, escaped, reading->arena);
        if (!ret_value->text.data)
            return edda_fail_with(reading->error, EDDA_ENOMEM, "out of memory for an event");
    } else if (!reader_skip(reader)) {
        return json_fail(reading, reader);
    }
    ret_value->raw = slice_of(begin, (size_t)(reader->at - begin));
    return 0;
}

/* JSON format 2.2: strings, booleans and integers; null is as good as absent. */
static int member_set(struct reading *reading, struct slice name, const struct value *value)
{
    struct slice raw = value->raw;
    if (slice_eq_str(raw, "null"))
        return 0;
    if (value->text.data)
        return attribute_set(reading, name, value->text);
    bool integer = raw.len > 0;
    for (size_t i = raw.data[0] == '-'; integer && i < raw.len; i++)
        integer = raw.data[i] >= '0' && raw.data[i] <= '9';
    if (!integer && !slice_eq_str(raw, "true") && !slice_eq_str(raw, "false"))
        return attribute_fail(reading, name, "must be a string, a boolean or an integer");
    return attribute_set(reading, name, raw);
}

/* Of `data` and `data_base64`, of which one at most may be there. */
static int data_make(struct reading *reading, const struct value *data, const struct value *base64)
{
    struct event_in *event = reading->event;
    if (data->raw.data && base64->raw.data)
        return attribute_fail(reading, SLICE("data_base64"), "and data exclude each other");
    if (base64->raw.data) {
        struct slice text = base64->text;
        uint8_t *out = text.data ? arena_bytes(reading->arena, text.len + 1) : NULL;
        int64_t len = out ? base64_get(text, out, text.len) : EDDA_EMALFORMED;
        if (len < 0)
            return attribute_fail(reading, SLICE("data_base64"), "is no string in base64");
        event->data = slice_of(out, (size_t)len);
    } else if (data->raw.data) {
        event->data = data->text.data && !event_type_is_json(reading->content_type) ? data->text : data->raw;
    }
    return 0;
}

static int object_read(struct reading *reading, struct reader *reader)
{
    struct value data = { .text = { NULL, 0 } }, base64 = data;
    bool more;
    if (reader_peek(reader) != '{')
        return edda_fail_with(reading->error, EDDA_EMALFORMED, "an event is a JSON object; byte %zu begins none", (size_t)(reader->at - reader->begin));
    if (!reader_enter(reader))
        return json_fail(reading, reader);
    more = reader_peek(reader) != '}';
    if (!more)
        reader_leave(reader);
    while (more) {
        struct slice raw;
        struct value value;
        bool escaped;
        if (reader_peek(reader) != '"') {
            (void)reader_fail(reader, READER_WRONG_NAME);
            return json_fail(reading, reader);
        }
        if (!reader_string(reader, &raw, &escaped) || !reader_take(reader, ':', READER_WRONG_COLON))
            return json_fail(reading, reader);
        struct slice name = unescaped(raw, escaped, reading->arena);
        int rc = value_read(reading, reader, &value);
        if (rc == 0 && slice_eq_str(name, "data"))
            data = slice_eq_str(value.raw, "null") ? (struct value){ .text = { NULL, 0 } } : value;
        else if (rc == 0 && slice_eq_str(name, "data_base64"))
            base64 = value;
        else if (rc == 0)
            rc = member_set(reading, name, &value);
        if (rc < 0)
            return rc;
        more = reader_more(reader, '}', READER_WRONG_OBJECT);
    }
    return reader->wrong ? json_fail(reading, reader) : data_make(reading, &data, &base64);
}

static int structured_read(struct reader *reader, const char *prefix, struct arena *arena, struct event_in *ret_event, struct edda_error *error)
{
    struct event_in event = { .time_ms = 0 };
    struct reading reading;
    reading.event = &event;
    reading.arena = arena;
    reading.error = error;
    reading.code = EDDA_EINVAL;
    reading.prefix = prefix;
    reading.extension_count = 0;
    reading.content_type = slice_of(NULL, 0);
    reading.versioned = false;
    int rc = object_read(&reading, reader);
    if (rc == 0 && !reading.versioned)
        rc = attribute_fail(&reading, SLICE("specversion"), "is missing; it must be \"1.0\"");
    if (rc == 0 && !event.event.type.len)
        rc = attribute_fail(&reading, SLICE("type"), "is missing");
    if (rc == 0)
        rc = headers_make(&reading);
    if (rc == 0)
        *ret_event = event;
    return rc;
}

/* Nothing may follow. */
static int end_check(struct reader *reader, struct edda_error *error)
{
    (void)reader_peek(reader);
    if (reader->at == reader->end)
        return 0;
    return edda_fail_with(error, EDDA_EMALFORMED, "the body goes on behind its JSON at byte %zu", (size_t)(reader->at - reader->begin));
}

int event_read_structured(struct slice json, struct arena *arena, struct event_in *ret_event, struct edda_error *error)
{
    struct reader reader = reader_of(json);
    struct event_in event;
    int rc = structured_read(&reader, "", arena, &event, error);
    if (rc == 0)
        rc = end_check(&reader, error);
    if (rc == 0)
        *ret_event = event;
    return rc;
}

/* How many items the list has, which is checked on the way. */
static int list_count(struct slice json, uint32_t max, uint32_t *ret_count, struct edda_error *error)
{
    struct reader reader = reader_of(json);
    uint32_t count = 0;
    if (reader_peek(&reader) != '[')
        return edda_fail_with(error, EDDA_EMALFORMED, "a batch is a JSON list of events");
    bool more = reader_enter(&reader) && reader_peek(&reader) != ']';
    while (more && reader_skip(&reader)) {
        count++;
        more = reader_more(&reader, ']', READER_WRONG_LIST);
    }
    if (reader.wrong)
        return edda_fail_with(error, EDDA_EMALFORMED, "the body is no JSON at byte %zu: %s", reader_wrong_offset(&reader), reader.wrong);
    if (count == 0)
        return edda_fail_with(error, EDDA_EINVAL, "the batch has no event in it");
    *ret_count = count;
    return count <= max ? 0 : edda_fail_with(error, EDDA_ELIMIT, "a batch has at most %u events, not %u", max, count);
}

int event_read_batch(struct slice json, uint32_t max, struct arena *arena, struct event_in **ret_events, uint32_t *ret_count, struct edda_error *error)
{
    struct reader reader = reader_of(json);
    uint32_t count = 0;
    int rc = list_count(json, max, &count, error);
    if (rc < 0)
        return rc;
    struct event_in *events = arena_alloc(arena, count * sizeof *events);
    if (!events)
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory for a batch of %u events", count);
    (void)reader_peek(&reader);
    (void)reader_enter(&reader);
    for (uint32_t i = 0; rc == 0 && i < count; i++) {
        char prefix[16];
        (void)snprintf(prefix, sizeof prefix, "[%u].", i);
        rc = structured_read(&reader, prefix, arena, &events[i], error);
        if (rc == 0)
            (void)reader_more(&reader, ']', READER_WRONG_LIST);
    }
    if (rc == 0)
        rc = end_check(&reader, error);
    if (rc == 0) {
        *ret_events = events;
        *ret_count = count;
    }
    return rc;
}
