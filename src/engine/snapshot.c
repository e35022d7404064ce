/*
 * Snapshots: the state of an entity as it was at one version of its stream, so that a long stream need not be read from its beginning. They are
 * derived, recorded after the events they stand for, some time later, and may be lost: then more of the stream is read.
 *
 * The services of one category, and each of their versions, have their snapshots recorded together, one record each under "service/entity", for one version of
 * the stream; they are used together or not at all. One fits when it was made by the same table of fields, the same rows of events in the same versions and the
 * same `state_version`, and when the stream's event before its version lies where it did. A state of which JSON does not give back every byte gets none.
 */
#include "base/cursor.h"
#include "base/put.h"
#include "engine/internal.h"

#define PRINT_VERSION 1

static uint64_t hash_number(uint64_t hash, uint64_t number)
{
    return hash64_mix(hash, number);
}

static uint64_t hash_type(uint64_t hash, const struct edda_type *type)
{
    hash = hash_number(hash, type->field_count);
    for (uint32_t i = 0; i < type->field_count; i++) {
        const struct edda_field *field = &type->fields[i];
        hash = hash64_mix(hash, hash64(slice_str(field->name), 1));
        hash = hash_number(hash, field->kind);
        hash = hash_number(hash, field->item_kind);
        if (field->type)
            hash = hash_type(hash, field->type);
    }
    return hash;
}

/* Changes when what the events fold to would come out differently, as far as tables can tell. */
static uint64_t fingerprint(const struct version *version)
{
    const struct edda_service *def = version->def;
    uint64_t hash = hash_number(PRINT_VERSION, def->entity.state_version);
    for (const struct edda_row *row = def->evolve; row && row->type; row++)
        hash = hash64_mix(hash64_mix(hash, hash64(slice_str(row->type->name), 2)), type_version(row->type));
    return hash_type(hash, def->entity.state);
}

static bool folds(const struct version *version)
{
    return version->def->evolve && version->def->evolve[0].type;
}

/* "service/entity"; of a version above 1 "service@2/entity". */
static struct slice snapshot_key(const struct version *version, struct slice entity, struct arena *arena)
{
    uint32_t number = version->def->version;
    if (number <= 1)
        return record_key(version->service, entity, slice_of(NULL, 0), arena);
    const char *first = arena_printf(arena, "%s@%u/", version->def->name, number);
    size_t len = first ? strlen(first) : 0;
    uint8_t *key = first ? arena_bytes(arena, len + entity.len) : NULL;
    if (!key)
        return slice_of(NULL, 0);
    memcpy(key, first, len);
    if (entity.len)
        memcpy(key + len, entity.data, entity.len);
    return slice_of(key, len + entity.len);
}

/* --- reading -------------------------------------------------------------------------------------------- */

static bool header_number(const struct record *record, const char *name, uint64_t *ret_number)
{
    struct slice text;
    uint64_t number = 0;
    if (!record_header_find(record, name, &text) || text.len == 0)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9' || __builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, (uint64_t)(text.data[i] - '0'), &number))
            return false;
    }
    *ret_number = number;
    return true;
}

