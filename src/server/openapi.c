/*
 * openapi: the interface of an application as an OpenAPI 3.1 document, from its table of routes and the types they name; and the built-in
 * routes as a page of the reference.
 */
#include "server/handlers.h"
#include "server/parts.h"
#include "server/reference.h"
#include "server/rows.h"

#define TYPES_MAX 256

struct document {
    const struct server *server;
    struct buffer *out;
    const struct edda_type *types[TYPES_MAX]; /* named so far */
    bool closed[TYPES_MAX];                   /* what they do not name is refused */
    size_t type_count;
};

static void put(struct document *document, const char *text)
{
    buffer_append_str(document->out, text);
}

static void put_string(struct document *document, const char *text)
{
    json_put_string(document->out, slice_str(text));
}

static void put_schema(struct document *document, const struct edda_type *type, bool closed)
{
    json_schema(type, document->out);
    if (!closed || !buffer_ok(document->out))
        return;
    buffer_truncate(document->out, document->out->len - 1);
    put(document, ",\"additionalProperties\":false}");
}

/* A reference to a type, whose schema then follows at the end. */
static size_t put_reference(struct document *document, const struct edda_type *type)
{
    size_t i = 0;
    while (i < document->type_count && document->types[i] != type)
        i++;
    if (i == document->type_count && i < TYPES_MAX)
        document->types[document->type_count++] = type;
    buffer_printf(document->out, "{\"$ref\":\"#/components/schemas/%s\"}", type->name);
    return i < TYPES_MAX ? i : TYPES_MAX - 1;
}

static void put_parameter(struct document *document, bool comma, const char *place, const char *name,
                          const char *schema)
{
    put(document, comma ? ",{\"name\":" : "{\"name\":");
    put_string(document, name);
    buffer_printf(document->out, ",\"in\":\"%s\",\"required\":%s,\"schema\":%s}", place,
                  strcmp(place, "path") == 0 ? "true" : "false", schema);
}

static void put_field_parameter(struct document *document, bool comma, const char *place, const struct edda_field *field)
{
    put(document, comma ? ",{\"name\":" : "{\"name\":");
    put_string(document, field->name);
    bool required = !field->optional || strcmp(place, "path") == 0;
    buffer_printf(document->out, ",\"in\":\"%s\",\"required\":%s,\"schema\":", place, required ? "true" : "false");
    json_schema_field(field, document->out);
    put(document, "}");
}

static void put_query(struct document *document, bool comma, const struct route_query *query)
{
    put(document, comma ? ",{\"name\":" : "{\"name\":");
    put_string(document, query->name);
    put(document, ",\"in\":\"query\",\"required\":false,\"description\":");
    put_string(document, query->description);
    buffer_printf(document->out, ",\"schema\":%s}", query->schema);
}

static const struct edda_field *field_named(const struct edda_type *type, const char *name)
{
    for (uint32_t i = 0; i < type->field_count; i++)
        if (strcmp(type->fields[i].name, name) == 0)
            return &type->fields[i];
    return NULL;
}

static void put_parameters(struct document *document, const struct route *route)
{
    bool any = false;
    put(document, ",\"parameters\":[");
    for (uint32_t i = 0; i < route->segment_count; i++) {
        if (route->words & UINT32_C(1) << (31 - i))
            continue;
        char name[128];
        size_t len = route->segments[i].len < sizeof name ? route->segments[i].len : sizeof name - 1;
        memcpy(name, route->segments[i].data, len);
        name[len] = '\0';
        const struct edda_field *field = field_named(&route->in_path, name);
        if (field)
            put_field_parameter(document, any, "path", field);
        else
            put_parameter(document, any, "path", name, "{\"type\":\"string\"}");
        any = true;
    }
    for (uint32_t i = 0; route->from_query && i < route->in_body.field_count; i++, any = true)
        put_field_parameter(document, any, "query", &route->in_body.fields[i]);
    for (const struct route_query *query = route->row.query; query && query->name; query++, any = true)
        put_query(document, any, query);
    if (route->row.takes_events) {
        put_parameter(document, any, "header", "If-Match", "{\"type\":\"string\"}");
        put_parameter(document, true, "header", "If-None-Match", "{\"type\":\"string\"}");
        put_parameter(document, true, "header", "Idempotency-Key", "{\"type\":\"string\",\"maxLength\":255}");
        any = true;
    }
    if (route->row.answer == ROUTE_ANSWERS_COLLECTION) {
        put_parameter(document, any, "query", "page", "{\"type\":\"integer\",\"minimum\":0,\"default\":0}");
        put_parameter(document, true, "query", "size",
                      "{\"type\":\"integer\",\"minimum\":1,\"maximum\":1000,\"default\":20}");
    }
    put(document, "]");
}

