/* A trace as JSON, and the payload of one message as the few words that stand beside it in the diagram. */
#include <stdio.h>

#include "engine/trace.h"
#include "wire/json/json.h"
#include "wire/json/reader.h"

/* --- the whole trace ------------------------------------------------------------------------------------ */

static const char *const kind_names[] = {
    [TRACE_EVENT] = "message",
    [TRACE_DEADLINE_SET] = "deadline-set",
    [TRACE_DEADLINE_MOVED] = "deadline-moved",
    [TRACE_DEADLINE_CANCELLED] = "deadline-cancelled",
    [TRACE_DEADLINE_FIRED] = "deadline-fired",
    [TRACE_SKIPPED] = "skipped",
    [TRACE_QUARANTINED] = "quarantined",
    [TRACE_RELEASED] = "released",
    [TRACE_COMPENSATION] = "compensation",
    [TRACE_PROCESS] = "process",
};

/* `name` stands with its comma, quotes and colon. */
static void put_text(struct buffer *out, const char *name, struct slice text)
{
    if (text.len == 0)
        return;
    buffer_append_str(out, name);
    json_put_string(out, text);
}

static void put_flag(struct buffer *out, const char *name, bool flag)
{
    if (flag)
        buffer_append_str(out, name);
}

static void put_position(struct buffer *out, uint64_t position)
{
    buffer_printf(out, "%llu", (unsigned long long)position);
}

static void put_links(struct buffer *out, const struct trace *trace, const struct trace_entry *entry)
{
    if (entry->cause >= 0) {
        buffer_append_str(out, ",\"cause\":");
        put_position(out, trace->entries[entry->cause].position);
    }
    if (entry->effect < 0)
        return;
    buffer_append_str(out, ",\"causes\":[");
    for (int32_t i = entry->effect; i >= 0; i = trace->entries[i].effect_next) {
        if (i != entry->effect)
            buffer_append_byte(out, ',');
        put_position(out, trace->entries[i].position);
    }
    buffer_append_byte(out, ']');
}

static void put_data(struct buffer *out, const struct trace_entry *entry)
{
    size_t wrong;
    buffer_append_str(out, ",\"data\":");
    if (!entry->value.data)
        buffer_append_str(out, "null");
    else if (json_valid(entry->value, &wrong))
        buffer_append_slice(out, entry->value);
    else
        json_put_string(out, entry->value);
}

static void put_entry(struct buffer *out, const struct trace *trace, const struct trace_entry *entry)
{
    buffer_append_str(out, "{\"position\":");
    put_position(out, entry->position);
    buffer_append_str(out, ",\"time\":");
    json_put_time(out, entry->time_ms);
    put_text(out, ",\"kind\":", slice_str(kind_names[entry->kind]));
    put_text(out, ",\"source\":", entry->source);
    put_text(out, ",\"type\":", entry->type);
    put_text(out, ",\"topic\":", entry->topic);
    put_text(out, ",\"key\":", entry->key);
    put_text(out, ",\"id\":", entry->id);
    put_text(out, ",\"causationId\":", entry->causation);
    put_links(out, trace, entry);
    put_text(out, ",\"name\":", entry->name);
    if (entry->due_ms) {
        buffer_append_str(out, ",\"due\":");
        json_put_time(out, entry->due_ms);
    }
    put_text(out, ",\"reason\":", entry->reason);
    put_flag(out, ",\"fired\":true", entry->fired);
    put_flag(out, ",\"undo\":true", entry->undo);
    put_flag(out, ",\"pending\":true", entry->pending);
    put_data(out, entry);
    buffer_append_byte(out, '}');
}

/* Whether no entry before this one has its source. */
static bool is_first_of_source(const struct trace *trace, size_t ordinal)
{
    for (size_t i = 0; i < ordinal; i++) {
        if (slice_eq(trace->entries[i].source, trace->entries[ordinal].source))
            return false;
    }
    return true;
}

void trace_json(const struct trace *trace, struct buffer *out)
{
    const char *comma = "";
    buffer_append_str(out, "{\"correlationId\":");
    json_put_string(out, trace->correlation);
    buffer_append_str(out, ",\"services\":[");
    for (size_t i = 0; i < trace->count; i++) {
        if (!is_first_of_source(trace, i))
            continue;
        buffer_append_str(out, comma);
        json_put_string(out, trace->entries[i].source);
        comma = ",";
    }
    buffer_append_str(out, "],\"messages\":[");
    for (size_t i = 0; i < trace->count; i++) {
        if (i)
            buffer_append_byte(out, ',');
        put_entry(out, trace, &trace->entries[i]);
    }
    buffer_append_byte(out, ']');
    put_flag(out, ",\"more\":true", trace->more);
    buffer_append_byte(out, '}');
}

/* --- a payload in words --------------------------------------------------------------------------------- */

#define WORD_BYTES_MAX 40
/* More than this is never shown in a line. */
#define WORDS_BYTES_MAX 400

struct words {
    struct buffer *out;
    struct buffer scratch;
    struct slice process;
    size_t start;    /* of the words in `out` */
    bool of_process; /* now the members that only repeat the process */
};

