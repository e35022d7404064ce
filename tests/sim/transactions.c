/*
 * transactions: producers against a model. Plain, idempotent and transactional producers write batches, compressed ones among them, into the partitions of one topic;
 * transactions commit, abort, time out and are taken over; frames are closed and flushed at any time; the machine dies between any two writes, the disk is full now and then.
 *
 * The model is the list of what was done, applied in order. After a crash the store must be what the model is after the first n of it, with
 * n no less than what was acknowledged: whatever was answered behind a durable tail. It is looked at through every reader: offsets, batches as they lie, positions, streams, the last stable
 * offset, aborted transactions, the state of each transactional id; with the index and the checkpoints removed now and then.
 *
 * A failure prints the seed: transactions --seeds 1 --seed N runs it again.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/prng.h"
#include "base/put.h"
#include "io/simulated.h"
#include "store/transaction.h"
#include "wire/kafka/compression.h"
#include "seeds.h"

#define DIR "/data"
#define PARTITIONS 3
#define ACTORS 3
#define OPS_MAX 400
#define SLOTS_MAX 2000
#define DISK_BYTES (UINT64_C(8) << 20)
#define TIMEOUT_MS 5000
#define KEYS 3
#define KEPT PRODUCER_BATCHES_KEPT
#define VALUE_COMMIT (-1)
#define VALUE_ABORT (-2)

enum op_kind { OP_OWN, OP_PLAIN, OP_IDEMPOTENT, OP_BEGIN, OP_ADD, OP_SEND, OP_END, OP_EXPIRE };

struct op {
    enum op_kind kind;
    int actor, partition, count, value;
    bool commit;
    struct producer_id producer; /* of OP_BEGIN */
    uint64_t tail;               /* when it was done, it is answered; durable: acknowledged */
};

/* A producer with a transactional id, or an idempotent one. */
struct actor {
    struct producer_id producer;
    enum transaction_state state;
    bool added[PARTITIONS];
    int64_t first[PARTITIONS];   /* -1: none */
    int sequence[PARTITIONS];
    int values[SLOTS_MAX], value_count;
    struct {
        int sequence, count;
        int64_t base;            /* -1: aborted */
    } batches[PARTITIONS][KEPT];
    int batch_count[PARTITIONS];
};

struct model {
    int slots[PARTITIONS][SLOTS_MAX], slot_count[PARTITIONS];
    int seen[SLOTS_MAX], seen_count;
    int64_t aborted[PARTITIONS][SLOTS_MAX];
    int aborted_count[PARTITIONS];
    struct actor transactional[ACTORS], idempotent[ACTORS];
};

static struct {
    uint64_t seed;
    struct prng prng;
    struct io *io;
    struct store *store;
    struct store_options options;
    struct topic *topic;
    struct edda_error error;
    struct op ops[OPS_MAX];
    int op_count;
    int values;
    uint64_t durable;            /* the greatest position known to be durable */
    bool dead, full;
    struct model model, trial;
    const char *wrong;
    struct buffer batch, packed;
    uint64_t commits, aborts, crashes, repeats;
} w;

static _Noreturn void fail(const char *what, int64_t code)
{
    printf("FAILED: seed %" PRIu64 ", after %d operations: %s (%" PRId64 ") %s\n", w.seed, w.op_count, what, code, w.error.message);
    exit(1);
}

static uint64_t below(uint64_t bound)
{
    return prng_below(&w.prng, bound);
}

static bool one_in(uint64_t n)
{
    return prng_one_in(&w.prng, n);
}

/* What is not the fault of the caller. */
static bool is_weather(int code)
{
    return code == EDDA_EFULL || code == EDDA_EBUSY || code == EDDA_EIO || code == EDDA_ECLOSED || code == EDDA_ENOMEM;
}

/* --- the model ------------------------------------------------------------------------------------------ */

static int64_t slots_put(struct model *m, int partition, int value, int count)
{
    int64_t base = m->slot_count[partition];
    for (int i = 0; i < count; i++)
        m->slots[partition][m->slot_count[partition]++] = value < 0 ? value : value + i;
    return base;
}

static void seen_put(struct model *m, int value, int count)
{
    for (int i = 0; i < count; i++)
        m->seen[m->seen_count++] = value + i;
}

