/*
 * body: the struct that a route gets. What has the name of a parameter of the path comes from there, the rest from the JSON body, or from the query when the
 * method has no body. All of it goes through one decoder: a path and a query are made an object of strings first, so that a wrong value is told
 * in the same words wherever it stands.
 */
#include <stdio.h>

#include "server/handlers.h"
#include "server/parts.h"
#include "wire/json/field.h"

/* --- a row's fields --------------------------------------------------------------------------------------- */

static bool path_names(const struct route *route, const char *name)
{
    for (uint32_t i = 0; i < route->segment_count; i++)
        if (!(route->words & UINT32_C(1) << (31 - i)) && slice_eq_str(route->segments[i], name))
            return true;
    return false;
}

static bool is_one_word(const struct edda_field *field)
{
    return field->kind == EDDA_KIND_INT || field->kind == EDDA_KIND_DOUBLE || field->kind == EDDA_KIND_TEXT ||
           field->kind == EDDA_KIND_BOOL || field->kind == EDDA_KIND_TIME;
}

int route_sort_fields(struct route *route, struct arena *arena, struct edda_error *error)
{
    const struct edda_route *row = &route->row.route;
    const struct edda_type *type = row->body;
    if (row->sequence && (!type || row->handle != command_call))
        return edda_fail_field(error, EDDA_EINVAL, "sequence", "route %s %s: a sequence is for a command without handler", row->method, row->path);
    if (!type)
        return 0;
    struct edda_field *in_path = arena_alloc(arena, type->field_count * sizeof *in_path);
    struct edda_field *in_body = arena_alloc(arena, type->field_count * sizeof *in_body);
    if (!in_path || !in_body)
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory for routes");
    route->in_path = route->in_body = *type;
    route->in_path.fields = in_path;
    route->in_body.fields = in_body;
    route->in_path.field_count = route->in_body.field_count = 0;
    route->from_query = strcmp(row->method, "GET") == 0 || strcmp(row->method, "DELETE") == 0;
    for (uint32_t i = 0; i < type->field_count; i++) {
        const struct edda_field *field = &type->fields[i];
        bool named = path_names(route, field->name);
        if ((named || route->from_query) && !is_one_word(field))
            return edda_fail_field(error, EDDA_EINVAL, field->name, "route %s %s: %s cannot come from a path or a query", row->method,
                                   row->path, field->name);
        if (named)
            in_path[route->in_path.field_count++] = *field;
        else if (row->sequence && strcmp(field->name, type->key ? type->key : "") == 0 && field->kind == EDDA_KIND_INT)
            route->numbered = field;
        else
            in_body[route->in_body.field_count++] = *field;
    }
    if (row->sequence && !route->numbered)
        return edda_fail_field(error, EDDA_EINVAL, "sequence", "route %s %s: the key of %s is no int64_t, or is in the path", row->method, row->path,
                               type->name);
    return 0;
}

/* --- a request's values ------------------------------------------------------------------------------------- */

/* ", a": what is known, behind a sentence about what is not. */
static void known_put(struct buffer *out, const char *name)
{
    buffer_append_str(out, out->len ? ", " : "; known are ");
    buffer_append_str(out, name);
}

static int unknown_fail(struct edda_request *request, const char *what, struct slice name, struct buffer *known)
{
    char field[64];
    int len = (int)(name.len < sizeof field ? name.len : sizeof field - 1);
    (void)snprintf(field, sizeof field, "%.*s", len, (const char *)name.data);
    if (known->len == 0)
        buffer_append_str(known, "; there are none here");
    int rc = edda_fail_field(&request->error, EDDA_EMALFORMED, field, "there is no %s %s%s", what, field, buffer_ok(known) ? buffer_cstr(known) : "");
    buffer_deinit(known);
    return rc;
}

/* Calls for each parameter of the query that the built-in route has, until one returns true. */
static bool query_each(const struct route *route, bool (*visit)(const char *name, void *user), void *user)
{
    bool found = false;
    for (const struct route_query *query = route->row.query; !found && query && query->name; query++)
        found = visit(query->name, user);
    for (uint32_t i = 0; !found && route->from_query && i < route->in_body.field_count; i++)
        found = visit(route->in_body.fields[i].name, user);
    if (!found && route->row.answer == ROUTE_ANSWERS_COLLECTION)
        found = visit("page", user) || visit("size", user);
    return found;
}

static bool name_is(const char *name, void *user)
{
    const struct slice *wanted = user;
    return slice_eq_str(*wanted, name);
}

static bool name_put(const char *name, void *user)
{
    known_put(user, name);
    return false;
}

bool text_is_printable(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] < ' ' || text.data[i] == 0x7f)
            return false;
    return true;
}

int query_check(struct edda_request *request)
{
    const struct route *route = request->route;
    struct slice query = request->head.query, name;
    while (http_query_next(&query, &request->arena, &name)) {
        if (!name.data)
            return edda_fail_with(&request->error, EDDA_EMALFORMED, "a name in the query is not percent-encoded UTF-8");
        if (name.len == 0 || !text_is_printable(name))
            return edda_fail_with(&request->error, EDDA_EMALFORMED, "a parameter of the query has %s", name.len ? "a control character in its name" : "no name");
        struct buffer known = BUFFER_EMPTY;
        if (query_each(route, name_is, &name))
            continue;
        (void)query_each(route, name_put, &known);
        return unknown_fail(request, "parameter", name, &known);
    }
    return 0;
}

