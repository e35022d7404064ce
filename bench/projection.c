/*
 * bench projection: events a second from the log into a read model, a row for each event.
 *
 * The log is filled first; then the application is opened on it, and what is measured is the way from there to a read model that has caught up: reading, decoding,
 * the projecting function, rows and checkpoint in transactions. Baseline: the same rows put in by SQL written by hand, as many in a transaction, by the same
 * library. With `--db URL` at the end for PostgreSQL, else SQLite:
 *
 *     bench_projection                                        SQLite, in a file of the bench's directory
 *     tests/scenario/postgres.py bench_projection --db        PostgreSQL, on a server of its own
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>
#include <sqlite3.h>

#include "edda/edda.h"
#include "engine/database.h"
#include "io/io.h"
#include "outside/databases.h"
#include "wire/json/json.h"
#include "world.h"

#define EVENTS 200000
#define BATCH 4096

struct Sold { int64_t id; struct edda_text item, buyer; int64_t quantity; double price; };
static const struct edda_field Sold_fields[] = {
    EDDA_FIELD(Sold, id), EDDA_FIELD(Sold, item), EDDA_FIELD(Sold, buyer), EDDA_FIELD(Sold, quantity), EDDA_FIELD(Sold, price) };
static const struct edda_type Sold = EDDA_EVENT(Sold, id, .topic = "sales");

EDDA_SAGA(ignore, Sold);
static int ignore(struct edda_step *step, const struct Sold *e)
{
    (void)e;
    return edda_skip(step, "only read");
}

/* A service must be there; it is paused, so that the read model alone is measured. */
static const struct edda_service shop = { .name = "shop", .on = (const struct edda_row[]){ EDDA_ON(Sold, ignore, id), EDDA_END } };
static const struct edda_service *const services[] = { &shop, NULL };

static const struct edda_field Sale_fields[] = {
    EDDA_FIELD(Sold, id), EDDA_FIELD(Sold, item), EDDA_FIELD(Sold, buyer), EDDA_FIELD(Sold, quantity), EDDA_FIELD(Sold, price) };
static const struct edda_type Sale = { .name = "Sale", .kind = EDDA_TYPE_VALUE, .size = sizeof(struct Sold), .fields = Sale_fields, .field_count = 5 };
static const struct edda_table sales = EDDA_TABLE("sales", Sale, 1);

EDDA_PROJECT(note, Sold);
static int note(struct edda_rows *rows, const struct Sold *e)
{
    return edda_put_struct(rows, &sales, e);
}

static const struct edda_table *const tables[] = { &sales, NULL };
static const struct edda_projecting on[] = { EDDA_APPLY(Sold, note, id), EDDA_APPLY_END };
static const struct edda_projection projection = { .name = "sales", .tables = tables, .on = on, .version = 1 };
static const struct edda_projection *const projections[] = { &projection, NULL };
static const struct edda_app app = { .name = "bench", .services = services, .projections = projections };

static struct Sold sale(int64_t i, char buyer[24])
{
    (void)snprintf(buyer, 24, "buyer-%lld", (long long)(i * 7919 % 10007));
    return (struct Sold){ .id = i, .item = EDDA_TEXT("a lamp of brass"), .buyer = edda_text_of(buyer), .quantity = i % 9, .price = (double)(i % 1000) / 8 };
}

static void make_durable(struct world *w)
{
    while (journal_flushing(w->journal)) {
        (void)journal_flush(w->journal, true, NULL);
        (void)io_jobs_wait(w->io, 1000000);
        (void)io_jobs_finish(w->io);
    }
}

static void fill(struct world *w, int64_t events)
{
    struct journal_topic *topic, *paused = NULL;
    struct edda_error error = { 0 };
    uint64_t position;
    struct buffer json = BUFFER_EMPTY;
    int rc = journal_topic(w->journal, "sales", 1, &topic, &error);
    if (rc == 0)
        rc = journal_topic(w->journal, "_edda.services", 1, &paused, &error);
    const struct journal_message pause = { .topic = paused, .key = SLICE("shop"), .value = SLICE("{\"paused\":true}") };
    if (rc == 0)
        rc = journal_append(w->journal, NULL, &pause, 1, &position, &error);
    for (int64_t i = 0; rc == 0 && i < events; i++) {
        char buyer[24], id[24], key[24];
        const struct Sold event = sale(i, buyer);
        buffer_clear(&json);
        json_encode(&Sold, &event, &json);
        (void)snprintf(id, sizeof id, "e%lld", (long long)i);
        (void)snprintf(key, sizeof key, "%lld", (long long)i);
        const struct journal_message message = {
            .topic = topic, .key = slice_str(key), .value = buffer_slice(&json),
            .event = { .id = slice_str(id), .source = SLICE("bench/shop"), .type = SLICE("Sold") },
        };
        if (i % 1000 == 0)
            make_durable(w);
        rc = journal_append(w->journal, NULL, &message, 1, &position, &error);
    }
    make_durable(w);
    buffer_deinit(&json);
    if (rc < 0)
        world_die("the log cannot be filled", &error);
}

