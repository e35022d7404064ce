/*
 * Lanes: one step at a time per entity of a service, in the order of the messages. A lane exists only while something waits or is
 * at work; the usual message to an entity at rest is run at once and leaves nothing behind.
 *
 *   READY            its first task can run; it is on the engine's list of ready lanes
 *   WAITING_DURABLE  its first task is of an effect whose message is not durable yet
 *   WAITING_TURN     its first task is of a row on threads, whose pool lets none begin now (pool.c)
 *   RUNNING          its first task is on a thread
 *   WAITING_RETRY    its first task has failed and waits for its time
 *   QUARANTINED      its first task has failed for good; an operator decides
 */
#include "engine/internal.h"

#include <stdio.h>
#include <stdlib.h>

enum outcome { OUTCOME_DONE, OUTCOME_AGAIN, OUTCOME_FAILED, OUTCOME_STALLED, OUTCOME_DROPPED, OUTCOME_BROKEN };

static const struct edda_retry retry_default = { .immediate = 3, .delayed = 5, .delay_first_ms = 100, .delay_max_ms = 60000 };

#define STALL_BUSY_MS 0
#define STALL_FULL_MS 200

static uint64_t lane_hash(struct slice key)
{
    return hash64(key, 7);
}

struct lane *lane_find(struct service *service, struct slice key)
{
    for (struct table_link *link = table_find(&service->lanes, lane_hash(key)); link; link = table_find_next(link)) {
        struct lane *lane = container_of(link, struct lane, link);
        if (slice_eq(lane->key, key))
            return lane;
    }
    return NULL;
}

struct lane *lane_make(struct service *service, struct slice key)
{
    struct lane *lane = lane_find(service, key);
    if (lane)
        return lane;
    lane = calloc(1, sizeof *lane + key.len);
    if (!lane)
        return NULL;
    lane->service = service;
    lane->retry = HEAP_NODE_INIT;
    list_init(&lane->tasks);
    list_init(&lane->ready);
    if (key.len)
        memcpy(lane + 1, key.data, key.len);
    lane->key = slice_of(lane + 1, key.len);
    if (!table_insert(&service->lanes, &lane->link, lane_hash(key))) {
        free(lane);
        return NULL;
    }
    return lane;
}

static void lane_free(struct lane *lane)
{
    struct engine *engine = lane->service->engine;
    table_remove(&lane->service->lanes, &lane->link);
    if (list_linked(&lane->ready))
        list_remove(&lane->ready);
    if (heap_contains(&lane->retry))
        heap_remove(lane->state == LANE_WAITING_DURABLE ? &engine->undurable : &engine->retries, &lane->retry);
    free(lane);
}

struct task *lane_push(struct lane *lane, struct handler *handler, uint64_t position, struct engine_call *call)
{
    struct engine *engine = lane->service->engine;
    struct list *link = list_pop_front(&engine->free_tasks);
    struct task *task = link ? container_of(link, struct task, link) : malloc(sizeof *task);
    if (!task)
        return NULL;
    *task = (struct task){ .handler = handler, .position = position, .call = call };
    list_init(&task->pending);
    list_push_back(&lane->tasks, &task->link);
    if (!call) {
        list_push_back(&lane->service->pending, &task->pending);
        lane->service->pending_count++;
    }
    engine->pending++;
    return task;
}

void lane_task_done(struct lane *lane, struct task *task)
{
    struct engine *engine = lane->service->engine;
    list_remove(&task->link);
    if (list_linked(&task->pending)) {
        list_remove(&task->pending);
        lane->service->pending_count--;
        engine->progress_dirty = true;
    }
    engine->pending--;
    list_push_front(&engine->free_tasks, &task->link);
}

void lane_go_on(struct lane *lane)
{
    if (list_empty(&lane->tasks)) {
        lane_free(lane);
        return;
    }
    lane->state = LANE_READY;
    if (!list_linked(&lane->ready))
        list_push_back(&lane->service->engine->ready, &lane->ready);
}

/* --- one step ------------------------------------------------------------------------------------------- */

static struct edda_text text_of(struct slice s)
{
    return (struct edda_text){ (const char *)s.data, s.len };
}

static struct edda_step *step_start(struct handler *handler, struct slice key, uint32_t attempt)
{
    struct engine *engine = handler->service->engine;
    struct edda_step *step = step_new(engine);
    if (!step)
        return NULL;
    step->service = handler->service;
    step->handler = handler;
    step->key = step->lane_key = arena_copy(&step->arena, key);
    step->now_ms = journal_time_ms(engine->journal);
    step->info.attempt = attempt;
    step->info.type = edda_text_of(handler->row->type->name);
    step->info.topic = edda_text_of(handler->row->type->topic);
    step->undo_left = -1;
    return step;
}

