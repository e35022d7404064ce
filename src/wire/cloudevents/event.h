/*
 * event: CloudEvents 1.0 as they travel over HTTP, both ways: binary mode (attributes as `ce-` headers, data as the body; HTTP protocol binding 1.0.2),
 * structured (application/cloudevents+json; JSON format 1.0.2) and batches of those (application/cloudevents-batch+json). On this side of it an event is a record: its attributes are
 * record headers as cloudevents.h has them, its data is the value, `datacontenttype` the header `content-type`.
 *
 * Some attributes are not stored, because they are made of what the record is: `time` is its timestamp, `subject` its key, and of Edda's own extensions `streamversion` is its
 * version and `logposition` its position. A subject that is not the key is stored as `ce_subject`. Extensions that nobody here knows are kept as `ce_NAME` and come back.
 *
 * Pure functions; what they give borrows from the bytes they were given and from the arena.
 */
#ifndef EDDA_WIRE_EVENT_H
#define EDDA_WIRE_EVENT_H

#include "base/arena.h"
#include "wire/cloudevents/cloudevents.h"
#include "wire/http/http.h"

#define EVENT_JSON "application/cloudevents+json"
#define EVENT_BATCH_JSON "application/cloudevents-batch+json"
#define EVENT_EXTENSIONS_MAX 64 /* of one event, beside those with a name here */

enum event_mode { EVENT_BINARY, EVENT_STRUCTURED, EVENT_BATCH };

/* What a Content-Type says; binary when it says nothing of CloudEvents. */
enum event_mode event_mode_of(struct slice content_type);
/* Whether data of this media type is JSON: "application/json", "text/json", "…+json"; an empty one is. */
bool event_type_is_json(struct slice content_type);

/* --- reading ---------------------------------------------------------------------------------------------- */

struct event_in {
    struct cloudevent event;   /* its version and reply topic included */
    struct slice data;         /* data NULL: none */
    struct slice subject;      /* empty: none */
    int64_t time_ms;           /* since 1970; 0: none is given */
    struct slice headers;      /* what else is to be stored, as encoded record headers */
    uint32_t header_count;
};

/*
 * Binary mode, and plain bodies: an event without `ce-` headers has no attributes. JSON data is checked to be JSON. `traceparent` is taken from the header of that
 * name when there is no `ce-traceparent`. EDDA_EMALFORMED names the header, or the byte; EDDA_ENOMEM.
 */
int event_read_binary(const struct http_request *head, struct slice body, struct arena *arena, struct event_in *ret_event, struct edda_error *error);
/* EDDA_EMALFORMED: no JSON, or no object; EDDA_EINVAL names the attribute. `type` and `specversion` must be there; an id and a source that are missing are the caller's to give. */
int event_read_structured(struct slice json, struct arena *arena, struct event_in *ret_event, struct edda_error *error);
/* A list of 1 to `max` events, in the arena. EDDA_ELIMIT; errors name the event by its ordinal: "[2].type". */
int event_read_batch(struct slice json, uint32_t max, struct arena *arena, struct event_in **ret_events, uint32_t *ret_count, struct edda_error *error);

/* --- writing ---------------------------------------------------------------------------------------------- */

/* A record that goes out. Those that were not written as events are events too: their id is their place, their type is told by a header `type`, a member `eventType`, or is "record". */
struct event_out {
    const struct record *record;
    struct slice topic;
    uint32_t partition;
    int64_t version;           /* -1: it is in no stream, or that is not known */
    uint64_t position;         /* UINT64_MAX: not known */
};

/* The type it goes out with; good as long as the record. */
struct slice event_type_of(const struct event_out *out);
/* Appends it as one JSON object on one line. */
void event_put_structured(const struct event_out *out, struct buffer *json);
/* Appends its attributes as lines of HTTP headers; *ret_content_type, in the arena, is that of the body, which is the value. NULL: there is none. */
void event_put_binary(const struct event_out *out, struct buffer *headers, struct arena *arena, const char **ret_content_type);

#endif
