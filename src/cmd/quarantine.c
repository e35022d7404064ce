/* quarantine: lists the entities that a running instance holds, and repairs them. */
#include <stdio.h>
#include <string.h>

#include "cmd/remote.h"
#include "server/client.h"
#include "server/rows.h"
#include "wire/json/json.h"

struct quarantine_values {
    struct remote_values remote;
    const char *action, *service, *key;
};

static const struct argument_row quarantine_arguments[] = {
    { "ACTION", offsetof(struct quarantine_values, action), true, "What to do: list (when left out), retry or skip" },
    { "SERVICE", offsetof(struct quarantine_values, service), true, "Whose entity is to be repaired" },
    { "KEY", offsetof(struct quarantine_values, key), true, "Of that entity" },
    { NULL, 0, false, NULL },
};
static const struct option_row quarantine_options[] = { REMOTE_OPTIONS, { .name = NULL } };
static const struct command_row quarantine_row = {
    .name = "quarantine",
    .summary = "Lists and repairs the entities that a running instance holds",
    .notes = "retry handles the message that failed once more, skip leaves it out; then those behind it follow.",
    .arguments = quarantine_arguments,
    .options = quarantine_options,
    .values_size = sizeof(struct quarantine_values)
};

struct quarantine_embedded {
    struct edda_list quarantine;
};
static const struct edda_field quarantine_embedded_fields[] = { EDDA_FIELD_LIST_OF(quarantine_embedded, quarantine,
                                                                                   Quarantined_type) };
static const struct edda_type quarantine_embedded = EDDA_VALUE(quarantine_embedded);

struct quarantine_answer {
    struct remote_page page;
    struct quarantine_embedded _embedded;
};
static const struct edda_field quarantine_answer_fields[] = {
    EDDA_FIELD_STRUCT(quarantine_answer, page, remote_page_type),
    EDDA_FIELD_STRUCT(quarantine_answer, _embedded, quarantine_embedded)
};
static const struct edda_type quarantine_answer = EDDA_VALUE(quarantine_answer);

static void show(const void *answer_, bool first)
{
    const struct quarantine_answer *answer = answer_;
    const struct Quarantined *rows = answer->_embedded.quarantine.items;
    if (first && answer->_embedded.quarantine.count == 0)
        printf("nothing is quarantined\n");
    else if (first)
        printf("%-16s %-20s %6s  %-24s %-20s %s\n", "SERVICE", "KEY", "HELD", "MESSAGE", "PROCESS", "REASON");
    for (uint32_t i = 0; i < answer->_embedded.quarantine.count; i++)
        printf("%-16.*s %-20.*s %6lld  %-24.*s %-20.*s %.*s\n", (int)rows[i].service.len, rows[i].service.data,
               (int)rows[i].key.len, rows[i].key.data, (long long)rows[i].held, (int)rows[i].type.len,
               rows[i].type.data, (int)rows[i].correlationId.len, rows[i].correlationId.data, (int)rows[i].reason.len,
               rows[i].reason.data);
}

static int repair(const struct edda_app *app, const struct quarantine_values *values)
{
    struct buffer path = BUFFER_EMPTY, content = BUFFER_EMPTY;
    buffer_append_str(&path, "/quarantine/");
    client_encode(&path, values->service);
    buffer_append_byte(&path, '/');
    client_encode(&path, values->key);
    buffer_append_byte(&path, '/');
    buffer_append_str(&path, values->action);
    int status =
        remote_ask(app, "quarantine", &values->remote, "POST", buffer_cstr(&path), slice_of(NULL, 0), &content);
    if (status == EXIT_DONE && !values->remote.json)
        printf("%s/%s: %s\n", values->service, values->key,
               strcmp(values->action, "retry") == 0 ? "is tried again" : "goes on without it");
    buffer_deinit(&path);
    buffer_deinit(&content);
    return status;
}

int cmd_quarantine(const struct edda_app *app, int argc, char **argv)
{
    struct quarantine_values values;
    int status;
    if (!cmd_parse(app, &quarantine_row, argc, argv, &values, &status))
        return status;
    const char *action = values.action ? values.action : "list";
    if (strcmp(action, "list") == 0 && !values.service)
        return remote_list(app, "quarantine", &values.remote, "/quarantine", &quarantine_answer, show);
    if ((strcmp(action, "retry") == 0 || strcmp(action, "skip") == 0) && values.key)
        return repair(app, &values);
    return cmd_misused(app, "quarantine", "it is: list, retry SERVICE KEY, or skip SERVICE KEY");
}