/* What the step knows of a message from the journal. The texts are good as long as `taken` is. */
static void step_of_record(struct edda_step *step, const struct taken *taken)
{
    const struct record *record = &taken->record.record;
    struct edda_message_info *info = &step->info;
    const struct cloudevent *event = &taken->event;
    info->id = text_of(event->id);
    info->source = text_of(event->source);
    info->key = text_of(record->key);
    info->correlation = text_of(event->correlation);
    info->causation = text_of(event->causation);
    info->position = (int64_t)taken->record.position;
    info->time_ms = record->timestamp_ms;
    info->expiry_ms = event->expiry_ms;
    if (event->id.len == 0) {
        char *id = arena_printf(&step->arena, "%s/%llu", taken->record.topic->name, (unsigned long long)taken->record.position);
        info->id = edda_text_of(id);
    }
    struct slice text;
    if (info->correlation.len == 0)
        info->correlation = call_correlation(step->handler->row->type, taken->message, info->id, &step->arena);
    if (step->handler->row->type->kind == EDDA_TYPE_COMMAND && record_header_find(record, HEADER_REQUEST, &text))
        step->request = text;
    if (record_header_find(record, HEADER_UNDO, &text) && text.len < 10) {
        step->undo_left = (int32_t)edda_text_int(text_of(text));
        if (record_header_find(record, HEADER_UNDO_FIRST, &text) && text.len < 10)
            step->undo_first = (int32_t)edda_text_int(text_of(text));
    }
    step->expiry_ms = info->expiry_ms;
    step->message = taken->message;
    if (taken->unread) {
        step->code = taken->unread->code;
        step->error = *taken->unread;
    }
    if (!wants_answer(step->handler, taken))
        return;
    step->reply_to = taken->event.reply_to;
    struct slice key = entity_key_of(step->handler, taken, &step->arena);
    if (step->code == 0 && (key.len == 0 || key.len > ENGINE_KEY_MAX))
        (void)edda_reject(step, step->handler->row->key, "must be of 1 to %d bytes", ENGINE_KEY_MAX);
}

static void step_of_call(struct edda_step *step, const struct engine_call *call)
{
    struct edda_message_info *info = &step->info;
    struct engine *engine = step->engine;
    info->id = text_of(call->id.len ? call->id : call_id_new(engine, &step->arena));
    info->source = text_of(call->source.len ? call->source : slice_str(engine->app->name));
    info->position = -1;
    info->time_ms = step->now_ms;
    struct slice text;
    info->key = text_of(step->key);
    if (json_field_text(call->type, call->value, call->type->key, &step->arena, &text))
        info->key = text_of(text);
    info->correlation = call_correlation(call->type, call->value, info->id, &step->arena);
    step->message = call->value;
}

/* Puts the entity's state before the step; a copy when it runs on another thread. */
static int step_state(struct edda_step *step, bool copy)
{
    struct service *service = step->service;
    if (!service->category)
        return 0;
    int code;
    const struct entity *entity = entity_load(step->engine, service->category, step->key, &code);
    if (!entity)
        return code;
    step->state = entity_state(entity, step->handler->version);
    step->state_version = entity_state_version(entity, step->handler->version);
    if (copy)
        step->state = value_copy(step->handler->version->def->entity.state, step->state, &step->arena);
    return step->state ? 0 : EDDA_ENOMEM;
}

static enum outcome broken(struct engine *engine, int code, const struct edda_error *error)
{
    if (!engine->broken) {
        engine->broken = code;
        engine->broken_error = *error;
    }
    return OUTCOME_BROKEN;
}

void engine_stall(struct engine *engine, int code, const struct edda_error *error)
{
    /* Said once, and not at each attempt until there is room. */
    if (code == EDDA_EFULL && !engine->full)
        engine_log(engine, "journal.full", "%s; services wait until there is room",
                   error && error->message[0] ? error->message : edda_code_info(code)->sentence);
    engine->stalled = true;
    engine->full = code == EDDA_EFULL;
    engine->stalled_until_ms = journal_time_ms(engine->journal) + (code == EDDA_EFULL ? STALL_FULL_MS : STALL_BUSY_MS);
}

