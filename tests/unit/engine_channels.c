/* Channels, seen from the side that talks to the broker: what is published when, from where it goes on, what comes in. */
#include "engine_rig.h"

#include <stdio.h>
#include <string.h>

static const struct edda_channel channels[] = {
    { "do", &Do, EDDA_CHANNEL_IN }, { "done", &Done, EDDA_CHANNEL_OUT }, { .name = NULL }
};

static int setup(void **state)
{
    static struct rig rig;
    rig_new(&rig);
    rig.channels = channels;
    rig_open(&rig);
    *state = &rig;
    return 0;
}

static int teardown(void **state)
{
    rig_free(*state);
    return 0;
}

static struct engine_channels_info info(struct rig *rig)
{
    struct engine_channels_info found;
    assert_true(engine_channels(rig->engine, &found));
    return found;
}

/* Takes what there is to publish, "channel payload; …", acknowledging the first `acknowledged` of it; returns the last position. */
static char taken[1024];
static uint64_t take(struct rig *rig, int acknowledged)
{
    struct engine_publication p = { 0 };
    struct edda_error error = { 0 };
    uint64_t last = 0;
    int rc;
    taken[0] = '\0';
    while ((rc = engine_publish_next(rig->engine, &p, &error)) == 1) {
        size_t used = strlen(taken);
        (void)snprintf(taken + used, sizeof taken - used, "%s %.*s; ", p.channel, (int)p.payload.len, (const char *)p.payload.data);
        last = p.position;
        if (acknowledged-- > 0)
            engine_published(rig->engine, p.position);
    }
    assert_int_equal(rc, 0);
    return last;
}

static void come(struct rig *rig, const char *payload, int code)
{
    assert_int_equal(engine_receive(rig->engine, SLICE("do"), slice_str(payload), NULL), code);
}

static void what_comes_in_is_handled_and_goes_out_when_durable(void **state)
{
    struct rig *rig = *state;
    come(rig, "{\"id\":\"a\",\"n\":\"5\"}", 0);
    (void)engine_turn(rig->engine, NULL);
    take(rig, 9);
    assert_string_equal(taken, ""); /* it is not durable yet */
    rig_run(rig);
    assert_int_equal(rig_total(rig, "a"), 5);
    take(rig, 9);
    assert_string_equal(taken, "done {\"id\":\"a\",\"n\":5}; ");
    take(rig, 9);
    assert_string_equal(taken, "");
    assert_int_equal(info(rig).published, 1);
    assert_int_equal(info(rig).received, 1);
    assert_true(slice_eq_str(rig_cloudevent(rig, "work.commands", "Do", 0).source, "redis/do"));
}

static void two_equal_payloads_are_two_messages(void **state)
{
    struct rig *rig = *state;
    come(rig, "{\"id\":\"a\",\"n\":5}", 0);
    come(rig, "{\"id\":\"a\",\"n\":5}", 0);
    rig_run(rig);
    assert_int_equal(rig_total(rig, "a"), 10);
}

static void what_is_wrong_is_counted_and_not_recorded(void **state)
{
    struct rig *rig = *state;
    struct edda_error error = { 0 };
    come(rig, "no json", EDDA_EMALFORMED);
    come(rig, "{\"id\":\"a\",\"n\":5000}", EDDA_EINVAL);
    come(rig, "{\"id\":\"\",\"n\":5}", EDDA_EINVAL);
    assert_int_equal(engine_receive(rig->engine, SLICE("elsewhere"), SLICE("{}"), &error), EDDA_ENOTFOUND);
    assert_int_equal(info(rig).malformed, 3);
    assert_int_equal(info(rig).received, 0);
    assert_string_equal(rig->log, "channel.malformed");
    assert_int_equal(rig_count(rig, "work.commands", NULL), 0);
}

static void it_goes_on_where_the_other_side_is(void **state)
{
    struct rig *rig = *state;
    DO(rig, "a", 1, NULL);
    uint64_t first = take(rig, 1);
    DO(rig, "a", 2, NULL);
    DO(rig, "a", 3, NULL);
    take(rig, 0); /* sent, and the connection is lost before the answer */
    engine_publish_from(rig->engine, true, first);
    take(rig, 2);
    assert_non_null(strstr(taken, "\"n\":2"));
    assert_non_null(strstr(taken, "\"n\":3"));
    assert_null(strstr(taken, "\"n\":1,"));
    engine_publish_from(rig->engine, false, 0); /* it has forgotten, we have not */
    take(rig, 9);
    assert_string_equal(taken, "");
}

/* The log was restored from a copy: its positions are given anew. */
static void a_mark_beyond_the_log_is_of_another_history(void **state)
{
    struct rig *rig = *state;
    DO(rig, "a", 1, NULL);
    engine_publish_from(rig->engine, true, 1000000);
    assert_string_equal(rig->log, "channel.behind");
    DO(rig, "a", 2, NULL);
    take(rig, 9);
    assert_non_null(strstr(taken, "\"n\":1"));
    assert_non_null(strstr(taken, "\"n\":2"));
}

