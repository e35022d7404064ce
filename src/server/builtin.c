/* builtin: the routes that every application has. */
#include "broker/broker.h"
#include "server/handlers.h"
#include "server/router.h"
#include "server/rows.h"

#define DEADLINE_MOVE_EXAMPLE "{\"dueTime\":\"2030-01-31T12:00:00Z\"}"

/* clang-format off */
#define QUERY_PAGE \
    { "limit", "{\"type\":\"integer\",\"minimum\":1,\"maximum\":1000,\"default\":100}", "most events of a page" }, \
    { "direction", "{\"type\":\"string\",\"enum\":[\"forward\",\"backward\"],\"default\":\"forward\"}", "backward begins at the end" }, \
    { "type", "{\"type\":\"string\"}", "only events of these types, with commas" }
static const struct route_query append_query[] = {
    { "type", "{\"type\":\"string\"}", "of an event that does not say its type" }, { .name = NULL } };
static const struct route_query stream_query[] = {
    { "from", "{\"type\":\"string\"}", "the first version that may be given, the last one backward; now: only what comes from now on, of a subscription" }, QUERY_PAGE, { .name = NULL } };
static const struct route_query topic_query[] = {
    { "from", "{\"type\":\"string\"}", "the first position that may be given, the last one backward, with a partition the first offset; now: only what comes from now on, of a subscription" }, QUERY_PAGE,
    { "partition", "{\"type\":\"integer\",\"minimum\":0}", "only this one" }, { .name = NULL } };
static const struct route_query all_query[] = {
    { "from", "{\"type\":\"string\"}", "the first position that may be given, the last one backward; now: only what comes from now on, of a subscription" }, QUERY_PAGE,
    { "category", "{\"type\":\"string\"}", "only this one" }, { "internal", "{\"type\":\"boolean\",\"default\":false}", "Edda's own topics too" }, { .name = NULL } };

static const struct route_query trace_query[] = {
    { "format", "{\"type\":\"string\",\"enum\":[\"json\",\"text\"]}", "json or text, goes before Accept" }, { .name = NULL } };
static const struct route_query topics_query[] = {
    { "internal", "{\"type\":\"boolean\",\"default\":false}", "Edda's own topics too" }, { .name = NULL } };

