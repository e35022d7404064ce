/*
 * door_read: readings. Records are copied out of the store under the lock, some at a time, and given to the callback without
 * it, so that a slow callback holds up nobody and may call the store itself.
 *
 * A reading of positions ends at what was durable when it began, so nothing of it can be lost. A reading of a stream
 * also rests on what is known of the stream: whether it was truncated or deleted; so it settles at its beginning and at its end.
 */
#include <stdlib.h>

#include "base/assert.h"
#include "store/door.h"

/* --- copying ------------------------------------------------------------------------------------------ */

void gather_init(struct gather *gather)
{
    arena_init(&gather->arena, 64 << 10, 0);
    gather->count = 0;
    gather->limit = GATHER_RECORDS_MAX;
    gather->looked = 0;
}

void gather_deinit(struct gather *gather)
{
    arena_deinit(&gather->arena);
}

void gather_clear(struct gather *gather)
{
    arena_reset(&gather->arena);
    gather->count = 0;
    gather->looked = 0;
}

bool gather_full(const struct gather *gather)
{
    return gather->count >= gather->limit || gather->arena.used >= GATHER_BYTES_MAX || gather->looked >= GATHER_LOOKS_MAX;
}

static bool filter_passes(const struct filter *filter, const struct store_record *record)
{
    struct slice type;
    if (record->topic->internal && !filter->internal)
        return false;
    if (!filter->types)
        return true;
    if (!record_header_find(&record->record, "ce_type", &type))
        return false;
    for (size_t i = 0; i < filter->type_count; i++)
        if (slice_eq(type, slice_of_text(filter->types[i])))
            return true;
    return false;
}

/* A copy; null stays null, and empty stays empty. */
static bool copy(struct gather *gather, struct slice s, struct slice *ret_copy)
{
    *ret_copy = s.data ? arena_copy(&gather->arena, s) : s;
    return !s.data || ret_copy->data;
}

int gather_add(struct gather *gather, const struct filter *filter, const struct store_record *record, int64_t version)
{
    struct record r = record->record;
    struct cloudevent event;
    struct slice key, body;
    ASSERT(gather->count < GATHER_RECORDS_MAX);
    gather->looked++;
    if (!filter_passes(filter, record))
        return 0;
    if (!copy(gather, record->record.key, &key) || !copy(gather, record->record.value, &body) ||
        !copy(gather, record->record.headers, &r.headers))
        return EDDA_ENOMEM;
    cloudevent_get(&r, &event);
    gather->records[gather->count++] = (struct edda_record){
        .position = record->position,
        /* The names of topics live as long as the store. */
        .category = { record->topic->name, strlen(record->topic->name) },
        .key = text_of_slice(key),
        .version = version,
        .partition = record->partition,
        .offset = r.offset,
        .time_ms = r.timestamp_ms,
        .expiry_ms = event.expiry_ms,
        .type = text_of_slice(event.type),
        .id = text_of_slice(event.id),
        .source = text_of_slice(event.source),
        .correlation = text_of_slice(event.correlation),
        .causation = text_of_slice(event.causation),
        .traceparent = text_of_slice(event.traceparent),
        .body = text_of_slice(body),
        .headers = text_of_slice(r.headers),
    };
    return 0;
}

int gather_give(const struct gather *gather, edda_record_fn *visit, void *user, uint64_t max, uint64_t *ret_given)
{
    int r = 0;
    for (size_t i = 0; i < gather->count && r == 0 && *ret_given < max; i++) {
        ++*ret_given;
        r = visit(user, &gather->records[i]);
    }
    return r;
}

bool edda_record_header(const struct edda_record *record, const char *name, struct edda_text *ret_value)
{
    struct record r = { .headers = slice_of_text(record->headers) };
    struct slice value;
    if (!record_header_find(&r, name, &value))
        return false;
    *ret_value = text_of_slice(value);
    return true;
}

/* --- readings ----------------------------------------------------------------------------------------- */

/* A reading under way. */
struct reading {
    struct edda_store *door;
    const struct edda_read_options *options;
    struct filter filter;
    struct gather *gather;
    uint64_t end;              /* positions from here on came too late */
    /* of lists */
    int64_t next;              /* ordinal or version to go on at */
    int64_t last;              /* the last that was looked at */
    bool late;                 /* one that came too late was met */
    struct edda_text category, key, correlation;
    /* of positions */
    struct store_cursor cursor;
    struct edda_error *error;
};

/* Copies some records, and is called until it returns other than 1: 0 at the end, or a negative code. With the lock held. */
typedef int gather_fn(struct reading *reading);

static int read_error(struct reading *reading, int code)
{
    const struct edda_error *said = store_read_error(reading->door->store);
    return edda_fail_with(reading->error, code, "%s", said->code == code ? said->message : edda_code_info(code)->sentence);
}

static int list_visit(void *user, const struct store_record *record, int64_t version)
{
    struct reading *reading = user;
    if (gather_full(reading->gather))
        return 1;
    reading->last = version >= 0 ? version : reading->last + (reading->options->backward ? -1 : 1);
    if (record->position >= reading->end) {
        reading->late = true;
        return !reading->options->backward;
    }
    return gather_add(reading->gather, &reading->filter, record, version);
}

/* After a call that visited: whether there may be more, and where. */
static int list_go_on(struct reading *reading, int64_t visited)
{
    bool backward = reading->options->backward;
    if (visited < 0)
        return read_error(reading, (int)visited);
    if (!gather_full(reading->gather) || (reading->late && !backward) || (backward && reading->last == 0))
        return 0;
    reading->next = reading->last + (backward ? -1 : 1);
    return 1;
}

