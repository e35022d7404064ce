/*
 * request: one request from its arrival to its answer, and the functions of edda/http.h for route handlers. A handler returns and never
 * waits: either it has answered, or the engine has its call and call_done() answers later. A request that meets a log too far behind its disk
 * is not refused: it is tried again when the log has caught up, before anything else is read.
 */
#include <stdio.h>
#include <stdlib.h>

#include "engine/value.h"
#include "server/parts.h"
#include "server/users.h"

#define REQUEST_ARENA_BLOCK (UINT32_C(4) << 10)
#define REQUEST_ARENA_MAX (UINT32_C(64) << 20)
#define REQUEST_KEPT_BYTES (UINT32_C(64) << 10) /* a request that is free keeps no more memory than about this */
#define FREE_REQUESTS_MAX 256

static void request_retry(struct stall *stall);

struct edda_request *request_new(struct server *server)
{
    struct list *link = list_pop_front(&server->free_requests);
    struct edda_request *request;
    if (link) {
        request = container_of(link, struct edda_request, link);
        server->free_request_count--;
    } else {
        request = calloc(1, sizeof *request);
        if (!request)
            return NULL;
        request->server = server;
        list_init(&request->link);
        list_init(&request->stall.link);
        request->stall.retry = request_retry;
        arena_init(&request->arena, REQUEST_ARENA_BLOCK, REQUEST_ARENA_MAX);
    }
    list_push_back(&server->requests, &request->link);
    return request;
}

void request_free(struct edda_request *request)
{
    ASSERT(!request->calling && !request->hold);
    if (request->session)
        http_part(request->session);
    if (request->principal)
        principal_unref(request->principal);
    request->principal = NULL;
    request->cors = slice_of(NULL, 0);
    request->route = NULL;
    request->body = slice_of(NULL, 0);
    request->head.path = slice_of(NULL, 0);
    request->head.header_count = 0;
    request->error.code = 0;
    request->error.field[0] = request->error.message[0] = '\0';
    request->called = request->answered = request->keep_alive = false;
    if (request->arena.used > REQUEST_KEPT_BYTES) {
        arena_deinit(&request->arena);
        arena_init(&request->arena, REQUEST_ARENA_BLOCK, REQUEST_ARENA_MAX);
    }
    arena_reset(&request->arena);
    list_remove(&request->link);
    if (request->server->free_request_count == FREE_REQUESTS_MAX) {
        arena_deinit(&request->arena);
        free(request);
        return;
    }
    request->server->free_request_count++;
    list_push_front(&request->server->free_requests, &request->link);
}

void request_fail(struct edda_request *request, int status, int code)
{
    /* A handler may return a code without words. */
    if (request->error.code != code) {
        request->error.field[0] = request->error.message[0] = '\0';
        request->error.code = code;
    }
    response_problem(request, status, &request->error, slice_of(NULL, 0), journal_tail(request->server->journal));
}

static void request_stall(struct edda_request *request)
{
    request->calling = true;
    server_stall(request->server, &request->stall);
}

/* --- running a handler -------------------------------------------------------------------------------------- */

/* Takes the next one off a list with commas, without the space around it. False at its end. */
static bool list_next(struct slice *list, struct slice *ret_item)
{
    if (list->len == 0)
        return false;
    const uint8_t *comma = memchr(list->data, ',', list->len);
    struct slice item = slice_of(list->data, comma ? (size_t)(comma - list->data) : list->len);
    *list = slice_from(*list, item.len + (comma != NULL));
    while (item.len && (item.data[0] == ' ' || item.data[0] == '\t'))
        item = slice_from(item, 1);
    while (item.len && (item.data[item.len - 1] == ' ' || item.data[item.len - 1] == '\t'))
        item.len--;
    *ret_item = item;
    return true;
}

bool request_accepts(const struct edda_request *request, const char *content_type)
{
    struct slice accept, range;
    if (!http_header_find(&request->head, "accept", &accept))
        return false;
    while (list_next(&accept, &range)) {
        size_t len = 0;
        while (len < range.len && range.data[len] != ';' && range.data[len] != ' ')
            len++;
        if (http_name_eq(slice_of(range.data, len), content_type))
            return true;
    }
    return false;
}

