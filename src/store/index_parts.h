/*
 * What the files of the index share.
 *
 *   index.c       opening, additions, look-ups
 *   index_jobs.c  sealing and merging: what is started when, and what becomes of it
 *   tail.c        the entries that are in memory
 *   seal.c        a tail becomes a run
 *   run.c         reading a run, run_write.c writing one
 *   merge.c       runs become one
 */
#ifndef EDDA_STORE_INDEX_PARTS_H
#define EDDA_STORE_INDEX_PARTS_H

#include "store/merge.h"
#include "store/run.h"
#include "store/tail.h"

#define INDEX_RUNS_LIMIT MERGE_RUNS_MAX /* nothing is sealed while there are so many */
#define INDEX_MERGES_MAX 4              /* at a time, of runs that do not overlap */

/*
 * The seal. `sealing` of the index is the tail that it is about; it stays until its run is mapped.
 *
 *      idle -> writing       index_seal() took the tail
 *      writing -> clearing   its run is among the runs; the tail is being made empty for use again
 *      writing -> failed     the tail is kept, and written anew at the next index_seal()
 *      failed -> writing
 *      clearing -> idle
 */
enum seal_state { SEAL_IDLE, SEAL_WRITING, SEAL_CLEARING, SEAL_FAILED };

struct index_seal {
    struct io_job job;
    struct index *index;
    enum seal_state state;
    struct run_identity identity;
    struct io_file *file;
    char *temporary;
    char *path;
    int result;
    int64_t retry_at_ns;
};

/*
 * A merge, one step a job.
 *
 *      idle -> merging       some runs are read
 *      merging -> sweeping   the new run has taken their place; their files are being removed
 *      merging -> idle       it failed, or the index is closed
 *      sweeping -> idle
 */
enum merge_state { MERGE_IDLE, MERGE_MERGING, MERGE_SWEEPING };

struct index_merge {
    struct io_job job;
    struct index *index;
    enum merge_state state;
    struct run *runs[MERGE_RUNS_MAX];
    size_t run_count;
    struct merge *merge;
    struct run_identity identity;
    struct io_file *file;
    char *temporary;
    char *path;
    int result;
};

struct index {
    struct io *io;
    char *path;
    struct index_options options;
    uint64_t log_id;
    uint64_t seed;
    uint64_t covered;

    struct run *runs[INDEX_RUNS_LIMIT]; /* by the part of the log, without a gap from its start */
    size_t run_count;
    struct tail *tail;    /* NULL until it is needed */
    struct tail *sealing; /* its entries come before the tail's */
    struct tail *spare;

    struct index_seal seal;
    struct index_merge merges[INDEX_MERGES_MAX];
    size_t jobs; /* submitted and not done */
    int failure; /* the first since index_wait() */
    bool dir_missing;
    bool damaged; /* a run is: nothing is merged any more */
    bool closing;
};

/* The path of a run's file, with `suffix`; the caller frees it. NULL when out of memory. */
char *index_run_path(const struct index *index, const struct run_identity *identity, const char *suffix);
#define INDEX_RUN_SUFFIX ".run"
#define INDEX_TEMPORARY_SUFFIX ".tmp"

/* A block of the run failed its sum: its file goes, so that the next index_open() leaves it out. Returns
 * EDDA_ECORRUPT. */
int index_run_damaged(struct index *index, struct run *run);

/* Whether seals must wait for merges: rather additions are refused in the end than that look-ups become ever slower. */
bool index_runs_full(const struct index *index);

/* Gives back what jobs hold that will not end any more; after index_close() has waited. */
void index_jobs_abandon(struct index *index);

#endif
