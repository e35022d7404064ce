/*
 * index: opening, additions and look-ups. A look-up asks every run and the tails for the key; what they have, in the
 * order of the log, is the key's list.
 *
 * There is no list of the runs but their names, which say what part of the log they cover. A crash may leave a merged
 * run beside those it is made of: of several that begin at the same address, the longest whole one is taken.
 */
#include "store/index.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/buffer.h"
#include "store/index_parts.h"

#define TAIL_ENTRIES_DEFAULT 400000
#define RUNS_DEFAULT 8
#define RUNS_MAX 64
#define SEED_OF_LOG UINT64_C(0x1f83d9abfb41bd6b)
#define NAME_BYTES (sizeof("0123456789abcdef-0123456789abcdef" INDEX_RUN_SUFFIX) - 1)

/* Opening. */

struct found {
    struct run_identity identity;
    bool temporary;
};

struct finding {
    struct index *index;
    struct buffer found; /* struct found */
};

static bool hex16(const char *text, uint64_t *ret_value)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < 16; i++) {
        char c = text[i];

        if (c >= '0' && c <= '9')
            value = value << 4 | (uint64_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            value = value << 4 | (uint64_t)(c - 'a' + 10);
        else
            return false;
    }
    *ret_value = value;
    return true;
}

/* Takes note of a run; other names are not ours. */
static int name_found(void *user, const char *name)
{
    struct finding *f = user;
    struct found found = { .identity = { f->index->log_id, f->index->seed, 0, 0 } };

    if (strlen(name) != NAME_BYTES || name[16] != '-' || !hex16(name, &found.identity.from) ||
        !hex16(name + 17, &found.identity.to))
        return 0;
    found.temporary = strcmp(name + 33, INDEX_TEMPORARY_SUFFIX) == 0;
    if (!found.temporary && strcmp(name + 33, INDEX_RUN_SUFFIX) != 0)
        return 0;
    buffer_append(&f->found, &found, sizeof(found));
    return 0;
}

/* By the beginning, the longest first; what is only temporary last. */
static int compare_found(const void *a, const void *b)
{
    const struct found *x = a;
    const struct found *y = b;

    if (x->temporary != y->temporary)
        return x->temporary ? 1 : -1;
    if (x->identity.from != y->identity.from)
        return x->identity.from < y->identity.from ? -1 : 1;
    return (x->identity.to < y->identity.to) - (x->identity.to > y->identity.to);
}

/* Takes the run if it is the next one and whole, else removes it. */
static int found_take(struct index *index, const struct found *found, struct edda_error *error)
{
    const struct run_identity *i = &found->identity;
    char *path = index_run_path(index, i, found->temporary ? INDEX_TEMPORARY_SUFFIX : INDEX_RUN_SUFFIX);
    int r = EDDA_ECORRUPT;

    if (!path)
        return edda_fail_with(error, EDDA_ENOMEM, "cannot open the index: out of memory");
    if (!found->temporary && i->from == index->covered && i->to > i->from &&
        (index->options.log_end == 0 || i->to <= index->options.log_end) && index->run_count < INDEX_RUNS_LIMIT)
        r = run_open(index->io, path, i, &index->runs[index->run_count], error);
    if (r == 0) {
        index->run_count++;
        index->covered = i->to;
    } else if (r == EDDA_ECORRUPT || r == EDDA_EFORMAT || r == EDDA_ENOTFOUND) {
        if (!index->options.read_only)
            (void)io_file_remove(index->io, path);
        r = 0;
    }
    free(path);
    return r;
}

static int runs_open(struct index *index, struct edda_error *error)
{
    struct finding f = { index, BUFFER_EMPTY };
    struct edda_error ignored;
    size_t count;
    int r = io_dir_list(index->io, index->path, name_found, &f);

    if (r == 0 && !buffer_ok(&f.found))
        r = EDDA_ENOMEM;
    if (r == EDDA_ENOTFOUND) {
        index->dir_missing = true;
        r = 0;
    } else if (r < 0) {
        r = edda_fail_with(error, r, "%s: %s", index->path, edda_code_info(r)->sentence);
    }
    count = f.found.len / sizeof(struct found);
    if (count)
        qsort(f.found.data, count, sizeof(struct found), compare_found);
    for (size_t i = 0; i < count && r == 0; i++) {
        r = found_take(index, (const struct found *)(const void *)f.found.data + i, &ignored);
        if (r < 0 && error)
            *error = ignored;
    }
    buffer_deinit(&f.found);
    return r;
}

