/* Effects: begun when durable, done with one key, retried, refused, held by rate and breaker; and calls of commands that they handle. */
#include "engine_rig.h"

#include <stdio.h>
#include <string.h>

/* --- an application with effects ------------------------------------------------------------------------------------ */

struct Order { struct edda_text id; int64_t n; };
struct Notice { struct edda_text id; int64_t n; };
struct Noticed { struct edda_text id; int64_t n; };
struct notices { int64_t total; };
static const struct edda_field Order_fields[] = { EDDA_FIELD(Order, id), EDDA_FIELD(Order, n) };
static const struct edda_type Order = EDDA_COMMAND(Order, id, .topic = "notices.commands");
static const struct edda_field Notice_fields[] = { EDDA_FIELD(Notice, id), EDDA_FIELD(Notice, n) };
static const struct edda_type Notice = EDDA_EVENT(Notice, id, .topic = "inbox");
static const struct edda_field Noticed_fields[] = { EDDA_FIELD(Noticed, id), EDDA_FIELD(Noticed, n) };
static const struct edda_type Noticed = EDDA_EVENT(Noticed, id, .topic = "notices");
static const struct edda_field notices_fields[] = { EDDA_FIELD(notices, total) };
static const struct edda_type notices = EDDA_STATE(notices);

static int emit_also;     /* the mailer emits Noticed although its mail failed */
static int64_t steps_run;

EDDA_EVOLVE(noticed, notices, Noticed);
static void noticed(struct notices *n, const struct Noticed *e)
{
    n->total += e->n;
}

static int tell(struct edda_step *step, struct edda_text id, int64_t n)
{
    steps_run++;
    int rc = edda_mail(step, &(struct edda_mail){ .to = T("a@b.example"), .subject = T("hello"), .text = id });
    if (rc < 0 && !emit_also)
        return rc;
    return edda_emit(step, Noticed, .id = id, .n = n);
}

EDDA_HANDLER(notify, Notice, notices);
static int notify(struct edda_step *step, const struct Notice *m, const struct notices *state)
{
    (void)state;
    return tell(step, m->id, m->n);
}

EDDA_HANDLER(take_order, Order, notices);
static int take_order(struct edda_step *step, const struct Order *m, const struct notices *state)
{
    (void)state;
    if (m->n == 13)
        return edda_reject(step, "n", "not thirteen");
    int rc = tell(step, m->id, m->n);
    return rc < 0 ? rc : edda_reply(step, Told, .id = m->id, .n = m->n);
}

static const struct edda_effect slow = { .threads = 2, .per_second = 4, .breaker_failures = 3, .breaker_ms = 5000 };
static const struct edda_effect plain = { .threads = 4 };

static const struct edda_service mailer = {
    .name = "mailer",
    .entity = EDDA_ENTITY(notices, "notices"),
    .evolve = (const struct edda_row[]){ EDDA_WHEN(Noticed, noticed), EDDA_END },
    .on = (const struct edda_row[]){ EDDA_ON(Notice, notify, id, .effect = &slow, .retry = { .immediate = 1, .delayed = 2, .delay_first_ms = 100 }),
                                     EDDA_ON(Order, take_order, id, .effect = &plain, .retry = { .delayed = 3, .delay_first_ms = 1000 }), EDDA_END },
};

/* --- the outside ---------------------------------------------------------------------------------------------------- */

static int away;           /* so many calls are unavailable */
static int refuses;
static int done;           /* calls that worked */
static int asked;
static int asked_undurable;
static int64_t slow_ms;
static char keys[64][33];
static struct rig *world;

static int outside(const struct edda_outside_call *call, void *user)
{
    (void)user;
    assert_int_equal(call->idempotency_key.len, 32);
    assert_true(asked < 64);
    memcpy(keys[asked++], call->idempotency_key.data, 32);
    asked_undurable += journal_flushing(world->journal);
    if (slow_ms && !io_sleep(world->io, slow_ms * 1000000))
        return EDDA_ECLOSED;
    if (away > 0) {
        away--;
        return edda_fail_with(call->error, EDDA_EUNAVAILABLE, "nobody is there");
    }
    if (refuses)
        return edda_fail_with(call->error, EDDA_EREFUSED, "no such address");
    done++;
    return 0;
}

static int setup(void **state)
{
    static struct rig rig;
    rig_new(&rig);
    rig.services[0] = &mailer;
    rig.services[1] = NULL;
    rig.outside = outside;
    world = &rig;
    away = refuses = done = asked = asked_undurable = emit_also = 0;
    steps_run = slow_ms = 0;
    *state = &rig;
    return 0;
}

