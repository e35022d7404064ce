/* See store_model.h. */
#include "store_model.h"

const char *const model_topic_names[MODEL_TOPICS] = { "a", "b", "c", "_edda.hook" };

struct slice model_key(int key)
{
    static const char *const keys[MODEL_KEYS] = { "0", "k1", "", "key3", "a-longer-key-number-4" };
    return key < 0 ? slice_of(NULL, 0) : slice_str(keys[key]);
}

static void state_clear(struct model *m)
{
    m->applied = 0;
    m->tail = 0;
    m->record_count = 0;
    memset(m->topics, 0, sizeof(m->topics));
    memset(m->streams, 0, sizeof(m->streams));
    memset(m->offsets, -1, sizeof(m->offsets));
    memset(m->snapshots, -1, sizeof(m->snapshots));
    memset(m->first_with_id, -1, sizeof(m->first_with_id));
}

void model_init(struct model *m)
{
    m->op_count = 0;
    state_clear(m);
}

struct op *model_note(struct model *m, enum op_kind kind, uint64_t position, uint32_t count)
{
    if (m->op_count == MODEL_OPS)
        return NULL;
    struct op *op = &m->ops[m->op_count++];
    *op = (struct op){ .kind = kind, .position = position, .count = count };
    return op;
}

uint32_t model_partition_by_hash(const struct model *m, const struct model_message *message)
{
    return (hash_murmur2(model_key(message->key)) & INT32_MAX) % (uint32_t)m->topics[message->topic].partitions;
}

static int partition_of(const struct model *m, const struct model_message *message)
{
    if (message->partition >= 0)
        return message->partition;
    if (message->key < 0)
        return 0;
    const struct model_stream *s = &m->streams[message->topic][message->key];
    bool there = s->next_version > 0 && s->last_offset >= m->topics[message->topic].start[s->last_partition];
    return there ? s->last_partition : (int)model_partition_by_hash(m, message);
}

static void message_apply(struct model *m, const struct model_message *message, uint64_t position)
{
    struct model_topic *topic = &m->topics[message->topic];
    struct model_record *record = &m->records[m->record_count];
    *record = (struct model_record){ .message = *message, .position = position, .version = -1 };
    record->partition = partition_of(m, message);
    record->offset = topic->next_offset[record->partition]++;
    if (message->key >= 0) {
        struct model_stream *s = &m->streams[message->topic][message->key];
        record->version = s->next_version++;
        s->last_partition = record->partition;
        s->last_offset = record->offset;
    }
    int first = message->identify ? m->first_with_id[message->id] : 0;
    if (message->identify && (first < 0 || model_gone(m, &m->records[first])))
        m->first_with_id[message->id] = (int)m->record_count;
    m->record_count++;
}

static void op_apply(struct model *m, const struct op *op)
{
    switch (op->kind) {
    case OP_ROW:
        break;
    case OP_APPEND:
        for (uint32_t i = 0; i < op->count; i++)
            message_apply(m, &op->messages[i], op->position + i);
        break;
    case OP_TRUNCATE:
        m->streams[op->topic][op->key].truncate_before = op->number;
        break;
    case OP_DELETE:
        m->streams[op->topic][op->key].deleted_at = m->streams[op->topic][op->key].next_version;
        break;
    case OP_COMMIT:
        m->offsets[op->group][op->topic][op->partition] = op->number;
        break;
    case OP_SNAPSHOT:
        m->snapshots[op->key] = op->number;
        break;
    case OP_TOPIC:
        m->topics[op->topic].exists = true;
        m->topics[op->topic].partitions = (int)op->number;
        break;
    case OP_GROW:
        m->topics[op->topic].partitions = (int)op->number;
        m->topics[op->topic].mixed = true;
        break;
    case OP_CUT:
        m->topics[op->topic].start[op->partition] = op->number;
        break;
    case OP_MIXED:
        m->topics[op->topic].mixed = true;
        break;
    }
    m->tail = op->position + op->count;
}

