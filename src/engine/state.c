/*
 * Entity states: a cache, bounded in bytes, of what folding the streams gives. One entry holds the states of all services
 * whose entities live in the same stream, so that an event is found, decoded and folded once. An entry that is not cached is folded again
 * from its stream when a handler needs it, a long one from its last snapshot on (snapshot.c).
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
    list_init(&entity->snapshot);
    list_push_front(&engine->lru, &entity->lru);
    engine->state_bytes += entity->bytes;
    return entity;
}

void entity_clear(struct engine *engine, struct entity *entity)
{
    for (uint32_t i = 0; i < entity->category->entity_count; i++) {
        size_t bytes = entity->states[i] ? state_bytes(entity->category->entities[i]->def->entity.state, entity->states[i]) : 0;
        state_free(entity->states[i]);
        entity->states[i] = NULL;
        entity->bytes -= bytes;
        engine->state_bytes -= bytes;
    }
    entity->position = 0;
    entity->snapshotted = 0;
}

static void entity_free(struct engine *engine, struct entity *entity)
{
    table_remove(&engine->entities, &entity->link);
    list_remove(&entity->lru);
    if (list_linked(&entity->snapshot))
        list_remove(&entity->snapshot); /* it becomes due again when the state is next read */
    entity_clear(engine, entity);
    engine->state_bytes -= entity->bytes;
    free(entity);
}

int entity_evolve(struct engine *engine, struct entity *entity, const struct message_type *type, const void *event, uint64_t position,
                  struct arena *arena)
{
    for (const struct evolver *evolver = type->evolvers; evolver; evolver = evolver->next) {
        const struct edda_type *state_type = entity->category->entities[evolver->slot]->def->entity.state;
        struct state **state = &entity->states[evolver->slot];
        size_t before = *state ? state_bytes(state_type, *state) : 0;
        if (!*state)
            *state = state_new(state_type);
        if (!*state)
            return EDDA_ENOMEM;
        const void *lent = state_lend(*state, type->type, event, arena);
        if (!lent)
            return EDDA_ENOMEM;
        evolver->row->evolve((*state)->value, lent);
        (*state)->version++;
        int rc = state_adopt(state_type, *state);
        size_t after = state_bytes(state_type, *state);
        entity->bytes += after - before;
        engine->state_bytes += after - before;
        if (rc < 0)
            return rc;
    }
    entity->position = position + 1;
    return 0;
}

struct load {
    struct engine *engine;
    struct entity *entity;
    struct snapshot_base base;  /* what the snapshot stands for */
    bool joined;                /* what is read follows upon it, or there is none */
    int64_t first_version;      /* of what was read; -1: nothing was */
    int code;
};

/* The stream is read from the snapshot's last event on, which must be where the snapshot says. */
static int load_join(struct load *load, const struct journal_record *record, int64_t version)
{
    load->first_version = version;
    load->joined = version == load->base.version - 1 && record->position == load->base.position;
    return load->joined ? 0 : 1;
}

static int load_event(void *user, const struct journal_record *record, int64_t version)
{
    struct load *load = user;
    struct cloudevent event;
    if (!load->joined)
        return load_join(load, record, version);
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
    int rc = message_decode(type->type, event.data_version, record->record.value, arena, value, NULL);
    if (rc < 0)
        return load->code = rc == EDDA_EUNSUPPORTED ? rc : 0; /* of a version that this application does not know: no state can be had */
    return load->code = entity_evolve(load->engine, load->entity, type, value, record->position, arena);
}

static int load_read(struct load *load, int64_t from)
{
    struct entity *entity = load->entity;
    int64_t rc = journal_stream_read(load->engine->journal, entity->category->topic, entity->key, from, load_event, load);
    return load->code < 0 ? load->code : rc < 0 ? (int)rc : 0;
}

/* Reads what came after the snapshot. 1: the snapshot does not fit the stream. */
static int load_after_snapshot(struct load *load)
{
    int64_t version = load->base.version;
    load->first_version = -1;
    int rc = load_read(load, version - 1);
    if (rc < 0 || load->joined)
        return rc;
    /* When the snapshot's last event is gone the stream may have been truncated there, and all that follows it be left; or it was deleted. */
    if (load->first_version != version && !(load->first_version < 0 && load->entity->version == version))
        return 1;
    rc = snapshot_outlived(load->engine, load->entity);
    if (rc != 0)
        return rc;
    load->joined = true;
    return load_read(load, version);
}

static int load_stream(struct engine *engine, struct entity *entity)
{
    struct load load = { .engine = engine, .entity = entity, .joined = true };
    entity->version = journal_stream_next_version(engine->journal, entity->category->topic, entity->key);
    if (entity->version <= 0)
        return (int)entity->version;
    if (entity->version < entity->category->snapshot_every)
        return load_read(&load, 0);
    int rc = snapshot_read(engine, entity, &load.base);
    if (rc < 0)
        return rc;
    load.joined = load.base.version == 0;
    if (load.base.version > 0)
        rc = load_after_snapshot(&load);
    else
        rc = load_read(&load, 0);
    entity->snapshotted = load.base.version;
    if (rc <= 0)
        return rc;
    entity_clear(engine, entity);
    load = (struct load){ .engine = engine, .entity = entity, .joined = true };
    return load_read(&load, 0);
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
    int rc = load_stream(engine, entity);
    if (rc < 0) {
        entity_free(engine, entity);
        *ret_code = rc;
        return NULL;
    }
    snapshot_consider(engine, entity);
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
