/* remote: see remote.h. */
#include "cmd/remote.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/base64.h"
#include "cmd/secret.h"
#include "server/client.h"
#include "server/rows.h"
#include "server/users.h"
#include "wire/json/json.h"

static const struct edda_field remote_page_fields[] = {
    EDDA_FIELD(remote_page, size),
    EDDA_FIELD(remote_page, totalElements),
    EDDA_FIELD(remote_page, totalPages),
    EDDA_FIELD(remote_page, number),
};
const struct edda_type remote_page_type = EDDA_VALUE(remote_page);

#define TOKEN_VARIABLE "EDDA_TOKEN"
#define TOKEN_BYTES_MAX 4096

/* --- who asks ----------------------------------------------------------------------------------------------------------- */

static int basic_put(const struct remote_values *values, struct buffer *out, struct edda_error *error)
{
    char password[USER_PASSWORD_MAX + 2];
    struct buffer plain = BUFFER_EMPTY;
    int rc = secret_read("password-file", values->password_file, password, sizeof password, error);
    if (rc < 0)
        return rc;
    buffer_printf(&plain, "%s:%s", values->user, password);
    buffer_append_str(out, "Basic ");
    base64_put(buffer_slice(&plain), out);
    buffer_deinit(&plain);
    return 0;
}

/* Appends the header's value; nothing when nobody is named. */
static int authorization_put(const struct remote_values *values, struct buffer *out, struct edda_error *error)
{
    char token[TOKEN_BYTES_MAX];
    const char *of_environment = getenv(TOKEN_VARIABLE);
    if (!values->user != !values->password_file)
        return edda_fail_field(error, EDDA_EINVAL, "user", "--user and --password-file go together; --%s is missing", values->user ? "password-file" : "user");
    if (values->user && values->token_file)
        return edda_fail_field(error, EDDA_EINVAL, "user", "--user and --token-file exclude each other");
    if (values->user && strchr(values->user, ':'))
        return edda_fail_field(error, EDDA_EINVAL, "user", "a name with ':' cannot be said over HTTP: give the user a token");
    if (values->user)
        return basic_put(values, out, error);
    int rc = values->token_file ? secret_read("token-file", values->token_file, token, sizeof token, error) : 0;
    const char *used = values->token_file ? token : of_environment && *of_environment ? of_environment : NULL;
    if (rc == 0 && used && strpbrk(used, "\r\n"))
        return edda_fail_field(error, EDDA_EINVAL, TOKEN_VARIABLE, TOKEN_VARIABLE " has more than one line");
    if (rc == 0 && used)
        buffer_printf(out, "Bearer %s", used);
    return rc;
}

/* --- asking ------------------------------------------------------------------------------------------------------------- */

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
    if (status == 401)
        (void)cmd_advise(&error, "--user NAME with --password-file FILE, --token-file FILE or " TOKEN_VARIABLE " say it");
    arena_deinit(&arena);
    return cmd_fail(app, command, &error);
}

/* Programs take the same port when they are told nothing else: what answers may be another one, which must not be repaired in place of ours. */
static int is_ours(const struct edda_app *app, const struct client_request *asked, struct edda_error *error)
{
    const char *url = asked->url;
    struct arena arena;
    struct buffer content = BUFFER_EMPTY;
    struct Health health = { .live = false };
    const struct client_request request = { .url = url, .method = "GET", .path = "/health", .ca_file = asked->ca_file };
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
    struct buffer authorization = BUFFER_EMPTY;
    struct edda_error error = { 0 };
    if (authorization_put(values, &authorization, &error) < 0) {
        buffer_deinit(&authorization);
        return cmd_fail(app, command, &error);
    }
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u", (unsigned)cmd_default_port(app));
    const struct client_request request = {
        .url = values->url ? values->url : url, .method = method, .path = path, .json = json, .ca_file = values->ca_file,
        .authorization = buffer_slice(&authorization).len ? buffer_cstr(&authorization) : NULL
    };
    int status = is_ours(app, &request, &error);
    if (status == 0)
        status = client_call(&request, content, &error);
    if (status == EDDA_ENOTFOUND)
        (void)cmd_advise(&error, "start it with `run`, or say where it is with --url URL");
    buffer_deinit(&authorization);
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