/* Moves the operation of index `from` to its place among those from `to` on. */
static void op_move(struct model *m, size_t to, size_t from)
{
    struct op op = m->ops[from];
    memmove(&m->ops[to + 1], &m->ops[to], (from - to) * sizeof(op));
    m->ops[to] = op;
}

bool model_apply(struct model *m, uint64_t tail, int mixed)
{
    while (m->applied < m->op_count || m->tail < tail) {
        size_t first = m->applied;
        for (size_t i = first + 1; i < m->op_count; i++)
            if (m->ops[i].position < m->ops[first].position)
                op_move(m, first, i);
        bool gap = first == m->op_count || m->ops[first].position > m->tail;
        if (gap) {
            struct op *op = mixed >= 0 ? model_note(m, OP_MIXED, m->tail, 1) : NULL;
            if (!op)
                return false;
            op->topic = mixed;
            mixed = -1;
            op_move(m, first, m->op_count - 1);
        }
        if (m->ops[first].position != m->tail || m->record_count + MODEL_MESSAGES > MODEL_RECORDS)
            return false;
        op_apply(m, &m->ops[first]);
        m->applied++;
    }
    return m->tail == tail;
}

bool model_cut(struct model *m, uint64_t tail)
{
    size_t kept = 0;
    while (kept < m->op_count && m->ops[kept].position + m->ops[kept].count <= tail)
        kept++;
    uint64_t end = kept ? m->ops[kept - 1].position + m->ops[kept - 1].count : 0;
    m->op_count = kept;
    state_clear(m);
    for (; m->applied < kept; m->applied++)
        op_apply(m, &m->ops[m->applied]);
    return end == tail;
}

bool model_gone(const struct model *m, const struct model_record *record)
{
    return record->offset < m->topics[record->message.topic].start[record->partition];
}

static int64_t cut_off(const struct model_stream *s)
{
    return s->truncate_before > s->deleted_at ? s->truncate_before : s->deleted_at;
}

int64_t model_first_version(const struct model *m, int topic, int key)
{
    const struct model_stream *s = &m->streams[topic][key];
    int64_t from = cut_off(s);
    for (size_t i = 0; i < m->record_count; i++) {
        const struct model_record *r = &m->records[i];
        if (r->message.topic == topic && r->message.key == key && r->version >= from && !model_gone(m, r))
            return r->version;
    }
    return s->next_version > from ? s->next_version : from;
}

bool model_deleted(const struct model_stream *s)
{
    return s->next_version > 0 && s->deleted_at == s->next_version;
}

static bool same_message(const struct model_message *a, const struct model_message *b)
{
    return a->topic == b->topic && a->key == b->key && a->value == b->value && (a->id < 0) == (b->id < 0) &&
           (a->id >= 0 || (a->correlation < 0) == (b->correlation < 0));
}

/* 0: none is known; 1: all are, from record *ret_first on; EDDA_EDUPLICATE. */
static int predict_identities(const struct model *m, const struct model_message *messages, size_t count, size_t *ret_message,
                              int *ret_record)
{
    size_t identified = 0, known = 0;
    for (size_t i = 0; i < count; i++) {
        int record = messages[i].identify ? m->first_with_id[messages[i].id] : -1;
        if (record >= 0 && model_gone(m, &m->records[record]))
            record = -1;
        identified += messages[i].identify;
        if (record < 0)
            continue;
        if (!same_message(&messages[i], &m->records[record].message))
            return EDDA_EDUPLICATE;
        if (known++ == 0) {
            *ret_message = i;
            *ret_record = record;
        } else if (m->records[record].position != m->records[*ret_record].position + (i - *ret_message)) {
            return EDDA_EDUPLICATE;
        }
    }
    for (size_t i = 0; known == 0 && i < count; i++)
        for (size_t j = 0; j < i; j++)
            if (messages[i].identify && messages[j].identify && messages[i].id == messages[j].id)
                return EDDA_EDUPLICATE;
    if (known == 0)
        return 0;
    if (known < identified || (size_t)*ret_record < *ret_message)
        return EDDA_EDUPLICATE;
    for (size_t i = 0; i < count; i++) {
        size_t record = (size_t)*ret_record - *ret_message + i;
        if (record >= m->record_count || model_gone(m, &m->records[record]) || !same_message(&messages[i], &m->records[record].message) ||
            m->records[record].position != m->records[*ret_record].position - *ret_message + i)
            return EDDA_EDUPLICATE;
    }
    return 1;
}

