/* Versions of message types: what lies in the log in an older one reads as today wherever it is read, and what is newer is never passed over. */
#include "engine_rig.h"

#include <stdio.h>
#include <string.h>

#include "edda/test.h"

/* Priced was called Cost in version 1, had cents in version 2, and is what it is in version 3. */
struct Priced_1 { struct edda_text id; int64_t euros; };
struct Priced_2 { struct edda_text id; int64_t cents; struct edda_list notes; };
struct Priced { struct edda_text item; double price; struct edda_text currency; struct edda_list notes; };
static const struct edda_field Priced_1_fields[] = { EDDA_FIELD(Priced_1, id), EDDA_FIELD(Priced_1, euros) };
static const struct edda_type Priced_1 = EDDA_VALUE(Priced_1);
static const struct edda_field Priced_2_fields[] = { EDDA_FIELD(Priced_2, id), EDDA_FIELD(Priced_2, cents),
                                                     EDDA_FIELD_LIST(Priced_2, notes, EDDA_KIND_TEXT) };
static const struct edda_type Priced_2 = EDDA_VALUE(Priced_2);
static const struct edda_field Priced_fields[] = { EDDA_FIELD(Priced, item), EDDA_FIELD(Priced, price), EDDA_FIELD(Priced, currency),
                                                   EDDA_FIELD_LIST(Priced, notes, EDDA_KIND_TEXT) };

EDDA_UPCAST(priced_2, Priced_2, Priced_1);
static void priced_2(struct Priced_2 *newer, const struct Priced_1 *older)
{
    *newer = (struct Priced_2){ .id = older->id, .cents = older->euros * 100 };
}

EDDA_UPCAST(priced_3, Priced, Priced_2);
static void priced_3(struct Priced *newer, const struct Priced_2 *older)
{
    *newer = (struct Priced){ .item = older->id, .price = (double)older->cents / 100, .currency = T("EUR"), .notes = older->notes };
}

static const struct edda_older priced_older[] = { EDDA_OLDER(2, "Priced", Priced_2, priced_3), EDDA_OLDER(1, "Cost", Priced_1, priced_2),
                                                  EDDA_OLDER_END };
static const struct edda_type Priced = EDDA_EVENT(Priced, item, .topic = "prices", .version = 3, .older = priced_older);
/* The same as an application of its time knew it. */
static const struct edda_older priced_v2_older[] = { { 1, "Cost", &Priced_1, priced_2_row }, EDDA_OLDER_END };
static const struct edda_type Priced_v2 = { .name = "Priced", .kind = EDDA_TYPE_EVENT, .size = sizeof(struct Priced_2), .fields = Priced_2_fields,
                                            .field_count = 3, .topic = "prices", .key = "id", .version = 2, .older = priced_v2_older };

/* Pay, a command, was keyed by another field in version 1. */
struct Pay_1 { struct edda_text who; int64_t n; };
struct Pay { struct edda_text payer; int64_t n; };
static const struct edda_field Pay_1_fields[] = { EDDA_FIELD(Pay_1, who), EDDA_FIELD(Pay_1, n) };
static const struct edda_type Pay_1 = EDDA_VALUE(Pay_1);
static const struct edda_field Pay_fields[] = { EDDA_FIELD(Pay, payer), EDDA_FIELD(Pay, n) };
EDDA_UPCAST(pay_2, Pay, Pay_1);
static void pay_2(struct Pay *newer, const struct Pay_1 *older)
{
    *newer = (struct Pay){ .payer = older->who, .n = older->n };
}
static const struct edda_older pay_older[] = { EDDA_OLDER(1, NULL, Pay_1, pay_2), EDDA_OLDER_END };
static const struct edda_type Pay = EDDA_COMMAND(Pay, payer, .topic = "pay.commands", .version = 2, .older = pay_older);
static const struct edda_type Pay_v1 = { .name = "Pay", .kind = EDDA_TYPE_COMMAND, .size = sizeof(struct Pay_1), .fields = Pay_1_fields,
                                         .field_count = 2, .topic = "pay.commands", .key = "who" };

