/*
 * A file of settings of any bytes, for a command with an option of each kind: it is taken, or refused with the line that is wrong; what a value is, is within its kind.
 */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "cmd/settings.h"
#include "fuzz.h"

#define INPUT_MAX 4096

struct values {
    const char *config, *text, *needed;
    uint64_t number, count, port, size;
    int64_t duration_ms;
    bool flag;
};
static const struct command_row command = {
    .name = "fuzz",
    .options = (const struct option_row[]){
        { "config", OPTION_TEXT, offsetof(struct values, config), "FILE", NULL, "the file" },
        { "text", OPTION_TEXT, offsetof(struct values, text), "TEXT", NULL, "a text" },
        { "needed", OPTION_NEEDED, offsetof(struct values, needed), "TEXT", NULL, "a text that must be there" },
        { "number", OPTION_NUMBER, offsetof(struct values, number), "N", NULL, "a number" },
        { "count", OPTION_COUNT, offsetof(struct values, count), "N", NULL, "a count" },
        { "port", OPTION_PORT, offsetof(struct values, port), "PORT", NULL, "a port" },
        { "size", OPTION_SIZE, offsetof(struct values, size), "SIZE", NULL, "a size" },
        { "duration", OPTION_DURATION, offsetof(struct values, duration_ms), "TIME", NULL, "a duration" },
        { "a-flag", OPTION_FLAG, offsetof(struct values, flag), NULL, NULL, "a flag" },
        { .name = NULL } },
    .values_size = sizeof(struct values),
    .configured = true,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct values values = { .count = 1, .duration_ms = 1 };
    struct edda_error error = { .code = 0 };
    if (size > INPUT_MAX)
        return 0;
    char *text = malloc(size + 1);
    ASSERT(text);
    if (size)
        memcpy(text, data, size);
    text[size] = '\0';
    int rc = settings_text(&command, "edda.conf", text, &values, &error);
    ASSERT(rc == 0 || (rc == EDDA_EINVAL && error.code == rc && strstr(error.message, "edda.conf, line ") && strcmp(error.field, "config") == 0));
    ASSERT(!values.config);
    ASSERT(values.count >= 1 && values.port <= UINT16_MAX && values.duration_ms >= 1);
    ASSERT(!values.text || (values.text >= text && values.text <= text + size));
    free(text);
    return 0;
}