/* One call looks at so much and no more, and says that it has not seen all. */
static void behind_much_else_it_is_found(void **state)
{
    struct rig *rig = *state;
    struct engine_publication p;
    for (int i = 0; i < 5000; i++)
        rig_raw(rig, "elsewhere", "k", "{}", &(struct cloudevent){ .type = SLICE("Other"), .source = SLICE("o") }, NULL, NULL);
    DO(rig, "a", 1, NULL);
    assert_int_equal(engine_publish_next(rig->engine, &p, NULL), ENGINE_PUBLISH_MORE);
    assert_int_equal(engine_publish_next(rig->engine, &p, NULL), 1);
    assert_int_equal(engine_publish_next(rig->engine, &p, NULL), 0);
}

static void a_start_goes_on_where_it_was_noted(void **state)
{
    struct rig *rig = *state;
    DO(rig, "a", 1, NULL);
    take(rig, 1);
    engine_publish_note(rig->engine);
    DO(rig, "a", 2, NULL);
    rig_crash(rig, false);
    engine_publish_from(rig->engine, false, 0);
    uint64_t second = take(rig, 0);
    assert_non_null(strstr(taken, "\"n\":2"));
    assert_null(strstr(taken, "\"n\":1,"));
    rig_crash(rig, false);
    engine_publish_from(rig->engine, true, second); /* the other side knows better than the note */
    take(rig, 9);
    assert_string_equal(taken, "");
}

static void a_full_disk_lets_it_wait(void **state)
{
    struct rig *rig = *state;
    io_simulated_set_capacity(rig->io, 1);
    int rc = 0;
    for (int i = 0; i < 100000 && rc == 0; i++) {
        rc = engine_receive(rig->engine, SLICE("do"), SLICE("{\"id\":\"a\",\"n\":5}"), NULL);
        (void)engine_turn(rig->engine, NULL);
        (void)journal_flush(rig->journal, true, NULL);
    }
    assert_true(rc == EDDA_EFULL || rc == EDDA_EBUSY);
    assert_int_equal(info(rig).malformed, 0);
    io_simulated_set_capacity(rig->io, UINT64_C(64) << 20);
    rig_pass(rig, 1000);
    come(rig, "{\"id\":\"b\",\"n\":5}", 0);
    rig_run(rig);
    assert_int_equal(rig_total(rig, "b"), 5);
}

static void refused(struct rig *rig, const struct edda_channel *wrong, const char *part)
{
    struct edda_error error = { 0 };
    rig->channels = wrong;
    assert_int_equal(rig_try_open(rig, &error), EDDA_EINVAL);
    if (!strstr(error.message, part))
        fail_msg("it says: %s", error.message);
    journal_close(rig->journal, true);
    rig->journal = NULL;
}

static void wrong_tables_are_refused(void **state)
{
    struct rig *rig = *state;
    rig_close(rig);
    refused(rig, (const struct edda_channel[]){ { "a", &tally, EDDA_CHANNEL_IN }, { .name = NULL } }, "no event or command");
    refused(rig, (const struct edda_channel[]){ { "a", &Do, EDDA_CHANNEL_IN }, { "a", &Ask, EDDA_CHANNEL_IN }, { .name = NULL } }, "there twice");
    refused(rig, (const struct edda_channel[]){ { "a", &Done, EDDA_CHANNEL_OUT }, { "b", &Done, EDDA_CHANNEL_OUT }, { .name = NULL } },
            "goes out on two channels");
    refused(rig, (const struct edda_channel[]){ { "a", &Done, EDDA_CHANNEL_OUT }, { "a", &Do, EDDA_CHANNEL_IN }, { .name = NULL } },
            "channel a goes in and out");
    refused(rig, (const struct edda_channel[]){ { "a", &Do, (enum edda_direction)0 }, { .name = NULL } }, "neither in nor out");
    refused(rig, (const struct edda_channel[]){ { "", &Do, EDDA_CHANNEL_IN }, { .name = NULL } }, "1 to 512 bytes");
    rig->channels = NULL;
    rig_open(rig);
    struct engine_channels_info none;
    assert_false(engine_channels(rig->engine, &none));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_comes_in_is_handled_and_goes_out_when_durable),
        TEST(two_equal_payloads_are_two_messages),
        TEST(what_is_wrong_is_counted_and_not_recorded),
        TEST(it_goes_on_where_the_other_side_is),
        TEST(a_mark_beyond_the_log_is_of_another_history),
        TEST(behind_much_else_it_is_found),
        TEST(a_start_goes_on_where_it_was_noted),
        TEST(a_full_disk_lets_it_wait),
        TEST(wrong_tables_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
