/* settings: see settings.h. */
#include "cmd/settings.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "cmd/nearest.h"

/* The texts of files that were read, to which values point until the process ends. */
struct kept {
    struct kept *next;
    char text[];
};
static struct kept *kept_texts;

static char *text_keep(struct slice text)
{
    struct kept *kept = malloc(sizeof *kept + text.len + 1);
    if (!kept)
        return NULL;
    memcpy(kept->text, text.data, text.len);
    kept->text[text.len] = '\0';
    kept->next = kept_texts;
    kept_texts = kept;
    return kept->text;
}

/* Where the values came from that are not of the command line; the names are those of the rows, which may be gone. */
#define SETTINGS_MAX 128
#define ORIGIN_BYTES 300
struct origin {
    char option[64];
    char from[ORIGIN_BYTES]; /* "FILE, line N"; "": the environment */
};
static struct origin origins[SETTINGS_MAX];

static struct origin *origin_of(const char *option)
{
    for (size_t i = 0; i < SETTINGS_MAX && *option; i++)
        if (strcmp(origins[i].option, option) == 0)
            return &origins[i];
    return NULL;
}

static void origin_put(const char *option, const char *file, unsigned line)
{
    struct origin *origin = origin_of(option);
    for (size_t i = 0; !origin && i < SETTINGS_MAX; i++)
        if (!origins[i].option[0])
            origin = &origins[i];
    if (!origin)
        return;
    (void)snprintf(origin->option, sizeof origin->option, "%s", option);
    origin->from[0] = '\0';
    if (file)
        (void)snprintf(origin->from, sizeof origin->from, "%.250s, line %u", file, line);
}

void settings_overruled(const char *option)
{
    struct origin *origin = origin_of(option);
    if (origin)
        origin->option[0] = '\0';
}

/* Both name an option as the command line does, with dashes, if they begin with it. */
void settings_say_where(struct edda_error *error)
{
    const struct origin *origin = origin_of(error->field);
    char variable[SETTING_VARIABLE_BYTES], message[sizeof error->message];
    if (!origin)
        return;
    memcpy(message, error->message, sizeof message);
    size_t len = strlen(origin->option);
    bool named = strncmp(message, "--", 2) == 0 && strncmp(message + 2, origin->option, len) == 0;
    settings_variable(origin->option, variable);
    const char *who = origin->from[0] ? origin->option : variable, *rest = named ? message + 2 + len : message;
    int r = snprintf(error->message, sizeof error->message, "%s%s%s%s%s", origin->from, origin->from[0] ? ": " : "", who, named ? "" : ": ", rest);
    if (r >= (int)sizeof error->message)
        memcpy(error->message + sizeof error->message - sizeof "…", "…", sizeof "…");
}

/* A flag is text in a file, and has none on the command line. */
static bool flag_value(const char *text, bool *ret_value)
{
    static const char *const words[][2] = { { "true", "false" }, { "yes", "no" }, { "on", "off" }, { "1", "0" } };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        for (int k = 0; k < 2; k++)
            if (strcmp(text, words[i][k]) == 0) {
                *ret_value = k == 0;
                return true;
            }
    return false;
}

static bool value_set(const struct option_row *option, const char *text, void *values)
{
    void *at = (char *)values + option->offset;
    return option->kind == OPTION_FLAG ? flag_value(text, at) : option_value(option->kind, text, at);
}

static const char *value_wanted(const struct option_row *option)
{
    return option->kind == OPTION_FLAG ? "true or false" : option_example(option->kind);
}

/* --- a file ------------------------------------------------------------------------------------------------------------- */

static char *trim(char *text)
{
    while (isspace((unsigned char)*text))
        text++;
    size_t len = strlen(text);
    while (len > 0 && isspace((unsigned char)text[len - 1]))
        len--;
    text[len] = '\0';
    return text;
}

static int setting_unknown(const struct command_row *command, const char *path, unsigned line, const char *name, struct edda_error *error)
{
    struct nearest nearest = nearest_to(slice_str(name));
    for (const struct option_row *o = command->options; o && o->name; o++)
        nearest_see(&nearest, o->name);
    return edda_fail_field(error, EDDA_EINVAL, "config", nearest.name ? "%s, line %u: there is no setting '%.60s'; did you mean '%s'?" : "%s, line %u: there is no setting '%.60s'",
                           path, line, name, nearest.name);
}