struct item { double price; int64_t count; struct edda_text currency; struct edda_list notes; };
static const struct edda_field item_fields[] = { EDDA_FIELD(item, price), EDDA_FIELD(item, count), EDDA_FIELD(item, currency),
                                                 EDDA_FIELD_LIST(item, notes, EDDA_KIND_TEXT) };
static const struct edda_type item = EDDA_STATE(item);

EDDA_EVOLVE(priced, item, Priced);
static void priced(struct item *i, const struct Priced *e)
{
    *i = (struct item){ e->price, i->count + 1, e->currency, e->notes };
}

EDDA_EVOLVE(priced_as_2, item, Priced_2);
static void priced_as_2(struct item *i, const struct Priced_2 *e)
{
    *i = (struct item){ (double)e->cents, i->count + 1, T("cents"), e->notes };
}

static double seen_price;
static char seen_payer[32];
static int seen;
enum { PAY_DEADLINE = 1, PAY_COMPENSATE, PAY_ABORT };

EDDA_SAGA(see_price, Priced);
static int see_price(struct edda_step *step, const struct Priced *e)
{
    (void)step;
    seen_price = e->price;
    seen++;
    return 0;
}

EDDA_HANDLER(pay, Pay, tally);
static int pay(struct edda_step *step, const struct Pay *m, const struct tally *t)
{
    (void)t;
    seen++;
    assert_true(edda_text_equal(edda_entity_key(step), m->payer));
    (void)snprintf(seen_payer, sizeof seen_payer, "%.*s", (int)m->payer.len, m->payer.data);
    return edda_emit(step, Done, .id = m->payer, .n = m->n);
}

static int pay_v1_row(struct edda_step *step, const void *message, const void *state, void *user)
{
    const struct Pay_1 *m = message;
    (void)state, (void)user;
    if (m->n == PAY_DEADLINE)
        return edda_deadline_set_struct(step, "d", edda_now_ms(step) + 1000, &Pay_v1, &(struct Pay_1){ m->who, 50 });
    if (m->n == PAY_COMPENSATE)
        return edda_compensate_struct(step, &Pay_v1, &(struct Pay_1){ m->who, 60 });
    return 0;
}

static int abort_row(struct edda_step *step, const void *message, const void *state, void *user)
{
    (void)message, (void)state, (void)user;
    return edda_abort(step, "no");
}

EDDA_EVOLVE(evolve_done, tally, Done);
static void evolve_done(struct tally *t, const struct Done *e)
{
    t->total += e->n;
}

static const struct edda_row new_evolve[] = { EDDA_WHEN(Priced, priced), EDDA_END };
static const struct edda_row old_evolve[] = { { .type = &Priced_v2, .evolve = priced_as_2_row }, EDDA_END };
static const struct edda_row see_rows[] = { EDDA_ON(Priced, see_price, item), EDDA_END };
static const struct edda_row pay_rows[] = { EDDA_ON(Pay, pay, payer), { .type = &Ask, .handle = abort_row, .key = "id" }, EDDA_END };
static const struct edda_row old_pay_rows[] = { { .type = &Pay_v1, .handle = pay_v1_row, .key = "who" },
                                                { .type = &Ask, .handle = abort_row, .key = "id" }, EDDA_END };
static const struct edda_row done_rows[] = { EDDA_WHEN(Done, evolve_done), EDDA_END };
static struct edda_service items, sights, payers;

static int setup(void **state)
{
    static struct rig rig;
    rig_new(&rig);
    items = (struct edda_service){ .name = "items", .entity = EDDA_ENTITY(item, "prices"), .evolve = new_evolve };
    sights = (struct edda_service){ .name = "sights", .on = see_rows };
    payers = (struct edda_service){ .name = "payers", .entity = EDDA_ENTITY(tally, "work"), .evolve = done_rows, .on = pay_rows };
    memcpy(rig.services, (const struct edda_service *[4]){ &items, &sights, &payers, NULL }, sizeof rig.services);
    rig_open(&rig);
    seen = 0;
    *state = &rig;
    return 0;
}

