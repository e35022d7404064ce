/*
 * tail: what is recorded from now on, as it is. The running process has the directory locked; this opens it for reading, which takes no
 * lock, and looks again and again what has been written. So a record is shown when it is written, which may be a moment before it is
 * known to be durable.
 *
 * Following keeps in memory what the index on the disk lacks. When that has grown the directory is opened anew, as it is when
 * following fails for any reason; only an open that fails ends the command.
 */
#include <inttypes.h>

#include "cmd/edda_tool.h"

#define INDEX_ENTRIES_MAX 4000000

struct tail_values {
    const char *dir, *category;
    const char *type;
    uint64_t last, limit;
    int64_t every_ms;
    bool internal, json;
};

struct following {
    struct tool *tool;
    const struct tail_values *v;
    uint64_t position;         /* of the next record */
    uint64_t left;
    struct buffer line;
};

static bool wanted(const struct tail_values *v, const struct store_record *record)
{
    if (v->category ? strcmp(record->topic->name, v->category) != 0 : record->topic->internal && !v->internal)
        return false;
    return record_is(record, v->type);
}

/* Shows all there is from the position on. 1 when the limit was reached. */
static int show_new(struct following *f)
{
    struct store_cursor cursor;
    struct store_record record;
    int r;
    store_cursor_init(&cursor, f->position, NULL);
    while ((r = store_cursor_next(f->tool->store, &cursor, &record, &f->tool->error)) > 0) {
        f->position = cursor.position;
        if (!wanted(f->v, &record))
            continue;
        record_line(&record, -1, f->v->json, &f->line);
        if (!print_buffer(&f->line)) {
            r = edda_fail_with(&f->tool->error, EDDA_EIO, "cannot write to standard output");
            break;
        }
        if (--f->left == 0)
            break;
    }
    store_cursor_deinit(&cursor);
    if (fflush(stdout) != 0 && r >= 0)
        r = edda_fail_with(&f->tool->error, EDDA_EIO, "cannot write to standard output");
    return r;
}

/* Takes in what was written, by opening the directory again if need be. */
static int look(struct following *f)
{
    struct store_stats stats;
    int r = store_refresh(f->tool->store, &f->tool->error);
    store_stats(f->tool->store, &stats);
    if (r >= 0 && stats.index.tail_entries < INDEX_ENTRIES_MAX)
        return r;
    tool_close(f->tool);
    return tool_open_reading(f->tool, f->v->dir);
}

/* The position of the last records but `last` of those that are shown. */
static int start_find(struct following *f)
{
    uint64_t position = store_tail(f->tool->store), left = f->v->last;
    struct store_record record;
    while (position > 0 && left > 0) {
        int r = store_position_read(f->tool->store, --position, &record);
        if (r < 0 && r != EDDA_ENOTFOUND)
            return edda_fail_with(&f->tool->error, r, "%s", store_read_error(f->tool->store)->message);
        if (r == 0 && wanted(f->v, &record))
            left--;
    }
    f->position = position;
    return 0;
}

static int tail_run(const void *values)
{
    const struct tail_values *v = values;
    struct tool tool;
    if (!tool_init(&tool, "tail"))
        return EXIT_FAILED;
    struct following f = { .tool = &tool, .v = v, .left = v->limit, .line = BUFFER_EMPTY };
    int r = tool_open_reading(&tool, v->dir);
    if (r == 0)
        r = start_find(&f);
    while (r == 0) {
        r = show_new(&f);
        if (r != 0)
            break;
        tool_wait(&tool, v->every_ms);
        r = look(&f);
        if (r > 0)
            r = 0;
    }
    int status = r < 0 ? tool_fail(&tool) : EXIT_DONE;
    buffer_deinit(&f.line);
    tool_deinit(&tool);
    return status;
}

#define AT(member) offsetof(struct tail_values, member)
const struct command_row tool_tail = {
    .name = "tail",
    .summary = "Prints what is recorded from now on, as it is",
    .notes = "A process may be writing meanwhile. A record is shown when it is written, a moment before it is known to be durable.",
    .values_size = sizeof(struct tail_values),
    .run = tail_run,
    .arguments = (const struct argument_row[]){
        { "DIR", AT(dir), false, "The data directory" },
        { "CATEGORY", AT(category), true, "Only this topic" },
        { .name = NULL } },
    .options = (const struct option_row[]){
        { "last", OPTION_NUMBER, AT(last), "N", "0", "Begins with the last N that are there" },
        { "limit", OPTION_NUMBER, AT(limit), "N", NULL, "Ends after so many" },
        { "type", OPTION_TEXT, AT(type), "NAME", NULL, "Only records of this type" },
        { "internal", OPTION_FLAG, AT(internal), NULL, NULL, "Also what Edda records for itself" },
        { "every", OPTION_DURATION, AT(every_ms), "TIME", "100ms", "How often to look" },
        { "json", OPTION_FLAG, AT(json), NULL, NULL, "Each line is a JSON object" },
        { .name = NULL } },
};
