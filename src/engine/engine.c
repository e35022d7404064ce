/* The engine's life: open, turn, stop, close. */
#include "engine/internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define DISPATCH_AT_ONCE 64
#define HANDLERS_WAIT_NS 100000
#define SNAPSHOTS_BUSY 2  /* entities whose snapshots are recorded in one turn: enough to keep pace */
#define SNAPSHOTS_QUIET 8 /* the same when there was nothing else to do */

void engine_log(struct engine *engine, const char *event, const char *format, ...)
{
    if (!engine->options.log)
        return;
    char text[512];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    engine->options.log(engine->options.log_user, event, text);
}

static void init_members(struct engine *engine, const struct engine_options *options)
{
    engine->options = *options;
    engine->app = options->app;
    engine->io = options->io;
    engine->journal = options->journal;
    engine->state_bytes_max = options->state_bytes_max ? options->state_bytes_max : ENGINE_STATE_BYTES_DEFAULT;
    if (!engine->options.checkpoint_rows)
        engine->options.checkpoint_rows = CHECKPOINT_ROWS_DEFAULT;
    if (!engine->options.checkpoint_records)
        engine->options.checkpoint_records = CHECKPOINT_RECORDS_DEFAULT;
    if (!engine->options.pending_max)
        engine->options.pending_max = ENGINE_PENDING_DEFAULT;
    arena_init(&engine->fold_arena, 0, 0);
    arena_init(&engine->load_arena, 0, 0);
    arena_init(&engine->take_arena, 0, 0);
    buffer_init(&engine->scratch, 0);
    buffer_init(&engine->checkpoint.out, 0);
    buffer_init(&engine->note, 0);
    buffer_init(&engine->absent, 0);
    table_init(&engine->entities);
    list_init(&engine->lru);
    list_init(&engine->snapshots_due);
    list_init(&engine->ready);
    list_init(&engine->free_steps);
    list_init(&engine->free_tasks);
    list_init(&engine->deadline_slabs);
    heap_init(&engine->retries);
    heap_init(&engine->undurable);
    table_init(&engine->awaited);
    engine->pools_wake_ms = INT64_MAX;
    heap_init(&engine->deadlines_due);
    table_init(&engine->deadlines_by_id);
    table_init(&engine->sequence_table);
    list_init(&engine->readers);
}

/* Folds the journal from the last checkpoint on, then lets each service begin where it was. */
static int recover(struct engine *engine, bool skip_checkpoint, struct edda_error *error)
{
    uint64_t from = 0;
    engine->opening = true;
    int rc = skip_checkpoint || engine->service_count == 0 ? EDDA_ENOTFOUND : checkpoint_read(engine, &from);
    if (rc == EDDA_ECORRUPT)
        return rc;
    rc = journal_cursor_open(engine->journal, from, &engine->fold_cursor);
    if (rc < 0)
        return edda_fail_with(error, rc, "the journal cannot be read");
    engine->folded = from;
    rc = fold_catch_up(engine, error);
    if (rc == 0)
        rc = progress_load(engine, error);
    engine->opening = false;
    if (rc == 0)
        rc = journal_cursor_open(engine->journal, engine->hot, &engine->hot_cursor);
    for (uint32_t i = 0; rc == 0 && i < engine->service_count; i++)
        engine->services[i].in_step = !engine->options.chance && !engine->services[i].paused;
    return rc;
}

static int open_with(const struct engine_options *options, bool skip_checkpoint, struct engine **ret_engine, struct edda_error *error)
{
    struct engine *engine = calloc(1, sizeof *engine);
    if (!engine)
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory for the engine");
    init_members(engine, options);
    int rc = registry_init(engine, error);
    if (rc == 0)
        rc = schedules_check(engine, error);
    if (rc == 0)
        rc = recover(engine, skip_checkpoint, error);
    if (rc == 0)
        rc = channels_open(engine, error);
    if (rc == 0)
        rc = projections_load(engine, error);
    if (rc < 0) {
        engine_close(engine, true);
        return rc;
    }
    engine->progress_dirty = false;
    journal_before_flush(engine->journal, progress_note, engine);
    registry_look_over(engine);
    *ret_engine = engine;
    return 0;
}

