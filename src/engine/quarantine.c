/*
 * Quarantine: an entity whose handler keeps failing waits alone, its messages held in order in TOPIC_QUARANTINE, so that the service goes on
 * with all others. An operator tries the failed message again or leaves it out; those behind it follow. A message leaves the
 * quarantine in the very step that handles it.
 */
#include "engine/projection.h"

#include <stdio.h>
#include <stdlib.h>

static struct task *find_task(struct lane *lane, uint64_t position)
{
    for (struct list *link = lane->tasks.next; link != &lane->tasks; link = link->next)
        if (container_of(link, struct task, link)->position == position)
            return container_of(link, struct task, link);
    return NULL;
}

/* The record that puts a task's message into quarantine. */
static int make_record(struct lane *lane, const struct task *task, const char *reason, struct arena *arena, struct journal_message *ret_message)
{
    struct engine *engine = lane->service->engine;
    struct journal_record record;
    int rc = journal_record_at(engine->journal, task->position, &record);
    if (rc < 0)
        return rc;
    struct record copy = record.record;
    copy.value = arena_copy(arena, copy.value);
    copy.headers = arena_copy(arena, copy.headers);
    struct cloudevent event;
    cloudevent_get(&copy, &event);
    struct buffer *headers = &engine->scratch;
    buffer_clear(headers);
    record_headers_put(headers, SLICE(HEADER_POSITION), slice_str(arena_printf(arena, "%llu", (unsigned long long)task->position)));
    record_headers_put(headers, SLICE(HEADER_ATTEMPTS), slice_str(arena_printf(arena, "%u", task->attempt)));
    record_headers_put(headers, SLICE(HEADER_REASON), slice_str(reason));
    *ret_message = (struct journal_message){ .topic = engine->quarantine, .value = copy.value };
    ret_message->key = record_key(lane->service, lane->key, slice_of(NULL, 0), arena);
    ret_message->event.type = slice_str(task->handler->row->type->name);
    ret_message->event.correlation = event.correlation;
    ret_message->event.causation = event.id;
    ret_message->event.data_version = event.data_version;
    ret_message->event.source = slice_str(lane->service->source);
    ret_message->headers = arena_copy(arena, buffer_slice(headers));
    ret_message->header_count = 3;
    return ret_message->key.data && ret_message->headers.data ? 0 : EDDA_ENOMEM;
}

static void note_recorded(struct lane *lane, struct task *task)
{
    task->quarantined = true;
    lane->service->engine->pending--;
    lane->service->engine->progress_dirty = true;
    if (list_linked(&task->pending)) {
        list_remove(&task->pending);
        lane->service->pending_count--;
    }
}

/* Records them; without their values, which are at their first places as well, when together they are too much for one append. */
static int record_all(struct engine *engine, struct journal_message *messages, size_t count, struct edda_error *error)
{
    int rc = commit_records(engine, messages, count, error);
    if (rc != EDDA_ETOOLARGE)
        return rc;
    for (size_t i = 0; i < count; i++)
        messages[i].value = SLICE("");
    return commit_records(engine, messages, count, error);
}

/* The calls that wait for a quarantined entity are told so. */
static void refuse_calls(struct lane *lane)
{
    struct engine *engine = lane->service->engine;
    struct edda_error held = { 0 };
    (void)edda_fail_with(&held, EDDA_EQUARANTINED, "the command is recorded, and held: entity %.*s of service %s is quarantined: %s", (int)lane->key.len,
                         (const char *)lane->key.data, lane->service->def->name, lane->reason);
    struct list *link = lane->tasks.next;
    while (link != &lane->tasks) {
        struct task *task = container_of(link, struct task, link);
        struct engine_call *call = task->call;
        link = link->next;
        if (!call) {
            await_answer(engine, task->position, NULL, held.code, &held);
            continue;
        }
        struct edda_error refused = { 0 };
        (void)edda_fail_with(&refused, EDDA_EQUARANTINED, "entity %.*s of service %s is quarantined", (int)lane->key.len,
                             (const char *)lane->key.data, lane->service->def->name);
        lane_task_done(lane, task);
        call_done(engine, call, refused.code, &refused);
    }
}

