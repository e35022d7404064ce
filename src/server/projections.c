/* projections: how far the read models are, and their building anew; and edda_select(), by which route handlers read them. */
#include "engine/value.h"
#include "server/collection.h"
#include "server/handlers.h"
#include "server/rows.h"

int projections_list(struct edda_request *request, const void *body, void *user)
{
    (void)body, (void)user;
    struct collection collection;
    struct engine_projection_info info;
    if (collection_begin(&collection, request, "projections") < 0)
        return 0;
    for (size_t i = 0; engine_projection(request->server->engine, i, &info); i++) {
        if (!collection_wants(&collection))
            continue;
        const struct Projection row = {
            .name = edda_text_of(info.projection->name),
            .description = edda_text_of(info.projection->description),
            .version = (int64_t)info.projection->version,
            .state = edda_text_of(info.state),
            .error = { (const char *)info.error.data, info.error.len },
            .position = (int64_t)info.position,
            .lag = (int64_t)info.lag,
            .buildPosition = (int64_t)info.build_position,
            .applied = (int64_t)info.applied,
            .transactions = (int64_t)info.transactions,
            .conflicts = (int64_t)info.conflicts,
            .failures = (int64_t)info.failures,
            .held = (int64_t)info.held,
        };
        collection_row(&collection, &Projection_type, &row, slice_of(NULL, 0));
    }
    return collection_end(&collection, collection.seen);
}

int projection_rebuild(struct edda_request *request, const void *body, void *user)
{
    (void)body, (void)user;
    struct edda_text name = edda_parameter(request, "name");
    return engine_rebuild(request->server->engine, slice_of(name.data, name.len), &request->error);
}

/* --- edda_select() -------------------------------------------------------------------------------------------- */

struct selection {
    struct engine_query query;
    struct edda_request *request;
    edda_rows_fn *respond;
    void *user;
};

static void select_done(struct engine_query *query)
{
    struct selection *selection = container_of(query, struct selection, query);
    struct edda_request *request = selection->request;
    struct http_session *session = request->session;
    int rc = query->code;
    request->calling = false;
    if (rc < 0)
        request->error = query->error;
    request->in_handler = true; /* a call that is answered at once leaves the request to us */
    if (rc == 0 && session)
        rc = selection->respond(request, query->rows, query->count, selection->user);
    request->in_handler = false;
    if (session && !request->answered && !request->calling) {
        if (rc < 0)
            request_fail(request, 0, rc);
        else
            request_answer_by_row(request);
    }
    if (request->calling)
        return; /* the rows led to a call */
    request_free(request);
    if (session)
        connection_resume(&session->connection);
}

int edda_select(struct edda_request *request, const struct edda_query *query, edda_rows_fn *respond, void *user)
{
    if (request->answered || request->calling)
        return edda_fail_with(&request->error, EDDA_EINVAL, "a request asks one thing at a time, and before it is answered");
    struct selection *selection = arena_alloc(&request->arena, sizeof *selection);
    if (!selection)
        return edda_fail_with(&request->error, EDDA_ENOMEM, "out of memory for the request");
    *selection = (struct selection){
        .query = { .query = *query, .arena = &request->arena, .done = select_done },
        .request = request, .respond = respond, .user = user,
    };
    int rc = engine_select(request->server->engine, &selection->query, &request->error);
    if (rc == 0)
        request->calling = true;
    /* The engine takes its turn before the loop waits again. */
    request->server->next_ms = 0;
    return rc;
}

int edda_respond_list(struct edda_request *request, int status, const struct edda_type *type, const void *rows, size_t count)
{
    if (status < 200 || status >= STATUS_MAX)
        return edda_fail_field(&request->error, EDDA_EINVAL, "status", "%d is no status of an answer", status);
    struct buffer *content = &request->server->content;
    buffer_clear(content);
    buffer_append_byte(content, '[');
    for (size_t i = 0; i < count; i++) {
        if (i)
            buffer_append_byte(content, ',');
        json_encode(type, (const char *)rows + i * type->size, content);
    }
    buffer_append_byte(content, ']');
    response_content(request, status, "application/json", buffer_slice(content));
    return 0;
}
