/* What comes from outside or goes wrong there: foreign and malformed records, duplicates, new services, a full disk, a failed sync, wrong handlers. */
#include "engine_rig.h"

#include <string.h>

static int setup(void **state)
{
    static struct rig rig;
    rig_new(&rig);
    *state = &rig;
    return 0;
}

static int teardown(void **state)
{
    rig_free(*state);
    return 0;
}

static void foreign_records_are_understood(void **state)
{
    struct rig *rig = *state;
    rig_open(rig);
    rig_raw(rig, "inbox", "a", "{\"id\":\"a\",\"n\":1}", NULL, "type", "Ask");
    rig_raw(rig, "inbox", "a", "{\"eventType\":\"Ask\",\"id\":\"a\",\"n\":2}", NULL, NULL, NULL);
    rig_raw(rig, "inbox", "zzz", "{\"eventType\":\"Ask\",\"id\":\"a\",\"n\":4,\"process\":\"p9\"}", NULL, NULL, NULL); /* its key is not its entity */
    rig_raw(rig, "inbox", "a", "{\"eventType\":\"Unheard\",\"id\":\"a\",\"n\":8}", NULL, NULL, NULL);
    rig_raw(rig, "inbox", "a", "{\"id\":\"a\",\"n\":16}", NULL, NULL, NULL);
    rig_raw(rig, "work", "a", "{\"eventType\":\"Done\",\"id\":\"a\",\"n\":32}", NULL, NULL, NULL); /* folded, too */
    rig_run(rig);
    assert_int_equal(rig_total(rig, "a"), 39);
    struct cloudevent event = rig_cloudevent(rig, "work", "Done", 0);
    assert_true(event.causation.len > 6 && memcmp(event.causation.data, "inbox/", 6) == 0);
    assert_true(slice_eq(event.correlation, event.causation));
    assert_true(slice_eq_str(rig_cloudevent(rig, "work", "Done", 2).correlation, "p9"));
    rig_crash(rig, false);
    rig_run(rig);
    assert_int_equal(rig_total(rig, "a"), 39);
}

static void foreign_records_are_known_by_the_look_of_their_topic(void **state)
{
    struct rig *rig = *state;
    rig->topics = (const struct edda_topic[]){ { .name = "inbox", .type_field = "kind", .type_header = "event-name" }, { .name = NULL } };
    rig_open(rig);
    rig_raw(rig, "inbox", "a", "{\"id\":\"a\",\"n\":1}", NULL, "event-name", "Ask");
    rig_raw(rig, "inbox", "a", "{\"kind\":\"Ask\",\"id\":\"a\",\"n\":2}", NULL, NULL, NULL);
    /* The topic's own words go before the usual ones, and these hold still. */
    rig_raw(rig, "inbox", "a", "{\"kind\":\"Ask\",\"eventType\":\"Unheard\",\"id\":\"a\",\"n\":4}", NULL, "type", "java.lang.String");
    rig_raw(rig, "inbox", "a", "{\"kind\":\"Unheard\",\"id\":\"a\",\"n\":8}", NULL, "event-name", "Ask");
    rig_raw(rig, "inbox", "a", "{\"kind\":7,\"id\":\"a\",\"n\":16}", NULL, "type", "Ask");
    rig_raw(rig, "inbox", "a", "{\"eventType\":\"Ask\",\"id\":\"a\",\"n\":32}", NULL, NULL, NULL);
    rig_raw(rig, "inbox", "a", "{\"kind\":\"Unheard\",\"eventType\":\"Ask\",\"id\":\"a\",\"n\":64}", NULL, NULL, NULL);
    rig_run(rig);
    assert_int_equal(rig_total(rig, "a"), 63);
    rig_crash(rig, false);
    rig_run(rig);
    assert_int_equal(rig_total(rig, "a"), 63);
}

/* What is said about other things in the words that usually name the type is no type there. */
static void foreign_records_of_a_topic_with_one_kind_of_message_are_of_it(void **state)
{
    struct rig *rig = *state;
    rig->topics = (const struct edda_topic[]){ { .name = "inbox", .type = "Ask" }, { .name = NULL } };
    rig_open(rig);
    rig_raw(rig, "inbox", "a", "{\"id\":\"a\",\"n\":1}", NULL, NULL, NULL);
    rig_raw(rig, "inbox", "a", "{\"eventType\":\"RENT\",\"id\":\"a\",\"n\":2}", NULL, NULL, NULL);
    rig_raw(rig, "inbox", "a", "{\"id\":\"a\",\"n\":4}", NULL, "type", "java.lang.String");
    rig_raw(rig, "inbox", "a", "{\"id\":\"a\",\"n\":8}", NULL, "ce_type", "Unheard");
    rig_run(rig);
    assert_int_equal(rig_total(rig, "a"), 7);
    rig_crash(rig, false);
    rig_run(rig);
    assert_int_equal(rig_total(rig, "a"), 7);
}

