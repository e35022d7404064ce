/*
 * verify: every byte of the log, every batch, and the index against them. A log that cannot be opened is opened in spite of its damage, and then
 * only the log is looked at: what it lacks the index would be blamed for.
 */
#include <inttypes.h>

#include "base/arena.h"
#include "cmd/edda_manifest.h"
#include "cmd/edda_tool.h"
#include "wire/json/json.h"

struct verify_values {
    const char *dir;
    bool json;
};

struct finding {
    const struct verify_values *v;
    struct buffer line;
    uint64_t told;
};

static void tell(void *user, const char *where, uint64_t from, uint64_t to, const char *reason)
{
    struct finding *finding = user;
    struct buffer *out = &finding->line;
    finding->told++;
    progress_end();
    if (finding->v->json) {
        buffer_append_str(out, "{\"where\":");
        json_put_string(out, slice_str(where));
        buffer_printf(out, ",\"from\":%" PRIu64 ",\"to\":%" PRIu64 ",\"reason\":", from, to);
        json_put_string(out, slice_str(reason));
        buffer_append_str(out, "}\n");
    } else if (strcmp(where, "index") == 0) {
        buffer_printf(out, "index, position %" PRIu64 ": %s\n", from, reason);
    } else {
        buffer_printf(out, "%s, bytes %" PRIu64 " to %" PRIu64 ": %s\n", where, from, to, reason);
    }
    print_buffer(out);
}

/* What of a log that does not open is damaged. */
static int64_t verify_damaged(struct tool *tool, struct finding *finding)
{
    const struct log_options options = { .contents = STORE_FORMAT, .salvage = true };
    struct edda_error why = tool->error, error;
    struct log *log;
    int r = log_open(tool->io, finding->v->dir, &options, &log, NULL, &error);
    if (r < 0)
        return r; /* the first error says more */
    int64_t found = log_verify(log, tell, finding, &tool->error);
    log_close(log);
    if (found == 0) {
        tell(finding, "log", 0, 0, why.message);
        found = 1;
    }
    return found;
}

/* How far a backup says that it reaches; 0 of a data directory. One that has lost its end is whole as far as it goes. */
static int64_t reach(struct tool *tool, const char *dir)
{
    struct manifest manifest;
    struct arena arena;
    arena_init(&arena, 0, 0);
    int64_t r = manifest_read(tool->io, dir, &arena, &manifest, &tool->error);
    arena_deinit(&arena);
    return r == EDDA_ENOTFOUND ? 0 : r < 0 ? r : manifest.end;
}

static int64_t verify(struct tool *tool, struct finding *finding)
{
    int64_t said = reach(tool, finding->v->dir); /* before the log is opened: it may grow meanwhile, and what it says after it */
    if (said < 0)
        return said;
    int64_t r = tool_open_reading(tool, finding->v->dir);
    if (r == EDDA_ECORRUPT)
        return verify_damaged(tool, finding);
    if (r < 0)
        return r;
    int64_t end = (int64_t)log_end(store_log(tool->store)), lost = said > end;
    if (lost)
        tell(finding, "log", (uint64_t)end, (uint64_t)said, "the backup had this, and has it no more");
    r = store_verify(tool->store, tell, finding, &tool->error);
    return r < 0 ? r : r + lost;
}

static int verify_run(const void *values)
{
    const struct verify_values *v = values;
    struct tool tool;
    if (!tool_init(&tool, "verify"))
        return EXIT_FAILED;
    struct finding finding = { .v = v, .line = BUFFER_EMPTY };
    int64_t found = verify(&tool, &finding);
    int status = EXIT_FAILED;
    if (found < 0) {
        tool_fail(&tool);
    } else if (found > 0) {
        tool_fail_with(&tool, "%" PRId64 " place%s damaged in %s; edda salvage copies what is whole", found, found == 1 ? " is" : "s are",
                       v->dir);
    } else {
        status = EXIT_DONE;
        if (!v->json)
            printf("%s is whole: %" PRIu64 " records, %" PRIu64 " bytes\n", v->dir, store_tail(tool.store),
                   log_end(store_log(tool.store)) - log_start(store_log(tool.store)));
    }
    buffer_deinit(&finding.line);
    tool_deinit(&tool);
    return status;
}

#define AT(member) offsetof(struct verify_values, member)
const struct command_row tool_verify = {
    .name = "verify",
    .summary = "Checks everything in a data directory; says what is damaged and where",
    .notes = "A process may be writing meanwhile: what was there at the start is checked. Exit status 1 when something is damaged.",
    .values_size = sizeof(struct verify_values),
    .run = verify_run,
    .arguments = (const struct argument_row[]){
        { "DIR", AT(dir), false, "The data directory, or a backup" },
        { .name = NULL } },
    .options = (const struct option_row[]){
        { "json", OPTION_FLAG, AT(json), NULL, NULL, "Each damaged place is a JSON object on a line" },
        { .name = NULL } },
};
