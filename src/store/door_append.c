/*
 * door_append: appends, with and without waiting.
 *
 * An append without waiting is sequenced at once, in the caller's thread, so that outcomes keep the order of the calls; what
 * waits is a small note of whom to tell, and what. Refusals wait too: they may rest on an append that is not durable yet.
 */
#include <stdlib.h>

#include "base/assert.h"
#include "store/door.h"

#define MESSAGES_INLINE 16
#define INDEX_WAIT_NS INT64_C(10000000)

/* An append without waiting, from its sequencing to its outcome. */
struct async {
    struct list link;
    uint64_t position;     /* when everything before it is durable, it can be told */
    edda_append_fn *done;
    void *user;
    int code;
    struct edda_appended appended;
    struct edda_error error;
};

/* The request in the store's own terms; on the stack when it is small. */
struct translation {
    struct store_message inline_messages[MESSAGES_INLINE];
    struct store_condition inline_conditions[MESSAGES_INLINE];
    struct store_message *messages;
    struct store_condition *conditions;
};

static int translation_init(struct translation *t, const struct edda_append_request *request, struct edda_error *error)
{
    t->messages = t->inline_messages;
    t->conditions = t->inline_conditions;
    if (!request || !request->messages || (request->expected_count && !request->expected))
        return edda_fail_field(error, EDDA_EINVAL, "request", "an append needs a request with its messages and expected versions");
    if (request->count == 0 || request->count > STORE_APPEND_RECORDS_MAX || request->expected_count > STORE_APPEND_RECORDS_MAX)
        return edda_fail_field(error, request->count ? EDDA_ELIMIT : EDDA_EINVAL, "count",
                               "an append is of 1 to %d messages and as many expected versions", STORE_APPEND_RECORDS_MAX);
    if (request->count > MESSAGES_INLINE)
        t->messages = malloc(request->count * sizeof(*t->messages));
    if (request->expected_count > MESSAGES_INLINE)
        t->conditions = malloc(request->expected_count * sizeof(*t->conditions));
    if (t->messages && t->conditions)
        return 0;
    return edda_fail_with(error, EDDA_ENOMEM, "out of memory for an append of %zu messages", request->count);
}

static void translation_deinit(struct translation *t)
{
    if (t->messages != t->inline_messages)
        free(t->messages);
    if (t->conditions != t->inline_conditions)
        free(t->conditions);
}

static int category_of(struct edda_store *door, struct edda_text name, struct topic **ret_topic, struct edda_error *error)
{
    struct slice bytes = slice_of_text(name);
    if (slice_has_prefix(bytes, SLICE("_edda.")) || slice_has_prefix(bytes, SLICE("__")))
        return edda_fail_field(error, EDDA_EINVAL, "category", "the category %.*s is the store's own", (int)name.len, name.data);
    *ret_topic = store_topic(door->store, bytes);
    return *ret_topic ? 0 : store_topic_ensure(door->store, slice_of_text(name), door->partitions, ret_topic, error);
}

/* With the lock held. */
static int translate(struct edda_store *door, const struct edda_append_request *request, struct translation *t,
                     struct edda_error *error)
{
    for (size_t i = 0; i < request->count; i++) {
        const struct edda_append_message *m = &request->messages[i];
        struct topic *topic;
        int r = category_of(door, m->category, &topic, error);
        if (r < 0)
            return r;
        t->messages[i] = (struct store_message){
            .topic = topic,
            .key = slice_of_text(m->key),
            .value = slice_of_text(m->body),
            .timestamp_ms = m->time_ms,
            .event = {
                .id = slice_of_text(m->id),
                .source = slice_of_text(m->source),
                .type = slice_of_text(m->type),
                .correlation = slice_of_text(m->correlation),
                .causation = slice_of_text(m->causation),
                .traceparent = slice_of_text(m->traceparent),
                .reply_to = slice_of_text(m->reply_to),
                .expiry_ms = m->expiry_ms,
                .data_version = m->data_version,
            },
            .partition = -1,
            .identify = m->id.len > 0,
        };
    }
    for (size_t i = 0; i < request->expected_count; i++) {
        const struct edda_expected *e = &request->expected[i];
        t->conditions[i] = (struct store_condition){ slice_of_text(e->category), slice_of_text(e->key), e->version };
    }
    return 0;
}

_Static_assert((int)EDDA_EXPECT_ANY == (int)STORE_ANY && (int)EDDA_EXPECT_NONE == (int)STORE_NONE &&
               (int)EDDA_EXPECT_EXISTS == (int)STORE_EXISTS, "expectations are passed on as they are");

/* Sequences the request, once. With the lock held. */
static int sequence(struct edda_store *door, const struct edda_append_request *request, struct translation *t,
                    struct edda_appended *ret_appended, struct edda_error *error)
{
    struct store_appended appended;
    if (door->closing)
        return edda_fail_with(error, EDDA_ECLOSED, "the store is being closed");
    int r = translate(door, request, t, error);
    if (r == 0)
        r = store_append(door->store, t->conditions, request->expected_count, t->messages, request->count, true, &appended,
                         error);
    if (r == 0)
        *ret_appended = (struct edda_appended){ appended.position, appended.version, appended.offset, appended.repeated };
    return r;
}