/* What becomes of a commit that failed. */
static enum outcome commit_failed(struct edda_step *step, struct engine_call *call, int code, struct edda_error *error)
{
    struct engine *engine = step->engine;
    if (code == EDDA_ERETRY)
        return OUTCOME_AGAIN;
    if (engine->broken)
        return OUTCOME_BROKEN;
    if (code == EDDA_EBUSY || (code == EDDA_EFULL && !call)) {
        engine_stall(engine, code, error);
        return OUTCOME_STALLED;
    }
    if (edda_code_info(code)->fatal)
        return broken(engine, code, error);
    if (call) {
        call_done(engine, call, code, error);
        return OUTCOME_DONE;
    }
    step->error = *error;
    return OUTCOME_FAILED;
}

/* Records what the handler did, or finds out what to do instead. */
static enum outcome conclude(struct edda_step *step, struct engine_call *call)
{
    struct edda_error error = { 0 };
    struct service *service = step->service;
    int rc = 0;
    if (step->code == 0) {
        rc = call ? reply_before(step, call) : 0;
        if (rc < 0)
            (void)edda_fail_with(&error, rc, "out of memory for a reply");
        else
            rc = commit_step(step, call, &error);
        if (rc < 0)
            return commit_failed(step, call, rc, &error);
        service->steps++;
        if (call)
            call_answer(step, call);
        else
            await_answer(step->engine, (uint64_t)step->info.position, step, 0, NULL);
        return OUTCOME_DONE;
    }
    if (step->interrupted)
        return OUTCOME_DROPPED;
    if (call) {
        call_done(step->engine, call, step->code, &step->error);
        return OUTCOME_DONE;
    }
    if (step_says_no(step)) {
        char reason[480];
        (void)snprintf(reason, sizeof reason, "rejected: %s", step->error.message);
        rc = commit_skip(step, NULL, reason, &error);
        if (rc < 0)
            return commit_failed(step, NULL, rc, &error);
        await_answer(step->engine, (uint64_t)step->info.position, NULL, step->code, &step->error);
        return OUTCOME_DONE;
    }
    return OUTCOME_FAILED;
}

static bool is_expired_at_start(const struct edda_step *step)
{
    return edda_expired(step) && !step->handler->row->late;
}

/* Runs a step whose message and entity are in place, on this thread. */
static enum outcome run_inline(struct edda_step *step, struct engine_call *call)
{
    int rc = step_state(step, false);
    if (rc < 0) {
        struct edda_error error = { 0 };
        (void)edda_fail_with(&error, rc, "the state of %.*s cannot be read", (int)step->key.len, (const char *)step->key.data);
        return commit_failed(step, call, rc, &error);
    }
    if (is_expired_at_start(step)) {
        step->code = 0; /* whatever it says, it says it too late */
        (void)edda_skip(step, "expired");
    } else if (step->code == 0) {
        (void)step_run(step);
    }
    return conclude(step, call);
}

/* --- failures ------------------------------------------------------------------------------------------- */

static int64_t retry_delay_ms(struct engine *engine, const struct edda_retry *policy, uint32_t round)
{
    int64_t delay = policy->delay_first_ms ? policy->delay_first_ms : retry_default.delay_first_ms;
    int64_t most = policy->delay_max_ms ? policy->delay_max_ms : retry_default.delay_max_ms;
    while (round-- && delay < most)
        delay *= 2;
    if (delay > most)
        delay = most;
    engine->jitter = hash64_mix(engine->jitter, (uint64_t)delay);
    return delay + (int64_t)(engine->jitter % (uint64_t)(delay / 5 + 1));
}

/* The lane's first task has failed: at once again, later again, or quarantine. */
static int task_failed(struct lane *lane, struct task *task, const struct edda_error *why, bool read, struct edda_error *error)
{
    struct engine *engine = lane->service->engine;
    const struct edda_retry *policy = &task->handler->row->retry;
    if (!policy->never && !policy->immediate && !policy->delayed)
        policy = &retry_default;
    struct pool *pool = task->handler->pool;
    lane->service->failures++;
    if (pool_holds(pool, why->code)) {
        await_accept_lane(lane);
        pool_wait(pool, lane);
        pool_wake(pool);
        return 0;
    }
    uint32_t attempt = ++task->attempt;
    bool again = read && !policy->never && why->code != EDDA_EREFUSED; /* what cannot be read is not read better a moment later */
    if (again && attempt <= policy->immediate + policy->delayed)
        await_accept_lane(lane);
    if (again && attempt <= policy->immediate) {
        lane_go_on(lane);
        return 0;
    }
    if (again && attempt <= policy->immediate + policy->delayed) {
        int64_t at = journal_time_ms(engine->journal) + retry_delay_ms(engine, policy, attempt - policy->immediate - 1);
        lane->state = LANE_WAITING_RETRY;
        if (!heap_insert(&engine->retries, &lane->retry, at, task->position))
            return edda_fail_with(error, EDDA_ENOMEM, "out of memory for retries");
        return 0;
    }
    int rc = quarantine_enter(lane, why, error);
    if (rc != EDDA_EFULL && rc != EDDA_EBUSY)
        return rc;
    engine_stall(engine, rc, error);
    lane_go_on(lane);
    return 0;
}

