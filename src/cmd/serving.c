/* serving: see serving.h. */
#include "cmd/serving.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "cmd/cmd.h"
#include "cmd/settings.h"
#include "io/posix.h"
#include "journal/local.h"
#include "server/notify.h"
#include "server/users.h"
#include "store/settings.h"
#include "store/store.h"
#include "wire/json/json.h"

#define NS_PER_MS 1000000
#define GROUP_DELAY_MAX_MS 600000
#define CONNECTIONS_MAX 1000000               /* that can be asked for */
#define MEMORY_MIN (UINT64_C(64) << 20)        /* what one client may rightly hold has room */

#define LISTEN_ROW(its_name, port, title) \
    { #its_name, OPTION_TEXT, offsetof(struct serving_values, listen[PROTOCOL_##its_name]), "HOST:PORT", "127.0.0.1:" #port, \
      "Where clients of " title " are listened for; port 0 takes a free one, off is nowhere" },

const struct option_row serving_options[] = {
    { "data", OPTION_TEXT, offsetof(struct serving_values, data), "DIR", "./data/edda", "Directory of the log and the index" },
    PROTOCOLS(LISTEN_ROW)
    { "config", OPTION_TEXT, offsetof(struct serving_values, config), "FILE", NULL, "File of settings, one a line: each is one of these options" },
    { "users", OPTION_TEXT, offsetof(struct serving_values, users), "FILE", NULL,
      "Who may connect, and what each may do: a file made by `edda user`; SIGHUP has it read again. Without it everybody may do everything" },
    { "cors", OPTION_TEXT, offsetof(struct serving_values, cors), "ORIGINS", NULL,
      "Origins whose pages may use HTTP here, with commas, such as https://shop.example; * for all of them" },
    { "tls-cert", OPTION_TEXT, offsetof(struct serving_values, tls_cert), "FILE", NULL,
      "Chain of certificates in PEM, for TLS; SIGHUP has it and its key read again" },
    { "tls-key", OPTION_TEXT, offsetof(struct serving_values, tls_key), "FILE", NULL, "Its key in PEM, without a passphrase" },
    { "tls", OPTION_TEXT, offsetof(struct serving_values, tls), "NAMES", "all", "With a certificate: for which of the above clients have to use TLS, such as http" },
    { "insecure", OPTION_FLAG, offsetof(struct serving_values, insecure), NULL, NULL,
      "Lets others than this machine connect without TLS or users" },
    { "group-delay", OPTION_DURATION, offsetof(struct serving_values, group_delay_ms), "DURATION", NULL,
      "How long the first member of a Kafka group waits for others; without it the group starts at once, and again with each that comes" },
    { "connections-max", OPTION_COUNT, offsetof(struct serving_values, connections_max), "N", "10000", "How many clients may be connected; one more is refused" },
    { "memory-max", OPTION_SIZE, offsetof(struct serving_values, memory_max), "SIZE", "1G",
      "Memory for what clients have sent and is not done, and for what they have not taken, of all together; beyond, those that hold most are closed" },
    { "partitions", OPTION_COUNT, offsetof(struct serving_values, partitions), "N", "4", "Partitions of a topic that says nothing about it" },
    { "message-bytes-max", OPTION_SIZE, offsetof(struct serving_values, message_bytes_max), "SIZE", "1048588",
      "The largest batch of a producer, for topics that have no max.message.bytes of their own" },
    { "topics-asked-for", OPTION_FLAG, offsetof(struct serving_values, topics_asked_for), NULL, NULL,
      "Makes a topic only for who asks for that, not for who writes to or asks about one that is not there" },
    { "json", OPTION_FLAG, offsetof(struct serving_values, json), NULL, NULL, "Says what happens as JSON, one object a line" },
    { .name = NULL },
};
_Static_assert(sizeof serving_options / sizeof serving_options[0] <= SERVING_OPTIONS_MAX, "others make room for as many");

/* --- saying what happens ---------------------------------------------------------------------------------------------- */

/* `members`: further ones of the JSON object, from the comma on. */
static void say_line(struct serving *serving, const char *event, const char *text, const char *members)
{
    struct buffer line = BUFFER_EMPTY;
    if (serving->values.json) {
        buffer_append_str(&line, "{\"time\":");
        json_put_time(&line, io_clock_wall_ns(serving->io) / NS_PER_MS);
        buffer_append_str(&line, ",\"application\":");
        json_put_string(&line, slice_str(serving->app->name));
        buffer_append_str(&line, ",\"event\":");
        json_put_string(&line, slice_str(event));
        buffer_append_str(&line, ",\"text\":");
        json_put_string(&line, slice_str(text));
        buffer_append_str(&line, members);
        buffer_append_str(&line, "}\n");
    } else {
        buffer_printf(&line, "%s: %s\n", event, text);
    }
    fputs(buffer_cstr(&line), stdout);
    (void)fflush(stdout);
    buffer_deinit(&line);
}

