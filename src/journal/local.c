/*
 * The journal over an Edda log in the same process: each operation is one of the store's. What it adds is when to flush.
 *
 * The owner's thread syncs itself when it has nothing else to do and little to write: a hand-off to another thread and back costs more than
 * it saves. With more to write, or to do, the flush goes to the io's flusher, and the next frame gathers meanwhile.
 */
#include "journal/local.h"

#include <stdlib.h>

#include "base/assert.h"

#define FLUSH_HERE_BYTES (UINT64_C(64) << 10)
#define FLUSH_BYTES (UINT64_C(256) << 10)
#define FLUSH_AFTER_NS INT64_C(100000)

struct local_topic {
    struct journal_topic topic;
    struct topic *of;
    struct local_topic *next;
};

struct local {
    struct journal journal;
    struct store *store;
    struct local_topic *topics;
};

struct journal_cursor {
    struct store_cursor cursor;
};

static struct local *local_of(struct journal *journal)
{
    return container_of(journal, struct local, journal);
}

static struct topic *topic_of(const struct journal_topic *topic)
{
    return container_of(topic, struct local_topic, topic)->of;
}

/* The journal's face of a topic, made when it is first seen; NULL when out of memory. */
static struct journal_topic *face_of(struct local *local, struct topic *topic)
{
    if (topic->user)
        return topic->user;
    struct local_topic *face = calloc(1, sizeof *face);
    if (!face)
        return NULL;
    face->topic.name = topic->name;
    face->of = topic;
    face->next = local->topics;
    local->topics = face;
    topic->user = &face->topic;
    return &face->topic;
}

static int record_of(struct local *local, const struct store_record *from, struct journal_record *ret_record)
{
    struct journal_topic *topic = face_of(local, from->topic);
    if (!topic)
        return EDDA_ENOMEM;
    *ret_record = (struct journal_record){ .position = from->position, .topic = topic, .record = from->record };
    return 0;
}

static struct slice name_of(const struct journal_topic *topic)
{
    return slice_str(topic->name);
}

static int local_topic(struct journal *journal, const char *name, uint32_t partitions, struct journal_topic **ret_topic, struct edda_error *error)
{
    struct local *local = local_of(journal);
    struct topic *topic;
    int rc = store_topic_ensure(local->store, slice_str(name), partitions, &topic, error);
    if (rc < 0)
        return rc;
    *ret_topic = face_of(local, topic);
    return *ret_topic ? 0 : edda_fail_with(error, EDDA_ENOMEM, "out of memory for topic %s", name);
}

static void local_decided(struct journal *journal, struct journal_topic *topic)
{
    (void)journal;
    topic_of(topic)->decided = true;
}

#define MESSAGES_INLINE 16

static int local_append(struct journal *journal, const struct journal_condition *condition, const struct journal_message *messages,
                        size_t count, uint64_t *ret_position, struct edda_error *error)
{
    struct local *local = local_of(journal);
    struct store_message few[MESSAGES_INLINE];
    struct store_message *all = count <= MESSAGES_INLINE ? few : malloc(count * sizeof *all);
    if (!all)
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory for a step of %zu messages", count);
    for (size_t i = 0; i < count; i++)
        all[i] = (struct store_message){
            .topic = topic_of(messages[i].topic), .key = messages[i].key, .value = messages[i].value, .event = messages[i].event,
            .headers = messages[i].headers, .header_count = messages[i].header_count, .partition = -1, .identify = messages[i].identify,
        };
    struct store_condition store_condition;
    if (condition)
        store_condition = (struct store_condition){ name_of(condition->topic), condition->key, condition->expected };
    struct store_appended appended;
    int rc = store_append(local->store, condition ? &store_condition : NULL, condition ? 1 : 0, all, count, false, &appended, error);
    if (rc >= 0)
        *ret_position = appended.position;
    if (all != few)
        free(all);
    return rc < 0 ? rc : 0;
}

static int local_cursor_open(struct journal *journal, uint64_t position, struct journal_cursor **ret_cursor)
{
    (void)journal;
    struct journal_cursor *cursor = calloc(1, sizeof *cursor);
    if (!cursor)
        return EDDA_ENOMEM;
    store_cursor_init(&cursor->cursor, position, NULL);
    *ret_cursor = cursor;
    return 0;
}

static void local_cursor_close(struct journal_cursor *cursor)
{
    store_cursor_deinit(&cursor->cursor);
    free(cursor);
}

static int local_cursor_next(struct journal *journal, struct journal_cursor *cursor, struct journal_record *ret_record, struct edda_error *error)
{
    struct local *local = local_of(journal);
    struct store_record record;
    int rc = store_cursor_next(local->store, &cursor->cursor, &record, error);
    if (rc <= 0)
        return rc;
    rc = record_of(local, &record, ret_record);
    return rc < 0 ? rc : 1;
}

static int64_t local_stream_next_version(struct journal *journal, struct journal_topic *topic, struct slice key)
{
    struct stream_info info;
    int rc = store_stream_info(local_of(journal)->store, name_of(topic), key, &info);
    return rc < 0 ? rc : info.next_version;
}

struct visit {
    struct local *local;
    journal_visit_fn *visit;
    void *user;
};

static int visit_record(void *user, const struct store_record *record, int64_t version)
{
    struct visit *visit = user;
    struct journal_record journal_record;
    int rc = record_of(visit->local, record, &journal_record);
    return rc < 0 ? rc : visit->visit(visit->user, &journal_record, version);
}

static int64_t local_stream_read(struct journal *journal, struct journal_topic *topic, struct slice key, int64_t version,
                                 journal_visit_fn *visit, void *user)
{
    struct visit all = { local_of(journal), visit, user };
    return store_stream_read(all.local->store, name_of(topic), key, version, false, UINT64_MAX, visit_record, &all);
}

