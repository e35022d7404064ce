/* bench: measures an application on the machine it is to run on. */
#include <stdio.h>

#include "cmd/cmd.h"

int cmd_bench(const struct edda_app *app, int argc, char **argv)
{
    (void)argc, (void)argv;
    fprintf(stderr, "%s bench: this build has no benchmark of applications\n", app->name);
    return EXIT_FAILED;
}
