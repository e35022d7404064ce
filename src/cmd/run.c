/*
 * run: the application as a process: what serving.c does, and its read models, channels and effects.
 */
#include <stdio.h>
#include <string.h>

#include "cmd/cmd.h"
#include "cmd/run_outside.h"
#include "cmd/secret.h"
#include "cmd/serving.h"
#include "outside/databases.h"
#include "outside/redis.h"

#define HANDLER_THREADS_MAX 1024
#define PASSWORD_BYTES_MAX (512 + 2)
#define QUERY_THREADS 4
#define COUNT(rows) (sizeof(rows) / sizeof(rows)[0])

struct run_values {
    struct serving_values serving;
    uint64_t port;
    const char *db;
    const char *redis, *redis_password_file;
    struct run_outside_values outside;
    int64_t durations_ms[APP_OPTIONS_MAX];
};

static const struct option_row own_options[] = {
    { "port", OPTION_PORT, offsetof(struct run_values, port), "N", NULL,
      "Port of the HTTP interface on 127.0.0.1; 0 takes a free one" },
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
    struct serving serving;
    struct run_values values;
    struct run_outside outside;
    struct database *database;
    struct redis *redis;
};

static struct run *run_of(struct serving *serving)
{
    return container_of(serving, struct run, serving);
}

static void say_what_lacks(struct serving *serving)
{
    const struct edda_app *app = serving->app;
    if (app->channels && app->channels->name && !run_of(serving)->redis)
        serving_say(serving, "redis.none", "the channels are not connected: nothing comes in, and what is to go out waits in the log; --redis HOST:PORT says where the server is");
    if (run_outside_lacks_mail(app, &run_of(serving)->values.outside))
        serving_say(serving, "mail.none", "neither --smtp nor --mail-dir is given: should this application send an e-mail, its entity waits in quarantine");
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

static int open_channels(struct serving *serving, struct edda_error *error)
{
    struct run *run = run_of(serving);
    char password[PASSWORD_BYTES_MAX];
    const char *path = run->values.redis_password_file;
    if (!run->values.redis)
        return 0;
    int rc = path ? secret_read("redis-password-file", path, password, sizeof password, error) : 0;
    if (rc < 0)
        return rc;
    const struct redis_options options = {
        .base = server_base(serving->server), .engine = serving->engine, .address = run->values.redis, .password = path ? password : NULL,
        .log = serving_says, .log_user = serving
    };
    return redis_open(&options, &run->redis, error);
}

static void turn(void *user)
{
    struct run *run = user;
    if (run->redis)
        redis_turn(run->redis);
}

static int open_outside(struct serving *serving, struct edda_error *error)
{
    struct run *run = run_of(serving);
    return run_outside_open(&run->outside, serving->app, &run->values.outside, serving->io, error);
}

static int open_database(struct serving *serving, struct engine_options *options, struct edda_error *error)
{
    struct run *run = run_of(serving);
    int rc = serving->app->projections ? databases_open(run->values.db, serving->values.data, &run->database, error) : 0;
    options->database = run->database;
    options->outside = run->outside.outside ? outside_call : NULL;
    options->outside_user = run->outside.outside;
    return rc;
}

static void close_channels(struct serving *serving)
{
    redis_close(run_of(serving)->redis);
}

static void close_database(struct serving *serving)
{
    database_close(run_of(serving)->database);
}

/* --- the command --------------------------------------------------------------------------------------------------------- */

/* Puts a table behind the rows that are there. */
static size_t rows_add(struct option_row *rows, size_t end, const struct option_row *table)
{
    while (table->name)
        rows[end++] = *table++;
    rows[end] = *table;
    return end;
}

/* An application is asked over HTTP; that it is a broker for others as well has to be asked for. */
static void rows_adapt(struct option_row *rows, const char *data, const char *port)
{
    for (struct option_row *row = rows; row->name; row++) {
        for (size_t i = 0; i < PROTOCOL_COUNT; i++)
            if (strcmp(row->name, protocol_rows[i].name) == 0)
                row->fallback = i == PROTOCOL_http ? NULL : "off";
        if (strcmp(row->name, "data") == 0)
            row->fallback = data;
        if (strcmp(row->name, "port") == 0)
            row->fallback = port;
    }
}

int cmd_run(const struct edda_app *app, int argc, char **argv)
{
    struct run run = { .database = NULL };
    struct option_row rows[SERVING_OPTIONS_MAX + COUNT(own_options) + COUNT(channel_options) + COUNT(projection_options) + RUN_OUTSIDE_OPTIONS_MAX];
    char port[8], data[256], http[32];
    int status;
    cmd_default_data(app, data, sizeof data);
    (void)snprintf(port, sizeof port, "%u", (unsigned)cmd_default_port(app));
    size_t end = rows_add(rows, rows_add(rows, 0, serving_options), own_options);
    if (app->projections)
        end = rows_add(rows, end, projection_options);
    if (app->channels && app->channels->name)
        end = rows_add(rows, end, channel_options);
    end += run_outside_options(app, offsetof(struct run_values, outside), rows + end);
    rows[end] = (struct option_row){ .name = NULL };
    rows_adapt(rows, data, port);
    const struct command_row row = {
        .name = "run",
        .summary = "Runs the application until it gets SIGINT or SIGTERM",
        .notes = "Then it ends in order: what was asked is answered, what is recorded is on the disk. "
                 "A second signal ends it at once.",
        .options = rows,
        .values_size = sizeof run.values,
        .configured = true
    };
    if (!cmd_parse_with_app(app, &row, offsetof(struct run_values, durations_ms), argc, argv, &run.values, &status))
        return status;
    run.serving = (struct serving){
        .app = app, .command = "run", .values = run.values.serving, .threads = handler_threads(app), .open_journal = open_outside,
        .open_engine = open_database, .listened = open_channels, .turn = turn, .user = &run, .close_engine = close_channels,
        .close_journal = close_database, .said = say_what_lacks
    };
    if (!run.serving.values.listen[PROTOCOL_http]) {
        (void)snprintf(http, sizeof http, "127.0.0.1:%u", (unsigned)run.values.port);
        run.serving.values.listen[PROTOCOL_http] = http;
        run.serving.port_flag = "--port N chooses another, --port 0 takes a free one";
    }
    status = serving_run(&run.serving);
    outside_free(run.outside.outside);
    return status;
}
