/*
 * The quarantine of projections: keys of which an event could not be applied. That event and those of its key that follow wait, in a table beside the read
 * models; this is what the engine knows of it. To the operator a projection stands where a service does.
 */
#include "engine/projection.h"

#include <stdlib.h>

static uint64_t key_hash(struct slice key)
{
    return hash64(key, 29);
}

struct held_key *held_find(const struct track *track, struct slice key)
{
    for (struct table_link *link = table_find(&track->held, key_hash(key)); link; link = table_find_next(link)) {
        struct held_key *held = container_of(link, struct held_key, link);
        if (slice_eq(held->key, key))
            return held;
    }
    return NULL;
}

static void key_free(struct held_key *held)
{
    buffer_deinit(&held->text);
    free(held->positions);
    free(held);
}

static struct held_key *key_make(struct track *track, struct slice key)
{
    struct held_key *held = held_find(track, key);
    if (held)
        return held;
    held = calloc(1, sizeof *held + key.len);
    if (!held)
        return NULL;
    if (key.len)
        memcpy(held + 1, key.data, key.len);
    held->key = slice_of(held + 1, key.len);
    buffer_init(&held->text, 0);
    if (table_insert(&track->held, &held->link, key_hash(key)))
        return held;
    free(held);
    return NULL;
}

bool held_add(struct track *track, const struct held *row)
{
    struct held_key *held = key_make(track, slice_of(row->key.data, row->key.len));
    if (!held)
        return false;
    if (held->count == held->capacity) {
        size_t capacity = held->capacity ? held->capacity * 2 : 4;
        uint64_t *grown = realloc(held->positions, capacity * sizeof *grown);
        if (!grown)
            return false;
        held->positions = grown;
        held->capacity = capacity;
    }
    if (row->reason.len || held->count == 0) {
        buffer_clear(&held->text);
        buffer_append(&held->text, row->type.data, row->type.len);
        buffer_append(&held->text, row->correlation.data, row->correlation.len);
        buffer_append(&held->text, row->reason.data, row->reason.len);
        held->type_len = row->type.len;
        held->correlation_len = row->correlation.len;
        held->since_ms = row->since;
    }
    held->positions[held->count++] = (uint64_t)row->position;
    track->held_count++;
    return buffer_ok(&held->text);
}

void held_remove(struct track *track, struct held_key *held, size_t count)
{
    track->held_count -= count;
    held->count -= count;
    memmove(held->positions, held->positions + count, held->count * sizeof *held->positions);
    if (held->count)
        return;
    table_remove(&track->held, &held->link);
    key_free(held);
}

void held_free_all(struct track *track)
{
    struct table_link *link = table_each(&track->held, NULL);
    while (link) {
        struct held_key *held = container_of(link, struct held_key, link);
        link = table_each(&track->held, link);
        key_free(held);
    }
    table_deinit(&track->held);
    table_init(&track->held);
    track->held_count = 0;
}

/* --- the operator --------------------------------------------------------------------------------------- */

static int track_each(const struct projection *projection, const struct track *track, engine_quarantine_fn *visit, void *user)
{
    int rc = 0;
    for (struct table_link *link = table_each(&track->held, NULL); link && rc == 0; link = table_each(&track->held, link)) {
        const struct held_key *held = container_of(link, struct held_key, link);
        struct slice text = buffer_slice(&held->text);
        const struct engine_quarantine_info info = {
            .service = slice_str(projection->def->name), .key = held->key, .position = held->positions[0],
            .type = slice_of(text.data, held->type_len), .correlation = slice_of(text.data + held->type_len, held->correlation_len),
            .reason = slice_from(text, held->type_len + held->correlation_len), .held = held->count, .since_ms = held->since_ms,
        };
        rc = visit(user, &info);
    }
    return rc;
}

int projections_held_each(struct engine *engine, engine_quarantine_fn *visit, void *user)
{
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < engine->projection_count; i++) {
        const struct projection *projection = &engine->projections[i];
        rc = track_each(projection, projection->live.active ? &projection->live : &projection->build, visit, user);
    }
    return rc;
}

int projections_repair(struct engine *engine, struct slice name, struct slice key, bool skip, struct edda_error *error)
{
    struct projection *projection = projection_named(engine, name);
    if (!projection)
        return edda_fail_with(error, EDDA_ENOTFOUND, "there is no service or projection %.*s", (int)name.len, (const char *)name.data);
    struct track *tracks[] = { &projection->live, &projection->build };
    bool found = false;
    for (size_t i = 0; i < 2; i++) {
        struct held_key *held = held_find(tracks[i], key);
        if (held)
            held->repair = skip ? REPAIR_SKIP : REPAIR_RETRY;
        found = found || held;
    }
    if (!found)
        return edda_fail_with(error, EDDA_ENOTFOUND, "key %.*s of projection %s is not quarantined", (int)key.len, (const char *)key.data,
                              projection->def->name);
    return 0;
}
