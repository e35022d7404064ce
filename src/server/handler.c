/*
 * handler: the smaller functions of edda/http.h, for route handlers. The calls are in request.c, the collections in collection.c.
 */
#include "server/parts.h"

static struct slice slice_of_text(struct edda_text text)
{
    return slice_of(text.data, text.len);
}

static struct edda_text text_of_slice(struct slice slice)
{
    return (struct edda_text){ (const char *)slice.data, slice.len };
}

int edda_respond_struct(struct edda_request *request, int status, const struct edda_type *type, const void *value)
{
    if (status < 200 || status >= STATUS_MAX)
        return edda_fail_field(&request->error, EDDA_EINVAL, "status", "%d is no status of an answer", status);
    struct buffer *content = &request->server->content;
    buffer_clear(content);
    json_encode(type, value, content);
    response_content(request, status, "application/json", buffer_slice(content));
    return 0;
}

int edda_respond_text(struct edda_request *request, int status, const char *content_type, struct edda_text text)
{
    if (status < 200 || status >= STATUS_MAX)
        return edda_fail_field(&request->error, EDDA_EINVAL, "status", "%d is no status of an answer", status);
    buffer_clear(&request->server->content);
    response_content(request, status, content_type, slice_of_text(text));
    return 0;
}

struct edda_text edda_parameter(const struct edda_request *request, const char *name)
{
    const struct route *route = request->route;
    for (uint32_t i = 0; i < route->segment_count; i++)
        if (!(route->words & UINT32_C(1) << (31 - i)) && slice_eq_str(route->segments[i], name))
            return text_of_slice(request->parameters[i]);
    return (struct edda_text){ NULL, 0 };
}

struct edda_text edda_query(const struct edda_request *request, const char *name)
{
    struct slice value = { NULL, 0 };
    /* What is decoded goes to the request's arena, which is no part of what the caller sees as constant. */
    struct arena *arena = &((struct edda_request *)request)->arena;
    if (!http_query_find(request->head.query, name, arena, &value))
        return (struct edda_text){ NULL, 0 };
    return text_of_slice(value);
}

struct edda_error *edda_request_error(struct edda_request *request)
{
    return &request->error;
}

void *edda_request_alloc(struct edda_request *request, size_t size)
{
    return arena_alloc(&request->arena, size);
}

int64_t edda_sequence(struct edda_request *request, const char *name)
{
    int64_t number = engine_sequence(request->server->engine, slice_str(name));
    if (number < 0)
        (void)edda_fail_with(&request->error, (int)number, "sequence %s: %s", name,
                             edda_code_info((int)number)->sentence);
    return number;
}

static bool service_is_known(const struct edda_app *app, const struct edda_service *service)
{
    for (size_t i = 0; app->services && app->services[i]; i++)
        if (app->services[i] == service)
            return true;
    return false;
}

const void *edda_state(struct edda_request *request, const struct edda_service *service, struct edda_text key)
{
    if (!service || !service_is_known(request->server->app, service)) {
        (void)edda_fail_with(&request->error, EDDA_ENOTFOUND, "the application has no service %s",
                             service ? service->name : "(none)");
        return NULL;
    }
    return engine_state(request->server->engine, service, slice_of_text(key));
}
