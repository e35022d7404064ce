/*
 * redis: the application's channels (edda/app.h) over a Redis server: one connection publishes, another is subscribed. Both are made anew when they are
 * lost, with a delay that grows to 5 seconds.
 *
 * Publishing is a script: it sets the position that was published and publishes, or does nothing when the position is there already. So what was sent and not
 * answered can be sent again, also by the next process, and is not published twice; and an instance that was taken for dead publishes nothing that its successor has.
 *
 * Threads: that of the event loop.
 */
#ifndef EDDA_OUTSIDE_REDIS_H
#define EDDA_OUTSIDE_REDIS_H

#include "engine/engine.h"

struct event_base;
struct redis;

struct redis_options {
    struct event_base *base;
    struct engine *engine;
    const char *address;  /* "HOST:PORT" */
    const char *password; /* of AUTH; NULL: none. Copied */
    /* Told of connections made and lost. May be NULL. */
    void (*log)(void *user, const char *event, const char *text);
    void *log_user;
};

/* Begins to connect; a server that is not there is no error. EDDA_EINVAL names what is wrong with the address, EDDA_EUNSUPPORTED: built without. */
int redis_open(const struct redis_options *options, struct redis **ret_redis, struct edda_error *error);
/* Publishes what has become durable. After each turn of the loop. */
void redis_turn(struct redis *redis);
/* Before engine_close(). What was not answered is published after the next start. NULL is allowed. */
void redis_close(struct redis *redis);

#endif
