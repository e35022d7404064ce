/* Projections: their tables as they are looked up, their beginning and end, and what can be known of them. See projection.h. */
#include "engine/projection.h"

#include <stdio.h>
#include <stdlib.h>

struct projection *projection_named(const struct engine *engine, struct slice name)
{
    for (uint32_t i = 0; i < engine->projection_count; i++)
        if (slice_eq_str(name, engine->projections[i].def->name))
            return &engine->projections[i];
    return NULL;
}

struct projection *projection_of_table(const struct engine *engine, const struct edda_table *table)
{
    for (uint32_t i = 0; i < engine->projection_count; i++)
        for (const struct edda_table *const *own = engine->projections[i].def->tables; *own; own++)
            if (*own == table)
                return &engine->projections[i];
    return NULL;
}

/* --- the application's tables --------------------------------------------------------------------------- */

/* What the database must know of a table: when it changes the table is built anew. */
static void fingerprint_put(const struct edda_table *table, struct buffer *out)
{
    buffer_printf(out, "%s/%u(", table->name, table->key_fields);
    for (uint32_t i = 0; i < table->row->field_count; i++)
        buffer_printf(out, "%s:%u,", table->row->fields[i].name, table->row->fields[i].kind);
    for (const char *const *index = table->indexes; index && *index; index++)
        buffer_printf(out, "+%s", *index);
    buffer_append_str(out, ")");
}

/* Whether one of the tables listed before `slot` has its name. */
static bool is_second(const struct engine *engine, const struct edda_table *const *slot)
{
    for (uint32_t i = 0; i < engine->projection_count; i++)
        for (const struct edda_table *const *table = engine->projections[i].def->tables; table && *table; table++) {
            if (table == slot)
                return false;
            if (strcmp((*table)->name, (*slot)->name) == 0)
                return true;
        }
    return false;
}

static int tables_init(struct projection *projection, struct edda_error *error)
{
    const struct edda_projection *def = projection->def;
    struct buffer print = BUFFER_EMPTY;
    int rc = 0;
    for (const struct edda_table *const *table = def->tables; rc == 0 && table && *table; table++) {
        rc = database_table_check(*table, error);
        if (rc == 0 && ++projection->table_count > PROJECTION_TABLES_MAX)
            rc = edda_fail_with(error, EDDA_EINVAL, "projection %s has more than %d tables", def->name, PROJECTION_TABLES_MAX);
        if (rc == 0 && is_second(projection->engine, table))
            rc = edda_fail_with(error, EDDA_EINVAL, "there are two tables %s", (*table)->name);
        if (rc < 0)
            break;
        buffer_printf(&projection->table_names, "%s ", (*table)->name);
        fingerprint_put(*table, &print);
    }
    if (rc == 0 && projection->table_count == 0)
        rc = edda_fail_with(error, EDDA_EINVAL, "projection %s has no tables", def->name);
    if (rc == 0 && (!buffer_ok(&projection->table_names) || !buffer_ok(&print)))
        rc = edda_fail_with(error, EDDA_ENOMEM, "out of memory for projection %s", def->name);
    (void)snprintf(projection->fingerprint, sizeof projection->fingerprint, "%016llx",
                   (unsigned long long)hash64(buffer_slice(&print), 31));
    buffer_deinit(&print);
    return rc;
}

static int rows_add(struct projection *projection, struct edda_error *error)
{
    const struct edda_projection *def = projection->def;
    uint32_t count = 0;
    while (def->on && def->on[count].type)
        count++;
    projection->rows = calloc(count + 1, sizeof *projection->rows);
    if (!projection->rows)
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory for projection %s", def->name);
    for (uint32_t i = 0; i < count; i++) {
        const struct edda_projecting *row = &def->on[i];
        struct message_type *type;
        if (row->type->kind != EDDA_TYPE_EVENT)
            return edda_fail_with(error, EDDA_EINVAL, "projection %s is to apply %s, which is no event", def->name, row->type->name);
        int rc = registry_type_ensure(projection->engine, row->type, &type, error);
        if (rc < 0)
            return rc;
        if (!row->project)
            return edda_fail_with(error, EDDA_EINVAL, "projection %s has no function for %s", def->name, row->type->name);
        if (row->key && !registry_has_key(row->type, row->key))
            return edda_fail_with(error, EDDA_EINVAL, "projection %s goes by field %s, which %s has not", def->name, row->key, row->type->name);
        for (const struct projecting *other = type->projectings; other; other = other->next)
            if (other->projection == projection)
                return edda_fail_with(error, EDDA_EINVAL, "projection %s applies %s twice", def->name, row->type->name);
        projection->rows[i] = (struct projecting){ .row = row, .projection = projection, .next = type->projectings };
        type->projectings = &projection->rows[i];
        type->category->projected = true;
    }
    return count ? 0 : edda_fail_with(error, EDDA_EINVAL, "projection %s applies no events", def->name);
}