static int line_take(const struct command_row *command, const char *path, unsigned line, char *text, bool seen[SETTINGS_MAX], void *values,
                     struct edda_error *error)
{
    char *name = trim(text), *equals = strchr(name, '=');
    if (*name == '\0' || *name == '#')
        return 0;
    if (!equals)
        return edda_fail_field(error, EDDA_EINVAL, "config", "%s, line %u: a setting is NAME = VALUE", path, line);
    *equals = '\0';
    char *value = trim(equals + 1);
    name = trim(name);
    for (size_t i = 0; command->options[i].name && i < SETTINGS_MAX; i++) {
        const struct option_row *option = &command->options[i];
        if (strcmp(option->name, name) != 0 || strcmp(name, "config") == 0)
            continue;
        if (seen[i])
            return edda_fail_field(error, EDDA_EINVAL, "config", "%s, line %u: %s is there twice", path, line, name);
        seen[i] = true;
        if (!value_set(option, value, values))
            return edda_fail_field(error, EDDA_EINVAL, "config", "%s, line %u: %s takes %s, not '%.60s'", path, line, name, value_wanted(option), value);
        origin_put(option->name, path, line);
        return 0;
    }
    return setting_unknown(command, path, line, name, error);
}

static int file_read(const char *path, char **ret_text, struct edda_error *error)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return edda_fail_field(error, EDDA_ENOTFOUND, "config", "%s cannot be read", path);
    char *text = malloc(SETTINGS_FILE_BYTES_MAX + 1);
    size_t len = text ? fread(text, 1, SETTINGS_FILE_BYTES_MAX + 1, file) : 0;
    bool failed = ferror(file) != 0;
    (void)fclose(file);
    *ret_text = text && len <= SETTINGS_FILE_BYTES_MAX ? text_keep(slice_of(text, len)) : NULL;
    bool too_long = text && len > SETTINGS_FILE_BYTES_MAX;
    bool zero = *ret_text && strlen(*ret_text) != len;
    free(text);
    if (failed || too_long || zero)
        return edda_fail_field(error, EDDA_EINVAL, "config", failed ? "%s cannot be read" : too_long ? "%s is longer than 64 KiB" : "%s is no text", path);
    return *ret_text ? 0 : edda_fail_with(error, EDDA_ENOMEM, "out of memory for the settings");
}

int settings_text(const struct command_row *command, const char *path, char *text, void *values, struct edda_error *error)
{
    bool seen[SETTINGS_MAX] = { false };
    int r = 0;
    for (unsigned line = 1; r == 0 && text; line++) {
        char *end = strchr(text, '\n');
        if (end)
            *end++ = '\0';
        r = line_take(command, path, line, text, seen, values, error);
        text = end;
    }
    return r;
}

int settings_file(const struct command_row *command, const char *path, void *values, struct edda_error *error)
{
    char *text = NULL;
    int r = file_read(path, &text, error);
    return r < 0 ? r : settings_text(command, path, text, values, error);
}

/* --- the environment ---------------------------------------------------------------------------------------------------- */

void settings_variable(const char *option, char ret_name[SETTING_VARIABLE_BYTES])
{
    static const char prefix[] = "EDDA_";
    size_t len = sizeof prefix - 1;
    memcpy(ret_name, prefix, len);
    for (; *option && len < SETTING_VARIABLE_BYTES - 1; option++)
        ret_name[len++] = *option == '-' ? '_' : (char)toupper((unsigned char)*option);
    ret_name[len] = '\0';
}

int settings_environment(const struct command_row *command, void *values, struct edda_error *error)
{
    char name[SETTING_VARIABLE_BYTES];
    for (const struct option_row *o = command->options; o && o->name; o++) {
        settings_variable(o->name, name);
        const char *text = getenv(name);
        if (text && !value_set(o, text, values))
            return edda_fail_field(error, EDDA_EINVAL, o->name, "%s takes %s, not '%.60s'", name, value_wanted(o), text);
        if (text)
            origin_put(o->name, NULL, 0);
    }
    return 0;
}
