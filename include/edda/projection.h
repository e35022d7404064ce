/*
 * edda/projection.h: read models: events folded into rows of a database, each exactly once.
 *
 * A projection says for each event which rows change. Its tables are described by types, like everything else; they live in the database that `run --db`
 * names: SQLite, PostgreSQL, or memory (in the simulator and in tests). The rows that a batch of events changes and the position up to which events have been
 * applied, the checkpoint, are one transaction, in which the checkpoint moves by compare-and-swap: two instances, or one that had been taken for dead, cannot
 * apply an event twice.
 *
 *     struct Allocation { struct edda_text orderid, sku, batchref; };
 *     static const struct edda_table allocations_view = EDDA_TABLE("allocations_view", Allocation, 2);
 *
 *     EDDA_PROJECT(allocated, Allocated);
 *     static int allocated(struct edda_rows *rows, const struct Allocated *e)
 *     {
 *         return edda_put(rows, allocations_view, Allocation, .orderid = e->orderid, .sku = e->sku, .batchref = e->batchref);
 *     }
 *
 * Only durable events are applied. A read model is derived: when its `version` is raised it is built anew from the log beside the one in use, and takes its place
 * when it has caught up. A projecting function that fails is tried again; then the events of its key are held back, and those of other keys go on.
 */
#ifndef EDDA_PROJECTION_H
#define EDDA_PROJECTION_H

#include "edda/http.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A table of a read model. Columns are the fields of its row, none of them NULL: what is missing is zero, false or empty.
 *
 *   field                 SQLite             PostgreSQL
 *   BOOL                  INTEGER, 0 or 1    boolean
 *   INT                   INTEGER            bigint
 *   DOUBLE                REAL               double precision
 *   TEXT                  TEXT               text, ordered by its bytes
 *   TIME                  INTEGER            bigint; milliseconds since 1970
 *   nested, LIST, JSON    TEXT               json
 */
struct edda_table {
    const char *name;             /* a lower-case letter, then lower-case letters, digits and '_'; at most 63 */
    const struct edda_type *row;  /* its texts hold no zero byte */
    uint32_t key_fields;          /* the first so many fields are the primary key: 1 to 8, BOOL, INT, TEXT or TIME */
    const char *const *indexes;   /* further fields by which rows are asked for or ordered, NULL-terminated; or NULL */
};

/* The transaction a projecting function works in. Good until it returns; of its thread, which is not the application's main one. */
struct edda_rows;

/* Changes rows for one event. 0, or a negative code: then nothing of it is kept. Must depend on nothing but the event and the rows. */
typedef int edda_project_fn(struct edda_rows *rows, const void *event, void *user);

/* Written with EDDA_APPLY(). */
struct edda_projecting {
    const struct edda_type *type;
    edda_project_fn *project;
    const char *key;              /* the event's field that says what is held back when it cannot be applied; NULL: the record's key */
    void *user;
    uint32_t reserved;
};

struct edda_projection {
    const char *name;             /* letters, digits, '-', '_'; at most 63 */
    const char *description;
    const struct edda_table *const *tables; /* its own, and no other projection's; NULL-terminated */
    const struct edda_projecting *on;       /* ends with EDDA_APPLY_END */
    const struct edda_route *routes;        /* its HTTP interface (edda/http.h), ends with EDDA_ROUTES_END; or NULL */
    uint32_t version;             /* from 1; raise it when functions change. A change of the tables is noticed by itself */
};

/* Inserts the row, or replaces the one with its key. EDDA_EINVAL names a field out of its range; EDDA_ELIMIT past 65,536 changes of one event. The first
 * failure is also remembered: the function then fails, whatever it returns. */
EDDA_PUBLIC int edda_put_struct(struct edda_rows *rows, const struct edda_table *table, const void *row);
/* Fills the rest of a row of which the key fields are given: 1, or 0 when there is none. Its texts live until the projecting function returns. */
EDDA_PUBLIC int edda_get_struct(struct edda_rows *rows, const struct edda_table *table, void *row);
/* Deletes the row whose key fields are given: 1, or 0 when there is none. */
EDDA_PUBLIC int edda_delete_struct(struct edda_rows *rows, const struct edda_table *table, const void *row);
/* What is being applied. */
EDDA_PUBLIC const struct edda_message_info *edda_rows_message(const struct edda_rows *rows);

/* --- asking, from a route handler ---------------------------------------------------------------------------------------- */

struct edda_query {
    const struct edda_table *table;
    const void *equal;            /* a row; those asked for have its first `equal_fields` fields. NULL: all */
    uint32_t equal_fields;
    const char *order_by;         /* a field; NULL: the key */
    bool descending;
    uint32_t offset;
    uint32_t limit;               /* at most 10,000; 0: 1,000 */
    bool stale;                   /* what is there now will do; else the answer has everything in it that was recorded when it was asked */
};

/* Gets the rows on the core thread and responds (edda_respond_list(), edda_respond() …). The rows live as long as the request. */
typedef int edda_rows_fn(struct edda_request *request, const void *rows, size_t count, void *user);

/* Asks; the request is under way when this returns 0. Bounded: EDDA_EUNAVAILABLE when the read model has not caught up within 5 seconds. */
EDDA_PUBLIC int edda_select(struct edda_request *request, const struct edda_query *query, edda_rows_fn *respond, void *user);
/* Responds with a JSON array. */
EDDA_PUBLIC int edda_respond_list(struct edda_request *request, int status, const struct edda_type *type, const void *rows, size_t count);

#if !defined(__cplusplus) && defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L
#define edda_put(rows, table, row_name, ...) edda_put_struct(rows, &table, &(const struct row_name){ __VA_ARGS__ })
#define edda_delete(rows, table, row_name, ...) edda_delete_struct(rows, &table, &(const struct row_name){ __VA_ARGS__ })

/* EDDA_TABLE("allocations_view", Allocation, 2): the first two fields are the key. */
#define EDDA_TABLE(its_name, row_name, ...) { .name = its_name, .row = &row_name, .key_fields = __VA_ARGS__ }

/* Declares static int name(struct edda_rows *, const struct type_name *). */
#define EDDA_PROJECT(name, type_name) \
    static int name(struct edda_rows *rows, const struct type_name *event); \
    static int name##_row(struct edda_rows *rows, const void *event, void *user) \
    { \
        (void)user; \
        return name(rows, (const struct type_name *)event); \
    } \
    extern int edda_declared
#define EDDA_APPLY(type_name, function, ...) EDDA_APPLY_(type_name, function, __VA_ARGS__, .reserved = 0)
#define EDDA_APPLY_(type_name, function, key_member, ...) \
    { .type = &type_name, .project = function##_row, .key = #key_member, __VA_ARGS__ }
#define EDDA_APPLY_END { .type = NULL }
#endif

#ifdef __cplusplus
}
#endif
#endif
