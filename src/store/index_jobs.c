/*
 * index_jobs: sealing and merging in the background.
 *
 * Which runs are merged. Each run costs every look-up something, each merge writes its runs once more. When there are
 * more than `runs_max`, the newest runs from some run on are merged: that one from which the bytes written for each run
 * that disappears are the fewest, where disappearing counts by its third power. So the sizes grow from the newest to
 * the oldest run, and an entry is written about log(n) / log(runs_max) times; simulated with runs_max 8: 2.4 times
 * after 60 seals, 5 after 1,000, 7.5 after 5,000. The third power was the best of those tried.
 *
 * A merge of old runs takes long. It goes in steps, so that seals do not wait for it, and what is sealed meanwhile is
 * merged beside it when it has become more than a half, a quarter, an eighth of `runs_max`.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "store/index_parts.h"
#include "store/seal.h"

#define STEP_ENTRIES 200000
#define SEAL_RETRY_NS INT64_C(1000000000)
#define RUNS_NESTED_MIN 2
#define RUNS_FACTOR 4 /* times runs_max: the most runs before seals wait for merges */

char *index_run_path(const struct index *index, const struct run_identity *identity, const char *suffix)
{
    size_t capacity = strlen(index->path) + strlen(suffix) + 40;
    char *path = malloc(capacity);

    if (path)
        (void)snprintf(path, capacity, "%s/%016llx-%016llx%s", index->path, (unsigned long long)identity->from,
                       (unsigned long long)identity->to, suffix);
    return path;
}

static void note_failure(struct index *index, int code)
{
    if (code < 0 && index->failure == 0)
        index->failure = code;
}

int index_run_damaged(struct index *index, struct run *run)
{
    if (!run->damaged && !index->options.read_only)
        (void)io_file_remove(index->io, run->path);
    run->damaged = true;
    index->damaged = true;
    note_failure(index, EDDA_ECORRUPT);
    return EDDA_ECORRUPT;
}

int index_refuse(struct index *index)
{
    for (size_t i = 0; i < index->run_count; i++)
        (void)index_run_damaged(index, index->runs[i]);
    return EDDA_ECORRUPT;
}

static void submit(struct index *index, struct io_job *job)
{
    index->jobs++;
    io_job_submit(index->io, IO_POOL_BACKGROUND, job);
}

/* Makes an empty file under the temporary name; one may be left from an attempt that failed. */
static int file_make(struct index *index, const char *path, struct io_file **ret_file)
{
    const unsigned flags = IO_WRITE | IO_CREATE | IO_EXCLUSIVE;
    int r = io_file_open(index->io, path, flags, ret_file, NULL);

    if (r == EDDA_EEXISTS) {
        r = io_file_remove(index->io, path);
        if (r == 0)
            r = io_file_open(index->io, path, flags, ret_file, NULL);
    }
    return r;
}

/* Gives a file that is synced its name, durably. */
static int file_publish(struct index *index, const char *temporary, const char *path)
{
    int r = io_file_rename(index->io, temporary, path);

    return r < 0 ? r : io_dir_sync(index->io, index->path);
}

/* Makes the name of the index's own directory durable. Losing it would lose nothing that cannot be made again. */
static void dir_publish(struct index *index)
{
    char *parent = strdup(index->path);
    char *slash = parent ? strrchr(parent, '/') : NULL;

    if (slash && slash != parent) {
        *slash = '\0';
        (void)io_dir_sync(index->io, parent);
    }
    free(parent);
}

static void merges_plan(struct index *index);

/* Seals. */

static void seal_run(struct io_job *job)
{
    struct index_seal *s = container_of(job, struct index_seal, job);
    struct index *index = s->index;

    if (s->state == SEAL_CLEARING) {
        tail_clear(index->spare);
        return;
    }
    ASSERT(s->state == SEAL_WRITING);
    s->result = seal_write(index->io, s->file, index->sealing, &s->identity);
    if (s->result == 0 && index->dir_missing)
        dir_publish(index);
    if (s->result == 0)
        s->result = file_publish(index, s->temporary, s->path);
    if (s->result < 0)
        (void)io_file_remove(index->io, s->temporary);
}

static void seal_release(struct index_seal *s)
{
    io_file_close(s->index->io, s->file);
    s->file = NULL;
    free(s->temporary);
    free(s->path);
    s->temporary = s->path = NULL;
}

static void seal_failed(struct index_seal *s, int code)
{
    note_failure(s->index, code);
    s->state = SEAL_FAILED;
    s->retry_at_ns = io_clock_boot_ns(s->index->io) + SEAL_RETRY_NS;
    seal_release(s);
}

