/* Calls: answers, refusals, repeats, expected versions; the ids and the correlation of what a step records. */
#include "engine_rig.h"

#include <string.h>

static int setup(void **state)
{
    static struct rig rig;
    rig_new(&rig);
    rig_open(&rig);
    *state = &rig;
    return 0;
}

static int teardown(void **state)
{
    rig_free(*state);
    return 0;
}

static void a_call_is_answered_and_recorded(void **state)
{
    struct rig *rig = *state;
    struct engine_call *call = DO(rig, "a", 5, "c1");
    assert_int_equal(call->code, 0);
    assert_ptr_equal(call->reply_type, &Told);
    assert_int_equal(((const struct Told *)call->reply)->n, 5);
    assert_true(slice_eq_str(call->reply_json, "\"id\":\"a\",\"n\":5"));
    assert_int_equal(call->version, 0);
    assert_false(call->repeated);
    assert_true(journal_durable(rig->journal) >= call->gate);
    assert_int_equal(rig_count(rig, "work.commands", "Do"), 1);
    assert_int_equal(rig_count(rig, "work", "Done"), 1);
    assert_int_equal(rig_total(rig, "a"), 5);
    /* The command lies in the log as handled: it is not handled again, now or after a restart. */
    rig_crash(rig, false);
    rig_run(rig);
    assert_int_equal(rig_total(rig, "a"), 5);
    assert_string_equal(rig_ran, "do a 5; done a 5; ");
}

static void a_rejection_records_nothing(void **state)
{
    struct rig *rig = *state;
    script.on_do = do_reject;
    rig_run(rig);
    uint64_t tail = journal_tail(rig->journal);
    struct engine_call *call = DO(rig, "a", 5, "c1");
    assert_int_equal(call->code, EDDA_EREJECTED);
    assert_string_equal(call->error.field, "n");
    assert_string_equal(call->error.message, "not today");
    assert_int_equal(journal_tail(rig->journal), tail);
    script.on_do = do_done;
    assert_int_equal(DO(rig, "a", 5, "c1")->code, 0); /* nothing was remembered of it */
    assert_int_equal(rig_total(rig, "a"), 5);
}

static int emits_then_rejects(struct edda_step *step, const void *message, const void *state)
{
    (void)do_done(step, message, state);
    return edda_reject(step, NULL, "no");
}

static int emits_then_fails(struct edda_step *step, const void *message, const void *state)
{
    (void)do_done(step, message, state);
    return edda_fail(step, EDDA_ETIMEOUT, NULL, "%s does not answer", "the lock");
}

static int says_no_with_another_code(struct edda_step *step, const void *message, const void *state)
{
    (void)message, (void)state;
    edda_fail(step, EDDA_ENOTFOUND, "id", "there is no %s", "such thing");
    return edda_fail(step, EDDA_EIO, NULL, "what comes second does not count");
}

static void a_step_that_fails_is_not_recorded_in_part(void **state)
{
    struct rig *rig = *state;
    script.on_do = emits_then_rejects;
    assert_int_equal(DO(rig, "a", 1, NULL)->code, EDDA_EREJECTED);
    script.on_do = emits_then_fails;
    const struct engine_call *call = DO(rig, "a", 1, NULL);
    assert_int_equal(call->code, EDDA_ETIMEOUT);
    assert_string_equal(call->error.message, "the lock does not answer");
    script.on_do = says_no_with_another_code;
    call = DO(rig, "a", 1, NULL);
    assert_int_equal(call->code, EDDA_ENOTFOUND);
    assert_string_equal(call->error.field, "id");
    assert_string_equal(call->error.message, "there is no such thing");
    assert_int_equal(rig_count(rig, "work.commands", NULL), 0);
    assert_int_equal(rig_count(rig, "work", NULL), 0);
}

static void wrong_values_are_refused_by_field(void **state)
{
    struct rig *rig = *state;
    struct engine_call *call = DO(rig, "a", 1001, NULL);
    assert_int_equal(call->code, EDDA_EINVAL);
    assert_string_equal(call->error.field, "n");
    call = DO(rig, "", 1, NULL);
    assert_int_equal(call->code, EDDA_EINVAL);
    assert_string_equal(call->error.field, "id");
    call = rig_call(rig, &Told, &(struct Told){ .n = 1 }, NULL);
    assert_int_equal(call->code, EDDA_EUNHANDLED);
    assert_int_equal(rig_runs, 0);
}