const struct route_row builtin_routes[] = {
    { .route = { .method = "GET", .path = "/traces/{correlationId}", .handle = trace_show,
                 .description = "everything of one process, by its correlation id; as a sequence diagram with ?format=text or Accept: text/plain" },
      .answer = ROUTE_ANSWERS_JSON, .query = trace_query },
    { .route = { .method = "GET", .path = "/{id}/trace", .handle = trace_draw,
                 .description = "the sequence diagram of one process; as JSON with ?format=json or Accept: application/json" },
      .answer = ROUTE_ANSWERS_TEXT, .of_entity = true, .query = trace_query },
    { .route = { .method = "GET", .path = "/services", .handle = services_list, .reply = &Service_type,
                 .description = "what the services are doing" },
      .answer = ROUTE_ANSWERS_COLLECTION, .collection = "services" },
    { .route = { .method = "POST", .path = "/services/{name}/pause", .handle = service_pause,
                 .description = "a paused service takes no messages and no calls, also after a restart" } },
    { .route = { .method = "POST", .path = "/services/{name}/resume", .handle = service_resume,
                 .description = "lets a paused service go on" } },
    { .route = { .method = "POST", .path = "/services/{name}/migrate", .body = &Migration_type, .handle = service_migrate, .reply = &Migrated_type,
                 .description = "lets running processes of one version belong to another; with dryRun it only says which do not fit, and why" } },
    { .route = { .method = "GET", .path = "/edda/deadlines", .handle = deadlines_list, .reply = &Deadline_type,
                 .description = "deadlines that are pending, in the order in which they were set" },
      .answer = ROUTE_ANSWERS_COLLECTION, .collection = "deadlines" },
    { .route = { .method = "PATCH", .path = "/edda/deadlines/{id}", .body = &DeadlineMove_type, .handle = deadline_move,
                 .description = "moves a deadline that is pending, else 404; a time that has passed is due at once; the slashes of its id are percent-encoded" },
      .example = DEADLINE_MOVE_EXAMPLE },
    { .route = { .method = "DELETE", .path = "/edda/deadlines/{id}", .handle = deadline_cancel,
                 .description = "cancels a deadline that is pending, else 404" } },
    { .route = { .method = "GET", .path = "/deadlines", .handle = deadlines_list, .reply = &Deadline_type,
                 .description = "as GET /edda/deadlines, unless the application has routes of its own under /deadlines" },
      .answer = ROUTE_ANSWERS_COLLECTION, .collection = "deadlines", .unless_taken = true },
    { .route = { .method = "PATCH", .path = "/deadlines/{id}", .body = &DeadlineMove_type, .handle = deadline_move,
                 .description = "as PATCH /edda/deadlines/{id}, unless the application has routes of its own under /deadlines" },
      .example = DEADLINE_MOVE_EXAMPLE, .unless_taken = true },
    { .route = { .method = "DELETE", .path = "/deadlines/{id}", .handle = deadline_cancel,
                 .description = "as DELETE /edda/deadlines/{id}, unless the application has routes of its own under /deadlines" }, .unless_taken = true },
    { .route = { .method = "GET", .path = "/quarantine", .handle = quarantine_list, .reply = &Quarantined_type,
                 .description = "entities whose handler keeps failing, and keys of read models; their messages wait" },
      .answer = ROUTE_ANSWERS_COLLECTION, .collection = "quarantine" },
    { .route = { .method = "POST", .path = "/quarantine/{service}/{key}/retry", .handle = quarantine_retry,
                 .description = "tries the message that failed again, and then those behind it" } },
    { .route = { .method = "POST", .path = "/quarantine/{service}/{key}/skip", .handle = quarantine_skip,
                 .description = "leaves the message that failed out, and goes on with those behind it" } },
    { .route = { .method = "GET", .path = "/projections", .handle = projections_list, .reply = &Projection_type,
                 .description = "read models, and how far they are" },
      .answer = ROUTE_ANSWERS_COLLECTION, .collection = "projections" },
    { .route = { .method = "POST", .path = "/projections/{name}/rebuild", .handle = projection_rebuild,
                 .description = "builds a read model anew from the log, beside the one in use, which it replaces when it has caught up" } },
    { .route = { .method = "POST", .path = "/streams/{category}/{key}", .handle = stream_append,
                 .description = "appends an event, or a batch of them, to a stream; with If-Match or If-None-Match only at that version, with Idempotency-Key only once" },
      .of_log = true, .verb = BROKER_WRITE, .about = "category", .answer = ROUTE_ANSWERS_JSON, .takes_events = true, .query = append_query },
    { .route = { .method = "GET", .path = "/streams/{category}/{key}", .handle = stream_read,
                 .description = "a page of a stream's events; with Accept: text/event-stream all of them and those to come" },
      .of_log = true, .verb = BROKER_READ, .about = "category", .answer = ROUTE_ANSWERS_JSON, .gives_events = true, .query = stream_query },
    { .route = { .method = "GET", .path = "/streams/{category}/{key}/{version}", .handle = stream_event_read,
                 .description = "one event: its data, with its attributes as ce- headers; with Accept: application/cloudevents+json as one object" },
      .of_log = true, .verb = BROKER_READ, .about = "category", .answer = ROUTE_ANSWERS_EVENT },
    { .route = { .method = "PATCH", .path = "/streams/{category}/{key}", .body = &StreamChange_type, .handle = stream_truncate,
                 .description = "events before a version are read no more; with If-Match only at that version" },
      .of_log = true, .verb = BROKER_MANAGE, .about = "category", .example = "{\"truncateBefore\":10}" },
    { .route = { .method = "DELETE", .path = "/streams/{category}/{key}", .handle = stream_delete,
                 .description = "the stream reads as empty; its next event takes up the versions where they were; with If-Match only at that version" },
      .of_log = true, .verb = BROKER_MANAGE, .about = "category" },
    { .route = { .method = "GET", .path = "/all", .handle = everything_read,
                 .description = "a page of all events, in the order in which they were recorded; with Accept: text/event-stream all of them and those to come" },
      .of_log = true, .verb = BROKER_READ, .answer = ROUTE_ANSWERS_JSON, .gives_events = true, .query = all_query },
    { .route = { .method = "GET", .path = "/topics", .handle = topics_list, .reply = &Topic_type,
                 .description = "topics" },
      .of_log = true, .verb = BROKER_READ, .any_name = true, .answer = ROUTE_ANSWERS_COLLECTION, .collection = "topics", .query = topics_query },
    { .route = { .method = "POST", .path = "/topics", .body = &TopicCreation_type, .handle = topic_create, .reply = &Topic_type, .status = 201,
                 .description = "makes a topic; appending makes one too, unless the server was started with --topics-asked-for" },
      .of_log = true, .verb = BROKER_MANAGE, .any_name = true, .example = "{\"name\":\"orders\",\"partitions\":4,\"settings\":{\"retention.ms\":\"86400000\"}}" },
    { .route = { .method = "GET", .path = "/topics/{topic}", .handle = topic_read,
                 .description = "a page of a topic's events; with Accept: text/event-stream all of them and those to come" },
      .of_log = true, .verb = BROKER_READ, .about = "topic", .answer = ROUTE_ANSWERS_JSON, .gives_events = true, .query = topic_query },
    { .route = { .method = "POST", .path = "/topics/{topic}", .handle = topic_append,
                 .description = "appends events, each to the stream of its subject, or to none" },
      .of_log = true, .verb = BROKER_WRITE, .about = "topic", .answer = ROUTE_ANSWERS_JSON, .takes_events = true, .query = append_query },
    { .route = { .method = "PATCH", .path = "/topics/{topic}", .body = &TopicChange_type, .handle = topic_alter, .reply = &Topic_type,
                 .description = "gives a topic other settings, or more partitions" },
      .of_log = true, .verb = BROKER_MANAGE, .about = "topic", .example = "{\"settings\":{\"retention.ms\":null}}" },
    { .route = { .method = "DELETE", .path = "/topics/{topic}", .handle = topic_delete,
                 .description = "deletes a topic with all that is in it" },
      .of_log = true, .verb = BROKER_MANAGE, .about = "topic" },
    { .route = { .method = "GET", .path = "/groups", .handle = groups_list, .reply = &Group_type,
                 .description = "groups whose consumers acknowledge each record, and how far they are; Kafka's consumer groups are others" },
      .of_log = true, .verb = BROKER_READ, .any_name = true, .answer = ROUTE_ANSWERS_COLLECTION, .collection = "groups" },
    { .route = { .method = "GET", .path = "/groups/{group}/topics/{topic}", .handle = group_show, .reply = &Group_type,
                 .description = "how far a group is with a topic" },
      .of_log = true, .verb = BROKER_READ, .about = "group" },
    { .route = { .method = "POST", .path = "/groups/{group}/topics/{topic}/poll", .body = &GroupPoll_type, .handle = group_poll,
                 .description = "gives records that nobody of the group has at the moment; those not acknowledged in time are given again" },
      .of_log = true, .verb = BROKER_READ, .about = "group", .answer = ROUTE_ANSWERS_JSON, .example = "{\"max\":10,\"waitMs\":20000,\"timeoutMs\":30000}" },
    { .route = { .method = "POST", .path = "/groups/{group}/topics/{topic}/ack", .body = &GroupAck_type, .handle = group_ack,
                 .description = "records are done" },
      .of_log = true, .verb = BROKER_READ, .about = "group", .answer = ROUTE_ANSWERS_JSON, .example = "{\"positions\":[12,13]}" },
    { .route = { .method = "POST", .path = "/groups/{group}/topics/{topic}/nack", .body = &GroupNack_type, .handle = group_nack,
                 .description = "records are to be given again, at once or later" },
      .of_log = true, .verb = BROKER_READ, .about = "group", .answer = ROUTE_ANSWERS_JSON, .example = "{\"positions\":[12],\"delayMs\":5000}" },
    { .route = { .method = "POST", .path = "/groups/{group}/topics/{topic}/park", .body = &GroupPark_type, .handle = group_park,
                 .description = "records are put aside, until somebody retries or discards them" },
      .of_log = true, .verb = BROKER_READ, .about = "group", .answer = ROUTE_ANSWERS_JSON, .example = "{\"positions\":[12],\"reason\":\"no such customer\"}" },
    { .route = { .method = "GET", .path = "/groups/{group}/topics/{topic}/parked", .handle = group_parked, .reply = &ParkedRecord_type,
                 .description = "records that were put aside" },
      .of_log = true, .verb = BROKER_READ, .about = "group", .answer = ROUTE_ANSWERS_COLLECTION, .collection = "parked" },
    { .route = { .method = "POST", .path = "/groups/{group}/topics/{topic}/parked/{position}/retry", .handle = group_retry,
                 .description = "gives a parked record again, as if for the first time" },
      .of_log = true, .verb = BROKER_READ, .about = "group" },
    { .route = { .method = "DELETE", .path = "/groups/{group}/topics/{topic}/parked/{position}", .handle = group_discard,
                 .description = "a parked record is done" },
      .of_log = true, .verb = BROKER_READ, .about = "group" },
    { .route = { .method = "GET", .path = "/health", .handle = health_show, .reply = &Health_type,
                 .description = "503 while it is stopping" }, .open = true },
    { .route = { .method = "GET", .path = "/metrics", .handle = metrics_show,
                 .description = "counters and gauges, in the text format of Prometheus" },
      .answer = ROUTE_ANSWERS_TEXT },
    { .route = { .method = "GET", .path = "/openapi.json", .handle = openapi_show,
                 .description = "this interface" },
      .answer = ROUTE_ANSWERS_JSON },
    { .route = { .method = "GET", .path = "/asyncapi.json", .handle = asyncapi_show,
                 .description = "the topics, and the messages that are on them" },
      .answer = ROUTE_ANSWERS_JSON },
    { .route = { .method = NULL } },
};
/* clang-format on */
