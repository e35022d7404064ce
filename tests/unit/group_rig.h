/* group_rig: groups over a store on a simulated disk, and members that say what they do in one line. */
#ifndef TESTS_GROUP_RIG_H
#define TESTS_GROUP_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "broker/group.h"
#include "io/simulated.h"
#include "wire/kafka/errors.h"

#define MS INT64_C(1000000)
#define PARKED 1000 /* no code of Kafka's */

/* A connection with one request under way, and what became of it. */
struct talk {
    int error;             /* PARKED until it is answered */
    int told;              /* how often the callback came */
    int32_t generation;
    char member[128], leader[128], protocol[64], members[1024], assignment[256];
    uint32_t member_count;
    bool skip;
    void (*then)(struct talk *talk); /* called in the callback */
};

struct rig {
    struct io *io;
    struct store *store;
    struct groups *groups;
    int32_t delay_ms;
    int64_t now_ns;
    struct edda_error error;
};
extern struct rig rig;

int rig_setup(void **state);
int rig_teardown(void **state);
/* The process ends and starts again. `lost`: what was not synced may be gone. */
void rig_restart(bool lost);
/* Time passes, with turns when they are due. */
void rig_pass(int64_t ms);

/* What a member of the test has; the join below fills the id. */
struct actor {
    const char *group, *instance, *client;
    char id[128];
    int32_t session_ms, rebalance_ms;
    const char *type;
    const char *protocols; /* "range:m1 sticky:m2" */
    bool id_required, skip;
    struct talk talk;
    int32_t generation;
};
/* What is not said: a consumer of the group g, session 10 s, rebalance timeout 20 s. */
struct actor actor_of(struct actor said);
#define ACTOR(...) actor_of((struct actor){ __VA_ARGS__ })

/* The error, or PARKED. A join that is answered fills id and generation. */
int join(struct actor *a);
/* As the leader: "id=assignment id=…", or NULL. */
int sync_with(struct actor *a, const char *assignments);
int beat(struct actor *a);
int leave(struct actor *a);
int commit(struct actor *a, const char *topic, int64_t offset);
int64_t committed(const char *group, const char *topic);
enum group_state state_of(const char *group);
/* Joins all, and syncs: the leader assigns each member its own client name. Fails unless the group is stable then. */
void settle(struct actor **actors, int count);

#endif
