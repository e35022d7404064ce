/*
 * The schedules of the services' tables: at start each row is compared with what is pending under its name. The record of a schedule says what its row
 * hashed to when it was set, so that a row that was changed is noticed, and one that is gone.
 */
#include "engine/schedule.h"

#include "engine/internal.h"

static bool name_is_good(const char *name)
{
    size_t len = strlen(name);
    return len > 0 && len <= DEADLINE_NAME_MAX && !memchr(name, '/', len);
}

/* The entity under which it is listed; data NULL: there is none, or out of memory. */
static struct slice entity_of(const struct edda_schedule *row, struct arena *arena)
{
    struct slice key;
    if (row->key)
        return slice_str(row->key);
    return json_field_text(row->type, row->value, row->type->key, arena, &key) ? key : slice_of(NULL, 0);
}

static int check_row(struct engine *engine, const struct edda_service *def, const struct edda_schedule *row, struct edda_error *error)
{
    struct schedule schedule;
    struct edda_error why = { 0 };
    struct message_type *type;
    if (!name_is_good(row->name))
        return edda_fail_with(error, EDDA_EINVAL, "service %s has a schedule whose name is not of 1 to 128 bytes without '/': %s", def->name,
                              row->name);
    for (const struct edda_schedule *other = def->schedules; other < row; other++)
        if (strcmp(other->name, row->name) == 0)
            return edda_fail_with(error, EDDA_EINVAL, "service %s has two schedules named %s", def->name, row->name);
    if (!row->repeats || schedule_parse(slice_str(row->repeats), &schedule, &why) < 0)
        return edda_fail_field(error, EDDA_EINVAL, why.field, "schedule %s of service %s: %s", row->name, def->name,
                               row->repeats ? why.message : "says not how it repeats");
    if (!row->type || !row->value)
        return edda_fail_with(error, EDDA_EINVAL, "schedule %s of service %s has no message", row->name, def->name);
    int rc = registry_type_ensure(engine, row->type, &type, error);
    if (rc < 0)
        return rc;
    rc = json_check(row->type, row->value, &why);
    if (rc < 0)
        return edda_fail_field(error, rc, why.field, "schedule %s of service %s: %s: %s", row->name, def->name, why.field, why.message);
    arena_reset(&engine->take_arena);
    struct slice entity = entity_of(row, &engine->take_arena);
    if (entity.len == 0 || entity.len > ENGINE_KEY_MAX)
        return edda_fail_with(error, EDDA_EINVAL, "schedule %s of service %s has a key of 0 or more than %d bytes", row->name, def->name,
                              ENGINE_KEY_MAX);
    return 0;
}

int schedules_check(struct engine *engine, struct edda_error *error)
{
    for (uint32_t i = 0; i < engine->service_count; i++) {
        const struct edda_service *def = engine->services[i].def;
        for (const struct edda_schedule *row = def->schedules; row && row->name; row++) {
            int rc = check_row(engine, def, row, error);
            if (rc < 0)
                return rc;
        }
    }
    return 0;
}

/* --- arming --------------------------------------------------------------------------------------------- */

struct arming {
    struct slice key;   /* of the record */
    struct slice value; /* JSON */
    struct slice print;
};

/* What the record of a row would be, in the arena. */
static bool arming_of(struct engine *engine, const struct service *service, const struct edda_schedule *row, struct arena *arena,
                      struct arming *ret_arming)
{
    struct buffer *out = &engine->scratch;
    buffer_clear(out);
    json_encode(row->type, row->value, out);
    struct slice value = arena_copy(arena, buffer_slice(out));
    struct hash128 hash = hash128(value, type_version(row->type));
    hash.hi ^= hash64(slice_str(row->repeats), 1);
    hash.lo ^= hash64_mix(hash64(slice_str(row->type->name), 2), hash64(slice_str(row->type->topic), 3));
    const char *print = arena_printf(arena, "%016llx%016llx", (unsigned long long)hash.hi, (unsigned long long)hash.lo);
    *ret_arming = (struct arming){ record_key(service, entity_of(row, arena), slice_str(row->name), arena), value, slice_str(print) };
    return buffer_ok(out) && value.data && print && ret_arming->key.data;
}

