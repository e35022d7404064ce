/* Values of declared types: deep copies into an arena, and states that own their texts and lists. */
#ifndef EDDA_ENGINE_VALUE_H
#define EDDA_ENGINE_VALUE_H

#include "base/arena.h"
#include "edda/type.h"

struct list_block;
struct text_chunk;

/* The state of one entity of one service. */
struct state {
    uint64_t version;           /* counts evolves; a blocking step is run again when it moved */
    void *value;                /* a struct of the state's type */
    struct text_chunk *texts;   /* where its texts are */
    struct list_block *blocks;  /* where its lists are */
    size_t text_bytes;          /* allocated for texts, holes included */
    size_t list_bytes;          /* allocated for lists */
    size_t compact_above;       /* look for holes when text_bytes is over this */
    uint64_t item_texts;        /* items with texts when all were looked through last */
    bool lent;                  /* what the event lends is the state's own already */
};

/* A deep copy; NULL when out of memory. */
void *value_copy(const struct edda_type *type, const void *value, struct arena *arena);

/* Whether two values are the same: texts and lists by what is in them, everything else byte by byte, also what no field covers. False when out of
 * memory, for which it takes some of the arena. */
bool value_same(const struct edda_type *type, const void *a, const void *b, struct arena *arena);

/* An all-zero state; NULL when out of memory. */
struct state *state_new(const struct edda_type *type);
/* NULL is allowed. */
void state_free(struct state *state);
/* The event as the state's evolve function is to get it; before state_adopt(). A state with many items is given the event's texts beforehand, as its own, so that afterwards they
 * need not be looked for among all its items. NULL when out of memory. */
const void *state_lend(struct state *state, const struct edda_type *type, const void *event, struct arena *arena);
/* Makes the state's own what its value borrows since the last time. After EDDA_ENOMEM the state must be freed. */
int state_adopt(const struct edda_type *type, struct state *state);
/* Memory it takes. */
size_t state_bytes(const struct edda_type *type, const struct state *state);

#endif
