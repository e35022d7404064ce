/*
 * The recording of a step: what it consumed, emitted, sent, set and answered becomes one append to the journal, all or nothing;
 * then it is folded like any other record. Expiry, and the state that a blocking handler decided by, are checked here once more: this
 * is the moment that counts.
 */
#include "engine/internal.h"

#include <stdio.h>

struct slice record_key(const struct service *service, struct slice entity, struct slice name, struct arena *arena)
{
    struct slice first = slice_str(service->def->name);
    size_t len = first.len + 1 + entity.len + (name.data ? 1 + name.len : 0);
    uint8_t *key = arena_bytes(arena, len), *at = key;
    if (!key)
        return slice_of(NULL, 0);
    memcpy(at, first.data, first.len);
    at += first.len;
    *at++ = '/';
    if (entity.len)
        memcpy(at, entity.data, entity.len);
    at += entity.len;
    if (name.data) {
        *at++ = '/';
        memcpy(at, name.data, name.len);
    }
    return slice_of(key, len);
}

static struct slice id_of_ordinal(struct commit *commit)
{
    uint64_t ordinal = commit->count;
    struct hash128 hash = hash128(slice_of(&ordinal, sizeof ordinal), commit->cause.lo);
    return hex_id(&commit->step->arena, (struct hash128){ hash.hi ^ commit->cause.hi, hash.lo });
}

static struct slice text_slice(struct edda_text text)
{
    return slice_of(text.data, text.len);
}

struct journal_message *commit_add(struct commit *commit, struct journal_topic *topic, struct slice key, struct slice value,
                                   struct slice type)
{
    struct edda_step *step = commit->step;
    if (commit->code)
        return NULL;
    if (commit->count == commit->capacity) {
        size_t capacity = commit->capacity * 2 + 4;
        struct journal_message *grown = arena_alloc(&step->arena, capacity * sizeof *grown);
        if (!grown) {
            commit->code = EDDA_ENOMEM;
            return NULL;
        }
        if (commit->count)
            memcpy(grown, commit->messages, commit->count * sizeof *grown);
        commit->messages = grown;
        commit->capacity = capacity;
    }
    struct journal_message *message = &commit->messages[commit->count];
    *message = (struct journal_message){ .topic = topic, .key = key, .value = value };
    message->event.id = id_of_ordinal(commit);
    message->event.source = slice_str(step->service->source);
    message->event.type = type;
    message->event.correlation = text_slice(step->info.correlation);
    message->event.causation = text_slice(step->info.id);
    commit->count++;
    return message;
}

void commit_header(struct commit *commit, struct journal_message *message, const char *name, struct slice value)
{
    if (!message)
        return;
    struct buffer *scratch = &commit->step->encoded;
    buffer_clear(scratch);
    buffer_append_slice(scratch, message->headers);
    record_headers_put(scratch, slice_str(name), value);
    message->headers = arena_copy(&commit->step->arena, buffer_slice(scratch));
    message->header_count++;
    if (!buffer_ok(scratch) || !message->headers.data)
        commit->code = EDDA_ENOMEM;
}

void commit_header_int(struct commit *commit, struct journal_message *message, const char *name, int64_t value)
{
    char text[24];
    int len = snprintf(text, sizeof text, "%lld", (long long)value);
    commit_header(commit, message, name, slice_of(text, (size_t)len));
}

static void add_message(struct commit *commit, const struct emission *emission, struct edda_error *error)
{
    struct edda_step *step = commit->step;
    struct message_type *type;
    int rc = registry_type_ensure(step->engine, emission->type, &type, error);
    if (rc < 0) {
        commit->code = rc;
        return;
    }
    struct journal_message *message =
        commit_add(commit, type->category->topic, emission->key, emission->value, slice_str(emission->type->name));
    if (!message)
        return;
    message->headers = buffer_slice(&type->headers);
    message->header_count = type->header_count;
    event_of_type(&message->event, emission->type);
    if (emission->type->expires)
        message->event.expiry_ms = step->expiry_ms;
}

