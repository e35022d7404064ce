/*
 * The store against a model of it (store_model.h), on a simulated disk: appends with conditions and identities, metadata,
 * tables, readings of every kind, truncated partitions and the scavenger behind them, flushes, seals and merges of the index; then the machine or the process dies at any point, a write
 * is cut, the index is lost, and the store is opened again. What was durable must be there; what was not may be missing,
 * as a suffix of the total order and never part of an append; and everything that can be read must be what the model says.
 *
 * A failure prints the seed: store_model --seeds 1 --seed N runs it again.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/prng.h"
#include "io/simulated.h"
#include "store/partition.h"
#include "store_model.h"
#include "seeds.h"

#define DIR "/data"
#define DISK_BYTES (UINT64_C(4) << 20)

static struct world {
    uint64_t seed;
    struct prng prng;
    struct io *io;
    struct store *store;
    struct store_options options;
    struct model model;
    struct buffer padding;
    uint64_t durable;        /* the greatest durable position that was seen */
    uint32_t values, ids;
    uint64_t rewritten, removed, moved;
    bool hook;
    bool padded;             /* records are large, so that there are several segments */
    bool deep;               /* the scavenger looks through everything; then no stream is cut, because whether a cut record is still met elsewhere is not told */
    bool front;              /* padded; most is cut away, and no rows but those of topics stay, so that whole segments become empty at the front of the log */
    bool full;               /* the disk has no room */
    bool dead;               /* a cut has struck: reopen */
    struct edda_error error;
} w;

static _Noreturn void fail(const char *what, int64_t code)
{
    printf("FAILED with seed %" PRIu64 ": %s (%" PRId64 ") %s\n", w.seed, what, code, w.error.message);
    fflush(stdout);
    abort();
}

#define CHECK(condition) \
    do { \
        if (!(condition)) \
            fail(#condition, __LINE__); \
    } while (0)

static uint64_t below(uint64_t n)
{
    return prng_below(&w.prng, n);
}

static bool one_in(uint64_t n)
{
    return prng_one_in(&w.prng, n);
}

static struct topic *topic_of(int topic)
{
    return store_topic(w.store, slice_str(model_topic_names[topic]));
}

/* Whether a code is one that any call may return for reasons that the model knows nothing of. */
static bool is_weather(int code)
{
    /* Whether there is room again the log looks after a moment only, when it comes to need a segment. */
    if (code == EDDA_EBUSY || (code == EDDA_EFULL && (w.full || w.padded)))
        return true;
    w.dead = io_simulated_is_cut(w.io) || store_broken(w.store);
    return w.dead && (code == EDDA_ECLOSED || code == EDDA_EIO);
}

/* Of several segments each is opened when it is first read, which a dead disk does not allow. */
static bool can_read(void)
{
    return !w.padded || !io_simulated_is_cut(w.io);
}

static void applied(int mixed)
{
    if (!model_apply(&w.model, store_tail(w.store), mixed))
        fail("the positions are not those of what was done", (int64_t)store_tail(w.store));
    if (store_durable_position(w.store) > w.durable)
        w.durable = store_durable_position(w.store);
}

/* --- appending ---------------------------------------------------------------------------------------- */

struct texts {
    char value[MODEL_MESSAGES][16];
    char id[MODEL_MESSAGES][16];
    char correlation[MODEL_MESSAGES][8];
};

static struct store_message message_of(const struct model_message *m, struct texts *texts, size_t i)
{
    struct store_message message = { .topic = topic_of(m->topic), .key = model_key(m->key), .partition = m->partition };
    if (m->value) {
        int len = snprintf(texts->value[i], sizeof(texts->value[i]), "v%" PRIu32, m->value);
        message.value = slice_of(texts->value[i], (size_t)len);
    }
    if (m->id >= 0) {
        int len = snprintf(texts->id[i], sizeof(texts->id[i]), "id%d", m->id);
        message.event.id = slice_of(texts->id[i], (size_t)len);
        message.event.source = SLICE("/model");
        message.event.type = SLICE("Happened");
    }
    if (m->correlation >= 0) {
        int len = snprintf(texts->correlation[i], sizeof(texts->correlation[i]), "c%d", m->correlation);
        message.event.correlation = slice_of(texts->correlation[i], (size_t)len);
        if (m->id < 0)
            message.event.type = SLICE("Correlated");
    }
    message.identify = m->identify;
    if (w.padded && m->topic != MODEL_HOOK) {
        message.headers = buffer_slice(&w.padding);
        message.header_count = 1;
    }
    return message;
}

static int hook(void *user, struct edda_error *error)
{
    (void)user, (void)error;
    struct texts texts;
    struct model_message m = { .value = ++w.values, .id = -1, .topic = MODEL_HOOK, .key = 1, .partition = -1, .correlation = -1 };
    struct store_message message = message_of(&m, &texts, 0);
    struct store_appended appended;
    int r = store_append(w.store, NULL, 0, &message, 1, false, &appended, &w.error);
    if (r < 0 && is_weather(r))
        return r;
    CHECK(r == 0);
    model_note(&w.model, OP_APPEND, appended.position, 1)->messages[0] = m;
    return 0;
}

static struct model_message message_choose(void)
{
    struct model_message m = { .value = one_in(10) ? 0 : ++w.values, .id = -1, .partition = -1, .correlation = -1 };
    do
        m.topic = (int8_t)below(MODEL_HOOK);
    while (!w.model.topics[m.topic].exists);
    m.key = one_in(8) ? -1 : (int8_t)below(MODEL_KEYS);
    if (one_in(6))
        m.partition = (int8_t)below((uint64_t)w.model.topics[m.topic].partitions);
    if (one_in(3))
        m.correlation = (int8_t)below(MODEL_CORRELATIONS);
    if (one_in(3) && w.ids < MODEL_IDS) {
        m.id = (int16_t)(one_in(5) && w.ids > 0 ? below(w.ids) : w.ids++);
        m.identify = !one_in(4);
    }
    return m;
}

/* A topic that one of these would mark as mixed, or -1. */
static int mixed_by(const struct model_message *messages, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct model_message *m = &messages[i];
        if (m->partition >= 0 && m->key >= 0 && !w.model.topics[m->topic].mixed && w.model.topics[m->topic].partitions > 1 &&
            (uint32_t)m->partition != model_partition_by_hash(&w.model, m))
            return m->topic;
    }
    return -1;
}