static int stream_gather(struct reading *reading)
{
    bool backward = reading->options->backward;
    return list_go_on(reading, store_stream_read(reading->door->store, slice_of_text(reading->category),
                                                 slice_of_text(reading->key), reading->next, backward, UINT64_MAX, list_visit,
                                                 reading));
}

static int correlation_gather(struct reading *reading)
{
    bool backward = reading->options->backward;
    reading->last = backward ? reading->next + 1 : reading->next - 1;
    return list_go_on(reading, correlation_read(reading->door->store, slice_of_text(reading->correlation),
                                                (uint64_t)reading->next, backward, UINT64_MAX, list_visit, reading));
}

static int position_gather(struct reading *reading)
{
    struct store *store = reading->door->store;
    struct store_record record;
    while (!gather_full(reading->gather)) {
        int r = reading->options->backward ? store_cursor_previous(store, &reading->cursor, &record, reading->error) :
                                             store_cursor_next(store, &reading->cursor, &record, reading->error);
        if (r <= 0)
            return r;
        if (record.position >= reading->end)
            return 0;
        r = gather_add(reading->gather, &reading->filter, &record, -1);
        if (r < 0)
            return edda_fail_with(reading->error, r, "out of memory for a reading");
    }
    return 1;
}

/* With the lock held; gives it up. */
static int64_t reading_run(struct reading *reading, gather_fn *gather, edda_record_fn *visit, void *user)
{
    struct edda_store *door = reading->door;
    uint64_t max = reading->options->max ? reading->options->max : UINT64_MAX;
    uint64_t given = 0;
    int more = 1, r = 0;
    while (more == 1 && r == 0 && given < max) {
        gather_clear(reading->gather);
        if (max - given < GATHER_RECORDS_MAX)
            reading->gather->limit = (size_t)(max - given);
        more = gather(reading);
        if (more == 0)
            r = door_settle_all(door, reading->error);
        lock_give(&door->lock);
        if (r == 0 && more >= 0)
            r = gather_give(reading->gather, visit, user, max, &given);
        lock_take(&door->lock);
    }
    store_cursor_deinit(&reading->cursor);
    lock_give(&door->lock);
    gather_deinit(reading->gather);
    free(reading->gather);
    if (more < 0)
        return more;
    return r < 0 ? r : (int64_t)given;
}

/* Takes the lock, unless it fails. */
static int reading_begin(struct reading *reading, struct edda_store *door, const struct edda_read_options *options,
                         struct edda_error *error)
{
    static const struct edda_read_options everything;
    if (!options)
        options = &everything;
    if (options->from < 0)
        return edda_fail_field(error, EDDA_EINVAL, "from", "a reading begins at 0 or later");
    *reading = (struct reading){
        .door = door,
        .options = options,
        .filter = { options->types, options->type_count, options->internal },
        .gather = malloc(sizeof(struct gather)),
        .error = error,
    };
    if (!reading->gather)
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory for a reading");
    gather_init(reading->gather);
    lock_take(&door->lock);
    int r = door_settle_all(door, error);
    reading->end = store_durable_position(door->store);
    if (r < 0) {
        lock_give(&door->lock);
        free(reading->gather);
    }
    return r;
}

static int visit_missing(struct edda_error *error)
{
    return edda_fail_field(error, EDDA_EINVAL, "visit", "a reading needs somebody to tell");
}

int64_t edda_read_stream(struct edda_store *door, struct edda_text category, struct edda_text key,
                         const struct edda_read_options *options, edda_record_fn *visit, void *user, struct edda_error *error)
{
    if (!visit)
        return visit_missing(error);
    struct reading reading;
    int r = reading_begin(&reading, door, options, error);
    if (r < 0)
        return r;
    reading.category = category;
    reading.key = key;
    reading.next = reading.options->from;
    return reading_run(&reading, stream_gather, visit, user);
}

int64_t edda_read_correlation(struct edda_store *door, struct edda_text correlation, const struct edda_read_options *options,
                              edda_record_fn *visit, void *user, struct edda_error *error)
{
    if (!visit)
        return visit_missing(error);
    struct reading reading;
    int r = reading_begin(&reading, door, options, error);
    if (r < 0)
        return r;
    reading.correlation = correlation;
    reading.filter.internal = true;
    uint64_t count = 0;
    if (reading.options->backward) {
        r = lookup_count(door->store, key_correlation(door->store->seed, slice_of_text(correlation)), &count);
        count = r < 0 ? 0 : count;
    }
    reading.next = reading.options->backward ? (int64_t)count - 1 : 0;
    return reading_run(&reading, correlation_gather, visit, user);
}

static int nothing_gather(struct reading *reading)
{
    (void)reading;
    return 0;
}

int64_t edda_read_all(struct edda_store *door, const struct edda_read_options *options, edda_record_fn *visit, void *user,
                      struct edda_error *error)
{
    if (!visit)
        return visit_missing(error);
    struct reading reading;
    int r = reading_begin(&reading, door, options, error);
    if (r < 0)
        return r;
    struct edda_text category = reading.options->category;
    struct topic *only = category.data ? store_topic(door->store, slice_of_text(category)) : NULL;
    uint64_t from = (uint64_t)reading.options->from;
    if (reading.options->backward) {
        from = from < reading.end ? from + 1 : reading.end;
        reading.end = UINT64_MAX;
    }
    reading.filter.internal |= only != NULL;
    store_cursor_init(&reading.cursor, from, only);
    return reading_run(&reading, category.data && !only ? nothing_gather : position_gather, visit, user);
}
