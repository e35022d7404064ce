/* deadlines: lists, moves and cancels the pending deadlines of a running instance. */
#include <stdio.h>
#include <string.h>

#include "cmd/remote.h"
#include "server/client.h"
#include "server/rows.h"
#include "wire/json/json.h"

struct deadlines_values {
    struct remote_values remote;
    const char *action, *id, *time;
};

static const struct argument_row deadlines_arguments[] = {
    { "ACTION", offsetof(struct deadlines_values, action), true, "What to do: list (when left out), move or cancel" },
    { "ID", offsetof(struct deadlines_values, id), true,
      "Of the deadline to move or cancel, as the list shows it: SERVICE/KEY/NAME" },
    { "TIME", offsetof(struct deadlines_values, time), true, "When it is to be due, such as 2026-01-31T23:59:59Z" },
    { NULL, 0, false, NULL },
};
static const struct option_row deadlines_options[] = { REMOTE_OPTIONS, { .name = NULL } };
static const struct command_row deadlines_row = { .name = "deadlines",
                                                  .summary =
                                                      "Lists, moves and cancels the deadlines of a running instance",
                                                  .arguments = deadlines_arguments,
                                                  .options = deadlines_options,
                                                  .values_size = sizeof(struct deadlines_values) };

/* --- the list ------------------------------------------------------------------------------------------------------------- */

struct deadlines_embedded {
    struct edda_list deadlines;
};
static const struct edda_field deadlines_embedded_fields[] = { EDDA_FIELD_LIST_OF(deadlines_embedded, deadlines,
                                                                                  Deadline_type) };
static const struct edda_type deadlines_embedded = EDDA_VALUE(deadlines_embedded);

struct deadlines_answer {
    struct remote_page page;
    struct deadlines_embedded _embedded;
};
static const struct edda_field deadlines_answer_fields[] = {
    EDDA_FIELD_STRUCT(deadlines_answer, page, remote_page_type),
    EDDA_FIELD_STRUCT(deadlines_answer, _embedded, deadlines_embedded)
};
static const struct edda_type deadlines_answer = EDDA_VALUE(deadlines_answer);

static void show(const void *answer_, bool first)
{
    const struct deadlines_answer *answer = answer_;
    const struct Deadline *rows = answer->_embedded.deadlines.items;
    struct buffer due = BUFFER_EMPTY;
    if (first && answer->_embedded.deadlines.count == 0)
        printf("no deadlines are pending\n");
    else if (first)
        printf("%-28s %-24s %s\n", "DUE", "MESSAGE", "ID");
    for (uint32_t i = 0; i < answer->_embedded.deadlines.count; i++) {
        buffer_clear(&due);
        json_put_time(&due, rows[i].dueTime);
        printf("%-28.*s %-24.*s %.*s%s%.*s\n", (int)(due.len > 2 ? due.len - 2 : 0), buffer_cstr(&due) + 1,
               (int)rows[i].type.len, rows[i].type.data, (int)rows[i].id.len, rows[i].id.data,
               rows[i].repeats.len ? "   repeats " : "", (int)rows[i].repeats.len, rows[i].repeats.data);
    }
    buffer_deinit(&due);
}

/* --- changes -------------------------------------------------------------------------------------------------------------- */

static int change(const struct edda_app *app, const struct deadlines_values *values, const char *method,
                  struct slice json)
{
    struct buffer path = BUFFER_EMPTY, content = BUFFER_EMPTY;
    buffer_append_str(&path, "/edda/deadlines/");
    client_encode(&path, values->id);
    int status = remote_ask(app, "deadlines", &values->remote, method, buffer_cstr(&path), json, &content);
    if (status == EXIT_DONE && !values->remote.json)
        printf("%s is %s\n", values->id, json.len ? "moved" : "cancelled");
    buffer_deinit(&path);
    buffer_deinit(&content);
    return status;
}

static int move(const struct edda_app *app, const struct deadlines_values *values)
{
    struct DeadlineMove body;
    struct buffer json = BUFFER_EMPTY;
    if (!json_parse_time(slice_str(values->time), &body.dueTime))
        return cmd_misused(app, "deadlines", "TIME must be like 2026-01-31T23:59:59Z");
    json_encode(&DeadlineMove_type, &body, &json);
    int status = change(app, values, "PATCH", buffer_slice(&json));
    buffer_deinit(&json);
    return status;
}

int cmd_deadlines(const struct edda_app *app, int argc, char **argv)
{
    struct deadlines_values values;
    int status;
    if (!cmd_parse(app, &deadlines_row, argc, argv, &values, &status))
        return status;
    const char *action = values.action ? values.action : "list";
    if (strcmp(action, "list") == 0 && !values.id)
        return remote_list(app, "deadlines", &values.remote, "/edda/deadlines", &deadlines_answer, show);
    if (strcmp(action, "cancel") == 0 && values.id && !values.time)
        return change(app, &values, "DELETE", slice_of(NULL, 0));
    if (strcmp(action, "move") == 0 && values.time)
        return move(app, &values);
    return cmd_misused(app, "deadlines", "it is: list, move ID TIME, or cancel ID");
}