static void members_init(struct projection *projection, struct engine *engine, const struct edda_projection *def)
{
    projection->engine = engine;
    projection->def = def;
    projection->build.build = true;
    projection->may_build = true;
    projection->batch_max = BATCH_EVENTS_MAX;
    buffer_init(&projection->table_names, 0);
    arena_init(&projection->checkpoint_arena, 1024, 0);
    arena_init(&projection->work.arena, UINT32_C(64) << 10, 0);
    rows_init(&projection->transaction);
    list_init(&projection->waiting);
    table_init(&projection->live.held);
    table_init(&projection->build.held);
    (void)snprintf(projection->log, sizeof projection->log, "%016llx", (unsigned long long)journal_id(engine->journal));
}

static int projection_init(struct projection *projection, struct edda_error *error)
{
    struct engine *engine = projection->engine;
    const struct edda_projection *def = projection->def;
    if (!registry_name_is_good(def->name))
        return edda_fail_with(error, EDDA_EINVAL, "a projection needs a name of 1 to 63 letters, digits, '-' and '_', not %s",
                              def->name ? def->name : "(none)");
    if (projection_named(engine, slice_str(def->name)) != projection || registry_service(engine, slice_str(def->name)))
        return edda_fail_with(error, EDDA_EINVAL, "two services or projections are named %s", def->name);
    if (def->version == 0)
        return edda_fail_with(error, EDDA_EINVAL, "projection %s has no version; the first is 1", def->name);
    int rc = tables_init(projection, error);
    return rc == 0 ? rows_add(projection, error) : rc;
}

int projections_init(struct engine *engine, struct edda_error *error)
{
    const struct edda_projection *const *defs = engine->app->projections;
    uint32_t count = 0;
    while (defs && defs[count])
        count++;
    if (count == 0)
        return 0;
    if (count > PROJECTIONS_MAX)
        return edda_fail_with(error, EDDA_EINVAL, "application %s has %u projections; at most %d are possible", engine->app->name, count,
                              PROJECTIONS_MAX);
    if (!engine->options.database)
        return edda_fail_with(error, EDDA_EINVAL, "application %s has projections, and no database to keep them in", engine->app->name);
    engine->projections = calloc(count, sizeof *engine->projections);
    if (!engine->projections)
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory for projections");
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < count; i++) {
        members_init(&engine->projections[i], engine, defs[i]);
        engine->projection_count = i + 1;
        rc = projection_init(&engine->projections[i], error);
    }
    return rc;
}

/* --- beginning and end ---------------------------------------------------------------------------------- */

/* The first look is taken here and now, so that what is wrong is said at the start. */
static int load_now(struct projection *projection, struct edda_error *error)
{
    struct work *work = &projection->work;
    *work = (struct work){ .kind = WORK_LOAD, .arena = work->arena };
    projection->running = true;
    projection->engine->projecting++;
    projection_work_run(&work->job);
    projection_work_done(projection);
    if (work->code < 0 && work->code != EDDA_EUNAVAILABLE)
        return edda_fail_with(error, work->code, "projection %s, %s: %s", projection->def->name,
                              projection->engine->options.database->description, work->error.message);
    if (projection->state == PROJECTION_DIVERGED && projection->error.code == EDDA_EINVAL)
        return edda_fail_with(error, EDDA_EINVAL, "projection %s: %s", projection->def->name, projection->error.message);
    return 0;
}

int projections_load(struct engine *engine, struct edda_error *error)
{
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < engine->projection_count; i++)
        rc = load_now(&engine->projections[i], error);
    return rc;
}

