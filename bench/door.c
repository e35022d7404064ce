/*
 * What a program with threads gets from the store's public door (edda/store.h): appends that wait for the disk, by one thread and by
 * many, appends that do not wait, and reading everything.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "edda/store.h"

#define THREADS_MAX 64
#define SECONDS 2.0

static struct edda_store *store;
static atomic_ullong appended;
static atomic_bool stop;

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void must(int64_t r, const struct edda_error *error)
{
    if (r < 0) {
        fprintf(stderr, "%" PRId64 " %s\n", r, error->message);
        exit(1);
    }
}

static struct edda_append_message message_of(char key[24], uint64_t number)
{
    snprintf(key, 24, "%" PRIu64, number % 20000);
    return (struct edda_append_message){
        .category = EDDA_TEXT("orders"),
        .key = edda_text_of(key),
        .type = EDDA_TEXT("OrderCreated"),
        .body = EDDA_TEXT("{\"id\":4711,\"holderId\":\"jjy\",\"currencyId\":1,\"amount\":500.0}"),
    };
}

static void *append_waiting(void *user)
{
    uint64_t number = (uint64_t)(uintptr_t)user * 1000003;
    while (!atomic_load(&stop)) {
        struct edda_error error;
        char key[24];
        struct edda_append_message m = message_of(key, number++);
        must(edda_append(store, &(struct edda_append_request){ .messages = &m, .count = 1 }, NULL, &error), &error);
        atomic_fetch_add(&appended, 1);
    }
    return NULL;
}

static void by_threads(unsigned count)
{
    pthread_t threads[THREADS_MAX];
    atomic_store(&appended, 0);
    atomic_store(&stop, false);
    double start = now_s();
    for (unsigned i = 0; i < count; i++)
        pthread_create(&threads[i], NULL, append_waiting, (void *)(uintptr_t)i);
    struct timespec pause = { .tv_sec = (time_t)SECONDS };
    nanosleep(&pause, NULL);
    atomic_store(&stop, true);
    for (unsigned i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    double rate = (double)atomic_load(&appended) / (now_s() - start);
    printf("%2u threads, each append waits:   %9.0f/s, %7.0f us each\n", count, rate, (double)count * 1e6 / rate);
}

static void told(void *user, int code, const struct edda_appended *result, const struct edda_error *error)
{
    (void)user;
    (void)result;
    must(code, error);
    atomic_fetch_add(&appended, 1);
}

static void without_waiting(uint64_t count)
{
    struct edda_error error;
    double start = now_s();
    atomic_store(&appended, 0);
    for (uint64_t i = 0; i < count; i++) {
        char key[24];
        struct edda_append_message m = message_of(key, i);
        int r;
        while ((r = edda_append_async(store, &(struct edda_append_request){ .messages = &m, .count = 1 }, told, NULL, &error)) == EDDA_EBUSY)
            nanosleep(&(struct timespec){ .tv_nsec = 50000 }, NULL);
        must(r, &error);
    }
    while (atomic_load(&appended) < count)
        nanosleep(&(struct timespec){ .tv_nsec = 50000 }, NULL);
    printf("one thread that does not wait:   %9.0f/s\n", (double)count / (now_s() - start));
}

static int nothing(void *user, const struct edda_record *record)
{
    (void)user;
    (void)record;
    return 0;
}

int main(int argc, char **argv)
{
    struct edda_error error;
    must(edda_store_open(argc > 1 ? argv[1] : "/tmp/edda-bench-door", NULL, &store, &error), &error);
    for (unsigned threads = 1; threads <= THREADS_MAX; threads *= 4)
        by_threads(threads);
    without_waiting(500000);
    double start = now_s();
    int64_t records = edda_read_all(store, NULL, nothing, NULL, &error);
    must(records, &error);
    printf("reading everything:              %9.0f records/s\n", (double)records / (now_s() - start));
    edda_store_close(store);
    return 0;
}