static size_t conditions_choose(struct store_condition *conditions, int (*streams)[2])
{
    size_t count = one_in(2) ? 0 : 1 + below(2);
    for (size_t i = 0; i < count; i++) {
        streams[i][0] = (int)below(MODEL_HOOK);
        streams[i][1] = (int)below(MODEL_KEYS);
        const struct model_stream *s = &w.model.streams[streams[i][0]][streams[i][1]];
        const int64_t choices[] = { STORE_ANY, s->next_version ? STORE_EXISTS : STORE_NONE, s->next_version - 1, s->next_version - 1,
                                    (int64_t)below(5), STORE_NONE };
        int64_t expected = choices[below(6)];
        conditions[i] = (struct store_condition){ slice_str(model_topic_names[streams[i][0]]), model_key(streams[i][1]), expected };
    }
    return count;
}

static void do_append(void)
{
    struct model_message chosen[MODEL_MESSAGES];
    struct store_message messages[MODEL_MESSAGES];
    struct store_condition conditions[2];
    int streams[2][2];
    struct texts texts;
    struct store_appended appended, expected;
    size_t count = 1 + below(MODEL_MESSAGES);
    const struct op *again = w.model.op_count && one_in(5) ? &w.model.ops[below(w.model.op_count)] : NULL;
    if (again && again->kind == OP_APPEND && again->messages[0].topic != MODEL_HOOK) {
        count = again->count;
        memcpy(chosen, again->messages, sizeof(chosen));
    } else {
        for (size_t i = 0; i < count; i++)
            chosen[i] = message_choose();
    }
    size_t condition_count = conditions_choose(conditions, streams);
    for (size_t i = 0; i < count; i++)
        messages[i] = message_of(&chosen[i], &texts, i);
    int predicted = model_predict(&w.model, conditions, streams, condition_count, chosen, count, &expected);
    int mixed = predicted == 0 && !expected.repeated ? mixed_by(chosen, count) : -1;
    int other_mixed = -1;
    if (mixed >= 0)
        for (size_t i = 0; i < count; i++)
            if (chosen[i].topic != mixed && mixed_by(&chosen[i], 1) >= 0)
                other_mixed = chosen[i].topic;
    if (other_mixed >= 0)
        return; /* two rows would have to be told apart */
    int r = store_append(w.store, conditions, condition_count, messages, count, true, &appended, &w.error);
    if (r == 0 && predicted == 0 && !expected.repeated) {
        struct op *op = model_note(&w.model, OP_APPEND, appended.position, (uint32_t)count);
        memcpy(op->messages, chosen, sizeof(chosen));
    }
    applied(mixed);
    if (r != predicted && is_weather(r))
        return;
    if (r != predicted)
        fail("an append did not return what it should", predicted ? predicted : r);
    if (r < 0)
        return;
    CHECK(appended.repeated == expected.repeated);
    if (!appended.repeated) {
        const struct model_record *last = &w.model.records[w.model.record_count - 1];
        CHECK(appended.position + count - 1 == last->position && appended.version == last->version);
        CHECK(appended.offset == w.model.records[w.model.record_count - count].offset);
    } else {
        CHECK(appended.position == expected.position && appended.offset == expected.offset);
        CHECK(appended.version == expected.version);
    }
}