static void a_key_that_is_too_long_is_refused(void **state)
{
    struct rig *rig = *state;
    static char key[5000];
    memset(key, 'k', sizeof key);
    for (size_t len = 3800; len <= sizeof key; len += 100) {
        struct Do value = { .id = { key, len }, .n = 1 };
        struct engine_call *call = rig_call(rig, &Do, &value, NULL);
        assert_true(call->code == 0 || call->code == EDDA_ETOOLARGE || call->code == EDDA_EINVAL);
    }
    assert_int_equal(DO(rig, "a", 1, NULL)->code, 0);
}

static void a_repeat_gets_the_first_answer(void **state)
{
    struct rig *rig = *state;
    for (int round = 0; round < 3; round++) {
        struct engine_call *call = DO(rig, "a", 5, "c1");
        assert_int_equal(call->code, 0);
        assert_int_equal(call->repeated, round > 0);
        assert_int_equal(call->version, 0);
        assert_true(slice_eq_str(call->reply_json, "\"id\":\"a\",\"n\":5"));
        if (round == 0)
            assert_int_equal(DO(rig, "a", 1, "c2")->version, 1);
        if (round == 1)
            rig_crash(rig, false);
    }
    assert_int_equal(rig_total(rig, "a"), 6);
}

static void another_request_under_the_same_id_is_refused(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(DO(rig, "a", 5, "c1")->code, 0);
    assert_int_equal(DO(rig, "a", 6, "c1")->code, EDDA_EDUPLICATE);
    assert_int_equal(DO(rig, "b", 5, "c1")->code, EDDA_EDUPLICATE);
    rig_crash(rig, false);
    assert_int_equal(DO(rig, "a", 6, "c1")->code, EDDA_EDUPLICATE);
    assert_int_equal(rig_total(rig, "a"), 5);
}

static int skips(struct edda_step *step, const void *message, const void *state)
{
    (void)message, (void)state;
    return edda_skip(step, "nothing to do");
}

static int does_nothing(struct edda_step *step, const void *message, const void *state)
{
    (void)step, (void)message, (void)state;
    return 0;
}

static void a_skipped_call_is_answered_once_as_well(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(DO(rig, "a", 2, "c0")->version, 0);
    script.on_do = skips;
    struct engine_call *call = DO(rig, "a", 5, "c1");
    assert_int_equal(call->code, 0);
    assert_int_equal(call->version, 0);
    assert_int_equal(rig_count(rig, TOPIC_SKIPS, NULL), 1);
    script.on_do = do_done;
    call = DO(rig, "a", 5, "c1");
    assert_int_equal(call->code, 0);
    assert_true(call->repeated);
    assert_int_equal(call->version, 0);
    assert_int_equal(rig_total(rig, "a"), 2);
    script.on_do = does_nothing;
    assert_int_equal(DO(rig, "a", 5, "c2")->code, 0);
    script.on_do = do_done;
    assert_true(DO(rig, "a", 5, "c2")->repeated);
    assert_int_equal(rig_total(rig, "a"), 2);
}

static int emits_for_two(struct edda_step *step, const void *message, const void *state)
{
    const struct Do *m = message;
    (void)state;
    edda_emit(step, Done, .id = m->id, .n = m->n, .note = m->note);
    edda_emit(step, Done, .id = T("other"), .n = 500);
    return edda_emit(step, Done, .id = m->id, .n = 1);
}

