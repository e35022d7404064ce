/*
 * Calls: commands from outside. A call is a task like any other, but for its message, which is not in the journal yet: it is recorded with its
 * step, or not at all. A call with an identity is answered once: the first answer is recorded with the step, and a repeat gets it.
 */
#include "engine/internal.h"

#include <stdio.h>

void call_done(struct engine *engine, struct engine_call *call, int code, const struct edda_error *error)
{
    call->code = code;
    if (error)
        call->error = *error;
    call->gate = journal_tail(engine->journal);
    call->done(call);
}

void call_answer(struct edda_step *step, struct engine_call *call)
{
    struct engine *engine = step->engine;
    reply_after(step, call);
    if (step->reply) {
        call->reply_type = step->reply_type;
        call->reply = value_copy(step->reply_type, step->reply, call->arena);
        buffer_clear(&step->encoded);
        json_encode_members(step->reply_type, step->reply, false, &step->encoded);
        call->reply_json = arena_copy(call->arena, buffer_slice(&step->encoded));
    }
    if (step->service->category)
        call->version = journal_stream_next_version(engine->journal, step->service->category->topic, step->key) - 1;
    call_done(engine, call, 0, NULL);
}

struct edda_text call_correlation(const struct edda_type *type, const void *value, struct edda_text id, struct arena *arena)
{
    struct slice text;
    if (type->correlation && value && json_field_text(type, value, type->correlation, arena, &text) && text.len)
        return (struct edda_text){ (const char *)text.data, text.len };
    return id;
}

struct slice call_id_new(struct engine *engine, struct arena *arena)
{
    uint8_t bytes[16];
    io_random_fill(engine->io, bytes, sizeof bytes);
    uint64_t now_ms = (uint64_t)journal_time_ms(engine->journal);
    for (int i = 0; i < 6; i++)
        bytes[i] = (uint8_t)(now_ms >> (40 - 8 * i));
    bytes[6] = (uint8_t)(0x70 | (bytes[6] & 0x0f));
    bytes[8] = (uint8_t)(0x80 | (bytes[8] & 0x3f));
    static const char digits[] = "0123456789abcdef";
    uint8_t *out = arena_bytes(arena, 36);
    if (!out)
        return slice_of(NULL, 0);
    size_t at = 0;
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            out[at++] = '-';
        out[at++] = (uint8_t)digits[bytes[i] >> 4];
        out[at++] = (uint8_t)digits[bytes[i] & 15];
    }
    return slice_of(out, 36);
}

/* --- identity ------------------------------------------------------------------------------------------- */

struct reply {
    struct edda_text request; /* hash of the command, to know another one under the same id */
    struct edda_text type;    /* of the reply; empty: none */
    int64_t version;
    struct edda_text body;    /* JSON */
    int64_t code;             /* 0, or why it was rejected */
    struct edda_text message;
    struct edda_text field;
};
static const struct edda_field reply_fields[] = {
    EDDA_FIELD(reply, request),
    EDDA_FIELD(reply, type, .optional = true),
    EDDA_FIELD(reply, version),
    EDDA_FIELD_JSON(reply, body, .optional = true),
    EDDA_FIELD(reply, code, .optional = true),
    EDDA_FIELD(reply, message, .optional = true),
    EDDA_FIELD(reply, field, .optional = true),
};
static const struct edda_type reply = EDDA_VALUE(reply);

static struct slice identity_key(struct slice source_name, struct slice id_name, struct arena *arena)
{
    struct hash128 id = hash128(id_name, 17);
    struct hash128 source = hash128(source_name, id.lo);
    return slice_str(arena_printf(arena, "%016llx%016llx", (unsigned long long)(id.hi ^ source.hi), (unsigned long long)source.lo));
}

struct slice call_request_hash(struct engine *engine, const struct engine_call *call, struct arena *arena)
{
    struct slice request = call->request;
    if (request.len == 0) {
        buffer_clear(&engine->scratch);
        buffer_append_str(&engine->scratch, call->type->name);
        json_encode(call->type, call->value, &engine->scratch);
        request = buffer_slice(&engine->scratch);
    }
    struct hash128 hash = hash128(request, 19);
    return slice_str(arena_printf(arena, "%016llx%016llx", (unsigned long long)hash.hi, (unsigned long long)hash.lo));
}

static struct edda_text text_of(struct slice s)
{
    return (struct edda_text){ (const char *)s.data, s.len };
}

bool engine_call_repeated(struct engine *engine, struct engine_call *call)
{
    if (call->id.len == 0)
        return false;
    struct edda_error error = { 0 };
    struct journal_record record;
    int rc = journal_stream_last(engine->journal, engine->replies, identity_key(call->source, call->id, call->arena), &record);
    if (rc == EDDA_ENOTFOUND)
        return false;
    struct reply first;
    if (rc == 0)
        rc = json_decode(&reply, arena_copy(call->arena, record.record.value), JSON_STORED, call->arena, &first, &error);
    if (rc < 0) {
        (void)edda_fail_with(&error, rc, "the first answer to this request cannot be read");
    } else if (!slice_eq(slice_of(first.request.data, first.request.len), call_request_hash(engine, call, call->arena))) {
        rc = edda_fail_with(&error, EDDA_EDUPLICATE, "the id %.*s was used before, for another request", (int)call->id.len,
                            (const char *)call->id.data);
    } else if (first.code) {
        call->repeated = true;
        char *field = arena_cstr(call->arena, slice_of(first.field.data, first.field.len));
        rc = edda_fail_field(&error, (int)first.code, field, "%.*s", (int)first.message.len, first.message.data);
    } else {
        call->repeated = true;
        call->version = first.version;
        call->reply_json = slice_of(first.body.data, first.body.len);
        if (call->reply_json.len >= 2)
            call->reply_json = slice_of(first.body.data + 1, first.body.len - 2);
    }
    call_done(engine, call, rc, rc < 0 ? &error : NULL);
    return true;
}

