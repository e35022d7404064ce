/*
 * router: rows are split into segments once, sorted by their number and then words before parameters, so that the first
 * one that matches is the right one.
 */
#include "server/router.h"

#include <stdlib.h>

#include "server/handlers.h"
#include "wire/http/http.h"

static const char method_characters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
/* Of a path; all of them stand for themselves in JSON and in a header. */
static const char path_characters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-~{}/";

static bool made_of(const char *text, const char *characters)
{
    return text && *text && text[strspn(text, characters)] == '\0';
}

/* Splits off the segment at the start of a path that begins with '/'. */
static struct slice segment_next(struct slice *path)
{
    struct slice rest = slice_from(*path, 1);
    const uint8_t *mark = rest.len ? memchr(rest.data, '/', rest.len) : NULL;
    struct slice segment = slice_of(rest.data, mark ? (size_t)(mark - rest.data) : rest.len);
    *path = slice_from(rest, segment.len);
    return segment;
}

static int compile(struct route *route, struct edda_error *error)
{
    const struct edda_route *row = &route->row.route;
    if (!made_of(row->method, method_characters))
        return edda_fail_field(error, EDDA_EINVAL, "method", "route %s: its method is none",
                               row->path ? row->path : "?");
    if (!made_of(row->path, path_characters) || row->path[0] != '/')
        return edda_fail_field(error, EDDA_EINVAL, "path",
                               "route %s %s: a path begins with '/' and has no special characters", row->method,
                               row->path ? row->path : "");
    struct slice path = slice_str(row->path);
    while (path.len) {
        struct slice segment = segment_next(&path);
        if (segment.len == 0 && path.len)
            return edda_fail_field(error, EDDA_EINVAL, "path", "route %s %s: a segment is empty", row->method,
                                   row->path);
        if (route->segment_count == ROUTE_SEGMENTS_MAX)
            return edda_fail_field(error, EDDA_EINVAL, "path", "route %s %s: more than %d segments", row->method,
                                   row->path, ROUTE_SEGMENTS_MAX);
        bool parameter = segment.len > 2 && segment.data[0] == '{' && segment.data[segment.len - 1] == '}';
        if (parameter)
            segment = slice_of(segment.data + 1, segment.len - 2);
        else
            route->words |= UINT32_C(1) << (31 - route->segment_count);
        if (segment.len && (memchr(segment.data, '{', segment.len) || memchr(segment.data, '}', segment.len)))
            return edda_fail_field(error, EDDA_EINVAL, "path", "route %s %s: a parameter stands for a whole segment",
                                   row->method, row->path);
        route->segments[route->segment_count++] = segment;
    }
    return 0;
}

static bool segment_is_word(const struct route *route, uint32_t i)
{
    return route->words & UINT32_C(1) << (31 - i);
}

/* Whether two routes match the same requests. */
static bool route_same(const struct route *a, const struct route *b)
{
    if (strcmp(a->row.route.method, b->row.route.method) != 0 || a->segment_count != b->segment_count ||
        a->words != b->words)
        return false;
    for (uint32_t i = 0; i < a->segment_count; i++)
        if (segment_is_word(a, i) && !slice_eq(a->segments[i], b->segments[i]))
            return false;
    return true;
}

static int router_add(struct router *router, const struct route_row *row, enum route_rank rank,
                      const char *owner, const struct edda_service *service, struct edda_error *error)
{
    struct route added = { .row = *row, .rank = rank, .owner = owner, .service = service, .order = router->count };
    int rc = compile(&added, error);
    if (rc == 0)
        rc = route_sort_fields(&added, &router->arena, error);
    if (rc < 0)
        return rc;
    for (uint32_t i = 0; i < router->count; i++) {
        if (!route_same(&router->routes[i], &added))
            continue;
        if (router->routes[i].rank != rank)
            return 0;
        return edda_fail_field(error, EDDA_EINVAL, "path", "there are two routes %s %s", row->route.method,
                               row->route.path);
    }
    if (router->count == ROUTES_MAX)
        return edda_fail_with(error, EDDA_ELIMIT, "more than %d routes", ROUTES_MAX);
    router->routes[router->count++] = added;
    return 0;
}

