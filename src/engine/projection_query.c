/*
 * Queries of read models. One waits until its projection has applied everything that was sequenced when it was asked, then a job reads the rows on a connection
 * of its own; so its asker reads what it has written.
 */
#include "engine/projection.h"

#include <stdlib.h>

#define QUERY_WAIT_MS 5000
#define READERS_MAX 4 /* connections of queries; further queries wait for one */

struct reader {
    struct list link;
    struct session *session; /* NULL: to be opened */
    bool busy;
};

static struct reader *reader_take(struct engine *engine)
{
    uint32_t count = 0;
    for (struct list *link = engine->readers.next; link != &engine->readers; link = link->next, count++) {
        struct reader *reader = container_of(link, struct reader, link);
        if (!reader->busy)
            return reader;
    }
    struct reader *reader = count < READERS_MAX ? calloc(1, sizeof *reader) : NULL;
    if (reader)
        list_push_back(&engine->readers, &reader->link);
    return reader;
}

/* --- the job -------------------------------------------------------------------------------------------- */

static int read_once(struct engine_query *query)
{
    struct reader *reader = query->reader;
    const struct edda_table *table = query->query.table;
    int rc = reader->session ? 0 : database_session(query->engine->options.database, &reader->session, &query->error);
    if (rc == 0)
        rc = session_rows(reader->session, table, table->name, &query->query, query->arena, &query->rows, &query->count, &query->error);
    if (rc < 0) {
        session_end(reader->session);
        reader->session = NULL;
    }
    return rc;
}

/* A connection that has lain idle may be lost, and one that has seen the table before it was built anew may be confused: again, on a fresh one. */
static void query_run(struct io_job *job)
{
    struct engine_query *query = container_of(job, struct engine_query, job);
    bool fresh = query->reader->session == NULL;
    int rc = read_once(query);
    if (rc < 0 && !fresh) {
        query->error = (struct edda_error){ 0 };
        rc = read_once(query);
    }
    query->code = rc;
}

static void query_done(struct io_job *job)
{
    struct engine_query *query = container_of(job, struct engine_query, job);
    query->engine->reading--;
    query->reader->busy = false;
    /* The tables may be gone, of which an idle projection would not hear. */
    struct projection *projection = projection_of_table(query->engine, query->query.table);
    if (query->code < 0 && projection->state == PROJECTION_GOING)
        projection->state = PROJECTION_STARTING;
    query->done(query);
}

/* --- waiting -------------------------------------------------------------------------------------------- */

/* Whether rows may be read: the tables are there, and of this program. */
static bool is_readable(const struct projection *projection)
{
    const struct projection_checkpoint *c = &projection->checkpoint;
    return c->generation != 0 && slice_eq_str(slice_of(c->fingerprint.data, c->fingerprint.len), projection->fingerprint);
}

static bool is_due(const struct projection *projection, const struct engine_query *query)
{
    if (!is_readable(projection))
        return false;
    return query->query.stale || (projection->live.active && projection->live.applied >= query->position);
}

static void refuse(struct projection *projection, struct engine_query *query, int code, const char *why)
{
    query->code = edda_fail_with(&query->error, code, "read model %s: %s", projection->def->name, why);
    query->done(query);
}

static const char *why_late(const struct projection *projection)
{
    if (projection->error.code)
        return projection->error.message;
    return is_readable(projection) ? "it has not caught up yet" : "it is being built";
}

static int query_begin(struct projection *projection, struct engine_query *query)
{
    struct engine *engine = projection->engine;
    query->reader = reader_take(engine);
    if (!query->reader)
        return 0;
    list_remove(&query->link);
    query->reader->busy = true;
    query->job = (struct io_job){ .run = query_run, .done = query_done };
    list_init(&query->job.link);
    engine->reading++;
    io_job_submit(engine->io, IO_POOL_HANDLERS, &query->job);
    return 1;
}

int queries_turn(struct engine *engine)
{
    int done = 0;
    for (uint32_t i = 0; i < engine->projection_count; i++) {
        struct projection *projection = &engine->projections[i];
        int64_t now_ms = list_empty(&projection->waiting) ? 0 : journal_time_ms(engine->journal);
        struct list *link = projection->waiting.next;
        while (link != &projection->waiting) {
            struct engine_query *query = container_of(link, struct engine_query, link);
            link = link->next;
            if (is_due(projection, query)) {
                done += query_begin(projection, query);
            } else if (now_ms >= query->until_ms) {
                list_remove(&query->link);
                refuse(projection, query, EDDA_EUNAVAILABLE, why_late(projection));
                done++;
            }
        }
    }
    return done;
}

int64_t queries_next_ms(const struct engine *engine)
{
    int64_t next = INT64_MAX;
    for (uint32_t i = 0; i < engine->projection_count; i++) {
        const struct list *waiting = &engine->projections[i].waiting;
        /* In the order of their asking, so the first is the first to be given up. */
        if (!list_empty(waiting) && container_of(waiting->next, struct engine_query, link)->until_ms < next)
            next = container_of(waiting->next, struct engine_query, link)->until_ms;
    }
    return next;
}

int engine_select(struct engine *engine, struct engine_query *query, struct edda_error *error)
{
    const struct edda_table *table = query->query.table;
    struct projection *projection = projection_of_table(engine, table);
    if (!projection)
        return edda_fail_with(error, EDDA_EINVAL, "no projection of the application has the table %s", table && table->name ? table->name : "(none)");
    int rc = database_query_check(&query->query, error);
    if (rc < 0)
        return rc;
    if (engine->stopping)
        return edda_fail_with(error, EDDA_ECLOSED, "the application is stopping");
    const void *equal = query->query.equal ? value_copy(table->row, query->query.equal, query->arena) : NULL;
    char *order = query->query.order_by ? arena_cstr(query->arena, slice_str(query->query.order_by)) : NULL;
    if ((query->query.equal && !equal) || (query->query.order_by && !order))
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory for a query");
    query->query.equal = equal;
    query->query.order_by = order;
    query->engine = engine;
    query->position = journal_tail(engine->journal);
    query->until_ms = journal_time_ms(engine->journal) + QUERY_WAIT_MS;
    query->code = 0;
    query->error = (struct edda_error){ 0 };
    list_init(&query->link);
    list_push_back(&projection->waiting, &query->link);
    return 0;
}

void queries_close(struct engine *engine)
{
    for (uint32_t i = 0; i < engine->projection_count; i++) {
        struct list *link;
        while ((link = list_pop_front(&engine->projections[i].waiting)))
            refuse(&engine->projections[i], container_of(link, struct engine_query, link), EDDA_ECLOSED, "the application is stopping");
    }
    while (!list_empty(&engine->readers)) {
        struct reader *reader = container_of(list_pop_front(&engine->readers), struct reader, link);
        session_end(reader->session);
        free(reader);
    }
}