static void batch_note(struct actor *a, int partition, int count, int64_t base)
{
    int *n = &a->batch_count[partition];
    if (*n == KEPT) {
        memmove(&a->batches[partition][0], &a->batches[partition][1], (KEPT - 1) * sizeof(a->batches[partition][0]));
        (*n)--;
    }
    a->batches[partition][*n].sequence = a->sequence[partition];
    a->batches[partition][*n].count = count;
    a->batches[partition][(*n)++].base = base;
    a->sequence[partition] += count;
}

static void model_end(struct model *m, struct actor *a, bool commit)
{
    for (int p = 0; p < PARTITIONS; p++) {
        if (!a->added[p])
            continue;
        slots_put(m, p, commit ? VALUE_COMMIT : VALUE_ABORT, 1);
        if (!commit && a->first[p] >= 0)
            m->aborted[p][m->aborted_count[p]++] = a->first[p];
        for (int i = 0; !commit && a->first[p] >= 0 && i < a->batch_count[p]; i++)
            if (a->batches[p][i].base >= a->first[p])
                a->batches[p][i].base = -1;
        a->added[p] = false;
        a->first[p] = -1;
    }
    for (int i = 0; commit && i < a->value_count; i++)
        m->seen[m->seen_count++] = a->values[i];
    a->value_count = 0;
    a->state = commit ? TRANSACTION_COMPLETE_COMMIT : TRANSACTION_COMPLETE_ABORT;
}

static void actor_epoch(struct actor *a, struct producer_id producer)
{
    a->producer = producer;
    memset(a->sequence, 0, sizeof(a->sequence));
    memset(a->batch_count, 0, sizeof(a->batch_count));
}

static void model_apply(struct model *m, const struct op *op)
{
    struct actor *a = op->kind == OP_IDEMPOTENT ? &m->idempotent[op->actor] : &m->transactional[op->actor];
    int64_t base;
    switch (op->kind) {
    case OP_OWN:
    case OP_PLAIN:
        slots_put(m, op->partition, op->value, op->count);
        seen_put(m, op->value, op->count);
        break;
    case OP_IDEMPOTENT:
        a->producer = op->producer;
        base = slots_put(m, op->partition, op->value, op->count);
        seen_put(m, op->value, op->count);
        batch_note(a, op->partition, op->count, base);
        break;
    case OP_BEGIN:
        if (a->state == TRANSACTION_ONGOING)
            model_end(m, a, false);
        else
            a->state = TRANSACTION_EMPTY;
        actor_epoch(a, op->producer);
        break;
    case OP_ADD:
        a->state = TRANSACTION_ONGOING;
        a->added[op->partition] = true;
        break;
    case OP_SEND:
        base = slots_put(m, op->partition, op->value, op->count);
        if (a->first[op->partition] < 0)
            a->first[op->partition] = base;
        for (int i = 0; i < op->count; i++)
            a->values[a->value_count++] = op->value + i;
        batch_note(a, op->partition, op->count, base);
        break;
    case OP_END:
        model_end(m, a, op->commit);
        break;
    case OP_EXPIRE:
        model_end(m, a, false);
        actor_epoch(a, (struct producer_id){ a->producer.id, (int16_t)(a->producer.epoch + 1) });
        break;
    }
}

static void model_init(struct model *m)
{
    memset(m, 0, sizeof(*m));
    for (int i = 0; i < ACTORS; i++) {
        m->transactional[i].producer = m->idempotent[i].producer = (struct producer_id){ -1, -1 };
        for (int p = 0; p < PARTITIONS; p++)
            m->transactional[i].first[p] = -1;
    }
}

/* --- comparing ------------------------------------------------------------------------------------------ */

static bool differs(const char *what)
{
    w.wrong = what;
    return false;
}

static int number_of(struct slice text)
{
    int number = 0;
    for (size_t i = 0; i < text.len; i++)
        number = number * 10 + (text.data[i] - '0');
    return number;
}

struct compare {
    const int *values;
    int count, at, step;         /* of the values, those that are `step` modulo KEYS; -1: all */
    bool wrong;
};

static int compare_value(struct compare *c, int value)
{
    while (c->step >= 0 && c->at < c->count && c->values[c->at] % KEYS != c->step)
        c->at++;
    c->wrong |= c->at >= c->count || c->values[c->at] != value;
    c->at++;
    return c->wrong ? 1 : 0;
}

