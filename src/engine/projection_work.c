/*
 * A projection's transaction, as a job: the checkpoint is swapped first, so whoever comes too late finds out before it does anything, and one that is slower
 * waits; then rows change; then all of it is committed, or nothing.
 *
 * What a crash may leave: a commit that nobody knows of. The next look at the checkpoint tells. Tables half built do not exist: they are made in a transaction that
 * notes them in the checkpoint.
 */
#include "engine/projection.h"

#include <stdio.h>

#include "wire/json/json.h"
#include "wire/json/text.h"

#define HELD_PAGE 10000

static const struct edda_field projection_checkpoint_fields[] = {
    EDDA_FIELD(projection_checkpoint, name),
    EDDA_FIELD(projection_checkpoint, log),
    EDDA_FIELD(projection_checkpoint, changes),
    EDDA_FIELD(projection_checkpoint, position),
    EDDA_FIELD(projection_checkpoint, mark),
    EDDA_FIELD(projection_checkpoint, marked),
    EDDA_FIELD(projection_checkpoint, generation),
    EDDA_FIELD(projection_checkpoint, version),
    EDDA_FIELD(projection_checkpoint, fingerprint),
    EDDA_FIELD(projection_checkpoint, tables),
    EDDA_FIELD(projection_checkpoint, build_position),
    EDDA_FIELD(projection_checkpoint, build_mark),
    EDDA_FIELD(projection_checkpoint, build_marked),
    EDDA_FIELD(projection_checkpoint, build_generation),
    EDDA_FIELD(projection_checkpoint, build_version),
    EDDA_FIELD(projection_checkpoint, build_fingerprint),
    EDDA_FIELD(projection_checkpoint, build_tables),
};
static const struct edda_type projection_checkpoint = EDDA_VALUE(projection_checkpoint);
const struct edda_table checkpoint_table = EDDA_TABLE(TABLE_PROJECTIONS, projection_checkpoint, 1);

static const struct edda_field held_fields[] = {
    EDDA_FIELD(held, projection), EDDA_FIELD(held, generation),  EDDA_FIELD(held, position), EDDA_FIELD(held, key),
    EDDA_FIELD(held, type),       EDDA_FIELD(held, correlation), EDDA_FIELD(held, reason),   EDDA_FIELD_TIME(held, since),
};
static const struct edda_type held = EDDA_VALUE(held);
const struct edda_table held_table = EDDA_TABLE(TABLE_HELD, held, 3);

static struct edda_text text_of(struct slice s)
{
    return (struct edda_text){ (const char *)s.data, s.len };
}

static int out_of_memory(struct work *work)
{
    return edda_fail_with(&work->error, EDDA_ENOMEM, "out of memory for a transaction");
}

void projection_build_name(const char *table, int64_t generation, char name[TABLE_NAME_BYTES])
{
    (void)snprintf(name, TABLE_NAME_BYTES, "_edda_%016llx_%lld", (unsigned long long)hash64(slice_str(table), 23), (long long)generation);
}

/* --- loading -------------------------------------------------------------------------------------------- */

/* The events of one generation that wait, added to those of the work. */
static int held_read(struct projection *projection, int64_t generation)
{
    struct work *work = &projection->work;
    const struct held of = { .projection = edda_text_of(projection->def->name), .generation = generation };
    struct edda_query query = { .table = &held_table, .equal = &of, .equal_fields = 2, .limit = HELD_PAGE };
    for (;;) {
        void *rows;
        size_t count;
        int rc = session_rows(projection->session, &held_table, TABLE_HELD, &query, &work->arena, &rows, &count, &work->error);
        if (rc < 0 || count == 0)
            return rc;
        struct held *all = arena_alloc(&work->arena, (work->held_count + count) * sizeof *all);
        if (!all)
            return out_of_memory(work);
        if (work->held_count)
            memcpy(all, work->held, work->held_count * sizeof *all);
        memcpy(all + work->held_count, rows, count * sizeof *all);
        work->held = all;
        work->held_count += count;
        query.offset += (uint32_t)count;
    }
}

static int load(struct projection *projection)
{
    struct work *work = &projection->work;
    struct session *session = projection->session;
    struct edda_error *error = &work->error;
    int rc = session_table_make(session, &checkpoint_table, TABLE_PROJECTIONS, error);
    if (rc == 0)
        rc = session_table_make(session, &held_table, TABLE_HELD, error);
    work->before = (struct projection_checkpoint){ .name = edda_text_of(projection->def->name) };
    if (rc == 0)
        rc = session_get(session, &checkpoint_table, TABLE_PROJECTIONS, &work->before, &work->arena, error);
    work->found = rc == 1;
    if (rc == 1 && work->before.generation)
        rc = held_read(projection, work->before.generation);
    if (rc >= 0 && work->found && work->before.build_generation)
        rc = held_read(projection, work->before.build_generation);
    return rc < 0 ? rc : 0;
}

