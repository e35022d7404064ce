/* app_options: the flags of an application's own, behind those of a command that runs its services. */
#include <stdio.h>
#include <string.h>

#include "cmd/cmd.h"

#define COMMAND_OPTIONS_MAX 40

/* A table that is wrong is the application's fault, and said as such. */
static const char *wrong_option(const struct edda_app *app)
{
    int64_t duration_ms;
    for (size_t i = 0; app->options && app->options[i].name; i++)
        if (i >= APP_OPTIONS_MAX || !app->options[i].duration_ms || !app->options[i].value ||
            !option_value(OPTION_DURATION, app->options[i].value, &duration_ms))
            return app->options[i].name;
    return NULL;
}

bool cmd_parse_with_app(const struct edda_app *app, const struct command_row *row, size_t durations_offset, int argc, char **argv,
                        void *values, int *ret_status)
{
    struct option_row rows[COMMAND_OPTIONS_MAX + APP_OPTIONS_MAX + 1];
    size_t count = 0;
    const char *wrong = wrong_option(app);
    if (wrong || !app->services || !app->services[0]) {
        fprintf(stderr, "%s %s: %s%s\n", app->name, row->name,
                wrong ? "the table of options is wrong at " : "the application has no services", wrong ? wrong : "");
        *ret_status = EXIT_FAILED;
        return false;
    }
    for (; row->options[count].name && count < COMMAND_OPTIONS_MAX; count++)
        rows[count] = row->options[count];
    for (size_t i = 0; app->options && app->options[i].name; i++)
        rows[count++] = (struct option_row){ .name = app->options[i].name,
                                             .kind = OPTION_DURATION,
                                             .value = "TIME",
                                             .offset = durations_offset + i * sizeof(int64_t),
                                             .fallback = app->options[i].value,
                                             .description = app->options[i].description };
    rows[count] = (struct option_row){ .name = NULL };
    struct command_row whole = *row;
    whole.options = rows;
    if (!cmd_parse(app, &whole, argc, argv, values, ret_status))
        return false;
    for (size_t i = 0; app->options && app->options[i].name; i++)
        memcpy(app->options[i].duration_ms, (const char *)values + durations_offset + i * sizeof(int64_t), sizeof(int64_t));
    return true;
}