int quarantine_enter(struct lane *lane, const struct edda_error *why, struct edda_error *error)
{
    struct engine *engine = lane->service->engine;
    struct arena arena;
    arena_init(&arena, 0, 0);
    size_t count = 0;
    for (struct list *link = lane->tasks.next; link != &lane->tasks; link = link->next)
        count++;
    struct journal_message *messages = arena_alloc(&arena, count * sizeof *messages);
    int rc = messages ? 0 : EDDA_ENOMEM;
    char reason[sizeof lane->reason];
    (void)snprintf(reason, sizeof reason, "%.200s%s%.40s", why->message, why->field[0] ? ", field " : "", why->field);
    count = 0;
    for (struct list *link = lane->tasks.next; rc == 0 && link != &lane->tasks; link = link->next) {
        struct task *task = container_of(link, struct task, link);
        bool known = task->quarantined && link != lane->tasks.next; /* the first is recorded again, for its new reason */
        if (!task->call && !known)
            rc = make_record(lane, task, reason, &arena, &messages[count++]);
    }
    if (rc == 0)
        rc = record_all(engine, messages, count, error);
    arena_deinit(&arena);
    if (rc < 0)
        return edda_fail_with(error, rc, "an entity cannot be quarantined: %s", edda_code_info(rc)->sentence);
    lane->state = LANE_QUARANTINED;
    lane->quarantined_ms = journal_time_ms(engine->journal);
    memcpy(lane->reason, reason, sizeof reason);
    for (struct list *link = lane->tasks.next; link != &lane->tasks; link = link->next)
        if (!container_of(link, struct task, link)->call)
            note_recorded(lane, container_of(link, struct task, link));
    refuse_calls(lane);
    lane->service->quarantined++;
    engine_log(engine, "entity.quarantined", "entity %.*s of service %s: %s", (int)lane->key.len, (const char *)lane->key.data,
               lane->service->def->name, lane->reason);
    return 0;
}

int quarantine_hold(struct lane *lane, struct task *task, struct edda_error *error)
{
    struct arena arena;
    arena_init(&arena, 0, 0);
    struct journal_message message;
    int rc = make_record(lane, task, lane->reason, &arena, &message);
    if (rc == 0)
        rc = record_all(lane->service->engine, &message, 1, error);
    arena_deinit(&arena);
    if (rc == 0)
        note_recorded(lane, task);
    return rc;
}

/* --- folding -------------------------------------------------------------------------------------------- */

static uint64_t header_number(const struct journal_record *record, const char *name)
{
    struct slice text;
    if (!record_header_find(&record->record, name, &text))
        return UINT64_MAX;
    uint64_t value = 0;
    for (size_t i = 0; i < text.len; i++)
        value = value * 10 + (uint64_t)(text.data[i] - '0');
    return value;
}

static struct lane *lane_of(struct engine *engine, struct slice key, bool make)
{
    const uint8_t *slash = key.len ? memchr(key.data, '/', key.len) : NULL;
    size_t len = slash ? (size_t)(slash - key.data) : 0;
    struct service *service = slash ? registry_service(engine, slice_of(key.data, len)) : NULL;
    if (!service)
        return NULL;
    struct slice entity = slice_from(key, len + 1);
    return make ? lane_make(service, entity) : lane_find(service, entity);
}

/* The handler that a quarantined message is for: by its type, and the topic where it lies. */
static struct handler *handler_of(struct lane *lane, struct slice type, uint64_t position)
{
    struct journal_record original;
    if (journal_record_at(lane->service->engine->journal, position, &original) < 0)
        return NULL;
    const struct category *category = original.topic->user;
    const struct message_type *found = category ? registry_type(category, type) : NULL;
    struct handler *handler = found ? registry_handler(found, lane->service) : NULL;
    return handler ? version_handler(handler, lane->key) : NULL;
}

/* Why and since when; the last word counts. */
static void take_reason(struct lane *lane, const struct journal_record *record)
{
    struct slice reason;
    lane->state = LANE_QUARANTINED;
    lane->quarantined_ms = record->record.timestamp_ms;
    if (record_header_find(&record->record, HEADER_REASON, &reason))
        (void)snprintf(lane->reason, sizeof lane->reason, "%.*s", (int)reason.len, (const char *)reason.data);
}

/* The message has left the quarantine. While the engine runs its task is at work, or was taken out by who wrote this; after a
 * restart it is here. */
static int fold_left(struct lane *lane, uint64_t position)
{
    struct engine *engine = lane->service->engine;
    struct task *task = engine->opening ? find_task(lane, position) : NULL;
    if (!task)
        return 0;
    engine->pending++; /* quarantined tasks are not counted; lane_task_done() uncounts */
    lane_task_done(lane, task);
    if (list_empty(&lane->tasks))
        lane_go_on(lane);
    return 0;
}

