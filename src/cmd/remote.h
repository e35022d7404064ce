/* remote: what the commands that look into a running instance have in common. */
#ifndef EDDA_CMD_REMOTE_H
#define EDDA_CMD_REMOTE_H

#include "base/arena.h"
#include "base/buffer.h"
#include "cmd/cmd.h"

/* Options that each of them has; its struct of values begins with these. */
struct remote_values {
    const char *url;
    const char *user, *password_file, *token_file, *ca_file;
    bool json;
};

#define REMOTE_OPTIONS \
    { "url", OPTION_TEXT, offsetof(struct remote_values, url), \
      "URL", NULL,        "Of the instance: http://HOST:PORT or https://HOST:PORT; that of this application on this machine by default" }, \
    { "user", OPTION_TEXT, offsetof(struct remote_values, user), \
      "NAME", NULL, "Who asks, where the instance has users; goes with --password-file" }, \
    { "password-file", OPTION_TEXT, offsetof(struct remote_values, password_file), \
      "FILE", NULL, "Its first line is the password of --user" }, \
    { "token-file", OPTION_TEXT, offsetof(struct remote_values, token_file), \
      "FILE", NULL, "Its first line is a user's token, in place of EDDA_TOKEN in the environment" }, \
    { "ca-file", OPTION_TEXT, offsetof(struct remote_values, ca_file), \
      "FILE", NULL, "For a URL with https: certificates to trust in place of the system's, PEM" }, \
    { \
        "json", OPTION_FLAG, offsetof(struct remote_values, json), NULL, NULL, "Writes JSON" \
    }

/* Asks; what it answers is appended to `content`. A refusal is said. Returns an exit status. */
int remote_ask(const struct edda_app *app, const char *command, const struct remote_values *values, const char *method,
               const char *path, struct slice json, struct buffer *content);

struct remote_page {
    int64_t size;
    int64_t totalElements;
    int64_t totalPages;
    int64_t number;
};
extern const struct edda_type remote_page_type;

/* Walks the pages of a collection. `type` describes an answer, beginning with a struct remote_page named "page"; `show` prints the rows of one. With
 * --json the answers are written as they come, one a line. Returns an exit status. */
typedef void remote_show_fn(const void *answer, bool first);
int remote_list(const struct edda_app *app, const char *command, const struct remote_values *values, const char *path,
                const struct edda_type *type, remote_show_fn *show);

#endif
