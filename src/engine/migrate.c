/*
 * Migration: lets entities of one version of a service belong to another. What they have done stays; the other version folds the same stream. Whether that gives what
 * it needs is checked for each entity before it is moved, and said of each that stays behind.
 */
#include "engine/internal.h"

#include <stdio.h>
#include <stdlib.h>

#define MOVE_AT_ONCE 1000

/* A deadline of an entity, whose message the version to come does not handle. */
struct dangling {
    struct slice key;      /* of the entity */
    struct slice type;
};

struct migrate {
    struct engine *engine;
    struct engine_migration *asked;
    struct service *service;
    const struct version *from, *to;
    struct arena arena;    /* what lasts: keys, deadlines, records to append */
    struct slice *keys;
    size_t key_count, key_capacity;
    struct dangling *dangling;
    size_t dangling_count, dangling_capacity;
    struct journal_message *moves;
    size_t move_count;
    char reason[512];      /* of the entity at hand */
};

/* --- what there is ------------------------------------------------------------------------------------------ */

static bool grow(void **items, size_t count, size_t *capacity, size_t item_size)
{
    if (count < *capacity)
        return true;
    size_t wanted = *capacity ? *capacity * 2 : 64;
    void *grown = realloc(*items, wanted * item_size);
    if (!grown)
        return false;
    *items = grown;
    *capacity = wanted;
    return true;
}

static int collect_key(void *user, const struct journal_record *record, int64_t version)
{
    struct migrate *m = user;
    (void)version;
    struct slice key = arena_copy(&m->arena, record->record.key);
    if (!key.data || !grow((void **)&m->keys, m->key_count, &m->key_capacity, sizeof *m->keys))
        return EDDA_ENOMEM;
    m->keys[m->key_count++] = key;
    return 0;
}

static bool handles(const struct version *version, struct edda_text type)
{
    for (const struct edda_row *row = version->def->on; row && row->type; row++)
        if (edda_text_is(type, row->type->name))
            return true;
    return false;
}

/* Deadlines that this version does not handle either are some other service's to handle. */
static int collect_dangling(void *user, const struct edda_deadline_info *deadline, struct slice name, struct slice json)
{
    struct migrate *m = user;
    (void)name, (void)json;
    struct edda_text type = edda_text_of(deadline->type ? deadline->type->name : "");
    if (!handles(m->from, type) || handles(m->to, type))
        return 0;
    if (!grow((void **)&m->dangling, m->dangling_count, &m->dangling_capacity, sizeof *m->dangling))
        return EDDA_ENOMEM;
    struct dangling *dangling = &m->dangling[m->dangling_count];
    dangling->key = arena_copy(&m->arena, slice_of(deadline->key.data, deadline->key.len));
    dangling->type = slice_of(type.data, type.len);
    m->dangling_count++;
    return dangling->key.data || !deadline->key.len ? 0 : EDDA_ENOMEM;
}

static int compare_dangling(const void *a, const void *b)
{
    return slice_compare(((const struct dangling *)a)->key, ((const struct dangling *)b)->key);
}

/* --- whether it fits ---------------------------------------------------------------------------------------- */

static bool folds(const struct message_type *type, const struct version *version)
{
    for (const struct evolver *evolver = type->evolvers; evolver; evolver = evolver->next)
        if (evolver->slot == version->slot)
            return true;
    return false;
}

static int check_event(void *user, const struct journal_record *record, int64_t version)
{
    struct migrate *m = user;
    struct cloudevent event;
    cloudevent_get(&record->record, &event);
    const struct category *category = m->service->category;
    const struct message_type *type = registry_type(category, registry_type_name(category, record, &event));
    if (!type || !folds(type, m->from) || folds(type, m->to))
        return 0;
    (void)snprintf(m->reason, sizeof m->reason, "event %lld of its stream is %s, which version %u does not fold", (long long)version,
                   type->type->name, m->to->def->version);
    return 1;
}

/* 1: it fits; 0: it does not, and `reason` says why; or a negative code. */
static int fits(struct migrate *m, struct slice key)
{
    if (lane_find(m->service, key)) {
        (void)snprintf(m->reason, sizeof m->reason, "it is at work, or in quarantine");
        return 0;
    }
    int64_t rc = journal_stream_read(m->engine->journal, m->service->category->topic, key, 0, check_event, m);
    if (rc < 0 || m->reason[0])
        return rc < 0 ? (int)rc : 0;
    const struct dangling wanted = { .key = key };
    const struct dangling *dangling =
        m->dangling_count ? bsearch(&wanted, m->dangling, m->dangling_count, sizeof wanted, compare_dangling) : NULL;
    if (dangling) {
        (void)snprintf(m->reason, sizeof m->reason, "it has set a deadline for %.*s, which version %u does not handle", (int)dangling->type.len,
                       (const char *)dangling->type.data, m->to->def->version);
        return 0;
    }
    int code;
    const struct entity *entity = entity_load(m->engine, m->service->category, key, &code);
    if (!entity)
        return code;
    struct edda_error error = { 0 };
    if (!m->to->def->fits || m->to->def->fits(entity_state(entity, m->from), entity_state(entity, m->to), &error) >= 0)
        return 1;
    (void)snprintf(m->reason, sizeof m->reason, "%s", error.message[0] ? error.message : "the version says that it does not fit");
    return 0;
}

