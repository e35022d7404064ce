/* base64: see base64.h. */
#include "base/base64.h"

#include "edda/error.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_put(struct slice bytes, struct buffer *out)
{
    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t n = bytes.len - i < 3 ? bytes.len - i : 3;
        uint32_t group = 0;
        for (size_t k = 0; k < 3; k++)
            group = group << 8 | (k < n ? bytes.data[i + k] : 0U);
        for (size_t k = 0; k < 4; k++)
            buffer_append_byte(out, k <= n ? (uint8_t)digits[group >> (18 - 6 * k) & 63] : '=');
    }
}

static int digit_value(uint8_t c)
{
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

int64_t base64_get(struct slice text, uint8_t *out, size_t size)
{
    size_t padding = 0, len = 0;
    while (padding < 2 && padding < text.len && text.data[text.len - 1 - padding] == '=')
        padding++;
    if (text.len % 4 || text.len / 4 * 3 - padding > size)
        return EDDA_EMALFORMED;
    size_t bytes = text.len / 4 * 3 - padding;
    for (size_t i = 0; i < text.len; i += 4) {
        uint32_t group = 0;
        for (size_t k = 0; k < 4; k++) {
            bool pad = i + k >= text.len - padding;
            int value = pad ? 0 : digit_value(text.data[i + k]);
            if (value < 0)
                return EDDA_EMALFORMED;
            group = group << 6 | (uint32_t)value;
        }
        for (size_t k = 0; k < 3; k++) {
            uint8_t byte = (uint8_t)(group >> (16 - 8 * k));
            if (len < bytes)
                out[len++] = byte;
            else if (byte)
                return EDDA_EMALFORMED; /* bits behind the end: not the canonical form */
        }
    }
    return (int64_t)bytes;
}
