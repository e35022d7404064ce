/*
 * A record as a line: for people, position, time, stream, version, type and value; as JSON, everything there is. A value that is JSON
 * stands there as it is, without its line breaks, which cannot be inside a JSON string.
 */
#include "cmd/edda_tool.h"

#include <inttypes.h>

#include "wire/json/json.h"
#include "wire/json/time.h"

#define LINE_VALUE_MAX 2000

static void put_without_breaks(struct buffer *out, struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] != '\n' && text.data[i] != '\r')
            buffer_append_byte(out, text.data[i]);
}

/* What a terminal would obey is shown as a dot. */
static void put_shown(struct buffer *out, struct slice text)
{
    size_t len = text.len < LINE_VALUE_MAX ? text.len : LINE_VALUE_MAX;
    for (size_t i = 0; i < len; i++)
        buffer_append_byte(out, text.data[i] < ' ' || text.data[i] == 0x7f ? '.' : text.data[i]);
    if (len < text.len)
        buffer_printf(out, " … (%zu bytes)", text.len);
}

static void line_text(const struct store_record *record, const struct cloudevent *event, int64_t version, struct buffer *out)
{
    uint8_t time[TIME_TEXT_BYTES];
    const struct record *r = &record->record;
    time_put(time, r->timestamp_ms);
    buffer_printf(out, "%8" PRIu64 "  %.*s  %s", record->position, TIME_TEXT_BYTES, (const char *)time, record->topic->name);
    if (r->key.data) {
        buffer_append_byte(out, '/');
        put_shown(out, r->key);
    }
    if (version >= 0)
        buffer_printf(out, "  %" PRId64, version);
    else
        buffer_printf(out, "  %" PRIu32 ":%" PRId64, record->partition, r->offset);
    buffer_append_str(out, "  ");
    put_shown(out, event->type.len ? event->type : SLICE("-"));
    buffer_append_str(out, "  ");
    put_shown(out, r->value.data ? r->value : SLICE("null"));
    buffer_append_byte(out, '\n');
}

static void member(struct buffer *out, const char *name, struct slice value)
{
    if (value.len == 0)
        return;
    buffer_printf(out, ",\"%s\":", name);
    json_put_string(out, value);
}

static void line_json(const struct store_record *record, const struct cloudevent *event, int64_t version, struct buffer *out)
{
    const struct record *r = &record->record;
    size_t wrong;
    buffer_printf(out, "{\"position\":%" PRIu64 ",\"topic\":", record->position);
    json_put_string(out, slice_str(record->topic->name));
    buffer_printf(out, ",\"partition\":%" PRIu32 ",\"offset\":%" PRId64, record->partition, r->offset);
    if (r->key.data) {
        buffer_append_str(out, ",\"key\":");
        json_put_string(out, r->key);
    }
    if (version >= 0)
        buffer_printf(out, ",\"version\":%" PRId64, version);
    buffer_append_str(out, ",\"time\":");
    json_put_time(out, r->timestamp_ms);
    member(out, "type", event->type);
    member(out, "id", event->id);
    member(out, "source", event->source);
    member(out, "correlationId", event->correlation);
    member(out, "causationId", event->causation);
    member(out, "traceparent", event->traceparent);
    member(out, "replyTo", event->reply_to);
    if (event->data_version > 1)
        buffer_printf(out, ",\"dataVersion\":%" PRIu32, event->data_version);
    if (event->expiry_ms) {
        buffer_append_str(out, ",\"expiryTime\":");
        json_put_time(out, event->expiry_ms);
    }
    if (!r->value.data) {
        buffer_append_str(out, ",\"data\":null");
    } else if (json_valid(r->value, &wrong)) {
        buffer_append_str(out, ",\"data\":");
        put_without_breaks(out, r->value);
    } else {
        buffer_append_str(out, ",\"text\":");
        json_put_string(out, r->value);
    }
    buffer_append_str(out, "}\n");
}

void record_line(const struct store_record *record, int64_t version, bool json, struct buffer *out)
{
    struct cloudevent event;
    cloudevent_get(&record->record, &event);
    if (json)
        line_json(record, &event, version, out);
    else
        line_text(record, &event, version, out);
}

bool record_is(const struct store_record *record, const char *type)
{
    struct cloudevent event;
    if (!type)
        return true;
    cloudevent_get(&record->record, &event);
    return slice_eq_str(event.type, type);
}
