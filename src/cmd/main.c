/* main: edda_main(): finds the command that the first word names, and runs it. */
#include <stdio.h>
#include <string.h>

#include "cmd/cmd.h"
#include "cmd/nearest.h"

#define PORT_DEFAULT 8080

struct app_command {
    const char *name;
    const char *summary; /* NULL: it is for those who make Edda, and --help is silent about it */
    cmd_fn *run;
};

/* clang-format off */
static const struct app_command commands[] = {
    { "run",        "Runs the application: its services and its HTTP interface", cmd_run },
    { "trace",      "Shows everything of one process", cmd_trace },
    { "deadlines",  "Lists, moves and cancels the deadlines of a running instance", cmd_deadlines },
    { "quarantine", "Lists and repairs the entities that a running instance holds", cmd_quarantine },
    { "migrate",    "Lets running processes of one version of a service belong to another", cmd_migrate },
    { "projections", "Lists and rebuilds the read models of a running instance", cmd_projections },
    { "simulate",   "Crash-tests the application in a simulated world", cmd_simulate },
    { "bench",      "Measures the application on this machine", cmd_bench },
    { "reference",  NULL, cmd_reference },
    { NULL, NULL, NULL },
};
/* clang-format on */

uint16_t cmd_default_port(const struct edda_app *app)
{
    return app->port ? app->port : PORT_DEFAULT;
}

void cmd_default_data(const struct edda_app *app, char *path, size_t size)
{
    (void)snprintf(path, size, "./data/%s", app->name);
}

static void say_version(const struct edda_app *app)
{
    printf("%s %s (edda %s)\n", app->name, app->version ? app->version : edda_version(), edda_version());
}

int cmd_asked(const struct edda_app *app, const struct command_row *row, int rc, char asked,
              const struct edda_error *error)
{
    if (rc < 0)
        return cmd_misused(app, row->name, error->message);
    if (asked == 'v')
        say_version(app);
    else
        options_help(stdout, app->name, row);
    return EXIT_DONE;
}

bool cmd_parse(const struct edda_app *app, const struct command_row *row, int argc, char **argv, void *values,
               int *ret_status)
{
    struct edda_error error = { 0 };
    char asked = 0;
    int rc = options_parse(row, argc - 2, argv + 2, values, &asked, &error);
    if (rc != 0)
        *ret_status = cmd_asked(app, row, rc, asked, &error);
    return rc == 0;
}

static void say_help(FILE *out, const struct edda_app *app)
{
    fprintf(out, "usage: %s COMMAND [OPTION]…\n\n", app->name);
    if (app->summary)
        fprintf(out, "%s\n\n", app->summary);
    for (const struct app_command *command = commands; command->name; command++)
        if (command->summary)
            fprintf(out, "  %-12s %s\n", command->name, command->summary);
    fprintf(out, "\n%s COMMAND --help says more. Exit status: 0 done, 1 failed, 2 wrong usage.\n", app->name);
}

static int run_command(const struct edda_app *app, const struct app_command *command, int argc, char **argv)
{
    int status = command->run(app, argc, argv);
    if (fflush(stdout) != 0 && status == EXIT_DONE) {
        fprintf(stderr, "%s %s: cannot write to standard output\n", app->name, command->name);
        status = EXIT_FAILED;
    }
    return status;
}

int edda_main(const struct edda_app *app, int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : NULL;
    if (!app || !app->name || !word) {
        if (app && app->name)
            say_help(stderr, app);
        return EXIT_USAGE;
    }
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0) {
        say_help(stdout, app);
        return EXIT_DONE;
    }
    if (strcmp(word, "--version") == 0) {
        say_version(app);
        return EXIT_DONE;
    }
    for (const struct app_command *command = commands; command->name; command++)
        if (strcmp(command->name, word) == 0)
            return run_command(app, command, argc, argv);
    struct nearest nearest = nearest_to(slice_str(word));
    for (const struct app_command *command = commands; command->name; command++)
        nearest_see(&nearest, command->name);
    return command_unknown(app->name, word, nearest.name);
}