static void a_foreign_record_can_be_quarantined(void **state)
{
    struct rig *rig = *state;
    rig_open(rig);
    script.on_ask = do_fail;
    rig_raw(rig, "inbox", "a", "{\"id\":\"a\",\"n\":1}", NULL, "type", "Ask");
    rig_pass(rig, 20000);
    assert_int_equal(rig_held(rig, "a"), 1);
    rig_crash(rig, false);
    assert_int_equal(rig_held(rig, "a"), 1);
    script.on_ask = ask_done;
    assert_int_equal(engine_quarantine_retry(rig->engine, SLICE("worker"), SLICE("a"), NULL), 0);
    rig_run(rig);
    assert_int_equal(rig_total(rig, "a"), 1);
}

static void a_foreign_duplicate_is_handled_once(void **state)
{
    struct rig *rig = *state;
    rig_open(rig);
    for (int round = 0; round < 3; round++) {
        struct journal_message message = { .key = SLICE("a"), .value = SLICE("{\"id\":\"a\",\"n\":1}") };
        message.event = (struct cloudevent){ .id = SLICE("m1"), .source = SLICE("shop"), .type = SLICE("Ask") };
        message.identify = round == 0; /* a broker's client records the others without asking */
        uint64_t position;
        assert_int_equal(journal_topic(rig->journal, "inbox", 0, &message.topic, NULL), 0);
        assert_int_equal(journal_append(rig->journal, NULL, &message, 1, &position, NULL), 0);
        rig_run(rig);
        rig_crash(rig, false);
        rig_run(rig);
    }
    assert_int_equal(rig_count(rig, "inbox", "Ask"), 3);
    assert_int_equal(rig_total(rig, "a"), 1);
}

static void malformed_messages_are_passed_over(void **state)
{
    struct rig *rig = *state;
    rig_open(rig);
    struct cloudevent ask = { .type = SLICE("Ask"), .source = SLICE("outside") };
    static const char *const wrong[] = { "", "{", "[1]", "null", "{\"id\":1,\"n\":\"x\"}", "{\"id\":\"a\",\"n\":1e99}", "\xff\xfe" };
    static char key[4001];
    memset(key, 'k', sizeof key - 1);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        rig->log[0] = '\0';
        rig_raw(rig, "inbox", "a", wrong[i], &ask, NULL, NULL);
        rig_run(rig);
        assert_string_equal(rig->log, "message.malformed");
        rig_raw(rig, "work", "a", wrong[i], &(struct cloudevent){ .type = SLICE("Done") }, NULL, NULL);
    }
    rig_event(rig, &Ask, &(struct Ask){ .id = { key, sizeof key - 1 }, .n = 1 }, NULL);
    rig_run(rig);
    assert_string_equal(rig->log, "message.malformed");
    ASK(rig, "a", 5);
    rig_run(rig);
    assert_int_equal(rig_total(rig, "a"), 5);
    rig_crash(rig, false);
    rig_run(rig);
    assert_int_equal(rig_total(rig, "a"), 5);
    assert_true(engine_settled(rig->engine));
}

static void a_message_that_fills_its_record_can_be_quarantined(void **state)
{
    struct rig *rig = *state;
    rig_open(rig);
    script.on_ask = do_fail;
    static char json[1000000];
    memset(json, ' ', sizeof json);
    memcpy(json, "{\"id\":\"a\",\"n\":1,\"eventType\":\"Ask\"", 33);
    json[sizeof json - 2] = '}';
    json[sizeof json - 1] = '\0';
    struct edda_error error = { 0 };
    struct journal_message message = { .key = SLICE("a"), .value = slice_str(json) };
    uint64_t position;
    assert_int_equal(journal_topic(rig->journal, "inbox", 0, &message.topic, &error), 0);
    if (journal_append(rig->journal, NULL, &message, 1, &position, &error) < 0) {
        message.value = slice_of(json, 0); /* the journal of this test takes less */
        skip();
    }
    ASK(rig, "a", 2);
    rig_pass(rig, 20000);
    assert_int_equal(rig->failed, 0);
    assert_int_equal(rig_held(rig, "a"), 2);
    rig_crash(rig, false);
    assert_int_equal(rig_held(rig, "a"), 2);
}

