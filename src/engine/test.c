/*
 * The test kit: a world of one service without a journal. A handler runs in a step of the engine (step.c), and around it happens in memory
 * what lane.c, commit.c and fold.c do around the steps of an application: what expired is skipped, before the handler and after it,
 * and what the step emitted is folded into the states of the entities.
 */
#include "engine/test.h"

#include <stdio.h>
#include <stdlib.h>

#define CLOCK_START_MS INT64_C(1767225600000) /* 2026-01-01T00:00:00Z */

/* --- the service's tables ------------------------------------------------------------------------------- */

static const struct edda_row *row_of(const struct edda_row *rows, const struct edda_type *type)
{
    for (const struct edda_row *row = rows; row && row->type; row++)
        if (row->type == type)
            return row;
    return NULL;
}

static const struct edda_row *row_named_as(const struct edda_row *rows, const struct edda_type *type)
{
    for (const struct edda_row *row = rows; row && row->type; row++)
        if (strcmp(row->type->name, type->name) == 0 && type->topic && row->type->topic && strcmp(row->type->topic, type->topic) == 0)
            return row;
    return NULL;
}

/* Whether the service's rows mean another table by this name on this topic: no application can have both. */
static bool is_another(const struct edda_test *test, const struct edda_type *type)
{
    const struct edda_row *on = row_named_as(test->def->on, type), *evolve = row_named_as(test->def->evolve, type);
    return (on && on->type != type) || (evolve && evolve->type != type);
}

static bool in_category(const struct edda_test *test, const struct edda_type *type)
{
    const char *category = test->def->entity.category;
    return category && type->topic && strcmp(type->topic, category) == 0;
}

/* A field that a record's or an entity's key can be taken from. */
static bool has_key(const struct edda_type *type, const char *field)
{
    struct edda_type keyed = *type;
    keyed.key = field;
    return field && edda_type_check(&keyed, NULL) == 0;
}

static bool row_is_good(struct edda_test *test, const struct edda_row *row, bool evolves)
{
    const struct edda_type *type = row->type;
    const char *name = test->def->name;
    struct edda_error error = { 0 };
    if (edda_type_check(type, &error) < 0)
        test_wrong(test, "service %s: %s", name, error.message);
    else if (!type->topic || !has_key(type, type->key))
        test_wrong(test, "service %s: message type %s names no topic, or no field for its key", name, type->name);
    else if (evolves && (!row->evolve || !in_category(test, type)))
        test_wrong(test, "service %s cannot fold %s: no function, or not on the entity's category", name, type->name);
    else if (!evolves && !row->handle && !test->def->remote)
        test_wrong(test, "service %s has no handler for %s", name, type->name);
    else if (!evolves && row->key && !has_key(type, row->key))
        test_wrong(test, "service %s selects its entity by field %s, which %s has not", name, row->key, type->name);
    else if (!evolves && row_of(test->def->on, type) != row)
        test_wrong(test, "service %s handles %s twice", name, type->name);
    else if (is_another(test, type))
        test_wrong(test, "two message types are named %s on topic %s", type->name, type->topic);
    else
        return true;
    return false;
}

static bool service_is_good(struct edda_test *test)
{
    const struct edda_service *def = test->def;
    struct edda_error error = { 0 };
    if (!def->name || !def->name[0] || strlen(def->name) > 63) {
        test_wrong(test, "a service needs a name of 1 to 63 bytes");
        return false;
    }
    if (def->entity.state && (!def->entity.category || edda_type_check(def->entity.state, &error) < 0)) {
        test_wrong(test, "service %s: %s", def->name, error.code ? error.message : "its entity has no category");
        return false;
    }
    if (!def->entity.state && (def->evolve || def->view)) {
        test_wrong(test, "service %s has evolve rows or a view but no entity", def->name);
        return false;
    }
    for (const struct edda_row *row = def->evolve; row && row->type; row++)
        if (!row_is_good(test, row, true))
            return false;
    for (const struct edda_row *row = def->on; row && row->type; row++)
        if (!row_is_good(test, row, false))
            return false;
    return true;
}

/* --- a test --------------------------------------------------------------------------------------------- */

struct edda_test *test_alloc(void)
{
    struct edda_test *test = calloc(1, sizeof *test);
    if (!test)
        return NULL;
    list_init(&test->effects);
    list_init(&test->answers);
    list_init(&test->engine.free_steps);
    list_init(&test->entities);
    arena_init(&test->lift_arena, 0, 0);
    buffer_init(&test->when, 0);
    buffer_init(&test->text, 0);
    return test;
}

