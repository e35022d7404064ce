/* stat: what a data directory holds. */
#include <inttypes.h>

#include "cmd/edda_tool.h"
#include "wire/json/json.h"

struct stat_values {
    const char *dir;
    bool internal, json;
};

static bool shown(const struct topic *topic, const struct stat_values *v)
{
    return v->internal || !topic->internal;
}

static int64_t topic_records(const struct topic *topic)
{
    int64_t records = 0;
    for (uint32_t i = 0; i < topic->partition_count; i++)
        records += store_next_offset(topic, i);
    return records;
}

static void stat_text(struct store *store, const struct store_stats *stats, const struct stat_values *v, struct buffer *out)
{
    struct log_segment_info info;
    buffer_printf(out, "records      %" PRIu64 "\n", stats->records);
    buffer_printf(out, "log          %" PRIu64 " bytes, id %016" PRIx64 "\n", stats->log_bytes, log_id(store_log(store)));
    buffer_printf(out, "             %" PRIu64 " bytes kept, %" PRIu64 " freed by the scavenger\n", stats->log_bytes - stats->freed_bytes, stats->freed_bytes);
    buffer_printf(out, "index        %" PRIu64 " entries in %" PRIu64 " runs of %" PRIu64 " bytes; %" PRIu64 " in memory\n",
                  stats->index.entries, stats->index.runs, stats->index.run_bytes, stats->index.tail_entries);
    buffer_append_str(out, "\nsegment                    bytes  first position\n");
    for (size_t i = 0; log_segment(store_log(store), i, &info); i++)
        buffer_printf(out, "%-20s %11" PRIu64 "  %" PRIu64 "%s\n", info.name, info.used_bytes, info.first_position,
                      info.sealed ? "  sealed" : "");
    buffer_append_str(out, "\ntopic                        partitions      records  next offsets\n");
    for (const struct topic *t = store_topic_each(store, NULL); t; t = store_topic_each(store, t)) {
        if (!shown(t, v))
            continue;
        buffer_printf(out, "%-28s %10" PRIu32 " %12" PRId64 " ", t->name, t->partition_count, topic_records(t));
        for (uint32_t i = 0; i < t->partition_count; i++)
            buffer_printf(out, " %" PRId64, store_next_offset(t, i));
        buffer_append_byte(out, '\n');
    }
}

static void stat_json(struct store *store, const struct store_stats *stats, const struct stat_values *v, struct buffer *out)
{
    struct log_segment_info info;
    const char *comma = "";
    buffer_printf(out, "{\"records\":%" PRIu64 ",\"logBytes\":%" PRIu64 ",\"freedBytes\":%" PRIu64 ",\"logId\":\"%016" PRIx64 "\"", stats->records,
                  stats->log_bytes, stats->freed_bytes, log_id(store_log(store)));
    buffer_printf(out, ",\"index\":{\"runs\":%" PRIu64 ",\"runBytes\":%" PRIu64 ",\"entries\":%" PRIu64 ",\"inMemory\":%" PRIu64 "}",
                  stats->index.runs, stats->index.run_bytes, stats->index.entries, stats->index.tail_entries);
    buffer_append_str(out, ",\"segments\":[");
    for (size_t i = 0; log_segment(store_log(store), i, &info); i++)
        buffer_printf(out, "%s{\"name\":\"%s\",\"bytes\":%" PRIu64 ",\"freedBytes\":%" PRIu64 ",\"firstPosition\":%" PRIu64 ",\"sealed\":%s}", i ? "," : "",
                      info.name, info.used_bytes, info.freed_bytes, info.first_position, info.sealed ? "true" : "false");
    buffer_append_str(out, "],\"topics\":[");
    for (const struct topic *t = store_topic_each(store, NULL); t; t = store_topic_each(store, t)) {
        if (!shown(t, v))
            continue;
        buffer_printf(out, "%s{\"name\":", comma);
        json_put_string(out, slice_str(t->name));
        buffer_printf(out, ",\"records\":%" PRId64 ",\"nextOffsets\":[", topic_records(t));
        for (uint32_t i = 0; i < t->partition_count; i++)
            buffer_printf(out, "%s%" PRId64, i ? "," : "", store_next_offset(t, i));
        buffer_append_str(out, "]}");
        comma = ",";
    }
    buffer_append_str(out, "]}\n");
}

static int stat_run(const void *values)
{
    const struct stat_values *v = values;
    struct tool tool;
    struct buffer out = BUFFER_EMPTY;
    int status = EXIT_DONE;
    if (!tool_init(&tool, "stat"))
        return EXIT_FAILED;
    int r = tool_open_reading(&tool, v->dir);
    if (r == 0) {
        struct store_stats stats;
        store_stats(tool.store, &stats);
        if (v->json)
            stat_json(tool.store, &stats, v, &out);
        else
            stat_text(tool.store, &stats, v, &out);
        if (!print_buffer(&out))
            r = edda_fail_with(&tool.error, EDDA_EIO, "cannot write to standard output");
    }
    if (r < 0)
        status = tool_fail(&tool);
    buffer_deinit(&out);
    tool_deinit(&tool);
    return status;
}

#define AT(member) offsetof(struct stat_values, member)
const struct command_row tool_stat = {
    .name = "stat",
    .summary = "Says what a data directory holds: segments, topics, sizes",
    .values_size = sizeof(struct stat_values),
    .run = stat_run,
    .arguments = (const struct argument_row[]){
        { "DIR", AT(dir), false, "The data directory, or a backup" },
        { .name = NULL } },
    .options = (const struct option_row[]){
        { "internal", OPTION_FLAG, AT(internal), NULL, NULL, "Also the topics that Edda keeps for itself" },
        { "json", OPTION_FLAG, AT(json), NULL, NULL, "As JSON" },
        { .name = NULL } },
};
