/* deadlines: the pending deadlines of all services: list, move, cancel. */
#include "server/collection.h"
#include "server/handlers.h"
#include "server/rows.h"

/* Under which path a deadline is found again: by the one by which the list was asked for. */
static struct slice deadline_link(struct edda_request *request, struct edda_text id)
{
    const struct link_source source = { .key = slice_of(id.data, id.len) };
    const char *path = arena_printf(&request->arena, "%s/{id}", request->route->row.route.path);
    return path ? link_make(request, path, &source) : slice_of(NULL, 0);
}

static int deadline_visit(void *user, const struct edda_deadline_info *deadline, struct slice type, struct slice json)
{
    struct collection *collection = user;
    const struct Deadline row = {
        .id = deadline->id,
        .service = deadline->service,
        .key = deadline->key,
        .name = deadline->name,
        .setTime = deadline->set_ms,
        .dueTime = deadline->due_ms,
        .type = { (const char *)type.data, type.len },
        .data = { (const char *)json.data, json.len },
        .repeats = deadline->repeats,
    };
    collection_row(collection, &Deadline_type, &row, deadline_link(collection->request, deadline->id));
    return 0;
}

int deadlines_list(struct edda_request *request, const void *body, void *user)
{
    (void)body, (void)user;
    struct engine *engine = request->server->engine;
    struct collection collection;
    if (collection_begin(&collection, request, "deadlines") < 0)
        return 0;
    int rc = engine_deadlines(engine, NULL, collection.from, collection.size, deadline_visit, &collection);
    if (rc < 0)
        return edda_fail_with(&request->error, rc, "reading deadlines: %s", edda_code_info(rc)->sentence);
    return collection_end(&collection, engine_deadline_count(engine, NULL));
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
