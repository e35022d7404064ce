/* The outside as a whole: its options, the memory of its threads, and who does which call. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "outside/parts.h"

#define MAIL_FROM_OF_FILES "edda@localhost" /* nobody gets these, so anybody may send them */
#define CHECK_NS INT64_C(50000000)
#define NS_PER_MS INT64_C(1000000)
#define SECRET_BYTES_MIN 16

/* --- the memory of a thread ---------------------------------------------------------------------------------------------- */

static pthread_key_t scratch_key;
static pthread_once_t scratch_once = PTHREAD_ONCE_INIT;
static bool scratch_key_made;

static void scratch_free(void *memory)
{
    struct scratch *scratch = memory;
    curl_free(scratch->curl);
    arena_deinit(&scratch->arena);
    buffer_deinit(&scratch->in);
    buffer_deinit(&scratch->out);
    free(scratch);
}

static void scratch_key_make(void)
{
    scratch_key_made = pthread_key_create(&scratch_key, scratch_free) == 0;
}

struct scratch *scratch_get(void)
{
    (void)pthread_once(&scratch_once, scratch_key_make);
    struct scratch *scratch = scratch_key_made ? pthread_getspecific(scratch_key) : NULL;
    if (!scratch_key_made)
        return NULL;
    if (!scratch) {
        scratch = calloc(1, sizeof *scratch);
        if (!scratch || pthread_setspecific(scratch_key, scratch) != 0) {
            free(scratch);
            return NULL;
        }
        arena_init(&scratch->arena, 0, 0);
        buffer_init(&scratch->in, OUTSIDE_BYTES_MAX);
        buffer_init(&scratch->out, 0);
    }
    arena_reset(&scratch->arena);
    buffer_clear(&scratch->in);
    buffer_clear(&scratch->out);
    return scratch;
}

/* --- stopping ------------------------------------------------------------------------------------------------------------- */

bool outside_must_stop(struct outside *outside, int64_t *checked_ns)
{
    struct io *io = outside->options.io;
    int64_t now_ns = io_clock_boot_ns(io), stop_at_ns = atomic_load(&outside->stop_at_ns);
    if (stop_at_ns)
        return now_ns >= stop_at_ns;
    if (*checked_ns == 0)
        *checked_ns = now_ns;
    if (now_ns - *checked_ns < CHECK_NS)
        return false;
    *checked_ns = now_ns;
    int64_t never = 0;
    if (!io_sleep(io, 1))
        (void)atomic_compare_exchange_strong(&outside->stop_at_ns, &never, now_ns + OUTSIDE_GRACE_MS * NS_PER_MS);
    return false;
}

/* --- calls ---------------------------------------------------------------------------------------------------------------- */

int outside_call(const struct edda_outside_call *call, void *user)
{
    struct outside *outside = user;
    struct scratch *scratch = scratch_get();
    int64_t checked_ns = 0;
    if (!scratch)
        return edda_fail_with(call->error, EDDA_ENOMEM, "out of memory for an effect");
    if (atomic_load(&outside->stop_at_ns) && outside_must_stop(outside, &checked_ns))
        return edda_fail_with(call->error, EDDA_ECLOSED, "the application is stopping");
    if (call->http)
        return http_do(outside, scratch, call);
    return call->mail ? mail_do(outside, scratch, call) : program_do(outside, scratch, call);
}

/* --- making it ------------------------------------------------------------------------------------------------------------ */

static int smtp_init(struct outside *outside, struct edda_error *error)
{
    const char *smtp = outside->options.smtp, *host = strstr(smtp, "://");
    host = host ? host + 3 : smtp;
    const char *colon = strrchr(host, ':');
    bool scheme = host != smtp, known = strncmp(smtp, "smtp://", 7) == 0 || strncmp(smtp, "smtps://", 8) == 0;
    if ((scheme && !known) || !colon || colon == host || !colon[1] || strspn(colon + 1, "0123456789") != strlen(colon + 1) ||
        strlen(smtp) > sizeof outside->smtp_url - 16 || strpbrk(smtp, " @?#\"\\"))
        return edda_fail_field(error, EDDA_EINVAL, "smtp", "--smtp is HOST:PORT, with smtp:// or smtps:// before it or not, and not %s", smtp);
    if (!curl_is_there())
        return edda_fail_field(error, EDDA_EUNSUPPORTED, "smtp", "--smtp: this build has no libcurl");
    const char *prefix = scheme ? "" : strcmp(colon, ":465") == 0 ? "smtps://" : "smtp://";
    (void)snprintf(outside->smtp_url, sizeof outside->smtp_url, "%s%s", prefix, smtp);
    return 0;
}

static int remotes_check(const struct outside_options *options, struct edda_error *error)
{
    for (size_t i = 0; i < options->remote_count; i++) {
        const struct outside_remote *remote = &options->remotes[i];
        const char *name = remote->service->name;
        bool good = remote->url && (strncmp(remote->url, "http://", 7) == 0 || strncmp(remote->url, "https://", 8) == 0) && !strpbrk(remote->url, " \r\n\t");
        if (!good)
            return edda_fail_field(error, EDDA_EINVAL, "remote", "service %s is remote: --remote %s=URL says where, with http:// or https://", name, name);
        if (!remote->secret || strlen(remote->secret) < SECRET_BYTES_MIN)
            return edda_fail_field(error, EDDA_EINVAL, "remote", "service %s is remote: %s in the environment, or --remote-secret-file, gives the secret of at "
                                   "least %d bytes that signs what it is asked", name,
                                   remote->service->remote->secret_variable ? remote->service->remote->secret_variable : "EDDA_REMOTE_SECRET", SECRET_BYTES_MIN);
    }
    if (options->remote_count && (!curl_is_there() || !sign_is_there()))
        return edda_fail_field(error, EDDA_EUNSUPPORTED, "remote", "this build has no libcurl or no OpenSSL, which remote services need");
    return 0;
}

int outside_new(const struct outside_options *options, struct outside **ret_outside, struct edda_error *error)
{
    struct outside *outside = calloc(1, sizeof *outside);
    if (!outside)
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory for what is outside");
    outside->options = *options;
    if (options->mail_dir && !options->mail_from)
        outside->options.mail_from = MAIL_FROM_OF_FILES;
    int rc = 0;
    struct edda_text from = edda_text_of(options->mail_from ? options->mail_from : ""), address;
    if (options->smtp && options->mail_dir)
        rc = edda_fail_field(error, EDDA_EINVAL, "mail-dir", "--mail-dir and --smtp exclude each other");
    if (rc == 0 && options->mail_from && (!mail_address(&from, &address) || !memchr(address.data, '@', address.len)))
        rc = edda_fail_field(error, EDDA_EINVAL, "mail-from", "--mail-from is an address, and not %s", options->mail_from);
    if (rc == 0 && options->smtp)
        rc = smtp_init(outside, error);
    if (rc == 0)
        rc = remotes_check(options, error);
    if (rc == 0 && options->mail_dir)
        rc = io_dir_make(options->io, options->mail_dir, error);
    if (rc < 0) {
        outside_free(outside);
        return rc;
    }
    *ret_outside = outside;
    return 0;
}

void outside_free(struct outside *outside)
{
    free(outside);
}