/* Makes room for an append that was refused for want of it: for what waits for the disk, or for the index to catch up. */
static int room_make(struct edda_store *door, struct edda_error *error)
{
    if (store_durable_position(door->store) < store_tail(door->store))
        return door_settle_all(door, error);
    io_jobs_wait(door->io, INDEX_WAIT_NS);
    io_jobs_finish(door->io);
    store_maintain(door->store);
    return 0;
}

int edda_append(struct edda_store *door, const struct edda_append_request *request, struct edda_appended *ret_appended,
                struct edda_error *error)
{
    struct translation t;
    struct edda_appended appended = { 0 };
    int r = translation_init(&t, request, error);
    if (r == 0) {
        lock_take(&door->lock);
        while ((r = sequence(door, request, &t, &appended, error)) == EDDA_EBUSY)
            if ((r = room_make(door, error)) < 0)
                break;
        r = door_leave(door, r, error);
    }
    translation_deinit(&t);
    if (r == 0 && ret_appended)
        *ret_appended = appended;
    return r;
}

/* --- without waiting ------------------------------------------------------------------------------------ */

static struct async *async_new(struct edda_store *door)
{
    struct list *link = list_pop_front(&door->free_asyncs);
    return link ? container_of(link, struct async, link) : malloc(sizeof(struct async));
}

/* Whether a refusal is for the outcome, because it rests on what is in the store; others are for the caller at once. */
static bool is_outcome(int code)
{
    return code == 0 || code == EDDA_EVERSION || code == EDDA_EDUPLICATE;
}

static int async_queue(struct edda_store *door, const struct edda_append_request *request, struct translation *t,
                       edda_append_fn *done, void *user, struct edda_error *error)
{
    if (door->async_count >= DOOR_ASYNC_MAX)
        return edda_fail_with(error, EDDA_EBUSY, "%d appends are under way", DOOR_ASYNC_MAX);
    if (!door->flusher_started)
        door->flusher_started = thread_start(&door->flusher, "edda-appends", asyncs_run, door);
    struct async *async = door->flusher_started ? async_new(door) : NULL;
    if (!async)
        return edda_fail_with(error, EDDA_ENOMEM, "out of memory for an append");
    async->error = (struct edda_error){ 0 };
    async->appended = (struct edda_appended){ 0 };
    int r = sequence(door, request, t, &async->appended, &async->error);
    if (r == EDDA_EBUSY) {
        /* Perhaps what is waited for has happened, and nobody has noticed. */
        io_jobs_finish(door->io);
        store_maintain(door->store);
        r = sequence(door, request, t, &async->appended, &async->error);
    }
    if (!is_outcome(r)) {
        if (error)
            *error = async->error;
        list_push_front(&door->free_asyncs, &async->link);
        return r;
    }
    async->code = r;
    async->done = done;
    async->user = user;
    async->position = store_tail(door->store);
    if (list_empty(&door->waiting))
        condition_wake_all(&door->changed);
    list_push_back(&door->waiting, &async->link);
    door->async_count++;
    return 0;
}

int edda_append_async(struct edda_store *door, const struct edda_append_request *request, edda_append_fn *done, void *user,
                      struct edda_error *error)
{
    struct translation t;
    int r = translation_init(&t, request, error);
    if (r == 0 && !done)
        r = edda_fail_field(error, EDDA_EINVAL, "done", "an append without waiting needs somebody to tell");
    if (r == 0) {
        lock_take(&door->lock);
        r = async_queue(door, request, &t, done, user, error);
        lock_give(&door->lock);
    }
    translation_deinit(&t);
    return r;
}

/* Tells the outcomes that are certain. With the lock held, which is given up for each callback. */
static void asyncs_tell(struct edda_store *door)
{
    while (!list_empty(&door->waiting)) {
        struct async *async = container_of(door->waiting.next, struct async, link);
        bool durable = async->position <= store_durable_position(door->store);
        if (!durable && !store_broken(door->store))
            return;
        if (!durable)
            async->code = broken_fail(door->store, &async->error);
        list_remove(&async->link);
        lock_give(&door->lock);
        async->done(async->user, async->code, async->code ? NULL : &async->appended, &async->error);
        lock_take(&door->lock);
        list_push_front(&door->free_asyncs, &async->link);
        door->async_count--;
    }
}

void asyncs_run(void *user)
{
    struct edda_store *door = user;
    lock_take(&door->lock);
    for (;;) {
        if (!list_empty(&door->waiting)) {
            /* Out of memory is tried again; a failed disk is told. */
            (void)door_settle(door, container_of(door->waiting.next, struct async, link)->position, NULL);
            asyncs_tell(door);
        } else if (door->closing) {
            break;
        } else {
            condition_wait(&door->changed, &door->lock);
        }
    }
    lock_give(&door->lock);
}

void asyncs_deinit(struct edda_store *door)
{
    struct list *link;
    ASSERT(list_empty(&door->waiting));
    while ((link = list_pop_front(&door->free_asyncs)))
        free(container_of(link, struct async, link));
}