/* Fills the state of one service. 1 and what the snapshot stands for; 0: there is none that fits; or a negative code. */
static int read_one(struct engine *engine, struct entity *entity, const struct version *version, struct snapshot_base *ret_base)
{
    struct arena *arena = &engine->load_arena;
    struct journal_record record;
    uint64_t print, count, position;
    arena_reset(arena);
    struct slice key = snapshot_key(version, entity->key, arena);
    if (!key.data)
        return EDDA_ENOMEM;
    int rc = journal_stream_last(engine->journal, engine->snapshots, key, &record);
    if (rc < 0)
        return rc == EDDA_ENOTFOUND ? 0 : rc;
    const struct edda_type *type = version->def->entity.state;
    struct slice value = record.record.value;
    if (value.len < sizeof(uint64_t) || !header_number(&record.record, HEADER_PRINT, &print) || print != fingerprint(version) ||
        !header_number(&record.record, HEADER_FOLDS, &count) || !header_number(&record.record, HEADER_POSITION, &position))
        return 0;
    struct cursor in = cursor_of(value);
    struct snapshot_base base = { (int64_t)cursor_be64(&in), position };
    struct state *state = count ? state_new(type) : NULL;
    if (count && !state)
        return EDDA_ENOMEM;
    rc = state ? json_decode(type, slice_from(value, sizeof(uint64_t)), JSON_STORED, arena, state->value, NULL) : 0;
    if (rc == 0 && state) {
        state->version = count;
        rc = state_adopt(type, state);
    }
    if (rc < 0 || base.version <= 0) {
        state_free(state);
        return rc == EDDA_ENOMEM ? rc : 0;
    }
    entity->states[version->slot] = state;
    size_t bytes = state ? state_bytes(type, state) : 0;
    entity->bytes += bytes;
    engine->state_bytes += bytes;
    *ret_base = base;
    return 1;
}

int snapshot_read(struct engine *engine, struct entity *entity, struct snapshot_base *ret_base)
{
    const struct category *category = entity->category;
    struct snapshot_base all = { 0, 0 };
    int rc = 1;
    for (uint32_t i = 0; i < category->entity_count && rc > 0; i++) {
        struct snapshot_base one;
        if (!folds(category->entities[i]))
            continue;
        rc = read_one(engine, entity, category->entities[i], &one);
        if (rc > 0 && all.version && (one.version != all.version || one.position != all.position))
            rc = 0;
        if (rc > 0)
            all = one;
    }
    if (rc > 0 && all.version > 0 && all.version <= entity->version) {
        entity->position = all.position + 1;
        *ret_base = all;
        return 0;
    }
    entity_clear(engine, entity);
    *ret_base = (struct snapshot_base){ 0, 0 };
    return rc < 0 ? rc : 0;
}

/* The store notes a deletion in a table of its own. A truncation that came later has a row in its place, and cuts off more than what this asks about. */
int snapshot_outlived(struct engine *engine, const struct entity *entity)
{
    struct journal_topic *streams;
    struct journal_record record;
    struct slice deleted;
    bool is_string;
    struct arena *arena = &engine->load_arena;
    arena_reset(arena);
    size_t topic_len = strlen(entity->category->topic->name);
    uint8_t *key = arena_bytes(arena, topic_len + 1 + entity->key.len);
    if (!key)
        return EDDA_ENOMEM;
    memcpy(key, entity->category->topic->name, topic_len);
    key[topic_len] = '/';
    memcpy(key + topic_len + 1, entity->key.data, entity->key.len);
    int rc = journal_topic(engine->journal, "_edda.streams", 1, &streams, NULL);
    if (rc == 0)
        rc = journal_stream_last(engine->journal, streams, slice_of(key, topic_len + 1 + entity->key.len), &record);
    if (rc < 0)
        return rc == EDDA_ENOTFOUND ? 0 : rc;
    return record.record.value.data && json_find(record.record.value, "deleted_at", &deleted, &is_string);
}

/* --- writing -------------------------------------------------------------------------------------------- */

void snapshot_consider(struct engine *engine, struct entity *entity)
{
    if (entity->version - entity->snapshotted >= entity->category->snapshot_every && !list_linked(&entity->snapshot))
        list_push_back(&engine->snapshots_due, &entity->snapshot);
}

/* Whether JSON gives back every byte of the state. */
static bool survives(const struct edda_type *type, const void *value, struct slice json, struct arena *arena)
{
    void *back = arena_alloc(arena, type->size);
    return back && json_decode(type, json, JSON_STORED, arena, back, NULL) == 0 && value_same(type, value, back, arena);
}

