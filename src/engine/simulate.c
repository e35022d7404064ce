/* One seed of the simulator: plan, world, invariants. See simulator.h. */
#include "engine/simulator_parts.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "io/simulated.h"
#include "journal/local.h"

#define CHECKPOINT_RECORDS 100 /* so few that most seeds write one, and some die while they do */
#define OPERATIONS_TO_CRASH 60

static int64_t now_ms(const struct edda_sim *sim)
{
    return io_clock_wall_ns(sim->io) / 1000000 - sim->start_ms;
}

static uint64_t world(struct edda_sim *sim, uint64_t below)
{
    return prng_below(&sim->world, below);
}

static uint64_t chance(void *user, uint64_t below)
{
    return world(user, below);
}

/* When the database fails. */
static uint64_t database_chance(void *user, uint64_t below)
{
    struct edda_sim *sim = user;
    return sim->faults & SIM_DATABASE ? world(sim, below) : 1;
}

/* --- the plan ------------------------------------------------------------------------------------------- */

uint64_t edda_sim_random(struct edda_sim *sim, uint64_t below)
{
    return below ? prng_below(&sim->plan, below) : 0;
}

static struct sim_action *action_add(struct edda_sim *sim, enum sim_action_kind kind, int64_t at_ms)
{
    if (sim->action_count == SIM_ACTIONS_MAX) {
        sim->code = edda_fail_with(&sim->error, EDDA_ELIMIT, "a plan has at most %d actions", SIM_ACTIONS_MAX);
        return NULL;
    }
    struct sim_action *action = &sim->actions[sim->action_count++];
    *action = (struct sim_action){ .kind = kind, .planned_ms = at_ms, .at_ms = at_ms };
    return action;
}

int edda_sim_call_struct(struct edda_sim *sim, int64_t at_ms, const struct edda_type *command, const void *value)
{
    struct sim_action *action = action_add(sim, SIM_CALL, at_ms);
    if (!action)
        return -1;
    action->type = command;
    action->value = value_copy(command, value, &sim->arena);
    if (!action->value)
        sim->code = EDDA_ENOMEM;
    return (int)sim->action_count - 1;
}

void edda_sim_pause(struct edda_sim *sim, const struct edda_service *service, int64_t at_ms, int64_t for_ms)
{
    struct sim_action *action = action_add(sim, SIM_PAUSE, at_ms);
    if (!action)
        return;
    action->service = service;
    action->until_ms = at_ms + for_ms;
}

/* --- opening and dying ---------------------------------------------------------------------------------- */

static int open_world(struct edda_sim *sim)
{
    struct store_options options = {
        .log = { .segment_bytes = UINT64_C(256) << 10 },
        .index = { .tail_entries_max = 4096 },
        .frame_bytes = UINT32_C(16) << 10,
    };
    int rc = journal_local_open(sim->io, "sim", &options, &sim->journal, NULL, &sim->error);
    if (rc < 0)
        return rc;
    struct engine_options engine_options = {
        .app = sim->app, .io = sim->io, .journal = sim->journal, .chance = chance, .chance_user = sim,
        .checkpoint_records = CHECKPOINT_RECORDS, .checkpoint_rows = 1, .database = sim->database,
        .state_bytes_max = sim->seed % 4 == 0 ? 1 : 0, /* in every fourth world no state stays in memory */
        .outside = sim_outside, .outside_user = sim,
    };
    return engine_open(&engine_options, &sim->engine, &sim->error);
}

static void close_world(struct edda_sim *sim, bool abandon)
{
    if (sim->engine)
        engine_close(sim->engine, abandon);
    sim->engine = NULL;
    journal_close(sim->journal, abandon);
    sim->journal = NULL;
}

/* An operator has a read model built anew. */
static void rebuild_by_chance(struct edda_sim *sim)
{
    for (size_t i = 0; sim->app->projections && sim->app->projections[i]; i++)
        if ((sim->faults & SIM_DATABASE) && world(sim, 8) == 0)
            (void)engine_rebuild(sim->engine, slice_str(sim->app->projections[i]->name), NULL);
}

