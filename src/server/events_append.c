/* events: appending. Everything about a request is checked before anything is recorded, a topic included; then all of its events are appended, or none. */
#include "server/events.h"

#include "broker/broker.h"

/* --- what came ---------------------------------------------------------------------------------------------- */

static int unsupported_type(struct edda_request *request, const char *problem)
{
    (void)edda_fail_field(&request->error, EDDA_EMALFORMED, "Content-Type", "%s", problem);
    request_fail(request, 415, EDDA_EMALFORMED);
    return EDDA_EMALFORMED;
}

/* A body that is nothing but data: its type is told by ?type= when no header does. */
static int plain_complete(struct edda_request *request, struct event_in *event)
{
    struct slice type;
    if (!event->event.type.len && http_query_find(request->head.query, "type", &request->arena, &type))
        event->event.type = type;
    if (!text_is_printable(event->event.type))
        return edda_fail_field(&request->error, EDDA_EINVAL, "type", "type has a control character");
    if (event->event.type.len)
        return 0;
    return edda_fail_field(&request->error, EDDA_EINVAL, "ce-type", "the event has no type: give it as a header ce-type, or as ?type=");
}

/* The events of the request, in its arena. */
static int events_read(struct edda_request *request, struct event_in **ret_events, uint32_t *ret_count)
{
    struct slice content_type = { NULL, 0 };
    bool typed = http_header_find(&request->head, "content-type", &content_type);
    enum event_mode mode = event_mode_of(content_type);
    if (typed && http_name_eq(slice_of(content_type.data, content_type.len < 33 ? content_type.len : 33), "application/x-www-form-urlencoded"))
        return unsupported_type(request, "a form is no event: say what the body is, as Content-Type: application/json");
    if (mode == EVENT_BATCH)
        return event_read_batch(request->body, EVENTS_BATCH_MAX, &request->arena, ret_events, ret_count, &request->error);
    *ret_count = 1;
    *ret_events = arena_alloc(&request->arena, sizeof **ret_events);
    if (!*ret_events)
        return edda_fail_with(&request->error, EDDA_ENOMEM, "out of memory for the event");
    if (mode == EVENT_STRUCTURED)
        return event_read_structured(request->body, &request->arena, *ret_events, &request->error);
    int rc = event_read_binary(&request->head, request->body, &request->arena, *ret_events, &request->error);
    return rc == 0 ? plain_complete(request, *ret_events) : rc;
}

/* An Idempotency-Key is the id of an event that has none; of a batch, with the ordinals. */
static int identify(struct edda_request *request, struct event_in *events, uint32_t count)
{
    struct slice id;
    int rc = request_id(request, &id);
    for (uint32_t i = 0; rc == 0 && id.len && i < count; i++) {
        struct slice *own = &events[i].event.id;
        if (own->len && !slice_eq(*own, id))
            return edda_fail_field(&request->error, EDDA_EMALFORMED, "Idempotency-Key", "the event has an id of its own, which is another");
        *own = count == 1 ? id : slice_str(arena_printf(&request->arena, "%.*s:%u", (int)id.len, (const char *)id.data, i));
        if (!own->data)
            return edda_fail_with(&request->error, EDDA_ENOMEM, "out of memory for the events");
    }
    return rc;
}

/* --- appending ------------------------------------------------------------------------------------------------ */

static int message_make(struct edda_request *request, const struct event_in *event, struct slice key, struct store_message *message)
{
    struct buffer subject = BUFFER_EMPTY;
    *message = (struct store_message){ .key = key, .value = event->data, .timestamp_ms = event->time_ms, .event = event->event, .headers = event->headers,
                                       .header_count = event->header_count, .partition = -1, .identify = event->event.id.len > 0 };
    if (!key.data && event->subject.len)
        message->key = event->subject;
    if (message->key.len > STORE_KEY_MAX)
        return edda_fail_field(&request->error, EDDA_EINVAL, "key", "a key has at most %d bytes", STORE_KEY_MAX);
    if (!message->event.source.len)
        message->event.source = SLICE(EVENTS_SOURCE);
    if (!event->subject.len || slice_eq(event->subject, message->key))
        return 0;
    buffer_append_slice(&subject, event->headers);
    record_headers_put(&subject, SLICE("ce_subject"), event->subject);
    message->headers = arena_copy(&request->arena, buffer_slice(&subject));
    message->header_count++;
    buffer_deinit(&subject);
    return message->headers.data ? 0 : edda_fail_with(&request->error, EDDA_ENOMEM, "out of memory for the event");
}

