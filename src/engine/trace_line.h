/*
 * trace_line: a line of a diagram in text. It is put together in cells, one per column of the screen, each with the bytes of one character.
 */
#ifndef EDDA_ENGINE_TRACE_LINE_H
#define EDDA_ENGINE_TRACE_LINE_H

#include "base/buffer.h"

#define CELLS_MAX 240

struct cell {
    uint8_t len; /* 0: the right half of a wide character */
    uint8_t bytes[15];
};

struct line {
    struct cell cells[CELLS_MAX];
};

/* How many columns a text takes. */
uint32_t line_columns(struct slice text);
/* Blanks. */
void line_clear(struct line *line);
/* Puts one character, of one column, at column `x`; beyond the end nothing. */
void line_put(struct line *line, uint32_t x, const char *glyph);
/* As much of the text as fits, less what an ellipsis takes when it is cut: between words, if they are `words`. */
struct slice line_fit(struct slice text, uint32_t columns, bool words);
/* Writes text into at most `columns` columns; returns the column behind it. */
uint32_t line_put_text(struct line *line, uint32_t x, uint32_t columns, struct slice text, bool words);
/* Appends the line to `out`, without the blanks at its end. */
void line_emit(const struct line *line, struct buffer *out);

#endif