static void seal_done(struct io_job *job)
{
    struct index_seal *s = container_of(job, struct index_seal, job);
    struct index *index = s->index;
    struct run *run = NULL;
    int r = s->result;

    index->jobs--;
    if (s->state == SEAL_CLEARING) {
        s->state = SEAL_IDLE;
        return;
    }
    if (r == 0)
        r = run_open(index->io, s->path, &s->identity, &run, NULL);
    if (r < 0) {
        seal_failed(s, r);
        return;
    }
    ASSERT(index->run_count < INDEX_RUNS_LIMIT && run->header.from == index->covered);
    index->runs[index->run_count++] = run;
    index->covered = run->header.to;
    index->dir_missing = false;
    seal_release(s);
    tail_free(index->spare);
    index->spare = index->sealing;
    index->sealing = NULL;
    s->state = SEAL_CLEARING;
    if (index->closing)
        return;
    submit(index, &s->job);
    merges_plan(index);
}

static int seal_start(struct index_seal *s)
{
    struct index *index = s->index;
    int r = 0;

    s->temporary = index_run_path(index, &s->identity, INDEX_TEMPORARY_SUFFIX);
    s->path = index_run_path(index, &s->identity, INDEX_RUN_SUFFIX);
    if (!s->temporary || !s->path)
        return EDDA_ENOMEM;
    if (index->dir_missing)
        r = io_dir_make(index->io, index->path, NULL);
    if (r == 0)
        r = file_make(index, s->temporary, &s->file);
    return r;
}

bool index_is_working(const struct index *index)
{
    bool working = index->seal.state == SEAL_WRITING || index->seal.state == SEAL_CLEARING;
    for (size_t i = 0; i < INDEX_MERGES_MAX; i++)
        working = working || index->merges[i].state == MERGE_MERGING;
    return working;
}

bool index_runs_full(const struct index *index)
{
    bool merging = false;

    for (size_t i = 0; i < INDEX_MERGES_MAX; i++)
        merging = merging || index->merges[i].state == MERGE_MERGING;
    return index->run_count >= INDEX_RUNS_LIMIT ||
           (merging && index->run_count >= RUNS_FACTOR * index->options.runs_max);
}

bool index_seal_wanted(const struct index *index)
{
    if (index->options.read_only || index_runs_full(index))
        return false;
    if (index->seal.state == SEAL_FAILED)
        return io_clock_boot_ns(index->io) >= index->seal.retry_at_ns;
    return index->seal.state == SEAL_IDLE && index->tail && index->tail->entries >= index->options.tail_entries_max;
}

bool index_seal_failed(const struct index *index)
{
    return index->seal.state == SEAL_FAILED;
}

void index_seal(struct index *index, uint64_t to)
{
    struct index_seal *s = &index->seal;
    int r;

    if (index->options.read_only || index_runs_full(index))
        return;
    if (s->state == SEAL_IDLE) {
        if (!index->tail || index->tail->entries == 0)
            return;
        ASSERT(to > index->covered && !index->sealing);
        s->identity = (struct run_identity){ index->log_id, index->seed, index->covered, to };
        index->sealing = index->tail;
        index->tail = index->spare;
        index->spare = NULL;
    } else if (s->state != SEAL_FAILED) {
        return;
    }
    s->index = index;
    s->state = SEAL_WRITING;
    r = seal_start(s);
    if (r < 0) {
        seal_failed(s, r);
        return;
    }
    s->job.run = seal_run;
    s->job.done = seal_done;
    submit(index, &s->job);
}

/* Merges. */

static void merge_run(struct io_job *job)
{
    struct index_merge *m = container_of(job, struct index_merge, job);
    struct io *io = m->index->io;

    if (m->state == MERGE_SWEEPING) {
        for (size_t i = 0; i < m->run_count; i++) {
            (void)io_file_remove(io, m->runs[i]->path);
            run_close(m->runs[i]);
        }
        m->run_count = 0;
        return;
    }
    ASSERT(m->state == MERGE_MERGING);
    m->result = merge_step(m->merge, STEP_ENTRIES);
    if (m->result == 1) {
        int r = file_publish(m->index, m->temporary, m->path);

        m->result = r < 0 ? r : 1;
    }
    if (m->result < 0)
        (void)io_file_remove(io, m->temporary);
}

static void merge_release(struct index_merge *m)
{
    merge_free(m->merge);
    m->merge = NULL;
    io_file_close(m->index->io, m->file);
    m->file = NULL;
    free(m->temporary);
    free(m->path);
    m->temporary = m->path = NULL;
}

/* The place of a run among the runs. */
static size_t run_place(const struct index *index, const struct run *run)
{
    size_t place = 0;

    while (index->runs[place] != run) {
        place++;
        ASSERT(place < index->run_count);
    }
    return place;
}

/* Puts the new run in the place of those it is made of. */
static void merge_replace(struct index *index, struct index_merge *m, struct run *run)
{
    size_t first = run_place(index, m->runs[0]);
    size_t end = first + m->run_count;

    for (size_t i = 0; i < m->run_count; i++)
        ASSERT(index->runs[first + i] == m->runs[i]);
    index->runs[first] = run;
    memmove(&index->runs[first + 1], &index->runs[end], (index->run_count - end) * sizeof(index->runs[0]));
    index->run_count -= m->run_count - 1;
}

