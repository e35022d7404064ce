/*
 * list_index: where in a list each text is (edda_list_find_text()). It knows hashes and places only: who finds a place compares the text there. Items are
 * added at its end, and it is cut at any place when items behind that move; so a list that is used as a stack costs the same for any length.
 */
#ifndef EDDA_WIRE_JSON_LIST_INDEX_H
#define EDDA_WIRE_JSON_LIST_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "edda/type.h"

#define LIST_INDEX_END UINT32_MAX

struct list_index;

/* An empty one; NULL when out of memory. */
struct list_index *list_index_new(void);
/* NULL is allowed. */
void list_index_free(struct list_index *index);
/* Memory it takes; 0 for NULL. */
size_t list_index_bytes(const struct list_index *index);

/* Items that are in it: those of the places below. */
uint32_t list_index_count(const struct list_index *index);
/* Adds the text of the next place. False when out of memory: then it is as it was. */
bool list_index_add(struct list_index *index, struct edda_text text);
/* Takes out all places from `count` on. */
void list_index_truncate(struct list_index *index, uint32_t count);

/* The places where this text may be, the last one first; LIST_INDEX_END when there is no more. */
uint32_t list_index_first(const struct list_index *index, struct edda_text text);
uint32_t list_index_next(const struct list_index *index, uint32_t place);

#endif
