/* Answers on a topic: whatever becomes of a command that wants one, there is exactly one. */
#include "engine_rig.h"

#include <stdio.h>
#include <string.h>

#include "wire/json/json.h"

struct Order { struct edda_text id; int64_t n; };
static const struct edda_field Order_fields[] = { EDDA_FIELD(Order, id), EDDA_FIELD(Order, n) };
static const struct edda_type Order = EDDA_COMMAND(Order, id, .topic = "order.commands", .reply_to = "answers");
static rig_handle_fn *on_order;

EDDA_SAGA(handle_order, Order);
static int handle_order(struct edda_step *step, const struct Order *m)
{
    return on_order ? on_order(step, m, NULL) : 0;
}

static const struct edda_row order_rows[2] = { EDDA_ON(Order, handle_order, id), EDDA_END };
static const struct edda_service orders = { .name = "orders", .on = order_rows };

static int setup(void **state)
{
    static struct rig rig;
    rig_new(&rig);
    memcpy(rig.services, (const struct edda_service *[4]){ &worker, &orders, NULL }, sizeof rig.services);
    rig_open(&rig);
    on_order = NULL;
    *state = &rig;
    return 0;
}

static int teardown(void **state)
{
    rig_free(*state);
    return 0;
}

static void ask_with(struct rig *rig, const char *id, const char *json, const char *reply_to, int64_t expiry_ms)
{
    rig_raw(rig, "work.commands", "k", json, &(struct cloudevent){ .id = slice_str(id), .source = SLICE("caller"), .type = SLICE("Do"),
            .correlation = SLICE("process"), .reply_to = slice_str(reply_to), .expiry_ms = expiry_ms }, NULL, NULL);
    rig_run(rig);
}

static void ask(struct rig *rig, const char *id, const char *reply_to)
{
    ask_with(rig, id, "{\"id\":\"a\",\"n\":7}", reply_to, 0);
}

/* The only answer, of this type, and for this command. */
static void answered(struct rig *rig, const char *type, const char *id, const char *json)
{
    assert_int_equal(rig_count(rig, "answers", NULL), 1);
    struct journal_record record = rig_record(rig, "answers", type, 0);
    struct cloudevent event;
    cloudevent_get(&record.record, &event);
    assert_true(slice_eq_str(record.record.key, id));
    assert_true(slice_eq_str(event.causation, id));
    if (!slice_eq_str(record.record.value, json))
        fail_msg("%.*s", (int)record.record.value.len, (const char *)record.record.value.data);
}

static void a_reply_is_recorded_with_its_step(void **state)
{
    struct rig *rig = *state;
    ask(rig, "c1", "answers");
    answered(rig, "Told", "c1", "{\"id\":\"a\",\"n\":7}");
    assert_true(slice_eq_str(rig_cloudevent(rig, "answers", "Told", 0).correlation, "process"));
    assert_int_equal(rig_total(rig, "a"), 7);
    ask(rig, "c1", "answers"); /* the same command once more */
    rig_crash(rig, false);
    rig_run(rig);
    answered(rig, "Told", "c1", "{\"id\":\"a\",\"n\":7}");
    ask(rig, "c2", "");
    assert_int_equal(rig_count(rig, "answers", NULL), 1);
}

static void without_a_reply_it_is_done(void **state)
{
    struct rig *rig = *state;
    script.on_do = NULL;
    ask(rig, "c1", "answers");
    answered(rig, "edda.done", "c1", "{\"command\":\"Do\"}");
}

static void a_rejection_says_field_and_message(void **state)
{
    struct rig *rig = *state;
    script.on_do = do_reject;
    ask(rig, "c1", "answers");
    answered(rig, "edda.rejected", "c1", "{\"command\":\"Do\",\"outcome\":\"rejected\",\"field\":\"n\",\"message\":\"not today\"}");
}

static int finds_nothing(struct edda_step *step, const void *message, const void *state)
{
    (void)message, (void)state;
    return edda_fail(step, EDDA_ENOTFOUND, "id", "there is none");
}

