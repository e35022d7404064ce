/*
 * The sequence diagram of a trace, in text: a lifeline per participant, a row per entry, at most 120 columns where that is possible.
 *
 *                 outside          order         exchange
 *                    │               │               │
 *      +0.000 s      ●─CreateOrder──►│               │     amount=500 holderId=jjy
 *      +0.000 s      │               ●─OrderCreated─►│     amount=500 holderId=jjy
 *      +0.001 s      │               │               ✗ skipped OrderCreated: expired
 *
 * The names stand on the arrows and the lifelines are as far apart as that needs. With many participants, or long names, the lifelines move
 * together and the names stand behind them, beside the payload; with even more, the participants' names go down like stairs.
 */
#include <stdio.h>
#include <stdlib.h>

#include "engine/trace.h"
#include "engine/trace_line.h"
#include "wire/json/json.h"
#include "wire/json/time.h"

#define LINE_COLUMNS 120
#define LIFELINES_MAX 32     /* further participants share the last one */
#define NAME_COLUMNS_MAX 24  /* of a participant, when names stand side by side */
#define LABEL_COLUMNS_MAX 32 /* of a message, on an arrow */
#define LABEL_COLUMNS_MIN 20
#define WORDS_COLUMNS 40      /* wished for the payload */
#define WORDS_COLUMNS_LESS 22 /* and contented with, rather than that names are cut */
#define WORDS_COLUMNS_MIN 16
#define NOTE_LINES_MAX 3
#define ROWS_PER_PAGE 50  /* then the names of the participants are said again */
#define PAUSE_MS_MIN 1000 /* shown as a row of its own, when it is also a fifth of the whole */

/* --- times ------------------------------------------------------------------------------------------------- */

#define SPAN_BYTES 40

/* A span of time, for people: 0.012 s, 12 min 05 s, 3 h 05 min, 12 d 03 h. */
static struct slice span_put(char out[SPAN_BYTES], int64_t ms, bool sign)
{
    uint64_t n = ms < 0 ? -(uint64_t)ms : (uint64_t)ms;
    const char *before = ms < 0 ? "-" : sign ? "+" : "";
    unsigned long long s = n / 1000;
    int len;
    if (s < 600)
        len = snprintf(out, SPAN_BYTES, "%s%llu.%03llu s", before, s, (unsigned long long)(n % 1000));
    else if (s < 3600)
        len = snprintf(out, SPAN_BYTES, "%s%llu min %02llu s", before, s / 60, s % 60);
    else if (s < 86400)
        len = snprintf(out, SPAN_BYTES, "%s%llu h %02llu min", before, s / 3600, s / 60 % 60);
    else
        len = snprintf(out, SPAN_BYTES, "%s%llu d %02llu h", before, s / 86400, s / 3600 % 24);
    return slice_of(out, (size_t)len);
}

static int64_t since(int64_t start_ms, int64_t ms)
{
    int64_t span;
    return __builtin_sub_overflow(ms, start_ms, &span) ? (ms < start_ms ? INT64_MIN : INT64_MAX) : span;
}

static void put_span(struct buffer *out, int64_t ms, bool sign)
{
    char text[SPAN_BYTES];
    buffer_append_slice(out, span_put(text, ms, sign));
}

/* --- participants and arrows ---------------------------------------------------------------------------- */

struct chart {
    const struct trace *trace;
    struct buffer *out;
    struct slice names[LIFELINES_MAX];
    uint32_t count;
    uint32_t at[LIFELINES_MAX]; /* the columns of the lifelines */
    uint32_t need[LIFELINES_MAX]
                 [LIFELINES_MAX]; /* columns of the widest label between two; [n][n]: of a message nobody acted on */
    uint32_t label_widest;
    uint32_t words_widest;
    bool inside; /* labels stand on the arrows */
    bool stairs; /* a participant's name stands on a line of its own */
    uint32_t label_max;
    uint32_t time_columns;
    uint32_t beside; /* the column behind the lifelines */
    uint32_t width;
    int64_t start_ms;
    int64_t length_ms;
    struct line line;
    struct buffer text; /* of a label, a note, a payload */
};

