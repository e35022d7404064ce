/*
 * The text of an e-mail: headers and body (RFC 5322), with what is not ASCII encoded: a subject in words of base64 (RFC 2047), a body as base64 (RFC 2045).
 * Lines end in CR LF. What was given for a header has no control characters (engine/outside.c), so that it cannot begin another one.
 */
#include "outside/parts.h"

#include <stdio.h>
#include <string.h>

#define LINE_MAX_BYTES 998      /* RFC 5322, 2.1.1 */
#define WORD_BYTES 42           /* of text in one encoded word: 56 characters of base64, and so at most 75 with what is around it */
#define BASE64_LINE_BYTES 57    /* give a line of 76 characters */

bool mail_address(struct edda_text *list, struct edda_text *ret_address)
{
    while (list->len) {
        size_t end = 0, open = SIZE_MAX, close = SIZE_MAX;
        bool quoted = false;
        for (; end < list->len && (quoted || list->data[end] != ','); end++) {
            if (list->data[end] == '"')
                quoted = !quoted;
            else if (!quoted && list->data[end] == '<')
                open = end;
            else if (!quoted && list->data[end] == '>')
                close = end;
        }
        size_t from = open != SIZE_MAX ? open + 1 : 0, to = close != SIZE_MAX ? close : end;
        const char *data = list->data;
        size_t taken = end < list->len ? end + 1 : end;
        *list = (struct edda_text){ list->data + taken, list->len - taken };
        while (from < to && data[from] == ' ')
            from++;
        while (to > from && data[to - 1] == ' ')
            to--;
        if (from < to) {
            *ret_address = (struct edda_text){ data + from, to - from };
            return true;
        }
    }
    return false;
}

static void put_base64(struct buffer *out, const unsigned char *data, size_t len)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < len; i += 3) {
        uint32_t bits = (uint32_t)data[i] << 16 | (i + 1 < len ? (uint32_t)data[i + 1] << 8 : 0) | (i + 2 < len ? data[i + 2] : 0);
        const char four[4] = { digits[bits >> 18], digits[bits >> 12 & 63], i + 1 < len ? digits[bits >> 6 & 63] : '=', i + 2 < len ? digits[bits & 63] : '=' };
        buffer_append(out, four, sizeof four);
    }
}

static bool is_plain(struct edda_text text, size_t line_max)
{
    size_t line = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        line = byte == '\n' ? 0 : line + 1;
        if (byte >= 0x7f || (byte < ' ' && byte != '\n' && byte != '\t' && byte != '\r') || line > line_max)
            return false;
    }
    return true;
}

/* Text that has "=?" in it would be taken for encoded. */
static bool looks_encoded(struct edda_text text)
{
    for (size_t i = 0; i + 1 < text.len; i++)
        if (text.data[i] == '=' && text.data[i + 1] == '?')
            return true;
    return false;
}

static void put_subject(struct buffer *out, struct edda_text subject)
{
    buffer_append_str(out, "Subject: ");
    if (is_plain(subject, LINE_MAX_BYTES - 16) && !looks_encoded(subject)) {
        buffer_append(out, subject.data, subject.len);
    } else {
        size_t at = 0;
        while (at < subject.len) {
            size_t len = subject.len - at < WORD_BYTES ? subject.len - at : WORD_BYTES;
            /* A character stays whole. */
            while (len > 1 && at + len < subject.len && ((unsigned char)subject.data[at + len] & 0xc0) == 0x80)
                len--;
            buffer_append_str(out, at ? "\r\n =?UTF-8?B?" : "=?UTF-8?B?");
            put_base64(out, (const unsigned char *)subject.data + at, len);
            buffer_append_str(out, "?=");
            at += len;
        }
    }
    buffer_append_str(out, "\r\n");
}

/* A list of addresses, a line for each. */
static void put_addresses(struct buffer *out, const char *name, struct edda_text list)
{
    bool quoted = false;
    buffer_printf(out, "%s: ", name);
    for (size_t i = 0; i < list.len; i++) {
        quoted = quoted != (list.data[i] == '"');
        buffer_append_byte(out, (uint8_t)list.data[i]);
        if (list.data[i] == ',' && !quoted)
            buffer_append_str(out, "\r\n ");
    }
    buffer_append_str(out, "\r\n");
}

/* Days since 1970 as a date (proleptic Gregorian calendar, years from March on). */
static void put_date(struct buffer *out, int64_t time_ms)
{
    static const char *const days[] = { "Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed" };
    static const char *const months[] = { "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec", "Jan", "Feb" };
    int64_t seconds = time_ms > 0 ? time_ms / 1000 : 0, day = seconds / 86400;
    int64_t z = day + 719468, era = z / 146097, of_era = z % 146097;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100), month = (5 * of_year + 2) / 153;
    buffer_printf(out, "Date: %s, %d %s %d %02d:%02d:%02d +0000\r\n", days[day % 7], (int)(of_year - (153 * month + 2) / 5 + 1), months[month],
                  (int)(year + era * 400 + (month >= 10)), (int)(seconds / 3600 % 24), (int)(seconds / 60 % 60), (int)(seconds % 60));
}

/* The domain of the sender's address is that of the Message-ID. */
static void put_message_id(struct buffer *out, struct edda_text from, struct edda_text key)
{
    struct edda_text address = { "", 0 };
    (void)mail_address(&from, &address);
    const char *at = address.len ? memchr(address.data, '@', address.len) : NULL;
    struct edda_text domain = at ? (struct edda_text){ at + 1, address.len - (size_t)(at + 1 - address.data) } : EDDA_TEXT("edda.invalid");
    buffer_printf(out, "Message-ID: <%.*s@%.*s>\r\n", (int)key.len, key.data, (int)domain.len, domain.data);
}

static void put_body(struct buffer *out, struct edda_text text)
{
    bool plain = is_plain(text, LINE_MAX_BYTES);
    buffer_printf(out, "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: %s\r\n\r\n", plain ? "7bit" : "base64");
    if (!plain) {
        for (size_t at = 0; at < text.len; at += BASE64_LINE_BYTES) {
            size_t len = text.len - at < BASE64_LINE_BYTES ? text.len - at : BASE64_LINE_BYTES;
            put_base64(out, (const unsigned char *)text.data + at, len);
            buffer_append_str(out, "\r\n");
        }
        return;
    }
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == '\n')
            buffer_append_str(out, "\r\n");
        else if (text.data[i] != '\r')
            buffer_append_byte(out, (uint8_t)text.data[i]);
    }
    if (text.len == 0 || text.data[text.len - 1] != '\n')
        buffer_append_str(out, "\r\n");
}

bool mail_text(const struct edda_mail *mail, struct edda_text from, struct edda_text key, int64_t time_ms, struct buffer *out)
{
    put_date(out, time_ms);
    put_addresses(out, "From", from);
    put_addresses(out, "To", mail->to);
    put_subject(out, mail->subject);
    put_message_id(out, from, key);
    buffer_append_str(out, "Auto-Submitted: auto-generated\r\n");
    put_body(out, mail->text);
    return buffer_ok(out);
}
