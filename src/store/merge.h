/*
 * merge: several neighbouring runs become one, whose lists are theirs one behind the other. It goes in steps of bounded
 * size, because a merge of old runs takes long and sealing waits for the same thread.
 *
 * A merge checks every block that it reads: damage ends it with EDDA_ECORRUPT and is never copied.
 */
#ifndef EDDA_STORE_MERGE_H
#define EDDA_STORE_MERGE_H

#include "store/run.h"

#define MERGE_RUNS_MAX 128

struct merge;

/* Of `count` runs, oldest first, into an empty file. NULL when out of memory. The runs and the file stay the
 * caller's. */
struct merge *merge_new(struct run *const *runs, size_t count, struct io_file *file);
/* NULL is allowed. */
void merge_free(struct merge *merge);

/* Goes on for about so many entries. 1 when the file is written and synced, 0 when there is more to do, or a negative
 * code; after one, the merge can only be freed. Any thread. */
int merge_step(struct merge *merge, uint64_t entries);

/* Which run was found damaged, when a step ended with EDDA_ECORRUPT. */
size_t merge_damaged(const struct merge *merge);

#endif