struct edda_test *edda_test_new(const struct edda_service *service)
{
    struct edda_test *test = test_alloc();
    if (!test)
        return NULL;
    test->def = service;
    test->services[0] = service;
    test->app = (struct edda_app){ .name = "test", .services = test->services };
    test->engine.app = &test->app;
    test->engine.options.outside = test_outside;
    test->engine.options.outside_user = test;
    test->service.engine = &test->engine;
    test->service.def = service;
    test->clock_ms = CLOCK_START_MS;
    bool good = service_is_good(test);
    if (good && service->entity.state) {
        test->zero_state = calloc(1, service->entity.state->size);
        good = test->zero_state != NULL;
    }
    if (good)
        return test;
    (void)edda_test_end(test);
    return NULL;
}

static void step_end(struct edda_test *test)
{
    if (test->step || test->projection)
        test_ask_outcome(test);
    if (test->step) {
        arena_deinit(&test->step->arena);
        buffer_deinit(&test->step->encoded);
        free(test->step);
    }
    test->step = NULL;
    test_effects_forget(test);
    test->outcome = TEST_DONE;
    test->next = 0;
    test->asked_reply = test->asked_end = test->asked_outcome = false;
    test->unmet = test->muted = false;
}

int edda_test_end(struct edda_test *test)
{
    if (!test)
        return 1;
    step_end(test);
    test_outside_free(test);
    while (!list_empty(&test->entities)) {
        struct test_entity *entity = container_of(list_pop_front(&test->entities), struct test_entity, link);
        state_free(entity->state);
        free(entity);
    }
    test_rows_end(test);
    int mismatches = test->mismatches;
    free(test->zero_state);
    arena_deinit(&test->lift_arena);
    buffer_deinit(&test->when);
    buffer_deinit(&test->text);
    free(test);
    return mismatches;
}

struct edda_test *edda_test_at(struct edda_test *test, const char *file, int line)
{
    if (test) {
        test->file = file;
        test->line = line;
    }
    return test;
}

void edda_test_advance(struct edda_test *test, int64_t duration_ms)
{
    if (test)
        test->clock_ms += duration_ms;
}

void edda_test_expiry(struct edda_test *test, int64_t after_ms)
{
    if (test)
        test->expiry_ms = after_ms ? test->clock_ms + after_ms : 0;
}

void edda_test_attempt(struct edda_test *test, uint32_t attempt)
{
    if (test)
        test->attempt = attempt;
}

/* --- entities ------------------------------------------------------------------------------------------- */

static struct test_entity *find(struct edda_test *test, struct slice key)
{
    for (struct list *link = test->entities.next; link != &test->entities; link = link->next) {
        struct test_entity *entity = container_of(link, struct test_entity, link);
        if (slice_eq(entity->key, key))
            return entity;
    }
    return NULL;
}

/* The entity of a key, made when there is none; NULL without entities, and when out of memory. */
static struct test_entity *entity_of(struct edda_test *test, struct slice key)
{
    if (!test->def->entity.state)
        return NULL;
    struct test_entity *entity = find(test, key);
    if (entity)
        return entity;
    entity = calloc(1, sizeof *entity + key.len);
    struct state *state = entity ? state_new(test->def->entity.state) : NULL;
    if (!state) {
        free(entity);
        test_wrong(test, "out of memory for an entity");
        return NULL;
    }
    memcpy(entity + 1, key.data, key.len);
    entity->key = slice_of(entity + 1, key.len);
    entity->state = state;
    list_push_back(&test->entities, &entity->link);
    return entity;
}

/* Folds an event into the entity of its record's key. */
static void fold(struct edda_test *test, const struct edda_type *type, const void *event, struct slice key)
{
    struct test_entity *entity = entity_of(test, key);
    for (const struct edda_row *row = test->def->evolve; entity && row && row->type; row++) {
        if (row->type != type)
            continue;
        row->evolve(entity->state->value, event);
        entity->state->version++;
        if (state_adopt(test->def->entity.state, entity->state) < 0)
            test_wrong(test, "out of memory for the state of an entity");
    }
}

const void *edda_test_state(struct edda_test *test)
{
    if (!test || !test->def->entity.state)
        return NULL;
    return test->entity ? test->entity->state->value : test->zero_state;
}

const struct edda_older *test_older(const struct edda_type *newest, const struct edda_type *type)
{
    const struct edda_older *older = newest->older;
    while (older && older->type && older->type != type)
        older++;
    return older && older->type ? older : NULL;
}

