/*
 * subscription: records from a place on, each once, by a thread of the subscription's own.
 *
 * The thread reads what is durable from where it stands, gives it to the callback without the lock, and waits for more to
 * become durable when there is none. There is no switch from catching up to live: both are the same reading, so nothing can
 * be missed or given twice in between.
 */
#include <stdlib.h>

#include "store/door.h"

struct edda_subscription {
    struct list link;             /* the store's */
    struct edda_store *door;
    struct thread thread;
    struct edda_subscribe_options options;
    struct filter filter;
    struct edda_text category, key;
    struct store_cursor cursor;   /* of positions */
    int64_t version;              /* of a stream: the next one */
    bool stopping;
    bool live;
    struct gather gather;
    struct edda_error error;
    struct arena arena;           /* copies of the texts of the options */
};

static int stream_visit(void *user, const struct store_record *record, int64_t version)
{
    struct edda_subscription *s = user;
    if (gather_full(&s->gather) || record->position >= store_durable_position(s->door->store))
        return 1;
    s->version = version + 1;
    return gather_add(&s->gather, &s->filter, record, version);
}

static int stream_next(struct edda_subscription *s)
{
    struct store *store = s->door->store;
    int64_t visited = store_stream_read(store, slice_of_text(s->category), slice_of_text(s->key), s->version, false, UINT64_MAX,
                                        stream_visit, s);
    if (visited < 0)
        return edda_fail_with(&s->error, (int)visited, "%s", store_read_error(store)->message);
    return 0;
}

static int positions_next(struct edda_subscription *s)
{
    struct store *store = s->door->store;
    struct store_record record;
    /* The category may come into being later, and then begins behind where the subscription stands. */
    if (s->category.data && !s->cursor.only) {
        s->cursor.only = store_topic(store, slice_of_text(s->category));
        if (!s->cursor.only)
            return 0;
    }
    while (!gather_full(&s->gather) && s->cursor.position < store_durable_position(store)) {
        uint64_t before = s->cursor.position;
        int r = store_cursor_next(store, &s->cursor, &record, &s->error);
        if (r <= 0)
            return r;
        if (record.position >= store_durable_position(store)) {
            s->cursor.position = before;
            return 0;
        }
        r = gather_add(&s->gather, &s->filter, &record, -1);
        if (r < 0)
            return edda_fail_with(&s->error, r, "out of memory for a subscription");
    }
    return 0;
}

/* Gives what there is, without the lock, and then tells that the subscription is live, if it has become so. */
static int give(struct edda_subscription *s, bool caught_up)
{
    uint64_t given = 0;
    lock_give(&s->door->lock);
    int r = gather_give(&s->gather, s->options.record, s->options.user, UINT64_MAX, &given);
    if (r == 0 && caught_up && !s->live) {
        s->live = true;
        if (s->options.live)
            s->options.live(s->options.user);
    }
    lock_take(&s->door->lock);
    return r;
}

static void subscription_run(void *user)
{
    struct edda_subscription *s = user;
    struct edda_store *door = s->door;
    int r = 0;
    lock_take(&door->lock);
    while (r == 0 && !s->stopping) {
        gather_clear(&s->gather);
        r = s->key.data ? stream_next(s) : positions_next(s);
        bool caught_up = r == 0 && !gather_full(&s->gather);
        if (r == 0 && (s->gather.count > 0 || (caught_up && !s->live)))
            r = give(s, caught_up);
        else if (caught_up)
            condition_wait(&door->changed, &door->lock);
    }
    bool ended_itself = r != 0 && !s->stopping;
    lock_give(&door->lock);
    if (ended_itself && s->options.ended)
        s->options.ended(s->options.user, r, &s->error);
}

static bool text_copy(struct edda_subscription *s, struct edda_text text, struct edda_text *ret_copy)
{
    *ret_copy = text;
    if (!text.data)
        return true;
    *ret_copy = text_of_slice(arena_copy(&s->arena, slice_of_text(text)));
    return ret_copy->data != NULL;
}

static void subscription_free(struct edda_subscription *s)
{
    if (!s)
        return;
    gather_deinit(&s->gather);
    arena_deinit(&s->arena);
    store_cursor_deinit(&s->cursor);
    free(s);
}