static void add_deadline(struct commit *commit, const struct emission *emission)
{
    struct edda_step *step = commit->step;
    struct slice key = record_key(step->service, step->key, emission->name, &step->arena);
    if (!key.data) {
        commit->code = EDDA_ENOMEM;
        return;
    }
    if (emission->kind == EMIT_DEADLINE_CANCEL) {
        bool set_in_this_step = false;
        for (size_t i = 0; i < commit->count; i++)
            set_in_this_step = set_in_this_step || (commit->messages[i].topic == step->engine->deadlines &&
                                                    slice_eq(commit->messages[i].key, key));
        if (set_in_this_step || deadline_pending(step->engine, key))
            (void)commit_add(commit, step->engine->deadlines, key, slice_of(NULL, 0), SLICE("edda.deadline"));
        return;
    }
    struct journal_message *message =
        commit_add(commit, step->engine->deadlines, key, emission->value, slice_str(emission->type->name));
    if (message)
        message->event.data_version = type_version(emission->type);
    commit_header_int(commit, message, HEADER_DUE, emission->due_ms);
    commit_header(commit, message, HEADER_TOPIC, slice_str(emission->type->topic));
    if (emission->repeats.data)
        commit_header(commit, message, HEADER_REPEATS, emission->repeats);
}

static void add_emissions(struct commit *commit, struct edda_error *error)
{
    for (uint32_t i = 0; i < commit->step->emission_count && commit->code == 0; i++) {
        const struct emission *emission = &commit->step->emissions[i];
        switch (emission->kind) {
        case EMIT_MESSAGE:
            add_message(commit, emission, error);
            break;
        case EMIT_DEADLINE:
        case EMIT_DEADLINE_CANCEL:
            add_deadline(commit, emission);
            break;
        case EMIT_COMPENSATION: {
            if (commit->step->undo_left >= 0)
                break; /* to undo what undoes would have no end */
            const struct message_type *type = registry_type_of(commit->step->engine, emission->type);
            if (!type || !type->handlers) {
                commit->code = edda_fail_with(error, EDDA_EINVAL, "%s cannot compensate: no service handles it", emission->type->name);
                break;
            }
            struct journal_message *message = commit_add(commit, commit->step->engine->processes, text_slice(commit->step->info.correlation),
                                                         emission->value, slice_str(emission->type->name));
            if (message)
                message->event.data_version = type_version(emission->type);
            commit_header(commit, message, HEADER_TOPIC, slice_str(emission->type->topic));
            break;
        }
        }
    }
}

/* The key of records about an entity of this service. */
static struct slice entity_record_key(struct commit *commit, struct slice entity)
{
    struct edda_step *step = commit->step;
    struct slice key = record_key(step->service, entity, slice_of(NULL, 0), &step->arena);
    if (!key.data)
        commit->code = EDDA_ENOMEM;
    return key;
}

static void add_skip(struct commit *commit, const char *reason)
{
    struct edda_step *step = commit->step;
    struct slice key = entity_record_key(commit, step->key);
    buffer_clear(&step->encoded);
    buffer_append_str(&step->encoded, "{\"reason\":");
    json_put_string(&step->encoded, slice_str(reason));
    buffer_printf(&step->encoded, ",\"position\":%lld}", (long long)step->info.position);
    struct slice value = arena_copy(&step->arena, buffer_slice(&step->encoded));
    (void)commit_add(commit, step->engine->skips, key, value, text_slice(step->info.type));
}

/* The command that was called joins the records of its step, marked as handled. */
static void add_command(struct commit *commit, const struct engine_call *call, struct edda_error *error)
{
    struct edda_step *step = commit->step;
    struct message_type *type = step->handler->type;
    buffer_clear(&step->encoded);
    step_encode(call->type, type->look, call->value, step->now_ms, &step->encoded);
    struct slice value = arena_copy(&step->arena, buffer_slice(&step->encoded));
    struct slice key;
    if (!value.data || !json_field_text(call->type, call->value, call->type->key, &step->arena, &key)) {
        commit->code = edda_fail_with(error, EDDA_ENOMEM, "out of memory");
        return;
    }
    struct journal_message *message = commit_add(commit, type->category->topic, key, value, slice_str(call->type->name));
    if (!message)
        return;
    message->event.id = text_slice(step->info.id);
    message->event.source = text_slice(step->info.source);
    message->event.causation = slice_of(NULL, 0);
    message->event.traceparent = call->traceparent;
    message->event.data_version = type_version(call->type);
    message->identify = call->id.len > 0;
    message->headers = buffer_slice(&type->headers);
    message->header_count = type->header_count;
    commit_header(commit, message, HEADER_HANDLED, SLICE("1"));
}

