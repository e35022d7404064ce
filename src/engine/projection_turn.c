/*
 * What a projection does next: it looks at its checkpoint, gathers events that are durable, applies them, builds and takes over tables, repairs what is
 * quarantined. One transaction is under way at a time; everything here is the owner's thread.
 *
 *   STARTING --the checkpoint is read--> GOING, SUPERSEDED or DIVERGED
 *   GOING    --a transaction is lost, by its connection or by a swap--> STARTING
 *   any      --an operator wants it built anew--> GOING
 */
#include "engine/projection.h"

#define SCAN_RECORDS 1024
#define ATTEMPTS_MAX 3
#define RETRY_MS 100
#define OUTAGE_MS_MAX 10000
#define CONFLICT_MS 10
#define CATCH_UP_RECORDS 1024 /* so little behind, tables that were built take their places */

enum next { NEXT_NOTHING, NEXT_LOAD, NEXT_REPAIR, NEXT_BUILD, NEXT_FINISH, NEXT_GATHER };

/* What ties a position to what lies there: another copy of the log may have another event in its place. */
static int64_t mark_of(const struct journal_record *record)
{
    uint64_t hash = hash64(record->record.value, record->position);
    return (int64_t)hash64_mix(hash64(record->record.key, hash), (uint64_t)record->record.timestamp_ms);
}

static bool text_equal(struct edda_text text, const char *string)
{
    return slice_eq_str(slice_of(text.data, text.len), string);
}

/* --- what to do ----------------------------------------------------------------------------------------- */

static struct held_key *to_repair(const struct track *track)
{
    for (struct table_link *link = table_each(&track->held, NULL); link; link = table_each(&track->held, link))
        if (container_of(link, struct held_key, link)->repair != REPAIR_NONE)
            return container_of(link, struct held_key, link);
    return NULL;
}

static bool has_more(const struct projection *projection, const struct track *track)
{
    return track->active && track->seen < journal_durable(projection->engine->journal);
}

static bool is_built(const struct projection *projection)
{
    const struct track *build = &projection->build;
    return build->active && build->applied + CATCH_UP_RECORDS >= journal_durable(projection->engine->journal) &&
           (!projection->live.active || build->applied >= projection->live.applied);
}

static enum next next_of(const struct projection *projection)
{
    if (projection->running)
        return NEXT_NOTHING;
    if (projection->state == PROJECTION_STARTING)
        return NEXT_LOAD;
    if (projection->gathering)
        return NEXT_GATHER;
    if (projection->rebuild_wanted)
        return NEXT_BUILD;
    if (projection->state != PROJECTION_GOING)
        return NEXT_NOTHING;
    if (to_repair(&projection->live) || to_repair(&projection->build))
        return NEXT_REPAIR;
    if (!projection->live.active && !projection->build.active)
        return NEXT_BUILD;
    if (is_built(projection))
        return NEXT_FINISH;
    return has_more(projection, &projection->live) || has_more(projection, &projection->build) ? NEXT_GATHER : NEXT_NOTHING;
}

bool projection_can_go_on(const struct projection *projection)
{
    return next_of(projection) != NEXT_NOTHING && projection->retry_ms <= journal_time_ms(projection->engine->journal);
}

/* --- beginning a transaction ---------------------------------------------------------------------------- */

static struct work *work_new(struct projection *projection, enum work_kind kind, struct track *track)
{
    struct work *work = &projection->work;
    struct arena arena = work->arena;
    arena_reset(&arena);
    *work = (struct work){ .kind = kind, .track = track, .arena = arena };
    work->before = work->after = projection->checkpoint;
    work->after.changes++;
    return work;
}

static void work_submit(struct projection *projection)
{
    struct work *work = &projection->work;
    work->now_ms = journal_time_ms(projection->engine->journal);
    work->job = (struct io_job){ .run = projection_work_run, .done = NULL };
    projection->gathering = false;
    projection->running = true;
    projection->engine->projecting++;
}

static void job_done(struct io_job *job)
{
    struct work *work = container_of(job, struct work, job);
    struct projection *projection = container_of(work, struct projection, work);
    projection_work_done(projection);
}

static void work_begin(struct projection *projection)
{
    work_submit(projection);
    projection->work.job.done = job_done;
    list_init(&projection->work.job.link);
    io_job_submit(projection->engine->io, IO_POOL_HANDLERS, &projection->work.job);
}

