/* trace: everything of one process, from a running instance, or straight from a data directory, whether an instance has it open or not. */
#include <stdio.h>

#include "cmd/data.h"
#include "cmd/remote.h"
#include "engine/trace.h"
#include "io/posix.h"
#include "journal/local.h"
#include "server/client.h"

struct trace_values {
    struct remote_values remote;
    const char *data, *entity, *id;
};

static const struct argument_row trace_arguments[] = {
    { "ID", offsetof(struct trace_values, id), true, "Correlation id of the process" },
    { NULL, 0, false, NULL },
};
/* The last but one is named by the application. */
static const struct option_row trace_options[] = {
    REMOTE_OPTIONS,
    { "data", OPTION_TEXT, offsetof(struct trace_values, data), "DIR", NULL,
      "Reads this directory and asks no instance" },
    { "", OPTION_TEXT, offsetof(struct trace_values, entity), "N", NULL,
      "The process of this one, in place of a correlation id" },
    { .name = NULL },
};
#define ENTITY_OPTION (sizeof trace_options / sizeof trace_options[0] - 2)

static int trace_remote(const struct edda_app *app, const struct trace_values *values, const char *id)
{
    struct buffer path = BUFFER_EMPTY, content = BUFFER_EMPTY;
    buffer_append_str(&path, "/traces/");
    client_encode(&path, id);
    buffer_append_str(&path, values->remote.json ? "?format=json" : "?format=text");
    int status = remote_ask(app, "trace", &values->remote, "GET", buffer_cstr(&path), slice_of(NULL, 0), &content);
    if (status == EXIT_DONE)
        printf("%s", buffer_cstr(&content));
    buffer_deinit(&path);
    buffer_deinit(&content);
    return status;
}

static int trace_journal(const struct edda_app *app, struct journal *journal, bool json, const char *id, struct edda_error *error)
{
    struct arena arena;
    struct trace trace;
    struct buffer out = BUFFER_EMPTY;
    arena_init(&arena, 0, 0);
    int rc = trace_read(journal, slice_str(id), &arena, &trace, error);
    if (rc == 0) {
        if (json)
            trace_json(&trace, &out);
        else
            trace_text(&trace, &out);
        printf("%s%s", buffer_cstr(&out), json ? "\n" : "");
    } else {
        trace_explain(app, error);
    }
    buffer_deinit(&out);
    arena_deinit(&arena);
    return rc;
}

static int trace_data(const struct edda_app *app, const struct trace_values *values, const char *id)
{
    const struct store_options options = { .log = { .read_only = true } };
    struct edda_error error = { 0 };
    struct journal *journal = NULL;
    struct io *io = io_posix_new(1);
    if (!io) {
        (void)edda_fail_with(&error, EDDA_ENOMEM, "out of memory, threads or descriptors");
        return cmd_fail(app, "trace", &error);
    }
    int rc = journal_local_open(io, values->data, &options, &journal, NULL, &error);
    if (rc < 0 && data_missing(io, values->data, &error))
        (void)cmd_advise(&error, "--data names the directory that `run` was given");
    if (rc == 0)
        rc = trace_journal(app, journal, values->remote.json, id, &error);
    journal_close(journal, true);
    io_posix_free(io);
    return rc < 0 ? cmd_fail(app, "trace", &error) : EXIT_DONE;
}

int cmd_trace(const struct edda_app *app, int argc, char **argv)
{
    struct option_row options[sizeof trace_options / sizeof trace_options[0]];
    struct trace_values values;
    int status;
    memcpy(options, trace_options, sizeof options);
    options[ENTITY_OPTION].name = app->entity_word;
    const struct command_row row = {
        .name = "trace",
        .summary = "Shows everything of one process, as a sequence diagram",
        .notes = "Asks a running instance, or with --data reads a directory, also one that an instance has open.",
        .arguments = trace_arguments,
        .options = options,
        .values_size = sizeof values
    };
    if (!cmd_parse(app, &row, argc, argv, &values, &status))
        return status;
    if (!values.id == !values.entity)
        return cmd_misused(app, "trace",
                           values.id ? "a correlation id or an entity, not both" : "the correlation id is missing");
    if (values.data && values.remote.url)
        return cmd_misused(app, "trace", "--data and --url exclude each other");
    const char *id = values.id ? values.id : values.entity;
    return values.data ? trace_data(app, &values, id) : trace_remote(app, &values, id);
}