static int teardown(void **state)
{
    rig_free(*state);
    return 0;
}

static int64_t total(struct rig *rig, const char *key)
{
    const struct notices *n = engine_state(rig->engine, &mailer, slice_str(key));
    return n ? n->total : 0;
}

static struct engine_effect_info info(struct rig *rig, size_t row)
{
    struct engine_effect_info got;
    assert_true(engine_effect(rig->engine, row, &got));
    return got;
}

#define NOTICE(rig, its_id, number) rig_event(rig, &Notice, &(struct Notice){ .id = edda_text_of(its_id), .n = (number) }, NULL)
#define ORDER(rig, its_id, number, call_id) rig_call(rig, &Order, &(struct Order){ .id = T(its_id), .n = (number) }, call_id)

/* --- durable, once, retried ------------------------------------------------------------------------------------------ */

static void an_effect_begins_when_its_message_is_durable(void **state)
{
    struct rig *rig = *state;
    rig_open(rig);
    NOTICE(rig, "a", 1);
    while (engine_turn(rig->engine, NULL) == 0)
        ;
    assert_int_equal(asked, 0);
    assert_false(engine_flushed(rig->engine));
    assert_int_equal(journal_flush(rig->journal, true, NULL), 0);
    assert_true(engine_flushed(rig->engine));
    rig_run(rig);
    assert_int_equal(asked, 1);
    assert_int_equal(asked_undurable, 0);
    assert_int_equal(total(rig, "a"), 1);
}

static void an_effect_that_is_done_again_has_the_same_key(void **state)
{
    struct rig *rig = *state;
    rig_open(rig);
    away = 2;
    NOTICE(rig, "a", 1);
    rig_pass(rig, 10000);
    assert_int_equal(asked, 3);
    assert_string_equal(keys[0], keys[1]);
    assert_string_equal(keys[0], keys[2]);
    assert_int_equal(total(rig, "a"), 1);
    NOTICE(rig, "a", 1);
    rig_pass(rig, 10000);
    assert_int_equal(asked, 4);
    assert_string_not_equal(keys[0], keys[3]);
    /* The machine dies between the effect and its record. */
    NOTICE(rig, "b", 5);
    while (asked < 5) {
        assert_true(engine_turn(rig->engine, NULL) >= 0);
        assert_int_equal(journal_flush(rig->journal, true, NULL), 0);
    }
    rig_crash(rig, false);
    rig_pass(rig, 10000);
    assert_int_equal(asked, 6);
    assert_string_equal(keys[4], keys[5]);
    assert_int_equal(total(rig, "b"), 5);
    assert_int_equal(rig_count(rig, "notices", "Noticed"), 3);
}

static void what_is_refused_is_quarantined_at_once(void **state)
{
    struct rig *rig = *state;
    struct engine_service_info service;
    rig_open(rig);
    refuses = 1;
    NOTICE(rig, "a", 1);
    rig_run(rig);
    assert_int_equal(asked, 1);
    assert_int_equal(rig_held(rig, "a"), 1);
    assert_true(engine_service(rig->engine, 0, &service));
    assert_int_equal(service.failures, 1);
    assert_int_equal(info(rig, 0).counts.refused, 1);
    refuses = 0;
    assert_int_equal(engine_quarantine_retry(rig->engine, SLICE("mailer"), SLICE("a"), NULL), 0);
    rig_run(rig);
    assert_int_equal(total(rig, "a"), 1);
}

static void a_handler_may_go_on_after_a_refusal(void **state)
{
    struct rig *rig = *state;
    rig_open(rig);
    refuses = emit_also = 1;
    NOTICE(rig, "a", 1);
    rig_run(rig);
    assert_int_equal(rig_held(rig, "a"), 0);
    assert_int_equal(total(rig, "a"), 1);
}

/* What was done is recorded although others have recorded events of the entity, and its message has expired, meanwhile. */
static void what_was_done_is_recorded(void **state)
{
    struct rig *rig = *state;
    rig_open(rig);
    slow_ms = 1000;
    rig_event_expiring(rig, &Notice, &(struct Notice){ .id = T("a"), .n = 1 }, NULL, rig_now(rig) + 500);
    while (asked == 0) {
        assert_true(engine_turn(rig->engine, NULL) >= 0);
        assert_int_equal(journal_flush(rig->journal, true, NULL), 0);
    }
    rig_event(rig, &Noticed, &(struct Noticed){ .id = T("a"), .n = 10 }, NULL);
    rig_run(rig);
    assert_int_equal(total(rig, "a"), 11);
    assert_int_equal(asked, 1);
    assert_int_equal(rig_count(rig, TOPIC_SKIPS, NULL), 0);
}

