/* thread: see thread.h. */
#include "io/thread.h"

#include <signal.h>

#include "base/assert.h"

void lock_init(struct lock *lock)
{
    ASSERT(pthread_mutex_init(&lock->mutex, NULL) == 0);
}

void lock_deinit(struct lock *lock)
{
    ASSERT(pthread_mutex_destroy(&lock->mutex) == 0);
}

void lock_take(struct lock *lock)
{
    ASSERT(pthread_mutex_lock(&lock->mutex) == 0);
}

void lock_give(struct lock *lock)
{
    ASSERT(pthread_mutex_unlock(&lock->mutex) == 0);
}

void condition_init(struct condition *condition)
{
    ASSERT(pthread_cond_init(&condition->variable, NULL) == 0);
}

void condition_deinit(struct condition *condition)
{
    ASSERT(pthread_cond_destroy(&condition->variable) == 0);
}

void condition_wait(struct condition *condition, struct lock *lock)
{
    ASSERT(pthread_cond_wait(&condition->variable, &lock->mutex) == 0);
}

void condition_wake_all(struct condition *condition)
{
    ASSERT(pthread_cond_broadcast(&condition->variable) == 0);
}

static void *thread_main(void *user)
{
    struct thread *thread = user;
    thread->run(thread->user);
    return NULL;
}

bool thread_start(struct thread *thread, const char *name, void (*run)(void *user), void *user)
{
    sigset_t all, before;
    *thread = (struct thread){ .run = run, .user = user };
    sigfillset(&all);
    ASSERT(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
    bool started = pthread_create(&thread->id, NULL, thread_main, thread) == 0;
    ASSERT(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
    if (started)
        (void)pthread_setname_np(thread->id, name);
    return started;
}

void thread_join(struct thread *thread)
{
    ASSERT(pthread_join(thread->id, NULL) == 0);
}