static void a_new_service_begins_at_the_beginning(void **state)
{
    struct rig *rig = *state;
    rig->services[1] = rig->services[2] = NULL;
    rig_open(rig);
    ASK(rig, "a", 1);
    LIFT(rig, "a", 2);
    rig_run(rig);
    assert_int_equal(rig_total(rig, "a"), 1);
    rig_close(rig);
    rig->services[1] = &lifter;
    rig_open(rig);
    LIFT(rig, "a", 4);
    rig_run(rig);
    assert_int_equal(rig_loaded(rig, "a"), 6);
    assert_int_equal(rig_total(rig, "a"), 1);
    rig_close(rig);
    rig->services[1] = NULL; /* it is taken out, and comes back: it goes on where it was */
    rig_open(rig);
    LIFT(rig, "a", 8);
    ASK(rig, "a", 8);
    rig_run(rig);
    rig_close(rig);
    rig->services[1] = &lifter;
    rig_open(rig);
    rig_run(rig);
    assert_int_equal(rig_total(rig, "a"), 9);
    assert_int_equal(rig_loaded(rig, "a"), 14);
}

static void wrong_tables_are_refused_by_name(void **state)
{
    struct rig *rig = *state;
    struct edda_error error = { 0 };
    rig->services[1] = &worker;
    assert_int_equal(rig_try_open(rig, &error), EDDA_EINVAL);
    assert_non_null(strstr(error.message, "worker"));
    rig_free(rig);
    rig_new(rig);
    struct edda_service nameless = watcher;
    nameless.name = "wat/cher";
    rig->services[2] = &nameless;
    assert_int_equal(rig_try_open(rig, &error), EDDA_EINVAL);
}

static void a_word_for_processes_needs_messages_that_name_them(void **state)
{
    struct rig *rig = *state;
    struct edda_error error = { 0 };
    struct edda_service mute = watcher;
    mute.name = "mute";
    rig->entity_word = "order";
    rig->services[0] = &mute;
    rig->services[1] = NULL;
    assert_int_equal(rig_try_open(rig, &error), EDDA_EINVAL);
    assert_string_equal(error.message, "application tests: trace --order would find nothing, since no message names its process by .correlation");
    rig_free(rig);
    rig_new(rig);
    rig->entity_word = "order"; /* Ask names its process */
    rig_open(rig);
}

/* Opens an application of the worker alone, with some parts of its tables replaced. */
struct tables {
    struct edda_service service;
    struct edda_row evolve[3], on[3];
    struct edda_type event, command;
    struct edda_view view;
};

static void tables_refused(struct tables *t, const struct edda_topic *topics, const char *name, const char *words)
{
    static struct rig rig;
    struct edda_error error = { 0 };
    rig_new(&rig);
    rig.services[0] = &t->service;
    rig.services[1] = NULL;
    rig.topics = topics;
    rig.name = name;
    int rc = rig_try_open(&rig, &error);
    if (rc != (words ? EDDA_EINVAL : 0))
        fail_msg("%d, not refused as \"%s\": %s", rc, words ? words : "", error.message);
    if (words && !strstr(error.message, words))
        fail_msg("\"%s\" does not say \"%s\"", error.message, words);
    rig_free(&rig);
}

static struct tables *tables_new(void)
{
    static struct tables t;
    t = (struct tables){ .service = worker, .evolve = { worker.evolve[0] }, .on = { worker.on[0] }, .view = *worker.view, .event = Done, .command = Do };
    t.evolve[0].type = &t.event;
    t.on[0].type = &t.command;
    t.service.evolve = t.evolve;
    t.service.on = t.on;
    t.service.view = &t.view;
    return &t;
}

#define REFUSED(words, ...) \
    do { \
        struct tables *t = tables_new(); \
        __VA_ARGS__; \
        tables_refused(t, NULL, NULL, words); \
    } while (0)