bool quarantine_restore(struct lane *lane, struct slice type, uint64_t position)
{
    struct handler *handler = handler_of(lane, type, position);
    struct task *task = handler ? lane_push(lane, handler, position, NULL) : NULL;
    if (!task)
        return false;
    note_recorded(lane, task);
    lane->state = LANE_QUARANTINED;
    return true;
}

int quarantine_fold(struct engine *engine, const struct journal_record *record)
{
    uint64_t position = header_number(record, HEADER_POSITION);
    bool enters = record->record.value.data != NULL;
    struct lane *lane = lane_of(engine, record->record.key, enters);
    if (!lane)
        return 0;
    if (!enters)
        return fold_left(lane, position);
    if (!engine->opening)
        return 0;
    if (find_task(lane, position)) {
        take_reason(lane, record);
        return 0;
    }
    struct cloudevent event;
    cloudevent_get(&record->record, &event);
    struct handler *handler = handler_of(lane, event.type, position);
    struct task *task = handler ? lane_push(lane, handler, position, NULL) : NULL;
    if (!handler) {
        if (list_empty(&lane->tasks))
            lane_go_on(lane); /* no row handles it any more */
        return 0;
    }
    if (!task)
        return EDDA_ENOMEM;
    note_recorded(lane, task);
    take_reason(lane, record);
    return 0;
}

/* --- the operator --------------------------------------------------------------------------------------- */

static int find_quarantined(struct engine *engine, struct slice service_name, struct slice key, struct lane **ret_lane, struct edda_error *error)
{
    struct service *service = registry_service(engine, service_name);
    if (!service)
        return edda_fail_with(error, EDDA_ENOTFOUND, "there is no service %.*s", (int)service_name.len, (const char *)service_name.data);
    struct lane *lane = lane_find(service, key);
    if (!lane || lane->state != LANE_QUARANTINED)
        return edda_fail_with(error, EDDA_ENOTFOUND, "entity %.*s of service %s is not quarantined", (int)key.len,
                              (const char *)key.data, service->def->name);
    *ret_lane = lane;
    return 0;
}

/* All that waits goes on in order; each message leaves the quarantine with its own step. */
static void resume(struct lane *lane)
{
    struct engine *engine = lane->service->engine;
    for (struct list *link = lane->tasks.next; link != &lane->tasks; link = link->next) {
        struct task *task = container_of(link, struct task, link);
        task->attempt = 0;
        engine->pending += task->quarantined; /* those that could not be recorded have been counted all the time */
    }
    lane_go_on(lane);
}

int engine_quarantine_retry(struct engine *engine, struct slice service, struct slice key, struct edda_error *error)
{
    struct lane *lane;
    if (!registry_service(engine, service))
        return projections_repair(engine, service, key, false, error);
    int rc = find_quarantined(engine, service, key, &lane, error);
    if (rc == 0)
        resume(lane);
    return rc;
}

int engine_quarantine_skip(struct engine *engine, struct slice service, struct slice key, struct edda_error *error)
{
    struct lane *lane;
    if (!registry_service(engine, service))
        return projections_repair(engine, service, key, true, error);
    int rc = find_quarantined(engine, service, key, &lane, error);
    if (rc < 0)
        return rc;
    engine->pending++; /* it counts again, like those that resume() lets go on */
    rc = lane_leave_out(lane, "left out by an operator", error);
    if (rc < 0) {
        engine->pending--;
        return rc;
    }
    resume(lane);
    return 0;
}

int engine_quarantine_each(struct engine *engine, engine_quarantine_fn *visit, void *user)
{
    for (uint32_t i = 0; i < engine->service_count; i++) {
        struct service *service = &engine->services[i];
        for (struct table_link *link = table_each(&service->lanes, NULL); link; link = table_each(&service->lanes, link)) {
            const struct lane *lane = container_of(link, struct lane, link);
            if (lane->state != LANE_QUARANTINED)
                continue;
            const struct task *task = container_of(lane->tasks.next, struct task, link);
            struct journal_record record;
            struct cloudevent event = { 0 };
            if (journal_record_at(engine->journal, task->position, &record) == 0)
                cloudevent_get(&record.record, &event);
            struct engine_quarantine_info info = {
                .service = slice_str(service->def->name), .key = lane->key, .position = task->position,
                .type = slice_str(task->handler->row->type->name), .correlation = event.correlation,
                .reason = slice_str(lane->reason), .since_ms = lane->quarantined_ms,
            };
            for (const struct list *held = lane->tasks.next; held != &lane->tasks; held = held->next)
                info.held++;
            int rc = visit(user, &info);
            if (rc)
                return rc;
        }
    }
    return projections_held_each(engine, visit, user);
}
