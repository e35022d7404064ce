/* append: one event, or with --batch several, all of them or none. The directory must not be in use. */
#include <inttypes.h>
#include <stdlib.h>

#include "cmd/edda_tool.h"
#include "wire/json/json.h"

#define INPUT_BYTES_MAX ((size_t)64 << 20)
#define READ_BYTES 65536

struct append_values {
    const char *dir, *stream;
    const char *data, *type, *expected, *id, *source, *correlation, *causation, *reply_to;
    uint64_t partitions;
    bool batch, json;
};

/* All of standard input. */
static int input_read(struct tool *tool, struct buffer *input)
{
    size_t len = 1;
    buffer_init(input, INPUT_BYTES_MAX);
    while (len > 0 && buffer_reserve(input, READ_BYTES)) {
        len = fread(input->data + input->len, 1, READ_BYTES, stdin);
        input->len += len;
    }
    if (ferror(stdin))
        return edda_fail_with(&tool->error, EDDA_EIO, "standard input cannot be read");
    if (!buffer_ok(input))
        return edda_fail_with(&tool->error, EDDA_ETOOLARGE, "the input is over the limit of %zu bytes", INPUT_BYTES_MAX);
    return 0;
}

static struct slice trimmed(struct slice text)
{
    while (text.len > 0 && text.data[text.len - 1] <= ' ')
        text.len--;
    while (text.len > 0 && *text.data <= ' ')
        text = slice_from(text, 1);
    return text;
}

static int value_check(struct tool *tool, struct slice value, uint64_t line)
{
    size_t wrong = 0;
    if (value.len > 0 && json_valid(value, &wrong))
        return 0;
    return edda_fail_with(&tool->error, EDDA_EMALFORMED, "line %" PRIu64 ", byte %zu: that is not JSON", line, wrong);
}

/* Splits the input into messages like `model`; *ret_messages is the caller's to free. */
static int messages_split(struct tool *tool, struct slice input, const struct store_message *model,
                          struct store_message **ret_messages, size_t *ret_count)
{
    size_t count = 0, capacity = 0;
    struct store_message *messages = NULL;
    int r = 0;
    for (uint64_t line = 1; input.len > 0 && r == 0; line++) {
        const uint8_t *end = memchr(input.data, '\n', input.len);
        struct slice value = trimmed(slice_of(input.data, end ? (size_t)(end - input.data) : input.len));
        input = end ? slice_from(input, (size_t)(end - input.data) + 1) : slice_of(NULL, 0);
        if (value.len == 0)
            continue;
        if (count == capacity) {
            capacity = capacity ? 2 * capacity : 64;
            struct store_message *more = realloc(messages, capacity * sizeof(*messages));
            if (!more) {
                r = edda_fail_with(&tool->error, EDDA_ENOMEM, "out of memory");
                break;
            }
            messages = more;
        }
        r = value_check(tool, value, line);
        messages[count] = *model;
        messages[count++].value = value;
    }
    if (r == 0 && count == 0)
        r = edda_fail_with(&tool->error, EDDA_EINVAL, "there is no line with an event");
    if (r < 0) {
        free(messages);
        return r;
    }
    *ret_messages = messages;
    *ret_count = count;
    return 0;
}

static bool expected_parse(const char *text, int64_t *ret_expected)
{
    uint64_t number;
    if (!text || strcmp(text, "any") == 0)
        *ret_expected = STORE_ANY;
    else if (strcmp(text, "none") == 0)
        *ret_expected = STORE_NONE;
    else if (strcmp(text, "exists") == 0)
        *ret_expected = STORE_EXISTS;
    else if (option_value(OPTION_NUMBER, text, &number) && number <= INT64_MAX)
        *ret_expected = (int64_t)number;
    else
        return false;
    return true;
}

static void appended_print(const struct append_values *v, const struct store_appended *appended, size_t count)
{
    struct buffer out = BUFFER_EMPTY;
    if (v->json) {
        buffer_append_str(&out, "{\"stream\":");
        json_put_string(&out, slice_str(v->stream));
        buffer_printf(&out, ",\"count\":%zu,\"position\":%" PRIu64 ",\"offset\":%" PRId64 ",\"version\":%" PRId64 ",\"repeated\":%s}\n",
                      count, appended->position, appended->offset, appended->version, appended->repeated ? "true" : "false");
    } else {
        buffer_printf(&out, "%s version %" PRId64 " position %" PRIu64 "%s\n", v->stream, appended->version, appended->position,
                      appended->repeated ? " (was there already)" : "");
    }
    print_buffer(&out);
    buffer_deinit(&out);
}