int index_open(struct io *io, const char *path, uint64_t log_id, const struct index_options *options,
               struct index **ret_index, struct edda_error *error)
{
    struct index *index;
    int r;

    if (options && options->tail_entries_max > INDEX_TAIL_ENTRIES_LIMIT)
        return edda_fail_field(error, EDDA_EINVAL, "tail_entries_max", "tail_entries_max is more than %d",
                               INDEX_TAIL_ENTRIES_LIMIT);
    if (options && options->runs_max > RUNS_MAX)
        return edda_fail_field(error, EDDA_EINVAL, "runs_max", "runs_max is more than %d", RUNS_MAX);
    index = calloc(1, sizeof(*index));
    if (!index || !(index->path = strdup(path))) {
        free(index);
        return edda_fail_with(error, EDDA_ENOMEM, "cannot open the index: out of memory");
    }
    index->io = io;
    index->log_id = log_id;
    index->seed = hash64_mix(SEED_OF_LOG, log_id);
    if (options)
        index->options = *options;
    if (!index->options.tail_entries_max)
        index->options.tail_entries_max = TAIL_ENTRIES_DEFAULT;
    if (!index->options.runs_max)
        index->options.runs_max = RUNS_DEFAULT;
    r = runs_open(index, error);
    if (r < 0) {
        index_close(index);
        return r;
    }
    *ret_index = index;
    return 0;
}

void index_close(struct index *index)
{
    if (!index)
        return;
    index_jobs_abandon(index);
    for (size_t i = 0; i < index->run_count; i++)
        run_close(index->runs[i]);
    tail_free(index->tail);
    tail_free(index->sealing);
    tail_free(index->spare);
    free(index->path);
    free(index);
}

uint64_t index_covered(const struct index *index)
{
    return index->covered;
}

uint64_t index_seed(const struct index *index)
{
    return index->seed;
}

/* Additions. */

int index_add_many(struct index *index, const struct index_addition *additions, size_t count)
{
    if ((index->seal.state != SEAL_IDLE || index_runs_full(index)) && index->tail && index->tail->entries > 0 &&
        index->tail->entries + count > 2 * (uint64_t)index->options.tail_entries_max)
        return EDDA_EBUSY;
    if (!index->tail) {
        index->tail = tail_new(index->options.tail_entries_max);
        if (!index->tail)
            return EDDA_ENOMEM;
    }
    return tail_add(index->tail, additions, count);
}

int index_add(struct index *index, struct hash128 key, const struct index_entry *entry)
{
    struct index_addition addition = { key, *entry };

    return index_add_many(index, &addition, 1);
}

void index_rewind(struct index *index, uint64_t position)
{
    ASSERT(!index->sealing || index->sealing->position_max < position);
    if (index->tail)
        tail_rewind(index->tail, position);
}

/* Look-ups. */

/* What one run or tail has of a key. */
struct hit {
    struct run *run;
    struct run_list list; /* of a run */
    const struct tail *tail;
    const struct tail_node *node; /* of a tail */
    uint64_t count;
};

struct hits {
    uint64_t total;
    size_t count;
    struct hit all[INDEX_RUNS_LIMIT + 2]; /* in the order of the log */
};

static void hits_tail(struct hits *h, const struct tail *tail, struct hash128 key)
{
    const struct tail_node *node = tail ? tail_find(tail, key) : NULL;
    struct hit *hit = &h->all[h->count];

    if (!node)
        return;
    hit->run = NULL;
    hit->tail = tail;
    hit->node = node;
    hit->count = tail_node_count(node);
    h->total += hit->count;
    h->count++;
}

static int hits_run(struct index *index, struct hits *h, struct run *run, struct hash128 key)
{
    struct run_view view = run_view(run);
    struct hit *hit = &h->all[h->count];
    int r = run_find(&view, key, &hit->list);

    if (r < 0)
        return index_run_damaged(index, run);
    if (r == 0)
        return 0;
    hit->run = run;
    hit->count = hit->list.count;
    h->total += hit->count;
    h->count++;
    return 0;
}

