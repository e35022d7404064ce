/* options: see options.h. The tables are walked as they are: a command has a dozen rows at most. */
#include "cmd/options.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/assert.h"
#include "cmd/nearest.h"
#include "cmd/settings.h"

#define HELP_COLUMN 26
#define DAY_MS (UINT64_C(24) * 60 * 60 * 1000)

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
    { "ms", 1 }, { "s", 1000 }, { "m", 60 * 1000 }, { "h", 60 * 60 * 1000 }, { "d", DAY_MS }, { NULL, 0 },
};
#define DURATION_MS_MAX (5000 * 365 * DAY_MS) /* from now on, that is a time that can be written, and added to */
static const struct unit numbers[] = { { "", 1 }, { NULL, 0 } };

/* What a kind of option takes, and how that is said. */
static const struct kind {
    const char *example;
    const struct unit *units; /* NULL: any text */
    uint64_t min, max;
} kinds[] = {
    [OPTION_FLAG] = { .example = "nothing" },
    [OPTION_TEXT] = { .example = "a text" },
    [OPTION_NEEDED] = { .example = "a text" },
    [OPTION_NUMBER] = { "a number like 100", numbers, 0, UINT64_MAX },
    [OPTION_COUNT] = { "a number like 100, at least 1", numbers, 1, UINT64_MAX },
    [OPTION_PORT] = { "a number from 0 to 65535", numbers, 0, UINT16_MAX },
    [OPTION_SIZE] = { "a size like 100, 4k or 64M", sizes, 0, UINT64_MAX },
    [OPTION_DURATION] = { "a duration with its unit, like 250ms, 5s, 2m, 1h or 7d, from 1ms to 5000 years", durations, 1, DURATION_MS_MAX },
};

static bool number_parse(const char *text, const struct kind *kind, uint64_t *ret_value)
{
    char *end;
    uint64_t value;
    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    value = strtoull(text, &end, 10);
    if (errno)
        return false;
    for (const struct unit *u = kind->units; u->name; u++)
        if (strcmp(end, u->name) == 0 && value <= kind->max / u->factor && value * u->factor >= kind->min) {
            *ret_value = value * u->factor;
            return true;
        }
    return false;
}

const char *option_example(enum option_kind kind)
{
    return kinds[kind].example;
}

bool option_value(enum option_kind kind, const char *text, void *at)
{
    uint64_t number;
    switch (kind) {
    case OPTION_FLAG:
        *(bool *)at = true;
        return true;
    case OPTION_TEXT:
    case OPTION_NEEDED:
        *(const char **)at = text;
        return true;
    case OPTION_NUMBER:
    case OPTION_COUNT:
    case OPTION_PORT:
    case OPTION_SIZE:
        return number_parse(text, &kinds[kind], at);
    case OPTION_DURATION:
        if (!number_parse(text, &kinds[kind], &number))
            return false;
        *(int64_t *)at = (int64_t)number;
        return true;
    }
    UNREACHABLE();
}

static const struct option_row *option_find(const struct command_row *command, const char *name, size_t len)
{
    for (const struct option_row *o = command->options; o && o->name; o++)
        if (strlen(o->name) == len && memcmp(o->name, name, len) == 0)
            return o;
    return NULL;
}

static int option_unknown(const struct command_row *command, const char *word, size_t len, struct edda_error *error)
{
    size_t dashes = strspn(word, "-");
    struct nearest nearest = nearest_to(slice_of(word + dashes, len - dashes));
    for (const struct option_row *o = command->options; o && o->name; o++)
        nearest_see(&nearest, o->name);
    return edda_fail_with(error, EDDA_EINVAL, nearest.name ? "there is no option '%.*s'; did you mean '--%s'?" : "there is no option '%.*s'",
                          (int)(len < 60 ? len : 60), word, nearest.name);
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
        return option_unknown(command, argv[*i], len + 2, error);
    if (o->kind == OPTION_FLAG && value)
        return edda_fail_field(error, EDDA_EINVAL, o->name, "--%s takes no value", o->name);
    if (o->kind != OPTION_FLAG && !value) {
        if (*i + 1 >= argc)
            return edda_fail_field(error, EDDA_EINVAL, o->name, "--%s needs a value: %s", o->name, kinds[o->kind].example);
        value = argv[++*i];
    }
    if (!option_value(o->kind, value, (char *)values + o->offset))
        return edda_fail_field(error, EDDA_EINVAL, o->name, "--%s takes %s, not '%.60s'", o->name, kinds[o->kind].example, value);
    settings_overruled(o->name);
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

/* What --config names on the line; else what EDDA_CONFIG says; else NULL. */
static const char *config_named(int argc, char *const *argv)
{
    static const char flag[] = "--config";
    const char *path = getenv("EDDA_CONFIG");
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], flag) == 0 && i + 1 < argc)
            path = argv[i + 1];
        else if (strncmp(argv[i], flag, sizeof flag - 1) == 0 && argv[i][sizeof flag - 1] == '=')
            path = argv[i] + sizeof flag;
    }
    return path;
}

