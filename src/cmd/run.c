/*
 * run: the application as a process: opens its data, serves, and ends in order when it is told to. What happens is said on standard output, a line
 * for each event, as text or as JSON.
 */
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "cmd/cmd.h"
#include "cmd/run_outside.h"
#include "engine/engine.h"
#include "io/posix.h"
#include "journal/local.h"
#include "outside/databases.h"
#include "outside/redis.h"
#include "server/protocols.h"
#include "server/server.h"
#include "wire/json/json.h"

#define HANDLER_THREADS_MAX 1024
#define PASSWORD_BYTES_MAX 512
#define QUERY_THREADS 4
#define COUNT(rows) (sizeof(rows) / sizeof(rows)[0])
#define NS_PER_MS 1000000

struct run_values {
    const char *data;
    uint64_t port;
    const char *db;
    bool json;
    const char *redis, *redis_password_file;
    struct run_outside_values outside;
    int64_t durations_ms[APP_OPTIONS_MAX];
};

static const struct option_row own_options[] = {
    { "data", OPTION_TEXT, offsetof(struct run_values, data), "DIR", NULL, "Directory of the log and the index" },
    { "port", OPTION_PORT, offsetof(struct run_values, port), "N", NULL,
      "Port of the HTTP interface on 127.0.0.1; 0 takes a free one" },
    { "json", OPTION_FLAG, offsetof(struct run_values, json), NULL, NULL,
      "Says what happens as JSON, one object a line" },
    { .name = NULL },
};
/* Only for applications that have read models. */
static const struct option_row projection_options[] = {
    { "db", OPTION_TEXT, offsetof(struct run_values, db), "URL", NULL,
      "Database of read models: sqlite:PATH, postgres://… or memory. When left out: read-models.db in the directory" },
    { .name = NULL },
};
/* Only for applications that have channels. */
static const struct option_row channel_options[] = {
    { "redis", OPTION_TEXT, offsetof(struct run_values, redis), "HOST:PORT", NULL,
      "The Redis server of the channels; without it they are not connected" },
    { "redis-password-file", OPTION_TEXT, offsetof(struct run_values, redis_password_file), "FILE", NULL,
      "Its first line is the password for that server" },
    { .name = NULL },
};

struct run {
    const struct edda_app *app;
    struct run_values values;
    char data[512];
    struct io *io;
    struct run_outside outside;
    struct journal *journal;
    struct database *database;
    struct engine *engine;
    struct server *server;
    struct redis *redis;
    uint64_t shown_percent;
};

/* --- saying what happens ---------------------------------------------------------------------------------------------- */

static void say(struct run *run, const char *event, const char *format, ...) __attribute__((format(printf, 3, 4)));

static void say(struct run *run, const char *event, const char *format, ...)
{
    char text[1024];
    struct buffer line = BUFFER_EMPTY;
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (run->values.json) {
        buffer_append_str(&line, "{\"time\":");
        json_put_time(&line, io_clock_wall_ns(run->io) / NS_PER_MS);
        buffer_append_str(&line, ",\"application\":");
        json_put_string(&line, slice_str(run->app->name));
        buffer_append_str(&line, ",\"event\":");
        json_put_string(&line, slice_str(event));
        buffer_append_str(&line, ",\"text\":");
        json_put_string(&line, slice_str(text));
        buffer_append_str(&line, "}\n");
    } else {
        buffer_printf(&line, "%s: %s\n", event, text);
    }
    fputs(buffer_cstr(&line), stdout);
    (void)fflush(stdout);
    buffer_deinit(&line);
}

static void engine_says(void *user, const char *event, const char *text)
{
    say(user, event, "%s", text);
}

/* The index is built from the log when it is missing: said at every tenth of the way. */
static void index_progress(void *user, uint64_t done_bytes, uint64_t all_bytes)
{
    struct run *run = user;
    uint64_t percent = all_bytes ? done_bytes * 100 / all_bytes : 100;
    if (percent / 10 == run->shown_percent / 10)
        return;
    run->shown_percent = percent;
    say(run, "index", "%llu %% of %llu MiB of log are indexed", (unsigned long long)percent,
        (unsigned long long)(all_bytes >> 20));
}

