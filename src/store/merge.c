/*
 * merge: see merge.h. The keys of all runs are walked in order, side by side. How many there will be in all is not the
 * sum, since a key may be in several runs; as keys are hashes, the first few thousand tell the proportion.
 */
#include "store/merge.h"

#include <stdlib.h>

#include "base/assert.h"

#define SAMPLE_KEYS 16384
#define TURN_ENTRIES 256

struct input {
    struct run_scan scan;
    bool ended;
};

struct merge {
    struct io_file *file;
    struct run_writer *writer;
    size_t count;
    size_t damaged;

    /* the current key: which inputs have it, and how far they are written */
    size_t have[MERGE_RUNS_MAX];
    size_t have_count;
    size_t have_at;
    struct run_cursor cursor;

    struct input inputs[];
};

struct merge *merge_new(struct run *const *runs, size_t count, struct io_file *file)
{
    struct merge *m = calloc(1, sizeof(*m) + count * sizeof(m->inputs[0]));

    ASSERT(count >= 2 && count <= MERGE_RUNS_MAX);
    if (!m)
        return NULL;
    m->file = file;
    for (size_t i = 0; i < count; i++) {
        struct run_view view = { runs[i], run_checked_new(runs[i]) };

        if (!view.checked) {
            merge_free(m);
            return NULL;
        }
        run_scan_init(&view, &m->inputs[i].scan);
        m->count++;
    }
    return m;
}

void merge_free(struct merge *m)
{
    if (!m)
        return;
    for (size_t i = 0; i < m->count; i++)
        free(m->inputs[i].scan.view.checked);
    run_writer_free(m->writer);
    free(m);
}

size_t merge_damaged(const struct merge *m)
{
    return m->damaged;
}

static int input_next(struct merge *m, size_t i)
{
    int r = run_scan_next(&m->inputs[i].scan);

    if (r < 0)
        m->damaged = i;
    m->inputs[i].ended = r == 0;
    return r < 0 ? r : 0;
}

/* To the first key of each. */
static int inputs_begin(struct merge *m)
{
    int r = 0;

    m->have_count = m->have_at = 0;
    for (size_t i = 0; i < m->count && r == 0; i++) {
        struct run_view view = m->inputs[i].scan.view;

        run_scan_init(&view, &m->inputs[i].scan);
        r = input_next(m, i);
    }
    return r;
}

/* Finds the least key and who has it; false at the end of all. */
static bool key_find(struct merge *m)
{
    struct hash128 least = { 0, 0 };

    m->have_count = m->have_at = 0;
    for (size_t i = 0; i < m->count; i++) {
        const struct input *input = &m->inputs[i];
        int order;

        if (input->ended)
            continue;
        order = m->have_count ? hash128_compare(input->scan.key, least) : -1;
        if (order < 0) {
            least = input->scan.key;
            m->have_count = 0;
        }
        if (order <= 0)
            m->have[m->have_count++] = i;
    }
    return m->have_count > 0;
}

/* Lets those that have the current key go to their next. */
static int key_pass(struct merge *m)
{
    int r = 0;

    for (size_t i = 0; i < m->have_count && r == 0; i++)
        r = input_next(m, m->have[i]);
    return r;
}

/* How many keys there are in all, by the first of them. */
static int keys_estimate(struct merge *m, uint64_t *ret_keys)
{
    uint64_t keys = 0;
    uint64_t met = 0;
    uint64_t all = 0;
    int r = inputs_begin(m);

    while (r == 0 && keys < SAMPLE_KEYS && key_find(m)) {
        keys++;
        met += m->have_count;
        r = key_pass(m);
    }
    if (r < 0)
        return r;
    for (size_t i = 0; i < m->count; i++)
        all += m->inputs[i].scan.view.run->header.keys;
    *ret_keys = met ? (uint64_t)((double)keys / (double)met * (double)all) : 0;
    return inputs_begin(m);
}

static int merge_begin(struct merge *m)
{
    const struct run_header *first = &m->inputs[0].scan.view.run->header;
    const struct run_header *last = &m->inputs[m->count - 1].scan.view.run->header;
    struct run_writer_options o = {
        .identity = { first->log_id, first->seed, first->from, last->to },
        .position_min = UINT64_MAX,
        .batch_min = UINT64_MAX,
    };
    int r = keys_estimate(m, &o.keys_estimate);

    for (size_t i = 0; i < m->count; i++) {
        const struct run_header *h = &m->inputs[i].scan.view.run->header;

        ASSERT(i == 0 || h->from == m->inputs[i - 1].scan.view.run->header.to);
        if (h->position_min < o.position_min)
            o.position_min = h->position_min;
        if (h->batch_min < o.batch_min)
            o.batch_min = h->batch_min;
    }
    return r < 0 ? r : run_writer_new(m->inputs[0].scan.view.run->io, m->file, &o, &m->writer);
}

/* To the list of the next input that has the current key. */
static int list_enter(struct merge *m)
{
    const struct run_scan *scan = &m->inputs[m->have[m->have_at]].scan;
    int r = run_cursor_init(&scan->view, &scan->list, 0, &m->cursor);

    if (r < 0)
        m->damaged = m->have[m->have_at];
    return r;
}

static int key_begin(struct merge *m)
{
    uint64_t count = 0;
    int r;

    for (size_t i = 0; i < m->have_count; i++)
        count += m->inputs[m->have[i]].scan.list.count;
    r = run_writer_list(m->writer, m->inputs[m->have[0]].scan.key, count);
    return r < 0 ? r : list_enter(m);
}

/* Copies some entries of the current key; how many, 0 when it is finished. */
static int64_t key_copy(struct merge *m)
{
    struct index_entry entries[TURN_ENTRIES];
    int64_t count;
    int r;

    while (m->have_at < m->have_count) {
        const struct run_scan *scan = &m->inputs[m->have[m->have_at]].scan;

        count = run_cursor_read(&scan->view, &m->cursor, entries, TURN_ENTRIES);
        if (count < 0)
            m->damaged = m->have[m->have_at];
        if (count > 0) {
            r = run_writer_entries(m->writer, entries, (size_t)count);
            return r < 0 ? r : count;
        }
        if (count < 0)
            return count;
        m->have_at++;
        if (m->have_at < m->have_count) {
            r = list_enter(m);
            if (r < 0)
                return r;
        }
    }
    return 0;
}

int merge_step(struct merge *m, uint64_t entries)
{
    uint64_t done = 0;
    int64_t count;
    int r = m->writer ? 0 : merge_begin(m);

    while (r == 0 && done < entries) {
        count = key_copy(m);
        if (count < 0)
            return (int)count;
        done += (uint64_t)count;
        if (count > 0)
            continue;
        r = key_pass(m);
        if (r == 0 && !key_find(m)) {
            r = run_writer_end(m->writer);
            return r < 0 ? r : 1;
        }
        if (r == 0)
            r = key_begin(m);
    }
    return r;
}