static int settle(struct lane *lane, struct task *task, enum outcome outcome, struct edda_step *step, struct edda_error *error)
{
    struct engine *engine = lane->service->engine;
    switch (outcome) {
    case OUTCOME_DONE:
        lane_task_done(lane, task);
        lane_go_on(lane);
        return 0;
    case OUTCOME_AGAIN:
    case OUTCOME_STALLED:
        lane_go_on(lane);
        return 0;
    case OUTCOME_FAILED:
        return task_failed(lane, task, &step->error, step->message != NULL, error);
    case OUTCOME_DROPPED:
        lane->state = LANE_READY; /* not listed: it is run again at the next start */
        return 0;
    case OUTCOME_BROKEN:
        break;
    }
    *error = engine->broken_error;
    return engine->broken;
}

/* --- rows on threads ------------------------------------------------------------------------------------ */

static void blocking_run(struct io_job *job)
{
    struct edda_step *step = container_of(job, struct edda_step, job);
    (void)step_run(step);
}

/* A step that has run on a thread is recorded. When there is no room for it, one that has done something outside is kept, and is not run again. */
static int conclude_blocking(struct lane *lane, struct edda_step *step, struct edda_error *error)
{
    struct engine *engine = step->engine;
    struct task *task = container_of(lane->tasks.next, struct task, link);
    lane->step = NULL;
    enum outcome outcome = engine->broken ? OUTCOME_BROKEN : conclude(step, task->call);
    if (outcome == OUTCOME_STALLED && step_is_bound(step)) {
        step->awaits_record = true;
        lane->step = step;
        lane_go_on(lane);
        return 0;
    }
    int rc = settle(lane, task, outcome, step, error);
    step_free(step);
    return rc;
}

static void blocking_done(struct io_job *job)
{
    struct edda_step *step = container_of(job, struct edda_step, job);
    struct engine *engine = step->engine;
    struct edda_error error = { 0 };
    engine->running--;
    pool_end(step->handler->pool, step);
    pool_wake(step->handler->pool); /* before this lane's next message, which would take the thread again */
    int rc = conclude_blocking(step->lane, step, &error);
    if (rc < 0)
        (void)broken(engine, rc, &error);
}

static int run_blocking(struct lane *lane, struct edda_step *step)
{
    struct engine *engine = step->engine;
    int rc = step_state(step, true);
    if (rc < 0) {
        step_free(step);
        return rc;
    }
    step->blocking = true;
    step->lane = lane;
    step->job = (struct io_job){ .run = blocking_run, .done = blocking_done };
    list_init(&step->job.link);
    lane->state = LANE_RUNNING;
    lane->step = step;
    engine->running++;
    engine->started++;
    pool_begin(step->handler->pool, step);
    io_job_submit(engine->io, IO_POOL_HANDLERS, &step->job);
    return 0;
}

/* --- running a lane's first task ------------------------------------------------------------------------ */

/* Reads the task's message; DONE when it can no longer be handled. */
static enum outcome task_message(struct edda_step *step, const struct task *task, struct edda_error *error)
{
    struct engine *engine = step->engine;
    struct journal_record record;
    struct taken *taken = arena_alloc(&step->arena, sizeof *taken);
    int rc = taken ? journal_record_at(engine->journal, task->position, &record) : EDDA_ENOMEM;
    if (rc == 0)
        rc = take_copy(engine, task->handler->type, &record, &step->arena, taken);
    /* It was removed while it waited: nobody can handle it any more. */
    if (rc == 0 || rc == EDDA_ENOTFOUND)
        return OUTCOME_DONE;
    if (rc < 0) {
        (void)edda_fail_with(error, rc, "the message at position %llu cannot be read", (unsigned long long)task->position);
        return broken(engine, rc, error);
    }
    step_of_record(step, taken);
    if (task->quarantined && taken->message) {
        struct slice key = entity_key_of(task->handler, taken, &step->arena);
        if (key.len > 0 && key.len <= ENGINE_KEY_MAX && !slice_eq(key, step->key)) {
            /* Known now, when it was not when the message was quarantined. */
            struct handler *handler = version_handler(registry_handler(task->handler->type, task->handler->service), key);
            step->key = key;
            step->handler = handler ? handler : step->handler;
        }
    }
    return OUTCOME_AGAIN;
}