static int append(struct tool *tool, const struct append_values *v, struct slice input, const struct store_condition *condition)
{
    struct store_message model = {
        .key = condition->key,
        .event = { .id = slice_str(v->id), .source = slice_str(v->source), .type = slice_str(v->type),
                   .correlation = slice_str(v->correlation), .causation = slice_str(v->causation),
                   .reply_to = slice_str(v->reply_to) },
        .partition = -1,
        .identify = v->id != NULL,
    };
    struct store_appended appended;
    struct store_message *messages = NULL;
    struct store_message one;
    size_t count = 1;
    int r;
    if (v->batch) {
        r = messages_split(tool, input, &model, &messages, &count);
    } else {
        one = model;
        one.value = trimmed(input);
        r = value_check(tool, one.value, 1);
    }
    /* What is wrong with the words or the input is said before the directory is made. */
    if (r == 0)
        r = tool_open_writing(tool, v->dir);
    if (r == 0)
        r = store_topic_ensure(tool->store, condition->topic, (uint32_t)v->partitions, &model.topic, &tool->error);
    one.topic = model.topic;
    for (size_t i = 0; r == 0 && messages && i < count; i++)
        messages[i].topic = model.topic;
    if (r == 0)
        r = store_append(tool->store, condition, condition->expected == STORE_ANY ? 0 : 1, messages ? messages : &one, count, true,
                         &appended, &tool->error);
    if (r == 0)
        r = store_flush(tool->store, &tool->error);
    if (r == 0)
        appended_print(v, &appended, count);
    free(messages);
    return r;
}

static int append_run(const void *values)
{
    const struct append_values *v = values;
    struct store_condition condition;
    struct buffer input = BUFFER_EMPTY;
    struct tool tool;
    int r = 0;
    if (!tool_init(&tool, "append"))
        return EXIT_FAILED;
    int status = EXIT_DONE;
    if (!stream_split(v->stream, &condition.topic, &condition.key))
        status = tool_usage(&tool, "STREAM is written category/key, not '%s'", v->stream);
    else if (!expected_parse(v->expected, &condition.expected))
        status = tool_usage(&tool, "--expected takes a version, none, any or exists, not '%s'", v->expected);
    else if (v->batch && v->id)
        status = tool_usage(&tool, "--id names one event and cannot be given with --batch");
    else if (v->partitions > STORE_PARTITIONS_MAX)
        status = tool_usage(&tool, "a topic has at most %d partitions", STORE_PARTITIONS_MAX);
    if (status == EXIT_DONE) {
        if (!v->data || strcmp(v->data, "-") == 0)
            r = input_read(&tool, &input);
        if (r == 0)
            r = append(&tool, v, input.len ? buffer_slice(&input) : v->data && strcmp(v->data, "-") != 0 ? slice_str(v->data) : SLICE(""),
                       &condition);
        if (r < 0)
            status = tool_fail(&tool);
    }
    buffer_deinit(&input);
    tool_deinit(&tool);
    return status;
}

#define AT(member) offsetof(struct append_values, member)
const struct command_row tool_append = {
    .name = "append",
    .summary = "Appends an event to a stream",
    .notes = "The event is durable when the command ends. The directory is made when it is missing; no other process may have it open.",
    .values_size = sizeof(struct append_values),
    .run = append_run,
    .arguments = (const struct argument_row[]){
        { "DIR", AT(dir), false, "The data directory" },
        { "STREAM", AT(stream), false, "category/key, like orders/7" },
        { .name = NULL } },
    .options = (const struct option_row[]){
        { "data", OPTION_TEXT, AT(data), "JSON", NULL, "The event's value; without it, standard input" },
        { "batch", OPTION_FLAG, AT(batch), NULL, NULL, "Each line is an event; all are recorded or none" },
        { "type", OPTION_TEXT, AT(type), "NAME", NULL, "The type, like OrderPlaced" },
        { "expected", OPTION_TEXT, AT(expected), "VERSION", NULL, "Fails unless the stream is at this version; or none, any, exists" },
        { "id", OPTION_TEXT, AT(id), "ID", NULL, "Identifies the event together with --source: a repeat is recognised" },
        { "source", OPTION_TEXT, AT(source), "SOURCE", NULL, "Who says so" },
        { "correlation", OPTION_TEXT, AT(correlation), "ID", NULL, "The process it belongs to" },
        { "causation", OPTION_TEXT, AT(causation), "ID", NULL, "The id of the message that caused it" },
        { "reply-to", OPTION_TEXT, AT(reply_to), "TOPIC", NULL, "Of a command: the topic on which it is answered" },
        { "partitions", OPTION_NUMBER, AT(partitions), "N", "1", "Of the topic, when it is made" },
        { "json", OPTION_FLAG, AT(json), NULL, NULL, "Answers in JSON" },
        { .name = NULL } },
};