/* Its runs stay as they are. */
static void merge_failed(struct index_merge *m, int code)
{
    if (code == EDDA_ECORRUPT)
        (void)index_run_damaged(m->index, m->runs[merge_damaged(m->merge)]);
    note_failure(m->index, code);
    m->state = MERGE_IDLE;
    merge_release(m);
}

static void merge_done(struct io_job *job)
{
    struct index_merge *m = container_of(job, struct index_merge, job);
    struct index *index = m->index;
    struct run *run = NULL;
    int r = m->result;

    index->jobs--;
    if (m->state == MERGE_SWEEPING) {
        m->state = MERGE_IDLE;
        return;
    }
    if (r < 0) {
        merge_failed(m, r);
        return;
    }
    if (r == 0 && !index->closing) {
        submit(index, &m->job);
        return;
    }
    if (r == 0) {
        (void)io_file_remove(index->io, m->temporary);
        m->state = MERGE_IDLE;
        merge_release(m);
        return;
    }
    r = run_open(index->io, m->path, &m->identity, &run, NULL);
    if (r < 0) {
        /* Not the fault of a run that was read, whatever the code. */
        note_failure(index, r);
        m->state = MERGE_IDLE;
        merge_release(m);
        return;
    }
    merge_replace(index, m, run);
    merge_release(m);
    m->state = MERGE_SWEEPING;
    submit(index, &m->job);
    if (!index->closing)
        merges_plan(index);
}

static int merge_start(struct index *index, struct index_merge *m, size_t first)
{
    int r;

    m->index = index;
    m->run_count = index->run_count - first;
    memcpy(m->runs, &index->runs[first], m->run_count * sizeof(m->runs[0]));
    m->identity = (struct run_identity){ index->log_id, index->seed, m->runs[0]->header.from,
                                         m->runs[m->run_count - 1]->header.to };
    m->temporary = index_run_path(index, &m->identity, INDEX_TEMPORARY_SUFFIX);
    m->path = index_run_path(index, &m->identity, INDEX_RUN_SUFFIX);
    if (!m->temporary || !m->path)
        return EDDA_ENOMEM;
    r = file_make(index, m->temporary, &m->file);
    if (r < 0)
        return r;
    m->merge = merge_new(m->runs, m->run_count, m->file);
    return m->merge ? 0 : EDDA_ENOMEM;
}

/* Where the runs begin that are best merged, of those from `first` on, which are two or more. */
static size_t merge_choose(const struct index *index, size_t first)
{
    size_t best = first;
    double best_cost = 0;
    double bytes = 0;

    for (size_t i = index->run_count; i-- > first;) {
        double fewer = (double)(index->run_count - i - 1);
        double cost;

        bytes += (double)index->runs[i]->header.file_bytes;
        if (fewer < 1)
            continue;
        cost = bytes / (fewer * fewer * fewer);
        if (best_cost <= 0 || cost < best_cost) {
            best_cost = cost;
            best = i;
        }
    }
    return best;
}

/* Starts a merge when there are too many runs, of those behind the ones that are being merged. */
static void merges_plan(struct index *index)
{
    struct index_merge *idle = NULL;
    size_t limit = index->options.runs_max;
    size_t first = 0;
    int r;

    for (size_t i = 0; i < INDEX_MERGES_MAX; i++) {
        struct index_merge *m = &index->merges[i];

        if (m->state == MERGE_MERGING) {
            size_t end = run_place(index, m->runs[m->run_count - 1]) + 1;

            if (end > first)
                first = end;
            limit = limit / 2 > RUNS_NESTED_MIN ? limit / 2 : RUNS_NESTED_MIN;
        } else if (m->state == MERGE_IDLE) {
            idle = m;
        }
    }
    if (!idle || index->damaged || index->run_count - first <= limit)
        return;
    r = merge_start(index, idle, merge_choose(index, first));
    if (r < 0) {
        note_failure(index, r);
        merge_release(idle);
        return;
    }
    idle->state = MERGE_MERGING;
    idle->job.run = merge_run;
    idle->job.done = merge_done;
    submit(index, &idle->job);
}

/* Waiting. */

/* Until no job is under way; false when the io has lost them in a crash. */
static bool jobs_wait(struct index *index)
{
    while (index->jobs > 0) {
        if (io_jobs_wait(index->io, -1) == 0)
            return false;
        (void)io_jobs_finish(index->io);
    }
    return true;
}

int index_wait(struct index *index)
{
    int r;

    if (!jobs_wait(index))
        return EDDA_ECLOSED;
    r = index->failure;
    index->failure = 0;
    return r;
}

void index_jobs_abandon(struct index *index)
{
    index->closing = true;
    (void)jobs_wait(index);
    if (index->seal.index)
        seal_release(&index->seal);
    for (size_t i = 0; i < INDEX_MERGES_MAX; i++) {
        if (index->merges[i].index)
            merge_release(&index->merges[i]);
    }
}
