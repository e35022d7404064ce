/*
 * Deadlines: records of TOPIC_DEADLINES whose message is recorded on its own topic when their time comes. Memory holds the time and the
 * position of each, nothing else; the record holds the rest. Firing is one step: the message and the end of the deadline together.
 *
 * A schedule is a deadline that repeats: instead of its end its next time is recorded, computed from the time it should have happened and not from when it
 * did. What was missed while nobody ran happens once.
 */
#include "base/put.h"
#include "engine/internal.h"
#include "engine/schedule.h"

#include <stdlib.h>

#define SLAB_DEADLINES 1024
#define FIRE_AT_ONCE 256

struct slab {
    struct list link;
    struct deadline deadlines[SLAB_DEADLINES];
};

static struct hash128 deadline_id(struct slice key)
{
    return hash128(key, 11);
}

static struct deadline *deadline_find(const struct engine *engine, struct hash128 id)
{
    for (struct table_link *link = table_find(&engine->deadlines_by_id, id.lo); link; link = table_find_next(link)) {
        struct deadline *deadline = container_of(link, struct deadline, link);
        if (deadline->id_hi == id.hi)
            return deadline;
    }
    return NULL;
}

static struct deadline *deadline_alloc(struct engine *engine)
{
    if (!engine->free_deadlines) {
        struct slab *slab = malloc(sizeof *slab);
        if (!slab)
            return NULL;
        list_push_back(&engine->deadline_slabs, &slab->link);
        for (size_t i = 0; i < SLAB_DEADLINES; i++) {
            slab->deadlines[i].link.next = (struct table_link *)(void *)engine->free_deadlines;
            engine->free_deadlines = &slab->deadlines[i];
        }
    }
    struct deadline *deadline = engine->free_deadlines;
    engine->free_deadlines = (struct deadline *)(void *)deadline->link.next;
    *deadline = (struct deadline){ .due = HEAP_NODE_INIT };
    return deadline;
}

static void deadline_free(struct engine *engine, struct deadline *deadline)
{
    if (heap_contains(&deadline->due))
        heap_remove(&engine->deadlines_due, &deadline->due);
    table_remove(&engine->deadlines_by_id, &deadline->link);
    engine->repeating -= deadline->flags & DEADLINE_REPEATS;
    deadline->link.next = (struct table_link *)(void *)engine->free_deadlines;
    engine->free_deadlines = deadline;
    engine->deadline_count--;
}

static struct slice service_part(struct slice key)
{
    const uint8_t *slash = key.len ? memchr(key.data, '/', key.len) : NULL;
    return slice_of(key.data, slash ? (size_t)(slash - key.data) : key.len);
}

static struct edda_text text_of(struct slice s)
{
    return (struct edda_text){ (const char *)s.data, s.len };
}

/* A time of a record's headers; before 1970 it is negative. */
static int64_t header_ms(struct slice text)
{
    return edda_text_int(text_of(text));
}

static uint32_t service_ordinal(const struct engine *engine, const struct service *service)
{
    return service ? (uint32_t)(service - engine->services) : engine->service_count;
}

/* NULL when the application no longer has it. */
static struct service *service_of(const struct engine *engine, const struct deadline *deadline)
{
    return deadline->service < engine->service_count ? &engine->services[deadline->service] : NULL;
}

static int deadline_add(struct engine *engine, struct hash128 id, uint32_t service, int64_t due_ms, uint64_t position, uint32_t flags)
{
    struct deadline *deadline = deadline_alloc(engine);
    if (!deadline)
        return EDDA_ENOMEM;
    deadline->id_hi = id.hi;
    deadline->service = service;
    deadline->position = position;
    if (!table_insert(&engine->deadlines_by_id, &deadline->link, id.lo))
        return EDDA_ENOMEM;
    deadline->flags = flags;
    engine->repeating += flags & DEADLINE_REPEATS;
    engine->deadline_count++;
    return heap_insert(&engine->deadlines_due, &deadline->due, due_ms, position) ? 0 : EDDA_ENOMEM;
}

