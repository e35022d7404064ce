/* projections: lists the read models of a running instance, and has them built anew. */
#include <stdio.h>
#include <string.h>

#include "cmd/remote.h"
#include "server/client.h"
#include "server/rows.h"

struct projections_values {
    struct remote_values remote;
    const char *action, *name;
};

static const struct argument_row projections_arguments[] = {
    { "ACTION", offsetof(struct projections_values, action), true, "list (when left out) or rebuild" },
    { "NAME", offsetof(struct projections_values, name), true, "of the read model to build anew" },
    { NULL, 0, false, NULL },
};
static const struct option_row projections_options[] = { REMOTE_OPTIONS, { .name = NULL } };
static const struct command_row projections_row = {
    .name = "projections",
    .summary = "Lists and rebuilds the read models of a running instance",
    .notes = "rebuild builds one from the beginning of the log, beside the one in use, which it replaces when it has caught up.",
    .arguments = projections_arguments,
    .options = projections_options,
    .values_size = sizeof(struct projections_values)
};

struct projections_embedded {
    struct edda_list projections;
};
static const struct edda_field projections_embedded_fields[] = { EDDA_FIELD_LIST_OF(projections_embedded, projections,
                                                                                    Projection_type) };
static const struct edda_type projections_embedded = EDDA_VALUE(projections_embedded);

struct projections_answer {
    struct remote_page page;
    struct projections_embedded _embedded;
};
static const struct edda_field projections_answer_fields[] = {
    EDDA_FIELD_STRUCT(projections_answer, page, remote_page_type),
    EDDA_FIELD_STRUCT(projections_answer, _embedded, projections_embedded)
};
static const struct edda_type projections_answer = EDDA_VALUE(projections_answer);

static void show(const void *answer_, bool first)
{
    const struct projections_answer *answer = answer_;
    const struct Projection *rows = answer->_embedded.projections.items;
    if (first && answer->_embedded.projections.count == 0)
        printf("the application has no read models\n");
    else if (first)
        printf("%-20s %7s %-12s %12s %10s %6s  %s\n", "NAME", "VERSION", "STATE", "POSITION", "LAG", "HELD", "ERROR");
    for (uint32_t i = 0; i < answer->_embedded.projections.count; i++)
        printf("%-20.*s %7lld %-12.*s %12lld %10lld %6lld  %.*s\n", (int)rows[i].name.len, rows[i].name.data, (long long)rows[i].version,
               (int)rows[i].state.len, rows[i].state.data, (long long)rows[i].position, (long long)rows[i].lag, (long long)rows[i].held,
               (int)rows[i].error.len, rows[i].error.data);
}

static int rebuild(const struct edda_app *app, const struct projections_values *values)
{
    struct buffer path = BUFFER_EMPTY, content = BUFFER_EMPTY;
    buffer_append_str(&path, "/projections/");
    client_encode(&path, values->name);
    buffer_append_str(&path, "/rebuild");
    int status = remote_ask(app, "projections", &values->remote, "POST", buffer_cstr(&path), slice_of(NULL, 0), &content);
    if (status == EXIT_DONE && !values->remote.json)
        printf("%s is built anew\n", values->name);
    buffer_deinit(&path);
    buffer_deinit(&content);
    return status;
}

int cmd_projections(const struct edda_app *app, int argc, char **argv)
{
    struct projections_values values;
    int status;
    if (!cmd_parse(app, &projections_row, argc, argv, &values, &status))
        return status;
    const char *action = values.action ? values.action : "list";
    if (strcmp(action, "list") == 0 && !values.name)
        return remote_list(app, "projections", &values.remote, "/projections", &projections_answer, show);
    if (strcmp(action, "rebuild") == 0 && values.name)
        return rebuild(app, &values);
    return cmd_misused(app, "projections", "it is: list, or rebuild NAME");
}
