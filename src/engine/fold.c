/*
 * Folding: the one way into what the engine keeps in memory. Every record of the journal passes here once, in order, whoever wrote
 * it: right after its append while the engine runs, and from the last checkpoint on after a restart. Events change entity states and
 * views; records of the engine's own topics change deadlines, quarantine, sequences and services.
 */
#include "engine/internal.h"

static int update_views(struct engine *engine, const struct category *category, const struct entity *entity)
{
    (void)engine;
    for (uint32_t i = 0; i < category->entity_count; i++) {
        const struct version *version = category->entities[i];
        bool viewed = version->service->view && version_of(version->service, entity->key) == version;
        int rc = viewed ? view_update(version, entity->key, entity_state(entity, version)) : 0;
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* An event of a stream that is somebody's entity. */
static int fold_event(struct engine *engine, struct category *category, const struct journal_record *record, struct edda_error *error)
{
    struct slice key = record->record.key;
    struct entity *entity = entity_find(engine, category, key);
    bool folded = entity && entity->position > record->position;
    if (folded && (engine->opening || !category->viewed))
        return 0;
    struct cloudevent event;
    cloudevent_get(&record->record, &event);
    const struct message_type *type = registry_type(category, registry_type_name(category, record, &event));
    /* Whether or not its state is in memory: it would be wrong one day. */
    if (type && type->evolvers && event.data_version > type_version(type->type))
        return edda_fail_with(error, EDDA_EUNSUPPORTED,
                              "the record at position %llu cannot be folded: %s is of version %u, and this application knows it up to version %u",
                              (unsigned long long)record->position, type->type->name, event.data_version, type_version(type->type));
    if (folded) /* who asked for the state was quicker; the view has not seen it yet */
        return type && type->evolvers ? update_views(engine, category, entity) : 0;
    if (!entity) {
        /* A stream's first event makes its entity known, so that its next steps find it without a read. Others are read when they are
         * needed, or now when a view must know. */
        if (journal_stream_next_version(engine->journal, category->topic, key) == 1) {
            entity = entity_new(engine, category, key);
        } else if (category->viewed && type && type->evolvers) {
            int code;
            entity = entity_load(engine, category, key, &code);
            return entity ? update_views(engine, category, entity) : code;
        } else {
            return 0;
        }
        if (!entity)
            return EDDA_ENOMEM;
    }
    entity->position = record->position + 1;
    entity->version++;
    snapshot_consider(engine, entity);
    if (!type || !type->evolvers)
        return 0;
    struct arena *arena = &engine->fold_arena;
    arena_reset(arena);
    void *value = arena_alloc(arena, type->type->size);
    if (!value)
        return EDDA_ENOMEM;
    /* An event that does not decode is foreign: it folds to nothing. */
    if (message_decode(type->type, event.data_version, record->record.value, arena, value, NULL) < 0)
        return 0;
    int rc = entity_evolve(engine, entity, type, value, record->position, arena);
    return rc < 0 || !category->viewed ? rc : update_views(engine, category, entity);
}

int fold_catch_up(struct engine *engine, struct edda_error *error)
{
    /* Without services nothing is held in memory, however long the log is. */
    if (engine->service_count == 0)
        engine->folded = journal_tail(engine->journal);
    while (engine->folded != journal_tail(engine->journal)) {
        struct journal_record record;
        int rc = journal_cursor_next(engine->journal, engine->fold_cursor, &record, error);
        if (rc <= 0)
            return rc;
        struct category *category = record.topic->user;
        rc = 0;
        if (category && category->fold)
            rc = category->fold(engine, &record);
        else if (category && category->entity_count && record.record.key.len)
            rc = fold_event(engine, category, &record, error);
        if (rc == EDDA_EUNSUPPORTED)
            return rc;
        if (rc < 0)
            return edda_fail_with(error, rc, "the record at position %llu cannot be folded: %s", (unsigned long long)record.position,
                                  edda_code_info(rc)->sentence);
        engine->folded = record.position + 1;
        if (engine->opening)
            entity_trim(engine);
    }
    return 0;
}