int engine_open(const struct engine_options *options, struct engine **ret_engine, struct edda_error *error)
{
    int rc = open_with(options, false, ret_engine, error);
    /* A checkpoint that broke off in the middle has left half of itself in memory: begin anew, without it. */
    return rc == EDDA_ECORRUPT && !(error && error->code) ? open_with(options, true, ret_engine, error) : rc;
}

void engine_stop(struct engine *engine)
{
    engine->stopping = true;
}

void engine_close(struct engine *engine, bool abandon)
{
    if (!abandon && !engine->broken && engine->service_count > 0)
        (void)checkpoint_write(engine);
    engine->stopping = true; /* whoever is told that his call was given up must not call again */
    journal_before_flush(engine->journal, NULL, NULL);
    checkpoint_drop(engine);
    for (uint32_t i = 0; i < engine->service_count; i++) {
        struct service *service = &engine->services[i];
        lane_free_all(service);
        journal_cursor_close(engine->journal, service->cursor);
    }
    channels_close(engine);
    await_free_all(engine);
    journal_cursor_close(engine->journal, engine->fold_cursor);
    journal_cursor_close(engine->journal, engine->hot_cursor);
    while (!list_empty(&engine->free_steps)) {
        struct edda_step *step = container_of(list_pop_front(&engine->free_steps), struct edda_step, link);
        arena_deinit(&step->arena);
        buffer_deinit(&step->encoded);
        free(step);
    }
    while (!list_empty(&engine->free_tasks))
        free(container_of(list_pop_front(&engine->free_tasks), struct task, link));
    projections_close(engine);
    entity_free_all(engine);
    deadline_free_all(engine);
    sequences_free(engine);
    heap_deinit(&engine->retries);
    heap_deinit(&engine->undurable);
    registry_deinit(engine);
    arena_deinit(&engine->fold_arena);
    arena_deinit(&engine->load_arena);
    arena_deinit(&engine->take_arena);
    buffer_deinit(&engine->scratch);
    buffer_deinit(&engine->note);
    buffer_deinit(&engine->absent);
    free(engine);
}

/* When the engine wants to be called again although nothing has come. */
static int64_t next_wake_up(const struct engine *engine)
{
    int64_t next = deadline_next_ms(engine);
    const struct heap_node *retry = heap_first(&engine->retries);
    if (retry && retry->key < next)
        next = retry->key;
    if (engine->pools_wake_ms < next)
        next = engine->pools_wake_ms;
    if (engine->stalled && engine->stalled_until_ms < next)
        next = engine->stalled_until_ms;
    int64_t projections = projections_next_ms(engine);
    return projections < next ? projections : next;
}

/* The schedules of the tables are set when the engine first turns, or as soon as there is room. */
static int64_t arm_schedules(struct engine *engine, struct edda_error *error)
{
    struct edda_error own = { 0 };
    int rc = schedules_arm(engine, &own);
    engine->schedules_armed = rc == 0;
    if (rc == EDDA_EBUSY || rc == EDDA_EFULL) {
        engine->stalled = true;
        engine->stalled_until_ms = journal_time_ms(engine->journal) + (rc == EDDA_EFULL ? 200 : 0);
        return 0;
    }
    if (rc < 0)
        *error = own;
    return rc;
}

/* One round of everything; returns how much was done. */
static int64_t round_once(struct engine *engine, struct edda_error *error)
{
    if (!engine->schedules_armed) {
        int64_t rc = arm_schedules(engine, error);
        if (rc < 0)
            return rc;
    }
    int64_t fired = deadline_fire(engine, ENGINE_TURN_STEPS, error);
    if (fired < 0)
        return fired;
    int64_t ready = lane_run_ready(engine, ENGINE_TURN_STEPS, error);
    if (ready < 0)
        return ready;
    int64_t taken = dispatch_run(engine, DISPATCH_AT_ONCE, error);
    return taken < 0 ? taken : fired + ready + taken;
}

