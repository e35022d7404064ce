/*
 * options: a command line by tables. A command is a row: its arguments and options say where in its struct of values they go,
 * and from the same rows comes what --help prints. Every command also has --help and --version.
 *
 * Options are written --name VALUE or --name=VALUE, anywhere behind the command's name; "--" ends them. An argument or
 * option that the row does not name, one that is missing, and a value that does not parse are errors of usage.
 */
#ifndef EDDA_CMD_OPTIONS_H
#define EDDA_CMD_OPTIONS_H

#include <stdio.h>

#include "base/slice.h"
#include "edda/error.h"

/* What a process ends with. */
enum exit_status {
    EXIT_DONE = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2
};

enum option_kind {
    OPTION_FLAG,     /* bool; has no value */
    OPTION_TEXT,     /* const char * */
    OPTION_NEEDED,   /* the same, and one that must be given */
    OPTION_NUMBER,   /* uint64_t; decimal */
    OPTION_COUNT,    /* the same, at least 1 */
    OPTION_PORT,     /* the same, at most 65535 */
    OPTION_SIZE,     /* uint64_t of bytes: 100, 4k, 64M, 1G, also KiB, MiB, GiB */
    OPTION_DURATION  /* int64_t of milliseconds, from 1ms to 5000 years: 250ms, 5s, 2m, 1h, 7d; never without its unit */
};

struct option_row {
    const char *name;        /* "limit"; NULL ends the table */
    enum option_kind kind;
    size_t offset;           /* in the struct of values */
    const char *value;       /* how --help names its value: "N"; NULL for a flag */
    const char *fallback;    /* parsed when it is not given, and shown; NULL: the value stays zero */
    const char *description; /* one sentence without a full stop */
};

struct argument_row {
    const char *name;        /* "DIR"; NULL ends the table */
    size_t offset;           /* of a const char * in the struct of values; NULL when it is left out */
    bool optional;
    const char *description;
};

struct command_row {
    const char *name;        /* "read"; NULL ends a table of commands */
    const char *summary;     /* one sentence without a full stop; NULL: it is for those who make Edda, and --help is silent about it */
    const char *notes;       /* further lines of --help; or NULL */
    const struct argument_row *arguments;
    const struct option_row *options;
    size_t values_size;
    int (*run)(const void *values); /* returns an exit_status */
    bool configured;         /* its options are also settings: of a file that --config names, and of the environment (cmd/settings.h) */
};

/* A program of several commands. */
struct command_table {
    const char *program;
    const char *version;
    const char *summary;
    const struct command_row *const *commands; /* NULL-terminated */
};

/* Finds the command that argv[1] names, parses what follows it and runs it. Returns the exit status. Help goes to standard
 * output, errors to standard error. */
int commands_main(const struct command_table *table, int argc, char **argv);
/* Says that there is no command `word`, and which is `nearest` to it, if any is. Returns EXIT_USAGE. */
int command_unknown(const char *program, const char *word, const char *nearest);

/* Parses the words behind a command's name into `values`, which is zeroed first. 1 when --help or --version was there: *ret_asked is
 * then 'h' or 'v'. EDDA_EINVAL names the word that was wrong. */
int options_parse(const struct command_row *command, int argc, char *const *argv, void *values, char *ret_asked,
                  struct edda_error *error);
void options_help(FILE *out, const char *program, const struct command_row *command);

/* What a kind of option takes, in words: "a number like 100". */
const char *option_example(enum option_kind kind);
/* The value of one option by its kind, written to `at`; false when the text is none. */
bool option_value(enum option_kind kind, const char *text, void *at);

#endif
