/* The journal over an Edda log in the same process. */
#ifndef EDDA_JOURNAL_LOCAL_H
#define EDDA_JOURNAL_LOCAL_H

#include "journal/journal.h"
#include "store/store.h"

/* Opens the store in `path`. `ret_recovery` may be NULL. */
int journal_local_open(struct io *io, const char *path, const struct store_options *options, struct journal **ret_journal,
                       struct log_recovery *ret_recovery, struct edda_error *error);
struct store *journal_local_store(struct journal *journal);

#endif
