/* traces: one process by its correlation id, as JSON or as a sequence diagram in text. */
#include "engine/trace.h"
#include "server/handlers.h"
#include "server/parts.h"

/* The format that the query or the Accept header asks for. */
static int wants_text(struct edda_request *request, bool by_default, bool *ret_text)
{
    struct edda_text format = edda_query(request, "format");
    *ret_text = by_default;
    if (format.len == 0 && request_accepts(request, by_default ? "application/json" : "text/plain"))
        *ret_text = !by_default;
    if (format.len)
        *ret_text = edda_text_is(format, "text");
    if (!format.len || *ret_text || edda_text_is(format, "json"))
        return 0;
    (void)edda_fail_field(&request->error, EDDA_EINVAL, "format", "format must be json or text");
    request_fail(request, 400, EDDA_EINVAL);
    return EDDA_EINVAL;
}

static int answer_trace(struct edda_request *request, const char *parameter, bool text_by_default)
{
    struct buffer *content = &request->server->content;
    struct edda_text correlation = edda_parameter(request, parameter);
    struct trace trace;
    bool text;
    if (wants_text(request, text_by_default, &text) < 0)
        return 0;
    int rc = trace_read(request->server->journal, slice_of(correlation.data, correlation.len), &request->arena, &trace,
                        &request->error);
    if (rc < 0) {
        trace_explain(request->server->app, &request->error);
        return rc;
    }
    buffer_clear(content);
    if (text)
        trace_text(&trace, content);
    else
        trace_json(&trace, content);
    response_content(request, 200, text ? "text/plain; charset=utf-8" : "application/json", buffer_slice(content));
    return 0;
}

int trace_show(struct edda_request *request, const void *body, void *user)
{
    (void)body, (void)user;
    return answer_trace(request, "correlationId", false);
}

int trace_draw(struct edda_request *request, const void *body, void *user)
{
    (void)body, (void)user;
    return answer_trace(request, "id", true);
}
