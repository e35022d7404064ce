/*
 * settings: the options of a command from a file and from the environment. One table says what there is: the option `--tls-cert FILE` is the line
 * `tls-cert = FILE` of a file and the variable EDDA_TLS_CERT. The command line goes before the environment, and that before the file.
 *
 * A file has a line for each setting: a name, "=", a value to the end of the line. Empty lines, and those that begin with "#", say nothing. A flag is
 * true or false. A name that the command does not have, or one that is there twice, is an error that names the line.
 */
#ifndef EDDA_CMD_SETTINGS_H
#define EDDA_CMD_SETTINGS_H

#include "cmd/options.h"

#define SETTINGS_FILE_BYTES_MAX 65536

/* All write to `values` what they find; texts live as long as the process. EDDA_EINVAL names the line or the variable; EDDA_ENOTFOUND: there is no such file. */
int settings_file(const struct command_row *command, const char *path, void *values, struct edda_error *error);
/* The same of the text of a file, into which it writes and to which values point afterwards; `path` is for the errors. */
int settings_text(const struct command_row *command, const char *path, char *text, void *values, struct edda_error *error);
int settings_environment(const struct command_row *command, void *values, struct edda_error *error);
/* The command line has given the option a value, whatever was said before. */
void settings_overruled(const char *option);
/* An error whose field is an option, found when its value was used, says where the value came from: the line of the file, or the variable; it stays as it is for one of the command line. */
void settings_say_where(struct edda_error *error);
/* "EDDA_TLS_CERT" of "tls-cert". */
#define SETTING_VARIABLE_BYTES 80
void settings_variable(const char *option, char ret_name[SETTING_VARIABLE_BYTES]);

#endif