static void put_collection(struct document *document, const struct route_row *row)
{
    put(document, "{\"type\":\"object\",\"properties\":{\"_embedded\":{\"type\":\"object\",\"properties\":{");
    put_string(document, row->collection);
    put(document, ":{\"type\":\"array\",\"items\":");
    put_reference(document, row->route.reply);
    put(document,
        "}}},\"page\":{\"type\":\"object\",\"properties\":{\"size\":{\"type\":\"integer\"},\"totalElements\":{\"type\":\"integer\"},"
        "\"totalPages\":{\"type\":\"integer\"},\"number\":{\"type\":\"integer\"}}}}}");
}

static int success_status(const struct edda_route *row)
{
    if (row->location)
        return 201;
    if (row->status)
        return row->status;
    return row->reply || row->text ? 200 : 204;
}

/* An event as one object; what CloudEvents says of it is told by its own schema. */
#define EVENT_SCHEMA \
    "{\"type\":\"object\",\"required\":[\"specversion\",\"type\"],\"properties\":{\"specversion\":{\"type\":\"string\"},\"type\":{\"type\":\"string\"}," \
    "\"id\":{\"type\":\"string\"},\"source\":{\"type\":\"string\"},\"subject\":{\"type\":\"string\"},\"time\":{\"type\":\"string\",\"format\":\"date-time\"}," \
    "\"datacontenttype\":{\"type\":\"string\"},\"data\":{},\"data_base64\":{\"type\":\"string\"}}," \
    "\"additionalProperties\":true}"
#define BATCH_SCHEMA "{\"type\":\"array\",\"items\":" EVENT_SCHEMA "}"
static const char event_body[] = ",\"requestBody\":{\"description\":\"an event: its data, with its attributes as ce- headers, or all of it as one object; or a batch\","
                                 "\"content\":{\"application/json\":{\"schema\":{}},\"application/cloudevents+json\":{\"schema\":" EVENT_SCHEMA "},"
                                 "\"application/cloudevents-batch+json\":{\"schema\":" BATCH_SCHEMA "},\"*/*\":{\"schema\":{}}}}";
static const char event_answer[] = "{\"*/*\":{\"schema\":{}},\"application/cloudevents+json\":{\"schema\":" EVENT_SCHEMA "}}";
static const char events_answer[] = "{\"application/json\":{\"schema\":{\"type\":\"object\"}},\"application/cloudevents-batch+json\":{\"schema\":" BATCH_SCHEMA "},"
                                    "\"text/event-stream\":{\"schema\":{\"type\":\"string\"}}}";

static void put_problem(struct document *document)
{
    put(document,
        "},\"default\":{\"description\":\"what went wrong\",\"content\":{\"application/problem+json\":{\"schema\":");
    put_reference(document, &Problem_type);
    put(document, "}}}}");
}

static void put_success(struct document *document, const struct route *route)
{
    const struct route_row *row = &route->row;
    bool described = row->answer != ROUTE_ANSWERS_REPLY;
    if (row->gives_events || row->answer == ROUTE_ANSWERS_EVENT) {
        buffer_printf(document->out, ",\"responses\":{\"200\":{\"description\":\"OK\",\"content\":%s", row->gives_events ? events_answer : event_answer);
        put_problem(document);
        return;
    }
    if (row->takes_events)
        put(document, ",\"responses\":{\"201\":{\"description\":\"Created\",\"content\":{\"application/json\":{\"schema\":{\"type\":\"object\"}}}},"
                      "\"200\":{\"description\":\"it was there already\",\"content\":{\"application/json\":{\"schema\":{\"type\":\"object\"}}}");
    if (row->takes_events) {
        put_problem(document);
        return;
    }
    int status = described ? 200 : success_status(&row->route);
    buffer_printf(document->out, ",\"responses\":{\"%d\":{\"description\":\"%s\"", status, http_reason(status));
    const char *text_type = row->answer == ROUTE_ANSWERS_TEXT ? "text/plain" : row->route.text_type;
    if (text_type) {
        put(document, ",\"content\":{");
        put_string(document, text_type);
        put(document, ":{\"schema\":{\"type\":\"string\"}}}");
    } else if (status != 204) {
        put(document, ",\"content\":{\"application/json\":{\"schema\":");
        if (row->answer == ROUTE_ANSWERS_COLLECTION)
            put_collection(document, row);
        else if (row->route.reply)
            put_reference(document, row->route.reply);
        else
            put(document, row->answer == ROUTE_ANSWERS_JSON ? "{\"type\":\"object\"}" : "{}");
        put(document, "}}");
    }
    put_problem(document);
}