void serving_say(struct serving *serving, const char *event, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    say_line(serving, event, text, "");
}

void serving_says(void *user, const char *event, const char *text)
{
    say_line(user, event, text, "");
}

/* The index is built from the log when it is missing: said at every tenth of the way. */
static void index_progress(void *user, uint64_t done_bytes, uint64_t all_bytes)
{
    struct serving *serving = user;
    uint64_t percent = all_bytes ? done_bytes * 100 / all_bytes : 100;
    if (percent / 10 == serving->shown_percent / 10)
        return;
    serving->shown_percent = percent;
    serving_say(serving, "index", "%llu %% of %llu MiB of log are indexed", (unsigned long long)percent,
                (unsigned long long)(all_bytes >> 20));
}

/* "; services a, b" */
static void services_text(const struct edda_app *app, char *text, size_t size)
{
    size_t used = 0;
    *text = '\0';
    for (size_t i = 0; app->services && app->services[i] && used < size; i++)
        if (i == 0 || strcmp(app->services[i]->name, app->services[i - 1]->name) != 0) /* not each version of it */
            used += (size_t)snprintf(text + used, size - used, "%s%s", i ? ", " : "; services ", app->services[i]->name);
}

static void say_listening(struct serving *serving)
{
    const struct edda_app *app = serving->app;
    char services[512], text[1024], members[200];
    services_text(app, services, sizeof services);
    for (size_t i = 0; i < serving->listener_count; i++) {
        const char *name = serving->listeners[i].name, *host = serving->listeners[i].host;
        unsigned port = server_port(serving->server, i);
        bool http = strcmp(name, "http") == 0, v6 = strchr(host, ':') != NULL, tls = serving->listeners[i].tls;
        if (http)
            (void)snprintf(text, sizeof text, v6 ? "%s %s on http%s://[%s]:%u%s" : "%s %s on http%s://%s:%u%s", app->name,
                           app->version ? app->version : edda_version(), tls ? "s" : "", host, port, services);
        else
            (void)snprintf(text, sizeof text, v6 ? "%s on [%s]:%u%s" : "%s on %s:%u%s", name, host, port, tls ? ", TLS" : "");
        (void)snprintf(members, sizeof members, ",\"protocol\":\"%s\",\"address\":\"%s\",\"port\":%u,\"tls\":%s", name, host, port,
                       tls ? "true" : "false");
        say_line(serving, "listening", text, members);
    }
}

static void say_data(struct serving *serving, const struct log_recovery *recovery)
{
    const char *data = serving->values.data;
    if (recovery->segments <= 1 && recovery->frames_scanned == 0)
        serving_say(serving, "data", "%s, which is new", data);
    else if (recovery->clean)
        serving_say(serving, "data", "%s, which was closed in order; segments: %llu", data, (unsigned long long)recovery->segments);
    else
        serving_say(serving, "data", "%s, recovered; segments: %llu, frames read in the last: %llu, bytes of a torn tail cut: %llu", data,
                    (unsigned long long)recovery->segments, (unsigned long long)recovery->frames_scanned,
                    (unsigned long long)recovery->torn_bytes);
}

/* --- opening and closing ------------------------------------------------------------------------------------------------- */

int listen_parse(const char *flag, const char *text, char *ret_host, size_t host_size, uint16_t *ret_port, struct edda_error *error)
{
    const char *colon = strrchr(text, ':'), *host = text, *digits = colon ? colon + 1 : text;
    size_t host_len = colon ? (size_t)(colon - text) : 0;
    uint64_t port;
    if (host_len > 1 && host[0] == '[' && host[host_len - 1] == ']') {
        host++;
        host_len -= 2;
    }
    if (!colon || (host_len == 9 && memcmp(host, "localhost", 9) == 0)) {
        host = "127.0.0.1";
        host_len = strlen(host);
    }
    if (host_len == 0 || host_len >= host_size || !option_value(OPTION_PORT, digits, &port))
        return edda_fail_field(error, EDDA_EINVAL, flag, "--%s takes HOST:PORT, such as 127.0.0.1:2113 or [::1]:0, or off, not '%.60s'", flag, text);
    memcpy(ret_host, host, host_len);
    ret_host[host_len] = '\0';
    *ret_port = (uint16_t)port;
    return 0;
}

