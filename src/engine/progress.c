/*
 * Progress: what each service has handled, as a watermark and the messages below it that it has taken and not done. One record for all
 * services joins each flush, so that it is in the same frame as the steps it tells of. Sequences and pauses are kept here too: small tables
 * of the engine's own.
 */
#include "engine/internal.h"

#include <stdio.h>
#include <stdlib.h>

struct service_progress {
    struct edda_text name;
    int64_t at;               /* everything before it was taken */
    struct edda_list pending; /* int64_t positions below it */
};
static const struct edda_field service_progress_fields[] = {
    EDDA_FIELD(service_progress, name),
    EDDA_FIELD(service_progress, at),
    EDDA_FIELD_LIST(service_progress, pending, EDDA_KIND_INT),
};
static const struct edda_type service_progress = EDDA_VALUE(service_progress);

struct progress {
    int64_t at; /* of the services in step; for those who read */
    struct edda_list services;
};
static const struct edda_field progress_fields[] = {
    EDDA_FIELD(progress, at),
    EDDA_FIELD_LIST_OF(progress, services, service_progress),
};
static const struct edda_type progress = EDDA_VALUE(progress);

/* --- noting --------------------------------------------------------------------------------------------- */

static void put_service(struct engine *engine, const struct service *service, struct buffer *out)
{
    buffer_append_str(out, "{\"name\":");
    json_put_string(out, slice_str(service->def->name));
    bool with_others = service->in_step && service->position < engine->hot;
    buffer_printf(out, ",\"at\":%llu", (unsigned long long)(with_others ? engine->hot : service->position));
    if (service->pending_count) {
        buffer_append_str(out, ",\"pending\":[");
        for (const struct list *link = service->pending.next; link != &service->pending; link = link->next) {
            const struct task *task = container_of(link, struct task, pending);
            if (link != service->pending.next)
                buffer_append_byte(out, ',');
            json_put_int(out, (int64_t)task->position);
        }
        buffer_append_byte(out, ']');
    }
    buffer_append_byte(out, '}');
}

static int note_progress(struct engine *engine, struct edda_error *error)
{
    struct buffer *out = &engine->note;
    buffer_clear(out);
    buffer_printf(out, "{\"at\":%llu,\"services\":[", (unsigned long long)engine->hot);
    for (uint32_t i = 0; i < engine->service_count; i++) {
        if (i)
            buffer_append_byte(out, ',');
        put_service(engine, &engine->services[i], out);
    }
    buffer_append_slice(out, buffer_slice(&engine->absent));
    buffer_append_str(out, "]}");
    if (!buffer_ok(out))
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory for the progress of the services");
    struct journal_message message = { .topic = engine->progress, .key = slice_str(engine->app->name), .value = buffer_slice(out) };
    uint64_t position;
    int rc = journal_append(engine->journal, NULL, &message, 1, &position, error);
    if (rc == 0)
        engine->progress_dirty = false;
    return rc;
}

static int note_sequence(struct engine *engine, struct sequence *sequence, struct edda_error *error)
{
    char text[24];
    int len = snprintf(text, sizeof text, "%lld", (long long)sequence->last);
    struct journal_message message = { .topic = engine->sequences, .key = sequence->name, .value = slice_of(text, (size_t)len) };
    uint64_t position;
    int rc = journal_append(engine->journal, NULL, &message, 1, &position, error);
    if (rc == 0)
        sequence->noted = sequence->last;
    return rc;
}

static int note_sequences(struct engine *engine, struct edda_error *error)
{
    for (struct table_link *link = table_each(&engine->sequence_table, NULL); link; link = table_each(&engine->sequence_table, link)) {
        struct sequence *sequence = container_of(link, struct sequence, link);
        int rc = sequence->dirty && sequence->noted != sequence->last ? note_sequence(engine, sequence, error) : 0;
        if (rc < 0)
            return rc;
        sequence->dirty = false;
    }
    engine->sequences_dirty = false;
    return 0;
}

