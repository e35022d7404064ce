/* options: see options.h. The tables are walked as they are: a command has a dozen rows at most. */
#include "cmd/options.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/assert.h"

#define HELP_COLUMN 26

struct unit {
    const char *name;
    uint64_t factor;
};
static const struct unit sizes[] = {
    { "", 1 }, { "B", 1 },
    { "k", UINT64_C(1) << 10 }, { "K", UINT64_C(1) << 10 }, { "KiB", UINT64_C(1) << 10 },
    { "M", UINT64_C(1) << 20 }, { "MiB", UINT64_C(1) << 20 },
    { "G", UINT64_C(1) << 30 }, { "GiB", UINT64_C(1) << 30 },
    { NULL, 0 },
};
static const struct unit durations[] = {
    { "ms", 1 }, { "", 1000 }, { "s", 1000 }, { "m", 60 * 1000 }, { "h", 60 * 60 * 1000 }, { "d", 24 * 60 * 60 * 1000 },
    { NULL, 0 },
};
#define DURATION_MS_MAX (INT64_C(5000) * 365 * 24 * 60 * 60 * 1000) /* from now on, that is a time that can be written, and added to */
static const struct unit numbers[] = { { "", 1 }, { NULL, 0 } };

static bool number_parse(const char *text, const struct unit *units, uint64_t max, uint64_t *ret_value)
{
    char *end;
    uint64_t value;
    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    value = strtoull(text, &end, 10);
    if (errno)
        return false;
    for (const struct unit *u = units; u->name; u++)
        if (strcmp(end, u->name) == 0 && value <= max / u->factor) {
            *ret_value = value * u->factor;
            return true;
        }
    return false;
}

bool option_value(enum option_kind kind, const char *text, void *at)
{
    uint64_t number;
    switch (kind) {
    case OPTION_FLAG:
        *(bool *)at = true;
        return true;
    case OPTION_TEXT:
        *(const char **)at = text;
        return true;
    case OPTION_NUMBER:
        return number_parse(text, numbers, UINT64_MAX, at);
    case OPTION_SIZE:
        return number_parse(text, sizes, UINT64_MAX, at);
    case OPTION_DURATION:
        if (!number_parse(text, durations, DURATION_MS_MAX, &number))
            return false;
        *(int64_t *)at = (int64_t)number;
        return true;
    }
    UNREACHABLE();
}

static const char *kind_example(enum option_kind kind)
{
    switch (kind) {
    case OPTION_NUMBER:
        return "a number like 100";
    case OPTION_SIZE:
        return "a size like 100, 4k or 64M";
    case OPTION_DURATION:
        return "a duration like 250ms, 5s or 2m, of 5000 years at most";
    case OPTION_FLAG:
    case OPTION_TEXT:
        break;
    }
    return "a text";
}

static const struct option_row *option_find(const struct command_row *command, const char *name, size_t len)
{
    for (const struct option_row *o = command->options; o && o->name; o++)
        if (strlen(o->name) == len && memcmp(o->name, name, len) == 0)
            return o;
    return NULL;
}

/* Takes the option at argv[*i], and its value. */
static int option_take(const struct command_row *command, int argc, char *const *argv, int *i, void *values,
                       struct edda_error *error)
{
    const char *word = argv[*i] + 2;
    const char *equals = strchr(word, '=');
    size_t len = equals ? (size_t)(equals - word) : strlen(word);
    const struct option_row *o = option_find(command, word, len);
    const char *value = equals ? equals + 1 : NULL;
    if (!o)
        return edda_fail_with(error, EDDA_EINVAL, "there is no option --%.*s", (int)(len < 60 ? len : 60), word);
    if (o->kind == OPTION_FLAG && value)
        return edda_fail_field(error, EDDA_EINVAL, o->name, "--%s takes no value", o->name);
    if (o->kind != OPTION_FLAG && !value) {
        if (*i + 1 >= argc)
            return edda_fail_field(error, EDDA_EINVAL, o->name, "--%s needs a value: %s", o->name, kind_example(o->kind));
        value = argv[++*i];
    }
    if (!option_value(o->kind, value, (char *)values + o->offset))
        return edda_fail_field(error, EDDA_EINVAL, o->name, "--%s takes %s, not '%.60s'", o->name, kind_example(o->kind), value);
    return 0;
}

static int argument_take(const struct argument_row **argument, const char *word, void *values, struct edda_error *error)
{
    const struct argument_row *a = *argument;
    if (!a || !a->name)
        return edda_fail_with(error, EDDA_EINVAL, "there is one argument too many: '%.60s'", word);
    if (*word == '\0')
        return edda_fail_field(error, EDDA_EINVAL, a->name, "%s is empty", a->name);
    *(const char **)(void *)((char *)values + a->offset) = word;
    *argument = a + 1;
    return 0;
}

