/*
 * The index of the store against a naive model: a journal of all additions, and for each key the list of its entries.
 * Additions, seals, merges, rewinds and reopenings are drawn from a seed that is printed; the same program runs on
 * files and on the simulated io. Then what a full disk, damage, and a crash at each single operation leave behind.
 *
 * An addition's number in the journal stands for its place in the log: it lies before address (number + 1) * UNIT.
 */
#include "support.h"

#include "io/posix.h"
#include "io/simulated.h"
#include "store/index.h"
#include "store/run.h"
#include "store/tail.h"

#define UNIT 16
#define KEYS 6000
#define LOG_ID 77
#define SECOND INT64_C(1000000000)

/* ---- the model ---- */

struct journal_row {
    uint32_t key;
    struct index_entry entry;
};

struct list_of_key {
    struct index_entry *entries;
    size_t count;
    size_t capacity;
};

struct model {
    struct journal_row *rows;
    size_t count;
    size_t capacity;
    struct list_of_key lists[KEYS];
};

static void *grown(void *memory, size_t count, size_t *capacity, size_t size)
{
    if (count < *capacity)
        return memory;
    *capacity = *capacity ? 2 * *capacity : 16;
    memory = realloc(memory, *capacity * size);
    assert_non_null(memory);
    return memory;
}

static void model_add(struct model *m, uint32_t key, struct index_entry entry)
{
    struct list_of_key *l = &m->lists[key];

    m->rows = grown(m->rows, m->count, &m->capacity, sizeof(*m->rows));
    m->rows[m->count++] = (struct journal_row){ key, entry };
    l->entries = grown(l->entries, l->count, &l->capacity, sizeof(*l->entries));
    l->entries[l->count++] = entry;
}

static void model_cut(struct model *m, size_t count)
{
    while (m->count > count)
        m->lists[m->rows[--m->count].key].count--;
}

static void model_deinit(struct model *m)
{
    free(m->rows);
    for (size_t i = 0; i < KEYS; i++)
        free(m->lists[i].entries);
    memset(m, 0, sizeof(*m));
}

/* ---- an index under test ---- */

struct rig {
    struct io *io;
    bool simulated;
    char dir[64];
    char path[80];
    struct index_options options;
    struct index *index;
    struct prng prng;
    size_t sealed;       /* additions that may be in a run or on their way there */
    size_t indexed;      /* additions that the index has */
    uint64_t position;   /* of the next addition */
    struct model model;
};

static struct hash128 key_of(uint32_t number)
{
    return hash128(slice_of(&number, sizeof(number)), 5);
}

static void rig_init(struct rig *r, bool simulated, uint64_t seed)
{
    memset(r, 0, sizeof(*r));
    r->simulated = simulated;
    r->options = (struct index_options){ .tail_entries_max = 300, .runs_max = 3 };
    prng_init(&r->prng, seed);
    if (simulated) {
        r->io = io_simulated_new(&(struct io_simulated_options){ .seed = seed });
        snprintf(r->dir, sizeof(r->dir), "/data");
    } else {
        r->io = io_posix_new(1);
        snprintf(r->dir, sizeof(r->dir), "/tmp/edda-unit-index-XXXXXX");
        assert_non_null(mkdtemp(r->dir));
    }
    assert_non_null(r->io);
    snprintf(r->path, sizeof(r->path), "%s/index", r->dir);
    if (simulated)
        assert_int_equal(io_dir_make(r->io, r->dir), 0);
}

static const char *file_path(const struct rig *r, const char *name)
{
    static char path[400];

    snprintf(path, sizeof(path), "%s/%s", r->path, name);
    return path;
}

static int remove_name(void *user, const char *name)
{
    const struct rig *r = user;

    return io_file_remove(r->io, file_path(r, name));
}

static void rig_deinit(struct rig *r)
{
    index_close(r->index);
    if (r->simulated) {
        io_simulated_free(r->io);
    } else {
        (void)io_dir_list(r->io, r->path, remove_name, r);
        (void)rmdir(r->path);
        assert_int_equal(rmdir(r->dir), 0);
        io_posix_free(r->io);
    }
    model_deinit(&r->model);
}

static int rig_try_open(struct rig *r)
{
    int result = index_open(r->io, r->path, LOG_ID, &r->options, &r->index, NULL);

    if (result < 0)
        return result;
    assert_int_equal(index_covered(r->index) % UNIT, 0);
    r->sealed = r->indexed = index_covered(r->index) / UNIT;
    assert_true(r->indexed <= r->model.count);
    return 0;
}

static void rig_open(struct rig *r)
{
    assert_int_equal(rig_try_open(r), 0);
}

static void rig_close(struct rig *r)
{
    index_close(r->index);
    r->index = NULL;
}

static void rig_finish_jobs(struct rig *r)
{
    if (r->simulated)
        io_simulated_advance(r->io, (int64_t)prng_below(&r->prng, 400000));
    io_jobs_finish(r->io);
}

static void rig_seal(struct rig *r)
{
    uint64_t covered = index_covered(r->index);
    struct index_stats before, after;

    index_stats(r->index, &before);
    index_seal(r->index, (uint64_t)r->indexed * UNIT);
    index_stats(r->index, &after);
    r->sealed = r->indexed;
    assert_int_equal(before.entries, after.entries);
    assert_int_equal(index_covered(r->index), covered);
}