/* What a service of the application takes is its own matter: its older programs may meet newer clients. */
static int members_check(struct edda_request *request, const struct edda_type *type)
{
    char path[64];
    struct buffer known = BUFFER_EMPTY;
    if (request->route->rank != ROUTE_BUILT_IN || !json_unknown(type, request->body, path, sizeof path))
        return 0;
    for (uint32_t i = 0; i < type->field_count; i++)
        known_put(&known, type->fields[i].name);
    return unknown_fail(request, "member", slice_str(path), &known);
}

/* A body is JSON, whatever more its type says; a client that names none is believed to send it. A browser can send neither
 * to another site without asking first. */
static bool body_is_json(const struct edda_request *request)
{
    struct slice type;
    if (!http_header_find(&request->head, "content-type", &type))
        return true;
    size_t len = 0;
    while (len < type.len && type.data[len] != ';' && type.data[len] != ' ')
        len++;
    type.len = len;
    return http_name_eq(type, "application/json") || (len > 5 && http_name_eq(slice_from(type, len - 5), "+json"));
}

static int body_decode(struct edda_request *request, const struct edda_type *type, void *ret_body)
{
    if (request->body.len && !body_is_json(request)) {
        (void)edda_fail_field(&request->error, EDDA_EMALFORMED, "Content-Type",
                              "the body must be JSON, as application/json");
        request_fail(request, 415, EDDA_EMALFORMED);
        return EDDA_EMALFORMED;
    }
    if (request->body.len == 0)
        return edda_fail_with(&request->error, EDDA_EMALFORMED, "a JSON body is missing");
    int rc = json_decode(type, request->body, JSON_REQUEST, &request->arena, ret_body, &request->error);
    int unknown = rc < 0 && rc != EDDA_EINVAL ? 0 : members_check(request, type);
    return unknown < 0 ? unknown : rc;
}

/* What JSON takes for a whole number without being written as one (1.0, 1e0) names no entity. */
static bool is_written_well(const struct edda_field *field, struct edda_text text)
{
    size_t digits = text.len && text.data[0] == '-' ? 1 : 0;
    if (field->kind != EDDA_KIND_INT)
        return true;
    for (size_t i = digits; i < text.len; i++)
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
    return text.len > digits;
}

typedef struct edda_text find_fn(const struct edda_request *request, const char *name);

/* Decodes the fields of a type out of texts found by their names; an empty one is missing. */
static int texts_decode(struct edda_request *request, const struct edda_type *type, find_fn *find, void *ret_value)
{
    struct buffer *json = &request->server->content;
    buffer_clear(json);
    for (uint32_t i = 0; i < type->field_count; i++) {
        const struct edda_field *field = &type->fields[i];
        struct edda_text text = find(request, field->name);
        if (!text.len)
            continue;
        if (!is_written_well(field, text))
            return edda_fail_field(&request->error, EDDA_EINVAL, field->name, "must be a whole number, is \"%.*s\"",
                                   (int)(text.len < 64 ? text.len : 64), text.data);
        buffer_append_byte(json, json->len ? ',' : '{');
        json_put_string(json, slice_str(field->name));
        buffer_append_byte(json, ':');
        if (field->kind == EDDA_KIND_BOOL && (edda_text_is(text, "true") || edda_text_is(text, "false")))
            buffer_append(json, text.data, text.len);
        else
            json_put_string(json, slice_of(text.data, text.len));
    }
    buffer_append_str(json, json->len ? "}" : "{}");
    struct slice object = arena_copy(&request->arena, buffer_slice(json));
    if (!object.data)
        return edda_fail_with(&request->error, EDDA_ENOMEM, "out of memory for the request");
    return json_decode(type, object, JSON_REQUEST, &request->arena, ret_value, &request->error);
}

int body_make(struct edda_request *request, void **ret_body)
{
    const struct route *route = request->route;
    uint8_t *body = arena_alloc(&request->arena, route->in_body.size), *parameters = body;
    if (body && route->in_path.field_count)
        parameters = arena_alloc(&request->arena, route->in_path.size);
    if (!body || !parameters)
        return edda_fail_with(&request->error, EDDA_ENOMEM, "out of memory for the request");
    int rc = 0;
    if (route->in_path.field_count)
        rc = texts_decode(request, &route->in_path, edda_parameter, parameters);
    if (rc == 0 && route->from_query)
        rc = texts_decode(request, &route->in_body, edda_query, body);
    else if (rc == 0 && (route->in_body.field_count || route->in_path.field_count == 0))
        rc = body_decode(request, &route->in_body, body);
    for (uint32_t i = 0; rc == 0 && i < route->in_path.field_count; i++) {
        const struct edda_field *field = &route->in_path.fields[i];
        memcpy(body + field->offset, parameters + field->offset, field_size(field->kind, field->type));
    }
    if (rc == 0)
        *ret_body = body;
    return rc;
}

int command_call(struct edda_request *request, const void *body, void *user)
{
    const struct route *route = request->route;
    (void)user;
    if (!route->numbered)
        return edda_call_struct(request, route->row.route.body, body);
    int64_t number = edda_sequence(request, route->row.route.sequence);
    if (number < 0)
        return (int)number;
    uint8_t *numbered = edda_request_alloc(request, route->in_body.size);
    if (!numbered)
        return edda_fail_with(edda_request_error(request), EDDA_ENOMEM, "out of memory for the request");
    memcpy(numbered, body, route->in_body.size);
    memcpy(numbered + route->numbered->offset, &number, sizeof number);
    return edda_call_struct(request, route->row.route.body, numbered);
}
