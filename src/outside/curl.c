/*
 * libcurl: one handle for each thread, kept with its connections from call to call. Only the protocols asked for, no signals, certificates verified,
 * every answer bounded.
 */
#include "outside/parts.h"

#include <string.h>

#if !EDDA_WITH_CURL

bool curl_is_there(void)
{
    return false;
}

int curl_http(struct transfer *transfer)
{
    return edda_fail_with(transfer->call->error, EDDA_EUNSUPPORTED, "this build has no libcurl to call over HTTP");
}

int curl_mail(struct transfer *transfer)
{
    return edda_fail_with(transfer->call->error, EDDA_EUNSUPPORTED, "this build has no libcurl to send e-mail");
}

void curl_free(void *curl)
{
    (void)curl;
}

#else

#include <curl/curl.h>
#include <pthread.h>

#define REDIRECTS_MAX 5
#define CONNECT_TIMEOUT_MS 10000

static pthread_once_t global_once = PTHREAD_ONCE_INIT;

static void global_init(void)
{
    (void)curl_global_init(CURL_GLOBAL_DEFAULT);
}

bool curl_is_there(void)
{
    return true;
}

void curl_free(void *curl)
{
    if (curl)
        curl_easy_cleanup(curl);
}

struct progress {
    struct outside *outside;
    int64_t checked_ns;
    bool stopped;
    bool too_much;
    bool head_ended;               /* of the last answer */
    struct scratch *scratch;
    struct slice left;             /* to be sent */
};

static size_t on_bytes(char *data, size_t size, size_t count, void *user)
{
    struct progress *progress = user;
    struct buffer *in = &progress->scratch->in;
    buffer_append(in, data, size * count);
    progress->too_much = !buffer_ok(in);
    return progress->too_much ? 0 : size * count;
}

/* libcurl takes an answer that is cut off in the middle of its head for a whole one. */
static size_t on_head(char *data, size_t size, size_t count, void *user)
{
    struct progress *progress = user;
    size_t len = size * count;
    if (len >= 5 && memcmp(data, "HTTP/", 5) == 0)
        progress->head_ended = false;
    else if (len && (data[0] == '\r' || data[0] == '\n'))
        progress->head_ended = true;
    return len;
}

static size_t on_send(char *data, size_t size, size_t count, void *user)
{
    struct progress *progress = user;
    size_t len = progress->left.len < size * count ? progress->left.len : size * count;
    if (len)
        memcpy(data, progress->left.data, len);
    progress->left = slice_from(progress->left, len);
    return len;
}

static int on_progress(void *user, curl_off_t down_all, curl_off_t down, curl_off_t up_all, curl_off_t up)
{
    struct progress *progress = user;
    (void)down_all, (void)down, (void)up_all, (void)up;
    progress->stopped = outside_must_stop(progress->outside, &progress->checked_ns);
    return progress->stopped;
}

/* The thread's handle, as new but for its connections. */
static CURL *begin(struct transfer *transfer, struct progress *progress, char error[CURL_ERROR_SIZE], const char *protocols)
{
    (void)pthread_once(&global_once, global_init);
    struct scratch *scratch = transfer->scratch;
    if (!scratch->curl)
        scratch->curl = curl_easy_init();
    CURL *curl = scratch->curl;
    if (!curl)
        return NULL;
    *progress = (struct progress){ .outside = transfer->outside, .scratch = scratch };
    error[0] = '\0';
    long timeout_ms = (long)transfer->call->timeout_ms;
    curl_easy_reset(curl);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, protocols);
    curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, timeout_ms);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, timeout_ms < CONNECT_TIMEOUT_MS ? timeout_ms : CONNECT_TIMEOUT_MS);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, progress);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, progress);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_head);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, progress);
    if (transfer->outside->options.ca_file)
        curl_easy_setopt(curl, CURLOPT_CAINFO, transfer->outside->options.ca_file);
    return curl;
}

/* What came of it: 0 when there is an answer. */
static int outcome(const struct transfer *transfer, const struct progress *progress, CURLcode code, const char *text)
{
    struct edda_error *error = transfer->call->error;
    const char *words = text[0] ? text : curl_easy_strerror(code);
    if (code == CURLE_OK)
        return 0;
    if (progress->stopped)
        return edda_fail_with(error, EDDA_ECLOSED, "the application is stopping");
    if (progress->too_much)
        return edda_fail_with(error, EDDA_EREFUSED, "its answer is longer than 16 MiB");
    /* Once something was sent it is the other side that talks nonsense, also when libcurl says that it is out of memory: for such a long head. */
    long sent = 0;
    (void)curl_easy_getinfo(transfer->scratch->curl, CURLINFO_REQUEST_SIZE, &sent);
    bool wrong = sent == 0 && (code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL);
    bool refused = code == CURLE_TOO_MANY_REDIRECTS;
    return edda_fail_with(error, wrong ? EDDA_EINVAL : refused ? EDDA_EREFUSED : EDDA_EUNAVAILABLE, "%s", words);
}

