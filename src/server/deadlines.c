/* deadlines: the pending deadlines of all services: list, move, cancel. */
#include "server/collection.h"
#include "server/handlers.h"
#include "server/rows.h"

struct deadline_list {
    struct collection collection;
    struct buffer *data;
};

/* Under which path a deadline is found again: by the one by which the list was asked for. */
static struct slice deadline_link(struct edda_request *request, struct edda_text id)
{
    const struct link_source source = { .key = slice_of(id.data, id.len) };
    const char *path = arena_printf(&request->arena, "%s/{id}", request->route->row.route.path);
    return path ? link_make(request, path, &source) : slice_of(NULL, 0);
}

static int deadline_visit(void *user, const struct edda_deadline_info *deadline)
{
    struct deadline_list *list = user;
    struct edda_request *request = list->collection.request;
    buffer_clear(list->data);
    json_encode(deadline->type, deadline->message, list->data);
    const struct Deadline row = {
        .id = deadline->id,
        .service = deadline->service,
        .key = deadline->key,
        .name = deadline->name,
        .setTime = deadline->set_ms,
        .dueTime = deadline->due_ms,
        .type = edda_text_of(deadline->type->name),
        .data = { (const char *)list->data->data, list->data->len },
    };
    collection_row(&list->collection, &Deadline_type, &row, deadline_link(request, deadline->id));
    return 0;
}

int deadlines_list(struct edda_request *request, const void *body, void *user)
{
    (void)body, (void)user;
    struct engine *engine = request->server->engine;
    struct buffer data = BUFFER_EMPTY;
    struct deadline_list list = { .data = &data };
    if (collection_begin(&list.collection, request, "deadlines") < 0)
        return 0;
    int rc = engine_deadlines(engine, NULL, list.collection.from, list.collection.size, deadline_visit, &list);
    buffer_deinit(&data);
    if (rc < 0)
        return edda_fail_with(&request->error, rc, "reading deadlines: %s", edda_code_info(rc)->sentence);
    return collection_end(&list.collection, engine_deadline_count(engine, NULL));
}

static struct slice deadline_id(const struct edda_request *request)
{
    struct edda_text id = edda_parameter(request, "id");
    return slice_of(id.data, id.len);
}

int deadline_move(struct edda_request *request, const void *body, void *user)
{
    (void)user;
    const struct DeadlineMove *move = body;
    return engine_deadline_move(request->server->engine, deadline_id(request), move->dueTime, &request->error);
}

int deadline_cancel(struct edda_request *request, const void *body, void *user)
{
    (void)body, (void)user;
    return engine_deadline_cancel(request->server->engine, deadline_id(request), &request->error);
}
