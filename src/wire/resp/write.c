/* Replies. See resp.h. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "wire/resp/resp.h"

/* A type's byte, a number and the end of the line: most of what is written, so it is done by hand. */
static void head(struct resp_writer w, char type, int64_t number)
{
    char digits[24];
    char *at = digits + sizeof digits;
    uint64_t left = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    *--at = '\n';
    *--at = '\r';
    do {
        *--at = (char)('0' + left % 10);
        left /= 10;
    } while (left);
    if (number < 0)
        *--at = '-';
    buffer_append_byte(w.out, (uint8_t)type);
    buffer_append(w.out, at, (size_t)(digits + sizeof digits - at));
}

void resp_simple(struct resp_writer w, const char *text)
{
    buffer_append_byte(w.out, '+');
    buffer_append_str(w.out, text);
    buffer_append(w.out, "\r\n", 2);
}

void resp_error(struct resp_writer w, const char *prefix, const char *format, ...)
{
    char text[RESP_ERROR_BYTES_MAX];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    for (char *at = text; *at; at++)
        if (*at == '\r' || *at == '\n')
            *at = ' ';
    buffer_append_byte(w.out, '-');
    buffer_append_str(w.out, prefix);
    buffer_append_byte(w.out, ' ');
    buffer_append_str(w.out, text);
    buffer_append(w.out, "\r\n", 2);
}

void resp_int(struct resp_writer w, int64_t value)
{
    head(w, ':', value);
}

void resp_bulk(struct resp_writer w, struct slice text)
{
    head(w, '$', (int64_t)text.len);
    buffer_append_slice(w.out, text);
    buffer_append(w.out, "\r\n", 2);
}

void resp_bulk_str(struct resp_writer w, const char *text)
{
    resp_bulk(w, slice_str(text));
}

/* The shortest text that reads back as the same number; RESP3 has words of its own for what is not finite. */
void resp_double(struct resp_writer w, double value)
{
    char text[32];
    if (isnan(value))
        (void)snprintf(text, sizeof text, "nan");
    else if (isinf(value))
        (void)snprintf(text, sizeof text, "%s", value < 0 ? "-inf" : "inf");
    else
        for (int digits = 15; digits <= 17; digits++) {
            (void)snprintf(text, sizeof text, "%.*g", digits, value);
            if (digits == 17 || !(strtod(text, NULL) < value || strtod(text, NULL) > value))
                break;
        }
    if (w.version == 2) {
        resp_bulk_str(w, text);
        return;
    }
    buffer_append_byte(w.out, ',');
    buffer_append_str(w.out, text);
    buffer_append(w.out, "\r\n", 2);
}

void resp_bool(struct resp_writer w, bool value)
{
    if (w.version == 2)
        resp_int(w, value);
    else
        buffer_append_str(w.out, value ? "#t\r\n" : "#f\r\n");
}

void resp_verbatim(struct resp_writer w, const char *format, struct slice text)
{
    if (w.version == 2) {
        resp_bulk(w, text);
        return;
    }
    head(w, '=', (int64_t)(text.len + 4));
    buffer_append(w.out, format, 3);
    buffer_append_byte(w.out, ':');
    buffer_append_slice(w.out, text);
    buffer_append(w.out, "\r\n", 2);
}

void resp_null(struct resp_writer w)
{
    buffer_append_str(w.out, w.version == 2 ? "$-1\r\n" : "_\r\n");
}

void resp_null_array(struct resp_writer w)
{
    buffer_append_str(w.out, w.version == 2 ? "*-1\r\n" : "_\r\n");
}

void resp_array(struct resp_writer w, size_t count)
{
    head(w, '*', (int64_t)count);
}

void resp_map(struct resp_writer w, size_t pairs)
{
    head(w, w.version == 2 ? '*' : '%', (int64_t)(w.version == 2 ? 2 * pairs : pairs));
}

void resp_set(struct resp_writer w, size_t count)
{
    head(w, w.version == 2 ? '*' : '~', (int64_t)count);
}

void resp_push(struct resp_writer w, size_t count)
{
    head(w, w.version == 2 ? '*' : '>', (int64_t)count);
}