/* A handler that gives no reply is answered for with its entity's row after the step, when the call asks for rows of that type. */
static void a_row_answers_for_the_handler(void **state)
{
    struct rig *rig = *state;
    script.on_do = emits_for_two;
    assert_int_equal(DO(rig, "a", 5, NULL)->reply_json.len, 0);
    script.row_type = &Told;
    assert_int_equal(DO(rig, "a", 5, NULL)->reply_json.len, 0);
    script.row_type = &Row;
    struct engine_call *call = DO(rig, "a", 5, "c1");
    assert_true(slice_eq_str(call->reply_json, "\"id\":\"a\",\"total\":18"));
    assert_int_equal(call->version, 5);
    assert_int_equal(rig_total(rig, "a"), 18);
    assert_true(slice_eq_str(DO(rig, "a", 7, NULL)->reply_json, "\"id\":\"a\",\"total\":26"));
    for (int restart = 0; restart < 2; restart++) {
        call = DO(rig, "a", 5, "c1");
        assert_true(call->repeated);
        assert_true(slice_eq_str(call->reply_json, "\"id\":\"a\",\"total\":18"));
        rig_close(rig);
        rig_open(rig);
    }
    script.on_do = skips;
    assert_true(slice_eq_str(DO(rig, "a", 5, NULL)->reply_json, "\"id\":\"a\",\"total\":26"));
    assert_int_equal(DO(rig, "nobody", 5, NULL)->reply_json.len, 0); /* it is not listed */
    script.on_do = do_done;
    assert_true(slice_eq_str(DO(rig, "a", 5, NULL)->reply_json, "\"id\":\"a\",\"n\":5"));
    script.on_do = do_reject;
    assert_int_equal(DO(rig, "a", 5, NULL)->reply_json.len, 0);
}

static void an_expected_version_is_kept(void **state)
{
    struct rig *rig = *state;
    struct Do value = { .id = T("a"), .n = 1 };
    assert_int_equal(rig_call_expected(rig, &Do, &value, NULL, 0)->code, EDDA_EVERSION);
    assert_int_equal(rig_call_expected(rig, &Do, &value, NULL, JOURNAL_EXISTS)->code, EDDA_EVERSION);
    assert_int_equal(rig_call_expected(rig, &Do, &value, NULL, JOURNAL_NONE)->code, 0);
    assert_int_equal(rig_call_expected(rig, &Do, &value, NULL, JOURNAL_NONE)->code, EDDA_EVERSION);
    assert_int_equal(rig_call_expected(rig, &Do, &value, NULL, 0)->version, 1);
    assert_int_equal(rig_call_expected(rig, &Do, &value, NULL, 0)->code, EDDA_EVERSION);
    assert_int_equal(rig_count(rig, "work.commands", NULL), 2);
    assert_int_equal(rig_total(rig, "a"), 2);
}

static void a_call_decides_by_what_others_have_just_recorded(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(DO(rig, "a", 1, NULL)->code, 0);
    rig_event(rig, &Done, &(struct Done){ .id = T("a"), .n = 100 }, NULL);
    assert_int_equal(rig_total(rig, "a"), 101);
    rig_event(rig, &Done, &(struct Done){ .id = T("b"), .n = 7 }, NULL);
    struct Row row;
    int64_t version;
    assert_true(engine_view_row(rig->engine, &worker, SLICE("b"), &row, &version));
    assert_int_equal(version, 0);
    rig_run(rig);
    assert_true(engine_view_row(rig->engine, &worker, SLICE("b"), &row, &version));
    assert_int_equal(row.total, 7);
    /* Row and version are of the same moment, also when nothing has been folded since. */
    rig_event(rig, &Done, &(struct Done){ .id = T("b"), .n = 3 }, NULL);
    assert_true(engine_view_row(rig->engine, &worker, SLICE("b"), &row, &version));
    assert_int_equal(row.total, 10);
    assert_int_equal(version, 1);
    assert_int_equal(engine_view_count(rig->engine, &worker), 2);
}

static int64_t seen_total;

static int sees(struct edda_step *step, const void *message, const void *state)
{
    seen_total = ((const struct tally *)state)->total;
    return do_done(step, message, state);
}

static void a_handler_sees_what_others_have_just_recorded(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(DO(rig, "a", 1, NULL)->code, 0);
    script.on_do = sees;
    rig_event(rig, &Done, &(struct Done){ .id = T("a"), .n = 100 }, NULL);
    (void)rig_call_begin(rig, &Do, &(struct Do){ .id = T("a"), .n = 1 }, NULL, JOURNAL_ANY);
    assert_int_equal(seen_total, 101);
}

