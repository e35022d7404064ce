/* view: the routes of a service's view: a page of its rows, and one of them by its key. */
#include "server/collection.h"
#include "server/handlers.h"

struct view_rows {
    struct collection collection;
    const struct edda_view *view;
};

static struct slice row_link(struct edda_request *request, const struct edda_view *view, struct slice key)
{
    const struct link_source source = { .key = key };
    return view->item ? link_make(request, view->item, &source) : slice_of(NULL, 0);
}

static int view_visit(void *user, struct slice key, const void *row)
{
    struct view_rows *rows = user;
    collection_row(&rows->collection, rows->view->row, row, row_link(rows->collection.request, rows->view, key));
    return 0;
}

int view_page(struct edda_request *request, const void *body, void *user)
{
    (void)body, (void)user;
    const struct edda_service *service = request->route->service;
    struct engine *engine = request->server->engine;
    struct view_rows rows = { .view = service->view };
    if (collection_begin(&rows.collection, request, service->view->name) < 0)
        return 0;
    int rc = engine_view_rows(engine, service, rows.collection.from, rows.collection.size, view_visit, &rows);
    if (rc < 0)
        return edda_fail_with(&request->error, rc, "reading %s: %s", service->view->name, edda_code_info(rc)->sentence);
    return collection_end(&rows.collection, engine_view_count(engine, service));
}

/* The last parameter of the path is the key. */
static struct slice item_key(const struct edda_request *request)
{
    const struct route *route = request->route;
    for (uint32_t i = route->segment_count; i-- > 0;)
        if (!(route->words & UINT32_C(1) << (31 - i)))
            return request->parameters[i];
    return slice_of(NULL, 0);
}

int view_item(struct edda_request *request, const void *body, void *user)
{
    (void)body, (void)user;
    const struct edda_service *service = request->route->service;
    const struct edda_view *view = service->view;
    struct slice key = item_key(request);
    void *row = arena_alloc(&request->arena, view->row->size);
    if (!row)
        return edda_fail_with(&request->error, EDDA_ENOMEM, "out of memory for the row");
    int64_t version;
    if (!engine_view_row(request->server->engine, service, key, row, &version))
        return edda_fail_with(&request->error, EDDA_ENOTFOUND, "%s has none with the key %.*s", view->name,
                              (int)key.len, (const char *)key.data);
    return collection_item(request, view->row, row, row_link(request, view, key), version);
}