/* --- the transaction ------------------------------------------------------------------------------------ */

/* Swaps the checkpoint. EDDA_ERETRY: somebody else has. */
static int swap(struct projection *projection, const struct projection_checkpoint *before, const struct projection_checkpoint *after)
{
    struct work *work = &projection->work;
    const struct projection_checkpoint *expected = before->changes ? before : NULL;
    int rc = session_swap(projection->session, &checkpoint_table, TABLE_PROJECTIONS, expected, after, &work->error);
    work->conflict = rc == 0;
    return rc == 0 ? EDDA_ERETRY : rc < 0 ? rc : 0;
}

static int drop_named(struct projection *projection, struct edda_text names, int64_t generation)
{
    struct work *work = &projection->work;
    const char *at = names.data, *end = at + names.len;
    int rc = 0;
    while (rc == 0 && names.len && at < end) {
        const char *space = memchr(at, ' ', (size_t)(end - at));
        char table[TABLE_NAME_BYTES], name[TABLE_NAME_BYTES];
        (void)snprintf(table, sizeof table, "%.*s", (int)((space ? space : end) - at), at);
        projection_build_name(table, generation, name);
        rc = session_table_drop(projection->session, generation ? name : table, &work->error);
        at = space ? space + 1 : end;
    }
    return rc;
}

static int held_delete(struct projection *projection, int64_t generation)
{
    struct work *work = &projection->work;
    work->held_count = 0;
    int rc = generation ? held_read(projection, generation) : 0;
    size_t count = work->held_count;
    work->held_count = 0;
    struct database_change *changes = arena_alloc(&work->arena, (count + 1) * sizeof *changes);
    if (rc < 0 || count == 0)
        return rc;
    if (!changes)
        return out_of_memory(work);
    for (size_t i = 0; i < count; i++)
        changes[i] = (struct database_change){ .row = &work->held[i], .deleted = true };
    return session_change(projection->session, &held_table, TABLE_HELD, changes, count, &work->error);
}

/* Notes a new generation, and makes its tables; what was being built before goes. */
static int build(struct projection *projection)
{
    struct work *work = &projection->work;
    int rc = swap(projection, &work->before, &work->after);
    if (rc == 0 && work->before.build_generation)
        rc = drop_named(projection, work->before.build_tables, work->before.build_generation);
    if (rc == 0)
        rc = held_delete(projection, work->before.build_generation);
    for (uint32_t i = 0; rc == 0 && i < projection->table_count; i++) {
        char name[TABLE_NAME_BYTES];
        const struct edda_table *table = projection->def->tables[i];
        projection_build_name(table->name, work->after.build_generation, name);
        rc = session_table_make(projection->session, table, name, &work->error);
    }
    return rc;
}

/* The tables that were being built take the place of those in use. */
static int finish(struct projection *projection)
{
    struct work *work = &projection->work;
    int rc = swap(projection, &work->before, &work->after);
    if (rc == 0)
        rc = drop_named(projection, work->before.tables, 0);
    if (rc == 0)
        rc = held_delete(projection, work->before.generation);
    for (uint32_t i = 0; rc == 0 && i < projection->table_count; i++) {
        char name[TABLE_NAME_BYTES];
        const char *to = projection->def->tables[i]->name;
        projection_build_name(to, work->before.build_generation, name);
        rc = session_table_drop(projection->session, to, &work->error);
        if (rc == 0)
            rc = session_table_name(projection->session, name, to, &work->error);
    }
    return rc;
}

/* --- events --------------------------------------------------------------------------------------------- */

static void info_of(const struct work_event *event, const void *message, struct arena *arena, struct edda_message_info *ret_info)
{
    const struct record *record = &event->record.record;
    const struct edda_type *type = event->row->type;
    struct cloudevent ce;
    struct slice text;
    cloudevent_get(record, &ce);
    *ret_info = (struct edda_message_info){
        .id = text_of(ce.id), .source = text_of(ce.source), .type = edda_text_of(type->name), .topic = edda_text_of(event->topic),
        .key = text_of(record->key), .correlation = text_of(ce.correlation), .causation = text_of(ce.causation),
        .position = (int64_t)event->record.position, .time_ms = record->timestamp_ms, .expiry_ms = ce.expiry_ms,
    };
    if (ce.id.len == 0)
        ret_info->id = edda_text_of(arena_printf(arena, "%s/%llu", event->topic, (unsigned long long)event->record.position));
    if (ce.correlation.len == 0 && type->correlation && json_field_text(type, message, type->correlation, arena, &text))
        ret_info->correlation = text_of(text);
    if (ret_info->correlation.len == 0)
        ret_info->correlation = ret_info->id;
}