static int teardown(void **state)
{
    rig_free(*state);
    return 0;
}

static void put(struct rig *rig, const char *topic, const char *type, const char *key, uint32_t version, const char *json)
{
    rig_raw(rig, topic, key, json, &(struct cloudevent){ .type = slice_str(type), .source = SLICE("outside"), .data_version = version }, NULL, NULL);
}

static const struct item *the_item(struct rig *rig, const char *key)
{
    return engine_state(rig->engine, &items, slice_str(key));
}

static void older_ones_are_lifted_for_handlers_and_states(void **state)
{
    struct rig *rig = *state;
    static const struct { const char *type, *json; uint32_t version; } cases[] = {
        { "Cost", "{\"id\":\"a\",\"euros\":3}", 0 },
        { "Cost", "{\"id\":\"a\",\"euros\":4}", 1 },
        { "Priced", "{\"id\":\"a\",\"cents\":550,\"notes\":[\"x\",\"y\"]}", 2 },
        { "Priced", "{\"item\":\"a\",\"price\":6.5,\"currency\":\"EUR\",\"notes\":[]}", 3 },
    };
    const double prices[] = { 3, 4, 5.5, 6.5 };
    for (size_t i = 0; i < 4; i++) {
        put(rig, "prices", cases[i].type, "a", cases[i].version, cases[i].json);
        rig_run(rig);
        for (int round = 0; round < 2; round++) {
            const struct item *now = the_item(rig, "a");
            assert_true(now->price == prices[i] && seen_price == prices[i]);
            assert_int_equal(now->count, i + 1);
            assert_true(edda_text_is(now->currency, "EUR"));
            assert_int_equal(now->notes.count, i == 2 ? 2 : 0);
            rig_crash(rig, false); /* and when the stream is read */
        }
    }
    assert_int_equal(seen, 4);
}

static void what_is_recorded_says_its_version(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(rig_call(rig, &Pay, &(struct Pay){ T("p"), 1 }, NULL)->code, 0);
    assert_int_equal(rig_cloudevent(rig, "pay.commands", "Pay", 0).data_version, 2);
    assert_int_equal(rig_cloudevent(rig, "work", "Done", 0).data_version, 0);
}

/* An older application leaves a deadline and a compensation, the newer one acts on them. */
static void deadlines_and_compensations_of_older_versions_are_lifted(void **state)
{
    struct rig *rig = *state;
    payers.on = old_pay_rows;
    rig_crash(rig, true);
    assert_int_equal(rig_call(rig, &Pay_v1, &(struct Pay_1){ T("p"), PAY_DEADLINE }, NULL)->code, 0);
    struct engine_call *call = rig_call(rig, &Pay_v1, &(struct Pay_1){ T("q"), PAY_COMPENSATE }, "call");
    assert_int_equal(call->code, 0);
    rig_close(rig);
    payers.on = pay_rows;
    rig_open(rig);
    rig_pass(rig, 1500);
    assert_string_equal(seen_payer, "p");
    rig_event(rig, &Ask, &(struct Ask){ .id = T("q"), .n = 1, .process = T("call") }, NULL);
    rig_pass(rig, 100);
    assert_string_equal(seen_payer, "q");
    assert_int_equal(seen, 2);
    assert_int_equal(rig_cloudevent(rig, "pay.commands", "Pay", 2).data_version, 2);
    assert_int_equal(rig_cloudevent(rig, "pay.commands", "Pay", 3).data_version, 2);
}

static int reason_of(void *user, const struct engine_quarantine_info *info)
{
    strncat(user, (const char *)info->reason.data, info->reason.len);
    return 0;
}