static void projection_deinit(struct projection *projection)
{
    struct journal *journal = projection->engine->journal;
    struct track *tracks[] = { &projection->live, &projection->build };
    for (size_t i = 0; i < 2; i++) {
        journal_cursor_close(journal, tracks[i]->cursor);
        held_free_all(tracks[i]);
        table_deinit(&tracks[i]->held);
    }
    session_end(projection->session);
    rows_deinit(&projection->transaction);
    buffer_deinit(&projection->table_names);
    arena_deinit(&projection->checkpoint_arena);
    arena_deinit(&projection->work.arena);
    free(projection->rows);
}

void projections_close(struct engine *engine)
{
    queries_close(engine);
    for (uint32_t i = 0; i < engine->projection_count; i++)
        projection_deinit(&engine->projections[i]);
    free(engine->projections);
    engine->projections = NULL;
    engine->projection_count = 0;
}

/* --- turns ---------------------------------------------------------------------------------------------- */

int64_t projections_turn(struct engine *engine, struct edda_error *error)
{
    int64_t done = 0;
    for (uint32_t i = 0; i < engine->projection_count; i++) {
        int rc = projection_step(&engine->projections[i], error);
        if (rc < 0)
            return rc;
        done += rc;
    }
    return done + queries_turn(engine);
}

int64_t projections_next_ms(const struct engine *engine)
{
    int64_t next = queries_next_ms(engine), now = engine->projection_count ? journal_time_ms(engine->journal) : 0;
    for (uint32_t i = 0; i < engine->projection_count; i++) {
        int64_t retry = engine->projections[i].retry_ms;
        if (retry > now && retry < next)
            next = retry;
    }
    return next;
}

bool projections_can_go_on(const struct engine *engine)
{
    for (uint32_t i = 0; i < engine->projection_count; i++)
        if (projection_can_go_on(&engine->projections[i]))
            return true;
    return false;
}

/* --- what can be known ---------------------------------------------------------------------------------- */

bool engine_projected(const struct engine *engine)
{
    for (uint32_t i = 0; i < engine->projection_count; i++) {
        const struct projection *p = &engine->projections[i];
        bool idle = p->state == PROJECTION_DIVERGED || p->state == PROJECTION_SUPERSEDED;
        if (p->running || (!idle && (p->build.active || !p->live.active || p->live.applied < journal_durable(engine->journal))))
            return false;
    }
    return true;
}

static const char *state_name(const struct projection *projection)
{
    if (projection->unreachable)
        return "unreachable";
    switch (projection->state) {
    case PROJECTION_STARTING:
        return "starting";
    case PROJECTION_SUPERSEDED:
        return "superseded";
    case PROJECTION_DIVERGED:
        return "diverged";
    case PROJECTION_GOING:
        break;
    }
    if (projection->error.code)
        return "retrying";
    return projection->live.active && !projection->build.active ? "running" : "rebuilding";
}

bool engine_projection(const struct engine *engine, size_t ordinal, struct engine_projection_info *ret_info)
{
    if (ordinal >= engine->projection_count)
        return false;
    const struct projection *p = &engine->projections[ordinal];
    const struct track *track = p->live.active || !p->build.active ? &p->live : &p->build;
    uint64_t tail = journal_tail(engine->journal), position = p->live.active ? p->live.applied : 0;
    *ret_info = (struct engine_projection_info){
        .projection = p->def, .state = state_name(p), .error = slice_str(p->error.message), .position = position,
        .lag = tail > position ? tail - position : 0, .build_position = p->build.active ? p->build.applied : 0,
        .applied = p->applied, .transactions = p->transactions, .conflicts = p->conflicts, .failures = p->failures,
        .quarantined = p->quarantined, .rebuilt = p->rebuilt, .held = track->held_count,
    };
    return true;
}

int engine_rebuild(struct engine *engine, struct slice name, struct edda_error *error)
{
    struct projection *projection = projection_named(engine, name);
    if (!projection)
        return edda_fail_with(error, EDDA_ENOTFOUND, "there is no projection %.*s", (int)name.len, (const char *)name.data);
    projection->rebuild_wanted = projection->may_build = true;
    return 0;
}