static void put_operation(struct document *document, const struct route *route)
{
    const struct edda_route *row = &route->row.route;
    put(document, "\"");
    for (const char *at = row->method; *at; at++)
        buffer_append_byte(document->out, (uint8_t)(*at | 0x20));
    put(document, "\":{\"tags\":[");
    put_string(document, route->owner);
    put(document, "]");
    if (row->description) {
        put(document, ",\"summary\":");
        put_string(document, row->description);
    }
    put_parameters(document, route);
    if (route->row.takes_events)
        put(document, event_body);
    if (route->in_body.field_count && !route->from_query) {
        put(document, ",\"requestBody\":{\"required\":true,\"content\":{\"application/json\":{\"schema\":");
        bool closed = route->rank == ROUTE_BUILT_IN;
        if (route->in_body.field_count == row->body->field_count)
            document->closed[put_reference(document, row->body)] |= closed;
        else
            put_schema(document, &route->in_body, closed);
        if (route->row.example)
            buffer_printf(document->out, ",\"example\":%s", route->row.example);
        put(document, "}}}");
    }
    put_success(document, route);
    put(document, "}");
}

/* Routes of the log are told under their own path, and under "/edda" only where that is taken. */
static bool is_alias(const struct router *router, const struct route *route)
{
    const char *path = route->row.route.path;
    if (!route->row.of_log || strncmp(path, "/edda/", 6) != 0)
        return false;
    for (uint32_t i = 0; i < router->count; i++)
        if (router->routes[i].row.of_log && strcmp(router->routes[i].row.route.path, path + 5) == 0)
            return true;
    return false;
}

/* The operations of one path stand together; they do so in the table only for paths that are written alike. */
static void put_paths(struct document *document)
{
    const struct router *router = &document->server->router;
    bool any_path = false;
    for (uint32_t i = 0; i < router->count; i++) {
        const char *path = router->routes[i].row.route.path;
        uint32_t first = 0;
        while (strcmp(router->routes[first].row.route.path, path) != 0)
            first++;
        if (first < i || is_alias(router, &router->routes[i]))
            continue;
        put(document, any_path ? "," : "");
        any_path = true;
        put_string(document, path);
        put(document, ":{");
        for (uint32_t j = i, any = 0; j < router->count; j++) {
            if (strcmp(router->routes[j].row.route.path, path) != 0)
                continue;
            put(document, any++ ? "," : "");
            put_operation(document, &router->routes[j]);
        }
        put(document, "}");
    }
}

int openapi_show(struct edda_request *request, const void *body, void *user)
{
    struct document document = { .server = request->server, .out = &request->server->content };
    const struct edda_app *app = request->server->app;
    (void)body, (void)user;
    buffer_clear(document.out);
    put(&document, "{\"openapi\":\"3.1.0\",\"info\":{\"title\":");
    put_string(&document, app->name);
    put(&document, ",\"version\":");
    put_string(&document, app->version ? app->version : edda_version());
    if (app->summary) {
        put(&document, ",\"summary\":");
        put_string(&document, app->summary);
    }
    put(&document, "},\"paths\":{");
    put_paths(&document);
    put(&document, "},\"components\":{\"schemas\":{");
    for (size_t i = 0; i < document.type_count; i++) {
        put(&document, i ? "," : "");
        put_string(&document, document.types[i]->name);
        put(&document, ":");
        put_schema(&document, document.types[i], document.closed[i]);
    }
    put(&document, "}}}");
    response_content(request, 200, "application/json", buffer_slice(document.out));
    return 0;
}

void routes_document(struct buffer *out)
{
    buffer_append_str(
        out, "# Built-in routes\n\nEvery application answers these besides its own; `GET /openapi.json` lists both. "
             "A route of the application's own with the same method and path goes before. Those of the log, under `/streams`, `/topics`, `/all` and `/groups`, are under `/edda` "
             "too (`/edda/streams/…`), and only there when the application has routes of its own that begin with the same word.\n\n"
             "| call | does |\n|---|---|\n");
    for (const struct route_row *row = builtin_routes; row->route.method; row++) {
        buffer_printf(out, "| `%s %s%s` | %s", row->route.method, row->of_entity ? "/<entity>s" : "", row->route.path, row->route.description);
        if (row->example)
            buffer_printf(out, "; body: `%s`", row->example);
        for (const struct route_query *query = row->query; query && query->name; query++)
            buffer_printf(out, "%s`%s`: %s", query == row->query ? ". Query: " : "; ", query->name, query->description);
        buffer_append_str(out, " |\n");
    }
    buffer_append_str(
        out, "\nLists take `?page=` (from 0) and `?size=` (20, at most 1000). What is no success is "
             "`application/problem+json` (RFC 9457) with `type`, `title`, `status`, `detail`, `instance`, and `field` "
             "when one field, parameter or header was wrong. A parameter of the query, or a member of a body, that a call does not have is refused with 400, and nothing is done; "
             "an event may have any attributes, and what an application's own routes take is the application's matter.\n");
}