enum head { HEAD_NONE, HEAD_SKIPPED, HEAD_QUARANTINED, HEAD_ACTED };

/* Who acted on a message. `left` and `right` are the farthest of them, or `from`. */
struct arrow {
    uint32_t from, left, right;
    uint32_t near; /* the nearest one where the label stands; `from`: nobody */
    bool self;
    enum head heads[LIFELINES_MAX];
};

static uint32_t lifeline_of(const struct chart *chart, struct slice source)
{
    for (uint32_t i = 0; i < chart->count; i++) {
        if (slice_eq(chart->names[i], source))
            return i;
    }
    return chart->count - 1;
}

static void chart_participants(struct chart *chart)
{
    const struct trace *trace = chart->trace;
    for (size_t i = 0; i < trace->count && chart->count == 0; i++) {
        if (slice_eq_str(trace->entries[i].source, "outside"))
            chart->names[chart->count++] = trace->entries[i].source;
    }
    for (size_t i = 0; i < trace->count; i++) {
        struct slice source = trace->entries[i].source;
        if (chart->count && slice_eq(chart->names[lifeline_of(chart, source)], source))
            continue;
        if (chart->count == LIFELINES_MAX) {
            chart->names[LIFELINES_MAX - 1] = SLICE("(others)");
            return;
        }
        chart->names[chart->count++] = source;
    }
}

static enum head head_of(enum trace_kind kind)
{
    switch (kind) {
    case TRACE_SKIPPED:
        return HEAD_SKIPPED;
    case TRACE_QUARANTINED:
        return HEAD_QUARANTINED;
    case TRACE_DEADLINE_FIRED:
    case TRACE_RELEASED:
        return HEAD_NONE;
    case TRACE_EVENT:
    case TRACE_DEADLINE_SET:
    case TRACE_DEADLINE_MOVED:
    case TRACE_DEADLINE_CANCELLED:
    case TRACE_COMPENSATION:
    case TRACE_PROCESS:
        return HEAD_ACTED;
    }
    return HEAD_NONE;
}

static struct arrow arrow_of(const struct chart *chart, const struct trace_entry *entry)
{
    uint32_t from = lifeline_of(chart, entry->source);
    struct arrow arrow = { .from = from, .left = from, .right = from, .near = from };
    for (int32_t i = entry->effect; i >= 0; i = chart->trace->entries[i].effect_next) {
        enum head head = head_of(chart->trace->entries[i].kind);
        uint32_t to = lifeline_of(chart, chart->trace->entries[i].source);
        if (head == HEAD_NONE)
            continue;
        arrow.heads[to] = head > arrow.heads[to] ? head : arrow.heads[to];
        arrow.self = arrow.self || to == from;
        arrow.left = to < arrow.left ? to : arrow.left;
        arrow.right = to > arrow.right ? to : arrow.right;
    }
    int step = arrow.right > from ? 1 : arrow.left < from ? -1 : 0;
    while (step && (arrow.near == from || !arrow.heads[arrow.near]))
        arrow.near = (uint32_t)((int)arrow.near + step);
    return arrow;
}

/* The name of a message as it stands on its arrow, in chart->text. */
static struct slice label_of(struct chart *chart, const struct trace_entry *entry, const struct arrow *arrow)
{
    buffer_clear(&chart->text);
    buffer_append_slice(&chart->text, entry->type);
    if (arrow->self)
        buffer_append_str(&chart->text, " ↺");
    return buffer_slice(&chart->text);
}

static struct slice words_of(struct chart *chart, const struct trace_entry *entry)
{
    buffer_clear(&chart->text);
    trace_words(chart->trace, entry, &chart->text);
    return buffer_slice(&chart->text);
}