/* A key: one is hot, some are warm, most are met once or twice. */
static uint32_t draw_key(struct prng *p)
{
    uint64_t kind = prng_below(p, 10);

    if (kind == 0)
        return 0;
    return (uint32_t)(kind < 4 ? 1 + prng_below(p, 20) : kind < 6 ? 21 + prng_below(p, 300) : prng_below(p, KEYS));
}

static struct index_entry draw_entry(struct rig *r)
{
    struct prng *p = &r->prng;
    struct index_entry entry = { .position = r->position, .batch = r->position * 100 + prng_below(p, 50) };

    entry.record = (uint32_t)(prng_u64(p) >> (32 + prng_below(p, 32)));
    if (prng_one_in(p, 30))
        entry.batch = prng_u64(p);
    if (prng_one_in(p, 200))
        r->position += prng_u64(p) >> (20 + prng_below(p, 40));
    r->position += prng_below(p, 3);
    return entry;
}

/* New additions for the journal; the index does not have them yet. */
static void draw_additions(struct rig *r, size_t count)
{
    for (size_t i = 0; i < count; i++)
        model_add(&r->model, draw_key(&r->prng), draw_entry(r));
}

/* Gives the index what it lacks of the journal, in batches, as long as that works. */
static int rig_try_catch_up(struct rig *r)
{
    struct index_addition additions[100];

    while (r->indexed < r->model.count) {
        size_t left = r->model.count - r->indexed;
        size_t most = r->options.tail_entries_max < COUNT(additions) ? r->options.tail_entries_max : COUNT(additions);
        size_t count = 1 + prng_below(&r->prng, left < most ? left : most);
        int result;

        for (size_t i = 0; i < count; i++) {
            const struct journal_row *row = &r->model.rows[r->indexed + i];

            additions[i] = (struct index_addition){ key_of(row->key), row->entry };
        }
        result = count == 1 ? index_add(r->index, additions[0].key, &additions[0].entry)
                            : index_add_many(r->index, additions, count);
        if (result < 0)
            return result;
        r->indexed += count;
        if (index_seal_wanted(r->index))
            rig_seal(r);
    }
    return 0;
}

static void rig_catch_up(struct rig *r)
{
    int result;

    while ((result = rig_try_catch_up(r)) == EDDA_EBUSY) {
        assert_int_equal(io_jobs_wait(r->io, -1), 1);
        io_jobs_finish(r->io);
    }
    assert_int_equal(result, 0);
}

/* ---- comparing ---- */

static bool same_entry(const struct index_entry *a, const struct index_entry *b)
{
    return a->position == b->position && a->batch == b->batch && a->record == b->record;
}

/* One look-up of each kind; a damaged run may make it fail, if `allowed`, but not lie. Returns the failure or 0. */
static int check_key(struct rig *r, uint32_t number, int allowed)
{
    const struct list_of_key *l = &r->model.lists[number];
    struct hash128 key = key_of(number);
    struct index_entry entries[300];
    uint64_t at = prng_below(&r->prng, l->count + 2);
    size_t max = 1 + prng_below(&r->prng, COUNT(entries));
    uint64_t position = l->count ? l->entries[at < l->count ? at : 0].position + prng_below(&r->prng, 2) : at;
    uint64_t value = 0;
    uint64_t expected = 0;
    int64_t got;
    int result = index_count(r->index, key, &value);

    if (result < 0 && result == allowed)
        return result;
    assert_int_equal(result, 0);
    assert_int_equal(value, l->count);

    result = index_last(r->index, key, &entries[0]);
    if (result < 0 && result == allowed)
        return result;
    assert_int_equal(result, l->count ? 0 : EDDA_ENOTFOUND);
    if (l->count)
        assert_true(same_entry(&entries[0], &l->entries[l->count - 1]));

    got = index_read(r->index, key, at, false, entries, max);
    if (got < 0 && got == allowed)
        return (int)got;
    expected = at >= l->count ? 0 : l->count - at < max ? l->count - at : max;
    assert_int_equal(got, expected);
    for (size_t i = 0; i < expected; i++)
        assert_true(same_entry(&entries[i], &l->entries[at + i]));

    got = index_read(r->index, key, at, true, entries, max);
    if (got < 0 && got == allowed)
        return (int)got;
    expected = at < l->count ? at + 1 : l->count;
    assert_int_equal(got, expected < max ? expected : max);
    for (size_t i = 0; i < (size_t)got; i++)
        assert_true(same_entry(&entries[i], &l->entries[expected - 1 - i]));

    result = index_find_position(r->index, key, position, &value);
    if (result < 0 && result == allowed)
        return result;
    assert_int_equal(result, 0);
    for (expected = 0; expected < l->count && l->entries[expected].position < position;)
        expected++;
    assert_int_equal(value, expected);
    return 0;
}

static int sum_each(void *user, struct hash128 key, uint64_t count)
{
    uint64_t *sums = user;

    sums[0]++;
    sums[1] += count;
    sums[2] += (key.lo ^ key.hi) * count;
    return 0;
}