/* The process has died: it starts again on what the disk kept, and dies again now and then while it does. */
static int restart(struct edda_sim *sim, bool lose_nothing)
{
    for (;;) {
        for (size_t i = 0; i < sim->action_count; i++)
            sim->actions[i].under_way = sim->actions[i].decided = false;
        io_simulated_cut_after(sim->io, 0);
        io_simulated_crash(sim->io, lose_nothing);
        close_world(sim, true);
        sim->restarts++;
        sim->stats.restarts++;
        if ((sim->faults & SIM_CRASH) && sim->restarts < SIM_RESTARTS_MAX && world(sim, 2) == 0)
            io_simulated_cut_after(sim->io, 1 + world(sim, OPERATIONS_TO_CRASH));
        if ((sim->faults & SIM_SYNC_FAILURE) && sim->restarts < SIM_RESTARTS_MAX && world(sim, 8) == 0)
            io_simulated_fail_sync(sim->io, 1 + world(sim, 8));
        int rc = open_world(sim);
        if (rc == 0) {
            rebuild_by_chance(sim);
            return 0;
        }
        bool died = io_simulated_is_cut(sim->io) || rc == EDDA_EIO || rc == EDDA_ECLOSED;
        if (!died || sim->restarts > 2 * SIM_RESTARTS_MAX)
            return rc;
    }
}

/* --- actions -------------------------------------------------------------------------------------------- */

static void call_answered(struct engine_call *call)
{
    struct sim_action *action = call->user;
    action->decided = true;
}

static void call_begin(struct edda_sim *sim, struct sim_action *action)
{
    char *id = arena_printf(&sim->call_arena, "call-%zu", (size_t)(action - sim->actions));
    action->begun = action->under_way = true;
    action->decided = false;
    action->call = (struct engine_call){
        .type = action->type, .value = action->value, .source = SLICE("client"), .id = slice_str(id),
        .expected = JOURNAL_ANY, .done = call_answered, .user = action, .arena = &sim->call_arena,
    };
    engine_call(sim->engine, &action->call);
}

/* An answer has left when what it depends on is durable. A refusal that can be tried again is. */
static void call_continue(struct edda_sim *sim, struct sim_action *action)
{
    if (action->under_way) {
        if (!action->decided || journal_durable(sim->journal) < action->call.gate)
            return;
        action->under_way = false;
        int code = action->call.code;
        bool again = code == EDDA_EPAUSED || code == EDDA_EBUSY || code == EDDA_ECLOSED || code == EDDA_EIO;
        bool repeat = (sim->faults & SIM_REPEAT) && action->repeats < 2 && world(sim, 8) == 0;
        action->done = !again && !repeat;
        action->repeats += repeat;
        sim->stats.calls += action->done;
        action->at_ms = now_ms(sim) + 1 + (int64_t)world(sim, 200);
        return;
    }
    if (now_ms(sim) >= action->at_ms)
        call_begin(sim, action);
}

static void pause_continue(struct edda_sim *sim, struct sim_action *action)
{
    struct slice name = slice_str(action->service->name);
    if (!action->begun && now_ms(sim) >= action->at_ms) {
        action->begun = true;
        (void)engine_pause(sim->engine, name, true, NULL);
    } else if (action->begun && now_ms(sim) >= action->until_ms) {
        /* Asked again until it is durable, as an operator would who looks whether it has worked. */
        bool resumed = engine_pause(sim->engine, name, false, NULL) == 0;
        action->done = resumed && !journal_flushing(sim->journal);
    }
}

/* Does what is due; returns the time of the next action, INT64_MAX when all are done. */
static int64_t actions_continue(struct edda_sim *sim)
{
    int64_t next = INT64_MAX;
    for (size_t i = 0; i < sim->action_count; i++) {
        struct sim_action *action = &sim->actions[i];
        if (action->disabled || action->done)
            continue;
        if (action->kind == SIM_CALL)
            call_continue(sim, action);
        else
            pause_continue(sim, action);
        if (action->done || action->under_way)
            continue;
        int64_t due = action->kind == SIM_PAUSE && action->begun ? action->until_ms : action->at_ms;
        next = due < next ? due : next;
    }
    return next;
}

static bool actions_done(const struct edda_sim *sim)
{
    for (size_t i = 0; i < sim->action_count; i++)
        if (!sim->actions[i].disabled && !sim->actions[i].done)
            return false;
    return true;
}