static bool compare_end(struct compare *c)
{
    while (c->step >= 0 && c->at < c->count && c->values[c->at] % KEYS != c->step)
        c->at++;
    return !c->wrong && c->at == c->count;
}

static int visit_record(void *user, const struct store_record *record, int64_t version)
{
    (void)version;
    return compare_value(user, number_of(record->record.value));
}

static int visit_batch(void *user, struct slice bytes)
{
    struct compare *c = user;
    struct batch batch;
    struct record record;
    struct buffer plain = BUFFER_EMPTY;
    if (batch_parse(bytes, &batch, NULL) != (int64_t)bytes.len || batch_check(&batch, NULL) < 0 || batch.base_offset != c->at)
        c->wrong = true;
    if (!c->wrong && compression_decompress((enum compression)(batch.attributes & BATCH_COMPRESSION), batch.records, 1 << 20, &plain, NULL) < 0)
        c->wrong = true;
    struct cursor records = cursor_of(buffer_slice(&plain));
    while (!c->wrong && batch_next(&batch, &records, &record)) {
        bool control = batch.attributes & BATCH_CONTROL;
        compare_value(c, control ? (record.key.data[3] ? VALUE_COMMIT : VALUE_ABORT) : number_of(record.value));
    }
    buffer_deinit(&plain);
    return c->wrong ? 1 : 0;
}

static int visit_aborted(void *user, const struct store_aborted *aborted)
{
    struct compare *c = user;
    c->wrong |= c->at >= c->count || c->values[c->at] != aborted->first_offset;
    c->at++;
    return 0;
}

static bool partition_is(const struct model *m, int p)
{
    struct store_bounds bounds;
    static int aborted[SLOTS_MAX];
    store_partition_bounds(w.store, w.topic, (uint32_t)p, &bounds);
    if (bounds.next != m->slot_count[p])
        return differs("the next offset");
    int64_t stable = bounds.durable;
    for (int i = 0; i < ACTORS; i++)
        if (m->transactional[i].first[p] >= 0 && m->transactional[i].first[p] < stable)
            stable = m->transactional[i].first[p];
    /* An end that is not durable holds it back still. */
    if (bounds.durable == bounds.next ? bounds.stable != stable : bounds.stable > stable)
        return differs("the stable offset");
    for (int i = 0; i < m->aborted_count[p]; i++)
        aborted[i] = (int)m->aborted[p][i];
    struct compare c = { .values = aborted, .count = m->aborted_count[p], .step = -1 };
    store_aborted_each(w.store, w.topic, (uint32_t)p, 0, INT64_MAX, visit_aborted, &c);
    if (c.wrong || c.at != c.count)
        return differs("the aborted transactions");
    int64_t end = one_in(2) ? bounds.stable : bounds.durable;
    c = (struct compare){ .values = m->slots[p], .count = m->slot_count[p], .step = -1 };
    struct store_fetch fetch = {
        .topic = w.topic, .partition = (uint32_t)p, .bytes_max = 300 + below(5000), .first_whole = true, .committed = end == bounds.stable
    };
    while (fetch.offset < end) {
        int64_t r = store_fetch(w.store, &fetch, visit_batch, &c, &w.error);
        if (r <= 0 || c.wrong)
            return differs("the batches");
        fetch.offset = c.at;
    }
    return true;
}

static bool records_are(const struct model *m)
{
    struct compare c = { .values = m->seen, .count = m->seen_count, .step = -1 };
    struct store_cursor cursor;
    struct store_record record;
    store_cursor_init(&cursor, 0, w.topic);
    while (!c.wrong && store_cursor_next(w.store, &cursor, &record, &w.error) == 1)
        visit_record(&c, &record, -1);
    store_cursor_deinit(&cursor);
    if (!compare_end(&c))
        return differs("the records in the order of their positions");
    for (int key = 0; key < KEYS; key++) {
        char name = (char)('a' + key);
        c = (struct compare){ .values = m->seen, .count = m->seen_count, .step = key };
        int64_t r = store_stream_read(w.store, SLICE("t"), slice_of(&name, 1), 0, false, UINT64_MAX, visit_record, &c);
        if (r < 0 || !compare_end(&c))
            return differs("a stream");
    }
    return true;
}