/* The topic, made when it is missing, unless the stream must be there. */
static int topic_find(struct edda_request *request, struct store *store, struct slice name, int64_t expected, struct topic **ret_topic)
{
    if (events_topic_is_internal(name))
        return edda_fail_field(&request->error, EDDA_EFORBIDDEN, "topic", "names that begin with __ or _edda. are internal");
    *ret_topic = store_topic(store, name);
    if (*ret_topic)
        return 0;
    int rc = store_topic_name_check(name, &request->error);
    if (rc < 0)
        return rc;
    if (expected == STORE_EXISTS || expected >= 0)
        return edda_fail_with(&request->error, EDDA_EVERSION, "the stream has no events: there is no topic %.*s; expected version %lld", (int)name.len,
                              (const char *)name.data, (long long)expected);
    if (!server_makes_topics(request->server))
        return edda_fail_field(&request->error, EDDA_ENOTFOUND, "topic", "there is no topic %.*s, and it is not made by being written to (--topics-asked-for): POST /topics makes it",
                               (int)name.len, (const char *)name.data);
    return store_topic_ensure(store, name, server_limits(request->server)->partitions_default, ret_topic, &request->error);
}

static void answer(struct edda_request *request, struct slice topic, struct slice key, uint32_t count, const struct store_appended *appended)
{
    struct buffer *content = &request->server->content, *link = &request->server->extra;
    struct slice location = { NULL, 0 };
    buffer_clear(content);
    if (key.data) {
        buffer_clear(link);
        link_put_host(request, link);
        stream_path_put(request, topic, key, link);
        if (count == 1)
            buffer_printf(link, "/%lld", (long long)appended->version);
        location = arena_copy(&request->arena, buffer_slice(link));
        buffer_printf(content, "{\"version\":%lld,", (long long)appended->version);
    } else {
        buffer_append_byte(content, '{');
    }
    buffer_printf(content, "\"position\":%llu,\"events\":%u,\"repeated\":%s", (unsigned long long)appended->position, count,
                  appended->repeated ? "true" : "false");
    link_put(content, true, location);
    buffer_append_byte(content, '}');
    response_put(request, &(struct response){ .status = appended->repeated ? 200 : 201, .content_type = "application/json", .content = buffer_slice(content),
                                              .location = location, .version = key.data ? appended->version : -1,
                                              .gate = journal_tail(request->server->journal) });
}

int events_append(struct edda_request *request, struct slice topic_name, struct slice key)
{
    struct store *store = events_store(request);
    struct event_in *events = NULL;
    struct store_appended appended;
    struct topic *topic;
    uint32_t count = 0;
    int64_t expected;
    int rc = store ? request_expected(request, &expected) : EDDA_EUNSUPPORTED;
    if (rc == 0 && !key.data && expected != STORE_ANY)
        return edda_fail_field(&request->error, EDDA_EINVAL, expected == STORE_NONE ? "If-None-Match" : "If-Match", "an expected version is one of a stream");
    if (rc == 0)
        rc = events_read(request, &events, &count);
    if (rc == 0)
        rc = identify(request, events, count);
    if (rc < 0)
        return rc;
    struct store_message *messages = arena_alloc(&request->arena, count * sizeof *messages);
    if (!messages)
        return edda_fail_with(&request->error, EDDA_ENOMEM, "out of memory for %u events", count);
    for (uint32_t i = 0; rc == 0 && i < count; i++)
        rc = message_make(request, &events[i], key, &messages[i]);
    if (rc == 0)
        rc = topic_find(request, store, topic_name, expected, &topic);
    if (rc < 0)
        return rc;
    for (uint32_t i = 0; i < count; i++)
        messages[i].topic = topic;
    const struct store_condition condition = { topic_name, key, expected };
    rc = store_append(store, &condition, expected != STORE_ANY, messages, count, key.data != NULL, &appended, &request->error);
    if (rc < 0)
        return rc;
    answer(request, topic_name, key, count, &appended);
    return 0;
}
