/* What the commands of `edda` share; see edda_tool.h. */
#include "cmd/edda_tool.h"

#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#define OPEN_ATTEMPTS 4
#define OPEN_AGAIN_MS 25

const char *const tool_release = EDDA_RELEASE;

bool tool_init(struct tool *tool, const char *command)
{
    *tool = (struct tool){ .command = command, .io = io_posix_new(1) };
    if (!tool->io)
        fprintf(stderr, "edda %s: out of memory\n", command);
    return tool->io;
}

static bool progress_shown;

void progress_say(const char *what, uint64_t done_bytes, uint64_t all_bytes)
{
    if (!isatty(STDERR_FILENO))
        return;
    progress_shown = true;
    fprintf(stderr, "\r%s %u %% of %u MiB ", what, (unsigned)(all_bytes ? done_bytes * 100 / all_bytes : 100), (unsigned)(all_bytes >> 20));
}

void progress_show(void *user, uint64_t done_bytes, uint64_t all_bytes)
{
    (void)user;
    progress_say("indexing", done_bytes, all_bytes);
}

void progress_end(void)
{
    if (progress_shown)
        fprintf(stderr, "\n");
    progress_shown = false;
}

void tool_close(struct tool *tool)
{
    store_close(tool->store);
    tool->store = NULL;
}

void tool_deinit(struct tool *tool)
{
    tool_close(tool);
    io_posix_free(tool->io);
}

void tool_wait(struct tool *tool, int64_t ms)
{
    io_jobs_wait(tool->io, ms * 1000000);
    io_jobs_finish(tool->io);
}

bool tool_again(struct tool *tool, const char *dir, int code, int *attempt)
{
    if (code >= 0)
        return false;
    if (data_missing(tool->io, dir, &tool->error))
        return false;
    if ((code != EDDA_ECORRUPT && code != EDDA_ENOTFOUND && code != EDDA_ECLOSED) || ++*attempt >= OPEN_ATTEMPTS)
        return false;
    tool_wait(tool, OPEN_AGAIN_MS);
    return true;
}

int tool_open_reading(struct tool *tool, const char *dir)
{
    const struct store_options options = { .log.read_only = true, .progress = progress_show };
    int attempt = 0, r;
    do
        r = store_open(tool->io, dir, &options, &tool->store, NULL, &tool->error);
    while (tool_again(tool, dir, r, &attempt));
    progress_end();
    return r;
}

int tool_open_log(struct tool *tool, const char *dir, struct log **ret_log)
{
    const struct log_options options = { .contents = STORE_FORMAT, .read_only = true };
    int attempt = 0, r;
    do
        r = log_open(tool->io, dir, &options, ret_log, NULL, &tool->error);
    while (tool_again(tool, dir, r, &attempt));
    return r;
}

int tool_open_writing(struct tool *tool, const char *dir)
{
    return store_open(tool->io, dir, NULL, &tool->store, NULL, &tool->error);
}

int tool_fail(const struct tool *tool)
{
    fprintf(stderr, "edda %s: %s\n", tool->command, tool->error.message);
    return EXIT_FAILED;
}

__attribute__((format(printf, 2, 0))) static void complain(const struct tool *tool, const char *format, va_list arguments)
{
    fprintf(stderr, "edda %s: ", tool->command);
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n");
}

int tool_fail_with(const struct tool *tool, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    complain(tool, format, arguments);
    va_end(arguments);
    return EXIT_FAILED;
}

int tool_usage(const struct tool *tool, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    complain(tool, format, arguments);
    va_end(arguments);
    return EXIT_USAGE;
}

bool stream_split(const char *stream, struct slice *ret_category, struct slice *ret_key)
{
    const char *slash = strchr(stream, '/');
    if (!slash || slash == stream || slash[1] == '\0')
        return false;
    *ret_category = slice_of(stream, (size_t)(slash - stream));
    *ret_key = slice_str(slash + 1);
    return true;
}

bool path_join(char path[TOOL_PATH_BYTES], const char *dir, const char *name)
{
    int len = snprintf(path, TOOL_PATH_BYTES, "%s/%s", dir, name);
    return len > 0 && len < TOOL_PATH_BYTES;
}

bool print_buffer(struct buffer *out)
{
    bool ok = buffer_ok(out) && fwrite(out->data, 1, out->len, stdout) == out->len;
    buffer_clear(out);
    return ok;
}