int model_predict(const struct model *m, const struct store_condition *conditions, int (*streams)[2], size_t condition_count,
                  const struct model_message *messages, size_t count, struct store_appended *ret_appended)
{
    size_t message = 0;
    int record = 0;
    int r = predict_identities(m, messages, count, &message, &record);
    if (r < 0)
        return r;
    *ret_appended = (struct store_appended){ .repeated = r == 1, .version = -1 };
    if (r == 1) {
        const struct model_record *first = &m->records[(size_t)record - message];
        const struct model_record *last = first + count - 1;
        ret_appended->position = first->position;
        ret_appended->offset = first->offset;
        ret_appended->version = last->version;
        return 0;
    }
    for (size_t i = 0; i < condition_count; i++) {
        const struct model_stream *s = &m->streams[streams[i][0]][streams[i][1]];
        bool there = s->next_version > 0 && !model_deleted(s);
        int64_t expected = conditions[i].expected;
        if ((expected == STORE_NONE && there) || (expected == STORE_EXISTS && !there) ||
            (expected >= 0 && (!there || s->next_version - 1 != expected)))
            return EDDA_EVERSION;
    }
    return 0;
}

/* --- readings ----------------------------------------------------------------------------------------- */

size_t model_stream_records(const struct model *m, int topic, int key, int64_t version, bool backward, uint64_t max,
                            uint32_t *ret_records)
{
    const struct model_stream *s = &m->streams[topic][key];
    int64_t first = cut_off(s);
    size_t count = 0;
    if (version < 0 && backward)
        version = INT64_MAX;
    for (size_t n = 0; n < m->record_count && count < max; n++) {
        size_t i = backward ? m->record_count - 1 - n : n;
        const struct model_record *r = &m->records[i];
        if (r->message.topic != topic || r->message.key != key || r->version < first || model_gone(m, r))
            continue;
        if (backward ? r->version <= version : r->version >= version)
            ret_records[count++] = (uint32_t)i;
    }
    return count;
}

size_t model_correlation_records(const struct model *m, int correlation, uint32_t *ret_records)
{
    size_t count = 0;
    for (size_t i = 0; i < m->record_count; i++)
        if (m->records[i].message.correlation == correlation && !model_gone(m, &m->records[i]))
            ret_records[count++] = (uint32_t)i;
    return count;
}

size_t model_partition_records(const struct model *m, int topic, int partition, int64_t offset, uint64_t max,
                               uint32_t *ret_records)
{
    size_t count = 0;
    for (size_t i = 0; i < m->record_count && count < max; i++) {
        const struct model_record *r = &m->records[i];
        if (r->message.topic == topic && r->partition == partition && r->offset >= offset && !model_gone(m, r))
            ret_records[count++] = (uint32_t)i;
    }
    return count;
}

size_t model_records_from(const struct model *m, uint64_t position, int topic, uint32_t *ret_records)
{
    size_t count = 0;
    for (size_t i = 0; i < m->record_count; i++)
        if (m->records[i].position >= position && !model_gone(m, &m->records[i]) && (topic < 0 || m->records[i].message.topic == topic))
            ret_records[count++] = (uint32_t)i;
    return count;
}

size_t model_table_records(const struct model *m, int topic, uint32_t *ret_records)
{
    size_t count = 0;
    for (size_t i = 0; i < m->record_count; i++) {
        const struct model_record *r = &m->records[i];
        if (r->message.topic == topic && r->message.key >= 0 && r->message.value > 0 && !model_gone(m, r) &&
            r->version == m->streams[topic][r->message.key].next_version - 1)
            ret_records[count++] = (uint32_t)i;
    }
    return count;
}