static void say_listening(struct run *run, const struct log_recovery *recovery)
{
    const struct edda_app *app = run->app;
    char services[512] = "";
    size_t used = 0;
    for (size_t i = 0; app->services[i] && used < sizeof services; i++)
        if (i == 0 || strcmp(app->services[i]->name, app->services[i - 1]->name) != 0) /* not each version of it */
            used +=
                (size_t)snprintf(services + used, sizeof services - used, "%s%s", i ? ", " : "", app->services[i]->name);
    say(run, "listening", "%s %s on http://127.0.0.1:%u; services %s", app->name,
        app->version ? app->version : edda_version(), (unsigned)server_port(run->server, 0), services);
    if (recovery->segments <= 1 && recovery->frames_scanned == 0)
        say(run, "data", "%s, which is new", run->data);
    else if (recovery->clean)
        say(run, "data", "%s, which was closed in order; segments: %llu", run->data,
            (unsigned long long)recovery->segments);
    else
        say(run, "data", "%s, recovered; segments: %llu, frames read in the last: %llu, bytes of a torn tail cut: %llu",
            run->data, (unsigned long long)recovery->segments, (unsigned long long)recovery->frames_scanned,
            (unsigned long long)recovery->torn_bytes);
    if (app->channels && app->channels->name && !run->redis)
        say(run, "redis.none", "the channels are not connected: nothing comes in, and what is to go out waits in the log; --redis HOST:PORT says where the server is");
    if (run_outside_lacks_mail(app, &run->values.outside))
        say(run, "mail.none", "neither --smtp nor --mail-dir is given: should this application send an e-mail, its entity waits in quarantine");
}

/* --- opening and closing ------------------------------------------------------------------------------------------------- */

