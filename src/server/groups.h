/*
 * groups: competing consumers over HTTP (groups.c), of which broker/competing.h is the state. It is kept in "_edda.groups": key "TOPIC/GROUP", value competing_write(); written with each request
 * that changes what is done, and answered when that is durable. A state is read when somebody first asks for it.
 */
#ifndef EDDA_SERVER_GROUPS_H
#define EDDA_SERVER_GROUPS_H

#include "broker/competing.h"
#include "server/events.h"

#define SHARES_MAX 10000              /* groups of topics in memory */
#define SHARE_NAME_MAX 255            /* bytes, of a group */
#define POLL_MAX 1000
#define POLL_DEFAULT 10
#define POLL_TIMEOUT_DEFAULT_MS 30000
#define POLL_TIMEOUT_MAX_MS 43200000
#define POLL_WAIT_MAX_MS 60000

struct shares; /* all of a server */

int shares_open(struct server *server, struct shares **ret_shares, struct edda_error *error);
void shares_close(struct shares *shares);
/* Answers polls for which there is something, or whose time is over. When it wants to be called again. */
int64_t shares_turn(struct shares *shares, int64_t now_ns);
struct share_counts {
    uint64_t groups, waiting, delivered, redelivered, acknowledged, parked;
};
void share_counts(const struct shares *shares, struct share_counts *ret_counts);

#endif
