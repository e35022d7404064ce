/*
 * outside: does effects (edda/effect.h) for real: calls over HTTP and e-mail by libcurl, programs without a shell, e-mail into a directory of files.
 *
 * Threads: outside_call() on any number of threads of the io's pool, all else on the owner's. A thread keeps its connections for its next call.
 *
 * When the io has been shut down, what is under way is given OUTSIDE_GRACE_MS to end; then it is broken off with EDDA_ECLOSED.
 */
#ifndef EDDA_OUTSIDE_OUTSIDE_H
#define EDDA_OUTSIDE_OUTSIDE_H

#include "edda/remote.h"
#include "io/io.h"

#define OUTSIDE_BYTES_MAX (UINT32_C(16) << 20) /* of an answer, of a program's output */
#define OUTSIDE_GRACE_MS 3000

/* Where the steps of a remote service are posted, and what signs them. */
struct outside_remote {
    const struct edda_service *service;
    const char *url;
    const char *secret;
};

struct outside;

/* Texts are borrowed, and must live as long as the outside. */
struct outside_options {
    struct io *io;
    const char *smtp;          /* "HOST:PORT", or with smtp:// or smtps:// before it; NULL: no e-mail by SMTP */
    const char *smtp_user;     /* NULL: no login */
    const char *smtp_password;
    const char *mail_from;     /* of an e-mail that names no sender; NULL: none, or edda@localhost in files */
    const char *mail_dir;      /* e-mails become files here; NULL: they do not. Not together with `smtp` */
    const struct outside_remote *remotes;
    size_t remote_count;
    const char *ca_file;       /* certificates that are trusted, PEM; NULL: the system's */
};

/* EDDA_EINVAL names the wrong option; EDDA_EUNSUPPORTED: this build cannot do it. */
int outside_new(const struct outside_options *options, struct outside **ret_outside, struct edda_error *error);
/* The threads that have used it must have ended (io_posix_free()). NULL is allowed. */
void outside_free(struct outside *outside);

/* Does a call; `user` is the struct outside. */
edda_outside_fn outside_call;

#endif