/* The evolve function of the older application made something else of the same events. */
static void a_snapshot_of_an_older_version_is_not_used(void **state)
{
    struct rig *rig = *state;
    rig_close(rig);
    items.evolve = old_evolve;
    items.entity.snapshot_every = 2;
    memcpy(rig->services, (const struct edda_service *[4]){ &items, NULL }, sizeof rig->services);
    rig_open(rig);
    put(rig, "prices", "Priced", "a", 2, "{\"id\":\"a\",\"cents\":150}");
    put(rig, "prices", "Priced", "a", 2, "{\"id\":\"a\",\"cents\":250}");
    assert_true(the_item(rig, "a")->price == 250);
    rig_run(rig);
    assert_int_equal(rig_count(rig, TOPIC_SNAPSHOTS, NULL), 1);
    rig_close(rig);
    items.evolve = new_evolve;
    rig_open(rig);
    assert_true(the_item(rig, "a")->price == 2.5);
    assert_true(edda_text_is(the_item(rig, "a")->currency, "EUR"));
}

static void a_newer_one_is_quarantined_and_says_both_versions(void **state)
{
    struct rig *rig = *state;
    char reasons[512] = "";
    put(rig, "pay.commands", "Pay", "elsewhere", 3, "{\"payer\":\"p\",\"n\":\"seven\"}");
    put(rig, "pay.commands", "Pay", "q", 4, "{\"buyer\":\"p\"}"); /* the field that selects the entity is not there: the record's key does */
    put(rig, "pay.commands", "Pay", "p", 2, "{\"payer\":\"p\",\"n\":5}");
    put(rig, "pay.commands", "Pay", "r", 2, "{\"payer\":\"r\",\"n\":6}");
    rig_run(rig);
    assert_int_equal(seen, 1);
    assert_string_equal(seen_payer, "r");
    assert_int_equal(rig_count(rig, TOPIC_QUARANTINE, NULL), 3);
    assert_int_equal(engine_quarantine_each(rig->engine, reason_of, reasons), 0);
    assert_non_null(strstr(reasons, "Pay is of version 3, and this application knows it up to version 2"));
    assert_non_null(strstr(reasons, "Pay is of version 4, and this application knows it up to version 2"));
    rig_crash(rig, false);
    rig_run(rig);
    assert_int_equal(engine_quarantine_retry(rig->engine, SLICE("payers"), SLICE("p"), NULL), 0);
    rig_run(rig);
    assert_int_equal(seen, 1);
    assert_int_equal(engine_quarantine_skip(rig->engine, SLICE("payers"), SLICE("p"), NULL), 0);
    rig_run(rig);
    assert_int_equal(seen, 2);
    assert_string_equal(seen_payer, "p");
}

/* An application that knows the version handles it, for the entity that it then turns out to be for. */
static void after_an_upgrade_a_newer_one_is_handled(void **state)
{
    struct rig *rig = *state;
    payers.on = old_pay_rows;
    rig_crash(rig, true);
    put(rig, "pay.commands", "Pay", "elsewhere", 2, "{\"payer\":\"p\",\"n\":5}");
    rig_run(rig);
    assert_int_equal(rig_count(rig, TOPIC_QUARANTINE, NULL), 1);
    rig_close(rig);
    payers.on = pay_rows;
    rig_open(rig);
    assert_int_equal(engine_quarantine_retry(rig->engine, SLICE("payers"), SLICE("elsewhere"), NULL), 0);
    rig_run(rig);
    assert_string_equal(seen_payer, "p");
    assert_int_equal(((const struct tally *)engine_state(rig->engine, &payers, SLICE("p")))->total, 5);
    char none[512] = "";
    for (int round = 0; round < 2; round++) {
        assert_int_equal(engine_quarantine_each(rig->engine, reason_of, none), 0);
        assert_string_equal(none, "");
        rig_crash(rig, false);
        rig_run(rig);
    }
    assert_true(engine_settled(rig->engine));
}