static struct slice name_of(int actor)
{
    static const char *const names[ACTORS] = { "tx-0", "tx-1", "tx-2" };
    return slice_str(names[actor]);
}

static bool actors_are(const struct model *m)
{
    for (int i = 0; i < ACTORS; i++) {
        const struct actor *a = &m->transactional[i];
        struct transaction_info info;
        uint32_t added = 0;
        if (transaction_get(w.store, name_of(i), &info) < 0) {
            if (a->producer.id >= 0)
                return differs("a transactional id is unknown");
            continue;
        }
        for (int p = 0; p < PARTITIONS; p++)
            added += a->added[p];
        if (info.producer.id != a->producer.id || info.producer.epoch != a->producer.epoch || info.state != a->state || info.partition_count != added)
            return differs("the state of a transactional id");
    }
    return true;
}

static bool store_is(const struct model *m)
{
    for (int p = 0; p < PARTITIONS; p++)
        if (!partition_is(m, p))
            return false;
    return records_are(m) && actors_are(m);
}

/* After a crash: the first operations, no fewer than were acknowledged. */
static void history_find(void)
{
    int acknowledged = 0, found = -1;
    for (int i = 0; i < w.op_count; i++)
        if (w.ops[i].tail <= w.durable)
            acknowledged = i + 1;
    model_init(&w.trial);
    for (int n = 0; n <= w.op_count; n++) {
        if (n > 0)
            model_apply(&w.trial, &w.ops[n - 1]);
        if (n >= acknowledged && store_is(&w.trial)) {
            found = n;
            w.model = w.trial;
        }
    }
    if (found < 0)
        fail(w.wrong, acknowledged);
    w.op_count = found;
}

/* --- doing ---------------------------------------------------------------------------------------------- */

static void done(struct op op)
{
    op.tail = store_tail(w.store);
    w.ops[w.op_count++] = op;
    model_apply(&w.model, &op);
    if (op.value + op.count > w.values)
        w.values = op.value + op.count;
}

static void batch_fill(const struct op *op, const struct actor *a, int sequence, int attributes)
{
    struct batch_builder builder;
    int compression = one_in(3) ? COMPRESSION_GZIP : COMPRESSION_NONE;
    buffer_clear(&w.batch);
    batch_builder_init(&builder, &w.batch);
    for (int i = 0; i < op->count; i++) {
        char text[16], key = (char)('a' + (op->value + i) % KEYS);
        snprintf(text, sizeof(text), "%d", op->value + i);
        batch_builder_add(&builder, 1000 + i, slice_of(&key, 1), slice_str(text), slice_of(NULL, 0), 0);
    }
    batch_builder_finish(&builder, 0, 0);
    if (compression) {
        buffer_clear(&w.packed);
        if (compression_compress((enum compression)compression, slice_from(buffer_slice(&w.batch), BATCH_HEADER_BYTES), &w.packed, NULL) < 0)
            fail("a batch cannot be compressed", 0);
        buffer_truncate(&w.batch, BATCH_HEADER_BYTES);
        buffer_append_slice(&w.batch, buffer_slice(&w.packed));
        put_be32(w.batch.data + 8, (uint32_t)w.batch.len - 12);
    }
    put_be16(w.batch.data + 21, (uint16_t)(attributes | compression));
    batch_set_producer(w.batch.data, w.batch.len, a ? a->producer.id : -1, a ? a->producer.epoch : -1, a ? sequence : -1);
}

static int append(const struct op *op, struct store_batch_appended *ret)
{
    struct store_batch batch = { .topic = w.topic, .partition = (uint32_t)op->partition, .bytes = buffer_slice(&w.batch) };
    return store_batch_append(w.store, &batch, ret, &w.error);
}

/* What an operation must give: `wanted`, unless the disk or the machine is against it. True when it was done. */
static bool outcome(int r, int wanted, const char *what)
{
    if (r != wanted && !is_weather(r))
        fail(what, r);
    return r == 0;
}

static struct op op_new(enum op_kind kind)
{
    return (struct op){ .kind = kind, .actor = (int)below(ACTORS), .partition = (int)below(PARTITIONS), .count = 1 + (int)below(4), .value = w.values };
}