bool request_has_version(const struct edda_request *request, int64_t version)
{
    struct slice list, tag;
    if (!http_header_find(&request->head, "if-none-match", &list))
        return false;
    char etag[24];
    (void)snprintf(etag, sizeof etag, "\"%lld\"", (long long)version);
    while (list_next(&list, &tag)) {
        if (tag.len > 2 && memcmp(tag.data, "W/", 2) == 0)
            tag = slice_from(tag, 2);
        if (slice_eq_str(tag, etag) || slice_eq_str(tag, "*"))
            return true;
    }
    return false;
}

static void answer_without_route(struct edda_request *request, int code, struct slice allow)
{
    struct slice method = request->head.method, path = request->head.path;
    if (code == EDDA_EMETHOD && slice_eq_str(method, "OPTIONS")) {
        const struct response response = {
            .status = 204, .allow = allow, .version = -1, .gate = journal_tail(request->server->journal)
        };
        response_put(request, &response);
        return;
    }
    if (code == EDDA_EMETHOD)
        (void)edda_fail_with(&request->error, code, "%.*s has %.*s, but no %.*s", (int)path.len,
                             (const char *)path.data, (int)allow.len, (const char *)allow.data, (int)method.len,
                             (const char *)method.data);
    else if (code == EDDA_ENOTFOUND)
        (void)edda_fail_with(&request->error, code, "there is no %.*s; GET /openapi.json lists what there is", (int)path.len, (const char *)path.data);
    else
        (void)edda_fail_with(&request->error, code, "the path is not percent-encoded UTF-8");
    response_problem(request, 0, &request->error, allow, journal_tail(request->server->journal));
}

static const char *text_type(const struct edda_route *row)
{
    return row->text_type ? row->text_type : "application/json";
}

void request_answer_by_row(struct edda_request *request)
{
    const struct edda_route *row = &request->route->row.route;
    buffer_clear(&request->server->content);
    if (row->text)
        response_content(request, row->status ? row->status : 200, text_type(row), slice_str(row->text));
    else
        response_content(request, row->status ? row->status : 204, NULL, slice_of(NULL, 0));
}

static int bad_header(struct edda_request *request, const char *name, const char *problem)
{
    return edda_fail_field(&request->error, EDDA_EMALFORMED, name, "%s %s", name, problem);
}

/* The expected version that If-Match and If-None-Match ask for. */
int request_expected(struct edda_request *request, int64_t *ret_expected)
{
    struct slice match, none_match;
    bool has_match = http_header_find(&request->head, "if-match", &match);
    bool has_none = http_header_find(&request->head, "if-none-match", &none_match);
    *ret_expected = has_none ? JOURNAL_NONE : JOURNAL_ANY;
    if (has_none && has_match)
        return bad_header(request, "If-Match", "and If-None-Match exclude each other");
    if (has_none && !slice_eq_str(none_match, "*"))
        return bad_header(request, "If-None-Match", "must be * here");
    if (!has_match)
        return 0;
    *ret_expected = JOURNAL_EXISTS;
    if (slice_eq_str(match, "*"))
        return 0;
    if (match.len < 3 || match.len > 20 || match.data[0] != '"' || match.data[match.len - 1] != '"')
        return bad_header(request, "If-Match", "must be * or one version in quotes, as an ETag gives it");
    int64_t version = 0;
    for (size_t i = 1; i < match.len - 1; i++) {
        if (match.data[i] < '0' || match.data[i] > '9')
            return bad_header(request, "If-Match", "must be * or one version in quotes, as an ETag gives it");
        version = version * 10 + (match.data[i] - '0');
    }
    *ret_expected = version;
    return 0;
}

/* Who the request is; empty when it does not say. */
int request_id(struct edda_request *request, struct slice *ret_id)
{
    *ret_id = slice_of(NULL, 0);
    if (http_header_find(&request->head, "idempotency-key", ret_id) && (ret_id->len == 0 || ret_id->len > 255))
        return bad_header(request, "Idempotency-Key", "has 1 to 255 bytes");
    return 0;
}