static void tables_that_would_be_met_later_are_refused_at_the_start(void **state)
{
    (void)state;
    REFUSED(NULL, (void)t);
    REFUSED("the entity of service worker has no category", t->service.entity.category = NULL);
    REFUSED("cannot fold Done: there is no function", t->evolve[0].evolve = NULL);
    REFUSED("worker folds Done twice", t->evolve[1] = t->evolve[0]);
    REFUSED("cannot fold Done: it is no event", t->event.kind = EDDA_TYPE_COMMAND);
    REFUSED("Do is neither an event nor a command", t->command.kind = EDDA_TYPE_VALUE);
    REFUSED("message type Do names no field for its key", t->command.key = NULL);
    REFUSED("topic _edda.replies is internal", t->command.topic = "_edda.replies");
    REFUSED("topic __consumer_offsets is internal", t->service.entity.category = t->event.topic = "__consumer_offsets");
    REFUSED("selects its entity by field nothing", t->on[0].key = "nothing");
    REFUSED("the view of service worker needs", t->view.row = NULL);
    REFUSED("the view of service worker needs", t->view.fill = NULL);
    REFUSED("the view of service worker needs", t->view.name = NULL);
    struct edda_type row = { .name = "Row", .kind = EDDA_TYPE_VALUE, .size = 8, .field_count = 1 };
    REFUSED("Row: has no table of fields", t->view.row = &row);
    static const char *const odd[] = { "a", "b", "c", NULL };
    tables_refused(tables_new(), (const struct edda_topic[]){ { .name = "work", .headers = odd }, { .name = NULL } }, NULL, "header c has no value");
    tables_refused(tables_new(), (const struct edda_topic[]){ { .name = "work" }, { .name = "work" }, { .name = NULL } }, NULL,
                   "there are two topics work");
    tables_refused(tables_new(), NULL, "a/b", "an application needs a name");
}

static void services_wait_for_a_full_disk(void **state)
{
    struct rig *rig = *state;
    rig->store.log.segment_bytes = 64 << 10;
    rig_open(rig);
    script.on_ask = ask_done;
    int64_t sum = 0;
    rig_run(rig);
    io_simulated_set_capacity(rig->io, 1);
    struct engine_call *call;
    int64_t called = 0;
    do {
        call = DO(rig, "b", 1, NULL);
        called += call->code == 0;
        assert_int_equal(rig->failed, 0);
    } while (call->code == 0 && called < 10000);
    assert_int_equal(call->code, EDDA_EFULL);
    assert_int_equal(rig_total(rig, "b"), called);
    io_simulated_set_capacity(rig->io, 64 << 20);
    rig_pass(rig, 1000);
    for (int64_t n = 1; n <= 400; n++, sum += n - 1)
        ASK(rig, "a", n);
    assert_int_equal(journal_flush(rig->journal, true, NULL), 0);
    io_simulated_set_capacity(rig->io, 1);
    rig_pass(rig, 1000);
    assert_int_equal(rig->failed, 0);
    int64_t stuck = rig_total(rig, "a");
    if (stuck != sum) {
        assert_string_equal(rig->log, "journal.full");
        assert_int_equal(DO(rig, "c", 1, NULL)->code, EDDA_EFULL);
    }
    io_simulated_set_capacity(rig->io, 64 << 20);
    rig_pass(rig, 1000);
    assert_int_equal(rig_total(rig, "a"), sum);
    assert_int_equal(DO(rig, "b", 1, NULL)->code, 0);
    assert_true(engine_settled(rig->engine));
    rig_crash(rig, false);
    rig_run(rig);
    assert_int_equal(rig_total(rig, "a"), sum);
}

static void a_failure_on_a_full_disk_waits_as_well(void **state)
{
    struct rig *rig = *state;
    rig->store.log.segment_bytes = 64 << 10;
    rig_open(rig);
    script.on_ask = do_fail;
    ASK(rig, "a", 1);
    rig_run(rig);
    io_simulated_set_capacity(rig->io, 1);
    while (DO(rig, "b", 1, NULL)->code == 0)
        ;
    rig_pass(rig, 20000);
    assert_int_equal(rig->failed, 0);
    io_simulated_set_capacity(rig->io, 64 << 20);
    rig_pass(rig, 20000);
    assert_int_equal(rig_held(rig, "a"), 1);
    assert_int_equal(DO(rig, "b", 1, NULL)->code, 0);
}