/* Notes an operation of one row, if it was done. */
static struct op *row_done(enum op_kind kind, int r)
{
    if (r == 0)
        return model_note(&w.model, kind, store_tail(w.store) - 1, 1);
    if (!is_weather(r))
        fail("a row was not taken", r);
    return NULL;
}

/* The internal tables come into being by a row of their own. */
static bool table_ensure(const char *name)
{
    struct topic *topic;
    if (store_topic(w.store, slice_str(name)))
        return true;
    bool made = row_done(OP_ROW, store_topic_ensure(w.store, slice_str(name), 1, &topic, &w.error)) != NULL;
    applied(-1);
    return made;
}

static void do_cut(int topic, bool whole)
{
    struct model_topic *t = &w.model.topics[topic];
    struct store_bounds bounds;
    /* Where there is a table of streams, a deep pass looks at the records of all topics. */
    if (!t->exists || !table_ensure("_edda.starts") || (one_in(2) && !table_ensure("_edda.streams")))
        return;
    int partition = (int)below((uint64_t)t->partitions);
    int64_t offset = whole || one_in(3) ? -1 : (int64_t)below((uint64_t)t->next_offset[partition] + 3) - 1;
    store_partition_bounds(w.store, topic_of(topic), (uint32_t)partition, &bounds);
    int r = store_partition_truncate(w.store, topic_of(topic), (uint32_t)partition, offset, &w.error);
    if (offset < 0)
        offset = bounds.durable;
    struct op *op = NULL;
    if (offset > bounds.durable)
        CHECK(r == EDDA_EOFFSET);
    else if (offset <= t->start[partition])
        CHECK(r == 0);
    else
        op = row_done(OP_CUT, r);
    if (op) {
        op->topic = topic;
        op->partition = partition;
        op->number = offset;
    }
    applied(-1);
}

/* A turn of the store's own work. Rows that the scavenger appends anew take positions; whatever else does was noted. */
static void maintain(void)
{
    struct store_scavenged before, after;
    uint64_t tail = store_tail(w.store);
    size_t op_count = w.model.op_count;
    store_scavenged(w.store, &before);
    store_maintain(w.store);
    store_scavenged(w.store, &after);
    uint64_t moved = after.moved_rows - before.moved_rows;
    w.moved += moved;
    for (uint64_t position = tail; moved > 0 && position < store_tail(w.store); position++) {
        bool noted = false;
        for (size_t i = op_count; i < w.model.op_count; i++)
            noted |= position >= w.model.ops[i].position && position - w.model.ops[i].position < w.model.ops[i].count;
        if (noted)
            continue;
        model_note(&w.model, OP_ROW, position, 1);
        moved--;
    }
    CHECK(moved == 0);
}

static void do_cuts(void)
{
    if (!w.front || one_in(4)) {
        do_cut((int)below(MODEL_HOOK), false);
        return;
    }
    /* What is to be cut must be durable. */
    int r = store_flush(w.store, &w.error);
    if (r < 0 && !is_weather(r))
        fail("a flush failed", r);
    applied(-1);
    for (int topic = 0; topic < MODEL_HOOK; topic++)
        for (int i = 0; i < 2 * MODEL_PARTITIONS && !w.dead; i++)
            do_cut(topic, true);
}