static void do_own(void)
{
    struct op op = op_new(OP_OWN);
    char text[16], key = (char)('a' + op.value % KEYS);
    op.count = 1;
    snprintf(text, sizeof(text), "%d", op.value);
    struct store_message m = { .topic = w.topic, .key = slice_of(&key, 1), .value = slice_str(text), .partition = op.partition };
    if (outcome(store_append(w.store, NULL, 0, &m, 1, false, NULL, &w.error), 0, "an append"))
        done(op);
}

static void do_plain(void)
{
    struct op op = op_new(OP_PLAIN);
    struct store_batch_appended appended;
    batch_fill(&op, NULL, 0, 0);
    if (outcome(append(&op, &appended), 0, "a batch"))
        done(op);
}

/* A batch again, with the same numbers. One that was aborted is no repeat. */
static void do_repeat(struct actor *a, int attributes)
{
    struct op op = op_new(OP_IDEMPOTENT);
    struct store_batch_appended appended;
    if (a->batch_count[op.partition] == 0)
        return;
    int i = (int)below((uint64_t)a->batch_count[op.partition]);
    op.count = a->batches[op.partition][i].count;
    batch_fill(&op, a, a->batches[op.partition][i].sequence, attributes);
    bool aborted = a->batches[op.partition][i].base < 0;
    if (outcome(append(&op, &appended), aborted ? EDDA_EPRODUCER : 0, "a repeat") && !aborted) {
        if (!appended.repeated || appended.base_offset != a->batches[op.partition][i].base)
            fail("a repeat gives another offset", appended.base_offset);
        w.repeats++;
    }
}

static void do_idempotent(void)
{
    struct op op = op_new(OP_IDEMPOTENT);
    struct actor a = w.model.idempotent[op.actor];
    struct store_batch_appended appended;
    if (a.producer.id < 0 && !outcome(producer_new(w.store, &a.producer, &w.error), 0, "a producer id"))
        return;
    if (one_in(3)) {
        do_repeat(&a, 0);
        return;
    }
    op.producer = a.producer;
    bool gap = a.batch_count[op.partition] > 0 && one_in(8);
    batch_fill(&op, &a, a.sequence[op.partition] + gap, 0);
    if (outcome(append(&op, &appended), gap ? EDDA_ESEQUENCE : 0, "an idempotent batch"))
        done(op);
}

static void do_begin(void)
{
    struct op op = op_new(OP_BEGIN);
    const struct actor *a = &w.model.transactional[op.actor];
    struct producer_id expected = one_in(2) ? a->producer : (struct producer_id){ -1, -1 };
    int r = transaction_begin_producer(w.store, name_of(op.actor), TIMEOUT_MS, expected, &op.producer, &w.error);
    if (!outcome(r, 0, "a transactional id"))
        return;
    if (a->producer.id >= 0 && (op.producer.id != a->producer.id || op.producer.epoch != a->producer.epoch + 1))
        fail("another producer than the next", op.producer.id);
    op.count = 0;
    done(op);
}

static void do_transaction(void)
{
    struct op op = op_new(OP_SEND);
    const struct actor *a = &w.model.transactional[op.actor];
    struct store_batch_appended appended;
    if (a->producer.id < 0) {
        do_begin();
        return;
    }
    /* One that was fenced. */
    if (a->producer.epoch > 0 && one_in(8)) {
        struct actor zombie = *a;
        zombie.producer.epoch--;
        batch_fill(&op, &zombie, 1000000, BATCH_TRANSACTIONAL); /* no number that it has had, which would be a repeat */
        outcome(append(&op, &appended), EDDA_EFENCED, "a fenced batch");
        outcome(transaction_end(w.store, name_of(op.actor), zombie.producer, true, &w.error), EDDA_EFENCED, "a fenced end");
        return;
    }
    uint64_t choice = below(10);
    if (choice == 0) {
        do_repeat(&w.model.transactional[op.actor], BATCH_TRANSACTIONAL);
    } else if (choice < 3) {
        op.kind = OP_END;
        op.commit = one_in(2);
        op.count = 0;
        bool repeat = a->state == (op.commit ? TRANSACTION_COMPLETE_COMMIT : TRANSACTION_COMPLETE_ABORT);
        bool ongoing = a->state == TRANSACTION_ONGOING;
        int r = transaction_end(w.store, name_of(op.actor), a->producer, op.commit, &w.error);
        if (outcome(r, ongoing || repeat ? 0 : EDDA_ETRANSACTION, "an end") && ongoing) {
            done(op);
            *(op.commit ? &w.commits : &w.aborts) += 1;
        }
    } else if (!a->added[op.partition]) {
        op.kind = OP_ADD;
        op.count = 0;
        if (outcome(transaction_add_partition(w.store, name_of(op.actor), a->producer, w.topic, (uint32_t)op.partition, &w.error), 0, "a partition"))
            done(op);
    } else {
        batch_fill(&op, a, a->sequence[op.partition], BATCH_TRANSACTIONAL);
        if (outcome(append(&op, &appended), 0, "a transactional batch"))
            done(op);
    }
}

