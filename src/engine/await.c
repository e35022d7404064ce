/*
 * Calls of commands that are handled by what is outside. Such a step begins only when its message is durable, so the command is recorded first, as a message
 * of its own; the services take it from the journal like any other, and whoever called it waits here, by its position, until its step is recorded.
 *
 * Nobody waits for longer than the first attempt: when that fails, or the breaker is open, the call is answered at once, as accepted. With an identity the
 * answer is recorded with the step, so that a repeat gets it later.
 */
#include "engine/internal.h"

static uint64_t position_hash(uint64_t position)
{
    return hash64_mix(position, 23);
}

/* The next call that waits for the message at this position, taken out; NULL when there is none (left). */
static struct engine_call *take_awaiting(struct engine *engine, uint64_t position)
{
    if (engine->awaited.count == 0)
        return NULL;
    for (struct table_link *link = table_find(&engine->awaited, position_hash(position)); link; link = table_find_next(link)) {
        struct engine_call *call = container_of(link, struct engine_call, awaited);
        if (call->position == position) {
            table_remove(&engine->awaited, link);
            return call;
        }
    }
    return NULL;
}

void await_answer(struct engine *engine, uint64_t position, struct edda_step *step, int code, const struct edda_error *error)
{
    struct engine_call *call;
    while ((call = take_awaiting(engine, position))) {
        if (step)
            call_answer(step, call);
        else
            call_done(engine, call, code, error);
    }
}

static void say_accepted(struct engine *engine, struct engine_call *call)
{
    call->accepted = true;
    call_done(engine, call, 0, NULL);
}

void await_accept_lane(struct lane *lane)
{
    struct engine *engine = lane->service->engine;
    for (const struct list *link = lane->tasks.next; link != &lane->tasks && engine->awaited.count; link = link->next) {
        const struct task *task = container_of(link, struct task, link);
        struct engine_call *call;
        while (!task->call && (call = take_awaiting(engine, task->position)))
            say_accepted(engine, call);
    }
}

void await_accept_pool(struct pool *pool)
{
    struct engine *engine = pool->engine;
    struct table_link *link = engine->awaited.count ? table_each(&engine->awaited, NULL) : NULL;
    while (link) {
        struct engine_call *call = container_of(link, struct engine_call, awaited);
        link = table_each(&engine->awaited, link);
        if (call->pool != pool)
            continue;
        table_remove(&engine->awaited, &call->awaited);
        say_accepted(engine, call);
    }
}

void await_free_all(struct engine *engine)
{
    struct table_link *link;
    struct edda_error error = { 0 };
    (void)edda_fail_with(&error, EDDA_ECLOSED, "the application is stopping; the command is recorded, and will be handled");
    while ((link = table_each(&engine->awaited, NULL))) {
        table_remove(&engine->awaited, link);
        call_done(engine, container_of(link, struct engine_call, awaited), error.code, &error);
    }
    table_deinit(&engine->awaited);
}

/* --- recording a command --------------------------------------------------------------------------------- */

static struct edda_text text_of(struct slice s)
{
    return (struct edda_text){ (const char *)s.data, s.len };
}

/* The command with this identity was recorded before, and has no answer yet: this call waits for it, too. */
static int find_recorded(struct engine *engine, const struct engine_call *call, struct slice hash, uint64_t *ret_position, struct edda_error *error)
{
    struct journal_record record;
    struct slice first;
    int rc = journal_identity(engine->journal, call->source, call->id, ret_position);
    if (rc < 0)
        return rc;
    rc = journal_record_at(engine->journal, *ret_position, &record);
    if (rc < 0)
        return edda_fail_with(error, rc, "the first command with this id cannot be read");
    if (!record_header_find(&record.record, HEADER_REQUEST, &first) || !slice_eq(first, hash))
        return edda_fail_with(error, EDDA_EDUPLICATE, "the id %.*s was used before, for another request", (int)call->id.len,
                              (const char *)call->id.data);
    return 0;
}

static int record_command(struct engine *engine, const struct message_type *type, struct engine_call *call, struct slice hash,
                          uint64_t *ret_position, struct edda_error *error)
{
    struct slice key, id = call->id.len ? call->id : call_id_new(engine, call->arena);
    buffer_clear(&engine->scratch);
    step_encode(call->type, type->look, call->value, journal_time_ms(engine->journal), &engine->scratch);
    struct slice value = arena_copy(call->arena, buffer_slice(&engine->scratch));
    if (!id.data || !value.data || !json_field_text(call->type, call->value, call->type->key, call->arena, &key))
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory for a call");
    struct edda_text correlation = call_correlation(call->type, call->value, text_of(id), call->arena);
    buffer_clear(&engine->scratch);
    buffer_append_slice(&engine->scratch, buffer_slice(&type->headers));
    if (call->id.len)
        record_headers_put(&engine->scratch, SLICE(HEADER_REQUEST), hash);
    struct journal_message message = {
        .topic = type->category->topic, .key = key, .value = value, .identify = call->id.len > 0, .headers = buffer_slice(&engine->scratch),
        .header_count = type->header_count + (call->id.len > 0),
        .event = { .id = id, .source = call->source.len ? call->source : slice_str(engine->app->name), .type = slice_str(call->type->name),
                   .correlation = slice_of(correlation.data, correlation.len), .traceparent = call->traceparent },
    };
    if (!buffer_ok(&engine->scratch))
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory for a call");
    int rc = journal_append(engine->journal, NULL, &message, 1, ret_position, error);
    return rc < 0 ? rc : fold_catch_up(engine, error);
}

void await_call(struct handler *handler, struct slice key, struct engine_call *call)
{
    struct engine *engine = handler->service->engine;
    struct edda_error error = { 0 };
    struct slice hash = slice_of(NULL, 0);
    const struct lane *lane = lane_find(handler->service, key);
    int rc = EDDA_ENOTFOUND;
    if (call->expected != JOURNAL_ANY) {
        rc = edda_fail_with(&error, EDDA_EUNSUPPORTED, "%s is recorded before it is handled, so it cannot depend on a version", call->type->name);
    } else if (lane && lane->state == LANE_QUARANTINED) {
        rc = edda_fail_with(&error, EDDA_EQUARANTINED, "entity %.*s of service %s is quarantined: %s", (int)key.len, (const char *)key.data,
                            handler->service->def->name, lane->reason);
    } else if (call->id.len) {
        if (engine_call_repeated(engine, call))
            return;
        hash = call_request_hash(engine, call, call->arena);
        rc = hash.data ? find_recorded(engine, call, hash, &call->position, &error) : EDDA_ENOMEM;
    }
    if (rc == EDDA_ENOTFOUND)
        rc = record_command(engine, handler->type, call, hash, &call->position, &error);
    call->pool = handler->pool;
    bool late = handler->pool->breaker != BREAKER_CLOSED || (lane && lane->state == LANE_WAITING_RETRY);
    if (rc == 0 && !late && !table_insert(&engine->awaited, &call->awaited, position_hash(call->position)))
        rc = edda_fail_with(&error, EDDA_ENOMEM, "out of memory for a call to wait; its command is recorded");
    if (rc < 0)
        call_done(engine, call, rc, &error);
    else if (late)
        say_accepted(engine, call);
}