/* Some turns of the scavenger; how far it gets is told by nothing but the space. */
static void do_scavenge(void)
{
    if (one_in(2))
        store_scavenge_start(w.store, w.deep);
    for (uint64_t turns = 1 + below(w.front ? 1000 : w.padded ? 200 : 20); turns > 0 && !w.dead; turns--) {
        maintain();
        io_simulated_advance(w.io, (int64_t)below(20000000));
        io_jobs_finish(w.io);
        w.dead = io_simulated_is_cut(w.io) || store_broken(w.store);
    }
    struct store_scavenged done;
    store_scavenged(w.store, &done);
    w.rewritten += done.segments > 0;
    w.removed += done.removed_segments > 0;
    applied(-1);
}

static void do_meta(void)
{
    if (w.deep || (w.front && !one_in(8)))
        return;
    int topic = (int)below(MODEL_HOOK), key = (int)below(MODEL_KEYS);
    const struct model_stream *s = &w.model.streams[topic][key];
    struct slice name = slice_str(model_topic_names[topic]);
    if (!table_ensure("_edda.streams"))
        return;
    bool known = s->next_version > 0 && !model_deleted(s);
    struct op *op = NULL;
    if (one_in(3)) {
        int64_t expected = one_in(2) ? STORE_ANY : s->next_version - (int64_t)below(2) - 1;
        int r = store_stream_delete(w.store, name, model_key(key), expected, &w.error);
        if (expected < STORE_EXISTS || !known)
            CHECK(r == (known ? EDDA_EINVAL : EDDA_ENOTFOUND));
        else if (expected == STORE_NONE || (expected >= 0 && expected != s->next_version - 1))
            CHECK(r == EDDA_EVERSION || is_weather(r));
        else
            op = row_done(OP_DELETE, r);
    } else {
        int64_t before = (int64_t)below((uint64_t)s->next_version + 2);
        int r = store_stream_truncate(w.store, name, model_key(key), before, &w.error);
        if (!known || before > s->next_version)
            CHECK(r == (known ? EDDA_EINVAL : EDDA_ENOTFOUND));
        else if (before <= model_first_version(&w.model, topic, key))
            CHECK(r == 0);
        else
            op = row_done(OP_TRUNCATE, r);
        if (op)
            op->number = before;
    }
    if (op) {
        op->topic = topic;
        op->key = key;
    }
    applied(-1);
}

static void do_table(void)
{
    int topic = (int)below(MODEL_HOOK), group = (int)below(MODEL_GROUPS), partition = (int)below(MODEL_PARTITIONS);
    int64_t number = (int64_t)below(1000);
    char name[8];
    if ((w.front && !one_in(8)) || !table_ensure("__consumer_offsets") || !table_ensure("_edda.snapshots"))
        return;
    snprintf(name, sizeof(name), "g%d", group);
    struct op *op;
    if (one_in(2)) {
        op = row_done(OP_COMMIT, store_offset_commit(w.store, slice_str(name), slice_str(model_topic_names[topic]),
                                                     (uint32_t)partition, number, SLICE("meta"), &w.error));
    } else {
        op = row_done(OP_SNAPSHOT, store_snapshot_put(w.store, slice_str(name), number, slice_str(name), &w.error));
    }
    if (op) {
        op->group = op->key = group;
        op->topic = topic;
        op->partition = partition;
        op->number = number;
    }
    applied(-1);
}

static void do_topic(int topic)
{
    struct model_topic *t = &w.model.topics[topic];
    struct topic *made;
    if (t->exists && (t->partitions == MODEL_PARTITIONS || topic == MODEL_HOOK))
        return;
    int64_t partitions = t->exists ? t->partitions + 1 : topic == MODEL_HOOK ? 1 : 1 + (int64_t)below(5);
    int r = t->exists ? store_topic_grow(w.store, topic_of(topic), (uint32_t)partitions, &w.error) :
                        store_topic_ensure(w.store, slice_str(model_topic_names[topic]), (uint32_t)partitions, &made, &w.error);
    struct op *op = row_done(t->exists ? OP_GROW : OP_TOPIC, r);
    if (op) {
        op->topic = topic;
        op->number = partitions;
    }
    applied(-1);
}

