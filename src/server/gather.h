/*
 * gather: how long a flush waits for those who were just answered.
 *
 * Clients that each wait for their answer come back as soon as they have it. A sync that begins when the first of them is back leaves the others to the next
 * one, so that each sync serves one half of the clients while the other half waits: with one sync at a time twice as many are paid for as are needed. So a flush
 * waits while those whom the last one answered keep coming back: until all are back, until nobody has come for a quarter of the time of a sync, and never longer than a
 * sync. When fewer than half came, the next GATHER_VAIN_FLUSHES are not waited with. A lone client is never waited for: it is back when it is back.
 *
 * Plain arithmetic: times are the caller's. Threads: the owner's alone.
 */
#ifndef EDDA_SERVER_GATHER_H
#define EDDA_SERVER_GATHER_H

#include <stdbool.h>
#include <stdint.h>

#define GATHER_VAIN_FLUSHES 16

struct gather {
    uint32_t round;    /* of answers; a connection notes in which it was answered */
    uint32_t answered; /* connections, in this round */
    uint32_t returned; /* those of them of whom something waits for the next flush */
    uint32_t vain;     /* flushes that are not waited with, yet */
    uint32_t seen;     /* how many had returned at `last_ns` */
    int64_t sync_ns;   /* what a sync takes, on average */
    int64_t since_ns, last_ns;
    bool waiting;
};

/* A flush took `sync_ns` on this thread, and `answered` connections had their answers: a round begins. `sync_ns` 0: it was another thread's, and there is no wait. */
void gather_begin(struct gather *gather, uint32_t answered, int64_t sync_ns, int64_t now_ns);
/* Something waits of a connection that was answered in round `round`. */
void gather_return(struct gather *gather, uint32_t round);
/* Whether the flush that is due shall wait: the caller looks for requests, and asks again. */
bool gather_waits(struct gather *gather, int64_t now_ns);

#endif
