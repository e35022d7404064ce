/*
 * Dispatch: hands the records of the journal, in order, to the services that have a row for them. As long as services keep up they go in
 * step, so that a record is found and decoded once for all of them; one that is paused, that has too much under way, or that comes from behind goes
 * by a cursor of its own until it has caught up.
 */
#include "engine/internal.h"

#define CATCH_UP_RECORDS 256

int take_copy(struct engine *engine, const struct message_type *type, const struct journal_record *record, struct arena *arena,
              struct taken *ret_taken)
{
    (void)engine;
    struct taken taken = { .record = *record };
    const struct record *from = &record->record;
    struct record *to = &taken.record.record;
    to->key = arena_copy(arena, from->key);
    to->value = arena_copy(arena, from->value);
    to->headers = arena_copy(arena, from->headers);
    void *message = arena_alloc(arena, type->type->size);
    if (!message || (from->value.len && !to->value.data) || (from->headers.len && !to->headers.data))
        return EDDA_ENOMEM;
    cloudevent_get(to, &taken.event);
    struct edda_error error = { 0 };
    int rc = message_decode(type->type, taken.event.data_version, to->value, arena, message, &error);
    bool to_answer = type->type->kind == EDDA_TYPE_COMMAND && taken.event.reply_to.len; /* whoever waits is told that it cannot be read */
    if (rc < 0 && rc != EDDA_EUNSUPPORTED && !to_answer)
        return 0;
    if (rc < 0 && rc != EDDA_EUNSUPPORTED)
        error.code = EDDA_EREJECTED;
    if (rc == 0) {
        taken.message = message;
    } else {
        struct edda_error *unread = arena_alloc(arena, sizeof *unread);
        if (!unread)
            return EDDA_ENOMEM;
        *unread = error;
        taken.unread = unread;
    }
    *ret_taken = taken;
    return 1;
}

struct slice entity_key_of(const struct handler *handler, const struct taken *taken, struct arena *arena)
{
    struct slice key = taken->record.record.key;
    if (!taken->message) { /* the best that can be known of it: a field of that name, as it lies there */
        struct slice raw;
        bool is_string;
        return handler->row->key && json_find(taken->record.record.value, handler->row->key, &raw, &is_string) ? raw : key;
    }
    if (handler->row->key && !json_field_text(handler->row->type, taken->message, handler->row->key, arena, &key))
        return slice_of(NULL, 0);
    return key;
}

bool wants_answer(const struct handler *handler, const struct taken *taken)
{
    return handler->row->type->kind == EDDA_TYPE_COMMAND && taken->event.reply_to.len;
}

struct slice lane_key_of(const struct handler *handler, const struct taken *taken, struct arena *arena)
{
    struct slice key = entity_key_of(handler, taken, arena);
    bool none = key.len == 0 || key.len > ENGINE_KEY_MAX;
    return none && wants_answer(handler, taken) ? SLICE("-") : key;
}

/* Whether a service of this application recorded the message: its id then cannot be there twice. */
static bool is_our_own(const struct engine *engine, struct slice source)
{
    size_t len = strlen(engine->app->name);
    return source.len > len && source.data[len] == '/' && memcmp(source.data, engine->app->name, len) == 0 &&
           registry_service(engine, slice_from(source, len + 1));
}

/* A message from outside that was there before is not handled again, however long ago that was. */
bool dispatch_is_repeat(struct engine *engine, const struct journal_record *record, const struct cloudevent *event)
{
    uint64_t first;
    return event->id.len && !is_our_own(engine, event->source) &&
           journal_identity(engine->journal, event->source, event->id, &first) == 0 && first < record->position;
}

static struct message_type *type_of(const struct journal_record *record)
{
    const struct category *category = record->topic->user;
    if (!category || category->fold || category->types.count == 0 || !record->record.value.data)
        return NULL;
    struct cloudevent event;
    cloudevent_get(&record->record, &event);
    struct message_type *type = registry_type(category, registry_type_name(category, record, &event));
    return type && type->handlers ? type : NULL;
}

static bool takes_part(const struct service *service, const struct service *only)
{
    return only ? service == only : service->in_step;
}

