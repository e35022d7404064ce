/*
 * cmd: the commands that edda_main() gives every application. One file per command; the table of them is in main.c. What a
 * command takes on its line is a table too, see cmd/options.h.
 */
#ifndef EDDA_CMD_CMD_H
#define EDDA_CMD_CMD_H

#include "cmd/options.h"
#include "edda/app.h"

/* A command, with the words of its line: the program, its name, and those behind it. Returns the exit status of the process (enum exit_status). */
typedef int cmd_fn(const struct edda_app *app, int argc, char **argv);

cmd_fn cmd_run, cmd_trace, cmd_deadlines, cmd_projections, cmd_quarantine, cmd_migrate, cmd_simulate, cmd_bench, cmd_reference;

/* Parses the words of a command into `values`. False when the command has ended with *ret_status: help was asked for, or a word was wrong,
 * and that was said. */
bool cmd_parse(const struct edda_app *app, const struct command_row *row, int argc, char **argv, void *values,
               int *ret_status);
/* The same with the flags of the application's own behind those of the command; their values are `int64_t[APP_OPTIONS_MAX]` at this offset, and
 * are given to the application. */
#define APP_OPTIONS_MAX 32
bool cmd_parse_with_app(const struct edda_app *app, const struct command_row *row, size_t durations_offset, int argc, char **argv,
                        void *values, int *ret_status);
/* Says what options_parse() found, when it is not 0: prints help, or what was wrong. Returns the exit status. */
int cmd_asked(const struct edda_app *app, const struct command_row *row, int rc, char asked,
              const struct edda_error *error);
/* Adds to an error what to do about it. Returns its code. */
int cmd_advise(struct edda_error *error, const char *advice);
/* Says on standard error what went wrong. Returns EXIT_FAILED. */
int cmd_fail(const struct edda_app *app, const char *command, const struct edda_error *error);
/* The same for words that parse but make no sense. Returns EXIT_USAGE. */
int cmd_misused(const struct edda_app *app, const char *command, const char *what);

/* The port and directory that are taken when none is given; the directory is written to `path`. */
uint16_t cmd_default_port(const struct edda_app *app);
void cmd_default_data(const struct edda_app *app, char *path, size_t size);

#endif
