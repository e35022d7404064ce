/* What unit tests of the store share: a store on the simulated io that can be closed, crashed and robbed of its index. */
#ifndef EDDA_TESTS_UNIT_STORE_RIG_H
#define EDDA_TESTS_UNIT_STORE_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "io/simulated.h"
#include "store/partition.h"
#include "store/settings.h"
#include "store/store.h"

#define DIR "/data"

struct world {
    struct io *io;
    struct store *store;
    struct store_options options;
    struct edda_error error;
};

void world_open(struct world *w);
int world_setup(void **state);
int world_teardown(void **state);
void world_reopen(struct world *w);
void world_crash(struct world *w);
void world_lose_index(struct world *w);
struct topic *topic_of(struct world *w, const char *name, uint32_t partitions);
/* Appends one record; a NULL value is null. */
struct store_appended put(struct world *w, struct topic *topic, const char *key, const char *value);
int put_expecting(struct world *w, struct topic *topic, const char *key, int64_t expected);
void world_flush(struct world *w);

/* Values as visited, each with its version: "a@0 b@1". */
struct seen {
    char text[1 << 20];
    size_t len;
};
int see(void *user, const struct store_record *record, int64_t version);
/* A stream from its beginning, a partition from an offset, everything in the order of positions. Good until the next call. */
const char *stream_text(struct world *w, const char *topic, const char *key);
const char *partition_text(struct world *w, struct topic *topic, uint32_t partition, int64_t offset);
const char *all_text(struct world *w);

#endif