/* A copy as a database takes it: a record's key may be any bytes, a reason may be cut in the middle of a letter, and only text without a zero byte is taken. */
static struct slice clean(struct slice bytes, struct arena *arena)
{
    struct slice copy = arena_copy(arena, bytes);
    bool text = text_utf8_valid(copy);
    for (size_t i = 0; i < copy.len; i++)
        if (copy.data[i] == 0 || (copy.data[i] >= 0x80 && !text))
            ((uint8_t *)copy.data)[i] = '?';
    return copy;
}

/* What is held back when the event cannot be applied. */
static struct slice key_of(const struct work_event *event, const void *message, struct arena *arena)
{
    struct slice key = event->record.record.key;
    const char *field = event->row->key;
    if (field && message && !json_field_text(event->row->type, message, field, arena, &key))
        key = slice_of(NULL, 0);
    return clean(key, arena);
}

static bool is_held_now(const struct work *work, struct slice key)
{
    for (size_t i = 0; i < work->held_count; i++)
        if (slice_eq(slice_of(work->held[i].key.data, work->held[i].key.len), key))
            return true;
    return held_find(work->track, key) != NULL;
}

/* Adds the event to those that wait. */
static int hold(struct projection *projection, const struct work_event *event, struct slice key, const struct edda_message_info *info,
                const struct edda_error *why)
{
    struct work *work = &projection->work;
    if (work->track->held_count + work->held_count >= HELD_MAX)
        return edda_fail_with(&work->error, EDDA_ELIMIT, "%d events wait in quarantine, which is the limit", HELD_MAX);
    if (work->held_count == work->held_capacity) {
        size_t capacity = work->held_capacity ? work->held_capacity * 2 : 16;
        struct held *grown = arena_alloc(&work->arena, capacity * sizeof *grown);
        if (!grown)
            return out_of_memory(work);
        if (work->held_count)
            memcpy(grown, work->held, work->held_count * sizeof *grown);
        work->held = grown;
        work->held_capacity = capacity;
    }
    char *reason = arena_printf(&work->arena, "%s%s%s", why ? why->message : "", why && why->field[0] ? ", field " : "", why ? why->field : "");
    work->held[work->held_count++] = (struct held){
        .projection = edda_text_of(projection->def->name),
        .generation = work->track->build ? work->before.build_generation : work->before.generation,
        .position = (int64_t)event->record.position, .key = text_of(key), .type = edda_text_of(event->row->type->name),
        .correlation = text_of(clean(slice_of(info->correlation.data, info->correlation.len), &work->arena)),
        .reason = text_of(clean(slice_str(reason), &work->arena)), .since = work->now_ms,
    };
    return 0;
}

/* 1: applied; 0: it failed, and what it did is undone; a negative code: the transaction has failed. */
static int apply_one(struct projection *projection, const struct work_event *event, const void *message)
{
    struct work *work = &projection->work;
    struct edda_rows *rows = &projection->transaction;
    int rc = event->row->project(rows, message, event->row->user);
    if (rows->session_code < 0) {
        work->error = rows->session_error;
        return rows->session_code;
    }
    if (rc >= 0 && rows->code == 0)
        return 1;
    if (rows->code < 0)
        work->error = rows->error;
    else
        (void)edda_fail_with(&work->error, rc, "its function gave %s: %s", edda_code_info(rc)->name, edda_code_info(rc)->sentence);
    rows_undo(rows);
    return 0;
}

/* Applies events until the end of the batch, or one that fails. */
static int apply_events(struct projection *projection)
{
    struct work *work = &projection->work;
    bool repair = work->kind == WORK_REPAIR;
    while (work->done < work->count && rows_bytes(&projection->transaction) < BATCH_ROWS_BYTES_MAX) {
        const struct work_event *event = &work->events[work->done];
        struct arena *arena = &projection->transaction.arena;
        if (!event->row) {
            work->done++;
            continue;
        }
        void *message = arena_alloc(arena, event->row->type->size);
        if (!message)
            return out_of_memory(work);
        struct cloudevent ce;
        cloudevent_get(&event->record.record, &ce);
        int decoded = message_decode(event->row->type, ce.data_version, event->record.record.value, arena, message, &work->error);
        if (decoded == EDDA_ENOMEM)
            return out_of_memory(work);
        bool good = decoded == 0;
        struct edda_message_info info;
        info_of(event, message, arena, &info);
        struct slice key = key_of(event, good ? message : NULL, &work->arena);
        rows_event(&projection->transaction, &info);
        bool first = work->done == 0;
        int rc = 1;
        if (!good && decoded != EDDA_EUNSUPPORTED)
            work->malformed++;
        else if (first && repair && work->skip)
            rc = 1;
        else if (first && work->hold)
            rc = hold(projection, event, key, &info, &work->why) < 0 ? work->error.code : 1;
        else if (!repair && is_held_now(work, key))
            rc = hold(projection, event, key, &info, NULL) < 0 ? work->error.code : 1;
        else if (!good)
            rc = 0; /* of a version that this program does not know: it waits for one that does */
        else {
            rc = apply_one(projection, event, message);
            work->applied += rc == 1;
        }
        if (rc < 0)
            return rc;
        if (rc == 0) {
            work->stopped = true;
            return 0;
        }
        work->done++;
    }
    return 0;
}

