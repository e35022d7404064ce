/*
 * Versions: an entity of a service that has versions belongs to the one that took its first step. That is recorded with the step, in TOPIC_VERSIONS, and looked
 * up when a message comes for the entity; nothing of it is kept in memory. A message for a version that the application does not have (any more) goes to
 * quarantine: it is not lost, and nobody else's rules are applied to it.
 */
#include "engine/internal.h"

#include <stdlib.h>

struct belongs {
    int64_t version;
    bool ended;
};
static const struct edda_field belongs_fields[] = {
    EDDA_FIELD(belongs, version, .min = 1, .max = UINT32_MAX),
    EDDA_FIELD(belongs, ended, .optional = true),
};
static const struct edda_type belongs = EDDA_VALUE(belongs);

struct lost {
    struct handler handler;
    struct edda_row row;
};

/* What was recorded of an entity: 1, 0 when nothing was, or a negative code. */
static int read_recorded(struct service *service, struct slice key, struct belongs *ret_belongs)
{
    struct engine *engine = service->engine;
    struct arena arena;
    struct journal_record record;
    arena_init(&arena, 0, 0);
    struct slice at = record_key(service, key, slice_of(NULL, 0), &arena);
    int rc = at.data ? journal_stream_last(engine->journal, engine->version_table, at, &record) : EDDA_ENOMEM;
    if (rc == 0 && record.record.value.data)
        rc = json_decode(&belongs, record.record.value, JSON_STORED, &arena, ret_belongs, NULL) < 0 ? EDDA_ECORRUPT : 1;
    arena_deinit(&arena);
    return rc == EDDA_ENOTFOUND ? 0 : rc;
}

static const struct version *lowest(const struct service *service)
{
    const struct version *version = service->versions;
    while (version->older)
        version = version->older;
    return version;
}

/* An entity that has a state, and of which nothing is recorded, began before the service had a version: it is the first one's. */
int64_t version_number(struct service *service, struct slice key, bool *ret_ended)
{
    struct belongs recorded = { 0 };
    int rc = read_recorded(service, key, &recorded);
    *ret_ended = recorded.ended;
    if (rc != 0)
        return rc < 0 ? rc : recorded.version;
    int code;
    const struct entity *entity = entity_load(service->engine, service->category, key, &code);
    if (!entity)
        return code;
    return entity_state_version(entity, lowest(service)) > 0 ? 1 : 0;
}

static void end(struct engine *engine, int64_t code, struct slice key)
{
    if (engine->broken)
        return;
    engine->broken = (int)code;
    (void)edda_fail_with(&engine->broken_error, (int)code, "the version of entity %.*s cannot be read", (int)key.len, (const char *)key.data);
}

const struct version *version_of(struct service *service, struct slice key)
{
    const struct version *version = service->versions;
    if (!service->def->version)
        return version;
    bool ended;
    int64_t number = version_number(service, key, &ended);
    if (number < 0)
        end(service->engine, number, key);
    while (number > 0 && version && version->def->version != number)
        version = version->older;
    return version ? version : service->versions;
}

static int refuse(struct edda_step *step, const void *message, const void *state, void *user)
{
    (void)message, (void)state, (void)user;
    bool ended;
    int64_t number = version_number(step->service, step->key, &ended);
    step->code = edda_fail_with(&step->error, EDDA_EUNSUPPORTED, "it belongs to version %lld, which this application does not have",
                                (long long)number);
    return step->code;
}

static struct handler *lost_handler(struct handler *head)
{
    if (!head->lost)
        head->lost = calloc(1, sizeof *head->lost);
    struct lost *lost = head->lost;
    if (!lost)
        return NULL;
    lost->handler = *head;
    lost->handler.row = &lost->row;
    lost->row = *head->row;
    lost->row.handle = refuse;
    lost->row.blocking = 0;
    lost->row.effect = NULL;
    lost->handler.pool = NULL;
    lost->row.retry = (struct edda_retry){ .never = true };
    return &lost->handler;
}

struct handler *version_handler(struct handler *head, struct slice key)
{
    struct service *service = head->service;
    if (!service->def->version)
        return head;
    bool ended;
    int64_t number = version_number(service, key, &ended);
    if (number < 0)
        end(service->engine, number, key);
    if (number <= 0)
        return head->version == service->versions ? head : NULL;
    bool known = false;
    for (const struct version *version = service->versions; version; version = version->older)
        known = known || version->def->version == number;
    if (!known)
        return lost_handler(head);
    struct handler *handler = head;
    while (handler && handler->version->def->version != number)
        handler = handler->older;
    return handler;
}

static struct slice record_value(struct arena *arena, uint32_t number, bool ended)
{
    const struct belongs value = { .version = number, .ended = ended };
    struct buffer json = BUFFER_EMPTY;
    json_encode(&belongs, &value, &json);
    struct slice copy = arena_copy(arena, buffer_slice(&json));
    buffer_deinit(&json);
    return copy;
}

int version_record(struct service *service, struct slice key, uint32_t number, struct arena *arena, struct journal_message *ret_message)
{
    *ret_message = (struct journal_message){ .topic = service->engine->version_table };
    ret_message->key = record_key(service, key, slice_of(NULL, 0), arena);
    ret_message->value = record_value(arena, number, false);
    ret_message->event.type = SLICE("edda.version");
    ret_message->event.source = slice_str(service->source);
    return ret_message->key.data && ret_message->value.data ? 0 : EDDA_ENOMEM;
}

int versions_fold(struct engine *engine, const struct journal_record *record)
{
    struct slice name = record->record.key;
    const uint8_t *slash = name.len ? memchr(name.data, '/', name.len) : NULL;
    name.len = slash ? (size_t)(slash - name.data) : name.len;
    struct service *service = registry_service(engine, name);
    struct slice key = slice_from(record->record.key, name.len + (slash != NULL));
    if (!service || !service->def->version || !view_has(service, key))
        return 0;
    struct arena *arena = &engine->fold_arena;
    arena_reset(arena);
    key = arena_copy(arena, key); /* reading its state may move the record */
    int code = EDDA_ENOMEM;
    const struct entity *entity = key.data ? entity_load(engine, service->category, key, &code) : NULL;
    const struct version *version = entity ? version_of(service, key) : NULL;
    return version ? view_update(version, key, entity_state(entity, version)) : code;
}

void version_add(struct commit *commit)
{
    struct edda_step *step = commit->step;
    uint32_t number = step->handler->version->def->version;
    bool ends = step->finished || step->aborted;
    struct belongs recorded = { 0 };
    if (!number || commit->code || (commit->count == 0 && !ends))
        return;
    int rc = read_recorded(step->service, step->key, &recorded);
    if (rc < 0)
        commit->code = rc;
    if (rc < 0 || (rc > 0 && recorded.version == number && (recorded.ended || !ends)))
        return;
    struct slice key = record_key(step->service, step->key, slice_of(NULL, 0), &step->arena);
    struct slice json = record_value(&step->arena, number, ends);
    if (!key.data || !json.data)
        commit->code = EDDA_ENOMEM;
    else
        (void)commit_add(commit, step->engine->version_table, key, json, SLICE("edda.version"));
}