/* As many threads as all blocking handlers may use together, and read models. */
static unsigned handler_threads(const struct edda_app *app)
{
    uint64_t threads = 0;
    for (size_t i = 0; app->services[i]; i++)
        for (const struct edda_row *row = app->services[i]->on; row && row->type; row++)
            threads += row->blocking;
    /* A projection takes one for its transaction; the queries of all share some. */
    for (size_t i = 0; app->projections && app->projections[i]; i++)
        threads += i == 0 ? 1 + QUERY_THREADS : 1;
    threads += run_outside_threads(app);
    return threads == 0 ? 1 : threads > HANDLER_THREADS_MAX ? HANDLER_THREADS_MAX : (unsigned)threads;
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

/* The first line of a file. */
static int read_password(struct run *run, const char *path, char *ret_password, struct edda_error *error)
{
    struct io_file *file;
    size_t len = 0;
    int rc = io_file_open(run->io, path, IO_READ, &file, error);
    if (rc < 0)
        return rc;
    rc = io_file_read(run->io, file, ret_password, PASSWORD_BYTES_MAX - 1, 0, &len);
    io_file_close(run->io, file);
    ret_password[rc < 0 ? 0 : len] = '\0';
    ret_password[strcspn(ret_password, "\r\n")] = '\0';
    if (rc < 0 || ret_password[0] == '\0')
        return edda_fail_field(error, rc < 0 ? rc : EDDA_EINVAL, "redis-password-file", "%s has no password in its first line", path);
    return 0;
}

static int open_channels(struct run *run, struct edda_error *error)
{
    char password[PASSWORD_BYTES_MAX];
    const char *path = run->values.redis_password_file;
    int rc = path ? read_password(run, path, password, error) : 0;
    if (rc < 0)
        return rc;
    const struct redis_options options = {
        .base = server_base(run->server), .engine = run->engine, .address = run->values.redis, .password = path ? password : NULL,
        .log = engine_says, .log_user = run
    };
    return redis_open(&options, &run->redis, error);
}

static void after_turn(void *user)
{
    struct run *run = user;
    if (run->redis)
        redis_turn(run->redis);
}

static int run_open(struct run *run, struct log_recovery *ret_recovery, struct edda_error *error)
{
    const struct store_options store_options = { .progress = index_progress, .progress_user = run };
    run->io = io_posix_new(handler_threads(run->app));
    if (!run->io)
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory, threads or descriptors");
    int rc = run_outside_open(&run->outside, run->app, &run->values.outside, run->io, error);
    if (rc < 0)
        return rc;
    rc = journal_local_open(run->io, run->data, &store_options, &run->journal, ret_recovery, error);
    if (rc < 0)
        return rc == EDDA_ECORRUPT || rc == EDDA_EFORMAT ? rc : cmd_advise(error, "--data DIR chooses another directory");
    if (run->app->projections)
        rc = databases_open(run->values.db, run->data, &run->database, error);
    if (rc < 0)
        return rc;
    const struct engine_options engine_options = {
        .app = run->app, .io = run->io, .journal = run->journal, .log = engine_says, .log_user = run,
        .database = run->database,
        .outside = run->outside.outside ? outside_call : NULL, .outside_user = run->outside.outside
    };
    rc = engine_open(&engine_options, &run->engine, error);
    if (rc < 0)
        return rc;
    const struct server_options server_options = {
        .engine = run->engine, .io = run->io, .store = journal_local_store(run->journal),
        .listeners = { { .protocol = protocol_row(0)->protocol, .port = (uint16_t)run->values.port } }, .stop_on_signals = true,
        .after_turn = after_turn, .after_turn_user = run
    };
    rc = server_open(&server_options, &run->server, error);
    if (rc < 0)
        return strcmp(error->field, "port") == 0 ? cmd_advise(error, "--port N chooses another, --port 0 takes a free one") : rc;
    return run->values.redis ? open_channels(run, error) : 0;
}

/* `abandon`: the journal has failed, nothing more is written. */
static void run_close(struct run *run, bool abandon)
{
    redis_close(run->redis);
    if (run->engine) {
        io_shutdown(run->io);
        while (engine_running(run->engine) > 0) {
            (void)io_jobs_wait(run->io, -1);
            (void)io_jobs_finish(run->io);
        }
        engine_close(run->engine, abandon);
    }
    server_close(run->server);
    database_close(run->database);
    journal_close(run->journal, abandon);
    io_posix_free(run->io);
    outside_free(run->outside.outside);
}

static int run_serve(struct run *run)
{
    struct log_recovery recovery = { 0 };
    struct edda_error error = { 0 };
    int rc = run_open(run, &recovery, &error);
    if (rc == 0) {
        say_listening(run, &recovery);
        rc = server_run(run->server, &error);
        if (rc < 0)
            say(run, "failed", "the log cannot be written any more; nothing that was answered is lost");
        else
            say(run, "stopping", "everything that was answered is on the disk");
    }
    run_close(run, rc < 0);
    return rc < 0 ? cmd_fail(run->app, "run", &error) : EXIT_DONE;
}

/* --- the command --------------------------------------------------------------------------------------------------------- */

int cmd_run(const struct edda_app *app, int argc, char **argv)
{
    struct run run = { .app = app };
    struct option_row rows[COUNT(own_options) + COUNT(channel_options) + COUNT(projection_options) + RUN_OUTSIDE_OPTIONS_MAX];
    size_t end = COUNT(own_options) - 1; /* each table takes the place of the row that ends the one before */
    char port[8], data[256];
    int status;
    cmd_default_data(app, data, sizeof data);
    (void)snprintf(port, sizeof port, "%u", (unsigned)cmd_default_port(app));
    memcpy(rows, own_options, sizeof own_options);
    if (app->projections) {
        memcpy(rows + end, projection_options, sizeof projection_options);
        end += COUNT(projection_options) - 1;
    }
    if (app->channels && app->channels->name) {
        memcpy(rows + end, channel_options, sizeof channel_options);
        end += COUNT(channel_options) - 1;
    }
    end += run_outside_options(app, offsetof(struct run_values, outside), rows + end);
    rows[end] = (struct option_row){ .name = NULL };
    rows[0].fallback = data;
    rows[1].fallback = port;
    const struct command_row row = {
        .name = "run",
        .summary = "Runs the application until it gets SIGINT or SIGTERM",
        .notes = "Then it ends in order: what was asked is answered, what is recorded is on the disk. "
                 "A second signal ends it at once.",
        .options = rows,
        .values_size = sizeof run.values
    };
    if (!cmd_parse_with_app(app, &row, offsetof(struct run_values, durations_ms), argc, argv, &run.values, &status))
        return status;
    (void)snprintf(run.data, sizeof run.data, "%s", run.values.data);
    raise_descriptor_limit();
    /* The client libraries of other servers write to sockets that the other end has closed. That is an error of theirs, and not our end. */
    (void)signal(SIGPIPE, SIG_IGN);
    return run_serve(&run);
}
