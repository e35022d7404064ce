/* remote: see remote.h. */
#include "cmd/remote.h"

#include <stdio.h>

#include "server/client.h"
#include "server/rows.h"
#include "wire/json/json.h"

static const struct edda_field remote_page_fields[] = {
    EDDA_FIELD(remote_page, size),
    EDDA_FIELD(remote_page, totalElements),
    EDDA_FIELD(remote_page, totalPages),
    EDDA_FIELD(remote_page, number),
};
const struct edda_type remote_page_type = EDDA_VALUE(remote_page);

/* What a problem says, or else the status. */
static int say_problem(const struct edda_app *app, const char *command, int status, struct slice content)
{
    struct arena arena;
    struct Problem problem;
    struct edda_error error = { .code = EDDA_EIO };
    arena_init(&arena, 0, 0);
    if (json_decode(&Problem_type, content, JSON_STORED, &arena, &problem, NULL) == 0 && problem.detail.len)
        (void)edda_fail_with(&error, EDDA_EIO, "%.*s", (int)problem.detail.len, problem.detail.data);
    else
        (void)edda_fail_with(&error, EDDA_EIO, "the answer has status %d", status);
    arena_deinit(&arena);
    return cmd_fail(app, command, &error);
}

/* Programs take the same port when they are told nothing else: what answers may be another one, which must not be repaired in place of ours. */
static int is_ours(const struct edda_app *app, const char *url, struct edda_error *error)
{
    struct arena arena;
    struct buffer content = BUFFER_EMPTY;
    struct Health health = { .live = false };
    const struct client_request request = { .url = url, .method = "GET", .path = "/health" };
    arena_init(&arena, 0, 0);
    int rc = client_call(&request, &content, error);
    if (rc >= 0) {
        bool known = json_decode(&Health_type, buffer_slice(&content), JSON_STORED, &arena, &health, NULL) == 0;
        rc = 0;
        if (!known)
            rc = edda_fail_with(error, EDDA_EINVAL, "what answers at %s is no application of Edda; --url URL names another", url);
        else if (!edda_text_is(health.application, app->name))
            rc = edda_fail_with(error, EDDA_EINVAL, "what answers at %s is application %.*s; --url URL names another", url,
                                (int)health.application.len, health.application.data);
    }
    arena_deinit(&arena);
    buffer_deinit(&content);
    return rc;
}

int remote_ask(const struct edda_app *app, const char *command, const struct remote_values *values, const char *method,
               const char *path, struct slice json, struct buffer *content)
{
    char url[64];
    struct edda_error error = { 0 };
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u", (unsigned)cmd_default_port(app));
    const struct client_request request = {
        .url = values->url ? values->url : url, .method = method, .path = path, .json = json
    };
    int status = is_ours(app, request.url, &error);
    if (status == 0)
        status = client_call(&request, content, &error);
    if (status == EDDA_ENOTFOUND)
        (void)cmd_advise(&error, "start it with `run`, or say where it is with --url URL");
    if (status < 0)
        return cmd_fail(app, command, &error);
    return status < 300 ? EXIT_DONE : say_problem(app, command, status, buffer_slice(content));
}

/* One page. */
static int list_page(const struct edda_app *app, const char *command, const struct remote_values *values,
                     const char *path, const struct edda_type *type, remote_show_fn *show, struct remote_page *page)
{
    char paged[256];
    struct buffer content = BUFFER_EMPTY;
    struct arena arena;
    struct edda_error error = { 0 };
    arena_init(&arena, 0, 0);
    (void)snprintf(paged, sizeof paged, "%s?size=1000&page=%lld", path, (long long)page->number);
    int status = remote_ask(app, command, values, "GET", paged, slice_of(NULL, 0), &content);
    void *answer = arena_alloc(&arena, type->size);
    if (status == EXIT_DONE &&
        (!answer || json_decode(type, buffer_slice(&content), JSON_STORED, &arena, answer, &error) < 0))
        status = cmd_fail(app, command, &error);
    if (status == EXIT_DONE) {
        bool first = page->number == 0;
        *page = *(struct remote_page *)answer;
        if (values->json)
            printf("%s", buffer_cstr(&content));
        else
            show(answer, first);
    }
    arena_deinit(&arena);
    buffer_deinit(&content);
    return status;
}

int remote_list(const struct edda_app *app, const char *command, const struct remote_values *values, const char *path,
                const struct edda_type *type, remote_show_fn *show)
{
    struct remote_page page = { .number = 0 };
    int status = list_page(app, command, values, path, type, show, &page);
    while (status == EXIT_DONE && page.number + 1 < page.totalPages) {
        page.number++;
        status = list_page(app, command, values, path, type, show, &page);
    }
    return status;
}