/* All keys, and the whole. The model must hold what the index has, no more. */
static void check_all(struct rig *r)
{
    uint64_t sums[3] = { 0 };
    uint64_t expected[3] = { 0 };
    struct index_stats stats;

    assert_int_equal(r->indexed, r->model.count);
    for (uint32_t number = 0; number < KEYS; number++) {
        struct hash128 key = key_of(number);
        uint64_t count = r->model.lists[number].count;

        check_key(r, number, 0);
        expected[0] += count > 0;
        expected[1] += count;
        expected[2] += (key.lo ^ key.hi) * count;
    }
    assert_int_equal(index_each(r->index, sum_each, sums), 0);
    assert_memory_equal(sums, expected, sizeof(sums));
    index_stats(r->index, &stats);
    assert_int_equal(stats.entries, r->model.count);
    assert_true(stats.keys_estimate >= expected[0]);
    assert_int_equal(index_verify(r->index, NULL), 0);
}

static void check_some(struct rig *r)
{
    for (unsigned i = 0; i < 20; i++)
        check_key(r, draw_key(&r->prng), 0);
}

/* ---- random programs ---- */

static void rewind_some(struct rig *r)
{
    size_t unsealed = r->model.count - r->sealed;
    size_t count;
    uint64_t position;

    if (unsealed == 0 || r->indexed < r->model.count)
        return;
    count = r->model.count - prng_below(&r->prng, unsealed < 40 || prng_one_in(&r->prng, 10) ? unsealed : 40) - 1;
    position = r->model.rows[count].entry.position;
    while (count > 0 && r->model.rows[count - 1].entry.position == position)
        count--;
    if (count < r->sealed)
        return;
    index_rewind(r->index, position);
    model_cut(&r->model, count);
    r->indexed = count;
    r->position = position;
}

static void program(struct rig *r, unsigned steps)
{
    rig_open(r);
    for (unsigned i = 0; i < steps; i++) {
        switch (prng_below(&r->prng, 16)) {
        case 0:
            rig_seal(r);
            break;
        case 1:
            rig_close(r);
            rig_open(r);
            break;
        case 2:
        case 3:
            rewind_some(r);
            check_some(r);
            break;
        case 4:
            assert_int_equal(index_wait(r->index), 0);
            break;
        default:
            draw_additions(r, prng_below(&r->prng, 120));
            break;
        }
        rig_catch_up(r);
        rig_finish_jobs(r);
        check_some(r);
    }
    check_all(r);
    assert_int_equal(index_wait(r->index), 0);
    check_all(r);
    rig_close(r);
    rig_open(r);
    rig_catch_up(r);
    check_all(r);
}

static void random_programs_equal_the_model_simulated(void **state)
{
    uint64_t seed = random_seed("index, simulated");

    (void)state;
    for (unsigned i = 0; i < 12; i++) {
        struct rig r;

        rig_init(&r, true, seed + i);
        program(&r, 300);
        rig_deinit(&r);
    }
}

static void random_programs_equal_the_model_on_files(void **state)
{
    uint64_t seed = random_seed("index, files");

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct rig r;

        rig_init(&r, false, seed + i);
        program(&r, 300);
        rig_deinit(&r);
    }
}

/* ---- lists and keys of unusual shape ---- */

/* Of 3 keys, one has 70,000 entries, in pieces over several runs that become one. */
static void long_lists_go_over_chunks_pieces_and_merges(void **state)
{
    struct rig r;
    struct index_stats stats;

    (void)state;
    rig_init(&r, true, random_seed("long lists"));
    r.options = (struct index_options){ .tail_entries_max = 20000, .runs_max = 1 };
    rig_open(&r);
    for (unsigned i = 0; i < 100000; i++)
        model_add(&r.model, prng_below(&r.prng, 10) < 7 ? 0 : 1 + (uint32_t)prng_below(&r.prng, 2), draw_entry(&r));
    rig_catch_up(&r);
    assert_int_equal(index_wait(r.index), 0);
    rig_seal(&r);
    for (unsigned i = 0; i < 300; i++)
        check_key(&r, (uint32_t)prng_below(&r.prng, 4), 0);
    assert_int_equal(index_wait(r.index), 0);
    index_stats(r.index, &stats);
    assert_int_equal(stats.runs, 1);
    assert_int_equal(stats.tail_entries, 0);
    for (unsigned i = 0; i < 300; i++)
        check_key(&r, (uint32_t)prng_below(&r.prng, 4), 0);
    check_all(&r);
    rig_deinit(&r);
}