/* --- reading ------------------------------------------------------------------------------------------ */

static uint32_t expected[MODEL_RECORDS];

struct reading {
    size_t count, at;
    bool versions;
};

static int reading_visit(void *user, const struct store_record *record, int64_t version)
{
    struct reading *reading = user;
    char value[16];
    CHECK(reading->at < reading->count);
    const struct model_record *m = &w.model.records[expected[reading->at++]];
    CHECK(record->position == m->position && record->record.offset == m->offset);
    CHECK((int)record->partition == m->partition && record->topic == topic_of(m->message.topic));
    CHECK(slice_eq(record->record.key, model_key(m->message.key)) && !record->record.key.data == (m->message.key < 0));
    snprintf(value, sizeof(value), "v%" PRIu32, m->message.value);
    CHECK(m->message.value ? slice_eq_str(record->record.value, value) : !record->record.value.data);
    CHECK(version == (reading->versions ? m->version : -1));
    return 0;
}

static void check_reading(struct reading reading, int64_t visited, const struct reading *after)
{
    if (visited < 0)
        w.error = *store_read_error(w.store);
    CHECK(visited == (int64_t)reading.count && after->at == reading.count);
}

static void check_stream(int topic, int key, int64_t version, bool backward, uint64_t max)
{
    struct slice name = slice_str(model_topic_names[topic]);
    struct reading r = { .count = model_stream_records(&w.model, topic, key, version, backward, max, expected), .versions = true };
    check_reading(r, store_stream_read(w.store, name, model_key(key), version, backward, max, reading_visit, &r), &r);
    const struct model_stream *s = &w.model.streams[topic][key];
    struct stream_info info;
    CHECK(store_stream_info(w.store, name, model_key(key), &info) == 0);
    CHECK(info.next_version == s->next_version && info.deleted == model_deleted(s));
    CHECK(info.first_version == model_first_version(&w.model, topic, key));
}

static void check_cursor(uint64_t position, int topic)
{
    struct store_cursor cursor;
    struct store_record record;
    struct topic *only = topic < 0 ? NULL : topic_of(topic);
    struct reading r = { .count = model_records_from(&w.model, position, topic, expected) };
    int n;
    if (topic >= 0 && !only)
        return;
    store_cursor_init(&cursor, position, only);
    while ((n = store_cursor_next(w.store, &cursor, &record, &w.error)) == 1)
        if (!record.topic->internal || record.topic == topic_of(MODEL_HOOK))
            reading_visit(&r, &record, -1);
    CHECK(n == 0 && r.at == r.count && (topic >= 0 || cursor.position >= store_tail(w.store)));
    store_cursor_deinit(&cursor);
}

/* The same backward from the end, down to a position. */
static void check_cursor_back(uint64_t position, int topic)
{
    struct store_cursor cursor;
    struct store_record record;
    struct topic *only = topic < 0 ? NULL : topic_of(topic);
    size_t count = model_records_from(&w.model, position, topic, expected);
    int n = 1;
    if (topic >= 0 && !only)
        return;
    store_cursor_init(&cursor, UINT64_MAX, only);
    while (count > 0 && (n = store_cursor_previous(w.store, &cursor, &record, &w.error)) == 1) {
        if (record.topic->internal && record.topic != topic_of(MODEL_HOOK))
            continue;
        uint32_t first = expected[0];
        expected[0] = expected[--count];
        reading_visit(&(struct reading){ .count = 1 }, &record, -1);
        expected[0] = first;
    }
    CHECK(n == 1 && count == 0);
    n = store_cursor_previous(w.store, &cursor, &record, &w.error);
    CHECK(position > 0 || n == 0 || record.topic->internal);
    store_cursor_deinit(&cursor);
}