static bool event_add(struct work *work, const struct edda_projecting *row, const struct journal_record *record)
{
    if (work->count == work->capacity) {
        uint32_t capacity = work->capacity ? work->capacity * 2 : 16;
        struct work_event *grown = arena_alloc(&work->arena, capacity * sizeof *grown);
        if (!grown)
            return false;
        if (work->count)
            memcpy(grown, work->events, work->count * sizeof *grown);
        work->events = grown;
        work->capacity = capacity;
    }
    struct work_event *event = &work->events[work->count];
    *event = (struct work_event){ .row = row, .record = *record, .topic = record->topic ? record->topic->name : "" };
    struct record *copy = &event->record.record;
    const struct record *from = &record->record;
    copy->key = arena_copy(&work->arena, from->key);
    copy->value = arena_copy(&work->arena, from->value);
    copy->headers = arena_copy(&work->arena, from->headers);
    if ((from->key.len && !copy->key.data) || (from->value.len && !copy->value.data) || (from->headers.len && !copy->headers.data))
        return false;
    work->bytes += from->key.len + from->value.len + from->headers.len;
    work->count++;
    return true;
}

/* The row of a projection for a record; NULL when it does not want it. */
static const struct edda_projecting *row_of(struct projection *projection, const struct journal_record *record)
{
    const struct category *category = record->topic->user;
    if (!category || !category->projected || !record->record.value.data)
        return NULL;
    struct cloudevent event;
    cloudevent_get(&record->record, &event);
    const struct message_type *type = registry_type(category, registry_type_name(category, record, &event));
    const struct projecting *wanted = type ? type->projectings : NULL;
    while (wanted && wanted->projection != projection)
        wanted = wanted->next;
    return wanted && !dispatch_is_repeat(projection->engine, record, &event) ? wanted->row : NULL;
}

static void track_rewind(struct projection *projection, struct track *track, uint64_t position)
{
    journal_cursor_close(projection->engine->journal, track->cursor);
    track->cursor = NULL;
    track->seen = position;
}

/* The next durable record of the track: 1, 0 when there is none, or a negative code. */
static int track_next(struct projection *projection, struct track *track, struct journal_record *ret_record, struct edda_error *error)
{
    struct journal *journal = projection->engine->journal;
    if (!has_more(projection, track))
        return 0;
    int rc = track->cursor ? 0 : journal_cursor_open(journal, track->seen, &track->cursor);
    if (rc < 0)
        return edda_fail_with(error, rc, "projection %s cannot read from position %llu", projection->def->name, (unsigned long long)track->seen);
    rc = journal_cursor_next(journal, track->cursor, ret_record, error);
    if (rc == 1 && ret_record->position >= journal_durable(journal)) {
        track_rewind(projection, track, track->seen);
        return 0;
    }
    return rc;
}

/* Which track goes on: in turn, but the one being built for good when it has nearly caught up, lest the other stays ahead of it. */
static struct track *track_of_turn(struct projection *projection)
{
    struct track *live = &projection->live, *build = &projection->build;
    bool nearly = build->active && build->applied + BATCH_EVENTS_MAX >= journal_durable(projection->engine->journal);
    projection->building_next = !projection->building_next;
    if (!has_more(projection, live) || (has_more(projection, build) && (nearly || projection->building_next)))
        return build;
    return live;
}

void projection_set_position(struct projection_checkpoint *checkpoint, const struct track *track, uint64_t position, const struct journal_record *last)
{
    *(track->build ? &checkpoint->build_position : &checkpoint->position) = (int64_t)position;
    if (!last)
        return;
    *(track->build ? &checkpoint->build_mark : &checkpoint->mark) = mark_of(last);
    *(track->build ? &checkpoint->build_marked : &checkpoint->marked) = (int64_t)last->position;
}