/* More keys than a merge looks at before it decides on the number of buckets, and several steps of it. */
static void merges_of_many_keys_lose_none(void **state)
{
    enum { RUNS = 3, KEYS_EACH = 60000, SHARED = 20000 };
    struct rig r;
    struct index_stats stats;

    (void)state;
    rig_init(&r, false, 1);
    r.options = (struct index_options){ .tail_entries_max = 1000000, .runs_max = RUNS - 1 };
    assert_int_equal(index_open(r.io, r.path, LOG_ID, &r.options, &r.index, NULL), 0);
    for (uint32_t run = 0; run < RUNS; run++) {
        for (uint32_t i = 0; i < KEYS_EACH; i++) {
            uint32_t number = i < SHARED ? i : run * KEYS_EACH + i;

            assert_int_equal(index_add(r.index, key_of(number), &(struct index_entry){ run, i, run }), 0);
            if (i % 3 == 0)
                assert_int_equal(index_add(r.index, key_of(number), &(struct index_entry){ run, i, 9 }), 0);
        }
        index_seal(r.index, (run + 1) * UNIT);
        assert_int_equal(index_wait(r.index), 0);
    }
    index_stats(r.index, &stats);
    assert_int_equal(stats.runs, 1);
    assert_int_equal(stats.keys_estimate, SHARED + RUNS * (KEYS_EACH - SHARED));
    assert_int_equal(stats.entries, RUNS * (KEYS_EACH + KEYS_EACH / 3));
    assert_int_equal(index_verify(r.index, NULL), 0);
    for (uint32_t number = 0; number < RUNS * KEYS_EACH; number++) {
        uint32_t i = number % KEYS_EACH;
        uint64_t expected = 1 + (i % 3 == 0);
        uint64_t count;

        if (number < SHARED)
            expected *= RUNS;
        else if (i < SHARED)
            expected = 0;
        assert_int_equal(index_count(r.index, key_of(number), &count), 0);
        assert_int_equal(count, expected);
    }
    rig_deinit(&r);
}

/* Keys that are no hashes are slow and right: all in one bucket, then all with one high half. */
static void keys_that_do_not_spread_are_found(void **state)
{
    struct rig r;

    (void)state;
    rig_init(&r, true, 1);
    r.options.tail_entries_max = 100000;
    for (unsigned kind = 0; kind < 2; kind++) {
        struct hash128 absent = { kind == 0 ? 0 : 9, kind == 0 ? 1 : 99999 };
        uint64_t count;

        r.model.count = 100000;
        rig_open(&r);
        for (uint64_t i = 0; i < 1000; i++) {
            struct hash128 key = kind == 0 ? (struct hash128){ i, 0 } : (struct hash128){ 9, i };

            assert_int_equal(index_add(r.index, key, &(struct index_entry){ i, i, 0 }), 0);
        }
        index_seal(r.index, index_covered(r.index) + UNIT);
        assert_int_equal(index_wait(r.index), 0);
        for (uint64_t i = 0; i < 1000; i++) {
            struct hash128 key = kind == 0 ? (struct hash128){ i, 0 } : (struct hash128){ 9, i };
            struct index_entry entry;

            assert_int_equal(index_last(r.index, key, &entry), 0);
            assert_int_equal(entry.position, i);
        }
        assert_int_equal(index_count(r.index, absent, &count), 0);
        assert_int_equal(count, 0);
        assert_int_equal(index_verify(r.index, NULL), 0);
        rig_close(&r);
    }
    r.model.count = 0;
    rig_deinit(&r);
}

/* A rewind over more than is remembered, and one where positions of different keys do not come in order. */
static void a_rewind_of_everything_leaves_nothing_behind(void **state)
{
    struct tail *t = tail_new(0);
    struct index_addition a = { .entry.batch = 1 };

    (void)state;
    assert_non_null(t);
    for (unsigned round = 0; round < 4; round++) {
        for (uint32_t i = 0; i < 3 * TAIL_RECENT; i++) {
            a.key = key_of(i % 1000);
            a.entry.position = round % 2 ? i / 1000 * 10 + i % 3 : i;
            assert_int_equal(tail_add(t, &a, 1), 0);
        }
        if (round == 3)
            tail_clear(t);
        else if (round == 2)
            tail_rewind(t, 5);
        tail_rewind(t, 0);
        assert_int_equal(t->entries, 0);
        assert_int_equal(t->keys, 0);
        assert_null(tail_find(t, key_of(1)));
    }
    /* The memory is used again. */
    assert_true(tail_bytes(t) < 1000 * 1000);
    tail_free(t);
}

static void a_tail_stays_within_its_memory(void **state)
{
    static const unsigned lengths[] = { 1, 2, 3, 4, 5, 8, 9, 16 };
    struct index_addition a = { .entry.batch = 1 };

    (void)state;
    for (unsigned l = 0; l < COUNT(lengths); l++) {
        struct tail *t = tail_new(0);

        assert_non_null(t);
        for (unsigned round = 0; round < lengths[l]; round++) {
            for (uint32_t i = 0; i < 130000; i++) {
                a.key = key_of(i);
                a.entry.position = round;
                assert_int_equal(tail_add(t, &a, 1), 0);
            }
        }
        assert_int_equal(t->entries, 130000 * lengths[l]);
        assert_true(tail_bytes(t) <= t->entries * 50 + 200000);
        tail_free(t);
    }
}

/* ---- opening ---- */

static void opening_nothing_changes_nothing(void **state)
{
    struct rig r;
    uint64_t operations;
    uint64_t count = 9;
    struct index_entry entry;

    (void)state;
    rig_init(&r, true, 1);
    operations = io_simulated_operations(r.io);
    rig_open(&r);
    assert_int_equal(index_covered(r.index), 0);
    assert_false(index_seal_wanted(r.index));
    index_seal(r.index, UNIT);
    assert_int_equal(index_count(r.index, key_of(1), &count), 0);
    assert_int_equal(count, 0);
    assert_int_equal(index_last(r.index, key_of(1), &entry), EDDA_ENOTFOUND);
    assert_int_equal(index_wait(r.index), 0);
    index_rewind(r.index, 0);
    rig_close(&r);
    assert_int_equal(io_simulated_operations(r.io), operations);
    rig_deinit(&r);
}