/* --- the world goes on ---------------------------------------------------------------------------------- */

static void advance_to(struct edda_sim *sim, int64_t at_ms)
{
    int64_t by_ns = (at_ms + sim->start_ms) * INT64_C(1000000) - io_clock_wall_ns(sim->io);
    int64_t job_ns = io_simulated_next_job_ns(sim->io);
    if (job_ns != INT64_MAX && job_ns - io_clock_boot_ns(sim->io) < by_ns)
        by_ns = job_ns - io_clock_boot_ns(sim->io);
    io_simulated_advance(sim->io, by_ns > 0 ? by_ns : 1000);
}

/* Schedules never end. When nothing else is to come each happens twice more, on average, and then they count as nothing. */
static bool only_repeats(struct edda_sim *sim)
{
    uint64_t fired, pending = engine_repeats(sim->engine, &fired);
    uint64_t more = fired >= sim->repeats_seen ? fired - sim->repeats_seen : fired;
    sim->repeats_seen = fired;
    if (!actions_done(sim))
        return false;
    if (sim->repeats_left == UINT64_MAX)
        sim->repeats_left = 2 * pending;
    sim->repeats_left -= more < sim->repeats_left ? more : sim->repeats_left;
    return sim->repeats_left == 0 && engine_only_repeats(sim->engine);
}

/* One turn of the application; a negative code when its journal has failed for good. `*ret_over` says that there is nothing left to do. */
static int turn(struct edda_sim *sim, bool *ret_over)
{
    io_jobs_finish(sim->io);
    int64_t next_action = actions_continue(sim);
    struct edda_error error = { 0 };
    int64_t wake = engine_turn(sim->engine, &error);
    if (wake < 0)
        return (int)wake;
    bool idle = wake != 0 || world(sim, 4) == 0;
    int rc = journal_flush(sim->journal, idle, &error);
    if (rc < 0)
        return rc;
    if (wake == 0) {
        io_simulated_advance(sim->io, (int64_t)world(sim, 400000));
        return 0;
    }
    int64_t next = wake == INT64_MAX || only_repeats(sim) ? INT64_MAX : wake - sim->start_ms;
    if (next_action < next)
        next = next_action;
    bool jobs = io_simulated_next_job_ns(sim->io) != INT64_MAX;
    if (next == INT64_MAX && !jobs) {
        *ret_over = !journal_flushing(sim->journal) && actions_done(sim) && engine_settled(sim->engine) && engine_projected(sim->engine);
        next = now_ms(sim) + 1;
    }
    advance_to(sim, next == INT64_MAX ? now_ms(sim) + 1000 : next);
    return 0;
}

static int run_world(struct edda_sim *sim)
{
    bool over = false;
    for (uint32_t turns = 0; !over; turns++) {
        if (turns == SIM_TURNS_MAX)
            return edda_fail_with(&sim->error, EDDA_ETIMEOUT, "the application does not come to rest");
        int rc = turn(sim, &over);
        bool cut = io_simulated_is_cut(sim->io);
        if (rc < 0 && !cut && rc != EDDA_EIO)
            return edda_fail_with(&sim->error, rc, "the application failed: %s", edda_code_info(rc)->sentence);
        if (rc < 0 || cut) {
            rc = restart(sim, world(sim, 3) == 0);
            if (rc < 0)
                return rc;
            over = false;
        }
    }
    return 0;
}

static void prepare(struct edda_sim *sim, uint64_t seed, unsigned faults)
{
    struct io_simulated_options options = { .seed = seed, .disk_bytes = UINT64_C(16) << 20 };
    io_simulated_reset(sim->io, &options);
    if (sim->database)
        database_memory_reset(sim->database);
    prng_init(&sim->plan, seed);
    prng_init(&sim->world, seed ^ UINT64_C(0x9e3779b97f4a7c15));
    arena_reset(&sim->arena);
    arena_reset(&sim->call_arena);
    buffer_clear(&sim->failure);
    sim->seed = seed;
    sim->faults = faults;
    sim->action_count = 0;
    sim->restarts = 0;
    sim->failures = 0;
    sim->correlation = (struct edda_text){ NULL, 0 };
    sim->error = (struct edda_error){ 0 };
    sim->code = 0;
    sim->keys_known = false;
    sim->repeats_left = UINT64_MAX;
    sim->repeats_seen = 0;
    sim->effect_count = 0;
    sim->start_ms = io_clock_wall_ns(sim->io) / 1000000;
    sim->app->simulation->plan(sim, sim->app->simulation->user);
}

