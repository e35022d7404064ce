/*
 * shares: what groups of competing consumers have of a topic, or of one stream, in one place for all protocols: HTTP (groups.c) and Redis's (resp_groups.c). broker/competing.h is the state of
 * each; here it is found, fed from the log and kept, in "_edda.groups": key "TOPIC/GROUP", or "/TOPIC/LENGTH/KEY/GROUP" for a group of the stream of a key, LENGTH being that of the key in bytes;
 * value competing_write(). It is written with each request that changes what is done, and answered when that is durable. A state is read when somebody first asks for it.
 *
 * A place is a position for a group of a topic, and a version for one of a stream.
 */
#ifndef EDDA_SERVER_SHARES_H
#define EDDA_SERVER_SHARES_H

#include "broker/competing.h"
#include "server/server.h"
#include "store/store.h"

#define SHARES_MAX 10000              /* groups of topics in memory */
#define SHARE_NAME_MAX 255            /* bytes, of a group */

/* Of what the group is; `key` data NULL: of the whole topic. */
struct share_name {
    struct slice topic, key, group;
};

struct share {
    struct table_link by_name;
    struct list all;                  /* of those in memory, by `path` */
    struct competing competing;
    struct share_name name;           /* borrows from `path` */
    uint32_t watchers;                /* it stays in memory while there are some, also when it is `gone` */
    bool gone;                        /* destroyed while somebody watches it */
    bool held_up;                     /* so many records were open that nothing more was taken */
    struct list polls;                /* of groups.c: those that wait, the one that has waited longest first */
    size_t path_len;
    uint8_t path[];
};

struct share_counts {
    uint64_t groups, waiting, delivered, redelivered, acknowledged, parked;
};

struct shares {
    struct server *server;
    struct store *store;              /* NULL: there is no local log, and there are no groups */
    struct table by_name;
    struct list all;
    bool loaded;                      /* every group there is is in memory */
    struct list polls;                /* of groups.c: all that wait */
    uint64_t looked;                  /* durable position at which they were last tried */
    uint64_t reloads;                 /* of users, that they have outlasted */
    struct buffer state;
    struct share_counts counts;
};

int shares_open(struct server *server, struct shares **ret_shares, struct edda_error *error);
void shares_close(struct shares *shares);
/* Those of a server. */
struct shares *server_shares(const struct server *server);

/* The group, from memory or the log: 1; 0 when there is none. EDDA_ELIMIT, EDDA_ENOMEM, EDDA_ECORRUPT. */
int share_find(struct shares *shares, const struct share_name *name, struct share **ret_share, struct edda_error *error);
/* One that is not there, beginning at `place`; it is written. EDDA_EINVAL: the group's name. */
int share_make(struct shares *shares, const struct share_name *name, uint64_t place, struct share **ret_share, struct edda_error *error);
/* It is gone, in the log too; the pointer is good no more, but for those who watch it. */
int share_destroy(struct shares *shares, struct share *share, struct edda_error *error);
/* Writes the state; it is durable when the log is up to its tail. */
int share_write(struct shares *shares, struct share *share, struct edda_error *error);
void share_watch(struct share *share);
void share_unwatch(struct share *share);

/* Takes further records out of the log, of those before position `until`, until so many are due. */
int share_fill(struct shares *shares, struct share *share, uint32_t wanted, uint64_t until, struct edda_error *error);
/* Delivers the next record, taken from the log with up to `wanted` if need be: 1 and the record, which is good until the store is next changed; 0 when there is none. One that is not there any more
 * (retention, a deleted stream) is done: *ret_changed. */
struct share_taken {
    uint64_t place;
    uint32_t deliveries;
    struct store_record record;
};
int share_take(struct shares *shares, struct share *share, struct competing_consumer *consumer, int64_t again_ms, uint32_t wanted, uint64_t until, struct share_taken *ret_taken, bool *ret_changed,
               struct edda_error *error);
/* The record at a place: 1; 0: it is not there any more. */
int share_read(struct shares *shares, const struct share *share, uint64_t place, struct store_record *ret_record, struct edda_error *error);
/* When there may be something for whoever asks, without another record in the log: log time in ms; INT64_MAX: not by itself. */
int64_t share_due_ms(const struct share *share);

/* Calls `visit` with every group there is, in order of their names in the log. Not 0 ends it, and is returned. */
typedef int share_visit_fn(void *user, struct share *share);
int shares_each(struct shares *shares, share_visit_fn *visit, void *user, struct edda_error *error);

#endif