static void options_over_their_limits_are_refused(void **state)
{
    struct rig r;
    struct edda_error error;

    (void)state;
    rig_init(&r, true, 1);
    r.options = (struct index_options){ .tail_entries_max = INDEX_TAIL_ENTRIES_LIMIT + 1 };
    assert_int_equal(index_open(r.io, r.path, 1, &r.options, &r.index, &error), EDDA_EINVAL);
    assert_string_equal(error.field, "tail_entries_max");
    r.options = (struct index_options){ .runs_max = 65 };
    assert_int_equal(index_open(r.io, r.path, 1, &r.options, &r.index, &error), EDDA_EINVAL);
    assert_string_equal(error.field, "runs_max");
    rig_deinit(&r);
}

/* Some runs that are not merged: `count` additions each. */
static void make_runs(struct rig *r, unsigned runs, unsigned count)
{
    r->options = (struct index_options){ .tail_entries_max = 100000, .runs_max = 60 };
    rig_open(r);
    for (unsigned i = 0; i < runs; i++) {
        draw_additions(r, count);
        rig_catch_up(r);
        rig_seal(r);
        assert_int_equal(index_wait(r->index), 0);
    }
}

struct names {
    char all[20][64];
    size_t count;
};

static int name_add(void *user, const char *name)
{
    struct names *n = user;

    assert_true(n->count < COUNT(n->all));
    snprintf(n->all[n->count++], sizeof(n->all[0]), "%s", name);
    return 0;
}

static struct names list_names(const struct rig *r)
{
    struct names n = { .count = 0 };

    assert_int_equal(io_dir_list(r->io, r->path, name_add, &n), 0);
    return n;
}

static void runs_of_another_log_are_removed(void **state)
{
    struct rig r;
    struct index *other;
    uint64_t seed;

    (void)state;
    rig_init(&r, true, 1);
    make_runs(&r, 2, 100);
    seed = index_seed(r.index);
    rig_close(&r);
    assert_int_equal(index_open(r.io, r.path, LOG_ID + 1, &r.options, &other, NULL), 0);
    assert_int_equal(index_covered(other), 0);
    assert_true(index_seed(other) != seed);
    index_close(other);
    assert_int_equal(list_names(&r).count, 0);
    rig_open(&r);
    assert_int_equal(index_seed(r.index), seed);
    rig_catch_up(&r);
    check_all(&r);
    rig_deinit(&r);
}

static void runs_past_the_end_of_the_log_are_left_out(void **state)
{
    struct rig r;

    (void)state;
    rig_init(&r, true, 1);
    make_runs(&r, 3, 100);
    rig_close(&r);
    r.options.log_end = 250 * UNIT;
    r.options.read_only = true;
    rig_open(&r);
    assert_int_equal(r.indexed, 200);
    rig_close(&r);
    assert_int_equal(list_names(&r).count, 3);
    r.options.read_only = false;
    rig_open(&r);
    assert_int_equal(r.indexed, 200);
    assert_int_equal(list_names(&r).count, 2);
    rig_deinit(&r);
}

static void a_missing_run_ends_the_prefix(void **state)
{
    struct rig r;
    struct names names;

    (void)state;
    rig_init(&r, true, 1);
    make_runs(&r, 4, 150);
    rig_close(&r);
    names = list_names(&r);
    assert_int_equal(names.count, 4);
    assert_int_equal(io_file_remove(r.io, file_path(&r, names.all[1])), 0);
    rig_open(&r);
    assert_int_equal(r.indexed, 150);
    assert_int_equal(list_names(&r).count, 1);
    rig_catch_up(&r);
    check_all(&r);
    rig_deinit(&r);
}

static void foreign_names_are_left_alone(void **state)
{
    static const char *const names[] = { "readme", "0000000000000000-00000000000000zz.run", "x.run" };
    struct rig r;
    struct io_file *file;

    (void)state;
    rig_init(&r, true, 1);
    assert_int_equal(io_dir_make(r.io, r.path), 0);
    for (unsigned i = 0; i < COUNT(names); i++) {
        assert_int_equal(io_file_open(r.io, file_path(&r, names[i]), IO_WRITE | IO_CREATE, &file, NULL), 0);
        io_file_close(r.io, file);
    }
    rig_open(&r);
    assert_int_equal(list_names(&r).count, COUNT(names));
    rig_deinit(&r);
}

/* ---- limits and failures ---- */

static void a_tail_of_twice_its_size_is_busy_until_the_seal_has_ended(void **state)
{
    struct rig r;
    struct index_addition additions[600];

    (void)state;
    rig_init(&r, true, 1);
    rig_open(&r);
    for (unsigned i = 0; i < COUNT(additions); i++)
        additions[i] = (struct index_addition){ key_of(i), { i, i, i } };
    assert_int_equal(index_add_many(r.index, additions, 299), 0);
    assert_false(index_seal_wanted(r.index));
    assert_int_equal(index_add(r.index, additions[299].key, &additions[299].entry), 0);
    assert_true(index_seal_wanted(r.index));
    index_seal(r.index, UNIT);
    assert_false(index_seal_wanted(r.index));
    assert_int_equal(index_add_many(r.index, additions, 600), 0);
    assert_false(index_seal_wanted(r.index));
    assert_int_equal(index_add_many(r.index, additions, 1), EDDA_EBUSY);
    assert_int_equal(io_jobs_wait(r.io, -1), 1);
    io_jobs_finish(r.io);
    assert_int_equal(index_covered(r.index), UNIT);
    assert_int_equal(index_wait(r.index), 0);
    assert_true(index_seal_wanted(r.index));
    assert_int_equal(index_add_many(r.index, additions, 1), 0);
    rig_deinit(&r);
}

