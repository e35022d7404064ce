/* read: a stream, a topic, a process, or everything, one record a line. Works beside a running process. */
#include <inttypes.h>

#include "cmd/edda_tool.h"

struct read_values {
    const char *dir, *stream;
    const char *topic, *correlation, *from, *type;
    uint64_t limit;
    bool all, backward, json;
};

struct reading {
    struct tool *tool;
    const struct read_values *v;
    uint64_t from;
    uint64_t left;
    struct buffer line;
};

/* Prints a record if it is asked for. 1 when that was the last one, EDDA_EIO when nobody listens. */
static int show(void *user, const struct store_record *record, int64_t version)
{
    struct reading *reading = user;
    if (!record_is(record, reading->v->type))
        return 0;
    record_line(record, version, reading->v->json, &reading->line);
    if (!print_buffer(&reading->line))
        return edda_fail_with(&reading->tool->error, EDDA_EIO, "cannot write to standard output");
    return --reading->left == 0;
}

/* What the store says about a failed reading. */
static int read_result(struct reading *reading, int64_t r)
{
    if (r < 0 && r != EDDA_EIO)
        edda_fail_with(&reading->tool->error, (int)r, "%s", store_read_error(reading->tool->store)->message);
    return r < 0 ? (int)r : 0;
}

static int read_stream(struct reading *reading)
{
    struct slice category, key;
    struct stream_info info;
    struct store *store = reading->tool->store;
    stream_split(reading->v->stream, &category, &key);
    int r = store_stream_info(store, category, key, &info);
    if (r < 0)
        return read_result(reading, r);
    if (info.next_version == 0)
        return edda_fail_with(&reading->tool->error, EDDA_ENOTFOUND, "there is no stream %.200s", reading->v->stream);
    int64_t from = reading->v->from ? (int64_t)reading->from : reading->v->backward ? -1 : 0;
    return read_result(reading, store_stream_read(store, category, key, from, reading->v->backward, UINT64_MAX, show, reading));
}

static int read_correlation(struct reading *reading)
{
    int64_t n = store_correlation_read(reading->tool->store, slice_str(reading->v->correlation), UINT64_MAX, show, reading);
    if (n == 0)
        return edda_fail_with(&reading->tool->error, EDDA_ENOTFOUND, "nothing has the correlation id %.200s", reading->v->correlation);
    return read_result(reading, n);
}

static int read_forward(struct reading *reading, struct topic *only)
{
    struct store_cursor cursor;
    struct store_record record;
    int r;
    store_cursor_init(&cursor, reading->from, only);
    do {
        r = store_cursor_next(reading->tool->store, &cursor, &record, &reading->tool->error);
        if (r > 0) {
            int shown = show(reading, &record, -1);
            r = shown == 0 ? 1 : shown > 0 ? 0 : shown;
        }
    } while (r > 0);
    store_cursor_deinit(&cursor);
    return r;
}

static int read_backward(struct reading *reading, const struct topic *only)
{
    struct store *store = reading->tool->store;
    uint64_t position = store_tail(store);
    struct store_record record;
    int r = 0;
    if (reading->v->from && reading->from < position)
        position = reading->from + 1;
    while (position > 0 && r == 0) {
        r = store_position_read(store, --position, &record);
        if (r == 0 && (!only || record.topic == only))
            r = show(reading, &record, -1);
        else if (r == EDDA_ENOTFOUND) /* a hole */
            r = 0;
        else if (r < 0)
            return read_result(reading, r);
    }
    return r < 0 ? r : 0;
}

static int read_any(struct reading *reading)
{
    const struct read_values *v = reading->v;
    struct topic *only = NULL;
    if (v->stream)
        return read_stream(reading);
    if (v->correlation)
        return read_correlation(reading);
    if (v->topic && !(only = store_topic(reading->tool->store, slice_str(v->topic))))
        return edda_fail_with(&reading->tool->error, EDDA_ENOTFOUND, "there is no topic %.200s", v->topic);
    return v->backward ? read_backward(reading, only) : read_forward(reading, only);
}

static int usage_check(const struct tool *tool, const struct read_values *v, uint64_t *ret_from)
{
    struct slice category, key;
    if ((v->stream != NULL) + (v->topic != NULL) + (v->correlation != NULL) + v->all != 1)
        return tool_usage(tool, "one of STREAM, --topic, --correlation and --all is needed");
    if (v->stream && !stream_split(v->stream, &category, &key))
        return tool_usage(tool, "STREAM is written category/key, not '%s'", v->stream);
    if (v->from && (!option_value(OPTION_NUMBER, v->from, ret_from) || *ret_from > INT64_MAX))
        return tool_usage(tool, "--from takes a number like 100, not '%s'", v->from);
    if (v->correlation && (v->backward || v->from))
        return tool_usage(tool, "a process is read from its start: --correlation goes with neither --from nor --backward");
    if (v->limit == 0)
        return tool_usage(tool, "--limit is at least 1");
    return EXIT_DONE;
}

static int read_run(const void *values)
{
    const struct read_values *v = values;
    struct tool tool;
    if (!tool_init(&tool, "read"))
        return EXIT_FAILED;
    struct reading reading = { .tool = &tool, .v = v, .left = v->limit, .line = BUFFER_EMPTY };
    int status = usage_check(&tool, v, &reading.from);
    if (status == EXIT_DONE) {
        int r = tool_open_reading(&tool, v->dir);
        if (r == 0)
            r = read_any(&reading);
        if (r < 0)
            status = tool_fail(&tool);
    }
    buffer_deinit(&reading.line);
    tool_deinit(&tool);
    return status;
}

#define AT(member) offsetof(struct read_values, member)
const struct command_row tool_read = {
    .name = "read",
    .summary = "Prints the records of a stream, a topic, a process, or all",
    .notes = "A line has position, time, stream, version (partition:offset where no stream is read), type and value.",
    .values_size = sizeof(struct read_values),
    .run = read_run,
    .arguments = (const struct argument_row[]){
        { "DIR", AT(dir), false, "The data directory, or a backup" },
        { "STREAM", AT(stream), true, "category/key, like orders/7" },
        { .name = NULL } },
    .options = (const struct option_row[]){
        { "topic", OPTION_TEXT, AT(topic), "NAME", NULL, "All of a topic instead of a stream" },
        { "correlation", OPTION_TEXT, AT(correlation), "ID", NULL, "All of a process" },
        { "all", OPTION_FLAG, AT(all), NULL, NULL, "Everything, also what Edda records for itself" },
        { "from", OPTION_TEXT, AT(from), "N", NULL, "Begins at this version of the stream, else at this position" },
        { "limit", OPTION_NUMBER, AT(limit), "N", "1000", "At most so many" },
        { "backward", OPTION_FLAG, AT(backward), NULL, NULL, "The newest first" },
        { "type", OPTION_TEXT, AT(type), "NAME", NULL, "Only records of this type" },
        { "json", OPTION_FLAG, AT(json), NULL, NULL, "Each line is a JSON object" },
        { .name = NULL } },
};
