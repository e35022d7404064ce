/* trace_line: see trace_line.h. */
#include "engine/trace_line.h"

#include "wire/json/text.h"

struct glyph {
    struct slice bytes;
    uint32_t columns;
};

static const struct {
    uint32_t first, last;
    uint32_t columns;
} widths[] = {
    { 0x0300, 0x036f, 0 },   { 0x1100, 0x115f, 2 },   { 0x1ab0, 0x1aff, 0 },   { 0x1dc0, 0x1dff, 0 },
    { 0x200b, 0x200d, 0 },   { 0x20d0, 0x20ff, 0 },   { 0x2e80, 0x303e, 2 },   { 0x3041, 0xa4cf, 2 },
    { 0xa960, 0xa97f, 2 },   { 0xac00, 0xd7a3, 2 },   { 0xf900, 0xfaff, 2 },   { 0xfe00, 0xfe0f, 0 },
    { 0xfe20, 0xfe2f, 0 },   { 0xfe30, 0xfe6f, 2 },   { 0xff00, 0xff60, 2 },   { 0xffe0, 0xffe6, 2 },
    { 0x1f300, 0x1f64f, 2 }, { 0x1f680, 0x1f6ff, 2 }, { 0x1f900, 0x1faff, 2 }, { 0x20000, 0x3fffd, 2 },
};

/* Control characters, and those that turn the direction of text or break lines, could redraw the screen. */
static bool is_control(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code <= 0x9f) || code == 0x200e || code == 0x200f ||
           (code >= 0x2028 && code <= 0x202e) || (code >= 0x2060 && code <= 0x206f) || code == 0xfeff;
}

/* Takes the next character of a text that has one; what cannot be shown is U+FFFD. */
static struct glyph glyph_take(struct slice *text)
{
    static const struct glyph unknown = { { (const uint8_t *)"\xef\xbf\xbd", 3 }, 1 };
    size_t len = text_utf8_len(text->data, text->data + text->len);
    struct glyph glyph = { slice_of(text->data, len), 1 };
    uint32_t code = len ? text->data[0] & (0xffu >> (len == 1 ? 0 : len + 1)) : 0;
    for (size_t i = 1; i < len; i++)
        code = code << 6 | (text->data[i] & 0x3fu);
    *text = slice_from(*text, len ? len : 1);
    if (is_control(code))
        return unknown;
    for (size_t i = 0; i < sizeof widths / sizeof widths[0]; i++) {
        if (code >= widths[i].first && code <= widths[i].last)
            glyph.columns = widths[i].columns;
    }
    return glyph;
}

uint32_t line_columns(struct slice text)
{
    uint32_t columns = 0;
    while (text.len)
        columns += glyph_take(&text).columns;
    return columns;
}

void line_clear(struct line *line)
{
    for (size_t i = 0; i < CELLS_MAX; i++)
        line->cells[i] = (struct cell){ .len = 1, .bytes = " " };
}

static void line_put_glyph(struct line *line, uint32_t x, struct glyph glyph)
{
    if (x + glyph.columns > CELLS_MAX)
        return;
    if (glyph.columns == 0 && x > 0) { /* belongs to the character before */
        struct cell *before = &line->cells[x - 1];
        before = before->len == 0 && x > 1 ? before - 1 : before;
        if (before->len + glyph.bytes.len <= sizeof before->bytes) {
            memcpy(before->bytes + before->len, glyph.bytes.data, glyph.bytes.len);
            before->len = (uint8_t)(before->len + glyph.bytes.len);
        }
        return;
    }
    line->cells[x].len = (uint8_t)glyph.bytes.len;
    memcpy(line->cells[x].bytes, glyph.bytes.data, glyph.bytes.len);
    if (glyph.columns == 2)
        line->cells[x + 1].len = 0;
}

void line_put(struct line *line, uint32_t x, const char *glyph)
{
    line_put_glyph(line, x, (struct glyph){ slice_str(glyph), 1 });
}

struct slice line_fit(struct slice text, uint32_t columns, bool words)
{
    uint32_t ellipsis = words ? 2 : 1;
    size_t cut = 0;
    size_t cut_word = 0;
    uint32_t used = 0;
    if (line_columns(text) <= columns)
        return text;
    for (struct slice at = text; at.len;) {
        if (at.data[0] == ' ')
            cut_word = text.len - at.len;
        used += glyph_take(&at).columns;
        if (used + ellipsis > columns)
            break;
        cut = text.len - at.len;
    }
    return slice_of(text.data, words && cut_word ? cut_word : cut);
}

uint32_t line_put_text(struct line *line, uint32_t x, uint32_t columns, struct slice text, bool words)
{
    struct slice shown = line_fit(text, columns, words);
    bool cut = shown.len < text.len;
    while (shown.len) {
        struct glyph glyph = glyph_take(&shown);
        line_put_glyph(line, x, glyph);
        x += glyph.columns;
    }
    if (cut && columns) {
        x += words && x > 0;
        line_put(line, x++, "…");
    }
    return x;
}

void line_emit(const struct line *line, struct buffer *out)
{
    size_t end = CELLS_MAX;
    while (end > 0 && line->cells[end - 1].len == 1 && line->cells[end - 1].bytes[0] == ' ')
        end--;
    for (size_t i = 0; i < end; i++)
        buffer_append(out, line->cells[i].bytes, line->cells[i].len);
    buffer_append_byte(out, '\n');
}