static void a_full_disk_keeps_the_tail_and_is_tried_again(void **state)
{
    struct rig r;

    (void)state;
    rig_init(&r, true, 1);
    r.options.tail_entries_max = 1000;
    rig_open(&r);
    draw_additions(&r, 1100);
    io_simulated_set_capacity(r.io, 1000);
    rig_catch_up(&r);
    assert_int_equal(index_wait(r.index), EDDA_EFULL);
    assert_int_equal(index_wait(r.index), 0);
    assert_int_equal(index_covered(r.index), 0);
    check_all(&r);
    draw_additions(&r, 500);
    rig_catch_up(&r);
    assert_false(index_seal_wanted(r.index));
    io_simulated_advance(r.io, SECOND);
    assert_true(index_seal_wanted(r.index));
    io_simulated_set_capacity(r.io, 1 << 20);
    rig_seal(&r);
    check_all(&r);
    assert_int_equal(index_wait(r.index), 0);
    assert_true(index_covered(r.index) > 0 && index_covered(r.index) < 1600 * UNIT);
    check_all(&r);
    rig_close(&r);
    rig_open(&r);
    rig_catch_up(&r);
    check_all(&r);
    rig_deinit(&r);
}

static void a_failed_sync_fails_the_seal(void **state)
{
    struct rig r;

    (void)state;
    for (unsigned nth = 1; nth < 5; nth++) {
        rig_init(&r, true, nth);
        rig_open(&r);
        draw_additions(&r, 200);
        rig_catch_up(&r);
        io_simulated_fail_sync(r.io, nth);
        rig_seal(&r);
        /* The first is the file's, the second its parent directory's, which does not matter. */
        assert_int_equal(index_wait(r.index), nth == 2 || nth == 4 ? 0 : EDDA_EIO);
        check_all(&r);
        rig_seal(&r);
        assert_int_equal(index_wait(r.index), 0);
        assert_int_equal(index_covered(r.index), 200 * UNIT);
        check_all(&r);
        rig_deinit(&r);
    }
}

static void a_full_disk_fails_a_merge_and_leaves_the_runs(void **state)
{
    struct rig r;
    struct index_stats stats;

    (void)state;
    rig_init(&r, true, 1);
    make_runs(&r, 4, 500);
    rig_close(&r);
    r.options.runs_max = 1;
    rig_open(&r);
    draw_additions(&r, 20);
    rig_catch_up(&r);
    index_stats(r.index, &stats);
    io_simulated_set_capacity(r.io, stats.run_bytes + 30000);
    rig_seal(&r);
    assert_int_equal(index_wait(r.index), EDDA_EFULL);
    index_stats(r.index, &stats);
    assert_int_equal(stats.runs, 5);
    check_all(&r);
    assert_int_equal(list_names(&r).count, 5);
    io_simulated_set_capacity(r.io, 1 << 22);
    draw_additions(&r, 20);
    rig_catch_up(&r);
    rig_seal(&r);
    assert_int_equal(index_wait(r.index), 0);
    check_all(&r);
    assert_int_equal(list_names(&r).count, 1);
    rig_deinit(&r);
}

/* ---- damage ---- */

/* Whatever bit of a run is wrong, it is left out or index_verify() says so, and no look-up lies. */
static void every_damaged_byte_is_noticed(void **state)
{
    struct rig r;
    struct names names;
    struct io_file *file;
    uint64_t bytes, left_out = 0;
    char name[400];

    (void)state;
    rig_init(&r, true, random_seed("damage"));
    make_runs(&r, 1, 1500);
    rig_close(&r);
    names = list_names(&r);
    assert_int_equal(names.count, 1);
    snprintf(name, sizeof(name), "%s", file_path(&r, names.all[0]));
    assert_int_equal(io_file_open(r.io, name, IO_READ, &file, NULL), 0);
    assert_int_equal(io_file_size(r.io, file, &bytes), 0);
    io_file_close(r.io, file);
    assert_true(bytes > 6 * RUN_BLOCK_BYTES);
    r.options.read_only = true;
    for (uint64_t byte = 0; byte < bytes; byte++) {
        uint64_t bit = byte * 8 + prng_below(&r.prng, 8);

        io_simulated_flip_bit(r.io, name, bit);
        rig_open(&r);
        if (r.indexed == 0) {
            left_out++;
        } else {
            for (unsigned i = 0; i < 5; i++)
                check_key(&r, draw_key(&r.prng), EDDA_ECORRUPT);
            if (byte % 64 == 0) {
                unsigned failed = 0;

                for (uint32_t key = 0; key < KEYS; key++)
                    failed += check_key(&r, key, EDDA_ECORRUPT) < 0;
                assert_true(failed < KEYS || byte < 2 * RUN_BLOCK_BYTES);
            }
            assert_int_equal(index_verify(r.index, NULL), EDDA_ECORRUPT);
        }
        rig_close(&r);
        io_simulated_flip_bit(r.io, name, bit);
    }
    /* The header's block and the sums. */
    assert_true(left_out > RUN_BLOCK_BYTES && left_out < RUN_BLOCK_BYTES + 100);
    rig_open(&r);
    rig_catch_up(&r);
    check_all(&r);
    rig_deinit(&r);
}

