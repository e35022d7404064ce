/* groups: competing consumers over HTTP (groups.c), of topics and of streams; server/shares.h has what they share with other protocols. */
#ifndef EDDA_SERVER_GROUPS_H
#define EDDA_SERVER_GROUPS_H

#include "server/events.h"
#include "server/shares.h"

#define POLL_MAX 1000
#define POLL_DEFAULT 10
#define POLL_TIMEOUT_DEFAULT_MS 30000
#define POLL_TIMEOUT_MAX_MS 43200000
#define POLL_WAIT_MAX_MS 60000

/* Answers polls for which there is something, or whose time is over. When it wants to be called again. */
int64_t shares_turn(struct shares *shares, int64_t now_ns);

#endif