static bool put_headers(const struct entity *entity, const struct version *version, struct arena *arena, struct buffer *out)
{
    const struct state *state = entity->states[version->slot];
    const struct {
        const char *name;
        uint64_t number;
    } headers[] = {
        { HEADER_PRINT, fingerprint(version) },
        { HEADER_FOLDS, state ? state->version : 0 },
        { HEADER_POSITION, entity->position - 1 },
    };
    buffer_clear(out);
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
        const char *number = arena_printf(arena, "%llu", (unsigned long long)headers[i].number);
        if (!number)
            return false;
        record_headers_put(out, slice_str(headers[i].name), slice_str(number));
    }
    return buffer_ok(out);
}

/* The record of one service; EDDA_EUNSUPPORTED when its state does not survive. */
static int make_record(struct engine *engine, const struct entity *entity, const struct version *version, struct arena *arena,
                       struct journal_message *ret_message)
{
    const struct edda_type *type = version->def->entity.state;
    const void *value = entity_state(entity, version);
    struct buffer *out = &engine->scratch;
    buffer_clear(out);
    uint8_t *head = buffer_extend(out, sizeof(uint64_t));
    if (!head)
        return EDDA_ENOMEM;
    put_be64(head, (uint64_t)entity->version);
    json_encode(type, value, out);
    struct slice encoded = arena_copy(arena, buffer_slice(out));
    if (!buffer_ok(out) || !encoded.data)
        return EDDA_ENOMEM;
    if (!survives(type, value, slice_from(encoded, sizeof(uint64_t)), arena))
        return EDDA_EUNSUPPORTED;
    *ret_message = (struct journal_message){ .topic = engine->snapshots, .value = encoded, .header_count = 3 };
    ret_message->key = snapshot_key(version, entity->key, arena);
    ret_message->event.source = slice_str(version->service->source);
    ret_message->event.type = SLICE("edda.snapshot");
    if (!put_headers(entity, version, arena, out))
        return EDDA_ENOMEM;
    ret_message->headers = arena_copy(arena, buffer_slice(out));
    return ret_message->key.data && ret_message->headers.data ? 0 : EDDA_ENOMEM;
}

static int write_one(struct engine *engine, const struct entity *entity, struct edda_error *error)
{
    const struct category *category = entity->category;
    struct journal_message messages[ENGINE_SERVICES_MAX];
    struct arena *arena = &engine->load_arena;
    size_t count = 0;
    int rc = 0;
    arena_reset(arena);
    for (uint32_t i = 0; i < category->entity_count && rc == 0; i++)
        if (folds(category->entities[i]))
            rc = make_record(engine, entity, category->entities[i], arena, &messages[count++]);
    return rc == 0 && count > 0 ? commit_records(engine, messages, count, error) : rc;
}

int64_t snapshot_write(struct engine *engine, uint64_t max, struct edda_error *error)
{
    int64_t count = 0;
    while ((uint64_t)count < max && !engine->stalled && !list_empty(&engine->snapshots_due)) {
        struct edda_error own = { 0 };
        struct entity *entity = container_of(engine->snapshots_due.next, struct entity, snapshot);
        int rc = write_one(engine, entity, &own);
        if (rc == EDDA_EBUSY || rc == EDDA_EFULL)
            return count; /* it stays due */
        if (rc < 0 && (engine->broken || edda_code_info(rc)->fatal)) {
            *error = own;
            return rc;
        }
        if (rc < 0)
            engine_log(engine, "snapshot.impossible", "no snapshot of %s/%.*s: %s", entity->category->topic->name, (int)entity->key.len,
                       (const char *)entity->key.data,
                       rc == EDDA_EUNSUPPORTED ? "its JSON does not give back every byte of the state" : edda_code_info(rc)->sentence);
        list_remove(&entity->snapshot);
        /* What cannot be is tried again when the stream is twice as long: encoding a large state each time would cost more than reading it once. */
        entity->snapshotted = rc < 0 ? 2 * entity->version - (int64_t)entity->category->snapshot_every : entity->version;
        count++;
    }
    return count;
}