static void a_cut_or_longer_run_is_left_out(void **state)
{
    static const int64_t changes[] = { -1, 1, -4096, 4096, -1000000 };

    (void)state;
    for (unsigned i = 0; i < COUNT(changes); i++) {
        struct rig r;
        struct io_file *file;
        uint64_t bytes;

        rig_init(&r, true, i + 1);
        make_runs(&r, 2, 300);
        rig_close(&r);
        assert_int_equal(io_file_open(r.io, file_path(&r, list_names(&r).all[1]), IO_WRITE, &file, NULL), 0);
        assert_int_equal(io_file_size(r.io, file, &bytes), 0);
        bytes = changes[i] < 0 && (uint64_t)-changes[i] > bytes ? 0 : bytes + (uint64_t)changes[i];
        assert_int_equal(io_file_truncate(r.io, file, bytes), 0);
        io_file_close(r.io, file);
        rig_open(&r);
        assert_int_equal(r.indexed, 300);
        assert_int_equal(list_names(&r).count, 1);
        rig_deinit(&r);
    }
}

static void a_damaged_run_goes_with_all_behind_it_and_is_made_again(void **state)
{
    struct rig r;
    struct names names;
    int result = 0;

    (void)state;
    rig_init(&r, true, random_seed("damaged run"));
    make_runs(&r, 4, 400);
    rig_close(&r);
    names = list_names(&r);
    io_simulated_flip_bit(r.io, file_path(&r, names.all[2]), (2 * RUN_BLOCK_BYTES + 100) * 8 + 3);
    rig_open(&r);
    assert_int_equal(r.indexed, 1600);
    for (uint32_t key = 0; key < KEYS && result == 0; key++)
        result = check_key(&r, key, EDDA_ECORRUPT);
    assert_int_equal(result, EDDA_ECORRUPT);
    assert_int_equal(list_names(&r).count, 3);
    rig_close(&r);
    rig_open(&r);
    assert_int_equal(r.indexed, 800);
    assert_int_equal(list_names(&r).count, 2);
    rig_catch_up(&r);
    rig_seal(&r);
    assert_int_equal(index_wait(r.index), 0);
    check_all(&r);
    rig_deinit(&r);
}

static void a_merge_does_not_copy_damage(void **state)
{
    struct rig r;
    struct names names;

    (void)state;
    for (unsigned place = 0; place < 3; place++) {
        rig_init(&r, true, random_seed("merge of damage"));
        make_runs(&r, 3, 400);
        rig_close(&r);
        names = list_names(&r);
        io_simulated_flip_bit(r.io, file_path(&r, names.all[1]), ((1 + place) * RUN_BLOCK_BYTES + 500) * 8 + 3);
        r.options.runs_max = 1;
        rig_open(&r);
        assert_int_equal(r.indexed, 1200);
        draw_additions(&r, 10);
        rig_catch_up(&r);
        rig_seal(&r);
        assert_int_equal(index_wait(r.index), EDDA_ECORRUPT);
        rig_close(&r);
        rig_open(&r);
        assert_int_equal(r.indexed, 400);
        rig_catch_up(&r);
        rig_seal(&r);
        assert_int_equal(index_wait(r.index), 0);
        check_all(&r);
        rig_deinit(&r);
    }
}

/* A merged run that turns out to be damaged while those it was made of are still there: they are taken. */
static void runs_that_a_damaged_one_replaced_are_used_if_present(void **state)
{
    struct rig r;
    struct names names;
    char merged[400];

    (void)state;
    rig_init(&r, true, 1);
    make_runs(&r, 3, 200);
    rig_close(&r);
    names = list_names(&r);
    snprintf(merged, sizeof(merged), "%s", file_path(&r, "0000000000000000-00000000000025b0.run"));
    assert_int_equal(io_file_rename(r.io, file_path(&r, names.all[2]), merged), 0);
    rig_open(&r);
    assert_int_equal(r.indexed, 400);
    assert_int_equal(list_names(&r).count, 2);
    rig_catch_up(&r);
    check_all(&r);
    rig_deinit(&r);
}

/* ---- crashes ---- */

#define CRASH_ADDITIONS 520

static void crash_rig_init(struct rig *r, uint64_t seed)
{
    rig_init(r, true, seed);
    r->options = (struct index_options){ .tail_entries_max = 25, .runs_max = 2 };
    draw_additions(r, CRASH_ADDITIONS);
    /* The seed of the catching up is the same whatever was drawn. */
    prng_init(&r->prng, seed);
}