int test_lift(struct edda_test *test, const struct edda_type *newest, const struct edda_older *older, const void **value, struct arena *arena)
{
    struct edda_error error = { 0 };
    void *lifted = arena_alloc(arena, newest->size);
    buffer_clear(&test->text);
    json_encode(older->type, *value, &test->text);
    struct slice json = arena_copy(arena, buffer_slice(&test->text));
    int rc = json_check(older->type, *value, &error);
    if (rc == 0 && (!lifted || !json.data))
        rc = edda_fail_with(&error, EDDA_ENOMEM, "out of memory");
    if (rc == 0)
        rc = message_decode(newest, older->version, json, arena, lifted, &error);
    if (rc < 0) {
        test_wrong(test, "%s: %s", error.field, error.message);
        return rc;
    }
    *value = lifted;
    return 0;
}

/* What a message of an older version reads as today, in the arena, when one of the rows is of the type that it has become: that type, and *value. The
 * same type when it is no older one; NULL when it cannot be read. */
static const struct edda_type *lifted(struct edda_test *test, const struct edda_row *rows, const struct edda_type *type, const void **value,
                                      struct arena *arena)
{
    for (const struct edda_row *row = rows; row && row->type; row++) {
        const struct edda_older *older = test_older(row->type, type);
        if (older)
            return test_lift(test, row->type, older, value, arena) < 0 ? NULL : row->type;
    }
    return type;
}

void edda_given_struct(struct edda_test *test, const struct edda_type *event, const void *value)
{
    if (!test)
        return;
    struct edda_error error = { 0 };
    struct arena arena;
    struct slice key;
    step_end(test);
    if (test->projection) {
        test_apply(test, event, value, true);
        return;
    }
    arena_init(&arena, 0, 0);
    buffer_clear(&test->when);
    buffer_printf(&test->when, "given %s ", event->name);
    json_encode(event, value, &test->when);
    event = lifted(test, test->def->evolve, event, &value, &arena);
    if (!event)
        ; /* said already */
    else if (!in_category(test, event))
        test_wrong(test, "it is not of the entity's category %s", test->def->entity.category ? test->def->entity.category : "(none)");
    else if (is_another(test, event))
        test_wrong(test, "the service means another table by that name");
    else if (json_check(event, value, &error) < 0)
        test_wrong(test, "%s: %s", error.field, error.message);
    else if (!json_field_text(event, value, event->key, &arena, &key) || key.len == 0)
        test_wrong(test, "its key %s is empty", event->key);
    else {
        fold(test, event, value, key);
        test->entity = entity_of(test, key);
    }
    test->messages++;
    arena_deinit(&arena);
}

/* --- steps ---------------------------------------------------------------------------------------------- */

static struct edda_text text_of(struct slice s)
{
    return (struct edda_text){ (const char *)s.data, s.len };
}

/* What a step knows of its message. A command is called, so it has no position yet. */
static int step_message(struct edda_test *test, const struct edda_type *message, const void *value)
{
    struct edda_step *step = test->step;
    const struct edda_row *row = test->handler.row;
    struct slice key, record_key, correlation = { 0 };
    int rc = json_check(message, value, &step->error);
    if (rc < 0)
        return rc;
    if (!json_field_text(message, value, message->key, &step->arena, &record_key) || record_key.len == 0)
        return edda_fail_field(&step->error, EDDA_EINVAL, message->key, "must not be empty");
    if (!json_field_text(message, value, row->key ? row->key : message->key, &step->arena, &key) || key.len == 0)
        return edda_fail_field(&step->error, EDDA_EINVAL, row->key, "must not be empty");
    if (message->correlation)
        (void)json_field_text(message, value, message->correlation, &step->arena, &correlation);
    char *id = arena_printf(&step->arena, "test-%llu", (unsigned long long)test->messages);
    void *copy = value_copy(message, value, &step->arena);
    step->key = arena_copy(&step->arena, key);
    if (!id || !copy || !step->key.data)
        return edda_fail_with(&step->error, EDDA_ENOMEM, "out of memory for a step");
    step->message = copy;
    step->info = (struct edda_message_info){
        .id = edda_text_of(id),
        .source = edda_text_of(test->app.name),
        .type = edda_text_of(message->name),
        .topic = edda_text_of(message->topic),
        .key = text_of(arena_copy(&step->arena, record_key)),
        .correlation = correlation.len ? text_of(arena_copy(&step->arena, correlation)) : edda_text_of(id),
        .position = message->kind == EDDA_TYPE_COMMAND && !test->attempt ? -1 : (int64_t)test->messages,
        .time_ms = step->now_ms,
        .expiry_ms = test->expiry_ms,
        .attempt = test->attempt,
    };
    step->expiry_ms = test->expiry_ms;
    return 0;
}