/* Whether a lane's first task must wait: until its message is durable, or for its turn. 0 or 1, or a negative code. */
static int must_wait(struct lane *lane, const struct task *task, struct edda_error *error)
{
    struct engine *engine = lane->service->engine;
    struct pool *pool = task->handler->pool;
    if (pool && pool->outside && task->position >= journal_durable(engine->journal)) {
        lane->state = LANE_WAITING_DURABLE;
        return heap_insert(&engine->undurable, &lane->retry, (int64_t)task->position, 0) ?
                   1 : edda_fail_with(error, EDDA_ENOMEM, "out of memory for a message to wait");
    }
    if (!pool || pool_may_begin(pool, pool->outside ? journal_time_ms(engine->journal) : 0))
        return 0;
    pool_wait(pool, lane);
    if (pool->outside)
        pool_wake(pool);
    return 1;
}

static int run_first(struct lane *lane, struct edda_error *error)
{
    struct engine *engine = lane->service->engine;
    struct task *task = container_of(lane->tasks.next, struct task, link);
    struct handler *handler = task->handler;
    struct pool *pool = handler->pool;
    if (lane->step && lane->step->awaits_record)
        return conclude_blocking(lane, lane->step, error);
    int wait = must_wait(lane, task, error);
    if (wait != 0)
        return wait < 0 ? wait : 0;
    if (task->call && engine_call_repeated(engine, task->call)) {
        if (pool)
            pool_wake(pool);
        return settle(lane, task, OUTCOME_DONE, NULL, error);
    }
    struct edda_step *step = step_start(handler, lane->key, task->attempt);
    if (!step)
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory for a step");
    step->quarantined = task->quarantined;
    enum outcome outcome = OUTCOME_AGAIN;
    if (task->call)
        step_of_call(step, task->call);
    else
        outcome = task_message(step, task, error);
    if (outcome == OUTCOME_AGAIN) {
        if (pool && step->code == 0 && !is_expired_at_start(step)) {
            int rc = run_blocking(lane, step);
            if (rc == 0)
                pool_wake(pool); /* the next may begin as well */
            return rc < 0 ? edda_fail_with(error, rc, "the state of an entity cannot be read") : 0;
        }
        outcome = run_inline(step, task->call);
    }
    if (pool)
        pool_wake(pool); /* this one did not need a thread after all */
    int rc = settle(lane, task, outcome, step, error);
    step_free(step);
    return rc;
}

int64_t lane_run_ready(struct engine *engine, uint64_t max, struct edda_error *error)
{
    int64_t now_ms = engine->retries.count ? journal_time_ms(engine->journal) : 0;
    struct heap_node *node;
    while ((node = heap_first(&engine->retries)) && node->key <= now_ms) {
        heap_remove(&engine->retries, node);
        lane_go_on(container_of(node, struct lane, retry));
    }
    uint64_t durable = engine->undurable.count ? journal_durable(engine->journal) : 0;
    while ((node = heap_first(&engine->undurable)) && (uint64_t)node->key < durable) {
        heap_remove(&engine->undurable, node);
        lane_go_on(container_of(node, struct lane, retry));
    }
    if (engine->pools_wake_ms != INT64_MAX)
        pools_wake(engine, journal_time_ms(engine->journal));
    uint64_t count = 0;
    while (count < max && !engine->stalled && !list_empty(&engine->ready)) {
        struct lane *lane = container_of(list_pop_front(&engine->ready), struct lane, ready);
        int rc = run_first(lane, error);
        if (rc < 0)
            return rc;
        count++;
    }
    return (int64_t)count;
}

/* --- new messages --------------------------------------------------------------------------------------- */