/* As the broker's clients do, beside the engine and in its thread. */
static void what_others_append_to_the_store_reaches_its_service(void **state)
{
    struct rig *rig = *state;
    struct store *store = journal_local_store(rig->journal);
    struct store_message messages[2] = {
        { .key = SLICE("elsewhere"), .value = SLICE("{}"), .partition = -1 },
        { .key = SLICE("a"), .value = SLICE("{\"id\":\"a\",\"n\":4}"), .partition = -1,
          .event = { .id = SLICE("1"), .source = SLICE("outside"), .type = SLICE("Ask") } },
    };
    struct edda_error error = { 0 };
    script.on_ask = ask_done;
    rig_run(rig);
    /* On a topic that the engine has never heard of, and on its own. */
    assert_int_equal(store_topic_ensure(store, SLICE("others"), 1, &messages[0].topic, &error), 0);
    assert_int_equal(store_topic_ensure(store, slice_str(Ask.topic), 0, &messages[1].topic, &error), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(store_append(store, NULL, 0, &messages[i], 1, false, NULL, &error), 0);
    rig_run(rig);
    assert_string_equal(rig_ran, "ask a 4; done a 4; ");
    assert_int_equal(rig_total(rig, "a"), 4);
    rig_crash(rig, false);
    rig_run(rig);
    assert_string_equal(rig_ran, "ask a 4; done a 4; ");
}

/* It holds nothing of the log and writes nothing of its own, however much others append; those who come later find everything. */
static void an_application_without_services_is_only_there(void **state)
{
    struct rig *rig = *state;
    DO(rig, "a", 5, "c1");
    ASK(rig, "b", 4);
    rig_close(rig);
    const struct edda_service *services[4];
    memcpy(services, rig->services, sizeof services);
    memset(rig->services, 0, sizeof rig->services);
    rig->name = "nothing";
    rig_open(rig);
    rig_run(rig);
    uint64_t tail = journal_tail(rig->journal);
    for (int i = 0; i < 100; i++)
        ASK(rig, "c", 1);
    assert_int_equal(rig_run(rig), INT64_MAX);
    assert_int_equal(journal_tail(rig->journal), tail + 100);
    rig_close(rig);
    memcpy(rig->services, services, sizeof services);
    rig->name = NULL;
    script.on_ask = ask_done;
    rig_ran[0] = '\0';
    rig_open(rig);
    rig_run(rig);
    assert_int_equal(rig_total(rig, "a"), 5);
    assert_int_equal(rig_total(rig, "b"), 4);
    assert_int_equal(rig_total(rig, "c"), 100);
}

static void a_command_that_nobody_handles_is_told(void **state)
{
    struct rig *rig = *state;
    const struct edda_type unheard = { .name = "Unheard", .kind = EDDA_TYPE_COMMAND, .topic = "work.commands", .key = "id", .size = Do.size,
                                       .fields = Do.fields, .field_count = Do.field_count };
    struct Do value = { .id = T("a"), .n = 1 };
    struct engine_call *call = rig_call(rig, &unheard, &value, NULL);
    assert_int_equal(call->code, EDDA_EUNHANDLED);
    assert_int_equal(edda_code_info(call->code)->http_status, 501);
    assert_string_equal(call->error.message, "no service of application tests handles the command Unheard");
    assert_string_equal(rig->log, "call.unhandled");
    assert_string_equal(rig->said, call->error.message);
    const struct edda_type copy = Do;
    call = rig_call(rig, &copy, &value, NULL);
    assert_int_equal(call->code, EDDA_EUNHANDLED);
    assert_non_null(strstr(call->error.message, "service worker handles another table of this name"));
    assert_int_equal(rig_count(rig, "work.commands", NULL), 0);
}

static int no_route(struct edda_request *request, const void *body, void *user)
{
    (void)request, (void)body, (void)user;
    return 0;
}

static void a_route_without_a_handler_for_its_command_is_told_at_start(void **state)
{
    struct rig *rig = *state;
    rig_close(rig);
    rig->log[0] = '\0';
    struct edda_service routed = watcher;
    routed.routes = (const struct edda_route[]){ { .method = "POST", .path = "/do", .body = &Do, .handle = no_route },
                                                 { .method = "POST", .path = "/row", .body = &Row, .handle = no_route },
                                                 EDDA_ROUTES_END };
    rig->services[2] = &routed;
    rig_open(rig);
    assert_string_equal(rig->log, "");
    rig_close(rig);
    rig->services[0] = &routed;
    rig->services[1] = NULL;
    rig_open(rig);
    assert_string_equal(rig->log, "route.unhandled");
    assert_string_equal(rig->said, "POST /do of service watcher takes the command Do, which no service of the application handles");
    rig_close(rig);
}

static void a_paused_service_takes_no_calls(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(engine_pause(rig->engine, SLICE("worker"), true, NULL), 0);
    assert_int_equal(DO(rig, "a", 1, NULL)->code, EDDA_EPAUSED);
    rig_run(rig);
    rig_crash(rig, false);
    assert_int_equal(DO(rig, "a", 1, NULL)->code, EDDA_EPAUSED);
    assert_int_equal(engine_pause(rig->engine, SLICE("worker"), false, NULL), 0);
    assert_int_equal(DO(rig, "a", 1, NULL)->code, 0);
    assert_int_equal(engine_pause(rig->engine, SLICE("nobody"), true, NULL), EDDA_ENOTFOUND);
}

static void ids_follow_from_the_cause(void **state)
{
    struct rig *rig = *state;
    rig_event(rig, &Ask, &(struct Ask){ .id = T("a"), .n = 1, .process = T("p7") }, "m1");
    /* The step is run, lost with the machine, and run again. */
    assert_int_equal(journal_flush(rig->journal, true, NULL), 0);
    (void)engine_turn(rig->engine, NULL);
    struct cloudevent event = rig_cloudevent(rig, "work", "Done", 0);
    char id[64];
    assert_int_equal(event.id.len, 32);
    memcpy(id, event.id.data, 32);
    id[32] = '\0';
    rig_crash(rig, false);
    rig_run(rig);
    assert_int_equal(rig_count(rig, "work", "Done"), 1);
    event = rig_cloudevent(rig, "work", "Done", 0);
    assert_true(slice_eq_str(event.id, id));
    assert_true(slice_eq_str(event.source, "tests/worker"));
    assert_true(slice_eq_str(event.correlation, "p7"));
    assert_true(slice_eq_str(event.causation, "m1"));
}

static void a_call_begins_a_process_and_events_stay_in_it(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(DO(rig, "a", 1, "c1")->code, 0);
    struct cloudevent command = rig_cloudevent(rig, "work.commands", "Do", 0);
    assert_true(slice_eq_str(command.id, "c1"));
    assert_true(slice_eq_str(command.source, "client"));
    assert_true(slice_eq_str(command.correlation, "c1"));
    assert_int_equal(command.causation.len, 0);
    struct cloudevent event = rig_cloudevent(rig, "work", "Done", 0);
    assert_true(slice_eq_str(event.correlation, "c1"));
    assert_true(slice_eq_str(event.causation, "c1"));
    assert_int_equal(DO(rig, "a", 1, NULL)->code, 0);
    command = rig_cloudevent(rig, "work.commands", "Do", 1);
    assert_int_equal(command.id.len, 36);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_call_is_answered_and_recorded, setup, teardown),
        cmocka_unit_test_setup_teardown(a_rejection_records_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(a_step_that_fails_is_not_recorded_in_part, setup, teardown),
        cmocka_unit_test_setup_teardown(wrong_values_are_refused_by_field, setup, teardown),
        cmocka_unit_test_setup_teardown(a_key_that_is_too_long_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_repeat_gets_the_first_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(another_request_under_the_same_id_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_skipped_call_is_answered_once_as_well, setup, teardown),
        cmocka_unit_test_setup_teardown(a_row_answers_for_the_handler, setup, teardown),
        cmocka_unit_test_setup_teardown(an_expected_version_is_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(a_call_decides_by_what_others_have_just_recorded, setup, teardown),
        cmocka_unit_test_setup_teardown(a_handler_sees_what_others_have_just_recorded, setup, teardown),
        cmocka_unit_test_setup_teardown(what_others_append_to_the_store_reaches_its_service, setup, teardown),
        cmocka_unit_test_setup_teardown(an_application_without_services_is_only_there, setup, teardown),
        cmocka_unit_test_setup_teardown(a_command_that_nobody_handles_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(a_route_without_a_handler_for_its_command_is_told_at_start, setup, teardown),
        cmocka_unit_test_setup_teardown(a_paused_service_takes_no_calls, setup, teardown),
        cmocka_unit_test_setup_teardown(ids_follow_from_the_cause, setup, teardown),
        cmocka_unit_test_setup_teardown(a_call_begins_a_process_and_events_stay_in_it, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