/* Whether a list with commas names it, or all. */
static bool list_names(const char *list, const char *name)
{
    size_t len = strlen(name);
    for (const char *at = list; at; at = strchr(at, ',')) {
        at += *at == ',';
        if ((strncmp(at, name, len) == 0 && (at[len] == ',' || at[len] == '\0')) || strcmp(at, "all") == 0)
            return true;
    }
    return false;
}

static int tls_names_check(const char *list, struct edda_error *error)
{
    for (const char *at = list; at; at = strchr(at, ',')) {
        at += *at == ',';
        size_t len = strcspn(at, ",");
        bool known = len == 3 && memcmp(at, "all", len) == 0;
        for (size_t i = 0; i < PROTOCOL_COUNT; i++)
            known |= strlen(protocol_rows[i].name) == len && memcmp(protocol_rows[i].name, at, len) == 0;
        if (!known)
            return edda_fail_field(error, EDDA_EINVAL, "tls", "--tls takes all, or names of protocols, not '%.*s'", (int)(len < 60 ? len : 60), at);
    }
    return 0;
}

static int tls_parse(const struct serving_values *values, struct server_options *options, struct edda_error *error)
{
    if (!values->tls_cert != !values->tls_key)
        return edda_fail_field(error, EDDA_EINVAL, values->tls_cert ? "tls-cert" : "tls-key", "--%s goes with a %s, which is missing",
                               values->tls_cert ? "tls-cert" : "tls-key", values->tls_cert ? "tls-key" : "tls-cert");
    options->tls_certificate = values->tls_cert;
    options->tls_key = values->tls_key;
    options->insecure = values->insecure;
    return tls_names_check(values->tls, error);
}

static int group_delay_parse(const struct serving_values *values, struct server_options *options, struct edda_error *error)
{
    if (values->group_delay_ms > GROUP_DELAY_MAX_MS)
        return edda_fail_field(error, EDDA_EINVAL, "group-delay", "--group-delay is at most 10m");
    options->kafka_group_delay_ms = (int32_t)values->group_delay_ms;
    return 0;
}

static int listeners_parse(struct serving *serving, struct server_options *options, struct edda_error *error)
{
    for (size_t i = 0; i < PROTOCOL_COUNT; i++) {
        const struct protocol_row *row = &protocol_rows[i];
        const char *text = serving->values.listen[i];
        size_t n = serving->listener_count;
        if (!text || strcmp(text, "off") == 0)
            continue;
        struct server_listener *listener = &options->listeners[n];
        *listener = (struct server_listener){ .protocol = row->protocol, .address = serving->listeners[n].host };
        int rc = listen_parse(row->name, text, serving->listeners[n].host, sizeof serving->listeners[n].host, &listener->port, error);
        if (rc < 0)
            return rc;
        serving->listeners[n].name = row->name;
        serving->listeners[n].tls = listener->tls = serving->values.tls_cert && list_names(serving->values.tls, row->name);
        serving->listener_count++;
    }
    if (serving->listener_count == 0)
        return edda_fail_with(error, EDDA_EINVAL, "nothing would listen: every protocol is off");
    return server_check(options, error);
}

/* An option's number has an upper bound that its kind does not know of. */
static int limit_check(const char *name, uint64_t value, uint64_t min, uint64_t max, struct edda_error *error)
{
    if (value >= min && value <= max)
        return 0;
    return edda_fail_field(error, EDDA_EINVAL, name, "--%s is from %llu to %llu, not %llu", name, (unsigned long long)min, (unsigned long long)max,
                           (unsigned long long)value);
}

static int limits_parse(const struct serving_values *values, struct server_options *options, struct store_options *store_options, struct edda_error *error)
{
    const struct {
        const char *name;
        uint64_t value, min, max;
    } rows[] = {
        { "connections-max", values->connections_max, 1, CONNECTIONS_MAX },
        { "memory-max", values->memory_max, MEMORY_MIN, INT64_MAX },
        { "partitions", values->partitions, 1, STORE_PARTITIONS_MAX },
        { "message-bytes-max", values->message_bytes_max, 1, STORE_BATCH_BYTES_MAX },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int rc = limit_check(rows[i].name, rows[i].value, rows[i].min, rows[i].max, error);
        if (rc < 0)
            return rc;
    }
    options->limits.connections_max = (uint32_t)values->connections_max;
    options->limits.memory_bytes_max = values->memory_max;
    options->limits.partitions_default = (uint32_t)values->partitions;
    options->limits.message_bytes_max = (uint32_t)values->message_bytes_max;
    options->topics_asked_for = values->topics_asked_for;
    store_options->message_bytes_max = values->message_bytes_max;
    return 0;
}