static int settings_take(const struct command_row *command, int argc, char *const *argv, void *values, struct edda_error *error)
{
    const char *path = config_named(argc, argv);
    int r = path ? settings_file(command, path, values, error) : 0;
    return r < 0 ? r : settings_environment(command, values, error);
}

static bool help_is_asked(int argc, char *const *argv)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0 || strcmp(argv[i], "--version") == 0)
            return true;
    return false;
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
    /* Whoever asks for help is not told first what is wrong with his settings. */
    if (command->configured && !help_is_asked(argc, argv))
        r = settings_take(command, argc, argv, values, error);
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
            r = option_unknown(command, word, strlen(word), error);
        else if (option)
            r = option_take(command, argc, argv, &i, values, error);
        else
            r = argument_take(&argument, word, values, error);
    }
    if (r == 0 && argument && argument->name && !argument->optional)
        r = edda_fail_field(error, EDDA_EINVAL, argument->name, "%s is missing", argument->name);
    for (const struct option_row *o = command->options; r == 0 && o && o->name; o++)
        if (o->kind == OPTION_NEEDED && !*(const char **)(void *)((char *)values + o->offset))
            r = edda_fail_field(error, EDDA_EINVAL, o->name, "--%s is missing", o->name);
    return r;
}

static void usage_line(FILE *out, const char *program, const struct command_row *command)
{
    fprintf(out, "usage: %s %s", program, command->name);
    for (const struct argument_row *a = command->arguments; a && a->name; a++)
        fprintf(out, a->optional ? " [%s]" : " %s", a->name);
    for (const struct option_row *o = command->options; o && o->name; o++)
        if (o->kind == OPTION_NEEDED)
            fprintf(out, " --%s %s", o->name, o->value);
    fprintf(out, command->options && command->options->name ? " [OPTION]…\n" : "\n");
}

void options_help(FILE *out, const char *program, const struct command_row *command)
{
    bool durations_taken = false;
    usage_line(out, program, command);
    if (command->summary)
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
        durations_taken |= o->kind == OPTION_DURATION;
    }
    fprintf(out, "  %-*s %s\n", HELP_COLUMN, "--help", "Says this");
    fprintf(out, "  %-*s %s\n", HELP_COLUMN, "--version", "Says which release this is");
    if (command->configured)
        fprintf(out, "\nEach option is also a line of the file that --config names, such as data = DIR, and a variable, such as EDDA_DATA. The command line\n"
                     "goes before the variables, and they before the file.\n");
    if (durations_taken)
        fprintf(out, "\nTIME is a whole number with its unit: 250ms, 5s, 2m, 1h or 7d.\n");
}

static void table_help(FILE *out, const struct command_table *table)
{
    fprintf(out, "usage: %s COMMAND [ARGUMENT]… [OPTION]…\n\n%s.\n\n", table->program, table->summary);
    for (const struct command_row *const *c = table->commands; *c; c++)
        if ((*c)->summary)
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
        fprintf(stderr, "%s %s --help says more\n", table->program, command->name);
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

int command_unknown(const char *program, const char *word, const char *nearest)
{
    if (*word == '-')
        fprintf(stderr, "%s: the command is missing; '%.60s' stands behind it\n", program, word);
    else if (nearest)
        fprintf(stderr, "%s: there is no command '%.60s'; did you mean '%s'?\n", program, word, nearest);
    else
        fprintf(stderr, "%s: there is no command '%.60s'\n", program, word);
    fprintf(stderr, "%s --help lists the commands\n", program);
    return EXIT_USAGE;
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
    struct nearest nearest = nearest_to(slice_str(name));
    for (const struct command_row *const *c = table->commands; *c; c++)
        nearest_see(&nearest, (*c)->name);
    return command_unknown(table->program, name, nearest.name);
}
