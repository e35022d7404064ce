/* The model and the rig of the tests of the index; see index_rig.h. */
#include "index_rig.h"

#include "io/posix.h"

/* ---- the model ---- */

static void *grown(void *memory, size_t count, size_t *capacity, size_t size)
{
    if (count < *capacity)
        return memory;
    *capacity = *capacity ? 2 * *capacity : 16;
    memory = realloc(memory, *capacity * size);
    assert_non_null(memory);
    return memory;
}

void model_add(struct model *m, uint32_t key, struct index_entry entry)
{
    struct list_of_key *l = &m->lists[key];

    m->rows = grown(m->rows, m->count, &m->capacity, sizeof(*m->rows));
    m->rows[m->count++] = (struct journal_row){ key, entry };
    l->entries = grown(l->entries, l->count, &l->capacity, sizeof(*l->entries));
    l->entries[l->count++] = entry;
}

void model_cut(struct model *m, size_t count)
{
    while (m->count > count)
        m->lists[m->rows[--m->count].key].count--;
}

void model_deinit(struct model *m)
{
    free(m->rows);
    for (size_t i = 0; i < KEYS; i++)
        free(m->lists[i].entries);
    memset(m, 0, sizeof(*m));
}

/* ---- an index under test ---- */

struct hash128 key_of(uint32_t number)
{
    return hash128(slice_of(&number, sizeof(number)), 5);
}

void rig_init(struct rig *r, bool simulated, uint64_t seed)
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
        assert_int_equal(io_dir_make(r->io, r->dir, NULL), 0);
}

const char *file_path(const struct rig *r, const char *name)
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

void rig_deinit(struct rig *r)
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

int rig_try_open(struct rig *r)
{
    int result = index_open(r->io, r->path, LOG_ID, &r->options, &r->index, NULL);

    if (result < 0)
        return result;
    assert_int_equal(index_covered(r->index) % UNIT, 0);
    r->sealed = r->indexed = index_covered(r->index) / UNIT;
    assert_true(r->indexed <= r->model.count);
    return 0;
}

void rig_open(struct rig *r)
{
    assert_int_equal(rig_try_open(r), 0);
}

void rig_close(struct rig *r)
{
    index_close(r->index);
    r->index = NULL;
}

void rig_finish_jobs(struct rig *r)
{
    if (r->simulated)
        io_simulated_advance(r->io, (int64_t)prng_below(&r->prng, 400000));
    io_jobs_finish(r->io);
}

void rig_seal(struct rig *r)
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

uint32_t draw_key(struct prng *p)
{
    uint64_t kind = prng_below(p, 10);

    if (kind == 0)
        return 0;
    return (uint32_t)(kind < 4 ? 1 + prng_below(p, 20) : kind < 6 ? 21 + prng_below(p, 300) : prng_below(p, KEYS));
}

struct index_entry draw_entry(struct rig *r)
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

void draw_additions(struct rig *r, size_t count)
{
    for (size_t i = 0; i < count; i++)
        model_add(&r->model, draw_key(&r->prng), draw_entry(r));
}

int rig_try_catch_up(struct rig *r)
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

void rig_catch_up(struct rig *r)
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

int check_key(struct rig *r, uint32_t number, int allowed)
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

    got = index_read_counted(r->index, key, at, true, entries, max, &value);
    if (got < 0 && got == allowed)
        return (int)got;
    assert_int_equal(value, l->count);
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

void check_all(struct rig *r)
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

void check_some(struct rig *r)
{
    for (unsigned i = 0; i < 20; i++)
        check_key(r, draw_key(&r->prng), 0);
}

void make_runs(struct rig *r, unsigned runs, unsigned count)
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

static int name_add(void *user, const char *name)
{
    struct names *n = user;

    assert_true(n->count < COUNT(n->all));
    snprintf(n->all[n->count++], sizeof(n->all[0]), "%s", name);
    return 0;
}

struct names list_names(const struct rig *r)
{
    struct names n = { .count = 0 };

    assert_int_equal(io_dir_list(r->io, r->path, name_add, &n), 0);
    return n;
}