static int add_own(struct router *router, const struct edda_route *routes, const char *owner, struct edda_error *error)
{
    for (const struct edda_route *route = routes; route && route->method; route++) {
        struct route_row row = { .route = *route };
        if (!route->handle && route->body && route->body->kind == EDDA_TYPE_COMMAND)
            row.route.handle = command_call;
        else if (!route->handle && !route->text)
            return edda_fail_with(error, EDDA_EINVAL, "route %s %s has no handler", route->method,
                                  route->path ? route->path : "?");
        for (int i = 0; i < 2; i++) {
            const struct edda_type *type = i ? route->reply : route->body;
            int bad = type ? edda_type_check(type, error) : 0;
            if (bad < 0)
                return bad;
        }
        if (route->location && (!made_of(route->location, path_characters) || route->location[0] != '/'))
            return edda_fail_field(error, EDDA_EINVAL, "location", "route %s %s: its location is no path",
                                   route->method, route->path ? route->path : "?");
        int rc = router_add(router, &row, ROUTE_OF_APP, owner, NULL, error);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int add_view(struct router *router, const struct edda_service *service, struct edda_error *error)
{
    const struct edda_view *view = service->view;
    int rc = 0;
    if (view && view->path) {
        struct route_row row = {
            .route = { .method = "GET", .path = view->path, .handle = view_page, .reply = view->row },
            .answer = ROUTE_ANSWERS_COLLECTION,
            .collection = view->name
        };
        rc = router_add(router, &row, ROUTE_OF_VIEW, service->name, service, error);
    }
    if (rc == 0 && view && view->item) {
        struct route_row row = {
            .route = { .method = "GET", .path = view->item, .handle = view_item, .reply = view->row },
            .answer = ROUTE_ANSWERS_ITEM
        };
        rc = router_add(router, &row, ROUTE_OF_VIEW, service->name, service, error);
    }
    return rc;
}

static bool first_word_taken(const struct router *router, const char *path)
{
    struct slice rest = slice_str(path);
    struct slice word = segment_next(&rest);
    for (uint32_t i = 0; i < router->count; i++)
        if (router->routes[i].rank != ROUTE_BUILT_IN && segment_is_word(&router->routes[i], 0) &&
            slice_eq(router->routes[i].segments[0], word))
            return true;
    return false;
}

static int add_under_edda(struct router *router, const struct route_row *built_in, struct edda_error *error)
{
    struct route_row row = *built_in;
    row.route.path = arena_printf(&router->arena, "/edda%s", built_in->route.path);
    if (!row.route.path)
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory for routes");
    return router_add(router, &row, ROUTE_BUILT_IN, "edda", NULL, error);
}

static int add_built_in(struct router *router, const struct edda_app *app, struct edda_error *error)
{
    for (const struct route_row *built_in = builtin_routes; built_in->route.method; built_in++) {
        struct route_row row = *built_in;
        if (row.of_entity && !app->entity_word)
            continue;
        if (row.of_entity)
            row.route.path = arena_printf(&router->arena, "/%ss%s", app->entity_word, built_in->route.path);
        if (!row.route.path)
            return edda_fail_with(error, EDDA_ENOMEM, "out of memory for routes");
        int rc = row.of_log ? add_under_edda(router, built_in, error) : 0;
        if (rc == 0 && (row.unless_taken || row.of_log) && first_word_taken(router, row.route.path))
            continue;
        if (rc == 0)
            rc = router_add(router, &row, ROUTE_BUILT_IN, "edda", NULL, error);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int route_compare(const void *a_, const void *b_)
{
    const struct route *a = a_, *b = b_;
    if (a->segment_count != b->segment_count)
        return a->segment_count < b->segment_count ? -1 : 1;
    if (a->words != b->words)
        return a->words > b->words ? -1 : 1;
    return a->order < b->order ? -1 : 1;
}

int router_init(struct router *router, const struct edda_app *app, struct edda_error *error)
{
    *router = (struct router){ .count = 0 };
    arena_init(&router->arena, 1024, 0);
    router->routes = calloc(ROUTES_MAX, sizeof *router->routes);
    int rc = router->routes ? 0 : edda_fail_with(error, EDDA_ENOMEM, "out of memory for routes");
    for (size_t i = 0; rc == 0 && app->services && app->services[i]; i++)
        rc = add_own(router, app->services[i]->routes, app->services[i]->name, error);
    for (size_t i = 0; rc == 0 && app->projections && app->projections[i]; i++)
        rc = add_own(router, app->projections[i]->routes, app->projections[i]->name, error);
    for (size_t i = 0; rc == 0 && app->services && app->services[i]; i++)
        rc = add_view(router, app->services[i], error);
    if (rc == 0)
        rc = add_built_in(router, app, error);
    if (rc < 0) {
        router_deinit(router);
        return rc;
    }
    qsort(router->routes, router->count, sizeof *router->routes, route_compare);
    for (uint32_t i = 0, segments = 0; segments < ROUTE_SEGMENTS_MAX + 2; segments++) {
        while (i < router->count && router->routes[i].segment_count < segments)
            i++;
        router->begin[segments] = i;
    }
    return 0;
}

void router_deinit(struct router *router)
{
    free(router->routes);
    arena_deinit(&router->arena);
    *router = (struct router){ .count = 0 };
}

/* Splits and decodes a request's path. A slash at its end is forgiven. Returns the number of segments, or a code. */
static int path_split(struct slice path, struct arena *arena, struct slice ret_segments[ROUTE_SEGMENTS_MAX])
{
    if (path.len == 0 || path.data[0] != '/')
        return EDDA_ENOTFOUND;
    if (path.len > 1 && path.data[path.len - 1] == '/')
        path.len--;
    int count = 0;
    while (path.len) {
        if (count == ROUTE_SEGMENTS_MAX)
            return EDDA_ENOTFOUND;
        struct slice decoded = http_decode(segment_next(&path), false, arena);
        if (!decoded.data)
            return EDDA_EMALFORMED;
        ret_segments[count++] = decoded;
    }
    return count;
}

/* The parameters of the path are put in the places of their segments. */
static bool route_matches(const struct route *route, const struct slice *segments)
{
    for (uint32_t i = 0; i < route->segment_count; i++)
        if (segment_is_word(route, i) ? !slice_eq(route->segments[i], segments[i]) : segments[i].len == 0)
            return false;
    return true;
}

static bool route_answers(const struct route *route, struct slice method)
{
    return slice_eq_str(method, route->row.route.method) ||
           (slice_eq_str(method, "HEAD") && strcmp(route->row.route.method, "GET") == 0);
}

/* The methods that a path has, for an Allow header. */
static struct slice allow_list(const struct router *router, uint32_t count, const struct slice *segments,
                               struct arena *arena)
{
    char *list = NULL;
    for (uint32_t i = router->begin[count]; i < router->begin[count + 1]; i++) {
        const struct route *route = &router->routes[i];
        const char *method = route->row.route.method;
        if (!route_matches(route, segments) || (list && strstr(list, method)))
            continue;
        const char *head = strcmp(method, "GET") == 0 ? ", HEAD" : "";
        list = list ? arena_printf(arena, "%s, %s%s", list, method, head) : arena_printf(arena, "%s%s", method, head);
        if (!list)
            break;
    }
    return slice_str(list);
}

int router_find(const struct router *router, struct slice method, struct slice path, struct arena *arena,
                const struct route **ret_route, struct slice ret_parameters[ROUTE_SEGMENTS_MAX],
                struct slice *ret_allow)
{
    int split = path_split(path, arena, ret_parameters);
    if (split < 0)
        return split;
    uint32_t count = (uint32_t)split;
    bool found = false;
    for (uint32_t i = router->begin[count]; i < router->begin[count + 1]; i++) {
        const struct route *route = &router->routes[i];
        if (!route_matches(route, ret_parameters))
            continue;
        if (route_answers(route, method)) {
            *ret_route = route;
            return 0;
        }
        found = true;
    }
    if (!found)
        return EDDA_ENOTFOUND;
    *ret_allow = allow_list(router, count, ret_parameters, arena);
    return EDDA_EMETHOD;
}