/* A handler that keeps failing is a failure of the process, whatever the invariants say. */
static int fail_for_quarantine(void *user, const struct engine_quarantine_info *quarantined)
{
    struct edda_sim *sim = user;
    struct edda_text correlation = { (const char *)quarantined->correlation.data, quarantined->correlation.len };
    edda_sim_fail(sim, correlation, "entity %.*s of service %.*s is quarantined: %.*s", (int)quarantined->key.len,
                  (const char *)quarantined->key.data, (int)quarantined->service.len, (const char *)quarantined->service.data,
                  (int)quarantined->reason.len, (const char *)quarantined->reason.data);
    return 0;
}

int simulate(struct edda_sim *sim, uint64_t seed, unsigned faults, const bool *disabled)
{
    prepare(sim, seed, faults);
    for (size_t i = 0; disabled && i < sim->action_count; i++)
        sim->actions[i].disabled = disabled[i];
    if ((faults & SIM_CRASH) && world(sim, 4) != 0)
        io_simulated_cut_after(sim->io, 1 + world(sim, OPERATIONS_TO_CRASH));
    int rc = sim->code < 0 ? sim->code : open_world(sim);
    if (rc < 0 && io_simulated_is_cut(sim->io))
        rc = restart(sim, false);
    if (rc == 0)
        rc = run_world(sim);
    io_simulated_cut_after(sim->io, 0);
    if (rc == 0 && (faults & SIM_CRASH) && world(sim, 4) == 0) {
        /* What is derived must come out the same after a start on the log alone. */
        sim->faults = 0;
        if (world(sim, 2) == 0) {
            close_world(sim, false); /* in good order: with a checkpoint */
            rc = open_world(sim);
            if (rc == EDDA_EIO)
                rc = restart(sim, false); /* a sync that was to fail has waited until now */
        } else {
            rc = restart(sim, false);
        }
        if (rc == 0)
            rc = run_world(sim);
    }
    sim->stats.seeds++;
    sim->stats.simulated_ms += now_ms(sim);
    if (rc < 0) {
        sim->code = rc;
        return rc;
    }
    sim->stats.records += journal_tail(sim->journal);
    (void)engine_quarantine_each(sim->engine, fail_for_quarantine, sim);
    sim->app->simulation->check(sim, sim->app->simulation->user);
    return sim->failures ? 1 : 0;
}

void simulate_end(struct edda_sim *sim)
{
    io_simulated_cut_after(sim->io, 0);
    io_simulated_crash(sim->io, false);
    close_world(sim, true);
}

/* --- checks --------------------------------------------------------------------------------------------- */

const void *edda_sim_state(struct edda_sim *sim, const struct edda_service *service, struct edda_text key)
{
    return engine_state(sim->engine, service, slice_of(key.data, key.len));
}

bool edda_sim_answer(struct edda_sim *sim, size_t index, struct edda_sim_answer *ret_answer)
{
    for (size_t i = 0; i < sim->action_count; i++) {
        const struct sim_action *action = &sim->actions[i];
        if (action->kind != SIM_CALL || action->disabled || index-- > 0)
            continue;
        *ret_answer = (struct edda_sim_answer){ action->type, action->value, action->call.code };
        return true;
    }
    return false;
}

size_t edda_sim_rows(struct edda_sim *sim, const struct edda_table *table, const void **ret_rows)
{
    return sim->database ? database_memory_rows(sim->database, table, ret_rows) : 0;
}

static bool key_seen(const struct edda_sim *sim, const struct journal_record *record)
{
    for (size_t i = 0; i < sim->key_count; i++)
        if (sim->keys[i].topic == record->topic && slice_eq(sim->keys[i].record.key, record->record.key))
            return true;
    return false;
}