/* --- where everything stands ---------------------------------------------------------------------------- */

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static uint32_t most(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

static void chart_measure(struct chart *chart)
{
    for (size_t i = 0; i < chart->trace->count; i++) {
        const struct trace_entry *entry = &chart->trace->entries[i];
        if (entry->kind != TRACE_EVENT)
            continue;
        struct arrow arrow = arrow_of(chart, entry);
        uint32_t *need = &chart->need[least(arrow.from, arrow.near)][most(arrow.from, arrow.near)];
        *need = most(*need, line_columns(label_of(chart, entry, &arrow)));
        chart->label_widest = most(chart->label_widest, *need);
        chart->words_widest = most(chart->words_widest, line_columns(words_of(chart, entry)));
    }
}

static void chart_times(struct chart *chart)
{
    char text[SPAN_BYTES];
    chart->start_ms = chart->trace->entries[0].time_ms;
    for (size_t i = 0; i < chart->trace->count; i++) {
        int64_t length = since(chart->start_ms, chart->trace->entries[i].time_ms);
        chart->length_ms = length > chart->length_ms ? length : chart->length_ms;
        chart->time_columns = most(chart->time_columns, (uint32_t)span_put(text, length, true).len);
    }
}

static uint32_t name_columns(const struct chart *chart, uint32_t lifeline)
{
    return least(line_columns(chart->names[lifeline]), NAME_COLUMNS_MAX);
}

/* Moves the lifelines apart as names need it, and labels of at most `label_max` columns; 0: none. */
static void layout(struct chart *chart, uint32_t label_max)
{
    uint32_t gaps[LIFELINES_MAX] = { 0 };
    for (uint32_t i = 0; i + 1 < chart->count; i++) {
        uint32_t left = name_columns(chart, i);
        gaps[i] = most(8, left - left / 2 + name_columns(chart, i + 1) / 2 + 2);
        if (label_max && chart->need[i][i])
            gaps[i] = most(gaps[i], least(chart->need[i][i], label_max) + 3);
    }
    for (uint32_t span = 1; span < chart->count; span++) {
        for (uint32_t a = 0; a + span < chart->count; a++) {
            uint32_t need = least(chart->need[a][a + span], label_max);
            uint32_t have = 0;
            for (uint32_t i = a; i < a + span; i++)
                have += gaps[i];
            for (uint32_t i = 0; need && have < need + 4; i = (i + 1) % span, have++)
                gaps[a + i]++;
        }
    }
    chart->at[0] = most(chart->time_columns + 3, name_columns(chart, 0) / 2);
    for (uint32_t i = 0; i + 1 < chart->count; i++)
        chart->at[i + 1] = chart->at[i] + gaps[i];
    chart->beside = chart->at[chart->count - 1] + 4;
    chart->label_max = label_max;
    chart->inside = label_max > 0;
}

static void chart_layout(struct chart *chart)
{
    uint32_t words = most(WORDS_COLUMNS_MIN, least(chart->words_widest, WORDS_COLUMNS));
    chart->width = LINE_COLUMNS;
    for (uint32_t label_max = LABEL_COLUMNS_MAX; label_max >= LABEL_COLUMNS_MIN; label_max--) {
        layout(chart, label_max);
        if (chart->beside + words <= LINE_COLUMNS)
            return;
        words = least(words, WORDS_COLUMNS_LESS);
        if (chart->beside + words <= LINE_COLUMNS)
            return;
    }
    layout(chart, 0);
    chart->label_max = least(chart->label_widest, LABEL_COLUMNS_MAX);
    uint32_t text = chart->label_max + 2 + words;
    if (chart->beside + text <= LINE_COLUMNS)
        return;
    uint32_t room = LINE_COLUMNS - chart->time_columns - 7 - text;
    uint32_t gap = most(3, least(8, room / (chart->count - 1)));
    for (uint32_t i = 0; i < chart->count; i++)
        chart->at[i] = chart->time_columns + 3 + i * gap;
    chart->stairs = true;
    chart->beside = chart->at[chart->count - 1] + 4;
    chart->width = most(LINE_COLUMNS, chart->beside + text);
}

/* --- rows ----------------------------------------------------------------------------------------------- */

static void row_begin(struct chart *chart, const char *lifeline)
{
    line_clear(&chart->line);
    for (uint32_t i = 0; i < chart->count; i++)
        line_put(&chart->line, chart->at[i], lifeline);
}

static void row_time(struct chart *chart, const struct trace_entry *entry)
{
    char text[SPAN_BYTES];
    struct slice span = span_put(text, since(chart->start_ms, entry->time_ms), true);
    (void)line_put_text(&chart->line, 1 + chart->time_columns - (uint32_t)span.len, (uint32_t)span.len, span, false);
}

static void draw_names(struct chart *chart)
{
    for (uint32_t i = 0; chart->stairs && i < chart->count; i++) {
        row_begin(chart, "│");
        for (uint32_t j = i; j < chart->count; j++)
            line_put(&chart->line, chart->at[j], " ");
        (void)line_put_text(&chart->line, chart->at[i], chart->width - chart->at[i], chart->names[i], false);
        line_emit(&chart->line, chart->out);
    }
    line_clear(&chart->line);
    for (uint32_t i = 0; !chart->stairs && i < chart->count; i++)
        (void)line_put_text(&chart->line, chart->at[i] - name_columns(chart, i) / 2, NAME_COLUMNS_MAX, chart->names[i],
                            false);
    if (!chart->stairs)
        line_emit(&chart->line, chart->out);
    row_begin(chart, "│");
    line_emit(&chart->line, chart->out);
}

/* The line of an arrow to one side, with a head before each lifeline that it reaches. */
static void draw_shaft(struct chart *chart, const struct arrow *arrow, bool right)
{
    static const char *const heads[][4] = { { "─", "✗", "⊘", "◄" }, { "─", "✗", "⊘", "►" } };
    uint32_t from = right ? arrow->from : arrow->left;
    uint32_t to = right ? arrow->right : arrow->from;
    for (uint32_t x = chart->at[from] + 1; x < chart->at[to]; x++)
        line_put(&chart->line, x, "─");
    for (uint32_t i = from; i <= to; i++) {
        bool ends = i == from || i == to;
        if (i == arrow->from)
            continue;
        if (!ends)
            line_put(&chart->line, chart->at[i], arrow->heads[i] == HEAD_NONE ? "┼" : right ? "├" : "┤");
        line_put(&chart->line, right ? chart->at[i] - 1 : chart->at[i] + 1, heads[right][arrow->heads[i]]);
    }
}

/* Puts the label on the arrow; returns the column where the payload may begin. What had to be cut is said in full before it. */
static uint32_t draw_label(struct chart *chart, const struct trace_entry *entry, const struct arrow *arrow,
                           struct slice label)
{
    uint32_t from = chart->at[arrow->from];
    uint32_t near = chart->at[arrow->near];
    uint32_t wanted = line_columns(label);
    if (arrow->near == arrow->from) {
        uint32_t end = line_put_text(&chart->line, from + 2, least(wanted, chart->width - from - 2), label, false);
        line_put(&chart->line, end, " ");
        return most(chart->beside, end + 2);
    }
    uint32_t columns = least(wanted, (near > from ? near - from : from - near) - 4);
    (void)line_put_text(&chart->line, near < from ? from - 1 - columns : from + 2, columns, label, false);
    if (columns == wanted)
        return chart->beside;
    return line_put_text(&chart->line, chart->beside, chart->width - chart->beside, entry->type, false) + 2;
}

static void draw_message(struct chart *chart, const struct trace_entry *entry)
{
    struct arrow arrow = arrow_of(chart, entry);
    row_begin(chart, "│");
    row_time(chart, entry);
    draw_shaft(chart, &arrow, true);
    draw_shaft(chart, &arrow, false);
    line_put(&chart->line, chart->at[arrow.from], entry->fired ? "⏱" : entry->undo ? "↶" : "●");
    struct slice label = label_of(chart, entry, &arrow);
    uint32_t x = chart->beside;
    if (chart->inside) {
        x = draw_label(chart, entry, &arrow, label);
    } else {
        (void)line_put_text(&chart->line, x, chart->label_max, label, false);
        x += chart->label_max + 2;
    }
    struct slice words = words_of(chart, entry);
    if (x < chart->width)
        (void)line_put_text(&chart->line, x, chart->width - x, words, true);
    line_emit(&chart->line, chart->out);
}

/* --- what is no message --------------------------------------------------------------------------------- */

static void note_deadline(struct chart *chart, const struct trace_entry *entry, const char *what)
{
    buffer_append_str(&chart->text, what);
    json_put_string(&chart->text, entry->name);
    if (entry->kind == TRACE_DEADLINE_CANCELLED || entry->due_ms == 0)
        return;
    buffer_append_str(&chart->text, " due ");
    put_span(&chart->text, since(chart->start_ms, entry->due_ms), true);
}

static void note_reason(struct chart *chart, const struct trace_entry *entry, const char *what, struct slice about)
{
    buffer_append_str(&chart->text, what);
    buffer_append_slice(&chart->text, about);
    if (entry->reason.len == 0)
        return;
    buffer_append_str(&chart->text, ": ");
    buffer_append_slice(&chart->text, entry->reason);
}

/* Puts the note into chart->text and returns its mark; NULL: there is none. */
/* ✓ it ended well, ✗ badly; ↶ and is, or was, undone. */
static const char *process_mark(const struct trace_entry *entry)
{
    bool undone = slice_eq_str(entry->name, "compensated") || slice_eq_str(entry->name, "compensating");
    return slice_eq_str(entry->name, "finished") ? "✓" : undone ? "↶" : "✗";
}

static const char *note_of(struct chart *chart, const struct trace_entry *entry)
{
    buffer_clear(&chart->text);
    switch (entry->kind) {
    case TRACE_EVENT:
    case TRACE_DEADLINE_FIRED: /* its message says so */
        return NULL;
    case TRACE_DEADLINE_SET:
        note_deadline(chart, entry, "set ");
        return "⏱";
    case TRACE_DEADLINE_MOVED:
        note_deadline(chart, entry, "moved ");
        return "⏱";
    case TRACE_DEADLINE_CANCELLED:
        note_deadline(chart, entry, "cancelled ");
        return "⏱";
    case TRACE_SKIPPED:
        note_reason(chart, entry, "skipped ", entry->type);
        return "✗";
    case TRACE_QUARANTINED:
        note_reason(chart, entry, "quarantined ", entry->type);
        return "⊘";
    case TRACE_RELEASED:
        note_reason(chart, entry, "released ", entry->type);
        return "○";
    case TRACE_COMPENSATION:
        buffer_append_str(&chart->text, "to undo: ");
        buffer_append_slice(&chart->text, entry->type);
        buffer_append_byte(&chart->text, ' ');
        trace_words(chart->trace, entry, &chart->text);
        return "↶";
    case TRACE_PROCESS:
        note_reason(chart, entry, "process ", entry->name);
        return process_mark(entry);
    }
    return NULL;
}

/* A note goes on below itself when there is no room to its right. */
static bool draw_note(struct chart *chart, const struct trace_entry *entry)
{
    const char *mark = note_of(chart, entry);
    uint32_t at = chart->at[lifeline_of(chart, entry->source)];
    uint32_t x = chart->inside ? at + 2 : chart->beside;
    uint32_t room = chart->width - x;
    struct slice rest = buffer_slice(&chart->text);
    if (!mark)
        return false;
    for (uint32_t line = 1; line == 1 || rest.len; line++) {
        bool all = line == NOTE_LINES_MAX || line_columns(rest) <= room;
        struct slice part = all ? rest : line_fit(rest, room, true);
        row_begin(chart, "│");
        if (line == 1) {
            row_time(chart, entry);
            line_put(&chart->line, at, mark);
        }
        uint32_t end = line_put_text(&chart->line, x, room, part, true);
        if (end < chart->beside)
            line_put(&chart->line, end, " ");
        line_emit(&chart->line, chart->out);
        rest = slice_from(rest, part.len);
        if (rest.len && rest.data[0] == ' ')
            rest = slice_from(rest, 1);
    }
    return true;
}

/* --- above and below ------------------------------------------------------------------------------------ */

static void emit_text(struct chart *chart)
{
    line_clear(&chart->line);
    (void)line_put_text(&chart->line, 0, chart->width, buffer_slice(&chart->text), false);
    line_emit(&chart->line, chart->out);
    buffer_clear(&chart->text);
}

static void draw_head(struct chart *chart)
{
    uint8_t time[TIME_TEXT_BYTES];
    size_t messages = 0;
    for (size_t i = 0; i < chart->trace->count; i++)
        messages += chart->trace->entries[i].kind == TRACE_EVENT;
    buffer_clear(&chart->text);
    buffer_append_str(&chart->text, "process ");
    buffer_append_slice(&chart->text, chart->trace->correlation);
    emit_text(chart);
    buffer_append_str(&chart->text, "started ");
    buffer_append(&chart->text, time, (size_t)(time_put(time, chart->start_ms) - time));
    buffer_append_str(&chart->text, " · took ");
    put_span(&chart->text, chart->length_ms, false);
    buffer_printf(&chart->text, " · %zu message%s", messages, messages == 1 ? "" : "s");
    emit_text(chart);
    buffer_append_byte(chart->out, '\n');
}

static void foot_process(struct chart *chart, const struct trace_entry *entry)
{
    buffer_append_str(&chart->text, process_mark(entry));
    buffer_append_byte(&chart->text, ' ');
    buffer_append_slice(&chart->text, entry->name);
    buffer_append_str(&chart->text, " after ");
    put_span(&chart->text, since(chart->start_ms, entry->time_ms), false);
    note_reason(chart, entry, "", slice_of(NULL, 0));
}

/* How the process ended, and what it still waits for. */
static void draw_foot(struct chart *chart)
{
    buffer_append_byte(chart->out, '\n');
    for (size_t i = 0; i < chart->trace->count; i++) {
        const struct trace_entry *entry = &chart->trace->entries[i];
        buffer_clear(&chart->text);
        if (entry->kind == TRACE_PROCESS) {
            foot_process(chart, entry);
        } else if (entry->pending && entry->kind == TRACE_QUARANTINED) {
            buffer_append_str(&chart->text, "⊘ in quarantine: ");
            buffer_append_slice(&chart->text, entry->type);
            buffer_append_str(&chart->text, " (");
            buffer_append_slice(&chart->text, entry->key);
            note_reason(chart, entry, ")", slice_of(NULL, 0));
        } else if (entry->pending) {
            buffer_append_str(&chart->text, "⏱ pending: ");
            note_deadline(chart, entry, "");
            buffer_append_str(&chart->text, " (");
            buffer_append_slice(&chart->text, entry->key);
            buffer_append_byte(&chart->text, ')');
        } else {
            continue;
        }
        emit_text(chart);
    }
    if (chart->trace->more) {
        buffer_clear(&chart->text);
        buffer_printf(&chart->text, "… there is more; this is the beginning, %zu records", chart->trace->count);
        emit_text(chart);
    }
}

static void draw_rows(struct chart *chart)
{
    const struct trace *trace = chart->trace;
    size_t rows = 0;
    size_t page = chart->stairs ? 4 * ROWS_PER_PAGE : ROWS_PER_PAGE;
    for (size_t i = 0; i < trace->count; i++) {
        int64_t pause = i ? since(trace->entries[i - 1].time_ms, trace->entries[i].time_ms) : 0;
        if (rows && rows % page == 0) {
            buffer_append_byte(chart->out, '\n');
            draw_names(chart);
        } else if (pause >= PAUSE_MS_MIN && pause >= chart->length_ms / 5) {
            row_begin(chart, "┊");
            line_emit(&chart->line, chart->out);
        }
        if (trace->entries[i].kind != TRACE_EVENT) {
            rows += draw_note(chart, &trace->entries[i]);
            continue;
        }
        draw_message(chart, &trace->entries[i]);
        rows++;
    }
}

void trace_text(const struct trace *trace, struct buffer *out)
{
    struct chart *chart = trace->count ? calloc(1, sizeof *chart) : NULL;
    if (!chart) {
        out->failed = out->failed || trace->count > 0;
        return;
    }
    chart->trace = trace;
    chart->out = out;
    buffer_init(&chart->text, 0);
    chart_times(chart);
    chart_participants(chart);
    chart_measure(chart);
    chart_layout(chart);
    draw_head(chart);
    draw_names(chart);
    draw_rows(chart);
    draw_foot(chart);
    out->failed = out->failed || !buffer_ok(&chart->text);
    buffer_deinit(&chart->text);
    free(chart);
}
