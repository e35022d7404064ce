/* trace: what became of a process, drawn from a data directory; the application is not needed for it. */
#include "cmd/edda_tool.h"
#include "engine/trace.h"
#include "journal/local.h"

struct trace_values {
    const char *dir, *correlation;
    bool json;
};

static int trace_print(struct tool *tool, struct journal *journal, const struct trace_values *v)
{
    struct buffer out = BUFFER_EMPTY;
    struct arena arena;
    struct trace trace;
    arena_init(&arena, 0, 0);
    int r = trace_read(journal, slice_str(v->correlation), &arena, &trace, &tool->error);
    if (r >= 0) {
        if (v->json)
            trace_json(&trace, &out);
        else
            trace_text(&trace, &out);
        if (v->json)
            buffer_append_byte(&out, '\n');
        if (!print_buffer(&out))
            r = edda_fail_with(&tool->error, EDDA_EIO, "cannot write to standard output");
    }
    buffer_deinit(&out);
    arena_deinit(&arena);
    return r < 0 ? r : 0;
}

static int trace_run(const void *values)
{
    const struct trace_values *v = values;
    const struct store_options options = { .log.read_only = true, .progress = progress_show };
    struct journal *journal = NULL;
    struct tool tool;
    int status = EXIT_DONE, attempt = 0, r;
    if (!tool_init(&tool, "trace"))
        return EXIT_FAILED;
    do
        r = journal_local_open(tool.io, v->dir, &options, &journal, NULL, &tool.error);
    while (tool_again(&tool, v->dir, r, &attempt));
    if (r == 0)
        r = trace_print(&tool, journal, v);
    if (r < 0)
        status = tool_fail(&tool);
    journal_close(journal, true);
    tool_deinit(&tool);
    return status;
}

#define AT(member) offsetof(struct trace_values, member)
const struct command_row tool_trace = {
    .name = "trace",
    .summary = "Draws what became of a process",
    .values_size = sizeof(struct trace_values),
    .run = trace_run,
    .arguments = (const struct argument_row[]){
        { "DIR", AT(dir), false, "The data directory, or a backup" },
        { "CORRELATION", AT(correlation), false, "The process's correlation id" },
        { .name = NULL } },
    .options = (const struct option_row[]){
        { "json", OPTION_FLAG, AT(json), NULL, NULL, "As JSON" },
        { .name = NULL } },
};