static void check_partition(int topic, int partition, int64_t offset, uint64_t max)
{
    if (!topic_of(topic))
        return;
    CHECK((int)topic_of(topic)->partition_count == w.model.topics[topic].partitions);
    CHECK(store_next_offset(topic_of(topic), (uint32_t)partition) == w.model.topics[topic].next_offset[partition]);
    struct store_bounds bounds;
    store_partition_bounds(w.store, topic_of(topic), (uint32_t)partition, &bounds);
    CHECK(bounds.start == w.model.topics[topic].start[partition]);
    CHECK(bounds.start <= bounds.stable && bounds.stable <= bounds.durable && bounds.durable <= bounds.next);
    struct reading r = { .count = model_partition_records(&w.model, topic, partition, offset, max, expected) };
    check_reading(r, store_partition_read(w.store, topic_of(topic), (uint32_t)partition, offset, max, reading_visit, &r), &r);
}

static void check_identity(int id)
{
    char name[16];
    uint64_t position = UINT64_MAX;
    snprintf(name, sizeof(name), "id%d", id);
    int r = store_identity(w.store, SLICE("/model"), slice_str(name), &position);
    int record = w.model.first_with_id[id];
    if (record >= 0 && model_gone(&w.model, &w.model.records[record]))
        record = -1;
    CHECK(record < 0 ? r == EDDA_ENOTFOUND : r == 0 && position == w.model.records[record].position);
}

static void check_tables(void)
{
    char name[16];
    for (int group = 0; group < MODEL_GROUPS; group++) {
        int64_t version;
        struct slice state;
        snprintf(name, sizeof(name), "g%d", group);
        for (int topic = 0; topic < MODEL_HOOK; topic++)
            for (int p = 0; p < MODEL_PARTITIONS; p++)
                CHECK(store_offset_fetch(w.store, slice_str(name), slice_str(model_topic_names[topic]), (uint32_t)p) ==
                      w.model.offsets[group][topic][p]);
        int r = store_snapshot_get(w.store, slice_str(name), &version, &state);
        if (w.model.snapshots[group] < 0)
            CHECK(r == EDDA_ENOTFOUND);
        else
            CHECK(r == 0 && version == w.model.snapshots[group] && slice_eq_str(state, name));
    }
}

static void check_some(void)
{
    int topic = (int)below(MODEL_HOOK), key = (int)below(MODEL_KEYS);
    struct reading r = { 0 };
    switch (below(8)) {
    case 0:
        check_cursor(below(w.model.tail + 2), one_in(2) ? -1 : (int)below(MODEL_TOPICS));
        check_cursor_back(below(w.model.tail + 2), one_in(2) ? -1 : (int)below(MODEL_TOPICS));
        break;
    case 1:
        if (w.model.topics[topic].partitions)
            check_partition(topic, (int)below((uint64_t)w.model.topics[topic].partitions), (int64_t)below(20), 1 + below(9));
        break;
    case 2:
        r.count = model_correlation_records(&w.model, key, expected);
        {
            char name[8];
            snprintf(name, sizeof(name), "c%d", key);
            check_reading(r, store_correlation_read(w.store, slice_str(name), UINT64_MAX, reading_visit, &r), &r);
        }
        break;
    case 3:
        if (w.ids)
            check_identity((int)below(w.ids));
        break;
    case 4:
        if (topic_of(topic)) {
            r.count = model_table_records(&w.model, topic, expected);
            check_reading(r, store_table_scan(w.store, topic_of(topic), reading_visit, &r), &r);
        }
        break;
    case 5:
        if (w.model.record_count) {
            struct store_record record;
            expected[0] = (uint32_t)below(w.model.record_count);
            bool gone = model_gone(&w.model, &w.model.records[expected[0]]);
            CHECK(store_position_read(w.store, w.model.records[expected[0]].position, &record) == (gone ? EDDA_ENOTFOUND : 0));
            if (!gone)
                reading_visit(&(struct reading){ .count = 1 }, &record, -1);
        }
        break;
    default:
        check_stream(topic, key, (int64_t)below(20) - (one_in(2) ? 0 : 1), one_in(2), 1 + below(70));
    }
}

static void check_all(void)
{
    CHECK(store_tail(w.store) == w.model.tail);
    check_cursor(0, -1);
    for (int topic = 0; topic < MODEL_TOPICS; topic++) {
        CHECK(!topic_of(topic) == !w.model.topics[topic].exists);
        for (int key = 0; key < MODEL_KEYS; key++)
            check_stream(topic, key, one_in(2) ? 0 : -1, one_in(2), UINT64_MAX);
        for (int p = 0; p < w.model.topics[topic].partitions; p++)
            check_partition(topic, p, 0, UINT64_MAX);
    }
    for (uint32_t id = 0; id < w.ids; id++)
        check_identity((int)id);
    check_tables();
}