/* Gives a record to the services in step, or to `only` one. */
static int take(struct engine *engine, const struct journal_record *record, struct service *only, struct edda_error *error)
{
    struct message_type *type = type_of(record);
    struct slice handled;
    if (!type || (type->type->kind == EDDA_TYPE_COMMAND && record_header_find(&record->record, HEADER_HANDLED, &handled)))
        return 0;
    bool wanted = false;
    for (struct handler *handler = type->handlers; handler; handler = handler->next)
        wanted = wanted || (takes_part(handler->service, only) && handler->service->position <= record->position);
    if (!wanted)
        return 0;
    arena_reset(&engine->take_arena);
    struct taken taken;
    int rc = take_copy(engine, type, record, &engine->take_arena, &taken);
    if (rc <= 0 || dispatch_is_repeat(engine, &taken.record, &taken.event)) {
        if (rc == 0)
            engine_log(engine, "message.malformed", "the %s at position %llu does not decode and is passed over", type->type->name,
                       (unsigned long long)record->position);
        return rc < 0 ? rc : 0;
    }
    for (struct handler *handler = type->handlers; handler; handler = handler->next) {
        struct service *service = handler->service;
        if (!takes_part(service, only) || service->position > record->position)
            continue;
        struct slice key = lane_key_of(handler, &taken, &engine->take_arena);
        struct handler *chosen = key.len && key.len <= ENGINE_KEY_MAX ? version_handler(handler, key) : NULL;
        if (key.len > ENGINE_KEY_MAX)
            engine_log(engine, "message.malformed", "the %s at position %llu is for an entity whose key is too long, and is passed over",
                       type->type->name, (unsigned long long)taken.record.position);
        else if (chosen)
            rc = lane_take(chosen, key, &taken, error);
        if (rc < 0)
            return rc;
        service->position = taken.record.position + 1;
        if (service->in_step && service->pending_count >= engine->options.pending_max)
            dispatch_leave(service, service->position);
    }
    return 0;
}

void dispatch_leave(struct service *service, uint64_t position)
{
    service->in_step = false;
    service->position = position;
}

static bool may_go_on(const struct service *service)
{
    return !service->in_step && !service->paused && service->pending_count < service->engine->options.pending_max;
}

/* Lets one service that is not in step go on by itself. */
static int64_t catch_up(struct service *service, uint64_t max, struct edda_error *error)
{
    struct engine *engine = service->engine;
    if (!service->cursor) {
        int rc = journal_cursor_open(engine->journal, service->position, &service->cursor);
        if (rc < 0)
            return edda_fail_with(error, rc, "service %s cannot read from position %llu", service->def->name,
                                  (unsigned long long)service->position);
    }
    uint64_t count = 0;
    while (count < max && may_go_on(service)) {
        struct journal_record record;
        bool in_step_now = !engine->options.chance && service->position >= engine->hot;
        int rc = in_step_now ? 0 : journal_cursor_next(engine->journal, service->cursor, &record, error);
        if (rc < 0)
            return rc;
        if (rc == 0) {
            service->in_step = in_step_now;
            break;
        }
        count++;
        uint64_t next = record.position + 1;
        rc = take(engine, &record, service, error);
        if (rc < 0)
            return rc;
        service->position = next;
        if (engine->stalled)
            break;
    }
    if (service->in_step || !may_go_on(service)) {
        journal_cursor_close(engine->journal, service->cursor);
        service->cursor = NULL;
    }
    return (int64_t)count;
}

static int64_t go_in_step(struct engine *engine, uint64_t max, struct edda_error *error)
{
    uint64_t count = 0;
    while (count < max && !engine->stalled) {
        struct journal_record record;
        int rc = journal_cursor_next(engine->journal, engine->hot_cursor, &record, error);
        if (rc <= 0)
            return rc < 0 ? rc : (int64_t)count;
        uint64_t next = record.position + 1;
        rc = take(engine, &record, NULL, error);
        if (rc < 0)
            return rc;
        engine->hot = next;
        count++;
    }
    return (int64_t)count;
}

/* In the simulator chance picks who goes on, and by how much. */
static int64_t go_by_chance(struct engine *engine, struct edda_error *error)
{
    uint64_t (*chance)(void *user, uint64_t below) = engine->options.chance;
    uint64_t first = chance(engine->options.chance_user, engine->service_count);
    for (uint32_t i = 0; i < engine->service_count; i++) {
        struct service *service = &engine->services[(first + i) % engine->service_count];
        if (!may_go_on(service) || service->position >= journal_tail(engine->journal))
            continue;
        uint64_t records = 1 + chance(engine->options.chance_user, 8);
        int64_t count = catch_up(service, records, error);
        if (count != 0)
            return count;
    }
    return 0;
}

int64_t dispatch_run(struct engine *engine, uint64_t max, struct edda_error *error)
{
    if (engine->service_count == 0) {
        engine->hot = journal_tail(engine->journal);
        return 0;
    }
    if (engine->options.chance)
        return go_by_chance(engine, error);
    int64_t count = go_in_step(engine, max, error);
    for (uint32_t i = 0; count >= 0 && i < engine->service_count; i++) {
        if (!may_go_on(&engine->services[i]) || engine->stalled)
            continue;
        int64_t more = catch_up(&engine->services[i], CATCH_UP_RECORDS, error);
        count = more < 0 ? more : count + more;
    }
    return count;
}

bool dispatch_waiting(const struct engine *engine)
{
    uint64_t tail = journal_tail(engine->journal);
    if (!engine->options.chance && engine->hot < tail)
        return true;
    for (uint32_t i = 0; i < engine->service_count; i++)
        if (may_go_on(&engine->services[i]) && engine->services[i].position < tail)
            return true;
    return false;
}
