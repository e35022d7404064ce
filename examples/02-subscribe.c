/*
 * A read model beside the store: how many points each user has, folded from events as they come. It first gets all that has
 * happened, then what happens, and after a restart goes on where it stopped.
 *
 *     02-subscribe [DIRECTORY]
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "edda/store.h"

#define USERS 3

static const char *const users[USERS] = { "ann", "bob", "jjy" };
static struct edda_error error;

/* The read model. Its subscription has a thread of its own, so it has a lock. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int64_t points[USERS];
    int64_t next_position; /* everything before it is in `points` */
} model = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

static void must(int64_t result)
{
    if (result >= 0)
        return;
    fprintf(stderr, "%s: %s\n", edda_code_info((int)result)->name, error.message);
    exit(1);
}

static int points_taken(void *user, const struct edda_record *record)
{
    (void)user;
    pthread_mutex_lock(&model.lock);
    for (int i = 0; i < USERS; i++)
        if (edda_text_is(record->key, users[i]))
            model.points[i] += strtoll(record->body.data, NULL, 10);
    model.next_position = (int64_t)record->position + 1;
    pthread_cond_broadcast(&model.changed);
    pthread_mutex_unlock(&model.lock);
    return 0;
}

static void caught_up(void *user)
{
    (void)user;
    printf("caught up; from now on live\n");
}

/* A snapshot of the model, saved under the position it stands for: the next start need not read everything again. */
static void restore(void *user, int64_t position, struct edda_text state)
{
    (void)user;
    if (state.len == sizeof(model.points))
        memcpy(model.points, state.data, sizeof(model.points));
    model.next_position = position;
}

static uint64_t give_points(struct edda_store *store, const char *user, int64_t points)
{
    /* Texts of bodies are not zero-terminated when they are read; a space ends the number. */
    char body[32];
    snprintf(body, sizeof(body), "%" PRId64 " ", points);
    struct edda_append_message message = {
        .category = EDDA_TEXT("points"), .key = edda_text_of(user), .type = EDDA_TEXT("PointsGiven"), .body = edda_text_of(body),
    };
    struct edda_appended appended;
    must(edda_append(store, &(struct edda_append_request){ .messages = &message, .count = 1 }, &appended, &error));
    return appended.position;
}

int main(int argc, char **argv)
{
    struct edda_store *store;
    must(edda_store_open(argc > 1 ? argv[1] : "example-02", NULL, &store, &error));

    int r = edda_snapshot_get(store, EDDA_TEXT("model/points"), restore, NULL, &error);
    must(r == EDDA_ENOTFOUND ? 0 : r);
    int64_t before = model.points[2];
    printf("jjy has %" PRId64 " points; going on at position %" PRId64 "\n", before, model.next_position);

    give_points(store, "jjy", 100);
    struct edda_text types[] = { EDDA_TEXT("PointsGiven") };
    struct edda_subscribe_options options = {
        .from = model.next_position,
        .category = EDDA_TEXT("points"),
        .types = types,
        .type_count = 1,
        .record = points_taken,
        .live = caught_up,
    };
    struct edda_subscription *subscription;
    must(edda_subscribe(store, &options, &subscription, &error));
    give_points(store, "ann", 1);
    int64_t last = (int64_t)give_points(store, "jjy", 11);

    /* The subscription has seen the last event a moment after it became durable. */
    pthread_mutex_lock(&model.lock);
    while (model.next_position <= last)
        pthread_cond_wait(&model.changed, &model.lock);
    pthread_mutex_unlock(&model.lock);
    edda_unsubscribe(subscription);

    struct edda_text state = { (const char *)model.points, sizeof(model.points) };
    must(edda_snapshot_put(store, EDDA_TEXT("model/points"), model.next_position, state, &error));
    printf("jjy has %" PRId64 " points\n", model.points[2]);
    edda_store_close(store);
    return model.points[2] == before + 111 ? 0 : 1;
}