/* When there is no room for its record an effect is kept, and not done again. */
static void a_full_disk_does_not_repeat_an_effect(void **state)
{
    struct rig *rig = *state;
    rig_open(rig);
    slow_ms = 1000;
    NOTICE(rig, "a", 1);
    while (asked == 0) {
        assert_true(engine_turn(rig->engine, NULL) >= 0);
        assert_int_equal(journal_flush(rig->journal, true, NULL), 0);
    }
    io_simulated_set_capacity(rig->io, 1);
    char fill[4096];
    memset(fill, 'x', sizeof fill - 1);
    fill[sizeof fill - 1] = '\0';
    struct journal_message message = { .key = SLICE("k"), .value = slice_str(fill) };
    uint64_t position;
    assert_int_equal(journal_topic(rig->journal, "fill", 0, &message.topic, NULL), 0);
    int rc;
    /* Ever smaller ones, until not even the least fits. */
    for (message.value.len = sizeof fill - 1; message.value.len > 0; message.value.len /= 2) {
        while ((rc = journal_append(rig->journal, NULL, &message, 1, &position, NULL)) == 0 || rc == EDDA_EBUSY)
            assert_int_equal(journal_flush(rig->journal, true, NULL), 0);
        assert_int_equal(rc, EDDA_EFULL);
    }
    for (int i = 0; i < 5; i++) {
        io_simulated_advance(rig->io, 400000000);
        io_jobs_finish(rig->io);
        assert_true(engine_turn(rig->engine, NULL) >= 0);
    }
    assert_int_equal(total(rig, "a"), 0);
    assert_string_equal(rig->log, "journal.full");
    io_simulated_set_capacity(rig->io, UINT64_C(64) << 20);
    rig_pass(rig, 2000);
    assert_int_equal(asked, 1);
    assert_int_equal(total(rig, "a"), 1);
}

static void a_stop_ends_effects_for_the_next_start(void **state)
{
    struct rig *rig = *state;
    rig_open(rig);
    slow_ms = 1000;
    NOTICE(rig, "a", 1);
    assert_int_equal(journal_flush(rig->journal, true, NULL), 0);
    io_shutdown(rig->io);
    rig_run(rig);
    engine_stop(rig->engine);
    assert_int_equal(asked, 1);
    assert_int_equal(rig_held(rig, "a"), 0);
    slow_ms = 0;
    rig_crash(rig, true);
    rig_run(rig);
    assert_int_equal(asked, 2);
    assert_int_equal(total(rig, "a"), 1);
}

static int sleep_long(struct edda_step *step, const void *message, const void *state, void *user)
{
    (void)message, (void)state, (void)user;
    steps_run++;
    (void)edda_sleep(step, 1000);
    return 0;
}

/* A handler whose sleep was ended has not failed: else one without retries would be quarantined by every stop. */
static void a_sleep_that_is_ended_is_no_failure(void **state)
{
    struct rig *rig = *state;
    static const struct edda_row rows[] = {
        { .type = &Notice, .handle = sleep_long, .key = "id", .blocking = 1, .retry = { .never = true } }, EDDA_END,
    };
    static const struct edda_service sleeper = { .name = "sleeper", .on = rows };
    rig->services[0] = &sleeper;
    rig_open(rig);
    NOTICE(rig, "a", 1);
    io_shutdown(rig->io);
    rig_run(rig);
    assert_int_equal(steps_run, 1);
    assert_int_equal(rig_held(rig, "a"), 0);
    rig_crash(rig, true);
    rig_run(rig);
    assert_int_equal(steps_run, 2);
    assert_true(engine_settled(rig->engine));
}

/* --- rate and breaker ----------------------------------------------------------------------------------------------- */

static void no_more_than_the_rate_are_begun(void **state)
{
    struct rig *rig = *state;
    rig_open(rig);
    int64_t from = rig_now(rig);
    static const char *const names[] = { "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l" };
    for (int i = 0; i < 12; i++)
        NOTICE(rig, names[i], 1);
    rig_run(rig);
    assert_int_equal(asked, 4); /* a burst of a second's worth */
    assert_int_equal(info(rig, 0).waiting, 8);
    while (asked < 12)
        rig_pass(rig, 50);
    assert_in_range(rig_now(rig) - from, 2000, 2100);
    rig_pass(rig, 5000);
    NOTICE(rig, "a", 1);
    rig_run(rig);
    assert_int_equal(asked, 13);
}