static void what_is_not_found_is_rejected_too(void **state)
{
    struct rig *rig = *state;
    script.on_do = finds_nothing;
    ask(rig, "c1", "answers");
    answered(rig, "edda.rejected", "c1", "{\"command\":\"Do\",\"outcome\":\"rejected\",\"field\":\"id\",\"message\":\"there is none\"}");
}

static int skips(struct edda_step *step, const void *message, const void *state)
{
    (void)message, (void)state;
    return edda_skip(step, "was done before");
}

static int replies_and_skips(struct edda_step *step, const void *message, const void *state)
{
    const struct Do *m = message;
    (void)state;
    edda_reply(step, Told, .id = m->id, .n = 1);
    return edda_skip(step, "was done before");
}

static void a_skip_says_why_unless_it_replies(void **state)
{
    struct rig *rig = *state;
    script.on_do = skips;
    ask(rig, "c1", "answers");
    answered(rig, "edda.rejected", "c1", "{\"command\":\"Do\",\"outcome\":\"skipped\",\"message\":\"was done before\"}");
    script.on_do = replies_and_skips;
    ask(rig, "c2", "answers");
    assert_int_equal(rig_count(rig, "answers", "Told"), 1);
    assert_int_equal(rig_count(rig, "answers", NULL), 2);
}

static void an_expired_one_is_answered(void **state)
{
    struct rig *rig = *state;
    ask_with(rig, "c1", "{\"id\":\"a\",\"n\":7}", "answers", 1);
    answered(rig, "edda.rejected", "c1", "{\"command\":\"Do\",\"outcome\":\"skipped\",\"message\":\"expired\"}");
    assert_int_equal(rig_total(rig, "a"), 0);
}

static void one_that_cannot_be_read_or_is_for_nobody_is_rejected(void **state)
{
    struct rig *rig = *state;
    ask_with(rig, "c1", "{\"id\":\"a\",\"n\":\"x\"}", "answers", 0);
    struct journal_record record = rig_record(rig, "answers", "edda.rejected", 0);
    struct slice text;
    bool is_string;
    assert_true(json_find(record.record.value, "field", &text, &is_string) && slice_eq_str(text, "n"));
    ask_with(rig, "c2", "{\"n\":3}", "answers", 0);
    record = rig_record(rig, "answers", "edda.rejected", 1);
    assert_true(json_find(record.record.value, "field", &text, &is_string) && slice_eq_str(text, "id"));
    ask_with(rig, "c3", "{", "answers", 0);
    assert_int_equal(rig_count(rig, "answers", "edda.rejected"), 3);
    ask_with(rig, "c4", "{", "", 0);
    assert_int_equal(rig_count(rig, "answers", NULL), 3);
    assert_int_equal(rig_runs, 0);
    assert_int_equal(rig_held(rig, "a"), 0);
}

static void a_quarantined_one_is_answered_when_an_operator_decides(void **state)
{
    struct rig *rig = *state;
    script.on_do = do_fail;
    ask(rig, "c1", "answers");
    rig_pass(rig, 60000);
    ask(rig, "c2", "answers");
    assert_int_equal(rig_held(rig, "a"), 2);
    assert_int_equal(rig_count(rig, "answers", NULL), 0);
    rig_crash(rig, false);
    script.on_do = do_done;
    assert_int_equal(engine_quarantine_skip(rig->engine, SLICE("worker"), SLICE("a"), NULL), 0);
    rig_run(rig);
    assert_int_equal(rig_count(rig, "answers", NULL), 2);
    struct journal_record left_out = rig_record(rig, "answers", "edda.rejected", 0);
    assert_true(slice_eq_str(left_out.record.value, "{\"command\":\"Do\",\"outcome\":\"skipped\",\"message\":\"left out by an operator\"}"));
    assert_true(slice_eq_str(rig_record(rig, "answers", "Told", 0).record.key, "c2"));
}

