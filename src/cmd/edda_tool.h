/*
 * What the commands of `edda` share: opening a data directory, ending with an error, showing a record.
 *
 * Most of them only read, and do so beside a running process: reading takes no lock. What is being written just then may look damaged for
 * an instant, so an open that finds damage is tried again before it is believed.
 */
#ifndef EDDA_CMD_EDDA_TOOL_H
#define EDDA_CMD_EDDA_TOOL_H

#include "cmd/data.h"
#include "cmd/options.h"
#include "io/posix.h"
#include "store/store.h"

struct tool {
    const char *command; /* for errors: "read" */
    struct io *io;
    struct store *store; /* NULL until tool_open() */
    struct edda_error error;
};

/* The release, "0.1.0". */
extern const char *const tool_release;

/* Makes the io. False, and said so, when out of memory. */
bool tool_init(struct tool *tool, const char *command);
/* Closes what is open and frees the io. */
void tool_deinit(struct tool *tool);

/* Opens the store in `dir` for reading or, taking its lock, for writing. Failures are in tool->error. */
int tool_open_reading(struct tool *tool, const char *dir);
int tool_open_writing(struct tool *tool, const char *dir);
void tool_close(struct tool *tool);
/* The log alone, for reading; the caller closes it. */
int tool_open_log(struct tool *tool, const char *dir, struct log **ret_log);
/* Whether an open for reading that gave `code` should be tried again, after a moment: `attempt` is 0 at first. Else tool->error may be
 * given better words. */
bool tool_again(struct tool *tool, const char *dir, int code, int *attempt);

/* Says on standard error, if that is a terminal, how far something has got; progress_show() is the store's, and progress_end() ends the line. */
void progress_say(const char *what, uint64_t done_bytes, uint64_t all_bytes);
void progress_show(void *user, uint64_t done_bytes, uint64_t all_bytes);
void progress_end(void);

/* Says what is in tool->error, and returns EXIT_FAILED. */
int tool_fail(const struct tool *tool);
/* The same with other words, or for a wrong argument, EXIT_USAGE. */
int tool_fail_with(const struct tool *tool, const char *format, ...) __attribute__((format(printf, 2, 3)));
int tool_usage(const struct tool *tool, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Waits. */
void tool_wait(struct tool *tool, int64_t ms);

/* "category/key" at its first '/': false when either is missing. */
bool stream_split(const char *stream, struct slice *ret_category, struct slice *ret_key);

/* A file of a directory: "dir/name". False when it is too long. */
#define TOOL_PATH_BYTES 4096
bool path_join(char path[TOOL_PATH_BYTES], const char *dir, const char *name);

/* Writes one line for a record: for people, or as JSON. `version` -1: not known. */
void record_line(const struct store_record *record, int64_t version, bool json, struct buffer *out);
/* Whether the type of a record is `type` (NULL: any). */
bool record_is(const struct store_record *record, const char *type);
/* Prints what is in the buffer and empties it; false when standard output is gone. */
bool print_buffer(struct buffer *out);

extern const struct command_row tool_append, tool_read, tool_tail, tool_trace, tool_stat, tool_verify, tool_salvage, tool_backup,
    tool_restore, tool_serve, tool_bench, tool_user, tool_man;
/* All of them; ends with NULL. */
extern const struct command_row *const tool_commands[];

#endif