/* Collects the streams of the journal in the order of their first events. */
static void collect_keys(struct edda_sim *sim)
{
    struct journal_cursor *cursor;
    struct journal_record record;
    sim->key_count = 0;
    sim->keys_known = true;
    if (journal_cursor_open(sim->journal, 0, &cursor) < 0)
        return;
    while (journal_cursor_next(sim->journal, cursor, &record, NULL) > 0) {
        if (record.record.key.len == 0 || record.topic->name[0] == '_' || key_seen(sim, &record))
            continue;
        if (sim->key_count == sim->key_capacity) {
            size_t capacity = sim->key_capacity ? sim->key_capacity * 2 : 64;
            struct journal_record *grown = realloc(sim->keys, capacity * sizeof *grown);
            if (!grown)
                break;
            sim->keys = grown;
            sim->key_capacity = capacity;
        }
        record.record.key = arena_copy(&sim->arena, record.record.key);
        sim->keys[sim->key_count++] = record;
    }
    journal_cursor_close(sim->journal, cursor);
}

bool edda_sim_entity(struct edda_sim *sim, const struct edda_service *service, size_t index, struct edda_text *ret_key,
                     const void **ret_state)
{
    if (!sim->keys_known)
        collect_keys(sim);
    for (size_t i = 0; service->entity.category && i < sim->key_count; i++) {
        if (strcmp(sim->keys[i].topic->name, service->entity.category) != 0 || index-- > 0)
            continue;
        struct slice key = sim->keys[i].record.key;
        *ret_key = (struct edda_text){ (const char *)key.data, key.len };
        *ret_state = engine_state(sim->engine, service, key);
        return *ret_state != NULL;
    }
    return false;
}

void edda_sim_fail(struct edda_sim *sim, struct edda_text correlation, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    buffer_printf(&sim->failure, "  %s\n", text);
    if (sim->failures++ == 0 && correlation.len) {
        struct slice copy = arena_copy(&sim->arena, slice_of(correlation.data, correlation.len));
        sim->correlation = (struct edda_text){ (const char *)copy.data, copy.len };
    }
}

/* --- the simulator -------------------------------------------------------------------------------------- */

struct simulator *simulator_new(const struct edda_app *app)
{
    struct simulator *simulator = calloc(1, sizeof *simulator);
    if (!simulator)
        return NULL;
    struct edda_sim *sim = &simulator->sim;
    struct io_simulated_options options = { .disk_bytes = UINT64_C(16) << 20 };
    sim->app = app;
    sim->io = io_simulated_new(&options);
    arena_init(&sim->arena, 0, 0);
    arena_init(&sim->call_arena, 0, 0);
    buffer_init(&sim->failure, 0);
    const struct database_memory_options database = { .chance = database_chance, .chance_user = sim };
    if (app->projections)
        sim->database = database_memory_new(&database);
    if (!sim->io || (app->projections && !sim->database)) {
        simulator_free(simulator);
        return NULL;
    }
    return simulator;
}

void simulator_free(struct simulator *simulator)
{
    struct edda_sim *sim = &simulator->sim;
    if (sim->io)
        io_simulated_free(sim->io);
    database_close(sim->database);
    arena_deinit(&sim->arena);
    arena_deinit(&sim->call_arena);
    buffer_deinit(&sim->failure);
    free(sim->keys);
    free(sim->effects);
    free(simulator);
}

int simulator_run(struct simulator *simulator, uint64_t seed, struct buffer *report)
{
    struct edda_sim *sim = &simulator->sim;
    int rc = simulate(sim, seed, SIM_FAULTS_ALL, NULL);
    simulate_end(sim);
    if (rc != 0 && report)
        simulate_report(sim, seed, report);
    return rc;
}

void simulator_load(struct simulator *simulator, uint64_t n, simulator_call_fn *visit, void *user)
{
    struct edda_sim *sim = &simulator->sim;
    arena_reset(&sim->arena);
    sim->action_count = 0;
    prng_init(&sim->plan, n);
    sim->app->simulation->load(sim, n, sim->app->simulation->user);
    for (size_t i = 0; i < sim->action_count; i++)
        visit(user, sim->actions[i].planned_ms, sim->actions[i].type, sim->actions[i].value);
}

void simulator_stats(const struct simulator *simulator, struct simulator_stats *ret_stats)
{
    *ret_stats = simulator->sim.stats;
}