void call_reply_add(struct commit *commit, struct slice request)
{
    struct edda_step *step = commit->step;
    struct engine *engine = step->engine;
    struct reply value = { .request = text_of(request) };
    if (step->code < 0) {
        value.code = step->code;
        value.message = edda_text_of(step->error.message);
        value.field = edda_text_of(step->error.field);
    }
    int64_t own = 0;
    for (size_t i = 0; i < commit->count; i++)
        own += step->service->category && commit->messages[i].topic == step->service->category->topic &&
               slice_eq(commit->messages[i].key, step->key);
    value.version = -1;
    if (step->service->category)
        value.version = journal_stream_next_version(engine->journal, step->service->category->topic, step->key) - 1 + own;
    if (step->reply) {
        buffer_clear(&step->encoded);
        json_encode(step->reply_type, step->reply, &step->encoded);
        value.type = edda_text_of(step->reply_type->name);
        value.body = text_of(arena_copy(&step->arena, buffer_slice(&step->encoded)));
    }
    buffer_clear(&step->encoded);
    json_encode(&reply, &value, &step->encoded);
    struct slice key = identity_key(slice_of(step->info.source.data, step->info.source.len), slice_of(step->info.id.data, step->info.id.len),
                                    &step->arena);
    (void)commit_add(commit, engine->replies, key, arena_copy(&step->arena, buffer_slice(&step->encoded)),
                     slice_of(NULL, 0));
}

/* --- the door ------------------------------------------------------------------------------------------- */

/* A fault of the application's tables, which is to be found where it runs and not by its callers alone. */
static int fail_unhandled(struct engine *engine, const struct edda_type *type, struct edda_error *error)
{
    struct edda_error own = { 0 };
    const struct message_type *other = registry_type_named(engine, type);
    if (other && other->type != type)
        (void)edda_fail_with(&own, EDDA_EUNHANDLED, "no service of application %s handles the command %s: service %s handles another table of this name",
                             engine->app->name, type->name, other->handlers ? other->handlers->service->def->name : "(none)");
    else
        (void)edda_fail_with(&own, EDDA_EUNHANDLED, "no service of application %s handles the command %s", engine->app->name, type->name);
    engine_log(engine, "call.unhandled", "%s", own.message);
    return edda_fail_with(error, own.code, "%s", own.message);
}

static int find_handler(struct engine *engine, const struct engine_call *call, struct handler **ret_handler, struct edda_error *error)
{
    struct message_type *type = registry_type_of(engine, call->type);
    if (!type || !type->handlers)
        return fail_unhandled(engine, call->type, error);
    struct service *service = type->handlers->service;
    if (engine->stopping)
        return edda_fail_with(error, EDDA_ECLOSED, "the application is stopping");
    if (engine->broken)
        return edda_fail_with(error, engine->broken, "%s", engine->broken_error.message);
    if (service->paused)
        return edda_fail_with(error, EDDA_EPAUSED, "service %s is paused", service->def->name);
    *ret_handler = type->handlers;
    return json_check(call->type, call->value, error);
}

void engine_call(struct engine *engine, struct engine_call *call)
{
    struct edda_error error = { 0 };
    struct handler *handler = NULL;
    call->reply = NULL;
    call->reply_type = NULL;
    call->reply_json = slice_of(NULL, 0);
    call->version = -1;
    call->repeated = call->accepted = false;
    int rc = find_handler(engine, call, &handler, &error);
    if (rc == 0)
        rc = fold_catch_up(engine, &error); /* it decides by what others have recorded since the last turn, too */
    struct slice key;
    const char *field = handler && handler->row->key ? handler->row->key : call->type->key;
    if (rc == 0 && (!json_field_text(call->type, call->value, field, call->arena, &key) || key.len == 0))
        rc = edda_fail_field(&error, EDDA_EINVAL, field, "must not be empty");
    if (rc == 0 && key.len > ENGINE_KEY_MAX)
        rc = edda_fail_field(&error, EDDA_EINVAL, field, "must not be longer than %d bytes", ENGINE_KEY_MAX);
    struct handler *chosen = rc == 0 ? version_handler(handler, key) : NULL;
    if (rc == 0 && !chosen)
        rc = edda_fail_with(&error, EDDA_ENOTFOUND, "the version of service %s that handles %s takes no new entities", handler->service->def->name,
                            call->type->name);
    if (rc < 0) {
        call_done(engine, call, rc, &error);
        return;
    }
    handler = chosen;
    if (handler->pool && handler->pool->outside)
        await_call(handler, key, call);
    else
        lane_call(handler, key, call);
}
