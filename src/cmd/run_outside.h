/* run_outside: the options of `run` for what is outside (edda/effect.h, edda/remote.h), and opening it. An application without effects has none of them. */
#ifndef EDDA_CMD_RUN_OUTSIDE_H
#define EDDA_CMD_RUN_OUTSIDE_H

#include "cmd/cmd.h"
#include "outside/outside.h"

struct run_outside_values {
    const char *smtp, *mail_from, *mail_dir, *ca_file;
    const char *remote, *remote_secret_file;
};

#define RUN_OUTSIDE_OPTIONS_MAX 8

/* What the values point to while the outside is open. */
struct run_outside {
    struct outside *outside; /* NULL: the application has no effects */
    struct outside_remote remotes[64];
    char remote_text[4096];
    char secret[4096];
};

/* Writes the rows that the application has a use for, their values at `offset`; returns how many. */
size_t run_outside_options(const struct edda_app *app, size_t offset, struct option_row rows[RUN_OUTSIDE_OPTIONS_MAX]);
/* Threads that the effects of the application may use together. */
uint64_t run_outside_threads(const struct edda_app *app);
/* Whether an e-mail that the application may want to send could go nowhere. */
bool run_outside_lacks_mail(const struct edda_app *app, const struct run_outside_values *values);
int run_outside_open(struct run_outside *run, const struct edda_app *app, const struct run_outside_values *values, struct io *io, struct edda_error *error);

#endif