int deadline_fold(struct engine *engine, const struct journal_record *record)
{
    struct hash128 id = deadline_id(record->record.key);
    struct deadline *deadline = deadline_find(engine, id);
    if (!record->record.value.data) {
        if (deadline)
            deadline_free(engine, deadline);
        return 0;
    }
    struct slice due;
    if (!record_header_find(&record->record, HEADER_DUE, &due))
        return 0;
    if (deadline)
        deadline_free(engine, deadline);
    const struct service *service = registry_service(engine, service_part(record->record.key));
    struct slice text;
    uint32_t flags = record_header_find(&record->record, HEADER_REPEATS, &text) ? DEADLINE_REPEATS : 0;
    flags |= record_header_find(&record->record, HEADER_SCHEDULE, &text) ? DEADLINE_OF_TABLE : 0;
    return deadline_add(engine, id, service_ordinal(engine, service), header_ms(due), record->position, flags);
}

void deadline_save(const struct engine *engine, struct buffer *out)
{
    for (struct table_link *link = table_each(&engine->deadlines_by_id, NULL); link;
         link = table_each(&engine->deadlines_by_id, link)) {
        const struct deadline *deadline = container_of(link, struct deadline, link);
        uint8_t row[1 + 16 + 4 * VARINT64_BYTES_MAX];
        uint8_t *at = put_u8(row, 'D');
        at = put_uvarint64(at, deadline->service);
        at = put_le64(put_le64(at, deadline->id_hi), deadline->link.hash);
        at = put_uvarint64(at, (uint64_t)deadline->due.key);
        at = put_uvarint64(at, deadline->position);
        at = put_uvarint64(at, deadline->flags);
        buffer_append(out, row, (size_t)(at - row));
    }
}

bool deadline_load(struct engine *engine, struct cursor *in)
{
    uint64_t service = cursor_uvarint64(in);
    struct hash128 id;
    id.hi = cursor_le64(in);
    id.lo = cursor_le64(in);
    int64_t due_ms = (int64_t)cursor_uvarint64(in);
    uint64_t position = cursor_uvarint64(in), flags = cursor_uvarint64(in);
    if (service > engine->service_count)
        service = engine->service_count;
    return cursor_ok(in) && deadline_add(engine, id, (uint32_t)service, due_ms, position, (uint32_t)flags) == 0;
}

bool deadline_pending(const struct engine *engine, struct slice key)
{
    return deadline_find(engine, deadline_id(key)) != NULL;
}

bool deadline_position(const struct engine *engine, struct slice key, uint64_t *ret_position)
{
    const struct deadline *deadline = deadline_find(engine, deadline_id(key));
    if (deadline)
        *ret_position = deadline->position;
    return deadline != NULL;
}

