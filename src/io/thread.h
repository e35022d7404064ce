/*
 * thread: locks, conditions and threads for what many threads may call. The core has one thread and uses none of this.
 *
 * A lock is not recursive. Waiting on a condition gives the lock up meanwhile and may end without a reason, so it stands in a
 * loop.
 */
#ifndef EDDA_IO_THREAD_H
#define EDDA_IO_THREAD_H

#include <pthread.h>
#include <stdbool.h>

struct lock {
    pthread_mutex_t mutex;
};

struct condition {
    pthread_cond_t variable;
};

struct thread {
    pthread_t id;
    void (*run)(void *user);
    void *user;
};

void lock_init(struct lock *lock);
void lock_deinit(struct lock *lock);
void lock_take(struct lock *lock);
void lock_give(struct lock *lock);

void condition_init(struct condition *condition);
void condition_deinit(struct condition *condition);
void condition_wait(struct condition *condition, struct lock *lock);
void condition_wake_all(struct condition *condition);

/* Starts a thread named `name` (at most 15 bytes), with all signals blocked; `thread` must live until it has been joined.
 * False when the system gives none. */
bool thread_start(struct thread *thread, const char *name, void (*run)(void *user), void *user);
void thread_join(struct thread *thread);

#endif