/* The checkpoint behind what was done, when that is not all. */
static int swap_shorter(struct projection *projection)
{
    struct work *work = &projection->work;
    struct projection_checkpoint shorter = work->after;
    shorter.changes++;
    if (work->kind == WORK_APPLY) {
        const struct journal_record *last = &work->events[work->done - 1].record;
        projection_set_position(&shorter, work->track, last->position + 1, last);
    }
    int rc = swap(projection, &work->after, &shorter);
    work->after = shorter;
    return rc;
}

/* The events that came into quarantine, and those that a repair has taken out. */
static int write_held(struct projection *projection)
{
    struct work *work = &projection->work;
    bool repair = work->kind == WORK_REPAIR;
    size_t count = repair ? work->done + (work->stopped ? 1 : 0) : work->held_count;
    struct database_change *changes = arena_alloc(&work->arena, (count + 1) * sizeof *changes);
    struct held *rows = repair ? arena_alloc(&work->arena, (count + 1) * sizeof *rows) : work->held;
    if (count == 0)
        return 0;
    if (!changes || !rows)
        return out_of_memory(work);
    for (size_t i = 0; i < count; i++) {
        if (repair)
            rows[i] = (struct held){ .projection = edda_text_of(projection->def->name),
                                     .generation = work->track->build ? work->before.build_generation : work->before.generation,
                                     .position = (int64_t)work->events[i].record.position };
        changes[i] = (struct database_change){ .row = &rows[i], .deleted = repair };
    }
    if (repair && work->stopped) {
        struct held *stopped = &rows[count - 1];
        changes[count - 1].deleted = false;
        stopped->key = text_of(work->key->key);
        stopped->type = edda_text_of(work->events[count - 1].row->type->name);
        struct edda_text correlation = projection->transaction.info.correlation;
        stopped->correlation = text_of(clean(slice_of(correlation.data, correlation.len), &work->arena));
        stopped->reason = text_of(clean(slice_str(work->error.message), &work->arena));
        stopped->since = work->now_ms;
    }
    return session_change(projection->session, &held_table, TABLE_HELD, changes, count, &work->error);
}

static int apply(struct projection *projection)
{
    struct work *work = &projection->work;
    int rc = swap(projection, &work->before, &work->after);
    rows_begin(&projection->transaction, projection->session, work->track->tables, projection->table_count);
    if (rc == 0)
        rc = apply_events(projection);
    if (rc == 0 && work->done < work->count && work->done > 0)
        rc = swap_shorter(projection);
    if (rc == 0)
        rc = rows_write(&projection->transaction, &work->error);
    return rc < 0 ? rc : write_held(projection);
}

/* --- the job -------------------------------------------------------------------------------------------- */

static int transact(struct projection *projection)
{
    struct work *work = &projection->work;
    int rc = session_begin(projection->session, &work->error);
    if (rc < 0)
        return rc;
    if (work->kind == WORK_BUILD)
        rc = build(projection);
    else if (work->kind == WORK_FINISH)
        rc = finish(projection);
    else
        rc = apply(projection);
    bool nothing = rc == 0 && work->stopped && work->done == 0 && work->kind == WORK_APPLY;
    if (rc < 0 || nothing) {
        session_rollback(projection->session);
        return rc;
    }
    return session_commit(projection->session, &work->error);
}

void projection_work_run(struct io_job *job)
{
    struct work *work = container_of(job, struct work, job);
    struct projection *projection = container_of(work, struct projection, work);
    struct database *database = projection->engine->options.database;
    int rc = projection->session ? 0 : database_session(database, &projection->session, &work->error);
    if (rc == 0)
        rc = work->kind == WORK_LOAD ? load(projection) : transact(projection);
    if (rc < 0 && rc != EDDA_ERETRY && rc != EDDA_EREJECTED) {
        session_end(projection->session);
        projection->session = NULL;
    }
    work->code = rc;
}
