/*
 * The public door of the store (edda/store.h), on the disk of this machine: what one thread sees, and what many see of each other.
 */
#include <ftw.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "edda/store.h"

#define T(literal) ((struct edda_text){ "" literal, sizeof(literal) - 1 })
#define THREADS 4

static struct world {
    char dir[64];
    struct edda_store *store;
    struct edda_error error;
} w;

static void world_open(void)
{
    const struct edda_store_options options = { .segment_bytes = 1 << 20 };
    int r = edda_store_open(w.dir, &options, &w.store, &w.error);
    if (r != 0)
        fail_msg("open: %d %s", r, w.error.message);
}

static int setup(void **state)
{
    (void)state;
    snprintf(w.dir, sizeof(w.dir), "/tmp/edda-unit-door-XXXXXX");
    if (!mkdtemp(w.dir))
        return -1;
    world_open();
    return 0;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static int teardown(void **state)
{
    (void)state;
    edda_store_close(w.store);
    return nftw(w.dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static struct edda_append_message message(const char *key, const char *body)
{
    return (struct edda_append_message){
        .category = T("orders"), .key = edda_text_of(key), .type = T("Placed"), .body = edda_text_of(body), .correlation = T("p1"),
    };
}

static struct edda_appended put(const char *key, const char *body)
{
    struct edda_append_message m = message(key, body);
    struct edda_appended appended;
    int r = edda_append(w.store, &(struct edda_append_request){ .messages = &m, .count = 1 }, &appended, &w.error);
    if (r != 0)
        fail_msg("append: %d %s", r, w.error.message);
    return appended;
}

static int put_expecting(const char *key, int64_t version)
{
    struct edda_append_message m = message(key, "x");
    struct edda_expected expected = { T("orders"), edda_text_of(key), version };
    return edda_append(w.store, &(struct edda_append_request){ &m, 1, &expected, 1 }, NULL, &w.error);
}

struct seen {
    char text[2048];
    size_t len;
    uint64_t stop_after; /* 0: never */
    uint64_t count;
};

static int see(void *user, const struct edda_record *record)
{
    struct seen *s = user;
    int n = snprintf(s->text + s->len, sizeof(s->text) - s->len, "%s%.*s", s->len ? " " : "", (int)record->body.len,
                     record->body.data);
    s->len += (size_t)n;
    assert_true(s->len < sizeof(s->text));
    return ++s->count == s->stop_after ? -77 : 0;
}

static int count_up(void *user, const struct edda_record *record)
{
    (void)record;
    ++*(uint64_t *)user;
    return 0;
}

static void expect_stream(const char *key, const struct edda_read_options *options, const char *expected)
{
    struct seen s = { 0 };
    int64_t n = edda_read_stream(w.store, T("orders"), edda_text_of(key), options, see, &s, &w.error);
    assert_string_equal(s.text, expected);
    assert_int_equal(n, s.count);
}

static void what_is_appended_is_read(void **state)
{
    (void)state;
    assert_int_equal(put("1", "a").version, 0);
    assert_int_equal(put("2", "b").version, 0);
    assert_int_equal(put("1", "c").version, 1);
    for (int i = 0; i < 2; i++) {
        expect_stream("1", NULL, "a c");
        expect_stream("1", &(struct edda_read_options){ .from = 1 }, "c");
        expect_stream("1", &(struct edda_read_options){ .from = EDDA_FROM_END, .backward = true }, "c a");
        expect_stream("1", &(struct edda_read_options){ .from = EDDA_FROM_END, .backward = true, .max = 1 }, "c");
        expect_stream("3", NULL, "");
        struct seen s = { 0 };
        assert_int_equal(edda_read_all(w.store, NULL, see, &s, &w.error), 3);
        assert_string_equal(s.text, "a b c");
        s = (struct seen){ 0 };
        assert_int_equal(edda_read_all(w.store, &(struct edda_read_options){ .from = EDDA_FROM_END, .backward = true, .max = 2 }, see,
                                       &s, &w.error), 2);
        assert_string_equal(s.text, "c b");
        s = (struct seen){ 0 };
        assert_int_equal(edda_read_correlation(w.store, T("p1"), &(struct edda_read_options){ .backward = true }, see, &s, &w.error), 3);
        assert_string_equal(s.text, "c b a");
        s = (struct seen){ 0 };
        assert_int_equal(edda_read_all(w.store, &(struct edda_read_options){ .category = T("nothing") }, see, &s, &w.error), 0);
        edda_store_close(w.store);
        world_open();
    }
}

static void long_readings_are_whole(void **state)
{
    (void)state;
    static struct edda_append_message many[2500];
    static char bodies[2500][8];
    for (size_t i = 0; i < 2500; i++) {
        snprintf(bodies[i], sizeof(bodies[i]), "%zu", i);
        many[i] = message(i % 5 ? "long" : "other", bodies[i]);
        many[i].type = i % 10 == 1 ? T("Rare") : T("Placed");
    }
    assert_int_equal(edda_append(w.store, &(struct edda_append_request){ .messages = many, .count = 2500 }, NULL, &w.error), 0);
    struct edda_text rare = T("Rare");
    struct seen s = { .stop_after = 3 };
    assert_int_equal(edda_read_stream(w.store, T("orders"), T("long"), &(struct edda_read_options){ .types = &rare, .type_count = 1 },
                                      see, &s, &w.error), -77);
    assert_string_equal(s.text, "1 11 21");
    s = (struct seen){ .stop_after = 3 };
    struct edda_read_options back = { .from = EDDA_FROM_END, .backward = true, .types = &rare, .type_count = 1, .category = T("orders") };
    assert_int_equal(edda_read_all(w.store, &back, see, &s, &w.error), -77);
    assert_string_equal(s.text, "2491 2481 2471");
    uint64_t count = 0;
    struct edda_read_options limited = { .max = 300 }, late = { .from = 400 }, early = { .from = 399, .backward = true };
    assert_int_equal(edda_read_stream(w.store, T("orders"), T("long"), &limited, count_up, &count, &w.error), 300);
    assert_int_equal(edda_read_stream(w.store, T("orders"), T("other"), &late, count_up, &count, &w.error), 100);
    assert_int_equal(edda_read_stream(w.store, T("orders"), T("other"), &early, count_up, &count, &w.error), 400);
    assert_int_equal(edda_read_correlation(w.store, T("p1"), &limited, count_up, &count, &w.error), 300);
    assert_int_equal(edda_read_correlation(w.store, T("p1"), &early, count_up, &count, &w.error), 2500);
    assert_int_equal(edda_read_all(w.store, &limited, count_up, &count, &w.error), 300);
    assert_int_equal(count, 300 + 100 + 400 + 300 + 2500 + 300);
}

static void refusals_are_told(void **state)
{
    (void)state;
    struct edda_append_message m = message("1", "a");
    struct edda_append_request request = { .messages = &m, .count = 1 };
    assert_int_equal(edda_append(w.store, NULL, NULL, &w.error), EDDA_EINVAL);
    assert_int_equal(edda_append(w.store, &(struct edda_append_request){ .count = 1 }, NULL, &w.error), EDDA_EINVAL);
    assert_int_equal(edda_append(w.store, &(struct edda_append_request){ .messages = &m, .count = 1, .expected_count = 1 }, NULL, &w.error),
                     EDDA_EINVAL);
    assert_int_equal(edda_read_all(w.store, NULL, NULL, NULL, &w.error), EDDA_EINVAL);
    assert_int_equal(edda_read_stream(w.store, T("a"), T("b"), NULL, NULL, NULL, &w.error), EDDA_EINVAL);
    assert_int_equal(edda_read_correlation(w.store, T("a"), NULL, NULL, NULL, &w.error), EDDA_EINVAL);
    assert_int_equal(edda_subscribe(w.store, NULL, NULL, &w.error), EDDA_EINVAL);
    assert_int_equal(put_expecting("1", EDDA_EXPECT_EXISTS), EDDA_EVERSION);
    assert_int_equal(put_expecting("1", EDDA_EXPECT_NONE), 0);
    assert_int_equal(put_expecting("1", 7), EDDA_EVERSION);
    assert_string_equal(w.error.message, "stream orders/1 is at version 0, expected at version 7");
    m.category = T("_edda.topics");
    assert_int_equal(edda_append(w.store, &request, NULL, &w.error), EDDA_EINVAL);
    assert_string_equal(w.error.field, "category");
    m.category = T("a/b");
    assert_int_equal(edda_append(w.store, &request, NULL, &w.error), EDDA_EINVAL);
    request.count = 0;
    assert_int_equal(edda_append(w.store, &request, NULL, &w.error), EDDA_EINVAL);
    assert_int_equal(edda_read_all(w.store, &(struct edda_read_options){ .from = -1 }, see, NULL, &w.error), EDDA_EINVAL);
    struct edda_store *second;
    assert_int_equal(edda_store_open(w.dir, NULL, &second, &w.error), EDDA_ELOCKED);
    assert_int_equal(edda_store_open("", NULL, &second, &w.error), EDDA_EINVAL);
    edda_store_close(NULL);
    edda_unsubscribe(NULL);
}

static void an_id_makes_an_append_repeatable(void **state)
{
    (void)state;
    struct edda_append_message m = message("1", "a");
    struct edda_appended first, again;
    m.id = T("i1");
    m.source = T("/till");
    struct edda_append_request request = { .messages = &m, .count = 1 };
    assert_int_equal(edda_append(w.store, &request, &first, &w.error), 0);
    edda_store_close(w.store);
    world_open();
    assert_int_equal(edda_append(w.store, &request, &again, &w.error), 0);
    assert_true(again.repeated && !first.repeated);
    assert_int_equal(again.position, first.position);
    assert_int_equal(again.version, 0);
    m.body = T("b");
    assert_int_equal(edda_append(w.store, &request, &again, &w.error), EDDA_EDUPLICATE);
}

static void snapshot_see(void *user, int64_t version, struct edda_text state)
{
    snprintf(user, 64, "%lld %.*s", (long long)version, (int)state.len, state.data);
}

static void streams_groups_and_snapshots(void **state)
{
    (void)state;
    struct edda_stream_info info;
    char text[64];
    put("1", "a");
    put("1", "b");
    assert_int_equal(edda_stream_truncate(w.store, T("orders"), T("1"), 1, &w.error), 0);
    expect_stream("1", NULL, "b");
    assert_int_equal(edda_stream_delete(w.store, T("orders"), T("1"), 0, &w.error), EDDA_EVERSION);
    assert_int_equal(edda_stream_delete(w.store, T("orders"), T("1"), EDDA_EXPECT_ANY, &w.error), 0);
    assert_int_equal(edda_stream_info(w.store, T("orders"), T("1"), &info, &w.error), 0);
    assert_true(info.deleted && info.next_version == 2);
    expect_stream("1", NULL, "");
    assert_int_equal(put("1", "c").version, 2);
    assert_int_equal(edda_offset_fetch(w.store, T("g"), T("orders"), 0), -1);
    assert_int_equal(edda_offset_commit(w.store, T("g"), T("orders"), 0, 17, &w.error), 0);
    assert_int_equal(edda_offset_fetch(w.store, T("g"), T("orders"), 0), 17);
    assert_int_equal(edda_snapshot_get(w.store, T("orders/1"), snapshot_see, text, &w.error), EDDA_ENOTFOUND);
    assert_int_equal(edda_snapshot_put(w.store, T("orders/1"), 2, T("state"), &w.error), 0);
    assert_int_equal(edda_snapshot_get(w.store, T("orders/1"), snapshot_see, text, &w.error), 0);
    assert_string_equal(text, "2 state");
    assert_int_equal(edda_category_ensure(w.store, T("wide"), 3, &w.error), 0);
    struct edda_store_stats stats;
    edda_store_stats(w.store, &stats);
    assert_int_equal(stats.categories, 2);
    assert_int_equal(stats.tail, edda_store_tail(w.store));
    assert_int_equal(edda_store_verify(w.store, NULL, NULL, &w.error), 0);
}

/* --- threads -------------------------------------------------------------------------------------------- */

static atomic_uint succeeded, conflicts;

/* Each thread counts the one stream up by what it has read of it, as an aggregate would. */
static void *append_in_turn(void *user)
{
    for (int i = 0; i < 50;) {
        struct edda_stream_info info;
        struct edda_error error;
        assert_int_equal(edda_stream_info(w.store, T("orders"), T("shared"), &info, &error), 0);
        struct edda_append_message m = message("shared", user);
        struct edda_expected expected = { T("orders"), T("shared"), info.next_version ? info.next_version - 1 : EDDA_EXPECT_NONE };
        int r = edda_append(w.store, &(struct edda_append_request){ &m, 1, &expected, 1 }, NULL, &error);
        assert_true(r == 0 || r == EDDA_EVERSION);
        i += r == 0;
        atomic_fetch_add(r == 0 ? &succeeded : &conflicts, 1);
    }
    return NULL;
}

static void expected_versions_hold_between_threads(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    static char names[THREADS][16];
    atomic_store(&succeeded, 0);
    for (int i = 0; i < THREADS; i++) {
        snprintf(names[i], sizeof(names[i]), "t%d", i);
        assert_int_equal(pthread_create(&threads[i], NULL, append_in_turn, names[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    struct edda_stream_info info;
    assert_int_equal(edda_stream_info(w.store, T("orders"), T("shared"), &info, &w.error), 0);
    assert_int_equal(info.next_version, THREADS * 50);
    assert_int_equal(atomic_load(&succeeded), THREADS * 50);
}

/* What a subscriber has seen, and a way to wait for it. */
struct subscriber {
    pthread_mutex_t lock;
    pthread_cond_t more;
    uint64_t count, last_position;
    bool out_of_order, live;
    int ended;
};

static int subscriber_record(void *user, const struct edda_record *record)
{
    struct subscriber *s = user;
    pthread_mutex_lock(&s->lock);
    if (s->count > 0 && record->position <= s->last_position)
        s->out_of_order = true;
    s->last_position = record->position;
    s->count++;
    pthread_cond_broadcast(&s->more);
    pthread_mutex_unlock(&s->lock);
    return record->body.len == 4 && memcmp(record->body.data, "stop", 4) == 0 ? -99 : 0;
}

static void subscriber_live(void *user)
{
    struct subscriber *s = user;
    pthread_mutex_lock(&s->lock);
    s->live = true;
    pthread_cond_broadcast(&s->more);
    pthread_mutex_unlock(&s->lock);
}

static void subscriber_ended(void *user, int code, const struct edda_error *error)
{
    struct subscriber *s = user;
    (void)error;
    pthread_mutex_lock(&s->lock);
    s->ended = code;
    pthread_cond_broadcast(&s->more);
    pthread_mutex_unlock(&s->lock);
}

static void subscriber_wait(struct subscriber *s, uint64_t count)
{
    pthread_mutex_lock(&s->lock);
    while (s->count < count || !s->live)
        pthread_cond_wait(&s->more, &s->lock);
    pthread_mutex_unlock(&s->lock);
}

static struct edda_subscription *subscribe(struct subscriber *s, struct edda_subscribe_options options)
{
    struct edda_subscription *subscription;
    *s = (struct subscriber){ .lock = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER };
    options.record = subscriber_record;
    options.live = subscriber_live;
    options.ended = subscriber_ended;
    options.user = s;
    int r = edda_subscribe(w.store, &options, &subscription, &w.error);
    if (r != 0)
        fail_msg("subscribe: %d %s", r, w.error.message);
    return subscription;
}

static void async_done(void *user, int code, const struct edda_appended *appended, const struct edda_error *error)
{
    (void)error;
    assert_true(code == 0 ? appended != NULL : code == EDDA_EVERSION);
    if (code < 0)
        atomic_fetch_add(&conflicts, 1);
    atomic_fetch_add((atomic_uint *)user, 1);
}

static void *append_much(void *user)
{
    atomic_uint *done = user;
    for (int i = 0; i < 300; i++) {
        struct edda_error error;
        char key[8];
        snprintf(key, sizeof(key), "%d", i % 16);
        struct edda_append_message m = message(key, "x");
        struct edda_append_request request = { .messages = &m, .count = 1 };
        int r;
        if (i % 3 == 0) {
            r = edda_append(w.store, &request, NULL, &error);
            atomic_fetch_add(done, 1);
        } else {
            r = edda_append_async(w.store, &request, async_done, done, &error);
        }
        assert_int_equal(r, 0);
    }
    return NULL;
}

static void subscriptions_miss_and_repeat_nothing(void **state)
{
    (void)state;
    struct subscriber early, late, category, nothing;
    pthread_t threads[THREADS];
    atomic_uint done[THREADS];
    struct edda_subscription *first = subscribe(&early, (struct edda_subscribe_options){ 0 });
    struct edda_subscription *fourth = subscribe(&nothing, (struct edda_subscribe_options){ .category = T("nothing") });
    for (int i = 0; i < THREADS; i++) {
        atomic_init(&done[i], 0);
        pthread_create(&threads[i], NULL, append_much, &done[i]);
    }
    struct edda_subscription *second = subscribe(&late, (struct edda_subscribe_options){ 0 });
    struct edda_subscription *third = subscribe(&category, (struct edda_subscribe_options){ .category = T("orders") });
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    subscriber_wait(&early, THREADS * 300);
    subscriber_wait(&late, THREADS * 300);
    subscriber_wait(&category, THREADS * 300);
    subscriber_wait(&nothing, 0);
    struct edda_subscription *stream = subscribe(&nothing, (struct edda_subscribe_options){ .category = T("orders"), .key = T("3") });
    struct seen s = { 0 };
    uint64_t in_stream = (uint64_t)edda_read_stream(w.store, T("orders"), T("3"), NULL, see, &s, &w.error);
    subscriber_wait(&nothing, in_stream);
    put("3", "x");
    put("4", "x");
    subscriber_wait(&nothing, in_stream + 1);
    subscriber_wait(&early, THREADS * 300 + 2);
    edda_unsubscribe(first);
    edda_unsubscribe(second);
    edda_unsubscribe(stream);
    /* The third and fourth are ended by the close. */
    edda_store_close(w.store);
    (void)third;
    (void)fourth;
    world_open();
    assert_int_equal(early.count, THREADS * 300 + 2);
    assert_int_equal(category.count, THREADS * 300 + 2);
    assert_int_equal(nothing.count, in_stream + 1);
    assert_false(early.out_of_order || late.out_of_order || category.out_of_order);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(atomic_load(&done[i]), 300);
}

static void a_subscription_begins_and_ends_where_it_is_told(void **state)
{
    (void)state;
    struct subscriber now, stopped;
    put("1", "old");
    struct edda_subscription *a = subscribe(&now, (struct edda_subscribe_options){ .from = EDDA_FROM_END });
    struct edda_subscription *b = subscribe(&stopped, (struct edda_subscribe_options){ .from = EDDA_FROM_END, .category = T("orders"),
                                                                                      .key = T("1") });
    put("1", "new");
    subscriber_wait(&now, 1);
    subscriber_wait(&stopped, 1);
    put("1", "stop");
    put("1", "after");
    pthread_mutex_lock(&stopped.lock);
    while (stopped.ended == 0)
        pthread_cond_wait(&stopped.more, &stopped.lock);
    pthread_mutex_unlock(&stopped.lock);
    edda_unsubscribe(a);
    edda_unsubscribe(b);
    assert_int_equal(stopped.count, 2);
    assert_int_equal(stopped.ended, -99);
    assert_true(now.count == 2);
    struct edda_subscription *none;
    assert_int_equal(edda_subscribe(w.store, &(struct edda_subscribe_options){ 0 }, &none, &w.error), EDDA_EINVAL);
}

/* A callback may use the store. */
static void append_again(void *user, int code, const struct edda_appended *appended, const struct edda_error *error)
{
    (void)appended;
    (void)error;
    assert_int_equal(code, 0);
    put("again", "from a callback");
    subscriber_live(user);
}

static void outcomes_come_in_order_and_all_of_them(void **state)
{
    (void)state;
    atomic_uint done;
    atomic_init(&done, 0);
    atomic_store(&conflicts, 0);
    for (int i = 0; i < 20; i++) {
        struct edda_append_message m = message("async", "x");
        struct edda_expected expected = { T("orders"), T("async"), i < 10 ? i - (i ? 1 : 2) : 5 };
        assert_int_equal(edda_append_async(w.store, &(struct edda_append_request){ &m, 1, &expected, 1 }, async_done, &done, &w.error), 0);
    }
    struct edda_append_message m = message("async", "x");
    struct subscriber called = { .lock = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER };
    assert_int_equal(edda_append_async(w.store, &(struct edda_append_request){ &m, 1, NULL, 0 }, append_again, &called, &w.error), 0);
    subscriber_wait(&called, 0);
    assert_int_equal(edda_append_async(w.store, &(struct edda_append_request){ &m, 1, NULL, 0 }, NULL, &done, &w.error), EDDA_EINVAL);
    assert_int_equal(atomic_load(&done), 20);
    assert_int_equal(edda_append_async(w.store, &(struct edda_append_request){ &m, 1, NULL, 0 }, async_done, &done, &w.error), 0);
    edda_store_close(w.store);
    assert_int_equal(atomic_load(&done), 21);
    assert_int_equal(atomic_load(&conflicts), 10);
    world_open();
    expect_stream("again", NULL, "from a callback");
    struct edda_stream_info info;
    assert_int_equal(edda_stream_info(w.store, T("orders"), T("async"), &info, &w.error), 0);
    assert_int_equal(info.next_version, 12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(what_is_appended_is_read),
        TEST(long_readings_are_whole),
        TEST(refusals_are_told),
        TEST(an_id_makes_an_append_repeatable),
        TEST(streams_groups_and_snapshots),
        TEST(expected_versions_hold_between_threads),
        TEST(subscriptions_miss_and_repeat_nothing),
        TEST(a_subscription_begins_and_ends_where_it_is_told),
        TEST(outcomes_come_in_order_and_all_of_them),
#undef TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
