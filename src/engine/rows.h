/*
 * rows: what projecting functions change, gathered in memory until the end of their batch. Each row that was looked at or changed is kept once, so a row
 * that changes with every event is read once and written once for all of them. What one event has changed can be taken back by itself, without a word to the database:
 * that is the savepoint.
 */
#ifndef EDDA_ENGINE_ROWS_H
#define EDDA_ENGINE_ROWS_H

#include "base/buffer.h"
#include "base/list.h"
#include "base/table.h"
#include "engine/database.h"

#define TABLE_NAME_BYTES 64
#define ROWS_CHANGES_MAX 65536 /* of one event */

/* A table, and what it is called now in the database. */
struct rows_table {
    const struct edda_table *table;
    char name[TABLE_NAME_BYTES];
};

struct rows_entry;
struct rows_before;

struct edda_rows {
    struct session *session;
    const struct rows_table *tables;
    uint32_t table_count;
    struct arena arena;           /* of the batch */
    struct table entries;         /* by table and key */
    struct rows_entry *first, **last;
    struct buffer key;            /* scratch */
    /* of the event at hand */
    struct edda_message_info info;
    struct rows_before *before;   /* what to take back, the last first */
    uint32_t changes;
    int code;                     /* its first failure */
    struct edda_error error;
    int session_code;             /* the database's failure, which is no event's fault */
    struct edda_error session_error;
};

void rows_init(struct edda_rows *rows);
void rows_deinit(struct edda_rows *rows);
/* A new batch, nothing changed. */
void rows_begin(struct edda_rows *rows, struct session *session, const struct rows_table *tables, uint32_t count);
/* The next event of the batch; what those before it changed stays. */
void rows_event(struct edda_rows *rows, const struct edda_message_info *info);
/* Takes back what the event at hand has changed. */
void rows_undo(struct edda_rows *rows);
/* Tells the database all that has changed, in the order of first changes. */
int rows_write(struct edda_rows *rows, struct edda_error *error);
/* Memory the batch takes. */
size_t rows_bytes(const struct edda_rows *rows);

#endif
