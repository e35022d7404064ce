/*
 * Entity states: a cache, bounded in bytes, of what folding the streams gives. One entry holds the states of all services
 * whose entities live in the same stream, so that an event is found, decoded and folded once. An entry that is not cached is folded again
 * from its stream when a handler needs it.
 */
#include "engine/internal.h"

#include <stdlib.h>

static uint64_t entity_hash(const struct category *category, struct slice key)
{
    return hash64(key, (uint64_t)(uintptr_t)category->topic->name[0] | (uint64_t)strlen(category->topic->name) << 8);
}

struct entity *entity_find(struct engine *engine, struct category *category, struct slice key)
{
    uint64_t hash = entity_hash(category, key);
    for (struct table_link *link = table_find(&engine->entities, hash); link; link = table_find_next(link)) {
        struct entity *entity = container_of(link, struct entity, link);
        if (entity->category == category && slice_eq(entity->key, key)) {
            list_remove(&entity->lru);
            list_push_front(&engine->lru, &entity->lru);
            return entity;
        }
    }
    return NULL;
}

struct entity *entity_new(struct engine *engine, struct category *category, struct slice key)
{
    size_t states_bytes = category->entity_count * sizeof(struct state *);
    struct entity *entity = calloc(1, sizeof *entity + states_bytes + key.len);
    if (!entity)
        return NULL;
    uint8_t *own_key = (uint8_t *)entity->states + states_bytes;
    if (key.len)
        memcpy(own_key, key.data, key.len);
    entity->key = slice_of(own_key, key.len);
    entity->category = category;
    entity->bytes = sizeof *entity + states_bytes + key.len;
    if (!table_insert(&engine->entities, &entity->link, entity_hash(category, key))) {
        free(entity);
        return NULL;
    }
    list_push_front(&engine->lru, &entity->lru);
    engine->state_bytes += entity->bytes;
    return entity;
}

static void entity_free(struct engine *engine, struct entity *entity)
{
    table_remove(&engine->entities, &entity->link);
    list_remove(&entity->lru);
    engine->state_bytes -= entity->bytes;
    for (uint32_t i = 0; i < entity->category->entity_count; i++)
        state_free(entity->states[i]);
    free(entity);
}

int entity_evolve(struct engine *engine, struct entity *entity, const struct message_type *type, const void *event, uint64_t position)
{
    for (const struct evolver *evolver = type->evolvers; evolver; evolver = evolver->next) {
        const struct edda_type *state_type = entity->category->entities[evolver->slot]->def->entity.state;
        struct state **state = &entity->states[evolver->slot];
        size_t before = *state ? state_bytes(state_type, *state) : 0;
        if (!*state)
            *state = state_new(state_type);
        if (!*state)
            return EDDA_ENOMEM;
        evolver->row->evolve((*state)->value, event);
        (*state)->version++;
        int rc = state_adopt(state_type, *state);
        if (rc < 0)
            return rc;
        size_t after = state_bytes(state_type, *state);
        entity->bytes += after - before;
        engine->state_bytes += after - before;
    }
    entity->position = position + 1;
    return 0;
}

struct load {
    struct engine *engine;
    struct entity *entity;
    int code;
};

static int load_event(void *user, const struct journal_record *record, int64_t version)
{
    (void)version;
    struct load *load = user;
    struct cloudevent event;
    cloudevent_get(&record->record, &event);
    load->entity->position = record->position + 1;
    const struct message_type *type =
        registry_type(load->entity->category, registry_type_name(load->entity->category, record, &event));
    if (!type || !type->evolvers)
        return 0;
    struct arena *arena = &load->engine->load_arena;
    arena_reset(arena);
    void *value = arena_alloc(arena, type->type->size);
    if (!value)
        return load->code = EDDA_ENOMEM;
    /* An event that does not decode folds to nothing: it was refused, or is foreign. */
    if (json_decode(type->type, record->record.value, JSON_STORED, arena, value, NULL) < 0)
        return 0;
    return load->code = entity_evolve(load->engine, load->entity, type, value, record->position);
}

struct entity *entity_load(struct engine *engine, struct category *category, struct slice key, int *ret_code)
{
    *ret_code = 0;
    struct entity *entity = entity_find(engine, category, key);
    if (entity)
        return entity;
    entity = entity_new(engine, category, key);
    if (!entity) {
        *ret_code = EDDA_ENOMEM;
        return NULL;
    }
    struct load load = { engine, entity, 0 };
    int64_t rc = 0;
    if (journal_stream_next_version(engine->journal, category->topic, key) > 0)
        rc = journal_stream_read(engine->journal, category->topic, key, 0, load_event, &load);
    if (rc < 0 || load.code < 0) {
        entity_free(engine, entity);
        *ret_code = load.code < 0 ? load.code : (int)rc;
        return NULL;
    }
    return entity;
}

const void *entity_state(const struct entity *entity, const struct version *version)
{
    const struct state *state = entity->states[version->slot];
    return state ? state->value : version->zero_state;
}

uint64_t entity_state_version(const struct entity *entity, const struct version *version)
{
    const struct state *state = entity->states[version->slot];
    return state ? state->version : 0;
}

void entity_trim(struct engine *engine)
{
    while (engine->state_bytes > engine->state_bytes_max && !list_empty(&engine->lru)) {
        struct entity *oldest = container_of(engine->lru.prev, struct entity, lru);
        entity_free(engine, oldest);
    }
}

void entity_free_all(struct engine *engine)
{
    while (!list_empty(&engine->lru))
        entity_free(engine, container_of(engine->lru.next, struct entity, lru));
    table_deinit(&engine->entities);
}