/* What was asked with an identity is answered to its repeats as well. */
static void add_reply(struct commit *commit, const struct engine_call *call)
{
    struct edda_step *step = commit->step;
    if (call && call->id.len)
        call_reply_add(commit, call_request_hash(step->engine, call, &step->arena));
    else if (!call && step->request.len)
        call_reply_add(commit, step->request);
}

static void add_quarantine_end(struct commit *commit)
{
    struct journal_message *message = commit_add(commit, commit->step->engine->quarantine, entity_record_key(commit, commit->step->lane_key),
                                                 slice_of(NULL, 0), text_slice(commit->step->info.type));
    commit_header_int(commit, message, HEADER_POSITION, commit->step->info.position);
}

/* What is recorded cannot be taken back: when memory does not follow, the engine is at its end, and must not run the step again. */
static int fold_recorded(struct engine *engine, struct edda_error *error)
{
    struct edda_error own = { 0 };
    int rc = fold_catch_up(engine, &own);
    if (rc < 0 && !engine->broken) {
        engine->broken = rc;
        engine->broken_error = own;
    }
    if (rc < 0 && error)
        *error = own;
    return rc;
}

/* What is recorded is folded at once. */
static int record_all(struct engine *engine, const struct journal_condition *condition, const struct journal_message *messages, size_t count,
                  struct edda_error *error)
{
    uint64_t position;
    int rc = journal_append(engine->journal, condition, messages, count, &position, error);
    if (rc < 0)
        return rc;
    engine->full = false;
    return fold_recorded(engine, error);
}

static int append(struct commit *commit, struct engine_call *call, struct edda_error *error)
{
    struct edda_step *step = commit->step;
    struct engine *engine = step->engine;
    if (commit->code)
        return error && error->code ? commit->code : edda_fail_with(error, commit->code, "the step could not be recorded: %s",
                                                                    edda_code_info(commit->code)->sentence);
    engine->progress_dirty = true;
    if (commit->count == 0)
        return 0;
    struct journal_condition condition;
    bool conditional = call && call->expected != JOURNAL_ANY && step->service->category;
    if (conditional)
        condition = (struct journal_condition){ step->service->category->topic, step->key, call->expected };
    return record_all(engine, conditional ? &condition : NULL, commit->messages, commit->count, error);
}

int commit_skip(struct edda_step *step, struct engine_call *call, const char *reason, struct edda_error *error)
{
    struct commit commit = { .step = step, .cause = step_cause(step) };
    if (call)
        add_command(&commit, call, error);
    add_skip(&commit, reason);
    if (step->quarantined)
        add_quarantine_end(&commit);
    if (step->undo_left >= 0)
        process_add(&commit);
    add_reply(&commit, call);
    answer_add(&commit, reason);
    step->skipped = true;
    int rc = append(&commit, call, error);
    step->service->skips += rc == 0;
    return rc;
}

int commit_step(struct edda_step *step, struct engine_call *call, struct edda_error *error)
{
    struct engine *engine = step->engine;
    int64_t now_ms = journal_time_ms(engine->journal);
    bool bound = step_is_bound(step);
    if (step->info.expiry_ms && !step->handler->row->late && now_ms >= step->info.expiry_ms && !step->skipped && !bound)
        return commit_skip(step, call, "expired while it was handled", error);
    if (step->blocking && step->service->category && !bound) {
        int code = fold_catch_up(engine, error); /* others may have recorded events of the entity since the last turn */
        if (code < 0)
            return code;
        const struct entity *entity = entity_load(engine, step->service->category, step->key, &code);
        if (!entity)
            return edda_fail_with(error, code, "the state of %.*s cannot be read", (int)step->key.len, (const char *)step->key.data);
        if (entity_state_version(entity, step->handler->version) != step->state_version)
            return EDDA_ERETRY;
    }
    if (step->skipped)
        return commit_skip(step, call, step->reason, error);
    struct commit commit = { .step = step, .cause = step_cause(step) };
    if (call)
        add_command(&commit, call, error);
    add_emissions(&commit, error);
    process_add(&commit);
    version_add(&commit);
    if (step->quarantined)
        add_quarantine_end(&commit);
    add_reply(&commit, call);
    answer_add(&commit, NULL);
    return append(&commit, call, error);
}

int commit_records(struct engine *engine, const struct journal_message *messages, size_t count, struct edda_error *error)
{
    return record_all(engine, NULL, messages, count, error);
}