/* --- moving ------------------------------------------------------------------------------------------------- */

static int move_all(struct migrate *m, struct edda_error *error)
{
    int rc = m->move_count ? commit_records(m->engine, m->moves, m->move_count, error) : 0;
    if (rc == 0)
        m->move_count = 0;
    return rc;
}

static int consider(struct migrate *m, struct slice key, struct edda_error *error)
{
    bool ended;
    int64_t number = version_number(m->service, key, &ended);
    if (number < 0 || ended || number != m->from->def->version)
        return number < 0 ? (int)number : 0;
    m->reason[0] = '\0';
    int rc = fits(m, key);
    if (rc < 0)
        return rc;
    if (rc == 0) {
        m->asked->unfits++;
        if (m->asked->unfit)
            m->asked->unfit(m->asked->user, key, m->reason);
        return 0;
    }
    if (!m->asked->dry_run) {
        rc = version_record(m->service, key, m->to->def->version, &m->arena, &m->moves[m->move_count]);
        if (rc < 0)
            return rc;
        m->move_count++;
    }
    m->asked->fits++;
    return m->move_count == MOVE_AT_ONCE ? move_all(m, error) : 0;
}

static int find_versions(struct migrate *m, struct edda_error *error)
{
    struct slice name = m->asked->service;
    m->service = registry_service(m->engine, name);
    if (!m->service)
        return edda_fail_with(error, EDDA_ENOTFOUND, "there is no service %.*s", (int)name.len, (const char *)name.data);
    if (!m->service->def->version)
        return edda_fail_with(error, EDDA_EINVAL, "service %s has no versions", m->service->def->name);
    for (const struct version *version = m->service->versions; version; version = version->older) {
        m->from = version->def->version == m->asked->from ? version : m->from;
        m->to = version->def->version == m->asked->to ? version : m->to;
    }
    if (!m->from || !m->to)
        return edda_fail_field(error, EDDA_ENOTFOUND, m->from ? "to" : "from", "service %s has no version %lld", m->service->def->name,
                               (long long)(m->from ? m->asked->to : m->asked->from));
    if (m->from == m->to)
        return edda_fail_field(error, EDDA_EINVAL, "to", "they belong to version %lld already", (long long)m->asked->to);
    return 0;
}

static int migrate(struct migrate *m, struct edda_error *error)
{
    int rc = find_versions(m, error);
    if (rc == 0)
        rc = fold_catch_up(m->engine, error);
    int64_t seen = rc == 0 ? journal_table_scan(m->engine->journal, m->service->category->topic, collect_key, m) : rc;
    if (seen >= 0)
        seen = engine_deadlines(m->engine, m->from->def, 0, UINT64_MAX, collect_dangling, m);
    if (seen >= 0)
        m->moves = arena_alloc(&m->arena, MOVE_AT_ONCE * sizeof *m->moves);
    rc = seen < 0 ? (int)seen : m->moves ? 0 : EDDA_ENOMEM;
    if (m->dangling_count)
        qsort(m->dangling, m->dangling_count, sizeof *m->dangling, compare_dangling);
    for (size_t i = 0; rc == 0 && i < m->key_count; i++) {
        rc = consider(m, m->keys[i], error);
        entity_trim(m->engine);
    }
    return rc == 0 ? move_all(m, error) : rc;
}

int engine_migrate(struct engine *engine, struct engine_migration *migration, struct edda_error *error)
{
    struct edda_error own = { 0 };
    struct migrate m = { .engine = engine, .asked = migration };
    migration->fits = migration->unfits = 0;
    arena_init(&m.arena, 0, 0);
    int rc = migrate(&m, &own);
    /* The log must catch up with its disk, and whoever asked asks again: what was moved by then is to be told as well. */
    const struct moved moved = { m.from, m.to, migration->fits - m.move_count };
    if (rc == 0 && !migration->dry_run && engine->moved.from == m.from && engine->moved.to == m.to)
        migration->fits += engine->moved.count;
    else if (rc == EDDA_EBUSY && engine->moved.from == m.from && engine->moved.to == m.to)
        engine->moved.count += moved.count;
    else if (rc == EDDA_EBUSY)
        engine->moved = moved;
    if (rc != EDDA_EBUSY && !migration->dry_run)
        engine->moved = (struct moved){ 0 };
    if (rc < 0 && own.code == 0)
        (void)edda_fail_with(&own, rc, "entities of service %.*s cannot be moved: %s", (int)migration->service.len,
                             (const char *)migration->service.data, edda_code_info(rc)->sentence);
    if (rc < 0 && error)
        *error = own;
    if (rc == 0 && !migration->dry_run)
        engine_log(engine, "service.migrated", "service %s: %llu entities of version %lld belong to version %lld now, %llu do not fit",
                   m.service->def->name, (unsigned long long)migration->fits, (long long)migration->from, (long long)migration->to,
                   (unsigned long long)migration->unfits);
    free(m.keys);
    free(m.dangling);
    arena_deinit(&m.arena);
    return rc;
}