/* Gathers for a while, then begins the transaction when the batch is full, or there is no more for now. */
static int gather(struct projection *projection, struct edda_error *error)
{
    if (!projection->gathering)
        (void)work_new(projection, WORK_APPLY, track_of_turn(projection));
    projection->gathering = true;
    struct work *work = &projection->work;
    struct track *track = work->track;
    struct journal_record record;
    int rc = 0;
    bool full = false;
    for (uint32_t i = 0; i < SCAN_RECORDS && !full; i++) {
        rc = track_next(projection, track, &record, error);
        if (rc <= 0)
            break;
        const struct edda_projecting *row = row_of(projection, &record);
        uint64_t position = record.position;
        if (row && !event_add(work, row, &record))
            return edda_fail_with(error, EDDA_ENOMEM, "out of memory for the events of projection %s", projection->def->name);
        track->seen = position + 1;
        full = work->count >= projection->batch_max || work->bytes >= BATCH_BYTES_MAX;
    }
    if (rc < 0)
        return rc;
    if (rc == 1 && !full)
        return 1;
    uint64_t noted = (uint64_t)(track->build ? projection->checkpoint.build_position : projection->checkpoint.position);
    if (work->count == 0) {
        track->applied = track->seen;
        projection->gathering = false;
        if (track->seen - noted < QUIET_RECORDS_MAX)
            return 1;
    }
    projection_set_position(&work->after, track, track->seen, work->count ? &work->events[work->count - 1].record : NULL);
    work->hold = work->count && work->events[0].record.position == track->failing && track->attempts >= ATTEMPTS_MAX;
    work->why = track->why;
    work_begin(projection);
    return 1;
}

static int begin_repair(struct projection *projection, struct edda_error *error)
{
    struct track *track = to_repair(&projection->live) ? &projection->live : &projection->build;
    struct held_key *key = to_repair(track);
    struct work *work = work_new(projection, WORK_REPAIR, track);
    work->key = key;
    work->skip = key->repair == REPAIR_SKIP;
    for (size_t i = 0; i < key->count && work->count < projection->batch_max && work->bytes < BATCH_BYTES_MAX; i++) {
        struct journal_record record;
        int rc = journal_record_at(projection->engine->journal, key->positions[i], &record);
        bool there = rc != EDDA_ENOTFOUND; /* the database is not ours alone, and may say anything */
        if (rc < 0 && there)
            return edda_fail_with(error, rc, "the event at position %llu cannot be read", (unsigned long long)key->positions[i]);
        if (!there)
            record = (struct journal_record){ .position = key->positions[i] };
        if (!event_add(work, there ? row_of(projection, &record) : NULL, &record))
            return edda_fail_with(error, EDDA_ENOMEM, "out of memory for the events of projection %s", projection->def->name);
    }
    work_begin(projection);
    return 1;
}

static void begin_build(struct projection *projection)
{
    struct work *work = work_new(projection, WORK_BUILD, &projection->build);
    struct projection_checkpoint *after = &work->after;
    int64_t last = after->generation > after->build_generation ? after->generation : after->build_generation;
    after->log = edda_text_of(projection->log);
    after->build_generation = last + 1;
    after->build_position = after->build_mark = after->build_marked = 0;
    after->build_version = projection->def->version;
    after->build_fingerprint = edda_text_of(projection->fingerprint);
    after->build_tables = edda_text_of(buffer_cstr(&projection->table_names));
    projection->rebuild_wanted = false;
    work_begin(projection);
}

static void begin_finish(struct projection *projection)
{
    const struct track *build = &projection->build;
    struct work *work = work_new(projection, WORK_FINISH, &projection->build);
    struct projection_checkpoint *after = &work->after;
    after->position = (int64_t)build->seen;
    after->mark = after->build_mark;
    after->marked = after->build_marked;
    after->generation = after->build_generation;
    after->version = after->build_version;
    after->fingerprint = after->build_fingerprint;
    after->tables = after->build_tables;
    after->build_generation = after->build_position = after->build_mark = after->build_marked = after->build_version = 0;
    after->build_fingerprint = after->build_tables = EDDA_TEXT("");
    work_begin(projection);
}

int projection_step(struct projection *projection, struct edda_error *error)
{
    if (!projection_can_go_on(projection))
        return 0;
    switch (next_of(projection)) {
    case NEXT_NOTHING:
        return 0;
    case NEXT_LOAD:
        (void)work_new(projection, WORK_LOAD, NULL);
        work_begin(projection);
        return 1;
    case NEXT_REPAIR:
        return begin_repair(projection, error);
    case NEXT_BUILD:
        begin_build(projection);
        return 1;
    case NEXT_FINISH:
        begin_finish(projection);
        return 1;
    case NEXT_GATHER:
        return gather(projection, error);
    }
    UNREACHABLE();
}

