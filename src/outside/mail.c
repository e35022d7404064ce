/* E-mail: by SMTP, or as a file NAME.eml of a directory, NAME being the idempotency key: what is sent again replaces what is there. */
#include "outside/parts.h"

#include <stdio.h>
#include <string.h>

#define PATH_BYTES 1024

/* Writes the whole file beside its place, and then moves it there: who looks finds all of it or nothing. */
static int write_file(struct io *io, const char *temporary, const char *path, const char *dir, struct slice text, struct edda_error *error)
{
    struct io_file *file;
    int rc = io_file_open(io, temporary, IO_WRITE | IO_CREATE, &file, error);
    if (rc < 0)
        return rc;
    rc = io_file_truncate(io, file, 0);
    if (rc == 0)
        rc = io_file_write(io, file, &text, 1, 0);
    if (rc == 0)
        rc = io_file_sync(io, file);
    io_file_close(io, file);
    if (rc == 0)
        rc = io_file_rename(io, temporary, path);
    if (rc == 0)
        rc = io_dir_sync(io, dir);
    return rc < 0 ? edda_fail_with(error, rc, "%s cannot be written: %s", path, edda_code_info(rc)->sentence) : 0;
}

static int mail_to_dir(struct outside *outside, struct slice text, const struct edda_outside_call *call)
{
    char path[PATH_BYTES], temporary[PATH_BYTES];
    const char *dir = outside->options.mail_dir;
    int key_len = (int)call->idempotency_key.len;
    const char *key = call->idempotency_key.data;
    if (snprintf(path, sizeof path, "%s/%.*s.eml", dir, key_len, key) >= (int)sizeof path ||
        snprintf(temporary, sizeof temporary, "%s/.%.*s.tmp", dir, key_len, key) >= (int)sizeof temporary)
        return edda_fail_field(call->error, EDDA_ELIMIT, "mail-dir", "the path of the directory of e-mails is too long");
    int rc = write_file(outside->options.io, temporary, path, dir, text, call->error);
    /* A disk that is full or fails is one more thing that is away for a while. */
    return rc < 0 && rc != EDDA_ENOMEM ? call->error->code = EDDA_EUNAVAILABLE : rc;
}

/* A mail that goes to nobody would be a success to a mail server. */
static bool has_recipients(struct edda_text list)
{
    struct edda_text address;
    bool any = false, good = true;
    while (good && mail_address(&list, &address)) {
        const char *at = memchr(address.data, '@', address.len);
        any = true;
        good = at && at > address.data && at + 1 < address.data + address.len && !memchr(address.data, ' ', address.len);
    }
    return any && good;
}

int mail_do(struct outside *outside, struct scratch *scratch, const struct edda_outside_call *call)
{
    const struct outside_options *options = &outside->options;
    struct edda_text from = call->mail->from.len ? call->mail->from : edda_text_of(options->mail_from ? options->mail_from : "");
    struct edda_text senders = from;
    struct transfer transfer = { .outside = outside, .scratch = scratch, .call = call, .to = call->mail->to };
    if (!options->smtp && !options->mail_dir)
        return edda_fail_with(call->error, EDDA_EUNSUPPORTED, "e-mail goes nowhere: run with --smtp or --mail-dir");
    if (!mail_address(&senders, &transfer.from))
        return edda_fail_field(call->error, EDDA_EINVAL, "from", "from is empty, and there is no --mail-from");
    if (!has_recipients(call->mail->to))
        return edda_fail_field(call->error, EDDA_EINVAL, "to", "to has no address, or one that is none");
    if (!mail_text(call->mail, from, call->idempotency_key, call->now_ms, &scratch->out))
        return edda_fail_with(call->error, EDDA_ENOMEM, "out of memory for an e-mail");
    return options->mail_dir ? mail_to_dir(outside, buffer_slice(&scratch->out), call) : curl_mail(&transfer);
}
