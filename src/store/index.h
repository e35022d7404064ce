/*
 * index: for each 128-bit key a list of entries in the order of their positions, appended to only. The one mechanism
 * behind every question that the store answers without a scan: the records of a stream (their count is its version), of
 * a correlation id, of an identity (source and id), the batches of a partition, the frames of the log. The index is
 * derived: whatever it lacks is added again from the log.
 *
 * The tail is in memory. When it holds `tail_entries_max` entries index_seal_wanted() says so; sealing writes it as one
 * immutable run, sorted by key, checksummed, with a filter in front, on a background job, while a fresh tail takes what
 * comes. Runs are merged in the background, so that a look-up touches few. A run names the part of the log it covers:
 * [from, to) addresses; the runs together cover a prefix of the log, which index_covered() gives; the caller adds what
 * is behind it from the log at open.
 *
 * The file of a run is described in docs/internals/index-format.md and in store/run.h.
 *
 * Damage. A block of a run is checked when it is first touched. When one is damaged, the look-up fails with
 * EDDA_ECORRUPT and the run's file is removed: after index_close() and index_open() the index lacks that run and all
 * behind it, and the caller adds them again from the log.
 *
 * Threads: the owner's; runs are written and merged by jobs of the io, which also rename and remove files and sync the
 * directory. A job's end is noticed, and the next one started, in the owner's io_jobs_finish().
 */
#ifndef EDDA_STORE_INDEX_H
#define EDDA_STORE_INDEX_H

#include "base/hash.h"
#include "edda/error.h"
#include "io/io.h"

/* Where a record is: its position, the address of its batch in the log, and its byte in the batch's (decompressed)
 * records. Entries of partitions and frames use `record` as they need. */
struct index_entry {
    uint64_t position;
    uint64_t batch;
    uint32_t record;
};

#define INDEX_TAIL_ENTRIES_LIMIT 8000000

struct index_options {
    uint32_t tail_entries_max; /* 0: 400,000; at most INDEX_TAIL_ENTRIES_LIMIT */
    uint32_t runs_max;         /* merge so that no more than these are searched, or up to 4 times as many while large
                                * merges are under way; 0: 8; at most 64 */
    uint64_t log_end;          /* runs that reach past it are no longer this log's, and are left out; 0: not known */
    bool read_only;            /* for tools: nothing is removed, sealed or merged */
};

struct index;

/* Opens what lies in the directory `path`, which is made at the first seal. A run that is damaged, or of another
 * seed or log, is left out together with all that come after it, and removed. `log_id` ties the runs to their log
 * and gives the seed: it must be random, and kept from those who choose keys. `options` may be NULL. EDDA_EINVAL for
 * an option over its limit; a file that cannot be read fails the call. */
int index_open(struct io *io, const char *path, uint64_t log_id, const struct index_options *options,
               struct index **ret_index, struct edda_error *error);
/* Waits for its jobs, except that a merge is given up at its next step; the tail is forgotten unless it was sealed
 * (index_seal() then index_wait()). NULL is allowed. Comes before the directory is opened again. */
void index_close(struct index *index);

/* The log address up to which the runs cover everything; entries before it must not be added again. */
uint64_t index_covered(const struct index *index);

/* The seed for hashing keys, always the same for a log_id. Keys must be hashes: the index relies on their being spread
 * evenly. */
uint64_t index_seed(const struct index *index);

/* Appends an entry to a key's list. Positions of one key grow (equal ones are allowed). EDDA_ENOMEM; EDDA_EBUSY when
 * the tail is at twice its size and the seal before has not ended or merges are far behind: wait for a job
 * (io_jobs_wait(), io_jobs_finish()), call index_seal() if index_seal_wanted(), and try again. A tail of 16.7 million
 * keys, which should have been sealed, is EDDA_EBUSY too. */
int index_add(struct index *index, struct hash128 key, const struct index_entry *entry);

/* A batch of additions, whose memory is fetched ahead, for speed; same results. All of them or, on a failure, none. */
struct index_addition {
    struct hash128 key;
    struct index_entry entry;
};
int index_add_many(struct index *index, const struct index_addition *additions, size_t count);

/* Forgets the entries of the tail from `position` on; none may have been sealed. For a step that is taken back:
 * quick for the last few thousand additions, if additions came in the order of their positions over all keys; else
 * it looks at every key of the tail. */
void index_rewind(struct index *index, uint64_t position);

/* How many entries a key has. This and all look-ups below: EDDA_ECORRUPT, see above. */
int index_count(struct index *index, struct hash128 key, uint64_t *ret_count);

/* Entries of a key from ordinal `from` (0 the first) forward, or backward from it downward (from the newest when there
 * are not so many); at most `max`; returns how many (fewer at the end) or a negative code. */
int64_t index_read(struct index *index, struct hash128 key, uint64_t from, bool backward,
                   struct index_entry *ret_entries, size_t max);
/* Both in one look-up. `max` may be 0. */
int64_t index_read_counted(struct index *index, struct hash128 key, uint64_t from, bool backward,
                           struct index_entry *ret_entries, size_t max, uint64_t *ret_count);

/* The ordinal of the first entry of a key whose position is at least `position` (the count when there is none). */
int index_find_position(struct index *index, struct hash128 key, uint64_t position, uint64_t *ret_ordinal);

/* The newest entry of a key; EDDA_ENOTFOUND when it has none. */
int index_last(struct index *index, struct hash128 key, struct index_entry *ret_entry);

/* Whether the tail should be sealed now, or a seal that failed be tried again (a second after it did). */
bool index_seal_wanted(const struct index *index);
/* Whether what index_seal() would do is to try again one that failed. */
bool index_seal_failed(const struct index *index);
/* Starts writing the tail as a run that covers the log up to `to` (everything added is of the log before `to`, which
 * must be durable). Nothing when a seal is under way or the tail is empty. After a failed seal, tries that one
 * again, up to its own `to`. */
void index_seal(struct index *index, uint64_t to);
/* Whether a seal or a merge is under way, whose end may be what additions that were refused wait for. */
bool index_is_working(const struct index *index);
/* Waits until no job is under way, also no merge; returns the first failure since the last call (a failed seal keeps
 * its entries in memory, a failed merge its runs). EDDA_ECLOSED when jobs were lost in a simulated crash. */
int index_wait(struct index *index);

/* For metrics and stat. */
struct index_stats {
    uint64_t runs;
    uint64_t run_bytes;
    uint64_t tail_entries;
    uint64_t tail_bytes;
    uint64_t entries;
    uint64_t keys_estimate; /* a key counts once in each run and tail that has it */
};
void index_stats(const struct index *index, struct index_stats *ret_stats);

/* Calls `visit` with every key and its count, in no order; for verification against the log. Ends at a result other
 * than 0, and returns it. */
int index_each(struct index *index, int (*visit)(void *user, struct hash128 key, uint64_t count), void *user);

/* For whoever finds that the index contradicts the log: as if all runs were damaged. Returns EDDA_ECORRUPT. */
int index_refuse(struct index *index);

/* Checks every block and list of every run; EDDA_ECORRUPT names the first that is damaged. */
int index_verify(struct index *index, struct edda_error *error);

#endif