static void a_topic_that_may_not_be_used_is_refused_and_the_command_handled(void **state)
{
    struct rig *rig = *state;
    static const char *const topics[] = { "_edda.deadlines", "_x", "__consumer_offsets", "work", "a b", "a/b", "." };
    for (size_t i = 0; i < sizeof topics / sizeof topics[0]; i++) {
        char id[8];
        uint64_t before = rig_count(rig, topics[i], NULL);
        (void)snprintf(id, sizeof id, "c%zu", i);
        rig->log[0] = '\0';
        ask(rig, id, topics[i]);
        assert_string_equal(rig->log, "reply.refused");
        assert_int_equal(rig_total(rig, "a"), 7 * (int64_t)(i + 1));
        assert_int_equal(rig_count(rig, topics[i], NULL), before + (strcmp(topics[i], "work") == 0)); /* the event of the step itself */
    }
    char longer[5000];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    rig->log[0] = '\0';
    ask(rig, longer, "answers");
    assert_string_equal(rig->log, "reply.refused");
    assert_int_equal(rig_total(rig, "a"), 7 * 8);
}

static int orders_one(struct edda_step *step, const void *message, const void *state)
{
    const struct Do *m = message;
    (void)state;
    if (m->n == 2)
        return edda_deadline_set(step, "d", edda_now_ms(step) + 100, Order, .id = m->id, .n = 2);
    return edda_send(step, Order, .id = m->id, .n = 1);
}

static int order_told(struct edda_step *step, const void *message, const void *state)
{
    const struct Order *m = message;
    (void)state;
    return edda_reply(step, Told, .id = m->id, .n = m->n);
}

static void a_handler_asks_for_an_answer_by_the_type_of_its_command(void **state)
{
    struct rig *rig = *state;
    script.on_do = orders_one;
    on_order = order_told;
    assert_int_equal(DO(rig, "a", 1, NULL)->code, 0);
    struct cloudevent sent = rig_cloudevent(rig, "order.commands", "Order", 0);
    assert_true(slice_eq_str(sent.reply_to, "answers"));
    assert_true(slice_eq(rig_record(rig, "answers", "Told", 0).record.key, sent.id));
    assert_int_equal(DO(rig, "a", 2, NULL)->code, 0);
    rig_pass(rig, 200);
    assert_int_equal(rig_count(rig, "answers", "Told"), 2);
    /* Who calls it has his answer; there is none on the topic. */
    struct engine_call *call = rig_call(rig, &Order, &(struct Order){ T("a"), 3 }, NULL);
    assert_int_equal(call->code, 0);
    assert_ptr_equal(call->reply_type, &Told);
    assert_int_equal(rig_count(rig, "answers", NULL), 2);
}

static void a_type_that_cannot_be_answered_is_refused(void **state)
{
    (void)state;
    struct edda_type type = Order;
    type.reply_to = "_edda.replies";
    assert_int_equal(edda_type_check(&type, NULL), EDDA_EINVAL);
    type.reply_to = "a b";
    assert_int_equal(edda_type_check(&type, NULL), EDDA_EINVAL);
    type = Ask;
    type.reply_to = "answers";
    assert_int_equal(edda_type_check(&type, NULL), EDDA_EINVAL);
    assert_int_equal(edda_type_check(&Order, NULL), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_reply_is_recorded_with_its_step),
        TEST(without_a_reply_it_is_done),
        TEST(a_rejection_says_field_and_message),
        TEST(what_is_not_found_is_rejected_too),
        TEST(a_skip_says_why_unless_it_replies),
        TEST(an_expired_one_is_answered),
        TEST(one_that_cannot_be_read_or_is_for_nobody_is_rejected),
        TEST(a_quarantined_one_is_answered_when_an_operator_decides),
        TEST(a_topic_that_may_not_be_used_is_refused_and_the_command_handled),
        TEST(a_handler_asks_for_an_answer_by_the_type_of_its_command),
        TEST(a_type_that_cannot_be_answered_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