int options_parse(const struct command_row *command, int argc, char *const *argv, void *values, char *ret_asked,
                  struct edda_error *error)
{
    const struct argument_row *argument = command->arguments;
    bool ended = false;
    int r = 0;
    memset(values, 0, command->values_size);
    for (const struct option_row *o = command->options; o && o->name; o++)
        if (o->fallback)
            ASSERT(option_value(o->kind, o->fallback, (char *)values + o->offset));
    for (int i = 0; i < argc && r == 0; i++) {
        const char *word = argv[i];
        bool option = !ended && word[0] == '-' && word[1] != '\0';
        if (option && (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "--version") == 0)) {
            *ret_asked = strcmp(word, "--version") == 0 ? 'v' : 'h';
            return 1;
        }
        if (option && strcmp(word, "--") == 0)
            ended = true;
        else if (option && word[1] != '-')
            r = edda_fail_with(error, EDDA_EINVAL, "there is no option %.60s", word);
        else if (option)
            r = option_take(command, argc, argv, &i, values, error);
        else
            r = argument_take(&argument, word, values, error);
    }
    if (r == 0 && argument && argument->name && !argument->optional)
        r = edda_fail_field(error, EDDA_EINVAL, argument->name, "%s is missing", argument->name);
    return r;
}

static void usage_line(FILE *out, const char *program, const struct command_row *command)
{
    fprintf(out, "usage: %s %s", program, command->name);
    for (const struct argument_row *a = command->arguments; a && a->name; a++)
        fprintf(out, a->optional ? " [%s]" : " %s", a->name);
    fprintf(out, command->options && command->options->name ? " [OPTION]…\n" : "\n");
}

void options_help(FILE *out, const char *program, const struct command_row *command)
{
    usage_line(out, program, command);
    fprintf(out, "\n%s.\n", command->summary);
    if (command->notes)
        fprintf(out, "%s\n", command->notes);
    fprintf(out, "\n");
    for (const struct argument_row *a = command->arguments; a && a->name; a++)
        fprintf(out, "  %-*s %s\n", HELP_COLUMN, a->name, a->description);
    for (const struct option_row *o = command->options; o && o->name; o++) {
        char left[80];
        snprintf(left, sizeof(left), "--%s%s%s", o->name, o->value ? " " : "", o->value ? o->value : "");
        fprintf(out, "  %-*s %s", HELP_COLUMN, left, o->description);
        if (o->fallback)
            fprintf(out, " (%s)", o->fallback);
        fprintf(out, "\n");
    }
    fprintf(out, "  %-*s %s\n", HELP_COLUMN, "--help", "Says this");
    fprintf(out, "  %-*s %s\n", HELP_COLUMN, "--version", "Says which release this is");
}

static void table_help(FILE *out, const struct command_table *table)
{
    fprintf(out, "usage: %s COMMAND [ARGUMENT]… [OPTION]…\n\n%s.\n\n", table->program, table->summary);
    for (const struct command_row *const *c = table->commands; *c; c++)
        fprintf(out, "  %-12s %s\n", (*c)->name, (*c)->summary);
    fprintf(out, "\n%s COMMAND --help says more. Exit status: 0 done, 1 failed, 2 wrong usage.\n", table->program);
}

static int command_run(const struct command_table *table, const struct command_row *command, int argc, char **argv)
{
    struct edda_error error;
    char asked = 0;
    void *values = malloc(command->values_size ? command->values_size : 1);
    int r, status;
    if (!values) {
        fprintf(stderr, "%s %s: out of memory\n", table->program, command->name);
        return EXIT_FAILED;
    }
    r = options_parse(command, argc, argv, values, &asked, &error);
    if (r < 0) {
        fprintf(stderr, "%s %s: %s\n", table->program, command->name, error.message);
        usage_line(stderr, table->program, command);
        status = EXIT_USAGE;
    } else if (r > 0) {
        if (asked == 'v')
            printf("%s %s\n", table->program, table->version);
        else
            options_help(stdout, table->program, command);
        status = EXIT_DONE;
    } else {
        status = command->run(values);
    }
    free(values);
    if (fflush(stdout) != 0 && status == EXIT_DONE) {
        fprintf(stderr, "%s %s: cannot write to standard output\n", table->program, command->name);
        status = EXIT_FAILED;
    }
    return status;
}

int commands_main(const struct command_table *table, int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : NULL;
    if (!name) {
        table_help(stderr, table);
        return EXIT_USAGE;
    }
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        table_help(stdout, table);
        return EXIT_DONE;
    }
    if (strcmp(name, "--version") == 0) {
        printf("%s %s\n", table->program, table->version);
        return EXIT_DONE;
    }
    for (const struct command_row *const *c = table->commands; *c; c++)
        if (strcmp((*c)->name, name) == 0)
            return command_run(table, *c, argc - 2, argv + 2);
    fprintf(stderr, "%s: there is no command '%s'; %s --help lists them\n", table->program, name, table->program);
    return EXIT_USAGE;
}