static void prefetch(const struct index *index, struct hash128 key)
{
    if (index->tail)
        tail_prefetch(index->tail, key);
    if (index->sealing)
        tail_prefetch(index->sealing, key);
    for (size_t i = 0; i < index->run_count; i++)
        run_prefetch(index->runs[i], key);
    for (size_t i = 0; i < index->run_count; i++)
        run_prefetch_list(index->runs[i], key);
}

static int hits_find(struct index *index, struct hash128 key, struct hits *ret_hits)
{
    ret_hits->total = 0;
    ret_hits->count = 0;
    prefetch(index, key);
    for (size_t i = 0; i < index->run_count; i++) {
        int r = hits_run(index, ret_hits, index->runs[i], key);

        if (r < 0)
            return r;
    }
    hits_tail(ret_hits, index->sealing, key);
    hits_tail(ret_hits, index->tail, key);
    return 0;
}

/* The `count` entries from ordinal `from` on, which are there. */
static int hit_read(struct index *index, const struct hit *hit, uint64_t from, size_t count,
                    struct index_entry *ret_entries)
{
    struct run_cursor cursor;
    struct run_view view;

    if (!hit->run) {
        tail_read(hit->tail, hit->node, from, count, ret_entries);
        return 0;
    }
    view = run_view(hit->run);
    if (run_cursor_init(&view, &hit->list, from, &cursor) < 0 ||
        run_cursor_read(&view, &cursor, ret_entries, count) != (int64_t)count)
        return index_run_damaged(index, hit->run);
    return 0;
}

int index_count(struct index *index, struct hash128 key, uint64_t *ret_count)
{
    struct hits hits;
    int r = hits_find(index, key, &hits);

    if (r == 0)
        *ret_count = hits.total;
    return r;
}

static int64_t read_forward(struct index *index, const struct hits *hits, uint64_t from,
                            struct index_entry *ret_entries, size_t max)
{
    size_t done = 0;

    for (size_t i = 0; i < hits->count && done < max; i++) {
        const struct hit *hit = &hits->all[i];
        size_t turn = max - done;
        int r;

        if (from >= hit->count) {
            from -= hit->count;
            continue;
        }
        if (turn > hit->count - from)
            turn = (size_t)(hit->count - from);
        r = hit_read(index, hit, from, turn, ret_entries + done);
        if (r < 0)
            return r;
        done += turn;
        from = 0;
    }
    return (int64_t)done;
}

static void reverse(struct index_entry *entries, size_t count)
{
    for (size_t i = 0; i < count / 2; i++) {
        struct index_entry entry = entries[i];

        entries[i] = entries[count - 1 - i];
        entries[count - 1 - i] = entry;
    }
}

/* The `max` entries before ordinal `end`, from the last of them down. */
static int64_t read_backward(struct index *index, const struct hits *hits, uint64_t end,
                             struct index_entry *ret_entries, size_t max)
{
    uint64_t first = hits->total; /* ordinal of the hit's first entry */
    size_t done = 0;

    for (size_t i = hits->count; i-- > 0 && done < max;) {
        const struct hit *hit = &hits->all[i];
        uint64_t here;
        size_t turn = max - done;
        int r;

        first -= hit->count;
        if (end <= first)
            continue;
        here = end - first;
        if (turn > here)
            turn = (size_t)here;
        r = hit_read(index, hit, here - turn, turn, ret_entries + done);
        if (r < 0)
            return r;
        reverse(ret_entries + done, turn);
        done += turn;
        end = first;
    }
    return (int64_t)done;
}

int64_t index_read_counted(struct index *index, struct hash128 key, uint64_t from, bool backward,
                           struct index_entry *ret_entries, size_t max, uint64_t *ret_count)
{
    struct hits hits;
    int64_t n;
    int r = hits_find(index, key, &hits);

    if (r < 0)
        return r;
    if (backward)
        n = read_backward(index, &hits, from < hits.total ? from + 1 : hits.total, ret_entries, max);
    else
        n = read_forward(index, &hits, from, ret_entries, max);
    if (n >= 0)
        *ret_count = hits.total;
    return n;
}

int64_t index_read(struct index *index, struct hash128 key, uint64_t from, bool backward,
                   struct index_entry *ret_entries, size_t max)
{
    uint64_t count;