/* A connection takes a descriptor, so as many as are allowed are asked for. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

static int serving_listen(struct serving *serving, struct server_options *options, struct edda_error *error)
{
    options->engine = serving->engine;
    options->io = serving->io;
    options->store = journal_local_store(serving->journal);
    options->stop_on_signals = true;
    options->notify_socket = getenv("NOTIFY_SOCKET");
    options->log = serving_says;
    options->log_user = serving;
    options->after_turn = serving->turn;
    options->after_turn_user = serving->user;
    int rc = server_open(options, &serving->server, error);
    for (size_t i = 0; rc == EDDA_EEXISTS && i < serving->listener_count; i++)
        if (strcmp(error->field, serving->listeners[i].name) == 0) {
            char advice[160];
            (void)snprintf(advice, sizeof advice, "--%s HOST:PORT chooses another, port 0 takes a free one", error->field);
            bool by_port = serving->port_flag && i == 0;
            return cmd_advise(error, by_port ? serving->port_flag : advice);
        }
    return rc;
}

static int open_users(struct serving *serving, struct edda_error *error)
{
    int rc = users_open(serving->io, serving->values.users, &serving->users, error);
    if (rc == EDDA_ENOTFOUND)
        return edda_fail_field(error, rc, "users", "--users: there is no file %.200s; `edda user add NAME --users FILE` makes it", serving->values.users);
    return rc;
}

static int serving_open(struct serving *serving, struct log_recovery *ret_recovery, struct edda_error *error)
{
    struct store_options store_options = { .progress = index_progress, .progress_user = serving };
    struct server_options server_options = { .engine = NULL };
    serving->io = io_posix_new(serving->threads ? serving->threads : 1);
    if (!serving->io)
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory, threads or descriptors");
    int rc = tls_parse(&serving->values, &server_options, error);
    if (rc == 0)
        rc = group_delay_parse(&serving->values, &server_options, error);
    if (rc == 0)
        rc = limits_parse(&serving->values, &server_options, &store_options, error);
    if (rc == 0 && serving->values.users)
        rc = open_users(serving, error);
    server_options.users = serving->users;
    server_options.cors_origins = serving->values.cors;
    if (rc == 0)
        rc = listeners_parse(serving, &server_options, error);
    if (rc == 0 && serving->open_journal)
        rc = serving->open_journal(serving, error);
    if (rc < 0)
        return rc;
    rc = journal_local_open(serving->io, serving->values.data, &store_options, &serving->journal, ret_recovery, error);
    if (rc < 0)
        return rc == EDDA_ECORRUPT || rc == EDDA_EFORMAT ? rc : cmd_advise(error, "--data DIR chooses another directory");
    struct engine_options engine_options = {
        .app = serving->app, .io = serving->io, .journal = serving->journal, .log = serving_says, .log_user = serving,
    };
    if (serving->open_engine)
        rc = serving->open_engine(serving, &engine_options, error);
    if (rc == 0)
        rc = engine_open(&engine_options, &serving->engine, error);
    if (rc == 0)
        rc = serving_listen(serving, &server_options, error);
    return rc == 0 && serving->listened ? serving->listened(serving, error) : rc;
}

/* `abandon`: the journal has failed, nothing more is written. */
static void serving_close(struct serving *serving, bool abandon)
{
    if (serving->close_engine)
        serving->close_engine(serving);
    if (serving->engine) {
        io_shutdown(serving->io);
        while (engine_running(serving->engine) > 0) {
            (void)io_jobs_wait(serving->io, -1);
            (void)io_jobs_finish(serving->io);
        }
        engine_close(serving->engine, abandon);
    }
    server_close(serving->server);
    if (serving->close_journal)
        serving->close_journal(serving);
    journal_close(serving->journal, abandon);
    users_close(serving->users);
    io_posix_free(serving->io);
}

int serving_run(struct serving *serving)
{
    struct log_recovery recovery = { 0 };
    struct edda_error error = { 0 };
    bool opened = false;
    raise_descriptor_limit();
    /* The client libraries of other servers write to sockets that the other end has closed. That is an error of theirs, and not our end. */
    (void)signal(SIGPIPE, SIG_IGN);
    int rc = serving_open(serving, &recovery, &error);
    if (rc == 0) {
        say_listening(serving);
        say_data(serving, &recovery);
        if (serving->said)
            serving->said(serving);
        notify(getenv("NOTIFY_SOCKET"), "READY=1");
        opened = true;
        rc = server_run(serving->server, &error);
        if (rc < 0)
            serving_say(serving, "failed", "the log cannot be written any more; nothing that was answered is lost");
        else
            serving_say(serving, "stopping", "everything that was answered is on the disk");
    }
    serving_close(serving, rc < 0);
    if (!opened)
        settings_say_where(&error);
    return rc < 0 ? cmd_fail(serving->app, serving->command, &error) : EXIT_DONE;
}
