/* migrate: lets the running processes of one version of a service belong to another. */
#include <stdio.h>

#include "cmd/remote.h"
#include "server/client.h"
#include "server/rows.h"
#include "wire/json/json.h"

struct migrate_values {
    struct remote_values remote;
    const char *service;
    uint64_t from, to;
    bool dry_run;
};

static const struct argument_row migrate_arguments[] = {
    { "SERVICE", offsetof(struct migrate_values, service), false, "whose processes are to go over" },
    { NULL, 0, false, NULL },
};
static const struct option_row migrate_options[] = {
    REMOTE_OPTIONS,
    { "from", OPTION_NUMBER, offsetof(struct migrate_values, from), "N", "0", "The version that they belong to" },
    { "to", OPTION_NUMBER, offsetof(struct migrate_values, to), "N", "0", "The version that they are to belong to" },
    { "dry-run", OPTION_FLAG, offsetof(struct migrate_values, dry_run), NULL, NULL, "Only says what would be" },
    { .name = NULL },
};
static const struct command_row migrate_row = {
    .name = "migrate",
    .summary = "Lets the running processes of one version of a service belong to another",
    .notes = "Those that do not fit stay as they are, and are listed with the reason; the first 1,000 of them.",
    .arguments = migrate_arguments,
    .options = migrate_options,
    .values_size = sizeof(struct migrate_values)
};

static void show(const struct migrate_values *values, const struct Migrated *answer)
{
    const struct Unfit *rows = answer->unfit.items;
    printf("%s: %lld %s version %llu %s version %llu; %lld %s\n", values->service, (long long)answer->fits,
           answer->fits == 1 ? "process of" : "processes of", (unsigned long long)values->from,
           values->dry_run ? "would go over to" : "went over to", (unsigned long long)values->to, (long long)answer->unfits,
           answer->unfits == 1 ? "does not fit" : "do not fit");
    for (uint32_t i = 0; i < answer->unfit.count; i++)
        printf("  %.*s: %.*s\n", (int)rows[i].key.len, rows[i].key.data, (int)rows[i].reason.len, rows[i].reason.data);
}

static int migrate(const struct edda_app *app, const struct migrate_values *values)
{
    const struct Migration body = { .from = (int64_t)values->from, .to = (int64_t)values->to, .dryRun = values->dry_run };
    struct buffer path = BUFFER_EMPTY, json = BUFFER_EMPTY, content = BUFFER_EMPTY;
    struct arena arena;
    struct Migrated answer;
    struct edda_error error = { 0 };
    arena_init(&arena, 0, 0);
    buffer_append_str(&path, "/services/");
    client_encode(&path, values->service);
    buffer_append_str(&path, "/migrate");
    json_encode(&Migration_type, &body, &json);
    int status = remote_ask(app, "migrate", &values->remote, "POST", buffer_cstr(&path), buffer_slice(&json), &content);
    if (status == EXIT_DONE && values->remote.json)
        printf("%s\n", buffer_cstr(&content));
    else if (status == EXIT_DONE && json_decode(&Migrated_type, buffer_slice(&content), JSON_STORED, &arena, &answer, &error) < 0)
        status = cmd_fail(app, "migrate", &error);
    else if (status == EXIT_DONE)
        show(values, &answer);
    arena_deinit(&arena);
    buffer_deinit(&path);
    buffer_deinit(&json);
    buffer_deinit(&content);
    return status;
}

int cmd_migrate(const struct edda_app *app, int argc, char **argv)
{
    struct migrate_values values;
    int status;
    if (!cmd_parse(app, &migrate_row, argc, argv, &values, &status))
        return status;
    if (!values.service || !values.from || !values.to || values.from > UINT32_MAX || values.to > UINT32_MAX)
        return cmd_misused(app, "migrate", "it is: SERVICE --from N --to N [--dry-run]");
    return migrate(app, &values);
}
