/*
 * cloudevents: see cloudevents.h. Names are told apart by their length first, which for all but one pair leaves a
 * single candidate to compare; of a name that comes twice the first counts, as in record_header_find().
 */
#include "wire/cloudevents/cloudevents.h"

#include <inttypes.h>
#include <stdio.h>

#include "wire/json/json.h"
#include "wire/json/time.h"

uint32_t cloudevent_put(const struct cloudevent *event, struct buffer *out)
{
    uint8_t time[TIME_TEXT_BYTES];
    char version_text[12];
    struct slice expiry = { 0 }, version = { 0 };
    if (event->expiry_ms) {
        time_put(time, event->expiry_ms);
        expiry = slice_of(time, sizeof(time));
    }
    if (event->data_version > 1)
        version = slice_of(version_text, (size_t)snprintf(version_text, sizeof(version_text), "%" PRIu32, event->data_version));
    const struct record_header headers[] = {
        { SLICE("ce_specversion"), SLICE("1.0") },
        { SLICE("ce_id"), event->id },
        { SLICE("ce_source"), event->source },
        { SLICE("ce_type"), event->type },
        { SLICE("ce_correlationid"), event->correlation },
        { SLICE("ce_causationid"), event->causation },
        { SLICE("ce_expirytime"), expiry },
        { SLICE("ce_dataversion"), version },
        { SLICE("ce_replyto"), event->reply_to },
        { SLICE("traceparent"), event->traceparent },
    };
    uint32_t count = 0;
    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        if (headers[i].value.len == 0)
            continue;
        record_headers_put(out, headers[i].key, headers[i].value);
        count++;
    }
    return count;
}

/* The length of a literal is the case it stands in, so this compares a constant number of bytes. */
#define NAMED(key, literal) (memcmp((key).data, (literal), sizeof(literal) - 1) == 0)

/* Where the value of a header belongs in the event, or NULL. */
static inline struct slice *attribute_of(struct cloudevent *event, struct slice *expiry, struct slice *version, struct slice key)
{
    switch (key.len) {
    case sizeof("ce_id") - 1:
        return NAMED(key, "ce_id") ? &event->id : NULL;
    case sizeof("ce_type") - 1:
        return NAMED(key, "ce_type") ? &event->type : NULL;
    case sizeof("ce_source") - 1:
        return NAMED(key, "ce_source") ? &event->source : NULL;
    case sizeof("traceparent") - 1:
        return NAMED(key, "traceparent") ? &event->traceparent : NULL;
    case sizeof("ce_expirytime") - 1:
        return NAMED(key, "ce_expirytime") ? expiry : NULL;
    case sizeof("ce_replyto") - 1:
        return NAMED(key, "ce_replyto") ? &event->reply_to : NULL;
    case sizeof("ce_causationid") - 1: /* and ce_specversion, which says nothing that is needed */
        return NAMED(key, "ce_causationid") ? &event->causation : NAMED(key, "ce_dataversion") ? version : NULL;
    case sizeof("ce_correlationid") - 1:
        return NAMED(key, "ce_correlationid") ? &event->correlation : NULL;
    default:
        return NULL;
    }
}

static uint32_t version_number(struct slice text)
{
    uint32_t number = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9' || __builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, (uint32_t)(text.data[i] - '0'), &number))
            return UINT32_MAX;
    }
    return number;
}

bool cloudevent_get(const struct record *record, struct cloudevent *ret_event)
{
    struct cloudevent event = { 0 };
    struct slice expiry = { 0 }, version = { 0 };
    struct cursor headers = cursor_of(record->headers);
    struct record_header header;
    while (record_header_next(&headers, &header)) {
        struct slice *attribute = attribute_of(&event, &expiry, &version, header.key);
        if (attribute && !attribute->data)
            *attribute = header.value;
    }
    if (expiry.len && !json_parse_time(expiry, &event.expiry_ms))
        event.expiry_ms = 0;
    event.data_version = version_number(version);
    *ret_event = event;
    return event.id.len && event.type.len;
}
