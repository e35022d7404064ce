/* reference: writes the pages of docs/reference/ that come from tables. */
#include "server/reference.h"

#include <stdio.h>

#include "broker/broker.h"
#include "cmd/cmd.h"
#include "engine/engine.h"

struct reference_values {
    const char *page;
};

struct page {
    const char *name;
    void (*write)(struct buffer *out);
};

/* The codes are 0, -1, -2 … without a gap; an unknown one has the row of another. */
static void errors_document(struct buffer *out)
{
    buffer_append_str(
        out, "# Errors\n\nEvery failure is one of these codes (`include/edda/error.h`). The sentence is said where nothing more "
             "telling is known;\nwhat was wrong and where is in the message, `detail` over HTTP. *Again*: the same call "
             "may succeed later, unchanged. *Fatal*: the store\nmust be closed.\n\n| code | number | sentence | HTTP | "
             "Kafka | RESP | |\n|---|---|---|---|---|---|---|\n");
    for (int code = 0; edda_code_info(code)->code == code; code--) {
        const struct edda_code_info *info = edda_code_info(code);
        buffer_printf(out, "| `%s` | %d | %s | %d | %d | `%s` | %s |\n", info->name, info->code, info->sentence,
                      info->http_status, info->kafka_code, info->resp_prefix,
                      info->fatal ? "fatal" : info->retriable ? "again" : "");
    }
}

static void remote_answer_document(struct buffer *out)
{
    buffer_append_str(out, "# What a remote service answers\n\nAs JSON Schema; [the guide](../guides/remote-handlers.md) says it in words. A member that is "
                           "not here fails the step.\n\n```json\n");
    remote_answer_schema(out);
    buffer_append_str(out, "\n```\n");
}

static const struct page pages[] = {
    { "errors", errors_document },
    { "kafka", broker_document },
    { "limits", limits_document },
    { "metrics", metrics_document },
    { "remote-answer", remote_answer_document },
    { "routes", routes_document },
};

static const struct argument_row reference_arguments[] = {
    { "PAGE", offsetof(struct reference_values, page), false, "errors, kafka, limits, metrics, remote-answer or routes" },
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
    return cmd_misused(app, "reference", "PAGE is errors, kafka, limits, metrics, remote-answer or routes");
}