static void a_deadline_of_a_newer_version_waits(void **state)
{
    struct rig *rig = *state;
    struct journal_message message = { .key = SLICE("payers/p/d"), .value = SLICE("{\"payer\":\"p\"}") };
    struct buffer headers;
    uint64_t position;
    buffer_init(&headers, 0);
    record_headers_put(&headers, SLICE(HEADER_DUE), SLICE("1"));
    record_headers_put(&headers, SLICE(HEADER_TOPIC), SLICE("pay.commands"));
    message.headers = buffer_slice(&headers);
    message.header_count = 2;
    message.event = (struct cloudevent){ .id = SLICE("x"), .type = SLICE("Pay"), .data_version = 7 };
    assert_int_equal(journal_topic(rig->journal, TOPIC_DEADLINES, 1, &message.topic, NULL), 0);
    assert_int_equal(journal_append(rig->journal, NULL, &message, 1, &position, NULL), 0);
    rig_pass(rig, 100);
    assert_int_equal(engine_deadline_count(rig->engine, NULL), 1);
    assert_string_equal(rig->log, "deadline.unknown");
    rig_crash(rig, false);
    rig_pass(rig, 100);
    assert_int_equal(engine_deadline_count(rig->engine, NULL), 1);
    assert_int_equal(seen, 0);
    buffer_deinit(&headers);
}

static void no_start_where_a_newer_one_would_have_to_be_folded(void **state)
{
    struct rig *rig = *state;
    put(rig, "prices", "Priced", "a", 3, "{\"item\":\"a\",\"price\":6.5,\"currency\":\"EUR\",\"notes\":[]}");
    rig_run(rig);
    assert_true(the_item(rig, "a")->price == 6.5);
    rig_close(rig);
    items.evolve = old_evolve;
    sights.on = (const struct edda_row[]){ { .type = &Priced_v2, .handle = abort_row, .key = "id" }, EDDA_END };
    struct edda_error error = { 0 };
    assert_int_equal(rig_try_open(rig, &error), EDDA_EUNSUPPORTED);
    assert_non_null(strstr(error.message, "Priced is of version 3, and this application knows it up to version 2"));
    journal_close(rig->journal, true);
    items.evolve = new_evolve;
    sights.on = see_rows;
    rig_open(rig);
    assert_true(the_item(rig, "a")->price == 6.5);
}

static void a_version_that_is_no_number_is_newer_than_any(void **state)
{
    struct rig *rig = *state;
    rig_raw(rig, "pay.commands", "p", "{\"payer\":\"p\",\"n\":5}", &(struct cloudevent){ .type = SLICE("Pay"), .source = SLICE("o") }, "ce_dataversion",
            "two");
    rig_run(rig);
    assert_int_equal(seen, 0);
    assert_int_equal(rig_count(rig, TOPIC_QUARANTINE, NULL), 1);
}

