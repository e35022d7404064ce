/*
 * The end of a process, and the undoing of one that failed. Compensations are commands recorded in the stream of the process as the
 * steps declare them. When the process fails the last one is sent; the step that handles it sends the one before, and so
 * on: each is part of an atomic step, so that a crash between any two goes on where it was, and nothing is kept in memory.
 */
#include "engine/internal.h"

struct declared {
    struct commit *commit;
    int32_t wanted;             /* ordinal of the compensation to find; -1: only count */
    int32_t count;
    bool ended;                 /* finished or failed already */
    struct slice topic, type, value; /* of the wanted one, in the arena */
};

static int visit_declared(void *user, const struct journal_record *record, int64_t version)
{
    (void)version;
    struct declared *declared = user;
    struct arena *arena = &declared->commit->step->arena;
    struct slice topic;
    if (!record_header_find(&record->record, HEADER_TOPIC, &topic)) {
        declared->ended = true;
        return 0;
    }
    if (declared->count++ == declared->wanted) {
        struct cloudevent event;
        cloudevent_get(&record->record, &event);
        declared->topic = arena_copy(arena, topic);
        declared->type = arena_copy(arena, event.type);
        declared->value = arena_copy(arena, record->record.value);
    }
    return 0;
}

/* Reads what the process has declared so far, and what this step declares. */
static bool read_declared(struct declared *declared)
{
    struct commit *commit = declared->commit;
    struct engine *engine = commit->step->engine;
    struct slice process = slice_of(commit->step->info.correlation.data, commit->step->info.correlation.len);
    int64_t rc = journal_stream_read(engine->journal, engine->processes, process, 0, visit_declared, declared);
    if (rc < 0 && rc != EDDA_ENOTFOUND) {
        commit->code = (int)rc;
        return false;
    }
    for (uint32_t i = 0; i < commit->step->emission_count; i++) {
        const struct emission *emission = &commit->step->emissions[i];
        if (emission->kind == EMIT_COMPENSATION && declared->count++ == declared->wanted) {
            declared->topic = slice_str(emission->type->topic);
            declared->type = slice_str(emission->type->name);
            declared->value = emission->value;
        }
    }
    return true;
}

static void add_state(struct commit *commit, const char *state, const char *reason)
{
    struct edda_step *step = commit->step;
    buffer_clear(&step->encoded);
    buffer_printf(&step->encoded, "{\"state\":\"%s\"", state);
    if (reason) {
        buffer_append_str(&step->encoded, ",\"reason\":");
        json_put_string(&step->encoded, slice_str(reason));
    }
    buffer_append_byte(&step->encoded, '}');
    struct slice process = slice_of(step->info.correlation.data, step->info.correlation.len);
    (void)commit_add(commit, step->engine->processes, process, arena_copy(&step->arena, buffer_slice(&step->encoded)),
                     SLICE("edda.process"));
}

/* Sends the compensation with this ordinal. */
static void send_compensation(struct commit *commit, int32_t ordinal)
{
    struct edda_step *step = commit->step;
    struct engine *engine = step->engine;
    struct declared declared = { .commit = commit, .wanted = ordinal };
    if (!read_declared(&declared))
        return;
    struct message_type *type = NULL;
    for (uint32_t i = 0; i < engine->category_count && !type; i++)
        if (slice_eq_str(declared.topic, engine->categories[i].topic->name))
            type = registry_type(&engine->categories[i], declared.type);
    void *value = type ? arena_alloc(&step->arena, type->type->size) : NULL;
    struct slice key;
    if (!value || json_decode(type->type, declared.value, JSON_STORED, &step->arena, value, NULL) < 0 ||
        !json_field_text(type->type, value, type->type->key, &step->arena, &key)) {
        engine_log(engine, "compensation.unknown", "compensation %.*s of process %.*s is of a type that no service knows",
                   (int)declared.type.len, (const char *)declared.type.data, (int)step->info.correlation.len,
                   step->info.correlation.data);
        commit->code = EDDA_ENOTFOUND;
        return;
    }
    buffer_clear(&step->encoded);
    step_encode(type->type, type->look, value, step->now_ms, &step->encoded);
    struct slice encoded = arena_copy(&step->arena, buffer_slice(&step->encoded));
    struct journal_message *message = commit_add(commit, type->category->topic, key, encoded, slice_str(type->type->name));
    if (!message)
        return;
    message->headers = buffer_slice(&type->headers);
    message->header_count = type->header_count;
    commit_header_int(commit, message, HEADER_UNDO, ordinal);
}

void process_add(struct commit *commit)
{
    struct edda_step *step = commit->step;
    if (step->undo_left > 0)
        send_compensation(commit, step->undo_left - 1);
    else if (step->undo_left == 0)
        add_state(commit, "compensated", NULL);
    if (!step->finished && !step->aborted)
        return;
    struct declared declared = { .commit = commit, .wanted = -1 };
    if (!read_declared(&declared) || declared.ended)
        return;
    add_state(commit, step->aborted ? "failed" : "finished", step->aborted ? step->reason : NULL);
    if (step->aborted && declared.count > 0)
        send_compensation(commit, declared.count - 1);
}