/* --- the world ---------------------------------------------------------------------------------------- */

static int remove_entry(void *user, const char *name)
{
    char path[128];
    snprintf(path, sizeof(path), DIR "/index/%s", name);
    return io_file_remove(user, path);
}

static int flip_entry(void *user, const char *name)
{
    char path[128];
    (void)user;
    snprintf(path, sizeof(path), DIR "/index/%s", name);
    struct io_file *file;
    uint64_t size = 0;
    if (one_in(2) || io_file_open(w.io, path, IO_READ, &file, NULL) < 0)
        return 0;
    (void)io_file_size(w.io, file, &size);
    io_file_close(w.io, file);
    if (size > 0)
        io_simulated_flip_bit(w.io, path, below(size * 8));
    return 0;
}

/* A damaged index is found out at the latest by looking at all of it, and what is damaged is gone when it is opened again. */
static void open_store(void);
static void damage_index(void)
{
    (void)io_dir_list(w.io, DIR "/index", flip_entry, NULL);
    open_store();
    while (index_verify(store_index(w.store), &w.error) == EDDA_ECORRUPT) {
        w.durable = store_tail(w.store);
        store_close(w.store);
        open_store();
    }
}

/* Opens the store; while a cut strikes, the machine dies and it is tried again. */
static void open_store(void)
{
    io_simulated_set_capacity(w.io, DISK_BYTES);
    w.full = false;
    for (;;) {
        int r = store_open(w.io, DIR, &w.options, &w.store, NULL, &w.error);
        if (r == 0)
            break;
        if (!io_simulated_is_cut(w.io))
            fail("the store cannot be opened", r);
        io_simulated_crash(w.io, one_in(4));
        io_simulated_cut_after(w.io, one_in(3) ? 1 + below(12) : 0);
    }
    w.dead = io_simulated_is_cut(w.io);
    if (w.hook)
        store_on_close_frame(w.store, hook, NULL);
}

static void reopen(void)
{
    bool clean = !w.dead && can_read() && one_in(3);
    bool lose_index = one_in(8);
    store_on_close_frame(w.store, NULL, NULL);
    if (w.durable < store_durable_position(w.store))
        w.durable = store_durable_position(w.store);
    if (clean) {
        io_simulated_cut_after(w.io, 0);
        io_simulated_set_capacity(w.io, DISK_BYTES);
        w.durable = store_tail(w.store);
        store_close(w.store);
    } else {
        io_simulated_crash(w.io, one_in(4));
        store_abandon(w.store);
        io_simulated_cut_after(w.io, 0);
    }
    if (lose_index)
        (void)io_dir_list(w.io, DIR "/index", remove_entry, w.io);
    if (one_in(10)) {
        damage_index();
    } else {
        if (one_in(4))
            io_simulated_cut_after(w.io, 1 + below(12));
        open_store();
    }
    uint64_t tail = store_tail(w.store);
    CHECK(tail >= w.durable);
    if (!model_cut(&w.model, tail))
        fail("the store ends in the middle of an append, or behind its end", (int64_t)tail);
    w.durable = tail;
    if (can_read())
        check_all();
    if (!w.dead && one_in(3)) {
        int64_t found = store_verify(w.store, NULL, NULL, &w.error);
        if (found != 0 && !(found < 0 && is_weather((int)found)))
            fail("verification finds damage", found);
    }
}

static void do_flush(void)
{
    int r = 0;
    switch (below(6)) {
    case 0:
        r = store_flush(w.store, &w.error);
        break;
    case 1:
    case 2:
        r = store_flush_start(w.store, &w.error);
        break;
    case 3:
        r = store_close_frame(w.store, &w.error);
        break;
    default:
        io_simulated_advance(w.io, (int64_t)below(400000));
        io_jobs_finish(w.io);
        maintain();
    }
    if (r < 0 && !is_weather(r))
        fail("a flush failed", r);
    if (r == EDDA_EBUSY && io_jobs_wait(w.io, -1))
        io_jobs_finish(w.io);
    w.dead = io_simulated_is_cut(w.io) || store_broken(w.store);
    applied(-1);
}

