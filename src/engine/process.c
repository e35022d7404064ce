/*
 * The end of a process, and the undoing of one that failed. Compensations are commands recorded in the stream of the process as the
 * steps declare them. When the process fails the last one is sent; the step that handles it sends the one before, and so
 * on: each is part of an atomic step, so that a crash between any two goes on where it was, and nothing is kept in memory.
 *
 * A step may declare one when the process has failed already: it was under way meanwhile. It is undone at once, by itself: its own compensations
 * are a second chain, which ends at its first. The process is compensated when the last chain has ended.
 */
#include "engine/internal.h"

struct declared {
    struct commit *commit;
    int32_t wanted;             /* ordinal of the compensation to find; -1: only count */
    int32_t count;
    bool ended;                 /* finished or failed already */
    bool failed;                /* and failed was what it did */
    int64_t chains;             /* being undone now */
    struct slice topic, type, value; /* of the wanted one, in the arena */
    uint32_t version;
};

/* The record of a state that the process has come to. */
static void visit_state(struct declared *declared, struct slice value)
{
    struct slice state = { 0 }, left;
    bool is_string;
    (void)json_find(value, "state", &state, &is_string);
    if (!declared->ended) {
        declared->failed = slice_eq_str(state, "failed");
        declared->chains = declared->failed && declared->count > 0;
    } else if (slice_eq_str(state, "compensated")) {
        declared->chains = 0;
    } else if (json_find(value, "left", &left, &is_string)) {
        declared->chains = edda_text_int((struct edda_text){ (const char *)left.data, left.len });
    }
    declared->ended = true;
}

static int visit_declared(void *user, const struct journal_record *record, int64_t version)
{
    (void)version;
    struct declared *declared = user;
    struct arena *arena = &declared->commit->step->arena;
    struct slice topic;
    if (!record_header_find(&record->record, HEADER_TOPIC, &topic)) {
        visit_state(declared, record->record.value);
        return 0;
    }
    if (declared->count++ == declared->wanted) {
        struct cloudevent event;
        cloudevent_get(&record->record, &event);
        declared->topic = arena_copy(arena, topic);
        declared->type = arena_copy(arena, event.type);
        declared->value = arena_copy(arena, record->record.value);
        declared->version = event.data_version;
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
            declared->version = type_version(emission->type);
        }
    }
    return true;
}

/* `left`: of a process that is being undone, the chains that are; else 0. */
static void add_state(struct commit *commit, const char *state, const char *reason, int64_t left)
{
    struct edda_step *step = commit->step;
    buffer_clear(&step->encoded);
    buffer_printf(&step->encoded, "{\"state\":\"%s\"", state);
    if (reason) {
        buffer_append_str(&step->encoded, ",\"reason\":");
        json_put_string(&step->encoded, slice_str(reason));
    }
    if (left)
        buffer_printf(&step->encoded, ",\"left\":%lld", (long long)left);
    buffer_append_byte(&step->encoded, '}');
    struct slice process = slice_of(step->info.correlation.data, step->info.correlation.len);
    (void)commit_add(commit, step->engine->processes, process, arena_copy(&step->arena, buffer_slice(&step->encoded)),
                     SLICE("edda.process"));
}

/* Sends the compensation with this ordinal, of the chain that ends with the ordinal `first`. */
static void send_compensation(struct commit *commit, int32_t ordinal, int32_t first)
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
    if (!value || message_decode(type->type, declared.version, declared.value, &step->arena, value, NULL) < 0 ||
        !json_field_text(type->type, value, type->type->key, &step->arena, &key)) {
        engine_log(engine, "compensation.unknown", "compensation %.*s of process %.*s is of a type or version that no service knows",
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
    event_of_type(&message->event, type->type);
    commit_header_int(commit, message, HEADER_UNDO, ordinal);
    if (first > 0)
        commit_header_int(commit, message, HEADER_UNDO_FIRST, first);
}

static void end_chain(struct commit *commit)
{
    struct declared declared = { .commit = commit, .wanted = -1 };
    if (!read_declared(&declared))
        return;
    if (declared.chains > 1)
        add_state(commit, "compensating", NULL, declared.chains - 1);
    else
        add_state(commit, "compensated", NULL, 0);
}

/* Undoes what this step declares although its process has failed before. */
static void undo_late(struct commit *commit)
{
    struct edda_step *step = commit->step;
    int32_t own = 0;
    for (uint32_t i = 0; i < step->emission_count; i++)
        own += step->emissions[i].kind == EMIT_COMPENSATION;
    if (own == 0 || step->undo_left >= 0)
        return;
    struct engine *engine = step->engine;
    struct slice process = slice_of(step->info.correlation.data, step->info.correlation.len);
    struct journal_record last;
    struct slice topic;
    int rc = journal_stream_last(engine->journal, engine->processes, process, &last);
    /* Most processes have not ended: then nothing, or a compensation, is the last of their stream. */
    if (rc == EDDA_ENOTFOUND || (rc == 0 && record_header_find(&last.record, HEADER_TOPIC, &topic)))
        return;
    struct declared declared = { .commit = commit, .wanted = -1 };
    if (rc < 0)
        commit->code = rc;
    else if (read_declared(&declared) && declared.failed) {
        add_state(commit, "compensating", NULL, declared.chains + 1);
        send_compensation(commit, declared.count - 1, declared.count - own);
    }
}

void process_add(struct commit *commit)
{
    struct edda_step *step = commit->step;
    if (step->undo_left > step->undo_first)
        send_compensation(commit, step->undo_left - 1, step->undo_first);
    else if (step->undo_left >= 0)
        end_chain(commit);
    undo_late(commit);
    if (!step->finished && !step->aborted)
        return;
    struct declared declared = { .commit = commit, .wanted = -1 };
    if (!read_declared(&declared) || declared.ended)
        return;
    add_state(commit, step->aborted ? "failed" : "finished", step->aborted ? step->reason : NULL, 0);
    if (step->aborted && declared.count > 0)
        send_compensation(commit, declared.count - 1, 0);
}