/* An operator aborts what he finds open in a partition, or believes to be; the model has it as it has what took too long. */
static void do_abort(void)
{
    struct op op = op_new(OP_EXPIRE);
    const struct actor *a = &w.model.transactional[op.actor];
    bool open = a->state == TRANSACTION_ONGOING && a->added[op.partition];
    op.count = 0;
    if (a->producer.id < 0)
        return;
    struct producer_id other = { a->producer.id, (int16_t)(a->producer.epoch + 1) };
    outcome(transaction_abort(w.store, other, w.topic, (uint32_t)op.partition, &w.error), EDDA_EFENCED, "an abort of another epoch");
    int r = transaction_abort(w.store, a->producer, w.topic, (uint32_t)op.partition, &w.error);
    if (outcome(r, open ? 0 : EDDA_ETRANSACTION, "an operator's abort") && open) {
        done(op);
        w.aborts++;
    }
}

struct order {
    int actors[ACTORS], count;
};

static int order_visit(void *user, const struct transaction_info *info)
{
    struct order *order = user;
    order->actors[order->count++] = info->transactional_id.data[3] - '0';
    return 0;
}

/* What the store has aborted is done; in its order, which shows in the offsets. */
static bool expired_note(const struct order *order)
{
    bool all = true;
    for (int i = 0; i < order->count; i++) {
        struct transaction_info info;
        const struct actor *a = &w.model.transactional[order->actors[i]];
        if (a->state != TRANSACTION_ONGOING || transaction_get(w.store, name_of(order->actors[i]), &info) < 0)
            continue;
        if (info.state == TRANSACTION_COMPLETE_ABORT)
            done((struct op){ .kind = OP_EXPIRE, .actor = order->actors[i] });
        else
            all = false;
    }
    return all;
}

/* Time passes: all that are open are aborted, or, on a full disk, some. */
static void do_expire(void)
{
    struct order order = { .count = 0 };
    transactions_each(w.store, order_visit, &order);
    io_simulated_advance(w.io, (int64_t)TIMEOUT_MS * 1000000);
    transactions_expire(w.store);
    bool all = expired_note(&order);
    for (int tries = 0; !all && tries < 20; tries++) {
        if (w.full || io_simulated_is_cut(w.io) || store_flush(w.store, &w.error) < 0)
            return;
        /* The index tries a seal that failed again after a second. */
        io_simulated_advance(w.io, 1000000000);
        io_jobs_finish(w.io);
        store_maintain(w.store);
        transactions_expire(w.store);
        all = expired_note(&order);
    }
    if (!all && !io_simulated_is_cut(w.io))
        fail("a transaction does not time out", 0);
}

static void do_flush(void)
{
    int r = 0;
    switch (below(5)) {
    case 0:
        r = store_flush(w.store, &w.error);
        break;
    case 1:
        r = store_flush_start(w.store, &w.error);
        break;
    case 2:
        r = store_close_frame(w.store, &w.error);
        break;
    default:
        io_simulated_advance(w.io, (int64_t)below(400000));
        io_jobs_finish(w.io);
        store_maintain(w.store);
    }
    if (r < 0 && !is_weather(r))
        fail("a flush failed", r);
    if (r == EDDA_EBUSY && io_jobs_wait(w.io, -1))
        io_jobs_finish(w.io);
}