int64_t engine_turn(struct engine *engine, struct edda_error *error)
{
    struct edda_error own = { 0 };
    if (!error)
        error = &own;
    if (engine->broken) {
        *error = engine->broken_error;
        return engine->broken;
    }
    if (engine->stopping)
        return INT64_MAX;
    if (engine->stalled) {
        if (journal_time_ms(engine->journal) < engine->stalled_until_ms)
            return engine->stalled_until_ms;
        engine->stalled = false;
    }
    int64_t done = fold_catch_up(engine, error);
    for (int64_t all = 0; done >= 0 && all < ENGINE_TURN_STEPS; all += done) {
        done = round_once(engine, error);
        if (done <= 0)
            break;
        if (engine->options.chance)
            break; /* the simulator moves the clock between any two steps */
    }
    int64_t snapshots = done < 0 ? 0 : snapshot_write(engine, done == 0 ? SNAPSHOTS_QUIET : SNAPSHOTS_BUSY, error);
    done = snapshots < 0 ? snapshots : done;
    entity_trim(engine);
    if (done >= 0) {
        int64_t projected = projections_turn(engine, error);
        done = projected < 0 ? projected : done + projected;
    }
    if (done < 0) {
        engine->broken = (int)done;
        engine->broken_error = *error;
        return done;
    }
    bool gathering = done == 0 && checkpoint_turn(engine);
    if (gathering || done > 0 || (!engine->stalled && (!list_empty(&engine->ready) || dispatch_waiting(engine))))
        return 0;
    return next_wake_up(engine);
}

int64_t engine_drive(struct engine *engine, struct edda_error *error)
{
    for (;;) {
        (void)io_jobs_finish(engine->io);
        uint64_t started = engine->started;
        int64_t next = engine_turn(engine, error);
        if (next <= 0 || engine->running == 0 || engine->started == started || io_jobs_wait(engine->io, HANDLERS_WAIT_NS) == 0)
            return next;
    }
}

bool engine_flushed(const struct engine *engine)
{
    const struct heap_node *first = heap_first(&engine->undurable);
    if (engine->stopping || engine->broken)
        return false;
    return (first && (uint64_t)first->key < journal_durable(engine->journal)) || projections_can_go_on(engine);
}

bool engine_settled(const struct engine *engine)
{
    return engine->pending == 0 && engine->running == 0 && !dispatch_waiting(engine);
}

bool engine_only_repeats(const struct engine *engine)
{
    return engine->deadline_count == engine->repeating && engine->retries.count == 0;
}

uint64_t engine_repeats(const struct engine *engine, uint64_t *ret_fired)
{
    *ret_fired = engine->repeats_fired;
    return engine->repeating;
}

size_t engine_running(const struct engine *engine)
{
    return engine->running + engine->projecting + engine->reading;
}

bool engine_service(const struct engine *engine, size_t ordinal, struct engine_service_info *ret_info)
{
    if (ordinal >= engine->service_count)
        return false;
    const struct service *service = &engine->services[ordinal];
    uint64_t position = service->in_step && engine->hot > service->position ? engine->hot : service->position;
    uint64_t tail = journal_tail(engine->journal);
    *ret_info = (struct engine_service_info){
        .service = service->def, .paused = service->paused, .position = position, .lag = tail > position ? tail - position : 0,
        .pending = service->pending_count, .steps = service->steps, .skips = service->skips, .failures = service->failures,
        .quarantined = service->quarantined,
    };
    return true;
}

struct journal *engine_journal(struct engine *engine)
{
    return engine->journal;
}

const struct edda_app *engine_app(const struct engine *engine)
{
    return engine->app;
}