static int enqueue(struct handler *handler, struct slice key, const struct taken *taken, struct edda_error *error)
{
    struct lane *lane = lane_make(handler->service, key);
    bool first = lane && list_empty(&lane->tasks);
    struct task *task = lane ? lane_push(lane, handler, taken->record.position, NULL) : NULL;
    if (!task)
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory for a message to wait");
    if (lane->state == LANE_QUARANTINED) {
        int rc = quarantine_hold(lane, task, error);
        if (rc == EDDA_EFULL || rc == EDDA_EBUSY) {
            engine_stall(handler->service->engine, rc, error);
            return 0; /* held in memory, and among the service's pending */
        }
        return rc;
    }
    if (first)
        lane_go_on(lane);
    return 0;
}

int lane_take(struct handler *handler, struct slice key, const struct taken *taken, struct edda_error *error)
{
    struct service *service = handler->service;
    struct engine *engine = service->engine;
    if (handler->pool || engine->stalled || (service->lanes.count && lane_find(service, key)))
        return enqueue(handler, key, taken, error);
    struct edda_step *step = step_start(handler, key, 0);
    if (!step)
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory for a step");
    step_of_record(step, taken);
    enum outcome outcome = run_inline(step, NULL);
    int rc = 0;
    if (outcome != OUTCOME_DONE) {
        /* What could not be finished at once waits in a lane, like everything that does not run inline. */
        struct lane *lane = lane_make(service, key);
        struct task *task = lane ? lane_push(lane, handler, taken->record.position, NULL) : NULL;
        rc = task ? settle(lane, task, outcome, step, error) : edda_fail_with(error, EDDA_ENOMEM, "out of memory for a retry");
    }
    step_free(step);
    return rc;
}

void lane_call(struct handler *handler, struct slice key, struct engine_call *call)
{
    struct engine *engine = handler->service->engine;
    struct edda_error error = { 0 };
    struct lane *lane = lane_make(handler->service, key);
    if (lane && lane->state == LANE_QUARANTINED) {
        (void)edda_fail_with(&error, EDDA_EQUARANTINED, "entity %.*s of service %s is quarantined: %s", (int)key.len,
                             (const char *)key.data, handler->service->def->name, lane->reason);
        call_done(engine, call, error.code, &error);
        return;
    }
    bool first = lane && list_empty(&lane->tasks);
    if (first && engine->stalled && engine->full && journal_time_ms(engine->journal) < engine->stalled_until_ms) {
        lane_free(lane);
        (void)edda_fail_with(&error, EDDA_EFULL, "there is no room for another step");
        call_done(engine, call, error.code, &error);
        return;
    }
    struct task *task = lane ? lane_push(lane, handler, UINT64_MAX, call) : NULL;
    if (!task) {
        (void)edda_fail_with(&error, EDDA_ENOMEM, "out of memory for a call");
        call_done(engine, call, error.code, &error);
        return;
    }
    if (!first)
        return;
    if (engine->stalled || !list_empty(&engine->ready)) {
        lane_go_on(lane);
        return;
    }
    int rc = run_first(lane, &error);
    if (rc < 0)
        (void)broken(engine, rc, &error);
}

int lane_leave_out(struct lane *lane, const char *reason, struct edda_error *error)
{
    struct engine *engine = lane->service->engine;
    struct task *task = container_of(lane->tasks.next, struct task, link);
    struct edda_step *step = step_start(task->handler, lane->key, task->attempt);
    if (!step)
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory for a step");
    struct edda_error own = { 0 };
    step->quarantined = task->quarantined;
    int rc = 0;
    if (task_message(step, task, &own) == OUTCOME_AGAIN) {
        if (step->request.len)
            step->code = edda_fail_with(&step->error, EDDA_EREJECTED, "%s", reason);
        rc = commit_skip(step, NULL, reason, &own);
    } else {
        rc = engine->broken;
    }
    step_free(step);
    if (rc < 0 && error)
        *error = own;
    if (rc == 0)
        lane_task_done(lane, task);
    return rc;
}

void lane_free_all(struct service *service)
{
    struct table_link *link;
    while ((link = table_each(&service->lanes, NULL))) {
        struct lane *lane = container_of(link, struct lane, link);
        step_free(lane->step); /* a step under way whose job was dropped: the machine has died */
        while (!list_empty(&lane->tasks)) {
            struct task *task = container_of(lane->tasks.next, struct task, link);
            struct engine_call *call = task->call;
            lane_task_done(lane, task);
            if (call) {
                struct edda_error error = { 0 };
                (void)edda_fail_with(&error, EDDA_ECLOSED, "the application is stopping");
                call_done(service->engine, call, error.code, &error);
            }
        }
        lane_free(lane);
    }
}