/* Whether the row is pending, just as it is in the table. */
static int is_pending(struct engine *engine, const struct arming *arming)
{
    uint64_t position;
    struct journal_record record;
    struct slice print;
    if (!deadline_position(engine, arming->key, &position))
        return 0;
    int rc = journal_record_at(engine->journal, position, &record);
    return rc < 0 ? rc : record_header_find(&record.record, HEADER_SCHEDULE, &print) && slice_eq(print, arming->print);
}

static int arm_row(struct engine *engine, const struct service *service, const struct edda_schedule *row, struct edda_error *error)
{
    struct arena *arena = &engine->take_arena;
    struct arming arming;
    struct schedule schedule;
    arena_reset(arena);
    if (!arming_of(engine, service, row, arena, &arming))
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory for a schedule");
    int rc = is_pending(engine, &arming);
    if (rc != 0)
        return rc < 0 ? edda_fail_with(error, rc, "schedule %s of service %s cannot be read", row->name, service->def->name) : 0;
    if (schedule_parse(slice_str(row->repeats), &schedule, error) < 0)
        return error->code;
    int64_t now_ms = journal_time_ms(engine->journal);
    const char *due = arena_printf(arena, "%lld", (long long)schedule_next(&schedule, now_ms, now_ms));
    if (!due)
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory for a schedule");
    struct buffer *headers = &engine->scratch;
    buffer_clear(headers);
    record_headers_put(headers, SLICE(HEADER_DUE), slice_str(due));
    record_headers_put(headers, SLICE(HEADER_TOPIC), slice_str(row->type->topic));
    record_headers_put(headers, SLICE(HEADER_REPEATS), slice_str(row->repeats));
    record_headers_put(headers, SLICE(HEADER_SCHEDULE), arming.print);
    struct journal_message message = {
        .topic = engine->deadlines, .key = arming.key, .value = arming.value, .headers = buffer_slice(headers), .header_count = 4,
    };
    message.event.type = slice_str(row->type->name);
    message.event.source = slice_str(service->source);
    message.event.data_version = type_version(row->type);
    return buffer_ok(headers) ? commit_records(engine, &message, 1, error) : edda_fail_with(error, EDDA_ENOMEM, "out of memory for a schedule");
}

static bool is_in_table(struct engine *engine, struct slice key, struct arena *arena)
{
    for (uint32_t i = 0; i < engine->service_count; i++) {
        const struct service *service = &engine->services[i];
        for (const struct edda_schedule *row = service->def->schedules; row && row->name; row++)
            if (slice_eq(record_key(service, entity_of(row, arena), slice_str(row->name), arena), key))
                return true;
    }
    return false;
}

static int cancel_if_gone(struct engine *engine, uint64_t position, struct edda_error *error)
{
    struct journal_record record;
    struct arena arena;
    int rc = journal_record_at(engine->journal, position, &record);
    if (rc < 0)
        return edda_fail_with(error, rc, "the schedule at position %llu cannot be read", (unsigned long long)position);
    arena_init(&arena, 0, 0);
    struct slice key = arena_copy(&arena, record.record.key);
    if (!key.data)
        rc = edda_fail_with(error, EDDA_ENOMEM, "out of memory for a schedule");
    else if (!is_in_table(engine, key, &arena))
        rc = engine_deadline_cancel(engine, key, error);
    arena_deinit(&arena);
    return rc;
}

int schedules_arm(struct engine *engine, struct edda_error *error)
{
    int rc = deadline_tables_each(engine, cancel_if_gone, error);
    for (uint32_t i = 0; rc == 0 && i < engine->service_count; i++) {
        const struct service *service = &engine->services[i];
        for (const struct edda_schedule *row = service->def->schedules; rc == 0 && row && row->name; row++)
            rc = arm_row(engine, service, row, error);
    }
    return rc;
}
