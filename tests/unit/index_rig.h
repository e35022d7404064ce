/*
 * What the tests of the index share: a naive model, which is a journal of all additions and for each key the list of
 * its entries, and a rig: an index on the simulated io or on files, fed from that journal, and compared with it.
 *
 * An addition's number in the journal stands for its place in the log: it lies before address (number + 1) * UNIT.
 */
#ifndef EDDA_TESTS_UNIT_INDEX_RIG_H
#define EDDA_TESTS_UNIT_INDEX_RIG_H

#include "support.h"

#include "io/simulated.h"
#include "store/index.h"

#define UNIT 16
#define KEYS 6000
#define LOG_ID 77
#define SECOND INT64_C(1000000000)

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

struct rig {
    struct io *io;
    bool simulated;
    char dir[64];
    char path[80];
    struct index_options options;
    struct index *index;
    struct prng prng;
    size_t sealed;     /* additions that may be in a run or on their way there */
    size_t indexed;    /* additions that the index has */
    uint64_t position; /* of the next addition */
    struct model model;
};

struct names {
    char all[20][64];
    size_t count;
};

struct hash128 key_of(uint32_t number);

void model_add(struct model *m, uint32_t key, struct index_entry entry);
/* Leaves the first `count` additions. */
void model_cut(struct model *m, size_t count);
void model_deinit(struct model *m);

/* An io with an empty directory; no index yet. */
void rig_init(struct rig *r, bool simulated, uint64_t seed);
void rig_deinit(struct rig *r);
int rig_try_open(struct rig *r);
void rig_open(struct rig *r);
void rig_close(struct rig *r);
/* A file of the index; good until the next call. */
const char *file_path(const struct rig *r, const char *name);
struct names list_names(const struct rig *r);

/* A key: one is hot, some are warm, most are met once or twice. */
uint32_t draw_key(struct prng *p);
struct index_entry draw_entry(struct rig *r);
/* New additions for the journal; the index does not have them yet. */
void draw_additions(struct rig *r, size_t count);

/* Gives the index what it lacks of the journal, in batches, and seals when that is wanted; ends at a failure. */
int rig_try_catch_up(struct rig *r);
/* The same, waiting while it is busy. */
void rig_catch_up(struct rig *r);
void rig_seal(struct rig *r);
/* Lets some time pass. */
void rig_finish_jobs(struct rig *r);
/* Opens an index that merges nothing, and makes runs of `count` additions each. */
void make_runs(struct rig *r, unsigned runs, unsigned count);

/* One look-up of each kind. A damaged run may make it fail with `allowed`, but not lie. Returns the failure or 0. */
int check_key(struct rig *r, uint32_t number, int allowed);
/* Some keys; all keys and the whole. The model must hold what the index has, no more. */
void check_some(struct rig *r);
void check_all(struct rig *r);

#endif