int progress_note(void *user, struct edda_error *error)
{
    struct engine *engine = user;
    int rc = engine->sequences_dirty ? note_sequences(engine, error) : 0;
    return rc == 0 && engine->progress_dirty ? note_progress(engine, error) : rc;
}

/* --- loading -------------------------------------------------------------------------------------------- */

static bool waits_already(const struct service *service, uint64_t position)
{
    for (const struct list *link = service->pending.next; link != &service->pending; link = link->next)
        if (container_of(link, struct task, pending)->position == position)
            return true;
    return false;
}

/* Puts a message that was taken before the restart back into its lane. */
static int restore(struct service *service, uint64_t position, struct edda_error *error)
{
    struct engine *engine = service->engine;
    struct journal_record record;
    int rc = journal_record_at(engine->journal, position, &record);
    if (rc < 0)
        return edda_fail_with(error, rc, "the pending message at position %llu of service %s cannot be read",
                              (unsigned long long)position, service->def->name);
    const struct category *category = record.topic->user;
    struct cloudevent event;
    cloudevent_get(&record.record, &event);
    struct message_type *type = category ? registry_type(category, registry_type_name(category, &record, &event)) : NULL;
    struct handler *handler = type ? registry_handler(type, service) : NULL;
    if (!handler || waits_already(service, position))
        return 0; /* the application no longer handles it */
    arena_reset(&engine->take_arena);
    struct taken taken;
    rc = take_copy(engine, type, &record, &engine->take_arena, &taken);
    if (rc <= 0)
        return rc;
    struct slice key = lane_key_of(handler, &taken, &engine->take_arena);
    handler = version_handler(handler, key);
    if (!handler)
        return 0;
    struct lane *lane = lane_make(service, key);
    bool first = lane && list_empty(&lane->tasks);
    struct task *task = lane ? lane_push(lane, handler, position, NULL) : NULL;
    if (!task)
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory for pending messages");
    if (lane->state == LANE_QUARANTINED) {
        /* It came while the quarantined ones were tried again, which the restart has undone. */
        rc = quarantine_hold(lane, task, error);
        return rc == EDDA_EFULL || rc == EDDA_EBUSY ? 0 : rc;
    }
    if (first)
        lane_go_on(lane);
    return 0;
}

static int load_service(struct engine *engine, const struct service_progress *row, struct edda_error *error)
{
    struct service *service = registry_service(engine, slice_of(row->name.data, row->name.len));
    if (!service) {
        /* One that this application does not have, or not any more: when it comes back it goes on where it was. */
        buffer_append_byte(&engine->absent, ',');
        json_encode(&service_progress, row, &engine->absent);
        return buffer_ok(&engine->absent) ? 0 : EDDA_ENOMEM;
    }
    service->position = (uint64_t)row->at;
    const int64_t *pending = row->pending.items;
    for (uint32_t i = 0; i < row->pending.count; i++) {
        int rc = restore(service, (uint64_t)pending[i], error);
        if (rc < 0)
            return rc;
    }
    return 0;
}

int progress_load(struct engine *engine, struct edda_error *error)
{
    struct journal_record record;
    int rc = journal_stream_last(engine->journal, engine->progress, slice_str(engine->app->name), &record);
    if (rc == EDDA_ENOTFOUND)
        return 0;
    if (rc < 0)
        return edda_fail_with(error, rc, "the progress of the services cannot be read");
    struct arena arena;
    arena_init(&arena, 0, 0);
    struct slice json = arena_copy(&arena, record.record.value);
    struct progress value;
    rc = json_decode(&progress, json, JSON_STORED, &arena, &value, error);
    const struct service_progress *rows = value.services.items;
    for (uint32_t i = 0; rc == 0 && i < value.services.count; i++)
        rc = load_service(engine, &rows[i], error);
    arena_deinit(&arena);
    /* The least position is where the services in step begin; those ahead of it wait until it reaches them. */
    engine->hot = journal_tail(engine->journal);
    for (uint32_t i = 0; i < engine->service_count; i++)
        if (!engine->services[i].paused && engine->services[i].position < engine->hot)
            engine->hot = engine->services[i].position;
    return rc;
}