static int local_stream_last(struct journal *journal, struct journal_topic *topic, struct slice key, struct journal_record *ret_record)
{
    struct local *local = local_of(journal);
    struct store_record record;
    int rc = store_stream_last(local->store, name_of(topic), key, &record);
    return rc < 0 ? rc : record_of(local, &record, ret_record);
}

static int local_record_at(struct journal *journal, uint64_t position, struct journal_record *ret_record)
{
    struct local *local = local_of(journal);
    struct store_record record;
    int rc = store_position_read(local->store, position, &record);
    return rc < 0 ? rc : record_of(local, &record, ret_record);
}

static int64_t local_correlation_read(struct journal *journal, struct slice correlation, uint64_t max, journal_visit_fn *visit, void *user)
{
    struct visit all = { local_of(journal), visit, user };
    return store_correlation_read(all.local->store, correlation, max, visit_record, &all);
}

static int local_identity(struct journal *journal, struct slice source, struct slice id, uint64_t *ret_position)
{
    return store_identity(local_of(journal)->store, source, id, ret_position);
}

static int64_t local_table_scan(struct journal *journal, struct journal_topic *topic, journal_visit_fn *visit, void *user)
{
    struct visit all = { local_of(journal), visit, user };
    return store_table_scan(all.local->store, topic_of(topic), visit_record, &all);
}

static int local_checkpoint_put(struct journal *journal, const char *name, uint64_t position, struct slice bytes, struct edda_error *error)
{
    return store_checkpoint_put(local_of(journal)->store, name, position, bytes, error);
}

static int local_checkpoint_start(struct journal *journal, const char *name, uint64_t position, struct buffer *bytes, struct edda_error *error)
{
    return store_checkpoint_start(local_of(journal)->store, name, position, bytes, error);
}

static int local_checkpoint_ended(struct journal *journal, struct edda_error *error)
{
    return store_checkpoint_ended(local_of(journal)->store, error);
}

static int local_checkpoint_get(struct journal *journal, const char *name, uint64_t *ret_position, struct buffer *bytes)
{
    return store_checkpoint_get(local_of(journal)->store, name, ret_position, bytes);
}

static void local_before_flush(struct journal *journal, journal_hook_fn *hook, void *user)
{
    store_on_close_frame(local_of(journal)->store, hook, user);
}

static bool local_flushing(struct journal *journal)
{
    return store_is_behind(local_of(journal)->store);
}

/* What must wait is no failure: nobody was told of it. */
static int flushed(int rc)
{
    return rc > 0 || rc == EDDA_EBUSY || rc == EDDA_EFULL ? 0 : rc;
}

static int local_flush(struct journal *journal, bool idle, struct edda_error *error)
{
    struct store *store = local_of(journal)->store;
    store_maintain(store);
    if (store_broken(store) || store_durable_position(store) == store_tail(store))
        return store_broken(store);
    uint64_t open = store_open_frame_bytes(store);
    if (idle && !store_frames_unflushed(store) && open <= FLUSH_HERE_BYTES)
        return flushed(store_flush(store, error));
    bool due = idle || open >= FLUSH_BYTES ||
               (open > 0 && io_clock_boot_ns(store_io(store)) - store_open_frame_since_ns(store) >= FLUSH_AFTER_NS);
    if (!due)
        return 0;
    return flushed(store_flush_start(store, error));
}

static uint64_t local_tail(struct journal *journal)
{
    return store_tail(local_of(journal)->store);
}

static uint64_t local_durable(struct journal *journal)
{
    return store_durable_position(local_of(journal)->store);
}

static int64_t local_time_ms(struct journal *journal)
{
    return store_time_ms(local_of(journal)->store);
}

static void local_close(struct journal *journal, bool abandon)
{
    struct local *local = local_of(journal);
    if (abandon)
        store_abandon(local->store);
    else
        store_close(local->store);
    while (local->topics) {
        struct local_topic *face = local->topics;
        local->topics = face->next;
        free(face);
    }
    free(local);
}

static uint64_t local_id(struct journal *journal)
{
    return store_id(local_of(journal)->store);
}

static const struct journal_ops local_ops = {
    .topic = local_topic,
    .decided = local_decided,
    .append = local_append,
    .cursor_open = local_cursor_open,
    .cursor_close = local_cursor_close,
    .cursor_next = local_cursor_next,
    .stream_next_version = local_stream_next_version,
    .stream_read = local_stream_read,
    .stream_last = local_stream_last,
    .record_at = local_record_at,
    .correlation_read = local_correlation_read,
    .identity = local_identity,
    .table_scan = local_table_scan,
    .checkpoint_put = local_checkpoint_put,
    .checkpoint_start = local_checkpoint_start,
    .checkpoint_ended = local_checkpoint_ended,
    .checkpoint_get = local_checkpoint_get,
    .before_flush = local_before_flush,
    .flush = local_flush,
    .flushing = local_flushing,
    .tail = local_tail,
    .durable = local_durable,
    .time_ms = local_time_ms,
    .id = local_id,
    .close = local_close,
};

int journal_local_open(struct io *io, const char *path, const struct store_options *options, struct journal **ret_journal,
                       struct log_recovery *ret_recovery, struct edda_error *error)
{
    struct local *local = calloc(1, sizeof *local);
    if (!local)
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory for the journal");
    local->journal.ops = &local_ops;
    int rc = store_open(io, path, options, &local->store, ret_recovery, error);
    if (rc < 0) {
        free(local);
        return rc;
    }
    *ret_journal = &local->journal;
    return 0;
}

struct store *journal_local_store(struct journal *journal)
{
    return local_of(journal)->store;
}
