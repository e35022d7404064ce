/* reference: writes the pages of docs/reference/ that come from tables. */
#include "server/reference.h"

#include <stdio.h>

#include "cmd/cmd.h"

struct reference_values {
    const char *page;
};

struct page {
    const char *name;
    void (*write)(struct buffer *out);
};

static const struct page pages[] = {
    { "metrics", metrics_document },
    { "routes", routes_document },
};

static const struct argument_row reference_arguments[] = {
    { "PAGE", offsetof(struct reference_values, page), false, "metrics or routes" },
    { NULL, 0, false, NULL },
};
static const struct command_row reference_row = { .name = "reference",
                                                  .summary = "Writes a page of the reference, as Markdown",
                                                  .arguments = reference_arguments,
                                                  .values_size = sizeof(struct reference_values) };

int cmd_reference(const struct edda_app *app, int argc, char **argv)
{
    struct reference_values values;
    int status;
    if (!cmd_parse(app, &reference_row, argc, argv, &values, &status))
        return status;
    for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++) {
        if (strcmp(values.page, pages[i].name) != 0)
            continue;
        struct buffer out = BUFFER_EMPTY;
        pages[i].write(&out);
        printf("%s", buffer_cstr(&out));
        buffer_deinit(&out);
        return EXIT_DONE;
    }
    return cmd_misused(app, "reference", "PAGE is metrics or routes");
}
