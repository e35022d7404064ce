/* edda serve: the broker: a data directory that clients of several protocols use at once. It is an application of no services. */
#include "cmd/edda_tool.h"
#include "cmd/serving.h"

static int serve_run(const void *of)
{
    const struct serving_values *values = of;
    static const struct edda_service *const no_services[] = { NULL };
    static const struct edda_app app = { .name = "edda", .services = no_services };
    struct serving serving = { .app = &app, .command = "serve", .values = *values };
    return serving_run(&serving);
}

const struct command_row tool_serve = {
    .name = "serve",
    .summary = "Serves a data directory to clients over the network until it gets SIGINT or SIGTERM",
    .notes = "Then it ends in order: what was asked is answered, what is recorded is on the disk. A second signal ends it at once.",
    .options = serving_options,
    .values_size = sizeof(struct serving_values),
    .run = serve_run,
    .configured = true,
};