static void a_breaker_opens_tries_and_closes_and_nothing_is_quarantined(void **state)
{
    struct rig *rig = *state;
    rig_open(rig);
    away = 100;
    NOTICE(rig, "a", 1);
    NOTICE(rig, "a", 2);
    NOTICE(rig, "b", 4);
    rig_pass(rig, 1000);
    int before = asked;
    assert_in_range(before, 3, 4); /* one may have been under way when it opened */
    away = 5; /* so many trials fail */
    assert_string_equal(rig->log, "breaker.opened");
    assert_true(info(rig, 0).breaker_open);
    rig_pass(rig, 4500);
    assert_int_equal(asked, before + 1); /* one is tried after a while */
    rig_pass(rig, 20000);
    assert_true(info(rig, 0).breaker_open);
    rig_pass(rig, 20000);
    assert_string_equal(rig->log, "breaker.closed");
    assert_false(info(rig, 0).breaker_open);
    assert_int_equal(total(rig, "a"), 3);
    assert_int_equal(total(rig, "b"), 4);
    assert_int_equal(asked, before + 5 + 3);
    assert_int_equal(rig_count(rig, TOPIC_QUARANTINE, NULL), 0);
    assert_int_equal(info(rig, 0).counts.succeeded, 3);
    assert_int_equal(info(rig, 0).counts.failed, before + 5);
}

/* --- calls ------------------------------------------------------------------------------------------------------------ */

static void a_called_effect_replies_when_it_is_done(void **state)
{
    struct rig *rig = *state;
    rig_open(rig);
    const struct engine_call *call = ORDER(rig, "a", 7, "one");
    assert_int_equal(call->code, 0);
    assert_false(call->accepted);
    assert_int_equal(((const struct Told *)call->reply)->n, 7);
    assert_int_equal(call->version, 0);
    assert_int_equal(rig_count(rig, "notices.commands", "Order"), 1);
    assert_int_equal(asked_undurable, 0);
    /* A repeat gets the first answer, also after a restart; another request under its id does not. */
    rig_crash(rig, false);
    call = ORDER(rig, "a", 7, "one");
    assert_true(call->repeated);
    assert_string_equal(arena_cstr(&rig->arena, call->reply_json), "\"id\":\"a\",\"n\":7");
    assert_int_equal(ORDER(rig, "a", 8, "one")->code, EDDA_EDUPLICATE);
    assert_int_equal(done, 1);
}

static void a_called_effect_that_is_rejected_says_so_to_its_repeats_too(void **state)
{
    struct rig *rig = *state;
    rig_open(rig);
    for (int i = 0; i < 2; i++) {
        const struct engine_call *call = ORDER(rig, "a", 13, "one");
        assert_int_equal(call->code, EDDA_EREJECTED);
        assert_string_equal(call->error.field, "n");
        assert_string_equal(call->error.message, "not thirteen");
    }
    assert_int_equal(steps_run, 0);
    assert_int_equal(rig_count(rig, TOPIC_SKIPS, NULL), 1);
}

static void a_called_effect_that_fails_is_accepted_and_done_later(void **state)
{
    struct rig *rig = *state;
    rig_open(rig);
    away = 1;
    const struct engine_call *call = ORDER(rig, "a", 7, "one");
    assert_int_equal(call->code, 0);
    assert_true(call->accepted);
    /* A repeat meanwhile waits for the same command. */
    call = rig_call_begin(rig, &Order, &(struct Order){ .id = T("a"), .n = 7 }, "one", JOURNAL_ANY);
    assert_true(call->accepted);
    assert_int_equal(rig_call_begin(rig, &Order, &(struct Order){ .id = T("a"), .n = 9 }, "one", JOURNAL_ANY)->code, EDDA_EDUPLICATE);
    rig_pass(rig, 5000);
    call = ORDER(rig, "a", 7, "one");
    assert_false(call->accepted);
    assert_true(call->repeated);
    assert_int_equal(done, 1);
    assert_int_equal(rig_count(rig, "notices.commands", "Order"), 1);
}

static void repeats_at_once_are_one_command(void **state)
{
    struct rig *rig = *state;
    rig_open(rig);
    slow_ms = 100;
    const struct engine_call *first = rig_call_begin(rig, &Order, &(struct Order){ .id = T("a"), .n = 7 }, "one", JOURNAL_ANY);
    const struct engine_call *second = rig_call_begin(rig, &Order, &(struct Order){ .id = T("a"), .n = 7 }, "one", JOURNAL_ANY);
    assert_non_null(first->user);
    assert_non_null(second->user);
    rig_run(rig);
    assert_null(first->user);
    assert_null(second->user);
    assert_int_equal(((const struct Told *)first->reply)->n, 7);
    assert_int_equal(((const struct Told *)second->reply)->n, 7);
    assert_int_equal(done, 1);
}