static void wrong_tables_are_refused_by_name(void **state)
{
    (void)state;
    static const struct { uint32_t version; struct edda_older older[4]; const char *says; } cases[] = {
        { 3, { { 2, NULL, &Pay_1, pay_2_row } }, "Pay: is of version 3, and its older version 1 is missing" },
        { 2, { { 0 } }, "Pay: is of version 2, and its older version 1 is missing" },
        { 2, { { 1, NULL, &Pay_1, pay_2_row }, { 1, "Was", &Pay_1, pay_2_row } }, "Pay: its older version 1 is there twice" },
        { 2, { { 1, NULL, &Pay_1, pay_2_row }, { 2, NULL, &Pay_1, pay_2_row } }, "Pay: is of version 2, and has an older one of version 2" },
        { 1, { { 1, NULL, &Pay_1, pay_2_row } }, "Pay: is of version 1, and has an older one of version 1" },
        { 2, { { 1, NULL, &Pay_1, NULL } }, "Pay: its older version 1 has no function that lifts it, or no valid name" },
        { 2, { { 1, "a b", &Pay_1, pay_2_row } }, "Pay: its older version 1 has no function that lifts it, or no valid name" },
        { 1001, { { 0 } }, "Pay: is of version 1001; there are at most 1000" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct edda_type type = Pay;
        struct edda_error error = { 0 };
        type.version = cases[i].version;
        type.older = cases[i].older;
        assert_int_equal(edda_type_check(&type, &error), EDDA_EINVAL);
        assert_string_equal(error.message, cases[i].says);
    }
    struct edda_type value = Pay_1;
    value.version = 2;
    assert_int_equal(edda_type_check(&value, NULL), EDDA_EINVAL);
    assert_int_equal(edda_type_check(&Priced, NULL), 0);
}

static void two_types_cannot_have_been_called_the_same(void **state)
{
    struct rig *rig = *state;
    struct edda_error error = { 0 };
    struct edda_type other = Pay;
    const struct edda_older older[] = { EDDA_OLDER(1, "Cost", Pay_1, pay_2), EDDA_OLDER_END };
    other.topic = "prices";
    other.older = older;
    payers.on = (const struct edda_row[]){ { .type = &other, .handle = abort_row, .key = "payer" }, EDDA_END };
    rig_close(rig);
    assert_int_equal(rig_try_open(rig, &error), EDDA_EINVAL);
    assert_string_equal(error.message, "two message types are named Cost on topic prices");
    journal_close(rig->journal, true);
    rig->journal = NULL;
}

static void the_test_kit_lifts_what_is_given_and_handled(void **state)
{
    (void)state;
    struct edda_test *t = edda_test_new(&items);
    edda_given(t, Priced_1, .id = T("a"), .euros = 3);
    const struct item *i = edda_test_state(t);
    assert_true(i->price == 3 && i->count == 1 && edda_text_is(i->currency, "EUR"));
    edda_given(t, Priced_2, .id = T("a"), .cents = 450);
    i = edda_test_state(t);
    assert_true(i->price == 4.5 && i->count == 2);
    assert_int_equal(edda_test_end(t), 0);
    t = edda_test_new(&payers);
    edda_when(t, Pay_1, .who = T("p"), .n = 7);
    edda_then(t, Done, .id = T("p"), .n = 7);
    assert_int_equal(edda_test_end(t), 0);
}

struct Price { struct edda_text item; double price; };
static const struct edda_field Price_fields[] = { EDDA_FIELD(Price, item), EDDA_FIELD(Price, price) };
static const struct edda_type Price = EDDA_VALUE(Price);
static const struct edda_table prices = EDDA_TABLE("prices", Price, 1);

EDDA_PROJECT(note_price, Priced);
static int note_price(struct edda_rows *rows, const struct Priced *e)
{
    return edda_put(rows, prices, Price, .item = e->item, .price = e->price);
}

static void the_test_kit_lifts_what_is_projected(void **state)
{
    static const struct edda_table *const tables[] = { &prices, NULL };
    static const struct edda_projecting on[] = { EDDA_APPLY(Priced, note_price, item), EDDA_APPLY_END };
    static const struct edda_projection projection = { .name = "prices", .tables = tables, .on = on, .version = 1 };
    (void)state;
    struct edda_test *t = edda_test_projection(&projection);
    edda_given(t, Priced_1, .id = T("a"), .euros = 3);
    edda_then_row(t, prices, Price, .item = T("a"), .price = 3);
    edda_when(t, Priced_2, .id = T("a"), .cents = 450);
    edda_then_row(t, prices, Price, .item = T("a"), .price = 4.5);
    assert_int_equal(edda_test_end(t), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(older_ones_are_lifted_for_handlers_and_states),
        TEST(what_is_recorded_says_its_version),
        TEST(deadlines_and_compensations_of_older_versions_are_lifted),
        TEST(a_snapshot_of_an_older_version_is_not_used),
        TEST(a_newer_one_is_quarantined_and_says_both_versions),
        TEST(after_an_upgrade_a_newer_one_is_handled),
        TEST(a_deadline_of_a_newer_version_waits),
        TEST(no_start_where_a_newer_one_would_have_to_be_folded),
        TEST(a_version_that_is_no_number_is_newer_than_any),
        TEST(wrong_tables_are_refused_by_name),
        TEST(two_types_cannot_have_been_called_the_same),
        TEST(the_test_kit_lifts_what_is_given_and_handled),
        TEST(the_test_kit_lifts_what_is_projected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