    return index_read_counted(index, key, from, backward, ret_entries, max, &count);
}

int index_find_position(struct index *index, struct hash128 key, uint64_t position, uint64_t *ret_ordinal)
{
    struct hits hits;
    uint64_t first = 0;
    int r = hits_find(index, key, &hits);

    if (r < 0)
        return r;
    for (size_t i = 0; i < hits.count; i++) {
        const struct hit *hit = &hits.all[i];
        uint64_t ordinal;

        if (hit->run) {
            struct run_view view = run_view(hit->run);

            if (run_find_position(&view, &hit->list, position, &ordinal) < 0)
                return index_run_damaged(index, hit->run);
        } else {
            ordinal = tail_find_position(hit->tail, hit->node, position);
        }
        first += ordinal;
        if (ordinal < hit->count)
            break;
    }
    *ret_ordinal = first;
    return 0;
}

int index_last(struct index *index, struct hash128 key, struct index_entry *ret_entry)
{
    struct hits hits;

    hits.total = 0;
    hits.count = 0;
    prefetch(index, key);
    hits_tail(&hits, index->tail, key);
    if (hits.count == 0)
        hits_tail(&hits, index->sealing, key);
    for (size_t i = index->run_count; hits.count == 0 && i-- > 0;) {
        int r = hits_run(index, &hits, index->runs[i], key);

        if (r < 0)
            return r;
    }
    if (hits.count == 0)
        return EDDA_ENOTFOUND;
    return hit_read(index, &hits.all[0], hits.total - 1, 1, ret_entry);
}

void index_stats(const struct index *index, struct index_stats *ret_stats)
{
    const struct tail *const tails[] = { index->sealing, index->tail, index->spare };
    struct index_stats stats = { .runs = index->run_count };

    for (size_t i = 0; i < index->run_count; i++) {
        stats.run_bytes += index->runs[i]->header.file_bytes;
        stats.entries += index->runs[i]->header.entries;
        stats.keys_estimate += index->runs[i]->header.keys;
    }
    for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
        if (!tails[i] || (tails[i] == index->spare && index->seal.state == SEAL_CLEARING))
            continue;
        stats.tail_entries += tails[i]->entries;
        stats.tail_bytes += tail_bytes(tails[i]);
        stats.keys_estimate += tails[i]->keys;
    }
    stats.entries += stats.tail_entries;
    *ret_stats = stats;
}

/* Calls `visit` when `first`, a run or a tail, is the first of those that have the key. */
static int each_key(struct index *index, const void *first, struct hash128 key,
                    int (*visit)(void *user, struct hash128 key, uint64_t count), void *user)
{
    struct hits hits;
    int r = hits_find(index, key, &hits);

    if (r < 0)
        return r;
    ASSERT(hits.count > 0);
    if (first != (hits.all[0].run ? (const void *)hits.all[0].run : (const void *)hits.all[0].tail))
        return 0;
    return visit(user, key, hits.total);
}

int index_each(struct index *index, int (*visit)(void *user, struct hash128 key, uint64_t count), void *user)
{
    const struct tail *const tails[] = { index->sealing, index->tail };
    int r = 0;

    for (size_t i = 0; i < index->run_count && r == 0; i++) {
        struct run_view view = run_view(index->runs[i]);
        struct run_scan scan;

        run_scan_init(&view, &scan);
        while (r == 0 && (r = run_scan_next(&scan)) == 1)
            r = each_key(index, index->runs[i], scan.key, visit, user);
        if (r == EDDA_ECORRUPT && !index->damaged)
            r = index_run_damaged(index, index->runs[i]);
    }
    for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]) && r == 0; i++) {
        for (uint32_t number = 0; tails[i] && number < tails[i]->node_count && r == 0; number++) {
            const struct tail_node *node = tail_node(tails[i], number);

            if (tail_node_count(node))
                r = each_key(index, tails[i], node->key, visit, user);
        }
    }
    return r;
}

int index_verify(struct index *index, struct edda_error *error)
{
    for (size_t i = 0; i < index->run_count; i++) {
        int r = run_verify(index->runs[i], error);

        if (r == EDDA_ECORRUPT)
            (void)index_run_damaged(index, index->runs[i]);
        if (r < 0)
            return r;
    }
    return 0;
}