/* --- the checkpoint as it was found --------------------------------------------------------------------- */

static struct edda_text text_copy(struct projection *projection, struct edda_text text)
{
    struct slice copy = arena_copy(&projection->checkpoint_arena, slice_of(text.data, text.len));
    return (struct edda_text){ (const char *)copy.data, copy.len };
}

static void checkpoint_keep(struct projection *projection, const struct projection_checkpoint *found)
{
    struct projection_checkpoint *kept = &projection->checkpoint;
    arena_reset(&projection->checkpoint_arena);
    *kept = *found;
    kept->name = edda_text_of(projection->def->name);
    kept->log = text_copy(projection, found->log);
    kept->fingerprint = text_copy(projection, found->fingerprint);
    kept->tables = text_copy(projection, found->tables);
    kept->build_fingerprint = text_copy(projection, found->build_fingerprint);
    kept->build_tables = text_copy(projection, found->build_tables);
}

static void track_begin(struct projection *projection, struct track *track, int64_t generation, uint64_t position)
{
    track_rewind(projection, track, position);
    held_free_all(track);
    track->active = generation != 0;
    track->applied = position;
    track->failing = UINT64_MAX;
    track->attempts = 0;
    for (uint32_t i = 0; i < projection->table_count; i++) {
        const struct edda_table *table = projection->def->tables[i];
        track->tables[i].table = table;
        if (track->build)
            projection_build_name(table->name, generation, track->tables[i].name);
        else
            memcpy(track->tables[i].name, table->name, strlen(table->name) + 1);
    }
}

/* Whether this log holds what was applied up to a position. */
static bool is_of_this_log(const struct projection *projection, int64_t position, int64_t mark, int64_t marked)
{
    struct journal *journal = projection->engine->journal;
    struct journal_record record;
    if ((uint64_t)position > journal_durable(journal))
        return false;
    /* An event that is there no longer says nothing. */
    return mark == 0 || journal_record_at(journal, (uint64_t)marked, &record) < 0 || mark_of(&record) == mark;
}

static void give_up(struct projection *projection, enum projection_state state, const char *event)
{
    projection->state = state;
    engine_log(projection->engine, event, "projection %s: %s", projection->def->name, projection->error.message);
}

static bool is_own(const struct projection *projection, int64_t version, struct edda_text fingerprint)
{
    return version == projection->def->version && text_equal(fingerprint, projection->fingerprint);
}

/* Which of the tables are this program's. */
static void adopt(struct projection *projection)
{
    const struct projection_checkpoint *c = &projection->checkpoint;
    struct edda_error *error = &projection->error;
    bool live = c->generation && is_own(projection, c->version, c->fingerprint);
    bool build = c->build_generation && is_own(projection, c->build_version, c->build_fingerprint) &&
                 is_of_this_log(projection, c->build_position, c->build_mark, c->build_marked);
    bool diverged = live && !is_of_this_log(projection, c->position, c->mark, c->marked);
    live = live && !diverged;
    track_begin(projection, &projection->live, live ? c->generation : 0, (uint64_t)c->position);
    track_begin(projection, &projection->build, build ? c->build_generation : 0, (uint64_t)c->build_position);
    projection->state = PROJECTION_GOING;
    projection->error = (struct edda_error){ 0 };
    if (!text_equal(c->log, projection->log)) {
        (void)edda_fail_with(error, EDDA_EINVAL, "the read model in the database (%s) is of log %.*s, and this is log %s; name another database",
                             projection->engine->options.database->description, (int)c->log.len, c->log.data, projection->log);
        give_up(projection, PROJECTION_DIVERGED, "projection.foreign");
    } else if (diverged && !build) {
        (void)edda_fail_with(error, EDDA_EVERSION, "up to position %lld events were applied that this log does not have: another copy of it is, "
                             "or was, in use; build the read model anew when this one is to stay", (long long)c->position);
        give_up(projection, PROJECTION_DIVERGED, "projection.diverged");
    } else if (!live && !build && (c->version > (int64_t)projection->def->version || !projection->may_build)) {
        (void)edda_fail_with(error, EDDA_EVERSION, "the read model is of version %lld, and this program's is %u; it is left as it is",
                             (long long)c->version, projection->def->version);
        give_up(projection, PROJECTION_SUPERSEDED, "projection.superseded");
    }
    if (live || build)
        projection->may_build = false;
}