static void a_called_effect_that_is_refused_is_held(void **state)
{
    struct rig *rig = *state;
    rig_open(rig);
    refuses = 1;
    assert_int_equal(ORDER(rig, "a", 7, NULL)->code, EDDA_EQUARANTINED);
    assert_int_equal(ORDER(rig, "a", 7, NULL)->code, EDDA_EQUARANTINED);
    assert_int_equal(rig_held(rig, "a"), 1);
    assert_int_equal(rig_call_expected(rig, &Order, &(struct Order){ .id = T("b"), .n = 7 }, NULL, 3)->code, EDDA_EUNSUPPORTED);
    assert_int_equal(rig_count(rig, "notices.commands", "Order"), 1);
}

static void who_waits_when_the_service_is_paused_is_told(void **state)
{
    struct rig *rig = *state;
    rig_open(rig);
    const struct engine_call *call = rig_call_begin(rig, &Order, &(struct Order){ .id = T("a"), .n = 7 }, "one", JOURNAL_ANY);
    assert_non_null(call->user);
    assert_int_equal(engine_pause(rig->engine, SLICE("mailer"), true, NULL), 0);
    assert_null(call->user);
    assert_true(call->accepted);
    rig_run(rig);
    assert_int_equal(done, 0);
    assert_int_equal(engine_pause(rig->engine, SLICE("mailer"), false, NULL), 0);
    rig_run(rig);
    assert_int_equal(done, 1);
}

static void a_call_to_an_open_breaker_is_accepted(void **state)
{
    struct rig *rig = *state;
    rig_open(rig);
    away = 6; /* five open it */
    static const char *const names[] = { "a", "b", "c", "d", "e", "f" };
    for (int i = 0; i < 6; i++) {
        const struct engine_call *call = rig_call(rig, &Order, &(struct Order){ .id = edda_text_of(names[i]), .n = 1 }, NULL);
        assert_int_equal(call->code, 0);
        assert_true(call->accepted);
    }
    rig_pass(rig, 60000);
    assert_int_equal(done, 6);
}

/* --- arguments -------------------------------------------------------------------------------------------------------- */

static int mail_wrong(struct edda_step *step, const void *message, const void *state)
{
    (void)state;
    int rc = edda_mail(step, &(struct edda_mail){ .to = T("a@b"), .text = ((const struct Ask *)message)->id });
    assert_int_equal(rc, EDDA_EINVAL);
    return rc;
}

static void a_row_without_effect_does_none(void **state)
{
    struct rig *rig = *state;
    rig->services[0] = &worker;
    rig_open(rig);
    script.on_ask = mail_wrong;
    ASK(rig, "a", 1);
    rig_pass(rig, 10000);
    assert_int_equal(asked, 0);
    assert_int_equal(rig_held(rig, "a"), 1);
}

static void without_an_outside_an_application_with_effects_is_refused(void **state)
{
    struct rig *rig = *state;
    struct edda_error error = { 0 };
    rig->outside = NULL;
    assert_int_equal(rig_try_open(rig, &error), EDDA_EUNSUPPORTED);
    assert_non_null(strstr(error.message, "Notice"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_effect_begins_when_its_message_is_durable),
        TEST(an_effect_that_is_done_again_has_the_same_key),
        TEST(what_is_refused_is_quarantined_at_once),
        TEST(a_handler_may_go_on_after_a_refusal),
        TEST(what_was_done_is_recorded),
        TEST(a_full_disk_does_not_repeat_an_effect),
        TEST(a_stop_ends_effects_for_the_next_start),
        TEST(a_sleep_that_is_ended_is_no_failure),
        TEST(no_more_than_the_rate_are_begun),
        TEST(a_breaker_opens_tries_and_closes_and_nothing_is_quarantined),
        TEST(a_called_effect_replies_when_it_is_done),
        TEST(a_called_effect_that_is_rejected_says_so_to_its_repeats_too),
        TEST(a_called_effect_that_fails_is_accepted_and_done_later),
        TEST(repeats_at_once_are_one_command),
        TEST(a_called_effect_that_is_refused_is_held),
        TEST(who_waits_when_the_service_is_paused_is_told),
        TEST(a_call_to_an_open_breaker_is_accepted),
        TEST(a_row_without_effect_does_none),
        TEST(without_an_outside_an_application_with_effects_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