/* A step that is skipped, rejected or has failed gives nothing but its reason. */
static void give_up(struct edda_test *test, enum test_outcome outcome)
{
    struct edda_step *step = test->step;
    test->outcome = outcome;
    if (outcome == TEST_SKIPPED)
        (void)snprintf(test->reason, sizeof test->reason, "%s", step->reason);
    else
        (void)snprintf(test->reason, sizeof test->reason, "%s%s%s", step->error.field, step->error.field[0] ? ": " : "", step->error.message);
    step->emission_count = 0;
    step->finished = step->aborted = false;
    if (outcome != TEST_SKIPPED)
        step->reply = NULL;
}

static void fold_emissions(struct edda_test *test)
{
    struct edda_step *step = test->step;
    for (uint32_t i = 0; i < step->emission_count; i++) {
        const struct emission *emission = &step->emissions[i];
        if (emission->type && is_another(test, emission->type))
            test_wrong(test, "the service means another table by the name of its emission %s", emission->type->name);
        const struct edda_row *row = row_of(test->def->evolve, emission->type);
        if (emission->kind != EMIT_MESSAGE || !row)
            continue;
        struct edda_error error = { 0 };
        void *value = arena_alloc(&step->arena, row->type->size);
        if (!value || json_decode(row->type, emission->value, JSON_STORED, &step->arena, value, &error) < 0)
            test_wrong(test, "%s cannot be folded: %s", row->type->name, value ? error.message : "out of memory");
        else
            fold(test, row->type, value, emission->key);
    }
}

/* Runs the handler, and finds out what becomes of its step. */
static void step_conclude(struct edda_test *test)
{
    struct edda_step *step = test->step;
    bool late = test->handler.row->late;
    if (step->code == 0 && edda_expired(step) && !late)
        (void)edda_skip(step, "expired");
    else if (step->code == 0)
        (void)step_run(step);
    if (step->code) {
        give_up(test, step_says_no(step) ? TEST_REJECTED : TEST_FAILED);
        return;
    }
    if (!step->skipped && !late && edda_expired(step) && !step_is_bound(step)) {
        step->skipped = true;
        (void)snprintf(step->reason, sizeof step->reason, "expired while it was handled");
        step->reply = NULL;
    }
    if (step->skipped)
        give_up(test, TEST_SKIPPED);
    else
        fold_emissions(test);
}

void edda_when_struct(struct edda_test *test, const struct edda_type *message, const void *value)
{
    if (!test)
        return;
    step_end(test);
    test->when_file = test->file;
    test->when_line = test->line;
    if (test->projection) {
        test_apply(test, message, value, false);
        return;
    }
    buffer_clear(&test->when);
    buffer_printf(&test->when, "when %s ", message->name);
    json_encode(message, value, &test->when);
    arena_reset(&test->lift_arena);
    message = lifted(test, test->def->on, message, &value, &test->lift_arena);
    const struct edda_row *row = message ? row_of(test->def->on, message) : NULL;
    struct edda_step *step = row ? step_new(&test->engine) : NULL;
    if (!message)
        return;
    if (!step) {
        test_wrong(test, row ? "out of memory for a step" : "the service has no handler for it");
        test->muted = true;
        return;
    }
    test->step = step;
    test->pool = (struct pool){ .engine = &test->engine, .service = &test->service, .name = message->name };
    const struct edda_effect *effect = row->handle ? row->effect : &test->def->remote->effect;
    test->pool.outside = effect != NULL;
    if (effect)
        test->pool.effect = *effect;
    test->version = (struct version){ .service = &test->service, .def = test->def };
    test->handler = (struct handler){ .service = &test->service, .version = &test->version, .row = row,
                                      .pool = row->blocking || effect ? &test->pool : NULL };
    step->service = &test->service;
    step->handler = &test->handler;
    step->now_ms = test->clock_ms;
    step->test_clock_ms = &test->clock_ms;
    step->blocking = test->handler.pool != NULL;
    step->undo_left = -1;
    step->code = step_message(test, message, value);
    if (step->code == 0) {
        struct slice record_key = slice_of(step->info.key.data, step->info.key.len);
        if (message->kind != EDDA_TYPE_COMMAND && in_category(test, message))
            fold(test, message, step->message, record_key);
        test->entity = entity_of(test, step->key);
        step->state = edda_test_state(test);
        step->state_version = test->entity ? test->entity->state->version : 0;
    }
    test->messages++;
    test->expiry_ms = 0;
    test->attempt = 0;
    step_conclude(test);
}