/* A handler may take a number of a sequence before it calls, so what would make its call fail is refused before. */
static int call_headers_check(struct edda_request *request)
{
    struct slice id;
    int64_t expected;
    int rc = request_id(request, &id);
    return rc == 0 ? request_expected(request, &expected) : rc;
}

static void call_done(struct engine_call *call);

/* The engine may keep these when the connection has gone, so they are copied. */
static int call_identity(struct edda_request *request, const struct edda_type *body_type, const void *body)
{
    struct engine_call *call = &request->call;
    struct slice id, traceparent;
    *call = (struct engine_call){ .done = call_done, .arena = &request->arena, .version = -1 };
    list_init(&call->link);
    if (http_header_find(&request->head, "traceparent", &traceparent))
        call->traceparent = arena_copy(&request->arena, traceparent);
    int rc = request_id(request, &id);
    if (rc < 0 || id.len == 0)
        return rc;
    const struct http_request *head = &request->head;
    struct buffer *scratch = &request->server->content;
    buffer_clear(scratch);
    buffer_append_byte(scratch, '{');
    if (body)
        json_encode_members(body_type, body, false, scratch);
    buffer_append_byte(scratch, '}');
    call->request = arena_copy(&request->arena, buffer_slice(scratch));
    call->id = arena_copy(&request->arena, id);
    call->source =
        slice_str(arena_printf(&request->arena, "%.*s %.*s", (int)head->method.len, (const char *)head->method.data,
                               (int)head->path.len, (const char *)head->path.data));
    if (!call->id.data || !call->source.data || !call->request.data)
        return edda_fail_with(&request->error, EDDA_ENOMEM, "out of memory for the request");
    return 0;
}

/* Returns a code when the request has failed and is not answered yet. */
static int request_handle(struct edda_request *request)
{
    struct slice allow = { NULL, 0 };
    origin_note(request);
    int rc = router_find(&request->server->router, request->head.method, request->head.path, &request->arena,
                         &request->route, request->parameters, &allow);
    if (rc < 0) {
        answer_without_route(request, rc, allow);
        return 0;
    }
    const struct edda_route *row = &request->route->row.route;
    void *body = NULL;
    rc = origin_check(request);
    if (rc == 0)
        rc = request_permit_route(request);
    if (rc == 0 && request->route->rank == ROUTE_BUILT_IN)
        rc = query_check(request);
    if (rc == 0 && row->body)
        rc = body_make(request, &body);
    bool calls = row->handle && !request->route->row.of_log;
    if (rc == 0 && strcmp(row->method, "GET") != 0 && !request->route->row.of_log)
        rc = call_headers_check(request);
    if (rc == 0 && calls)
        rc = call_identity(request, &request->route->in_body, body);
    /* A repeat gets the first answer; its handler, which might take a number or look at what has changed since, is not asked again. */
    if (rc == 0 && calls && engine_call_repeated(request->server->engine, &request->call))
        return 0;
    if (rc == 0 && row->handle)
        rc = row->handle(request, body, row->user);
    if (request->answered || request->calling || request->hold)
        return 0;
    if (rc >= 0)
        request_answer_by_row(request);
    return rc < 0 ? rc : 0;
}

void request_run(struct edda_request *request)
{
    request->in_handler = true;
    int rc = request_handle(request);
    request->in_handler = false;
    if (rc == EDDA_EBUSY && server_is_behind(request->server))
        request_stall(request);
    else if (rc < 0)
        request_fail(request, 0, rc);
    if (!request->calling && !request->hold)
        request_free(request);
}

void request_hold(struct edda_request *request, struct hold *hold)
{
    /* What arrives meanwhile moves the input, so nothing of it is looked at any more. */
    request->head.method = arena_copy(&request->arena, request->head.method);
    request->head.path = arena_copy(&request->arena, request->head.path);
    for (uint32_t i = 0; i < request->route->segment_count; i++)
        if (!(request->route->words & UINT32_C(1) << (31 - i)))
            request->parameters[i] = arena_copy(&request->arena, request->parameters[i]);
    request->head.query = request->head.target = request->body = slice_of(NULL, 0);
    request->head.header_count = 0;
    request->hold = hold;
    request->session->connection.watched = true;
}