/* Members that say again what the diagram says anyway. */
static bool is_repeated(struct slice name)
{
    return slice_eq_str(name, "eventType") || slice_eq_str(name, "timestamp");
}

static void put_cut(struct buffer *out, struct slice text)
{
    struct slice cut = text_cut(text, WORD_BYTES_MAX);
    buffer_append_slice(out, cut);
    if (cut.len < text.len)
        buffer_append_str(out, "…");
}

/* The inside of a string without escapes. */
static struct slice unescaped(struct words *words, struct slice raw)
{
    buffer_clear(&words->scratch);
    uint8_t *text = buffer_extend(&words->scratch, raw.len);
    return text ? slice_of(text, text_unescape(raw, text)) : slice_of(NULL, 0);
}

static bool is_plain(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] <= ' ' || text.data[i] == 0x7f || strchr("\"=,\\", text.data[i]))
            return false;
    }
    return text.len > 0;
}

static void put_string(struct words *words, struct slice text)
{
    if (is_plain(text)) {
        put_cut(words->out, text);
        return;
    }
    struct slice cut = text_cut(text, WORD_BYTES_MAX);
    json_put_string(words->out, cut);
    if (cut.len < text.len)
        buffer_append_str(words->out, "…");
}

/* Objects and lists: as they came, without white space between the tokens. */
static void put_nested(struct words *words, struct slice raw)
{
    bool inside = false;
    bool escaped = false;
    buffer_clear(&words->scratch);
    for (size_t i = 0; i < raw.len && words->scratch.len <= WORD_BYTES_MAX + 4; i++) {
        uint8_t byte = raw.data[i];
        if (byte == '"' && !escaped)
            inside = !inside;
        escaped = byte == '\\' && !escaped;
        if (inside || byte > ' ')
            buffer_append_byte(&words->scratch, byte);
    }
    put_cut(words->out, buffer_slice(&words->scratch));
}

static void put_value(struct words *words, struct slice raw, bool is_string)
{
    if (is_string) {
        put_string(words, unescaped(words, raw));
        return;
    }
    if (raw.data[0] == '{' || raw.data[0] == '[') {
        put_nested(words, raw);
        return;
    }
    if (raw.len > 2 && raw.data[raw.len - 2] == '.' && raw.data[raw.len - 1] == '0')
        raw.len -= 2;
    put_cut(words->out, raw);
}

/* Takes the value that is next; a string without its quotes. */
static bool take_value(struct reader *r, struct slice *ret_raw, bool *ret_is_string)
{
    bool escaped;
    *ret_is_string = reader_peek(r) == '"';
    if (*ret_is_string)
        return reader_string(r, ret_raw, &escaped);
    const uint8_t *from = r->at;
    if (!reader_skip(r))
        return false;
    *ret_raw = slice_of(from, (size_t)(r->at - from));
    return true;
}

/* One pass over the members of an object that is valid. */
static void put_members(struct words *words, struct slice json)
{
    struct reader r = reader_of(json);
    if (reader_peek(&r) != '{' || !reader_enter(&r) || reader_peek(&r) == '}')
        return;
    do {
        struct slice name, raw;
        bool escaped, is_string;
        if (reader_peek(&r) != '"' || !reader_string(&r, &name, &escaped) ||
            !reader_take(&r, ':', READER_WRONG_COLON) || !take_value(&r, &raw, &is_string))
            return;
        struct slice value = raw;
        if (!is_string && value.len > 2 && slice_eq_str(slice_from(value, value.len - 2), ".0"))
            value.len -= 2;
        if (is_repeated(name) || slice_eq(value, words->process) != words->of_process)
            continue;
        if (words->out->len > words->start)
            buffer_append_byte(words->out, ' ');
        put_cut(words->out, unescaped(words, name));
        buffer_append_byte(words->out, '=');
        put_value(words, raw, is_string);
    } while (reader_more(&r, '}', READER_WRONG_OBJECT) && words->out->len - words->start < WORDS_BYTES_MAX);
}

void trace_words(const struct trace *trace, const struct trace_entry *entry, struct buffer *out)
{
    struct words words = { .out = out, .process = trace->correlation, .start = out->len };
    struct reader r = reader_of(entry->value);
    struct slice raw;
    bool is_string;
    size_t wrong;
    buffer_init(&words.scratch, 0);
    if (!entry->value.data) {
        buffer_append_str(out, "null");
    } else if (!json_valid(entry->value, &wrong)) {
        if (text_utf8_valid(entry->value))
            put_string(&words, entry->value);
        else
            buffer_printf(out, "(%zu bytes)", entry->value.len);
    } else if (reader_peek(&r) == '{') {
        put_members(&words, entry->value);
        words.of_process = true;
        put_members(&words, entry->value);
    } else if (take_value(&r, &raw, &is_string)) {
        put_value(&words, raw, is_string);
    }
    if (!buffer_ok(&words.scratch))
        out->failed = true;
    buffer_deinit(&words.scratch);
}