/* Seconds from opening the application until the read model has all of it. */
static double project(struct world *w, struct database *database)
{
    struct edda_error error = { 0 };
    struct engine_options options = { .app = &app, .io = w->io, .journal = w->journal, .database = database };
    if (engine_open(&options, &w->engine, &error) < 0)
        world_die("the engine cannot be opened", &error);
    int64_t start = bench_now_ns();
    while (!engine_projected(w->engine))
        if (!world_turn(w, 1000000) && engine_running(w->engine) > 0)
            (void)io_jobs_wait(w->io, 1000000);
    double seconds = (double)(bench_now_ns() - start) / 1e9;
    struct engine_projection_info info;
    if (!engine_projection(w->engine, 0, &info) || info.held || info.failures)
        world_die("events were not applied", NULL);
    return seconds;
}

/* --- the baselines -------------------------------------------------------------------------------------------- */

static void die_of(const char *words)
{
    struct edda_error error;
    (void)edda_fail_with(&error, EDDA_EIO, "%s", words);
    world_die("the baseline has failed", &error);
}

static double sqlite_by_hand(const char *path, int64_t events)
{
    static const char make[] = "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
                               "CREATE TABLE by_hand (id INTEGER PRIMARY KEY, item TEXT, buyer TEXT, quantity INTEGER, price REAL)";
    sqlite3 *handle;
    sqlite3_stmt *insert;
    if (sqlite3_open(path, &handle) != SQLITE_OK || sqlite3_exec(handle, make, NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(handle, "INSERT INTO by_hand VALUES (?, ?, ?, ?, ?)", -1, &insert, NULL) != SQLITE_OK)
        die_of(sqlite3_errmsg(handle));
    int64_t start = bench_now_ns();
    for (int64_t i = 0; i < events; i++) {
        char buyer[24];
        const struct Sold row = sale(i, buyer);
        if (i % BATCH == 0)
            (void)sqlite3_exec(handle, i ? "COMMIT; BEGIN" : "BEGIN", NULL, NULL, NULL);
        (void)sqlite3_bind_int64(insert, 1, row.id);
        (void)sqlite3_bind_text(insert, 2, row.item.data, (int)row.item.len, SQLITE_STATIC);
        (void)sqlite3_bind_text(insert, 3, row.buyer.data, (int)row.buyer.len, SQLITE_STATIC);
        (void)sqlite3_bind_int64(insert, 4, row.quantity);
        (void)sqlite3_bind_double(insert, 5, row.price);
        if (sqlite3_step(insert) != SQLITE_DONE)
            die_of(sqlite3_errmsg(handle));
        (void)sqlite3_reset(insert);
    }
    (void)sqlite3_exec(handle, "COMMIT", NULL, NULL, NULL);
    double seconds = (double)(bench_now_ns() - start) / 1e9;
    (void)sqlite3_finalize(insert);
    (void)sqlite3_close(handle);
    return seconds;
}

static void ask(PGconn *connection, const char *words)
{
    PGresult *result = PQexec(connection, words);
    if (PQresultStatus(result) != PGRES_COMMAND_OK)
        die_of(PQerrorMessage(connection));
    PQclear(result);
}

static double postgres_by_hand(const char *url, int64_t events)
{
    PGconn *connection = PQconnectdb(url);
    struct buffer words = BUFFER_EMPTY;
    if (PQstatus(connection) != CONNECTION_OK)
        die_of(PQerrorMessage(connection));
    ask(connection, "CREATE TABLE by_hand (id bigint PRIMARY KEY, item text, buyer text, quantity bigint, price double precision)");
    int64_t start = bench_now_ns();
    for (int64_t i = 0; i < events; i++) {
        char buyer[24];
        const struct Sold row = sale(i, buyer);
        buffer_append_str(&words, i % BATCH == 0 ? "INSERT INTO by_hand VALUES " : ",");
        buffer_printf(&words, "(%lld,'%s','%s',%lld,%g)", (long long)row.id, row.item.data, row.buyer.data, (long long)row.quantity, row.price);
        if (i % BATCH == BATCH - 1 || i == events - 1) {
            ask(connection, buffer_cstr(&words));
            buffer_clear(&words);
        }
    }
    double seconds = (double)(bench_now_ns() - start) / 1e9;
    buffer_deinit(&words);
    PQfinish(connection);
    return seconds;
}

int main(int argc, char **argv)
{
    const char *url = NULL;
    if (argc > 2 && strcmp(argv[argc - 2], "--db") == 0) {
        url = argv[argc - 1];
        argc -= 2;
    }
    struct bench b;
    struct world w;
    struct database *database;
    struct edda_error error = { 0 };
    char data[300], path[320];
    bench_begin(&b, "projection", argc, argv);
    int64_t events = (int64_t)(EVENTS * b.scale);
    world_open_journal(&w, &b, "log");
    fill(&w, events);
    (void)snprintf(data, sizeof data, "%s", b.dir);
    (void)snprintf(path, sizeof path, "%s/by-hand.db", b.dir);
    if (databases_open(url, data, &database, &error) < 0)
        world_die("there is no database", &error);
    double seconds = project(&w, database);
    double by_hand = url ? postgres_by_hand(url, events) : sqlite_by_hand(path, events);
    bench_figure(&b, url ? "into PostgreSQL" : "into SQLite", (double)events / seconds, "events/s", url ? ">= 30000" : ">= 100000");
    bench_figure(&b, "by hand-written SQL", (double)events / by_hand, "rows/s", NULL);
    bench_figure(&b, "ratio", by_hand / seconds, "of it", NULL);
    world_close(&w, true);
    database_close(database);
    bench_end(&b);
    return 0;
}