static void loaded(struct projection *projection)
{
    struct work *work = &projection->work;
    /* Where nothing is, nothing is anybody else's. */
    projection->may_build = projection->may_build || !work->found;
    if (!work->found)
        work->before = (struct projection_checkpoint){ .log = edda_text_of(projection->log), .fingerprint = EDDA_TEXT(""), .tables = EDDA_TEXT(""),
                                            .build_fingerprint = EDDA_TEXT(""), .build_tables = EDDA_TEXT("") };
    checkpoint_keep(projection, &work->before);
    adopt(projection);
    const struct projection_checkpoint *c = &projection->checkpoint;
    bool good = true;
    for (size_t i = 0; i < work->held_count && good; i++) {
        if (projection->live.active && work->held[i].generation == c->generation)
            good = held_add(&projection->live, &work->held[i]);
        else if (projection->build.active && work->held[i].generation == c->build_generation)
            good = held_add(&projection->build, &work->held[i]);
    }
    if (!good)
        projection->state = PROJECTION_STARTING; /* out of memory: again */
}

/* --- what a transaction has given ----------------------------------------------------------------------- */

/* It has failed for a reason that is no event's. */
static void outage(struct projection *projection)
{
    struct engine *engine = projection->engine;
    struct work *work = &projection->work;
    uint32_t doubled = projection->failures_in_row < 10 ? projection->failures_in_row : 10;
    int64_t delay_ms = (int64_t)RETRY_MS << doubled;
    if (projection->failures_in_row++ == 0)
        engine_log(engine, "database.unreachable", "projection %s, %s: %s", projection->def->name, engine->options.database->description,
                   work->error.message);
    projection->unreachable = true;
    projection->error = work->error;
    projection->state = PROJECTION_STARTING;
    projection->retry_ms = journal_time_ms(engine->journal) + (delay_ms < OUTAGE_MS_MAX ? delay_ms : OUTAGE_MS_MAX);
}

static void conflict(struct projection *projection)
{
    struct engine *engine = projection->engine;
    projection->conflicts++;
    engine_log(engine, "projection.conflict", "projection %s: somebody else has applied events; looking where it is", projection->def->name);
    projection->state = PROJECTION_STARTING;
    projection->retry_ms = journal_time_ms(engine->journal) + CONFLICT_MS;
}

/* An event of the batch could not be applied: again soon, then with its key into quarantine. */
static void event_failed(struct projection *projection, uint64_t position)
{
    struct track *track = projection->work.track;
    track->attempts = track->failing == position ? track->attempts + 1 : 1;
    track->failing = position;
    track->why = projection->work.error;
    projection->failures++;
    projection->error = projection->work.error;
    uint32_t doubled = track->attempts < 7 ? track->attempts - 1 : 6;
    if (track->attempts != ATTEMPTS_MAX)
        projection->retry_ms = journal_time_ms(projection->engine->journal) + ((int64_t)RETRY_MS << doubled);
}

static void note_held(struct projection *projection)
{
    struct work *work = &projection->work;
    for (size_t i = 0; i < work->held_count; i++) {
        const struct held *row = &work->held[i];
        if (!held_add(work->track, row))
            projection->state = PROJECTION_STARTING; /* out of memory: from the database, again */
        if (row->reason.len == 0)
            continue;
        projection->quarantined++;
        work->track->failing = UINT64_MAX;
        work->track->attempts = 0;
        engine_log(projection->engine, "projection.quarantined", "key %.*s of projection %s: %.*s", (int)row->key.len, row->key.data,
                   projection->def->name, (int)row->reason.len, row->reason.data);
    }
}

static void applied(struct projection *projection)
{
    struct work *work = &projection->work;
    struct track *track = work->track;
    bool nothing = work->stopped && work->done == 0;
    if (nothing) {
        track_rewind(projection, track, track->applied);
    } else {
        projection->checkpoint = work->after;
        projection->transactions++;
        uint64_t position = (uint64_t)(track->build ? work->after.build_position : work->after.position);
        if (work->done < work->count)
            track_rewind(projection, track, position);
        track->applied = position;
        projection->error = (struct edda_error){ 0 };
        note_held(projection);
    }
    projection->applied += nothing ? 0 : work->applied;
    if (work->malformed && !nothing)
        engine_log(projection->engine, "message.malformed", "projection %s has passed over %u events that do not decode", projection->def->name,
                   work->malformed);
    if (work->stopped)
        event_failed(projection, work->events[work->done].record.position);
    else if (projection->batch_max < BATCH_EVENTS_MAX)
        projection->batch_max *= 2;
}