static void do_world(void)
{
    switch (below(5)) {
    case 0:
        w.full = !w.full;
        io_simulated_set_capacity(w.io, w.full ? 1 : DISK_BYTES);
        break;
    case 1:
        io_simulated_cut_after(w.io, 1 + below(20));
        break;
    case 2:
        io_simulated_wall_step(w.io, (int64_t)below(20000000000) - 10000000000);
        break;
    default:
        reopen();
    }
}

static void step(void)
{
    uint64_t choice = below(100);
    if (w.dead || !can_read())
        reopen();
    else if (choice < 45)
        do_append();
    else if (choice < 65)
        do_flush();
    else if (choice < 84)
        check_some();
    else if (choice < 88)
        do_meta();
    else if (choice < 90)
        do_cuts();
    else if (choice < (w.padded ? 93 : 91))
        do_scavenge();
    else if (choice < 94)
        do_table();
    else if (choice < 96)
        do_topic((int)below(MODEL_TOPICS));
    else
        do_world();
}

static void run(uint64_t seed)
{
    w.seed = seed;
    prng_init(&w.prng, seed);
    w.options = (struct store_options){
        .log = { .segment_bytes = LOG_SEGMENT_BYTES_MIN },
        .index = { .tail_entries_max = (uint32_t)(one_in(3) ? 100000 : 16 + below(200)), .runs_max = (uint32_t)(2 + below(3)) },
        .frame_bytes = (uint32_t)(600 + below(6000)),
        .unflushed_bytes_max = one_in(4) ? 20000 : 0,
        .frames_kept = (uint32_t)below(6),
    };
    w.durable = 0;
    w.values = w.ids = 0;
    w.hook = false;
    w.padded = one_in(3);
    w.deep = one_in(2);
    w.front = w.padded && one_in(2);
    if (w.front)
        w.options.index.tail_entries_max = (uint32_t)(16 + below(100));
    w.options.scavenge_interval_ms = one_in(2) ? -1 : 1000;
    buffer_clear(&w.padding);
    uint8_t filler[3000];
    memset(filler, 'x', sizeof(filler));
    record_headers_put(&w.padding, SLICE("padding"), slice_of(filler, sizeof(filler)));
    model_init(&w.model);
    io_simulated_reset(w.io, &(struct io_simulated_options){ .seed = seed, .disk_bytes = DISK_BYTES });
    open_store();
    do_topic(0);
    if (one_in(w.padded ? 6 : 2) && !w.dead) {
        do_topic(MODEL_HOOK);
        CHECK(store_flush(w.store, &w.error) == 0);
        applied(-1);
        w.hook = true;
        store_on_close_frame(w.store, hook, NULL);
    }
    for (uint64_t steps = 20 + below(w.padded ? 500 : 100); steps > 0; steps--) {
        if (!w.model.topics[0].exists && !w.dead)
            do_topic(0);
        if (w.model.topics[0].exists || w.dead)
            step();
    }
    store_on_close_frame(w.store, NULL, NULL);
    if (!w.dead && can_read())
        check_all();
    io_simulated_crash(w.io, true);
    store_abandon(w.store);
    io_simulated_cut_after(w.io, 0);
}

int main(int argc, char **argv)
{
    struct seeds seeds = seeds_take(argc, argv, 0, 1000);
    w.io = io_simulated_new(&(struct io_simulated_options){ .seed = seeds.first, .disk_bytes = DISK_BYTES });
    for (uint64_t i = 0; i < seeds.count; i++)
        run(seeds.first + i);
    io_simulated_free(w.io);
    buffer_deinit(&w.padding);
    /* A test of the scavenger in which it never comes to rewrite anything would show nothing. */
    printf("%" PRIu64 " times something was rewritten, %" PRIu64 " times removed from the front, %" PRIu64 " rows moved\n", w.rewritten, w.removed,
           w.moved);
    if (seeds.count >= 300 && (w.rewritten == 0 || w.removed == 0 || w.moved == 0)) {
        printf("FAILED: nothing was rewritten, nothing removed, or nothing moved\n");
        return 1;
    }
    return 0;
}
