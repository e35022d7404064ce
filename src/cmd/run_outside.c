/* run_outside: see run_outside.h. */
#include "cmd/run_outside.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/secret.h"
#include "edda/remote.h"

#define SECRET_VARIABLE "EDDA_REMOTE_SECRET"

/* clang-format off */
static const struct option_row effect_options[] = {
    { "smtp", OPTION_TEXT, offsetof(struct run_outside_values, smtp), "HOST:PORT", NULL,
      "Mail server for e-mails; EDDA_SMTP_USER and EDDA_SMTP_PASSWORD in the environment log in" },
    { "mail-from", OPTION_TEXT, offsetof(struct run_outside_values, mail_from), "ADDRESS", NULL, "Sender of e-mails that name none" },
    { "mail-dir", OPTION_TEXT, offsetof(struct run_outside_values, mail_dir), "DIR", NULL, "Writes e-mails as files there, in place of a mail server" },
};
static const struct option_row remote_options[] = {
    { "remote", OPTION_TEXT, offsetof(struct run_outside_values, remote), "SERVICE=URL", NULL,
      "Where a remote service is; several are separated by ','" },
    { "remote-secret-file", OPTION_TEXT, offsetof(struct run_outside_values, remote_secret_file), "FILE", NULL,
      "Its first line signs what remote services are asked, in place of " SECRET_VARIABLE " in the environment" },
};
static const struct option_row common_options[] = {
    { "ca-file", OPTION_TEXT, offsetof(struct run_outside_values, ca_file), "FILE", NULL, "Certificates to trust in place of the system's, PEM" },
};
/* clang-format on */

#define COUNT_OF(rows) (sizeof(rows) / sizeof(rows)[0])

static uint32_t threads_of(const struct edda_effect *effect)
{
    return effect->threads ? effect->threads : 1;
}

uint64_t run_outside_threads(const struct edda_app *app)
{
    uint64_t threads = 0;
    for (size_t i = 0; app->services[i]; i++) {
        threads += app->services[i]->remote ? threads_of(&app->services[i]->remote->effect) : 0;
        for (const struct edda_row *row = app->services[i]->on; row && row->type; row++)
            threads += row->effect ? threads_of(row->effect) : 0;
    }
    return threads;
}

static bool has_remote(const struct edda_app *app)
{
    for (size_t i = 0; app->services && app->services[i]; i++)
        if (app->services[i]->remote)
            return true;
    return false;
}

static bool has_effects(const struct edda_app *app)
{
    for (size_t i = 0; app->services && app->services[i]; i++)
        for (const struct edda_row *row = app->services[i]->on; row && row->type; row++)
            if (row->effect)
                return true;
    return false;
}

bool run_outside_lacks_mail(const struct edda_app *app, const struct run_outside_values *values)
{
    return has_effects(app) && !values->smtp && !values->mail_dir;
}

static size_t add(struct option_row *rows, size_t count, const struct option_row *more, size_t more_count, size_t offset)
{
    for (size_t i = 0; i < more_count; i++) {
        rows[count] = more[i];
        rows[count++].offset += offset;
    }
    return count;
}

size_t run_outside_options(const struct edda_app *app, size_t offset, struct option_row rows[RUN_OUTSIDE_OPTIONS_MAX])
{
    size_t count = 0;
    if (has_effects(app))
        count = add(rows, count, effect_options, COUNT_OF(effect_options), offset);
    if (has_remote(app))
        count = add(rows, count, remote_options, COUNT_OF(remote_options), offset);
    return count ? add(rows, count, common_options, COUNT_OF(common_options), offset) : 0;
}

/* Sets the URLs that --remote names. */
static int read_urls(struct run_outside *run, size_t count, const char *text, struct edda_error *error)
{
    if (strlen(text) >= sizeof run->remote_text)
        return edda_fail_field(error, EDDA_EINVAL, "remote", "--remote is longer than %zu bytes", sizeof run->remote_text - 1);
    (void)snprintf(run->remote_text, sizeof run->remote_text, "%s", text);
    char *rest = run->remote_text;
    while (rest) {
        char *pair = rest, *comma = strchr(rest, ','), *equals;
        rest = comma ? comma + 1 : NULL;
        if (comma)
            *comma = '\0';
        equals = strchr(pair, '=');
        if (equals)
            *equals = '\0';
        bool known = false;
        for (size_t i = 0; equals && i < count; i++) {
            if (strcmp(run->remotes[i].service->name, pair) != 0)
                continue;
            run->remotes[i].url = equals + 1;
            known = true;
        }
        if (!known)
            return edda_fail_field(error, EDDA_EINVAL, "remote", "--remote: %s%s", pair, equals ? " is no remote service of this application" : " is not SERVICE=URL");
    }
    return 0;
}

int run_outside_open(struct run_outside *run, const struct edda_app *app, const struct run_outside_values *values, struct io *io, struct edda_error *error)
{
    size_t count = 0;
    if (!has_effects(app) && !has_remote(app))
        return 0;
    int rc = values->remote_secret_file ? secret_read("remote-secret-file", values->remote_secret_file, run->secret, sizeof run->secret, error) : 0;
    for (size_t i = 0; app->services[i] && count < COUNT_OF(run->remotes); i++) {
        const struct edda_remote *remote = app->services[i]->remote;
        if (!remote)
            continue;
        const char *variable = remote->secret_variable ? remote->secret_variable : SECRET_VARIABLE;
        run->remotes[count++] = (struct outside_remote){
            .service = app->services[i], .url = remote->url, .secret = values->remote_secret_file ? run->secret : getenv(variable)
        };
    }
    if (rc == 0 && values->remote)
        rc = read_urls(run, count, values->remote, error);
    const struct outside_options options = {
        .io = io,
        .smtp = values->smtp,
        .smtp_user = getenv("EDDA_SMTP_USER"),
        .smtp_password = getenv("EDDA_SMTP_PASSWORD"),
        .mail_from = values->mail_from,
        .mail_dir = values->mail_dir,
        .remotes = run->remotes,
        .remote_count = count,
        .ca_file = values->ca_file,
    };
    /* Whoever started us may have ignored the ends of its children, which is inherited, and would hide how programs end. */
    (void)signal(SIGCHLD, SIG_DFL);
    return rc < 0 ? rc : outside_new(&options, &run->outside, error);
}
