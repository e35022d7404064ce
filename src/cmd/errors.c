/* errors: how commands say what went wrong. */
#include <stdio.h>
#include <string.h>

#include "cmd/cmd.h"

int cmd_advise(struct edda_error *error, const char *advice)
{
    size_t len = strlen(error->message);
    (void)snprintf(error->message + len, sizeof error->message - len, "; %s", advice);
    return error->code;
}

int cmd_fail(const struct edda_app *app, const char *command, const struct edda_error *error)
{
    fprintf(stderr, "%s %s: %s\n", app->name, command,
            error->message[0] ? error->message : edda_code_info(error->code)->sentence);
    return EXIT_FAILED;
}

int cmd_misused(const struct edda_app *app, const char *command, const char *what)
{
    fprintf(stderr, "%s %s: %s\n%s %s --help says how it is used\n", app->name, command, what, app->name, command);
    return EXIT_USAGE;
}