/* --- services and sequences ----------------------------------------------------------------------------- */

int services_fold(struct engine *engine, const struct journal_record *record)
{
    struct service *service = registry_service(engine, record->record.key);
    if (!service)
        return 0;
    bool paused = record->record.value.data != NULL;
    if (paused && !service->paused && service->in_step) {
        uint64_t taken = service->position > engine->hot ? service->position : engine->hot;
        dispatch_leave(service, taken);
    }
    service->paused = paused;
    if (!paused)
        deadline_release(service);
    engine->progress_dirty = true;
    return 0;
}

int engine_pause(struct engine *engine, struct slice name, bool pause, struct edda_error *error)
{
    struct service *service = registry_service(engine, name);
    if (!service)
        return edda_fail_with(error, EDDA_ENOTFOUND, "there is no service %.*s", (int)name.len, (const char *)name.data);
    if (service->paused == pause)
        return 0;
    struct journal_message message = {
        .topic = engine->service_table, .key = slice_str(service->def->name), .value = pause ? SLICE("{\"paused\":true}") : slice_of(NULL, 0),
    };
    int rc = commit_records(engine, &message, 1, error);
    for (uint32_t i = 0; rc == 0 && pause && i < engine->pool_count; i++)
        if (engine->pools[i].service == service)
            await_accept_pool(&engine->pools[i]); /* nobody waits for an operator */
    if (rc == 0)
        engine_log(engine, pause ? "service.paused" : "service.resumed", "service %s", service->def->name);
    return rc;
}

static struct sequence *sequence_of(struct engine *engine, struct slice name)
{
    uint64_t hash = hash64(name, 5);
    for (struct table_link *link = table_find(&engine->sequence_table, hash); link; link = table_find_next(link)) {
        struct sequence *sequence = container_of(link, struct sequence, link);
        if (slice_eq(sequence->name, name))
            return sequence;
    }
    struct sequence *sequence = calloc(1, sizeof *sequence + name.len);
    if (!sequence)
        return NULL;
    memcpy(sequence + 1, name.data, name.len);
    sequence->name = slice_of(sequence + 1, name.len);
    if (!table_insert(&engine->sequence_table, &sequence->link, hash)) {
        free(sequence);
        return NULL;
    }
    return sequence;
}

int sequences_fold(struct engine *engine, const struct journal_record *record)
{
    struct sequence *sequence = sequence_of(engine, record->record.key);
    if (!sequence)
        return EDDA_ENOMEM;
    int64_t last = 0;
    for (size_t i = 0; i < record->record.value.len; i++)
        last = last * 10 + (record->record.value.data[i] - '0');
    if (last > sequence->last)
        sequence->last = last;
    return 0;
}

int64_t engine_sequence(struct engine *engine, struct slice name)
{
    if (name.len == 0 || name.len > DEADLINE_NAME_MAX)
        return EDDA_EINVAL;
    struct sequence *sequence = sequence_of(engine, name);
    if (!sequence)
        return EDDA_ENOMEM;
    sequence->last++;
    /* The first number since the last flush is recorded at once: then there is something to flush, and the answer with the number
     * in it waits for that. Those that follow are recorded together, with the flush. */
    int rc = sequence->dirty ? 0 : note_sequence(engine, sequence, NULL);
    if (rc < 0) {
        sequence->last--;
        return rc;
    }
    sequence->dirty = engine->sequences_dirty = true;
    return sequence->last;
}

int sequence_restore(struct engine *engine, struct slice name, int64_t last)
{
    struct sequence *sequence = sequence_of(engine, name);
    if (!sequence)
        return EDDA_ENOMEM;
    sequence->last = last;
    return 0;
}

void sequences_free(struct engine *engine)
{
    struct table_link *link = table_each(&engine->sequence_table, NULL);
    while (link) {
        struct sequence *sequence = container_of(link, struct sequence, link);
        link = table_each(&engine->sequence_table, link);
        free(sequence);
    }
    table_deinit(&engine->sequence_table);
}