/* Opens, catches up, seals and waits; ends early when the process dies. */
static void crash_life(struct rig *r)
{
    int result = rig_try_open(r);

    while (result == 0 && (result = rig_try_catch_up(r)) == EDDA_EBUSY) {
        io_jobs_wait(r->io, -1);
        io_jobs_finish(r->io);
        result = io_simulated_is_cut(r->io) ? EDDA_ECLOSED : 0;
    }
    if (result == 0 && !io_simulated_is_cut(r->io)) {
        index_seal(r->index, (uint64_t)r->indexed * UNIT);
        result = index_wait(r->index);
    }
    assert_true(result == 0 || io_simulated_is_cut(r->io));
}

/* What covers the log must be all of it; what is behind it is added again. */
static void crash_check(struct rig *r)
{
    struct model *whole = malloc(sizeof(*whole));

    assert_non_null(whole);
    *whole = r->model;
    rig_open(r);
    memset(&r->model, 0, sizeof(r->model));
    for (size_t i = 0; i < r->indexed; i++)
        model_add(&r->model, whole->rows[i].key, whole->rows[i].entry);
    for (uint32_t key = 0; key < 330; key++)
        check_key(r, key, 0);
    for (size_t i = 0; i < r->indexed; i++)
        check_key(r, r->model.rows[i].key, 0);
    assert_int_equal(index_verify(r->index, NULL), 0);
    model_deinit(&r->model);
    r->model = *whole;
    free(whole);
    rig_catch_up(r);
    for (size_t i = 0; i < r->model.count; i++)
        check_key(r, r->model.rows[i].key, 0);
}

static void a_crash_at_any_operation_leaves_a_whole_prefix(void **state)
{
    uint64_t seed = random_seed("crashes");
    uint64_t operations = 0;

    (void)state;
    for (uint64_t cut = 0; cut == 0 || cut <= operations; cut++) {
        struct rig r;
        bool lose_nothing = cut % 3 == 0;

        crash_rig_init(&r, seed);
        io_simulated_cut_after(r.io, cut);
        crash_life(&r);
        if (cut == 0) {
            rig_close(&r);
            operations = io_simulated_operations(r.io);
            assert_true(operations > 60);
        } else if (cut % 2 == 0) {
            rig_close(&r);
        }
        io_simulated_crash(r.io, lose_nothing);
        rig_close(&r);
        /* And once more while it recovers. */
        if (cut % 4 == 1) {
            io_simulated_cut_after(r.io, 1 + prng_below(&r.prng, 30));
            crash_life(&r);
            io_simulated_crash(r.io, false);
            rig_close(&r);
        }
        io_simulated_cut_after(r.io, 0);
        crash_check(&r);
        rig_deinit(&r);
    }
    print_message("crashed at each of %llu operations\n", (unsigned long long)operations);
}

/* Closing in the middle of seals and merges, and crashing without a cut. */
static void a_crash_between_jobs_leaves_a_whole_prefix(void **state)
{
    uint64_t seed = random_seed("crashes between jobs");

    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        struct rig r;
        int result = EDDA_EBUSY;

        crash_rig_init(&r, seed + i);
        rig_open(&r);
        for (uint64_t turn = prng_below(&r.prng, 30); turn > 0 && result == EDDA_EBUSY; turn--) {
            result = rig_try_catch_up(&r);
            rig_finish_jobs(&r);
        }
        if (i % 2)
            rig_close(&r);
        io_simulated_crash(r.io, i % 3 == 0);
        rig_close(&r);
        crash_check(&r);
        rig_deinit(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_programs_equal_the_model_simulated),
        cmocka_unit_test(random_programs_equal_the_model_on_files),
        cmocka_unit_test(long_lists_go_over_chunks_pieces_and_merges),
        cmocka_unit_test(merges_of_many_keys_lose_none),
        cmocka_unit_test(keys_that_do_not_spread_are_found),
        cmocka_unit_test(a_rewind_of_everything_leaves_nothing_behind),
        cmocka_unit_test(a_tail_stays_within_its_memory),
        cmocka_unit_test(opening_nothing_changes_nothing),
        cmocka_unit_test(options_over_their_limits_are_refused),
        cmocka_unit_test(runs_of_another_log_are_removed),
        cmocka_unit_test(runs_past_the_end_of_the_log_are_left_out),
        cmocka_unit_test(a_missing_run_ends_the_prefix),
        cmocka_unit_test(foreign_names_are_left_alone),
        cmocka_unit_test(a_tail_of_twice_its_size_is_busy_until_the_seal_has_ended),
        cmocka_unit_test(a_full_disk_keeps_the_tail_and_is_tried_again),
        cmocka_unit_test(a_failed_sync_fails_the_seal),
        cmocka_unit_test(a_full_disk_fails_a_merge_and_leaves_the_runs),
        cmocka_unit_test(every_damaged_byte_is_noticed),
        cmocka_unit_test(a_cut_or_longer_run_is_left_out),
        cmocka_unit_test(a_damaged_run_goes_with_all_behind_it_and_is_made_again),
        cmocka_unit_test(a_merge_does_not_copy_damage),
        cmocka_unit_test(runs_that_a_damaged_one_replaced_are_used_if_present),
        cmocka_unit_test(a_crash_at_any_operation_leaves_a_whole_prefix),
        cmocka_unit_test(a_crash_between_jobs_leaves_a_whole_prefix),
    };

    return cmocka_run_group_tests_name("index", tests, NULL, NULL);
}