/* The event that is first now has failed again. */
static void repair_failed(struct projection *projection)
{
    struct held_key *key = projection->work.key;
    size_t head = key->type_len + key->correlation_len;
    projection->failures++;
    key->repair = REPAIR_NONE;
    buffer_truncate(&key->text, head < key->text.len ? head : key->text.len);
    buffer_append_str(&key->text, projection->work.error.message);
    key->since_ms = projection->work.now_ms;
}

static void repaired(struct projection *projection)
{
    struct work *work = &projection->work;
    struct held_key *key = work->key;
    projection->checkpoint = work->after;
    projection->transactions++;
    projection->applied += work->applied;
    key->repair = REPAIR_RETRY;
    if (work->stopped)
        repair_failed(projection);
    else if (projection->batch_max < BATCH_EVENTS_MAX)
        projection->batch_max *= 2;
    engine_log(projection->engine, "projection.repaired", "key %.*s of projection %s: %u events left the quarantine", (int)key->key.len,
               (const char *)key->key.data, projection->def->name, work->done);
    held_remove(work->track, key, work->done);
}

static void built(struct projection *projection)
{
    const struct projection_checkpoint *c = &projection->work.after;
    projection->checkpoint = *c;
    projection->transactions++;
    projection->state = PROJECTION_GOING;
    projection->error = (struct edda_error){ 0 };
    track_begin(projection, &projection->build, c->build_generation, 0);
    engine_log(projection->engine, "projection.building", "projection %s is built from the beginning of the log", projection->def->name);
}

static void finished(struct projection *projection)
{
    const struct projection_checkpoint *c = &projection->work.after;
    projection->checkpoint = *c;
    projection->transactions++;
    projection->rebuilt++;
    track_begin(projection, &projection->live, c->generation, (uint64_t)c->position);
    struct table held = projection->live.held;
    projection->live.held = projection->build.held;
    projection->live.held_count = projection->build.held_count;
    projection->build.held = held;
    projection->build.held_count = 0;
    track_begin(projection, &projection->build, 0, 0);
    engine_log(projection->engine, "projection.built", "projection %s is in place, up to position %lld", projection->def->name,
               (long long)c->position);
}

/* The database does not take a row: which event's is found by trying less at a time. */
static void refused(struct projection *projection)
{
    struct work *work = &projection->work;
    if ((work->kind != WORK_APPLY && work->kind != WORK_REPAIR) || work->count == 0) {
        outage(projection);
        return;
    }
    struct track *track = work->track;
    uint64_t first = work->events[0].record.position;
    projection->batch_max = work->count > 1 ? work->count / 2 : 1;
    if (work->kind == WORK_REPAIR) {
        if (work->count == 1)
            repair_failed(projection);
        return;
    }
    track_rewind(projection, track, track->applied);
    if (work->count == 1)
        event_failed(projection, first);
}

void projection_work_done(struct projection *projection)
{
    struct work *work = &projection->work;
    projection->running = false;
    projection->engine->projecting--;
    if (work->code == EDDA_ERETRY) {
        conflict(projection);
        return;
    }
    if (work->code == EDDA_EREJECTED) {
        refused(projection);
        return;
    }
    if (work->code < 0) {
        outage(projection);
        return;
    }
    if (projection->unreachable)
        engine_log(projection->engine, "database.reached", "projection %s, %s", projection->def->name,
                   projection->engine->options.database->description);
    projection->unreachable = false;
    projection->failures_in_row = 0;
    switch (work->kind) {
    case WORK_LOAD:
        loaded(projection);
        break;
    case WORK_APPLY:
        applied(projection);
        break;
    case WORK_REPAIR:
        repaired(projection);
        break;
    case WORK_BUILD:
        built(projection);
        break;
    case WORK_FINISH:
        finished(projection);
        break;
    }
}