static bool add(struct curl_slist **list, const char *line)
{
    struct curl_slist *grown = line ? curl_slist_append(*list, line) : NULL;
    if (grown)
        *list = grown;
    return grown != NULL;
}

static void set_method(CURL *curl, const struct transfer *transfer)
{
    if (transfer->body.len || strcmp(transfer->method, "POST") == 0) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)transfer->body.len);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, transfer->body.len ? transfer->body.data : "");
    }
    if (strcmp(transfer->method, "HEAD") == 0)
        curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
    else if (strcmp(transfer->method, transfer->body.len ? "POST" : "GET") != 0)
        curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, transfer->method);
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, transfer->follow ? 1L : 0L);
    curl_easy_setopt(curl, CURLOPT_MAXREDIRS, (long)REDIRECTS_MAX);
}

int curl_http(struct transfer *transfer)
{
    struct progress progress;
    char text[CURL_ERROR_SIZE];
    struct curl_slist *headers = NULL;
    CURL *curl = begin(transfer, &progress, text, "http,https");
    bool ready = curl && add(&headers, "Expect:"); /* no question before the body */
    for (const char *const *line = transfer->headers; ready && *line; line++)
        ready = add(&headers, *line);
    int rc = ready ? 0 : edda_fail_with(transfer->call->error, EDDA_ENOMEM, "out of memory for a call over HTTP");
    if (rc == 0) {
        curl_easy_setopt(curl, CURLOPT_URL, transfer->url);
        curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
        curl_easy_setopt(curl, CURLOPT_USERAGENT, "edda");
        set_method(curl, transfer);
        rc = outcome(transfer, &progress, curl_easy_perform(curl), text);
        if (rc == 0 && !progress.head_ended)
            rc = edda_fail_with(transfer->call->error, EDDA_EUNAVAILABLE, "its answer is cut off");
        (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &transfer->status);
        char *content_type = NULL;
        (void)curl_easy_getinfo(curl, CURLINFO_CONTENT_TYPE, &content_type);
        transfer->content_type = content_type;
    }
    curl_slist_free_all(headers);
    return rc;
}

/* An address as SMTP wants it. */
static const char *bracketed(struct scratch *scratch, struct edda_text address)
{
    return arena_printf(&scratch->arena, "<%.*s>", (int)address.len, address.data);
}

static int perform_mail(CURL *curl, struct transfer *transfer, struct progress *progress, const char *text)
{
    const struct outside_options *options = &transfer->outside->options;
    curl_easy_setopt(curl, CURLOPT_URL, transfer->outside->smtp_url);
    curl_easy_setopt(curl, CURLOPT_USE_SSL, (long)CURLUSESSL_TRY);
    if (options->smtp_user) {
        curl_easy_setopt(curl, CURLOPT_USE_SSL, (long)CURLUSESSL_ALL); /* no password in the clear */
        curl_easy_setopt(curl, CURLOPT_USERNAME, options->smtp_user);
        curl_easy_setopt(curl, CURLOPT_PASSWORD, options->smtp_password ? options->smtp_password : "");
    }
    progress->left = buffer_slice(&transfer->scratch->out);
    curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(curl, CURLOPT_READFUNCTION, on_send);
    curl_easy_setopt(curl, CURLOPT_READDATA, progress);
    curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)progress->left.len);
    CURLcode code = curl_easy_perform(curl);
    int rc = outcome(transfer, progress, code, text);
    (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &transfer->status);
    /* Who does not let us in says nothing about this mail. */
    bool outside_the_door = code == CURLE_LOGIN_DENIED || code == CURLE_USE_SSL_FAILED || code == CURLE_REMOTE_ACCESS_DENIED;
    if (rc == EDDA_EUNAVAILABLE && !outside_the_door && transfer->status >= 500 && transfer->status < 600)
        rc = edda_fail_with(transfer->call->error, EDDA_EREFUSED, "the mail server said no, with %ld: %s", transfer->status, text);
    return rc;
}

int curl_mail(struct transfer *transfer)
{
    struct progress progress;
    char text[CURL_ERROR_SIZE];
    struct curl_slist *recipients = NULL;
    struct edda_text list = transfer->to, address;
    CURL *curl = begin(transfer, &progress, text, "smtp,smtps");
    const char *from = curl ? bracketed(transfer->scratch, transfer->from) : NULL;
    bool ready = from != NULL;
    while (ready && mail_address(&list, &address))
        ready = add(&recipients, bracketed(transfer->scratch, address));
    int rc = ready ? 0 : edda_fail_with(transfer->call->error, EDDA_ENOMEM, "out of memory for an e-mail");
    if (rc == 0) {
        curl_easy_setopt(curl, CURLOPT_MAIL_FROM, from);
        curl_easy_setopt(curl, CURLOPT_MAIL_RCPT, recipients);
        rc = perform_mail(curl, transfer, &progress, text);
    }
    curl_slist_free_all(recipients);
    return rc;
}

#endif