static void a_failed_sync_is_final(void **state)
{
    struct rig *rig = *state;
    rig_open(rig);
    rig_run(rig);
    io_simulated_fail_sync(rig->io, 1);
    struct engine_call *call = rig_call_begin(rig, &Do, &(struct Do){ .id = T("a"), .n = 1 }, "c1", JOURNAL_ANY);
    rig_run(rig);
    assert_int_equal(rig->failed, EDDA_EIO);
    assert_true(journal_durable(rig->journal) < call->gate); /* the answer never leaves */
    (void)rig_call_begin(rig, &Do, &(struct Do){ .id = T("a"), .n = 1 }, "c2", JOURNAL_ANY); /* finds out, and is answered at the close */
    call = rig_call_begin(rig, &Do, &(struct Do){ .id = T("a"), .n = 1 }, "c3", JOURNAL_ANY);
    assert_int_equal(call->code, EDDA_EIO);
    rig_crash(rig, false);
    rig_run(rig);
    assert_int_equal(DO(rig, "a", 1, "c1")->code, 0);
    assert_int_equal(rig_total(rig, "a"), 1);
}

static int emits_wrong(struct edda_step *step, const void *message, const void *state)
{
    const struct Do *m = message;
    (void)state;
    edda_emit(step, Done, .id = m->id, .n = 1);
    edda_emit(step, Done, .id = m->id, .n = -1001);
    return 0; /* the step remembers */
}

static int emits_too_many(struct edda_step *step, const void *message, const void *state)
{
    const struct Do *m = message;
    (void)state;
    int rc = 0;
    for (int i = 0; i < 65537; i++)
        rc = edda_emit(step, Done, .id = m->id, .n = 1);
    assert_int_equal(rc, EDDA_ELIMIT);
    return 0;
}

static int skips_and_emits(struct edda_step *step, const void *message, const void *state)
{
    const struct Do *m = message;
    (void)state;
    edda_skip(step, "nothing");
    return edda_emit(step, Done, .id = m->id, .n = 1);
}

static int emits_without_key(struct edda_step *step, const void *message, const void *state)
{
    (void)message, (void)state;
    return edda_emit(step, Done, .n = 1);
}

static int emits_many(struct edda_step *step, const void *message, const void *state)
{
    const struct Do *m = message;
    (void)state;
    for (int i = 0; i < 20000; i++)
        edda_emit(step, Done, .id = m->id, .n = 1);
    return 0;
}

static void wrong_handlers_fail_their_step_only(void **state)
{
    struct rig *rig = *state;
    rig_open(rig);
    script.on_do = emits_wrong;
    struct engine_call *call = DO(rig, "a", 1, NULL);
    assert_int_equal(call->code, EDDA_EINVAL);
    assert_string_equal(call->error.field, "");
    assert_memory_equal(call->error.message, "Done.n: must be ", strlen("Done.n: must be "));
    script.on_do = emits_too_many;
    assert_int_equal(DO(rig, "a", 1, NULL)->code, EDDA_ELIMIT);
    script.on_do = skips_and_emits;
    assert_int_equal(DO(rig, "a", 1, NULL)->code, EDDA_EINVAL);
    script.on_do = emits_without_key;
    assert_int_equal(DO(rig, "a", 1, NULL)->code, EDDA_EINVAL);
    assert_int_equal(rig_count(rig, "work", NULL), 0);
    script.on_do = emits_many;
    call = DO(rig, "a", 1, NULL);
    assert_true(call->code == 0 || call->code == EDDA_ETOOLARGE || call->code == EDDA_ELIMIT);
    assert_int_equal(rig->failed, 0);
    script.on_do = do_done;
    assert_int_equal(DO(rig, "a", 1, NULL)->code, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(foreign_records_are_understood),
        TEST(foreign_records_are_known_by_the_look_of_their_topic),
        TEST(foreign_records_of_a_topic_with_one_kind_of_message_are_of_it),
        TEST(a_foreign_record_can_be_quarantined),
        TEST(a_foreign_duplicate_is_handled_once),
        TEST(malformed_messages_are_passed_over),
        TEST(a_message_that_fills_its_record_can_be_quarantined),
        TEST(a_new_service_begins_at_the_beginning),
        TEST(wrong_tables_are_refused_by_name),
        TEST(a_word_for_processes_needs_messages_that_name_them),
        TEST(tables_that_would_be_met_later_are_refused_at_the_start),
        TEST(services_wait_for_a_full_disk),
        TEST(a_failure_on_a_full_disk_waits_as_well),
        TEST(a_failed_sync_is_final),
        TEST(wrong_handlers_fail_their_step_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
