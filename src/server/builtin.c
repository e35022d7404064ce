/* builtin: the routes that every application has. */
#include "server/handlers.h"
#include "server/router.h"
#include "server/rows.h"

#define DEADLINE_MOVE_EXAMPLE "{\"dueTime\":\"2030-01-31T12:00:00Z\"}"

/* clang-format off */
const struct route_row builtin_routes[] = {
    { .route = { .method = "GET", .path = "/traces/{correlationId}", .handle = trace_show,
                 .description = "everything of one process, by its correlation id; as a sequence diagram with ?format=text or Accept: text/plain" },
      .answer = ROUTE_ANSWERS_JSON },
    { .route = { .method = "GET", .path = "/{id}/trace", .handle = trace_draw,
                 .description = "the sequence diagram of one process; as JSON with ?format=json or Accept: application/json" },
      .answer = ROUTE_ANSWERS_TEXT, .of_entity = true },
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
                 .description = "entities whose handler keeps failing; their messages wait" },
      .answer = ROUTE_ANSWERS_COLLECTION, .collection = "quarantine" },
    { .route = { .method = "POST", .path = "/quarantine/{service}/{key}/retry", .handle = quarantine_retry,
                 .description = "tries the message that failed again, and then those behind it" } },
    { .route = { .method = "POST", .path = "/quarantine/{service}/{key}/skip", .handle = quarantine_skip,
                 .description = "leaves the message that failed out, and goes on with those behind it" } },
    { .route = { .method = "GET", .path = "/health", .handle = health_show, .reply = &Health_type,
                 .description = "503 while it is stopping" } },
    { .route = { .method = "GET", .path = "/metrics", .handle = metrics_show,
                 .description = "counters and gauges, in the text format of Prometheus" },
      .answer = ROUTE_ANSWERS_TEXT },
    { .route = { .method = "GET", .path = "/openapi.json", .handle = openapi_show,
                 .description = "this interface" },
      .answer = ROUTE_ANSWERS_JSON },
    { .route = { .method = NULL } },
};
/* clang-format on */