static int remove_entry(void *user, const char *name)
{
    char path[160];
    snprintf(path, sizeof(path), "%s/%s", (const char *)user, name);
    return io_file_remove(w.io, path);
}

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
        io_simulated_cut_after(w.io, 0);
    }
    w.topic = store_topic(w.store, SLICE("t"));
    w.dead = false;
}

static void reopen(void)
{
    bool clean = !w.dead && one_in(3);
    if (w.durable < store_durable_position(w.store))
        w.durable = store_durable_position(w.store);
    if (clean) {
        io_simulated_cut_after(w.io, 0);
        io_simulated_set_capacity(w.io, DISK_BYTES);
        w.durable = store_flush(w.store, &w.error) == 0 ? store_tail(w.store) : w.durable;
        store_close(w.store);
    } else {
        w.crashes++;
        io_simulated_crash(w.io, one_in(4));
        store_abandon(w.store);
        io_simulated_cut_after(w.io, 0);
    }
    if (one_in(6))
        (void)io_dir_list(w.io, DIR "/index", remove_entry, (void *)(uintptr_t)(DIR "/index"));
    if (one_in(6))
        (void)io_dir_list(w.io, DIR "/checkpoint", remove_entry, (void *)(uintptr_t)(DIR "/checkpoint"));
    open_store();
    if (!w.topic)
        fail("the topic is gone", 0);
    history_find();
    w.durable = store_tail(w.store);
    for (int i = 0; i < w.op_count; i++)
        w.ops[i].tail = 0;
    if (one_in(3)) {
        int64_t found = store_verify(w.store, NULL, NULL, &w.error);
        if (found != 0)
            fail("verification finds damage", found);
    }
}

static void step(void)
{
    uint64_t choice = below(100);
    if (w.dead)
        reopen();
    else if (choice < 8)
        do_own();
    else if (choice < 18)
        do_plain();
    else if (choice < 32)
        do_idempotent();
    else if (choice < 70)
        do_transaction();
    else if (choice < 72)
        do_begin();
    else if (choice < 73)
        do_expire();
    else if (choice < 74 && w.seed % 2 == 0) /* the odd ones do as before: among them is one that has found something */
        do_abort();
    else if (choice < 90)
        do_flush();
    else if (choice < 94) {
        if (!store_is(&w.model))
            fail(w.wrong, 0);
    } else if (choice < 95) {
        w.full = !w.full;
        io_simulated_set_capacity(w.io, w.full ? 1 : DISK_BYTES);
    } else if (choice < 97) {
        io_simulated_cut_after(w.io, 1 + below(20));
    } else {
        reopen();
    }
    w.dead = w.dead || io_simulated_is_cut(w.io) || store_broken(w.store);
}

static void run(uint64_t seed)
{
    w.seed = seed;
    prng_init(&w.prng, seed);
    w.options = (struct store_options){
        .log = { .segment_bytes = LOG_SEGMENT_BYTES_MIN << below(3) },
        .index = { .tail_entries_max = (uint32_t)(one_in(3) ? 100000 : 64 + below(200)), .runs_max = (uint32_t)(2 + below(3)) },
        .frame_bytes = (uint32_t)(600 + below(6000)),
        .frames_kept = (uint32_t)below(6),
        .scavenge_interval_ms = -1,
    };
    w.durable = 0;
    w.values = w.op_count = 0;
    model_init(&w.model);
    io_simulated_reset(w.io, &(struct io_simulated_options){ .seed = seed, .disk_bytes = DISK_BYTES });
    open_store();
    if (store_topic_ensure(w.store, SLICE("t"), PARTITIONS, &w.topic, &w.error) < 0 || store_flush(w.store, &w.error) < 0)
        fail("the topic", 0);
    for (uint64_t steps = 20 + below(300); steps > 0 && w.op_count < OPS_MAX - ACTORS; steps--)
        step();
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
    buffer_deinit(&w.batch);
    buffer_deinit(&w.packed);
    printf("%" PRIu64 " commits, %" PRIu64 " aborts, %" PRIu64 " repeats, %" PRIu64 " crashes\n", w.commits, w.aborts, w.repeats, w.crashes);
    if (seeds.count >= 100 && (!w.commits || !w.aborts || !w.repeats || !w.crashes)) {
        printf("FAILED: something never happened\n");
        return 1;
    }
    return 0;
}