void request_release(struct edda_request *request)
{
    struct connection *connection = &request->session->connection;
    request->hold = NULL;
    connection->watched = false;
    request_free(request);
    connection_resume(connection);
}

/* --- calls ------------------------------------------------------------------------------------------------------ */

/* Appends the reply's members in braces, with its link. */
static struct slice reply_make(struct edda_request *request, struct slice *ret_location)
{
    const struct engine_call *call = &request->call;
    const struct edda_route *row = &request->route->row.route;
    struct buffer *content = &request->server->content;
    buffer_append_byte(content, '{');
    buffer_append_slice(content, call->reply_json);
    if (row->location && buffer_ok(content)) {
        struct slice json = arena_copy(&request->arena, buffer_slice(content));
        const struct link_source source = { .type = call->reply_type,
                                            .value = call->reply,
                                            .json = call->reply ? slice_of(NULL, 0) : json };
        *ret_location = link_make(request, row->location, &source);
        link_put(content, call->reply_json.len > 0, *ret_location);
    }
    buffer_append_byte(content, '}');
    return buffer_slice(content);
}

static void answer_call(struct edda_request *request)
{
    const struct engine_call *call = &request->call;
    const struct edda_route *row = &request->route->row.route;
    if (call->code < 0) {
        struct edda_error error = call->error;
        error.code = call->code;
        bool is_no = call->code == EDDA_EREJECTED || call->code == EDDA_ENOTFOUND || call->code == EDDA_EEXISTS;
        if (is_no && row->rejected && row->rejected(request, &error, row->user) >= 0 && request->answered)
            return;
        response_problem(request, 0, &error, slice_of(NULL, 0), call->gate);
        return;
    }
    buffer_clear(&request->server->content);
    if (call->accepted) {
        response_put(request, &(struct response){ .status = 202, .version = -1, .gate = call->gate });
        return;
    }
    struct response response = {
        .status = row->status, .content_type = "application/json", .version = call->version, .gate = call->gate
    };
    bool replied = call->reply || call->reply_json.len;
    if (row->text) {
        response.content_type = text_type(row);
        response.content = slice_str(row->text);
    } else if (replied)
        response.content = reply_make(request, &response.location);
    else
        response.content_type = NULL;
    if (response.location.len)
        response.status = 201;
    if (response.status == 0)
        response.status = response.content_type ? 200 : 204;
    response_put(request, &response);
}

static void call_done(struct engine_call *call)
{
    struct edda_request *request = container_of(call, struct edda_request, call);
    if (call->code == EDDA_EBUSY && server_is_behind(request->server)) {
        request_stall(request);
        return;
    }
    request->calling = false;
    if (request->session)
        answer_call(request);
    if (request->in_handler)
        return;
    /* The engine is on the stack: what follows on this connection is handled in the next turn. */
    struct http_session *session = request->session;
    request_free(request);
    if (session)
        connection_resume(&session->connection);
}

static void call_start(struct edda_request *request)
{
    request->calling = true;
    request->call.code = 0;
    request->call.error.code = 0;
    engine_call(request->server->engine, &request->call);
}

/* Handles it, or calls again, after the log has caught up. */
static void request_retry(struct stall *stall)
{
    struct edda_request *request = container_of(stall, struct edda_request, stall);
    request->calling = false;
    if (request->called) {
        call_start(request);
        return;
    }
    struct http_session *session = request->session;
    if (!session) {
        request_free(request);
        return;
    }
    request_run(request);
    if (session->request)
        connection_flush(&session->connection); /* the socket of one that is held is watched */
    else
        connection_resume(&session->connection);
}

int edda_call_struct(struct edda_request *request, const struct edda_type *command, const void *value)
{
    if (request->called || request->answered)
        return edda_fail_with(&request->error, EDDA_EINVAL, "a request makes one call, and before it is answered");
    request->call.type = command;
    request->call.row_type = request->route->row.route.reply;
    int rc = request_expected(request, &request->call.expected);
    if (rc < 0)
        return rc;
    request->call.value = value_copy(command, value, &request->arena);
    if (!request->call.value)
        return edda_fail_with(&request->error, EDDA_ENOMEM, "out of memory for the request");
    request->called = true;
    call_start(request);
    return 0;
}