static struct edda_subscription *subscription_new(struct edda_store *door, const struct edda_subscribe_options *options)
{
    struct edda_subscription *s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    list_init(&s->link);
    s->door = door;
    s->options = *options;
    gather_init(&s->gather);
    arena_init(&s->arena, 0, 0);
    struct edda_text *types = options->type_count ? arena_alloc(&s->arena, options->type_count * sizeof(*types)) : NULL;
    bool ok = text_copy(s, options->category, &s->category) && text_copy(s, options->key, &s->key) &&
              (types || !options->type_count);
    for (size_t i = 0; ok && i < options->type_count; i++)
        ok = text_copy(s, options->types[i], &types[i]);
    s->filter = (struct filter){ types, options->type_count, options->category.data != NULL };
    if (ok)
        return s;
    subscription_free(s);
    return NULL;
}

static int options_check(const struct edda_subscribe_options *options, struct edda_error *error)
{
    if (!options || !options->record)
        return edda_fail_field(error, EDDA_EINVAL, "record", "a subscription needs somebody to tell");
    if (options->key.data && !options->category.data)
        return edda_fail_field(error, EDDA_EINVAL, "category", "a stream has a category");
    return options->from < 0 ? edda_fail_field(error, EDDA_EINVAL, "from", "a subscription begins at 0 or later") : 0;
}

/* Where to begin: now is behind all that is durable. With the lock held. */
static int start_place(struct edda_subscription *s, struct edda_error *error)
{
    struct store *store = s->door->store;
    bool now = s->options.from == EDDA_FROM_END;
    int r = now ? door_settle_all(s->door, error) : 0;
    if (r < 0)
        return r;
    if (s->key.data) {
        struct stream_info info = { 0 };
        r = now ? store_stream_info(store, slice_of_text(s->category), slice_of_text(s->key), &info) : 0;
        s->version = now ? info.next_version : s->options.from;
        return r < 0 ? edda_fail_with(error, r, "%s", store_read_error(store)->message) : 0;
    }
    store_cursor_init(&s->cursor, now ? store_durable_position(store) : (uint64_t)s->options.from, NULL);
    return 0;
}

int edda_subscribe(struct edda_store *door, const struct edda_subscribe_options *options,
                   struct edda_subscription **ret_subscription, struct edda_error *error)
{
    int r = options_check(options, error);
    if (r < 0)
        return r;
    struct edda_subscription *s = subscription_new(door, options);
    if (!s)
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory for a subscription");
    lock_take(&door->lock);
    if (door->closing)
        r = edda_fail_with(error, EDDA_ECLOSED, "the store is being closed");
    else if (door->subscription_count >= DOOR_SUBSCRIPTIONS_MAX)
        r = edda_fail_with(error, EDDA_ELIMIT, "there are %d subscriptions, as many as there may be", DOOR_SUBSCRIPTIONS_MAX);
    else
        r = start_place(s, error);
    if (r == 0 && !thread_start(&s->thread, "edda-subscribe", subscription_run, s))
        r = edda_fail_with(error, EDDA_ENOMEM, "the system gives no further thread");
    if (r == 0) {
        list_push_back(&door->subscriptions, &s->link);
        door->subscription_count++;
    }
    lock_give(&door->lock);
    if (r < 0)
        subscription_free(s);
    else
        *ret_subscription = s;
    return r;
}

/* Ends the thread; the subscription stays its owner's to free. */
static void subscription_stop(struct edda_subscription *s)
{
    lock_take(&s->door->lock);
    s->stopping = true;
    condition_wake_all(&s->door->changed);
    lock_give(&s->door->lock);
    thread_join(&s->thread);
}

void edda_unsubscribe(struct edda_subscription *s)
{
    if (!s)
        return;
    subscription_stop(s);
    lock_take(&s->door->lock);
    list_remove(&s->link);
    s->door->subscription_count--;
    lock_give(&s->door->lock);
    subscription_free(s);
}

void subscriptions_end(struct edda_store *door)
{
    while (!list_empty(&door->subscriptions))
        edda_unsubscribe(container_of(door->subscriptions.next, struct edda_subscription, link));
}
