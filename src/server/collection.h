/*
 * collection: a page of rows, in the one shape in which all lists are given:
 *
 *   {"_embedded":{"orders":[{…,"_links":{"self":{"href":"http://…/orders/1"}}}]},
 *    "page":{"size":20,"totalElements":1,"totalPages":1,"number":0}}
 */
#ifndef EDDA_SERVER_COLLECTION_H
#define EDDA_SERVER_COLLECTION_H

#include "server/parts.h"

#define COLLECTION_SIZE_DEFAULT 20
#define COLLECTION_SIZE_MAX 1000

struct collection {
    struct edda_request *request;
    const char *name;
    uint64_t size, number; /* of the page: ?size=&page= */
    uint64_t from;         /* ordinal of its first row */
    uint64_t rows;         /* written so far */
    uint64_t seen;         /* of collection_wants() */
};

/* Reads ?page= and ?size=; a bad one is answered with 400, which names it, and gives a negative code. */
int collection_begin(struct collection *collection, struct edda_request *request, const char *name);
/* For lists that are walked as a whole: counts a row and says whether it is on the page. */
bool collection_wants(struct collection *collection);
/* Appends a row; `link` may be empty. */
void collection_row(struct collection *collection, const struct edda_type *type, const void *row, struct slice link);
/* Answers; `total` rows there are on all pages. */
int collection_end(struct collection *collection, uint64_t total);

/* Answers with one row and its link; `version`: of its ETag, -1: it has none. A client that has this version already gets 304. */
int collection_item(struct edda_request *request, const struct edda_type *type, const void *row, struct slice link, int64_t version);

#endif