static int compare_positions(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

int deadline_tables_each(struct engine *engine, int (*visit)(struct engine *engine, uint64_t position, struct edda_error *error),
                         struct edda_error *error)
{
    uint64_t *positions = malloc((engine->repeating + 1) * sizeof *positions);
    size_t count = 0;
    int rc = positions ? 0 : edda_fail_with(error, EDDA_ENOMEM, "out of memory for the schedules");
    for (struct table_link *link = rc == 0 && engine->repeating ? table_each(&engine->deadlines_by_id, NULL) : NULL; link;
         link = table_each(&engine->deadlines_by_id, link)) {
        const struct deadline *deadline = container_of(link, struct deadline, link);
        if (deadline->flags & DEADLINE_OF_TABLE)
            positions[count++] = deadline->position;
    }
    if (count)
        qsort(positions, count, sizeof *positions, compare_positions);
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = visit(engine, positions[i], error);
    free(positions);
    return rc;
}

int64_t deadline_next_ms(const struct engine *engine)
{
    const struct heap_node *first = heap_first(&engine->deadlines_due);
    if (!first)
        return INT64_MAX;
    return first->key > 0 ? first->key : 0; /* a negative time would be taken for a code */
}

void deadline_release(struct service *service)
{
    struct engine *engine = service->engine;
    for (struct table_link *link = table_each(&engine->deadlines_by_id, NULL); link;
         link = table_each(&engine->deadlines_by_id, link)) {
        struct deadline *deadline = container_of(link, struct deadline, link);
        if (service_of(engine, deadline) != service || heap_contains(&deadline->due))
            continue;
        bool ok = heap_insert(&engine->deadlines_due, &deadline->due, deadline->due.key, deadline->position);
        ASSERT(ok); /* it was in the heap before, whose room is kept */
    }
}

/* --- firing --------------------------------------------------------------------------------------------- */

/* The type of the message that a deadline's record holds. */
static struct message_type *type_of(struct engine *engine, const struct record *record, const struct cloudevent *event)
{
    struct slice topic;
    if (!record_header_find(record, HEADER_TOPIC, &topic))
        return NULL;
    for (uint32_t i = 0; i < engine->category_count; i++)
        if (slice_eq_str(topic, engine->categories[i].topic->name))
            return registry_type(&engine->categories[i], event->type);
    return NULL;
}

/* The id of what follows from a deadline's record: its message, or the next time of a schedule. */
enum { ID_OF_MESSAGE = 13, ID_OF_NEXT = 15 };
static struct slice fired_id(struct arena *arena, const struct cloudevent *event, uint64_t seed)
{
    struct hash128 hash = hash128(event->id, seed);
    char *text = arena_printf(arena, "%016llx%016llx", (unsigned long long)hash.hi, (unsigned long long)hash.lo);
    return slice_str(text);
}

static void put_header(struct journal_message *message, struct buffer *out, const char *name, struct slice value)
{
    record_headers_put(out, slice_str(name), value);
    message->header_count++;
}

static void copy_header(struct journal_message *message, struct buffer *out, const struct record *from, const char *name)
{
    struct slice value;
    if (record_header_find(from, name, &value))
        put_header(message, out, name, value);
}

/* The record of the same deadline for another time. Of a schedule whose `regular` time is moved, that time is noted; -1: this is one. */
static int retime(struct engine *engine, const struct record *from, int64_t due_ms, int64_t regular_ms, struct arena *arena,
                  struct journal_message *message)
{
    struct buffer *out = &engine->scratch;
    const char *due = arena_printf(arena, "%lld", (long long)due_ms), *regular = arena_printf(arena, "%lld", (long long)regular_ms);
    struct slice set;
    if (!record_header_find(from, HEADER_SET, &set))
        set = slice_str(arena_printf(arena, "%lld", (long long)from->timestamp_ms));
    if (!due || !regular || !set.data)
        return EDDA_ENOMEM;
    buffer_clear(out);
    message->header_count = 0;
    put_header(message, out, HEADER_DUE, slice_str(due));
    copy_header(message, out, from, HEADER_TOPIC);
    put_header(message, out, HEADER_SET, set);
    copy_header(message, out, from, HEADER_REPEATS);
    copy_header(message, out, from, HEADER_SCHEDULE);
    if (regular_ms >= 0)
        put_header(message, out, HEADER_REGULAR, slice_str(regular));
    message->value = from->value;
    message->headers = arena_copy(arena, buffer_slice(out));
    return buffer_ok(out) && message->headers.data ? 0 : EDDA_ENOMEM;
}

/* When a deadline's record says that it should happen, whatever it was moved to. */
static int64_t regular_time(const struct record *record)
{
    struct slice due = { NULL, 0 };
    if (!record_header_find(record, HEADER_REGULAR, &due))
        (void)record_header_find(record, HEADER_DUE, &due);
    return header_ms(due);
}

/* Makes the record of a schedule's next time; false when it has none: it is no schedule, or its words cannot be read. */
static bool next_time(struct engine *engine, const struct record *record, int64_t *ret_due_ms)
{
    struct slice words, due = { NULL, 0 };
    struct schedule schedule;
    struct edda_error error = { 0 };
    if (!record_header_find(record, HEADER_REPEATS, &words))
        return false;
    if (schedule_parse(words, &schedule, &error) < 0) {
        engine_log(engine, "deadline.unknown", "schedule %.*s happens no more: %s", (int)record->key.len, (const char *)record->key.data,
                   error.message);
        return false;
    }
    int64_t regular_ms = regular_time(record), after_ms = journal_time_ms(engine->journal);
    if (regular_ms > after_ms)
        after_ms = regular_ms;
    if (record_header_find(record, HEADER_DUE, &due) && header_ms(due) > after_ms)
        after_ms = header_ms(due);
    *ret_due_ms = schedule_next(&schedule, regular_ms, after_ms);
    return *ret_due_ms != INT64_MAX;
}

/* Adds the two records that a deadline's firing makes: none when its message is of a type, or a version, that this application does not know. An older release may
 * have been started in between, so it waits for one that does. */
static int fire_one(struct engine *engine, const struct deadline *deadline, struct arena *arena, struct journal_message messages[2],
                    size_t *ret_count)
{
    struct journal_record record;
    int rc = journal_record_at(engine->journal, deadline->position, &record);
    if (rc < 0)
        return rc;
    struct record copy = record.record;
    copy.key = arena_copy(arena, copy.key);
    copy.value = arena_copy(arena, copy.value);
    copy.headers = arena_copy(arena, copy.headers);
    struct cloudevent event;
    cloudevent_get(&copy, &event);
    size_t count = 0;
    struct message_type *type = type_of(engine, &copy, &event);
    void *value = type ? arena_alloc(arena, type->type->size) : NULL;
    struct slice key;
    struct edda_error error = { 0 };
    if (type && !value)
        return EDDA_ENOMEM;
    if (!type)
        (void)edda_fail_with(&error, EDDA_ENOTFOUND, "its message %.*s is of a type that no service knows", (int)event.type.len,
                             (const char *)event.type.data);
    else if (message_decode(type->type, event.data_version, copy.value, arena, value, &error) == 0 &&
             !json_field_text(type->type, value, type->type->key, arena, &key))
        (void)edda_fail_with(&error, EDDA_EINVAL, "its message has no key");
    if (error.code) {
        engine_log(engine, "deadline.unknown", "deadline %.*s was due and waits: %s", (int)copy.key.len, (const char *)copy.key.data, error.message);
        *ret_count = 0;
        return 0;
    }
    buffer_clear(&engine->scratch);
    step_encode(type->type, type->look, value, journal_time_ms(engine->journal), &engine->scratch);
    messages[count] = (struct journal_message){ .topic = type->category->topic, .key = key, .event = event };
    messages[count].value = arena_copy(arena, buffer_slice(&engine->scratch));
    messages[count].headers = buffer_slice(&type->headers);
    messages[count].header_count = type->header_count;
    messages[count].event.id = fired_id(arena, &event, ID_OF_MESSAGE);
    messages[count].event.causation = event.id;
    event_of_type(&messages[count].event, type->type);
    count++;
    messages[count] = (struct journal_message){ .topic = engine->deadlines, .key = copy.key, .event = event };
    messages[count].event.causation = event.id;
    int64_t next_ms;
    if (next_time(engine, &copy, &next_ms)) {
        messages[count].event.id = fired_id(arena, &event, ID_OF_NEXT);
        rc = retime(engine, &copy, next_ms, -1, arena, &messages[count]);
        if (rc < 0)
            return rc;
    } else {
        messages[count].event.type = SLICE("edda.deadline");
        messages[count].event.id = slice_of(NULL, 0);
        messages[count].event.data_version = 0;
    }
    *ret_count = count + 1;
    return copy.key.data && copy.headers.data ? 0 : EDDA_ENOMEM;
}

int64_t deadline_fire(struct engine *engine, uint64_t max, struct edda_error *error)
{
    int64_t now_ms = engine->deadlines_due.count ? journal_time_ms(engine->journal) : 0;
    struct arena *arena = &engine->take_arena;
    uint64_t fired = 0;
    struct heap_node *node;
    while (fired < max && !engine->stalled && (node = heap_first(&engine->deadlines_due)) && node->key <= now_ms) {
        struct deadline *deadline = container_of(node, struct deadline, due);
        const struct service *service = service_of(engine, deadline);
        if (service && service->paused) {
            heap_remove(&engine->deadlines_due, node);
            continue;
        }
        arena_reset(arena);
        struct journal_message messages[2];
        size_t count = 0;
        int rc = fire_one(engine, deadline, arena, messages, &count);
        if (rc == 0 && count == 0)
            heap_remove(&engine->deadlines_due, node); /* until an application starts that knows its message */
        else if (rc == 0)
            rc = commit_records(engine, messages, count, error);
        if (rc == EDDA_EBUSY || rc == EDDA_EFULL) {
            engine_stall(engine, rc, error);
            break;
        }
        if (rc < 0)
            return error && error->code ? rc : edda_fail_with(error, rc, "a deadline cannot be fired");
        engine->repeats_fired += count > 1 && messages[1].value.data;
        fired++;
    }
    return (int64_t)fired;
}

void deadline_free_all(struct engine *engine)
{
    while (!list_empty(&engine->deadline_slabs))
        free(container_of(list_pop_front(&engine->deadline_slabs), struct slab, link));
    heap_deinit(&engine->deadlines_due);
    table_deinit(&engine->deadlines_by_id);
}

/* --- looking, moving, cancelling ------------------------------------------------------------------------ */

static bool is_of(const struct engine *engine, const struct deadline *deadline, const struct edda_service *def)
{
    const struct service *service = service_of(engine, deadline);
    return service && service == registry_service_of(engine, def);
}

uint64_t engine_deadline_count(const struct engine *engine, const struct edda_service *service)
{
    if (!service)
        return engine->deadline_count;
    uint64_t count = 0;
    for (struct table_link *link = table_each(&engine->deadlines_by_id, NULL); link;
         link = table_each(&engine->deadlines_by_id, link)) {
        const struct deadline *deadline = container_of(link, struct deadline, link);
        count += is_of(engine, deadline, service);
    }
    return count;
}

/* The parts of "service/key/name": the service has no '/', nor has the name. */
static void split_key(struct slice key, struct slice *ret_entity, struct slice *ret_name)
{
    size_t first = service_part(key).len, last = key.len;
    while (last > first + 1 && key.data[last - 1] != '/')
        last--;
    *ret_name = slice_from(key, last);
    *ret_entity = last > first + 1 ? slice_of(key.data + first + 1, last - first - 2) : slice_of(NULL, 0);
}

static int visit_deadline(struct engine *engine, uint64_t position, struct arena *arena, engine_deadline_fn *visit, void *user)
{
    struct journal_record record;
    int rc = journal_record_at(engine->journal, position, &record);
    if (rc < 0)
        return rc;
    struct cloudevent event;
    cloudevent_get(&record.record, &event);
    struct message_type *type = type_of(engine, &record.record, &event);
    arena_reset(arena);
    void *value = type ? arena_alloc(arena, type->type->size) : NULL;
    if (value && message_decode(type->type, event.data_version, record.record.value, arena, value, NULL) < 0)
        value = NULL;
    struct slice entity, name, due = { NULL, 0 }, set = { NULL, 0 };
    split_key(record.record.key, &entity, &name);
    record_header_find(&record.record, HEADER_DUE, &due);
    bool moved = record_header_find(&record.record, HEADER_SET, &set);
    struct slice repeats = { NULL, 0 };
    record_header_find(&record.record, HEADER_REPEATS, &repeats);
    struct edda_deadline_info info = {
        .id = text_of(record.record.key), .service = text_of(service_part(record.record.key)), .key = text_of(entity),
        .name = text_of(name), .set_ms = moved ? header_ms(set) : record.record.timestamp_ms, .due_ms = header_ms(due),
        .type = value ? type->type : NULL, .message = value, .repeats = text_of(repeats),
    };
    return visit(user, &info, event.type, record.record.value);
}

int engine_deadlines(struct engine *engine, const struct edda_service *service, uint64_t from, uint64_t max, engine_deadline_fn *visit,
                     void *user)
{
    uint64_t *positions = malloc((engine->deadline_count + 1) * sizeof *positions);
    if (!positions)
        return EDDA_ENOMEM;
    size_t count = 0;
    for (struct table_link *link = table_each(&engine->deadlines_by_id, NULL); link;
         link = table_each(&engine->deadlines_by_id, link)) {
        const struct deadline *deadline = container_of(link, struct deadline, link);
        if (!service || is_of(engine, deadline, service))
            positions[count++] = deadline->position;
    }
    qsort(positions, count, sizeof *positions, compare_positions);
    struct arena arena;
    arena_init(&arena, 0, 0);
    int rc = 0;
    for (uint64_t i = from; rc == 0 && i < count && i - from < max; i++)
        rc = visit_deadline(engine, positions[i], &arena, visit, user);
    arena_deinit(&arena);
    free(positions);
    return rc;
}

int engine_deadline(struct engine *engine, struct slice id, engine_deadline_fn *visit, void *user)
{
    const struct deadline *deadline = deadline_find(engine, deadline_id(id));
    if (!deadline)
        return EDDA_ENOTFOUND;
    struct arena arena;
    arena_init(&arena, 0, 0);
    int rc = visit_deadline(engine, deadline->position, &arena, visit, user);
    arena_deinit(&arena);
    return rc;
}

static int replace(struct engine *engine, struct slice id, int64_t due_ms, bool cancel, struct edda_error *error)
{
    struct deadline *deadline = deadline_find(engine, deadline_id(id));
    struct journal_record record;
    if (!deadline || journal_record_at(engine->journal, deadline->position, &record) < 0)
        return edda_fail_with(error, EDDA_ENOTFOUND, "no deadline %.*s is pending", (int)id.len, (const char *)id.data);
    struct arena *arena = &engine->take_arena;
    arena_reset(arena);
    struct record copy = record.record;
    copy.value = arena_copy(arena, copy.value);
    copy.headers = arena_copy(arena, copy.headers);
    struct cloudevent event;
    cloudevent_get(&copy, &event);
    struct slice repeats;
    struct journal_message message = { .topic = engine->deadlines, .key = id, .event = event };
    message.event.causation = event.id;
    message.event.id = slice_of(NULL, 0);
    message.event.source = slice_str(engine->app->name);
    if (!cancel) {
        int rc = retime(engine, &copy, due_ms, record_header_find(&copy, HEADER_REPEATS, &repeats) ? regular_time(&copy) : -1, arena, &message);
        if (rc < 0)
            return edda_fail_with(error, rc, "out of memory for a deadline");
    } else {
        message.event.type = SLICE("edda.deadline");
        message.event.data_version = 0;
    }
    return commit_records(engine, &message, 1, error);
}

int engine_deadline_move(struct engine *engine, struct slice id, int64_t due_ms, struct edda_error *error)
{
    return replace(engine, id, due_ms, false, error);
}

int engine_deadline_cancel(struct engine *engine, struct slice id, struct edda_error *error)
{
    return replace(engine, id, 0, true, error);
}
